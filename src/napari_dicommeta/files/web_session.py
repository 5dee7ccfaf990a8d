"""Sessions of `requests` that trust no server: answers are bounded, come in time, and from the host that was asked."""

from __future__ import annotations

import errno
import logging
import threading
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin, urlsplit

from napari_dicommeta.files.byte_file import unreadable
from napari_dicommeta.support.words import display

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["answered", "session_for"]

JSON_BYTES, OTHER_BYTES = 512 << 20, 8 << 30
"""The most bytes of an answer, inflated: of metadata, which Python's objects multiply, and of pixels."""
_CALL = threading.local()
"""The bytes that have come for the call that a thread makes, as its attribute ``received``: a list of one number."""
SLOWEST = 500
"""Bytes a second; a server that sends fewer has as good as not answered."""
logging.getLogger("dicomweb_client").addHandler(logging.NullHandler())
"""It logs what a server says in headers: not to the terminal, where nobody has asked for it."""


def answered(call: Callable[[], Any], seconds: float) -> Any:
    """Return ``call()``, which asks by a session of `session_for`, as long as in `seconds` enough of an answer comes.

    `requests` waits that long for each byte, and a server may send one now and then for ever. So a thread makes the
    call; it is left behind where less than `SLOWEST` comes.

    Raises
    ------
    requests.exceptions.Timeout
        If too little comes in time.
    """
    from requests.exceptions import Timeout

    answers: SimpleQueue[tuple[Any, BaseException | None]] = SimpleQueue()
    received = [0]

    def run() -> None:
        _CALL.received = received
        try:
            answers.put((call(), None))
        except BaseException as error:  # noqa: BLE001  raised again by the caller
            answers.put((None, error))

    threading.Thread(target=run, name="dicommeta-web", daemon=True).start()
    while True:
        before = received[0]
        try:
            answer, error = answers.get(timeout=seconds)
        except Empty:
            if received[0] - before < SLOWEST * seconds:
                raise Timeout from None
        else:
            if error is not None:
                raise error
            return answer


def session_for(service: str, root: str, connections: int) -> Any:
    """Return a session for the service at a URL, which paths call `root`; what it refuses is an `OSError` about `root`.

    It refuses to be sent on to another server: what was asked, such as the name of a patient, is not for that one.

    Raises
    ------
    ImportError
        If `requests` is not installed.
    """
    from requests import Response, Session
    from requests.adapters import HTTPAdapter

    host = urlsplit(service).netloc

    class BoundedAdapter(HTTPAdapter):  # type: ignore[misc,unused-ignore]
        """Counts the bytes of answers while they come."""

        def send(self, request: Any, *arguments: Any, **options: Any) -> Response:
            answer = super().send(request, *arguments, **options)
            stream = answer.raw.stream
            limit = JSON_BYTES if "json" in request.headers.get("Accept", "") else OTHER_BYTES

            def bounded(*amount: Any, **how: Any) -> Iterator[bytes]:
                count = 0
                for part in stream(*amount, **how):
                    count += len(part)
                    if (received := getattr(_CALL, "received", None)) is not None:
                        received[0] += len(part)
                    if count > limit:
                        answer.close()
                        reason = f"{host} sends more than {limit >> 20:,} MiB at once: open a study or a series alone"
                        raise unreadable(root, reason, errno.EFBIG)
                    yield part

            answer.raw.stream = bounded
            return answer

    class OneHostSession(Session):  # type: ignore[misc,unused-ignore]
        """Follows redirections within one server."""

        def get_redirect_target(self, resp: Response) -> str | None:
            target: str | None = super().get_redirect_target(resp)
            if target is None or _is_same_server(resp.url, urljoin(resp.url, target)):
                return target
            other = display(urlsplit(urljoin(resp.url, target)).hostname or "no server")
            raise unreadable(root, f"{host} sends on to {other}: open that by its own address, if you trust it")

    session = OneHostSession()
    session.mount(service, BoundedAdapter(pool_maxsize=connections))
    return session


def _is_same_server(url: str, other: str) -> bool:
    """Return whether two URLs are of one host and port, or of one host that goes over to TLS."""
    try:
        first, second = urlsplit(url), urlsplit(other)
        is_upgrade = (first.scheme, second.scheme) == ("http", "https")
        return first.hostname == second.hostname and (
            is_upgrade or (first.scheme, first.port) == (second.scheme, second.port)
        )
    except ValueError:
        return False
