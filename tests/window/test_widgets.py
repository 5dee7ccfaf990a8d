"""The widgets one by one: set by setters that emit nothing, speaking by signals."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from qtpy.QtCore import QEvent, QModelIndex, QPoint, QPointF, Qt
from qtpy.QtGui import QMouseEvent
from qtpy.QtWidgets import QApplication, QFileDialog, QInputDialog, QStyleOptionViewItem

from napari_dicommeta._napari.tasks.explore import Query, Shown
from napari_dicommeta._napari.tasks.pictures import Thumbnail
from napari_dicommeta._napari.tasks.rows import Offer, SeriesRow, TagRow
from napari_dicommeta._napari.widgets.export_menu import ExportMenu
from napari_dicommeta._napari.widgets.filter_bar import FilterBar
from napari_dicommeta._napari.widgets.finding_page import FindingPage
from napari_dicommeta._napari.widgets.findings_list import FindingsList
from napari_dicommeta._napari.widgets.images_tab import ContactSheet
from napari_dicommeta._napari.widgets.joint_table import JointTable
from napari_dicommeta._napari.widgets.preset_strip import Preset, PresetStrip
from napari_dicommeta._napari.widgets.range_bins import RangeBins
from napari_dicommeta._napari.widgets.series_tab import SeriesTab
from napari_dicommeta._napari.widgets.source_bar import SourceBar
from napari_dicommeta._napari.widgets.tag_table import COLUMNS, TagTable, shown_rows
from napari_dicommeta._napari.widgets.tags_tab import TagsTab
from napari_dicommeta._napari.widgets.value_bars import ValueBars
from napari_dicommeta.analysis.bins import Bins
from napari_dicommeta.analysis.histogram import Bar, Histogram, Joint
from napari_dicommeta.dicom.tags import TagPath
from napari_dicommeta.dicom.window import Window
from napari_dicommeta.findings.decisions import Decision
from napari_dicommeta.findings.finding import Finding


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
    }
    return TagRow(**{**values, **changes})  # type: ignore[arg-type]


ROWS = (
    row("RescaleSlope"),
    row("WindowCenter"),
    row("PatientName", kind="identifying", vr="PN"),
    row("Modality", kind="constant", distinct=1),
)


def test_telling_tags_are_shown_and_the_filter_looks_through_all() -> None:
    assert [r.keyword for r in shown_rows(ROWS, "", ())] == ["RescaleSlope", "WindowCenter"]
    assert [r.keyword for r in shown_rows(ROWS, "", ("constant",))] == ["RescaleSlope", "WindowCenter", "Modality"]
    assert [r.keyword for r in shown_rows(ROWS, "", (), "PatientName")] == [
        "RescaleSlope",
        "WindowCenter",
        "PatientName",
    ]
    assert [r.keyword for r in shown_rows(ROWS, "patient", ())] == ["PatientName"]
    assert [r.keyword for r in shown_rows(ROWS, "0028 1053", ())] == ["RescaleSlope"]
    assert [r.keyword for r in shown_rows(ROWS, "center window", ())] == ["WindowCenter"]


def test_where_no_tag_tells_anything_the_constant_ones_are_listed() -> None:
    # A single file has constant tags only: an empty table would say that it has none.
    rows = (*ROWS[2:], row("InstanceNumber", kind="unique"), row("SourceApplicationEntityTitle", kind="private"))
    assert [r.keyword for r in shown_rows(rows, "", ())] == ["Modality", "InstanceNumber"]
    assert "PatientName" in [r.keyword for r in shown_rows(rows, "", ("identifying",))]
    assert [r.keyword for r in shown_rows(ROWS[1:], "", ())] == ["WindowCenter"]


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
    assert not table.select("Modality")
    table.set_rows((row("RescaleSlope", kind="constant"), row("WindowCenter")))
    assert table.selected() == "RescaleSlope"  # a filter of files does not take away the tag that is looked at


def test_folded_tags_are_counted_by_kind_and_unfold(qtbot) -> None:
    table = TagTable()
    qtbot.addWidget(table)
    table.show()
    folds: list[tuple[str, ...]] = []
    table.folds_changed.connect(folds.append)
    table.set_rows(ROWS)
    assert table.folded.text() == "1 constant · 1 identifying"
    assert table.fold_line.isVisible()
    table.fold_actions["identifying"].trigger()
    assert folds == [("identifying",)]
    assert [r.keyword for r in table.model.rows] == ["RescaleSlope", "WindowCenter", "PatientName"]
    table.set_unfolded(("constant",))
    assert folds == [("identifying",)]
    assert table.reveal("PatientName")  # it alone: other identifying tags stay folded
    assert table.unfolded == ("constant",)
    assert "PatientName" in [r.keyword for r in table.model.rows]
    assert not table.reveal("EchoTime")
    table.set_rows(ROWS[:2])
    assert not table.fold_line.isVisible()


def test_columns_are_chosen_and_the_difference_comes_with_a_comparison(qtbot) -> None:
    table = TagTable()
    qtbot.addWidget(table)

    def shown() -> list[str]:
        return [name for i, name in enumerate(COLUMNS) if not table.table.isColumnHidden(i)]

    changed: list[tuple[str, ...]] = []
    table.columns_changed.connect(changed.append)
    table.set_rows(ROWS)
    assert shown() == ["Tag", "Values", "Present", "Shape"]
    actions = {action.text(): action for action in table.columns_menu().actions()}
    actions["VR"].trigger()
    actions["Shape"].trigger()
    assert shown() == ["Tag", "VR", "Values", "Present"]
    assert changed == [("VR", "Values", "Present", "Shape"), ("VR", "Values", "Present")]
    table.set_rows((row("KVP", differs=0.1), row("Rows", differs=0.75), row("EchoTime")))
    right = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
    table.set_rows((row("KVP", differs=0.1, value="120"), row("Rows", differs=0.75), row("EchoTime")))
    roles = [
        [table.model.index(i, column).data(Qt.ItemDataRole.TextAlignmentRole) for column in (2, 6)] for i in (0, 1)
    ]
    assert roles == [[right, right], [None, right]], "a number is right-aligned beside the value of a constant too"
    assert shown() == ["Tag", "VR", "Values", "Differs"], "bars give their place to names"
    assert [one.keyword for one in table.model.rows] == ["Rows", "KVP", "EchoTime"]  # what differs most comes first
    table.set_rows(ROWS)
    assert shown() == ["Tag", "VR", "Values", "Present"]
    assert [one.keyword for one in table.model.rows] == ["RescaleSlope", "WindowCenter"]


def test_names_of_tags_keep_their_room_in_a_narrow_table(qtbot) -> None:
    table = TagTable()
    qtbot.addWidget(table)
    table.set_rows(ROWS)
    table.show()
    for width, bars in ((360, ["Present", "Shape"]), (290, ["Present"]), (230, [])):
        table.resize(width, 300)
        assert [name for i, name in enumerate(COLUMNS) if not table.table.isColumnHidden(i)] == ["Tag", "Values", *bars]


def test_keys_lead_from_the_filter_through_the_tags_to_the_values(qtbot) -> None:
    table = TagTable()
    qtbot.addWidget(table)
    table.show()
    table.set_rows(ROWS)
    qtbot.keyClicks(table.filter, "center")
    qtbot.keyClick(table.filter, Qt.Key.Key_Down)
    assert table.selected() == "WindowCenter"
    with qtbot.waitSignal(table.tag_activated) as activated:
        qtbot.keyClick(table.table, Qt.Key.Key_Return)
    assert activated.args == ["WindowCenter"]
    qtbot.keyClick(table.filter, Qt.Key.Key_Escape)
    assert table.filter.text() == ""
    assert len(table.model.rows) == 2
    qtbot.keyClicks(table.filter, "slope")
    with qtbot.waitSignal(table.tag_selected) as selected:
        qtbot.keyClick(table.filter, Qt.Key.Key_Return)
    assert selected.args == ["RescaleSlope"], "Enter selects the best match"


def test_presets_are_buttons_in_the_files_order_with_the_faulty_struck_out(qtbot) -> None:
    strip = PresetStrip()
    qtbot.addWidget(strip)
    chosen: list[int] = []
    strip.window_chosen.connect(chosen.append)
    windows = (
        Window(center=40, width=400, explanation="SOFT & HARD"),
        Window(center=-600, width=1200),
        Window(center=1, width=0),
    )
    strip.set_presets("a layer", [Preset(window=window) for window in windows], "HU")
    assert [button.text().split("\n")[0] for button in strip.buttons] == [
        "SOFT && HARD",
        "Window 2",
        "Window 3",
        "Full range",
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
    strip.set_presets("", ())
    assert strip.buttons == []


def histogram() -> Histogram:
    spellings = (
        Bar(text="1", files=3, part=1, flag="", note="DS  31 20"),
        Bar(text="1.0", files=2, part=0, flag="", note="DS  31 2E 30 20"),
    )
    bars = (
        Bar(text="1", files=5, part=1, spellings=spellings),
        Bar(text="<b>8240</b>", files=1, part=0, flag="text in a number"),
    )
    return Histogram(
        path=TagPath.parse("RescaleSlope"),
        bars=bars,
        files=9,
        part_files=1,
        rest_values=3,
        rest_files=2,
        absent=1,
        unknown=0,
    )


def test_bars_show_every_total(qtbot, qtmodeltester) -> None:
    widget = ValueBars()
    qtbot.addWidget(widget)
    assert "Select a tag" in widget.heading.text()
    widget.show_picture(Shown(query=Query("RescaleSlope"), histogram=histogram(), part_name="series 1"))
    qtmodeltester.check(widget.model)
    assert widget.heading.text() == "Rescale Slope  (0028,1053)  DS  VM 1"
    assert widget.legend.text() == "folder (9 files) · series 1 (1)"
    assert widget.rest.text() == "3 more values in 2 files · absent in 1 file"
    assert widget.model.rowCount() == 3  # the last one is of the files without the tag
    first = widget.model.index(0, 0)
    assert widget.model.rowCount(first) == 2
    assert widget.model.index(1, 0, first).data() == "1.0"
    chosen: list[str | None] = []
    widget.value_activated.connect(chosen.append)
    widget.resize(400, 500)
    widget.show()
    widget.view.setCurrentIndex(widget.model.index(1, 0))
    assert chosen == []  # looking through the bars filters nothing
    qtbot.keyClick(widget.view, Qt.Key.Key_Space)
    for row in (0, 2):
        place = widget.view.visualRect(widget.model.index(row, 0)).center()
        qtbot.mouseClick(widget.view.viewport(), Qt.MouseButton.LeftButton, pos=place)
    assert chosen == ["<b>8240</b>", "1", None]


def test_long_texts_and_short_counts_share_the_room(qtbot) -> None:
    widget = ValueBars()
    qtbot.addWidget(widget)
    metrics = widget.view.fontMetrics()
    for keyword, text, files in (("PixelSpacing", "0.703125\\0.703125", 37308), ("RescaleSlope", "1", 9)):
        histogram = Histogram(
            path=TagPath.parse(keyword), bars=(Bar(text=text, files=files, part=2),), files=files, part_files=2
        )
        widget.show_picture(Shown(query=Query(keyword), histogram=histogram, part_name="3 Lung"))
        delegate = widget.delegate
        assert metrics.horizontalAdvance(text) < delegate.text_width <= metrics.horizontalAdvance(text) + 20
        assert delegate.widest == (f"{files:,}", "2")
        assert delegate.elide_mode == Qt.TextElideMode.ElideRight
    uid = Histogram(path=TagPath.parse("SeriesInstanceUID"), bars=(Bar(text="1.2.3", files=4),), files=4, part_files=0)
    widget.show_picture(Shown(query=Query("SeriesInstanceUID"), histogram=uid))
    assert widget.delegate.elide_mode == Qt.TextElideMode.ElideMiddle


def test_another_folder_is_compared_by_shares(qtbot) -> None:
    widget = ValueBars()
    qtbot.addWidget(widget)
    bars = (Bar(text="1", files=100, part=1), Bar(text="2", files=0, part=3))
    shown = Histogram(path=TagPath.parse("RescaleSlope"), bars=bars, files=100, part_files=4)
    widget.show_picture(Shown(query=Query("RescaleSlope"), histogram=shown, part_name="other", by_share=True))
    assert widget.delegate.scales == (0.01, 0.25)
    assert widget.delegate.most == 1.0
    assert widget.legend.text().endswith("bars by share")
    widget.show_picture(Shown(query=Query("RescaleSlope"), histogram=shown, part_name="series"))
    assert (widget.delegate.scales, widget.delegate.most) == ((1.0, 1.0), 100)


def test_view_and_second_tag_are_chosen_in_boxes(qtbot) -> None:
    widget = ValueBars()
    qtbot.addWidget(widget)
    views: list[str] = []
    besides: list[str] = []
    widget.view_chosen.connect(views.append)
    widget.beside_chosen.connect(besides.append)
    widget.set_companions(["KVP", "Sequence.Rows"])
    widget.set_choice("ranges", "KVP")
    assert (widget.view_box.currentText(), widget.beside_box.currentText()) == ("Histogram", "× KVP")
    assert views == besides == []
    for box, steps in ((widget.view_box, 1), (widget.beside_box, 1)):
        qtbot.keyClick(box, Qt.Key.Key_Up if steps else Qt.Key.Key_Down)
    assert (views, besides) == (["spelling"], [""])
    widget.set_companions(["KVP", "ProcedureCodeSequence.CodeValue"])
    assert widget.beside_box.currentData() == ""
    assert widget.beside_box.itemText(2) == "× ProcedureCode › CodeValue"


def test_a_brush_over_bins_chooses_their_numbers(qtbot) -> None:
    widget = RangeBins()
    qtbot.addWidget(widget)
    widget.resize(208, 120)
    widget.show()
    chosen: list[tuple[float, float]] = []
    cleared: list[bool] = []
    widget.range_chosen.connect(lambda condition: chosen.append((condition.start, condition.stop)))
    widget.range_cleared.connect(lambda: cleared.append(True))
    widget.set_bins(
        Bins(path=TagPath.parse("KVP"), edges=(0, 10, 20, 30, float("inf")), files=(4, 0, 2, 1), part=(1, 0, 0, 0))
    )

    def drag(start: int, end: int) -> None:
        qtbot.mousePress(widget, Qt.MouseButton.LeftButton, pos=QPoint(start, 60))
        event = QMouseEvent(
            QEvent.Type.MouseMove,
            QPointF(end, 60),
            Qt.MouseButton.NoButton,
            Qt.MouseButton.LeftButton,
            Qt.KeyboardModifier.NoModifier,
        )
        QApplication.sendEvent(widget, event)
        qtbot.mouseRelease(widget, Qt.MouseButton.LeftButton, pos=QPoint(end, 60))

    drag(130, 30)  # backwards: from the third bin to the first
    assert chosen == [(0, np.nextafter(30.0, 0))]
    qtbot.keyClick(widget, Qt.Key.Key_Right)
    qtbot.keyClick(widget, Qt.Key.Key_Left, Qt.KeyboardModifier.ShiftModifier)
    qtbot.keyClick(widget, Qt.Key.Key_Return)
    assert chosen[1:] == [(20, float("inf"))]
    drag(60, 60)
    drag(60, 60)  # a second click lets go
    assert chosen[2:] == [(10, np.nextafter(20.0, 0))]
    qtbot.keyClick(widget, Qt.Key.Key_Escape)
    assert cleared == [True, True]
    assert widget.span is None
    widget.set_bins(widget.bins, (20.0, float("inf")))
    assert widget.span == (2, 3)
    assert widget._words() == "≥ 20: 3 files"
    widget.set_bins(widget.bins, (12.0, 17.0))  # brushed in other bins: it is not made wider by Enter
    assert (widget.span, widget._words()) == (None, "12 … 17 selected")
    assert [widget._place_of(value) for value in (12.0, 17.0, 20.0, 40.0)] == [1.2, 1.7, 2.0, 3.5]
    qtbot.keyClick(widget, Qt.Key.Key_Return)
    assert len(chosen) == 3
    widget.span = (0, 0)
    assert widget._words() == "0 … < 10: 4 files, 1 highlighted"
    widget.span = (3, 3)
    assert widget._words() == "≥ 30: 1 file"
    several = replace(widget.bins, binned=5)  # two files have two numbers each
    widget.set_bins(several)
    widget.span = (0, 2)
    assert widget._words() == "0 … < 30: up to 5 files, up to 1 highlighted"
    widget.set_bins(None)
    drag(10, 60)
    assert len(chosen) == 3


def test_a_cell_of_two_tags_leads_to_its_pair(qtbot, qtmodeltester) -> None:
    table = JointTable()
    qtbot.addWidget(table)
    table.resize(500, 200)
    table.show()
    paths = (TagPath.parse("KVP"), TagPath.parse("ScanOptions"))
    joint = Joint(paths=paths, rows=("120", "80"), columns=("<b>", None), counts=((7, 0), (2, 1)))
    pairs: list[tuple[str | None, str | None]] = []
    table.pair_activated.connect(lambda first, second: pairs.append((first, second)))
    table.set_joint(joint, frozenset({("80", None)}))
    qtmodeltester.check(table.cells)
    assert table.delegate.chosen == {(1, 1)}
    assert table.cells.headerData(1, Qt.Orientation.Horizontal, Qt.ItemDataRole.DisplayRole) == "(absent)"
    assert "&lt;b&gt;" in table.cells.data(table.cells.index(0, 0), Qt.ItemDataRole.ToolTipRole)
    for row, column in ((0, 0), (0, 1)):  # the second cell holds no file
        place = table.visualRect(table.cells.index(row, column)).center()
        qtbot.mouseClick(table.viewport(), Qt.MouseButton.LeftButton, pos=place)
    table.setCurrentIndex(table.cells.index(1, 1))
    qtbot.keyClick(table, Qt.Key.Key_Return)
    assert pairs == [("120", "<b>"), ("80", None)]


def test_the_contact_sheet_shows_what_could_be_read_and_what_not(qtbot) -> None:
    sheet = ContactSheet()
    qtbot.addWidget(sheet)
    sheet.show()
    activated: list[tuple[int, str]] = []
    sheet.image_activated.connect(lambda number, path: activated.append((number, path)))
    sheet.begin(2, 40, 1)
    assert sheet.words.text() == "2 of 40 images in 1 series · double-click to open"
    gray = np.arange(12, dtype=np.uint8).reshape(3, 4)
    sheet.add(Thumbnail(series=0, path="/a/<i>.dcm", caption="3 chest · <i>.dcm", picture=gray))
    sheet.add(Thumbnail(series=5, path="/a/2.dcm", caption="4 · 2.dcm", picture=None, reason="the pixel data is cut"))
    assert sheet.model.rowCount() == 2
    assert "&lt;i&gt;" in sheet.model.item(0).toolTip()
    assert "the pixel data is cut" in sheet.model.item(1).toolTip()
    sheet.view.setCurrentIndex(sheet.model.index(1, 0))
    qtbot.keyClick(sheet.view, Qt.Key.Key_Return)
    assert activated == [(5, "/a/2.dcm")]
    sheet.begin(0, 0, 0)
    assert "No image matches" in sheet.words.text()
    assert not sheet.view.isVisible()


def test_exports_leave_persons_out_unless_they_are_asked_for(qtbot, monkeypatch, tmp_path) -> None:
    menu = ExportMenu()
    qtbot.addWidget(menu)
    wished: list[tuple[str, str, bool]] = []
    menu.file_requested.connect(lambda what, path, full: wished.append((what, path, full)))
    assert not menu.values.isEnabled()
    menu.set_tag("KVP")
    x = str(tmp_path / "x")
    answers = [(x, "Parquet (*.parquet)"), (f"{x}.md", "CSV (*.csv)"), ("", ""), (x, "Picture (*.png)")]
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: answers.pop(0))
    menu.tags.trigger()
    menu.full.trigger()
    menu.values.trigger()
    menu.values.trigger()  # the dialog is canceled
    menu.picture.trigger()
    assert wished == [("tags", f"{x}.parquet", False), ("values", f"{x}.md", True), ("picture", f"{x}.png", True)]


def test_what_is_no_bar_bin_or_pair_is_told(qtbot) -> None:
    widget = ValueBars()
    qtbot.addWidget(widget)
    path = TagPath.parse("KVP")
    counted = Histogram(
        path=path,
        bars=(Bar(text="100", files=5, part=2),),
        files=12,
        part_files=4,
        rest_values=3,
        rest_files=4,
        absent=2,
        unknown=1,
        part_rest_files=2,
    )
    shown = Shown(query=Query("KVP"), histogram=counted, part_name="series 1")
    widget.show_picture(shown)
    assert widget.rest.text() == "3 more values in 4 files, 2 of series 1 · absent in 2 files · unknown in 1 file"
    bins = Bins(path=path, edges=(0, 10, 20), files=(4, 5), part=(0, 0), not_numbers=1, absent=2, unknown=1, binned=8)
    widget.show_picture(replace(shown, query=Query("KVP", view="ranges"), bins=bins))
    assert widget.rest.text() == "No number in 1 file · absent in 2 files · unknown in 1 file"
    joint = Joint(paths=(path, path), rows=("100",), columns=("a",), counts=((5,),), rest=7)
    widget.show_picture(replace(shown, query=Query("KVP", beside="Rows"), joint=joint))
    assert widget.rest.text() == "7 more files with other pairs"
    several = Histogram(path=path, bars=(Bar(text="100", files=5, part=2),), files=4, part_files=0, is_several=True)
    widget.show_picture(replace(shown, histogram=several))
    assert widget.rest.text() == "A file counts once for each of its values"


def test_a_spelling_takes_the_line_and_enter_leads_to_the_first_bar(qtbot) -> None:
    widget = ValueBars()
    qtbot.addWidget(widget)
    widget.resize(400, 500)
    widget.show()
    widget.show_picture(Shown(query=Query("RescaleSlope"), histogram=histogram()))
    widget.enter()
    assert widget.view.currentIndex().row() == 0
    assert widget.view.selectionModel().hasSelection()


def test_a_tag_is_found_as_programs_write_it() -> None:
    slope = replace(ROWS[0], tag="(0028,1053)")
    for text in ("00281053", "(0028,1053)", "0028,1053", "0028 1053"):
        assert shown_rows((slope, ROWS[1]), text, ()) == [slope], text
    assert shown_rows((slope,), "00281054", ()) == []


def test_chips_name_the_filters_and_remove_them(qtbot) -> None:
    bar = FilterBar()
    qtbot.addWidget(bar)
    bar.show()
    bar.resize(460, bar.height())
    bar.set_filters((), 7, 7)
    assert (bar.count.text(), bar.clear_button.isVisible()) == ("all 7 files", False)
    bar.set_filters((), 1, 1)
    assert bar.count.text() == "1 file"
    bar.set_filters((), 7, 7)
    height = bar.height()
    bar.set_filters((("RescaleSlope", ("1", "2")), ("Modality", ("",))), 398, 285380)
    assert bar.height() == height  # nothing below it moves
    assert bar.count.text() == "398 of 285,380"
    assert [chip.text() for chip in bar.chips] == ["RescaleSlope 1 or 2  ×", "Modality = (empty)  ×"]
    bar.set_filters((("KVP", slice(80.0, 100.0)), (("WindowCenter", "WindowWidth"), (("40", None),))), 1, 2)
    assert bar.chips[0].text() == "KVP 80 … 100 kV  ×"
    bar.resize(300, bar.height())
    wide = (("Manufacturer", ("GE MEDICAL SYSTEMS, a maker with a very long name",)),)
    bar.set_filters(wide, 270, 1009)
    assert bar.chips[0].width() <= bar._area.width(), "a chip is whole at the least width of the dock"
    bar.set_filters((("KVP", slice(80.0, 100.0)), (("WindowCenter", "WindowWidth"), (("40", None),))), 1, 2)
    bar.resize(460, bar.height())
    bar.copy_action.trigger()
    copied = "catalog.where({('WindowCenter', 'WindowWidth'): (('40', None),)}, KVP=slice(80.0, 100.0))"
    assert QApplication.clipboard().text() == copied
    removed: list[object] = []
    bar.filter_removed.connect(removed.append)
    qtbot.mouseClick(bar.chips[1], Qt.MouseButton.LeftButton)
    qtbot.mouseClick(bar.clear_button, Qt.MouseButton.LeftButton)
    assert removed == [("WindowCenter", "WindowWidth"), ""]


def test_series_open_with_enter_and_double_click(qtbot, qtmodeltester) -> None:
    tree = SeriesTab()
    qtbot.addWidget(tree)
    tree.resize(400, 400)
    tree.show()
    assert tree.empty.isVisible()
    tree.set_rows(
        (
            SeriesRow(name="1 a", modality="CT", size="3 × 2 × 2"),
            SeriesRow(name="2 b", modality="MR", size="no images", reason="no pixels", is_open=True, number=1),
        )
    )
    qtmodeltester.check(tree.model)
    assert not tree.empty.isVisible()
    opened: list[tuple[tuple[int, int | None], ...]] = []
    tree.series_activated.connect(opened.append)
    tree.table.setCurrentIndex(tree.model.index(1, 0))
    qtbot.keyClick(tree.table, Qt.Key.Key_Return)
    where = tree.table.visualRect(tree.model.index(0, 0)).center()
    qtbot.mouseClick(tree.table.viewport(), Qt.MouseButton.LeftButton, pos=where)
    qtbot.mouseDClick(tree.table.viewport(), Qt.MouseButton.LeftButton, pos=where)
    qtbot.keyClick(tree.table, Qt.Key.Key_A, Qt.KeyboardModifier.ControlModifier)
    qtbot.keyClick(tree.table, Qt.Key.Key_Return)  # several at once
    assert opened == [((1, None),), ((0, None),), ((0, None), (1, None))]


STUDIES = (
    SeriesRow(name="1 a", modality="CT", size="9", number=0, files=9, patient="P", study="A", study_uid="1"),
    SeriesRow(name="2 b", modality="CT", size="8", number=1, files=8, patient="Q", study="B", study_uid="2"),
    SeriesRow(name="3 c", modality="PT", size="7", number=2, files=7, patient="P", study="A", study_uid="1"),
    SeriesRow(name="4 d", modality="MR", size="6", number=3, files=6, patient="P", study="C", study_uid="3"),
)


def texts_of(tree: SeriesTab, parent: QModelIndex | None = None, depth: int = 0) -> list[str]:
    model, found = tree.model, []
    for row in range(model.rowCount(parent)):
        index = model.index(row, 0, parent)
        found += ["  " * depth + model.data(index), *texts_of(tree, index, depth + 1)]
    return found


def test_series_stand_below_their_studies_and_patients(qtbot, qtmodeltester) -> None:
    tree = SeriesTab()
    qtbot.addWidget(tree)
    tree.resize(400, 500)
    tree.show()
    tree.set_rows(STUDIES)
    qtmodeltester.check(tree.model)
    grouped = ["P · A", "  1 a", "  3 c", "P · C", "  4 d", "Q · B", "  2 b"]
    assert texts_of(tree) == grouped
    chosen: list[tuple[int, ...]] = []
    tree.chosen_changed.connect(chosen.append)
    tree.table.setCurrentIndex(tree.model.index(0, 0))  # a study stands for all of its series
    assert chosen[-1] == (0, 2)
    tree.select(1)
    assert tree.chosen() == (1,)
    toggled: list[bool] = []
    tree.grouping_toggled.connect(toggled.append)
    tree.by_patient.trigger()
    assert toggled == [False]
    assert texts_of(tree) == ["1 a", "2 b", "3 c", "4 d"]
    assert tree.chosen() == (1,)
    tree.set_grouping(True)
    assert toggled == [False]
    assert texts_of(tree) == grouped
    tree.set_rows(STUDIES[:1] + STUDIES[2:3])  # one study: nothing to group
    assert not tree.by_patient.isVisible()
    assert texts_of(tree) == ["1 a", "3 c"]


def test_volumes_come_below_their_series_and_notes_offer_what_can_be_done(qtbot, qtmodeltester) -> None:
    tree = SeriesTab()
    qtbot.addWidget(tree)
    tree.resize(400, 500)
    tree.show()
    tree.set_rows(STUDIES[:2])
    tree.set_grouping(False)
    tree.select(0)
    offer = Offer(words="Split at gaps", why="slices are missing", split="gaps")
    noted = replace(STUDIES[0], notes=("a gap",), problems=1, volumes=("1 a [1]", "1 a [2]"), offers=(offer,))
    tree.set_row(noted)
    qtmodeltester.check(tree.model)
    assert texts_of(tree) == ["1 a", "  1 a [1]", "  1 a [2]", "2 b"]
    assert tree.notes.text() == "– a gap"
    assert [button.text() for button in tree.offer_buttons] == ["Split at gaps"]
    taken: list[tuple[int, Offer]] = []
    tree.offer_chosen.connect(lambda number, one: taken.append((number, one)))
    qtbot.mouseClick(tree.offer_buttons[0], Qt.MouseButton.LeftButton)
    assert taken == [(0, offer)]
    opened: list[tuple[tuple[int, int | None], ...]] = []
    tree.series_activated.connect(opened.append)
    tree.table.setCurrentIndex(tree.model.index(1, 0, tree.model.index(0, 0)))
    qtbot.keyClick(tree.table, Qt.Key.Key_Return)
    assert opened == [((0, 1),)]
    tree.set_row(replace(noted, is_open=True, open_volumes=("1 a [2]",)))
    assert texts_of(tree) == ["● 1 a", "  1 a [1]", "  ● 1 a [2]", "2 b"]
    tree.select(1)
    tree.select(0, "1 a [2]")
    assert tree.model.nodes[tree.table.currentIndex().internalId()].branch.text == "1 a [2]"
    assert tree.chosen() == (0,)
    tree.set_row(STUDIES[0])
    assert texts_of(tree) == ["1 a", "2 b"]
    assert tree.offer_buttons == []


def test_a_filter_hides_series_but_lets_them_be_chosen_and_grouped(qtbot) -> None:
    tree = SeriesTab()
    qtbot.addWidget(tree)
    tree.show()
    tree.set_rows(STUDIES)
    tree.table.selectAll()
    every = tree.chosen()
    told: list[tuple[int, ...]] = []
    tree.chosen_changed.connect(told.append)
    tree.set_rows(STUDIES[:1], STUDIES)
    assert texts_of(tree) == ["P · A", "  1 a"]
    assert sorted(tree.chosen()) == sorted(every)
    assert told == []
    tree.set_rows((), STUDIES)
    assert tree.empty.isVisible()
    tree.set_rows(STUDIES, STUDIES)
    tree.select(1)
    assert tree.chosen() == (1,)


def test_notes_that_come_late_are_sorted_too(qtbot) -> None:
    tree = SeriesTab()
    qtbot.addWidget(tree)
    tree.set_rows(STUDIES)
    tree.by_patient.setChecked(False)
    tree.sort_by(3)
    tree.set_row(replace(STUDIES[2], problems=3))
    tree.sort_again()
    assert texts_of(tree)[0] == STUDIES[2].name


def test_what_is_folded_and_marked_stays_so_when_rows_come_anew(qtbot) -> None:
    tree = SeriesTab()
    qtbot.addWidget(tree)
    tree.show()
    several = replace(STUDIES[0], volumes=("1 a [1]", "1 a [2]"))
    rows = (several, *STUDIES[1:])
    tree.set_rows(rows)
    patient = tree.model.index(2, 0)
    tree.table.setExpanded(patient, False)
    tree.select(0, "1 a [2]")
    tree.set_rows(rows)
    tree.sort_by(3)
    current = tree.model.nodes[tree.table.currentIndex().internalId()].branch
    assert (current.kind, current.text) == ("volume", "1 a [2]")
    folded = [i for i in range(3) if not tree.table.isExpanded(tree.model.index(i, 0))]
    assert [tree.model.nodes[tree.model.top[i]].branch.text for i in folded] == ["Q · B"]
    nodes = tree.model.nodes
    tree.sort_again()
    assert tree.model.nodes is nodes  # in their order already: nothing is built anew


def test_an_open_series_is_no_failure_and_a_tooltip_says_what_it_is_of(qtbot) -> None:
    tree = SeriesTab()
    qtbot.addWidget(tree)
    bad = replace(STUDIES[0], reason="the file ends inside an element's head", notes=("a <gap>",))
    tree.set_rows((bad, replace(bad, number=1, is_open=True)))
    assert [row.badge for row in tree.model.rows] == ["cannot be opened", ""]
    tips = [tree.model.data(tree.model.index_of(number), Qt.ItemDataRole.ToolTipRole) for number in (0, 1)]
    for tip in tips:
        assert f"{bad.patient} · {bad.study}" in tip
        assert "element's head" in tip
        assert "a &lt;gap&gt;" in tip  # said as it is, not taken for HTML
    assert "· open<br>" in tips[1]


def test_problems_are_plain_text_and_none_is_dropped_silently(qtbot) -> None:
    table = SeriesTab()
    qtbot.addWidget(table)
    table.set_problems(tuple(f"<b>{i}</b>: bad\x1b" for i in range(9)), 9)
    assert "<b>0</b>: bad\\x1b" in table.problems.text()
    assert "… and 5 more lines" in table.problems.text()
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
    with qtbot.waitSignal(bar.scan_canceled):
        bar.cancel_button.click()
    bar.set_idle()
    assert not bar.progress.isVisible()


FINDING = Finding(
    code="x",
    severity="decision",
    title="a <b>title</b>",
    evidence=(("1.0", 7),),
    tags=("RescaleSlope",),
    standard="PS3.5 section 6.2",
    advice="Do this.",
    selection=(),
    files=7,
    meaning="A word.",
)


def test_a_finding_tells_its_evidence_and_takes_decisions(qtbot, qtmodeltester, monkeypatch) -> None:
    widget = FindingsList()
    qtbot.addWidget(widget)
    widget.resize(380, 600)
    widget.show()
    assert "Drop a DICOM folder" in widget.summary.text()
    others = (
        Finding(code="y", severity="wrong", title="bad", files=2),
        Finding(code="z", severity="info", title="known"),
    )
    widget.set_findings((*others[:1], FINDING, *others[1:]))
    qtmodeltester.check(widget.model)
    assert widget.summary.text() == "1 to fix · 1 to decide · 1 to know"
    assert not widget.decide_line.isVisible()
    with qtbot.waitSignal(widget.finding_selected) as signal:
        widget.list.setCurrentIndex(widget.model.index(1, 0))
    assert signal.args == [FINDING]
    text = widget.detail.text()
    assert [
        part for part in ("A word.", "7  1.0", "→ Do this.", "RescaleSlope · PS3.5 section 6.2") if part not in text
    ] == []
    decided: list[tuple[object, str, str]] = []
    widget.decision_made.connect(lambda *what: decided.append(what))
    qtbot.mouseClick(widget.buttons["recipe"], Qt.MouseButton.LeftButton)
    monkeypatch.setattr(QInputDialog, "getText", lambda *_: (" it is meant ", True))
    qtbot.mouseClick(widget.buttons["dismissed"], Qt.MouseButton.LeftButton)
    assert decided == [(FINDING, "recipe", ""), (FINDING, "dismissed", "it is meant")]
    widget.set_findings(
        (FINDING,), (Decision(code="x", tags=("RescaleSlope",), state="dismissed", reason="it is meant"),)
    )
    assert widget.selected() is FINDING  # the chosen one stays chosen
    assert [button.isChecked() for button in widget.buttons.values()] == [False, True, False]
    assert widget.summary.text() == "1 decided ✓"
    assert widget.model.second_line(FINDING) == "to decide · 7 files · dismissed: it is meant"
    qtbot.mouseClick(widget.buttons["dismissed"], Qt.MouseButton.LeftButton)
    assert decided[-1] == (FINDING, "", "")
    decision = Decision(code="y", tags=(), state="accepted")
    widget.set_findings((*others, FINDING), (decision,))
    assert [finding.title for finding in widget.model.findings] == ["known", "a <b>title</b>", "bad"]  # decided: last
    assert widget.summary.text() == "1 to decide · 1 to know · 1 decided ✓"
    monkeypatch.setattr(QInputDialog, "getText", lambda *_: ("", False))
    widget.set_findings((FINDING,))
    qtbot.mouseClick(widget.buttons["dismissed"], Qt.MouseButton.LeftButton)  # and canceled
    assert len(decided) == 3
    assert not widget.buttons["dismissed"].isChecked()


def test_a_long_title_says_that_it_goes_on_and_is_whole_below(qtbot) -> None:
    widget = FindingsList()
    qtbot.addWidget(widget)
    widget.resize(350, 500)
    widget.show()
    long = Finding(code="x", severity="wrong", title="words that go on " * 20 + "to the end", files=1)
    widget.set_findings((long, Finding(code="y", severity="info", title="known")))
    assert widget.hint.isVisible()
    assert not widget.below.isVisible()  # the list has its place
    option = QStyleOptionViewItem()
    option.initFrom(widget.list)
    lines = widget.delegate.title_lines(option, widget.list.viewport().width(), long.title)
    assert len(lines) == 3
    assert lines[0].startswith("words that go on words")
    assert lines[2].endswith("…")
    widget.list.setCurrentIndex(widget.model.index(0, 0))
    assert not widget.hint.isVisible()
    assert widget.detail.text().startswith(long.title)
    widget.list.setCurrentIndex(widget.model.index(1, 0))
    assert "known" not in widget.detail.text()  # it is whole in its row


def test_a_low_dock_explains_a_tag_in_the_tooltip(qtbot) -> None:
    values = ValueBars()
    qtbot.addWidget(values)
    values.show()
    values.set_low(True)
    assert values.explanation.isVisible()  # it says what to do while there is no tag
    kernels = Histogram(
        path=TagPath.parse("ConvolutionKernel"), bars=(Bar(text="B31f", files=5),), files=5, part_files=0
    )
    values.show_picture(Shown(query=Query("ConvolutionKernel"), histogram=kernels))
    assert not values.explanation.isVisible()
    assert "sharp kernels enhance noise" in values.heading.toolTip()
    values.set_low(False)
    assert values.explanation.isVisible()


def test_a_finding_asks_for_the_page_about_its_kind(qtbot) -> None:
    widget = FindingsList()
    qtbot.addWidget(widget)
    widget.show()
    known = Finding(code="gap", severity="decision", title="Slices are missing", files=2)
    widget.set_findings((known, FINDING))
    assert not widget.page_button.isVisible()
    widget.list.setCurrentIndex(widget.model.index(0, 0))
    with qtbot.waitSignal(widget.page_requested) as asked:
        qtbot.mouseClick(widget.page_button, Qt.MouseButton.LeftButton)
    assert asked.args == ["gap"]


def test_the_page_of_a_kind_of_finding_takes_the_place_of_another(qtbot) -> None:
    page = FindingPage()
    qtbot.addWidget(page)
    page.show_code("gap")
    assert page.isVisible()
    assert (page.windowTitle(), "Request the slices" in page.text.toPlainText()) == ("gap", True)
    page.show_code("tilt")
    assert (page.windowTitle(), "Request the slices" in page.text.toPlainText()) == ("tilt", False)


def test_a_check_of_findings_tells_how_far_it_is(qtbot) -> None:
    widget = FindingsList()
    qtbot.addWidget(widget)
    widget.show()
    widget.set_source(True)
    widget.pixels_button.setFocus()
    widget.set_progress("pixels of series", 3, 9)
    assert widget.progress_words.text() == "pixels of series 3 of 9"
    assert (widget.bar.value(), widget.bar.maximum()) == (3, 9)
    with qtbot.assertNotEmitted(widget.pixels_requested):
        qtbot.mouseClick(widget.pixels_button, Qt.MouseButton.LeftButton)
    assert widget.focusWidget() is widget.pixels_button
    with qtbot.waitSignal(widget.cancel_requested):
        qtbot.mouseClick(widget.cancel_button, Qt.MouseButton.LeftButton)
    widget.set_progress("")
    assert not widget.progress.isVisible()
    with qtbot.waitSignal(widget.pixels_requested):
        qtbot.mouseClick(widget.pixels_button, Qt.MouseButton.LeftButton)


def click_head(qtbot, table, column: int) -> None:
    header = table.horizontalHeader()
    place = QPoint(header.sectionViewportPosition(column) + header.sectionSize(column) // 2, header.height() // 2)
    qtbot.mouseClick(header.viewport(), Qt.MouseButton.LeftButton, pos=place)


def test_an_order_sorts_turns_round_and_goes_back(qtbot) -> None:
    table = SeriesTab()
    qtbot.addWidget(table)
    table.resize(500, 300)
    table.show()
    rows = (
        SeriesRow(name="2 b", modality="CT", size="9 × 2 × 2", number=0, files=9, problems=1),
        SeriesRow(name="1 c", modality="MR", size="5 × 2 × 2", number=1, files=5),
        SeriesRow(name="3 a", modality="CT", size="7 × 2 × 2", number=2, files=7, problems=3),
    )
    table.set_rows(rows)
    table.select(1)

    def numbers() -> list[int]:
        return [row.number for row in table.model.rows]

    seen = []
    for text in ("By size", "By size", "By size", "By name", "By notes", "Most images first"):
        (action,) = [action for action in table.search.orders.actions() if action.text() == text]
        action.trigger()
        seen.append(numbers())
    assert seen == [[0, 2, 1], [1, 2, 0], [0, 1, 2], [1, 0, 2], [2, 0, 1], [0, 1, 2]]
    assert table.search.orders.checkedAction().text() == "Most images first"
    assert table.chosen() == (1,)  # the chosen one stays chosen
    table.set_rows(rows[:2])
    assert numbers() == [0, 1]

    tags = TagTable()
    qtbot.addWidget(tags)
    tags.resize(500, 300)
    tags.show()
    tags.set_rows((row("Rows", distinct=3), row("KVP", distinct=7), row("WindowWidth", distinct=5)))
    click_head(qtbot, tags.table, 2)
    assert [one.keyword for one in tags.model.rows] == ["KVP", "WindowWidth", "Rows"]
    click_head(qtbot, tags.table, 0)
    assert [one.keyword for one in tags.model.rows] == ["KVP", "Rows", "WindowWidth"]


def test_a_tag_that_varies_only_in_what_was_read_first_does_not_stay_selected(qtbot) -> None:
    tab, asked = TagsTab(), []
    qtbot.addWidget(tab)
    tab.query_changed.connect(lambda query: asked.append(query.keyword))
    length = row("FileMetaInformationGroupLength", tag="(0002,0000)", distinct=2)
    tab.set_rows((length,))
    assert (tab.query.keyword, asked) == (length.keyword, [length.keyword])
    others = (length, row("StationName"), row("KVP"))
    tab.set_rows((length, row("StationName")))
    assert tab.query.keyword == "StationName"  # it says more about images
    tab.set_rows(others)
    assert (tab.query.keyword, asked) == ("KVP", [length.keyword, "StationName", "KVP"])
    tab.set_rows((*others, row("WindowCenter")))
    assert tab.query.keyword == "KVP"  # a wanted one stays
    tab.set_query(replace(tab.query, keyword="StationName"))
    tab.set_rows((*others, row("WindowCenter")))
    assert tab.query.keyword == "StationName"
