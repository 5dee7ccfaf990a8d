"""The preset strip: a button with a thumbnail for each window of the active layer, and one for the full range."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
from qtpy.QtCore import QSize, Qt, Signal
from qtpy.QtGui import QIcon, QImage, QPixmap
from qtpy.QtWidgets import QGridLayout, QSizePolicy, QToolButton, QVBoxLayout, QWidget

from napari_dicommeta._napari.keys import preset_key
from napari_dicommeta._napari.widgets.labels import line, tip
from napari_dicommeta.support.words import display

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_dicommeta._napari.widgets.colors import Colors
    from napari_dicommeta.dicom.window import Window

__all__ = ["PICTURE", "PresetStrip"]

BUTTON_WIDTH, PICTURE = 104, 52
"""Pixels."""


class PresetStrip(QWidget):
    """Buttons for windows: those of the files in their order, then "Full range".

    `window_chosen` carries the number of a window, or -1 for the full range.
    """

    window_chosen = Signal(int)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("dicommeta-presets")
        self.title = line()
        self.tab_after: QWidget | None = None
        """The widget before the first button in the tab order."""
        self.buttons: list[QToolButton] = []
        self.windows: tuple[Window, ...] = ()
        self._grid = QGridLayout()
        self._grid.setContentsMargins(0, 0, 0, 0)
        self._grid.setSpacing(4)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        layout.addWidget(self.title)
        layout.addLayout(self._grid)
        self.set_windows("", ())

    def set_windows(self, name: str, windows: tuple[Window, ...], units: str = "", spreads: Sequence[str] = ()) -> None:
        """Show the presets of the layer `name`; an empty name means no DICOM layer.

        `spreads` says for each window how it varies over the slices, "" if it does not.
        """
        for button in self.buttons:
            self._grid.removeWidget(button)
            button.deleteLater()
        self.buttons, self.windows = [], windows
        if not name:
            self.title.setText("Window · select a DICOM layer")
            self.title.setToolTip("")
            return
        self.title.setText(f"Window · {display(name)}" + ("" if windows else " · no presets in the files"))
        self.title.setToolTip(tip(display(name)))
        for i, window in enumerate(windows):
            button = self._button(_name(window, i), _numbers(window, units, bool(spreads and spreads[i])))
            if window.fault:
                button.setEnabled(False)
                font = button.font()
                font.setStrikeOut(True)
                button.setFont(font)
            button.setToolTip(tip(display(_tip(window, i, units, spreads[i] if spreads else ""), 400)))
            button.clicked.connect(lambda _=False, i=i: self.window_chosen.emit(i))
            self.buttons.append(button)
        full = self._button("Full range", preset_key(-1))
        full.setToolTip(tip(f"Smallest to largest value of the middle slice, without padding · {preset_key(-1)}"))
        full.clicked.connect(lambda: self.window_chosen.emit(-1))
        self.buttons.append(full)
        self._place()
        for before, button in pairwise((*filter(None, [self.tab_after]), *self.buttons)):
            QWidget.setTabOrder(before, button)  # new buttons would be last in the tab order

    def set_colors(self, colors: Colors) -> None:
        """Take the theme's colors."""
        plain, current = colors.foreground.name(), colors.current.name()
        self.setStyleSheet(
            f"QToolButton {{ border: 1px solid transparent; border-radius: 3px; padding: 2px; background: {plain} }}"
            f"QToolButton:hover {{ border-color: {current} }} QToolButton:checked {{ background: {current} }}"
        )

    def set_current(self, index: int | None) -> None:
        """Mark the window with this number: -1 for the full range, None for no window."""
        for i, button in enumerate(self.buttons):
            last = i == len(self.buttons) - 1
            button.setChecked(index is not None and (index == i or (index == -1 and last)))

    def set_pictures(self, plane: np.ndarray, full: tuple[float, float], inverted: bool = False) -> None:
        """Show a subsampled slice (rows, columns), in modality values, through each window."""
        for i, button in enumerate(self.buttons):
            window = self.windows[i] if i < len(self.windows) else None
            if window is not None and window.fault:
                continue
            low, high = full
            brightness = window.apply(plane) if window is not None else (plane - low) / max(high - low, 1e-9)
            gray = np.nan_to_num(np.clip(1 - brightness if inverted else brightness, 0, 1) * 255)
            pixels = np.ascontiguousarray(gray.astype(np.uint8))
            height, width = pixels.shape
            image = QImage(pixels.data, width, height, width, QImage.Format.Format_Grayscale8).copy()
            button.setIcon(QIcon(QPixmap.fromImage(image)))

    def resizeEvent(self, event: object) -> None:
        """Arrange the buttons in as many columns as fit."""
        super().resizeEvent(event)
        self._place()

    def minimumSizeHint(self) -> QSize:
        """Return the width of one column: the buttons wrap."""
        return QSize(BUTTON_WIDTH, super().minimumSizeHint().height())

    def _button(self, first: str, second: str) -> QToolButton:
        metrics = self.fontMetrics()
        name = metrics.elidedText(display(first), Qt.TextElideMode.ElideRight, BUTTON_WIDTH - 12)
        button = QToolButton()
        button.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextUnderIcon)
        button.setIconSize(QSize(PICTURE, PICTURE))
        button.setText(f"{name.replace('&', '&&')}\n{second}")
        button.setCheckable(True)
        button.setMinimumSize(BUTTON_WIDTH - 20, PICTURE + 2 * metrics.height() + 14)
        button.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        return button

    def _place(self) -> None:
        columns = max(1, min(self.width() // BUTTON_WIDTH, 6))
        for i, button in enumerate(self.buttons):
            self._grid.addWidget(button, i // columns, i % columns)


def _name(window: Window, i: int) -> str:
    name = window.explanation or ("Lookup table" if window.lut is not None else f"Window {i + 1}")
    return f"{name} ×{window.times}" if window.times > 1 else name


def _numbers(window: Window, units: str, varies: bool) -> str:
    mark = " ?" if window.doubt(units) else ""
    stored = " stored" if window.rescale is not None else ""
    return window.numbers + stored + (" …" if varies else mark)


def _tip(window: Window, i: int, units: str, spread: str) -> str:
    low, high = window.limits
    unit = f" {units}" if units else ""
    kind = "lookup table" if window.lut is not None else window.function.replace("_", " ").lower()
    parts = [window.label, f"cannot be shown: {window.fault}" if window.fault else f"{kind}: {low:g} to {high:g}{unit}"]
    if window.rescale is not None:
        parts.append("for stored values, judging by the data range")
    if doubt := window.doubt(units):
        parts.append(f"implausible: {doubt}")
    if spread:
        parts.append(spread)
    if window.times > 1:
        parts.append(f"stored {window.times} times in the file")
    if key := preset_key(i):
        parts.append(key)
    return " · ".join(parts)
