"""What is opened is what is on screen: layers, slice, direction and fusion, as a user opens one thing after another."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from dicom_factory import Raw, dose, segmentation, write_series
from qtpy.QtCore import QPoint, Qt
from qtpy.QtWidgets import QApplication
from window_driver import choose_tag, open_series, read, slice_shown, visible, wait_until_read

FRAME = {"FrameOfReferenceUID": "1.2.3"}
SAGITTAL = {"ImageOrientationPatient": [0, 1, 0, 0, 0, -1], "ImagePositionPatient": lambda k: [5 * k, 0, 0]}


def sides(viewer: Any) -> tuple[str, ...]:
    return tuple(str(side.value) for side in viewer.scene.camera.orientation2d)


def lit(viewer: Any) -> np.ndarray:
    """Return which pixels of the canvas are brighter than half."""
    for _ in range(3):
        QApplication.processEvents()
    return viewer.screenshot(canvas_only=True, flash=False)[..., :3].max(axis=2) > 128


def click_row(qtbot: Any, dock: Any, row: int) -> None:
    dock.tabs.setCurrentWidget(dock.series)
    place = dock.series.table.visualRect(dock.series.model.index(row, 0)).center()
    qtbot.mouseClick(dock.series.table.viewport(), Qt.MouseButton.LeftButton, pos=place)


def patient(folder: Path, number: int, count: int, **changes: Any) -> Path:
    uids = {"SeriesInstanceUID": f"1.2.{number}", "StudyInstanceUID": f"1.3.{number}", "PatientID": f"P{number}"}
    frame = {"FrameOfReferenceUID": f"1.4.{number}"}
    write_series(folder, count, **(uids | frame | changes))
    return folder


def pet_and_ct(folder: Path) -> Path:
    """Write a CT of 9 slices of 2.5 mm and a PET of 5 slices of 5 mm and pixels of twice the size, in one place."""
    write_series(folder / "ct", 9, ImagePositionPatient=lambda k: [-10, -20, 2.5 * k + 365], **FRAME)
    names = {"Modality": "PT", "SeriesInstanceUID": "1.2.9", "SeriesNumber": 9, "RescaleType": None, "Units": "BQML"}
    places = {"ImagePositionPatient": lambda k: [-10, -20, 5 * k + 365], "PixelSpacing": [1.5, 1]}
    windows = dict.fromkeys(("WindowCenter", "WindowWidth", "WindowCenterWidthExplanation"))
    bright = np.full((8, 6), 4000, "<u2")
    write_series(folder / "pet", 5, **(FRAME | names | places | windows), pixels=lambda k: bright - 1000 * (k % 2))
    return folder


def test_what_is_opened_replaces_another_patient_and_shows_its_middle(
    qtbot: Any, viewer: Any, dock: Any, tmp_path: Path
) -> None:
    read(qtbot, dock, patient(tmp_path / "a", 1, 20))
    viewer.dims.set_point(0, 19 * 2.5)
    viewer.scene.camera.zoom *= 4
    read(qtbot, dock, patient(tmp_path / "b", 2, 6, PixelSpacing=[3, 3]))
    assert visible(viewer) == [6]
    assert [layer.visible for layer in viewer.layers] == [False, True]
    assert slice_shown(viewer) == 3
    assert viewer.layers[-1].world_to_data(viewer.dims.point).round().tolist() == [3, 7, 5]  # for the other planes too
    height = viewer.window._qt_viewer.canvas.native.height()
    assert 0.8 * height < 16 * 3 * viewer.scene.camera.zoom <= height  # it fits: 16 rows of 3 mm

    read(qtbot, dock, patient(tmp_path / "c", 3, 4), shift=True)
    assert visible(viewer) == [6, 4]


def test_a_series_that_was_replaced_is_shown_again_by_one_click(
    qtbot: Any, viewer: Any, dock: Any, tmp_path: Path
) -> None:
    patient(tmp_path / "a", 1, 9)
    patient(tmp_path / "b", 2, 6)
    read(qtbot, dock, tmp_path)
    viewer.dims.set_point(0, 7 * 2.5)
    open_series(qtbot, dock, 1)
    assert (visible(viewer), slice_shown(viewer)) == ([6], 3)
    dock.series.by_patient.trigger()
    first = next(row for row in range(4) if _name_of_row(dock, row) == 0)
    click_row(qtbot, dock, first)
    assert (visible(viewer), slice_shown(viewer)) == ([9], 7)
    assert viewer.layers.selection.active.data.shape[0] == 9


def _name_of_row(dock: Any, row: int) -> int | None:
    index = dock.series.model.index(row, 0)
    branch = dock.series.model.nodes[index.internalId()].branch if index.isValid() else None
    return branch.row.number if branch is not None and branch.row is not None else None


def test_shift_and_enter_add_a_series_to_what_is_shown(
    qtbot: Any, viewer: Any, dock: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_series(tmp_path / "a", 9)
    write_series(tmp_path / "b", 6, SeriesInstanceUID="1.2.9", SeriesNumber=9)
    read(qtbot, dock, tmp_path)
    dock.tabs.setCurrentWidget(dock.series)
    dock.series.table.setCurrentIndex(dock.series.model.index(1, 0))
    shift = Qt.KeyboardModifier.ShiftModifier
    monkeypatch.setattr(QApplication, "keyboardModifiers", lambda: shift)  # synthetic keys do not set it
    qtbot.keyClick(dock.series.table, Qt.Key.Key_Return, shift)
    wait_until_read(qtbot, dock)
    assert visible(viewer) == [9, 6]


def test_series_that_are_opened_together_are_shown_together(qtbot: Any, viewer: Any, dock: Any, tmp_path: Path) -> None:
    from napari_dicommeta._napari.tasks.source import SeriesRequest

    for number in (1, 2, 3):
        patient(tmp_path / str(number), number, 10 - number)
    read(qtbot, dock, tmp_path)
    dock.open_requested([SeriesRequest(number=1), SeriesRequest(number=2)])
    wait_until_read(qtbot, dock)
    assert visible(viewer) == [8, 7]


def test_an_image_without_a_place_is_shown_as_stored_after_a_turned_volume(
    qtbot: Any, viewer: Any, dock: Any, tmp_path: Path
) -> None:
    def corner(k: int) -> np.ndarray:
        plane = np.zeros((16, 12), "<u2")
        plane[1:5, 1:4] = 4000
        return plane

    read(qtbot, dock, patient(tmp_path / "mr", 1, 6, **SAGITTAL))
    qtbot.mouseClick(dock.views.buttons["axial"], Qt.MouseButton.LeftButton)
    assert viewer.dims.order != (0, 1, 2)
    outside = {"Modality": "CR", "ImagePositionPatient": None, "ImageOrientationPatient": None}
    read(qtbot, dock, patient(tmp_path / "cr", 2, 1, pixels=corner, **outside))
    assert (viewer.dims.order, sides(viewer)) == ((0, 1, 2), ("down", "right"))
    viewer.layers.selection.active.contrast_limits = (0, 100)
    rows, columns = np.nonzero(lit(viewer))
    height, width = lit(viewer).shape
    assert rows.mean() < height / 2
    assert columns.mean() < width / 2
    assert not any(button.isChecked() for button in dock.views.buttons.values())


def test_the_plane_that_was_chosen_stays_for_the_next_volume_of_its_frame_of_reference(
    qtbot: Any, viewer: Any, dock: Any, tmp_path: Path
) -> None:
    read(qtbot, dock, patient(tmp_path / "a", 1, 6, **FRAME))
    qtbot.mouseClick(dock.views.buttons["coronal"], Qt.MouseButton.LeftButton)
    read(qtbot, dock, patient(tmp_path / "b", 2, 7, **SAGITTAL, **FRAME))
    assert [name for name, button in dock.views.buttons.items() if button.isChecked()] == ["coronal"]
    read(qtbot, dock, patient(tmp_path / "c", 3, 8))  # another patient: as stored, which is axial
    assert [name for name, button in dock.views.buttons.items() if button.isChecked()] == ["axial"]
    qtbot.mouseClick(dock.views.buttons["sagittal"], Qt.MouseButton.LeftButton)
    viewer.layers.clear()
    assert (viewer.dims.order[-2:], sides(viewer)) == ((0, 1), ("down", "right"))  # for any image that comes next


def test_a_plane_is_marked_only_the_radiological_way_round(qtbot: Any, viewer: Any, dock: Any, tmp_path: Path) -> None:
    prone = {"ImageOrientationPatient": [-1, 0, 0, 0, -1, 0]}
    read(qtbot, dock, patient(tmp_path / "a", 1, 6, **prone))
    axial = dock.views.buttons["axial"]
    assert not axial.isChecked()  # as stored, it is upside down
    qtbot.mouseClick(axial, Qt.MouseButton.LeftButton)
    assert (axial.isChecked(), sides(viewer)) == (True, ("up", "left"))
    viewer.scene.camera.orientation2d = ("down", "left")
    assert not axial.isChecked()


def test_pet_joins_its_ct_in_place_as_a_heat_map_with_a_fade(
    qtbot: Any, viewer: Any, dock: Any, tmp_path: Path
) -> None:
    read(qtbot, dock, patient(tmp_path / "other", 5, 30))
    read(qtbot, dock, pet_and_ct(tmp_path / "pair"))
    ct = viewer.layers[1]
    viewer.dims.set_point(0, 6 * 2.5)
    viewer.scene.camera.zoom *= 2
    zoom, center = viewer.scene.camera.zoom, np.array(viewer.scene.camera.center) - ct.data_to_world((0, 0, 0))
    assert not dock.views.fade_line.isVisible()
    open_series(qtbot, dock, 1)
    pet = viewer.layers[2]
    assert visible(viewer) == [9, 5]
    assert viewer.dims.nsteps[0] == 9
    assert (pet.colormap.name, pet.opacity) == ("inferno", 0.5)
    assert dock.views.patient_space.isChecked()
    np.testing.assert_allclose(pet.data_to_world((3, 0, 0)), ct.data_to_world((6, 0, 0)))
    assert round(ct.world_to_data(viewer.dims.point)[0]) == 6
    assert viewer.scene.camera.zoom == zoom
    np.testing.assert_allclose((np.array(viewer.scene.camera.center) - ct.data_to_world((0, 0, 0)))[1:], center[1:])

    assert dock.views.fade_line.isVisible()
    fade = dock.views.fade
    assert fade.value() == 50
    fade.setFocus()
    qtbot.keyClick(fade, Qt.Key.Key_End)
    assert pet.opacity == 1
    pet.opacity = 0.25  # by napari's own slider
    assert fade.value() == 25
    pet.visible = False
    assert not dock.views.fade_line.isVisible()


def test_ct_that_is_opened_after_its_pet_comes_below_it(qtbot: Any, viewer: Any, dock: Any, tmp_path: Path) -> None:
    pet_and_ct(tmp_path)
    read(qtbot, dock, tmp_path / "pet")
    assert viewer.layers[0].colormap.name == "gray"
    read(qtbot, dock, tmp_path / "ct")
    assert [layer.data.shape[0] for layer in viewer.layers] == [9, 5]
    assert visible(viewer) == [9, 5]
    assert viewer.layers[1].colormap.name == "inferno"
    assert viewer.layers.selection.active == viewer.layers[0]


def test_dose_is_laid_over_its_ct(qtbot: Any, viewer: Any, dock: Any, tmp_path: Path) -> None:
    write_series(tmp_path / "ct", 9, **FRAME)
    planes = [np.full((16, 12), 1000 * k, "<u2") for k in range(4)]
    (tmp_path / "dose.dcm").write_bytes(
        dose(planes, [0, 5, 10, 15], SeriesInstanceUID="1.2.9", SOPInstanceUID="1.2.9.1", **FRAME)
    )
    read(qtbot, dock, tmp_path)
    open_series(qtbot, dock, 1)
    assert visible(viewer) == [9, 4]
    assert viewer.layers[1].colormap.name == "isodose"


def test_a_segmentation_comes_with_its_image_and_can_be_painted(
    qtbot: Any, viewer: Any, dock: Any, tmp_path: Path
) -> None:
    patient(tmp_path / "other", 5, 12)
    write_series(tmp_path / "ct", 9, **FRAME)
    mask = np.zeros((16, 12), np.uint8)
    frames = [{"ReferencedSegmentNumber": 1, "ImagePositionPatient": [-10, -20, z]} for z in (10, 12.5)]
    uids = {"SeriesInstanceUID": "1.2.77", "SOPInstanceUID": "1.2.77.1"}
    mask[8, 6] = 1
    (tmp_path / "seg.dcm").write_bytes(segmentation([mask, mask], frames, **uids, **FRAME))
    read(qtbot, dock, tmp_path)
    assert visible(viewer) == [12]
    number = next(row.number for row in dock.opened.rows if row.modality == "SEG")
    open_series(qtbot, dock, number)
    assert [type(layer).__name__ for layer in viewer.layers if layer.visible] == ["Image", "Labels"]
    labels = viewer.layers[-1]
    image = next(layer for layer in viewer.layers if layer.visible)
    np.testing.assert_allclose(labels.data_to_world((0, 8, 6)), image.data_to_world((4, 8, 6)))

    labels.mode, labels.selected_label, labels.brush_size = "paint", 3, 2
    canvas = viewer.window._qt_viewer.canvas.native
    middle = canvas.rect().center()
    qtbot.mousePress(canvas, Qt.MouseButton.LeftButton, pos=middle)
    qtbot.mouseMove(canvas, middle + QPoint(3, 3))
    qtbot.mouseRelease(canvas, Qt.MouseButton.LeftButton, pos=middle + QPoint(3, 3))
    assert (np.asarray(labels.data) == 3).any()


def test_a_second_series_of_one_place_opens_at_the_slice_that_was_shown(
    qtbot: Any, viewer: Any, dock: Any, tmp_path: Path
) -> None:
    write_series(tmp_path / "a", 12, **FRAME)
    write_series(tmp_path / "b", 6, SeriesInstanceUID="1.2.9", SeriesNumber=9, **FRAME, SliceThickness=5)
    read(qtbot, dock, tmp_path)
    viewer.dims.set_point(0, 5 * 2.5)
    open_series(qtbot, dock, 1)
    assert (visible(viewer), slice_shown(viewer)) == ([6], 5)


def test_layers_of_an_earlier_source_keep_their_curve_and_presets(
    qtbot: Any, viewer: Any, dock: Any, tmp_path: Path
) -> None:
    read(qtbot, dock, patient(tmp_path / "a", 1, 7, ExposureTime=lambda k: 500 + k))
    read(qtbot, dock, patient(tmp_path / "b", 2, 4, ExposureTime=lambda k: 100 + k))
    viewer.layers.selection.active = viewer.layers[0]
    choose_tag(qtbot, dock, "ExposureTime")
    qtbot.waitUntil(lambda: dock.curve.values is not None, timeout=5000)
    np.testing.assert_array_equal(dock.curve.values, [[500 + k for k in range(7)]])
    assert len(dock.presets.buttons) == 3
    dock.tab._ask_for(scope="series")
    qtbot.waitUntil(lambda: dock.values.legend.text().startswith("series (7 files)"), timeout=5000)


def test_another_image_takes_the_place_of_a_fused_pair(qtbot: Any, viewer: Any, dock: Any, tmp_path: Path) -> None:
    read(qtbot, dock, pet_and_ct(tmp_path))
    open_series(qtbot, dock, 1)
    assert dock.views.patient_space.isChecked()
    write_series(tmp_path / "mr", 4, Modality="MR", SeriesInstanceUID="1.2.20", RescaleType=None, **FRAME)
    read(qtbot, dock, tmp_path / "mr")
    assert visible(viewer) == [4]
    assert not dock.views.patient_space.isChecked()  # it was ticked for the fusion
    np.testing.assert_allclose(viewer.layers[-1].data_to_world((0, 0, 0)), 0)


def test_the_slider_covers_what_is_visible(qtbot: Any, viewer: Any, dock: Any, tmp_path: Path) -> None:
    read(qtbot, dock, patient(tmp_path / "a", 1, 20))
    read(qtbot, dock, patient(tmp_path / "b", 2, 6))
    assert viewer.dims.nsteps[0] == 6
    viewer.layers[0].visible = True
    assert viewer.dims.nsteps[0] == 20
    viewer.layers[0].visible = False
    assert viewer.dims.nsteps[0] == 6


def test_a_series_that_matches_as_a_whole_opens_at_its_middle(
    qtbot: Any, viewer: Any, dock: Any, tmp_path: Path
) -> None:
    write_series(tmp_path / "s" / "a", 9, SeriesNumber=1, FrameOfReferenceUID="1.2.3")
    kernels = {"ConvolutionKernel": "B70s", "ExposureTime": lambda k: 500 + k}
    other = {"SeriesInstanceUID": "1.2.9", "SeriesNumber": 2, "FrameOfReferenceUID": "1.2.4"}
    write_series(tmp_path / "s" / "b", 7, **kernels, **other)
    read(qtbot, dock, tmp_path / "s")
    dock.exploration.set_filter("ConvolutionKernel", ("B70s",))
    open_series(qtbot, dock, 1)
    assert slice_shown(viewer) == 3
    viewer.layers.remove(viewer.layers.selection.active)
    dock.exploration.set_filter("ExposureTime", ("505", "506"))
    open_series(qtbot, dock, 1)
    assert slice_shown(viewer) == 5, "the first that matches"


def test_a_series_in_time_and_one_in_color_replace_a_volume(qtbot: Any, viewer: Any, dock: Any, tmp_path: Path) -> None:
    read(qtbot, dock, patient(tmp_path / "a", 1, 20))
    times = {"TemporalPositionIdentifier": lambda k: k // 5 + 1}
    places = {"ImagePositionPatient": lambda k: [-10, -20, 2.5 * (k % 5)]}
    read(qtbot, dock, patient(tmp_path / "t", 2, 15, **times, **places))
    assert viewer.layers[-1].data.shape == (3, 5, 16, 12)
    assert [layer.visible for layer in viewer.layers] == [False, True]
    assert viewer.dims.nsteps[:2] == (3, 5)
    assert viewer.dims.current_step[:2] == (0, 2)  # the first time, the middle slice
    color = {
        "SamplesPerPixel": 3,
        "PhotometricInterpretation": "RGB",
        "PlanarConfiguration": 0,
        "BitsAllocated": 8,
        "BitsStored": 8,
        "HighBit": 7,
        "PixelData": Raw("OB", bytes(range(192)) * 3),
        "ImagePositionPatient": None,
        "ImageOrientationPatient": None,
    }
    read(qtbot, dock, patient(tmp_path / "c", 3, 1, **color))
    assert [layer.visible for layer in viewer.layers] == [False, False, True]
    assert viewer.layers[-1].rgb
    assert viewer.scene.camera.zoom * 16 * 0.75 <= viewer.window._qt_viewer.canvas.native.height()
