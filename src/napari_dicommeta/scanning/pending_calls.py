"""Calls on storage that may never return, as when a folder of a dead network share is listed.

A thread makes them one after the other, and the caller waits. The thread of a call without an answer is left behind:
it ends when the call returns, and another one makes the next calls. What the calls return then goes nowhere.
"""

from __future__ import annotations

import errno
import threading
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any, TypeVar

from napari_dicommeta.scanning.pending_reads import PendingReads
from napari_dicommeta.support.side_by_side import SideBySide

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence

__all__ = ["BriefCalls", "PendingCalls"]

LOOK_SECONDS = 0.1
"""The time between two looks at a call that has not returned."""
Answer = TypeVar("Answer")


class PendingCalls:
    """Calls that a thread makes one after the other. The caller is one thread at a time."""

    def __init__(self) -> None:
        self._pending = PendingReads("request")
        self._thread: _CallingThread | None = None

    def answer(
        self,
        call: Callable[[str], Answer],
        path: str,
        progress: Callable[[], int] = lambda: 0,
        is_limited: bool = True,
    ) -> Generator[None, None, Answer]:
        """Return ``call(path)``; yield about ten times a second until then.

        A call for which ``progress()`` changes is given more time. Without `is_limited`, a call may take any time.

        Raises
        ------
        TimeoutError
            If the storage does not answer; ``strerror`` says so.
        """
        pending = self._pending
        if pending.is_stalled and (reason := pending.refusal(path)):
            raise TimeoutError(errno.ETIMEDOUT, reason, path)
        thread = self._thread = self._thread or _CallingThread()
        is_answered = False
        number, last = pending.begin(path), progress()
        try:
            thread.calls.put((call, path))
            while not is_answered:
                try:
                    answer, error = thread.answers.get(timeout=LOOK_SECONDS)
                    is_answered = True
                except Empty:
                    if (now := progress()) != last or not is_limited:
                        pending.end(number)
                        number, last = pending.begin(path), now
                    if pending.overdue():
                        raise TimeoutError(errno.ETIMEDOUT, pending.stalled(path), path) from None
                    yield
            pending.end(number)
        finally:
            if not is_answered:
                self.close()
        if error is not None:
            raise error
        result: Answer = answer
        return result

    def answers(
        self, call: Callable[[str], Answer], paths: Sequence[str], progress: Callable[[], int] = lambda: 0
    ) -> Generator[None, None, list[Answer]]:
        """Return ``call(path)`` for each of `paths`, of which there must be one; on slow storage side by side.

        They count as one call of `answer`, which gets more time for each path that is answered.
        """
        together = SideBySide(call)
        return (yield from self.answer(lambda _: together(paths), paths[0], lambda: progress() + together.done))

    def close(self) -> None:
        """Let the thread end, after the call that it makes."""
        pending_thread, self._thread = self._thread, None
        if pending_thread is not None:
            pending_thread.calls.put(None)
        self._pending.give_up_all()


class BriefCalls:
    """Calls of a thread that must not wait, as that of a window: what storage does not answer soon is not known."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._silent: _CallingThread | None = None
        """The thread of a call that has not returned."""

    def answer(self, call: Callable[[str], Answer], path: str, otherwise: Answer) -> Answer:
        """Return ``call(path)``, or `otherwise` without an answer in time, or while an earlier call has none."""
        if self._silent is not None and self._silent.answers.empty():
            return otherwise
        self._silent = None
        thread = _CallingThread()
        thread.calls.put((call, path))
        thread.calls.put(None)
        try:
            answer, error = thread.answers.get(timeout=self._seconds)
        except Empty:
            self._silent = thread
            return otherwise
        if error is not None:
            raise error
        result: Answer = answer
        return result


class _CallingThread:
    """A thread that makes calls, which never keeps the program from ending."""

    def __init__(self) -> None:
        self.calls: SimpleQueue[tuple[Callable[[str], Any], str] | None] = SimpleQueue()
        self.answers: SimpleQueue[tuple[Any, BaseException | None]] = SimpleQueue()
        threading.Thread(target=self._run, name="dicommeta-list", daemon=True).start()

    def _run(self) -> None:
        while (request := self.calls.get()) is not None:
            call, path = request
            try:
                self.answers.put((call(path), None))
            except BaseException as error:  # noqa: BLE001  raised again by `answer`
                self.answers.put((None, error))
