"""Read what its pixels need of a file's header besides `PixelFormat`: order of samples, palette, encoding.

The header is read once per file.
"""

from __future__ import annotations

import os
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from napari_dicommeta.dicom.bounded_cache import BoundedCache, file_key
from napari_dicommeta.dicom.header import read_header
from napari_dicommeta.dicom.inflated import read_inflated
from napari_dicommeta.dicom.palette import DESCRIPTORS, SEGMENTED, TABLES, Palette, read_palette
from napari_dicommeta.dicom.uids import DEFLATED
from napari_dicommeta.support.errors import DecodeError, HeaderError

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["ImageHeader", "image_header"]

PLANAR_CONFIGURATION = "00280006"
KEPT = frozenset((PLANAR_CONFIGURATION, *DESCRIPTORS, *TABLES, *SEGMENTED))
MAX_TABLE = 1 << 20
"""The most bytes read of one color table; 65,536 entries take 131,072."""
CACHE_BYTES = 32 << 20


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ImageHeader:
    """The elements and the encoding of a file that its pixels depend on.

    `values`: tag in hexadecimal digits -> (VR, bytes) of the elements in `KEPT`. `pixel_length`: bytes of native pixel
    data, -1 for encapsulated frames. `swaps_bytes`: whether bytes are stored in big endian words (PS3.5 section 7.3).
    """

    values: Mapping[str, tuple[bytes, bytes]]
    little: bool
    pixel_length: int
    swaps_bytes: bool
    _palettes: dict[bool, Palette] = field(default_factory=dict, repr=False)
    _guard: threading.Lock = field(default_factory=threading.Lock, repr=False)

    @property
    def is_planar(self) -> bool:
        """Whether native colors are stored one plane after the other: (0028,0006) *Planar Configuration* is 1."""
        raw = self.values.get(PLANAR_CONFIGURATION, (b"US", b""))[1]
        return int.from_bytes(raw[:2], "little" if self.little else "big") == 1

    def palette(self, signed: bool) -> Palette:
        """Return the palette of the file; `signed` is its *Pixel Representation*.

        Raises
        ------
        DecodeError
            If a table is missing, too short or damaged.
        """
        with self._guard:
            if signed not in self._palettes:
                self._palettes[signed] = read_palette(self.values.get, self.little, signed)
            return self._palettes[signed]


def image_header(path: str) -> ImageHeader:
    """Return what the pixels of the file at `path` depend on, from the cache if the file has not changed.

    Raises
    ------
    DecodeError
        If the file is not DICOM any more.
    OSError
        If the file cannot be read.
    """
    return _HEADERS.get(file_key(path), lambda: _read(path))


def _read(path: str) -> ImageHeader:
    try:
        header = read_header(path)
    except HeaderError as error:
        raise DecodeError(str(error)) from error
    values = {}
    for element in header.elements:
        if element.key not in KEPT or not 0 <= element.length <= MAX_TABLE:
            continue
        if header.transfer_syntax == DEFLATED:
            raw = read_inflated(path, element.start, element.length)
        else:
            with open(path, "rb") as file:
                file.seek(element.start)
                raw = file.read(element.length)
        values[element.key] = element.vr, raw
    vr = header.pixels.vr if header.pixels else ""
    return ImageHeader(
        values=values,
        little=header.little,
        pixel_length=header.pixels.length if header.pixels else os.path.getsize(path),
        swaps_bytes=not header.little and vr == "OW",
    )


def _cost(header: ImageHeader) -> int:
    return 1024 + 4 * sum(len(raw) for _, raw in header.values.values())


_HEADERS: BoundedCache[ImageHeader] = BoundedCache(CACHE_BYTES, _cost)
