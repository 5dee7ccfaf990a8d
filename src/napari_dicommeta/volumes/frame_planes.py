"""Planes and positions of frames: where they lie in the patient, and which state a place that is none."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from napari_dicommeta.dicom.values import numbers
from napari_dicommeta.volumes.frame_column import NO_TEXT, FrameColumn
from napari_dicommeta.volumes.geometry import MAX_COORDINATE, ImagePlane
from napari_dicommeta.volumes.pixel_spacing import is_spacing

__all__ = ["Planes", "filled_spacing", "planes_of", "spacing_column"]


@dataclass(frozen=True, slots=True)
class Planes:
    """Planes and positions: `impossible` marks frames that state a place which is none."""

    planes: tuple[ImagePlane, ...]
    plane_ids: np.ndarray
    positions: np.ndarray
    impossible: np.ndarray


def planes_of(positions: np.ndarray, states: np.ndarray, orientation: FrameColumn, spacing: FrameColumn) -> Planes:
    """Return the planes of frames.

    `positions`: mm, float64 of shape (n, 3), NaN where a frame has none. `states`: whether a frame states a position.
    """
    n = len(positions)
    plane_ids, planes = _plane_ids(orientation, spacing, n)
    with np.errstate(invalid="ignore"):
        is_none = ~(np.abs(positions) <= MAX_COORDINATE).all(axis=1)  # True for NaN too
    plane_ids[is_none] = -1
    positions[plane_ids < 0] = np.nan
    return Planes(planes, plane_ids, positions, is_none & states)


def _plane_ids(orientation: FrameColumn, spacing: FrameColumn, n: int) -> tuple[np.ndarray, tuple[ImagePlane, ...]]:
    """Return the index of each frame's plane among the distinct planes, -1 for an invalid one; and the planes."""
    known: dict[ImagePlane, int] = {}

    def index_of(cosines: str, lengths: str) -> int:
        plane = ImagePlane.of(numbers(cosines, 6), _spacing(lengths))
        return -1 if plane is None else known.setdefault(plane, len(known))

    if orientation.ids is None and spacing.ids is None:
        return np.full(n, index_of(orientation.texts[0], spacing.texts[0]), dtype=np.int32), tuple(known)
    width = len(spacing.texts)
    codes = orientation.ids_of(n).astype(np.int64) * width + spacing.ids_of(n)
    pairs, ids = np.unique(codes, return_inverse=True)
    of_pair = [index_of(orientation.texts[pair // width], spacing.texts[pair % width]) for pair in pairs.tolist()]
    return np.array(of_pair, dtype=np.int32)[ids], tuple(known)


def spacing_column(spacing: FrameColumn, at_detector: FrameColumn, n: int) -> FrameColumn:
    """Return Pixel Spacing, or Imager Pixel Spacing where it is missing or no spacing."""
    if all(map(is_spacing, spacing.texts)) or at_detector.texts == NO_TEXT:
        return spacing
    is_stated = spacing.where(map(is_spacing, spacing.texts), n)
    ids = np.where(is_stated, spacing.ids_of(n), len(spacing.texts) + at_detector.ids_of(n))
    return FrameColumn((*spacing.texts, *at_detector.texts), ids)


def filled_spacing(spacing: FrameColumn, n: int) -> FrameColumn:
    """Return the spacing of frames of one size, where it is missing that of the others, if these agree."""
    valid = [is_spacing(text) for text in spacing.texts]
    stated = {numbers(text, 2): i for i, text in enumerate(spacing.texts) if valid[i]}
    if len(stated) != 1 or all(valid):
        return spacing
    return FrameColumn(spacing.texts, np.where(spacing.where(valid, n), spacing.ids_of(n), *stated.values()))


def _spacing(text: str) -> tuple[float, ...]:
    """Return the spacing in a text; 1 mm, which a note reports, if it states none."""
    return (numbers(text, 2) or (1.0, 1.0)) if is_spacing(text) else (1.0, 1.0)
