"""Processes that this package starts for itself, and the messages through their pipes.

They are started as ``python -c``, not by ``multiprocessing``, so that they never import the caller's main module. So
they work from a napari plugin, from a notebook and from a script without a ``__main__`` guard, on every platform. A
process ends when its stdin is closed, and so with the process that started it, however that ends.
"""

from __future__ import annotations

import os
import signal
import struct
import subprocess
import sys
import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, BinaryIO, cast

from napari_dicommeta.support.log import LOGGER

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

__all__ = ["STOP_SECONDS", "Child", "receive", "send", "serve"]

_SIZE = struct.Struct("<Q")
STOP_SECONDS = 0.5
"""How long `Child.stop` waits for the system to end the process, unless a call says otherwise."""
MAX_LINE = 4096
"""Bytes of stderr that are logged as one line."""


def send(stream: BinaryIO, message: bytes) -> None:
    """Write a message with its length.

    Raises
    ------
    OSError
        If the other side closed the pipe.
    """
    stream.write(_SIZE.pack(len(message)))
    stream.write(message)
    stream.flush()


def receive(stream: BinaryIO, limit: int | None = None) -> bytes:
    """Return the next message, of at most `limit` bytes.

    Raises
    ------
    EOFError
        If the other side closed the pipe, or announces a longer message.
    OSError
        If the pipe cannot be read.
    """
    head = stream.read(_SIZE.size)
    if len(head) < _SIZE.size:
        raise EOFError("the other side closed the pipe")
    (size,) = _SIZE.unpack(head)
    if limit is not None and size > limit:
        raise EOFError(f"a message of {size} bytes, {limit} are allowed")
    message = stream.read(size)
    if len(message) < size:
        raise EOFError("the other side closed the pipe")
    return message


def serve() -> tuple[BinaryIO, BinaryIO]:
    """Return the pipes of this process, from and to the process that started it.

    What libraries print goes to stderr. Ctrl+C is left to the process that started this one.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    stdin, stdout = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    return stdin, stdout


@contextmanager
def _stopped_is_ended() -> Iterator[None]:
    """Raise OSError where another thread has closed the pipe."""
    try:
        yield
    except ValueError as error:
        raise OSError("the process has been stopped") from error


class Child:
    """The parent's side of a process that runs ``main()`` of a module of this package.

    `module`: its full name. `name`: what the process is called in the log. `shared`: descriptors that it inherits, not
    on Windows. `environment`: variables that are added to this process's.
    """

    def __init__(
        self, module: str, name: str, shared: Sequence[int] = (), environment: Mapping[str, str] | None = None
    ) -> None:
        self.name = name
        code = f"import sys; sys.path[:] = {sys.path!r}; from {module} import main; main()"
        self._process = subprocess.Popen(
            [sys.executable, "-c", code],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
            pass_fds=shared,
            env={**os.environ, **environment} if environment else None,
        )
        try:
            self._errors = threading.Thread(target=self._log_errors, name="dicommeta-child-log", daemon=True)
            self._errors.start()
        except RuntimeError:  # the interpreter is shutting down
            self._process.kill()
            raise

    @property
    def pid(self) -> int:
        """The number of the process."""
        return self._process.pid

    @property
    def is_running(self) -> bool:
        """Whether the process has not ended."""
        return self._process.poll() is None

    def send(self, message: bytes) -> None:
        """Write a message to the process; raise OSError if it has ended."""
        with _stopped_is_ended():
            send(cast(BinaryIO, self._process.stdin), message)

    def receive(self, limit: int | None = None) -> bytes:
        """Return the next message of the process, waiting for it; raise OSError or EOFError if it ends before."""
        with _stopped_is_ended():
            return receive(cast(BinaryIO, self._process.stdout), limit)

    def _log_errors(self) -> None:
        """Log what the process writes to stderr at DEBUG, as it may name files."""
        stderr = cast(BinaryIO, self._process.stderr)
        with suppress(OSError, ValueError):  # the pipe is closed with the process
            while line := stderr.readline(MAX_LINE):
                LOGGER.debug("%s %d: %s", self.name, self.pid, line.decode("utf-8", "replace").rstrip())

    def kill(self) -> None:
        """End the process at once; a thread that waits for its message gets EOFError."""
        self._process.kill()

    def stop(self, seconds: float = STOP_SECONDS) -> None:
        """End the process at once, wait so long until it has ended, and close its pipes.

        The system cannot end a process while its storage does not answer: then a thread waits for that.
        """
        self.kill()
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            LOGGER.warning("%s %d does not end", self.name, self.pid)
            threading.Thread(target=self._finish, name="dicommeta-child-end", daemon=True).start()
            return
        self._finish()

    def _finish(self) -> None:
        """Wait until the process has ended, and close its pipes."""
        self._process.wait()
        self._errors.join(1)
        for stream in (self._process.stdin, self._process.stdout, self._process.stderr):
            if stream is not None:
                with suppress(OSError):  # the process ended with a message in the pipe
                    stream.close()
