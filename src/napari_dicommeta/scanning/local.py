"""Scan local files into a catalog: in this process, or in one process per core while this one lists the folders.

Headers are parsed in Python, which threads do not speed up. What processes would save depends on the files: the first
ones are read here, and processes are started if the time that they took says that enough is left. Arrow is imported
after that, so that they are at work meanwhile.
"""

from __future__ import annotations

import logging
import os
import queue
import sys
import threading
import time
from contextlib import closing
from itertools import chain
from typing import TYPE_CHECKING

from napari_dicommeta.scanning.batches import Batches
from napari_dicommeta.scanning.listing import files_of, take_files
from napari_dicommeta.scanning.progress import REPORT_SECONDS, Failure, ScanProgress, waited_for
from napari_dicommeta.scanning.reading import read_all, record
from napari_dicommeta.scanning.recorder import Recorder
from napari_dicommeta.scanning.worker import Pool, unpack
from napari_dicommeta.support.log import LOGGER, log_fault

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    import pyarrow as pa

    from napari_dicommeta.catalog.catalog import Catalog
    from napari_dicommeta.scanning.recorder import Recording
    from napari_dicommeta.scanning.worker import Worker

__all__ = ["scan_paths"]

FIRST_SECONDS, MOST_FIRST_SECONDS, FIRST_STEP, MIN_CLEAN = 0.06, 1.0, 4, 3
"""The time to read the first files, by which the others are judged; longer while the first of a kind are among them,
which take longer. And the files read until it is checked, and how often there have to be none of these among them."""
WORTH_SECONDS, COLUMN_WORTH = 0.3, 2e-3
"""The time left from which processes save more than it takes to start them, and more for each column: each process has
to read the first headers of each kind element by element, as this one has, and its tables take time for each column."""
LEAST_SECONDS, COLUMN_SECONDS = 0.03, 4e-4
"""The least work of a batch, and for each column: the table of a batch takes time for each."""
POOL_SECONDS = 10.0
"""How long a scan waits for the processes of other scans to end; after that it reads in this process."""
JOIN_SECONDS = 0.5
"""How long a scan that ends waits for its threads; one whose process the system cannot end is left behind."""
TABLE_SHARE = 0.1
"""The most of the time that is spent on tables to report."""


def scan_paths(
    entries: Iterator[str | Failure | None], workers: int | None = None
) -> Generator[ScanProgress, None, Catalog]:
    """Return the catalog of a listing: paths, other entries as (path, outcome, reason, code), and None as it waits."""
    failures: list[Failure] = []
    paths = files_of(entries, failures)
    count = (os.cpu_count() or 1) if workers is None else workers
    recorder = Recorder()
    yield ScanProgress(done=0, found=0, listed=False)
    first = _FirstFiles(recorder)
    with closing(read_all(recorder, paths, FIRST_STEP, first.is_enough)) as steps:
        for done in steps:
            if done is None:
                yield ScanProgress(done=0, found=0, listed=False)
    each, learning = first.each, recorder.loop_seconds
    worth = WORTH_SECONDS + 2 * learning + recorder.n_columns * COLUMN_WORTH
    more = yield from waited_for(take_files(entries, failures, max(int(worth / each), 0) + 1))
    is_worth = count > 1 and len(more) * each > worth
    LOGGER.info("scanning with %d processes", count if is_worth else 1)
    pool = Pool()
    try:
        until = time.monotonic() + POOL_SECONDS
        while is_worth and not pool.open(count, REPORT_SECONDS):
            yield ScanProgress(done=0, found=0, listed=False)
            is_worth = time.monotonic() < until
        if is_worth:
            batches = Batches(count, each, LEAST_SECONDS + recorder.n_columns * COLUMN_SECONDS)
            return (yield from _in_processes(recorder, batches, chain(more, entries), failures, pool))
    finally:
        pool.close()
    more += yield from waited_for(take_files(entries, failures, sys.maxsize))
    return (yield from _in_process(recorder, more, failures))


class _FirstFiles:
    """The first files, read for a while, and the time that each of the others will take.

    The first headers of a kind are read element by element; the time is judged by the share of them in the end.
    """

    def __init__(self, recorder: Recorder) -> None:
        self._recorder, self._began = recorder, time.perf_counter()
        self._loops, self._new = 0, 0.0
        self._clean: list[float] = []
        self._slow = 0.0

    def is_enough(self, n_files: int, seconds: float) -> bool:
        """Take in that the next files took so long; return whether enough were read."""
        recorder = self._recorder
        if not n_files:
            return False
        self._new, self._loops = (recorder.n_loops - self._loops) / n_files, recorder.n_loops
        if not self._new:
            self._clean.append(seconds / n_files)
        if recorder.reads.is_slow:
            self._slow = seconds / n_files
            return True
        is_known = len(self._clean) >= MIN_CLEAN and not self._new
        return time.perf_counter() - self._began > (FIRST_SECONDS if is_known else MOST_FIRST_SECONDS)

    @property
    def each(self) -> float:
        """The time that a file will take, in seconds: as those read last, some of which code the values of many."""
        learned = self._new * self._recorder.loop_seconds / max(self._loops, 1)
        last = self._clean[len(self._clean) // 2 :]
        return max(self._slow or sum(last) / max(len(last), 1) + learned, 1e-6)


def _in_process(
    recorder: Recorder, paths: list[str], failures: list[Failure]
) -> Generator[ScanProgress, None, Catalog]:
    """Read `paths` after those that `recorder` has read."""
    from napari_dicommeta.catalog.catalog import Catalog
    from napari_dicommeta.scanning.tables import table_of

    tables: list[pa.Table] = []
    first = len(recorder.paths) + len(recorder.failures)
    found, reported = first + len(paths), time.monotonic()

    def take() -> float:
        began = time.monotonic()
        recording = recorder.take()
        tables.append(table_of(recording))
        failures.extend(recording.failures)
        return time.monotonic() - began

    pause = REPORT_SECONDS
    last = 0
    with closing(read_all(recorder, paths)) as steps:
        for done in steps:
            if done is None:
                is_due = time.monotonic() - reported > REPORT_SECONDS
            elif is_due := time.monotonic() - reported > pause:
                pause, last = max(REPORT_SECONDS, take() / TABLE_SHARE), done
            if is_due:
                yield ScanProgress(
                    done=first + last, found=found, listed=True, tables=tuple(tables), failures=tuple(failures)
                )
                reported = time.monotonic()
    take()
    tables.reverse()
    return Catalog.of_tables((tables.pop() for _ in range(len(tables))), failures)  # `pop` frees each table


def _in_processes(
    recorder: Recorder, batches: Batches, entries: Iterator[str | Failure | None], failures: list[Failure], pool: Pool
) -> Generator[ScanProgress, None, Catalog]:
    """Read the files of a listing in processes, after those that `recorder` has read."""
    results: queue.Queue[_Part | Exception | None] = queue.Queue()
    workers = pool.workers
    stopped = threading.Event()
    threads = [
        threading.Thread(target=_drive, args=(worker, batches, results, stopped), daemon=True) for worker in workers
    ]
    parts: dict[int, pa.Table] = {}
    found = done = finished = 0
    reported = time.monotonic()

    def add(number: int, recording: Recording) -> None:
        nonlocal done
        # Tables are made by the thread that joins them: Arrow's allocator keeps what a thread left behind.
        parts[number] = table_of(recording)
        failures.extend(recording.failures)
        done += recording.n_files + len(recording.failures)

    def collect(wait: float) -> None:
        nonlocal finished
        try:
            while True:
                part = results.get(timeout=wait) if wait else results.get_nowait()
                wait = 0
                if part is None:
                    finished += 1
                elif isinstance(part, Exception):
                    raise part
                else:
                    add(*part)
        except queue.Empty:
            return

    def progress(listed: bool) -> ScanProgress:
        return ScanProgress(
            done=done, found=found, listed=listed, tables=tuple(parts.values()), failures=tuple(failures)
        )

    try:
        for thread in threads:
            thread.start()
        first = yield from waited_for(take_files(entries, failures, batches.files_ahead))
        batches.add(first)

        from napari_dicommeta.catalog.catalog import Catalog
        from napari_dicommeta.scanning.tables import table_of

        add(0, recorder.take())
        found = done + len(first)
        yield progress(listed=False)
        while step := (
            yield from waited_for(take_files(entries, failures, batches.pack_files), lambda: progress(listed=False))
        ):
            batches.add(step)
            found += len(step)
            if time.monotonic() - reported > REPORT_SECONDS:
                collect(0)
                yield progress(listed=False)
                reported = time.monotonic()
        batches.close()
        while finished < len(workers):
            collect(REPORT_SECONDS)
            if time.monotonic() - reported > REPORT_SECONDS:
                yield progress(listed=True)
                reported = time.monotonic()
    finally:
        stopped.set()
        pool.close()
        batches.close()  # wake a thread that waits for a batch
        until = time.monotonic() + JOIN_SECONDS
        for thread in threads:
            thread.join(max(until - time.monotonic(), 0))
    # Parts are numbered in the order of the listing, so paths stay sorted. `pop` frees each part.
    return Catalog.of_tables((parts.pop(number) for number in sorted(parts)), failures)


_Part = tuple[int, "Recording"]


def _drive(
    worker: Worker, batches: Batches, results: queue.Queue[_Part | Exception | None], stopped: threading.Event
) -> None:
    """Put the recordings of batches into `results`, then None, or the error that kept a batch from being read."""
    try:
        _feed(worker, batches, results, stopped)
    except Exception as error:  # noqa: BLE001  raised again by the scan, which waits for this thread
        log_fault("reading a batch", error)
        results.put(error)
    else:
        results.put(None)


def _feed(
    worker: Worker, batches: Batches, results: queue.Queue[_Part | Exception | None], stopped: threading.Event
) -> None:
    """Feed batches to a process; if it dies, read its remaining files here."""
    alive = True
    while not stopped.is_set() and (numbered := batches.take()) is not None:
        number, batch = numbered
        recording = None
        if alive:
            try:
                began = time.perf_counter()
                recording = worker.read(batch)
                done = recording.n_files + len(recording.failures)
                batches.measured(done, time.perf_counter() - began)
            except Exception as error:  # noqa: BLE001  whatever it is, the files are read
                if not stopped.is_set():
                    log_fault("reading in a process (its files are read by this one)", error, logging.WARNING)
                alive = False
        if stopped.is_set():
            break
        if recording is None:
            recording = record(unpack(batch), stopped.is_set)
        results.put((number, recording))
