"""The thread pool of the dock's workers, which ends before the program does.

Qt's global pool has as many threads as processors. There, user requests would wait behind background work (thumbnails,
notes of series) and behind the work of other plugins.
"""

from __future__ import annotations

import atexit
import warnings
from functools import cache, partial
from typing import Any

from qtpy.QtCore import QThreadPool

__all__ = ["start"]

MAX_THREADS = 64
"""Far more than there are kinds of work, so that nothing waits for stopped workers to end."""
EXIT_MS = 30_000
"""Time that running workers get to finish when the program ends."""

_started: set[Any] = set()
"""Running workers; nothing else holds a reference to them."""
_showwarning: list[Any] = []
"""`warnings.showwarning` from before any worker ran: each worker replaces it and later restores what it saw."""


@cache
def _pool() -> QThreadPool:
    pool = QThreadPool()  # without a parent, because destroying a pool waits for its threads and holds the interpreter
    pool.setMaxThreadCount(MAX_THREADS)
    # A worker that emits a signal after Qt's objects are destroyed crashes the program, e.g. when a script ends.
    atexit.register(_end, pool)
    return pool


def start(worker: Any) -> None:
    """Run a superqt worker in the pool."""
    if not _started:
        _showwarning[:] = [warnings.showwarning]
    _started.add(worker)
    worker.finished.connect(partial(_ended, worker))
    _pool().start(worker)


def _ended(worker: Any) -> None:
    _started.discard(worker)
    if not _started:
        warnings.showwarning = _showwarning[0]


def _end(pool: QThreadPool) -> None:
    for worker in tuple(_started):
        worker.quit()
    pool.clear()
    pool.waitForDone(EXIT_MS)
