from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from dicom_factory import BIG, ROOT, Raw, ct_content, ct_pixels, ct_slice, dicom, dose, enhanced
from volume_checks import hu, titles

import napari_dicommeta as dm

CORONAL, SAGITTAL = [1, 0, 0, 0, 0, -1], [0, 1, 0, 0, 0, -1]
PRIMARY = ["ORIGINAL", "PRIMARY"]
SECOND_FOLDER = "second folder"


def image(n: int, z: float | None = 0, **changes: Any) -> bytes:
    """Image number n, with pixels of its own, in the axial plane at z."""
    place = None if z is None else [-10, -20, z]
    return ct_slice(n, **({"ImagePositionPatient": place} | changes))


def put(folder: Path, *files: bytes, seed: int = 3) -> list[Path]:
    """The files under names whose order is not theirs; the paths in the order of `files`."""
    folder.mkdir(parents=True, exist_ok=True)
    names = np.random.default_rng(seed).permutation(len(files)).tolist()
    paths = [folder / f"im{name:03d}.dcm" for name in names]
    for path, file in zip(paths, files, strict=True):
        path.write_bytes(file)
    return paths


def severity(volume: dm.Volume, code: str) -> str:
    return next(note.severity for note in volume.notes if note.code == code)


def same(volume: dm.Volume, expected: np.ndarray) -> None:
    assert volume.array.shape == expected.shape
    np.testing.assert_array_equal(np.asarray(volume.array), expected)


def names(volume: dm.Volume) -> list[str]:
    return [Path(path).name for path, _ in volume.files]


# -- one volume ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(4))
def test_slices_lie_by_position_whatever_their_names_and_numbers(tmp_path: Path, seed: int) -> None:
    numbers = np.random.default_rng(seed).permutation(6).tolist()
    paths = put(tmp_path, *[image(k, 2.5 * k, InstanceNumber=numbers[k] + 1) for k in range(6)], seed=seed)
    (volume,) = dm.load(tmp_path)
    same(volume, hu(*range(6)))
    assert volume.files == tuple((str(path), 0) for path in paths)


def test_slices_of_a_sagittal_series_lie_along_their_normal(tmp_path: Path) -> None:
    # row × column = (0, 1, 0) × (0, 0, -1) = (-1, 0, 0): the first slice is that of the largest x.
    put(tmp_path, *[image(k, ImagePositionPatient=[4 * k, 5, 6], ImageOrientationPatient=SAGITTAL) for k in range(3)])
    (volume,) = dm.load(tmp_path)
    same(volume, hu(2, 1, 0))
    assert volume.geometry.affine is not None
    np.testing.assert_allclose(volume.geometry.affine @ [1, 2, 3, 1], [4, 5 + 3 * 0.5, 6 - 2 * 0.75, 1])


def test_a_single_image_is_a_volume_of_one_slice_without_a_distance(tmp_path: Path) -> None:
    put(tmp_path, image(0))
    (volume,) = dm.load(tmp_path)
    same(volume, hu(0))
    assert np.isnan(volume.geometry.spacing[0])
    assert volume.problems == ()


@pytest.mark.parametrize("place", [["NaN", 0, 0], "", [0, 0], None])
def test_images_that_do_not_say_where_they_lie_are_in_order_of_their_numbers(tmp_path: Path, place: object) -> None:
    put(tmp_path, *[image(k, ImagePositionPatient=place, InstanceNumber=9 - k) for k in range(3)])
    (volume,) = dm.load(tmp_path)
    same(volume, hu(2, 1, 0))
    assert volume.geometry.affine is None
    assert titles(volume)["unplaced"] == "Images have no positions: ordered by Instance Number"
    assert severity(volume, "unplaced") == "decision"


def test_numbers_that_are_none_change_no_order(tmp_path: Path) -> None:
    put(tmp_path, *[image(k, 2.5 * k, InstanceNumber=["", "abc", "2.5.1", "7"][k]) for k in range(4)])
    same(dm.load(tmp_path)[0], hu(0, 1, 2, 3))


def test_one_image_without_a_place_is_a_volume_of_its_own(tmp_path: Path) -> None:
    put(tmp_path, *[image(k, 2.5 * k) for k in range(3)], image(9, None))
    placed, lost = dm.load(tmp_path)
    same(placed, hu(0, 1, 2))
    same(lost, hu(9))
    assert lost.geometry.affine is None


def test_the_reason_of_an_image_without_a_place_is_that_it_has_none(tmp_path: Path) -> None:
    put(tmp_path, *[image(k, 2.5 * k) for k in range(3)], image(9, None))
    _, lost = dm.load(tmp_path)
    assert "orientation" not in titles(lost)["split"]


def test_positions_order_images_without_a_pixel_spacing(tmp_path: Path) -> None:
    put(tmp_path, *[image(k, 2.5 * k, PixelSpacing=None, InstanceNumber=9 - k) for k in range(3)])
    same(dm.load(tmp_path)[0], hu(0, 1, 2))


def test_a_slice_beside_the_line_of_the_others_is_noted(tmp_path: Path) -> None:
    put(tmp_path, *[image(k, ImagePositionPatient=[20 if k == 2 else -10, -20, 2.5 * k]) for k in range(5)])
    volumes = dm.load(tmp_path)
    assert len(volumes) > 1 or volumes[0].problems


# -- four dimensions -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("axis", "name", "values"),
    [
        ("TemporalPositionIdentifier", "Temporal Position Identifier", [100, 9, 10]),
        ("EchoTime", "Echo Time", ["10.1", "2.46", "4.92"]),
        ("DiffusionBValue", "Diffusion b-value", [1000.0, 0.0, 500.0]),
        ("AcquisitionTime", "Acquisition Time", ["120010.5", "115959", "120002"]),
    ],
)
def test_repeated_places_are_a_fourth_axis_in_order_of_its_numbers(
    tmp_path: Path, axis: str, name: str, values: list[object]
) -> None:
    # The first written volume has the largest value, the second the smallest; Instance Numbers run slice by slice.
    files = [
        image(10 * t + k, 2.5 * k, InstanceNumber=100 - (3 * k + t), **{axis: values[t]})
        for t in range(3)
        for k in range(4)
    ]
    paths = put(tmp_path, *files)
    (volume,) = dm.load(tmp_path)
    same(volume, hu(*[10 * t + k for t in (1, 2, 0) for k in range(4)]).reshape(3, 4, 16, 12))
    assert volume.axis == axis
    assert titles(volume)["volumes"] == f"3 volumes of 4 slices, by {name}"
    assert severity(volume, "volumes") == "info"
    assert [path for path, _ in volume.files] == [str(paths[4 * t + k]) for t in (1, 2, 0) for k in range(4)]
    assert volume.middle == (0, 2)


def test_the_affine_of_four_dimensions_is_that_of_each_volume(tmp_path: Path) -> None:
    put(tmp_path, *[image(10 * t + k, 3 * k - 6, EchoTime=t + 1) for t in range(2) for k in range(4)])
    (volume,) = dm.load(tmp_path)
    assert volume.geometry.spacing == (3.0, 0.75, 0.5)
    assert volume.geometry.affine is not None
    expected = [[0, 0, 0.5, -10], [0, 0.75, 0, -20], [3, 0, 0, -6], [0, 0, 0, 1]]
    np.testing.assert_allclose(volume.geometry.affine, expected)
    assert volume.geometry.steps == (3.0, 3.0, 3.0)


def test_one_number_spelled_in_two_ways_is_one_time(tmp_path: Path) -> None:
    times = ["10", "1e1", "20.0", "+20"]
    put(tmp_path, *[image(10 * t + k, 2.5 * k, EchoTime=times[2 * t + k % 2]) for t in range(2) for k in range(4)])
    (volume,) = dm.load(tmp_path)
    same(volume, hu(*[10 * t + k for t in range(2) for k in range(4)]).reshape(2, 4, 16, 12))


def test_directions_of_one_b_value_are_volumes(tmp_path: Path) -> None:
    weights: list[dict[str, object]] = [
        {"DiffusionBValue": 1000.0, "DiffusionGradientOrientation": [0.0, 1.0, 0.0]},
        {"DiffusionBValue": 0.0},
        {"DiffusionBValue": 1000.0, "DiffusionGradientOrientation": [1.0, 0.0, 0.0]},
    ]
    put(tmp_path, *[image(10 * t + k, 2.5 * k, **weights[t]) for t in range(3) for k in range(3)])
    (volume,) = dm.load(tmp_path)
    array = np.asarray(volume.array)
    assert array.shape == (3, 3, 16, 12)
    np.testing.assert_array_equal(array[0], hu(10, 11, 12))
    found = {int(volume_[0, 0, 0]) for volume_ in array[1:]}
    assert found == {-1024, 2000 - 1024}  # ct_pixels(20)[0, 0] = 100 · 20
    for one in array[1:]:
        t = 20 if one[0, 0, 0] == 976 else 0
        np.testing.assert_array_equal(one, hu(t, t + 1, t + 2))
    assert titles(volume)["volumes"] == (
        "3 volumes of 3 slices, by Diffusion b-value and Diffusion Gradient Orientation"
    )


@pytest.mark.parametrize("by_slice", [True, False])
def test_where_no_tag_tells_times_apart_the_instance_number_does_and_it_is_said(tmp_path: Path, by_slice: bool) -> None:
    def number(t: int, k: int) -> int:
        return 2 * k + t + 1 if by_slice else 3 * t + k + 1

    put(tmp_path, *[image(10 * t + k, 2.5 * k, InstanceNumber=number(t, k)) for t in range(2) for k in range(3)])
    (volume,) = dm.load(tmp_path)
    same(volume, hu(0, 1, 2, 10, 11, 12).reshape(2, 3, 16, 12))
    assert volume.axis == "InstanceNumber"
    assert severity(volume, "volumes") == "decision"
    assert titles(volume)["volumes"] == ("2 volumes of 3 slices, by Instance Number: no known tag distinguishes them")


def test_a_time_point_that_was_broken_off_is_a_volume_of_its_own_with_the_reason(tmp_path: Path) -> None:
    put(
        tmp_path,
        *[
            image(10 * t + k, 2.5 * k, TemporalPositionIdentifier=t + 1)
            for t in range(3)
            for k in range(4)
            if t < 2 or k < 3
        ],
    )
    whole, rest = dm.load(tmp_path)
    same(whole, hu(0, 1, 2, 3, 10, 11, 12, 13).reshape(2, 4, 16, 12))
    same(rest, hu(20, 21, 22))
    assert rest.axis == ""
    assert "split" not in titles(whole)
    assert titles(rest)["split"] == (
        "Split from its series: volume 3 of 3 by Temporal Position Identifier has only 3 of the 4 positions "
        "of the others"
    )


def test_magnitude_and_phase_are_never_times_of_one_volume(tmp_path: Path) -> None:
    put(
        tmp_path,
        *[image(10 * t + k, 2.5 * k, ImageType=[*PRIMARY, "MP"[t]], EchoTime=5) for t in range(2) for k in range(3)],
    )
    volumes = dm.load(tmp_path)
    assert sorted(np.asarray(volume.array)[0, 0, 0] for volume in volumes) == [-1024, -24]
    for volume in volumes:
        same(volume, hu(0, 1, 2) if volume.array[0][0, 0] == -1024 else hu(10, 11, 12))
        assert (
            titles(volume)["split"] == "Split from its series: Image Type differs between images at the same position"
        )


def test_magnitude_and_phase_of_two_echoes_are_two_volumes_of_two_times(tmp_path: Path) -> None:
    put(
        tmp_path,
        *[
            image(20 * p + 10 * t + k, 2.5 * k, ImageType=[*PRIMARY, "MP"[p]], EchoTime=5 * (t + 1))
            for p in range(2)
            for t in range(2)
            for k in range(3)
        ],
    )
    volumes = dm.load(tmp_path)
    assert [(volume.array.shape, volume.axis) for volume in volumes] == [((2, 3, 16, 12), "EchoTime")] * 2
    first = {int(volume.array[0, 0][0, 0]): volume for volume in volumes}
    same(first[-1024], hu(0, 1, 2, 10, 11, 12).reshape(2, 3, 16, 12))
    same(first[976], hu(20, 21, 22, 30, 31, 32).reshape(2, 3, 16, 12))


def test_magnitude_and_phase_of_one_slice_are_parted_too(tmp_path: Path) -> None:
    put(tmp_path, image(0, ImageType=[*PRIMARY, "M"]), image(1, ImageType=[*PRIMARY, "P"]))
    assert [volume.array.shape for volume in dm.load(tmp_path)] == [(1, 16, 12)] * 2


def test_blank_slices_of_two_times_are_no_duplicates(tmp_path: Path) -> None:
    # As in a masked time series: the first and last slices are 0 at all times.
    blank = np.zeros((16, 12), "<u2")
    put(
        tmp_path,
        *[
            image(10 * t + k, 2.5 * k, pixels=blank if k in (0, 4) else ct_pixels(10 * t + k))
            for t in range(2)
            for k in range(5)
        ],
    )
    assert [volume.array.shape for volume in dm.load(tmp_path)] == [(2, 5, 16, 12)]


def test_stacks_beside_one_another_are_not_times_of_one_place(tmp_path: Path) -> None:
    # Both hands in one series: one stack 100 mm beside the other.
    put(
        tmp_path,
        *[image(10 * t + k, ImagePositionPatient=[100 * t, -20, 2.5 * k]) for t in range(2) for k in range(4)],
    )
    assert [volume.array.shape for volume in dm.load(tmp_path)] == [(4, 16, 12)] * 2


@pytest.mark.parametrize("times", [1, 2])
@pytest.mark.parametrize("lean", [0, 20])
def test_stacks_beside_one_another_may_lie_one_after_the_other(tmp_path: Path, lean: int, times: int) -> None:
    # The second stack begins where the first one ends, 100 mm beside it.
    turn = np.radians(lean)
    tilted = [1, 0, 0, 0, round(float(np.cos(turn)), 9), round(float(-np.sin(turn)), 9)]
    files = [
        image(
            20 * t + 10 * s + k,
            ImagePositionPatient=[100 * s, -20, 5 * (4 * s + k)],
            ImageOrientationPatient=tilted,
            EchoTime=t,
        )
        for s in range(2)
        for t in range(times)
        for k in range(4)
    ]
    put(tmp_path, *files)
    volumes = dm.load(tmp_path)
    assert [volume.array.shape for volume in volumes] == [(4, 16, 12) if times == 1 else (2, 4, 16, 12)] * 2
    for volume in volumes:
        assert titles(volume)["split"] == "Split from its series: stacks lie side by side"
        assert "beside" not in titles(volume)


def test_a_gap_of_tilted_slices_is_no_stack_beside_another(tmp_path: Path) -> None:
    # Across 95 mm along the table, a tilt by 20 degrees shifts slices by 35 mm in their plane; the image has 12 mm.
    lean = np.radians(20)
    tilted = [1, 0, 0, 0, round(float(np.cos(lean)), 9), round(float(-np.sin(lean)), 9)]
    places = [0, 5, 10, 15, 110, 115, 120]
    put(tmp_path, *[image(k, z, ImageOrientationPatient=tilted) for k, z in enumerate(places)])
    (volume,) = dm.load(tmp_path)
    assert {"gap", "tilt"} <= set(titles(volume))


def test_tilted_stacks_beside_one_another_stay_whole(tmp_path: Path) -> None:
    lean = np.radians(20)
    tilted = [1, 0, 0, 0, round(float(np.cos(lean)), 9), round(float(-np.sin(lean)), 9)]
    put(
        tmp_path,
        *[
            image(10 * t + k, ImagePositionPatient=[100 * t, -20, 5 * k], ImageOrientationPatient=tilted)
            for t in range(2)
            for k in range(4)
        ],
    )
    assert [volume.array.shape for volume in dm.load(tmp_path)] == [(4, 16, 12)] * 2


@pytest.mark.parametrize("x", [-10.5, -11.5])
def test_positions_that_differ_by_rounding_are_not_beside_one_another(tmp_path: Path, x: float) -> None:
    def place(t: int, k: int) -> list[float]:
        return [x + (0.00001 if t else -0.00001), -20, 2.5 * k]

    files = [image(10 * t + k, ImagePositionPatient=place(t, k), EchoTime=t + 1) for t in range(2) for k in range(4)]
    put(tmp_path, *files)
    (volume,) = dm.load(tmp_path)
    same(volume, hu(0, 1, 2, 3, 10, 11, 12, 13).reshape(2, 4, 16, 12))


# -- copies and duplicates ------------------------------------------------------------------------------


def test_a_copy_of_the_series_in_another_folder_is_left_out_by_name(tmp_path: Path) -> None:
    files = [image(k, 2.5 * k) for k in range(4)]
    for k in range(4):
        (tmp_path / f"a{k}.dcm").write_bytes(files[k])
        (tmp_path / SECOND_FOLDER).mkdir(exist_ok=True)
        (tmp_path / SECOND_FOLDER / f"b{k}.dcm").write_bytes(files[k])
    (volume,) = dm.load(tmp_path)
    same(volume, hu(0, 1, 2, 3))
    assert severity(volume, "left-out") == "decision"
    title = titles(volume)["left-out"]
    assert title.startswith("4 files are left out: ")
    assert title.endswith("; and 1 more")
    (note,) = [note for note in volume.notes if note.code == "left-out"]
    kept, dropped = {path for path, _ in volume.files}, set(note.paths)
    assert kept | dropped == {str(path) for path in tmp_path.rglob("*.dcm")}
    assert len(dropped) == 4
    for k in range(3):
        assert f"{Path(sorted(dropped)[k]).name} is a copy of " in title
    assert "the same SOP Instance UID and pixels" in title


@pytest.mark.parametrize(
    "other",
    [
        {"pixels": ct_pixels(30)},
        {"RescaleIntercept": -1000},
        {"RescaleSlope": 2},
    ],
)
def test_a_shared_sop_instance_uid_alone_drops_nothing(tmp_path: Path, other: dict[str, Any]) -> None:
    twin = image(1, 2.5, **other)
    put(tmp_path, image(0, 0), image(1, 2.5), image(2, 5), twin)
    volumes = dm.load(tmp_path)
    assert sum(len(volume.files) for volume in volumes) == 4
    assert not any("left-out" in titles(volume) for volume in volumes)
    stored = other.get("pixels", ct_pixels(1)).astype(int)
    changed = stored * other.get("RescaleSlope", 1) + other.get("RescaleIntercept", -1024)
    slices = [plane for volume in volumes for plane in np.asarray(volume.array).reshape(-1, 16, 12)]
    assert any(np.array_equal(plane, changed) for plane in slices)
    assert any(np.array_equal(plane, hu(1)[0]) for plane in slices)


def test_the_same_pixels_at_one_place_under_another_uid_are_a_duplicate(tmp_path: Path) -> None:
    paths = put(tmp_path, *[image(k, 2.5 * k) for k in range(3)], image(1, 2.5, SOPInstanceUID=f"{ROOT}.77"))
    (volume,) = dm.load(tmp_path)
    same(volume, hu(0, 1, 2))
    title = titles(volume)["left-out"]
    first, second = sorted((paths[1].name, paths[3].name))
    assert title == f"1 file is left out: {second} is a duplicate of {first}: the same position and pixels"


def test_the_same_pixels_at_other_places_are_no_duplicates(tmp_path: Path) -> None:
    put(tmp_path, *[image(k, 2.5 * k, pixels=ct_pixels(0)) for k in range(3)])
    (volume,) = dm.load(tmp_path)
    same(volume, hu(0, 0, 0))
    assert "left-out" not in titles(volume)


def test_equal_pixels_are_no_duplicates_where_numbers_and_uids_go_on(tmp_path: Path) -> None:
    # A phantom, blanked or simulated data: three times of four slices, all pixels equal, numbered 1 to 12.
    places = [2.5 * k for _ in range(3) for k in range(4)]
    put(tmp_path, *[image(n, z, pixels=ct_pixels(9)) for n, z in enumerate(places)])
    (volume,) = dm.load(tmp_path)
    same(volume, hu(*(9,) * 12).reshape(3, 4, 16, 12))
    assert "left-out" not in titles(volume)
    assert [int(Path(path).name[2:5]) for path, _ in volume.files] == [
        int(name) for name in np.random.default_rng(3).permutation(12)
    ]


def test_duplicates_are_those_of_their_own_place(tmp_path: Path) -> None:
    put(tmp_path, *[image(n, 2.5 * (n // 2), pixels=ct_pixels(9), InstanceNumber=n // 2) for n in range(6)])
    (volume,) = dm.load(tmp_path)
    same(volume, hu(9, 9, 9))
    assert titles(volume)["left-out"].startswith("3 files are left out")


@pytest.mark.parametrize("links", [False, True])
@pytest.mark.parametrize("place", [{}, {"ImagePositionPatient": None}])
@pytest.mark.parametrize("count", [1, 3])
def test_copies_and_hard_links_at_one_place_or_at_none_are_left_out(
    tmp_path: Path, count: int, place: dict[str, None], links: bool
) -> None:
    for n in range(count):
        path = tmp_path / f"{n}.dcm"
        path.write_bytes(image(n, 0, pixels=ct_pixels(n), **place))
        os.link(path, tmp_path / f"link{n}") if links else shutil.copy(path, tmp_path / f"copy{n}")
    (volume,) = dm.load(tmp_path)
    np.testing.assert_array_equal(np.asarray(volume.array).reshape(-1, 16, 12), hu(*range(count)))
    assert titles(volume)["left-out"].startswith(f"{count} file{'s are' if count > 1 else ' is'} left out")
    assert "the same SOP Instance UID and pixels" in titles(volume)["left-out"]


def test_an_image_at_one_place_in_two_transfer_syntaxes_is_shown_twice_and_it_is_said(tmp_path: Path) -> None:
    put(tmp_path, image(0), ct_slice(0, BIG, ImagePositionPatient=[-10, -20, 0]))
    (volume,) = dm.load(tmp_path)
    same(volume, hu(0, 0))
    assert "1 of them repeats the SOP Instance UID and pixels of another image" in titles(volume)["one-place"]


def test_a_copy_in_another_byte_order_is_a_copy(tmp_path: Path) -> None:
    put(tmp_path, *[image(k, 2.5 * k) for k in range(3)])
    big = [ct_slice(k, BIG, ImagePositionPatient=[-10, -20, 2.5 * k]) for k in range(3)]
    put(tmp_path / SECOND_FOLDER, *big)
    assert [volume.array.shape for volume in dm.load(tmp_path)] == [(3, 16, 12)]


def test_the_same_bytes_in_another_byte_order_are_other_values(tmp_path: Path) -> None:
    put(tmp_path, *[image(k, 2.5 * k) for k in range(3)])
    put(tmp_path / SECOND_FOLDER, *[dicom(ct_content(k), BIG) for k in range(3)])
    assert sum(len(volume.files) for volume in dm.load(tmp_path)) == 6


def test_the_same_dose_grid_with_another_scaling_is_no_duplicate(tmp_path: Path) -> None:
    pixels = [ct_pixels(1), ct_pixels(2)]
    put(
        tmp_path,
        dose(pixels, [0, 2.5], SOPInstanceUID=f"{ROOT}.8"),
        dose(pixels, [0, 2.5], SOPInstanceUID=f"{ROOT}.9", DoseGridScaling=0.002),
    )
    assert sum(len(volume.files) for volume in dm.load(tmp_path)) == 4


def test_a_copy_of_a_file_of_three_frames_is_one_file_left_out(tmp_path: Path) -> None:
    frames = [{"ImagePositionPatient": [0, 0, z]} for z in (0, 2, 4)]
    shared = {"ImageOrientationPatient": [1, 0, 0, 0, 1, 0], "PixelSpacing": [1, 1]}
    file = enhanced([ct_pixels(k) for k in range(3)], frames, shared, RescaleSlope=1, RescaleIntercept=0)
    put(tmp_path, file, file)
    (volume,) = dm.load(tmp_path)
    assert titles(volume)["left-out"].startswith("1 file is left out")


def test_a_file_of_one_frame_is_a_copy_of_a_frame_of_a_larger_file(tmp_path: Path) -> None:
    frames = [{"ImagePositionPatient": [0, 0, z]} for z in (0, 2, 4)]
    shared = {"ImageOrientationPatient": [1, 0, 0, 0, 1, 0], "PixelSpacing": [1, 1]}
    pixels = [ct_pixels(k) for k in range(3)]
    whole = enhanced(pixels, frames, shared, RescaleSlope=1, RescaleIntercept=0)
    single = enhanced(pixels[:1], frames[:1], shared, RescaleSlope=1, RescaleIntercept=0)
    paths = put(tmp_path, single, whole)
    (volume,) = dm.load(tmp_path)
    assert {Path(path) for path, _ in volume.files} == {paths[1]}
    assert titles(volume)["left-out"].startswith(f"1 file is left out: {paths[0].name} is a copy of {paths[1].name}")


def test_duplicates_are_named_where_gaps_part_the_volume_too(tmp_path: Path) -> None:
    put(tmp_path, *[image(k, 2.5 * k) for k in (0, 1, 2, 5, 6)], image(0, 0))
    volumes = dm.load(tmp_path, split="gaps")
    assert [volume.array.shape[0] for volume in volumes] == [3, 2]
    assert any("left-out" in titles(volume) for volume in volumes)


# -- one place ------------------------------------------------------------------------------------------


def test_images_of_one_place_are_times_by_what_tells_all_of_them_apart(tmp_path: Path) -> None:
    put(tmp_path, *[image(k, 7, TriggerTime=[300, 20, 100][k], AcquisitionNumber=k) for k in range(3)])
    (volume,) = dm.load(tmp_path)
    same(volume, hu(1, 2, 0))
    assert volume.axis == "TriggerTime"
    assert titles(volume)["one-place"] == "3 images at the same position, by Trigger Time"
    assert severity(volume, "one-place") == "info"
    assert volume.geometry.affine is not None
    np.testing.assert_allclose(volume.geometry.affine[:3, 3], [-10, -20, 7])
    assert np.isnan(volume.geometry.spacing[0])


def test_images_of_one_place_that_nothing_tells_apart_need_a_decision(tmp_path: Path) -> None:
    put(tmp_path, *[image(k, 7, InstanceNumber=5 - k) for k in range(3)])
    (volume,) = dm.load(tmp_path)
    same(volume, hu(2, 1, 0))
    assert volume.axis == "InstanceNumber"
    assert severity(volume, "one-place") == "decision"


@pytest.mark.parametrize("keyword", ["TriggerTime", "InstanceNumber"])
def test_slice_locations_that_contradict_one_place_are_said(tmp_path: Path, keyword: str) -> None:
    # A place that de-identification set to that of the first slice: 4 steps of 2.5 mm.
    put(tmp_path, *[image(k, 7, SliceLocation=2.5 * k, **{keyword: k}) for k in range(5)])
    (volume,) = dm.load(tmp_path)
    (note,) = [note for note in volume.notes if note.code == "one-place"]
    assert note.title.endswith("; Slice Location differs at the same position, by up to 10 mm")
    assert note.severity == "decision"
    assert "SliceLocation" in note.tags


def test_slice_locations_that_contradict_the_places_of_times_are_said(tmp_path: Path) -> None:
    files = [
        image(10 * t + k, 2.5 * k, EchoTime=t + 1, SliceLocation=2.5 * k + 40 * t) for t in range(2) for k in range(3)
    ]
    put(tmp_path, *files)
    (volume,) = dm.load(tmp_path)
    text = "2 volumes of 3 slices, by Echo Time; Slice Location differs at the same position, by up to 40 mm"
    assert titles(volume)["volumes"] == text
    assert severity(volume, "volumes") == "decision"


@pytest.mark.parametrize("location", [lambda k: 7, lambda k: None, lambda k: 7 + 0.01 * k, lambda k: 7 if k else None])
def test_slice_locations_that_agree_are_not_mentioned(tmp_path: Path, location: Any) -> None:
    put(tmp_path, *[image(k, 7, SliceLocation=location(k), TriggerTime=k) for k in range(5)])
    assert titles(dm.load(tmp_path)[0])["one-place"] == "5 images at the same position, by Trigger Time"


# -- what is parted --------------------------------------------------------------------------------------


def test_a_localizer_is_apart_even_where_it_would_fit(tmp_path: Path) -> None:
    put(tmp_path, *[image(k, 2.5 * k) for k in range(3)], image(9, 7.5, ImageType=[*PRIMARY, "LOCALIZER"]))
    volume, localizer = dm.load(tmp_path)
    same(volume, hu(0, 1, 2))
    same(localizer, hu(9))
    assert titles(localizer)["split"] == "Split from its series: localizers are separated"


def test_each_orientation_is_a_volume(tmp_path: Path) -> None:
    axial = [image(k, 2.5 * k) for k in range(4)]
    coronal = [image(10 + k, ImagePositionPatient=[0, 3 * k, 0], ImageOrientationPatient=CORONAL) for k in range(3)]
    sagittal = [image(20 + k, ImagePositionPatient=[-4 * k, 0, 0], ImageOrientationPatient=SAGITTAL) for k in range(2)]
    put(tmp_path, *axial, *coronal, *sagittal)
    volumes = dm.load(tmp_path)
    for volume, expected in zip(volumes, (hu(0, 1, 2, 3), hu(10, 11, 12), hu(20, 21)), strict=True):
        # Coronal: (1, 0, 0) × (0, 0, -1) = (0, 1, 0); sagittal: (-1, 0, 0), so that x falls.
        same(volume, expected)
        assert titles(volume)["split"] == "Split from its series: the orientation or pixel spacing differs"
    assert [volume.geometry.spacing[0] for volume in volumes] == [2.5, 3.0, 4.0]


def test_orientations_that_differ_by_rounding_are_one(tmp_path: Path) -> None:
    turned = [1, 0.00005, 0, -0.00005, 1, 0]
    put(tmp_path, *[image(k, 2.5 * k, **({"ImageOrientationPatient": turned} if k % 2 else {})) for k in range(4)])
    (volume,) = dm.load(tmp_path)
    same(volume, hu(0, 1, 2, 3))


def test_another_pixel_spacing_is_another_volume(tmp_path: Path) -> None:
    put(tmp_path, *[image(k, 2.5 * k, PixelSpacing=[0.75, 0.5] if k < 4 else [0.8, 0.5]) for k in range(6)])
    first, second = dm.load(tmp_path)
    same(first, hu(0, 1, 2, 3))
    same(second, hu(4, 5))
    assert second.geometry.spacing == (2.5, 0.8, 0.5)


def test_pixel_spacing_within_a_hundredth_is_one_grid(tmp_path: Path) -> None:
    put(tmp_path, *[image(k, 2.5 * k, PixelSpacing=[0.75, 0.5] if k % 2 else [0.753, 0.502]) for k in range(4)])
    (volume,) = dm.load(tmp_path)
    same(volume, hu(0, 1, 2, 3))


def test_interleaved_acquisitions_that_make_no_even_grid_are_parted(tmp_path: Path) -> None:
    # The second one is 1 mm above the first: together the steps are 1, 4, 1, 4 … mm.
    put(tmp_path, *[image(10 * a + k, 5 * k + a, AcquisitionNumber=a + 1) for a in range(2) for k in range(4)])
    volumes = dm.load(tmp_path)
    found = {int(volume.array[0][0, 0]): volume for volume in volumes}
    same(found[-1024], hu(0, 1, 2, 3))
    same(found[-24], hu(10, 11, 12, 13))
    for volume in volumes:
        assert volume.geometry.spacing[0] == 5
        assert titles(volume)["split"] == (
            "Split from its series: Acquisition Number differs, and all slices together are unevenly spaced"
        )


def test_interleaved_acquisitions_that_make_an_even_grid_are_one_volume(tmp_path: Path) -> None:
    put(tmp_path, *[image(k, 2.5 * k, AcquisitionNumber=k % 2) for k in range(6)])
    (volume,) = dm.load(tmp_path)
    same(volume, hu(*range(6)))
    assert volume.problems == ()


@pytest.mark.parametrize(
    ("keyword", "values", "named"),
    [
        ("KVP", ["80", "140"], "KVP 80 (3), 140 (3)"),
        ("EchoTime", ["5", "9"], "Echo Time 5 (3), 9 (3)"),
        ("ConvolutionKernel", ["B", "S"], "Convolution Kernel B (3), S (3)"),
        ("ImageType", [[*PRIMARY, "M"], [*PRIMARY, "P"]], r"Image Type ORIGINAL\PRIMARY\M (3), ORIGINAL\PRIMARY\P (3)"),
    ],
)
def test_kinds_of_slices_that_alternate_in_an_even_grid_are_said(
    tmp_path: Path, keyword: str, values: list[Any], named: str
) -> None:
    put(tmp_path, *[image(k, 2.5 * k, **{keyword: values[k % 2]}) for k in range(6)])
    (volume,) = dm.load(tmp_path)
    assert titles(volume)["interleaved"] == f"Slices of several acquisitions are interleaved: {named}"
    assert severity(volume, "interleaved") == "decision"
    advice = next(note.advice for note in volume.notes if note.code == "interleaved")
    assert f"split='{keyword}'" in advice
    assert [volume.array.shape[0] for volume in dm.load(tmp_path, split=keyword)] == [3, 3]


@pytest.mark.parametrize("values", [["80"] * 3 + ["140"] * 3, ["80", None] * 3, list("123456")])
def test_kinds_of_slices_that_do_not_alternate_are_not_said_to(tmp_path: Path, values: list[Any]) -> None:
    put(tmp_path, *[image(k, 2.5 * k, KVP=values[k]) for k in range(6)])
    (volume,) = dm.load(tmp_path)
    assert "interleaved" not in titles(volume)


def test_blocks_of_two_increments_are_one_volume_with_two_notes(tmp_path: Path) -> None:
    # A head: 5 slices 3 mm apart from 0 to 12, then 4 slices 5 mm apart from 17 to 32; 8 steps of 32 mm in all.
    places = [0, 3, 6, 9, 12, 17, 22, 27, 32]
    put(tmp_path, *[image(k, z, AcquisitionNumber=1 if k < 5 else 2) for k, z in enumerate(places)])
    (volume,) = dm.load(tmp_path)
    same(volume, hu(*range(9)))
    assert titles(volume)["uneven"].startswith("Slices are unevenly spaced, 3 to 5 mm apart")
    assert severity(volume, "uneven") == "decision"
    assert titles(volume)["blocks"] == "Blocks of slices: 5 slices 3 mm apart, then 4 of 5 mm"
    assert volume.geometry.spacing[0] == 3  # a step that exists, not the mean of 4 mm
    assert volume.geometry.uneven == pytest.approx(2)


def test_blocks_open_apart_as_their_note_says(tmp_path: Path) -> None:
    places = [0, 3, 6, 9, 12, 17, 22, 27, 32]
    put(tmp_path, *[image(k, z, AcquisitionNumber=1 if k < 5 else 2) for k, z in enumerate(places)])
    first, second = dm.load(tmp_path, split="AcquisitionNumber")
    same(first, hu(0, 1, 2, 3, 4))
    same(second, hu(5, 6, 7, 8))
    assert (first.geometry.spacing[0], second.geometry.spacing[0]) == (3, 5)
    assert [volume.files for volume in dm.load(tmp_path, split="blocks")] == [first.files, second.files]


def test_a_block_of_twice_the_increment_misses_no_slices(tmp_path: Path) -> None:
    places = [2.5 * k for k in range(7)] + [20, 25, 30, 35]
    put(tmp_path, *[image(k, z, AcquisitionNumber=1 if k < 7 else 2) for k, z in enumerate(places)])
    (volume,) = dm.load(tmp_path)
    assert {"uneven", "blocks"} <= set(titles(volume))
    assert "gap" not in titles(volume)


def test_two_modalities_under_one_uid_are_not_one_volume_in_hu(tmp_path: Path) -> None:
    put(
        tmp_path,
        *[image(k, 2.5 * k, RescaleType=None) for k in range(3)],
        *[image(3 + k, 7.5 + 2.5 * k, RescaleType=None, Modality="PT", Units="BQML") for k in range(3)],
    )
    assert sorted(volume.units for volume in dm.load(tmp_path)) == ["BQML", "HU"]


def test_a_dose_of_the_same_grid_does_not_take_the_images_along(tmp_path: Path) -> None:
    images = [image(k, 2.5 * k) for k in range(3)]
    put(tmp_path, *images, dose([ct_pixels(7), ct_pixels(8)], [0, 2.5], ImagePositionPatient=[-10, -20, 20]))
    assert sorted(volume.units for volume in dm.load(tmp_path)) == ["Gy", "HU"]


@pytest.mark.parametrize("of_frame", [lambda k: k, lambda k: k // 3, lambda k: k % 2])
def test_frames_of_reference_that_fit_one_grid_are_one_volume(tmp_path: Path, of_frame: Any) -> None:
    # De-identification gave each file, or each part, a Frame of Reference UID of its own.
    put(tmp_path, *[image(k, 2.5 * k, FrameOfReferenceUID=f"{ROOT}.{50 + of_frame(k)}") for k in range(6)])
    (volume,) = dm.load(tmp_path)
    same(volume, hu(*range(6)))
    n = len({of_frame(k) for k in range(6)})
    assert titles(volume)["references"] == f"{n} frames of reference in one series; the Standard allows one"
    assert severity(volume, "references") == "decision"


def test_a_missing_slice_does_not_part_files_of_own_frames_of_reference(tmp_path: Path) -> None:
    put(tmp_path, *[image(k, 2.5 * k, FrameOfReferenceUID=f"{ROOT}.{50 + k}") for k in (0, 1, 2, 4, 5)])
    (volume,) = dm.load(tmp_path)
    assert {"references", "gap"} <= set(titles(volume))


@pytest.mark.parametrize("places", [[0, 2.5, 5, 5, 7.5, 10], [0, 2.5, 5, 8.7, 11.2, 13.7]])
def test_frames_of_reference_that_fit_no_grid_stay_apart(tmp_path: Path, places: list[float]) -> None:
    put(tmp_path, *[image(k, z, FrameOfReferenceUID=f"{ROOT}.{50 + k // 3}") for k, z in enumerate(places)])
    volumes = dm.load(tmp_path)
    assert [volume.array.shape[0] for volume in volumes] == [3, 3]
    assert {titles(volume)["split"] for volume in volumes} == {"Split from its series: the frame of reference differs"}


@pytest.mark.parametrize("keyword", ["FrameOfReferenceUID", "Modality"])
def test_an_image_that_does_not_say_what_the_others_do_stays_with_them(tmp_path: Path, keyword: str) -> None:
    value = f"{ROOT}.50" if keyword == "FrameOfReferenceUID" else "CT"
    put(tmp_path, *[image(k, 2.5 * k, **{keyword: None if k == 2 else value}) for k in range(5)])
    (volume,) = dm.load(tmp_path)
    same(volume, hu(*range(5)))


def test_images_of_one_place_are_parted_by_all_kinds(tmp_path: Path) -> None:
    put(
        tmp_path,
        *[
            image(4 * a + 2 * b + t, 7, ImageType=[*PRIMARY, "MP"[a]], ConvolutionKernel="BS"[b], EchoTime=t + 1)
            for a in range(2)
            for b in range(2)
            for t in range(2)
        ],
    )
    assert [(volume.array.shape, volume.axis) for volume in dm.load(tmp_path)] == [((2, 16, 12), "EchoTime")] * 4


def test_files_of_several_frames_without_a_place_are_volumes_of_their_own(tmp_path: Path) -> None:
    def several(n: int, count: int) -> bytes:
        stored = b"".join(ct_pixels(n + k).tobytes() for k in range(count))
        return ct_slice(n, NumberOfFrames=count, PixelData=Raw("OW", stored))

    paths = put(tmp_path, *[image(k, 2.5 * k) for k in range(4)], several(20, 3), several(30, 2))
    slices, three, two = dm.load(tmp_path)
    same(slices, hu(0, 1, 2, 3))
    same(three, hu(20, 21, 22))
    same(two, hu(30, 31))
    assert three.files == tuple((str(paths[4]), frame) for frame in range(3))
    assert three.geometry.affine is None
    assert titles(three)["split"] == "Split from its series: each file holds several frames"
    others = "other files hold several frames that do not say where they lie"
    assert titles(slices)["split"] == f"Split from its series: {others}"
    assert titles(three)["unplaced"] == "Images have no positions: ordered as in their file"


def test_the_reason_of_a_frame_without_a_place_is_not_that_its_file_holds_several(tmp_path: Path) -> None:
    frames = [{"ImagePositionPatient": [0, 0, 3 * k]} if k != 2 else {"RescaleSlope": 1} for k in range(5)]
    shared = {"ImageOrientationPatient": [1, 0, 0, 0, 1, 0], "PixelSpacing": [1, 1]}
    put(tmp_path, enhanced([ct_pixels(k) for k in range(5)], frames, shared, RescaleSlope=1, RescaleIntercept=-1024))
    placed, lost = dm.load(tmp_path)
    same(placed, hu(0, 1, 3, 4))
    same(lost, hu(2))
    for volume in (placed, lost):
        assert titles(volume)["split"] == "Split from its series: some frames of a file do not say where they lie"


# -- gaps ------------------------------------------------------------------------------------------------


def test_a_gap_is_noted_with_its_slices_and_mm(tmp_path: Path) -> None:
    put(tmp_path, *[image(k, 2.5 * k) for k in (0, 1, 2, 5, 6, 7, 9)])
    (volume,) = dm.load(tmp_path)
    same(volume, hu(0, 1, 2, 5, 6, 7, 9))
    assert titles(volume)["gap"] == (
        "2 slices missing between 3 and 4 (7.5 mm); 1 slice missing between 6 and 7 (5 mm); the usual step is 2.5 mm"
    )
    assert severity(volume, "gap") == "decision"
    assert "order" not in titles(volume)


def test_a_volume_is_parted_at_gaps_where_that_is_asked_for(tmp_path: Path) -> None:
    put(tmp_path, *[image(k, 2.5 * k) for k in (0, 1, 2, 5, 6, 7, 8, 10)])
    volumes = dm.load(tmp_path, split="gaps")
    for volume, expected in zip(volumes, (hu(5, 6, 7, 8), hu(0, 1, 2), hu(10)), strict=True):
        same(volume, expected)
        assert "gap" not in titles(volume)
        assert titles(volume)["split"] == "Split from its series: split where slices are missing, as requested"
    assert volumes[0].geometry.affine is not None
    np.testing.assert_allclose(volumes[0].geometry.affine[:3, 3], [-10, -20, 12.5])


def test_a_volume_without_gaps_is_whole_where_they_would_part_it(tmp_path: Path) -> None:
    put(tmp_path, *[image(k, 2.5 * k) for k in range(5)])
    (volume,) = dm.load(tmp_path, split="gaps")
    same(volume, hu(*range(5)))
    assert "split" not in titles(volume)


def test_gaps_part_times_too_or_are_not_said_to(tmp_path: Path) -> None:
    put(tmp_path, *[image(10 * t + k, 2.5 * k, EchoTime=t + 1) for t in range(2) for k in (0, 1, 2, 5, 6)])
    volumes = dm.load(tmp_path, split="gaps")
    assert len(volumes) > 1 or not any("split='gaps'" in note.advice for note in volumes[0].notes)


# -- how it is asked for -----------------------------------------------------------------------------------


def test_split_none_parts_sizes_only(tmp_path: Path) -> None:
    times = [image(10 * t + k, 2.5 * k, EchoTime=t + 1) for t in range(2) for k in range(3)]
    turned = image(40, 50, ImageOrientationPatient=[0, 1, 0, -1, 0, 0])
    small = image(41, pixels=np.zeros((8, 8), "<u2"))
    put(tmp_path, *times, turned, small)
    first, second = dm.load(tmp_path, split="none")
    # By place, and at one place by Instance Number; the normal of the turned one is that of the others.
    same(first, hu(0, 10, 1, 11, 2, 12, 40))
    assert second.array.shape == (1, 8, 8)
    assert titles(second)["split"] == "Split from its series: the number of rows or columns differs"
    assert len(dm.load(tmp_path)) == 3


def test_split_by_a_keyword_parts_by_its_values(tmp_path: Path) -> None:
    put(tmp_path, *[image(10 * t + k, 2.5 * k, EchoTime=[5, 2][t]) for t in range(2) for k in range(2 + t)])
    three, two = dm.load(tmp_path, split="EchoTime")
    same(three, hu(10, 11, 12))
    same(two, hu(0, 1))
    assert [volume.axis for volume in (three, two)] == ["", ""]
    assert titles(two)["split"] == "Split from its series: by EchoTime, as requested"
    assert [len(volume.files) for volume in dm.load(tmp_path, split="(0018,0081)")] == [3, 2]


@pytest.mark.parametrize("keyword", ["SliceThickness", "ProtocolName", "00181160"])
def test_split_by_any_keyword_parts_by_its_values(tmp_path: Path, keyword: str) -> None:
    put(tmp_path, *[image(k, 2.5 * k, **{keyword: k // 2}) for k in range(4)])
    assert [volume.array.shape[0] for volume in dm.load(tmp_path, split=keyword)] == [2, 2]


@pytest.mark.parametrize(
    "split",
    [
        "gap",
        "None",
        "Echo Time",
        "AUTO",
        "",
    ],
)
def test_a_split_that_is_none_is_a_value_error(tmp_path: Path, split: str) -> None:
    put(tmp_path, *[image(k, 2.5 * k) for k in range(2)])
    with pytest.raises(ValueError, match="DICOM keyword"):
        dm.load(tmp_path, split=split)


def test_a_split_that_is_none_is_a_value_error_before_any_file_is_read(tmp_path: Path) -> None:
    (tmp_path / "none.dcm").write_bytes(image(0, PixelData=None))
    with pytest.raises(ValueError, match="DICOM keyword"):
        dm.load(tmp_path, split="gap")


# -- tilt --------------------------------------------------------------------------------------------------


def test_a_tilt_is_noted_with_its_angle_and_shear(tmp_path: Path) -> None:
    # The gantry leans by 20 degrees, the table moves along z: 5 mm · sin 20° = 1.710 mm beside one another.
    lean = np.radians(20)
    orientation = [1, 0, 0, 0, round(float(np.cos(lean)), 9), round(float(-np.sin(lean)), 9)]
    put(tmp_path, *[image(k, 5 * k, ImageOrientationPatient=orientation) for k in range(4)])
    (volume,) = dm.load(tmp_path)
    same(volume, hu(0, 1, 2, 3))
    assert titles(volume)["tilt"] == "Slices are sheared by 20.00 degrees, 1.71 mm a slice (gantry tilt)"
    assert severity(volume, "tilt") == "decision"
    assert volume.geometry.spacing[0] == pytest.approx(5)
    assert volume.geometry.affine is not None
    np.testing.assert_allclose(volume.geometry.affine[:3, 0], [0, 0, 5], atol=1e-9)


@pytest.mark.parametrize("modality", ["MR", "PT", "NM"])
def test_only_slices_of_ct_are_sheared_by_a_gantry(tmp_path: Path, modality: str) -> None:
    tilted = [1, 0, 0, 0, 0.8, -0.6]
    put(tmp_path, *[image(k, 5 * k, ImageOrientationPatient=tilted, Modality=modality) for k in range(4)])
    (volume,) = dm.load(tmp_path)
    # sin = 0.6: 36.87 degrees, 5 mm · 0.6 = 3 mm
    assert titles(volume)["tilt"] == "Slices are sheared by 36.87 degrees, 3 mm a slice"


def test_a_shear_is_a_gantry_tilt_in_ct_only_and_noted_if_it_moves_voxels(tmp_path: Path) -> None:
    """Over 41 slices, 0.0262 mm a slice move the last by 1.05 mm; over 4 slices, by 0.08 mm, less than a tenth."""
    step = 5 * np.tan(np.radians(0.3))
    for name, count, modality in (("ct", 41, "CT"), ("mr", 41, "MR"), ("few", 4, "CT")):
        (tmp_path / name).mkdir()
        places = {"PixelSpacing": [1, 1], "Modality": modality}
        files = [image(k, **places, ImagePositionPatient=[-10, round(step * k, 4), 5 * k]) for k in range(count)]
        put(tmp_path / name, *files)
    shear = "Slices are sheared by 0.30 degrees, 0.02618 mm a slice"
    assert titles(dm.load(tmp_path / "ct")[0])["tilt"] == f"{shear} (gantry tilt)"
    assert titles(dm.load(tmp_path / "mr")[0])["tilt"] == shear
    assert "tilt" not in titles(dm.load(tmp_path / "few")[0])


def test_an_upright_gantry_has_no_tilt_whatever_its_element_says(tmp_path: Path) -> None:
    put(tmp_path, *[image(k, 5 * k, GantryDetectorTilt=20) for k in range(3)])
    assert "tilt" not in titles(dm.load(tmp_path)[0])


# -- series ------------------------------------------------------------------------------------------------


def test_a_series_uid_shared_by_two_studies_is_two_series(tmp_path: Path) -> None:
    put(
        tmp_path,
        *[image(10 * s + k, 2.5 * k, StudyInstanceUID=f"{ROOT}.{60 + s}") for s in range(2) for k in range(3 - s)],
    )
    first, second = dm.load(tmp_path)
    same(first, hu(0, 1, 2))
    same(second, hu(10, 11))
    assert first.axis == second.axis == ""


def test_files_without_a_study_stay_in_their_series(tmp_path: Path) -> None:
    put(tmp_path, *[image(k, 2.5 * k, **({"StudyInstanceUID": None} if k in (1, 3) else {})) for k in range(6)])
    assert [volume.array.shape[0] for volume in dm.load(tmp_path)] == [6]


@pytest.mark.parametrize("empty", ["", None])
def test_images_without_a_uid_of_their_own_are_no_copies_of_one_another(tmp_path: Path, empty: object) -> None:
    put(
        tmp_path,
        *[image(10 * t + k, 2.5 * k, SOPInstanceUID=empty, EchoTime=t + 1) for t in range(2) for k in range(3)],
    )
    (volume,) = dm.load(tmp_path)
    same(volume, hu(0, 1, 2, 10, 11, 12).reshape(2, 3, 16, 12))


@pytest.mark.parametrize("empty", ["", None])
def test_equal_pixels_without_a_uid_at_other_places_are_slices(tmp_path: Path, empty: object) -> None:
    put(tmp_path, *[image(k, 2.5 * k, SOPInstanceUID=empty, pixels=ct_pixels(9)) for k in range(3)])
    same(dm.load(tmp_path)[0], hu(9, 9, 9))


def test_without_a_series_uid_the_series_number_parts(tmp_path: Path) -> None:
    put(
        tmp_path,
        *[image(10 * s + k, 2.5 * k, SeriesInstanceUID="", SeriesNumber=s) for s in range(2) for k in range(3 + s)],
    )
    four, three = dm.load(tmp_path)
    same(four, hu(10, 11, 12, 13))
    same(three, hu(0, 1, 2))
