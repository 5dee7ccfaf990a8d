"""The fields under the presets: center, width, a menu of more windows, Follow slice and All layers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QPoint, QSize, Qt, Signal
from qtpy.QtWidgets import (
    QCheckBox,
    QHBoxLayout,
    QInputDialog,
    QLabel,
    QLineEdit,
    QMenu,
    QPushButton,
    QSizePolicy,
    QToolTip,
    QWidget,
)

from napari_dicommeta._napari.keys import RADIOLOGY_MOUSE
from napari_dicommeta._napari.widgets.labels import tip
from napari_dicommeta._napari.words import brief, digits_for, parse_numbers
from napari_dicommeta.dicom.units import unit_words
from napari_dicommeta.dicom.window import Window
from napari_dicommeta.support.words import counted, display

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from qtpy.QtGui import QFocusEvent, QKeyEvent, QWheelEvent

__all__ = ["NumberField", "WindowFields"]

MAX_PRESETS = 15
"""Presets of the folder in the menu."""
STEPS = 40
"""Steps of an arrow key in the width of the window."""
KEY_STEPS = {Qt.Key.Key_Up: 1, Qt.Key.Key_Down: -1, Qt.Key.Key_PageUp: 10, Qt.Key.Key_PageDown: -10}


class NumberField(QLineEdit):
    """A number; arrow keys and the wheel change it.

    `numbers_entered` carries one number, or a center and a width, `stepped` how many steps to change it by.
    """

    numbers_entered = Signal(tuple)
    stepped = Signal(int)

    def __init__(self, name: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._name, self._value, self._shown = name, 0.0, ""
        self.setAccessibleName(name)
        self.setToolTip(tip(f"{name}. Arrow keys and the wheel change it. “-600/1200” sets center and width."))
        self.setAlignment(Qt.AlignmentFlag.AlignRight)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.returnPressed.connect(self._enter)

    def value(self) -> float:
        """Return the number with all its digits."""
        return self._value

    def set_number(self, value: float, digits: int) -> None:
        """Show a number with at most `digits` decimals, without a signal; what is being typed stays."""
        self._value, self._shown = value, brief(value, digits)
        if not self.isModified():
            self._restore()

    def tell(self, text: str) -> None:
        """Say below the field why a text is not taken, and show the number again."""
        self._restore()
        QToolTip.showText(self.mapToGlobal(QPoint(0, self.height() // 2)), tip(display(text)), self)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Step by arrow keys; Escape shows the number again."""
        key, plain = event.key(), (Qt.KeyboardModifier.NoModifier, Qt.KeyboardModifier.KeypadModifier)
        if key in KEY_STEPS and event.modifiers() in plain:
            self._restore()
            self.stepped.emit(KEY_STEPS[key])
        elif key == Qt.Key.Key_Escape and self.isModified():
            self._restore()
        else:
            super().keyPressEvent(event)

    def wheelEvent(self, event: QWheelEvent) -> None:
        """Step while the field has the keyboard; else leave the wheel to the dock."""
        if not self.hasFocus() or not event.angleDelta().y():
            event.ignore()
            return
        self._restore()
        self.stepped.emit(1 if event.angleDelta().y() > 0 else -1)
        event.accept()

    def focusInEvent(self, event: QFocusEvent) -> None:
        """Select the number, to be typed over."""
        super().focusInEvent(event)
        self.selectAll()

    def focusOutEvent(self, event: QFocusEvent) -> None:
        """Take what was typed."""
        super().focusOutEvent(event)
        if self.isModified():
            self._enter()

    def sizeHint(self) -> QSize:
        """Return the size for seven digits."""
        return QSize(self.fontMetrics().horizontalAdvance("-0000000") + 12, super().sizeHint().height())

    def minimumSizeHint(self) -> QSize:
        """Return the size for five digits."""
        return QSize(self.fontMetrics().horizontalAdvance("-00000") + 12, super().minimumSizeHint().height())

    def _restore(self) -> None:
        self.setText(self._shown)
        self.setCursorPosition(0) if not self.hasFocus() else None

    def _enter(self) -> None:
        typed = self.text()
        if typed == self._shown:
            self._restore()
            return
        numbers = parse_numbers(typed)
        if not numbers:
            self.tell("Type a number, or center/width such as -600/1200.")
            return
        self._restore()
        self.numbers_entered.emit(numbers)


class WindowFields(QWidget):
    """Fields and menus of the window. The check boxes `follow` and `all_layers` are placed by the panel.

    `window_entered` carries a `Window` that was typed, `window_picked` one of the menus, `window_kept` a window to save
    under its explanation. `follow_toggled` and `all_layers_toggled` carry the two check boxes, `mouse_toggled` and
    `texts_toggled` the ticks of the menu.
    """

    window_entered = Signal(object)
    window_picked = Signal(object)
    window_kept = Signal(object)
    follow_toggled = Signal(bool)
    all_layers_toggled = Signal(bool)
    mouse_toggled = Signal(bool)
    texts_toggled = Signal(bool)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("dicommeta-window")
        self._function, self._step = "LINEAR", 1.0
        self.center, self.width_field = NumberField("Window center"), NumberField("Window width")
        self.unit = QLabel()
        self.unit.setTextFormat(Qt.TextFormat.PlainText)
        self.menu_button = QPushButton("More")
        menu = QMenu(self.menu_button)
        menu.setToolTipsVisible(True)
        names = ("Common for CT (not from the file)", "From the folder", "Saved")
        self._menus = tuple(menu.addMenu(name) for name in names)  # made once: clearing a menu keeps its submenus
        menu.addSeparator()
        menu.addAction("Save this window…", self._keep)
        menu.addSeparator()
        self.mouse = menu.addAction("Radiology mouse")
        self.mouse.setToolTip(RADIOLOGY_MOUSE)
        self.texts = menu.addAction("Directions and values on the canvas")
        for action, signal in ((self.mouse, self.mouse_toggled), (self.texts, self.texts_toggled)):
            action.setCheckable(True)
            action.toggled.connect(signal)
        self.menu_button.setMenu(menu)
        self.menu_button.setToolTip(
            "More windows: common ones for CT, those of the folder, and your saved ones. Mouse."
        )
        self.follow = QCheckBox("Follow slice", self)
        self.follow.setToolTip("Use the preset of each slice. Manual changes stay.")
        self.all_layers = QCheckBox("All layers", self)
        self.all_layers.setToolTip("Apply windows to all visible volumes with the same units, and link their limits")
        line = QHBoxLayout()
        line.setContentsMargins(0, 0, 0, 0)
        line.setSpacing(6)
        for label, field in (("C", self.center), ("W", self.width_field)):
            name = QLabel(label)
            name.setTextFormat(Qt.TextFormat.PlainText)
            name.setToolTip(tip(field.accessibleName()))
            line.addWidget(name)
            line.addWidget(field, 1)
        line.addWidget(self.unit)
        line.addWidget(self.menu_button)
        self.setLayout(line)
        self.follow.toggled.connect(self.follow_toggled)
        self.all_layers.toggled.connect(self.all_layers_toggled)
        self.center.numbers_entered.connect(self._center_entered)
        self.width_field.numbers_entered.connect(self._width_entered)
        self.center.stepped.connect(lambda steps: self._enter(self.center.value() + steps * self._step))
        self.width_field.stepped.connect(
            lambda steps: self._enter(width=max(self.width_field.value() + steps * self._step, self._least))
        )
        self.set_shown(None)

    def set_shown(
        self, shown: Window | None, varies: bool = False, several: bool = False, units: str = "", gamma: float = 1.0
    ) -> None:
        """Show center and width of a window without a signal; None means no DICOM layer.

        `varies` says whether slices have their own windows, `several` whether there are other volumes.
        """
        for widget in (self.center, self.width_field):
            widget.setEnabled(shown is not None)
        self.follow.setVisible(varies)
        self.all_layers.setVisible(several or self.all_layers.isChecked())
        gamma_text = "" if abs(gamma - 1) < 1e-6 else f"γ {gamma:.2g}"
        self.unit.setText(" ".join(filter(None, (display(unit_words(units), 12), gamma_text))))
        self.unit.setToolTip("Gamma bends the curve of the window. A preset sets it back to 1." if gamma_text else "")
        self.unit.setVisible(bool(self.unit.text()))
        if shown is None:
            return
        self._function = shown.function
        digits = digits_for(units, shown.width)
        self._step = max(round(shown.width / STEPS), 1) if digits == 0 else shown.width / STEPS
        self.center.set_number(shown.center, digits)
        self.width_field.set_number(shown.width, digits)

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
            self._add(of_folder, window, f"{name}{window.numbers}   in {counted(files, 'file')}")
        if len(folder) > MAX_PRESETS:
            of_folder.addAction(f"… and {len(folder) - MAX_PRESETS:,} more: see WindowCenter in Tags").setEnabled(False)
        own.setEnabled(bool(kept))
        for window in kept:
            self._add(own, window, f"{window.explanation}   {window.numbers}")

    def _add(self, menu: QMenu, window: Window, text: str) -> None:
        action = menu.addAction(display(text).replace("&", "&&"))
        action.setEnabled(not window.fault)
        action.triggered.connect(lambda _=False: self.window_picked.emit(window))

    @property
    def _least(self) -> float:
        """The smallest width that arrow keys reach."""
        return 1.0 if self._function == "LINEAR" else self._step / STEPS

    def _center_entered(self, numbers: tuple[float, ...]) -> None:
        width = numbers[1] if len(numbers) > 1 else None
        self._enter(numbers[0], width, field=self.center)

    def _width_entered(self, numbers: tuple[float, ...]) -> None:
        center = numbers[0] if len(numbers) > 1 else None
        self._enter(center, numbers[-1], field=self.width_field)

    def _enter(self, center: float | None = None, width: float | None = None, field: NumberField | None = None) -> None:
        """Emit the window of a center and a width, or say why there is none; None leaves a number as it is."""
        window = self._typed(center=center, width=width)
        if window.fault and field is not None:
            field.tell(f"{window.fault[0].upper()}{window.fault[1:]}.")
        elif not window.fault:
            self.window_entered.emit(window)

    def _typed(self, name: str = "", center: float | None = None, width: float | None = None) -> Window:
        """Return the window of the fields, with the VOI LUT function shown."""
        return Window(
            center=self.center.value() if center is None else center,
            width=self.width_field.value() if width is None else width,
            function=self._function,
            explanation=name,
        )

    def _keep(self) -> None:
        name, chosen = QInputDialog.getText(self, "Save this window", "Name:")
        if chosen and name.strip():
            self.window_kept.emit(self._typed(name.strip()))
