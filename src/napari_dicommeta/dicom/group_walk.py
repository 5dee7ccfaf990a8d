"""Step through the items of functional groups in bytes: where each value lies and what the element means.

Items and sequences may have defined or undefined lengths, in implicit or explicit VR, little or big endian (PS3.5
section 7.5). Each length is compared with the remaining bytes. Whatever is unusual is left to pydicom.
"""

from __future__ import annotations

import struct
from typing import NamedTuple

import numpy as np

from napari_dicommeta.dicom.element_kinds import CHARSET, SIGN
from napari_dicommeta.dicom.elements import ITEM, ITEM_END, MAX_DEPTH, SEQUENCE_END, UNDEFINED
from napari_dicommeta.dicom.group_values import UNREAD, Spec, UnusualError, spec_of
from napari_dicommeta.dicom.stored_values import LONG_VR, SHORT_VR

__all__ = ["DEPTH", "Block", "EndOfBytesError", "GroupWalker", "Leaf", "structure_of"]

DEPTH = 3
"""How deep nested sequences are read. Deeper items do not describe the frame as a whole."""
MAX_KNOWN = 4
"""The most structures of a sequence of undefined length that are tried on the next frame."""
OVERRUN = "a value or item declares more bytes than are left"
_TAG_LENGTH = {True: struct.Struct("<HHL"), False: struct.Struct(">HHL")}
_ULONG = {True: struct.Struct("<L"), False: struct.Struct(">L")}


class EndOfBytesError(Exception):
    """The bytes end inside a value or an item; its argument is the number of bytes that are needed at least."""


class Leaf(NamedTuple):
    """A value in the bytes. `spec` is None if the value is not read; its bytes may differ between equal structures."""

    start: int
    length: int
    spec: Spec | None


class Layout(NamedTuple):
    """The structure of a sequence, which others may share."""

    content: bytes
    structure: np.ndarray
    """255 for each byte of the structure, 0 for those of values; uint8."""
    leaves: list[Leaf]
    """The values, from the start of the sequence."""


class Block(NamedTuple):
    """One element of an item, a functional group for instance, from its tag to its last byte."""

    tag: int
    creator: str
    start: int
    end: int
    layout: Layout | None = None
    """Where its values lie, if it had to be stepped through because its length is undefined."""


def structure_of(leaves: list[Leaf], begin: int, length: int) -> np.ndarray:
    """Return which of the `length` bytes from `begin` belong to no value, as a bool array."""
    structure = np.ones(length, bool)
    for start, size, _ in leaves:
        structure[start - begin : start - begin + size] = False
    return structure


class GroupWalker:
    """Step through `buffer`. Positions are bytes from its start."""

    def __init__(self, buffer: bytes, *, explicit: bool, little: bool) -> None:
        self.buffer, self.explicit, self.little = buffer, explicit, little
        self._tag_length, self._ulong = _TAG_LENGTH[little].unpack_from, _ULONG[little].unpack_from

    def head(self, position: int) -> tuple[int, bytes, int, int]:
        """Return (tag, VR, start, length) of the element, item or delimiter at `position`.

        The VR is b"" in implicit VR and for items; `length` may be `UNDEFINED`.

        Raises
        ------
        EndOfBytesError, UnusualError
            If the bytes end before the value, or the VR is unknown.
        """
        buffer = self.buffer
        if position + 8 > len(buffer):
            raise EndOfBytesError(position + 8)
        group, number, length = self._tag_length(buffer, position)
        tag = group << 16 | number
        if not self.explicit or group == 0xFFFE:
            return tag, b"", position + 8, length
        vr = buffer[position + 4 : position + 6]
        if vr in SHORT_VR:  # the length is the second half of the four bytes that were read
            return tag, vr, position + 8, length >> 16 if self.little else length & 0xFFFF
        if vr not in LONG_VR:
            raise UnusualError("an element without a known VR")
        if position + 12 > len(buffer):
            raise EndOfBytesError(position + 12)
        return tag, vr, position + 12, self._ulong(buffer, position + 8)[0]

    def items(self, start: int, length: int, count: int) -> list[list[Block]]:
        """Return the blocks of up to `count` items of the sequence whose value begins at `start`."""
        items: list[list[Block]] = []
        stop = None if length == UNDEFINED else start + length
        if stop is not None and stop > len(self.buffer):
            raise EndOfBytesError(stop)
        position = start
        recent: dict[Spec, list[Layout]] = {}
        while len(items) < count and position != stop:
            tag, _, position, size = self.head(position)
            if tag == SEQUENCE_END and stop is None and size == 0:
                break
            if tag != ITEM:
                raise UnusualError("a sequence holds something other than items")
            position, blocks = self._blocks(position, self._end(position, size, stop), recent)
            if stop is not None and position > stop:
                raise UnusualError(OVERRUN)
            items.append(blocks)
        return items

    def leaves(self, block: Block) -> list[Leaf]:
        """Return the values of a block in the order in which they are stored.

        Only the first items of nested sequences are read, and private elements alone in private sequences.
        """
        found: list[Leaf] = []
        tag, vr, start, length = self.head(block.start)
        self._element(spec_of(tag, vr, block.creator), start, length, block.end, DEPTH, found, False, 0)
        return found

    def after(self, tag: int, vr: bytes, start: int) -> int:
        """Return the position after the public sequence of undefined length whose value begins at `start`."""
        return self._element(spec_of(tag, vr), start, UNDEFINED, None, 0, None, False, 0)

    def _after(self, start: int, length: int, end: int | None) -> int:
        """Return the position after a value that must end before `end`."""
        stop = start + length
        if length == UNDEFINED or (end is not None and stop > end):
            raise UnusualError(OVERRUN)
        if stop > len(self.buffer):
            raise EndOfBytesError(stop)
        return stop

    def _end(self, start: int, size: int, stop: int | None) -> int | None:
        if size == UNDEFINED:
            return None
        end = start + size
        if stop is not None and end > stop:
            raise UnusualError(OVERRUN)
        if end > len(self.buffer):
            raise EndOfBytesError(end)
        return end

    def _blocks(self, position: int, end: int | None, recent: dict[Spec, list[Layout]]) -> tuple[int, list[Block]]:
        """Return (the position after an item, its blocks); `recent` are sequences without length."""
        blocks: list[Block] = []
        creators: dict[int, str] = {}
        last = -1
        while position != end:
            begin, layout = position, None
            tag, vr, start, length = self.head(position)
            if tag == ITEM_END and end is None and length == 0:
                return start, blocks
            if tag <= last or tag >> 16 == 0xFFFE:
                raise UnusualError("elements out of order")
            last = tag
            creator = creators.get(tag >> 8, "") if tag >> 16 & 1 else ""
            if length != UNDEFINED:
                position = self._after(start, length, end)
            else:
                known = recent.setdefault(spec_of(tag, vr, creator), [])
                layout = self._known(begin, known)
                if layout is None:
                    leaves: list[Leaf] = []
                    position = self._element(spec_of(tag, vr, creator), start, length, end, DEPTH, leaves, False, 0)
                    layout = self._layout(begin, position, leaves)
                    known.insert(0, layout)
                    del known[MAX_KNOWN:]
                position = begin + len(layout.content)
                if end is not None and position > end:
                    raise UnusualError(OVERRUN)
            if tag >> 16 & 1:
                self._reserve(creators, tag, start, position)
            blocks.append(Block(tag, creator, begin, position, layout))
        return position, blocks

    def _known(self, begin: int, known: list[Layout]) -> Layout | None:
        """Return the one of `known` that the sequence at `begin` has, None if it has another."""
        for layout in known:
            if self.buffer.startswith(layout.content, begin):  # the most frequent case, and the fastest
                return layout
        for layout in known:
            length = len(layout.content)
            if begin + length <= len(self.buffer):
                found = np.frombuffer(self.buffer, np.uint8, length, begin)
                expected = np.frombuffer(layout.content, np.uint8)
                if not ((found ^ expected) & layout.structure).any():
                    return layout
        return None

    def _layout(self, begin: int, end: int, leaves: list[Leaf]) -> Layout:
        structure = structure_of(leaves, begin, end - begin).astype(np.uint8) * np.uint8(255)
        return Layout(
            self.buffer[begin:end], structure, [Leaf(start - begin, length, spec) for start, length, spec in leaves]
        )

    def _reserve(self, creators: dict[int, str], tag: int, start: int, end: int) -> None:
        if 0x10 <= tag & 0xFFFF <= 0xFF:
            name = self.buffer[start:end].rstrip(b"\0 ").decode("latin-1").strip()[:64]
            creators[tag >> 16 << 8 | tag & 0xFF] = name

    def _element(
        self,
        spec: Spec,
        start: int,
        length: int,
        end: int | None,
        depth: int,
        found: list[Leaf] | None,
        in_private: bool,
        nested: int,
    ) -> int:
        """Add the values of an element to `found` and return the position after it; None only looks for that."""
        if length != UNDEFINED:
            stop = self._after(start, length, end)
            if found is None:
                return stop
            if not spec.is_sequence:
                self._leaf(spec, start, length, found, in_private)
                return stop
        elif not spec.is_sequence and not self._is_hidden(spec, start):
            raise UnusualError("a value of undefined length")
        if nested >= MAX_DEPTH:
            raise UnusualError("deeply nested sequences")
        if not depth or spec.keyword in UNREAD:
            if length != UNDEFINED:
                if found is not None and length:
                    found.append(Leaf(start, length, None))
                return start + length
            found = None
        return self._sequence(start, length, end, depth, found, in_private or spec.is_private, nested)

    def _leaf(self, spec: Spec, start: int, length: int, found: list[Leaf], in_private: bool) -> None:
        if spec.tag in (CHARSET, SIGN):
            raise UnusualError("an item has a character set or sign of its own")
        is_read = spec.keyword and (not in_private or spec.is_private)
        found.append(Leaf(start, length, spec if is_read else None))

    def _is_hidden(self, spec: Spec, start: int) -> bool:
        """Return whether an unknown private element of undefined length in implicit VR is a sequence."""
        return not self.explicit and spec.is_private and self.head(start)[0] in (ITEM, SEQUENCE_END)

    def _sequence(
        self, start: int, length: int, end: int | None, depth: int, found: list[Leaf] | None, private: bool, nested: int
    ) -> int:
        stop = None if length == UNDEFINED else start + length
        position, first = start, True
        while position != stop:
            tag, _, position, size = self.head(position)
            if tag == SEQUENCE_END and stop is None and size == 0:
                return position
            if tag != ITEM:
                raise UnusualError("a sequence holds something other than items")
            last = self._end(position, size, stop if stop is not None else end)
            if first or last is None:
                position = self._item(position, last, depth - 1, found if first else None, private, nested + 1)
            else:
                position = last
            if stop is not None and position > stop:
                raise UnusualError(OVERRUN)
            first = False
            if found is not None and stop is not None and position < stop:
                self._check_items(position, stop)
                found.append(Leaf(position, stop - position, None))
                return stop
        return position

    def _check_items(self, position: int, stop: int) -> None:
        """Check that items without interest fill their sequence."""
        while position != stop:
            tag, _, position, size = self.head(position)
            if tag != ITEM:
                raise UnusualError("a sequence holds something other than items")
            last = self._end(position, size, stop)
            position = self._item(position, None, 0, None, False, 1) if last is None else last
            if position > stop:
                raise UnusualError(OVERRUN)

    def _item(
        self, position: int, end: int | None, depth: int, found: list[Leaf] | None, private: bool, nested: int
    ) -> int:
        creators: dict[int, str] = {}
        previous = -1
        while position != end:
            tag, vr, start, length = self.head(position)
            if tag == ITEM_END and end is None and length == 0:
                return start
            if tag <= previous or tag >> 16 == 0xFFFE:
                raise UnusualError("elements out of order")
            previous = tag
            is_private = tag >> 16 & 1
            creator = creators.get(tag >> 8, "") if is_private else ""
            if found is None and length != UNDEFINED:
                position = self._after(start, length, end)
                continue
            if is_private and 0x10 <= tag & 0xFFFF <= 0xFF:  # part of the structure: it names other elements
                position = self._after(start, length, end)
                self._reserve(creators, tag, start, position)
                continue
            spec = spec_of(tag, vr, creator)
            if found is not None and not spec.is_sequence and length != UNDEFINED:
                position = self._after(start, length, end)
                self._leaf(spec, start, length, found, private)
                continue
            position = self._element(spec, start, length, end, depth, found, private, nested)
            if end is not None and position > end:
                raise UnusualError(OVERRUN)
        return position
