"""Scan local files into a catalog: in this process, or in one process per core while this one lists the folders.

Headers are parsed in Python, which threads do not speed up. Where storage is slow, each process overlaps its reads
with threads.
"""

from __future__ import annotations

import os
import queue
import threading
import time
from typing import TYPE_CHECKING

from napari_dicommeta.catalog.catalog import Catalog
from napari_dicommeta.scanning.listing import files_of
from napari_dicommeta.scanning.progress import REPORT_SECONDS, Failure, ScanProgress
from napari_dicommeta.scanning.recorder import Recorder, Recording
from napari_dicommeta.scanning.tables import table_of
from napari_dicommeta.scanning.worker import Worker, pack, read_all, record, unpack
from napari_dicommeta.support.log import LOGGER

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    import pyarrow as pa

__all__ = ["scan_paths"]

MAX_FILES_ALONE = 2000
"""Up to this number of files, starting processes costs more than it saves."""
FIRST_FILES = 200
"""The number of files read here while the processes start."""
BATCH_FILES = 4096


def scan_paths(entries: Iterator[str | Failure], workers: int | None = None) -> Generator[ScanProgress, None, Catalog]:
    """Return the catalog of a listing: paths, and other entries as (path, outcome, reason, code)."""
    failures: list[Failure] = []
    more = files_of(entries, failures)
    first: list[str] = []
    for path in more:
        first.append(path)
        if len(first) > MAX_FILES_ALONE:
            break
    count = (os.cpu_count() or 1) if workers is None else workers
    LOGGER.info("scanning with %d processes", count if len(first) > MAX_FILES_ALONE and count > 1 else 1)
    if len(first) <= MAX_FILES_ALONE or count <= 1:
        return (yield from _in_process(first, more, failures))
    return (yield from _in_processes(first, more, failures, count))


def _in_process(
    first: list[str], more: Iterator[str], failures: list[Failure]
) -> Generator[ScanProgress, None, Catalog]:
    recorder = Recorder()
    tables: list[pa.Table] = []
    paths = [*first, *more]
    reported = time.monotonic()
    yield ScanProgress(done=0, found=len(paths), listed=True)

    def take() -> None:
        recording = recorder.take()
        tables.append(table_of(recording))
        failures.extend(recording.failures)

    for done in read_all(recorder, paths):
        if time.monotonic() - reported > REPORT_SECONDS:
            take()
            yield ScanProgress(done=done, found=len(paths), listed=True, tables=tuple(tables), failures=tuple(failures))
            reported = time.monotonic()
    take()
    tables.reverse()
    return Catalog.of_tables((tables.pop() for _ in range(len(tables))), failures)  # `pop` frees each table


def _in_processes(
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
    done, total, finished = 0, 0, 0
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
                number, recording = part
                # Tables are made by the thread that joins them: Arrow's allocator keeps what a thread left behind.
                parts[number] = table_of(recording)
                failures.extend(recording.failures)
                done += recording.n_files + len(recording.failures)
        except queue.Empty:
            return

    try:
        for thread in threads:
            thread.start()
        # Processes take a while to start. Read the first files here, to show results meanwhile.
        recording = record(first[:FIRST_FILES], stopped.is_set)
        parts[0] = table_of(recording)
        failures.extend(recording.failures)
        done = total = len(first[:FIRST_FILES])
        yield ScanProgress(done=done, found=total, listed=False, tables=tuple(parts.values()), failures=tuple(failures))
        for number, batch in enumerate(_batches(first[FIRST_FILES:], more), 1):
            batches.put((number, pack(batch)))
            total += len(batch)
            collect(0)
            if time.monotonic() - reported > REPORT_SECONDS:
                yield ScanProgress(
                    done=done, found=total, listed=False, tables=tuple(parts.values()), failures=tuple(failures)
                )
                reported = time.monotonic()
        for _ in workers:
            batches.put(None)
        while finished < len(workers):
            collect(REPORT_SECONDS)
            if time.monotonic() - reported > REPORT_SECONDS:
                yield ScanProgress(
                    done=done, found=total, listed=True, tables=tuple(parts.values()), failures=tuple(failures)
                )
                reported = time.monotonic()
    finally:
        stopped.set()
        for worker in workers:
            worker.stop()
            batches.put(None)  # wake a thread that waits for a batch
        for thread in threads:
            thread.join()
    # Parts are numbered in the order of the listing, so paths stay sorted. `pop` frees each part.
    return Catalog.of_tables((parts.pop(number) for number in sorted(parts)), failures)


_Batch = tuple[int, bytes]
"""(number, packed paths): the listing runs ahead, and a string for each file would take twice the memory."""
_Part = tuple[int, Recording]


def _batches(first: list[str], more: Iterator[str]) -> Iterator[list[str]]:
    """Yield the paths in batches, small ones first, so that all processes start at once."""
    for start in range(0, len(first), max(BATCH_FILES // 4, 1)):
        yield first[start : start + max(BATCH_FILES // 4, 1)]
    batch: list[str] = []
    for path in more:
        batch.append(path)
        if len(batch) >= BATCH_FILES:
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
    """Feed batches to a process; if it dies, read its remaining files here."""
    alive = True
    while (numbered := batches.get()) is not None and not stopped.is_set():
        number, batch = numbered
        recording = None
        if alive:
            try:
                recording = worker.read(batch)
            except (OSError, EOFError) as error:
                LOGGER.warning("a scanning process ended (%s): its files are read by this one", type(error).__name__)
                alive = False
        if recording is None:
            recording = record(unpack(batch), stopped.is_set)
        results.put((number, recording))
    results.put(None)
