"""The files that are listed and not yet read, handed out in batches: `Batches`."""

from __future__ import annotations

import threading
from collections import deque

from napari_dicommeta.scanning.worker import pack

__all__ = ["Batches"]

MOST_SECONDS = 0.5
"""The most work of a batch: a process that asks gets a part of what is left, so that all of them end together."""
AHEAD_SECONDS = 0.3
MAX_PACK, MAX_BATCH = 64, 4096


class Batches:
    """Batches of paths for `count` processes that read a file in about `each` seconds; safe for threads.

    A batch is work for about `least` seconds or more.

    Paths are kept in packs, as they are sent: the listing runs ahead, and a string for each file would take twice the
    memory.
    """

    def __init__(self, count: int, each: float, least: float) -> None:
        self.count = count
        self.pack_files = max(1, min(MAX_PACK, int(least / each)))
        """The number of files of a pack, the least of a batch."""
        self.files_ahead = int(AHEAD_SECONDS / each) + 1
        """The number of files that keep the processes busy for a while."""
        self.n_files = 0
        """The number of files that wait."""
        self._least, self._each = least, each
        self._packs: deque[tuple[int, bytes]] = deque()
        self._number = 0
        self._is_closed = False
        self._changed = threading.Condition()

    def add(self, paths: list[str]) -> None:
        """Add files to read."""
        size = self.pack_files
        packs = [paths[start : start + size] for start in range(0, len(paths), size)]
        packed = [(len(part), pack(part)) for part in packs]
        with self._changed:
            self._packs.extend(packed)
            self.n_files += len(paths)
            self._changed.notify_all()

    def close(self) -> None:
        """Say that no files will be added: `take` no longer waits for them."""
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()

    def take(self) -> tuple[int, bytes] | None:
        """Return the number of a batch, from 1 in the order of the files, and its request; None when none are left."""
        with self._changed:
            while self.n_files < self._files(self._least) and not self._is_closed:
                self._changed.wait()
            if not self._packs:
                return None
            least, most = self._files(self._least), min(MAX_BATCH, self._files(MOST_SECONDS))
            wanted = max(least, min(most, self.n_files // (2 * self.count)))
            packs, n_files = [], 0
            while self._packs and n_files + self._packs[0][0] <= max(wanted, self._packs[0][0]):
                count, packed = self._packs.popleft()
                packs.append(packed)
                n_files += count
            self.n_files -= n_files
            self._number += 1
            return self._number, b"".join(packs)

    def measured(self, n_files: int, seconds: float) -> None:
        """Take in how long a process took for a batch: the first headers of a kind take longer than the others."""
        with self._changed:
            self._each = max(seconds / max(n_files, 1), 1e-6)
            self._changed.notify_all()

    def _files(self, seconds: float) -> int:
        return max(1, int(seconds / self._each))
