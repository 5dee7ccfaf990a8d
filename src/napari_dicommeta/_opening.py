"""A source -> all that the dock shows of it, step by step, in a thread, without Qt."""

from __future__ import annotations

import time
from importlib import import_module
from typing import TYPE_CHECKING

from napari_dicommeta._opened import Opened, Partial
from napari_dicommeta._rows import noted, series_rows, tag_rows
from napari_dicommeta.loader import load_series
from napari_dicommeta.presets import folder_windows
from napari_dicommeta.scanner import iter_scan

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Sequence

    from napari_dicommeta._opened import Wanted
    from napari_dicommeta._rows import SeriesRow
    from napari_dicommeta.catalog import Catalog
    from napari_dicommeta.series import Refusal
    from napari_dicommeta.volume import Volume

__all__ = ["open_source", "series_notes", "series_volumes"]

REPORT = 0.25
"""Seconds between two updates of the progress: each repaints the window."""
FIRST_PARTIAL = 0.3
"""Seconds after which a scan that is still running shows its first bars."""
PRELOADED = ("pydicom", "pydicom.datadict", "pydicom.encaps", "pydicom.pixels.utils", "pydicom.pixels.processing")
MAX_NOTED = 400
"""Series of a source that are looked through for notes without being asked to."""


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
    windows = folder_windows(catalog)
    return Opened(tuple(paths), catalog, catalog.series, rows, volumes, tuple(refusals), tag_rows(catalog), windows)


def series_notes(opened: Opened) -> Iterator[tuple[Opened, int, SeriesRow]]:
    """(opened, number, row with notes) of each series, largest first: what the passports of its volumes say."""
    for number, (series, row) in enumerate(zip(opened.series[:MAX_NOTED], opened.rows, strict=False)):
        if row.reason or not series.n_images:
            continue
        volumes, refusals = load_series(series)
        yield opened, number, noted(row, volumes, refusals)


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
