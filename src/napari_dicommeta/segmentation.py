"""Segmentation files (PS3.3 section C.8.20) -> volumes of segment numbers, or of fractions."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

import numpy as np

from napari_dicommeta.findings import Finding
from napari_dicommeta.geometry import VolumeGeometry
from napari_dicommeta.lazy import LazyArray
from napari_dicommeta.meaning import number
from napari_dicommeta.pixels import read_frame
from napari_dicommeta.volume import Volume

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_dicommeta.frames import Frame
    from napari_dicommeta.series import Series

__all__ = ["is_segmentation", "segmentations"]

SEGMENTATION, LABEL_MAP = "1.2.840.10008.5.1.4.1.1.66.4", "1.2.840.10008.5.1.4.1.1.66.7"
WHOLE = 0.05
"""How far the position of a frame may be from a multiple of the step, as a part of it."""


def is_segmentation(frame: Frame) -> bool:
    """Whether the frame is of a segmentation whose pixels can be segment numbers; fractional ones are images."""
    return frame.text("SOPClassUID") in (SEGMENTATION, LABEL_MAP) and frame.text("SegmentationType") != "FRACTIONAL"


def segmentations(series: Series, frames: Sequence[Frame], split: str = "auto") -> list[Volume]:
    """A volume of segment numbers a file, or a segment where `split` is "ReferencedSegmentNumber".

    Planes between those that the file holds are empty: a segmentation may leave out frames without a segment.
    """
    groups: dict[tuple[str, str], list[Frame]] = defaultdict(list)
    for frame in frames:
        segment = frame.text(split) if split == "ReferencedSegmentNumber" else ""
        groups[frame.path, segment].append(frame)
    volumes = []
    for i, ((_, segment), group) in enumerate(groups.items(), 1):
        suffix = (f" [{i}]" if len(groups) > 1 else "") + (f" segment {segment}" if segment else "")
        volumes.append(_volume(series, group, suffix))
    return volumes


def _volume(series: Series, frames: list[Frame], suffix: str) -> Volume:
    first = frames[0]
    geometry, slices = _slices(frames)
    numbers = [int(number(frame.text("ReferencedSegmentNumber")) or 1) for frame in frames]
    by_slice: dict[int, list[tuple[int, Frame]]] = defaultdict(list)
    for k, segment, frame in sorted(zip(slices, numbers, frames, strict=True), key=lambda one: one[:2]):
        by_slice[k].append((segment, frame))
    is_map = first.text("SOPClassUID") == LABEL_MAP
    count = max(slices) + 1
    largest = first.pixel_format.stored_range[1] if is_map else max(numbers)

    def read(k: int, out: np.ndarray) -> None:
        out[...] = 0
        for segment, frame in by_slice.get(k, ()):
            stored = read_frame(frame.path, frame.pixel_offset, frame.index, frame.pixel_format)
            if is_map:
                out[...] = stored
            else:
                out[stored > 0] = segment

    shape = (count, first.pixel_format.rows, first.pixel_format.columns)
    array = LazyArray(shape, np.uint8 if largest <= 255 else np.uint16, read)
    notes = [Finding("segments", "info", f"segments {_span(numbers)}, one number each", tags=("SegmentSequence",))]
    if not is_map and len(set(numbers)) > 1 and first.text("SegmentsOverlap") != "NO":
        title = "segments may overlap: where they do, the one with the highest number is shown"
        advice = "open each alone with split='ReferencedSegmentNumber'"
        notes.insert(0, Finding("segments-overlap", "decision", title, standard="PS3.3 C.8.20.2", advice=advice))
    if empty := count - len(by_slice):
        notes.append(
            Finding("segments-empty", "info", f"{empty} of {count} slices hold no segment and are not in the file")
        )
    held = [by_slice[k][0][1] if k in by_slice else None for k in range(count)]
    files = tuple((frame.path, frame.index) if frame else (first.path, -1) for frame in held)
    return Volume(
        series.name + suffix,
        first.text("Modality") or series.modality,
        series.series_instance_uid,
        array,
        "",
        geometry,
        (),
        ((),) * count,
        files,
        notes=tuple(notes),
        is_labels=True,
        frame_of_reference=first.text("FrameOfReferenceUID"),
    )


def _span(numbers: Sequence[int]) -> str:
    distinct = sorted(set(numbers))
    return str(distinct[0]) if len(distinct) == 1 else f"{distinct[0]} to {distinct[-1]} ({len(distinct)})"


def _slices(frames: Sequence[Frame]) -> tuple[VolumeGeometry, list[int]]:
    """The grid of the frames' positions, gaps filled, and the slice of each frame."""
    planes = [frame.plane for frame in frames if frame.plane is not None]
    if len(planes) < len(frames):
        numbers = [frame.text("ReferencedSegmentNumber") for frame in frames]
        seen: dict[str, int] = defaultdict(int)
        slices = []
        for segment in numbers:
            slices.append(seen[segment])
            seen[segment] += 1
        return VolumeGeometry.unplaced(None), slices
    distances = np.array([plane.distance for plane in planes])
    places, inverse = np.unique(np.round(distances, 3), return_inverse=True)
    order = [int(np.flatnonzero(inverse == i)[0]) for i in range(len(places))]
    steps = np.diff(places)
    if len(steps) == 0:
        return VolumeGeometry.of_planes([planes[order[0]]]), [0] * len(frames)
    step = float(steps.min())
    multiples = (places - places[0]) / step
    if np.abs(multiples - np.round(multiples)).max() > WHOLE:
        return VolumeGeometry.of_planes([planes[i] for i in order]), inverse.tolist()
    numbers_of = np.round(multiples).astype(int)
    ends = VolumeGeometry.of_planes([planes[order[0]], planes[order[-1]]])
    assert ends.affine is not None
    affine = ends.affine.copy()
    affine[:3, 0] /= numbers_of[-1]
    spacing = (ends.spacing[0] / int(numbers_of[-1]), *ends.spacing[1:])
    geometry = VolumeGeometry(spacing, affine, ends.tilt, (float(spacing[0]),) * int(numbers_of[-1]))
    return geometry, numbers_of[inverse].tolist()
