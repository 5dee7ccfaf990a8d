"""Scan folders, files and URLs: `scan`, and `iter_scan`, which yields progress and returns the catalog."""

from __future__ import annotations

import logging
import time
from contextlib import closing
from typing import TYPE_CHECKING, Any

from napari_dicommeta.files.byte_file import n_reads
from napari_dicommeta.scanning.listing import list_steps
from napari_dicommeta.scanning.local import scan_paths
from napari_dicommeta.scanning.media import described_folders
from napari_dicommeta.scanning.pending_calls import PendingCalls
from napari_dicommeta.scanning.progress import ScanProgress, waited_for
from napari_dicommeta.scanning.progress_bar import progress_bar
from napari_dicommeta.scanning.source_marks import iter_folder_marks
from napari_dicommeta.scanning.sources import Source, checked_sources, is_remote, source_paths, sources_of
from napari_dicommeta.support.generators import begun, result_of
from napari_dicommeta.support.log import LOGGER, log_fault

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Sequence

    from napari_dicommeta.catalog.catalog import Catalog, ScanFailure

__all__ = ["iter_scan", "reached_sources", "scan"]


def scan(
    source: Source | Iterable[Source],
    workers: int | None = None,
    progress: Callable[[ScanProgress], object] | bool | None = None,
    client: Any = None,
    cache: bool = False,
    output: Source | None = None,
) -> Catalog:
    """Return the catalog of every DICOM file in `source`: files, and folders with all their subfolders.

    Files that cannot be read do not raise; they are in ``catalog.failures`` with the reason.

    Parameters
    ----------
    source
        A path or several; or fsspec URLs such as ``s3://bucket/folder`` (needs the extra ``remote``). ``~`` and
        ``file://`` are understood. A DICOMDIR stands for its folder. ZIP and tar archives are read like folders:
        ``x.zip/inside/a.dcm`` is a file in one. ``a.dcm.gz`` is read as what it holds.
        ``dicomweb://host/path?PatientID=…`` is a DICOMweb server, its query that of QIDO-RS (needs the extra
        ``dicomweb``).
    workers
        The number of processes that read headers. None: one per core if there are enough files; 1: only this process.
    progress
        Called with a `ScanProgress` at most ten times a second. True: show a bar, of tqdm where that is installed.
    client
        A ``dask.distributed.Client`` whose workers read the files. They must be able to open them by the same paths
        or URLs (needs the extra ``distributed``).
    cache
        Keep the catalog in the user's cache folder, and re-read only files whose size or modification time has
        changed.
    output
        With a client: a folder to which its workers write the catalog as a Parquet data set, for a catalog too large
        for memory. The returned catalog reads its columns from there when needed.

    Raises
    ------
    FileNotFoundError
        If there is nothing at a path or URL of `source`; another `OSError` if it cannot be reached.
    ValueError
        If `output` is given without `client`, or `source` is empty.
    ImportError
        If `source` is a URL and fsspec is not installed.

    Examples
    --------
    >>> catalog = dm.scan("Chest CT phantom")
    >>> catalog
    <Catalog of 48 files, 54 tags, 0 other entries>
    >>> catalog["RescaleSlope"].most_common()
    [('1', 48)]
    """
    steps = iter_scan(source, workers, client, cache, output)
    if callable(progress):
        return result_of(steps, progress)
    if not progress:
        return result_of(steps)
    with progress_bar() as show:
        catalog = result_of(steps, show)
        n_entries = sum(catalog.outcomes.values())
        show(ScanProgress(done=n_entries, found=n_entries, listed=True))
    return catalog


def iter_scan(
    source: Source | Iterable[Source],
    workers: int | None = None,
    client: Any = None,
    cache: bool = False,
    output: Source | None = None,
) -> Generator[ScanProgress, None, Catalog]:
    """Scan as `scan` does; yield progress and return the catalog. Closing the generator ends the scan at once."""
    start = time.perf_counter()
    catalog = yield from _steps(sources_of(source), workers, client, cache, output)
    LOGGER.info("scanned %d files in %.1f s: %s", catalog.n_files, time.perf_counter() - start, catalog.outcomes)
    if LOGGER.isEnabledFor(logging.DEBUG):
        for failure in catalog.failures:
            LOGGER.debug("not read: %s: %s", failure.path, failure.reason)
    return catalog


def _steps(
    source: Sequence[str], workers: int | None, client: Any, cache: bool, output: Source | None
) -> Generator[ScanProgress, None, Catalog]:
    """Scan by the way that the arguments choose."""
    if client is not None:
        from napari_dicommeta.scanning.remote import scan_distributed

        return (yield from scan_distributed(source, client, output))
    if output is not None:
        raise ValueError("output needs a client; without a client, scan and then call Catalog.save")
    paths, lost = yield from reached_sources(source)
    if is_remote(paths):  # its files are waited for, by threads
        catalog = yield from scan_paths(list_steps(paths), workers=1)
    else:
        catalog = yield from _scan_local(paths, workers, cache)
    return catalog.with_failures([*catalog.failures, *lost]) if lost else catalog


def reached_sources(
    source: Sequence[str],
) -> Generator[ScanProgress, None, tuple[tuple[str, ...], list[ScanFailure]]]:
    """Return the paths to list, the folder of a DICOMDIR for it, and what does not answer or is listed but not there.

    Raises
    ------
    OSError
        If there is nothing at a path, or it cannot be reached.
    """
    given = source_paths(source)
    silent = yield from waited_for(checked_sources(given))
    unreached = {path for path, *_ in silent}
    given = tuple(path for path in given if path not in unreached)
    paths, lost = (given, []) if is_remote(given) else (yield from waited_for(_described(given)))
    return paths, [*lost, *(_failure(*entry) for entry in silent)]


def _scan_local(paths: Sequence[str], workers: int | None, cache: bool) -> Generator[ScanProgress, None, Catalog]:
    if cache:
        with closing(begun(iter_folder_marks(paths, workers))) as marking:
            from napari_dicommeta.scanning.cache import scan_cached

            return (yield from scan_cached(paths, workers, marking))
    return (yield from scan_paths(list_steps(paths), workers))


def _described(paths: Sequence[str]) -> Generator[None, None, tuple[tuple[str, ...], list[ScanFailure]]]:
    """Return what `described_folders` does, or `paths` where the storage does not answer: the listing then says so."""
    with closing(PendingCalls()) as calls:
        try:
            return (yield from calls.answer(lambda _: described_folders(paths), paths[0], n_reads))
        except TimeoutError as error:
            log_fault("looking for a DICOMDIR", error, logging.WARNING)
            return tuple(paths), []


def _failure(path: str, outcome: str, reason: str, code: str) -> ScanFailure:
    from napari_dicommeta.catalog.catalog import ScanFailure  # Arrow, which no scan should wait for

    return ScanFailure(path, reason, outcome, code)
