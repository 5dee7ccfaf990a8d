"""Volumes become layers in steps, on a viewer without a window; what is read in threads leaves no trace in Python."""

from __future__ import annotations

import gc
from pathlib import Path
from typing import Any

import pytest
from dicom_factory import write_series
from napari.components import ViewerModel
from qtpy.QtWidgets import QApplication

import napari_dicommeta as dm
from napari_dicommeta import _calm
from napari_dicommeta._reader import volume_of
from napari_dicommeta._widgets import sources as sources_module
from napari_dicommeta._widgets.sources import Sources
from napari_dicommeta._widgets.viewing import Viewing


@pytest.fixture
def volumes(tmp_path: Path) -> list[dm.Volume]:
    write_series(tmp_path / "a", 6)
    write_series(tmp_path / "b", 3, SeriesInstanceUID="1.2.3")
    return list(dm.load(tmp_path))


def test_each_layer_comes_in_steps_of_its_own(qtbot: Any, volumes: list[dm.Volume]) -> None:
    viewer, told, done = ViewerModel(), [], []
    viewing = Viewing(viewer)
    viewing.adding_changed.connect(told.append)
    viewing.add(volumes, lambda: done.append([layer.visible for layer in viewer.layers]))
    assert (len(viewer.layers), viewing.is_adding, told) == (0, True, [True])
    steps = [(len(viewer.layers), sum(layer.visible for layer in viewer.layers), viewer.dims.ndim)]
    while viewing.is_adding:
        QApplication.processEvents()
        steps.append((len(viewer.layers), sum(layer.visible for layer in viewer.layers), viewer.dims.ndim))
    shown = list(dict.fromkeys(steps))
    # the sliders before the first layer, each layer before it is drawn
    assert shown == [(0, 0, 2), (0, 0, 3), (1, 0, 3), (1, 1, 3), (2, 1, 3), (2, 2, 3)]
    assert (done, told) == ([[True, True]], [True, False])
    assert [volume_of(layer) for layer in viewer.layers] == volumes[::-1]
    assert viewer.layers.selection.active is viewer.layers[-1]
    assert round(viewer.layers[-1].world_to_data(viewer.dims.point)[0]) == volumes[0].middle[0]
    assert viewer.dims.axis_labels == ("z", "y", "x")


def test_a_layer_that_napari_refuses_keeps_no_other_out(qtbot: Any, volumes: list[dm.Volume], monkeypatch: Any) -> None:
    viewer, done = ViewerModel(), []
    viewing = Viewing(viewer)
    add = viewer.add_layer

    def refuse(self: Any, layer: Any) -> Any:
        if volume_of(layer) is volumes[0]:
            raise RuntimeError("no such layer")
        return add(layer)

    monkeypatch.setattr(ViewerModel, "add_layer", refuse)
    with qtbot.capture_exceptions() as errors:
        viewing.add(volumes[:1], lambda: done.append("first"))
        viewing.add(volumes[1:], lambda: done.append("second"))
        qtbot.waitUntil(lambda: not viewing.is_adding)
    assert [str(error) for _, error, _ in errors] == ["no such layer"]
    assert done == ["first", "second"]
    assert [volume_of(layer) for layer in viewer.layers] == volumes[1:]


def test_a_volume_that_is_there_is_known_again(qtbot: Any, volumes: list[dm.Volume], tmp_path: Path) -> None:
    viewing = Viewing(ViewerModel())
    viewing.add(volumes[:1], lambda: None)
    qtbot.waitUntil(lambda: not viewing.is_adding)
    again = dm.load(tmp_path)
    shown, new = viewing.split(again)
    assert shown[0] is volumes[0]
    assert shown[1] is again[1]
    assert new == [again[1]]


def test_garbage_from_before_is_set_aside_while_files_are_read(qtbot: Any, monkeypatch: Any, tmp_path: Path) -> None:
    monkeypatch.setattr(sources_module, "CALM_MS", 50)
    write_series(tmp_path, 3)
    assert gc.get_freeze_count() == 0
    sources, frozen = Sources(), []
    sources.begun.connect(lambda _: frozen.append(gc.get_freeze_count()))
    with qtbot.waitSignal(sources.opened):
        sources.open_paths([str(tmp_path)])
    assert frozen[0] > 10_000
    assert gc.get_freeze_count() >= frozen[0]
    qtbot.waitUntil(lambda: gc.get_freeze_count() == 0)
    sources.open_paths([str(tmp_path)])
    qtbot.waitUntil(lambda: gc.get_freeze_count() > 0)
    sources.stop_all()
    assert gc.get_freeze_count() == 0


def test_two_windows_share_the_calm_and_a_program_that_has_its_own_keeps_it() -> None:
    try:
        _calm.begin()
        _calm.begin()
        _calm.end()
        assert gc.get_freeze_count() > 0
        _calm.end()
        assert gc.get_freeze_count() == 0
        gc.freeze()
        before = gc.get_freeze_count()
        _calm.begin()
        _calm.renew()
        assert gc.get_freeze_count() <= before
        _calm.end()
        assert gc.get_freeze_count() > 0
    finally:
        gc.unfreeze()
