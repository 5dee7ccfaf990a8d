"""Anatomical planes and patient space: place and orient layers. Uses napari's layers, not Qt.

Patient coordinates are LPS, in mm: x grows to the patient's left, y to the back, z to the head (PS3.3 section
C.7.6.2.1.1). Planes follow the radiological convention. In axial and coronal views the patient's left is on the right
of the screen; in sagittal views the face is on the left.
"""

from __future__ import annotations

from inspect import signature
from itertools import permutations
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_dicommeta._napari.reader import space_of
from napari_dicommeta._napari.world import extent_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from napari_dicommeta.volumes.volume import Volume

__all__ = [
    "PLANES",
    "VIEWS",
    "align",
    "anatomical_axes",
    "directions_of",
    "fit",
    "has_directions",
    "move_camera",
    "plane_shown",
    "reset_direction",
    "show_as_stored",
    "show_plane",
    "show_space",
    "unalign",
]

FILLED = 0.95
"""The part of the canvas that fitted layers fill, as in napari."""
OBLIQUE = 1e-3
"""Two directions are the same if their cosines differ by less than this."""
# For each plane: the patient axis (0: x, 1: y, 2: z) that is sliced, then the axis that points down the screen and the
# axis that points right, each with its sign.
_VIEWS = {"axial": (2, (1, 1), (0, 1)), "coronal": (1, (2, -1), (0, 1)), "sagittal": (0, (2, -1), (1, 1))}
PLANES = tuple(_VIEWS)
VIEWS = (*PLANES, "3D")
"""The anatomical planes, and 3D."""


def anatomical_axes(volume: Volume) -> tuple[tuple[int, int], ...] | None:
    """Return (array axis, sign) nearest to x, y and z of the patient; axes are 0: k, 1: j, 2: i.

    Return None without a position in the patient or without a slice axis.
    """
    cosines = directions_of(volume)
    if cosines is None or volume.array.ndim - volume.is_color < 3:
        return None
    best = max(permutations(range(3)), key=lambda axes: sum(abs(cosines[x, axis]) for x, axis in enumerate(axes)))
    return tuple((axis, 1 if cosines[x, axis] >= 0 else -1) for x, axis in enumerate(best))


def directions_of(volume: Volume) -> np.ndarray | None:
    """Return the unit vectors of the array axes k, j, i in the patient, as columns; None if the files have none."""
    affine = volume.geometry.affine
    if affine is None or (volume.axis and volume.array.ndim - volume.is_color == 3):
        return None
    columns = affine[:3, :3]
    return np.asarray(columns / np.linalg.norm(columns, axis=0))


def has_directions(volume: Volume) -> bool:
    """Return whether the files say how `volume` lies in the patient."""
    return directions_of(volume) is not None


def show_plane(viewer: Any, volume: Volume, plane: str) -> None:
    """Show the anatomical plane of `volume` in 2D, along the axes of its array, never resampled."""
    axes = anatomical_axes(volume)
    if axes is None:
        return
    lead = viewer.dims.ndim - 3
    order, sides = _view_of(axes, plane)
    viewer.dims.ndisplay = 2
    viewer.dims.order = (*range(lead), *(lead + axis for axis in order))
    _camera(viewer).orientation2d = sides
    fit(viewer)


def _view_of(axes: tuple[tuple[int, int], ...], plane: str) -> tuple[tuple[int, int, int], tuple[str, str]]:
    """Return the array axes (sliced, down, right) of a plane, and the sides to which the last two point."""
    sliced, down, right = _VIEWS[plane]
    order = (axes[sliced][0], axes[down[0]][0], axes[right[0]][0])
    vertical = "down" if axes[down[0]][1] * down[1] > 0 else "up"
    horizontal = "right" if axes[right[0]][1] * right[1] > 0 else "left"
    return order, (vertical, horizontal)


def show_as_stored(viewer: Any, volume: Volume) -> None:
    """Show `volume` as its files store it: rows downward, columns to the right; in 3D from the front."""
    if viewer.dims.ndisplay == 3:
        show_space(viewer, volume)
    else:
        reset_direction(viewer)
        fit(viewer)


def reset_direction(viewer: Any) -> None:
    """Undo what the anatomical planes changed: the order of the axes, and the camera's direction in 2D."""
    viewer.dims.order = tuple(range(viewer.dims.ndim))
    _camera(viewer).orientation2d = ("down", "right")


def fit(viewer: Any) -> None:
    """Fit the visible layers to the canvas; all layers if none is visible, or before napari 0.9."""
    visible = [layer for layer in viewer.layers if layer.visible]
    is_part = 0 < len(visible) < len(viewer.layers)
    if not is_part or "layers" not in signature(viewer.reset_view).parameters:
        viewer.reset_view()
    elif max(layer.ndim for layer in visible) == viewer.dims.ndim:
        viewer.reset_view(layers=visible)
    else:
        _fit_fewer_axes(viewer, visible)


def _fit_fewer_axes(viewer: Any, layers: list[Any]) -> None:
    """Fit layers with fewer axes than the viewer has, for which napari's own ``reset_view`` raises an IndexError."""
    displayed = list(viewer.dims.displayed)
    lows, highs = [], []
    for layer in layers:
        axes = [axis - viewer.dims.ndim + layer.ndim for axis in displayed]
        low, high, step = (values[axes] for values in extent_of(viewer, layer))
        lows.append(low - step / 2)
        highs.append(high + step / 2)
    low, high = np.min(lows, axis=0), np.max(highs, axis=0)
    size = np.maximum(high - low, 1e-6)
    canvas = np.asarray(viewer.canvas.size, float)
    _camera(viewer).center = tuple((low + high) / 2)
    whole = canvas / size if len(displayed) == 2 else canvas / np.linalg.norm(size)
    _camera(viewer).zoom = FILLED * float(whole.min())


def _camera(viewer: Any) -> Any:
    return getattr(viewer, "scene", viewer).camera  # before napari 0.9 the camera belongs to the viewer


def move_camera(viewer: Any, ndim: int, shift: np.ndarray) -> None:
    """Move the camera along with a layer of `ndim` axes that is moved by `shift`, in mm."""
    whole = np.zeros(viewer.dims.ndim)
    whole[viewer.dims.ndim - ndim :] = shift
    moved = whole[list(viewer.dims.displayed)]
    center = np.array(_camera(viewer).center, float)
    center[len(center) - len(moved) :] += moved
    _camera(viewer).center = tuple(center)


def plane_shown(viewer: Any, volume: Volume) -> str:
    """Return the anatomical plane on screen: the slice axis and both directions are those of `show_plane`.

    Return "3D" in 3D, and "" if the volume is shown otherwise, as stored for example, or its orientation is unknown.
    """
    if viewer.dims.ndisplay == 3:
        return "3D"
    axes = anatomical_axes(volume)
    lead = viewer.dims.ndim - 3
    if axes is None or lead < 0:
        return ""
    order = tuple(axis - lead for axis in viewer.dims.order[-3:])
    sides = tuple(str(getattr(side, "value", side)) for side in _camera(viewer).orientation2d)
    return next((plane for plane in _VIEWS if _view_of(axes, plane) == (order, sides)), "")


def show_space(viewer: Any, volume: Volume) -> None:
    """Show `volume` in 3D from the front, head up and not mirrored: slices advance along row × column."""
    lead = viewer.dims.ndim - 3
    viewer.dims.order = tuple(range(viewer.dims.ndim))
    viewer.dims.ndisplay = 3
    _camera(viewer).orientation = ("away", "down", "right")
    axes = anatomical_axes(volume)
    fit(viewer)
    if axes is not None and lead >= 0:
        view, up = np.zeros(3), np.zeros(3)
        view[axes[1][0]] = axes[1][1]  # from the front: along y, which grows to the back
        up[axes[2][0]] = axes[2][1]
        _camera(viewer).set_view_direction(tuple(view), tuple(up))


def align(viewer: Any, reference: Volume) -> tuple[int, int]:
    """Place all volumes in the frame of reference of `reference` in patient space; return (placed, not placed).

    World axes stay those of the reference's array, in mm. Volumes of the same orientation are only translated. Others
    get an affine, which napari shows without loss in 3D only.
    """
    directions = directions_of(reference)
    if directions is None:
        return 0, 0
    orthogonal = directions.copy()
    orthogonal[:, 0] = np.cross(directions[:, 2], directions[:, 1])  # a tilted stack is not perpendicular to its slices
    if orthogonal[:, 0] @ directions[:, 0] < 0:
        orthogonal[:, 0] *= -1
    to_world = np.eye(4)
    to_world[:3, :3] = np.linalg.inv(orthogonal)
    aligned = unplaced = 0
    for layer in viewer.layers:
        volume = space_of(layer)
        if volume is None:
            continue
        affine = volume.geometry.affine
        same = reference.frame_of_reference and volume.frame_of_reference == reference.frame_of_reference
        if affine is None or directions_of(volume) is None or not (same or volume is reference):
            unplaced += 1
            continue
        aligned += 1
        _place(layer, to_world @ affine)
    return aligned, unplaced


def _place(layer: Any, matrix: np.ndarray) -> None:
    """Place `layer` by `matrix`, 4×4 from voxel (k, j, i) to mm: by a translation if that is enough, else an affine."""
    ndim = layer.ndim
    scale = np.asarray(layer.scale)[-3:]
    linear = matrix[:3, :3] / scale
    if np.allclose(linear, np.eye(3), atol=OBLIQUE):
        layer.affine = np.eye(ndim + 1)
        layer.translate = (*np.zeros(ndim - 3), *matrix[:3, 3])
        return
    whole = np.eye(ndim + 1)
    whole[-4:-1, -4:-1] = linear
    whole[-4:-1, -1] = matrix[:3, 3]
    layer.translate = np.zeros(ndim)
    layer.affine = whole


def unalign(layers: Iterable[Any]) -> None:
    """Move the layers of this plugin back to where they open: the first voxel at 0."""
    for layer in layers:
        if space_of(layer) is not None:
            layer.affine = np.eye(layer.ndim + 1)
            layer.translate = np.zeros(layer.ndim)
