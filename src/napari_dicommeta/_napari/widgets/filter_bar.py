"""The filter bar: one removable chip per filter, and the number of matching files."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QHBoxLayout, QPushButton, QSizePolicy, QVBoxLayout, QWidget

from napari_dicommeta._napari.keys import REMOVE
from napari_dicommeta._napari.widgets.labels import line, scrolling, tip
from napari_dicommeta._napari.words import described
from napari_dicommeta.support.words import display

if TYPE_CHECKING:
    from collections.abc import Sequence

    from qtpy.QtGui import QKeyEvent

    from napari_dicommeta.catalog.conditions import Condition, Tags

__all__ = ["FilterBar"]

MIN_TEXT_WIDTH, CHIP_MARGIN = 190, 60
"""Pixels: the minimum width of a long text in a chip, and the rest of its line."""
MAX_CHIP_LINES = 4
"""Chips visible at once. More chips scroll, to leave space for tags and bars."""
_REMOVING = tuple(getattr(Qt.Key, f"Key_{name}") for name in REMOVE)


class _Chip(QPushButton):
    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Remove the filter with Enter and Delete too."""
        if event.key() in _REMOVING:
            self.click()
        else:
            super().keyPressEvent(event)


class FilterBar(QWidget):
    """One chip per filter, and the count of files. `filter_removed` carries a filter's tag or tags, "" for all."""

    filter_removed = Signal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("dicommeta-filters")
        self.count = line()
        self.clear_button = QPushButton("Clear")
        self.clear_button.setToolTip("Remove all filters")
        self.clear_button.clicked.connect(lambda: self.filter_removed.emit(""))
        above = QHBoxLayout()
        above.setContentsMargins(0, 0, 0, 0)
        above.addWidget(self.count, 1)
        above.addWidget(self.clear_button)
        self._inner = QWidget()
        self._chips = QVBoxLayout(self._inner)
        self._chips.setContentsMargins(0, 0, 0, 0)
        self._chips.setSpacing(2)
        self._area = scrolling(self._inner)
        self.chips: list[QPushButton] = []
        self._tags: list[Tags] = []
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(2)
        layout.addLayout(above)
        layout.addWidget(self._area)
        self.set_filters((), 0, 0)

    def set_filters(self, filters: Sequence[tuple[Tags, Condition]], files: int, of: int) -> None:
        """Show the filters of a `Selection`, which `files` of all files match. Hide the bar without filters."""
        while len(self.chips) < len(filters):
            self._add_chip()
        while len(self.chips) > len(filters):
            chip = self.chips.pop()
            self._chips.removeWidget(chip)
            chip.hide()
            chip.deleteLater()
        self._tags = [tag for tag, _ in filters]
        self.setVisible(bool(filters))
        self.count.setText(f"{files:,} of {of:,} files match")
        room = max(self.parentWidget().width() - CHIP_MARGIN if self.parentWidget() is not None else 0, MIN_TEXT_WIDTH)
        for chip, (tag, condition) in zip(self.chips, filters, strict=True):
            text = display(described(tag, condition))
            chip.setText(
                self.fontMetrics().elidedText(text, Qt.TextElideMode.ElideMiddle, room).replace("&", "&&") + "  ×"
            )
            chip.setToolTip(tip(f"{text} · click to remove this filter"))
        self._lay_out()

    def _add_chip(self) -> None:
        chip, i = _Chip(self._inner), len(self.chips)
        chip.setSizePolicy(QSizePolicy.Policy.Maximum, QSizePolicy.Policy.Fixed)
        chip.clicked.connect(lambda: self.filter_removed.emit(self._tags[i]))
        self._chips.addWidget(chip)
        # Without this, a new button is last in the tab order of the window.
        QWidget.setTabOrder(self.chips[-1] if self.chips else self.clear_button, chip)
        self.chips.append(chip)
        chip.show()

    def _lay_out(self) -> None:
        """Lay out now, so that the window is painted only once."""
        lines = min(len(self.chips), MAX_CHIP_LINES)
        height = self.chips[0].sizeHint().height() + self._chips.spacing() if self.chips else 0
        self._area.setFixedHeight(lines * height)
        self._chips.activate()
        widget: QWidget | None = self
        while widget is not None and (layout := widget.layout()) is not None:
            layout.activate()
            widget = widget.parentWidget()
