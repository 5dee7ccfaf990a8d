from __future__ import annotations

import random
import struct
from math import isnan, sqrt
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from dicom_factory import BIG, DEFLATED, EXPLICIT, IMPLICIT, UNDEFINED, Raw, ct_slice, item
from hypothesis import given
from hypothesis import strategies as st
from mosaic_factory import AXIAL_TAGS, csa1, csa2, siemens

from napari_dicommeta.dicom.csa import parse_csa, read_slice_array
from napari_dicommeta.dicom.mosaic import Mosaic, is_mosaic, read_mosaic

ALL = [EXPLICIT, IMPLICIT, BIG, DEFLATED]


def read(path: str, rows: int = 16, columns: int = 16) -> Mosaic:
    mosaic = read_mosaic(path, rows, columns)
    assert mosaic is not None
    return mosaic


def positions_of(mosaic: Mosaic) -> np.ndarray:
    assert mosaic.positions is not None, mosaic.reason
    assert mosaic.positions.dtype == np.float64
    assert mosaic.positions.shape == (mosaic.count, 3)
    return mosaic.positions


@pytest.mark.parametrize("encode", [csa1, csa2])
def test_a_csa_header_gives_the_values_of_each_name(encode: Any) -> None:
    assert parse_csa(encode(AXIAL_TAGS)) == {
        "EchoLinePosition": ("32", "7"),
        "NumberOfImagesInMosaic": ("4",),
        "SliceNormalVector": ("0.00000000", "0.00000000", "1.00000000"),
        "MosaicRefAcqTimes": ("0.0", "20.0", "10.0", "30.0"),
    }


def test_items_beyond_the_multiplicity_are_no_values() -> None:
    assert parse_csa(csa2({"SliceLocation": ["1", "2", "3"]}, vm=1)) == {"SliceLocation": ("1",)}


def test_the_tags_before_the_damage_are_kept() -> None:
    whole = csa2(AXIAL_TAGS)
    assert [len(parse_csa(whole[:-n])) for n in (0, 4, 40, 200, 300)] == [0, 3, 3, 2, 2]
    assert parse_csa(b"") == parse_csa(b"SV10") == parse_csa(bytes(1000)) == {}


@pytest.mark.parametrize("encode", [csa1, csa2])
def test_counts_that_no_data_backs_cost_nothing(encode: Any) -> None:
    huge = bytearray(encode({"A": []}))
    huge[-84 + 76 : -84 + 80] = struct.pack("<i", 2**31 - 1)  # the items of the tag
    start = 8 if encode is csa2 else 0
    huge[start : start + 4] = b"\xff\xff\xff\xff"
    assert parse_csa(bytes(huge)) == {}


def test_the_slice_array_of_a_protocol() -> None:
    text = "### ASCCONV BEGIN ###\nsSliceArray.lSize  = 5\nsSliceArray.ucImageNumbTra\t = \t0x1\nsKSpace.lSize = 9\n"
    text += "sSliceArray.asSlice[0].sPosition.dTra = -1.5e1\nsSliceArray.asSlice[0].sNormal.dSag = word\n"
    assert read_slice_array(text) == {"lSize": 5, "ucImageNumbTra": 1, "asSlice[0].sPosition.dTra": -15}


@pytest.mark.parametrize(
    ("image_type", "frames", "expected"),
    [
        ("ORIGINAL\\PRIMARY\\M\\ND\\MOSAIC", 1, True),
        ("ORIGINAL\\PRIMARY\\M\\VFRAME ", 1, True),
        ("ORIGINAL\\PRIMARY\\M\\ND\\MOSAIC", 32, False),  # syngo XA
        ("ORIGINAL\\PRIMARY\\MOSAICS", 1, False),
        ("", 1, False),
    ],
)
def test_image_type_says_what_a_mosaic_is(image_type: str, frames: int, expected: bool) -> None:
    assert is_mosaic(image_type, frames) is expected


@pytest.mark.parametrize("syntax", ALL)
@pytest.mark.parametrize("vr", [("US", "OB"), ("UN", "UN")])
@pytest.mark.parametrize("block", [0x10, 0x2F])
def test_a_mosaic_in_every_encoding(tmp_path: Path, syntax: str, vr: tuple[str, str], block: int) -> None:
    mosaic = read(siemens(tmp_path / "x", syntax=syntax, vr=vr, block=block))
    assert (mosaic.rows, mosaic.columns, mosaic.count, mosaic.across, mosaic.spacing) == (8, 8, 4, 2, 4)
    assert mosaic.origins == ((0, 0), (0, 8), (8, 0), (8, 8))
    assert mosaic.reason == ""
    # 16 − 8 pixels of 3 mm, half of them on each side: 12 mm
    np.testing.assert_array_equal(positions_of(mosaic), [[-12, -12, 0], [-12, -12, 4], [-12, -12, 8], [-12, -12, 12]])


def test_positions_cannot_be_written_to(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="read-only"):
        positions_of(read(siemens(tmp_path / "x")))[0, 0] = 1


@pytest.mark.parametrize("sign", [1, -1])
def test_an_oblique_slice_is_where_its_center_says(tmp_path: Path, sign: int) -> None:
    # rows of 12 pixels 2 mm apart, columns of 8 pixels 3.5 mm apart; 7 slices in 3 × 3 tiles
    h = sqrt(0.5)
    row, column = np.array([0.6, 0.8, 0]), np.array([0.8 * h, -0.6 * h, h])
    normal = sign * np.array([0.8 * h, -0.6 * h, -h])  # row × column, by hand
    center = np.array([10.0, -20.0, 30.0])
    of_mosaic = center - row * 2 * (36 / 2) - column * 3.5 * (24 / 2)
    of_tile = center - row * 2 * (12 / 2) - column * 3.5 * (8 / 2)
    path = siemens(
        tmp_path / "x",
        image_header=csa2({"SliceNormalVector": [f"{value:.8f}" for value in normal]}),
        count=7,
        pixels=np.zeros((24, 36), "<u2"),
        ImagePositionPatient=[f"{value:.10f}" for value in of_mosaic],
        ImageOrientationPatient=[f"{value:.12f}" for value in (*row, *column)],
        PixelSpacing=[3.5, 2],
        SpacingBetweenSlices=5,
    )
    mosaic = read(path, 24, 36)
    assert (mosaic.rows, mosaic.columns, mosaic.across) == (8, 12, 3)
    assert mosaic.origins == ((0, 0), (0, 12), (0, 24), (8, 0), (8, 12), (8, 24), (16, 0))
    expected = of_tile + np.arange(7)[:, None] * 5 * normal
    np.testing.assert_allclose(positions_of(mosaic), expected, atol=1e-8)


def test_sagittal_slices_are_numbered_from_right_to_left(tmp_path: Path) -> None:
    # row × column points to the right, -x; the scanner numbers along +x, to the left
    path = siemens(
        tmp_path / "x",
        image_header=csa2({"SliceNormalVector": ["1.0", "0.0", "0.0"]}),
        ImageOrientationPatient=[0, 1, 0, 0, 0, -1],
        ImagePositionPatient=[5, -24, 24],
    )
    np.testing.assert_allclose(positions_of(read(path)), [[5 + 4 * k, -12, 12] for k in range(4)])


TIMES = Raw("FD", struct.pack("<4d", 0, 20, 10, 30))


@pytest.mark.parametrize(
    "changes",
    [
        {"image_header": None},
        {"count": None},
        {"count": None, "image_header": None, "00191029": TIMES},
        {"count": None, "image_header": csa2({"MosaicRefAcqTimes": ["0", "20", "10", "30"]})},
        {"count": 0},
        {"count": 50},  # 8 × 8 tiles do not fit into 20 × 20 pixels
    ],
)
def test_any_of_four_elements_has_the_number_of_slices(tmp_path: Path, changes: dict[str, Any]) -> None:
    pixels = np.zeros((20, 20), "<u2")
    mosaic = read(siemens(tmp_path / "x", pixels=pixels, **changes), 20, 20)
    assert (mosaic.count, mosaic.rows, mosaic.columns) == (4, 10, 10)


def test_three_slices_leave_the_last_tile_blank(tmp_path: Path) -> None:
    mosaic = read(siemens(tmp_path / "x", count=3))
    assert (mosaic.count, mosaic.across, len(mosaic.origins), len(positions_of(mosaic))) == (3, 2, 3, 3)


NO_PRIVATE: dict[str, Any] = {"00190010": None, "00290010": None, "count": None, "image_header": None}


def test_without_private_elements_each_tile_counts_as_a_slice(tmp_path: Path) -> None:
    mosaic = read(siemens(tmp_path / "x", AcquisitionMatrix=[8, 0, 0, 8], **NO_PRIVATE))
    assert (mosaic.rows, mosaic.columns, mosaic.count, mosaic.across, mosaic.spacing) == (8, 8, 4, 2, 4)
    assert mosaic.positions is None
    assert mosaic.reason == "the number of slices is not in the file: blank tiles at the end count as slices"


@pytest.mark.parametrize(
    "matrix", [None, [0, 0, 0, 0], [8, 0, 0, 7], [16, 0, 0, 16], [8, 0, 0, 4], [1], Raw("US", b"\1\2\3")]
)
def test_without_a_number_of_slices_there_is_no_mosaic(tmp_path: Path, matrix: Any) -> None:
    assert read_mosaic(siemens(tmp_path / "x", AcquisitionMatrix=matrix, **NO_PRIVATE), 16, 16) is None


def test_elements_of_another_creator_are_not_read(tmp_path: Path) -> None:
    changes = {"00190010": Raw("LO", b"SOMEONE ELSE"), "00290010": Raw("LO", b"SOMEONE ELSE")}
    assert read_mosaic(siemens(tmp_path / "x", **changes), 16, 16) is None


def test_other_images_are_no_mosaic(tmp_path: Path) -> None:
    assert read_mosaic(siemens(tmp_path / "x", NumberOfFrames=4), 16, 16) is None
    assert read_mosaic(siemens(tmp_path / "x", ImageType=["ORIGINAL", "PRIMARY", "M"]), 16, 16) is None
    assert read_mosaic(siemens(tmp_path / "x"), 15, 15) is None
    assert read_mosaic(siemens(tmp_path / "x"), 0, 0) is None
    assert read_mosaic(str(tmp_path / "gone"), 16, 16) is None
    assert read_mosaic(str(tmp_path), 16, 16) is None
    (tmp_path / "x").write_bytes(bytes(range(256)))
    assert read_mosaic(str(tmp_path / "x"), 16, 16) is None


@pytest.mark.parametrize(
    ("changes", "reason", "spacing"),
    [
        ({"image_header": None}, "CSA header (0029,xx10)", 4),
        ({"image_header": b"damaged!" * 20}, "CSA header (0029,xx10)", 4),
        ({"image_header": csa2({"SliceNormalVector": ["0", "0", "0"]})}, "CSA header (0029,xx10)", 4),
        ({"image_header": csa2({"SliceNormalVector": ["0", "1", "0"]})}, "the slice normal of the CSA header", 4),
        ({"ImageOrientationPatient": [1, 0, 0, 1, 0, 0]}, "two directions at right angles", 4),
        ({"ImageOrientationPatient": [2, 0, 0, 0, 1, 0]}, "two directions at right angles", 4),
        ({"ImagePositionPatient": None}, "Image Position", 4),
        ({"ImagePositionPatient": [1, 2]}, "Image Position", 4),
        ({"PixelSpacing": [0, 3]}, "Pixel Spacing", 4),
        ({"PixelSpacing": ["1e308", 3]}, "Pixel Spacing or Spacing Between Slices is not a length", 4),
        ({"ImageOrientationPatient": ["1e200", 0, 0, 0, 1, 0]}, "two directions at right angles", 4),
        ({"image_header": csa2({"SliceNormalVector": ["1e200", "0", "1"]})}, "CSA header (0029,xx10)", 4),
        ({"SpacingBetweenSlices": None}, "Spacing Between Slices (0018,0088)", None),
        ({"SpacingBetweenSlices": "1,5"}, "Spacing Between Slices (0018,0088)", None),
    ],
)
def test_what_is_missing_is_said(tmp_path: Path, changes: dict[str, Any], reason: str, spacing: float | None) -> None:
    mosaic = read(siemens(tmp_path / "x", **changes))
    assert mosaic.count == 4
    assert mosaic.positions is None
    assert reason in mosaic.reason
    assert isnan(mosaic.spacing) if spacing is None else mosaic.spacing == spacing


def protocol(name: str = "MrPhoenixProtocol", **values: Any) -> bytes:
    """Return a CSA Series Header whose protocol places slices 6 mm apart along +z."""
    lines = {
        "lSize": 4,
        "asSlice[0].sNormal.dTra": 1.0,
        "asSlice[0].sPosition.dTra": 30.0,
        "asSlice[1].sPosition.dTra": 36.0,
    } | values
    text = "".join(f"sSliceArray.{key} = {value}\n" for key, value in lines.items() if value is not None)
    return csa2({"UsedPatientWeight": ["70"], name: [f"### ASCCONV BEGIN ###\n{text}### ASCCONV END ###"]})


@pytest.mark.parametrize("name", ["MrPhoenixProtocol", "MrProtocol"])
@pytest.mark.parametrize(("reverse", "sign"), [({}, 1), ({"ucImageNumbTra": "0x1"}, -1), ({"ucImageNumbSag": 1}, 1)])
def test_without_an_image_header_the_protocol_says_the_direction(
    tmp_path: Path, name: str, reverse: dict[str, Any], sign: int
) -> None:
    mosaic = read(siemens(tmp_path / "x", image_header=None, series_header=protocol(name, **reverse)))
    assert positions_of(mosaic)[:, 2].tolist() == [0, 4 * sign, 8 * sign, 12 * sign]


def test_the_slice_normal_vector_already_has_the_reversed_numbering(tmp_path: Path) -> None:
    tags = AXIAL_TAGS | {"SliceNormalVector": ["0.0", "0.0", "-1.0"], "ProtocolSliceNumber": ["3"]}
    path = siemens(tmp_path / "x", image_header=csa2(tags), series_header=protocol(ucImageNumbTra=1))
    assert positions_of(read(path))[:, 2].tolist() == [0, -4, -8, -12]


@pytest.mark.parametrize(("size", "spacing"), [(4, 6), (1, 3)])
def test_without_spacing_between_slices_the_protocol_has_it(tmp_path: Path, size: int, spacing: float) -> None:
    path = siemens(tmp_path / "x", series_header=protocol(lSize=size), SpacingBetweenSlices=None)
    mosaic = read(path)
    assert mosaic.spacing == spacing
    assert positions_of(mosaic)[1, 2] == spacing


def test_a_place_beyond_all_numbers_gives_no_spacing(tmp_path: Path) -> None:
    places = {"asSlice[0].sPosition.dTra": -1e308, "asSlice[1].sPosition.dTra": 1e308}
    mosaic = read(siemens(tmp_path / "x", series_header=protocol(**places), SpacingBetweenSlices=None))
    assert isnan(mosaic.spacing)
    assert mosaic.reason == "Spacing Between Slices (0018,0088) is missing or invalid"


def test_a_negative_spacing_is_a_distance(tmp_path: Path) -> None:
    assert positions_of(read(siemens(tmp_path / "x", SpacingBetweenSlices=-4)))[1, 2] == 4


POSITIONS = [[-12.0, -12.0, 7.0 - 2.5 * k] for k in range(5)]


def uih(path: Path, syntax: str = EXPLICIT, kind: str = "SQ", items: list[Any] | None = None, **changes: Any) -> str:
    """Write a mosaic of 5 slices of 8 × 8 pixels in 2 rows of 3 tiles."""
    explicit, little = syntax != IMPLICIT, syntax != BIG
    if kind != "SQ":  # items of UN are in implicit VR little endian
        explicit, little = False, True
    places = POSITIONS if items is None else items
    raw = b"".join(item({"ImagePositionPatient": one, "AcquisitionTime": "1200"}, explicit, little) for one in places)
    end = struct.pack("<HHL" if little else ">HHL", 0xFFFE, 0xE0DD, 0)
    frames = Raw("SQ", raw + end, UNDEFINED) if kind == "SQ" else Raw("UN", raw)
    content: dict[str, Any] = {
        "ImageType": ["ORIGINAL", "PRIMARY", "M", "VFRAME"],
        "ImagePositionPatient": POSITIONS[0],
        "PixelSpacing": [3, 3],
        "SpacingBetweenSlices": 2.5,
        "00650010": Raw("LO", b"Image Private Header"),
        "00651050": Raw("UN" if kind == "UN" else "DS", b"5 "),
        "00651051": frames,
    }
    path.write_bytes(ct_slice(0, syntax, pixels=np.zeros((16, 24), "<u2"), **(content | changes)))
    return str(path)


@pytest.mark.parametrize("syntax", ALL)
@pytest.mark.parametrize("kind", ["SQ", "UN"])
def test_united_imaging_places_each_slice(tmp_path: Path, syntax: str, kind: str) -> None:
    mosaic = read(uih(tmp_path / "x", syntax, kind), 16, 24)
    assert (mosaic.rows, mosaic.columns, mosaic.count, mosaic.across, mosaic.spacing) == (8, 8, 5, 3, 2.5)
    assert mosaic.origins == ((0, 0), (0, 8), (0, 16), (8, 0), (8, 8))
    assert mosaic.reason == ""
    np.testing.assert_array_equal(positions_of(mosaic), POSITIONS)


def test_united_imaging_without_the_number_of_slices_has_as_many_as_positions(tmp_path: Path) -> None:
    np.testing.assert_array_equal(positions_of(read(uih(tmp_path / "x", **{"00651050": None}), 16, 24)), POSITIONS)


@pytest.mark.parametrize(
    ("changes", "reason", "count"),
    [
        ({"00651051": None}, "MRVFrameSequence (0065,xx51), which holds the position of each slice, is missing", 5),
        ({"items": POSITIONS[:4]}, "MRVFrameSequence (0065,xx51) holds 4 positions for 5 slices", 5),
        ({"items": [*POSITIONS[:3], [1, 2], POSITIONS[4]]}, "holds 3 positions for 5 slices", 5),
        ({"00650010": None, "AcquisitionMatrix": [0, 8, 8, 0]}, "the number of slices is not in the file", 6),
    ],
)
def test_united_imaging_without_positions_says_why(
    tmp_path: Path, changes: dict[str, Any], reason: str, count: int
) -> None:
    mosaic = read(uih(tmp_path / "x", **changes), 16, 24)
    assert mosaic.positions is None
    assert reason in mosaic.reason
    assert (mosaic.count, mosaic.spacing) == (count, 2.5)


def test_a_united_imaging_place_beyond_all_numbers_gives_no_spacing(tmp_path: Path) -> None:
    far = [[0, 0, f"{sign}1e308"] for sign in ("-", "", "", "", "")]
    assert isnan(read(uih(tmp_path / "x", items=far), 16, 24).spacing)


def test_united_imaging_without_private_elements_is_unknown(tmp_path: Path) -> None:
    assert read_mosaic(uih(tmp_path / "x", **{"00650010": None}), 16, 24) is None


def check_csa(data: bytes) -> None:
    tags = parse_csa(data)
    assert len(tags) <= len(data) / 84
    assert sum(len(value) for values in tags.values() for value in values) <= len(data)
    for values in tags.values():
        read_slice_array("\n".join(values))


@given(st.binary(max_size=400), st.sampled_from([b"", b"SV10\4\3\2\1\xff\0\0\0\x4d\0\0\0", b"\xff\0\0\0\x4d\0\0\0"]))
def test_any_bytes_are_parsed(data: bytes, head: bytes) -> None:
    check_csa(head + data)


def damaged(whole: bytes, count: int, chance: random.Random) -> list[bytes]:
    """Return copies that are cut off, or in which bytes are overwritten."""
    copies = [whole[: chance.randrange(len(whole))] for _ in range(count)]
    for _ in range(count):
        copy = bytearray(whole)
        for _ in range(chance.choice((1, 3, 30))):
            at = chance.randrange(len(copy))
            raw = chance.choice((b"\xff\xff\xff\x7f", b"\xff\xff\xff\xff", b"\0", bytes([chance.randrange(256)])))
            copy[at : at + len(raw)] = raw[: len(copy) - at]
        copies.append(bytes(copy))
    return copies


@pytest.mark.parametrize("encode", [csa1, csa2])
def test_a_damaged_csa_header_raises_nothing(encode: Any) -> None:
    for data in damaged(encode(AXIAL_TAGS), 300, random.Random(0)):
        check_csa(data)


@pytest.mark.parametrize("write", [siemens, uih])
def test_a_damaged_file_raises_nothing(tmp_path: Path, write: Any) -> None:
    path = tmp_path / "x"
    whole = Path(write(path)).read_bytes()
    for data in damaged(whole, 200, random.Random(1)):
        path.write_bytes(data)
        mosaic = read_mosaic(str(path), 16, 24 if write is uih else 16)
        if mosaic is not None:
            assert len(mosaic.origins) == mosaic.count <= 16 * 24
            assert (mosaic.positions is None) == bool(mosaic.reason)


# The rows of the affine that dcm2niix v1.0.20260724 writes (srow_x, srow_y, srow_z), and its rows of pixels.
TS = [[-3.25, 0, 0, 104], [0, 3.230991, -0.3887977, -58.68431], [0, 0.3509979, 3.578943, -84.79803]]
TWELVE_BIT = [
    [-3.249995, -1.900508e-07, -0.005585059, 108.8406],
    [-0.0005241453, 3.236105, 0.2955855, -84.30973],
    [-0.005648057, -0.3002044, 3.186314, -6.714199],
]
SONATA = [
    [-3.581666, 1.523799e-08, 0.3605225, 112.3644],
    [-0.026024, 3.579688, -0.387558, -57.48172],
    [0.2933086, 0.3176103, 4.368046, -46.17285],
]
DCM2NIIX = {
    "dcm_qa_nih/20180918Si/mr_0003/epi_pe_ap-0000*.dcm": (72, 5, [[-3, 0, 0, 108], [0, 3, 0, -105], [0, 0, 12, 16]]),
    "dcm_qa_ts/*.dcm": (64, 35, TS),
    "dcm_qa_12bit/*.dcm": (64, 35, TWELVE_BIT),
    "oro-dicom/dcm/MR-sonata-3D-as-Tile.dcm": (64, 31, SONATA),
}


def size_of(path: Path) -> tuple[int, int]:
    from pydicom import dcmread

    dataset = dcmread(path, stop_before_pixels=True, specific_tags=["Rows", "Columns"])
    return dataset.Rows, dataset.Columns


@pytest.mark.parametrize("pattern", DCM2NIIX)
def test_real_slices_are_where_dcm2niix_puts_them(shared: Path, pattern: str) -> None:
    rows, count, affine = DCM2NIIX[pattern]
    # NIfTI's x and y point to the right and to the front, DICOM's to the left and to the back. dcm2niix writes the
    # rows of a slice from the last to the first, so that the first row is number rows - 1 of the file.
    lps = np.diag([-1.0, -1.0, 1.0]) @ np.array(affine)
    first, step = lps[:, 3] + (rows - 1) * lps[:, 1], lps[:, 2]
    paths = sorted((shared / "data").glob(pattern))
    assert paths
    for path in paths:
        mosaic = read(str(path), *size_of(path))
        assert (mosaic.rows, mosaic.columns, mosaic.count, mosaic.reason) == (rows, rows, count, "")
        positions = positions_of(mosaic)
        np.testing.assert_allclose(positions[0], first, atol=1e-3)
        np.testing.assert_allclose(positions[1] - positions[0], step, atol=1e-5)
        np.testing.assert_allclose(positions[-1], first + (count - 1) * step, atol=1e-3)
        assert mosaic.spacing == pytest.approx(float(np.linalg.norm(step)), abs=1e-5)


@pytest.mark.parametrize("pattern", DCM2NIIX)
def test_a_real_protocol_says_the_same_as_the_slice_normal_vector(shared: Path, pattern: str, tmp_path: Path) -> None:
    """Every slice is centered where the protocol places it, with and without the CSA Image Header."""
    from pydicom import dcmread

    path = sorted((shared / "data").glob(pattern))[0]
    dataset = dcmread(path)
    header = parse_csa(dataset[0x00291020].value)
    slices = read_slice_array((header.get("MrPhoenixProtocol") or header["MrProtocol"])[0])
    mosaic = read(str(path), *size_of(path))
    row, column = np.array(dataset.ImageOrientationPatient, float).reshape(2, 3)
    down, right = (float(value) for value in dataset.PixelSpacing)
    # the scanner's center is the corner of pixel (rows / 2, columns / 2), which its position takes for a center
    centers = positions_of(mosaic) + row * right * mosaic.columns / 2 + column * down * mosaic.rows / 2
    for k in range(mosaic.count):
        place = [slices.get(f"asSlice[{k}].sPosition.d{axis}", 0) for axis in ("Sag", "Cor", "Tra")]
        np.testing.assert_allclose(centers[k], place, atol=0.01)
    del dataset[0x00291010]
    dataset.save_as(tmp_path / "x")
    without = read_mosaic(str(tmp_path / "x"), *size_of(path))
    if (0x0019, 0x100A) in dataset:
        assert without is not None
        np.testing.assert_array_equal(positions_of(without), positions_of(mosaic))
    else:
        assert without is None or without.positions is None


@pytest.mark.parametrize("pattern", DCM2NIIX)
def test_damaged_real_csa_headers_raise_nothing(shared: Path, pattern: str) -> None:
    from pydicom import dcmread

    dataset = dcmread(sorted((shared / "data").glob(pattern))[0], stop_before_pixels=True)
    for data in damaged(dataset[0x00291010].value, 100, random.Random(2)):
        check_csa(data)
    for data in damaged(dataset[0x00291020].value, 20, random.Random(3)):
        check_csa(data)
