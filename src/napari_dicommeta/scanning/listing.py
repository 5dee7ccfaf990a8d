"""List the files in folders, with a reason for each entry that is not a file to read.

``os.walk`` hides folders that cannot be read; here each of them is listed with its outcome and reason.
"""

from __future__ import annotations

import os
import stat
from operator import itemgetter
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

__all__ = ["Entry", "files_of", "list_files", "source_paths", "sources_of"]

OUTSIDE = "link"
"""The code of a link that leads out of the source; what it leads to may be images."""

Source = str | os.PathLike[str]
OtherEntry = tuple[str, str, str, str]
"""(path, outcome, reason, code), as an `Entry` or as scanning processes send it."""


class Entry(NamedTuple):
    """A directory entry that is not a file to read, with its outcome and reason."""

    path: str
    outcome: str
    reason: str
    code: str = ""


class _Folder(str):
    """The path of a folder, to be replaced by its entries."""

    __slots__ = ()


def source_paths(source: Source | Sequence[Source]) -> tuple[str, ...]:
    """Return the absolute paths of a source."""
    return tuple(os.path.abspath(path) for path in sources_of(source))


def sources_of(source: Source | Sequence[Source]) -> tuple[str, ...]:
    """Return the paths or URLs of a source, which is a single path or URL or a sequence of them, as strings."""
    sources = (source,) if isinstance(source, (str, os.PathLike)) else source
    return tuple(os.fspath(path) for path in sources)


def files_of(entries: Iterable[str | OtherEntry], others: list[OtherEntry]) -> Iterator[str]:
    """Yield the files of a listing; append its other entries to `others`."""
    for entry in entries:
        if isinstance(entry, str):
            yield entry
        else:
            others.append(entry)


def list_files(paths: Sequence[str]) -> Iterator[str | Entry]:
    """Yield the path of every file in and below `paths`, and an `Entry` for everything else, each once.

    The entries below each of `paths` are sorted by path. Links in folders are not followed: what they lead to is listed
    anyway, or lies outside. A link that is one of `paths` is.
    """
    seen: set[str] = set()
    roots = [os.path.realpath(path) for path in paths]
    for path in paths:
        if not os.path.lexists(path):
            yield Entry(path, "vanished", "the file or folder does not exist")
        elif os.path.isdir(path):
            yield from _below(path, roots, seen)
        elif path not in seen:
            seen.add(path)
            yield path


def _below(top: str, roots: list[str], seen: set[str]) -> Iterator[str | Entry]:
    stack: list[Iterator[str | Entry]] = [iter(_folder(top, roots, seen))]
    while stack:
        for entry in stack[-1]:
            if type(entry) is _Folder:
                stack.append(iter(_folder(entry, roots, seen)))
                break
            yield entry
        else:
            stack.pop()


def _folder(folder: str, roots: list[str], seen: set[str]) -> Sequence[str | Entry]:
    """Return the entries of a folder, sorted by path; subfolders are `_Folder`."""
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
                    others.append((path, _link(path, roots)))
                else:
                    others.append((path, Entry(path, "skipped", "not a regular file")))
    except OSError as error:
        reason = f"the folder cannot be read: {error.strerror or type(error).__name__}"
        return [Entry(folder, "rejected", reason, "unreadable")]
    files.sort()
    if not others:
        return files
    others += zip(files, files, strict=True)
    others.sort(key=itemgetter(0))
    return [entry for _, entry in others]


def _link(path: str, roots: list[str]) -> Entry:
    """Return the entry of a link, with the kind of what it leads to as the reason why it is not followed."""
    try:
        mode = os.stat(path).st_mode
    except OSError as error:
        is_gone = isinstance(error, FileNotFoundError)
        why = "" if is_gone else f": {error.strerror or type(error).__name__}"
        return Entry(path, "skipped", f"a link that leads nowhere{why}")
    kind = "folder" if stat.S_ISDIR(mode) else "file" if stat.S_ISREG(mode) else ""
    if not kind:
        return Entry(path, "skipped", "a link to something that is not a regular file")
    target = os.path.realpath(path)
    if any(_contains(root, target) for root in roots):
        return Entry(path, "skipped", f"a link to a {kind} that is listed anyway")
    if any(_contains(target, root) for root in roots):
        return Entry(path, "skipped", "a link to a folder around this one, which is not followed")
    return Entry(path, "skipped", f"a link to a {kind} elsewhere, which is not followed", OUTSIDE)


def _contains(folder: str, path: str) -> bool:
    return path == folder or path.startswith(folder.rstrip(os.sep) + os.sep)
