"""The distinct values of an array, without what `numpy.unique` costs for a few.

It also imports `numpy.ma`, which takes 30 ms and which nothing else needs.
"""

from __future__ import annotations

import numpy as np

__all__ = ["sorted_unique"]


def sorted_unique(values: np.ndarray) -> np.ndarray:
    """Return the distinct values, sorted, of shape (n,); NaN is not equal to NaN."""
    ordered = np.sort(values, axis=None)
    is_first = np.empty(len(ordered), dtype=bool)
    is_first[:1] = True
    np.not_equal(ordered[1:], ordered[:-1], out=is_first[1:])
    return ordered[is_first]
