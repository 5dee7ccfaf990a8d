"""The first read of each file: one call that holds the whole header, as long as those of similar files were.

The last bytes of a file with compressed pixels are read with it, as only they tell that the file was cut off.
"""

from __future__ import annotations

import os

from napari_dicommeta.dicom.codestream import TAIL
from napari_dicommeta.dicom.header import FIRST_READ, OPEN_FLAGS, pread

__all__ = ["FirstReads", "FirstWindow", "declared_syntax", "failed_window", "is_compressed", "tail_place"]

MAX_FIRST = 1 << 20
STEP = 4096
MAX_KINDS, MAX_NAME_BYTES = 100_000, 8 << 20
"""The most sizes and folders that are kept, and the most characters of the folders' names."""

MIN_FILE = 132
"""Bytes up to the end of the prefix, without which nothing tells what a file was."""
MAX_META = 1024
"""The bytes in which the transfer syntax of nearly every file is."""
_SYNTAX, _PREFIX, _COMPRESSED = b"\2\0\x10\0UI", b"1.2.840.10008.1.2.", b"3456789"
"""Tag and VR of *Transfer Syntax UID*; what UIDs of transfer syntaxes begin with; what follows if one compresses."""

FirstWindow = tuple[int, int, bytes, str, str, bytes]
"""(size, modification time in ns, first bytes, outcome, reason, last bytes) of a file.

Outcome and reason are "" if it was read; the last bytes are b"" unless its transfer syntax says that it is compressed.
"""


class FirstReads:
    """Reads the first bytes of files: as many as the last header of the same file size or folder had."""

    def __init__(self) -> None:
        self._by_size: dict[int, int] = {}
        self._by_folder: dict[str, int] = {}
        self._name_bytes = 0
        self.is_slow = False
        """Whether storage was slow when it was last measured."""

    def learn(self, path: str, size: int, end: int) -> None:
        """Remember that the header of a file of `size` bytes ends at byte `end`."""
        count = min(max(FIRST_READ, -(-end // STEP) * STEP), MAX_FIRST)
        folder = _folder(path)
        if folder not in self._by_folder:
            self._name_bytes += len(folder)
        if len(self._by_size) + len(self._by_folder) > MAX_KINDS or self._name_bytes > MAX_NAME_BYTES:
            self._by_size.clear()
            self._by_folder.clear()
            self._name_bytes = len(folder)
        self._by_size[size] = self._by_folder[folder] = count

    def count(self, path: str, size: int) -> int:
        """Return the number of bytes to read first of a file of `size` bytes."""
        return self._by_size.get(size) or self._by_folder.get(_folder(path), FIRST_READ)

    def window(self, path: str) -> FirstWindow:
        """Read the first bytes of the file at `path`, which hold most headers completely."""
        try:
            descriptor = os.open(path, OPEN_FLAGS)
        except FileNotFoundError:
            return failed_window("vanished", "the file is gone")
        except OSError as error:
            return failed_window("rejected", f"cannot be opened: {error.strerror or type(error).__name__}")
        except ValueError as error:
            return failed_window("rejected", f"cannot be opened: {error}")
        try:
            status = os.fstat(descriptor)
            if status.st_mode & 0o170000 != 0o100000:
                return failed_window("skipped", "not a regular file")
            size = status.st_size
            first = os.read(descriptor, self.count(path, size))
            if len(first) < min(size, MIN_FILE):
                return failed_window("rejected", "the file became shorter while it was read")
            tail = b""
            if is_compressed(first):
                start, count = tail_place(size)
                tail = first[start:] if len(first) >= size else pread(descriptor, count, start)
            return size, status.st_mtime_ns, first, "", "", tail
        except OSError as error:
            return failed_window("rejected", f"cannot be read: {error.strerror or type(error).__name__}")
        finally:
            os.close(descriptor)


def tail_place(size: int) -> tuple[int, int]:
    """Return (start, number) of the last bytes of a file of `size` bytes, in which its frames have their end."""
    return max(size - TAIL, 0), min(TAIL, size)


def declared_syntax(first: bytes) -> str:
    """Return the transfer syntax UID in the first bytes of a file, "" if there is none among them."""
    at = first.find(_SYNTAX, 132, MAX_META)
    if at < 0:
        return ""
    stop = at + 8 + int.from_bytes(first[at + 6 : at + 8], "little")
    return first[at + 8 : min(stop, MAX_META)].rstrip(b"\0 ").decode("ascii", "replace")


def is_compressed(first: bytes) -> bool:
    """Return whether the first bytes of a file declare compressed frames; quick, as it is asked of each file."""
    at = first.find(_SYNTAX, 132, MAX_META) + 8
    return at > 8 and first.startswith(_PREFIX, at) and first[at + len(_PREFIX)] in _COMPRESSED


def failed_window(outcome: str, reason: str) -> FirstWindow:
    """Return the window of a file that was not read."""
    return 0, 0, b"", outcome, reason, b""


def _folder(path: str) -> str:
    return path[: path.rfind(os.sep)]
