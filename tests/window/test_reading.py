"""Reading in the real window: texts on the canvas, the slider of a fourth axis, 3D, and the radiology mouse."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from dicom_factory import write_series
from qtpy.QtCore import QEvent, QPoint, QPointF, Qt, QTimer
from qtpy.QtGui import QMouseEvent, QWheelEvent
from qtpy.QtWidgets import QApplication
from window_driver import drop, open_dock, wait_until_read

from napari_dicommeta._napari.settings import remember

NONE, CTRL, ALT, SHIFT = (
    Qt.KeyboardModifier.NoModifier,
    Qt.KeyboardModifier.ControlModifier,
    Qt.KeyboardModifier.AltModifier,
    Qt.KeyboardModifier.ShiftModifier,
)


@pytest.fixture
def dock(qtbot: Any, viewer: Any, tmp_path: Path) -> Any:
    write_series(tmp_path, 6)
    dock = open_dock(viewer)
    drop(dock, tmp_path)
    wait_until_read(qtbot, dock)
    return dock


def texts(viewer: Any) -> dict[str, str]:
    return {place: overlay.text for place, overlay in ours(viewer).items() if overlay.visible}


def ours(viewer: Any) -> dict[str, Any]:
    """Return the texts of the dock by their places; a key is the place and a mark of the dock."""
    overlays = viewer.canvas.overlays
    return {name.split("_")[2]: overlays[name] for name in overlays if name.startswith("_dicommeta_")}


def canvas_of(viewer: Any) -> Any:
    return viewer.window._qt_viewer.canvas.native


def drag(canvas: Any, button: Qt.MouseButton, keys: Qt.KeyboardModifier, right: int) -> None:
    middle = QPointF(canvas.rect().center())
    for kind, place, held in (
        (QEvent.Type.MouseButtonPress, middle, button),
        (QEvent.Type.MouseMove, middle + QPointF(right, 0), button),
        (QEvent.Type.MouseButtonRelease, middle + QPointF(right, 0), Qt.MouseButton.NoButton),
    ):
        of = Qt.MouseButton.NoButton if kind == QEvent.Type.MouseMove else button
        QApplication.sendEvent(canvas, QMouseEvent(kind, place, of, held, keys))


def turn(canvas: Any, angle: int, keys: Qt.KeyboardModifier = NONE) -> None:
    middle = canvas.rect().center()
    place = QPointF(canvas.mapToGlobal(middle))
    phase = Qt.ScrollPhase.NoScrollPhase
    event = QWheelEvent(QPointF(middle), place, QPoint(), QPoint(0, angle), Qt.MouseButton.NoButton, keys, phase, False)
    QApplication.sendEvent(canvas, event)


def limits(viewer: Any) -> tuple[float, float]:
    return tuple(viewer.layers[0].contrast_limits)


def test_the_canvas_says_directions_window_slice_and_value(qtbot: Any, viewer: Any, dock: Any) -> None:
    viewer.dims.set_point(0, 2 * 2.5)
    shown = texts(viewer)
    assert [shown[place] for place in ("left", "right", "top", "bottom")] == ["R", "L", "A", "P"]
    assert shown["state"].split("\n")[0] == "W 400 L 40"
    assert shown["state"].split("\n")[1].startswith("slice 3/6 · ")
    dock.windows.choose(1)
    assert texts(viewer)["state"].split("\n")[0] == "W 1200 L \N{MINUS SIGN}600"
    dock.view.show_view("coronal")
    assert texts(viewer)["top"] == "H"
    qtbot.mouseMove(canvas_of(viewer), canvas_of(viewer).rect().center())
    qtbot.waitUntil(lambda: texts(viewer).get("value", "").endswith(" HU"), timeout=5000)
    assert not ours(viewer)["top"].box
    viewer.theme = "light"  # letters over a dark image need a ground there
    assert ours(viewer)["top"].box
    viewer.theme = "dark"
    dock.windows.fields.texts.trigger()
    assert texts(viewer) == {}
    dock.windows.fields.texts.trigger()
    assert texts(viewer)["top"] == "H"
    viewer.layers.clear()
    assert texts(viewer) == {}


def labels(dock: Any) -> dict[str, str]:
    """Return the texts that labels show over the canvas, by their positions."""
    return {position: label.text for position, label in dock.windows.labels.labels.items() if label.isVisible()}


def step(viewer: Any, dock: Any, *slices: int) -> None:
    """Show slices one after the other, as napari's player does: it returns to Qt after each."""
    dock.windows.canvas._rest_timer.setInterval(60_000)  # the slowest machine does not come to rest
    for k in slices:
        viewer.dims.set_point(0, 2.5 * k)
        QApplication.processEvents()


def test_labels_show_the_texts_while_slices_play(qtbot: Any, viewer: Any, dock: Any) -> None:
    dock.windows.canvas._rest_timer.stop()
    step(viewer, dock, 1)
    at_rest = texts(viewer)
    assert (labels(dock), at_rest["state"].split("\n")[1][:9]) == ({}, "slice 2/6")
    step(viewer, dock, 2, 3, 4)
    assert texts(viewer) == {}
    assert {position: labels(dock)[position] for position in ("middle_left", "middle_right")} == {
        "middle_left": "R",
        "middle_right": "L",
    }
    assert labels(dock)["bottom_left"].split("\n")[0] == "W 400 L 40"
    assert labels(dock)["bottom_left"].split("\n")[1].startswith("slice 5/6 · ")
    canvas = canvas_of(viewer)
    for label in dock.windows.labels.labels.values():
        assert canvas.rect().contains(label.geometry()) or label.isHidden()
        assert canvas.childAt(label.geometry().center()) is None  # the mouse is the canvas's
    dock.windows.canvas._rest_timer.start(0)
    qtbot.waitUntil(lambda: labels(dock) == {}, timeout=5000)
    assert texts(viewer)["state"].split("\n")[1].startswith("slice 5/6 · ")
    assert {place: texts(viewer)[place] for place in ("left", "top")} == {"left": "R", "top": "A"}
    step(viewer, dock, 0, 1)
    assert labels(dock)
    dock.view.show_view("coronal")  # other letters: not just another slice
    assert (labels(dock), texts(viewer)["top"]) == ({}, "H")
    step(viewer, dock, 0, 1)
    viewer.window.remove_dock_widget("all")
    qtbot.waitUntil(lambda: not ours(viewer), timeout=5000)
    assert not [child for child in canvas.children() if type(child).__name__ == "_Label" and child.isVisible()]


def test_pictures_that_a_script_takes_have_the_texts_in_each(qtbot: Any, viewer: Any, dock: Any) -> None:
    seen = []
    for k in range(4):
        viewer.dims.set_point(0, 2.5 * k)
        viewer.screenshot(canvas_only=True, flash=False)
        seen.append(texts(viewer)["state"].split("\n")[1].partition(" ·")[0])
    assert seen == [f"slice {n}/6" for n in (1, 2, 3, 4)]


def test_texts_beside_those_of_others_stay_where_napari_puts_them(qtbot: Any, viewer: Any, dock: Any) -> None:
    from napari.components.overlays import TextOverlay

    other = viewer.canvas.overlays["other"] = TextOverlay(position="bottom_left", text="other", visible=True)
    step(viewer, dock, 0, 1, 2)
    assert (labels(dock), "state" in texts(viewer)) == ({}, True)
    other.visible = False
    step(viewer, dock, 3)
    assert (bool(labels(dock)), texts(viewer)) == (True, {})
    del viewer.canvas.overlays["other"]


def test_a_closed_dock_takes_its_texts_along(qtbot: Any, viewer: Any, dock: Any) -> None:
    assert texts(viewer)
    viewer.window.remove_dock_widget("all")
    qtbot.waitUntil(lambda: not texts(viewer), timeout=5000)
    assert not ours(viewer)


def test_a_dock_makes_its_texts_one_at_a_time_and_lists_series_once(qtbot: Any, viewer: Any, dock: Any) -> None:
    shown = {name: text for name, text in texts(viewer).items() if name != "value"}
    viewer.window.remove_dock_widget("all")
    qtbot.waitUntil(lambda: not ours(viewer), timeout=5000)
    turns, made = [0], []
    count = QTimer(interval=0, timeout=lambda: turns.append(turns[-1] + 1))
    note = viewer.canvas.overlays.events.added.connect(lambda _: made.append(turns[-1]))
    count.start()
    second = open_dock(viewer)
    assert not ours(viewer)  # napari compiles shaders for each, so none is made with the dock itself
    qtbot.waitUntil(lambda: second.opened is not None and second.is_idle, timeout=10_000)
    count.stop()
    viewer.canvas.overlays.events.added.disconnect(note)
    assert len(set(made)) == len(made) >= len(shown) == 5
    assert {name: text for name, text in texts(viewer).items() if name != "value"} == shown
    for _ in range(3):
        viewer.add_image(np.zeros((4, 4)))
    qtbot.wait(10)
    listed: list[list[bool]] = []
    set_rows = second.series.set_rows
    second.series.set_rows = lambda rows, among: (listed.append([row.is_open for row in rows]), set_rows(rows, among))
    viewer.layers.clear()
    qtbot.waitUntil(lambda: bool(listed), timeout=5000)
    qtbot.wait(10)
    assert listed == [[False]]


def test_the_next_dock_keeps_its_texts_when_a_closed_one_lets_go(qtbot: Any, viewer: Any, dock: Any) -> None:
    viewer.window.remove_dock_widget(dock)
    second = open_dock(viewer)  # before the first has seen that it was closed
    qtbot.waitUntil(lambda: second.opened is not None, timeout=10_000)
    qtbot.waitUntil(lambda: "top" in texts(viewer), timeout=5000)
    assert texts(viewer)["top"] == "A"
    viewer.window.remove_dock_widget("all")
    qtbot.waitUntil(lambda: not ours(viewer), timeout=5000)


def test_the_slider_of_a_fourth_axis_says_where_it_is(qtbot: Any, viewer: Any, tmp_path: Path) -> None:
    write_series(
        tmp_path,
        6,
        Modality="MR",
        EchoTime=lambda k: (12.5, 30)[k // 3],
        ImagePositionPatient=lambda k: [0, 0, 2.5 * (k % 3)],
    )
    dock = open_dock(viewer)
    drop(dock, tmp_path)
    wait_until_read(qtbot, dock)
    viewer.dims.set_point(0, 0)
    assert viewer.dims.axis_labels[0] == "echo 12.5 ms"
    viewer.dims.set_point(0, 1)
    assert viewer.dims.axis_labels[0] == "echo 30 ms"
    labels = [widget.axis_label.text() for widget in viewer.window._qt_viewer.dims.slider_widgets]
    assert labels[0] == "echo 30 ms"
    viewer.window.remove_dock_widget("all")
    qtbot.waitUntil(lambda: viewer.dims.axis_labels[0] == "t", timeout=5000)


def test_keys_of_presets_are_those_of_the_settings(qtbot: Any, viewer: Any, tmp_path: Path) -> None:
    from napari.utils.notifications import notification_manager

    for name, keys in (("preset_keys", "none F5 Foo"), ("full_range_key", "F6"), ("step_keys", "none Ctrl+F7")):
        remember(name, keys)
    write_series(tmp_path, 6)
    dock = open_dock(viewer)
    drop(dock, tmp_path)
    wait_until_read(qtbot, dock)
    assert notification_manager.records[-1].message == (
        "The settings of the DICOM dock name no key with Foo: write it like Alt+1 or F9"
    )
    first, second, full = limits(viewer), (-1200.0, 0.0), dock.windows.windowing.volume.display_range()
    window = viewer.window._qt_window
    for key, keys, shown in (
        (Qt.Key.Key_F5, NONE, second),
        (Qt.Key.Key_F6, NONE, full),
        (Qt.Key.Key_1, ALT, full),  # the default does nothing now
        (Qt.Key.Key_F5, NONE, second),
        (Qt.Key.Key_F7, CTRL, full),
    ):
        qtbot.keyClick(window, key, keys)
        assert limits(viewer) == pytest.approx(shown, abs=2)
    assert first != second
    assert [button.toolTip().endswith(" · F5") for button in dock.presets.buttons] == [False, True, False]
    assert dock.presets.buttons[-1].toolTip().endswith(" · F6")


def test_3d_shows_bone_and_gives_the_window_back(qtbot: Any, viewer: Any, dock: Any) -> None:
    dock.windows.choose(1)
    flat = limits(viewer)
    dock.view.show_view("3D")
    assert limits(viewer) == (100, 1200)
    assert dock.windows.fields.center.value() == 650
    dock.view.show_view("axial")
    assert limits(viewer) == flat
    assert dock.presets.buttons[1].isChecked()


def test_the_radiology_mouse_changes_slices_and_windows(qtbot: Any, viewer: Any, dock: Any) -> None:
    canvas, right = canvas_of(viewer), Qt.MouseButton.RightButton
    viewer.dims.set_point(0, 2 * 2.5)
    zoom, before = viewer.scene.camera.zoom, limits(viewer)
    turn(canvas, -120)
    qtbot.waitUntil(lambda: viewer.scene.camera.zoom != zoom, timeout=5000)
    assert viewer.dims.current_step[0] == 2
    dock.windows.fields.mouse.trigger()
    zoom = viewer.scene.camera.zoom
    turn(canvas, -120)
    assert viewer.dims.current_step[0] == 3
    turn(canvas, 120)
    turn(canvas, 120)
    assert viewer.dims.current_step[0] == 1
    turn(canvas, -120, CTRL)  # as without the tick
    assert viewer.dims.current_step[0] == 2
    drag(canvas, right, NONE, 20)
    assert limits(viewer)[1] - limits(viewer)[0] > before[1] - before[0]
    qtbot.wait(50)  # the camera follows with the next frame
    assert viewer.scene.camera.zoom == zoom
    turn(canvas, 120, SHIFT)
    assert viewer.scene.camera.zoom == pytest.approx(zoom * 1.1)
    dock.windows.fields.mouse.trigger()
    before = limits(viewer)
    drag(canvas, right, NONE, 20)
    assert limits(viewer) == before
    turn(canvas, -120)
    assert viewer.dims.current_step[0] == 2


def test_a_drag_with_alt_is_naparis_own_zoom(qtbot: Any, viewer: Any, dock: Any) -> None:
    before = limits(viewer)
    drag(canvas_of(viewer), Qt.MouseButton.LeftButton, ALT, 40)
    assert limits(viewer) == before


def test_an_edge_of_the_histogram_sets_the_window(qtbot: Any, viewer: Any, dock: Any) -> None:
    histogram = dock.windows.histogram
    qtbot.waitUntil(lambda: bool(histogram.counts.any()), timeout=5000)
    assert histogram.limits == limits(viewer) == (-160, 239)
    assert int(histogram.counts.sum()) == np.asarray(viewer.layers[0].data[0]).size
    low, high = (round(histogram.x_of(value)) for value in histogram.limits)
    assert low < high
    qtbot.mousePress(histogram, Qt.MouseButton.LeftButton, pos=QPoint(high, 10))
    qtbot.mouseMove(histogram, QPoint(high - 10, 10))
    qtbot.mouseRelease(histogram, Qt.MouseButton.LeftButton, pos=QPoint(high - 10, 10))
    assert limits(viewer)[0] == pytest.approx(-160)
    assert limits(viewer)[1] < 239
    assert not any(button.isChecked() for button in dock.presets.buttons)


def test_a_gamma_of_the_slider_unmarks_the_preset(qtbot: Any, viewer: Any, dock: Any) -> None:
    viewer.layers[0].gamma = 0.5
    assert not any(button.isChecked() for button in dock.presets.buttons)
    assert dock.windows.fields.unit.text() == "HU γ 0.5"
    qtbot.mouseClick(dock.presets.buttons[0], Qt.MouseButton.LeftButton)
    assert viewer.layers[0].gamma == 1
    assert dock.presets.buttons[0].isChecked()


def test_points_over_an_image_leave_presets_and_keys_alive(qtbot: Any, viewer: Any, dock: Any) -> None:
    image = viewer.layers[0]
    viewer.add_points([[0, 1, 1]])
    assert viewer.layers.selection.active is not image
    assert len(dock.presets.buttons) == 3
    window = dock.window()
    window.activateWindow()
    qtbot.waitUntil(window.isActiveWindow, timeout=5000)
    qtbot.keyClick(window, Qt.Key.Key_2, ALT)
    assert tuple(image.contrast_limits) == (-1200, -1)
    image.visible = False
    assert dock.presets.buttons == []
    image.visible = True
    assert len(dock.presets.buttons) == 3


def test_the_command_palette_drives_the_dock(qtbot: Any, viewer: Any, dock: Any, monkeypatch: Any) -> None:
    import napari
    from napari._app_model import get_app_model
    from npe2 import PluginManager

    monkeypatch.setattr(napari, "current_viewer", lambda: viewer)
    commands = get_app_model().commands

    def run(name: str) -> None:
        commands.execute_command(f"napari-dicommeta.{name}").result()

    run("next_preset")
    assert dock.presets.buttons[1].isChecked()
    run("previous_preset")
    assert dock.presets.buttons[0].isChecked()
    run("show_full_range")
    assert not dock.presets.buttons[0].isChecked()
    for name, view in (("coronal", "coronal"), ("sagittal", "sagittal"), ("3d", "3D"), ("axial", "axial")):
        run(f"show_{name}")
        assert dock.views.buttons[view].isChecked()
    dock.tabs.setCurrentWidget(dock.tab)
    run("find")
    is_a_tab = dock.tabs.indexOf(dock.series) >= 0  # in a wide dock, the series are beside the tabs
    assert dock.tabs.currentWidget() is (dock.series if is_a_tab else dock.tab)
    assert dock.series.search.field.hasFocus()
    asked = []
    monkeypatch.setattr(dock.source, "choose_folder", lambda: asked.append("folder"))
    monkeypatch.setattr(dock, "go_back", lambda: asked.append("back"))
    dock.source.move_requested.disconnect()
    dock.source.move_requested.connect(lambda: asked.append("move"))
    for name in ("choose_folder", "go_back", "move_dock"):
        run(name)
    assert asked == ["folder", "back", "move"]
    manifest = PluginManager.instance().get_manifest("napari-dicommeta")
    ours = [one.id for one in manifest.contributions.commands if "widgets.commands" in one.python_name]
    assert len(ours) == 11
    assert set(ours) <= {name for name, _ in commands}
