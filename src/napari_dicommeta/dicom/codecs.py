"""Decode a compressed frame with imagecodecs: our own choice of codecs, never a plugin that pydicom finds.

All compressed pixel data passes through `decode_frame`. It takes bytes and a few numbers and returns an array, so it
can run in any thread or process. The codestream says which codec it needs, and its size and precision are compared with
the image's before that codec allocates anything. No codec detects damage inside lossless data, and neither does this
module.
"""

from __future__ import annotations

import logging
import struct
import zlib
from itertools import pairwise
from typing import Any

import numpy as np

from napari_dicommeta.dicom.codestream import (
    DCT_KINDS,
    Codestream,
    codestream_kind,
    has_end,
    may_end_early,
    raw_codestream,
    read_codestream,
)
from napari_dicommeta.dicom.native import PACKED, unpack_samples
from napari_dicommeta.dicom.uids import DEFLATED_FRAME, HTJ2K, JPEG_2000, JPEG_DCT, JPEG_LOSSLESS, JPEG_LS, RLE
from napari_dicommeta.support.errors import DecodeError
from napari_dicommeta.support.log import log_fault

__all__ = ["MAX_FRAME", "decode_frame", "frame_header", "inflate_frame"]

DECODED = JPEG_DCT | JPEG_LOSSLESS | JPEG_LS | JPEG_2000 | HTJ2K | {RLE, DEFLATED_FRAME}

MAX_FRAME = 1 << 30
"""The most bytes of one decoded frame: what a small file may allocate."""


def decode_frame(
    data: bytes,
    transfer_syntax: str,
    rows: int,
    columns: int,
    samples: int = 1,
    bits_allocated: int = 16,
    as_rgb: bool = False,
    header: tuple[Codestream | None, str] | None = None,
) -> np.ndarray:
    """Return the stored samples of one compressed frame: shape (rows, columns), or (rows, columns, samples) for color.

    The codec is that of the codestream, and that of the transfer syntax only for bytes that do not say what they are.
    The dtype is the codestream's: uint8, uint16 or int16, uint32 or int32. Colors are ordered by pixel, whatever the
    image's *Planar Configuration* (PS3.5 section 8.2). They stay as they were compressed: YBR stays YBR, except in
    JPEG 2000, whose component transform is part of the codestream (PS3.5 section A.4). `as_rgb` converts YBR samples of
    JPEG with losses to RGB. `header` is that of `frame_header`, where it is known.

    Raises
    ------
    DecodeError
        If neither names a codec, the sizes of codestream and image differ, the codestream is cut and is no image
        then, or the codec fails.
    """
    kind = transfer_syntax
    try:
        stream, kind = header or frame_header(data, transfer_syntax)
        if stream is not None:
            _check_size(stream, rows, columns, samples, bits_allocated)
            if not may_end_early(kind) and not has_end(data):
                raise DecodeError(f"the codestream ends early: {len(data):,} bytes without an end marker")
        elif kind not in ("rle", "deflated"):
            raise DecodeError(
                f"the bytes are no codestream of the transfer syntax {transfer_syntax}"
                if transfer_syntax in DECODED
                else f"no decoder for the transfer syntax {transfer_syntax}"
            )
        array = _decode(data, kind, rows, columns, samples, bits_allocated, as_rgb)
    except DecodeError:
        raise
    except Exception as error:
        log_fault("decoding a frame", error, logging.DEBUG)
        raise DecodeError(f"{type(error).__name__} while decoding {kind or transfer_syntax}") from error
    expected = (rows, columns) if samples == 1 else (rows, columns, samples)
    if array.shape != expected:
        raise DecodeError(f"the codestream holds {array.shape} samples, the image {expected}")
    return np.asarray(array)


def frame_header(data: bytes, transfer_syntax: str) -> tuple[Codestream | None, str]:
    """Return the header of a codestream, None for other bytes, and its kind.

    The kind is what the bytes state, or else the transfer syntax; "" if neither does.

    Raises
    ------
    DecodeError
        If the header is damaged.
    """
    stream = read_codestream(data)
    if stream is not None:
        return stream, stream.kind
    return None, codestream_kind(data) or {RLE: "rle", DEFLATED_FRAME: "deflated"}.get(transfer_syntax, "")


def _decode(
    data: bytes, kind: str, rows: int, columns: int, samples: int, bits_allocated: int, as_rgb: bool
) -> np.ndarray:
    import imagecodecs

    if kind == "rle":
        return _rle(data, rows, columns, samples, bits_allocated)
    if kind == "deflated":
        return _deflated(data, rows, columns, samples, bits_allocated)
    if kind == "jpeg-lossless":
        if (coded := _scan_bytes(data)) * 8 < rows * columns * samples:
            raise DecodeError(f"{coded} coded bytes are too few: each pixel takes at least one bit")
        if samples == 1:
            return _array(imagecodecs.ljpeg_decode(data))
        if samples == 3:  # jpegsof3 returns what it has not decoded as whatever was in memory
            return _array(imagecodecs.jpeg8_decode(data, colorspace="YCBCR", outcolorspace="YCBCR"))
        return _array(imagecodecs.jpegsof3_decode(data))
    if kind in DCT_KINDS:
        out = "RGB" if as_rgb else "YCBCR"
        space: dict[str, Any] = {"colorspace": "YCBCR", "outcolorspace": out} if samples == 3 else {}
        return _array(imagecodecs.jpeg8_decode(data, **space))
    if kind in ("jpeg-ls", "jpeg-ls-near"):
        return _array(imagecodecs.jpegls_decode(data))
    if kind in ("jpeg-2000", "jpeg-2000-lossy"):
        return _array(imagecodecs.jpeg2k_decode(raw_codestream(data)))
    if kind in ("htj2k", "htj2k-lossy"):
        return _array(imagecodecs.htj2k_decode(raw_codestream(data)))
    raise DecodeError(f"no decoder for {kind}")


def _array(decoded: Any) -> np.ndarray:
    """Return decoded samples as a C-contiguous array."""
    return np.ascontiguousarray(decoded)


def _check_size(stream: Codestream, rows: int, columns: int, samples: int, bits_allocated: int) -> None:
    """Raise DecodeError if the codestream's header differs from the image in size, or has more bits."""
    if (stream.rows, stream.columns, stream.samples) != (rows, columns, samples):
        raise DecodeError(
            f"the codestream is {stream.columns} × {stream.rows} with {stream.samples} components, "
            f"the image {columns} × {rows} with {samples}"
        )
    allowed = 8 * PACKED.get(bits_allocated, bits_allocated // 8)
    if stream.bits > allowed:
        raise DecodeError(f"the codestream has {stream.bits} bits per sample, the image {bits_allocated}")


def _scan_bytes(data: bytes) -> int:
    """Count the bytes after the header of a JPEG's first scan."""
    start = data.find(b"\xff\xda")
    if start < 0 or start + 4 > len(data):
        return 0
    (length,) = struct.unpack_from(">H", data, start + 2)
    end = len(data.rstrip(b"\0").removesuffix(b"\xff\xd9"))
    return max(0, end - (start + 2 + int(length)))


def _rle(data: bytes, rows: int, columns: int, samples: int, bits_allocated: int) -> np.ndarray:
    """Decode an RLE frame: one packed segment per byte of each sample, most significant byte first (PS3.5 Annex G).

    A sample of one bit takes a byte; writers that pack eight of them into a byte are understood too.
    """
    import imagecodecs

    size = -(-bits_allocated // 8)
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
        segment = np.frombuffer(imagecodecs.packbits_decode(data[start:stop], out=rows * columns + 2), np.uint8)
        packed = -(-rows * columns // 8)
        if bits_allocated == 1 and packed <= len(segment) <= packed + 1 and len(segment) < rows * columns:
            segment = unpack_samples(segment, 0, rows * columns, 1)
        if len(segment) < rows * columns:
            raise DecodeError(f"an RLE segment holds {len(segment)} of {rows * columns} samples")
        planes[i // size, size - 1 - i % size] = segment[: rows * columns]
    array = np.ascontiguousarray(planes.transpose(2, 0, 1)).view(f"<u{size}")[..., 0]
    return array.reshape(rows, columns) if samples == 1 else array.reshape(rows, columns, samples)


def inflate_frame(data: bytes, *expected: int) -> np.ndarray:
    """Return the bytes of a deflated native frame, uint8, of one of the `expected` lengths (PS3.5 section A.4.12).

    Raises
    ------
    DecodeError
        If the stream is damaged, or holds another number of bytes; one byte of padding is allowed.
    """
    try:
        raw = zlib.decompressobj(-15).decompress(data, max(expected) + 2)
    except zlib.error as error:
        raise DecodeError("the deflated frame is damaged") from error
    for length in expected:
        if length <= len(raw) <= length + 1:
            return np.frombuffer(raw, np.uint8, length)
    raise DecodeError(f"the deflated frame holds {len(raw)} bytes, {max(expected)} were expected")


def _deflated(data: bytes, rows: int, columns: int, samples: int, bits_allocated: int) -> np.ndarray:
    """Decode a deflated native frame of one plane, or of colors by pixel."""
    count = rows * columns * samples
    octets = inflate_frame(data, -(-count * bits_allocated // 8))
    if bits_allocated in PACKED:
        array = unpack_samples(octets, 0, count, bits_allocated)
    else:
        array = octets.view(f"<u{bits_allocated // 8}")
    return array.reshape(rows, columns) if samples == 1 else array.reshape(rows, columns, samples)
