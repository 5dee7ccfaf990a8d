"""Read native samples: bytes of a file, samples packed in bits, and the order of color samples (PS3.5 section 8).

Files are read straight into the result where that is possible, deflated data sets through `inflated`.
"""

from __future__ import annotations

import numpy as np

from napari_dicommeta.dicom.inflated import read_inflated
from napari_dicommeta.files.opening import open_file
from napari_dicommeta.support.errors import DecodeError

__all__ = ["PACKED", "by_pixel", "expand_422", "read_native", "unpack_samples"]

PACKED = {1: 1, 12: 2}
"""Bits allocated that are not whole bytes -> bytes per sample once unpacked."""


def read_native(path: str, start: int, out: np.ndarray, is_deflated: bool) -> None:
    """Fill `out`, a C-contiguous array of any dtype, with the bytes at `start` of the (inflated) file.

    Raises
    ------
    DecodeError
        If the file ends before `out` is full; the text has both numbers.
    OSError
        If the file cannot be read.
    """
    octets = out.reshape(-1).view(np.uint8)
    if is_deflated:
        raw = read_inflated(path, start, out.nbytes)
        done = len(raw)
        octets[:done] = np.frombuffer(raw, np.uint8)
    else:
        with open_file(path) as file:
            done = file.read_into(memoryview(octets.data), start)
    if done < out.nbytes:
        raise DecodeError(f"{done} of {out.nbytes} bytes of pixel data are present")


def unpack_samples(octets: np.ndarray, first: int, count: int, bits: int) -> np.ndarray:
    """Return `count` samples of 1 or 12 bits from the bit `first` on, shape (count,), uint8 or uint16.

    Samples are packed from the least significant bit of a byte on, without gaps (PS3.5 section 8.1.1).

    Raises
    ------
    DecodeError
        If there are fewer samples; the text has both numbers.
    """
    unpacked = np.unpackbits(octets, bitorder="little")[first : first + count * bits]
    if len(unpacked) < count * bits:
        raise DecodeError(f"{len(unpacked) // bits} of {count} pixels of {bits} bits are present")
    if bits == 1:
        return unpacked
    padded = np.pad(unpacked.reshape(count, bits), ((0, 0), (0, 16 - bits)))
    words = np.packbits(padded, axis=1, bitorder="little").reshape(-1).view("<u2")
    return words.astype(np.uint16, copy=False)


def by_pixel(samples: np.ndarray, rows: int, columns: int, planes: int, is_planar: bool) -> np.ndarray:
    """Return color samples in file order as an array of shape (rows, columns, planes).

    `is_planar`: *Planar Configuration* 1, one plane after the other (PS3.3 section C.7.6.3.1.3).
    """
    if is_planar:
        return np.ascontiguousarray(samples.reshape(planes, rows, columns).transpose(1, 2, 0))
    return samples.reshape(rows, columns, planes)


def expand_422(samples: np.ndarray, rows: int, columns: int) -> np.ndarray:
    """Return subsampled native samples in full, shape (rows, columns, 3).

    Each two pixels of a row are stored as Y, Y, Cb, Cr and share the chrominance (PS3.3 section C.7.6.3.1.2).

    Raises
    ------
    DecodeError
        If a row has an odd number of pixels, which cannot be stored so.
    """
    if columns % 2:
        raise DecodeError(f"rows of {columns} pixels, an odd number, cannot be subsampled in twos")
    quads = samples.reshape(rows, columns // 2, 4)
    full = np.empty((rows, columns // 2, 2, 3), samples.dtype)
    full[..., 0] = quads[..., :2]
    full[..., 1:] = quads[..., np.newaxis, 2:]
    return full.reshape(rows, columns, 3)
