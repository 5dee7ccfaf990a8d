"""Numbers as numbers, dates as dates, lists as lists; the text beside."""

from __future__ import annotations

import json
import sys
from datetime import date, datetime, time
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from dicom_factory import write_series

import napari_dicommeta as dm
from napari_dicommeta.catalog import storage
from napari_dicommeta.catalog.joined_tables import FILE_COLUMNS
from napari_dicommeta.catalog.typed_columns import typed_values
from napari_dicommeta.dicom.tags import TagPath


@pytest.fixture
def catalog(tmp_path: Path) -> dm.Catalog:
    write_series(
        tmp_path,
        3,
        RescaleSlope=lambda k: ["1.0", "2", None][k],
        WindowCenter=lambda k: [[40, -600], 50, None][k],
        StudyDate=lambda k: ["20240229", "20230229", ""][k],
        ImageType=["ORIGINAL", "PRIMARY"],
    )
    return dm.scan(tmp_path)


def test_columns_have_the_types_of_their_tags(catalog: dm.Catalog) -> None:
    table = catalog.to_arrow(typed=True).sort_by("InstanceNumber")
    types = {name: table.schema.field(name).type for name in table.column_names}
    assert types["RescaleSlope"] == pa.float64()
    assert types["Rows"] == pa.int64()
    assert types["StudyDate"] == pa.date32()
    assert types["WindowCenter"] == pa.list_(pa.float64())
    assert types["ImageType"] == pa.list_(pa.string())
    assert pa.types.is_dictionary(types["Modality"])
    assert table["RescaleSlope"].to_pylist() == [1.0, 2.0, None]
    assert table["RescaleSlope_text"].to_pylist() == ["1", "2", None]
    assert table["WindowCenter"].to_pylist() == [[40.0, -600.0], [50.0], None]
    assert table["StudyDate"].to_pylist() == [date(2024, 2, 29), None, None]  # 2023 had no such day
    assert table["StudyDate_text"].to_pylist() == ["20240229", "20230229", ""]
    assert table["ImageType"].to_pylist() == [["ORIGINAL", "PRIMARY"]] * 3
    assert "Modality_text" not in types


def test_the_text_beside_is_the_spelling_on_request(catalog: dm.Catalog) -> None:
    table = catalog.to_arrow(by="spelling", typed=True).sort_by("InstanceNumber")
    assert table["RescaleSlope"].to_pylist() == [1.0, 2.0, None]
    assert table["RescaleSlope_text"].to_pylist() == ["1.0", "2", None]


def test_without_types_the_table_is_as_before(catalog: dm.Catalog) -> None:
    plain, typed = catalog.to_arrow(), catalog.to_arrow(typed=True)
    assert all(pa.types.is_dictionary(field.type) for field in plain.schema if field.name != "path")
    for name in plain.column_names:
        assert (
            plain[name].to_pylist()
            == typed[f"{name}_text" if f"{name}_text" in typed.column_names else name].to_pylist()
        )


def test_a_selection_has_the_types_of_the_whole(catalog: dm.Catalog) -> None:
    part = catalog.where(RescaleSlope="2").to_arrow(typed=True)
    assert (part["RescaleSlope"].to_pylist(), part["WindowCenter"].to_pylist()) == ([2.0], [[50.0]])


@pytest.mark.parametrize(
    ("tag", "vr", "texts", "expected"),
    [
        ("SeriesNumber", "IS", ["7", "1.5", "", "99999999999999999999"], [7, None, None, None]),
        ("PixelSpacing", "DS", ["0.5\\0.5", "x\\1"], [[0.5, 0.5], None]),
        ("RescaleSlope", "DS", ["1\\2", "nan"], [None, None]),
        (
            "StudyTime",
            "TM",
            ["1148", "11:48:05.5", "235960", "x"],
            [time(11, 48), time(11, 48, 5, 500_000), None, None],
        ),
        (
            "AcquisitionDateTime",
            "DT",
            ["20180918114805.5+0200", "2018"],
            [datetime(2018, 9, 18, 11, 48, 5, 500_000), datetime(2018, 1, 1)],
        ),
        ("PatientAge", "AS", ["045Y", "006M", "old"], [45.0, 0.5, None]),
        ("DateOfSecondaryCapture", "DA", ["2018.09.18"], [date(2018, 9, 18)]),
        ("CalibrationDate", "DA", ["20180918\\20180919", "20180918\\"], [[date(2018, 9, 18), date(2018, 9, 19)], None]),
        ("PatientComments", "LT", ["a\\b"], None),
        ("Modality", "CS", ["CT"], None),
        ("(0009,xx01,ME)", "DS", ["1", "2"], [1.0, 2.0]),
        ("(0009,xx01,ME)", "DS", ["1", "2\\3"], [[1.0], [2.0, 3.0]]),
        ("SharedFunctionalGroupsSequence.PixelMeasuresSequence.SliceThickness", "DS", ["1"], None),
    ],
)
def test_values_that_are_not_of_the_type_are_null(
    tag: str, vr: str, texts: list[str], expected: list[object] | None
) -> None:
    values = typed_values(TagPath.parse(tag), vr, texts)
    assert (None if values is None else values.to_pylist()) == expected


def test_a_saved_catalog_has_the_types_and_loads_without_loss(catalog: dm.Catalog, tmp_path: Path) -> None:
    catalog.save(tmp_path / "x.parquet")
    saved, typed = pq.read_table(tmp_path / "x.parquet"), catalog.to_arrow(typed=True)
    for name in typed.column_names:
        assert saved[name].to_pylist() == typed[name].to_pylist(), name
    loaded = dm.Catalog.load(tmp_path / "x.parquet")
    assert loaded.tags() == catalog.tags()
    assert loaded.details("RescaleSlope") == catalog.details("RescaleSlope")
    assert loaded.to_arrow(typed=True).equals(typed)


def test_a_catalog_of_the_first_version_still_loads(catalog: dm.Catalog, tmp_path: Path) -> None:
    storage.save(catalog.file_rows.store, [], tmp_path / "x.parquet", typed=False)
    table = pq.read_table(tmp_path / "x.parquet")
    content = json.loads(table.schema.metadata[storage.METADATA])
    content["version"] = 1
    del content["typed"]
    old = table.replace_schema_metadata({storage.METADATA: json.dumps(content).encode()})
    pq.write_table(old, tmp_path / "old.parquet")
    names = {name for name in table.column_names if not name.startswith("raw:")}
    assert names == {*FILE_COLUMNS, *catalog.to_arrow().column_names}
    loaded = dm.Catalog.load(tmp_path / "old.parquet")
    assert loaded.details("RescaleSlope") == catalog.details("RescaleSlope")
    assert loaded.to_arrow().equals(catalog.to_arrow())


def test_programs_that_read_arrow_take_a_catalog(catalog: dm.Catalog) -> None:
    table = pa.table(catalog)
    assert table.equals(catalog.to_arrow(typed=True))
    assert pa.table(catalog, schema=table.schema).num_rows == 3


def test_a_catalog_is_a_frame_of_polars(catalog: dm.Catalog) -> None:
    polars = pytest.importorskip("polars")
    frame = catalog.to_polars()
    assert frame["RescaleSlope"].sum() == 3.0
    assert frame["WindowCenter"].dtype == polars.List(polars.Float64)
    assert polars.DataFrame(catalog).equals(frame)


def test_without_polars_its_import_fails(catalog: dm.Catalog, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "polars", None)
    with pytest.raises(ImportError, match="polars"):
        catalog.to_polars()
