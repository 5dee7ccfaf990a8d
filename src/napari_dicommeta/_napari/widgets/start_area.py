"""What an empty dock offers: a place to drop files, Open folder, the last folders, and the sample."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QFrame, QLabel, QPushButton, QSizePolicy, QVBoxLayout, QWidget

from napari_dicommeta._napari.widgets.labels import tip
from napari_dicommeta.support.words import display

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from napari_dicommeta._napari.widgets.colors import Colors

__all__ = ["StartArea"]

MAX_RECENT = 3


class StartArea(QFrame):
    """The area. `folder_requested` and `sample_requested` follow its buttons, `paths_chosen` carries a recent folder.

    `recent` returns the folders that were opened last.
    """

    folder_requested = Signal()
    sample_requested = Signal()
    paths_chosen = Signal(list)

    def __init__(self, recent: Callable[[], Sequence[str]] = tuple, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("dicommeta-start")
        self._recent = recent
        words = QLabel("Drop a DICOM folder or files here")
        words.setAlignment(Qt.AlignmentFlag.AlignCenter)
        words.setWordWrap(True)
        self.folder_button = self._button("Open folder…")
        self.folder_button.clicked.connect(self.folder_requested)
        self.sample_button = self._button("Try the sample")
        self.sample_button.setToolTip("Open a synthetic chest CT")
        self.sample_button.clicked.connect(self.sample_requested)
        self.recent_buttons: list[QPushButton] = []
        layout = QVBoxLayout(self)
        layout.setContentsMargins(12, 12, 12, 12)
        layout.addStretch(1)
        layout.addWidget(words)
        layout.addWidget(self.folder_button)
        self._recent_place = QVBoxLayout()
        layout.addLayout(self._recent_place)
        layout.addWidget(self.sample_button)
        layout.addStretch(1)

    @staticmethod
    def _button(text: str) -> QPushButton:
        button = QPushButton(text)
        button.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        return button

    def fill(self) -> None:
        """Offer the folders that were opened last."""
        for button in self.recent_buttons:
            self._recent_place.removeWidget(button)
            button.deleteLater()
        self.recent_buttons = []
        home = os.path.expanduser("~")  # where napari's history begins
        folders = [folder for folder in self._recent() if folder.rstrip(os.sep) != home]
        for folder in folders[:MAX_RECENT]:
            name = display(os.path.join(*folder.rstrip(os.sep).split(os.sep)[-2:]), 40).replace("&", "&&")
            button = self._button(name)
            button.setToolTip(tip(display(folder)))
            button.clicked.connect(lambda _=False, folder=folder: self.paths_chosen.emit([folder]))
            self._recent_place.addWidget(button)
            QWidget.setTabOrder(self.recent_buttons[-1] if self.recent_buttons else self.folder_button, button)
            self.recent_buttons.append(button)

    def set_colors(self, colors: Colors) -> None:
        """Take the theme's colors."""
        self.setStyleSheet(f"#dicommeta-start {{ border: 2px dashed {colors.faint.name()}; border-radius: 6px; }}")
