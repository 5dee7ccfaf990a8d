"""Distinct values, medians and percentiles of arrays by sorting, without what NumPy's own functions cost for a few.

They also import `numpy.ma`, which takes 30 ms and which nothing else needs.
"""

from __future__ import annotations

import numpy as np

__all__ = ["medians", "percentiles", "sorted_unique"]


def sorted_unique(values: np.ndarray) -> np.ndarray:
    """Return the distinct values, sorted, of shape (n,); NaN is not equal to NaN."""
    ordered = np.sort(values, axis=None)
    is_first = np.empty(len(ordered), dtype=bool)
    is_first[:1] = True
    np.not_equal(ordered[1:], ordered[:-1], out=is_first[1:])
    return ordered[is_first]


def medians(values: np.ndarray) -> np.ndarray:
    """Return the median along the first axis, float64; of an even number the mean of both in the middle.

    `values` has at least one row and no NaN.
    """
    ordered, n = np.sort(values, axis=0), len(values)
    return np.asarray((ordered[(n - 1) // 2] + ordered[n // 2]) / 2)


def percentiles(values: np.ndarray, percents: tuple[float, ...]) -> tuple[float, ...]:
    """Return percentiles of all values, interpolated between neighbors; there is at least one value and no NaN."""
    places = [(values.size - 1) * percent / 100 for percent in percents]
    below = [int(place) for place in places]
    above = [min(place + 1, values.size - 1) for place in below]
    ordered = np.partition(values, [*below, *above], axis=None)
    steps = ((float(ordered[low]), float(ordered[high])) for low, high in zip(below, above, strict=True))
    return tuple(low + (high - low) * (place % 1) for (low, high), place in zip(steps, places, strict=True))
