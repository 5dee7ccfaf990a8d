"""Dimensions that may distinguish images at the same position: time, echo, b-value … (PS3.3 section C.7.6.17).

Each stage yields candidates, the most telling first; `assembly.py` compares the volumes that they make.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from napari_dicommeta.dicom.tags import TagPath
from napari_dicommeta.dicom.values import number, numbers
from napari_dicommeta.volumes.partition import count_pairs, joint

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari_dicommeta.volumes.frames import Frames

__all__ = ["AXES", "SPLIT_TAGS", "STAGES", "TIMES", "Dimension", "name_of", "number_grids", "separable", "value_ranks"]

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
SPLIT_TAGS = (
    "ImageType",
    "FrameType",
    "ComplexImageComponent",
    "ConvolutionKernel",
    "StackID",
    "ReferencedSegmentNumber",
)
"""Tags by which images are split into kinds; they never become a fourth axis."""
_WITH_DATES = ("AcquisitionTime", "ContentTime")
CLOCKS = (
    "TriggerTime",
    "NominalCardiacTriggerDelayTime",
    "NominalPercentageOfCardiacPhase",
    "FrameReferenceTime",
    "TemporalPositionTimeOffset",
    "NominalPercentageOfRespiratoryPhase",
    *TIMES[2:],
)
"""Dimensions that go on while a volume is acquired: several values may belong to one volume."""
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
MAX_ORDERS = 4
"""Number of orders of the positions in a volume that are tried, the most frequent first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Dimension:
    """A candidate: `volumes` holds each frame's volume number, from 0 in the order of the dimension.

    `axis`: its keyword; `by`: its name in words, with how it is used; `is_number`: whether it is a mere number;
    `may_mix`: images that may be in the volume of another.
    """

    volumes: np.ndarray
    axis: str
    by: str
    is_number: bool = False
    may_mix: int = 0


def name_of(keyword: str) -> str:
    """Return the name of a keyword, *Echo Time* for EchoTime."""
    return TagPath.parse(keyword).name


# -- candidates, stage by stage -----------------------------------------------------------------------------


def separable(frames: Frames, places: np.ndarray) -> tuple[str, ...]:
    """Return the keywords of `AXES` each of whose values was imaged at more than half of all positions."""
    n_places, keywords = int(places.max()) + 1, []
    for keyword in AXES:
        codes = frames.codes(keyword)
        count = int(codes.max()) + 1
        if not 1 < count <= len(frames) * 2 // n_places:
            continue
        pairs = np.unique(codes * n_places + places)
        if np.bincount(pairs // n_places, minlength=count).min() * 2 > n_places:
            keywords.append(keyword)
    return tuple(keywords)


def _stated(frames: Frames, places: np.ndarray) -> Iterator[Dimension]:
    """Yield the dimensions of `AXES`, alone and together: each value is a volume."""
    together = separable(frames, places)
    joints = (*JOINT_AXES, *((together,) if len(together) > 1 else ()))
    for keywords in (*((axis,) for axis in AXES), *joints):
        if dimension := _by_values(frames, keywords):
            yield dimension


def _times(frames: Frames, places: np.ndarray) -> Iterator[Dimension]:
    for keyword in TIMES:
        if dimension := _by_values(frames, (keyword,)):
            yield dimension


def _any(frames: Frames, places: np.ndarray) -> Iterator[Dimension]:
    """Yield any other element whose values part the frames into complete volumes, public ones first."""
    n_places, n_times = int(places.max()) + 1, int(np.bincount(places).max())
    if n_places == 1:
        return
    found: list[tuple[int, Dimension]] = []
    tried = {*AXES, *TIMES, *SPLIT_TAGS, *_NO_DIMENSION}
    for keyword in frames.varying_keywords():
        name = keyword.rpartition(".")[2]
        path = TagPath.parse(keyword)
        if name in tried or path.elements[-1][0] >> 16 in _NO_GROUPS or path.elements[0][0] >> 16 in _NO_GROUPS[:1]:
            continue
        codes = frames.codes(keyword)
        counts = np.bincount(codes)
        if len(counts) != n_times or counts.max() > n_places or 2 * counts.min() <= n_places:
            continue
        dimension = _by_values(frames, (keyword,))
        if dimension and count_pairs(dimension.volumes, places) == len(places):
            found.append((_PRIVATE_OR_UID if path.vr in ("UI", "UN") or "(" in keyword else 1, dimension))
    for _, dimension in sorted(found, key=lambda pair: pair[0]):
        yield dimension
    if dimension := _by_indices(frames, places):
        yield dimension


def _by_indices(frames: Frames, places: np.ndarray) -> Dimension | None:
    """Return the dimension of Dimension Index Values, without the index that numbers the positions."""
    rows = [numbers(text) for text in frames.column("DimensionIndexValues")]
    if any(row is None for row in rows) or len({len(row or ()) for row in rows}) != 1:
        return None
    n_places, columns = int(places.max()) + 1, []
    for column in np.array(rows).T:
        codes = np.unique(column, return_inverse=True)[1]
        if codes.max() and count_pairs(codes, places) > max(n_places, int(codes.max()) + 1):
            columns.append(codes)
    if not columns:
        return None
    axis = "DimensionIndexValues"
    return Dimension(volumes=joint(columns), axis=axis, by=name_of(axis))


def _by_values(frames: Frames, keywords: tuple[str, ...]) -> Dimension | None:
    """Return the dimension whose volumes are the values of `keywords`, None if all or no frames share a value."""
    varying = [keyword for keyword in keywords if len(frames.texts(keyword)) > 1]
    if not varying:
        return None
    codes = joint([value_ranks(frames, keyword) for keyword in varying])
    if not 1 < int(codes.max()) + 1 < len(frames):
        return None
    return Dimension(volumes=codes, axis=varying[0], by=" and ".join(map(name_of, varying)))


def value_ranks(frames: Frames, keyword: str) -> np.ndarray:
    """Return the rank of each frame's value: by number, or else in the order of acquisition."""
    texts, codes = frames.texts(keyword), frames.codes(keyword)
    values = [number(text) for text in texts]
    if all(value is not None for value in values) or (values.count(None) == 1 and "" in texts):
        keys = np.array([-np.inf if value is None else value for value in values])
        date = keyword.removesuffix("Time") + "Date"
        if keyword in _WITH_DATES and len(frames.texts(date)) > 1:  # a clock that goes on after midnight
            together = joint([value_ranks(frames, date), codes])
            order = np.lexsort((keys[codes], value_ranks(frames, date)))
            changes = np.concatenate([[0], np.diff(together[order]) != 0])
            ranks = np.empty(len(codes), dtype=np.intp)
            ranks[order] = np.cumsum(changes)
            return ranks
    else:
        keys = np.full(len(texts), np.inf)
        np.minimum.at(keys, codes, frames.order.astype(np.float64))
    ranks = np.empty(len(texts), dtype=np.intp)
    ranks[np.lexsort((np.arange(len(texts)), keys))] = np.arange(len(texts))
    return np.asarray(ranks[codes])


def _in_sequence(frames: Frames, places: np.ndarray) -> Iterator[Dimension]:
    """Yield dimensions that go on within a volume, such as a clock: a volume begins where a position comes again."""
    for keyword in CLOCKS:
        if len(frames.texts(keyword)) > 1:
            ranks = value_ranks(frames, keyword)
            volumes = _sequence(ranks, places)
            if volumes is not None and 0 < int(volumes.max()) + 1 < len(frames):
                yield Dimension(volumes=volumes, axis=keyword, by=name_of(keyword))


def _ranked(frames: Frames, places: np.ndarray) -> Iterator[Dimension]:
    """Yield dimensions whose values differ from position to position: the n-th value of each makes the n-th volume."""
    counts = np.bincount(places)
    if (counts != counts[0]).any() or counts[0] == 1:
        return
    for keyword in CLOCKS:
        if len(frames.texts(keyword)) > 1:
            ranks = value_ranks(frames, keyword)
            if count_pairs(places, ranks) == len(frames):
                volumes = _rank_at_place(ranks, places)
                by = f"{name_of(keyword)}, in its order at each position"
                yield Dimension(volumes=volumes, axis=keyword, by=by)


def _numbered(frames: Frames, places: np.ndarray) -> Iterator[Dimension]:
    """Yield volumes by Instance Number, or by file name where that distinguishes nothing: the last resort."""
    axis, by = "InstanceNumber", "Instance Number"
    for volumes in number_grids(frames, places):
        yield Dimension(volumes=volumes, axis=axis, by=by, is_number=True)
    stated = np.stack([frames.numbers("InstanceNumber")[:, 0], places])
    if np.isnan(stated).any() or np.unique(stated, axis=1).shape[1] < len(places):
        by = "file name"
    sequence = _sequence(frames.order, places)
    if sequence is not None:
        yield Dimension(volumes=sequence, axis=axis, by=by, is_number=True)
    counts = np.bincount(places)
    most = int(counts.max())
    usual = int(np.argmax(np.bincount(counts)))
    # A slice that is lost moves all later ones of its position to the volume before.
    mixed = int((most - counts).sum()) if usual == most else int(np.maximum(counts - usual, 0).sum())
    yield Dimension(volumes=_rank_at_place(frames.order, places), axis=axis, by=by, is_number=True, may_mix=mixed)


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


STAGES = (_stated, _times, _any, _in_sequence, _ranked, _numbered)
"""Functions that yield candidates, the most telling stage first."""
IN_SEQUENCE = _in_sequence
