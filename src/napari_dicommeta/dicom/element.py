"""What the loop in `elements` reads: an `Element`, the place of the pixels, and the `Level` it is in."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

__all__ = ["Element", "ItemContext", "Level", "PixelLocation"]


class ItemContext(NamedTuple):
    """What the elements of an item mean depends on this."""

    explicit: bool
    charset: bytes
    signed: bool | None


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


@dataclass(slots=True, kw_only=True)
class Level:
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
    """Private creators by group and block, the 24 bits of a tag above the last 8 (PS3.5 section 7.8.1)."""
    element: Element | None = None
    items: int = 0
    children: list[Element] = field(default_factory=list)
    """Of an item: its own elements."""
    begin: tuple[int, int, int, int] = (-1, 0, 0, 0)
    """Of an item: where it begins with its header, and the numbers of elements, spans and all before it."""

    @property
    def context(self) -> ItemContext:
        """What the elements of an item in this sequence depend on."""
        return ItemContext(self.explicit, self.charset, self.signed)

    def repeated(self) -> Element | None:
        """Return the first element of an item that is in it twice, None if none is; private ones are left out.

        A creator with two blocks may have the same element in both.
        """
        if len({element.key for element in self.children}) == len(self.children):
            return None
        seen: set[str] = set()
        for element in self.children:
            if element.key in seen and ":" not in element.key[len(self.prefix) :]:
                return element
            seen.add(element.key)
        return None

    def count_items(self, whole: bool = True) -> None:
        """Store the number of items in the sequence's element, with a + if the sequence is incomplete."""
        if self.element is not None:
            self.element.value = self.element.vr + b"q%d" % self.items + (b"" if whole else b"+")
