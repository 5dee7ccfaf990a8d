"""The source bar: Back, name of the source, Open…, and the progress of a scan with Stop."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from qtpy.QtCore import QRect, Qt, Signal
from qtpy.QtGui import QIcon, QPainter, QPixmap
from qtpy.QtWidgets import (
    QFileDialog,
    QHBoxLayout,
    QInputDialog,
    QLabel,
    QMenu,
    QProgressBar,
    QPushButton,
    QSizePolicy,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from napari_dicommeta._napari.widgets.labels import line, tip
from napari_dicommeta.support.words import display

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from qtpy.QtGui import QColor

__all__ = ["SourceBar"]

MAX_PATHS = 10
"""Paths in the tooltip of a source."""
MAX_RECENT = 8


class SourceBar(QWidget):
    """The name and size of the source, with a progress bar and Stop below them during a scan.

    `paths_chosen` carries the paths picked with Open…, `comparison_chosen` the folder or catalog to compare with, or
    "" for none, `labels_chosen` a CSV file of labels. `scan_canceled` follows Stop, `back_requested` Back,
    `move_requested` the button that moves the dock below the canvas and back. `preference_toggled` carries whether
    napari opens folders with this plugin without asking. `recent` returns the folders for the menu.
    """

    paths_chosen = Signal(list)
    comparison_chosen = Signal(str)
    labels_chosen = Signal(str)
    scan_canceled = Signal()
    back_requested = Signal()
    move_requested = Signal()
    preference_toggled = Signal(bool)

    def __init__(self, recent: Callable[[], Sequence[str]] = tuple, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("dicommeta-source")
        self._recent_folders = recent
        self.title, self.amount, self.other = line("No DICOM files open"), QLabel(""), line()
        self.amount.setTextFormat(Qt.TextFormat.PlainText)
        self.open_button = QPushButton()
        self.open_button.setText("Open…")
        self.open_button.setToolTip("Open a DICOM folder, files, an archive or a URL, or compare with another folder")
        self.open_button.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Fixed)
        self.open_button.setMinimumWidth(self.fontMetrics().horizontalAdvance("Open…") + 44)
        self.open_button.setMenu(self._menu())
        head = QHBoxLayout()
        head.setContentsMargins(0, 0, 0, 0)
        head.setSpacing(2)
        self.back_button = QToolButton()
        self.back_button.setText("◂")
        self.back_button.setAutoRaise(True)
        self.back_button.setAccessibleName("Back")
        self.back_button.clicked.connect(self.back_requested)
        head.addWidget(self.back_button)
        head.addWidget(self.title, 1)
        head.addWidget(self.amount)
        head.addWidget(self.open_button)
        self.move_button = QToolButton()
        self.move_button.setAutoRaise(True)
        self.move_button.clicked.connect(self.move_requested)
        head.addWidget(self.move_button)
        self.reopen_button = QPushButton()
        self.reopen_button.clicked.connect(lambda: self.paths_chosen.emit(list(self._last)))
        self._last: tuple[str, ...] = ()
        self.bar = QProgressBar()
        self.bar.setTextVisible(False)
        self.bar.setFixedHeight(6)
        self.count = QLabel("")
        self.count.setTextFormat(Qt.TextFormat.PlainText)
        self.cancel_button = QPushButton("Stop")
        self.cancel_button.setToolTip("Stop reading and keep what was read. Opening the folder again reads the rest.")
        self.cancel_button.clicked.connect(self.scan_canceled)
        self.progress = QWidget()
        progress_line = QHBoxLayout(self.progress)
        progress_line.setContentsMargins(0, 0, 0, 0)
        progress_line.addWidget(self.bar, 1)
        progress_line.addWidget(self.count)
        progress_line.addWidget(self.cancel_button)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        layout.addLayout(head)
        layout.addWidget(self.reopen_button)
        layout.addWidget(self.other)
        layout.addWidget(self.progress)
        self.progress.hide()
        self.set_other("")
        self.set_comparable(False)
        self.set_past("")
        self.set_last(())

    def _menu(self) -> QMenu:
        menu = QMenu(self.open_button)
        menu.addAction("Folder…", self.choose_folder)
        menu.addAction("Files…", self._choose_files)
        menu.addAction("URL…", self._ask_url)
        self.recent = menu.addMenu("Recent folders")
        self.recent.setToolTipsVisible(True)
        self.recent.aboutToShow.connect(self._fill_recent)
        menu.addSeparator()
        self.compare_folder = menu.addAction("Compare with folder…", self._compare_folder)
        self.compare_saved = menu.addAction("Compare with saved catalog…", self._compare_saved)
        self.compare_end = menu.addAction("Stop comparing", lambda: self.comparison_chosen.emit(""))
        self.audit_labels = menu.addAction("Find tags that predict labels…", self._choose_labels)
        self.audit_labels.setToolTip("A CSV file with a key, such as a PatientID, and a label in each line")
        menu.addSeparator()
        self.preference = menu.addAction("Always open DICOM folders with this plugin")
        self.preference.setCheckable(True)
        self.preference.triggered.connect(self.preference_toggled)
        return menu

    def set_preference(self, is_preferred: bool) -> None:
        """Show whether napari opens folders with this plugin, without a signal."""
        self.preference.setChecked(is_preferred)

    def set_place(self, is_below: bool, color: QColor) -> None:
        """Show on the button where it moves the dock: beside the canvas if it `is_below`, else below it."""
        words = "Move beside the canvas" if is_below else "Move below the canvas, everything side by side"
        self.move_button.setToolTip(tip(words))
        self.move_button.setAccessibleName(words)
        picture = QPixmap(16, 16)
        picture.fill(Qt.GlobalColor.transparent)
        painter = QPainter(picture)
        painter.setPen(color)
        painter.drawRect(1, 2, 13, 11)
        painter.fillRect(QRect(9, 3, 5, 10) if is_below else QRect(2, 8, 12, 5), color)
        painter.end()
        self.move_button.setIcon(QIcon(picture))

    def set_source(self, title: str, size: str = "", paths: Sequence[str] = ()) -> None:
        """Show the title and size of the source. Only the title is elided."""
        self.title.setText(display(title))
        self.title.setToolTip(tip("\n".join(display(text, 300) for text in (title, *paths[:MAX_PATHS]))))
        self.amount.setText(size)
        self.amount.setVisible(bool(size))

    def set_past(self, title: str) -> None:
        """Show Back, to the source with this title; "" hides it."""
        self.back_button.setVisible(bool(title))
        self.back_button.setToolTip(tip(f"Back to {display(title)}"))

    def set_last(self, paths: Sequence[str]) -> None:
        """Offer to open the last source again; without paths, offer nothing."""
        self._last = tuple(paths)
        self.reopen_button.setVisible(bool(paths))
        if paths:
            name = os.path.basename(paths[0].rstrip(os.sep)) or paths[0]
            more = f" and {len(paths) - 1} more" if len(paths) > 1 else ""
            self.reopen_button.setText(f"Reopen {display(name + more, 60)}".replace("&", "&&"))
            self.reopen_button.setToolTip(tip("\n".join(display(path, 300) for path in paths[:MAX_PATHS])))

    def set_comparable(self, is_open: bool) -> None:
        """Enable the comparison if a source is open."""
        self.compare_folder.setEnabled(is_open)
        self.compare_saved.setEnabled(is_open)
        self.audit_labels.setEnabled(is_open)

    def set_other(self, words: str) -> None:
        """Show what the source is compared with; empty words hide the line."""
        self.other.setText(words)
        self.other.setVisible(bool(words))
        self.compare_end.setEnabled(bool(words))

    def set_progress(self, done: int, found: int, listed: bool) -> None:
        """Show the progress of a scan: files `done` of those `found` so far; `listed` says whether that is all.

        The bar is never indeterminate: that animation repaints the whole window, canvas included, and slows the scan.
        """
        self.progress.show()
        self.bar.setRange(0, max(found, 1))
        self.bar.setValue(done)
        more = "" if listed else "+"
        self.count.setText(f"{done:,} of {found:,}{more} files" if found else "Looking for files…")

    def set_idle(self) -> None:
        """Hide the progress."""
        self.progress.hide()

    def _fill_recent(self) -> None:
        self.recent.clear()
        folders = [folder for folder in self._recent_folders() if folder][:MAX_RECENT]
        for folder in folders:
            name = display(os.path.join(*folder.rstrip(os.sep).split(os.sep)[-2:]), 60).replace("&", "&&")
            action = self.recent.addAction(name, lambda folder=folder: self.paths_chosen.emit([folder]))
            action.setToolTip(tip(display(folder)))
        if not folders:
            self.recent.addAction("No recent folders").setEnabled(False)

    def _start(self) -> str:
        return next(iter(self._recent_folders()), "")

    def choose_folder(self) -> None:
        """Ask for a folder to open."""
        if path := QFileDialog.getExistingDirectory(self, "Open DICOM folder", self._start()):
            self.paths_chosen.emit([path])

    def _choose_files(self) -> None:
        paths, _ = QFileDialog.getOpenFileNames(self, "Open DICOM files or archives", self._start())
        if paths:
            self.paths_chosen.emit(paths)

    def _ask_url(self) -> None:
        words = "A URL such as s3://bucket/folder, https://host/images.zip or dicomweb://host/path:"
        url, is_accepted = QInputDialog.getText(self, "Open URL", words)
        if is_accepted and url.strip():
            self.paths_chosen.emit([url.strip()])

    def _compare_folder(self) -> None:
        if path := QFileDialog.getExistingDirectory(self, "Compare with DICOM folder", self._start()):
            self.comparison_chosen.emit(path)

    def _choose_labels(self) -> None:
        path, _ = QFileDialog.getOpenFileName(self, "Labels of patients, series or files", self._start(), "CSV (*.csv)")
        if path:
            self.labels_chosen.emit(path)

    def _compare_saved(self) -> None:
        path, _ = QFileDialog.getOpenFileName(self, "Compare with saved catalog", self._start(), "Catalog (*.parquet)")
        if path:
            self.comparison_chosen.emit(path)
