"""The series table: what is in the folder; double-click or Enter opens a series."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from qtpy.QtCore import QAbstractTableModel, QModelIndex, Qt, Signal
from qtpy.QtWidgets import QAbstractItemView, QHeaderView, QLabel, QTableView, QVBoxLayout, QWidget

from napari_dicommeta.meaning import display

__all__ = ["SeriesRow", "SeriesTable"]

HEADERS = ("Series", "Modality", "Images × rows × columns")
SHORT_HEADERS = ("Series", "", "Size")


@dataclass(frozen=True, slots=True)
class SeriesRow:
    """One line: the series' name, modality and size; why it cannot be opened, and whether it is open."""

    name: str
    modality: str
    size: str
    reason: str = ""
    is_open: bool = False


class _Model(QAbstractTableModel):
    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.rows: tuple[SeriesRow, ...] = ()

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
            return display((("● " if row.is_open else "") + row.name, row.modality, row.size)[index.column()])
        if role == Qt.ItemDataRole.ToolTipRole:
            what = row.reason or (
                "open; double-click opens it again" if row.is_open else "double-click or Enter opens it"
            )
            return display(f"{row.name} · {row.size} · {what}")
        return None


class SeriesTable(QWidget):
    """The table. `series_activated` carries the row that was double-clicked or chosen with Enter."""

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
        for column in (1, 2):
            header.setSectionResizeMode(column, QHeaderView.ResizeMode.ResizeToContents)
        self.table.activated.connect(lambda index: self.series_activated.emit(index.row()))
        self.empty = QLabel("Drop a folder or files of DICOM here, or use Open…")
        self.empty.setTextFormat(Qt.TextFormat.PlainText)
        self.empty.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.empty.setWordWrap(True)
        self.problems = QLabel("")
        self.problems.setTextFormat(Qt.TextFormat.PlainText)
        self.problems.setWordWrap(True)
        self.problems.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 4, 0, 0)
        layout.addWidget(self.empty, 1)
        layout.addWidget(self.table, 1)
        layout.addWidget(self.problems)
        self.set_rows(())
        self.set_problems((), 0)

    def set_rows(self, rows: tuple[SeriesRow, ...]) -> None:
        """Show these series."""
        self.model.set_rows(rows)
        self.table.setVisible(bool(rows))
        self.empty.setVisible(not rows)

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
