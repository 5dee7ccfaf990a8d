"""Memory that a process shares with one that it started: large arrays pass through it without being sent.

On Linux it is a file in memory, on macOS a deleted temporary file, on Windows a named mapping of the paging file. No
file stays behind: it is gone with the processes that hold it.
"""

from __future__ import annotations

import mmap
import os
import secrets
import sys
import tempfile

__all__ = ["SharedBlock", "attached"]

UNIT = 1 << 20
"""Sizes are multiples of this, in bytes."""
KEPT = 64 << 20
"""A larger block is made smaller once it is not needed any more."""


class SharedBlock:
    """Memory of this process that a child can attach by its `handle`, a text.

    `shared`: the descriptors that the child has to inherit.
    """

    def __init__(self) -> None:
        self.shared: tuple[int, ...] = ()
        self.size = 0
        self.handle = ""
        self._map: mmap.mmap | None = None
        if sys.platform != "win32":
            create = getattr(os, "memfd_create", None)
            if create is not None:
                descriptor = create("napari-dicommeta")
            else:
                with tempfile.TemporaryFile() as file:
                    descriptor = os.dup(file.fileno())
            self.shared, self.handle = (descriptor,), str(descriptor)

    def reserve(self, size: int) -> mmap.mmap:
        """Return the memory, at least `size` bytes of it; what it held may be lost.

        Raises
        ------
        OSError
            If there is not as much.
        """
        wanted = -(-max(size, UNIT) // UNIT) * UNIT
        if self._map is None or self.size < wanted or (self.size > KEPT >= wanted):
            self._drop()
            self._map, self.size = self._mapped(wanted), wanted
        return self._map

    def _mapped(self, size: int) -> mmap.mmap:
        if sys.platform == "win32":
            self.handle = f"napari-dicommeta-{secrets.token_hex(8)}"
        else:
            os.ftruncate(self.shared[0], size)
        return attached(self.handle, size)

    def write(self, data: bytes) -> None:
        """Put bytes at the start of the memory that `reserve` returned; raise OSError if the disk is full."""
        assert self._map is not None
        if sys.platform == "darwin":  # a page of a full disk would end the process
            view, done = memoryview(data), 0
            while done < len(view):
                done += os.pwrite(self.shared[0], view[done:], done)
        else:
            self._map[: len(data)] = data

    def _drop(self) -> None:
        if self._map is not None:
            self._map.close()
        self._map, self.size = None, 0

    def close(self) -> None:
        """Give the memory back."""
        self._drop()
        for descriptor in self.shared:
            os.close(descriptor)
        self.shared = ()


def attached(handle: str, size: int) -> mmap.mmap:
    """Return `size` bytes of the memory of `SharedBlock.handle`, in the process that made it or in its child.

    Raises
    ------
    OSError
        If there is none.
    """
    if sys.platform == "win32":
        return mmap.mmap(-1, size, tagname=handle)
    return mmap.mmap(int(handle), size)
