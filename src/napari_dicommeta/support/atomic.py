"""Atomic file writes: to a temporary file first, then renamed, so readers see the old or the new file, never a part."""

from __future__ import annotations

import os
import tempfile
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["replacing", "write_text"]


@contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[str]:
    """Yield the name of a temporary file in the folder of `path`; it replaces `path` if the block succeeds.

    The file is readable by its owner only. If the block fails, it is deleted and `path` stays as it was.

    Raises
    ------
    OSError
        If the temporary file cannot be created or written, with its own number and text, such as that of a full disk,
        and the name of `path`.
    """
    target = os.path.abspath(os.fspath(path))
    try:
        descriptor, temporary = tempfile.mkstemp(dir=os.path.dirname(target), prefix=".new-")
    except OSError as error:
        raise _about(error, target) from error
    os.close(descriptor)
    try:
        yield temporary
        os.replace(temporary, target)
    except BaseException as error:
        with suppress(FileNotFoundError):  # Arrow deletes what it could not write
            os.unlink(temporary)
        if isinstance(error, OSError) and error.filename in (None, temporary):
            raise _about(error, target) from error
        raise


def _about(error: OSError, target: str) -> OSError:
    """Return an error like `error` that names the target, not the temporary file."""
    if error.errno is None:
        return error
    return OSError(error.errno, os.strerror(error.errno), target)


def write_text(path: str | os.PathLike[str], text: str) -> None:
    """Write `text` as UTF-8, newlines unchanged, with characters that cannot be encoded escaped.

    Raises
    ------
    OSError
        If the file cannot be written.
    """
    with (
        replacing(path) as temporary,
        open(temporary, "w", encoding="utf-8", errors="backslashreplace", newline="") as file,
    ):
        file.write(text)
