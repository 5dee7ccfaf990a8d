from __future__ import annotations

import pickle
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fsspec
import numpy as np
import pytest
from dicom_factory import write_series

import napari_dicommeta as dm
from napari_dicommeta.catalog.series_parts import series_parts
from napari_dicommeta.scanning import remote
from napari_dicommeta.scanning.scan import iter_scan


def content(catalog: dm.Catalog) -> dict[str, Any]:
    found = catalog.to_arrow("spelling").drop_columns("path").to_pydict()
    order = sorted(range(catalog.n_files), key=lambda i: found["SOPInstanceUID"][i])
    return {name: [values[i] for i in order] for name, values in found.items()}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for i in range(3):
        write_series(
            tmp_path / "in" / f"s{i}", 4, SeriesInstanceUID=f"1.2.{i}", SOPInstanceUID=lambda k, i=i: f"1.9.{i}.{k}"
        )
    (tmp_path / "in" / "note.txt").write_text("hello " * 40)
    return tmp_path / "in"


def test_files_in_memory(folder: Path) -> None:
    system = fsspec.filesystem("memory")
    system.put(str(folder), "/bucket", recursive=True)
    catalog = dm.scan("memory://bucket")
    assert content(catalog) == content(dm.scan(folder))
    assert [failure.outcome for failure in catalog.failures] == ["rejected"]
    assert all(path.startswith("memory://") for path in catalog.paths)
    system.rm("/bucket", recursive=True)


def test_files_in_an_archive(folder: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        for path in folder.rglob("*"):
            archive.write(path, path.relative_to(folder))
    catalog = dm.scan(f"zip://::{tmp_path / 'x.zip'}")
    assert content(catalog) == content(dm.scan(folder))


def test_a_source_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    for url in ("memory://nowhere", f"zip://::{tmp_path / 'gone.zip'}"):
        with pytest.raises(FileNotFoundError):
            dm.scan(url)
    fsspec.filesystem("memory").makedirs("/empty")
    assert dm.scan("memory://empty").outcomes == dm.scan(tmp_path).outcomes
    fsspec.filesystem("memory").rm("/empty", recursive=True)


@pytest.fixture(scope="module")
def client() -> Iterator[Any]:
    from dask.distributed import Client, LocalCluster

    with (
        LocalCluster(n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None) as cluster,
        Client(cluster) as client,
    ):
        yield client


@pytest.mark.slow
def test_a_cluster_reads_what_one_process_reads(folder: Path, client: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote, "CLUSTER_FILES", 3)
    catalog = dm.scan(folder, client=client)
    plain = dm.scan(folder)
    assert catalog.to_arrow().to_pydict() == plain.to_arrow().to_pydict()
    assert catalog.failures == plain.failures


@pytest.mark.slow
def test_a_cluster_writes_a_data_set_and_it_opens_column_by_column(
    folder: Path, client: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remote, "CLUSTER_FILES", 5)
    catalog = dm.scan(folder, client=client, output=tmp_path / "out")
    assert len(list((tmp_path / "out").glob("part-*.parquet"))) == 3
    plain = dm.scan(folder)
    assert dict(catalog.values("SeriesInstanceUID")) == dict(plain.values("SeriesInstanceUID"))
    assert catalog.failures == plain.failures
    assert content(dm.Catalog.load(tmp_path / "out")) == content(plain)
    assert dm.Catalog.load(tmp_path / "out").where(SeriesInstanceUID="1.2.1").n_files == 4


@pytest.mark.slow
def test_a_cluster_checks_and_tabulates_what_one_process_does(folder: Path, client: Any, tmp_path: Path) -> None:
    write_series(folder / "gap", 4, SeriesInstanceUID="1.2.9", ImagePositionPatient=lambda k: [0, 0, [0, 1, 2, 5][k]])
    dm.scan(folder, client=client, output=tmp_path / "out")
    told: list[tuple[int, int]] = []
    for catalog in (dm.scan(folder), dm.Catalog.load(tmp_path / "out")):
        told.clear()
        table = dm.series_table(catalog, client=client, progress=lambda *done: told.append(done))
        assert table.equals(dm.series_table(catalog))
        assert told[-1] == (4, 4)
        assert len(told) > 1
        findings = dm.check(catalog, client=client)
        assert findings == dm.check(catalog)
        assert "gap" in {finding.code for finding in findings}
    assert not client.futures


def test_parts_hold_each_series_once_and_its_rows(folder: Path) -> None:
    catalog = dm.scan(folder)
    parts = [pickle.loads(pickle.dumps(part)) for part in series_parts(catalog, 1)]
    assert len(parts) > 1
    sent = [series for part in parts for series in part]
    assert [series.series_instance_uid for series in sent] == [series.series_instance_uid for series in catalog.series]
    for series, own in zip(sent, catalog.series, strict=True):
        assert series.catalog.paths == own.catalog.paths
        assert series.rows.tolist() == own.rows.tolist()
        assert series.catalog.tags() == own.catalog.tags()
    assert list(series_parts(catalog.rows(np.arange(0)), 2)) == []


def test_output_needs_a_client(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="output needs a client"):
        dm.scan(folder, output=tmp_path / "out")


@pytest.mark.slow
def test_closing_a_distributed_scan_cancels_its_tasks(
    folder: Path, client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remote, "CLUSTER_FILES", 3)
    monkeypatch.setattr(remote, "REPORT_SECONDS", -1.0)
    steps = iter_scan(folder, client=client)
    while next(steps).found < 6:
        pass
    assert len(client.futures) == 2
    steps.close()
    assert not client.futures
    monkeypatch.undo()
    assert dm.scan(folder, client=client).n_files == 12


def test_the_tasks_of_a_long_listing_grow() -> None:
    sizes, found = [], 0
    while found < 285_380:
        sizes.append(remote._task_files(found))
        found += sizes[-1]
    assert sizes == sorted(sizes)
    assert sizes[0] == remote.CLUSTER_FILES
    assert sizes[-1] == remote.MOST_CLUSTER_FILES
