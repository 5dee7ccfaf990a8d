"""Volumes of frames in an order: by Instance Number, by a clock, or by the rank at each position.

Volumes are numbers from 0, one for each frame; places are the ranks of the frames' positions.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import numpy as np

from napari_dicommeta.support.sorting import sorted_unique
from napari_dicommeta.volumes.partition import count_pairs

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
    """Yield volumes of Instance Numbers that count slices in volumes, or volumes in slices, even with some lost.

    Slices may be counted there and back.
    """
    stated = frames.numbers("InstanceNumber")[:, 0]
    if np.isnan(stated).any() or (stated != np.round(stated)).any() or len(sorted_unique(stated)) < len(stated):
        return
    numbers = stated.astype(np.int64)
    n_places, n_times = int(places.max()) + 1, int(np.bincount(places).max())
    volume, k = np.divmod(numbers - _first_of_volume(numbers, places), n_places)
    slice_, t = np.divmod(numbers - _first_of_slice(numbers, places, n_times), n_times)
    for slices, volumes in ((k, volume), (np.where(volume % 2, n_places - 1 - k, k), volume), (slice_, t)):
        codes = np.unique(slices, return_inverse=True)[1]
        if count_pairs(codes, places) == n_places == int(codes.max()) + 1:
            yield np.unique(volumes, return_inverse=True)[1]


def _first_of_volume(numbers: np.ndarray, places: np.ndarray) -> int:
    """Return the number that the first slice of a volume has, or would have if it were not lost.

    Numbers that count from 1 say so. Others may begin within a volume: the number of volumes, and then the order of
    the positions, say where one begins.
    """
    lowest, highest, n_places = int(numbers.min()), int(numbers.max()), int(places.max()) + 1
    first = 1 if 1 <= lowest <= n_places else lowest
    at = (numbers - first) % n_places
    order = np.full(n_places, -1)
    order[at] = places
    if len(sorted_unique(order)) < n_places or (order[at] != places).any():
        return first
    firsts = lowest - (lowest - first - np.arange(n_places)) % n_places
    counts = -(-(highest + 1 - firsts) // n_places)
    breaks = _breaks(order)
    return int(firsts[np.lexsort((lowest - firsts, np.arange(n_places) > 0, breaks, counts))[0]])


def _breaks(order: np.ndarray) -> np.ndarray:
    """Return for each start in a cyclic order of positions how often they turn back from there to its end."""
    ascents = order < np.roll(order, -1)
    falls = np.stack([~ascents, ascents])
    return np.asarray((falls.sum(axis=1, keepdims=True) - np.roll(falls, 1, axis=1)).min(axis=0))


def _first_of_slice(numbers: np.ndarray, places: np.ndarray, n_times: int) -> int:
    """Return the number that the first time of a slice has, where numbers count the times of one slice after another.

    The numbers at which the position changes tell it, even if some of them were lost. They usually count from 1.
    """
    order = np.argsort(numbers)
    begins = np.concatenate([[0], np.flatnonzero(np.diff(places[order])) + 1])
    votes = np.bincount(numbers[order[begins]] % n_times, minlength=n_times).astype(np.float64)
    votes[1 % n_times] += 0.5
    lowest = int(numbers.min())
    return lowest - (lowest - int(np.argmax(votes))) % n_times


def rank_at_place(ranks: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Return the volumes of frames: the n-th rank at each position is in the n-th volume."""
    order = np.lexsort((ranks, places))
    counts = np.bincount(places)
    volumes = np.empty(len(places), dtype=np.intp)
    volumes[order] = np.arange(len(places)) - np.repeat(np.cumsum(counts) - counts, counts)
    return volumes


def volumes_in_order(ranks: np.ndarray, places: np.ndarray, values: np.ndarray) -> np.ndarray | None:
    """Return the volumes of frames in the order of `ranks`: a volume begins where a position comes again.

    If volumes lack slices, a new one also begins where the usual order of the positions goes back, or turns in a scan
    there and back. A slice that is imaged again at once, within a volume, is a volume of its own. `values`: the number
    or time behind each rank, NaN if unknown; it tells on which side of a turn a slice was imaged. None if frames of one
    rank share a position.
    """
    order = np.lexsort((places, ranks))
    starts = np.concatenate([[0], np.flatnonzero(np.diff(ranks[order])) + 1])
    units = [unit.tolist() for unit in np.split(places[order], starts[1:])]
    if any(len(set(unit)) < len(unit) for unit in units):
        return None
    of_unit = _volumes_of_units(units, values[order][starts])
    repeats = np.array(_repeats(units))
    if repeats.any():
        kept = np.flatnonzero(repeats == 0)
        of_kept = _volumes_of_units([units[n] for n in kept.tolist()], values[order][starts][kept])
        before = of_kept[np.searchsorted(kept, np.arange(len(units)), side="right") - 1]
        apart = np.unique(before + repeats / (repeats.max() + 1), return_inverse=True)[1]
        of_unit = min(of_unit, apart, key=lambda way: _count_short(way, units))
    volumes = np.empty(len(places), dtype=np.intp)
    volumes[order] = np.repeat(of_unit, np.diff([*starts.tolist(), len(order)]))
    return volumes


def _count_short(of_unit: np.ndarray, units: list[list[int]]) -> int:
    """Return the number of volumes that lack positions."""
    n_places = max(map(max, units)) + 1
    return int(np.count_nonzero(np.bincount(of_unit, weights=list(map(len, units))) < n_places))


def _repeats(units: list[list[int]]) -> list[int]:
    """Return for each unit of simultaneous slices how often it was imaged at once again, while the volume goes on.

    Where a volume begins or turns, the position after it was imaged before, too.
    """
    repeats = [0] * len(units)
    held: set[int] = set()
    following = len(units)
    other = [following] * len(units)  # the next unit with other positions
    for n in range(len(units) - 2, -1, -1):
        other[n] = n + 1 if units[n + 1] != units[n] else other[n + 1]
    for n, unit in enumerate(units):
        if not held.isdisjoint(unit):
            if unit == units[n - 1] and other[n] < following and held.isdisjoint(units[other[n]]):
                repeats[n] = repeats[n - 1] + 1
                continue
            held = set()
        held.update(unit)
    return repeats


def _volumes_of_units(units: list[list[int]], values: np.ndarray) -> np.ndarray:
    """Return the volume of each unit of simultaneous slices, in order; see `volumes_in_order`."""
    of_unit: list[int] = []
    runs: list[list[int]] = [[]]
    held: set[int] = set()
    for unit in units:
        if not held.isdisjoint(unit):
            runs.append([])
            held = set()
        held.update(unit)
        runs[-1] += unit
        of_unit.append(len(runs) - 1)
    n_places = max(map(max, units)) + 1
    usual = Counter(tuple(run) for run in runs if len(run) == n_places).most_common(MAX_ORDERS)
    if not usual or all(len(run) == n_places for run in runs):
        return np.array(of_unit)
    sizes = np.array([len(unit) for unit in units])
    starts, here = np.cumsum(sizes) - sizes, np.concatenate(units)
    ways = []
    orders = [of_volume for of_volume, _ in usual]
    breaks = _breaks(np.array(orders[0]))
    if breaks[0] > breaks.min():  # the first volume lacks slices, and the others seem to begin where it does
        start = int(np.flatnonzero(breaks == breaks.min())[-1])
        orders.insert(0, orders[0][start:] + orders[0][:start])
    for n, of_volume in enumerate(orders):
        at = np.argsort(of_volume)[here]
        low, high = np.minimum.reduceat(at, starts), np.maximum.reduceat(at, starts)
        ways.append(np.cumsum([0, *(low[1:] <= high[:-1])]))
        if not n:
            gaps = np.abs(np.diff(values))
            ways += [_there_and_back(low.tolist(), high.tolist(), gaps, forth) for forth in (True, False)]
    return min(ways, key=lambda way: _count_short(way, units))


def _there_and_back(low: list[int], high: list[int], gaps: np.ndarray, is_forth: bool) -> np.ndarray:
    """Return the volume of each unit of simultaneous slices where positions go there and back, volume by volume.

    `low`, `high`: the first and last position of each unit in their order. `gaps`: the time from each unit to the next.
    Where the turn lacks a slice, the outermost unit belongs to the nearer of its neighbors.
    """
    volumes, first = [0], 0
    for n in range(1, len(low)):
        turns = low[n] <= high[n - 1] if is_forth else high[n] >= low[n - 1]
        if not turns:
            volumes.append(volumes[-1])
            continue
        is_apart = high[n] < low[n - 1] or low[n] > high[n - 1]
        if is_apart and first < n - 1 and gaps[n - 2] > gaps[n - 1]:
            volumes[-1] += 1
            first = n - 1
        else:
            first = n
        volumes.append(volumes[-1] + (first == n))
        is_forth = not is_forth
    return np.array(volumes)
