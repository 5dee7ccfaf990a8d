from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from dicom_factory import Raw, ct_slice, write_series
from hypothesis import given
from hypothesis import strategies as st

import napari_dicommeta as dm
from napari_dicommeta.catalog import hashes as hashing
from napari_dicommeta.catalog.digest import catalog_digest, common_folder, file_digests, relative_paths
from napari_dicommeta.catalog.hashes import hashes


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    source = tmp_path / "source"
    write_series(source / "a", 4, KVP=lambda k: [100, "", None, "1E2"][k])
    write_series(source / "b", 3, SeriesInstanceUID="1.2.3", ReferencedImageSequence=[{"ReferencedFrameNumber": 1}])
    return source


@pytest.fixture
def original(folder: Path) -> str:
    return catalog_digest(dm.scan(folder))


def test_a_digest_is_of_what_the_files_hold_not_of_where_and_when(folder: Path, original: str, tmp_path: Path) -> None:
    assert len(original) == 32
    for path in folder.rglob("*.dcm"):
        os.utime(path, (1, 1))
    moved = tmp_path / "elsewhere" / "deep"
    moved.parent.mkdir()
    shutil.move(folder, moved)
    assert catalog_digest(dm.scan(moved)) == original


def test_the_order_of_the_files_and_of_what_they_hold_does_not_matter(
    folder: Path, original: str, tmp_path: Path
) -> None:
    catalog = dm.scan(folder)
    order = np.random.default_rng(1).permutation(catalog.n_files)
    assert catalog_digest(catalog.rows(order)) == original
    assert catalog_digest(dm.scan(folder / "b") + dm.scan(folder / "a")) == original
    assert catalog_digest(dm.scan(sorted(folder.rglob("*.dcm"), reverse=True))) == original
    catalog.save(tmp_path / "c.parquet")
    assert catalog_digest(dm.Catalog.load(tmp_path / "c.parquet")) == original
    (file_digest,) = file_digests(dm.scan(folder / "a" / "im001.dcm"))
    assert file_digest == file_digests(catalog)[catalog.paths.index(str(folder / "a" / "im001.dcm"))]


@pytest.mark.slow
def test_the_number_of_processes_does_not_matter(tmp_path: Path) -> None:
    for k in range(2100):  # enough for several processes
        (tmp_path / f"{k}.dcm").write_bytes(ct_slice(k, PixelData=Raw("OW", b"\0\0"), Rows=1, Columns=1))
    assert catalog_digest(dm.scan(tmp_path, workers=1)) == catalog_digest(dm.scan(tmp_path, workers=2))


@pytest.mark.parametrize(
    "changes",
    [
        {"KVP": "100.0"},  # the same number, spelled differently
        {"KVP": ""},
        {"KVP": None},
        {"RescaleIntercept": -1000},
        {"PatientName": "Doe^John"},
        {"RescaleSlope": -1024, "RescaleIntercept": 1},  # the same values with tags exchanged
        {"ReferencedImageSequence": [{"ReferencedFrameNumber": 2}]},
        {"00091001": Raw("LO", b"x "), "00090010": Raw("LO", b"MAKER ")},
        {"PixelData": Raw("OW", b"\0" * 400)},  # a different size
    ],
)
def test_a_digest_changes_with_any_value(folder: Path, original: str, changes: dict[str, object]) -> None:
    before = dict(zip(dm.scan(folder).paths, file_digests(dm.scan(folder)).tolist(), strict=True))
    changed = folder / "a" / "im004.dcm"
    changed.write_bytes(ct_slice(0, **{"KVP": 100, **changes}))
    catalog = dm.scan(folder)
    after = dict(zip(catalog.paths, file_digests(catalog).tolist(), strict=True))
    assert catalog_digest(catalog) != original
    assert [path for path in before if before[path] != after[path]] == [str(changed)]


def test_a_digest_changes_with_a_name_a_file_more_and_a_file_less(folder: Path, original: str) -> None:
    (folder / "a" / "im001.dcm").rename(folder / "a" / "im009.dcm")
    renamed = catalog_digest(dm.scan(folder))
    shutil.copy(folder / "a" / "im009.dcm", folder / "a" / "im001.dcm")
    more = catalog_digest(dm.scan(folder))
    for name in ("im001.dcm", "im009.dcm"):
        (folder / "a" / name).unlink()
    less = catalog_digest(dm.scan(folder))
    assert len({original, renamed, more, less}) == 4


def test_two_files_that_change_places_are_another_folder(folder: Path, original: str) -> None:
    one, other = folder / "a" / "im001.dcm", folder / "a" / "im002.dcm"
    data = one.read_bytes()
    one.write_bytes(other.read_bytes())
    other.write_bytes(data)
    assert catalog_digest(dm.scan(folder)) != original


def test_an_empty_catalog_has_a_digest_of_its_own(tmp_path: Path, original: str) -> None:
    (tmp_path / "nothing").mkdir()
    empty = dm.scan(tmp_path / "nothing")
    assert empty.n_files == 0
    assert catalog_digest(empty) != original


def test_paths_are_relative_to_the_folder_that_holds_all() -> None:
    paths = [os.path.join(os.sep, "d", "a", "1"), os.path.join(os.sep, "d", "ab", "2")]
    folder = common_folder(paths)
    assert folder == os.path.join(os.sep, "d")
    assert relative_paths(paths, folder) == ["a/1", "ab/2"]
    assert relative_paths(paths, os.path.join(os.sep, "d", "a")) == ["1", paths[1].replace(os.sep, "/")]
    assert common_folder([]) == ""
    assert relative_paths([os.path.join(os.sep, "x")], os.sep) == ["x"]


@given(st.lists(st.binary(max_size=40), max_size=12), st.integers(1, 60))
def test_a_hash_is_of_one_value_whatever_lies_beside_it(values: list[bytes], block: int) -> None:
    alone = {value: int(hashes(pa.array([value], pa.binary()))[0]) for value in values}
    assert len(set(alone.values())) == len(alone)
    before, hashing._BLOCK = hashing._BLOCK, block
    try:
        together = hashes(pa.array([b"first", *values], pa.binary())[1:])
    finally:
        hashing._BLOCK = before
    assert together.tolist() == [alone[value] for value in values]


def test_zeros_at_the_end_count() -> None:
    values = [b"", b"\0", b"\0" * 7, b"\0" * 8, b"\0" * 9, b"a", b"a\0", b"a" * 8, b"a" * 8 + b"\0"]
    assert len(set(hashes(pa.array(values, pa.binary())).tolist())) == len(values)
