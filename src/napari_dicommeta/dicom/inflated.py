"""Read the inflated bytes of deflated files, each inflated once (PS3.5 section A.5).

`files.inflated_stream` says how that is done in bounded memory.
"""

from __future__ import annotations

import struct
import zlib
from typing import TYPE_CHECKING

from napari_dicommeta.dicom.file_buffer import REFILL
from napari_dicommeta.dicom.stored_values import LONG_VR
from napari_dicommeta.files.bounded_cache import BoundedCache
from napari_dicommeta.files.inflated_stream import RAW, ZLIB, InflatedStream
from napari_dicommeta.files.opening import file_key, open_file

if TYPE_CHECKING:
    from napari_dicommeta.files.byte_file import ByteFile, FileKey

__all__ = ["data_set_start", "read_inflated"]

MAX_FILES = 64
HEAD = 512
"""Bytes by which deflated data is recognized; damage behind them does not make it plain."""


def read_inflated(path: str, position: int, count: int) -> bytes:
    """Return `count` bytes at `position` of the inflated data set of a file, fewer if it ends or is damaged before.

    Data sets with a zlib header, and those that are not deflated at all, are read as `header` reads them. Positions
    of a data set that is not deflated count from the start of the file.

    Raises
    ------
    OSError
        If the file cannot be read.
    """
    key = file_key(path)
    return _FILES.get(key, lambda: _DeflatedFile(path, key)).read(position, count)


def data_set_start(path: str, is_deflated: bool = False) -> tuple[int, bool]:
    """Return where the data set of a file begins, and whether that is a position for `read_inflated`.

    `is_deflated`: whether the transfer syntax says so; the data set itself decides.

    Raises
    ------
    OSError
        If the file cannot be read.
    """
    if is_deflated:
        key = file_key(path)
        if not _FILES.get(key, lambda: _DeflatedFile(path, key)).is_plain:
            return 0, True
    with open_file(path) as file:
        return _data_set_start(file), False


class _DeflatedFile:
    """The data set of one file, and whether it is deflated at all."""

    def __init__(self, path: str, key: FileKey) -> None:
        self.path = path
        with open_file(path) as file:
            start = _data_set_start(file)
            raw = file.read(start, HEAD)
        bits = next((bits for bits in (RAW, ZLIB) if _inflates(raw, bits)), None)
        self._stream = None if bits is None else InflatedStream((*key, "data set"), start, bits)

    @property
    def is_plain(self) -> bool:
        """Whether it is not deflated."""
        return self._stream is None

    def read(self, position: int, count: int) -> bytes:
        """Return bytes of the inflated data set, or of the file if it is not deflated."""
        with open_file(self.path) as file:
            return file.read(position, count) if self._stream is None else self._stream.read(file, position, count)


def _inflates(raw: bytes, bits: int) -> bool:
    """Return whether a stream begins like one of zlib's with these window bits."""
    try:
        zlib.decompressobj(bits).decompress(raw, 1 << 20)
    except zlib.error:
        return False
    return True


def _data_set_start(file: ByteFile) -> int:
    """Return the byte after the file meta group, 0 without a prefix (PS3.10 section 7.1)."""
    raw = file.read(0, REFILL)
    if raw[128:132] != b"DICM":
        return 0
    position = 132
    while position + 8 <= len(raw):
        group, _, vr, length = struct.unpack_from("<HH2sH", raw, position)
        if group != 2:
            break
        position += 8
        if vr in LONG_VR and position + 4 <= len(raw):
            position += 4 + int(struct.unpack_from("<L", raw, position)[0])
        else:
            position += length
    return position


_FILES: BoundedCache[_DeflatedFile] = BoundedCache(MAX_FILES, lambda _: 1)
