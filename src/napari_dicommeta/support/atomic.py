"""Atomic file writes: to a temporary file first, then renamed, so readers see the old or the new file, never a part."""

from __future__ import annotations

import errno
import os
import shutil
import stat
import tempfile
from contextlib import ExitStack, contextmanager, suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

__all__ = [
    "check_replaceable",
    "put_text",
    "replacing",
    "replacing_folder",
    "set_aside",
    "write_failure",
    "write_text",
    "write_texts",
]

_NO_SPACE, _NO_ACCESS = "free some space, or choose another folder", "choose a folder that you may write to"
_ADVICE = {
    errno.ENOSPC: _NO_SPACE,
    errno.EDQUOT: _NO_SPACE,
    errno.EFBIG: _NO_SPACE,
    errno.EACCES: _NO_ACCESS,
    errno.EPERM: _NO_ACCESS,
    errno.EROFS: _NO_ACCESS,
    errno.ENOENT: "make its folder first, or choose another",
    errno.ENOTDIR: "choose another folder",
    errno.EISDIR: "choose a name that no folder has",
    errno.EEXIST: "choose another name",
    errno.ENAMETOOLONG: "choose a shorter name",
}
"""What to do where a file cannot be written, by the number of the error."""


@contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[str]:
    """Yield the name of a temporary file in the folder of `path`; it replaces `path` if the block succeeds.

    The file is readable by its owner only. If the block fails, it is deleted and `path` stays as it was. A link at
    `path` is replaced, not what it leads to.

    Raises
    ------
    OSError
        If the temporary file cannot be created or written, with its own number and text, such as that of a full disk,
        and the name of `path`; or if `path` is a folder, device, pipe or socket, which are not replaced.
    """
    target = os.path.abspath(os.fspath(path))
    temporary = _beside(target)
    try:
        yield temporary
        os.replace(temporary, target)
    except BaseException as error:
        with suppress(FileNotFoundError):  # Arrow deletes what it could not write
            os.unlink(temporary)
        if isinstance(error, OSError) and error.filename in (None, temporary):
            raise _about(error, target) from error
        raise


@contextmanager
def replacing_folder(path: str | os.PathLike[str], check: Callable[[str], object]) -> Iterator[str]:
    """Yield the name of a new folder beside `path`; it replaces `path` if the block succeeds.

    A folder at `path` is replaced if it is empty, or `check`, called with it, does not raise. If the block fails, the
    new folder is deleted, and what was at `path` stays.

    Raises
    ------
    OSError
        If the folder cannot be made or renamed, or a file or a link has the name; and what `check` raises.
    """
    target = os.path.abspath(os.fspath(path))
    _check_folder(target, check)
    beside = os.path.dirname(target)
    try:
        work = tempfile.mkdtemp(dir=beside, prefix=".new-")
    except OSError as error:
        raise _about(error, target) from error
    new, old = os.path.join(work, "new"), os.path.join(work, "old")
    try:
        os.mkdir(new, 0o700)
        yield new
        _check_folder(target, check)  # it may have come meanwhile
        if os.path.lexists(target):
            os.rename(target, old)
        try:
            os.rename(new, target)
        except OSError:
            if os.path.lexists(old):
                os.rename(old, target)
            raise
    except OSError as error:
        is_inside = error.filename is not None and os.fspath(error.filename).startswith(work)
        if error.filename is None or is_inside:
            raise _about(error, target) from error
        raise
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _check_folder(target: str, check: Callable[[str], object]) -> None:
    if not os.path.lexists(target):
        return
    if os.path.islink(target) or not os.path.isdir(target):
        raise FileExistsError(
            errno.EEXIST, "a file or a link has the name of the folder to write: choose another name", target
        )
    if os.listdir(target):
        check(target)


def check_replaceable(path: str | os.PathLike[str]) -> None:
    """Raise what `replacing` raises before it writes; nothing of the try stays.

    Raises
    ------
    OSError
        If there cannot be a new file in the folder of `path`, or `path` is something that is not replaced.
    """
    os.unlink(_beside(os.path.abspath(os.fspath(path))))


def _beside(target: str) -> str:
    """Return the path of a new temporary file beside `target`, which may be replaced by it."""
    _check_is_file(target)
    try:
        descriptor, temporary = tempfile.mkstemp(dir=os.path.dirname(target), prefix=".new-")
    except OSError as error:
        raise _about(error, target) from error
    os.close(descriptor)
    return temporary


def _check_is_file(target: str) -> None:
    try:
        mode = os.lstat(target).st_mode
    except FileNotFoundError:
        return
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), target)
    if not (stat.S_ISREG(mode) or stat.S_ISLNK(mode)):
        raise FileExistsError(errno.EEXIST, "a device, pipe or socket has this name: choose another", target)


def _about(error: OSError, target: str) -> OSError:
    """Return an error like `error` that names the target, not the temporary file."""
    if error.errno is None:  # as NumPy raises it when fewer bytes are written
        return OSError(errno.EIO, f"it cannot be written whole ({error})", target)
    return OSError(error.errno, os.strerror(error.errno), target)


def write_failure(error: OSError, path: str | os.PathLike[str]) -> str:
    """Return why a file was not written, and what to do: "x.csv: No space left on device: free some space, …".

    The file is the one that `error` names, or else `path`. Reasons of our own say what to do themselves. The text is
    not yet safe to display.
    """
    name = os.fspath(error.filename) if error.filename else os.fspath(path)
    if name == os.path.abspath(os.fspath(path)):
        name = os.fspath(path)
    number, reason = error.errno or 0, error.strerror or type(error).__name__
    is_of_system = number in _ADVICE and reason == os.strerror(number)
    return f"{name}: {reason}: {_ADVICE[number]}" if is_of_system else f"{name}: {reason}"


def write_text(path: str | os.PathLike[str], text: str) -> None:
    """Write `text` as UTF-8, newlines unchanged, with characters that cannot be encoded escaped.

    Raises
    ------
    OSError
        If the file cannot be written.
    """
    write_texts({path: text})


def write_texts(texts: Mapping[str | os.PathLike[str], str]) -> None:
    """Write the texts of files that belong together, as `write_text` does: all are written before one is replaced.

    Raises
    ------
    OSError
        If a file cannot be written; then none is replaced.
    """
    with ExitStack() as stack:
        for path, text in reversed([*texts.items()]):
            put_text(stack.enter_context(replacing(path)), text)


def put_text(temporary: str, text: str) -> None:
    """Write a text to a temporary file of `replacing`, as `write_text` does.

    Raises
    ------
    OSError
        If the file cannot be written.
    """
    with open(temporary, "w", encoding="utf-8", errors="backslashreplace", newline="") as file:
        file.write(text)


def set_aside(path: str | os.PathLike[str]) -> str:
    """Rename a file that cannot be understood, so that none of it is lost when it is written again; return its name.

    Raises
    ------
    OSError
        If it cannot be renamed.
    """
    name = aside = f"{os.fspath(path)}.damaged"
    number = 1
    while os.path.lexists(aside):
        number += 1
        aside = f"{name}-{number}"
    os.rename(path, aside)
    return aside
