"""The command ``values``: files behind values, units, combinations of tags, and how rows are printed."""

from __future__ import annotations

import csv
import io
import json
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from dicom_factory import ROOT, Raw, enhanced, write_series

import napari_dicommeta as dm
from napari_dicommeta.catalog.value_files import unit_numbers, value_files
from napari_dicommeta.cli.main import main


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two patients: 4 slices in two series at 120 kV, and 2 slices at 100 kV, one of them without a thickness."""
    series = {"SeriesInstanceUID": lambda k: f"{ROOT}.{k // 2}", "SOPInstanceUID": lambda k: f"{ROOT}.5.{k}"}
    write_series(tmp_path / "in" / "a", 4, KVP=120, SliceThickness=2.5, PatientID="P1", **series)
    other = {
        "SeriesInstanceUID": f"{ROOT}.9",
        "StudyInstanceUID": f"{ROOT}.8",
        "SOPInstanceUID": lambda k: f"{ROOT}.6.{k}",
    }
    thickness = {"SliceThickness": lambda k: 1 if k else None}
    write_series(tmp_path / "in" / "b", 2, KVP=100, PatientID="P2", **thickness, **other)
    return tmp_path / "in"


def rows(capsys: pytest.CaptureFixture[str], *arguments: str) -> list[dict[str, Any]]:
    assert main(["values", *arguments, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["version"], found["command"]) == (1, "values")
    result: list[dict[str, Any]] = found["rows"]
    return result


def test_the_files_behind_each_value_are_listed(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    paths = dm.scan(folder).paths
    found = rows(capsys, str(folder), "KVP", "--files", "--full")
    assert found == [{"value": "120", "file": path} for path in paths[:4]] + [
        {"value": "100", "file": path} for path in paths[4:]
    ]
    found = rows(capsys, str(folder), "SliceThickness", "--files", "--full")
    absent = [Path(row["file"]).parent.name for row in found if row["value"] is None]
    assert (len(found), absent) == (6, ["b"])
    assert main(["values", str(folder), "--files", "--full", "--where", "KVP=100"]) == 0
    assert capsys.readouterr().out.splitlines() == list(paths[4:])  # nothing but paths
    assert main(["values", str(folder), "--files", "--full", "--csv", "--limit", "1"]) == 0
    assert list(csv.reader(io.StringIO(capsys.readouterr().out))) == [["file"], [paths[0]]]


def test_patients_studies_and_series_with_each_value_are_counted(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    expected = [("120", 4, 1), ("100", 2, 1)]
    for unit, name in (("patient", "patients"), ("study", "studies")):
        found = rows(capsys, str(folder), "KVP", "--per", unit)
        assert [(row["value"], row["files"], row[name]) for row in found] == expected
    found = rows(capsys, str(folder), "KVP", "--per", "series")
    assert [(row["value"], row["files"], row["series"]) for row in found] == [("120", 4, 2), ("100", 2, 1)]
    found = rows(capsys, str(folder), "SliceThickness", "--per", "series")
    assert [(row["value"], row["series"]) for row in found] == [("2.5", 2), ("1", 1), (None, 1)]


def test_several_tags_are_counted_together(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = rows(capsys, str(folder), "KVP", "SliceThickness")
    assert found == [
        {"KVP": "120", "SliceThickness": "2.5", "files": 4},
        {"KVP": "100", "SliceThickness": "1", "files": 1},
        {"KVP": "100", "SliceThickness": None, "files": 1},
    ]
    assert main(["values", str(folder), "KVP", "SliceThickness"]) == 0
    out = capsys.readouterr().out.splitlines()
    assert out == ["KVP\tSliceThickness\tfiles", "120\t2.5\t4", "100\t1\t1", "100\t(absent)\t1"]
    assert rows(capsys, str(folder), "KVP", "SliceThickness", "--files", "--full")[-1].keys() == {
        "KVP",
        "SliceThickness",
        "file",
    }


def test_rows_are_limited_and_the_others_counted(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["values", str(folder), "SOPInstanceUID", "--limit", "2", "--full"]) == 0
    out, err = capsys.readouterr()
    assert (len(out.splitlines()), "and 4 more rows" in err) == (3, True)
    assert main(["tags", str(folder), "--limit", "3", "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert (len(result["rows"]), result["n_rows"] > 3) == (3, True)
    for wrong in ("0", "x"):
        with pytest.raises(SystemExit) as ended:
            main(["values", str(folder), "KVP", "--limit", wrong])
        assert ended.value.code == 2
        capsys.readouterr()


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        ((), "name a tag to count"),
        (("KVP", "--files"), "add --full"),
        (("window", "KVP"), "window presets are counted alone"),
        (("window", "--files"), "window presets are counted alone"),
        (("KVP", "SliceThickness", "-o", "x.csv"), "of one tag"),
        (("KVP", "--files", "-o", "x.csv"), "leave out --per and --files"),
    ],
)
def test_what_cannot_be_counted_is_said(
    folder: Path, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], part: str
) -> None:
    assert main(["values", str(folder), *arguments]) == 2
    assert part in capsys.readouterr().err


def test_a_file_counts_for_each_value_in_a_sequence(tmp_path: Path) -> None:
    frames = [{"ImagePositionPatient": [0, 0, z]} for z in (0, 2.5, 2.5)]
    for n in range(2):
        data = enhanced([np.zeros((16, 12), "<u2")] * 3, frames[n:], {"PixelSpacing": [0.5, 0.5]}, NumberOfFrames=3 - n)
        (tmp_path / f"{n}.dcm").write_bytes(data)
    catalog = dm.scan(tmp_path)
    tag = dm.TagPath.parse("PerFrameFunctionalGroupsSequence.PlanePositionSequence.ImagePositionPatient")
    held = value_files(catalog, [tag])
    assert dict(zip(held.texts, (part.tolist() for part in held.rows), strict=True)) == {
        ("0\\0\\2.5",): [0, 1],
        ("0\\0\\0",): [0],
    }
    assert {text: len(part) for (text,), part in zip(held.texts, held.rows, strict=True)} == dict(catalog.values(tag))
    assert [text for (text,) in held.texts] == list(catalog.values(tag))


def test_files_without_a_patient_are_a_patient_for_each_study(tmp_path: Path) -> None:
    changes = {"StudyInstanceUID": lambda k: f"1.2.{k % 2}", "PatientID": lambda k: "P" if k < 2 else None}
    write_series(tmp_path, 6, SeriesInstanceUID=lambda k: f"1.3.{k % 2}", **changes)
    catalog = dm.scan(tmp_path)
    assert len(np.unique(unit_numbers(catalog, "patient"))) == 3  # P, and two studies
    assert len(np.unique(unit_numbers(catalog, "study"))) == 2
    with pytest.raises(ValueError, match="'image'"):
        unit_numbers(catalog, "image")
    empty = catalog.rows(np.array([], dtype=np.intp))
    assert value_files(empty, [dm.TagPath.parse("KVP")]).texts == ()


class Terminal(io.StringIO):
    """Standard output that is a terminal."""

    def isatty(self) -> bool:
        return True


def on_terminal(monkeypatch: pytest.MonkeyPatch, columns: int, *arguments: str, **environment: str) -> list[str]:
    """The lines that a command prints on a terminal of so many columns."""
    out = Terminal()
    with monkeypatch.context() as patch:
        patch.setattr("sys.stdout", out)
        patch.setattr(shutil, "get_terminal_size", lambda *_: os.terminal_size((columns, 24)))
        for name in ("NO_COLOR", "TERM"):
            patch.delenv(name, raising=False)
        for name, value in environment.items():
            patch.setenv(name, value)
        assert main(arguments) == 0
    return out.getvalue().splitlines()


def test_a_table_fits_the_terminal_and_has_its_colors(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = on_terminal(monkeypatch, 60, "findings", str(folder), NO_COLOR="1")
    assert max(map(len, plain)) <= 60
    assert "\x1b" not in "".join(plain)
    assert "\x1b" not in "".join(on_terminal(monkeypatch, 60, "findings", str(folder), TERM="dumb"))
    colored = on_terminal(monkeypatch, 60, "findings", str(folder))
    assert any("\x1b[33mdecision" in line for line in colored)
    assert (plain[0].split(), on_terminal(monkeypatch, 200, "findings", str(folder))[0].split()) == (
        ["severity", "code", "finding", "files", "advice"],
        ["severity", "code", "finding", "files", "breaks", "advice", "standard"],
    )
    assert [line.replace("\x1b[33m", "").replace("\x1b[36m", "").replace("\x1b[0m", "") for line in colored] == plain
    assert on_terminal(monkeypatch, 80, "values", str(folder), "KVP") == [
        "value  files",
        "120        4",
        "100        2",
    ]


def test_wide_letters_take_two_columns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = ["上海医疗器械".encode(), b"ab"]
    write_series(tmp_path, 2, SpecificCharacterSet="ISO_IR 192", Manufacturer=lambda k: Raw("LO", names[k]))
    lines = on_terminal(monkeypatch, 80, "values", str(tmp_path), "Manufacturer")
    assert sorted(lines) == ["ab                1", "value         files", "上海医疗器械      1"]
    lines = on_terminal(
        monkeypatch, 20, "values", str(tmp_path), "Manufacturer", "--files", "--full"
    )  # two columns of 9
    assert len(lines) == 3
    assert [line for line in lines if line.startswith("上海医疗…  ")] != []


def test_a_tag_that_enhanced_images_keep_elsewhere_is_not_just_absent(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    frames = [{"ImagePositionPatient": [0, 0, k]} for k in range(2)]
    pixels = [np.zeros((4, 4), "<u2")] * 2
    (tmp_path / "enhanced.dcm").write_bytes(enhanced(pixels, frames, {"PixelSpacing": [0.5, 0.5]}))
    inner = "SharedFunctionalGroupsSequence.PixelMeasuresSequence.PixelSpacing"
    assert main(["values", str(tmp_path), "PixelSpacing"]) == 0
    out, err = capsys.readouterr()
    assert (out.splitlines()[1], err) == ("(absent)\t1", f"1 file with functional groups: count {inner}\n")
    assert [(row["value"], row["files"]) for row in rows(capsys, str(tmp_path), inner)] == [("0.5\\0.5", 1)]
