"""Volumes become layers in steps, on a viewer without a window; what is read in threads leaves no trace in Python."""

from __future__ import annotations

import gc
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from dicom_factory import write_series
from napari.components import ViewerModel
from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QApplication, QMainWindow, QWidget

import napari_dicommeta as dm
from napari_dicommeta._napari.reader import volume_of
from napari_dicommeta._napari.state import gc_pause as calming_module
from napari_dicommeta._napari.state.gc_pause import GCPause
from napari_dicommeta._napari.state.layers import LayerQueue
from napari_dicommeta._napari.state.workers import Workers
from napari_dicommeta._napari.tasks import gc_pause as gc_pause


@pytest.fixture
def volumes(tmp_path: Path) -> list[dm.Volume]:
    write_series(tmp_path / "a", 6)
    write_series(tmp_path / "b", 3, SeriesInstanceUID="1.2.3")
    return list(dm.load(tmp_path))


def test_each_layer_comes_in_steps_of_its_own(qtbot: Any, volumes: list[dm.Volume]) -> None:
    viewer, told, done = ViewerModel(), [], []
    viewer.mouse_over_canvas = True
    adding = LayerQueue(viewer)
    adding.changed.connect(told.append)
    adding.add(volumes, lambda _: done.append([layer.visible for layer in viewer.layers]))
    assert (len(viewer.layers), adding.is_adding, told) == (0, True, [True])
    steps = [(len(viewer.layers), sum(layer.visible for layer in viewer.layers), viewer.dims.ndim)]
    sliders = {}
    while adding.is_adding:
        QApplication.processEvents()
        n = len(viewer.layers)
        steps.append((n, sum(layer.visible for layer in viewer.layers), viewer.dims.ndim))
        if steps[-1] == (0, 0, 3) or steps[-1] == (1, 0, 3):
            sliders[n] = viewer.dims.range, viewer.dims.current_step, viewer.dims.axis_labels
    shown = list(dict.fromkeys(steps))
    # the sliders before the first layer, each layer before it is drawn
    assert shown == [(0, 0, 2), (0, 0, 3), (1, 0, 3), (1, 1, 3), (2, 1, 3), (2, 2, 3)]
    assert sliders[0] == sliders[1]  # napari finds them as it would set them
    assert sliders[0][1] == (1, 7, 5)
    assert (done, told) == ([[True, True]], [True, False])
    assert [volume_of(layer) for layer in viewer.layers] == volumes[::-1]
    assert viewer.layers.selection.active is viewer.layers[-1]
    assert round(viewer.layers[-1].world_to_data(viewer.dims.point)[0]) == volumes[0].middle[0]
    assert viewer.dims.axis_labels == ("z", "y", "x")
    shown = viewer.layers[-1].data[volumes[0].middle][0, 0]  # under the cursor of a viewer that has not seen it move
    assert shown != 0
    assert viewer.status["value"] == str(shown)


def test_a_layer_that_napari_refuses_keeps_no_other_out(qtbot: Any, volumes: list[dm.Volume], monkeypatch: Any) -> None:
    viewer, done = ViewerModel(), []
    adding = LayerQueue(viewer)
    add = viewer.add_layer

    def refuse(self: Any, layer: Any) -> Any:
        if volume_of(layer) is volumes[0]:
            raise RuntimeError("no such layer")
        return add(layer)

    monkeypatch.setattr(ViewerModel, "add_layer", refuse)
    with qtbot.capture_exceptions() as errors:
        adding.add(volumes[:1], lambda _: done.append("first"))
        adding.add(volumes[1:], lambda _: done.append("second"))
        qtbot.waitUntil(lambda: not adding.is_adding)
    assert [str(error) for _, error, _ in errors] == ["no such layer"]
    assert done == ["first", "second"]
    assert [volume_of(layer) for layer in viewer.layers] == volumes[1:]
    viewer.layers.clear()
    adding.begin_source()
    with qtbot.capture_exceptions() as errors:
        adding.add(volumes[::-1], done.append)  # nor one of its own kin
        qtbot.waitUntil(lambda: not adding.is_adding)
    assert len(errors) == 1
    assert [id(volume) for volume in done[2]] == [id(volumes[1])]
    assert [volume_of(layer) for layer in viewer.layers] == volumes[1:]


def test_what_follows_may_fail_and_what_listens_too(qtbot: Any, volumes: list[dm.Volume]) -> None:
    viewer, done, told = ViewerModel(), [], []
    adding = LayerQueue(viewer)
    adding.changed.connect(told.append)

    def fail(_: object) -> None:
        raise ValueError("told too much")

    viewer.layers.events.inserted.connect(fail)
    with qtbot.capture_exceptions() as errors:
        adding.add(volumes[:1], fail)
        adding.add(volumes[1:], lambda _: done.append("second"))
        qtbot.waitUntil(lambda: not adding.is_adding)
    assert len(errors) == 3
    assert (done, told) == (["second"], [True, False])
    assert [layer.visible for layer in viewer.layers] == [True, True]


def test_a_viewer_in_3d_takes_a_volume_in_time(qtbot: Any, tmp_path: Path) -> None:
    for time in (1, 2):
        uid = {"SOPInstanceUID": lambda k, time=time: f"1.2.{time}.{k}"}
        write_series(tmp_path / str(time), 3, TemporalPositionIdentifier=time, **uid)
    (volume,) = dm.load(tmp_path)
    assert len(volume.array.shape) == 4
    viewer = ViewerModel()
    viewer.dims.ndisplay = 3
    adding = LayerQueue(viewer)
    adding.add([volume], lambda _: None)
    qtbot.waitUntil(lambda: not adding.is_adding)
    assert [layer.visible for layer in viewer.layers] == [True]


def test_a_volume_that_is_there_gets_no_second_layer(qtbot: Any, volumes: list[dm.Volume], tmp_path: Path) -> None:
    viewer, told = ViewerModel(), []
    adding = LayerQueue(viewer)
    again = list(dm.load(tmp_path))
    adding.add(volumes[:1], told.append)
    adding.add(again, told.append)  # before the first is there
    qtbot.waitUntil(lambda: not adding.is_adding)
    assert [[id(volume) for volume in shown] for shown in told] == [[id(volumes[0])], [id(volumes[0]), id(again[1])]]
    assert [id(volume_of(layer)) for layer in viewer.layers] == [id(volumes[0]), id(again[1])]
    adding.begin_source()  # the same files, read anew: they may be others by now
    adding.add(volumes[:1], told.append)
    qtbot.waitUntil(lambda: not adding.is_adding)
    assert [id(volume_of(layer)) for layer in viewer.layers] == [id(volumes[0]), id(again[1]), id(volumes[0])]


def test_the_window_paints_again_whatever_happens(qtbot: Any, volumes: list[dm.Volume], monkeypatch: Any) -> None:
    window, viewer, painting = QMainWindow(), ViewerModel(), []
    qtbot.addWidget(window)
    adding = LayerQueue(viewer, window)
    add = viewer.add_layer

    def told(self: Any, layer: Any) -> Any:
        painting.append(window.updatesEnabled())
        if volume_of(layer) is volumes[0]:
            raise RuntimeError("no such layer")
        return add(layer)

    monkeypatch.setattr(ViewerModel, "add_layer", told)
    with qtbot.capture_exceptions() as errors:
        adding.add(volumes[:1], lambda _: painting.append(window.updatesEnabled()))
        adding.add(volumes[1:], lambda _: painting.append(window.updatesEnabled()))
        qtbot.waitUntil(lambda: not adding.is_adding)
    assert len(errors) == 1
    assert painting == [False, True, False, True]
    viewer.layers.clear()
    dock = QWidget(window)
    adding = LayerQueue(viewer, dock)
    viewer.layers.events.inserted.connect(lambda _: dock.deleteLater())  # it goes in the midst of it
    with qtbot.waitSignal(dock.destroyed):
        adding.add(volumes[1:], lambda _: painting.append("never"))
    assert window.updatesEnabled()
    assert painting[4:] == [False]


def test_garbage_from_before_is_set_aside_while_files_are_read(qtbot: Any, monkeypatch: Any, tmp_path: Path) -> None:
    monkeypatch.setattr(calming_module, "REST_MS", 50)
    write_series(tmp_path, 3)
    assert not gc_pause.is_frozen()
    workers, frozen = Workers(), []
    workers.begun.connect(lambda _: frozen.append(gc.get_freeze_count()))
    with qtbot.waitSignal(workers.opened):
        workers.open_paths([str(tmp_path)])
    assert frozen[0] > 10_000
    assert gc.get_freeze_count() >= frozen[0]
    qtbot.waitUntil(lambda: not gc_pause.is_frozen())
    workers.open_paths([str(tmp_path)])
    qtbot.waitUntil(gc_pause.is_frozen)
    workers.stop_all()
    assert not gc_pause.is_frozen()


def test_garbage_is_collected_when_nothing_is_read_and_nobody_does_anything(qtbot: Any) -> None:
    busy, collected = [True], []
    watch = lambda phase, info: collected.append(info["generation"]) if phase == "start" else None  # noqa: E731
    calming, widget = GCPause(lambda: busy[0]), QWidget()
    qtbot.addWidget(widget)
    gc.callbacks.append(watch)
    try:
        calming.begin()
        for _ in range(3):
            calming.look()
            assert gc_pause.is_frozen()  # something is read
        busy[0] = False
        for _ in range(3):
            calming.look()
            qtbot.keyClick(widget, "a")
            assert gc_pause.is_frozen()  # a key was pressed since then
        calming.look()
        collected.clear()
        calming.look()
        assert (gc_pause.is_frozen(), collected) == (False, [2])
        calming.begin()
        calming.stop()
        assert (gc_pause.is_frozen(), collected) == (False, [2])  # the window goes: no time for that
    finally:
        gc.callbacks.remove(watch)


def test_two_windows_share_the_calm_and_a_program_that_has_its_own_keeps_it() -> None:
    try:
        gc_pause.begin()
        gc_pause.begin()
        gc_pause.end()
        assert gc_pause.is_frozen()
        gc_pause.end()
        assert not gc_pause.is_frozen()
        gc.freeze()
        before = gc.get_freeze_count()
        gc_pause.begin()
        gc_pause.renew()
        assert gc.get_freeze_count() <= before
        gc_pause.end()
        assert gc_pause.is_frozen()
    finally:
        gc.unfreeze()


def test_a_layer_that_is_half_added_is_shown_when_the_dock_closes(qtbot: Any, volumes: list[dm.Volume]) -> None:
    viewer = ViewerModel()
    adding = LayerQueue(viewer)
    viewer.layers.events.inserted.connect(lambda _: QTimer.singleShot(0, adding.release))
    adding.add(volumes, lambda _: None)
    qtbot.waitUntil(lambda: not adding.is_adding)
    assert [layer.visible for layer in viewer.layers] == [True]
    qtbot.wait(50)
    assert (len(viewer.layers), adding.is_adding) == (1, False)


def test_what_python_froze_at_its_start_stops_no_pause() -> None:
    script = "import gc; print(gc.get_freeze_count()); gc.freeze(); print(gc.get_freeze_count())"
    shown = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout.split()
    at_start, all_objects = map(int, shown)
    assert at_start < gc_pause.MIN_FROZEN <= all_objects  # 0 and 11,000 in Python 3.11, 375 and 5,400 in 3.12
