"""The dimension that distinguishes images at the same position: time, echo, b-value, energy … (PS3.3 section C.7.6.17).

Candidates are compared: fewest incomplete volumes first, then a stated element before a mere number, then fewest parts.
A dimension parts the frames into volumes that hold each position once; a volume that lacks a slice is never filled with
the slice of another.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from napari_dicommeta.dicom.tags import TagPath
from napari_dicommeta.dicom.values import number
from napari_dicommeta.volumes.geometry import even_steps
from napari_dicommeta.volumes.partition import joint

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari_dicommeta.volumes.frames import Frames

__all__ = ["AXES", "TIMES", "Assembly", "Dimension", "best_assembly", "name_of"]

AXES = (
    "TemporalPositionIdentifier",
    "EchoTime",
    "EchoNumbers",
    "DiffusionBValue",
    "TriggerTime",
    "NominalCardiacTriggerDelayTime",
    "NominalPercentageOfCardiacPhase",
    "InversionTime",
    "FlipAngle",
    "FrameReferenceTime",
    "TemporalPositionTimeOffset",
    "NominalPercentageOfRespiratoryPhase",
    "KVP",
    "SequenceName",
    "EnergyWindowVector",
    "PhaseVector",
    "RRIntervalVector",
    "TimeSlotVector",
    "TimeSliceVector",
    "RotationVector",
    "DetectorVector",
)
"""Dimensions that may become the fourth axis, the most telling first."""
TIMES = (
    "AcquisitionNumber",
    "FrameAcquisitionNumber",
    "FrameAcquisitionDateTime",
    "FrameReferenceDateTime",
    "AcquisitionDateTime",
    "AcquisitionTime",
    "ContentTime",
)
"""Like `AXES`, but by time of acquisition."""
JOINT_AXES = (("DiffusionBValue", "DiffusionGradientOrientation"), AXES[:4])
_PRIVATE_OR_UID = 2
_NO_DIMENSION = frozenset(
    (
        "SOPInstanceUID",
        "MediaStorageSOPInstanceUID",
        "InstanceNumber",
        "SliceLocation",
        "ImagePositionPatient",
        "ImageOrientationPatient",
        "InstanceCreationTime",
        "InstanceCreationDate",
        "FrameOfReferenceUID",
        "InStackPositionNumber",
        "DimensionIndexValues",
        "ContentTime",
    )
)
"""Elements that number images or say where they lie."""
_NO_GROUPS = (0x0002, 0x0028, 0x7FE0, 0xFFFC)
"""Groups that describe files and pixels, not the acquisition."""
MAX_COMPARED_SETS = 64
MAX_ORDERS = 4
"""Number of orders of the positions in a volume that are tried, the most frequent first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Dimension:
    """A candidate: `volumes` holds each frame's volume number, from 0 in the order of the dimension.

    `axis`: its keyword; `by`: its name in words, with how it is used; `is_number`: whether it is a mere number.
    """

    volumes: np.ndarray
    axis: str
    by: str
    is_number: bool = False


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


def name_of(keyword: str) -> str:
    """Return the name of a keyword, *Echo Time* for EchoTime."""
    return TagPath.parse(keyword).name


def best_assembly(frames: Frames, places: np.ndarray, distances: np.ndarray) -> Assembly | None:
    """Return the best assembly of frames with repeated positions; None if no candidate makes volumes.

    `places`: the rank of each frame's position. `distances`: the distance of each place along the normal, mm.
    """
    grids = list(_number_grids(frames, places))
    best: tuple[tuple[int, int, int], Assembly] | None = None
    for stage in (_stated, _times, _any, _in_sequence, _ranked, _numbered):
        for dimension in stage(frames, places):
            assembly = _assembled(dimension, places, distances)
            if assembly is None:
                continue
            doubt = int(dimension.is_number)
            if stage is _in_sequence and not assembly.is_whole and grids:
                # Where slices are lost, a clock does not show where a volume begins; numbers that go on counting do.
                doubt = 0 if any(np.array_equal(dimension.volumes, grid) for grid in grids) else 2
            key = (assembly.faults, doubt, len(assembly.wholes) + len(assembly.incomplete))
            if best is None or key < best[0]:
                best = key, assembly
        if best is not None and best[1].is_whole:  # later stages are no better
            break
    if best is None:
        return None
    return replace(best[1], dimension=_named(frames, best[1].dimension)) if best[1].dimension.is_number else best[1]


def _named(frames: Frames, dimension: Dimension) -> Dimension:
    """Return a dimension of mere numbers, named by a stated element whose values lie apart from volume to volume."""
    count = int(dimension.volumes.max()) + 1
    for keyword in (*AXES, *TIMES):
        if len(frames.texts(keyword)) < count or count == 1:
            continue
        ranks = _value_ranks(frames, keyword)
        lowest, highest = np.full(count, len(frames)), np.full(count, -1)
        np.minimum.at(lowest, dimension.volumes, ranks)
        np.maximum.at(highest, dimension.volumes, ranks)
        if (highest[:-1] < lowest[1:]).all():
            return Dimension(volumes=dimension.volumes, axis=keyword, by=name_of(keyword))
    return dimension


def _assembled(dimension: Dimension, places: np.ndarray, distances: np.ndarray) -> Assembly | None:
    """Return what a candidate makes of the frames; None if a volume would hold a position twice."""
    n_places, n_volumes = len(distances), int(dimension.volumes.max()) + 1
    if len(np.unique(dimension.volumes * n_places + places)) < len(places):
        return None
    sizes = np.bincount(dimension.volumes, minlength=n_volumes)
    uneven = not even_steps(np.diff(distances))
    if (sizes == n_places).all():
        wholes: list[list[int]] = [list(range(n_volumes))]
        return Assembly(dimension=dimension, wholes=(tuple(wholes[0]),), incomplete=(), faults=int(uneven))
    has = np.zeros((n_volumes, n_places), dtype=bool)
    has[dimension.volumes, places] = True
    of_set: dict[bytes, list[int]] = {}
    for volume, row in enumerate(has):
        of_set.setdefault(row.tobytes(), []).append(volume)
    sets = sorted(of_set.values(), key=lambda volumes: (-int(sizes[volumes[0]]), volumes[0]))
    wholes, incomplete, faults = [], [], 0
    for volumes in sets:
        row = has[volumes[0]]
        size = int(sizes[volumes[0]])
        if len(wholes) < MAX_COMPARED_SETS:
            larger = next((other for other in wholes if has[other[0]][row].all()), None)
        else:
            larger = wholes[0]
        if larger is not None:
            incomplete += [(volume, size, int(sizes[larger[0]])) for volume in volumes]
            continue
        wholes.append(volumes)
        faults += int(size == 1) or int(not even_steps(np.diff(distances[row])))
    if dimension.is_number:  # a number does not say that parts with other positions are acquisitions of their own
        faults += len(wholes) - 1
    return Assembly(
        dimension=dimension,
        wholes=tuple(map(tuple, sorted(wholes))),
        incomplete=tuple(sorted(incomplete)),
        faults=faults + len(incomplete),
    )


# -- candidates, stage by stage -----------------------------------------------------------------------------


def _stated(frames: Frames, places: np.ndarray) -> Iterator[Dimension]:
    """Yield the dimensions of `AXES`, alone and together: each value is a volume."""
    for keywords in (*((axis,) for axis in AXES), *JOINT_AXES):
        if dimension := _by_values(frames, keywords):
            yield dimension


def _times(frames: Frames, places: np.ndarray) -> Iterator[Dimension]:
    for keyword in TIMES:
        if dimension := _by_values(frames, (keyword,)):
            yield dimension


def _any(frames: Frames, places: np.ndarray) -> Iterator[Dimension]:
    """Yield any other element whose values part the frames into complete volumes, public ones first."""
    n_places = int(places.max()) + 1
    if len(frames) % n_places or n_places == 1:
        return
    found: list[tuple[int, Dimension]] = []
    tried = {*AXES, *TIMES, *_NO_DIMENSION}
    for keyword in frames.varying_keywords():
        name = keyword.rpartition(".")[2]
        path = TagPath.parse(keyword)
        if name in tried or path.elements[-1][0] >> 16 in _NO_GROUPS or path.elements[0][0] >> 16 in _NO_GROUPS[:1]:
            continue
        codes = frames.codes(keyword)
        counts = np.bincount(codes)
        if len(counts) < 2 or (counts != n_places).any():
            continue
        dimension = _by_values(frames, (keyword,))
        if dimension and len(np.unique(dimension.volumes * n_places + places)) == len(places):
            found.append((_PRIVATE_OR_UID if path.vr in ("UI", "UN") or "(" in keyword else 1, dimension))
    for _, dimension in sorted(found, key=lambda pair: pair[0]):
        yield dimension


def _by_values(frames: Frames, keywords: tuple[str, ...]) -> Dimension | None:
    """Return the dimension whose volumes are the values of `keywords`, None if all or no frames share a value."""
    varying = [keyword for keyword in keywords if len(frames.texts(keyword)) > 1]
    if not varying:
        return None
    codes = joint([_value_ranks(frames, keyword) for keyword in varying])
    if not 1 < int(codes.max()) + 1 < len(frames):
        return None
    return Dimension(volumes=codes, axis=varying[0], by=" and ".join(map(name_of, varying)))


def _value_ranks(frames: Frames, keyword: str) -> np.ndarray:
    """Return the rank of each frame's value: by number, or else in the order of acquisition."""
    texts, codes = frames.texts(keyword), frames.codes(keyword)
    values = [number(text) for text in texts]
    if all(value is not None for value in values) or (values.count(None) == 1 and "" in texts):
        keys = np.array([-np.inf if value is None else value for value in values])
    else:
        keys = np.full(len(texts), np.inf)
        np.minimum.at(keys, codes, frames.order.astype(np.float64))
    ranks = np.empty(len(texts), dtype=np.intp)
    ranks[np.lexsort((np.arange(len(texts)), keys))] = np.arange(len(texts))
    return np.asarray(ranks[codes])


def _in_sequence(frames: Frames, places: np.ndarray) -> Iterator[Dimension]:
    """Yield dimensions that go on within a volume, such as a clock: a volume begins where a position comes again."""
    for keyword in (*AXES, *TIMES):
        if len(frames.texts(keyword)) > 1:
            ranks = _value_ranks(frames, keyword)
            volumes = _sequence(ranks, places)
            if volumes is not None and 0 < int(volumes.max()) + 1 < len(frames):
                yield Dimension(volumes=volumes, axis=keyword, by=name_of(keyword))


def _ranked(frames: Frames, places: np.ndarray) -> Iterator[Dimension]:
    """Yield dimensions whose values differ from position to position: the n-th value of each makes the n-th volume."""
    counts = np.bincount(places)
    if (counts != counts[0]).any() or counts[0] == 1:
        return
    for keyword in (*AXES, *TIMES):
        if len(frames.texts(keyword)) > 1:
            ranks = _value_ranks(frames, keyword)
            if len(np.unique(places * len(frames) + ranks)) == len(frames):
                volumes = _rank_at_place(ranks, places)
                by = f"{name_of(keyword)}, in its order at each position"
                yield Dimension(volumes=volumes, axis=keyword, by=by)


def _numbered(frames: Frames, places: np.ndarray) -> Iterator[Dimension]:
    """Yield volumes by Instance Number, the last resort."""
    axis, by = "InstanceNumber", "Instance Number"
    for volumes in _number_grids(frames, places):
        yield Dimension(volumes=volumes, axis=axis, by=by, is_number=True)
    sequence = _sequence(frames.order, places)
    if sequence is not None:
        yield Dimension(volumes=sequence, axis=axis, by=by, is_number=True)
    yield Dimension(volumes=_rank_at_place(frames.order, places), axis=axis, by=by, is_number=True)


def _number_grids(frames: Frames, places: np.ndarray) -> Iterator[np.ndarray]:
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


def _rank_at_place(ranks: np.ndarray, places: np.ndarray) -> np.ndarray:
    order = np.lexsort((ranks, places))
    counts = np.bincount(places)
    volumes = np.empty(len(places), dtype=np.intp)
    volumes[order] = np.arange(len(places)) - np.repeat(np.cumsum(counts) - counts, counts)
    return volumes


def _sequence(ranks: np.ndarray, places: np.ndarray) -> np.ndarray | None:
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
