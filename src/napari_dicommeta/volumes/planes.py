"""Sources of the planes of a volume: rescaled frames, color frames and segment numbers.

Each source is called as ``source(n, out)`` and fills `out` with plane `n`. Sources are plain records, so arrays based
on them can be copied and pickled.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from napari_dicommeta.support.errors import PixelError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from napari_dicommeta.volumes.sources import FrameSources
    from napari_dicommeta.volumes.transforms import Transforms

__all__ = ["ColorPlanes", "RescaledPlanes", "SegmentPlanes"]


@dataclass(frozen=True, slots=True)
class RescaledPlanes:
    """Grayscale frames as modality values, in the dtype of the array; padding becomes `fill` if given.

    `saturated`: frame -> number of pixels below the range of int16, set to -32768, for the frames read so far.
    """

    frames: FrameSources
    transforms: Transforms
    fill: float | None = None
    saturated: dict[int, int] = field(default_factory=dict, compare=False)

    def __call__(self, n: int, out: np.ndarray) -> None:
        """Fill `out`, of shape (rows, columns), with the modality values of frame `n`."""
        with self.frames.errors(n):
            self._fill(n, out)

    def _fill(self, n: int, out: np.ndarray) -> None:
        transform, form = self.transforms[n], self.frames.pixel_format(n)
        plain = self.fill is None or transform.padding is None
        if plain and out.dtype == np.int16 and form.dtype.itemsize == 2 and transform.table is None:
            self.frames.read(n, out)
            if transform.slope != 1:
                np.multiply(out, np.int16(transform.slope), out=out)
            if transform.intercept:
                self._clip(n, out, transform.floor(form))
                np.add(out, np.int16(transform.intercept), out=out)
            return
        stored = self.frames.read(n)
        mask = None if plain else transform.is_padding(stored)
        if out.dtype == np.int16:
            self._clip(n, stored, transform.floor(form))
        out[...] = transform.apply(stored)
        if mask is not None:
            out[mask] = self.fill

    def _clip(self, n: int, stored: np.ndarray, floor: int | None) -> None:
        """Set stored values below `floor`, whose modality values int16 cannot hold, to it, and count them."""
        if floor is not None and int(stored.min()) < floor:
            self.saturated[n] = int(np.count_nonzero(stored < floor))
            np.maximum(stored, stored.dtype.type(floor), out=stored)

    def blank(self, n: int) -> float:
        """Return the value that replaces frame `n` if it cannot be read: padding, or else a lowest value.

        The lowest value is that of the middle frame, or the lowest that the bits allow if that is unreadable too.
        """
        transform = self.transforms[n]
        if self.fill is not None and np.isfinite(self.fill):
            return self.fill
        if transform.padding is not None:
            return float(transform.apply(np.array(transform.padding)).min())
        middle = len(self.frames) // 2
        form = self.frames.pixel_format(middle)
        plane = np.empty((form.rows, form.columns), np.float64)
        try:
            self(middle, plane)
        except PixelError:
            ends = np.array(self.frames.pixel_format(n).stored_range)
            return float(transform.apply(ends).min())
        return float(plane.min())


@dataclass(frozen=True, slots=True)
class ColorPlanes:
    """Color frames as RGB of `shape` (rows, columns, 3), in the dtype of the array, uint8 or uint16."""

    frames: FrameSources
    shape: tuple[int, int, int]

    def __call__(self, n: int, out: np.ndarray) -> None:
        """Fill `out` with the colors of frame `n`."""
        with self.frames.errors(n):
            form = self.frames.pixel_format(n)
            colors = self.frames.read_color(n, out)
            if colors is out:
                return
            if colors.shape != self.shape:
                raise PixelError(self.frames.path(n), f"color pixels of shape {colors.shape}, {self.shape} expected")
            if colors.dtype.itemsize > out.dtype.itemsize:
                colors >>= 8 if form.photometric == "PALETTE COLOR" else form.bits_stored - 8
            out[...] = colors


@dataclass(frozen=True, slots=True)
class SegmentPlanes:
    """Segment numbers.

    `planes`: plane index -> (segment, frame) pairs, lowest segment number first. `is_map`: whether stored values are
    the segment numbers (PS3.3 section C.8.23).
    """

    frames: FrameSources
    planes: Mapping[int, tuple[tuple[int, int], ...]]
    is_map: bool

    def __call__(self, n: int, out: np.ndarray) -> None:
        """Fill `out` with the segment numbers of plane `n`, 0 outside all segments."""
        out[...] = 0
        for segment, frame in self.planes.get(n, ()):
            with self.frames.errors(frame):
                stored = self.frames.read(frame)
                if self.is_map:
                    out[...] = stored
                else:
                    out[stored > 0] = segment

    def segments(self, n: int) -> tuple[int, ...]:
        """Return the segment numbers of the frames of plane `n`; those of a map are within one frame."""
        return tuple(dict.fromkeys(segment for segment, _ in self.planes.get(n, ())))

    def only(self, numbers: frozenset[int]) -> SegmentPlanes:
        """Return the planes of some segments, without what lies over them; of a map, where none does, all."""
        if self.is_map:
            return self
        kept = {
            n: tuple(pair for pair in pairs if pair[0] in numbers)
            for n, pairs in self.planes.items()
            if any(segment in numbers for segment, _ in pairs)
        }
        return replace(self, planes=kept)
