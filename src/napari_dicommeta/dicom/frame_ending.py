"""Whether the encapsulated frames of a file reach their end: delimiter, last fragment and end of the codestream.

A cut file is an image as long as nothing looks at its end. Whole files cost one small read of their last bytes. The
rest of the file is looked at where these do not look like the end of pixel data (PS3.5 section A.4).
"""

from __future__ import annotations

from dataclasses import dataclass

from napari_dicommeta.dicom.codestream import TAIL, codestream_kind, has_end, looks_whole, may_end_early
from napari_dicommeta.dicom.fragments import frame_data, frame_index
from napari_dicommeta.files.opening import open_file
from napari_dicommeta.support.errors import DecodeError

__all__ = ["FrameEnding", "frame_ending"]


@dataclass(frozen=True, slots=True)
class FrameEnding:
    """Why the frames of a file do not reach their end, with the byte where they stop.

    `is_lost`: whether the last frame cannot be decoded; else only its end, or nothing, is missing.
    """

    reason: str
    is_lost: bool


def frame_ending(path: str, offset: int, frames: int, transfer_syntax: str) -> FrameEnding | None:
    """Return what is missing at the end of encapsulated frames, None if nothing is.

    `offset` is the first byte of the pixel data's value, `frames` the declared *Number of Frames*. The result is None
    too for frames that cannot be found at all, and for those that a server has still to send: reading them says why.

    Raises
    ------
    OSError
        If the file cannot be read.
    """
    with open_file(path) as file:
        if file.front <= offset:
            return None
        size = file.size
        start = max(offset, size - TAIL)
        tail = file.read(start, size - start)
    if looks_whole(tail, transfer_syntax):
        return None
    index = frame_index(path, offset, frames)
    if not len(index.starts):
        return None
    missing = int(index.starts[-1] + index.lengths[-1]) - size
    if missing > 0:
        length = int(index.lengths[-1])
        present = f"{length - missing:,} of {length:,} bytes are present"
        return FrameEnding(f"its last fragment is cut off at byte {size:,}: {present}", is_lost=True)
    if not index.fault:
        try:
            data = frame_data(path, offset, len(index.bounds) - 2, frames)
        except DecodeError:
            return None
        kind = codestream_kind(data)
        if kind and not has_end(data):
            stop = int(index.starts[-1] + index.lengths[-1])
            reason = f"the codestream of its last frame ends early, at byte {stop:,}: it has no end marker"
            return FrameEnding(reason, is_lost=not may_end_early(kind))
    return FrameEnding(index.cut, is_lost=False) if index.cut else None
