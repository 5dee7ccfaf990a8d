"""Apply DICOM windows to napari layers: contrast limits, and a colormap for a nonlinear curve. Does not use Qt."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_dicommeta._napari.words import plain
from napari_dicommeta._napari.world import index_shown, place_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari.layers import Image
    from napari.utils.colormaps import Colormap

    from napari_dicommeta.dicom.window import Window
    from napari_dicommeta.volumes.volume import Volume

__all__ = [
    "go_to_slice",
    "has_window",
    "is_full_range",
    "is_shown",
    "set_colormap",
    "set_limits",
    "show_full_range",
    "show_window",
    "slice_index",
    "slice_number",
    "slider_limits",
]

PREFIX = "DICOM "
SAMPLES = 1024
"""Entries of napari's colormap texture."""
_registering = threading.RLock()


def slider_limits(window: Window) -> tuple[float, float]:
    """Return the (low, high) limits of `window` for napari: never equal, so that a width of 1 is a step."""
    low, high = window.limits
    return (low, high) if high > low else (low, low + 1e-3 * max(1.0, abs(low)))


def set_limits(layer: Image, limits: tuple[float, float], data_range: tuple[float, float] | None = None) -> None:
    """Set the contrast limits of `layer`, widening the range of its slider if needed."""
    low, high = layer.contrast_limits_range
    if data_range is not None:
        low, high = data_range
    wider = (min(low, limits[0]), max(high, limits[1]))
    if wider != tuple(layer.contrast_limits_range):
        layer.contrast_limits_range = wider
    layer.contrast_limits = limits


def show_window(layer: Image, window: Window, inverted: bool = False) -> None:
    """Show `layer` as `window` specifies, but for its gamma: set its limits and, for a SIGMOID or VOI LUT, a colormap.

    `inverted`: MONOCHROME1, low values are bright. A linear window leaves a colormap that the user chose.
    """
    if window.is_straight:
        _without_curve(layer, inverted)
    else:
        set_colormap(layer, curve_colormap(window, inverted))
    set_limits(layer, slider_limits(window))


def set_colormap(layer: Image, colormap: Colormap) -> None:
    """Give `layer` a colormap; that of a DICOM curve replaces others of its name in napari's registry.

    The registry would keep each curve under a name of its own. Layers hold their colormaps themselves.
    """
    from napari.utils.colormaps import AVAILABLE_COLORMAPS

    with _registering:
        if colormap.name.startswith(PREFIX):
            AVAILABLE_COLORMAPS.pop(colormap.name, None)  # it refuses a second one of a name
        layer.colormap = colormap


def _without_curve(layer: Image, inverted: bool) -> None:
    """Replace the colormap of a DICOM curve by a linear gray one."""
    if _has_curve(layer):
        layer.colormap = "gray_r" if inverted else "gray"


def curve_colormap(window: Window, inverted: bool) -> Colormap:
    """Return the brightness of `window` over its limits as a colormap, with one name for each kind of curve."""
    from napari.utils.colormaps import Colormap

    brightness = _brightness(window, inverted)
    colors = np.stack([brightness, brightness, brightness, np.ones(SAMPLES)], axis=1).astype(np.float32)
    return Colormap(colors, name=plain(_name(window, inverted)), interpolation="linear")


def _brightness(window: Window, inverted: bool) -> np.ndarray:
    curve = window.curve(SAMPLES)
    return 1 - curve if inverted else curve


def _name(window: Window, inverted: bool) -> str:
    kind = "VOI LUT" if window.lut is not None else window.function
    return PREFIX + kind + (" inverted" if inverted else "")


def is_shown(layer: Image, window: Window, inverted: bool = False) -> bool:
    """Return whether `layer` is shown through `window` now, regardless of what set it. A gamma changes its curve."""
    return _is_plain(layer) and has_window(layer, window, inverted)


def has_window(layer: Image, window: Window, inverted: bool = False) -> bool:
    """Return whether `layer` has the limits and the curve of `window` now, whatever its gamma."""
    if window.fault or not _close(slider_limits(window), tuple(layer.contrast_limits)):
        return False
    if window.is_straight:
        return not _has_curve(layer)
    # The name is no proof of the curve: all tables share one, and napari numbers those of copied layers.
    if not _has_curve(layer):
        return False
    colors = layer.colormap.colors[:, 0]
    return len(colors) == SAMPLES and bool(np.allclose(colors, _brightness(window, inverted), atol=1e-3))


def show_full_range(layer: Image, volume: Volume) -> None:
    """Show `layer` from the smallest to the largest value of the volume's middle slice, with a straight curve."""
    _without_curve(layer, volume.inverted)
    set_limits(layer, volume.display_range())
    layer.gamma = 1


def is_full_range(layer: Image, volume: Volume) -> bool:
    """Return whether `layer` shows the range that `show_full_range` sets."""
    limits = tuple(layer.contrast_limits)
    return _close(volume.display_range(), limits) and not _has_curve(layer) and _is_plain(layer)


def _has_curve(layer: Image) -> bool:
    return bool(layer.colormap.name.startswith(PREFIX))


def _is_plain(layer: Image) -> bool:
    """Return whether no gamma bends the curve of `layer`."""
    return bool(abs(layer.gamma - 1) < 1e-6)


def _close(first: Sequence[float], second: Sequence[float]) -> bool:
    """Return whether two (low, high) limits agree to a thousandth of the width of the first."""
    tolerance = 1e-3 * max(abs(first[1] - first[0]), 1e-6)
    return abs(first[0] - second[0]) <= tolerance and abs(first[1] - second[1]) <= tolerance


def slice_index(viewer: Any, layer: Any) -> tuple[int, ...]:
    """Return the index of the slice of `layer` that is shown, over all axes except the rows and columns."""
    lead = layer.ndim - 2
    shape = layer.data.shape
    position = index_shown(viewer, layer)[:lead]
    return tuple(min(max(round(float(at)), 0), shape[axis] - 1) for axis, at in enumerate(position))


def slice_number(viewer: Any, layer: Any) -> int:
    """Return the same slice as one number, counted over times and slices: its index in `Volume.files`."""
    return int(np.ravel_multi_index(slice_index(viewer, layer), layer.data.shape[: layer.ndim - 2]))


def go_to_slice(viewer: Any, layer: Any, number: int) -> None:
    """Show the slice with this number, counted over times and slices."""
    shape = layer.data.shape[: layer.ndim - 2]
    world = place_of(viewer, layer, np.array([*np.unravel_index(number, shape), 0, 0]))
    for axis in range(len(shape)):
        viewer.dims.set_point(viewer.dims.ndim - layer.ndim + axis, world[axis])
