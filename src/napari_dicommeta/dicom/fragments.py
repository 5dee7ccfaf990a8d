"""Find the frames of encapsulated pixel data: one pass over the item headers of a file (PS3.5 section A.4).

The offset tables of real files are empty, wrong or cut off. The items themselves are walked once per file and kept as
an index, so that reading n frames costs n. An offset table is used only where the items alone do not settle which
fragments belong to a frame, and only if it agrees with them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from napari_dicommeta.dicom.fragment_walk import STARTS, walk_fragments
from napari_dicommeta.dicom.image_header import EXTENDED_OFFSETS, image_header
from napari_dicommeta.files.bounded_cache import BoundedCache
from napari_dicommeta.files.opening import file_key, open_file
from napari_dicommeta.support.errors import DecodeError

if TYPE_CHECKING:
    from napari_dicommeta.files.byte_file import ByteFile, FileKey

__all__ = ["FrameIndex", "frame_data", "frame_index"]

INDEX_BYTES = 64 << 20
"""Bytes of the indices that are kept."""
TAIL = 10
"""Bytes at the end of a fragment in which the end marker of a codestream is looked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FrameIndex:
    """The place of each frame in a file.

    `starts` and `lengths`: int64, the first byte and the bytes of each fragment. `bounds`: int64, shape (frames + 1,);
    frame n consists of the fragments from ``bounds[n]`` up to but not including ``bounds[n + 1]``. `fault`: why there
    are no bounds, "" if there are. `cut`: why the fragments end without their delimiter, "" if they do not.
    """

    starts: np.ndarray
    lengths: np.ndarray
    bounds: np.ndarray = field(default_factory=lambda: np.zeros(1, np.int64))
    fault: str = ""
    cut: str = ""

    @property
    def nbytes(self) -> int:
        """Bytes of the arrays, and about those of the objects around them."""
        return int(self.starts.nbytes + self.lengths.nbytes + self.bounds.nbytes) + 2048


_INDICES: BoundedCache[FrameIndex] = BoundedCache(INDEX_BYTES, lambda index: index.nbytes)


def frame_data(path: str, offset: int, frame: int, frames: int) -> bytes:
    """Return the codestream of one encapsulated frame, its fragments joined (PS3.5 section A.4).

    `offset` is the first byte of the pixel data's value, `frames` the declared *Number of Frames*.

    Raises
    ------
    DecodeError
        If the fragments cannot be assigned to frames, or those of this frame are not in the file.
    OSError
        If the file cannot be read.
    """
    parts = []
    with open_file(path) as file:
        key = file.key
        index, size = _index(key, offset, frames), file.size
        if index.fault:
            raise DecodeError(index.fault)
        if not 0 <= frame < len(index.bounds) - 1:
            raise DecodeError(f"its fragments hold {len(index.bounds) - 1} of {frames} frames")
        first, stop = int(index.bounds[frame]), int(index.bounds[frame + 1])
        if first >= stop:
            raise DecodeError("it has no fragment")
        for start, length in zip(index.starts[first:stop].tolist(), index.lengths[first:stop].tolist(), strict=True):
            part = file.read(start, min(length, max(size - start, 0)))
            if len(part) < length:
                raise DecodeError(f"its fragment is cut off: {len(part):,} of {length:,} bytes are present")
            parts.append(part)
    return parts[0] if len(parts) == 1 else b"".join(parts)


def frame_index(path: str, offset: int, frames: int) -> FrameIndex:
    """Return the index of the encapsulated frames of a file, from the cache if the file has not changed.

    Raises
    ------
    OSError
        If the file cannot be read.
    """
    return _index(file_key(path), offset, frames)


def _index(key: FileKey, offset: int, frames: int) -> FrameIndex:
    return _INDICES.get((*key, offset, frames), lambda: _build(key[0], offset, frames))


def _build(path: str, offset: int, frames: int) -> FrameIndex:
    """Walk the items of a file and assign them to frames."""
    with open_file(path) as file:
        size = file.size
        starts, lengths, cut = _walk(file, offset, size)
        none = np.zeros(0, np.int64)
        if not len(starts):
            return FrameIndex(starts=none, lengths=none, fault=cut or "its pixel data has no offset table", cut=cut)
        table_start, table_length = int(starts[0]), int(lengths[0])
        starts, lengths = starts[1:], lengths[1:]
        table = none
        if table_length % 4 == 0 and table_length == 4 * frames and table_start + table_length <= size:
            table = np.frombuffer(file.read(table_start, table_length), "<u4").astype(np.int64)
        bounds = _assign(file, starts, lengths, frames, table, cut != "")
    if bounds is None and frames > 1:
        bounds = _by_table(starts, _extended_table(path, frames), frames, cut != "")
    if bounds is None:
        counts = f"{len(starts):,} encapsulated fragments cannot be assigned to {frames:,} frames"
        fault = counts + (f": {cut}" if cut else "")
        return FrameIndex(starts=starts, lengths=lengths, fault=fault, cut=cut)
    return FrameIndex(starts=starts, lengths=lengths, bounds=bounds, cut=cut)


def _walk(file: ByteFile, position: int, size: int) -> tuple[np.ndarray, np.ndarray, str]:
    """Return the starts and lengths of all items from `position` on, and why the walk ended early."""
    starts, lengths, fault, _ = walk_fragments(file.read, position, size)
    return np.array(starts, np.int64), np.array(lengths, np.int64), fault


def _assign(
    file: ByteFile, starts: np.ndarray, lengths: np.ndarray, frames: int, table: np.ndarray, is_cut: bool
) -> np.ndarray | None:
    """Return the bounds of frames among fragments; None if nothing settles them.

    Fewer fragments than frames are used only of a file that is cut off and has an offset table.
    """
    count = len(starts)
    if count == 0:
        return None
    if count == frames:
        return np.arange(frames + 1, dtype=np.int64)
    if frames == 1:
        return np.array([0, count], np.int64)
    bounds = _by_table(starts, table, frames, is_cut)
    if bounds is not None or count < frames:
        return bounds
    filled = np.flatnonzero(lengths > 0)
    if len(filled) == frames:
        return np.append(filled, count)
    return _by_markers(file, starts, lengths, frames)


def _by_table(starts: np.ndarray, table: np.ndarray, frames: int, is_cut: bool) -> np.ndarray | None:
    """Return the bounds that an offset table states, None if it contradicts the fragments.

    Offsets count from the first fragment's item. Where the file is cut off, frames behind the end are left out.
    """
    if len(table) != frames or not len(starts) or table[0] != 0 or (np.diff(table) <= 0).any():
        return None
    items = starts - starts[0]
    known = table[table <= items[-1]] if is_cut else table
    bounds = np.searchsorted(items, known)
    if (bounds >= len(items)).any() or (items[bounds] != known).any():
        return None
    return np.array([*bounds, len(items)], np.int64)


def _by_markers(file: ByteFile, starts: np.ndarray, lengths: np.ndarray, frames: int) -> np.ndarray | None:
    """Return the bounds by the first or the last bytes of each fragment, None if neither count as many frames."""
    heads, tails = [], []
    for n, (start, length) in enumerate(zip(starts.tolist(), lengths.tolist(), strict=True)):
        if file.read(start, min(8, length)).startswith(STARTS):
            heads.append(n)
        tail = file.read(start + length - min(TAIL, length), min(TAIL, length))
        if b"\xff\xd9" in tail:
            tails.append(n)
    if len(heads) == frames and heads[0] == 0:
        return np.array([*heads, len(starts)], np.int64)
    if len(tails) == frames:
        return np.array([0, *(n + 1 for n in tails[:-1]), len(starts)], np.int64)
    return None


def _extended_table(path: str, frames: int) -> np.ndarray:
    """Return *Extended Offset Table* (7FE0,0001), int64, empty if there is none (PS3.3 section C.7.6.3.1.8)."""
    raw = image_header(path).values.get(EXTENDED_OFFSETS, (b"OV", b""))[1]
    if len(raw) != 8 * frames:
        return np.zeros(0, np.int64)
    # An offset past 2^63 turns negative, and so contradicts the fragments.
    return np.frombuffer(raw, "<u8").astype(np.int64)
