"""Thumbnails: a plane subsampled, and shown through a window."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from napari_dicommeta.dicom.window import Window

__all__ = ["SIDE", "color_picture", "gray_picture", "thinned"]

SIDE = 84
"""Pixels of a picture's longer side."""


def thinned(plane: np.ndarray, aspect: float = 1.0, side: int = SIDE) -> np.ndarray:
    """Return `plane`, shape (rows, columns, …), subsampled so that its longer side has `side` pixels.

    `aspect`: height of a pixel over its width.
    """
    rows, columns = plane.shape[:2]
    height, width = rows * aspect, float(columns)
    scale = side / max(height, width)
    j = np.linspace(0, rows - 1, max(1, round(height * scale))).astype(int)
    i = np.linspace(0, columns - 1, max(1, round(width * scale))).astype(int)
    return np.asarray(plane[np.ix_(j, i)])


def color_picture(plane: np.ndarray) -> np.ndarray:
    """Return color, uint8 or uint16 of shape (rows, columns, 3), as uint8."""
    return plane if plane.dtype == np.uint8 else (plane >> 8).astype(np.uint8)


def gray_picture(plane: np.ndarray, shown: Window | tuple[float, float], inverted: bool = False) -> np.ndarray:
    """Return modality values as gray, uint8, through a window or a range (low, high); NaN is black.

    `inverted`: low values are bright (MONOCHROME1).
    """
    if isinstance(shown, tuple):
        low, high = shown
        shade = np.clip((plane.astype(np.result_type(plane, np.float32)) - low) / (high - low), 0, 1)
    else:
        shade = shown.apply(plane)
    gray = np.round(np.nan_to_num(np.asarray(shade, np.float32)) * 255).astype(np.uint8)
    return 255 - gray if inverted else gray
