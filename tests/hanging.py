"""Files and folders that never answer: in this process, in those it starts, and, for root, by the kernel itself."""

from __future__ import annotations

import ctypes
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import pytest

from napari_dicommeta.files import byte_file
from napari_dicommeta.scanning import first_reads, pending_reads

SITE = """
import os
from napari_dicommeta.scanning import first_reads, pending_reads
pending_reads.STALL_SECONDS = {seconds}
read, names = os.read, {names!r}
def hanging(descriptor, count):
    if os.path.basename(os.readlink(f"/proc/self/fd/{{descriptor}}")) in names:
        blocked, _ = os.pipe()
        return read(blocked, 1)  # in the kernel, until the process is killed
    return read(descriptor, count)
os.read = hanging
scandir = os.scandir
def hanging_scandir(path):
    if os.path.basename(path) in names:
        blocked, _ = os.pipe()
        read(blocked, 1)
    return scandir(path)
os.scandir = hanging_scandir
"""
"""What each process of the tests runs at its start, as ``sitecustomize``."""

FAN_CLASS_CONTENT, FAN_CLOEXEC, FAN_MARK_ADD, FAN_ACCESS_PERM, AT_FDCWD = 4, 1, 1, 0x20000, -100


def patience(monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    """Give reads up after so long."""
    monkeypatch.setattr(pending_reads, "STALL_SECONDS", seconds)


def hang_in_processes(monkeypatch: pytest.MonkeyPatch, folder: Path, names: set[str], seconds: float) -> None:
    """Let reads of files with these names hang in all processes that are started from now on."""
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(SITE.format(seconds=seconds, names=names))
    source = Path(first_reads.__file__).parents[2]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join((str(folder), str(source))))


@contextmanager
def _hanging(
    monkeypatch: pytest.MonkeyPatch, module: Any, call: str, names: set[str], path_of: Callable[[Any], object]
) -> Iterator[set[str]]:
    end, hung, real = threading.Event(), set[str](), getattr(module, call)

    def wait(what: object, *rest: object, **named: object) -> object:
        path = path_of(what)
        name = os.path.basename(path) if isinstance(path, str) else ""
        if name in names:
            hung.add(name)
            end.wait()
        return real(what, *rest, **named)

    try:
        with monkeypatch.context() as patch:
            patch.setattr(module, call, wait)
            yield hung
    finally:
        end.set()


def hanging(monkeypatch: pytest.MonkeyPatch, names: set[str], call: str = "read") -> AbstractContextManager[set[str]]:
    """Let a call on files with these names hang in this process; at the end, it returns. Give the names that hung."""
    module = first_reads.os if call in ("read", "open") else byte_file
    path_of = str if call == "open" else lambda descriptor: os.readlink(f"/proc/self/fd/{descriptor}")
    return _hanging(monkeypatch, module, call, names, path_of)


def hanging_calls(monkeypatch: pytest.MonkeyPatch, call: str, names: set[str]) -> AbstractContextManager[set[str]]:
    """Let a call of `os` on paths with these names hang in this process; at the end, it returns. Give those names."""
    return _hanging(monkeypatch, os, call, names, lambda path: path)


@contextmanager
def hung_by_the_kernel(path: Path) -> Iterator[None]:
    """Let reads of a file wait in the kernel for a permission that nobody gives; skip the test without root."""
    libc = ctypes.CDLL(None, use_errno=True)
    descriptor = getattr(libc, "fanotify_init", lambda *_: -1)(FAN_CLASS_CONTENT | FAN_CLOEXEC, os.O_RDONLY)
    if descriptor < 0:
        pytest.skip("needs the rights of root and a kernel that asks for permissions")
    try:
        event = ctypes.c_uint64(FAN_ACCESS_PERM)
        if libc.fanotify_mark(descriptor, FAN_MARK_ADD, event, AT_FDCWD, os.fsencode(path)):
            pytest.skip("a kernel that does not ask for permissions")
        yield
    finally:
        os.close(descriptor)  # lets all that wait go on
