"""Partition of frames into groups that one array can hold, and into parallel stacks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_dicommeta.dicom.uids import RT_DOSE
from napari_dicommeta.support.sorting import sorted_unique
from napari_dicommeta.volumes.geometry import ORIENTATION_TOLERANCE, SPACING_TOLERANCE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_dicommeta.volumes.frames import Frames
    from napari_dicommeta.volumes.geometry import ImagePlane

__all__ = [
    "by_kind",
    "by_orientation",
    "by_size",
    "count_pairs",
    "distinct",
    "filled_codes",
    "groups_of",
    "joint",
    "side_by_side",
]

STACK_OFFSET_FRACTION = 0.25
"""Fraction of the image size; images with a smaller in-plane offset belong to one stack."""
MIN_STACK = 3
"""Number of slices of each of several stacks whose ranges follow one another."""
SEVERAL_FRAMES = "each file holds several frames"
OTHERS_OF_SEVERAL = "other files hold several frames that do not say where they lie"
PARTLY_PLACED = "some frames of a file do not say where they lie"
SIZE_DIFFERS, COLOR_DIFFERS = "the number of rows or columns differs", "gray and color images are mixed"


def groups_of(codes: np.ndarray) -> list[np.ndarray]:
    """Return the rows of each code, groups ordered by their first row, rows ascending."""
    if not len(codes) or (codes == codes[0]).all():
        return [np.arange(len(codes))] if len(codes) else []
    _, first, ids = np.unique(codes, return_index=True, return_inverse=True)
    order = np.argsort(ids, kind="stable")
    groups = np.split(order, np.cumsum(np.bincount(ids))[:-1])
    return [groups[i] for i in np.argsort(first).tolist()]


def distinct(codes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the first row of each distinct code, and the index of each row's code among them."""
    if (codes == codes[0]).all():
        return np.zeros(1, dtype=np.intp), np.zeros(len(codes), dtype=np.intp)
    _, first, ids = np.unique(codes, return_index=True, return_inverse=True)
    return first, ids


def joint(columns: Sequence[np.ndarray]) -> np.ndarray:
    """Return codes that are equal where all columns are."""
    codes = columns[0]
    for column in columns[1:]:
        if (column == column[0]).all():
            continue
        codes = np.unique(codes * (int(column.max()) + 1) + column, return_inverse=True)[1]
    return codes


def count_pairs(codes: np.ndarray, others: np.ndarray) -> int:
    """Return the number of distinct pairs of two columns of codes: that of their rows, if no two rows are the same."""
    return len(sorted_unique(codes * (int(others.max()) + 1) + others))


def most_frequent(frames: Frames, keyword: str) -> str:
    """Return the most frequent text of an element that is not empty, "" if there is none."""
    texts = frames.texts(keyword)
    if len(texts) == 1:
        return texts[0]
    counts = np.bincount(frames.codes(keyword), minlength=len(texts))
    counts[[i for i, text in enumerate(texts) if not text]] = 0
    return texts[int(np.argmax(counts))]


def filled_codes(frames: Frames, keyword: str) -> np.ndarray:
    """Return the codes of an element, empty texts counted as the most frequent other text."""
    texts, codes = frames.texts(keyword), frames.codes(keyword)
    if "" not in texts or len(texts) == 1:
        return codes
    usual = texts.index(most_frequent(frames, keyword))
    return np.where(codes == texts.index(""), usual, codes)


def by_kind(frames: Frames) -> list[tuple[np.ndarray, tuple[str, ...]]]:
    """Return the groups of frames that one array can hold, each with the reasons why it is not the only one."""
    columns = _kinds(frames)
    varying = {reason: column for reason, column in columns.items() if (column != column[0]).any()}
    if not varying:
        return [(np.arange(len(frames)), ())]
    groups = groups_of(joint(list(varying.values())))
    if SEVERAL_FRAMES not in varying:
        return [(group, tuple(varying)) for group in groups]
    partly = np.intersect1d(frames.files[frames.is_placed], frames.files[~frames.is_placed])
    found = []
    for group in groups:
        why = SEVERAL_FRAMES if varying[SEVERAL_FRAMES][group[0]] else OTHERS_OF_SEVERAL
        why = PARTLY_PLACED if np.isin(frames.files[group], partly).any() else why
        found.append((group, tuple(why if reason == SEVERAL_FRAMES else reason for reason in varying)))
    return found


def by_size(frames: Frames) -> tuple[list[np.ndarray], tuple[str, ...]]:
    """Return the groups of frames of one size that are all gray or all color, and the reasons why there are several."""
    ids, forms = frames.format_ids, frames.formats
    sizes: dict[tuple[int, int], int] = {}
    size = np.array([sizes.setdefault((form.rows, form.columns), len(sizes)) for form in forms])[ids]
    color = np.array([int(form.is_color) for form in forms])[ids]
    kinds = {SIZE_DIFFERS: size, COLOR_DIFFERS: color}
    varying = {reason: column for reason, column in kinds.items() if (column != column[0]).any()}
    return groups_of(joint([size, color])), tuple(varying)


def _kinds(frames: Frames) -> dict[str, np.ndarray]:
    """Return reason -> codes of the properties that all frames of one array must share."""
    kinds: dict[str, np.ndarray] = {}
    forms, ids = frames.formats, frames.format_ids
    if len(forms) > 1:
        sizes: dict[tuple[int, int], int] = {}
        grays: dict[str, int] = {}
        size, color, gray = [], [], []
        for form in forms:
            size.append(sizes.setdefault((form.rows, form.columns), len(sizes)))
            color.append(int(form.is_color))
            name = form.photometric if form.photometric.startswith("MONOCHROME") else "color"
            gray.append(grays.setdefault(name, len(grays)))
        kinds[SIZE_DIFFERS] = np.array(size)[ids]
        kinds[COLOR_DIFFERS] = np.array(color)[ids]
        kinds["the photometric interpretation differs"] = np.array(gray)[ids]
        deep = [int(form.is_color and form.photometric != "PALETTE COLOR" and form.bits_stored > 8) for form in forms]
        kinds["the bits of the colors differ"] = np.array(deep)[ids]
    localizer = np.array(["LOCALIZER" in text.split("\\") for text in frames.texts("ImageType")])
    if localizer.any():
        kinds["localizers are separated"] = localizer[frames.codes("ImageType")].astype(int)
    if any(form.frames > 1 for form in forms):
        several = np.array([form.frames > 1 for form in forms])[ids] & ~frames.is_placed
        kinds[SEVERAL_FRAMES] = np.where(several, frames.files + 1, 0)
    kinds["the modality differs"] = filled_codes(frames, "Modality")
    doses = np.array([text == RT_DOSE for text in frames.texts("SOPClassUID")])
    if doses.any():
        dose = doses[frames.codes("SOPClassUID")].astype(int)
        kinds["the modality differs"] = joint([kinds["the modality differs"], dose])
    if frames.texts("SegmentationType") != ("",):
        kinds["segments are separated"] = frames.codes("ReferencedSegmentNumber")
    return kinds


def by_orientation(frames: Frames, tolerance: float = ORIENTATION_TOLERANCE) -> list[np.ndarray]:
    """Return the groups of frames with equal orientation and pixel spacing; unplaced frames are a group, the last.

    Cosines are equal within `tolerance`.
    """
    ids = frames.plane_ids
    if (ids == ids[0]).all():
        return [np.arange(len(frames))]
    placed, unplaced = np.flatnonzero(ids >= 0), np.flatnonzero(ids < 0)
    held, codes = np.unique(ids[placed], return_inverse=True)
    counts, planes = np.bincount(codes), [frames.planes[i] for i in held.tolist()]
    # The most frequent planes lead, whatever the order of the frames.
    leading = sorted(range(len(planes)), key=lambda i: (-counts[i], planes[i].cosines, planes[i].spacing))
    cells = _cells([planes[i] for i in leading], tolerance)
    leaders: list[int] = []
    in_cell: dict[tuple[int, int], list[int]] = {}
    group = np.empty(len(planes), dtype=np.intp)
    for i, (a, b) in zip(leading, cells, strict=True):
        near = sorted(n for da in (-1, 0, 1) for db in (-1, 0, 1) for n in in_cell.get((a + da, b + db), ()))
        same = next((n for n in near if planes[i].same_grid(planes[leaders[n]], tolerance)), None)
        if same is None:
            same = len(leaders)
            leaders.append(i)
            in_cell.setdefault((a, b), []).append(same)
        group[i] = same
    groups = [placed[rows] for rows in groups_of(group[codes])]
    return [*groups, unplaced] if len(unplaced) else groups


def _cells(planes: Sequence[ImagePlane], tolerance: float) -> list[tuple[int, int]]:
    """Return a cell for each plane, so that planes of one grid are in the same or in adjacent cells.

    The cells divide the direction cosine that varies most, and the logarithm of the spacing.
    """
    cosines = np.array([plane.cosines for plane in planes])
    varying = cosines[:, int(np.argmax(np.ptp(cosines, axis=0)))]
    lengths = np.log([plane.spacing[0] for plane in planes])
    wide = -np.log(1 - SPACING_TOLERANCE)
    widths = ((varying, tolerance), (lengths, wide))
    a, b = (np.floor(values / (1.001 * width)).astype(np.int64).tolist() for values, width in widths)
    return list(zip(a, b, strict=True))


def side_by_side(frames: Frames) -> list[np.ndarray]:
    """Return stacks of frames side by side: different places in the plane, at equal distances or one after the other.

    Places differ by more than `STACK_OFFSET_FRACTION` of the image size: less is motion or rounding. Each stack is
    tracked from one distance to the next, so a tilted gantry does not split it.
    """
    plane = frames.main_plane
    if plane is None or len(frames) < 2:
        return [np.arange(len(frames))]
    places = frames.places
    form = frames.pixel_format()
    size = np.array([form.columns * plane.spacing[1], form.rows * plane.spacing[0]])
    at = frames.positions @ np.array([plane.row, plane.column]).T / (STACK_OFFSET_FRACTION * size)
    if (at.max(axis=0) - at.min(axis=0)).max() <= 1:
        return [np.arange(len(frames))]
    order = np.lexsort((at[:, 1], at[:, 0], places))
    if not _are_apart(at[order], places[order]):
        return _one_after_the_other(frames, at)
    by_place: dict[int, list[list[int]]] = {}
    for i in order.tolist():
        stacks = by_place.setdefault(int(places[i]), [])
        near = next((members for members in stacks if np.abs(at[members[0]] - at[i]).max() <= 1), None)
        if near is None:
            stacks.append([i])
        else:
            near.append(i)
    count = max(map(len, by_place.values()))
    if count == 1:
        return _one_after_the_other(frames, at)
    groups: list[list[int]] = [[] for _ in range(count)]
    known = next(stacks for stacks in by_place.values() if len(stacks) == count)
    last = [at[members[0]] for members in known]
    for _, stacks in sorted(by_place.items()):
        for n, members in enumerate(stacks):
            here = at[members[0]]
            number = n if len(stacks) == count else min(range(count), key=lambda m: float(np.abs(last[m] - here).max()))
            groups[number] += members
            last[number] = here
    return [np.array(sorted(group)) for group in groups if group]


def _are_apart(at: np.ndarray, places: np.ndarray) -> bool:
    """Return whether two frames of one place lie more than 1 apart; both arrays are sorted by place."""
    starts = np.flatnonzero(np.concatenate([[True], np.diff(places) > 0]))
    spans = np.maximum.reduceat(at, starts) - np.minimum.reduceat(at, starts)
    return bool((spans > 1).any())


def _one_after_the_other(frames: Frames, at: np.ndarray) -> list[np.ndarray]:
    """Return stacks whose ranges along the normal follow one another, but which lie at different places `at` the plane.

    Single slices beside the others are no stack of their own.
    """
    places, first = np.unique(frames.places, return_index=True)
    steps, shifts = np.diff(frames.distances[first]), np.diff(at[first], axis=0)
    if len(places) < 2 * MIN_STACK:
        return [np.arange(len(frames))]
    tilt = np.median(shifts / steps[:, None], axis=0)
    jumps = np.flatnonzero(np.abs(shifts - tilt * steps[:, None]).max(axis=1) > 1)
    if not len(jumps) or np.diff([-1, *jumps.tolist(), len(places) - 1]).min() < MIN_STACK:
        return [np.arange(len(frames))]
    return groups_of(np.searchsorted(jumps, frames.places))
