"""Compute places and times of frames outside functional groups: planes of a dose, slices of an NM volume, cines.

It knows texts only: keyword -> text of elements at the top level of the file. `DetectorInformationSequence.…` are those
of the first detector.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_dicommeta.dicom.values import numbers, shortest

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from napari_dicommeta.dicom.frame_columns import ColumnBuilder

__all__ = ["DETECTOR", "FRAMES_TAG_AT_TOP", "FRAME_TAGS_AT_TOP", "TOP_TAGS", "VECTORS", "add_places", "copies_of"]

DETECTOR = "DetectorInformationSequence"
VECTORS = {
    "EnergyWindowVector": "EnergyWindowNumber",
    "DetectorVector": "DetectorNumber",
    "PhaseVector": "PhaseNumber",
    "RotationVector": "RotationNumber",
    "RRIntervalVector": "RRIntervalNumber",
    "TimeSlotVector": "TimeSlot",
    "AngularViewVector": "AngularView",
    "TimeSliceVector": "TimeSlice",
}
"""Elements of NM images with a number for each frame -> the keyword of that number (PS3.3 section C.8.4.8)."""
FRAME_TAGS_AT_TOP = (
    "SharedFunctionalGroupsSequence",
    "PerFrameFunctionalGroupsSequence",
    "GridFrameOffsetVector",
    DETECTOR,
    "SliceVector",
    *VECTORS,
)
"""Elements at the top level of a file that say something about single frames."""
FRAMES_TAG_AT_TOP = "FrameIncrementPointer"
"""The element that says something about single frames where a file has several; single images have it as well."""
TOP_TAGS = {
    0x00080008: "ImageType",
    0x00180050: "SliceThickness",
    0x00180088: "SpacingBetweenSlices",
    0x00181063: "FrameTime",
    0x00181065: "FrameTimeVector",
    0x00181066: "FrameDelay",
    0x00200032: "ImagePositionPatient",
    0x00200037: "ImageOrientationPatient",
    0x00280009: "FrameIncrementPointer",
    0x00540010: "EnergyWindowVector",
    0x00540020: "DetectorVector",
    0x00540030: "PhaseVector",
    0x00540050: "RotationVector",
    0x00540060: "RRIntervalVector",
    0x00540070: "TimeSlotVector",
    0x00540080: "SliceVector",
    0x00540090: "AngularViewVector",
    0x00540100: "TimeSliceVector",
    0x3004000C: "GridFrameOffsetVector",
}
"""Tag -> keyword of the elements at the top level that places are computed from."""
_OF_VOLUME = {"ImagePositionPatient": "ImagePositionVolume", "ImageOrientationPatient": "ImageOrientationVolume"}
_POSITION, _ORIENTATION = _OF_VOLUME
MAX_UNNUMBERED = 65535
"""The most slices that are placed without a *Slice Vector*, whose numbers have 16 bits, and frames that get times."""
_FRAME_TIME, _TIME_VECTOR = "(0018,1063)", "(0018,1065)"


def add_places(builder: ColumnBuilder, tops: Mapping[str, str]) -> tuple[str, ...]:
    """Store the places, numbers and times of frames that the elements `tops` give; return keywords of those of NM, and
    "FrameTime" if it was stored.

    RT dose without shared functional groups is placed by *Grid Frame Offset Vector* (PS3.3 section C.8.8.3.2), NM
    tomography by the first detector (section C.8.4.15). Times count in ms (section C.7.6.5.1.1).
    """
    if not builder.has_shared and "GridFrameOffsetVector" in tops:
        texts = list(_dose_positions(tops))[: builder.count]
        builder.store(_POSITION, np.arange(len(texts)), texts)
    added = []
    for vector, keyword in VECTORS.items():
        values = tops[vector].split("\\") if tops.get(vector) else []
        if len(values) == builder.count and keyword not in builder:
            builder.store(keyword, np.arange(len(values)), values)
            added.append(keyword)
    if times := _frame_times(tops, builder.count):
        builder.store("FrameTime", np.arange(builder.count), times)
        added.append("FrameTime")
    is_volume = not {"RECON TOMO", "RECON GATED TOMO"}.isdisjoint(tops.get("ImageType", "").split("\\"))
    if is_volume and _POSITION not in builder:
        positions = list(_slice_positions(tops, builder.count))
        if positions:
            builder.store(_POSITION, np.arange(builder.count), positions)
            builder.store(_ORIENTATION, np.arange(builder.count), tops[f"{DETECTOR}.{_ORIENTATION}"])
            added += [_POSITION, _ORIENTATION]
    return tuple(added)


def copies_of(builder: ColumnBuilder) -> dict[str, str]:
    """Return keyword -> the keyword whose texts it takes: places in an ultrasound volume (PS3.3 section C.8.24).

    They count as places in the patient only if no frame has one there: an orientation in the volume does not fit a
    position in the patient.
    """
    return {} if _POSITION in builder or _ORIENTATION in builder else dict(_OF_VOLUME)


def _frame_times(tops: Mapping[str, str], count: int) -> list[str]:
    """Return the relative time of each frame, ms, by the element that *Frame Increment Pointer* names; [] without it.

    *Frame Time Vector* has the increment of each frame, *Frame Time* that of all but the first.
    """
    pointer = tops.get("FrameIncrementPointer", "")
    delay = numbers(tops.get("FrameDelay", ""), 1) or (0.0,)
    if not 1 < count <= MAX_UNNUMBERED:
        return []
    if _TIME_VECTOR in pointer:
        steps = numbers(tops.get("FrameTimeVector", ""))
        if steps is None or len(steps) != count:
            return []
        times = np.cumsum(steps)
    elif _FRAME_TIME in pointer and (step := numbers(tops.get("FrameTime", ""), 1)) is not None:
        times = np.arange(count) * step[0]
    else:
        return []
    return [f"{time:.10g}" for time in (times + delay[0]).tolist()]


def _normal(orientation: tuple[float, ...]) -> tuple[float, float, float]:
    a, b, c, d, e, f = orientation
    return b * f - c * e, c * d - a * f, a * e - b * d


def _dose_positions(tops: Mapping[str, str]) -> Iterator[str]:
    """Yield the position of each plane of a dose grid.

    Offsets count from the first plane if the first offset is 0; otherwise they are z in the patient.
    """
    position = numbers(tops.get(_POSITION, ""), 3)
    orientation = numbers(tops.get(_ORIENTATION, ""), 6)
    offsets = numbers(tops.get("GridFrameOffsetVector", ""))
    if position is None or orientation is None or not offsets:
        return
    normal = _normal(orientation)
    for offset in offsets:
        distance = offset if offsets[0] == 0 else (offset - offsets[0]) * normal[2]
        yield "\\".join(repr(p + n * distance) for p, n in zip(position, normal, strict=True))


def _slice_positions(tops: Mapping[str, str], count: int) -> Iterator[str]:
    """Yield the position of each frame of a reconstructed NM volume; nothing if the file does not give them all."""
    position = numbers(tops.get(f"{DETECTOR}.{_POSITION}", ""), 3)
    orientation = numbers(tops.get(f"{DETECTOR}.{_ORIENTATION}", ""), 6)
    spacing = numbers(tops.get("SpacingBetweenSlices") or tops.get("SliceThickness") or "", 1)
    slices = numbers(tops["SliceVector"]) if tops.get("SliceVector") else None
    if "SliceVector" not in tops and count <= MAX_UNNUMBERED:
        slices = tuple(float(number) for number in range(1, count + 1))
    if position is None or orientation is None or spacing is None or slices is None or len(slices) != count:
        return
    normal = _normal(orientation)
    texts: dict[float, str] = {}
    for number in slices:
        if number not in texts:
            moved = (p + n * spacing[0] * (number - 1) for p, n in zip(position, normal, strict=True))
            texts[number] = "\\".join(shortest(repr(value)) or repr(value) for value in moved)
        yield texts[number]
