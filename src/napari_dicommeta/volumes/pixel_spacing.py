"""Pixel spacing of images, and where the Standard lets files state it (PS3.3 section 10.7.1)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_dicommeta.dicom.values import number, numbers

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["SPACINGS", "is_spacing", "regions_differ", "stated_spacing"]

CENTIMETERS = "3"
"""The value of Physical Units X and Y Direction for cm (PS3.3 section C.8.5.5.1.15)."""
SPACINGS = ("PixelSpacing", "ImagerPixelSpacing", "ImagePlanePixelSpacing", "NominalScannedPixelSpacing")
"""Elements that state the pixel spacing of a whole image, the most telling first."""
_REGION = "SequenceOfUltrasoundRegions."
_SEVERAL = " | "


def is_spacing(text: str) -> bool:
    """Return whether a text states two positive lengths, which two zeros do not."""
    values = numbers(text, 2)
    return values is not None and min(values) > 0


def stated_spacing(text_of: Callable[[str], str]) -> tuple[float, float] | None:
    """Return the pixel spacing of unplaced images in mm, rows then columns; None if no element states one.

    It is measured at the patient, or else at the detector (PS3.3 section 10.7.1.3), at the image plane of an RT image
    (section C.8.8.2), at the scanned film, or in the regions of an ultrasound image (section C.8.5.5) if these agree.
    `text_of` returns the text of a keyword, "" for none.
    """
    for keyword in SPACINGS:
        if is_spacing(text_of(keyword)):
            rows, columns = numbers(text_of(keyword), 2) or (1.0, 1.0)
            return rows, columns
    deltas = [number(text_of(f"{_REGION}PhysicalDelta{axis}")) for axis in "YX"]
    units = [text_of(f"{_REGION}PhysicalUnits{axis}Direction") for axis in "YX"]
    if units != [CENTIMETERS] * 2 or not all(deltas):
        return None
    rows, columns = (abs(delta or 0.0) * 10 for delta in deltas)
    return rows, columns


def regions_differ(text_of: Callable[[str], str]) -> bool:
    """Return whether an ultrasound image has several regions with different pixel spacings or units."""
    keywords = [f"{_REGION}Physical{what}" for what in ("DeltaX", "DeltaY", "UnitsXDirection", "UnitsYDirection")]
    return any(_SEVERAL in text_of(keyword) for keyword in keywords)
