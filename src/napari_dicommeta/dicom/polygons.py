"""Fill polygons on the pixels of an image, by the even-odd rule."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["fill"]


def fill(rings: Sequence[np.ndarray], shape: tuple[int, int]) -> np.ndarray:
    """Return which pixels have their center inside an odd number of `rings`: bool, of `shape` (rows, columns).

    So a ring within another is a hole, in a keyhole too, and rings that meet combine by exclusive or. A center on a
    left or upper edge is inside, on a right or lower one outside: regions side by side share no pixel.
    """
    rows, columns = shape
    toggles = np.zeros((rows, columns + 1), dtype=np.uint8)
    for ring in rings:
        first, second = ring, np.roll(ring, -1, axis=0)
        is_down = first[:, 0] <= second[:, 0]
        upper = np.where(is_down[:, None], first, second)
        lower = np.where(is_down[:, None], second, first)
        begin = np.clip(np.ceil(upper[:, 0]), 0, rows).astype(np.intp)
        end = np.clip(np.ceil(lower[:, 0]), 0, rows).astype(np.intp)
        counts = end - begin
        edges = np.repeat(np.arange(len(ring)), counts)
        if not len(edges):
            continue
        at_row = np.arange(len(edges)) - np.repeat(np.cumsum(counts) - counts, counts) + begin[edges]
        high, low = upper[edges], lower[edges]
        part = (at_row - high[:, 0]) / (low[:, 0] - high[:, 0])
        crossing = high[:, 1] + part * (low[:, 1] - high[:, 1])
        at_column = np.clip(np.ceil(crossing), 0, columns).astype(np.intp)
        np.bitwise_xor.at(toggles, (at_row, at_column), 1)
    return np.bitwise_xor.accumulate(toggles, axis=1)[:, :-1].astype(bool)
