"""The bytes of one file by position: a file of the file system, or a part of another file."""

from __future__ import annotations

import errno
import io
import os
import stat
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Any

__all__ = [
    "OPEN_FLAGS",
    "ByteFile",
    "ByteStream",
    "FileKey",
    "PartOfFile",
    "PlainFile",
    "n_reads",
    "pread",
    "unreadable",
]

OPEN_FLAGS = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
"""Never blocking on a pipe or a device."""

FileKey = tuple[str, int, int]
"""Path, time of the last change in nanoseconds, and size in bytes: another file at the same path has another key."""


_n_reads = 0


def n_reads() -> int:
    """Return a number that changes when a read of a file of the file system has returned."""
    return _n_reads


def pread(descriptor: int, count: int, offset: int) -> bytes:
    """Read `count` bytes at `offset`, fewer at the end of the file."""
    if hasattr(os, "pread"):
        return os.pread(descriptor, count, offset)
    os.lseek(descriptor, offset, os.SEEK_SET)
    return os.read(descriptor, count)


def unreadable(path: str, reason: str, code: int = errno.EIO) -> OSError:
    """Return the error of a file that cannot be read; `reason` says why, and what to do."""
    return OSError(code, reason, path)


class ByteFile:
    """The bytes of a file by position. All methods may be called from any thread, and raise OSError.

    `size`: number of bytes. `mtime`: time of the last change in nanoseconds, 0 if it is unknown.
    """

    __slots__ = ("mtime", "path")
    path: str
    mtime: int

    @property
    def size(self) -> int:
        """Number of bytes."""
        raise NotImplementedError

    @property
    def front(self) -> int:
        """Number of first bytes in which its header is: all, unless pixels come from elsewhere."""
        return self.size

    @property
    def key(self) -> FileKey:
        """The key of its content, for caches."""
        return self.path, self.mtime, self.size

    def read(self, offset: int, count: int) -> bytes:
        """Return `count` bytes at `offset`, fewer at the end of the file."""
        raise NotImplementedError

    def read_into(self, view: memoryview, offset: int) -> int:
        """Fill `view`, of bytes, from `offset` on, and return the number of bytes, fewer at the end of the file."""
        raw = self.read(offset, len(view))
        view[: len(raw)] = raw
        return len(raw)

    def close(self) -> None:
        """Release what is held; the file cannot be read any more."""

    def __enter__(self) -> ByteFile:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self.close()


class PlainFile(ByteFile):
    """A regular file of the file system."""

    __slots__ = ("_descriptor", "_size")

    def __init__(self, path: str) -> None:
        """Open the file at `path`.

        Raises
        ------
        OSError
            If it cannot be opened, or is not a regular file.
        """
        self.path = path
        self._descriptor = os.open(path, OPEN_FLAGS)
        status = os.fstat(self._descriptor)
        self.mtime, self._size = status.st_mtime_ns, status.st_size
        if not stat.S_ISREG(status.st_mode):
            self.close()
            raise unreadable(path, "not a regular file", errno.EINVAL)

    @property
    def size(self) -> int:
        """Number of bytes when it was opened."""
        return self._size

    def read(self, offset: int, count: int) -> bytes:
        """Return `count` bytes at `offset`, fewer at the end of the file."""
        global _n_reads
        raw = pread(self._descriptor, count, offset)
        _n_reads += 1  # not guarded: only whether it changes is looked at
        return raw

    def read_into(self, view: memoryview, offset: int) -> int:
        """Fill `view` from `offset` on without a copy where the system can."""
        if not hasattr(os, "preadv"):
            return super().read_into(view, offset)
        done = 0
        while done < len(view):
            count = os.preadv(self._descriptor, [view[done:]], offset + done)
            if count == 0:
                break
            done += count
        return done

    def close(self) -> None:
        """Close the descriptor."""
        os.close(self._descriptor)


class PartOfFile(ByteFile):
    """A range of another file, which it closes with itself: a stored member of an archive.

    `first`: bytes from its start on that were read already.
    """

    __slots__ = ("_first", "_size", "_start", "_whole")

    def __init__(self, path: str, whole: ByteFile, start: int, size: int, first: bytes = b"") -> None:
        self.path, self.mtime = path, whole.mtime
        self._whole, self._start, self._size, self._first = whole, start, size, first

    @property
    def size(self) -> int:
        """Number of bytes."""
        return self._size

    def read(self, offset: int, count: int) -> bytes:
        """Return `count` bytes at `offset`, fewer at the end of the part."""
        count = max(min(count, self._size - offset), 0)
        if offset + count <= len(self._first):
            return self._first[offset : offset + count]
        return self._whole.read(self._start + offset, count)

    def read_into(self, view: memoryview, offset: int) -> int:
        """Fill `view` from `offset` on."""
        return self._whole.read_into(view[: max(self._size - offset, 0)], self._start + offset)

    def close(self) -> None:
        """Close the other file."""
        self._whole.close()


class ByteStream(io.RawIOBase):
    """A stream over a file, for libraries that read streams; it closes the file with itself."""

    def __init__(self, file: ByteFile) -> None:
        super().__init__()
        self._file, self._place = file, 0

    @property
    def name(self) -> str:
        """The path of the file, which pydicom keeps with what it reads from a buffered stream."""
        return self._file.path

    def readable(self) -> bool:
        """Return True."""
        return True

    def seekable(self) -> bool:
        """Return True."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Fill `buffer` from the current place on."""
        count = self._file.read_into(memoryview(buffer).cast("B"), self._place)
        self._place += count
        return count

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Move to a place, and return it."""
        base = 0 if whence == os.SEEK_SET else self._place if whence == os.SEEK_CUR else self._file.size
        self._place = max(base + offset, 0)
        return self._place

    def tell(self) -> int:
        """Return the current place."""
        return self._place

    def close(self) -> None:
        """Close the file."""
        if not self.closed:
            self._file.close()
        super().close()
