"""The line above the series tree: a search field, and a menu for order and heads."""

from __future__ import annotations

from qtpy.QtCore import QEvent, QObject, Qt, Signal
from qtpy.QtGui import QAction, QActionGroup
from qtpy.QtWidgets import QHBoxLayout, QLineEdit, QMenu, QToolButton, QWidget

__all__ = ["ORDERS", "SeriesSearch"]

ORDERS = ("By name", "By modality", "By size", "By notes")


class SeriesSearch(QWidget):
    """`searched` carries the text of the field, `accepted` the same after Enter.

    `left` follows Down, which leads to the list. `order_chosen` carries a number of `ORDERS`, -1 for most images first.
    """

    searched = Signal(str)
    accepted = Signal(str)
    left = Signal()
    order_chosen = Signal(int)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.field = QLineEdit()
        self.field.setPlaceholderText("Find series: chest, CT, kernel=B31f…")
        self.field.setToolTip(
            "Words of name, patient, study or modality, and tag=value. Enter makes a filter of tag=value, "
            "Down goes to the list, Esc clears."
        )
        self.field.setClearButtonEnabled(True)
        self.field.installEventFilter(self)
        self.field.textChanged.connect(self.searched)
        self.field.returnPressed.connect(lambda: self.accepted.emit(self.field.text()))
        button = QToolButton()
        button.setText("Sort")
        button.setMinimumWidth(self.fontMetrics().horizontalAdvance("Sort") + 28)
        button.setToolTip("Order of the series, and their heads")
        button.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        menu = QMenu(button)
        self.orders = QActionGroup(menu)
        for number, text in enumerate(("Most images first", *ORDERS), -1):
            action = menu.addAction(text)
            action.setCheckable(True)
            action.setChecked(number < 0)
            action.triggered.connect(lambda _=False, number=number: self.order_chosen.emit(number))
            self.orders.addAction(action)
        menu.addSeparator()
        self.by_patient = QAction("Group by patient and study", menu)
        self.by_patient.setCheckable(True)
        self.by_patient.setChecked(True)
        menu.addAction(self.by_patient)
        button.setMenu(menu)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        layout.addWidget(self.field, 1)
        layout.addWidget(button)

    @property
    def text(self) -> str:
        """The text of the field."""
        return self.field.text()

    def set_order(self, number: int) -> None:
        """Mark the order without a signal."""
        self.orders.actions()[number + 1].setChecked(True)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Clear the field with Esc, and leave it with Down."""
        if watched is self.field and event.type() == QEvent.Type.KeyPress:
            if event.key() == Qt.Key.Key_Escape and self.text:
                self.field.clear()
                return True
            if event.key() == Qt.Key.Key_Down:
                self.left.emit()
                return True
        return bool(super().eventFilter(watched, event))
