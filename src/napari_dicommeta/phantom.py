"""A small synthetic chest CT, written as DICOM files: the sample data, with known values.

It has 48 slices of 256 × 256 pixels at 2.5 × 1.5 × 1.5 mm. Inside a circular field of view: air -1000, lung -850,
fat -100, soft tissue 40 and bone 700 HU. Outside it, padding with a stored value of -2000. Each file has two named
window presets. The files write the same Rescale Slope as ``1``, ``1.0`` or ``1.000000``.
"""

from __future__ import annotations

import errno
import os
from pathlib import Path

import numpy as np

__all__ = ["NAME", "SLICES", "chest", "sample"]

NAME = "Chest CT phantom"
"""The folder to write to by default."""

SLICES, SIZE = 48, 256
SPACING = (2.5, 1.5, 1.5)
AIR, LUNG, FAT, SOFT, BONE, PADDING = -1000, -850, -100, 40, 700, -2000
INTERCEPT = -1024
SLOPES = ("1", "1.0", "1.000000")
PHANTOM_ROOT = "1.2.826.0.1.3680043.10.1731"


def chest() -> np.ndarray:
    """Return the phantom in HU: int16, shape (48, 256, 256), axes (slice, row, column).

    Pixels outside the field of view are -2000.
    """
    k, j, i = np.ogrid[:SLICES, :SIZE, :SIZE]
    y, x, z = (j - 127.5) / 127.5, (i - 127.5) / 127.5, (k - (SLICES - 1) / 2) / (SLICES / 2)

    def ellipse(cx: float, cy: float, rx: float, ry: float, taper: float = 0.0) -> np.ndarray:
        grown = 1 - taper * z * z
        return ((x - cx) / (rx * grown)) ** 2 + ((y - cy) / (ry * grown)) ** 2 <= 1

    image = np.full((SLICES, SIZE, SIZE), AIR, dtype=np.int16)
    image[np.broadcast_to(ellipse(0, 0.02, 0.86, 0.62), image.shape)] = FAT
    image[np.broadcast_to(ellipse(0, 0.02, 0.79, 0.55), image.shape)] = SOFT
    for side in (-1, 1):
        image[ellipse(side * 0.38, 0.0, 0.30, 0.42, 0.45)] = LUNG
        ribs = ellipse(side * 0.38, 0.0, 0.345, 0.47, 0.25) & ~ellipse(side * 0.38, 0.0, 0.315, 0.44, 0.25)
        rings = ((k + 12 * np.abs(y)) % 12 < 4) & (np.abs(x) > 0.3)
        image[ribs & rings & (image == SOFT)] = BONE
    image[ellipse(0.10, -0.12, 0.20, 0.22, 0.8)] = SOFT  # heart
    image[np.broadcast_to(ellipse(0.02, 0.40, 0.10, 0.10), image.shape)] = BONE  # vertebra
    image[np.broadcast_to(ellipse(0.02, 0.385, 0.035, 0.035), image.shape)] = SOFT  # spinal canal
    image[np.broadcast_to(ellipse(0, -0.30, 0.045, 0.05), image.shape) & (z < 0.2)] = AIR  # trachea
    nodule = (x + 0.42) ** 2 + (y - 0.08) ** 2 + (z * SLICES * SPACING[0] / (SIZE * SPACING[1])) ** 2 <= 0.045**2
    image[nodule] = SOFT
    image[np.broadcast_to(x * x + y * y > 1, image.shape)] = PADDING
    return image


def sample(folder: str | os.PathLike[str] = NAME) -> Path:
    """Write the phantom as 48 CT Image files into `folder`, created if missing, and return the folder's path.

    Raises
    ------
    FileExistsError
        If the folder holds anything else.
    OSError
        If the folder or a file cannot be written.
    """
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian
    from pydicom.valuerep import DSfloat

    target = Path(folder)
    target.mkdir(parents=True, exist_ok=True)
    names = [f"slice_{k + 1:03d}.dcm" for k in range(SLICES)]
    if others := {entry.name for entry in target.iterdir()}.difference(names):
        reason = f"the folder holds other files, as {min(others)}; name an empty one"
        raise FileExistsError(errno.EEXIST, reason, os.fspath(folder))
    image = chest()
    stored = np.where(image == PADDING, PADDING, image - INTERCEPT).astype("<i2")
    for k in range(SLICES):
        ds = Dataset()
        ds.SpecificCharacterSet = "ISO_IR 192"
        ds.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
        ds.SOPClassUID, ds.SOPInstanceUID = CTImageStorage, f"{PHANTOM_ROOT}.3.{k + 1}"
        ds.StudyInstanceUID, ds.SeriesInstanceUID = f"{PHANTOM_ROOT}.1", f"{PHANTOM_ROOT}.2"
        ds.FrameOfReferenceUID = f"{PHANTOM_ROOT}.4"
        ds.Modality, ds.Manufacturer, ds.SeriesDescription = "CT", "napari-dicommeta", "Chest phantom 2.5 mm"
        ds.PatientName, ds.PatientID, ds.PatientIdentityRemoved = "Phantom^Chest", "PHANTOM", "YES"
        ds.StudyDate, ds.StudyTime, ds.StudyID, ds.AccessionNumber = "20260101", "120000", "1", ""
        ds.PatientBirthDate, ds.PatientSex, ds.ReferringPhysicianName = "", "O", ""
        ds.SeriesNumber, ds.AcquisitionNumber, ds.InstanceNumber = 2, 1, k + 1
        ds.PatientPosition, ds.KVP, ds.ConvolutionKernel = "HFS", 120, "B31f"
        ds.XRayTubeCurrent, ds.SliceThickness = 100 + 5 * (k % 24), SPACING[0]
        ds.ImagePositionPatient = [-191.25, -191.25, -58.75 + SPACING[0] * k]
        ds.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
        ds.PixelSpacing, ds.PositionReferenceIndicator = [SPACING[1], SPACING[2]], ""
        ds.SamplesPerPixel, ds.PhotometricInterpretation, ds.Rows, ds.Columns = 1, "MONOCHROME2", SIZE, SIZE
        ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 16, 13, 12, 1
        ds.add_new(0x00280120, "SS", PADDING)
        ds.WindowCenter, ds.WindowWidth = [40, -600], [400, 1200]
        ds.WindowCenterWidthExplanation = ["MEDIASTINUM", "LUNG"]
        ds.RescaleIntercept, ds.RescaleType = INTERCEPT, "HU"
        ds.RescaleSlope = DSfloat(SLOPES[k % len(SLOPES)])
        ds.PixelData = stored[k].tobytes()
        ds.file_meta = FileMetaDataset()
        ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        try:
            ds.save_as(target / names[k], enforce_file_format=True)
        except OSError:
            (target / names[k]).unlink(missing_ok=True)  # a part of a file would be read as a damaged one
            raise
    return target
