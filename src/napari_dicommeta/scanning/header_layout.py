"""Layouts: the places of the values in one kind of header, to read further headers of the kind without a loop.

Files of one series usually hold the same elements, with the same lengths, at the same offsets: only values differ. Two
`struct` calls then read a header (`ExactLayout`): one unpacks the bytes between the values, which must equal the
layout's, the other the values. Where lengths differ, `HeaderLayout` steps through a header in runs: stretches whose
lengths have not differed so far, read by two `struct` calls each, and between them the values whose lengths have, with
the lengths of the sequences and items around them.

A header that fits is one that the loop in `elements` reads in the same way.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, NamedTuple

from napari_dicommeta.dicom.byte_runs import Run, RunBuilder
from napari_dicommeta.dicom.element_kinds import is_creator
from napari_dicommeta.dicom.stored_values import CHARSET_VR, MAX_BINARY, MAX_CHARSET, MAX_VALUE, SHORT_VR

if TYPE_CHECKING:
    from napari_dicommeta.dicom.element import Element
    from napari_dicommeta.dicom.header import Header

__all__ = ["Column", "ExactLayout", "HeaderLayout", "Match", "layout_of"]

MAX_ELEMENTS = 8000
MAX_CODED_BYTES = 256
"""Values longer than this are not kept to look up their codes."""
UNDEFINED = 0xFFFFFFFF
VALUE, OPEN, CLOSE = 0, 1, 2
# The meaning of other values depends on these, so they are equal in all headers of a layout.
_CONTEXT = frozenset(("00020010", "00080005", "00280103", "00020002", "00080016"))
_NESTED_CONTEXT = ("/00080005", "/00280103")


_Order = Literal["little", "big"]


class Column(NamedTuple):
    """How the values of a column are stored."""

    key: str
    vr: bytes
    charset: bytes
    signed: bool
    little: bool
    is_long: bool
    """Whether only the digests of values are kept."""


class Match(NamedTuple):
    """A header that has a layout: its values, where it ends, and the lengths that vary."""

    values: list[bytes]
    end: int
    pixel_length: int
    """Bytes; -1 for encapsulated frames, 0 without pixel data."""
    lengths: tuple[int, ...]


class _Event(NamedTuple):
    """What comes next in a header: a value after its length, or the begin or end of a sequence or item."""

    before: bytes
    """The bytes since the event before: they are equal in all headers."""
    kind: int
    width: int
    """The bytes of the length."""
    length: int
    longest: int
    partner: int
    """The number of the event that opened what this one closes."""
    order: _Order


@dataclass(slots=True, kw_only=True)
class ExactLayout:
    """The layout of headers with the same lengths."""

    run: Run
    end: int
    pixel_length: int
    """Bytes; -1 for encapsulated frames, 0 without pixel data."""

    def match(self, first: bytes) -> tuple[bytes, ...] | None:
        """Return the values of a header, None if it has another layout."""
        gaps, skeleton, values = self.run
        if self.end > len(first) or gaps.unpack_from(first) != skeleton:
            return None
        return values.unpack_from(first)


@dataclass(slots=True, kw_only=True)
class HeaderLayout:
    """The layout of headers with the same elements, sequences and items, and any lengths."""

    header: Header
    columns: tuple[Column, ...]
    """In the order of the values."""
    constants: list[tuple[str, bytes]]
    """(key, stored value) of the elements that are equal in all headers of the layout."""
    events: list[_Event]
    tail: bytes
    """The bytes after the last event, with those of the pixel data's head without its length."""
    order: _Order
    """Of the bytes of the data set; the file meta group is little endian (PS3.10 section 7.1)."""
    varying: set[int] = field(default_factory=set)
    """The events whose lengths have differed."""
    steps: list[tuple[Run | None, int, int, int, _Order]] = field(default_factory=list)
    """(run, kind of the event after it or -1, width of its length, longest value, order of the bytes of the length)"""

    @property
    def is_sized(self) -> bool:
        """Whether the size of a file says where its header ends: not where the frames are encapsulated."""
        return self.header.pixels is None or self.header.pixels.length >= 0

    def exact(self, first: bytes, fixed: frozenset[int] = frozenset()) -> ExactLayout:
        """Return the layout of headers with the lengths of this one, which fits, and its values numbered `fixed`."""
        runs, position, number = RunBuilder(), 0, -1
        for before, kind, width, _, _, _, order in self.events:
            start = position + len(before) + width
            runs.add_fixed(first[position:start])
            position = start
            if kind == VALUE:
                length = int.from_bytes(first[start - width : start], order)
                position += length
                number += 1
                if number in fixed:
                    runs.add_fixed(first[start:position])
                else:
                    runs.add_value(length)
        end = position + len(self.tail) + self._length_width
        runs.add_fixed(first[position:end])
        run = runs.take()
        assert run is not None
        return ExactLayout(run=run, end=end, pixel_length=self._pixel_length(first, end))

    @property
    def _length_width(self) -> int:
        """The bytes of the pixel data's length, 0 without pixel data."""
        return 0 if self.header.pixels is None else 4

    def _pixel_length(self, first: bytes, end: int) -> int:
        if self.header.pixels is None:
            return 0
        length = int.from_bytes(first[end - 4 : end], self.order)
        return -1 if length == UNDEFINED else length

    def match(self, first: bytes, size: int) -> Match | None:
        """Return the values of a header of this layout in a file of `size` bytes, else None.

        The pixel data, or the header in a file without pixels, must end with the file.
        """
        position = 0
        values: list[bytes] = []
        lengths: list[int] = []
        ends: list[int] = []
        available = len(first)
        for run, kind, width, longest, order in self.steps:
            if run is not None:
                gaps, skeleton, places = run
                if position + gaps.size > available or gaps.unpack_from(first, position) != skeleton:
                    return None
                values += places.unpack_from(first, position)
                position += gaps.size
            if kind == VALUE:
                length = int.from_bytes(first[position : position + width], order)
                if length > longest:
                    return None
                position += width
                values.append(first[position : position + length])
                lengths.append(length)
                position += length
            elif kind == OPEN:
                length = int.from_bytes(first[position : position + 4], order)
                position += 4
                ends.append(position + length)
            elif kind == CLOSE and ends.pop() != position:
                return None
        end = position + self._length_width
        if end > available:
            return None
        pixel_length, pixels = self._pixel_length(first, end), self.header.pixels
        is_encapsulated = pixels is not None and pixels.length < 0
        if is_encapsulated != (pixel_length < 0) or (not is_encapsulated and end + pixel_length != size):
            return None
        return Match(values, end, pixel_length, tuple(lengths))

    def soften(self, first: bytes) -> bool:
        """Let the lengths vary in which a header differs; return whether that makes it fit better."""
        position, differing = 0, []
        for number, (before, kind, width, length, longest, _, order) in enumerate(self.events):
            if not first.startswith(before, position):
                return False
            position += len(before)
            if width:
                found = int.from_bytes(first[position : position + width], order)
                position += width
                if kind == VALUE:
                    if found != length:
                        if found > longest:
                            return False
                        differing.append(number)
                    position += found
        if not first.startswith(self.tail, position) or self.varying.issuperset(differing):
            return False
        self.varying.update(differing)
        self.make_steps()
        return True

    def make_steps(self) -> None:
        """Make the steps from the events and those that vary."""
        flexible = set(self.varying)
        around: list[int] = []
        for number, event in enumerate(self.events):
            if event.kind == OPEN:
                around.append(number)
            elif event.kind == CLOSE:
                around.remove(event.partner)
            elif number in self.varying:
                flexible.update(around)
        self.steps, runs = [], RunBuilder()
        for number, (before, kind, width, length, longest, partner, order) in enumerate(self.events):
            runs.add_fixed(before)
            if (partner if kind == CLOSE else number) in flexible:
                self.steps.append((runs.take(), kind, width, longest, order))
            elif kind in (VALUE, OPEN):
                runs.add_fixed(length.to_bytes(width, order))
            if kind == VALUE and number not in flexible:
                runs.add_value(length)
        runs.add_fixed(self.tail)
        self.steps.append((runs.take(), -1, 0, 0, self.order))


class _Place(NamedTuple):
    """Where an event is in the header from which a layout is made."""

    start: int
    order: int
    """Of events at the same place."""
    kind: int
    width: int = 0
    length: int = 0
    longest: int = 0
    is_meta: bool = False
    field: int = 0
    """Of a sequence or item, the place of its length."""


def layout_of(header: Header, first: bytes) -> HeaderLayout | None:
    """Return the layout of a header that the loop has read from `first`, None if other headers could not share it."""
    elements = header.elements
    by_key: dict[str, list[Element]] = {}
    for element in elements:
        by_key.setdefault(element.key, []).append(element)
    if len(elements) > MAX_ELEMENTS or header.end > len(first):
        return None
    for key, same in by_key.items():
        if (len(same) > 1 and "/" not in key) or key.endswith(_NESTED_CONTEXT):
            return None  # rare: an element twice, or items with their own character set or sign
    if any(element.start >= header.end or element.length > MAX_VALUE for element in elements):
        return None  # elements after the pixel data, and values that were not read
    declared = by_key.get("00080005", [])
    charset = first[declared[0].start : declared[0].start + declared[0].length] if declared else b""
    charset = charset.rstrip(b"\0 ")[:MAX_CHARSET]
    sign = by_key["00280103"][0].value[3:] if "00280103" in by_key else b""
    signed = (sign[:1] if header.little else sign[-1:]) == b"\x01"
    columns: list[Column] = []
    places: list[_Place] = []
    for start, end in header.spans:
        places.append(_Place(start, 1, OPEN, width=4, length=end - start - 4, field=start))
        places.append(_Place(end, 0, CLOSE, field=start))
    constants: list[tuple[str, bytes]] = []
    for key, same in by_key.items():
        element = same[0]
        is_sequence, is_repeated = element.value[2:3] == b"q", len(same) > 1 or key in header.repeated
        if is_sequence or is_repeated or key in _CONTEXT or is_creator(key):
            constants.append((key, header.joined(key, [item.value for item in same])))
            continue
        is_long, width = element.length > MAX_CODED_BYTES, _width(first, element)
        longest = MAX_VALUE if is_long else MAX_BINARY
        is_meta = key.startswith("0002")
        places.append(_Place(element.start - width, 1, VALUE, width, element.length, longest, is_meta))
        has_charset = element.vr in CHARSET_VR and not is_meta
        columns.append(
            Column(
                key=key,
                vr=element.vr,
                charset=charset if has_charset else b"",
                signed=signed,
                little=header.little or is_meta,
                is_long=is_long,
            )
        )
    layout = HeaderLayout(
        header=header,
        columns=tuple(columns),
        constants=constants,
        events=[],
        tail=b"",
        order="little" if header.little else "big",
    )
    return layout if _add_events(layout, places, first) else None


def _add_events(layout: HeaderLayout, places: list[_Place], first: bytes) -> bool:
    """Add the events at `places`; return whether they and the bytes between them make up the header."""
    places.sort(key=lambda place: place[:2])
    position = 0
    opened: dict[int, int] = {}
    for number, place in enumerate(places):
        if place.start < position:
            return False  # an element lies within another
        before, position = first[position : place.start], place.start + place.width
        order = "little" if place.is_meta else layout.order
        if int.from_bytes(first[place.start : position], order) != place.length:
            return False
        partner = -1
        if place.kind == VALUE:
            position += place.length
        elif place.kind == OPEN:
            opened[place.field] = number
        elif place.kind == CLOSE:
            partner = opened[place.field]
        layout.events.append(_Event(before, place.kind, place.width, place.length, place.longest, partner, order))
    layout.tail = first[position : layout.header.end - (4 if layout.header.pixels else 0)]
    layout.make_steps()
    return True


def _width(first: bytes, element: Element) -> int:
    """Return the size of the length field before an element's value: 2, or 4 in implicit VR and after a long VR."""
    explicit_short = first[element.start - 4 : element.start - 2] == element.vr and element.vr in SHORT_VR
    return 2 if explicit_short else 4
