"""A source is never lost by accident: bad drops, closed docks, stopped scans, and the way back."""

from __future__ import annotations

import gc
import shutil
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import fsspec
import numpy as np
import pytest
from dicom_factory import write_series
from napari.utils.notifications import notification_manager
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QInputDialog
from window_driver import choose_tag, click_bar, drop, open_dock, open_series, read, wait_until_read

import napari_dicommeta as dm


def make(folder: Path, number: int, count: int) -> Path:
    uids = {"SeriesInstanceUID": f"1.2.{number}", "StudyInstanceUID": f"1.3.{number}"}
    write_series(folder, count, **uids, KVP=lambda k: 80 if k else 120)
    return folder


@pytest.mark.parametrize("content", [None, b"hello " * 50])
def test_a_drop_of_nothing_usable_keeps_what_is_open_and_says_what_was_wrong(
    qtbot: Any, viewer: Any, dock: Any, tmp_path: Path, content: bytes | None
) -> None:
    read(qtbot, dock, make(tmp_path / "good", 1, 5))
    choose_tag(qtbot, dock, "KVP")
    click_bar(qtbot, dock, "80")
    bad = tmp_path / "bad"
    bad.mkdir()
    if content is not None:
        (bad / "letter.dcm").write_bytes(content)
    before = len(notification_manager.records)
    read(qtbot, dock, bad)
    assert (dock.source.title.text(), dock.source.amount.text()) == ("good", "5 files · 1 series")
    assert dock.filters.count.text() == "4 of 5"
    assert [layer.visible for layer in viewer.layers] == [True]
    assert not dock.source.progress.isVisible()
    said = " ".join(str(record.message) for record in notification_manager.records[before:])
    reason = "letter.dcm: not DICOM" if content is not None else "There are no files here"
    assert "bad: nothing was opened" in said
    assert reason in said
    assert reason in dock.series.problems.text()
    assert not dock.source.back_button.isVisible()


def test_a_dock_that_is_closed_and_opened_again_finds_its_state(
    qtbot: Any, viewer: Any, dock: Any, tmp_path: Path
) -> None:
    read(qtbot, dock, make(tmp_path / "first", 1, 4))
    read(qtbot, dock, make(tmp_path / "second", 2, 6))
    choose_tag(qtbot, dock, "KVP")
    click_bar(qtbot, dock, "80")
    layers = list(viewer.layers)
    with qtbot.waitSignal(dock.destroyed):
        viewer.window.remove_dock_widget(dock)
    again = open_dock(viewer)
    qtbot.waitUntil(lambda: bool(again.filters.chips), timeout=5000)
    assert (again.source.title.text(), again.filters.count.text()) == ("second", "5 of 6")
    qtbot.waitUntil(lambda: again.values.heading.text().startswith("KVP"), timeout=5000)
    assert again.tabs.currentWidget() is again.tab
    assert list(viewer.layers) == layers
    assert again.source.back_button.isVisible()
    again.tabs.setCurrentWidget(again.series)
    assert [row.is_open for row in again.series.model.rows] == [True]


def test_back_returns_to_the_previous_source_and_its_filters(
    qtbot: Any, viewer: Any, dock: Any, tmp_path: Path
) -> None:
    read(qtbot, dock, make(tmp_path / "first", 1, 4))
    assert not dock.source.back_button.isVisible()
    choose_tag(qtbot, dock, "KVP")
    click_bar(qtbot, dock, "120")
    catalog = dock.opened.catalog
    read(qtbot, dock, make(tmp_path / "second", 2, 6))
    assert dock.source.back_button.toolTip() == "Back to first"
    qtbot.mouseClick(dock.source.back_button, Qt.MouseButton.LeftButton)
    wait_until_read(qtbot, dock)
    assert dock.opened.catalog is catalog  # its layer kept it
    assert (dock.source.title.text(), dock.filters.count.text()) == ("first", "1 of 4")
    assert [(layer.data.shape[0], layer.visible) for layer in viewer.layers] == [(4, True), (6, False)]
    assert not dock.source.back_button.isVisible()


def test_back_reads_from_the_cache_what_no_layer_keeps(qtbot: Any, viewer: Any, dock: Any, tmp_path: Path) -> None:
    read(qtbot, dock, make(tmp_path / "first", 1, 4))
    viewer.layers.clear()
    read(qtbot, dock, make(tmp_path / "second", 2, 6))
    gc.collect()
    qtbot.mouseClick(dock.source.back_button, Qt.MouseButton.LeftButton)
    wait_until_read(qtbot, dock)
    assert dock.source.title.text() == "first"
    assert [(layer.data.shape[0], layer.visible) for layer in viewer.layers] == [(6, False), (4, True)]


def test_stop_keeps_what_was_read_and_back_returns_from_it(
    qtbot: Any, viewer: Any, dock: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from napari_dicommeta._napari.tasks import open as opening

    read(qtbot, dock, make(tmp_path / "first", 1, 4))
    write_series(tmp_path / "big" / "a", 20, SeriesInstanceUID="1.2.8")
    catalog = dm.scan(tmp_path / "big")
    so_far = SimpleNamespace(done=20, found=124_881, listed=False, tables=(catalog,), catalog=lambda: catalog)

    def endless(*_: Any, **__: Any) -> Any:
        while True:
            time.sleep(0.01)  # as reading leaves the processor to the window
            yield so_far

    monkeypatch.setattr(opening, "iter_scan", endless)
    drop(dock, tmp_path / "big")
    qtbot.waitUntil(lambda: "124,881" in dock.source.count.text(), timeout=10_000)
    assert dock.source.cancel_button.text() == "Stop"
    qtbot.mouseClick(dock.source.cancel_button, Qt.MouseButton.LeftButton)
    wait_until_read(qtbot, dock)
    assert (dock.source.title.text(), dock.source.amount.text()) == ("big", "20 of 124,881+ files · 1 series")
    assert [layer.data.shape[0] for layer in viewer.layers if layer.visible] == [20]
    qtbot.mouseClick(dock.source.back_button, Qt.MouseButton.LeftButton)
    wait_until_read(qtbot, dock)
    assert dock.source.title.text() == "first"


def test_the_last_source_is_offered_by_an_empty_dock(qtbot: Any, viewer: Any, dock: Any, tmp_path: Path) -> None:
    read(qtbot, dock, make(tmp_path / "last one", 1, 4))
    from napari_dicommeta._napari.state.sources import take_state

    with qtbot.waitSignal(dock.destroyed):
        viewer.window.remove_dock_widget(dock)
    take_state(viewer)  # as in another session
    viewer.layers.clear()
    again = open_dock(viewer)
    qtbot.waitUntil(lambda: again.source.reopen_button.isVisible(), timeout=5000)
    assert again.source.reopen_button.text() == "Reopen last one"
    qtbot.mouseClick(again.source.reopen_button, Qt.MouseButton.LeftButton)
    wait_until_read(qtbot, again)
    assert again.source.title.text() == "last one"
    assert not again.source.reopen_button.isVisible()
    shutil.rmtree(tmp_path / "last one")


def test_a_row_of_the_source_that_is_back_opens_no_second_layer(
    qtbot: Any, viewer: Any, dock: Any, tmp_path: Path
) -> None:
    make(tmp_path / "first" / "a", 1, 4)
    make(tmp_path / "first" / "b", 2, 3)
    read(qtbot, dock, tmp_path / "first")
    open_series(qtbot, dock, 1)
    read(qtbot, dock, make(tmp_path / "second", 3, 6))
    qtbot.mouseClick(dock.source.back_button, Qt.MouseButton.LeftButton)
    wait_until_read(qtbot, dock)
    open_series(qtbot, dock, 1)
    assert [(layer.data.shape[0], layer.visible) for layer in viewer.layers] == [(4, False), (3, True), (6, False)]


def test_an_empty_dock_offers_folders_and_the_sample(
    qtbot: Any, viewer: Any, dock: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    start = dock.series.start
    assert start.isVisible()
    folder = make(tmp_path / "recent", 1, 3)
    monkeypatch.setattr(start, "_recent", lambda: (str(folder), str(tmp_path)))
    start.fill()
    assert start.recent_buttons[0].text().endswith("recent")
    qtbot.mouseClick(start.recent_buttons[0], Qt.MouseButton.LeftButton)
    wait_until_read(qtbot, dock)
    assert not start.isVisible()
    assert dock.source.title.text() == "recent"


def test_the_sample_opens_from_an_empty_dock(qtbot: Any, viewer: Any, dock: Any) -> None:
    qtbot.mouseClick(dock.series.start.sample_button, Qt.MouseButton.LeftButton)
    wait_until_read(qtbot, dock)
    assert dock.source.title.text() == "Chest CT phantom"
    assert [layer.data.shape[0] for layer in viewer.layers] == [48]


def test_an_archive_and_a_url_open_like_a_folder(
    qtbot: Any, viewer: Any, dock: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make(tmp_path / "in", 1, 5)
    shutil.make_archive(str(tmp_path / "portal"), "zip", tmp_path / "in")
    read(qtbot, dock, tmp_path / "portal.zip")
    assert (dock.source.title.text(), dock.source.amount.text()) == ("portal.zip", "5 files · 1 series")
    assert viewer.layers[-1].data.shape[0] == 5
    system = fsspec.filesystem("memory")
    make(tmp_path / "more", 2, 3)
    system.put(str(tmp_path / "more"), "/of-the-dock", recursive=True)
    monkeypatch.setattr(QInputDialog, "getText", lambda *_: (" memory://of-the-dock ", True))
    next(action for action in dock.source.open_button.menu().actions() if action.text() == "URL…").trigger()
    wait_until_read(qtbot, dock)
    assert (dock.source.title.text(), dock.source.amount.text()) == ("of-the-dock", "3 files · 1 series")
    assert np.asarray(viewer.layers[-1].data).shape == (3, 16, 12)
    system.rm("/of-the-dock", recursive=True)
    for url in ("memory://nowhere", "memory://nowhere/"):
        before = len(notification_manager.records)
        dock.open_paths([url])
        wait_until_read(qtbot, dock)
        said = " ".join(str(record.message) for record in notification_manager.records[before:])
        assert "nowhere: there is nothing at this URL" in said
