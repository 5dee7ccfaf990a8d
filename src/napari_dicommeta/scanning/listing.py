"""List the files in folders, with a reason for each entry that is not a file to read.

``os.walk`` hides folders that cannot be read; here each of them is listed with its outcome and reason. So is a folder
for which the storage does not answer: `pending_calls` asks it, and the rest is listed.
"""

from __future__ import annotations

import errno
import os
import stat
from contextlib import closing
from operator import itemgetter
from typing import TYPE_CHECKING, NamedTuple

from napari_dicommeta.files.byte_file import n_reads
from napari_dicommeta.files.opening import find_inside, is_archive, is_archive_name
from napari_dicommeta.files.urls import is_dicomweb, is_url, list_url
from napari_dicommeta.scanning.archives import members_in
from napari_dicommeta.scanning.pending_calls import PendingCalls
from napari_dicommeta.scanning.sources import MANY, timed_out_entry

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator, Sequence

    from napari_dicommeta.scanning.progress import Failure

__all__ = [
    "Entry",
    "files_of",
    "list_files",
    "list_steps",
    "take_files",
]

OUTSIDE = "link"
"""The code of a link that leads out of the source; what it leads to may be images."""


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


class _Link(_Folder):
    """The path of a link, to be replaced by its entry."""

    __slots__ = ()


def files_of(entries: Iterable[str | Failure | None], others: list[Failure]) -> Iterator[str]:
    """Yield the files of a listing; append its other entries to `others`."""
    for entry in entries:
        if isinstance(entry, str):
            yield entry
        elif entry is not None:
            others.append(entry)


def take_files(
    entries: Iterator[str | Failure | None], others: list[Failure], count: int
) -> Generator[None, None, list[str]]:
    """Return the next `count` files of a listing, fewer at its end, as `files_of` yields them; yield when it waits."""
    files: list[str] = []
    while len(files) < count:
        entry = next(entries, "")
        if entry == "":
            break
        if isinstance(entry, str):
            files.append(entry)
        elif entry is not None:
            others.append(entry)
        else:
            yield
    return files


def list_files(paths: Sequence[str]) -> Iterator[str | Entry]:
    """Yield the path of every file in and below `paths`, and an `Entry` for everything else, each once.

    The entries below each of `paths` are sorted by path. Links in folders are not followed: what they lead to is listed
    anyway, or lies outside. A link that is one of `paths` is. Archives are listed like folders: those in folders by
    their names, any of `paths` by its content unless these are more than `MANY`.

    Raises
    ------
    OSError
        If there is nothing at a URL, or it cannot be listed.
    ImportError
        If a URL needs a package that is not installed.
    """
    return (entry for entry in list_steps(paths) if entry is not None)


def list_steps(paths: Sequence[str]) -> Iterator[str | Entry | None]:
    """Yield what `list_files` does, and None about ten times a second while the storage does not answer."""
    with closing(PendingCalls()) as calls:
        yield from _Listing(calls).below(paths)


class _Listing:
    """A listing of sources: what asks the storage, and the folders and files that have been listed."""

    def __init__(self, calls: PendingCalls) -> None:
        self._calls = calls
        self._seen: set[str] = set()
        self._roots: list[str] = []

    def below(self, paths: Sequence[str]) -> Iterator[str | Entry | None]:
        """Yield the entries in and below sources."""
        places = yield from self._places(paths)
        self._roots = [place.real for place in places]
        folders = {place.path for place in places if place.kind is _Folder}
        for path, _, kind in places:
            if _is_below(path, folders) or path in self._seen:
                continue
            if is_url(path):
                yield from self._at_url(path)
            elif kind is _Folder:
                yield from self._in_folder(path)
            else:
                self._seen.add(path)
                if isinstance(kind, Entry):
                    yield kind
                elif kind is _Archive:
                    yield from self._members(path)
                else:
                    yield path

    def _places(self, paths: Sequence[str]) -> Generator[None, None, list[_Place]]:
        """Return what is at each of `paths`: asked for all together, or one by one if the storage does not answer."""
        try:
            if paths:
                return (
                    yield from self._calls.answers(_place if len(paths) <= MANY else _place_by_name, paths, n_reads)
                )
        except TimeoutError:
            pass
        places = []
        for path in paths:
            try:
                places.append((yield from self._calls.answer(_place, path, n_reads)))
            except TimeoutError as error:
                places.append(_Place(path, path, Entry(*timed_out_entry(path, error))))
        return places

    def _at_url(self, url: str) -> Iterator[str | Entry | None]:
        """Yield the files at and below a URL, the members of archives there, and the instances of a DICOMweb server."""
        if is_dicomweb(url):
            yield from self._on_server(url)
            return
        is_member = yield from self._calls.answer(lambda url: find_inside(url) is not None, url, is_limited=False)
        if is_member:
            yield from self._members(url)
            return
        listed = yield from self._calls.answer(lambda url: list(list_url(url)), url, is_limited=False)
        for path in listed:
            if path not in self._seen:
                self._seen.add(path)
                if path == url or is_archive_name(path):
                    yield from self._members(path)
                else:
                    yield path

    def _on_server(self, url: str) -> Iterator[str | Entry | None]:
        from napari_dicommeta.files.dicomweb import list_instances  # imports pydicom

        listed = yield from self._calls.answer(lambda url: list(list_instances(url)), url, is_limited=False)
        for entry in listed:
            if not isinstance(entry, str):
                yield Entry(*entry)
            elif entry not in self._seen:
                self._seen.add(entry)
                yield entry

    def _members(self, path: str) -> Iterator[str | Entry | None]:
        """Yield what an archive holds; a file that is no archive is listed as a file."""
        try:
            yield from (yield from self._calls.answer(_listed, path, n_reads, is_limited=not is_url(path)))
        except TimeoutError as error:
            yield Entry(*timed_out_entry(path, error))

    def _in_folder(self, top: str) -> Iterator[str | Entry | None]:
        stack: list[Iterator[str | Entry]] = [iter((_Folder(top),))]
        while stack:
            for entry in stack[-1]:
                if type(entry) is _Folder:
                    stack.append((yield from self._folder(entry)))
                    break
                if type(entry) is _Archive:
                    yield from self._members(str(entry))
                elif type(entry) is _Link:
                    yield from self._link(entry)
                else:
                    yield entry
            else:
                stack.pop()

    def _folder(self, folder: str) -> Generator[None, None, Iterator[str | Entry]]:
        """Return the entries of a folder that has not been listed."""
        if folder in self._seen:
            return iter(())
        self._seen.add(folder)
        try:
            return iter((yield from self._calls.answer(_folder, folder)))
        except TimeoutError as error:
            return iter((Entry(*timed_out_entry(folder, error)),))

    def _link(self, path: str) -> Iterator[Entry | None]:
        try:
            yield (yield from self._calls.answer(lambda path: _link(path, self._roots), path))
        except TimeoutError as error:
            yield Entry(*timed_out_entry(path, error))


class _Place(NamedTuple):
    """What is at a path: the path without links, and `_Folder`, `_Archive`, str for a file, or an entry."""

    path: str
    real: str
    kind: type[str] | Entry


def _place_by_name(path: str) -> _Place:
    """Return what is at one of many paths: a list of all files of a folder should not open each twice."""
    return _place(path, is_archive_name)


def _place(path: str, is_archive: Callable[[str], bool] = is_archive) -> _Place:
    real = os.path.realpath(path)
    if is_url(path):
        return _Place(path, real, str)
    if os.path.isdir(path):
        return _Place(path, real, _Folder)
    if os.path.lexists(path):
        return _Place(path, real, _Archive if is_archive(path) else str)
    if find_inside(path):
        return _Place(path, real, _Archive)
    return _Place(path, real, Entry(path, "vanished", "the file or folder does not exist"))


def _listed(path: str) -> list[str | Entry]:
    """Return what an archive holds; a file that is no archive is listed as a file."""
    try:
        return [member if isinstance(member, str) else Entry(*member) for member in members_in(path)]
    except OSError as error:
        if error.errno == errno.ENOTDIR:
            return [path]
        return [Entry(path, "rejected", error.strerror or type(error).__name__, "unreadable")]


def _is_below(path: str, folders: set[str]) -> bool:
    """Return whether a path lies below one of `folders`, with which it is listed."""
    parent = os.path.dirname(path)
    while parent != path:
        if parent in folders:
            return True
        path, parent = parent, os.path.dirname(parent)
    return False


def _folder(folder: str) -> Sequence[str | Entry]:
    """Return the entries of a folder, sorted by path; subfolders are `_Folder`, archives `_Archive`, links `_Link`."""
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
                    others.append((path, _Link(path)))
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
