"""Read the regions of interest of an RT structure set with their contours (PS3.3 section C.8.8.6)."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Any

import numpy as np

from napari_dicommeta.dicom.datasets import open_dataset
from napari_dicommeta.support.errors import RefusedError
from napari_dicommeta.support.log import log_fault

__all__ = ["CLOSED", "Contour", "Region", "StructureSet", "read_structure_set"]

CLOSED = ("CLOSED_PLANAR", "CLOSEDPLANAR_XOR")
"""Geometric types of contours that enclose an area."""
CONTOUR_DATA = 0x30060050
MAX_POINTS = 20_000_000
"""Largest number of points of a file; more would not fit into memory as objects of other programs either."""


@dataclass(frozen=True, slots=True, eq=False)
class Contour:
    """A contour: `kind` is its *Contour Geometric Type*, `points` are float64 of shape (n, 3), LPS mm."""

    kind: str
    points: np.ndarray


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Region:
    """A region of interest.

    `number`: *ROI Number*, -1 if it is none. `color`: *ROI Display Color*, 0 to 255 for red, green and blue. `faults`:
    why contours of it could not be read, one text for each.
    """

    number: int
    name: str
    color: tuple[int, int, int] | None
    contours: tuple[Contour, ...]
    frame_of_reference: str = ""
    faults: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class StructureSet:
    """The regions of a file, the UIDs of the series that they were drawn on, and those of its frames of reference."""

    regions: tuple[Region, ...]
    series: tuple[str, ...]
    frames_of_reference: tuple[str, ...]


def read_structure_set(path: str) -> StructureSet:
    """Return the regions of the RT structure set at `path`.

    Raises
    ------
    RefusedError
        If the file cannot be read, or holds no region.
    """
    try:
        with open_dataset(path, stop_before_pixels=True) as dataset:
            found = _structure_set(dataset)
    except OSError as error:
        raise RefusedError("structures-unreadable", error.strerror or type(error).__name__) from error
    except RefusedError:
        raise
    except Exception as error:
        log_fault("reading a structure set", error, logging.DEBUG)
        text = f"its contours cannot be read ({type(error).__name__}): export the structures again"
        raise RefusedError("structures-unreadable", text) from error
    if not found.regions:
        raise RefusedError("structures-empty", "it names no region (Structure Set ROI Sequence): nothing to draw")
    return found


def _structure_set(dataset: Any) -> StructureSet:
    contours: dict[int, tuple[Any, list[Contour], list[str]]] = {}
    n_points = 0
    for item in dataset.get("ROIContourSequence") or ():
        number = _whole(item.get("ReferencedROINumber"))
        _, drawn, faults = contours.setdefault(number, (item, [], []))
        for contour in item.get("ContourSequence") or ():
            points, fault = _points(contour)
            n_points += len(points)
            if n_points > MAX_POINTS:
                text = f"its contours have more than {MAX_POINTS:,} points: export fewer regions at a time"
                raise RefusedError("structures-large", text)
            kind = str(contour.get("ContourGeometricType") or "").upper()
            drawn.append(Contour(kind, points)) if not fault else faults.append(fault)
    regions = []
    for item in dataset.get("StructureSetROISequence") or ():
        number = _whole(item.get("ROINumber"))
        of_number, drawn, faults = contours.get(number, (None, [], []))
        regions.append(
            Region(
                number=number,
                name=str(item.get("ROIName") or "").strip(),
                color=_color(of_number),
                contours=tuple(drawn),
                frame_of_reference=str(item.get("ReferencedFrameOfReferenceUID") or ""),
                faults=tuple(faults),
            )
        )
    series, frames = [], [str(dataset.get("FrameOfReferenceUID") or "")]
    for frame in dataset.get("ReferencedFrameOfReferenceSequence") or ():
        frames.append(str(frame.get("FrameOfReferenceUID") or ""))
        for study in frame.get("RTReferencedStudySequence") or ():
            for referenced in study.get("RTReferencedSeriesSequence") or ():
                series.append(str(referenced.get("SeriesInstanceUID") or ""))
    frames += [region.frame_of_reference for region in regions]
    return StructureSet(
        regions=tuple(regions),
        series=tuple(dict.fromkeys(filter(None, series))),
        frames_of_reference=tuple(dict.fromkeys(filter(None, frames))),
    )


def _points(contour: Any) -> tuple[np.ndarray, str]:
    """Return the points of a contour, and why they cannot be used, "" if they can."""
    nothing = np.empty((0, 3))
    if CONTOUR_DATA not in contour:
        return nothing, "has no Contour Data"
    raw = contour.get_item(CONTOUR_DATA).value  # the bytes: pydicom would make an object of each number
    try:
        if isinstance(raw, (bytes, bytearray)):
            text = bytes(raw).strip(b" \0")
            values = np.array(text.split(b"\\"), dtype=np.float64) if text else np.empty(0)
        else:
            values = np.array([float(value) for value in raw or ()])
    except (ValueError, TypeError):
        return nothing, "holds a text that is no number"
    if not len(values):
        return nothing, "has no points"
    if len(values) % 3:
        return nothing, f"has {len(values)} numbers, which are no points of three"
    points = values.reshape(-1, 3)
    return (points, "") if np.isfinite(points).all() else (nothing, "has a coordinate that is not finite")


def _whole(value: Any) -> int:
    try:
        return int(value)
    except (TypeError, ValueError):
        return -1


def _color(item: Any) -> tuple[int, int, int] | None:
    """Return the color of a region; None without one, or with one that is impossible."""
    values = item.get("ROIDisplayColor") if item is not None else None
    try:
        red, green, blue = (int(value) for value in values or ())
    except (TypeError, ValueError):
        return None
    return (red, green, blue) if all(0 <= value <= 255 for value in (red, green, blue)) else None
