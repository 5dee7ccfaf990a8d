"""Slides: images and segmentations whose frames are tiles of a total pixel matrix (PS3.3 section C.7.6.17.3).

A level is the files with one matrix size and pixel spacing. Each optical path of a level, or each segment of a
fractional segmentation, is one mosaic with its focal planes along the leading axis. Segments of other segmentations
are one mosaic of segment numbers.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_dicommeta.dicom.slide import read_optical_paths
from napari_dicommeta.dicom.uids import SEGMENTATION, WHOLE_SLIDE
from napari_dicommeta.dicom.values import number
from napari_dicommeta.support.errors import RefusedError
from napari_dicommeta.support.sorting import sorted_unique
from napari_dicommeta.volumes.partition import groups_of
from napari_dicommeta.volumes.segmentation import is_segmentation, segment_numbers
from napari_dicommeta.volumes.tiled_array import Tiles

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_dicommeta.volumes.frames import Frames

__all__ = ["Slide", "find_slides"]

MAX_SIDE = 1 << 24
"""The most rows or columns of a matrix; the largest slides have some hundred thousand."""
UM = 1e-3
"""mm; unit of *Z Offset in Slide Coordinate System* (PS3.3 section C.8.12.6.1)."""
_OTHERS = frozenset(("LABEL", "OVERVIEW", "THUMBNAIL", "LOCALIZER"))
"""Values of Image Type of images that are no level of the pyramid (PS3.3 section C.8.12.4.1.1)."""
_ROW, _COLUMN = "RowPositionInTotalImagePixelMatrix", "ColumnPositionInTotalImagePixelMatrix"


@dataclass(frozen=True, slots=True, kw_only=True)
class Slide:
    """Frames that are the tiles of one mosaic, in the order of `tiles`.

    `shape`: (planes, rows, columns). `kind`: "" for the pyramid, otherwise "OVERVIEW" or the like. `level`: the number
    of its level, from 1 for the largest, of `levels`. `channel`: the optical path, or the segment of a fractional
    segmentation; "" if the series has no other. `step`: mm between focal planes, NaN where unknown. `missing`: the
    number of tiles of a full grid that are absent; None where tiles lie off the grid. `segments`: the segment number of
    each frame of a segmentation, () for an image.
    """

    frames: Frames
    tiles: Tiles
    shape: tuple[int, int, int]
    kind: str = ""
    level: int = 1
    levels: int = 1
    channel: str = ""
    step: float = float("nan")
    missing: int | None = 0
    segments: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Part:
    """Tiles of one channel of an instance: a file, or the files of a concatenation.

    `rows`: their rows in the series' frames. `depths`: the place of each along the optical axis in mm, or its number
    if `is_numbered`.
    """

    level: tuple[Any, ...]
    channel: str
    rows: np.ndarray
    depths: np.ndarray
    tops: np.ndarray
    lefts: np.ndarray
    is_numbered: bool = False


def find_slides(
    frames: Frames, split: str = "auto"
) -> tuple[Frames, tuple[Slide, ...], list[tuple[str, str, np.ndarray]]]:
    """Return the frames that are no tiles, the slides, the largest first, and (code, reason, rows) of refused frames.

    If `split` is "ReferencedSegmentNumber", each segment is a slide.
    """
    if frames.texts("TotalPixelMatrixRows") == ("",) or frames.texts("TotalPixelMatrixColumns") == ("",):
        return frames, (), []
    files, starts = np.unique(frames.files, return_index=True)
    ends = np.append(starts[1:], len(frames))
    held: dict[str, list[np.ndarray]] = defaultdict(list)
    for file, start, end in zip(files.tolist(), starts.tolist(), ends.tolist(), strict=True):
        if _is_tiled(frames, start, end):
            held[frames.text("ConcatenationUID", start) or f"file {file}"].append(np.arange(start, end))
    if not held:
        return frames, (), []
    parts: list[_Part] = []
    refused: list[tuple[str, str, np.ndarray]] = []
    for instance in held.values():
        try:
            parts += _parts(frames, instance, split)
        except RefusedError as error:
            refused.append((error.code, error.reason, np.concatenate(instance)))
    rest = np.ones(len(frames), dtype=bool)
    rest[np.concatenate([rows for instance in held.values() for rows in instance])] = False
    return frames.at(np.flatnonzero(rest)), _slides(frames, parts), refused


def _is_tiled(frames: Frames, start: int, end: int) -> bool:
    """Return whether the frames of a file are tiles of a total pixel matrix."""
    sizes = [frames.text(f"TotalPixelMatrix{side}", start) for side in ("Rows", "Columns")]
    if not all(sizes):
        return False
    form = frames.pixel_format(start)
    is_whole = end - start == 1 and sizes == [str(form.rows), str(form.columns)]
    if is_whole and (_kind(frames, start) or frames.text("SOPClassUID", start) != WHOLE_SLIDE):
        return False
    is_stated = frames.text("DimensionOrganizationType", start) in ("TILED_FULL", "TILED_SPARSE")
    return is_stated or bool(frames.text(_ROW, start) and frames.text(_COLUMN, start))


def _kind(frames: Frames, n: int) -> str:
    """Return which image besides the pyramid a frame belongs to, "" for the pyramid."""
    return " ".join(sorted(_OTHERS.intersection(frames.text("ImageType", n).split("\\"))))


# -- one instance ---------------------------------------------------------------------------------------------


def _parts(frames: Frames, instance: Sequence[np.ndarray], split: str) -> list[_Part]:
    """Return the channels of an instance: the frames of its files.

    Raises
    ------
    RefusedError
        If its frames cannot be placed.
    """
    start = int(instance[0][0])
    matrix = _matrix(frames, start)
    form = frames.pixel_format(start)
    numbers = _frame_numbers(frames, instance)
    rows = np.concatenate(instance)[np.argsort(numbers, kind="stable")]
    numbers = np.sort(numbers)
    mine = frames.at(rows)
    is_labels = is_segmentation(mine.text("SOPClassUID"), mine.text("SegmentationType"))
    if mine.text("DimensionOrganizationType") == "TILED_FULL":
        channels, depths, tops, lefts, is_numbered = _full(mine, numbers, matrix, len(instance) > 1)
    else:
        channels, depths, tops, lefts = _sparse(mine, matrix)
        is_numbered = False
    colors = "color" if form.is_color else form.photometric
    level: tuple[Any, ...] = (*matrix, mine.text("PixelSpacing"), _kind(frames, start), form.rows, form.columns, colors)
    level = (*level, mine.text("SOPClassUID"))
    level = (*level, start) if is_labels else level  # each segmentation is a volume of its own
    if is_labels and split != "ReferencedSegmentNumber":
        channels = [""] * len(rows)
    known = {channel: i for i, channel in enumerate(dict.fromkeys(channels))}
    codes = np.array([known[channel] for channel in channels])
    return [
        _Part(
            level=level,
            channel=channel,
            rows=rows[of_channel],
            depths=depths[of_channel],
            tops=tops[of_channel],
            lefts=lefts[of_channel],
            is_numbered=is_numbered,
        )
        for channel, of_channel in zip(known, groups_of(codes), strict=True)
    ]


def _matrix(frames: Frames, start: int) -> tuple[int, int]:
    """Return the rows and columns of the total pixel matrix."""
    rows, columns = (number(frames.text(f"TotalPixelMatrix{side}", start)) or 0.0 for side in ("Rows", "Columns"))
    if not (1 <= rows <= MAX_SIDE and 1 <= columns <= MAX_SIDE):
        limit = f"; at most {MAX_SIDE:,} rows and columns can be opened" if min(rows, columns) >= 1 else ""
        raise RefusedError("slide-matrix", f"a total pixel matrix of {rows:,.0f} × {columns:,.0f} pixels{limit}")
    return int(rows), int(columns)


def _frame_numbers(frames: Frames, instance: Sequence[np.ndarray]) -> np.ndarray:
    """Return the number of each frame in its instance, from 0 (PS3.3 section C.7.6.16.2.2.4)."""
    if len(instance) == 1 and not frames.text("ConcatenationUID", int(instance[0][0])):
        return np.arange(len(instance[0]))
    numbers = []
    for rows in instance:
        offset = number(frames.text("ConcatenationFrameOffsetNumber", int(rows[0])))
        if offset is None or offset < 0:
            raise RefusedError("slide-tiles", "a part of a concatenation states no Concatenation Frame Offset Number")
        numbers.append(int(offset) + np.arange(len(rows)))
    joined = np.concatenate(numbers)
    if len(sorted_unique(joined)) < len(joined):
        raise RefusedError("slide-tiles", "parts of a concatenation have the same frame numbers")
    return joined


def _full(
    frames: Frames, numbers: np.ndarray, matrix: tuple[int, int], is_partial: bool
) -> tuple[list[str], np.ndarray, np.ndarray, np.ndarray, bool]:
    """Return channel, depth, first row and first column of each frame by the implied order of frames.

    Frames follow one another along a row of tiles, then from row to row, from focal plane to focal plane, and from
    optical path to optical path or segment to segment. Also return whether depths are only numbers.
    """
    form = frames.pixel_format()
    down, across = -(-matrix[0] // form.rows), -(-matrix[1] // form.columns)
    per_plane = down * across
    names = _channels(frames)
    stated = int(number(frames.text("TotalPixelMatrixFocalPlanes")) or 0)
    n_planes = max(stated or len(frames) // (per_plane * len(names)), 1)
    expected = per_plane * n_planes * len(names)
    in_parts = is_partial or bool(frames.text("ConcatenationUID"))
    if (len(frames) != expected and not in_parts) or int(numbers[-1]) >= expected:
        more = f" × {n_planes} focal planes" if n_planes > 1 else ""
        more += f" × {len(names)} {'segments' if _is_segmented(frames) else 'optical paths'}" if len(names) > 1 else ""
        raise RefusedError(
            "slide-tiles",
            f"{max(len(frames), int(numbers[-1]) + 1):,} frames do not fill {down:,} × {across:,} tiles{more} of "
            f"{form.rows} × {form.columns} pixels, as TILED_FULL requires",
        )
    of_plane = numbers % per_plane
    planes = numbers // per_plane % n_planes
    step = abs(number(frames.text("SpacingBetweenSlices")) or 0.0)
    first = number(frames.text("TotalPixelMatrixOriginSequence.ZOffsetInSlideCoordinateSystem")) or 0.0
    channels = [names[i] for i in (numbers // (per_plane * n_planes)).tolist()]
    depths = first * UM + planes * (step or 1.0)
    return channels, depths, of_plane // across * form.rows, of_plane % across * form.columns, not step and n_planes > 1


def _is_segmented(frames: Frames) -> bool:
    return frames.text("SOPClassUID") == SEGMENTATION


def _channels(frames: Frames) -> list[str]:
    """Return the names of the optical paths or segments of a fully tiled instance, in order."""
    if _is_segmented(frames):
        count = int(number(frames.text("SegmentSequence").partition(" ")[0]) or 1)
        return [str(n + 1) for n in range(count)]
    paths: tuple[str, ...] = ()
    if frames.text("OpticalPathSequence").partition(" ")[0] not in ("", "1"):
        paths = read_optical_paths(frames.path())
    if len(paths) == 1 or not paths:
        paths = (frames.text("OpticalPathSequence.OpticalPathIdentifier"),)
    return list(paths) if len(set(paths)) == len(paths) else [str(n + 1) for n in range(len(paths))]


def _sparse(frames: Frames, matrix: tuple[int, int]) -> tuple[list[str], np.ndarray, np.ndarray, np.ndarray]:
    """Return channel, depth, first row and first column of each frame by its Plane Position (Slide)."""
    form = frames.pixel_format()
    places = [frames.numbers(keyword)[:, 0] for keyword in (_ROW, _COLUMN)]
    unknown = np.flatnonzero(np.isnan(places[0]) | np.isnan(places[1]))
    if len(unknown):
        frame = int(frames.indices[unknown[0]]) + 1
        raise RefusedError("slide-tiles", f"frame {frame} does not state its place in the total pixel matrix")
    sizes = (form.rows, form.columns)
    is_outside = np.zeros(len(frames), dtype=bool)
    for at, size, side in zip(places, sizes, matrix, strict=True):
        is_outside |= (at > side) | (at + size <= 1)
    if is_outside.any():
        n = int(np.argmax(is_outside))
        raise RefusedError(
            "slide-tiles",
            f"frame {int(frames.indices[n]) + 1} begins in row {places[0][n]:,.0f} and column {places[1][n]:,.0f}, "
            f"outside a total pixel matrix of {matrix[0]:,} × {matrix[1]:,} pixels",
        )
    if _is_segmented(frames):
        channels = list(map(str, segment_numbers(frames)))
    else:
        usual = frames.text("OpticalPathSequence.OpticalPathIdentifier")
        channels = [text or usual for text in frames.column("OpticalPathIdentifier")]
    depths = np.round(np.nan_to_num(frames.numbers("ZOffsetInSlideCoordinateSystem")[:, 0]), 6) * UM
    tops, lefts = (at.astype(np.int64) - 1 for at in places)
    return channels, depths, tops, lefts


# -- slides of all instances ----------------------------------------------------------------------------------


def _slides(frames: Frames, parts: Sequence[_Part]) -> tuple[Slide, ...]:
    """Return the slides of the parts: those of one level and channel are joined unless they repeat a tile."""
    groups: dict[tuple[tuple[Any, ...], str], list[list[_Part]]] = defaultdict(list)
    for part in parts:
        joined = groups[part.level, part.channel]
        free = next((group for group in joined if not part.is_numbered and _are_disjoint([*group, part])), None)
        if free is None:
            joined.append([part])
        else:
            free.append(part)
    sizes = sorted({part.level[:4] for part in parts}, key=lambda size: (-size[0] * size[1], size))
    pyramids = defaultdict(list)
    for size in sizes:
        pyramids[size[3]].append(size)
    slides = []
    for (level, channel), joined in groups.items():
        n_channels = sum(other == level for other, _ in groups)
        for group in joined:
            pyramid = pyramids[level[3]]
            rank = pyramid.index(level[:4]) + 1
            slides.append(_slide(frames, group, (rank, len(pyramid)), channel if n_channels > 1 else ""))
    return tuple(sorted(slides, key=lambda slide: (slide.kind, slide.level)))


def _are_disjoint(group: Sequence[_Part]) -> bool:
    """Return whether no tile of the parts is at the place of another."""
    if any(part.is_numbered for part in group):
        return False
    places = np.stack(
        [np.concatenate([getattr(part, name) for part in group]) for name in ("depths", "tops", "lefts")], axis=1
    )
    return len(np.unique(places, axis=0)) == len(places)


def _slide(frames: Frames, group: Sequence[_Part], level: tuple[int, int], channel: str) -> Slide:
    rows, depths, tops, lefts = (
        np.concatenate([getattr(part, name) for part in group]) for name in ("rows", "depths", "tops", "lefts")
    )
    mine = frames.at(rows)
    is_labels = is_segmentation(mine.text("SOPClassUID"), mine.text("SegmentationType"))
    segments = np.array(segment_numbers(mine)) if is_labels else np.zeros(len(rows), dtype=np.intp)
    distinct, planes = np.unique(depths, return_inverse=True)
    order = np.lexsort((np.arange(len(rows)), segments, planes))
    form = mine.pixel_format()
    height, width, _, kind = group[0].level[:4]
    tiles = Tiles(
        planes=planes.astype(np.int64)[order],
        tops=tops[order],
        lefts=lefts[order],
        rows=form.rows,
        columns=form.columns,
        is_clear=is_labels,
    )
    steps = np.diff(distinct)
    is_known = len(steps) > 0 and not group[0].is_numbered
    missing: int | None = None
    if not (tops % form.rows).any() and not (lefts % form.columns).any():
        places = np.unique(np.stack([planes, tops, lefts], axis=1), axis=0)
        missing = -(-height // form.rows) * -(-width // form.columns) * len(distinct) - len(places)
    return Slide(
        frames=mine.at(order),
        tiles=tiles,
        shape=(len(distinct), height, width),
        kind=kind,
        level=level[0],
        levels=level[1],
        channel=channel,
        step=float(np.median(steps)) if is_known else float("nan"),
        missing=missing,
        segments=tuple(segments[order].tolist()) if is_labels else (),
    )
