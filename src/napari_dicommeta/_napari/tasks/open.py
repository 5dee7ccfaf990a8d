"""Scan a source and load its volumes in a thread, step by step, for the dock to show. No Qt."""

from __future__ import annotations

import logging
import os
import time
from dataclasses import replace
from importlib import import_module
from typing import TYPE_CHECKING

import numpy as np

from napari_dicommeta._napari.reader import warm_up
from napari_dicommeta._napari.tasks.report_text import place_offers, report_lines
from napari_dicommeta._napari.tasks.rows import noted, series_rows, tag_rows
from napari_dicommeta._napari.tasks.source import Opened, Partial, SeriesRequest
from napari_dicommeta.analysis.window_presets import folder_windows
from napari_dicommeta.scanning.cache import cached_catalog
from napari_dicommeta.scanning.scan import iter_scan
from napari_dicommeta.scanning.sources import source_paths
from napari_dicommeta.support.errors import PixelError
from napari_dicommeta.support.log import log_fault
from napari_dicommeta.volumes.load import load_series
from napari_dicommeta.volumes.refusal import Refusal

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Sequence

    from napari_dicommeta._napari.tasks.rows import SeriesRow
    from napari_dicommeta.catalog.catalog import Catalog, Series
    from napari_dicommeta.scanning.progress import ScanProgress
    from napari_dicommeta.volumes.volume import Volume

__all__ = ["first_volumes", "open_source", "series_notes", "series_volumes", "stopped_source"]

REPORT_INTERVAL = 0.25
"""Seconds between two updates of the progress, because each repaints the window."""
FIRST_PARTIAL = 0.3
"""Seconds before a running scan shows its first bars."""
PRELOADED = ("pydicom", "pydicom.datadict")
"""Modules imported before any thread needs them."""
_OF_STRUCTURES = "ReferencedFrameOfReferenceSequence"
REFERENCED = (
    "ReferencedSeriesSequence.SeriesInstanceUID",
    f"{_OF_STRUCTURES}.RTReferencedStudySequence.RTReferencedSeriesSequence.SeriesInstanceUID",
)
"""The series that a segmentation or a structure set refers to (PS3.3 sections C.8.20.2 and C.8.8.5)."""
FRAMES = ("FrameOfReferenceUID", f"{_OF_STRUCTURES}.FrameOfReferenceUID")
MAX_NOTED = 400
"""Largest number of series of a source that are checked for notes automatically."""


def _preload() -> None:
    """Import the pydicom modules that several threads need: two threads at once could see a half-imported module."""
    for name in PRELOADED:
        import_module(name)


def open_source(paths: Sequence[str]) -> Generator[Partial, None, Opened]:
    """Scan `paths` and prepare the first series that can be shown; yield progress and return the opened source.

    About once a second, less often as the catalog grows, a step includes the catalog so far.
    """
    _preload()
    steps = iter_scan(paths, cache=True)
    due, reported = time.monotonic() + FIRST_PARTIAL, 0.0
    try:
        while True:
            try:
                progress = next(steps)
            except StopIteration as stop:
                catalog: Catalog = stop.value
                break
            began = time.monotonic()
            if began - reported >= REPORT_INTERVAL:
                yield Partial(progress)
                reported = began
            if began < due or not progress.tables:
                continue
            yield Partial(progress, _growing(tuple(paths), progress.catalog()))
            due = time.monotonic() + max(1.0, 10 * (time.monotonic() - began))
    finally:
        steps.close()
    return _opened(tuple(paths), catalog)


def stopped_source(paths: Sequence[str], progress: ScanProgress) -> Opened:
    """Prepare what a scan had read when it was stopped, with what scans before it cached, as `open_source` does."""
    catalog, found = progress.catalog(), progress.found
    cached = _cached_besides(paths, catalog)
    if cached is not None:
        catalog, found = cached + catalog, cached.n_files + found
    return replace(_opened(tuple(paths), catalog), found=found, is_listed=progress.listed)


def _cached_besides(paths: Sequence[str], catalog: Catalog) -> Catalog | None:
    """Return the cached files of a source that are not in `catalog`; None if there are none."""
    cached = cached_catalog(source_paths(paths))
    fresh = set(catalog.paths)
    rows = [row for row, path in enumerate(cached.paths) if path not in fresh]
    return cached.rows(np.array(rows, dtype=np.int64)) if rows else None


def _opened(paths: tuple[str, ...], catalog: Catalog) -> Opened:
    """Return the source with the volumes of the first series that can be shown."""
    warm_up()
    volumes, refusals = first_volumes(catalog.series)
    is_open = {volume.series_instance_uid for volume in volumes}  # an open series shows its refusals as notes
    failed = [refusal for refusal in refusals if refusal.series.series_instance_uid not in is_open]
    rows = series_rows(catalog, failed)
    windows = folder_windows(catalog)
    return Opened(
        paths=paths,
        catalog=catalog,
        series=catalog.series,
        rows=rows,
        volumes=volumes,
        refusals=tuple(refusals),
        tags=tag_rows(catalog),
        windows=windows,
    )


def first_volumes(among: Sequence[Series]) -> tuple[tuple[Volume, ...], list[Refusal]]:
    """Return the volumes of the first series that can be shown, and the refusals until then."""
    refusals: list[Refusal] = []
    for series in among:
        volumes, refused = _shown_volumes(series, among)
        refusals += refused
        if volumes:
            return volumes, refusals
    return (), refusals


def _growing(paths: tuple[str, ...], catalog: Catalog) -> Opened:
    """Return a source as far as it is read, without volumes."""
    return Opened(
        paths=paths,
        catalog=catalog,
        series=catalog.series,
        rows=series_rows(catalog, ()),
        volumes=(),
        refusals=(),
        tags=tag_rows(catalog),
        windows={},
    )


def series_notes(opened: Opened) -> Iterator[tuple[Opened, int, SeriesRow]]:
    """Yield (opened, number, row with notes) for each series, largest first; the notes are those of its volumes."""
    for number, (series, row) in enumerate(zip(opened.series[:MAX_NOTED], opened.rows, strict=False)):
        if lines := report_lines(series):
            yield opened, number, replace(row, reason="", notes=lines, offers=place_offers(series))
        if row.reason or not row.has_images:
            continue
        volumes, refusals = load_series(series, among=opened.series)
        yield opened, number, noted(row, volumes, refusals)


def _shown_volumes(
    series: Series, among: Sequence[Series], only: int | None = None, **options: str
) -> tuple[tuple[Volume, ...], tuple[Refusal, ...]]:
    """Return the volumes of a series whose middle slice can be read, and refusals of the others.

    Reading the slice, windows and notes here keeps that out of the main thread. `only`: the number of a single volume
    to return.
    """
    loaded, refusals = load_series(series, among=among, **options)
    volumes = tuple(part for volume in loaded for part in volume.without_overlaps())
    if only is not None and only < len(volumes):
        volumes = volumes[only : only + 1]
    shown, refused = [], list(refusals)
    for volume in volumes:
        try:
            volume.display_range()
            volume.details.read()
            shown.append(volume)
            if volume.is_labels and volume.array.keeps_all:
                _read_all(volume)
        except PixelError as error:
            refused.append(_refused(series, volume, f"{os.path.basename(error.path)}: {error.reason}"))
        except Exception as error:  # noqa: BLE001  a codec may raise anything; the other series go on
            log_fault("reading the middle slice of a volume", error)
            refused.append(_refused(series, volume, type(error).__name__))
    return tuple(shown), tuple(refused)


def _read_all(volume: Volume) -> None:
    """Read all slices of labels here, because the main thread needs them as a NumPy array."""
    for plane in range(len(volume.array)):
        try:
            volume.array[plane]
        except PixelError as error:  # the layer shows an empty slice and reports the error
            log_fault("reading a slice of labels", error, logging.DEBUG)


def _refused(series: Series, volume: Volume, fault: str) -> Refusal:
    paths = tuple(dict.fromkeys(path for path, _ in volume.files))
    return Refusal(series, paths, f"its pixels cannot be read: {fault}", "pixels-unreadable")


def series_volumes(
    opened: Opened, wanted: Sequence[SeriesRequest]
) -> tuple[Opened, tuple[tuple[SeriesRequest, tuple[Volume, ...], tuple[Refusal, ...]], ...]]:
    """Load the requested series of `opened`; return it with (request, volumes, refusals) for each series.

    The image that a segmentation is of comes before it.
    """
    results: list[tuple[SeriesRequest, tuple[Volume, ...], tuple[Refusal, ...]]] = []
    for request in wanted:
        series = opened.series[request.number]
        options = {"split": request.split, "missing_rescale": request.missing_rescale}
        volumes, refusals = _shown_volumes(series, opened.series, request.volume, **options)
        image = _image_of(opened, series) if any(volume.is_labels for volume in volumes) else None
        if image is not None and all(other.number != image for other, _, _ in results):
            results.append((SeriesRequest(number=image), *_shown_volumes(opened.series[image], opened.series)))
        results.append((request, volumes, refusals))
    return opened, tuple(results)


def _image_of(opened: Opened, segmentation: Series) -> int | None:
    """Return the number of the series that `segmentation` refers to, else of one in its frame of reference."""
    referenced = {text for tag in REFERENCED for text in segmentation.catalog.values(tag)}
    frames = {text for tag in FRAMES for text in segmentation.catalog.values(tag) if text}
    images = [n for n, series in enumerate(opened.series) if series.n_images and series.modality != "SEG"]
    named = [n for n in images if opened.series[n].series_instance_uid in referenced]
    beside = [n for n in images if frames & set(opened.series[n].catalog.values("FrameOfReferenceUID"))]
    return next(iter(named or beside), None)
