"""State of a source while it is read: what is listed so far, and the layers that are shown before its end."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, QTimer, Signal

from napari_dicommeta._napari.reader import source_of, volume_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_dicommeta._napari.state.workers import Workers
    from napari_dicommeta._napari.tasks.source import Opened
    from napari_dicommeta.catalog.catalog import Series

__all__ = ["Growth"]

EARLY_MS = 1000
"""Delay after which a source that is still being read gets a picture before its end."""


class Growth(QObject):
    """The source that is being read, as far as it is read.

    `pictured` carries a source of its first folder with volumes to show, `grown` the source so far.
    """

    pictured = Signal(object)
    grown = Signal(object)

    def __init__(self, viewer: Any, workers: Workers, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._viewer, self._workers = viewer, workers
        self.early: Opened | None = None
        """The source of the first picture."""
        self._listed: Opened | None = None
        self._shown: weakref.WeakSet[Opened] = weakref.WeakSet()
        """What layers may be of: each source that was listed while this one is read."""
        self._paths: Sequence[str] = ()
        self._timer = QTimer(self, singleShot=True, interval=EARLY_MS, timeout=self._read_early)
        workers.begun.connect(self.begin)
        workers.opened.connect(lambda _: self._stop())
        workers.failed.connect(lambda _: self._stop())

    @property
    def listed(self) -> Opened | None:
        """What is listed while a source is read; None if nothing is, or nothing is read."""
        return self._listed if self._workers.is_scanning else None

    def begin(self, paths: Sequence[str]) -> None:
        """Begin another source."""
        self._stop()
        self.early, self._listed, self._paths = None, None, tuple(paths)
        self._shown.clear()
        self._timer.start()

    def _stop(self) -> None:
        self._timer.stop()
        self._workers.stop("early")

    def _read_early(self) -> None:
        from napari_dicommeta._napari.tasks.early import early_source

        paths = self._paths
        if self._workers.is_scanning:
            self._workers.run("early", lambda: early_source(paths), self._read)

    def _read(self, early: Opened | None) -> None:
        if early is not None and self._workers.is_scanning:
            self.early = early
            self._list(early)
            self.pictured.emit(early)

    def grow(self, opened: Opened) -> None:
        """List what is read by now, once that is more than the source of the first picture."""
        if self.early is None or opened.catalog.n_files > self.early.catalog.n_files:
            self._list(opened)

    def _list(self, opened: Opened) -> None:
        self._listed = opened
        self._shown.add(opened)
        self.grown.emit(opened)

    def holds(self, opened: Opened) -> bool:
        """Return whether `opened` was listed while the source was read."""
        return opened in self._shown

    def adopt(self, opened: Opened) -> tuple[bool, list[int]]:
        """Give the layers that were shown early to the whole source; remove those that lack files.

        Return whether there were layers, and the numbers of the series to open in place of the removed ones.
        """
        incomplete: list[int] = []
        is_any = False
        for layer in list(self._viewer.layers):
            volume, source = volume_of(layer), source_of(layer)
            if volume is None or source is None or not self.holds(source):
                continue
            is_any = True
            series, before = opened.series_of(volume), source.series_of(volume)
            if _has_same_files(series, before):
                layer.metadata["dicommeta"].update(source=opened, catalog=opened.catalog)
                continue
            self._viewer.layers.remove(layer)
            if series is not None and opened.series.index(series) not in incomplete:
                incomplete.append(opened.series.index(series))
        self.early, self._listed = None, None
        self._shown.clear()
        return is_any, incomplete


def _has_same_files(first: Series | None, second: Series | None) -> bool:
    return first is not None and second is not None and set(first.catalog.paths) == set(second.catalog.paths)
