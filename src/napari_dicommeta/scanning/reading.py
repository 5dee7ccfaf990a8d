"""Read many files with one recorder: one after the other, or fetched ahead by threads where storage is slow.

A thread of its own reads, in turns, and the caller waits for the end of each. So a read that never returns holds up
neither: the caller lists the file, and another thread reads on (`pending_reads`).
"""

from __future__ import annotations

import math
import threading
import time
from collections import deque
from concurrent.futures import Future
from contextlib import closing, suppress
from itertools import islice
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING

from napari_dicommeta.scanning.pending_reads import GivenUp
from napari_dicommeta.scanning.recorder import Recorder

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator

    from napari_dicommeta.scanning.first_reads import FirstWindow
    from napari_dicommeta.scanning.recorder import Recording

__all__ = ["read_all", "record"]

STEP_FILES, PROBE_FILES, READ_THREADS = 64, 3, 16
FILES_AHEAD = 4 * READ_THREADS
"""The most files that are fetched, or wait to be parsed, at a time."""
STEPS_AHEAD = 8
"""The steps after which the speed of storage is measured again."""
SLOW_SECONDS = 5e-4
"""Above this time to fetch a file, waiting for storage outweighs parsing."""
TURN_SECONDS, LOOK_SECONDS = 0.02, 0.1
"""The time after which the reading thread rests, and the time between two looks at one that does not."""
CLOSE_SECONDS, LEAST_CLOSE_SECONDS = 0.5, 0.05
"""How long `read_all` waits for its thread when it is closed, and after which of it reads are given up."""


def record(
    paths: Iterable[str], stop: Callable[[], bool] = lambda: False, recorder: Recorder | None = None
) -> Recording:
    """Read the headers of `paths`; stop early, with the files read by then, once ``stop()`` is true.

    A `recorder` that read similar files before knows their layouts.
    """
    recorder = recorder or Recorder()
    with closing(read_all(recorder, paths)) as steps:
        for _ in steps:
            if stop():
                break
    return recorder.take()


def read_all(
    recorder: Recorder,
    paths: Iterable[str],
    step_files: int = STEP_FILES,
    is_enough: Callable[[int, float], bool] | None = None,
) -> Generator[int | None, None, None]:
    """Read the headers of `paths`; yield the number of files done, or None while the thread that reads is at work.

    `recorder` may be used only after a number. ``is_enough(files, seconds)`` is asked after each step, by the thread.

    Where fetching files is slow, threads fetch them ahead, as waiting for storage overlaps, until it is fast again.
    """
    reading = _Reading(recorder, paths, step_files, is_enough)
    try:
        is_left = True
        while is_left:
            reading.turn()
            while not reading.rests(LOOK_SECONDS):
                yield None
            is_left = reading.is_left()
            yield reading.done
    finally:
        reading.close()


class _Fetch:
    """A file whose first bytes a thread fetches."""

    __slots__ = ("path", "window")

    def __init__(self, path: str) -> None:
        self.path = path
        self.window: Future[FirstWindow] = Future()


class _Fetchers:
    """The threads that fetch files ahead; one that waits for ever does not keep the program from ending."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        self._fetches: SimpleQueue[_Fetch | None] = SimpleQueue()
        self._n_threads = 0
        self._is_closed = False

    def fetch(self, path: str) -> _Fetch:
        """Have the first bytes of a file fetched."""
        fetch = _Fetch(path)
        if self._n_threads < READ_THREADS:
            self._n_threads += 1
            self.add_thread()
        self._fetches.put(fetch)
        return fetch

    def add_thread(self) -> None:
        """Start a thread, for instance in the place of one that waits for ever."""
        threading.Thread(target=self._run, name="dicommeta-fetch", daemon=True).start()

    def close(self) -> None:
        """Let the threads end; what they have not begun to fetch is given up."""
        self._is_closed = True
        with suppress(Empty):
            while fetch := self._fetches.get_nowait():
                fetch.window.set_exception(GivenUp())
        for _ in range(self._n_threads):
            self._fetches.put(None)

    def _run(self) -> None:
        while (fetch := self._fetches.get()) is not None:
            if self._is_closed:
                fetch.window.set_exception(GivenUp())
                continue
            try:
                window = self._recorder.window(fetch.path, fetch)
            except GivenUp:
                return
            except BaseException as error:  # noqa: BLE001  raised again where the window is taken
                fetch.window.set_exception(error)
            else:
                fetch.window.set_result(window)


class _Reading:
    """Files that a thread reads with one recorder, and where it is, so that another thread can read on."""

    def __init__(
        self, recorder: Recorder, paths: Iterable[str], step_files: int, is_enough: Callable[[int, float], bool] | None
    ) -> None:
        self.done = 0
        self._recorder, self._paths = recorder, iter(paths)
        self._step_files, self._is_enough = step_files, is_enough
        self._step: deque[str] = deque()
        """The files of the step that is being read."""
        self._ahead: deque[_Fetch] = deque()
        self._fetchers = _Fetchers(recorder)
        self._n_fetched = 0
        self._began = 0.0
        self._is_stopped = False
        self._turns: SimpleQueue[bool] = SimpleQueue()
        self._answers: SimpleQueue[BaseException | bool] = SimpleQueue()
        self._answer: BaseException | bool = True
        self._thread = self._start(False)

    # -- the thread that watches ----------------------------------------------------------------------

    def _start(self, is_turn: bool) -> threading.Thread:
        thread = threading.Thread(target=self._run, args=(is_turn,), name="dicommeta-read", daemon=True)
        thread.start()
        return thread

    def turn(self) -> None:
        """Let the thread read on for `TURN_SECONDS`."""
        self._turns.put(True)

    def rests(self, seconds: float) -> bool:
        """Wait until the thread rests, and return whether it does; list files that storage does not answer for."""
        try:
            self._answer = self._answers.get(timeout=seconds)
        except Empty:
            for read in self._recorder.pending.overdue():
                self._list_stalled(read)
            return False
        return True

    def is_left(self) -> bool:
        """Return whether files are left to read; raise what ended the thread that rests."""
        if isinstance(self._answer, BaseException):
            raise self._answer
        return self._answer

    def _list_stalled(self, read: object) -> None:
        recorder = self._recorder
        recorder.reads.is_slow = True  # so that the next ones wait side by side
        if isinstance(read, _Fetch):
            read.window.set_result(recorder.stalled_window(read.path))
            self._fetchers.add_thread()
        else:
            recorder.give_up(str(read))
            self.done += 1
            self._thread = self._start(True)

    def close(self) -> None:
        """Stop after the file that is being read, or without it if storage does not answer."""
        self._is_stopped = True
        self._turns.put(False)
        self._fetchers.close()
        self._thread.join(LEAST_CLOSE_SECONDS)
        until = time.monotonic() + CLOSE_SECONDS
        while self._thread.is_alive() and time.monotonic() < until:
            reads = self._recorder.pending.give_up_all()
            for read in reads:
                if isinstance(read, _Fetch):
                    read.window.set_exception(GivenUp())
            if not all(isinstance(read, _Fetch) for read in reads):
                return  # the thread ends when its read returns
            self._thread.join(LEAST_CLOSE_SECONDS)

    # -- the thread that reads -------------------------------------------------------------------------

    def _run(self, is_turn: bool) -> None:
        try:
            if not is_turn and not self._turns.get():
                return
            began = time.perf_counter()
            while self._read_step():
                if time.perf_counter() - began > TURN_SECONDS:
                    self._answers.put(True)
                    if not self._turns.get():
                        return
                    began = time.perf_counter()
            self._answers.put(False)
        except GivenUp:
            return
        except BaseException as error:  # noqa: BLE001  raised again by `is_left`
            self._answers.put(error)

    def _read_step(self) -> bool:
        """Read some files; return whether others may be left."""
        done = self.done
        self._began = time.perf_counter()
        is_left = self._read_fetched() if self._ahead or self._recorder.reads.is_slow else self._read_plain()
        if self._is_enough is not None and is_left:
            seconds = time.perf_counter() - self._began
            if self._is_enough(self.done - done, seconds):
                self._paths = iter(())
        return is_left and not self._is_stopped

    def _read_plain(self) -> bool:
        """Read a step of files one after the other, unless the first of them say that fetching is slow."""
        step, recorder = self._step, self._recorder
        if not step:
            step.extend(islice(self._paths, self._step_files))
            self._began = time.perf_counter()
        if not step:
            return False
        self._measure()
        if not recorder.reads.is_slow:
            while step and not self._is_stopped:
                recorder.read(step.popleft())
                self.done += 1
        return True

    def _measure(self) -> None:
        """Read the next files, and measure by the least time that fetching one takes whether storage is slow.

        The others may have waited for another thread or process, which says nothing about storage.
        """
        recorder, step, seconds = self._recorder, self._step, math.inf
        for _ in range(min(PROBE_FILES, len(step))):
            path, began = step.popleft(), time.perf_counter()
            window = recorder.window(path, path)
            seconds = min(seconds, time.perf_counter() - began)
            recorder.take_in(path, window)
            self.done += 1
        recorder.reads.is_slow = seconds > SLOW_SECONDS

    def _read_fetched(self) -> bool:
        """Read a step of files while threads fetch those that follow, as long as that is slow."""
        recorder, ahead = self._recorder, self._ahead
        for _ in range(self._step_files):
            if recorder.reads.is_slow:
                ahead.extend(map(self._fetchers.fetch, self._next(FILES_AHEAD - len(ahead))))
            if not ahead:
                return not recorder.reads.is_slow
            fetch = ahead.popleft()
            recorder.take_in(fetch.path, fetch.window.result())
            self.done += 1
            self._n_fetched += 1
            if self._n_fetched % (STEPS_AHEAD * STEP_FILES) == 0:
                if not self._step:
                    self._step.extend(islice(self._paths, PROBE_FILES))
                if self._step:
                    self._measure()  # by this thread: the others wait for it between the calls of a fetch
            if self._is_stopped:
                break
        return True

    def _next(self, count: int) -> Iterator[str]:
        """Yield the next `count` paths: first those of a step that was begun."""
        for _ in range(count):
            path = self._step.popleft() if self._step else next(self._paths, None)
            if path is None:
                return
            yield path
