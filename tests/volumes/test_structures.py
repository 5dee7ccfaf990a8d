"""RT structures as labels in the grid of their images: 16 rows of 0.75 mm and 12 columns of 0.5 mm from (-10, -20)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from dicom_factory import ROOT, ct_slice, structure_set, write_series
from dicom_factory import contour as contour_of
from volume_checks import titles

import napari_dicommeta as dm
from napari_dicommeta.dicom.polygons import fill
from napari_dicommeta.volumes.load import Volumes
from napari_dicommeta.volumes.segments import Segment

SHAPE = (5, 16, 12)
FRAME = f"{ROOT}.5"


def at(row: float, column: float) -> tuple[float, float]:
    """Return (x, y) in mm of a place in rows and columns."""
    return -10 + 0.5 * column, -20 + 0.75 * row


def box(top: float, left: float, bottom: float, right: float) -> list[tuple[float, float]]:
    return [at(top, left), at(top, right), at(bottom, right), at(bottom, left)]


def pixels(top: int, left: int, bottom: int, right: int) -> np.ndarray:
    """Return the pixels from row `top` to `bottom` and from column `left` to `right`, ends included."""
    plane = np.zeros(SHAPE[1:], bool)
    plane[top : bottom + 1, left : right + 1] = True
    return plane


def loaded(folder: Path, *regions: Any, images: dict[str, Any] | None = None, **changes: Any) -> Volumes:
    write_series(folder / "ct", 5, FrameOfReferenceUID=FRAME, **(images or {}))
    (folder / "rs.dcm").write_bytes(structure_set(*regions, **changes))
    return dm.load(folder)


def labels(volumes: Volumes) -> dm.Volume:
    (volume,) = [volume for volume in volumes if volume.is_labels]
    return volume


def region(number: int, *contours: dict[str, Any], name: str = "", color: list[int] | None = None) -> Any:
    return number, name or f"ROI {number}", color, list(contours)


BOX = box(1.5, 2.5, 6.5, 8.5)  # rows 2 to 6, columns 3 to 8
IN_BOX = pixels(2, 3, 6, 8)


def test_a_contour_fills_the_pixels_with_their_center_inside_it(tmp_path: Path) -> None:
    volumes = loaded(tmp_path, region(3, contour_of(BOX, 5.0), name="GTV", color=[255, 128, 0]))
    image, volume = volumes
    assert volume.is_labels
    assert volume.array.shape == image.array.shape == SHAPE
    assert volume.array.dtype == np.uint8
    np.testing.assert_allclose(volume.geometry.affine, image.geometry.affine)
    np.testing.assert_array_equal(np.asarray(volume.array), np.where(np.arange(5)[:, None, None] == 2, IN_BOX * 3, 0))
    assert volume.segments == (Segment(3, "GTV", (255, 128, 0)),)
    assert volume.frame_of_reference == FRAME
    assert titles(volume) == {"structures": "Values are ROI numbers: 3 GTV"}
    assert volume.files == ((str(tmp_path / "rs.dcm"), -1),) * 5
    assert volumes.refusals == ()


def test_holes_keyholes_and_exclusive_or_leave_the_inner_part_empty(tmp_path: Path) -> None:
    outer, inner = box(1.5, 1.5, 10.5, 9.5), box(3.5, 3.5, 6.5, 6.5)
    keyhole = [*outer, outer[0], *inner, inner[0]]
    volume = labels(
        loaded(
            tmp_path,
            region(
                1,
                contour_of(outer, 0.0),
                contour_of(inner, 0.0),
                contour_of(outer, 2.5, "CLOSEDPLANAR_XOR"),
                contour_of(inner, 2.5, "CLOSEDPLANAR_XOR"),
                contour_of(keyhole, 5.0),
            ),
        )
    )
    expected = pixels(2, 2, 10, 9) & ~pixels(4, 4, 6, 6)
    for k in range(3):
        np.testing.assert_array_equal(np.asarray(volume.array[k]) > 0, expected, err_msg=str(k))


def test_overlapping_regions_keep_their_masks_and_come_apart_without_loss(tmp_path: Path) -> None:
    body, organ, other = box(0.5, 0.5, 14.5, 10.5), BOX, box(8.5, 2.5, 12.5, 8.5)
    volume = labels(
        loaded(
            tmp_path,
            region(9, contour_of(body, 0.0), name="BODY"),
            region(2, contour_of(organ, 0.0)),
            region(4, contour_of(other, 0.0)),
        )
    )
    in_body, in_other = pixels(1, 1, 14, 10), pixels(9, 3, 12, 8)
    expected = np.where(IN_BOX, 2, np.where(in_other, 4, np.where(in_body, 9, 0)))
    np.testing.assert_array_equal(np.asarray(volume.array[0]), expected)  # the smaller ones are on top
    np.testing.assert_array_equal(np.asarray(volume.mask(9)[0]), in_body)
    np.testing.assert_array_equal(np.asarray(volume.mask("BODY")), np.asarray(volume.mask(9)))
    assert volume.mask(2).dtype == bool
    assert "structures-overlap" in titles(volume)
    parts = volume.without_overlaps()
    assert [[segment.number for segment in part.segments] for part in parts] == [[2, 4], [9]]
    np.testing.assert_array_equal(np.asarray(parts[1].array[0]), in_body * 9)
    np.testing.assert_array_equal(np.asarray(parts[0].array[0]), IN_BOX * 2 + in_other * 4)
    assert len({part.name for part in parts}) == len({part.label for part in parts}) == 2
    with pytest.raises(ValueError, match="no segments are 'LUNG': there are 9 BODY, 2 ROI 2, 4 ROI 4"):
        volume.mask("LUNG")


def test_regions_side_by_side_share_no_pixel_and_stay_together(tmp_path: Path) -> None:
    volume = labels(
        loaded(
            tmp_path,
            region(1, contour_of(box(2, 2, 6, 5), 0.0)),  # the common edge passes through centers of pixels
            region(2, contour_of(box(2, 5, 6, 9), 0.0)),
        )
    )
    assert int(np.asarray(volume.mask(1)).sum() + np.asarray(volume.mask(2)).sum()) == 4 * 7
    (part,) = volume.without_overlaps()
    assert "structures-overlap" not in titles(part)


def test_each_region_is_a_volume_if_asked_for(tmp_path: Path) -> None:
    loaded(tmp_path, region(1, contour_of(BOX, 0.0)), region(2, contour_of(BOX, 2.5)), region(5))
    volumes = [volume for volume in dm.load(tmp_path, split="ROINumber") if volume.is_labels]
    assert [[segment.number for segment in volume.segments] for volume in volumes] == [[1], [2]]
    assert volumes[1].name.endswith("region 2")


def test_a_damaged_structure_set_is_drawn_with_a_note(tmp_path: Path) -> None:
    volumes = loaded(tmp_path, region(1, contour_of(BOX, 0.0)), RTROIObservationsSequence=None)
    assert "RT ROI Observations Sequence" in titles(labels(volumes))["structures-partial"]
    assert volumes.refusals == ()


def test_points_mark_their_voxel_and_lines_are_left_out(tmp_path: Path) -> None:
    volume = labels(
        loaded(
            tmp_path,
            region(1, contour_of([at(4.2, 5.9)], 2.5, "POINT"), name="Isocenter"),
            region(2, contour_of(BOX, 2.5, "OPEN_PLANAR"), contour_of(BOX, 0.0), name="Wire"),
        )
    )
    assert np.argwhere(np.asarray(volume.mask(1))).tolist() == [[1, 4, 6]]
    assert titles(volume)["structures-left-out"] == "A contour encloses no area (OPEN_PLANAR): left out of Wire"


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (contour_of(BOX, 40.0), "lies above or below the images"),
        (contour_of([(x + 500, y) for x, y in BOX], 0.0), "lies beside the images"),
        (contour_of(BOX[:2], 0.0), "has fewer than three points"),
        (contour_of([BOX[0]] * 4, 0.0), "encloses no area"),
        (contour_of(BOX, 0.0, ContourData=["1e308", "-1e308", "0"] * 3), "has a coordinate beyond all images"),
        (
            contour_of(BOX, 0.0, ContourData=[-8, -18, 0, -7, -18, 2.5, -7, -17, 5]),
            "does not lie in the plane of the images",
        ),
        (
            contour_of(BOX, 0.0, ContourData=["1", "2", "3", "4"]),
            "has 4 numbers, which are no points of three",
        ),
        (contour_of(BOX, 0.0, ContourData=["1", "2", "x"]), "holds a text that is no number"),
        (contour_of([], 0.0, ContourData=None), "has no points"),
        (contour_of(BOX, 0.0), "is there twice"),
    ],
)
def test_a_contour_that_cannot_be_drawn_is_named_and_the_rest_opens(
    tmp_path: Path, bad: dict[str, Any], reason: str
) -> None:
    bad = {key: b"" if value is None else value for key, value in bad.items()}
    volume = labels(loaded(tmp_path, region(1, contour_of(BOX, 0.0), bad, name="GTV")))
    np.testing.assert_array_equal(np.asarray(volume.array[0]) > 0, IN_BOX)
    note = next(note for note in volume.notes if note.code == "structures-left-out")
    assert note.severity == "decision"
    assert note.title.startswith(f"A contour {reason}")
    assert note.title.endswith(": left out of GTV")


def test_contours_between_slices_fill_the_nearest_and_say_so(tmp_path: Path) -> None:
    near, far = contour_of(BOX, 3.0), contour_of(box(8.5, 1.5, 12.5, 5.5), 3.4)
    volume = labels(loaded(tmp_path, region(1, near, far, name="GTV")))
    np.testing.assert_array_equal(np.asarray(volume.array[1]) > 0, IN_BOX)
    told = titles(volume)
    assert told["structures-between"] == "1 contour of GTV lies up to 0.5 mm beside a slice, and fills the nearest one"
    assert told["structures-left-out"].startswith("A contour lies between slices, where another is nearer")


def test_slices_without_a_contour_between_others_are_counted(tmp_path: Path) -> None:
    volume = labels(loaded(tmp_path, region(1, contour_of(BOX, 0.0), contour_of(BOX, 7.5), name="GTV"), region(2)))
    told = titles(volume)
    assert told["structures-sparse"] == "2 slices between contours of GTV have none, and stay empty"
    assert told["structures-bare"] == "No contours are there for ROI 2"


def test_regions_without_distinct_numbers_are_counted(tmp_path: Path) -> None:
    volume = labels(loaded(tmp_path, region(0, contour_of(BOX, 0.0), name="A")))
    assert volume.segments == (Segment(1, "A", None),)
    assert int(np.asarray(volume.array).max()) == 1
    assert "structures-numbers" in titles(volume)


def test_images_of_the_frame_of_reference_stand_in_for_absent_ones(tmp_path: Path) -> None:
    volumes = loaded(tmp_path, region(1, contour_of(BOX, 0.0)), images={"SeriesInstanceUID": f"{ROOT}.55"})
    note = next(note for note in labels(volumes).notes if note.code == "structures-elsewhere")
    assert note.severity == "decision"
    assert note.title == f"The images that it refers to …{f'{ROOT}.2'[-12:]} are absent: drawn on 3 Test series"


def test_a_structure_set_without_its_images_is_refused_with_what_to_do(tmp_path: Path) -> None:
    elsewhere = {"SeriesInstanceUID": f"{ROOT}.55", "FrameOfReferenceUID": "1.2.3"}
    write_series(tmp_path / "ct", 2, **elsewhere)
    (tmp_path / "rs.dcm").write_bytes(structure_set(region(1, contour_of(BOX, 0.0))))
    volumes = dm.load(tmp_path)
    assert not [volume for volume in volumes if volume.is_labels]
    (refusal,) = volumes.refusals
    assert refusal.code == "structures-no-images"
    assert str(refusal) == (
        f"rs.dcm: the images that it refers to (series {ROOT}.2) are absent: open it together with them"
    )
    with pytest.raises(dm.LoadError, match=r"rs\.dcm: the images that it refers to"):
        dm.load(tmp_path / "rs.dcm")


@pytest.mark.parametrize(
    ("regions", "reason"),
    [
        ((region(1, contour_of(BOX, 90.0)),), "each of its contours lies above or below the images (3 Test series)"),
        ((region(1),), "its regions have no contours: nothing to draw"),
        ((), "it names no region"),
    ],
)
def test_a_structure_set_of_nothing_is_refused_with_the_reason(tmp_path: Path, regions: Any, reason: str) -> None:
    (refusal,) = loaded(tmp_path, *regions).refusals
    assert reason in refusal.reason


def test_the_grid_is_that_of_a_tilted_and_of_an_uneven_series(tmp_path: Path) -> None:
    tilt = {"ImagePositionPatient": lambda k: [-10, -20 + k, 2.5 * k]}  # each slice a millimeter lower
    volume = labels(loaded(tmp_path / "tilt", region(1, contour_of([(x, y + 3) for x, y in BOX], 7.5)), images=tilt))
    np.testing.assert_array_equal(np.asarray(volume.array[3]) > 0, IN_BOX)
    uneven = {"ImagePositionPatient": lambda k: [-10, -20, [0, 2.5, 5, 12, 14.5][k]]}
    volume = labels(loaded(tmp_path / "uneven", region(1, contour_of(BOX, 12.0)), images=uneven))
    np.testing.assert_array_equal(np.asarray(volume.array[3]) > 0, IN_BOX)


def test_filling_is_even_odd_for_any_polygon() -> None:
    """Compare with the definition: the crossings of a ray from each center to the left."""
    random = np.random.default_rng(7)
    for _ in range(20):
        ring = random.uniform(-3, 15, (random.integers(3, 12), 2))
        filled = fill([ring], (12, 14))
        for row in range(12):
            for column in range(14):
                n = 0
                for (y0, x0), (y1, x1) in zip(ring, np.roll(ring, -1, axis=0), strict=True):
                    if (y0 < row) != (y1 < row):
                        n += x0 + (row - y0) / (y1 - y0) * (x1 - x0) <= column
                assert filled[row, column] == n % 2


@pytest.mark.parametrize(("case", "voxels"), [("STS_019/CT", 5564), ("STS_019/PET", 239), ("STS_025/MR_T1", 9655)])
def test_real_structures_have_the_voxels_that_another_program_finds(shared: Path, case: str, voxels: int) -> None:
    """The numbers are those of dcmrtstruct2nii 5, whose masks were the same in every voxel."""
    volume = labels(dm.load(shared / "data/ibsi/ibsi_validation/dicom" / case))
    assert int(np.count_nonzero(np.asarray(volume.array))) == voxels


def test_color_images_and_single_slices_hold_structures_too(tmp_path: Path) -> None:
    (tmp_path / "im.dcm").write_bytes(ct_slice(1, FrameOfReferenceUID=FRAME))
    (tmp_path / "rs.dcm").write_bytes(structure_set(region(1, contour_of(BOX, 2.5))))
    volume = labels(dm.load(tmp_path))
    np.testing.assert_array_equal(np.asarray(volume.array) > 0, IN_BOX[None])
