"""Find the frames of encapsulated pixel data without reading those before them (PS3.5 section A.4).

The places of a file's frames are read once: from its Basic or Extended Offset Table, or from the lengths of its
fragments where there is one for each frame. Anything else is left to pydicom.
"""

from __future__ import annotations

import os
import struct
import threading
from collections import OrderedDict

import numpy as np

from napari_dicommeta.dicom.header import OPEN_FLAGS, pread
from napari_dicommeta.support.errors import DecodeError

__all__ = ["frame_bytes"]

MAX_CACHED_FILES = 16
MAX_CACHED_FRAMES = 1 << 22
"""The most frames of all files whose places are kept, of 8 bytes each."""
ITEM = 0xE000FFFE
"""An item's tag as little endian number, which all encapsulated pixel data are."""
_HEAD = struct.Struct("<LL")
_EXTENDED = b"\xe0\x7f\x01\x00OV\0\0", b"\xe0\x7f\x02\x00OV\0\0"
_BEFORE_VALUE = 12
"""Bytes of tag, VR and length before the value of pixel data."""

_guard = threading.Lock()
_kept: OrderedDict[tuple[str, int, int, int, int], np.ndarray] = OrderedDict()


def frame_bytes(path: str, offset: int, frame: int, frames: int) -> bytes:
    """Return the codestream of one of the `frames` of a file, counted from 0.

    `offset` is the start of the file's pixel data, where its Basic Offset Table is.

    Raises
    ------
    DecodeError
        If no codestream can be assigned to the frame.
    OSError
        If the file cannot be read.
    """
    if frames > 1 and 0 <= frame < frames:
        descriptor = os.open(path, OPEN_FLAGS)
        try:
            status = os.fstat(descriptor)
            key = (path, status.st_mtime_ns, status.st_size, offset, frames)
            starts = _known(key)
            if starts is None:
                starts = _read_starts(descriptor, offset, frames, status.st_size)
                _keep(key, starts)
            if len(starts):
                stop = int(starts[frame + 1]) if frame + 1 < frames else status.st_size
                return _fragments(descriptor, int(starts[frame]), stop)
        finally:
            os.close(descriptor)
    return _by_pydicom(path, offset, frame, frames)


def _by_pydicom(path: str, offset: int, frame: int, frames: int) -> bytes:
    from pydicom.encaps import get_frame

    with open(path, "rb") as file:
        file.seek(offset)
        try:
            return bytes(get_frame(file, frame, number_of_frames=frames))
        except (ValueError, IndexError) as error:
            raise DecodeError("its encapsulated fragments cannot be assigned to frames") from error


def _known(key: tuple[str, int, int, int, int]) -> np.ndarray | None:
    with _guard:
        if key in _kept:
            _kept.move_to_end(key)
        return _kept.get(key)


def _keep(key: tuple[str, int, int, int, int], starts: np.ndarray) -> None:
    with _guard:
        _kept[key] = starts
        while len(_kept) > MAX_CACHED_FILES or (len(_kept) > 1 and sum(map(len, _kept.values())) > MAX_CACHED_FRAMES):
            _kept.popitem(last=False)


def _read_starts(descriptor: int, offset: int, frames: int, size: int) -> np.ndarray:
    """Return where the first fragment of each frame is in the file, int64; empty if the structure is unusual."""
    head = pread(descriptor, 8, offset)
    if len(head) < 8:
        return _NONE
    tag, length = _HEAD.unpack(head)
    first = offset + 8 + length
    if tag != ITEM or first > size:
        return _NONE
    if length == 4 * frames:
        starts: np.ndarray = np.frombuffer(pread(descriptor, length, offset + 8), "<u4").astype(np.int64) + first
        if _are_items(descriptor, starts, first, size):
            return starts
    elif length == 0:
        starts = _extended_offsets(descriptor, offset, frames) + first
        if len(starts) and _are_items(descriptor, starts, first, size):
            return starts
    return _walk(descriptor, first, frames, size)


_NONE = np.zeros(0, dtype=np.int64)


def _are_items(descriptor: int, starts: np.ndarray, first: int, size: int) -> bool:
    """Return whether the first and last of `starts` are fragments, and all are in ascending order."""
    if not len(starts) or starts[0] != first or starts[-1] + 8 > size or (np.diff(starts) < 8).any():
        return False
    return all(pread(descriptor, 4, int(start)) == b"\xfe\xff\x00\xe0" for start in (starts[0], starts[-1]))


def _extended_offsets(descriptor: int, offset: int, frames: int) -> np.ndarray:
    """Return the Extended Offset Table just before the pixel data (PS3.3 section C.7.6.3.1.8), empty without one."""
    length = 8 * frames
    at = offset - _BEFORE_VALUE - 2 * (_BEFORE_VALUE + length)
    if at < 0:
        return _NONE
    heads = [pread(descriptor, _BEFORE_VALUE, at + n * (_BEFORE_VALUE + length)) for n in range(2)]
    if heads != [tag + struct.pack("<L", length) for tag in _EXTENDED]:
        return _NONE
    table = np.frombuffer(pread(descriptor, length, at + _BEFORE_VALUE), "<u8")
    return table.astype(np.int64) if len(table) == frames and table.max(initial=0) < 1 << 62 else _NONE


def _walk(descriptor: int, first: int, frames: int, size: int) -> np.ndarray:
    """Return the places of the fragments if there is one for each frame, otherwise an empty array."""
    starts: list[int] = []
    at = first
    while at + 8 <= size and len(starts) <= frames:
        tag, length = _HEAD.unpack(pread(descriptor, 8, at))
        if tag != ITEM:
            break
        starts.append(at)
        at += 8 + length
    return np.array(starts, dtype=np.int64) if len(starts) == frames else _NONE


def _fragments(descriptor: int, start: int, stop: int) -> bytes:
    """Return the joined values of the fragments from `start` up to `stop`, or to the end of the sequence."""
    parts = []
    while start + 8 <= stop:
        head = pread(descriptor, 8, start)
        if len(head) < 8 or _HEAD.unpack(head)[0] != ITEM:
            break
        length = _HEAD.unpack(head)[1]
        data = pread(descriptor, min(length, stop - start - 8), start + 8)
        if len(data) < length:
            raise DecodeError(f"{len(data)} of the {length} bytes of a fragment are present")
        parts.append(data)
        start += 8 + length
    return b"".join(parts)
