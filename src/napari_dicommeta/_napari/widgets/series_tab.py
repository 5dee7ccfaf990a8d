"""The Series tab: a search field, and the tree of studies, series and volumes. Double-click or Enter opens."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import QEvent, QItemSelectionModel, QModelIndex, QObject, QSize, Qt, QTimer, Signal
from qtpy.QtGui import QImage, QPixmap
from qtpy.QtWidgets import (
    QAbstractItemView,
    QApplication,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QTreeView,
    QVBoxLayout,
    QWidget,
)

from napari_dicommeta._napari.tasks.rows import is_worth_grouping, next_order, tree_of
from napari_dicommeta._napari.widgets.labels import WHAT_TO_DO, paragraph, tip
from napari_dicommeta._napari.widgets.marked_row import MarkedRow
from napari_dicommeta._napari.widgets.series_delegate import ARROW_WIDTH, PICTURE_SIDE, SeriesDelegate, StickyHead
from napari_dicommeta._napari.widgets.series_model import SeriesModel
from napari_dicommeta._napari.widgets.series_search import SeriesSearch
from napari_dicommeta._napari.widgets.start_area import StartArea
from napari_dicommeta.support.words import display

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from qtpy.QtGui import QResizeEvent, QShowEvent

    from napari_dicommeta._napari.tasks.rows import Branch, SeriesRow
    from napari_dicommeta._napari.widgets.colors import Colors

__all__ = ["SeriesTab"]

MAX_NOTES = 6
"""Lines of notes that are shown below the tree."""
MAX_REPORT_LINES = 16
"""The same for the text of a structured report."""
NOTE_HEIGHT, REPORT_LINE_HEIGHT = 110, 40
"""Pixels of the tab's height for each line of notes, and of reports: in a low tab the tree needs the place."""
FOLDED_AT_FIRST = "rest"
"""The kind of branch that starts collapsed."""
PICTURES_MS = 200
"""Delay after scrolling before the pictures of the rows in sight are asked for."""
MAX_PICTURES = 2000
"""The pictures of series that are kept: about 20 kB each."""


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


class SeriesTab(QWidget):
    """A search field above the tree; the notes of the current series below it, and buttons for its offers.

    `series_activated` carries (number of the series, number of its volume or None) for each opened row, and whether
    Shift was held. `series_clicked` carries the numbers of the series and of the volume, or None, that are clicked.
    `offer_chosen` carries the number of the series and the `Offer`, `chosen_changed` the numbers of the selected
    series, `grouping_toggled` whether series are grouped by patient. `recent` returns the
    folders that an empty tab offers. `pictures_wanted` carries the numbers of the
    series in sight without a picture.
    """

    series_activated = Signal(tuple, bool)
    series_clicked = Signal(int, object)
    offer_chosen = Signal(int, object)
    chosen_changed = Signal(tuple)
    grouping_toggled = Signal(bool)
    pictures_wanted = Signal(tuple)

    def __init__(self, recent: Callable[[], Sequence[str]] = tuple, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("dicommeta-series")
        self.start = StartArea(recent)
        self.model = SeriesModel(self)
        self.table = self._tree()
        self.head = StickyHead(self.table)
        self.marked = MarkedRow(self.table, self.head)
        self.search = SeriesSearch()
        self.by_patient = self.search.by_patient
        self.by_patient.toggled.connect(self._grouping_changed)
        self.search.left.connect(self._enter)
        self.search.order_chosen.connect(self.sort_by)
        self.empty = self._text()
        self._empty = WHAT_TO_DO
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
        layout.setSpacing(4)
        for widget, stretch in (
            (self.search, 0),
            (self.empty, 1),
            (self.start, 1),
            (self.table, 1),
            (self.notes, 0),
            (self.offer_line, 0),
            (self.problems, 0),
        ):
            layout.addWidget(widget, stretch)
        self._rows: tuple[SeriesRow, ...] = ()
        self._is_start = False
        self._hidden: tuple[int, ...] = ()
        """Selected series that a filter hides."""
        self._unfolded: set[str] = set()
        self._is_worth_grouping = self._is_searchable = False
        self._order: tuple[int, bool] | None = None
        self._pictures_timer = QTimer(self, singleShot=True, interval=PICTURES_MS, timeout=self._ask_for_pictures)
        self._pictured: set[int] = set()
        self._most_notes = (MAX_NOTES, MAX_REPORT_LINES)
        self.table.verticalScrollBar().valueChanged.connect(self._scrolled)
        self.set_rows(())
        self.set_problems((), 0)

    def _tree(self) -> QTreeView:
        tree = QTreeView()
        tree.setModel(self.model)
        self.delegate = SeriesDelegate(tree)
        tree.setItemDelegate(self.delegate)
        tree.setHeaderHidden(True)
        tree.setMouseTracking(True)
        tree.setIndentation(0)  # napari's style would paint another selection there
        tree.setMinimumHeight(60)
        tree.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        tree.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        tree.setExpandsOnDoubleClick(False)
        tree.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        tree.selectionModel().currentRowChanged.connect(lambda index, _: self._show_notes(index))
        tree.selectionModel().selectionChanged.connect(self._selection_changed)
        tree.activated.connect(self._activated)
        tree.clicked.connect(self._clicked)
        tree.viewport().installEventFilter(self)
        tree.expanded.connect(lambda index: self._fold(index, False))
        tree.collapsed.connect(lambda index: self._fold(index, True))
        return tree

    def _text(self) -> QLabel:
        label = QLabel("")
        label.setTextFormat(Qt.TextFormat.PlainText)
        label.setWordWrap(True)
        return label

    def set_rows(self, rows: tuple[SeriesRow, ...], among: Sequence[SeriesRow] | None = None) -> None:
        """Show these series. Grouping and search depend on all series of the source, `among`.

        Selected series stay selected, even while a filter hides them.
        """
        self._rows = rows
        everything = rows if among is None else among
        self._is_worth_grouping = is_worth_grouping(everything)
        self._is_searchable = len(everything) > 1
        self._refresh()

    def _refresh(self) -> None:
        rows, chosen, place = self._rows, self.chosen(), self.table.verticalScrollBar().value()
        was_listed = {number for number in chosen if number in self.model.of_series}
        is_marked_in_sight = self.marked.is_in_sight()
        self.search.setVisible(self._is_searchable or bool(self.search.text))
        self.by_patient.setVisible(self._is_worth_grouping)
        branches = self._branches()
        model = self.table.selectionModel()
        folded = self._folded()
        at = self.model.branch_of(self.table.currentIndex())
        blocked = model.blockSignals(True)
        self.model.set_branches(branches)
        blocked_tree = self.table.blockSignals(True)
        self.table.expandAll()
        for index, branch in self.model.with_branches_below():
            is_closed = branch.kind == FOLDED_AT_FIRST and branch.kind not in self._unfolded
            if is_closed or (branch.kind, branch.text) in folded:
                self.table.setExpanded(index, False)
        self.table.blockSignals(blocked_tree)
        for number in chosen:
            self._mark(number)
        if at is not None and at.row is not None and at.volume is not None:
            volume = self.model.index(at.volume, 0, self.model.index_of(at.row.number))
            if volume.isValid() and volume.parent().isValid():
                self._mark_only(volume)
        model.blockSignals(blocked)
        self._hidden = tuple(number for number in chosen if number not in self.model.of_series)
        self.table.setVisible(bool(rows))
        self.empty.setVisible(not rows and not self._is_start)
        self.start.setVisible(not rows and self._is_start)
        text = self.search.text
        self.empty.setText(f"No series matches “{display(text, 60)}”. Esc clears the search." if text else self._empty)
        self.table.verticalScrollBar().setValue(place)
        if is_marked_in_sight or (chosen and not was_listed):
            self.marked.show()
        self.head.follow()
        self._show_notes(self.table.currentIndex())
        self._pictures_timer.start()

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

    def _fold(self, index: QModelIndex, is_folded: bool) -> None:
        """Keep open, in other rows too, what starts collapsed."""
        branch = self.model.branch_of(index)
        if branch is not None and branch.kind == FOLDED_AT_FIRST:
            (self._unfolded.discard if is_folded else self._unfolded.add)(branch.kind)
        self.head.follow()
        self._pictures_timer.start()

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
        is_marked_in_sight = self.marked.is_in_sight()
        if self.model.set_row(row) and is_marked_in_sight:
            self.marked.show()
        if self._current_number() == row.number:
            self._show_notes(self.table.currentIndex())

    # -- pictures -----------------------------------------------------------------------------------

    def forget_pictures(self) -> None:
        """Remove all pictures, for another source."""
        self.model.pictures.clear()
        self._pictured.clear()

    def set_picture(self, number: int, picture: np.ndarray | None) -> None:
        """Show the picture of a series: uint8 of shape (rows, columns) or (rows, columns, 3); None if unreadable."""
        self._pictured.add(number)
        if picture is None:
            return
        picture = np.ascontiguousarray(picture)
        formats = QImage.Format
        kind = formats.Format_RGB888 if picture.ndim == 3 else formats.Format_Grayscale8
        image = QImage(picture.data, picture.shape[1], picture.shape[0], picture.strides[0], kind).copy()
        ratio = self.devicePixelRatioF()
        side = round(PICTURE_SIDE * ratio)
        modes = Qt.AspectRatioMode.KeepAspectRatio, Qt.TransformationMode.SmoothTransformation
        pixmap = QPixmap.fromImage(image).scaled(QSize(side, side), *modes)
        pixmap.setDevicePixelRatio(ratio)
        if len(self.model.pictures) >= MAX_PICTURES:
            oldest = next(iter(self.model.pictures))
            del self.model.pictures[oldest]
            self._pictured.discard(oldest)  # asked for again when it is in sight
        self.model.set_picture(number, pixmap)

    def _in_sight(self) -> Iterator[int]:
        """Yield the numbers of the series in sight."""
        index, bottom = self.table.indexAt(self.table.viewport().rect().topLeft()), self.table.viewport().height()
        while index.isValid() and self.table.visualRect(index).top() <= bottom:
            branch = self.model.branch_of(index)
            if branch is not None and branch.kind == "series" and branch.row is not None:
                yield branch.row.number
            index = self.table.indexBelow(index)

    def _scrolled(self, _value: int) -> None:
        self._pictures_timer.start()

    def _ask_for_pictures(self) -> None:
        if not self.table.isVisible():
            return
        wanted = tuple(n for n in self._in_sight() if n not in self._pictured)
        if wanted:
            self.pictures_wanted.emit(wanted)

    def showEvent(self, event: QShowEvent) -> None:
        """Ask for the pictures of the rows that are now in sight."""
        super().showEvent(event)
        self._pictures_timer.start()

    # -- selection ----------------------------------------------------------------------------------

    def select(self, number: int, volume: str = "") -> None:
        """Select the series with this number, or its volume with this name, if it is shown."""
        index = self.model.index_of(number)
        branch = self.model.branch_of(index)
        row = branch.row if branch is not None else None
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
            self.marked.show()
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
        """Return the numbers of the selected series, including those below selected studies."""
        numbers: dict[int, None] = dict.fromkeys(self._hidden)
        for index in self.table.selectionModel().selectedRows():
            numbers.update(dict.fromkeys(self.model.series_below(index.internalId())))
        return tuple(numbers)

    def _selection_changed(self, *_: object) -> None:
        self._hidden = ()
        self.chosen_changed.emit(self.chosen())

    def _current_number(self) -> int | None:
        branch = self.model.branch_of(self.table.currentIndex())
        return branch.row.number if branch is not None and branch.row is not None else None

    def _activated(self, index: QModelIndex) -> None:
        """Open the selected series; expand or collapse a study."""
        selected = self.table.selectionModel().selectedRows() or [index]
        branches = [self.model.nodes[row.internalId()].branch for row in selected]
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

    def _enter(self) -> None:
        """Move the keyboard focus to the tree."""
        if self.model.top:
            self.table.setFocus()
            if not self.table.currentIndex().isValid():
                self.table.setCurrentIndex(self.model.index(0, 0))

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Fold or unfold a branch with a click on its arrow."""
        if event.type() == QEvent.Type.MouseButtonPress and event.pos().x() < ARROW_WIDTH:
            index = self.table.indexAt(event.pos())
            if index.isValid() and self.model.rowCount(index):
                self.table.setExpanded(index, not self.table.isExpanded(index))
                return True
        return bool(super().eventFilter(watched, event))

    def set_colors(self, colors: Colors) -> None:
        """Take the theme's colors."""
        self.delegate.colors = self.head.colors = colors
        self.start.set_colors(colors)
        self.search.field.setStyleSheet(f"QLineEdit {{ placeholder-text-color: {colors.faint.name()} }}")
        self.table.viewport().update()

    def _show_notes(self, index: QModelIndex) -> None:
        """Show the notes of the current series below the tree, and buttons for its offers."""
        branch = self.model.branch_of(index)
        row = branch.row if branch is not None else None
        lines = ([row.reason] if row.reason else list(row.notes or ())) if row is not None else []
        self.notes.setVisible(bool(lines))
        self._most_notes = self._room_for_notes()
        most = self._most_notes[0 if row is None or row.has_images else 1]
        shown = [f"– {display(line, 300)}" for line in lines[:most]]
        if len(lines) > most:
            shown.append(f"… and {len(lines) - most} more")
        self.notes.setText("\n".join(shown))
        self.notes.setToolTip(tip("\n".join(display(line, 300) for line in lines)) if len(lines) > most else "")
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

    def _room_for_notes(self) -> tuple[int, int]:
        """Return how many lines of notes, and of reports, the height of the tab has room for."""
        height = self.height()
        return min(max(height // NOTE_HEIGHT, 2), MAX_NOTES), min(
            max(height // REPORT_LINE_HEIGHT, 2), MAX_REPORT_LINES
        )

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Show as many lines of notes as there is room for."""
        super().resizeEvent(event)
        if self._room_for_notes() != self._most_notes:
            self._show_notes(self.table.currentIndex())

    def sort_again(self) -> None:
        """Sort again after rows were updated, as their notes may be new."""
        if self._order is not None and list(_series_of(self._branches())) != list(self.model.of_series):
            self._refresh()

    def sort_by(self, column: int) -> None:
        """Sort by one of `ORDERS`; a second call reverses the order, a third restores it; -1: most images first."""
        self._order = None if column < 0 else next_order(self._order, column, column > 1)
        self.search.set_order(-1 if self._order is None else column)
        self._refresh()

    def set_start(self, is_start: bool) -> None:
        """Offer what can be opened, while nothing is open."""
        self._is_start = is_start
        if is_start:
            self.start.fill()
        self.start.setVisible(is_start and not self._rows)
        self.empty.setVisible(not is_start and not self._rows)

    def set_empty_text(self, text: str) -> None:
        """Set the text for an empty tree."""
        self._empty = paragraph(text)
        if not self.search.text:
            self.empty.setText(self._empty)

    def set_problems(self, problems: tuple[str, ...], total: int, details: Sequence[str] = ()) -> None:
        """Show the first problems of the source, and their total; `details` follow in the tooltip."""
        self.problems.setVisible(bool(problems))
        lines = [display(problem) for problem in problems[:4]]
        if total > len(lines):
            lines.append(f"… and {total - len(lines):,} more lines (see the tooltip)")
        self.problems.setText("\n".join(lines))
        self.problems.setToolTip(tip("\n".join(map(display, (*problems, *details)[:40]))))
