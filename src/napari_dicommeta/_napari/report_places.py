"""Places of the measurements of reports, as layers of shapes and points over the volumes that show them. No Qt."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_dicommeta._napari.reader import DRAWN_ON, catalog_of, volume_of
from napari_dicommeta._napari.words import plain

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from napari.layers import Layer

    from napari_dicommeta.export.reports import Place, Report
    from napari_dicommeta.volumes.volume import Volume

__all__ = ["outline_of", "place_layers"]

COLOR = "yellow"
WIDTH = 0.6
"""Width of a line, as a fraction of a pixel."""
POINT_SIZE = 5
"""Size of a point, in pixels."""
CORNERS = 64
"""Corners of a circle or an ellipse."""


def place_layers(reports: Sequence[Report], layers: Sequence[Layer]) -> Iterator[Layer]:
    """Yield layers of shapes and of points for the places of measurements that lie in one of the volumes of `layers`.

    Features hold what was measured. A place in an image needs this image among the files of a volume, a place in a
    frame of reference a volume with it.
    """
    from napari.layers import Points, Shapes

    places = [
        (place, f"{measurement.name}: {measurement.text} {measurement.unit}".strip())
        for report in reports
        for measurement in report.measurements
        for place in measurement.places
    ]
    for layer in layers:
        volume = volume_of(layer)
        if volume is None or volume.is_labels or (volume.geometry.affine is None and len(volume.files) > 1):
            continue
        slices = _slices_of(volume, layer)
        outlines: list[tuple[np.ndarray, str, str]] = []
        points: list[tuple[np.ndarray, str]] = []
        for place, text in places:
            at = _indices(place, volume, slices)
            if at is None:
                continue
            if place.kind in ("POINT", "MULTIPOINT"):
                points += [(point, text) for point in at]
            else:
                outlines.append((outline_of(place.kind, at), "polygon" if _is_closed(place.kind, at) else "path", text))
        common: dict[str, Any] = {
            "metadata": {DRAWN_ON: volume},
            "scale": layer.scale[-3:],
            "translate": layer.translate[-3:],
            "units": layer.units[-3:],
            "axis_labels": layer.axis_labels[-3:],
        }
        name = f"{volume.label} places"
        if outlines:
            yield Shapes(
                [corners for corners, _, _ in outlines],
                shape_type=[kind for _, kind, _ in outlines],
                name=plain(name),
                face_color="transparent",
                edge_color=COLOR,
                edge_width=WIDTH,
                features={"measurement": [plain(text) for _, _, text in outlines]},
                **common,
            )
        if points:
            yield Points(
                [point for point, _ in points],
                name=plain(name),
                face_color=COLOR,
                size=POINT_SIZE,
                features={"measurement": [plain(text) for _, text in points]},
                **common,
            )


def _slices_of(volume: Volume, layer: Layer) -> dict[tuple[str, int], int]:
    """Return (SOP Instance UID, frame) of the files of a volume -> number of the slice."""
    catalog = catalog_of(layer)
    if catalog is None:
        return {}
    uids = dict(zip(catalog.paths, catalog.column_texts("SOPInstanceUID"), strict=True))
    n_slices = volume.array.shape[-4 if volume.is_color else -3] if volume.array.ndim > 2 else 1
    return {(uids.get(path) or "", frame): n % n_slices for n, (path, frame) in enumerate(volume.files)}


def _indices(place: Place, volume: Volume, slices: dict[tuple[str, int], int]) -> np.ndarray | None:
    """Return the points of a place as (slice, row, column) of a volume, None if they do not lie in it."""
    points = np.array(place.points)
    if place.image:
        k = slices.get((place.image, (place.frame or 1) - 1))
        if k is None or points.shape[1] != 2:
            return None
        return np.column_stack([np.full(len(points), float(k)), points[:, ::-1] - 0.5])  # 0 is the corner of a pixel
    affine = volume.geometry.affine
    is_common = place.frame_of_reference and place.frame_of_reference == volume.frame_of_reference
    if affine is None or not is_common or points.shape[1] != 3:
        return None
    at = np.asarray(np.linalg.solve(affine[:3, :3], (points - affine[:3, 3]).T).T)
    shape = np.array(volume.array.shape[-4:-1] if volume.is_color else volume.array.shape[-3:])
    return at if (at > -0.5).all() and (at < shape - 0.5).all() else None


def _is_closed(kind: str, at: np.ndarray) -> bool:
    return kind in ("CIRCLE", "ELLIPSE", "POLYGON") or (len(at) > 3 and bool(np.allclose(at[0], at[-1])))


def outline_of(kind: str, at: np.ndarray) -> np.ndarray:
    """Return the corners of a graphic of *Graphic Type* `kind` from its points, float64 of shape (n, 3).

    A circle is given by its center and a point on it, an ellipse by the ends of its axes (PS3.3 section C.18.6.1.2).
    """
    angles = np.linspace(0, 2 * np.pi, CORNERS, endpoint=False)[:, None]
    if kind == "CIRCLE" and len(at) == 2:
        radius = at[1] - at[0]
        across = np.array([0.0, -radius[2], radius[1]])
        return np.asarray(at[0] + radius * np.cos(angles) + across * np.sin(angles))
    if kind == "ELLIPSE" and len(at) == 4:
        center = at.mean(axis=0)
        return np.asarray(center + (at[1] - at[0]) / 2 * np.cos(angles) + (at[3] - at[2]) / 2 * np.sin(angles))
    return at
