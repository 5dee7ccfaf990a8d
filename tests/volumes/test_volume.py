from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from dicom_factory import BIG, DEFLATED, EXPLICIT, IMPLICIT, Raw, ct_pixels, ct_slice, encapsulated, write_series

import napari_dicommeta as dm
from napari_dicommeta.support.errors import PixelError
from napari_dicommeta.volumes.load import load_series

RLE, JPLL, JPEGLS, J2K = (
    "1.2.840.10008.1.2.5",
    "1.2.840.10008.1.2.4.70",
    "1.2.840.10008.1.2.4.80",
    "1.2.840.10008.1.2.4.90",
)


def expected(count: int = 5, intercept: int = -1024) -> np.ndarray:
    return np.stack([ct_pixels(k).astype(np.int32) + intercept for k in range(count)])


@pytest.mark.parametrize("syntax", [EXPLICIT, IMPLICIT, BIG, DEFLATED])
def test_a_series_is_a_volume_in_hu_ordered_by_position(tmp_path: Path, syntax: str) -> None:
    paths = write_series(tmp_path, 5, syntax)
    (volume,) = dm.load(tmp_path)
    array = np.asarray(volume.array)
    assert array.dtype == np.int16
    np.testing.assert_array_equal(array, expected())
    assert volume.units == "HU"
    assert volume.geometry.spacing == (2.5, 0.75, 0.5)
    assert volume.geometry.affine is not None
    np.testing.assert_allclose(volume.geometry.affine[:3, 3], [-10, -20, 0])
    assert [path for path, _ in volume.files] == [str(path) for path in paths]
    assert volume.windows == (
        dm.Window(center=40, width=400, function="LINEAR", explanation="SOFT"),
        dm.Window(center=-600, width=1200, function="LINEAR", explanation="LUNG"),
    )
    assert volume.problems == ()
    assert [note.code for note in volume.notes] == ["order", "units"]


def test_slope_and_intercept_are_those_of_each_slice(tmp_path: Path) -> None:
    write_series(tmp_path, 4, RescaleSlope=lambda k: k + 1, RescaleIntercept=lambda k: -10 * k)
    (volume,) = dm.load(tmp_path)
    assert volume.array.dtype == np.int16
    for k in range(4):
        np.testing.assert_array_equal(volume.array[k], ct_pixels(k).astype(int) * (k + 1) - 10 * k)


def test_a_fraction_makes_floats(tmp_path: Path) -> None:
    write_series(tmp_path, 2, RescaleSlope="1.000244")
    (volume,) = dm.load(tmp_path)
    assert volume.array.dtype == np.float32
    np.testing.assert_allclose(volume.array[1], ct_pixels(1) * 1.000244 - 1024, rtol=1e-6)


def test_values_that_do_not_fit_are_not_wrapped(tmp_path: Path) -> None:
    pixels = np.full((16, 12), 60000, "<u2")
    write_series(tmp_path, 2, pixels=lambda k: pixels, BitsStored=16, HighBit=15)
    (volume,) = dm.load(tmp_path)
    assert volume.array.dtype == np.float32
    assert float(volume.array[0].max()) == 60000 - 1024


def test_bits_above_bits_stored_are_taken_off_and_signs_extended(tmp_path: Path) -> None:
    dirty = ct_pixels(0) | 0xF000
    write_series(tmp_path / "u", 1, pixels=lambda k: dirty)
    np.testing.assert_array_equal(dm.load(tmp_path / "u")[0].array[0], ct_pixels(0).astype(int) - 1024)
    negative = (np.arange(192).reshape(16, 12) - 96).astype("<i2")
    write_series(tmp_path / "s", 1, pixels=lambda k: (negative & 0xFFF).astype("<u2"), PixelRepresentation=1)
    np.testing.assert_array_equal(dm.load(tmp_path / "s")[0].array[0], negative.astype(int) - 1024)
    shifted = (ct_pixels(0).astype(int) << 4).astype("<u2")
    write_series(tmp_path / "h", 1, pixels=lambda k: shifted, HighBit=15)
    np.testing.assert_array_equal(dm.load(tmp_path / "h")[0].array[0], ct_pixels(0).astype(int) - 1024)


def test_a_rescale_missing_in_one_slice_is_refused_by_name(tmp_path: Path) -> None:
    write_series(tmp_path, 4, RescaleSlope=lambda k: None if k == 2 else 1)
    with pytest.raises(dm.LoadError, match="missing in 1 of its 4 files"):
        dm.load(tmp_path)


def test_no_rescale_at_all_is_no_hu_and_noted(tmp_path: Path) -> None:
    write_series(tmp_path, 2, RescaleSlope=None, RescaleIntercept=None)
    (volume,) = dm.load(tmp_path)
    assert volume.units == ""
    assert [note.code for note in volume.problems] == ["rescale-missing"]
    np.testing.assert_array_equal(volume.array[0], ct_pixels(0))


@pytest.mark.parametrize(
    ("changes", "units"),
    [
        ({}, "HU"),
        ({"RescaleType": None}, "HU"),
        ({"RescaleType": "US"}, "HU"),
        ({"RescaleType": "US", "ImageType": ["DERIVED", "SECONDARY"]}, "US"),
        ({"RescaleType": "OD"}, "OD"),
        ({"Modality": "MR", "RescaleType": "US"}, ""),
        ({"Modality": "PT", "Units": "BQML"}, "BQML"),
    ],
)
def test_units_are_only_what_the_file_gives_a_right_to(tmp_path: Path, changes: dict[str, object], units: str) -> None:
    write_series(tmp_path, 1, **changes)
    assert dm.load(tmp_path)[0].units == units


def test_a_series_of_two_sizes_and_orientations_is_split_with_reasons(tmp_path: Path) -> None:
    write_series(tmp_path / "a", 4)
    small = np.zeros((8, 8), "<u2")
    (tmp_path / "small.dcm").write_bytes(ct_slice(9, pixels=small))
    (tmp_path / "localizer.dcm").write_bytes(ct_slice(8, ImageOrientationPatient=[0, 1, 0, 0, 0, -1]))
    volumes = dm.load(tmp_path)
    assert [volume.array.shape for volume in volumes] == [(4, 16, 12), (1, 16, 12), (1, 8, 8)]
    assert all("Split from its series" in str(volume.notes[0]) for volume in volumes)
    assert "the orientation or pixel spacing differs" in str(volumes[1].notes[0])


def test_files_that_are_no_images_are_refusals_and_the_rest_loads(tmp_path: Path) -> None:
    write_series(tmp_path, 3)
    (tmp_path / "none.dcm").write_bytes(ct_slice(7, PixelData=None))
    (tmp_path / "cut.dcm").write_bytes(ct_slice(8)[:-100])
    volumes = dm.load(tmp_path)
    assert volumes[0].array.shape == (3, 16, 12)
    assert sorted(str(refusal) for refusal in volumes.refusals) == [
        "cut.dcm: the pixel data is cut off: 284 of 384 bytes are present",
        "none.dcm: no pixel data, although it has Rows: the file may be cut off",
    ]
    assert {Path(one.paths[0]).name: one.code for one in volumes.refusals} == {
        "cut.dcm": "pixels-cut",
        "none.dcm": "damaged",
    }


REPORT = {
    "SOPClassUID": "1.2.840.10008.5.1.4.1.1.88.11",
    "ContentSequence": [{"ValueType": "TEXT"}],
    "Rows": None,
    "PixelData": None,
}


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        (REPORT, "no-pixels"),
        ({"PixelData": None}, "damaged"),
        ({"PixelData": Raw("OW", bytes(10))}, "pixels-impossible"),
        ({"RescaleSlope": lambda k: 1 if k else None}, "rescale-missing"),
        ({"RescaleSlope": 0}, "rescale-invalid"),
        ({"ModalityLUTSequence": [{"LUTExplanation": "none"}]}, "modality-lut"),
        ({"SOPClassUID": "1.2.840.10008.5.1.4.1.1.481.2", "DoseGridScaling": 0}, "dose-scaling"),
    ],
)
def test_the_code_of_a_refusal_names_the_kind_of_its_reason(
    tmp_path: Path, changes: dict[str, object], code: str
) -> None:
    paths = write_series(tmp_path, 2, **changes)
    (series,) = dm.scan(tmp_path).series
    volumes, refusals = load_series(series)
    assert volumes == ()
    assert {refusal.code for refusal in refusals} == {code}
    assert sorted(path for refusal in refusals for path in refusal.paths) == sorted(map(str, paths))
    assert all(refusal.reason and refusal.series is series for refusal in refusals)


def test_nothing_to_open_says_why(tmp_path: Path) -> None:
    with pytest.raises(dm.LoadError, match="There are no files here"):
        dm.load(tmp_path)
    (tmp_path / "x.dcm").write_text("hello " * 50)
    with pytest.raises(dm.LoadError, match=r"x\.dcm: not DICOM"):
        dm.load(tmp_path)
    with pytest.raises(FileNotFoundError, match="file or folder does not exist"):
        dm.load(tmp_path / "gone")


def test_a_file_that_is_gone_when_its_slice_is_read_is_named(tmp_path: Path) -> None:
    paths = write_series(tmp_path, 3)
    (volume,) = dm.load(tmp_path)
    paths[1].unlink()
    assert volume.array[0].shape == (16, 12)
    with pytest.raises(PixelError, match=paths[1].name):
        volume.array[1]
    failed = []
    volume.array.on_error = lambda k, error: failed.append((k, str(error)))
    assert volume.array[1].max() == -1024
    assert failed[0][0] == 1


def rle(pixels: np.ndarray) -> bytes:
    import struct

    planes = [pixels.view(np.uint8)[..., 1::2].tobytes(), pixels.view(np.uint8)[..., 0::2].tobytes()]
    packed = []
    for plane in planes:
        chunks = [plane[i : i + 128] for i in range(0, len(plane), 128)]
        segment = b"".join(bytes([len(chunk) - 1]) + chunk for chunk in chunks)
        packed.append(segment + b"\0" * (len(segment) % 2))
    return struct.pack("<16L", 2, 64, 64 + len(packed[0]), *[0] * 13) + b"".join(packed)


def codec(syntax: str):
    import imagecodecs

    return {
        RLE: rle,
        JPLL: lambda pixels: imagecodecs.ljpeg_encode(pixels, bitspersample=12),
        JPEGLS: imagecodecs.jpegls_encode,
        J2K: lambda pixels: imagecodecs.jpeg2k_encode(pixels, codecformat="j2k", reversible=True, level=0),
    }[syntax]


@pytest.mark.parametrize("syntax", [RLE, JPLL, JPEGLS, J2K])
def test_lossless_syntaxes_give_the_same_numbers(tmp_path: Path, syntax: str) -> None:
    encode = codec(syntax)
    write_series(tmp_path, 3, syntax, PixelData=lambda k: encapsulated([bytes(encode(ct_pixels(k)))]))
    (volume,) = dm.load(tmp_path)
    np.testing.assert_array_equal(np.asarray(volume.array), expected(3))


def test_a_codestream_of_another_size_is_refused_before_it_is_decoded(tmp_path: Path) -> None:
    import imagecodecs

    wrong = encapsulated([bytes(imagecodecs.jpegls_encode(np.zeros((64, 64), np.uint16)))])
    write_series(tmp_path, 1, JPEGLS, PixelData=wrong)
    with pytest.raises(dm.LoadError, match="64 × 64 with 1 components, the image 12 × 16"):
        dm.load(tmp_path)


def test_color_opens_as_rgb(tmp_path: Path) -> None:
    rgb = np.arange(16 * 12 * 3, dtype=np.uint8).reshape(16, 12, 3)
    changes = {
        "SamplesPerPixel": 3,
        "PhotometricInterpretation": "RGB",
        "PlanarConfiguration": 0,
        "BitsAllocated": 8,
        "BitsStored": 8,
        "HighBit": 7,
        "PixelData": Raw("OB", rgb.tobytes()),
    }
    write_series(tmp_path, 1, **changes)
    (volume,) = dm.load(tmp_path)
    assert volume.is_color
    assert volume.units == ""
    np.testing.assert_array_equal(np.asarray(volume.array)[0], rgb)


def test_monochrome1_inverts_the_display_not_the_data(tmp_path: Path) -> None:
    write_series(tmp_path, 2, PhotometricInterpretation="MONOCHROME1")
    (volume,) = dm.load(tmp_path)
    assert volume.inverted
    np.testing.assert_array_equal(np.asarray(volume.array), expected(2))


def test_frames_of_one_file_are_slices(tmp_path: Path) -> None:
    frames = np.concatenate([ct_pixels(k) for k in range(3)])
    content = {"NumberOfFrames": 3, "Rows": 16, "PixelData": Raw("OW", frames.tobytes())}
    (tmp_path / "multi.dcm").write_bytes(ct_slice(0, **content))
    (volume,) = dm.load(tmp_path)
    np.testing.assert_array_equal(np.asarray(volume.array), expected(3))
    assert [frame for _, frame in volume.files] == [0, 1, 2]


def test_file_names_and_order_change_nothing(tmp_path: Path) -> None:
    paths = write_series(tmp_path / "a", 5)
    (tmp_path / "b").mkdir()
    for path, name in zip(paths, ["x.ima", "1.2.3.4", "IM0007", "zz.DCM", "a"], strict=True):
        (tmp_path / "b" / name).write_bytes(path.read_bytes())
    np.testing.assert_array_equal(np.asarray(dm.load(tmp_path / "b")[0].array), expected())


def test_empty_series_uids_are_grouped_by_folder_and_number(tmp_path: Path) -> None:
    write_series(tmp_path / "a", 3, SeriesInstanceUID="")
    write_series(tmp_path / "b", 2, SeriesInstanceUID="")
    assert sorted(len(volume.array) for volume in dm.load(tmp_path)) == [2, 3]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"NumberOfFrames": 2147483647}, "2147483647 frames of 16 × 12 need"),
        ({"Rows": 65535, "Columns": 65535}, "1 frames of 65535 × 65535 need"),
        ({"SamplesPerPixel": 3}, "need 1,152 bytes of pixel data, 384 are present"),
        ({"BitsAllocated": 24}, "24 bits allocated"),
        ({"Rows": 0}, "an image of 0 × 12 pixels"),
        ({"PixelData": encapsulated([b"\0" * 384])}, "encapsulated frames in a native transfer syntax"),
        ({"RescaleSlope": 0}, "is not a valid rescale"),
        ({"RescaleSlope": "NaN"}, "is not a valid rescale"),
    ],
)
def test_pixels_that_cannot_be_what_their_elements_say_are_refused(
    tmp_path: Path, changes: dict[str, object], reason: str
) -> None:
    (tmp_path / "x.dcm").write_bytes(ct_slice(0, **changes))
    with pytest.raises(dm.LoadError, match=f"x.dcm: .*{reason}"):
        dm.load(tmp_path)


def test_a_position_out_of_this_world_is_none(tmp_path: Path) -> None:
    write_series(tmp_path, 2, ImagePositionPatient=lambda k: [0, 0, "1e308" if k else 0])
    volumes = dm.load(tmp_path)
    assert [volume.array.shape[0] for volume in volumes] == [1, 1]


def unreadable_plane(folder: Path, **changes: object) -> tuple[dm.Volume, np.ndarray]:
    """Open three slices of which the second cannot be read; return the volume and that plane as a viewer reads it."""
    paths = write_series(folder, 3, **changes)
    (volume,) = dm.load(folder)
    paths[0].unlink()
    failed: list[int] = []
    volume.array.on_error = lambda k, _: failed.append(k)
    index = next(k for k, (path, _) in enumerate(volume.files) if path == str(paths[0]))
    plane = volume.array[index]
    assert failed == [index]
    assert len(np.unique(plane)) == 1 or np.isnan(plane).all()
    return volume, plane


def test_an_unreadable_plane_of_integers_is_the_lowest_of_its_own_volume(tmp_path: Path) -> None:
    """In Bq/ml, where -1024 is no value, as in HU."""
    for name, changes in (
        ("pet", {"Modality": "PT", "Units": "BQML", "RescaleSlope": 3, "RescaleIntercept": 0, "RescaleType": None}),
        ("ct", {}),
    ):
        volume, plane = unreadable_plane(tmp_path / name, **changes)
        assert volume.array.dtype == np.int16
        assert plane.flat[0] == volume.array[volume.middle[0]].min()


def test_an_unreadable_plane_of_integers_is_padding_where_the_file_states_one(tmp_path: Path) -> None:
    volume, plane = unreadable_plane(tmp_path, PixelPaddingValue=7, RescaleSlope=1, RescaleIntercept=-50)
    assert (volume.array.dtype, plane.flat[0]) == (np.int16, 7 - 50)


def test_an_unreadable_plane_of_floats_is_nan(tmp_path: Path) -> None:
    volume, plane = unreadable_plane(tmp_path, RescaleSlope="0.3")
    assert volume.array.dtype == np.float32
    assert np.isnan(plane).all()


def test_a_volume_is_an_array(tmp_path: Path) -> None:
    write_series(tmp_path, 4)
    (volume,) = dm.load(tmp_path)
    full = np.asarray(volume.array)
    assert np.array_equal(np.asarray(volume), full)
    assert np.asarray(volume, dtype=np.float64).dtype == np.float64
    assert np.array_equal(np.stack([volume, volume])[1], full)
    assert np.array_equal(volume.array * 2 + 1, full * 2 + 1)
    assert volume.array.max() == full.max()


def test_the_array_of_a_volume_reaches_another_process(tmp_path: Path) -> None:
    import multiprocessing
    import pickle

    write_series(tmp_path, 4)
    (volume,) = dm.load(tmp_path)
    full = np.asarray(volume.array)
    again = pickle.loads(pickle.dumps(volume.array))
    assert (again.loaded, np.array_equal(again, full)) == (0, True)
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        assert pool.apply(np.max, (volume.array,)) == full.max()


def test_windows_and_notes_are_read_when_asked_for_and_go_with_a_pickle(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import pickle

    from napari_dicommeta.volumes import details

    write_series(tmp_path, 4, WindowCenter=40, WindowWidth=400)
    asked: list[int] = []
    read = details.read_slice_windows
    monkeypatch.setattr(details, "read_slice_windows", lambda *parts: asked.append(1) or read(*parts))
    (volume,) = dm.load(tmp_path)
    assert not asked
    again = pickle.loads(pickle.dumps(volume))
    assert asked == [1]
    assert [window.center for window in again.windows] == [40]
    assert (again.slice_windows, again.notes) == (volume.slice_windows, volume.notes)
    assert type(again.details) is details.Details, "a pickle holds no tables of the series"
    assert asked == [1]
