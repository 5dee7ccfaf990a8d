"""Contours of RT structures as layers of shapes. Does not use Qt."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_dicommeta._napari.reader import DRAWN_ON, volume_of
from napari_dicommeta._napari.words import plain
from napari_dicommeta.volumes.contour_fill import ContourPlanes

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from napari.layers import Layer, Shapes

__all__ = ["contour_layers"]

WIDTH = 0.4
"""Width of a line, as a fraction of a pixel."""
NO_COLOR = (255, 255, 0)


def contour_layers(layers: Sequence[Layer]) -> Iterator[Shapes]:
    """Yield a layer of polygons for each of `layers` that shows RT structures, in its place, with names as features.

    Polygons are not filled and have the colors of their regions.
    """
    from napari.layers import Shapes

    for layer in layers:
        volume = volume_of(layer)
        planes = getattr(volume.array, "source", None) if volume is not None else None
        if volume is None or not isinstance(planes, ContourPlanes):
            continue
        segments = {segment.number: segment for segment in volume.segments}
        rings, numbers = [], []
        for k, outlines in sorted(planes.outlines.items()):
            for number, outline in outlines:
                for ring in outline.rings:
                    rings.append(np.column_stack([np.full(len(ring), float(k)), ring]))
                    numbers.append(number)
        if not rings:
            continue
        colors = [np.array([*(segments[number].color or NO_COLOR), 255]) / 255 for number in numbers]
        yield Shapes(
            rings,
            shape_type="polygon",
            name=plain(f"{volume.label} contours"),
            face_color="transparent",
            edge_color=colors,
            edge_width=WIDTH,
            features={"number": numbers, "name": [plain(segments[number].name) for number in numbers]},
            metadata={DRAWN_ON: volume},
            scale=layer.scale,
            translate=layer.translate,
            affine=layer.affine,
            units=layer.units,
            axis_labels=layer.axis_labels,
        )
