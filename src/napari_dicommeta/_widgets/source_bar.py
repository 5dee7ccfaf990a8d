"""The source line: what is open, Open…, and the progress of a scan with Cancel."""

from __future__ import annotations

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import (
    QFileDialog,
    QHBoxLayout,
    QLabel,
    QMenu,
    QProgressBar,
    QPushButton,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

__all__ = ["SourceBar"]


class SourceBar(QWidget):
    """A line that names the source and its size; while a scan runs, a bar under it that can be cancelled.

    `paths_chosen` carries the paths picked with Open…; `scan_cancelled` the wish to stop; `preference_toggled` whether
    napari is to open folders with this plugin without asking.
    """

    paths_chosen = Signal(list)
    scan_cancelled = Signal()
    preference_toggled = Signal(bool)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("dicommeta-source")
        self.title = QLabel("No DICOM open")
        self.title.setTextFormat(Qt.TextFormat.PlainText)
        self.title.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self.open_button = QPushButton()
        self.open_button.setText("Open…")
        self.open_button.setToolTip("Open a folder, or single files, of DICOM")
        self.open_button.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Fixed)
        self.open_button.setMinimumWidth(self.fontMetrics().horizontalAdvance("Open…") + 44)
        menu = QMenu(self.open_button)
        menu.addAction("Folder…", self._choose_folder)
        menu.addAction("Files…", self._choose_files)
        menu.addSeparator()
        self.preference = menu.addAction("Always open DICOM folders with this plugin")
        self.preference.setCheckable(True)
        self.preference.triggered.connect(self.preference_toggled)
        self.open_button.setMenu(menu)
        line = QHBoxLayout()
        line.setContentsMargins(0, 0, 0, 0)
        line.addWidget(self.title, 1)
        line.addWidget(self.open_button)
        self.bar = QProgressBar()
        self.bar.setTextVisible(False)
        self.bar.setFixedHeight(6)
        self.count = QLabel("")
        self.count.setTextFormat(Qt.TextFormat.PlainText)
        self.cancel_button = QPushButton("Cancel")
        self.cancel_button.clicked.connect(self.scan_cancelled)
        self.progress = QWidget()
        progress_line = QHBoxLayout(self.progress)
        progress_line.setContentsMargins(0, 0, 0, 0)
        progress_line.addWidget(self.bar, 1)
        progress_line.addWidget(self.count)
        progress_line.addWidget(self.cancel_button)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        layout.addLayout(line)
        layout.addWidget(self.progress)
        self.progress.hide()

    def set_preference(self, is_preferred: bool) -> None:
        """Show whether napari opens folders with this plugin, without a signal."""
        self.preference.setChecked(is_preferred)

    def set_source(self, title: str, tooltip: str = "") -> None:
        """Show what is open."""
        self.title.setText(title)
        self.title.setToolTip(tooltip)

    def set_progress(self, done: int, found: int, listed: bool) -> None:
        """Show how far a scan is, of what has been found so far.

        The bar is never of the kind that moves without an end: its animation repaints the whole window, canvas
        included, and takes the time that the scan needs.
        """
        self.progress.show()
        self.bar.setRange(0, max(found, 1))
        self.bar.setValue(done)
        self.count.setText(f"{done:,} of {found:,}{'' if listed else '+'} files")

    def set_idle(self) -> None:
        """Hide the progress."""
        self.progress.hide()

    def _choose_folder(self) -> None:
        if path := QFileDialog.getExistingDirectory(self, "Open a folder of DICOM"):
            self.paths_chosen.emit([path])

    def _choose_files(self) -> None:
        paths, _ = QFileDialog.getOpenFileNames(self, "Open DICOM files")
        if paths:
            self.paths_chosen.emit(paths)
