"""A source -> all that the dock shows of it, step by step: frozen records, made in a thread, without Qt."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, replace
from importlib import import_module
from typing import TYPE_CHECKING

from napari_dicommeta.loader import load_series
from napari_dicommeta.privacy import is_identifying
from napari_dicommeta.scanner import ScanProgress, iter_scan

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Sequence

    from napari_dicommeta.catalog import Catalog
    from napari_dicommeta.findings import Finding
    from napari_dicommeta.selection import Selection
    from napari_dicommeta.series import Refusal, Series
    from napari_dicommeta.volume import Volume

__all__ = ["Opened", "Partial", "SeriesRow", "TagRow", "next_order", "noted", "open_source", "series_notes", "tag_rows"]

REPORT = 0.25
"""Seconds between two updates of the progress: each repaints the window."""
FIRST_PARTIAL = 0.5
"""Seconds after which a scan that is still running shows its first bars."""
PRELOADED = ("pydicom", "pydicom.datadict", "pydicom.encaps", "pydicom.pixels.utils", "pydicom.pixels.processing")
SHAPE_BARS = 12
"""Values in a tag's little picture."""
MAX_NOTED = 400
"""Series of a source that are looked through for notes without being asked to."""


@dataclass(frozen=True, slots=True)
class TagRow:
    """One line: the tag's `keyword`, dictionary `name` and `tag` as text, how it is filled, and its largest counts.

    `present` is the share of files with a value, 0 to 1; `shape` the counts of the most frequent values over the
    largest; `identifying` whether its values may identify a person; `varies` whether it has more than one value
    and is not a different one in each file.
    """

    keyword: str
    name: str
    tag: str
    vr: str
    distinct: int
    present: float
    shape: tuple[float, ...]
    identifying: bool
    varies: bool


@dataclass(frozen=True, slots=True)
class SeriesRow:
    """One line: the series' name, modality and size; why it cannot be opened, and whether it is open.

    `notes`: what its volumes' passports say, `problems` of them more than good to know; None: not looked at yet.
    """

    name: str
    modality: str
    size: str
    reason: str = ""
    is_open: bool = False
    notes: tuple[str, ...] | None = None
    problems: int = 0
    number: int = 0
    """Its place in the list of series."""
    files: int = 0
    matches: int | None = None
    """How many of its files hold what is filtered for; None without a filter."""

    @property
    def extent(self) -> str:
        """The size, or with a filter how many files match."""
        return self.size if self.matches is None else f"{self.matches:,} of {self.files:,} match"

    @property
    def badge(self) -> str:
        """The number of problems, × for a series that cannot be opened."""
        return "×" if self.reason else str(self.problems) if self.problems else ""


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

    @property
    def title(self) -> str:
        """The folder's or file's name and how much it holds."""
        name = os.path.basename(self.paths[0].rstrip(os.sep)) or self.paths[0]
        if len(self.paths) > 1:
            name = f"{name} and {len(self.paths) - 1} more"
        n = self.catalog.n_files
        return f"{name} · {n:,} file{'s' if n != 1 else ''} · {len(self.series):,} series"


@dataclass(frozen=True, slots=True)
class Partial:
    """A scan that is running: how far it is and, from time to time, the catalog of what has been read and its tags."""

    progress: ScanProgress
    catalog: Catalog | None = None
    tags: tuple[TagRow, ...] = ()


def next_order(order: tuple[int, bool] | None, column: int, descending_first: bool) -> tuple[int, bool] | None:
    """(column, descending) after a click on a column's head: its first order, turned round, then none."""
    if order == (column, descending_first):
        return column, not descending_first
    return None if order == (column, not descending_first) else (column, descending_first)


def tag_rows(catalog: Catalog) -> tuple[TagRow, ...]:
    """A row for each tag of `catalog`, in the order of the tags."""
    rows = []
    n = catalog.n_files
    for summary in catalog.tags():
        shape: tuple[float, ...] = ()
        if 1 < summary.distinct <= 1000:
            most = list(catalog.values(summary.path).values())[:SHAPE_BARS]
            shape = tuple(count / most[0] for count in most)
        constant = summary.distinct <= 1 and (summary.present == n or summary.empty == n)
        rows.append(
            TagRow(
                summary.keyword,
                summary.path.name,
                summary.path.display.split(" ")[0],
                summary.vr,
                summary.distinct,
                summary.present / n,
                shape,
                is_identifying(summary.path, summary.vr),
                n == 1 or summary.spellings > summary.distinct or not (constant or summary.distinct == n),
            )
        )
    return tuple(rows)


def selection_rows(selection: Selection) -> tuple[Selection, tuple[TagRow, ...]]:
    """The selection, and a row for each tag of its files."""
    files = selection.files()
    return selection, tag_rows(files) if files.n_files else ()


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
    reasons = {refusal.series.series_instance_uid: refusal.reason for refusal in refusals}
    rows = tuple(
        SeriesRow(
            series.name,
            series.modality,
            series.size,
            reasons.get(series.series_instance_uid, ""),
            number=number,
            files=series.n_files,
        )
        for number, series in enumerate(catalog.series)
    )
    tags, findings = tag_rows(catalog), catalog.findings()
    return Opened(tuple(paths), catalog, catalog.series, rows, volumes, tuple(refusals), tags, findings)


def series_notes(opened: Opened) -> Iterator[tuple[Opened, int, SeriesRow]]:
    """(opened, number, row with notes) of each series, largest first: what the passports of its volumes say."""
    for number, (series, row) in enumerate(zip(opened.series[:MAX_NOTED], opened.rows, strict=False)):
        if row.reason or not series.n_images:
            continue
        volumes, refusals = load_series(series)
        yield opened, number, noted(row, volumes, refusals)


def noted(row: SeriesRow, volumes: Sequence[Volume], refusals: Sequence[Refusal]) -> SeriesRow:
    """`row` with what is to be said of its volumes, most severe first."""
    refused = [str(refusal) for refusal in refusals]
    problems = [str(note) for volume in volumes for note in volume.problems]
    others = [str(note) for volume in volumes for note in volume.notes if note.severity == "info"]
    notes = tuple(dict.fromkeys([*refused, *problems, *others]))
    reason = row.reason if volumes else "; ".join(refused)
    return replace(row, notes=notes, problems=len(set(refused + problems)), reason=reason)
