"""Read one frame: the stored samples of gray images, and the colors of color images as RGB.

Native frames are read straight into the result, compressed ones go through `codecs`, and all colors through `color` and
`palette`; pydicom decodes nothing. Bits above *Bits Stored* are cleared (PS3.5 section 8.1.1). All functions may run in
several threads. What is known of a file is kept in bounded caches until the file changes, so that n frames cost n.
"""

from __future__ import annotations

import logging
import sys
from hashlib import blake2b
from typing import TYPE_CHECKING

import numpy as np

from napari_dicommeta.dicom.codec_pool import decode_guarded
from napari_dicommeta.dicom.codec_worker import CodedFrame
from napari_dicommeta.dicom.codecs import inflate_frame
from napari_dicommeta.dicom.codestream import DCT_KINDS, LOSSY_KINDS, codestream_kind, read_codestream
from napari_dicommeta.dicom.color import SUBSAMPLED, color_dtype, color_space, to_rgb
from napari_dicommeta.dicom.fragments import frame_data
from napari_dicommeta.dicom.image_header import image_header
from napari_dicommeta.dicom.native import PACKED, by_pixel, expand_422, read_native, unpack_samples
from napari_dicommeta.dicom.pixel_format import FLOATS, PixelFormat
from napari_dicommeta.dicom.uids import BIG_ENDIAN, DEFLATED, DEFLATED_FRAME, LOSSY_CODECS
from napari_dicommeta.support.errors import DecodeError, PixelError
from napari_dicommeta.support.log import log_fault

if TYPE_CHECKING:
    from types import TracebackType

__all__ = ["PixelErrors", "read_color", "read_frame", "stored_digest"]


class PixelErrors:
    """Context that turns whatever reading a frame raises into a `PixelError` with its file and number.

    A generator in its place would take as long as a small frame.
    """

    __slots__ = ("_frame", "_path")

    def __init__(self, path: str, frame: int) -> None:
        self._path, self._frame = path, frame

    def __enter__(self) -> None:
        """Begin the context."""

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        """Raise the `PixelError` of what was raised, unless it is one."""
        if not isinstance(error, Exception) or isinstance(error, PixelError):
            return
        name, where = type(error).__name__, f"frame {self._frame + 1}: "
        if isinstance(error, DecodeError):
            reason = f"{where}{error}"
        elif isinstance(error, OSError):
            reason = error.strerror or name
        elif isinstance(error, MemoryError):
            reason = f"{where}there is not enough memory for it"
        else:
            log_fault("reading a frame", error, logging.WARNING)
            reason = f"{where}{name} while it was read"
        raise PixelError(self._path, reason) from error


def read_frame(
    path: str, offset: int, frame: int, pixel_format: PixelFormat, out: np.ndarray | None = None
) -> np.ndarray:
    """Return the stored samples of one gray frame: shape (rows, columns), dtype `PixelFormat.dtype`.

    Undefined bits are cleared (PS3.5 section 8.1.1). `offset` is the start of the file's pixel data
    (`PixelLocation.offset`). `out`, if given, is filled and returned: a C-contiguous array of the frame's shape and
    item size.

    Raises
    ------
    PixelError
        If the file cannot be read, is too short, or its frame cannot be decoded.
    """
    has_undefined = pixel_format.bits_allocated > 1 and pixel_format.bits_stored < pixel_format.dtype.itemsize * 8
    has_undefined = has_undefined and pixel_format.pixel_tag not in FLOATS
    with PixelErrors(path, frame):
        if pixel_format.is_native:
            stored = _read_native(path, offset, frame, pixel_format, out)
        else:
            data = frame_data(path, offset, frame, pixel_format.frames)
            stored = _as_format(_decode(data, pixel_format), pixel_format)
            if has_undefined:  # losses may exceed Bits Stored, and nothing is undefined
                is_lossy = pixel_format.transfer_syntax in LOSSY_CODECS or codestream_kind(data) in LOSSY_KINDS
                has_undefined = not is_lossy
    if has_undefined:
        _clear_undefined_bits(stored, pixel_format)
    if out is not None and stored is not out:
        out.view(stored.dtype)[...] = stored
        return out
    return stored


def read_color(
    path: str, offset: int, frame: int, pixel_format: PixelFormat, out: np.ndarray | None = None
) -> np.ndarray:
    """Return one color frame as RGB: shape (rows, columns, 3), uint8 or uint16.

    The dtype depends on the file alone: uint8 for up to 8 *Bits Stored*, otherwise uint16. Samples keep their stored
    values, 0 … 2^bits - 1; of more than 16 bits, the upper 16 are kept. Palette colors have the dtype of
    `palette.Palette`. YBR samples are converted (PS3.3 section C.7.6.3.1.2). *Planar Configuration* orders the samples
    of native and deflated frames only: RLE and all codestreams have an order of their own (PS3.5 section 8.2). `offset`
    is the start of the file's pixel data (`PixelLocation.offset`). `out`, if given, is filled and returned if it is
    C-contiguous and has the shape and dtype of the colors; otherwise a new array is returned.

    Raises
    ------
    PixelError
        If the file cannot be read, is too short, or its frame cannot be decoded or converted.
    """
    if out is not None and not out.flags.c_contiguous:
        out = None
    with PixelErrors(path, frame):
        colors = _read_color(path, offset, frame, pixel_format, out)
    if out is None or colors is out or (colors.shape, colors.dtype) != (out.shape, out.dtype):
        return colors
    out[...] = colors
    return out


def _read_color(path: str, offset: int, frame: int, form: PixelFormat, out: np.ndarray | None) -> np.ndarray:
    """Return the colors of a frame, in `out` only where that saves a copy."""
    if form.photometric == "PALETTE COLOR":
        palette = image_header(path, form.transfer_syntax).palette(form.signed)
        return palette.apply(read_frame(path, offset, frame, form))
    if form.bits_allocated not in (8, 16, 32) or form.samples < 3:
        raise DecodeError(f"colors of {form.samples} samples with {form.bits_allocated} bits allocated")
    if form.is_native:
        return _native_color(path, offset, frame, form, out)
    data = frame_data(path, offset, frame, form.frames)
    if form.transfer_syntax == DEFLATED_FRAME and codestream_kind(data) == "":
        lengths = [form.frame_bytes, form.frame_bytes * 2 // 3][: 1 + (form.photometric in SUBSAMPLED)]
        return _native_rgb(inflate_frame(data, *lengths), form, image_header(path, form.transfer_syntax).is_planar)
    return _compressed_color(data, form)


def stored_digest(path: str, offset: int, frame: int, pixel_format: PixelFormat) -> bytes:
    """Return a 16-byte digest of one frame's stored values, independent of the transfer syntax.

    For color frames it is the digest of the bytes in the file. An unreadable frame has a digest of its own.
    """
    try:
        with PixelErrors(path, frame):
            data = _digested(path, offset, frame, pixel_format)
    except PixelError:
        data = f"{path}\n{frame}".encode("utf-8", "surrogateescape")
    return blake2b(data, digest_size=16).digest()


def _digested(path: str, offset: int, frame: int, form: PixelFormat) -> bytes:
    if not form.is_color:
        return read_frame(path, offset, frame, form).tobytes()
    if not form.is_native:
        return frame_data(path, offset, frame, form.frames)
    octets = np.empty(_native_length(path, form), np.uint8)
    read_native(path, offset + frame * len(octets), octets, form.transfer_syntax == DEFLATED)
    return octets.tobytes()


def _decode(data: bytes, form: PixelFormat, as_rgb: bool = False) -> np.ndarray:
    size = (form.rows, form.columns, form.samples, form.bits_allocated)
    return decode_guarded(CodedFrame(data, form.transfer_syntax, *size, as_rgb))


def _compressed_color(data: bytes, form: PixelFormat) -> np.ndarray:
    """Return the RGB colors of an RLE frame or a codestream."""
    stream = read_codestream(data)
    if stream is None:
        samples = _significant(_decode(data, form), form)
        return _rgb(samples, color_space(form.photometric), form.bits_stored, form)
    space = color_space(form.photometric, stream.space)
    if space == "YBR_FULL" and stream.kind in DCT_KINDS:  # the codec is faster, and rounds the same
        return _rgb(_decode(data, form, as_rgb=True), "RGB", stream.bits, form)
    return _rgb(_decode(data, form), space, stream.bits, form)


def _native_color(path: str, offset: int, frame: int, form: PixelFormat, out: np.ndarray | None) -> np.ndarray:
    """Return the RGB colors of a native frame, read into `out` if they are stored like it."""
    header, length = image_header(path, form.transfer_syntax), _native_length(path, form)
    is_plain = form.samples == 3 and form.bits_stored == form.bits_allocated == 8 and not header.is_planar
    is_plain = is_plain and not header.swaps_bytes and color_space(form.photometric) == "RGB"
    if is_plain and out is not None and out.dtype == np.uint8 and out.shape == (form.rows, form.columns, 3):
        read_native(path, offset + frame * length, out, form.transfer_syntax == DEFLATED)
        return out
    octets = _native_octets(path, offset + frame * length, length, form)
    return _native_rgb(octets, form, header.is_planar, header.little)


def _native_octets(path: str, start: int, length: int, form: PixelFormat) -> np.ndarray:
    """Return bytes of native pixel data in the order of pixels, uint8, shape (length,).

    Samples of less than a word are stored in words of VR OW, whose bytes a big endian file swaps (PS3.5 section 7.3).
    """
    if (
        form.transfer_syntax == BIG_ENDIAN
        and form.bits_allocated <= 12
        and image_header(path, form.transfer_syntax).swaps_bytes
    ):
        words = np.empty((start % 2 + length + 1) // 2, np.uint16)
        read_native(path, start - start % 2, words, is_deflated=False)
        return words.byteswap().view(np.uint8)[start % 2 : start % 2 + length]
    octets = np.empty(length, np.uint8)
    read_native(path, start, octets, form.transfer_syntax == DEFLATED)
    return octets


def _native_rgb(octets: np.ndarray, form: PixelFormat, is_planar: bool, little: bool = True) -> np.ndarray:
    """Return the bytes of a native frame as RGB."""
    dtype = np.dtype(f"{'<' if little else '>'}u{form.bits_allocated // 8}")
    samples = octets.view(dtype).astype(dtype.newbyteorder("="), copy=False)
    if len(octets) < form.frame_bytes:
        ordered = expand_422(samples, form.rows, form.columns)
    else:
        ordered = by_pixel(samples, form.rows, form.columns, form.samples, is_planar)
    return _rgb(_significant(ordered, form), color_space(form.photometric), form.bits_stored, form)


def _native_length(path: str, form: PixelFormat) -> int:
    """Return the bytes of a native color frame, fewer than `PixelFormat.frame_bytes` if it is subsampled.

    Real files are called YBR_FULL_422 and have all samples of each pixel: the length of the pixel data decides.
    """
    if form.samples != 3 or form.photometric not in (*SUBSAMPLED, "YBR_PARTIAL_420"):
        return form.frame_bytes
    if image_header(path, form.transfer_syntax).pixel_length >= form.frames * form.frame_bytes:
        return form.frame_bytes
    if form.photometric == "YBR_PARTIAL_420":
        raise DecodeError("no order of native samples is defined for YBR_PARTIAL_420")
    return form.frame_bytes * 2 // 3


def _significant(samples: np.ndarray, form: PixelFormat) -> np.ndarray:
    """Return unsigned samples without the bits outside *Bits Stored* (PS3.5 section 8.1.1)."""
    if form.bits_stored == samples.dtype.itemsize * 8:
        return samples
    return (samples >> (form.high_bit + 1 - form.bits_stored)) & ((1 << form.bits_stored) - 1)


def _rgb(samples: np.ndarray, space: str, bits: int, form: PixelFormat) -> np.ndarray:
    """Return color samples of `bits` significant bits as RGB in the dtype of the file."""
    colors, dtype = samples[..., :3], color_dtype(form.bits_stored)
    if bits > 16 and form.bits_stored > 16:
        colors, bits = colors >> (bits - 16), 16
    if colors.dtype.kind == "i" or colors.dtype.itemsize > dtype.itemsize:
        # The container of a codestream may be wider than the values in it.
        colors = np.clip(colors, 0, np.iinfo(dtype).max).astype(dtype)
        bits = min(bits, dtype.itemsize * 8)
    return np.ascontiguousarray(to_rgb(colors, space, bits), dtype=dtype)


def _as_format(stored: np.ndarray, pixel_format: PixelFormat) -> np.ndarray:
    """Return a decoded array with the item size and sign of the format, which may be changed."""
    if stored.dtype.itemsize > pixel_format.dtype.itemsize:
        raise DecodeError(
            f"the codestream has {stored.dtype.itemsize * 8} bits, the image {pixel_format.bits_allocated}"
        )
    if stored.dtype.itemsize < pixel_format.dtype.itemsize:
        # The sign bit is that of the codestream's precision, not of the wider container.
        return stored.astype(pixel_format.dtype)
    is_own = stored.flags.owndata and stored.flags.writeable
    return np.ascontiguousarray(stored).astype(pixel_format.dtype, copy=not is_own)


def _clear_undefined_bits(stored: np.ndarray, pixel_format: PixelFormat) -> None:
    """Shift by *High Bit*, clear the bits above *Bits Stored* and extend the sign, all in place."""
    allocated, bits = stored.dtype.itemsize * 8, pixel_format.bits_stored
    above = allocated - 1 - pixel_format.high_bit
    if bits == allocated or pixel_format.bits_allocated == 1:
        return
    if pixel_format.signed:
        if above:
            stored <<= above
        stored >>= allocated - bits
    else:
        if shift := pixel_format.high_bit + 1 - bits:
            stored >>= shift
        stored &= (1 << bits) - 1


def _read_native(path: str, offset: int, frame: int, pixel_format: PixelFormat, out: np.ndarray | None) -> np.ndarray:
    form = pixel_format
    shape, dtype = (form.rows, form.columns), form.dtype
    if form.bits_allocated in PACKED:
        count = form.rows * form.columns
        first = frame * count * form.bits_allocated
        length = (first % 8 + count * form.bits_allocated + 7) // 8
        octets = _native_octets(path, offset + first // 8, length, form)
        return unpack_samples(octets, first % 8, count, form.bits_allocated).astype(dtype, copy=False).reshape(shape)
    start = offset + frame * form.frame_bytes
    if dtype.itemsize == 1 and form.transfer_syntax == BIG_ENDIAN:
        return _native_octets(path, start, form.frame_bytes, form).view(dtype).reshape(shape)
    stored = np.empty(shape, dtype) if out is None else out.view(dtype)
    read_native(path, start, stored, form.transfer_syntax == DEFLATED)
    if dtype.itemsize > 1 and (form.transfer_syntax == BIG_ENDIAN) == (sys.byteorder == "little"):
        stored.byteswap(inplace=True)
    return stored if out is None else out
