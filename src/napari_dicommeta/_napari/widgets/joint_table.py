"""The cross-tabulation of two tags: a table of counts whose cells filter the files."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QAbstractTableModel, QEvent, QModelIndex, QObject, QRect, Qt, Signal
from qtpy.QtWidgets import QHeaderView, QStyle, QStyledItemDelegate, QStyleOptionViewItem, QTableView, QWidget

from napari_dicommeta._napari.keys import CHOOSE
from napari_dicommeta._napari.widgets.colors import heat, readable_on
from napari_dicommeta._napari.widgets.labels import tip
from napari_dicommeta.support.words import counted, display

if TYPE_CHECKING:
    from qtpy.QtGui import QPainter

    from napari_dicommeta._napari.widgets.colors import Colors
    from napari_dicommeta.analysis.histogram import Joint

__all__ = ["JointTable"]

_CHOOSING = tuple(getattr(Qt.Key, f"Key_{name}") for name in CHOOSE)


def _shown(text: str | None) -> str:
    return "(absent)" if text is None else display(text, 40) or "(empty)"


class _Model(QAbstractTableModel):
    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.joint: Joint | None = None

    def set_joint(self, joint: Joint | None) -> None:
        self.beginResetModel()
        self.joint = joint
        self.endResetModel()

    def rowCount(self, parent: QModelIndex | None = None) -> int:
        return 0 if self.joint is None or (parent is not None and parent.isValid()) else len(self.joint.rows)

    def columnCount(self, parent: QModelIndex | None = None) -> int:
        return 0 if self.joint is None or (parent is not None and parent.isValid()) else len(self.joint.columns)

    def headerData(self, section: int, orientation: Qt.Orientation, role: int = 0) -> Any:
        if self.joint is None:
            return None
        is_row = orientation == Qt.Orientation.Vertical
        texts, path = (self.joint.rows, self.joint.paths[0]) if is_row else (self.joint.columns, self.joint.paths[1])
        if role == Qt.ItemDataRole.DisplayRole and section < len(texts):
            return _shown(texts[section])
        if role == Qt.ItemDataRole.ToolTipRole and section < len(texts):
            return tip(display(f"{path.keyword} = {_shown(texts[section])}"))
        return None

    def data(self, index: QModelIndex, role: int = 0) -> Any:
        if self.joint is None:
            return None
        files = self.joint.counts[index.row()][index.column()]
        if role == Qt.ItemDataRole.DisplayRole:
            return f"{files:,}" if files else ""
        if role == Qt.ItemDataRole.UserRole:
            return files
        if role == Qt.ItemDataRole.ToolTipRole:
            first, second = (path.keyword for path in self.joint.paths)
            row, column = _shown(self.joint.rows[index.row()]), _shown(self.joint.columns[index.column()])
            hint = " · click to filter to these files" if files else ""
            return tip(display(f"{first} = {row}, {second} = {column}: {counted(files, 'file')}", 300) + hint)
        return None


class _Delegate(QStyledItemDelegate):
    """Paints each count on a background whose color grows with the square root of its share of the largest count."""

    colors: Colors | None = None
    most = 1
    chosen: frozenset[tuple[int, int]] = frozenset()

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: QModelIndex) -> None:
        if self.colors is None:
            return
        files, colors = index.data(Qt.ItemDataRole.UserRole) or 0, self.colors
        ground = colors.foreground
        painter.save()
        if files:
            ground = heat(colors, files / self.most)
            painter.fillRect(option.rect.adjusted(1, 1, 0, 0), ground)
        if (index.row(), index.column()) in self.chosen or option.state & QStyle.StateFlag.State_Selected:
            painter.setPen(colors.text)
            painter.drawRect(option.rect.adjusted(1, 1, -2, -2))
        painter.setPen(readable_on(ground))
        place = QRect(option.rect).adjusted(2, 0, -4, 0)
        align = Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignRight
        painter.drawText(place, align, index.data(Qt.ItemDataRole.DisplayRole) or "")
        painter.restore()


class JointTable(QTableView):
    """The table. `pair_activated` carries the two values of a clicked cell; Enter does the same."""

    pair_activated = Signal(object, object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("dicommeta-joint")
        self.cells = _Model(self)
        self.setModel(self.cells)
        self.delegate = _Delegate(self)
        self.setItemDelegate(self.delegate)
        self.setShowGrid(False)
        self.setTabKeyNavigation(False)
        self.setSelectionMode(QTableView.SelectionMode.SingleSelection)
        self.setMinimumHeight(60)
        self.setCornerButtonEnabled(False)
        self.verticalHeader().setDefaultSectionSize(self.fontMetrics().height() + 6)
        self.verticalHeader().setMaximumWidth(130)
        self.verticalHeader().setTextElideMode(Qt.TextElideMode.ElideMiddle)
        header = self.horizontalHeader()
        header.setDefaultSectionSize(self.fontMetrics().horizontalAdvance("000,000") + 14)
        header.setSectionResizeMode(QHeaderView.ResizeMode.Interactive)
        header.setTextElideMode(Qt.TextElideMode.ElideMiddle)
        self.clicked.connect(self._activated)
        self.installEventFilter(self)

    def set_colors(self, colors: Colors) -> None:
        """Take the theme's colors."""
        self.delegate.colors = colors
        self.viewport().update()

    def set_joint(self, joint: Joint | None, chosen: frozenset[tuple[str | None, str | None]] = frozenset()) -> None:
        """Show a table without a signal, and mark the pairs of the filter."""
        self.delegate.most = max((max(line) for line in joint.counts), default=1) or 1 if joint is not None else 1
        self.delegate.chosen = frozenset(
            (r, c)
            for r, row in enumerate(joint.rows if joint is not None else ())
            for c, column in enumerate(joint.columns if joint is not None else ())
            if (row, column) in chosen
        )
        at, before = self.currentIndex(), self.cells.joint
        current = (before.rows[at.row()], before.columns[at.column()]) if before is not None and at.isValid() else None
        self.cells.set_joint(joint)
        if joint is not None and current is not None and current[0] in joint.rows and current[1] in joint.columns:
            self.setCurrentIndex(self.cells.index(joint.rows.index(current[0]), joint.columns.index(current[1])))

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Activate the current cell with Enter and Space too."""
        if watched is self and event.type() == QEvent.Type.KeyPress and event.key() in _CHOOSING:
            self._activated(self.currentIndex())
            return True
        return bool(super().eventFilter(watched, event))

    def _activated(self, index: QModelIndex) -> None:
        joint = self.cells.joint
        if joint is not None and index.isValid() and joint.counts[index.row()][index.column()]:
            self.pair_activated.emit(joint.rows[index.row()], joint.columns[index.column()])
