"""Folders -> a catalog: a generator of progress that returns it.

Small folders are read in this process. Larger ones are read by one process a core while this one lists
the folders: headers are parsed in Python, which threads do not speed up.
"""

from __future__ import annotations

import os
import queue
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from napari_dicommeta.catalog import Catalog
from napari_dicommeta.listing import Source, list_files, source_paths
from napari_dicommeta.recorder import Recorder, Recording
from napari_dicommeta.worker import Worker

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator, Sequence

__all__ = ["ScanProgress", "iter_scan", "scan"]

INTERVAL = 0.1
"""Seconds between two reports of progress."""
FEW_FILES = 2000
"""Up to here, starting processes costs more than it saves."""
BATCH = 4096


@dataclass(frozen=True, slots=True)
class ScanProgress:
    """How far a scan is: files read, files found so far, whether the listing is complete."""

    done: int
    found: int
    listed: bool
    recordings: tuple[Recording, ...] = ()

    def catalog(self) -> Catalog:
        """The catalog of what has been read so far."""
        return Catalog.of_recordings(self.recordings)


def scan(
    source: Source | Sequence[Source],
    workers: int | None = None,
    progress: Callable[[ScanProgress], object] | None = None,
) -> Catalog:
    """The catalog of every DICOM file in `source`: folders (in depth) and files.

    Parameters
    ----------
    source
        One path or several.
    workers
        Processes that read headers; None: one a core where there are enough files, 1: this process alone.
    progress
        Called with a `ScanProgress` at most ten times a second.

    What cannot be read is in ``catalog.failures`` with its reason; nothing is raised for it.
    """
    steps = iter_scan(source, workers)
    while True:
        try:
            step = next(steps)
        except StopIteration as stop:
            catalog: Catalog = stop.value
            return catalog
        if progress is not None:
            progress(step)


def iter_scan(source: Source | Sequence[Source], workers: int | None = None) -> Generator[ScanProgress, None, Catalog]:
    """`scan` step by step: yields progress, returns the catalog; closing the generator ends the scan at once."""
    recorder = Recorder()
    files = _files(source_paths(source), recorder)
    first: list[str] = []
    for path in files:
        first.append(path)
        if len(first) > FEW_FILES:
            break
    count = (os.cpu_count() or 1) if workers is None else workers
    if len(first) <= FEW_FILES or count <= 1:
        return (yield from _alone(first, files, recorder))
    return (yield from _together(first, files, recorder, count))


def _files(paths: Sequence[str], recorder: Recorder) -> Iterator[str]:
    for entry in list_files(paths):
        if entry.outcome:
            recorder.fail(entry.path, entry.outcome, entry.reason)
        else:
            yield entry.path


def _alone(first: list[str], more: Iterator[str], recorder: Recorder) -> Generator[ScanProgress, None, Catalog]:
    recordings: list[Recording] = []
    paths = [*first, *more]
    reported = time.monotonic()
    yield ScanProgress(0, len(paths), True)
    for done, path in enumerate(paths, 1):
        recorder.read(path)
        if done % 16 == 0 and time.monotonic() - reported > INTERVAL:
            recordings.append(recorder.take())
            yield ScanProgress(done, len(paths), True, tuple(recordings))
            reported = time.monotonic()
    return Catalog.of_recordings([*recordings, recorder.take()])


def _together(
    first: list[str], more: Iterator[str], recorder: Recorder, count: int
) -> Generator[ScanProgress, None, Catalog]:
    batches: queue.Queue[list[str] | None] = queue.Queue()
    results: queue.Queue[Recording | None] = queue.Queue()
    workers = [Worker() for _ in range(count)]
    stopped = threading.Event()
    threads = [
        threading.Thread(target=_drive, args=(worker, batches, results, stopped), daemon=True) for worker in workers
    ]
    recordings: list[Recording] = []
    done, found, finished = 0, 0, 0
    reported = time.monotonic()
    try:
        for thread in threads:
            thread.start()
        batch = first
        for start in range(0, len(first), BATCH // 4):
            batches.put(first[start : start + BATCH // 4])
        found, batch = len(first), []
        for path in more:
            batch.append(path)
            if len(batch) == BATCH:
                batches.put(batch)
                found, batch = found + len(batch), []
                while not results.empty():
                    if (recording := results.get()) is not None:
                        recordings.append(recording)
                        done += len(recording.files.paths) + len(recording.failures)
                if time.monotonic() - reported > INTERVAL:
                    yield ScanProgress(done, found, False, tuple(recordings))
                    reported = time.monotonic()
        batches.put(batch)
        found += len(batch)
        for _ in workers:
            batches.put(None)
        while finished < len(workers):
            try:
                recording = results.get(timeout=INTERVAL)
            except queue.Empty:
                recording = None
            else:
                if recording is None:
                    finished += 1
                else:
                    recordings.append(recording)
                    done += len(recording.files.paths) + len(recording.failures)
            if time.monotonic() - reported > INTERVAL:
                yield ScanProgress(done, found, True, tuple(recordings))
                reported = time.monotonic()
    finally:
        stopped.set()
        for worker in workers:
            worker.stop()
        for thread in threads:
            thread.join()
    return Catalog.of_recordings([*recordings, recorder.take()])


def _drive(
    worker: Worker,
    batches: queue.Queue[list[str] | None],
    results: queue.Queue[Recording | None],
    stopped: threading.Event,
) -> None:
    """Feed one process; what it cannot do because it died is done here."""
    alive = True
    while (batch := batches.get()) is not None and not stopped.is_set():
        if alive:
            try:
                results.put(worker.read(batch))
                continue
            except (OSError, EOFError):
                alive = False
        recorder = Recorder()
        for path in batch:
            if stopped.is_set():
                break
            recorder.read(path)
        results.put(recorder.take())
    results.put(None)
