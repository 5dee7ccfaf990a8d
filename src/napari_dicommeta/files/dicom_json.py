"""Write a data set in the DICOM JSON model (PS3.18 annex F) as the beginning of a file: all of it but the pixels.

A server sends metadata in this model. Bulk data, which it names by URLs only, are left out, and so is what it adds
about itself. Numbers have no spelling there: that of decimal strings is the shortest.
"""

from __future__ import annotations

import re
import struct
from base64 import b64decode
from typing import TYPE_CHECKING, Any, NamedTuple

from pydicom.charset import default_encoding, python_encoding
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
)
from pydicom.valuerep import EXPLICIT_VR_LENGTH_32, format_number_as_ds

from napari_dicommeta.support.errors import HeaderError

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["NATIVE", "Json", "WebHeader", "first_value", "header_of_json", "is_uid", "sent_syntax", "stated_syntax"]

NATIVE = (ImplicitVRLittleEndian, ExplicitVRLittleEndian, DeflatedExplicitVRLittleEndian, ExplicitVRBigEndian)
"""Transfer syntaxes of native pixel data: a header says explicit VR little endian in their place."""
CHARSET = "00080005"
ROWS, PIXELS = "00280010", ("7FE00008", "7FE00009", "7FE00010")
OF_SERVER = frozenset(("00080054", "00080056", "00081190", "00083002"))
"""Elements that the server adds: *Retrieve AE Title*, *Instance Availability*, *Retrieve URL*, and *Available Transfer
Syntax UID*."""
AVAILABLE = "00083002"
"""*Available Transfer Syntax UID*."""
UNICODE = "ISO_IR 192"
UNDEFINED = 0xFFFFFFFF
MAX_DEPTH = 50
_NUMBERS = {
    "FD": "d",
    "FL": "f",
    "OD": "d",
    "OF": "f",
    "SL": "l",
    "SS": "h",
    "SV": "q",
    "UL": "L",
    "US": "H",
    "UV": "Q",
}
_PADS = {"UI": b"\0", "OB": b"\0", "UN": b"\0"}
_UID = re.compile(r"[0-9]+(\.[0-9]+)*")
_GROUPS = ("Alphabetic", "Ideographic", "Phonetic")
_ENCODED = frozenset(("LO", "LT", "PN", "SH", "ST", "UC", "UT"))
"""The VRs to which the character set applies (PS3.5 section 6.1.2.3)."""

Json = dict[str, dict[str, Any]]


class WebHeader(NamedTuple):
    """The bytes of a file up to its pixels, and what is known of these without reading them.

    `syntax`: the transfer syntax of the bytes that are to follow. `pixel_length`: bytes of native pixel data, -1 of
    encapsulated ones, 0 without any. `frame_bytes`, `frames`: bytes of a frame if whole, else 0, and their number.
    """

    data: bytes
    syntax: str
    pixel_length: int
    frame_bytes: int
    frames: int


def header_of_json(json: Json, syntax: str) -> WebHeader:
    """Return the header of an instance whose stored transfer syntax is `syntax`.

    Raises
    ------
    HeaderError
        If `json` is no data set; the text names the element.
    """
    texts = "".join(_texts(json, 0))
    kept = sent_syntax(syntax)
    prefix = bytes(128) + b"DICM" + _element("00020010", "UI", kept.encode("ascii", "replace"))
    charsets, codec = _charset(json, texts)
    body = bytearray()
    for key in sorted(json):
        if key[:4] == "0002" or key.upper() in OF_SERVER or key.upper() in PIXELS:
            continue
        if key == CHARSET:
            body += _element(key, "CS", "\\".join(charsets).encode("ascii", "replace"))
        else:
            body += _written(key, json[key], codec, 0)
    pixels = next((key for key in json if key.upper() in PIXELS), PIXELS[2] if ROWS in json else None)
    if pixels is None:
        return WebHeader(prefix + bytes(body), kept, 0, 0, 0)
    length, frame_bytes, frames = _pixel_lengths(json)
    if syntax not in NATIVE:
        length, stored_vr, stated = -1, b"OB", UNDEFINED
    else:
        stored_vr = {"7FE00008": b"OF", "7FE00009": b"OD"}.get(pixels.upper(), b"OW")
        stated = length
    tag = struct.pack("<HH", 0x7FE0, int(pixels[4:], 16))
    body += tag + stored_vr + struct.pack("<HL", 0, stated)
    return WebHeader(prefix + bytes(body), kept, length, frame_bytes, frames)


def sent_syntax(syntax: str) -> str:
    """Return the transfer syntax of the bytes that stand for a file of `syntax`."""
    return str(ExplicitVRLittleEndian) if syntax in NATIVE else syntax


def first_value(json: Mapping[str, Any], key: str) -> Any:
    """Return the first value of an element, None without one."""
    element = json.get(key)
    values = element.get("Value") if isinstance(element, dict) else None
    return values[0] if isinstance(values, list) and values else None


def stated_syntax(json: Json) -> str:
    """Return the transfer syntax in which an instance says it is stored, "" if it does not say one alone."""
    element = json.get(AVAILABLE)
    values: Any = element.get("Value") if isinstance(element, dict) else None
    is_one = isinstance(values, list) and len(values) == 1
    return values[0] if is_one and is_uid(values[0]) else ""


def is_uid(value: Any) -> bool:
    """Return whether a value is a UID (PS3.5 section 9.1)."""
    return isinstance(value, str) and len(value) <= 64 and bool(_UID.fullmatch(value))


def _charset(json: Json, texts: str) -> tuple[list[str], str]:
    """Return the character sets to declare and the codec of `texts`: that stated, or Unicode where a text needs it."""
    stated = [str(value or "") for value in (json.get(CHARSET) or {}).get("Value") or []]
    codec = python_encoding.get(stated[0]) if len(stated) == 1 else None
    if texts.isascii() or (codec is not None and _fits(texts, codec)):
        return stated, codec or default_encoding
    return [UNICODE], "utf-8"


def _fits(texts: str, codec: str) -> bool:
    try:
        texts.encode(codec)
    except UnicodeError:
        return False
    return True


def _texts(json: Json, depth: int) -> list[str]:
    """Return all texts of a data set, those of its items too."""
    if depth > MAX_DEPTH:
        raise HeaderError(f"sequences in more than {MAX_DEPTH} levels")
    found: list[str] = []
    if not isinstance(json, dict):
        raise HeaderError("an item is no data set")
    for element in json.values():
        if not isinstance(element, dict):
            raise HeaderError("an element is no JSON object")
        values = element.get("Value") or []
        if not isinstance(values, list):
            raise HeaderError("the value of an element is no list")
        for value in values:
            if element.get("vr") == "SQ":
                found += _texts(value or {}, depth + 1)
            elif isinstance(value, dict):
                found += [str(part) for part in value.values()]
            elif isinstance(value, str):
                found.append(value)
    return found


def _written(key: str, element: dict[str, Any], codec: str, depth: int) -> bytes:
    """Return an element in explicit VR little endian, b"" of bulk data."""
    if "BulkDataURI" in element:
        return b""
    vr, values = str(element.get("vr", "")), element.get("Value") or []
    try:
        if vr == "SQ":
            return _element(key, vr, b"".join(_item(item or {}, codec, depth + 1) for item in values))
        if "InlineBinary" in element:
            return _element(key, vr, b64decode(element["InlineBinary"]))
        if vr in _NUMBERS:
            form, convert = _NUMBERS[vr], float if vr in ("FD", "FL", "OD", "OF") else int
            return _element(key, vr, struct.pack(f"<{len(values)}{form}", *map(convert, values)))
        if vr == "AT":
            raw = (struct.pack("<HH", int(str(tag)[:4], 16), int(str(tag)[4:], 16)) for tag in values)
            return _element(key, vr, b"".join(raw))
        text = "\\".join(_text(vr, value) for value in values)
        return _element(key, vr, text.encode(codec if vr in _ENCODED else "utf-8"))
    except HeaderError:
        raise
    except (ValueError, TypeError, OverflowError, struct.error) as error:
        raise HeaderError(f"the element ({key[:4]},{key[4:]}) has a value that its VR cannot have") from error


def _text(vr: str, value: Any) -> str:
    """Return one value of text."""
    if value is None:
        return ""
    if vr == "PN" and isinstance(value, dict):
        return "=".join(str(value.get(group, "")) for group in _GROUPS).rstrip("=")
    if vr == "DS" and isinstance(value, float):
        return str(int(value)) if value.is_integer() and abs(value) < 1e15 else _decimal(value)
    if vr == "IS" and isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


def _decimal(value: float) -> str:
    """Return a decimal string of at most 16 characters (PS3.5 section 6.2)."""
    text = repr(value)
    return text if len(text) <= 16 else str(format_number_as_ds(value))


def _item(json: Json, codec: str, depth: int) -> bytes:
    raw = b"".join(_written(key, json[key], codec, depth) for key in sorted(json) if key[4:] != "0000")
    return struct.pack("<HHL", 0xFFFE, 0xE000, len(raw)) + raw


def _element(key: str, vr: str, raw: bytes) -> bytes:
    """Return the bytes of an element; the value is padded to an even length."""
    if len(vr) != 2 or not vr.isascii() or not vr.isalpha() or not vr.isupper() or len(key) != 8:
        raise HeaderError(f"the element {key[:16]!r} has no VR")
    try:
        tag = struct.pack("<HH", int(key[:4], 16), int(key[4:], 16))
    except ValueError as error:
        raise HeaderError(f"{key[:16]!r} is no tag") from error
    if len(raw) % 2:
        raw += _PADS.get(vr, b" ")
    if vr in EXPLICIT_VR_LENGTH_32:
        return tag + vr.encode() + struct.pack("<HL", 0, len(raw)) + raw
    if len(raw) > 0xFFFF:
        return tag + b"UN" + struct.pack("<HL", 0, len(raw)) + raw
    return tag + vr.encode() + struct.pack("<H", len(raw)) + raw


def _pixel_lengths(json: Json) -> tuple[int, int, int]:
    """Return the bytes of native pixel data, those of one frame if they are whole, else 0, and the number of frames."""
    numbers = []
    for key, default in (("00280010", 0), ("00280011", 0), ("00280002", 1), ("00280100", 16), ("00280008", 1)):
        value = first_value(json, key)
        try:
            numbers.append(int(default if value is None else value))
        except (ValueError, TypeError, OverflowError) as error:
            raise HeaderError(f"the element ({key[:4]},{key[4:]}) is no number") from error
    rows, columns, samples, bits, frames = numbers
    in_bits = rows * columns * samples * bits
    if first_value(json, "00280004") == "YBR_FULL_422":
        in_bits = in_bits * 2 // 3
    length = (in_bits * frames + 7) // 8
    if min(numbers) < 0 or length >= UNDEFINED:
        raise HeaderError("the size of its frames cannot be")
    return length + length % 2, in_bits // 8 if in_bits % 8 == 0 else 0, frames
