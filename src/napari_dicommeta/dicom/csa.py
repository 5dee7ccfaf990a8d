"""Parse the CSA headers that Siemens writes into private elements of group 0029.

No document of Siemens describes them. The layout is that of https://nipy.org/nibabel/dicom/siemens_csa.html, and real
files of syngo VA to VE agree with it. Numbers are little endian, whatever the byte order of the file::

    CSA2: "SV10", 4 bytes, uint32 tags, uint32 77        CSA1: uint32 tags, uint32 77
    each tag: name char[64], int32 VM, VR char[4], int32 type, int32 items, int32 77 or 205 (84 bytes)
    each item: int32[4], then its value, padded to 4 bytes

The length of an item is its second number in CSA2. In CSA1 it is its first number, less the items of the first tag.
Names and values end at their first zero byte.
"""

from __future__ import annotations

import re
import struct

from napari_dicommeta.dicom.values import number

__all__ = ["parse_csa", "read_slice_array"]

_TAG = struct.Struct("<64si4siii")
_ITEM = struct.Struct("<4i")
_MARKS = (77, 205)
_SLICE_ARRAY = re.compile(r"^sSliceArray\.([\w.\[\]]{1,64})[ \t]{0,64}=[ \t]{0,64}(\S{1,40})", re.MULTILINE | re.ASCII)
_HEX = re.compile(r"0[xX][0-9a-fA-F]{1,8}")


def parse_csa(data: bytes) -> dict[str, tuple[str, ...]]:
    """Return name -> values of a CSA header: texts without padding, empty values left out.

    Reading stops at the first tag that is damaged or cut off, and the tags before it are kept. Bytes that are no CSA
    header give an empty dictionary. Time and memory are proportional to the length of `data`.
    """
    is_csa2 = data.startswith(b"SV10")
    position = 16 if is_csa2 else 8
    if len(data) < position or data[position - 4 : position] != b"\x4d\0\0\0":
        return {}
    count = int.from_bytes(data[position - 8 : position - 4], "little")
    tags: dict[str, tuple[str, ...]] = {}
    first_items = -1
    for _ in range(min(count, len(data) // _TAG.size)):
        if position + _TAG.size > len(data):
            break
        raw_name, vm, _vr, _type, items, mark = _TAG.unpack_from(data, position)
        position += _TAG.size
        if mark not in _MARKS or items < 0:
            break
        first_items = items if first_items < 0 else first_items
        values, position = _items(data, position, items, -1 if is_csa2 else first_items)
        if position < 0:
            break
        kept = values if vm <= 0 else values[:vm]
        tags.setdefault(_text(raw_name), tuple(value for value in kept if value))
    return tags


def _items(data: bytes, position: int, count: int, excess: int) -> tuple[list[str], int]:
    """Return (values, next position) of a tag's items; the position is -1 if the next tag cannot be found.

    `excess` is what CSA1 adds to each length, -1 for CSA2.
    """
    values: list[str] = []
    for _ in range(count):
        if position + _ITEM.size > len(data):
            return values, -1
        first, second, _mark, _last = _ITEM.unpack_from(data, position)
        position += _ITEM.size
        length = second if excess < 0 else first - excess
        if length < 0 or position + length > len(data):
            return values, -1 if excess < 0 else position  # in CSA1, that ends the items of a tag
        values.append(_text(data[position : position + length]))
        position += length + -length % 4
    return values, position


def _text(raw: bytes) -> str:
    return raw.partition(b"\0")[0].decode("latin-1").strip()


def read_slice_array(protocol: str) -> dict[str, float]:
    """Return name -> number of the assignments ``sSliceArray.<name> = <number>`` in a protocol's ASCCONV section.

    The protocol is the value *MrPhoenixProtocol* (syngo VB and later) or *MrProtocol* (VA) of the CSA Series Header
    (0029,xx20). Names are such as "lSize" and "asSlice[0].sPosition.dTra", lengths in mm. Numbers of the value 0 are
    not written by the scanner.
    """
    found: dict[str, float] = {}
    for name, text in _SLICE_ARRAY.findall(protocol):
        value = float(int(text, 16)) if _HEX.fullmatch(text) else number(text)
        if value is not None:
            found.setdefault(name, value)
    return found
