"""Folders -> the files in them, and a reason for every entry that is none.

``os.walk`` hides folders that cannot be read; here each of them is an outcome with its reason.
"""

from __future__ import annotations

import os
from operator import itemgetter
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["Entry", "list_files", "source_paths"]

Source = str | os.PathLike[str]


class Entry(NamedTuple):
    """A directory entry: a file to read (`outcome` "") or one that is not read, with its outcome and reason."""

    path: str
    outcome: str = ""
    reason: str = ""


def source_paths(source: Source | Sequence[Source]) -> tuple[str, ...]:
    """The absolute paths that a source names: one, or several."""
    paths = (source,) if isinstance(source, (str, os.PathLike)) else source
    return tuple(os.path.abspath(os.fspath(path)) for path in paths)


def list_files(paths: Sequence[str]) -> Iterator[Entry]:
    """Every file below `paths`, folders in depth, each directory entry once; in the order of the paths below each.

    A link to a file counts as the file. A link to a folder is followed unless it leads to a folder that is
    listed anyway: one of `paths`, a folder below one, or one that contains it.
    """
    seen: set[str] = set()
    roots = [os.path.realpath(path) for path in paths]
    for path in paths:
        if not os.path.lexists(path):
            yield Entry(path, "vanished", "there is no such file or folder")
        elif os.path.isdir(path):
            yield from _below(path, roots, seen)
        elif path not in seen:
            seen.add(path)
            yield Entry(path)


def _below(top: str, roots: list[str], seen: set[str]) -> Iterator[Entry]:
    stack = [iter(_folder(top, roots, seen))]
    while stack:
        for one in stack[-1]:
            if isinstance(one, Entry):
                yield one
            else:
                stack.append(iter(_folder(one, roots, seen)))
                break
        else:
            stack.pop()


def _folder(folder: str, roots: list[str], seen: set[str]) -> list[Entry | str]:
    """The entries of one folder, sub-folders as their paths, in the order in which their paths sort."""
    if folder in seen:
        return []
    seen.add(folder)
    found: list[tuple[str, Entry | str]] = []
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                path = entry.path
                if entry.is_file(follow_symlinks=False):
                    found.append((path, Entry(path)))
                elif entry.is_dir(follow_symlinks=False):
                    found.append((path + os.sep, path))
                elif entry.is_symlink():
                    found.append(_link(path, roots, seen))
                else:
                    found.append((path, Entry(path, "skipped", "not a regular file")))
    except OSError as error:
        return [Entry(folder, "rejected", f"the folder cannot be read: {error.strerror or type(error).__name__}")]
    found.sort(key=itemgetter(0))
    return [one for _, one in found]


def _link(path: str, roots: list[str], seen: set[str]) -> tuple[str, Entry | str]:
    target = os.path.realpath(path)
    if os.path.isdir(path):
        if any(_contains(root, target) or _contains(target, root) for root in roots) or target in seen:
            return path, Entry(path, "skipped", "a link to a folder that is listed anyway")
        seen.add(target)
        return path + os.sep, path
    if os.path.exists(path):
        return path, Entry(path)
    return path, Entry(path, "skipped", "a link that leads nowhere")


def _contains(folder: str, path: str) -> bool:
    return path == folder or path.startswith(folder.rstrip(os.sep) + os.sep)
