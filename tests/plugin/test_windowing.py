from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from dicom_factory import write_series
from napari.components import ViewerModel

import napari_dicommeta as dm
from napari_dicommeta._napari.reader import layer_of
from napari_dicommeta._napari.windowing import FULL_RANGE, Windowing
from napari_dicommeta.dicom.luts import LookupTable
from napari_dicommeta.dicom.window import Window
from napari_dicommeta.volumes.details import Details

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
    windowing.show(dm.Window(center=40, width=300))
    assert layer.colormap.name == "gray"
    assert windowing.current() is None


def table(explanation: str, power: float, n: int = 512) -> LookupTable:
    values = (np.linspace(0, 1, n) ** power * 4095).astype(np.uint16)
    return LookupTable(first=-256, bits=12, values=values, explanation=explanation)


def test_tables_beyond_the_first_are_recognized_stepped_and_followed(tmp_path: Path) -> None:
    from napari.utils.colormaps import AVAILABLE_COLORMAPS

    own = tuple(
        (Window.of_table(table("NORMAL", 1 + k / 10)), Window.of_table(table("HARDER", 2 + k / 10))) for k in range(4)
    )
    viewer, windowing = shown(replace(volume(tmp_path), details=Details(own, ())))
    layer = viewer.layers[0]
    before = None
    for _ in range(2):
        for i in (0, 1):
            windowing.choose(i)
            assert windowing.current() == i
            assert layer.colormap.name == "DICOM VOI LUT"
        before = before or set(AVAILABLE_COLORMAPS)
    windowing.choose(0)
    seen = [(windowing.step(1), windowing.current())[1] for _ in range(len(windowing.presets()) + 1)]
    assert seen == [1, 2, 3, 4, 5, 6, 7, FULL_RANGE, 0]  # four slices with two tables each
    windowing.follow = True
    windowing.choose(1)
    for k in (0, 3, 1):
        go(viewer, windowing, k)
        curve = own[k][1].curve(1024)
        assert np.abs(layer.colormap.colors[:, 0] - curve).max() < 2e-3
        assert windowing.current() == 1
    second = layer_of(replace(volume(tmp_path / "other"), details=Details(own, ())))
    windowing.viewer.add_layer(second)
    windowing.viewer.layers.selection.active = layer
    windowing.set_all_layers(True)
    windowing.choose(0)
    assert {name for name in AVAILABLE_COLORMAPS if name.startswith("DICOM")} <= before
    assert np.array_equal(second.colormap.colors, layer.colormap.colors)


def test_a_gamma_unmarks_the_preset_and_choosing_one_sets_it_back(tmp_path: Path) -> None:
    viewer, windowing = shown(volume(tmp_path))
    layer = viewer.layers[0]
    layer.gamma = 0.7
    assert windowing.current() is None
    windowing.dragged(10, 0)
    assert layer.gamma == 0.7  # only a preset sets it back
    windowing.choose(0)
    assert (layer.gamma, windowing.current()) == (1, 0)
    windowing.choose(FULL_RANGE)
    layer.gamma = 2
    assert windowing.current() is None
    windowing.choose(FULL_RANGE)
    assert (layer.gamma, windowing.current()) == (1, FULL_RANGE)


def test_a_drag_of_a_sigmoid_with_a_gamma_stays_a_sigmoid(tmp_path: Path) -> None:
    viewer, windowing = shown(volume(tmp_path, VOILUTFunction="SIGMOID", WindowCenter=40, WindowWidth=400))
    viewer.layers[0].gamma = 0.5
    windowing.dragged(0, 5)
    assert windowing.shown() == dm.Window(center=50, width=400, function="SIGMOID")


@pytest.mark.parametrize("function", ["LINEAR", "LINEAR_EXACT", "SIGMOID"])
def test_limits_that_are_shown_keep_the_function(tmp_path: Path, function: str) -> None:
    viewer, windowing = shown(volume(tmp_path, VOILUTFunction=function, WindowCenter=40, WindowWidth=400))
    windowing.show_limits(-100, 300)
    assert tuple(viewer.layers[0].contrast_limits) == pytest.approx((-100, 300))
    assert windowing.shown().function == function


USUAL = ["lung", "bone", "brain", "soft tissue"]


@pytest.mark.parametrize(
    ("changes", "names"),
    [
        ({"WindowCenter": None, "WindowWidth": None}, USUAL),
        ({"WindowCenter": 40, "WindowWidth": 402}, ["SOFT", *USUAL[:3]]),  # soft tissue is there already
        ({"WindowCenter": [40, 1], "WindowWidth": [80, 0]}, ["SOFT", "LUNG", "lung", "bone", "soft tissue"]),
        ({}, ["SOFT", "LUNG"]),
        ({"WindowCenter": None, "WindowWidth": None, "Modality": "MR"}, []),
        ({"WindowCenter": None, "WindowWidth": None, "RescaleType": "MGML"}, []),
    ],
)
def test_a_ct_with_few_presets_of_its_own_gets_usual_ones(
    tmp_path: Path, changes: dict[str, Any], names: list[str]
) -> None:
    _, windowing = shown(volume(tmp_path, **changes))
    assert [window.explanation for window in windowing.presets()] == names
    assert [windowing.is_usual(i) for i in range(len(names))] == [name.islower() for name in names]


def test_a_usual_preset_is_chosen_as_one_of_the_files(tmp_path: Path) -> None:
    viewer, windowing = shown(volume(tmp_path, WindowCenter=None, WindowWidth=None))
    windowing.choose(0)
    assert tuple(viewer.layers[0].contrast_limits) == (-1350, 149)
    assert windowing.current() == 0
    assert windowing.spread(0) == ""


def test_nearly_equal_presets_are_one_that_marks_all_of_them(tmp_path: Path) -> None:
    changes = {"WindowCenter": [40, 41, 40, 60], "WindowWidth": [400, 402, 300, 400]}
    viewer, windowing = shown(volume(tmp_path, WindowCenterWidthExplanation=None, **changes))
    assert [window.numbers for window in windowing.presets()] == ["40 / 400", "40 / 300", "60 / 400"]
    assert [window.numbers for window in windowing.folded(0)] == ["41 / 402"]
    assert windowing.folded(1) == ()
    viewer.layers[0].contrast_limits = windowing.folded(0)[0].limits
    assert windowing.current() == 0


def test_the_topmost_visible_image_is_windowed_while_another_layer_is_active(tmp_path: Path) -> None:
    one, two = volume(tmp_path / "1"), volume(tmp_path / "2", SeriesInstanceUID="1.2.9")
    viewer, windowing = shown(one, two)
    first, second = viewer.layers
    points = viewer.add_points([[0, 0, 0]])
    assert viewer.layers.selection.active == points
    assert windowing.layer == second
    windowing.choose(1)
    assert tuple(second.contrast_limits) == ENDS[-600]
    assert tuple(first.contrast_limits) == ENDS[40]
    viewer.add_image(np.asarray(second.data).max(axis=0))
    assert windowing.layer is None  # what is chosen is meant: a projection is not the volume below it
    viewer.layers.selection.active = points
    assert windowing.layer == second  # it lies below the projection, which has no windows
    second.visible = False
    assert windowing.layer == first
    first.visible = False
    assert windowing.layer is None
    viewer.layers.selection.active = second  # what is chosen is meant, though its eye is closed
    assert windowing.layer == second


def test_a_ct_has_limits_of_its_own_in_3d_and_gets_its_window_back(tmp_path: Path) -> None:
    viewer, windowing = shown(volume(tmp_path, VOILUTFunction="SIGMOID", WindowCenter=40, WindowWidth=400))
    layer = viewer.layers[0]
    layer.gamma = 0.9
    flat = tuple(layer.contrast_limits)
    viewer.dims.ndisplay = 3
    for _ in range(2):  # each new layer asks again
        windowing.fit_display()
    assert (tuple(layer.contrast_limits), layer.colormap.name, layer.gamma) == ((100, 1200), "gray", 1)
    layer.contrast_limits = (200, 900)
    viewer.dims.ndisplay = 2
    windowing.fit_display()
    assert (tuple(layer.contrast_limits), layer.colormap.name, layer.gamma) == (flat, "DICOM SIGMOID", 0.9)
    viewer.dims.ndisplay = 3
    windowing.fit_display()
    assert tuple(layer.contrast_limits) == (200, 900)


def test_an_mr_keeps_its_window_in_3d(tmp_path: Path) -> None:
    viewer, windowing = shown(volume(tmp_path, Modality="MR"))
    before = tuple(viewer.layers[0].contrast_limits)
    viewer.dims.ndisplay = 3
    windowing.fit_display()
    assert tuple(viewer.layers[0].contrast_limits) == before


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
