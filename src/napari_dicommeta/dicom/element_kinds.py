"""What the first bytes of an element say of it, looked up once for all files: `kinds_of`.

Most elements are plain: a VR that is stated or in the dictionary, and a value that means the same
whatever surrounds it. Their kind is all that the reader needs besides the length.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

from napari_dicommeta.dicom.stored_values import AMBIGUOUS_VR, CHARSET_VR, LONG_VR, SHORT_VR, SIGNED_BY_PIXELS, US_OR_SS
from napari_dicommeta.dicom.tags import dictionary_vr, escape_creator

__all__ = ["Kind", "Kinds", "Private", "implicit_vr", "is_creator", "is_nested_context", "kinds_of", "private_name"]

MAX_KINDS = 65536
"""Files with that many different elements are hostile; then all kinds are looked up again."""
CHARSET, SIGN = 0x00080005, 0x00280103
_NESTED_CONTEXT = (f"/{CHARSET:08x}", f"/{SIGN:08x}")
PLAIN, AMBIGUOUS, CONTEXT = 0, 1, 2


class Kind(NamedTuple):
    """The kind of a plain element."""

    tag: int
    name: str
    """The last level of the element's path key."""
    vr: bytes
    prefix: bytes
    """The bytes that begin the stored value: the VR, and the context of a value without one."""
    role: int
    """`PLAIN`; `AMBIGUOUS`, US or SS as *Pixel Representation* says; `CONTEXT`, which other elements depend on."""
    is_long: bool
    """Whether the length has 32 bits, after 2 reserved bytes in explicit VR (PS3.5 section 7.1.2)."""
    is_text: bool
    """Whether the character set of the data set applies."""


class Kinds(dict[bytes, "Kind | Private | None"]):
    """Kinds by the first bytes of an element: tag and VR, or the tag alone in implicit VR.

    For a private element (PS3.5 section 7.8), the kinds by its creator. None where the element is not plain.
    """

    __slots__ = ("order",)

    def __init__(self, order: Literal["little", "big"]) -> None:
        self.order = order

    def __missing__(self, head: bytes) -> Kind | Private | None:
        _count_kind()
        group, number = int.from_bytes(head[:2], self.order), int.from_bytes(head[2:4], self.order)
        tag, is_private = group << 16 | number, group & 1 and number > 0xFF
        kind = self[head] = Private(tag, head[4:]) if is_private else _kind(tag, "", head[4:])
        return kind


class Private(dict[str, "Kind | None"]):
    """The kinds of a private element by its creator, "" where no element reserves its block."""

    __slots__ = ("block", "tag", "vr")

    def __init__(self, tag: int, vr: bytes) -> None:
        self.block, self.tag, self.vr = tag >> 8, tag, vr

    def __missing__(self, creator: str) -> Kind | None:
        _count_kind()
        kind = self[creator] = _kind(self.tag, creator, self.vr)
        return kind


def _kind(tag: int, creator: str, vr: bytes) -> Kind | None:
    group, number = tag >> 16, tag & 0xFFFF
    if group in (0, 2, 0xFFFE) or group >= 0x7FE0:  # the meta group, delimiters and pixel data
        return None
    name = private_name(tag, creator) if creator else f"{tag:08x}"
    if not vr:
        vr, is_long = implicit_vr(tag, creator), True
    elif vr in SHORT_VR or vr in LONG_VR:
        is_long = vr in LONG_VR
    else:
        return None
    is_signed = name in SIGNED_BY_PIXELS
    if vr == b"SQ" or (vr == b"UN" and (is_signed or implicit_vr(tag, creator) == b"SQ")):
        return None
    role = PLAIN
    if is_signed and vr in US_OR_SS:
        role = AMBIGUOUS
    elif tag in (CHARSET, SIGN) or (group & 1 and 0x10 <= number <= 0xFF):
        role = CONTEXT
    return Kind(tag=tag, name=name, vr=vr, prefix=vr + b".", role=role, is_long=is_long, is_text=vr in CHARSET_VR)


def private_name(tag: int, creator: str) -> str:
    """Return the last level of a private element's path key: without the block, which differs between files."""
    return f"{tag >> 16:04x}xx{tag & 0xFF:02x}:{escape_creator(creator)}"


def is_creator(key: str) -> bool:
    """Return whether a path key is that of a *Private Creator*, which names a block of elements (PS3.5 section 7.8)."""
    last = key.rpartition("/")[2]
    return len(last) == 8 and ":" not in last and int(last[:4], 16) & 1 == 1 and last[4:6] == "00" and last[6:] >= "10"


def is_nested_context(key: str) -> bool:
    """Return whether a path key is that of a character set or sign of an item, which other elements of it depend on."""
    return key.endswith(_NESTED_CONTEXT)


def implicit_vr(tag: int, creator: str) -> bytes:
    """Return the VR of an element whose file does not state it, by the dictionary (PS3.6, PS3.5 section 7.1.3)."""
    if tag >> 16 == 2:
        return b"UI" if tag == 0x00020010 else b"UN"
    if tag >> 16 & 1 and tag & 0xFFFF > 0xFF:
        text = dictionary_vr(tag & 0xFFFF00FF, creator) if creator else "UN"
    else:
        text = dictionary_vr(tag)
    if " or " in text:
        return AMBIGUOUS_VR if text == "US or SS" else b"OW"
    return text.encode()


_KINDS = {
    (explicit, little): Kinds("little" if little else "big") for explicit in (True, False) for little in (True, False)
}


_n_kinds = 0


def _count_kind() -> None:
    """Count the kinds of all tables, and forget them all where they are too many."""
    global _n_kinds
    _n_kinds += 1
    if _n_kinds > MAX_KINDS:
        _n_kinds = 0
        for kinds in _KINDS.values():
            kinds.clear()


def kinds_of(explicit: bool, little: bool) -> Kinds:
    """Return the kinds of elements in explicit or implicit VR, little or big endian."""
    return _KINDS[explicit, little]
