"""Layouts that a recorder knows, with what they have learnt: codes of the current table, and what a series shares."""

from __future__ import annotations

from dataclasses import dataclass, field
from operator import eq
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from napari_dicommeta.scanning.header_layout import Column, ExactLayout, HeaderLayout, Match
    from napari_dicommeta.scanning.value_codes import Bound, ValueTable

__all__ = ["KnownExact", "KnownLayout"]

MIN_SAME, MAX_SEEN = 3, 10_000
"""The headers of one kind of lengths after which they get an exact layout, and how many kinds are counted."""
MIN_STABLE = 0.5
"""The share of equal values in two headers from which it pays off to expect them in the next."""
MIN_HITS = 16
"""The headers that a layout of a series must fit on average, or no more are made."""


@dataclass(slots=True, kw_only=True, eq=False)
class KnownLayout:
    """A layout of any lengths."""

    layout: HeaderLayout
    _seen: dict[int, int] = field(default_factory=dict)

    def bound(self, table: ValueTable) -> Bound:
        """Return how values become rows of a table."""
        return table.bound(self, self.layout.columns, self.layout.constants)

    def comes_again(self, matched: Match, size: int) -> bool:
        """Count a header with its lengths, and return whether they have come often enough for an exact layout."""
        lengths = hash((size if self.layout.is_sized else 0, matched.lengths))
        self._seen[lengths] = count = self._seen.get(lengths, 0) + 1
        if len(self._seen) > MAX_SEEN:
            self._seen.clear()
        return count == MIN_SAME


@dataclass(slots=True, kw_only=True, eq=False)
class _OfSeries:
    """An exact layout in which the values that are equal in a whole series are bytes like those between values."""

    layout: ExactLayout
    columns: list[Column]
    """Those that differ, then those that do not."""
    stable: list[bytes]
    """The values of the latter."""


@dataclass(slots=True, kw_only=True)
class KnownExact:
    """A layout of fixed lengths, made from one of any lengths, and the layout of the series that is being read."""

    layout: ExactLayout
    known: KnownLayout
    _series: _OfSeries | None = None
    _last: tuple[bytes, ...] | None = None
    _made: int = 0
    _hits: int = 0

    def add(self, first: bytes, table: ValueTable, file: int, is_recent: bool) -> bool:
        """Add the row of a file that begins with `first`; return whether its header has this layout.

        `is_recent`: whether the header before had this layout, so that this one may be of the same series.
        """
        series = self._series if is_recent else None
        if series is not None and (values := series.layout.match(first)) is not None:
            table.bound(series, series.columns, self.known.layout.constants, series.stable).add(file, values)
            self._hits += 1
            self._last = None
            return True
        values = self.layout.match(first)
        if values is None:
            return False
        self.known.bound(table).add(file, values)
        if is_recent and self._last is not None and self._made * MIN_HITS <= self._hits + MIN_HITS:
            self._expect(self._last, values, first)
        self._last = values
        return True

    def _expect(self, before: tuple[bytes, ...], values: tuple[bytes, ...], first: bytes) -> None:
        """Expect in the next headers what two in a row share."""
        are_equal = list(map(eq, before, values))
        if sum(are_equal) < MIN_STABLE * len(values):
            return
        columns, stable = self.known.layout.columns, [n for n, is_equal in enumerate(are_equal) if is_equal]
        self._made += 1
        self._series = _OfSeries(
            layout=self.known.layout.exact(first, frozenset(stable)),
            columns=[
                *(column for column, is_equal in zip(columns, are_equal, strict=True) if not is_equal),
                *(columns[n] for n in stable),
            ],
            stable=[values[n] for n in stable],
        )
