"""Folders and links for which storage never answers: they are listed, and so is the rest."""

from __future__ import annotations

import os
import sys
import threading
from pathlib import Path

import pytest
from dicom_factory import write_series
from hanging import hang_in_processes, hanging_calls, patience

import napari_dicommeta as dm
from napari_dicommeta.scanning import pending_calls, source_marks
from napari_dicommeta.scanning.listing import list_files
from napari_dicommeta.scanning.source_marks import folder_marks

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="links are those of Linux")

REASON = "not listed: the storage did not answer a request within 0.2 s; check the connection, and scan again"


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    patience(monkeypatch, 0.2)
    monkeypatch.setattr(pending_calls, "LOOK_SECONDS", 0.02)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("a", "dead", "dead/below", "z"):
        write_series(tmp_path / "in" / name, 2)
    return tmp_path / "in"


def listed(catalog: dm.Catalog) -> dict[str, tuple[str, str]]:
    return {Path(failure.path).name: (failure.outcome, failure.reason) for failure in catalog.failures}


def assert_no_threads() -> None:
    for thread in threading.enumerate():
        if thread.name == "dicommeta-list":
            thread.join(5)
            assert not thread.is_alive()


@pytest.mark.parametrize("is_cached", [False, True])
def test_a_folder_that_is_not_answered_is_listed_and_the_rest_is_read(
    folder: Path, monkeypatch: pytest.MonkeyPatch, is_cached: bool
) -> None:
    with hanging_calls(monkeypatch, "scandir", {"dead"}) as hung:
        catalog = dm.scan(folder, workers=1, cache=is_cached)
    assert hung == {"dead"}
    assert listed(catalog) == {"dead": ("timed out", REASON)}
    assert {Path(path).parent.name for path in catalog.paths} == {"a", "z"}
    assert not any(failure.is_harmless for failure in catalog.failures)
    assert_no_threads()
    again = dm.scan(folder, workers=1, cache=is_cached)
    assert (again.n_files, again.failures) == (8, ())


def test_a_link_that_is_not_answered_costs_only_itself(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "a" / "link").symlink_to(folder / "dead")
    with hanging_calls(monkeypatch, "stat", {"link"}):
        catalog = dm.scan(folder, workers=1)
    assert listed(catalog) == {"link": ("timed out", REASON)}
    assert catalog.n_files == 8


def test_a_source_that_is_not_answered_is_listed_beside_others_and_alone_an_error(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with hanging_calls(monkeypatch, "stat", {"dead"}):
        catalog = dm.scan([folder / "dead", folder / "a"], workers=1)
        with pytest.raises(TimeoutError, match=r"did not answer a request within 0\.2 s.*dead"):
            dm.scan(folder / "dead", workers=1)
    assert listed(catalog) == {"dead": ("timed out", REASON)}
    assert catalog.n_files == 2


def test_an_archive_whose_listing_hangs_is_listed(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import zipfile

    with zipfile.ZipFile(folder / "m.zip", "w") as archive:
        for path in (folder / "a").iterdir():
            archive.write(path, path.name)
    with hanging_calls(monkeypatch, "open", {"m.zip"}):
        catalog = dm.scan(folder, workers=1)
    assert listed(catalog) == {"m.zip": ("timed out", REASON)}
    assert catalog.n_files == 8


def test_after_some_links_of_a_folder_the_others_are_not_tried(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = {f"link{number}" for number in range(9)}
    for name in names:
        (folder / "a" / name).symlink_to(folder / "dead")
    with hanging_calls(monkeypatch, "stat", names) as hung:
        entries = [entry for entry in list_files([str(folder)]) if not isinstance(entry, str)]
    assert (len(hung), len(entries)) == (4, 9)
    assert {entry.outcome for entry in entries} == {"timed out"}


def test_marking_folders_in_processes_goes_on_without_one(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(source_marks, "MAX_MARKED_ALONE", 0)
    hang_in_processes(monkeypatch, tmp_path / "site", {"dead"}, 0.2)
    marks = folder_marks([str(folder)], workers=2)
    assert {Path(path).name for path, mark in marks.items() if mark} == {"in", "a", "z"}
    assert marks[str(folder / "dead")] == ""


def test_cancelling_does_not_wait_for_a_listing(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    patience(monkeypatch, 1e9)
    with hanging_calls(monkeypatch, "scandir", {"dead"}) as hung:
        steps = dm.iter_scan(folder, workers=1)
        while not hung:
            next(steps)
        next(steps)
        steps.close()
    assert_no_threads()


def test_a_long_listing_of_an_archive_is_no_silence(monkeypatch: pytest.MonkeyPatch) -> None:
    from itertools import count

    from napari_dicommeta.support.generators import result_of

    looks = count()
    calls, waits = pending_calls.PendingCalls(), threading.Event()
    steps = calls.answer(lambda _: waits.wait(5), "x.tar", lambda: next(looks))
    for number, _ in enumerate(steps):
        if number == 30:  # three times as long as without progress
            waits.set()
    with pytest.raises(TimeoutError):
        result_of(calls.answer(lambda _: threading.Event().wait(1), "x.tar"))
    calls.close()


def test_errors_of_a_call_are_those_of_the_listing(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        dm.scan(tmp_path / "none")
    (tmp_path / "closed").mkdir(mode=0)
    if os.geteuid():
        (entry,) = list_files([str(tmp_path)])
        assert not isinstance(entry, str)
        assert entry.reason == "the folder cannot be read: Permission denied"


def test_a_window_waits_only_briefly(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = pending_calls.BriefCalls(0.02)
    assert calls.answer(os.path.isdir, str(folder), False)
    with pytest.raises(FileNotFoundError):
        calls.answer(os.stat, str(folder / "none"), None)
    with hanging_calls(monkeypatch, "stat", {"dead"}) as hung:
        for name in ("dead", "a"):  # the second is not asked for while the first has no answer
            assert calls.answer(os.stat, str(folder / name), None) is None
    assert hung == {"dead"}
    assert_no_threads()
    assert calls.answer(os.stat, str(folder / "dead"), None) is not None


def test_the_reader_leaves_what_hangs_to_the_scan(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from napari_dicommeta._napari import reader

    monkeypatch.setattr(reader, "_PROBE_SECONDS", 0.02)
    with hanging_calls(monkeypatch, "scandir", {"in"}):
        assert reader.get_reader(str(folder)) is reader.read
    assert_no_threads()
