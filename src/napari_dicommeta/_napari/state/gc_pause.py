"""Freeze existing objects for Python's garbage collector while much is read, until the window is idle."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QCoreApplication, QEvent, QObject, QTimer

from napari_dicommeta._napari.tasks import gc_pause as gc_pause

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["GCPause"]

REST_MS = 2000
"""Time without reading and without input before garbage is collected."""
INPUT = {QEvent.Type.KeyPress, QEvent.Type.MouseMove, QEvent.Type.MouseButtonPress, QEvent.Type.Wheel}


class GCPause(QObject):
    """A pause of garbage collection, from `begin` until for a while nothing `is_busy` and there is no input."""

    def __init__(self, is_busy: Callable[[], bool], parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._is_busy = is_busy
        self._is_active, self._is_watching, self._had_input = False, False, False
        self._timer = QTimer(self, singleShot=True, interval=REST_MS, timeout=self.look)

    def begin(self) -> None:
        """Begin the pause: much is going to be read."""
        if not self._is_active:
            self._is_active = True
            gc_pause.begin()
        self._timer.start()

    def stay(self) -> None:
        """Prolong the pause, and freeze the objects made since."""
        if self._is_active:
            gc_pause.renew()
            self._timer.start()

    def look(self) -> None:
        """End the pause if nothing was read and there was no input since the last look."""
        if not self._is_active:
            return
        had_input = self._had_input or not self._is_watching
        self._watch(not self._is_busy())
        if self._is_watching and not had_input:
            self._end(is_quiet=True)
        else:
            self._timer.start()

    def stop(self) -> None:
        """End the pause now, because the window closes."""
        self._timer.stop()
        if self._is_active:
            self._end(is_quiet=False)

    def _end(self, is_quiet: bool) -> None:
        self._watch(False)
        self._is_active = False
        gc_pause.end(is_quiet)

    def _watch(self, is_on: bool) -> None:
        self._had_input = False
        application = QCoreApplication.instance()
        if is_on != self._is_watching and application is not None:
            self._is_watching = is_on
            (application.installEventFilter if is_on else application.removeEventFilter)(self)

    def eventFilter(self, _watched: QObject, event: QEvent) -> bool:
        """Note input; never filter the event."""
        if event.type() in INPUT:
            self._had_input = True
        return False
