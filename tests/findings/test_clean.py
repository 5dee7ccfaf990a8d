"""Clean data of each modality have no findings but those that are good to know."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from dicom_factory import AXIAL, Raw, ct_pixels, enhanced, segmentation, write_series

import napari_dicommeta as dm
from napari_dicommeta.findings.check import check

SOP = "1.2.840.10008.5.1.4.1.1."
UNNAMED: dict[str, Any] = {"PatientName": None, "PatientID": None}
NO_RESCALE: dict[str, Any] = dict.fromkeys(("RescaleSlope", "RescaleIntercept", "RescaleType"))
NO_WINDOW: dict[str, Any] = dict.fromkeys(("WindowCenter", "WindowWidth", "WindowCenterWidthExplanation"))
NO_PLACE: dict[str, Any] = dict.fromkeys(("ImagePositionPatient", "ImageOrientationPatient"))
STORED = {**NO_RESCALE, **NO_WINDOW}
IDENTITY = {"RescaleSlope": 1, "RescaleIntercept": 0, "RescaleType": "US"}
SEEN_COLORS = {
    "SamplesPerPixel": 3,
    "PhotometricInterpretation": "RGB",
    "PlanarConfiguration": 0,
    "BitsAllocated": 8,
    "BitsStored": 8,
    "HighBit": 7,
}
SCANNER = {"Manufacturer": "Maker", "ManufacturerModelName": "Model", "SoftwareVersions": "1.0"}
PET = {
    "PatientIdentityRemoved": "YES",
    "Units": "BQML",
    "DecayCorrection": "START",
    "CorrectedImage": ["DECY", "ATTN", "SCAT"],
    "SeriesTime": "120000",
    "AcquisitionTime": "120100",
    "PatientWeight": 70,
    "RadiopharmaceuticalInformationSequence": [
        {"RadionuclideTotalDose": 350000000, "RadionuclideHalfLife": 6586.2, "RadiopharmaceuticalStartTime": "110000"}
    ],
}


def of_class(uid: str, modality: str, **changes: Any) -> Callable[[Path], object]:
    return lambda folder: write_series(folder, 4, **UNNAMED, SOPClassUID=SOP + uid, Modality=modality, **changes)


def write_color(folder: Path) -> None:
    pixels = Raw("OB", bytes(16 * 12 * 3 * 2))
    changes = {**STORED, **NO_PLACE, **SEEN_COLORS, "PixelSpacing": None, "NumberOfFrames": 2, "PixelData": pixels}
    write_series(folder, 1, **UNNAMED, SOPClassUID=f"{SOP}3.1", Modality="US", **changes)


def write_segmentation(folder: Path) -> None:
    frames = [{"ImagePositionPatient": [0, 0, 2.5 * k], "ReferencedSegmentNumber": 1} for k in range(3)]
    (folder / "seg.dcm").write_bytes(segmentation([ct_pixels(k) % 2 for k in range(3)], frames, **UNNAMED))


def write_enhanced(folder: Path) -> None:
    frames = [{"ImagePositionPatient": [0, 0, 2.5 * k]} for k in range(3)]
    shared = {"ImageOrientationPatient": AXIAL, "PixelSpacing": [0.5, 0.5], "RescaleSlope": 1}
    shared |= {"RescaleIntercept": -1024, "RescaleType": "HU", "SliceThickness": 2.5}
    (folder / "enhanced.dcm").write_bytes(enhanced([ct_pixels(k) for k in range(3)], frames, shared, **UNNAMED))


CLEAN: dict[str, Callable[[Path], object]] = {
    "CT": of_class("2", "CT", **SCANNER),
    "CT of one kernel": of_class(
        "2", "CT", KVP=120, ConvolutionKernel="B31f", SliceThickness=2.5, PatientPosition="HFS"
    ),
    "MR": of_class("4", "MR", **STORED, **SCANNER, MagneticFieldStrength=3, EchoTime=90, RepetitionTime=5000),
    "MR, unspecified": of_class("4", "MR", **IDENTITY, **NO_WINDOW),
    "PT": of_class("128", "PT", **PET, **NO_WINDOW, **SCANNER, RescaleSlope=0.5, RescaleIntercept=0, RescaleType=None),
    "CR": of_class("1", "CR", **STORED, **NO_PLACE, PixelSpacing=[0.2, 0.2]),
    "DX": of_class("1.1", "DX", **IDENTITY, **NO_PLACE, **NO_WINDOW, PixelSpacing=[0.2, 0.2]),
    "MG": of_class("1.2", "MG", **IDENTITY, **NO_PLACE, **NO_WINDOW, PixelSpacing=[0.1, 0.1]),
    "US": write_color,
    "SEG": write_segmentation,
    "enhanced CT": write_enhanced,
}


@pytest.mark.parametrize("kind", CLEAN)
def test_clean_data_of_a_modality_need_no_decision(tmp_path: Path, kind: str) -> None:
    CLEAN[kind](tmp_path)
    catalog = dm.scan(tmp_path)
    assert catalog.n_files
    findings = check(catalog)
    assert [(found.code, found.title) for found in findings if found.severity != "info"] == []


def test_the_good_to_know_of_clean_data_is_what_a_reader_expects(tmp_path: Path) -> None:
    codes = {}
    for kind, write in CLEAN.items():
        (tmp_path / kind).mkdir()
        write(tmp_path / kind)
        codes[kind] = {found.code for found in check(dm.scan(tmp_path / kind))}
    assert {kind: found for kind, found in codes.items() if found} == {
        "PT": {"identifying"},
        "US": {"color"},
    }
