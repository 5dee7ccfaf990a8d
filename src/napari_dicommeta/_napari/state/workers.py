"""Workers in threads: scan a source, open series, read notes, make thumbnails."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any

from napari.utils.notifications import show_error
from qtpy.QtCore import QObject, QTimer, Signal
from superqt.utils import thread_worker

from napari_dicommeta._napari.state.gc_pause import GCPause
from napari_dicommeta._napari.state.threads import start, stop_at_exit
from napari_dicommeta._napari.words import plain
from napari_dicommeta.support.errors import DicomMetaError
from napari_dicommeta.support.log import log_fault

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from napari_dicommeta._napari.tasks.source import Opened, Partial, SeriesRequest
    from napari_dicommeta.catalog.catalog import Series
    from napari_dicommeta.scanning.progress import ScanProgress

__all__ = ["Workers"]

COLLECT_MS = 15
"""Delay, waited twice, within which paths join into one source: napari calls a reader once per dropped file.

Between the calls napari handles events, and painting a new dock may outlast any reasonable delay. The next path follows
right after that, within the second wait.
"""
JOIN_SECONDS = 0.5
"""Time during which new paths still join the source that is being read."""


class Workers(QObject):
    """Runs work in threads, one source at a time; a new request replaces a running one of the same name.

    Signals: `begun` the paths; `progressed` a `Partial`; `opened` an `Opened`; `failed` the error of a scan;
    `series_opened` the result of `series_volumes` and whether it is added; `series_failed` its error;
    `series_noted` (opened, number, row); `pictured` a `Thumbnail` of the contact sheet,
    `series_pictured` that of a series.
    """

    begun = Signal(list)
    progressed = Signal(object)
    opened = Signal(object)
    failed = Signal(object)
    series_opened = Signal(object)
    series_failed = Signal(object)
    series_noted = Signal(object)
    pictured = Signal(object)
    series_pictured = Signal(object)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._pending: list[str] = []
        self._scanned: list[str] = []
        self._since = 0.0
        self._progress: ScanProgress | None = None
        self._workers: dict[str, tuple[Any, list[Callable[[], Any]]]] = {}
        self._collector = QTimer(self, singleShot=True, interval=COLLECT_MS, timeout=self._collected)
        self._is_waiting = False
        self._gc_pause = GCPause(lambda: bool(self._workers), self)
        stop_at_exit(self)

    def prepare(self) -> None:
        """Import in a thread the modules that the first source needs, and warm up napari's layers."""
        self.run("prepare", lambda: import_module("napari_dicommeta._napari.tasks.open").warm_up())

    @property
    def is_scanning(self) -> bool:
        """Whether a source is being read."""
        return "scan" in self._workers

    @property
    def is_idle(self) -> bool:
        """Whether no request of the user is running or pending."""
        return not self._pending and not self.is_scanning and "open" not in self._workers

    def open_paths(self, paths: Sequence[str]) -> None:
        """Open folders and files; calls in quick succession, as after a drop, join into one source."""
        self._pending += [path for path in paths if path not in self._pending]
        self._is_waiting = True
        self._collector.start()

    def _collected(self) -> None:
        if self._is_waiting:
            self._is_waiting = False
            self._collector.start()
        else:
            self._begin()

    def _begin(self) -> None:
        is_late = self.is_scanning and time.monotonic() - self._since < JOIN_SECONDS
        paths = [*(self._scanned if is_late else ()), *self._pending]
        self._scanned, self._pending, self._since = paths, [], time.monotonic()
        self.cancel()
        self._progress = None
        self._gc_pause.begin()
        self.begun.emit(paths)

        def scan() -> Any:
            from napari_dicommeta._napari.tasks.open import (
                open_source,  # here: the dock opens before all this is imported
            )

            return open_source(tuple(paths))

        self.run("scan", scan, self.opened.emit, self._progressed, self.failed.emit)

    def cancel(self) -> bool:
        """Stop a running scan; return whether there was one."""
        return self.stop("scan")

    def stop_scan(self) -> bool:
        """Stop a running scan and open what it has read; return False if it has read nothing, or none is running."""
        progress, paths = self._progress, tuple(self._scanned)
        if not self.cancel() or progress is None or not progress.tables:
            return False

        def prepare() -> Any:
            from napari_dicommeta._napari.tasks.open import stopped_source

            return stopped_source(paths, progress)

        self.run("scan", prepare, self.opened.emit, None, self.failed.emit)
        return True

    @property
    def scanned_paths(self) -> tuple[str, ...]:
        """The paths that are being read, or wait for that."""
        return (*(self._scanned if self.is_scanning else ()), *self._pending)

    def _progressed(self, so_far: Partial) -> None:
        self._progress = so_far.progress
        self.progressed.emit(so_far)

    def open_series(self, opened: Opened, wanted: Sequence[SeriesRequest], is_added: bool = False) -> None:
        """Load the volumes of the requested series; `is_added` is passed on with them."""
        from napari_dicommeta._napari.tasks.open import series_volumes

        self.run(
            "open",
            lambda: (series_volumes(opened, wanted), is_added),
            self.series_opened.emit,
            None,
            self.series_failed.emit,
        )

    def note_series(self, opened: Opened, then: Callable[[Any], object]) -> None:
        """Read the notes on the volumes of all series, and call `then` at the end."""
        from napari_dicommeta._napari.tasks.open import series_notes

        self.run("notes", lambda: series_notes(opened), then, self.series_noted.emit)

    def picture(self, series: Sequence[Series], rows: Sequence[tuple[int, int]]) -> None:
        """Make the pictures of a contact sheet."""
        from napari_dicommeta._napari.tasks.pictures import thumbnails

        self.run("pictures", lambda: thumbnails(series, rows), None, self.pictured.emit)

    def picture_series(self, series: Sequence[Series], numbers: Sequence[int]) -> None:
        """Make a picture of each of these series."""
        from napari_dicommeta._napari.tasks.pictures import series_thumbnails

        self.run("series pictures", lambda: series_thumbnails(series, numbers), None, self.series_pictured.emit)

    def run(
        self,
        name: str,
        work: Callable[[], Any],
        returned: Callable[[Any], object] | None = None,
        yielded: Callable[[Any], object] | None = None,
        errored: Callable[[Exception], object] | None = None,
    ) -> None:
        """Run `work` in a thread, replacing the work that runs under this `name`.

        `work` is a function; with `yielded` it returns a generator. With `errored` an exception goes there and is not
        reported as an error of the program. The worker is superqt's, because napari's task list would keep its own
        workers, and every source ever opened, alive. An exception is passed on as a value, because superqt takes a
        `RuntimeError` for one of its own and ignores it.
        """
        self.stop(name)
        task = [work]
        worker = thread_worker(_generating(task) if yielded is not None else _calling(task))()
        self._workers[name] = worker, task
        self._gc_pause.stay()

        def is_current() -> bool:  # results of a stopped worker are dropped
            return self._workers.get(name, (None,))[0] is worker

        def on_return(value: Any) -> None:
            if isinstance(value, _Failure):
                is_expected = isinstance(value.error, DicomMetaError | OSError | ValueError)
                log_fault(f"the task {name!r}", value.error, logging.DEBUG if is_expected else logging.ERROR)
            if not is_current():
                return
            del self._workers[name]
            self._gc_pause.stay()
            if isinstance(value, _Failure):
                (errored or on_fault)(value.error)
            elif returned is not None:
                returned(value)

        def on_fault(error: Exception) -> None:
            show_error(plain(f"Error in napari-dicommeta ({name}): {type(error).__name__}"))

        if yielded is not None:
            worker.yielded.connect(lambda value: yielded(value) if is_current() else None)
        worker.returned.connect(on_return)
        start(worker)

    def is_running(self, name: str) -> bool:
        """Return whether anything runs under this name."""
        return name in self._workers

    def stop(self, name: str) -> bool:
        """Stop the work under this name; return whether there was any."""
        if name not in self._workers:
            return False
        worker, task = self._workers.pop(name)
        worker.quit()
        task.clear()  # a worker that never started stays alive, but releases its work
        return True

    def stop_all(self) -> None:
        """Stop all work."""
        self._pending = []
        self._collector.stop()
        for name in tuple(self._workers):
            self.stop(name)
        self._gc_pause.stop()


@dataclass(frozen=True, slots=True)
class _Failure:
    """An exception that a worker raised, returned as a value."""

    error: Exception


def _calling(task: list[Callable[[], Any]]) -> Callable[[], Any]:
    def call() -> Any:
        try:
            return task.pop()() if task else None
        except Exception as error:  # noqa: BLE001  passed on as a value
            return _Failure(error)

    return call


def _generating(task: list[Callable[[], Any]]) -> Callable[[], Any]:
    def generate() -> Any:
        try:
            return (yield from task.pop()() if task else ())
        except Exception as error:  # noqa: BLE001  passed on as a value
            return _Failure(error)

    return generate
