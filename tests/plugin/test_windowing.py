from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from dicom_factory import write_series
from napari.components import ViewerModel

import napari_dicommeta as dm
from napari_dicommeta._napari.reader import layer_of
from napari_dicommeta._napari.windowing import FULL_RANGE, Windowing

ENDS = {40: (-160, 239), -600: (-1200, -1)}


def shown(*volumes: dm.Volume) -> tuple[ViewerModel, Windowing]:
    viewer = ViewerModel()
    for volume in volumes:
        viewer.add_layer(layer_of(volume))
    viewer.layers.selection.active = viewer.layers[0]
    return viewer, Windowing(viewer)


def volume(folder: Path, count: int = 4, **changes: Any) -> dm.Volume:
    write_series(folder, count, **changes)
    return dm.load(folder)[0]


def per_slice(k: int) -> list[int]:
    return [40 + 10 * k, -600]


@pytest.fixture
def varying(tmp_path: Path) -> tuple[ViewerModel, Windowing]:
    changes = {"WindowCenter": per_slice, "WindowWidth": [400, 1200]}
    return shown(volume(tmp_path, 20, **changes))


def go(viewer: ViewerModel, windowing: Windowing, k: int) -> bool:
    viewer.dims.set_point(0, k * 2.5)
    return windowing.moved()


def test_presets_are_chosen_by_number_and_the_mark_tells_the_truth(tmp_path: Path) -> None:
    viewer, windowing = shown(volume(tmp_path))
    layer = viewer.layers[0]
    assert windowing.current() == 0
    windowing.choose(1)
    assert tuple(layer.contrast_limits) == ENDS[-600]
    assert windowing.current() == 1
    layer.contrast_limits = (-160, 239)  # by the slider, or a script
    assert windowing.current() == 0
    layer.contrast_limits = (-150, 239)
    assert windowing.current() is None
    windowing.choose(FULL_RANGE)
    assert windowing.current() == FULL_RANGE
    windowing.choose(7)
    assert windowing.current() == FULL_RANGE


def test_stepping_goes_round_and_leaves_out_what_cannot_be_shown(tmp_path: Path) -> None:
    _, windowing = shown(volume(tmp_path, WindowCenter=[1, 2, 3], WindowWidth=[100, 0, 300]))
    seen = []
    for _ in range(4):
        windowing.step(1)
        seen.append(windowing.current())
    assert seen == [2, FULL_RANGE, 0, 2]
    windowing.step(-1)
    assert windowing.current() == 0


def test_follow_shows_each_slice_through_its_own_preset(varying: tuple[ViewerModel, Windowing]) -> None:
    viewer, windowing = varying
    layer = viewer.layers[0]
    assert windowing.presets() == (
        dm.Window(center=140, width=400, explanation="SOFT"),
        dm.Window(center=-600, width=1200, explanation="LUNG"),
    )
    assert windowing.spread(0) == "40 to 230 / 400 to 400 over the slices"
    assert windowing.spread(1) == ""
    windowing.choose(0)
    assert not go(viewer, windowing, 3)
    assert layer.contrast_limits[0] == 140 - 200  # the middle slice's: nothing follows yet
    windowing.follow = True
    windowing.choose(0)
    assert layer.contrast_limits[0] == 70 - 200
    assert go(viewer, windowing, 4)
    assert layer.contrast_limits[0] == 80 - 200
    assert windowing.current() == 0


def test_what_was_set_by_hand_is_never_overridden(varying: tuple[ViewerModel, Windowing]) -> None:
    viewer, windowing = varying
    windowing.follow = True
    windowing.choose(0)
    viewer.layers[0].contrast_limits = (-500, 500)
    assert not go(viewer, windowing, 9)
    assert tuple(viewer.layers[0].contrast_limits) == (-500, 500)
    windowing.choose(0)
    assert go(viewer, windowing, 2)
    windowing.choose(FULL_RANGE)
    assert not go(viewer, windowing, 3)
    assert windowing.current() == FULL_RANGE


def test_sigmoid_and_tables_are_colormaps_and_a_straight_window_takes_them_away(tmp_path: Path) -> None:
    viewer, windowing = shown(volume(tmp_path, VOILUTFunction="SIGMOID", WindowCenter=40, WindowWidth=400))
    layer = viewer.layers[0]
    assert layer.colormap.name == "DICOM SIGMOID"
    assert tuple(layer.contrast_limits) == (-760, 840)
    middle = layer.colormap.map(np.array([0.5]))[0, 0]
    assert middle == pytest.approx(0.5, abs=2e-3)
    quarter = layer.colormap.map(np.array([(140 + 760) / 1600]))[0, 0]  # 1 / (1 + exp(-4 * 100 / 400))
    assert quarter == pytest.approx(1 / (1 + np.exp(-1)), abs=2e-3)
    assert windowing.current() == 0
    windowing.show(dm.Window(center=40, width=400))
    assert layer.colormap.name == "gray"
    assert windowing.current() is None


def test_a_colormap_of_the_user_stays_where_the_limits_say_all(tmp_path: Path) -> None:
    viewer, windowing = shown(volume(tmp_path))
    viewer.layers[0].colormap = "magma"
    windowing.choose(1)
    assert viewer.layers[0].colormap.name == "magma"
    assert windowing.current() == 1


def test_all_layers_takes_visible_volumes_of_the_same_units_along(tmp_path: Path) -> None:
    one, two = volume(tmp_path / "1"), volume(tmp_path / "2", SeriesInstanceUID="1.2.9")
    other = volume(tmp_path / "3", SeriesInstanceUID="1.2.10", Modality="PT", Units="BQML")
    viewer, windowing = shown(one, two, other)
    windowing.set_all_layers(True)
    windowing.choose(1)
    limits = [tuple(layer.contrast_limits) for layer in viewer.layers]
    assert limits[:2] == [ENDS[-600]] * 2
    assert limits[2] == ENDS[40]
    viewer.layers[1].contrast_limits = (0, 77)  # linked
    assert tuple(viewer.layers[0].contrast_limits) == (0, 77)
    windowing.set_all_layers(False)
    viewer.layers[1].contrast_limits = (0, 88)
    assert tuple(viewer.layers[0].contrast_limits) == (0, 77)


def test_a_drag_changes_width_and_level(tmp_path: Path) -> None:
    _, windowing = shown(volume(tmp_path))
    assert windowing.shown() == dm.Window(center=40, width=400, explanation="SOFT")
    windowing.dragged(10, 0)  # half a percent of the width a pixel
    assert windowing.shown() == dm.Window(center=40, width=420)
    windowing.dragged(0, -10)
    assert windowing.shown() == dm.Window(center=40 - 21, width=420)
    windowing.dragged(-10_000, 0)
    assert windowing.shown().width == pytest.approx(1, abs=0.1)


def test_a_drag_of_a_sigmoid_stays_one(tmp_path: Path) -> None:
    viewer, windowing = shown(volume(tmp_path, VOILUTFunction="SIGMOID", WindowCenter=40, WindowWidth=400))
    for _ in range(2):
        windowing.dragged(0, 5)
    assert viewer.layers[0].colormap.name == "DICOM SIGMOID"
    assert tuple(viewer.layers[0].contrast_limits) == (60 - 800, 60 + 800)
    assert windowing.shown() == dm.Window(center=60, width=400, function="SIGMOID")
    viewer.layers[0].contrast_limits = (0, 99)
    assert windowing.shown() == dm.Window(center=50, width=100)


def test_monochrome1_is_inverted_in_curves_too(tmp_path: Path) -> None:
    viewer, _ = shown(volume(tmp_path, VOILUTFunction="SIGMOID", PhotometricInterpretation="MONOCHROME1"))
    colors = viewer.layers[0].colormap.colors[:, 0]
    assert colors[0] > 0.99
    assert colors[-1] < 0.01


def test_without_a_volume_nothing_is_offered() -> None:
    viewer = ViewerModel()
    windowing = Windowing(viewer)
    viewer.add_image(np.zeros((3, 4, 4)))
    assert (windowing.layer, windowing.presets(), windowing.current()) == (None, (), None)
    windowing.choose(0)
    windowing.show(dm.Window(center=40, width=400))
