"""Folders -> the files in them, and a reason for every entry that is none.

``os.walk`` hides folders that cannot be read; here each of them is an outcome with its reason.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["Entry", "list_files", "source_paths"]

Source = str | os.PathLike[str]


@dataclass(frozen=True, slots=True)
class Entry:
    """A directory entry: a file to read (`outcome` "") or one that is not read, with its outcome and reason."""

    path: str
    outcome: str = ""
    reason: str = ""
    size: int = -1
    mtime: int = -1
    """Bytes, and nanoseconds since 1970, where they were asked for."""


def source_paths(source: Source | Sequence[Source]) -> tuple[str, ...]:
    """The absolute paths that a source names: one, or several."""
    paths = (source,) if isinstance(source, (str, os.PathLike)) else source
    return tuple(os.path.abspath(os.fspath(path)) for path in paths)


def list_files(paths: Sequence[str], with_status: bool = False) -> Iterator[Entry]:
    """Every file below `paths`, folders in depth, each directory entry once.

    A link to a file counts as the file. A link to a folder is followed unless it leads to a folder that is
    listed anyway: one of `paths`, a folder below one, or one that contains it.
    """
    seen: set[str] = set()
    roots = [os.path.realpath(path) for path in paths]
    for path in paths:
        if not os.path.lexists(path):
            yield Entry(path, "vanished", "there is no such file or folder")
        elif os.path.isdir(path):
            yield from _below(path, roots, seen, with_status)
        elif path not in seen:
            seen.add(path)
            yield _file(path, with_status)


def _file(path: str, with_status: bool) -> Entry:
    if not with_status:
        return Entry(path)
    try:
        status = os.stat(path)
    except OSError:
        return Entry(path)  # reading it will tell what is wrong
    return Entry(path, "", "", status.st_size, status.st_mtime_ns)


def _below(top: str, roots: list[str], seen: set[str], with_status: bool) -> Iterator[Entry]:
    folders = [top]
    while folders:
        folder = folders.pop()
        if folder in seen:
            continue
        seen.add(folder)
        try:
            with os.scandir(folder) as entries:
                found = list(entries)
        except OSError as error:
            yield Entry(folder, "rejected", f"the folder cannot be read: {error.strerror or type(error).__name__}")
            continue
        below = []
        for entry in found:
            if entry.is_dir(follow_symlinks=False):
                below.append(entry.path)
            elif entry.is_file(follow_symlinks=False):
                yield _file(entry.path, with_status)
            elif entry.is_symlink():
                yield from _link(entry.path, roots, below, seen, with_status)
            else:
                yield Entry(entry.path, "skipped", "not a regular file")
        folders.extend(sorted(below, reverse=True))


def _link(path: str, roots: list[str], below: list[str], seen: set[str], with_status: bool) -> Iterator[Entry]:
    target = os.path.realpath(path)
    if os.path.isdir(path):
        if any(_contains(root, target) or _contains(target, root) for root in roots) or target in seen:
            yield Entry(path, "skipped", "a link to a folder that is listed anyway")
        else:
            seen.add(target)
            below.append(path)
    elif os.path.exists(path):
        yield _file(path, with_status)
    else:
        yield Entry(path, "skipped", "a link that leads nowhere")


def _contains(folder: str, path: str) -> bool:
    return path == folder or path.startswith(folder.rstrip(os.sep) + os.sep)
