"""The process that reads headers for a scan: it gets paths through stdin and sends recordings through stdout.

`support.child` says how it is started and ends. It imports nothing outside the standard library unless a file needs a
dictionary.
"""

from __future__ import annotations

import gc
import pickle
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from napari_dicommeta.scanning.folder_marks import mark_folder
from napari_dicommeta.scanning.recorder import Recorder, Recording
from napari_dicommeta.support.child import Child, receive, send, serve

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["Worker", "main", "pack", "read_all", "record", "unpack"]

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
    stdin, stdout = serve()
    gc.disable()  # headers make no cycles, and searching for them takes a fifth of the time
    while True:
        try:
            paths = unpack(receive(stdin))
        except EOFError:
            return
        if paths[:1] == [ASK_MARKS]:
            send(stdout, _packed([mark_folder(folder) for folder in paths[1:]]))
        else:
            send(stdout, _packed(record(paths)))
            gc.collect(0)


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
