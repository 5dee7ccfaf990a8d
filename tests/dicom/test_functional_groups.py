from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from dicom_factory import AXIAL, ENHANCED_CT, ROOT, Raw, ct_pixels, ct_slice, dose, enhanced, groups, item
from volume_checks import hu, opened, titles

import napari_dicommeta as dm

SHARED = {"ImageOrientationPatient": AXIAL, "PixelSpacing": [0.75, 0.5]}
HU = {"RescaleSlope": 1, "RescaleIntercept": -1024, "RescaleType": "HU"}
PLACES = (5, 0, 7.5, 2.5)
"""The order of frames 0 … 3; sorted by position they are 1, 3, 0, 2."""
SORTED = (1, 3, 0, 2)


def at(z: float, **elements: Any) -> dict[str, Any]:
    return {"ImagePositionPatient": [-10, -20, z], **elements}


def images(count: int = 4, first: int = 0) -> list[np.ndarray]:
    return [ct_pixels(first + k) for k in range(count)]


def same(volume: dm.Volume, expected: np.ndarray) -> None:
    assert volume.array.shape == expected.shape
    np.testing.assert_array_equal(np.asarray(volume.array), expected)


# -- positions -------------------------------------------------------------------------------------------


def test_frames_lie_by_position_not_in_their_order(tmp_path: Path) -> None:
    (volume,) = opened(tmp_path, enhanced(images(), [at(z) for z in PLACES], SHARED | HU))
    same(volume, hu(*SORTED))
    assert [frame for _, frame in volume.files] == list(SORTED)
    assert volume.geometry.spacing == (2.5, 0.75, 0.5)
    assert volume.geometry.affine is not None
    expected = [[0, 0, 0.5, -10], [0, 0.75, 0, -20], [2.5, 0, 0, 0], [0, 0, 0, 1]]
    np.testing.assert_allclose(volume.geometry.affine, expected)
    assert volume.units == "HU"
    assert volume.problems == ()


def test_the_position_at_the_top_is_none_of_the_frames(tmp_path: Path) -> None:
    file = enhanced(images(), [at(z) for z in PLACES], SHARED | HU, ImagePositionPatient=[99, 99, 99])
    (volume,) = opened(tmp_path, file)
    same(volume, hu(*SORTED))
    assert volume.geometry.affine is not None
    np.testing.assert_allclose(volume.geometry.affine[:3, 3], [-10, -20, 0])


def test_orientation_and_spacing_may_be_said_frame_by_frame(tmp_path: Path) -> None:
    coronal = [1, 0, 0, 0, 0, -1]
    frames = [at(z, ImageOrientationPatient=AXIAL, PixelSpacing=[0.75, 0.5]) for z in (0, 2.5, 5)]
    frames.append({"ImagePositionPatient": [0, 0, 0], "ImageOrientationPatient": coronal, "PixelSpacing": [0.75, 0.5]})
    first, second = opened(tmp_path, enhanced(images(), frames, HU))
    same(first, hu(0, 1, 2))
    same(second, hu(3))
    assert "the orientation or pixel spacing differs" in titles(second)["split"]


def test_what_a_frame_says_itself_wins_over_what_all_share(tmp_path: Path) -> None:
    frames = [at(0), at(2.5, RescaleSlope=1, RescaleIntercept=100), at(5)]
    (volume,) = opened(tmp_path, enhanced(images(3), frames, SHARED | HU))
    stored = [ct_pixels(k).astype(int) for k in range(3)]
    same(volume, np.stack([stored[0] - 1024, stored[1] + 100, stored[2] - 1024]))


def test_files_of_single_enhanced_frames_are_slices_of_one_volume(tmp_path: Path) -> None:
    files = [
        enhanced(images(1, k), [at(2.5 * k)], SHARED | HU, SOPInstanceUID=f"{ROOT}.7.{k}", InstanceNumber=9 - k)
        for k in (2, 0, 1)
    ]
    (volume,) = opened(tmp_path, *files)
    same(volume, hu(0, 1, 2))
    assert [Path(path).name for path, _ in volume.files] == ["im1.dcm", "im2.dcm", "im0.dcm"]


def test_two_enhanced_files_that_continue_one_another_are_one_volume(tmp_path: Path) -> None:
    upper = enhanced(images(2, 8), [at(10), at(7.5)], SHARED | HU, SOPInstanceUID=f"{ROOT}.71")
    lower = enhanced(images(3), [at(0), at(2.5), at(5)], SHARED | HU, SOPInstanceUID=f"{ROOT}.72")
    (volume,) = opened(tmp_path, upper, lower)
    same(volume, hu(0, 1, 2, 9, 8))
    assert [(Path(path).name, frame) for path, frame in volume.files] == [
        ("im1.dcm", 0),
        ("im1.dcm", 1),
        ("im1.dcm", 2),
        ("im0.dcm", 1),
        ("im0.dcm", 0),
    ]


def test_a_copy_of_an_enhanced_file_is_left_out_frame_by_frame(tmp_path: Path) -> None:
    file = enhanced(images(), [at(z) for z in PLACES], SHARED | HU)
    (volume,) = opened(tmp_path, file, file)
    same(volume, hu(*SORTED))
    assert "im1.dcm is a copy of im0.dcm" in titles(volume)["left-out"]


def test_frames_without_an_item_lose_nothing_but_their_place(tmp_path: Path) -> None:
    placed, lost = opened(tmp_path, enhanced(images(4), [at(5), at(0), at(2.5)], SHARED | HU))
    same(placed, hu(1, 2, 0))
    same(lost, hu(3))
    assert lost.geometry.affine is None
    assert lost.units == "HU"


def test_a_position_that_is_no_number_costs_its_frame_only_the_place(tmp_path: Path) -> None:
    frames = [at(5), {"ImagePositionPatient": ["x", 0, 0]}, at(0), at(2.5)]
    placed, lost = opened(tmp_path, enhanced(images(4), frames, SHARED | HU))
    same(placed, hu(2, 3, 0))
    same(lost, hu(1))


def test_groups_that_name_no_place_do_not_put_all_frames_at_one(tmp_path: Path) -> None:
    # The same file without functional groups is "unplaced": a position of the whole file belongs to no frame.
    file = enhanced(
        images(), [], HU, ImagePositionPatient=[0, 0, 0], ImageOrientationPatient=AXIAL, PixelSpacing=[1, 1]
    )
    (volume,) = opened(tmp_path, file)
    assert "unplaced" in titles(volume)


# -- values ----------------------------------------------------------------------------------------------


def test_each_frame_has_its_own_slope_and_intercept(tmp_path: Path) -> None:
    frames = [at(z, RescaleSlope=k + 1, RescaleIntercept=-100 * k) for k, z in enumerate(PLACES)]
    (volume,) = opened(tmp_path, enhanced(images(), frames, SHARED))
    same(volume, np.stack([ct_pixels(k).astype(int) * (k + 1) - 100 * k for k in SORTED]))
    assert volume.array.dtype == np.int16  # 4095 · 4 fits
    assert titles(volume)["rescale-varies"] == (
        "Rescaled slice by slice: slopes 1 to 4 (4 values), intercepts -300 to 0 (4 values)"
    )


def test_a_slope_with_a_fraction_in_one_frame_makes_floats_of_all(tmp_path: Path) -> None:
    frames = [at(2.5 * k, RescaleSlope=[1, 0.5, 2][k], RescaleIntercept=0) for k in range(3)]
    (volume,) = opened(tmp_path, enhanced(images(3), frames, SHARED))
    assert volume.array.dtype == np.float32
    np.testing.assert_array_equal(np.asarray(volume.array)[1], ct_pixels(1) * np.float32(0.5))
    np.testing.assert_array_equal(np.asarray(volume.array)[2], ct_pixels(2) * np.float32(2))


def test_a_rescale_missing_in_one_frame_is_refused(tmp_path: Path) -> None:
    frames = [at(2.5 * k, **({} if k == 1 else {"RescaleSlope": 1, "RescaleIntercept": 0})) for k in range(3)]
    with pytest.raises(dm.LoadError, match="missing in 1 of its 3"):
        opened(tmp_path, enhanced(images(3), frames, SHARED))


def test_a_rescale_that_is_no_number_is_refused_by_its_text(tmp_path: Path) -> None:
    frames = [at(2.5 * k, RescaleSlope="1,5" if k == 2 else 1, RescaleIntercept=0) for k in range(3)]
    volumes = opened(tmp_path, enhanced(images(3), frames, SHARED))
    assert [volume.array.shape[0] for volume in volumes] == [2]
    (refusal,) = volumes.refusals
    assert refusal.reason.startswith("frame 3: a Rescale Slope of '1,5'")


def test_windows_are_those_of_each_frame_the_middle_one_first(tmp_path: Path) -> None:
    frames = [at(z, WindowCenter=[10 * k, 500], WindowWidth=[100 + k, 2000]) for k, z in enumerate(PLACES)]
    (volume,) = opened(tmp_path, enhanced(images(), frames, SHARED | HU))
    lung = dm.Window(center=500, width=2000)
    assert [one[0] for one in volume.slice_windows] == [dm.Window(center=10 * k, width=100 + k) for k in SORTED]
    assert all(one[1] == lung for one in volume.slice_windows)
    assert volume.windows[0] == dm.Window(center=0, width=100)  # slice 2 of 4 is frame 0
    assert "windows-vary" in titles(volume)


def test_windows_that_all_frames_share_are_said_once(tmp_path: Path) -> None:
    window = {"WindowCenter": 40, "WindowWidth": 400, "WindowCenterWidthExplanation": "SOFT"}
    (volume,) = opened(tmp_path, enhanced(images(), [at(z) for z in PLACES], SHARED | HU | window))
    assert volume.windows == (dm.Window(center=40, width=400, function="LINEAR", explanation="SOFT"),)
    assert "windows-vary" not in titles(volume)


# -- times and kinds -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("keyword", "axis", "values"),
    [
        ("TemporalPositionIndex", "TemporalPositionIdentifier", (10, 9)),
        ("EffectiveEchoTime", "EchoTime", (10.5, 9.25)),
        ("DiffusionBValue", "DiffusionBValue", (1000.0, 0.0)),
    ],
)
def test_frames_of_one_place_are_times(tmp_path: Path, keyword: str, axis: str, values: tuple[float, float]) -> None:
    # Frames 0 … 5: positions 0, 2.5, 5, each first with the larger and then with the smaller value.
    frames = [at(2.5 * (n // 2), **{keyword: values[n % 2]}) for n in range(6)]
    (volume,) = opened(tmp_path, enhanced(images(6), frames, SHARED | HU))
    same(volume, hu(1, 3, 5, 0, 2, 4).reshape(2, 3, 16, 12))
    assert volume.axis == axis
    assert [frame for _, frame in volume.files] == [1, 3, 5, 0, 2, 4]


def test_stacks_of_one_file_at_the_same_places_are_volumes(tmp_path: Path) -> None:
    frames = [at(2.5 * (n % 3), StackID=str(n // 3)) for n in range(6)]
    volumes = opened(tmp_path, enhanced(images(6), frames, SHARED | HU))
    assert [volume.array.shape for volume in volumes] == [(3, 16, 12)] * 2
    found = {int(volume.array[0][0, 0]): volume for volume in volumes}
    same(found[-1024], hu(0, 1, 2))
    same(found[-724], hu(3, 4, 5))  # ct_pixels(3)[0, 0] = 300
    for volume in volumes:
        assert titles(volume)["split"] == "Split from its series: Stack ID differs between images at the same position"


def test_frame_types_at_the_same_places_are_volumes_not_times(tmp_path: Path) -> None:
    kinds = (["ORIGINAL", "PRIMARY", "VOLUME", "NONE"], ["DERIVED", "PRIMARY", "VOLUME", "MAXIMUM"])
    frames = [at(2.5 * (n % 3), FrameType=kinds[n // 3]) for n in range(6)]
    volumes = opened(tmp_path, enhanced(images(6), frames, SHARED | HU))
    assert [(volume.array.shape, volume.axis) for volume in volumes] == [((3, 16, 12), "")] * 2


def test_zero_and_minus_zero_are_one_b_value_in_a_classic_file(tmp_path: Path) -> None:
    files = [
        ct_slice(2 * t + k, ImagePositionPatient=[0, 0, k], DiffusionBValue=[[0.0, -0.0], [5.0, 5.0]][t][k])
        for t in range(2)
        for k in range(2)
    ]
    (volume,) = opened(tmp_path, *files)
    same(volume, hu(0, 1, 2, 3).reshape(2, 2, 16, 12))


def test_zero_and_minus_zero_are_one_b_value_in_an_enhanced_file(tmp_path: Path) -> None:
    values = (0.0, -0.0, 5.0, 5.0)
    frames = [at(2.5 * (n % 2), DiffusionBValue=values[n]) for n in range(4)]
    (volume,) = opened(tmp_path, enhanced(images(4), frames, SHARED | HU))
    same(volume, hu(0, 1, 2, 3).reshape(2, 2, 16, 12))


def test_what_a_private_sequence_says_is_not_said_of_the_frame(tmp_path: Path) -> None:
    # Philips stores elements of the classic image in (2005,xx0F) of each frame.
    classic = Raw("SQ", item({"ImagePositionPatient": [0, 0, 0], "RescaleSlope": 7, "RescaleIntercept": 3}))
    private = {"20050014": Raw("LO", b"Philips MR Imaging DD 005 "), "2005140f": classic}
    (volume,) = opened(tmp_path, enhanced(images(), [at(z) | private for z in PLACES], SHARED | HU))
    same(volume, hu(*SORTED))


# -- damage ----------------------------------------------------------------------------------------------


def test_an_element_that_pydicom_cannot_read_loses_neither_the_file_nor_the_others(tmp_path: Path) -> None:
    strange = [at(z) | {"00189999": Raw("QQ", b"ab")} for z in PLACES]
    beside = [
        ct_slice(
            20 + k, ImagePositionPatient=[0, 0, k], SeriesInstanceUID=f"{ROOT}.80", SOPInstanceUID=f"{ROOT}.81.{k}"
        )
        for k in range(2)
    ]
    volumes = opened(tmp_path, enhanced(images(), strange, SHARED | HU), *beside)
    assert sum(len(volume.files) for volume in volumes) + sum(len(one.paths) for one in volumes.refusals) >= 3
    assert any(volume.array.shape == (2, 16, 12) for volume in volumes)


def test_a_number_of_a_wrong_length_loses_neither_the_file_nor_the_others(tmp_path: Path) -> None:
    frames = [at(z, TemporalPositionIndex=Raw("UL", b"\1\0")) for z in PLACES]
    (volume,) = opened(tmp_path, enhanced(images(), frames, SHARED | HU))
    same(volume, hu(*SORTED))


def test_an_enhanced_file_that_is_gone_after_the_scan_is_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "gone.dcm"
    path.write_bytes(enhanced(images(), [at(z) for z in PLACES], SHARED | HU))
    (tmp_path / "there.dcm").write_bytes(ct_slice(0, SeriesInstanceUID=f"{ROOT}.80"))
    catalog = dm.scan(tmp_path)
    path.unlink()
    volumes = dm.load(catalog)
    assert [volume.array.shape for volume in volumes] == [(1, 16, 12)]
    assert [one.paths for one in volumes.refusals] == [(str(path),)]


# -- dose ------------------------------------------------------------------------------------------------


def test_planes_of_a_dose_lie_at_the_offsets_from_its_position(tmp_path: Path) -> None:
    grid = dose(images(), [0, 5, 2.5, 7.5], ImagePositionPatient=[1, 2, 30])
    (volume,) = opened(tmp_path, grid)
    assert volume.units == "Gy"
    assert volume.geometry.spacing == (2.5, 0.75, 0.5)
    assert [frame for _, frame in volume.files] == [0, 2, 1, 3]
    assert volume.geometry.affine is not None
    np.testing.assert_allclose(volume.geometry.affine[:3, 3], [1, 2, 30])
    expected = np.stack([ct_pixels(k) for k in (0, 2, 1, 3)]) * 0.001
    np.testing.assert_allclose(np.asarray(volume.array), expected, rtol=1e-6)


def test_offsets_of_a_dose_that_fall_turn_its_planes_round(tmp_path: Path) -> None:
    (volume,) = opened(tmp_path, dose(images(), [0, -2.5, -5, -7.5], ImagePositionPatient=[1, 2, 30]))
    assert [frame for _, frame in volume.files] == [3, 2, 1, 0]
    assert volume.geometry.affine is not None
    np.testing.assert_allclose(volume.geometry.affine[:3, [0, 3]].T, [[0, 0, 2.5], [1, 2, 22.5]])


def test_offsets_of_a_dose_that_begin_with_a_z_are_coordinates(tmp_path: Path) -> None:
    (volume,) = opened(tmp_path, dose(images(), [30, 32.5, 35, 37.5], ImagePositionPatient=[1, 2, 30]))
    assert [frame for _, frame in volume.files] == [0, 1, 2, 3]
    assert volume.geometry.affine is not None
    np.testing.assert_allclose(volume.geometry.affine[:3, [0, 3]].T, [[0, 0, 2.5], [1, 2, 30]])


def test_z_coordinates_of_a_dose_hold_for_a_normal_to_the_feet_too(tmp_path: Path) -> None:
    # Prone: row -x, column y, normal (-1, 0, 0) × (0, 1, 0) = (0, 0, -1). Planes at z = 30, 32.5 … all the same.
    prone = [-1, 0, 0, 0, 1, 0]
    grid = dose(images(), [30, 32.5, 35, 37.5], ImagePositionPatient=[1, 2, 30], ImageOrientationPatient=prone)
    (volume,) = opened(tmp_path, grid)
    assert [frame for _, frame in volume.files] == [3, 2, 1, 0]  # along the normal, z falls
    assert volume.geometry.affine is not None
    np.testing.assert_allclose(volume.geometry.affine[:3, [0, 3]].T, [[0, 0, -2.5], [1, 2, 37.5]])


def test_uneven_planes_of_a_dose_are_noted(tmp_path: Path) -> None:
    (volume,) = opened(tmp_path, dose(images(), [0, 2, 5, 8]))
    assert volume.geometry.steps == (2, 3, 3)
    assert titles(volume)["uneven"].startswith("Slices are unevenly spaced, 2 to 3 mm apart")


def test_a_dose_without_offsets_says_nothing_of_its_planes(tmp_path: Path) -> None:
    (volume,) = opened(tmp_path, dose(images(), None))
    assert volume.geometry.affine is None
    assert titles(volume)["unplaced"].endswith("ordered as in their file")
    assert [frame for _, frame in volume.files] == [0, 1, 2, 3]


def test_a_dose_of_one_plane_lies_at_its_position(tmp_path: Path) -> None:
    (volume,) = opened(tmp_path, dose(images(1), [0], ImagePositionPatient=[1, 2, 30]))
    assert volume.geometry.affine is not None
    np.testing.assert_allclose(volume.geometry.affine[:3, 3], [1, 2, 30])


# -- the factory -----------------------------------------------------------------------------------------


def test_the_factory_writes_what_pydicom_reads(tmp_path: Path) -> None:
    from pydicom import dcmread

    (tmp_path / "x.dcm").write_bytes(enhanced(images(2), [at(0, WindowCenter=1, WindowWidth=2), at(3)], SHARED | HU))
    dataset = dcmread(tmp_path / "x.dcm")
    assert dataset.SOPClassUID == ENHANCED_CT
    assert [list(one.PlanePositionSequence[0].ImagePositionPatient) for one in dataset[0x52009230]] == [
        [-10, -20, 0],
        [-10, -20, 3],
    ]
    assert dataset[0x52009230][0].FrameVOILUTSequence[0].WindowWidth == 2
    assert dataset[0x52009229][0].PixelValueTransformationSequence[0].RescaleIntercept == -1024
    np.testing.assert_array_equal(dataset.pixel_array, images(2))
    assert groups(Rows=3, RescaleSlope=1) == {"Rows": 3, "PixelValueTransformationSequence": [{"RescaleSlope": 1}]}


def test_a_file_whose_groups_cannot_be_read_at_all_is_refused_by_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Without its functional groups, an MR image would silently be shown without its rescale.
    from napari_dicommeta.dicom import functional_groups as functional

    def broken(*_: object) -> None:
        raise NotImplementedError

    monkeypatch.setattr(functional, "read_group_bytes", broken)
    (tmp_path / "x.dcm").write_bytes(enhanced(images(), [at(z) for z in PLACES], SHARED | HU))
    with pytest.raises(dm.LoadError, match=r"x\.dcm: its functional groups cannot be read: NotImplementedError"):
        dm.load(tmp_path)
