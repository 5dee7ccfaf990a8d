"""The first read of each file: one call that holds the whole header, as long as those of similar files were.

The last bytes of a file with compressed pixels are read with it, as only they tell that the file was cut off.
"""

from __future__ import annotations

import os

from napari_dicommeta.dicom.codestream import DELIMITER, EOI, TAIL
from napari_dicommeta.dicom.header import FIRST_READ
from napari_dicommeta.files.byte_file import OPEN_FLAGS, ByteFile, pread
from napari_dicommeta.files.opening import GZIP_NAMES, find_inside, open_file
from napari_dicommeta.files.urls import is_dicomweb, is_url
from napari_dicommeta.support.errors import HeaderError

__all__ = ["FirstReads", "FirstWindow", "declared_syntax", "failed_window", "is_compressed", "tail_place"]

MAX_FIRST = 1 << 20
STEP = 4096
MARGIN = 512
"""Bytes by which headers of one series may differ in length."""
MAX_KINDS, MAX_NAME_BYTES = 100_000, 8 << 20
"""The most sizes and folders that are kept, and the most characters of the folders' names."""

MIN_FILE = 132
"""Bytes up to the end of the prefix, without which nothing tells what a file was."""
MAX_META = 1024
"""The bytes in which the transfer syntax of nearly every file is."""
_BARE = (b"\2\0", b"\x08\0", b"\0\x08")
"""The first bytes of data sets without a prefix."""
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
        self._inside = "\0"
        """The folder in an archive, as a rule, of the file that was read last of those; no path begins with NUL."""
        self._last_end = FIRST_READ
        """About where the last header that was read element by element ended."""
        self._name_bytes = 0
        self.is_slow = False
        """Whether storage was slow when it was last measured."""

    def learn(self, path: str, size: int, end: int) -> None:
        """Remember that the header of a file of `size` bytes ends at byte `end`."""
        count = min(max(FIRST_READ, -(-end // STEP) * STEP), MAX_FIRST)
        self._last_end = min(-(-(end + MARGIN) // MARGIN) * MARGIN, count)
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
        if path.startswith(self._inside) or path.endswith(GZIP_NAMES) or is_url(path):
            return self._window_elsewhere(path)
        try:
            descriptor = os.open(path, OPEN_FLAGS)
        except (FileNotFoundError, NotADirectoryError):
            return self._window_elsewhere(path)
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

    def _window_elsewhere(self, path: str) -> FirstWindow:
        """Read the first bytes of a file in an archive, of an inflated one, or of one at a URL."""
        try:
            if is_dicomweb(path):
                return _instance_window(path)
            with open_file(path) as file:
                self._inside = path[: path.rfind(os.sep) + 1]
                return self._window_of(file)
        except FileNotFoundError as error:
            is_elsewhere = is_url(path) or find_inside(path) is not None
            return failed_window("vanished", (is_elsewhere and error.strerror) or "the file is gone")
        except HeaderError as error:
            return failed_window("rejected", str(error))
        except (OSError, ValueError) as error:
            return failed_window(
                "rejected", f"cannot be read: {getattr(error, 'strerror', None) or type(error).__name__}"
            )

    def _window_of(self, file: ByteFile) -> FirstWindow:
        first = file.read(0, self._last_end)  # what is inflated beyond a header takes longer than all else
        if first[128:132] != b"DICM" and first[:2] not in _BARE:
            # Another kind of file is not inflated to its end, which would tell its size.
            return len(first), file.mtime, first, "", "", b""
        size = file.size
        wanted = min(self.count(file.path, size), size)
        if wanted > FIRST_READ and len(first) < wanted:
            first += file.read(len(first), wanted - len(first))
        tail = b""
        if is_compressed(first):
            start, count = tail_place(size)
            tail = first[start:] if len(first) >= size else file.read(start, count)
        return size, file.mtime, first, "", "", tail


def _instance_window(path: str) -> FirstWindow:
    """Return the header of an instance of a DICOMweb server, of which no pixels are fetched; they count as whole."""
    from napari_dicommeta.files.dicomweb import web_header  # imports pydicom

    header = web_header(path)
    length = header.pixel_length
    if length >= 0:
        return len(header.data) + length, 0, header.data, "", "", b""
    tail = EOI + DELIMITER
    return len(header.data) + len(tail), 0, header.data, "", "", tail


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
