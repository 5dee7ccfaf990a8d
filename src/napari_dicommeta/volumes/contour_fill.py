"""Closed contours of regions as the planes of a volume of labels."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from napari_dicommeta.dicom.polygons import fill

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["ContourPlanes", "Outline"]


@dataclass(frozen=True, slots=True, eq=False)
class Outline:
    """The contours of one region on one slice.

    `rings`: closed ones, each float64 of shape (n, 2) in rows and columns of pixels, (0, 0) the center of the first.
    `points`: single points, float64 of shape (n, 2).
    """

    rings: tuple[np.ndarray, ...]
    points: np.ndarray = field(default_factory=lambda: np.empty((0, 2)))


@dataclass(frozen=True, slots=True)
class ContourPlanes:
    """Numbers of regions, filled where their contours are.

    `outlines`: slice -> (number, outline) pairs; where regions overlap, the last one counts.
    """

    outlines: Mapping[int, tuple[tuple[int, Outline], ...]]

    def __call__(self, n: int, out: np.ndarray) -> None:
        """Fill `out`, of shape (rows, columns), with the numbers of the regions on slice `n`, 0 outside all."""
        out[...] = 0
        for number, outline in self.outlines.get(n, ()):
            if outline.rings:
                _fill_within(out, outline.rings, number)
            for row, column in np.round(outline.points).astype(int).tolist():
                if 0 <= row < out.shape[0] and 0 <= column < out.shape[1]:
                    out[row, column] = number

    def segments(self, n: int) -> tuple[int, ...]:
        """Return the numbers on slice `n`."""
        return tuple(dict.fromkeys(number for number, _ in self.outlines.get(n, ())))

    def only(self, numbers: frozenset[int]) -> ContourPlanes:
        """Return the planes of some regions, without what lies over them."""
        kept = {
            n: tuple(pair for pair in outlines if pair[0] in numbers)
            for n, outlines in self.outlines.items()
            if any(number in numbers for number, _ in outlines)
        }
        return ContourPlanes(kept)


def _fill_within(out: np.ndarray, rings: Sequence[np.ndarray], number: int) -> None:
    """Set the pixels inside `rings` to `number`; only the part of the plane that the rings reach is touched."""
    corners = np.concatenate(rings)
    first = np.maximum(np.floor(corners.min(axis=0)), 0).astype(int)
    last = np.minimum(np.ceil(corners.max(axis=0)) + 1, out.shape).astype(int)
    if (last <= first).any():
        return
    part = out[first[0] : last[0], first[1] : last[1]]
    part[fill([ring - first for ring in rings], part.shape)] = number
