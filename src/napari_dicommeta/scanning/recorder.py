"""Read headers into columns of codes, file by file.

The loop in `elements` reads the first file of a kind, and a layout is made from it (`header_layout`), which reads
further files of the kind. A file that fits no layout goes through the loop, with the same result.

Only the standard library is used here, so that a scanning process starts in a few hundredths of a second.
"""

from __future__ import annotations

import os
from array import array
from dataclasses import dataclass, field
from itertools import accumulate
from operator import getitem
from typing import TYPE_CHECKING, NamedTuple

from napari_dicommeta.dicom.file_buffer import FileBuffer
from napari_dicommeta.dicom.header import Header, open_regular, parse_buffer, pread
from napari_dicommeta.dicom.stored_values import value_key
from napari_dicommeta.scanning.first_reads import FirstReads
from napari_dicommeta.scanning.header_layout import Column, ExactLayout, HeaderLayout, layout_of
from napari_dicommeta.support.errors import HeaderError
from napari_dicommeta.support.log import log_fault

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from napari_dicommeta.scanning.first_reads import FirstWindow
    from napari_dicommeta.scanning.header_layout import Match

__all__ = ["FileColumns", "Recorder", "Recording", "Strings"]

MAX_KNOWN = 8
"""Layouts with any lengths; the most recent come first."""
MAX_KEPT = 300_000
"""The events of all exact layouts that are kept, each of some 150 bytes."""
MIN_SAME, MAX_SEEN = 3, 10_000


class _Codes(dict[bytes, int]):
    """The codes of one column's raw values under one VR and context; a new value gets the next code."""

    __slots__ = ("column", "wrap")

    def __init__(self, column: _Column, wrap: Callable[[bytes], bytes]) -> None:
        self.column, self.wrap = column, wrap

    def __missing__(self, raw: bytes) -> int:
        code = self[raw] = self.column.code(self.wrap(raw))
        return code


class _LongCodes:
    """The codes of long values, of which only the digest is kept, and the last value: it often comes again."""

    __slots__ = ("code", "column", "raw", "wrap")

    def __init__(self, column: _Column, wrap: Callable[[bytes], bytes]) -> None:
        self.column, self.wrap = column, wrap
        self.raw, self.code = b"", -1

    def __getitem__(self, raw: bytes) -> int:
        if raw != self.raw or self.code < 0:
            self.raw, self.code = raw, self.column.code(self.wrap(raw))
        return self.code


@dataclass(slots=True)
class _Column:
    """The distinct values of an element, in the order of their codes."""

    key: str
    index: int
    values: dict[bytes, int] = field(default_factory=dict)

    def code(self, value: bytes) -> int:
        return self.values.setdefault(value, len(self.values))


@dataclass(slots=True)
class _Rows:
    """The rows of all files with the same columns: file numbers, and codes row by row."""

    columns: tuple[int, ...]
    files: array[int] = field(default_factory=lambda: array("i"))
    codes: array[int] = field(default_factory=lambda: array("i"))


@dataclass(slots=True, kw_only=True)
class _Known:
    """A layout, and how the values of its headers become codes in the recording of this number."""

    layout: HeaderLayout
    recording: int = -1
    codes: tuple[_Codes | _LongCodes, ...] = ()
    constants: array[int] = field(default_factory=lambda: array("i"))
    rows: _Rows
    seen: dict[int, int] = field(default_factory=dict)
    """How many headers had these lengths, by their hash."""


class _Exact(NamedTuple):
    """A layout of fixed lengths, made from one of any lengths."""

    layout: ExactLayout
    known: _Known


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

    `paths` are in UTF-8. `columns` holds (key, distinct values by code). `blocks` holds the rows of files with the
    same columns: (column numbers, file numbers, codes row by row), the latter two as bytes of native 32-bit integers.
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
        self._by_size: dict[int, list[_Exact]] = {}
        self._recent: list[_Exact] = []
        self._known: list[_Known] = []
        self._kinds: set[int] = set()
        self._kept = 0
        self._number = 0
        self.reads = FirstReads()
        self._reset()

    def _reset(self) -> None:
        self.paths: list[str] = []
        self.files = FileColumns()
        self.failures: list[tuple[str, str, str, str]] = []
        self._columns: dict[str, _Column] = {}
        self._rows: dict[tuple[int, ...], _Rows] = {}
        self._codes: dict[Column, _Codes] = {}
        self._number += 1

    @property
    def n_columns(self) -> int:
        """The number of different elements of this recording."""
        return len(self._columns)

    def add(self, path: str, size: int, mtime: int, first: bytes, fetch: Callable[[int, int], bytes]) -> None:
        """Read the header of a file of `size` bytes that begins with `first`; ``fetch(offset, count)`` reads more.

        Raises
        ------
        HeaderError
            If the bytes are not DICOM.
        """
        for exact in self._by_size.get(size, self._recent):
            values = exact.layout.match(first)
            if values is not None:
                known = exact.known
                self._add_row(known, values)
                self._add_file(path, size, mtime, known.layout.header, exact.layout.end, exact.layout.pixel_length)
                return
        for i, known in enumerate(self._known):
            matched = known.layout.match(first, size)
            if matched is not None:
                self._add_row(known, matched.values)
                self._add_file(path, size, mtime, known.layout.header, matched.end, matched.pixel_length)
                if i:
                    self._known.insert(0, self._known.pop(i))
                self._note_lengths(known, matched, first, size)
                return
        if any(known.layout.soften(first) for known in self._known):
            return self.add(path, size, mtime, first, fetch)
        buffer = FileBuffer(fetch, size, first)
        header = parse_buffer(buffer, compact=True)
        self.reads.learn(path, size, header.end)
        self._record(header)
        self._add_file(path, size, mtime, header, header.end, header.pixels.length if header.pixels else 0)
        if header.contiguous and self._comes_again(header) and (layout := layout_of(header, buffer.buffer)):
            known = _Known(layout=layout, rows=_Rows(()))
            self._known = [known, *self._known[: MAX_KNOWN - 1]]
            self._keep(_Exact(layout.exact(buffer.buffer), known), size)
        return None

    def _comes_again(self, header: Header) -> bool:
        """Return whether a header with the same elements was read before: making a layout takes as long as reading."""
        kind = hash(tuple([element.key for element in header.elements]))
        if kind in self._kinds:
            return True
        if len(self._kinds) >= MAX_SEEN:
            self._kinds.clear()
        self._kinds.add(kind)
        return False

    def _add_row(self, known: _Known, values: Iterable[bytes]) -> None:
        if known.recording != self._number:
            self._bind(known)
        rows = known.rows
        rows.codes.extend(map(getitem, known.codes, values))
        rows.codes.extend(known.constants)
        rows.files.append(len(self.paths))

    def _bind(self, known: _Known) -> None:
        """Let the values of a layout become codes of this recording."""
        columns = [self._column(column.key) for column in known.layout.columns]
        known.codes = tuple(map(self._codes_of, known.layout.columns, columns))
        others = [(self._column(key), value) for key, value in known.layout.constants]
        known.constants = array("i", [column.code(value) for column, value in others])
        columns += [column for column, _ in others]
        known.rows = self._rows_of(tuple(column.index for column in columns))
        known.recording = self._number

    def _note_lengths(self, known: _Known, matched: Match, first: bytes, size: int) -> None:
        """Keep an exact layout for lengths that come again and again."""
        pixels = known.layout.header.pixels
        lengths = hash((size if pixels is None or pixels.length >= 0 else 0, matched.lengths))
        known.seen[lengths] = count = known.seen.get(lengths, 0) + 1
        if count == MIN_SAME:
            self._keep(_Exact(known.layout.exact(first), known), size)
        if len(known.seen) > MAX_SEEN:
            known.seen.clear()

    def _keep(self, exact: _Exact, size: int) -> None:
        """Keep an exact layout for files of this size, or for all where the size says nothing about the header."""
        self._kept += len(exact.known.layout.events)
        if self._kept > MAX_KEPT:
            self._by_size.clear()
            self._kept = len(exact.known.layout.events)
        pixels = exact.known.layout.header.pixels
        if pixels and pixels.length < 0:  # encapsulated
            self._recent = [exact, *self._recent[:7]]
        else:
            same_size = self._by_size.setdefault(size, [])
            same_size.insert(0, exact)
            del same_size[8:]

    def read(self, path: str) -> None:
        """Read the header of the file at `path`, or record why it cannot be read."""
        self.take_in(path, self.reads.window(path))

    def take_in(self, path: str, window: FirstWindow) -> None:
        """Read the header of a file whose first bytes have been fetched, perhaps by another thread."""
        size, mtime, first, outcome, reason = window
        if outcome:
            return self.fail(path, outcome, reason, "unreadable" if outcome == "rejected" else "")
        try:
            self.add(path, size, mtime, first, lambda offset, count: _fetch(path, offset, count))
        except HeaderError as error:
            self.fail(path, "rejected", str(error), error.code)
        except OSError as error:
            self.fail(path, "rejected", f"cannot be read: {error.strerror or type(error).__name__}", "unreadable")
        except Exception as error:  # noqa: BLE001  a fault in one file must not end the scan
            log_fault("reading a header", error)
            self.fail(path, "rejected", f"unexpected {type(error).__name__} while reading the header")
        return None

    def fail(self, path: str, outcome: str, reason: str, code: str = "") -> None:
        """Record a directory entry that is not in the catalog; see `ScanFailure`."""
        self.failures.append((path, outcome, reason, code))

    def take(self) -> Recording:
        """Return the recording since the last `take`, and start a new one."""
        columns = [(column.key, _strings(column.values)) for column in self._columns.values()]
        blocks = [
            (rows.columns, rows.files.tobytes(), rows.codes.tobytes()) for rows in self._rows.values() if rows.files
        ]
        recording = Recording(
            paths=_strings(map(_encoded, self.paths)),
            files=self.files,
            failures=self.failures,
            columns=columns,
            blocks=blocks,
        )
        self._reset()
        return recording

    def _add_file(self, path: str, size: int, mtime: int, header: Header, end: int, pixel_length: int) -> None:
        files, pixels = self.files, header.pixels
        if header.reason:
            files.reasons[len(self.paths)] = (header.reason, header.offset)
        self.paths.append(path)
        files.sizes.append(size)
        files.mtimes.append(mtime)
        files.cuts.append(header.cut)
        files.pixel_offsets.append(end if pixels else -1)
        files.pixel_lengths.append(pixel_length)
        files.pixel_tags.append(pixels.tag if pixels else 0)

    def _column(self, key: str) -> _Column:
        column = self._columns.get(key)
        if column is None:
            column = self._columns[key] = _Column(key, len(self._columns))
        return column

    def _rows_of(self, columns: tuple[int, ...]) -> _Rows:
        rows = self._rows.get(columns)
        if rows is None:
            rows = self._rows[columns] = _Rows(columns)
        return rows

    def _record(self, header: Header) -> None:
        held: dict[str, list[bytes]] = {}
        for element in header.elements:
            held.setdefault(element.key, []).append(element.value)
        columns, codes = [], []
        for key, values in held.items():
            column = self._column(key)
            columns.append(column.index)
            codes.append(column.code(header.joined(key, values)))
        rows = self._rows_of(tuple(columns))
        rows.files.append(len(self.paths))
        rows.codes.extend(codes)

    def _codes_of(self, stored: Column, column: _Column) -> _Codes | _LongCodes:
        key, vr, charset, signed = stored.key, stored.vr, stored.charset, stored.signed
        if stored.is_long:
            return _LongCodes(column, lambda raw: value_key(key, vr, raw, charset, signed, True))
        codes = self._codes.get(stored)
        if codes is None:
            codes = _Codes(column, lambda raw: value_key(key, vr, raw, charset, signed, True))
            self._codes[stored] = codes
        return codes


def _fetch(path: str, offset: int, count: int) -> bytes:
    descriptor = open_regular(path)
    try:
        return pread(descriptor, count, offset)
    finally:
        os.close(descriptor)


def _strings(values: Iterable[bytes]) -> Strings:
    values = tuple(values)
    return Strings(b"".join(values), array("i", accumulate(map(len, values), initial=0)))


def _encoded(path: str) -> bytes:
    r"""Return a path as UTF-8; bytes of it that are no text (surrogate escapes) are written as \\xNN."""
    try:
        return path.encode()
    except UnicodeEncodeError:
        return path.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace").encode()
