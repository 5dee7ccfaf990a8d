from __future__ import annotations

import copy
import zipfile
from pathlib import Path

import numpy as np
import pytest
from dicom_factory import ct_slice, segmentation, write_series
from napari.components import ViewerModel
from napari.layers._layer_actions import _duplicate_layer as duplicate_layer

from napari_dicommeta._napari.display import set_limits, slider_limits
from napari_dicommeta._napari.reader import get_reader, layer_of, read, volume_of
from napari_dicommeta.dicom.window import Window
from napari_dicommeta.volumes.load import load


def test_it_takes_dicom_and_leaves_the_rest(tmp_path: Path) -> None:
    paths = write_series(tmp_path / "a", 1)
    (tmp_path / "a" / "IM0001").write_bytes(ct_slice(1))
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "x.png").write_bytes(b"\x89PNG" + b"\0" * 200)
    (tmp_path / "b" / "x.dcm").write_text("hello" * 100)
    assert get_reader(str(tmp_path / "a")) is not None
    assert get_reader(str(paths[0])) is not None
    assert get_reader([str(paths[0]), str(tmp_path / "a" / "IM0001")]) is not None
    assert get_reader(str(tmp_path / "b")) is None
    assert get_reader(str(tmp_path / "b" / "x.dcm")) is None
    assert get_reader(str(tmp_path / "gone.dcm")) is None
    assert get_reader() is None


def test_a_layer_is_in_mm_lazy_and_shows_the_first_preset(tmp_path: Path) -> None:
    write_series(tmp_path, 5)
    (layer,) = read(str(tmp_path))
    viewer = ViewerModel()
    viewer.add_layer(layer)
    assert tuple(layer.scale) == (2.5, 0.75, 0.5)
    assert [str(unit) for unit in layer.units] == ["millimeter"] * 3
    assert layer.axis_labels == ("z", "y", "x")
    assert tuple(layer.contrast_limits) == (-160, 239)
    volume = volume_of(layer)
    assert volume is not None
    plane = volume.array[2]
    assert tuple(layer.contrast_limits_range) == (min(plane.min(), -160), max(plane.max(), 239))
    assert volume.array.loaded < 5
    assert layer.data is volume.array
    assert volume_of(None) is None


def test_limits_beyond_the_slider_widen_it(tmp_path: Path) -> None:
    write_series(tmp_path, 2)
    (layer,) = read(str(tmp_path))
    set_limits(layer, (-5000, 9000))
    assert tuple(layer.contrast_limits) == (-5000, 9000)
    set_limits(layer, slider_limits(Window(center=40, width=1)))
    low, high = layer.contrast_limits
    assert low == pytest.approx(39.5)
    assert low < high < 40


def test_monochrome1_is_shown_inverted(tmp_path: Path) -> None:
    write_series(tmp_path, 1, PhotometricInterpretation="MONOCHROME1")
    assert layer_of(load(tmp_path)[0]).colormap.name == "gray_r"


def test_a_volume_without_presets_shows_its_range(tmp_path: Path) -> None:
    write_series(tmp_path, 3, WindowCenter=None, WindowWidth=None)
    volume = load(tmp_path)[0]
    layer = layer_of(volume)
    plane = np.asarray(volume.array[1])
    assert tuple(layer.contrast_limits) == (plane.min(), plane.max())


def test_labels_are_a_numpy_array_that_the_volume_shares(tmp_path: Path) -> None:
    """napari paints, fills and undoes on NumPy arrays only."""
    mask = np.eye(5, 7, dtype=np.uint8)
    frames = [{"ReferencedSegmentNumber": 1, "ImagePositionPatient": [0, 0, z]} for z in (0, 2.5)]
    (tmp_path / "seg.dcm").write_bytes(segmentation([mask, mask], frames))
    (layer,) = read(str(tmp_path))
    volume = volume_of(layer)
    assert volume is not None
    assert (type(layer.data), layer.data.tolist()) == (np.ndarray, [mask.tolist()] * 2)
    layer.paint((1, 3, 6), 7)
    layer.fill((0, 0, 1), 3)
    assert layer.data[1, 3, 6] == 7
    assert volume.array[1, 3, 6] == 7
    assert (volume.array[0] == 3).any()
    layer.undo()
    assert not (np.asarray(volume) == 3).any()


def test_a_layer_can_be_copied_and_computed_with(tmp_path: Path) -> None:
    write_series(tmp_path, 4)
    (layer,) = read(str(tmp_path))
    viewer = ViewerModel()
    viewer.add_layer(layer)
    full = np.asarray(layer.data)
    again = copy.deepcopy(layer.data)
    assert np.array_equal(again, full)
    assert np.array_equal(layer.data > 0, full > 0)
    viewer.layers.selection = {layer}
    duplicate_layer(viewer.layers)
    assert len(viewer.layers) == 2
    assert np.array_equal(viewer.layers[1].data, full)
    copied = viewer.add_labels((layer.data > 0).astype(np.uint8))
    assert copied.data.sum() == (full > 0).sum()


def test_archives_with_dicom_are_taken_and_others_left(tmp_path: Path) -> None:
    paths = write_series(tmp_path / "a", 3)
    with zipfile.ZipFile(tmp_path / "x.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for path in paths:
            archive.write(path, f"inside/{path.name}")
    (layer,) = read(str(tmp_path / "x.zip"))
    np.testing.assert_array_equal(np.asarray(layer.data), np.asarray(load(tmp_path / "a")[0].array))
    with zipfile.ZipFile(tmp_path / "texts.zip", "w") as archive:
        archive.writestr("a.txt", "hello" * 100)
    (tmp_path / "cut.zip").write_bytes((tmp_path / "x.zip").read_bytes()[:100])
    assert get_reader(str(tmp_path / "x.zip")) is not None
    assert get_reader(str(tmp_path / "x.zip" / "inside")) is not None
    assert get_reader(str(tmp_path / "texts.zip")) is None
    assert get_reader(str(tmp_path / "cut.zip")) is not None  # the scan says why nothing opens
