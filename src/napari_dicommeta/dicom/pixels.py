"""Read the stored samples of one frame: native frames directly, compressed frames through a decoder.

Native frames are read with ``preadv`` straight into the result. Bits above *Bits Stored* are cleared (PS3.5 section
8.1.1). pydicom converts color and palette images.
"""

from __future__ import annotations

import logging
import os
import sys
from dataclasses import dataclass
from hashlib import blake2b

import numpy as np

from napari_dicommeta.dicom.codecs import decode_frame, register_with_pydicom
from napari_dicommeta.dicom.frame_index import frame_bytes
from napari_dicommeta.dicom.header import OPEN_FLAGS, inflate, pread
from napari_dicommeta.dicom.uids import BIG_ENDIAN, DEFLATED, EXPLICIT, IMPLICIT, LOSSY_CODECS, NATIVE
from napari_dicommeta.support.errors import DecodeError, PixelError
from napari_dicommeta.support.log import log_fault

__all__ = ["PixelFormat", "pixels_fault", "read_color", "read_frame", "stored_digest", "stored_range"]

MAX_COMPRESSION = 2000
"""The highest plausible compression ratio; no codec in DICOM reaches it with real images."""
PACKED = {1: 1, 12: 2}
"""Bits allocated that are not whole bytes -> bytes per sample once unpacked."""
FLOATS = {0x7FE00008: "f4", 0x7FE00009: "f8"}


@dataclass(frozen=True, slots=True, kw_only=True)
class PixelFormat:
    """The Image Pixel module (PS3.3 section C.7.6.3) shared by all images of a stack."""

    rows: int
    columns: int
    samples: int
    frames: int
    bits_allocated: int
    bits_stored: int
    high_bit: int
    signed: bool
    photometric: str
    transfer_syntax: str
    pixel_tag: int = 0x7FE00010

    @property
    def is_native(self) -> bool:
        """Whether the samples are stored uncompressed."""
        return self.transfer_syntax in NATIVE

    @property
    def is_color(self) -> bool:
        """Whether the image opens as RGB: it is RGB, YBR or palette color."""
        return self.samples > 1 or self.photometric == "PALETTE COLOR"

    @property
    def dtype(self) -> np.dtype:
        """The dtype of stored samples, in native byte order."""
        if self.pixel_tag in FLOATS:
            return np.dtype(FLOATS[self.pixel_tag])
        return np.dtype(f"{'i' if self.signed else 'u'}{PACKED.get(self.bits_allocated, self.bits_allocated // 8)}")

    @property
    def frame_bytes(self) -> int:
        """The size of one native frame in bytes."""
        return self.rows * self.columns * self.samples * self.bits_allocated // 8

    @property
    def stored_range(self) -> tuple[int, int]:
        """The smallest and largest possible stored value."""
        return stored_range(self.bits_stored, self.signed)

    @property
    def fault(self) -> str:
        """Why samples in this format cannot be read; "" if they can."""
        if not (1 <= self.rows <= 65535 and 1 <= self.columns <= 65535):
            return f"an image of {self.rows} × {self.columns} pixels"
        if self.samples not in (1, 3, 4):
            return f"{self.samples} samples per pixel"
        if self.pixel_tag in FLOATS:
            return ""
        if self.bits_allocated not in (1, 8, 12, 16, 32, 64):
            return f"{self.bits_allocated} bits allocated"
        if not 1 <= self.bits_stored <= self.bits_allocated:
            return f"{self.bits_stored} bits stored of {self.bits_allocated} allocated"
        if not self.bits_stored - 1 <= self.high_bit < self.bits_allocated:
            return f"high bit {self.high_bit} with {self.bits_stored} bits stored of {self.bits_allocated}"
        return ""


def stored_range(bits: int, signed: bool) -> tuple[int, int]:
    """Return the smallest and the largest value that *Bits Stored* and *Pixel Representation* allow."""
    return (-(1 << (bits - 1)), (1 << (bits - 1)) - 1) if signed else (0, (1 << bits) - 1)


def pixels_fault(pixel_format: PixelFormat, pixel_length: int, file_size: int) -> str:
    """Return why a file's pixel data contradicts its elements, "" if it does not.

    `pixel_length` is the length of native pixel data in bytes, -1 for encapsulated frames.
    """
    if pixel_format.fault:
        return pixel_format.fault
    needed = pixel_format.frames * pixel_format.rows * pixel_format.columns * pixel_format.samples
    needed = (needed * pixel_format.bits_allocated + 7) // 8
    shape = f"{pixel_format.frames} frames of {pixel_format.rows} × {pixel_format.columns}"
    if pixel_format.is_native:
        if pixel_length < 0:
            return "encapsulated frames in a native transfer syntax"
        subsampled = pixel_format.photometric in ("YBR_FULL_422", "YBR_PARTIAL_422", "YBR_PARTIAL_420")
        if pixel_format.transfer_syntax != DEFLATED and pixel_length < needed and not subsampled:
            return f"{shape} need {needed:,} bytes of pixel data, {pixel_length:,} are present"
    elif needed > MAX_COMPRESSION * max(file_size, 1) or pixel_format.frames * 8 > file_size:
        return f"{shape} cannot be in a file of {file_size:,} bytes"
    return ""


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
    try:
        if pixel_format.is_native:
            stored = _read_native(path, offset, frame, pixel_format, out)
        else:
            data = frame_bytes(path, offset, frame, pixel_format.frames)
            stored = decode_frame(
                data,
                pixel_format.transfer_syntax,
                pixel_format.rows,
                pixel_format.columns,
                1,
                pixel_format.bits_allocated,
            )
            stored = _as_format(stored, pixel_format)
    except DecodeError as error:
        raise PixelError(path, f"frame {frame + 1}: {error}") from error
    except OSError as error:
        raise PixelError(path, error.strerror or type(error).__name__) from error
    if pixel_format.pixel_tag not in FLOATS and pixel_format.transfer_syntax not in LOSSY_CODECS:
        _clear_undefined_bits(stored, pixel_format)
    if out is not None and stored is not out:
        out.view(stored.dtype)[...] = stored
        return out
    return stored


def stored_digest(path: str, offset: int, frame: int, pixel_format: PixelFormat) -> bytes:
    """Return a 16-byte digest of one frame's stored values, independent of the transfer syntax.

    For color frames it is the digest of the bytes in the file. An unreadable frame has a digest of its own.
    """
    try:
        if not pixel_format.is_color:
            data = read_frame(path, offset, frame, pixel_format).tobytes()
        elif pixel_format.is_native:
            with open(path, "rb") as file:
                file.seek(offset + frame * pixel_format.frame_bytes)
                data = file.read(pixel_format.frame_bytes)
        else:
            data = frame_bytes(path, offset, frame, pixel_format.frames)
    except (OSError, PixelError, DecodeError):
        data = f"{path}\n{frame}".encode("utf-8", "surrogateescape")
    return blake2b(data, digest_size=16).digest()


def _as_format(stored: np.ndarray, pixel_format: PixelFormat) -> np.ndarray:
    """Return a copy of a decoded array with the item size and sign of the format."""
    if stored.dtype.itemsize > pixel_format.dtype.itemsize:
        raise DecodeError(
            f"the codestream has {stored.dtype.itemsize * 8} bits, the image {pixel_format.bits_allocated}"
        )
    if stored.dtype.itemsize < pixel_format.dtype.itemsize:
        # The sign bit is that of the codestream's precision, not of the wider container.
        return stored.astype(pixel_format.dtype)
    return np.ascontiguousarray(stored).astype(pixel_format.dtype, copy=True)


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
    shape, dtype = (pixel_format.rows, pixel_format.columns), pixel_format.dtype
    if pixel_format.bits_allocated in PACKED:
        return _read_packed(path, offset, frame, pixel_format)
    stored = np.empty(shape, dtype) if out is None else out.view(dtype)
    start = offset + frame * pixel_format.frame_bytes
    if pixel_format.transfer_syntax == DEFLATED:
        raw = _inflated(path, start + pixel_format.frame_bytes)[start : start + pixel_format.frame_bytes]
        if len(raw) < pixel_format.frame_bytes:
            raise DecodeError(f"{len(raw)} of {pixel_format.frame_bytes} bytes of pixel data are present")
        stored[...] = np.frombuffer(raw, dtype.newbyteorder("<")).reshape(shape)
        return stored
    descriptor = os.open(path, OPEN_FLAGS)
    try:
        done = _read_into(descriptor, stored, start)
    finally:
        os.close(descriptor)
    if done < pixel_format.frame_bytes:
        raise DecodeError(f"{done} of {pixel_format.frame_bytes} bytes of pixel data are present")
    if dtype.itemsize > 1 and (pixel_format.transfer_syntax == BIG_ENDIAN) == (sys.byteorder == "little"):
        stored.byteswap(inplace=True)
    return stored if out is None else out


def _read_into(descriptor: int, array: np.ndarray, offset: int) -> int:
    """Fill `array` from `offset` of the file and return the number of bytes read."""
    view = memoryview(array.reshape(-1).view(np.uint8).data)
    done = 0
    while done < len(view):
        if hasattr(os, "preadv"):
            count = os.preadv(descriptor, [view[done:]], offset + done)
        else:
            data = pread(descriptor, len(view) - done, offset + done)
            count = len(data)
            view[done : done + count] = data
        if count == 0:
            break
        done += count
    return done


def _read_packed(path: str, offset: int, frame: int, pixel_format: PixelFormat) -> np.ndarray:
    """Read a frame of 1 or 12 bits per sample, packed from the least significant bit on (PS3.5 section 8.1.1)."""
    size, count = pixel_format.bits_allocated, pixel_format.rows * pixel_format.columns
    first = frame * count * size
    start, length = offset + first // 8, (first % 8 + count * size + 7) // 8
    if pixel_format.transfer_syntax == DEFLATED:
        raw = _inflated(path, start + length)[start : start + length]
    else:
        with open(path, "rb") as file:
            file.seek(start)
            raw = file.read(length)
    bits = np.unpackbits(np.frombuffer(raw, np.uint8), bitorder="little")[first % 8 : first % 8 + count * size]
    if len(bits) < count * size:
        raise DecodeError(f"{len(bits) // size} of {count} pixels of {size} bits are present")
    if size == 1:
        stored = bits.astype(pixel_format.dtype)
    else:
        octets = np.packbits(np.pad(bits.reshape(count, size), ((0, 0), (0, 16 - size))), axis=1, bitorder="little")
        stored = octets.reshape(-1).view("<u2").astype(pixel_format.dtype)
    return stored.reshape(pixel_format.rows, pixel_format.columns)


def _inflated(path: str, count: int) -> bytes:
    """Return the first `count` bytes of a deflated file's data set, inflated."""
    with open(path, "rb") as file:
        head = file.read(4096)
        size = os.fstat(file.fileno()).st_size
        position = 132 + 12 + int.from_bytes(head[140:144], "little")  # the meta group states its length

        def fetch(offset: int, length: int) -> bytes:
            file.seek(offset)
            return file.read(length)

        return inflate(fetch, position, size, count).data


def read_color(path: str, frame: int) -> np.ndarray:
    """Return one color frame as RGB: shape (rows, columns, 3), uint8 or uint16.

    pydicom converts YBR and palette color.

    Raises
    ------
    PixelError
        If pydicom cannot decode or convert the frame.
    """
    import warnings

    from pydicom import dcmread
    from pydicom.pixels.processing import apply_color_lut
    from pydicom.pixels.utils import pixel_array
    from pydicom.uid import UID

    register_with_pydicom()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # pydicom's warnings carry values of the file
            dataset = dcmread(path, force=True)
            if not dataset.file_meta.get("TransferSyntaxUID"):  # a bare data set: use the encoding pydicom detected
                implicit, _ = dataset.original_encoding
                dataset.file_meta.TransferSyntaxUID = UID(IMPLICIT if implicit else EXPLICIT)
            array = pixel_array(dataset, index=frame)
            if dataset.PhotometricInterpretation == "PALETTE COLOR":
                array = apply_color_lut(array, dataset)
    except Exception as error:  # pydicom and codecs raise many kinds of errors
        log_fault("reading color pixels", error, logging.DEBUG)
        raise PixelError(path, f"{type(error).__name__} while reading color pixels") from error
    if array.ndim != 3:
        raise PixelError(path, f"color pixels of shape {array.shape}")
    if array.dtype == np.uint16 and array.max(initial=0) > 255:
        return np.asarray(array[..., :3])
    return np.asarray(array[..., :3], dtype=np.uint8)
