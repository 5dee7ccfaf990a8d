"""Volumes of labels from RT structure sets, in the grid of the images they were drawn on (PS3.3 section C.8.8.6)."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from napari_dicommeta.dicom.structure_set import CLOSED, read_structure_set
from napari_dicommeta.dicom.uids import RT_STRUCTURE_SET
from napari_dicommeta.support.errors import RefusedError
from napari_dicommeta.support.words import counted, display
from napari_dicommeta.volumes.contour_fill import ContourPlanes, Outline
from napari_dicommeta.volumes.details import Details
from napari_dicommeta.volumes.lazy_array import LazyArray
from napari_dicommeta.volumes.note import make_note
from napari_dicommeta.volumes.refusal import Refusal
from napari_dicommeta.volumes.segments import Segment, segments_text
from napari_dicommeta.volumes.sources import FrameSources
from napari_dicommeta.volumes.structure_images import ImageGrid, image_of
from napari_dicommeta.volumes.volume import Volume

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_dicommeta.catalog.catalog import Series
    from napari_dicommeta.dicom.structure_set import Contour, Region
    from napari_dicommeta.volumes.note import Note

__all__ = ["SPLIT_REGIONS", "holds_structures", "structure_volumes"]

SPLIT_REGIONS = "ROINumber"
"""The keyword by which a structure set is split into a volume for each region."""
ON_SLICE = 0.1
"""Distance of a contour from its slice, in steps between slices, below which it lies on it."""
FLAT = 0.1
"""Extent of a contour across slices, in steps, below which it lies in the plane of one."""
MAX_NUMBER = 65535
MAX_NAMED = 3
"""Regions that a note names."""


@dataclass(slots=True, kw_only=True)
class _Drawn:
    """What became of the contours of one region.

    `outlines`: slice -> its outline. `left_out`: why a contour is left out -> number of contours. `off`: the largest
    distance of a contour from its slice, mm.
    """

    region: Region
    outlines: dict[int, Outline] = field(default_factory=dict)
    left_out: dict[str, int] = field(default_factory=dict)
    off: float = 0.0
    n_off: int = 0

    def leave_out(self, reason: str) -> None:
        self.left_out[reason] = self.left_out.get(reason, 0) + 1

    @property
    def area(self) -> float:
        return sum(abs(_area(ring)) for outline in self.outlines.values() for ring in outline.rings)


def holds_structures(series: Series) -> bool:
    """Return whether a series has an RT structure set among its files."""
    return series.catalog.file_rows.holds("SOPClassUID", (RT_STRUCTURE_SET,))


def structure_volumes(
    series: Series, among: Sequence[Series], split: str = "auto"
) -> tuple[list[Volume], list[Refusal]]:
    """Return a volume of labels for each structure set of `series`, and refusals of those that cannot be drawn.

    `among`: the series in which the images are looked for. With `split` "ROINumber" there is a volume for each region.
    """
    volumes: list[Volume] = []
    refusals: list[Refusal] = []
    catalog = series.catalog.where(SOPClassUID=RT_STRUCTURE_SET)
    damages = {failure.path: failure.reason for failure in catalog.partial}
    for n, path in enumerate(catalog.paths, 1):
        suffix = f" [{n}]" if catalog.n_files > 1 else ""
        try:
            drawn = _volumes(series, path, among, suffix, split == SPLIT_REGIONS)
            if path in damages:
                note = make_note("structures-partial", f"The structure set is damaged: {damages[path]}")
                drawn = [_noted(volume, note) for volume in drawn]
            volumes += drawn
        except RefusedError as error:
            refusals.append(Refusal(series, (path,), error.reason, error.code))
    return volumes, refusals


def _volumes(series: Series, path: str, among: Sequence[Series], suffix: str, is_split: bool) -> list[Volume]:
    structures = read_structure_set(path)
    numbers, is_renumbered = _numbers(structures.regions)
    planes = [contour.points for region in structures.regions for contour in region.contours]
    image, notes = image_of(structures, planes, among)
    drawn = {number: _draw(region, image) for number, region in zip(numbers, structures.regions, strict=True)}
    if not any(of_region.outlines for of_region in drawn.values()):
        raise RefusedError("structures-nothing", _why_nothing(list(drawn.values()), image))
    if is_renumbered:
        notes.append(make_note("structures-numbers", "Regions have no distinct ROI numbers: they are counted from 1"))
    if is_split:
        shown = {number: of_region for number, of_region in drawn.items() if of_region.outlines}
        return [
            _volume(series, path, image, {number: of_region}, notes, f"{suffix} region {number}")
            for number, of_region in shown.items()
        ]
    return [_volume(series, path, image, drawn, notes, suffix)]


def _volume(
    series: Series, path: str, image: ImageGrid, drawn: dict[int, _Drawn], notes: Sequence[Note], suffix: str
) -> Volume:
    count, rows, columns = image.shape
    outlines: dict[int, list[tuple[int, Outline]]] = {}
    for number in sorted(drawn, key=lambda number: -drawn[number].area):  # small regions over large ones
        for k, outline in drawn[number].outlines.items():
            outlines.setdefault(k, []).append((number, outline))
    planes = ContourPlanes({k: tuple(pairs) for k, pairs in outlines.items()})
    segments = tuple(
        Segment(number, of_region.region.name, of_region.region.color)
        for number, of_region in drawn.items()
        if of_region.outlines
    )
    title = f"Values are ROI numbers: {segments_text(segments)}"
    notes = [make_note("structures", title), *notes, *_notes(list(drawn.values()), image)]
    if len(segments) > 1:
        notes.append(make_note("structures-overlap", "Regions may overlap: where they do, the smaller one is shown"))
    files = np.zeros(count, dtype=np.intp)
    return Volume(
        name=series.name + suffix,
        label=series.label + suffix,
        modality="RTSTRUCT",
        series_instance_uid=series.series_instance_uid,
        array=LazyArray((count, rows, columns), np.uint8 if max(drawn) <= 255 else np.uint16, planes),
        units="",
        geometry=image.geometry,
        details=Details(((),) * count, tuple(notes)),
        sources=FrameSources(
            paths=(path,), files=files, indices=files - 1, offsets=files[:1] - 1, formats=(), format_ids=files[:1]
        ),
        is_labels=True,
        frame_of_reference=image.frame_of_reference,
        segments=segments,
    )


def _noted(volume: Volume, note: Note) -> Volume:
    """Return the volume with a note before its others."""
    return replace(volume, details=Details(volume.slice_windows, (note, *volume.notes)))


def _numbers(regions: Sequence[Region]) -> tuple[list[int], bool]:
    """Return the value of each region in the array, and whether these are not the ROI numbers."""
    numbers = [region.number for region in regions]
    if len(set(numbers)) == len(numbers) and all(1 <= number <= MAX_NUMBER for number in numbers):
        return numbers, False
    return list(range(1, len(numbers) + 1)), True


def _draw(region: Region, image: ImageGrid) -> _Drawn:
    """Place the contours of a region on slices."""
    drawn = _Drawn(region=region)
    for fault in region.faults:
        drawn.leave_out(fault)
    by_slice: dict[int, dict[float, list[tuple[str, np.ndarray]]]] = {}
    for contour in region.contours:
        with np.errstate(over="ignore", invalid="ignore"):  # of coordinates near the largest number
            at = image.indices(contour.points)
        reason = _unusable(contour, at, image)
        if reason:
            drawn.leave_out(reason)
            continue
        height = float(at[:, 0].mean())
        k = round(height)
        by_slice.setdefault(k, {}).setdefault(round(height - k, 3), []).append((contour.kind, at[:, 1:]))
    for k, heights in by_slice.items():
        nearest = min(heights, key=abs)
        for height, contours in heights.items():
            if height != nearest:
                for _ in contours:
                    drawn.leave_out("lies between slices, where another is nearer to the slice")
        off = abs(nearest) * image.step
        if abs(nearest) > ON_SLICE:
            drawn.n_off += len(heights[nearest])
            drawn.off = max(drawn.off, off)
        drawn.outlines[k] = _outline(heights[nearest], drawn)
    return drawn


def _unusable(contour: Contour, at: np.ndarray, image: ImageGrid) -> str:
    """Return why a contour cannot be drawn on a slice, "" if it can; `at` are its points in slices, rows, columns."""
    count, rows, columns = image.shape
    if contour.kind not in (*CLOSED, "POINT"):
        kind = display(contour.kind, 30) or "no Contour Geometric Type"
        return f"encloses no area ({kind})"
    if contour.kind != "POINT" and len(at) < 3:
        return "has fewer than three points"
    if not np.isfinite(at).all():
        return "has a coordinate beyond all images"
    if np.ptp(at[:, 0]) > FLAT and contour.kind != "POINT":
        return "does not lie in the plane of the images"
    low, high = at.min(axis=0), at.max(axis=0)
    if not 0 <= round(float(at[:, 0].mean())) < count:
        return "lies above or below the images"
    if (high[1:] < -0.5).any() or (low[1:] > (rows - 0.5, columns - 0.5)).any():
        return "lies beside the images"
    if contour.kind != "POINT" and not _area(at[:, 1:]):
        return "encloses no area"
    return ""


def _area(ring: np.ndarray) -> float:
    """Return the signed area of a ring, in pixels."""
    rows, columns = ring[:, 0], ring[:, 1]
    return float(columns @ np.roll(rows, -1) - rows @ np.roll(columns, -1)) / 2


def _outline(contours: Sequence[tuple[str, np.ndarray]], drawn: _Drawn) -> Outline:
    """Return the outline of contours on one slice; one that is there twice would cancel itself out."""
    rings: dict[bytes, np.ndarray] = {}
    points = [at for kind, at in contours if kind == "POINT"]
    for kind, at in contours:
        if kind != "POINT":
            key = np.round(at, 3).tobytes()
            if key in rings:
                drawn.leave_out("is there twice")
            rings[key] = at
    return Outline(tuple(rings.values()), np.concatenate(points) if points else np.empty((0, 2)))


def _notes(drawn: Sequence[_Drawn], image: ImageGrid) -> list[Note]:
    notes = []
    reasons = dict.fromkeys(reason for of_region in drawn for reason in of_region.left_out)
    for reason in reasons:
        concerned = [of_region for of_region in drawn if reason in of_region.left_out]
        n = sum(of_region.left_out[reason] for of_region in concerned)
        what = "A contour" if n == 1 else f"{n:,} contours, each of which"
        title = f"{what} {reason}: left out of {_named(concerned)}"
        notes.append(make_note("structures-left-out", title))
    if off := [of_region for of_region in drawn if of_region.n_off]:
        n, far = sum(of_region.n_off for of_region in off), max(of_region.off for of_region in off)
        verbs = ("lies", "fills") if n == 1 else ("lie", "fill")
        title = f"{counted(n, 'contour')} of {_named(off)} {verbs[0]} up to {far:.3g} mm beside a slice"
        notes.append(make_note("structures-between", f"{title}, and {verbs[1]} the nearest one"))
    sparse = [of_region for of_region in drawn if _skips(of_region)]
    if sparse:
        lacking = sum(map(_skips, sparse))
        verbs = ("has", "stays") if lacking == 1 else ("have", "stay")
        title = (
            f"{counted(lacking, 'slice')} between contours of {_named(sparse)} {verbs[0]} none, and {verbs[1]} empty"
        )
        notes.append(make_note("structures-sparse", title))
    if without := [of_region for of_region in drawn if not of_region.region.contours and not of_region.left_out]:
        notes.append(make_note("structures-bare", f"No contours are there for {_named(without)}"))
    return notes


def _skips(drawn: _Drawn) -> int:
    """Return the number of slices between the first and the last of a region that have none of its contours."""
    slices = [k for k, outline in drawn.outlines.items() if outline.rings]
    return max(slices) - min(slices) + 1 - len(slices) if slices else 0


def _named(drawn: Sequence[_Drawn]) -> str:
    names = [display(of_region.region.name, 40) or f"region {of_region.region.number}" for of_region in drawn]
    more = f" and {len(names) - MAX_NAMED} more" if len(names) > MAX_NAMED else ""
    return ", ".join(names[:MAX_NAMED]) + more


def _why_nothing(drawn: Sequence[_Drawn], image: ImageGrid) -> str:
    """Return why no contour of a file can be drawn, and what to do."""
    reasons = list(dict.fromkeys(reason for of_region in drawn for reason in of_region.left_out))
    if not reasons:
        return "its regions have no contours: nothing to draw"
    more = f", or it {reasons[1]}" if len(reasons) > 1 else ""
    return f"each of its contours {reasons[0]}{more} ({image.name}): open it with the images that it was drawn on"
