from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from dicom_factory import write_series
from napari.components import ViewerModel

import napari_dicommeta as dm
from napari_dicommeta._napari.reader import layer_of
from napari_dicommeta._napari.views import align, anatomical_axes, plane_shown, show_plane, show_space, unalign

CORONAL, SAGITTAL = [1, 0, 0, 0, 0, -1], [0, 1, 0, 0, 0, -1]


def volume(folder: Path, count: int = 4, **changes: Any) -> dm.Volume:
    write_series(folder, count, **changes)
    return dm.load(folder)[0]


def shown(*volumes: dm.Volume) -> ViewerModel:
    viewer = ViewerModel()
    for one in volumes:
        viewer.add_layer(layer_of(one))
    return viewer


def test_the_axes_of_an_acquisition_in_the_patient(tmp_path: Path) -> None:
    assert anatomical_axes(volume(tmp_path / "a")) == ((2, 1), (1, 1), (0, 1))
    coronal = volume(tmp_path / "c", ImageOrientationPatient=CORONAL, ImagePositionPatient=lambda k: [0, k, 0])
    assert anatomical_axes(coronal) == ((2, 1), (0, 1), (1, -1))
    sagittal = volume(tmp_path / "s", ImageOrientationPatient=SAGITTAL, ImagePositionPatient=lambda k: [-k, 0, 0])
    assert anatomical_axes(sagittal) == ((0, -1), (2, 1), (1, -1))
    assert anatomical_axes(volume(tmp_path / "n", ImagePositionPatient=None)) is None


@pytest.mark.parametrize(
    ("orientation", "step", "plane", "order", "turned"),
    [
        ([1, 0, 0, 0, 1, 0], [0, 0, 1], "axial", (0, 1, 2), ("down", "right")),
        ([1, 0, 0, 0, 1, 0], [0, 0, 1], "coronal", (1, 0, 2), ("up", "right")),
        ([1, 0, 0, 0, 1, 0], [0, 0, 1], "sagittal", (2, 0, 1), ("up", "right")),
        (CORONAL, [0, 1, 0], "coronal", (0, 1, 2), ("down", "right")),
        (CORONAL, [0, 1, 0], "axial", (1, 0, 2), ("down", "right")),
        (SAGITTAL, [-1, 0, 0], "sagittal", (0, 1, 2), ("down", "right")),
        (SAGITTAL, [-1, 0, 0], "axial", (1, 2, 0), ("down", "left")),
    ],
)
def test_planes_are_shown_the_radiological_way_round(
    tmp_path: Path, orientation: list[int], step: list[int], plane: str, order: tuple[int, ...], turned: tuple[str, str]
) -> None:
    one = volume(
        tmp_path,
        ImageOrientationPatient=orientation,
        ImagePositionPatient=lambda k: [5 * k * component for component in step],
    )
    viewer = shown(one)
    show_plane(viewer, one, plane)
    assert viewer.dims.order == order
    assert tuple(str(side.value) for side in getattr(viewer, "scene", viewer).camera.orientation2d) == turned
    assert plane_shown(viewer, one) == plane
    show_space(viewer, one)
    assert plane_shown(viewer, one) == "3D"


def test_volumes_of_one_frame_of_reference_are_moved_to_their_place(tmp_path: Path) -> None:
    frame = {"FrameOfReferenceUID": "1.2.3"}
    ct = volume(tmp_path / "ct", **frame)
    pet = volume(
        tmp_path / "pet",
        SeriesInstanceUID="1.2.9",
        ImagePositionPatient=lambda k: [-40, -50, 2.5 * k + 100],
        PixelSpacing=[4, 5],
        **frame,
    )
    other = volume(tmp_path / "x", SeriesInstanceUID="1.2.10", FrameOfReferenceUID="1.2.4")
    viewer = shown(ct, pet, other)
    assert align(viewer, ct) == (2, 1)
    for layer, one in zip(viewer.layers, (ct, pet), strict=False):
        for index in ((0, 0, 0), (3, 5, 7)):
            assert one.geometry.affine is not None
            x, y, z, _ = one.geometry.affine @ [*index, 1]
            np.testing.assert_allclose(layer.data_to_world(index), [z, y, x], atol=1e-6)
        np.testing.assert_allclose(layer.affine.affine_matrix, np.eye(4))
    np.testing.assert_allclose(viewer.layers[2].translate, 0)
    unalign(viewer.layers)
    assert all(np.allclose(layer.data_to_world((0, 0, 0)), 0) for layer in viewer.layers)


def test_another_orientation_is_turned_by_an_affine(tmp_path: Path) -> None:
    frame = {"FrameOfReferenceUID": "1.2.3"}
    axial = volume(tmp_path / "a", **frame)
    coronal = volume(
        tmp_path / "c",
        ImageOrientationPatient=CORONAL,
        ImagePositionPatient=lambda k: [3, 2 * k, 7],
        SeriesInstanceUID="1.2.9",
        **frame,
    )
    viewer = shown(axial, coronal)
    assert align(viewer, axial) == (2, 0)
    assert coronal.geometry.affine is not None
    for index in ((0, 0, 0), (3, 5, 7)):
        x, y, z, _ = coronal.geometry.affine @ [*index, 1]
        np.testing.assert_allclose(viewer.layers[1].data_to_world(index), [z, y, x], atol=1e-6)


def test_a_volume_with_times_lies_right_too(tmp_path: Path) -> None:
    series = volume(
        tmp_path,
        6,
        ImagePositionPatient=lambda k: [-10, -20, 5 * (k % 3)],
        TemporalPositionIdentifier=lambda k: k // 3 + 1,
        FrameOfReferenceUID="1.2.3",
    )
    assert series.array.shape == (2, 3, 16, 12)
    viewer = shown(series)
    assert align(viewer, series) == (1, 0)
    np.testing.assert_allclose(viewer.layers[0].data_to_world((1, 0, 0, 0)), [1, 0, -20, -10])
    show_plane(viewer, series, "coronal")
    assert viewer.dims.order == (0, 2, 1, 3)
    assert plane_shown(viewer, series) == "coronal"
