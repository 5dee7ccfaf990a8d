"""Volumes that a dimension makes of images at the same positions, and the choice of the best dimension.

Candidates are compared: fewest incomplete or mixed volumes first, then a stated element before a mere number, then
fewest parts. A volume that lacks a slice is never filled with the slice of another (PS3.3 section C.7.6.17).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import chain
from typing import TYPE_CHECKING

import numpy as np

from napari_dicommeta.volumes.dimensions import (
    AXES,
    STAGES,
    TIMES,
    Dimension,
    in_sequence,
    name_of,
    separable,
    value_ranks,
)
from napari_dicommeta.volumes.geometry import even_steps
from napari_dicommeta.volumes.partition import count_pairs, groups_of, joint
from napari_dicommeta.volumes.sequences import number_grids

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from napari_dicommeta.volumes.frames import Frames

__all__ = ["Assembly", "best_assembly"]

COUNTS = frozenset(("AcquisitionNumber", "FrameAcquisitionNumber"))
"""Elements that count what was acquired, unlike those that are clocks."""
MAX_COMPARED_SETS = 64
"""Number of sets of positions, the largest first, of which another may be a part."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Assembly:
    """Volumes that a dimension makes.

    `wholes`: volume numbers of each set of volumes with the same positions; `incomplete`: (volume number, positions
    that it has, positions of the others). `faults`: incomplete, unevenly spaced and single-image parts.
    """

    dimension: Dimension
    wholes: tuple[tuple[int, ...], ...]
    incomplete: tuple[tuple[int, int, int], ...]
    faults: int

    @property
    def is_whole(self) -> bool:
        """Whether every volume has every position."""
        return len(self.wholes) == 1 and not self.incomplete


def best_assembly(frames: Frames, places: np.ndarray, distances: np.ndarray) -> Assembly | None:
    """Return the best assembly of frames with repeated positions; None if no candidate makes volumes.

    `places`: the rank of each frame's position. `distances`: the distance of each place along the normal, mm.
    """
    grids = list(number_grids(frames, places))
    uneven = _uneven(distances)
    together = separable(frames, places)
    stated = [value_ranks(frames, keyword) for keyword in together]
    best: tuple[tuple[int, int, int], Assembly] | None = None
    for stage in STAGES:
        candidates = stage(frames, places)
        if stage is in_sequence and together:
            candidates = chain(_within_values(frames, places, distances, together), candidates)
        for dimension in candidates:
            assembly = _assembled(dimension, places, distances, uneven)
            if assembly is None:
                continue
            doubt = 3 if dimension.may_mix else int(dimension.is_number)
            if stage is in_sequence and not assembly.is_whole and grids:
                # Where slices are lost, a clock does not show where a volume begins; numbers that go on counting do.
                if not any(np.array_equal(dimension.volumes, grid) for grid in grids):
                    continue
                doubt = 0
            faults = max(assembly.faults, dimension.may_mix) + _mixed(dimension.volumes, stated)
            assembly = replace(assembly, faults=faults)
            key = (faults, doubt, len(assembly.wholes) + len(assembly.incomplete))
            if best is None or key < best[0]:
                best = key, assembly
        if best is not None and best[1].is_whole and not best[0][0] - uneven:  # later stages are no better
            break
    if best is None:
        return None
    return replace(best[1], dimension=_named(frames, best[1].dimension)) if best[1].dimension.is_number else best[1]


def _within_values(
    frames: Frames, places: np.ndarray, distances: np.ndarray, keywords: Sequence[str]
) -> Iterator[Dimension]:
    """Yield the volumes of each value of stated dimensions, such as a b-value that is imaged several times."""
    codes = joint([value_ranks(frames, keyword) for keyword in keywords])
    volumes, first, more, is_number = np.empty(len(frames), dtype=np.intp), 0, "", False
    for group in sorted(groups_of(codes), key=lambda group: int(codes[group[0]])):
        held, ranks = np.unique(places[group], return_inverse=True)
        if len(held) == len(group):
            volumes[group], first = first, first + 1
            continue
        inner = best_assembly(frames.at(group), ranks, distances[held])
        if inner is None:
            return
        volumes[group] = first + inner.dimension.volumes
        first = int(volumes[group].max()) + 1
        more, is_number = inner.dimension.by, is_number or inner.dimension.is_number
    if more:
        by = f"{' and '.join(map(name_of, keywords))} and {more}"
        yield Dimension(volumes=volumes, axis=keywords[0], by=by, is_number=is_number)


def _mixed(volumes: np.ndarray, stated: Sequence[np.ndarray]) -> int:
    """Return the number of volumes that hold two values of a stated dimension, which no volume may."""
    mixed = np.zeros(int(volumes.max()) + 1, dtype=bool)
    for ranks in stated:
        lowest, highest = _spans(volumes, ranks)
        mixed |= lowest < highest
    return int(mixed.sum())


def _spans(volumes: np.ndarray, ranks: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the lowest and the highest rank in each volume."""
    count = int(volumes.max()) + 1
    lowest, highest = np.full(count, len(ranks)), np.full(count, -1)
    np.minimum.at(lowest, volumes, ranks)
    np.maximum.at(highest, volumes, ranks)
    return lowest, highest


def _named(frames: Frames, dimension: Dimension) -> Dimension:
    """Return a dimension of mere numbers, named by a stated element whose values lie apart from volume to volume."""
    count = int(dimension.volumes.max()) + 1
    for keyword in (*AXES, *TIMES):
        if len(frames.texts(keyword)) < count or count == 1:
            continue
        lowest, highest = _spans(dimension.volumes, value_ranks(frames, keyword))
        is_constant, has_several = highest == lowest, np.bincount(dimension.volumes) > 1
        if keyword in COUNTS and 0 < int((is_constant & has_several).sum()) < int(has_several.sum()):
            continue  # it counts volumes or slices: a volume of two acquisitions beside one of a single one is neither
        is_clock = keyword in TIMES or len(frames.texts(keyword)) == len(frames)
        if (highest[:-1] < lowest[1:]).all() and (is_clock or is_constant.all()):
            return Dimension(volumes=dimension.volumes, axis=keyword, by=name_of(keyword))
    return dimension


def _uneven(distances: np.ndarray) -> int:
    """Return the faults of a volume with positions at these distances: 1 if they are unevenly spaced, otherwise 0."""
    return int(not even_steps(np.diff(distances)))


def _assembled(dimension: Dimension, places: np.ndarray, distances: np.ndarray, uneven: int) -> Assembly | None:
    """Return what a candidate makes of the frames; None if a volume would hold a position twice.

    `uneven`: whether all `distances` together are, as 1 or 0.
    """
    n_places, n_volumes = len(distances), int(dimension.volumes.max()) + 1
    if count_pairs(dimension.volumes, places) < len(places):
        return None
    sizes = np.bincount(dimension.volumes, minlength=n_volumes)
    if (sizes == n_places).all():
        return Assembly(dimension=dimension, wholes=(tuple(range(n_volumes)),), incomplete=(), faults=uneven)
    has = np.zeros((n_volumes, n_places), dtype=bool)
    has[dimension.volumes, places] = True
    of_set: dict[bytes, list[int]] = {}
    for volume, row in enumerate(has):
        of_set.setdefault(row.tobytes(), []).append(volume)
    sets = sorted(of_set.values(), key=lambda volumes: (-int(sizes[volumes[0]]), volumes[0]))
    wholes: list[list[int]] = []
    incomplete: list[tuple[int, int, int]] = []
    faults = 0
    for volumes in sets:
        row = has[volumes[0]]
        size = int(sizes[volumes[0]])
        larger = next((other for other in wholes[:MAX_COMPARED_SETS] if has[other[0]][row].all()), None)
        if larger is not None:
            incomplete += [(volume, size, int(sizes[larger[0]])) for volume in volumes]
            continue
        wholes.append(volumes)
        faults += int(size == 1) or _uneven(distances[row])
    # A number or a clock does not say that parts with other positions are acquisitions of their own.
    if dimension.is_number or dimension.goes_on:
        faults += 2 * (len(wholes) - 1)
    return Assembly(
        dimension=dimension,
        wholes=tuple(map(tuple, sorted(wholes))),
        incomplete=tuple(sorted(incomplete)),
        faults=faults + len(incomplete),
    )
