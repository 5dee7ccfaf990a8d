"""The bytes of one file by position, fetched as they are needed and never more than `MAX_HEADER`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_dicommeta.support.errors import CutError

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["MAX_HEADER", "REFILL", "FileBuffer"]

REFILL = 65536
MAX_WHOLE = 2 << 20
"""Up to this number of bytes, what is fetched is appended to what is there; beyond, it replaces it."""
MAX_HEADER = 16 << 20
"""The most bytes read of one file; a header that needs more is partial."""


class FileBuffer:
    """The bytes of one file by position, fetched when needed and never more than `MAX_HEADER`."""

    __slots__ = ("base", "buffer", "fetch", "fetched", "size")

    def __init__(self, fetch: Callable[[int, int], bytes], size: int, first: bytes) -> None:
        self.buffer, self.base, self.size = first, 0, size
        self.fetch, self.fetched = fetch, len(first)

    def need(self, position: int, count: int) -> int:
        """Make the buffer hold `count` bytes from `position`, and return the index of `position` in it.

        Raises
        ------
        CutError
            If the file ends before that, or the header exceeds `MAX_HEADER`.
        """
        index = position - self.base
        if index >= 0 and index + count <= len(self.buffer):
            return index
        if position + count > self.size:
            raise CutError(f"the file ends {position + count - self.size} bytes too early", position)
        end = self.base + len(self.buffer)
        grows = self.base <= position <= end and position + count - self.base <= MAX_WHOLE
        start = end if grows else position
        needed = position + count - start
        count = max(needed, min(max(REFILL, len(self.buffer)), MAX_WHOLE, self.size - start))
        if self.fetched + count > MAX_HEADER:
            raise CutError(f"the header needs more than {MAX_HEADER >> 20} MiB", position)
        fetched = self.fetch(start, count)
        self.fetched += count
        if grows:
            self.buffer += fetched
        else:
            self.buffer, self.base = fetched, start
        if len(fetched) < needed:
            raise CutError("the file became shorter while it was read", position)
        return position - self.base
