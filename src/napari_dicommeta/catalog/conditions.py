"""What is asked of a tag's values, as `Catalog.where` takes it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from napari_dicommeta.dicom.values import shortest

__all__ = ["Condition", "Spelled", "Tags", "as_text", "ends_of", "texts_of"]

Tags = str | tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Spelled:
    """A condition on how a value is written: one of `texts` by spelling, where the others ask by meaning."""

    texts: tuple[str | None, ...]


Condition = (
    str | int | float | bool | slice | Spelled | Sequence[str | int | float | None] | Sequence[tuple[str | None, ...]]
)


def as_text(value: str | float) -> str:
    """A value as the texts of a catalog write it: 1.0 as "1"."""
    return value if isinstance(value, str) else shortest(repr(value)) or str(value)


def texts_of(condition: str | float | Sequence[str | float | None]) -> tuple[str | None, ...]:
    """The texts that a value or several ask for, None for files without the tag."""
    several = (condition,) if isinstance(condition, (str, int, float)) else condition
    return tuple(one if one is None else as_text(one) for one in several)


def ends_of(condition: slice) -> tuple[float, float]:
    """The smallest and the largest number of a range, infinite where it has no such end."""
    low = float("-inf") if condition.start is None else float(condition.start)
    high = float("inf") if condition.stop is None else float(condition.stop)
    return low, high
