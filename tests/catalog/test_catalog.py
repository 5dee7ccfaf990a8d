from __future__ import annotations

import gc
from pathlib import Path

import pytest
from dicom_factory import Raw, ct_slice, write_series
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import napari_dicommeta as dm
from napari_dicommeta.catalog.catalog import Catalog, ScanFailure
from napari_dicommeta.dicom.tags import TagPath
from napari_dicommeta.scanning.recorder import Recorder
from napari_dicommeta.scanning.tables import catalog_of_recordings

SLOPES = ["1", "1.0", "1.000000", "2", ""]


@pytest.fixture
def catalog(tmp_path: Path) -> Catalog:
    write_series(tmp_path / "a", 3, RescaleSlope=lambda k: SLOPES[k])
    write_series(
        tmp_path / "b", 2, RescaleSlope=lambda k: ["2", ""][k], SeriesInstanceUID="1.2.3", WindowCenter=None, KVP=120
    )
    return dm.scan(tmp_path)


def test_all_files_are_summarized_once_and_parts_each_for_themselves(catalog: Catalog) -> None:
    assert catalog.tags() is catalog.tags()
    part = catalog.where(SeriesInstanceUID="1.2.3")
    voltages = [next(row for row in one.tags() if row.keyword == "KVP") for one in (catalog, part)]
    assert [(row.present, row.absent) for row in voltages] == [(2, 3), (2, 0)]


def test_values_are_counted_by_meaning_and_by_spelling(catalog: Catalog) -> None:
    assert dict(catalog.values("RescaleSlope")) == {"1": 3, "": 1, "2": 1}
    assert list(catalog.values("RescaleSlope")) == ["1", "", "2"] or list(catalog.values("RescaleSlope")) == [
        "1",
        "2",
        "",
    ]
    assert dict(catalog.values("RescaleSlope", by="spelling")) == {"1": 1, "1.0": 1, "1.000000": 1, "2": 1, "": 1}
    with pytest.raises(ValueError, match="'meaning' or 'spelling'"):
        catalog.values("RescaleSlope", by="text")


def test_present_empty_and_absent_add_up(catalog: Catalog) -> None:
    summaries = {summary.keyword: summary for summary in catalog.tags()}
    slope, kvp = summaries["RescaleSlope"], summaries["KVP"]
    assert (slope.present, slope.empty, slope.absent, slope.unknown) == (4, 1, 0, 0)
    assert (slope.distinct, slope.spellings, slope.vr) == (2, 4, "DS")
    assert (kvp.present, kvp.empty, kvp.absent) == (2, 0, 3)
    assert catalog.values("KVP").absent == 3
    assert catalog.values("Allergies").absent == 5
    assert [s.path for s in catalog.tags()] == sorted(s.path for s in catalog.tags())


def test_where_selects_by_value_number_range_and_presence(catalog: Catalog) -> None:
    assert catalog.where(RescaleSlope="1").n_files == 3
    assert catalog.where(RescaleSlope=1.0).n_files == 3
    assert catalog.where(RescaleSlope="1.0", by="spelling").n_files == 1
    assert catalog.where(RescaleSlope=("1", "2"), Modality="CT").n_files == 4
    assert catalog.where(RescaleSlope=slice(1.5, None)).n_files == 1
    assert catalog.where(KVP=True).n_files == 2
    assert catalog.where(KVP=False).n_files == 3
    assert catalog.where({"(0018,0060)": 120}).n_files == 2
    assert catalog.where(Allergies="none").n_files == 0
    assert dict(catalog.where(KVP=True).where(RescaleSlope="2").values("RescaleSlope")) == {"2": 1}


def test_texts_are_no_burden_to_the_garbage_collector(tmp_path: Path) -> None:
    for n in range(3):
        (tmp_path / f"{n}.dcm").write_bytes(ct_slice(n))
    catalog = dm.scan(tmp_path)
    column = catalog.file_rows.store.find(TagPath.parse("SOPInstanceUID"))
    assert column is not None
    assert catalog.values("SOPInstanceUID", by="spelling") == catalog.values("SOPInstanceUID")
    assert column.texts("spelling") is column.texts("meaning")  # a UID has one spelling, stored once
    gc.collect()
    # with 285,380 files, each list of UIDs would add 5 ms to every garbage collection
    assert not gc.is_tracked(column.texts("meaning").texts)
    assert not gc.is_tracked(column.meaning_texts)
    assert not gc.is_tracked(column.joined_texts("meaning"))


def test_joint_values_count_what_stands_together(catalog: Catalog) -> None:
    counts = catalog.values(("WindowCenter", "KVP"))
    assert dict(counts) == {("40\\-600", None): 3, (None, "120"): 2}


def test_details_hold_spellings_with_vr_and_bytes(tmp_path: Path) -> None:
    for i, (vr, signed) in enumerate([("US", 1), ("SS", 1), ("US", 0)]):
        data = ct_slice(i, PixelPaddingValue=Raw(vr, b"\x30\xf8"), PixelRepresentation=signed)
        (tmp_path / f"{i}.dcm").write_bytes(data)
    values = {value.text: value for value in dm.scan(tmp_path).details("PixelPaddingValue")}
    spelled = {(s.text, s.vr, s.raw, s.files) for s in values["-2000"].spellings}
    assert spelled == {("63536", "US", b"\x30\xf8", 1), ("-2000", "SS", b"\x30\xf8", 1)}
    assert values["63536"].files == 1


def test_variation_tells_where_a_tag_varies(catalog: Catalog) -> None:
    assert catalog.variation("Modality") == "constant"
    assert catalog.variation("SeriesInstanceUID") == "between series"
    assert catalog.variation("RescaleSlope") == "within series"
    assert catalog.where(SeriesInstanceUID="1.2.3").variation("SOPInstanceUID") == "unique"


def test_arrow_and_pandas_hold_the_meanings(catalog: Catalog) -> None:
    table = catalog.to_arrow()
    assert table.num_rows == 5
    assert sorted(table.column("RescaleSlope").to_pylist()) == ["", "1", "1", "1", "2"]
    frame = catalog.to_pandas(by="spelling")
    assert sorted(frame["RescaleSlope"]) == ["", "1", "1.0", "1.000000", "2"]
    assert frame["KVP"].isna().sum() == 3


def recorded(files: list[tuple[str, str, str]]) -> Catalog:
    recorder = Recorder()
    for name, slope, center in files:
        data = ct_slice(0, RescaleSlope=slope, WindowCenter=center, SOPInstanceUID=f"1.2.{len(name)}")
        recorder.add(name, len(data), 0, data, lambda offset, count, data=data: data[offset : offset + count])
    return catalog_of_recordings([recorder.take()])


FILES = st.lists(
    st.tuples(
        st.text("abcdef", min_size=1, max_size=4), st.sampled_from(SLOPES), st.sampled_from(["40", "40.0", "-600"])
    ),
    max_size=8,
    unique_by=lambda file: file[0],
)


def rows(catalog: Catalog) -> list[object]:
    return [
        catalog.to_arrow(by).sort_by("path").to_pylist() if catalog.n_files else [] for by in ("meaning", "spelling")
    ]


@pytest.mark.slow
@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None, max_examples=40)
@given(FILES, st.data())
def test_catalogs_merge_in_any_partition_and_order(files: list[tuple[str, str, str]], data: st.DataObject) -> None:
    whole = recorded(files)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(files)), max_size=3)))
    parts = [recorded(files[a:b]) for a, b in zip([0, *cuts], [*cuts, len(files)], strict=True)]
    parts = data.draw(st.permutations(parts))
    merged = parts[0]
    for part in parts[1:]:
        merged = merged + part
    assert rows(merged) == rows(whole)
    assert dict(merged.values("RescaleSlope")) == dict(whole.values("RescaleSlope"))
    assert merged.tags() == whole.tags()


@pytest.mark.slow
@settings(
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture], deadline=None, max_examples=25
)
@given(files=FILES)
def test_save_and_load_is_the_same_catalog(tmp_path: Path, files: list[tuple[str, str, str]]) -> None:
    whole = recorded(files)
    whole.save(tmp_path / "x.parquet")
    loaded = Catalog.load(tmp_path / "x.parquet")
    assert rows(loaded) == rows(whole)
    assert loaded.tags() == whole.tags()
    for summary in whole.tags():
        assert loaded.details(summary.path) == whole.details(summary.path)


def test_a_saved_catalog_keeps_failures_and_reads_in_pandas(tmp_path: Path) -> None:
    import pandas as pd

    write_series(tmp_path / "in", 2, RescaleSlope=lambda k: SLOPES[k])
    (tmp_path / "in" / "notes.txt").write_text("hello")
    catalog = dm.scan(tmp_path / "in")
    catalog.save(tmp_path / "x.parquet")
    loaded = dm.Catalog.load(tmp_path / "x.parquet")
    assert loaded.failures == catalog.failures
    assert isinstance(loaded.failures[0], ScanFailure)
    frame = pd.read_parquet(tmp_path / "x.parquet")
    assert list(frame["RescaleSlope"]) == [1.0, 1.0]
    assert list(frame["RescaleSlope_text"]) == ["1", "1"]
    assert (tmp_path / "x.parquet").stat().st_mode & 0o777 == 0o600
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_what_is_no_catalog_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.parquet").write_bytes(b"hello")
    with pytest.raises(ValueError, match="not a Parquet file"):
        dm.Catalog.load(tmp_path / "x.parquet")
