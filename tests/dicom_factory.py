"""Build DICOM files as bytes from DICOM keywords.

Only the dictionary (keyword -> tag, VR) comes from pydicom. Every byte is encoded here, so that tests do not compare
pydicom with itself.
"""

from __future__ import annotations

import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from pydicom.datadict import dictionary_VR, tag_for_keyword

IMPLICIT, EXPLICIT, BIG = "1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2"
DEFLATED = "1.2.840.10008.1.2.1.99"
CT_IMAGE = "1.2.840.10008.5.1.4.1.1.2"
ROOT = "1.2.826.0.1.3680043.10.1731.99"
UNDEFINED = 0xFFFFFFFF
LONG = {"OB", "OD", "OF", "OL", "OV", "OW", "SQ", "SV", "UC", "UN", "UR", "UT", "UV"}
CODES = {"US": "H", "SS": "h", "UL": "L", "SL": "l", "FL": "f", "FD": "d", "SV": "q", "UV": "Q"}


class Raw:
    """A value with its VR and its exact bytes in the file; `length` overrides the true length."""

    def __init__(self, vr: str, value: bytes, length: int | None = None) -> None:
        self.vr, self.value, self.length = vr, value, length


def encoded(vr: str, value: Any, little: bool = True, charset: str = "ascii") -> bytes:
    """Encode a value, padded to an even length."""
    if isinstance(value, bytes):
        raw = value
    elif vr in CODES:
        values = value if isinstance(value, (list, tuple)) else [value]
        raw = struct.pack(f"{'<' if little else '>'}{len(values)}{CODES[vr]}", *values)
    elif vr == "AT":
        raw = struct.pack("<HH" if little else ">HH", value >> 16, value & 0xFFFF)
    else:
        values = value if isinstance(value, (list, tuple)) else [value]
        raw = "\\".join(str(one) for one in values).encode(charset)
    if len(raw) % 2:
        raw += b"\0" if vr in ("UI", "OB", "UN") else b" "
    return raw


def element(tag: int, value: Any, explicit: bool = True, little: bool = True, charset: str = "ascii") -> bytes:
    """Encode one element; a list of dicts is a sequence."""
    length = None
    if isinstance(value, Raw):
        vr, raw, length = value.vr, value.value, value.length
    else:
        try:
            vr = dictionary_VR(tag)
        except KeyError:
            vr = "LO"
        vr = "US" if vr == "US or SS" else "OW" if " or " in vr else vr
        if vr == "SQ":
            raw = b"".join(item(one, explicit, little, charset) for one in value)
        else:
            raw = encoded(vr, value, little, charset)
    order = "<" if little else ">"
    length = len(raw) if length is None else length
    head = struct.pack(f"{order}HH", tag >> 16, tag & 0xFFFF)
    if not explicit:
        return head + struct.pack(f"{order}L", length) + raw
    if vr in LONG:
        return head + vr.encode() + b"\0\0" + struct.pack(f"{order}L", length) + raw
    return head + vr.encode() + struct.pack(f"{order}H", length) + raw


def item(content: dict[str, Any], explicit: bool = True, little: bool = True, charset: str = "ascii") -> bytes:
    raw = data_set(content, explicit, little, charset)
    return struct.pack("<HHL" if little else ">HHL", 0xFFFE, 0xE000, len(raw)) + raw


def data_set(content: dict[str, Any], explicit: bool = True, little: bool = True, charset: str = "ascii") -> bytes:
    """Encode elements in tag order; keys are keywords or tags in hexadecimal digits."""
    tags = {}
    for key, value in content.items():
        tag = tag_for_keyword(key)
        tags[int(key, 16) if tag is None else tag] = value
    return b"".join(element(tag, tags[tag], explicit, little, charset) for tag in sorted(tags))


def file_meta(transfer_syntax: str, sop_instance: str = f"{ROOT}.1", sop_class: str = CT_IMAGE) -> bytes:
    body = b"".join(
        element(tag, value)
        for tag, value in (
            (0x00020001, Raw("OB", b"\0\1")),
            (0x00020002, sop_class),
            (0x00020003, sop_instance),
            (0x00020010, transfer_syntax),
            (0x00020012, ROOT),
        )
    )
    return element(0x00020000, len(body)) + body


def dicom(
    content: dict[str, Any], transfer_syntax: str = EXPLICIT, *, preamble: bool = True, charset: str = "ascii"
) -> bytes:
    """Encode a complete file."""
    body = data_set(content, transfer_syntax != IMPLICIT, transfer_syntax != BIG, charset)
    if transfer_syntax == DEFLATED:
        packer = zlib.compressobj(9, zlib.DEFLATED, -15)
        body = packer.compress(body) + packer.flush()
    if not preamble:
        return body
    sop_instance, sop_class = content.get("SOPInstanceUID", f"{ROOT}.1"), content.get("SOPClassUID", CT_IMAGE)
    return b"\0" * 128 + b"DICM" + file_meta(transfer_syntax, sop_instance, sop_class) + body


def ct_content(k: int = 0, pixels: np.ndarray | None = None, **changes: Any) -> dict[str, Any]:
    """Return the elements of slice `k`, 2.5 mm apart, 16 × 12 pixels; None removes an element."""
    if pixels is None:
        pixels = ct_pixels(k)
    content: dict[str, Any] = {
        "SpecificCharacterSet": "ISO_IR 100",
        "ImageType": ["ORIGINAL", "PRIMARY", "AXIAL"],
        "SOPClassUID": CT_IMAGE,
        "SOPInstanceUID": f"{ROOT}.3.{k}",
        "Modality": "CT",
        "SeriesDescription": "Test series",
        "PatientName": "Doe^Jane",
        "PatientID": "P1",
        "StudyInstanceUID": f"{ROOT}.1",
        "SeriesInstanceUID": f"{ROOT}.2",
        "SeriesNumber": 3,
        "InstanceNumber": k + 1,
        "ImagePositionPatient": [-10, -20, 2.5 * k],
        "ImageOrientationPatient": [1, 0, 0, 0, 1, 0],
        "SamplesPerPixel": 1,
        "PhotometricInterpretation": "MONOCHROME2",
        "Rows": pixels.shape[0],
        "Columns": pixels.shape[1],
        "PixelSpacing": [0.75, 0.5],
        "BitsAllocated": 16,
        "BitsStored": 12,
        "HighBit": 11,
        "PixelRepresentation": 0,
        "WindowCenter": [40, -600],
        "WindowWidth": [400, 1200],
        "WindowCenterWidthExplanation": ["SOFT", "LUNG"],
        "RescaleIntercept": -1024,
        "RescaleSlope": 1,
        "RescaleType": "HU",
        "PixelData": Raw("OW", pixels.tobytes()),
    }
    content.update(changes)
    return {key: value for key, value in content.items() if value is not None}


def ct_pixels(k: int = 0) -> np.ndarray:
    """Return stored values 0 … 4095 of slice `k`, different in every slice and every pixel of a slice."""
    j, i = np.mgrid[:16, :12]
    return ((j * 12 + i) * 7 + 100 * k).astype("<u2") & 0xFFF


def ct_slice(k: int = 0, transfer_syntax: str = EXPLICIT, **changes: Any) -> bytes:
    """Return the file of slice `k`, elements changed by keywords and pixels in the syntax's byte order."""
    content = ct_content(k, **changes)
    if transfer_syntax == BIG and isinstance(content.get("PixelData"), Raw):
        stored = np.frombuffer(content["PixelData"].value, "<u2").astype(">u2")
        content["PixelData"] = Raw("OW", stored.tobytes())
    return dicom(content, transfer_syntax)


def encapsulated(frames: list[bytes]) -> Raw:
    """Return pixel data with an empty offset table and one fragment per frame."""
    out = struct.pack("<HHL", 0xFFFE, 0xE000, 0)
    for frame in frames:
        padded = frame + b"\0" * (len(frame) % 2)
        out += struct.pack("<HHL", 0xFFFE, 0xE000, len(padded)) + padded
    return Raw("OB", out + struct.pack("<HHL", 0xFFFE, 0xE0DD, 0), UNDEFINED)


def write_series(folder: Path, count: int = 5, transfer_syntax: str = EXPLICIT, **changes: Any) -> list[Path]:
    """Write `count` slices to files named in reverse order; a callable change is called with k."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for k in range(count):
        own = {key: value(k) if callable(value) else value for key, value in changes.items()}
        path = folder / f"im{count - k:03d}.dcm"
        path.write_bytes(ct_slice(k, transfer_syntax, **own))
        paths.append(path)
    return paths


ENHANCED_CT = "1.2.840.10008.5.1.4.1.1.2.1"
RT_DOSE = "1.2.840.10008.5.1.4.1.1.481.2"
SEGMENTATION, LABEL_MAP = "1.2.840.10008.5.1.4.1.1.66.4", "1.2.840.10008.5.1.4.1.1.66.7"
AXIAL = [1, 0, 0, 0, 1, 0]
OF_FRAMES = {  # keyword -> the functional group that holds it (PS3.3 section C.7.6.16.2)
    "ImagePositionPatient": "PlanePositionSequence",
    "ImageOrientationPatient": "PlaneOrientationSequence",
    "PixelSpacing": "PixelMeasuresSequence",
    "SliceThickness": "PixelMeasuresSequence",
    "SpacingBetweenSlices": "PixelMeasuresSequence",
    "RescaleSlope": "PixelValueTransformationSequence",
    "RescaleIntercept": "PixelValueTransformationSequence",
    "RescaleType": "PixelValueTransformationSequence",
    "WindowCenter": "FrameVOILUTSequence",
    "WindowWidth": "FrameVOILUTSequence",
    "WindowCenterWidthExplanation": "FrameVOILUTSequence",
    "EffectiveEchoTime": "MREchoSequence",
    "DiffusionBValue": "MRDiffusionSequence",
    "TemporalPositionIndex": "FrameContentSequence",
    "StackID": "FrameContentSequence",
    "FrameType": "CTImageFrameTypeSequence",
    "ReferencedSegmentNumber": "SegmentIdentificationSequence",
}


def groups(**elements: Any) -> dict[str, Any]:
    """Return the functional groups item of a frame with `elements`; keywords of `OF_FRAMES` go into their groups."""
    content: dict[str, Any] = {}
    for keyword, value in elements.items():
        if keyword in OF_FRAMES:
            content.setdefault(OF_FRAMES[keyword], [{}])[0][keyword] = value
        else:
            content[keyword] = value
    return content


def enhanced(
    pixels: list[np.ndarray], frames: list[dict[str, Any]], shared: dict[str, Any] | None = None, **changes: Any
) -> bytes:
    """Return an enhanced CT file; `frames` (one per frame) and `shared` (all frames) are keywords for `groups`."""
    outside = dict.fromkeys(OF_FRAMES) | {
        "SOPClassUID": ENHANCED_CT,
        "NumberOfFrames": len(pixels),
        "PixelData": Raw("OW", b"".join(one.tobytes() for one in pixels)),
        "SharedFunctionalGroupsSequence": [groups(**(shared or {}))],
        "PerFrameFunctionalGroupsSequence": [groups(**frame) for frame in frames],
    }
    return ct_slice(0, pixels=pixels[0], **(outside | changes))


def dose(pixels: list[np.ndarray], offsets: list[float] | None, **changes: Any) -> bytes:
    """Return an RT dose file with the planes `pixels`, at `offsets` from its position."""
    outside = dict.fromkeys(("RescaleSlope", "RescaleIntercept", "RescaleType", "WindowCenter", "WindowWidth")) | {
        "SOPClassUID": RT_DOSE,
        "Modality": "RTDOSE",
        "NumberOfFrames": len(pixels),
        "GridFrameOffsetVector": offsets,
        "DoseGridScaling": 0.001,
        "DoseUnits": "GY",
        "WindowCenterWidthExplanation": None,
        "PixelData": Raw("OW", b"".join(one.tobytes() for one in pixels)),
    }
    return ct_slice(0, pixels=pixels[0], **(outside | changes))


def segmentation(
    masks: list[np.ndarray], frames: list[dict[str, Any]], kind: str = "BINARY", segments: int = 1, **changes: Any
) -> bytes:
    """Return a segmentation of 2.5 × 0.75 × 0.5 mm: bits packed without gaps between frames, or bytes if not binary."""
    if kind == "BINARY":
        stored = np.packbits(np.concatenate([mask.ravel() != 0 for mask in masks]), bitorder="little").tobytes()
    else:
        stored = b"".join(mask.astype(np.uint8).tobytes() for mask in masks)
    bits = 1 if kind == "BINARY" else 8
    outside = dict.fromkeys(("RescaleSlope", "RescaleIntercept", "RescaleType", "WindowCenter", "WindowWidth")) | {
        "SOPClassUID": LABEL_MAP if kind == "LABELMAP" else SEGMENTATION,
        "Modality": "SEG",
        "SegmentationType": kind,
        "SegmentSequence": [{"SegmentNumber": n + 1, "SegmentLabel": f"Segment {n + 1}"} for n in range(segments)],
        "BitsAllocated": bits,
        "BitsStored": bits,
        "HighBit": bits - 1,
        "PixelData": Raw("OB", stored + b"\0" * (len(stored) % 2)),
    }
    shared = {"ImageOrientationPatient": AXIAL, "PixelSpacing": [0.75, 0.5], "SpacingBetweenSlices": 2.5}
    outside |= {"WindowCenterWidthExplanation": None, "ImageType": ["DERIVED", "PRIMARY"], **changes}
    return enhanced(masks, frames, shared | outside.pop("shared", {}), **outside)


RT_STRUCTURE_SET = "1.2.840.10008.5.1.4.1.1.481.3"


def contour(
    points: list[tuple[float, float]], z: float, kind: str = "CLOSED_PLANAR", **elements: Any
) -> dict[str, Any]:
    """Return a contour through (x, y) `points` at `z`, mm."""
    data = [f"{value:.6g}" for x, y in points for value in (x, y, z)]
    return {"ContourGeometricType": kind, "NumberOfContourPoints": len(points), "ContourData": data, **elements}


def structure_set(*regions: tuple[int, str, list[int] | None, list[dict[str, Any]]], **changes: Any) -> bytes:
    """Return an RT structure set on the series of `ct_slice`; a region is (number, name, color, contours)."""
    series = {"SeriesInstanceUID": f"{ROOT}.2"}
    content: dict[str, Any] = {
        "SOPClassUID": RT_STRUCTURE_SET,
        "SOPInstanceUID": f"{ROOT}.77.1",
        "Modality": "RTSTRUCT",
        "PatientName": "Doe^Jane",
        "PatientID": "P1",
        "StudyInstanceUID": f"{ROOT}.1",
        "SeriesInstanceUID": f"{ROOT}.77",
        "SeriesNumber": 7,
        "ReferencedFrameOfReferenceSequence": [
            {
                "FrameOfReferenceUID": f"{ROOT}.5",
                "RTReferencedStudySequence": [{"RTReferencedSeriesSequence": [series]}],
            }
        ],
        "StructureSetROISequence": [
            {"ROINumber": number, "ROIName": name, "ReferencedFrameOfReferenceUID": f"{ROOT}.5"}
            for number, name, _, _ in regions
        ],
        "ROIContourSequence": [
            {
                "ReferencedROINumber": number,
                "ContourSequence": contours,
                **({"ROIDisplayColor": color} if color else {}),
            }
            for number, _, color, contours in regions
        ],
        "RTROIObservationsSequence": [
            {"ObservationNumber": number, "ReferencedROINumber": number, "RTROIInterpretedType": "ORGAN"}
            for number, *_ in regions
        ],
        **changes,
    }
    return dicom({key: value for key, value in content.items() if value is not None})


PRESENTATION_STATE, KEY_OBJECTS = "1.2.840.10008.5.1.4.1.1.11.1", "1.2.840.10008.5.1.4.1.1.88.59"


def _referring(sop_class: str, modality: str, number: int, **content: Any) -> bytes:
    """Return a file without pixels, of a series of its own in the study of `ct_slice`."""
    own = {"SOPClassUID": sop_class, "SOPInstanceUID": f"{ROOT}.{number}.1", "SeriesInstanceUID": f"{ROOT}.{number}"}
    patient = {"PatientName": "Doe^Jane", "PatientID": "P1", "StudyInstanceUID": f"{ROOT}.1", "Modality": modality}
    content = {**own, **patient, "SeriesNumber": number, **content}
    return dicom({key: value for key, value in content.items() if value is not None})


def _images(slices: list[int]) -> list[dict[str, Any]]:
    return [{"ReferencedSOPClassUID": CT_IMAGE, "ReferencedSOPInstanceUID": f"{ROOT}.3.{k}"} for k in slices]


def presentation_state(slices: list[int], windows: list[dict[str, Any]], **changes: Any) -> bytes:
    """Return a grayscale softcopy presentation state of `ct_slice` slices, with items of Softcopy VOI LUT Sequence."""
    series = {"SeriesInstanceUID": f"{ROOT}.2", "ReferencedImageSequence": _images(slices)}
    content: dict[str, Any] = {
        "ReferencedSeriesSequence": [series],
        "ContentLabel": "LIVER",
        "ContentCreatorName": "Doe^John",
        "RescaleSlope": 1,
        "RescaleIntercept": -1024,
        "RescaleType": "HU",
        "SoftcopyVOILUTSequence": windows,
        "PresentationLUTShape": "IDENTITY",
    }
    return _referring(PRESENTATION_STATE, "PR", 80, **(content | changes))


def key_objects(slices: list[int], title: str = "Of Interest", **changes: Any) -> bytes:
    """Return a Key Object Selection of `ct_slice` slices."""
    series = {"SeriesInstanceUID": f"{ROOT}.2", "ReferencedSOPSequence": _images(slices)}
    evidence = [{"StudyInstanceUID": f"{ROOT}.1", "ReferencedSeriesSequence": [series]}]
    name = [{"CodeValue": "113000", "CodingSchemeDesignator": "DCM", "CodeMeaning": title}]
    content = {"CurrentRequestedProcedureEvidenceSequence": evidence, "ConceptNameCodeSequence": name}
    return _referring(KEY_OBJECTS, "KO", 81, ValueType="CONTAINER", **(content | changes))
