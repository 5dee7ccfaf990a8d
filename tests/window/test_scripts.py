"""What a script does with the viewer, its layers and its menus, beside the window."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import napari
import numpy as np
import pytest
from dicom_factory import write_series
from napari.components import ViewerModel
from napari.utils.notifications import notification_manager
from qtpy.QtGui import QAction
from window_driver import dock_of, open_dock, wait_until_read

import napari_dicommeta as dm

PLUGIN = "napari-dicommeta"


def action_of(menu: Any, text: str) -> QAction:
    """Return the action of a menu whose text begins with `text`; napari fills a menu when it is about to show."""
    menu.aboutToShow.emit()
    return next(action for action in menu.actions() if action.text().startswith(text))


def test_open_in_a_script_returns_its_layers_with_their_source_and_catalog(
    qtbot: Any, viewer: Any, tmp_path: Path
) -> None:
    write_series(tmp_path, 4)
    layers = viewer.open(str(tmp_path), plugin=PLUGIN)
    assert layers == list(viewer.layers)
    (layer,) = layers
    assert (layer.source.path, layer.source.reader_plugin) == (str(tmp_path), PLUGIN)
    volume, catalog = dm.volume_of(layer), dm.catalog_of(layer)
    assert volume is not None
    assert catalog is not None
    assert volume.array is layer.data
    assert catalog.n_files == 4


def test_keywords_of_open_count_or_are_refused_by_a_sentence(qtbot: Any, viewer: Any, tmp_path: Path) -> None:
    write_series(tmp_path, 4)
    (layer,) = viewer.open(
        str(tmp_path), plugin=PLUGIN, name="mine", colormap="magma", contrast_limits=(-2000, 100), opacity=0.5
    )
    assert (layer.name, layer.colormap.name, layer.opacity) == ("mine", "magma", 0.5)
    assert tuple(layer.contrast_limits) == (-2000, 100)
    with pytest.raises(ValueError, match="'flavor' cannot be set when DICOM is opened"):
        viewer.open(str(tmp_path), plugin=PLUGIN, flavor="sweet")
    assert len(viewer.layers) == 1


def test_layers_of_the_dock_have_their_source_and_catalog_too(qtbot: Any, viewer: Any, tmp_path: Path) -> None:
    write_series(tmp_path, 4)
    dock = dm.open_in(viewer, tmp_path)
    assert dock is dock_of(viewer)
    wait_until_read(qtbot, dock)
    (layer,) = viewer.layers
    assert (layer.source.path, layer.source.reader_plugin) == (str(tmp_path), PLUGIN)
    assert dm.catalog_of(layer) is dock.opened.catalog


def test_a_dock_knows_the_layers_that_a_script_opened(qtbot: Any, viewer: Any, tmp_path: Path) -> None:
    write_series(tmp_path, 4, ExposureTime=lambda k: 500 + k)
    viewer.open(str(tmp_path), plugin=PLUGIN)
    dock = open_dock(viewer)
    assert len(dock.presets.buttons) == 3
    dock.presets.buttons[1].click()
    assert tuple(viewer.layers[0].contrast_limits) == (-1200, -1)


def test_a_viewer_model_takes_all_volumes(tmp_path: Path) -> None:
    write_series(tmp_path / "a", 4)
    write_series(tmp_path / "b", 3, SeriesInstanceUID="1.2.9")
    model = ViewerModel()
    assert dm.open_in(model, [tmp_path / "a", tmp_path / "b"]) is None
    assert [layer.data.shape[0] for layer in model.layers] == [3, 4]


def test_the_sample_of_the_menu_opens_without_an_error(qtbot: Any, viewer: Any) -> None:
    before = len(notification_manager.records)
    action_of(action_of(viewer.window.file_menu, "Open Sample").menu(), "Chest CT phantom").trigger()
    dock = dock_of(viewer)
    wait_until_read(qtbot, dock)
    assert [str(record.message) for record in notification_manager.records[before:]] == []
    assert [layer.data.shape for layer in viewer.layers] == [(48, 256, 256)]  # one layer, though the dock read it too
    assert dock.source.title.text() == "Chest CT phantom"
    low, high = viewer.layers[0].contrast_limits_range
    assert low < -160 < 239 < high
    assert len(dock.presets.buttons) == 3


def test_the_script_of_the_docs_runs_as_it_stands(
    qtbot: Any, viewer: Any, phantom: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    page = (Path(__file__).resolve().parents[2] / "docs" / "howto" / "layer-to-file.md").read_text("utf-8")
    (block,) = [block for block in re.findall(r"```python\n(.*?)```", page, re.DOTALL) if "import napari\n" in block]
    monkeypatch.chdir(phantom.parent)
    monkeypatch.setattr(napari, "Viewer", lambda: viewer)
    exec(block, {"dm": dm})
    assert capsys.readouterr().out == "HU 48\n"
    assert [(layer.name, layer.colormap.name) for layer in viewer.layers] == [("chest", "magma")]
    wait_until_read(qtbot, dock_of(viewer))


def test_each_viewer_gets_what_is_opened_in_it(qtbot: Any, viewer: Any, tmp_path: Path, monkeypatch: Any) -> None:
    write_series(tmp_path / "a", 4)
    write_series(tmp_path / "b", 6)
    other = napari.Viewer(show=False)
    try:
        monkeypatch.setattr(napari, "current_viewer", lambda: viewer)  # the one that was focused last
        first, second = open_dock(viewer), dm.open_in(other, tmp_path / "b")
        first.open_paths([str(tmp_path / "a")])
        wait_until_read(qtbot, first)
        wait_until_read(qtbot, second)
        assert [layer.data.shape[0] for layer in viewer.layers] == [4]
        assert [layer.data.shape[0] for layer in other.layers] == [6]
        assert other.open(str(tmp_path / "a"), plugin=PLUGIN) == [other.layers[-1]]
        other.window._qt_viewer._qt_open([str(tmp_path / "a")], stack=False, plugin=PLUGIN)  # as its File menu does
        qtbot.waitUntil(lambda: second.opened is not None and second.opened.title == "a", timeout=20_000)
        assert first.opened.title == "a"
        assert np.shape(viewer.layers) == (1,)
    finally:
        monkeypatch.setattr(other.window._qt_window, "_save_current_window_settings", lambda: None)
        other.close()
