"""The threads that the dock's workers run in: a pool of their own, which ends before the program does.

In Qt's common pool there are as many threads as processors. What a user asks for would wait there behind what nobody
waits for (thumbnails, the notes of series), and behind the work of other plugins.
"""

from __future__ import annotations

import atexit
import warnings
from functools import cache, partial
from typing import Any

from qtpy.QtCore import QThreadPool

__all__ = ["start"]

MOST = 64
"""Far more than there are kinds of work: what was stopped may still have to end, and nothing waits for it."""
LAST_MS = 30_000
"""What still writes or reads when the program ends has so long to do it."""

_started: set[Any] = set()
"""Workers are kept by nobody else until they are done."""
_showwarning: list[Any] = []
"""How warnings were shown before any worker ran: each shows them in its own way, and puts back what it found."""


@cache
def _pool() -> QThreadPool:
    pool = QThreadPool()  # without a parent: taking a pool down waits for its threads, and holds Python meanwhile
    pool.setMaxThreadCount(MOST)
    # A worker that speaks when Qt's objects are gone brings the program down: a script may end while something is read.
    atexit.register(_end, pool)
    return pool


def start(worker: Any) -> None:
    """Run a worker of superqt's."""
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
    pool.waitForDone(LAST_MS)
