"""Image planes in the patient, slice order and the volume grid (PS3.3 section C.7.6.2).

All positions and lengths are in mm in the patient's LPS coordinates; array axes are (k, j, i): slice, row,
column. Slices are ordered by their position along the normal of their plane, never by InstanceNumber,
SliceLocation or file name. Positions are float64 arrays of shape (n, 3).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import hypot
from typing import TYPE_CHECKING

import numpy as np

from napari_dicommeta.support.cached import cached_property

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = [
    "ImagePlane",
    "VolumeGeometry",
    "even_steps",
    "is_orientation",
    "near_tolerance",
    "place_ids",
    "place_tolerance",
    "spacing_floor",
    "usual_step",
]

ORIENTATION_TOLERANCE = 1e-4
"""Direction cosines that differ by less are equal."""
ROUNDING_TOLERANCE = 1.05e-3
"""Direction cosines of one orientation may differ by up to 1e-3, rounding included, if the grid is no worse for it."""
SPREAD_TOLERANCE = 2 * ROUNDING_TOLERANCE
"""The same for orientations that scatter to both sides of one, or drift."""
TRACKED_TOLERANCE = 0.035
"""The same for images that follow a movement, each with an orientation of its own: 2 degrees."""
NEAR_RATIO = 5
"""Steps between images of one slice that follows a movement are this many times smaller than those between slices."""
NEAR_THICKNESS = 0.5
"""Fraction of the slice thickness; images within it are of one slice if they are unevenly spaced."""
UNIT_TOLERANCE = 0.01
"""Allowed deviation of the lengths of two direction cosines from 1, and of their dot product from 0."""
SPACING_TOLERANCE = 0.01
"""Relative; deviations from even spacing below this and `SPACING_FLOOR` are ignored."""
SPACING_FLOOR = 0.01
"""mm; for pixels smaller than 1 mm this fraction of a pixel."""
MAX_COORDINATE = 1e7
"""mm; larger coordinates are impossible."""
SAME_POSITION = 0.01
"""mm; positions along the normal that differ by less are equal, unless pixels are smaller than 1 mm."""
SAME_POSITION_PIXELS = 1e-2
"""The same as a fraction of the pixel spacing; the smaller of both counts."""
MIN_BLOCK = 3
"""Number of equal steps that make a block of slices."""


def is_orientation(cosines: Sequence[float]) -> bool:
    """Return whether six cosines are two perpendicular unit vectors, within `UNIT_TOLERANCE`."""
    if len(cosines) != 6:
        return False
    a, b, c, d, e, f = cosines
    off = abs(hypot(a, b, c) - 1), abs(hypot(d, e, f) - 1), abs(a * d + b * e + c * f)
    return max(off) <= UNIT_TOLERANCE


@dataclass(frozen=True)
class ImagePlane:
    """Orientation and pixel spacing of images in the patient.

    `cosines`: the direction cosines of (0020,0037), along a row (i grows), then along a column (j grows). `spacing`:
    (0028,0030) *Pixel Spacing*, mm between rows, then between columns.
    """

    cosines: tuple[float, ...]
    spacing: tuple[float, float]

    @classmethod
    def of(cls, cosines: Sequence[float] | None, spacing: Sequence[float] | None) -> ImagePlane | None:
        """Return the plane of an image's elements, or None if they are invalid.

        They are invalid if one is missing, a spacing is not positive, or the directions are not perpendicular unit
        vectors.
        """
        if cosines is None or spacing is None or len(cosines) != 6 or len(spacing) != 2:
            return None
        if not all(abs(value) <= MAX_COORDINATE for value in (*cosines, *spacing)):  # False for NaN too
            return None
        if min(spacing) <= 0 or not is_orientation(cosines):
            return None
        return cls(tuple(map(float, cosines)), (float(spacing[0]), float(spacing[1])))

    @cached_property
    def row(self) -> np.ndarray:
        """Direction along a row, float64 of shape (3,)."""
        return np.array(self.cosines[:3])

    @cached_property
    def column(self) -> np.ndarray:
        """Direction along a column, float64 of shape (3,)."""
        return np.array(self.cosines[3:])

    @cached_property
    def normal(self) -> np.ndarray:
        """Cross product of row and column direction, float64 of shape (3,)."""
        a, b, c, d, e, f = self.cosines
        return np.array([b * f - c * e, c * d - a * f, a * e - b * d])

    def same_orientation(self, other: ImagePlane, tolerance: float = ORIENTATION_TOLERANCE) -> bool:
        """Return whether both planes have the same row and column directions, within `tolerance`."""
        return max(abs(a - b) for a, b in zip(self.cosines, other.cosines, strict=True)) <= tolerance

    def same_grid(self, other: ImagePlane, tolerance: float = ORIENTATION_TOLERANCE) -> bool:
        """Return whether both planes have the same orientation, and equal pixel spacing within `SPACING_TOLERANCE`."""
        if not self.same_orientation(other, tolerance):
            return False
        pairs = zip(self.spacing, other.spacing, strict=True)
        return all(abs(a - b) <= SPACING_TOLERANCE * max(a, b) for a, b in pairs)


def spacing_floor(plane: ImagePlane) -> float:
    """Return the deviation of a step between images of `plane`, mm, below which it is rounding."""
    return SPACING_FLOOR * min(1.0, *plane.spacing)


def place_tolerance(plane: ImagePlane) -> float:
    """Return the distance along the normal, mm, below which two images lie at the same place."""
    return min(SAME_POSITION, SAME_POSITION_PIXELS * min(plane.spacing))


def near_tolerance(distances: np.ndarray, plane: ImagePlane, thickness: float) -> float:
    """Return the distance along the normal, mm, below which images that follow a movement are of one slice.

    `thickness`: of slices, mm, NaN if unknown. 0 if images of one slice do not stand out.
    """
    steps = np.diff(np.sort(distances))
    span, half_pixel = float(steps.sum()), min(plane.spacing) / 2
    if span <= min(NEAR_THICKNESS * thickness, half_pixel):
        return span
    steps.sort()
    small, large = steps[:-1], steps[1:]
    found = np.flatnonzero((small > place_tolerance(plane)) & (small <= half_pixel) & (large >= NEAR_RATIO * small))
    if not len(found):
        return 0.0
    tolerance = float(np.sqrt(small[found[0]] * large[found[0]]))
    ordered = np.sort(distances)
    slices = np.split(ordered, np.flatnonzero(np.diff(ordered) > tolerance) + 1)
    widest = max(float(np.ptp(places)) for places in slices)
    return tolerance if len(slices) > 2 and float(large[found[0]]) >= NEAR_RATIO * widest else 0.0


def place_ids(distances: np.ndarray, tolerance: float = SAME_POSITION) -> np.ndarray:
    """Return the rank of each distance along the normal, from 0, intp; distances within `tolerance` share a rank."""
    order = np.argsort(distances, kind="stable")
    ids = np.empty(len(distances), dtype=np.intp)
    ids[order[:1]] = 0
    ordered = distances[order]
    ids[order[1:]] = np.cumsum(ordered[1:] - ordered[:-1] > tolerance)
    return ids


def usual_step(steps: np.ndarray) -> float:
    """Return the median of steps, in mm; of an even number the smaller of both in the middle, which exists."""
    return float(np.partition(steps, (len(steps) - 1) // 2)[(len(steps) - 1) // 2])


def even_steps(steps: np.ndarray, floor: float = SPACING_FLOOR) -> bool:
    """Return whether all steps are equal to the usual (median) step, within the tolerances; mm."""
    if len(steps) < 2:
        return True
    usual = usual_step(steps)
    return float(np.abs(steps - usual).max()) <= max(floor, SPACING_TOLERANCE * abs(usual))


@dataclass(frozen=True, kw_only=True)
class VolumeGeometry:
    """Grid of a volume.

    `spacing`: mm between slices, rows, columns (k, j, i), the lengths of the affine's columns. The first is
    NaN where the files give no distance between slices; of uneven slices it is the usual (median) step. `affine`: 4×4
    float64, voxel (k, j, i, 1) to patient (x, y, z, 1) in LPS mm; None where the files do not place the images.
    `tilt`: degrees between the step from slice to slice and the normal, 0 for a right-angled grid. `steps`: mm from
    each slice to the next along the normal. `beside`: the index of the slice farthest from the line through the first
    and last slices, and its distance, mm. `floor`: mm; smaller deviations of a step are rounding.
    """

    spacing: tuple[float, float, float]
    affine: np.ndarray | None
    tilt: float = 0.0
    steps: tuple[float, ...] = ()
    beside: tuple[int, float] = (0, 0.0)
    floor: float = SPACING_FLOOR

    @classmethod
    def of_positions(cls, plane: ImagePlane, positions: np.ndarray) -> VolumeGeometry:
        """Return the grid of parallel images at ordered `positions`, float64 of shape (n, 3).

        The slice spacing of evenly spaced images is the mean over the whole span, which is the most exact.
        """
        n, normal = len(positions), plane.normal
        affine = np.eye(4)
        affine[:3, 1] = plane.column * plane.spacing[0]
        affine[:3, 2] = plane.row * plane.spacing[1]
        affine[:3, 3] = positions[0]
        affine[:3, 0] = normal
        floor = spacing_floor(plane)
        if n == 1:
            return cls(spacing=(float("nan"), *plane.spacing), affine=affine, floor=floor)
        distances = positions @ normal
        steps = distances[1:] - distances[:-1]
        span = positions[-1] - positions[0]
        step = span / (n - 1)
        if not even_steps(steps, floor):
            along = float(distances[-1] - distances[0])
            step = span * (usual_step(steps) / along) if along else span * 0
        length = float(np.sqrt(step @ step))
        if length < place_tolerance(plane):
            return cls(spacing=(float("nan"), *plane.spacing), affine=affine, steps=tuple(steps.tolist()), floor=floor)
        affine[:3, 0] = step
        cosine = min(abs(float(step @ normal)) / length, 1.0)
        beside = (0, 0.0)
        along = distances[-1] - distances[0]
        if n > 2 and along:
            off = positions - positions[0] - np.outer((distances - distances[0]) / along, span)
            lengths = np.sqrt((off * off).sum(axis=1))
            k = int(np.argmax(lengths))
            beside = (k, float(lengths[k]))
        return cls(
            spacing=(length, *plane.spacing),
            affine=affine,
            tilt=round(float(np.degrees(np.arccos(cosine))), 4),
            steps=tuple(steps.tolist()),
            beside=beside,
            floor=floor,
        )

    def stretched(self, count: int) -> VolumeGeometry:
        """Return the grid of `count` steps over the same span, for slices that are multiples of one step apart."""
        assert self.affine is not None
        span = float(sum(self.steps))
        affine = self.affine.copy()
        length = self.spacing[0]
        usual = self.usual_step
        factor = span / count / usual if usual else 1.0
        affine[:3, 0] *= factor
        return replace(self, spacing=(length * factor, *self.spacing[1:]), affine=affine, steps=(span / count,) * count)

    @cached_property
    def _steps(self) -> np.ndarray:
        return np.array(self.steps)

    @cached_property
    def usual_step(self) -> float:
        """Return the median step along the normal, mm; NaN for a single slice."""
        return usual_step(self._steps) if self.steps else float("nan")

    @cached_property
    def gaps(self) -> tuple[tuple[int, float, int], ...]:
        """(k, mm, number missing) for each slice k that is followed by missing slices.

        A step is a gap if it is within 0.1 steps of a multiple, at least two, of the usual step there, and not one of a
        block. Between blocks of one step, that step is the usual one.
        """
        if len(self.steps) < 2 or not self.usual_step > self.floor / 10:
            return ()
        if not self.uneven and self.usual_step > 10 * self.floor:  # then no step is twice another
            return ()
        steps, usual = self._steps, self._local_steps
        times = np.round(steps / usual)
        fits = np.flatnonzero((times >= 2) & (np.abs(steps / usual - times) <= 0.1))
        if not len(fits):
            return ()
        in_block = self._runs_of_equal_steps
        return tuple((k, self.steps[k], int(times[k]) - 1) for k in fits.tolist() if in_block[k] < MIN_BLOCK)

    @property
    def _local_steps(self) -> np.ndarray:
        """The usual step at each step, mm: of the blocks before and behind it if these agree, or else of the volume."""
        steps, blocks = self._steps, np.flatnonzero(np.array(self._runs_of_equal_steps) >= MIN_BLOCK)
        usual = np.full(len(steps), self.usual_step)
        if len(blocks):
            after = np.searchsorted(blocks, np.arange(len(steps)))
            inside = (after > 0) & (after < len(blocks))
            before = steps[blocks[after - 1]]
            behind = steps[blocks[np.minimum(after, len(blocks) - 1)]]
            agree = inside & (np.abs(before - behind) <= np.maximum(self.floor, SPACING_TOLERANCE * np.abs(before)))
            usual[agree & (before > self.floor / 10)] = before[agree & (before > self.floor / 10)]
        return usual

    @cached_property
    def _runs_of_equal_steps(self) -> tuple[int, ...]:
        """For each step the number of adjacent steps that are equal to it, itself included."""
        steps = self._steps
        limits = np.maximum(self.floor, SPACING_TOLERANCE * np.abs(steps[:-1]))
        starts = np.concatenate([[0], np.flatnonzero(np.abs(np.diff(steps)) > limits) + 1, [len(steps)]])
        lengths = np.diff(starts)
        return tuple(np.repeat(lengths, lengths).tolist())

    @property
    def blocks(self) -> tuple[tuple[int, int, float], ...]:
        """(first slice, number of slices, step in mm) of each block of an uneven volume; () if it is not made of them.

        A block has at least `MIN_BLOCK` equal steps, and goes on where slices are missing; together, blocks hold all
        slices.
        """
        if len(self.steps) < 2 * MIN_BLOCK or not self.uneven:
            return ()
        gaps = {k for k, _, _ in self.gaps}
        runs = self._runs_of_equal_steps
        blocks: list[tuple[int, int, float]] = []
        start = k = 0  # the next slice that is in no block; the next step
        while k < len(runs):
            if runs[k] >= MIN_BLOCK:
                first, end = max(start, k), k + runs[k] + 1
                step = usual_step(self._steps[k : k + runs[k]])
                is_new = not blocks or abs(step - blocks[-1][2]) > max(self.floor, SPACING_TOLERANCE * step)
                if is_new and first == start:
                    blocks.append((first, end - first, step))
                elif first == start and k - 1 in gaps:
                    blocks[-1] = (blocks[-1][0], end - blocks[-1][0], step)
                else:
                    return ()
                start = end
            elif runs[k] > 1 or start != k + 1:
                return ()
            k += runs[k]
        return tuple(blocks) if len(blocks) > 1 and start == len(runs) + 1 else ()

    @property
    def shear(self) -> float:
        """In-plane shift from each slice to the next, mm; 0 for a right-angled grid."""
        return abs(float(np.sin(np.radians(self.tilt)))) * self.spacing[0] if self.tilt else 0.0

    @classmethod
    def unplaced(cls, spacing: tuple[float, float] | None) -> VolumeGeometry:
        """Return the grid of images without positions: `spacing` of rows and columns, 1 mm where it is None."""
        rows, columns = spacing or (1.0, 1.0)
        return cls(spacing=(float("nan"), rows, columns), affine=None)

    @cached_property
    def uneven(self) -> float:
        """Largest deviation of a step from the usual step, mm; 0 if within the tolerance."""
        if len(self.steps) < 2 or even_steps(self._steps, self.floor):
            return 0.0
        return float(np.abs(self._steps - self.usual_step).max())
