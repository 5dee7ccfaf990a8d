"""The frame of the dock: a head above a body, beside it where there is room, and what is dropped on either."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QEvent, QObject, QSize, Qt, Signal
from qtpy.QtGui import QColor, QPainter
from qtpy.QtWidgets import (
    QAbstractButton,
    QAbstractItemView,
    QAbstractSpinBox,
    QApplication,
    QBoxLayout,
    QComboBox,
    QSizePolicy,
    QTabBar,
    QVBoxLayout,
    QWidget,
)

from napari_dicommeta._napari.widgets.labels import scrolling

if TYPE_CHECKING:
    from collections.abc import Sequence

    from qtpy.QtGui import QDragEnterEvent, QDropEvent, QPaintEvent, QResizeEvent

    from napari_dicommeta._napari.widgets.colors import Colors

__all__ = ["DockFrame"]

NARROWEST = (316, 335)
_MARKED = (QAbstractButton, QComboBox, QAbstractItemView, QTabBar)
"""What does not show by itself that it has the keyboard."""
WIDE, HEAD = 900, 400
"""Pixels: a frame this wide, and wider than high, has two columns, the first of them so wide at most."""


class _FocusMark(QWidget):
    """A line around what has the keyboard, which napari's style does not tell; on top of it, to move along with it.

    A style sheet for the dock would do the same and make it open half as slowly again.
    """

    def __init__(self, home: QWidget) -> None:
        super().__init__(home)
        self._home, self.color = home, QColor()
        self.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        self.hide()

    def mark(self, widget: QWidget | None) -> None:
        """Lie on `widget`, on none with None."""
        place = self._home if widget is None else widget
        before = self.parentWidget()
        if before is not place:
            before.removeEventFilter(self)
            self.setParent(place)
        if widget is not None:
            widget.installEventFilter(self)
            self.setGeometry(widget.rect())
            self.raise_()
        self.setVisible(widget is not None)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Be as large as what is marked."""
        if event.type() == QEvent.Type.Resize and watched is self.parentWidget():
            self.setGeometry(self.parentWidget().rect())
        return False

    def paintEvent(self, _event: QPaintEvent) -> None:
        """Paint the line."""
        painter = QPainter(self)
        painter.setPen(self.color)
        painter.drawRect(self.rect().adjusted(0, 0, -1, -1))
        painter.end()


class DockFrame(QWidget):
    """`head` above `body`, or to its left. `paths_dropped` carries local paths, `widened` whether there are columns.

    `resized`: it has another size.
    """

    paths_dropped = Signal(list)
    widened = Signal(bool)
    resized = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAcceptDrops(True)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.head, self.body = QWidget(), QWidget()
        inner = QWidget()
        self._area = scrolling(inner)  # where the frame is lower than what is in it
        outer = QVBoxLayout(self)
        outer.setContentsMargins(0, 0, 0, 0)
        outer.addWidget(self._area)
        self._mark = _FocusMark(self)
        QApplication.instance().focusChanged.connect(self._focus_changed)
        self._columns = QBoxLayout(QBoxLayout.Direction.TopToBottom, inner)
        self._columns.setContentsMargins(6, 6, 6, 6)
        self._columns.setSpacing(8)
        self._columns.addWidget(self.head)
        self._columns.addWidget(self.body, 1)

    def fill(self, head: Sequence[QWidget], body: Sequence[QWidget]) -> None:
        """Put widgets into head and body; the last one of the body takes what room there is."""
        for widgets, place, spacing in ((head, self.head, 8), (body, self.body, -1)):
            layout = QVBoxLayout(place)
            layout.setContentsMargins(0, 0, 0, 0)
            layout.setSpacing(spacing)
            for widget in widgets:
                layout.addWidget(widget, int(place is self.body and widget is widgets[-1]))
            for turning in place.findChildren((QComboBox, QAbstractSpinBox, QTabBar)):
                turning.installEventFilter(self)

    def set_colors(self, colors: Colors) -> None:
        """Take the theme's colors."""
        self._mark.color = colors.accent
        self._mark.update()

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """A wheel that scrolls the frame does not turn what it comes over on its way."""
        bar = self._area.verticalScrollBar()
        if event.type() == QEvent.Type.Wheel and bar.maximum() and not watched.hasFocus():
            QApplication.sendEvent(bar, event)
            return True
        return bool(super().eventFilter(watched, event))

    def _focus_changed(self, _old: QWidget | None, new: QWidget | None) -> None:
        inside = new if new is not None and self.isAncestorOf(new) else None
        if inside is not None and not QApplication.mouseButtons():
            self._area.ensureWidgetVisible(inside, 0, 0)
        self._mark.mark(inside if isinstance(inside, _MARKED) else None)

    def sizeHint(self) -> QSize:
        """That of what is in the frame: a scroll area asks for more."""
        return self._columns.sizeHint()

    def minimumSizeHint(self) -> QSize:
        """Always that of the narrow frame: with that of two columns it could never become narrow again."""
        return QSize(*NARROWEST)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Two columns where the frame is wide and low, as below the canvas."""
        is_wide = self.width() >= WIDE and self.width() > 1.3 * self.height()
        directions = QBoxLayout.Direction
        self._columns.setDirection(directions.LeftToRight if is_wide else directions.TopToBottom)
        self._columns.setAlignment(self.head, Qt.AlignmentFlag.AlignTop if is_wide else Qt.AlignmentFlag(0))
        self.head.setMaximumWidth(HEAD if is_wide else 16_777_215)
        self.widened.emit(is_wide)
        self.resized.emit()
        super().resizeEvent(event)

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        """Take files and folders."""
        if event.mimeData().hasUrls():
            event.acceptProposedAction()

    def dropEvent(self, event: QDropEvent) -> None:
        """Tell what was dropped."""
        paths = [url.toLocalFile() for url in event.mimeData().urls() if url.isLocalFile()]
        if paths:
            event.acceptProposedAction()
            self.paths_dropped.emit(paths)
