from __future__ import annotations

import errno
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from dicom_factory import ct_slice, write_series

import napari_dicommeta as dm
from napari_dicommeta.scanning import cache, first_reads, local, reading, source_marks
from napari_dicommeta.scanning import worker as worker_module
from napari_dicommeta.scanning.listing import list_files
from napari_dicommeta.scanning.recorder import Recorder
from napari_dicommeta.scanning.worker import Worker


def test_folders_files_and_several_sources(tmp_path: Path) -> None:
    write_series(tmp_path / "a", 3)
    write_series(tmp_path / "b" / "deep", 2)
    assert dm.scan(tmp_path).n_files == 5
    assert dm.scan([tmp_path / "a", tmp_path / "b" / "deep" / "im001.dcm"]).n_files == 4
    assert dm.scan([tmp_path, tmp_path / "a"]).n_files == 5  # each file once


def test_neighbors_that_are_no_dicom_are_listed(tmp_path: Path) -> None:
    write_series(tmp_path, 2)
    (tmp_path / "README").write_text("hello " * 50)
    (tmp_path / "fake.dcm").write_text("this is not DICOM\n" * 20)
    (tmp_path / "empty.dcm").write_bytes(b"")
    catalog = dm.scan(tmp_path)
    assert catalog.n_files == 2
    reasons = {Path(failure.path).name: failure.reason for failure in catalog.failures}
    assert reasons["empty.dcm"] == "the file is empty"
    assert "no DICM prefix" in reasons["fake.dcm"]
    kinds = {Path(failure.path).name: (failure.code, failure.is_harmless) for failure in catalog.failures}
    assert kinds == {"README": ("not-dicom", True), "fake.dcm": ("not-dicom", True), "empty.dcm": ("empty", False)}
    assert sum(catalog.outcomes.values()) == len(list(tmp_path.iterdir()))


@pytest.mark.parametrize("cache", [False, True])
def test_a_source_that_is_not_there_is_an_error_and_no_empty_catalog(tmp_path: Path, cache: bool) -> None:
    write_series(tmp_path / "a", 1)
    (tmp_path / "dangling").symlink_to("nowhere")
    for name in ("nowhere", "dangling", "a/im001.dcm/x"):
        for source in (tmp_path / name, [tmp_path / "a", tmp_path / name]):
            with pytest.raises(OSError, match=r"does not exist|Not a directory") as raised:
                dm.scan(source, cache=cache)
            assert raised.value.filename == str(tmp_path / name)
    with pytest.raises(ValueError, match="there is no source"):
        dm.scan([], cache=cache)
    with pytest.raises(FileNotFoundError):
        dm.scan("", cache=cache)


def test_a_path_that_is_gone_after_the_check_is_listed(tmp_path: Path) -> None:
    (entry,) = list_files([str(tmp_path / "nowhere")])
    assert entry == (str(tmp_path / "nowhere"), "vanished", "the file or folder does not exist", "")


def test_sources_of_all_kinds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "my home" / "CT 50 %"
    paths = write_series(folder, 3)
    monkeypatch.setenv("HOME", str(tmp_path / "my home"))
    monkeypatch.setenv("USERPROFILE", str(tmp_path / "my home"))
    assert dm.scan(path for path in paths).paths == dm.scan(folder).paths
    assert dm.scan("~/CT 50 %").paths == dm.scan(folder).paths
    assert dm.scan(folder.as_uri()).paths == dm.scan(folder).paths
    assert dm.scan(os.fsencode(folder)).paths == dm.scan(folder).paths
    assert dm.load(iter(paths))[0].array.shape == (3, 16, 12)
    monkeypatch.chdir(folder.parent)
    (folder.parent / "~odd").mkdir()
    assert dm.scan("~odd").n_files == 0  # a name that exists is not replaced


def test_a_damaged_file_is_not_harmless(tmp_path: Path) -> None:
    (tmp_path / "cut.dcm").write_bytes(ct_slice(0)[:-10])
    (failure,) = dm.scan(tmp_path).partial
    assert (failure.outcome, failure.code, failure.is_harmless) == ("partial", "", False)


@pytest.mark.skipif(sys.platform == "win32", reason="pipes, links and modes are POSIX")
def test_the_file_system_zoo(tmp_path: Path) -> None:
    write_series(tmp_path, 1)
    os.mkfifo(tmp_path / "pipe.dcm")
    (tmp_path / "dangling.dcm").symlink_to("nowhere")
    (tmp_path / "loop.dcm").symlink_to("loop.dcm")
    (tmp_path / "up").symlink_to("..")
    (tmp_path / "zero.dcm").symlink_to("/dev/zero")
    (tmp_path / "link.dcm").symlink_to("im001.dcm")
    (tmp_path / "folder.dcm").mkdir()
    other = tmp_path.parent / f"{tmp_path.name}-other"
    write_series(other, 1)
    (tmp_path / "elsewhere").symlink_to(other)
    (tmp_path / "single.dcm").symlink_to(other / "im001.dcm")
    catalog = dm.scan(tmp_path)
    assert [Path(path).name for path in catalog.paths] == ["im001.dcm"]
    assert {failure.outcome for failure in catalog.failures} == {"skipped"}
    assert {Path(failure.path).name: failure.reason for failure in catalog.failures} == {
        "pipe.dcm": "not a regular file",
        "dangling.dcm": "a link that leads nowhere",
        "loop.dcm": f"a link that leads nowhere: {os.strerror(errno.ELOOP)}",
        "up": "a link to a folder around this one, which is not followed",
        "zero.dcm": "a link to something that is not a regular file",
        "link.dcm": "a link to a file that is listed anyway",
        "elsewhere": "a link to a folder elsewhere, which is not followed",
        "single.dcm": "a link to a file elsewhere, which is not followed",
    }
    outside = {"elsewhere", "single.dcm"}
    assert {Path(failure.path).name for failure in catalog.failures if not failure.is_harmless} == outside
    # A link that is named is followed, as its owner wants it.
    named = [tmp_path / "elsewhere", tmp_path / "single.dcm", tmp_path / "link.dcm"]
    assert [dm.scan(path).n_files for path in named] == [1, 1, 1]


def start_processes_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local, "FIRST_SECONDS", 1e-9)
    monkeypatch.setattr(local, "MOST_FIRST_SECONDS", 1e-9)
    monkeypatch.setattr(local, "WORTH_SECONDS", -1e9)


def test_processes_and_one_process_give_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for i in range(6):
        write_series(tmp_path / f"s{i}", 8, SeriesInstanceUID=f"1.2.{i}", RescaleSlope=["1", "1.0"][i % 2])
    (tmp_path / "s0" / "note.txt").write_text("hello")
    alone = dm.scan(tmp_path, workers=1)
    start_processes_at_once(monkeypatch)
    steps = []
    together = dm.scan(tmp_path, workers=2, progress=steps.append)
    for by in ("meaning", "spelling"):
        assert together.to_arrow(by).to_pydict() == alone.to_arrow(by).to_pydict()
    assert together.failures == alone.failures
    assert together.tags() == alone.tags()


def test_closing_the_generator_ends_the_processes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[Worker] = []

    class Counted(Worker):
        def __init__(self) -> None:
            super().__init__()
            started.append(self)

    for i in range(4):
        write_series(tmp_path / f"s{i}", 10)
    start_processes_at_once(monkeypatch)
    monkeypatch.setattr(local, "REPORT_SECONDS", 0.0)
    monkeypatch.setattr(worker_module, "Worker", Counted)
    steps = dm.iter_scan(tmp_path, workers=2)
    assert next(steps).done == 0
    assert next(steps).done == 4
    steps.close()
    assert [worker._process.poll() is not None for worker in started] == [True, True]


def test_a_worker_that_dies_costs_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Dying(Worker):
        def read(self, paths):
            self._process.kill()
            return super().read(paths)

    write_series(tmp_path, 12)
    start_processes_at_once(monkeypatch)
    monkeypatch.setattr(worker_module, "Worker", Dying)
    assert dm.scan(tmp_path, workers=2).n_files == 12


def test_an_error_in_a_thread_ends_the_scan(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Failing(Worker):
        def read(self, request):
            raise MemoryError

    def fail(*_: object) -> None:
        raise MemoryError

    write_series(tmp_path, 12)
    start_processes_at_once(monkeypatch)
    monkeypatch.setattr(worker_module, "Worker", Failing)
    assert dm.scan(tmp_path, workers=2).n_files == 12  # its files are read by this process
    monkeypatch.setattr(local, "record", fail)
    with pytest.raises(MemoryError):
        dm.scan(tmp_path, workers=2)


def test_progress_holds_a_catalog_of_what_was_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_series(tmp_path, 200)
    monkeypatch.setattr(local, "REPORT_SECONDS", 0.0)
    monkeypatch.setattr(reading, "TURN_SECONDS", 0.0)
    monkeypatch.setattr(local, "TABLE_SHARE", 1e9)
    monkeypatch.setattr(local, "FIRST_SECONDS", 1e-9)
    seen = []
    dm.scan(tmp_path, progress=lambda step: seen.append((step.done, step.catalog().n_files)))
    assert seen[0] == (0, 0)
    assert all(done == counted for done, counted in seen)
    assert len(seen) > 2


def test_a_link_to_a_folder_that_is_listed_anyway_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "x").write_bytes(ct_slice(0))
    (tmp_path / "b").symlink_to("a")
    entries = list(list_files([str(tmp_path)]))
    assert entries[0] == str(tmp_path / "a" / "x")  # in the order of the paths
    assert [(Path(entry.path).name, entry.outcome) for entry in entries[1:]] == [("b", "skipped")]


def test_slow_storage_is_read_by_threads_with_the_same_result(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import threading

    from napari_dicommeta.scanning.first_reads import FirstReads, FirstWindow

    write_series(tmp_path, 200)
    (tmp_path / "note.txt").write_text("hello")
    quick = dm.scan(tmp_path)
    seen: set[str] = set()
    read = FirstReads.window

    def window(reads: FirstReads, path: str) -> FirstWindow:
        seen.add(threading.current_thread().name.split("_")[0])
        return read(reads, path)

    monkeypatch.setattr(FirstReads, "window", window)
    monkeypatch.setattr(reading, "SLOW_SECONDS", -1.0)
    slow = dm.scan(tmp_path)
    assert any("dicommeta-fetch" in name for name in seen)
    assert slow.to_arrow().to_pydict() == quick.to_arrow().to_pydict()
    assert slow.failures == quick.failures


def test_a_single_fetch_that_waited_does_not_make_storage_slow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Beside other threads and processes, one fetch in hundreds waits for milliseconds.
    import threading

    from napari_dicommeta.scanning.first_reads import FirstReads, FirstWindow

    paths = [str(path) for path in write_series(tmp_path, 200)]
    read, threads = FirstReads.window, set()

    def window(reads: FirstReads, path: str) -> FirstWindow:
        threads.add(threading.current_thread().name)
        if paths.index(path) % reading.STEP_FILES == 0:
            time.sleep(3 * reading.SLOW_SECONDS)
        return read(reads, path)

    monkeypatch.setattr(FirstReads, "window", window)
    monkeypatch.setattr(reading, "SLOW_SECONDS", 0.02)
    recorder = Recorder()
    assert list(reading.read_all(recorder, paths))[-1] == 200
    assert not recorder.reads.is_slow
    assert threads == {"dicommeta-read"}


def test_a_file_that_shrinks_below_the_prefix_was_cut_and_not_of_another_kind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (path,) = write_series(tmp_path, 1)
    read = os.read

    def shrinking(descriptor: int, count: int) -> bytes:
        os.truncate(path, 90)
        return read(descriptor, count)

    monkeypatch.setattr(first_reads.os, "read", shrinking)
    (failure,) = dm.scan(path).failures
    assert (failure.reason, failure.code) == ("the file became shorter while it was read", "unreadable")


def test_no_more_than_two_pools_exist_and_further_scans_go_on_without(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Ten folders are dropped one after the other, and none of the scans before has ended yet.
    write_series(tmp_path, 60)
    start_processes_at_once(monkeypatch)
    monkeypatch.setattr(local, "REPORT_SECONDS", 0.0)
    monkeypatch.setattr(local, "POOL_SECONDS", 0.0)
    started: list[Worker] = []

    class Counted(Worker):
        def __init__(self) -> None:
            super().__init__()
            started.append(self)

    monkeypatch.setattr(worker_module, "Worker", Counted)
    scans = [dm.iter_scan(tmp_path, workers=2) for _ in range(10)]
    for scan in scans:
        next(scan), next(scan)
        assert sum(worker.is_running for worker in started) <= 2 * worker_module.MAX_POOLS
    assert len(started) == 2 * worker_module.MAX_POOLS
    assert dm.scan(tmp_path, workers=2).n_files == 60  # in this process
    for scan in scans:
        scan.close()
    assert not any(worker.is_running for worker in started)
    assert dm.scan(tmp_path, workers=2).n_files == 60
    assert len(started) == 2 * worker_module.MAX_POOLS + 2  # there is place for a pool again


def test_closing_ends_the_processes_that_mark_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for n in range(40):
        write_series(tmp_path / "in" / str(n), 1)
    monkeypatch.setattr(source_marks, "MAX_MARKED_ALONE", 2)
    started: list[Worker] = []

    class Waiting(Worker):
        def __init__(self) -> None:
            super().__init__()
            started.append(self)

        def marks(self, folders: list[str]) -> list[tuple[str, int, list[str]]]:
            self.receive()  # as a process that waits for storage: it never answers
            raise AssertionError

    monkeypatch.setattr(worker_module, "Worker", Waiting)
    monkeypatch.setattr(cache, "REPORT_SECONDS", 0.01)
    steps = dm.iter_scan(tmp_path / "in", workers=2, cache=True)
    next(steps)
    while not started:
        next(steps)
    steps.close()
    assert [worker.is_running for worker in started] == [False, False]


def test_a_file_or_folder_below_another_source_is_listed_once(tmp_path: Path) -> None:
    paths = write_series(tmp_path / "a/b", 3)
    sources = [tmp_path / "a", paths[0], tmp_path / "a/b", tmp_path / "a"]
    for order in (sources, sources[::-1]):
        assert dm.scan(order).paths == tuple(map(str, sorted(paths)))


@pytest.mark.parametrize("is_cached", [False, True])
def test_processes_are_started_before_arrow_is_imported(tmp_path: Path, is_cached: bool) -> None:
    for n in range(20):
        write_series(tmp_path / "in" / str(n), 2)
    script = """
import sys
import napari_dicommeta as dm
from napari_dicommeta.scanning import local, source_marks, worker
local._FirstFiles.is_enough, local._FirstFiles.each = (lambda *_: True), 1.0
source_marks.MAX_MARKED_ALONE = 0
start = worker.Pool.open
def started(self, count, seconds):
    imported.append("pyarrow" in sys.modules)
    return start(self, count, seconds)
worker.Pool.open, imported = started, []
assert dm.scan(sys.argv[1], workers=2, cache=sys.argv[2] == "True").n_files == 40
print(imported[0])
"""
    command = [sys.executable, "-c", script, str(tmp_path / "in"), str(is_cached)]
    environment = {**os.environ, "XDG_CACHE_HOME": str(tmp_path / "cache")}
    shown = subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout
    assert shown.split() == ["False"]
