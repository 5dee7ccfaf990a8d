"""Texts on the canvas: directions in the patient, window, slice, and the values under the mouse. Does not use Qt."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_dicommeta._napari.display import slice_index, slice_number
from napari_dicommeta._napari.reader import volume_of
from napari_dicommeta._napari.views import directions_of
from napari_dicommeta._napari.words import brief, digits_for
from napari_dicommeta._napari.world import index_at, index_shown
from napari_dicommeta.dicom.tags import TagPath
from napari_dicommeta.dicom.units import unit_words
from napari_dicommeta.dicom.values import number
from napari_dicommeta.support.words import display
from napari_dicommeta.volumes.transforms import INT16

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_dicommeta.dicom.window import Window
    from napari_dicommeta.volumes.volume import Volume

__all__ = [
    "PLACES",
    "above_letter",
    "axis_text",
    "edge_letters",
    "letters",
    "slice_text",
    "values_text",
    "window_text",
]

CHARACTER_PIXELS, MARGIN_PIXELS = 10.5, 20.0
"""Width of a capital of napari's texts, and the space beside a text."""
EMPTY_LINE = "\n "
PLACES = ("left", "right", "top", "bottom")
SIDES = (("R", "L"), ("A", "P"), ("F", "H"))
"""Letters of the negative and the positive direction along x, y and z of the patient (PS3.3 section C.7.6.1.1.1)."""
OBLIQUE = 0.25
"""Cosine from which a second letter says that a direction is oblique: 15 degrees."""
_CLOCK = re.compile(r"(?:\d{8})?(\d\d)(\d\d)(\d\d)(?:\.\d*)?(?:[+-]\d{4})?")
"""A time of day (TM), or the time of a date and time (DT), with seconds."""
AXIS_WORDS = {
    "EchoTime": ("echo", "ms"),
    "EffectiveEchoTime": ("echo", "ms"),
    "EchoNumbers": ("echo", ""),
    "DiffusionBValue": ("b", "s/mm²"),
    "TriggerTime": ("trigger", "ms"),
    "NominalCardiacTriggerDelayTime": ("trigger delay", "ms"),
    "NominalPercentageOfCardiacPhase": ("cardiac phase", "%"),
    "NominalPercentageOfRespiratoryPhase": ("respiratory phase", "%"),
    "InversionTime": ("inversion", "ms"),
    "FlipAngle": ("flip", "°"),
    "FrameReferenceTime": ("frame time", "ms"),
    "FrameTime": ("time", "ms"),
    "TemporalPositionTimeOffset": ("time", "s"),
    "TemporalPositionIdentifier": ("time", ""),
    "AcquisitionNumber": ("acquisition", ""),
    "InstanceNumber": ("instance", ""),
    "KVP": ("tube", "kV"),
}
"""Keyword of a fourth axis -> its name for people, and the unit of its values."""


def letters(direction: Sequence[float]) -> str:
    """Return the letters of a direction in patient coordinates (x, y, z), the main one first: "L", or "LA"."""
    order = sorted(range(3), key=lambda axis: -abs(direction[axis]))
    named = [axis for place, axis in enumerate(order) if place == 0 or abs(direction[axis]) > OBLIQUE]
    return "".join(SIDES[axis][direction[axis] > 0] for axis in named)


def edge_letters(viewer: Any, layer: Any, volume: Volume) -> dict[str, str]:
    """Return the letters for the edges of the canvas in 2D, by `PLACES`; {} where the files give no directions."""
    directions = directions_of(volume)
    dims = viewer.dims
    if directions is None or dims.ndisplay != 2:
        return {}
    vertical, horizontal = (str(getattr(side, "value", side)) for side in _camera(viewer).orientation2d)
    origin = np.asarray(layer.world_to_data(np.zeros(dims.ndim)))[-3:]
    edges = {}
    for axis, side, names in zip(
        dims.displayed, (vertical, horizontal), (("top", "bottom"), ("left", "right")), strict=True
    ):
        step = np.zeros(dims.ndim)
        step[axis] = 1
        voxels = np.asarray(layer.world_to_data(step))[-3:] - origin
        moved = directions @ (voxels * np.asarray(layer.scale)[-3:])
        length = float(np.linalg.norm(moved))
        if length < 1e-6:
            return {}
        away = moved / length if side in ("down", "right") else -moved / length
        edges[names[1]], edges[names[0]] = letters(away.tolist()), letters((-away).tolist())
    return edges


def above_letter(text: str, letter: str, width: float) -> str:
    """Return `text` for a lower corner of a canvas `width` pixels wide, raised by an empty line if it would overlap.

    `letter` is the one in the middle of the lower edge, "" without one. A text that was raised may be given again.
    """
    text = text.removesuffix(EMPTY_LINE)
    half = len(text.rpartition("\n")[2]) * CHARACTER_PIXELS + MARGIN_PIXELS
    return text + EMPTY_LINE if text and letter and 2 * half + len(letter) * CHARACTER_PIXELS > width else text


def window_text(window: Window, gamma: float, units: str = "") -> str:
    """Return the window shown: "W 400 L 40", "LUT NORMAL", with its gamma if that is not 1."""
    digits = digits_for(units, window.width)
    if window.lut is not None:
        text = f"LUT {display(window.explanation, 20)}".strip()
    else:
        text = f"W {brief(window.width, digits)} L {_minus(brief(window.center, digits))}"
    return text if abs(gamma - 1) < 1e-6 else f"{text} γ {gamma:.2g}"


def slice_text(viewer: Any, layer: Any, volume: Volume) -> str:
    """Return the slice shown of `layer`: "slice 20/40 · −53.5 mm", and lines for the fourth axis and for saturation.

    The distance is from the origin of the patient's coordinates along the normal of the slice.
    """
    dims = viewer.dims
    spatial = [axis for axis in dims.not_displayed if axis >= dims.ndim - 3]
    lead = dims.ndim - layer.ndim
    parts = []
    if dims.ndisplay == 2 and len(spatial) == 1 and spatial[0] >= lead and layer.data.shape[spatial[0] - lead] > 1:
        axis = spatial[0] - lead
        n, count = round(float(index_shown(viewer, layer)[axis])), layer.data.shape[axis]
        is_time = bool(volume.axis) and volume.array.ndim - volume.is_color == 3 and axis == 0
        if not 0 <= n < count:  # the sliders reach to slices of another layer
            parts.append("no slice here")
        elif not is_time:
            parts.append(f"slice {n + 1}/{count}")
            place = _place(volume, axis - (layer.ndim - 3), n)
            if place is not None:
                parts.append(f"{_minus(f'{round(place, 1) + 0.0:.1f}')} mm")
    time = ""
    if volume.axis:
        t = slice_index(viewer, layer)[0] if dims.ndisplay == 2 or layer.ndim == 4 else 0
        time = f"{axis_text(volume, t)} ({t + 1}/{layer.data.shape[0]})"
    return "\n".join(filter(None, (" · ".join(parts), time, _saturation_text(viewer, layer, volume))))


def _saturation_text(viewer: Any, layer: Any, volume: Volume) -> str:
    """Return how many pixels of the stored slice on screen are below what int16 holds; "" of a slice across others."""
    dims, saturated = viewer.dims, volume.saturated
    rows_and_columns = {dims.ndim - 2, dims.ndim - 1}
    if not saturated or dims.ndisplay != 2 or set(dims.displayed) != rows_and_columns:
        return ""
    n = saturated.get(slice_number(viewer, layer), 0)
    return f"{n:,} px below {_minus(f'{INT16.min:,}')} {unit_words(volume.units)}" if n else ""


def _place(volume: Volume, axis: int, n: int) -> float | None:
    """Return where slice `n` along an array axis (0: k, 1: j, 2: i) lies along its normal, in mm."""
    directions, affine = directions_of(volume), volume.geometry.affine
    if directions is None or affine is None:
        return None
    first, second = (directions[:, other] for other in range(3) if other != axis)
    normal = np.cross(first, second)
    normal /= np.linalg.norm(normal)
    main = int(np.argmax(np.abs(normal)))
    voxel = np.zeros(4)
    voxel[axis], voxel[3] = n, 1
    return float((affine @ voxel)[:3] @ normal * np.sign(normal[main]))


def axis_text(volume: Volume, t: int) -> str:
    """Return where on its fourth axis a volume is at index `t`: "echo 12.5 ms", or the name alone without a value."""
    name, unit = AXIS_WORDS.get(volume.axis, (TagPath.parse(volume.axis).name.lower(), ""))
    text = volume.axis_texts[t] if t < len(volume.axis_texts) else ""
    if clock := _CLOCK.fullmatch(text) if volume.axis.endswith("Time") and not unit else None:
        text = ":".join(clock.groups())
    elif (value := number(text) if text else None) is not None:
        text = f"{value:.6g}"
    return " ".join(filter(None, (name, display(text, 24), unit if text else "")))


def values_text(viewer: Any, position: Sequence[float]) -> str:
    """Return the values of gray volumes at a `position` of the viewer: "40 HU", or "CT 40 HU · PT 5.2 g/ml"."""
    shown = []
    for layer in viewer.layers:
        volume = volume_of(layer)
        if volume is None or volume.is_color or volume.is_labels or not layer.visible:
            continue
        value = layer.get_value(index_at(viewer, layer, position))
        value = value[1] if isinstance(value, tuple) else value
        if value is not None and np.isfinite(value):
            unit = f" {display(unit, 16)}" if (unit := unit_words(volume.units)) else ""
            shown.append((volume.modality, f"{_minus(f'{value:.6g}')}{unit}"))
    if len(shown) == 1:
        return shown[0][1]
    return " · ".join(f"{display(modality, 16)} {text}" for modality, text in shown)


def _minus(text: str) -> str:
    return text.replace("-", "\N{MINUS SIGN}")


def _camera(viewer: Any) -> Any:
    return getattr(viewer, "scene", viewer).camera  # before napari 0.9 the camera belongs to the viewer
