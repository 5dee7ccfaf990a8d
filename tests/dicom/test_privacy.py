from __future__ import annotations

import subprocess
import sys
from importlib import resources

import pytest
from pydicom.datadict import dictionary_VR, tag_for_keyword

from napari_dicommeta.dicom import privacy
from napari_dicommeta.dicom.privacy import in_table, is_binary, is_identifying, is_protected, is_registered
from napari_dicommeta.dicom.tags import TagPath


@pytest.mark.parametrize(
    ("tag", "vr", "expected"),
    [
        # private elements of any VR, and everything inside a private sequence
        ("(0009,xx01,GEMS_IDEN_01)", "LO", True),
        ("(0019,xx02,SIEMENS MR HEADER)", "DS", True),
        ("(0029,1010)", "CS", True),
        ("(0021,xx10,PHILIPS).CodeValue", "SH", True),
        # in the table, although the VR is technical
        ("PatientName", "PN", True),
        ("PatientID", "LO", True),
        ("PatientSex", "CS", True),
        ("PatientWeight", "DS", True),
        ("PregnancyStatus", "US", True),
        ("StudyDescription", "LO", True),
        ("SeriesDescription", "LO", True),
        ("ProtocolName", "LO", True),
        ("ContrastBolusAgent", "LO", True),
        ("DeviceSerialNumber", "LO", True),
        ("SOPInstanceUID", "UI", True),
        ("FrameOfReferenceUID", "UI", True),
        ("(0010,0011)", "UN", True),  # newer than pydicom's dictionary
        ("(6002,4000)", "LT", True),
        ("(6002,3000)", "OW", True),
        ("(5004,0005)", "US", True),
        ("(6002,0010)", "US", False),
        # inside a sequence in the table
        ("ContentSequence.NumericValue", "DS", True),
        ("RequestAttributesSequence.ScheduledProtocolCodeSequence.CodeValue", "SH", True),
        ("ReferencedImageSequence.ReferencedSOPClassUID", "UI", True),
        # by VR: as stored, or as in the dictionary
        ("PatientAge", "AS", True),
        ("StudyDate", "DA", True),
        ("CalibrationDate", "DA", True),
        ("SourceApplicationEntityTitle", "AE", True),
        ("Modality", "PN", True),
        ("ErrorComment", "CS", True),
        ("DataElementName", "DS", True),
        # UIDs
        ("SOPClassUID", "UI", False),
        ("TransferSyntaxUID", "UI", False),
        ("MappingResourceUID", "UI", False),
        ("ImplementationClassUID", "UI", True),
        ("VolumeFrameOfReferenceUID", "UI", True),
        # free text, and short texts on and off the list of technical attributes
        ("PixelDataProviderURL", "UR", True),
        ("DerivationDescription", "ST", True),
        ("RadiationMachineName", "SH", True),
        ("ConvolutionKernel", "SH", False),
        ("ConvolutionKernel", "UN", False),
        ("ConvolutionKernel", "LT", True),
        ("WindowCenterWidthExplanation", "LO", False),
        ("ProcedureCodeSequence.CodeMeaning", "LO", False),
        ("(0018,9FFF)", "UN", True),
        ("(0018,9FFF)", "??", True),
        # file names
        ("DirectoryRecordSequence.ReferencedFileID", "CS", True),
        ("FileSetID", "CS", True),
        # technical
        ("RescaleSlope", "DS", False),
        ("RescaleSlope", "UN", False),
        ("PixelPaddingValue", "US or SS", False),
        ("PixelPaddingValue", "implicit", False),
        ("FrameIncrementPointer", "AT", False),
        ("SharedFunctionalGroupsSequence", "SQ", False),
        ("SharedFunctionalGroupsSequence.PixelMeasuresSequence.PixelSpacing", "DS", False),
        ("Modality", "CS", False),
        ("RedPaletteColorLookupTableData", "OW", False),
    ],
)
def test_who_is_named_and_who_is_not(tag: str, vr: str, expected: bool) -> None:
    assert is_identifying(TagPath.parse(tag), vr) is expected


def test_the_table_is_that_of_the_package() -> None:
    source = pytest.importorskip("dicomanonymizer.dicom_anonymization_databases.dicomfields_2026c")
    tags, patterns = privacy._table()
    theirs = {(tag[0] << 16 | tag[1], *(tag[2] << 16 | tag[3] for _ in tag[2:3])) for tag in source.ALL_TAGS}
    assert {(tag,) for tag in tags} | set(patterns) == theirs
    assert len(tags) + len(patterns) == 655


def test_the_table_names_its_source_license_and_edition_and_its_keywords_are_right() -> None:
    text = resources.files("napari_dicommeta.dicom").joinpath("privacy_table.csv").read_text("utf-8")
    head = [line for line in text.splitlines() if line.startswith("#")]
    for words in ("PS3.15 Table E.1-1", "edition 2026c", "dicom-anonymizer 2.1.0", "BSD-3-Clause", "Kitware"):
        assert any(words in line for line in head)
    rows = [line.split(",") for line in text.splitlines()[len(head) + 1 :]]
    assert rows == sorted(rows)
    assert all(tag_for_keyword(keyword) == int(tag, 16) for tag, keyword in rows if keyword)
    assert all(in_table(int(tag.replace("x", "0"), 16)) for tag, _ in rows)
    assert not in_table(tag_for_keyword("RescaleSlope"))


def test_reviewed_texts_are_short_texts_outside_the_table() -> None:
    for keyword in privacy._TECHNICAL_TEXT:
        tag = tag_for_keyword(keyword)
        assert tag is not None, keyword
        assert dictionary_VR(tag) in ("LO", "SH"), keyword
        assert not in_table(tag), keyword


@pytest.mark.parametrize(
    ("tag", "vr", "expected"),
    [
        ("RedPaletteColorLookupTableData", "OW", True),
        ("ICCProfile", "OB", True),
        ("ICCProfile", "UN", True),
        ("(0018,9FFF)", "UN", True),
        ("RescaleSlope", "UN", False),
        ("PixelPaddingValue", "UN", False),
        ("ConvolutionKernel", "SH", False),
    ],
)
def test_bytes_without_a_text_are_binary(tag: str, vr: str, expected: bool) -> None:
    assert is_binary(TagPath.parse(tag), vr) is expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1.2.840.10008.5.1.4.1.1.2", True),
        ("1.2.840.10008.1.2.1\\1.2.840.10008.1.2", True),
        ("", True),
        ("1.2.840.10008.5.1.4.1.1.2.999999", False),
        ("1.2.840.10008.5.1.4.1.1.2\\1.2.3", False),
        ("1.2.840.113619.5.2", False),
        ("Doe^Jane", False),
    ],
)
def test_only_uids_of_the_register_are_registered(text: str, expected: bool) -> None:
    assert is_registered(text) is expected


def test_private_levels_and_levels_in_the_table_protect_what_is_inside() -> None:
    assert is_protected(TagPath.parse("ContentSequence.RescaleSlope"))
    assert is_protected(TagPath.parse("SharedFunctionalGroupsSequence.(0021,xx10,PHILIPS)"))
    assert not is_protected(TagPath.parse("SharedFunctionalGroupsSequence.PixelMeasuresSequence"))


def test_the_package_and_the_scanning_process_do_not_load_the_table() -> None:
    imports = "import sys, napari_dicommeta, napari_dicommeta.scanning.worker"
    code = f"{imports}; print('napari_dicommeta.dicom.privacy' in sys.modules)"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert out.strip() == "False"
    code = "import napari_dicommeta.dicom.privacy as p; print(p._table.cache_info().currsize)"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert out.strip() == "0"
