"""Images that are in a series twice: copies of a file, and exports under new identifiers (PS3.3 section C.7.6.1)."""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable, Sequence

    from napari_dicommeta.volumes.frames import Frames

__all__ = ["LeftOut", "without_copies", "without_equals", "without_same_files"]


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A frame that is left out of a volume: the path of its file, and the reason."""

    path: str
    reason: str


def without_copies(frames: Frames, places: np.ndarray) -> tuple[Frames, tuple[LeftOut, ...]]:
    """Return `frames` without copies of the same position, SOP Instance UID and pixels; and the copies."""
    uids = frames.column("SOPInstanceUID")
    indices = frames.indices.tolist()
    keys: list[Hashable] = [
        (uid, index) if uid else (n,) for n, (uid, index) in enumerate(zip(uids, indices, strict=True))
    ]
    return _without_repeats(frames, places, keys, "a copy of {}: the same SOP Instance UID and pixels")


def without_same_files(frames: Frames) -> tuple[Frames, tuple[LeftOut, ...]]:
    """Return `frames`, of one place or of none, without hard links to files and copies under other names; and these.

    They have the size, transfer syntax, SOP Instance UID and pixels of another file. An image stored in several
    transfer syntaxes, as in collections of test files, is there in each.
    """
    columns = frames.column("SOPInstanceUID"), frames.column("TransferSyntaxUID"), frames.file_sizes.tolist()
    keys: list[Hashable] = [
        (uid, syntax, size, index) if uid else (n,)
        for n, (uid, syntax, size, index) in enumerate(zip(*columns, frames.indices.tolist(), strict=True))
    ]
    no_places = np.zeros(len(frames), dtype=np.intp)
    return _without_repeats(frames, no_places, keys, "a copy of {}: the same SOP Instance UID and pixels")


def without_equals(frames: Frames, places: np.ndarray) -> tuple[Frames, tuple[LeftOut, ...]]:
    """Return `frames` without duplicates of the same position and pixels; and the duplicates.

    Frames whose Instance Numbers differ may be equal images of several times, such as blank slices. They are duplicates
    only if no dimension explains them, which the caller knows.
    """
    return _without_repeats(frames, places, [()] * len(frames), "a duplicate of {}: the same position and pixels")


def _without_repeats(
    frames: Frames, places: np.ndarray, keys: Sequence[Hashable], reason: str
) -> tuple[Frames, tuple[LeftOut, ...]]:
    """Return `frames` without repeats of place, key and pixels; and the repeats with the reason.

    Pixels are read only for frames that share place and key with another frame.
    """
    keyed = list(zip(places.tolist(), keys, strict=True))
    counts = Counter(keyed)
    if len(counts) == len(keyed):
        return frames, ()
    sources = frames.sources()
    rescale = [frames.column(keyword) for keyword in ("RescaleSlope", "RescaleIntercept", "DoseGridScaling")]
    seen: dict[Hashable, int] = {}
    kept: list[int] = []
    left_out: dict[int, str] = {}
    sizes = np.bincount(frames.files)[frames.files]
    for n in np.lexsort((frames.order, -sizes)).tolist():  # a file of one frame is a copy of that of a larger file
        if counts[keyed[n]] == 1:
            kept.append(n)
            continue
        form = replace(sources.pixel_format(n), transfer_syntax="", frames=1)
        values = (form, *(column[n] for column in rescale), sources.digest(n))
        first = seen.setdefault((keyed[n], values), n)
        if first == n:
            kept.append(n)
        else:
            left_out[n] = reason.format(os.path.basename(sources.path(first)))
    kept += _of_partial_files(frames, left_out)
    gone = np.setdiff1d(np.arange(len(frames)), kept)
    if not len(gone):
        return frames, ()
    named = tuple(LeftOut(sources.path(n), left_out[n]) for n in gone.tolist())
    return frames.at(np.array(sorted(kept))), named


def _of_partial_files(frames: Frames, left_out: Iterable[int]) -> list[int]:
    """Return the rows in `left_out` of files of which other frames stay: a file is a copy as a whole or not at all."""
    gone = np.array(list(left_out), dtype=np.intp)
    all_frames, lost = np.bincount(frames.files), np.bincount(frames.files[gone], minlength=int(frames.files.max()) + 1)
    return gone[(lost < all_frames)[frames.files[gone]]].tolist()  # type: ignore[no-any-return]
