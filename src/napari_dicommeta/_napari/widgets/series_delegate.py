"""Painting of the series tree: heads of studies, series in two lines with a picture, and volumes in one line."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QEvent, QModelIndex, QObject, QPoint, QPointF, QRect, QSize, Qt
from qtpy.QtGui import QColor, QPainter, QPolygonF
from qtpy.QtWidgets import QStyle, QStyledItemDelegate, QStyleOptionViewItem, QTreeView, QWidget

from napari_dicommeta._napari.widgets.series_sign import paint_sign
from napari_dicommeta.support.words import display

if TYPE_CHECKING:
    from qtpy.QtGui import QPaintEvent

    from napari_dicommeta._napari.tasks.rows import Branch, SeriesRow
    from napari_dicommeta._napari.widgets.colors import Colors

__all__ = ["ARROW_WIDTH", "PICTURE_SIDE", "SeriesDelegate", "StickyHead"]

PICTURE_SIDE = 36
"""Pixels of the picture of a series."""
ARROW_WIDTH, MARGIN = 16, 4
"""Pixels left of the pictures, for the arrows of heads and of series with volumes; and between texts."""
_LEFT = Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignLeft
_RIGHT = Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignRight


class SeriesDelegate(QStyledItemDelegate):
    """Paints the branches. The least important text is elided: first the second line, then the name in its middle."""

    colors: Colors | None = None

    def sizeHint(self, option: QStyleOptionViewItem, index: QModelIndex) -> QSize:
        """Return two lines and the picture for a series, one line for everything else."""
        branch: Branch = index.data(Qt.ItemDataRole.UserRole)
        line = option.fontMetrics.height()
        return QSize(50, max(2 * line + 2 * MARGIN, PICTURE_SIDE + MARGIN) if branch.kind == "series" else line + 6)

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: QModelIndex) -> None:
        """Paint a branch."""
        branch, colors = index.data(Qt.ItemDataRole.UserRole), self.colors
        if colors is None:
            return
        painter.save()
        if option.state & QStyle.StateFlag.State_Selected:
            painter.fillRect(option.rect, colors.selection)
        elif option.state & QStyle.StateFlag.State_MouseOver and branch.row is not None:
            painter.fillRect(option.rect, colors.foreground)
        if branch.below:
            self._paint_arrow(painter, option, index, colors)
        if branch.kind == "series" and branch.row is not None:
            self._paint_series(painter, option, index, branch.row, colors)
        else:
            is_head = branch.row is None
            painter.setPen(colors.faint if is_head else colors.text)
            left = ARROW_WIDTH if is_head else ARROW_WIDTH + PICTURE_SIDE + 2 * MARGIN
            place = option.rect.adjusted(left, 0, -MARGIN, 0)
            _text(painter, option, place, index.data(), Qt.TextElideMode.ElideMiddle)
        painter.restore()

    def _paint_arrow(self, painter: QPainter, option: QStyleOptionViewItem, index: QModelIndex, colors: Colors) -> None:
        view = self.parent()
        is_open = isinstance(view, QTreeView) and view.isExpanded(index)
        center = QPointF(option.rect.x() + ARROW_WIDTH / 2, option.rect.center().y() + 0.5)
        corners = ((-4, -2), (4, -2), (0, 3)) if is_open else ((-2, -4), (3, 0), (-2, 4))
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(colors.faint)
        painter.drawPolygon(QPolygonF([center + QPointF(x, y) for x, y in corners]))

    def _paint_series(
        self, painter: QPainter, option: QStyleOptionViewItem, index: QModelIndex, row: SeriesRow, colors: Colors
    ) -> None:
        rect, metrics = option.rect, option.fontMetrics
        left, top = rect.x() + ARROW_WIDTH, rect.y() + (rect.height() - PICTURE_SIDE) // 2
        square = QRect(left, top, PICTURE_SIDE, PICTURE_SIDE)
        picture = index.data(Qt.ItemDataRole.DecorationRole)
        painter.fillRect(square, QColor("black") if picture is not None else colors.foreground)
        if picture is not None:
            place = QRect(QPoint(0, 0), picture.deviceIndependentSize().toSize())
            place.moveCenter(square.center())
            painter.drawPixmap(place, picture)
        elif not row.has_pictures or row.reason:
            paint_sign(painter, square, row.modality, colors.faint)
        lines = QRect(square.right() + 2 * MARGIN, rect.y(), 0, metrics.height())
        lines.setRight(rect.right() - MARGIN)
        lines.moveTop(rect.y() + rect.height() // 2 - metrics.height())
        name = QRect(lines)
        if row.extent:
            painter.setPen(colors.accent)
            _text(painter, option, lines, row.extent, Qt.TextElideMode.ElideLeft, _RIGHT)
            name.setRight(lines.right() - metrics.horizontalAdvance(row.extent) - 2 * MARGIN)
        painter.setPen(colors.faint if row.reason and not row.is_open else colors.text)
        _text(painter, option, name, index.data(), Qt.TextElideMode.ElideMiddle)
        lines.moveTop(lines.bottom() + 1)
        if row.badge:
            painter.setPen(colors.error if row.reason and not row.is_open else colors.warning)
            _text(painter, option, lines, row.badge, Qt.TextElideMode.ElideRight, _RIGHT)
            lines.setRight(lines.right() - metrics.horizontalAdvance(row.badge) - 2 * MARGIN)
        painter.setPen(colors.faint)
        fits = (line for line in row.lines if metrics.horizontalAdvance(line) <= lines.width())
        _text(painter, option, lines, display(next(fits, row.lines[-1])), Qt.TextElideMode.ElideRight)


def _text(
    painter: QPainter,
    option: QStyleOptionViewItem,
    place: QRect,
    text: str,
    elide: Qt.TextElideMode,
    align: Qt.AlignmentFlag = _LEFT,
) -> None:
    painter.drawText(place, align, option.fontMetrics.elidedText(text, elide, max(place.width(), 0)))


class StickyHead(QWidget):
    """The head of the study whose rows are at the top of the tree, while the head itself is scrolled out of sight."""

    def __init__(self, tree: QTreeView) -> None:
        super().__init__(tree.viewport())
        self._tree, self.text = tree, ""
        self.colors: Colors | None = None
        self.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        tree.verticalScrollBar().valueChanged.connect(self.follow)
        tree.viewport().installEventFilter(self)
        self.hide()

    def follow(self, _value: int = 0) -> None:
        """Show the head of the topmost row."""
        tree = self._tree
        top = tree.indexAt(tree.viewport().rect().topLeft())
        head = top
        while head.isValid() and head.parent().isValid():
            head = head.parent()
        is_above = head.isValid() and head != top and tree.isExpanded(head)
        branch = head.data(Qt.ItemDataRole.UserRole) if is_above else None
        self.text = display(branch.text) if branch is not None and branch.row is None else ""
        self.setVisible(bool(self.text))
        self.setGeometry(0, 0, tree.viewport().width(), self.fontMetrics().height() + 6)
        self.update()

    def eventFilter(self, _watched: QObject, event: QEvent) -> bool:
        """Follow the size of the tree."""
        if event.type() == QEvent.Type.Resize:
            self.follow()
        return False

    def paintEvent(self, _event: QPaintEvent) -> None:
        """Paint the text on an opaque ground with a line below."""
        if self.colors is None:
            return
        painter = QPainter(self)
        painter.fillRect(self.rect(), self.colors.foreground)
        painter.setPen(self.colors.faint)
        place = self.rect().adjusted(ARROW_WIDTH, 0, -MARGIN, 0)
        painter.drawText(
            place, _LEFT, self.fontMetrics().elidedText(self.text, Qt.TextElideMode.ElideMiddle, place.width())
        )
        painter.end()
