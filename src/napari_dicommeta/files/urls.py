"""Files at URLs, through fsspec, which is imported when the first one is opened.

They are read in ranges: the blocks that a read needs and that are not in memory, in as few requests as they allow. All
files share one bounded memory of blocks. Threads may read at once.
"""

from __future__ import annotations

import errno
from datetime import datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, NamedTuple

from napari_dicommeta.files.bounded_cache import BoundedCache
from napari_dicommeta.files.byte_file import ByteFile, unreadable

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["UrlFile", "is_dicomweb", "is_url", "is_url_of_file", "list_url"]

BLOCK = 1 << 17
"""Bytes of a block: a header is in one, and a frame in a few."""
BLOCK_BYTES = 256 << 20
PLACE_BYTES = 256 << 20
"""Bytes of the names and sizes of files at URLs that are kept."""
ANSWER_SECONDS = 60.0
"""How long a server may take to answer."""
MISSING = "there is nothing at this URL"
NO_KEY = (
    "no key for it is found: log in with the tools of the server, or, if the data are public, set the environment "
    "variable FSSPEC_S3_ANON to true"
)


class _Place(NamedTuple):
    """Where the file at a URL is: its file system, its name there, and what is known of it."""

    system: Any
    name: str
    size: int
    mtime: int


_BLOCKS: BoundedCache[bytes] = BoundedCache(BLOCK_BYTES, lambda block: len(block) + 64)
_PLACES: BoundedCache[_Place] = BoundedCache(PLACE_BYTES, lambda place: 400 + 3 * len(place.name))


def is_url(path: str) -> bool:
    """Return whether a source is a URL such as ``s3://…``, and not a path."""
    return "://" in path


def is_dicomweb(path: str) -> bool:
    """Return whether a source is on a DICOMweb server (`dicomweb`), which fsspec does not read."""
    return path[:8].lower() == "dicomweb" and is_url(path)


def is_url_of_file(url: str) -> bool:
    """Return whether there is a file at a URL, which is not asked for again."""
    try:
        UrlFile(url)
    except FileNotFoundError:
        return False
    return True


def list_url(url: str) -> Iterator[str]:
    """Yield the URLs of all files at and below a URL, sorted.

    Raises
    ------
    ImportError
        If fsspec is not installed, or a package that it needs for this kind of URL.
    OSError
        If there is nothing at the URL, or it cannot be listed; ``strerror`` says why.
    """
    system, path = _system_of(url)
    try:
        found = system.find(path, detail=True, **_limits(system))
        if not found and not system.exists(path):
            raise FileNotFoundError(errno.ENOENT, MISSING, url)
    except Exception as error:
        raise _error_of(url, error) from error
    for name in sorted(found):
        shown = _url_of(url, system, name)
        size = found[name].get("size")
        if size is not None:
            _PLACES.put(shown, _Place(system, name, int(size), _mtime(found[name])))
        yield shown


class UrlFile(ByteFile):
    """The file at a URL."""

    __slots__ = ("_place",)

    def __init__(self, url: str) -> None:
        """Look for the file; its size is asked for once.

        Raises
        ------
        ImportError
            If fsspec is not installed, or a package that it needs for this kind of URL.
        OSError
            If there is no file, or the server does not answer; ``strerror`` says why.
        """
        self.path = url
        self._place = _PLACES.get(url, lambda: _look_up(url))
        self.mtime = self._place.mtime

    @property
    def size(self) -> int:
        """Number of bytes."""
        return self._place.size

    def read(self, offset: int, count: int) -> bytes:
        """Return `count` bytes at `offset`, fewer at the end of the file."""
        stop = min(offset + count, self.size)
        if offset >= stop:
            return b""
        numbers = range(offset // BLOCK, (stop - 1) // BLOCK + 1)
        blocks = {number: block for number in numbers if (block := _BLOCKS.peek((self.key, number))) is not None}
        missing = [number for number in numbers if number not in blocks]
        while missing:
            first = missing[0]
            run = next((i for i, number in enumerate(missing) if number != first + i), len(missing))
            raw = self._fetch(first * BLOCK, min((first + run) * BLOCK, self.size))
            for i, number in enumerate(missing[:run]):
                blocks[number] = raw[i * BLOCK : (i + 1) * BLOCK]
                _BLOCKS.put((self.key, number), blocks[number])
            missing = missing[run:]
        start = numbers[0] * BLOCK
        return b"".join(blocks[number] for number in numbers)[offset - start : stop - start]

    def _fetch(self, start: int, stop: int) -> bytes:
        system, name, size, _ = self._place
        try:
            raw = bytes(system.cat_file(name, start=start, end=stop, **_limits(system)))
        except Exception as error:
            raise _error_of(self.path, error) from error
        if len(raw) == size > stop - start:  # a server that knows no ranges sends all
            for number in range(-(-size // BLOCK)):
                _BLOCKS.put((self.key, number), raw[number * BLOCK : (number + 1) * BLOCK])
            raw = raw[start:stop]
        if len(raw) != stop - start:
            raise unreadable(
                self.path,
                f"the server sent {len(raw):,} bytes where {stop - start:,} were asked for: the file may have changed; "
                "open it again",
            )
        return raw


def _system_of(url: str) -> tuple[Any, str]:
    try:
        from fsspec.core import url_to_fs
    except ImportError as error:
        raise ImportError(f'{url} needs fsspec: pip install "napari-dicommeta[remote]"') from error
    try:
        system, path = url_to_fs(url)
    except ImportError:
        raise  # fsspec says what to install
    except Exception as error:
        raise _error_of(url, error) from error
    return system, str(path)


def _look_up(url: str) -> _Place:
    system, name = _system_of(url)
    try:
        info = system.info(name, **_limits(system))
    except Exception as error:
        raise _error_of(url, error) from error
    if info.get("type") == "directory":
        raise FileNotFoundError(errno.ENOENT, "a folder, and no file", url)
    if info.get("size") is None:
        raise unreadable(url, "the server does not say how long the file is: download it")
    return _Place(system, name, int(info["size"]), _mtime(info))


def _mtime(info: dict[str, Any]) -> int:
    """Return the time of the last change in nanoseconds, by the names that file systems have for it; 0 without one."""
    for name in ("mtime", "LastModified", "last_modified", "updated", "created"):
        value = info.get(name)
        if isinstance(value, datetime):
            return int(value.timestamp() * 1e9)
        if isinstance(value, (int, float)):
            return int(value * 1e9)
    return 0


def _limits(system: Any) -> dict[str, float]:
    """Return the arguments that bound the time of a call, where the file system takes them."""
    return {"timeout": ANSWER_SECONDS} if getattr(system, "async_impl", False) else {}


def _url_of(source: str, system: Any, name: str) -> str:
    """Return the URL of a file that a source lists; the links of a chain (``simplecache::s3://…``) stay."""
    links = source.split("::")
    if len(links) == 1:
        return str(system.unstrip_protocol(name))
    at = next(i for i, link in enumerate(links) if "://" in link)
    protocol = links[at].partition("://")[0]
    links[at] = name if name.startswith(f"{protocol}://") else f"{protocol}://{name.lstrip('/')}"
    return "::".join(links)


def _error_of(url: str, error: Exception) -> OSError:
    """Return the error of a file system as one whose text says what happened, and what to do."""
    status = _status_of(error)
    if isinstance(error, FileNotFoundError) and status in (0, 404, 410):
        return FileNotFoundError(errno.ENOENT, MISSING, url)
    if isinstance(error, TimeoutError):
        return unreadable(url, "the server has not answered in time: try again later", errno.ETIMEDOUT)
    if status in (401, 403) or isinstance(error, PermissionError):
        answer = f"the server answers {status} {HTTPStatus(status).phrase}" if status else "access is denied"
        return unreadable(url, f"{answer}: log in with the tools of the server, or ask for access", errno.EACCES)
    if status >= 400:
        known = {entry.value: f" {entry.phrase}" for entry in HTTPStatus}
        return unreadable(url, f"the server answers {status}{known.get(status, '')}: try again later")
    if type(error).__name__ == "NoCredentialsError":  # of botocore, which only s3fs brings
        return unreadable(url, NO_KEY, errno.EACCES)
    reason = getattr(error, "strerror", None) or type(error).__name__
    return unreadable(url, f"cannot be read ({reason}): check the URL and the connection")


def _status_of(error: BaseException | None) -> int:
    """Return the status of HTTP that led to an error, 0 if none did."""
    while error is not None:
        answer = getattr(error, "response", None)  # of botocore
        metadata = answer.get("ResponseMetadata", {}) if isinstance(answer, dict) else {}
        status = getattr(error, "status", None) or metadata.get("HTTPStatusCode")
        if isinstance(status, int):
            return status
        error = error.__cause__ or error.__context__
    return 0
