"""List the members of a ZIP archive from its central directory (APPNOTE 4.3).

The directory is unpacked with `struct`: objects for each member, as `zipfile` makes them, would take several times
longer than reading the headers of the images. An archive that is cut off has no directory: its local headers are
walked.
"""

from __future__ import annotations

import struct
import zlib
from typing import TYPE_CHECKING

from napari_dicommeta.files.inflated_stream import INPUT, RAW, bomb_text, is_bomb
from napari_dicommeta.files.members import DEFLATED, STORED, Contents, Member, cut_text

if TYPE_CHECKING:
    from napari_dicommeta.files.byte_file import ByteFile

__all__ = ["LOCAL", "ZIP_MAGIC", "zip_contents"]

ZIP_MAGIC = (b"PK\x03\x04", b"PK\x05\x06")
"""The first bytes of archives with and without members."""
LOCAL = struct.Struct("<4s5H3L2H")
"""Local file header: signature, version, flags, method, time, date, CRC, packed and full size, lengths of name and
extra fields (APPNOTE 4.3.7)."""
_CENTRAL = struct.Struct("<4s6H3L5H2L")
_END, _END64, _LOCATOR = struct.Struct("<4s4H2LH"), struct.Struct("<4sQ2H2L4Q"), struct.Struct("<4sLQL")
_MAX_COMMENT = 1 << 16
_MAX_DIRECTORY = 1 << 30
_FULL = 0xFFFFFFFF
_ENCRYPTED, _DESCRIPTOR, _UTF8 = 1, 8, 1 << 11
_UNICODE_PATH, _ZIP64 = 0x7075, 1
_DESCRIPTOR_MAGIC = b"PK\x07\x08"

PASSWORD = "protected by a password: unpack the archive with the password, and open the folder"
METHOD = "compressed by method {} of ZIP, which is not read: unpack the archive, and open the folder"
OVERLAP = "its members overlap, as in archive bombs: unpack it if you trust it"
SPLIT = "a part of an archive that is split: join the parts, or unpack them"


def zip_contents(file: ByteFile) -> Contents:
    """Return the members of a ZIP archive; raise OSError if it cannot be read."""
    contents = Contents()
    place = _directory_place(file)
    if place is None:
        _walk(file, contents)
        contents.refuse_rest(cut_text("the archive is cut off", len(contents.members)))
        return contents
    start, count, shift, is_split = place
    if is_split:
        contents.refuse_rest(SPLIT)
        return contents
    raw = file.read(start, count)
    position, packed = 0, 0
    while position + _CENTRAL.size <= len(raw) and raw.startswith(b"PK\x01\x02", position):
        fields = _CENTRAL.unpack_from(raw, position)
        flags, method, crc, packed_size, size = fields[3], fields[4], *fields[7:10]
        n_name, n_extra, n_comment, attributes, offset = *fields[10:13], fields[15], fields[16]
        position += _CENTRAL.size
        raw_name = raw[position : position + n_name]
        extra = raw[position + n_name : position + n_name + n_extra] if n_extra else b""
        position += n_name + n_extra + n_comment
        if _FULL in (packed_size, size, offset):
            size, packed_size, offset = _wide(extra, size, packed_size, offset)
        name = _name(raw_name, flags, extra)
        if raw_name.endswith(b"/"):
            continue
        member = Member(offset + shift, packed_size, size, method, crc, has_header=True)
        _add(contents, name, member, flags, attributes >> 16)
        packed += packed_size
    if packed > file.size:
        return _refused(OVERLAP)
    if contents.refused and not contents.members and all(entry.reason == PASSWORD for entry in contents.refused):
        return _refused(PASSWORD)  # one sentence for all
    if position < len(raw):
        contents.refuse_rest(cut_text("the directory of the archive is damaged", len(contents.members)))
    return contents


def _refused(reason: str) -> Contents:
    contents = Contents()
    contents.refuse_rest(reason)
    return contents


def _add(contents: Contents, name: str, member: Member, flags: int, mode: int) -> None:
    if flags & _ENCRYPTED:
        contents.refuse(name, PASSWORD)
    elif mode & 0o170000 == 0o120000:
        contents.skip_link(name)
    elif member.method not in (STORED, DEFLATED):
        contents.refuse(name, METHOD.format(member.method))
    elif is_bomb(member.size, member.packed):
        contents.refuse(name, bomb_text(member.size, member.packed))
    else:
        contents.add(name, member)


def _name(raw: bytes, flags: int, extra: bytes) -> str:
    """Return a name: in UTF-8 if a flag or a field says so or it fits, else in code page 437, which loses nothing."""
    if raw.isascii():
        return raw.partition(b"\0")[0].decode("ascii")
    field = b"" if flags & _UTF8 else _extra(extra, _UNICODE_PATH)
    if len(field) > 5 and int.from_bytes(field[1:5], "little") == zlib.crc32(raw):
        raw, flags = field[5:], _UTF8
    raw = raw.partition(b"\0")[0]
    if flags & _UTF8:
        return raw.decode("utf-8", "surrogateescape")
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return raw.decode("cp437")


def _extra(extra: bytes, wanted: int) -> bytes:
    """Return the content of an extra field, b"" without one."""
    position = 0
    while position + 4 <= len(extra):
        kind, length = struct.unpack_from("<2H", extra, position)
        if kind == wanted:
            return extra[position + 4 : position + 4 + length]
        position += 4 + length
    return b""


def _wide(extra: bytes, *values: int) -> list[int]:
    """Return sizes and offset, with those that do not fit into 32 bits from the ZIP64 extra field (APPNOTE 4.5.3)."""
    field = _extra(extra, _ZIP64)
    wide = iter(struct.unpack(f"<{len(field) // 8}Q", field[: len(field) // 8 * 8]))
    return [next(wide, value) if value == _FULL else value for value in values]


def _directory_place(file: ByteFile) -> tuple[int, int, int, bool] | None:
    """Return start and length of the central directory, the bytes before the archive, and whether it is split."""
    size = file.size
    start = max(size - _MAX_COMMENT - _END.size, 0)
    tail = file.read(start, size - start)
    at = tail.rfind(b"PK\x05\x06")
    if at < 0 or at + _END.size > len(tail):
        return None
    _, disk, first_disk, _, _, count, offset, _ = _END.unpack_from(tail, at)
    end = start + at
    is_split = 0xFFFF not in (disk, first_disk) and (disk, first_disk) != (0, 0)
    locator = file.read(end - _LOCATOR.size, _LOCATOR.size) if end >= _LOCATOR.size else b""
    if locator.startswith(b"PK\x06\x07") and len(locator) == _LOCATOR.size:
        raw = file.read(end - _LOCATOR.size - _END64.size, _END64.size)
        if not raw.startswith(b"PK\x06\x06"):
            raw = file.read(_LOCATOR.unpack(locator)[2], _END64.size)
        if len(raw) == _END64.size and raw.startswith(b"PK\x06\x06"):
            *_, count, offset = _END64.unpack(raw)
            end -= _LOCATOR.size + _END64.size
    shift = end - count - offset
    if shift < 0 or count > _MAX_DIRECTORY or is_split:
        return (0, 0, 0, True) if is_split else None
    return offset + shift, count, shift, False


def _walk(file: ByteFile, contents: Contents) -> None:
    """Add the members whose local headers follow one another from the start of an archive without a directory."""
    position, size = 0, file.size
    while True:
        raw = file.read(position, LOCAL.size)
        if len(raw) < LOCAL.size or not raw.startswith(ZIP_MAGIC[0]):
            return
        _, _, flags, method, _, _, crc, packed, full, n_name, n_extra = LOCAL.unpack(raw)
        names = file.read(position + LOCAL.size, n_name + n_extra)
        start = position + LOCAL.size + n_name + n_extra
        if _FULL in (packed, full):
            full, packed = _wide(names[n_name:], full, packed)
        name = _name(names[:n_name], flags, names[n_name:])
        is_described = bool(flags & _DESCRIPTOR) and packed == 0
        if is_described:
            measured = _measure(file, start) if method == DEFLATED else None
            if measured is None:
                contents.refuse(name, "the archive is cut off in it")
                return
            packed, full, crc = measured
        if start + packed > size:
            if method == STORED and size > start:  # its bytes are a file that is cut off
                contents.add(name, Member(position, size - start, size - start, STORED, None, has_header=True))
            else:
                contents.refuse(name, "the archive is cut off in it")
            return
        if not name.endswith("/"):
            _add(contents, name, Member(position, packed, full, method, crc, has_header=True), flags, 0)
        position = start + packed
        if flags & _DESCRIPTOR:
            after = file.read(position, 32)
            found = after.find(ZIP_MAGIC[0], 12)
            if found < 0:
                return
            position += found


def _measure(file: ByteFile, start: int) -> tuple[int, int, int] | None:
    """Return packed size, full size and checksum of a deflated member whose header does not state them."""
    inflater, place, full, crc = zlib.decompressobj(RAW), start, 0, 0
    data = b""
    try:
        while not inflater.eof:
            data = inflater.unconsumed_tail
            if not data:
                data = file.read(place, INPUT)
                place += len(data)
            part = inflater.decompress(data, 1 << 20)
            if not data and not part:
                return None
            full, crc = full + len(part), zlib.crc32(part, crc)
            if is_bomb(full, place - start):
                return None
    except zlib.error:
        return None
    return place - start - len(inflater.unused_data), full, crc
