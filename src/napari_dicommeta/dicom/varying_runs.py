"""Bytes built alike: values at places that shift as lengths differ, read in runs and not element by element.

A stretch whose lengths have not differed so far is a run, read by two `struct` calls. Between runs come the values
whose lengths have differed, and the lengths of the sequences and items around them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, NamedTuple

from napari_dicommeta.dicom.byte_runs import Run, RunBuilder
from napari_dicommeta.dicom.stored_values import SHORT_VR

if TYPE_CHECKING:
    from collections.abc import Iterable

    from napari_dicommeta.dicom.element import Element

__all__ = ["Matched", "Place", "VaryingRuns", "places_of_spans", "value_place"]

VALUE, OPEN, CLOSE = 0, 1, 2
Order = Literal["little", "big"]


class Matched(NamedTuple):
    """Bytes that fit: their values, where they end, and the lengths that vary."""

    values: list[bytes]
    end: int
    lengths: tuple[int, ...]


class Place(NamedTuple):
    """Where something is whose length may vary: a value after its length, or the begin or end of a sequence or item."""

    start: int
    rank: int
    """The order of those at one place."""
    kind: int
    width: int = 0
    """The bytes of the length."""
    length: int = 0
    longest: int = 0
    """The longest value to accept."""
    order: Order = "little"
    field: int = 0
    """Of a sequence or item, the place of its length."""


def value_place(data: bytes, element: Element, longest: int, order: Order, base: int = 0) -> Place:
    """Return the place of the length and value of an element; `data` begins at byte `base` of the file.

    The length has 2 bytes, or 4 in implicit VR and after a long VR (PS3.5 section 7.1).
    """
    start = element.start - base
    is_short = data[start - 4 : start - 2] == element.vr and element.vr in SHORT_VR
    width = 2 if is_short else 4
    return Place(start - width, 1, VALUE, width, element.length, longest, order)


def places_of_spans(spans: Iterable[tuple[int, int]], order: Order, base: int = 0) -> list[Place]:
    """Return the places where sequences and items with a length begin and end."""
    places = []
    for start, end in spans:
        places.append(Place(start - base, 1, OPEN, 4, end - start - 4, 0, order, start))
        places.append(Place(end - base, 0, CLOSE, field=start))
    return places


class _Event(NamedTuple):
    before: bytes
    """The bytes since the event before: they are always equal."""
    kind: int
    width: int
    length: int
    longest: int
    order: Order
    partner: int
    """The number of the event that opened what this one closes."""


@dataclass(slots=True, kw_only=True)
class VaryingRuns:
    """Bytes with the same elements, sequences and items, and any lengths."""

    events: list[_Event] = field(default_factory=list)
    tail: bytes = b""
    """The bytes after the last event."""
    _fixed: set[int] = field(default_factory=set)
    """The values whose lengths must not differ."""
    _varying: set[int] = field(default_factory=set)
    """The events whose lengths have differed."""
    _steps: list[tuple[Run | None, int, int, int, Order]] = field(default_factory=list)
    """(run, kind of the event after it or -1, width of its length, longest value, order of the bytes of the length)"""

    @classmethod
    def of(cls, data: bytes, end: int, places: list[Place], fixed: frozenset[int] = frozenset()) -> VaryingRuns | None:
        """Return the runs of the first `end` bytes of `data`, None if `places` do not fit them.

        The lengths at `fixed` do not vary.
        """
        runs, position = cls(), 0
        opened: dict[int, int] = {}
        for number, place in enumerate(sorted(places, key=lambda place: place[:2])):
            if place.start < position:
                return None  # an element lies within another
            before, position = data[position : place.start], place.start + place.width
            if int.from_bytes(data[place.start : position], place.order) != place.length:
                return None
            if place.kind == VALUE:
                position += place.length
                if place.start in fixed:
                    runs._fixed.add(number)
            elif place.kind == OPEN:
                opened[place.field] = number
                if place.start in fixed:
                    return None  # the lengths of sequences and items follow those of values
            partner = opened[place.field] if place.kind == CLOSE else -1
            runs.events.append(
                _Event(before, place.kind, place.width, place.length, place.longest, place.order, partner)
            )
        runs.tail = data[position:end]
        runs._make_steps()
        return runs

    def match(self, data: bytes, position: int = 0) -> Matched | None:
        """Return the values of the bytes at `position`, None if they do not fit."""
        values: list[bytes] = []
        lengths: list[int] = []
        ends: list[int] = []
        available = len(data)
        for run, kind, width, longest, order in self._steps:
            if run is not None:
                gaps, skeleton, places = run
                if position + gaps.size > available or gaps.unpack_from(data, position) != skeleton:
                    return None
                values += places.unpack_from(data, position)
                position += gaps.size
            if kind == VALUE:
                length = int.from_bytes(data[position : position + width], order)
                if length > longest:
                    return None
                position += width
                values.append(data[position : position + length])
                lengths.append(length)
                position += length
            elif kind == OPEN:
                length = int.from_bytes(data[position : position + 4], order)
                position += 4
                ends.append(position + length)
            elif kind == CLOSE and ends.pop() != position:
                return None
        return None if position > available else Matched(values, position, tuple(lengths))

    def soften(self, data: bytes) -> bool:
        """Let the lengths vary in which `data` differs; return whether that makes it fit better."""
        position = 0
        differing = []
        for number, (before, kind, width, length, longest, order, _) in enumerate(self.events):
            if not data.startswith(before, position):
                return False
            position += len(before)
            if width:
                found = int.from_bytes(data[position : position + width], order)
                position += width
                if kind == VALUE:
                    if found != length:
                        if found > longest or number in self._fixed:
                            return False
                        differing.append(number)
                    position += found
        if not data.startswith(self.tail, position) or self._varying.issuperset(differing):
            return False
        self._varying.update(differing)
        self._make_steps()
        return True

    def places(self, data: bytes) -> tuple[tuple[tuple[int, int], ...], int]:
        """Return (start, length) of each value in `data`, which fits, and where the tail ends."""
        position = 0
        places = []
        for before, kind, width, _, _, order, _ in self.events:
            position += len(before) + width
            if kind == VALUE:
                length = int.from_bytes(data[position - width : position], order)
                places.append((position, length))
                position += length
        return tuple(places), position + len(self.tail)

    def _make_steps(self) -> None:
        """Make the steps from the events and those that vary."""
        flexible = set(self._varying)
        around: list[int] = []
        for number, event in enumerate(self.events):
            if event.kind == OPEN:
                around.append(number)
            elif event.kind == CLOSE:
                around.remove(event.partner)
            elif number in self._varying:
                flexible.update(around)
        self._steps, runs = [], RunBuilder()
        for number, (before, kind, width, length, longest, order, partner) in enumerate(self.events):
            runs.add_fixed(before)
            if (partner if kind == CLOSE else number) in flexible:
                self._steps.append((None if runs.is_empty else runs.take(), kind, width, longest, order))
                continue
            if width:
                runs.add_fixed(length.to_bytes(width, order))
            if kind == VALUE:
                runs.add_value(length)
        runs.add_fixed(self.tail)
        self._steps.append((None if runs.is_empty else runs.take(), -1, 0, 0, "little"))
