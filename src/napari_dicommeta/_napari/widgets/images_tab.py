"""The contact sheet: thumbnails of the matching images. Double-click or Enter opens the series at an image."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QModelIndex, QSize, Qt, Signal
from qtpy.QtGui import QColor, QIcon, QImage, QPainter, QPixmap, QStandardItem, QStandardItemModel
from qtpy.QtWidgets import QLabel, QListView, QVBoxLayout, QWidget

from napari_dicommeta._napari.widgets.labels import WHAT_TO_DO, paragraph, tip
from napari_dicommeta.support.words import counted, display
from napari_dicommeta.volumes.thumbnail import SIDE

if TYPE_CHECKING:
    from napari_dicommeta._napari.tasks.pictures import Thumbnail
    from napari_dicommeta._napari.widgets.colors import Colors

__all__ = ["ContactSheet"]

_THUMBNAIL = Qt.ItemDataRole.UserRole


class ContactSheet(QWidget):
    """The thumbnails. `image_activated` carries the number of the series and the path of the file."""

    image_activated = Signal(int, str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("dicommeta-images")
        self.words = QLabel(WHAT_TO_DO)
        self.words.setTextFormat(Qt.TextFormat.PlainText)
        self.words.setWordWrap(True)
        self.words.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.model = QStandardItemModel(self)
        self.view = QListView()
        self.view.setModel(self.model)
        self.view.setViewMode(QListView.ViewMode.IconMode)
        self.view.setResizeMode(QListView.ResizeMode.Adjust)
        self.view.setMovement(QListView.Movement.Static)
        self.view.setUniformItemSizes(True)
        self.view.setIconSize(QSize(SIDE, SIDE))
        self.view.setGridSize(QSize(SIDE + 8, SIDE + 10 + self.fontMetrics().height()))
        self.view.setStyleSheet("QListView { background: transparent; }")
        self.view.setEditTriggers(QListView.EditTrigger.NoEditTriggers)
        self.view.setTextElideMode(Qt.TextElideMode.ElideMiddle)
        self.view.activated.connect(self._activated)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 4, 0, 0)
        layout.addWidget(self.words)
        layout.addWidget(self.view, 1)
        self.view.hide()
        self._ground = QColor(0, 0, 0)

    def set_colors(self, colors: Colors) -> None:
        """Take the theme's colors."""
        self._ground = colors.foreground

    def set_empty_text(self, text: str) -> None:
        """Empty the sheet and show `text`."""
        self.model.clear()
        self.words.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.words.setText(paragraph(text))
        self.view.hide()

    def begin(self, pictures: int, files: int, series: int) -> None:
        """Empty the sheet for `pictures` thumbnails of the matching `files` in `series` series."""
        self.model.clear()
        self.words.setAlignment(Qt.AlignmentFlag.AlignLeft if pictures else Qt.AlignmentFlag.AlignCenter)
        if not files:
            self.words.setText("No image matches all filters. Remove a filter above.")
        elif pictures < files:
            self.words.setText(f"{pictures:,} of {counted(files, 'image')} in {series:,} series · double-click to open")
        else:
            self.words.setText(f"{counted(files, 'image')} in {series:,} series · double-click to open")
        self.view.setVisible(bool(pictures))

    def add(self, thumbnail: Thumbnail) -> None:
        """Add a thumbnail."""
        item = QStandardItem(QIcon(self._pixmap(thumbnail)), display(thumbnail.caption, 60))
        reason = f" · cannot be shown: {thumbnail.reason}" if thumbnail.reason else ""
        item.setToolTip(tip(display(f"{thumbnail.caption}{reason}", 300)))
        item.setData((thumbnail.series, thumbnail.path), _THUMBNAIL)
        self.model.appendRow(item)

    def _pixmap(self, thumbnail: Thumbnail) -> QPixmap:
        ground = QPixmap(SIDE, SIDE)  # the view uses the size of the first item for all
        ground.fill(self._ground if thumbnail.picture is None else QColor(0, 0, 0, 0))
        if thumbnail.picture is not None:
            rows, columns = thumbnail.picture.shape[:2]
            kind = QImage.Format.Format_RGB888 if thumbnail.picture.ndim == 3 else QImage.Format.Format_Grayscale8
            data = thumbnail.picture.tobytes()
            painter = QPainter(ground)
            image = QImage(data, columns, rows, len(data) // rows, kind)
            painter.drawImage((SIDE - columns) // 2, (SIDE - rows) // 2, image)
            painter.end()
        return ground

    def _activated(self, index: QModelIndex) -> None:
        series, path = index.data(_THUMBNAIL)
        self.image_activated.emit(series, path)
