"""Convert color samples to RGB (PS3.3 section C.7.6.3.1.2)."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from napari_dicommeta.support.errors import DecodeError

__all__ = ["AS_STORED", "SUBSAMPLED", "color_dtype", "color_space", "to_rgb"]

AS_STORED = frozenset(("RGB", "YBR_RCT", "YBR_ICT", "ARGB", "MONOCHROME1", "MONOCHROME2", ""))
"""Photometric interpretations of several samples that are red, green and blue once decoded.

The component transforms of YBR_RCT and YBR_ICT are part of a JPEG 2000 codestream. An image of three samples that
calls itself monochrome is taken for RGB.
"""
FULL = frozenset(("YBR_FULL", "YBR_FULL_422"))
PARTIAL = frozenset(("YBR_PARTIAL_422", "YBR_PARTIAL_420"))
SUBSAMPLED = frozenset(("YBR_FULL_422", "YBR_PARTIAL_422"))
"""Photometric interpretations whose native pixels share their chrominance in twos."""
RED, BLUE = 0.299, 0.114
GREEN = 1 - RED - BLUE
"""The weights of the primaries in luminance (ITU-R BT.601)."""


def color_dtype(bits_stored: int) -> np.dtype:
    """Return the dtype of RGB samples: uint8 for up to 8 bits stored, otherwise uint16.

    Samples keep their stored values, 0 … 2^bits - 1: a sample of 12 bits is not stretched to 16.
    """
    return np.dtype(np.uint8 if bits_stored <= 8 else np.uint16)


def color_space(photometric: str, stated: str = "") -> str:
    """Return the color space of decoded samples: "RGB", "YBR_FULL" or "YBR_PARTIAL".

    `photometric` is (0028,0004) *Photometric Interpretation*. `stated` is the space that a codestream states, "RGB",
    "YBR" or "", which takes precedence.

    Raises
    ------
    DecodeError
        If the colors are none of these, such as the retired HSV and CMYK.
    """
    if stated == "RGB":
        return "RGB"
    if photometric in PARTIAL:
        return "YBR_PARTIAL"
    if stated == "YBR" or photometric in FULL:
        return "YBR_FULL"
    if photometric in AS_STORED:
        return "RGB"
    raise DecodeError(f"no conversion from {photometric[:16]} to RGB")


def to_rgb(samples: np.ndarray, space: str, bits: int) -> np.ndarray:
    """Return samples of a space of `color_space` as RGB: the same shape (rows, columns, 3) and dtype.

    `samples` are unsigned with `bits` significant bits. Results are rounded, and limited to 0 … 2^bits - 1.
    """
    if space == "RGB":
        return samples
    brightness, red, green_blue, green_red, blue = _tables(space, bits)
    top = (1 << bits) - 1
    if samples.dtype.itemsize * 8 > bits:
        samples = np.minimum(samples, top)
    luma, cb, cr = (samples[..., n] for n in range(3))
    luma = brightness[luma]
    out = np.empty(samples.shape, samples.dtype)
    for n, value in enumerate((red[cr], green_blue[cb] + green_red[cr], blue[cb])):
        value += luma
        # The tables of luminance contain the half that makes cutting off the fraction a rounding.
        out[..., n] = np.clip(value, 0, top, out=value)
    return out


@lru_cache(maxsize=8)
def _tables(space: str, bits: int) -> tuple[np.ndarray, ...]:
    """Return float32 tables of 2^bits entries.

    They are the shares of Y in each color, Cr in red, Cb in green, Cr in green and Cb in blue.
    """
    unit = (1 << bits) / 256
    values = np.arange(1 << bits, dtype=np.float64)
    middle = 1 << (bits - 1)
    if space == "YBR_PARTIAL":  # Y from 16 to 235, Cb and Cr from 16 to 240 in 8 bits
        top = (1 << bits) - 1
        brightness = (values - 16 * unit) * (top / (219 * unit))
        chroma = (values - middle) * (top / (224 * unit))
    else:
        brightness, chroma = values, values - middle
    red, blue = 2 * (1 - RED), 2 * (1 - BLUE)
    tables = (
        brightness + 0.5,
        red * chroma,
        -blue * BLUE / GREEN * chroma,
        -red * RED / GREEN * chroma,
        blue * chroma,
    )
    return tuple(table.astype(np.float32) for table in tables)
