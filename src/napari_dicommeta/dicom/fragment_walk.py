"""Walk the fragments of encapsulated pixel data, and find out whether they reach their end (PS3.5 section A.4).

Only the standard library is used here: a scan looks at the end of each compressed file.
"""

from __future__ import annotations

import struct
from array import array
from typing import TYPE_CHECKING, NamedTuple

from napari_dicommeta.dicom.codestream import has_end
from napari_dicommeta.support.errors import DecodeError

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["STARTS", "Fragments", "ending_fault", "walk_fragments"]

READ = 65536
"""Bytes of one read while small fragments are walked."""
MAX_FRAGMENTS = 4 << 20
"""The most fragments of one file; a whole slide has some hundred thousand."""
MAX_LAST = 64 << 20
"""The most bytes of a last frame that are read to find its end marker."""
ITEM, END = b"\xfe\xff\x00\xe0", b"\xfe\xff\xdd\xe0"
STARTS = (b"\xff\xd8\xff", b"\xff\x4f\xff\x51", b"\0\0\0\x0cjP  ")
"""The first bytes of a codestream: JPEG and JPEG-LS, JPEG 2000, and JPEG 2000 in its file format."""
_HEAD = struct.Struct("<4sL")


class Fragments(NamedTuple):
    """The first byte and the bytes of each item, the offset table first, and why they end without their delimiter."""

    starts: array[int]
    lengths: array[int]
    fault: str
    offset: int
    """The byte of the fault, -1 without one."""


def walk_fragments(fetch: Callable[[int, int], bytes], position: int, size: int) -> Fragments:
    """Return the items from `position` on of a file of `size` bytes, which ``fetch(offset, count)`` reads."""
    starts, lengths = array("q"), array("q")
    buffer, base, length = b"", position, 0
    while position + 8 <= size:
        index = position - base
        if not 0 <= index <= len(buffer) - 8:
            buffer = fetch(position, READ if length < READ else 8)
            base, index = position, 0
            if len(buffer) < 8:
                break
        tag, length = _HEAD.unpack_from(buffer, index)
        if tag == END:
            return Fragments(starts, lengths, "", -1)
        if len(starts) > MAX_FRAGMENTS:
            return Fragments(starts, lengths, f"there are more than {MAX_FRAGMENTS:,} fragments", position)
        if tag != ITEM or length == 0xFFFFFFFF:
            fault = f"byte {position:,} is neither a fragment nor the end of the fragments"
            return Fragments(starts, lengths, fault, position)
        starts.append(position + 8)
        lengths.append(length)
        position += 8 + length
    return Fragments(starts, lengths, f"the file ends before the end of its fragments, at byte {size:,}", size)


def ending_fault(fetch: Callable[[int, int], bytes], offset: int, size: int) -> tuple[str, int] | None:
    """Return why encapsulated frames do not reach their end and the byte where they stop, None if they do.

    `offset` is the first byte of the pixel data's value in a file of `size` bytes, which ``fetch(offset, count)``
    reads. The last codestream is looked at too: it ends early where a file was cut and closed again.
    """
    starts, lengths, fault, where = walk_fragments(fetch, offset, size)
    if starts and (stop := starts[-1] + lengths[-1]) > size:
        present = f"{size - starts[-1]:,} of {lengths[-1]:,} bytes are present"
        return f"the pixel data is cut off in its last fragment: {present}", size
    if fault:
        return f"the pixel data has no end: {fault}", where
    if len(starts) < 2:
        return None
    parts: list[bytes] = []
    left = MAX_LAST
    for start, length in zip(reversed(starts[1:]), reversed(lengths[1:]), strict=True):
        left -= length
        if left < 0:
            return None
        parts.append(fetch(start, length))
        if parts[-1].startswith(STARTS):
            break
    try:
        is_whole = has_end(b"".join(reversed(parts)))
    except DecodeError:  # it is no codestream at all; reading the frame says so
        is_whole = True
    if is_whole:
        return None
    return f"the codestream of the last frame ends early, at byte {stop:,}: it has no end marker", stop
