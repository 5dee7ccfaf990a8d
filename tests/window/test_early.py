"""The first picture of a source that is still being read."""

from __future__ import annotations

import threading
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from dicom_factory import dose, segmentation, write_series
from window_driver import drop, visible, wait_until_read

import napari_dicommeta as dm
from napari_dicommeta._napari.tasks.early import early_source


class Held:
    """A scan that goes on only when it is let go."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        from napari_dicommeta._napari.tasks import open as opening

        self.iter_scan, self.goes_on, self.fails = opening.iter_scan, threading.Event(), False
        self.reports: list[Any] = []
        monkeypatch.setattr(opening, "iter_scan", self.scan)
        monkeypatch.setattr(opening, "FIRST_PARTIAL", 0.0)

    def scan(self, *arguments: Any, **options: Any) -> Any:
        steps = self.iter_scan(*arguments, **options)
        yield next(steps)
        while not self.goes_on.wait(0.02):
            if self.reports:
                yield self.reports.pop()
        if self.fails:
            raise OSError("the disk is gone")
        while True:
            try:
                yield next(steps)
            except StopIteration as stop:
                return stop.value


@pytest.fixture
def held(monkeypatch: pytest.MonkeyPatch) -> Held:
    return Held(monkeypatch)


def two_patients(folder: Path) -> Path:
    write_series(folder / "a", 5, SeriesInstanceUID="1.2.1", SeriesDescription="early")
    changes = {"SeriesInstanceUID": "1.2.2", "StudyInstanceUID": "1.9", "PatientID": "Q"}
    write_series(folder / "b", 9, SeriesDescription="late", **changes)
    return folder


def names(dock: Any) -> list[str]:
    return [row.name.split()[-1] for row in dock.series.model.rows]


def begin(qtbot: Any, viewer: Any, dock: Any, folder: Path) -> None:
    drop(dock, folder)
    qtbot.waitUntil(lambda: visible(viewer) == [5] and not dock.layer_queue.is_adding, timeout=20_000)
    assert dock.workers.is_scanning


def test_a_picture_is_there_before_all_is_read_and_stays(
    qtbot: Any, viewer: Any, dock: Any, tmp_path: Path, held: Held
) -> None:
    begin(qtbot, viewer, dock, two_patients(tmp_path / "s"))
    assert names(dock) == ["early"]
    assert [row.is_open for row in dock.series.model.rows] == [True]
    assert dock.series.chosen() == (0,)
    layer = viewer.layers[0]
    viewer.dims.set_current_step(0, 1)  # the user scrolls meanwhile
    held.goes_on.set()
    wait_until_read(qtbot, dock)
    assert names(dock) == ["late", "early"]
    assert [row.is_open for row in dock.series.model.rows] == [False, True]
    assert list(viewer.layers) == [layer]  # neither added again nor replaced
    assert viewer.dims.current_step[0] == 1
    assert dm.catalog_of(layer).n_files == 14
    assert dock.source.title.text() == "s"
    assert dock.exploration.selection is not None


def test_a_source_that_is_read_while_its_picture_is_added_waits_for_that(
    qtbot: Any, viewer: Any, dock: Any, tmp_path: Path, held: Held
) -> None:
    drop(dock, two_patients(tmp_path / "s"))
    qtbot.waitUntil(lambda: dock.growth.early is not None and dock.layer_queue.is_adding, timeout=20_000)
    dock._opened(dock.growth.early)
    assert dock.opened is None
    held.goes_on.set()
    wait_until_read(qtbot, dock)
    assert visible(viewer) == [5]
    assert len(viewer.layers) == 1


def test_series_fill_as_they_are_read_and_can_be_opened_meanwhile(
    qtbot: Any, viewer: Any, dock: Any, tmp_path: Path, held: Held
) -> None:
    from types import SimpleNamespace

    folder = two_patients(tmp_path / "s")
    begin(qtbot, viewer, dock, folder)
    catalog = dm.scan(folder)
    held.reports.append(SimpleNamespace(done=14, found=20, listed=False, tables=(1,), catalog=lambda: catalog))
    qtbot.waitUntil(lambda: names(dock) == ["late", "early"], timeout=20_000)
    assert dock.series.chosen() == (1,)  # the row of the active layer, wherever it is now
    dock.series.series_activated.emit(((0, None),), False)
    qtbot.waitUntil(lambda: visible(viewer) == [9] and not dock.layer_queue.is_adding, timeout=20_000)
    assert dock.workers.is_scanning
    held.goes_on.set()
    wait_until_read(qtbot, dock)
    assert visible(viewer) == [9]
    assert [row.is_open for row in dock.series.model.rows] == [True, True]


def test_a_series_that_was_shown_without_all_its_files_is_shown_with_them(
    qtbot: Any, viewer: Any, dock: Any, tmp_path: Path, held: Held
) -> None:
    place = {"ImagePositionPatient": lambda k: [0, 0, 100 + 2.5 * k], "SOPInstanceUID": lambda k: f"1.2.5.{k}"}
    write_series(tmp_path / "s" / "a", 5, SeriesInstanceUID="1.2.1", ImagePositionPatient=lambda k: [0, 0, 2.5 * k])
    write_series(tmp_path / "s" / "b", 9, SeriesInstanceUID="1.2.1", **place)
    begin(qtbot, viewer, dock, tmp_path / "s")
    held.goes_on.set()
    wait_until_read(qtbot, dock)
    qtbot.waitUntil(lambda: visible(viewer) == [14], timeout=20_000)
    assert len(viewer.layers) == 1


@pytest.mark.parametrize("is_failing", [True, False])
def test_what_was_shown_stays_when_reading_stops(
    qtbot: Any, viewer: Any, dock: Any, tmp_path: Path, held: Held, is_failing: bool
) -> None:
    begin(qtbot, viewer, dock, two_patients(tmp_path / "s"))
    if is_failing:
        held.fails = True
        held.goes_on.set()
    else:
        dock.cancel()
        held.goes_on.set()
    wait_until_read(qtbot, dock)
    qtbot.waitUntil(lambda: dock.opened is not None, timeout=10_000)
    assert visible(viewer) == [5]
    assert dock.source.amount.text() == "5 files · 1 series"
    assert ("the disk is gone" in dock.series.problems.text()) is is_failing


def test_the_first_folder_with_images_counts_and_a_series_that_is_passed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from napari_dicommeta._napari.tasks import early

    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "README").write_text("no DICOM")
    assert early_source([str(tmp_path)]) is None
    names = {"SeriesInstanceUID": "1.2.1"}, {"SeriesInstanceUID": "1.2.2", "SeriesNumber": 2}
    write_series(tmp_path / "b", 8, **names[0])
    for path in sorted((tmp_path / "b").iterdir()):
        path.rename(path.with_name(f"0{path.name}"))
    write_series(tmp_path / "b", 30, **names[1])
    found = early_source([str(tmp_path)])
    assert found is not None
    assert found.volumes[0].array.shape[0] == 30  # all of the folder is read: its largest series
    monkeypatch.setattr(early, "MAX_FILES", 29 + 1)
    found = early_source([str(tmp_path)])
    assert found is not None
    assert found.volumes[0].array.shape[0] == 8  # the other one may go on
    monkeypatch.setattr(early, "MAX_FILES", 20)
    assert early_source([str(tmp_path)]) is None


def test_what_lies_over_images_is_no_first_picture(tmp_path: Path) -> None:
    plane = np.ones((16, 12), np.uint8)
    places = [{"ReferencedSegmentNumber": 1, "ImagePositionPatient": [0, 0, 0]}]
    (tmp_path / "seg.dcm").write_bytes(segmentation([plane], places, SeriesInstanceUID="1.2.8"))
    (tmp_path / "dose.dcm").write_bytes(dose([plane.astype("<u2")] * 2, [0, 5], SeriesInstanceUID="1.2.9"))
    assert early_source([str(tmp_path)]) is None
    write_series(tmp_path / "ct", 5)
    found = early_source([str(tmp_path)])
    assert found is not None
    assert [volume.modality for volume in found.volumes] == ["CT"]


def test_the_first_folder_with_images_may_be_in_an_archive(tmp_path: Path) -> None:
    write_series(tmp_path / "b", 4, SeriesInstanceUID="1.2.1")
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        archive.writestr("a/README", "no DICOM")
        for path in (tmp_path / "b").iterdir():
            archive.write(path, f"c/{path.name}")
    for source in (tmp_path / "x.zip", tmp_path / "x.zip" / "c"):
        found = early_source([str(source)])
        assert found is not None
        assert found.volumes[0].array.shape[0] == 4
        assert found.root_of(found.volumes[0]) == str(source)
