"""Sources of the planes of a volume: rescaled frames, color frames and segment numbers.

Each source is called as ``source(n, out)`` and fills `out` with plane `n`. Sources are plain records, so arrays based
on them can be copied and pickled.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_dicommeta.dicom.pixels import read_color, read_frame
from napari_dicommeta.support.errors import PixelError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from napari_dicommeta.volumes.frames import Frame
    from napari_dicommeta.volumes.rescale import Transform

__all__ = ["ColorPlanes", "RescaledPlanes", "SegmentPlanes"]


@dataclass(frozen=True, slots=True)
class RescaledPlanes:
    """Grayscale frames as modality values, in the dtype of the array; padding becomes `fill` if given."""

    frames: tuple[Frame, ...]
    transforms: tuple[Transform, ...]
    fill: float | None = None

    def __call__(self, n: int, out: np.ndarray) -> None:
        """Fill `out`, of shape (rows, columns), with the modality values of frame `n`."""
        frame, transform = self.frames[n], self.transforms[n]
        form, offset = frame.pixel_format, frame.pixel_offset
        plain = self.fill is None or transform.padding is None
        if plain and out.dtype == np.int16 and form.dtype.itemsize == 2 and transform.table is None:
            read_frame(frame.path, offset, frame.index, form, out)
            if transform.slope != 1:
                np.multiply(out, np.int16(transform.slope), out=out)
            if transform.intercept:
                np.add(out, np.int16(transform.intercept), out=out)
            return
        stored = read_frame(frame.path, offset, frame.index, form)
        out[...] = transform.apply(stored)
        if not plain and (mask := transform.is_padding(stored)) is not None:
            out[mask] = self.fill

    def blank(self, n: int) -> float:
        """Return the value that replaces frame `n` if it cannot be read: padding, or else a lowest value.

        The lowest value is that of the middle frame, or the lowest that the bits allow if that is unreadable too.
        """
        transform = self.transforms[n]
        if self.fill is not None and np.isfinite(self.fill):
            return self.fill
        if transform.padding is not None:
            return float(transform.apply(np.array(transform.padding)).min())
        middle = self.frames[len(self.frames) // 2]
        form = middle.pixel_format
        plane = np.empty((form.rows, form.columns), np.float32)
        try:
            self(len(self.frames) // 2, plane)
        except PixelError:
            ends = np.array(self.frames[n].pixel_format.stored_range)
            return float(transform.apply(ends).min())
        return float(plane.min())


@dataclass(frozen=True, slots=True)
class ColorPlanes:
    """Color frames as RGB of `shape` (rows, columns, 3), in the dtype of the array, uint8 or uint16."""

    frames: tuple[Frame, ...]
    shape: tuple[int, int, int]

    def __call__(self, n: int, out: np.ndarray) -> None:
        """Fill `out` with the colors of frame `n`."""
        frame = self.frames[n]
        form = frame.pixel_format
        colors = read_color(frame.path, frame.pixel_offset, frame.index, form, out)
        if colors is out:
            return
        if colors.shape != self.shape:
            raise PixelError(frame.path, f"color pixels of shape {colors.shape}, {self.shape} expected")
        if colors.dtype.itemsize > out.dtype.itemsize:
            colors >>= 8 if form.photometric == "PALETTE COLOR" else form.bits_stored - 8
        out[...] = colors


@dataclass(frozen=True, slots=True)
class SegmentPlanes:
    """Segment numbers.

    `frames`: plane index -> (segment, frame) pairs, lowest segment number first. `is_map`: whether stored values are
    the segment numbers (PS3.3 section C.8.23).
    """

    frames: Mapping[int, tuple[tuple[int, Frame], ...]]
    is_map: bool

    def __call__(self, n: int, out: np.ndarray) -> None:
        """Fill `out` with the segment numbers of plane `n`, 0 outside all segments."""
        out[...] = 0
        for segment, frame in self.frames.get(n, ()):
            stored = read_frame(frame.path, frame.pixel_offset, frame.index, frame.pixel_format)
            if self.is_map:
                out[...] = stored
            else:
                out[stored > 0] = segment
