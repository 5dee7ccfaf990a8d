"""List the files in folders, with a reason for each entry that is not a file to read.

``os.walk`` hides folders that cannot be read; here each of them is listed with its outcome and reason.
"""

from __future__ import annotations

import errno
import os
import re
import stat
from operator import itemgetter
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

from napari_dicommeta.files.opening import find_inside, is_archive, is_archive_name, separator_of
from napari_dicommeta.files.urls import is_dicomweb, is_url, list_url
from napari_dicommeta.scanning.archives import is_inside, members_in

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

__all__ = ["Entry", "check_sources", "files_of", "list_files", "source_paths", "sources_of"]

OUTSIDE = "link"
"""The code of a link that leads out of the source; what it leads to may be images."""

_CHAINED = re.compile(r"(?:zip|tar)://(?P<inside>[^:]*)::(?P<archive>.+)", re.DOTALL)
"""What fsspec calls a place inside an archive."""
Source = str | bytes | os.PathLike[str]
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


class _Archive(_Folder):
    """The path of an archive, to be replaced by its members."""

    __slots__ = ()


def source_paths(source: Source | Iterable[Source]) -> tuple[str, ...]:
    """Return the absolute paths and the URLs of a source; an empty name stays empty, as it names nothing."""
    return tuple(path if not path or is_url(path) else os.path.abspath(path) for path in sources_of(source))


def sources_of(source: Source | Iterable[Source]) -> tuple[str, ...]:
    """Return the paths or URLs of a source, which is one or several of them, as strings.

    A ``~`` at the beginning becomes the user's folder, and a URL ``file://…`` the path that it names.

    Raises
    ------
    ValueError
        If there is none.
    """
    sources = (source,) if isinstance(source, (str, bytes, os.PathLike)) else source
    found = tuple(_path_of(os.fsdecode(path)) for path in sources)
    if not found:
        raise ValueError("there is no source: name at least one folder, file or URL")
    return found


def _path_of(source: str) -> str:
    if source[:7].lower() == "file://":
        from urllib.request import url2pathname  # its import takes as long as all others of this module

        place = urlsplit(source)
        return url2pathname(place.path if place.netloc in ("", "localhost") else f"//{place.netloc}{place.path}")
    if match := _CHAINED.fullmatch(source):  # fsspec's way to say it
        archive, inside = _path_of(match["archive"]), match["inside"].strip("/")
        separator = separator_of(archive)
        return separator.join([archive, *filter(None, inside.split("/"))])
    return os.path.expanduser(source) if source.startswith("~") and not os.path.lexists(source) else source


def check_sources(paths: Iterable[str]) -> None:
    """Raise the error of the first of `paths` that does not exist or cannot be reached; URLs are listed later.

    Raises
    ------
    OSError
        `FileNotFoundError` if there is nothing at a path.
    """
    for path in paths:
        try:
            if not is_url(path):
                os.stat(path)
        except (FileNotFoundError, NotADirectoryError) as error:
            if not is_inside(path):
                raise FileNotFoundError(errno.ENOENT, "the file or folder does not exist", path) from error


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
    anyway, or lies outside. A link that is one of `paths` is. Archives are listed like folders: those in folders by
    their names, any of `paths` by its content.

    Raises
    ------
    OSError
        If there is nothing at a URL, or it cannot be listed.
    ImportError
        If a URL needs a package that is not installed.
    """
    seen: set[str] = set()
    roots = [os.path.realpath(path) for path in paths]
    folders = {path for path in paths if os.path.isdir(path)}
    for path in paths:
        if _is_below(path, folders):
            continue
        if is_url(path):
            yield from _at_url(path, seen)
        elif path in folders:
            yield from _below(path, roots, seen)
        elif path not in seen:
            seen.add(path)
            if os.path.lexists(path):
                yield from _members(path) if is_archive(path) else (path,)
            elif find_inside(path):
                yield from _members(path)
            else:
                yield Entry(path, "vanished", "the file or folder does not exist")


def _at_url(url: str, seen: set[str]) -> Iterator[str | Entry]:
    """Yield the files at and below a URL, the members of archives there, and the instances of a DICOMweb server."""
    if is_dicomweb(url):
        from napari_dicommeta.files.dicomweb import list_instances  # imports pydicom

        for entry in list_instances(url):
            if not isinstance(entry, str):
                yield Entry(*entry)
            elif entry not in seen:
                seen.add(entry)
                yield entry
        return
    if find_inside(url):
        yield from _members(url)
        return
    for path in list_url(url):
        if path not in seen:
            seen.add(path)
            yield from _members(path) if path == url or is_archive_name(path) else (path,)


def _members(path: str) -> Iterator[str | Entry]:
    """Yield what an archive holds; a file that is no archive is listed as a file."""
    try:
        for member in members_in(path):
            yield member if isinstance(member, str) else Entry(*member)
    except OSError as error:
        if error.errno == errno.ENOTDIR:
            yield path
        else:
            yield Entry(path, "rejected", error.strerror or type(error).__name__, "unreadable")


def _is_below(path: str, folders: set[str]) -> bool:
    """Return whether a path lies below one of `folders`, with which it is listed."""
    parent = os.path.dirname(path)
    while parent != path:
        if parent in folders:
            return True
        path, parent = parent, os.path.dirname(parent)
    return False


def _below(top: str, roots: list[str], seen: set[str]) -> Iterator[str | Entry]:
    stack: list[Iterator[str | Entry]] = [iter(_folder(top, roots, seen))]
    while stack:
        for entry in stack[-1]:
            if type(entry) is _Folder:
                stack.append(iter(_folder(entry, roots, seen)))
                break
            if type(entry) is _Archive:
                stack.append(_members(str(entry)))
                break
            yield entry
        else:
            stack.pop()


def _folder(folder: str, roots: list[str], seen: set[str]) -> Sequence[str | Entry]:
    """Return the entries of a folder, sorted by path; subfolders are `_Folder`, archives `_Archive`."""
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
                    if is_archive_name(path):
                        others.append((path + os.sep, _Archive(path)))
                    else:
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
