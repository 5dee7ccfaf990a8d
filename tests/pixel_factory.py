"""Write images for tests of pixels, with their format and the place of their pixel data."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from dicom_factory import EXPLICIT, Raw, ct_content, dicom, encapsulated

from napari_dicommeta.dicom.header import read_header
from napari_dicommeta.dicom.pixel_format import PixelFormat
from napari_dicommeta.dicom.pixels import read_color, read_frame

ULTRASOUND = "1.2.840.10008.5.1.4.1.1.3.1"
NOT_COLOR = dict.fromkeys(
    ("RescaleSlope", "RescaleIntercept", "RescaleType", "WindowCenter", "WindowWidth", "WindowCenterWidthExplanation")
)


class Image(NamedTuple):
    """A file with what the functions of `pixels` need to read it."""

    path: str
    offset: int
    format: PixelFormat

    def color(self, frame: int = 0) -> np.ndarray:
        return read_color(self.path, self.offset, frame, self.format)

    def gray(self, frame: int = 0) -> np.ndarray:
        return read_frame(self.path, self.offset, frame, self.format)


def image(
    path: Path,
    pixels: bytes | list[bytes] | Raw,
    shape: tuple[int, int],
    syntax: str = EXPLICIT,
    photometric: str = "RGB",
    samples: int = 3,
    bits: int = 8,
    stored: int = 0,
    frames: int = 1,
    **changes: Any,
) -> Image:
    """Write an image; `pixels` are native bytes, or one codestream per frame."""
    stored = stored or bits
    if isinstance(pixels, list):
        frames, pixels = max(frames, len(pixels)), encapsulated(pixels)
    elif isinstance(pixels, bytes):
        pixels = Raw("OW" if bits > 8 else "OB", pixels + b"\0" * (len(pixels) % 2))
    content = {
        "SOPClassUID": ULTRASOUND,
        "Modality": "US",
        "SamplesPerPixel": samples,
        "PhotometricInterpretation": photometric,
        "PlanarConfiguration": 0 if samples > 1 else None,
        "Rows": shape[0],
        "Columns": shape[1],
        "BitsAllocated": bits,
        "BitsStored": stored,
        "HighBit": stored - 1,
        "NumberOfFrames": frames,
        "PixelData": pixels,
    }
    path.write_bytes(dicom(ct_content(**{**NOT_COLOR, **content, **changes}), syntax))
    location = read_header(path).pixels
    assert location is not None
    form = PixelFormat(
        rows=shape[0],
        columns=shape[1],
        samples=samples,
        frames=changes.get("NumberOfFrames", frames),
        bits_allocated=bits,
        bits_stored=stored,
        high_bit=changes.get("HighBit", stored - 1),
        signed=False,
        photometric=photometric,
        transfer_syntax=syntax,
    )
    return Image(str(path), location.offset, form)


def colors(rows: int = 12, columns: int = 16, top: int = 256, seed: int = 0) -> np.ndarray:
    """Return RGB samples from 0 up to but not including `top`."""
    values = np.random.default_rng(seed).integers(0, top, (rows, columns, 3))
    return values.astype(np.uint8 if top <= 256 else np.uint16)


def rle(samples: np.ndarray) -> bytes:
    """Encode samples of shape (rows, columns) or (rows, columns, planes) as literal runs (PS3.5 Annex G)."""
    planes = samples.reshape(*samples.shape[:2], -1).transpose(2, 0, 1)
    segments = []
    for plane in planes:
        octets = np.ascontiguousarray(plane).view(np.uint8).reshape(plane.size, -1)[:, ::-1]  # little endian
        for part in octets.T:
            raw, out = part.tobytes(), b""
            for start in range(0, len(raw), 128):
                run = raw[start : start + 128]
                out += bytes([len(run) - 1]) + run
            segments.append(out + b"\0" * (len(out) % 2))
    offsets = [64 + sum(map(len, segments[:n])) for n in range(len(segments))]
    return struct.pack("<16L", len(segments), *offsets, *[0] * (15 - len(offsets))) + b"".join(segments)


def ybr_of(rgb: np.ndarray) -> np.ndarray:
    """Return YBR_FULL samples by the equations of the Standard, rounded (PS3.3 section C.7.6.3.1.2)."""
    red, green, blue = (rgb[..., n].astype(float) for n in range(3))
    luma = 0.299 * red + 0.587 * green + 0.114 * blue
    cb = -0.1687 * red - 0.3313 * green + 0.5 * blue + 128
    cr = 0.5 * red - 0.4187 * green - 0.0813 * blue + 128
    return np.clip(np.rint(np.stack([luma, cb, cr], axis=-1)), 0, 255).astype(np.uint8)


def partial_of(rgb: np.ndarray) -> np.ndarray:
    """Return YBR_PARTIAL samples by the equations of the Standard, rounded (PS3.3 section C.7.6.3.1.2)."""
    red, green, blue = (rgb[..., n].astype(float) for n in range(3))
    luma = 0.2568 * red + 0.5041 * green + 0.0979 * blue + 16
    cb = -0.1482 * red - 0.2910 * green + 0.4392 * blue + 128
    cr = 0.4392 * red - 0.3678 * green - 0.0714 * blue + 128
    return np.clip(np.rint(np.stack([luma, cb, cr], axis=-1)), 0, 255).astype(np.uint8)
