"""A file is written beside its place first and then renamed: whoever looks finds the old one or the new one whole."""

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
    """The name of a new file beside `path`, readable by its owner only, that takes its place if the block ends well.

    Raises
    ------
    OSError
        If there can be no such file.
    """
    target = os.path.abspath(os.fspath(path))
    try:
        descriptor, beside = tempfile.mkstemp(dir=os.path.dirname(target), prefix=".new-")
    except OSError as error:  # of a file that nobody asked for
        raise type(error)(error.errno, error.strerror, target) from error
    os.close(descriptor)
    try:
        yield beside
        os.replace(beside, target)
    except BaseException:
        os.unlink(beside)
        raise


def write_text(path: str | os.PathLike[str], text: str) -> None:
    """Write `text` as UTF-8 with newlines as they are; what cannot be encoded is escaped.

    Raises
    ------
    OSError
        If it cannot be written.
    """
    with (
        replacing(path) as beside,
        open(beside, "w", encoding="utf-8", errors="backslashreplace", newline="") as file,
    ):
        file.write(text)
