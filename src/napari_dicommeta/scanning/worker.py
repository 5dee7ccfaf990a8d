"""The process that reads headers for a scan: it gets paths through stdin and sends recordings through stdout.

It is started as ``python -c``, not by ``multiprocessing``, so that it never imports the caller's main module.
So a scan works from a napari plugin, from a notebook and from a script without a ``__main__`` guard, on every platform.
It imports nothing outside the standard library unless a file needs a dictionary.
"""

from __future__ import annotations

import gc
import os
import pickle
import struct
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TYPE_CHECKING, Any, BinaryIO

from napari_dicommeta.scanning.folder_marks import mark_folder
from napari_dicommeta.scanning.recorder import Recorder, Recording
from napari_dicommeta.support.log import LOGGER

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["Worker", "main", "pack", "read_all", "record", "unpack"]

_SIZE = struct.Struct("<Q")
ASK_MARKS = ""
"""As the first item of a request, asks for marks of the folders that follow; no path is empty."""
STEP_FILES, PROBE_FILES, READ_THREADS = 64, 8, 16
SLOW_SECONDS = 5e-4
"""Above this time per file, waiting for storage outweighs parsing."""


def pack(paths: list[str]) -> bytes:
    """Return a request for the recording of the files at `paths`, as `Worker.read` takes it."""
    return _packed(paths)


def unpack(request: bytes) -> list[str]:
    """Return the paths of a request."""
    paths: list[str] = pickle.loads(request)
    return paths


def _packed(message: object) -> bytes:
    return pickle.dumps(message, protocol=pickle.HIGHEST_PROTOCOL)


def _send(stream: BinaryIO, data: bytes) -> None:
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
    """Read the headers of `paths`, in steps of `STEP_FILES`; yield the number of files done.

    Where opening files is slow in a step, threads fetch the files of the next steps, as waiting for storage overlaps.
    Every eighth step runs without threads, to measure again.
    """
    pool: ThreadPoolExecutor | None = None
    slow = False
    try:
        for number, start in enumerate(range(0, len(paths), STEP_FILES)):
            step = paths[start : start + STEP_FILES]
            began = time.perf_counter()
            if slow and number % 8:
                pool = pool or ThreadPoolExecutor(READ_THREADS)
                for path, window in zip(step, pool.map(recorder.reads.window, step), strict=True):
                    recorder.take_in(path, window)
            else:
                for path in step[:PROBE_FILES]:
                    recorder.read(path)
                slow = (time.perf_counter() - began) / min(PROBE_FILES, len(step)) > SLOW_SECONDS
                for path in step[PROBE_FILES:]:
                    recorder.read(path)
            yield start + len(step)
    finally:
        if pool is not None:
            pool.shutdown(wait=False, cancel_futures=True)


def record(paths: list[str], stop: Callable[[], bool] = lambda: False) -> Recording:
    """Read the headers of `paths`; stop early, with the files read by then, once ``stop()`` is true."""
    recorder = Recorder()
    for _ in read_all(recorder, paths):
        if stop():
            break
    return recorder.take()


def main() -> None:
    """Answer batches of paths with recordings until stdin is closed."""
    stdin = sys.stdin.buffer
    stdout = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # keep what libraries print out of the pipe
    gc.disable()  # headers make no cycles, and searching for them takes a fifth of the time
    while True:
        try:
            paths = _receive(stdin)
        except EOFError:
            return
        assert isinstance(paths, list)
        if paths[:1] == [ASK_MARKS]:
            _send(stdout, _packed([mark_folder(folder) for folder in paths[1:]]))
        else:
            _send(stdout, _packed(record(paths)))
            gc.collect(0)


class Worker:
    """The parent's side of a scanning process: batches go in, recordings come out, in order."""

    def __init__(self) -> None:
        code = f"import sys; sys.path[:] = {sys.path!r}; from napari_dicommeta.scanning.worker import main; main()"
        self._process = subprocess.Popen(
            [sys.executable, "-c", code],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
        )
        self._errors = threading.Thread(target=self._log_errors, name="dicommeta-worker-log", daemon=True)
        self._errors.start()

    def read(self, request: bytes) -> Recording:
        """Return the recording of the files whose paths are packed in `request`.

        Raises
        ------
        OSError, EOFError
            If the process died.
        """
        recording = self._ask(request)
        assert isinstance(recording, Recording)
        return recording

    def marks(self, folders: list[str]) -> list[tuple[str, int, list[str]]]:
        """Return the result of `mark_folder` for each of `folders`; raise as `read` does."""
        marked: list[tuple[str, int, list[str]]] = self._ask(pack([ASK_MARKS, *folders]))
        return marked

    def _ask(self, request: bytes) -> Any:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        _send(self._process.stdin, request)  # type: ignore[arg-type]
        return _receive(self._process.stdout)  # type: ignore[arg-type]

    def _log_errors(self) -> None:
        """Log what the process writes to stderr at DEBUG, as it may name files."""
        assert self._process.stderr is not None
        with suppress(OSError, ValueError):  # the pipe is closed with the process
            for line in self._process.stderr:
                LOGGER.debug("scanning process %d: %s", self._process.pid, line.decode("utf-8", "replace").rstrip())

    def stop(self) -> None:
        """End the process at once."""
        self._process.kill()
        self._process.wait()
        self._errors.join(1)
        for stream in (self._process.stdin, self._process.stdout, self._process.stderr):
            if stream is not None:
                with suppress(OSError):  # the process ended with a batch in the pipe
                    stream.close()
