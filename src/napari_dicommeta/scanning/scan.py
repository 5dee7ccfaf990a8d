"""Folders -> a catalog: a generator of progress that returns it.

Small folders are read in this process. Larger ones are read by one process a core while this one lists
the folders: headers are parsed in Python, which threads do not speed up. Where storage is slow, each
process overlaps its reads with threads.
"""

from __future__ import annotations

import os
import queue
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from napari_dicommeta.catalog.catalog import Catalog
from napari_dicommeta.catalog.columns import table_of
from napari_dicommeta.scanning.listing import Source, files_of, list_files, source_paths
from napari_dicommeta.scanning.recorder import Recorder
from napari_dicommeta.scanning.worker import Worker, read_all, record
from napari_dicommeta.support.generators import result_of

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator, Sequence

    import pyarrow as pa

__all__ = ["ScanProgress", "iter_scan", "scan"]

INTERVAL = 0.1
"""Seconds between two reports of progress."""
FEW_FILES = 2000
"""Up to here, starting processes costs more than it saves."""
FIRST = 200
"""Files that are read before the processes have started."""
BATCH = 4096
Failure = tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class ScanProgress:
    """How far a scan is: files read, files found so far, whether the listing is complete."""

    done: int
    found: int
    listed: bool
    tables: tuple[pa.Table, ...] = ()
    failures: tuple[Failure, ...] = ()

    def catalog(self) -> Catalog:
        """The catalog of what has been read so far."""
        return Catalog.of_tables(self.tables, self.failures)


def scan(
    source: Source | Sequence[Source],
    workers: int | None = None,
    progress: Callable[[ScanProgress], object] | None = None,
    client: Any = None,
    cache: bool = False,
    output: Source | None = None,
) -> Catalog:
    """The catalog of every DICOM file in `source`: folders (in depth) and files.

    Parameters
    ----------
    source
        One path or several; or fsspec URLs such as ``s3://bucket/folder`` (needs the extra ``remote``).
    workers
        Processes that read headers; None: one a core where there are enough files, 1: this process alone.
    progress
        Called with a `ScanProgress` at most ten times a second.
    client
        A ``dask.distributed.Client``: its workers read the files, which they must be able to open by the same
        paths or URLs (needs the extra ``distributed``).
    cache
        Keep the catalog in the user's cache folder, and read only those files again whose size or modification
        time has changed.
    output
        With a client: a folder into which its workers write the catalog as a Parquet data set, part by part, for
        one that is too large for memory; the columns of the catalog that is returned are read from there as needed.

    What cannot be read is in ``catalog.failures`` with its reason; nothing is raised for it.
    """
    return result_of(iter_scan(source, workers, client, cache, output), progress)


def iter_scan(
    source: Source | Sequence[Source],
    workers: int | None = None,
    client: Any = None,
    cache: bool = False,
    output: Source | None = None,
) -> Generator[ScanProgress, None, Catalog]:
    """`scan` step by step: yields progress, returns the catalog; closing the generator ends the scan at once."""
    from napari_dicommeta.scanning.remote import is_remote, scan_distributed, scan_remote

    if client is not None:
        return (yield from scan_distributed(source, client, output))
    if output is not None:
        raise ValueError("output needs a client: without one, scan and then call Catalog.save")
    if is_remote(source):
        return (yield from scan_remote(source))
    paths = source_paths(source)
    if cache:
        from napari_dicommeta.scanning.cache import scan_cached

        return (yield from scan_cached(paths, workers))
    return (yield from scan_paths(list_files(paths), workers))


def scan_paths(entries: Iterator[str | Failure], workers: int | None = None) -> Generator[ScanProgress, None, Catalog]:
    """The catalog of the files of a listing: paths, and other entries as (path, outcome, reason)."""
    failures: list[Failure] = []
    more = files_of(entries, failures)
    first: list[str] = []
    for path in more:
        first.append(path)
        if len(first) > FEW_FILES:
            break
    count = (os.cpu_count() or 1) if workers is None else workers
    if len(first) <= FEW_FILES or count <= 1:
        return (yield from _alone(first, more, failures))
    return (yield from _together(first, more, failures, count))


def _alone(first: list[str], more: Iterator[str], failures: list[Failure]) -> Generator[ScanProgress, None, Catalog]:
    recorder = Recorder()
    tables: list[pa.Table] = []
    paths = [*first, *more]
    reported = time.monotonic()
    yield ScanProgress(0, len(paths), True)

    def take() -> None:
        recording = recorder.take()
        tables.append(table_of(recording))
        failures.extend(recording.failures)

    for done in read_all(recorder, paths):
        if time.monotonic() - reported > INTERVAL:
            take()
            yield ScanProgress(done, len(paths), True, tuple(tables), tuple(failures))
            reported = time.monotonic()
    take()
    return Catalog.of_tables(tables, failures)


def _together(
    first: list[str], more: Iterator[str], failures: list[Failure], count: int
) -> Generator[ScanProgress, None, Catalog]:
    batches: queue.Queue[_Batch | None] = queue.Queue()
    results: queue.Queue[_Part | None] = queue.Queue()
    workers = [Worker() for _ in range(count)]
    stopped = threading.Event()
    threads = [
        threading.Thread(target=_drive, args=(worker, batches, results, stopped), daemon=True) for worker in workers
    ]
    parts: dict[int, pa.Table] = {}
    done, found, finished = 0, 0, 0
    reported = time.monotonic()

    def collect(wait: float) -> None:
        nonlocal done, finished
        try:
            while True:
                part = results.get(timeout=wait) if wait else results.get_nowait()
                wait = 0
                if part is None:
                    finished += 1
                    continue
                number, table, failed = part
                parts[number] = table
                failures.extend(failed)
                done += table.num_rows + len(failed)
        except queue.Empty:
            return

    try:
        for thread in threads:
            thread.start()
        # The first few here: processes take their time to start, and something is to be seen meanwhile.
        recording = record(first[:FIRST], stopped.is_set)
        parts[0] = table_of(recording)
        failures.extend(recording.failures)
        done = found = len(first[:FIRST])
        yield ScanProgress(done, found, False, tuple(parts.values()), tuple(failures))
        for number, batch in enumerate(_batches(first[FIRST:], more), 1):
            batches.put((number, batch))
            found += len(batch)
            collect(0)
            if time.monotonic() - reported > INTERVAL:
                yield ScanProgress(done, found, False, tuple(parts.values()), tuple(failures))
                reported = time.monotonic()
        for _ in workers:
            batches.put(None)
        while finished < len(workers):
            collect(INTERVAL)
            if time.monotonic() - reported > INTERVAL:
                yield ScanProgress(done, found, True, tuple(parts.values()), tuple(failures))
                reported = time.monotonic()
    finally:
        stopped.set()
        for worker in workers:
            worker.stop()
            batches.put(None)  # wakes a thread that waits for a batch
        for thread in threads:
            thread.join()
    # In the order of the listing, which is that of the paths: nothing is left to sort. Each part is let go of.
    return Catalog.of_tables((parts.pop(number) for number in sorted(parts)), failures)


_Batch = tuple[int, list[str]]
_Part = tuple[int, Any, list[Failure]]


def _batches(first: list[str], more: Iterator[str]) -> Iterator[list[str]]:
    """The paths in batches, small ones first, so that all processes begin at once."""
    for start in range(0, len(first), max(BATCH // 4, 1)):
        yield first[start : start + max(BATCH // 4, 1)]
    batch: list[str] = []
    for path in more:
        batch.append(path)
        if len(batch) >= BATCH:
            yield batch
            batch = []
    if batch:
        yield batch


def _drive(
    worker: Worker,
    batches: queue.Queue[_Batch | None],
    results: queue.Queue[_Part | None],
    stopped: threading.Event,
) -> None:
    """Feed one process; what it cannot do because it died is done here."""
    alive = True
    while (numbered := batches.get()) is not None and not stopped.is_set():
        number, batch = numbered
        recording = None
        if alive:
            try:
                recording = worker.read(batch)
            except (OSError, EOFError):
                alive = False
        if recording is None:
            recording = record(batch, stopped.is_set)
        results.put((number, table_of(recording), recording.failures))
    results.put(None)
