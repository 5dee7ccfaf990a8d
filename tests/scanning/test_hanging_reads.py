"""Reads that never return: their files are listed, the others are read, and cancelling does not wait for them."""

from __future__ import annotations

import os
import re
import sys
import threading
from pathlib import Path

import pytest
from coded_streams import GRAY, STREAMS
from dicom_factory import ct_slice, write_series
from hanging import hang_in_processes, hanging, hung_by_the_kernel, patience
from pixel_factory import image

import napari_dicommeta as dm
from napari_dicommeta.scanning import local, pending_reads, reading
from napari_dicommeta.scanning import worker as worker_module
from napari_dicommeta.scanning.pending_reads import GivenUp, PendingReads
from napari_dicommeta.scanning.worker import Worker

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="descriptors are named as on Linux")

REASON = "the storage did not answer a read within 0.3 s"


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    patience(monkeypatch, 0.3)
    monkeypatch.setattr(reading, "LOOK_SECONDS", 0.02)


def listed(catalog: dm.Catalog) -> dict[str, tuple[str, str]]:
    return {Path(failure.path).name: (failure.outcome, failure.reason) for failure in catalog.failures}


def reading_threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name in ("dicommeta-read", "dicommeta-fetch")]


@pytest.mark.parametrize("call", ["read", "open"])
@pytest.mark.parametrize("slow_from", [5e-4, -1.0], ids=["one by one", "fetched ahead"])
def test_a_hanging_file_is_listed_and_all_others_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str, slow_from: float
) -> None:
    paths = write_series(tmp_path, 200)
    monkeypatch.setattr(reading, "SLOW_SECONDS", slow_from)
    names = {paths[number].name for number in (0, 90, 199)}
    with hanging(monkeypatch, names, call) as hung:
        catalog = dm.scan(tmp_path, workers=1)
    assert hung == names
    assert listed(catalog) == dict.fromkeys(names, ("timed out", REASON))
    assert catalog.paths == tuple(sorted(str(path) for path in paths if path.name not in names))
    assert catalog.outcomes["timed out"] == 3
    assert not any(failure.is_harmless for failure in catalog.failures)
    for thread in reading_threads():
        thread.join(5)
    assert not reading_threads()  # what hung ends as soon as its read returns


def test_a_hanging_read_within_a_header_or_of_the_end_is_listed_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "long.dcm").write_bytes(ct_slice(1, ImageComments="x" * 10_000, LUTExplanation="y" * 9_000))
    j2k = next(iter(STREAMS))
    cut = STREAMS[j2k][:-20]
    image(tmp_path / "coded.dcm", [cut + bytes(20)], GRAY.shape, j2k, "MONOCHROME2", samples=1)
    (tmp_path / "whole.dcm").write_bytes(ct_slice(3))
    with hanging(monkeypatch, {"long.dcm", "coded.dcm"}, "pread") as hung:
        catalog = dm.scan(tmp_path, workers=1)
    assert hung == {"long.dcm", "coded.dcm"}
    assert listed(catalog) == {"long.dcm": ("timed out", REASON)}
    (partial,) = catalog.partial
    assert (Path(partial.path).name, partial.reason) == (
        "coded.dcm", f"the end of its pixel data is unknown: {REASON}"
    )  # fmt: skip
    assert sum(catalog.outcomes.values()) == 3


def test_files_beside_many_that_hang_are_not_tried(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_series(tmp_path / "dead", 100)
    write_series(tmp_path / "well", 60)
    dead = {path.rename(path.with_name(f"dead{path.name}")).name for path in (tmp_path / "dead").iterdir()}
    monkeypatch.setattr(pending_reads, "MAX_FOLDER_STALLS", 2)
    with hanging(monkeypatch, dead) as hung:
        catalog = dm.scan(tmp_path, workers=1)
    assert catalog.n_files == 60
    assert catalog.outcomes["timed out"] == 100
    reasons = {reason for _, reason in listed(catalog).values()}
    refused = re.compile(r"not read: the storage did not answer \d+ reads in its folder within 0.3 s each")
    assert REASON in reasons
    assert all(refused.fullmatch(reason) for reason in reasons - {REASON})
    assert len(hung) <= 1 + reading.READ_THREADS


def test_in_processes_the_others_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    paths = write_series(tmp_path / "in", 120)
    names = {paths[70].name, paths[110].name}
    for name, value in (("FIRST_SECONDS", 1e-9), ("MOST_FIRST_SECONDS", 1e-9), ("WORTH_SECONDS", -1e9)):
        monkeypatch.setattr(local, name, value)
    monkeypatch.setattr(local, "LEAST_SECONDS", 0.0)
    hang_in_processes(monkeypatch, tmp_path / "site", names, 0.3)
    catalog = dm.scan(tmp_path / "in", workers=2)
    assert listed(catalog) == dict.fromkeys(names, ("timed out", REASON))
    assert catalog.n_files == 118


def test_a_read_that_hangs_in_the_kernel(tmp_path: Path) -> None:
    paths = write_series(tmp_path, 20)
    with hung_by_the_kernel(paths[10]):
        catalog = dm.scan(tmp_path, workers=1)
        assert listed(catalog) == {paths[10].name: ("timed out", REASON)}
        assert catalog.n_files == 19


@pytest.mark.parametrize("workers", [1, 2])
def test_cancelling_does_not_wait_for_a_hanging_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, workers: int
) -> None:
    paths = write_series(tmp_path / "in", 60)
    patience(monkeypatch, 1e9)
    started: list[Worker] = []
    if workers > 1:
        for name, value in (("FIRST_SECONDS", 1e-9), ("MOST_FIRST_SECONDS", 1e-9), ("WORTH_SECONDS", -1e9)):
            monkeypatch.setattr(local, name, value)
        hang_in_processes(monkeypatch, tmp_path / "site", {paths[30].name}, 1e9)

        class Counted(Worker):
            def __init__(self) -> None:
                super().__init__()
                started.append(self)

        monkeypatch.setattr(worker_module, "Worker", Counted)
    with hanging(monkeypatch, {paths[30].name} if workers == 1 else set()) as hung:
        steps = dm.iter_scan(tmp_path / "in", workers=workers)
        for _ in range(8):
            next(steps)  # goes on to report
        assert bool(hung) == (workers == 1)
        steps.close()  # returns, although nothing ends the read
    assert not any(worker.is_running for worker in started)


def test_a_process_that_the_system_cannot_end_does_not_hold_up_the_scan(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = write_series(tmp_path / "in", 60)
    for name, value in (("FIRST_SECONDS", 1e-9), ("MOST_FIRST_SECONDS", 1e-9), ("WORTH_SECONDS", -1e9)):
        monkeypatch.setattr(local, name, value)
    for module, name in ((worker_module, "STOP_SECONDS"), (local, "JOIN_SECONDS")):
        monkeypatch.setattr(module, name, 0.05)
    hang_in_processes(monkeypatch, tmp_path / "site", {paths[30].name}, 1e9)
    started: list[Worker] = []

    class Immortal(Worker):
        def __init__(self) -> None:
            super().__init__()
            started.append(self)

        def kill(self) -> None:
            """Do nothing, as the system does while a process waits for storage."""

    monkeypatch.setattr(worker_module, "Worker", Immortal)
    steps = dm.iter_scan(tmp_path / "in", workers=2)
    for _ in range(4):
        next(steps)
    steps.close()
    assert any(worker.is_running for worker in started)
    for worker in started:
        os.kill(worker.pid, 9)
    for thread in threading.enumerate():
        if thread.name == "dicommeta-child-end":
            thread.join(5)
    assert not any(worker.is_running for worker in started)


def test_a_cached_scan_tries_a_file_that_hung_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    paths = write_series(tmp_path / "in", 5)
    with hanging(monkeypatch, {paths[2].name}):
        assert dm.scan(tmp_path / "in", workers=1, cache=True).n_files == 4
    again = dm.scan(tmp_path / "in", workers=1, cache=True)
    assert (again.n_files, again.failures) == (5, ())
    assert dm.scan(tmp_path / "in", workers=1, cache=True).outcomes == again.outcomes


def test_whoever_removes_a_read_first_has_it(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [0.0]
    monkeypatch.setattr(pending_reads.time, "monotonic", lambda: clock[0])
    pending = PendingReads()
    first, second = pending.begin("a"), pending.begin("b")
    assert pending.overdue() == []
    clock[0] = 900.0  # the process was stopped: at most a second counts
    monkeypatch.setattr(pending_reads, "STALL_SECONDS", 1.5)
    assert pending.overdue() == []
    pending.end(second)
    clock[0] = 901.0
    assert pending.overdue() == ["a"]
    with pytest.raises(GivenUp):
        pending.end(first)
    assert pending.overdue() == []


def test_an_error_of_the_reading_thread_is_raised_by_the_scan(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_series(tmp_path, 3)

    def fail(*_: object) -> None:
        raise RuntimeError("a fault of ours")

    monkeypatch.setattr("napari_dicommeta.scanning.recorder.Recorder.take_in", fail)
    with pytest.raises(RuntimeError, match="a fault of ours"):
        dm.scan(tmp_path, workers=1)
    assert not [thread for thread in reading_threads() if thread.name == "dicommeta-read"]
