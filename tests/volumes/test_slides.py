"""Whole-slide images open as mosaics of their tiles (PS3.3 section C.7.6.17.3)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from dicom_factory import ROOT, Raw, ct_slice
from pydicom import dcmread
from slide_files import cut, optical_path, picture, slide, sparse

import napari_dicommeta as dm
from napari_dicommeta.dicom.slide import rgb_of_lab
from napari_dicommeta.volumes.tiled_array import TiledArray


def loaded(folder: Path, *files: bytes) -> Any:
    folder.mkdir(exist_ok=True)
    for n, data in enumerate(files):
        (folder / f"{n}.dcm").write_bytes(data)
    return dm.load(folder)


def refusal(folder: Path, data: bytes) -> str:
    with pytest.raises(dm.LoadError) as caught:
        loaded(folder, data)
    return str(caught.value)


def codes(volume: Any) -> set[str]:
    return {note.code for note in volume.notes}


@pytest.mark.parametrize("shape", [(20, 30), (17, 25), (17, 25, 3), (3, 4)])
def test_fully_tiled_frames_are_one_image_cut_at_its_edges(tmp_path: Path, shape: tuple[int, ...]) -> None:
    image = picture(shape)
    (volume,) = loaded(tmp_path, slide(cut(image, 5, 10), shape[:2]))
    assert isinstance(volume.array, TiledArray)
    assert volume.array.shape == (1, *shape)
    assert volume.is_color == (len(shape) == 3)
    assert volume.array.dtype == (np.uint8 if volume.is_color else np.int16)
    np.testing.assert_array_equal(np.asarray(volume.array)[0], image)
    assert volume.files == ((str(tmp_path / "0.dcm"), 0),)
    assert volume.slice_windows == ((),)
    assert volume.geometry.affine is None
    assert volume.geometry.spacing[1:] == (0.0005, 0.00025)
    assert "slide" in codes(volume)
    assert not codes(volume) & {"slide-absent", "unplaced", "spacing-missing"}


def test_planar_color_and_big_values_are_read(tmp_path: Path) -> None:
    image = picture((10, 20, 3), dtype="<u2") * 200
    tiles = cut(image, 5, 10)
    planar = np.ascontiguousarray(np.moveaxis(tiles, -1, 1))
    (volume,) = loaded(tmp_path, slide(tiles, (10, 20), PlanarConfiguration=1, PixelData=Raw("OW", planar.tobytes())))
    assert volume.array.dtype == np.uint16
    np.testing.assert_array_equal(volume.array[0], image)


def test_frames_follow_rows_planes_and_optical_paths(tmp_path: Path) -> None:
    """Two optical paths, named out of alphabetical order, of three focal planes each."""
    images = picture((2, 3, 8, 12))
    tiles = np.concatenate([cut(images[p, z], 4, 4) for p in range(2) for z in range(3)])
    shared = [{"PixelMeasuresSequence": [{"PixelSpacing": [0.5, 0.5], "SpacingBetweenSlices": 0.002}]}]
    volumes = loaded(
        tmp_path,
        slide(
            tiles,
            (8, 12),
            NumberOfOpticalPaths=2,
            TotalPixelMatrixFocalPlanes=3,
            OpticalPathSequence=[{"OpticalPathIdentifier": "z"}, {"OpticalPathIdentifier": "a"}],
            SharedFunctionalGroupsSequence=shared,
        ),
    )
    assert [volume.name.rpartition(" path ")[2] for volume in volumes] == ["z", "a"]
    for volume, image, first in zip(volumes, images, (0, 18), strict=True):
        np.testing.assert_array_equal(np.asarray(volume.array), image)
        assert [frame for _, frame in volume.files] == [first, first + 6, first + 12]
        assert volume.geometry.spacing == (pytest.approx(0.002), 0.5, 0.5)
        assert len(volume.slice_windows) == 3


def test_sparse_tiles_lie_where_they_say(tmp_path: Path) -> None:
    """Shuffled tiles, some missing, over two focal planes and two optical paths."""
    images = picture((2, 2, 8, 12))
    places = [(p, z, r, c) for p in range(2) for z in range(2) for r in range(2) for c in range(3)]
    np.random.default_rng(1).shuffle(places)
    kept = [place for place in map(tuple, places) if place not in {(0, 0, 1, 1), (1, 1, 0, 2)}]
    tiles = np.stack([images[p, z, r * 4 : r * 4 + 4, c * 4 : c * 4 + 4] for p, z, r, c in kept])
    frames = [{"z": 3.0 - 2 * z, **optical_path("AB"[p])} for p, z, _, _ in kept]
    data = sparse(tiles, (8, 12), [(r * 4 + 1, c * 4 + 1) for _, _, r, c in kept], frames)
    images[0, 0, 4:8, 4:8] = images[1, 1, 0:4, 8:12] = 0
    volumes = loaded(tmp_path, data)
    of_path = {volume.name[-1]: volume for volume in volumes}
    assert set(of_path) == {"A", "B"}
    for p, name in enumerate("AB"):
        np.testing.assert_array_equal(np.asarray(of_path[name].array), images[p, ::-1])  # z 3 is above z 1
        assert of_path[name].geometry.spacing[0] == pytest.approx(0.002)
        (note,) = [note for note in of_path[name].notes if note.code == "slide-absent"]
        assert note.title.startswith("1 tile not in the files")


@pytest.mark.parametrize(("lab", "color"), [(None, (255, 255, 255)), ([0, 32896, 32896], (0, 0, 0))])
def test_overlapping_color_tiles_and_the_color_of_absent_pixels(
    tmp_path: Path, lab: list[int] | None, color: tuple[int, int, int]
) -> None:
    tiles = picture((3, 4, 4, 3))
    places = [(1, 1), (3, 2), (7, 9)]  # the second covers the first, the third is cut on both sides
    (volume,) = loaded(tmp_path, sparse(tiles, (8, 10), places, RecommendedAbsentPixelCIELabValue=lab))
    expected = np.empty((8, 10, 3), np.uint8)
    expected[:] = color
    expected[0:4, 0:4] = tiles[0]
    expected[2:6, 1:5] = tiles[1]
    expected[6:8, 8:10] = tiles[2, :2, :2]
    np.testing.assert_array_equal(volume.array[0], expected)
    assert "slide-absent" in codes(volume)


def test_colors_of_lab() -> None:
    """Mid gray of L* 53.585 is sRGB 128; L* 54.29, a* 80.81, b* 69.89 is red, in D50."""
    assert rgb_of_lab((65535, 32896, 32896)) == (255, 255, 255)
    assert rgb_of_lab((round(53.585 / 100 * 65535), 32896, 32896)) == (128, 128, 128)
    red = (54.29 / 100 * 65535, (80.81 + 128) / 255 * 65535, (69.89 + 128) / 255 * 65535)
    np.testing.assert_allclose(rgb_of_lab(red), (255, 0, 0), atol=2)


def test_parts_of_a_concatenation_are_joined_by_their_offset(tmp_path: Path) -> None:
    image = picture((12, 12))
    tiles = cut(image, 4, 4)
    parts = [(5, 9, 1), (0, 5, 2)]
    files = [
        slide(
            tiles[start:end],
            (12, 12),
            SOPInstanceUID=f"{ROOT}.9.{n}",
            ConcatenationUID=f"{ROOT}.9",
            ConcatenationFrameOffsetNumber=start,
            InConcatenationNumber=n,
        )
        for start, end, n in parts
    ]
    (volume,) = loaded(tmp_path, *files)
    np.testing.assert_array_equal(volume.array[0], image)
    assert volume.files == ((str(tmp_path / "1.dcm"), 0),)
    assert set(volume.sources.paths) == {str(tmp_path / "0.dcm"), str(tmp_path / "1.dcm")}
    (alone,) = loaded(tmp_path / "part", files[0])
    image[:4] = image[4:8, :8] = 0
    np.testing.assert_array_equal(alone.array[0], image)
    assert "slide-absent" in codes(alone)
    (tmp_path / "2.dcm").write_bytes(files[0])
    with pytest.raises(dm.LoadError, match="same frame numbers"):
        dm.load(tmp_path)


def test_files_of_one_level_join_their_focal_planes_and_levels_form_a_pyramid(tmp_path: Path) -> None:
    large, small, label = picture((2, 16, 24)), picture((8, 12)), picture((30, 20, 3))
    shared = [{"PixelMeasuresSequence": [{"PixelSpacing": [0.001, 0.0005]}]}]
    places = [(r * 8 + 1, c * 8 + 1) for r in range(2) for c in range(3)]
    files = [
        sparse(cut(large[z], 8, 8), (16, 24), places, [{"z": z}] * 6, SOPInstanceUID=f"{ROOT}.7.{z}") for z in range(2)
    ]
    files.append(slide(cut(small, 8, 8), (8, 12), SOPInstanceUID=f"{ROOT}.7.3", SharedFunctionalGroupsSequence=shared))
    kind = ["ORIGINAL", "PRIMARY", "LABEL", "NONE"]
    files.append(slide(label[np.newaxis], (30, 20), SOPInstanceUID=f"{ROOT}.7.4", ImageType=kind))
    volumes = {volume.array.shape: volume for volume in loaded(tmp_path, *files)}
    assert set(volumes) == {(2, 16, 24), (1, 8, 12), (1, 30, 20, 3)}
    first, second, ordinary = volumes[2, 16, 24], volumes[1, 8, 12], volumes[1, 30, 20, 3]
    np.testing.assert_array_equal(np.asarray(first.array), large)
    np.testing.assert_array_equal(second.array[0], small)
    np.testing.assert_array_equal(ordinary.array[0], label)
    assert not isinstance(ordinary.array, TiledArray)
    assert (first.name.split()[-2:], second.name.split()[-2:]) == (["level", "1"], ["level", "2"])
    assert first.levels == second.levels == ()  # the smaller one has one focal plane only


def test_a_pyramid_names_its_smaller_levels(tmp_path: Path) -> None:
    images = [picture((32 // n, 48 // n), seed=n) for n in (1, 2, 4)]
    files = [
        slide(
            cut(image, 8, 8),
            image.shape,
            SOPInstanceUID=f"{ROOT}.7.{n}",
            SharedFunctionalGroupsSequence=[{"PixelMeasuresSequence": [{"PixelSpacing": [0.5 * 2**n, 0.5 * 2**n]}]}],
        )
        for n, image in enumerate(images)
    ]
    volumes = loaded(tmp_path, *files)
    assert [volume.array.shape[1:] for volume in volumes] == [(32, 48), (16, 24), (8, 12)]
    assert volumes[0].levels == (volumes[1].array, volumes[2].array)
    assert volumes[1].levels == (volumes[2].array,)
    assert volumes[0].display_range() == (images[2].min(), images[2].max())
    assert not volumes[0].array.tiles_loaded


def test_two_images_of_one_size_stay_apart(tmp_path: Path) -> None:
    images = picture((2, 8, 8))
    volumes = loaded(
        tmp_path, *(slide(cut(image, 4, 4), (8, 8), SOPInstanceUID=f"{ROOT}.7.{n}") for n, image in enumerate(images))
    )
    assert [volume.name[-4:] for volume in volumes] == [" [1]", " [2]"]
    for volume, image in zip(volumes, images, strict=True):
        np.testing.assert_array_equal(volume.array[0], image)


def test_only_touched_tiles_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    image = picture((40, 60, 3))
    (volume,) = loaded(tmp_path, slide(cut(image, 10, 10), (40, 60)))
    read: list[int] = []
    original = type(volume.array.source).__call__
    monkeypatch.setattr(
        type(volume.array.source), "__call__", lambda self, n, out: (read.append(n), original(self, n, out))[1]
    )
    np.testing.assert_array_equal(volume.array[0, 5:12, 18:21], image[5:12, 18:21])
    assert sorted(read) == [1, 2, 7, 8]
    np.testing.assert_array_equal(volume.array[0, ::30, 5], image[::30, 5])
    assert sorted(read) == [0, 1, 2, 7, 8, 18]
    volume.array[0, 5:12, 18:21]
    assert len(read) == 6


HOSTILE = {
    "huge": ({"TotalPixelMatrixRows": 2**31, "TotalPixelMatrixColumns": 2**31}, "2,147,483,648 × 2,147,483,648 pixels"),
    "none": ({"TotalPixelMatrixRows": 0}, "matrix of 0 × 8 pixels"),
    "few": ({"TotalPixelMatrixRows": 1 << 23, "TotalPixelMatrixColumns": 1 << 23}, "4 frames do not fill"),
    "many": ({"TotalPixelMatrixRows": 4, "TotalPixelMatrixFocalPlanes": 1}, "4 frames do not fill 1 × 2 tiles"),
    "planes": ({"TotalPixelMatrixFocalPlanes": 4_000_000_000}, "4 frames do not fill 2 × 2 tiles × 4000000000"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_an_impossible_matrix_is_refused(tmp_path: Path, name: str) -> None:
    changes, reason = HOSTILE[name]
    assert reason in refusal(tmp_path, slide(picture((4, 4, 4)), (8, 8), **changes))


@pytest.mark.parametrize("place", [(9, 1), (1, 9), (-3, 1), (2**31 - 1, 1), (-(2**31), 1)])
def test_a_tile_outside_the_matrix_is_refused(tmp_path: Path, place: tuple[int, int]) -> None:
    reason = refusal(tmp_path, sparse(picture((2, 4, 4)), (8, 8), [(1, 1), place]))
    assert f"frame 2 begins in row {place[0]:,} and column {place[1]:,}, outside" in reason


def test_a_sparse_tile_without_place_is_refused(tmp_path: Path) -> None:
    data = slide(picture((2, 4, 4)), (8, 8), DimensionOrganizationType="TILED_SPARSE")
    assert "frame 1 does not state its place" in refusal(tmp_path, data)


def test_a_wide_and_empty_matrix_costs_nothing(tmp_path: Path) -> None:
    side = 1 << 24
    (volume,) = loaded(tmp_path, sparse(picture((1, 4, 4)), (side, side), [(side, side)]))
    assert volume.array.shape == (1, side, side)
    assert "slide-large" in codes(volume)
    assert volume.array[0, -1, -1] == picture((1, 4, 4))[0, 0, 0]
    assert volume.display_range() == (0.0, 1.0)


def test_other_files_of_the_series_are_still_volumes(tmp_path: Path) -> None:
    same = {"SeriesInstanceUID": f"{ROOT}.6", "StudyInstanceUID": f"{ROOT}.5"}
    volumes = loaded(tmp_path, slide(picture((4, 4, 4)), (8, 8)), ct_slice(0, **same))
    assert {volume.array.shape for volume in volumes} == {(1, 8, 8), (1, 16, 12)}


def assembled(dataset: Any) -> np.ndarray:
    """Return the mosaic of a fully tiled file of one plane, put together tile by tile."""
    from pydicom_decoder import register_with_pydicom

    register_with_pydicom()
    tiles = dataset.pixel_array
    height, width = dataset.TotalPixelMatrixRows, dataset.TotalPixelMatrixColumns
    across = -(-width // dataset.Columns)
    out = np.zeros((height, width, *tiles.shape[3:]), tiles.dtype)
    for n, tile in enumerate(tiles):
        row, column = n // across * dataset.Rows, n % across * dataset.Columns
        target = out[row : row + dataset.Rows, column : column + dataset.Columns]
        target[...] = tile[: target.shape[0], : target.shape[1]]
    return out


REAL = (
    "image",
    "image_control",
    "image_dots",
    "image_numbers",
    "image_grayscale",
    "image_jpegls",
    "image_jpegls_nobot",
)


@pytest.mark.parametrize("name", REAL)
def test_real_slides_equal_their_tiles_put_together(shared: Path, name: str) -> None:
    path = shared / "data" / "highdicom" / f"sm_{name}.dcm"
    dataset = dcmread(path)
    expected = assembled(dataset)
    if "RescaleSlope" in dataset:
        expected = expected * float(dataset.RescaleSlope) + float(dataset.RescaleIntercept)
    shared_groups = dataset.SharedFunctionalGroupsSequence[0]
    if "PixelValueTransformationSequence" in shared_groups:
        rescale = shared_groups.PixelValueTransformationSequence[0]
        expected = expected * float(rescale.RescaleSlope) + float(rescale.RescaleIntercept)
    (volume,) = dm.load(path)
    assert volume.array.shape == (1, *expected.shape)
    np.testing.assert_allclose(np.asarray(volume.array)[0], expected, rtol=1e-6)


@pytest.mark.parametrize("name", ["control", "dots", "numbers", "control_labelmap", "dots_tiled_full"])
def test_real_tiled_segmentations_are_mosaics_of_segment_numbers(shared: Path, name: str) -> None:
    path = shared / "data" / "highdicom" / f"seg_image_sm_{name}.dcm"
    dataset = dcmread(path)
    tiles = dataset.pixel_array
    expected = np.zeros((dataset.TotalPixelMatrixRows, dataset.TotalPixelMatrixColumns), np.uint8)
    for n, tile in enumerate(tiles):
        if dataset.get("DimensionOrganizationType") == "TILED_FULL":
            segment, place = divmod(n, 25)
            segment, row, column = segment + 1, place // 5 * 10, place % 5 * 10
        else:
            groups = dataset.PerFrameFunctionalGroupsSequence[n]
            position = groups.PlanePositionSlideSequence[0]
            row = position.RowPositionInTotalImagePixelMatrix - 1
            column = position.ColumnPositionInTotalImagePixelMatrix - 1
            segment = 1
            if "SegmentIdentificationSequence" in groups:
                segment = groups.SegmentIdentificationSequence[0].ReferencedSegmentNumber
        target = expected[row : row + dataset.Rows, column : column + dataset.Columns]
        target[...] = np.maximum(target, tile * segment)
    (volume,) = dm.load(path)
    assert volume.is_labels
    np.testing.assert_array_equal(volume.array[0], expected)
