"""Dimensions that may distinguish images at the same position: time, echo, b-value … (PS3.3 section C.7.6.17).

Each stage yields candidates, the most telling first; `assembly.py` compares the volumes that they make.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_dicommeta.dicom.tags import TagPath
from napari_dicommeta.dicom.values import number, numbers
from napari_dicommeta.support.sorting import sorted_unique
from napari_dicommeta.volumes.partition import count_pairs, joint
from napari_dicommeta.volumes.sequences import is_numbered, number_grids, rank_at_place, volumes_in_order

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari_dicommeta.volumes.frames import Frames

__all__ = [
    "AXES",
    "ENCODINGS",
    "SPLIT_TAGS",
    "STAGES",
    "TIMES",
    "Dimension",
    "in_sequence",
    "kind_codes",
    "name_of",
    "separable",
    "telling_axis",
    "value_ranks",
]

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
    "AngularViewVector",
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
_TYPES = ("ImageType", "FrameType")
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
ENCODINGS = ("TransferSyntaxUID", "LossyImageCompression")
"""Elements of these groups that tell copies of images in other encodings, which are volumes of their own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Dimension:
    """A candidate: `volumes` holds each frame's volume number, from 0 in the order of the dimension.

    `axis`: its keyword; `by`: its name in words, with how it is used; `is_number`: whether it is a mere number;
    `goes_on`: whether its values go on within a volume; `may_mix`: images that may be in the volume of another.
    """

    volumes: np.ndarray
    axis: str
    by: str
    is_number: bool = False
    goes_on: bool = False
    may_mix: int = 0


def name_of(keyword: str) -> str:
    """Return the name of a keyword, *Echo Time* for EchoTime; the tag of a private element without a name."""
    path = TagPath.parse(keyword)
    return path.keyword if path.creator and path.name.startswith(path.creator) else path.name


def kind_codes(frames: Frames, keyword: str) -> np.ndarray:
    """Return the codes of the texts of `keyword`; of image and frame types without their first two values."""
    codes = frames.codes(keyword)
    if keyword not in _TYPES:
        return codes
    known: dict[str, int] = {}
    texts = ("\\".join(text.split("\\")[2:]) for text in frames.texts(keyword))
    return np.asarray(np.array([known.setdefault(text, len(known)) for text in texts])[codes])


def telling_axis(frames: Frames, count: int) -> tuple[str, np.ndarray]:
    """Return the first dimension with `count` values, "" if there is none, and the rows of `frames` in its order.

    Where values are no numbers, rows are in the order of acquisition.
    """
    axis = next((keyword for keyword in (*AXES, *TIMES) if len(frames.texts(keyword)) == count), "")
    values = frames.numbers(axis)[:, 0] if axis else np.full(len(frames), np.nan)
    return axis, np.lexsort((frames.order,) if np.isnan(values).any() else (frames.order, values))


# -- candidates, stage by stage -----------------------------------------------------------------------------


def separable(frames: Frames, places: np.ndarray) -> tuple[str, ...]:
    """Return the keywords of `AXES` each of whose values was imaged at more than half of all positions."""
    n_places, keywords = int(places.max()) + 1, []
    for keyword in AXES:
        codes = frames.codes(keyword)
        count = int(codes.max()) + 1
        if not 1 < count <= len(frames) * 2 // n_places:
            continue
        pairs = sorted_unique(codes * n_places + places)
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
        groups = path.elements[-1][0] >> 16, path.elements[0][0] >> 16
        if name in tried or ((groups[0] in _NO_GROUPS or groups[1] in _NO_GROUPS[:1]) and keyword not in ENCODINGS):
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


def in_sequence(frames: Frames, places: np.ndarray) -> Iterator[Dimension]:
    """Yield dimensions that go on within a volume, such as a clock: a volume begins where a position comes again."""
    for keyword in CLOCKS:
        if len(frames.texts(keyword)) > 1:
            ranks = value_ranks(frames, keyword)
            volumes = volumes_in_order(ranks, places, _clock(frames, keyword))
            if volumes is not None and 0 < int(volumes.max()) + 1 < len(frames):
                yield Dimension(volumes=volumes, axis=keyword, by=name_of(keyword), goes_on=True)


def _clock(frames: Frames, keyword: str) -> np.ndarray:
    """Return the number of a clock for each frame; of dates and times of day the seconds."""
    values = frames.numbers(keyword)[:, 0]
    if keyword not in TIMES:
        return values
    days, clock = np.divmod(values, 1e6)
    return np.asarray(days * 86400 + clock // 1e4 * 3600 + clock // 100 % 100 * 60 + clock % 100)


def _ranked(frames: Frames, places: np.ndarray) -> Iterator[Dimension]:
    """Yield dimensions whose values differ from position to position: the n-th value of each makes the n-th volume."""
    counts = np.bincount(places)
    if (counts != counts[0]).any() or counts[0] == 1:
        return
    for keyword in CLOCKS:
        if len(frames.texts(keyword)) > 1:
            ranks = value_ranks(frames, keyword)
            if count_pairs(places, ranks) == len(frames):
                volumes = rank_at_place(ranks, places)
                by = f"{name_of(keyword)}, in its order at each position"
                yield Dimension(volumes=volumes, axis=keyword, by=by)


def _numbered(frames: Frames, places: np.ndarray) -> Iterator[Dimension]:
    """Yield volumes by Instance Number, or else by file name or the order in the file: the last resort."""
    axis, by = "InstanceNumber", "Instance Number"
    grids = list(number_grids(frames, places))
    for volumes in grids:
        yield Dimension(volumes=volumes, axis=axis, by=by, is_number=True)
    if not is_numbered(frames, places):
        by = "file name" if len(sorted_unique(frames.files)) > 1 else "their order in the file"
    sequence = None if grids else volumes_in_order(frames.order, places, frames.numbers(axis)[:, 0])
    if sequence is not None:
        yield Dimension(volumes=sequence, axis=axis, by=by, is_number=True)
    counts = np.bincount(places)
    most = int(counts.max())
    usual = int(np.argmax(np.bincount(counts)))
    # A slice that is lost moves all later ones of its position to the volume before.
    mixed = int((most - counts).sum()) if usual == most else int(np.maximum(counts - usual, 0).sum())
    yield Dimension(volumes=rank_at_place(frames.order, places), axis=axis, by=by, is_number=True, may_mix=mixed)


STAGES = (_stated, _times, _any, in_sequence, _ranked, _numbered)
"""Functions that yield candidates, the most telling stage first."""
