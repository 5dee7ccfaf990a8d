"""Stacks of frames without positions: along the dimensions that their file states, or one after the other.

NM images number their frames by vectors, one for each dimension: energy window, detector, rotation, view, time slot …
(PS3.3 section C.8.4.8). Cine images state the times of their frames (section C.7.6.5). The dimension with most values
becomes an axis, and each value of the others a volume of its own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_dicommeta.dicom.frame_places import VECTORS
from napari_dicommeta.dicom.values import number
from napari_dicommeta.volumes.dimensions import name_of, value_ranks
from napari_dicommeta.volumes.note import make_note
from napari_dicommeta.volumes.partition import groups_of, joint
from napari_dicommeta.volumes.stack import Stack, sorted_stack

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_dicommeta.volumes.frames import Frames

__all__ = ["unplaced_stacks"]

TIME = "FrameTime"


def unplaced_stacks(frames: Frames) -> list[Stack]:
    """Return the stacks of frames without positions, all of one size: no stack mixes values of a stated dimension."""
    vectors = [keyword for keyword in VECTORS if _is_numbered(frames.texts(keyword))]
    if not vectors:
        return [_cine(frames)]
    axis = max(vectors, key=lambda keyword: (len(frames.texts(keyword)), vectors.index(keyword)))
    others = [keyword for keyword in vectors if keyword != axis]
    if not others:
        return _along(frames, axis, ())
    stacks = []
    codes = joint([value_ranks(frames, keyword) for keyword in others])
    for rows in sorted(groups_of(codes), key=lambda rows: int(codes[rows[0]])):
        part = frames.at(rows)
        stacks += _along(part, axis, (_values_text(part, others),))
    return stacks


def _along(frames: Frames, axis: str, reasons: Sequence[str]) -> list[Stack]:
    """Return one stack along `axis` if each of its values has as many frames, otherwise one stack for each value."""
    ranks = value_ranks(frames, axis)
    values = sorted(groups_of(ranks), key=lambda rows: int(ranks[rows[0]]))
    if len(values) == 1:
        return [sorted_stack(frames).because(*reasons)]
    if len({len(rows) for rows in values}) > 1:
        parts = [frames.at(rows) for rows in values]
        return [sorted_stack(part).because(*reasons, _values_text(part, [axis])) for part in parts]
    n, slices = len(values), len(values[0])
    each = f" of {slices}" if slices > 1 else ""
    note = make_note(
        "frames", f"{len(frames)} frames without positions: {n} values{each}, by {name_of(axis)}", tags=(axis,)
    )
    order = np.lexsort((frames.order, ranks))
    stack = Stack(frames=frames.at(order), times=n, axis=axis, notes=(note,), is_one_place=slices == 1)
    return [stack.because(*reasons)]


def _cine(frames: Frames) -> Stack:
    """Return the stack of the frames of a file along their times; of others as they come."""
    n, order = len(frames), np.argsort(frames.order)
    times = frames.numbers(TIME)[:, 0][order]
    if n < 2 or (frames.files != frames.files[0]).any() or not (np.diff(times) > 0).all():
        return sorted_stack(frames)
    title = f"{n} frames without positions, by {name_of(TIME)}: {times[0]:.6g} to {times[-1]:.6g} ms"
    note = make_note("frames", title, tags=("FrameIncrementPointer", TIME, "FrameTimeVector"))
    return Stack(frames=frames.at(order), times=n, axis=TIME, notes=(note,), is_one_place=True)


def _is_numbered(texts: Sequence[str]) -> bool:
    """Return whether frames have several numbers of a vector; one of another length numbers none."""
    return len(texts) > 1 and all(number(text) is not None for text in texts if text)


def _values_text(frames: Frames, keywords: Sequence[str]) -> str:
    """Return the values of `keywords` that all frames share, as the reason why these are a volume."""
    return "by " + " and ".join(f"{name_of(keyword)} {frames.text(keyword)}" for keyword in keywords)
