"""List the members of archives as the files of folders are listed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_dicommeta.files.opening import (
    MAX_DEPTH,
    contents_of,
    find_inside,
    is_archive,
    is_archive_name,
    open_file,
    separator_of,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["is_inside", "members_in"]

Listed = tuple[str, str, str, str]
"""(path, outcome, reason, code) of what is no file to read, as of `listing.Entry`."""
TOO_DEEP = "an archive in an archive in an archive: unpack it, and open the folder"
EMPTY = "an archive without files"


def is_inside(path: str) -> bool:
    """Return whether a path leads to a file or a folder in an archive.

    Raises
    ------
    OSError
        If the archive cannot be read; a file that is none is no error.
    """
    if find_inside(path) is None:
        return False
    try:
        return next(members_in(path), None) is not None
    except NotADirectoryError:
        return False


def members_in(path: str) -> Iterator[str | Listed]:
    """Yield the paths in an archive, or in a folder or file of one, sorted; and what cannot be read, with the reason.

    Raises
    ------
    OSError
        If the archive cannot be read; ``strerror`` says why.
    """
    place = find_inside(path)
    if place is None:
        yield from _members(path, path, 1)
        return
    try:
        with open_file(path):
            pass
    except FileNotFoundError:
        yield from _members(place.archive, path, 1)
        return
    if is_archive_name(path) and is_archive(path):
        yield from _members(path, path, MAX_DEPTH)
    else:
        yield path


def _members(archive: str, top: str, depth: int) -> Iterator[str | Listed]:
    """Yield what an archive holds at and below the path `top`, which is its own or leads into it."""
    contents = contents_of(archive)
    separator = separator_of(archive)
    paths = {f"{archive}{separator}{name.replace('/', separator)}": name for name in contents.members}
    refused = [
        (f"{archive}{separator}{name.replace('/', separator)}" if name else archive, outcome, reason, code)
        for name, outcome, reason, code in contents.refused
    ]
    is_all = top == archive
    yield from (entry for entry in refused if is_all or _is_at(entry[0], top, separator))
    if is_all and not paths and not refused:
        yield archive, "skipped", EMPTY, ""
    for path in sorted(paths):
        if is_archive_name(path) and (is_all or _is_at(path, top, separator) or _is_at(top, path, separator)):
            yield from _inner(path, top, depth)
        elif is_all or _is_at(path, top, separator):
            yield path


def _inner(path: str, top: str, depth: int) -> Iterator[str | Listed]:
    """Yield what an archive in an archive holds, or the member as a file if it is none."""
    if not is_archive(path):
        yield path
    elif depth >= MAX_DEPTH:
        yield path, "rejected", TOO_DEEP, "archive"
    else:
        try:
            yield from _members(path, top if top.startswith(path) else path, depth + 1)
        except OSError as error:
            yield path, "rejected", error.strerror or type(error).__name__, "unreadable"


def _is_at(path: str, top: str, separator: str) -> bool:
    return path == top or path.startswith(top.rstrip(separator) + separator)
