"""Read the raw elements of one file, never its pixels.

The data set follows the preamble and the file meta group (PS3.10 section 7). Its actual encoding is checked against
the declared one, deflated data sets are inflated up to a limit, and `elements` reads the result. pydicom finds the next
element after a damaged sequence.
"""

from __future__ import annotations

import errno
import logging
import os
import struct
import zlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from napari_dicommeta.dicom.element import Element, PixelLocation
from napari_dicommeta.dicom.element_kinds import implicit_vr
from napari_dicommeta.dicom.elements import DataSetReader
from napari_dicommeta.dicom.file_buffer import MAX_HEADER, REFILL, FileBuffer
from napari_dicommeta.dicom.item_layouts import ItemLayouts
from napari_dicommeta.dicom.required_elements import missing_end
from napari_dicommeta.dicom.stored_values import LONG_VR, SHORT_VR, WITHHELD, joined, value_key
from napari_dicommeta.dicom.uids import BIG_ENDIAN, DEFLATED, TRANSFER_SYNTAXES
from napari_dicommeta.files.opening import open_file
from napari_dicommeta.support.errors import CutError, HeaderError
from napari_dicommeta.support.log import log_fault
from napari_dicommeta.support.one_thread_warnings import silence

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_dicommeta.files.byte_file import ByteFile

__all__ = ["Header", "inflate", "is_dicom", "open_regular", "parse_buffer", "parse_header", "read_header"]

FIRST_READ = 8192
"""Bytes of the first read: the whole header of nearly every file."""
MAX_INFLATED = 64 << 20
MAX_TAGS = 5000
"""The most different tags of one file, nested ones included; real files have some hundreds."""
MAX_PYDICOM_SEQUENCES, MAX_PYDICOM_BYTES = 4, 1 << 20
"""The most damaged sequences of one file that pydicom tries to read past, and the most bytes it gets of each."""
TRANSFER_SYNTAX = 0x00020010

_META_HEAD = struct.Struct("<HH2sH")
_ULONG = struct.Struct("<L")
_ARCHIVES = (
    (b"PK\x03\x04", "a ZIP archive"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"BZh", "a bzip2 archive"),
    (b"\xfd7zXZ", "an xz archive"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive"),
    (b"Rar!\x1a\x07", "a RAR archive"),
)
_MAGIC = (
    (b"\x89PNG", "a PNG image"),
    (b"\xff\xd8\xff", "a JPEG image"),
    (b"%PDF", "a PDF document"),
    (b"<", "HTML or XML text"),
    (b"{", "JSON text"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """The raw elements of one file and how reading them ended.

    `reason` is "" if the whole header was read (outcome ok), a sentence otherwise (outcome partial). `offset` is the
    byte of the damage, -1 without damage. `cut` is the first tag whose presence is unknown, -1 if there is none.
    """

    elements: tuple[Element, ...]
    transfer_syntax: str
    pixels: PixelLocation | None
    reason: str = ""
    offset: int = -1
    cut: int = -1
    contiguous: bool = False
    """Whether the buffer holds the whole header as stored, and other files may share its layout."""
    spans: tuple[tuple[int, int], ...] = ()
    """The sequences and items that declare a length: (place of the length field, end), in bytes."""
    deciding: tuple[int, ...] = ()
    """The places of lengths that may look like a VR, which decides how what follows is read."""
    repeated: dict[str, set[bytes]] = field(default_factory=dict)
    """The distinct values, by path key, of items that were stepped over."""
    little: bool = True
    has_prefix: bool = True
    """Whether "DICM" stands at byte 128 (PS3.10 section 7.1)."""
    end: int = 0
    """The byte after the last element that was read, including the header of the pixel data element."""

    def joined(self, key: str, values: list[bytes]) -> bytes:
        """Return `values` and those in repeated items as one stored value."""
        more = self.repeated.get(key)
        if more:
            return joined(more.union(values))
        return values[0] if len(values) == 1 else joined(values)


def read_header(path: str | os.PathLike[str]) -> Header:
    """Return the raw elements of the file at `path`; pixels are not read.

    Raises
    ------
    HeaderError
        If the file is not a regular file, is empty or is not DICOM; the text names its actual content.
    OSError
        If the file cannot be opened or read.
    """
    with open_regular(path) as file:
        return parse_header(file.read, file.size)


def is_dicom(path: str | os.PathLike[str]) -> bool:
    """Return whether a scan would count the file at `path` as DICOM, complete or damaged.

    A file with the prefix "DICM" is DICOM (PS3.10 section 7.1). Without the prefix, its data set is read to decide.
    The result is False for a file that cannot be opened.
    """
    try:
        file = open_regular(path)
    except (OSError, ValueError, HeaderError):
        return False
    try:
        first = file.read(0, FIRST_READ)
        if first[128:132] == b"DICM":
            return True
        parse_header(file.read, file.size, first)
    except (OSError, HeaderError):
        return False
    else:
        return True
    finally:
        file.close()


def open_regular(path: str | os.PathLike[str]) -> ByteFile:
    """Open a regular file, never blocking on a pipe or a device.

    Raises
    ------
    HeaderError
        If it is not a regular file.
    OSError
        If it cannot be opened, or the path is withheld, as in a catalog for others.
    """
    text = os.fspath(path)
    if text.startswith(f"({WITHHELD}"):
        raise OSError(errno.ENOENT, "the catalog names no files: read the folder, or save the catalog with --full")
    try:
        return open_file(text)
    except OSError as error:
        if error.errno == errno.EINVAL:
            raise HeaderError(error.strerror or "not a regular file", "not-regular") from error
        raise


def parse_header(fetch: Callable[[int, int], bytes], size: int, first: bytes | None = None) -> Header:
    """Return the raw elements of a file of `size` bytes, which ``fetch(offset, count)`` reads.

    `first` is the beginning of the file, if the caller has read it already.

    Raises
    ------
    HeaderError
        If the bytes are not DICOM; the text names their actual content.
    """
    if first is None:
        first = fetch(0, min(FIRST_READ, size))
    return parse_buffer(FileBuffer(fetch, size, first))


def parse_buffer(buffer: FileBuffer, compact: bool = False) -> Header:
    """Return the raw elements of a file as `parse_header` does; `buffer` begins with the file and grows as needed.

    `compact`: step over items that are built like earlier ones of their sequence; their values are in `repeated`.
    """
    size = buffer.size
    start = _start(buffer.buffer, size)
    reader = DataSetReader(buffer, [])
    if compact:
        reader.items = ItemLayouts()
    syntax, plain, little = "", True, True
    reason, offset, cut, n_meta = "", -1, -1, 0
    try:
        syntax, position = _meta(reader, start)
        n_meta = len(reader.elements)
        if syntax == DEFLATED:
            plain = False
            position = _inflate(reader, position)
        explicit, little = _encoding(reader, position, syntax)
        reader.read(position, explicit, little)
    except CutError as error:
        reason, offset = error.args
        cut = reader.known
        _read_after_damage(reader)
    else:
        cut = reader.known if reader.in_doubt else -1
    if start != 132 and not any(element.key in ("00080016", "00080060", "00280010") for element in reader.elements):
        raise HeaderError("not DICOM: no DICM prefix, and no SOP Class UID, Modality or Rows in its elements")
    if not reason and not reader.pixels and (why := missing_end(reader.elements, syntax)):
        reason, offset, cut = why, size, reader.known
    if not reason and reader.damage:
        reason, offset = reader.damage, reader.damage_offset
    if not reason and (misplaced := _misplaced_meta(reader.elements[n_meta:]) or _repeated(reader.elements)):
        reason, offset = misplaced
    elements, pixels = reader.elements, reader.pixels
    if len(elements) > MAX_TAGS and (first := _drop_tags(elements)):
        lowest = int(first.key[:4], 16) << 16 | (0 if first.key[4:6] == "xx" else int(first.key[4:8], 16))
        cut = lowest if cut < 0 else min(cut, lowest)
        if not reason:
            shown = f"({first.key[:4]},{first.key[4:8]})"
            reason = f"more than {MAX_TAGS:,} different tags: from {shown} on, only those of the Standard are counted"
            offset = first.start
    plain = plain and not reason and reader.regular and buffer.base == 0
    end = pixels.offset if pixels else size
    return Header(
        elements=tuple(elements),
        transfer_syntax=syntax,
        pixels=pixels,
        reason=reason,
        offset=offset,
        cut=cut,
        contiguous=plain,
        spans=tuple(reader.spans),
        deciding=tuple(reader.deciding),
        repeated=reader.repeated,
        little=little,
        has_prefix=start == 132,
        end=end,
    )


def _drop_tags(elements: list[Element]) -> Element | None:
    """Leave out the elements whose tags are too many, and return the first; those of the Standard's images stay."""
    keys: set[str] = set()
    kept, first = [], None
    for element in elements:
        key = element.key
        if key not in keys:
            is_standard = len(key) == 8 and implicit_vr(int(key, 16), "") != b"UN"
            if len(keys) >= MAX_TAGS and not is_standard:
                first = first or element
                continue
            keys.add(key)
        kept.append(element)
    elements[:] = kept
    return first


def _read_after_damage(reader: DataSetReader) -> None:
    """Read the elements after a damaged sequence.

    pydicom finds its end, by the length that the sequence declares or by its delimiter. The file stays partial, and
    tags not read after the damage stay unknown.
    """
    for _ in range(MAX_PYDICOM_SEQUENCES):
        if reader.lost_in is None or reader.pixels:
            return
        position = _next_element(reader, reader.lost_in)
        if position is None:
            return
        try:
            reader.resume(position)
        except CutError:
            continue
        return


def _next_element(reader: DataSetReader, position: int) -> int | None:
    """Return the start of the top-level element after the one at `position`, None if pydicom finds none."""
    import io

    from pydicom.filereader import data_element_generator

    window, (explicit, little) = reader.window, reader.encoding
    stream = io.BytesIO(window.fetch(position, min(MAX_PYDICOM_BYTES, window.size - position)))
    heads = 0

    def is_next(tag: int, _vr: str | None, _length: int) -> bool:
        nonlocal heads
        heads += tag >> 16 != 0xFFFE
        return heads == 2

    try:
        with silence():
            for _ in data_element_generator(stream, not explicit, little, stop_when=is_next):
                pass
    except Exception as error:  # noqa: BLE001  pydicom raises many kinds of errors
        log_fault("looking behind a damaged sequence", error, logging.DEBUG)
        return None
    return position + stream.tell() if heads == 2 else None


def _start(first: bytes, size: int) -> int:
    """Return the byte at which the first element begins; without a prefix, check that it looks like an element."""
    if first[128:132] == b"DICM":
        return 132
    if not first:
        raise (
            HeaderError("the file is empty", "empty")
            if size == 0
            else HeaderError("the file could not be read", "unreadable")
        )
    for magic, content in _ARCHIVES:
        if first.startswith(magic):
            raise HeaderError(f"not DICOM: {content}", "archive")
    for magic, content in _MAGIC:
        if first.startswith(magic):
            raise HeaderError(f"not DICOM: {content}")
    if len(first) >= 8:
        group, element, vr, _ = _META_HEAD.unpack_from(first)
        length = _ULONG.unpack_from(first, 4)[0]
        if group in (2, 8) and element < 0x3000 and (vr in SHORT_VR or vr in LONG_VR or length <= min(256, size)):
            return 0
        if first[:2] == b"\0\x08" and first[4:6] in SHORT_VR:  # a bare big endian data set
            return 0
    if size < 132:
        raise HeaderError(f"not DICOM: {size} bytes are too few for the DICM prefix at byte 128")
    raise HeaderError("not DICOM: no DICM prefix at byte 128, and the file does not begin with an element")


def _misplaced_meta(elements: list[Element]) -> tuple[str, int] | None:
    """Return the fault that a data set holds an element of the file meta group, and its byte; None if it does not."""
    for element in elements:
        if element.key.startswith("0002") and len(element.key) == 8:
            return f"the data set holds an element of the file meta group, (0002,{element.key[4:]})", element.start
    return None


def _repeated(elements: list[Element]) -> tuple[str, int] | None:
    """Return the fault that an element is at the top level twice and the byte of the second value, None if none is.

    Private elements of a creator are left out: one with two blocks may have the same element in both.
    """
    seen: set[str] = set()
    for element in elements:
        key = element.key
        if key in seen and "/" not in key and ":" not in key:
            return f"the element ({key[:4]},{key[4:]}) is in the data set twice", element.start
        seen.add(key)
    return None


def _meta(reader: DataSetReader, position: int) -> tuple[str, int]:
    """Return the transfer syntax in the file meta group and the byte after the group (PS3.10 section 7.1)."""
    window, syntax = reader.window, ""
    while position < window.size:
        index = window.need(position, 8)
        group, number, vr, length = _META_HEAD.unpack_from(window.buffer, index)
        if group != 2:
            return syntax, position
        tag, start = 0x00020000 | number, position + 8
        reader.known = tag
        if vr in LONG_VR:
            length = _ULONG.unpack_from(window.buffer, window.need(position, 12) + 8)[0]
            start += 4
        elif vr not in SHORT_VR:
            raise CutError("an element of the file meta group has no known VR", position)
        if start + length > window.size:
            raise CutError("a value of the file meta group declares more bytes than are left", position)
        index = window.need(start, length)
        raw = window.buffer[index : index + length]
        if tag == TRANSFER_SYNTAX:
            stripped = raw.rstrip(b"\0 ")
            syntax = stripped.decode("ascii", "replace")
            if len(raw) - len(stripped) > 1:
                reader.note("the transfer syntax UID is padded with more than one byte", position)
        key = f"{tag:08x}"
        reader.elements.append(
            Element(key=key, vr=vr, start=start, length=length, value=value_key(key, vr, raw, b"", False, True))
        )
        reader.known = tag + 1
        position = start + length
    raise CutError("the file ends before its data set", position)


def _encoding(reader: DataSetReader, position: int, syntax: str) -> tuple[bool, bool]:
    """Return (explicit VR, little endian) of the data set; its first element overrides a wrong transfer syntax."""
    window = reader.window
    index = window.need(position, min(8, max(window.size - position, 1)))
    head = window.buffer[index : index + 8]
    explicit = head[4:6] in SHORT_VR or head[4:6] in LONG_VR
    little = syntax != BIG_ENDIAN and not (not syntax and head[:2] == b"\0\x08")
    if little and head[0] == 0 and head[1] not in (0, 2) and len(head) == 8:
        raise CutError("declared little endian, but the data set is big endian", position)
    known = syntax.startswith(TRANSFER_SYNTAXES) or not syntax
    if not known:
        reader.note("the transfer syntax is not defined by DICOM", position)
    return explicit, little


class Inflated(NamedTuple):
    """The inflated bytes of a data set; `fault` says why they are incomplete, "" if they are complete.

    `is_damaged`: whether the stream cannot be read at some point, rather than being cut off or too long.
    """

    data: bytes
    fault: str = ""
    is_damaged: bool = False


def inflate(fetch: Callable[[int, int], bytes], position: int, size: int, limit: int) -> Inflated:
    """Inflate the deflated data set at `position`, up to about `limit` bytes (PS3.5 section A.5)."""
    inflater, total = zlib.decompressobj(-15), 0
    parts: list[bytes] = []
    data = b""
    while not inflater.eof:
        if not data:
            if position >= size:
                return Inflated(b"".join(parts), "the deflated data set is cut off")
            data = fetch(position, min(REFILL, size - position))
            position += len(data)
            if not data:
                return Inflated(b"".join(parts), "the file became shorter while it was read")
        try:
            part = inflater.decompress(data, 1 << 20)
        except zlib.error:
            return Inflated(b"".join(parts), "the deflated data set is damaged", is_damaged=True)
        data = inflater.unconsumed_tail
        parts.append(part)
        total += len(part)
        if total > limit:
            return Inflated(b"".join(parts), f"the deflated data set holds more than {limit >> 20} MiB")
    return Inflated(b"".join(parts))


def _inflate(reader: DataSetReader, position: int) -> int:
    """Replace the reader's bytes with the inflated data set and return the start position."""
    window = reader.window
    body, fault, is_damaged = inflate(window.fetch, position, window.size, MAX_INFLATED)
    if is_damaged and not body:  # real files are not deflated at all, or have a zlib header
        raw = window.fetch(position, min(MAX_HEADER, window.size - position))
        try:
            body = zlib.decompressobj().decompress(raw, MAX_INFLATED)
            fault = "the deflated data set has a zlib header, which DICOM forbids"
        except zlib.error:
            if raw[4:6] not in SHORT_VR and raw[4:6] not in LONG_VR:
                raise CutError(fault, position) from None
            reader.note("declared deflated, but the data set is not", position)
            return position
    elif fault:
        reader.in_doubt = True
    if not body:
        raise CutError(fault or "the deflated data set is empty", position)
    if fault:
        reader.note(fault, position)
    reader.window = FileBuffer(lambda offset, count: body[offset : offset + count], len(body), body)
    return 0
