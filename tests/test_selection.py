from __future__ import annotations

from pathlib import Path

import pytest
from dicom_factory import write_series

import napari_dicommeta as dm
from napari_dicommeta.selection import Selection


@pytest.fixture
def selection(tmp_path: Path) -> Selection:
    write_series(tmp_path / "a", 4, RescaleSlope=lambda k: ["1", "1.0", "2", "2"][k], KVP=lambda k: [100, 120][k % 2])
    write_series(tmp_path / "b", 3, SeriesInstanceUID="1.2.9", RescaleSlope="1", KVP=None)
    return Selection(dm.scan(tmp_path))


def test_without_a_filter_all_files_are_chosen(selection: Selection) -> None:
    assert selection.files() is selection.catalog
    assert selection.mask().all()
    assert selection.matches(selection.catalog.series) == [4, 3]


def test_values_of_a_tag_add_up_and_tags_narrow(selection: Selection) -> None:
    slope = selection.toggled("RescaleSlope", "2")
    assert slope.files().n_files == 2
    assert slope.matches(selection.catalog.series) == [2, 0]
    both = slope.toggled("RescaleSlope", "1")
    assert both.filters == (("RescaleSlope", ("2", "1")),)
    assert both.files().n_files == 7
    narrowed = slope.toggled("KVP", "120")
    assert narrowed.files().n_files == 1
    assert narrowed.texts("KVP") == ("120",)


def test_a_filter_does_not_hide_the_other_values_of_its_own_tag(selection: Selection) -> None:
    chosen = selection.toggled("RescaleSlope", "2").toggled("KVP", "100")
    assert dict(chosen.counted_for("KVP").values("KVP")) == {"100": 1, "120": 1}
    assert dict(chosen.counted_for("RescaleSlope").values("RescaleSlope")) == {"1": 1, "2": 1}
    assert chosen.counted_for("Modality").n_files == 1


def test_toggling_twice_and_removing_lead_back(selection: Selection) -> None:
    assert selection.toggled("KVP", "100").toggled("KVP", "100") == selection
    chosen = selection.toggled("KVP", "100").toggled("RescaleSlope", "1")
    assert chosen.without("KVP") == selection.toggled("RescaleSlope", "1")
