"""The filter bar: removable chips in words in a line of fixed height, and the number of matching files."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QEvent, QObject, Qt, Signal
from qtpy.QtWidgets import (
    QApplication,
    QFrame,
    QHBoxLayout,
    QLabel,
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

    from qtpy.QtGui import QKeyEvent

    from napari_dicommeta.catalog.conditions import Condition, Tags

__all__ = ["FilterBar"]

MAX_CHIP_WIDTH = 200
"""Pixels of the text of a chip."""
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

    `filter_removed` carries a filter's tag or tags, "" for all.
    """

    filter_removed = Signal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("dicommeta-filters")
        self.count = QLabel("")
        self.count.setTextFormat(Qt.TextFormat.PlainText)
        self.clear_button = self._button("Clear", "Remove all filters")
        self.clear_button.clicked.connect(lambda: self.filter_removed.emit(""))
        self.copy_button = self._button("Copy", "Copy the filters as Python: catalog.where(…)")
        self.copy_button.clicked.connect(lambda: QApplication.clipboard().setText(where_code(self._filters)))
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
        layout.addWidget(self.copy_button)
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
        self.clear_button.setVisible(bool(filters))
        self.copy_button.setVisible(bool(filters))
        whole = f"{'all ' if of > 1 else ''}{counted(of, 'file')}" if of else ""
        self.count.setText(f"{files:,} of {of:,}" if filters else whole)
        self.count.setToolTip(tip(f"{files:,} of {of:,} files match" if filters else ""))
        for chip, (tag, condition) in zip(self.chips, filters, strict=True):
            words = self.fontMetrics().elidedText(
                display(chip_words(tag, condition)), Qt.TextElideMode.ElideMiddle, MAX_CHIP_WIDTH
            )
            chip.setText(words.replace("&", "&&") + "  ×")
            chip.setToolTip(tip(f"{display(described(tag, condition))} · click to remove this filter"))
        self._lay_out()
        if self.chips:
            self._area.ensureWidgetVisible(self.chips[-1], 0, 0)

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
