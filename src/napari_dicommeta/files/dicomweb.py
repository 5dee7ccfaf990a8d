"""Instances of a DICOMweb server as files: ``dicomweb://host/root/studies/…/series/…/instances/…``.

QIDO-RS lists them. The metadata of their series, by WADO-RS, make the header of each (`dicom_json`). Pixels follow it
when they are asked for: frames of native images with several, else the instance as it is stored. ``dicomweb+http://``
stands for a server without TLS. `dicomweb_client` logs in as `requests` does, by the user's ``.netrc``; nothing here
keeps a name or a password.
"""

from __future__ import annotations

import errno
import re
import struct
import threading
import time
from functools import partial
from http import HTTPStatus
from operator import itemgetter
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import parse_qsl, urlsplit

from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian

from napari_dicommeta.files.bounded_cache import BoundedCache
from napari_dicommeta.files.byte_file import ByteFile, unreadable
from napari_dicommeta.files.dicom_json import (
    Json,
    WebHeader,
    first_value,
    header_of_json,
    is_uid,
    sent_syntax,
    stated_syntax,
)
from napari_dicommeta.files.web_session import answered, session_for
from napari_dicommeta.support.errors import HeaderError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["InstanceFile", "list_instances", "web_header"]

SCHEMES = {"dicomweb": "https", "dicomweb+https": "https", "dicomweb+http": "http"}
ANSWER_SECONDS = 20.0
"""How long a server may take to answer, and to send some of it; a scan gives up a read that takes little longer."""
RETRY_SECONDS = 30.0
CONNECTIONS = 32
MAX_PAGES = 10_000
"""The most pages of a search that are read: a server may send others for ever."""
HEADER_BYTES, PIXEL_BYTES = 256 << 20, 256 << 20
"""Bytes of the headers and of the pixels of all servers that are kept."""
START = 1 << 12
"""Bytes of an instance in which its transfer syntax is."""
END = struct.pack("<HHL", 0xFFFE, 0xE0DD, 0)
"""What ends encapsulated pixel data (PS3.5 section A.4)."""
STUDY, SERIES, INSTANCE = "0020000D", "0020000E", "00080018"
N_INSTANCES = "00201209"
NOT_DICOMWEB = "does not answer as a DICOMweb server: check the path of the service"
NO_SYNTAX = "the server does not send the instance as DICOM: check that it offers WADO-RS"
_SYNTAX = b"\2\0\x10\0UI"
_UID = re.compile(r"(?!\.+$)[0-9A-Za-z._-]{1,64}")
_UIDS = re.compile(r"(.*?)(?:/studies/([^/]+)(?:/series/([^/]+)(?:/instances/([^/]+))?)?)?/*", re.DOTALL)


class _Place(NamedTuple):
    """The parts of a URL: the service, as ``https://…`` and as it begins paths, and UIDs, "" where none is named."""

    service: str
    root: str
    study: str = ""
    series: str = ""
    instance: str = ""

    @property
    def path(self) -> str:
        """The path of the instance."""
        return f"{self.root}/studies/{self.study}/series/{self.series}/instances/{self.instance}"


class _Service(NamedTuple):
    """A client, and the session that it asks by."""

    client: Any
    session: Any


Headers = dict[str, WebHeader | HeaderError]
"""The headers of the instances of a series by their UIDs, or why one has none."""


def _cost(headers: Headers) -> int:
    return sum(500 + (0 if isinstance(header, HeaderError) else len(header.data)) for header in headers.values())


_SERVICES: dict[str, _Service] = {}
_SERVICES_GUARD = threading.Lock()
_HEADERS: BoundedCache[Headers] = BoundedCache(HEADER_BYTES, _cost)
_FAILED: BoundedCache[tuple[float, OSError]] = BoundedCache(1000, lambda _: 1)
"""By series, when its metadata could not be read, and why: the other instances are not asked for one by one."""
_PIXELS: BoundedCache[bytes] = BoundedCache(PIXEL_BYTES, lambda pixels: len(pixels) + 64)


def list_instances(url: str) -> Iterator[str | tuple[str, str, str, str]]:
    """Yield the paths of the instances that fit a URL, series by series, sorted.

    The URL may name a study, a series or an instance, and its query is that of QIDO-RS: ``?PatientID=…``. A series that
    cannot be listed is yielded as (path, outcome, reason, code).

    Raises
    ------
    ImportError
        If ``dicomweb-client`` is not installed.
    OSError
        If the server cannot be reached, is no DICOMweb server, or has no series that fits; ``strerror`` says why.
    """
    place, query = _place_of(url)
    if place.instance:
        yield place.path
        return
    client = _service(place).client
    only = {"SeriesInstanceUID": place.series} if place.series else {}

    def search(more: dict[str, str]) -> list[Json]:
        found: list[Json] = client.search_for_series(
            place.study or None, search_filters=only, additional_params={**query, **more}
        )
        return found

    found = _pages(place, SERIES, search, None, "limit" in query)
    counts = {
        (place.study or _uid(place, entry, STUDY), _uid(place, entry, SERIES)): first_value(entry, N_INSTANCES)
        for entry in found
    }
    if not counts:
        raise FileNotFoundError(
            errno.ENOENT, f"{_host(place)} has no series that fits: check the address and its filters", _shown(url)
        )
    for (study, series), count in sorted(counts.items(), key=itemgetter(0)):
        here = place._replace(study=study, series=series)
        try:
            yield from _listed(here, count)
        except OSError as error:
            yield here.path.rpartition("/instances/")[0], "rejected", error.strerror or "", "unreadable"


def _listed(place: _Place, count: object) -> list[str]:
    """Return the sorted paths of the instances of a series, of which the server has counted `count`."""
    client = _service(place).client

    def search(more: dict[str, str]) -> list[Json]:
        found: list[Json] = client.search_for_instances(place.study, place.series, additional_params=more)
        return found

    found = _pages(place, INSTANCE, search, count)
    return sorted(place._replace(instance=_uid(place, entry, INSTANCE)).path for entry in found)


def web_header(path: str) -> WebHeader:
    """Return the header of an instance from the metadata of its series, which are fetched once.

    Raises
    ------
    HeaderError
        If its metadata are no data set.
    OSError
        If the server cannot be reached, or does not have the instance; ``strerror`` says why.
    """
    place, _ = _place_of(path)
    series = place._replace(instance="").path
    failed = _FAILED.peek(series)
    if failed is not None and time.monotonic() - failed[0] < RETRY_SECONDS:
        raise failed[1]
    try:
        headers = _HEADERS.get(series, lambda: _read_headers(place))
    except OSError as error:
        _FAILED.put(series, (time.monotonic(), error))
        raise
    header = headers.get(place.instance)
    if header is None:
        raise FileNotFoundError(errno.ENOENT, f"{_host(place)} no longer has this instance: scan it again", path)
    if isinstance(header, HeaderError):
        raise header
    return header


class InstanceFile(ByteFile):
    """An instance: its header, and its pixels when they are read."""

    __slots__ = ("_header", "_place")

    def __init__(self, path: str) -> None:
        """Look for the instance; raise as `web_header` does, but an `OSError` alone."""
        self.path, self.mtime = path, 0
        self._place = _place_of(path)[0]
        try:
            self._header = web_header(path)
        except HeaderError as error:
            raise unreadable(path, str(error)) from error

    @property
    def size(self) -> int:
        """Number of bytes; encapsulated pixel data are fetched for it."""
        header = self._header
        return len(header.data) + (header.pixel_length if header.pixel_length >= 0 else len(self._stored()))

    @property
    def front(self) -> int:
        """Number of bytes of the header."""
        return len(self._header.data)

    def read(self, offset: int, count: int) -> bytes:
        """Return `count` bytes at `offset`, fewer at the end of the file and of the header: no pixels come with it."""
        data = self._header.data
        if offset < len(data):
            return data[offset : offset + count]
        if not self._header.pixel_length:
            return b""
        return self._pixels(offset - len(data), offset + count - len(data))

    def _pixels(self, start: int, stop: int) -> bytes:
        header = self._header
        if header.frames < 2 or not header.frame_bytes or header.pixel_length < 0:
            return self._stored()[start:stop]
        stop = min(stop, header.frame_bytes * header.frames)
        numbers = range(start // header.frame_bytes, -(-stop // header.frame_bytes))
        frames = b"".join(map(self._frame, numbers))
        first = numbers.start * header.frame_bytes
        return frames[start - first : stop - first]

    def _frame(self, number: int) -> bytes:
        """Return a frame of a native image, as explicit VR little endian has it."""
        place = self._place

        def fetch() -> bytes:
            frames = _asked(
                place,
                lambda: _service(place).client.retrieve_instance_frames(
                    place.study,
                    place.series,
                    place.instance,
                    [number + 1],
                    media_types=(("application/octet-stream", str(ExplicitVRLittleEndian)),),
                ),
            )
            if len(frames) != 1 or len(frames[0]) < self._header.frame_bytes:
                sent = sum(map(len, frames))
                raise unreadable(
                    self.path,
                    f"{_host(place)} sent {sent:,} bytes of frame {number + 1}, which has "
                    f"{self._header.frame_bytes:,}: download the instance",
                )
            return bytes(frames[0][: self._header.frame_bytes])

        return _PIXELS.get((self.path, number), fetch)

    def _stored(self) -> bytes:
        """Return the pixel data of the instance as it is stored."""
        return _PIXELS.get((self.path, -1), self._fetch)

    def _fetch(self) -> bytes:
        place, header = self._place, self._header
        instance = _asked(
            place,
            lambda: _service(place).client.retrieve_instance(
                place.study, place.series, place.instance, media_types=(("application/dicom", "*"),)
            ),
        )
        syntax = str(getattr(instance.file_meta, "TransferSyntaxUID", ""))
        if syntax == ExplicitVRBigEndian or sent_syntax(syntax) != header.syntax:
            named = syntax if is_uid(syntax) else "of no name"
            raise unreadable(
                self.path,
                f"{_host(place)} sent it in the transfer syntax {named}, and another instance of its "
                f"series in {header.syntax}: download the series",
            )
        pixels = next((instance[tag] for tag in (0x7FE00010, 0x7FE00008, 0x7FE00009) if tag in instance), None)
        raw = bytes(pixels.value or b"") if pixels is not None and isinstance(pixels.value, bytes) else b""
        return raw + END if header.pixel_length < 0 else raw


def _read_headers(place: _Place) -> Headers:
    """Return the headers of a series; that of an instance whose metadata are malformed is the error."""
    found = _entries(place, lambda: _service(place).client.retrieve_series_metadata(place.study, place.series))
    headers: Headers = {}
    stored = ""
    for entry in found:
        uid = _uid(place, entry, INSTANCE)
        stated = stated_syntax(entry)
        if not stated and not stored:
            stored = _stored_syntax(place._replace(instance=uid))
        try:
            headers[uid] = header_of_json(entry, stated or stored)
        except HeaderError as error:
            headers[uid] = error
    return headers


def _stored_syntax(place: _Place) -> str:
    """Return the transfer syntax in which an instance is stored, of which only the first bytes are fetched."""
    session = _service(place).session
    url = f"{place.service}{place.path.removeprefix(place.root)}"
    accept = 'multipart/related; type="application/dicom"; transfer-syntax=*'

    def fetch() -> bytes:
        with session.get(url, headers={"Accept": accept}, stream=True, timeout=ANSWER_SECONDS) as answer:
            answer.raise_for_status()
            start = b""
            for part in answer.iter_content(START):
                start += part
                if len(start) >= START:
                    break
            return start

    raw: bytes = _asked(place, fetch)
    prefix = raw.find(b"DICM")
    at = raw.find(_SYNTAX, max(prefix, 0))
    if at < 0:
        raise unreadable(place.path, f"{_host(place)}: {NO_SYNTAX}")
    length = int.from_bytes(raw[at + 6 : at + 8], "little")
    syntax = raw[at + 8 : at + 8 + length].rstrip(b"\0 ").decode("ascii", "replace")
    if not is_uid(syntax):
        raise unreadable(place.path, f"{_host(place)}: {NO_SYNTAX}")
    return syntax


def _pages(
    place: _Place, key: str, search: Callable[[dict[str, str]], list[Json]], count: object, is_one: bool = False
) -> list[Json]:
    """Return the entries with an element `key` that a search finds, page by page until there are `count` or no others.

    A server that knows no pages sends the same again. `is_one`: one page is all that was asked for.
    """
    found: list[Json] = []
    seen: set[str] = set()
    for _ in range(MAX_PAGES):
        more = {"offset": str(len(found))} if found else {}
        page = _entries(place, partial(search, more))
        new = [entry for entry in page if _uid(place, entry, key) not in seen]
        seen.update(_uid(place, entry, key) for entry in new)
        found += new
        if not new or is_one or (isinstance(count, int) and len(found) >= count):
            return found
    raise unreadable(place.root, f"{_host(place)} lists more and more: open a study alone, or add a filter")


def _entries(place: _Place, ask: Callable[[], Any]) -> list[Json]:
    """Return the data sets that a server answers with; raise OSError if it answers with something else."""
    found = _asked(place, ask)
    if not isinstance(found, list) or not all(isinstance(entry, dict) for entry in found):
        raise unreadable(place.root, f"{_host(place)} {NOT_DICOMWEB}")
    return found


def _uid(place: _Place, entry: Json, key: str) -> str:
    """Return a UID of an entry, which is to be a part of a path."""
    uid = first_value(entry, key)
    if not isinstance(uid, str) or not _UID.fullmatch(uid):
        raise unreadable(place.root, f"{_host(place)} {NOT_DICOMWEB}")
    return uid


def _place_of(url: str) -> tuple[_Place, dict[str, str]]:
    """Return the parts of a URL and of its query.

    Raises
    ------
    OSError
        If it names no host, or a user or password.
    """
    parts = urlsplit(url)
    scheme = parts.scheme.lower()
    if scheme not in SCHEMES or not parts.hostname:
        raise unreadable(_shown(url), "not the address of a DICOMweb service: write dicomweb://host/path", errno.EINVAL)
    if "@" in parts.netloc:
        raise unreadable(
            _shown(url), "leave the user and the password out of the address, and write them to ~/.netrc", errno.EINVAL
        )
    match = _UIDS.fullmatch(parts.path)
    root, *uids = match.groups("") if match else (parts.path, "", "", "")
    place = _Place(f"{SCHEMES[scheme]}://{parts.netloc}{root}", f"{scheme}://{parts.netloc}{root}", *uids)
    return place, dict(parse_qsl(parts.query, keep_blank_values=True))


def _service(place: _Place) -> _Service:
    """Return the client of a service, with a session of its own."""
    with _SERVICES_GUARD:
        service = _SERVICES.get(place.service)
        if service is None:
            try:
                from dicomweb_client import DICOMwebClient

                session = session_for(place.service, place.root, CONNECTIONS)
            except ImportError as error:
                raise ImportError(
                    f'{place.root} needs dicomweb-client: pip install "napari-dicommeta[dicomweb]"'
                ) from error
            client = DICOMwebClient(place.service, session=session, permissive_uid=True, timeout=ANSWER_SECONDS)
            client.set_http_retry_params(retry=False)
            service = _SERVICES[place.service] = _Service(client, session)
    return service


def _asked(place: _Place, ask: Callable[[], Any]) -> Any:
    """Return what a server answers; what it raises becomes an `OSError` whose text names the host and what to do."""
    try:
        return answered(ask, ANSWER_SECONDS)
    except ImportError:
        raise
    except Exception as error:  # noqa: BLE001  raised as another, without the cause, which names the query
        raise _error_of(place, error) from None


def _error_of(place: _Place, error: Exception) -> OSError:
    """Return the error of a request as one sentence; neither the query nor what was sent is in it."""
    from requests.exceptions import ChunkedEncodingError, ContentDecodingError, HTTPError, Timeout
    from requests.exceptions import ConnectionError as NoConnection

    where, host = place.root if not place.instance else place.path, _host(place)
    if isinstance(error, OSError) and not isinstance(error, (HTTPError, Timeout, NoConnection)) and error.strerror:
        return error
    if isinstance(error, Timeout):
        return unreadable(
            where, f"{host} has not answered within {ANSWER_SECONDS:g} s: try again later", errno.ETIMEDOUT
        )
    if isinstance(error, (ChunkedEncodingError, ContentDecodingError)):
        return unreadable(where, f"the answer of {host} is damaged or ends too early: try again later")
    if isinstance(error, NoConnection):
        return unreadable(where, f"{host} cannot be reached: check host, port and connection")
    if isinstance(error, HTTPError) and error.response is not None:
        status = error.response.status_code
        known = {entry.value: f" {entry.phrase}" for entry in HTTPStatus}
        answer = f"{host} answers {status}{known.get(status, '')}"
        if status in (401, 403):
            return unreadable(where, f"{answer}: write user and password to ~/.netrc, or ask for access", errno.EACCES)
        if status in (404, 410):
            return FileNotFoundError(errno.ENOENT, f"{answer}: check the path of the DICOMweb service", where)
        return unreadable(where, f"{answer}: try again later, or check the filters of the address")
    return unreadable(where, f"{host} {NOT_DICOMWEB}")


def _host(place: _Place) -> str:
    return urlsplit(place.service).netloc


def _shown(url: str) -> str:
    """Return a URL without its query and without what logs in."""
    scheme, _, rest = url.partition("://")
    host, slash, path = rest.partition("?")[0].partition("/")
    return f"{scheme}://{host.rpartition('@')[2]}{slash}{path}"
