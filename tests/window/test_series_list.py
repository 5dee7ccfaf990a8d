"""The list of series as it is read, searched, folded and moved."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from dicom_factory import write_series
from qtpy.QtCore import QModelIndex, QRect, Qt
from qtpy.QtWidgets import QApplication
from window_driver import open_series, read

from napari_dicommeta._napari.settings import remembered
from napari_dicommeta._napari.state.settings import WIDTHS
from napari_dicommeta._napari.tasks.rows import SeriesRow
from napari_dicommeta._napari.widgets.colors import theme_colors
from napari_dicommeta._napari.widgets.series_delegate import ARROW_WIDTH
from napari_dicommeta._napari.widgets.series_tab import SeriesTab

ROWS = (
    SeriesRow(name="1 Axial", modality="CT", size="275 × 512 × 512", files=275, patient="P", study_uid="1"),
    SeriesRow(name="1 Axial", modality="CT", size="80 × 512 × 512", files=80, patient="Q", study_uid="2", number=1),
    SeriesRow(name="2 RTSTRUCT", modality="RTSTRUCT", size="no images", patient="P", study_uid="1", number=2),
)
ROWS = (*ROWS[:2], replace(ROWS[2], has_images=False, reason="the series contains no images"))


def texts_of(tree: SeriesTab, parent: QModelIndex | None = None) -> list[str]:
    model, found = tree.model, []
    for row in range(model.rowCount(parent)):
        index = model.index(row, 0, parent)
        found += [model.data(index), *(texts_of(tree, index) if tree.table.isExpanded(index) else [])]
    return found


def two_kernels(folder: Path) -> Path:
    write_series(folder / "b", 4, SeriesNumber=2, SeriesDescription="Bone", ConvolutionKernel="B70s")
    changes = {"SeriesInstanceUID": "1.2.7", "StudyInstanceUID": "1.2.8", "PatientID": "Q7"}
    write_series(folder / "s", 6, SeriesNumber=3, SeriesDescription="Soft", ConvolutionKernel="B31f", **changes)
    return folder


def test_a_row_says_what_it_is_and_leaves_out_the_least_where_there_is_no_room() -> None:
    row = replace(ROWS[0], spacing="1 mm", units="HU", problems=2, matches=7)
    assert row.line == "CT · 275 × 512 × 512 · 1 mm · HU"
    assert row.lines == (row.line, "CT · 275 × 512 × 512 · 1 mm", "CT · 275 × 512 × 512")
    assert (row.extent, row.badge) == ("7 of 275", "2 notes")
    assert replace(row, reason="no pixels").badge == "cannot be opened"


def test_each_study_has_a_head_and_what_has_no_images_is_folded(qtbot: Any, qtmodeltester: Any) -> None:
    tree = SeriesTab()
    qtbot.addWidget(tree)
    tree.resize(400, 300)
    tree.show()
    tree.set_rows(ROWS)
    qtmodeltester.check(tree.model)
    assert texts_of(tree) == ["P · ", "1 Axial", "Q · ", "1 Axial", "1 without images"]
    rest = tree.model.index(2, 0)
    place = tree.table.visualRect(rest)
    qtbot.mouseClick(tree.table.viewport(), Qt.MouseButton.LeftButton, pos=place.topLeft() + tree.rect().topLeft())
    assert texts_of(tree)[-1] == "2 RTSTRUCT"
    tree.set_rows(ROWS)  # as after a filter: what was unfolded stays so
    assert texts_of(tree)[-1] == "2 RTSTRUCT"
    tree.set_rows(ROWS[2:])
    assert texts_of(tree) == ["2 RTSTRUCT"]  # nothing but that: nothing to fold


def test_the_head_stays_while_its_rows_scroll(qtbot: Any) -> None:
    tree = SeriesTab()
    qtbot.addWidget(tree)
    tree.resize(400, 200)
    tree.show()
    rows = tuple(replace(ROWS[n >= 9], number=n, study="head") for n in range(18))
    tree.set_rows(rows)
    assert not tree.head.isVisible()
    tree.table.scrollTo(tree.model.index_of(6), tree.table.ScrollHint.PositionAtTop)
    assert (tree.head.isVisible(), tree.head.text) == (True, "P · head")
    tree.table.scrollTo(tree.model.index_of(17), tree.table.ScrollHint.PositionAtBottom)
    assert tree.head.text == "Q · head"


def test_a_picture_is_asked_for_once_and_for_what_is_in_sight_only(qtbot: Any) -> None:
    tree = SeriesTab()
    qtbot.addWidget(tree)
    tree.resize(400, 200)
    tree.show()
    with qtbot.waitSignal(tree.pictures_wanted) as signal:
        tree.set_rows(tuple(replace(ROWS[0], number=n) for n in range(300)))
    assert signal.args[0][0] == 0
    assert len(signal.args[0]) < 10
    for number in signal.args[0]:
        tree.set_picture(number, np.zeros((20, 40), np.uint8) if number else None)
    size = tree.model.data(tree.model.index_of(1), Qt.ItemDataRole.DecorationRole).deviceIndependentSize()
    assert (size.width(), size.height()) == (36, 18)
    with qtbot.waitSignal(tree.pictures_wanted) as signal:
        tree.table.scrollTo(tree.model.index_of(299))
    assert min(signal.args[0]) > 200


def test_the_search_takes_words_and_values_and_enter_makes_a_filter(
    qtbot: Any, viewer: Any, dock: Any, tmp_path: Path
) -> None:
    read(qtbot, dock, two_kernels(tmp_path / "s"))
    dock.tabs.setCurrentWidget(dock.series)
    field = dock.series.search.field

    def names() -> list[str]:
        return [row.name for row in dock.series.model.rows]

    for text, found in (
        ("soft", ["3 Soft"]),
        ("q7 ct", ["3 Soft"]),
        ("kernel=b70S", ["2 Bone"]),
        ("kernal = B31", ["3 Soft"]),  # misspelled, and the beginning of the value
        ("rows=16", ["3 Soft", "2 Bone"]),
        ("bone kernel=B31f", []),
        ("nothing=1", []),
    ):
        field.setText("")
        qtbot.keyClicks(field, text)
        assert names() == found, text
    assert "No series matches" in dock.series.empty.text()
    qtbot.keyClick(field, Qt.Key.Key_Escape)
    assert names() == ["3 Soft", "2 Bone"]
    qtbot.keyClicks(field, "soft kernel=B31f")
    qtbot.keyClick(field, Qt.Key.Key_Return)
    assert dock.exploration.selection.filters == (("ConvolutionKernel", ("B31f",)),)
    assert field.text() == "soft"
    qtbot.keyClick(field, Qt.Key.Key_Down)
    assert QApplication.focusWidget() is dock.series.table


def test_rows_get_pictures_and_the_sizes_they_open_with(qtbot: Any, viewer: Any, dock: Any, tmp_path: Path) -> None:
    write_series(
        tmp_path / "s", 6, ImagePositionPatient=lambda k: [0, 0, 5 * (k // 2)], AcquisitionNumber=lambda k: 1 + k % 2
    )
    read(qtbot, dock, tmp_path / "s")
    dock.tabs.setCurrentWidget(dock.series)
    qtbot.waitUntil(lambda: 0 in dock.series.model.pictures, timeout=10_000)
    qtbot.waitUntil(lambda: dock.series.model.rows[0].notes is not None, timeout=10_000)
    assert dock.series.model.rows[0].line.startswith("CT · 2 × 3 × 16 × 12 · 5 mm")


def test_the_marked_series_stays_in_sight(qtbot: Any) -> None:
    tree = SeriesTab()
    qtbot.addWidget(tree)
    tree.resize(400, 400)
    tree.show()
    rows = tuple(replace(ROWS[0], name=f"{n} Axial", number=n) for n in range(30))
    tree.set_rows(rows)
    tree.select(12)

    def is_in_sight() -> bool:
        place = tree.table.visualRect(tree.model.index_of(12))
        top = tree.head.height() if tree.head.isVisible() else 0
        return place.isValid() and place.top() >= top and place.bottom() <= tree.table.viewport().height()

    assert is_in_sight()
    tree.table.verticalScrollBar().setValue(tree.table.verticalScrollBar().maximum())
    tree.marked.show()
    assert is_in_sight(), "the head of the study covers it"
    tree.set_rows((*(replace(row, number=row.number + 100) for row in rows), *rows))  # as more files are read
    assert is_in_sight()
    tree.set_row(replace(rows[12], notes=("Slices are unevenly spaced",) * 2, problems=1))  # shown below the tree
    qtbot.waitUntil(is_in_sight)
    tree.resize(400, 220)
    qtbot.waitUntil(is_in_sight)
    tree.set_rows(rows[:3], rows)
    tree.set_rows(rows)  # a filter that hid it is gone
    assert is_in_sight()
    tree.set_row(replace(rows[11], volumes=tuple("abcdef")))
    assert is_in_sight()
    tree.table.verticalScrollBar().setValue(0)
    tree.set_rows(rows[:29], rows)
    assert tree.table.verticalScrollBar().value() == 0, "whoever has scrolled away stays there"


def test_a_low_list_leaves_its_place_to_the_series(qtbot: Any) -> None:
    tree = SeriesTab()
    qtbot.addWidget(tree)
    tree.show()
    tree.resize(400, 800)
    notes = tuple(f"note {n}" for n in range(9))
    tree.set_rows((replace(ROWS[0], notes=notes),))
    tree.select(0)
    assert tree.notes.text().count("note ") == 6
    tree.resize(400, 260)
    assert tree.notes.text().splitlines()[2:] == ["… and 7 more"]
    assert "note 8" in tree.notes.toolTip()


def test_what_has_no_picture_has_a_sign(qtbot: Any) -> None:
    tree = SeriesTab()
    qtbot.addWidget(tree)
    tree.resize(400, 500)
    tree.set_colors(theme_colors("dark"))
    kinds = ("RTSTRUCT", "SR", "RTPLAN", "ECG", "PR", "CT")
    rows = [replace(ROWS[2], number=n, modality=kind, has_pictures=False) for n, kind in enumerate(kinds[:-1])]
    tree.set_rows((*rows, replace(ROWS[0], number=5)))
    tree.table.expandAll()
    tree.show()
    image = tree.table.viewport().grab().toImage()

    def colors_of(number: int) -> int:
        """Count the colors where the picture of a series would be."""
        place = tree.table.visualRect(tree.model.index_of(number))
        ground = QRect(place.x() + ARROW_WIDTH + 4, place.center().y() - 12, 24, 24)
        xs, ys = (range(start, start + 24) for start in (ground.x(), ground.y()))
        return len({image.pixel(x, y) for x in xs for y in ys})

    assert [colors_of(n) > 1 for n in range(6)] == [True] * 5 + [False]  # the picture of the last is still to come


def test_the_reason_for_a_refusal_goes_with_the_next_series(qtbot: Any, viewer: Any, dock: Any, tmp_path: Path) -> None:
    write_series(tmp_path / "s" / "good", 5, SeriesNumber=1)
    write_series(tmp_path / "s" / "fine", 4, SeriesNumber=2, SeriesInstanceUID="1.2.7")
    write_series(tmp_path / "s" / "bad", 3, SeriesNumber=3, SeriesInstanceUID="1.2.8", RescaleSlope="0")
    (tmp_path / "s" / "note.txt").write_text("not DICOM")
    read(qtbot, dock, tmp_path / "s")
    of_source = dock.series.problems.text()
    assert "note.txt" in of_source
    for row in (1, 0):  # one that is opened now, and one that is open
        open_series(qtbot, dock, 2)
        assert "cannot be opened" in dock.series.problems.text()
        open_series(qtbot, dock, row)
        assert dock.series.problems.text() == of_source


def test_no_picture_is_made_for_the_rows_of_another_source(qtbot: Any, dock: Any, tmp_path: Path) -> None:
    read(qtbot, dock, two_kernels(tmp_path / "two"))
    dock.tabs.setCurrentWidget(dock.series)
    qtbot.waitUntil(lambda: len(dock.series.model.pictures) == 2)
    before = dock.opened
    write_series(tmp_path / "one", 5, SeriesInstanceUID="1.2.9")
    asked: list[bool] = []

    def ask() -> None:
        """Ask as the timer of the rows does, whose rows are still those of two series."""
        if dock.opened is not before and len(dock.series.model.rows) == 2:
            dock.series.pictures_wanted.emit((0, 1))
            asked.append(dock.workers.is_running("series pictures"))

    dock.workers.opened.connect(ask)
    read(qtbot, dock, tmp_path / "one")
    assert asked == [False]
    qtbot.waitUntil(lambda: set(dock.series.model.pictures) == {0})


def test_the_dock_opens_with_its_share_of_the_window_and_moves_below_the_canvas_and_back(
    qtbot: Any, viewer: Any, dock: Any, tmp_path: Path
) -> None:
    read(qtbot, dock, two_kernels(tmp_path / "s"))
    qtbot.waitUntil(lambda: WIDTHS[0] <= dock.width() <= WIDTHS[1], timeout=5000)
    qtbot.mouseClick(dock.source.move_button, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: dock.columns.count() == 2, timeout=5000)
    assert remembered("below", None) is True
    assert dock.tabs.indexOf(dock.series) < 0
    parts = (dock.presets, dock.series.table, dock.tags.table, dock.values)
    dock.tabs.setCurrentWidget(dock.tab)
    qtbot.waitUntil(lambda: all(part.isVisible() for part in parts), timeout=5000)
    assert dock._area.widget().minimumSizeHint().width() <= dock.width()
    tree = dock.series.table
    qtbot.waitUntil(lambda: tree.viewport().rect().contains(tree.visualRect(tree.currentIndex())))
    lefts = [part.mapTo(dock, part.rect().topLeft()).x() for part in parts]
    assert lefts == sorted(set(lefts))  # side by side, in this order
    assert len(dock.series.model.rows) == 2
    qtbot.mouseClick(dock.source.move_button, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: dock.columns.count() == 1, timeout=5000)
    assert remembered("below", None) is False
    assert dock.tabs.indexOf(dock.series) == 0
    assert dock.tabs.currentWidget() is dock.tab
    assert dock._area.widget().minimumSizeHint().width() <= 350  # nothing is cut at the least width that is promised
