"""The series table: what is in the folder; double-click or Enter opens a series."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QAbstractTableModel, QModelIndex, Qt, Signal
from qtpy.QtWidgets import QAbstractItemView, QHeaderView, QLabel, QTableView, QVBoxLayout, QWidget

from napari_dicommeta._opening import next_order
from napari_dicommeta.meaning import display

if TYPE_CHECKING:
    from collections.abc import Callable

    from qtpy.QtGui import QColor

    from napari_dicommeta._opening import SeriesRow
    from napari_dicommeta._widgets.colours import Colours

__all__ = ["SeriesTable"]

HEADERS = ("Series", "Modality", "Images × rows × columns", "Notes that need a decision, or why it cannot be opened")
SHORT_HEADERS = ("Series", "", "Size", "Notes")


class _Model(QAbstractTableModel):
    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.rows: tuple[SeriesRow, ...] = ()
        self.warning: QColor | None = None

    def set_row(self, number: int, row: SeriesRow) -> None:
        self.rows = (*self.rows[:number], row, *self.rows[number + 1 :])
        self.dataChanged.emit(self.index(number, 0), self.index(number, len(HEADERS) - 1))

    def set_rows(self, rows: tuple[SeriesRow, ...]) -> None:
        self.beginResetModel()
        self.rows = rows
        self.endResetModel()

    def rowCount(self, parent: QModelIndex | None = None) -> int:
        return 0 if parent is not None and parent.isValid() else len(self.rows)

    def columnCount(self, parent: QModelIndex | None = None) -> int:
        return 0 if parent is not None and parent.isValid() else len(HEADERS)

    def headerData(self, section: int, orientation: Qt.Orientation, role: int = 0) -> Any:
        if orientation == Qt.Orientation.Horizontal and role == Qt.ItemDataRole.DisplayRole:
            return SHORT_HEADERS[section]
        if orientation == Qt.Orientation.Horizontal and role == Qt.ItemDataRole.ToolTipRole:
            return HEADERS[section]
        return None

    def data(self, index: QModelIndex, role: int = 0) -> Any:
        row = self.rows[index.row()]
        if role == Qt.ItemDataRole.DisplayRole:
            texts = (("● " if row.is_open else "") + row.name, row.modality, row.extent, row.badge)
            return display(texts[index.column()])
        if role == Qt.ItemDataRole.TextAlignmentRole and index.column() == 3:
            return Qt.AlignmentFlag.AlignCenter
        if role == Qt.ItemDataRole.ForegroundRole and index.column() == 3:
            return self.warning
        if role == Qt.ItemDataRole.ToolTipRole:
            what = row.reason or (
                "open; double-click opens it again" if row.is_open else "double-click or Enter opens it"
            )
            lines = [f"{row.name} · {row.size} · {what}", *(f"– {note}" for note in row.notes or ())]
            return "\n".join(html.escape(display(line, 300)) for line in lines)
        return None


_SORT_KEYS: tuple[Callable[[SeriesRow], Any], ...] = (
    lambda row: row.name.lower(),
    lambda row: row.modality,
    lambda row: row.files if row.matches is None else row.matches,
    lambda row: (bool(row.reason), row.problems),
)


class SeriesTable(QWidget):
    """The table. `series_activated` carries the number of the series that was double-clicked or chosen with Enter."""

    series_activated = Signal(int)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("dicommeta-series")
        self.table = QTableView()
        self.model = _Model(self)
        self.table.setModel(self.model)
        self.table.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.table.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.table.setShowGrid(False)
        self.table.setWordWrap(False)
        self.table.verticalHeader().hide()
        self.table.verticalHeader().setDefaultSectionSize(self.fontMetrics().height() + 8)
        self.table.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        header = self.table.horizontalHeader()
        header.setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
        for column in (1, 2, 3):
            header.setSectionResizeMode(column, QHeaderView.ResizeMode.ResizeToContents)
        self._rows: tuple[SeriesRow, ...] = ()
        self._order: tuple[int, bool] | None = None
        header.setSectionsClickable(True)
        header.sectionClicked.connect(self.sort_by)
        self.table.selectionModel().currentRowChanged.connect(lambda index, _: self._show_notes(index.row()))
        self.table.activated.connect(lambda index: self.series_activated.emit(self.model.rows[index.row()].number))
        self.empty = QLabel("Drop a folder or files of DICOM here, or use Open…")
        self.empty.setTextFormat(Qt.TextFormat.PlainText)
        self.empty.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.empty.setWordWrap(True)
        self.notes = QLabel("")
        self.notes.setTextFormat(Qt.TextFormat.PlainText)
        self.notes.setWordWrap(True)
        self.notes.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.notes.hide()
        self.problems = QLabel("")
        self.problems.setTextFormat(Qt.TextFormat.PlainText)
        self.problems.setWordWrap(True)
        self.problems.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 4, 0, 0)
        layout.addWidget(self.empty, 1)
        layout.addWidget(self.table, 1)
        layout.addWidget(self.notes)
        layout.addWidget(self.problems)
        self.set_rows(())
        self.set_problems((), 0)

    def set_rows(self, rows: tuple[SeriesRow, ...]) -> None:
        """Show these series; the one that was chosen stays so where it is among them."""
        at = self.table.currentIndex().row()
        chosen = self.model.rows[at].number if 0 <= at < len(self.model.rows) else None
        self._rows = rows
        if self._order is not None:
            column, descending = self._order
            rows = tuple(sorted(rows, key=_SORT_KEYS[column], reverse=descending))
        self.model.set_rows(rows)
        if chosen is not None:
            self.select(chosen)
        self.table.setVisible(bool(rows))
        self.empty.setVisible(not rows)

    def set_row(self, row: SeriesRow) -> None:
        """Show one series anew, told by its number, if it is among those shown."""
        at = next((i for i, one in enumerate(self.model.rows) if one.number == row.number), None)
        if at is not None:
            self.model.set_row(at, row)
            if self.table.currentIndex().row() == at:
                self._show_notes(at)

    def select(self, number: int) -> None:
        """Mark the series of this number, if it is among those shown."""
        at = next((i for i, one in enumerate(self.model.rows) if one.number == number), None)
        if at is not None and self.table.currentIndex().row() != at:
            self.table.selectRow(at)

    def set_colours(self, colours: Colours) -> None:
        """Take the theme's colours."""
        self.model.warning = colours.warning
        self.table.viewport().update()

    def _show_notes(self, number: int) -> None:
        """The notes of the chosen series below the table."""
        row = self.model.rows[number] if 0 <= number < len(self.model.rows) else None
        lines = ([row.reason] if row.reason else list(row.notes or ())) if row is not None else []
        self.notes.setVisible(bool(lines))
        shown = [f"– {display(line, 300)}" for line in lines[:6]]
        if len(lines) > 6:
            shown.append(f"… and {len(lines) - 6} more")
        self.notes.setText("\n".join(shown))

    def sort_by(self, column: int) -> None:
        """Sort by a column; again: turned round; a third time: those with most images first."""
        self._order = next_order(self._order, column, column > 1)
        header = self.table.horizontalHeader()
        header.setSortIndicatorShown(self._order is not None)
        if self._order is not None:
            order = Qt.SortOrder.DescendingOrder if self._order[1] else Qt.SortOrder.AscendingOrder
            header.setSortIndicator(column, order)
        self.set_rows(self._rows)

    def set_empty_text(self, text: str) -> None:
        """What to say while there is no series."""
        self.empty.setText(display(text, 600).replace("\\n", "\n"))

    def set_problems(self, problems: tuple[str, ...], total: int) -> None:
        """Show the first problems of the source, and how many there are in all."""
        self.problems.setVisible(bool(problems))
        lines = [display(problem) for problem in problems[:4]]
        if total > len(lines):
            lines.append(f"… and {total - len(lines):,} more files that are not shown")
        self.problems.setText("\n".join(lines))
        self.problems.setToolTip("\n".join(display(problem) for problem in problems[:40]))
