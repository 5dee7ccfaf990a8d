"""The view bar: axial, coronal, sagittal, 3D, patient space, and the fade of fused volumes."""

from __future__ import annotations

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QCheckBox, QHBoxLayout, QLabel, QPushButton, QSizePolicy, QSlider, QVBoxLayout, QWidget

from napari_dicommeta._napari.views import VIEWS
from napari_dicommeta._napari.widgets.labels import tip

__all__ = ["ViewBar"]

UNPLACED = "The files give no position of the images in the patient"


class ViewBar(QWidget):
    """Buttons for the anatomical planes and 3D, and a check box for patient space.

    `view_chosen` carries one of `VIEWS`, `patient_space_toggled` whether to place layers in patient space,
    `fade_chosen` the opacity of the fused volume.
    """

    view_chosen = Signal(str)
    patient_space_toggled = Signal(bool)
    fade_chosen = Signal(float)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("dicommeta-views")
        whole = QVBoxLayout(self)
        whole.setContentsMargins(0, 0, 0, 0)
        whole.setSpacing(4)
        line = QHBoxLayout()
        whole.addLayout(line)
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
        self.fade_label = QLabel("Fusion")
        self.fade = QSlider(Qt.Orientation.Horizontal)
        self.fade.setRange(0, 100)
        self.fade.setPageStep(10)
        self.fade.setMinimumWidth(80)
        self.fade.setAccessibleName("Fusion")
        self.fade.setToolTip("Fade PET or dose in over the image below it")
        self.fade.valueChanged.connect(lambda value: self.fade_chosen.emit(value / 100))
        self.fade_line = QWidget()
        fade_line = QHBoxLayout(self.fade_line)
        fade_line.setContentsMargins(0, 0, 0, 0)
        fade_line.addWidget(self.fade_label)
        fade_line.addWidget(self.fade, 1)
        whole.addWidget(self.fade_line)
        self.set_fade(None)
        self.set_view("", is_placed=False, is_active=False)

    def set_view(self, view: str, is_placed: bool, is_active: bool) -> None:
        """Mark the current view. Planes need an active volume that `is_placed` in the patient."""
        for name, button in self.buttons.items():
            button.setChecked(name == view)
            usable = is_active and (is_placed or name == "3D")
            button.setEnabled(usable)
            side = "from the front, head up" if name == "3D" else "in radiological convention, not resampled"
            button.setToolTip(tip(f"{name[0].upper() + name[1:]} view {side}") if usable or not is_active else UNPLACED)
        self.patient_space.setEnabled(is_active and is_placed)
        where = "Place volumes of one frame of reference by their position in the patient, for example PET over CT"
        self.patient_space.setToolTip(tip(where) if is_placed or not is_active else UNPLACED)

    def set_patient_space(self, is_on: bool) -> None:
        """Show whether layers are in patient space, without a signal."""
        self.patient_space.blockSignals(True)
        self.patient_space.setChecked(is_on)
        self.patient_space.blockSignals(False)

    def set_fade(self, opacity: float | None) -> None:
        """Show the opacity of the fused volume; None hides the slider."""
        self.fade_line.setVisible(opacity is not None)
        if opacity is not None:
            self.fade.blockSignals(True)
            self.fade.setValue(round(100 * opacity))
            self.fade.blockSignals(False)
