"""The frame of the dock: a head above or beside a body. It accepts dropped files."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QEvent, QObject, QSize, Qt, QTimer, Signal
from qtpy.QtGui import QColor, QPainter
from qtpy.QtWidgets import (
    QAbstractButton,
    QAbstractItemView,
    QApplication,
    QBoxLayout,
    QComboBox,
    QLineEdit,
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

MINIMUM_SIZE = (316, 335)
_MARKED = (QAbstractButton, QComboBox, QAbstractItemView, QTabBar)
"""Widgets that do not show keyboard focus by themselves."""
WIDE, HEAD_WIDTH = 900, 400
"""Pixels: the minimum width of a frame with two columns, and the maximum width of its first column."""
FLAT, FLAT_WIDTH, FLAT_HEAD_WIDTH = 480, 640, 310
"""Pixels: the height below which a frame has two columns from a smaller width on, and the first one's width there."""
LOW = 800
"""Pixels: the height below which a frame leaves out what tooltips say too."""
SPACING, LOW_SPACING = 8, 4


class _FocusMark(QWidget):
    """A line around the widget with keyboard focus, which napari's style does not show.

    It is a child of that widget, so that it moves with it. A style sheet would slow down opening by half.
    """

    def __init__(self, home: QWidget) -> None:
        super().__init__(home)
        self._home, self.color = home, QColor()
        self.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        self.hide()

    def mark(self, widget: QWidget | None) -> None:
        """Mark `widget`; None removes the mark."""
        parent = self._home if widget is None else widget
        before = self.parentWidget()
        if before is not parent:
            before.removeEventFilter(self)
            self.setParent(parent)
        if widget is not None:
            widget.installEventFilter(self)
            self.setGeometry(widget.rect())
            self.raise_()
        self.setVisible(widget is not None)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Follow the size of the marked widget."""
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
    """A frame with `head` above `body`, or to its left.

    `paths_dropped` carries paths and URLs, and whether Shift was held, `widened` whether there are two columns,
    `lowered` whether there is little height.
    `resized` follows a change of size. `closed` follows the frame's removal from the window: napari does not delete a
    dock that is closed.
    """

    paths_dropped = Signal(list, bool)
    widened = Signal(bool)
    lowered = Signal(bool)
    resized = Signal()
    closed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        self._was_docked = parent is not None
        super().__init__(parent)
        self.setAcceptDrops(True)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.head, self.body = QWidget(), QWidget()
        inner = QWidget()
        self._area = scrolling(inner)  # for frames lower than their content
        outer = QVBoxLayout(self)
        outer.setContentsMargins(0, 0, 0, 0)
        outer.addWidget(self._area)
        self._mark = _FocusMark(self)
        QApplication.instance().focusChanged.connect(self._focus_changed)
        self._columns = QBoxLayout(QBoxLayout.Direction.TopToBottom, inner)
        self._columns.setContentsMargins(6, 6, 6, 6)
        self._columns.setSpacing(SPACING)
        self._columns.addWidget(self.head)
        self._columns.addWidget(self.body, 1)

    def event(self, event: QEvent) -> bool:
        """Emit `closed` when the frame loses its window for good; it may go to another one at once."""
        if event.type() == QEvent.Type.ParentChange:
            if self.parent() is not None:
                self._was_docked = True
            elif self._was_docked:
                QTimer(self, singleShot=True, timeout=self._check_closed).start()
        return bool(super().event(event))

    def _check_closed(self) -> None:
        if self.parent() is None and self._was_docked:
            self._was_docked = False
            self.closed.emit()

    def fill(self, head: Sequence[QWidget], body: Sequence[QWidget]) -> None:
        """Put widgets into head and body. The last widget of the body takes the remaining space."""
        for widgets, parent in ((head, self.head), (body, self.body)):
            layout = QVBoxLayout(parent)
            layout.setContentsMargins(0, 0, 0, 0)
            layout.setSpacing(SPACING)
            for widget in widgets:
                layout.addWidget(widget, int(parent is self.body and widget is widgets[-1]))
            for kind in (QComboBox, QLineEdit, QTabBar):  # PySide6 takes no tuple
                for wheeled in parent.findChildren(kind):
                    wheeled.installEventFilter(self)

    def set_colors(self, colors: Colors) -> None:
        """Take the theme's colors."""
        self._mark.color = colors.accent
        self._mark.update()

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Scroll the frame with the wheel instead of changing an unfocused widget under the mouse."""
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
        """Return the hint of the content: a scroll area would ask for more."""
        return self._columns.sizeHint()

    def minimumSizeHint(self) -> QSize:
        """Return the size of the narrow frame, so that a frame with two columns can become narrow again."""
        return QSize(*MINIMUM_SIZE)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Use two columns if the frame is wide and low, as below the canvas."""
        is_flat = self.height() < FLAT
        is_wide = self.width() >= (FLAT_WIDTH if is_flat else WIDE) and self.width() > 1.3 * self.height()
        directions = QBoxLayout.Direction
        self._columns.setDirection(directions.LeftToRight if is_wide else directions.TopToBottom)
        self._columns.setAlignment(self.head, Qt.AlignmentFlag.AlignTop if is_wide else Qt.AlignmentFlag(0))
        head_width = HEAD_WIDTH if self.width() >= WIDE else FLAT_HEAD_WIDTH
        self.head.setMaximumWidth(head_width if is_wide else 16_777_215)
        is_low = self.height() < LOW
        for layout in (self._columns, self.head.layout(), self.body.layout()):
            layout.setSpacing(LOW_SPACING if is_low else SPACING)
        self.widened.emit(is_wide)
        self.lowered.emit(is_low)
        self.resized.emit()
        super().resizeEvent(event)

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        """Accept files and folders."""
        if event.mimeData().hasUrls():
            event.acceptProposedAction()

    def dropEvent(self, event: QDropEvent) -> None:
        """Emit the dropped paths."""
        urls = event.mimeData().urls()
        paths = [url.toLocalFile() if url.isLocalFile() else url.toString() for url in urls]
        if paths:
            event.acceptProposedAction()
            self.paths_dropped.emit(paths, bool(event.modifiers() & Qt.KeyboardModifier.ShiftModifier))
