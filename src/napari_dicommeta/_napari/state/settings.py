"""Settings of the dock that persist: columns, folds, grouping, the sizes of the dock and its parts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, Qt, QTimer
from qtpy.QtWidgets import QApplication, QDockWidget, QMainWindow

from napari_dicommeta._napari.settings import remember, remembered

if TYPE_CHECKING:
    from collections.abc import Mapping

    from qtpy.QtWidgets import QSplitter

__all__ = ["DockSettings"]

WIDTH_SHARE, WIDTHS = 0.28, (420, 520)
"""The share of the window that the dock takes at first, and its least and greatest width then, in pixels."""
BELOW = Qt.DockWidgetArea.BottomDockWidgetArea
HEIGHT = 340
"""Pixels of the dock's height when it moves below the canvas."""
WIDTH_MS = 500
"""Delay after a change of the dock's width before it is saved, since a drag of its edge changes it continuously."""


class DockSettings(QObject):
    """Saves the user's choices to napari's settings; `recall` restores those of earlier sessions.

    `splitters`: name of a setting -> the splitter whose sizes it holds. `frame` has a signal `resized`.
    """

    def __init__(
        self, frame: Any, tags: Any, series: Any, splitters: Mapping[str, QSplitter], parent: QObject | None = None
    ) -> None:
        super().__init__(parent)
        self._frame, self._tags, self._series, self._splitters = frame, tags, series, splitters
        self._width_timer = QTimer(self, singleShot=True, interval=WIDTH_MS, timeout=self._keep_width)
        series.grouping_toggled.connect(lambda by_patient: remember("by_patient", by_patient))
        tags.columns_changed.connect(lambda names: remember("columns", ",".join(names)))
        tags.folds_changed.connect(lambda kinds: remember("unfolded", ",".join(kinds)))
        frame.resized.connect(self._resized)
        for name, splitter in splitters.items():
            splitter.splitterMoved.connect(
                lambda *_, name=name, splitter=splitter: remember(name, ",".join(map(str, splitter.sizes())))
            )

    def recall(self) -> None:
        """Restore the choices of earlier sessions."""
        self._tags.set_columns(remembered("columns", "Values,Present,Shape").split(","))
        self._tags.set_unfolded(remembered("unfolded", "").split(","))
        self._series.set_grouping(remembered("by_patient", True))
        for name, splitter in self._splitters.items():
            sizes = remembered(name, "").split(",")
            if len(sizes) == splitter.count() and all(size.isdecimal() and len(size) < 6 for size in sizes):
                splitter.setSizes([int(size) for size in sizes])
        if remembered("below", False):
            self._move(True)
        else:
            self._set_width()

    def _set_width(self) -> None:
        """Give the dock beside the canvas the width of earlier sessions, or a share of the window."""
        place, width = self._place(), remembered("width", 0)
        if place is not None:
            window, dock = place
            if not 0 < width < 10_000:
                width = min(max(round(WIDTH_SHARE * window.width()), WIDTHS[0]), WIDTHS[1])
            window.resizeDocks([dock], [width], Qt.Orientation.Horizontal)

    @property
    def is_below(self) -> bool:
        """Whether the dock is below the canvas."""
        window, dock = self._around()
        return dock is not None and window is not None and window.dockWidgetArea(dock) == BELOW

    def toggle_below(self) -> None:
        """Move the dock below the canvas, or back to its right, and remember that."""
        is_below = not self.is_below
        self._move(is_below)
        remember("below", is_below)

    def _move(self, is_below: bool) -> None:
        window, dock = self._around()
        if dock is None or window is None:
            return
        dock.setFloating(False)
        window.addDockWidget(BELOW if is_below else Qt.DockWidgetArea.RightDockWidgetArea, dock)
        if is_below:
            window.resizeDocks([dock], [HEIGHT], Qt.Orientation.Vertical)
        else:
            self._set_width()

    def _resized(self) -> None:
        """Save the width later if the user drags, but not if a smaller window changes it."""
        if QApplication.mouseButtons() & Qt.MouseButton.LeftButton:
            self._width_timer.start()

    def _keep_width(self) -> None:
        if self._place() is not None:
            remember("width", self._frame.width())

    def _place(self) -> tuple[QMainWindow, QDockWidget] | None:
        """Return the window and dock around the frame; None if it floats or is above or below the canvas."""
        window, dock = self._around()
        if dock is None or window is None or dock.isFloating():
            return None
        sides = (Qt.DockWidgetArea.LeftDockWidgetArea, Qt.DockWidgetArea.RightDockWidgetArea)
        return (window, dock) if window.dockWidgetArea(dock) in sides else None

    def _around(self) -> tuple[QMainWindow | None, QDockWidget | None]:
        """Return the window and dock around the frame."""
        dock = self._frame.parentWidget()
        while dock is not None and not isinstance(dock, QDockWidget):
            dock = dock.parentWidget()
        window = dock.parentWidget() if dock is not None else None
        return (window if isinstance(window, QMainWindow) else None), dock
