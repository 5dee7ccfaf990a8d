"""The reads that storage has not answered yet: `PendingReads`.

A read of a network share may never return, and nothing can end it. So the thread that reads says what it waits for, and
a thread that watches may give that read up. Who removes a read first has it: the reader, and it goes on, or the
watcher, and the reader must touch nothing any more. That costs a file two operations on a dictionary and no lock.
"""

from __future__ import annotations

import os
import time
from collections import Counter
from itertools import count

__all__ = ["GivenUp", "PendingReads"]

STALL_SECONDS = 30.0
"""A read without an answer for so long is given up."""
MAX_FOLDER_STALLS, MAX_STALLS = 4, 64
"""After so many reads without an answer in a folder, and in all, further files are not tried: each costs a thread."""
MOST_BETWEEN = 1.0
"""The most time that counts between two looks: a process that was stopped meanwhile says nothing about storage."""


class GivenUp(BaseException):
    """The read that has just returned was given up: its thread ends, and what was read goes nowhere."""


class PendingReads:
    """The reads of one recorder: a path, or what else the watcher has to know, by number.

    `kind` is what reasons call them.
    """

    def __init__(self, kind: str = "read") -> None:
        self._kind = kind
        self._numbers = count()
        self._pending: dict[int, object] = {}
        self._since: dict[int, float] = {}
        self._watched, self._looked = 0.0, time.monotonic()
        self._stalls: Counter[str] = Counter()
        self.is_stalled = False
        """Whether a read has been given up, so that `refusal` has to be asked."""

    def begin(self, read: object) -> int:
        """Say that a read begins; return its number."""
        number = next(self._numbers)
        self._pending[number] = read
        return number

    def end(self, number: int) -> None:
        """Say that a read has returned; raise `GivenUp` if it was given up before."""
        if self._pending.pop(number, None) is None:
            raise GivenUp

    def overdue(self) -> list[object]:
        """Give up the reads that have waited for `STALL_SECONDS`, and return them; called about ten times a second."""
        now = time.monotonic()
        self._watched += min(now - self._looked, MOST_BETWEEN)
        self._looked = now
        pending = self._pending.copy()
        self._since = {number: self._since.get(number, self._watched) for number in pending}
        late = [number for number, since in self._since.items() if self._watched - since >= STALL_SECONDS]
        return self._given_up(late)

    def give_up_all(self) -> list[object]:
        """Give up all reads, and return them."""
        return self._given_up(list(self._pending.copy()))

    def _given_up(self, numbers: list[int]) -> list[object]:
        reads = [self._pending.pop(number, None) for number in numbers]
        return [read for read in reads if read is not None]

    def stalled(self, path: str) -> str:
        """Take in that a read of the file at `path` was overdue; return the reason to list it."""
        self._stalls[os.path.dirname(path)] += 1
        self.is_stalled = True
        return f"the storage did not answer a {self._kind} within {STALL_SECONDS:g} s"

    def refusal(self, path: str) -> str:
        """Return why the file at `path` is not worth a try, "" if it is."""
        near, total = self._stalls[os.path.dirname(path)], self._stalls.total()
        within = f"within {STALL_SECONDS:g} s each"
        if near >= MAX_FOLDER_STALLS:
            return f"not read: the storage did not answer {near} {self._kind}s in its folder {within}"
        if total >= MAX_STALLS:
            return f"not read: the storage did not answer {total} {self._kind}s {within}"
        return ""
