"""Files without pixels that were cut between two elements, and elements that are in a file twice."""

from __future__ import annotations

from typing import Any

import pytest
from dicom_factory import RT_DOSE, Raw, ct_content, ct_slice, data_set, dicom, file_meta

from napari_dicommeta.dicom.file_buffer import FileBuffer
from napari_dicommeta.dicom.header import Header, parse_buffer, parse_header
from napari_dicommeta.dicom.required_elements import LAST, LAST_OF_KIND
from napari_dicommeta.dicom.uids import EXPLICIT

STORAGE = "1.2.840.10008.5.1.4.1.1."
NOT_IMAGES: dict[str, tuple[str, dict[str, Any]]] = {
    STORAGE + "88.33": (
        "no Content Sequence, which a Comprehensive SR Storage file must hold",
        {"CompletionFlag": "COMPLETE", "VerificationFlag": "UNVERIFIED", "ContentSequence": [{"ValueType": "TEXT"}]},
    ),
    STORAGE + "481.3": (
        "no RT ROI Observations Sequence, which a RT Structure Set Storage file must hold",
        {
            "StructureSetLabel": "A",
            "ROIContourSequence": [{"ReferencedROINumber": 1}],
            "RTROIObservationsSequence": [{"ObservationNumber": 1}],
        },
    ),
    RT_DOSE: (
        "no Dose Summation Type, which a RT Dose Storage file must hold",
        {"DoseUnits": "GY", "DoseType": "PHYSICAL", "DoseSummationType": "PLAN"},
    ),
}


def parsed(raw: bytes) -> Header:
    return parse_header(lambda offset, count: raw[offset : offset + count], len(raw))


@pytest.mark.parametrize("sop_class", NOT_IMAGES)
def test_each_cut_between_two_elements_is_partial(sop_class: str) -> None:
    reason, own = NOT_IMAGES[sop_class]
    content = {
        "SOPClassUID": sop_class,
        "SOPInstanceUID": "1.2.3",
        "Modality": "OT",
        "PatientName": "Doe^Jane",
        "SeriesInstanceUID": "1.2.4",
        **own,
    }
    head = bytes(128) + b"DICM" + file_meta(EXPLICIT, "1.2.3", sop_class)
    assert parsed(head + data_set(content)).reason == ""
    for count in range(1, len(content)):
        header = parsed(head + data_set(dict(list(content.items())[:count])))
        assert (header.reason, header.cut >= 0) == (f"{reason}: the file may be cut off", True)


def test_a_dose_cut_before_its_pixels_is_partial() -> None:
    changes = {"SOPClassUID": RT_DOSE, "DoseUnits": "GY", "DoseType": "PHYSICAL", "DoseSummationType": "PLAN"}
    assert parsed(ct_slice(0, **changes)).reason == ""
    reason = "no pixel data, although it has Rows: the file may be cut off"
    assert parsed(ct_slice(0, **changes, PixelData=None)).reason == reason


def test_the_names_are_those_of_the_dictionary() -> None:
    from pydicom.datadict import dictionary_description

    for key, name in (*LAST.values(), *LAST_OF_KIND.values()):
        assert dictionary_description(int(key, 16)) == name


def twice(tag: str, raw: bytes, at: int) -> bytes:
    """Return a file with one more element, put in before the element with the tag `at`."""
    elements = data_set({tag: Raw("LO", raw)})
    file = ct_slice(0)
    place = file.index(bytes((at >> 16 & 0xFF, at >> 24, at & 0xFF, at >> 8 & 0xFF)), 400)
    return file[:place] + elements + file[place:]


@pytest.mark.parametrize("at", [0x0020000D, 0x00280010, 0x7FE00010])
def test_an_element_twice_in_one_file_is_named(at: int) -> None:
    header = parsed(twice("PatientID", b"other ", at))
    assert header.reason == "the element (0010,0020) is in the data set twice"
    assert header.offset > 0
    assert header.cut == -1
    assert header.pixels is not None


def test_an_element_twice_in_the_meta_group_and_pixel_data_twice_are_named() -> None:
    raw = ct_slice(0)
    meta = data_set({"00020013": Raw("SH", b"A ")})
    place = raw.index(b"\x08\x00\x05\x00CS")
    assert parsed(raw[:place] + meta + meta + raw[place:]).reason == "the element (0002,0013) is in the data set twice"
    pixels = data_set({"PixelData": ct_content(0)["PixelData"]})
    assert parsed(raw + pixels).reason == "the pixel data is in the data set twice"


def test_a_private_element_in_two_blocks_of_one_creator_is_no_repetition() -> None:
    blocks = {f"0009{n:04x}": Raw("LO", b"ACME") for n in (0x10, 0x11)}
    elements = {f"0009{n:04x}": Raw("LO", b"x ") for n in (0x1001, 0x1101)}
    assert parsed(dicom(ct_content(0, **blocks, **elements))).reason == ""


@pytest.mark.parametrize("is_compact", [False, True])
@pytest.mark.parametrize("last", ["CodeMeaning", "ContextGroupExtensionFlag"])
def test_an_element_twice_in_an_item_is_named(is_compact: bool, last: str) -> None:
    def item(*parts: dict[str, Any]) -> bytes:
        raw = b"".join(map(data_set, parts))
        return b"\xfe\xff\x00\xe0" + len(raw).to_bytes(4, "little") + raw

    code = {"CodeValue": "A1", "CodeMeaning": "x"}
    sound, odd = item(code), item(code, {last: "Y "})
    nested = item({"PurposeOfReferenceCodeSequence": Raw("SQ", sound + odd)})
    reason = "the element (0008,0104) is twice in an item of ({})" if last == "CodeMeaning" else ""
    for outer, inner, tag in ((sound, odd, "0008,1032"), (sound, nested, "0040,a170")):
        raw = dicom(ct_content(0, ProcedureCodeSequence=Raw("SQ", outer * 20 + inner + outer * 20)))
        header = parse_buffer(FileBuffer(lambda at, n, raw=raw: raw[at : at + n], len(raw), raw), compact=is_compact)  # type: ignore[misc]
        assert header.reason == reason.format(tag)
        if reason:
            assert raw[header.offset : header.offset + 2] == b"Y "
        assert header.pixels is not None


def test_a_private_element_in_two_blocks_of_an_item_is_no_repetition() -> None:
    blocks = {f"0009{n:04x}": Raw("LO", b"ACME") for n in (0x10, 0x11)}
    elements = {f"0009{n:04x}": Raw("LO", b"x ") for n in (0x1001, 0x1101)}
    assert parsed(dicom(ct_content(0, ProcedureCodeSequence=[{**blocks, **elements}]))).reason == ""
