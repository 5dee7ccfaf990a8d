"""A short mark for a folder, which changes when a file in it is added, removed or written to.

Getting the size and time of 285,380 files takes longer than comparing them. So scanning processes compute a mark for
each folder, and pass on only the mark.
"""

from __future__ import annotations

import os
from array import array
from hashlib import blake2b
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Generator

    from napari_dicommeta.scanning.pending_calls import PendingCalls

__all__ = ["Marked", "ask_mark", "mark_folder"]

Marked = tuple[str, int, list[str]]


def ask_mark(calls: PendingCalls, folder: str) -> Generator[None, None, Marked]:
    """Return what `mark_folder` does, and no mark if the storage does not answer; yield while it does not."""
    try:
        return (yield from calls.answer(mark_folder, folder))
    except TimeoutError:
        return "", 0, []


def mark_folder(folder: str) -> Marked:
    """Return the mark of a folder's own files (by name, size and time), their number, and the folders in it.

    The mark is "" where the folder must be listed: it cannot be read, or holds links, devices or pipes.
    """
    files: list[tuple[str, int, int]] = []
    folders: list[str] = []
    is_markable = True
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.is_file(follow_symlinks=False):
                    status = entry.stat(follow_symlinks=False)
                    files.append((entry.name, status.st_size, status.st_mtime_ns))
                elif entry.is_dir(follow_symlinks=False):
                    folders.append(entry.path)
                else:
                    is_markable = False
    except OSError:
        is_markable = False
    if not is_markable:
        return "", len(files), folders
    files.sort()
    names, sizes, times = zip(*files, strict=True) if files else ((), (), ())
    mark = blake2b("\0".join(names).encode("utf-8", "surrogateescape"), digest_size=12)
    mark.update(array("q", sizes).tobytes() + array("q", times).tobytes())
    return mark.hexdigest(), len(files), folders
