"""Read many files with one recorder: one after the other, or fetched ahead by threads where storage is slow."""

from __future__ import annotations

import math
import time
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from itertools import chain, islice
from typing import TYPE_CHECKING

from napari_dicommeta.scanning.recorder import Recorder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from concurrent.futures import Future

    from napari_dicommeta.scanning.first_reads import FirstWindow
    from napari_dicommeta.scanning.recorder import Recording

__all__ = ["read_all", "record"]

STEP_FILES, PROBE_FILES, READ_THREADS = 64, 3, 16
FILES_AHEAD = 4 * READ_THREADS
"""The most files that are fetched, or wait to be parsed, at a time."""
STEPS_AHEAD = 8
"""The steps after which the speed of storage is measured again."""
SLOW_SECONDS = 5e-4
"""Above this time to fetch a file, waiting for storage outweighs parsing."""


def record(
    paths: Iterable[str], stop: Callable[[], bool] = lambda: False, recorder: Recorder | None = None
) -> Recording:
    """Read the headers of `paths`; stop early, with the files read by then, once ``stop()`` is true.

    A `recorder` that read similar files before knows their layouts.
    """
    recorder = recorder or Recorder()
    for _ in read_all(recorder, paths):
        if stop():
            break
    return recorder.take()


def read_all(recorder: Recorder, paths: Iterable[str]) -> Iterator[int]:
    """Read the headers of `paths`; yield the number of files done about every `STEP_FILES`.

    Where fetching files is slow, threads fetch them ahead, as waiting for storage overlaps, until it is fast again.
    """
    remaining, done, reads = iter(paths), 0, recorder.reads
    while True:
        if reads.is_slow:
            ahead = 0
            for ahead in _read_ahead(recorder, remaining):
                yield done + ahead
            done += ahead
        step = list(islice(remaining, STEP_FILES))
        if not step:
            return
        probe, rest = step[:PROBE_FILES], step[PROBE_FILES:]
        done += len(probe)
        reads.is_slow = _seconds(recorder, probe) > SLOW_SECONDS
        if reads.is_slow:
            remaining = chain(rest, remaining)
            continue
        for path in rest:
            recorder.read(path)
        done += len(rest)
        yield done


def _seconds(recorder: Recorder, paths: Iterable[str]) -> float:
    """Read the headers of `paths`, and return the least time that fetching one took.

    The others may have waited for another thread or process, which says nothing about storage.
    """
    seconds = math.inf
    for path in paths:
        began = time.perf_counter()
        window = recorder.reads.window(path)
        seconds = min(seconds, time.perf_counter() - began)
        recorder.take_in(path, window)
    return seconds


def _read_ahead(recorder: Recorder, paths: Iterator[str]) -> Iterator[int]:
    """Read the headers of `paths` while threads fetch those that follow, as long as that is slow."""
    pending: deque[tuple[str, Future[FirstWindow]]] = deque()
    pool = ThreadPoolExecutor(READ_THREADS, thread_name_prefix="dicommeta-fetch")
    done, reads = 0, recorder.reads
    try:
        while True:
            if reads.is_slow:
                pending += (
                    (path, pool.submit(reads.window, path)) for path in islice(paths, FILES_AHEAD - len(pending))
                )
            if not pending:
                break
            path, future = pending.popleft()
            recorder.take_in(path, future.result())
            done += 1
            if done % STEP_FILES == 0:
                yield done
            if done % (STEPS_AHEAD * STEP_FILES) == 0 and (probe := list(islice(paths, PROBE_FILES))):
                # Measured here: the threads wait for this one between the calls of a fetch.
                reads.is_slow = _seconds(recorder, probe) > SLOW_SECONDS
                done += len(probe)
        if done % STEP_FILES:
            yield done
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
