"""Read deflated bytes by position: they are inflated once, in blocks that share one bounded memory.

A deflated stream has no places at which reading may begin. It is inflated in blocks, and the state of the inflater
between two blocks is kept. A block that was dropped is inflated again from the state before it.
"""

from __future__ import annotations

import threading
import zlib
from typing import TYPE_CHECKING

from napari_dicommeta.files.bounded_cache import BoundedCache
from napari_dicommeta.files.byte_file import ByteFile, unreadable

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_dicommeta.files.byte_file import FileKey

__all__ = [
    "GZIP",
    "GZIP_MAGIC",
    "INPUT",
    "MAX_STREAMS",
    "RAW",
    "ZLIB",
    "InflatedFile",
    "InflatedStream",
    "bomb_text",
    "is_bomb",
]

RAW, ZLIB, GZIP = -15, 15, 31
"""Window bits of zlib for streams without a header, with one of zlib, and for gzip files."""
BLOCK = 4 << 20
"""Inflated bytes of a block."""
INPUT = 16384
"""Deflated bytes of one read."""
BLOCK_BYTES, STATE_BYTES = 256 << 20, 64 << 20
"""Bytes of the blocks and of the states of all streams that are kept."""
HEAD = 1 << 16
"""Up to this byte, headers are inflated for themselves: a scan needs no more of each file."""
BOMB_BYTES, BOMB_RATIO = 256 << 20, 250
"""A stream that inflates to more bytes, and to more times its size, is refused. Images inflate to a few times."""
DAMAGED = "its compressed bytes are cut off or damaged, or do not have their checksum: copy or download it again"
MAX_STREAMS = 4096
GZIP_MAGIC = b"\x1f\x8b"

_BLOCKS: BoundedCache[bytes] = BoundedCache(BLOCK_BYTES, lambda block: len(block) + 64)
_STATES: BoundedCache[tuple[zlib._Decompress, int]] = BoundedCache(STATE_BYTES, lambda _: 4 * INPUT)
"""By stream and number of a block: the inflater before it, and the byte that it reads next."""


def is_bomb(size: int, packed: int) -> bool:
    """Return whether `packed` bytes that inflate to `size` are refused."""
    return size > BOMB_BYTES and size > BOMB_RATIO * packed


def bomb_text(size: int, packed: int) -> str:
    """Return why they are refused, and what to do."""
    return f"it inflates to {size // max(packed, 1):,} times its size, as archive bombs do: unpack it if you trust it"


class InflatedStream:
    """The inflated bytes of a stream that begins at `start` of a file; the file is handed to each call, open.

    `key` names the stream in the memory of blocks. `end` is the byte after the stream. `crc` is the checksum of the
    inflated bytes, compared where they fit into one block. `size` is their number, None where only the end shows it.
    The states of every block are kept up to a number, then those of every second one, and so on. Of all streams, those
    used least recently are dropped.
    """

    def __init__(
        self,
        key: tuple[object, ...],
        start: int,
        bits: int,
        *,
        end: int | None = None,
        crc: int | None = None,
        size: int | None = None,
    ) -> None:
        self.key, self._start, self._bits, self._stop, self._crc = key, start, bits, end, crc
        self._end: int | None = None
        """The number of blocks, once known."""
        self._size = size
        self._guard = threading.Lock()
        self._kept: set[int] = set()
        """The blocks before which the state was kept."""
        self._stride = 1

    def read(self, packed: ByteFile, position: int, count: int) -> bytes:
        """Return `count` bytes at `position`, fewer if the stream ends or is damaged before.

        Raises
        ------
        OSError
            If the file cannot be read, or the stream is refused.
        """
        if count <= 0:
            return b""
        parts = []
        for number in range(position // BLOCK, (position + count - 1) // BLOCK + 1):
            block = self._cached(packed, number)
            parts.append(block[max(position - number * BLOCK, 0) : position + count - number * BLOCK])
            if len(block) < BLOCK:
                break
        return b"".join(parts)

    def read_head(self, packed: ByteFile, position: int, count: int) -> bytes:
        """Return what `read` does, without inflating more than that if it is near the start and not in memory.

        What reaches the end is read as a block, of which the checksum is compared.
        """
        stop = position + count
        if stop > HEAD or (self._size is not None and stop >= self._size) or _BLOCKS.peek((*self.key, 0)) is not None:
            return self.read(packed, position, count)
        inflater = zlib.decompressobj(self._bits)
        head, inflater, _ = self._inflate(packed, inflater, self._start, stop)
        return head[position:] if head or inflater.eof else self.read(packed, position, count)

    def size(self, packed: ByteFile) -> int:
        """Return the number of bytes, for which all of the stream is inflated once; raise as `read` does."""
        if self._size is None:
            last = 0
            while len(self._cached(packed, last)) == BLOCK:
                last += 1
            self._size = last * BLOCK + len(self._cached(packed, last))
        return self._size

    def _cached(self, packed: ByteFile, number: int) -> bytes:
        return _BLOCKS.get((*self.key, number), lambda: self._block(packed, number))

    def _block(self, packed: ByteFile, number: int) -> bytes:
        """Inflate a block, and those before it whose state is not known."""
        with self._guard:
            if self._end is not None and number >= self._end:
                return b""
            known, inflater, place = self._state(number)
            for n in range(known, number + 1):
                block, inflater, place = self._inflate(packed, inflater, place, BLOCK)
                if is_bomb(n * BLOCK + len(block), place - self._start):
                    raise unreadable(packed.path, bomb_text(n * BLOCK + len(block), place - self._start))
                if not block and n == 0 and not inflater.eof and (self._size or self._bits == GZIP):
                    raise unreadable(packed.path, DAMAGED)
                if len(block) < BLOCK:
                    self._end = n + 1
                    if n == 0 and self._crc is not None and zlib.crc32(block) != self._crc:
                        raise unreadable(
                            packed.path, "its bytes do not have the checksum of the archive: copy the archive again"
                        )
                    return block if n == number else b""
                self._keep(n + 1, inflater, place)
                if n < number:
                    _BLOCKS.put((*self.key, n), block)
            return block

    def _keep(self, number: int, inflater: zlib._Decompress, place: int) -> None:
        """Keep the state before block `number`, and half as many if there are too many."""
        if number % self._stride or number in self._kept:
            return
        _STATES.put((*self.key, number), (inflater.copy(), place))
        self._kept.add(number)
        if len(self._kept) * 4 * INPUT > STATE_BYTES // 2:
            self._stride *= 2
            for n in [n for n in self._kept if n % self._stride]:
                self._kept.remove(n)
                _STATES.drop((*self.key, n))

    def _state(self, number: int) -> tuple[int, zlib._Decompress, int]:
        """Return the last block up to `number` before which the state is known, and that state to go on from."""
        for n in sorted((n for n in self._kept if n <= number), reverse=True):
            state = _STATES.peek((*self.key, n))
            if state is not None:
                return n, state[0].copy(), state[1]
            self._kept.discard(n)
        return 0, zlib.decompressobj(self._bits), self._start

    def _inflate(
        self, packed: ByteFile, inflater: zlib._Decompress, place: int, count: int
    ) -> tuple[bytes, zlib._Decompress, int]:
        """Return the next `count` bytes, fewer at the end and before damage, the inflater, and the next byte to read.

        A gzip file may consist of several streams (RFC 1952 section 2.2).
        """
        parts: list[bytes] = []
        missing = count
        try:
            while missing:
                if inflater.eof:
                    rest = inflater.unused_data
                    if self._bits != GZIP or not (rest or (rest := self._packed(packed, place))):
                        break
                    place += 0 if inflater.unused_data else len(rest)
                    if not rest.startswith(GZIP_MAGIC):
                        break
                    inflater = zlib.decompressobj(GZIP)
                    data = rest
                else:
                    data = inflater.unconsumed_tail
                if not data:
                    data = self._packed(packed, place)
                    place += len(data)
                part = inflater.decompress(data, missing)
                if not part and not data:
                    break
                parts.append(part)
                missing -= len(part)
        except zlib.error:
            pass
        return b"".join(parts), inflater, place

    def _packed(self, packed: ByteFile, place: int) -> bytes:
        return packed.read(place, INPUT if self._stop is None else max(min(INPUT, self._stop - place), 0))


class InflatedFile(ByteFile):
    """The inflated bytes of a stream, whose file it closes.

    `make` returns the stream when more than a head is read, unless it is `known`. `size` is None where only the
    stream's end shows it. `first`: deflated bytes that were read already, from the start of a stream without a header
    on.
    """

    __slots__ = ("_first", "_make", "_packed", "_size", "_stream")

    def __init__(
        self,
        path: str,
        packed: ByteFile,
        make: Callable[[], InflatedStream],
        *,
        known: InflatedStream | None = None,
        size: int | None = None,
        first: bytes = b"",
    ) -> None:
        self.path, self.mtime = path, packed.mtime
        self._packed, self._make, self._stream = packed, make, known
        self._size, self._first = size, first

    @property
    def size(self) -> int:
        """Number of bytes."""
        return self._whole().size(self._packed) if self._size is None else self._size

    @property
    def key(self) -> FileKey:
        """The key of its content; the size is that of the packed file where its own is not stated."""
        return self.path, self.mtime, self._packed.key[2] if self._size is None else self._size

    def read(self, offset: int, count: int) -> bytes:
        """Return `count` bytes at `offset`, fewer at the end of the stream."""
        if self._size is not None:
            count = min(count, self._size - offset)
            stop = offset + count
            if self._stream is None and 0 < stop < self._size and (head := _head(self._first, stop)):
                return head[offset:]
        return self._whole().read_head(self._packed, offset, count)

    def _whole(self) -> InflatedStream:
        if self._stream is None:
            self._stream = self._make()
        return self._stream

    def close(self) -> None:
        """Close the packed file."""
        self._packed.close()


def _head(first: bytes, count: int) -> bytes:
    """Return `count` inflated bytes of the deflated bytes `first`, b"" if these do not hold as many."""
    if count > HEAD:
        return b""
    try:
        head = zlib.decompressobj(RAW).decompress(first, count)
    except zlib.error:
        return b""
    return head if len(head) == count else b""
