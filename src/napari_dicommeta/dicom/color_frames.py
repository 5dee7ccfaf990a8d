"""Read one color frame of a large multi-frame file, without reading the frames before it."""

from __future__ import annotations

import os
import struct

import numpy as np

from napari_dicommeta.dicom.codecs import decode_frame
from napari_dicommeta.dicom.frame_index import frame_bytes
from napari_dicommeta.dicom.header import OPEN_FLAGS, pread
from napari_dicommeta.dicom.pixels import PixelFormat, read_color
from napari_dicommeta.dicom.uids import BIG_ENDIAN, DEFLATED, JPEG_DCT, JPEG_LOSSLESS, JPEG_LS
from napari_dicommeta.support.errors import DecodeError, PixelError

__all__ = ["is_plain_color", "read_color_frame"]

_JPEG = JPEG_DCT | JPEG_LOSSLESS | JPEG_LS
_CONVERTED = ("YBR_ICT", "YBR_RCT")
"""Colors that the decoder of JPEG 2000 gives as RGB."""


def is_plain_color(pixel_format: PixelFormat) -> bool:
    """Return whether `read_color_frame` reads frames of this format itself: whole bytes of RGB, or 8 bits of YBR."""
    form = pixel_format
    if form.samples != 3 or form.signed or form.bits_stored != form.bits_allocated or form.pixel_tag != 0x7FE00010:
        return False
    if form.transfer_syntax == DEFLATED or form.bits_allocated not in (8, 16):
        return False
    if form.photometric == "RGB" or (form.photometric in _CONVERTED and not form.is_native):
        return True
    is_ybr = form.photometric == "YBR_FULL" or (form.photometric == "YBR_FULL_422" and not form.is_native)
    return is_ybr and form.bits_allocated == 8


def read_color_frame(
    path: str, offset: int, frame: int, pixel_format: PixelFormat, is_planar: bool = False
) -> np.ndarray:
    """Return one color frame as RGB: shape (rows, columns, 3), uint8 or uint16.

    `offset` is the start of the file's pixel data. `is_planar`: *Planar Configuration* is 1, so that each color of an
    uncompressed frame is stored for itself (PS3.3 section C.7.6.3.1.3). Unusual formats are read by
    `pixels.read_color`.

    Raises
    ------
    PixelError
        If the frame cannot be read or decoded.
    """
    form = pixel_format
    if not is_plain_color(form):
        return read_color(path, frame)
    is_ybr = form.photometric in ("YBR_FULL", "YBR_FULL_422")
    try:
        if form.is_native:
            colors = _native(path, offset + frame * form.frame_bytes, form, is_planar)
        else:
            data = frame_bytes(path, offset, frame, form.frames)
            colors = decode_frame(data, form.transfer_syntax, form.rows, form.columns, 3, form.bits_allocated)
            if colors.dtype != form.dtype:
                raise DecodeError(f"the codestream has samples of {colors.dtype}, the image of {form.dtype}")
            if form.transfer_syntax in _JPEG:
                is_ybr = _holds_ybr(data, is_ybr)
    except DecodeError as error:
        raise PixelError(path, f"frame {frame + 1}: {error}") from error
    except OSError as error:
        raise PixelError(path, error.strerror or type(error).__name__) from error
    if is_ybr and colors.dtype == np.uint8:
        from pydicom.pixels.processing import convert_color_space

        return np.asarray(convert_color_space(colors, "YBR_FULL", "RGB"))
    return colors


def _holds_ybr(data: bytes, is_stated: bool) -> bool:
    """Return whether a JPEG or JPEG-LS codestream holds YBR: its own marks count more than what the file states.

    Components named R, G and B are RGB, a JFIF segment marks YBR.
    """
    position, is_jfif = 2, False
    while position + 10 <= len(data) and data[position] == 0xFF:
        marker = data[position + 1]
        (length,) = struct.unpack_from(">H", data, position + 2)
        if marker == 0xF7 or (0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC)):
            components = data[position + 10 : position + 2 + length : 3].lower()
            return components != b"rgb" and (is_stated or is_jfif)
        is_jfif |= 0xE0 <= marker <= 0xEF and data.startswith(b"JFIF", position + 4)
        position += 2 + int(length)
    return is_stated


def _native(path: str, start: int, form: PixelFormat, is_planar: bool) -> np.ndarray:
    descriptor = os.open(path, OPEN_FLAGS)
    try:
        raw = pread(descriptor, form.frame_bytes, start)
    finally:
        os.close(descriptor)
    if len(raw) < form.frame_bytes:
        raise DecodeError(f"{len(raw)} of {form.frame_bytes} bytes of pixel data are present")
    stored = np.frombuffer(raw, form.dtype.newbyteorder(">" if form.transfer_syntax == BIG_ENDIAN else "<"))
    stored = stored.astype(form.dtype, copy=False)
    if is_planar:
        return np.moveaxis(stored.reshape(3, form.rows, form.columns), 0, -1)
    return stored.reshape(form.rows, form.columns, 3)
