"""Layers that napari's own menus make of a volume are not that volume, and break nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from dicom_factory import write_series
from napari.layers import Labels
from napari.layers import _layer_actions as menu
from qtpy.QtCore import Qt
from window_driver import choose_tag, drop, open_dock, slice_shown, wait_until_read

import napari_dicommeta as dm


@pytest.fixture
def dock(qtbot: Any, viewer: Any, tmp_path: Path) -> Any:
    dock = open_dock(viewer)
    write_series(tmp_path / "ct", 9, FrameOfReferenceUID="1.2.3", ExposureTime=lambda k: 500 + k)
    drop(dock, tmp_path / "ct")
    wait_until_read(qtbot, dock)
    viewer.layers.selection = {viewer.layers[0]}
    return dock


def works_on(qtbot: Any, viewer: Any, dock: Any, derived: Any) -> None:
    """Use every control of the dock while `derived` is active: nothing is done to it, and nothing raises."""
    viewer.layers.selection.active = derived
    assert dm.volume_of(derived) is None
    assert dm.catalog_of(derived) is None
    assert dock.presets.buttons == []
    limits = tuple(getattr(derived, "contrast_limits", ()))
    translate = tuple(derived.translate)
    for key in (Qt.Key.Key_0, Qt.Key.Key_1, Qt.Key.Key_BracketRight):
        qtbot.keyClick(dock.window(), key, Qt.KeyboardModifier.AltModifier)
    dock.windows.choose(-1)
    dock.windows.step(1)
    choose_tag(qtbot, dock, "ExposureTime")
    dock.view.go_to_slice(5)
    viewer.dims.set_point(0, 5)
    dock.set_patient_space(True)
    dock.set_patient_space(False)
    assert tuple(getattr(derived, "contrast_limits", ())) == limits
    assert tuple(derived.translate) == translate
    assert not any(button.isEnabled() for button in dock.views.buttons.values())


def test_a_layer_with_another_name_is_called_so(viewer: Any, dock: Any) -> None:
    viewer.layers[0].name = "before <b>therapy</b>"
    assert dock.presets.title.text() == "Window · before <b>therapy</b>"


def test_a_volume_beside_a_layer_in_smaller_units_shows_the_slice_it_claims(
    qtbot: Any, viewer: Any, dock: Any, tmp_path: Path
) -> None:
    ct = viewer.layers[0]
    viewer.add_image(np.zeros((5, 8, 8)), scale=(4000, 900, 900), units=("um",) * 3, name="microscopy")
    viewer.layers.selection.active = ct
    for number in (2, 7):
        dock.view.go_to_slice(number)
        assert dock.view.slice_shown() == number
        assert dock.windows.windowing.slice_number() == number
        shown = np.asarray(ct._slice.image.raw)
        assert np.array_equal(shown, np.asarray(ct.data)[number])
    write_series(tmp_path / "next", 7, SeriesInstanceUID="1.2.9")
    drop(dock, tmp_path / "next")
    wait_until_read(qtbot, dock)
    opened = viewer.layers.selection.active
    assert np.array_equal(np.asarray(opened._slice.image.raw), np.asarray(opened.data)[3])  # its middle


def test_a_duplicate_is_the_users_own(qtbot: Any, viewer: Any, dock: Any) -> None:
    menu._duplicate_layer(viewer.layers)
    source, copy = viewer.layers
    assert np.array_equal(copy.data, source.data)
    works_on(qtbot, viewer, dock, copy)
    viewer.layers.selection.active = source
    assert len(dock.presets.buttons) == 3


@pytest.mark.parametrize("mode", ["max", "mean"])
def test_a_projection_is_not_placed_or_sliced_as_its_source(qtbot: Any, viewer: Any, dock: Any, mode: str) -> None:
    menu._project(viewer.layers, axis=0, mode=mode)
    works_on(qtbot, viewer, dock, viewer.layers[-1])


def test_a_volume_that_is_converted_to_labels_leaves_the_dock_whole(
    qtbot: Any, viewer: Any, dock: Any, tmp_path: Path
) -> None:
    menu._convert_to_labels(viewer.layers)
    (labels,) = viewer.layers
    assert isinstance(labels, Labels)
    works_on(qtbot, viewer, dock, labels)
    viewer.layers.clear()
    write_series(tmp_path / "next", 5, SeriesInstanceUID="1.2.9")
    drop(dock, tmp_path / "next")
    wait_until_read(qtbot, dock)
    assert (len(dock.presets.buttons), slice_shown(viewer)) == (3, 2)


def test_the_slices_of_a_split_stack_are_images_of_their_own(qtbot: Any, viewer: Any, dock: Any) -> None:
    menu._split_stack(viewer.layers)
    assert len(viewer.layers) == 9
    works_on(qtbot, viewer, dock, viewer.layers[3])


def test_a_crop_with_the_metadata_of_its_source_is_not_placed_as_that(qtbot: Any, viewer: Any, dock: Any) -> None:
    source = viewer.layers[0]
    crop = viewer.add_image(np.asarray(source.data)[2:5, 3:9, 2:8], metadata=source.metadata, scale=source.scale)
    works_on(qtbot, viewer, dock, crop)


def test_a_layer_whose_data_are_replaced_is_not_the_volume_any_more(qtbot: Any, viewer: Any, dock: Any) -> None:
    layer = viewer.layers[0]
    assert len(dock.presets.buttons) == 3
    layer.data = np.asarray(layer.data)[::2] * 2
    assert dock.presets.buttons == []  # at once
    works_on(qtbot, viewer, dock, layer)
