"""Helpers shared by the tests of volumes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from dicom_factory import ct_pixels

import napari_dicommeta as dm
from napari_dicommeta.volumes.load import Volumes


def hu(*numbers: int) -> np.ndarray:
    """Return the HU values of these slices of the factory, int32."""
    return np.stack([ct_pixels(n).astype(np.int32) - 1024 for n in numbers])


def opened(folder: Path, *files: bytes, stem: str = "im", **options: str) -> Volumes:
    """Open the volumes of files with these contents, named im0.dcm, im1.dcm …"""
    for n, file in enumerate(files):
        (folder / f"{stem}{n}.dcm").write_bytes(file)
    return dm.load(folder, **options)


def titles(volume: dm.Volume) -> dict[str, str]:
    """Return the titles of a volume's notes by code."""
    return {note.code: note.title for note in volume.notes}
