"""Files that cannot be used in a volume, each with its reason."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_dicommeta.dicom.uids import DEFLATED, MEDIA_DIRECTORY
from napari_dicommeta.support.errors import RefusedError
from napari_dicommeta.support.sorting import sorted_unique

if TYPE_CHECKING:
    from napari_dicommeta.catalog.catalog import Catalog, Series
    from napari_dicommeta.support.errors import PixelError

__all__ = ["Refusal", "refusal_of", "with_pixels"]

NO_PIXELS = "the file has no pixel data"
LISTING = "a DICOMDIR, which lists images and holds none: open the disc, or a copy of all of it"


@dataclass(frozen=True, slots=True)
class Refusal:
    """Files of a series that cannot be used in a volume, and the reason.

    `code` names the kind of `reason`: "no-files" (named by the catalog), "no-pixels", "damaged" (before the pixels),
    "pixels-cut", "pixels-impossible", "pixels-unreadable", "frames-unreadable", "slide-matrix", "slide-tiles", or the
    code of a `RefusedError`, such as "rescale-missing".
    """

    series: Series
    paths: tuple[str, ...]
    reason: str
    code: str

    def __str__(self) -> str:
        first = os.path.basename(self.paths[0])
        more = f" and {len(self.paths) - 1} more" if len(self.paths) > 1 else ""
        return f"{first}{more}: {self.reason}"


def refusal_of(error: RefusedError | PixelError, series: Series, paths: tuple[str, ...]) -> Refusal:
    """Return the refusal of the files at `paths` by an error; a file whose pixels cannot be read comes first."""
    if isinstance(error, RefusedError):
        return Refusal(series, paths, error.reason, error.code)
    return Refusal(series, tuple(dict.fromkeys((error.path, *paths))), error.reason, "pixels-unreadable")


def with_pixels(series: Series) -> tuple[Catalog, list[Refusal]]:
    """Return a catalog of the series' files with complete pixel data, and refusals of the other files."""
    catalog = series.catalog
    offsets = catalog.file_column("pixel_offset")
    has_pixels = offsets >= 0
    cut = has_pixels & (catalog.file_column("pixel_length") + offsets > catalog.file_column("size"))
    syntax = catalog.file_rows.find("TransferSyntaxUID")
    if syntax is not None and cut.any():
        codes = catalog.file_rows.stored_codes(syntax)
        deflated = [code for code in sorted_unique(codes).tolist() if syntax.text_of(code) == DEFLATED]
        cut &= ~np.isin(codes, deflated)
    if has_pixels.all() and not cut.any():
        return catalog, []
    damages = {failure.path: failure.reason for failure in catalog.partial}
    by_reason: dict[tuple[str, str], list[str]] = {}
    listings = _rows_of(catalog, MEDIA_DIRECTORY)
    for i in np.flatnonzero(~has_pixels).tolist():
        path = catalog.paths[i]
        damage = damages.get(path)
        reason = (damage, "damaged") if damage else (LISTING if i in listings else NO_PIXELS, "no-pixels")
        by_reason.setdefault(reason, []).append(path)
    refusals = [Refusal(series, tuple(paths), *reason) for reason, paths in by_reason.items()]
    refusals += [
        Refusal(series, (catalog.paths[i],), damages.get(catalog.paths[i], "the pixel data is cut"), "pixels-cut")
        for i in np.flatnonzero(cut).tolist()
    ]
    return catalog.rows(np.flatnonzero(has_pixels & ~cut)), refusals


def _rows_of(catalog: Catalog, sop_class: str) -> frozenset[int]:
    """Return the rows of the files of a class, by their *Media Storage SOP Class UID* (0002,0002)."""
    texts = catalog.column_texts("MediaStorageSOPClassUID")
    return frozenset(row for row, text in enumerate(texts) if text == sop_class)
