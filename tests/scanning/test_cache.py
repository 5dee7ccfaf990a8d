from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest
from dicom_factory import ct_slice, write_series

import napari_dicommeta as dm
from napari_dicommeta.scanning import cache, local, reading, recorder, source_marks
from napari_dicommeta.scanning import folder_marks as marks


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


def test_a_cancelled_scan_keeps_what_it_has_read(
    tmp_path: Path, reads: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(local, "REPORT_SECONDS", 0.0)
    monkeypatch.setattr(local, "FIRST_SECONDS", 1e-9)
    monkeypatch.setattr(local, "TABLE_SHARE", 1e9)
    monkeypatch.setattr(reading, "TURN_SECONDS", 0.0)  # or all are read before the first are reported
    write_series(tmp_path / "in", 300)
    steps = dm.iter_scan(tmp_path / "in", workers=1, cache=True)
    done = 0
    while done < 100:
        done = next(steps).done
    steps.close()
    assert done <= len(set(reads)) < 300
    reads.clear()
    assert dm.scan(tmp_path / "in", cache=True).n_files == 300
    assert len(set(reads)) == 300 - done
    reads.clear()
    dm.scan(tmp_path / "in", cache=True)
    assert reads == []


def test_a_failed_scan_keeps_what_it_has_read(
    tmp_path: Path, reads: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(local, "REPORT_SECONDS", 0.0)
    monkeypatch.setattr(local, "FIRST_SECONDS", 1e-9)
    monkeypatch.setattr(local, "TABLE_SHARE", 1e9)
    write_series(tmp_path / "in", 300)

    def stop(progress: dm.ScanProgress) -> None:
        if progress.done >= 100:
            raise MemoryError

    with pytest.raises(MemoryError):
        dm.scan(tmp_path / "in", workers=1, cache=True, progress=stop)
    reads.clear()
    assert dm.scan(tmp_path / "in", cache=True).n_files == 300
    assert len(set(reads)) <= 200


def test_the_cache_deletes_the_catalogs_used_longest_ago(
    tmp_path: Path, own_cache_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cache, "MAX_CATALOGS", 2)
    for k in range(4):
        write_series(tmp_path / f"in{k}", 1)
        dm.scan(tmp_path / f"in{k}", cache=True)
        os.utime(cache.cache_file([str(tmp_path / f"in{k}")]), (k, k))
    assert len(list(own_cache_folder.glob("*.parquet"))) == 2
    assert len(list(own_cache_folder.glob("*.json"))) == 2
    assert cache.cache_file([str(tmp_path / "in3")]).exists()


def test_a_damaged_cache_costs_time_only(tmp_path: Path, own_cache_folder: Path) -> None:
    write_series(tmp_path / "in", 2)
    dm.scan(tmp_path / "in", cache=True)
    (kept,) = own_cache_folder.glob("*.parquet")
    assert kept.stat().st_mode & 0o777 == 0o600
    kept.write_bytes(b"nonsense")
    assert dm.scan(tmp_path / "in", cache=True).n_files == 2
    cache.forget([str(tmp_path / "in")])
    assert list(own_cache_folder.iterdir()) == []


@pytest.mark.parametrize("has_status", [True, False])
def test_damage_of_a_cache_costs_time_only(
    tmp_path: Path, own_cache_folder: Path, reads: list[str], has_status: bool
) -> None:
    names = sorted(path.name for path in write_series(tmp_path / "in", 2))
    expected = dm.scan(tmp_path / "in", cache=True).to_arrow().to_pydict()
    (kept,) = own_cache_folder.glob("*.parquet")
    (status,) = own_cache_folder.glob("*.json")
    whole, about = kept.read_bytes(), status.read_bytes()
    read_again = 0
    for place in range(0, len(whole), len(whole) // 40):
        kept.write_bytes(whole[:place] + bytes([whole[place] ^ 0x55]) + whole[place + 1 :])
        status.write_bytes(about if has_status else b"")
        reads.clear()
        assert dm.scan(tmp_path / "in", cache=True).to_arrow().to_pydict() == expected
        assert sorted(reads) in (names, [])  # nothing is read where a damaged mark is that of another whole catalog
        read_again += reads != []
    assert read_again > (35 if has_status else 10)  # without a status, only columns that are used are looked at


def test_a_cache_larger_than_it_may_be_is_not_read(
    tmp_path: Path, reads: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    write_series(tmp_path / "in", 2)
    dm.scan(tmp_path / "in", cache=True)
    monkeypatch.setattr(cache, "MAX_CACHE_BYTES", 100)
    reads.clear()
    assert dm.scan(tmp_path / "in", cache=True).n_files == 2
    assert len(reads) == 2


@pytest.mark.parametrize("which", ["*.parquet", "*.json"])
def test_a_pipe_in_place_of_a_file_of_the_cache_is_not_waited_for(
    tmp_path: Path, own_cache_folder: Path, which: str
) -> None:
    write_series(tmp_path / "in", 2)
    dm.scan(tmp_path / "in", cache=True)
    (kept,) = own_cache_folder.glob(which)
    kept.unlink()
    os.mkfifo(kept)
    assert dm.scan(tmp_path / "in", cache=True).n_files == 2


@pytest.mark.slow
def test_many_folders_are_marked_by_processes(
    tmp_path: Path, reads: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(source_marks, "MAX_MARKED_ALONE", 4)
    source = tmp_path / "in"
    for patient in range(5):
        for study in range(3):
            paths = write_series(source / f"patient {patient}" / f"study {study}", 2)
    first = dm.scan(source, cache=True)
    assert len(source_marks.folder_marks([str(source)], 2)) == 1 + 5 + 15
    assert source_marks.folder_marks([str(source)], 2) == source_marks.folder_marks([str(source)], 1)
    reads.clear()
    assert dm.scan(source, cache=True).to_arrow().to_pydict() == first.to_arrow().to_pydict()
    assert reads == []
    paths[1].write_bytes(ct_slice(7, RescaleSlope=2))
    assert dict(dm.scan(source, cache=True).values("RescaleSlope")) == {"1": 29, "2": 1}
    assert reads == [paths[1].name]


def test_a_folder_that_is_gone_or_new_is_seen(tmp_path: Path, reads: list[str]) -> None:
    source = tmp_path / "in"
    write_series(source / "a", 2)
    write_series(source / "b", 3)
    dm.scan(source, cache=True)
    shutil.rmtree(source / "b")
    reads.clear()
    assert dm.scan(source, cache=True).n_files == 2
    write_series(source / "c", 1)
    assert dm.scan(source, cache=True).n_files == 3
    assert len(reads) == 1


def test_folders_with_links_are_looked_through_each_time(tmp_path: Path, reads: list[str]) -> None:
    source = tmp_path / "in"
    paths = write_series(source, 2)
    (source / "link.dcm").symlink_to(paths[0])
    assert marks.mark_folder(str(source))[0] == ""
    dm.scan(source, cache=True)
    reads.clear()
    again = dm.scan(source, cache=True)
    assert (again.n_files, [failure.outcome for failure in again.failures]) == (2, ["skipped"])
    assert reads == []
    paths[0].write_bytes(ct_slice(0, RescaleSlope=2))
    os.utime(paths[0], ns=(1, 1))
    assert dict(dm.scan(source, cache=True).values("RescaleSlope")) == {"1": 1, "2": 1}
    assert reads == [paths[0].name]


def test_single_files_are_compared_by_themselves(tmp_path: Path, reads: list[str]) -> None:
    paths = write_series(tmp_path / "in", 3)
    dm.scan(paths[:2], cache=True)
    reads.clear()
    assert dm.scan(paths[:2], cache=True).n_files == 2
    assert reads == []
    paths[0].write_bytes(ct_slice(0, RescaleSlope=2))
    os.utime(paths[0], ns=(1, 1))
    assert dict(dm.scan(paths[:2], cache=True).values("RescaleSlope")) == {"1": 1, "2": 1}


def test_the_status_of_another_catalog_is_ignored(tmp_path: Path, reads: list[str], own_cache_folder: Path) -> None:
    # Two scans of one source, of which the second sees a later state: the files that they write may mix.
    source = tmp_path / "in"
    paths = write_series(source, 3)
    dm.scan(source, cache=True)
    target = cache.cache_file([str(source)])
    old = target.read_bytes()
    paths[0].write_bytes(ct_slice(0, RescaleSlope=2))
    os.utime(paths[0], ns=(1, 1))
    later = dm.scan(source, cache=True)
    target.write_bytes(old)  # the first scan writes its catalog after that, and not yet its status
    reads.clear()
    mixed = dm.scan(source, cache=True)
    assert mixed.to_arrow().to_pydict() == later.to_arrow().to_pydict()
    assert reads == [paths[0].name]


@pytest.mark.parametrize(
    "text",
    [
        "[]",
        "7",
        '{"marks": []}',
        '{"mark": 1, "digest": "", "marks": {}, "rejected": {}}',
        '{"mark": "%s", "digest": 1, "marks": {}, "rejected": {}}',
        '{"mark": "%s", "marks": {}, "rejected": {}}',
        '{"mark": "%s", "digest": "", "marks": {"%s": 3}, "rejected": {}}',
        '{"mark": "%s", "digest": "", "marks": {}, "rejected": {"%s/x.txt": [1]}}',
        '{"mark": "%s", "digest": "", "marks": {}, "rejected": [], "more": 1}',
        "{" * 10_000,
        "\udcff",
    ],
)
def test_a_status_of_another_shape_is_ignored(
    tmp_path: Path, reads: list[str], own_cache_folder: Path, text: str
) -> None:
    source = tmp_path / "in"
    write_series(source, 2)
    (source / "x.txt").write_text("no DICOM " * 40)
    first = dm.scan(source, cache=True)
    (status,) = own_cache_folder.glob("*.json")
    mark = json.loads(status.read_text())["mark"]
    shown = text.replace("%s", mark, 1).replace("%s", str(source))
    status.write_bytes(shown.encode("utf-8", "surrogateescape"))
    reads.clear()
    again = dm.scan(source, cache=True)
    assert (again.to_arrow().to_pydict(), again.failures) == (first.to_arrow().to_pydict(), first.failures)
    assert reads == ["x.txt"]


def test_what_an_earlier_version_read_is_read_again(
    tmp_path: Path, reads: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = write_series(tmp_path / "in", 2)
    dm.scan(tmp_path / "in", cache=True)
    reads.clear()
    monkeypatch.setattr(cache, "READING", cache.READING + 1)
    dm.scan(tmp_path / "in", cache=True)
    assert sorted(reads) == sorted(path.name for path in paths)


def test_a_rejected_file_that_is_replaced_during_the_first_scan_is_read_by_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = tmp_path / "in"
    write_series(source, 3)
    note = source / "a note.txt"
    note.write_text("hello " * 40)
    add = recorder.Recorder.add

    def replacing(self, path, *rest):
        result = add(self, path, *rest)
        note.write_bytes(ct_slice(7))  # it was read before, as it comes first
        return result

    with monkeypatch.context() as patch:
        patch.setattr(recorder.Recorder, "add", replacing)
        first = dm.scan(source, cache=True)
    assert [Path(failure.path).name for failure in first.failures] == ["a note.txt"]
    again = dm.scan(source, cache=True)
    assert (again.n_files, again.failures) == (4, ())


def test_files_that_are_not_dicom_beside_a_link_are_read_twice_and_no_more(tmp_path: Path, reads: list[str]) -> None:
    # The folder has no mark, as it holds a link: the second scan keeps the status of its files.
    source = tmp_path / "in"
    source.mkdir()
    (source / "note.txt").write_text("hello " * 40)
    (source / "link").symlink_to(tmp_path)
    for n, expected in enumerate((["note.txt"], ["note.txt"], [])):
        reads.clear()
        assert len(dm.scan(source, cache=True).failures) == 2, n
        assert reads == expected, n
