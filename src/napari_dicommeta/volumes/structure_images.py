"""Images that an RT structure set was drawn on: their grid, and which of several stacks holds the contours."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_dicommeta.support.errors import RefusedError
from napari_dicommeta.support.words import display
from napari_dicommeta.volumes.layout import layout_of
from napari_dicommeta.volumes.note import make_note

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from napari_dicommeta.catalog.catalog import Series
    from napari_dicommeta.dicom.structure_set import StructureSet
    from napari_dicommeta.volumes.geometry import VolumeGeometry
    from napari_dicommeta.volumes.note import Note

__all__ = ["ImageGrid", "image_of"]

NO_IMAGES = ("SEG", "RTDOSE")
"""Modalities with pixels that structures are not drawn on unless they name them."""
MAX_OFF = 0.5
"""Distance from the nearest slice, in steps, within which a contour counts as one of a stack."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ImageGrid:
    """The grid of images: `shape` is (slices, rows, columns), `name` that of their series."""

    geometry: VolumeGeometry
    shape: tuple[int, int, int]
    frame_of_reference: str
    name: str

    @property
    def step(self) -> float:
        """Distance of slices, mm; 1 for a single slice."""
        spacing = self.geometry.spacing[0]
        return 1.0 if spacing != spacing else spacing

    def indices(self, points: np.ndarray) -> np.ndarray:
        """Return points in LPS mm, of shape (n, 3), as (slice, row, column), float64; whole at centers of voxels.

        Between unevenly spaced slices, the first number is interpolated.
        """
        affine = self.geometry.affine
        assert affine is not None
        at = np.array(np.linalg.solve(affine[:3, :3], (points - affine[:3, 3]).T).T)
        steps = np.array(self.geometry.steps)
        if self.geometry.uneven and len(steps):
            normal = np.cross(affine[:3, 2], affine[:3, 1])
            normal /= np.sqrt(normal @ normal)
            at[:, 0] = _between((points - affine[:3, 3]) @ normal, steps)
        return at


def _between(distances: np.ndarray, steps: np.ndarray) -> np.ndarray:
    """Return distances from the first slice as numbers of slices, beyond the ends by the outermost steps."""
    places = np.concatenate([[0.0], np.cumsum(steps)])
    numbers = np.asarray(np.interp(distances, places, np.arange(len(places))))
    below, above = distances < 0, distances > places[-1]
    numbers[below] = distances[below] / steps[0]
    numbers[above] = len(steps) + (distances[above] - places[-1]) / steps[-1]
    return numbers


def image_of(
    structures: StructureSet, contours: Sequence[np.ndarray], among: Sequence[Series]
) -> tuple[ImageGrid, list[Note]]:
    """Return the grid of the images that most contours lie on, and notes on that choice.

    Images of the series that the structures name come first, then those of their frame of reference.

    Raises
    ------
    RefusedError
        If there are none, or they form no grid; the text says what to do.
    """
    images = [series for series in among if series.n_images]
    named = [series for series in images if series.series_instance_uid in structures.series]
    grids = list(_grids(named, structures, is_named=True))
    notes: list[Note] = []
    if not grids and not named:
        others = [series for series in images if series.modality not in NO_IMAGES]
        grids = list(_grids(others, structures, is_named=False))
        if grids:
            grids = [max(grids, key=lambda grid: _hits(grid, contours))]
            missing = f" …{structures.series[0][-12:]}" if structures.series else ""
            title = f"The images that it refers to{missing} are absent: drawn on {display(grids[0].name, 60)}"
            notes.append(make_note("structures-elsewhere", title))
    if not grids:
        raise RefusedError("structures-no-images", _reason(structures, bool(named)))
    return max(grids, key=lambda grid: _hits(grid, contours)), notes


def _reason(structures: StructureSet, is_there: bool) -> str:
    if is_there:
        return "the images that it refers to form no grid in the patient: contours have no place in them"
    if structures.series:
        uid = display(structures.series[0], 64)
        return f"the images that it refers to (series {uid}) are absent: open it together with them"
    return "it refers to no series, and no images of its frame of reference are here: open it together with them"


def _grids(among: Sequence[Series], structures: StructureSet, is_named: bool) -> Iterator[ImageGrid]:
    """Yield the grids of series; of those that are not named only in a frame of reference of the structures."""
    for series in among:
        frames_stated = set(series.catalog.values("FrameOfReferenceUID"))
        if not is_named and not frames_stated & set(structures.frames_of_reference):
            continue
        for stack in layout_of(series).stacks:
            geometry = stack.geometry()
            if geometry is None or geometry.affine is None or stack.is_one_place:
                continue
            form = stack.frames.pixel_format()
            yield ImageGrid(
                geometry=geometry,
                shape=(len(stack.frames) // stack.times, form.rows, form.columns),
                frame_of_reference=stack.frames.text("FrameOfReferenceUID"),
                name=series.name,
            )


def _hits(grid: ImageGrid, contours: Sequence[np.ndarray]) -> tuple[int, int]:
    """Return how many contours lie on slices of a grid, then its number of slices."""
    if not contours:
        return 0, grid.shape[0]
    with np.errstate(over="ignore", invalid="ignore"):  # of coordinates near the largest number
        heights = grid.indices(np.array([points.mean(axis=0) for points in contours]))[:, 0]
    return int(np.count_nonzero((heights > -MAX_OFF) & (heights < grid.shape[0] - 1 + MAX_OFF))), grid.shape[0]
