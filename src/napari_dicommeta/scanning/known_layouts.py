"""Layouts that a recorder knows, with what they have learnt: codes of the current table, and what a series shares."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import compress
from operator import ne
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from array import array
    from collections.abc import Sequence

    from napari_dicommeta.dicom.byte_runs import Run
    from napari_dicommeta.scanning.header_layout import ExactLayout, HeaderLayout, Match
    from napari_dicommeta.scanning.value_codes import Bound, Codes, Rows, ValueTable

__all__ = ["KnownExact", "KnownLayout"]

MIN_SAME, MAX_SEEN = 3, 10_000
"""The headers of one kind of lengths after which they get an exact layout, and how many kinds are counted."""
MAX_ALIKE = 64
"""The headers that are compared with what their series shares before all values are looked at again."""
CHANGE, MAX_SCORE = 2, 8
"""A value that changes scores this much, and at most so much; it loses 1 each time that all values are looked at."""
MAX_DIFFER = 0.5
"""The share of values that differ above which nothing is expected of the next header."""
MIN_HITS = 4
"""The headers that must fit what a series shares, for each time that it is made."""


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
class _Shared:
    """What the headers of a series share: bytes that are equal, and the row of codes that their values have."""

    run: Run
    """The values that differ, and all other bytes of the header."""
    columns: tuple[int, ...]
    codes: tuple[Codes, ...]
    """Of the values that differ."""
    row: array[int]
    rows: Rows
    table: ValueTable
    left: int = MAX_ALIKE

    def add(self, first: bytes, file: int) -> bool:
        gaps, skeleton, values = self.run
        if gaps.unpack_from(first) != skeleton:
            return False
        row = self.row
        for column, codes, value in zip(self.columns, self.codes, values.unpack_from(first), strict=True):
            row[column] = codes[value]
        self.rows.codes.extend(row)
        self.rows.files.append(file)
        self.left -= 1
        return True


@dataclass(slots=True, kw_only=True)
class KnownExact:
    """A layout of fixed lengths, made from one of any lengths, and what the headers read last have in common."""

    layout: ExactLayout
    known: KnownLayout
    _shared: _Shared | None = None
    _last: Sequence[bytes] = ()
    _scores: list[int] = field(default_factory=list)
    """How often each value changes."""
    _made: int = 0
    _hits: int = 0

    @property
    def n_bytes(self) -> int:
        """About the bytes of memory that this layout takes."""
        return 2 * self.layout.end + 150 * len(self.known.layout.columns)

    def forget_table(self) -> None:
        """Forget the rows that were made for a recording."""
        self._shared = None

    def add_alike(self, first: bytes, table: ValueTable, file: int) -> bool:
        """Add the row of a file if its header equals the last ones but for the values that differ between those."""
        shared = self._shared
        if shared is None or not shared.left or shared.table is not table or self.layout.end > len(first):
            return False
        if not shared.add(first, file):
            return False
        self._hits += 1
        return True

    def add(self, first: bytes, table: ValueTable, file: int) -> bool:
        """Add the row of a file that begins with `first`; return whether its header has this layout."""
        values = self.layout.match(first)
        if values is None:
            return False
        bound = self.known.bound(table)
        bound.add(file, values)
        self._compare(values)
        self._expect(first, bound, table)
        return True

    def _compare(self, values: Sequence[bytes]) -> None:
        """Score the values that changed since all were looked at last."""
        if self._last:
            scores = [score and score - 1 for score in self._scores] or [0] * len(values)
            for n in compress(range(len(values)), map(ne, self._last, values)):
                scores[n] = min(scores[n] + CHANGE, MAX_SCORE)
            self._scores = scores
        self._last = values

    def _expect(self, first: bytes, bound: Bound, table: ValueTable) -> None:
        """Expect of the next headers the values of this one that do not change."""
        self._shared = None
        if self._made * MIN_HITS > self._hits + MIN_HITS * MAX_SCORE:
            self._made, self._hits = self._made // 2, self._hits // 2
            return
        if not self._scores or len(self._scores) - self._scores.count(0) > MAX_DIFFER * len(self._scores):
            return
        columns = tuple(compress(range(len(self._scores)), self._scores))
        self._made += 1
        self._shared = _Shared(
            run=self.layout.run_of(first, columns),
            columns=columns,
            codes=tuple(map(bound.codes.__getitem__, columns)),
            row=bound.last_row,
            rows=bound.rows,
            table=table,
        )
