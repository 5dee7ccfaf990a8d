"""From what is counted to the images behind it, in the real window, by mouse and keys."""

from __future__ import annotations

import gc
import stat
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from dicom_factory import write_series
from qtpy.QtCore import QEvent, QPoint, QPointF, Qt
from qtpy.QtGui import QMouseEvent
from qtpy.QtWidgets import QApplication, QDockWidget, QFileDialog
from window_driver import choose_tag, click_bar, drop, open_dock, open_series, slice_shown, wait_until_read

import napari_dicommeta as dm
from napari_dicommeta._napari.reader import volume_of
from napari_dicommeta._napari.tasks.export import bars_to_show
from napari_dicommeta.export import tables as export


@pytest.fixture
def study(tmp_path: Path) -> Path:
    """Two studies of one patient: two series, and one with a gap and without a kernel in part of its files."""
    folder = tmp_path / "study"
    write_series(folder / "a", 6, KVP=120, SliceThickness=lambda k: 1 + k / 2, ScanOptions=lambda k: "AB"[k > 3])
    write_series(folder / "b", 5, SeriesInstanceUID="1.2.9", SeriesNumber=9, KVP=100, SliceThickness=5)
    write_series(
        folder / "c",
        7,
        SeriesInstanceUID="1.2.10",
        SeriesNumber=10,
        StudyInstanceUID="1.2.11",
        KVP=80,
        ConvolutionKernel=lambda k: None if k < 2 else "B30f",
        ImagePositionPatient=lambda k: [0, 0, 2.5 * k + (5 if k > 3 else 0)],
    )
    return folder


@pytest.fixture
def dock(qtbot: Any, viewer: Any, study: Path) -> Any:
    dock = open_dock(viewer)
    drop(dock, study)
    wait_until_read(qtbot, dock)
    return dock


def matching(dock: Any) -> str:
    return dock.filters.count.text()


def test_a_brush_over_a_range_leads_to_the_slices_in_it(qtbot: Any, viewer: Any, dock: Any) -> None:
    choose_tag(qtbot, dock, "SliceThickness")
    for _ in range(2):
        qtbot.keyClick(dock.values.view_box, Qt.Key.Key_Down)
    qtbot.waitUntil(lambda: dock.values.stack.currentWidget() is dock.tab.bins, timeout=5000)
    bins = dock.tab.bins
    assert (sum(bins.bins.files), bins.bins.absent) == (11, 7)
    first = next(i for i, edge in enumerate(bins.bins.edges) if edge >= 2.5)
    last = max(i for i, edge in enumerate(bins.bins.edges[:-1]) if edge <= 3)

    def place(i: int) -> QPoint:
        area = bins._area()
        return QPoint(round(area.left() + (i + 0.5) * area.width() / len(bins.bins.files)), bins.height() // 2)

    qtbot.mousePress(bins, Qt.MouseButton.LeftButton, pos=place(first))
    move = QMouseEvent(
        QEvent.Type.MouseMove,
        QPointF(place(last)),
        Qt.MouseButton.NoButton,
        Qt.MouseButton.LeftButton,
        Qt.KeyboardModifier.NoModifier,
    )
    QApplication.sendEvent(bins, move)
    qtbot.mouseRelease(bins, Qt.MouseButton.LeftButton, pos=place(last))
    assert matching(dock) == "2 of 18"  # 2.5 and 3
    assert dock.filters.chips[0].text().startswith("SliceThickness 2.5 … ")
    assert sum(bins.bins.files) == 11  # its own filter hides none of its numbers
    qtbot.waitUntil(lambda: bins.span == (first, last), timeout=5000)
    dock.tabs.setCurrentWidget(dock.series)
    assert [row.extent for row in dock.series.model.rows] == ["2 of 6"]
    dock.series.table.setCurrentIndex(dock.series.model.index_of(dock.series.model.rows[0].number))
    qtbot.keyClick(dock.series.table, Qt.Key.Key_Return)
    wait_until_read(qtbot, dock)
    assert slice_shown(viewer) == 3
    dock.tabs.setCurrentWidget(dock.tab)
    qtbot.keyClick(bins, Qt.Key.Key_Escape)
    assert not dock.filters.chips


def test_a_cell_of_two_tags_and_the_files_without_a_tag_are_filters(qtbot: Any, dock: Any) -> None:
    choose_tag(qtbot, dock, "KVP")
    dock.values.beside_box.setCurrentIndex(dock.values.beside_box.findData("ScanOptions"))
    dock.values.beside_box.activated.emit(dock.values.beside_box.currentIndex())
    qtbot.waitUntil(lambda: dock.values.stack.currentWidget() is dock.tab.joint, timeout=5000)
    joint = dock.tab.joint
    where = joint.cells.joint.rows.index("120"), joint.cells.joint.columns.index("B")
    center = joint.visualRect(joint.cells.index(*where)).center()
    qtbot.mouseClick(joint.viewport(), Qt.MouseButton.LeftButton, pos=center)
    assert matching(dock) == "2 of 18"
    assert dock.filters.chips[0].text() == "120 kV and ScanOptions B  ×"
    qtbot.waitUntil(lambda: joint.delegate.chosen == {where}, timeout=5000)
    qtbot.mouseClick(dock.filters.chips[0], Qt.MouseButton.LeftButton)
    assert not dock.filters.chips

    choose_tag(qtbot, dock, "ConvolutionKernel")
    click_bar(qtbot, dock, None)
    absent = dm.scan(dock.opened.paths).values("ConvolutionKernel").absent
    assert matching(dock) == f"{absent} of 18"
    assert dock.filters.chips[0].text() == "no ConvolutionKernel  ×"
    click_bar(qtbot, dock, None)
    assert not dock.filters.chips


def test_scopes_narrow_what_is_counted(qtbot: Any, viewer: Any, dock: Any) -> None:
    choose_tag(qtbot, dock, "KVP")

    def scope(name: str, files: int) -> set[tuple[str, int]]:
        box = dock.tab.scope_box
        box.setCurrentIndex(box.findData(name))
        box.activated.emit(box.currentIndex())
        qtbot.waitUntil(lambda: f"({files} files)" in dock.values.legend.text(), timeout=5000)
        return {(bar.text, bar.files) for bar in dock.values.model.bars}

    assert scope("folder", 18) == {("120", 6), ("100", 5), ("80", 7)}
    uid = dock.exploration.active.series_instance_uid
    expected = {"1.2.9": ("100", 5), "1.2.10": ("80", 7)}.get(uid, ("120", 6))
    assert scope("series", expected[1]) == {expected}
    open_series(qtbot, dock, next(i for i, one in enumerate(dock.opened.series) if one.series_instance_uid == "1.2.9"))
    qtbot.waitUntil(lambda: "(5 files)" in dock.values.legend.text(), timeout=5000)  # follows the active layer
    assert scope("study", 11) == {("120", 6), ("100", 5)}
    qtbot.waitUntil(lambda: {row.distinct for row in dock.tags._rows if row.keyword == "KVP"} == {2}, timeout=5000)
    numbers = [i for i, one in enumerate(dock.opened.series) if one.series_instance_uid in ("1.2.9", "1.2.10")]
    dock.tabs.setCurrentWidget(dock.series)
    dock.series.table.clearSelection()
    for number in numbers:
        place = dock.series.table.visualRect(dock.series.model.index_of(number)).center()
        qtbot.mouseClick(
            dock.series.table.viewport(),
            Qt.MouseButton.LeftButton,
            Qt.KeyboardModifier.ControlModifier,
            place,
        )
    assert sorted(dock.series.chosen()) == numbers
    dock.tabs.setCurrentWidget(dock.tab)
    assert scope("selection", 12) == {("80", 7), ("100", 5)}


def test_a_series_is_split_at_its_gap_where_its_note_offers_it(qtbot: Any, viewer: Any, dock: Any) -> None:
    number = next(i for i, one in enumerate(dock.opened.series) if one.series_instance_uid == "1.2.10")
    qtbot.waitUntil(lambda: dock.series_rows.rows[number].notes is not None, timeout=10_000)
    dock.tabs.setCurrentWidget(dock.series)
    dock.series.table.setCurrentIndex(dock.series.model.index_of(number))
    qtbot.waitUntil(lambda: len(dock.series.offer_buttons) == 1, timeout=5000)
    assert dock.series.offer_buttons[0].text() == "Split at gaps"
    before = len(viewer.layers)
    qtbot.mouseClick(dock.series.offer_buttons[0], Qt.MouseButton.LeftButton)
    wait_until_read(qtbot, dock)
    assert sorted(layer.data.shape[0] for layer in list(viewer.layers)[before:]) == [3, 4]


def test_a_picture_of_the_contact_sheet_opens_its_slice(qtbot: Any, viewer: Any, dock: Any) -> None:
    choose_tag(qtbot, dock, "ScanOptions")
    click_bar(qtbot, dock, "B")
    dock.tabs.setCurrentWidget(dock.sheet)
    qtbot.waitUntil(lambda: dock.sheet.model.rowCount() == 2, timeout=10_000)
    assert dock.sheet.words.text().startswith("2 images in 1 series")
    viewer.layers.clear()
    dock.sheet.view.setCurrentIndex(dock.sheet.model.index(1, 0))
    qtbot.keyClick(dock.sheet.view, Qt.Key.Key_Return)
    wait_until_read(qtbot, dock)
    path = dock.sheet.model.item(1).data(Qt.ItemDataRole.UserRole)[1]
    assert volume_of(viewer.layers[0]).files[slice_shown(viewer)][0] == path
    qtbot.mouseClick(dock.filters.clear_button, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: dock.sheet.model.rowCount() == 18, timeout=10_000)


def test_a_finding_chooses_its_tag_and_its_files(qtbot: Any, dock: Any) -> None:
    qtbot.waitUntil(lambda: any(one.code == "gap" for one in dock.findings_tab.checks.findings), timeout=20_000)
    dock.tabs.setCurrentWidget(dock.findings_tab)
    findings = dock.findings.model.findings
    (at,) = [i for i, one in enumerate(findings) if one.code == "gap"]
    place = dock.findings.list.visualRect(dock.findings.model.index(at, 0)).center()
    qtbot.mouseClick(dock.findings.list.viewport(), Qt.MouseButton.LeftButton, pos=place)
    assert matching(dock) == "7 of 18"
    assert dock.exploration.query.keyword == findings[at].tags[0]
    assert dock.tabs.tabText(dock.tabs.indexOf(dock.findings_tab)) == f"Findings {dock.findings_tab.checks.undecided}"
    assert 0 < dock.findings_tab.checks.undecided < len(findings)


def test_decisions_go_into_report_and_recipe_and_are_kept(
    qtbot: Any, dock: Any, study: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "kept"))
    judging = dock.findings_tab.checks
    qtbot.waitUntil(lambda: any(one.code == "gap" for one in judging.findings), timeout=20_000)
    (gap,) = [one for one in judging.findings if one.code == "gap"]
    judging.decide(gap, "dismissed", "known")
    other = next(one for one in judging.findings if one is not gap)
    judging.decide(other, "accepted")
    answers = [(str(tmp_path / "findings.md"), ""), (str(tmp_path / "recipe.py"), "")]
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: answers.pop(0))
    dock.tabs.setCurrentWidget(dock.findings_tab)
    for button in (dock.findings.report_button, dock.findings.recipe_button):
        with qtbot.waitSignal(judging.written, timeout=10_000):
            qtbot.mouseClick(button, Qt.MouseButton.LeftButton)
    report = (tmp_path / "findings.md").read_text()
    assert "## Dismissed" in report
    assert f"{gap.title}: known" in report
    assert stat.S_IMODE((tmp_path / "recipe.py").stat().st_mode) == 0o600
    judging.set_opened(dock.opened)  # as if it were opened again
    qtbot.waitUntil(lambda: len(judging.decisions) == 2, timeout=20_000)  # kept for this data


def test_what_is_seen_is_exported_without_persons(
    qtbot: Any, dock: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    choose_tag(qtbot, dock, "KVP")
    menu, out = dock.tab.export, tmp_path / "out"
    out.mkdir()
    answers = [(str(out / name), kind) for name, kind in (("tags.csv", ""), ("kvp.md", ""), ("bars.png", ""))]
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: answers.pop(0))
    for action, name in ((menu.tags, "tags.csv"), (menu.values, "kvp.md"), (menu.picture, "bars.png")):
        action.trigger()
        qtbot.waitUntil((out / name).exists, timeout=10_000)
    rows = (out / "tags.csv").read_text().splitlines()
    assert any("KVP" in row for row in rows)
    assert not any("PatientID" in row for row in rows)
    assert export.OTHER in (out / "kvp.md").read_text()  # one patient: fewer than may be told apart
    menu.full.trigger()
    menu.copy_values.trigger()
    qtbot.waitUntil(lambda: "120" in QApplication.clipboard().text(), timeout=10_000)
    menu.full.trigger()


def test_another_folder_is_compared_and_bars_stand_side_by_side(
    qtbot: Any, viewer: Any, dock: Any, tmp_path: Path
) -> None:
    write_series(tmp_path / "other", 4, KVP=lambda k: [120, 140][k % 2], SeriesInstanceUID="1.2.77")
    dock.exports.compare(str(tmp_path / "other"))
    qtbot.waitUntil(lambda: dock.exploration.other is not None, timeout=20_000)
    assert dock.source.other.text().startswith("Compared with other · 4 files · without ")
    choose_tag(qtbot, dock, "KVP")
    qtbot.waitUntil(lambda: dock.values.legend.text().endswith("by share"), timeout=5000)
    bars = {bar.text: (bar.files, bar.part) for bar in dock.values.model.bars}
    assert bars == {"120": (6, 2), "80": (7, 0), "100": (5, 0), "140": (0, 2)}
    assert dock.values.legend.text() == "folder (18 files) · other (4) · bars by share"
    differs = {row.keyword: row.differs for row in dock.tags._rows}
    assert differs["KVP"] > 0
    assert differs["RescaleSlope"] == 0
    assert [differs[keyword] for keyword in ("SOPInstanceUID", "ImagePositionPatient")] == [None, None]
    assert differs["FileMetaInformationGroupLength"] is None
    listed = [row.differs for row in dock.tags.model.rows if row.differs is not None]
    assert listed == sorted(listed, key=lambda share: -round(share, 2))
    assert [dock.tags.table.isColumnHidden(column) for column in (2, 4, 5, 6)] == [False, True, True, False]
    saved = tmp_path / "saved.parquet"
    dm.scan(tmp_path / "other").save(saved)
    dock.exports.compare(str(saved))
    qtbot.waitUntil(lambda: "saved.parquet" in dock.source.other.text(), timeout=20_000)
    dock.exports.compare(str(tmp_path / "nowhere"))
    qtbot.waitUntil(lambda: "saved.parquet" in dock.source.other.text(), timeout=20_000)  # an error keeps the last
    dock.source.compare_end.trigger()
    assert not dock.source.other.isVisible()
    assert [dock.tags.table.isColumnHidden(column) for column in (2, 4, 5, 6)] == [False, False, False, True]
    qtbot.waitUntil(lambda: "other" not in dock.values.legend.text(), timeout=5000)


def test_a_second_folder_dropped_on_the_first_takes_its_place_but_not_its_layers(
    qtbot: Any, viewer: Any, dock: Any, tmp_path: Path
) -> None:
    choose_tag(qtbot, dock, "ScanOptions")
    click_bar(qtbot, dock, "B")
    write_series(tmp_path / "second", 3, SeriesInstanceUID="1.2.78", EchoTime=5)
    drop(dock, tmp_path / "second")
    wait_until_read(qtbot, dock)
    assert (dock.source.title.text(), dock.source.amount.text()) == ("second", "3 files · 1 series")
    assert not dock.filters.chips
    assert sorted(layer.data.shape[0] for layer in viewer.layers) == [3, 7]
    assert "ScanOptions" not in {row.keyword for row in dock.tags._rows}
    qtbot.waitUntil(lambda: "(3 files)" in dock.values.legend.text(), timeout=5000)
    viewer.layers.selection.active = viewer.layers[0]  # of a source that is not open any more
    qtbot.waitUntil(lambda: dock.values.legend.text() == "folder (3 files)", timeout=5000)
    np.testing.assert_array_equal(np.asarray(viewer.layers[0].data).shape, (7, 16, 12))


def test_choices_are_remembered_in_naparis_settings(qtbot: Any, viewer: Any, dock: Any, study: Path) -> None:
    from napari_dicommeta._napari.settings import recent_folders, remembered

    dock.series.by_patient.trigger()
    dock.tags.fold_actions["constant"].trigger()
    actions = {action.text(): action for action in dock.tags.columns_menu().actions()}
    actions["VR"].trigger()
    dock.tab.splitter.splitterMoved.emit(10, 1)
    assert remembered("by_patient", None) is False
    assert remembered("unfolded", None) == "constant"
    assert remembered("columns", None) == "VR,Values,Present,Shape"
    assert [int(size) for size in remembered("sizes", "").split(",")] == dock.tab.splitter.sizes()
    assert str(study) in recent_folders()
    dock.source.recent.aboutToShow.emit()
    assert study.name in dock.source.recent.actions()[0].text()
    viewer.window.remove_dock_widget(dock)
    again = open_dock(viewer)
    qtbot.waitUntil(lambda: again.tags.unfolded == ("constant",), timeout=5000)
    assert not again.series.by_patient.isChecked()


def test_below_the_canvas_and_floating_the_dock_has_two_columns(qtbot: Any, viewer: Any, dock: Any) -> None:
    (panel,) = [one for one in viewer.window._qt_window.findChildren(QDockWidget) if one.isAncestorOf(dock)]
    assert dock.tab.splitter.orientation() == Qt.Orientation.Vertical
    viewer.window._qt_window.addDockWidget(Qt.DockWidgetArea.BottomDockWidgetArea, panel)
    viewer.window._qt_window.resizeDocks([panel], [300], Qt.Orientation.Vertical)
    qtbot.waitUntil(lambda: dock.tab.splitter.orientation() == Qt.Orientation.Horizontal, timeout=5000)
    assert dock.head.geometry().right() < dock.tabs.mapTo(dock, QPoint(0, 0)).x()
    panel.setFloating(True)
    panel.resize(780, 340)
    qtbot.waitUntil(lambda: dock.width() < 800, timeout=5000)
    dock.tabs.setCurrentWidget(dock.tab)
    assert dock.tab.splitter.orientation() == Qt.Orientation.Horizontal, "a flat dock has no room for one column"
    assert dock.head.geometry().right() < dock.tabs.mapTo(dock, QPoint(0, 0)).x()
    assert dock.tabs.indexOf(dock.series) == 0
    assert not dock.series.isVisible(), "the page of another tab lies over none"
    assert not dock.values.explanation.isVisible()
    assert dock.values.view.height() >= 3 * dock.values.view.sizeHintForRow(0)
    panel.resize(400, 800)
    qtbot.waitUntil(lambda: dock.tab.splitter.orientation() == Qt.Orientation.Vertical, timeout=5000)


def test_the_chosen_series_are_those_that_are_marked(qtbot: Any, viewer: Any, dock: Any, tmp_path: Path) -> None:
    def marked() -> list[str]:
        return [dock.opened.series[number].series_instance_uid for number in dock.series.chosen()]

    def counted() -> list[str]:
        return [series.series_instance_uid for series in dock.exploration.chosen]

    dock.tabs.setCurrentWidget(dock.series)
    dock.series.table.selectAll()
    assert len(counted()) == 3
    item = dock.tab.scope_box.model().item(dock.tab.scope_box.findData("selection"))
    qtbot.waitUntil(item.isEnabled, timeout=5000)
    every = counted()
    dock.exploration.toggle("KVP", "100")  # hides two of them, which stay chosen
    assert len(dock.series.table.selectionModel().selectedRows()) == 1
    assert marked() == counted()
    assert sorted(counted()) == sorted(every)
    dock.exploration.remove_filter("")
    assert len(dock.series.table.selectionModel().selectedRows()) == 3
    open_series(qtbot, dock, 0)  # its layer becomes active, its row is marked
    qtbot.waitUntil(lambda: marked() == counted() == [dock.opened.series[0].series_instance_uid], timeout=5000)
    dock.tab._ask_for(scope="selection")
    dock.series.forget()
    qtbot.waitUntil(lambda: dock.tab.query.scope == "folder", timeout=5000)  # nothing else is counted under its name
    write_series(tmp_path / "second", 3, SeriesInstanceUID="1.2.78")
    dock.series.table.selectAll()
    drop(dock, tmp_path / "second")
    wait_until_read(qtbot, dock)
    assert marked() == counted()


def test_a_scope_goes_with_what_it_is_of(qtbot: Any, viewer: Any, dock: Any) -> None:
    choose_tag(qtbot, dock, "KVP")
    dock.tab._ask_for(scope="series")
    qtbot.waitUntil(lambda: dock.values.legend.text().startswith("series ("), timeout=5000)
    viewer.layers.clear()
    qtbot.waitUntil(lambda: dock.values.legend.text() == "folder (18 files)", timeout=5000)
    assert dock.tab.scope_box.currentData() == "folder"


@pytest.mark.slow
def test_sources_that_were_open_are_let_go_of(qtbot: Any, viewer: Any, study: Path, tmp_path: Path) -> None:
    def held() -> int:
        gc.collect()
        return sum(type(one).__name__ == "Opened" for one in gc.get_objects())

    dock = open_dock(viewer)
    before = held()
    write_series(tmp_path / "x", 3)
    for _ in range(3):
        for folder in (study, tmp_path / "x"):
            dock.open_paths([str(folder)])
            wait_until_read(qtbot, dock)
            viewer.layers.clear()
    dock.workers.stop_all()
    qtbot.waitUntil(lambda: held() <= before + 1, timeout=20_000)


def test_a_picture_with_persons_is_its_owners_only(qtbot: Any, dock: Any, tmp_path: Path) -> None:
    choose_tag(qtbot, dock, "PatientID")
    dock.exports.export("picture", str(tmp_path / "ids.png"), True)
    qtbot.waitUntil((tmp_path / "ids-PHI.png").exists, timeout=10_000)
    assert stat.S_IMODE((tmp_path / "ids-PHI.png").stat().st_mode) == 0o600
    dock.exports.export("picture", str(tmp_path / "no.png"), False)
    qtbot.wait(500)
    assert not (tmp_path / "no.png").exists()
    choose_tag(qtbot, dock, "ConvolutionKernel")
    picture = dock.exploration.picture()
    base, part = dock.exports._base_and_part("picture", picture)
    shown, is_withheld = bars_to_show(picture, base, part, full=False)
    assert is_withheld
    assert sum(bar.files for bar in shown.histogram.bars) == 18  # absent ones among them


def test_the_same_pair_the_other_way_round_is_one_filter(dock: Any) -> None:
    dock.exploration.toggle_pair(("KVP", "Modality"), ("100", "CT"))
    dock.exploration.toggle_pair(("Modality", "KVP"), ("CT", "80"))
    assert dock.exploration.selection.filters == ((("KVP", "Modality"), (("100", "CT"), ("80", "CT"))),)
    dock.exploration.toggle_pair(("Modality", "KVP"), ("CT", "100"))
    dock.exploration.toggle_pair(("KVP", "Modality"), ("80", "CT"))
    assert dock.exploration.selection.filters == ()


def test_a_canceled_scan_leaves_the_filters_of_what_stays(qtbot: Any, dock: Any, tmp_path: Path) -> None:
    dock.exploration.toggle("KVP", "100")
    for i in range(8):
        write_series(tmp_path / f"s{i}", 100, SeriesInstanceUID=f"1.2.{i}")
    dock.open_paths([str(tmp_path)])
    qtbot.waitUntil(lambda: dock.source.progress.isVisible(), timeout=10_000)
    dock.cancel()
    if dock.source.title.text().startswith("study"):  # else it was read before it could be canceled
        assert matching(dock) == "5 of 18"


def test_a_finding_about_files_that_are_not_in_the_catalog_lists_them_and_filters_nothing(
    qtbot: Any, viewer: Any, tmp_path: Path
) -> None:
    write_series(tmp_path / "s", 3, KVP=lambda k: 80 + k)
    (tmp_path / "s" / "empty.dcm").write_bytes(b"")
    dock = open_dock(viewer)
    drop(dock, tmp_path / "s")
    wait_until_read(qtbot, dock)
    dock.exploration.toggle("KVP", "80")
    dock.tabs.setCurrentWidget(dock.findings_tab)
    checks = dock.findings_tab.checks
    qtbot.waitUntil(lambda: "checked" in dock.findings.result.text(), timeout=30_000)  # all checks are done
    (at,) = [i for i, one in enumerate(dock.findings.model.findings) if one.code == "unreadable"]
    dock.findings.list.setCurrentIndex(dock.findings.model.index(at, 0))
    assert "empty.dcm: " in dock.findings.detail.text()
    assert dock.exploration.selection.filters == (("KVP", ("80",)),)
    before = checks.undecided
    checks.decide(dock.findings.model.findings[at], "accepted")
    assert checks.undecided == before - 1
    assert dock.findings.model.findings[-1].code == "unreadable"  # decided: it sinks
    assert dock.findings.result.text().startswith("Pixels of 1 volume checked: ")
