"""Isodose colors: a dose in bands of the dose at the upper contrast limit, clear below the lowest. Does not use Qt."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from napari.utils.colormaps import Colormap

__all__ = ["DOSE", "ISODOSE", "isodose_colormap"]

DOSE, ISODOSE = "RTDOSE", "isodose"
BANDS = (
    (0.10, "#2a3fd0"),
    (0.30, "#0e9be8"),
    (0.50, "#11c7a0"),
    (0.70, "#5fd91f"),
    (0.80, "#d7e619"),
    (0.90, "#ffa60f"),
    (0.95, "#f0230f"),
)
"""Fraction of the upper contrast limit from which a band begins, and its color."""


def isodose_colormap() -> Colormap:
    """Return a colormap of bands: 10, 30, 50, 70, 80, 90 and 95 percent, transparent below."""
    from napari.utils.colormaps import Colormap

    clear = (0.0, 0.0, 0.0, 0.0)
    colors = [clear, *((*(int(text[i : i + 2], 16) / 255 for i in (1, 3, 5)), 1.0) for _, text in BANDS)]
    controls = [0.0, *(fraction for fraction, _ in BANDS), 1.0]
    return Colormap(np.array(colors), name=ISODOSE, interpolation="zero", controls=controls)
