"""Atomic file writes: to a temporary file first, then renamed, so readers see the old or the new file, never a part."""

from __future__ import annotations

import os
import tempfile
from contextlib import contextmanager
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
        If the temporary file cannot be created.
    """
    target = os.path.abspath(os.fspath(path))
    try:
        descriptor, temporary = tempfile.mkstemp(dir=os.path.dirname(target), prefix=".new-")
    except OSError as error:  # name the target, not the temporary file
        raise type(error)(error.errno, error.strerror, target) from error
    os.close(descriptor)
    try:
        yield temporary
        os.replace(temporary, target)
    except BaseException:
        os.unlink(temporary)
        raise


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
