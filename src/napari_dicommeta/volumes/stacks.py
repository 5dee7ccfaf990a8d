"""Splitting of frames into stacks that fit one grid: slices, or slices and times.

A series is split to repair its geometry, not because a tag differs: sizes or orientations differ, positions
repeat or are unevenly spaced. Ways to split are compared, and the one with the fewest faults of geometry wins. Where
positions repeat, the dimension that distinguishes the images (echo, b-value, time …) becomes a fourth axis (PS3.3
sections C.7.6.2, C.7.6.17).
"""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from napari_dicommeta.dicom.tags import TagPath
from napari_dicommeta.support.sorting import sorted_unique
from napari_dicommeta.volumes.dimensions import telling_axis
from napari_dicommeta.volumes.duplicates import without_same_files
from napari_dicommeta.volumes.geometry import ROUNDING_TOLERANCE, SPREAD_TOLERANCE, TRACKED_TOLERANCE
from napari_dicommeta.volumes.note import make_note
from napari_dicommeta.volumes.parallel import parallel_stacks
from napari_dicommeta.volumes.partition import by_kind, by_orientation, by_size, count_pairs, filled_codes, groups_of
from napari_dicommeta.volumes.stack import Result, Stack, in_order, joined, sorted_stack
from napari_dicommeta.volumes.unplaced import unplaced_stacks

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_dicommeta.volumes.frames import Frames
    from napari_dicommeta.volumes.note import Note

__all__ = ["SPLITS", "Stack", "find_stacks", "split_keyword"]

SPLITS = ("auto", "gaps", "blocks", "none")
"""Split modes: into regular grids; also at gaps; also where the step changes; only where one array cannot hold all."""
OWN_FRACTION = 0.5
"""From this number of frames of reference or orientations per frame on, they distinguish files, not volumes."""

ORIENTATION_DIFFERS = "the orientation or pixel spacing differs"


def find_stacks(frames: Frames, split: str = "auto") -> list[Stack]:
    """Return the stacks of `frames`, the largest first.

    `split` is one of `SPLITS`, or a keyword by whose values the frames are split first.
    """
    if split == "none":
        groups, reasons = by_size(frames)
        return _largest_first([_unsplit(frames.at(group), reasons) for group in groups])
    kinds = by_kind(frames)
    if keyword := split_keyword(split):
        parts = [(group[part], why) for group, why in kinds for part in groups_of(frames.at(group).codes(keyword))]
        if len(parts) > len(kinds):
            parts = [(part, (*why, f"by {keyword}, as requested")) for part, why in parts]
        kinds = parts
    stacks = [stack.because(*why) for group, why in kinds for stack in _of_one_size(frames.at(group))]
    if split in ("gaps", "blocks"):
        stacks = [part for stack in stacks for part in _cut(stack, split)]
    return _largest_first(stacks)


def split_keyword(split: str) -> str:
    """Return the keyword in `split` by which a series is split, "" for one of `SPLITS`.

    Raises
    ------
    ValueError
        If `split` is neither a keyword nor one of `SPLITS`.
    """
    if split in SPLITS:
        return ""
    if not split:
        raise ValueError(f"'' is not a DICOM keyword, nor one of {', '.join(SPLITS)}")
    return TagPath.parse(split).text


def _largest_first(stacks: list[Stack]) -> list[Stack]:
    if len(stacks) == 1:
        return stacks
    return sorted(stacks, key=lambda stack: (-len(stack.frames), int(stack.frames.order.min())))


def _unsplit(frames: Frames, reasons: tuple[str, ...]) -> Stack:
    """Return all `frames` as one stack, whether or not they form a grid."""
    parts = by_orientation(frames, ROUNDING_TOLERANCE)
    is_grid = len(parts) == 1
    notes: tuple[Note, ...] = ()
    if not is_grid:
        title = "Images of several orientations or spacings are in one array, as requested: it is not a grid"
        notes = (make_note("no-grid", title),)
    return Stack(frames=frames.at(in_order(frames)), reasons=reasons, notes=notes, is_grid=is_grid)


# -- frame of reference and orientation -----------------------------------------------------------------------


def _of_one_size(frames: Frames) -> list[Stack]:
    """Return the stacks of frames that one array can hold."""
    placed = frames.is_placed
    if placed.all():
        return _placed(frames).stacks
    every = frames.at(~placed)
    rest, left_out = without_same_files(every)
    stacks = [_unplaced_tiles(rest)] if rest.is_tile.all() else unplaced_stacks(rest)
    if rest.is_impossible.any():
        impossible = rest.is_impossible
        stacks = unplaced_stacks(rest.at(~impossible)) if not impossible.all() else []
        stacks.append(sorted_stack(rest.at(impossible)).because("the stated positions are impossible"))
    stacks[0] = replace(stacks[0], left_out=left_out)
    if placed.any():
        lacks = "orientation" if any(rest.texts("ImagePositionPatient")) else "position"
        reason = () if rest.is_impossible.all() else (f"some images have no valid {lacks}",)
        stacks = [*_placed(frames.at(placed)).stacks, *stacks]
        return [stack.because(*reason) for stack in stacks]
    return stacks


def _unplaced_tiles(frames: Frames) -> Stack:
    """Return the tiles of mosaics whose places are unknown: one volume for each mosaic, one after the other."""
    files, slices = np.unique(frames.files, return_counts=True)
    if len(files) == 1 or (slices != slices[0]).any():
        return sorted_stack(frames)
    axis, order = telling_axis(frames, len(files))
    return Stack(frames=frames.at(order), times=len(files), axis=axis or "InstanceNumber")


def _placed(frames: Frames) -> Result:
    """Return the stacks of placed frames: of one frame of reference, or of several that fit one grid."""
    keyword = "FrameOfReferenceUID" if frames.texts("FrameOfReferenceUID") != ("",) else "VolumeFrameOfReferenceUID"
    references = groups_of(filled_codes(frames, keyword))
    if len(references) == 1:
        return _of_one_reference(frames)
    merged = _of_one_reference(frames)
    title = f"{len(references)} frames of reference in one series; the Standard allows one"
    as_one = merged.noted(make_note("references", title))
    own_each = len(references) > OWN_FRACTION * len(frames)
    if own_each and merged.faults < sum(len(group) == 1 for group in references):
        return as_one  # apart, each single image would be a fault
    apart = joined([_of_one_reference(frames.at(group)) for group in references])
    fits = merged.faults < apart.faults or merged.faults == apart.faults == 0
    if fits and (own_each or not _meet(frames, references)):
        return as_one
    return apart.because("the frame of reference differs")


def _meet(frames: Frames, groups: Sequence[np.ndarray]) -> bool:
    """Return whether images of several groups, of one orientation, lie at the same position."""
    group_of = np.empty(len(frames), dtype=np.intp)
    for i, group in enumerate(groups):
        group_of[group] = i
    for oriented in by_orientation(frames, ROUNDING_TOLERANCE):
        places = frames.at(oriented).places
        if count_pairs(group_of[oriented], places) > int(places.max()) + 1:
            return True
    return False


def _of_one_reference(frames: Frames) -> Result:
    """Return the stacks of placed frames of one frame of reference."""
    loose = by_orientation(frames, ROUNDING_TOLERANCE)
    apart = _of_each_orientation(frames, loose)
    if len(loose) > 1 and len(spread := by_orientation(frames, SPREAD_TOLERANCE)) < len(loose):
        scattered = _of_each_orientation(frames, spread)
        if (scattered.faults, len(scattered.stacks)) < (apart.faults, len(apart.stacks)):
            loose, apart = spread, scattered
    own_each = len(loose) > OWN_FRACTION * len(frames)
    if not apart.faults or (len(loose) > 1 and not own_each) or len(by_orientation(frames, TRACKED_TOLERANCE)) > 1:
        return apart
    ways = [(apart, frames)]
    if len(loose) > 1 and not _slices_meet(as_one := parallel_stacks(frames)):
        ways.append((as_one, frames))
    if (near := frames.near()).tolerance:
        ways.append((parallel_stacks(near), near))
    best, used = min(ways, key=lambda way: way[0].faults)
    return best if best is apart else best.noted(_tracked_note(used))


def _slices_meet(result: Result) -> bool:
    """Return whether slices of a stack lie so near together that they may be of several times."""
    grids = [stack.geometry() for stack in result.stacks if not stack.is_one_place]
    return any(grid is not None and min(grid.steps, default=np.inf) < grid.usual_step / 2 for grid in grids)


def _tracked_note(frames: Frames) -> Note:
    """Return a note on images that follow a movement, with the orientations and places that are taken as one."""
    found = []
    if count := len(by_orientation(frames)) - 1:
        degrees = np.degrees(_largest_difference(frames))
        found.append(f"{count + 1} orientations differ by up to {degrees:.2g} degrees")
    if frames.tolerance:
        distances, starts = np.sort(frames.distances), np.flatnonzero(np.diff(np.sort(frames.places), prepend=-1))
        spreads = np.maximum.reduceat(distances, starts) - distances[starts]
        found.append(f"positions of one slice differ by up to {spreads.max():.2g} mm")
    return make_note("tracked", f"Images follow a movement: {' and '.join(found)}, and are taken as one")


def _of_each_orientation(frames: Frames, loose: Sequence[np.ndarray]) -> Result:
    """Return the stacks of placed frames in groups of about one orientation."""
    results = []
    for group in loose:
        oriented = frames.at(group)
        result = parallel_stacks(oriented)
        exact = by_orientation(oriented)
        if len(exact) > 1:
            apart = joined([parallel_stacks(oriented.at(part)) for part in exact])
            if apart.faults < result.faults:
                result = apart.because(ORIENTATION_DIFFERS)
            else:
                off = _largest_difference(oriented)
                title = f"{len(exact)} orientations differ by no more than {off:.1g}: they are taken as one"
                result = result.noted(make_note("orientations-rounded", title))
        results.append(result)
    return results[0] if len(loose) == 1 else joined(results).because(ORIENTATION_DIFFERS)


def _largest_difference(frames: Frames) -> float:
    """Return the largest difference between values of one direction cosine."""
    used = np.array([frames.planes[i].cosines for i in sorted_unique(frames.plane_ids).tolist()])
    return float(np.ptp(used, axis=0).max())


def _cut(stack: Stack, split: str) -> list[Stack]:
    """Split `stack` where slices are missing, or for "blocks" where the step changes."""
    geometry = stack.geometry()
    if geometry is None or stack.is_one_place:
        return [stack]
    slices = len(stack.frames) // stack.times
    if split == "gaps":
        cuts, reason = [k + 1 for k, _, _ in geometry.gaps], "split where slices are missing, as requested"
    else:
        cuts, reason = [first for first, _, _ in geometry.blocks[1:]], "split where the step changes, as requested"
    if not cuts:
        return [stack]
    parts: list[Stack] = []
    for a, b in pairwise([0, *cuts, slices]):
        rows = np.concatenate([np.arange(t * slices + a, t * slices + b) for t in range(stack.times)])
        notes = tuple(note for note in stack.notes if note.code != "blocks")
        part = replace(stack, frames=stack.frames.at(rows), reasons=(*stack.reasons, reason), notes=notes)
        parts.append(part if not parts else replace(part, left_out=()))
    return parts
