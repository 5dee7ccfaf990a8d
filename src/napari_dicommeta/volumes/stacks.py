"""Splitting of frames into stacks that fit one grid: slices, or slices and times.

A series is split to repair its geometry, not because a tag differs: sizes or orientations differ, positions
repeat or are unevenly spaced. Ways to split are compared, and the one with the fewest faults of geometry wins. Where
positions repeat, the dimension that distinguishes the images (echo, b-value, time …) becomes a fourth axis. True
duplicates are left out and named (PS3.3 sections C.7.6.2, C.7.6.17).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from napari_dicommeta.dicom.tags import TagPath
from napari_dicommeta.support.words import counted
from napari_dicommeta.volumes.assembly import best_assembly
from napari_dicommeta.volumes.dimensions import AXES, SPLIT_TAGS, TIMES, name_of
from napari_dicommeta.volumes.duplicates import without_copies, without_equals
from napari_dicommeta.volumes.geometry import VolumeGeometry, even_steps
from napari_dicommeta.volumes.note import make_note
from napari_dicommeta.volumes.partition import (
    by_kind,
    by_orientation,
    by_size,
    filled_codes,
    groups_of,
    side_by_side,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_dicommeta.volumes.assembly import Assembly
    from napari_dicommeta.volumes.duplicates import LeftOut
    from napari_dicommeta.volumes.frames import Frames
    from napari_dicommeta.volumes.note import Note

__all__ = ["SPLITS", "Stack", "find_stacks", "split_keyword"]

SPLITS = ("auto", "gaps", "blocks", "none")
"""Split modes: into regular grids; also at gaps; also where the step changes; only where one array cannot hold all."""
SCAN_TAGS = ("AcquisitionNumber", "ProtocolName", "SeriesDescription", "ScanOptions", "SliceThickness")
"""Tags that may tell scans of one series from one another, where no dimension makes whole volumes."""
MAX_SCANS, FEWER = 8, 3
"""The most scans of one series; how many times fewer faults they must have than all images together."""
_TYPES = ("ImageType", "FrameType")
EXPORT_TIME = "ContentTime"
"""Time when images were made, which an export may change; it does not distinguish equal images."""
OWN_REFERENCE_FRACTION = 0.5
"""From this number of frames of reference per frame on, they distinguish files, not places in the patient."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stack:
    """Frames in array order: `times` volumes in sequence, each with its slices along their normal.

    `axis`: the keyword of the fourth axis, "" for a stack of slices. `is_one_place`: whether all frames lie at one
    position; the array then has no slice axis. `reasons`: why the stack was split from its series. `left_out`:
    duplicate frames, each with the reason. `is_grid`: whether the frames share orientation and pixel spacing.
    """

    frames: Frames
    times: int = 1
    axis: str = ""
    reasons: tuple[str, ...] = ()
    notes: tuple[Note, ...] = ()
    left_out: tuple[LeftOut, ...] = ()
    is_one_place: bool = False
    is_grid: bool = True

    @property
    def is_placed(self) -> bool:
        """Whether the frames say where they lie and share one grid."""
        return self.is_grid and bool(self.frames.is_placed.all())

    def geometry(self) -> VolumeGeometry | None:
        """Return the grid of the first volume, None if frames have no position or form no grid."""
        plane = self.frames.main_plane
        if plane is None or not self.is_placed:
            return None
        return VolumeGeometry.of_positions(plane, self.frames.positions[: len(self.frames) // self.times])

    def because(self, *reasons: str) -> Stack:
        """Return the stack with further reasons, placed before its own."""
        return replace(self, reasons=(*reasons, *self.reasons)) if reasons else self


@dataclass(frozen=True, slots=True)
class _Result:
    """Stacks of some frames, and the number of faults in their geometry."""

    stacks: list[Stack]
    faults: int = 0


def find_stacks(frames: Frames, split: str = "auto") -> list[Stack]:
    """Return the stacks of `frames`, the largest first.

    `split` is one of `SPLITS`, or a keyword by whose values the frames are split first.
    """
    if split == "none":
        groups, reasons = by_size(frames)
        return _largest_first([_unsplit(frames.at(group), reasons) for group in groups])
    groups, reasons = by_kind(frames)
    if keyword := split_keyword(split):
        parts = [group[part] for group in groups for part in groups_of(frames.at(group).codes(keyword))]
        reasons = (*reasons, f"by {keyword}, as requested") if len(parts) > len(groups) else reasons
        groups = parts
    stacks = [stack.because(*reasons) for group in groups for stack in _of_one_size(frames.at(group))]
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
    return sorted(stacks, key=lambda stack: (-len(stack.frames), int(stack.frames.order.min())))


def _unsplit(frames: Frames, reasons: tuple[str, ...]) -> Stack:
    """Return all `frames` as one stack, whether or not they form a grid."""
    parts = by_orientation(frames, is_loose=True)
    is_grid = len(parts) == 1
    notes: tuple[Note, ...] = ()
    if not is_grid:
        title = "Images of several orientations or spacings are in one array, as requested: it is not a grid"
        notes = (make_note("no-grid", title),)
    return Stack(frames=frames.at(_in_order(frames)), reasons=reasons, notes=notes, is_grid=is_grid)


def _in_order(frames: Frames) -> np.ndarray:
    """Return the rows of `frames` by position; at equal or unknown positions by Instance Number, file and frame."""
    if not frames.is_placed.all():
        return np.argsort(frames.order, kind="stable")
    return np.lexsort((frames.order, frames.places))


def _sorted(frames: Frames, **how: object) -> Stack:
    return Stack(frames=frames.at(_in_order(frames)), **how)  # type: ignore[arg-type]


# -- frame of reference and orientation -----------------------------------------------------------------------


def _of_one_size(frames: Frames) -> list[Stack]:
    """Return the stacks of frames that one array can hold."""
    placed = frames.is_placed
    if placed.all():
        return _placed(frames).stacks
    rest = frames.at(~placed)
    stacks = [_unplaced_tiles(rest) if rest.is_tile.all() else _sorted(rest)]
    if rest.is_impossible.any():
        impossible = rest.is_impossible
        stacks = [_sorted(rest.at(~impossible))] if not impossible.all() else []
        stacks.append(_sorted(rest.at(impossible)).because("the stated positions are impossible"))
    if placed.any():
        lacks = "orientation" if any(rest.texts("ImagePositionPatient")) else "position"
        reason = () if rest.is_impossible.all() else (f"some images have no valid {lacks}",)
        stacks = [*_placed(frames.at(placed)).stacks, *stacks]
        return [stack.because(*reason) for stack in stacks]
    return stacks


def _unplaced_tiles(frames: Frames) -> Stack:
    """Return the tiles of mosaics whose places are unknown: one volume for each mosaic, one after the other."""
    files, slices = np.unique(frames.files, return_counts=True)
    order = np.argsort(frames.order, kind="stable")
    if len(files) == 1 or (slices != slices[0]).any():
        return Stack(frames=frames.at(order))
    axis = next((key for key in (*AXES, *TIMES) if len(frames.texts(key)) == len(files)), "")
    if axis:
        order = np.lexsort((frames.order, frames.numbers(axis)[:, 0]))
    return Stack(frames=frames.at(order), times=len(files), axis=axis or "InstanceNumber")


def _placed(frames: Frames) -> _Result:
    """Return the stacks of placed frames: of one frame of reference, or of several that fit one grid."""
    keyword = "FrameOfReferenceUID" if frames.texts("FrameOfReferenceUID") != ("",) else "VolumeFrameOfReferenceUID"
    references = groups_of(filled_codes(frames, keyword))
    if len(references) == 1:
        return _of_one_reference(frames)
    merged = _of_one_reference(frames)
    title = f"{len(references)} frames of reference in one series; the Standard allows one"
    notes = (make_note("references", title),)
    as_one = _Result([replace(stack, notes=(*stack.notes, *notes)) for stack in merged.stacks], merged.faults)
    own_each = len(references) > OWN_REFERENCE_FRACTION * len(frames)
    if own_each and merged.faults < sum(len(group) == 1 for group in references):
        return as_one  # apart, each single image would be a fault
    apart = _joined([_of_one_reference(frames.at(group)) for group in references])
    fits = merged.faults < apart.faults or merged.faults == apart.faults == 0
    if fits and (own_each or not _meet(frames, references)):
        return as_one
    return _Result([stack.because("the frame of reference differs") for stack in apart.stacks], apart.faults)


def _meet(frames: Frames, groups: Sequence[np.ndarray]) -> bool:
    """Return whether images of several groups, of one orientation, lie at the same position."""
    group_of = np.empty(len(frames), dtype=np.intp)
    for i, group in enumerate(groups):
        group_of[group] = i
    for oriented in by_orientation(frames, is_loose=True):
        places = frames.at(oriented).places
        if len(np.unique(places * len(groups) + group_of[oriented])) > int(places.max()) + 1:
            return True
    return False


def _joined(parts: Sequence[_Result]) -> _Result:
    """Return the stacks of all parts; a single image split from others is a fault."""
    stacks = [stack for part in parts for stack in part.stacks]
    singles = sum(len(stack.frames) == 1 for stack in stacks) if len(stacks) > 1 else 0
    return _Result(stacks, sum(part.faults for part in parts) + singles)


def _of_one_reference(frames: Frames) -> _Result:
    """Return the stacks of placed frames, each of one orientation."""
    loose = by_orientation(frames, is_loose=True)
    results = []
    for group in loose:
        oriented = frames.at(group)
        result = _parallel(oriented)
        exact = by_orientation(oriented)
        if len(exact) > 1:
            apart = _joined([_parallel(oriented.at(part)) for part in exact])
            if apart.faults < result.faults:
                reason = "the orientation or pixel spacing differs"
                result = _Result([stack.because(reason) for stack in apart.stacks], apart.faults)
            else:
                off = _largest_difference(oriented)
                title = f"{len(exact)} orientations differ by no more than {off:.1g}: they are taken as one"
                note = make_note("orientations-rounded", title)
                result = _Result([replace(stack, notes=(*stack.notes, note)) for stack in result.stacks], result.faults)
        results.append(result)
    if len(loose) == 1:
        return results[0]
    reason = "the orientation or pixel spacing differs"
    whole = _joined(results)
    return _Result([stack.because(reason) for stack in whole.stacks], whole.faults)


def _largest_difference(frames: Frames) -> float:
    """Return the largest difference of a direction cosine from that of the main plane."""
    main = frames.main_plane
    assert main is not None
    used = np.array([frames.planes[i].cosines for i in np.unique(frames.plane_ids).tolist()])
    return float(np.abs(used - np.array(main.cosines)).max())


# -- parallel frames ------------------------------------------------------------------------------------------


def _parallel(frames: Frames, kinds: Sequence[str] = SPLIT_TAGS) -> _Result:
    """Return the stacks of parallel frames of one size."""
    beside = side_by_side(frames)
    if len(beside) > 1:
        whole = _joined([_parallel(frames.at(part), kinds) for part in beside])
        return _Result([stack.because("stacks lie side by side") for stack in whole.stacks], whole.faults)
    places = frames.places
    n_places = int(places.max()) + 1
    if n_places == len(frames):
        return _by_spacing(frames)
    by_tag = _by_tag(frames, places, kinds)
    if by_tag and not by_tag[1]:
        return by_tag[0]
    if n_places == 1:
        return by_tag[0] if by_tag else _Result([_one_place(frames)])
    distinct, left_out = without_copies(frames, places)
    result = _by_one_dimension(distinct, by_tag[0].faults) if by_tag else _distinct(distinct)
    return by_tag[0] if by_tag and result is None else _without(result, left_out)


def _without(result: _Result | None, left_out: Sequence[LeftOut]) -> _Result:
    """Return `result` with the frames that were left out before named by its first stack."""
    assert result is not None
    first = replace(result.stacks[0], left_out=(*left_out, *result.stacks[0].left_out))
    return _Result([first, *result.stacks[1:]], result.faults)


def _by_one_dimension(frames: Frames, most_faults: int) -> _Result | None:
    """Return volumes along a stated dimension, None if none alone explains all repetitions with `most_faults`."""
    places, distances = _places_and_distances(frames)
    if len(distances) == len(frames):
        return _by_spacing(frames)
    assembly = best_assembly(frames, places, distances)
    if assembly and assembly.is_whole and not assembly.dimension.is_number and assembly.faults <= most_faults:
        return _Result(_assembled(frames, places, assembly), assembly.faults)
    return None


def _distinct(frames: Frames) -> _Result:
    """Return the stacks of frames without copies: by position, or along a fourth axis."""
    places, distances = _places_and_distances(frames)
    if len(distances) == len(frames):
        return _by_spacing(frames)
    assembly = best_assembly(frames, places, distances)
    is_weak = assembly is None or assembly.dimension.is_number or assembly.dimension.axis == EXPORT_TIME
    if is_weak and not _are_numbered(frames, places):  # images that go on counting are no duplicates
        distinct, left_out = without_equals(frames, places)
        is_resolved = len(distinct) == len(distances)  # all repetitions are duplicates
        if left_out and (assembly is None or assembly.faults or is_resolved):
            result = _distinct(distinct)
            if assembly is None or result.faults < assembly.faults or is_resolved:
                return _without(result, left_out)
    assert assembly is not None  # the last candidate of all always makes volumes
    n_parts = len(assembly.wholes) + len(assembly.incomplete)
    if not assembly.is_whole and (apart := _by_scan(frames, assembly.faults, n_parts)):
        return apart
    return _Result(_assembled(frames, places, assembly), assembly.faults)


def _by_scan(frames: Frames, faults: int, n_parts: int) -> _Result | None:
    """Return the stacks of scans of other kinds in one series, such as one slice many times and then a volume.

    None if no tag of `SCAN_TAGS` splits the frames into fewer than `n_parts` with far fewer faults.
    """
    best: _Result | None = None
    for keyword in SCAN_TAGS:
        groups = groups_of(frames.codes(keyword))
        if not 1 < len(groups) <= MAX_SCANS or min(map(len, groups)) == 1:
            continue
        result = _joined([_parallel(frames.at(group)) for group in groups])
        limit = best.faults * FEWER if best else faults
        if result.faults * FEWER < limit and len(result.stacks) < n_parts:
            reason = f"{name_of(keyword)} differs, and all images together make no whole volumes"
            best = _Result([stack.because(reason) for stack in result.stacks], result.faults)
    return best


def _are_numbered(frames: Frames, places: np.ndarray) -> bool:
    """Return whether Instance Numbers distinguish all frames at one position."""
    numbers = frames.numbers("InstanceNumber")[:, 0]
    pairs = np.stack([places.astype(np.float64), numbers])
    return not np.isnan(numbers).any() and np.unique(pairs, axis=1).shape[1] == len(frames)


def _places_and_distances(frames: Frames) -> tuple[np.ndarray, np.ndarray]:
    """Return the rank of each frame's position, and the distance of each place along the normal, mm."""
    places, plane = frames.places, frames.main_plane
    assert plane is not None
    distances = np.empty(int(places.max()) + 1)
    distances[places] = frames.positions @ plane.normal
    return places, distances


def _by_tag(frames: Frames, places: np.ndarray, kinds: Sequence[str]) -> tuple[_Result, bool] | None:
    """Return the stacks split by the first keyword of `kinds` that reduces the repeated positions.

    Also return whether positions still repeat in a part; None if no keyword reduces them.
    """
    n_places = int(places.max()) + 1
    repeats = len(frames) - n_places
    for i, keyword in enumerate(kinds):
        codes = _kind_codes(frames, keyword)
        count = int(codes.max()) + 1
        if not 1 < count < len(frames) + (n_places == 1):
            continue
        left = len(frames) - len(np.unique(codes * n_places + places))
        if left < repeats:
            parts = [_parallel(frames.at(group), kinds[i + 1 :]) for group in groups_of(codes)]
            reason = f"{name_of(keyword)} differs between images at the same position"
            whole = _joined(parts)
            return _Result([stack.because(reason) for stack in whole.stacks], whole.faults), bool(left)
    return None


def _kind_codes(frames: Frames, keyword: str) -> np.ndarray:
    """Return the codes of the texts of `keyword`; of image and frame types without their first two values."""
    codes = frames.codes(keyword)
    if keyword not in _TYPES:
        return codes
    known: dict[str, int] = {}
    texts = ("\\".join(text.split("\\")[2:]) for text in frames.texts(keyword))
    return np.asarray(np.array([known.setdefault(text, len(known)) for text in texts])[codes])


def _by_spacing(frames: Frames) -> _Result:
    """Return one stack, or several evenly spaced stacks if a tag separates interleaved, uneven slices.

    Consecutive, evenly spaced blocks (a head scanned with two increments) stay one volume, with a note.
    """
    stack = _sorted(frames)
    if len(frames) < 3 or _is_even(stack.frames):
        return _Result([stack])
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
            return _Result([_sorted(frames.at(group)).because(reason) for group in groups])
    return _Result([replace(stack, notes=_block_notes(stack))], 1)


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
    plane = frames.main_plane
    assert plane is not None
    return even_steps(np.diff(frames.positions @ plane.normal), 0.01 * min(1.0, *plane.spacing))


def _one_place(frames: Frames) -> Stack:
    n = len(frames)
    axis = next((key for key in (*AXES, *TIMES) if len(frames.texts(key)) == n), "")
    order = np.argsort(frames.order, kind="stable")
    if axis:
        values = frames.numbers(axis)[:, 0]
        order = order if np.isnan(values).any() else np.lexsort((frames.order, values))
    by = f", by {name_of(axis)}" if axis else ", by Instance Number: no known tag distinguishes them"
    copies = len(without_copies(frames, np.zeros(n, dtype=np.intp))[1])  # still shown: without a grid they do no harm
    same = f"; {copies} of them repeat the SOP Instance UID and pixels of another image" if copies else ""
    note = make_note(
        "one-place",
        f"{n} images at the same position{by}{same}",
        severity="info" if axis else "decision",
        tags=(axis or "InstanceNumber", "ImagePositionPatient"),
    )
    return Stack(frames=frames.at(order), times=n, axis=axis or "InstanceNumber", notes=(note,), is_one_place=True)


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
        text = f"{len(numbers)} volumes of {len(rows) // len(numbers)} slices, by {dimension.by}{extra}"
        severity = "decision" if dimension.is_number else "info"
        note = make_note("volumes", text, severity=severity, tags=(dimension.axis,))
        stack = Stack(frames=frames.at(rows), times=len(numbers), axis=dimension.axis, reasons=reasons, notes=(note,))
        stacks.append(replace(stack, notes=(note, *_block_notes(stack))))
    total = int(number_of.max()) + 1
    for number, size, whole in assembly.incomplete:
        reason = (
            f"volume {number + 1} of {total} by {dimension.by} has only {size} of the {whole} positions of the others"
        )
        stacks.append(_sorted(frames.at(np.flatnonzero(number_of == number))).because(reason))
    return stacks


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
