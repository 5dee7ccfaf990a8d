"""The napari reader: paths -> layers. Uses napari's layers, not Qt; heavy imports wait until something is read."""

from __future__ import annotations

import os
import threading
from functools import cache
from typing import TYPE_CHECKING, Any

from napari_dicommeta.dicom.header import is_dicom

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from napari.layers import Image, Labels

    from napari_dicommeta.volumes.volume import Volume

__all__ = ["get_reader", "layer_of", "sample_layers", "volume_of", "volumes_in", "warm_up"]

PLUGIN, DOCK = "napari-dicommeta", "DICOM"
LayerData = list[Any]
_MAX_PROBES = 64
"""Files of a folder that are tested for DICOM before it is left to the scan."""


def get_reader(path: str | Sequence[str] | None = None) -> Callable[[Any], LayerData] | None:
    """Return the function that reads `path` (a file, a folder or a list of them), or None if it holds no DICOM.

    The test for DICOM is the same as in a scan, so that a folder of other images is left to other readers.
    """
    if not path:
        return None
    paths = [path] if isinstance(path, (str, os.PathLike)) else list(path)
    return read if any(_may_hold_dicom(os.fspath(entry)) for entry in paths) else None


def _may_hold_dicom(path: str) -> bool:
    if not os.path.isdir(path):
        return is_dicom(path)
    tested = 0
    for folder, _, names in os.walk(path):
        for name in names:
            if is_dicom(os.path.join(folder, name)):
                return True
            tested += 1
            if tested >= _MAX_PROBES:
                return True  # too many to test all of them here: the scan decides
    return tested == 0


def read(path: str | Sequence[str]) -> LayerData:
    """Return the layers of `path`, or open it in the dock if there is a napari window.

    The dock shows the catalog, opens the largest volume and lists the others; the result is then one empty layer
    tuple. Without a window (a script, a test) all volumes are returned as layers, smaller levels of slides excepted.
    """
    paths = [path] if isinstance(path, (str, os.PathLike)) else list(path)
    paths = [os.fspath(entry) for entry in paths]
    dock = _dock()
    if dock is not None:
        dock.open_paths(paths)
        return [(None,)]
    from napari_dicommeta.volumes.load import load
    from napari_dicommeta.volumes.volume import without_levels

    return [layer_of(volume) for volume in without_levels(load(paths))]


def _dock() -> Any:
    """Return the DICOM dock of the current window, opening it if needed; None if there is no window."""
    import napari

    viewer = napari.current_viewer()
    try:
        window = viewer.window if viewer is not None else None
    except (AttributeError, RuntimeError):  # a model without a window, or one whose window is gone
        window = None
    if window is None:
        return None
    for widget in window.dock_widgets.values():
        if type(widget).__name__ == "DicomDock":
            return widget
    return window.add_plugin_dock_widget(PLUGIN, DOCK)[1]


def layer_of(volume: Volume) -> Image | Labels:
    """Return a napari layer of `volume`, in mm: an image with its first usable window preset, or labels.

    The data of an image stay lazy; those of labels are a NumPy array that can be edited. The scale is the spacing of
    slices, rows and columns in mm. The volume and its patient affine are in ``layer.metadata["dicommeta"]``. An image
    with smaller levels is a multiscale layer, of which napari reads what is visible.
    """
    from napari.layers import Image, Labels

    from napari_dicommeta._napari.display import set_limits, show_window

    warm_up()
    axes = _axes(volume)
    metadata = {"dicommeta": {"volume": volume, "affine": volume.geometry.affine}}
    if volume.is_labels:
        # napari paints into NumPy arrays only; labels too large to cache stay lazy.
        data = volume.array.editable() if volume.array.keeps_all else volume.array
        return Labels(data, name=volume.name, metadata=metadata, **axes)
    pixels: Any = [volume.array, *volume.levels] if volume.levels else volume.array
    axes["multiscale"] = bool(volume.levels)
    if volume.is_color:
        return Image(pixels, name=volume.name, rgb=True, metadata=metadata, **axes)
    low, high = volume.display_range()
    layer = Image(
        pixels,
        name=volume.name,
        contrast_limits=(low, high),
        colormap="gray_r" if volume.inverted else "gray",
        metadata=metadata,
        **axes,
    )
    set_limits(layer, (low, high), (low, high))
    first = next((window for window in volume.windows if not window.fault), None)
    if first is not None:
        show_window(layer, first, volume.inverted)
    return layer


_loading_units = threading.Lock()


def warm_up() -> None:
    """Make an empty layer once: the first layer in mm takes napari a quarter of a second to load its units.

    Units must not be loaded by two threads at once: one of them would not know mm.
    """
    with _loading_units:
        _load_units()


@cache
def _load_units() -> None:
    import numpy as np
    from napari.layers import Image

    Image(np.zeros((1, 1, 1)), units=("mm",) * 3)


def _axes(volume: Volume) -> dict[str, Any]:
    """Return scale, units and names of the axes: mm, with scale 1 for times and for an unknown spacing."""
    k, j, i = (1.0 if spacing != spacing else spacing for spacing in volume.geometry.spacing)
    lead = len(volume.array.shape) - (3 if volume.is_color else 2)
    if not volume.axis:
        return {"scale": (k, j, i), "units": ("mm",) * 3, "axis_labels": ("z", "y", "x")}
    scale = (1.0, k, j, i) if lead == 2 else (1.0, j, i)
    names = ("t", "z", "y", "x") if lead == 2 else ("t", "y", "x")
    return {"scale": scale, "units": ("pixel", *("mm",) * (len(scale) - 1)), "axis_labels": names}


def volume_of(layer: Any) -> Volume | None:
    """Return the volume of a layer made by this plugin, None for any other layer."""
    state = getattr(layer, "metadata", {}).get("dicommeta") if layer is not None else None
    return state["volume"] if isinstance(state, dict) else None


def volumes_in(layers: Iterable[Any]) -> list[Volume]:
    """Return the volumes of those `layers` that this plugin made, in order."""
    return [volume for layer in layers if (volume := volume_of(layer)) is not None]


def sample_layers() -> LayerData:
    """Write the sample "Chest CT phantom" to a temporary folder and open it like any other folder."""
    import tempfile

    from napari_dicommeta.phantom import write_chest

    folder = write_chest(os.path.join(tempfile.mkdtemp(prefix="dicom-"), "Chest CT phantom"))
    return read(str(folder))
