"""The paths and URLs of a source: how they may be written, and whether they can be reached."""

from __future__ import annotations

import errno
import os
import re
from contextlib import closing
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from napari_dicommeta.files.byte_file import n_reads
from napari_dicommeta.files.opening import separator_of
from napari_dicommeta.files.urls import is_url
from napari_dicommeta.scanning.archives import is_inside
from napari_dicommeta.scanning.pending_calls import PendingCalls
from napari_dicommeta.support.generators import result_of

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Sequence

    from napari_dicommeta.scanning.progress import Failure

__all__ = [
    "MANY",
    "Source",
    "check_sources",
    "checked_sources",
    "is_remote",
    "source_paths",
    "sources_of",
    "timed_out_entry",
]

_CHAINED = re.compile(r"(?:zip|tar)://(?P<inside>[^:]*)::(?P<archive>.+)", re.DOTALL)
"""What fsspec calls a place inside an archive."""
Source = str | bytes | os.PathLike[str]
MANY = 16
"""Sources that are asked for together; if the storage does not answer, it takes as long again to find for which."""


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


def is_remote(source: Source | Sequence[Source]) -> bool:
    """Return whether a source is given by URLs (``s3://…``, ``memory://…``), not by paths."""
    return any(map(is_url, sources_of(source)))


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


def check_sources(paths: Sequence[str]) -> list[Failure]:
    """Raise the error of the first of `paths` that does not exist or cannot be reached; URLs are listed later.

    Return the entries of those for which the storage does not answer, as long as it answers for others.

    Raises
    ------
    OSError
        `FileNotFoundError` if there is nothing at a path, `TimeoutError` if the storage answers for none.
    """
    return result_of(checked_sources(paths))


def checked_sources(paths: Sequence[str]) -> Generator[None, None, list[Failure]]:
    """Return and raise what `check_sources` does; yield while the storage does not answer."""
    silent: list[Failure] = []
    local = [path for path in paths if not is_url(path)]
    with closing(PendingCalls()) as calls:
        try:
            if len(local) > MANY:
                yield from calls.answers(_check, local, n_reads)
                return []
        except TimeoutError:
            pass
        for path in local:
            try:
                yield from calls.answer(_check, path, n_reads)
            except TimeoutError as error:
                silent.append(timed_out_entry(path, error))
                if len(silent) == len(paths):
                    raise
    return silent


def _check(path: str) -> None:
    try:
        os.stat(path)
    except (FileNotFoundError, NotADirectoryError) as error:
        if not is_inside(path):
            raise FileNotFoundError(errno.ENOENT, "the file or folder does not exist", path) from error


def timed_out_entry(path: str, error: TimeoutError) -> Failure:
    """Return the entry of a folder, a file or a link for which the storage does not answer."""
    return path, "timed out", f"not listed: {error.strerror}; check the connection, and scan again", ""
