"""PNG files of small pictures (W3C Portable Network Graphics), without a library for images."""

from __future__ import annotations

import struct
import zlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

__all__ = ["png_of"]

GRAY, RGB = 0, 2
"""Color types."""


def png_of(picture: np.ndarray) -> bytes:
    """Return the PNG file of `picture`, uint8 of shape (rows, columns) or (rows, columns, 3).

    Raises
    ------
    ValueError
        If the picture has another dtype or shape, or no pixel.
    """
    is_image = picture.ndim == 2 or (picture.ndim == 3 and picture.shape[2] == 3)
    if picture.dtype != "uint8" or not is_image or not picture.size:
        raise ValueError(
            f"uint8 of shape (rows, columns) or (rows, columns, 3) is needed, not {picture.dtype} of "
            f"shape {picture.shape}"
        )
    rows, columns = picture.shape[:2]
    lines = b"".join(b"\0" + picture[row].tobytes() for row in range(rows))  # 0: a line is stored as it is
    header = struct.pack(">IIBBBBB", columns, rows, 8, RGB if picture.ndim == 3 else GRAY, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(lines)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(kind, data) for kind, data in chunks)


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
