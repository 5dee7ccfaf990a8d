"""Image planes in the patient, slice order and the volume grid (PS3.3 section C.7.6.2).

All positions and lengths are in mm in the patient's LPS coordinates; array axes are (k, j, i): slice, row,
column. Slices are ordered by their position along the normal of their plane, never by InstanceNumber,
SliceLocation or file name.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["ImagePlane", "VolumeGeometry", "is_orientation", "position_ids"]

ORIENTATION_TOLERANCE = 1e-4
"""Direction cosines that differ by less are equal."""
UNIT_TOLERANCE = 0.01
"""Allowed deviation of the lengths of two direction cosines from 1, and of their dot product from 0."""
SPACING_TOLERANCE = 0.01
"""Relative; deviations from even spacing below this and `SPACING_FLOOR` are ignored."""
SPACING_FLOOR = 0.01
"""mm."""
MAX_COORDINATE = 1e7
"""mm; larger coordinates make a plane invalid."""
SAME_POSITION = 1e-3
"""mm; positions along the normal that differ by less are equal."""


def is_orientation(cosines: Sequence[float]) -> bool:
    """Return whether six cosines are two perpendicular unit vectors, within `UNIT_TOLERANCE`."""
    row, column = np.array(cosines[:3]), np.array(cosines[3:])
    off = abs(np.linalg.norm(row) - 1), abs(np.linalg.norm(column) - 1), abs(row @ column)
    return bool(max(off) <= UNIT_TOLERANCE)


@dataclass(frozen=True, slots=True)
class ImagePlane:
    """Position, orientation and pixel spacing of one image in the patient.

    `position`: (0020,0032) *Image Position (Patient)*, mm, of the center of the first pixel. `row` and `column`:
    the direction cosines of (0020,0037), along a row (i grows) and along a column (j grows). `spacing`:
    (0028,0030) *Pixel Spacing*, mm between rows, then between columns.
    """

    position: tuple[float, float, float]
    row: tuple[float, float, float]
    column: tuple[float, float, float]
    spacing: tuple[float, float]

    @classmethod
    def of(
        cls,
        position: tuple[float, ...] | None,
        orientation: tuple[float, ...] | None,
        spacing: tuple[float, ...] | None,
    ) -> ImagePlane | None:
        """Return the plane of an image's elements, or None if they are invalid.

        They are invalid if one is missing, a spacing is not positive, or the directions are not perpendicular unit
        vectors.
        """
        if position is None or orientation is None or spacing is None:
            return None
        if not all(abs(value) <= MAX_COORDINATE for value in (*position, *orientation, *spacing)):  # False for NaN too
            return None
        if len(position) != 3 or len(orientation) != 6 or len(spacing) != 2 or min(spacing) <= 0:
            return None
        if not is_orientation(orientation):
            return None
        x, y, z = position
        return cls(
            (x, y, z),
            (orientation[0], orientation[1], orientation[2]),
            (orientation[3], orientation[4], orientation[5]),
            (spacing[0], spacing[1]),
        )

    @property
    def normal(self) -> np.ndarray:
        """Cross product of row and column direction, float64 of shape (3,)."""
        return np.cross(self.row, self.column)

    @property
    def distance(self) -> float:
        """Position along the normal, mm."""
        return float(np.dot(self.position, self.normal))

    def same_orientation(self, other: ImagePlane) -> bool:
        """Return whether both planes have the same row and column directions, within `ORIENTATION_TOLERANCE`."""
        return bool(
            np.allclose(self.row, other.row, atol=ORIENTATION_TOLERANCE, rtol=0)
            and np.allclose(self.column, other.column, atol=ORIENTATION_TOLERANCE, rtol=0)
        )

    def same_grid(self, other: ImagePlane) -> bool:
        """Return whether both planes have the same orientation, and equal pixel spacing within `SPACING_TOLERANCE`."""
        if (self.row, self.column, self.spacing) == (other.row, other.column, other.spacing):
            return True
        return self.same_orientation(other) and bool(
            np.allclose(self.spacing, other.spacing, rtol=SPACING_TOLERANCE, atol=0)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class VolumeGeometry:
    """Grid of a volume.

    `spacing`: mm between slices, rows, columns (k, j, i), the lengths of the affine's columns. The first is
    NaN where the files give no distance between slices. `affine`: 4×4 float64, voxel (k, j, i, 1) to patient
    (x, y, z, 1) in LPS mm; None where the files do not place the images. `tilt`: degrees between the step
    from slice to slice and the normal, 0 for a right-angled grid. `steps`: mm from each slice to the next.
    """

    spacing: tuple[float, float, float]
    affine: np.ndarray | None
    tilt: float = 0.0
    steps: tuple[float, ...] = ()
    beside: tuple[int, float] = (0, 0.0)
    """Index of the slice farthest from the line through the first and last slices, and its distance, mm."""

    @classmethod
    def of_planes(cls, planes: Sequence[ImagePlane]) -> VolumeGeometry:
        """Return the grid of ordered, parallel planes; the slice spacing is the mean over the whole span."""
        first, n = planes[0], len(planes)
        positions = np.array([plane.position for plane in planes])
        step = (positions[-1] - positions[0]) / (n - 1) if n > 1 else first.normal * np.nan
        length = float(np.linalg.norm(step))
        if n > 1 and length < SAME_POSITION:
            length = float("nan")
        affine = np.eye(4)
        affine[:3, 0] = step if np.isfinite(length) else first.normal
        affine[:3, 1] = np.array(first.column) * first.spacing[0]
        affine[:3, 2] = np.array(first.row) * first.spacing[1]
        affine[:3, 3] = first.position
        tilt = 0.0
        if n > 1 and np.isfinite(length):
            cosine = float(np.clip(np.dot(step, first.normal) / length, -1, 1))
            tilt = float(np.degrees(np.arccos(abs(cosine))))
        distances = positions @ first.normal
        steps = tuple(np.diff(distances).tolist())
        beside = (0, 0.0)
        if n > 2 and np.isfinite(length):
            along = (distances - distances[0]) / (distances[-1] - distances[0])
            off = np.linalg.norm(positions - positions[0] - np.outer(along, positions[-1] - positions[0]), axis=1)
            k = int(np.argmax(off))
            beside = (k, float(off[k]))
        return cls(
            spacing=(length, first.spacing[0], first.spacing[1]),
            affine=affine,
            tilt=round(tilt, 4),
            steps=steps,
            beside=beside,
        )

    @property
    def gaps(self) -> tuple[tuple[int, float, int], ...]:
        """(k, mm, number missing) for each slice k that is followed by missing slices.

        The usual step is the median. A step is a gap if it is within 0.1 usual steps of a multiple, at least two.
        """
        if len(self.steps) < 2:
            return ()
        usual = float(np.median(self.steps))
        if usual < SAME_POSITION:
            return ()
        gaps = []
        for k, step in enumerate(self.steps):
            times = round(step / usual)
            if times >= 2 and abs(step / usual - times) <= 0.1 and not self._is_of_a_block(k):
                gaps.append((k, step, times - 1))
        return tuple(gaps)

    def _is_of_a_block(self, k: int) -> bool:
        """Return whether step `k` is in a run of three or more equal steps: slices are wider apart, none is missing."""
        alike = [
            abs(step - self.steps[k]) <= max(SPACING_FLOOR, SPACING_TOLERANCE * self.steps[k]) for step in self.steps
        ]
        before = next((n for n in range(k) if not alike[k - 1 - n]), k)
        behind = next((n for n in range(len(alike) - k - 1) if not alike[k + 1 + n]), len(alike) - k - 1)
        return before + 1 + behind >= 3

    @property
    def shear(self) -> float:
        """In-plane shift from each slice to the next, mm; 0 for a right-angled grid."""
        return abs(float(np.sin(np.radians(self.tilt)))) * self.spacing[0] if self.tilt else 0.0

    @classmethod
    def unplaced(cls, spacing: tuple[float, float] | None) -> VolumeGeometry:
        """Return the grid of images without positions: `spacing` of rows and columns, 1 mm where it is None."""
        rows, columns = spacing or (1.0, 1.0)
        return cls(spacing=(float("nan"), rows, columns), affine=None)

    @property
    def uneven(self) -> float:
        """Largest deviation of a step from the mean step, mm; 0 if within the tolerance."""
        if len(self.steps) < 2:
            return 0.0
        mean = sum(self.steps) / len(self.steps)
        worst = max(abs(step - mean) for step in self.steps)
        return worst if worst > max(SPACING_FLOOR, SPACING_TOLERANCE * abs(mean)) else 0.0


def position_ids(planes: Sequence[ImagePlane]) -> list[int]:
    """Return the rank of each of the parallel `planes` along their normal, from 0; equal positions share a rank."""
    distances = np.array([plane.position for plane in planes]) @ planes[0].normal
    order = np.argsort(distances, kind="stable")
    steps = np.diff(distances[order]) > SAME_POSITION
    ids = np.empty(len(planes), dtype=np.intp)
    ids[order] = np.concatenate([[0], np.cumsum(steps)])
    ranks: list[int] = ids.tolist()
    return ranks
