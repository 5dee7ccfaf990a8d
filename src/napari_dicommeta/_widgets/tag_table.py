"""The tag table: every tag of the folder, filtered by what is typed, with its values, presence and shape."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QAbstractTableModel, QModelIndex, QRect, Qt, Signal
from qtpy.QtWidgets import (
    QAbstractItemView,
    QCheckBox,
    QHeaderView,
    QLineEdit,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QTableView,
    QVBoxLayout,
    QWidget,
)

from napari_dicommeta._opening import SHAPE_BARS, TagRow, next_order
from napari_dicommeta.meaning import display

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from qtpy.QtGui import QPainter

    from napari_dicommeta._widgets.colours import Colours

__all__ = ["TagTable", "shown_rows"]

HEADERS = ("Tag", "Values", "Present", "Shape")


def shown_rows(rows: Sequence[TagRow], text: str, everything: bool) -> list[TagRow]:
    """The rows that match every word of `text`; without `everything`, only telling and not identifying ones.

    A filter that is typed looks through all tags: who writes a name wants to find it.
    """
    words = text.lower().split()
    if words:
        return [row for row in rows if all(word in f"{row.keyword} {row.name} {row.tag}".lower() for word in words)]
    return [row for row in rows if everything or (row.varies and not row.identifying)]


class _Model(QAbstractTableModel):
    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.rows: list[TagRow] = []

    def set_rows(self, rows: list[TagRow]) -> None:
        self.beginResetModel()
        self.rows = rows
        self.endResetModel()

    def rowCount(self, parent: QModelIndex | None = None) -> int:
        return 0 if parent is not None and parent.isValid() else len(self.rows)

    def columnCount(self, parent: QModelIndex | None = None) -> int:
        return 0 if parent is not None and parent.isValid() else len(HEADERS)

    def headerData(self, section: int, orientation: Qt.Orientation, role: int = 0) -> Any:
        if orientation == Qt.Orientation.Horizontal and role == Qt.ItemDataRole.DisplayRole:
            return HEADERS[section]
        return None

    def data(self, index: QModelIndex, role: int = 0) -> Any:
        row = self.rows[index.row()]
        if role == Qt.ItemDataRole.DisplayRole:
            *outer, innermost = row.keyword.split(".")
            return ("›" * len(outer) + innermost, f"{row.distinct:,}", f"{row.present:.0%}", "")[index.column()]
        if role == Qt.ItemDataRole.ToolTipRole:
            return display(
                f"{row.tag} {row.keyword} · {row.name} · VR {row.vr} · {row.distinct:,} values · in {row.present:.1%}"
            )
        if role == Qt.ItemDataRole.TextAlignmentRole and index.column() == 1:
            return Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
        if role == Qt.ItemDataRole.UserRole:
            return row
        return None


class _BarDelegate(QStyledItemDelegate):
    """Paints the presence bar and the little histogram."""

    colours: Colours | None = None

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: QModelIndex) -> None:
        super().paint(painter, option, index)
        row = index.data(Qt.ItemDataRole.UserRole)
        if self.colours is None or index.column() not in (2, 3) or row is None:
            return
        cell = option.rect.adjusted(4, 5, -4, -5)
        painter.save()
        painter.setPen(Qt.PenStyle.NoPen)
        if index.column() == 2:
            painter.setBrush(self.colours.foreground)
            painter.drawRect(cell)
            painter.setBrush(self.colours.muted)
            painter.drawRect(QRect(cell.x(), cell.y(), round(cell.width() * row.present), cell.height()))
        else:
            painter.setBrush(self.colours.muted)
            step = max(cell.width() // SHAPE_BARS, 3)
            for i, share in enumerate(row.shape):
                height = max(1, round(cell.height() * share))
                painter.drawRect(QRect(cell.x() + i * step, cell.bottom() - height + 1, step - 1, height))
        painter.restore()

    def displayText(self, value: Any, locale: Any) -> str:
        return "" if isinstance(value, str) and value.endswith("%") else str(value)


_SORT_KEYS: tuple[Callable[[TagRow], Any], ...] = (
    lambda row: row.keyword.rpartition(".")[2].lower(),
    lambda row: row.distinct,
    lambda row: row.present,
    lambda row: len(row.shape),
)


class TagTable(QWidget):
    """A filter field over the table of tags. `tag_selected` carries the chosen tag's keyword."""

    tag_selected = Signal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("dicommeta-tags")
        self.filter = QLineEdit()
        self.filter.setPlaceholderText("filter tags: window, 0028, spacing…")
        self.filter.setClearButtonEnabled(True)
        self.everything = QCheckBox("constant, unique and identifying tags too")
        self.table = QTableView()
        self.model = _Model(self)
        self.table.setModel(self.model)
        self.delegate = _BarDelegate(self.table)
        self.table.setItemDelegate(self.delegate)
        self.table.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.table.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.table.setShowGrid(False)
        self.table.setWordWrap(False)
        self.table.verticalHeader().hide()
        self.table.verticalHeader().setDefaultSectionSize(self.fontMetrics().height() + 6)
        header = self.table.horizontalHeader()
        header.setMinimumSectionSize(30)
        header.setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
        for column, width in ((1, 56), (2, 58), (3, 56)):
            header.setSectionResizeMode(column, QHeaderView.ResizeMode.Fixed)
            header.resizeSection(column, width)
        self.table.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 4, 0, 0)
        layout.setSpacing(4)
        layout.addWidget(self.filter)
        layout.addWidget(self.table, 1)
        layout.addWidget(self.everything)
        self._rows: tuple[TagRow, ...] = ()
        self._order: tuple[int, bool] | None = None
        header.setSectionsClickable(True)
        header.sectionClicked.connect(self.sort_by)
        self.filter.textChanged.connect(self._refresh)
        self.everything.toggled.connect(self._refresh)
        self.table.selectionModel().currentRowChanged.connect(self._row_changed)

    def set_colours(self, colours: Colours) -> None:
        """Repaint in the colours of a theme."""
        self.delegate.colours = colours
        self.table.viewport().update()

    def set_rows(self, rows: tuple[TagRow, ...]) -> None:
        """Show these tags; the chosen one stays chosen if it is among them."""
        self._rows = rows
        hidden = sum(not row.varies or row.identifying for row in rows)
        self.everything.setText(f"also {hidden} constant, unique or identifying tags")
        self._refresh()

    def sort_by(self, column: int) -> None:
        """Sort by a column, its largest first; again: turned round; a third time: in the order of the tags."""
        self._order = next_order(self._order, column, column > 0)
        header = self.table.horizontalHeader()
        header.setSortIndicatorShown(self._order is not None)
        if self._order is not None:
            order = Qt.SortOrder.DescendingOrder if self._order[1] else Qt.SortOrder.AscendingOrder
            header.setSortIndicator(column, order)
        self._refresh()

    def select(self, keyword: str) -> bool:
        """Choose the tag, if it is shown; whether it is. Emits nothing."""
        for i, row in enumerate(self.model.rows):
            if row.keyword == keyword:
                blocked = self.table.selectionModel().blockSignals(True)
                self.table.selectRow(i)
                self.table.selectionModel().blockSignals(blocked)
                self.table.viewport().update()
                return True
        return False

    def selected(self) -> str:
        """The chosen tag's keyword, "" if none is."""
        index = self.table.currentIndex()
        return self.model.rows[index.row()].keyword if index.isValid() else ""

    def _refresh(self) -> None:
        chosen = self.selected()
        rows = shown_rows(self._rows, self.filter.text(), self.everything.isChecked())
        if self._order is not None:
            column, descending = self._order
            rows.sort(key=_SORT_KEYS[column], reverse=descending)
        self.model.set_rows(rows)
        if chosen:
            self.select(chosen)

    def _row_changed(self, current: QModelIndex, _previous: QModelIndex) -> None:
        if current.isValid():
            self.tag_selected.emit(self.model.rows[current.row()].keyword)
