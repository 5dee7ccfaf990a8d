"""Decide which elements may identify a person and are therefore hidden and not exported unless requested.

The first matching rule applies:

1. private elements, and elements inside private sequences, identify;
2. the attributes of PS3.15 Table E.1-1 (`privacy_table.csv`), and elements inside its sequences, identify;
3. names, dates, times, ages and application entity titles (PN DA DT TM AS AE) identify;
4. UIDs identify, unless PS3.6 registers the value, as for SOP classes and transfer syntaxes;
5. free text identifies: LT ST UT UC UR, and LO SH unless on a short list of technical attributes;
6. binary values are never exported; numbers, codes, tags and sequences are technical, except file names.

A technical element may still hold any text: `is_plain` says whether a value has the form that its VR asks for.

The table has options that retain some of its attributes ("Retain Device Identity", "Retain Patient
Characteristics"). None is applied, because only the owner of the files can choose one. So *Protocol Name*, *Series
Description*, *Contrast/Bolus Agent*, *Station Name*, *Patient's Sex* and *Patient's Weight* identify. Both the VR in
the file and the VR in the dictionary count: an element identifies if either of them does.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from napari_dicommeta.dicom.dictionary import uid_name

if TYPE_CHECKING:
    from napari_dicommeta.dicom.tags import TagPath

__all__ = [
    "TERM_TAGS",
    "in_table",
    "is_binary",
    "is_identifying",
    "is_plain",
    "is_protected",
    "is_registered",
    "read_as",
]

BINARY_VR = frozenset(("OB", "OD", "OF", "OL", "OV", "OW", "UN"))
_TECHNICAL_VR = frozenset(
    ("DS", "IS", "FL", "FD", "SS", "US", "SL", "UL", "SV", "UV", "US or SS", "implicit", "xs", "CS", "AT", "SQ")
) | (BINARY_VR - {"UN"})
# LO and SH attributes that describe the technique, not the person; none is in the table.
_TECHNICAL_TEXT = frozenset(
    [
        "AcquisitionDeviceProcessingCode",
        "AlgorithmName",
        "AlgorithmVersion",
        "AttenuationCorrectionMethod",
        "CardiacFramingType",
        "CodeMeaning",
        "CodeValue",
        "CodingSchemeDesignator",
        "CodingSchemeVersion",
        "CollimatorGridName",
        "ContrastBolusRoute",
        "ConvolutionKernel",
        "DetectorManufacturerModelName",
        "DetectorManufacturerName",
        "DoseModeName",
        "FilterType",
        "HistogramExplanation",
        "ImageFilter",
        "ImagedNucleus",
        "ImplementationVersionName",
        "LUTExplanation",
        "MIMETypeOfEncapsulatedDocument",
        "Manufacturer",
        "ManufacturerModelName",
        "MappingResourceName",
        "ModalityLUTType",
        "PVCRejection",
        "PhosphorType",
        "PlateType",
        "PositionReferenceIndicator",
        "PulseSequenceName",
        "Radiopharmaceutical",
        "RadiopharmaceuticalRoute",
        "ReceiveCoilManufacturerName",
        "ReceiveCoilName",
        "ReconstructionMethod",
        "RescaleType",
        "ScatterCorrectionMethod",
        "SecondaryCaptureDeviceManufacturer",
        "SecondaryCaptureDeviceManufacturerModelName",
        "SecondaryCaptureDeviceSoftwareVersions",
        "SegmentAlgorithmName",
        "SequenceName",
        "SoftwareVersions",
        "StackID",
        "TransmitCoilManufacturerName",
        "TransmitCoilName",
        "TypeOfFilters",
        "WindowCenterWidthExplanation",
    ]
)
# CS attributes that hold part of a file path or the name of a file-set (PS3.3 section F.3).
_FILE_NAME = frozenset(("FileSetID", "FileSetDescriptorFileID", "ReferencedFileID"))
# Texts of Rescale Type and Modality LUT Type: terms of PS3.3 C.11.1.1.2, units of PET (C.8.9.1), and ways to write HU.
_RESCALE_TYPES = frozenset(
    (
        "BQML",
        "CM2",
        "CM2ML",
        "CNTS",
        "CPS",
        "ED",
        "EDW",
        "G",
        "GML",
        "GY",
        "H.U.",
        "HOUNDSFIELD",
        "HOUNSFIELD",
        "HU",
        "HU_MOD",
        "MGML",
        "MLG",
        "MLMING",
        "MLMINML",
        "NONE",
        "NORMALIZED",
        "OD",
        "PCT",
        "PROPCNTS",
        "PROPCPS",
        "RELATIVE",
        "UMOLML",
        "US",
        "Z_EFF",
    )
)
TERM_TAGS = frozenset(("RescaleType", "ModalityLUTType"))
_CODE = re.compile(r"[A-Za-z0-9_ .+-]{0,16}")
# Keywords of UIDs that are chosen from a registry, not generated for an object.
_CHOSEN_UID = ("SOPClass", "TransferSyntaxUID", "CodingSchemeUID", "ContextUID", "MappingResourceUID")


def is_identifying(path: TagPath, vr: str) -> bool:
    """Return whether values of the element at `path`, stored with `vr`, may identify a person (PS3.15 Annex E).

    For UIDs the attribute decides: those chosen from the Standard's registry, such as *SOP Class UID* (0008,0016), do
    not identify. Before export, `is_registered` checks each of their values.
    """
    if is_protected(path):
        return True
    known, vr = path.vr, read_as(path, vr)
    if _identifies(vr, path.keyword):
        return True
    return known not in (vr, "UN") and " or " not in known and _identifies(known, path.keyword)


def is_protected(path: TagPath) -> bool:
    """Return whether the element or an enclosing sequence is private or in the table; it then identifies by any VR."""
    return path.is_private or any(in_table(tag) for tag, _ in path.elements)


def is_binary(path: TagPath, vr: str) -> bool:
    """Return whether values of the element at `path`, stored with `vr`, are binary and so never exported."""
    return read_as(path, vr) in BINARY_VR


def is_plain(path: TagPath, vr: str, text: str) -> bool:
    """Return whether the text of a technical element has the form of its VR, or of its defined terms, and says no more.

    DS and IS must be numbers, CS codes of at most 16 characters, *Rescale Type* (0028,1054) a known unit.
    """
    from napari_dicommeta.dicom.values import number

    parts, vr = text.split("\\"), read_as(path, vr)
    if vr in ("DS", "IS"):
        return all(not part or number(part) is not None for part in parts)
    if vr == "CS":
        return all(map(_CODE.fullmatch, parts))
    if path.keyword in TERM_TAGS:
        return all(part.upper() in _RESCALE_TYPES or not part for part in parts)
    return True


def is_registered(text: str) -> bool:
    """Return whether PS3.6 Annex A registers every UID of a value; True for an empty value."""
    return all(not uid or bool(uid_name(uid)) for uid in text.split("\\"))


def in_table(tag: int) -> bool:
    """Return whether PS3.15 Table E.1-1 lists the attribute `tag`, directly or as part of a repeating group."""
    tags, patterns = _table()
    return tag in tags or any(tag & mask == pattern for pattern, mask in patterns)


def read_as(path: TagPath, vr: str) -> str:
    """Return the VR by which a value stored with `vr` is read: the dictionary's if the file states UN."""
    return path.vr.partition(" or ")[0] if vr == "UN" else vr


def _identifies(vr: str, keyword: str) -> bool:
    if vr in ("LO", "SH"):
        return keyword not in _TECHNICAL_TEXT
    if vr == "UI":
        return not any(part in keyword for part in _CHOSEN_UID)
    return vr not in _TECHNICAL_VR or keyword in _FILE_NAME


@cache
def _table() -> tuple[frozenset[int], tuple[tuple[int, int], ...]]:
    """Read the tags of the table, and (pattern, mask) of its repeating groups."""
    text = Path(__file__).with_name("privacy_table.csv").read_text("utf-8")
    rows = [line.partition(",")[0] for line in text.splitlines() if line and not line.startswith("#")]
    tags = [int(tag, 16) for tag in rows[1:] if "x" not in tag]
    patterns = [
        (int(tag.replace("x", "0"), 16), int("".join("0" if digit == "x" else "f" for digit in tag), 16))
        for tag in rows[1:]
        if "x" in tag
    ]
    return frozenset(tags), tuple(patterns)
