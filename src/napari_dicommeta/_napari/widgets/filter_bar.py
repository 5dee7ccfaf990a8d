"""The filter bar: removable chips in words in a line of fixed height, and the number of matching files."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QEvent, QObject, Qt, Signal
from qtpy.QtGui import QAction
from qtpy.QtWidgets import (
    QApplication,
    QFrame,
    QHBoxLayout,
    QInputDialog,
    QLabel,
    QLineEdit,
    QMenu,
    QPushButton,
    QScrollArea,
    QSizePolicy,
    QToolButton,
    QWidget,
)

from napari_dicommeta._napari.keys import REMOVE
from napari_dicommeta._napari.widgets.labels import tip
from napari_dicommeta._napari.words import chip_words, described, where_code
from napari_dicommeta.support.words import counted, display

if TYPE_CHECKING:
    from collections.abc import Sequence

    from qtpy.QtGui import QKeyEvent, QResizeEvent, QShowEvent

    from napari_dicommeta.catalog.conditions import Condition, Tags

__all__ = ["FilterBar"]

MIN_CHIP_WIDTH, MAX_CHIP_WIDTH = 48, 200
"""Pixels of the text of a chip."""
CHIP_MARGINS = 48
"""Pixels of a chip beside its text."""
MAX_NAME = 60
"""Letters of the name of saved filters."""
_REMOVING = tuple(getattr(Qt.Key, f"Key_{name}") for name in REMOVE)


class _Chip(QPushButton):
    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Remove the filter with Enter and Delete too."""
        if event.key() in _REMOVING:
            self.click()
        else:
            super().keyPressEvent(event)


class FilterBar(QWidget):
    """One chip per filter, and the count of files, in a line that keeps its place without filters too.

    `filter_removed` carries a filter's tag or tags, "" for all. `save_requested` carries the name for the filters,
    `recall_requested` and `delete_requested` that of saved ones.
    """

    filter_removed = Signal(object)
    save_requested = Signal(str)
    recall_requested = Signal(str)
    delete_requested = Signal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("dicommeta-filters")
        self.count = QLabel("")
        self.count.setTextFormat(Qt.TextFormat.PlainText)
        self.clear_button = self._button("Clear", "Remove all filters")
        self.clear_button.clicked.connect(lambda: self.filter_removed.emit(""))
        self.saved_button = self._button(
            "Filters", "Save the filters under a name, use saved ones, copy them as Python"
        )
        self.saved_button.setStyleSheet("QToolButton { padding-right: 14px; }")  # the place of the arrow
        self.saved_button.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        self._saved: tuple[str, ...] = ()
        self._make_menu()
        self._inner = QWidget()
        self._chips = QHBoxLayout(self._inner)
        self._chips.setContentsMargins(0, 0, 0, 0)
        self._chips.setSpacing(4)
        self._chips.addStretch(1)
        self._area = QScrollArea()
        self._area.setWidget(self._inner)
        self._area.setWidgetResizable(True)
        self._area.setFrameShape(QFrame.Shape.NoFrame)
        self._area.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        for bars in (self._area.setHorizontalScrollBarPolicy, self._area.setVerticalScrollBarPolicy):
            bars(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self._area.viewport().installEventFilter(self)
        self.chips: list[QPushButton] = []
        self._filters: tuple[tuple[Tags, Condition], ...] = ()
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        layout.addWidget(self._area, 1)
        layout.addWidget(self.count)
        layout.addWidget(self.saved_button)
        layout.addWidget(self.clear_button)
        self.setFixedHeight(_Chip("X").sizeHint().height() + 4)
        self.set_filters((), 0, 0)

    @staticmethod
    def _button(text: str, tooltip: str) -> QToolButton:
        button = QToolButton()
        button.setText(text)
        button.setToolTip(tip(tooltip))
        button.setAutoRaise(True)
        return button

    def _make_menu(self) -> None:
        menu = QMenu(self.saved_button)
        self.save_action = menu.addAction("Save these filters…")
        self.save_action.triggered.connect(self._save)
        self.copy_action = menu.addAction("Copy as Python: catalog.where(…)")
        self.copy_action.triggered.connect(lambda: QApplication.clipboard().setText(where_code(self._filters)))
        self.recall_section = menu.addSeparator()
        self.delete_menu = menu.addMenu("Delete")
        self.recall_actions: list[QAction] = []
        self.delete_menu.menuAction().setVisible(False)
        self.saved_button.setMenu(menu)

    def set_saved(self, names: Sequence[str]) -> None:
        """Offer the filters that are saved under these names."""
        self._saved = tuple(names)
        menu = self.saved_button.menu()
        for action in self.recall_actions:
            menu.removeAction(action)
            action.deleteLater()
        self.delete_menu.clear()
        self.recall_actions = []
        for name in names:
            words = display(name, MAX_NAME).replace("&", "&&")
            action = QAction(words, menu)
            action.triggered.connect(lambda _=False, name=name: self.recall_requested.emit(name))
            menu.insertAction(self.delete_menu.menuAction(), action)
            self.recall_actions.append(action)
            self.delete_menu.addAction(words).triggered.connect(
                lambda _=False, name=name: self.delete_requested.emit(name)
            )
        self.delete_menu.menuAction().setVisible(bool(names))
        self.saved_button.setVisible(bool(self._filters or names))
        self._lay_out()

    def _save(self) -> None:
        """Ask for a name, and save the filters under it."""
        words = " and ".join(chip_words(tag, condition) for tag, condition in self._filters)
        title, label = "Save filters", "Name; a name that exists is replaced"
        name, is_given = QInputDialog.getText(self, title, label, QLineEdit.EchoMode.Normal, display(words, MAX_NAME))
        if is_given and name.strip():
            self.save_requested.emit(name.strip()[:MAX_NAME])

    def set_filters(self, filters: Sequence[tuple[Tags, Condition]], files: int, of: int) -> None:
        """Show the filters of a `Selection`, which `files` of all files match."""
        while len(self.chips) < len(filters):
            self._add_chip()
        while len(self.chips) > len(filters):
            chip = self.chips.pop()
            self._chips.removeWidget(chip)
            chip.hide()
            chip.deleteLater()
        self._filters = tuple(filters)
        self.clear_button.setVisible(len(filters) > 1)  # the place is better used for the text of a single chip
        self.save_action.setEnabled(bool(filters))
        self.copy_action.setEnabled(bool(filters))
        self.saved_button.setVisible(bool(filters or self._saved))
        whole = f"{'all ' if of > 1 else ''}{counted(of, 'file')}" if of else ""
        self.count.setText(f"{files:,} of {of:,}" if filters else whole)
        self.count.setToolTip(tip(f"{files:,} of {of:,} files match" if filters else ""))
        self._lay_out()
        self._name_chips()
        self._lay_out()
        if self.chips:
            self._area.ensureWidgetVisible(self.chips[-1], 0, 0)

    def _name_chips(self) -> None:
        """Name the filters, none wider than the place for all."""
        room = MAX_CHIP_WIDTH
        if self.isVisible():
            room = min(max(self._area.width() - CHIP_MARGINS, MIN_CHIP_WIDTH), room)
        for chip, (tag, condition) in zip(self.chips, self._filters, strict=True):
            words = display(chip_words(tag, condition))
            words = self.fontMetrics().elidedText(words, Qt.TextElideMode.ElideMiddle, room)
            chip.setText(words.replace("&", "&&") + "  ×")
            chip.setToolTip(tip(f"{display(described(tag, condition))} · click to remove this filter"))

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Fit the names of the filters."""
        super().resizeEvent(event)
        self._name_chips()

    def showEvent(self, event: QShowEvent) -> None:
        """Fit the names of the filters."""
        super().showEvent(event)
        self._name_chips()

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Scroll the chips with the wheel."""
        if event.type() == QEvent.Type.Wheel:
            bar = self._area.horizontalScrollBar()
            bar.setValue(bar.value() - event.angleDelta().y() // 4)
            return True
        return bool(super().eventFilter(watched, event))

    def _add_chip(self) -> None:
        chip, i = _Chip(self._inner), len(self.chips)
        chip.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Fixed)
        chip.clicked.connect(lambda: self.filter_removed.emit(self._filters[i][0]))
        self._chips.insertWidget(i, chip)
        # Without this, a new button is last in the tab order of the window.
        QWidget.setTabOrder(self.chips[-1] if self.chips else self.clear_button, chip)
        self.chips.append(chip)
        chip.show()

    def _lay_out(self) -> None:
        """Lay out now, so that the window is painted only once."""
        self._chips.activate()
        widget: QWidget | None = self
        while widget is not None and (layout := widget.layout()) is not None:
            layout.activate()
            widget = widget.parentWidget()
