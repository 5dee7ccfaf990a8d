"""A pyramid of a slide is a multiscale layer, of which only visible tiles are read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from dicom_factory import ROOT
from napari.components import ViewerModel
from slide_files import cut, picture, slide

import napari_dicommeta as dm
from napari_dicommeta._napari.display import slice_number
from napari_dicommeta._napari.reader import layer_of, read


def pyramid(folder: Path, color: bool) -> Any:
    for n, side in enumerate((512, 128, 32)):
        image = picture((side, side, *((3,) if color else ())), seed=n)
        spacing = [{"PixelMeasuresSequence": [{"PixelSpacing": [0.25 * 4**n, 0.25 * 4**n]}]}]
        data = slide(
            cut(image, 16, 16), (side, side), SOPInstanceUID=f"{ROOT}.7.{n}", SharedFunctionalGroupsSequence=spacing
        )
        (folder / f"{n}.dcm").write_bytes(data)
    return dm.load(folder)


@pytest.mark.parametrize("color", [True, False])
def test_a_pyramid_is_a_multiscale_layer(tmp_path: Path, color: bool) -> None:
    volumes = pyramid(tmp_path, color)
    layer = layer_of(volumes[0])
    assert layer.multiscale
    assert [level.shape[1] for level in layer.data] == [512, 128, 32]
    assert layer.rgb == color
    viewer = ViewerModel()
    viewer.add_layer(layer)
    assert slice_number(viewer, layer) == 0
    assert not volumes[0].array.tiles_loaded
    assert not layer_of(volumes[2]).multiscale


def test_smaller_levels_are_no_layers_of_their_own(tmp_path: Path) -> None:
    pyramid(tmp_path, True)
    (layer,) = read(str(tmp_path))
    assert layer.multiscale


def test_napari_reads_the_level_that_the_canvas_needs(tmp_path: Path) -> None:
    volumes = pyramid(tmp_path, True)
    viewer = ViewerModel()
    layer = viewer.add_layer(layer_of(volumes[0]))
    layer._update_draw(
        scale_factor=1, corner_pixels_displayed=0.25 * np.array([[0, 0], [511, 511]]), shape_threshold=(64, 64)
    )
    assert layer.data_level == 1
    assert not volumes[0].array.tiles_loaded
    at = np.array([[100, 200], [130, 230]])
    layer._update_draw(scale_factor=1, corner_pixels_displayed=0.25 * at, shape_threshold=(64, 64))
    assert layer.data_level == 0
    assert 1 <= volumes[0].array.tiles_loaded <= 16
