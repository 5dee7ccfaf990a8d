"""Names and colors of segments for napari's layers of labels. Does not use Qt."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_dicommeta._napari.words import plain

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_dicommeta.volumes.segments import Segment

__all__ = ["segment_looks"]

OTHER = (1.0, 1.0, 1.0, 1.0)
"""Color of numbers that are no segment of the file, as a user may paint them: white."""


def segment_looks(segments: Sequence[Segment]) -> dict[str, Any]:
    """Return the keywords of a labels layer for names, shown at the mouse, and colors of `segments`.

    Without a color in the file, napari's own are left.
    """
    if not segments:
        return {}
    from napari.utils.colormaps import DirectLabelColormap, label_colormap

    names = [""] + [plain(segment.name) for segment in segments]
    numbers = [0] + [segment.number for segment in segments]
    looks: dict[str, Any] = {"features": {"index": numbers, "name": names}}
    if any(segment.color is not None for segment in segments):
        usual = label_colormap()
        colors: dict[int | None, Any] = {None: OTHER, 0: (0.0, 0.0, 0.0, 0.0)}
        for segment in segments:
            own = segment.color
            color = usual.map(segment.number) if own is None else (*(part / 255 for part in own), 1.0)
            colors[segment.number] = tuple(np.asarray(color).tolist())
        looks["colormap"] = DirectLabelColormap(color_dict=colors)
    return looks
