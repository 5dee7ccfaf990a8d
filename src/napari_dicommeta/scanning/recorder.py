"""Read headers into columns of codes, file by file.

Files of one series usually hold the same elements, with the same lengths, at the same offsets: only values differ.
The loop in `elements` parses the first file of a kind, and a `_Layout` is made from it. Two `struct` calls then read
each further file: one unpacks the bytes between the values, which must equal the layout's, the other the values.
Where only lengths differ, the elements are compared with the layout's one by one. A file that fits no layout goes
through the loop, with the same result.

Only the standard library is used here, so that a scanning process starts in a few hundredths of a second.
"""

from __future__ import annotations

import os
import struct
from array import array
from dataclasses import dataclass, field
from itertools import accumulate
from operator import getitem
from typing import TYPE_CHECKING, NamedTuple

from napari_dicommeta.dicom.elements import CHARSET_VR, MAX_BINARY, MAX_CHARSET, MULTIPLE, SHORT_VR, Element, value_key
from napari_dicommeta.dicom.header import FIRST_READ, OPEN_FLAGS, Header, open_regular, parse_header, pread
from napari_dicommeta.support.errors import HeaderError
from napari_dicommeta.support.log import log_fault

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

__all__ = ["FileColumns", "FirstWindow", "Recorder", "Recording", "Strings", "first_window"]

MAX_LAYOUTS = 4096
MAX_LAYOUT_VALUES = 1500
MAX_STRETCHED = 6
MAX_CODED_BYTES = 256
"""Values longer than this are not kept to look up their codes."""
# The meaning of other values depends on these, so they are equal in all files of a layout.
_CONTEXT = frozenset(("00020010", "00080005", "00280103", "00020002", "00080016"))


class _Codes(dict[bytes, int]):
    """The codes of one column's raw values under one VR and context; a new value gets the next code."""

    __slots__ = ("column", "wrap")

    def __init__(self, column: _Column, wrap: Callable[[bytes], bytes]) -> None:
        self.column, self.wrap = column, wrap

    def __missing__(self, raw: bytes) -> int:
        code = self[raw] = self.column.code(self.wrap(raw))
        return code


class _LongCodes:
    """The codes of long values, of which only the digest is kept."""

    __slots__ = ("column", "wrap")

    def __init__(self, column: _Column, wrap: Callable[[bytes], bytes]) -> None:
        self.column, self.wrap = column, wrap

    def __getitem__(self, raw: bytes) -> int:
        return self.column.code(self.wrap(raw))


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
class _Layout:
    """The offsets of the values in one kind of header, and the bytes between them."""

    gaps: struct.Struct
    skeleton: tuple[bytes, ...]
    values: struct.Struct
    codes: tuple[_Codes | _LongCodes, ...]
    rows: _Rows
    end: int
    header: Header
    steps: tuple[tuple[bytes, int, int], ...]
    """For each element (head, width of the length field, longest value), where the head is the bytes before that field.
    The width is 0 where the head includes the length field; then comes the length, negative where the head includes
    the value as well."""
    tail: bytes
    """The head of the pixel data."""

    def raw_values(self, first: bytes, size: int) -> tuple[list[bytes], int] | None:
        """Return the values and the end of a header with the same elements but other lengths, else None.

        Only headers that the loop would read in the same way are accepted. Only values at the top level may have
        other lengths, up to a limit, and the pixel data must end with the file.
        """
        position, raws = 0, []
        for head, width, length in self.steps:
            if not first.startswith(head, position):
                return None
            position += len(head)
            if width:
                longest, length = length, int.from_bytes(first[position : position + width], "little")
                if length > longest:
                    return None
                position += width
            if length < 0:
                raws.append(first[position + length : position])
            else:
                raws.append(first[position : position + length])
                position += length
        end = position + len(self.tail)
        if not first.startswith(self.tail, position) or end > len(first):
            return None
        pixels = self.header.pixels
        if (end != size) if pixels is None else (pixels.length >= 0 and end + pixels.length != size):
            return None
        return raws, end


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
        self._layouts: dict[int, list[_Layout]] = {}
        self._recent: list[_Layout] = []
        self._stretched: list[_Layout] = []
        self._lengths: set[int] = set()
        self._count = 0
        self._reset()

    def _reset(self) -> None:
        self.paths: list[str] = []
        self.files = FileColumns()
        self.failures: list[tuple[str, str, str, str]] = []
        self._columns: dict[str, _Column] = {}
        self._rows: dict[tuple[int, ...], _Rows] = {}
        self._codes: dict[tuple[str, bytes, bytes, bool], _Codes] = {}
        self._layouts.clear()
        self._recent.clear()
        self._stretched.clear()
        self._lengths.clear()
        self._count = 0

    def add(self, path: str, size: int, mtime: int, first: bytes, fetch: Callable[[int, int], bytes]) -> None:
        """Read the header of a file of `size` bytes that begins with `first`; ``fetch(offset, count)`` reads more.

        Raises
        ------
        HeaderError
            If the bytes are not DICOM.
        """
        for layout in self._layouts.get(size, self._recent):
            if layout.end <= len(first) and layout.gaps.unpack_from(first) == layout.skeleton:
                rows = layout.rows
                rows.codes.extend(map(getitem, layout.codes, layout.values.unpack_from(first)))
                rows.files.append(len(self.paths))
                self._add_file(path, size, mtime, layout.header)
                return
        if self._stretch(path, size, mtime, first):
            return
        header = parse_header(fetch, size, first)
        self._record(header)
        self._add_file(path, size, mtime, header)
        if header.contiguous:
            self._learn(header, first, size)

    def _stretch(self, path: str, size: int, mtime: int, first: bytes) -> bool:
        """Record a file that has a layout's elements with other lengths; return whether a layout fits."""
        for i, layout in enumerate(self._stretched):
            matched = layout.raw_values(first, size)
            if matched is not None:
                raws, end = matched
                lengths = hash((size, *map(len, raws)))
                if lengths in self._lengths:
                    return False  # the second file with these lengths gets its own layout
                self._lengths.add(lengths)
                rows = layout.rows
                rows.codes.extend(map(getitem, layout.codes, raws))
                rows.files.append(len(self.paths))
                pixels = layout.header.pixels
                self._add_file(path, size, mtime, layout.header, end if pixels else -1)
                if i:
                    self._stretched.insert(0, self._stretched.pop(i))
                return True
        return False

    def read(self, path: str) -> None:
        """Read the header of the file at `path`, or record why it cannot be read."""
        self.take_in(path, first_window(path))

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

    def _add_file(self, path: str, size: int, mtime: int, header: Header, pixel_offset: int = -1) -> None:
        files = self.files
        if header.reason:
            files.reasons[len(self.paths)] = (header.reason, header.offset)
        self.paths.append(path)
        files.sizes.append(size)
        files.mtimes.append(mtime)
        files.cuts.append(header.cut)
        pixels = header.pixels
        files.pixel_offsets.append(pixels.offset if pixels and pixel_offset < 0 else pixel_offset)
        files.pixel_lengths.append(pixels.length if pixels else 0)
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
            codes.append(column.code(_joined(values)))
        rows = self._rows_of(tuple(columns))
        rows.files.append(len(self.paths))
        rows.codes.extend(codes)

    def _learn(self, header: Header, first: bytes, size: int) -> None:
        """Make a layout of a header that the loop has read, for similar files."""
        elements = header.elements
        by_key: dict[str, list[Element]] = {}
        for element in elements:
            by_key.setdefault(element.key, []).append(element)
        if len(elements) > MAX_LAYOUT_VALUES or header.end > len(first):
            return
        if any(len(same) > 1 and "/" not in key for key, same in by_key.items()):
            return
        if any(element.start >= header.end for element in elements):
            return  # elements after the pixel data
        if not header.little or any(key[-9:] in ("/00080005", "/00280103") for key in by_key):
            return  # rare: items with their own character set or sign
        gaps, values, columns = ["<"], ["<"], []
        codes: list[_Codes | _LongCodes] = []
        steps: list[tuple[bytes, int, int]] = []
        declared = by_key.get("00080005", [])
        charset = first[declared[0].start : declared[0].start + declared[0].length] if declared else b""
        charset = charset.rstrip(b"\0 ")[:MAX_CHARSET]
        signed = "00280103" in by_key and by_key["00280103"][0].value[3:4] == b"\x01"
        position = 0
        for element in elements:
            same = by_key[element.key]
            if same[0] is not element:  # in another item: its bytes must be equal
                continue
            column = self._column(element.key)
            columns.append(column.index)
            if element.value[2:3] == b"q" or len(same) > 1:
                # A sequence (its bytes belong to its items), or an element of several items (its bytes must be equal).
                gaps.append(f"{element.start - position}s")
                values.append(f"{element.start - position}x0s")
                codes.append(_Codes(column, _constant(_joined([item.value for item in same]))))
                steps.append((first[position : element.start], 0, 0))
                position = element.start
                continue
            fixed = element.key in _CONTEXT or _is_creator(element.key)
            gaps.append(f"{element.start - position}s{element.length}{'s' if fixed else 'x'}")
            values.append(f"{element.start - position}x{element.length}s")
            codes.append(self._codes_of(column, element, charset, signed))
            end = element.start + element.length
            if fixed or "/" in element.key:  # in a sequence, whose length depends on its items' lengths
                head = first[position : end if fixed else element.start]
                steps.append((head, 0, -element.length if fixed else element.length))
            else:
                width = _length_width(first, element)
                longest = FIRST_READ if element.length > MAX_CODED_BYTES else MAX_BINARY
                steps.append((first[position : element.start - width], width, longest))
            position = end
        gaps.append(f"{header.end - position}s")
        struct_of_gaps = struct.Struct("".join(gaps))
        layout = _Layout(
            gaps=struct_of_gaps,
            skeleton=struct_of_gaps.unpack_from(first),
            values=struct.Struct("".join(values)),
            codes=tuple(codes),
            rows=self._rows_of(tuple(columns)),
            end=header.end,
            header=header,
            steps=tuple(steps),
            tail=first[position : header.end],
        )
        self._stretched = [layout, *self._stretched[: MAX_STRETCHED - 1]]
        if self._count >= MAX_LAYOUTS:
            self._layouts.clear()
            self._count = 0
        self._count += 1
        if header.pixels and header.pixels.length < 0:  # encapsulated: the size says nothing about the header
            self._recent = [layout, *self._recent[:7]]
        else:
            same_size = self._layouts.setdefault(size, [])
            same_size.insert(0, layout)
            del same_size[8:]

    def _codes_of(self, column: _Column, element: Element, charset: bytes, signed: bool) -> _Codes | _LongCodes:
        key, vr = element.key, element.vr
        charset = charset if vr in CHARSET_VR and not key.startswith("0002") else b""
        if element.length > MAX_CODED_BYTES:
            return _LongCodes(column, lambda raw: value_key(key, vr, raw, charset, signed, True))
        identity = (key, vr, charset, signed)
        codes = self._codes.get(identity)
        if codes is None:
            codes = _Codes(column, lambda raw: value_key(key, vr, raw, charset, signed, True))
            self._codes[identity] = codes
        return codes


FirstWindow = tuple[int, int, bytes, str, str]
"""(size, modification time in ns, first bytes, outcome, reason) of a file; the last two are "" if it was read."""


def first_window(path: str) -> FirstWindow:
    """Read the first bytes of the file at `path`, which hold most headers completely."""
    try:
        descriptor = os.open(path, OPEN_FLAGS)
    except FileNotFoundError:
        return 0, 0, b"", "vanished", "the file is gone"
    except OSError as error:
        return 0, 0, b"", "rejected", f"cannot be opened: {error.strerror or type(error).__name__}"
    except ValueError as error:
        return 0, 0, b"", "rejected", f"cannot be opened: {error}"
    try:
        status = os.fstat(descriptor)
        if status.st_mode & 0o170000 != 0o100000:
            return 0, 0, b"", "skipped", "not a regular file"
        return status.st_size, status.st_mtime_ns, os.read(descriptor, FIRST_READ), "", ""
    except OSError as error:
        return 0, 0, b"", "rejected", f"cannot be read: {error.strerror or type(error).__name__}"
    finally:
        os.close(descriptor)


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


def _constant(value: bytes) -> Callable[[bytes], bytes]:
    return lambda _raw: value


def _joined(values: list[bytes]) -> bytes:
    """Return the value of an element, or the distinct values of one that several items hold, as bytes."""
    distinct = sorted(set(values))
    if len(distinct) == 1:
        return distinct[0]
    return MULTIPLE + b"".join(len(item).to_bytes(4, "little") + item for item in distinct)


def _length_width(first: bytes, element: Element) -> int:
    """Return the size of the length field before an element's value: 2, or 4 in implicit VR and after a long VR."""
    explicit_short = first[element.start - 4 : element.start - 2] == element.vr and element.vr in SHORT_VR
    return 2 if explicit_short else 4


def _is_creator(key: str) -> bool:
    last = key[-8:]
    return (
        len(last) == 8 and last[:4] != "0000" and last[4:6] == "00" and last[6:] >= "10" and int(last[3], 16) & 1 == 1
    )
