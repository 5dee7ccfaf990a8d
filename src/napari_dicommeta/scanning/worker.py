"""The process that reads headers for a scan: it gets paths through stdin and sends recordings through stdout.

`support.child` says how it is started and ends. It imports nothing outside the standard library unless a file needs a
dictionary.
"""

from __future__ import annotations

import gc
import pickle
import sys
import threading
import time
from io import BytesIO
from typing import Any

from napari_dicommeta.scanning.folder_marks import ask_mark
from napari_dicommeta.scanning.pending_calls import PendingCalls
from napari_dicommeta.scanning.reading import record
from napari_dicommeta.scanning.recorder import Recorder, Recording
from napari_dicommeta.support.child import STOP_SECONDS, Child, receive, send, serve
from napari_dicommeta.support.generators import result_of

__all__ = ["Pool", "Worker", "main", "pack", "unpack"]

SWITCH_SECONDS = 5e-4
"""So long the threads that fetch files wait for the one that parses them; the default is ten times longer."""
MAX_POOLS = 2
"""The most pools of one process: that of the scan that runs, and that of one that is just being cancelled."""
ASK_MARKS = ""
"""As the first item of a request, asks for marks of the folders that follow; no path is empty."""


def pack(paths: list[str]) -> bytes:
    """Return a request for the recording of the files at `paths`, as `Worker.read` takes it."""
    return _packed(paths)


def unpack(request: bytes) -> list[str]:
    """Return the paths of one or several requests, one after the other."""
    stream = BytesIO(request)
    paths: list[str] = []
    while stream.tell() < len(request):
        paths += pickle.load(stream)
    return paths


def _packed(message: object) -> bytes:
    return pickle.dumps(message, protocol=pickle.HIGHEST_PROTOCOL)


def main() -> None:
    """Answer batches of paths with recordings until stdin is closed."""
    stdin, stdout = serve()
    recorder, calls = Recorder(), PendingCalls()
    sys.setswitchinterval(SWITCH_SECONDS)
    gc.disable()  # headers make no cycles, and searching for them takes a fifth of the time
    while True:
        try:
            paths = unpack(receive(stdin))
        except EOFError:
            return
        if paths[:1] == [ASK_MARKS]:
            send(stdout, _packed([result_of(ask_mark(calls, folder)) for folder in paths[1:]]))
        else:
            send(stdout, _packed(record(paths, recorder=recorder)))
            gc.collect(0)


_free_pools = threading.BoundedSemaphore(MAX_POOLS)


class Pool:
    """The processes of one scan; at most `MAX_POOLS` pools exist at a time."""

    def __init__(self) -> None:
        self.workers: list[Worker] = []
        self._is_open = False

    def open(self, count: int, seconds: float) -> bool:
        """Start `count` processes; return False if other pools leave no place for so many seconds."""
        self._is_open = _free_pools.acquire(timeout=seconds)
        if self._is_open:
            try:
                for _ in range(count):
                    self.workers.append(Worker())
            except BaseException:
                self.close()
                raise
        return self._is_open

    def close(self) -> None:
        """End all processes at once and make place for another pool."""
        if not self._is_open:
            return
        self._is_open = False
        try:
            for worker in self.workers:
                worker.kill()
            until = time.monotonic() + STOP_SECONDS
            for worker in self.workers:
                worker.stop(max(until - time.monotonic(), 0))
        finally:
            _free_pools.release()


class Worker(Child):
    """The parent's side of a scanning process: batches go in, recordings come out, in order."""

    def __init__(self) -> None:
        super().__init__(__name__, "scanning process")

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
        self.send(request)
        return pickle.loads(self.receive())
