"""Apply the color palette of a file to its pixels (PS3.3 sections C.7.6.3.1.5, C.7.6.3.1.6 and C.7.9)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_dicommeta.support.errors import DecodeError

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Palette", "read_palette"]

DESCRIPTORS = ("00281101", "00281102", "00281103")
TABLES = ("00281201", "00281202", "00281203")
SEGMENTED = ("00281221", "00281222", "00281223")
MAX_ENTRIES = 65536
MAX_INDIRECT = 4096
"""The most segments that one indirect segment repeats."""


@dataclass(frozen=True, slots=True, eq=False)
class Palette:
    """The colors of stored values.

    `first`: the stored value of entry 0; smaller values have its color too, larger ones that of the last entry.
    `colors`: shape (entries, 3), uint8, or uint16 if an entry exceeds 255. So the dtype is that of the file, whatever
    its frames hold; real files state 16 bits for tables of 8.
    """

    first: int
    colors: np.ndarray

    def apply(self, stored: np.ndarray) -> np.ndarray:
        """Return the colors of integers of shape (rows, columns): shape (rows, columns, 3), uint8 or uint16."""
        entries = stored.astype(np.int64) - self.first
        return np.asarray(self.colors[np.clip(entries, 0, len(self.colors) - 1)])


def read_palette(value_of: Callable[[str], tuple[bytes, bytes] | None], little: bool, signed: bool) -> Palette:
    """Return the palette of a file.

    `value_of` returns (VR, bytes) of an element by its tag in hexadecimal digits, None if the file lacks it. `signed`:
    *Pixel Representation*, which gives the first stored value its sign.

    Raises
    ------
    DecodeError
        If a table is missing or damaged, has another length than its descriptor says, or is described unlike the
        others.
    """
    count, first, bits = _described(value_of, little)
    if signed and first >= 32768:
        first -= 65536
    planes: list[np.ndarray] = []
    lengths: set[int] = set()
    for table, segmented in zip(TABLES, SEGMENTED, strict=True):
        found = value_of(table)
        if found is not None and found[1]:
            entries = _entries(*found, count, bits, little)
            lengths.add(len(found[1]))
        else:
            found = value_of(segmented)
            if found is None:
                raise DecodeError("a palette color image without a table for each color")
            entries = _expanded(_numbers(*found, bits, little), count, bits)
        if len(entries) != count:
            raise DecodeError(f"the descriptor of a color table says {count:,} entries, it has {len(entries):,}")
        planes.append(entries)
    if len(lengths) > 1:  # one is cut, and what is left of it would be taken for bytes
        raise DecodeError("the color tables have different lengths")
    colors = np.stack(planes, axis=1)
    colors = colors.astype(np.uint16 if colors.max(initial=0) > 255 else np.uint8)
    colors.flags.writeable = False
    return Palette(first, colors)


def _described(value_of: Callable[[str], tuple[bytes, bytes] | None], little: bool) -> tuple[int, int, int]:
    """Return the number of entries, the first stored value and the bits, which are those of all three descriptors."""
    found = [value_of(descriptor) for descriptor in DESCRIPTORS]
    stated = {value[:6] for _, value in (element or (b"US", b"") for element in found)}
    if any(len(value) < 6 for value in stated):
        raise DecodeError("a palette color image without a table for each color")
    if len(stated) > 1:
        raise DecodeError("the descriptors of the color tables differ")
    count, first, bits = np.frombuffer(stated.pop(), "<u2" if little else ">u2").tolist()
    if bits not in (8, 16):
        raise DecodeError(f"a color table of {bits} bits per entry, 8 or 16 are defined")
    return count or MAX_ENTRIES, first, bits


def _numbers(vr: bytes, raw: bytes, bits: int, little: bool) -> np.ndarray:
    """Return the numbers of a table of 8 or 16 bits; bytes in words of a big endian file are swapped (PS3.5 7.3)."""
    if bits == 16:
        return np.frombuffer(raw[: len(raw) & ~1], "<u2" if little else ">u2")
    if not little and vr != b"OB":
        raw = np.frombuffer(raw[: len(raw) & ~1], "<u2").byteswap().tobytes()
    return np.frombuffer(raw, np.uint8)


def _entries(vr: bytes, raw: bytes, count: int, bits: int, little: bool) -> np.ndarray:
    """Return the entries of a plain table; entries of 8 bits may take a byte or a word each (PS3.3 C.7.6.3.1.6).

    Its length says which. With any other length, the result has another number of entries.
    """
    if len(raw) == 2 * count:
        entries = _numbers(vr, raw, 16, little)
        # Real files have 8 bits in either half of the word.
        return entries >> 8 if bits == 8 and entries.max(initial=0) > 255 else entries
    if len(raw) == count + count % 2:
        return _numbers(vr, raw, 8, little)[:count]
    return _numbers(vr, raw, bits, little)


def _expanded(numbers: np.ndarray, count: int, bits: int) -> np.ndarray:
    """Return the entries of a segmented table; more than `count` only as far as needed to see that (PS3.3 C.7.9.2)."""
    segments = numbers.tolist()
    out: list[int] = []
    _expand(segments, 0, len(segments), out, count, bits, may_repeat=True)
    return np.array(out, np.uint16)


def _expand(
    segments: list[int], position: int, repeats: int, out: list[int], count: int, bits: int, may_repeat: bool
) -> None:
    """Append the entries of up to `repeats` segments from `position` on."""
    width = 4 if bits == 8 else 2
    for _ in range(repeats):
        if len(out) > count or position + 2 > len(segments):
            return
        kind, length = segments[position : position + 2]
        position += 2
        if kind == 0:
            out += segments[position : position + length]
            position += length
        elif kind == 1:
            if not out or position >= len(segments):
                raise DecodeError("a segmented color table begins or ends with half a line")
            steps = np.arange(1, length + 1) / max(length, 1)
            out += np.rint(out[-1] + steps * (segments[position] - out[-1])).astype(int).tolist()
            position += 1
        elif kind == 2 and may_repeat and position + width <= len(segments):
            if length > MAX_INDIRECT:
                raise DecodeError(f"a segmented color table repeats {length} segments at once")
            digits = segments[position : position + width]
            base = 256 if bits == 8 else 65536
            # The offset counts bytes from the start of the table, its least significant part first.
            start = sum(digit * base**n for n, digit in enumerate(digits)) // (1 if bits == 8 else 2)
            _expand(segments, start, length, out, count, bits, may_repeat=False)
            position += width
        else:
            raise DecodeError(f"a segmented color table has a segment of kind {kind}")
