from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest
from dicom_factory import ct_slice, write_series

from napari_dicommeta.cli import main


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_series(tmp_path / "in", 3, RescaleSlope=lambda k: ["1", "1.0", "2"][k], SeriesDescription="=1+1")
    (tmp_path / "in" / "fake.dcm").write_text("hello " * 50)
    return tmp_path / "in"


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    code = main(arguments)
    out, err = capsys.readouterr()
    return code, out, err


def test_values_as_table_json_and_csv(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(capsys, "values", str(folder), "RescaleSlope")
    assert code == 0
    assert out.splitlines() == ["value  files", "1          2", "2          1"]
    assert "fake.dcm: rejected: not DICOM" in err
    _, out, _ = run(capsys, "values", str(folder), "RescaleSlope", "--by", "spelling", "--json")
    assert json.loads(out)["values"] == {"1": 1, "1.0": 1, "2": 1}
    _, out, _ = run(capsys, "values", str(folder), "(0028,1053)", "--csv")
    assert list(csv.reader(io.StringIO(out)))[1:] == [["1", "2", ""], ["2", "1", ""]]


def test_csv_and_terminal_run_nothing_a_file_says(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _, out, _ = run(capsys, "values", str(folder), "SeriesDescription", "--csv")
    assert "'=1+1" in out
    (folder / "esc.dcm").write_bytes(ct_slice(9, SeriesDescription="a\x1b[31mred"))
    _, out, _ = run(capsys, "values", str(folder), "SeriesDescription")
    assert "\x1b" not in out


def test_tags_and_series_and_findings(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _, out, _ = run(capsys, "tags", str(folder), "--json")
    slope = next(row for row in json.loads(out) if row["keyword"] == "RescaleSlope")
    assert slope == {
        "tag": "(0028,1053)",
        "keyword": "RescaleSlope",
        "vr": "DS",
        "distinct": 2,
        "spellings": 3,
        "present": 3,
        "empty": 0,
        "absent": 0,
        "unknown": 0,
    }
    _, out, _ = run(capsys, "series", str(folder), "--json")
    (row,) = json.loads(out)
    assert (row["files"], row["size"], row["units"]) == (3, "3 × 16 × 12", "HU")
    assert row["notes"] == [
        "slices in order of their positions, 2.5 mm apart",
        "HU: Rescale Type says so",
        "rescaled slice by slice: slopes 1 to 2 (2 values), intercepts -1024",
    ]
    _, out, _ = run(capsys, "series", str(folder))
    assert out.splitlines()[1].split()[-1] == "HU"  # nothing that needs a decision
    _, out, _ = run(capsys, "findings", str(folder))
    assert "RescaleSlope: 1 of its values are spelled in several ways" in out


def test_registered_uids_have_their_names(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _, out, _ = run(capsys, "values", str(folder), "TransferSyntaxUID")
    assert out.splitlines()[1].split(maxsplit=2) == ["1.2.840.10008.1.2.1", "3", "Explicit VR Little Endian"]


def test_a_saved_catalog_is_a_source(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = tmp_path / "x.parquet"
    code, out, _ = run(capsys, "scan", str(folder), "-o", str(target))
    assert code == 0
    assert out.startswith("3 files, 1 series")
    _, out, err = run(capsys, "values", str(target), "RescaleSlope", "--json")
    assert json.loads(out)["values"] == {"1": 2, "2": 1}
    assert err == ""


def test_open_as_json_lists_the_volumes(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _, out, _ = run(capsys, "open", str(folder), "--json")
    (volume,) = json.loads(out)
    assert volume["shape"] == [3, 16, 12]
    assert volume["spacing_mm"] == [2.5, 0.75, 0.5]
    assert volume["windows"] == [[40, 400, "SOFT"], [-600, 1200, "LUNG"]]


@pytest.mark.parametrize("command", ["tags", "series", "findings"])
@pytest.mark.parametrize("kind", ["gone", "empty", "no-dicom", "text.dcm", "cut.dcm"])
def test_bad_input_is_one_sentence_and_exit_code_1(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], command: str, kind: str
) -> None:
    source = tmp_path / kind
    if kind == "empty":
        source.mkdir()
    elif kind == "no-dicom":
        source.mkdir()
        (source / "a.txt").write_text("hello " * 50)
    elif kind == "text.dcm":
        source.write_text("hello " * 50)
    elif kind == "cut.dcm":
        source.write_bytes(ct_slice(0)[:100])
    code, out, err = run(capsys, command, str(source))
    assert code == 1
    assert out == ""
    assert "no DICOM file was found" in err
    assert kind in err
    assert "Traceback" not in err


def test_open_names_what_cannot_be_opened(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "none.dcm").write_bytes(ct_slice(0, PixelData=None))
    code, _, err = run(capsys, "open", str(tmp_path), "--json")
    assert code == 1
    assert "none.dcm: no pixel data" in err
    code, _, err = run(capsys, "open", str(tmp_path / "gone"))
    assert (code, err) == (1, f"napari-dicommeta: {tmp_path / 'gone'}: there is no such file or folder\n")


def test_a_word_that_is_no_tag_is_told(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = run(capsys, "values", str(folder), "WindowCentre")
    assert code == 1
    assert "'WindowCentre' is no DICOM keyword" in err


def test_window_lists_the_folders_presets_as_wholes(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _, out, _ = run(capsys, "values", str(folder), "window", "--json")
    rows = json.loads(out)
    assert [(row["window"], row["center"], row["width"], row["files"]) for row in rows] == [
        ("LUNG", -600, 1200, 3),
        ("SOFT", 40, 400, 3),
    ]
