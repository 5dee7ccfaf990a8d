"""The format of stored samples, and whether the pixel data of a file can hold what its elements say."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from napari_dicommeta.dicom.codecs import MAX_FRAME
from napari_dicommeta.dicom.color import SUBSAMPLED
from napari_dicommeta.dicom.fragments import frame_index
from napari_dicommeta.dicom.native import PACKED
from napari_dicommeta.dicom.uids import DEFLATED, DEFLATED_FRAME, NATIVE, RLE

__all__ = ["FLOATS", "PixelFormat", "length_excess", "pixels_fault", "stored_range"]

MIN_FRAME = 10
"""The fewest bytes of an encapsulated frame: an item's header and two bytes (PS3.5 section A.4)."""
MANY_FRAMES = 1 << 17
"""Up to this number, frames of no size cost nothing; more of them take `MIN_FRAME` bytes each, however compressed."""
MAX_RATIOS = {RLE: 64, DEFLATED_FRAME: 1032, DEFLATED: 1032}
"""Transfer syntax -> the most bytes that one stored byte may stand for (PS3.5 section G.3.1; RFC 1951)."""
FLOATS = {0x7FE00008: "f4", 0x7FE00009: "f8"}


@dataclass(frozen=True, slots=True, kw_only=True)
class PixelFormat:
    """The Image Pixel module (PS3.3 section C.7.6.3) shared by all images of a stack.

    `damage`: the element that has no number, though the samples cannot be read without it, and its value. `unclear`:
    what is assumed for other elements, and why.
    """

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
    damage: str = ""
    unclear: tuple[str, ...] = ()

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
        return _dtype(self.pixel_tag, self.signed, self.bits_allocated)

    @property
    def frame_bytes(self) -> int:
        """The size of one native frame in bytes."""
        return self.rows * self.columns * self.samples * self.bits_allocated // 8

    @property
    def native_bytes(self) -> tuple[int, ...]:
        """The lengths of native pixel data of all frames that fit, in bytes, the smallest first."""
        full = (self.frames * self.rows * self.columns * self.samples * self.bits_allocated + 7) // 8
        if self.photometric in SUBSAMPLED:  # real files call samples subsampled that are not
            return full * 2 // 3, full
        return (full // 2, full) if self.photometric == "YBR_PARTIAL_420" else (full,)

    @property
    def stored_range(self) -> tuple[int, int]:
        """The smallest and largest possible stored value."""
        return stored_range(self.bits_stored, self.signed)

    @property
    def fault(self) -> str:
        """Why samples in this format cannot be read; "" if they can."""
        if self.damage:
            return self.damage
        if not (1 <= self.rows <= 65535 and 1 <= self.columns <= 65535):
            return f"an image of {self.rows} × {self.columns} pixels"
        if self.samples not in (1, 3, 4):
            return f"{self.samples} samples per pixel"
        if self.samples > 1 and self.photometric == "PALETTE COLOR":
            return f"{self.samples} samples per pixel of palette color"
        if self.pixel_tag in FLOATS:
            return ""
        if self.bits_allocated not in (1, 8, 12, 16, 32, 64):
            return f"{self.bits_allocated} bits allocated"
        if not 1 <= self.bits_stored <= self.bits_allocated:
            return f"{self.bits_stored} bits stored of {self.bits_allocated} allocated"
        if not self.bits_stored - 1 <= self.high_bit < self.bits_allocated:
            return f"high bit {self.high_bit} with {self.bits_stored} bits stored of {self.bits_allocated}"
        return ""


@lru_cache(maxsize=64)
def _dtype(pixel_tag: int, signed: bool, bits_allocated: int) -> np.dtype:
    if pixel_tag in FLOATS:
        return np.dtype(FLOATS[pixel_tag])
    return np.dtype(f"{'i' if signed else 'u'}{PACKED.get(bits_allocated, bits_allocated // 8)}")


def stored_range(bits: int, signed: bool) -> tuple[int, int]:
    """Return the smallest and the largest value that *Bits Stored* and *Pixel Representation* allow."""
    return (-(1 << (bits - 1)), (1 << (bits - 1)) - 1) if signed else (0, (1 << bits) - 1)


def pixels_fault(pixel_format: PixelFormat, pixel_length: int, file_size: int, path: str = "", offset: int = -1) -> str:
    """Return why a file's pixel data contradicts its elements, "" if it does not.

    `pixel_length` is the length of native pixel data in bytes, -1 for encapsulated frames. A blank image may be
    compressed without limit. So a compressed frame is bounded by the memory that it takes decoded, `MAX_FRAME`, and the
    number of frames by the bytes that each takes in the file. Nothing is read or allocated, unless `path` and `offset`
    (`PixelLocation.offset`) are given. Then the fragments of several encapsulated frames are counted.
    """
    form = pixel_format
    if form.fault:
        return form.fault
    needed = form.native_bytes[0]
    shape = f"{form.frames} frames of {form.rows} × {form.columns}"
    if form.is_native and pixel_length < 0:
        return "encapsulated frames in a native transfer syntax"
    if not form.is_native or form.transfer_syntax == DEFLATED:
        if (decoded := form.rows * form.columns * form.samples * form.dtype.itemsize) > MAX_FRAME:
            return f"a frame of {form.rows} × {form.columns} takes {decoded:,} bytes decoded, more than {MAX_FRAME:,}"
        ratio = MAX_RATIOS.get(form.transfer_syntax)
        if ratio is not None and needed > ratio * file_size:
            return f"{shape} cannot be in a file of {file_size:,} bytes"
    if form.is_native and pixel_length < needed:
        return f"{shape} need {needed:,} bytes of pixel data, {pixel_length:,} are present"
    if (not form.is_native or form.frames > MANY_FRAMES) and MIN_FRAME * form.frames > file_size:
        return f"{shape} cannot be in a file of {file_size:,} bytes"
    if path and offset >= 0 and form.frames > 1 and not form.is_native:
        try:
            return frame_index(path, offset, form.frames).fault
        except OSError as error:
            return error.strerror or type(error).__name__
    return ""


def length_excess(pixel_format: PixelFormat, pixel_length: int) -> str:
    """Return by what native pixel data is longer than its frames, "" if the lengths fit (PS3.5 section 8.1.1).

    Pixel data has an even length, so one byte of padding fits.
    """
    form, lengths = pixel_format, pixel_format.native_bytes
    if not form.is_native or pixel_length <= lengths[0] or any(pixel_length in (n, n + n % 2) for n in lengths):
        return ""
    what = f"{form.frames} frames of " if form.frames > 1 else ""
    samples = f", {form.samples} samples" if form.samples > 1 else ""
    what += f"{form.rows} × {form.columns} pixels{samples} of {form.bits_allocated} bits"
    return f"{what} take {lengths[-1]:,} bytes, {pixel_length:,} are present"
