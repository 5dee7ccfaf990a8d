"""Decode a compressed frame with imagecodecs, directly or as a plugin of pydicom's decoders.

All compressed pixel data passes through `decode_frame`. It takes bytes and a few numbers and returns an array, so it
can run in any thread or process. The size in the codestream is compared with the image's before a codec allocates
anything. No codec detects damage inside lossless data, and neither does this module.
"""

from __future__ import annotations

import logging
import struct
import zlib
from itertools import pairwise
from typing import Any

import numpy as np

from napari_dicommeta.dicom.uids import DEFLATED_FRAME, HTJ2K, JPEG_2000, JPEG_DCT, JPEG_LOSSLESS, JPEG_LS, RLE
from napari_dicommeta.support.errors import DecodeError
from napari_dicommeta.support.log import log_fault

__all__ = ["decode_for_pydicom", "decode_frame", "is_available", "register_with_pydicom"]

DECODED = JPEG_DCT | JPEG_LOSSLESS | JPEG_LS | JPEG_2000 | HTJ2K | {RLE, DEFLATED_FRAME}

DECODER_DEPENDENCIES = dict.fromkeys(DECODED, ("imagecodecs",))
"""Read by pydicom, which requires it of a plugin."""


def decode_frame(
    data: bytes, transfer_syntax: str, rows: int, columns: int, samples: int = 1, bits_allocated: int = 16
) -> np.ndarray:
    """Return the stored samples of one compressed frame: shape (rows, columns), or (rows, columns, samples) for color.

    The dtype is the codestream's: uint8, uint16 or int16, uint32 or int32. Colors stay as they were compressed: YBR
    stays YBR, except in JPEG 2000, whose component transform is part of the codestream (PS3.5 section A.4).

    Raises
    ------
    DecodeError
        If the transfer syntax is unknown, the sizes of codestream and image differ, or the codec fails.
    """
    import imagecodecs

    try:
        if transfer_syntax == RLE:
            return _rle(data, rows, columns, samples, bits_allocated)
        if transfer_syntax == DEFLATED_FRAME:
            return _deflated(data, rows, columns, samples, bits_allocated)
        _check_size(data, rows, columns, samples)
        if transfer_syntax in JPEG_LOSSLESS and (coded := _scan_bytes(data)) * 8 < rows * columns * samples:
            raise DecodeError(f"{coded} coded bytes are too few: each pixel takes at least one bit")
        if transfer_syntax in JPEG_LOSSLESS:
            array = imagecodecs.ljpeg_decode(data) if samples == 1 else imagecodecs.jpegsof3_decode(data)
        elif transfer_syntax in JPEG_DCT:
            space: dict[str, Any] = {"colorspace": "YCBCR", "outcolorspace": "YCBCR"} if samples == 3 else {}
            array = imagecodecs.jpeg8_decode(data, **space)
        elif transfer_syntax in JPEG_LS:
            array = imagecodecs.jpegls_decode(data)
        elif transfer_syntax in JPEG_2000:
            array = imagecodecs.jpeg2k_decode(data)
        elif transfer_syntax in HTJ2K:
            array = imagecodecs.htj2k_decode(data)
        else:
            raise DecodeError(f"no decoder for the transfer syntax {transfer_syntax}")
    except DecodeError:
        raise
    except Exception as error:
        log_fault("decoding a frame", error, logging.DEBUG)
        raise DecodeError(f"{type(error).__name__} while decoding transfer syntax {transfer_syntax}") from error
    expected = (rows, columns) if samples == 1 else (rows, columns, samples)
    if array.shape != expected:
        raise DecodeError(f"the codestream holds {array.shape} samples, the image {expected}")
    return np.asarray(array)


def _check_size(data: bytes, rows: int, columns: int, samples: int) -> None:
    """Raise DecodeError if the size in the codestream's header differs from the image's."""
    size = _codestream_size(data)
    if size is not None and size != (rows, columns, samples):
        height, width, components = size
        raise DecodeError(
            f"the codestream is {width} × {height} with {components} components, the image {columns} × {rows} "
            f"with {samples}"
        )


def _codestream_size(data: bytes) -> tuple[int, int, int] | None:
    """Return (height, width, components) from a JPEG, JPEG-LS or JPEG 2000 header; None for other data."""
    if data[:4] == b"\xff\x4f\xff\x51":
        if len(data) < 42:
            raise DecodeError("the JPEG 2000 header is cut off")
        right, lower, left, upper = struct.unpack_from(">4L", data, 8)
        (components,) = struct.unpack_from(">H", data, 40)
        return lower - upper, right - left, components
    if data[:2] != b"\xff\xd8":
        return None
    position = 2
    while position + 9 <= len(data):
        if data[position] != 0xFF:
            position += 1
            continue
        marker = data[position + 1]
        if marker == 0xFF:
            position += 1
        elif (0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC)) or marker == 0xF7:
            height, width, components = struct.unpack_from(">HHB", data, position + 5)
            return height, width, components
        elif marker == 0xD8 or marker == 0x01 or 0xD0 <= marker <= 0xD7:
            position += 2
        else:
            position += 2 + struct.unpack_from(">H", data, position + 2)[0]
    raise DecodeError("the JPEG codestream has no frame header")


def _scan_bytes(data: bytes) -> int:
    """Count the bytes after the header of a JPEG's first scan."""
    start = data.find(b"\xff\xda")
    if start < 0 or start + 4 > len(data):
        return 0
    (length,) = struct.unpack_from(">H", data, start + 2)
    end = len(data.rstrip(b"\0").removesuffix(b"\xff\xd9"))
    return max(0, end - (start + 2 + int(length)))


def _rle(data: bytes, rows: int, columns: int, samples: int, bits_allocated: int) -> np.ndarray:
    """Decode an RLE frame: one packed segment per byte of each sample, most significant byte first (PS3.5 Annex G)."""
    import imagecodecs

    size = bits_allocated // 8
    if len(data) < 64:
        raise DecodeError(f"the RLE frame has {len(data)} bytes, fewer than its header")
    count, *offsets = struct.unpack_from("<16L", data)
    if count != samples * size:
        raise DecodeError(f"the RLE frame has {count} segments, {samples * size} were expected")
    planes = np.empty((samples, size, rows * columns), dtype=np.uint8)
    bounds = [*offsets[:count], len(data)]
    for i, (start, stop) in enumerate(pairwise(bounds)):
        if not 64 <= start <= stop <= len(data):
            raise DecodeError("an RLE segment lies outside its frame")
        segment = imagecodecs.packbits_decode(data[start:stop], out=rows * columns + 2)
        if len(segment) < rows * columns:
            raise DecodeError(f"an RLE segment holds {len(segment)} of {rows * columns} samples")
        planes[i // size, size - 1 - i % size] = np.frombuffer(segment, np.uint8, rows * columns)
    array = np.ascontiguousarray(planes.transpose(2, 0, 1)).view(f"<u{size}")[..., 0]
    return array.reshape(rows, columns) if samples == 1 else array.reshape(rows, columns, samples)


def _deflated(data: bytes, rows: int, columns: int, samples: int, bits_allocated: int) -> np.ndarray:
    """Decode a deflated native frame (PS3.5 section A.4.12)."""
    expected = rows * columns * samples * bits_allocated // 8
    raw = zlib.decompressobj(-15).decompress(data, expected + 2)
    if not expected <= len(raw) <= expected + 1:
        raise DecodeError(f"the deflated frame holds {len(raw)} bytes, {expected} were expected")
    array = np.frombuffer(raw, f"<u{bits_allocated // 8}", rows * columns * samples)
    return array.reshape(rows, columns) if samples == 1 else array.reshape(rows, columns, samples)


def is_available(uid: str) -> bool:
    """Return whether `decode_frame` can decode the transfer syntax; pydicom requires this function of a plugin."""
    return str(uid) in DECODED


def decode_for_pydicom(src: bytes, runner: Any) -> bytes:
    """Decode a frame for pydicom: return its samples as little endian bytes, color by pixel."""
    array = decode_frame(
        src, str(runner.transfer_syntax), runner.rows, runner.columns, runner.samples_per_pixel, runner.bits_allocated
    )
    runner.set_option("bits_allocated", array.dtype.itemsize * 8)
    if runner.samples_per_pixel > 1:
        runner.set_option("planar_configuration", 0)
        if str(runner.photometric_interpretation) in ("YBR_ICT", "YBR_RCT"):
            runner.set_option("photometric_interpretation", "RGB")
        elif str(runner.photometric_interpretation) == "YBR_FULL_422":
            runner.set_option("photometric_interpretation", "YBR_FULL")
    return array.astype(array.dtype.newbyteorder("<"), copy=False).tobytes()


def register_with_pydicom() -> None:
    """Add `decode_for_pydicom` as a plugin to each of pydicom's decoders it supports; repeated calls do nothing."""
    from pydicom.pixels import decoders
    from pydicom.pixels.decoders.base import Decoder

    for decoder in vars(decoders).values():
        if isinstance(decoder, Decoder) and is_available(decoder.UID) and "dicommeta" not in decoder.available_plugins:
            decoder.add_plugin("dicommeta", (__name__, "decode_for_pydicom"))
