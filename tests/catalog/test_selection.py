from __future__ import annotations

import math
from pathlib import Path

import pytest
from dicom_factory import write_series

import napari_dicommeta as dm
from napari_dicommeta._napari.words import described, keyword_of
from napari_dicommeta.catalog.conditions import Spelled
from napari_dicommeta.catalog.selection import Selection


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


def test_pairs_are_chosen_as_they_stand_together(selection: Selection) -> None:
    catalog = selection.catalog
    pair = ("RescaleSlope", "KVP")
    assert catalog.where({pair: [("2", "100")]}).n_files == 1
    assert catalog.where({pair: [("1", "100"), ("1", "120"), ("1", None)]}).n_files == 5
    assert catalog.where({pair: [("9", "100"), ("1", "9")]}).n_files == 0
    assert catalog.where({("KVP", "EchoTime"): [(None, None)]}).n_files == 3  # no file holds the second
    assert catalog.where(Modality="CT").where({pair: [("1", None)]}).n_files == 3
    assert catalog.where({("RescaleSlope", "KVP"): [("1.0", "120")]}, by="spelling").n_files == 1
    three = ("RescaleSlope", "KVP", "InstanceNumber")
    number = catalog.where({pair: [("2", "100")]}).column_texts("InstanceNumber")[0]
    assert catalog.where({three: [("2", "100", number), ("9", "100", number), ("2", "100", None)]}).n_files == 1
    assert catalog.where({(*three, "Modality", "SOPInstanceUID"): [("2", "100", number, "CT", "?")]}).n_files == 0
    chosen = selection.with_filter(pair, (("1", None),))
    assert chosen.matches(catalog.series) == [0, 3]
    assert chosen.texts(pair) == ()
    assert chosen.aside_from("KVP") == selection  # the files over which a tag's own bars are counted
    assert chosen.aside_from("Modality") == chosen
    assert chosen.without("KVP") == chosen  # removing a filter keeps the others
    both = chosen.toggled("KVP", "100")
    assert both.toggled("KVP", "100") == chosen


def test_pairs_add_up_in_either_order_of_their_tags(selection: Selection) -> None:
    one = selection.toggled_pair(("RescaleSlope", "KVP"), ("1", None))
    two = one.toggled_pair(("KVP", "RescaleSlope"), ("100", "2"))
    assert two.filters == ((("RescaleSlope", "KVP"), (("1", None), ("2", "100"))),)
    assert two.files().n_files == 4
    assert two.pairs(("KVP", "RescaleSlope")) == ((None, "1"), ("100", "2"))
    assert two.toggled_pair(("RescaleSlope", "KVP"), ("1", None)).toggled_pair(
        ("KVP", "RescaleSlope"), ("100", "2")
    ) == (selection)


def test_values_are_chosen_by_their_spelling_and_absence_adds_up(selection: Selection) -> None:
    catalog = selection.catalog
    spellings = dict(catalog.values("RescaleSlope", by="spelling"))
    assert len(spellings) > len(dict(catalog.values("RescaleSlope")))  # otherwise this test proves nothing
    for text, files in spellings.items():
        assert selection.toggled("RescaleSlope", text, "spelling").files().n_files == files
    spelled = selection.toggled("RescaleSlope", "1.0", "spelling")
    assert (spelled.texts("RescaleSlope", "spelling"), spelled.texts("RescaleSlope")) == (("1.0",), ())
    assert spelled.toggled("RescaleSlope", "1.0", "spelling") == selection
    assert spelled.toggled("RescaleSlope", "1").filters == (("RescaleSlope", ("1",)),)
    absent = selection.toggled("KVP", None)
    assert absent.filters == (("KVP", False),)
    assert (absent.files().n_files, absent.toggled("KVP", "100").files().n_files) == (3, 5)
    assert absent.toggled("KVP", "100").texts("KVP") == (None, "100")
    assert absent.toggled("KVP", "100").toggled("KVP", None).filters == (("KVP", ("100",)),)
    assert selection.toggled("EchoTime", None).toggled("EchoTime", "5").files().n_files == catalog.n_files


def test_ranges_and_presence_are_filters_too(selection: Selection) -> None:
    ranged = selection.with_filter("KVP", slice(110.0, 130.0))
    assert (ranged.files().n_files, ranged.range_of("KVP"), ranged.texts("KVP")) == (2, (110, 130), ())
    assert ranged.with_filter("KVP", slice(90.0, 130.0)).files().n_files == 4
    assert selection.with_filter("KVP", False).matches(selection.catalog.series) == [0, 3]
    assert ranged.toggled("KVP", "100").filters == (("KVP", ("100",)),)  # a value replaces a range
    assert selection.range_of("KVP") is None


@pytest.mark.parametrize(
    ("tag", "condition", "words"),
    [
        ("RescaleSlope", ("1", "2"), "RescaleSlope = 1 or 2"),
        (
            "SharedFunctionalGroupsSequence.PixelMeasuresSequence.SliceThickness",
            ("",),
            "PixelMeasures.SliceThickness = (empty)",
        ),
        ("SliceThickness", slice(0.5, 1.5), "SliceThickness 0.5 … 1.5"),
        ("KVP", slice(float("-inf"), 80.0), "KVP ≤ 80"),
        ("KVP", slice(120.0, float("inf")), "KVP ≥ 120"),
        ("KVP", slice(100.0, math.nextafter(120.0, 0.0)), "KVP 100 … < 120"),
        ("KVP", slice(float("-inf"), math.nextafter(80.0, 0.0)), "KVP < 80"),
        ("StudyDate", slice(20230101.0, 20231231.0), "StudyDate 20230101 … 20231231"),
        ("KVP", slice(0.1 + 0.2, 7.0), "KVP 0.3 … 7"),
        ("KVP", slice(100.0, 100.0), "KVP 100"),
        ("Exposure", slice(5000.0, math.nextafter(7000.0, 0.0)), "Exposure 5000 … < 7000"),
        ("SliceLocation", slice(-10000.0, math.nextafter(-5000.0, -9e9)), "SliceLocation -10000 … < -5000"),
        ("KVP", slice(None, 5), "KVP ≤ 5"),
        ("RescaleSlope", Spelled(("1.0",)), "RescaleSlope spelled = 1.0"),
        ("KVP", (None, "100"), "KVP = (absent) or 100"),
        ("PixelPaddingValue", False, "PixelPaddingValue absent or unknown"),
        ("PixelPaddingValue", True, "PixelPaddingValue present"),
        (("WindowCenter", "WindowWidth"), (("40", None),), "WindowCenter × WindowWidth = 40 × (absent)"),
        ("SOPInstanceUID", tuple(map(str, range(22))), None),
    ],
)
def test_filters_are_told_in_words(tag: object, condition: object, words: str | None) -> None:
    text = described(tag, condition)  # type: ignore[arg-type]
    assert text == words if words else text.endswith("or 19 or 2 more")


def test_a_pair_is_named_by_both_its_keywords() -> None:
    assert keyword_of("PixelValueTransformationSequence.RescaleSlope") == "PixelValueTransformation.RescaleSlope"
    assert keyword_of("(0009,xx01,A 1%2E2)") == "(0009,xx01,A 1%2E2)"
    assert keyword_of(("WindowCenter", "WindowWidth")) == "WindowCenter × WindowWidth"


def test_holds_says_whether_a_selection_has_one_of_several_values(tmp_path: Path) -> None:
    write_series(tmp_path / "a", 2, Modality="CT")
    write_series(tmp_path / "b", 2, Modality="MR")
    catalog = dm.scan(tmp_path)
    of_ct, of_mr = catalog.where(Modality="CT").file_rows, catalog.where(Modality="MR").file_rows
    assert of_ct.holds("Modality", ("CT", "PT"))
    assert not of_ct.holds("Modality", ("MR",))
    assert of_mr.holds("Modality", ("MR",))
    assert not of_mr.holds("Modality", ("CT", "PT"))
    assert not catalog.file_rows.holds("Modality", ("US",))
    assert not catalog.file_rows.holds("EchoTime", ("1",))
