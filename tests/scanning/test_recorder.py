from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from dicom_factory import BIG, EXPLICIT, IMPLICIT, Raw, ct_content, ct_slice, dicom, write_series
from group_files import sequence
from hypothesis import given, settings
from hypothesis import strategies as st
from recorders import CountingRecorder, LoopRecorder, both

from napari_dicommeta.catalog.catalog import Catalog
from napari_dicommeta.dicom.file_buffer import FileBuffer
from napari_dicommeta.dicom.header import parse_buffer
from napari_dicommeta.scanning import first_reads
from napari_dicommeta.scanning.first_reads import FirstReads
from napari_dicommeta.scanning.recorder import Recorder
from napari_dicommeta.scanning.tables import catalog_of_recordings


def catalog_of(paths: list[Path], *, layouts: bool = True) -> Catalog:
    recorder = Recorder() if layouts else LoopRecorder()
    for path in paths:
        recorder.read(str(path))
    return catalog_of_recordings([recorder.take()])


def test_layouts_change_nothing_but_the_speed(tmp_path: Path) -> None:
    paths = write_series(tmp_path / "a", 20, WindowCenter=lambda k: [40, k], ProcedureCodeSequence=[{"CodeValue": "A"}])
    paths += write_series(tmp_path / "b", 5, PixelRepresentation=1, PixelPaddingValue=Raw("US", b"\x30\xf8"))
    paths += write_series(tmp_path / "c", 5, PixelRepresentation=0, PixelPaddingValue=Raw("US", b"\x30\xf8"))
    quick, slow = catalog_of(paths), catalog_of(paths, layouts=False)
    for by in ("meaning", "spelling"):
        assert quick.to_arrow(by).to_pydict() == slow.to_arrow(by).to_pydict()
    assert dict(quick.values("PixelPaddingValue")) == {"-2000": 5, "63536": 5}


def test_files_of_one_series_take_the_quick_way(tmp_path: Path) -> None:
    paths = write_series(tmp_path, 20)
    recorder = CountingRecorder()
    for path in paths:
        recorder.read(str(path))
    assert recorder.loops == 2  # the second header of a kind makes its layout


def test_other_lengths_and_several_items_take_the_quick_way_too(tmp_path: Path) -> None:
    items = [{"CodeValue": "A"}, {"CodeValue": "BCD"}]
    changes = {"DeidentificationMethodCodeSequence": items, "00091010": Raw("OB", b"\1" * 400), "00090010": "X"}
    paths = write_series(tmp_path, 40, ProtocolName=lambda k: "x" * 2 * k, StudyID=lambda k: "y" * (k % 7), **changes)
    recorder = CountingRecorder()
    for path in paths:
        recorder.read(str(path))
    assert recorder.loops == 2
    quick, slow = catalog_of_recordings([recorder.take()]), catalog_of(paths, layouts=False)
    assert quick.to_arrow("spelling").to_pydict() == slow.to_arrow("spelling").to_pydict()
    assert dict(quick.values("DeidentificationMethodCodeSequence.CodeValue")) == {"A": 40, "BCD": 40}
    for name in ("pixel_offset", "pixel_length", "cut"):
        assert quick.file_column(name).tolist() == slow.file_column(name).tolist()
    assert np.array_equal(np.sort(quick.file_column("pixel_offset") + 384), np.sort(quick.file_column("size")))


def test_long_headers_take_the_quick_way() -> None:
    long = [Raw("OB", bytes([k]) * 20_000) for k in range(10)]
    files = [ct_slice(k, **{"00290010": "SIEMENS CSA HEADER", "00291020": long[k // 5]}) for k in range(10)]
    recorder, catalog = both(files)
    assert recorder.loops == 2
    assert sorted(dict(catalog.values("(0029,xx20,SIEMENS CSA HEADER)")).values()) == [5, 5]


@pytest.mark.parametrize("undefined", [False, True])
@pytest.mark.parametrize("syntax", [EXPLICIT, IMPLICIT])
def test_values_of_other_lengths_within_sequences_take_the_quick_way(syntax: str, undefined: bool) -> None:
    def nested(k: int) -> dict[str, Any]:
        inner = {"CodeValue": "x" * 2 * (k % 4), "CodeMeaning": "y" * 2 * (k % 3)}
        outer = {
            "PurposeOfReferenceCodeSequence": sequence([inner], syntax, undefined),
            "ReferencedSOPInstanceUID": "1." * (k % 5) + "1",
        }
        return {"ReferencedImageSequence": sequence([outer], syntax, undefined), "StudyID": "z" * (k % 2)}

    recorder, catalog = both([ct_slice(k, syntax, **nested(k)) for k in range(40)])
    assert recorder.loops == 2
    path = "ReferencedImageSequence.PurposeOfReferenceCodeSequence.CodeValue"
    assert set(dict(catalog.values(path)).values()) == {10}


def test_images_of_other_sizes_take_the_quick_way() -> None:
    def image(k: int) -> bytes:
        return ct_slice(0, Rows=8 + k, Columns=10, PixelData=Raw("OW", b"\0" * 2 * (8 + k) * 10))

    recorder, catalog = both([image(k) for k in range(20)])
    assert recorder.loops == 2
    assert catalog.file_column("pixel_length").tolist() == [20 * (8 + k) for k in range(20)]


def test_a_length_that_does_not_fit_its_sequence_is_no_layout() -> None:
    items = [sequence([{"CodeValue": "x" * 2 * (k % 4)}], EXPLICIT, False) for k in range(8)]
    files = [ct_slice(k, ProcedureCodeSequence=one, StudyID="a") for k, one in enumerate(items)]
    at = files[3].index(b"\x08\x00\x00\x01SH") + 6
    wrong = files[3][:at] + bytes([files[3][at] - 2]) + files[3][at + 1 :]
    recorder, _ = both([*files, wrong, *files])
    assert recorder.loops == 3


def test_layouts_outlive_a_recording(tmp_path: Path) -> None:
    paths = write_series(tmp_path, 12)
    recorder = CountingRecorder()
    parts = []
    for start in (0, 4, 8):
        for path in paths[start : start + 4]:
            recorder.read(str(path))
        parts.append(recorder.take())
    assert recorder.loops == 2
    one = catalog_of(paths, layouts=False)
    assert catalog_of_recordings(parts).to_arrow("spelling").to_pydict() == one.to_arrow("spelling").to_pydict()


def test_items_like_earlier_ones_keep_their_distinct_values() -> None:
    """Frames whose positions differ in length, and some that hold other elements, in one enhanced image."""
    frames = [
        {
            "PlanePositionSequence": [{"ImagePositionPatient": [0, 0, k * 1.25]}],
            "FrameContentSequence": [{"InStackPositionNumber": k, "DimensionIndexValues": [1, k]}],
            **({"FrameAnatomySequence": [{"FrameLaterality": "U"}]} if k % 7 == 3 else {}),
        }
        for k in range(60)
    ]
    for undefined in (False, True):
        content = {"PerFrameFunctionalGroupsSequence": sequence(frames, EXPLICIT, undefined), "NumberOfFrames": 60}
        data = ct_slice(0, **content)
        _, catalog = both([data, ct_slice(1), data])
        counts = catalog.values("PerFrameFunctionalGroupsSequence.PlanePositionSequence.ImagePositionPatient")
        assert len(dict(counts)) == 60
        assert set(dict(counts).values()) == {2}
        header = parse_buffer(FileBuffer(lambda at, n, data=data: data[at : at + n], len(data), data), compact=True)  # type: ignore[misc]
        assert len(header.elements) < 200  # nearly all items were stepped over


def test_items_with_their_own_character_set_or_sign_are_read_one_by_one() -> None:
    own = {"SpecificCharacterSet": "ISO_IR 101", "CodeMeaning": Raw("LO", b"M\xf5ller")}
    plain = {"CodeMeaning": Raw("LO", b"M\xf5ller")}
    _, catalog = both([ct_slice(0, ProcedureCodeSequence=[plain, plain, plain, own, own, own, plain])])
    assert set(dict(catalog.values("ProcedureCodeSequence.CodeMeaning"))) == {"Mõller", "Mőller"}


def test_the_first_read_grows_to_what_the_folder_needs(tmp_path: Path) -> None:
    path = tmp_path / "a.dcm"
    path.write_bytes(b"x" * 100_000)
    reads = FirstReads()
    assert len(reads.window(str(path))[2]) == 8192
    reads.learn(str(tmp_path / "b.dcm"), 5_000, 30_000)
    assert len(reads.window(str(path))[2]) == 32_768
    reads.learn(str(tmp_path / "c.dcm"), 100_000, 500)  # a file of this size has a short header
    assert len(reads.window(str(path))[2]) == 8192


def test_what_is_kept_of_folders_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(first_reads, "MAX_NAME_BYTES", 10_000)
    reads = FirstReads()
    for n in range(1000):
        reads.learn(f"/{n:0999}/x.dcm", 7, 30_000)
        assert sum(map(len, reads._by_folder)) <= 10_000
    assert reads.count(f"/{999:0999}/x.dcm", 8) == 32_768


@pytest.mark.slow
@settings(max_examples=100, deadline=None)
@given(st.data())
def test_any_change_of_bytes_is_read_the_same_either_way(data: st.DataObject) -> None:
    items = [{"CodeValue": "A"}, {"CodeValue": "B"}]
    one = ct_slice(0, PixelRepresentation=1, ProcedureCodeSequence=items, PatientName=Raw("PN", b"\xc4^\xd6 "))
    other = bytearray(ct_slice(data.draw(st.integers(0, 999)), ProcedureCodeSequence=items, PatientName="Doe^Jim"))
    for _ in range(data.draw(st.integers(0, 3))):
        at, new = data.draw(st.integers(132, len(other) - 400)), data.draw(st.binary(max_size=4))
        other[at : at + data.draw(st.integers(0, 4))] = new
    files = [one, one, ct_slice(7), bytes(other), bytes(other), one]

    def shown(layouts: bool) -> object:
        recorder = Recorder() if layouts else LoopRecorder()
        for number, raw in enumerate(files):
            window = len(raw), 0, raw[:8192], "", "", raw[-32:]
            recorder.take_in(str(number), window) if raw[128:132] == b"DICM" else None
        catalog = catalog_of_recordings([recorder.take()])
        numbers = [catalog.file_column(name).tolist() for name in ("pixel_offset", "pixel_length", "cut")]
        return catalog.to_arrow("spelling").to_pydict(), catalog.partial, catalog.failures, numbers

    assert shown(True) == shown(False)


def test_another_character_set_is_another_layout(tmp_path: Path) -> None:
    one = dicom(ct_content(0, PatientName=Raw("PN", b"M\xfcller ")))
    other = one.replace(b"ISO_IR 100", b"ISO_IR 101")
    (tmp_path / "a.dcm").write_bytes(one)
    (tmp_path / "b.dcm").write_bytes(other.replace(b"M\xfcller", b"M\xf5ller"))
    paths = [tmp_path / name for name in ("a.dcm", "a.dcm", "b.dcm")]
    assert dict(catalog_of(paths).values("PatientName")) == {
        "Müller": 2,
        "Mőller": 1,
    }


def test_a_nested_tag_counts_a_file_once_for_each_distinct_value(tmp_path: Path) -> None:
    codes = [{"CodeValue": "A"}, {"CodeValue": "B"}, {"CodeValue": "A"}]
    (tmp_path / "a.dcm").write_bytes(ct_slice(0, ProcedureCodeSequence=codes))
    (tmp_path / "b.dcm").write_bytes(ct_slice(1, ProcedureCodeSequence=codes[:1]))
    counts = catalog_of([tmp_path / "a.dcm", tmp_path / "b.dcm"]).values("ProcedureCodeSequence.CodeValue")
    assert dict(counts) == {"A": 2, "B": 1}


def test_each_file_has_one_outcome(tmp_path: Path) -> None:
    (tmp_path / "ok.dcm").write_bytes(ct_slice(0))
    (tmp_path / "cut.dcm").write_bytes(ct_slice(1)[:500])
    (tmp_path / "text.dcm").write_bytes(b"hello " * 100)
    names = ["ok.dcm", "cut.dcm", "text.dcm", "gone.dcm"]
    catalog = catalog_of([tmp_path / name for name in names] + [tmp_path])
    expected = {"ok": 1, "partial": 1, "rejected": 1, "skipped": 1, "vanished": 1, "timed out": 0}
    assert catalog.outcomes == expected
    assert catalog.values("RescaleSlope").unknown == 1
    assert catalog.values("RescaleSlope").absent == 0
    assert np.all(catalog.file_column("pixel_offset")[1:] > 0)


def same_either_way(tmp_path: Path, first: bytes, second: bytes) -> Catalog:
    """Both files read with and without what was learnt from the first; the values must be equal."""
    assert len(first) == len(second)
    paths = [tmp_path / name for name in ("1.dcm", "1 again.dcm", "2.dcm")]
    for path, data in zip(paths, (first, first, second), strict=True):
        path.write_bytes(data)
    quick, slow = catalog_of(paths), catalog_of(paths, layouts=False)
    assert quick.to_arrow().to_pydict() == slow.to_arrow().to_pydict()
    assert quick.partial == slow.partial
    assert quick.outcomes == slow.outcomes
    return quick


def test_elements_behind_the_pixels_are_read_either_way(tmp_path: Path) -> None:
    from dicom_factory import element

    trailing = element(0x7FE10010, "X") + element(0xFFFCFFFC, Raw("OB", b"\0" * 10))
    catalog = same_either_way(tmp_path, ct_slice(0) + trailing, ct_slice(1) + trailing)
    assert dict(catalog.values("(FFFC,FFFC)")) == {"00 00 00 00 00 00 00 00 00 00": 3}
    assert catalog.outcomes["ok"] == 3


def test_another_sop_class_is_another_layout(tmp_path: Path) -> None:
    content = {"PixelData": None, "Rows": None}
    report = ct_slice(0, SOPClassUID="1.2.840.10008.5.1.4.1.1.66", **content)
    image = ct_slice(0, SOPClassUID="1.2.840.10008.5.1.4.1.1.2", **content)
    report, image = (
        data.replace(b"1.2.840.10008.5.1.4.1.1.2\0", uid)
        for data, uid in ((report, b"1.2.840.10008.5.1.4.1.1.66"), (image, b"1.2.840.10008.5.1.4.1.1.2\0"))
    )
    catalog = same_either_way(tmp_path, report, image)
    assert [Path(one.path).name for one in catalog.partial] == ["2.dcm"]


def test_values_of_undefined_length_are_read_either_way(tmp_path: Path) -> None:
    import struct

    def with_value(inner: bytes) -> bytes:
        end = struct.pack("<HHL", 0xFFFE, 0xE0DD, 0)
        return ct_slice(0, **{"00091001": Raw("OB", inner + end, 0xFFFFFFFF), "00090010": "X"})

    same_either_way(tmp_path, with_value(b"\0" * 24), with_value(b"\0" * 8 + b"\xfe\xff\xdd\xe0\0\0\0\0" + b"\0" * 8))


def test_an_un_value_that_hides_items_is_read_either_way(tmp_path: Path) -> None:
    items = b"\xfe\xff\x00\xe0\x08\x00\x00\x00\x08\x00\x00\x01\x00\x00\x00\x00"
    plain = ct_slice(0, ProcedureCodeSequence=Raw("UN", b"\0" * 16))
    hidden = ct_slice(0, ProcedureCodeSequence=Raw("UN", items))
    catalog = same_either_way(tmp_path, plain, hidden)
    assert catalog.values("ProcedureCodeSequence")["1 item"] == 1


def test_what_is_lost_behind_a_wrong_length_is_unknown_not_absent(tmp_path: Path) -> None:
    data = ct_slice(0, Manufacturer="Maker ")
    at = data.index(b"\x08\x00\x70\x00LO") + 6
    for change in (1, 2, 3, 200):
        (tmp_path / "x.dcm").write_bytes(data[:at] + bytes([6 + change]) + data[at + 1 :])
        catalog = catalog_of([tmp_path / "x.dcm"])
        for tag in ("Rows", "RescaleSlope", "PixelSpacing"):
            counts = catalog.values(tag)
            assert counts.absent == 0, (change, tag)
            assert dict(counts) or counts.unknown == 1, (change, tag)


def test_big_endian_headers_take_the_quick_way() -> None:
    def nested(k: int) -> dict[str, Any]:
        return {"ReferencedImageSequence": sequence([{"ReferencedSOPInstanceUID": "1." * (k % 5) + "1"}], BIG, False)}

    changes = {"00090010": "MAKER", "00091001": Raw("US", b"\1\2"), "PixelRepresentation": 1}
    changes["PixelPaddingValue"] = Raw("US", b"\xf8\x30")
    recorder, catalog = both([ct_slice(k, BIG, StudyID="z" * (k % 3), **changes, **nested(k)) for k in range(30)])
    assert recorder.loops == 2
    assert dict(catalog.values("(0009,xx01,MAKER)")) == {"258": 30}
    assert dict(catalog.values("PixelPaddingValue")) == {"-2000": 30}
    assert set(dict(catalog.values("ReferencedImageSequence.ReferencedSOPInstanceUID")).values()) == {6}


def test_a_private_creator_that_looks_like_a_tag_loses_no_file() -> None:
    for changes in ({"00090010": "SYNGO0010", "00091001": "ab"}, {"00090010": "X", "00091000": "ab"}):
        _, catalog = both([ct_slice(k, **changes) for k in range(5)])
        assert catalog.n_files == 5
        assert not catalog.failures


def test_bytes_after_the_pixels_are_read_in_each_file() -> None:
    from dicom_factory import element

    padding = element(0xFFFCFFFC, Raw("OB", b"\0" * 10))
    zeros = b"\0" * len(padding)
    _, catalog = both([ct_slice(k) + (padding if k == 2 else zeros) for k in range(4)])
    assert catalog.values("(FFFC,FFFC)").absent == 3


def test_a_pixel_length_of_16_bits_is_read_in_each_file() -> None:
    _, catalog = both([ct_slice(k, PixelData=Raw("US", b"\1\2" * 96)) for k in range(6)])
    assert set(catalog.file_column("pixel_length").tolist()) == {192}


def test_elements_before_the_character_set_have_none() -> None:
    changes = {"SpecificCharacterSet": "ISO_IR 101", "00050010": "X", "00051001": Raw("LO", b"M\xf5ll")}
    _, catalog = both([ct_slice(k, **changes) for k in range(4)])
    assert sum(dict(catalog.values("(0005,xx01,X)")).values()) == 4


def test_many_items_are_counted_once() -> None:
    from dicom_factory import item

    one = item({"PlanePositionSequence": [{}], "FrameContentSequence": [{}], "PixelMeasuresSequence": [{}]})
    _, catalog = both([ct_slice(0, PerFrameFunctionalGroupsSequence=Raw("SQ", one * 60_000))])
    assert catalog.outcomes["ok"] == 1
