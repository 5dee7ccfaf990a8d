"""The series tree: patient, study, series, volume. Double-click or Enter opens the selection."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QAbstractItemModel, QItemSelectionModel, QModelIndex, Qt, Signal
from qtpy.QtWidgets import (
    QAbstractItemView,
    QApplication,
    QCheckBox,
    QHBoxLayout,
    QHeaderView,
    QLabel,
    QPushButton,
    QTreeView,
    QVBoxLayout,
    QWidget,
)

from napari_dicommeta._napari.tasks.rows import Branch, is_worth_grouping, next_order, series_branch, tree_of
from napari_dicommeta._napari.widgets.labels import WHAT_TO_DO, paragraph, tip
from napari_dicommeta.support.words import display

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from qtpy.QtGui import QColor

    from napari_dicommeta._napari.tasks.rows import SeriesRow
    from napari_dicommeta._napari.widgets.colors import Colors

__all__ = ["SeriesTree"]

HEADERS = ("Series", "Modality", "Images × rows × columns", "Notes that need a decision (×: cannot be opened)")
SHORT_HEADERS = ("Series", "", "Size", "Notes")
LONG_SIZE = "600 × 512 × 512"
MAX_EXPANDED = 60
"""Trees with more patients start collapsed."""


@dataclass(slots=True)
class _Node:
    """A branch with the number of its parent node, -1 at the top, its row there, and the numbers of its children."""

    branch: Branch
    parent: int
    place: int
    below: list[int] = field(default_factory=list)


class _Model(QAbstractItemModel):
    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.nodes: list[_Node] = []
        self.top: list[int] = []
        self.of_series: dict[int, int] = {}
        self.warning: QColor | None = None
        self.faint: QColor | None = None

    @property
    def rows(self) -> tuple[SeriesRow, ...]:
        """The series shown, in their order."""
        return tuple(self.nodes[n].branch.row for n in self.of_series.values())  # type: ignore[misc]

    def set_branches(self, branches: tuple[Branch, ...]) -> None:
        self.beginResetModel()
        self.nodes, self.of_series = [], {}
        self.top = [self._add(branch, -1, place) for place, branch in enumerate(branches)]
        self.endResetModel()

    def _add(self, branch: Branch, parent: int, place: int) -> int:
        number = len(self.nodes)
        self.nodes.append(_Node(branch, parent, place))
        if branch.kind == "series" and branch.row is not None:
            self.of_series[branch.row.number] = number
        self.nodes[number].below = [self._add(child, number, i) for i, child in enumerate(branch.below)]
        return number

    def set_row(self, row: SeriesRow) -> None:
        """Update a series and its volumes."""
        number = self.of_series.get(row.number)
        if number is None:
            return
        node, branch = self.nodes[number], series_branch(row)
        index = self.createIndex(node.place, 0, number)
        if len(branch.below) != len(node.below):
            if node.below:
                self.beginRemoveRows(index, 0, len(node.below) - 1)
                node.below = []
                self.endRemoveRows()
            if branch.below:
                self.beginInsertRows(index, 0, len(branch.below) - 1)
                node.below = [self._add(child, number, i) for i, child in enumerate(branch.below)]
                self.endInsertRows()
        node.branch = branch
        for below, child in zip(node.below, branch.below, strict=True):
            self.nodes[below].branch = child
        self.dataChanged.emit(index, self.createIndex(node.place, len(HEADERS) - 1, number))

    def with_branches_below(self) -> Iterator[tuple[QModelIndex, Branch]]:
        """Yield the branches with children."""
        for number, node in enumerate(self.nodes):
            if node.below:
                yield self.createIndex(node.place, 0, number), node.branch

    def index_of(self, series: int) -> QModelIndex:
        number = self.of_series.get(series)
        return QModelIndex() if number is None else self.createIndex(self.nodes[number].place, 0, number)

    def index(self, row: int, column: int, parent: QModelIndex | None = None) -> QModelIndex:
        below = self.top if parent is None or not parent.isValid() else self.nodes[parent.internalId()].below
        return self.createIndex(row, column, below[row]) if 0 <= row < len(below) else QModelIndex()

    def parent(self, index: QModelIndex | None = None) -> QModelIndex:
        if index is None or not index.isValid():
            return QModelIndex()
        above = self.nodes[index.internalId()].parent
        return QModelIndex() if above < 0 else self.createIndex(self.nodes[above].place, 0, above)

    def rowCount(self, parent: QModelIndex | None = None) -> int:
        if parent is None or not parent.isValid():
            return len(self.top)
        return 0 if parent.column() else len(self.nodes[parent.internalId()].below)

    def columnCount(self, _parent: QModelIndex | None = None) -> int:
        return len(HEADERS)

    def headerData(self, section: int, orientation: Qt.Orientation, role: int = 0) -> Any:
        if orientation == Qt.Orientation.Horizontal and role == Qt.ItemDataRole.DisplayRole:
            return SHORT_HEADERS[section]
        if orientation == Qt.Orientation.Horizontal and role == Qt.ItemDataRole.ToolTipRole:
            return tip(f"{HEADERS[section]} · click to sort")
        return None

    def data(self, index: QModelIndex, role: int = 0) -> Any:
        branch, column = self.nodes[index.internalId()].branch, index.column()
        row = branch.row
        if role == Qt.ItemDataRole.DisplayRole:
            if branch.kind != "series" or row is None:
                is_open = row is not None and branch.text in row.open_volumes
                return ("● " if is_open else "") + display(branch.text) if column == 0 else ""
            texts = (("● " if row.is_open else "") + row.name, row.modality, row.extent, row.badge)
            return display(texts[column])
        if role == Qt.ItemDataRole.TextAlignmentRole and column == 3:
            return Qt.AlignmentFlag.AlignCenter
        if role == Qt.ItemDataRole.ForegroundRole:
            return self.warning if column == 3 else self.faint if branch.kind in ("patient", "study") else None
        if role == Qt.ItemDataRole.ToolTipRole:
            if row is None:
                return tip(display(f"{branch.kind.capitalize()} {branch.text}"))
            if branch.kind == "volume":
                return tip(display(f"{branch.text} · double-click or press Enter to open only this volume"))
            state = "open" if row.is_open else row.reason or "double-click or press Enter to open"
            reason = [f"– {row.reason}"] if row.is_open and row.reason else []
            lines = [f"{row.name} · {row.size} · {state}", f"{row.patient} · {row.study}", *reason]
            lines += [f"– {note}" for note in row.notes or () if note != row.reason]
            return tip("\n".join(display(line, 300) for line in lines))
        return None


def _series_of(branches: Sequence[Branch]) -> Iterator[int]:
    """Yield the numbers of the series of these branches, in their order."""
    for branch in branches:
        if branch.kind == "series" and branch.row is not None:
            yield branch.row.number
        yield from _series_of(branch.below)


_SORT_KEYS: tuple[Callable[[SeriesRow], Any], ...] = (
    lambda row: row.name.lower(),
    lambda row: row.modality,
    lambda row: row.files if row.matches is None else row.matches,
    lambda row: (bool(row.reason), row.problems),
)


class SeriesTree(QWidget):
    """The tree, with the notes of the current series below it and buttons for its offers.

    `series_activated` carries (number of the series, number of its volume or None) for each opened row, and whether
    Shift was held. `series_clicked` carries the numbers of the series and of the volume, or None, that are clicked.
    `offer_chosen` carries the number of the series and the `Offer`, `chosen_changed` the numbers of the selected
    series, `grouping_toggled` whether series are grouped by patient.
    """

    series_activated = Signal(tuple, bool)
    series_clicked = Signal(int, object)
    offer_chosen = Signal(int, object)
    chosen_changed = Signal(tuple)
    grouping_toggled = Signal(bool)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("dicommeta-series")
        self.model = _Model(self)
        self.table = self._tree()
        self.by_patient = QCheckBox("Group by patient and study")
        self.by_patient.setToolTip("Show series below their patients and studies, or as a flat list")
        self.by_patient.setChecked(True)
        self.by_patient.toggled.connect(self._grouping_changed)
        self.empty = self._text()
        self.empty.setText(WHAT_TO_DO)
        self.empty.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.notes, self.problems = self._text(), self._text()
        for label in (self.notes, self.problems):
            label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.notes.hide()
        self.offer_line = QWidget()
        self._offer_layout = QHBoxLayout(self.offer_line)
        self._offer_layout.setContentsMargins(0, 0, 0, 0)
        self._offer_layout.addStretch(1)
        self.offer_buttons: list[QPushButton] = []
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 4, 0, 0)
        for widget, stretch in (
            (self.empty, 1),
            (self.by_patient, 0),
            (self.table, 1),
            (self.notes, 0),
            (self.offer_line, 0),
            (self.problems, 0),
        ):
            layout.addWidget(widget, stretch)
        self._rows: tuple[SeriesRow, ...] = ()
        self._hidden: tuple[int, ...] = ()
        """Selected series that a filter hides."""
        self._is_worth_grouping = False
        self._order: tuple[int, bool] | None = None
        self.set_rows(())
        self.set_problems((), 0)

    def _tree(self) -> QTreeView:
        tree = QTreeView()
        tree.setModel(self.model)
        tree.setUniformRowHeights(True)
        tree.setIndentation(8)
        tree.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        tree.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        tree.setExpandsOnDoubleClick(False)
        tree.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        header = tree.header()
        header.setStretchLastSection(False)
        header.setMinimumSectionSize(24)
        header.setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
        for column in (1, 2, 3):
            header.setSectionResizeMode(column, QHeaderView.ResizeMode.Fixed)
        header.setSectionsClickable(True)
        header.sectionClicked.connect(self.sort_by)
        tree.selectionModel().currentRowChanged.connect(lambda index, _: self._show_notes(index))
        tree.selectionModel().selectionChanged.connect(self._selection_changed)
        tree.setTextElideMode(Qt.TextElideMode.ElideMiddle)
        tree.activated.connect(self._activated)
        tree.clicked.connect(self._clicked)
        return tree

    def _text(self) -> QLabel:
        label = QLabel("")
        label.setTextFormat(Qt.TextFormat.PlainText)
        label.setWordWrap(True)
        return label

    def set_rows(self, rows: tuple[SeriesRow, ...], among: Sequence[SeriesRow] | None = None) -> None:
        """Show these series. Grouping depends on all series of the source, `among`.

        Selected series stay selected, even while a filter hides them.
        """
        self._rows = rows
        self._is_worth_grouping = is_worth_grouping(rows if among is None else among)
        self._refresh()

    def _refresh(self) -> None:
        rows, chosen = self._rows, self.chosen()
        self.by_patient.setVisible(self._is_worth_grouping and bool(rows))
        branches = self._branches()
        grouped = any(branch.kind == "patient" for branch in branches)
        model = self.table.selectionModel()
        folded, current = self._folded(), self.table.currentIndex()
        at = self.model.nodes[current.internalId()].branch if current.isValid() else None
        blocked = model.blockSignals(True)
        self.model.set_branches(branches)
        self.table.setRootIsDecorated(grouped or any(branch.below for branch in branches))
        if len(branches) <= MAX_EXPANDED and self.table.rootIsDecorated():
            self.table.expandAll()
        for index, branch in self.model.with_branches_below():
            if (branch.kind, branch.text) in folded:
                self.table.setExpanded(index, False)
        for number in chosen:
            self._mark(number)
        if at is not None and at.row is not None and at.volume is not None:
            volume = self.model.index(at.volume, 0, self.model.index_of(at.row.number))
            if volume.isValid() and volume.parent().isValid():
                self._mark_only(volume)
        model.blockSignals(blocked)
        self._hidden = tuple(number for number in chosen if number not in self.model.of_series)
        for place, branch in enumerate(branches):
            if branch.kind == "patient":
                self.table.setFirstColumnSpanned(place, QModelIndex(), True)
                for i in range(len(branch.below)):
                    self.table.setFirstColumnSpanned(i, self.model.index(place, 0), True)
        self._fit_columns(rows)
        self.table.setVisible(bool(rows))
        self.empty.setVisible(not rows)
        self._show_notes(self.table.currentIndex())

    def _branches(self) -> tuple[Branch, ...]:
        """Return the branches to show, in their order."""
        rows = self._rows
        if self._order is not None:
            column, descending = self._order
            rows = tuple(sorted(rows, key=_SORT_KEYS[column], reverse=descending))
        return tree_of(rows, self.by_patient.isChecked() and self._is_worth_grouping)

    def _folded(self) -> set[tuple[str, str]]:
        """Return the collapsed branches, by kind and text."""
        below = self.model.with_branches_below()
        return {(branch.kind, branch.text) for index, branch in below if not self.table.isExpanded(index)}

    def _fit_columns(self, rows: tuple[SeriesRow, ...]) -> None:
        """Fit the columns to their longest texts. Qt would measure every row after each change."""
        metrics, header = self.fontMetrics(), self.table.header()
        texts = ({row.modality for row in rows}, {row.extent for row in rows}, {SHORT_HEADERS[3]})
        for column, of_column in enumerate(texts, 1):
            longest = sorted({SHORT_HEADERS[column], *of_column}, key=len)[-8:]
            width = max(map(metrics.horizontalAdvance, longest))
            if column == 2 and all(row.matches is None for row in rows):  # leave space for names
                width = min(width, metrics.horizontalAdvance(LONG_SIZE))
            header.resizeSection(column, width + 12)

    def set_grouping(self, by_patient: bool) -> None:
        """Group series by patient, or show a flat list, without a signal."""
        blocked = self.by_patient.blockSignals(True)
        self.by_patient.setChecked(by_patient)
        self.by_patient.blockSignals(blocked)
        self._refresh()

    def _grouping_changed(self, by_patient: bool) -> None:
        self._refresh()
        self.grouping_toggled.emit(by_patient)

    def set_row(self, row: SeriesRow) -> None:
        """Update the series with this number if it is shown."""
        self._rows = tuple(row if old.number == row.number else old for old in self._rows)
        self.model.set_row(row)
        if row.volumes and not self.table.rootIsDecorated():
            self.table.setRootIsDecorated(True)
        if self._current_number() == row.number:
            self._show_notes(self.table.currentIndex())

    def select(self, number: int, volume: str = "") -> None:
        """Select the series with this number, or its volume with this name, if it is shown."""
        index = self.model.index_of(number)
        row = self.model.nodes[index.internalId()].branch.row if index.isValid() else None
        if row is not None and volume in row.volumes:
            index = self.model.index(row.volumes.index(volume), 0, index)
        elif self._current_number() == number:
            return
        if index.isValid() and self.table.currentIndex() != index:
            self._hidden = ()
            model = self.table.selectionModel()
            blocked = model.blockSignals(True)
            self._mark_only(index)
            model.blockSignals(blocked)
            self.table.scrollTo(index)
            self.table.viewport().update()
            self._show_notes(index)
            self.chosen_changed.emit(self.chosen())

    def forget(self) -> None:
        """Clear the selection."""
        self._hidden = ()
        self.table.clearSelection()
        self.table.setCurrentIndex(QModelIndex())

    def _mark(self, number: int) -> None:
        index = self.model.index_of(number)
        if index.isValid():
            flags = QItemSelectionModel.SelectionFlag.Select | QItemSelectionModel.SelectionFlag.Rows
            self.table.selectionModel().setCurrentIndex(index, flags)

    def _mark_only(self, index: QModelIndex) -> None:
        flags = QItemSelectionModel.SelectionFlag
        self.table.selectionModel().setCurrentIndex(index, flags.ClearAndSelect | flags.Rows)

    def chosen(self) -> tuple[int, ...]:
        """Return the numbers of the selected series, including those below selected patients and studies."""
        numbers: dict[int, None] = dict.fromkeys(self._hidden)
        for index in self.table.selectionModel().selectedRows():
            for node in self._below(index.internalId()):
                numbers[node] = None
        return tuple(numbers)

    def _selection_changed(self, *_: object) -> None:
        self._hidden = ()
        self.chosen_changed.emit(self.chosen())

    def _below(self, node: int) -> Iterator[int]:
        branch = self.model.nodes[node].branch
        if branch.row is not None:
            yield branch.row.number
            return
        for below in self.model.nodes[node].below:
            yield from self._below(below)

    def _current_number(self) -> int | None:
        index = self.table.currentIndex()
        row = self.model.nodes[index.internalId()].branch.row if index.isValid() else None
        return row.number if row is not None else None

    def _activated(self, index: QModelIndex) -> None:
        """Open the selected series; expand or collapse a patient or study."""
        selected = self.table.selectionModel().selectedRows() or [index]
        nodes = [row.internalId() for row in selected]
        branches = [self.model.nodes[node].branch for node in nodes]
        opened = tuple((branch.row.number, branch.volume) for branch in branches if branch.row is not None)
        if opened:
            shift = QApplication.keyboardModifiers() & Qt.KeyboardModifier.ShiftModifier
            self.series_activated.emit(opened, bool(shift))
        elif index.isValid():
            self.table.setExpanded(index, not self.table.isExpanded(index))

    def _clicked(self, index: QModelIndex) -> None:
        branch = self.model.nodes[index.internalId()].branch
        if branch.row is not None and not QApplication.keyboardModifiers():
            self.series_clicked.emit(branch.row.number, branch.volume)

    def set_colors(self, colors: Colors) -> None:
        """Take the theme's colors."""
        self.model.warning, self.model.faint = colors.warning, colors.faint
        self.table.viewport().update()

    def _show_notes(self, index: QModelIndex) -> None:
        """Show the notes of the current series below the tree, and buttons for its offers."""
        row = self.model.nodes[index.internalId()].branch.row if index.isValid() else None
        lines = ([row.reason] if row.reason else list(row.notes or ())) if row is not None else []
        self.notes.setVisible(bool(lines))
        shown = [f"– {display(line, 300)}" for line in lines[:6]]
        if len(lines) > 6:
            shown.append(f"… and {len(lines) - 6} more")
        self.notes.setText("\n".join(shown))
        for button in self.offer_buttons:
            self._offer_layout.removeWidget(button)
            button.deleteLater()
        self.offer_buttons = []
        number, offers = (row.number, row.offers) if row is not None else (-1, ())
        for offer in offers:
            button = QPushButton(offer.words)
            button.setToolTip(tip(offer.why))
            button.clicked.connect(lambda _=False, offer=offer: self.offer_chosen.emit(number, offer))
            self._offer_layout.insertWidget(len(self.offer_buttons), button)
            QWidget.setTabOrder(self.offer_buttons[-1] if self.offer_buttons else self.table, button)
            self.offer_buttons.append(button)
        self.offer_line.setVisible(bool(self.offer_buttons))

    def sort_again(self) -> None:
        """Sort again after rows were updated, as their notes may be new."""
        if self._order is not None and list(_series_of(self._branches())) != list(self.model.of_series):
            self._refresh()

    def sort_by(self, column: int) -> None:
        """Sort by a column; a second call reverses the order, a third restores it: most images first."""
        self._order = next_order(self._order, column, column > 1)
        header = self.table.header()
        header.setSortIndicatorShown(self._order is not None)
        if self._order is not None:
            order = Qt.SortOrder.DescendingOrder if self._order[1] else Qt.SortOrder.AscendingOrder
            header.setSortIndicator(column, order)
        self._refresh()

    def set_empty_text(self, text: str) -> None:
        """Set the text for an empty tree."""
        self.empty.setText(paragraph(text))

    def set_problems(self, problems: tuple[str, ...], total: int) -> None:
        """Show the first problems of the source, and their total."""
        self.problems.setVisible(bool(problems))
        lines = [display(problem) for problem in problems[:4]]
        if total > len(lines):
            lines.append(f"… and {total - len(lines):,} more lines (see the tooltip)")
        self.problems.setText("\n".join(lines))
        self.problems.setToolTip(tip("\n".join(display(problem) for problem in problems[:40])))
