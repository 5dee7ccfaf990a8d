"""Read what its pixels need of a file's header besides `PixelFormat`: order of samples, palette, offset table.

The header is read once per file, and without pydicom: its warnings can be silenced only for the whole process, which
a thread that decodes must not do.
"""

from __future__ import annotations

import struct
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from napari_dicommeta.dicom.elements import UNDEFINED, DataSetReader
from napari_dicommeta.dicom.file_buffer import FileBuffer
from napari_dicommeta.dicom.inflated import data_set_start, read_inflated
from napari_dicommeta.dicom.palette import DESCRIPTORS, SEGMENTED, TABLES, Palette, read_palette
from napari_dicommeta.dicom.stored_values import LONG_VR, SHORT_VR
from napari_dicommeta.dicom.uids import BIG_ENDIAN, DEFLATED
from napari_dicommeta.files.bounded_cache import BoundedCache
from napari_dicommeta.files.opening import file_key, open_file
from napari_dicommeta.support.errors import CutError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["EXTENDED_OFFSETS", "ImageHeader", "image_header"]

PLANAR_CONFIGURATION = "00280006"
EXTENDED_OFFSETS = "7fe00001"
KEPT = frozenset((PLANAR_CONFIGURATION, EXTENDED_OFFSETS, *DESCRIPTORS, *TABLES, *SEGMENTED))
MAX_KEPT = 16 << 20
"""The most bytes read of one element; a color table of 65,536 entries takes 131,072."""
MAX_DAMAGED = 8
"""The most damaged sequences of one file behind which reading goes on."""
FIRST_READ = 8192
INFLATED_SIZE = 1 << 62
"""Stands for the size of an inflated data set, which only its end shows."""
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


def image_header(path: str, transfer_syntax: str = "") -> ImageHeader:
    """Return what the pixels of the file at `path` depend on, from the cache if the file has not changed.

    Elements behind a damaged sequence are missing if the damage hides where it ends.

    Raises
    ------
    OSError
        If the file cannot be read.
    """
    return _HEADERS.get(file_key(path), lambda: _read(path, transfer_syntax))


def _read(path: str, transfer_syntax: str) -> ImageHeader:
    start, is_inflated = data_set_start(path, transfer_syntax == DEFLATED)
    with open_file(path) as file:

        def fetch(position: int, count: int) -> bytes:
            if reader is not None and reader.pixels is not None:
                return b""  # pixels are not read
            if is_inflated:
                return read_inflated(path, position, count)
            return file.read(position, count)

        reader: DataSetReader | None = None
        size = INFLATED_SIZE if is_inflated else file.size
        first = fetch(start, FIRST_READ)
        window = FileBuffer(fetch, size, first)
        window.base = start
        reader = DataSetReader(window, [])
        is_bare_big = first[:1] == b"\0" and first[1:2] != b"\0"
        little = transfer_syntax != BIG_ENDIAN and not is_bare_big
        _read_elements(reader, start, first[4:6] in SHORT_VR or first[4:6] in LONG_VR, little)
        pixels, reader.pixels = reader.pixels, None
        values = {
            element.key: (element.vr, fetch(element.start, element.length))
            for element in reader.elements
            if element.key in KEPT and 0 <= element.length <= MAX_KEPT
        }
    return ImageHeader(
        values=values,
        little=little,
        pixel_length=pixels.length if pixels else size,
        swaps_bytes=not little and pixels is not None and pixels.vr == "OW",
    )


def _read_elements(reader: DataSetReader, start: int, explicit: bool, little: bool) -> None:
    """Read up to the pixel data, past damaged sequences whose length is stated."""
    read: Callable[[], None] = lambda: reader.read(start, explicit, little)  # noqa: E731
    for _ in range(MAX_DAMAGED):
        try:
            read()
        except CutError:
            if reader.lost_in is None or reader.pixels:
                return
            position = _after(reader, reader.lost_in, explicit, little)
            if position is None:
                return
            read = lambda position=position: reader.resume(position)  # type: ignore[misc]  # noqa: E731
        else:
            return


def _after(reader: DataSetReader, position: int, explicit: bool, little: bool) -> int | None:
    """Return the position after the sequence at `position`, None if only its delimiter would say."""
    place = 8 if explicit else 4
    try:
        index = reader.window.need(position, place + 4)
    except CutError:
        return None
    (length,) = struct.unpack_from("<L" if little else ">L", reader.window.buffer, index + place)
    return None if length == UNDEFINED else position + place + 4 + int(length)


def _cost(header: ImageHeader) -> int:
    return 2048 + 4 * sum(len(raw) for _, raw in header.values.values())


_HEADERS: BoundedCache[ImageHeader] = BoundedCache(CACHE_BYTES, _cost)
