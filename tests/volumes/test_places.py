"""Where images lie: places elsewhere than in Image Position (Patient), impossible places, rounding, missing spacing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from dicom_factory import Raw, ct_pixels, ct_slice, write_series
from mosaic_factory import siemens
from volume_checks import hu, opened, titles

import napari_dicommeta as dm
from napari_dicommeta.volumes.geometry import ImagePlane

NUCLEAR, ULTRASOUND_VOLUME = "1.2.840.10008.5.1.4.1.1.20", "1.2.840.10008.5.1.4.1.1.6.2"
NO_RESCALE = {"RescaleSlope": None, "RescaleIntercept": None, "RescaleType": None}


def severity(volume: dm.Volume, code: str) -> str:
    return next(note.severity for note in volume.notes if note.code == code)


# -- rounding -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("angle", [2e-4, 5e-4, 1e-3])
@pytest.mark.parametrize("every", [1, 2, 3])
def test_orientations_that_differ_by_rounding_are_one_volume(tmp_path: Path, angle: float, every: int) -> None:
    def cosines(k: int) -> list[str]:
        c, s = np.cos(angle * (k % (every + 1) > 0)), np.sin(angle * (k % (every + 1) > 0))
        return [f"{value:.7f}" for value in (c, s, 0, -s, c, 0)]

    write_series(tmp_path, 8, ImageOrientationPatient=cosines)
    (volume,) = dm.load(tmp_path)
    np.testing.assert_array_equal(np.asarray(volume.array), hu(*range(8)))
    assert titles(volume)["orientations-rounded"] == (
        f"2 orientations differ by no more than {angle:.1g}: they are taken as one"
    )
    assert severity(volume, "orientations-rounded") == "info"


@pytest.mark.parametrize("way", ["to both sides", "drift"])
def test_orientations_that_scatter_around_one_are_one_volume(tmp_path: Path, way: str) -> None:
    angles = [1e-4 * k for k in range(20)] if way == "drift" else [-1e-3, 0.0, 1e-3, 0.0, -1e-3, 1e-3]
    write_series(tmp_path, len(angles), ImageOrientationPatient=lambda k: turned(angles[k]))
    (volume,) = dm.load(tmp_path)
    assert volume.array.shape[0] == len(angles)
    assert "orientations differ by no more than 0.002: they are taken as one" in titles(volume)["orientations-rounded"]


def test_the_order_of_files_decides_nothing_about_planes_that_differ_by_rounding(tmp_path: Path) -> None:
    for way in ("there", "back"):
        numbers = range(8) if way == "there" else range(7, -1, -1)
        for n, k in enumerate(numbers):
            place = {"PixelSpacing": [["0.488"], ["0.488281"]][k % 2] * 2, "ImageOrientationPatient": turned(2e-4 * k)}
            (tmp_path / way).mkdir(exist_ok=True)
            (tmp_path / way / f"im{n}.dcm").write_bytes(ct_slice(k, **place))
    (there,), (back,) = dm.load(tmp_path / "there"), dm.load(tmp_path / "back")
    assert there.geometry.spacing == back.geometry.spacing
    np.testing.assert_array_equal(there.geometry.affine, back.geometry.affine)
    assert titles(there) == titles(back)


def test_orientations_that_differ_by_little_stay_apart_where_that_makes_two_grids(tmp_path: Path) -> None:
    # Two scans, the second turned by 0.0008 and 1 mm off: together they fit no grid.
    def place(k: int) -> dict[str, Any]:
        turned = [1, 0.0008, 0, -0.0008, 1, 0] if k >= 5 else [1, 0, 0, 0, 1, 0]
        return {"ImagePositionPatient": [0, 0, 2.5 * (k % 5) + k // 5], "ImageOrientationPatient": turned}

    volumes = opened(tmp_path, *[ct_slice(k, **place(k)) for k in range(10)])
    assert [volume.array.shape[0] for volume in volumes] == [5, 5]
    assert "the orientation or pixel spacing differs" in titles(volumes[0])["split"]


def test_planes_are_compared_with_near_ones_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[ImagePlane] = []
    same_grid = ImagePlane.same_grid
    monkeypatch.setattr(ImagePlane, "same_grid", lambda *args: compared.append(args[0]) or same_grid(*args))
    write_series(tmp_path, 60, ImageOrientationPatient=lambda k: turned(0.04 * k), InstanceNumber=1)
    assert len(dm.load(tmp_path)) == 60
    assert len(compared) < 4 * 60  # of 1770 pairs


# -- images that follow a movement --------------------------------------------------------------------------


SHIFTS = (0.0, 0.03, -0.04, 0.02, -0.03, 0.04)
"""mm; shifts of images that follow the head or the heart."""


def turned(angle: float) -> list[str]:
    """Return the cosines of the axial plane, turned by `angle` about its rows."""
    return ["1", "0", "0", "0", f"{np.cos(angle):.7f}", f"{np.sin(angle):.7f}"]


def test_slices_that_follow_a_movement_are_one_volume(tmp_path: Path) -> None:
    # Each slice has an orientation of its own, up to 0.02 radians = 1.1 degrees from that of the others.
    angles = [0.0, 0.01, -0.01, 0.005, 0.008, -0.004]
    place = {
        "ImagePositionPatient": lambda k: [-3, -6, 3 * k + SHIFTS[k]],
        "ImageOrientationPatient": lambda k: turned(angles[k]),
    }
    write_series(tmp_path, 6, Modality="MR", **place)
    (volume,) = dm.load(tmp_path)
    np.testing.assert_array_equal(np.asarray(volume.array), hu(*range(6)))
    assert titles(volume)["tracked"].startswith("Images follow a movement: 6 orientations differ by up to ")
    assert severity(volume, "tracked") == "decision"


def test_orientations_that_fan_out_are_no_movement(tmp_path: Path) -> None:
    write_series(tmp_path, 6, ImageOrientationPatient=lambda k: turned(0.015 * k))
    volumes = dm.load(tmp_path)
    assert [volume.array.shape[0] for volume in volumes] == [1] * 6
    assert "the orientation or pixel spacing differs" in titles(volumes[0])["split"]


@pytest.mark.parametrize("keyword", ["TemporalPositionIdentifier", "AcquisitionTime", "InstanceNumber"])
def test_times_whose_slices_follow_a_movement_are_one_volume(tmp_path: Path, keyword: str) -> None:
    files = []
    for n in range(15):
        t, k = divmod(n, 5)
        stated = {"TemporalPositionIdentifier": t + 1, "AcquisitionTime": f"1000{n:02}", "InstanceNumber": n + 1}
        place = [-3, -6, 3 * k + SHIFTS[(2 * t + k) % 6]]
        content = {"InstanceNumber": n + 1, "ImagePositionPatient": place, keyword: stated[keyword]}
        files.append(ct_slice(n, SOPInstanceUID=f"1.2.3.{n}", **content))
    (volume,) = opened(tmp_path, *files)
    assert volume.axis == keyword
    np.testing.assert_array_equal(np.asarray(volume.array), hu(*range(15)).reshape(3, 5, 16, 12))
    # The first slice is shifted by 0, -0.04 and -0.03 mm.
    assert titles(volume)["tracked"] == (
        "Images follow a movement: positions of one slice differ by up to 0.04 mm, and are taken as one"
    )


def test_one_slice_that_follows_a_movement_is_no_stack(tmp_path: Path) -> None:
    write_series(
        tmp_path, 6, ImagePositionPatient=lambda k: [0, 0, SHIFTS[k]], SliceThickness=8, TriggerTime=lambda k: 20 * k
    )
    (volume,) = dm.load(tmp_path)
    assert volume.axis == "TriggerTime"
    np.testing.assert_array_equal(np.asarray(volume.array), hu(*range(6)))
    assert "positions of one slice differ by up to 0.08 mm" in titles(volume)["tracked"]


@pytest.mark.parametrize("thickness", [None, 0.1])
def test_fine_slices_with_gaps_are_no_times_of_one_slice(tmp_path: Path, thickness: float | None) -> None:
    places = [0.1 * k + 1.2 * (k // 5) for k in range(15)]  # steps of 0.1 mm in three parts, 1.3 mm between them
    write_series(tmp_path, 15, ImagePositionPatient=lambda k: [0, 0, f"{places[k]:.1f}"], SliceThickness=thickness)
    (volume,) = dm.load(tmp_path)
    assert volume.array.shape == (15, 16, 12)
    assert "tracked" not in titles(volume)


def test_steps_of_half_a_micrometer_are_slices(tmp_path: Path) -> None:
    write_series(tmp_path, 4, PixelSpacing=[0.0005, 0.0005], ImagePositionPatient=lambda k: [0, 0, f"{0.0005 * k:.4f}"])
    (volume,) = dm.load(tmp_path)
    assert volume.array.shape == (4, 16, 12)
    assert volume.geometry.spacing[0] == pytest.approx(0.0005)


# -- impossible and stray places ----------------------------------------------------------------------------


@pytest.mark.parametrize("z", ["3.4e9", "-3.4E+38", "1e8"])
def test_an_impossible_place_is_a_reason_of_its_own(tmp_path: Path, z: str) -> None:
    write_series(tmp_path, 5, ImagePositionPatient=lambda k: [0, 0, z if k == 2 else 2.5 * k])
    volumes = dm.load(tmp_path)
    assert [volume.array.shape[0] for volume in volumes] == [4, 1]
    assert titles(volumes[1])["split"] == "Split from its series: the stated positions are impossible"
    assert "split" not in titles(volumes[0])
    assert "gap" in titles(volumes[0])


def test_a_stray_slice_is_named_beside_a_gap(tmp_path: Path) -> None:
    # 2.5 mm apart, one slice missing, and the last one 101 mm off, which is no multiple.
    places = [0, 2.5, 5, 10, 12.5, 15, 17.5, 118.5]
    write_series(tmp_path, 8, ImagePositionPatient=lambda k: [0, 0, places[k]])
    (volume,) = dm.load(tmp_path)
    assert titles(volume)["gap"] == "1 slice missing between 3 and 4 (5 mm); the usual step is 2.5 mm"
    assert "is between slices 7 and 8" in titles(volume)["uneven"]
    assert volume.geometry.spacing[0] == 2.5


def test_a_gap_in_a_block_counts_steps_of_that_block(tmp_path: Path) -> None:
    places = [2 * k for k in range(8)] + [14 + 4 * k for k in (1, 2, 3, 5, 6, 7, 8)]
    write_series(tmp_path, 15, ImagePositionPatient=lambda k: [0, 0, places[k]])
    (volume,) = dm.load(tmp_path)
    assert titles(volume)["gap"] == (
        "1 slice missing between 11 and 12 (8 mm, among steps of 4 mm); the usual step is 2 mm"
    )
    assert titles(volume)["blocks"] == "Blocks of slices: 8 slices 2 mm apart, then 7 of 4 mm"


@pytest.mark.parametrize(("far", "slices"), [(112, "8 and 9"), (-98, "1 and 2")])
def test_a_slice_alone_at_a_multiple_of_the_step_may_be_a_stray(tmp_path: Path, far: int, slices: str) -> None:
    places = sorted([*(2 * k for k in range(8)), far])
    write_series(tmp_path, 9, ImagePositionPatient=lambda k: [0, 0, places[k]])
    (volume,) = dm.load(tmp_path)
    stray, distance = (9, 98) if far > 0 else (1, 98)
    assert titles(volume)["gap"] == (
        f"48 slices missing between {slices} ({distance} mm), or slice {stray} is a stray; the usual step is 2 mm"
    )


# -- places elsewhere ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("spacing", [4.5, -4.5])
def test_slices_of_a_tomography_lie_along_the_normal_of_their_detector(tmp_path: Path, spacing: float) -> None:
    changes = {
        "SOPClassUID": NUCLEAR,
        "Modality": "NM",
        "ImageType": ["ORIGINAL", "PRIMARY", "RECON TOMO", "EMISSION"],
        "NumberOfFrames": 4,
        "SliceVector": [1, 2, 3, 4],
        "SpacingBetweenSlices": spacing,
        "ImagePositionPatient": None,
        "ImageOrientationPatient": None,
        "DetectorInformationSequence": [
            {"ImagePositionPatient": [-30, -40, 50], "ImageOrientationPatient": [1, 0, 0, 0, 1, 0]}
        ],
        "PixelData": Raw("OW", b"".join(ct_pixels(k).tobytes() for k in range(4))),
    }
    (volume,) = opened(tmp_path, ct_slice(0, **changes, **NO_RESCALE))
    order = range(4) if spacing > 0 else range(3, -1, -1)  # slices are sorted along the normal
    np.testing.assert_array_equal(np.asarray(volume.array), [ct_pixels(k) for k in order])
    assert volume.geometry.spacing == (4.5, 0.75, 0.5)
    assert volume.geometry.affine is not None
    first = 50 if spacing > 0 else 50 - 3 * 4.5
    np.testing.assert_allclose(volume.geometry.affine[:3, 3], [-30, -40, first])
    assert "unplaced" not in titles(volume)


def test_an_ultrasound_volume_lies_in_its_own_frame_of_reference(tmp_path: Path) -> None:
    content = {
        "SOPClassUID": ULTRASOUND_VOLUME,
        "Modality": "US",
        "VolumeFrameOfReferenceUID": "1.2.3",
        "NumberOfFrames": 3,
        "ImagePositionPatient": None,
        "ImageOrientationPatient": None,
        "PixelSpacing": None,
        "SharedFunctionalGroupsSequence": [
            {
                "PixelMeasuresSequence": [{"PixelSpacing": [0.4, 0.5]}],
                "PlaneOrientationVolumeSequence": [{"ImageOrientationVolume": [1.0, 0.0, 0.0, 0.0, 1.0, 0.0]}],
            }
        ],
        "PerFrameFunctionalGroupsSequence": [
            {"PlanePositionVolumeSequence": [{"ImagePositionVolume": [0.0, 0.0, 0.6 * (2 - k)]}]} for k in range(3)
        ],
        "PixelData": Raw("OW", b"".join(ct_pixels(k).tobytes() for k in range(3))),
    }
    (volume,) = opened(tmp_path, ct_slice(0, **content, **NO_RESCALE))
    assert volume.geometry.spacing == (pytest.approx(0.6), 0.4, 0.5)
    assert volume.frame_of_reference == "1.2.3"
    np.testing.assert_array_equal(np.asarray(volume.array), [ct_pixels(k) for k in (2, 1, 0)])


# -- pixel spacing ------------------------------------------------------------------------------------------

REGION = {"PhysicalUnitsXDirection": 3, "PhysicalUnitsYDirection": 3, "PhysicalDeltaX": 0.02, "PhysicalDeltaY": 0.03}
NO_PLACE = {"ImagePositionPatient": None, "ImageOrientationPatient": None, "PixelSpacing": None}


@pytest.mark.parametrize(
    ("changes", "spacing", "note"),
    [
        ({"ImagerPixelSpacing": [0.2, 0.1]}, (0.2, 0.1), "spacing-missing"),
        ({"ImagePlanePixelSpacing": [0.4, 0.3]}, (0.4, 0.3), ""),
        ({"NominalScannedPixelSpacing": [0.6, 0.5]}, (0.6, 0.5), ""),
        ({"SequenceOfUltrasoundRegions": [REGION]}, (0.3, 0.2), "spacing-region"),
        ({"SequenceOfUltrasoundRegions": [REGION, REGION]}, (0.3, 0.2), "spacing-region"),
        ({"SequenceOfUltrasoundRegions": [REGION, REGION | {"PhysicalDeltaX": 0.5}]}, (1, 1), "spacing-missing"),
        ({"SequenceOfUltrasoundRegions": [REGION | {"PhysicalUnitsXDirection": 4}]}, (1, 1), "spacing-missing"),
        ({}, (1, 1), "spacing-missing"),
        ({"PixelSpacing": ["0", "0"]}, (1, 1), "spacing-missing"),
        ({"PixelSpacing": ["0.000", "0.5"]}, (1, 1), "spacing-missing"),
        ({"PixelSpacing": ["-1", "1"]}, (1, 1), "spacing-missing"),
    ],
)
def test_a_spacing_that_no_element_states_is_noted_for_a_single_image(
    tmp_path: Path, changes: dict[str, Any], spacing: tuple[float, float], note: str
) -> None:
    (volume,) = opened(tmp_path, ct_slice(0, **(NO_PLACE | {"Modality": "CR"} | changes), **NO_RESCALE))
    assert volume.geometry.spacing[1:] == pytest.approx(spacing)
    assert {code for code in titles(volume) if code.startswith("spacing")} == ({note} if note else set())
    if note == "spacing-missing":
        assert severity(volume, note) == "decision"


def test_a_spacing_that_is_none_is_named_and_the_slices_keep_their_places(tmp_path: Path) -> None:
    write_series(tmp_path, 3, PixelSpacing=["0", "0"])
    (volume,) = dm.load(tmp_path)
    assert titles(volume)["spacing-missing"] == "0\\0 is no Pixel Spacing: pixels are assumed to be 1 mm apart"
    assert volume.geometry.spacing == (2.5, 1, 1)
    assert volume.geometry.affine is not None


@pytest.mark.parametrize("spacing", [None, ["0", "0"]])
@pytest.mark.parametrize("lacks", [0, 2])
def test_an_image_without_a_spacing_takes_that_of_the_others(tmp_path: Path, spacing: Any, lacks: int) -> None:
    write_series(tmp_path, 5, PixelSpacing=lambda k: spacing if k == lacks else [0.75, 0.5])
    (volume,) = dm.load(tmp_path)
    assert volume.geometry.spacing == (2.5, 0.75, 0.5)
    assert titles(volume)["spacing-missing"] == "No Pixel Spacing in 1 of 5 images: that of the others is used"
    assert severity(volume, "spacing-missing") == "decision"


def test_an_image_of_another_size_takes_no_spacing_of_others(tmp_path: Path) -> None:
    small = ct_slice(9, pixels=np.zeros((8, 8), "<u2"), PixelSpacing=None)
    _, alone = opened(tmp_path, *[ct_slice(k) for k in range(4)], small)
    assert alone.geometry.spacing[1:] == (1, 1)


# -- mosaics ------------------------------------------------------------------------------------------------


def mosaic(t: int, count: int = 5, **changes: Any) -> bytes:
    """Encode a Siemens mosaic of `count` tiles of 8 × 8: all pixels of slice k at time t are 10 t + k."""
    tiles = np.zeros((24, 24), "<u2")
    for k in range(count):
        tiles[8 * (k // 3) : 8 * (k // 3) + 8, 8 * (k % 3) : 8 * (k % 3) + 8] = 10 * t + k
    content = {
        "ImageType": ["ORIGINAL", "PRIMARY", "M", "ND", "MOSAIC"],
        "Modality": "MR",
        "SOPInstanceUID": f"1.2.3.{t}",
        "InstanceNumber": t + 1,
        "AcquisitionNumber": t + 1,
        "AcquisitionMatrix": [8, 0, 0, 8],
        "ImagePositionPatient": [-36, -36, 7],
        "PixelSpacing": [3, 3],
        "SpacingBetweenSlices": 4,
        "pixels": tiles,
    }
    return ct_slice(0, **(content | NO_RESCALE | changes))


def test_mosaics_without_private_elements_are_times_of_slices_without_places(tmp_path: Path) -> None:
    (volume,) = opened(tmp_path, *[mosaic(t) for t in range(3)])
    # The number of slices is unknown without private elements: nine tiles, the last four blank.
    assert (volume.array.shape, volume.axis) == ((3, 9, 8, 8), "AcquisitionNumber")
    expected = [[10 * t + k if k < 5 else 0 for k in range(9)] for t in range(3)]
    np.testing.assert_array_equal(np.asarray(volume.array)[..., 3, 4], expected)
    assert volume.geometry.affine is None
    assert severity(volume, "mosaic") == "decision"
    assert titles(volume)["mosaic"].startswith("Slices are tiles of a mosaic: 9 of 8 × 8; where they lie is unknown")


def test_one_mosaic_is_a_volume(tmp_path: Path) -> None:
    (volume,) = opened(tmp_path, mosaic(1))
    assert volume.array.shape == (9, 8, 8)
    assert [frame for _, frame in volume.files] == list(range(9))


def placed(path: Path, t: int, **changes: Any) -> None:
    """Write a mosaic with its CSA header: pixels of slice k at time t are 10 t + k."""
    tiles = np.repeat(np.repeat(10 * t + np.arange(4).reshape(2, 2), 8, axis=0), 8, axis=1).astype("<u2")
    siemens(path, pixels=tiles, SOPInstanceUID=f"1.2.3.{t}", AcquisitionNumber=t + 1, **NO_RESCALE | changes)


def test_mosaics_are_times_of_slices_in_their_places(tmp_path: Path) -> None:
    for t in range(3):
        placed(tmp_path / f"im{t}.dcm", t)
    (volume,) = dm.load(tmp_path)
    assert (volume.array.shape, volume.axis) == ((3, 4, 8, 8), "AcquisitionNumber")
    np.testing.assert_array_equal(
        np.asarray(volume.array)[..., 0, 0], [[10 * t + k for k in range(4)] for t in range(3)]
    )
    assert volume.geometry.spacing == (4, 3, 3)
    assert volume.geometry.affine is not None
    # The mosaic of 48 mm has its corner at -24, a slice of 24 mm around the same center at -12.
    np.testing.assert_allclose(volume.geometry.affine[:3, 3], [-12, -12, 0])
    assert severity(volume, "mosaic") == "info"


def test_a_copy_of_a_mosaic_is_left_out_as_a_whole_or_not_at_all(tmp_path: Path) -> None:
    for name in ("a", "b"):
        placed(tmp_path / f"{name}.dcm", 1)
    (volume,) = dm.load(tmp_path)
    assert volume.array.shape == (4, 8, 8)
    assert "1 file is left out" in titles(volume)["left-out"]


def test_a_mosaic_of_unknown_tiles_is_an_image_without_a_place(tmp_path: Path) -> None:
    # The position of a mosaic is that of none of its pixels, so nothing may be measured from it.
    (volume,) = opened(tmp_path, *[mosaic(t, AcquisitionMatrix=None) for t in range(3)])
    assert volume.array.shape == (3, 24, 24)
    assert volume.geometry.affine is None
    assert severity(volume, "mosaic") == "decision"
    assert "the size of their slices is not in the file" in titles(volume)["mosaic"]


@pytest.mark.parametrize("matrix", [[24, 0, 0, 24], None])
def test_slices_that_are_still_called_a_mosaic_keep_their_places(tmp_path: Path, matrix: list[int] | None) -> None:
    # Programs that cut a mosaic into slices leave its Image Type as it was.
    places = [[0, 0, 4 * t] for t in range(3)] if matrix is None else [[0, 0, 0]] * 3
    slices = [mosaic(t, AcquisitionMatrix=matrix, ImagePositionPatient=places[t]) for t in range(3)]
    (volume,) = opened(tmp_path, *slices)
    assert volume.geometry.affine is not None
    assert "mosaic" not in titles(volume)
