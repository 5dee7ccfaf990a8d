"""Stacks of parallel frames of one size: by position, along a fourth axis, or split by a tag.

Ways to split are compared, and the one with the fewest faults of geometry wins. True duplicates are left out and named
(PS3.3 sections C.7.6.2, C.7.6.17).
"""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from napari_dicommeta.support.words import counted
from napari_dicommeta.volumes.assembly import best_assembly
from napari_dicommeta.volumes.dimensions import AXES, ENCODINGS, SPLIT_TAGS, kind_codes, name_of, telling_axis
from napari_dicommeta.volumes.duplicates import without_copies, without_equals, without_same_files
from napari_dicommeta.volumes.geometry import even_steps, spacing_floor
from napari_dicommeta.volumes.note import make_note
from napari_dicommeta.volumes.partition import count_pairs, groups_of, side_by_side
from napari_dicommeta.volumes.sequences import is_numbered
from napari_dicommeta.volumes.stack import Result, Stack, joined, sorted_stack

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_dicommeta.volumes.assembly import Assembly
    from napari_dicommeta.volumes.duplicates import LeftOut
    from napari_dicommeta.volumes.frames import Frames
    from napari_dicommeta.volumes.note import Note

__all__ = ["parallel_stacks"]

SCAN_TAGS = ("AcquisitionNumber", "ProtocolName", "SeriesDescription", "ScanOptions", "SliceThickness")
"""Tags that may tell scans of one series from one another, where no dimension makes whole volumes."""
MAX_SCANS, FEWER = 8, 3
"""The most scans of one series; how many times fewer faults they must have than all images together."""
LOCATION_TOLERANCE = 0.1
"""mm; Slice Locations of one position that differ by less are rounded."""
EXPORT_TIME = "ContentTime"
"""Time when images were made, which an export may change; it does not distinguish equal images."""


def parallel_stacks(frames: Frames, kinds: Sequence[str] = SPLIT_TAGS) -> Result:
    """Return the stacks of parallel frames of one size."""
    beside = side_by_side(frames)
    if len(beside) > 1:
        return joined([parallel_stacks(frames.at(part), kinds) for part in beside]).because("stacks lie side by side")
    places = frames.places
    n_places = int(places.max()) + 1
    if n_places == len(frames):
        return _by_spacing(frames)
    by_tag = _by_tag(frames, places, kinds)
    if by_tag and not by_tag[1]:
        return by_tag[0]
    if n_places == 1:
        return by_tag[0] if by_tag else _of_one_place(frames)
    distinct, left_out = without_copies(frames, places)
    result = _by_one_dimension(distinct, by_tag[0].faults) if by_tag else _distinct(distinct)
    return by_tag[0] if by_tag and result is None else _without(result, left_out)


def _without(result: Result | None, left_out: Sequence[LeftOut]) -> Result:
    """Return `result` with the frames that were left out before named by its first stack."""
    assert result is not None
    first = replace(result.stacks[0], left_out=(*left_out, *result.stacks[0].left_out))
    return Result([first, *result.stacks[1:]], result.faults)


def _by_one_dimension(frames: Frames, most_faults: int) -> Result | None:
    """Return volumes along a stated dimension, None if none alone explains all repetitions with `most_faults`."""
    places, distances = _places_and_distances(frames)
    if len(distances) == len(frames):
        return _by_spacing(frames)
    assembly = best_assembly(frames, places, distances)
    if assembly and assembly.is_whole and not assembly.dimension.is_number and assembly.faults <= most_faults:
        return Result(_assembled(frames, places, assembly), assembly.faults)
    return None


def _distinct(frames: Frames) -> Result:
    """Return the stacks of frames without copies: by position, or along a fourth axis."""
    places, distances = _places_and_distances(frames)
    if len(distances) == len(frames):
        return _by_spacing(frames)
    assembly = best_assembly(frames, places, distances)
    is_weak = assembly is None or assembly.dimension.is_number or assembly.dimension.axis in (EXPORT_TIME, *ENCODINGS)
    has_numbers = is_numbered(frames, places)
    if assembly is None or (is_weak and not (has_numbers and assembly.is_whole)):
        distinct, left_out = without_equals(frames, places)
        is_resolved = len(distinct) == len(distances)  # all repetitions are duplicates
        # Images that go on counting are no duplicates, unless they are too few for another volume.
        may_be = not has_numbers or (is_resolved and len(left_out) < len(distances))
        if left_out and may_be and (assembly is None or assembly.faults or is_resolved):
            result = _distinct(distinct)
            if assembly is None or result.faults < assembly.faults or is_resolved:
                return _without(result, left_out)
    assert assembly is not None  # the last candidate of all always makes volumes
    n_parts = len(assembly.wholes) + len(assembly.incomplete)
    if not assembly.is_whole and (apart := _by_scan(frames, assembly.faults, n_parts)):
        return apart
    return Result(_assembled(frames, places, assembly), assembly.faults)


def _by_scan(frames: Frames, faults: int, n_parts: int) -> Result | None:
    """Return the stacks of scans of other kinds in one series, such as one slice many times and then a volume.

    None if no tag of `SCAN_TAGS` splits the frames into fewer than `n_parts` with far fewer faults.
    """
    best: Result | None = None
    for keyword in SCAN_TAGS:
        groups = groups_of(frames.codes(keyword))
        if not 1 < len(groups) <= MAX_SCANS or min(map(len, groups)) == 1:
            continue
        result = joined([parallel_stacks(frames.at(group)) for group in groups])
        limit = best.faults * FEWER if best else faults
        if result.faults * FEWER < limit and len(result.stacks) < n_parts:
            reason = f"{name_of(keyword)} differs, and all images together make no whole volumes"
            best = result.because(reason)
    return best


def _places_and_distances(frames: Frames) -> tuple[np.ndarray, np.ndarray]:
    """Return the rank of each frame's position, and the distance of each place along the normal, mm."""
    places = frames.places
    distances = np.empty(int(places.max()) + 1)
    distances[places] = frames.distances
    if frames.tolerance and even_steps(np.diff(distances), frames.tolerance):
        distances = np.linspace(distances[0], distances[-1], len(distances))
    return places, distances


def _by_tag(frames: Frames, places: np.ndarray, kinds: Sequence[str]) -> tuple[Result, bool] | None:
    """Return the stacks split by the first keyword of `kinds` that reduces the repeated positions.

    Also return whether positions still repeat in a part; None if no keyword reduces them.
    """
    n_places = int(places.max()) + 1
    repeats = len(frames) - n_places
    for i, keyword in enumerate(kinds):
        codes = kind_codes(frames, keyword)
        count = int(codes.max()) + 1
        if not 1 < count < len(frames) + (n_places == 1):
            continue
        left = len(frames) - count_pairs(codes, places)
        if left < repeats:
            parts = [parallel_stacks(frames.at(group), kinds[i + 1 :]) for group in groups_of(codes)]
            reason = f"{name_of(keyword)} differs between images at the same position"
            return joined(parts).because(reason), bool(left)
    return None


def _by_spacing(frames: Frames) -> Result:
    """Return one stack, or several evenly spaced stacks if a tag separates interleaved, uneven slices.

    Consecutive, evenly spaced blocks (a head scanned with two increments) stay one volume, with a note.
    """
    stack = sorted_stack(frames)
    if len(frames) < 3 or _is_even(stack.frames):
        return Result([stack])
    places = frames.places
    for keyword in (*SPLIT_TAGS, *AXES, "AcquisitionNumber") if len(frames) > 3 else ():
        groups = groups_of(frames.codes(keyword))
        if not 1 < len(groups) <= len(frames) // 2:
            continue
        if not all(_is_even(frames.at(group[np.argsort(places[group])])) for group in groups):
            continue
        spans = sorted((int(places[group].min()), int(places[group].max())) for group in groups)
        if any(before[1] > after[0] for before, after in pairwise(spans)):
            reason = f"{name_of(keyword)} differs, and all slices together are unevenly spaced"
            return Result([sorted_stack(frames.at(group)).because(reason) for group in groups])
    return Result([replace(stack, notes=_block_notes(stack))], 1)


def _block_notes(stack: Stack) -> tuple[Note, ...]:
    """Return a note on the blocks of slices of `stack`, if it is made of blocks with steps of their own."""
    geometry = stack.geometry()
    blocks = geometry.blocks if geometry else ()
    if blocks:
        named = ", then ".join(
            f"{counted(count, 'slice')} {step:.4g} mm apart" if not i else f"{count} of {step:.4g} mm"
            for i, (_, count, step) in enumerate(blocks)
        )
        return (make_note("blocks", f"Blocks of slices: {named}"),)
    return ()


def _is_even(frames: Frames) -> bool:
    """Return whether ordered frames are evenly spaced along their normal."""
    assert frames.main_plane is not None
    distances = frames.distances
    steps = distances[1:] - distances[:-1]
    return even_steps(steps, max(spacing_floor(frames.main_plane), frames.tolerance))


def _of_one_place(frames: Frames) -> Result:
    """Return the stack of frames at one position, without further names of their files."""
    distinct, left_out = without_same_files(frames)
    return _without(parallel_stacks(distinct), left_out) if left_out else Result([_one_place(frames)])


def _one_place(frames: Frames) -> Stack:
    n = len(frames)
    axis, order = telling_axis(frames, n)
    by = f", by {name_of(axis)}" if axis else ", by Instance Number: no known tag distinguishes them"
    copies = len(without_copies(frames, np.zeros(n, dtype=np.intp))[1])  # still shown: without a grid they do no harm
    verb = "repeats" if copies == 1 else "repeat"
    same = f"; {copies} of them {verb} the SOP Instance UID and pixels of another image" if copies else ""
    elsewhere = _locations_text(frames, np.zeros(n, dtype=np.intp))
    note = make_note(
        "one-place",
        f"{n} images at the same position{by}{same}{elsewhere}",
        severity="info" if axis and not elsewhere else "decision",
        tags=(axis or "InstanceNumber", "ImagePositionPatient", *(("SliceLocation",) if elsewhere else ())),
    )
    return Stack(frames=frames.at(order), times=n, axis=axis or "InstanceNumber", notes=(note,), is_one_place=True)


def _locations_text(frames: Frames, places: np.ndarray) -> str:
    """Return that Slice Location differs between images at the same position, "" if it does not."""
    if len(frames.texts("SliceLocation")) == 1:
        return ""
    locations = frames.numbers("SliceLocation")[:, 0]
    highest, lowest = np.full(int(places.max()) + 1, -np.inf), np.full(int(places.max()) + 1, np.inf)
    np.fmax.at(highest, places, locations)
    np.fmin.at(lowest, places, locations)
    span = float((highest - lowest).max())
    return f"; Slice Location differs at the same position, by up to {span:.4g} mm" if span > LOCATION_TOLERANCE else ""


def _assembled(frames: Frames, places: np.ndarray, assembly: Assembly) -> list[Stack]:
    """Return one stack of each set of volumes with the same positions, and one for each incomplete volume."""
    dimension = assembly.dimension
    number_of = dimension.volumes
    stacks = []
    for numbers in assembly.wholes:
        rows = np.arange(len(frames)) if assembly.is_whole else np.flatnonzero(np.isin(number_of, numbers))
        rows = rows[np.lexsort((places[rows], number_of[rows]))]
        reasons: tuple[str, ...] = ()
        if len(assembly.wholes) > 1:
            reasons = (f"{dimension.by} differs, and the parts have different positions",)
        if len(numbers) == 1:
            stacks += [stack.because(*reasons) for stack in _by_spacing(frames.at(rows)).stacks]
            continue
        extra = ": no known tag distinguishes them" if dimension.is_number else ""
        elsewhere = _locations_text(frames.at(rows), places[rows])
        text = f"{len(numbers)} volumes of {len(rows) // len(numbers)} slices, by {dimension.by}{extra}{elsewhere}"
        severity = "decision" if dimension.is_number or elsewhere else "info"
        note = make_note("volumes", text, severity=severity, tags=(dimension.axis,))
        stack = Stack(frames=frames.at(rows), times=len(numbers), axis=dimension.axis, reasons=reasons, notes=(note,))
        stacks.append(replace(stack, notes=(note, *_block_notes(stack))))
    total = int(number_of.max()) + 1
    for number, size, whole in assembly.incomplete:
        reason = (
            f"volume {number + 1} of {total} by {dimension.by} has only {size} of the {whole} positions of the others"
        )
        stacks.append(sorted_stack(frames.at(np.flatnonzero(number_of == number))).because(reason))
    return stacks
