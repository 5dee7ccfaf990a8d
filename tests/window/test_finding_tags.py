"""Tags and values as they are searched, and the tags of the file that is shown."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from dicom_factory import write_series
from qtpy.QtCore import Qt
from window_driver import drop, open_dock, wait_until_read

import napari_dicommeta as dm
from napari_dicommeta._napari.tasks.explore import Query, resolve
from napari_dicommeta._napari.tasks.file_tags import file_tags
from napari_dicommeta._napari.tasks.find import find_tags, find_values
from napari_dicommeta._napari.tasks.rows import tag_rows
from napari_dicommeta._napari.widgets.tags_tab import _companion_rank
from napari_dicommeta.catalog.conditions import Spelled


@pytest.fixture
def catalog(tmp_path: Path) -> dm.Catalog:
    changes = {"ConvolutionKernel": "B31f", "SliceThickness": lambda k: [1, 1, 2, 8, 9][k], "StationName": "b31F room"}
    codes = {"ProcedureCodeSequence": [{"CodeValue": "7"}]}
    write_series(tmp_path / "s", 5, **changes, **codes)
    return dm.scan(tmp_path / "s")


@pytest.mark.parametrize(
    ("text", "first"),
    [
        ("Rows", "Rows"),
        ("rows", "Rows"),
        ("instance number", "InstanceNumber"),
        ("kernal", "ConvolutionKernel"),
        ("slise thicknes", "SliceThickness"),
        ("SliceThickness", "SliceThickness"),
        ("0028,1053", "RescaleSlope"),
        ("00281053", "RescaleSlope"),
        ("codevalue", "ProcedureCodeSequence.CodeValue"),
    ],
)
def test_the_exact_keyword_comes_first_and_misspellings_are_forgiven(
    catalog: dm.Catalog, text: str, first: str
) -> None:
    assert find_tags(tag_rows(catalog), text)[0].keyword == first


def test_what_resembles_nothing_finds_nothing(catalog: dm.Catalog) -> None:
    rows = tag_rows(catalog)
    for text in ("xyzzy", "zz", "1234567", "kernel xyzzy"):
        assert find_tags(rows, text) == [], text


def test_values_are_found_without_persons_equal_ones_first(catalog: dm.Catalog) -> None:
    found = find_values(catalog, tag_rows(catalog), "b31F")
    assert [(value.keyword, value.text, value.files) for value in found] == [("ConvolutionKernel", "B31f", 5)]
    assert find_values(catalog, tag_rows(catalog), "b") == []


def test_a_constant_tag_shows_its_value_and_a_nested_one_its_sequence(catalog: dm.Catalog) -> None:
    rows = {row.keyword: row for row in tag_rows(catalog)}
    assert rows["ConvolutionKernel"].values == "= B31f"
    assert rows["SliceThickness"].values == "4"
    assert rows["ProcedureCodeSequence.CodeValue"].label == "ProcedureCode › CodeValue"


def test_the_most_informative_tags_are_offered_first_beside_another(tmp_path: Path) -> None:
    write_series(
        tmp_path,
        60,
        KVP=lambda k: 80 + k % 2,
        ScanOptions=lambda k: "AB"[k % 2],
        SliceLocation=lambda k: k % 55,
        SeriesTime=lambda k: f"08{k:02}",
        ContrastBolusAgent=lambda k: f"agent {k % 3}" if k % 2 else None,
    )
    rows = {row.keyword: row for row in sorted(tag_rows(dm.scan(tmp_path)), key=_companion_rank)}
    order = [keyword for keyword in rows if keyword in ("KVP", "ScanOptions", "SliceLocation", "SeriesTime", "Rows")]
    assert order == ["KVP", "ScanOptions", "SliceLocation", "Rows", "SeriesTime"]  # the last one identifies
    assert list(rows).index("FileMetaInformationGroupLength") > list(rows).index("SliceLocation")


def test_numbers_have_a_smallest_a_middle_and_a_largest(catalog: dm.Catalog) -> None:
    spread = resolve(Query("SliceThickness"), catalog, None, None).spread
    assert spread is not None
    assert (spread.low, spread.median, spread.high) == (1, 2, 9)
    assert resolve(Query("Rows"), catalog, None, None).spread is None  # one number
    assert resolve(Query("SOPInstanceUID"), catalog, None, None).spread is None


def test_the_tags_of_a_file_mark_what_is_odd(tmp_path: Path) -> None:
    changes = {"KVP": lambda k: 80 if k == 4 else 120, "SliceThickness": lambda k: 1 if k < 5 else 2}
    write_series(tmp_path / "s", 12, **changes)
    catalog = dm.scan(tmp_path / "s")
    numbered = zip(map(int, catalog.column_texts("InstanceNumber")), catalog.paths, strict=True)
    paths = [path for _, path in sorted(numbered)]
    odd = {row.keyword: row for row in file_tags(catalog, catalog, paths[4], (paths[3], paths[5])) if row.odd}
    assert set(odd) == {"KVP"}
    assert odd["KVP"].odd == "the slices beside it have 120, most files have 120"
    assert odd["KVP"].text == "80"
    at_end = {row.keyword for row in file_tags(catalog, catalog, paths[0], (paths[1],)) if row.odd}
    assert at_end == set()  # one neighbor says nothing
    assert file_tags(catalog, catalog, "elsewhere") == ()


def test_a_value_is_typed_and_filters_with_a_click(qtbot: Any, viewer: Any, tmp_path: Path) -> None:
    write_series(tmp_path / "s", 5, ConvolutionKernel=lambda k: "B31f" if k else "B70s")
    dock = open_dock(viewer)
    drop(dock, tmp_path / "s")
    wait_until_read(qtbot, dock)
    dock.tabs.setCurrentWidget(dock.tab)
    qtbot.keyClicks(dock.tags.filter, "b70")
    qtbot.waitUntil(lambda: bool(dock.tags.found_buttons), timeout=10_000)
    assert "No tag is called “b70”" in dock.tags.nothing.text()
    assert dock.tags.nothing.isVisible()
    (button,) = dock.tags.found_buttons
    assert button.text() == "ConvolutionKernel = B70s   1"
    qtbot.mouseClick(button, Qt.MouseButton.LeftButton)
    assert dock.exploration.selection.filters == (("ConvolutionKernel", ("B70s",)),)
    assert dock.exploration.query.keyword == "ConvolutionKernel"
    assert dock.tags.filter.text() == ""  # the tag is shown in the table again
    assert dock.tags.found_buttons == []


def test_this_file_follows_the_slice(qtbot: Any, viewer: Any, tmp_path: Path) -> None:
    write_series(tmp_path / "s", 12, KVP=lambda k: 80 if k == 4 else 120)
    dock = open_dock(viewer)
    drop(dock, tmp_path / "s")
    wait_until_read(qtbot, dock)
    dock.tabs.setCurrentWidget(dock.tab)
    box = dock.tab.scope_box
    box.setCurrentIndex(box.findData("file"))
    box.activated.emit(box.currentIndex())
    panel = dock.tab.file
    qtbot.waitUntil(lambda: " 0 odd of" in panel.title.text(), timeout=10_000)
    viewer.dims.set_current_step(0, 4)
    qtbot.waitUntil(lambda: " 1 odd of" in panel.title.text(), timeout=10_000)
    panel.only_odd.click()
    assert [(row.keyword, row.text) for row in panel.model.rows] == [("KVP", "80")]
    panel.only_odd.click()
    panel.filter.setText("rows")
    assert [row.keyword for row in panel.model.rows] == ["Rows"]
    panel.table.setCurrentIndex(panel.model.index(0, 0))
    panel.table.activated.emit(panel.model.index(0, 0))
    assert dock.exploration.query.keyword == "Rows"
    assert not dock.tab.is_file_shown


def test_dates_are_binned_brushed_and_read_as_dates(qtbot: Any, viewer: Any, tmp_path: Path) -> None:
    write_series(
        tmp_path / "s",
        12,
        StudyDate=lambda k: f"201{k % 4}0{k % 9 + 1}15",
        AcquisitionTime=lambda k: f"08{k:02}00",
        PatientAge="040Y",
    )
    dock = open_dock(viewer)
    drop(dock, tmp_path / "s")
    wait_until_read(qtbot, dock)
    dock.tab.show_tag("StudyDate")
    dock.tab._ask_for(view="ranges")
    bins = dock.tab.bins
    qtbot.waitUntil(lambda: bins.bins is not None and bins.bins.vr == "DA", timeout=5000)
    assert (bins.bins.unit, sum(bins.bins.files)) == ("month", 12)
    assert dock.values.rest.text().startswith("First 2010-01-15 · median 201")
    bins.setFocus()
    qtbot.keyClick(bins, Qt.Key.Key_Right)
    assert bins._words().startswith("2010-01 … 2010-03: ")
    for _ in range(3):
        qtbot.keyClick(bins, Qt.Key.Key_Right, Qt.KeyboardModifier.ShiftModifier)
    qtbot.keyClick(bins, Qt.Key.Key_Return)
    assert dock.exploration.selection.filters == (("StudyDate", slice("201001", "201012")),)
    assert dock.filters.chips[0].text().startswith("StudyDate 2010-01 … 2010-12")
    assert dock.filters.count.text() == "3 of 12"
    qtbot.waitUntil(lambda: bins.span == (0, 3), timeout=5000)
    assert dock.curve._vr == "DA"
    dock.tab.show_tag("AcquisitionTime")
    qtbot.waitUntil(lambda: dock.values.rest.text().startswith("First 08:00:00 · "), timeout=5000)
    assert (dock.curve._vr, dock.curve._words(dock.curve.values[0, 1])) == ("TM", "08:01:00")


def test_filters_are_saved_recalled_and_deleted_by_name(
    qtbot: Any, viewer: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from napari_dicommeta._napari.settings import remember, remembered

    def names() -> list[str]:
        return [action.text() for action in dock.filters.recall_actions]

    write_series(
        tmp_path / "s", 6, KVP=lambda k: 80 + 20 * (k % 3), ConvolutionKernel=lambda k: "B30f" if k else "B70s"
    )
    dock = open_dock(viewer)
    drop(dock, tmp_path / "s")
    wait_until_read(qtbot, dock)
    bar, exploration = dock.filters, dock.exploration
    assert not bar.saved_button.isVisible()
    chosen = (
        ("KVP", slice(90.0, 110.0)),
        (("KVP", "Rows"), (("100", "16"),)),
        ("ConvolutionKernel", Spelled(("B30f",))),
    )
    exploration.choose(chosen)
    asked: list[str] = []
    monkeypatch.setattr(
        "napari_dicommeta._napari.widgets.filter_bar.QInputDialog.getText",
        lambda *arguments: asked.append(arguments[4]) or (" by name ", True),
    )
    bar.save_action.trigger()
    assert asked[0].startswith("KVP 90 … 110 kV and ")
    assert names() == ["by name"]
    exploration.choose((("KVP", False),))
    bar.recall_actions[0].trigger()
    assert exploration.selection.filters == chosen
    assert bar.count.text() == "2 of 6"
    exploration.remove_filter("")
    assert bar.saved_button.isVisible()  # saved ones are there without filters too
    assert not bar.save_action.isEnabled()
    viewer.window.remove_dock_widget(dock)
    dock = open_dock(viewer)  # as in the next session
    qtbot.waitUntil(lambda: names() == ["by name"], timeout=5000)
    dock.filters.recall_actions[0].trigger()
    assert dock.exploration.selection.filters == chosen
    dock.filters.delete_menu.actions()[0].trigger()
    assert (names(), remembered("saved_filters", None)) == ([], "")
    remember("saved_filters", '{"a": [["NoSuchTag", ["1"]]], "b": 1}')
    dock.saved.recall()
    assert dock.saved.names == ()
    dock.saved.save("c", chosen)
    dock.saved.recall()
    assert dock.saved.names == ("c",)  # what cannot be read hides no other, and is kept
    dock.saved.delete("c")
    assert json.loads(remembered("saved_filters", "")) == {"a": [["NoSuchTag", ["1"]]], "b": 1}
    for text in ("[" * 100_000, "[]", "1", "{"):
        remember("saved_filters", text)
        dock.saved.recall()
        assert dock.saved.names == ()
