"""Read the raw elements of a data set from bytes: the bounds-checked loop that `header` uses.

It reads implicit and explicit VR, little and big endian, and sequences of defined and undefined length (PS3.5
section 7). Each length is compared with the remaining bytes before anything is read. Nesting stops at 64 levels, and
no memory is allocated on the word of a file. Values stay bytes; `values` decodes them.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import TYPE_CHECKING

from napari_dicommeta.dicom.tags import dictionary_vr, escape_creator
from napari_dicommeta.support.errors import CutError

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["DataSetReader", "Element", "FileBuffer", "PixelLocation", "value_key"]

REFILL = 65536
MAX_HEADER = 16 << 20
"""The most bytes read of one file; a header that needs more is partial."""
MAX_DEPTH = 64
MAX_ELEMENTS = 500_000
"""The most elements and items read of one file; an enhanced image of ten thousand frames stays below."""
MAX_CREATOR, MAX_CHARSET = 64, 256
MAX_TEXT, MAX_BINARY, MAX_VALUE = 16384, 1024, 1 << 20
"""Bytes. Longer text and binary values are kept as length and digest; any value over MAX_VALUE is not read."""

UNDEFINED = 0xFFFFFFFF
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

ITEM, ITEM_END, SEQUENCE_END = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD
PIXEL_DATA = (0x7FE00008, 0x7FE00009, 0x7FE00010)
CHARSET, SIGN = 0x00080005, 0x00280103

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

_HEAD = {True: struct.Struct("<HH2sH"), False: struct.Struct(">HH2sH")}
_TAG_LENGTH = {True: struct.Struct("<HHL"), False: struct.Struct(">HHL")}
_ULONG = {True: struct.Struct("<L"), False: struct.Struct(">L")}


@dataclass(slots=True, kw_only=True)
class Element:
    """One raw element: its path key, VR as stored, start and length of its value in the file, and the value's key."""

    key: str
    vr: bytes
    start: int
    length: int
    value: bytes


@dataclass(frozen=True, slots=True)
class PixelLocation:
    """The place of *Pixel Data* (7FE0,0010) or a float variant, in bytes from the start of the (inflated) file."""

    tag: int
    vr: str
    offset: int
    length: int
    """Bytes; -1 for encapsulated frames, which end at a delimiter (PS3.5 section A.4)."""


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


def is_ambiguous(key: str, vr: bytes, raw: bytes) -> bool:
    """Return whether *Pixel Representation* decides between US and SS; true also for a short value written as UN."""
    return key[-8:] in SIGNED_BY_PIXELS and (vr in US_OR_SS or (vr == b"UN" and len(raw) <= 6))


def digest(raw: bytes) -> str:
    """Return 16 hexadecimal digits that distinguish long values."""
    return blake2b(raw, digest_size=8).hexdigest()


class FileBuffer:
    """The bytes of one file by position, fetched when needed and never more than `MAX_HEADER`."""

    __slots__ = ("base", "buffer", "fetch", "fetched", "size")

    def __init__(self, fetch: Callable[[int, int], bytes], size: int, first: bytes) -> None:
        self.buffer, self.base, self.size = first, 0, size
        self.fetch, self.fetched = fetch, len(first)

    def need(self, position: int, count: int) -> int:
        """Make the buffer hold `count` bytes from `position`, and return the index of `position` in it.

        Raises
        ------
        CutError
            If the file ends before that, or the header exceeds `MAX_HEADER`.
        """
        index = position - self.base
        if index >= 0 and index + count <= len(self.buffer):
            return index
        if position + count > self.size:
            raise CutError(f"the file ends {position + count - self.size} bytes too early", position)
        count = max(count, min(REFILL, self.size - position))
        if self.fetched + count > MAX_HEADER:
            raise CutError(f"the header needs more than {MAX_HEADER >> 20} MiB", position)
        self.buffer, self.base = self.fetch(position, count), position
        self.fetched += count
        if len(self.buffer) < count:
            raise CutError("the file became shorter while it was read", position)
        return 0


@dataclass(slots=True, kw_only=True)
class _Level:
    """A data set, sequence or item being read: where it ends (None: at its delimiter) and its context."""

    is_sequence: bool
    end: int | None
    prefix: str
    explicit: bool
    little: bool
    charset: bytes = b""
    signed: bool | None = None
    """Whether *Pixel Representation* says signed; None until it is read."""
    creators: dict[int, str] = field(default_factory=dict)
    element: Element | None = None
    items: int = 0


def _count_items(level: _Level, whole: bool = True) -> None:
    """Store the number of items in a sequence's element, with a + if the sequence is incomplete."""
    if level.element is not None:
        level.element.value = level.element.vr + b"q%d" % level.items + (b"" if whole else b"+")


class DataSetReader:
    """A reader of one data set into `elements`; `damage` is the first fault that did not stop it."""

    def __init__(self, window: FileBuffer, elements: list[Element]) -> None:
        self.window, self.elements = window, elements
        self.pixels: PixelLocation | None = None
        self.damage, self.damage_offset = "", -1
        self.known = 0
        """Every tag below this one is known to be present or absent: the file was read completely up to here."""
        self.in_doubt = False
        """Whether elements read after `known` may be misplaced, so that missing ones cannot be called absent."""
        self.regular = True
        """Whether a file with the same bytes between its values would be read the same way."""
        self._count, self._lost = 0, False
        self.overrun: tuple[str, int] | None = None
        """The first sequence or item that declares more bytes than are left; it ends with its parent."""
        self._ambiguous: list[tuple[Element, bytes, _Level]] = []
        self._top: _Level | None = None
        self._top_start = 0
        self.lost_in: int | None = None
        """The start of the top-level sequence in which reading stopped; None if it stopped at the top level."""

    def note(self, reason: str, offset: int) -> None:
        """Record damage that did not stop the reading; only the first is kept."""
        if not self.damage:
            self.damage, self.damage_offset = reason, offset

    def read(self, position: int, explicit: bool, little: bool) -> None:
        """Read from `position` to the pixel data or the end of the file.

        `resume` calls it again to continue after damage; elements read then do not count as `known`.

        Raises
        ------
        CutError
            If neither the pixel data nor the end is reached.
        """
        window = self.window
        level = self._top = self._top or _Level(
            is_sequence=False, end=window.size, prefix="", explicit=explicit, little=little
        )
        stack = [level]
        self.lost_in = None
        try:
            while True:
                level = stack[-1]
                if level.end is not None and position >= level.end:
                    if len(stack) == 1:
                        break
                    if position > level.end:
                        self.note("an item or sequence declares fewer bytes than it holds", position)
                    self._leave(stack)
                    continue
                if position + 8 > window.size:
                    raise CutError(
                        "the file ends inside " + ("a sequence" if stack[1:] else "an element's header"), position
                    )
                self._count += 1
                if self._count > MAX_ELEMENTS:
                    raise CutError(f"the data set holds more than {MAX_ELEMENTS:,} elements and items", position)
                index = window.need(position, 8)
                group, number, length = _TAG_LENGTH[level.little].unpack_from(window.buffer, index)
                tag = group << 16 | number
                if group == 0xFFFE:
                    position += 8
                    self._delimiter(tag, length, position, stack)
                elif tag == 0 and self.pixels:
                    break  # zeros after the pixel data, as padding to a block
                elif level.is_sequence:
                    raise CutError("a sequence holds something other than items", position)
                elif tag in PIXEL_DATA and len(stack) == 1:
                    position = self._pixel_data(tag, position, level)
                    if position < 0:
                        break
                else:
                    position = self._element(tag, position, length, stack)
        except CutError:
            for level in stack:
                _count_items(level, whole=False)
            if len(stack) > 1:
                self.lost_in = self._top_start
            raise
        finally:
            self._settle(stack[0])
        if self.overrun and not self.pixels:
            raise CutError(*self.overrun)
        if self.overrun:
            self.note(*self.overrun)

    def _delimiter(self, tag: int, length: int, position: int, stack: list[_Level]) -> None:
        level = stack[-1]
        if tag == ITEM and level.is_sequence:
            level.items += 1
            end = None if length == UNDEFINED else position + length
            limit = level.end if level.end is not None else self.window.size
            if end is not None and end > limit:
                self.overrun = self.overrun or ("an item declares more bytes than are left", position - 8)
                end = limit
            stack.append(
                _Level(
                    is_sequence=False,
                    end=end,
                    prefix=level.prefix,
                    explicit=level.explicit,
                    little=level.little,
                    charset=level.charset,
                    signed=level.signed,
                )
            )
        elif len(stack) > 1 and tag == (SEQUENCE_END if level.is_sequence else ITEM_END):
            if length:
                self.note("a delimiter has a length", position - 8)
            self._leave(stack)
        else:
            self.note("a delimiter or item is in the wrong place", position - 8)

    def _leave(self, stack: list[_Level]) -> None:
        _count_items(stack.pop())

    def _element(self, tag: int, position: int, length: int, stack: list[_Level]) -> int:
        """Read the element at `position`, or enter it if it is a sequence, and return the next position."""
        window, level = self.window, stack[-1]
        start, vr = position + 8, b""
        if len(stack) == 1:
            self._top_start = position
        if level.explicit:
            index = window.need(position, 8)
            vr, short = _HEAD[level.little].unpack_from(window.buffer, index)[2:]
            if vr in LONG_VR:
                index = window.need(position, 12)
                length = _ULONG[level.little].unpack_from(window.buffer, index + 8)[0]
                start += 4
            elif vr in SHORT_VR:
                length = short
            else:
                self.note("an element has no known VR", position)
                if len(stack) == 1:
                    self.in_doubt = self._lost = True
                vr = b""
                start, length = self._unknown_vr(tag, position, short, length, level)
        if not vr:
            vr = self._implicit_vr(tag, level)
        if len(stack) == 1 and (tag < self.known or tag >> 16 == 2):
            self.regular = False
        key = level.prefix + self._name(tag, level)
        end = level.end if level.end is not None else window.size
        if vr == b"SQ" or length == UNDEFINED or (vr == b"UN" and self._hides_items(tag, start, length, level)):
            return self._enter(key, vr, start, length, end, stack)
        if start + length > end:
            raise CutError("a value declares more bytes than are left", position)
        if length > MAX_VALUE:
            self.elements.append(Element(key=key, vr=vr, start=start, length=length, value=vr + b"#%d:" % length))
        else:
            index = window.need(start, length)
            raw = window.buffer[index : index + length]
            self._keep(tag, Element(key=key, vr=vr, start=start, length=length, value=b""), raw, level)
        if len(stack) == 1:
            self._passed(tag)
        return start + length

    def _hides_items(self, tag: int, start: int, length: int, level: _Level) -> bool:
        """Return whether a UN value of known length is a sequence by the dictionary and by its first bytes."""
        if self._implicit_vr(tag, level) != b"SQ":
            return False
        self.regular = False
        if length < 8 or start + length > self.window.size:
            return False
        index = self.window.need(start, 8)
        mark = self.window.buffer[index : index + 4]
        return mark in (b"\xfe\xff\x00\xe0", b"\xfe\xff\xdd\xe0") or mark in (b"\xff\xfe\xe0\x00", b"\xff\xfe\xe0\xdd")

    @property
    def encoding(self) -> tuple[bool, bool]:
        """(explicit VR, little endian) of the top-level data set."""
        assert self._top is not None
        return self._top.explicit, self._top.little

    def resume(self, position: int) -> None:
        """Continue reading at `position`, after damage."""
        assert self._top is not None
        self._lost = True
        self.read(position, self._top.explicit, self._top.little)

    def _passed(self, tag: int) -> None:
        """Mark the tags up to `tag` as known, unless an earlier fault leaves that in doubt."""
        if self.overrun is None and not self._lost:
            self.known = max(self.known, tag + 1)

    def _unknown_vr(self, tag: int, position: int, short: int, long: int, level: _Level) -> tuple[int, int]:
        """Return (start, length) of a value with an unknown VR: the reading that a plausible element follows."""
        window = self.window
        readings = [(position + 8, short), (position + 8, long)]
        if position + 12 <= window.size:
            index = window.need(position, 12)
            readings.append((position + 12, _ULONG[level.little].unpack_from(window.buffer, index + 8)[0]))
        for start, length in readings:
            after = start + length
            if after == window.size:
                return start, length
            if length <= MAX_VALUE and after + 8 <= window.size:
                index = window.need(position, after + 8 - position)
                group, number, vr, _ = _HEAD[level.little].unpack_from(window.buffer, index + after - position)
                if group << 16 | number > tag and (vr in SHORT_VR or vr in LONG_VR):
                    return start, length
        return readings[0]

    def _keep(self, tag: int, element: Element, raw: bytes, level: _Level) -> None:
        if tag == CHARSET:
            level.charset = raw.rstrip(b"\0 ")[:MAX_CHARSET]
        elif tag == SIGN and raw:
            level.signed = raw[0 if level.little else -1] == 1
        elif tag >> 16 & 1 and 0x10 <= tag & 0xFFFF <= 0xFF:
            level.creators[tag & 0xFF] = raw[:MAX_CREATOR].rstrip(b"\0 ").decode("latin-1").strip()
        if is_ambiguous(element.key, element.vr, raw):
            self._ambiguous.append((element, raw, level))
        else:
            element.value = value_key(element.key, element.vr, raw, level.charset, False, level.little)
        self.elements.append(element)

    def _settle(self, top: _Level) -> None:
        """Give US or SS elements the sign by the *Pixel Representation* of their item, or else of the data set."""
        for element, raw, level in self._ambiguous:
            signed = level.signed if level.signed is not None else bool(top.signed)
            element.value = value_key(element.key, element.vr, raw, b"", signed, level.little)

    def _enter(self, key: str, vr: bytes, start: int, length: int, end: int, stack: list[_Level]) -> int:
        level = stack[-1]
        if vr not in (b"SQ", b"UN") and length == UNDEFINED:
            return self._delimited(key, vr, start, level)
        if length != UNDEFINED and start + length > end:
            self.overrun = self.overrun or ("a sequence declares more bytes than are left", start)
            length = end - start
        if len(stack) >= 2 * MAX_DEPTH:
            raise CutError(f"sequences are nested more than {MAX_DEPTH} deep", start)
        element = Element(key=key, vr=b"SQ", start=start, length=0, value=b"SQq0")
        self.elements.append(element)
        explicit, little = level.explicit, level.little
        if vr == b"UN":  # its items should be in implicit VR little endian (PS3.5 section 6.2.2); some files differ
            little = True
            index = self.window.need(start, min(16, self.window.size - start))
            inner = self.window.buffer[index + 12 : index + 14]
            explicit = inner in SHORT_VR or inner in LONG_VR
        stop = None if length == UNDEFINED else start + length
        stack.append(
            _Level(
                is_sequence=True,
                end=stop,
                prefix=key + "/",
                explicit=explicit,
                little=little,
                charset=level.charset,
                signed=level.signed,
                element=element,
            )
        )
        return start

    def _delimited(self, key: str, vr: bytes, start: int, level: _Level) -> int:
        """Read a value of undefined length that is not a sequence, up to its sequence delimiter."""
        self.regular = False
        count = min(MAX_VALUE, self.window.size - start)
        index = self.window.need(start, count)
        mark = b"\xfe\xff\xdd\xe0" if level.little else b"\xff\xfe\xe0\xdd"
        stop = self.window.buffer.find(mark, index, index + count)
        if stop < 0:
            raise CutError("a value of undefined length has no delimiter", start)
        if vr not in BINARY_VR_BYTES:
            self.note("a value of undefined length that is neither a sequence nor encapsulated", start)
        raw = self.window.buffer[index:stop]
        value = value_key(key, vr, raw, level.charset, bool(level.signed), level.little)
        self.elements.append(Element(key=key, vr=vr, start=start, length=len(raw), value=value))
        return start + len(raw) + 8

    def _pixel_data(self, tag: int, position: int, level: _Level) -> int:
        """Record the place of the pixel data; return the position after it, or -1 if nothing follows."""
        window = self.window
        index = window.need(position, 8)
        length, start, vr = _TAG_LENGTH[level.little].unpack_from(window.buffer, index)[2], position + 8, b"OW"
        if level.explicit:
            vr, length = _HEAD[level.little].unpack_from(window.buffer, index)[2:]
            if vr in LONG_VR:
                length = _ULONG[level.little].unpack_from(window.buffer, window.need(position, 12) + 8)[0]
                start += 4
        self._passed(tag)
        if length == UNDEFINED:
            self.pixels = PixelLocation(tag, vr.decode("latin-1"), start, -1)
            return -1
        self.pixels = PixelLocation(tag, vr.decode("latin-1"), start, length)
        if start + length > window.size:
            raise CutError(f"the pixel data is cut off: {window.size - start} of {length} bytes are present", position)
        return start + length if start + length < window.size else -1

    def _name(self, tag: int, level: _Level) -> str:
        group, number = tag >> 16, tag & 0xFFFF
        if group & 1 and number > 0xFF and (creator := level.creators.get(number >> 8)):
            return f"{group:04x}xx{number & 0xFF:02x}:{escape_creator(creator)}"
        return f"{tag:08x}"

    def _implicit_vr(self, tag: int, level: _Level) -> bytes:
        if tag >> 16 == 2:
            return b"UI" if tag == 0x00020010 else b"UN"
        number = tag & 0xFFFF
        if tag >> 16 & 1 and number > 0xFF:
            creator = level.creators.get(number >> 8, "")
            text = dictionary_vr(tag & 0xFFFF00FF, creator) if creator else "UN"
        else:
            text = dictionary_vr(tag)
        if " or " in text:
            return AMBIGUOUS_VR if text == "US or SS" else b"OW"
        return text.encode()
