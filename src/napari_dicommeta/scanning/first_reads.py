"""The first read of each file: one call that holds the whole header, as long as those of similar files were."""

from __future__ import annotations

import os

from napari_dicommeta.dicom.header import FIRST_READ, OPEN_FLAGS

__all__ = ["FirstReads", "FirstWindow"]

MAX_FIRST = 1 << 20
STEP = 4096
MAX_KINDS = 100_000

FirstWindow = tuple[int, int, bytes, str, str]
"""(size, modification time in ns, first bytes, outcome, reason) of a file; the last two are "" if it was read."""


class FirstReads:
    """Reads the first bytes of files: as many as the last header of the same file size or folder had."""

    def __init__(self) -> None:
        self._by_size: dict[int, int] = {}
        self._by_folder: dict[str, int] = {}
        self.is_slow = False
        """Whether storage was slow when it was last measured."""

    def learn(self, path: str, size: int, end: int) -> None:
        """Remember that the header of a file of `size` bytes ends at byte `end`."""
        count = min(max(FIRST_READ, -(-end // STEP) * STEP), MAX_FIRST)
        if len(self._by_size) + len(self._by_folder) > MAX_KINDS:
            self._by_size.clear()
            self._by_folder.clear()
        self._by_size[size] = self._by_folder[_folder(path)] = count

    def count(self, path: str, size: int) -> int:
        """Return the number of bytes to read first of a file of `size` bytes."""
        return self._by_size.get(size) or self._by_folder.get(_folder(path), FIRST_READ)

    def window(self, path: str) -> FirstWindow:
        """Read the first bytes of the file at `path`, which hold most headers completely."""
        try:
            descriptor = os.open(path, OPEN_FLAGS)
        except FileNotFoundError:
            return 0, 0, b"", "vanished", "the file is gone"
        except OSError as error:
            return 0, 0, b"", "rejected", f"cannot be opened: {error.strerror or type(error).__name__}"
        except ValueError as error:
            return 0, 0, b"", "rejected", f"cannot be opened: {error}"
        try:
            status = os.fstat(descriptor)
            if status.st_mode & 0o170000 != 0o100000:
                return 0, 0, b"", "skipped", "not a regular file"
            size = status.st_size
            return size, status.st_mtime_ns, os.read(descriptor, self.count(path, size)), "", ""
        except OSError as error:
            return 0, 0, b"", "rejected", f"cannot be read: {error.strerror or type(error).__name__}"
        finally:
            os.close(descriptor)


def _folder(path: str) -> str:
    return path[: path.rfind(os.sep)]
