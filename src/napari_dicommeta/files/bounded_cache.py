"""Keep what was read of files in memory: a cache with a limit, safe for threads."""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

__all__ = ["BoundedCache"]

Value = TypeVar("Value")


class BoundedCache(Generic[Value]):
    """Values by key, at most `limit` bytes of them; those used least recently go first.

    `cost` returns the bytes of a value. The newest value stays even if it alone exceeds the limit. Threads that ask for
    one key at a time wait for the first of them, so that each value is made once.
    """

    def __init__(self, limit: int, cost: Callable[[Value], int]) -> None:
        self.limit, self.cost = limit, cost
        self.used = 0
        """Bytes of all values."""
        self._values: OrderedDict[Hashable, tuple[Value, int]] = OrderedDict()
        self._making: dict[Hashable, threading.Lock] = {}
        self._guard = threading.Lock()

    def get(self, key: Hashable, make: Callable[[], Value]) -> Value:
        """Return the value of `key`, made by `make` if it is not here; an error of `make` is passed on."""
        with self._guard:
            found = self._values.get(key)
            if found is not None:
                self._values.move_to_end(key)
                return found[0]
            lock = self._making.setdefault(key, threading.Lock())
        with lock:
            with self._guard:
                found = self._values.get(key)
            if found is not None:
                return found[0]
            try:
                value = make()
                self.put(key, value)
            finally:
                with self._guard:
                    self._making.pop(key, None)
        return value

    def peek(self, key: Hashable) -> Value | None:
        """Return the value of `key`, None if it is not here."""
        with self._guard:
            found = self._values.get(key)
            if found is None:
                return None
            self._values.move_to_end(key)
            return found[0]

    def put(self, key: Hashable, value: Value) -> None:
        """Keep `value`, and drop what exceeds the limit."""
        cost = self.cost(value)
        with self._guard:
            _, previous = self._values.pop(key, (None, 0))
            self._values[key] = value, cost
            self.used += cost - previous
            while self.used > self.limit and len(self._values) > 1:
                _, (_, dropped) = self._values.popitem(last=False)
                self.used -= dropped

    def drop(self, key: Hashable) -> None:
        """Drop the value of `key`, if it is here."""
        with self._guard:
            self.used -= self._values.pop(key, (None, 0))[1]

    def clear(self) -> None:
        """Drop all values."""
        with self._guard:
            self._values.clear()
            self.used = 0
