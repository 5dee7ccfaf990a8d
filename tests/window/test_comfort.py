"""What makes the real window good to stay in: clicks do what they say, the keyboard reaches all, all can be read."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from dicom_factory import enhanced, write_series
from napari.utils.notifications import notification_manager
from qtpy.QtCore import QPoint, QPointF, Qt
from qtpy.QtGui import QContextMenuEvent, QWheelEvent
from qtpy.QtWidgets import QApplication, QDockWidget, QMenu, QWidget
from window_driver import choose_tag, click_bar, open_series, read, slice_shown

from napari_dicommeta._napari.reader import volume_of
from napari_dicommeta._napari.tasks.source import SeriesRequest
from napari_dicommeta._napari.widgets.colors import GRAPHIC, TEXT, contrast, heat, readable_on, theme_colors


def two_series(folder: Path) -> Path:
    write_series(
        folder / "a", 6, KVP=lambda k: ["120", "120.0", "1.2e2", "100", None, "120"][k], ConvolutionKernel="B30f"
    )
    write_series(
        folder / "b",
        5,
        SeriesInstanceUID="1.2.9",
        SeriesNumber=9,
        KVP=80,
        StudyInstanceUID="1.2.11",
        ConvolutionKernel=lambda k: "B70s" if k else "B30f",
    )
    write_series(folder / "c", 2, SeriesInstanceUID="1.2.10", SeriesNumber=10, KVP=80, ConvolutionKernel="B31f")
    return folder


def test_a_right_click_on_the_head_of_the_tags_chooses_columns(qtbot: Any, dock: Any, tmp_path: Path) -> None:
    read(qtbot, dock, two_series(tmp_path / "s"))
    dock.tabs.setCurrentWidget(dock.tab)
    head, place = dock.tags.table.horizontalHeader(), QPoint(20, 8)
    reason = QContextMenuEvent.Reason.Mouse
    event = QContextMenuEvent(reason, place, head.viewport().mapToGlobal(place))
    QApplication.sendEvent(head.viewport(), event)
    qtbot.waitUntil(lambda: isinstance(QApplication.activePopupWidget(), QMenu), timeout=5000)
    menu = QApplication.activePopupWidget()
    next(action for action in menu.actions() if action.text() == "VR").trigger()
    menu.close()
    assert not dock.tags.table.isColumnHidden(1)


def test_each_bar_filters_to_the_files_it_counts_by_spelling_too(qtbot: Any, dock: Any, tmp_path: Path) -> None:
    read(qtbot, dock, two_series(tmp_path / "s"))
    choose_tag(qtbot, dock, "KVP")
    for view in ("meaning", "spelling"):
        dock.tab._ask_for(view=view)
        qtbot.waitUntil(lambda: not dock.exploration.is_picture_due, timeout=5000)
        bars = [(None if bar.state else bar.text, bar.files) for bar in dock.values.model.bars]
        assert len(bars) == {"meaning": 4, "spelling": 6}[view]
        for text, files in bars:
            click_bar(qtbot, dock, text)
            assert dock.filters.count.text() == f"{files} of 13"
            qtbot.waitUntil(lambda text=text: dock.values.delegate.chosen == {text}, timeout=5000)
            click_bar(qtbot, dock, text)
            assert not dock.filters.chips
    click_bar(qtbot, dock, "120.0")
    click_bar(qtbot, dock, None)  # values of one tag add up, and its absence is one of them
    assert dock.filters.count.text() == "2 of 13"
    assert dock.filters.chips[0].text() == "KVP spelled = 120.0 or (absent)  ×"


def test_a_filter_that_is_removed_takes_no_other_along(qtbot: Any, dock: Any, tmp_path: Path) -> None:
    read(qtbot, dock, two_series(tmp_path / "s"))
    dock.exploration.toggle_pair(("KVP", "ConvolutionKernel"), ("80", "B30f"))
    dock.exploration.toggle("KVP", "80")
    assert len(dock.filters.chips) == 2
    qtbot.mouseClick(dock.filters.chips[1], Qt.MouseButton.LeftButton)
    assert [chip.text() for chip in dock.filters.chips] == ["80 kV and B30f  ×"]
    assert dock.filters.count.text() == "1 of 13"


def test_the_second_tag_stays_named_while_its_table_is_shown(qtbot: Any, dock: Any, tmp_path: Path) -> None:
    read(qtbot, dock, two_series(tmp_path / "s"))
    choose_tag(qtbot, dock, "ConvolutionKernel")
    dock.tab._ask_for(beside="KVP")
    qtbot.waitUntil(lambda: dock.values.stack.currentWidget() is dock.tab.joint, timeout=5000)
    dock.exploration.toggle("SeriesNumber", "9")  # one KVP is left
    qtbot.waitUntil(lambda: not dock.exploration.is_counting and not dock.exploration.is_picture_due, timeout=5000)
    assert dock.values.beside_box.currentText() == "× KVP"
    assert dock.values.stack.currentWidget() is dock.tab.joint
    offered = {dock.values.beside_box.itemData(i) for i in range(dock.values.beside_box.count())}
    assert {"SOPInstanceUID", "Modality"} <= offered  # what tells little stands last, but it can be asked for


def focusable_after(widget: QWidget, n: int) -> list[QWidget]:
    """The next `n` widgets that Tab comes to."""
    found, at = [], widget
    while len(found) < n:
        at = at.nextInFocusChain()
        if at.isVisible() and at.focusPolicy() & Qt.FocusPolicy.TabFocus:
            found.append(at)
    return found


def test_tab_comes_over_chips_and_offers_in_their_place(qtbot: Any, viewer: Any, dock: Any, tmp_path: Path) -> None:
    gap = tmp_path / "gap"
    write_series(gap, 6, ImagePositionPatient=lambda k: [0, 0, 2.5 * k + (5 if k > 3 else 0)], KVP=lambda k: 80 + k)
    read(qtbot, dock, gap)
    qtbot.waitUntil(lambda: bool(dock.series.offer_buttons), timeout=10_000)
    assert focusable_after(dock.series.table, 1) == dock.series.offer_buttons
    for text in ("80", "81"):
        dock.exploration.toggle("KVP", text)
    dock.exploration.toggle("Modality", "CT")
    assert focusable_after(dock.filters.clear_button, 2) == dock.filters.chips
    dock.filters.chips[0].setFocus()
    qtbot.keyClick(dock.filters.chips[0], Qt.Key.Key_Return)
    assert [chip.text() for chip in dock.filters.chips] == ["CT  ×"]
    qtbot.keyClick(dock.filters.chips[0], Qt.Key.Key_Delete)
    assert not dock.filters.chips


def test_what_has_the_keyboard_is_marked(qtbot: Any, viewer: Any, dock: Any, tmp_path: Path) -> None:
    read(qtbot, dock, two_series(tmp_path / "s"))
    viewer.window._qt_window.activateWindow()
    dock.tabs.setCurrentWidget(dock.tab)
    accent = theme_colors(viewer.theme).accent.name()

    def is_marked(widget: QWidget) -> bool:
        """Whether there is a line in the accent's color along its top and its bottom."""
        image, place = dock.grab().toImage(), widget.mapTo(dock, QPoint(0, 0))
        middle = place.x() + widget.width() // 2
        edges = (place.y(), place.y() + widget.height() - 1)
        return [image.pixelColor(middle, y).name() for y in edges] == [accent, accent]

    marked = (dock.source.open_button, dock.presets.buttons[0], dock.views.patient_space, dock.tabs.tabBar())
    for widget in (*marked, dock.tab.scope_box, dock.tags.table):
        widget.setFocus()
        qtbot.waitUntil(lambda widget=widget: is_marked(widget), timeout=5000)
        assert sum(map(is_marked, (*marked, dock.tab.scope_box, dock.tags.table))) == 1
    dock.tags.filter.setFocus()  # a cursor blinks there
    qtbot.waitUntil(lambda: not dock._mark.isVisible(), timeout=5000)
    dock.exploration.toggle("Modality", "CT")
    dock.filters.chips[0].setFocus()
    qtbot.waitUntil(lambda: is_marked(dock.filters.chips[0]), timeout=5000)
    qtbot.keyClick(dock.filters.chips[0], Qt.Key.Key_Delete)  # what is marked goes, the mark stays
    dock.source.open_button.setFocus()
    qtbot.waitUntil(lambda: is_marked(dock.source.open_button), timeout=5000)


def test_many_filters_leave_room_for_what_they_filter(qtbot: Any, dock: Any, tmp_path: Path) -> None:
    read(qtbot, dock, two_series(tmp_path / "s"))
    dock.tabs.setCurrentWidget(dock.tab)
    for keyword in ("Modality", "Rows", "Columns", "BitsStored"):
        dock.exploration.toggle(keyword, dock.opened.catalog.column_texts(keyword)[0])
    four = dock.filters.height()
    place = dock.tabs.mapTo(dock, dock.tabs.rect().topLeft())
    for keyword in ("BitsAllocated", "HighBit", "SamplesPerPixel", "PatientID", "PatientName"):
        dock.exploration.toggle(keyword, dock.opened.catalog.column_texts(keyword)[0])
    assert len(dock.filters.chips) == 9
    assert dock.filters.height() == four
    assert dock.tabs.mapTo(dock, dock.tabs.rect().topLeft()) == place
    last = dock.filters.chips[8]
    qtbot.waitUntil(lambda: last.height() >= last.fontMetrics().height() + 4, timeout=5000)


def test_series_stay_below_their_patients_while_they_are_filtered(qtbot: Any, dock: Any, tmp_path: Path) -> None:
    read(qtbot, dock, two_series(tmp_path / "s"))
    assert {node.branch.kind for node in dock.series.model.nodes} == {"study", "series"}
    dock.exploration.toggle("ConvolutionKernel", "B70s")
    assert [row.extent for row in dock.series.model.rows] == ["4 of 5"]
    assert {node.branch.kind for node in dock.series.model.nodes} == {"study", "series"}


def test_the_frame_that_matches_is_shown_and_a_tag_of_frames_has_its_curve(
    qtbot: Any, viewer: Any, dock: Any, tmp_path: Path
) -> None:
    frames = [
        {"ImagePositionPatient": [0, 0, 5 * k], "WindowCenter": 40 + k, "WindowWidth": 400, "RescaleSlope": 1}
        for k in range(6)
    ]
    shared = {"ImageOrientationPatient": [1, 0, 0, 0, 1, 0], "PixelSpacing": [1, 1], "SliceThickness": 5}
    (tmp_path / "e").mkdir()
    planes = [np.full((8, 8), k, np.int16) for k in range(6)]
    (tmp_path / "e" / "enhanced.dcm").write_bytes(enhanced(planes, frames, shared))
    read(qtbot, dock, tmp_path / "e")
    centers = "PerFrameFunctionalGroupsSequence.FrameVOILUTSequence.WindowCenter"
    choose_tag(qtbot, dock, centers)
    qtbot.waitUntil(lambda: dock.curve.values is not None, timeout=5000)
    np.testing.assert_array_equal(dock.curve.values, [[40, 41, 42, 43, 44, 45]])
    viewer.layers.clear()
    dock.exploration.toggle(centers, "44")
    open_series(qtbot, dock, 0)
    qtbot.waitUntil(lambda: len(viewer.layers) == 1 and slice_shown(viewer) == 4, timeout=10_000)
    viewer.dims.set_current_step(0, 1)
    dock.open_requested(
        [SeriesRequest(number=0, path=dock.opened.catalog.paths[0])]
    )  # its picture, while the layer is there
    qtbot.waitUntil(lambda: len(viewer.layers) == 1 and slice_shown(viewer) == 4, timeout=10_000)


def test_copies_of_a_series_are_told_apart_by_their_files(qtbot: Any, viewer: Any, dock: Any, tmp_path: Path) -> None:
    write_series(tmp_path / "one", 4, KVP=100)
    write_series(tmp_path / "two", 4, KVP=140)  # of the same UIDs
    read(qtbot, dock, tmp_path / "one")
    first = viewer.layers[0]
    read(qtbot, dock, tmp_path / "two")
    viewer.layers.selection.active = first
    assert volume_of(first).files[0][0].startswith(str(tmp_path / "one"))
    active = dock.exploration.active  # of the source that was open before, not the copy that is open now
    assert active not in dock.opened.series
    assert active.catalog.values("KVP") == {"100": 4}
    viewer.layers.selection.active = next(layer for layer in viewer.layers if layer is not first)
    assert dock.exploration.active is dock.opened.series[0]


def test_slices_that_are_gone_are_told_of_a_few_times(qtbot: Any, viewer: Any, dock: Any, tmp_path: Path) -> None:
    write_series(tmp_path / "s", 40)
    read(qtbot, dock, tmp_path / "s")
    array = volume_of(viewer.layers[0]).array
    before = len(notification_manager.records)

    for path in (tmp_path / "s").iterdir():
        path.unlink()
    array._cache.loaded[:] = False  # forget what was read ahead
    assert (np.asarray(array) == -1024).all()  # 0, the lowest value of 12 unsigned bits, with an intercept of -1024
    told = [str(record.message) for record in notification_manager.records][before:]
    assert len(told) == 2
    assert "cannot be read and is shown empty" in told[0]
    assert told[1].startswith("10 slices of this volume cannot be read")


def test_a_low_dock_scrolls_and_overlaps_nothing(qtbot: Any, viewer: Any, dock: Any, tmp_path: Path) -> None:
    read(qtbot, dock, two_series(tmp_path / "s"))
    choose_tag(qtbot, dock, "KVP")
    (panel,) = [one for one in viewer.window._qt_window.findChildren(QDockWidget) if one.isAncestorOf(dock)]
    panel.setFloating(True)
    panel.resize(360, 420)
    qtbot.waitUntil(lambda: dock.height() < 450, timeout=5000)

    def area(widget: QWidget) -> tuple[int, int]:
        top = widget.mapTo(dock, QPoint(0, 0)).y()
        return top, top + widget.height()

    shown = [dock.source, dock.windows, dock.views, dock.tab.scope_box, dock.tags.filter, dock.tags.table]
    shown += [dock.tags.fold_line, dock.values.heading, dock.values.explanation, dock.values.controls]
    shown += [dock.values.legend, dock.values.stack, dock.values.rest]
    areas = [area(widget) for widget in shown if widget.isVisibleTo(dock)]
    assert all(end <= start + 1 for (_, end), (start, _) in pairwise(areas)), areas
    assert dock.values.view.height() >= 60
    assert dock.tags.table.height() >= 60
    bar = dock._area.verticalScrollBar()
    before = dock.tab.scope_box.currentIndex(), dock.windows.fields.center.value(), dock.tabs.currentIndex()
    for widget in (dock.tab.scope_box, dock.windows.fields.center, dock.tabs.tabBar()):
        bar.setValue(0)
        turn = QWheelEvent(
            QPointF(widget.rect().center()),
            QPointF(widget.mapToGlobal(widget.rect().center())),
            QPoint(0, 0),
            QPoint(0, -120),
            Qt.MouseButton.NoButton,
            Qt.KeyboardModifier.NoModifier,
            Qt.ScrollPhase.NoScrollPhase,
            False,
        )
        QApplication.sendEvent(widget, turn)
        assert bar.value() > 0, widget
    assert (dock.tab.scope_box.currentIndex(), dock.windows.fields.center.value(), dock.tabs.currentIndex()) == before
    bar.setValue(0)
    panel.activateWindow()
    dock.values.enter()
    if dock.values.view.hasFocus():  # without a window manager a floating dock may not get the keyboard
        assert bar.value() > 0


def test_the_width_of_the_dock_is_remembered(qtbot: Any, viewer: Any, dock: Any, monkeypatch: Any) -> None:
    from napari_dicommeta._napari.settings import remembered

    (panel,) = [one for one in viewer.window._qt_window.findChildren(QDockWidget) if one.isAncestorOf(dock)]
    buttons = [Qt.MouseButton.LeftButton]
    monkeypatch.setattr(QApplication, "mouseButtons", staticmethod(lambda: buttons[0]))
    viewer.window._qt_window.resizeDocks([panel], [480], Qt.Orientation.Horizontal)
    qtbot.waitUntil(lambda: remembered("width", 0) == 480, timeout=5000)
    buttons[0] = Qt.MouseButton.NoButton  # not dragged: the window became smaller, or a program did it
    viewer.window._qt_window.resizeDocks([panel], [350], Qt.Orientation.Horizontal)
    qtbot.waitUntil(lambda: dock.width() == 350, timeout=5000)
    assert not dock.settings._width_timer.isActive()
    dock.settings.recall()
    qtbot.waitUntil(lambda: dock.width() == 480, timeout=5000)
    dock.findings.splitter.splitterMoved.emit(10, 1)
    assert [int(size) for size in remembered("findings_sizes", "").split(",")] == dock.findings.splitter.sizes()


def test_empty_tabs_say_what_to_do(qtbot: Any, dock: Any, tmp_path: Path) -> None:
    def words() -> list[str]:
        return [
            dock.series.empty.text(),
            dock.values.explanation.text(),
            dock.sheet.words.text(),
            dock.findings.summary.text(),
        ]

    for text in words():
        assert "Open…" in text
    (tmp_path / "none").mkdir()
    (tmp_path / "none" / "a.txt").write_text("no DICOM")
    read(qtbot, dock, tmp_path / "none")
    for index in range(4):
        dock.tabs.setCurrentIndex(index)
    for text in words():
        assert "a.txt" in text
        assert "Open…" in text
        assert "filter" not in text
    read(qtbot, dock, two_series(tmp_path / "s"))
    dock.tabs.setCurrentWidget(dock.sheet)
    dock.exploration.set_filter("KVP", slice(1.0, 2.0))
    assert dock.sheet.words.text() == "No image matches all filters. Remove a filter above."


@pytest.mark.parametrize("theme", ["dark", "light", "system"])
def test_what_is_painted_can_be_read_on_each_ground(theme: str) -> None:
    from napari.utils.theme import get_theme

    colors = theme_colors(theme)
    background = type(colors.text)(get_theme(theme).background.as_hex())
    for ground in (background, colors.foreground):
        for color in (colors.text, colors.faint, colors.accent, colors.warning, colors.error):
            assert contrast(color, ground) >= TEXT
        assert contrast(colors.muted, ground) >= GRAPHIC
    for color in (colors.text, colors.faint, colors.accent, colors.warning, colors.error):
        assert contrast(color, colors.selection) >= TEXT
    assert contrast(colors.text, colors.faint) > 1.6  # beside the point at first sight, in each theme
    for share in (0, 0.01, 0.3, 0.7, 1):
        ground = heat(colors, share)
        assert contrast(readable_on(ground), ground) >= TEXT
    assert contrast(type(colors.text)("white"), type(colors.text)("black")) == pytest.approx(21)


def test_an_export_asks_anew_for_each_source_what_may_identify(qtbot: Any, dock: Any, tmp_path: Path) -> None:
    assert not dock.tab.export.tags.isEnabled()
    read(qtbot, dock, two_series(tmp_path / "s"))
    choose_tag(qtbot, dock, "KVP")
    assert dock.tab.export.tags.isEnabled()
    dock.tab.export.full.setChecked(True)
    read(qtbot, dock, two_series(tmp_path / "again"))
    assert not dock.tab.export.full.isChecked()


def test_a_target_that_cannot_be_written_is_named(qtbot: Any, dock: Any, tmp_path: Path) -> None:
    read(qtbot, dock, two_series(tmp_path / "s"))
    choose_tag(qtbot, dock, "KVP")
    target = tmp_path / "missing" / "values.csv"
    before = len(notification_manager.records)
    dock.exports.export("values", str(target), full=False)
    qtbot.waitUntil(lambda: len(notification_manager.records) > before, timeout=5000)
    words = str(notification_manager.records[-1].message)
    assert words.startswith(f"Nothing was written: {target}")
    assert ".new-" not in words


def test_no_picture_of_bars_names_the_series_or_counts_its_files(qtbot: Any, dock: Any, tmp_path: Path) -> None:
    from napari_dicommeta._napari.tasks.export import bars_to_show

    for i in range(12):
        write_series(
            tmp_path / "p" / str(i),
            2,
            PatientID=f"P{i}",
            PatientName=f"Name^{i}",
            SeriesInstanceUID=f"1.2.{i}",
            StudyInstanceUID=f"1.3.{i}",
            SeriesDescription="Anna born 1944",
            KVP=120,
        )
    read(qtbot, dock, tmp_path / "p")
    choose_tag(qtbot, dock, "KVP")
    shown = dock.exploration.picture()
    assert "Anna" in shown.part_name
    closed, _ = bars_to_show(shown, shown.whole, shown.part, full=False)
    assert [(bar.text, bar.files, bar.part, bar.note) for bar in closed.histogram.bars] == [("120", 24, 0, "")]
    assert (closed.part_name, closed.histogram.part_files) == ("", 0)
    full, _ = bars_to_show(shown, shown.whole, shown.part, full=True)
    assert [(bar.text, bar.files, bar.part) for bar in full.histogram.bars] == [("120", 24, 2)]
    assert "Anna" in full.part_name
