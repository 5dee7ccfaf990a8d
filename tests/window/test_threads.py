"""What runs in threads: nothing asked for waits behind the rest, nothing that fails is silent, all of it ends."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from qtpy.QtCore import Signal
from superqt.utils._qthreading import GeneratorWorkerSignals

from napari_dicommeta._napari.state import workers as module
from napari_dicommeta._napari.state.threads import SIGNALS
from napari_dicommeta._napari.state.workers import Workers

SCRIPT = """
import sys, time
import napari
from qtpy.QtWidgets import QApplication
viewer = napari.Viewer()
_, dock = viewer.window.add_plugin_dock_widget("napari-dicommeta", "DICOM")
dock.open_paths([sys.argv[1]])
until = time.monotonic() + 30
while not dock.workers.is_running(sys.argv[2]) and time.monotonic() < until:
    QApplication.processEvents()
assert dock.workers.is_running(sys.argv[2])
"""


def test_what_is_asked_for_does_not_wait_behind_what_runs(qtbot: Any) -> None:
    workers, gate, done = Workers(), threading.Event(), []
    for name in ("scan", "notes", "pictures", "findings", "rows", "export", "compare", "write", "prepare"):
        workers.run(name, gate.wait)
    workers.run("open", lambda: 7, done.append)
    try:
        qtbot.waitUntil(lambda: done == [7])
        assert workers.is_running("scan")
    finally:
        gate.set()
    qtbot.waitUntil(lambda: not workers.is_running("scan"))
    workers.stop_all()


@pytest.mark.parametrize("error", [RuntimeError, ValueError])
@pytest.mark.parametrize("is_told", [True, False])
def test_an_error_in_a_thread_is_told(qtbot: Any, monkeypatch: Any, error: type, is_told: bool) -> None:
    shown, told = [], []
    monkeypatch.setattr(module, "show_error", shown.append)
    workers = Workers()

    def work() -> Iterator[int]:
        yield 1
        raise error("broken")

    steps: list[int] = []
    workers.run("notes", work, None, steps.append, told.append if is_told else None)
    qtbot.waitUntil(lambda: not workers.is_running("notes"))
    assert steps == [1]
    assert [type(one) for one in told] == ([error] if is_told else [])
    assert shown == ([] if is_told else [f"Error in napari-dicommeta (notes): {error.__name__}"])
    workers.stop_all()


@pytest.mark.slow
@pytest.mark.parametrize("running", ["prepare", "scan", "findings"])
def test_a_script_that_ends_while_something_is_read_ends_well(phantom: Path, tmp_path: Path, running: str) -> None:
    environment = {**os.environ, "NAPARI_CONFIG": str(tmp_path / "settings.yaml")}
    command = [sys.executable, "-c", SCRIPT, str(phantom), running]
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    assert "aborted thread" not in ended.stderr


LATE_SCRIPT = """
import sys, threading
from qtpy.QtWidgets import QApplication
from napari_dicommeta._napari.state import threads
from napari_dicommeta._napari.state.workers import Workers
application, workers, begun, gate = QApplication([]), Workers(), threading.Event(), threading.Event()
def work():
    begun.set()
    gate.wait()
def steps():
    work()
    yield 1
if sys.argv[1] == "steps":
    workers.run("scan", steps, None, print)
else:
    workers.run("scan", work)
begun.wait()
threads.EXIT_MS = 10
threads._end(threads._pool())
gate.set()
assert threads._pool().waitForDone(30_000)
print("ended")
"""


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["call", "steps"])
def test_work_that_outlasts_the_end_of_the_program_ends_quietly(kind: str) -> None:
    command = [sys.executable, "-c", LATE_SCRIPT, kind]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout.split()) == (0, ["ended"]), ended.stderr
    assert "Traceback" not in ended.stderr


def test_all_signals_of_workers_are_known() -> None:
    known = {name for name in dir(GeneratorWorkerSignals) if isinstance(getattr(GeneratorWorkerSignals, name), Signal)}
    assert known - {"destroyed", "objectNameChanged"} <= set(SIGNALS)


def test_warnings_are_shown_as_before_once_all_threads_are_done(qtbot: Any) -> None:
    before, gates, workers = warnings.showwarning, [threading.Event() for _ in range(3)], Workers()
    for name, gate in zip("abc", gates, strict=True):
        workers.run(name, gate.wait)
    for gate in gates:  # each puts back what it found, which was not always what it should be
        gate.set()
        qtbot.wait(50)
    qtbot.waitUntil(lambda: not any(map(workers.is_running, "abc")))
    qtbot.waitUntil(lambda: warnings.showwarning is before)
    workers.stop_all()
