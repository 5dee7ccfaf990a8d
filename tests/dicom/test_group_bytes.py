from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from dicom_factory import AXIAL, BIG, DEFLATED, EXPLICIT, IMPLICIT, Raw, dose, groups
from group_files import columns_by_pydicom, columns_of, grouped, is_usual, texts_by_pydicom
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from napari_dicommeta.dicom import functional_groups, group_bytes
from napari_dicommeta.dicom.functional_groups import read_frame_texts
from napari_dicommeta.support.errors import FunctionalGroupsError

SYNTAXES = (EXPLICIT, IMPLICIT, BIG, DEFLATED)
B_VALUE = "(0019,xx0C,SIEMENS MR HEADER)"


@pytest.fixture(autouse=True)
def _empty_cache() -> Iterator[None]:
    functional_groups._cache.clear()
    yield
    functional_groups._cache.clear()


def written(tmp_path: Path, content: bytes) -> Path:
    path = tmp_path / "x.dcm"
    path.write_bytes(content)
    return path


def placed(k: int, **more: Any) -> dict[str, Any]:
    return groups(ImagePositionPatient=[-10, -20, 2.5 * k], WindowCenter=40 + k, WindowWidth=400, **more)


@pytest.mark.parametrize("undefined", [False, True])
@pytest.mark.parametrize("syntax", SYNTAXES)
def test_all_encodings_give_the_same_texts(
    tmp_path: Path, syntax: str, undefined: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    frames = [
        placed(k, FrameType=["ORIGINAL", "PRIMARY"], EffectiveEchoTime=10.5, TemporalPositionIndex=k % 2 + 1)
        for k in range(4)
    ]
    shared = groups(ImageOrientationPatient=AXIAL, PixelSpacing=["0.750", "5E-1"], RescaleSlope=1, RescaleIntercept=-7)
    path = written(tmp_path, grouped(frames, shared, syntax, undefined))
    assert is_usual(path, 4)
    columns = columns_of(path, 4)
    assert columns == {
        "ImagePositionPatient": ["-10\\-20\\0", "-10\\-20\\2.5", "-10\\-20\\5", "-10\\-20\\7.5"],
        "ImageOrientationPatient": ["1\\0\\0\\0\\1\\0"] * 4,
        "PixelSpacing": ["0.75\\0.5"] * 4,
        "WindowCenter": ["40", "41", "42", "43"],
        "WindowWidth": ["400"] * 4,
        "RescaleSlope": ["1"] * 4,
        "RescaleIntercept": ["-7"] * 4,
        "FrameType": ["ORIGINAL\\PRIMARY"] * 4,
        "EchoTime": ["10.5"] * 4,
        "TemporalPositionIdentifier": ["1", "2", "1", "2"],
    }
    assert columns == columns_by_pydicom(path, 4)
    assert read_frame_texts(str(path), 4) == texts_by_pydicom(path, 4, monkeypatch)


@pytest.mark.parametrize(("signed", "text"), [(0, "63536"), (1, "-2000")])
def test_the_pixel_representation_decides_between_us_and_ss_in_implicit_vr(
    tmp_path: Path, signed: int, text: str
) -> None:
    mapping = {"RealWorldValueMappingSequence": [{"RealWorldValueFirstValueMapped": Raw("US", b"\x30\xf8")}]}
    path = written(tmp_path, grouped([mapping], syntax=IMPLICIT, PixelRepresentation=signed))
    assert is_usual(path, 1)
    assert columns_of(path, 1) == {"RealWorldValueFirstValueMapped": [text]} == columns_by_pydicom(path, 1)


def test_private_elements_have_their_tags_for_keywords(tmp_path: Path) -> None:
    def private(k: int, block: int) -> dict[str, Any]:
        creator, value = f"001900{block:02X}", f"0019{block:02X}0C"
        return {
            "MRDiffusionSequence": [{creator: Raw("LO", b"SIEMENS MR HEADER "), value: Raw("IS", b"%d " % (5 * k))}]
        }

    path = written(tmp_path, grouped([private(k, 0x10 + k) for k in range(3)]))  # each frame reserves another block
    assert is_usual(path, 3)
    assert columns_of(path, 3) == {B_VALUE: ["0", "5", "10"]} == columns_by_pydicom(path, 3)
    assert read_frame_texts(str(path), 3) == [{}, {}, {}]


@pytest.mark.parametrize("syntax", [EXPLICIT, IMPLICIT])
@pytest.mark.parametrize("undefined", [False, True])
def test_only_private_elements_of_private_sequences_are_read(tmp_path: Path, syntax: str, undefined: bool) -> None:
    inner = {"ImagePositionPatient": [0, 0, 0], "20010010": Raw("LO", b"Philips Imaging DD 001")}
    frames = [
        {"20050014": Raw("LO", b"Philips MR Imaging DD 005 "), "2005140f": [inner | {"20011003": Raw("FL", value)}]}
        for value in (struct.pack("<f", 0.1), struct.pack("<f", 1000))
    ]
    path = written(tmp_path, grouped(frames, syntax=syntax, undefined=undefined))
    assert is_usual(path, 2)
    assert columns_of(path, 2) == {"(2001,xx03,Philips Imaging DD 001)": ["0.1", "1000"]}
    assert columns_of(path, 2) == columns_by_pydicom(path, 2)


def test_many_structures_of_one_length_are_distinguished(tmp_path: Path) -> None:
    # Two texts of together 200 bytes: each frame has the border between them elsewhere.
    frames = [
        {"FrameContentSequence": [{"StackID": "s" * 2 * k, "FrameComments": "c" * (200 - 2 * k)}]} for k in range(1, 70)
    ]
    assert len(frames) > group_bytes.MAX_LAYOUTS
    path = written(tmp_path, grouped([frame for frame in frames for _ in range(2)]))
    assert is_usual(path, 138)
    assert columns_of(path, 138) == columns_by_pydicom(path, 138)


def test_an_empty_element_is_not_an_absent_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    frames = [
        {"FrameContentSequence": [content]} for content in ({"StackID": ""}, {}, {"StackID": "1"}, {"StackID": ""})
    ]
    path = written(tmp_path, grouped(frames, {"FrameComments": ""}))
    assert columns_of(path, 5) == {"StackID": ["", "", "1", "", ""], "FrameComments": [""] * 5}
    expected = [{"StackID": ""}, {}, {"StackID": "1"}, {"StackID": ""}, {}]
    assert read_frame_texts(str(path), 5) == [frame | {"FrameComments": ""} for frame in expected]
    assert read_frame_texts(str(path), 5) == texts_by_pydicom(path, 5, monkeypatch)


def test_frames_without_items_have_what_all_share(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = written(tmp_path, grouped([placed(0), placed(1)], groups(WindowWidth=80)))
    for count in (0, 1, 2, 5):
        assert columns_of(path, count) == columns_by_pydicom(path, count)
        assert read_frame_texts(str(path), count) == texts_by_pydicom(path, count, monkeypatch)
    assert columns_of(path, 5)["WindowWidth"] == ["400", "400", "80", "80", "80"]


def test_declared_frames_that_are_not_described_take_no_memory(tmp_path: Path) -> None:
    shared = written(tmp_path, grouped([], groups(WindowWidth=80)))
    columns = functional_groups.read_frame_columns(str(shared), 8_000_000).columns
    assert dict(columns) == {"WindowWidth": (("80",), None)}
    content = {f"0018{number:04X}": Raw("LO", b"ab") for number in range(0x1000, 0x1010)}
    content |= {f"0019{number:04X}": Raw("LO", b"ab") for number in range(0x1000, 0x1040)}
    path = tmp_path / "y.dcm"
    path.write_bytes(grouped([{}, content]))
    with pytest.raises(
        FunctionalGroupsError, match="it declares 8,000,000 frames, but its functional groups describe 2"
    ):
        functional_groups.read_frame_columns(str(path), 8_000_000)


def test_a_deflated_file_is_inflated_up_to_a_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = written(
        tmp_path, grouped([placed(k) for k in range(300)], syntax=DEFLATED, PixelData=Raw("OW", bytes(3 << 20)))
    )
    monkeypatch.setattr(group_bytes, "MAX_INFLATED", 1 << 20)
    assert columns_of(path, 300)["WindowCenter"][299] == "339"
    path = written(tmp_path, grouped([{"FrameComments": "x" * 4000} for _ in range(600)], syntax=DEFLATED))
    with pytest.raises(FunctionalGroupsError, match="inflates to more than 1 MiB"):
        columns_of(path, 600)


def test_offsets_of_a_dose_give_positions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from dicom_factory import ct_pixels

    path = written(tmp_path, dose([ct_pixels(k) for k in range(3)], [0, 2.5, 5], ImagePositionPatient=[1, 2, 30]))
    assert is_usual(path, 3)
    assert columns_of(path, 3) == {"ImagePositionPatient": ["1.0\\2.0\\30.0", "1.0\\2.0\\32.5", "1.0\\2.0\\35.0"]}
    assert read_frame_texts(str(path), 3) == texts_by_pydicom(path, 3, monkeypatch)


# -- laws --------------------------------------------------------------------------------------------------


def even(raw: bytes) -> bytes:
    return raw + b" " * (len(raw) % 2)


VALUES: dict[str, st.SearchStrategy[Any]] = {
    "StackID": st.sampled_from(["1", "2 ", " x", "", "a\\b"]),
    "FrameComments": st.text("ab \\é\0", max_size=6).map(lambda text: Raw("LT", even(text.encode("latin-1")))),
    "FrameType": st.lists(st.sampled_from(["ORIGINAL", "X "]), max_size=3),
    "WindowCenter": st.sampled_from(["40", "+040.50", "1e3", "1_0", "1,5", "nan", "", " ", "1\\2", "\\1", "1\0"]),
    "InStackPositionNumber": st.integers(0, 2**32 - 1),
    "NumberOfAverages": st.floats(width=32),
    "DiffusionBValue": st.one_of(st.floats(), st.lists(st.floats(), max_size=3)),
    "FrameAcquisitionNumber": st.integers(0, 65535),
    "RescaleSlope": st.floats(allow_nan=False, allow_infinity=False).map(repr),
    "FrameAcquisitionDateTime": st.sampled_from(["20260101", "2026.5 "]),
    "ReferencedSOPInstanceUID": st.sampled_from(["1.2.3", "1.2.3\\1.2"]),
    "InstanceNumber": st.sampled_from(["7", "07", "1.5", "1.0", "x", "99999999999999999999", "+1"]),
    "PerformingPhysicianName": st.sampled_from(["A^B=C", "A\\B", ""]),
    "DimensionIndexValues": st.lists(st.integers(0, 9), min_size=1, max_size=3),
    "ICCProfile": st.binary(max_size=4),
    "FrameIncrementPointer": st.just(0x00540080),
    "PixelPaddingValue": st.binary(min_size=2, max_size=2).map(lambda raw: Raw("SS", raw)),
    "00189999": st.just("unknown"),
    "00191008": st.binary(max_size=6).map(lambda raw: Raw("OB", even(raw))),
    "0019100C": st.sampled_from([b"5 ", b"1.50", b"x "]).map(lambda raw: Raw("IS", raw)),
    "00190010": st.sampled_from([b"SIEMENS MR HEADER ", b"OTHER "]).map(lambda raw: Raw("LO", raw)),
}
LEAVES = st.fixed_dictionaries({}, optional=VALUES)
SEQUENCES = (
    "FrameContentSequence",
    "PlanePositionSequence",
    "ReferencedImageSequence",
    "MRDiffusionSequence",
    "00191010",
)


def _nested(inner: st.SearchStrategy[dict[str, Any]]) -> st.SearchStrategy[dict[str, Any]]:
    sequences = st.dictionaries(st.sampled_from(SEQUENCES), st.lists(inner, min_size=1, max_size=2), max_size=2)
    return st.builds(lambda leaves, more: leaves | more, LEAVES, sequences)


ITEMS = st.recursive(LEAVES, _nested, max_leaves=8)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=100)
@given(
    frames=st.lists(ITEMS, max_size=4),
    repeats=st.integers(1, 3),
    shared=st.none() | ITEMS,
    syntax=st.sampled_from(SYNTAXES),
    undefined=st.booleans(),
    charset=st.sampled_from(["ISO_IR 100", "ISO_IR 192", ["", "ISO 2022 IR 87"], None]),
    count=st.integers(0, 13),
)
def test_the_bytes_give_what_pydicom_gives(
    tmp_path: Path,
    frames: list[dict[str, Any]],
    repeats: int,
    shared: dict[str, Any] | None,
    syntax: str,
    undefined: bool,
    charset: Any,
    count: int,
) -> None:
    top = {"SpecificCharacterSet": charset} if charset else {}
    path = written(tmp_path, grouped(frames * repeats, shared, syntax, undefined, **top))
    functional_groups._cache.clear()
    assert columns_of(path, count) == columns_by_pydicom(path, count)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=150)
@given(data=st.data(), syntax=st.sampled_from(SYNTAXES), undefined=st.booleans())
def test_damage_raises_nothing_but_its_own_error(
    tmp_path: Path, data: st.DataObject, syntax: str, undefined: bool
) -> None:
    content = bytearray(grouped([placed(k) for k in range(3)], groups(PixelSpacing=[1, 1]), syntax, undefined))
    for _ in range(data.draw(st.integers(0, 3))):
        content[data.draw(st.integers(132, len(content) - 1))] = data.draw(st.sampled_from([0, 1, 0x51, 0xFE, 0xFF]))
    path = written(tmp_path, bytes(content[: data.draw(st.integers(0, len(content)))]))
    functional_groups._cache.clear()
    try:
        spelled_texts = read_frame_texts(str(path), 3)
    except FunctionalGroupsError:
        return
    assert len(spelled_texts) == 3


@pytest.mark.parametrize("undefined", [False, True])
def test_a_file_cut_anywhere_is_read_or_refused(tmp_path: Path, undefined: bool) -> None:
    content = grouped([placed(k) for k in range(2)], groups(PixelSpacing=[1, 1]), undefined=undefined)
    for size in range(0, len(content), 3):
        path = written(tmp_path, content[:size])
        functional_groups._cache.clear()
        try:
            assert len(read_frame_texts(str(path), 2)) == 2
        except FunctionalGroupsError as error:
            assert "cannot be read" in str(error)  # noqa: PT017


def test_sequences_nested_too_deep_are_refused_or_left_out(tmp_path: Path) -> None:
    content: dict[str, Any] = {"StackID": "x"}
    for _ in range(200):
        content = {"FrameContentSequence": [content]}
    for undefined in (False, True):
        path = written(tmp_path, grouped([content], undefined=undefined))
        functional_groups._cache.clear()
        try:
            assert columns_of(path, 1) == {}
        except FunctionalGroupsError:
            continue


@pytest.mark.slow
@pytest.mark.real
@pytest.mark.filterwarnings("ignore::UserWarning:pydicom")
def test_real_files_give_what_pydicom_gives(shared: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from pydicom import dcmread

    marks = (b"\x00\x52\x29\x92", b"\x00\x52\x30\x92", b"\x52\x00\x92\x29", b"\x04\x30\x0c\x00", b"\x54\x00\x22\x00")
    compared = usual = 0
    for folder, _, names in os.walk(shared / "data"):
        for name in names:
            path = Path(folder, name)
            content = path.read_bytes()[: 1 << 20]
            if b"DICM" not in content[:132] or not any(mark in content for mark in marks):
                continue
            try:
                count = int(dcmread(path, specific_tags=["NumberOfFrames"]).get("NumberOfFrames") or 1)
            except ValueError:  # its number of frames is no number
                continue
            assert columns_of(path, count) == columns_by_pydicom(path, count), path
            assert read_frame_texts(str(path), count) == texts_by_pydicom(path, count, monkeypatch), path
            compared += 1
            usual += is_usual(path, count)
    assert compared > 50
    assert usual > 0.9 * compared
