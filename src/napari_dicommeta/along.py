"""A tag's values along the slices of a volume: tube current, table position, window."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_dicommeta.meaning import number

if TYPE_CHECKING:
    from napari_dicommeta.catalog import Catalog
    from napari_dicommeta.volume import Volume

__all__ = ["MAX_COMPONENTS", "values_along"]

MAX_COMPONENTS = 6


def values_along(volume: Volume, catalog: Catalog, keyword: str) -> np.ndarray | None:
    """The numbers that `keyword` has in the file behind each slice, in the order of `Volume.files`.

    float64 of shape (components, slices), at most `MAX_COMPONENTS`, NaN where a slice has none; None where all slices
    have the same, or no numbers. `catalog` holds the files. Frames of one file share what their file says at the top.

    Raises
    ------
    ValueError
        If `keyword` is neither a keyword nor a tag.
    """
    texts = dict(zip(catalog.paths, catalog.column_texts(keyword), strict=True))
    known: dict[str | None, tuple[float, ...]] = {}
    rows = []
    for path, _ in volume.files:
        text = texts.get(path)
        if text not in known:
            parts = text.split("\\")[:MAX_COMPONENTS] if text else []
            values = [number(part) for part in parts]
            known[text] = tuple(np.nan if value is None else value for value in values)
        rows.append(known[text])
    components = max(map(len, rows), default=0)
    if not components:
        return None
    padded = np.array([(*row, *(np.nan,) * (components - len(row))) for row in rows]).T
    varying = [line for line in padded if len(np.unique(line[np.isfinite(line)])) > 1]
    return np.array(varying) if varying else None
