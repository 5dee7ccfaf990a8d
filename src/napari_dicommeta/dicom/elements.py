"""Read the raw elements of a data set from bytes: the bounds-checked loop that `header` uses.

It reads implicit and explicit VR, little and big endian, and sequences of defined and undefined length (PS3.5
section 7). Each length is compared with the remaining bytes before anything is read. Nesting stops at 64 levels, and
no memory is allocated on the word of a file. Values stay bytes; `values` decodes them.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from napari_dicommeta.dicom.element import Element, Level, PixelLocation
from napari_dicommeta.dicom.element_kinds import (
    CHARSET,
    CONTEXT,
    PLAIN,
    SIGN,
    Private,
    implicit_vr,
    kinds_of,
    private_name,
)
from napari_dicommeta.dicom.item_layouts import ReadItem
from napari_dicommeta.dicom.stored_values import (
    BINARY_VR_BYTES,
    LONG_VR,
    MAX_BINARY,
    MAX_CHARSET,
    MAX_CREATOR,
    MAX_VALUE,
    SHORT_VR,
    is_ambiguous,
    value_key,
)
from napari_dicommeta.support.errors import CutError

if TYPE_CHECKING:
    from napari_dicommeta.dicom.file_buffer import FileBuffer
    from napari_dicommeta.dicom.item_layouts import ItemLayouts

__all__ = ["DataSetReader"]

MAX_DEPTH = 64
MAX_ELEMENTS = 500_000
"""The most elements and items read of one file; an enhanced image of ten thousand frames stays below."""
UNDEFINED = 0xFFFFFFFF

ITEM, ITEM_END, SEQUENCE_END = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD
PIXEL_DATA = (0x7FE00008, 0x7FE00009, 0x7FE00010)

_HEAD = {True: struct.Struct("<HH2sH"), False: struct.Struct(">HH2sH")}
_TAG_LENGTH = {True: struct.Struct("<HHL"), False: struct.Struct(">HHL")}
_ULONG = {True: struct.Struct("<L"), False: struct.Struct(">L")}


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
        self.spans: list[tuple[int, int]] = []
        """The sequences and items that declare a length: (place of the length field, end)."""
        self.deciding: list[int] = []
        """The places of lengths that may look like a VR, which decides how what follows is read."""
        self.items: ItemLayouts | None = None
        """If set, items like earlier ones are stepped over, and keep their distinct values there."""
        self._count, self._lost = 0, False
        self.overrun: tuple[str, int] | None = None
        """The first sequence or item that declares more bytes than are left; it ends with its parent."""
        self._ambiguous: list[tuple[Element, bytes, Level]] = []
        self._top: Level | None = None
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
        level = self._top = self._top or Level(
            is_sequence=False, end=window.size, prefix="", explicit=explicit, little=little
        )
        stack = [level]
        self.lost_in = None
        if not explicit:
            self.deciding.append(position + 4)
        try:
            while True:
                level = stack[-1]
                if level.end is not None and position >= level.end:
                    if len(stack) == 1:
                        break
                    if position > level.end:
                        self.note("an item or sequence declares fewer bytes than it holds", position)
                    self._leave(stack, position)
                    continue
                if not level.is_sequence:
                    after = self._plain(position, level, len(stack) == 1)
                    if after != position:
                        position = after
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
                    if self.items and tag == ITEM and level.is_sequence and level.little:
                        step = self._step(position, level)
                        if step:
                            position += step
                            continue
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
                level.count_items(whole=False)
            if len(stack) > 1:
                self.lost_in = self._top_start
            raise
        finally:
            self._settle(stack[0])
        if self.overrun and not self.pixels:
            raise CutError(*self.overrun)
        if self.overrun:
            self.note(*self.overrun)

    def _delimiter(self, tag: int, length: int, position: int, stack: list[Level]) -> None:
        level = stack[-1]
        if tag == ITEM and level.is_sequence:
            level.items += 1
            end = None if length == UNDEFINED else position + length
            limit = level.end if level.end is not None else self.window.size
            if end is not None and end > limit:
                self.overrun = self.overrun or ("an item declares more bytes than are left", position - 8)
                end = limit
            begin = (position - 8, len(self.elements), len(self.spans), self._count - 1)
            if end is not None:
                self.spans.append((position - 4, end))
            stack.append(
                Level(
                    is_sequence=False,
                    end=end,
                    prefix=level.prefix,
                    explicit=level.explicit,
                    little=level.little,
                    charset=level.charset,
                    signed=level.signed,
                    begin=begin,
                )
            )
        elif len(stack) > 1 and tag == (SEQUENCE_END if level.is_sequence else ITEM_END):
            if length:
                self.note("a delimiter has a length", position - 8)
            if level.end is not None:  # a layout would look for the end that it declares
                self.regular = False
            self._leave(stack, position)
        else:
            self.note("a delimiter or item is in the wrong place", position - 8)

    def _leave(self, stack: list[Level], position: int) -> None:
        level = stack.pop()
        level.count_items()
        if level.children and (twice := level.repeated()):
            *_, parent, tag = twice.key.split("/")
            shown = [f"({key[:4]},{key[4:8]})" for key in (tag, parent)]
            self.note(f"the element {shown[0]} is twice in an item of {shown[1]}", twice.start)
        start, n_elements, n_spans, count = level.begin
        base, buffer = self.window.base, self.window.buffer
        if self.items and start >= base and level.little and self.regular and not self.damage and not self.overrun:
            raw = buffer[start - base : position - base]
            if len(raw) == position - start:
                elements, spans = self.elements[n_elements:], self.spans[n_spans:]
                item = ReadItem(raw, start, elements, spans, self._count - count, self.deciding)
                self.items.learn(level.prefix, stack[-1].context, item)

    def _step(self, position: int, level: Level) -> int:
        """Return the size of the item at `position` of a sequence if it is built like an earlier one, else 0."""
        assert self.items is not None
        buffer, index = self.window.buffer, position - self.window.base
        end = len(buffer)
        if level.end is not None:
            end = min(end, level.end - self.window.base)
        size, count = self.items.step(level.prefix, level.context, buffer, index, end, MAX_ELEMENTS - self._count)
        if size:
            level.items += 1
            self._count += count - 1
        return size

    def _element(self, tag: int, position: int, length: int, stack: list[Level]) -> int:
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
        else:
            level.children.append(self.elements[-1])
        return start + length

    def _hides_items(self, tag: int, start: int, length: int, level: Level) -> bool:
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

    def _unknown_vr(self, tag: int, position: int, short: int, long: int, level: Level) -> tuple[int, int]:
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

    def _plain(self, position: int, level: Level, is_top: bool) -> int:
        """Read the plain elements of a level from `position`, as far as they are in the buffer; return where it ends.

        Whatever is not plain, or not as it should be, is left to `_element`, with the same checks as here.
        """
        window, little, creators, charset = self.window, level.little, level.creators, level.charset
        kinds = kinds_of(level.explicit, little)
        buffer, base = window.buffer, window.base
        at, end = position - base, len(buffer)
        if at < 0 or (is_top and (self._lost or self.overrun)):
            return position
        if level.end is not None and level.end - base < end:
            end = level.end - base
        known = self.known if is_top else 0
        width, order = 6 if level.explicit else 4, kinds.order
        elements, path = self.elements, level.prefix
        most = len(elements) + MAX_ELEMENTS - self._count
        n_before = len(elements)
        while at + 12 <= end and len(elements) < most:
            head = buffer[at : at + width]
            kind = kinds[head]
            if isinstance(kind, Private):
                kind = kind[creators.get(kind.block, "")]
            if kind is None:
                break
            tag, name, vr, prefix, role, is_long, is_text = kind
            if not is_long:
                start = at + 8
                stop = start + (
                    buffer[at + 6] | buffer[at + 7] << 8 if little else buffer[at + 7] | buffer[at + 6] << 8
                )
            elif width == 6:
                start = at + 12
                stop = start + int.from_bytes(buffer[at + 8 : start], order)
            else:
                start = at + 8
                stop = start + int.from_bytes(buffer[at + 4 : start], order)
            if stop > end or tag < known or stop - start > MAX_VALUE:
                break
            raw = buffer[start:stop]
            element = Element(key=path + name, vr=vr, start=base + start, length=stop - start, value=b"")
            elements.append(element)
            if role == PLAIN:
                is_short = stop - start <= MAX_BINARY and little
                if is_short and not (is_text and charset and (b"\x1b" in raw or not raw.isascii())):
                    element.value = prefix + raw
                else:
                    element.value = value_key(name, vr, raw, charset, False, little)
            elif role == CONTEXT:
                self._set_context(tag, raw, level)
                charset = level.charset
                element.value = value_key(name, vr, raw, charset, False, little)
            else:
                self._ambiguous.append((element, raw, level))
            at = stop
            if is_top:
                known = tag + 1
        self._count += len(elements) - n_before
        if is_top:
            self.known = known
        else:
            level.children += elements[n_before:]
        return base + at

    def _keep(self, tag: int, element: Element, raw: bytes, level: Level) -> None:
        self._set_context(tag, raw, level)
        if is_ambiguous(element.key, element.vr, raw):
            self._ambiguous.append((element, raw, level))
        else:
            element.value = value_key(element.key, element.vr, raw, level.charset, False, level.little)
        self.elements.append(element)

    def _set_context(self, tag: int, raw: bytes, level: Level) -> None:
        """Note what the meaning of other elements depends on: character set, sign, private creators."""
        if tag == CHARSET:
            level.charset = raw.rstrip(b"\0 ")[:MAX_CHARSET]
        elif tag == SIGN and raw:
            level.signed = raw[0 if level.little else -1] == 1
        elif tag >> 16 & 1 and 0x10 <= tag & 0xFFFF <= 0xFF:
            level.creators[tag >> 16 << 8 | tag & 0xFF] = raw[:MAX_CREATOR].rstrip(b"\0 ").decode("latin-1").strip()

    @property
    def repeated(self) -> dict[str, set[bytes]]:
        """The distinct values of the items that were stepped over, by path key."""
        return self.items.distinct_values(bool(self._top and self._top.signed)) if self.items else {}

    def _settle(self, top: Level) -> None:
        """Give US or SS elements the sign by the *Pixel Representation* of their item, or else of the data set."""
        for element, raw, level in self._ambiguous:
            signed = level.signed if level.signed is not None else bool(top.signed)
            element.value = value_key(element.key, element.vr, raw, b"", signed, level.little)

    def _enter(self, key: str, vr: bytes, start: int, length: int, end: int, stack: list[Level]) -> int:
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
        level.children.append(element)
        explicit, little = level.explicit, level.little
        if vr == b"UN":  # its items should be in implicit VR little endian (PS3.5 section 6.2.2); some files differ
            self.regular = self.regular and little  # one order of bytes per layout
            little = True
            self.deciding.append(start + 12)
            index = self.window.need(start, min(16, self.window.size - start))
            inner = self.window.buffer[index + 12 : index + 14]
            explicit = inner in SHORT_VR or inner in LONG_VR
        stop = None if length == UNDEFINED else start + length
        if stop is not None:
            self.spans.append((start - 4, stop))
        stack.append(
            Level(
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

    def _delimited(self, key: str, vr: bytes, start: int, level: Level) -> int:
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
        level.children.append(self.elements[-1])
        return start + len(raw) + 8

    def _pixel_data(self, tag: int, position: int, level: Level) -> int:
        """Record the place of the pixel data; return the position after it, or -1 if nothing follows."""
        window = self.window
        index = window.need(position, 8)
        length, start, vr = _TAG_LENGTH[level.little].unpack_from(window.buffer, index)[2], position + 8, b"OW"
        if level.explicit:
            vr, length = _HEAD[level.little].unpack_from(window.buffer, index)[2:]
            if vr in LONG_VR:
                length = _ULONG[level.little].unpack_from(window.buffer, window.need(position, 12) + 8)[0]
                start += 4
            else:
                self.regular = False
        self._passed(tag)
        if self.pixels and self.pixels.tag == tag:
            self.note("the pixel data is in the data set twice", position)
        if length == UNDEFINED:
            self.pixels = PixelLocation(tag, vr.decode("latin-1"), start, -1)
            return -1
        self.pixels = PixelLocation(tag, vr.decode("latin-1"), start, length)
        if start + length > window.size:
            raise CutError(f"the pixel data is cut off: {window.size - start} of {length} bytes are present", position)
        return start + length if start + length < window.size else -1

    def _name(self, tag: int, level: Level) -> str:
        creator = self._creator(tag, level)
        return private_name(tag, creator) if creator else f"{tag:08x}"

    def _implicit_vr(self, tag: int, level: Level) -> bytes:
        return implicit_vr(tag, self._creator(tag, level))

    def _creator(self, tag: int, level: Level) -> str:
        """Return the private creator of an element, "" for a public one and where none reserves the block."""
        return level.creators.get(tag >> 8, "") if tag >> 16 & 1 and tag & 0xFFFF > 0xFF else ""
