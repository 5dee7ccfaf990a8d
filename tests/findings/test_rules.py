"""Each rule is triggered by its fault, with the counts that the files were made with, and by nothing in clean data."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from dicom_factory import AXIAL, ROOT, Raw, ct_pixels, write_series
from finding_checks import NO_WINDOW, NOBODY, ONE_WINDOW, SAGITTAL, SECONDARY_CAPTURE, TWO_SERIES, at, chosen, either

import napari_dicommeta as dm
from napari_dicommeta.findings.check import check

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


PET_IMAGE = "1.2.840.10008.5.1.4.1.1.128"
RADIOGRAPH = {
    "Modality": "CR",
    "SOPClassUID": "1.2.840.10008.5.1.4.1.1.1",
    **dict.fromkeys(("ImagePositionPatient", "ImageOrientationPatient")),
    **dict.fromkeys(("RescaleSlope", "RescaleIntercept", "RescaleType")),
    **NO_WINDOW,
}


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
        set(),
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
    ("position-missing", {"ImagePositionPatient": None}, "decision", 4, (("CT", 4),), set()),
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
    (
        "scanners",
        {
            "Manufacturer": "Maker",
            "ManufacturerModelName": either("M", "unknown"),
            "KVP": either(100, 120),
            **TWO_SERIES,
        },
        "info",
        4,
        (("MAKER, M, 100 kV (1 series)", 2), ("MAKER, 120 kV (1 series)", 2)),
        set(),
    ),
    (
        "views",
        {**RADIOGRAPH, "ViewPosition": either("PA", "AP"), **TWO_SERIES},
        "decision",
        4,
        (("AP", 2), ("PA", 2)),
        set(),
    ),
    (
        "views",
        {**RADIOGRAPH, "Modality": "MG", "ViewPosition": either("CC", "MLO"), **TWO_SERIES},
        "info",
        4,
        (("CC", 2), ("MLO", 2)),
        set(),
    ),
    (
        "body-parts",
        {"BodyPartExamined": lambda k: ("CHEST", "chest ", "HEAD", "HEAD")[k], **TWO_SERIES},
        "info",
        4,
        (("CHEST", 2), ("HEAD", 2)),
        set(),
    ),
    ("overlays", {"60000010": either(Raw("US", b"\x10\0"), None)}, "info", 2, (("overlay 1", 2),), set()),
    (
        "spacing-missing",
        {**RADIOGRAPH, "PixelSpacing": None},
        "info",
        4,
        (("CR", 4),),
        set(),
    ),
    ("step-contradicts", {"SpacingBetweenSlices": 0.5}, "info", 4, (("0.5 mm stated, 2.5 mm apart", 4),), set()),
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
        "derived",
        {
            "ImageType": ["ORIGINAL", "PRIMARY"],
            "SoftwareVersions": either("VA50", "Created by simpleITK 2.3"),
            **TWO_SERIES,
        },
        "decision",
        2,
        (("ORIGINAL PRIMARY, written by simpleITK", 2), ("original images beside them", 2)),
        set(),
    ),
    (
        "derived",
        {"ImageType": ["DERIVED", "SECONDARY"]},
        "info",
        4,
        (("DERIVED SECONDARY", 4),),
        set(),
    ),
    ("image-type", {"ImageType": "ORIGINAL PRIMARY"}, "info", 4, (("ORIGINAL PRIMARY", 4),), set()),
    (
        "localizers",
        {
            "ImageType": either(["ORIGINAL", "PRIMARY", "LOCALIZER"], ["ORIGINAL", "PRIMARY", "AXIAL"]),
            "PixelSpacing": either([0.5, 0.6], [0.7, 0.7]),
            "SliceThickness": either(650, 2.5),
            **TWO_SERIES,
        },
        "info",
        2,
        (("CT", 2),),
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
        "contrast-in-part",
        {"ContrastBolusAgent": either("Agent 300", None)},
        "decision",
        4,
        (("with contrast agent", 2), ("without a statement, in the same series", 2)),
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
    ("suv-missing", {**PET, "DecayCorrection": None}, "decision", 4, (("DecayCorrection absent", 4),), TIMES),
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
    ("left-out", REPEATED, "decision", 1, (("series 3: 1 file of 4", 1),), set()),
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
    ("series-numbers", {"SeriesNumber": either(3, 4)}, "decision", 4, (("in 1 series", 4),), set()),
    (
        "modality-unknown",
        {"Modality": "XX", "PatientPosition": None},
        "decision",
        4,
        (("XX", 4),),
        set(),
    ),
    (
        "sizes",
        {"Rows": either(16, 12), "Columns": either(12, 16), **TWO_SERIES},
        "info",
        4,
        (("12 × 16", 2), ("16 × 12", 2)),
        set(),
    ),
    ("date-order", {"StudyDate": "20200110", "ContentDate": "20200105"}, "decision", 4, None, {"identifying"}),
    ("series-modalities", {"Modality": either("CT", "MR")}, "wrong", 4, (("in 1 series", 4),), {"split"}),
    (
        "series-frames",
        {"FrameOfReferenceUID": either("1.2.3", "1.2.4")},
        "decision",
        4,
        (("in 1 series", 4),),
        set(),
    ),
    (
        "series-frames",
        {"FrameOfReferenceUID": lambda k: f"1.2.{k}"},
        "decision",
        4,
        (("in 1 series, another in each file", 4),),
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
    *(
        ("dates-invalid", {"AcquisitionDateTime": text}, "info", 4, (("AcquisitionDateTime", 4),), {"identifying"})
        for text in ("2020-01-01T10:00", "20201340", "20200101250000")
    ),
    ("dates-invalid", {"StudyTime": "12:99", "PatientAge": "34"}, "info", 4, None, {"identifying"}),
    (
        "ages",
        {"PatientAge": either("050Y", "046Y"), "PatientBirthDate": "19700701", "StudyDate": "20160101"},
        "decision",
        2,
        (("more than a year apart", 2),),
        {"identifying"},
    ),
    *(
        ("ages", {"PatientBirthDate": birth, "StudyDate": "20160101"}, "decision", 4, ((why, 4),), {"identifying"})
        for birth, why in (
            ("18000101", "born more than 120 years before the study"),
            ("20180101", "born after the study"),
        )
    ),
    (
        "patient-contradicts",
        {"PatientID": "P1", "PatientSex": either("M", "F")},
        "decision",
        4,
        (("1 Patient ID with several sexes", 4),),
        {"identifying"},
    ),
    (
        "patient-contradicts",
        {"PatientID": "P1", "PatientName": lambda k: ("Doe^Jane", "DOE^JANE^", "Roe^Jane", "")[k]},
        "decision",
        3,
        (("1 Patient ID with several names", 3),),
        {"identifying"},
    ),
    (
        "terms-undefined",
        {"PatientPosition": either("SSS", "HFS")},
        "info",
        2,
        (("PatientPosition SSS", 2),),
        {"patient-positions"},
    ),
    ("terms-undefined", {"LossyImageCompression": "0"}, "info", 4, (("LossyImageCompression 0", 4),), set()),
    (
        "pet-attenuation",
        {**PET, **NO_WINDOW, "CorrectedImage": either(["DECY", "ATTN"], ["DECY"])},
        "decision",
        2,
        (("not corrected", 2), ("corrected", 2)),
        TIMES,
    ),
    (
        "lengths-odd",
        {"SpacingBetweenSlices": 99, "SliceThickness": 2.5},
        "info",
        4,
        (("SpacingBetweenSlices 99", 4),),
        {"step-contradicts"},
    ),
    (
        "derived",
        {"Modality": "PT", "Units": "GML", "SOPClassUID": either(SECONDARY_CAPTURE, PET_IMAGE), **TWO_SERIES},
        "decision",
        2,
        (("ORIGINAL PRIMARY AXIAL", 2), ("original images beside them", 2)),
        set(),
    ),
    ("charset-undefined", {"SpecificCharacterSet": "ISO-IR 100"}, "info", 4, (("ISO-IR 100", 4),), set()),
    *(
        (
            "charset-contradicts",
            {"SpecificCharacterSet": stated, "Manufacturer": Raw("LO", text + b" " * (len(text) % 2))},
            "decision",
            4,
            (("Manufacturer", 4),),
            set(),
        )
        for stated, text in (
            ("ISO_IR 100", "上海医疗".encode("gbk")),
            ("ISO_IR 192", "上海医疗".encode("gbk")),
            (None, "上海医疗".encode("gbk")),
            ("ISO_IR 100", "日本語医療".encode("shift_jis")),
            ("ISO_IR 100", "Müller".encode()),
            ("ISO_IR 100", "Больница".encode("cp1251")),
            (None, "Νοσοκομείο".encode("cp1253")),
            ("ISO_IR 192", "ПЕТРОВА АННА".encode("cp1251")),
            ("ISO_IR 192", "Müller".encode("latin-1")),
        )
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
    for one in findings:  # a copy with the header of its original is selected with it
        assert chosen(catalog, one) == one.files or one.code == "left-out" != code


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
