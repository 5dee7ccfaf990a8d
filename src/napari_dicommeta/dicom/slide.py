"""Read what whole-slide images say outside single frames: optical paths in order, and the color of absent pixels."""

from __future__ import annotations

import logging

import numpy as np

from napari_dicommeta.dicom.datasets import open_dataset
from napari_dicommeta.support.log import log_fault

__all__ = ["read_optical_paths", "rgb_of_lab"]

_LAB_WHITE = (0.9642, 1.0, 0.8249)
"""CIE D50, to which the CIELab of ICC profiles refers."""
_D50_TO_SRGB = (
    (3.1338561, -1.6168667, -0.4906146),
    (-0.9787684, 1.9161415, 0.0334540),
    (0.0719453, -0.2289914, 1.4052427),
)
"""XYZ of D50 to linear sRGB, adapted to D65 by Bradford."""


def read_optical_paths(path: str) -> tuple[str, ...]:
    """Return the *Optical Path Identifier* of each optical path of a file, in order; () if they cannot be read.

    Frames of a fully tiled file follow this order (PS3.3 section C.7.6.17.3).
    """
    try:
        with open_dataset(path, stop_before_pixels=True, specific_tags=["OpticalPathSequence"]) as dataset:
            items = dataset.get("OpticalPathSequence") or []
            return tuple(str(item.get("OpticalPathIdentifier", "")).strip() for item in items)
    except Exception as error:  # noqa: BLE001  pydicom raises many kinds for broken files
        log_fault("reading optical paths", error, logging.DEBUG)
        return ()


def rgb_of_lab(stored: tuple[float, float, float]) -> tuple[int, int, int]:
    """Return the 8-bit sRGB color of a CIELab color that is stored in 16 bits (PS3.3 section C.10.7.1.1).

    L is 0 to 100 for 0 to 65535, a and b are -128 to 127 for 0 to 65535.
    """
    lightness = stored[0] / 65535 * 100
    a, b = (value / 65535 * 255 - 128 for value in stored[1:])
    y = (lightness + 16) / 116
    cubes = np.array([y + a / 500, y, y - b / 200])
    xyz = np.where(cubes > 6 / 29, cubes**3, 3 * (6 / 29) ** 2 * (cubes - 4 / 29)) * _LAB_WHITE
    linear = np.clip(np.array(_D50_TO_SRGB) @ xyz, 0, 1)
    curved = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    red, green, blue = np.round(curved * 255).astype(int).tolist()
    return red, green, blue
