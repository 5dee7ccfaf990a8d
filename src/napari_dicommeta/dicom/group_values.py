"""Decode the values of functional groups to the texts that pydicom's values have.

Plain values are decoded here. The few others, such as text beyond ASCII or numbers that are none, are given to pydicom
one by one. Private elements are decoded as those of a catalog, by `values.decode`.
"""

from __future__ import annotations

import logging
import struct
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from napari_dicommeta.dicom.dictionary import keyword_of
from napari_dicommeta.dicom.stored_values import SIGNED_BY_PIXELS, value_key
from napari_dicommeta.dicom.tags import TagPath, dictionary_vr
from napari_dicommeta.dicom.values import decode, shortest
from napari_dicommeta.support.log import log_fault
from napari_dicommeta.support.one_thread_warnings import silence

__all__ = ["RENAMED", "Spec", "TextDecoder", "UnusualError", "joined_text", "private_text", "spec_of"]

RENAMED = {"EffectiveEchoTime": "EchoTime", "TemporalPositionIndex": "TemporalPositionIdentifier"}
"""Keywords of enhanced images -> those of single-frame images with the same meaning."""
NUMBERS = ("DS", "IS", "FD", "FL")
UNREAD = ("ReferencedImageSequence", "SourceImageSequence")
"""Sequences that describe other images than the frame."""

_STRUCTS = {b"US": "H", b"SS": "h", b"UL": "L", b"SL": "l", b"UV": "Q", b"SV": "q", b"FL": "f", b"FD": "d"}
_STRINGS = frozenset((b"AE", b"AS", b"CS", b"DA", b"DT", b"LO", b"SH", b"TM", b"UC", b"UI"))
_LONG_TEXTS = frozenset((b"LT", b"ST", b"UR", b"UT"))
_BYTES = frozenset((b"OB", b"OD", b"OF", b"OL", b"OV", b"OW"))
MAX_PLAIN = 1024
MAX_WHOLE = 12
"""The most characters of an integer string (PS3.5 section 6.2)."""


class UnusualError(Exception):
    """A structure that only pydicom reads; the text says which."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Spec:
    """An element's meaning: its VR and the keyword of its texts, "" if it has none."""

    tag: int
    vr: bytes
    keyword: str
    is_sequence: bool = False
    creator: str = ""
    """The private creator of an element with an odd group."""

    is_private: bool = False
    """Whether the group is odd (PS3.5 section 7.8)."""


@lru_cache(maxsize=16384)
def spec_of(tag: int, vr: bytes, creator: str = "") -> Spec:
    """Return the meaning of an element with `vr` in the file, b"" in implicit VR.

    Raises
    ------
    UnusualError
        If its VR depends on other elements.
    """
    known = (dictionary_vr(tag & 0xFFFF00FF, creator) if creator else dictionary_vr(tag)).encode()
    if tag >> 16 & 1:
        path = TagPath(((tag & 0xFFFF00FF if creator else tag, creator),))
        is_sequence = (vr or known) == b"SQ"
        is_creator = 0x10 <= tag & 0xFFFF <= 0xFF
        name = "" if is_sequence or is_creator or known == b"SQ" else path.text
        return Spec(tag=tag, vr=vr or known, keyword=name, is_sequence=is_sequence, creator=creator, is_private=True)
    keyword = keyword_of(tag)
    if vr == b"UN" and (known == b"SQ" or b" or " in known):
        raise UnusualError("an element of unknown VR that the dictionary knows")
    vr = vr or known
    if b" or " in vr and (vr != b"US or SS" or f"{tag:08x}" not in SIGNED_BY_PIXELS):
        raise UnusualError("a VR that depends on other elements")
    return Spec(tag=tag, vr=vr, keyword=RENAMED.get(keyword, keyword), is_sequence=vr == b"SQ")


def joined_text(value: Any, vr: str) -> str:
    """Return the text of a value as pydicom gives it, components joined by backslashes.

    Numbers of `vr` DS, IS, FD and FL are written as the shortest decimal of the same value.
    """
    text = _text(value)
    return "\\".join(shortest(part) or part for part in text.split("\\")) if vr in NUMBERS else text


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, (list, tuple)) or type(value).__name__ == "MultiValue":
        return "\\".join(_text(component) for component in value)
    return repr(value) if type(value) is float else str(value).strip()


def _plain_text(vr: bytes, raw: bytes) -> str | None:
    """Return the text of numbers or ASCII text as `values.decode` would, only faster; None for anything else."""
    if vr in (b"DS", b"IS"):
        return _decimals(raw, vr == b"IS")
    if vr in _STRINGS and raw.isascii() and b"\x1b" not in raw:
        return "\\".join([part.strip(" \0") for part in raw.decode("ascii").split("\\")])
    return None


@lru_cache(maxsize=4096)
def _private_path(spec: Spec) -> tuple[TagPath, str]:
    path = TagPath(((spec.tag & 0xFFFF00FF if spec.creator else spec.tag, spec.creator),))
    return path, path.key


def private_text(spec: Spec, raw: bytes, charset: bytes, little: bool) -> str:
    """Return the text of a private element as in a catalog."""
    if len(raw) <= MAX_PLAIN and (text := _plain_text(spec.vr, raw)) is not None:
        return text
    path, key = _private_path(spec)
    vr = b"OW" if b" or " in spec.vr else spec.vr
    return decode(value_key(key, vr, raw, charset, False, little), path).text


class TextDecoder:
    """Decode the values of one file, each distinct value of an element once."""

    def __init__(self, *, explicit: bool, little: bool, charset: bytes, signed: bool) -> None:
        self.explicit, self.little, self.charset = explicit, little, charset
        self._order = "<" if little else ">"
        self.signed = signed
        """Whether *Pixel Representation* says so, which decides between US and SS in implicit VR."""
        self._known: dict[Spec, dict[bytes, str | None]] = {}

    @property
    def _sign(self) -> bytes:
        return b"SS" if self.signed else b"US"

    def text(self, spec: Spec, raw: bytes) -> str | None:
        """Return the text of the bytes `raw`, None if pydicom cannot read them."""
        known = self._known.get(spec)
        if known is None:
            known = self._known[spec] = {}
        if raw in known:
            return known[raw]
        text = known[raw] = self._decode(spec, raw)
        return text

    def texts(self, spec: Spec, values: list[bytes]) -> list[str | None]:
        """Return the text of each of `values`."""
        known = self._known.setdefault(spec, {})
        for raw in set(values).difference(known):
            known[raw] = self._decode(spec, raw)
        return [known[raw] for raw in values]

    def _decode(self, spec: Spec, raw: bytes) -> str | None:
        if spec.is_private:
            return private_text(spec, raw, self.charset, self.little)
        vr = spec.vr
        if not raw:
            return ""
        text: str | None = None
        if vr in (b"DS", b"IS"):
            text = _decimals(raw, vr == b"IS")
        elif vr in _STRUCTS or vr == b"US or SS":
            text = self._binary(spec, raw)
        elif raw.isascii() and b"\x1b" not in raw:
            if vr in _STRINGS:
                stripped = raw.decode("ascii") if vr == b"AE" else raw.rstrip(b" \0").decode("ascii")
                if vr in (b"LO", b"SH", b"UC"):
                    text = "\\".join(part.rstrip("\0 ").strip() for part in stripped.split("\\"))
                else:
                    text = "\\".join(part.strip() for part in stripped.split("\\"))
            elif vr in _LONG_TEXTS:
                text = raw.decode("ascii").rstrip("\0 " if vr != b"UR" else None).strip()
        if text is None and vr in _BYTES:
            text = str(raw)
        return self._by_pydicom(spec, raw) if text is None else text

    def _binary(self, spec: Spec, raw: bytes) -> str | None:
        vr = spec.vr
        if vr == b"US or SS":
            vr = self._sign
        elif vr == b"SS" and f"{spec.tag:08x}" in SIGNED_BY_PIXELS:
            return None  # pydicom corrects some LUT descriptors
        code = _STRUCTS[vr]
        size = struct.calcsize("=" + code)
        if len(raw) % size:
            return None
        numbers = struct.unpack(f"{self._order}{len(raw) // size}{code}", raw)
        if code in "fd":
            return "\\".join(shortest(text := repr(number)) or text for number in numbers)
        return "\\".join(map(str, numbers))

    def _by_pydicom(self, spec: Spec, raw: bytes) -> str | None:
        from pydicom.charset import convert_encodings
        from pydicom.dataelem import RawDataElement, convert_raw_data_element
        from pydicom.tag import Tag

        vr = self._sign if spec.vr == b"US or SS" else spec.vr
        element = RawDataElement(
            Tag(spec.tag), vr.decode("latin-1"), len(raw), raw, 0, not self.explicit, self.little, True
        )
        with silence():
            try:
                names = [part.strip() for part in self.charset.decode("latin-1").split("\\")]
                encodings = convert_encodings(names if len(names) > 1 else names[0])
                converted = convert_raw_data_element(element, encoding=encodings, ds=None)
                return joined_text(converted.value, str(converted.VR))
            except Exception as error:  # noqa: BLE001  keep the other elements
                log_fault("reading an element of a functional group", error, logging.DEBUG)
                return None


def _decimals(raw: bytes, whole: bool) -> str | None:
    """Return the shortest decimals of the numbers in `raw`, None if one is none."""
    text = raw.decode("latin-1").strip().rstrip(" \0")
    if not text or "\0" in text:
        return None
    texts = []
    for part in text.split("\\"):
        part = part.strip()
        short = shortest(part)
        if short is None or (whole and not (part.lstrip("+-").isdigit() and len(part) <= MAX_WHOLE)):
            return None
        texts.append(short)
    return "\\".join(texts)
