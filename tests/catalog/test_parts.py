"""A catalog in parts: opened column by column, counted with bounded memory, and a source of commands."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from dicom_factory import ROOT, write_series

import napari_dicommeta as dm
from napari_dicommeta.catalog import columns, storage
from napari_dicommeta.catalog.storage import SavedTable
from napari_dicommeta.cli.main import main


@pytest.fixture
def whole(tmp_path: Path) -> dm.Catalog:
    """Return the catalog of two series, of which each is a part of ``x.parquet``."""
    for n in range(2):
        uids = {"SeriesInstanceUID": f"{ROOT}.{n}", "SOPInstanceUID": lambda k, n=n: f"{ROOT}.{n}.{k}"}
        write_series(tmp_path / str(n), 3, PatientAge=None if n else "040Y", **uids)
    parts = tmp_path / "x.parquet"
    parts.mkdir()
    for n in range(2):
        dm.scan(tmp_path / str(n)).save(parts / f"part-{n}.parquet")
    return dm.scan([tmp_path / "0", tmp_path / "1"])


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    names: list[str] = []
    column: Callable[[SavedTable, str], object] = SavedTable.column

    def counting(table: SavedTable, name: str) -> object:
        names.append(name)
        return column(table, name)

    monkeypatch.setattr(SavedTable, "column", counting)
    return names


def test_opening_reads_no_column_and_counting_one_reads_that(
    whole: dm.Catalog, tmp_path: Path, reads: list[str]
) -> None:
    catalog = dm.Catalog.load(tmp_path / "x.parquet")
    assert (catalog.n_files, reads) == (6, [])
    assert dict(catalog.values("PatientAge")) == {"040Y": 3}
    assert catalog.where(PatientAge="040Y").n_files == 3
    assert reads == ["00101010", "cut"]
    assert catalog.tags() == whole.tags()
    assert [(series.series_instance_uid, series.catalog.n_files) for series in catalog.series] == [
        (f"{ROOT}.0", 3),
        (f"{ROOT}.1", 3),
    ]


def test_a_pass_over_all_tags_keeps_a_bounded_number_of_columns(
    whole: dm.Catalog, tmp_path: Path, reads: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(columns, "KEPT_BYTES", 0)
    catalog = dm.Catalog.load(tmp_path / "x.parquet")
    dict(catalog.values("Rows"))
    first = catalog.tags()
    assert set(catalog.file_rows.store._columns) == {"00280010"}
    assert reads.count("00280010") == 1
    assert catalog.tags() is first  # those of all files are kept
    assert catalog.rows(np.arange(6)).tags() == first == whole.tags()
    assert reads.count("00280011") == 2
    part = catalog.rows(np.array([1, 4]))
    assert (part + part.where(Rows="0")).tags() == whole.rows(np.array([1, 4])).tags()
    assert set(catalog.file_rows.store._columns) == {"00280010"}
    monkeypatch.setattr(columns, "KEPT_BYTES", 1 << 20)
    catalog.tags()
    reads.clear()
    assert catalog.tags() == first
    assert reads == []


def test_a_folder_of_parts_is_a_source_of_commands(
    whole: dm.Catalog, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["values", str(tmp_path / "x.parquet"), "Modality", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["files"] == whole.n_files
    (tmp_path / "empty.parquet").mkdir()
    assert main(["tags", str(tmp_path / "empty.parquet")]) == 2
    assert "the folder holds no .parquet file" in capsys.readouterr().err


@pytest.mark.parametrize("most", [2, 1])
def test_a_few_parts_are_opened_once_and_many_only_while_they_are_read(
    whole: dm.Catalog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, most: int
) -> None:
    opened: list[str] = []

    class Counted(storage.pq.ParquetFile):  # type: ignore[misc]
        def __init__(self, path: str, **options: object) -> None:
            opened.append(path)
            super().__init__(path, **options)

    monkeypatch.setattr(storage.pq, "ParquetFile", Counted)
    monkeypatch.setattr(storage, "MAX_OPEN", most)
    assert dm.Catalog.load(tmp_path / "x.parquet").tags() == whole.tags()
    assert (len(opened) == 2) == (most == 2)
