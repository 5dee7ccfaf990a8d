"""Read the inflated bytes of deflated files, each inflated once (PS3.5 section A.5).

A deflated data set has no places at which reading may begin. It is inflated in blocks, and the state of the inflater
between two blocks is kept. The blocks of all files share one bounded memory. A block that was dropped is inflated
again from the state before it.
"""

from __future__ import annotations

import os
import struct
import threading
import zlib
from typing import TYPE_CHECKING

from napari_dicommeta.dicom.bounded_cache import BoundedCache, file_key
from napari_dicommeta.dicom.file_buffer import REFILL
from napari_dicommeta.dicom.header import OPEN_FLAGS, pread
from napari_dicommeta.dicom.stored_values import LONG_VR

if TYPE_CHECKING:
    from napari_dicommeta.dicom.bounded_cache import FileKey

__all__ = ["data_set_start", "read_inflated"]

BLOCK = 4 << 20
"""Inflated bytes of a block."""
INPUT = 16384
"""Deflated bytes of one read."""
BLOCK_BYTES, STATE_BYTES = 256 << 20, 64 << 20
"""Bytes of the blocks and of the states that are kept."""
MAX_FILES = 64
HEAD = 512
"""Bytes by which deflated data is recognized; damage behind them does not make it plain."""

_BLOCKS: BoundedCache[bytes] = BoundedCache(BLOCK_BYTES, lambda block: len(block) + 64)


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
    descriptor = os.open(path, OPEN_FLAGS)
    try:
        return _data_set_start(descriptor), False
    finally:
        os.close(descriptor)


class _DeflatedFile:
    """The blocks of one file and the inflater's state before each of them.

    `states`: block number -> (state, next byte of the file). Those of every block are kept up to a number, then those
    of every second one, and so on.
    """

    def __init__(self, path: str, key: FileKey) -> None:
        self.path, self.key = path, key
        self.start = 0
        self.end: int | None = None
        """The number of blocks, once known."""
        self.guard = threading.Lock()
        self.is_plain = False
        descriptor = os.open(path, OPEN_FLAGS)
        try:
            self.start = _data_set_start(descriptor)
            raw = pread(descriptor, HEAD, self.start)
        finally:
            os.close(descriptor)
        bits = next((bits for bits in (-15, 15) if _inflates(raw, bits)), None)
        self.is_plain = bits is None
        inflater = zlib.decompressobj(-15 if bits is None else bits)
        self.states = {0: (inflater, self.start)}
        self.stride = 1

    def read(self, position: int, count: int) -> bytes:
        if self.is_plain:
            with open(self.path, "rb") as file:
                file.seek(position)
                return file.read(count)
        parts = []
        for number in range(position // BLOCK, (position + count - 1) // BLOCK + 1):
            block = _BLOCKS.get((*self.key, number), lambda number=number: self._block(number))  # type: ignore[misc]
            parts.append(block[max(position - number * BLOCK, 0) : position + count - number * BLOCK])
            if len(block) < BLOCK:
                break
        return b"".join(parts)

    def _block(self, number: int) -> bytes:
        """Inflate a block, and those before it whose state is not known."""
        with self.guard:
            if self.end is not None and number >= self.end:
                return b""
            known = max(n for n in self.states if n <= number)
            inflater, place = self.states[known]
            inflater = inflater.copy()
            descriptor = os.open(self.path, OPEN_FLAGS)
            try:
                for n in range(known, number + 1):
                    block, place = _inflate_block(inflater, descriptor, place)
                    if len(block) < BLOCK:
                        self.end = n + 1
                        return block if n == number else b""
                    self._keep(n + 1, inflater, place)
                    if n < number:
                        _BLOCKS.put((*self.key, n), block)
            finally:
                os.close(descriptor)
            return block

    def _keep(self, number: int, inflater: zlib._Decompress, place: int) -> None:
        """Keep the state before block `number`, and half as many if there are too many."""
        if number % self.stride or number in self.states:
            return
        self.states[number] = inflater.copy(), place
        if len(self.states) * 4 * INPUT > STATE_BYTES:
            self.stride *= 2
            self.states = {n: state for n, state in self.states.items() if n % self.stride == 0}


def _inflate_block(inflater: zlib._Decompress, descriptor: int, place: int) -> tuple[bytes, int]:
    """Return the next block, shorter at the end and before damage, and the next byte of the file."""
    parts: list[bytes] = []
    missing = BLOCK
    try:
        while missing and not inflater.eof:
            data = inflater.unconsumed_tail
            if not data:
                data = pread(descriptor, INPUT, place)
                place += len(data)
            part = inflater.decompress(data, missing)
            if not part and not data:
                break
            parts.append(part)
            missing -= len(part)
    except zlib.error:
        pass
    return b"".join(parts), place


def _inflates(raw: bytes, bits: int) -> bool:
    """Return whether a stream begins like one of zlib's with these window bits."""
    try:
        zlib.decompressobj(bits).decompress(raw, 1 << 20)
    except zlib.error:
        return False
    return True


def _data_set_start(descriptor: int) -> int:
    """Return the byte after the file meta group, 0 without a prefix (PS3.10 section 7.1)."""
    raw = pread(descriptor, REFILL, 0)
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
