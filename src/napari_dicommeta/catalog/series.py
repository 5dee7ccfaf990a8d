"""Files -> series, by *Series Instance UID* (0020,000E), and the files of a series that hold no image."""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from napari_dicommeta.dicom.uids import DEFLATED, MEDIA_DIRECTORY
from napari_dicommeta.dicom.values import number

if TYPE_CHECKING:
    from napari_dicommeta.catalog.catalog import Catalog

__all__ = ["Refusal", "Series", "group_series", "with_pixels"]


@dataclass(frozen=True, slots=True)
class Series:
    """The files of one series. `name` is for people; `catalog` counts the series' own values."""

    series_instance_uid: str
    modality: str
    description: str
    number: str
    name: str
    catalog: Catalog
    n_images: int
    """Files with pixel data."""
    rows: np.ndarray = field(repr=False, compare=False)
    """The numbers of the files in the catalog that the series is of."""

    @property
    def n_files(self) -> int:
        """All files of the series."""
        return self.catalog.n_files

    @property
    def size(self) -> str:
        """Slices × rows × columns, or what the files are instead of images."""
        if not self.n_images:
            return "no images"
        sizes = self.catalog.values(("Rows", "Columns"))
        rows, columns = next(iter(sizes), (None, None))
        return f"{self.n_images} × {rows or '?'} × {columns or '?'}" + (" …" if len(sizes) > 1 else "")


@dataclass(frozen=True, slots=True)
class Refusal:
    """Files that make no volume: what they are, how many, and why not."""

    series: Series
    paths: tuple[str, ...]
    reason: str

    def __str__(self) -> str:
        first = os.path.basename(self.paths[0])
        more = f" and {len(self.paths) - 1} more" if len(self.paths) > 1 else ""
        return f"{first}{more}: {self.reason}"


def group_series(catalog: Catalog) -> tuple[Series, ...]:
    """The series of a catalog, those with most images first.

    Files without a *Series Instance UID* are grouped by study, series number, modality and folder instead. Where
    several studies share one, with more than one file each, it is parted by study.
    """
    names = ("SeriesInstanceUID", "StudyInstanceUID", "SeriesNumber", "Modality")
    columns = [catalog.column_texts(name) for name in names]
    studies: dict[str, Counter[str]] = {}
    for uid, study, *_ in zip(*columns, strict=True):
        studies.setdefault(uid or "", Counter())[study or ""] += 1
    stated = {uid: [n for study, n in counts.items() if study] for uid, counts in studies.items()}
    shared = {uid for uid, counts in stated.items() if len(counts) > 1 and min(counts) > 1}
    groups: dict[tuple[str, ...], list[int]] = {}
    for i, (uid, study, series_number, modality) in enumerate(zip(*columns, strict=True)):
        if uid:
            key: tuple[str, ...] = (uid, study or "") if uid in shared else (uid,)
        else:
            key = ("", study or "", series_number or "", modality or "", os.path.dirname(catalog.paths[i]))
        groups.setdefault(key, []).append(i)
    series = [_series(key[0], catalog, np.array(rows)) for key, rows in groups.items()]
    return tuple(sorted(series, key=lambda one: (-one.n_images, number(one.number) or 0.0, one.series_instance_uid)))


def _series(uid: str, whole: Catalog, rows: np.ndarray) -> Series:
    catalog = whole.rows(rows)

    def most(tag: str) -> str:
        return next((text for text in catalog.values(tag) if text), "")

    modality, description, series_number = most("Modality"), most("SeriesDescription"), most("SeriesNumber")
    if most("MediaStorageSOPClassUID") == MEDIA_DIRECTORY:
        modality, description = "", "DICOMDIR"
    name = " ".join(part for part in (series_number, description or modality or "series without a name") if part)
    images = int(np.count_nonzero(catalog.file_column("pixel_offset") >= 0))
    return Series(uid, modality, description, series_number, name, catalog, images, rows)


def with_pixels(series: Series) -> tuple[Catalog, list[Refusal]]:
    """The catalog of a series' files that hold whole pixel data, and the others with the reason."""
    catalog = series.catalog
    offsets = catalog.file_column("pixel_offset")
    without = np.flatnonzero(offsets < 0)
    reasons_of = {failure.path: failure.reason for failure in catalog.partial}
    refusals: list[Refusal] = []
    if len(without):
        by_reason: dict[str, list[str]] = {}
        for i in without.tolist():
            path = catalog.paths[i]
            by_reason.setdefault(reasons_of.get(path, "the file has no pixel data"), []).append(path)
        refusals = [Refusal(series, tuple(paths), reason) for reason, paths in by_reason.items()]
    cut = catalog.file_column("pixel_length") + offsets > catalog.file_column("size")
    cut &= (offsets >= 0) & np.array([text != DEFLATED for text in catalog.column_texts("TransferSyntaxUID")])
    refusals += [
        Refusal(series, (catalog.paths[i],), reasons_of.get(catalog.paths[i], "the pixel data is cut"))
        for i in np.flatnonzero(cut).tolist()
    ]
    return catalog.rows(np.flatnonzero((offsets >= 0) & ~cut)), refusals
