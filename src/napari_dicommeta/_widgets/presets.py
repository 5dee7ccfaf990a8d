"""The presets strip: one button for each window preset of the active layer's files, and the full range."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QSize, Qt, Signal
from qtpy.QtWidgets import QGridLayout, QLabel, QPushButton, QSizePolicy, QVBoxLayout, QWidget

from napari_dicommeta.meaning import display

if TYPE_CHECKING:
    from napari_dicommeta.window import Window

__all__ = ["PresetStrip"]

BUTTON_WIDTH = 108


class PresetStrip(QWidget):
    """Buttons that choose a window: the files' own in their order, then "full range".

    `window_chosen` carries the index of a window, or -1 for the full range.
    """

    window_chosen = Signal(int)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("dicommeta-presets")
        self.title = QLabel("")
        self.title.setTextFormat(Qt.TextFormat.PlainText)
        self.title.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self.buttons: list[QPushButton] = []
        self._grid = QGridLayout()
        self._grid.setContentsMargins(0, 0, 0, 0)
        self._grid.setSpacing(4)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        layout.addWidget(self.title)
        layout.addLayout(self._grid)
        self.set_windows("", ())

    def set_windows(self, name: str, windows: tuple[Window, ...], units: str = "") -> None:
        """Show the presets of a layer called `name`; an empty name: there is no DICOM layer."""
        for button in self.buttons:
            self._grid.removeWidget(button)
            button.deleteLater()
        self.buttons = []
        if not name:
            self.title.setText("Window · choose a DICOM layer")
            return
        unit = f" {units}" if units else ""
        self.title.setText(f"Window · {display(name)}" + ("" if windows else " · the files carry no preset"))
        self.title.setToolTip(display(name))
        for i, window in enumerate(windows):
            key = f"Alt+{i + 1}" if i < 9 else ""
            button = self._button(window.explanation or f"Window {i + 1}", f"{window.center:g} / {window.width:g}")
            low, high = window.limits
            shown = f"{window.function.replace('_', ' ').lower()}: {low:g} to {high:g}{unit}"
            if window.fault:
                button.setEnabled(False)
                font = button.font()
                font.setStrikeOut(True)
                button.setFont(font)
                shown = f"cannot be shown: {window.fault}"
            button.setToolTip(display(f"{window.label} · {shown}" + (f" · {key}" if key else "")))
            button.clicked.connect(lambda _=False, i=i: self.window_chosen.emit(i))
            self.buttons.append(button)
        full = self._button("full range", "Alt+0")
        full.setToolTip("The smallest to the largest value of the middle slice · Alt+0")
        full.clicked.connect(lambda: self.window_chosen.emit(-1))
        self.buttons.append(full)
        self._place()

    def set_current(self, index: int | None) -> None:
        """Mark the window with this index, -1 the full range, None none of them."""
        for i, button in enumerate(self.buttons):
            last = i == len(self.buttons) - 1
            button.setChecked(index is not None and (index == i or (index == -1 and last)))

    def resizeEvent(self, event: object) -> None:
        """Flow the buttons into as many columns as fit."""
        super().resizeEvent(event)
        self._place()

    def minimumSizeHint(self) -> QSize:
        """Narrow: the buttons flow."""
        return QSize(BUTTON_WIDTH, super().minimumSizeHint().height())

    def _button(self, first: str, second: str) -> QPushButton:
        metrics = self.fontMetrics()
        name = metrics.elidedText(display(first), Qt.TextElideMode.ElideRight, BUTTON_WIDTH - 16)
        button = QPushButton(f"{name.replace('&', '&&')}\n{second}")
        button.setCheckable(True)
        button.setMinimumSize(BUTTON_WIDTH - 20, 2 * metrics.height() + 10)
        button.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        return button

    def _place(self) -> None:
        columns = max(1, min(self.width() // BUTTON_WIDTH, 6))
        for i, button in enumerate(self.buttons):
            self._grid.addWidget(button, i // columns, i % columns)
