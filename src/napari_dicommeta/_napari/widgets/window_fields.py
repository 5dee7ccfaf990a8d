"""The fields under the presets: center, width, a menu of more windows, Follow slice and All layers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from magicgui.widgets import FloatSpinBox
from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import (
    QAbstractSpinBox,
    QCheckBox,
    QGridLayout,
    QHBoxLayout,
    QInputDialog,
    QLabel,
    QMenu,
    QPushButton,
    QWidget,
)

from napari_dicommeta._napari.widgets.labels import tip
from napari_dicommeta.dicom.window import Window
from napari_dicommeta.support.words import display

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["WindowFields"]

LIMIT = 1e7
MAX_PRESETS = 15
"""Presets of the folder in the menu."""


class WindowFields(QWidget):
    """Fields and menus of the window.

    `window_entered` carries a `Window` typed or picked, `window_kept` a window to save under its explanation.
    `follow_toggled` and `all_layers_toggled` carry the two check boxes.
    """

    window_entered = Signal(object)
    window_kept = Signal(object)
    follow_toggled = Signal(bool)
    all_layers_toggled = Signal(bool)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("dicommeta-window")
        self.center = FloatSpinBox(value=0, min=-LIMIT, max=LIMIT, step=10, name="center")
        self.width_field = FloatSpinBox(value=1, min=0, max=LIMIT, step=10, name="width")
        self.menu_button = QPushButton("More")
        menu = QMenu(self.menu_button)
        names = ("Common for CT (not from the file)", "From the folder", "Saved")
        self._menus = tuple(menu.addMenu(name) for name in names)  # made once: clearing a menu keeps its submenus
        menu.addSeparator()
        menu.addAction("Save this window…", self._keep)
        self.menu_button.setMenu(menu)
        self.menu_button.setToolTip("More windows: common ones for CT, those of the folder, and your saved ones")
        self.follow = QCheckBox("Follow slice")
        self.follow.setToolTip("Use the preset of each slice. Manual changes stay.")
        self.all_layers = QCheckBox("All layers")
        self.all_layers.setToolTip("Apply windows to all visible volumes with the same units, and link their limits")
        line = QHBoxLayout()
        line.setContentsMargins(0, 0, 0, 0)
        line.setSpacing(6)
        for label, box in (("C", self.center), ("W", self.width_field)):
            name = QLabel(label)
            name.setTextFormat(Qt.TextFormat.PlainText)
            meaning = "Window center" if label == "C" else "Window width"
            name.setToolTip(tip(meaning))
            box.native.setToolTip(tip(f"{meaning}, in the units of the values. Arrow keys and the wheel change it."))
            line.addWidget(name)
            box.native.setMinimumWidth(56)
            box.native.setButtonSymbols(QAbstractSpinBox.ButtonSymbols.NoButtons)  # arrow keys and the wheel step
            box.native.setKeyboardTracking(False)
            box.native.setDecimals(2)
            line.addWidget(box.native, 1)
            box.native.valueChanged.connect(self._entered)
        line.addWidget(self.menu_button)
        layout = QGridLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setVerticalSpacing(2)
        layout.addLayout(line, 0, 0, 1, 2)
        layout.addWidget(self.follow, 1, 0)
        layout.addWidget(self.all_layers, 1, 1, Qt.AlignmentFlag.AlignRight)
        self.follow.toggled.connect(self.follow_toggled)
        self.all_layers.toggled.connect(self.all_layers_toggled)
        self._setting, self._function = False, "LINEAR"
        self.set_shown(None)

    def set_shown(self, shown: Window | None, varies: bool = False, several: bool = False) -> None:
        """Show center and width of a window without a signal; None means no DICOM layer.

        `varies` says whether slices have their own windows, `several` whether there are other volumes.
        """
        self.setEnabled(shown is not None)
        self.follow.setVisible(varies)
        self.all_layers.setVisible(several or self.all_layers.isChecked())
        if shown is None:
            return
        self._function = shown.function
        self._setting = True
        try:
            if not (self.center.native.hasFocus() or self.width_field.native.hasFocus()):
                step = max(shown.width / 40, 0.01)
                self.center.native.setSingleStep(step)
                self.width_field.native.setSingleStep(step)
            self.center.native.setValue(shown.center)
            self.width_field.native.setValue(shown.width)
        finally:
            self._setting = False

    def set_menus(
        self, is_hu: bool, standard: Sequence[Window], folder: Mapping[Window, int], kept: Sequence[Window]
    ) -> None:
        """Fill the menu: common CT windows if the values are HU, frequent ones of the folder, and saved ones."""
        usual, of_folder, own = self._menus
        for menu in self._menus:
            menu.clear()
        usual.setEnabled(is_hu)
        for window in standard:
            self._add(usual, window, f"{window.explanation}   {window.numbers}")
        of_folder.setEnabled(bool(folder))
        for window, files in list(folder.items())[:MAX_PRESETS]:
            name = f"{window.explanation}   " if window.explanation else ""
            self._add(of_folder, window, f"{name}{window.numbers}   in {files:,} files")
        if len(folder) > MAX_PRESETS:
            of_folder.addAction(f"… and {len(folder) - MAX_PRESETS:,} more: see WindowCenter in Tags").setEnabled(False)
        own.setEnabled(bool(kept))
        for window in kept:
            self._add(own, window, f"{window.explanation}   {window.numbers}")

    def _add(self, menu: QMenu, window: Window, text: str) -> None:
        action = menu.addAction(display(text).replace("&", "&&"))
        action.setEnabled(not window.fault)
        action.triggered.connect(lambda _=False: self.window_entered.emit(window))

    def _entered(self, _value: float) -> None:
        if not self._setting:
            self.window_entered.emit(self._typed())

    def _typed(self, name: str = "") -> Window:
        """Return the window in the fields, with the VOI LUT function shown."""
        return Window(
            center=self.center.native.value(),
            width=self.width_field.native.value(),
            function=self._function,
            explanation=name,
        )

    def _keep(self) -> None:
        name, chosen = QInputDialog.getText(self, "Save this window", "Name:")
        if chosen and name.strip():
            self.window_kept.emit(self._typed(name.strip()))
