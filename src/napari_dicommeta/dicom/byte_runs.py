"""Runs of bytes in which values lie at fixed places, read by two `struct` calls: `Run`, `run_at`."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["Run", "RunBuilder", "run_at"]


class Run(NamedTuple):
    """Bytes of fixed lengths: those between the values, which are equal wherever the run fits, and the values."""

    gaps: struct.Struct
    skeleton: tuple[bytes, ...]
    """What `gaps` unpacks where the run fits."""
    values: struct.Struct


def run_at(data: bytes, places: Iterable[tuple[int, int]], end: int) -> Run:
    """Return the run of the first `end` bytes of `data`, with values at `places`, (start, length) of each in order."""
    gaps, skeleton, values = ["<"], [], ["<"]
    position = begun = 0
    for start, length in places:
        values.append(f"{start - position}x{length}s")
        position = start + length
        if length:
            if start > begun:
                gaps.append(f"{start - begun}s")
                skeleton.append(data[begun:start])
            gaps.append(f"{length}x")
            begun = position
    if end > begun:
        gaps.append(f"{end - begun}s")
        skeleton.append(data[begun:end])
    return Run(struct.Struct("".join(gaps)), tuple(skeleton), struct.Struct("".join(values)))


class RunBuilder:
    """A run in the making."""

    def __init__(self) -> None:
        self._begin()

    def _begin(self) -> None:
        self._gaps, self._values = ["<"], ["<"]
        self._skeleton: list[bytes] = []
        self._fixed: list[bytes] = []
        self._skipped = self._size = 0

    def add_fixed(self, raw: bytes) -> None:
        """Add bytes that are equal wherever the run fits."""
        self._fixed.append(raw)
        self._skipped += len(raw)

    def add_value(self, length: int) -> None:
        """Add a value."""
        self._values.append(f"{self._skipped}x{length}s")
        self._skipped = 0
        if length:
            self._close_gap()
            self._gaps.append(f"{length}x")
            self._size += length

    def _close_gap(self) -> None:
        if raw := b"".join(self._fixed):
            self._gaps.append(f"{len(raw)}s")
            self._skeleton.append(raw)
            self._size += len(raw)
        self._fixed.clear()

    @property
    def is_empty(self) -> bool:
        """Whether the run has neither bytes nor values."""
        return not (self._size or self._skipped) and len(self._values) == 1

    def take(self) -> Run:
        """Return the run, and begin the next."""
        self._close_gap()
        run = Run(struct.Struct("".join(self._gaps)), tuple(self._skeleton), struct.Struct("".join(self._values)))
        self._begin()
        return run
