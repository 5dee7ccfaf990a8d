"""64-bit hashes of many byte strings at once; they distinguish strings but are not cryptographically secure."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["hashes", "mixed"]

_BLOCK = 1 << 22
"""Bytes of values hashed at a time; each needs about 20 bytes of memory."""
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)


def mixed(numbers: np.ndarray) -> np.ndarray:
    """Mix the bits of each number with the finalizer of SplitMix64; uint64."""
    bits = numbers + _GOLDEN
    bits ^= bits >> np.uint64(30)
    bits *= np.uint64(0xBF58476D1CE4E5B9)
    bits ^= bits >> np.uint64(27)
    bits *= np.uint64(0x94D049BB133111EB)
    bits ^= bits >> np.uint64(31)
    return np.asarray(bits)


def hashes(values: pa.BinaryArray) -> np.ndarray:
    """Hash each byte string to uint64: the sum of its eight-byte words, each mixed with its position."""
    if not len(values):
        return np.empty(0, dtype=np.uint64)
    _, offsets_buffer, data_buffer = values.buffers()
    offsets = np.frombuffer(offsets_buffer, np.int32)[values.offset : values.offset + len(values) + 1].astype(np.int64)
    data = np.frombuffer(data_buffer, np.uint8) if data_buffer is not None else np.empty(0, np.uint8)
    of_values = np.empty(len(values), dtype=np.uint64)
    start = 0
    while start < len(values):
        end = max(int(np.searchsorted(offsets, offsets[start] + _BLOCK, "right")) - 1, start + 1)
        of_values[start:end] = _hashes_of(data[offsets[start] : offsets[end]], np.diff(offsets[start : end + 1]))
        start = end
    return of_values


def _hashes_of(data: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """Hash the strings of these lengths that follow one another in `data`."""
    words = lengths // 8 + 1  # at least one, as `reduceat` needs a word for each string
    firsts = np.cumsum(words) - words
    # How far each string moves, as the strings before it are padded to whole words.
    shifts = firsts * 8 - (np.cumsum(lengths) - lengths)
    padded = np.zeros(int(words.sum()) * 8, dtype=np.uint8)
    padded[np.arange(len(data)) + np.repeat(shifts, lengths)] = data
    places = np.arange(int(words.sum())) - np.repeat(firsts, words)
    of_words = mixed(padded.view("<u8").astype(np.uint64) ^ mixed(places.astype(np.uint64)))
    return np.asarray(mixed(np.add.reduceat(of_words, firsts) + lengths.astype(np.uint64)))
