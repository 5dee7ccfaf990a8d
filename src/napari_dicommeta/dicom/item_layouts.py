"""Items that are built like earlier ones of their sequence, read in runs instead of element by element.

An enhanced image has an item for each frame, and nearly all of them hold the same elements with the same lengths. Of
those only the distinct values of each element are kept, as a catalog keeps them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import takewhile
from typing import TYPE_CHECKING, NamedTuple

from napari_dicommeta.dicom.element_kinds import is_creator, is_nested_context
from napari_dicommeta.dicom.stored_values import MAX_VALUE, value_key
from napari_dicommeta.dicom.varying_runs import VaryingRuns, places_of_spans, value_place

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_dicommeta.dicom.element import Element, ItemContext

__all__ = ["ItemLayouts", "ReadItem"]

MAX_LAYOUTS = 16
"""Of one sequence."""
MAX_MISSES = 32
"""After so many items that no layout fitted, layouts are made only for a sequence where more items had one."""
MAX_ROWS = 256


class ReadItem(NamedTuple):
    """An item that the loop has read: its bytes with its header, and what is in it."""

    raw: bytes
    start: int
    """In the file."""
    elements: Sequence[Element]
    spans: Sequence[tuple[int, int]]
    """The sequences and items that declare a length: (place of the length field, end)."""
    total: int
    """The number of elements, items and delimiters."""
    deciding: Sequence[int]
    """The places of lengths that decide how what follows is read, in the order of the file."""


@dataclass(slots=True, kw_only=True)
class _ItemLayout:
    """The layout of an item with its header, and the values of items that have it, item by item."""

    runs: VaryingRuns
    context: ItemContext
    count: int
    """Of elements and items."""
    slots: list[tuple[str, bytes]]
    """(path key, VR) of each value."""
    rows: list[list[bytes]] = field(default_factory=list)
    distinct: list[set[bytes]] = field(default_factory=list)

    def fold(self) -> None:
        """Keep only the distinct values of the rows."""
        if self.rows:
            self.distinct = self.distinct or [set() for _ in self.slots]
            for values, column in zip(self.distinct, zip(*self.rows, strict=True), strict=True):
                values.update(column)
            self.rows.clear()


@dataclass(slots=True)
class _OfSequence:
    """The layouts of the items of one sequence, the most recent first."""

    layouts: list[_ItemLayout] = field(default_factory=list)
    hits: int = 0
    misses: int = 0


class ItemLayouts:
    """The layouts of the items of one data set, by the path of their sequence."""

    def __init__(self) -> None:
        self._sequences: dict[str, _OfSequence] = {}

    def step(self, path: str, context: ItemContext, buffer: bytes, index: int, end: int, most: int) -> tuple[int, int]:
        """Return the size of the item at `index` and its number of elements and items; (0, 0) if no layout fits.

        The item must end at or before `end`, and hold at most `most` elements and items.
        """
        known = self._sequences.get(path)
        if known is None:
            return 0, 0
        for i, layout in enumerate(known.layouts):
            if layout.count > most:
                continue
            if layout.context == context and (matched := layout.runs.match(buffer, index)) and matched.end <= end:
                layout.rows.append(matched.values)
                if len(layout.rows) >= MAX_ROWS:
                    layout.fold()
                if i:
                    known.layouts.insert(0, known.layouts.pop(i))
                known.hits += 1
                return matched.end - index, layout.count
        return 0, 0

    def learn(self, path: str, context: ItemContext, item: ReadItem) -> None:
        """Let a layout fit an item that the loop has read; make one from the second item on."""
        known = self._sequences.setdefault(path, _OfSequence())
        known.misses += 1
        if known.misses == 1 or (known.misses > MAX_MISSES and known.hits < known.misses):
            return
        if any(layout.runs.soften(item.raw) for layout in known.layouts) or len(known.layouts) == MAX_LAYOUTS:
            return
        slots: list[tuple[str, bytes]] = []
        places = places_of_spans(item.spans, "little", item.start)
        for element in item.elements:
            if is_nested_context(element.key) or element.length > MAX_VALUE:
                return
            if element.value[2:3] != b"q" and not is_creator(element.key):
                places.append(value_place(item.raw, element, MAX_VALUE, "little", item.start))
                slots.append((element.key, element.vr))
        within = takewhile(lambda place: place >= item.start, reversed(item.deciding))
        fixed = frozenset(place - item.start for place in within)
        runs = VaryingRuns.of(item.raw, len(item.raw), places, fixed)
        if runs is not None:
            known.layouts.insert(0, _ItemLayout(runs=runs, context=context, count=item.total, slots=slots))

    def distinct_values(self, signed: bool) -> dict[str, set[bytes]]:
        """Return the distinct stored values in the items that were stepped over, by path key.

        `signed`: whether the data set's *Pixel Representation* says signed.
        """
        found: dict[str, set[bytes]] = {}
        for known in self._sequences.values():
            for layout in known.layouts:
                layout.fold()
                context = layout.context
                sign = signed if context.signed is None else context.signed
                for (key, vr), raws in zip(layout.slots, layout.distinct or [set()] * len(layout.slots), strict=True):
                    stored = {value_key(key, vr, raw, context.charset, sign, True) for raw in raws}
                    found.setdefault(key, set()).update(stored)
        return found
