"""A source -> all that the dock shows of it, step by step: frozen records, made in a thread, without Qt."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING

from napari_dicommeta._rows import SeriesRow, TagRow, noted, series_rows, tag_rows
from napari_dicommeta.findings import findings_of
from napari_dicommeta.loader import load_series
from napari_dicommeta.scanner import ScanProgress, iter_scan

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Sequence

    from napari_dicommeta.catalog import Catalog
    from napari_dicommeta.findings import Finding
    from napari_dicommeta.series import Refusal, Series
    from napari_dicommeta.volume import Volume

__all__ = ["Opened", "Partial", "Wanted", "open_source", "problems_of", "series_notes", "series_volumes"]

REPORT = 0.25
"""Seconds between two updates of the progress: each repaints the window."""
FIRST_PARTIAL = 0.5
"""Seconds after which a scan that is still running shows its first bars."""
PRELOADED = ("pydicom", "pydicom.datadict", "pydicom.encaps", "pydicom.pixels.utils", "pydicom.pixels.processing")
MAX_NOTED = 400
"""Series of a source that are looked through for notes without being asked to."""


@dataclass(frozen=True, slots=True)
class Opened:
    """A source that has been scanned: what the dock shows of it."""

    paths: tuple[str, ...]
    catalog: Catalog
    series: tuple[Series, ...]
    rows: tuple[SeriesRow, ...]
    """A row for each series."""
    volumes: tuple[Volume, ...]
    refusals: tuple[Refusal, ...]
    tags: tuple[TagRow, ...]
    findings: tuple[Finding, ...]

    @staticmethod
    def name_of(paths: Sequence[str]) -> str:
        """The name of the first folder or file, and how many more there are."""
        name = os.path.basename(paths[0].rstrip(os.sep)) or paths[0]
        return f"{name} and {len(paths) - 1} more" if len(paths) > 1 else name

    @property
    def title(self) -> str:
        """The folder's or file's name and how much it holds."""
        n = self.catalog.n_files
        return f"{self.name_of(self.paths)} · {n:,} file{'s' if n != 1 else ''} · {len(self.series):,} series"


@dataclass(frozen=True, slots=True)
class Partial:
    """A scan that is running: how far it is and, from time to time, the catalog of what has been read and its tags."""

    progress: ScanProgress
    catalog: Catalog | None = None
    tags: tuple[TagRow, ...] = ()


def _preload() -> None:
    """Import what of pydicom several threads will ask for, in one of them: two at once would find it half made."""
    for name in PRELOADED:
        import_module(name)


def open_source(paths: Sequence[str]) -> Generator[Partial, None, Opened]:
    """Scan `paths` and prepare the first series that can be shown; yields progress, knows nothing of Qt.

    About once a second, less often as the catalog grows, a step holds the catalog so far.
    """
    _preload()
    steps = iter_scan(paths)
    due, shown = time.monotonic() + FIRST_PARTIAL, 0.0
    try:
        while True:
            try:
                progress = next(steps)
            except StopIteration as stop:
                catalog: Catalog = stop.value
                break
            began = time.monotonic()
            if began - shown >= REPORT:
                yield Partial(progress)
                shown = began
            if began < due or not progress.tables:
                continue
            so_far = progress.catalog()
            yield Partial(progress, so_far, tag_rows(so_far) if so_far.n_files else ())
            due = time.monotonic() + max(1.0, 10 * (time.monotonic() - began))
    finally:
        steps.close()
    refusals: list[Refusal] = []
    volumes: tuple[Volume, ...] = ()
    for series in catalog.series:
        volumes, refused = load_series(series)
        refusals += refused
        if volumes:
            for volume in volumes:
                volume.display_range()  # reads the middle slice here, not in the main thread
            break
    rows = series_rows(catalog, refusals)
    tags, findings = tag_rows(catalog), findings_of(catalog, volumes=False)
    return Opened(tuple(paths), catalog, catalog.series, rows, volumes, tuple(refusals), tags, findings)


def problems_of(opened: Opened) -> tuple[str, ...]:
    """What could not be used of a source, a sentence each: refused series, damaged files, other entries."""
    refused = {path for refusal in opened.refusals for path in refusal.paths}
    partial = (one for one in opened.catalog.partial if one.path not in refused)
    others = [one.brief for one in (*partial, *opened.catalog.failures)]
    nothing = ["No image could be opened."] if not opened.volumes else []
    return (*nothing, *map(str, opened.refusals), *others)


def series_notes(opened: Opened) -> Iterator[tuple[Opened, int, SeriesRow]]:
    """(opened, number, row with notes) of each series, largest first: what the passports of its volumes say."""
    for number, (series, row) in enumerate(zip(opened.series[:MAX_NOTED], opened.rows, strict=False)):
        if row.reason or not series.n_images:
            continue
        volumes, refusals = load_series(series)
        yield opened, number, noted(row, volumes, refusals)


@dataclass(frozen=True, slots=True)
class Wanted:
    """A series to be opened: one of its volumes, or with None all of them, with other options of `load_series`."""

    number: int
    volume: int | None = None
    split: str = "auto"
    missing_rescale: str = "refuse"
    path: str = ""
    """The file whose slice is to be shown, "" for none."""


def series_volumes(
    opened: Opened, wanted: Sequence[Wanted]
) -> tuple[Opened, tuple[tuple[Wanted, tuple[Volume, ...], tuple[Refusal, ...]], ...]]:
    """What is wanted of `opened`, ready to be shown: (wanted, volumes, refusals) of each series."""
    found = []
    for one in wanted:
        volumes, refusals = load_series(opened.series[one.number], split=one.split, missing_rescale=one.missing_rescale)
        if one.volume is not None and one.volume < len(volumes):
            volumes = volumes[one.volume : one.volume + 1]
        for volume in volumes:
            volume.display_range()  # reads the middle slice here, not in the main thread
        found.append((one, volumes, refusals))
    return opened, tuple(found)
