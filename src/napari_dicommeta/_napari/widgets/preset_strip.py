"""The preset strip: a row of buttons with thumbnails, one for each window of the layer and one for the full range."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
from qtpy.QtCore import QRect, QSize, Qt, QTimer, Signal
from qtpy.QtGui import QColor, QIcon, QImage, QPainter, QPixmap
from qtpy.QtWidgets import QFrame, QHBoxLayout, QScrollArea, QSizePolicy, QToolButton, QVBoxLayout, QWidget

from napari_dicommeta._napari.keys import PRESET_KEYS, preset_key
from napari_dicommeta._napari.widgets.labels import line, tip
from napari_dicommeta.dicom.units import unit_words
from napari_dicommeta.support.words import display

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from qtpy.QtGui import QResizeEvent, QWheelEvent

    from napari_dicommeta._napari.widgets.colors import Colors
    from napari_dicommeta.dicom.window import Window

__all__ = ["PICTURE", "Preset", "PresetStrip"]

BUTTON_WIDTH, PICTURE, ARROW_WIDTH = 98, 56, 16
"""Pixels."""
SPACING = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Preset:
    """A preset as it is offered.

    `spread` says how it varies over the slices, "" if it does not. `folded` are nearly equal windows that it stands
    for. `is_usual`: it is not one of the files.
    """

    window: Window
    spread: str = ""
    folded: tuple[Window, ...] = ()
    is_usual: bool = False


class _Row(QScrollArea):
    """An area that scrolls sideways, by the wheel too."""

    def wheelEvent(self, event: QWheelEvent) -> None:
        """Scroll sideways; where all buttons are in view, leave the wheel to the dock."""
        bar, turned = self.horizontalScrollBar(), event.angleDelta()
        if not bar.maximum():
            event.ignore()
            return
        bar.setValue(bar.value() - round((turned.y() or turned.x()) / 120 * (BUTTON_WIDTH + SPACING)))
        event.accept()


class PresetStrip(QWidget):
    """Buttons for windows: those of the files in their order, usual ones, then "Full range".

    `window_chosen` carries the number of a window, or -1 for the full range. `head` is the layout of the line above,
    for widgets beside the title.
    """

    window_chosen = Signal(int)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("dicommeta-presets")
        self.title = line()
        self.tab_after: QWidget | None = None
        """The widget before the first button in the tab order."""
        self.keys: Mapping[str, int] = PRESET_KEYS
        """Key -> number of a preset, as `PRESET_KEYS`; those of later `set_presets`."""
        self.buttons: list[QToolButton] = []
        self.windows: tuple[Window, ...] = ()
        self._presets: tuple[Preset, ...] = ()
        self._bring_timer = QTimer(self, singleShot=True, interval=0, timeout=self._bring_current)
        self._content = QWidget()
        self._buttons = QHBoxLayout(self._content)
        self._buttons.setContentsMargins(0, 0, 0, 0)
        self._buttons.setSpacing(SPACING)
        self._buttons.addStretch(1)
        self.row = _Row()
        self.row.setWidget(self._content)
        self.row.setWidgetResizable(True)
        self.row.setFrameShape(QFrame.Shape.NoFrame)
        self.row.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        for policy in (self.row.setHorizontalScrollBarPolicy, self.row.setVerticalScrollBarPolicy):
            policy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.arrows = tuple(self._arrow(text, name, by) for text, name, by in (("‹", "left", -1), ("›", "right", 1)))
        bar = self.row.horizontalScrollBar()
        bar.rangeChanged.connect(self._show_arrows)
        bar.valueChanged.connect(self._show_arrows)
        whole = QHBoxLayout()
        whole.setContentsMargins(0, 0, 0, 0)
        whole.setSpacing(0)
        whole.addWidget(self.arrows[0])
        whole.addWidget(self.row, 1)
        whole.addWidget(self.arrows[1])
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        self.head = QHBoxLayout()
        self.head.addWidget(self.title, 1)
        layout.addLayout(self.head)
        layout.addLayout(whole)
        self.set_presets("", ())

    def set_name(self, name: str) -> None:
        """Show the name of the layer."""
        has_own = any(not preset.is_usual for preset in self._presets)
        self.title.setText(f"Window · {display(name)}" + ("" if has_own else " · no presets in the files"))
        self.title.setToolTip(tip(self.title.text()))

    def set_presets(self, name: str, presets: Sequence[Preset], units: str = "") -> None:
        """Show the presets of the layer `name`; an empty name means no DICOM layer."""
        for button in self.buttons:
            self._buttons.removeWidget(button)
            button.hide()
            button.deleteLater()
        self.buttons, self._presets = [], tuple(presets)
        self.windows = tuple(preset.window for preset in presets)
        self.row.setFixedHeight(self._button_height() + 2)  # each time, since a style sheet changes the font
        self.row.setVisible(bool(name))
        self._show_arrows()
        if not name:
            self.title.setText("Window · select a DICOM layer")
            self.title.setToolTip("")
            return
        self.set_name(name)
        for i, preset in enumerate(presets):
            button = self._button(_name(preset.window, i), _numbers(preset, units))
            font = button.font()
            font.setItalic(preset.is_usual)
            if preset.window.fault:
                button.setEnabled(False)
                font.setStrikeOut(True)
            button.setFont(font)
            button.setToolTip(tip(display(_tip(preset, preset_key(i, self.keys), units), 400)))
            button.clicked.connect(lambda _=False, i=i: self.window_chosen.emit(i))
        full = self._button("Full range", "")
        full.setToolTip(
            tip(f"Smallest to largest value of the middle slice, without padding · {preset_key(-1, self.keys)}")
        )
        full.clicked.connect(lambda: self.window_chosen.emit(-1))
        for i, button in enumerate(self.buttons):
            self._set_picture(button, i, None)
        for before, button in pairwise((*filter(None, [self.tab_after]), *self.buttons)):
            QWidget.setTabOrder(before, button)  # new buttons would be last in the tab order

    def set_colors(self, colors: Colors) -> None:
        """Take the theme's colors."""
        plain, current, text = colors.foreground.name(), colors.current.name(), colors.text.name()
        self.setStyleSheet(
            f"QToolButton {{ border: 1px solid transparent; border-radius: 3px; padding: 2px; background: {plain} }}"
            f"QToolButton:hover {{ border-color: {current} }}"
            f"QToolButton:checked {{ background: {current}; border-color: {text} }}"  # the accent marks the focus
            "QToolButton#dicommeta-arrow { background: transparent; padding: 0px }"
        )

    def set_current(self, index: int | None) -> None:
        """Mark the window with this number: -1 for the full range, None for no window; it comes into view."""
        for i, button in enumerate(self.buttons):
            last = i == len(self.buttons) - 1
            is_current = index is not None and (index == i or (index == -1 and last))
            if is_current and not button.isChecked():
                self._bring_timer.start()  # buttons that were just made have no place yet
            button.setChecked(is_current)

    def set_pictures(self, plane: np.ndarray, full: tuple[float, float], inverted: bool = False) -> None:
        """Show a subsampled slice (rows, columns), in modality values, through each window."""
        for i, button in enumerate(self.buttons):
            window = self.windows[i] if i < len(self.windows) else None
            if window is not None and window.fault:
                continue
            low, high = full
            brightness = window.apply(plane) if window is not None else (plane - low) / max(high - low, 1e-9)
            gray = np.nan_to_num(np.clip(1 - brightness if inverted else brightness, 0, 1) * 255)
            self._set_picture(button, i, np.ascontiguousarray(gray.astype(np.uint8)))

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Keep the marked button in view."""
        super().resizeEvent(event)
        self._bring_current()

    def minimumSizeHint(self) -> QSize:
        """Return the width of one button: the row scrolls."""
        return QSize(BUTTON_WIDTH, super().minimumSizeHint().height())

    def _bring_current(self) -> None:
        """Scroll to the marked button, with a part of its neighbors in view."""
        for button in self.buttons:
            if button.isChecked():
                self.row.ensureWidgetVisible(button, BUTTON_WIDTH // 3, 0)

    def _show_arrows(self, *_: int) -> None:
        """Show arrows where buttons are out of view."""
        bar = self.row.horizontalScrollBar()
        for arrow, is_useful in zip(
            self.arrows, (bar.value() > bar.minimum(), bar.value() < bar.maximum()), strict=True
        ):
            arrow.setVisible(self.row.isVisibleTo(self) and bar.maximum() > 0)
            arrow.setEnabled(is_useful)

    def _arrow(self, text: str, name: str, by: int) -> QToolButton:
        arrow = QToolButton()
        arrow.setObjectName("dicommeta-arrow")
        arrow.setText(text)
        arrow.setAccessibleName(f"Scroll presets to the {name}")
        arrow.setFocusPolicy(Qt.FocusPolicy.NoFocus)  # keys reach all presets
        arrow.setFixedWidth(ARROW_WIDTH)
        arrow.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Expanding)
        arrow.setAutoRepeat(True)
        bar = self.row.horizontalScrollBar()
        arrow.clicked.connect(lambda: bar.setValue(bar.value() + by * 2 * (BUTTON_WIDTH + SPACING)))
        return arrow

    def _button_height(self) -> int:
        return PICTURE + 2 * self.fontMetrics().height() + 12

    def _button(self, first: str, second: str) -> QToolButton:
        name = self.fontMetrics().elidedText(display(first), Qt.TextElideMode.ElideRight, BUTTON_WIDTH - 10)
        button = QToolButton()
        button.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextUnderIcon)
        button.setIconSize(QSize(BUTTON_WIDTH - 8, PICTURE))
        button.setText(f"{name.replace('&', '&&')}\n{second}")
        button.setCheckable(True)
        button.setFixedSize(BUTTON_WIDTH, self._button_height())
        self._buttons.insertWidget(len(self.buttons), button)
        self.buttons.append(button)
        return button

    def _set_picture(self, button: QToolButton, i: int, pixels: np.ndarray | None) -> None:
        """Give a button the picture `pixels`, uint8, with its key, and "usual" where it is that."""
        ratio = self.devicePixelRatioF()
        pixmap = QPixmap(round((BUTTON_WIDTH - 8) * ratio), round(PICTURE * ratio))
        pixmap.setDevicePixelRatio(ratio)
        pixmap.fill(QColor(0, 0, 0, 0))
        painter = QPainter(pixmap)
        if pixels is not None:
            height, width = pixels.shape
            image = QImage(pixels.data, width, height, width, QImage.Format.Format_Grayscale8)
            shown_width, shown_height = round(width / ratio), round(height / ratio)
            left, top = (BUTTON_WIDTH - 8 - shown_width) // 2, (PICTURE - shown_height) // 2
            painter.drawImage(QRect(left, top, shown_width, shown_height), image)
        font = painter.font()
        font.setPixelSize(10)
        painter.setFont(font)
        is_full = i >= len(self._presets)
        key = preset_key(-1 if is_full else i, self.keys).rpartition("+")[2]
        self._badge(painter, key, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignTop)
        if not is_full and self._presets[i].is_usual:
            self._badge(painter, "usual", Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignBottom)
        painter.end()
        button.setIcon(QIcon(pixmap))

    @staticmethod
    def _badge(painter: QPainter, text: str, side: Qt.AlignmentFlag) -> None:
        """Write `text` on a dark ground in a corner, readable over any picture."""
        if not text:
            return
        metrics = painter.fontMetrics()
        width, height = metrics.horizontalAdvance(text) + 6, metrics.height()
        left = 0 if side & Qt.AlignmentFlag.AlignLeft else BUTTON_WIDTH - 8 - width
        top = 0 if side & Qt.AlignmentFlag.AlignTop else PICTURE - height
        box = QRect(left, top, width, height)
        painter.fillRect(box, QColor(0, 0, 0, 190))
        painter.setPen(QColor(255, 255, 255))
        painter.drawText(box, Qt.AlignmentFlag.AlignCenter, text)


def _name(window: Window, i: int) -> str:
    name = window.explanation or ("Lookup table" if window.lut is not None else f"Window {i + 1}")
    return f"{name} ×{window.times}" if window.times > 1 else name


def _numbers(preset: Preset, units: str) -> str:
    window = preset.window
    mark = " ?" if window.doubt(units) else ""
    stored = " stored" if window.rescale is not None else ""
    return window.numbers + stored + (" …" if preset.spread else mark)


def _tip(preset: Preset, key: str, units: str) -> str:
    window = preset.window
    low, high = window.limits
    unit = f" {words}" if (words := unit_words(units)) else ""
    kind = "lookup table" if window.lut is not None else window.function.replace("_", " ").lower()
    parts = [window.label, f"cannot be shown: {window.fault}" if window.fault else f"{kind}: {low:g} to {high:g}{unit}"]
    if preset.is_usual:
        parts.append("usual for CT, not from the files")
    if window.rescale is not None:
        parts.append("for stored values, judging by the data range")
    if doubt := window.doubt(units):
        parts.append(f"implausible: {doubt}")
    if preset.spread:
        parts.append(preset.spread)
    if window.times > 1:
        parts.append(f"stored {window.times} times in the file")
    if preset.folded:
        parts.append("stands for the nearly equal " + ", ".join(_full_name(same) for same in preset.folded))
    if key:
        parts.append(key)
    return " · ".join(parts)


def _full_name(window: Window) -> str:
    return f"{window.explanation} {window.numbers}".strip()
