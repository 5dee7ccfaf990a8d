"""Volumes of frames in an order: by Instance Number, by a clock, or by the rank at each position.

Volumes are numbers from 0, one for each frame; places are the ranks of the frames' positions.
"""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari_dicommeta.volumes.frames import Frames

__all__ = ["is_numbered", "number_grids", "rank_at_place", "volumes_in_order"]

MAX_ORDERS = 4
"""Number of orders of the positions in a volume that are tried, the most frequent first."""


def is_numbered(frames: Frames, places: np.ndarray) -> bool:
    """Return whether Instance Numbers distinguish all frames at one position."""
    numbers = frames.numbers("InstanceNumber")[:, 0]
    pairs = np.stack([places.astype(np.float64), numbers])
    return not np.isnan(numbers).any() and np.unique(pairs, axis=1).shape[1] == len(frames)


def number_grids(frames: Frames, places: np.ndarray) -> Iterator[np.ndarray]:
    """Yield volumes of Instance Numbers that count slices in volumes, or volumes in slices, even with some lost."""
    stated = frames.numbers("InstanceNumber")[:, 0]
    if np.isnan(stated).any() or (stated != np.round(stated)).any() or len(np.unique(stated)) < len(stated):
        return
    numbers = stated.astype(np.int64)
    n_places, n_times = int(places.max()) + 1, int(np.bincount(places).max())
    for fast, is_slice_fast in ((n_places, True), (n_times, False)):
        first = 1 if 1 <= numbers.min() <= fast else int(numbers.min())
        slow, quick = np.divmod(numbers - first, fast)
        slices, volumes = (quick, slow) if is_slice_fast else (slow, quick)
        pairs = np.unique(np.stack([slices, places]), axis=1)
        if pairs.shape[1] == n_places and len(np.unique(pairs[0])) == n_places:
            yield np.unique(volumes, return_inverse=True)[1]


def rank_at_place(ranks: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Return the volumes of frames: the n-th rank at each position is in the n-th volume."""
    order = np.lexsort((ranks, places))
    counts = np.bincount(places)
    volumes = np.empty(len(places), dtype=np.intp)
    volumes[order] = np.arange(len(places)) - np.repeat(np.cumsum(counts) - counts, counts)
    return volumes


def volumes_in_order(ranks: np.ndarray, places: np.ndarray) -> np.ndarray | None:
    """Return the volumes of frames in the order of `ranks`: a volume begins where a position comes again.

    If volumes lack slices, a new one also begins where the usual order of the positions goes back. None if frames of
    one rank share a position.
    """
    order = np.lexsort((places, ranks))
    units = np.split(order, np.flatnonzero(np.diff(ranks[order])) + 1)
    runs: list[list[int]] = [[]]
    held: set[int] = set()
    for unit in units:
        of_unit = places[unit].tolist()
        if len(set(of_unit)) < len(of_unit):
            return None
        if not held.isdisjoint(of_unit):
            runs.append([])
            held = set()
        held.update(of_unit)
        runs[-1] += unit.tolist()
    n_places = int(places.max()) + 1
    if any(len(run) < n_places for run in runs):
        usual = Counter(tuple(places[run].tolist()) for run in runs if len(run) == n_places).most_common(MAX_ORDERS)
        ways = [_runs_in_order(units, places, order) for order, _ in usual]
        if ways:
            runs = min(ways, key=lambda way: sum(len(run) < n_places for run in way))
    volumes = np.empty(len(places), dtype=np.intp)
    for n, run in enumerate(runs):
        volumes[run] = n
    return volumes


def _runs_in_order(units: list[np.ndarray], places: np.ndarray, order: tuple[int, ...]) -> list[list[int]]:
    """Return the rows of volumes; one begins where `order`, that of the positions in a volume, goes back."""
    at = np.empty(len(order), dtype=np.intp)
    at[list(order)] = np.arange(len(order))
    runs = [units[0].tolist()]
    for before, unit in pairwise(units):
        if int(at[places[unit]].min()) <= int(at[places[before]].max()):
            runs.append([])
        runs[-1] += unit.tolist()
    return runs
