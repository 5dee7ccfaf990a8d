"""The widgets one by one: set by setters that emit nothing, speaking by signals."""

from __future__ import annotations

import pytest
from qtpy.QtCore import QPoint, Qt

from napari_dicommeta._opening import SeriesRow, TagRow
from napari_dicommeta._widgets.filter_bar import FilterBar
from napari_dicommeta._widgets.findings_list import FindingsList
from napari_dicommeta._widgets.presets import PresetStrip
from napari_dicommeta._widgets.series_table import SeriesTable
from napari_dicommeta._widgets.source_bar import SourceBar
from napari_dicommeta._widgets.tag_table import TagTable, shown_rows
from napari_dicommeta._widgets.value_bars import ValueBars
from napari_dicommeta.findings import Finding
from napari_dicommeta.histogram import Bar, Histogram
from napari_dicommeta.tags import TagPath
from napari_dicommeta.window import Window


def row(keyword: str, **changes: object) -> TagRow:
    path = TagPath.parse(keyword)
    values = {
        "keyword": keyword,
        "name": path.name,
        "tag": path.display.split(" ")[0],
        "vr": "DS",
        "distinct": 2,
        "present": 1.0,
        "shape": (1.0, 0.5),
        "identifying": False,
        "varies": True,
    }
    return TagRow(**{**values, **changes})  # type: ignore[arg-type]


ROWS = (
    row("RescaleSlope"),
    row("WindowCenter"),
    row("PatientName", identifying=True, vr="PN"),
    row("Modality", varies=False, distinct=1),
)


def test_telling_tags_are_shown_and_the_filter_looks_through_all() -> None:
    assert [r.keyword for r in shown_rows(ROWS, "", everything=False)] == ["RescaleSlope", "WindowCenter"]
    assert len(shown_rows(ROWS, "", everything=True)) == 4
    assert [r.keyword for r in shown_rows(ROWS, "patient", everything=False)] == ["PatientName"]
    assert [r.keyword for r in shown_rows(ROWS, "0028 1053", everything=False)] == ["RescaleSlope"]
    assert [r.keyword for r in shown_rows(ROWS, "center window", everything=False)] == ["WindowCenter"]


def test_tag_table_keeps_its_choice_and_emits_only_what_the_user_does(qtbot, qtmodeltester) -> None:
    table = TagTable()
    qtbot.addWidget(table)
    chosen: list[str] = []
    table.tag_selected.connect(chosen.append)
    table.set_rows(ROWS)
    qtmodeltester.check(table.model)
    assert table.select("WindowCenter")
    assert chosen == []
    table.filter.setText("window")
    assert table.selected() == "WindowCenter"
    table.filter.clear()
    table.table.selectRow(0)
    assert chosen == ["RescaleSlope"]
    assert "2 constant" in table.everything.text()
    assert not table.select("Modality")


def test_presets_are_buttons_in_the_files_order_with_the_faulty_struck_out(qtbot) -> None:
    strip = PresetStrip()
    qtbot.addWidget(strip)
    chosen: list[int] = []
    strip.window_chosen.connect(chosen.append)
    windows = (Window(40, 400, explanation="SOFT & HARD"), Window(-600, 1200), Window(1, 0))
    strip.set_windows("a layer", windows, "HU")
    assert [button.text().split("\n")[0] for button in strip.buttons] == [
        "SOFT && HARD",
        "Window 2",
        "Window 3",
        "full range",
    ]
    assert [button.isEnabled() for button in strip.buttons] == [True, True, False, True]
    assert "cannot be shown" in strip.buttons[2].toolTip()
    for button in strip.buttons:
        button.click()
    assert chosen == [0, 1, -1]
    strip.set_current(1)
    assert [button.isChecked() for button in strip.buttons] == [False, True, False, False]
    strip.set_current(None)
    assert not any(button.isChecked() for button in strip.buttons)
    strip.set_windows("", ())
    assert strip.buttons == []


def histogram() -> Histogram:
    spellings = (Bar("1", 3, 1, "", "DS  31 20"), Bar("1.0", 2, 0, "", "DS  31 2E 30 20"))
    bars = (Bar("1", 5, 1, spellings=spellings), Bar("<b>8240</b>", 1, 0, "text in a number"))
    return Histogram(TagPath.parse("RescaleSlope"), bars, 9, 1, 3, 2, 1, 0)


def test_bars_show_every_total(qtbot, qtmodeltester) -> None:
    widget = ValueBars()
    qtbot.addWidget(widget)
    assert "Choose a tag" in widget.heading.text()
    widget.set_histogram(histogram(), "series 1")
    qtmodeltester.check(widget.model)
    assert widget.heading.text() == "Rescale Slope  (0028,1053)  DS"
    assert widget.legend.text() == "folder (9 files) · series 1 (1)"
    assert widget.rest.text() == "3 more values in 2 files · absent in 1 files"
    assert widget.model.rowCount() == 2
    first = widget.model.index(0, 0)
    assert widget.model.rowCount(first) == 2
    assert widget.model.index(1, 0, first).data() == "1.0"
    chosen: list[str] = []
    widget.value_activated.connect(chosen.append)
    widget.show()
    widget.view.setCurrentIndex(widget.model.index(1, 0))
    assert chosen == []  # looking through the bars filters nothing
    qtbot.keyClick(widget.view, Qt.Key.Key_Space)
    place = widget.view.visualRect(widget.model.index(0, 0)).center()
    qtbot.mouseClick(widget.view.viewport(), Qt.MouseButton.LeftButton, pos=place)
    assert chosen == ["<b>8240</b>", "1"]


def test_chips_name_the_filters_and_remove_them(qtbot) -> None:
    bar = FilterBar()
    qtbot.addWidget(bar)
    bar.show()
    bar.set_filters((), 0, 0)
    assert not bar.isVisible()
    bar.set_filters((("RescaleSlope", ("1", "2")), ("Modality", ("",))), 398, 285380)
    assert bar.isVisible()
    assert bar.count.text() == "398 of 285,380 files match"
    assert [chip.text() for chip in bar.chips] == ["RescaleSlope = 1 or 2  ×", "Modality = (empty)  ×"]
    removed: list[str] = []
    bar.filter_removed.connect(removed.append)
    qtbot.mouseClick(bar.chips[1], Qt.MouseButton.LeftButton)
    qtbot.mouseClick(bar.clear_button, Qt.MouseButton.LeftButton)
    assert removed == ["Modality", ""]


def test_series_open_with_enter_and_double_click(qtbot, qtmodeltester) -> None:
    table = SeriesTable()
    qtbot.addWidget(table)
    table.show()
    assert table.empty.isVisible()
    table.set_rows(
        (SeriesRow("1 a", "CT", "3 × 2 × 2"), SeriesRow("2 b", "MR", "no images", "no pixels", True, number=1))
    )
    qtmodeltester.check(table.model)
    assert not table.empty.isVisible()
    opened: list[int] = []
    table.series_activated.connect(opened.append)
    table.table.setCurrentIndex(table.model.index(1, 0))
    qtbot.keyClick(table.table, Qt.Key.Key_Return)
    where = table.table.visualRect(table.model.index(0, 0)).center()
    qtbot.mouseClick(table.table.viewport(), Qt.MouseButton.LeftButton, pos=where)
    qtbot.mouseDClick(table.table.viewport(), Qt.MouseButton.LeftButton, pos=where)
    assert opened == [1, 0]


def test_problems_are_plain_text_and_none_is_dropped_silently(qtbot) -> None:
    table = SeriesTable()
    qtbot.addWidget(table)
    table.set_problems(tuple(f"<b>{i}</b>: bad\x1b" for i in range(9)), 9)
    assert "<b>0</b>: bad\\x1b" in table.problems.text()
    assert "… and 5 more files" in table.problems.text()
    assert table.problems.textFormat() == Qt.TextFormat.PlainText


def test_source_bar_counts_while_it_is_scanning(qtbot) -> None:
    bar = SourceBar()
    qtbot.addWidget(bar)
    bar.show()
    assert not bar.progress.isVisible()
    bar.set_progress(1500, 20000, listed=False)
    assert bar.count.text() == "1,500 of 20,000+ files"
    assert bar.bar.maximum() == 20000  # 0 would animate without an end, and repaint the whole window
    bar.set_progress(1500, 20000, listed=True)
    assert (bar.bar.value(), bar.bar.maximum()) == (1500, 20000)
    with qtbot.waitSignal(bar.scan_cancelled):
        bar.cancel_button.click()
    bar.set_idle()
    assert not bar.progress.isVisible()


@pytest.mark.parametrize("severity", ["wrong", "decision", "info"])
def test_a_finding_tells_its_evidence(qtbot, severity: str) -> None:
    widget = FindingsList()
    qtbot.addWidget(widget)
    assert "Nothing found" in widget.detail.text()
    finding = Finding("x", severity, "a title", (("1.0", 7),), ("RescaleSlope",), "PS3.5 section 6.2", "Do this.")
    widget.set_findings((finding,))
    with qtbot.waitSignal(widget.finding_selected) as signal:
        widget.list.setCurrentRow(0)
    assert signal.args == ["RescaleSlope"]
    assert widget.detail.text() == "1.0: 7 files. Do this. (PS3.5 section 6.2)"


def click_head(qtbot, table, column: int) -> None:
    header = table.horizontalHeader()
    place = QPoint(header.sectionViewportPosition(column) + header.sectionSize(column) // 2, header.height() // 2)
    qtbot.mouseClick(header.viewport(), Qt.MouseButton.LeftButton, pos=place)


def test_a_click_on_a_head_sorts_turns_round_and_goes_back(qtbot) -> None:
    table = SeriesTable()
    qtbot.addWidget(table)
    table.resize(500, 300)
    table.show()
    rows = (
        SeriesRow("2 b", "CT", "9 × 2 × 2", number=0, files=9, problems=1),
        SeriesRow("1 c", "MR", "5 × 2 × 2", number=1, files=5),
        SeriesRow("3 a", "CT", "7 × 2 × 2", number=2, files=7, problems=3),
    )
    table.set_rows(rows)
    table.table.selectRow(1)

    def numbers() -> list[int]:
        return [row.number for row in table.model.rows]

    seen = []
    for column in (2, 2, 2, 0, 3):
        click_head(qtbot, table.table, column)
        seen.append(numbers())
    assert seen == [[0, 2, 1], [1, 2, 0], [0, 1, 2], [1, 0, 2], [2, 0, 1]]
    assert table.model.rows[table.table.currentIndex().row()].number == 1  # the chosen one stays chosen
    table.set_rows(rows[:2])
    assert numbers() == [0, 1]

    tags = TagTable()
    qtbot.addWidget(tags)
    tags.resize(500, 300)
    tags.show()
    tags.set_rows((row("Rows", distinct=3), row("KVP", distinct=7), row("WindowWidth", distinct=5)))
    click_head(qtbot, tags.table, 1)
    assert [one.keyword for one in tags.model.rows] == ["KVP", "WindowWidth", "Rows"]
    click_head(qtbot, tags.table, 0)
    assert [one.keyword for one in tags.model.rows] == ["KVP", "Rows", "WindowWidth"]
