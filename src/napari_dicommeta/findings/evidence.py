"""Lines of evidence of a finding, and formatting of their numbers."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

import numpy as np

from napari_dicommeta.dicom.values import numbers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

__all__ = [
    "SAME_STEP",
    "by_files",
    "component_numbers",
    "date_of",
    "file_count",
    "roundings",
    "spell_span",
    "top",
]

SAME_LENGTH = 2e-5
"""mm; lengths that differ by less are one length."""
SAME_STEP = 0.001
"""mm; steps between positions that differ by less are one step."""
MIN_DIGITS = 3
"""Decimals; lengths with fewer are not taken for roundings of others, since few scanners round to 0.1 mm or less."""
FLOAT_ERROR = 1e-7
"""Relative; error of a number of 32 bits."""
MAX_EVIDENCE_LINES = 12
"""Number of lines of evidence in a finding before the rest is summed."""


def file_count(mask: np.ndarray) -> int:
    """Return the number of files in `mask`."""
    return int(np.count_nonzero(mask))


def by_files(evidence: Iterable[tuple[str, int]]) -> list[tuple[str, int]]:
    """Sort lines of evidence by number of files, most first, then by text."""
    return sorted(evidence, key=lambda line: (-line[1], line[0]))


def top(
    evidence: Sequence[tuple[str, int]],
    what: str = "others",
    most: int = MAX_EVIDENCE_LINES,
    together: Callable[[list[int]], int] = sum,
) -> tuple[tuple[str, int], ...]:
    """Return the first `most` lines of evidence, and one line for the rest as `what`.

    `together` makes one count of those of the rest: their sum, unless a file may be in several lines.
    """
    if len(evidence) <= most + 1:
        return tuple(evidence)
    rest = evidence[most:]
    return (*evidence[:most], (f"{len(rest)} {what}", together([files for _, files in rest])))


def date_of(text: str) -> date | None:
    """Return the date that a DA value spells, also with the dots of ACR-NEMA; None for any other text."""
    digits = text.replace(".", "")
    if len(digits) != 8 or not digits.isascii() or not digits.isdigit():
        return None
    try:
        return date(int(digits[:4]), int(digits[4:6]), int(digits[6:]))
    except ValueError:
        return None


def component_numbers(text: str | None, count: int | None = None) -> list[tuple[float, ...]]:
    """Return the numbers of each value in `text`, separated by bars; [] if a value is not made of numbers."""
    components = [numbers(value, count) for value in text.split(" | ")] if text else []
    return [value for value in components if value is not None] if None not in components else []


def roundings(
    weights: Mapping[tuple[float, ...], int], tolerance: float = SAME_LENGTH
) -> dict[tuple[float, ...], tuple[float, ...]]:
    """Return for each value the most frequent value that it is a rounding of, or that is a rounding of it.

    `weights`: the number of files of each value, a tuple of lengths in mm; all have the same number of lengths. Values
    within `tolerance`, mm, are one. 0.977 is a rounding of 0.9765625, 0.976562 of 0.9765625, but 0.978 of neither.
    """
    leader: dict[tuple[float, ...], tuple[float, ...]] = {}
    leaders: list[tuple[float, ...]] = []
    halves: list[list[float]] = []
    for value in sorted(weights, key=lambda value: (-weights[value], value)):
        half = [_half_a_digit(length) for length in value]
        off = np.abs(np.array(leaders).reshape(-1, len(value)) - value)
        allowed = np.maximum(np.array(halves).reshape(-1, len(value)), half)
        same = np.flatnonzero((off <= np.maximum(allowed, tolerance)).all(axis=1))
        if not len(same):
            leaders.append(value)
            halves.append(half)
        leader[value] = leaders[int(same[0])] if len(same) else value
    return leader


def _half_a_digit(length: float) -> float:
    """Return half of the last digit of a length rounded to `MIN_DIGITS` or more decimals, 0 if it has fewer.

    Numbers of 32 bits have as many decimals as the decimal that they stand for.
    """
    for digits in range(10):
        if abs(length - round(length, digits)) <= FLOAT_ERROR * max(1.0, abs(length)):
            return 0.5 * 10.0**-digits * (1 + 1e-6) if digits >= MIN_DIGITS else 0.0
    return 0.0


def spell_span(values: Sequence[float]) -> str:
    """Return one number, or the smallest and the largest, such as "0.5 to 0.9"."""
    low, high = min(values), max(values)
    return f"{low:.4g}" if low == high else f"{low:.4g} to {high:.4g}"
