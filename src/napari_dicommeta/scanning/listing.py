"""Folders -> the files in them, and a reason for every entry that is none.

``os.walk`` hides folders that cannot be read; here each of them is an outcome with its reason.
"""

from __future__ import annotations

import os
from operator import itemgetter
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

__all__ = ["Entry", "files_of", "list_files", "source_paths", "sources_of"]

Source = str | os.PathLike[str]
OtherEntry = tuple[str, str, str, str]
"""(path, outcome, reason, code), as an `Entry` or as scanning processes send it."""


class Entry(NamedTuple):
    """A directory entry that is no file to read, with its outcome and reason."""

    path: str
    outcome: str
    reason: str
    code: str = ""


class _Folder(str):
    """The path of a folder whose entries come in its place."""

    __slots__ = ()


def source_paths(source: Source | Sequence[Source]) -> tuple[str, ...]:
    """The absolute paths that a source names: one, or several."""
    return tuple(os.path.abspath(path) for path in sources_of(source))


def sources_of(source: Source | Sequence[Source]) -> tuple[str, ...]:
    """A source, one path or URL or several of them, as texts."""
    sources = (source,) if isinstance(source, (str, os.PathLike)) else source
    return tuple(os.fspath(one) for one in sources)


def files_of(entries: Iterable[str | OtherEntry], others: list[OtherEntry]) -> Iterator[str]:
    """The files of a listing; its other entries are appended to `others`."""
    for entry in entries:
        if isinstance(entry, str):
            yield entry
        else:
            others.append(entry)


def list_files(paths: Sequence[str]) -> Iterator[str | Entry]:
    """The path of every file below `paths`, folders in depth, and an `Entry` for everything else, each once.

    In the order of the paths below each of `paths`. A link to a file counts as the file. A link to a folder is
    followed unless it leads to a folder that is listed anyway: one of `paths`, a folder below one, or one that
    contains it.
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
            yield path


def _below(top: str, roots: list[str], seen: set[str]) -> Iterator[str | Entry]:
    stack: list[Iterator[str | Entry]] = [iter(_folder(top, roots, seen))]
    while stack:
        for one in stack[-1]:
            if type(one) is _Folder:
                stack.append(iter(_folder(one, roots, seen)))
                break
            yield one
        else:
            stack.pop()


def _folder(folder: str, roots: list[str], seen: set[str]) -> Sequence[str | Entry]:
    """The entries of one folder, sub-folders as `_Folder`, in the order in which their paths sort."""
    if folder in seen:
        return ()
    seen.add(folder)
    files: list[str] = []
    others: list[tuple[str, str | Entry]] = []
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                path = entry.path
                if entry.is_file(follow_symlinks=False):
                    files.append(path)
                elif entry.is_dir(follow_symlinks=False):
                    others.append((path + os.sep, _Folder(path)))
                elif entry.is_symlink():
                    others.append(_link(path, roots, seen))
                else:
                    others.append((path, Entry(path, "skipped", "not a regular file")))
    except OSError as error:
        return [Entry(folder, "rejected", f"the folder cannot be read: {error.strerror or type(error).__name__}")]
    files.sort()
    if not others:
        return files
    others += zip(files, files, strict=True)
    others.sort(key=itemgetter(0))
    return [one for _, one in others]


def _link(path: str, roots: list[str], seen: set[str]) -> tuple[str, str | Entry]:
    target = os.path.realpath(path)
    if os.path.isdir(path):
        if any(_contains(root, target) or _contains(target, root) for root in roots) or target in seen:
            return path, Entry(path, "skipped", "a link to a folder that is listed anyway")
        seen.add(target)
        return path + os.sep, _Folder(path)
    if os.path.exists(path):
        return path, path
    return path, Entry(path, "skipped", "a link that leads nowhere")


def _contains(folder: str, path: str) -> bool:
    return path == folder or path.startswith(folder.rstrip(os.sep) + os.sep)
