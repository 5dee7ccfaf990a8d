"""Decode a raw value to its meaning and its spelling.

The *spelling* is the stored text without padding, its components joined by backslashes; a binary number is spelled as
the decimal that its own VR gives. The *meaning* is the same for values that are equal: ``1``, ``1.0`` and ``1.000000``
are one number, and the bytes 30 F8 are -2000 in every file with signed pixels, regardless of the VR. Values that only
look alike are flagged, never merged.

Values are merged by these rules:

* DS, IS: by exact decimal value, component by component (PS3.5 section 6.2);
* US or SS attributes: by the *Pixel Representation* (0028,0103) of the same file (PS3.3 section C.7.6.3.1);
* FL, FD: by value, as the shortest decimal that converts back to it;
* text: decoded by *Specific Character Set* (0008,0005), without leading and trailing spaces of each component; ST, LT
  and UT keep leading spaces and backslashes, which are significant there.
"""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from math import isfinite
from typing import TYPE_CHECKING

import numpy as np

from napari_dicommeta.dicom.stored_values import MULTIPLE, PSEUDONYM, digest
from napari_dicommeta.support.cached import cached_if_short
from napari_dicommeta.support.one_thread_warnings import recorded, silence

if TYPE_CHECKING:
    from napari_dicommeta.dicom.tags import TagPath

__all__ = ["Meaning", "decode", "decode_all", "has_items", "number", "numbers", "shortest"]

_NUMBER = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]{1,4})?")
_WHOLE = re.compile(r"[+-]?[0-9]{1,18}")
_TEXT_IN_NUMBER = re.compile(rb"[0-9 +-][0-9] ?|[0-9] ")
_STRUCTS = {"SS": "h", "US": "H", "xs": "H", "SL": "i", "UL": "I", "SV": "q", "UV": "Q", "FL": "f", "FD": "d"}
_BINARY = frozenset(("OB", "OD", "OF", "OL", "OV", "OW", "UN"))
_LONG_TEXT = frozenset(("ST", "LT", "UT", "UR"))
_CHARSET = frozenset(("LO", "LT", "PN", "SH", "ST", "UC", "UT"))

# The values of `Meaning.flag`. Findings compare with them.
NOT_A_NUMBER = "not a number"
FRACTION = "a fraction in an integer string"
TEXT_IN_NUMBER = "the bytes are text in a number field"
WRONG_LENGTH = "the length does not fit its VR"
UNDECODABLE = "not decodable by its character set"


@dataclass(frozen=True, slots=True, kw_only=True)
class Meaning:
    """One decoded value: its meaning in ``text``, how it is stored in ``spelling`` and ``vr``, its fault in ``flag``.

    ``vr`` is the VR as stored, "implicit" for a US or SS attribute of an implicit VR file. ``raw`` is the first 32
    stored bytes. ``flag`` is "" or one of this module's constants.
    """

    text: str
    spelling: str
    vr: str
    raw: bytes
    flag: str = ""


def number(text: str) -> float | None:
    """Return the finite number that a DS or IS component spells, or None (PS3.5 section 6.2)."""
    text = text.strip(" \0")
    if not _NUMBER.fullmatch(text):
        return None
    value = float(text)
    return value if isfinite(value) else None


@cached_if_short(16384)
def numbers(text: str, count: int | None = None) -> tuple[float, ...] | None:
    """Return all components of a text as numbers; None if any is not a number or there are not `count` of them."""
    values = [number(part) for part in text.split("\\")]
    if any(value is None for value in values) or (count is not None and len(values) != count):
        return None
    return tuple(value for value in values if value is not None)


def is_text_in_number(value: float) -> bool:
    """Return whether a 16-bit number looks like the bytes of a short text: 8240 is "0 "."""
    return (
        value.is_integer() and 0 <= value <= 65535 and bool(_TEXT_IN_NUMBER.fullmatch(int(value).to_bytes(2, "little")))
    )


def decode_all(value: bytes, path: TagPath) -> tuple[Meaning, ...]:
    """Return the meanings of a column's value: several if a nested element occurs several times in a file."""
    if not value.startswith(MULTIPLE):
        return (decode(value, path),)
    parts, position = [], 3
    while position < len(value):
        length = int.from_bytes(value[position : position + 4], "little")
        parts.append(decode(value[position + 4 : position + 4 + length], path))
        position += 4 + length
    return tuple(parts)


def has_items(text: str) -> bool:
    """Return whether `text`, the decoded value of a sequence, stands for a sequence that is present and not empty."""
    return text not in ("", "0 items")


def decode(value: bytes, path: TagPath) -> Meaning:
    """Decode a stored value, as `elements.value_key` wrote it, for the element at `path`."""
    vr, context, raw = value[:2].decode("latin-1"), value[2:3], value[3:]
    if vr == "UI":
        text = raw.rstrip(b"\0 ").decode("latin-1").strip()
        return Meaning(text=text, spelling=text, vr=vr, raw=raw[:32])
    if context == b"q":
        count = raw.decode("ascii")
        text = "1 item" if count == "1" else f"{count} items"
        return Meaning(text=text, spelling=text, vr="SQ", raw=b"")
    if context == PSEUDONYM:
        text = raw.decode("ascii")
        return Meaning(text=text, spelling=text, vr="implicit" if vr == "xs" else vr, raw=b"")
    if context == b"#":
        length, _, hashed = raw.decode("ascii").partition(":")
        text = f"{length} bytes" + (f", digest {hashed}" if hashed else ", not read")
        return Meaning(text=text, spelling=text, vr=vr, raw=b"")
    charset = b""
    if context == b"c":
        charset, _, raw = raw.partition(b"\n")
    written = vr
    if vr == "UN" and path.vr not in ("UN", "SQ"):
        vr = "xs" if path.vr == "US or SS" else path.vr.split(" or ")[0]
    if vr in ("DS", "IS"):
        return _decimal(raw, vr, written)
    if vr in _STRUCTS:
        return _binary(raw, vr, written, context)
    if vr == "AT":
        return _attribute_tag(raw, written, context)
    if vr in _BINARY:
        text = raw.hex(" ").upper() if len(raw) <= 32 else f"{len(raw)} bytes, digest {digest(raw)}"
        return Meaning(text=text, spelling=text, vr=written, raw=raw[:32])
    return _text(raw, vr, written, charset)


@cached_if_short(65536)
def shortest(text: str) -> str | None:
    """Return the shortest decimal exactly equal to a number's text; None if it is not a finite number."""
    if _WHOLE.fullmatch(text):
        return str(int(text))
    if len(text) > 400 or number(text) is None:
        return None
    value = Decimal(text)
    if not value:
        return "0"
    if not -20 <= value.adjusted() <= 20:
        sign, digits, exponent = value.as_tuple()
        assert isinstance(exponent, int)
        significant = "".join(map(str, digits)).rstrip("0").lstrip("0")
        mantissa = significant[0] + ("." + significant[1:] if significant[1:] else "")
        return f"{'-' if sign else ''}{mantissa}E{value.adjusted():+d}"
    plain = format(value, "f")
    return plain.rstrip("0").rstrip(".") if "." in plain else plain


def _decimal(raw: bytes, vr: str, written: str) -> Meaning:
    parts = [part.strip(" \0") for part in raw.decode("latin-1").split("\\")]
    spelling = "\\".join(parts)
    texts, flag = [], ""
    for part in parts:
        short = shortest(part)
        if short is None and part:
            flag = flag or NOT_A_NUMBER
        elif vr == "IS" and short and not _WHOLE.fullmatch(part):
            flag = flag or FRACTION
        texts.append(part if short is None else short)
    return Meaning(text="\\".join(texts), spelling=spelling, vr=written, raw=raw[:32], flag=flag)


def _binary(raw: bytes, vr: str, written: str, context: bytes) -> Meaning:
    code = _STRUCTS[vr]
    size = struct.calcsize("=" + code)
    shown = "implicit" if written == "xs" else written
    if len(raw) % size:
        return Meaning(
            text=raw.hex(" ").upper(), spelling=raw.hex(" ").upper(), vr=shown, raw=raw[:32], flag=WRONG_LENGTH
        )
    order = ">" if context in (b">", b"S", b"U") else "<"
    count = len(raw) // size
    stored = struct.unpack(f"{order}{count}{code}", raw)
    if code in "fd":
        parts = [_float_text(value, code) for value in stored]
        flag = "" if all(isfinite(value) for value in stored) else NOT_A_NUMBER
        text = "\\".join(parts)
        return Meaning(text=text, spelling=text, vr=shown, raw=raw[:32], flag=flag)
    spelling = "\\".join(map(str, stored))
    if context in (b"s", b"S", b"u", b"U"):
        flag = TEXT_IN_NUMBER if len(raw) == 2 and _TEXT_IN_NUMBER.fullmatch(raw) else ""
        meant = struct.unpack(f"{order}{count}{'h' if context in (b's', b'S') else 'H'}", raw)
        return Meaning(text="\\".join(map(str, meant)), spelling=spelling, vr=shown, raw=raw[:32], flag=flag)
    return Meaning(text=spelling, spelling=spelling, vr=shown, raw=raw[:32])


def _float_text(value: float, code: str) -> str:
    if not isfinite(value):
        return str(value)
    text = str(np.float32(value)) if code == "f" else repr(value)
    return shortest(text) or text


def _attribute_tag(raw: bytes, written: str, context: bytes) -> Meaning:
    if len(raw) % 4:
        return Meaning(
            text=raw.hex(" ").upper(), spelling=raw.hex(" ").upper(), vr=written, raw=raw[:32], flag=WRONG_LENGTH
        )
    halves = struct.unpack(f"{'>' if context == b'>' else '<'}{len(raw) // 2}H", raw)
    text = "\\".join(f"({group:04X},{number:04X})" for group, number in zip(halves[::2], halves[1::2], strict=True))
    return Meaning(text=text, spelling=text, vr=written, raw=raw[:32])


@lru_cache(maxsize=1024)
def _encodings(charset: bytes) -> tuple[str, ...]:
    """Return Python's names of the character sets; empty if they are invalid."""
    from pydicom.charset import convert_encodings

    with silence():
        try:
            return tuple(convert_encodings([part.strip() for part in charset.decode("latin-1").split("\\")]))
        except (LookupError, ValueError):
            return ()


def _text(raw: bytes, vr: str, written: str, charset: bytes) -> Meaning:
    flag = ""
    if raw.isascii() and b"\x1b" not in raw:
        text = raw.decode("ascii")
    elif vr not in _CHARSET or not charset or not _encodings(charset):
        text = raw.decode("latin-1")
        flag = UNDECODABLE if vr in _CHARSET else ""
    else:
        from pydicom.charset import decode_bytes
        from pydicom.valuerep import PersonName

        encodings = _encodings(charset)
        delimiters = {0x0D, 0x0A, 0x09, 0x0C}
        multiple = vr not in _LONG_TEXT
        with recorded() as caught:
            parts = raw.split(b"\\") if multiple and len(encodings) == 1 and encodings[0] != "shift_jis" else [raw]
            try:
                if vr == "PN":
                    text = "\\".join(str(PersonName(part, list(encodings)).decode()) for part in parts)
                else:
                    text = "\\".join(decode_bytes(part, list(encodings), delimiters) for part in parts)
            except (LookupError, ValueError):
                text, flag = raw.decode("latin-1"), UNDECODABLE
        if caught or "\ufffd" in text:
            flag = UNDECODABLE
    text = text.rstrip(" \x00") if vr in _LONG_TEXT else "\\".join(part.strip(" \x00") for part in text.split("\\"))
    meant = text
    if vr == "PN" and text.endswith("="):  # trailing empty component groups are optional (PS3.5 section 6.2.1)
        meant = text.rstrip("=")
    return Meaning(text=meant, spelling=text, vr=written, raw=raw[:32], flag=flag)
