"""The thread pool of the dock's workers, which ends before the program does.

Qt's global pool has as many threads as processors. There, user requests would wait behind background work (thumbnails,
notes of series) and behind the work of other plugins.
"""

from __future__ import annotations

import atexit
import warnings
import weakref
from functools import cache, partial
from typing import Any

from qtpy.compat import isalive
from qtpy.QtCore import QCoreApplication, QEvent, QThreadPool

__all__ = ["start", "stop_at_exit"]

MAX_THREADS = 64
"""Far more than there are kinds of work, so that nothing waits for stopped workers to end."""
EXIT_MS = 30_000
"""Time that running workers get to finish when the program ends."""

SIGNALS = (
    "started",
    "finished",
    "_finished",
    "returned",
    "errored",
    "warned",
    "yielded",
    "paused",
    "resumed",
    "aborted",
)
"""Names of the signals that a superqt worker may emit; it looks them up in another object unless it has its own."""

_started: set[Any] = set()
"""Running workers; nothing else holds a reference to them."""
_owners: weakref.WeakSet[Any] = weakref.WeakSet()
"""Objects that start workers."""
_showwarning: list[Any] = []
"""`warnings.showwarning` from before any worker ran: each worker replaces it and later restores what it saw."""


class _Unheard:
    """In place of a signal of a worker that nobody listens to any more."""

    def emit(self, *_: object) -> None:
        """Do nothing."""


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


def stop_at_exit(owner: Any) -> None:
    """Call `owner.stop_all` when the program ends, if the object is still there."""
    _owners.add(owner)


def _end(pool: QThreadPool) -> None:
    """Stop all work, wait for its threads, and let go of it while Python and Qt are whole.

    The binding deletes the objects that are left one by one, later. It ends the process if code that runs meanwhile, as
    a slot of `destroyed`, frees others or collects garbage. Nor may a worker that takes longer than `EXIT_MS` find its
    signals deleted: it is cut off from them.
    """
    for owner in filter(isalive, tuple(_owners)):
        owner.stop_all()
    for worker in tuple(_started):
        worker.quit()
    pool.clear()
    pool.waitForDone(EXIT_MS)
    for worker in tuple(_started):
        for name in SIGNALS:
            setattr(worker, name, _Unheard())
        worker.signals.deleteLater()
        QCoreApplication.sendPostedEvents(worker.signals, QEvent.Type.DeferredDelete.value)
    _started.clear()
