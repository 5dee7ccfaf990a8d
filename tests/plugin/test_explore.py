"""What is asked for and the data -> what the dock shows: pure functions, without a window."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from dicom_factory import write_series

import napari_dicommeta as dm
from napari_dicommeta._napari.tasks.compare import compare_with, with_differences
from napari_dicommeta._napari.tasks.explore import Other, Query, resolve, scope_catalog
from napari_dicommeta._napari.tasks.pictures import sheet_rows, thumbnails
from napari_dicommeta._napari.tasks.rows import (
    SeriesRow,
    is_worth_grouping,
    noted,
    offers,
    series_rows,
    tag_rows,
    tree_of,
)
from napari_dicommeta._napari.words import chip_words, where_code
from napari_dicommeta.catalog.conditions import Spelled
from napari_dicommeta.catalog.selection import Selection
from napari_dicommeta.volumes.load import load_series
from napari_dicommeta.volumes.thumbnail import thinned


@pytest.fixture
def catalog(tmp_path: Path) -> dm.Catalog:
    write_series(tmp_path / "a", 4, KVP=lambda k: [100, 120][k % 2], StudyInstanceUID="1.2.1")
    write_series(tmp_path / "b", 3, SeriesInstanceUID="1.2.9", KVP=80, StudyInstanceUID="1.2.1")
    write_series(tmp_path / "c", 2, SeriesInstanceUID="1.2.10", KVP=None, StudyInstanceUID="1.2.2", PatientID="Q")
    return dm.scan(tmp_path)


def counts(shown: object) -> dict[str, tuple[int, int]]:
    return {bar.text: (bar.files, bar.part) for bar in shown.histogram.bars}  # type: ignore[attr-defined]


def test_a_wish_for_nothing_shows_nothing(catalog: dm.Catalog) -> None:
    assert resolve(Query(), catalog, None, None).histogram is None
    assert resolve(Query("KVP"), None, None, None).histogram is None


def test_the_active_series_lies_over_its_scope_unless_it_is_the_scope(catalog: dm.Catalog) -> None:
    first = catalog.series[0]
    shown = resolve(Query("KVP"), catalog, None, first)
    assert counts(shown) == {"80": (3, 0), "100": (2, 2), "120": (2, 2)}
    assert (shown.part_name, shown.scope) == (first.name, "folder")
    assert (shown.histogram.absent, shown.histogram.part_absent) == (2, 0)  # type: ignore[union-attr]
    base = scope_catalog(catalog, "series", first)
    shown = resolve(Query("KVP", "series"), base, None, first)
    assert counts(shown) == {"100": (2, 0), "120": (2, 0)}
    assert shown.part_name == ""


def test_scopes(catalog: dm.Catalog) -> None:
    first, second, third = catalog.series
    files = {
        scope: None if found is None else found.n_files
        for scope in ("folder", "study", "series", "selection")
        for found in [scope_catalog(catalog, scope, first, (third, second))]
    }
    assert files == {"folder": 9, "study": 7, "series": 4, "selection": 5}
    assert scope_catalog(catalog, "series", None) is scope_catalog(catalog, "selection", first) is None


def test_the_own_filter_hides_none_of_a_tags_values(catalog: dm.Catalog) -> None:
    chosen = Selection(catalog).with_filter("KVP", slice(90.0, 110.0)).toggled("Modality", "CT")
    shown = resolve(Query("KVP", view="ranges"), catalog, chosen, None)
    assert counts(shown) == {"80": (3, 0), "100": (2, 0), "120": (2, 0)}
    assert shown.range == (90, 110)
    assert sum(shown.bins.files) == 7  # type: ignore[union-attr]
    assert shown.scope == "matching"
    other = resolve(Query("Modality"), catalog, chosen, None)
    assert counts(other) == {"CT": (2, 0)}
    assert other.chosen == ("CT",)
    absent = resolve(Query("KVP"), catalog, Selection(catalog).with_filter("KVP", False), None)
    assert absent.chosen == (None,)


def test_two_tags_meet_in_a_table_with_the_pairs_that_are_chosen(catalog: dm.Catalog) -> None:
    chosen = Selection(catalog).with_filter(("KVP", "Modality"), (("80", "CT"),))
    shown = resolve(Query("KVP", beside="Modality"), catalog, chosen, None)
    assert shown.joint is not None
    assert dict(zip(shown.joint.rows, shown.joint.counts, strict=True)) == {
        "80": (3,),
        "100": (2,),
        "120": (2,),
        None: (2,),
    }
    assert shown.pairs == {("80", "CT")}
    assert resolve(Query("KVP", beside="KVP"), catalog, None, None).joint is None


def test_another_folder_brings_its_own_values(catalog: dm.Catalog, tmp_path: Path) -> None:
    write_series(tmp_path / "other" / "d", 4, SeriesInstanceUID="1.2.77", KVP=140, EchoTime=5)
    steps = compare_with(catalog, str(tmp_path / "other"))
    while True:
        try:
            next(steps)
        except StopIteration as stop:
            same, other, differences = stop.value
            break
    assert same is catalog
    shown = resolve(Query("KVP"), catalog, None, catalog.series[0], other)
    assert counts(shown) == {"80": (3, 0), "100": (2, 0), "120": (2, 0), "140": (0, 4)}
    assert (shown.part_name, shown.by_share) == ("other", True)
    rows = {row.keyword: row for row in with_differences(tag_rows(catalog), differences)}
    assert rows["Rows"].differs == 0
    assert rows["KVP"].differs == pytest.approx(1)  # no value is on both sides
    assert (rows["EchoTime"].present, rows["EchoTime"].distinct) == (0, 0)  # only the other one has it
    assert rows["SOPInstanceUID"].differs is None
    with pytest.raises(FileNotFoundError):
        list(compare_with(catalog, str(tmp_path / "nowhere")))
    (tmp_path / "nothing").mkdir()
    with pytest.raises(ValueError, match="holds no DICOM file"):
        list(compare_with(catalog, str(tmp_path / "nothing")))
    assert Other("x", catalog) == Other("x", catalog)


def test_tags_are_folded_by_what_they_tell(catalog: dm.Catalog) -> None:
    kinds = {row.keyword: row.kind for row in tag_rows(catalog)}
    assert (kinds["KVP"], kinds["Rows"], kinds["PatientID"]) == ("", "constant", "identifying")
    assert {row.kind for row in tag_rows(catalog.rows(np.array([0])))} == {"", "identifying"}


def test_series_know_their_patients_and_studies(catalog: dm.Catalog) -> None:
    rows = series_rows(catalog, ())
    assert [row.study_uid for row in rows] == ["1.2.1", "1.2.1", "1.2.2"]
    assert rows[2].patient == "Q"
    assert is_worth_grouping(rows)
    tree = tree_of(rows, by_patient=True)
    assert [(study.kind, study.text.partition(" · ")[0], len(study.below)) for study in tree] == [
        ("study", "P1", 2),
        ("study", "Q", 1),
    ]
    assert not is_worth_grouping(rows[:2])  # one study
    each = tuple(replace(row, study_uid=str(row.number), name="1 Axial") for row in rows)
    assert is_worth_grouping(each)  # one series each: their names alone say nothing


def test_what_can_be_done_otherwise_is_offered_where_a_note_allows_it(tmp_path: Path) -> None:
    def offered(name: str, **changes: object) -> list[str]:
        write_series(tmp_path / name, 6, **changes)
        (series,) = dm.scan(tmp_path / name).series
        volumes, refusals = load_series(series)
        row = noted(SeriesRow(name="", modality="", size=""), volumes, refusals)
        assert row.offers == offers(volumes, refusals)
        for offer in row.offers:  # and what is offered works
            opened, _ = load_series(series, split=offer.split, missing_rescale=offer.missing_rescale)
            assert opened
        return [offer.words for offer in row.offers]

    assert offered("plain") == []
    gap = {"ImagePositionPatient": lambda k: [0, 0, 2.5 * k + (5 if k > 3 else 0)]}
    assert offered("gap", **gap) == ["Split at gaps"]
    half = {
        "RescaleSlope": lambda k: None if k == 2 else "1",
        "RescaleIntercept": lambda k: None if k == 2 else "-1024",
    }
    assert offered("half", **half) == ["Open anyway"]
    turned = {"ImageOrientationPatient": lambda k: [1, 0, 0, 0, 1, 0] if k < 3 else [1, 0, 0, 0, 0, -1]}
    assert offered("turned", **turned) == ["Merge"]
    sizes = {"pixels": lambda k: np.zeros((4, 4) if k < 3 else (8, 8), np.int16)}
    assert offered("sizes", **sizes) == []  # of two sizes there is nothing to merge


def test_a_contact_sheet_is_in_the_natural_order_of_names(tmp_path: Path) -> None:
    for n, path in enumerate(write_series(tmp_path, 12)):
        path.rename(path.with_name(f"IM{n + 1}.dcm"))
    (series,) = dm.scan(tmp_path).series
    names = [Path(series.catalog.paths[row]).name for _, row in sheet_rows([series], np.ones(12, dtype=bool))]
    assert names == [f"IM{n}.dcm" for n in range(1, 13)]


def test_a_contact_sheet_takes_from_each_series_that_matches(catalog: dm.Catalog) -> None:
    everything = np.ones(catalog.n_files, dtype=bool)
    assert len(sheet_rows(catalog.series, everything)) == 9
    few = sheet_rows(catalog.series, everything, most=3)
    assert few == ((0, 2), (1, 1), (2, 1))  # the middle of each
    assert sheet_rows(catalog.series, everything, most=2) == ((0, 2), (1, 1))
    only = catalog.mask({"KVP": "120"})
    assert [number for number, _ in sheet_rows(catalog.series, only)] == [0, 0]
    assert sheet_rows(catalog.series, ~everything) == ()


def test_thumbnails_are_seen_through_the_files_window(tmp_path: Path) -> None:
    pixels = np.zeros((16, 12), "<u2")
    pixels[:, 6:] = 1024 + 40  # 40 HU
    write_series(tmp_path, 2, pixels=lambda k: pixels, WindowCenter=40, WindowWidth=400)
    (series,) = dm.scan(tmp_path).series
    first, second = thumbnails((series,), ((0, 0), (0, 1)))
    assert first.picture is not None
    assert first.picture.dtype == np.uint8
    assert first.picture[5, 1] == 0
    assert first.picture[5, -1] == round(255 * (0.5 + 0.5 / 399))  # the middle of the window
    assert (first.path, second.path) == series.catalog.paths
    cut = tmp_path / "cut.dcm"
    cut.write_bytes(Path(series.catalog.paths[0]).read_bytes()[:-100])
    (alone,) = dm.scan(cut).series
    (failed,) = thumbnails((alone,), ((0, 0),))
    assert failed.picture is None
    assert failed.reason


def test_planes_are_thinned_out_in_the_proportions_of_the_patient() -> None:
    plane = np.arange(64 * 32).reshape(64, 32)
    assert thinned(plane, 1.0, 16).shape == (16, 8)
    assert thinned(plane, 0.5, 16).shape == (16, 16)
    assert thinned(np.zeros((8, 8, 3)), 1.0, 4).shape == (4, 4, 3)


@pytest.mark.parametrize(
    ("tag", "condition", "words"),
    [
        ("Manufacturer", ("Philips",), "Philips"),
        ("MagneticFieldStrength", ("1.5", "3"), "1.5 or 3 T"),
        ("SliceThickness", slice(0.5, 1.5), "SliceThickness 0.5 … 1.5 mm"),
        ("RescaleSlope", ("1",), "RescaleSlope 1"),
        ("PatientSex", ("F",), "PatientSex F"),  # a single letter says nothing by itself
        ("KVP", False, "no KVP"),
        (("KVP", "ConvolutionKernel"), (("80", "B30f"),), "80 kV and B30f"),
        (("KVP", "Modality"), (("80", None),), "80 kV and no Modality"),
        ("KVP", (None, "120"), "KVP = (absent) or 120"),
        ("SliceThickness", Spelled(("1.0",)), "SliceThickness spelled = 1.0"),
    ],
)
def test_chips_say_a_filter_in_words(tag: str, condition: object, words: str) -> None:
    assert chip_words(tag, condition) == words


def test_the_code_of_filters_selects_the_same_files(catalog: dm.Catalog) -> None:
    filters = (
        ("KVP", slice(80.0, float("inf"))),
        (("KVP", "Modality"), (("80", "CT"), ("100", None))),
        ("RescaleSlope", Spelled(("1",))),
        ("(0018,0050)", slice(0.5, float("inf"))),
        ("StudyDate", False),
        ("SeriesDate", slice("2010", None)),
    )
    code = where_code(filters)
    head, _, expression = code.rpartition("\n")
    names: dict[str, object] = {"catalog": catalog}
    exec(head, names)
    assert eval(expression, names).paths == catalog.where(dict(filters)).paths
    assert where_code((("Modality", ("CT",)),)) == "catalog.where(Modality=('CT',))"
