"""The command ``scan`` with ``--part-files``: a folder of parts that stands for the whole catalog."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest
from dicom_factory import ROOT, write_series
from pydicom.dataset import Dataset

import napari_dicommeta as dm
from napari_dicommeta.catalog import part_files
from napari_dicommeta.cli.main import main


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Series of 4 and 3 slices of one patient, two of one slice of another, and a text file."""
    for number, (count, patient) in enumerate(((4, "P1"), (3, "P1"), (1, "P2"), (1, "P2"))):
        uid = f"{ROOT}.{number + 1}"
        write_series(
            tmp_path / "in" / f"s{number}",
            count,
            SeriesInstanceUID=uid,
            SOPInstanceUID=lambda k, uid=uid: f"{uid}.{k}",
            PatientID=patient,
            KVP=100 + 20 * (patient == "P1"),
        )
    (tmp_path / "in" / "notes.txt").write_text("no DICOM")
    return tmp_path / "in"


def scanned(folder: Path, target: Path, *more: str) -> int:
    """The exit code of a scan in parts of at most 4 files."""
    return main(["scan", str(folder), "-o", str(target), "--part-files", "4", *more])


def test_parts_are_the_whole_catalog(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert scanned(folder, tmp_path / "x.parquet", "--full") == 0
    target = tmp_path / "x-PHI.parquet"
    assert f"9 files in 3 parts in {target}" in capsys.readouterr().out
    assert sorted(os.listdir(target)) == [f"part-{n:06d}.parquet" for n in range(3)]
    whole, loaded = dm.scan(folder), dm.Catalog.load(target)
    assert loaded.paths == whole.paths
    assert loaded.tags() == whole.tags()
    assert loaded.failures == whole.failures
    assert [(s.series_instance_uid, s.n_files) for s in loaded.series] == [
        (s.series_instance_uid, s.n_files) for s in whole.series
    ]
    assert stat.S_IMODE(os.stat(target).st_mode) == 0o700


def test_parts_share_their_pseudonyms_and_numbers(folder: Path, tmp_path: Path) -> None:
    for number, path in enumerate(sorted(folder.rglob("*.dcm"))):  # a creator in the first and the last part each
        if number in (0, 8):
            dataset = _read(path)
            dataset.private_block(0x0011, f"SECRET MAKER {number}", create=True).add_new(1, "LO", "x")
            dataset.save_as(path)
    assert scanned(folder, tmp_path / "x.parquet") == 0
    loaded, whole = dm.Catalog.load(tmp_path / "x.parquet"), dm.scan(folder).shareable()
    assert not loaded.has_paths
    assert len(set(loaded.paths)) == 9
    assert len({os.path.dirname(path) for path in loaded.paths}) == 4
    assert sorted(loaded["PatientID"].values()) == sorted(whole["PatientID"].values()) == [2, 7]
    assert [series.n_files for series in loaded.series] == [4, 3, 1, 1]
    named = [{key for key in catalog.file_rows.store.keys if "withheld" in key} for catalog in (loaded, whole)]
    assert named[0] == named[1]
    assert len({key.partition("withheld ")[2][:1] for key in named[0]}) == 2
    assert "SECRET" not in b"".join(p.read_bytes() for p in (tmp_path / "x.parquet").iterdir()).decode("latin-1")


def _read(path: Path) -> Dataset:
    from pydicom import dcmread

    return dcmread(path)


def test_commands_read_parts(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = str(tmp_path / "x.parquet")
    assert scanned(folder, tmp_path / "x.parquet") == 0
    (tmp_path / "labels.csv").write_text("series,label\n" + "".join(f"{ROOT}.{n},{n > 2}\n" for n in range(1, 5)))
    for command in (["tags"], ["values"], ["series"], ["findings"], ["compare"]):
        more = {"values": ["KVP"], "compare": [str(folder)]}.get(command[0], [])
        capsys.readouterr()
        assert main([*command, target, *more, "--csv"]) == 0
        assert capsys.readouterr().out
    assert scanned(folder, tmp_path / "y.parquet", "--full") == 0
    assert main(["audit", str(tmp_path / "y-PHI.parquet"), str(tmp_path / "labels.csv")]) == 0
    assert "KVP" in capsys.readouterr().out


def test_conditions_and_saved_catalogs_are_split(folder: Path, tmp_path: Path) -> None:
    assert scanned(folder, tmp_path / "x.parquet", "--full", "--where", "PatientID=P1") == 0
    assert dm.Catalog.load(tmp_path / "x-PHI.parquet").n_files == 7
    assert len(os.listdir(tmp_path / "x-PHI.parquet")) == 2
    assert scanned(tmp_path / "x-PHI.parquet", tmp_path / "y.parquet") == 0
    assert dm.Catalog.load(tmp_path / "y.parquet").n_files == 7


def test_parts_replace_parts_and_nothing_else(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = tmp_path / "x.parquet"
    assert scanned(folder, target) == scanned(folder / "s0", target) == 0
    assert dm.Catalog.load(target).n_files == 4
    (target / "mine.txt").write_text("x")
    foreign = tmp_path / "foreign.parquet"
    foreign.mkdir()
    (foreign / "part-000000.parquet").write_text("x")
    file = tmp_path / "file.parquet"
    file.write_text("x")
    capsys.readouterr()
    for other in (target, foreign, file):
        before = sorted(tmp_path.rglob("*"))
        assert scanned(folder, other) == 2
        out, err = capsys.readouterr()
        assert out == ""
        assert str(other) in err
        assert "choose another name" in err
        assert sorted(tmp_path.rglob("*")) == before
    (tmp_path / "empty.parquet").mkdir()
    assert scanned(folder, tmp_path / "empty.parquet") == 0


def test_a_failed_scan_leaves_what_was_there(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "x.parquet"
    assert scanned(folder, target) == 0
    before = {path.name: path.read_bytes() for path in target.iterdir()}
    (tmp_path / "no").mkdir()
    (tmp_path / "no" / "a.txt").write_text("x")
    assert scanned(tmp_path / "no", target) == 2
    assert "no DICOM file was found" in capsys.readouterr().err

    def full(self: part_files.Parts, catalog: dm.Catalog) -> None:
        if self.n_parts:
            raise OSError(28, os.strerror(28))
        self.n_parts += 1

    monkeypatch.setattr(part_files.Parts, "add", full)
    assert scanned(folder, target) == 2
    assert "x.parquet: No space left on device: free some space" in capsys.readouterr().err
    assert {path.name: path.read_bytes() for path in target.iterdir()} == before
    assert sorted(os.listdir(tmp_path)) == ["in", "no", "x.parquet"]
