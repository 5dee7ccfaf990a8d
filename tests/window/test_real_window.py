"""The real window, driven as a user drives it: drop, click, key."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from dicom_factory import ct_slice, segmentation, write_series
from qtpy.QtCore import QEvent, QPoint, QPointF, Qt
from qtpy.QtGui import QMouseEvent
from qtpy.QtWidgets import QApplication, QMenu
from superqt import QDoubleRangeSlider
from window_driver import (
    LIMIT_MS,
    choose_tag,
    click_bar,
    dock_of,
    drop,
    open_dock,
    open_series,
    slice_shown,
    wait_until_read,
)

from napari_dicommeta._napari.reader import volume_of
from napari_dicommeta._napari.settings import prefer
from napari_dicommeta._napari.tasks.source import SeriesRequest


def limits(viewer: Any) -> tuple[float, float]:
    low, high = viewer.layers.selection.active.contrast_limits
    return round(low, 3), round(high, 3)


def drag_slider(viewer: Any, to: tuple[float, float]) -> None:
    """Move the handles of the contrast slider in napari's own controls of the active layer."""
    (slider,) = (one for one in viewer.window._qt_window.findChildren(QDoubleRangeSlider) if one.isVisible())
    slider.setSliderDown(True)
    slider.setSliderPosition(list(to))
    slider.setSliderDown(False)
    assert tuple(viewer.layers.selection.active.contrast_limits) == to


def test_a_dropped_folder_opens_and_its_presets_and_values_are_there(qtbot: Any, viewer: Any, phantom: Path) -> None:
    dock = open_dock(viewer)
    drop(dock, phantom)
    wait_until_read(qtbot, dock)
    (layer,) = viewer.layers
    assert layer.data.shape == (48, 256, 256)
    assert limits(viewer) == (-160, 239)
    assert (dock.source.title.text(), dock.source.amount.text()) == ("Chest CT phantom", "48 files · 1 series")
    assert [button.isChecked() for button in dock.presets.buttons] == [True, False, False]

    qtbot.mouseClick(dock.presets.buttons[1], Qt.MouseButton.LeftButton)
    assert limits(viewer) == (-1200, -1)
    assert [button.isChecked() for button in dock.presets.buttons] == [False, True, False]

    window = dock.window()
    window.activateWindow()  # keys go to the active window only, and no window manager makes one so here
    qtbot.waitUntil(window.isActiveWindow, timeout=5000)
    for key, expected in ((Qt.Key.Key_1, (-160, 239)), (Qt.Key.Key_2, (-1200, -1))):
        qtbot.keyClick(window, key, Qt.KeyboardModifier.AltModifier)
        assert limits(viewer) == expected
    qtbot.keyClick(window, Qt.Key.Key_0, Qt.KeyboardModifier.AltModifier)
    plane = np.asarray(layer.data[24])
    assert limits(viewer) == (plane[plane > -3024].min(), plane.max())  # -3024 is its padding
    assert dock.presets.buttons[2].isChecked()

    layer.contrast_limits = (-500, 500)  # as the slider does
    assert not any(button.isChecked() for button in dock.presets.buttons)
    layer.contrast_limits = (-1200, -1)
    assert [button.isChecked() for button in dock.presets.buttons] == [False, True, False]

    dock.tabs.setCurrentIndex(1)
    dock.tags.filter.setText("rescale slope")
    where = dock.tags.table.visualRect(dock.tags.model.index(0, 0)).center()
    qtbot.mouseClick(dock.tags.table.viewport(), Qt.MouseButton.LeftButton, pos=where)
    qtbot.waitUntil(
        lambda: dock.values.heading.text().startswith("Rescale Slope") and not dock.exploration.is_picture_due,
        timeout=5000,
    )
    assert [(bar.text, bar.files, bar.part) for bar in dock.values.model.bars] == [("1", 48, 48)]
    qtbot.keyClick(dock.values.view_box, Qt.Key.Key_Down)
    qtbot.waitUntil(lambda: len(dock.values.model.bars) == 3, timeout=5000)
    bars = {(bar.text, bar.files, bar.part) for bar in dock.values.model.bars}
    assert bars == {("1", 16, 16), ("1.0", 16, 16), ("1.000000", 16, 16)}


def test_a_drop_on_the_canvas_opens_the_dock_by_itself(qtbot: Any, viewer: Any, tmp_path: Path) -> None:
    paths = write_series(tmp_path, 4)
    prefer(True)
    drop(viewer.window._qt_viewer, *paths)
    prefer(False)
    dock = dock_of(viewer)
    wait_until_read(qtbot, dock)
    assert [layer.data.shape for layer in viewer.layers] == [(4, 16, 12)]  # four calls, one volume
    assert dock.isVisible()


def test_series_of_a_folder_open_by_double_click_and_keep_their_own_presets(
    qtbot: Any, viewer: Any, tmp_path: Path
) -> None:
    write_series(tmp_path / "a", 6)
    write_series(tmp_path / "b", 3, SeriesInstanceUID="1.2.3", WindowCenter=100, WindowWidth=200, SeriesDescription="B")
    dock = open_dock(viewer)
    drop(dock, tmp_path)
    wait_until_read(qtbot, dock)
    assert len(viewer.layers) == 1
    assert [row.is_open for row in dock.series.model.rows] == [True, False]
    dock.tabs.setCurrentIndex(0)
    where = dock.series.table.visualRect(dock.series.model.index(1, 0)).center()
    qtbot.mouseClick(dock.series.table.viewport(), Qt.MouseButton.LeftButton, pos=where)
    qtbot.mouseDClick(dock.series.table.viewport(), Qt.MouseButton.LeftButton, pos=where)
    wait_until_read(qtbot, dock)
    assert [layer.data.shape[0] for layer in viewer.layers] == [6, 3]
    assert len(dock.presets.buttons) == 6  # its own, four usual ones and the full range
    assert limits(viewer) == (0, 199)
    viewer.layers.selection.active = viewer.layers[0]
    assert len(dock.presets.buttons) == 3
    where = dock.series.table.visualRect(dock.series.model.index(1, 0)).center()
    qtbot.mouseClick(dock.series.table.viewport(), Qt.MouseButton.LeftButton, pos=where)
    qtbot.mouseDClick(dock.series.table.viewport(), Qt.MouseButton.LeftButton, pos=where)
    wait_until_read(qtbot, dock)  # a series that is open is shown, not opened once more
    assert len(viewer.layers) == 2
    assert viewer.layers.selection.active is viewer.layers[1]
    viewer.layers.selection.active = viewer.layers[0]
    viewer.layers[1].visible = False
    dock.open_series(1)
    wait_until_read(qtbot, dock)
    assert (viewer.layers.selection.active, viewer.layers[1].visible) == (viewer.layers[1], True)
    viewer.layers.selection.active = viewer.layers[0]
    choose_tag(qtbot, dock, "WindowCenter")
    expected = [("40\\-600", 6, 6), ("100", 3, 0)]
    qtbot.waitUntil(
        lambda: [(bar.text, bar.files, bar.part) for bar in dock.values.model.bars] == expected, timeout=5000
    )


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("fake.dcm", b"hello " * 50, "fake.dcm: not DICOM"),
        ("none.dcm", ct_slice(0, PixelData=None), "none.dcm: no pixel data"),
        ("cut.dcm", ct_slice(0)[:-50], "cut.dcm: the pixel data is cut"),
        ("nothing", None, "There are no files here"),
        ("gone", None, "file or folder does not exist"),
    ],
)
def test_bad_input_is_told_in_the_dock(
    qtbot: Any, viewer: Any, tmp_path: Path, name: str, content: bytes | None, reason: str
) -> None:
    source = tmp_path / "in"
    source.mkdir()
    if content is not None:
        (source / name).write_bytes(content)
    dock = open_dock(viewer)
    dock.open_paths([str(source if name != "gone" else tmp_path / "gone")])
    wait_until_read(qtbot, dock)
    assert len(viewer.layers) == 0
    shown = dock.series.empty.text() + dock.series.problems.text()
    assert reason in shown


def test_labels_come_over_a_gray_volume_and_the_strip_follows(qtbot: Any, viewer: Any, tmp_path: Path) -> None:
    write_series(tmp_path / "ct", 5)
    mask = np.ones((16, 12), np.uint8)
    places = [{"ReferencedSegmentNumber": 1, "ImagePositionPatient": [0, 0, z]} for z in (0, 2.5)]
    for n in (1, 2):
        uids = {"SeriesInstanceUID": f"1.2.{n}", "SOPInstanceUID": f"1.2.3.{n}"}
        (tmp_path / f"{n}.dcm").write_bytes(segmentation([mask, mask], places, **uids))
    dock = open_dock(viewer)
    drop(dock, tmp_path)
    wait_until_read(qtbot, dock)
    dock.windows.windowing.follow = True
    dock.open_requested([SeriesRequest(number=1), SeriesRequest(number=2)])
    wait_until_read(qtbot, dock)
    assert [(type(layer).__name__, layer.visible) for layer in viewer.layers] == [
        ("Image", True),
        ("Labels", True),
        ("Labels", True),
    ]
    assert type(viewer.layers.selection.active).__name__ == "Labels"
    assert len(dock.presets.buttons) == 3  # those of the image below
    qtbot.mouseClick(dock.presets.buttons[1], Qt.MouseButton.LeftButton)
    assert tuple(viewer.layers[0].contrast_limits) == (-1200, -1)
    viewer.layers.selection.active = viewer.layers[0]
    assert len(dock.presets.buttons) == 3


def test_a_source_opened_again_is_read_again_and_comes_first(qtbot: Any, viewer: Any, tmp_path: Path) -> None:
    write_series(tmp_path / "a", 4)
    write_series(tmp_path / "b", 3, SeriesInstanceUID="1.2.3")
    dock = open_dock(viewer)
    for name in ("a", "b"):
        drop(dock, tmp_path / name)
        wait_until_read(qtbot, dock)
    write_series(tmp_path / "a", 4, WindowCenter=77, WindowWidth=100)
    drop(dock, tmp_path / "a")
    wait_until_read(qtbot, dock)
    assert [layer.data.shape[0] for layer in viewer.layers] == [4, 3, 4]
    assert viewer.layers.selection.active is viewer.layers[-1]
    assert limits(viewer) == (27, 126)
    assert dock.exploration.active is dock.opened.series[0]


def test_tab_leads_from_the_source_over_the_presets_to_the_tabs(qtbot: Any, viewer: Any, tmp_path: Path) -> None:
    write_series(tmp_path, 3)
    dock = open_dock(viewer)
    drop(dock, tmp_path)
    wait_until_read(qtbot, dock)
    qtbot.waitUntil(lambda: all(button.isVisible() for button in dock.presets.buttons))
    order = [dock.source.open_button]
    while order[-1] is not dock.tabs.tabBar() and len(order) < 500:
        order.append(order[-1].nextInFocusChain())
    stops = [one for one in order if one.focusPolicy() & Qt.FocusPolicy.TabFocus and one.isVisible()]
    buttons = dock.presets.buttons
    assert len(buttons) == 3
    assert stops[: 2 + len(buttons)] == [dock.source.open_button, dock.source.move_button, *buttons]
    fields = [one for one in stops if dock.windows.fields.isAncestorOf(one)]
    assert fields
    assert stops[2 + len(buttons) :][: len(fields)] == fields


def test_the_rest_loads_beside_a_bad_file(qtbot: Any, viewer: Any, tmp_path: Path) -> None:
    write_series(tmp_path, 3)
    (tmp_path / "fake.dcm").write_bytes(b"hello " * 50)
    dock = open_dock(viewer)
    drop(dock, tmp_path)
    wait_until_read(qtbot, dock)
    assert viewer.layers[0].data.shape == (3, 16, 12)
    assert "fake.dcm: not DICOM" in dock.series.problems.text()


def test_a_scan_can_be_canceled_and_another_source_opened(
    qtbot: Any, viewer: Any, tmp_path: Path, phantom: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from napari_dicommeta.scanning import local as scanner

    monkeypatch.setattr(scanner, "REPORT_SECONDS", 0.0)
    for i in range(12):
        write_series(tmp_path / f"s{i}", 100, SeriesInstanceUID=f"1.2.{i}")
    dock = open_dock(viewer)
    dock.open_paths([str(tmp_path)])
    qtbot.waitUntil(lambda: dock.source.progress.isVisible(), timeout=10_000)
    qtbot.mouseClick(dock.source.cancel_button, Qt.MouseButton.LeftButton)
    assert not dock.source.progress.isVisible()
    wait_until_read(qtbot, dock)
    if dock.opened is None:  # nothing was read yet
        assert dock.source.title.text() == "Stopped: nothing is open"
    else:
        assert 0 < dock.opened.catalog.n_files < dock.opened.found <= 1200
        assert dock.source.amount.text().startswith(f"{dock.opened.catalog.n_files:,} of {dock.opened.found:,}")
    drop(dock, phantom)
    wait_until_read(qtbot, dock)
    assert viewer.layers[-1].data.shape[0] == 48


def test_bars_are_there_while_a_scan_is_running(
    qtbot: Any, viewer: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from napari_dicommeta._napari.tasks import open as _opening
    from napari_dicommeta.scanning import local as scanner
    from napari_dicommeta.scanning import reading

    monkeypatch.setattr(scanner, "REPORT_SECONDS", 0.0)
    monkeypatch.setattr(scanner, "FIRST_SECONDS", 0.0)
    monkeypatch.setattr(reading, "STEP_FILES", 40)  # as after as many files of a large folder
    monkeypatch.setattr(reading, "TURN_SECONDS", 0.0)  # or all are read before the first are reported
    monkeypatch.setattr(_opening, "FIRST_PARTIAL", 0.0)
    iter_scan, is_seen = _opening.iter_scan, threading.Event()

    def patient_scan(*arguments: Any, **options: Any) -> Any:
        """Scan, and go on after the first report only when the window has shown it."""
        steps = iter_scan(*arguments, **options)
        while True:
            try:
                progress = next(steps)
            except StopIteration as stop:
                return stop.value
            yield progress
            if progress.tables:
                is_seen.wait(LIMIT_MS / 2000)

    monkeypatch.setattr(_opening, "iter_scan", patient_scan)
    for i in range(6):
        write_series(tmp_path / f"s{i}", 100, SeriesInstanceUID=f"1.2.{i}", RescaleSlope=lambda k: ["1", "1.0"][k % 2])
    dock = open_dock(viewer)
    seen: list[tuple[int, int]] = []
    shown = dock.values.show_picture

    def watch(picture: Any) -> None:
        shown(picture)
        if picture.histogram is not None and dock.workers.is_scanning:
            seen.append((picture.histogram.files, sum(bar.files for bar in picture.histogram.bars)))
            is_seen.set()

    monkeypatch.setattr(dock.values, "show_picture", watch)
    dock.open_paths([str(tmp_path)])
    wait_until_read(qtbot, dock)
    assert seen
    assert all(0 < files < 600 and counted == files for files, counted in seen)


def test_removing_a_layer_stops_its_reading(qtbot: Any, viewer: Any, phantom: Path) -> None:
    dock = open_dock(viewer)
    dock.open_paths([str(phantom)])
    wait_until_read(qtbot, dock)
    array = viewer.layers[0].data
    viewer.layers.clear()
    assert array._ahead._is_stopped
    assert dock.presets.buttons == []


def test_the_theme_is_followed(qtbot: Any, viewer: Any) -> None:
    dock = open_dock(viewer)
    dark = dock.values.delegate.colors
    viewer.theme = "light"
    assert dock.values.delegate.colors != dark
    viewer.theme = "dark"


def test_views_are_the_radiological_way_round_on_the_screen(qtbot: Any, viewer: Any, tmp_path: Path) -> None:
    def pixels(k: int) -> np.ndarray:
        plane = np.zeros((16, 12), "<u2")
        plane[2:5, 8:11] = 4000 if k >= 6 else 0  # to the patient's left, in front, and above
        return plane

    write_series(tmp_path, 8, pixels=pixels)
    dock = open_dock(viewer)
    drop(dock, tmp_path)
    wait_until_read(qtbot, dock)
    viewer.layers[0].contrast_limits = (0, 100)
    viewer.layers[0].colormap = "red"  # the texts on the canvas are white or black
    expected = {"axial": ("up", "right"), "coronal": ("up", "right"), "sagittal": ("up", "left"), "3D": ("up", "right")}
    for view, sides in expected.items():
        qtbot.mouseClick(dock.views.buttons[view], Qt.MouseButton.LeftButton)
        assert [name for name, button in dock.views.buttons.items() if button.isChecked()] == [view]
        point = {"axial": (7, 3, 9), "coronal": (7, 3, 9), "sagittal": (7, 3, 9), "3D": (7, 3, 9)}[view]
        viewer.dims.point = viewer.layers[0].data_to_world(point)
        shot = viewer.screenshot(canvas_only=True, flash=False)
        is_lit, (height, width) = (shot[..., 0] > 128) & (shot[..., 1] < 64), shot.shape[:2]
        assert is_lit.sum() > 400, view  # no letter is as large
        lit = np.argwhere(is_lit)
        middle = lit.mean(axis=0)
        assert ("up" if middle[0] < height / 2 else "down", "right" if middle[1] > width / 2 else "left") == sides, view


def test_patient_space_keeps_the_slice_and_goes_back(qtbot: Any, viewer: Any, tmp_path: Path) -> None:
    write_series(tmp_path, 6, FrameOfReferenceUID="1.2.3")
    dock = open_dock(viewer)
    drop(dock, tmp_path)
    wait_until_read(qtbot, dock)
    layer = viewer.layers[0]
    viewer.dims.set_point(0, 4 * 2.5)
    dock.views.patient_space.click()
    np.testing.assert_allclose(layer.data_to_world((0, 0, 0)), [0, -20, -10])
    assert round(layer.world_to_data(viewer.dims.point)[0]) == 4
    dock.views.patient_space.click()
    np.testing.assert_allclose(layer.data_to_world((0, 0, 0)), 0)
    assert round(layer.world_to_data(viewer.dims.point)[0]) == 4


def test_notes_of_a_series_are_in_its_row_and_below_it(qtbot: Any, viewer: Any, tmp_path: Path) -> None:
    write_series(tmp_path, 6, ImagePositionPatient=lambda k: [0, 0, 2.5 * k + (5 if k > 3 else 0)])
    dock = open_dock(viewer)
    drop(dock, tmp_path)
    wait_until_read(qtbot, dock)
    qtbot.waitUntil(lambda: dock.series.model.rows[0].notes is not None, timeout=10_000)
    assert dock.series.model.rows[0].badge == "1 note"
    dock.series.table.setCurrentIndex(dock.series.model.index(0, 0))
    assert "2 slices missing between 4 and 5 (7.5 mm)" in dock.series.notes.text()
    assert dock.series.model.rows[0].is_open


def test_presets_by_mouse_and_keys_on_two_layers_scrolling_and_following(
    qtbot: Any, viewer: Any, tmp_path: Path
) -> None:
    write_series(tmp_path / "a", 6, WindowCenter=lambda k: [40 + 10 * k, -600])
    write_series(tmp_path / "b", 4, SeriesInstanceUID="1.2.9", SeriesNumber=9)
    dock = open_dock(viewer)
    drop(dock, tmp_path)
    wait_until_read(qtbot, dock)
    open_series(qtbot, dock, 1, is_added=True)
    first, second = viewer.layers[0], viewer.layers[1]
    assert viewer.layers.selection.active is second
    strip, fields, window = dock.windows.strip, dock.windows.fields, dock.window()
    window.activateWindow()  # keys go to the active window only, and no window manager makes one so here
    qtbot.waitUntil(window.isActiveWindow, timeout=5000)
    qtbot.mouseClick(strip.buttons[1], Qt.MouseButton.LeftButton)
    assert limits(viewer) == (-1200, -1)
    assert strip.buttons[1].isChecked()
    qtbot.keyClick(window, Qt.Key.Key_BracketLeft, Qt.KeyboardModifier.AltModifier)
    assert limits(viewer) == (-160, 239)
    assert not fields.follow.isVisible()

    viewer.layers.selection.active = first
    assert [button.text().split("\n")[1] for button in strip.buttons[:2]] == ["70 / 400 …", "-600 / 1200"]
    qtbot.keyClick(window, Qt.Key.Key_1, Qt.KeyboardModifier.AltModifier)
    assert fields.follow.isVisible()
    fields.follow.click()
    viewer.dims.set_point(0, 5 * 2.5)
    assert limits(viewer) == (-110, 289)  # 90 / 400, the slice's own
    assert strip.buttons[0].isChecked()
    viewer.dims.set_point(0, 0)
    assert limits(viewer) == (-160, 239)
    drag_slider(viewer, (-300, 300))
    assert not any(button.isChecked() for button in strip.buttons)
    assert fields.center.value() == 0.5
    viewer.dims.set_point(0, 5 * 2.5)
    assert limits(viewer) == (-300, 300)
    type_into(qtbot, fields.center, "50")
    assert limits(viewer) == (-250.5, 349.5)

    assert fields.all_layers.isVisible()
    fields.all_layers.click()
    qtbot.mouseClick(strip.buttons[1], Qt.MouseButton.LeftButton)
    assert tuple(second.contrast_limits) == tuple(first.contrast_limits) == (-1200, -1)
    fields.all_layers.click()


def type_into(qtbot: Any, field: Any, text: str) -> None:
    field.setFocus()
    field.selectAll()
    qtbot.keyClicks(field, text)
    qtbot.keyClick(field, Qt.Key.Key_Return)


def test_a_drag_with_ctrl_on_the_canvas_changes_the_window(qtbot: Any, viewer: Any, phantom: Path) -> None:
    dock = open_dock(viewer)
    drop(dock, phantom)
    wait_until_read(qtbot, dock)
    canvas = viewer.window._qt_viewer.canvas.native
    middle, ctrl = canvas.rect().center(), Qt.KeyboardModifier.ControlModifier
    center = tuple(viewer.scene.camera.center)
    qtbot.mousePress(canvas, Qt.MouseButton.LeftButton, ctrl, middle)
    event = QMouseEvent(
        QEvent.Type.MouseMove,
        QPointF(middle) + QPointF(20, 0),
        Qt.MouseButton.LeftButton,
        Qt.MouseButton.LeftButton,
        ctrl,
    )
    QApplication.sendEvent(canvas, event)
    qtbot.mouseRelease(canvas, Qt.MouseButton.LeftButton, ctrl, middle + QPoint(20, 0))
    low, high = limits(viewer)
    assert high - low + 1 == pytest.approx(440)  # 20 pixels of half a percent of 400
    assert (low + high + 1) / 2 == pytest.approx(40)
    assert tuple(viewer.scene.camera.center) == center
    assert viewer.scene.camera.mouse_pan


def test_windows_that_are_not_the_files_are_in_the_menu(qtbot: Any, viewer: Any, phantom: Path) -> None:
    dock = open_dock(viewer)
    drop(dock, phantom)
    wait_until_read(qtbot, dock)
    menus = {menu.title(): menu for menu in dock.windows.fields.menu_button.menu().findChildren(QMenu)}
    usual = [action.text() for action in menus["Common for CT (not from the file)"].actions()]
    assert usual[0] == "lung   -600 / 1500"
    of_folder = menus["From the folder"].actions()
    assert [action.text() for action in of_folder] == [
        "LUNG   -600 / 1200   in 48 files",
        "MEDIASTINUM   40 / 400   in 48 files",
    ]
    of_folder[0].trigger()
    assert limits(viewer) == (-1200, -1)
    assert dock.windows.strip.buttons[1].isChecked()
    menus["Common for CT (not from the file)"].actions()[5].trigger()
    assert limits(viewer) == (0, 79)


def test_from_a_value_to_the_slice_that_holds_it(qtbot: Any, viewer: Any, tmp_path: Path) -> None:
    write_series(tmp_path / "a", 6, KVP=120, ScanOptions=lambda k: "LATE" if k >= 4 else "EARLY")
    write_series(tmp_path / "b", 5, SeriesInstanceUID="1.2.9", SeriesNumber=9, KVP=100, ScanOptions="EARLY")
    dock = open_dock(viewer)
    drop(dock, tmp_path)
    wait_until_read(qtbot, dock)
    viewer.layers.clear()
    choose_tag(qtbot, dock, "ScanOptions")
    bars = dock.values

    click_bar(qtbot, dock, "LATE")
    assert dock.filters.chips
    assert dock.filters.count.text() == "2 of 11"
    assert {bar.text: bar.files for bar in bars.model.bars} == {"EARLY": 9, "LATE": 2}  # its own others stay
    choose_tag(qtbot, dock, "KVP")
    assert {bar.text: bar.files for bar in bars.model.bars} == {"120": 2}
    assert bars.legend.text().startswith("matching (2 files)")
    qtbot.waitUntil(lambda: any(row.keyword == "KVP" and row.distinct == 1 for row in dock.tags._rows), timeout=5000)

    dock.tabs.setCurrentIndex(0)
    assert [(row.name, row.extent) for row in dock.series.model.rows] == [("3 Test series", "2 of 6")]
    dock.series.table.setCurrentIndex(dock.series.model.index(0, 0))
    qtbot.keyClick(dock.series.table, Qt.Key.Key_Return)
    wait_until_read(qtbot, dock)
    assert len(viewer.layers) == 1
    assert slice_shown(viewer) == 4  # the first that matches
    assert dock.series.model.rows[0].is_open

    qtbot.mouseClick(dock.filters.chips[0], Qt.MouseButton.LeftButton)
    assert not dock.filters.chips
    assert [(row.extent, row.size) for row in dock.series.model.rows] == [("", "6 × 16 × 12"), ("", "5 × 16 × 12")]


def test_choosing_a_layer_chooses_its_row(qtbot: Any, viewer: Any, tmp_path: Path) -> None:
    write_series(tmp_path / "a", 6)
    write_series(tmp_path / "b", 5, SeriesInstanceUID="1.2.9", SeriesNumber=9)
    dock = open_dock(viewer)
    drop(dock, tmp_path)
    wait_until_read(qtbot, dock)
    open_series(qtbot, dock, 1)
    assert dock.series.table.currentIndex().row() == 1
    viewer.layers.selection.active = viewer.layers[0]
    assert dock.series.table.currentIndex().row() == 0


def test_a_tag_along_the_slices_is_a_curve_that_leads_to_them(qtbot: Any, viewer: Any, tmp_path: Path) -> None:
    write_series(tmp_path, 11, ExposureTime=lambda k: 500 + 10 * abs(k - 5))
    dock = open_dock(viewer)
    drop(dock, tmp_path)
    wait_until_read(qtbot, dock)
    choose_tag(qtbot, dock, "ExposureTime")
    curve = dock.curve
    assert curve.isVisible()
    np.testing.assert_array_equal(curve.values, [[500 + 10 * abs(k - 5) for k in range(11)]])
    assert curve.current == 5  # the middle slice is shown
    area = curve._area()
    qtbot.mouseClick(curve, Qt.MouseButton.LeftButton, pos=QPoint(round(area.left() + area.width() * 0.8), 40))
    assert round(viewer.layers[0].world_to_data(viewer.dims.point)[0]) == 8
    viewer.dims.set_point(0, 2 * 2.5)
    assert curve.current == 2
    choose_tag(qtbot, dock, "Modality")
    assert not curve.isVisible()


def test_a_tick_makes_napari_open_folders_with_the_plugin(qtbot: Any, viewer: Any) -> None:
    from napari_dicommeta._napari.settings import is_preferred, prefer

    prefer(False)
    dock = open_dock(viewer)
    assert not dock.source.preference.isChecked()
    dock.source.preference.trigger()
    assert is_preferred()
    dock.source.preference.trigger()
    assert not is_preferred()


def test_a_closed_dock_leaves_the_viewer_to_the_next_one(qtbot: Any, viewer: Any, phantom: Path) -> None:
    before = len(viewer.mouse_drag_callbacks), len(viewer.layers.events.removed.callbacks)
    first = open_dock(viewer)
    drop(first, phantom)
    wait_until_read(qtbot, first)
    with qtbot.waitSignal(first.destroyed):
        viewer.window.remove_dock_widget(first)  # as the cross in its title bar does
    assert (len(viewer.mouse_drag_callbacks), len(viewer.layers.events.removed.callbacks)) == before
    viewer.dims.set_current_step(0, 3)
    second = open_dock(viewer)
    assert second is not first
    second.windows.choose(1)
    assert tuple(viewer.layers[0].contrast_limits) == volume_of(viewer.layers[0]).windows[1].limits
    viewer.layers.clear()


def test_a_dock_that_moves_to_another_window_goes_on(qtbot: Any, viewer: Any, phantom: Path) -> None:
    dock = open_dock(viewer)
    viewer.window.remove_dock_widget(dock)
    viewer.window.add_dock_widget(dock, name="moved")
    qtbot.wait(50)
    drop(dock, phantom)
    wait_until_read(qtbot, dock)
    assert len(viewer.layers) == 1
