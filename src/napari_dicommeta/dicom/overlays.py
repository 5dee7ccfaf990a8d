"""Read overlay planes and display shutters of a file (PS3.3 sections C.9.2, C.7.6.11 and C.7.6.15)."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Any

import numpy as np

from napari_dicommeta.dicom.datasets import open_dataset
from napari_dicommeta.dicom.polygons import fill
from napari_dicommeta.files.bounded_cache import BoundedCache
from napari_dicommeta.files.opening import file_key
from napari_dicommeta.support.errors import PixelError
from napari_dicommeta.support.log import log_fault

__all__ = ["GROUPS", "Overlay", "Shutter", "read_overlays", "read_shutter", "shutter_of"]

GROUPS = tuple(range(0x6000, 0x6020, 2))
"""The groups of overlay planes of a file, sixteen at most."""
CACHE_BYTES = 32 << 20


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Overlay:
    """An overlay plane, or a plane for each of several frames.

    `origin`: row and column in the image of its first pixel, from 0, which may lie outside. `bits`: bool, shape
    (frames, rows, columns); None if they are in the unused bits of the pixels, at `bit`. `first_frame`: the image frame
    of its first plane, from 0; -1 if one plane is for all frames.
    """

    group: int
    origin: tuple[int, int]
    bits: np.ndarray | None
    bit: int = 0
    first_frame: int = -1

    def draw(self, frame: int, out: np.ndarray, value: int) -> None:
        """Set the pixels of `out`, an image of shape (rows, columns), to `value` where the plane of `frame` is 1."""
        if self.bits is None:
            return
        n = 0 if self.first_frame < 0 else frame - self.first_frame
        if not 0 <= n < len(self.bits):
            return
        plane = self.bits[n]
        row, column = self.origin
        part = out[max(row, 0) : max(row + plane.shape[0], 0), max(column, 0) : max(column + plane.shape[1], 0)]
        top, left = max(-row, 0), max(-column, 0)
        part[plane[top : top + part.shape[0], left : left + part.shape[1]]] = value


@dataclass(frozen=True, slots=True, kw_only=True)
class Shutter:
    """A display shutter: what is outside of any of its shapes is hidden.

    `box`: first row, last row, first column, last column. `circle`: row, column and radius in columns. `polygon`:
    (row, column) pairs. All count from 0; `aspect` is the height of a pixel in widths.
    """

    box: tuple[int, int, int, int] | None = None
    circle: tuple[float, float, float] | None = None
    polygon: tuple[tuple[float, float], ...] = ()
    aspect: float = 1.0

    def inside(self, shape: tuple[int, int]) -> np.ndarray:
        """Return which pixels of an image of `shape` (rows, columns) are not hidden, bool."""
        rows, columns = np.ogrid[: shape[0], : shape[1]]
        shown = np.ones(shape, dtype=bool)
        if self.box is not None:
            top, bottom, left, right = self.box
            shown &= (rows >= top) & (rows <= bottom) & (columns >= left) & (columns <= right)
        if self.circle is not None:
            row, column, radius = self.circle
            shown &= ((rows - row) * self.aspect) ** 2 + (columns - column) ** 2 <= radius**2
        if len(self.polygon) > 2:
            shown &= fill([np.array(self.polygon)], shape)
        return shown


_read: BoundedCache[tuple[Overlay, ...]] = BoundedCache(
    CACHE_BYTES, lambda planes: sum(plane.bits.nbytes for plane in planes if plane.bits is not None) + 100
)


def read_overlays(path: str) -> tuple[Overlay, ...]:
    """Return the overlay planes of the file at `path` that are valid, kept until the file changes.

    Raises
    ------
    PixelError
        If the file cannot be read.
    """
    try:
        return _read.get(file_key(path), lambda: _overlays(path))
    except OSError as error:
        raise PixelError(path, error.strerror or type(error).__name__) from error


def _overlays(path: str) -> tuple[Overlay, ...]:
    try:
        with open_dataset(path, stop_before_pixels=True) as dataset:
            made = [_overlay(dataset, group) for group in GROUPS]
    except OSError:
        raise
    except Exception as error:  # noqa: BLE001  pydicom raises many kinds of errors for broken files
        log_fault("reading overlays", error, logging.DEBUG)
        return ()
    return tuple(overlay for overlay in made if overlay is not None)


def _overlay(dataset: Any, group: int) -> Overlay | None:
    def value(element: int) -> Any:
        found = dataset.get((group, element))
        return None if found is None else found.value

    try:
        rows, columns = int(value(0x10)), int(value(0x11))
        top, left = (int(place) for place in value(0x50) or (1, 1))
        frames, begin = int(value(0x15) or 1), int(value(0x51) or 1)
        bit = int(value(0x102) or 0)
    except (TypeError, ValueError):
        return None
    if min(rows, columns, frames) < 1:
        return None
    data = value(0x3000)
    bits = None
    if data:
        size = rows * columns * frames
        raw = np.frombuffer(data, np.uint8)
        if len(raw) * 8 < size:
            return None
        if dataset.is_little_endian is False:
            raw = raw[: len(raw) // 2 * 2].reshape(-1, 2)[:, ::-1].ravel()  # words of 16 bits, the first bit lowest
        bits = np.unpackbits(raw, count=size, bitorder="little").reshape(frames, rows, columns).astype(bool)
    return Overlay(
        group=group,
        origin=(top - 1, left - 1),
        bits=bits,
        bit=bit,
        first_frame=begin - 1 if frames > 1 or value(0x51) is not None else -1,
    )


def read_shutter(path: str) -> Shutter | None:
    """Return the shutter of the image at `path`, None without a valid one."""
    try:
        with open_dataset(path, stop_before_pixels=True) as dataset:
            return shutter_of(dataset)
    except Exception as error:  # noqa: BLE001  pydicom raises many kinds of errors for broken files
        log_fault("reading a shutter", error, logging.DEBUG)
        return None


def shutter_of(dataset: Any) -> Shutter | None:
    """Return the shutter of a data set that pydicom read, None without a valid one."""
    shapes = dataset.get("ShutterShape") or ()
    shapes = {shapes} if isinstance(shapes, str) else set(shapes)
    box = circle = None
    polygon: tuple[tuple[float, float], ...] = ()
    try:
        if "RECTANGULAR" in shapes:
            edges = ("UpperHorizontal", "LowerHorizontal", "LeftVertical", "RightVertical")
            top, bottom, left, right = (int(dataset[f"Shutter{edge}Edge"].value) - 1 for edge in edges)
            box = (top + 1, bottom - 1, left + 1, right - 1)  # the edges themselves are hidden
        if "CIRCULAR" in shapes:
            row, column = (float(part) - 1 for part in dataset.CenterOfCircularShutter)
            circle = (row, column, float(dataset.RadiusOfCircularShutter))
        if "POLYGONAL" in shapes:
            numbers = [float(part) - 1 for part in dataset.VerticesOfThePolygonalShutter]
            polygon = tuple(zip(numbers[::2], numbers[1::2], strict=True))
        spacing = [float(part) for part in dataset.get("PixelSpacing") or dataset.get("ImagerPixelSpacing") or ()]
        aspect = [float(part) for part in dataset.get("PixelAspectRatio") or ()]
    except (AttributeError, KeyError, TypeError, ValueError):
        return None
    if box is None and circle is None and len(polygon) < 3:
        return None
    pair = spacing if len(spacing) == 2 else aspect
    return Shutter(
        box=box, circle=circle, polygon=polygon, aspect=pair[0] / pair[1] if len(pair) == 2 and min(pair) > 0 else 1.0
    )
