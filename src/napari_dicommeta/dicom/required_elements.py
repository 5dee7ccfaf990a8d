"""What a complete file must hold, by its kind: nothing else tells that a file was cut between two elements.

A data set has no end mark. So the last element that each kind of file must hold (type 1 or 2 in PS3.3) says whether the
file goes on to there; images must hold pixel data.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_dicommeta.dicom.dictionary import uid_name
from napari_dicommeta.dicom.uids import JPIP, MEDIA_DIRECTORY, RT_DOSE, STORAGE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_dicommeta.dicom.element import Element

__all__ = ["missing_end"]

ROWS = "00280010"
LAST = {
    MEDIA_DIRECTORY: ("00041220", "Directory Record Sequence"),
    RT_DOSE: ("3004000a", "Dose Summation Type"),
    STORAGE + "481.3": ("30060080", "RT ROI Observations Sequence"),
    STORAGE + "481.5": ("300a000c", "RT Plan Geometry"),
    STORAGE + "481.8": ("300a000c", "RT Plan Geometry"),
    STORAGE + "66.1": ("00700308", "Registration Sequence"),
    STORAGE + "66.2": ("0070031c", "Fiducial Set Sequence"),
    STORAGE + "66.3": ("00640002", "Deformable Registration Sequence"),
    STORAGE + "66.5": ("00660002", "Surface Sequence"),
    STORAGE + "66.6": ("00660101", "Track Set Sequence"),
    STORAGE + "67": ("00409094", "Referenced Image Real World Value Mapping Sequence"),
    STORAGE + "91.1": ("006a0002", "Annotation Group Sequence"),
    **{STORAGE + f"11.{n}": ("00700083", "Presentation Creation Time") for n in (1, 2, 3, 4)},
    **{STORAGE + f"104.{n}": ("00420012", "MIME Type of Encapsulated Document") for n in (1, 2, 3, 4, 5)},
}
"""SOP class -> key and name of the last element that each of its files holds at the top level."""
LAST_OF_KIND = {
    STORAGE + "9.": ("54000100", "Waveform Sequence"),
    STORAGE + "88.": ("0040a730", "Content Sequence"),
}
"""The same by what the SOP class begins with: waveforms, and structured reports, which have content."""


def missing_end(elements: Sequence[Element], syntax: str) -> str:
    """Return why a file with these elements and no pixel data is not complete, "" if it may be.

    `syntax` is its transfer syntax: a provider may hold the pixels.
    """
    keys = {element.key for element in elements}
    if ROWS in keys and syntax not in JPIP:
        return "no pixel data, although it has Rows: the file may be cut off"
    for element in elements:
        if element.key in ("00020002", "00080016"):
            uid = element.value[3:].rstrip(b"\0 ").decode("latin-1")
            if reason := _missing_of_class(uid, keys, syntax):
                return reason
    return ""


def _missing_of_class(uid: str, keys: set[str], syntax: str) -> str:
    last = LAST.get(uid) or next((last for start, last in LAST_OF_KIND.items() if uid.startswith(start)), None)
    name = uid_name(uid)
    if last is not None and last[0] not in keys:
        return f"no {last[1]}, which a {name or uid} file must hold: the file may be cut off"
    is_image = name.partition(" - ")[0].endswith(("Image Storage", "Segmentation Storage"))
    if is_image and not name.startswith("Surface") and syntax not in JPIP:
        return f"no pixel data, which a {name} file must hold: the file may be cut off"
    return ""
