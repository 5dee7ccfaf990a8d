"""Volumes of segment numbers from segmentation files (PS3.3 section C.8.20)."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

import numpy as np

from napari_dicommeta.dicom.segment_items import read_segment_items
from napari_dicommeta.dicom.uids import LABEL_MAP, SEGMENTATION
from napari_dicommeta.dicom.values import number, numbers
from napari_dicommeta.support.errors import RefusedError
from napari_dicommeta.volumes.details import Details
from napari_dicommeta.volumes.geometry import VolumeGeometry, place_tolerance
from napari_dicommeta.volumes.lazy_array import LazyArray
from napari_dicommeta.volumes.note import make_note
from napari_dicommeta.volumes.partition import by_orientation, groups_of, side_by_side
from napari_dicommeta.volumes.pixel_notes import pixel_notes
from napari_dicommeta.volumes.pixel_spacing import stated_spacing
from napari_dicommeta.volumes.planes import SegmentPlanes
from napari_dicommeta.volumes.segments import Segment, segments_text
from napari_dicommeta.volumes.volume import Volume
from napari_dicommeta.volumes.volume_notes import geometry_notes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_dicommeta.catalog.catalog import Series
    from napari_dicommeta.volumes.frames import Frames
    from napari_dicommeta.volumes.note import Note

__all__ = ["is_segmentation", "segment_notes", "segment_numbers", "segmentation_files", "segmentations", "segments_of"]

_ROW_POSITION, _COLUMN_POSITION = "RowPositionInTotalImagePixelMatrix", "ColumnPositionInTotalImagePixelMatrix"
MAX_EMPTY = 500
"""Maximum number of slices in a grid for each slice in the file."""
GRID_TOLERANCE = 0.05
"""Allowed deviation of a position from a multiple of the step, in steps."""


def segmentation_files(frames: Frames) -> tuple[Frames, tuple[Frames, ...]]:
    """Return the frames of images, and those of each file that can hold segment numbers.

    Fractional segmentations are loaded as images.
    """
    classes, types = frames.texts("SOPClassUID"), frames.texts("SegmentationType")
    is_class = np.array([text in (SEGMENTATION, LABEL_MAP) for text in classes])
    if not is_class.any():
        return frames, ()
    is_type = np.array([text != "FRACTIONAL" for text in types])
    held = is_class[frames.codes("SOPClassUID")] & is_type[frames.codes("SegmentationType")]
    rows = np.flatnonzero(held)
    files = tuple(frames.at(rows[group]) for group in groups_of(frames.files[rows]))
    return frames.at(np.flatnonzero(~held)), files


def is_segmentation(sop_class: str, segmentation_type: str) -> bool:
    """Return whether frames hold segment numbers: those of a label map or of a segmentation that is not fractional."""
    return sop_class in (SEGMENTATION, LABEL_MAP) and segmentation_type != "FRACTIONAL"


def segmentations(series: Series, frames: Frames, split: str = "auto") -> list[Volume]:
    """Return the volumes of segment numbers of one file's frames.

    There is one volume, or one per segment if `split` is "ReferencedSegmentNumber". Frames with other orientations,
    or side by side, form separate volumes. Planes that the file leaves out are empty: it may omit frames without
    a segment.
    """
    groups = groups_of(frames.codes("ReferencedSegmentNumber")) if split == "ReferencedSegmentNumber" else None
    parts = []
    for group in groups or [np.arange(len(frames))]:
        of_segment = frames.at(group)
        segment = of_segment.text("ReferencedSegmentNumber") if groups else ""
        for oriented in by_orientation(of_segment):
            of_plane = of_segment.at(oriented)
            beside = side_by_side(of_plane) if of_plane.is_placed.all() else [np.arange(len(of_plane))]
            parts += [(segment, of_plane.at(part)) for part in beside]
    volumes = []
    for i, (segment, part) in enumerate(parts, 1):
        suffix = (f" [{i}]" if len(parts) > 1 else "") + (f" segment {segment}" if segment else "")
        volumes.append(_volume(series, part, suffix))
    return volumes


def _volume(series: Series, frames: Frames, suffix: str) -> Volume:
    form = frames.pixel_format()
    segments = segment_numbers(frames)
    geometry, slices = _slices(frames, segments)
    by_slice: dict[int, list[tuple[int, int]]] = defaultdict(list)
    for k, segment, n in sorted(zip(slices, segments, range(len(frames)), strict=True)):
        by_slice[k].append((segment, n))
    is_map = frames.text("SOPClassUID") == LABEL_MAP
    count = max(slices) + 1
    largest = form.stored_range[1] if is_map else max(segments)

    sources = frames.sources()
    planes = SegmentPlanes(sources, {k: tuple(of_slice) for k, of_slice in by_slice.items()}, is_map)
    array = LazyArray((count, form.rows, form.columns), np.uint8 if largest <= 255 else np.uint16, planes)
    notes = [*segment_notes(frames, segments), *geometry_notes(geometry), *pixel_notes(frames)]
    if empty := count - len(by_slice):
        title = f"{empty} of {count} slices hold no segment and are not in the file"
        notes.append(make_note("segments-empty", title))
    shown = np.array([by_slice[k][0][1] if k in by_slice else -1 for k in range(count)])
    return Volume(
        name=series.name + suffix,
        label=series.label + suffix,
        modality=frames.text("Modality") or series.modality,
        series_instance_uid=series.series_instance_uid,
        array=array,
        units="",
        geometry=geometry,
        details=Details(((),) * count, tuple(notes)),
        sources=sources.shown(shown),
        is_labels=True,
        segments=segments_of(frames, segments),
        frame_of_reference=frames.text("FrameOfReferenceUID"),
    )


def segments_of(frames: Frames, numbers: Sequence[int]) -> tuple[Segment, ...]:
    """Return the segments with these `numbers`, and all of a label map, with their names and colors in the file."""
    items = read_segment_items(frames.path())
    is_map = frames.text("SOPClassUID") == LABEL_MAP
    shown = [number for number in items if number > 0] if is_map else set(numbers)
    return tuple(Segment(number, *items.get(number, ("", None))) for number in sorted(shown))


def segment_notes(frames: Frames, segments: Sequence[int]) -> list[Note]:
    """Return the notes on the segment numbers of frames: which there are, and whether segments may overlap."""
    is_map = frames.text("SOPClassUID") == LABEL_MAP
    title = "Values are segment numbers" if is_map else f"Segments {_span(segments)}, one number each"
    notes = [make_note("segments", title)]
    if not is_map and len(set(segments)) > 1 and frames.text("SegmentsOverlap") != "NO":
        title = "Segments may overlap: where they do, the segment with the highest number is shown"
        notes.insert(0, make_note("segments-overlap", title))
    named = [segment for segment in segments_of(frames, segments) if segment.name]
    if named:
        notes.append(make_note("segments-named", f"The file names segments: {segments_text(named)}"))
    return notes


def segment_numbers(frames: Frames) -> list[int]:
    """Return the segment number of each frame; 1 for frames of a label map, whose values are segment numbers.

    Raises
    ------
    RefusedError
        If the file has several segments and does not state the segment of each frame.
    """
    stated = [number(text) for text in frames.column("ReferencedSegmentNumber")]
    if all(stated):
        return [int(value or 0) for value in stated]
    count = int(number(frames.text("SegmentSequence").partition(" ")[0]) or 1)
    if count == 1 or frames.text("SOPClassUID") == LABEL_MAP:
        return [1] * len(frames)
    whole = frames.pixel_format().frames
    if frames.text("DimensionOrganizationType") == "TILED_FULL" and whole % count == 0:
        return [index // (whole // count) + 1 for index in frames.indices.tolist()]  # PS3.3 section C.7.6.17.3
    raise RefusedError(
        "segments-unsaid", f"it has {count} segments, and its frames do not state which segment they show"
    )


def _span(numbers: Sequence[int]) -> str:
    distinct = sorted(set(numbers))
    return str(distinct[0]) if len(distinct) == 1 else f"{distinct[0]} to {distinct[-1]} ({len(distinct)})"


def _slices(frames: Frames, segments: Sequence[int]) -> tuple[VolumeGeometry, list[int]]:
    """Return the grid of the frames, including empty slices, and the slice index of each frame."""
    plane = frames.main_plane
    if plane is None or not frames.is_placed.all():
        return _unplaced(frames, segments)
    ids = frames.places
    _, order = np.unique(ids, return_index=True)
    positions = frames.positions[order]
    of_frames = VolumeGeometry.of_positions(plane, positions)
    distances = positions @ plane.normal
    if len(order) == 1:
        return of_frames, ids.tolist()
    stated = abs(number(frames.text("SpacingBetweenSlices")) or 0.0)
    for step in (stated, float(np.diff(distances).min())):
        if step < place_tolerance(plane):
            continue
        multiples = (distances - distances[0]) / step
        places = np.round(multiples).astype(int)
        if np.abs(multiples - places).max() <= GRID_TOLERANCE and places[-1] < MAX_EMPTY * len(order):
            return of_frames.stretched(int(places[-1])), places[ids].tolist()
    return of_frames, ids.tolist()


def _unplaced(frames: Frames, segments: Sequence[int]) -> tuple[VolumeGeometry, list[int]]:
    """Return the grid and slice indices of frames without positions in the patient.

    Tiles of a slide are identified by their place in it, other frames by their dimension indices except that of the
    segment, or else by their order in the file.
    """
    tiles = zip(frames.column(_ROW_POSITION), frames.column(_COLUMN_POSITION), strict=True)
    keys: list[tuple[object, ...]] = list(tiles)
    indices = [numbers(text) or () for text in frames.column("DimensionIndexValues")]
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
    rank = {key: n for n, key in enumerate(known)}
    return VolumeGeometry.unplaced(stated_spacing(frames.text)), [rank[key] for key in keys]
