"""Transforms of frames from stored to modality values: slope and intercept, or a table (PS3.3 section C.11.1)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from napari_dicommeta.dicom.luts import LookupTable
    from napari_dicommeta.dicom.pixel_format import PixelFormat

__all__ = ["AIR", "INT16", "Transform", "Transforms"]

AIR = -1000.0
"""HU."""
INT16 = np.iinfo(np.int16)
LOWEST_INTERCEPT = -8192


@dataclass(frozen=True, slots=True)
class Transform:
    """Transform of one frame from stored to modality values: ``stored * slope + intercept``, or a table.

    `padding`: the inclusive range of stored values that mark pixels outside the image (PS3.3 section
    C.7.5.1.1.2), None if the file states none.
    """

    slope: float = 1.0
    intercept: float = 0.0
    table: LookupTable | None = None
    padding: tuple[float, float] | None = None

    def apply(self, stored: np.ndarray) -> np.ndarray:
        """Return the modality values of `stored`, in its shape.

        They are float64, or the dtype of the table, or `stored` itself if slope is 1 and intercept 0.
        """
        if self.table is not None:
            return self.table.apply(stored)
        if (self.slope, self.intercept) == (1, 0):
            return stored
        return np.asarray(stored * np.float64(self.slope) + self.intercept)

    def is_padding(self, stored: np.ndarray) -> np.ndarray | None:
        """Return a mask of the padding in `stored`, bool; None if the file states no padding."""
        if self.padding is None:
            return None
        low, high = self.padding
        return np.asarray(stored == low if low == high else (stored >= low) & (stored <= high))

    def floor(self, pixel_format: PixelFormat) -> int | None:
        """Return the lowest stored value whose modality value fits into int16; smaller ones saturate. None if all fit.

        Only signed 16-bit images with a slope of 1 and an intercept from `LOWEST_INTERCEPT` on saturate. Values that
        low are no measurements: less than -31,744 with an intercept of -1024.
        """
        if self.slope != 1 or not LOWEST_INTERCEPT <= self.intercept < 0 or not pixel_format.signed:
            return None
        low = pixel_format.stored_range[0]
        return int(INT16.min - self.intercept) if INT16.min <= low < INT16.min - self.intercept else None


@dataclass(frozen=True, slots=True, eq=False)
class Transforms:
    """The transforms of some frames: the distinct ones, and the index of each frame's among them (int32)."""

    distinct: tuple[Transform, ...]
    ids: np.ndarray

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, n: int) -> Transform:
        return self.distinct[int(self.ids[n])]
