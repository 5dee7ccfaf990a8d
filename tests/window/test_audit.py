"""Labels in the window: which tags of the open folder predict them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from dicom_factory import write_series
from qtpy.QtCore import Qt
from window_driver import drop, read


def twelve_patients(folder: Path) -> Path:
    write_series(
        folder / "s",
        12,
        PatientID=lambda k: f"P{k}",
        StudyInstanceUID=lambda k: f"1.2.{k}",
        SeriesInstanceUID=lambda k: f"1.2.{k}.1",
        KVP=lambda k: (100, 120)[k % 2],
        ConvolutionKernel=lambda k: ("B31f", "B70s")[k // 6],
    )
    return folder / "s"


def labels(folder: Path, *lines: str) -> Path:
    path = folder / "labels.csv"
    path.write_text("\n".join(("patient,cancer", *lines)))
    return path


def warnings() -> list[str]:
    from napari.utils.notifications import notification_manager

    return [notification.message for notification in notification_manager.records]


def test_a_dropped_csv_of_labels_ranks_the_tags_that_predict_them(
    qtbot: Any, viewer: Any, dock: Any, tmp_path: Path
) -> None:
    path = labels(tmp_path, *(f"P{k},{k % 2}" for k in range(12)), "P99,1")
    panel = dock.tab.audit
    drop(dock, path)
    assert warnings()[-1] == "Open the DICOM folder first, then drop its labels."
    read(qtbot, dock, twelve_patients(tmp_path))
    opened = dock.opened
    drop(dock, path)
    assert dock.tabs.currentWidget() is dock.tab
    assert panel.title.text() == "Scoring all tags by labels.csv…"
    qtbot.waitUntil(lambda: len(panel.model.rows) > 1)
    assert dock.opened is opened  # a table of labels is no source
    assert panel.title.text() == "1 shortcut · guessing: 50% · cancer in labels.csv"
    assert "12 keys matched by PatientID, 12 files\n1 key without files" in panel.title.toolTip()
    first = [panel.model.data(panel.model.index(0, column)) for column in range(3)]
    assert first == ["KVP", "100%", "▲ shortcut"]
    scores = [row.score for row in panel.model.rows]
    assert scores == sorted(scores, reverse=True)
    assert not any(row.is_shortcut for row in panel.model.rows[1:])
    assert (panel.isVisible(), dock.tags.isVisible()) == (True, False)
    kernel = next(row for row, tag in enumerate(panel.model.rows) if tag.keyword == "ConvolutionKernel")
    for row, keyword in ((kernel, "ConvolutionKernel"), (0, "KVP")):
        panel.table.scrollTo(panel.model.index(row, 0))
        place = panel.table.visualRect(panel.model.index(row, 0)).center()
        qtbot.mouseClick(panel.table.viewport(), Qt.MouseButton.LeftButton, pos=place)
        assert dock.exploration.query.keyword == keyword
    assert panel.isVisible()
    qtbot.mouseClick(panel.close_button, Qt.MouseButton.LeftButton)
    assert (panel.isVisible(), dock.tags.isVisible()) == (False, True)

    for lines, words in (
        (("P0,1", "P0,0"), "labels.csv, line 3: the same key has another label in line 2; keep one of these lines"),
        (("Q0,1", "Q1,0"), "labels.csv: none of the keys is a value of PatientID"),
    ):
        drop(dock, labels(tmp_path, *lines))
        qtbot.waitUntil(lambda words=words: warnings()[-1].startswith(words))
        assert (panel.isVisible(), dock.tags.isVisible()) == (False, True)
    dock.source.labels_chosen.emit(str(tmp_path / "none.csv"))
    qtbot.waitUntil(lambda: warnings()[-1].startswith("none.csv cannot be read: No such file"))

    dock.source.labels_chosen.emit(str(labels(tmp_path, *(f"P{k},{k % 2}" for k in range(12)))))
    qtbot.waitUntil(lambda: len(panel.model.rows) > 1)
    read(qtbot, dock, twelve_patients(tmp_path / "other"))
    assert not panel.isVisible()  # other files, for which it says nothing
