"""Whether the encapsulated frames of a file reach their end: delimiter, last fragment and end of the codestream.

A cut file is an image as long as nothing looks at its end. Whole files cost one small read of their last bytes, and of
several frames one for each, or one for many small ones. The rest of the file is looked at where these do not look like
the end of pixel data (PS3.5 section A.4).
"""

from __future__ import annotations

from dataclasses import dataclass

from napari_dicommeta.dicom.codestream import (
    EOI,
    PADDING,
    TAIL,
    WITHOUT_END,
    codestream_kind,
    has_end,
    looks_whole,
    may_end_early,
)
from napari_dicommeta.dicom.fragments import FrameIndex, frame_data, frame_index
from napari_dicommeta.files.inflated_stream import InflatedFile
from napari_dicommeta.files.opening import open_file
from napari_dicommeta.files.urls import is_url
from napari_dicommeta.support.errors import DecodeError

__all__ = ["FrameEnding", "frame_ending"]

MAX_ENDS = 10_000
"""The most frames of a file of which each end is looked at: a slide has some hundred thousand."""
MAX_LOOKED = 64
"""The most frames that are read because their last bytes hold no end marker."""
MAX_NAMED = 4
SMALL, BLOCK = 1 << 15, 1 << 18
"""Bytes of a fragment below which the ends of the next ones are read with its own, and bytes that are read then."""


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
        has_ends = 1 < frames <= MAX_ENDS and transfer_syntax not in WITHOUT_END
        has_ends = has_ends and not is_url(path) and not isinstance(file, InflatedFile)
    is_whole = looks_whole(tail, transfer_syntax)
    if is_whole and not has_ends:
        return None
    index = frame_index(path, offset, frames)
    if not len(index.starts):
        return None
    early = _early_ends(path, offset, frames, index) if has_ends and not index.fault else ""
    ending = None if is_whole else _last_ending(path, offset, frames, size, index)
    if not early:
        return ending
    reasons = [early] if ending is None else [early, ending.reason]
    return FrameEnding("; ".join(reasons), is_lost=ending is not None and ending.is_lost)


def _early_ends(path: str, offset: int, frames: int, index: FrameIndex) -> str:
    """Return which frames before the last have no end marker, "" if all have one."""
    early: list[int] = []
    looked = 0
    bounds, starts, lengths = index.bounds.tolist(), index.starts.tolist(), index.lengths.tolist()
    with open_file(path) as file:
        begin, block = 0, b""
        for frame, stop in enumerate(bounds[1:-1]):
            if stop == bounds[frame]:
                continue
            count = min(PADDING, lengths[stop - 1])
            at = starts[stop - 1] + lengths[stop - 1] - count
            if at < begin or at + count > begin + len(block):
                begin, block = at, file.read(at, BLOCK if lengths[stop - 1] < SMALL else count)
            if EOI in block[at - begin : at - begin + count]:
                continue
            looked += 1
            if looked > MAX_LOOKED:
                break
            data = frame_data(path, offset, frame, frames)
            if codestream_kind(data) and not has_end(data):
                early.append(frame + 1)
    if not early:
        return ""
    if len(early) == 1:
        return f"the codestream of its frame {early[0]:,} ends early: it has no end marker"
    named = " and ".join((", ".join(f"{frame:,}" for frame in early[:-1][:MAX_NAMED]), f"{early[-1]:,}"))
    if len(early) > MAX_NAMED + 1:
        named = f"{early[0]:,} and at least {len(early) - 1:,} later ones"
    return f"the codestreams of its frames {named} end early: they have no end marker"


def _last_ending(path: str, offset: int, frames: int, size: int, index: FrameIndex) -> FrameEnding | None:
    """Return what is missing at the end of the last frame, None if nothing is."""
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
