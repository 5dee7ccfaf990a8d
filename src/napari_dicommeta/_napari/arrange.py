"""Arrange layers after volumes were opened: which are visible, which lies over which, and how it is fused. No Qt."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_dicommeta._napari.display import go_to_slice, slice_number
from napari_dicommeta._napari.isodose import DOSE, ISODOSE, isodose_colormap
from napari_dicommeta._napari.reader import volume_of
from napari_dicommeta._napari.views import has_directions
from napari_dicommeta._napari.world import extent_of, world_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari.layers import Layer

    from napari_dicommeta.volumes.volume import Volume

__all__ = [
    "base_of",
    "center_planes",
    "fuse",
    "fused_overlay",
    "hide_others",
    "is_overlay",
    "layers_of",
    "limit_sliders",
    "overlays_of",
    "resume_slice",
    "show_layers",
    "slice_at",
]

HEAT_MAPS = {"PT": "inferno", "NM": "inferno", DOSE: ISODOSE}
"""Modality of values that are shown over an anatomical image -> their colormap there."""
GRAYS = ("gray", "gray_r")
FUSED_OPACITY = 0.5


def is_overlay(volume: Volume) -> bool:
    """Return whether `volume` is shown over another: labels, PET, NM or dose."""
    return volume.is_labels or volume.modality in HEAT_MAPS


def layers_of(viewer: Any, volumes: Sequence[Volume]) -> list[Layer]:
    """Return the layers that show `volumes`, in the order of these."""
    layers = [(volume_of(layer), layer) for layer in viewer.layers]
    return [layer for volume in volumes for shown, layer in layers if shown is volume]


def base_of(viewer: Any, layer: Layer, besides: Sequence[Layer] = ()) -> Layer | None:
    """Return the image over which `layer` is shown: of its frame of reference, visible if possible, the topmost.

    `besides`: images that are not meant.
    """
    volume = volume_of(layer)
    if volume is None or not is_overlay(volume):
        return None
    bases = [other for other in viewer.layers if other not in besides and _lies_over(volume, volume_of(other))]
    return max(bases, key=lambda base: (base.visible, viewer.layers.index(base)), default=None)


def overlays_of(viewer: Any, layer: Layer) -> list[Layer]:
    """Return the visible layers that are shown over `layer`, the lowest first."""
    volume = volume_of(layer)
    return [
        other
        for other in viewer.layers
        if other.visible and (shown := volume_of(other)) is not None and _lies_over(shown, volume)
    ]


def _lies_over(upper: Volume, lower: Volume | None) -> bool:
    """Return whether `upper` is shown over `lower`, in one space: labels over images, values over anatomy."""
    if lower is None or upper is lower or lower.is_labels or not is_overlay(upper):
        return False
    if lower.modality in HEAT_MAPS and not upper.is_labels:
        return False
    if upper.is_labels and not upper.frame_of_reference and not lower.frame_of_reference:
        return upper.array.shape[-2:] == lower.array.shape[-2:]
    if not upper.frame_of_reference or upper.frame_of_reference != lower.frame_of_reference:
        return False
    return has_directions(upper) and has_directions(lower)


def show_layers(*layers: Layer) -> None:
    """Open the eyes of layers that are hidden: napari draws a layer again even if it is visible already."""
    for layer in layers:
        if not layer.visible:
            layer.visible = True


def hide_others(viewer: Any, shown: Sequence[Layer]) -> None:
    """Close the eye of the volumes that are not `shown`. Other layers stay as they are."""
    for layer in viewer.layers:
        if volume_of(layer) is not None and layer.visible and layer not in shown:
            layer.metadata["dicommeta"]["slice"] = slice_number(viewer, layer)
            layer.visible = False


def resume_slice(viewer: Any, layer: Layer) -> None:
    """Show the slice of `layer` that was shown when its eye was closed, else its middle slice."""
    volume = volume_of(layer)
    if volume is None:
        return
    number = layer.metadata["dicommeta"].get("slice")
    if number is None:
        shape = layer.data.shape[: len(volume.middle)]
        number = 0
        for index, size in zip(volume.middle, shape, strict=True):
            number = number * size + index
    go_to_slice(viewer, layer, number)


def center_planes(viewer: Any, layer: Layer) -> None:
    """Set the sliders of rows and columns to the middle of `layer`, where the other planes are then shown."""
    shape = layer.data.shape[: layer.ndim]
    world = world_of(viewer, layer, [(size - 1) // 2 for size in shape])
    for axis in (-2, -1):
        viewer.dims.set_point(viewer.dims.ndim + axis, world[axis])


def slice_at(volume: Volume, other: Volume, index: Sequence[float]) -> int | None:
    """Return the slice of `volume` at the place in the patient of the slice `index` of `other`, for its middle pixel.

    Return None without a common frame of reference, or outside the volume.
    """
    is_common = volume.frame_of_reference and volume.frame_of_reference == other.frame_of_reference
    if not is_common or not has_directions(volume) or not has_directions(other):
        return None
    shape, first = volume.array.shape, other.array.shape
    if volume.is_color or other.is_color or len(shape) != 3 or len(first) < 3:
        return None
    center = (index[-3], (first[-2] - 1) / 2, (first[-1] - 1) / 2, 1)
    at = np.linalg.inv(volume.geometry.affine) @ (other.geometry.affine @ center)  # type: ignore[arg-type, operator]
    number = round(float(at[0]))
    return number if 0 <= number < shape[0] else None


def fuse(viewer: Any, base: Layer, overlay: Layer) -> None:
    """Put `overlay` above `base`; values get a heat map at half opacity, unless the user gave them a color."""
    at, below = viewer.layers.index(overlay), viewer.layers.index(base)
    if at < below:
        viewer.layers.move(at, below + 1)
    show_layers(base, overlay)
    volume = volume_of(overlay)
    if volume is not None and not volume.is_labels and overlay.colormap.name in GRAYS:
        if volume.modality == DOSE:
            overlay.colormap = isodose_colormap()
            overlay.blending = "translucent"
        else:
            overlay.colormap = HEAT_MAPS[volume.modality]
            overlay.blending = "additive"  # black, where there is no uptake, leaves the image as it is
        overlay.opacity = FUSED_OPACITY


def limit_sliders(viewer: Any) -> None:
    """Let the sliders cover the visible layers only: napari also counts those whose eye is closed."""
    visible = [layer for layer in viewer.layers if layer.visible]
    if not any(volume_of(layer) is not None for layer in visible) or viewer.dims.ndisplay == 3:
        return
    ranges = list(viewer.dims.range)
    for axis in range(viewer.dims.ndim):
        extents = [
            tuple(values[at] for values in extent_of(viewer, layer))
            for layer in visible
            if (at := axis - viewer.dims.ndim + layer.ndim) >= 0
        ]
        if extents:
            low, high, step = (np.array(values) for values in zip(*extents, strict=True))
            ranges[axis] = (float(low.min()), float(high.max()), float(step.min()))
        else:
            ranges[axis] = (0.0, 0.0, 1.0)
    point = viewer.dims.point
    viewer.dims.range = tuple(ranges)
    viewer.dims.point = point  # napari keeps the number of the step, not the place


def fused_overlay(viewer: Any) -> Layer | None:
    """Return the topmost visible layer of values that lies over a visible image, None if there is none."""
    for layer in reversed(viewer.layers):
        volume = volume_of(layer)
        if volume is not None and layer.visible and not volume.is_labels:
            base = base_of(viewer, layer)
            if base is not None and base.visible:
                return layer
    return None
