"""The marks of all folders of a source, which processes make if they hold many files: `iter_folder_marks`.

It imports no Arrow, which takes a while: the processes are at work meanwhile.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from contextlib import closing
from queue import SimpleQueue
from typing import TYPE_CHECKING

from napari_dicommeta.scanning.folder_marks import Marked, ask_mark
from napari_dicommeta.scanning.pending_calls import PendingCalls
from napari_dicommeta.scanning.progress import REPORT_SECONDS
from napari_dicommeta.scanning.worker import Pool
from napari_dicommeta.support.generators import result_of
from napari_dicommeta.support.log import log_fault

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence
    from concurrent.futures import Future

    from napari_dicommeta.scanning.worker import Worker

__all__ = ["folder_marks", "iter_folder_marks"]

MAX_MARKED_ALONE = 4000
"""Up to this number of files, starting processes to mark folders costs more than it saves."""
MAX_FOLDERS, ASKED_EACH = 64, 4
"""The most folders that a process marks in one request, and the requests that wait for each process."""


def folder_marks(tops: Sequence[str], workers: int | None = None) -> dict[str, str]:
    """Return the mark of each folder in and below `tops`, by path; links to folders are not followed."""
    return result_of(iter_folder_marks(tops, workers))


def iter_folder_marks(tops: Sequence[str], workers: int | None) -> Generator[None, None, dict[str, str]]:
    """Return what `folder_marks` does; yield about every `REPORT_SECONDS`, so that closing ends it and its processes.

    Processes are started if the folders hold many files, and it yields as soon as they are at work; without a place for
    a pool, folders are marked here.
    """
    with closing(PendingCalls()) as calls:
        try:
            folders = (yield from calls.answer(lambda _: list(filter(os.path.isdir, tops)), tops[0])) if tops else []
        except TimeoutError:  # the listing says so
            return {}
        return (yield from _marks_below(calls, folders, workers))


def _marks_below(calls: PendingCalls, pending: list[str], workers: int | None) -> Generator[None, None, dict[str, str]]:
    marks: dict[str, str] = {}
    files, reported = 0, time.monotonic()

    def add(folders: Sequence[str], results: Sequence[Marked]) -> None:
        nonlocal files
        for folder, (mark, n_files, subfolders) in zip(folders, results, strict=True):
            marks[folder] = mark
            files += n_files
            pending.extend(subfolder for subfolder in subfolders if subfolder not in marks)

    count = workers or os.cpu_count() or 1
    pool = Pool()
    while pending and (count == 1 or files <= MAX_MARKED_ALONE or not pool.open(count, 0.0)):
        folder = pending.pop()
        add([folder], [(yield from ask_mark(calls, folder))])
        if time.monotonic() - reported > REPORT_SECONDS:
            yield
            reported = time.monotonic()
    if pending:
        yield from _marked_by(pool, pending, add)
    return marks


def _marked_by(
    pool: Pool, pending: list[str], add: Callable[[Sequence[str], Sequence[Marked]], None]
) -> Generator[None, None, None]:
    """Mark `pending` folders in processes, and those that `add` finds in them; close the pool in the end."""
    idle: SimpleQueue[Worker] = SimpleQueue()
    stopped = threading.Event()
    count = len(pool.workers)

    def ask(folders: list[str]) -> list[Marked]:
        worker = idle.get()
        try:
            return worker.marks(folders)
        except (OSError, EOFError) as error:  # the process died: mark its folders here
            if stopped.is_set():
                raise
            log_fault("marking folders in a process", error, logging.WARNING)
            with closing(PendingCalls()) as calls:
                return [result_of(ask_mark(calls, folder)) for folder in folders]
        finally:
            idle.put(worker)

    threads = ThreadPoolExecutor(count)
    try:
        for worker in pool.workers:
            idle.put(worker)
        asked: dict[Future[list[Marked]], list[str]] = {}
        is_asked = False
        while pending or asked:
            size = max(1, min(MAX_FOLDERS, len(pending) // (2 * count)))
            while pending and len(asked) < ASKED_EACH * count:
                batch, pending[-size:] = pending[-size:], []
                asked[threads.submit(ask, batch)] = batch
            if not is_asked:  # the caller has something else to do
                is_asked = True
                yield
            for future in wait(asked, REPORT_SECONDS, FIRST_COMPLETED).done:
                add(asked.pop(future), future.result())
            yield
    finally:
        stopped.set()
        pool.close()
        threads.shutdown(cancel_futures=True)
