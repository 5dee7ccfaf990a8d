"""Volumes of segment numbers from segmentation files (PS3.3 section C.8.20)."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

import numpy as np

from napari_dicommeta.dicom.uids import LABEL_MAP, SEGMENTATION
from napari_dicommeta.dicom.values import number, numbers
from napari_dicommeta.support.errors import RefusedError
from napari_dicommeta.volumes.geometry import SAME_POSITION, VolumeGeometry, position_ids
from napari_dicommeta.volumes.lazy_array import LazyArray
from napari_dicommeta.volumes.note import make_note
from napari_dicommeta.volumes.planes import SegmentPlanes
from napari_dicommeta.volumes.stacks import beside_one_another, by_orientation
from napari_dicommeta.volumes.volume import Volume
from napari_dicommeta.volumes.volume_notes import geometry_notes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_dicommeta.catalog.catalog import Series
    from napari_dicommeta.volumes.frames import Frame

__all__ = ["is_segmentation", "segmentations"]

_ROW_POSITION, _COLUMN_POSITION = "RowPositionInTotalImagePixelMatrix", "ColumnPositionInTotalImagePixelMatrix"
MAX_EMPTY = 500
"""Maximum number of slices in a grid for each slice in the file."""
GRID_TOLERANCE = 0.05
"""Allowed deviation of a position from a multiple of the step, in steps."""


def is_segmentation(frame: Frame) -> bool:
    """Return whether the frame can hold segment numbers; fractional segmentations are loaded as images."""
    return frame.text("SOPClassUID") in (SEGMENTATION, LABEL_MAP) and frame.text("SegmentationType") != "FRACTIONAL"


def segmentations(series: Series, frames: Sequence[Frame], split: str = "auto") -> list[Volume]:
    """Return the volumes of segment numbers of one file's frames.

    There is one volume, or one per segment if `split` is "ReferencedSegmentNumber". Frames with other orientations,
    or side by side, form separate volumes. Planes that the file leaves out are empty: it may omit frames without
    a segment.
    """
    groups: dict[str, list[Frame]] = defaultdict(list)
    for frame in frames:
        segment = frame.text("ReferencedSegmentNumber") if split == "ReferencedSegmentNumber" else ""
        groups[segment].append(frame)
    parts = [
        (segment, part)
        for segment, group in groups.items()
        for oriented in by_orientation(group)
        for part in beside_one_another(oriented)
    ]
    volumes = []
    for i, (segment, part) in enumerate(parts, 1):
        suffix = (f" [{i}]" if len(parts) > 1 else "") + (f" segment {segment}" if segment else "")
        volumes.append(_volume(series, part, suffix))
    return volumes


def _volume(series: Series, frames: list[Frame], suffix: str) -> Volume:
    first = frames[0]
    segments = _segments(frames)
    geometry, slices = _slices(frames, segments)
    by_slice: dict[int, list[tuple[int, Frame]]] = defaultdict(list)
    for k, segment, frame in sorted(zip(slices, segments, frames, strict=True), key=lambda row: row[:2]):
        by_slice[k].append((segment, frame))
    is_map = first.text("SOPClassUID") == LABEL_MAP
    count = max(slices) + 1
    largest = first.pixel_format.stored_range[1] if is_map else max(segments)

    planes = SegmentPlanes({k: tuple(of_slice) for k, of_slice in by_slice.items()}, is_map)
    shape = (count, first.pixel_format.rows, first.pixel_format.columns)
    array = LazyArray(shape, np.uint8 if largest <= 255 else np.uint16, planes)
    title = "Values are segment numbers" if is_map else f"Segments {_span(segments)}, one number each"
    notes = [*geometry_notes(geometry), make_note("segments", title)]
    if not is_map and len(set(segments)) > 1 and first.text("SegmentsOverlap") != "NO":
        title = "Segments may overlap: where they do, the segment with the highest number is shown"
        notes.insert(0, make_note("segments-overlap", title))
    if empty := count - len(by_slice):
        title = f"{empty} of {count} slices hold no segment and are not in the file"
        notes.append(make_note("segments-empty", title))
    shown = [by_slice[k][0][1] if k in by_slice else None for k in range(count)]
    files = tuple((frame.path, frame.index) if frame else (first.path, -1) for frame in shown)
    return Volume(
        name=series.name + suffix,
        modality=first.text("Modality") or series.modality,
        series_instance_uid=series.series_instance_uid,
        array=array,
        units="",
        geometry=geometry,
        windows=(),
        slice_windows=((),) * count,
        files=files,
        notes=tuple(notes),
        is_labels=True,
        frame_of_reference=first.text("FrameOfReferenceUID"),
    )


def _segments(frames: Sequence[Frame]) -> list[int]:
    """Return the segment number of each frame; 1 for frames of a label map, whose values are segment numbers.

    Raises
    ------
    RefusedError
        If the file has several segments and does not state the segment of each frame.
    """
    stated = [number(frame.text("ReferencedSegmentNumber")) for frame in frames]
    if all(stated):
        return [int(value or 0) for value in stated]
    first = frames[0]
    count = int(number(first.text("SegmentSequence").partition(" ")[0]) or 1)
    if count == 1 or first.text("SOPClassUID") == LABEL_MAP:
        return [1] * len(frames)
    whole = first.pixel_format.frames
    if first.text("DimensionOrganizationType") == "TILED_FULL" and whole % count == 0:
        return [frame.index // (whole // count) + 1 for frame in frames]  # PS3.3 section C.7.6.17.3
    raise RefusedError(
        "segments-unsaid", f"it has {count} segments, and its frames do not state which segment they show"
    )


def _span(numbers: Sequence[int]) -> str:
    distinct = sorted(set(numbers))
    return str(distinct[0]) if len(distinct) == 1 else f"{distinct[0]} to {distinct[-1]} ({len(distinct)})"


def _slices(frames: Sequence[Frame], segments: Sequence[int]) -> tuple[VolumeGeometry, list[int]]:
    """Return the grid of the frames, including empty slices, and the slice index of each frame."""
    planes = [frame.plane for frame in frames if frame.plane is not None]
    if len(planes) < len(frames):
        return _unplaced(frames, segments)
    ids = position_ids(planes)
    order = [ids.index(place) for place in range(max(ids) + 1)]
    of_frames = VolumeGeometry.of_planes([planes[i] for i in order])
    distances = np.array([planes[i].position for i in order]) @ planes[0].normal
    if len(order) == 1:
        return of_frames, ids
    stated = abs(number(frames[0].text("SpacingBetweenSlices")) or 0.0)
    for step in (stated, float(np.diff(distances).min())):
        if step < SAME_POSITION:
            continue
        multiples = (distances - distances[0]) / step
        places = np.round(multiples).astype(int)
        if np.abs(multiples - places).max() <= GRID_TOLERANCE and places[-1] < MAX_EMPTY * len(order):
            break
    else:
        return of_frames, ids
    assert of_frames.affine is not None
    count = int(places[-1])
    affine = of_frames.affine.copy()
    affine[:3, 0] *= (len(order) - 1) / count
    spacing = (of_frames.spacing[0] * (len(order) - 1) / count, *of_frames.spacing[1:])
    geometry = VolumeGeometry(
        spacing=spacing,
        affine=affine,
        tilt=of_frames.tilt,
        steps=(float(distances[-1] - distances[0]) / count,) * count,
    )
    return geometry, [int(places[i]) for i in ids]


def _unplaced(frames: Sequence[Frame], segments: Sequence[int]) -> tuple[VolumeGeometry, list[int]]:
    """Return the grid and slice indices of frames without positions in the patient.

    Tiles of a slide are identified by their place in it, other frames by their dimension indices except that of the
    segment, or else by their order in the file.
    """
    keys: list[tuple[object, ...]] = [(frame.text(_ROW_POSITION), frame.text(_COLUMN_POSITION)) for frame in frames]
    indices = [numbers(frame.text("DimensionIndexValues")) or () for frame in frames]
    if any(any(key) for key in keys):
        known = list(dict.fromkeys(keys))
    elif all(indices) and len(set(map(len, indices))) == 1:
        columns = [
            column for column in zip(*indices, strict=True) if list(column) != [float(segment) for segment in segments]
        ]
        keys = list(zip(*columns, strict=True)) if columns else [()] * len(frames)
        known = sorted(set(keys), key=lambda key: tuple(map(float, key)))  # type: ignore[arg-type]
    else:
        seen: dict[int, int] = defaultdict(int)
        keys = []
        for segment in segments:
            keys.append((seen[segment],))
            seen[segment] += 1
        known = [(n,) for n in range(max(seen.values()))]
    spacing = numbers(frames[0].text("PixelSpacing"), 2)
    geometry = VolumeGeometry.unplaced((spacing[0], spacing[1]) if spacing else None)
    return geometry, [known.index(key) for key in keys]
