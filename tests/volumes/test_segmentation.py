from __future__ import annotations

import warnings
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from dicom_factory import ROOT, ct_slice, segmentation
from volume_checks import opened as opened_as
from volume_checks import titles

import napari_dicommeta as dm

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from pydicom import dcmread

SHAPE = (5, 7)
"""35 pixels: 1-bit frames begin within a byte."""
MASKS = [(np.add.outer(np.arange(5), 2 * np.arange(7)) * (n + 2) % 5 < 2).astype(np.uint8) for n in range(8)]
opened = partial(opened_as, stem="seg")
EMPTY = np.zeros(SHAPE, np.uint8)


def part(segment: int, z: float, **elements: Any) -> dict[str, Any]:
    return {"ReferencedSegmentNumber": segment, "ImagePositionPatient": [-10, -20, z], **elements}


def same(volume: dm.Volume, expected: list[np.ndarray] | np.ndarray) -> None:
    expected = np.asarray(expected)
    assert volume.array.shape == expected.shape
    np.testing.assert_array_equal(np.asarray(volume.array), expected)


def over(*layers: tuple[int, np.ndarray]) -> np.ndarray:
    """Segment numbers one over the other, the last on top."""
    out = np.zeros(SHAPE, np.uint8)
    for segment, mask in layers:
        out[mask > 0] = segment
    return out


# -- segments --------------------------------------------------------------------------------------------


def test_the_masks_of_these_tests_are_all_different_and_meet() -> None:
    assert len({mask.tobytes() for mask in MASKS}) >= 4
    assert (MASKS[1] & MASKS[2]).any()
    assert (MASKS[1] & ~MASKS[2] & 1).any()


def test_segments_are_numbers_and_missing_slices_are_empty(tmp_path: Path) -> None:
    # 2.5 mm from frame to frame; nothing is at 5 and 7.5 mm.
    frames = [part(2, 10), part(1, 0), part(1, 2.5), part(2, 2.5)]
    (volume,) = opened(tmp_path, segmentation(MASKS[:4], frames, segments=2))
    assert volume.is_labels
    assert volume.array.dtype == np.uint8
    assert volume.units == ""
    same(volume, [over((1, MASKS[1])), over((1, MASKS[2]), (2, MASKS[3])), EMPTY, EMPTY, over((2, MASKS[0]))])
    assert volume.geometry.spacing == (2.5, 0.75, 0.5)
    assert volume.geometry.affine is not None
    np.testing.assert_allclose(volume.geometry.affine[:3, [0, 3]].T, [[0, 0, 2.5], [-10, -20, 0]])
    assert titles(volume)["segments-empty"] == "2 of 5 slices hold no segment and are not in the file"
    assert titles(volume)["segments"] == "Segments 1 to 2 (2), one number each"


def test_each_slice_names_its_frame_and_empty_ones_none(tmp_path: Path) -> None:
    frames = [part(1, 5), part(1, 0), part(1, 2.5), part(1, 10)]
    (volume,) = opened(tmp_path, segmentation(MASKS[:4], frames))
    assert [frame for _, frame in volume.files] == [1, 2, 0, -1, 3]
    assert {path for path, _ in volume.files} == {str(tmp_path / "seg0.dcm")}
    assert len(volume.slice_windows) == 5


def test_frames_are_read_at_the_bit_where_they_begin(tmp_path: Path) -> None:
    (volume,) = opened(tmp_path, segmentation(MASKS, [part(1, 2.5 * k) for k in range(8)]))
    same(volume, MASKS)


def test_a_segment_keeps_its_number_where_it_is_the_only_one(tmp_path: Path) -> None:
    (volume,) = opened(tmp_path, segmentation(MASKS[:2], [part(7, 0), part(7, 2.5)], segments=7))
    same(volume, [7 * MASKS[0], 7 * MASKS[1]])
    assert titles(volume)["segments"] == "Segments 7, one number each"
    assert "segments-overlap" not in titles(volume)


def test_numbers_above_255_are_kept(tmp_path: Path) -> None:
    (volume,) = opened(tmp_path, segmentation(MASKS[:2], [part(300, 0), part(300, 2.5)]))
    assert volume.array.dtype == np.uint16
    assert int(np.asarray(volume.array).max()) == 300


def test_one_frame_is_one_slice_without_a_distance(tmp_path: Path) -> None:
    (volume,) = opened(tmp_path, segmentation(MASKS[:1], [part(1, 4)]))
    same(volume, [MASKS[0]])
    assert np.isnan(volume.geometry.spacing[0])
    assert volume.geometry.affine is not None
    np.testing.assert_allclose(volume.geometry.affine[:3, 3], [-10, -20, 4])


@pytest.mark.parametrize("reverse", [False, True])
def test_overlapping_segments_show_the_highest_number_and_say_so(tmp_path: Path, reverse: bool) -> None:
    order = [1, 0] if reverse else [0, 1]
    frames = [part(n + 1, 0) for n in order] + [part(n + 1, 2.5) for n in order]
    masks = [MASKS[1 + n] for n in order] + [MASKS[3 + n] for n in order]
    (volume,) = opened(tmp_path, segmentation(masks, frames, segments=2))
    same(volume, [over((1, MASKS[1]), (2, MASKS[2])), over((1, MASKS[3]), (2, MASKS[4]))])
    (note,) = [note for note in volume.notes if note.code == "segments-overlap"]
    assert note.severity == "decision"
    assert note.title == "Segments may overlap: where they do, the segment with the highest number is shown"
    assert "split='ReferencedSegmentNumber'" in note.advice


@pytest.mark.parametrize(("overlap", "noted"), [("NO", False), ("YES", True), ("UNDEFINED", True), (None, True)])
def test_segments_that_do_not_overlap_need_no_decision(tmp_path: Path, overlap: str | None, noted: bool) -> None:
    file = segmentation(MASKS[:2], [part(1, 0), part(2, 2.5)], segments=2, SegmentsOverlap=overlap)
    assert ("segments-overlap" in titles(opened(tmp_path, file)[0])) is noted


def test_segments_open_alone_where_that_is_asked_for(tmp_path: Path) -> None:
    frames = [part(1, 0), part(1, 2.5), part(1, 5), part(2, 0), part(2, 2.5), part(2, 5)]
    volumes = opened(tmp_path, segmentation(MASKS[:6], frames, segments=2), split="ReferencedSegmentNumber")
    assert [volume.is_labels for volume in volumes] == [True, True]
    found = {int(np.asarray(volume.array).max()): volume for volume in volumes}
    same(found[1], MASKS[:3])
    same(found[2], [2 * mask for mask in MASKS[3:6]])
    for number, volume in found.items():
        assert volume.name.endswith(f"segment {number}")
        assert "segments-overlap" not in titles(volume)


def test_each_file_is_a_volume(tmp_path: Path) -> None:
    one = segmentation(MASKS[:3], [part(1, 2.5 * k) for k in range(3)], SOPInstanceUID=f"{ROOT}.91")
    two = segmentation(MASKS[3:5], [part(1, 2.5 * k) for k in range(2)], SOPInstanceUID=f"{ROOT}.92")
    three, pair = opened(tmp_path, one, two)
    same(three, MASKS[:3])
    same(pair, MASKS[3:5])
    assert {path for path, _ in pair.files} == {str(tmp_path / "seg1.dcm")}


def test_a_segmentation_beside_its_images_is_a_volume_of_its_own(tmp_path: Path) -> None:
    images = [ct_slice(k, SOPInstanceUID=f"{ROOT}.93.{k}") for k in range(3)]
    volumes = opened(tmp_path, segmentation(MASKS[:3], [part(1, 2.5 * k) for k in range(3)]), *images)
    assert sorted((volume.is_labels, volume.units) for volume in volumes) == [(False, "HU"), (True, "")]


def test_a_tilted_segmentation_has_the_step_between_its_positions(tmp_path: Path) -> None:
    lean = np.radians(30)
    orientation = [1, 0, 0, 0, round(float(np.cos(lean)), 9), round(float(-np.sin(lean)), 9)]
    file = segmentation(MASKS[:3], [part(1, z) for z in (0, 5, 15)], shared={"ImageOrientationPatient": orientation})
    (volume,) = opened(tmp_path, file)
    same(volume, [MASKS[0], MASKS[1], EMPTY, MASKS[2]])
    assert volume.geometry.affine is not None
    np.testing.assert_allclose(volume.geometry.affine[:3, 0], [0, 0, 5], atol=1e-6)
    assert volume.geometry.tilt == pytest.approx(30, abs=1e-3)


def test_frames_without_a_place_are_slices_in_their_order(tmp_path: Path) -> None:
    frames = [{"ReferencedSegmentNumber": 1} for _ in range(3)]
    (volume,) = opened(tmp_path, segmentation(MASKS[:3], frames))
    same(volume, MASKS[:3])
    assert volume.geometry.affine is None


# -- other kinds -------------------------------------------------------------------------------------------


def test_a_fractional_segmentation_is_an_image_from_0_to_1(tmp_path: Path) -> None:
    stored = [(np.arange(35, dtype=np.uint8).reshape(SHAPE) * 6 + n) for n in range(3)]
    frames = [part(1, z) for z in (5, 0, 2.5)]
    file = segmentation(
        stored, frames, "FRACTIONAL", MaximumFractionalValue=250, SegmentationFractionalType="OCCUPANCY"
    )
    (volume,) = opened(tmp_path, file)
    assert not volume.is_labels
    assert volume.array.dtype == np.float32
    np.testing.assert_allclose(np.asarray(volume.array), np.stack([stored[1], stored[2], stored[0]]) / 250, rtol=1e-6)


def test_fractional_segments_of_the_same_places_are_parted(tmp_path: Path) -> None:
    stored = [mask * (50 + 10 * n) for n, mask in enumerate(MASKS[:6])]
    frames = [part(1 + n // 3, 2.5 * (n % 3)) for n in range(6)]
    volumes = opened(tmp_path, segmentation(stored, frames, "FRACTIONAL", 2, MaximumFractionalValue=100))
    assert [(volume.array.shape, volume.axis) for volume in volumes] == [((3, *SHAPE), "")] * 2
    found = {round(float(np.asarray(volume.array).max()), 2): volume for volume in volumes}
    np.testing.assert_allclose(np.asarray(found[0.7].array), np.stack(stored[:3]) / 100, rtol=1e-6)
    np.testing.assert_allclose(np.asarray(found[1.0].array), np.stack(stored[3:]) / 100, rtol=1e-6)


def test_fractional_segments_of_other_places_are_parted_too(tmp_path: Path) -> None:
    stored = [mask * 50 for mask in MASKS[:6]]
    frames = [part(1 + n // 3, 2.5 * n) for n in range(6)]
    volumes = opened(tmp_path, segmentation(stored, frames, "FRACTIONAL", 2, MaximumFractionalValue=100))
    assert [volume.array.shape for volume in volumes] == [(3, *SHAPE)] * 2


def test_a_label_map_holds_its_numbers_as_they_are(tmp_path: Path) -> None:
    maps = [(np.arange(35, dtype=np.uint8).reshape(SHAPE) + n) % 4 for n in range(3)]
    frames = [{"ImagePositionPatient": [-10, -20, z]} for z in (7.5, 0, 2.5)]
    (volume,) = opened(tmp_path, segmentation(maps, frames, "LABELMAP", 3))
    assert volume.is_labels
    assert "segments-overlap" not in titles(volume)
    same(volume, [maps[1], maps[2], EMPTY, maps[0]])


def test_the_note_of_a_label_map_does_not_say_that_it_holds_segment_1(tmp_path: Path) -> None:
    maps = [(np.arange(35, dtype=np.uint8).reshape(SHAPE) + n) % 4 for n in range(3)]
    frames = [{"ImagePositionPatient": [-10, -20, 2.5 * k]} for k in range(3)]
    (volume,) = opened(tmp_path, segmentation(maps, frames, "LABELMAP", 3))
    assert titles(volume).get("segments") != "segments 1, one number each"


# -- grids that are not simple -------------------------------------------------------------------------------


def test_sparse_frames_lie_on_the_grid_that_their_file_names(tmp_path: Path) -> None:
    # Spacing Between Slices is 2.5 mm: slices 0, 2 and 5 of 6. Without it they are 5 and 7.5 mm apart.
    (volume,) = opened(tmp_path, segmentation(MASKS[:3], [part(1, z) for z in (0, 5, 12.5)]))
    same(volume, [MASKS[0], EMPTY, MASKS[1], EMPTY, EMPTY, MASKS[2]])
    assert volume.geometry.spacing[0] == 2.5


def test_frames_on_no_grid_are_noted(tmp_path: Path) -> None:
    shared = {"SpacingBetweenSlices": None}
    (volume,) = opened(tmp_path, segmentation(MASKS[:3], [part(1, z) for z in (0, 5, 11.3)], shared=shared))
    assert {"uneven", "gap"} & set(titles(volume))


def test_places_that_differ_by_rounding_are_one_slice(tmp_path: Path) -> None:
    # As `geometry.position_ids` has it; here 0.0006 mm make slices of 0.001 mm, 5002 of them.
    frames = [part(s, 2.5 * k + (0.0006 if s == 2 else 0)) for s in (1, 2) for k in range(3)]
    (volume,) = opened(tmp_path, segmentation(MASKS[:6], frames, segments=2))
    assert volume.array.shape == (3, *SHAPE)


def test_positions_rounded_to_hundredths_leave_the_gap_where_it_is(tmp_path: Path) -> None:
    # 0.488 mm, written as 0, 0.49, 0.98, 1.46 …; slice 10 of 20 is not in the file.
    kept = [k for k in range(20) if k != 10]
    frames = [part(1, round(0.488 * k, 2)) for k in kept]
    file = segmentation([MASKS[k % 8] for k in kept], frames, shared={"SpacingBetweenSlices": 0.488})
    (volume,) = opened(tmp_path, file)
    same(volume, [EMPTY if k == 10 else MASKS[k % 8] for k in range(20)])


def test_a_frame_far_away_takes_no_memory_without_bounds(tmp_path: Path) -> None:
    frames = [part(1, 0), part(1, 0.001), part(1, 2000)]
    try:
        volumes = opened(tmp_path, segmentation(MASKS[:3], frames))
    except dm.LoadError:
        return
    assert all(volume.array.shape[0] < 100_000 for volume in volumes)


def test_frames_beside_one_another_are_not_laid_over_one_another(tmp_path: Path) -> None:
    frames = [{"ReferencedSegmentNumber": 1, "ImagePositionPatient": [x, 0, 0]} for x in (0, 3.5)]
    volumes = opened(tmp_path, segmentation(MASKS[:2], frames))
    assert sum(np.asarray(volume.array).sum() for volume in volumes) == MASKS[0].sum() + MASKS[1].sum()


def test_frames_of_two_orientations_are_not_laid_over_one_another(tmp_path: Path) -> None:
    frames = [
        part(1, 0, ImageOrientationPatient=[1, 0, 0, 0, 1, 0]),
        {
            "ReferencedSegmentNumber": 1,
            "ImagePositionPatient": [0, 0, 0],
            "ImageOrientationPatient": [0, 1, 0, 0, 0, -1],
        },
    ]
    shared = {"ImageOrientationPatient": None}
    volumes = opened(tmp_path, segmentation(MASKS[:2], frames, shared=shared))
    assert sum(np.asarray(volume.array).sum() for volume in volumes) == MASKS[0].sum() + MASKS[1].sum()


def test_frames_without_a_place_keep_their_pixel_spacing(tmp_path: Path) -> None:
    (volume,) = opened(tmp_path, segmentation(MASKS[:2], [{"ReferencedSegmentNumber": 1}] * 2))
    assert volume.geometry.spacing[1:] == (0.75, 0.5)


def test_a_split_that_is_none_is_a_value_error_for_segmentations_too(tmp_path: Path) -> None:
    file = segmentation(MASKS[:1], [part(1, 0)])
    with pytest.raises(ValueError, match="DICOM keyword"):
        opened(tmp_path, file, split="gap")


def test_frames_that_name_no_segment_of_several_are_not_all_segment_1(tmp_path: Path) -> None:
    frames = [{"ImagePositionPatient": [0, 0, 2.5 * (k % 2)]} for k in range(4)]
    try:
        volumes = opened(tmp_path, segmentation(MASKS[:4], frames, segments=2))
    except dm.LoadError:
        return
    assert any(volume.problems for volume in volumes)


def test_segments_of_other_images_without_a_place_are_not_laid_over_one_another(tmp_path: Path) -> None:
    # Dimension Index Values: segment, then image. Segment 2 is in image 3 only.
    frames = [
        {"ReferencedSegmentNumber": segment, "FrameContentSequence": [{"DimensionIndexValues": [segment, one]}]}
        for segment, one in ((1, 1), (1, 2), (2, 3))
    ]
    full = np.ones(SHAPE, np.uint8)
    volumes = opened(tmp_path, segmentation([full] * 3, frames, segments=2))
    assert sum(int((np.asarray(volume.array) > 0).sum()) for volume in volumes) == 3 * full.size


# -- real files ----------------------------------------------------------------------------------------------


def read_independently(path: Path) -> tuple[np.ndarray, np.ndarray, list[int], np.ndarray]:
    """Frames by pydicom, z of each (axial files), segment of each (0 in label maps), the first corner and step."""
    dataset = dcmread(path)
    items = dataset.PerFrameFunctionalGroupsSequence
    places = np.array([one.PlanePositionSequence[0].ImagePositionPatient for one in items], float)
    segments = [
        one.SegmentIdentificationSequence[0].ReferencedSegmentNumber if "SegmentIdentificationSequence" in one else 0
        for one in items
    ]
    frames = dataset.pixel_array.reshape(len(items), dataset.Rows, dataset.Columns)
    return frames, places[:, 2], segments, places[np.argmin(places[:, 2])]


@pytest.mark.parametrize(
    ("name", "step"),
    [
        ("highdicom/seg_image_ct_binary.dcm", 1.25),
        ("highdicom/seg_image_ct_binary_overlap.dcm", 1.25),
        ("dcmqi/segmentations/liver.dcm", 1.0),
        ("dcmqi/segmentations/partial_overlaps.dcm", 1.0),
        ("dcmqi/segmentations/23x38x3/seg/label.seg", 2.5),
        ("dcmqi/segmentations/24x38x3/seg/label.seg", 2.5),
        ("dcmqi/sr-example/seg.dcm", 3.375),
        ("dcmqi/segmentations/sparse-labelmap-noppv.dcm", 2.5),
        ("dcmqi/segmentations/sparse-labelmap-ppv5.dcm", 2.5),
    ],
)
def test_real_segmentations_are_as_read_by_pydicom(shared: Path, name: str, step: float) -> None:
    """`step` is what the file's own elements say: Spacing Between Slices, or Slice Thickness where that is absent."""
    path = shared / "data" / name
    frames, z, segments, corner = read_independently(path)
    slices = np.round((z - z.min()) / step).astype(int)
    expected = np.zeros((slices.max() + 1, *frames.shape[1:]), np.int64)
    for n in np.argsort(segments, kind="stable"):
        if segments[n]:
            expected[slices[n]][frames[n] > 0] = segments[n]
        else:
            expected[slices[n]] = frames[n]
    (volume,) = dm.load(path)
    assert volume.is_labels
    same(volume, expected)
    assert volume.geometry.spacing[0] == pytest.approx(step, rel=1e-4)
    assert volume.geometry.affine is not None
    np.testing.assert_allclose(volume.geometry.affine[:3, 3], corner, atol=1e-6)
    assert [frame >= 0 for _, frame in volume.files] == [k in slices for k in range(len(expected))]


@pytest.mark.parametrize("name", ["seg_image_ct_binary_overlap.dcm"])
def test_overlapping_real_segments_are_whole_where_they_are_opened_alone(shared: Path, name: str) -> None:
    path = shared / "data" / "highdicom" / name
    frames, _, segments, _ = read_independently(path)
    volumes = dm.load(path, split="ReferencedSegmentNumber")
    assert len(volumes) == len(set(segments))
    for volume in volumes:
        array = np.asarray(volume.array)
        number = int(array.max())
        assert (array > 0).sum() == sum(int((frames[n] > 0).sum()) for n, one in enumerate(segments) if one == number)


@pytest.mark.parametrize("name", ["seg_image_ct_binary_fractional.dcm", "seg_image_ct_true_fractional.dcm"])
def test_real_fractional_segmentations_are_images_from_0_to_1(shared: Path, name: str) -> None:
    path = shared / "data" / "highdicom" / name
    frames, z, _, corner = read_independently(path)
    (volume,) = dm.load(path)
    assert not volume.is_labels
    np.testing.assert_allclose(np.asarray(volume.array), frames[np.argsort(z)] / 255, rtol=1e-6)
    assert volume.geometry.affine is not None
    np.testing.assert_allclose(volume.geometry.affine[:3, 3], corner, atol=1e-6)


@pytest.mark.parametrize("name", ["seg_image_sm_control.dcm", "seg_image_sm_numbers.dcm", "seg_image_sm_dots.dcm"])
def test_tiles_of_a_slide_are_not_laid_over_one_another(shared: Path, name: str) -> None:
    path = shared / "data" / "highdicom" / name
    dataset = dcmread(path)
    places = [
        (
            one.PlanePositionSlideSequence[0].ColumnPositionInTotalImagePixelMatrix,
            one.PlanePositionSlideSequence[0][0x48021F].value,
        )
        for one in dataset.PerFrameFunctionalGroupsSequence
    ]
    assert len(set(places)) > 1
    assert dataset.SegmentsOverlap == "NO"
    marked = int((dataset.pixel_array > 0).sum())  # no two of these pixels are at one place
    try:
        volumes = dm.load(path)
    except dm.LoadError:
        return
    assert sum(int((np.asarray(volume.array) > 0).sum()) for volume in volumes) == marked


def test_segments_of_a_fully_tiled_slide_are_not_all_segment_1(shared: Path) -> None:
    """TILED_FULL names no segment in any frame: they follow from the order of frames (PS3.3 section C.7.6.17.3)."""
    path = shared / "data" / "highdicom" / "seg_image_sm_dots_tiled_full.dcm"
    dataset = dcmread(path)
    assert (dataset.DimensionOrganizationType, len(dataset.SegmentSequence)) == ("TILED_FULL", 50)
    by_segment = (dataset.pixel_array > 0).reshape(50, -1).sum(axis=1)
    try:
        volumes = dm.load(path)
    except dm.LoadError:
        return
    counts = sum(np.bincount(np.asarray(volume.array).ravel(), minlength=51)[1:51] for volume in volumes)
    np.testing.assert_array_equal(counts, by_segment)


# -- names, colors and masks ---------------------------------------------------------------------------------

NAMED = [
    {"SegmentNumber": 1, "SegmentLabel": "Liver", "RecommendedDisplayCIELabValue": [34905, 53485, 50171]},
    {"SegmentNumber": 2, "SegmentLabel": "Spleen"},
]
RED = (255, 0, 0)
"""sRGB red is L 53.24, a 80.09, b 67.20 under D65, and L 54.29, a 80.80, b 69.89 under D50 (Bradford)."""


def test_segments_have_the_names_and_colors_of_the_file(tmp_path: Path) -> None:
    stored = [54.29 / 100 * 65535, (80.80 + 128) / 255 * 65535, (69.89 + 128) / 255 * 65535]
    items = [NAMED[0] | {"RecommendedDisplayCIELabValue": list(map(round, stored))}, NAMED[1]]
    file = segmentation(MASKS[1:3], [part(1, 0), part(2, 0)], segments=2, SegmentSequence=items)
    (volume,) = opened(tmp_path, file)
    liver, spleen = volume.segments
    assert (liver.number, liver.name, spleen.number, spleen.name, spleen.color) == (1, "Liver", 2, "Spleen", None)
    assert liver.color is not None
    np.testing.assert_allclose(liver.color, RED, atol=2)
    assert titles(volume)["segments-named"] == "The file names segments: 1 Liver, 2 Spleen"
    np.testing.assert_array_equal(np.asarray(volume.mask("Liver"))[0], MASKS[1] > 0)  # under the spleen too
    np.testing.assert_array_equal(np.asarray(volume.mask(2))[0], MASKS[2] > 0)


def test_overlapping_segments_come_apart_without_loss(tmp_path: Path) -> None:
    (volume,) = opened(tmp_path, segmentation(MASKS[1:3], [part(1, 0), part(2, 0)], segments=2))
    first, second = volume.without_overlaps()
    same(first, [MASKS[1]])
    same(second, [2 * MASKS[2]])
    assert "segments-overlap" not in titles(first)
    assert titles(first)["segments-apart"].startswith("Segments overlap: they are in 2 arrays")


def test_segments_that_share_no_pixel_stay_together_and_need_no_decision(tmp_path: Path) -> None:
    file = segmentation([MASKS[1], (MASKS[1] == 0).astype(np.uint8)], [part(1, 0), part(2, 0)], segments=2)
    (volume,) = opened(tmp_path, file)
    assert "segments-overlap" in titles(volume)
    (whole,) = volume.without_overlaps()
    same(whole, [np.where(MASKS[1] > 0, 1, 2)])
    assert "segments-overlap" not in titles(whole)


def test_the_segments_of_a_label_map_are_those_that_it_lists(tmp_path: Path) -> None:
    maps = [(np.arange(35, dtype=np.uint8).reshape(SHAPE) + n) % 3 for n in range(2)]
    frames = [{"ImagePositionPatient": [-10, -20, 2.5 * k]} for k in range(2)]
    (volume,) = opened(tmp_path, segmentation(maps, frames, "LABELMAP", 2, SegmentSequence=NAMED))
    assert [segment.name for segment in volume.segments] == ["Liver", "Spleen"]
    np.testing.assert_array_equal(np.asarray(volume.mask("Spleen")), np.stack(maps) == 2)
    assert volume.without_overlaps() == (volume,)
