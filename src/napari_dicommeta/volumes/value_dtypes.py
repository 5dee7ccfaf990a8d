"""The dtype of modality values: one that holds each whole number exactly, in as few bytes as possible."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_dicommeta.support.sorting import sorted_unique
from napari_dicommeta.volumes.transforms import AIR, INT16

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_dicommeta.dicom.pixel_format import PixelFormat
    from napari_dicommeta.volumes.transforms import Transform, Transforms

__all__ = ["rounds_whole_numbers", "value_dtype"]

_FLOAT32, _FLOAT64 = np.dtype(np.float32), np.dtype(np.float64)
WHOLE_FLOAT64 = 1 << 53
"""Up to this number, float64 holds each whole number."""
_WHOLE = (
    (_FLOAT32, -(1 << 24), 1 << 24),
    (np.dtype(np.int32), -(1 << 31), (1 << 31) - 1),
    (np.dtype(np.uint32), 0, (1 << 32) - 1),
    (_FLOAT64, -WHOLE_FLOAT64, WHOLE_FLOAT64),
)
"""Dtypes that are tried after int16, each with the smallest and the largest of the whole numbers that it holds."""


def value_dtype(
    formats: Sequence[PixelFormat], format_ids: np.ndarray, transforms: Transforms, padding: str, units: str
) -> np.dtype:
    """Return the dtype of the modality values of frames with these formats and transforms.

    It is int16 if every possible value is whole and in range, and the first of float32, int32, uint32 and float64 that
    holds every possible whole number exactly; whole numbers of 64 bits that are not rescaled keep their dtype. With a
    fraction in a slope or intercept it is float32, whose rounding of 6e-8 of a value is finer than any measurement;
    64-bit floats are float64. `padding` is that of `load`. In HU, signed 16-bit images with a negative intercept are
    int16 too, see `Transform.floor`.
    """
    pairs = _pairs(formats, format_ids, transforms)
    kinds = {form.dtype for form, _ in pairs}
    if _FLOAT64 in kinds:
        return _FLOAT64
    ends = [_whole_ends(form, transform) for form, transform in pairs]
    if padding != "nan" and all(
        _fits_int16(form, transform, span, units == "HU") for (form, transform), span in zip(pairs, ends, strict=True)
    ):
        return np.dtype(np.int16)
    spans = [span for span in ends if span is not None]
    if len(spans) < len(ends):
        return _FLOAT32
    low, high = min(span[0] for span in spans), max(span[1] for span in spans)
    if padding == "air" and units == "HU":
        low = min(low, int(AIR))
    dtypes = [dtype for dtype, first, last in _WHOLE if first <= low and high <= last]
    if padding == "nan":
        dtypes = [dtype for dtype in dtypes if dtype.kind == "f"]
    if not dtypes and padding == "keep" and len(kinds) == 1 and all(_is_identity(transform) for _, transform in pairs):
        return kinds.pop()
    return dtypes[0] if dtypes else _FLOAT64


def rounds_whole_numbers(
    formats: Sequence[PixelFormat], format_ids: np.ndarray, transforms: Transforms, padding: str
) -> bool:
    """Return whether `value_dtype` cannot hold all values of images with whole numbers of more than 53 bits."""
    if all(form.bits_stored <= 53 for form in formats) or value_dtype(formats, format_ids, transforms, padding, "") != (
        _FLOAT64
    ):
        return False
    spans = [_whole_ends(form, transform) for form, transform in _pairs(formats, format_ids, transforms)]
    return any(span is not None and max(-span[0], span[1]) > WHOLE_FLOAT64 for span in spans)


def _pairs(
    formats: Sequence[PixelFormat], format_ids: np.ndarray, transforms: Transforms
) -> list[tuple[PixelFormat, Transform]]:
    """Return the distinct pairs of format and transform of the frames."""
    n = len(transforms.distinct)
    if n == len(formats) == 1:
        return [(formats[0], transforms.distinct[0])]
    pairs = sorted_unique(format_ids.astype(np.int64) * n + transforms.ids).tolist()
    return [(formats[pair // n], transforms.distinct[pair % n]) for pair in pairs]


def _is_identity(transform: Transform) -> bool:
    return transform.table is None and (transform.slope, transform.intercept) == (1, 0)


def _whole_ends(form: PixelFormat, transform: Transform) -> tuple[int, int] | None:
    """Return the smallest and the largest possible modality value, None if some are no whole numbers."""
    if form.dtype.kind == "f":
        return None
    if transform.table is not None:
        return 0, int(transform.table.values.max(initial=0))
    if not (transform.slope.is_integer() and transform.intercept.is_integer()):
        return None
    slope, intercept = int(transform.slope), int(transform.intercept)
    low, high = sorted(value * slope + intercept for value in form.stored_range)
    return low, high


def _fits_int16(form: PixelFormat, transform: Transform, ends: tuple[int, int] | None, may_saturate: bool) -> bool:
    """Return whether int16 holds all modality values, and slope and intercept, with which they are computed."""
    if ends is None:
        return False
    if transform.table is not None:
        return ends[1] <= INT16.max
    fits = ends[0] >= INT16.min or (may_saturate and transform.floor(form) is not None)
    fits &= ends[1] <= INT16.max and abs(transform.slope) <= INT16.max
    return bool(fits and INT16.min <= transform.intercept <= INT16.max)
