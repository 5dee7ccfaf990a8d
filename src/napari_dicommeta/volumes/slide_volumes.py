"""Volumes of slides: lazy mosaics of tiles, each with the smaller levels of its pyramid."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from napari_dicommeta.dicom.color import color_dtype
from napari_dicommeta.dicom.slide import rgb_of_lab
from napari_dicommeta.dicom.uids import LABEL_MAP
from napari_dicommeta.dicom.values import numbers
from napari_dicommeta.support.errors import PixelError, RefusedError
from napari_dicommeta.support.words import counted
from napari_dicommeta.volumes.details import Details
from napari_dicommeta.volumes.geometry import VolumeGeometry
from napari_dicommeta.volumes.note import SEVERITIES, make_note
from napari_dicommeta.volumes.pixel_notes import pixel_notes
from napari_dicommeta.volumes.pixel_spacing import stated_spacing
from napari_dicommeta.volumes.planes import ColorPlanes
from napari_dicommeta.volumes.refusal import Refusal, refusal_of
from napari_dicommeta.volumes.segmentation import segment_notes, segments_of
from napari_dicommeta.volumes.stacks import Stack
from napari_dicommeta.volumes.tiled_array import TiledArray
from napari_dicommeta.volumes.volume import Volume, gray_planes, padding_ranges, read_parts

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from napari_dicommeta.catalog.catalog import Series
    from napari_dicommeta.dicom.window import Window
    from napari_dicommeta.volumes.frames import Frames
    from napari_dicommeta.volumes.note import Note
    from napari_dicommeta.volumes.slides import Slide
    from napari_dicommeta.volumes.sources import FrameSources
    from napari_dicommeta.volumes.tiled_array import Tiles

__all__ = ["ColorTiles", "SegmentTiles", "slide_volumes"]

LARGE = 1 << 30
"""Bytes of a plane from which on a note tells not to read it as a whole."""
SAME_FIELD = 0.05
"""Relative; the sizes of two levels of one pyramid may deviate by this from one scale."""


@dataclass(frozen=True, slots=True)
class ColorTiles:
    """Color frames as RGB, in the dtype of the array; tiles at an edge may be cut by `out`."""

    frames: FrameSources

    def __call__(self, n: int, out: np.ndarray) -> None:
        """Fill `out`, of shape (rows, columns, 3), with the colors of frame `n`."""
        ColorPlanes(self.frames, (out.shape[0], out.shape[1], 3))(n, out)


@dataclass(frozen=True, slots=True)
class SegmentTiles:
    """Frames of a segmentation as segment numbers; `segments` is None for a label map, whose values are the numbers."""

    frames: FrameSources
    segments: np.ndarray | None

    def __call__(self, n: int, out: np.ndarray) -> None:
        """Fill `out`, of shape (rows, columns), with the segment numbers of frame `n`, 0 outside segments."""
        with self.frames.errors(n):
            stored = self.frames.read(n)
            out[...] = stored if self.segments is None else (stored > 0) * self.segments[n]


def slide_volumes(
    series: Series, slides: Sequence[Slide], padding: str = "keep", missing_rescale: str = "refuse"
) -> tuple[list[Volume], list[Refusal]]:
    """Return the volumes of the slides of `series`, and refusals; the options are those of `load`.

    Each volume gets the smaller levels of its pyramid as `Volume.levels`.
    """
    made: list[tuple[Slide, Volume]] = []
    refusals: list[Refusal] = []
    for slide in slides:
        try:
            made.append((slide, _volume(series, slide, padding, missing_rescale)))
        except (RefusedError, PixelError) as error:
            refusals.append(refusal_of(error, series, slide.frames.paths()))
    names = [volume.name for _, volume in made]
    volumes = []
    for i, (slide, volume) in enumerate(made):
        alike = [n for n, name in enumerate(names) if name == volume.name]
        suffix = f" [{alike.index(i) + 1}]" if len(alike) > 1 else ""
        levels = _smaller(slide, volume, made)
        notes = list(volume.notes)
        if not levels and (note := _large(volume)):
            notes.insert(0, note)
        details = Details(volume.slice_windows, _sorted(notes))
        volumes.append(
            replace(volume, name=volume.name + suffix, label=volume.label + suffix, levels=levels, details=details)
        )
    return volumes, refusals


def _sorted(notes: Sequence[Note]) -> tuple[Note, ...]:
    return tuple(sorted(notes, key=lambda note: SEVERITIES.index(note.severity)))


def _smaller(slide: Slide, volume: Volume, made: Sequence[tuple[Slide, Volume]]) -> tuple[TiledArray, ...]:
    """Return the arrays of the smaller levels that show the same field; () if two of them have one size."""
    found = []
    for other, of_other in made:
        if (other.kind, other.channel, len(of_other.array.shape)) != (slide.kind, slide.channel, volume.array.ndim):
            continue
        scales = [mine / its for mine, its in zip(slide.shape[1:], other.shape[1:], strict=True)]
        fits = abs(scales[0] / scales[1] - 1) <= SAME_FIELD and min(scales) > 1
        spacings = zip(volume.geometry.spacing[1:], of_other.geometry.spacing[1:], scales, strict=True)
        fits = fits and all(abs(its / (mine * scale) - 1) <= SAME_FIELD for mine, its, scale in spacings)
        same = other.shape[0] == slide.shape[0] and of_other.array.dtype == volume.array.dtype
        if fits and same and not volume.is_labels and isinstance(of_other.array, TiledArray):
            found.append(of_other.array)
    found.sort(key=lambda array: -array.size)
    return tuple(found) if len({array.shape for array in found}) == len(found) else ()


def _large(volume: Volume) -> Note | None:
    """Return a note if one plane is large and has no smaller level."""
    size = volume.array.nbytes // len(volume.array)
    if size <= LARGE:
        return None
    title = f"One plane takes {size / (1 << 30):,.1f} GiB, and the series has no smaller level that shows it"
    return make_note("slide-large", title)


def _volume(series: Series, slide: Slide, padding: str, missing_rescale: str) -> Volume:
    frames = slide.frames
    sources = frames.sources()
    form = frames.pixel_format()
    firsts = np.searchsorted(slide.tiles.planes, np.arange(slide.shape[0]))
    windows: tuple[tuple[Window, ...], ...] = ((),) * slide.shape[0]
    geometry = VolumeGeometry.unplaced(stated_spacing(frames.text))
    geometry = replace(geometry, spacing=(slide.step, *geometry.spacing[1:]))
    notes = _slide_notes(slide)
    units = ""
    ranges: tuple[tuple[float, float], ...] = ()
    tiles = slide.tiles
    shape: tuple[int, ...] = slide.shape
    read: Callable[[int, np.ndarray], None]
    if slide.segments:
        is_map = frames.text("SOPClassUID") == LABEL_MAP
        largest = form.stored_range[1] if is_map else max(slide.segments)
        dtype = np.dtype(np.uint8 if largest <= 255 else np.uint16)
        read = SegmentTiles(sources, None if is_map else np.array(slide.segments, dtype))
        notes += [*segment_notes(frames, slide.segments), *pixel_notes(frames)]
    else:
        parts = read_parts(Stack(frames=frames, is_grid=False), padding, missing_rescale)
        windows = tuple(parts.details.slice_windows[n] for n in firsts.tolist())
        notes += parts.details.notes
        if form.is_color:
            read, dtype, tiles = _colors(frames, sources, slide)
            shape = (*slide.shape, 3)
        else:
            units = parts.rescale.units
            read, dtype = gray_planes(sources, parts.rescale.transforms, padding, units)
            ranges = padding_ranges(parts.rescale.transforms, dtype) if padding == "keep" else ()
    array = TiledArray(shape, dtype, tiles, read)
    if not form.is_native:
        _decode_one(array)
    level = f" level {slide.level}" if slide.levels > 1 else ""
    kind = f" {slide.kind.lower()}" if slide.kind else ""
    what = ("segment" if slide.frames.text("SegmentationType") else "path") + f" {slide.channel}"
    return Volume(
        label=series.label + kind + level + (f" {what}" if slide.channel and str(slide.channel).isdigit() else ""),
        name=series.name + kind + level + (f" {what}" if slide.channel else ""),
        modality=frames.text("Modality") or series.modality,
        series_instance_uid=series.series_instance_uid,
        array=array,
        units=units,
        geometry=geometry,
        details=Details(windows, _sorted(notes)),
        sources=sources.shown(firsts),
        inverted=form.photometric == "MONOCHROME1" and not slide.segments,
        is_color=form.is_color and not slide.segments,
        is_labels=bool(slide.segments),
        segments=segments_of(frames, slide.segments) if slide.segments else (),
        frame_of_reference=frames.text("FrameOfReferenceUID"),
        padding=ranges,
    )


def _colors(frames: Frames, sources: FrameSources, slide: Slide) -> tuple[ColorTiles, np.dtype, Tiles]:
    """Return the source of color tiles, their dtype, and the tiles with the color of pixels in none."""
    read = ColorTiles(sources)
    used = sources.used_formats
    if any(form.photometric == "PALETTE COLOR" for form in used):
        dtype = sources.read_color(0).dtype
    else:
        dtype = np.result_type(*(color_dtype(form.bits_stored) for form in used))
    lab = numbers(frames.text("RecommendedAbsentPixelCIELabValue"), 3)
    absent = rgb_of_lab((lab[0], lab[1], lab[2])) if lab else (255, 255, 255)
    scale = 1 if dtype == np.uint8 else 257
    return read, dtype, replace(slide.tiles, background=tuple(value * scale for value in absent))


def _decode_one(array: TiledArray) -> None:
    """Decode the first tile, or if that fails one of two others, which shows that the volume can be read.

    Raises
    ------
    PixelError
        If none can be decoded; it is that of the first tile.
    """
    first: PixelError | None = None
    for n in dict.fromkeys((0, len(array.tiles) // 2, len(array.tiles) - 1)):
        try:
            array.read_tile(n)
        except PixelError as error:
            first = first or error
        else:
            return
    if first is not None:
        raise first


def _slide_notes(slide: Slide) -> list[Note]:
    frames, tiles = slide.frames, slide.tiles
    planes, rows, columns = slide.shape
    what = f"Level {slide.level} of {slide.levels} of a slide" if slide.levels > 1 else "Mosaic of a slide"
    channels = f", optical path {slide.channel}" if slide.channel and not slide.segments else ""
    focal = f", {planes} focal planes" if planes > 1 else ""
    count = f"{counted(len(tiles), 'tile')} of {tiles.rows:,} × {tiles.columns:,} pixels"
    notes = [make_note("slide", f"{what}: {count} in a matrix of {rows:,} × {columns:,}{channels}{focal}")]
    form = frames.pixel_format()
    if slide.segments or slide.missing == 0:
        return notes
    stated = bool(numbers(frames.text("RecommendedAbsentPixelCIELabValue"), 3))
    value = "0"
    if form.is_color:
        value = "the recommended color" if stated else "white"
    if slide.missing is None:
        absent = "Tiles lie off the grid: pixels in none of them are"
    else:
        absent = f"{counted(slide.missing, 'tile')} not in the files: pixels there are"
    notes.append(make_note("slide-absent", f"{absent} shown as {value}"))
    return notes
