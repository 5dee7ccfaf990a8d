from __future__ import annotations

import struct
from pathlib import Path

import pytest
from dicom_factory import (
    BIG,
    DEFLATED,
    EXPLICIT,
    IMPLICIT,
    Raw,
    ct_content,
    ct_slice,
    data_set,
    dicom,
    element,
    item,
    write_series,
)

import napari_dicommeta as dm
from napari_dicommeta.dicom.header import MAX_TAGS, Header, is_dicom, parse_header, read_header
from napari_dicommeta.dicom.tags import TagPath
from napari_dicommeta.dicom.values import decode
from napari_dicommeta.support.errors import HeaderError


def parsed(data: bytes) -> Header:
    return parse_header(lambda offset, count: data[offset : offset + count], len(data))


def texts(header: Header) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for one in header.elements:
        path = TagPath.of_key(one.key)
        found.setdefault(path.text, []).append(decode(one.value, path).text)
    return found


@pytest.mark.parametrize("syntax", [EXPLICIT, IMPLICIT, BIG, DEFLATED])
def test_all_native_syntaxes_give_the_same_values(syntax: str) -> None:
    header = parsed(ct_slice(3, syntax))
    found = texts(header)
    assert header.reason == ""
    assert header.transfer_syntax == syntax
    assert found["Rows"] == ["16"]
    assert found["ImagePositionPatient"] == ["-10\\-20\\7.5"]
    assert found["SOPInstanceUID"] == found["MediaStorageSOPInstanceUID"]
    assert "PixelData" not in found
    assert header.pixels is not None
    assert header.pixels.length == 16 * 12 * 2


def test_nothing_but_the_header_is_read() -> None:
    data = ct_slice(0)
    data = data[: -16 * 12 * 2] + b"\0" * (16 * 12 * 2)
    read = []

    def fetch(offset: int, count: int) -> bytes:
        read.append((offset, count))
        return data[offset : offset + count]

    parse_header(fetch, len(data))
    assert read == [(0, len(data))]  # less than one window
    read.clear()
    big = dicom(ct_content(0, PixelData=Raw("OW", b"\0" * 500_000)))
    header = parse_header(lambda o, n: (read.append((o, n)), big[o : o + n])[1], len(big))
    assert read == [(0, 8192)]
    assert header.pixels is not None
    assert header.pixels.offset + 500_000 == len(big)


def test_a_long_header_is_read_on() -> None:
    data = ct_slice(0, **{"00091001": Raw("UT", b"A" * 300_000), "00090010": "X"})
    found = texts(parsed(data))
    assert found["Rows"] == ["16"]
    assert found["(0009,xx01,X)"][0].startswith("300000 bytes, digest")


@pytest.mark.parametrize("explicit", [True, False])
@pytest.mark.parametrize("undefined", [True, False])
def test_sequences_of_defined_and_undefined_length(explicit: bool, undefined: bool) -> None:
    inner = [{"CodeValue": "A"}, {"CodeValue": "B"}]
    raw = b"".join(item(one, explicit) for one in inner)
    end = struct.pack("<HHL", 0xFFFE, 0xE0DD, 0) if undefined else b""
    sequence = Raw("SQ", raw + end, 0xFFFFFFFF if undefined else None)
    data = dicom(ct_content(0, ProcedureCodeSequence=sequence), EXPLICIT if explicit else IMPLICIT)
    found = texts(parsed(data))
    assert found["ProcedureCodeSequence"] == ["2 items"]
    assert found["ProcedureCodeSequence.CodeValue"] == ["A", "B"]
    assert found["Rows"] == ["16"]


def test_every_cut_of_a_header_is_seen_and_nothing_behind_it_is_called_absent() -> None:
    data = ct_slice(0, ProcedureCodeSequence=[{"CodeValue": "A"}])
    whole = parsed(data)
    assert whole.pixels is not None
    for end in range(1, whole.pixels.offset):
        try:
            header = parsed(data[:end])
        except HeaderError:
            assert end < 132, f"cut at {end}"
            continue
        assert header.reason, f"cut at {end} was not seen"
        seen = {one.key for one in header.elements}
        for one in whole.elements:
            if one.key not in seen:
                assert int(one.key[:8], 16) >= header.cut, f"{one.key} would be called absent after a cut at {end}"


def test_cut_pixels_leave_the_header_whole() -> None:
    data = ct_slice(0)
    header = parsed(data[:-10])
    assert header.reason == "the pixel data is cut off: 374 of 384 bytes are present"
    assert texts(header)["RescaleSlope"] == ["1"]


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "the file is empty"),
        (b"This is not a DICOM file.\n" * 50, "no DICM prefix at byte 128"),
        (b"short", "5 bytes are too few"),
        (b"\x89PNG\r\n\x1a\n" + b"\0" * 300, "a PNG image"),
        (b"\0" * 65536, "no DICM prefix"),
        (b'{"a": 1}' * 40, "JSON text"),
    ],
)
def test_what_is_no_dicom_is_refused_with_what_it_is(data: bytes, reason: str) -> None:
    with pytest.raises(HeaderError, match=reason):
        parsed(data)


def test_a_data_set_without_preamble_and_meta_group_is_read() -> None:
    for syntax in (EXPLICIT, IMPLICIT):
        header = parsed(dicom(ct_content(0), syntax, preamble=False))
        assert texts(header)["Modality"] == ["CT"]


def test_a_declared_syntax_that_the_bytes_contradict_is_not_believed() -> None:
    says_explicit = dicom(ct_content(0))[: -len(dicom(ct_content(0), preamble=False))]
    data = says_explicit + dicom(ct_content(0), IMPLICIT, preamble=False)
    assert texts(parsed(data))["Rows"] == ["16"]


def test_a_value_that_declares_more_than_there_is_ends_the_reading_with_a_reason() -> None:
    data = ct_slice(0, StudyDescription=Raw("LO", b"abcd", 60000))
    header = parsed(data)
    assert header.reason == "a value declares more bytes than are left"
    assert header.cut == 0x00080061  # after Modality, the last element read completely


def test_nesting_ends_at_64_levels() -> None:
    deep = b""
    for depth in range(1, 71):
        deep = struct.pack("<HHL", 0xFFFE, 0xE000, len(deep)) + deep
        reason = parsed(dicom(ct_content(0, **{"0040A730": Raw("SQ", deep)}))).reason
        assert bool(reason) == (depth > 64), depth
        deep = element(0x0040A730, Raw("SQ", deep))
    assert reason == "sequences are nested more than 64 deep"


def test_an_image_without_pixel_data_may_have_been_cut_between_two_elements() -> None:
    header = parsed(ct_slice(0, PixelData=None))
    assert header.reason == "no pixel data, although it has Rows: the file may be cut off"
    assert parsed(ct_slice(0, PixelData=None, Rows=None)).reason == (
        "no pixel data, which a CT Image Storage file must hold: the file may be cut off"
    )
    raw_data = ct_content(0, PixelData=None, Rows=None, SOPClassUID="1.2.840.10008.5.1.4.1.1.66")
    assert parsed(dicom(raw_data, preamble=False)).reason == ""


def test_us_or_ss_follows_pixel_representation() -> None:
    for vr in ("US", "SS"):
        signed = ct_slice(0, PixelPaddingValue=Raw(vr, b"\x30\xf8"), PixelRepresentation=1)
        unsigned = ct_slice(0, PixelPaddingValue=Raw(vr, b"\x30\xf8"))
        assert texts(parsed(signed))["PixelPaddingValue"] == ["-2000"]
        assert texts(parsed(unsigned))["PixelPaddingValue"] == ["63536"]


def test_a_folder_is_no_regular_file(tmp_path) -> None:
    with pytest.raises((HeaderError, OSError)):
        read_header(tmp_path)


def test_behind_a_damaged_sequence_pydicom_tells_where_to_go_on() -> None:
    garbage = struct.pack("<HH2sHL", 0x0008, 0x1140, b"SQ", 0, 12) + b"no items now"
    content = ct_content(3, PixelRepresentation=1, PixelPaddingValue=Raw("US", struct.pack("<h", -2000)))
    content["00081140"] = Raw("SQ", b"no items now")
    header = parsed(dicom(content))
    found = texts(header)
    assert header.reason == "a sequence holds something other than items"
    assert dicom(content)[header.offset - 12 : header.offset] == garbage[:12]
    assert header.cut == 0x0008103E + 1  # tags after the last element read stay unknown
    assert found["Rows"] == ["16"]
    assert found["PixelPaddingValue"] == [
        "-2000"
    ]  # Pixel Representation applies to elements before and after the damage
    assert header.pixels is not None


def test_too_deep_nesting_costs_the_sequence_not_the_file() -> None:
    inside: dict[str, object] = {"PatientID": "deep"}
    for _ in range(70):
        inside = {"ReferencedImageSequence": [inside]}
    header = parsed(dicom({**ct_content(0), **inside}))
    assert "nested more than 64 deep" in header.reason
    assert texts(header)["Columns"] == ["12"]
    assert header.pixels is not None


def test_where_pydicom_finds_nothing_either_the_rest_is_unknown() -> None:
    data = ct_slice(0)
    at = data.index(struct.pack("<HH", 0x0008, 0x0060))
    header = parsed(data[:at] + struct.pack("<HH2sHL", 0x0008, 0x1140, b"SQ", 0, 0xFFFFFFFF) + b"no items now" * 5)
    assert header.cut == 0x00080018 + 1
    assert header.pixels is None
    assert "Rows" not in texts(header)


# The data set begins with the SOP Class UID, (0008,0016).
BARE, BARE_EXPLICIT = (
    data_set(ct_content(0, SpecificCharacterSet=None, ImageType=None), explicit) for explicit in (False, True)
)
NO_IMAGE = data_set({"SpecificCharacterSet": "ISO_IR 100", "PatientName": "A^B"})


@pytest.mark.parametrize(
    ("data", "expected", "outcome"),
    [
        (ct_slice(0), True, "ok"),
        (BARE, True, "ok"),
        (BARE_EXPLICIT, True, "ok"),
        (data_set(ct_content(0), little=False), True, "ok"),
        (NO_IMAGE, False, "rejected"),
        (b"hello " * 100, False, "rejected"),
        (b"", False, "rejected"),
        (ct_slice(0)[:-10], True, "partial"),  # in its pixels
        (ct_slice(0)[:400], True, "partial"),  # in its data set
        (ct_slice(0)[:150], True, "partial"),  # in its meta group
        (ct_slice(0)[:132], True, "partial"),  # after its prefix
        (BARE[:-10], True, "partial"),
    ],
    ids=lambda one: f"{len(one)} bytes" if isinstance(one, bytes) else None,
)
def test_a_file_is_dicom_where_a_scan_counts_it(tmp_path: Path, data: bytes, expected: bool, outcome: str) -> None:
    assert BARE[:4] == BARE_EXPLICIT[:4] == b"\x08\0\x16\0"
    path = tmp_path / "x"
    path.write_bytes(data)
    catalog = dm.scan(path)
    assert is_dicom(path) is expected is (catalog.n_files == 1)
    assert {name: n for name, n in catalog.outcomes.items() if n} == {outcome: 1}


def test_a_folder_or_a_path_that_is_gone_is_no_dicom_file(tmp_path: Path) -> None:
    assert (is_dicom(tmp_path), is_dicom(tmp_path / "gone"), is_dicom("a\0b")) == (False, False, False)


def test_a_damaged_uid_is_not_printed() -> None:
    """Warnings of pydicom carry the value."""
    import warnings

    uid = "1.2.840.10008.5.1.4\x021.1.2"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        header = parsed(dicom({"SOPClassUID": Raw("UI", uid.encode())}))
        assert texts(header)["SOPClassUID"] == [uid]


def test_more_tags_than_any_real_file_has_are_told_and_the_image_opens(tmp_path: Path) -> None:
    changes: dict[str, object] = {f"0009{block:02x}{n:02x}": "x" for block in range(0x10, 0x2A) for n in range(256)}
    changes |= {f"000900{block:02x}": f"MAKER {block}" for block in range(0x10, 0x2A)}
    path = tmp_path / "many.dcm"
    path.write_bytes(ct_slice(0, **changes))
    catalog = dm.scan(path)
    (partial,) = catalog.partial
    assert partial.reason.startswith("more than 5,000 different tags: from (0009,xx")
    standard = len(dm.scan(write_series(tmp_path / "plain", 1)[0]).tags())
    assert MAX_TAGS < len(catalog.tags()) <= MAX_TAGS + standard
    assert dict(catalog.values("(0009,xx01,MAKER 16)")) == {"x": 1}
    assert catalog.values("(0009,xx01,MAKER 41)").unknown == 1
    assert dict(catalog.values("Rows")) == {"16": 1}
    (volume,) = dm.load(path)
    assert volume.array.shape == (1, 16, 12)


def test_an_element_of_the_file_meta_group_in_the_data_set_is_damage() -> None:
    whole = ct_slice(0)
    at = whole.index(b"\2\0\3\0UI")
    damaged = bytearray(whole)
    damaged[at + 1] = 0x40  # (4002,0003): the group seems to end here, before the transfer syntax
    header = parsed(bytes(damaged))
    assert header.reason == "the data set holds an element of the file meta group, (0002,0010)"
    assert header.offset > at
    assert parsed(whole).reason == ""
