from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from dicom_factory import BIG, DEFLATED, EXPLICIT, IMPLICIT, Raw, ct_pixels, ct_slice, write_series

import napari_dicommeta as dm
from napari_dicommeta.findings.finding import Finding

PET_IMAGE = "1.2.840.10008.5.1.4.1.1.128"
SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"
RT_DOSE = "1.2.840.10008.5.1.4.1.1.481.2"


def only(source: Path, **options: Any) -> dm.Volume:
    (volume,) = dm.load(source, **options)
    return volume


def note(volume: dm.Volume, code: str) -> Finding:
    (found,) = [one for one in volume.notes if one.code == code]
    return found


def codes(volume: dm.Volume) -> set[str]:
    return {one.code for one in volume.notes}


def signed(values: Any) -> dict[str, Any]:
    """The changes that make every slice one of `values`, 16 × 12 of them or one, in 16 signed bits."""
    pixels = np.broadcast_to(np.asarray(values, "<i2"), (16, 12)).copy()
    return {"pixels": lambda k: pixels, "PixelRepresentation": 1, "BitsStored": 16, "HighBit": 15}


# Rescale


def test_each_slice_has_its_own_rescale(tmp_path: Path) -> None:
    slopes, intercepts = [1, 2, "0.5", -1], [-1024, 0, "12.25", 4095]
    write_series(tmp_path, 4, RescaleSlope=lambda k: slopes[k], RescaleIntercept=lambda k: intercepts[k])
    volume = only(tmp_path)
    assert volume.array.dtype == np.float32
    for k in range(4):
        expected = ct_pixels(k) * float(slopes[k]) + float(intercepts[k])
        np.testing.assert_array_equal(volume.array[k], expected.astype(np.float32))
    assert note(volume, "rescale-varies").severity == "info"
    assert "slopes -1 to 2 (4 values), intercepts -1024 to 4095 (4 values)" in str(note(volume, "rescale-varies"))


def test_one_rescale_for_all_is_not_worth_a_note(tmp_path: Path) -> None:
    write_series(tmp_path, 3, RescaleSlope=lambda k: ["1", "1.0", "1.000000"][k])
    assert "rescale-varies" not in codes(only(tmp_path))


@pytest.mark.parametrize(
    "lacking",
    [
        {"RescaleSlope": None},
        {"RescaleIntercept": None},
        {"RescaleSlope": None, "RescaleIntercept": None},
        {"RescaleSlope": ""},
        {"RescaleSlope": "", "RescaleIntercept": ""},
    ],
    ids=lambda lacking: ", ".join(
        f"{key[7:]} {'empty' if value == '' else 'absent'}" for key, value in lacking.items()
    ),
)
def test_a_rescale_missing_in_some_slices_is_refused_or_filled(tmp_path: Path, lacking: dict[str, Any]) -> None:
    given = {"RescaleSlope": 2, "RescaleIntercept": -1000}

    def change(keyword: str) -> Any:
        return lambda k: lacking.get(keyword, given[keyword]) if k in (1, 3) else given[keyword]

    write_series(tmp_path, 5, **{keyword: change(keyword) for keyword in given})
    with pytest.raises(dm.LoadError, match="missing in 2 of its 5 files: raw and rescaled values would be mixed"):
        dm.load(tmp_path)
    volume = only(tmp_path, missing_rescale="series")
    for k in range(5):
        np.testing.assert_array_equal(volume.array[k], ct_pixels(k).astype(int) * 2 - 1000)
    assert note(volume, "rescale-filled").severity == "decision"
    assert "missing in 2 of its 5 files: 2 and -1000 of the other files are used" in str(note(volume, "rescale-filled"))
    assert volume.units == "HU"


@pytest.mark.parametrize("keyword", ["RescaleSlope", "RescaleIntercept"])
def test_a_refusal_of_a_missing_rescale_says_how_all_images_open(tmp_path: Path, keyword: str) -> None:
    given = {"RescaleSlope": 2, "RescaleIntercept": -1000}
    write_series(tmp_path, 5, **given | {keyword: lambda k: None if k in (1, 3) else given[keyword]})
    with pytest.raises(dm.LoadError, match=f"split='{keyword}' opens them apart"):
        dm.load(tmp_path)
    assert [volume.array.shape[0] for volume in dm.load(tmp_path, split=keyword)] == [3, 2]


def test_a_missing_rescale_is_not_filled_where_the_others_do_not_agree(tmp_path: Path) -> None:
    write_series(tmp_path, 4, RescaleSlope=lambda k: [1, None, 1, 2][k], RescaleIntercept=0)
    with pytest.raises(dm.LoadError, match="missing in 1 of its 4 files"):
        dm.load(tmp_path, missing_rescale="series")


def test_others_that_spell_one_rescale_in_two_ways_do_agree(tmp_path: Path) -> None:
    write_series(tmp_path, 4, RescaleSlope=lambda k: ["1", None, "1.000", "+1e0"][k])
    volume = only(tmp_path, missing_rescale="series")
    np.testing.assert_array_equal(volume.array[1], ct_pixels(1).astype(int) - 1024)


def test_what_a_slice_says_itself_is_not_overwritten_by_filling(tmp_path: Path) -> None:
    changes = {
        "RescaleSlope": lambda k: None if k == 1 else 1,
        "RescaleIntercept": lambda k: -1000 if k == 1 else -1024,
    }
    write_series(tmp_path, 3, **changes)
    with pytest.raises(dm.LoadError):
        dm.load(tmp_path, missing_rescale="series")


@pytest.mark.parametrize("missing_rescale", ["refuse", "series"])
def test_no_rescale_in_any_slice_is_no_hu_and_a_fault_of_ct_only(tmp_path: Path, missing_rescale: str) -> None:
    write_series(tmp_path / "ct", 2, RescaleSlope=None, RescaleIntercept="")
    volume = only(tmp_path / "ct", missing_rescale=missing_rescale)
    assert (volume.units, note(volume, "rescale-missing").severity) == ("", "wrong")
    np.testing.assert_array_equal(volume.array[1], ct_pixels(1))
    assert str(note(volume, "rescale-missing")).startswith("No Rescale Slope and Intercept, which CT requires")
    write_series(tmp_path / "half", 2, RescaleSlope=None)
    half = only(tmp_path / "half", missing_rescale=missing_rescale)
    assert str(note(half, "rescale-missing")).startswith("No Rescale Slope beside the Rescale Intercept")
    write_series(tmp_path / "mr", 2, RescaleSlope=None, RescaleIntercept=None, Modality="MR")
    assert only(tmp_path / "mr").problems == ()


@pytest.mark.parametrize("text", ["1,5", "1_0", "abc", "1e999", "1\\1", "0", "-0.0"])
def test_a_slope_that_is_no_factor_is_refused(tmp_path: Path, text: str) -> None:
    write_series(tmp_path, 1, RescaleSlope=text)
    with pytest.raises(dm.LoadError, match="is not a valid rescale"):
        dm.load(tmp_path)


@pytest.mark.parametrize("text", ["00001", "+1", "1.", "1e0", "10E-1", " 1"])
def test_a_slope_may_be_spelled_in_every_legal_way(tmp_path: Path, text: str) -> None:
    write_series(tmp_path, 1, RescaleSlope=text)
    volume = only(tmp_path)
    assert volume.array.dtype == np.int16
    np.testing.assert_array_equal(volume.array[0], ct_pixels(0).astype(int) - 1024)


def test_slices_of_another_sign_and_depth_are_one_volume(tmp_path: Path) -> None:
    # as in one public CT set: unsigned 12-bit slices with -1024 beside signed 16-bit ones with 0
    hu = np.stack([ct_pixels(k).astype(np.int32) - 1024 for k in range(4)])
    own = {
        "pixels": lambda k: hu[k].astype("<i2") if k % 2 else ct_pixels(k),
        "PixelRepresentation": lambda k: k % 2,
        "BitsStored": lambda k: 16 if k % 2 else 12,
        "HighBit": lambda k: 15 if k % 2 else 11,
        "RescaleIntercept": lambda k: 0 if k % 2 else -1024,
    }
    write_series(tmp_path, 4, **own)
    volume = only(tmp_path)
    assert volume.array.dtype == np.int16
    np.testing.assert_array_equal(np.asarray(volume.array), hu)


# int16 or float32


def extremes(bits: int, is_signed: bool) -> np.ndarray:
    low, high = (-(1 << (bits - 1)), (1 << (bits - 1)) - 1) if is_signed else (0, (1 << bits) - 1)
    return np.array([low, high, low + 1, high - 1] * 48, np.int64).reshape(16, 12)


@pytest.mark.parametrize(
    ("bits", "is_signed", "slope", "intercept", "dtype"),
    [
        (15, False, 1, 0, np.int16),  # 0 … 32767
        (15, False, 1, 1, np.float32),  # … 32768
        (16, True, 1, 0, np.int16),  # -32768 … 32767
        (16, True, 1, -1, np.int16),  # -32769 saturates, as no HU are that low
        (16, True, 1, 1, np.float32),  # 32768
        (16, True, -1, 0, np.float32),  # 32768
        (16, True, -1, -1, np.int16),  # -(-32768) - 1 = 32767 and -32767 - 1 = -32768
        (15, False, -1, 0, np.int16),  # -32767 … 0
        (15, False, -1, -1, np.int16),  # -32768 … -1
        (15, False, -1, -2, np.float32),  # -32769
        (16, False, 1, 0, np.float32),  # … 65535
        (16, False, 1, -32767, np.float32),  # -32767 … 32768
        (12, False, 8, 7, np.int16),  # 4095 · 8 + 7 = 32767
        (12, False, 8, 8, np.float32),
        (12, False, -8, -8, np.int16),  # -32760 - 8 = -32768
        (12, False, -8, -9, np.float32),
        (12, False, 16, -32760, np.int16),  # 65520 - 32760 = 32760: the product alone does not fit
        (12, False, 1, 32767 - 4095, np.int16),
        (8, False, 1, -1024, np.int16),
        (1, False, 32767, 0, np.int16),
        (1, False, 32768, 0, np.float32),
        (1, False, 40000, -20000, np.float32),  # -20000 and 20000 fit; the slope does not, which may be either
        (12, False, "1.5", 0, np.float32),
        (12, False, 1, "-1024.5", np.float32),
        (12, False, "1.0", "-1024.000", np.int16),
        (12, False, "1e300", 0, np.float64),
    ],
)
def test_whole_values_are_int16_where_all_that_the_bits_allow_fit(
    tmp_path: Path, bits: int, is_signed: bool, slope: Any, intercept: Any, dtype: type
) -> None:
    stored = extremes(bits, is_signed)
    changes = {
        "pixels": lambda k: (stored & 0xFFFF).astype("<u2"),
        "BitsStored": bits,
        "HighBit": bits - 1,
        "PixelRepresentation": int(is_signed),
        "RescaleSlope": slope,
        "RescaleIntercept": intercept,
    }
    write_series(tmp_path, 1, **changes)
    volume = only(tmp_path)
    assert volume.array.dtype == dtype
    exact = stored * float(slope) + float(intercept)
    expected = (np.maximum(exact, -32768) if dtype is np.int16 else exact).astype(dtype)
    np.testing.assert_array_equal(volume.array[0], expected)


def test_unsigned_16_bits_with_an_intercept_of_minus_32768_are_int16(tmp_path: Path) -> None:
    stored = extremes(16, False)
    write_series(tmp_path, 1, pixels=lambda k: stored.astype("<u2"), BitsStored=16, HighBit=15, RescaleIntercept=-32768)
    volume = only(tmp_path)
    np.testing.assert_array_equal(volume.array[0], stored - 32768)
    assert volume.array.dtype == np.int16  # "where every slope and intercept is whole and the range fits"


# Padding


PADDED = np.array([-2000, -1999, 0, 1000] * 48).reshape(16, 12)
"""A quarter is padding of -2000."""


@pytest.mark.parametrize(
    "padding_value",
    [
        Raw("SS", struct.pack("<h", -2000)),
        Raw("US", struct.pack("<H", 63536)),
        Raw("UN", bytes.fromhex("30f8")),
    ],
    ids=["SS -2000", "US 63536", "UN 30 F8"],
)
def test_padding_is_kept_or_air_or_nan(tmp_path: Path, padding_value: Raw) -> None:
    write_series(tmp_path, 2, PixelPaddingValue=padding_value, RescaleIntercept=0, **signed(PADDED))
    kept = only(tmp_path)
    assert kept.array.dtype == np.int16
    np.testing.assert_array_equal(kept.array[0], PADDED)
    air = only(tmp_path, padding="air")
    assert air.array.dtype == np.int16
    np.testing.assert_array_equal(air.array[0], np.where(PADDED == -2000, -1000, PADDED))
    nan = only(tmp_path, padding="nan")
    assert nan.array.dtype == np.float32
    np.testing.assert_array_equal(nan.array[0], np.where(PADDED == -2000, np.nan, PADDED))
    assert "Stored values -2000 are padding" in str(note(kept, "padding"))


@pytest.mark.parametrize("syntax", [EXPLICIT, IMPLICIT, BIG, DEFLATED])
def test_padding_is_found_in_every_syntax(tmp_path: Path, syntax: str) -> None:
    # in big endian files the factory turns the bytes of the pixels round, those of other elements are its own
    value = Raw("SS", struct.pack(">h" if syntax == BIG else "<h", -2000))
    write_series(tmp_path, 1, syntax, PixelPaddingValue=value, **signed(PADDED))
    volume = only(tmp_path, padding="nan")
    np.testing.assert_array_equal(np.isnan(volume.array[0]), PADDED == -2000)


def test_air_is_for_hounsfield_units_only(tmp_path: Path) -> None:
    write_series(tmp_path, 1, PixelPaddingValue=0, Modality="MR", RescaleType=None, RescaleIntercept=0)
    np.testing.assert_array_equal(only(tmp_path, padding="air").array[0], ct_pixels(0))
    assert np.isnan(only(tmp_path, padding="nan").array[0]).sum() == (ct_pixels(0) == 0).sum() == 1


def test_nan_makes_floats_even_where_no_slice_has_padding(tmp_path: Path) -> None:
    write_series(tmp_path, 1)
    volume = only(tmp_path, padding="nan")
    assert volume.array.dtype == np.float32
    np.testing.assert_array_equal(volume.array[0], ct_pixels(0).astype(int) - 1024)
    assert only(tmp_path, padding="air").array.dtype == np.int16


@pytest.mark.parametrize(("value", "limit"), [(70, 140), (140, 70), (70, 70), (0, 4095), (4095, 4000)])
def test_padding_with_a_limit_is_an_inclusive_range_either_way_round(tmp_path: Path, value: int, limit: int) -> None:
    write_series(tmp_path, 1, PixelPaddingValue=value, PixelPaddingRangeLimit=limit)
    stored = ct_pixels(0)
    inside = (stored >= min(value, limit)) & (stored <= max(value, limit))
    np.testing.assert_array_equal(np.isnan(only(tmp_path, padding="nan").array[0]), inside)
    np.testing.assert_array_equal(
        only(tmp_path, padding="air").array[0], np.where(inside, -1000, stored.astype(int) - 1024)
    )


def test_a_range_of_signed_padding_written_unsigned(tmp_path: Path) -> None:
    write_series(tmp_path, 1, PixelPaddingValue=63536, PixelPaddingRangeLimit=63537, **signed(PADDED))
    volume = only(tmp_path, padding="nan")
    np.testing.assert_array_equal(np.isnan(volume.array[0]), PADDED <= -1999)
    assert "Stored values -2000 to -1999 are padding" in str(note(volume, "padding"))


def test_a_limit_without_a_value_is_no_padding(tmp_path: Path) -> None:
    write_series(tmp_path, 1, PixelPaddingRangeLimit=100)
    assert not np.isnan(only(tmp_path, padding="nan").array[0]).any()
    assert "padding" not in codes(only(tmp_path))


def test_a_range_that_reaches_beyond_the_bits_is_padding_within_them(tmp_path: Path) -> None:
    write_series(tmp_path, 1, PixelPaddingValue=1000, PixelPaddingRangeLimit=60000)
    np.testing.assert_array_equal(np.isnan(only(tmp_path, padding="nan").array[0]), ct_pixels(0) >= 1000)


@pytest.mark.parametrize("padding", ["keep", "air", "nan"])
def test_padding_that_the_bits_cannot_hold_is_noted_and_ignored(tmp_path: Path, padding: str) -> None:
    # 8240 is the text "0 " in a field of two bytes; 12 bits end at 4095
    write_series(tmp_path, 2, PixelPaddingValue=Raw("US", b"0 "))
    volume = only(tmp_path, padding=padding)
    np.testing.assert_array_equal(volume.array[1], ct_pixels(1).astype(int) - 1024)
    assert note(volume, "padding-impossible").severity == "decision"
    assert "8240 is text in a number field" in str(note(volume, "padding-impossible"))
    assert "padding" not in codes(volume)
    assert volume.padding == ()


def test_text_in_the_padding_value_is_no_padding_of_16_bits_either(tmp_path: Path) -> None:
    # findings' advice on it is "Do not use this value; treat the element as absent."
    write_series(tmp_path, 1, PixelPaddingValue=Raw("US", b"0 "), **signed([0, 8240, 8241] * 4))
    assert not np.isnan(only(tmp_path, padding="nan").array[0]).any()


def test_padding_compares_with_what_is_stored_in_the_bits(tmp_path: Path) -> None:
    # 12 signed bits in dirty containers: -2000 is 0x830, with 0xA000 above
    dirty = ((PADDED & 0xFFF) | 0xA000).astype("<u2")
    write_series(tmp_path, 1, pixels=lambda k: dirty, PixelRepresentation=1, PixelPaddingValue=63536)
    np.testing.assert_array_equal(np.isnan(only(tmp_path, padding="nan").array[0]), PADDED == -2000)


def test_each_slice_has_its_own_padding(tmp_path: Path) -> None:
    write_series(tmp_path, 3, PixelPaddingValue=lambda k: [0, None, 207][k])
    array = np.asarray(only(tmp_path, padding="nan").array)
    # stored values of slice k are 100 k and steps of 7 from there
    assert np.argwhere(np.isnan(array)).tolist() == [[0, 0, 0], [2, 0, 1]]


def test_padding_is_stored_values_however_they_are_rescaled(tmp_path: Path) -> None:
    changes = {"RescaleSlope": lambda k: ["0.1", "-3"][k], "RescaleIntercept": lambda k: ["7", "0.3"][k]}
    write_series(tmp_path, 2, PixelPaddingValue=700, **changes)
    array = np.asarray(only(tmp_path, padding="nan").array)
    np.testing.assert_array_equal(np.isnan(array), np.stack([ct_pixels(k) == 700 for k in range(2)]))
    assert np.isnan(array).sum() == 1  # slice 1 holds 100 and steps of 7: no 700


@pytest.mark.parametrize("slope", ["1", "1.000244", "0.1"])
def test_padding_is_left_out_of_the_display_range(tmp_path: Path, slope: str) -> None:
    write_series(tmp_path, 3, PixelPaddingValue=63536, RescaleSlope=slope, **signed(PADDED))
    low, high = np.array([-1999, 1000]) * float(slope) - 1024
    for padding in ("keep", "nan"):
        assert only(tmp_path, padding=padding).display_range() == pytest.approx((low, high), rel=1e-6)


def test_a_range_of_padding_is_left_out_of_the_display_range_under_a_negative_slope(tmp_path: Path) -> None:
    changes = {"PixelPaddingValue": 63537, "PixelPaddingRangeLimit": 63536, "RescaleSlope": -1, "RescaleIntercept": 5}
    write_series(tmp_path, 1, **changes, **signed(PADDED))
    volume = only(tmp_path)
    assert volume.padding == ((2004, 2005),)
    assert volume.display_range() == (-995, 5)


def test_a_slice_that_is_all_padding_has_a_display_range(tmp_path: Path) -> None:
    write_series(tmp_path, 1, PixelPaddingValue=63536, **signed(-2000))
    low, high = only(tmp_path).display_range()
    assert low < high
    assert low == -3024
    low, high = only(tmp_path, padding="nan").display_range()
    assert low < high


@pytest.mark.parametrize("padding", ["air", "nan"])
def test_the_note_on_padding_does_not_say_kept_where_it_is_replaced(tmp_path: Path, padding: str) -> None:
    write_series(tmp_path, 1, PixelPaddingValue=63536, **signed(PADDED))
    assert "kept as they are" not in str(note(only(tmp_path, padding=padding), "padding"))


# Units


@pytest.mark.parametrize(
    ("changes", "units", "code", "severity"),
    [
        ({"RescaleType": "HU"}, "HU", "units", "info"),
        ({"RescaleType": "HU", "ImageType": ["DERIVED", "SECONDARY"]}, "HU", "units", "info"),
        ({"RescaleType": None}, "HU", "units", "info"),
        ({"RescaleType": "Houndsfield"}, "HU", "units", "info"),
        ({"RescaleType": "Hounsfield Units"}, "HU", "units", "info"),
        ({"RescaleType": "US"}, "HU", "rescale-unspecified", "info"),
        ({"RescaleType": "US", "ImageType": ["DERIVED", "PRIMARY"]}, "US", "rescale-type", "decision"),
        ({"RescaleType": "Z_EFF"}, "Z_EFF", "rescale-type", "decision"),
        ({"Modality": "MR", "RescaleType": "US"}, "", None, None),
        ({"Modality": "MR", "RescaleType": None}, "", None, None),
        ({"Modality": "MR", "RescaleType": "normalized"}, "normalized", None, None),
        ({"Modality": "CR", "RescaleType": "OD"}, "OD", None, None),
        ({"Modality": "PT", "Units": "BQML", "RescaleType": None}, "BQML", None, None),
        ({"Modality": "PT", "Units": "GML", "RescaleType": "US"}, "GML", None, None),
        ({"Modality": "PT", "RescaleType": None}, "", None, None),
    ],
)
def test_units_come_with_their_reason(
    tmp_path: Path, changes: dict[str, Any], units: str, code: str | None, severity: str | None
) -> None:
    write_series(tmp_path, 1, **changes)
    volume = only(tmp_path)
    assert volume.units == units
    found = {one.code: one.severity for one in volume.notes}
    if code is None:
        assert found.keys().isdisjoint({"units", "rescale-type", "rescale-unspecified"})
    else:
        assert found[code] == severity


def test_two_rescale_types_give_no_units(tmp_path: Path) -> None:
    write_series(tmp_path, 3, RescaleType=lambda k: ["HU", "US", None][k])
    volume = only(tmp_path)
    assert volume.units == ""
    assert str(note(volume, "rescale-type")) == "Rescale Type differs: HU, US, none"


def test_a_secondary_capture_of_8_bits_in_a_ct_series_is_not_hu(tmp_path: Path) -> None:
    changes = {
        "SOPClassUID": SECONDARY_CAPTURE,
        "ImageType": ["DERIVED", "SECONDARY"],
        "RescaleType": None,
        "RescaleIntercept": 0,
        "pixels": lambda k: np.arange(192, dtype=np.uint8).reshape(16, 12),
        "BitsAllocated": 8,
        "BitsStored": 8,
        "HighBit": 7,
    }
    write_series(tmp_path, 1, **changes)
    assert only(tmp_path).units == ""


def test_pet_has_its_own_units_and_a_slope_for_each_slice(tmp_path: Path) -> None:
    slopes = ["0.000073", "1.2", "5.9e-5", "31.5"]
    changes = {"SOPClassUID": PET_IMAGE, "Modality": "PT", "Units": "BQML", "RescaleType": None, "RescaleIntercept": 0}
    write_series(tmp_path, 4, RescaleSlope=lambda k: slopes[k], **changes)
    volume = only(tmp_path)
    assert (volume.units, volume.array.dtype) == ("BQML", np.float32)
    for k in range(4):
        np.testing.assert_array_equal(volume.array[k], (ct_pixels(k) * float(slopes[k])).astype(np.float32))
    assert "5.9e-05 to 31.5 (4 values), intercepts 0" in str(note(volume, "rescale-varies"))
    assert volume.problems == ()


def test_pet_without_a_rescale_has_no_units(tmp_path: Path) -> None:
    write_series(tmp_path, 1, Modality="PT", Units="BQML", RescaleSlope=None, RescaleIntercept=None, RescaleType=None)
    volume = only(tmp_path)
    assert volume.units == ""
    assert str(note(volume, "rescale-missing")) == (
        "No Rescale Slope, which PET requires: stored values are shown, not Bq/ml"
    )


@pytest.mark.parametrize("intercept", [None, ""])
@pytest.mark.parametrize(("modality", "units"), [("PT", "BQML"), ("CT", "HU"), ("MR", "")])
def test_a_slope_without_an_intercept_is_a_slope(tmp_path: Path, intercept: Any, modality: str, units: str) -> None:
    changes = {"Modality": modality, "Units": "BQML", "RescaleIntercept": intercept, "RescaleType": None}
    write_series(tmp_path, 3, RescaleSlope=lambda k: k + 2, **changes)
    volume = only(tmp_path)
    assert volume.units == units
    for k in range(3):
        np.testing.assert_array_equal(volume.array[k], ct_pixels(k).astype(np.int32) * (k + 2))
    assert note(volume, "intercept-missing").severity == "decision"


@pytest.mark.parametrize("intercept", [None, ""])
@pytest.mark.parametrize("slopes", [(2, 2, 2, 2), (2, 3, 4, 5)])
def test_an_intercept_missing_in_some_slices_is_the_0_of_the_others(
    tmp_path: Path, intercept: Any, slopes: tuple[int, ...]
) -> None:
    changes = {"Modality": "PT", "Units": "BQML", "RescaleType": None}
    missing = {"RescaleIntercept": lambda k: intercept if k in (1, 3) else "0.0"}
    write_series(tmp_path, 4, RescaleSlope=lambda k: slopes[k], **missing, **changes)
    volume = only(tmp_path)
    for k in range(4):
        np.testing.assert_array_equal(volume.array[k], ct_pixels(k).astype(np.int32) * slopes[k])
    assert str(note(volume, "intercept-missing")) == (
        "No Rescale Intercept in 2 of 4 images: 0, as in the others, is used with the Rescale Slope"
    )


@pytest.mark.parametrize("text", ["0", "1,5"])
def test_an_image_without_a_valid_slope_is_refused_by_its_name_and_the_others_open(tmp_path: Path, text: str) -> None:
    write_series(tmp_path, 4, RescaleSlope=lambda k: text if k == 3 else "1")
    volumes = dm.load(tmp_path)
    assert [volume.array.shape[0] for volume in volumes] == [3]
    (refusal,) = volumes.refusals
    assert refusal.code == "rescale-invalid"
    assert len(refusal.paths) == 1
    assert repr(text) in refusal.reason


def test_signed_16_bits_with_a_negative_intercept_saturate_and_say_where(tmp_path: Path) -> None:
    stored = [np.array([[-32768, -31745], [-31744, 3071]], "<i2"), np.array([[-31744, 0], [1024, 32767]], "<i2")]
    changes = {"BitsStored": 16, "HighBit": 15, "PixelRepresentation": 1, "Rows": 2, "Columns": 2}
    write_series(tmp_path, 2, pixels=lambda k: stored[k].view("<u2"), RescaleIntercept=-1024, **changes)
    volume = only(tmp_path)
    assert volume.array.dtype == np.int16
    np.testing.assert_array_equal(
        np.asarray(volume.array), [[[-32768, -32768], [-32768, 2047]], [[-32768, -1024], [0, 31743]]]
    )
    assert volume.saturated == {0: 2}


# Dose


def dose(scaling: Any = "1.5e-6", units: str = "GY", dtype: str = "<u4") -> dict[str, Any]:
    largest = 2**32 - 1 if dtype == "<u4" else 65535
    stored = np.linspace(0, largest, 3 * 192).astype(dtype)
    bits = 8 * stored.itemsize
    return {
        "SOPClassUID": RT_DOSE,
        "Modality": "RTDOSE",
        "NumberOfFrames": 3,
        "GridFrameOffsetVector": [0, 3, 6],
        "FrameIncrementPointer": 0x3004000C,
        "DoseUnits": units,
        "DoseType": "PHYSICAL",
        "DoseGridScaling": scaling,
        "BitsAllocated": bits,
        "BitsStored": bits,
        "HighBit": bits - 1,
        "RescaleSlope": None,
        "RescaleIntercept": None,
        "RescaleType": None,
        "ImagePositionPatient": [5, 6, 7],
        "PixelData": Raw("OW", stored.tobytes()),
    }


@pytest.mark.parametrize("dtype", ["<u4", "<u2"])
def test_dose_grids_are_scaled_to_gray(tmp_path: Path, dtype: str) -> None:
    (tmp_path / "dose.dcm").write_bytes(ct_slice(0, **dose(dtype=dtype)))
    volume = only(tmp_path)
    assert (volume.units, volume.array.dtype, volume.array.shape) == ("Gy", np.float32, (3, 16, 12))
    stored = np.linspace(0, 2**32 - 1 if dtype == "<u4" else 65535, 3 * 192).astype(dtype)
    np.testing.assert_array_equal(np.asarray(volume.array).reshape(-1), (stored * 1.5e-6).astype(np.float32))
    assert volume.geometry.spacing == (3, 0.75, 0.5)
    assert volume.geometry.affine is not None
    np.testing.assert_allclose(volume.geometry.affine @ [2, 0, 0, 1], [5, 6, 13, 1])


def test_relative_dose_is_not_gray(tmp_path: Path) -> None:
    (tmp_path / "dose.dcm").write_bytes(ct_slice(0, **dose(units="RELATIVE")))
    assert only(tmp_path).units == "relative"


@pytest.mark.parametrize("scaling", [None, "", "0", "x"])
def test_a_dose_without_a_scaling_is_refused(tmp_path: Path, scaling: str | None) -> None:
    (tmp_path / "dose.dcm").write_bytes(ct_slice(0, **dose(scaling)))
    with pytest.raises(dm.LoadError, match=r"a Dose Grid Scaling of .* is not a valid scaling"):
        dm.load(tmp_path)


# Other notes


def test_lossy_history_is_a_note(tmp_path: Path) -> None:
    changes = {"LossyImageCompression": "01", "LossyImageCompressionRatio": "9.5"}
    write_series(tmp_path / "all", 2, **changes)
    found = note(only(tmp_path / "all"), "lossy")
    assert str(found) == "All images have been lossily compressed, ratio 9.5"
    assert (found.severity, found.standard) == ("decision", "PS3.3 section C.7.6.1.1.5")
    write_series(tmp_path / "some", 3, LossyImageCompression=lambda k: ["00", "01", None][k])
    assert str(note(only(tmp_path / "some"), "lossy")) == "1 of 3 images has been lossily compressed"
    write_series(tmp_path / "none", 2, LossyImageCompression="00")
    assert "lossy" not in codes(only(tmp_path / "none"))


def test_ratios_of_compression_are_sorted_as_numbers(tmp_path: Path) -> None:
    write_series(tmp_path, 2, LossyImageCompression="01", LossyImageCompressionRatio=lambda k: ["9", "10"][k])
    assert str(note(only(tmp_path), "lossy")).endswith("ratios 9 to 10")


def test_windows_that_vary_are_a_note_and_the_middle_ones_come_first(tmp_path: Path) -> None:
    write_series(tmp_path, 3, WindowCenter=lambda k: 40 + k, WindowWidth=400, WindowCenterWidthExplanation=None)
    volume = only(tmp_path)
    assert note(volume, "windows-vary").severity == "info"
    assert "3 sets" in str(note(volume, "windows-vary"))
    assert [window.center for window in volume.windows] == [41, 40, 42]
    assert [[window.center for window in windows] for windows in volume.slice_windows] == [[40], [41], [42]]
    write_series(tmp_path / "same", 3)
    assert "windows-vary" not in codes(only(tmp_path / "same"))


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"padding": "zero"}, "padding must be one of keep, air, nan, not 'zero'"),
        ({"padding": ""}, "padding must be one of"),
        ({"padding": None}, "padding must be one of"),
        ({"missing_rescale": "identity"}, "missing_rescale must be 'refuse' or 'series', not 'identity'"),
    ],
)
def test_an_option_without_such_a_value_is_an_error(tmp_path: Path, options: dict[str, Any], text: str) -> None:
    with pytest.raises(ValueError, match=text):
        dm.load(tmp_path / "does not matter", **options)


@pytest.mark.parametrize("split", ["gap", "SeriesNumbr", ""])
def test_a_split_by_nothing_known_is_an_error(tmp_path: Path, split: str) -> None:
    write_series(tmp_path, 2)
    with pytest.raises(ValueError, match="keyword"):
        dm.load(tmp_path, split=split)


# Pixel formats that fill no whole bytes or hold no integers


def packed(values: np.ndarray, bits: int) -> bytes:
    """PS3.5 section 8.1.1: one stream of bits, the least significant first, here as one long number."""
    number = sum(int(value & ((1 << bits) - 1)) << (bits * i) for i, value in enumerate(values.reshape(-1).tolist()))
    length = (values.size * bits + 7) // 8
    return number.to_bytes(length + length % 2, "little")


def twelve(stored: np.ndarray, **changes: Any) -> dict[str, Any]:
    data = Raw("OW", packed(stored, 12))
    return {"pixels": stored[..., :, :], "BitsAllocated": 12, "BitsStored": 12, "PixelData": data, **changes}


def test_the_packing_is_that_of_the_standard() -> None:
    # the first pixel's low byte, then its high half byte below the second one's low half, then the rest
    assert packed(np.array([0xABC, 0x123]), 12) == bytes([0xBC, 0x3A, 0x12, 0])


@pytest.mark.parametrize("syntax", [EXPLICIT, IMPLICIT])
def test_12_bits_allocated_are_unpacked(tmp_path: Path, syntax: str) -> None:
    stored = ct_pixels(3).astype(np.int64)
    (tmp_path / "x.dcm").write_bytes(ct_slice(0, syntax, **twelve(stored)))
    volume = only(tmp_path)
    assert volume.array.dtype == np.int16
    np.testing.assert_array_equal(volume.array[0], stored - 1024)


def test_12_signed_bits_allocated_are_unpacked(tmp_path: Path) -> None:
    stored = np.arange(192).reshape(16, 12) * 20 - 2000
    (tmp_path / "x.dcm").write_bytes(ct_slice(0, **twelve(stored, PixelRepresentation=1, PixelPaddingValue=63536)))
    np.testing.assert_array_equal(only(tmp_path).array[0], stored - 1024)
    assert np.argwhere(np.isnan(only(tmp_path, padding="nan").array[0])).tolist() == [[0, 0]]


@pytest.mark.parametrize("bits", [12, 1])
def test_packed_frames_may_begin_within_a_byte(tmp_path: Path, bits: int) -> None:
    stored = (np.arange(3 * 5 * 3).reshape(3, 5, 3) * 91) % (1 << bits)
    frame = {"pixels": stored[0], "NumberOfFrames": 3, "BitsAllocated": bits, "BitsStored": bits, "HighBit": bits - 1}
    (tmp_path / "x.dcm").write_bytes(ct_slice(0, **frame, PixelData=Raw("OW", packed(stored, bits))))
    np.testing.assert_array_equal(np.asarray(only(tmp_path).array), stored - 1024)


def test_packed_pixels_of_a_deflated_file(tmp_path: Path) -> None:
    stored = ct_pixels(3).astype(np.int64)
    (tmp_path / "x.dcm").write_bytes(ct_slice(0, DEFLATED, **twelve(stored)))
    np.testing.assert_array_equal(only(tmp_path).array[0], stored - 1024)


def float_pixels(values: np.ndarray, tag: str = "7FE00008", vr: str = "OF", dtype: str = "<f4") -> dict[str, Any]:
    return {
        "pixels": values,
        "PixelData": None,
        tag: Raw(vr, values.astype(dtype).tobytes()),
        "BitsAllocated": 8 * np.dtype(dtype).itemsize,
        "BitsStored": None,
        "HighBit": None,
        "PixelRepresentation": None,
        "Modality": "OT",
        "RescaleSlope": None,
        "RescaleIntercept": None,
        "RescaleType": None,
    }


@pytest.mark.parametrize(("tag", "vr", "dtype"), [("7FE00008", "OF", "f4"), ("7FE00009", "OD", "f8")])
@pytest.mark.parametrize("order", ["<", ">"])
def test_float_pixels_are_what_they_are(tmp_path: Path, tag: str, vr: str, dtype: str, order: str) -> None:
    values = (np.arange(192).reshape(16, 12) - 95.5) * np.float64(1e3) / 7
    values[0, :3] = [np.nan, 1e-30, -3.4e38]
    changes = float_pixels(values, tag, vr, order + dtype)
    (tmp_path / "x.dcm").write_bytes(ct_slice(0, BIG if order == ">" else EXPLICIT, **changes))
    volume = only(tmp_path)
    assert (volume.array.dtype, volume.units) == (dtype, "")
    np.testing.assert_array_equal(volume.array[0], values.astype(dtype))
    low, high = volume.display_range()
    assert (low, high) == (np.dtype(dtype).type(-3.4e38), values[15, 11].astype(dtype))


def test_float_pixels_have_a_padding_of_their_own(tmp_path: Path) -> None:
    values = np.linspace(0, 1, 192).reshape(16, 12)
    values[0, 0] = -9999
    changes = {**float_pixels(values), "FloatPixelPaddingValue": -9999.0}
    (tmp_path / "x.dcm").write_bytes(ct_slice(0, **changes))
    assert np.argwhere(np.isnan(only(tmp_path, padding="nan").array[0])).tolist() == [[0, 0]]
    assert only(tmp_path).display_range() == (np.float32(values[0, 1]), 1)


# Dtypes that hold all values


def of_bits(bits: int, signed: bool, values: list[int]) -> dict[str, Any]:
    """The changes that make every slice hold `values` first, of `bits` bits."""
    pixels = np.zeros((16, 12), f"<{'i' if signed else 'u'}{bits // 8}")
    pixels.flat[: len(values)] = values
    return {
        "pixels": lambda k: pixels,
        "PixelData": Raw("OW", pixels.tobytes()),
        "BitsAllocated": bits,
        "BitsStored": bits,
        "HighBit": bits - 1,
        "PixelRepresentation": int(signed),
        "RescaleType": None,
    }


@pytest.mark.parametrize(
    ("bits", "signed", "slope", "intercept", "expected"),
    [
        (32, True, 1, 0, "int32"),
        (32, False, 1, 0, "uint32"),
        (32, True, -1, 0, "float64"),  # the opposite of the lowest value is one more than int32 holds
        (32, False, 1, -1024, "float64"),
        (32, True, 1000, 0, "float64"),
        (16, False, 1000, 0, "int32"),
        (16, False, 1, 0, "float32"),
        (16, True, 1, 0, "int16"),
        (64, True, 1, 0, "int64"),
        (64, False, 1, 0, "uint64"),
        (32, True, "0.5", 0, "float32"),
    ],
)
def test_whole_numbers_are_held_exactly(
    tmp_path: Path, bits: int, signed: bool, slope: Any, intercept: int, expected: str
) -> None:
    top = 2 ** (bits - signed) - 1
    stored = [0, 1, top, top - 1, top // 2 + 1, 2**24 + 1 if bits > 16 else 257]
    write_series(tmp_path, 2, **of_bits(bits, signed, stored), RescaleSlope=slope, RescaleIntercept=intercept)
    volume = only(tmp_path)
    assert volume.array.dtype == expected
    read = np.asarray(volume.array)[1].ravel()[: len(stored)]
    if slope == "0.5":
        np.testing.assert_allclose(read, np.array(stored) / 2, rtol=2**-24)
    else:
        assert read.tolist() == [value * slope + intercept for value in stored]
    assert "rounded" not in codes(volume)


def test_numbers_of_64_bits_are_rounded_only_with_a_note(tmp_path: Path) -> None:
    changes = of_bits(64, True, [2**53 + 1, 2**60 + 1])
    write_series(tmp_path / "rescaled", 2, **changes, RescaleSlope=1, RescaleIntercept=-1)
    write_series(tmp_path / "padded", 2, **changes, RescaleSlope=1, RescaleIntercept=0)
    rescaled, padded = only(tmp_path / "rescaled"), only(tmp_path / "padded", padding="nan")
    for volume, why in ((rescaled, "they are rescaled"), (padded, "padding is NaN, as requested")):
        assert volume.array.dtype == np.float64
        assert note(volume, "rounded").severity == "decision"
        assert why in str(note(volume, "rounded"))


@pytest.mark.parametrize(("padding", "dtype"), [("nan", "float64"), ("air", "int32"), ("keep", "int32")])
def test_padding_of_large_whole_numbers_leaves_the_others_exact(tmp_path: Path, padding: str, dtype: str) -> None:
    changes = of_bits(32, True, [-(2**31), 2**30 + 1])
    paddings = {"PixelPaddingValue": Raw("SL", struct.pack("<l", -(2**31)))}
    write_series(tmp_path, 2, **{**changes, "RescaleType": "HU"}, **paddings, RescaleSlope=1, RescaleIntercept=0)
    volume = only(tmp_path, padding=padding)
    assert volume.array.dtype == dtype
    marked, other = np.asarray(volume.array)[0].ravel()[:2].tolist()
    assert other == 2**30 + 1
    assert np.isnan(marked) if padding == "nan" else marked == {"air": -1000, "keep": -(2**31)}[padding]


def test_a_table_above_32767_is_exact(tmp_path: Path) -> None:
    values = np.arange(60000, 60016, dtype="<u2")
    table = {
        "LUTDescriptor": Raw("US", struct.pack("<HHH", 16, 0, 16)),
        "ModalityLUTType": "OD",
        "LUTData": Raw("OW", values.tobytes()),
    }
    pixels = np.arange(192, dtype="<u2").reshape(16, 12)
    write_series(tmp_path, 2, pixels=lambda k: pixels, ModalityLUTSequence=[table])
    volume = only(tmp_path)
    assert volume.array.dtype == np.float32
    assert np.asarray(volume.array)[0].ravel()[:17].tolist() == [*values.tolist(), 60015]


def test_64_bit_floats_stay_so(tmp_path: Path) -> None:
    pixels = np.full((16, 12), 1e300)
    pixels[0, :2] = 20260101123456.5, 1 + 2**-50
    changes = {"PixelData": None, "7FE00009": Raw("OD", pixels.tobytes()), "BitsAllocated": 64}
    lacking = {"BitsStored": None, "HighBit": None, "PixelRepresentation": None}
    write_series(tmp_path, 2, **changes, **lacking, RescaleSlope=None, RescaleIntercept=None, Modality="OT")
    volume = only(tmp_path)
    assert volume.array.dtype == np.float64
    np.testing.assert_array_equal(volume.array[1], pixels)


def test_a_lost_slice_of_large_whole_numbers_reads_as_their_lowest(tmp_path: Path) -> None:
    paths = write_series(tmp_path, 3, **of_bits(32, True, [-(2**31), 2**30 + 1]), RescaleSlope=1, RescaleIntercept=0)
    volume = only(tmp_path)
    paths[0].write_bytes(paths[0].read_bytes()[:-800])
    volume.array.on_error = lambda n, error: None
    assert int(volume.array[0].max()) == -(2**31)
