"""The stored value of an element as one bytes object, and the kinds of VR that decide its form (PS3.5 section 6.2)."""

from __future__ import annotations

from hashlib import sha1
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = [
    "BINARY_VR_BYTES",
    "CHARSET_VR",
    "LONG_VR",
    "MULTIPLE",
    "NUMBER_VR",
    "PSEUDONYM",
    "SHORT_VR",
    "SIGNED_BY_PIXELS",
    "WITHHELD",
    "depends_on_value",
    "digest",
    "is_ambiguous",
    "joined",
    "value_key",
]

MAX_CREATOR, MAX_CHARSET = 64, 256
MAX_TEXT, MAX_BINARY, MAX_VALUE = 16384, 1024, 1 << 20
"""Bytes. Longer text and binary values are kept as length and digest; any value over MAX_VALUE is not read."""

LONG_VR = frozenset(b"OB OD OF OL OV OW SQ SV UC UN UR UT UV".split())
SHORT_VR = frozenset(b"AE AS AT CS DA DS DT FD FL IS LO LT PN SH SL SS ST TM UI UL US".split())
BINARY_VR_BYTES = frozenset(b"OB OD OF OL OV OW UN".split())
NUMBER_VR = frozenset(b"AT FD FL SL SS SV UL US UV xs".split())
CHARSET_VR = frozenset(b"LO LT PN SH ST UC UT UN".split())
AMBIGUOUS_VR = b"xs"
"""Stands for the dictionary's "US or SS" where the file states no VR."""
US_OR_SS = (b"US", b"SS", AMBIGUOUS_VR)
MULTIPLE = b"&&."
"""The prefix of a nested column's value that holds several values of one file, each preceded by its length."""
PSEUDONYM = b"~"
"""The context of a value in whose place a catalog for others holds a pseudonym; see `value_key` for the contexts."""
WITHHELD = "withheld"
"""The first word of pseudonyms, and of the paths in a catalog for others after a parenthesis."""

# "US or SS" in the dictionary: the file's PixelRepresentation decides (PS3.3 C.7.6.3.1, PS3.5 A.1).
SIGNED_BY_PIXELS = frozenset(
    [
        "00189810",
        "00221452",
        "00280104",
        "00280105",
        "00280106",
        "00280107",
        "00280108",
        "00280109",
        "00280110",
        "00280111",
        "00280120",
        "00280121",
        "00281101",
        "00281102",
        "00281103",
        "00283002",
        "00283006",
        "00409211",
        "00409216",
        "00603004",
        "00603006",
    ]
)


def value_key(key: str, vr: bytes, raw: bytes, charset: bytes, signed: bool, little: bool) -> bytes:
    """Return the stored value as one bytes object: two bytes of VR, one byte of context, the value.

    The context is ``.`` (none), ``>`` (big endian numbers), ``s`` / ``u`` (US or SS under a signed or unsigned *Pixel
    Representation*; ``S`` / ``U`` in big endian), ``c`` (text in the character set named before the first newline),
    ``#`` (a long value, as its length and digest) or ``q`` (a sequence, as its number of items).
    """
    if is_ambiguous(key, vr, raw):
        context = b"s" if signed else b"u"
        return vr + (context if little else context.upper()) + raw
    if len(raw) > MAX_BINARY and (len(raw) > MAX_TEXT or vr in BINARY_VR_BYTES or vr in NUMBER_VR):
        return vr + b"#" + b"%d:" % len(raw) + digest(raw).encode()
    if not little and (vr in NUMBER_VR or vr in BINARY_VR_BYTES):
        return vr + b">" + raw
    if vr in CHARSET_VR and charset and (not raw.isascii() or b"\x1b" in raw):
        return vr + b"c" + charset.replace(b"\n", b" ") + b"\n" + raw
    return vr + b"." + raw


def depends_on_value(vr: bytes, charset: bytes) -> bool:
    """Return whether what `value_key` puts before a value of at most `MAX_BINARY` bytes depends on the value."""
    return vr == b"UN" or (vr in CHARSET_VR and bool(charset))


def is_ambiguous(key: str, vr: bytes, raw: bytes) -> bool:
    """Return whether *Pixel Representation* decides between US and SS; true also for a short value written as UN."""
    if key[-8:] not in SIGNED_BY_PIXELS or key[-9:-8] not in ("", "/"):  # the end of a creator may look like a tag
        return False
    return vr in US_OR_SS or (vr == b"UN" and len(raw) <= 6)


def joined(values: Iterable[bytes]) -> bytes:
    """Return the value of an element, or the distinct values of one that several items hold, as one."""
    distinct = sorted(set(values))
    if len(distinct) == 1:
        return distinct[0]
    return MULTIPLE + b"".join(len(item).to_bytes(4, "little") + item for item in distinct)


def digest(raw: bytes) -> str:
    """Return 16 hexadecimal digits that distinguish long values."""
    return sha1(raw, usedforsecurity=False).hexdigest()[:16]  # the fastest where processors have it
