"""The tag table: the tags of the scope with their values, presence and shape, and a filter field."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QEvent, QModelIndex, QObject, QPoint, QRect, Qt, QTimer, Signal
from qtpy.QtWidgets import (
    QHBoxLayout,
    QHeaderView,
    QLabel,
    QLineEdit,
    QMenu,
    QPushButton,
    QStyle,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QTableView,
    QVBoxLayout,
    QWidget,
)

from napari_dicommeta._napari.tasks.find import find_tags
from napari_dicommeta._napari.tasks.rows import FOLDED, SHAPE_BARS, TagRow, next_order
from napari_dicommeta._napari.widgets.labels import line, tip
from napari_dicommeta._napari.widgets.row_model import RowModel, row_table
from napari_dicommeta._napari.words import keyword_of
from napari_dicommeta.support.words import counted, display

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from qtpy.QtGui import QPainter, QResizeEvent, QShowEvent

    from napari_dicommeta._napari.tasks.find import FoundValue
    from napari_dicommeta._napari.widgets.colors import Colors

__all__ = ["COLUMNS", "TagTable", "shown_rows"]

COLUMNS = ("Tag", "VR", "Values", "Spellings", "Present", "Shape", "Differs")
WIDTHS = (0, 34, 84, 66, 58, 50, 56)
HEADS = (
    "Keyword of the tag",
    "Value representation (VR) in most files",
    "Distinct values by meaning: 1 and 1.0 are equal",
    "Distinct values as written in the files",
    "Share of files with a value",
    "Histogram of the most frequent values",
    "Difference from the other folder: Jensen-Shannon divergence, 0 to 1",
)
SEARCH_MS = 200
"""Delay after typing before values are searched."""
MAX_FOUND = 4
"""Values that are offered as filters."""
PLAIN = ("constant", "unique")
"""The kinds of hidden tags that are listed where there are no others."""
BARS = ("Present", "Shape")
"""Columns of bars, which give their place to names during a comparison."""
DEFAULT_COLUMNS = ("Values", "Present", "Shape")
NAME_WIDTH = 134
"""Pixels of the names of tags and the scroll bar, below which bars give their place to names."""


def shown_rows(rows: Sequence[TagRow], text: str, unfolded: Collection[str], chosen: str = "") -> list[TagRow]:
    """Return the tags that `text` names, best first; without text, hide the kinds of `FOLDED` not in `unfolded`.

    A typed filter searches the hidden tags too. The `chosen` tag stays, even if a filter of files makes it constant. If
    no tag is informative, as in a single file, those of `PLAIN` are listed.
    """
    if text.strip():
        return find_tags(rows, text)
    listed = {"", *unfolded} if any(not row.kind for row in rows) else {*PLAIN, *unfolded}
    return [row for row in rows if row.kind in listed or row.keyword == chosen]


class _Model(RowModel):
    heads = COLUMNS

    def headerData(self, section: int, orientation: Qt.Orientation, role: int = 0) -> Any:
        if orientation == Qt.Orientation.Horizontal and role == Qt.ItemDataRole.ToolTipRole:
            return tip(f"{HEADS[section]} · click to sort, right-click to choose columns")
        return super().headerData(section, orientation, role)

    def data(self, index: QModelIndex, role: int = 0) -> Any:
        row: TagRow = self.rows[index.row()]
        if role == Qt.ItemDataRole.DisplayRole:
            differs = "" if row.differs is None else f"{row.differs:.2f}"
            texts = (row.label, row.vr, row.values, f"{row.spellings:,}", "", "", differs)
            return display(texts[index.column()])
        if role == Qt.ItemDataRole.ToolTipRole:
            kind = f" · {row.kind}" if row.kind else ""
            words = (
                f"{row.tag} {row.keyword} · {row.name} · VR {row.vr} · {counted(row.distinct, 'value')} in "
                f"{counted(row.spellings, 'spelling')} · present in {row.present:.1%} of files{kind}"
            )
            return tip(display(words, 400))
        is_number = index.column() in (3, 6) or (index.column() == 2 and not row.value)
        if role == Qt.ItemDataRole.TextAlignmentRole and is_number:
            return Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
        if role == Qt.ItemDataRole.UserRole:
            return row
        return None


class _BarDelegate(QStyledItemDelegate):
    """Paints the presence bar and the small histogram."""

    colors: Colors | None = None

    def initStyleOption(self, option: QStyleOptionViewItem, index: QModelIndex) -> None:
        """Elide a nested tag at its sequence."""
        super().initStyleOption(option, index)
        if index.column() == 0:
            option.textElideMode = Qt.TextElideMode.ElideLeft if "›" in option.text else Qt.TextElideMode.ElideMiddle

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: QModelIndex) -> None:
        super().paint(painter, option, index)
        row = index.data(Qt.ItemDataRole.UserRole)
        if self.colors is None or index.column() not in (4, 5) or row is None:
            return
        cell = option.rect.adjusted(4, 5, -4, -5)
        painter.save()
        painter.setPen(Qt.PenStyle.NoPen)
        is_chosen = bool(option.state & QStyle.StateFlag.State_Selected)
        color = self.colors.text if is_chosen else self.colors.muted  # muted has too little contrast on a selected row
        if index.column() == 4:
            painter.setBrush(self.colors.foreground)
            painter.drawRect(cell)
            painter.setBrush(color)
            painter.drawRect(QRect(cell.x(), cell.y(), round(cell.width() * row.present), cell.height()))
        else:
            painter.setBrush(color)
            step = max(cell.width() // SHAPE_BARS, 3)
            for i, share in enumerate(row.shape):
                height = max(1, round(cell.height() * share))
                painter.drawRect(QRect(cell.x() + i * step, cell.bottom() - height + 1, step - 1, height))
        painter.restore()


_SORT_KEYS: tuple[Callable[[TagRow], Any], ...] = (
    lambda row: row.keyword.rpartition(".")[2].lower(),
    lambda row: row.vr,
    lambda row: (row.distinct, row.value.lower()),
    lambda row: row.spellings,
    lambda row: row.present,
    lambda row: len(row.shape),
    lambda row: -1.0 if row.differs is None else round(row.differs, 2),
)


class TagTable(QWidget):
    """A filter field, the table of tags, and a line about the hidden tags.

    `tag_selected` carries the keyword of the selected tag; `tag_activated` does so when Enter is pressed.
    `searched` carries the text of the filter field, a little after it was typed: values are searched too, and
    `set_found` shows them. `value_chosen` carries the keyword and text of a value that was found and clicked.
    `columns_changed` carries the names of the visible columns, `folds_changed` the listed kinds of hidden tags.
    """

    tag_selected = Signal(str)
    tag_activated = Signal(str)
    searched = Signal(str)
    value_chosen = Signal(str, str)
    columns_changed = Signal(tuple)
    folds_changed = Signal(tuple)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("dicommeta-tags")
        self.filter = QLineEdit()
        self.filter.setPlaceholderText("Find a tag or value: window, 0028, B31f…")
        self.filter.setToolTip(
            "Find by name, keyword, tag number or value. Enter selects the first, Down goes to the table, Esc clears."
        )
        self.filter.setClearButtonEnabled(True)
        self.filter.installEventFilter(self)
        self.model = _Model(self)
        self.table = self._table()
        self.folded = line()
        self.fold_button = QPushButton("Show")
        self.fold_button.setToolTip("Choose which hidden tags to list")
        menu = QMenu(self.fold_button)
        self.fold_actions = {kind: menu.addAction(kind) for kind in FOLDED}
        for action in self.fold_actions.values():
            action.setCheckable(True)
            action.toggled.connect(self._fold_toggled)
        self.fold_button.setMenu(menu)
        self.fold_line = QWidget()
        fold = QHBoxLayout(self.fold_line)
        fold.setContentsMargins(0, 0, 0, 0)
        fold.addWidget(self.folded, 1)
        fold.addWidget(self.fold_button)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 4, 0, 0)
        layout.setSpacing(4)
        layout.addWidget(self.filter)
        self.found_place = QVBoxLayout()
        self.found_place.setSpacing(2)
        self.found_buttons: list[QPushButton] = []
        self.nothing = QLabel("")
        self.nothing.setTextFormat(Qt.TextFormat.PlainText)
        self.nothing.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.nothing.setWordWrap(True)
        layout.addLayout(self.found_place)
        layout.addWidget(self.nothing, 1)
        layout.addWidget(self.table, 1)
        layout.addWidget(self.fold_line)
        self._search_timer = QTimer(self, singleShot=True, interval=SEARCH_MS, timeout=self._search_values)
        self._rows: tuple[TagRow, ...] = ()
        self._order: tuple[int, bool] | None = None
        self._columns: tuple[str, ...] = ()
        self._is_compared = False
        self._chosen = ""
        """The selected tag, listed or not."""
        self.set_columns(DEFAULT_COLUMNS)
        self.set_rows(())
        self.filter.textChanged.connect(self._typed)
        self.table.selectionModel().currentRowChanged.connect(self._row_changed)

    def _table(self) -> QTableView:
        table = row_table(self.model, self)
        self.delegate = _BarDelegate(table)
        table.setItemDelegate(self.delegate)
        table.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        table.installEventFilter(self)
        header = table.horizontalHeader()
        header.setDefaultAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
        header.setMinimumSectionSize(30)
        header.setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
        for column in range(1, len(COLUMNS)):
            header.setSectionResizeMode(column, QHeaderView.ResizeMode.Fixed)
            header.resizeSection(column, WIDTHS[column])
        header.setSectionsClickable(True)
        header.sectionClicked.connect(self.sort_by)
        header.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        header.customContextMenuRequested.connect(self._show_columns_menu)
        return table

    def set_colors(self, colors: Colors) -> None:
        """Repaint in the colors of a theme."""
        self.delegate.colors = colors
        self.filter.setStyleSheet(f"QLineEdit {{ placeholder-text-color: {colors.faint.name()} }}")
        self.table.viewport().update()

    def set_rows(self, rows: tuple[TagRow, ...]) -> None:
        """Show these tags, and keep the selection if it is among them."""
        self._rows = rows
        counts = Counter(row.kind for row in rows if row.kind)
        self.folded.setText(" · ".join(f"{counts[kind]} {kind}" for kind in FOLDED if counts[kind]))
        self.folded.setToolTip(tip(counted(sum(counts.values()), "constant, unique, private or identifying tag")))
        self.fold_line.setVisible(bool(counts))
        for kind, action in self.fold_actions.items():
            action.setText(f"{counts[kind]} {kind}")
        has_difference = any(row.differs is not None for row in rows)
        self._is_compared = has_difference
        self._hide_columns()
        if has_difference and self._order is None:
            self._order = (6, True)
        elif not has_difference and self._order is not None and self._order[0] == 6:
            self._order = None
        self._refresh()

    def set_columns(self, names: Sequence[str]) -> None:
        """Show these of `COLUMNS` without a signal. The tag is always shown, the difference during a comparison."""
        self._columns = tuple(name for name in COLUMNS[1:6] if name in names)
        self._hide_columns()

    def _hide_columns(self) -> None:
        """Hide what is not chosen, and bars whose place the names need: in a comparison, and in a narrow table."""
        room = self.width() - NAME_WIDTH
        wanted = sum(width for name, width in zip(COLUMNS, WIDTHS, strict=True) if name in self._columns)
        hidden = BARS if self._is_compared else ()
        for name in BARS[::-1]:
            if name in self._columns and wanted > room:
                hidden, wanted = (*hidden, name), wanted - WIDTHS[COLUMNS.index(name)]
        for column, name in enumerate(COLUMNS[1:6], 1):
            self.table.setColumnHidden(column, name not in self._columns or name in hidden)
        self.table.setColumnHidden(6, not self._is_compared)

    def set_unfolded(self, kinds: Collection[str]) -> None:
        """List the hidden tags of these kinds too, without a signal."""
        for kind, action in self.fold_actions.items():
            action.blockSignals(True)
            action.setChecked(kind in kinds)
            action.blockSignals(False)
        self._refresh()

    @property
    def unfolded(self) -> tuple[str, ...]:
        """The kinds of hidden tags that are listed."""
        return tuple(kind for kind, action in self.fold_actions.items() if action.isChecked())

    def columns_menu(self) -> QMenu:
        """Return the menu of the columns."""
        menu = QMenu(self)
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        for name in COLUMNS[1:6]:
            action = menu.addAction(name)
            action.setCheckable(True)
            action.setChecked(name in self._columns)
            action.toggled.connect(lambda shown, name=name: self._column_toggled(name, shown))
        return menu

    def _show_columns_menu(self, place: QPoint) -> None:
        self.columns_menu().popup(self.table.horizontalHeader().mapToGlobal(place))

    def _column_toggled(self, name: str, shown: bool) -> None:
        self.set_columns([*self._columns, name] if shown else [column for column in self._columns if column != name])
        self.columns_changed.emit(self._columns)

    def _fold_toggled(self, _shown: bool) -> None:
        self._refresh()
        self.folds_changed.emit(self.unfolded)

    def sort_by(self, column: int) -> None:
        """Sort by a column; a second call reverses the order, a third restores the order of the tags."""
        self._order = next_order(self._order, column, column > 1)
        self._refresh()

    def select(self, keyword: str) -> bool:
        """Select a listed tag without a signal, and return whether it is listed."""
        for i, row in enumerate(self.model.rows):
            if row.keyword == keyword:
                blocked = self.table.selectionModel().blockSignals(True)
                self.table.selectRow(i)
                self.table.selectionModel().blockSignals(blocked)
                self.table.scrollTo(self.model.index(i, 0))
                self.table.viewport().update()
                self._chosen = keyword
                return True
        return False

    def reveal(self, keyword: str) -> bool:
        """Select a tag without a signal, and return whether it exists; of a hidden kind, it alone is listed."""
        if not self.select(keyword):
            if keyword not in {row.keyword for row in self._rows}:
                return False
            self.forget()
            self._chosen = keyword
            self.filter.clear()
            self._refresh()
        return self.select(keyword)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Give the names of tags the place of bars in a narrow table."""
        super().resizeEvent(event)
        self._hide_columns()

    def showEvent(self, event: QShowEvent) -> None:
        """Scroll to the selected tag, as the table may have been small before."""
        super().showEvent(event)
        self.table.scrollTo(self.table.currentIndex())

    def forget(self) -> None:
        """Clear the selection."""
        self.table.clearSelection()
        self.table.setCurrentIndex(QModelIndex())
        self._chosen = ""

    def selected(self) -> str:
        """Return the keyword of the selected tag, or ""."""
        index = self.table.currentIndex()
        return self.model.rows[index.row()].keyword if index.isValid() else ""

    def _refresh(self) -> None:
        chosen = self.selected() or self._chosen
        rows = shown_rows(self._rows, self.filter.text(), self.unfolded, chosen)
        header = self.table.horizontalHeader()
        header.setSortIndicatorShown(self._order is not None)
        if self._order is not None:
            column, descending = self._order
            rows.sort(key=_SORT_KEYS[column], reverse=descending)
            header.setSortIndicator(column, Qt.SortOrder.DescendingOrder if descending else Qt.SortOrder.AscendingOrder)
        self.model.set_rows(rows)
        text = self.filter.text().strip()
        self.nothing.setText(f"No tag is called “{display(text, 60)}”.")
        self.nothing.setVisible(bool(text) and not rows)
        self.table.setVisible(bool(rows) or not text)
        if chosen:
            self.select(chosen)
            self._chosen = chosen

    def _typed(self) -> None:
        self._refresh()
        self.set_found(())
        self._search_timer.start()

    def _search_values(self) -> None:
        self.searched.emit(self.filter.text().strip())

    def set_found(self, found: Sequence[FoundValue]) -> None:
        """Show the first values that a search found, to be filtered by with a click."""
        for button in self.found_buttons:
            self.found_place.removeWidget(button)
            button.hide()
            button.deleteLater()
        self.found_buttons = []
        for value in found[:MAX_FOUND]:
            button = QPushButton()
            words = f"{keyword_of(value.keyword)} = {value.text}"
            room = max(self.width() - 110, 120)
            elided = self.fontMetrics().elidedText(display(words), Qt.TextElideMode.ElideMiddle, room)
            button.setText(f"{elided}   {value.files:,}".replace("&", "&&"))
            button.setStyleSheet("QPushButton { text-align: left; padding: 2px 6px; }")
            button.setToolTip(tip(display(f"{words} · {counted(value.files, 'file')} · click to filter", 300)))
            button.clicked.connect(lambda _=False, value=value: self.value_chosen.emit(value.keyword, value.text))
            self.found_place.addWidget(button)
            QWidget.setTabOrder(self.found_buttons[-1] if self.found_buttons else self.filter, button)
            self.found_buttons.append(button)

    def _row_changed(self, current: QModelIndex, _previous: QModelIndex) -> None:
        if current.isValid():
            self._chosen = self.model.rows[current.row()].keyword
            self.tag_selected.emit(self.model.rows[current.row()].keyword)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Select the first tag that was found with Enter, go to the table with Down, clear the filter with Esc.

        In the table Enter activates the selected tag.
        """
        if event.type() == QEvent.Type.KeyPress:
            key = event.key()
            if watched is self.filter and key == Qt.Key.Key_Down and self.model.rows:
                self.table.setFocus()
                self.table.selectRow(max(self.table.currentIndex().row(), 0))
                return True
            is_enter = key in (Qt.Key.Key_Return, Qt.Key.Key_Enter)
            if watched is self.filter and is_enter and self.filter.text().strip() and self.model.rows:
                self.table.selectRow(0)
                return True
            if watched is self.filter and key == Qt.Key.Key_Escape:
                self.filter.clear()
                return True
            if watched is self.table and is_enter and self.selected():
                self.tag_activated.emit(self.selected())
                return True
        return bool(super().eventFilter(watched, event))
