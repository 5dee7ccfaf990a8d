"""A short mark for each folder of a tree, which changes when a file in it is added, removed or written to.

Asking 285,380 files for their size and time takes longer than all that a catalog does with the answers: so
folders are marked by processes, and of an unchanged one nothing but its mark is passed on.
"""

from __future__ import annotations

import os
from array import array
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from hashlib import blake2b
from queue import SimpleQueue
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from concurrent.futures import Future

__all__ = ["folder_marks", "mark_folder"]

FEW_FILES = 4000
"""Up to here, starting processes costs more than it saves."""
FOLDERS = 64
"""How many folders a process is asked for at once, at most."""
Marked = tuple[str, int, list[str]]


def mark_folder(folder: str) -> Marked:
    """The mark of a folder's own files by name, size and time, their number, and the folders in it.

    "" marks a folder that has to be listed: it cannot be read, or holds links, devices or pipes.
    """
    files: list[tuple[str, int, int]] = []
    folders: list[str] = []
    plain = True
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.is_file(follow_symlinks=False):
                    status = entry.stat(follow_symlinks=False)
                    files.append((entry.name, status.st_size, status.st_mtime_ns))
                elif entry.is_dir(follow_symlinks=False):
                    folders.append(entry.path)
                else:
                    plain = False
    except OSError:
        plain = False
    if not plain:
        return "", len(files), folders
    files.sort()
    names, sizes, times = zip(*files, strict=True) if files else ((), (), ())
    mark = blake2b("\0".join(names).encode("utf-8", "surrogateescape"), digest_size=12)
    mark.update(array("q", sizes).tobytes() + array("q", times).tobytes())
    return mark.hexdigest(), len(files), folders


def folder_marks(tops: Sequence[str], workers: int | None = None) -> dict[str, str]:
    """Folder -> mark, for `tops` and all folders below; links to folders are not followed."""
    from napari_dicommeta.scanning.worker import Worker

    marks: dict[str, str] = {}
    pending = list(tops)
    files = 0

    def take(folders: Sequence[str], results: Sequence[Marked]) -> None:
        nonlocal files
        for folder, (mark, count, inside) in zip(folders, results, strict=True):
            marks[folder] = mark
            files += count
            pending.extend(one for one in inside if one not in marks)

    count = workers or os.cpu_count() or 1
    while pending and (count == 1 or files <= FEW_FILES):
        folder = pending.pop()
        take([folder], [mark_folder(folder)])
    if not pending:
        return marks
    idle: SimpleQueue[Worker] = SimpleQueue()

    def ask(folders: list[str]) -> list[Marked]:
        worker = idle.get()
        try:
            return worker.marks(folders)
        except (OSError, EOFError):  # the process died: this one does its work
            return [mark_folder(folder) for folder in folders]
        finally:
            idle.put(worker)

    started = [Worker() for _ in range(count)]
    for worker in started:
        idle.put(worker)
    try:
        with ThreadPoolExecutor(count) as pool:
            asked: dict[Future[list[Marked]], list[str]] = {}
            while pending or asked:
                size = max(1, min(FOLDERS, len(pending) // (2 * count)))
                while pending and len(asked) < 2 * count:
                    batch, pending[-size:] = pending[-size:], []
                    asked[pool.submit(ask, batch)] = batch
                for future in wait(asked, return_when=FIRST_COMPLETED).done:
                    take(asked.pop(future), future.result())
    finally:
        for worker in started:
            worker.stop()
    return marks
