"""Read headers into columns of codes, file by file.

The loop in `elements` reads the first file of a kind, and a layout is made from it (`header_layout`), which reads
further files of the kind. A file that fits no layout goes through the loop, with the same result.

Only the standard library is used here, so that a scanning process starts in a few hundredths of a second.
"""

from __future__ import annotations

import logging
import time
from array import array
from dataclasses import dataclass, field
from itertools import accumulate, chain
from typing import TYPE_CHECKING, NamedTuple

from napari_dicommeta.dicom.codestream import looks_whole
from napari_dicommeta.dicom.file_buffer import FileBuffer
from napari_dicommeta.dicom.fragment_walk import ending_fault
from napari_dicommeta.dicom.header import Header, open_regular, parse_buffer
from napari_dicommeta.dicom.uids import DEFLATED
from napari_dicommeta.scanning.first_reads import FirstReads, declared_syntax, failed_window, tail_place
from napari_dicommeta.scanning.header_layout import layout_of
from napari_dicommeta.scanning.known_layouts import KnownLayout
from napari_dicommeta.scanning.pending_reads import PendingReads
from napari_dicommeta.scanning.value_codes import ValueTable
from napari_dicommeta.support.errors import HeaderError
from napari_dicommeta.support.file_names import path_text
from napari_dicommeta.support.log import log_fault

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from napari_dicommeta.scanning.first_reads import FirstWindow
    from napari_dicommeta.scanning.header_layout import Match
    from napari_dicommeta.scanning.known_layouts import KnownExact, Shared

__all__ = ["UNKNOWN_TIME", "FileColumns", "Recorder", "Recording", "Strings"]

MAX_TRIED, MAX_COLUMNS = 8, 20_000
"""Layouts with any lengths that are tried: those used last. And the columns of all that are kept, to find them by their
elements again."""
MAX_KEPT = 16_000_000
"""The bytes of all exact layouts that are kept."""
MAX_WAITING = 64
"""The most files of a series that wait for the codes of their values, and the most series."""
MAX_SEEN = 10_000
"""Kinds of elements."""
MAX_TIME = (1 << 63) - 1
"""Nanoseconds; later times, after the year 2262, count as this one."""
UNKNOWN_TIME = -1
"""The modification time of a file that was not read to its end, so that the cache reads it again."""


@dataclass(slots=True, kw_only=True)
class FileColumns:
    """The numbers of each readable file besides its elements, one entry per file."""

    sizes: array[int] = field(default_factory=lambda: array("q"))
    mtimes: array[int] = field(default_factory=lambda: array("q"))
    pixel_offsets: array[int] = field(default_factory=lambda: array("q"))
    pixel_lengths: array[int] = field(default_factory=lambda: array("q"))
    pixel_tags: array[int] = field(default_factory=lambda: array("q"))
    cuts: array[int] = field(default_factory=lambda: array("q"))
    """The first tag that could not be read, -1 where the header was read to its end."""
    reasons: dict[int, tuple[str, int]] = field(default_factory=dict)
    """By file number, why a file is partial, and the byte offset of the damage."""


class Strings(NamedTuple):
    """Strings as Arrow keeps them, one after the other, and where each begins, with the end of the last.

    An object for each would cost the process that receives them far more memory and time.
    """

    data: bytes
    bounds: array[int]


@dataclass(slots=True, kw_only=True)
class Recording:
    """The result of a `Recorder`, as flat buffers and plain tuples to send to another process.

    `paths` are in UTF-8, as `file_names.path_text` writes them. `columns` holds (key, distinct values by code).
    `blocks` holds the rows of files with the same columns: (column numbers, file numbers, codes row by row), the latter
    two as bytes of native 32-bit integers.
    """

    paths: Strings
    files: FileColumns
    failures: list[tuple[str, str, str, str]]
    columns: list[tuple[str, Strings]]
    blocks: list[tuple[tuple[int, ...], bytes, bytes]]

    @property
    def n_files(self) -> int:
        """The number of files."""
        return len(self.files.sizes)


class Recorder:
    """A reader of headers that stores their values as codes."""

    def __init__(self) -> None:
        self._by_size: dict[int, list[KnownExact]] = {}
        self._recent: list[KnownExact] = []
        self._known: list[KnownLayout] = []
        self._kinds: set[int] = set()
        self._kept = 0
        self.n_loops, self.loop_seconds = 0, 0.0
        """The number of headers that were read element by element, and the time that it took."""
        self.reads = FirstReads()
        self.pending = PendingReads()
        self._is_ending = False
        """Whether the end of the file that was added last is being read."""
        self._reset()

    def _reset(self) -> None:
        self.paths: list[str] = []
        self.files = FileColumns()
        self.failures: list[tuple[str, str, str, str]] = []
        self._table = ValueTable()
        self._waiting: list[Shared] = []
        """What headers share of which some wait for their codes."""

    @property
    def n_columns(self) -> int:
        """The number of different elements of this recording."""
        return len(self._table.columns)

    def add(self, path: str, size: int, mtime: int, first: bytes, fetch: Callable[[int, int], bytes]) -> None:
        """Read the header of a file of `size` bytes that begins with `first`; ``fetch(offset, count)`` reads more.

        Raises
        ------
        HeaderError
            If the bytes are not DICOM.
        """
        if len(first) > size:
            first = first[:size]
        is_bare = first[128:132] != b"DICM"
        key = ~size if is_bare else size
        exacts = self._by_size.get(key, self._recent)
        for exact in exacts:
            shared = exact.shared
            if shared and shared.left and shared.end <= len(first) and shared.gaps(first) == shared.skeleton:
                if not shared.files:
                    self._waiting.append(shared)
                shared.files.append(len(self.paths))
                shared.waiting.append(shared.values(first))
                shared.left -= 1
                self._add_file(path, size, mtime, shared.header, shared.end, shared.pixel_length)
                if len(shared.files) == MAX_WAITING or len(self._waiting) > MAX_WAITING:
                    self._settle()
                return
        for known in dict.fromkeys([*(exact.known for exact in exacts), *self._known[:MAX_TRIED]]):
            matched = known.match(first, size, is_bare)
            if matched is not None:
                known.bound(self._table).add(len(self.paths), matched.values)
                self._add_file(path, size, mtime, known.layout.header, matched.end, matched.pixel_length)
                if again := self._look(known, matched, first, size):
                    again.expect(first, self._table)
                return
        if any(known.softens(first, is_bare) for known in self._known[:MAX_TRIED]):
            return self.add(path, size, mtime, first, fetch)
        began = time.perf_counter()
        self._read_elements(path, size, mtime, FileBuffer(fetch, size, first))
        self.n_loops += 1
        self.loop_seconds += time.perf_counter() - began
        return None

    def _settle(self) -> None:
        """Add the rows of the files that wait for their codes."""
        for shared in self._waiting:
            shared.settle()
        self._waiting.clear()

    def _read_elements(self, path: str, size: int, mtime: int, buffer: FileBuffer) -> None:
        """Read a header element by element, and make a layout of the second one of a kind."""
        header = parse_buffer(buffer, compact=True)
        self.reads.learn(path, size, header.end)
        self._record(header)
        self._add_file(path, size, mtime, header, header.end, header.pixels.length if header.pixels else 0)
        if not header.contiguous:
            return None
        kind, first = hash(tuple([element.key for element in header.elements])), buffer.buffer
        for known in self._known[MAX_TRIED:]:
            if known.kind == kind and known.softens(first, not header.has_prefix):
                return self._use(known)
            if known.kind == kind and (matched := known.match(first, size, not header.has_prefix)):
                self._look(known, matched, first, size)
                return None
        if self._comes_again(kind) and (made := layout_of(header, first, size)):
            self._use(KnownLayout(layout=made, kind=kind))
        return None

    def _look(self, known: KnownLayout, matched: Match, first: bytes, size: int) -> KnownExact | None:
        """Take in that a header has a layout; return the exact layout of its lengths once they have come again."""
        self._use(known)
        exact = known.look(first, matched, size)
        if exact is not None:
            self._keep(exact, ~size if known.layout.is_bare else size)
        return exact

    def _use(self, known: KnownLayout) -> None:
        """Let a layout be the first that is tried; forget those that were used longest ago where they are too many."""
        if self._known[:1] == [known]:
            return
        if known in self._known:
            self._known.remove(known)
        self._known.insert(0, known)
        while len(self._known) > MAX_TRIED and sum(len(kept.layout.columns) for kept in self._known) > MAX_COLUMNS:
            self._table.release(self._known.pop())

    def _comes_again(self, kind: int) -> bool:
        """Return whether a header with the same elements was read before: making a layout takes as long as reading."""
        if kind in self._kinds:
            return True
        if len(self._kinds) >= MAX_SEEN:
            self._kinds.clear()
        self._kinds.add(kind)
        return False

    def _keep(self, exact: KnownExact, key: int) -> None:
        """Let an exact layout be the first for files of one size, or of all where the size says nothing of the header.

        `key`: the size of the file; its complement where it has no prefix, which is then no part of the header.
        """
        same = self._by_size.setdefault(key, []) if exact.known.layout.is_sized else self._recent
        if exact in same:
            same.remove(exact)
        else:
            self._kept += exact.n_bytes
        if self._kept > MAX_KEPT:
            self._by_size, self._recent, self._kept = {}, [], exact.n_bytes
            for known in self._known:
                known.exacts.clear()
            return
        same.insert(0, exact)
        for forgotten in same[MAX_TRIED:]:
            forgotten.forget_shared()
        del same[MAX_TRIED:]

    def read(self, path: str) -> None:
        """Read the header of the file at `path`, or record why it cannot be read."""
        self.take_in(path, self.window(path, path))

    def window(self, path: str, read: object) -> FirstWindow:
        """Read the first bytes of the file at `path`; `read` tells the thread that watches what waits for them."""
        pending = self.pending
        if pending.is_stalled and (reason := pending.refusal(path)):
            return failed_window("timed out", reason)
        number = pending.begin(read)
        try:
            return self.reads.window(path)
        finally:
            pending.end(number)

    def stalled_window(self, path: str) -> FirstWindow:
        """Return what `window` returns for a file whose read was given up."""
        return failed_window("timed out", self.pending.stalled(path))

    def give_up(self, path: str) -> None:
        """List the file at `path`, for which the thread that read waits and which it touches no more."""
        if self._is_ending:
            number, self.files.mtimes[-1], self._is_ending = len(self.paths) - 1, UNKNOWN_TIME, False
            reason = f"the end of its pixel data is unknown: {self.pending.stalled(path)}"
            self.files.reasons[number] = reason, self.files.pixel_offsets[-1]
        else:
            self.take_in(path, self.stalled_window(path))

    def take_in(self, path: str, window: FirstWindow) -> None:
        """Read the header of a file whose first bytes have been fetched, perhaps by another thread."""
        size, mtime, first, outcome, reason, tail = window
        if outcome:
            return self.fail(path, outcome, reason, "unreadable" if outcome == "rejected" else "")
        try:
            self.add(path, size, mtime, first, lambda offset, count: self._fetch(path, offset, count))
            if self.files.pixel_lengths[-1] < 0:
                self._is_ending = True
                self.check_end(size, first, lambda offset, count: self._fetch(path, offset, count), tail)
                self._is_ending = False
        except HeaderError as error:
            self.fail(path, "rejected", str(error), error.code)
        except OSError as error:
            self.fail(path, "rejected", f"cannot be read: {error.strerror or type(error).__name__}", "unreadable")
        except Exception as error:  # noqa: BLE001  a fault in one file must not end the scan
            log_fault("reading a header", error)
            self.fail(path, "rejected", f"unexpected {type(error).__name__} while reading the header")
        return None

    def check_end(self, size: int, first: bytes, fetch: Callable[[int, int], bytes], tail: bytes = b"") -> None:
        """Record why the compressed frames of the file that was added last do not reach their end.

        The arguments are those of `add`. `tail` is the end of the file, if it has been read (`first_reads.tail_place`).
        """
        number, offset, syntax = len(self.paths) - 1, self.files.pixel_offsets[-1], declared_syntax(first)
        if self.files.pixel_lengths[-1] >= 0 or number in self.files.reasons or syntax == DEFLATED:
            return
        try:
            is_whole = looks_whole(tail or fetch(*tail_place(size)), syntax)
            fault = None if is_whole else ending_fault(fetch, offset, size)
        except Exception as error:  # noqa: BLE001  file systems raise their own types of errors
            log_fault("reading the end of a file", error, logging.DEBUG)
            fault = f"the end of its pixel data cannot be read: {type(error).__name__}", offset
        if fault:
            self.files.reasons[number] = fault

    def fail(self, path: str, outcome: str, reason: str, code: str = "") -> None:
        """Record a directory entry that is not in the catalog; see `ScanFailure`."""
        self.failures.append((path, outcome, reason, code))

    def take(self) -> Recording:
        """Return the recording since the last `take`, and start a new one."""
        self._settle()
        columns = [(column.key, _strings(column.values)) for column in self._table.columns.values()]
        blocks = [
            (rows.columns, rows.files.tobytes(), rows.codes.tobytes())
            for rows in self._table.rows.values()
            if rows.files
        ]
        recording = Recording(
            paths=_strings(path_text(path).encode() for path in self.paths),
            files=self.files,
            failures=self.failures,
            columns=columns,
            blocks=blocks,
        )
        self._reset()
        for exact in chain(self._recent, *self._by_size.values()):
            exact.forget_shared()
        return recording

    def _add_file(self, path: str, size: int, mtime: int, header: Header, end: int, pixel_length: int) -> None:
        files, pixels = self.files, header.pixels
        if header.reason:
            files.reasons[len(self.paths)] = (header.reason, header.offset)
        self.paths.append(path)
        files.sizes.append(size)
        files.mtimes.append(max(-MAX_TIME, min(mtime, MAX_TIME)))
        files.cuts.append(header.cut)
        files.pixel_offsets.append(end if pixels else -1)
        files.pixel_lengths.append(pixel_length)
        files.pixel_tags.append(pixels.tag if pixels else 0)

    def _record(self, header: Header) -> None:
        held: dict[str, list[bytes]] = {}
        for element in header.elements:
            held.setdefault(element.key, []).append(element.value)
        self._table.add(len(self.paths), ((key, header.joined(key, values)) for key, values in held.items()))

    def _fetch(self, path: str, offset: int, count: int) -> bytes:
        number = self.pending.begin(path)
        try:
            with open_regular(path) as file:
                return file.read(offset, count)
        finally:
            self.pending.end(number)


def _strings(values: Iterable[bytes]) -> Strings:
    values = tuple(values)
    return Strings(b"".join(values), array("i", accumulate(map(len, values), initial=0)))
