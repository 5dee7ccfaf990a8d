"""Frozen records of a source: a running scan, the opened source, and requests to open its series. No Qt."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from napari_dicommeta.support.words import counted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_dicommeta._napari.tasks.rows import SeriesRow, TagRow
    from napari_dicommeta.catalog.catalog import Catalog, Series
    from napari_dicommeta.dicom.window import Window
    from napari_dicommeta.scanning.progress import ScanProgress
    from napari_dicommeta.volumes.refusal import Refusal
    from napari_dicommeta.volumes.volume import Volume

__all__ = ["Opened", "Partial", "SeriesRequest", "not_dicom", "problems_of", "series_of"]

NOT_DICOM = "not-dicom"
"""The code of the failure of a file that is not DICOM."""
MAX_NAMED = 2
"""Names of files in a sentence."""


@dataclass(frozen=True, slots=True, kw_only=True, weakref_slot=True, eq=False)
class Opened:
    """A scanned source, as the dock shows it."""

    paths: tuple[str, ...]
    catalog: Catalog
    series: tuple[Series, ...]
    rows: tuple[SeriesRow, ...]
    """A row for each series."""
    volumes: tuple[Volume, ...]
    refusals: tuple[Refusal, ...]
    tags: tuple[TagRow, ...]
    windows: dict[Window, int]
    """The window presets in its files -> number of files."""
    found: int = 0
    """Files that were found before the scan was stopped, 0 if all were read."""
    is_listed: bool = True
    """Whether those are all files that there are."""

    @staticmethod
    def name_of(paths: Sequence[str]) -> str:
        """Return the name of the first folder or file, and the number of others."""
        name = os.path.basename(paths[0].rstrip(os.sep)) or paths[0]
        return f"{name} and {len(paths) - 1} more" if len(paths) > 1 else name

    @property
    def title(self) -> str:
        """The folder's or file's name."""
        return self.name_of(self.paths)

    @property
    def size(self) -> str:
        """The number of files and series, as text."""
        files = counted(self.catalog.n_files, "file")
        if self.found:
            files = f"{self.catalog.n_files:,} of {self.found:,}{'' if self.is_listed else '+'} files"
        return f"{files} · {len(self.series):,} series"

    def root_of(self, volume: Volume) -> str:
        """Return the path that was opened and holds `volume`."""
        path = volume.files[0][0]
        inside = (root for root in self.paths if path == root or path.startswith(os.path.join(root, "")))
        return next(inside, path)

    def series_of(self, volume: Volume) -> Series | None:
        """Return the series that holds `volume`, None if it is from another source."""
        return series_of(self.series, volume)


@dataclass(frozen=True, slots=True)
class Partial:
    """The progress of a running scan and, from time to time, the source as far as it is read."""

    progress: ScanProgress
    opened: Opened | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SeriesRequest:
    """A request to open a series: one of its volumes, or all with None, and the options of `load_series`."""

    number: int
    volume: int | None = None
    split: str = "auto"
    missing_rescale: str = "refuse"
    path: str = ""
    """The file whose slice to show, "" for none."""
    with_contours: bool = False
    """Whether to add the contours of structures as shapes."""


def series_of(among: Sequence[Series], volume: Volume) -> Series | None:
    """Return the series `among` these that holds `volume`, None without one."""
    path = volume.files[0][0]  # copies in other folders have the same UID and are other series
    of_uid = [series for series in among if series.series_instance_uid == volume.series_instance_uid]
    return next((series for series in of_uid if path in series.catalog.paths), None)


def problems_of(opened: Opened) -> tuple[str, ...]:
    """Return a sentence for each part of a source that cannot be used: refused series, damaged files, other entries.

    Several files that are not DICOM share one sentence; `not_dicom` lists them.
    """
    refused = {path for refusal in opened.refusals for path in refusal.paths}
    foreign = not_dicom(opened)
    is_one_line = len(foreign) > 1
    partial = (failure for failure in opened.catalog.partial if failure.path not in refused)
    failures = (failure for failure in opened.catalog.failures if not is_one_line or failure.code != NOT_DICOM)
    roots = _roots(opened)
    others = [f"{_below(failure.path, roots)}: {failure.reason}" for failure in (*partial, *failures)]
    if is_one_line:
        names = tuple(dict.fromkeys(os.path.basename(path) for path in foreign))
        more = ", …" if len(names) > MAX_NAMED else ""
        verb = "is" if len(foreign) == 1 else "are"
        others.append(f"{counted(len(foreign), 'file')} {verb} not DICOM: {', '.join(names[:MAX_NAMED])}{more}")
    nothing = ["No image could be opened."] if not opened.volumes else []
    return (*nothing, *map(str, opened.refusals), *others)


def not_dicom(opened: Opened) -> tuple[str, ...]:
    """Return the files of a source that are not DICOM, relative to it."""
    roots = _roots(opened)
    return tuple(_below(failure.path, roots) for failure in opened.catalog.failures if failure.code == NOT_DICOM)


def _roots(opened: Opened) -> set[str]:
    return {source.rstrip(os.sep) for source in opened.paths}


def _below(path: str, roots: set[str]) -> str:
    """Return `path` relative to its source, since a file name may occur in many folders; fast for very many paths."""
    head, separator, name = path.rpartition(os.sep)
    while separator:
        if head in roots:
            return path[len(head) + 1 :]
        head, separator, _ = head.rpartition(os.sep)
    return name or path
