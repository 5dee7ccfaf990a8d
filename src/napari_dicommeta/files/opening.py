"""Open files by their paths: of the file system, inside archives, inflated from gzip, or at URLs.

A member of an archive has the path of the archive, followed by its name: ``x.zip/inside/a.dcm``. So has a member of an
archive inside another one, and of one at a URL. A file ``a.dcm.gz`` stands for its inflated bytes.
"""

from __future__ import annotations

import errno
import io
import os
from functools import partial
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

from napari_dicommeta.files.bounded_cache import BoundedCache
from napari_dicommeta.files.byte_file import ByteFile, ByteStream, PartOfFile, PlainFile, unreadable
from napari_dicommeta.files.inflated_stream import GZIP, GZIP_MAGIC, MAX_STREAMS, RAW, InflatedFile, InflatedStream
from napari_dicommeta.files.members import DEFLATED, Contents
from napari_dicommeta.files.tar_contents import HEADER, is_tar, tar_contents
from napari_dicommeta.files.urls import UrlFile, is_dicomweb, is_url, is_url_of_file
from napari_dicommeta.files.zip_contents import LOCAL, ZIP_MAGIC, zip_contents

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_dicommeta.files.byte_file import FileKey
    from napari_dicommeta.files.members import Member

__all__ = [
    "ARCHIVE_NAMES",
    "GZIP_NAMES",
    "Inside",
    "contents_of",
    "file_key",
    "find_inside",
    "is_archive",
    "is_archive_name",
    "open_file",
    "open_stream",
    "separator_of",
]

ARCHIVE_NAMES = (".zip", ".tar", ".tar.gz", ".tgz")
"""The ends of names of files in folders that are looked into; a source is looked into whatever its name is."""
GZIP_NAMES = (".gz", ".GZ", ".tgz", ".TGZ")
"""The ends of names of files that stand for their inflated bytes."""
KEPT_FOLDERS = 4096
_ARCHIVES: dict[str, str] = {}
"""Folders in archives -> the archive; at most `KEPT_FOLDERS`."""
MAX_DEPTH = 2
"""Archives inside one another that are opened."""
AHEAD = 4096
"""Bytes of a member that are read with its local header."""
CONTENT_BYTES = 512 << 20
"""Bytes of what archives list that are kept."""

_CONTENTS: BoundedCache[Contents] = BoundedCache(CONTENT_BYTES, lambda contents: contents.nbytes)
_STREAMS: BoundedCache[InflatedStream] = BoundedCache(MAX_STREAMS, lambda _: 1)


class Inside(NamedTuple):
    """A place inside an archive: the archive's path, and the name of a member or a folder, "" for all."""

    archive: str
    name: str


def separator_of(path: str) -> str:
    """Return what separates the parts of a path, which is ``/`` in URLs."""
    return "/" if is_url(path) else os.sep


def is_archive_name(name: str) -> bool:
    """Return whether a file of a folder is taken for an archive."""
    return name[-7:].lower().endswith(ARCHIVE_NAMES)


def open_file(path: str) -> ByteFile:
    """Open the file at a path or URL, which may lead into an archive.

    Raises
    ------
    OSError
        If there is no file, or it cannot be read; ``strerror`` says why.
    """
    if is_url(path):
        if is_dicomweb(path):
            from napari_dicommeta.files.dicomweb import InstanceFile  # imports pydicom

            return InstanceFile(path)
        place = find_inside(path)
        return _inflated(path, UrlFile(path)) if place is None else _open_inside(path, place)
    folder = path.rpartition(os.sep)[0]
    if (archive := _ARCHIVES.get(folder)) is not None:
        try:
            return _open_inside(path, Inside(archive, path[len(archive) + 1 :].replace(os.sep, "/")))
        except OSError:  # it may have become a folder: if it has not, the error comes again
            _ARCHIVES.pop(folder, None)
    try:
        file = PlainFile(path)
    except (FileNotFoundError, NotADirectoryError):
        place = find_inside(path)
        if place is None:
            raise
        return _open_inside(path, place)
    return _inflated(path, file)


def open_stream(path: str) -> BinaryIO:
    """Open the file at a path as a stream; raise as `open_file` does."""
    return io.BufferedReader(ByteStream(open_file(path)), 1 << 16)


def file_key(path: str) -> FileKey:
    """Return the key of the present content of the file at `path`; raise as `open_file` does."""
    with open_file(path) as file:
        return file.key


def is_archive(path: str) -> bool:
    """Return whether the file at `path` is an archive, by its first bytes; False if it cannot be read."""
    try:
        with open_file(path) as file:
            return _lister(file) is not None
    except (OSError, ValueError):
        return False


def contents_of(path: str) -> Contents:
    """Return what the archive at `path` lists.

    Raises
    ------
    OSError
        If it cannot be read, or is no archive; ``strerror`` says why.
    """
    with open_file(path) as file:
        return _contents(file)


def find_inside(path: str) -> Inside | None:
    """Return the outermost archive in which a path leads, None if no folder on its way is a file."""
    if is_dicomweb(path):
        return None
    separator = separator_of(path)
    archive = _url_archive(path) if is_url(path) else _archive_at(path.rpartition(separator)[0])
    return Inside(archive, path[len(archive) + 1 :].replace(separator, "/")) if archive else None


def _archive_at(folder: str) -> str:
    """Return the file on the way to a folder that is none, "" if there is none; it is tried first from then on."""
    archive = folder
    while archive and not os.path.exists(archive):
        archive = os.path.dirname(archive)
    if not os.path.isfile(archive):
        return ""
    if len(_ARCHIVES) >= KEPT_FOLDERS:
        _ARCHIVES.clear()
    _ARCHIVES[folder] = archive
    return archive


def _url_archive(url: str) -> str:
    """Return the first part of a URL that is named like an archive and is a file, "" if there is none."""
    start = url.index("://") + 3
    while (end := url.find("/", start)) >= 0:
        if is_archive_name(url[start:end]) and is_url_of_file(url[:end]):
            return url[:end]
        start = end + 1
    return ""


def _open_inside(path: str, place: Inside) -> ByteFile:
    """Open a member of an archive, or of an archive in it."""
    archive, name = place
    file = _inflated(archive, UrlFile(archive) if is_url(archive) else PlainFile(archive))
    try:
        for _ in range(MAX_DEPTH):
            members = _contents(file).members
            if (member := members.get(name)) is not None:
                return _inflated(path, _member_file(path, file, member))
            ends = (i for i, letter in enumerate(name) if letter == "/")
            inner = next((name[:end] for end in ends if name[:end] in members), None)
            if inner is None:
                break
            archive += separator_of(path) + inner.replace("/", separator_of(path))
            file, name = _inflated(archive, _member_file(archive, file, members[inner])), name[len(inner) + 1 :]
        raise FileNotFoundError(errno.ENOENT, "the archive has no file of this name", path)
    except BaseException:
        file.close()
        raise


def _member_file(path: str, archive: ByteFile, member: Member) -> ByteFile:
    start, first = member.start, b""
    if member.has_header:
        raw = archive.read(start, LOCAL.size + AHEAD)  # one read for the header of ZIP, and for that of most members
        if len(raw) < LOCAL.size or not raw.startswith(ZIP_MAGIC[0]):
            raise unreadable(path, "its place in the archive is damaged: copy or download the archive again")
        length = LOCAL.size + sum(LOCAL.unpack_from(raw)[-2:])
        start, first = start + length, raw[length : length + member.packed]
    if member.method != DEFLATED:
        return PartOfFile(path, archive, start, member.size, first)
    key = (path, *archive.key[1:], member.start)

    def stream() -> InflatedStream:
        end = start + member.packed
        make = partial(InflatedStream, key, start, RAW, end=end, crc=member.crc, size=member.size)
        return _STREAMS.get(key, make)

    return InflatedFile(path, archive, stream, known=_STREAMS.peek(key), size=member.size, first=first)


def _inflated(path: str, file: ByteFile) -> ByteFile:
    """Return the inflated bytes of a file named and built like one of gzip, any other file as it is."""
    if not path.endswith(GZIP_NAMES):
        return file
    try:
        if file.read(0, len(GZIP_MAGIC)) != GZIP_MAGIC:
            return file
        key = file.key
    except BaseException:
        file.close()
        raise
    inflated = InflatedFile(path, file, lambda: _STREAMS.get(key, lambda: InflatedStream(key, 0, GZIP)))
    if not inflated.read(0, 1):
        file.close()
        raise unreadable(path, "the gzip file is empty, cut off or damaged: copy or download it again")
    return inflated


def _contents(file: ByteFile) -> Contents:
    return _CONTENTS.get(file.key, lambda: _list(file))


def _lister(file: ByteFile) -> Callable[[ByteFile], Contents] | None:
    head = file.read(0, HEADER)
    if head.startswith(ZIP_MAGIC):
        return zip_contents
    return tar_contents if is_tar(head) else None


def _list(file: ByteFile) -> Contents:
    lister = _lister(file)
    if lister is None:
        raise unreadable(file.path, "neither a folder nor a ZIP or tar archive", errno.ENOTDIR)
    return lister(file)
