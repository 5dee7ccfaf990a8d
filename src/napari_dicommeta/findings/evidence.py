"""Lines of evidence of a finding, and formatting of their numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_dicommeta.dicom.values import numbers

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

__all__ = ["by_files", "component_numbers", "file_count", "spell_span", "top"]

MAX_EVIDENCE_LINES = 12
"""Number of lines of evidence in a finding before the rest is summed."""


def file_count(mask: np.ndarray) -> int:
    """Return the number of files in `mask`."""
    return int(np.count_nonzero(mask))


def by_files(evidence: Iterable[tuple[str, int]]) -> list[tuple[str, int]]:
    """Sort lines of evidence by number of files, most first, then by text."""
    return sorted(evidence, key=lambda line: (-line[1], line[0]))


def top(
    evidence: Sequence[tuple[str, int]], what: str = "others", most: int = MAX_EVIDENCE_LINES
) -> tuple[tuple[str, int], ...]:
    """Return the first `most` lines of evidence, and one line that sums the rest as `what`."""
    if len(evidence) <= most + 1:
        return tuple(evidence)
    rest = evidence[most:]
    return (*evidence[:most], (f"{len(rest)} {what}", sum(files for _, files in rest)))


def component_numbers(text: str | None, count: int | None = None) -> list[tuple[float, ...]]:
    """Return the numbers of each value in `text`, separated by bars; [] if a value is not made of numbers."""
    components = [numbers(value, count) for value in text.split(" | ")] if text else []
    return [value for value in components if value is not None] if None not in components else []


def spell_span(values: Sequence[float]) -> str:
    """Return one number, or the smallest and the largest, such as "0.5 to 0.9"."""
    low, high = min(values), max(values)
    return f"{low:.4g}" if low == high else f"{low:.4g} to {high:.4g}"
