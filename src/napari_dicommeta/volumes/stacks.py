"""Splitting of frames into stacks that fit one grid: slices, or slices and times.

A series is split to repair its geometry, not because a tag differs: sizes or orientations differ, positions
repeat or are unevenly spaced. Where positions repeat, the dimension that distinguishes the images (echo,
b-value, time …) becomes a fourth axis. True duplicates are left out and named (PS3.3 sections C.7.6.2, C.7.6.17).
"""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from napari_dicommeta.dicom.pixels import stored_digest as _digest
from napari_dicommeta.dicom.tags import TagPath
from napari_dicommeta.dicom.uids import RT_DOSE
from napari_dicommeta.dicom.values import number
from napari_dicommeta.volumes.frames import AXES, SPLIT_TAGS, TIMES
from napari_dicommeta.volumes.geometry import VolumeGeometry, position_ids
from napari_dicommeta.volumes.note import make_note

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from napari_dicommeta.volumes.frames import Frame
    from napari_dicommeta.volumes.geometry import ImagePlane
    from napari_dicommeta.volumes.note import Note

__all__ = ["SPLITS", "Stack", "beside_one_another", "by_orientation", "read_stacks", "split_keyword"]

SPLITS = ("auto", "gaps", "none")
"""Split modes: into regular grids; also at gaps; only where one array cannot hold all frames."""
JOINT_AXES = (("DiffusionBValue", "DiffusionGradientOrientation"), AXES[:4])


@dataclass(frozen=True, slots=True, kw_only=True)
class Stack:
    """Frames in array order: `times` volumes in sequence, each with its slices along their normal.

    `axis`: the keyword of the fourth axis, "" for a stack of slices. `is_one_place`: whether all frames lie at one
    position; the array then has no slice axis. `reasons`: why the stack was split from its series. `left_out`:
    duplicate frames, each with the reason. `is_grid`: whether the frames share orientation and pixel spacing.
    """

    frames: tuple[Frame, ...]
    times: int = 1
    axis: str = ""
    reasons: tuple[str, ...] = ()
    notes: tuple[Note, ...] = ()
    left_out: tuple[tuple[Frame, str], ...] = ()
    is_one_place: bool = False
    is_grid: bool = True

    @property
    def planes(self) -> tuple[ImagePlane, ...]:
        """Planes of the first volume, () if frames have no position or form no grid."""
        first = self.frames[: len(self.frames) // self.times]
        planes = tuple(frame.plane for frame in first if frame.plane is not None)
        return planes if len(planes) == len(first) and self.is_grid else ()


def read_stacks(frames: Sequence[Frame], split: str = "auto") -> list[Stack]:
    """Return the stacks of `frames`, the largest first.

    `split`: "auto"; "gaps", also where slices are missing; "none", only where sizes or colors differ; or a keyword
    by whose values the frames are split first.
    """
    usual = {keyword: _usual(frames, keyword) for keyword in ("Modality", "FrameOfReferenceUID")}
    groups = _partition(frames, lambda frame: _kind(frame, usual))
    kinds = [_kind(group[0], usual) for group in groups]
    reasons = tuple(reason for i, reason in enumerate(_KIND_REASONS) if len({kind[i] for kind in kinds}) > 1)
    if split == "none":
        return _largest_first([_unsplit(group, reasons) for group in groups])
    if keyword := split_keyword(split):
        parts = [part for group in groups for part in _partition(group, lambda frame: frame.text(keyword))]
        reasons = (*reasons, f"by {keyword}, as requested") if len(parts) > len(groups) else reasons
        groups = parts
    stacks = []
    for group in groups:
        oriented = by_orientation(group)
        placed = [part[0].plane is not None for part in oriented]
        all_reasons = reasons
        if placed.count(True) > 1:
            all_reasons = (*all_reasons, "the orientation or pixel spacing differs")
        if not all(placed) and any(placed):
            all_reasons = (*all_reasons, "some images have no position")
        for part in oriented:
            stacks += [replace(stack, reasons=(*all_reasons, *stack.reasons)) for stack in _resolve(part, SPLIT_TAGS)]
    if split == "gaps":
        stacks = [part for stack in stacks for part in _at_gaps(stack)]
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
    return sorted(stacks, key=lambda stack: -len(stack.frames))


STACK_OFFSET_FRACTION = 0.25
"""Fraction of the image size; images with a smaller in-plane offset belong to one stack."""
_KIND_REASONS = (
    "the number of rows or columns differs",
    "gray and color images are mixed",
    "the photometric interpretation differs",
    "localizers are separated",
    "each file holds several frames",
    "the modality differs",
    "the frame of reference differs",
    "segments are separated",
)


def _usual(frames: Sequence[Frame], keyword: str) -> str:
    """Return the most frequent text of `keyword`, which also replaces missing texts; "" if all are missing."""
    counts = Counter(frame.text(keyword) for frame in frames if frame.text(keyword))
    return counts.most_common(1)[0][0] if counts else ""


def _unsplit(frames: list[Frame], reasons: tuple[str, ...]) -> Stack:
    """Return all `frames` as one stack, whether or not they form a grid."""
    is_grid = len(by_orientation(frames)) == 1
    notes: tuple[Note, ...] = ()
    if not is_grid:
        title = "Images of several orientations or spacings are in one array, as requested: it is not a grid"
        notes = (make_note("no-grid", title),)
    return Stack(frames=_in_order(frames), reasons=reasons, notes=notes, is_grid=is_grid)


def _kind(frame: Frame, usual: Mapping[str, str]) -> tuple[object, ...]:
    """Return the properties that all frames of one array must share, in the order of `_KIND_REASONS`."""
    form = frame.pixel_format
    gray = form.photometric if form.photometric.startswith("MONOCHROME") else "color"
    localizer = "LOCALIZER" in frame.text("ImageType").split("\\")
    alone = frame.path if frame.plane is None and form.frames > 1 else ""
    kind = frame.text("Modality") or usual["Modality"], frame.text("SOPClassUID") == RT_DOSE
    segment = frame.text("ReferencedSegmentNumber") if frame.text("SegmentationType") else ""
    reference = frame.text("FrameOfReferenceUID") or usual["FrameOfReferenceUID"] if frame.plane is not None else ""
    return (form.rows, form.columns), form.is_color, gray, localizer, alone, kind, reference, segment


def _partition(frames: Iterable[Frame], key: Callable[[Frame], object]) -> list[list[Frame]]:
    groups: dict[object, list[Frame]] = {}
    for frame in frames:
        groups.setdefault(key(frame), []).append(frame)
    return list(groups.values())


def by_orientation(frames: Sequence[Frame]) -> list[list[Frame]]:
    """Split `frames` by orientation and pixel spacing; frames without a position form a group of their own."""
    parts: list[tuple[ImagePlane | None, list[Frame]]] = []
    for frame in frames:
        plane = frame.plane
        for other, members in parts:
            if plane is other or (plane and other and plane.same_grid(other)):
                members.append(frame)
                break
        else:
            parts.append((plane, [frame]))
    return [members for _, members in parts]


def _in_order(frames: Sequence[Frame]) -> tuple[Frame, ...]:
    """Sort `frames` by position; at equal or unknown positions by Instance Number, then file and frame."""
    placed = [frame.plane for frame in frames if frame.plane is not None]
    ids = position_ids(placed) if len(placed) == len(frames) else [0] * len(frames)
    order = sorted(range(len(frames)), key=lambda i: (ids[i], *_sequence(frames[i])))
    return tuple(frames[i] for i in order)


def _sequence(frame: Frame) -> tuple[bool, float, str, int]:
    instance = frame.instance_number
    return instance is None, instance or 0.0, frame.path, frame.index


def _ids(frames: Sequence[Frame]) -> list[int]:
    return position_ids([frame.plane for frame in frames if frame.plane is not None])


def _repeats(frames: Sequence[Frame]) -> int:
    """Count the repeated positions in `frames`."""
    return len(frames) - len(set(_ids(frames)))


def _is_even(frames: Sequence[Frame]) -> bool:
    if _repeats(frames):
        return False
    return not VolumeGeometry.of_planes([frame.plane for frame in _in_order(frames) if frame.plane]).uneven


def _resolve(frames: list[Frame], kinds: Sequence[str]) -> list[Stack]:
    """Return the stacks of parallel frames of one size."""
    if frames[0].plane is None:
        return [Stack(frames=_in_order(frames))]
    beside = beside_one_another(frames)
    if len(beside) > 1:
        return _with_reason("stacks lie side by side", [_resolve(part, kinds) for part in beside])
    if not _repeats(frames):
        return _by_spacing(frames)
    by_kind = _by_kind(frames, kinds)
    if by_kind and not (sum(map(_repeats, by_kind[1])) and _axis(frames)):
        keyword, groups = by_kind
        rest = kinds[kinds.index(keyword) + 1 :]
        reason = f"{_name(keyword)} differs between images at the same position"
        return _with_reason(reason, [_resolve(group, rest) for group in groups])
    if len(set(_ids(frames))) == 1:
        return [_one_place(frames)]
    frames, left_out = _without_copies(frames)
    stacks = _in_time(frames) if _repeats(frames) else _by_spacing(frames)
    return [replace(stacks[0], left_out=(*left_out, *stacks[0].left_out)), *stacks[1:]]


def _with_reason(reason: str, parts: list[list[Stack]]) -> list[Stack]:
    return [replace(stack, reasons=(reason, *stack.reasons)) for part in parts for stack in part]


def _axis(frames: list[Frame]) -> str:
    """Return the dimension that explains all repetitions, with an image per value and position; "" if none does."""
    places = len(set(_ids(frames)))
    for keyword in AXES:
        groups = _partition(frames, lambda frame, keyword=keyword: frame.text(keyword))  # type: ignore[misc]
        if 1 < len(groups) < len(frames) and all(len(group) == places and not _repeats(group) for group in groups):
            return keyword
    return ""


def _without_copies(frames: list[Frame]) -> tuple[list[Frame], list[tuple[Frame, str]]]:
    """Return `frames` without copies of the same position, SOP Instance UID and pixels; and the copies."""

    def instance(frame: Frame) -> object:
        uid = frame.text("SOPInstanceUID")
        return (uid, frame.index) if uid else id(frame)

    return _without_repeats(frames, instance, "a copy of {}: the same SOP Instance UID and pixels")


def _without_equals(frames: list[Frame]) -> tuple[list[Frame], list[tuple[Frame, str]]]:
    """Return `frames` without duplicates of the same position and pixels; and the duplicates."""
    return _without_repeats(frames, lambda _frame: None, "a duplicate of {}: the same position and pixels")


def _without_repeats(
    frames: list[Frame], identity: Callable[[Frame], object], reason: str
) -> tuple[list[Frame], list[tuple[Frame, str]]]:
    """Return `frames` without repeats of position, `identity` and pixels; and the repeats with the reason.

    Pixels are read only for frames that share position and `identity` with another frame.
    """
    keyed = [((place, identity(frame)), frame) for place, frame in zip(_ids(frames), frames, strict=True)]
    counts = Counter(key for key, _ in keyed)
    seen: dict[object, Frame] = {}
    distinct, repeats = [], []
    for key, frame in sorted(keyed, key=lambda pair: _sequence(pair[1])):
        first = seen.setdefault((key, _digest_of(frame)), frame) if counts[key] > 1 else frame
        if first is frame:
            distinct.append(frame)
        else:
            repeats.append((frame, reason.format(os.path.basename(first.path))))
    return distinct, repeats


def _by_spacing(frames: list[Frame]) -> list[Stack]:
    """Return one stack, or several evenly spaced stacks if a tag separates interleaved, uneven slices.

    Consecutive, evenly spaced blocks (a head scanned with two increments) stay one volume, with a note.
    """
    if len(frames) < 4 or _is_even(frames):
        return [Stack(frames=_in_order(frames))]
    place = dict(zip(map(id, frames), _ids(frames), strict=True))
    for keyword in (*SPLIT_TAGS, *AXES[:4], "AcquisitionNumber"):
        groups = _partition(frames, lambda frame, keyword=keyword: frame.text(keyword))  # type: ignore[misc]
        if not 1 < len(groups) <= len(frames) // 2 or not all(_is_even(group) for group in groups):
            continue
        positions = [[place[id(frame)] for frame in group] for group in groups]
        spans = sorted([min(ranks), max(ranks)] for ranks in positions)
        if any(before[1] > after[0] for before, after in pairwise(spans)):
            reason = f"{_name(keyword)} differs, and all slices together are unevenly spaced"
            return [Stack(frames=_in_order(group), reasons=(reason,)) for group in groups]
        title = f"{_name(keyword)} splits the slices into {len(groups)} blocks, each evenly spaced"
        advice = f"Resample by position, or open the blocks as separate volumes with split={keyword!r}."
        note = make_note("blocks", title, tags=(keyword,), advice=advice)
        return [Stack(frames=_in_order(frames), notes=(note,))]
    return [Stack(frames=_in_order(frames))]


def _by_kind(frames: list[Frame], kinds: Sequence[str]) -> tuple[str, list[list[Frame]]] | None:
    """Return the first keyword of `kinds` that reduces the repeated positions, and its groups; None if none does."""
    for keyword in kinds:
        groups = _partition(frames, lambda frame, keyword=keyword: _kind_text(frame, keyword))  # type: ignore[misc]
        one_place = len(set(_ids(frames))) == 1
        if 1 < len(groups) < len(frames) + one_place and sum(map(_repeats, groups)) < _repeats(frames):
            return keyword, groups
    return None


def _kind_text(frame: Frame, keyword: str) -> str:
    """Return the text of `keyword`; for image and frame types without their first two values."""
    text = frame.text(keyword)
    return "\\".join(text.split("\\")[2:]) if keyword in ("ImageType", "FrameType") else text


def _in_time(frames: list[Frame]) -> list[Stack]:
    """Return the stacks of frames with repeated positions: along a fourth axis, or split."""
    for keywords in (*((axis,) for axis in AXES), *JOINT_AXES, *((axis,) for axis in TIMES)):
        if stacks := _along(frames, keywords):
            return stacks
    distinct, left_out = _without_equals(frames)
    if not _repeats(distinct):
        stacks = _by_spacing(distinct)
        return [replace(stacks[0], left_out=tuple(left_out)), *stacks[1:]]
    if len(set(Counter(_ids(frames)).values())) == 1:  # equal slices of several times, for example blank slices
        distinct, left_out = frames, []
    stacks = _by_number(distinct)
    return [replace(stacks[0], left_out=tuple(left_out)), *stacks[1:]]


def beside_one_another(frames: list[Frame]) -> list[list[Frame]]:
    """Split `frames` into stacks side by side: equal distance along the normal, different place in the plane.

    Places differ by more than `STACK_OFFSET_FRACTION` of the image size: less is motion or rounding. Each stack is
    tracked from one distance to the next, so a tilted gantry does not split it.
    """
    first = frames[0].plane
    if first is None or not _repeats(frames):
        return [frames]
    form = frames[0].pixel_format
    size = np.array([form.columns * first.spacing[1], form.rows * first.spacing[0]])
    axes = np.array([first.row, first.column])
    at = np.array([axes @ frame.plane.position for frame in frames if frame.plane]) / (STACK_OFFSET_FRACTION * size)
    by_place: dict[int, list[list[int]]] = {}
    for i, place in sorted(enumerate(_ids(frames)), key=lambda pair: (pair[1], tuple(at[pair[0]]))):
        stacks = by_place.setdefault(place, [])
        near = next((members for members in stacks if np.abs(at[members[0]] - at[i]).max() <= 1), None)
        if near is None:
            stacks.append([i])
        else:
            near.append(i)
    count = max(map(len, by_place.values()))
    if count == 1:
        return [frames]
    groups: list[list[int]] = [[] for _ in range(count)]
    known = next(stacks for stacks in by_place.values() if len(stacks) == count)
    last = [at[members[0]] for members in known]
    for _, stacks in sorted(by_place.items()):
        for n, members in enumerate(stacks):
            here = at[members[0]]
            number = n if len(stacks) == count else min(range(count), key=lambda m: float(np.abs(last[m] - here).max()))
            groups[number] += members
            last[number] = here
    return [[frames[i] for i in group] for group in groups]


def _one_place(frames: list[Frame]) -> Stack:
    if len(frames) == 1:
        return Stack(frames=tuple(frames))
    n = len(frames)
    axis = next((key for key in (*AXES, *TIMES) if len({frame.text(key) for frame in frames}) == n), "")
    ordered = tuple(sorted(frames, key=lambda frame: (_number(frame.text(axis)), *_sequence(frame))))
    by = f", by {_name(axis)}" if axis else ", by Instance Number: no known tag distinguishes them"
    copies = len(_without_copies(frames)[1])  # still shown: without a grid they do no harm
    same = f"; {copies} of them repeat the SOP Instance UID and pixels of another image" if copies else ""
    note = make_note(
        "one-place",
        f"{n} images at the same position{by}{same}",
        severity="info" if axis else "decision",
        tags=(axis or "InstanceNumber", "ImagePositionPatient"),
    )
    return Stack(frames=ordered, times=len(ordered), axis=axis or "InstanceNumber", notes=(note,), is_one_place=True)


def _along(frames: list[Frame], keywords: Sequence[str]) -> list[Stack]:
    """Return stacks with a fourth axis by the values of `keywords`, [] if these do not explain the repetitions."""
    groups = _partition(frames, lambda frame: tuple(frame.text(keyword) for keyword in keywords))
    if not 1 < len(groups) < len(frames) or any(map(_repeats, groups)):
        return []
    varying = [keyword for keyword in keywords if len({frame.text(keyword) for frame in frames}) > 1]
    groups.sort(key=lambda group: ([_number(group[0].text(key)) for key in varying], min(map(_sequence, group))))
    return _of_volumes(frames, groups, " and ".join(map(_name, varying)), varying[0], "info")


def _of_volumes(
    frames: list[Frame], groups: list[list[Frame]], by: str, axis: str, severity: str, extra: str = ""
) -> list[Stack]:
    """Return one stack of all complete groups, and one for each incomplete group.

    A group is complete if it has all positions. Without a complete group, each group forms stacks of its own, or the
    result is [] if `axis` does not explain the repetitions.
    """
    place = dict(zip(map(id, frames), _ids(frames), strict=True))
    places = len(set(place.values()))
    whole = [group for group in groups if len(group) == places]
    if not whole:
        # Separate or overlapping groups are several acquisitions, each a volume of its own.
        sets = Counter(frozenset(place[id(frame)] for frame in group) for group in groups)
        if axis == "InstanceNumber" or (len(sets) == len(groups) and len(groups) > 8):
            return []
        reason = f"{by} differs, and the parts have different positions"
        return [replace(stack, reasons=(reason,)) for group in groups for stack in _by_spacing(group)]
    ordered = tuple(frame for group in whole for frame in _in_order(group))
    notes: tuple[Note, ...] = ()
    if len(whole) > 1:
        text = f"{len(whole)} volumes of {places} slices, by {by}{extra}"
        notes = (make_note("volumes", text, severity=severity, tags=(axis,)),)
    stacks = [Stack(frames=ordered, times=len(whole), axis=axis if len(whole) > 1 else "", notes=notes)]
    for group in groups:
        if len(group) != places:
            reason = f"it has only {len(group)} of the {places} positions of the other volumes, by {by}"
            stacks.append(Stack(frames=_in_order(group), reasons=(reason,)))
    return stacks


def _by_number(frames: list[Frame]) -> list[Stack]:
    """Return stacks that take the n-th image of each position, by Instance Number, as the n-th volume."""
    rank: Counter[int] = Counter()
    groups: dict[int, list[Frame]] = {}
    for place, frame in sorted(zip(_ids(frames), frames, strict=True), key=lambda pair: _sequence(pair[1])):
        groups.setdefault(rank[place], []).append(frame)
        rank[place] += 1
    extra = ": no known tag distinguishes them"
    return _of_volumes(frames, list(groups.values()), "Instance Number", "InstanceNumber", "decision", extra)


def _at_gaps(stack: Stack) -> list[Stack]:
    """Split `stack` where slices are missing."""
    if not stack.planes or stack.is_one_place:
        return [stack]
    slices = len(stack.frames) // stack.times
    cuts = [0, *(k + 1 for k, _, _ in VolumeGeometry.of_planes(stack.planes).gaps), slices]
    if len(cuts) == 2:
        return [stack]
    reasons = (*stack.reasons, "split where slices are missing, as requested")
    parts: list[Stack] = []
    for a, b in pairwise(cuts):
        part = tuple(frame for t in range(stack.times) for frame in stack.frames[t * slices + a : t * slices + b])
        parts.append(replace(stack, frames=part, reasons=reasons, left_out=() if parts else stack.left_out))
    return parts


def _digest_of(frame: Frame) -> tuple[object, ...]:
    """Return a key that is equal for frames with the same modality values."""
    form = replace(frame.pixel_format, transfer_syntax="", frames=1)
    rescale = frame.text("RescaleSlope"), frame.text("RescaleIntercept"), frame.text("DoseGridScaling")
    return form, rescale, _digest(frame.path, frame.pixel_offset, frame.index, frame.pixel_format)


def _number(text: str) -> tuple[bool, float, str]:
    """Return a sort key: numbers by value, then other texts."""
    value = number(text)
    return value is None, value or 0.0, text


def _name(keyword: str) -> str:
    """Return the name of a keyword, *Echo Time* for EchoTime."""
    return TagPath.parse(keyword).name
