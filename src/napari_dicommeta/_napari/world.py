"""Places in the viewer and in a layer: napari counts all layers in the smallest of their units. Does not use Qt."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["extent_of", "index_at", "index_shown", "place_of", "world_of"]


def index_at(viewer: Any, layer: Any, point: Sequence[float] | None = None) -> np.ndarray:
    """Return the index of `layer`, not rounded, at a `point` of the viewer, by default where its sliders are.

    ``layer.world_to_data`` counts in the units of the layer, the sliders and the mouse in those of the viewer.
    """
    place = np.zeros(layer.ndim)
    given = np.asarray(viewer.dims.point if point is None else point, float)[-layer.ndim :]
    place[layer.ndim - len(given) :] = given
    return np.asarray(layer.world_to_data(place / _sizes(viewer, layer)), float)


def index_shown(viewer: Any, layer: Any) -> np.ndarray:
    """Return the index of `layer`, not rounded, that is shown: where the sliders are, and along them as napari slices.

    Of a layer that lies obliquely, napari takes the slice in which the sliders alone would be.
    """
    index, hidden = index_at(viewer, layer), _hidden(viewer, layer)
    point = np.asarray(viewer.dims.point, float)
    point[list(viewer.dims.displayed)] = 0
    index[hidden] = index_at(viewer, layer, point.tolist())[hidden]
    return index


def place_of(viewer: Any, layer: Any, index: Sequence[float] | np.ndarray) -> np.ndarray:
    """Return where the sliders have to be for `index_shown` to be `index`, over the axes of the layer."""
    place, hidden = world_of(viewer, layer, index), _hidden(viewer, layer)
    origin = index_at(viewer, layer, [0.0] * layer.ndim)
    turns = np.stack([index_at(viewer, layer, unit) - origin for unit in np.eye(layer.ndim).tolist()], axis=1)
    own = turns[np.ix_(hidden, hidden)]
    if hidden and not np.allclose(np.delete(turns, hidden, axis=1)[hidden], 0) and np.linalg.det(own):
        place[hidden] = np.linalg.solve(own, (np.asarray(index, float) - origin)[hidden])
    return place


def _hidden(viewer: Any, layer: Any) -> list[int]:
    """Return the axes of `layer` that are sliced."""
    lead = viewer.dims.ndim - layer.ndim
    return [axis - lead for axis in viewer.dims.not_displayed if axis >= lead]


def world_of(viewer: Any, layer: Any, index: Sequence[float] | np.ndarray) -> np.ndarray:
    """Return the place in the viewer of an `index` of `layer`, over the axes of the layer."""
    place: np.ndarray = np.asarray(layer.data_to_world(index), float) * _sizes(viewer, layer)
    return place


def extent_of(viewer: Any, layer: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the lowest and highest place of `layer` along each of its axes, and its steps, as the viewer counts."""
    sizes, extent = _sizes(viewer, layer), layer.extent
    low, high = extent.world
    return low * sizes, high * sizes, extent.step * sizes


def _sizes(viewer: Any, layer: Any) -> np.ndarray:
    """Return how many units of the viewer each unit of `layer` is, for each of its axes."""
    units, shown = getattr(layer, "units", None), getattr(viewer.dims, "units", None)
    if units is None or shown is None or len(shown) < layer.ndim:  # before napari 0.9, or without common units
        return np.ones(layer.ndim)
    return _ratios(tuple(units), tuple(shown)[-layer.ndim :])


@lru_cache(maxsize=64)
def _ratios(units: tuple[Any, ...], shown: tuple[Any, ...]) -> np.ndarray:
    pairs = zip(units, shown, strict=True)
    return np.array([1.0 if own == of_viewer else (1.0 * own).to(of_viewer).magnitude for own, of_viewer in pairs])
