"""Layout of a series: which frames form which stacks, and which files are refused; made once per series."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from napari_dicommeta.dicom.pixel_format import pixels_fault
from napari_dicommeta.support.sorting import sorted_unique
from napari_dicommeta.volumes.frames import read_frames
from napari_dicommeta.volumes.partition import groups_of
from napari_dicommeta.volumes.pixel_formats import read_endings, read_formats
from napari_dicommeta.volumes.refusal import Refusal, with_pixels
from napari_dicommeta.volumes.rescale import invalid_rescales
from napari_dicommeta.volumes.segmentation import segmentation_files
from napari_dicommeta.volumes.slides import find_slides
from napari_dicommeta.volumes.stacks import find_stacks

if TYPE_CHECKING:
    from napari_dicommeta.catalog.catalog import Catalog, Series
    from napari_dicommeta.volumes.frame_table import PixelFormats
    from napari_dicommeta.volumes.frames import Frames
    from napari_dicommeta.volumes.slides import Slide
    from napari_dicommeta.volumes.stacks import Stack
    from napari_dicommeta.volumes.volume import VolumeParts

__all__ = ["Layout", "layout_of"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """How the files of a series become volumes.

    `stacks`: the images, the largest stack first. `segmentations`: the frames of each segmentation file. `refusals`:
    files that form no volume, with reasons. `slides`: the mosaics of tiles. `parts`: (number of a stack, options) ->
    what its volumes are made of.
    """

    stacks: tuple[Stack, ...]
    segmentations: tuple[Frames, ...]
    refusals: tuple[Refusal, ...]
    slides: tuple[Slide, ...] = ()
    parts: dict[tuple[object, ...], VolumeParts] = field(default_factory=dict)


def layout_of(series: Series, split: str = "auto") -> Layout:
    """Return the layout of a series; it is made once and kept with the series' catalog.

    `split` is that of `load`.
    """
    kept = series.catalog.kept
    layout = kept.get(("layout", split))
    if layout is None:
        layout = kept["layout", split] = _lay_out(series, split)
    return layout


def _lay_out(series: Series, split: str) -> Layout:
    catalog, refusals = with_pixels(series)
    if not catalog.n_files:
        return Layout(stacks=(), segmentations=(), refusals=tuple(refusals))
    formats = read_formats(catalog)
    faults = _faults(catalog, formats)
    refusals += [
        Refusal(series, tuple(catalog.paths[row] for row in rows.tolist()), reason, "pixels-impossible")
        for reason, rows in faults
    ]
    if faults:
        usable = np.setdiff1d(np.arange(catalog.n_files), np.concatenate([rows for _, rows in faults]))
        catalog, formats = catalog.rows(usable), formats.at(usable)
    endings, lost = read_endings(catalog, formats)
    if lost:
        refusals += [Refusal(series, (catalog.paths[row],), reason, "pixels-cut") for row, reason in lost.items()]
        usable = np.setdiff1d(np.arange(catalog.n_files), list(lost))
        catalog, formats = catalog.rows(usable), formats.at(usable)
    frames = None
    if catalog.n_files:
        frames, failed = read_frames(catalog, formats, endings)
        refusals += [Refusal(series, (path,), reason, "frames-unreadable") for path, reason in failed]
    if frames is None:
        return Layout(stacks=(), segmentations=(), refusals=tuple(refusals))
    rest, slides, failed_tiles = find_slides(frames, split)
    refusals += [Refusal(series, frames.at(rows).paths(), reason, code) for code, reason, rows in failed_tiles]
    images, segmentations = segmentation_files(rest)
    stacks: list[Stack] = []
    if len(images):
        invalid = invalid_rescales(images)
        for reason, rows in invalid:
            refusals.append(Refusal(series, images.at(rows).paths(), reason, "rescale-invalid"))
        if invalid:
            valid = np.setdiff1d(np.arange(len(images)), np.concatenate([rows for _, rows in invalid]))
            images = images.at(valid)
        stacks = find_stacks(images, split) if len(images) else []
    return Layout(stacks=tuple(stacks), segmentations=segmentations, refusals=tuple(refusals), slides=slides)


def _faults(catalog: Catalog, formats: PixelFormats) -> list[tuple[str, np.ndarray]]:
    """Return (reason, rows) of the files whose pixel data contradict their elements."""
    lengths, sizes = catalog.file_column("pixel_length"), catalog.file_column("size")
    offsets = catalog.file_column("pixel_offset")
    faults: dict[str, list[np.ndarray]] = {}
    for i in sorted_unique(formats.ids).tolist():
        rows, form = np.flatnonzero(formats.ids == i), formats.distinct[i]
        smallest = int(sizes[rows].min())
        for group in groups_of(lengths[rows]):
            alike = rows[group]
            length = int(lengths[alike[0]])
            counts_fragments = form.frames > 1 and not form.is_native
            if not counts_fragments and not pixels_fault(form, length, smallest):  # a larger file has no more faults
                continue
            for row in alike.tolist():
                place = (catalog.paths[row], int(offsets[row])) if counts_fragments else ("", -1)
                if fault := pixels_fault(form, length, int(sizes[row]), *place):
                    faults.setdefault(f"its pixels cannot be read: {fault}", []).append(np.array([row]))
    return [(reason, np.concatenate(rows)) for reason, rows in faults.items()]
