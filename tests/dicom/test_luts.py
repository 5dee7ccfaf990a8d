from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from dicom_factory import BIG, DEFLATED, EXPLICIT, IMPLICIT, Raw, ct_pixels, ct_slice, write_series

import napari_dicommeta as dm
from napari_dicommeta.dicom.luts import LookupTable, read_modality_luts, read_voi_luts

REAL = ["fo-dicom/CR-ModalitySequenceLUT.dcm", "pydicom-data/mlut_18.dcm"]


def words(values: Any, syntax: str = EXPLICIT) -> bytes:
    return np.asarray(values, dtype=np.int64).astype(">u2" if syntax == BIG else "<u2").tobytes()


def lut(
    values: Any,
    first: int = 0,
    bits: int = 16,
    kind: str | None = "HU",
    syntax: str = EXPLICIT,
    descriptor_vr: str = "US",
    data: Raw | None = None,
    count: int | None = None,
    **changes: Any,
) -> dict[str, Any]:
    """Return the item of a Modality LUT Sequence: a table whose entry 0 is for the stored value `first`."""
    count = len(values) if count is None else count
    content = {
        "LUTDescriptor": Raw(descriptor_vr, words([count, first, bits], syntax)),
        "ModalityLUTType": kind,
        "LUTData": Raw("OW", words(values, syntax)) if data is None else data,
        **changes,
    }
    return {key: value for key, value in content.items() if value is not None}


def by_hand(stored: np.ndarray, values: Any, first: int) -> np.ndarray:
    """Apply the table pixel by pixel (PS3.3 section C.11.1.1)."""
    out = []
    for value in stored.reshape(-1).tolist():
        if value < first:
            out.append(values[0])
        elif value > first + len(values) - 1:
            out.append(values[-1])
        else:
            out.append(values[value - first])
    return np.array(out).reshape(stored.shape)


SQUARES = [(i * i) % 30011 for i in range(200)]


@pytest.mark.parametrize("syntax", [EXPLICIT, IMPLICIT, BIG, DEFLATED])
def test_stored_values_go_through_the_table_and_clamp_at_both_ends(tmp_path: Path, syntax: str) -> None:
    # stored values run from 0 to 1337 in steps of 7: below the table's 400, in it, and above its 599
    write_series(tmp_path, 2, syntax, ModalityLUTSequence=[lut(SQUARES, 400, syntax=syntax)])
    (volume,) = dm.load(tmp_path)
    for k in range(2):
        np.testing.assert_array_equal(volume.array[k], by_hand(ct_pixels(k), SQUARES, 400))
    assert volume.array[0, 0, 0] == SQUARES[0]
    assert volume.array[0, 15, 11] == SQUARES[199]
    assert volume.array.dtype == np.int16


def signed_pixels() -> np.ndarray:
    return (np.arange(192) * 20 - 1900).reshape(16, 12).astype("<i2")


SIGNED = {"PixelRepresentation": 1, "BitsStored": 16, "HighBit": 15, "pixels": lambda k: signed_pixels()}


@pytest.mark.parametrize("syntax", [EXPLICIT, IMPLICIT])
@pytest.mark.parametrize("descriptor_vr", ["SS", "US"])
def test_the_first_input_has_the_sign_of_the_pixels_whatever_its_vr(
    tmp_path: Path, descriptor_vr: str, syntax: str
) -> None:
    item = lut(SQUARES, -150, syntax=syntax, descriptor_vr=descriptor_vr)
    write_series(tmp_path, 1, syntax, ModalityLUTSequence=[item], **SIGNED)
    (volume,) = dm.load(tmp_path)
    np.testing.assert_array_equal(volume.array[0], by_hand(signed_pixels(), SQUARES, -150))


@pytest.mark.parametrize("descriptor_vr", ["US", "SS"])
def test_a_first_input_above_32767_of_unsigned_pixels_is_no_negative_one(tmp_path: Path, descriptor_vr: str) -> None:
    pixels = (np.arange(192) + 39_950).reshape(16, 12).astype("<u2")
    item = lut(SQUARES[:100], 40_000, descriptor_vr=descriptor_vr)
    write_series(tmp_path, 1, ModalityLUTSequence=[item], BitsStored=16, HighBit=15, pixels=lambda k: pixels)
    np.testing.assert_array_equal(dm.load(tmp_path)[0].array[0], by_hand(pixels, SQUARES[:100], 40_000))


BYTES = {"BitsAllocated": 8, "BitsStored": 8, "HighBit": 7}


def byte_pixels() -> np.ndarray:
    return np.arange(192, dtype=np.uint8).reshape(16, 12)


@pytest.mark.parametrize("count", [100, 99])
@pytest.mark.parametrize("packed", [True, False])
def test_entries_of_eight_bits_are_bytes_or_words(tmp_path: Path, packed: bool, count: int) -> None:
    values = [(7 * i) % 256 for i in range(count)]
    octets = bytes(values) + b"\0" * (count % 2)
    item = lut(values, 50, 8, data=Raw("OW", octets) if packed else None)
    write_series(tmp_path, 1, ModalityLUTSequence=[item], pixels=lambda k: byte_pixels(), **BYTES)
    np.testing.assert_array_equal(dm.load(tmp_path)[0].array[0], by_hand(byte_pixels(), values, 50))


def test_a_descriptor_of_no_entries_means_65536(tmp_path: Path) -> None:
    values = np.arange(65536)[::-1]
    path = tmp_path / "x.dcm"
    path.write_bytes(ct_slice(0, ModalityLUTSequence=[lut(values, count=0)]))
    (table,) = read_modality_luts(str(path))
    np.testing.assert_array_equal(table.values, values)
    (volume,) = dm.load(path)
    assert volume.array.dtype == np.float32
    np.testing.assert_array_equal(volume.array[0], 65535 - ct_pixels(0).astype(int))


@pytest.mark.parametrize(("largest", "dtype"), [(32767, np.int16), (32768, np.float32)])
def test_outputs_are_integers_where_all_fit(tmp_path: Path, largest: int, dtype: type) -> None:
    write_series(tmp_path, 1, ModalityLUTSequence=[lut([0, largest])])
    (volume,) = dm.load(tmp_path)
    assert volume.array.dtype == dtype
    assert float(volume.array[0].max()) == largest


def codes(volume: dm.Volume) -> list[tuple[str, str]]:
    return [(note.code, note.severity) for note in volume.notes]


def test_beside_a_rescale_the_table_wins_with_a_note(tmp_path: Path) -> None:
    write_series(tmp_path, 2, ModalityLUTSequence=[lut(SQUARES, 400)], RescaleSlope=2, RescaleIntercept=-1024)
    (volume,) = dm.load(tmp_path)
    np.testing.assert_array_equal(volume.array[1], by_hand(ct_pixels(1), SQUARES, 400))
    assert ("modality-lut", "decision") in codes(volume)
    (note,) = [note for note in volume.notes if note.code == "modality-lut"]
    assert "Rescale Slope is not used" in str(note)
    assert note.standard == "PS3.3 section C.11.1"


NO_RESCALE = {"RescaleSlope": None, "RescaleIntercept": None, "RescaleType": None}


def test_without_a_rescale_the_table_is_good_to_know(tmp_path: Path) -> None:
    write_series(tmp_path, 2, ModalityLUTSequence=[lut(SQUARES, 400)], **NO_RESCALE)
    (volume,) = dm.load(tmp_path)
    assert ("modality-lut", "info") in codes(volume)
    assert volume.problems == ()  # CT's Rescale Slope and Intercept are not reported missing


@pytest.mark.parametrize(("kind", "units"), [("HU", "HU"), ("OD", "OD"), ("US", ""), (None, "")])
def test_units_are_those_of_the_table(tmp_path: Path, kind: str | None, units: str) -> None:
    write_series(tmp_path, 1, ModalityLUTSequence=[lut(SQUARES, kind=kind)])
    assert dm.load(tmp_path)[0].units == units


def test_tables_of_two_kinds_give_no_units(tmp_path: Path) -> None:
    write_series(tmp_path, 2, ModalityLUTSequence=lambda k: [lut(SQUARES, kind=("HU", "OD")[k])])
    assert dm.load(tmp_path)[0].units == ""


def test_each_slice_has_its_own_table(tmp_path: Path) -> None:
    write_series(tmp_path, 3, ModalityLUTSequence=lambda k: [lut(SQUARES[k:], 400 + k)])
    (volume,) = dm.load(tmp_path)
    for k in range(3):
        np.testing.assert_array_equal(volume.array[k], by_hand(ct_pixels(k), SQUARES[k:], 400 + k))


def test_a_table_missing_in_some_images_is_refused(tmp_path: Path) -> None:
    write_series(tmp_path, 3, ModalityLUTSequence=lambda k: None if k == 1 else [lut(SQUARES)])
    with pytest.raises(dm.LoadError, match="a Modality LUT is missing in 1 of its 3 images"):
        dm.load(tmp_path)


def test_an_empty_sequence_is_no_table(tmp_path: Path) -> None:
    write_series(tmp_path, 2, ModalityLUTSequence=[])
    (volume,) = dm.load(tmp_path)
    np.testing.assert_array_equal(volume.array[0], ct_pixels(0).astype(int) - 1024)
    assert volume.units == "HU"


BROKEN = {
    "fewer entries than the descriptor says": lut([1, 2, 3], count=300),
    "more entries than the descriptor says": lut(SQUARES, count=100),
    "entries of 16 bits, half of which are left": lut(SQUARES, data=Raw("OW", words(SQUARES)[:200])),
    "entries of 16 bits, of which some are left": lut(SQUARES, data=Raw("OW", words(SQUARES)[:398])),
    "entries of 8 bits, of which some are left": lut(SQUARES, bits=8, data=Raw("OW", bytes(198))),
    "no bits": lut(SQUARES, bits=0),
    "more bits than an entry has": lut(SQUARES, bits=17),
    "no data": lut(SQUARES, data=Raw("OW", b"")),
    "no data element": {"LUTDescriptor": Raw("US", words([200, 0, 16])), "ModalityLUTType": "HU"},
    "no descriptor": {"LUTData": Raw("OW", words(SQUARES)), "ModalityLUTType": "HU"},
    "an empty descriptor": lut(SQUARES, LUTDescriptor=Raw("US", b"")),
    "two values in the descriptor": lut(SQUARES, LUTDescriptor=Raw("US", words([200, 0]))),
    "a descriptor of odd bytes": lut(SQUARES, LUTDescriptor=Raw("US", b"\1\2\3")),
    "an empty item": {},
}


@pytest.mark.parametrize("item", BROKEN.values(), ids=BROKEN.keys())
def test_a_broken_table_is_refused_not_replaced_by_the_rescale(tmp_path: Path, item: dict[str, Any]) -> None:
    write_series(tmp_path, 2, ModalityLUTSequence=[item])
    with pytest.raises(dm.LoadError, match="its Modality LUT Sequence holds no usable table"):
        dm.load(tmp_path)


def test_padding_is_compared_before_the_table(tmp_path: Path) -> None:
    # 700 is stored at (8, 4), 707 to its right; the table maps both to its last entry
    changes = {"ModalityLUTSequence": [lut(SQUARES, 400)], "PixelPaddingValue": 700, "RescaleSlope": None}
    write_series(tmp_path, 1, **changes)
    (volume,) = dm.load(tmp_path, padding="nan")
    assert np.argwhere(np.isnan(volume.array[0])).tolist() == [[8, 4]]
    assert dm.load(tmp_path, padding="air")[0].array[0, 8, 4] == -1000
    assert dm.load(tmp_path)[0].array[0, 8, 4] == SQUARES[199]


def test_padding_is_left_out_of_the_display_range_behind_a_table_too(tmp_path: Path) -> None:
    pixels = np.tile(np.array([5, 6, 7], "<u2"), 64).reshape(16, 12)
    changes = {"ModalityLUTSequence": [lut([30000, 100, 200], 5)], "PixelPaddingValue": 5, "pixels": lambda k: pixels}
    write_series(tmp_path, 1, **changes)
    assert dm.load(tmp_path)[0].display_range() == (100, 200)


FACTORY: dict[str, dict[str, Any]] = {
    "16 bits": {"ModalityLUTSequence": [lut(SQUARES, 400)]},
    "signed": {"ModalityLUTSequence": [lut(SQUARES, -150, descriptor_vr="SS")], **SIGNED},
    "8 bits": {
        "ModalityLUTSequence": [lut([(7 * i) % 256 for i in range(100)], 50, 8)],
        "pixels": lambda k: byte_pixels(),
        **BYTES,
    },
}


@pytest.mark.parametrize("changes", FACTORY.values(), ids=FACTORY.keys())
def test_values_are_pydicoms(tmp_path: Path, changes: dict[str, Any]) -> None:
    from pydicom import dcmread
    from pydicom.pixels import apply_modality_lut

    (path,) = write_series(tmp_path, 1, **changes)
    dataset = dcmread(path)
    np.testing.assert_array_equal(dm.load(path)[0].array[0], apply_modality_lut(dataset.pixel_array, dataset))


@pytest.mark.parametrize("name", REAL)
def test_values_of_real_files_are_pydicoms(shared: Path, name: str) -> None:
    from pydicom import dcmread
    from pydicom.pixels import apply_modality_lut
    from pydicom_decoder import register_with_pydicom

    path = shared / "data" / name
    register_with_pydicom()
    dataset = dcmread(path)
    expected = apply_modality_lut(dataset.pixel_array, dataset)
    assert not np.array_equal(expected, dataset.pixel_array)
    (volume,) = dm.load(path)
    np.testing.assert_array_equal(volume.array[0], expected)


def table(values: list[int], first: int = 0) -> LookupTable:
    return LookupTable(first=first, bits=16, values=np.array(values, np.uint16))


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.uint16, np.int32, np.uint32, np.float32, np.float64])
def test_a_table_takes_every_kind_of_number(dtype: type) -> None:
    stored = np.array([[0, 2], [3, 100]], dtype)
    found = table([10, 20, 30], 1).apply(stored)
    assert found.dtype == np.uint16
    assert found.tolist() == [[10, 20], [30, 30]]


def test_fractions_belong_to_the_entry_below() -> None:
    stored = np.array([-0.5, 0, 0.99, 1, 1.5, 2.0, -1.5])
    assert table([10, 20, 30], -1).apply(stored).tolist() == [10, 20, 20, 30, 30, 30, 10]


def test_inputs_far_beyond_the_table_do_not_wrap() -> None:
    stored = np.array([-(2**31), 2**31 - 1])
    assert table([10, 20, 30], 32767).apply(stored).tolist() == [10, 30]
    assert table([10, 20, 30], -32768).apply(np.array([65535], np.uint16)).tolist() == [30]


def test_a_table_cannot_be_written_to(tmp_path: Path) -> None:
    path = tmp_path / "x.dcm"
    path.write_bytes(ct_slice(0, ModalityLUTSequence=[lut(SQUARES)]))
    (found,) = read_modality_luts(str(path))
    with pytest.raises(ValueError, match="read-only"):
        found.values[0] = 1


def test_a_table_says_what_it_is(tmp_path: Path) -> None:
    path = tmp_path / "x.dcm"
    path.write_bytes(ct_slice(0, ModalityLUTSequence=[lut([5, 6], 7, 12, "OD", LUTExplanation="Film 3 ")]))
    (found,) = read_modality_luts(str(path))
    assert (found.first, found.bits, found.values.tolist(), found.kind, found.explanation) == (
        7,
        12,
        [5, 6],
        "OD",
        "Film 3",
    )
    assert read_voi_luts(str(path)) == ()


def test_voi_tables_are_alternatives_in_their_order(tmp_path: Path) -> None:
    path = tmp_path / "x.dcm"
    items = [
        lut([1, 2], kind=None, LUTExplanation="NORMAL"),
        lut([1, 2], kind=None, count=9, LUTExplanation="BROKEN"),
        lut([3, 4, 5], -2, 10, kind=None, LUTExplanation="SOFT", descriptor_vr="SS"),
    ]
    path.write_bytes(ct_slice(0, VOILUTSequence=items, PixelRepresentation=1))
    assert [(one.explanation, one.first, one.bits, one.values.tolist()) for one in read_voi_luts(str(path))] == [
        ("NORMAL", 0, 16, [1, 2]),
        ("SOFT", -2, 10, [3, 4, 5]),
    ]
    assert read_modality_luts(str(path)) == ()


def test_a_file_that_is_gone_or_no_dicom_has_no_tables(tmp_path: Path) -> None:
    assert read_modality_luts(str(tmp_path / "gone")) == ()
    (tmp_path / "x").write_bytes(struct.pack("<100L", *range(100)))
    assert read_modality_luts(str(tmp_path / "x")) == ()
