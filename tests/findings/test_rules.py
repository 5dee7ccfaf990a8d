"""Each rule is triggered by its fault, with the counts that the files were made with, and by nothing in clean data."""

from __future__ import annotations

from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from dicom_factory import (
    AXIAL,
    EXPLICIT,
    IMPLICIT,
    ROOT,
    Raw,
    ct_content,
    ct_pixels,
    ct_slice,
    data_set,
    dicom,
    enhanced,
    file_meta,
    write_series,
)

import napari_dicommeta as dm
import napari_dicommeta.findings.rules.suspect
import napari_dicommeta.findings.rules.values
from napari_dicommeta.catalog.catalog import Catalog
from napari_dicommeta.findings import check as checking
from napari_dicommeta.findings import survey
from napari_dicommeta.findings.check import CheckProgress, check, iter_check
from napari_dicommeta.findings.finding import SEVERITIES, Finding
from napari_dicommeta.findings.report import findings_report
from napari_dicommeta.findings.rule import rules_that_need
from napari_dicommeta.findings.rules.positions import orientation_name

NOBODY = {"PatientName": None, "PatientID": None}
CORONAL, SAGITTAL = [1, 0, 0, 0, 0, -1], [0, 1, 0, 0, 0, -1]
SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"
ONE_WINDOW = {"WindowCenter": 40, "WindowWidth": 400, "WindowCenterWidthExplanation": None}
NO_WINDOW: dict[str, Any] = {"WindowCenter": None, "WindowWidth": None, "WindowCenterWidthExplanation": None}


def either(one: object, other: object) -> Callable[[int], object]:
    """`one` in the slices 0 and 1, `other` in 2 and 3."""
    return lambda k: one if k < 2 else other


def at(*heights: float) -> Callable[[int], object]:
    return lambda k: [-10, -20, heights[k]]


TWO_SERIES = {"SeriesInstanceUID": either(f"{ROOT}.21", f"{ROOT}.22"), "SeriesNumber": either(3, 4)}
COLOR = {
    "SamplesPerPixel": 3,
    "PhotometricInterpretation": "RGB",
    "PlanarConfiguration": 0,
    "BitsAllocated": 8,
    "BitsStored": 8,
    "HighBit": 7,
    "PixelData": Raw("OB", bytes(16 * 12 * 3)),
}
PET = {
    "Modality": "PT",
    "Units": "BQML",
    "DecayCorrection": "START",
    "AcquisitionTime": "120100",
    "PatientWeight": 70,
    "RadiopharmaceuticalInformationSequence": [
        {"RadionuclideTotalDose": 350000000, "RadionuclideHalfLife": 6586.2, "RadiopharmaceuticalStartTime": "110000"}
    ],
}
TIMES = {"identifying"}
REPEATED = {  # slice 3 is slice 2 again
    "ImagePositionPatient": at(0, 2.5, 5, 5),
    "PixelData": lambda k: Raw("OW", ct_pixels(min(k, 2)).tobytes()),
}

# What is changed in four slices, the severity of the finding, its files, its evidence; what else follows from it.
FAULTS: list[tuple[str, dict[str, Any], str, int, tuple[tuple[str, int], ...] | None, set[str]]] = [
    # values
    ("spellings", {"RescaleSlope": either("1", "1.0")}, "info", 4, (("1", 2), ("1.0", 2)), set()),
    ("suspect-value", {"PixelPaddingValue": Raw("US", b"0 ")}, "wrong", 4, (("8240", 4),), set()),
    ("suspect-value", {"RescaleSlope": "1,5"}, "wrong", 4, (("1,5", 4),), {"refused"}),
    ("suspect-text", {"InstanceNumber": lambda k: f"{k}.5"}, "info", 4, (("InstanceNumber", 4),), set()),
    ("absent-in-part", {"KVP": either(120, None)}, "info", 2, (("KVP absent", 2),), set()),
    ("absent-in-part", {"KVP": either(120, "")}, "info", 2, (("KVP absent", 2),), set()),
    ("kvp-zero", {"KVP": 0}, "info", 4, (("KVP 0", 4),), set()),
    (
        "sign-mismatch",
        {"PixelRepresentation": 1, "BitsStored": 16, "HighBit": 15, "PixelPaddingValue": 63536},
        "info",
        4,
        (("-2000 as US 63536", 4),),
        {"padding"},
    ),
    # rescale; US is what MR, MG and DX state
    ("rescale-unspecified", {"RescaleType": "US"}, "decision", 4, (("US", 4),), set()),
    ("rescale-type-missing", {"RescaleType": None}, "info", 4, (("none", 4),), set()),
    (
        "rescale-missing",
        {"RescaleSlope": None, "RescaleIntercept": None, "RescaleType": None},
        "wrong",
        4,
        (("without", 4),),
        set(),
    ),
    (
        "rescale-in-part",
        {"RescaleSlope": lambda k: 1 if k else None},
        "wrong",
        1,
        (("without", 1), ("with, in the same series", 4)),
        {"absent-in-part", "refused"},
    ),
    ("intercept-missing", {"RescaleIntercept": None, **NO_WINDOW}, "decision", 4, None, set()),
    (
        "rescale-in-part",
        {"RescaleIntercept": lambda k: -1024 if k else None},
        "wrong",
        1,
        (("without", 1), ("with, in the same series", 4)),
        {"absent-in-part", "refused"},
    ),
    ("slope-zero", {"RescaleSlope": 0, **NO_WINDOW}, "wrong", 4, (("0", 4),), {"refused"}),
    (
        "intercept-unsigned",
        {"RescaleIntercept": 0, **ONE_WINDOW},
        "decision",
        4,
        (("intercept 0, unsigned", 4),),
        set(),
    ),
    (
        "intercept-unsigned",
        {"RescaleIntercept": -24, **ONE_WINDOW},
        "decision",
        4,
        (("intercept -24, unsigned", 4),),
        set(),
    ),
    ("intercept-unusual", {"RescaleIntercept": -900}, "info", 4, (("intercept -900", 4),), set()),
    (
        "rescale-in-series",
        {"RescaleIntercept": either(-1024, -1000)},
        "decision",
        4,
        (("slope 1, intercept -1000", 2), ("slope 1, intercept -1024", 2)),
        {"rescales"},
    ),
    (
        "rescale-in-series",
        {"Modality": "PT", "Units": "GML", "RescaleSlope": lambda k: k + 1},
        "info",
        4,
        (("4 slopes from 1 to 4, 1 intercept", 4),),
        set(),
    ),
    (
        "rescales",
        {"RescaleIntercept": either(-1024, -1000), **TWO_SERIES},
        "info",
        4,
        (("slope 1, intercept -1000", 2), ("slope 1, intercept -1024", 2)),
        set(),
    ),
    ("slope-4097", {"RescaleSlope": "1.000244"}, "info", 4, (("1.000244", 4),), set()),
    ("slope-4097", {"RescaleSlope": "1.0002441"}, "info", 4, (("1.0002441", 4),), set()),
    # pixels
    ("high-bit", {"HighBit": 13}, "wrong", 4, (("12 of 16 bits, high bit 13", 4),), set()),
    (
        "pixel-format",
        {"BitsStored": either(12, 16), "HighBit": either(11, 15), "PixelRepresentation": either(0, 1)},
        "info",
        4,
        (("12-bit unsigned", 2), ("16-bit signed", 2)),
        set(),
    ),
    ("padding", {"PixelPaddingValue": 0}, "info", 4, (("0", 4),), set()),
    (
        "padding",
        {"PixelPaddingValue": 0, "PixelPaddingRangeLimit": 30},
        "info",
        4,
        (("0 to 30", 4),),
        set(),
    ),
    ("padding-impossible", {"PixelPaddingValue": 63536}, "decision", 4, (("63536 in 12-bit unsigned", 4),), set()),
    ("monochrome1", {"PhotometricInterpretation": "MONOCHROME1"}, "info", 4, (("MONOCHROME1", 4),), set()),
    (
        "monochrome-mixed",
        {"PhotometricInterpretation": either("MONOCHROME1", "MONOCHROME2"), **TWO_SERIES},
        "decision",
        2,
        (("MONOCHROME1", 2), ("MONOCHROME2", 2)),
        set(),
    ),
    ("sigmoid", {"VOILUTFunction": "SIGMOID"}, "info", 4, (("SIGMOID", 4),), set()),
    (
        "sigmoid",
        {"VOILUTFunction": either("SIGMOID", None), **TWO_SERIES},
        "decision",
        2,
        (("SIGMOID", 2), ("linear, in the same modality", 2)),
        set(),
    ),
    (
        "no-ct-values",
        {"SOPClassUID": SECONDARY_CAPTURE},
        "decision",
        4,
        (("MONOCHROME2 secondary capture", 4),),
        set(),
    ),
    ("color", {"Modality": "OT", **COLOR}, "info", 4, (("RGB", 4),), set()),
    ("no-ct-values", COLOR, "decision", 4, (("RGB image", 4),), set()),
    (
        "lossy",
        {"LossyImageCompression": "01", "LossyImageCompressionRatio": either("9", None)},
        "decision",
        4,
        (("with a ratio", 2), ("without a ratio", 2)),
        set(),
    ),
    (
        "lossy",
        {"LossyImageCompression": "01", "LossyImageCompressionRatio": either("9", "0.08")},
        "decision",
        4,
        (("with a ratio", 2), ("with a ratio below 1, which cannot be", 2)),
        set(),
    ),
    ("field-in-gauss", {"Modality": "MR", "MagneticFieldStrength": 15000}, "info", 4, (("15000", 4),), set()),
    (
        "window-doubled",
        {"WindowCenter": [40, 40], "WindowWidth": [400, 400]},
        "info",
        4,
        (("40\\40 / 400\\400", 4),),
        set(),
    ),
    *(
        ("window-implausible", {**ONE_WINDOW, **change}, "decision", 4, ((why, 4),), set())
        for change, why in (
            ({"WindowWidth": 0}, "40 / 0: a width of 0 is not allowed for LINEAR"),
            ({"WindowWidth": -400}, "40 / -400: a width of -400 is not allowed for LINEAR"),
            ({"WindowWidth": 0.5}, "40 / 0.5: a width of 0.5 is not allowed for LINEAR"),
            ({"WindowWidth": 2}, "40 / 2: a width of 2 HU shows hardly any gray levels"),
            # 12 unsigned bits with an intercept of -1024 reach from -1024 to 3071
            ({"WindowCenter": 3100}, "3100 / 400: the pixels can only be -1024 to 3071"),
            ({"WindowCenter": [40, 50]}, "40\\50 / 400: the numbers of centers and widths differ"),
            ({"WindowCenter": None}, "none / 400: one of the pair is missing"),
        )
    ),
    ("windows-vary", {"WindowCenter": lambda k: [40 + k, -600]}, "info", 4, (("4 different presets", 4),), set()),
    # places
    (
        "orientations",
        {
            "ImageOrientationPatient": either(AXIAL, SAGITTAL),
            "ImagePositionPatient": lambda k: [-10, -20, 2.5 * k] if k < 2 else [2.5 * k, -20, 0],
        },
        "info",
        4,
        (("axial", 2), ("sagittal", 2)),
        {"split"},
    ),
    (
        "orientation-invalid",
        {"ImageOrientationPatient": [1, 0, 0, 1, 0, 0]},
        "wrong",
        4,
        (("1 0 0 1 0 0", 4),),
        {"unplaced"},
    ),
    (
        "spacings",
        {"PixelSpacing": either([0.5, 0.5], [0.7, 0.7]), **TWO_SERIES},
        "decision",
        4,
        (("0.5 by 0.5 mm", 2), ("0.7 by 0.7 mm", 2)),
        set(),
    ),
    ("spacing-invalid", {"PixelSpacing": [0, 0.5]}, "wrong", 4, (("0 by 0.5", 4),), set()),
    ("spacing-invalid", {"PixelSpacing": [-0.5, -0.5]}, "wrong", 4, (("-0.5 by -0.5", 4),), set()),
    (
        "spacing-missing",
        {"PixelSpacing": None, "ImagerPixelSpacing": [0.2, 0.2]},
        "decision",
        4,
        (("Imager Pixel Spacing only", 4),),
        set(),
    ),
    ("position-missing", {"ImagePositionPatient": None}, "decision", 4, (("CT", 4),), {"unplaced"}),
    (
        "kernels",
        {"ConvolutionKernel": either("B31f", "B70f"), **TWO_SERIES},
        "decision",
        4,
        (("B31f", 2), ("B70f", 2)),
        set(),
    ),
    (
        "thicknesses",
        {"SliceThickness": either(2.5, 2.48), **TWO_SERIES},
        "decision",
        4,
        (("2.48 mm", 2), ("2.5 mm", 2)),
        set(),
    ),
    (
        "one-acquisition",
        {
            "ConvolutionKernel": either("B31f", "B70f"),
            "FrameOfReferenceUID": f"{ROOT}.9",
            "AcquisitionNumber": 2,
            "ImagePositionPatient": at(0, 2.5, 0, 2.5),
            **TWO_SERIES,
        },
        "decision",
        4,
        (("kernel B31f, ? mm", 2), ("kernel B70f, ? mm", 2)),
        {"kernels"},
    ),
    ("lengths-odd", {"SpacingBetweenSlices": -2.5}, "info", 4, (("SpacingBetweenSlices -2.5", 4),), set()),
    (
        "scanners",
        {
            "Manufacturer": either("SIEMENS", "Siemens Healthineers"),
            "ManufacturerModelName": "M",
            "SoftwareVersions": either("A", "B"),
            **TWO_SERIES,
        },
        "info",
        4,
        (("SIEMENS, M, A (1 series)", 2), ("SIEMENS, M, B (1 series)", 2)),
        set(),
    ),
    (
        "derived",
        {"ImageType": either(["ORIGINAL", "PRIMARY", "AXIAL"], ["DERIVED", "SECONDARY", "AXIAL", "MPR"]), **TWO_SERIES},
        "decision",
        2,
        (("DERIVED SECONDARY AXIAL MPR", 2), ("original images beside them", 2)),
        set(),
    ),
    (
        "localizers",
        {"ImageType": either(["ORIGINAL", "PRIMARY", "LOCALIZER"], ["ORIGINAL", "PRIMARY", "AXIAL"]), **TWO_SERIES},
        "info",
        2,
        (("CT", 2),),
        set(),
    ),
    (
        "contrast-in-part",
        {"ContrastBolusAgent": either("Agent 300", "w/o contrast"), **TWO_SERIES},
        "decision",
        2,
        (("with contrast agent", 2), ("without a statement", 2)),
        {"identifying"},
    ),
    (
        "patient-positions",
        {"PatientPosition": either("HFS", "HFP"), **TWO_SERIES},
        "decision",
        4,
        (("HFP", 2), ("HFS", 2)),
        set(),
    ),
    (
        "patient-positions",
        {"PatientPosition": either("HFS", "FFS"), **TWO_SERIES},
        "info",
        4,
        (("FFS", 2), ("HFS", 2)),
        set(),
    ),
    ("sides", {"ImageLaterality": either("L", "R"), **TWO_SERIES}, "decision", 4, (("L", 2), ("R", 2)), set()),
    # PET; times are identifying tags
    (
        "pet-units",
        {**PET, "Units": either("BQML", "GML"), **TWO_SERIES},
        "decision",
        4,
        (("BQML", 2), ("GML", 2)),
        TIMES,
    ),
    ("pet-units", {**PET, "Units": None}, "decision", 4, (("none", 4),), TIMES),
    ("pet-counts", {**PET, "Units": "CNTS"}, "decision", 4, (("CNTS", 4),), TIMES),
    (
        "pet-decay",
        {**PET, "DecayCorrection": either("START", "ADMIN"), **TWO_SERIES},
        "decision",
        4,
        (("ADMIN", 2), ("START", 2)),
        TIMES,
    ),
    ("pet-decay", {**PET, "DecayCorrection": "NONE"}, "decision", 4, (("NONE", 4),), TIMES),
    ("suv-missing", {**PET, "PatientWeight": 0}, "decision", 4, (("PatientWeight absent or 0", 4),), TIMES),
    (
        "suv-missing",
        {**PET, "RadiopharmaceuticalInformationSequence": [{"RadionuclideHalfLife": 6586.2}]},
        "decision",
        4,
        (("RadionuclideTotalDose absent or 0", 4), ("time of injection absent", 4)),
        TIMES,
    ),
    # volumes
    ("gap", {"ImagePositionPatient": at(0, 2.5, 7.5, 10)}, "decision", 4, None, set()),
    ("uneven", {"ImagePositionPatient": at(0, 2.5, 4, 10)}, "decision", 4, None, set()),
    ("tilt", {"ImagePositionPatient": lambda k: [-10, -20 + 0.5 * k, 2.5 * k]}, "decision", 4, None, set()),
    ("beside", {"ImagePositionPatient": lambda k: [-10 + (k == 2), -20, 2.5 * k]}, "decision", 4, None, set()),
    ("left-out", REPEATED, "decision", 4, (("series 3: 1 file of 4", 4),), set()),
    (
        "volumes",
        {"ImagePositionPatient": at(0, 2.5, 0, 2.5), "TemporalPositionIdentifier": either(1, 2)},
        "info",
        4,
        None,
        set(),
    ),
    ("one-place", {"ImagePositionPatient": at(0, 0, 0, 0)}, "decision", 4, None, set()),
    (
        "split",
        {"ImageType": either(["ORIGINAL", "PRIMARY", "LOCALIZER"], ["ORIGINAL", "PRIMARY", "AXIAL"])},
        "info",
        4,
        None,
        {"localizers"},
    ),
    (
        "steps",
        {"ImagePositionPatient": at(0, 2.5, 0, 5), **TWO_SERIES},
        "decision",
        4,
        (("2.5 mm between slices", 2), ("5 mm between slices", 2)),
        set(),
    ),
    ("slices-overlap", {"SliceThickness": 5}, "info", 4, (("5 mm thick, 2.5 mm apart", 4),), set()),
    (
        "slices-apart",
        {"SliceThickness": 1, "ImagePositionPatient": at(0, 2.5, 4, 10)},
        "info",
        4,
        (("1 mm thick, 1.5 to 6 mm apart", 4),),
        {"uneven"},
    ),
    ("uneven", {"SliceThickness": 3, "ImagePositionPatient": at(0, 2.5, 4, 10)}, "decision", 4, None, set()),
    ("slices-apart", {"SliceThickness": 1}, "info", 4, (("1 mm thick, 2.5 mm apart", 4),), set()),
    # identity
    (
        "identifying",
        {"PatientName": either("Doe^Jane", ""), "PatientID": "P1"},
        "decision",
        4,
        (("PatientID", 4), ("PatientName", 2)),
        set(),
    ),
    (
        "burned-in",
        {"BurnedInAnnotation": either("YES", "NO"), "RecognizableVisualFeatures": "NO"},
        "decision",
        2,
        (("BurnedInAnnotation YES", 2),),
        set(),
    ),
    ("burned-in", {"RecognizableVisualFeatures": "YES"}, "decision", 4, None, set()),
    (
        "series-studies",
        {"StudyInstanceUID": either(f"{ROOT}.11", f"{ROOT}.12")},
        "wrong",
        4,
        (("in 1 series", 4),),
        set(),
    ),
    ("series-modalities", {"Modality": either("CT", "MR")}, "wrong", 4, (("in 1 series", 4),), {"split"}),
    (
        "series-frames",
        {"FrameOfReferenceUID": either("1.2.3", "1.2.4")},
        "decision",
        4,
        (("in 1 series", 4),),
        set(),
    ),
    ("study-patients", {"PatientID": either("P1", "P2")}, "wrong", 4, (("in 1 study", 4),), {"identifying"}),
    (
        "study-dates",
        {"StudyDate": either("20200101", "20210101")},
        "decision",
        4,
        (("in 1 study", 4),),
        {"identifying"},
    ),
    (
        "date-order",
        {"StudyDate": "20200110", "SeriesDate": either("20200108", "20200109")},
        "decision",
        2,
        (("SeriesDate before StudyDate", 2),),
        {"identifying"},
    ),
    ("dates-invalid", {"StudyDate": "20201340"}, "info", 4, (("StudyDate", 4),), {"identifying"}),
    ("dates-invalid", {"StudyTime": "12:99", "PatientAge": "34"}, "info", 4, None, {"identifying"}),
    (
        "ages",
        {"PatientAge": either("050Y", "046Y"), "PatientBirthDate": "19700701", "StudyDate": "20160101"},
        "decision",
        2,
        (("more than a year apart", 2),),
        {"identifying"},
    ),
    ("charset-undefined", {"SpecificCharacterSet": "ISO-IR 100"}, "info", 4, (("ISO-IR 100", 4),), set()),
    (
        "charset-contradicts",
        {"Manufacturer": Raw("LO", "上海医疗".encode("gbk"))},
        "decision",
        4,
        (("Manufacturer", 4),),
        set(),
    ),
    (
        "charset-contradicts",
        {"Manufacturer": Raw("LO", "Müller".encode() + b" ")},
        "decision",
        4,
        (("Manufacturer", 4),),
        set(),
    ),
    (
        "image-twice",
        {**REPEATED, "SOPInstanceUID": lambda k: f"{ROOT}.3.{min(k, 2)}", "InstanceNumber": lambda k: min(k, 2)},
        "decision",
        2,
        (("1 SOP Instance UID in several files", 2),),
        {"left-out"},
    ),
    ("uid-reused", {"SOPInstanceUID": f"{ROOT}.3"}, "wrong", 4, (("1 SOP Instance UID in several files", 4),), set()),
    ("uids-missing", {"SeriesInstanceUID": ""}, "decision", 4, (("SeriesInstanceUID absent or empty", 4),), set()),
]


@pytest.mark.parametrize(
    ("code", "changes", "severity", "files", "evidence", "others"),
    FAULTS,
    ids=[f"{fault[0]}-{i}" for i, fault in enumerate(FAULTS)],
)
def test_each_rule_is_triggered_by_its_fault_alone(
    tmp_path: Path,
    code: str,
    changes: dict[str, Any],
    severity: str,
    files: int,
    evidence: tuple[tuple[str, int], ...] | None,
    others: set[str],
) -> None:
    write_series(tmp_path, 4, **{**NOBODY, **changes})
    catalog = dm.scan(tmp_path)
    findings = check(catalog)
    assert {finding.code for finding in findings} == {code, *others}
    (finding,) = (one for one in findings if one.code == code)
    assert (finding.severity, finding.files) == (severity, files)
    if evidence is not None:
        assert tuple(sorted(finding.evidence)) == tuple(sorted(evidence))
    assert finding.standard.startswith("PS3.")
    assert finding.advice
    assert finding.meaning
    for one in findings:
        assert chosen(catalog, one) == one.files


def chosen(catalog: Catalog, finding: Finding) -> int:
    """How many files the finding's selection gives."""
    return catalog.where(dict(finding.selection)).n_files


def only(catalog: Catalog, code: str) -> Finding:
    """The one finding with this code."""
    (finding,) = (one for one in check(catalog) if one.code == code)
    return finding


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"PixelRepresentation": 1, "BitsStored": 16, "HighBit": 15, "RescaleIntercept": 0, "SliceThickness": 2.5},
        {"Modality": "MR", "RescaleSlope": None, "RescaleIntercept": None, "RescaleType": None},
        {"ImageOrientationPatient": lambda k: [1, 0, 0, 0, 1, [0, 0.00009][k % 2]]},  # within the tolerance
        {"PixelSpacing": "0.5\\0.5", "LossyImageCompression": "00", "KVP": 120, "ConvolutionKernel": "B31f"},
        {"VOILUTFunction": "LINEAR_EXACT", **ONE_WINDOW, "SeriesDescription": None},
        {"WindowCenter": [3000], "WindowWidth": [1], "Modality": "MR", "WindowCenterWidthExplanation": None},
    ],
)
def test_clean_data_have_no_findings(tmp_path: Path, changes: dict[str, Any]) -> None:
    write_series(tmp_path, 4, **{**NOBODY, **changes})
    assert check(dm.scan(tmp_path)) == ()


def test_files_of_several_findings_are_selected_apart(tmp_path: Path) -> None:
    write_series(tmp_path / "a", 4, RescaleType=either("HU", "US"))
    write_series(
        tmp_path / "b", 4, SeriesInstanceUID=f"{ROOT}.5", SOPInstanceUID=lambda k: f"{ROOT}.6.{k}", KVP=either(0, 120)
    )
    catalog = dm.scan(tmp_path)
    unspecified = catalog.where(dict(only(catalog, "rescale-unspecified").selection))
    assert {Path(path).name for path in unspecified.paths} == {"im002.dcm", "im001.dcm"}  # slices 2 and 3
    assert unspecified.values("RescaleType") == {"US": 2}
    zero = catalog.where(dict(only(catalog, "kvp-zero").selection))
    assert zero.values(("KVP", "SeriesInstanceUID")) == {("0", f"{ROOT}.5"): 2}
    absent = only(catalog, "absent-in-part")
    assert absent.evidence == (("KVP absent", 4),)
    assert catalog.where(dict(absent.selection)).values("SeriesInstanceUID") == {f"{ROOT}.2": 4}


def test_files_with_the_same_uids_are_told_apart_by_other_tags(tmp_path: Path) -> None:
    """Only the study's name of the device differs between the damaged file and an equal one."""
    same = {"SOPInstanceUID": "1.2.3", "InstanceNumber": 1, "ImagePositionPatient": [0, 0, 0]}
    (tmp_path / "whole.dcm").write_bytes(ct_slice(0, **same, Manufacturer="A"))
    (tmp_path / "cut.dcm").write_bytes(ct_slice(0, **same, Manufacturer="B")[:-100])
    catalog = dm.scan(tmp_path)
    damaged = only(catalog, "damaged")
    assert (damaged.severity, damaged.files) == ("wrong", 1)
    assert [Path(path).name for path in catalog.where(dict(damaged.selection)).paths] == ["cut.dcm"]


def test_pixel_formats_that_do_not_determine_each_other_are_no_one_fact(tmp_path: Path) -> None:
    write_series(
        tmp_path, 4, **NOBODY, BitsStored=either(12, 16), HighBit=either(11, 15), PixelRepresentation=lambda k: k % 2
    )
    assert only(dm.scan(tmp_path), "pixel-format").title == "Pixels are stored in 4 formats"
    write_series(
        tmp_path, 4, **NOBODY, BitsStored=either(12, 16), HighBit=either(11, 15), PixelRepresentation=either(0, 1)
    )
    assert (
        "vary together: 12-bit unsigned in 2 files, 16-bit signed in 2 files"
        in only(dm.scan(tmp_path), "pixel-format").title
    )


def test_the_error_of_a_forgotten_slope_is_stated(tmp_path: Path) -> None:
    write_series(tmp_path, 2, RescaleSlope="1.000244")
    finding = only(dm.scan(tmp_path), "slope-4097")
    assert "4097/4096" in finding.title
    assert f"{3000 / 4096:.2f} HU" in finding.meaning  # 0.73


def test_the_spacing_to_resample_to_counts_each_series_once(tmp_path: Path) -> None:
    for i, (spacing, count) in enumerate([(0.5, 9), (0.6, 2), (0.7, 2)]):
        uids = {"SeriesInstanceUID": f"{ROOT}.2.{i}", "SOPInstanceUID": lambda k, i=i: f"{ROOT}.3.{i}.{k}"}
        write_series(tmp_path / str(i), count, PixelSpacing=[spacing, spacing], **uids)
    finding = only(dm.scan(tmp_path), "spacings")
    assert finding.title == "CT: 3 pixel spacings, 0.5 to 0.7 mm"
    assert "0.6 by 0.6 mm" in finding.advice


def test_roundings_of_a_length_are_one_length(tmp_path: Path) -> None:
    spacings, thicknesses = ["0.976562", "0.9765625", "0.97699999809265", "0.5"], ["5", "5.0000001", "4.99999", "5"]
    for i in range(4):
        uids = {"SeriesInstanceUID": f"{ROOT}.2.{i}", "SOPInstanceUID": lambda k, i=i: f"{ROOT}.3.{i}.{k}"}
        places = {"ImagePositionPatient": lambda k, i=i: [0, 0, (5, 5.0004, 4.9998, 5)[i] * k]}
        lengths = {"PixelSpacing": [spacings[i]] * 2, "SliceThickness": thicknesses[i]}
        write_series(tmp_path / str(i), 3, **NOBODY, **uids, **places, **lengths)
    (finding,) = check(dm.scan(tmp_path))
    assert (finding.code, finding.severity) == ("spacings", "decision")
    assert finding.title == "CT: 2 pixel spacings, 0.5 to 0.9766 mm"
    assert set(finding.evidence) == {("0.976562 by 0.976562 mm", 9), ("0.5 by 0.5 mm", 3)}
    rounded = check(dm.scan(tmp_path).where(PixelSpacing=["0.976562\\0.976562", "0.9765625\\0.9765625"]))
    assert [(one.code, one.severity) for one in rounded] == [("spacings", "info")]
    assert rounded[0].title == "CT: 1 pixel spacing, 0.9766 by 0.9766 mm, in several roundings"


def test_missing_slices_change_no_distance(tmp_path: Path) -> None:
    """Both series are 2.5 mm thick and 2.5 mm apart; one lacks two slices."""
    for name, heights in (("whole", range(8)), ("gap", (0, 1, 2, 3, 6, 7, 8, 9))):
        uids = {"SeriesInstanceUID": f"{ROOT}.{len(name)}", "SOPInstanceUID": lambda k, n=name: f"{ROOT}.{len(n)}.{k}"}
        places = {"ImagePositionPatient": lambda k, at=tuple(heights): [0, 0, 2.5 * at[k]], "SliceThickness": 2.5}
        write_series(tmp_path / name, 8, **NOBODY, **uids, **places)
    assert [one.code for one in check(dm.scan(tmp_path))] == ["gap"]


def test_sheared_slices_are_as_far_apart_as_along_their_normal(tmp_path: Path) -> None:
    """The table moves 5 mm a slice, and the gantry leans by 20 degrees: 5 mm · cos 20° = 4.698 mm."""
    lean = np.radians(20)
    orientation = [1, 0, 0, 0, round(float(np.cos(lean)), 9), round(float(-np.sin(lean)), 9)]
    write_series(
        tmp_path,
        4,
        **NOBODY,
        ImageOrientationPatient=orientation,
        ImagePositionPatient=lambda k: [0, 0, 5 * k],
        SliceThickness=4.7,
    )
    assert {one.code for one in check(dm.scan(tmp_path))} == {"tilt"}


def test_transfer_syntaxes_and_the_same_number_without_a_vr(tmp_path: Path) -> None:
    signed = {**NOBODY, "PixelRepresentation": 1, "BitsStored": 16, "HighBit": 15}
    paddings = {IMPLICIT: 63536, EXPLICIT: Raw("SS", b"\x30\xf8")}
    for i, (syntax, value) in enumerate(paddings.items()):
        (tmp_path / f"{i}.dcm").write_bytes(ct_slice(i, syntax, **signed, PixelPaddingValue=value))
    (tmp_path / "2.dcm").write_bytes(ct_slice(2, **signed, PixelPaddingValue=63536))
    catalog = dm.scan(tmp_path)
    assert {one.code for one in check(catalog)} == {"padding", "spellings", "sign-mismatch", "transfer-syntaxes"}
    spelled = only(catalog, "spellings")
    assert set(spelled.evidence) == {("63536 as US", 1), ("-2000 as SS", 1), ("bytes 30 F8 without a VR", 1)}
    assert spelled.title.endswith("3 for -2000")
    assert only(catalog, "padding").evidence == (("-2000", 3),)
    mismatch = only(catalog, "sign-mismatch")
    assert [Path(path).name for path in catalog.where(dict(mismatch.selection)).paths] == ["2.dcm"]
    assert set(only(catalog, "transfer-syntaxes").evidence) == {
        ("Explicit VR Little Endian", 2),
        ("Implicit VR Little Endian", 1),
    }


def test_meta_information_of_another_object(tmp_path: Path) -> None:
    paths = write_series(tmp_path, 3, **NOBODY)
    meta = file_meta(EXPLICIT, f"{ROOT}.77")
    paths[0].write_bytes(b"\0" * 128 + b"DICM" + meta + data_set(ct_content(0, **NOBODY)))
    catalog = dm.scan(tmp_path)
    (finding,) = check(catalog)
    assert (finding.code, finding.files) == ("meta-contradicts", 1)
    assert finding.evidence == (("MediaStorageSOPInstanceUID is not SOPInstanceUID", 1),)
    assert catalog.where(dict(finding.selection)).values("SOPInstanceUID") == {f"{ROOT}.3.0": 1}


def test_screenshots_beside_slices_lack_nothing(tmp_path: Path) -> None:
    """Screenshots of modality CT have no place, no thickness and no HU; the slices beside them have all."""
    write_series(tmp_path / "ct", 4, **NOBODY, KVP=120, SliceThickness=2.5)
    places = dict.fromkeys(("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "RescaleType"))
    uids = {"SeriesInstanceUID": f"{ROOT}.5", "SOPInstanceUID": lambda k: f"{ROOT}.6.{k}"}
    write_series(tmp_path / "sc", 2, **NOBODY, **uids, **places, SOPClassUID=SECONDARY_CAPTURE)
    found = {(finding.code, finding.severity) for finding in check(dm.scan(tmp_path))}
    assert found == {("no-ct-values", "decision"), ("position-missing", "info")}


def test_presets_in_stored_values_need_a_decision_beside_others(tmp_path: Path) -> None:
    scaled = {"Modality": "MR", "RescaleIntercept": 0, "RescaleType": None, **ONE_WINDOW}
    stored = {"RescaleSlope": 0.001, "WindowCenter": 700, "WindowWidth": 1400}  # values end at 1.6
    write_series(tmp_path / "a", 3, **NOBODY, **{**scaled, **stored})
    assert [(one.code, one.severity) for one in check(dm.scan(tmp_path))] == [("windows-stored", "info")]
    uids = {"SeriesInstanceUID": f"{ROOT}.5", "SOPInstanceUID": lambda k: f"{ROOT}.6.{k}"}
    write_series(tmp_path / "b", 3, **NOBODY, **uids, **{**scaled, "RescaleSlope": 1, "WindowCenter": 700})
    assert only(dm.scan(tmp_path), "windows-stored").severity == "decision"


def test_letters_of_latin_1_contradict_nothing(tmp_path: Path) -> None:
    texts = ["Müßig", "Größe", "ÄÖÜ", "Hôpital Général", "Señor Núñez", "Ångström"]
    write_series(tmp_path, 6, **NOBODY, Manufacturer=lambda k: Raw("LO", texts[k].ljust(16).encode("latin-1")))
    assert {one.code for one in check(dm.scan(tmp_path))} <= {"scanners"}


def test_files_without_a_transfer_syntax(tmp_path: Path) -> None:
    write_series(tmp_path, 2, **NOBODY)
    (tmp_path / "bare.dcm").write_bytes(dicom(ct_content(2, **NOBODY), preamble=False))
    catalog = dm.scan(tmp_path)
    (finding,) = check(catalog)
    assert (finding.code, finding.severity, finding.files) == ("syntax-missing", "decision", 1)
    assert chosen(catalog, finding) == 1


def structure_set(references: list[str], frame: str) -> bytes:
    """A structure set with contours on the images `references` in a frame of reference."""
    images = {"ContourImageSequence": [{"ReferencedSOPInstanceUID": uid} for uid in references]}
    frames = {
        "FrameOfReferenceUID": frame,
        "RTReferencedStudySequence": [{"ReferencedSOPInstanceUID": "1.9", **images}],
    }
    content = {
        "SOPClassUID": "1.2.840.10008.5.1.4.1.1.481.3",
        "SOPInstanceUID": f"{ROOT}.8",
        "Modality": "RTSTRUCT",
        "StudyInstanceUID": f"{ROOT}.1",
        "SeriesInstanceUID": f"{ROOT}.7",
        "ReferencedFrameOfReferenceSequence": [frames],
    }
    return dicom(content)


@pytest.mark.parametrize(
    ("references", "frame", "codes", "evidence"),
    [
        ([f"{ROOT}.3.0", f"{ROOT}.3.1"], "1.2.3", set(), ()),
        ([f"{ROOT}.3.0", "1.2.99"], "1.2.3", {"references-missing"}, ("RTSTRUCT: some of the files are missing", 1)),
        (["1.2.98", "1.2.99"], "1.2.3", {"references-missing"}, ("RTSTRUCT: all of the files are missing", 1)),
        ([f"{ROOT}.3.0"], "1.2.4", {"frames-missing"}, ("RTSTRUCT", 1)),
    ],
)
def test_structures_whose_images_are_missing(
    tmp_path: Path, references: list[str], frame: str, codes: set[str], evidence: tuple[object, ...]
) -> None:
    write_series(tmp_path, 2, **NOBODY, FrameOfReferenceUID="1.2.3")
    (tmp_path / "structures.dcm").write_bytes(structure_set(references, frame))
    findings = check(dm.scan(tmp_path))
    assert {finding.code for finding in findings} == codes | {"no-pixels"}
    assert [finding.evidence for finding in findings if finding.code in codes] == [(evidence,)] * len(codes)


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    paths = write_series(tmp_path, 4, **NOBODY)
    paths[3].write_bytes(paths[3].read_bytes()[:-100])
    (tmp_path / "README").write_text("nothing of interest")
    (tmp_path / "LICENSE").write_text("{}")
    catalog = dm.scan(tmp_path)
    others = only(catalog, "unreadable")
    assert (others.severity, others.files, others.title) == ("info", 0, "2 other files in the folder are not DICOM")
    assert others.evidence == (("not DICOM", 2),)
    assert chosen(catalog, others) == 0
    damaged = only(catalog, "damaged")
    assert catalog.where(dict(damaged.selection)).paths == (str(paths[3]),)


def test_archives_and_files_that_may_be_images_need_a_decision(tmp_path: Path) -> None:
    write_series(tmp_path, 2, **NOBODY)
    (tmp_path / "more.zip").write_bytes(b"PK\x03\x04" + bytes(200))
    (tmp_path / "labels.xlsx").write_bytes(b"PK\x03\x04" + bytes(200))
    (tmp_path / "mask.nii.gz").write_bytes(b"\x1f\x8b" + bytes(200))
    (tmp_path / "empty.dcm").write_bytes(b"")
    findings = check(dm.scan(tmp_path))
    assert {(finding.code, finding.severity, finding.title) for finding in findings} == {
        ("archives", "decision", "1 archive was not opened"),
        ("unreadable", "decision", "1 file is not in the catalog"),
        ("unreadable", "info", "2 other files in the folder are not DICOM"),
    }


def test_files_without_pixels_and_images_that_make_no_volume(tmp_path: Path) -> None:
    write_series(tmp_path, 3, **NOBODY)
    report = {"Modality": "SR", "SOPClassUID": "1.2.840.10008.5.1.4.1.1.88.11", "SeriesInstanceUID": "1.2.9"}
    gone = dict.fromkeys(
        ("PixelData", "Rows", "Columns", "BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation")
    )
    (tmp_path / "report.dcm").write_bytes(ct_slice(9, **{**NOBODY, **report, **gone}))
    short = {"SeriesInstanceUID": "1.2.8", "PixelData": Raw("OW", b"\0" * 10)}
    (tmp_path / "short.dcm").write_bytes(ct_slice(8, **{**NOBODY, **short}))
    catalog = dm.scan(tmp_path)
    assert only(catalog, "no-pixels").evidence == (("SR", 1),)
    refused = only(catalog, "refused")
    assert [Path(path).name for path in catalog.where(dict(refused.selection)).paths] == ["short.dcm"]


def test_what_enhanced_images_keep_in_functional_groups_is_not_missing(tmp_path: Path) -> None:
    frames = [{"ImagePositionPatient": [0, 0, 2.5 * k]} for k in range(3)]
    shared = {
        "ImageOrientationPatient": AXIAL,
        "PixelSpacing": [0.75, 0.5],
        "RescaleSlope": 1,
        "RescaleIntercept": -1024,
        "RescaleType": "HU",
    }
    file = enhanced([ct_pixels(k) for k in range(3)], frames, shared, **NOBODY)
    (tmp_path / "enhanced.dcm").write_bytes(file)
    assert check(dm.scan(tmp_path)) == ()
    write_series(
        tmp_path, 2, **NOBODY, SeriesInstanceUID="1.2.5", PixelSpacing=[0.5, 0.5], ImageOrientationPatient=AXIAL
    )
    catalog = dm.scan(tmp_path)
    spacings = only(catalog, "spacings")
    assert set(spacings.evidence) == {("0.75 by 0.5 mm", 1), ("0.5 by 0.5 mm", 2)}
    assert chosen(catalog, spacings) == 3


def test_the_most_severe_and_the_largest_come_first(tmp_path: Path) -> None:
    write_series(tmp_path, 4, RescaleType=either("HU", "US"), HighBit=13, KVP=0, RescaleSlope=either("1", "1.0"))
    findings = check(dm.scan(tmp_path))
    keys = [(SEVERITIES.index(one.severity), -one.files) for one in findings]
    assert keys == sorted(keys)
    assert [one.code for one in findings][:4] == ["high-bit", "identifying", "rescale-type", "rescale-unspecified"]


def test_identifying_tags_are_named_but_not_their_values(tmp_path: Path) -> None:
    private = {"00091001": Raw("LO", b"Doe^Jane"), "00090010": "ACME"}
    write_series(tmp_path, 2, PatientBirthDate="19700101", **private, PatientIdentityRemoved=either("YES", None))
    catalog = dm.scan(tmp_path)
    finding = only(catalog, "identifying")
    assert finding.severity == "info"
    assert finding.title.startswith("3 identifying tags are filled, 1 more")
    assert dict(finding.evidence) == {"PatientBirthDate": 2, "PatientID": 2, "PatientName": 2}
    assert "2 of the files state that the identity was removed" in finding.title
    text = findings_report(check(catalog))
    assert "Doe" not in text
    assert "19700101" not in text


@pytest.mark.parametrize(
    ("changes", "persons"),
    [
        ({"PatientID": "P1", "PatientBirthDate": "19700101", "StudyDate": "20200110"}, ()),
        ({"PatientName": "Doe^Jane", "PatientComments": "no finding", "DeidentificationMethod": "CTP"}, ()),
        ({"PatientName": "Miller^Jane"}, ("PatientName",)),
        ({"PatientID": "P1", "ReferringPhysicianName": "Smith, John"}, ("ReferringPhysicianName",)),
        ({"PatientBirthDate": "19690713"}, ("PatientBirthDate",)),
        ({"PatientID": "P1", "PatientComments": "Mr. Miller coughs"}, ("PatientComments",)),
    ],
)
def test_removed_identities_need_a_decision_only_if_persons_are_left(
    tmp_path: Path, changes: dict[str, Any], persons: tuple[str, ...]
) -> None:
    write_series(tmp_path, 2, **{**NOBODY, "PatientIdentityRemoved": "YES", **changes})
    findings = check(dm.scan(tmp_path))
    assert {finding.code for finding in findings} == {"identifying"}
    severities = {finding.scope: finding.severity for finding in findings}
    assert severities == ({"removed": "decision", "": "info"} if persons else {"": "info"})
    if persons:
        assert findings[0].tags == persons
        assert findings[0].evidence == tuple((tag, 2) for tag in persons)


def test_a_method_of_deidentification_identifies_nobody(tmp_path: Path) -> None:
    write_series(tmp_path, 2, **NOBODY, DeidentificationMethod="CTP")
    assert check(dm.scan(tmp_path)) == ()


def test_what_follows_the_maker_needs_a_decision(tmp_path: Path) -> None:
    """Four series; each maker has its own kernels and padding, and both have the same spacings."""
    for i, maker in enumerate(("A", "A", "B", "B")):
        uids = {"SeriesInstanceUID": f"{ROOT}.2.{i}", "SOPInstanceUID": lambda k, i=i: f"{ROOT}.3.{i}.{k}"}
        scanner = {"Manufacturer": maker, "ManufacturerModelName": maker, "MagneticFieldStrength": 15000 if i else 1.5}
        pixels = {"ConvolutionKernel": f"{maker}{i}", "PixelSpacing": [0.5 + i % 2] * 2}
        write_series(tmp_path / str(i), 2, **NOBODY, **uids, **scanner, **pixels)
    finding = only(dm.scan(tmp_path), "scanners")
    assert finding.severity == "decision"
    assert finding.title == "CT: 2 makers, 2 models in 4 series; ConvolutionKernel follows the maker"
    assert set(finding.evidence) == {("A, A, 1.5 T (2 series)", 4), ("B, B, 1.5 T (2 series)", 4)}


def write_many(folder: Path, count: int, **changes: Any) -> None:
    """Write series of one image each; a callable change is called with the number of the series."""
    for i in range(count):
        own = {key: value(i) if callable(value) else value for key, value in changes.items()}
        uids = {"SeriesInstanceUID": f"{ROOT}.2.{i}", "SOPInstanceUID": f"{ROOT}.3.{i}", "SeriesNumber": i}
        write_series(folder / str(i), 1, **NOBODY, **uids, **own)


def test_settings_that_vary_within_a_protocol(tmp_path: Path) -> None:
    echo = {
        "EchoTime": lambda i: (90, 90.0000001, 100, 30)[i],
        "SeriesDescription": lambda i: ("T2", "t2 ", "T2", "T1")[i],
    }
    write_many(tmp_path, 4, Modality="MR", **echo)
    (finding,) = check(dm.scan(tmp_path))
    assert (finding.code, finding.severity) == ("protocols-vary", "info")
    assert finding.title == "MR: 1 setting varies between series of one protocol"
    assert (finding.tags, finding.evidence, finding.files) == (("EchoTime",), (("EchoTime in 1 protocol", 3),), 3)


def test_the_series_that_differs_from_all_others_of_its_protocol(tmp_path: Path) -> None:
    write_many(tmp_path, 21, Modality="MR", FlipAngle=lambda i: 15 if i == 4 else 9)
    catalog = dm.scan(tmp_path)
    finding = only(catalog, "protocol-outliers")
    assert (finding.severity, finding.files) == ("decision", 1)
    assert finding.evidence == (("FlipAngle 15, usually 9", 1),)
    assert catalog.where(dict(finding.selection)).values("SeriesNumber") == {"4": 1}


@pytest.mark.parametrize(
    ("copied", "patients", "title"),
    [
        (True, ("P1", "P1"), "2 series hold the same pixels under different UIDs"),
        (True, ("P1", "P2"), "2 series hold the same pixels under different UIDs, and under different Patient IDs"),
        (False, ("P1", "P2"), ""),
    ],
)
def test_series_that_were_sent_twice(tmp_path: Path, copied: bool, patients: tuple[str, str], title: str) -> None:
    for i in range(2):
        images = [np.random.default_rng(k + 10 * i * (not copied)).integers(0, 4096, (32, 32), "<u2") for k in range(3)]
        uids = {name: f"{ROOT}.{n}.{i}" for n, name in enumerate(("StudyInstanceUID", "SeriesInstanceUID"))}
        pixels = {"pixels": lambda k, images=images: images[k], "SOPInstanceUID": lambda k, i=i: f"{ROOT}.3.{i}.{k}"}
        write_series(tmp_path / str(i), 3, **{**NOBODY, "PatientID": patients[i], **uids, **pixels})
    findings = {finding.code: finding for finding in check(dm.scan(tmp_path))}
    assert findings.keys() == ({"identifying", "same-pixels"} if copied else {"identifying"})
    if copied:
        assert findings["same-pixels"].title == title
        assert findings["same-pixels"].evidence == (("2 series alike", 6),)


def test_enhanced_images_among_single_frame_images(tmp_path: Path) -> None:
    frames = [{"ImagePositionPatient": [0, 0, 2.5 * k]} for k in range(3)]
    shared = {"ImageOrientationPatient": AXIAL, "PixelSpacing": [0.75, 0.5], "RescaleSlope": 1}
    shared |= {"RescaleIntercept": -1024, "RescaleType": "HU"}
    (tmp_path / "enhanced.dcm").write_bytes(enhanced([ct_pixels(k) for k in range(3)], frames, shared, **NOBODY))
    uids = {"SeriesInstanceUID": f"{ROOT}.5", "SOPInstanceUID": lambda k: f"{ROOT}.6.{k}"}
    write_series(tmp_path, 3, **NOBODY, **NO_WINDOW, **uids)
    (finding,) = check(dm.scan(tmp_path))
    assert (finding.code, finding.severity, finding.files) == ("enhanced-mixed", "info", 1)
    assert finding.title == "CT: 1 enhanced file among 3 single-frame images"


def test_rules_work_on_part_of_a_catalog_and_on_none(tmp_path: Path) -> None:
    write_series(tmp_path, 4, **NOBODY, RescaleType=either("HU", "US"), KVP=either(0, 120))
    catalog = dm.scan(tmp_path)
    part = catalog.where(RescaleType="HU")
    assert {(one.code, one.files) for one in check(part)} == {("kvp-zero", 2)}
    assert check(catalog.rows(np.array([], dtype=np.intp))) == ()
    assert check(Catalog.of_tables([])) == ()


def run(steps: Generator[CheckProgress, None, tuple[Finding, ...]]) -> tuple[list[CheckProgress], object]:
    """What a generator yields, and what it returns."""
    yielded = []
    while True:
        try:
            yielded.append(next(steps))
        except StopIteration as end:
            return yielded, end.value


def test_progress_is_told_series_by_series_and_it_can_be_canceled(tmp_path: Path) -> None:
    write_series(tmp_path, 4, **NOBODY, **TWO_SERIES, ImagePositionPatient=at(0, 2.5, 0, 5))
    catalog = dm.scan(tmp_path)
    progress, found = run(iter_check(catalog))
    assert found == check(catalog)
    assert [(one.done, one.total) for one in progress] == [(0, 2), (1, 2), (2, 2)]
    canceled = iter_check(catalog)
    next(canceled)
    canceled.close()
    assert list(canceled) == []


def test_without_volumes_no_file_is_opened(tmp_path: Path) -> None:
    paths = write_series(tmp_path, 4, **NOBODY, ImagePositionPatient=at(0, 2.5, 7.5, 10), KVP=0)
    catalog = dm.scan(tmp_path)
    for path in paths:
        path.unlink()
    assert [one.code for one in check(catalog, volumes=False)] == ["kvp-zero"]


def test_a_rule_that_fails_loses_no_other_finding(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken_rule(_survey: object) -> None:
        raise ZeroDivisionError("Doe^Jane")

    write_series(tmp_path, 2, **NOBODY, KVP=0)
    catalog = dm.scan(tmp_path)
    rules = {needs: rules_that_need(needs) for needs in ("counts", "volumes")}
    rules["counts"] = (broken_rule, *rules["counts"])
    monkeypatch.setattr(checking, "rules_that_need", rules.__getitem__)
    failed, kvp = check(catalog)
    assert (failed.code, failed.files, kvp.code) == ("rule-failed", 0, "kvp-zero")
    assert failed.title == "The rule broken_rule failed: ZeroDivisionError"
    assert chosen(catalog, failed) == 0


def test_a_series_that_fails_loses_no_other_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_series(tmp_path, 4, **NOBODY, **TWO_SERIES, SliceThickness=5)
    load_series = survey.load_series

    def broken(series: Any) -> Any:
        if series.number == "3":
            raise ZeroDivisionError
        return load_series(series)

    monkeypatch.setattr(survey, "load_series", broken)
    catalog = dm.scan(tmp_path)
    failed = only(catalog, "series-failed")
    assert failed.evidence == (("ZeroDivisionError", 2),)
    assert catalog.where(dict(failed.selection)).values("SeriesNumber") == {"3": 2}
    assert only(catalog, "slices-overlap").files == 2


FULL: dict[str, Any] = {"BitsStored": 16, "HighBit": 15}


@pytest.mark.parametrize(
    ("changes", "codes"),
    [
        ({**FULL, "Modality": "MR", "LargestImagePixelValue": lambda k: (8240, 8244, 12852, 13625)[k]}, set()),
        (
            {**FULL, "Modality": "MR", "LargestImagePixelValue": 8240},
            set(),
        ),  # four files may have the same largest pixel
        ({**FULL, "Modality": "MR", "PixelPaddingValue": 8240}, {"padding"}),
        ({**FULL, "Modality": "MR", "PixelPaddingValue": 8240, "LargestImagePixelValue": 4000}, {"suspect-value"}),
        ({**FULL, "PixelPaddingValue": 8240}, {"suspect-value"}),  # 7216 HU
        ({"LargestImagePixelValue": either(8240, 4000)}, {"suspect-text"}),  # of 12 bits
    ],
)
def test_text_in_a_number_needs_proof(tmp_path: Path, changes: dict[str, Any], codes: set[str]) -> None:
    write_series(tmp_path, 4, **NOBODY, **changes)
    assert {one.code for one in check(dm.scan(tmp_path))} == codes


def test_the_same_extreme_in_all_files_of_a_maker_is_text(tmp_path: Path) -> None:
    makers = {"Manufacturer": lambda k: "A" if k < 10 else "B"}
    largest = {"LargestImagePixelValue": lambda k: 8240 if k < 10 else 8241 + k}
    write_series(tmp_path, 14, **NOBODY, **FULL, **makers, **largest, Modality="MR")
    text = only(dm.scan(tmp_path), "suspect-text")
    assert (text.tags, text.files) == (("LargestImagePixelValue",), 10)


@pytest.mark.parametrize(
    ("number", "codes"),
    [
        (lambda k: k + 1, set()),
        (lambda k: f"{k}.5", {"suspect-text"}),
        (lambda k: "9" * 60 + "x" * k, {"suspect-text"}),
    ],
)
def test_numbers_of_many_values_are_looked_at_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: Callable[[int], object], codes: set[str]
) -> None:
    monkeypatch.setattr(napari_dicommeta.findings.rules.values, "MAX_DISTINCT", 2)
    monkeypatch.setattr(napari_dicommeta.findings.rules.suspect, "MAX_DISTINCT", 2)
    write_series(tmp_path, 4, **NOBODY, InstanceNumber=number, SliceLocation=lambda k: f"-2.50e+0{k}")
    assert {one.code for one in check(dm.scan(tmp_path))} == codes


@pytest.mark.parametrize(
    ("cosines", "name"),
    [
        (AXIAL, "axial"),
        (CORONAL, "coronal"),
        (SAGITTAL, "sagittal"),
        ([-1, 0, 0, 0, -1, 0], "axial, rows to R, columns to A"),
        ([1, 0, 0, 0, 0.9483, -0.3173], "oblique, nearest axial"),
    ],
)
def test_orientations_have_names(cosines: list[float], name: str) -> None:
    assert orientation_name(tuple(cosines)) == name


def test_a_report_in_markdown_escapes_what_files_say() -> None:
    findings = (
        Finding(
            code="a",
            severity="wrong",
            title="A | b <i>",
            evidence=(("x|y\n*z*", 1234),),
            tags=("KVP",),
            standard="PS3.5",
            advice="Do_it.",
            files=1234,
            meaning="Why & how",
        ),
        Finding(code="b", severity="info", title="Second"),
    )
    assert findings_report(findings, "My #1") == (
        "# My \\#1\n\n1 wrong, 0 needs a decision, 1 good to know.\n\n"
        "## Wrong\n\n### A \\| b \\<i\\>\n\n1,234 files · `a` · KVP\n\nWhy &amp; how\n\n"
        "| what | files |\n| --- | ---: |\n| x\\|y\\n\\*z\\* | 1,234 |\n\n**Do\\_it.** (PS3.5)\n\n"
        "## Good to know\n\n### Second\n\n`b`\n"
    )
    assert findings_report(()) == "# Findings\n\n0 wrong, 0 needs a decision, 0 good to know.\n"
