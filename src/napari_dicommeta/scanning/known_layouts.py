"""Layouts that a recorder knows, with what they have learnt: codes of the current table, and what a series shares."""

from __future__ import annotations

from array import array
from dataclasses import dataclass, field
from itertools import compress
from operator import ne
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from napari_dicommeta.dicom.header import Header
    from napari_dicommeta.scanning.header_layout import ExactLayout, HeaderLayout, Match
    from napari_dicommeta.scanning.value_codes import Bound, Codes, Rows, ValueTable

__all__ = ["KnownExact", "KnownLayout", "Shared"]

MIN_SAME, MAX_SEEN = 2, 10_000
"""The headers of one kind of lengths after which they get an exact layout, and how many kinds are counted."""
MAX_ALIKE = 256
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
    kind: int
    """A hash of the path keys of the elements."""
    exacts: dict[tuple[int, ...], KnownExact] = field(default_factory=dict)
    """Exact layouts by the lengths that vary, after the size of the file where it says where its header ends."""
    _seen: dict[tuple[int, ...], int] = field(default_factory=dict)
    _last: Sequence[bytes] = ()
    _scores: list[int] = field(default_factory=list)
    """How often each value changes."""

    def bound(self, table: ValueTable) -> Bound:
        """Return how values become rows of a table."""
        return table.bound(self, self.layout.columns, self.layout.constants)

    def softens(self, first: bytes, is_bare: bool) -> bool:
        """Let the lengths vary in which a header differs; return whether that makes it fit better."""
        return self.layout.is_bare == is_bare and self.layout.runs.soften(first)

    def match(self, first: bytes, size: int, is_bare: bool) -> Match | None:
        """Return the values of a header of this layout, else None."""
        return self.layout.match(first, size) if self.layout.is_bare == is_bare else None

    def look(self, first: bytes, matched: Match, size: int) -> KnownExact | None:
        """Take in the values of a header; return the exact layout of its lengths once they have come again."""
        self._compare(matched.values)
        lengths = (size if self.layout.is_sized else 0, *matched.lengths)
        exact = self.exacts.get(lengths)
        if exact is None:
            count = self._seen.pop(lengths, 0) + 1
            if count == MIN_SAME:
                exact = self.exacts[lengths] = KnownExact(layout=self.layout.exact(first), known=self)
            else:
                if len(self._seen) >= MAX_SEEN:
                    self._seen.clear()
                self._seen[lengths] = count
        return exact

    def _compare(self, values: Sequence[bytes]) -> None:
        """Score the values that changed since all were looked at last."""
        if self._last:
            scores = [score and score - 1 for score in self._scores] or [0] * len(values)
            for n in compress(range(len(values)), map(ne, self._last, values)):
                scores[n] = min(scores[n] + CHANGE, MAX_SCORE)
            self._scores = scores
        self._last = values

    def changing(self) -> tuple[int, ...]:
        """Return the numbers of the values that change from header to header, all of them if most do."""
        scores = self._scores
        if not scores or len(scores) - scores.count(0) > MAX_DIFFER * len(scores):
            return tuple(range(len(self.layout.columns)))
        return tuple(compress(range(len(scores)), scores))


@dataclass(slots=True, kw_only=True, eq=False)
class Shared:
    """What the headers of a series share: bytes that are equal, and the row of codes that their values have.

    `Recorder.add` compares each header with it, and puts the values that differ into `waiting`: whole columns of them
    get their codes at once.
    """

    header: Header
    end: int
    pixel_length: int
    gaps: Callable[[bytes], tuple[bytes, ...]]
    """Unpacks all bytes of a header but the values that differ, which must be `skeleton`."""
    skeleton: tuple[bytes, ...]
    values: Callable[[bytes], tuple[bytes, ...]]
    """Unpacks the values that differ."""
    columns: tuple[int, ...]
    codes: tuple[Codes, ...]
    """Of the values that differ."""
    row: array[int]
    rows: Rows
    left: int = MAX_ALIKE
    files: list[int] = field(default_factory=list)
    """The numbers of the files that wait for their codes."""
    waiting: list[tuple[bytes, ...]] = field(default_factory=list)
    """The values of each that differ."""

    def settle(self) -> None:
        """Add the rows of the files that wait."""
        width, block = len(self.row), self.row * len(self.files)
        for column, codes, values in zip(self.columns, self.codes, zip(*self.waiting, strict=True), strict=False):
            block[column::width] = array("i", map(codes.__getitem__, values))
        self.rows.codes.extend(block)
        self.rows.files.extend(self.files)
        self.files.clear()
        self.waiting.clear()


@dataclass(slots=True, kw_only=True, eq=False)
class KnownExact:
    """A layout of fixed lengths, made from one of any lengths, and what the headers read last have in common."""

    layout: ExactLayout
    known: KnownLayout
    shared: Shared | None = None
    """None where all values have to be looked at."""
    _made: int = 0
    _hits: int = 0

    @property
    def n_bytes(self) -> int:
        """About the bytes of memory that this layout takes."""
        return 2 * self.layout.end + 150 * len(self.known.layout.columns)

    def forget_shared(self) -> None:
        """Expect nothing of the next header; rows that wait are not lost."""
        if self.shared is not None:
            self._hits += MAX_ALIKE - self.shared.left
            self.shared = None

    def expect(self, first: bytes, table: ValueTable) -> None:
        """Expect of the next headers the values of this one, whose row was added last, that do not change."""
        self.forget_shared()
        bound, columns = self.known.bound(table), self.known.changing()
        if self._made * MIN_HITS > self._hits + MIN_HITS * MAX_SCORE:
            self._made, self._hits = self._made // 2, self._hits // 2
            columns = tuple(range(len(self.known.layout.columns)))
        self._made += 1
        gaps, skeleton, values = self.layout.run_of(first, columns)
        self.shared = Shared(
            header=self.known.layout.header,
            end=self.layout.end,
            pixel_length=self.layout.pixel_length,
            gaps=gaps.unpack_from,
            skeleton=skeleton,
            values=values.unpack_from,
            columns=columns,
            codes=tuple(map(bound.codes.__getitem__, columns)),
            row=bound.last_row,
            rows=bound.rows,
        )
