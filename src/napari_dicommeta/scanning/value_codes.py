"""The columns of a recording: distinct values in the order of their codes, and rows of codes."""

from __future__ import annotations

from array import array
from dataclasses import dataclass, field
from operator import getitem
from typing import TYPE_CHECKING

from napari_dicommeta.dicom.stored_values import depends_on_value, value_key

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from napari_dicommeta.scanning.header_layout import Column

__all__ = ["Bound", "Codes", "Rows", "ValueTable"]

MAX_RECENT = 4
"""Long values of a column that are kept whole."""


@dataclass(slots=True)
class ValueColumn:
    """The distinct values of an element, in the order of their codes."""

    key: str
    index: int
    values: dict[bytes, int] = field(default_factory=dict)

    def code(self, value: bytes) -> int:
        """Return the code of a value; a new value gets the next code."""
        return self.values.setdefault(value, len(self.values))


@dataclass(slots=True)
class Rows:
    """The rows of all files with the same columns: file numbers, and codes row by row."""

    columns: tuple[int, ...]
    files: array[int] = field(default_factory=lambda: array("i"))
    codes: array[int] = field(default_factory=lambda: array("i"))


class _Codes(dict[bytes, int]):
    """The codes of one column's raw values under one VR and context; a new value gets the next code."""

    __slots__ = ("prefix", "stored", "wrap")

    def __init__(self, column: ValueColumn, wrap: Callable[[bytes], bytes], prefix: bytes) -> None:
        super().__init__()
        self.stored, self.wrap, self.prefix = column.values, wrap, prefix

    def __missing__(self, raw: bytes) -> int:
        stored = self.stored
        code = self[raw] = stored.setdefault(self.prefix + raw if self.prefix else self.wrap(raw), len(stored))
        return code


class _LongCodes:
    """The codes of long values, of which only the digests are kept, and the last values: they often come again."""

    __slots__ = ("column", "recent", "wrap")

    def __init__(self, column: ValueColumn, wrap: Callable[[bytes], bytes]) -> None:
        self.column, self.wrap = column, wrap
        self.recent: list[tuple[bytes, int]] = []

    def __getitem__(self, raw: bytes) -> int:
        for value, code in self.recent:
            if value == raw:
                return code
        code = self.column.code(self.wrap(raw))
        self.recent = [(raw, code), *self.recent[: MAX_RECENT - 1]]
        return code


Codes = _Codes | _LongCodes


class ValueTable:
    """The columns and rows of a recording."""

    def __init__(self) -> None:
        self.columns: dict[str, ValueColumn] = {}
        self.rows: dict[tuple[int, ...], Rows] = {}
        self._codes: dict[Column, _Codes] = {}
        self._bounds: dict[object, Bound] = {}

    def add(self, file: int, values: Iterable[tuple[str, bytes]]) -> None:
        """Add the row of a file: (path key, stored value) of each element."""
        columns, codes = [], array("i")
        for key, value in values:
            column = self._column(key)
            columns.append(column.index)
            codes.append(column.code(value))
        rows = self._rows_of(columns)
        rows.files.append(file)
        rows.codes.extend(codes)

    def bound(self, owner: object, columns: Sequence[Column], same: Iterable[tuple[str, bytes]]) -> Bound:
        """Return how the values of `columns` become rows; `same` holds (path key, stored value) of more elements.

        The result is made once for each `owner`, a layout.
        """
        known = self._bounds.get(owner)
        if known is None:
            known = self._bounds[owner] = self._bound(columns, same)
        return known

    def release(self, owner: object) -> None:
        """Forget a layout, whose rows stay."""
        self._bounds.pop(owner, None)

    def _bound(self, columns: Sequence[Column], same: Iterable[tuple[str, bytes]]) -> Bound:
        codes = tuple(self._codes_of(column) for column in columns)
        others = [(self._column(key), value) for key, value in same]
        rest = array("i", [column.code(value) for column, value in others])
        numbers = [*(self._column(column.key).index for column in columns), *(column.index for column, _ in others)]
        return Bound(codes, rest, self._rows_of(numbers))

    def _column(self, key: str) -> ValueColumn:
        column = self.columns.get(key)
        if column is None:
            column = self.columns[key] = ValueColumn(key, len(self.columns))
        return column

    def _rows_of(self, columns: Iterable[int]) -> Rows:
        numbers = tuple(columns)
        rows = self.rows.get(numbers)
        if rows is None:
            rows = self.rows[numbers] = Rows(numbers)
        return rows

    def _codes_of(self, stored: Column) -> Codes:
        codes = self._codes.get(stored)
        if codes is not None:
            return codes
        key, vr, charset, signed, little = stored.key, stored.vr, stored.charset, stored.signed, stored.little
        column = self._column(key)
        if stored.is_long:
            return _LongCodes(column, lambda raw: value_key(key, vr, raw, charset, signed, little))
        prefix = b"" if depends_on_value(vr, charset) else value_key(key, vr, b"", charset, signed, little)
        codes = _Codes(column, lambda raw: value_key(key, vr, raw, charset, signed, little), prefix)
        self._codes[stored] = codes
        return codes


@dataclass(slots=True)
class Bound:
    """How the values of headers with one layout become rows of one table."""

    codes: tuple[Codes, ...]
    rest: array[int]
    """The codes of the columns that are the same in all rows."""
    rows: Rows

    @property
    def last_row(self) -> array[int]:
        """The codes of the row that was added last."""
        return self.rows.codes[-len(self.rows.columns) :]

    def add(self, file: int, values: Iterable[bytes]) -> None:
        """Add the row of a file: the values of the columns that differ."""
        codes = self.rows.codes
        codes.extend(map(getitem, self.codes, values))
        codes.extend(self.rest)
        self.rows.files.append(file)
