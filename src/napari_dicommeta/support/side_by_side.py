"""One call for each of many items: one after the other, or side by side where each waits for storage."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["SideBySide"]

PROBE_ITEMS, MAX_THREADS, SLOW_SECONDS = 8, 16, 5e-4
"""Where the calls for the first items take longer for each than this, threads make the others."""
Item = TypeVar("Item")
Answer = TypeVar("Answer")


class SideBySide(Generic[Item, Answer]):
    """What ``call(item)`` returns for each item, in their order.

    Its threads never keep the program from ending: a call on storage may not return. `done` counts the calls that did.
    """

    def __init__(self, call: Callable[[Item], Answer]) -> None:
        self._call = call
        self.done = 0

    def __call__(self, items: Sequence[Item]) -> list[Answer]:
        """Return the results; raise the error of the first item whose call raised one."""
        began = time.perf_counter()
        found = [self._one(item) for item in items[:PROBE_ITEMS]]
        rest = items[PROBE_ITEMS:]
        if time.perf_counter() - began <= SLOW_SECONDS * len(found):
            return found + [self._one(item) for item in rest]
        return found + self._in_threads(rest)

    def _one(self, item: Item) -> Answer:
        answer = self._call(item)
        self.done += 1
        return answer

    def _in_threads(self, items: Sequence[Item]) -> list[Answer]:
        numbers = iter(range(len(items)))
        answers: list[Any] = [None] * len(items)
        errors: dict[int, BaseException] = {}
        guard = threading.Lock()

        def run() -> None:
            while True:
                with guard:
                    number = None if errors else next(numbers, None)
                if number is None:
                    return
                try:
                    answers[number] = self._one(items[number])
                except BaseException as error:  # noqa: BLE001  raised below
                    errors[number] = error

        threads = [
            threading.Thread(target=run, name="dicommeta-ask", daemon=True) for _ in range(min(MAX_THREADS, len(items)))
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if errors:
            raise errors[min(errors)]
        return answers
