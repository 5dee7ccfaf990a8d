"""Hide or record warnings in one thread at a time.

`warnings.catch_warnings` changes filters that all threads share, and restores those that it found: two threads inside
it at once may leave the filters of the other behind for good.
"""

from __future__ import annotations

import threading
import warnings
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["recorded", "silence"]

_lock = threading.RLock()


@contextmanager
def silence() -> Iterator[None]:
    """Hide pydicom's warnings, which contain values of the file."""
    with _lock, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@contextmanager
def recorded() -> Iterator[list[warnings.WarningMessage]]:
    """Return a list to which each warning is added instead of being shown."""
    with _lock, warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield caught
