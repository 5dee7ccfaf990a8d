"""The process that reads headers for a scan: paths in through stdin, recordings out through stdout.

It is started as ``python -c``, not by ``multiprocessing``, so that it never imports the caller's main
module: a scan works from a napari plugin, from a notebook and from a script without a ``__main__`` guard,
on every platform. It imports nothing outside the standard library unless a file needs a dictionary.
"""

from __future__ import annotations

import gc
import os
import pickle
import struct
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TYPE_CHECKING, Any, BinaryIO

from napari_dicommeta.scanning.folder_marks import mark_folder
from napari_dicommeta.scanning.recorder import Recorder, Recording, first_window

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["Worker", "main", "read_all", "record"]

_SIZE = struct.Struct("<Q")
MARKS = ""
"""Before folders, asks for their marks; no path is empty."""
STEP, PROBE, THREADS = 64, 8, 16
SLOW = 5e-4
"""Seconds a file, from which waiting outweighs parsing."""


def _send(stream: BinaryIO, thing: object) -> None:
    data = pickle.dumps(thing, protocol=pickle.HIGHEST_PROTOCOL)
    stream.write(_SIZE.pack(len(data)))
    stream.write(data)
    stream.flush()


def _receive(stream: BinaryIO) -> object:
    head = stream.read(_SIZE.size)
    if len(head) < _SIZE.size:
        raise EOFError("the other side closed the pipe")
    (size,) = _SIZE.unpack(head)
    data = stream.read(size)
    if len(data) < size:
        raise EOFError("the other side closed the pipe")
    return pickle.loads(data)


def read_all(recorder: Recorder, paths: list[str]) -> Iterator[int]:
    """Read the headers of `paths`, in steps of 64; yields how many are done.

    Where a step shows that opening a file takes long, the next one is fetched by threads: waiting for
    storage, unlike parsing, overlaps. Every few steps the plain way is tried again.
    """
    pool: ThreadPoolExecutor | None = None
    slow = False
    try:
        for number, start in enumerate(range(0, len(paths), STEP)):
            step = paths[start : start + STEP]
            began = time.perf_counter()
            if slow and number % 8:
                pool = pool or ThreadPoolExecutor(THREADS)
                for path, window in zip(step, pool.map(first_window, step), strict=True):
                    recorder.take_in(path, window)
            else:
                for path in step[:PROBE]:
                    recorder.read(path)
                slow = (time.perf_counter() - began) / min(PROBE, len(step)) > SLOW
                for path in step[PROBE:]:
                    recorder.read(path)
            yield start + len(step)
    finally:
        if pool is not None:
            pool.shutdown(wait=False, cancel_futures=True)


def record(paths: list[str], stop: Callable[[], bool] = lambda: False) -> Recording:
    """What is in the headers of `paths`; when `stop` says so, of those that have been read by then."""
    recorder = Recorder()
    for _ in read_all(recorder, paths):
        if stop():
            break
    return recorder.take()


def main() -> None:
    """Answer batches of paths with recordings until stdin is closed."""
    stdin = sys.stdin.buffer
    stdout = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever a library prints must not reach the pipe
    gc.disable()  # headers make no cycles, and looking for them takes a fifth of the time
    while True:
        try:
            paths = _receive(stdin)
        except EOFError:
            return
        assert isinstance(paths, list)
        if paths[:1] == [MARKS]:
            _send(stdout, [mark_folder(folder) for folder in paths[1:]])
        else:
            _send(stdout, record(paths))
            gc.collect(0)


class Worker:
    """A scanning process seen from the parent: batches go in, recordings come out, in order."""

    def __init__(self) -> None:
        code = f"import sys; sys.path[:] = {sys.path!r}; from napari_dicommeta.scanning.worker import main; main()"
        self._process = subprocess.Popen(
            [sys.executable, "-c", code],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
        )

    def read(self, paths: list[str]) -> Recording:
        """The recording of the files at `paths`.

        Raises
        ------
        OSError, EOFError
            If the process died.
        """
        recording = self._ask(paths)
        assert isinstance(recording, Recording)
        return recording

    def marks(self, folders: list[str]) -> list[tuple[str, int, list[str]]]:
        """What `mark_folder` gives for each of `folders`; raises as `read` does."""
        marked: list[tuple[str, int, list[str]]] = self._ask([MARKS, *folders])
        return marked

    def _ask(self, paths: list[str]) -> Any:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        _send(self._process.stdin, paths)  # type: ignore[arg-type]
        return _receive(self._process.stdout)  # type: ignore[arg-type]

    def stop(self) -> None:
        """End the process at once."""
        self._process.kill()
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                with suppress(OSError):  # a batch was in the pipe when the process ended: nobody waits for it
                    stream.close()
        self._process.wait()
