"""The current row of a tree stays in sight, whatever changes around it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QEvent, QObject, QTimer

if TYPE_CHECKING:
    from qtpy.QtWidgets import QTreeView

__all__ = ["MarkedRow"]


class MarkedRow(QObject):
    """Keeps the current row of `tree` in sight where it was so: other rows, or a smaller tree, would move it out."""

    def __init__(self, tree: QTreeView) -> None:
        super().__init__(tree)
        self._tree = tree
        self._timer = QTimer(self, singleShot=True, timeout=self.show)
        tree.viewport().installEventFilter(self)

    def is_in_sight(self, height: int | None = None) -> bool:
        """Return whether the current row is in sight, as far as `height` pixels of the tree show it."""
        place = self._tree.visualRect(self._tree.currentIndex())
        low = self._tree.viewport().height() if height is None else height
        return place.isValid() and place.top() < low and place.bottom() >= 0

    def show(self) -> None:
        """Scroll to the current row, as little as needed."""
        index = self._tree.currentIndex()
        if index.isValid():
            self._tree.scrollTo(index)

    def eventFilter(self, _watched: QObject, event: QEvent) -> bool:
        """Follow the height of the tree, once it has its new scroll bar."""
        if event.type() == QEvent.Type.Resize and self.is_in_sight(event.oldSize().height()):
            self._timer.start()
        return False
