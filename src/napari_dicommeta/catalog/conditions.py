"""Conditions on a tag's values, as `Catalog.where` takes them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from napari_dicommeta.catalog.moments import MOMENT_VRS, moment_range
from napari_dicommeta.dicom.values import shortest

__all__ = ["Condition", "Spelled", "Tags", "as_json", "as_text", "ends_of", "of_json", "texts_of"]

Tags = str | tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Spelled:
    """A condition on a value's spelling: it is one of `texts`. Other conditions compare meanings."""

    texts: tuple[str | None, ...]


Condition = (
    str | int | float | bool | slice | Spelled | Sequence[str | int | float | None] | Sequence[tuple[str | None, ...]]
)


def as_text(value: str | float) -> str:
    """Return a value as catalog texts write it: 1.0 as "1"."""
    return value if isinstance(value, str) else shortest(repr(value)) or str(value)


def texts_of(condition: str | float | Sequence[str | float | None]) -> tuple[str | None, ...]:
    """Return the texts that a condition of one or more values matches, None for files without the tag."""
    values = (condition,) if isinstance(condition, (str, int, float)) else condition
    return tuple(value if value is None else as_text(value) for value in values)


def ends_of(condition: slice, vr: str = "") -> tuple[float, float]:
    """Return the smallest and the largest number of a range, infinite for an open end.

    Of a `vr` of dates, times and ages, ends are texts such as "2010", and the numbers those of `moments`.

    Raises
    ------
    ValueError
        If an end is no number, or no date, time or age.
    """
    if vr in MOMENT_VRS:
        return moment_range(vr, condition.start, condition.stop)
    low = float("-inf") if condition.start is None else float(condition.start)
    high = float("inf") if condition.stop is None else float(condition.stop)
    return low, high


def as_json(value: Any) -> Any:
    """Return filters as JSON values: tuples as lists, a range and values by spelling as objects of their own."""
    if isinstance(value, slice):
        return {"from": value.start, "to": value.stop}
    if isinstance(value, Spelled):
        return {"spelled": list(value.texts)}
    if isinstance(value, dict):
        return {name: as_json(entry) for name, entry in value.items()}
    return list(map(as_json, value)) if isinstance(value, (tuple, list)) else value


def of_json(value: Any) -> Any:
    """Return filters from the values of `as_json`.

    Raises
    ------
    KeyError
        If an object is neither a range nor values by spelling.
    """
    if isinstance(value, dict):
        return Spelled(tuple(value["spelled"])) if "spelled" in value else slice(value["from"], value["to"])
    return tuple(map(of_json, value)) if isinstance(value, list) else value
