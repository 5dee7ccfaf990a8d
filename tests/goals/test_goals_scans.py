"""Goals of reliability that concern scans: killed writers, changing folders, cancelling, many files, all entries."""

from __future__ import annotations

import gc
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from dicom_factory import ct_slice, write_series
from hanging import hang_in_processes, hanging, patience

import napari_dicommeta as dm
from napari_dicommeta.scanning import local

Figure = Callable[[str, str], None]

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="signals, links and limits of Linux")

SAVE = """
import sys
import napari_dicommeta as dm
catalogs = [dm.Catalog.load(path) for path in sys.argv[2:]]
catalogs[0].save(sys.argv[1])
print("ready", flush=True)
while True:
    for catalog in catalogs:
        catalog.save(sys.argv[1])
"""


def processes_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local, "FIRST_SECONDS", 1e-9)
    monkeypatch.setattr(local, "MOST_FIRST_SECONDS", 1e-9)
    monkeypatch.setattr(local, "WORTH_SECONDS", -1e9)


def test_g7_killed_while_a_catalog_is_saved(tmp_path: Path, is_long: bool, figure: Figure) -> None:
    counts = (3, 7)
    for n in counts:
        write_series(tmp_path / str(n), n)
        dm.scan(tmp_path / str(n), workers=1).save(tmp_path / f"{n}.parquet")
    target, draw, kills = tmp_path / "kept.parquet", random.Random(7), 200 if is_long else 6
    for _ in range(kills):
        command = [sys.executable, "-c", SAVE, target, *(tmp_path / f"{n}.parquet" for n in counts)]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as child:
            assert child.stdout is not None
            assert child.stdout.readline() == b"ready\n"
            time.sleep(draw.uniform(0.0, 0.1))
            child.send_signal(signal.SIGKILL)
        if target.exists():
            assert dm.Catalog.load(target).n_files in counts
    assert target.exists()
    figure("G7", f"{kills} of {kills} kills while a catalog was saved left the old or the new one")


def test_g8_files_that_change_while_they_are_scanned(tmp_path: Path, is_long: bool, figure: Figure) -> None:
    paths = write_series(tmp_path, 300)
    stop = threading.Event()

    def disturb() -> None:
        draw = random.Random(8)
        while not stop.is_set():
            path = draw.choice(paths)
            kind = draw.randrange(5)
            try:
                if kind == 0:
                    path.unlink()
                elif kind == 1:
                    os.truncate(path, draw.randrange(1500))
                elif kind == 2:
                    path.rename(path.with_suffix(".other"))
                else:
                    path.write_bytes(ct_slice(draw.randrange(99)))
            except OSError:
                continue

    thread = threading.Thread(target=disturb)
    thread.start()
    seen: dict[str, int] = {}
    rounds = 60 if is_long else 8
    try:
        for number in range(rounds):
            catalog = dm.scan(tmp_path, workers=1 + number % 2)
            named = {*catalog.paths, *(failure.path for failure in catalog.failures)}
            assert len(named) == sum(catalog.outcomes.values())
            assert not [failure for failure in catalog.failures if "unexpected" in failure.reason]
            for outcome, n in catalog.outcomes.items():
                seen[outcome] = seen.get(outcome, 0) + n
    finally:
        stop.set()
        thread.join()
    figure("G8", f"{rounds} scans of a folder whose files change: 0 exceptions; {seen}")


def test_g9_cancelling_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_long: bool, figure: Figure
) -> None:
    for n in range(4):
        write_series(tmp_path / str(n), 40)
    processes_at_once(monkeypatch)
    monkeypatch.setattr(local, "REPORT_SECONDS", 0.0)
    dm.scan(tmp_path, workers=2)  # loads what stays loaded
    gc.collect()
    before, threads, others = descriptors(), threading.active_count(), set(children())
    slowest, repeats = 0.0, 100 if is_long else 8
    for number in range(repeats):
        steps = dm.iter_scan(tmp_path, workers=2)
        for _ in range(2 + number % 3):
            next(steps, None)
        began = time.monotonic()
        steps.close()
        slowest = max(slowest, time.monotonic() - began)
        assert set(children()) <= others
    gc.collect()
    assert descriptors() <= before
    assert threading.active_count() <= threads
    figure("G9", f"{repeats} cancelled scans: processes ended within {slowest:.2f} s, no thread or descriptor left")


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


def children() -> list[str]:
    return Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()


def test_g10_many_files(tmp_path: Path, is_long: bool, figure: Figure) -> None:
    count, own = (1_000_000, 1_000) if is_long else (6_000, 200)
    paths = write_series(tmp_path / "own", own)
    for n in range(count // own - 1):
        folder = tmp_path / str(n)
        folder.mkdir()
        for path in paths:
            os.link(path, folder / path.name)
    code = f"""
import resource, sys, time
import napari_dicommeta as dm
import napari_dicommeta.catalog.catalog
import napari_dicommeta.scanning.tables
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
began = time.monotonic()
catalog = dm.scan({str(tmp_path)!r})
assert catalog.outcomes["ok"] == {count}, catalog.outcomes
grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024
print(f"{{time.monotonic() - began:.1f}} s, {{grown / {count}:.0f}} bytes a file")
if {is_long}:
    assert grown < 1000 * {count}
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    figure("G10", f"{count:,} files: {done.stdout.strip()}")


@pytest.mark.parametrize("workers", [1, 2])
def test_g11_a_read_that_hangs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, workers: int, is_long: bool, figure: Figure
) -> None:
    n_files, seconds = (600, 30.0) if is_long else (60, 0.3)
    names = {path.name for path in write_series(tmp_path / "in", n_files)[:: n_files // 3]}
    patience(monkeypatch, seconds)
    hang_in_processes(monkeypatch, tmp_path / "site", names, seconds)
    if workers > 1:
        processes_at_once(monkeypatch)
    began = time.monotonic()
    with hanging(monkeypatch, names):
        catalog = dm.scan(tmp_path / "in", workers=workers)
    took = time.monotonic() - began
    assert {Path(failure.path).name: failure.outcome for failure in catalog.failures} == dict.fromkeys(
        names, "timed out"
    )
    assert catalog.n_files == n_files - len(names)
    figure(
        "G11",
        f"{len(names)} reads that hang, {workers} processes: listed after {seconds:g} s, the rest read, {took:.1f} s",
    )


ZOO = """
import os, sys
import napari_dicommeta as dm
dm.scan(sys.argv[1], workers=1)  # imports all that the other user may not read
if os.geteuid() == 0 and sys.argv[2] == "other":
    os.setgid(65534)
    os.setuid(65534)
catalog = dm.scan(sys.argv[1], workers=1)
print(catalog.outcomes)
for failure in sorted(catalog.failures, key=lambda failure: failure.path):
    print(ascii(os.path.basename(failure.path)), failure.outcome, failure.reason, sep="|")
"""


@pytest.mark.parametrize("user", ["this", "other"])
def test_g12_all_kinds_of_directory_entries(user: str, figure: Figure) -> None:
    import shutil
    import socket
    import tempfile

    top = Path(tempfile.mkdtemp(prefix="zoo-"))  # the folder of a test is closed to other users
    try:
        top.chmod(0o755)
        write_series(top, 2)
        for path in top.iterdir():
            path.chmod(0o644)
        os.mkfifo(top / "pipe.dcm")
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(str(top / "socket.dcm"))
        (top / "dangling.dcm").symlink_to("nowhere")
        (top / "loop.dcm").symlink_to("loop.dcm")
        (top / "zero.dcm").symlink_to("/dev/zero")
        (top / "up").symlink_to("..")
        (top / "closed.dcm").write_bytes(ct_slice(7))
        (top / "closed.dcm").chmod(0)
        (top / "closed folder").mkdir(mode=0)
        (top / "folder.dcm").mkdir()
        Path(os.fsdecode(os.fsencode(top) + b"/\xff\n\x1b[31m<b>.dcm")).write_bytes(ct_slice(8))
        done = subprocess.run(
            [sys.executable, "-c", ZOO, top, user], capture_output=True, check=False, timeout=60, cwd="/"
        )
        assert done.returncode == 0, done.stderr
        shown = done.stdout.decode()
        reads_all = os.geteuid() == 0 and user == "this"
        closed = 0 if reads_all else 2
        assert shown.startswith(
            str(
                {"ok": 4 if reads_all else 3, "partial": 0, "rejected": closed, "skipped": 6}
                | {"vanished": 0, "timed out": 0}
            )
        ), shown
        assert shown.count("Permission denied") == closed
    finally:
        shutil.rmtree(top)
    figure("G12", f"{user} user: {shown.splitlines()[0]}")
