"""The current row of a tree stays in sight, whatever changes around it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QEvent, QObject, QTimer

if TYPE_CHECKING:
    from qtpy.QtWidgets import QTreeView, QWidget

__all__ = ["MarkedRow"]


class MarkedRow(QObject):
    """Keeps the current row of `tree` in sight where it was so: other rows, or a smaller tree, would move it out.

    `cover` lies over the top of the tree where it is visible.
    """

    def __init__(self, tree: QTreeView, cover: QWidget) -> None:
        super().__init__(tree)
        self._tree, self._cover = tree, cover
        self._height = 0
        """The height that the tree had at rest: moved to another place, it gets several in a row."""
        self._timer = QTimer(self, singleShot=True, timeout=self.show)
        tree.viewport().installEventFilter(self)

    def is_in_sight(self, height: int | None = None) -> bool:
        """Return whether the current row is in sight, as far as `height` pixels of the tree show it."""
        place = self._tree.visualRect(self._tree.currentIndex())
        low = self._tree.viewport().height() if height is None else height
        return place.isValid() and place.top() < low and place.bottom() >= 0

    def show(self) -> None:
        """Scroll to the current row, as little as needed."""
        index, self._height = self._tree.currentIndex(), self._tree.viewport().height()
        if not index.isValid():
            return
        self._tree.scrollTo(index)
        bar = self._tree.verticalScrollBar()
        while self._cover.isVisible() and self._tree.visualRect(index).top() < self._cover.height() and bar.value():
            bar.setValue(bar.value() - bar.singleStep())

    def eventFilter(self, _watched: QObject, event: QEvent) -> bool:
        """Follow the height of the tree, once it has its new scroll bar."""
        if event.type() == QEvent.Type.Resize:
            if self._timer.isActive() or self.is_in_sight(self._height):
                self._timer.start()
            else:
                self._height = event.size().height()
        return False
