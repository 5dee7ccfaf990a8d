from __future__ import annotations

import os
from pathlib import Path

import pytest
from dicom_factory import ct_slice, write_series

import napari_dicommeta as dm
from napari_dicommeta import cache, recorder


@pytest.fixture(autouse=True)
def own_cache_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    import platformdirs

    folder = tmp_path / "cache"
    monkeypatch.setattr(platformdirs, "user_cache_path", lambda _name: folder)
    return folder


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    read: list[str] = []
    add = recorder.Recorder.add

    def counted(self, path, *rest):
        read.append(Path(path).name)
        return add(self, path, *rest)

    monkeypatch.setattr(recorder.Recorder, "add", counted)
    return read


def test_only_what_changed_is_read_again(tmp_path: Path, reads: list[str]) -> None:
    source = tmp_path / "in"
    paths = write_series(source, 4)
    (source / "note.txt").write_text("hello " * 40)
    first = dm.scan(source, cache=True)
    assert len(reads) == 5
    reads.clear()
    again = dm.scan(source, cache=True)
    assert reads == []
    assert again.to_arrow().to_pydict() == first.to_arrow().to_pydict()
    assert again.failures == first.failures
    assert again.tags() == first.tags()

    paths[1].write_bytes(ct_slice(1, RescaleSlope=2))
    paths[2].unlink()
    (source / "new.dcm").write_bytes(ct_slice(9))
    changed = dm.scan(source, cache=True)
    assert set(reads) == {paths[1].name, "new.dcm"}
    plain = dm.scan(source)
    assert changed.to_arrow().to_pydict() == plain.to_arrow().to_pydict()
    assert changed.failures == plain.failures
    assert dict(changed.values("RescaleSlope")) == {"1": 3, "2": 1}


def test_a_file_with_the_same_size_but_another_time_is_read_again(tmp_path: Path, reads: list[str]) -> None:
    (path,) = write_series(tmp_path / "in", 1)
    dm.scan(tmp_path / "in", cache=True)
    path.write_bytes(ct_slice(0, RescaleSlope=2))
    os.utime(path, ns=(1, 1))
    assert dict(dm.scan(tmp_path / "in", cache=True).values("RescaleSlope")) == {"2": 1}


def test_a_damaged_cache_costs_time_only(tmp_path: Path, own_cache_folder: Path) -> None:
    write_series(tmp_path / "in", 2)
    dm.scan(tmp_path / "in", cache=True)
    (kept,) = own_cache_folder.glob("*.parquet")
    assert kept.stat().st_mode & 0o777 == 0o600
    kept.write_bytes(b"nonsense")
    assert dm.scan(tmp_path / "in", cache=True).n_files == 2
    cache.forget([str(tmp_path / "in")])
    assert list(own_cache_folder.iterdir()) == []


def test_many_files_are_asked_for_by_processes(
    tmp_path: Path, reads: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cache, "BATCH", 4)
    paths = write_series(tmp_path / "in", 18)
    dm.scan(tmp_path / "in", cache=True)
    reads.clear()
    paths[7].write_bytes(ct_slice(7, RescaleSlope=2))
    assert dict(dm.scan(tmp_path / "in", cache=True).values("RescaleSlope")) == {"1": 17, "2": 1}
    assert reads == [paths[7].name]
