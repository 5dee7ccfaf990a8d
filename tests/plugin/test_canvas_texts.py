from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from dicom_factory import write_series
from napari.components import ViewerModel
from napari.utils.transforms import Affine

import napari_dicommeta as dm
from napari_dicommeta._napari.arrange import limit_sliders
from napari_dicommeta._napari.canvas_texts import (
    above_letter,
    axis_text,
    edge_letters,
    letters,
    slice_text,
    values_text,
    window_text,
)
from napari_dicommeta._napari.display import go_to_slice, slice_number
from napari_dicommeta._napari.reader import layer_of
from napari_dicommeta._napari.views import align, show_plane, show_space
from napari_dicommeta._napari.world import world_of
from napari_dicommeta.dicom.luts import LookupTable
from napari_dicommeta.dicom.window import Window

MINUS = "\N{MINUS SIGN}"


def shown(*volumes: dm.Volume) -> ViewerModel:
    viewer = ViewerModel()
    for volume in volumes:
        viewer.add_layer(layer_of(volume))
    viewer.layers.selection.active = viewer.layers[0]
    return viewer


def volume(folder: Path, count: int = 4, **changes: Any) -> dm.Volume:
    write_series(folder, count, **changes)
    return dm.load(folder)[0]


def around(viewer: ViewerModel, shown: dm.Volume) -> str:
    """Return the letters left, right, above and below."""
    edges = edge_letters(viewer, viewer.layers[0], shown)
    return " ".join(edges[place] for place in ("left", "right", "top", "bottom"))


@pytest.mark.parametrize(
    ("direction", "expected"),
    [
        ((1, 0, 0), "L"),
        ((-1, 0, 0), "R"),
        ((0, 1, 0), "P"),
        ((0, -1, 0), "A"),
        ((0, 0, 1), "H"),
        ((0, 0.02, -0.999), "F"),
        ((0.8, -0.6, 0), "LA"),
        ((0.4, -0.6, 0.69), "HAL"),
    ],
)
def test_a_direction_has_the_letters_of_the_patient(direction: tuple[float, ...], expected: str) -> None:
    assert letters(direction) == expected


@pytest.mark.parametrize(("plane", "expected"), [("axial", "R L A P"), ("coronal", "R L H F"), ("sagittal", "A P H F")])
def test_planes_have_the_letters_of_the_radiological_convention(tmp_path: Path, plane: str, expected: str) -> None:
    ct = volume(tmp_path)
    viewer = shown(ct)
    show_plane(viewer, ct, plane)
    assert around(viewer, ct) == expected


def test_an_image_as_stored_has_the_letters_of_its_own_directions(tmp_path: Path) -> None:
    feet_up = volume(tmp_path, ImageOrientationPatient=[0, 1, 0, 0, 0, 1], ImagePositionPatient=lambda k: [k, 0, 0])
    viewer = shown(feet_up)
    assert around(viewer, feet_up) == "A P F H"
    viewer.camera.orientation2d = ("up", "left")
    assert around(viewer, feet_up) == "P A H F"


def test_an_aligned_volume_has_the_letters_of_the_world_it_is_in(tmp_path: Path) -> None:
    frame = {"FrameOfReferenceUID": "1.2.3"}
    axial = volume(tmp_path / "a", 12, **frame)
    turned = volume(
        tmp_path / "b",
        12,
        SeriesInstanceUID="1.2.9",
        ImageOrientationPatient=[1, 0, 0, 0, 0, -1],
        ImagePositionPatient=lambda k: [0, k, 0],
        **frame,
    )
    viewer = shown(turned, axial)
    align(viewer, axial)
    assert around(viewer, turned) == "R L A P"


def test_no_letters_in_3d_or_without_directions(tmp_path: Path) -> None:
    ct = volume(tmp_path / "a")
    viewer = shown(ct)
    show_space(viewer, ct)
    assert edge_letters(viewer, viewer.layers[0], ct) == {}
    lost = volume(tmp_path / "b", 1, ImagePositionPatient=None, ImageOrientationPatient=None)
    assert edge_letters(shown(lost), shown(lost).layers[0], lost) == {}


def test_the_slice_is_counted_and_placed_along_its_normal(tmp_path: Path) -> None:
    ct = volume(tmp_path, 4, ImagePositionPatient=lambda k: [5, 7, -60 + 2.5 * k])
    viewer = shown(ct)
    layer = viewer.layers[0]
    viewer.dims.set_point(0, 2.5)
    assert slice_text(viewer, layer, ct) == f"slice 2/4 · {MINUS}57.5 mm"
    show_plane(viewer, ct, "coronal")
    viewer.dims.set_point(1, 0)
    assert slice_text(viewer, layer, ct) == f"slice 1/{ct.array.shape[1]} · 7.0 mm"
    viewer.dims.ndisplay = 3
    assert slice_text(viewer, layer, ct) == ""


def test_a_slice_says_how_many_of_its_pixels_int16_does_not_hold(tmp_path: Path) -> None:
    # Signed 16 bits with an intercept of -1024: stored values below -31744 are lower than int16 can say.
    stored = [np.full((4, 4), low, "<i2") for low in (-31744, -32000, 0)]
    stored[1][0, 0] = 0
    signed = {"BitsStored": 16, "HighBit": 15, "PixelRepresentation": 1, "Rows": 4, "Columns": 4}
    ct = volume(tmp_path, 3, pixels=lambda k: stored[k].view("<u2"), RescaleIntercept=-1024, **signed)
    viewer = shown(ct)
    lines = []
    for k in range(3):
        viewer.dims.set_point(0, 2.5 * k)
        lines.append(slice_text(viewer, viewer.layers[0], ct).split("\n")[1:])
    assert lines == [[], [f"15 px below {MINUS}32,768 HU"], []]
    viewer.dims.set_point(0, 2.5)
    show_plane(viewer, ct, "coronal")
    assert "\n" not in slice_text(viewer, viewer.layers[0], ct)


def test_beside_the_slices_of_a_volume_there_is_none(tmp_path: Path) -> None:
    ct = volume(tmp_path / "a", 4)
    viewer = shown(ct, volume(tmp_path / "b", 9, SeriesInstanceUID="1.2.9"))
    viewer.dims.set_point(0, 2.5 * 6)
    assert slice_text(viewer, viewer.layers[0], ct) == "no slice here"


def test_slice_and_value_are_those_shown_beside_a_layer_in_smaller_units(tmp_path: Path) -> None:
    ct = volume(tmp_path, 9)
    viewer = shown(ct)
    layer = viewer.layers[0]
    viewer.add_image(np.zeros((3, 4, 4)), scale=(1000, 500, 500), units=("um",) * 3)
    if not hasattr(viewer.dims, "units"):
        pytest.skip("before napari 0.9 all layers count in one unit")
    viewer.layers.selection.active = layer
    go_to_slice(viewer, layer, 6)
    assert viewer.dims.point[0] == pytest.approx(6 * 2500)  # the viewer counts in micrometers
    (low, _, step), last = viewer.dims.range[0], layer.data.shape[0] - 1
    assert slice_text(viewer, layer, ct).startswith("slice 7/9")
    assert slice_number(viewer, layer) == 6
    value = int(np.asarray(ct.array)[6, 3, 2])
    assert values_text(viewer, world_of(viewer, layer, (6, 3, 2))) == f"{value} HU".replace("-", MINUS)
    limit_sliders(viewer)
    assert tuple(viewer.dims.range[0]) == pytest.approx((low, last * 2500, step))
    assert slice_number(viewer, layer) == 6


@pytest.mark.parametrize("degrees", [20, -30])
def test_the_slice_of_an_oblique_layer_is_the_one_shown(tmp_path: Path, degrees: float) -> None:
    ct = volume(tmp_path, 9)
    viewer = shown(ct)
    layer = viewer.layers[0]
    layer.affine = Affine(rotate=(degrees, degrees / 2, 0)).affine_matrix
    viewer.dims.point = tuple(layer.data_to_world((4, 8, 6)))  # the middle
    for number in (2, 4, 6):
        go_to_slice(viewer, layer, number)
        assert slice_number(viewer, layer) == number
        assert slice_text(viewer, layer, ct).startswith(f"slice {number + 1}/9")
        assert np.array_equal(np.asarray(layer._slice.image.raw), np.asarray(ct.array)[number])


def test_a_slice_without_a_place_is_counted_only(tmp_path: Path) -> None:
    ct = volume(tmp_path, 1, ImagePositionPatient=None, ImageOrientationPatient=None)
    viewer = shown(ct)
    assert slice_text(viewer, viewer.layers[0], ct) == ""  # one slice


@pytest.mark.parametrize(
    ("keyword", "values", "expected"),
    [
        ("EchoTime", (12.5, 30), ["echo 12.5 ms", "echo 30 ms"]),
        ("TriggerTime", (0, 400), ["trigger 0 ms", "trigger 400 ms"]),
        ("TemporalPositionIdentifier", (1, 2), ["time 1", "time 2"]),
        ("AcquisitionTime", ("101500.25", "101530"), ["acquisition time 10:15:00", "acquisition time 10:15:30"]),
    ],
)
def test_the_fourth_axis_says_what_it_is(
    tmp_path: Path, keyword: str, values: tuple[Any, ...], expected: list[str]
) -> None:
    changes = {
        keyword: lambda k: values[k // 3],
        "ImagePositionPatient": lambda k: [0, 0, 2.5 * (k % 3)],
        "Modality": "MR",
    }
    series = volume(tmp_path, 6, **changes)
    assert series.axis == keyword
    assert [axis_text(series, t) for t in (0, 1)] == expected
    viewer = shown(series)
    viewer.dims.set_point(0, 1)
    viewer.dims.set_point(1, 0)
    assert slice_text(viewer, viewer.layers[0], series) == f"slice 1/3 · 0.0 mm\n{expected[1]} (2/2)"


def test_windows_are_written_as_they_are_spoken_of() -> None:
    assert window_text(Window(center=-600.4, width=1500), 1.0, "HU") == f"W 1500 L {MINUS}600"
    assert window_text(Window(center=2.5, width=5), 1.0, "g/ml") == "W 5 L 2.5"
    assert window_text(Window(center=40, width=400), 0.7, "HU") == "W 400 L 40 γ 0.7"
    table = LookupTable(first=0, bits=8, values=np.arange(4, dtype=np.uint16), explanation="HARDER")
    assert window_text(Window.of_table(table), 1.0) == "LUT HARDER"


def test_values_under_the_mouse_have_their_units(tmp_path: Path) -> None:
    ct = volume(tmp_path / "a")
    pet = volume(tmp_path / "b", SeriesInstanceUID="1.2.9", Modality="PT", Units="BQML")
    viewer = shown(ct)
    value = int(np.asarray(ct.array)[0, 3, 2])
    viewer.dims.set_point(0, 0)
    at = viewer.layers[0].data_to_world((0, 3, 2))
    text = f"{value} HU".replace("-", MINUS)
    assert values_text(viewer, at) == text
    viewer.add_layer(layer_of(pet))
    viewer.dims.set_point(0, 0)
    both = values_text(viewer, at)
    assert both.startswith(f"CT {text} · PT ")
    assert both.endswith(" Bq/ml")
    viewer.layers[1].visible = False
    assert values_text(viewer, at) == text
    assert values_text(viewer, viewer.layers[0].data_to_world((0, 500, 2))) == ""


def test_a_text_in_a_corner_rises_above_a_letter_that_it_would_reach() -> None:
    text = "W 400 L 40\nslice 126/275 · −1234.5 mm"
    assert above_letter(text, "P", 800) == text
    raised = above_letter(text, "P", 470)
    assert raised == text + "\n "
    assert above_letter(raised, "P", 470) == raised  # once
    assert above_letter(raised, "P", 800) == text  # the canvas has become wider
    assert above_letter(text, "", 470) == text
    assert above_letter("", "P", 10) == ""
    assert (
        above_letter(f"CT {MINUS}998 HU · RTDOSE 0 Gy", "P", 514) != f"CT {MINUS}998 HU · RTDOSE 0 Gy"
    )  # 252 pixels wide
