"""The view bar: axial, coronal, sagittal, 3D, and patient space."""

from __future__ import annotations

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QCheckBox, QHBoxLayout, QPushButton, QSizePolicy, QWidget

from napari_dicommeta._napari.views import VIEWS

__all__ = ["ViewBar"]

UNPLACED = "The files give no position of the images in the patient"


class ViewBar(QWidget):
    """Buttons for the anatomical planes and 3D, and a check box for patient space.

    `view_chosen` carries one of `VIEWS`, `patient_space_toggled` whether to place layers in patient space.
    """

    view_chosen = Signal(str)
    patient_space_toggled = Signal(bool)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("dicommeta-views")
        line = QHBoxLayout(self)
        line.setContentsMargins(0, 0, 0, 0)
        line.setSpacing(4)
        self.buttons: dict[str, QPushButton] = {}
        for view in VIEWS:
            button = QPushButton(view[0].upper() + view[1:])
            button.setCheckable(True)
            button.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
            button.setMinimumWidth(30)
            button.clicked.connect(lambda _=False, view=view: self.view_chosen.emit(view))
            line.addWidget(button)
            self.buttons[view] = button
        self.patient_space = QCheckBox("Patient space")
        self.patient_space.toggled.connect(self.patient_space_toggled)
        line.addWidget(self.patient_space)
        self.set_view("", is_placed=False, is_active=False)

    def set_view(self, view: str, is_placed: bool, is_active: bool) -> None:
        """Mark the current view. Planes need an active volume that `is_placed` in the patient."""
        for name, button in self.buttons.items():
            button.setChecked(name == view)
            usable = is_active and (is_placed or name == "3D")
            button.setEnabled(usable)
            side = "from the front, head up" if name == "3D" else "in radiological convention, not resampled"
            button.setToolTip(f"{name[0].upper() + name[1:]} view {side}" if usable or not is_active else UNPLACED)
        self.patient_space.setEnabled(is_active and is_placed)
        tip = "Place volumes of one frame of reference by their position in the patient, for example PET over CT"
        self.patient_space.setToolTip(tip if is_placed or not is_active else UNPLACED)

    def set_patient_space(self, is_on: bool) -> None:
        """Show whether layers are in patient space, without a signal."""
        self.patient_space.blockSignals(True)
        self.patient_space.setChecked(is_on)
        self.patient_space.blockSignals(False)
