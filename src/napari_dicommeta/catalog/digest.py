"""What a catalog holds as one number, and each of its files as one: to see that a folder has changed, and where.

Each distinct stored value is hashed once; a file's number is made of those of its values. 64 bits tell files apart,
they protect from nobody.
"""

from __future__ import annotations

import os
from hashlib import blake2b
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_dicommeta.catalog.catalog import Catalog

__all__ = ["catalog_digest", "common_folder", "file_digests", "relative_paths"]

VERSION = b"dicommeta-1"
"""Digests of another version are other ones."""
_BLOCK = 1 << 22
"""Bytes of values that are hashed at a time, each of which takes some 20 meanwhile."""
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)


def catalog_digest(catalog: Catalog) -> str:
    """32 hexadecimal digits of what a catalog holds: its files' relative paths, sizes and stored values.

    The same for a folder that was moved, for files in another order, for a catalog that was saved and loaded; another
    one where a file, a name, a size or a byte of an element differs. Times of change, pixels of the same length, and
    entries that are no row of the catalog do not count.
    """
    paths = relative_paths(catalog.paths, common_folder(catalog.paths))
    names = _hashes(pa.array([path.encode("utf-8", "surrogatepass") for path in paths], pa.binary()))
    rows = np.sort(_mixed(file_digests(catalog) + _mixed(names)))
    return blake2b(rows.astype("<u8").tobytes(), digest_size=16, person=VERSION).hexdigest()


def file_digests(catalog: Catalog) -> np.ndarray:
    """For each file a number that its size and its elements' stored values make, uint64 of shape (n_files,)."""
    total = _mixed(catalog.file_column("size").astype(np.uint64))
    for column in catalog.file_rows.columns():
        codes = catalog.file_rows.stored_codes(column)
        is_used = np.bincount(codes + 1, minlength=len(column.values) + 1)[1:] > 0
        if not is_used.any():
            continue
        of_code = np.zeros(len(column.values) + 1, dtype=np.uint64)  # the last one, for code -1, stays 0: no element
        used = column.values if is_used.all() else column.values.filter(pa.array(is_used))
        seed = int.from_bytes(blake2b(column.path.key.encode(), digest_size=8).digest(), "little")
        of_code[:-1][is_used] = _mixed(_hashes(used) + np.uint64(seed))
        total += of_code[codes]
    return _mixed(total)


def common_folder(paths: Sequence[str]) -> str:
    """The deepest folder that holds all of `paths`, "" for none of them, or for several drives."""
    folders = {os.path.dirname(path) for path in paths}
    try:
        return os.path.commonpath(folders) if folders else ""
    except ValueError:
        return ""


def relative_paths(paths: Sequence[str], folder: str) -> list[str]:
    """`paths` relative to `folder`, with ``/`` between their parts; a path that is not below it stays as it is."""
    start = os.path.join(folder, "") if folder else ""
    below = [path[len(start) :] if path.startswith(start) else path for path in paths]
    return below if os.sep == "/" else [path.replace(os.sep, "/") for path in below]


def _mixed(numbers: np.ndarray) -> np.ndarray:
    """Numbers whose bits all depend on all bits of `numbers`, uint64: the finalizer of SplitMix64."""
    mixed = numbers + _GOLDEN
    mixed ^= mixed >> np.uint64(30)
    mixed *= np.uint64(0xBF58476D1CE4E5B9)
    mixed ^= mixed >> np.uint64(27)
    mixed *= np.uint64(0x94D049BB133111EB)
    mixed ^= mixed >> np.uint64(31)
    return np.asarray(mixed)


def _hashes(values: pa.BinaryArray) -> np.ndarray:
    """A hash of each of some byte strings, uint64: their words of eight bytes, mixed with their places, summed."""
    _, offsets_buffer, data_buffer = values.buffers()
    offsets = np.frombuffer(offsets_buffer, np.int32)[values.offset : values.offset + len(values) + 1].astype(np.int64)
    data = np.frombuffer(data_buffer, np.uint8) if data_buffer is not None else np.empty(0, np.uint8)
    found = np.empty(len(values), dtype=np.uint64)
    start = 0
    while start < len(values):
        end = max(int(np.searchsorted(offsets, offsets[start] + _BLOCK, "right")) - 1, start + 1)
        found[start:end] = _hashes_of(data[offsets[start] : offsets[end]], np.diff(offsets[start : end + 1]))
        start = end
    return found


def _hashes_of(data: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """The same of strings of these lengths that lie one after another in `data`."""
    words = lengths // 8 + 1  # never none, so that each string has a place to be summed up at
    firsts = np.cumsum(words) - words
    # Where each byte goes: behind those of the strings before, which take whole words.
    shifts = firsts * 8 - (np.cumsum(lengths) - lengths)
    padded = np.zeros(int(words.sum()) * 8, dtype=np.uint8)
    padded[np.arange(len(data)) + np.repeat(shifts, lengths)] = data
    places = np.arange(int(words.sum())) - np.repeat(firsts, words)
    mixed = _mixed(padded.view("<u8").astype(np.uint64) ^ _mixed(places.astype(np.uint64)))
    return np.asarray(_mixed(np.add.reduceat(mixed, firsts) + lengths.astype(np.uint64)))
