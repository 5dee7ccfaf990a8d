"""User actions on the real window as functions: drop, choose and click, and wait for the result."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from qtpy.QtCore import QMimeData, QPoint, QPointF, Qt, QUrl
from qtpy.QtGui import QDragEnterEvent, QDropEvent
from qtpy.QtWidgets import QApplication, QWidget

from napari_dicommeta._napari.widgets.dock import DicomDock
from napari_dicommeta.dicom.tags import TagPath

LIMIT_MS = 180_000
"""What does not come in this time never comes: no load of the machine takes as long."""


def drop(widget: QWidget, *paths: Path, shift: bool = False) -> None:
    """Send the events that Qt sends when files are dragged onto a widget and dropped, with Shift held if so."""
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile(str(path)) for path in paths])
    middle = widget.rect().center()
    actions, buttons = Qt.DropAction.CopyAction, Qt.MouseButton.LeftButton
    keys = Qt.KeyboardModifier.ShiftModifier if shift else Qt.KeyboardModifier.NoModifier
    enter = QDragEnterEvent(QPoint(middle), actions, data, buttons, keys)
    QApplication.sendEvent(widget, enter)
    assert enter.isAccepted()
    QApplication.sendEvent(widget, QDropEvent(QPointF(middle), actions, data, buttons, keys))


def dock_of(viewer: Any) -> DicomDock:
    (dock,) = [widget for widget in viewer.window.dock_widgets.values() if isinstance(widget, DicomDock)]
    return dock


def open_dock(viewer: Any) -> DicomDock:
    return viewer.window.add_plugin_dock_widget("napari-dicommeta", "DICOM")[1]


def choose_tag(qtbot: Any, dock: DicomDock, keyword: str) -> None:
    """Click a tag's row, after revealing it if it is hidden."""
    dock.tabs.setCurrentWidget(dock.tab)
    assert dock.tags.reveal(keyword)
    dock.tags.table.clearSelection()
    dock.tags.table.setCurrentIndex(dock.tags.model.index(-1, 0))
    (row,) = [row for row, one in enumerate(dock.tags.model.rows) if one.keyword == keyword]
    dock.tags.table.scrollTo(dock.tags.model.index(row, 0))
    place = dock.tags.table.visualRect(dock.tags.model.index(row, 0)).center()
    qtbot.mouseClick(dock.tags.table.viewport(), Qt.MouseButton.LeftButton, pos=place)
    path = TagPath.parse(keyword)
    heading = f"{path.name}  ("
    qtbot.waitUntil(
        lambda: dock.values.heading.text().startswith(heading) and not dock.exploration.is_picture_due, timeout=5000
    )


def open_series(qtbot: Any, dock: DicomDock, row: int, is_added: bool = False) -> None:
    dock.open_series(row, is_added)
    wait_until_read(qtbot, dock)


def wait_until_read(qtbot: Any, dock: DicomDock) -> None:
    qtbot.waitUntil(lambda: dock.is_idle, timeout=30_000)


def read(qtbot: Any, dock: DicomDock, *paths: Path, shift: bool = False) -> None:
    """Drop paths on the dock, and wait until they are read."""
    drop(dock, *paths, shift=shift)
    wait_until_read(qtbot, dock)


def click_bar(qtbot: Any, dock: DicomDock, text: str | None) -> None:
    """Click the bar of a value; None is the bar of the files without the tag."""
    bars = dock.values
    found = [i for i, bar in enumerate(bars.model.bars) if (None if bar.state == "absent" else bar.text) == text]
    (row,) = found
    bars.view.scrollTo(bars.model.index(row, 0))
    place = bars.view.visualRect(bars.model.index(row, 0)).center()
    qtbot.mouseClick(bars.view.viewport(), Qt.MouseButton.LeftButton, pos=place)


def visible(viewer: Any) -> list[int]:
    """Return the number of slices of each visible layer, the lowest first."""
    return [layer.data.shape[0] for layer in viewer.layers if layer.visible]


def slice_shown(viewer: Any) -> int:
    layer = viewer.layers.selection.active
    return round(layer.world_to_data(viewer.dims.point)[0])
