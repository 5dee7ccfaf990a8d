from __future__ import annotations

import csv
import io
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pydicom
import pytest
from dicom_factory import ROOT, ct_slice, write_series

from napari_dicommeta import __version__
from napari_dicommeta.cli.main import main
from napari_dicommeta.findings.check import finding_kinds
from napari_dicommeta.findings.decisions import Decision, save_decisions


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_series(tmp_path / "in", 3, RescaleSlope=lambda k: ["1", "1.0", "2"][k], SeriesDescription="=1+1")
    (tmp_path / "in" / "fake.dcm").write_text("hello " * 50)
    return tmp_path / "in"


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    code = main(arguments)
    out, err = capsys.readouterr()
    return code, out, err


def rows(out: str) -> list[dict[str, Any]]:
    """The rows of a command's JSON."""
    result = json.loads(out)
    assert result["version"] == 1
    found: list[dict[str, Any]] = result["rows"]
    return found


def test_values_as_table_json_and_csv(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(capsys, "values", str(folder), "RescaleSlope")
    assert code == 0
    assert out.splitlines() == ["value\tfiles", "1\t2", "2\t1"]
    assert "fake.dcm: rejected: not DICOM" in err
    _, out, _ = run(capsys, "values", str(folder), "RescaleSlope", "--by", "spelling", "--json")
    assert {row["value"]: row["files"] for row in rows(out)} == {"1": 1, "1.0": 1, "2": 1}
    _, out, _ = run(capsys, "values", str(folder), "(0028,1053)", "--csv")
    assert list(csv.reader(io.StringIO(out)))[1:] == [["1", "2", ""], ["2", "1", ""]]


def test_csv_and_terminal_run_nothing_a_file_says(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _, out, _ = run(capsys, "values", str(folder), "SeriesDescription", "--csv", "--full")
    assert "'=1+1" in out
    (folder / "esc.dcm").write_bytes(ct_slice(9, SeriesDescription="a\x1b[31mred"))
    _, out, _ = run(capsys, "values", str(folder), "SeriesDescription", "--full")
    assert "\x1b" not in out


def test_tags_and_series_and_findings(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _, out, _ = run(capsys, "tags", str(folder), "--json")
    slope = next(row for row in rows(out) if row["keyword"] == "RescaleSlope")
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
    (row,) = rows(out)
    assert (row["files"], row["size"], row["units"]) == (3, "3 × 16 × 12", "HU")
    assert row["notes"] == [
        "Slices are ordered by position, 2.5 mm apart",
        "Values are in HU: stated by Rescale Type",
        "Rescaled slice by slice: slopes 1 to 2 (2 values), intercepts -1024",
    ]
    _, out, _ = run(capsys, "series", str(folder))
    assert out.splitlines()[1].split("\t")[-1] == "HU"  # nothing that needs a decision
    _, out, _ = run(capsys, "findings", str(folder))
    assert "RescaleSlope" in next(line for line in out.splitlines() if "spelled" in line)


def test_registered_uids_have_their_names(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _, out, _ = run(capsys, "values", str(folder), "TransferSyntaxUID")
    assert out.splitlines()[1].split(maxsplit=2) == ["1.2.840.10008.1.2.1", "3", "Explicit VR Little Endian"]


def test_a_saved_catalog_is_a_source(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = tmp_path / "x.parquet"
    code, out, _ = run(capsys, "scan", str(folder), "-o", str(target))
    assert code == 0
    assert out.startswith("3 files, 1 series")
    _, out, err = run(capsys, "values", str(target), "RescaleSlope", "--json")
    assert {row["value"]: row["files"] for row in rows(out)} == {"1": 2, "2": 1}
    assert err == ""


def test_open_as_json_lists_the_volumes(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _, out, _ = run(capsys, "open", str(folder), "--json")
    (volume,) = rows(out)
    assert volume["shape"] == [3, 16, 12]
    assert volume["spacing_mm"] == [2.5, 0.75, 0.5]
    assert volume["windows"] == [[40, 400, "SOFT"], [-600, 1200, "LUNG"]]


@pytest.mark.parametrize("command", ["tags", "series", "findings"])
@pytest.mark.parametrize("kind", ["gone", "empty", "no-dicom", "text.dcm", "cut.dcm"])
def test_bad_input_is_one_sentence_and_exit_code_2(
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
    assert code == 2
    assert out == ""
    assert ("does not exist" if kind == "gone" else "no DICOM file was found") in err
    assert kind in err
    assert "Traceback" not in err


def test_open_names_what_cannot_be_opened(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "none.dcm").write_bytes(ct_slice(0, PixelData=None))
    code, _, err = run(capsys, "open", str(tmp_path), "--json")
    assert code == 2
    assert "none.dcm: no pixel data" in err
    code, _, err = run(capsys, "open", str(tmp_path / "gone"))
    assert (code, err) == (2, f"napari-dicommeta: {tmp_path / 'gone'}: the file or folder does not exist\n")


def test_a_word_that_is_no_tag_is_told(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = run(capsys, "values", str(folder), "WindowCentre")
    assert code == 2
    assert "'WindowCentre' is not a DICOM keyword" in err


def test_window_lists_the_folders_presets_as_wholes(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _, out, _ = run(capsys, "values", str(folder), "window", "--json")
    assert [(row["window"], row["center"], row["width"], row["files"]) for row in rows(out)] == [
        ("LUNG", -600, 1200, 3),
        ("SOFT", 40, 400, 3),
    ]


def test_findings_fail_a_check_unless_they_are_decided(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_series(tmp_path / "in", 4, ImagePositionPatient=lambda k: [0, 0, 2.5 * k + (5 if k > 2 else 0)])
    folder = str(tmp_path / "in")
    code, out, _ = run(capsys, "findings", folder, "--json")
    assert code == 0
    found = {row["code"]: row for row in rows(out)}
    assert (found["gap"]["severity"], found["gap"]["files"]) == ("decision", 4)
    assert not [row for row in found.values() if row["severity"] == "wrong"]
    assert run(capsys, "findings", folder, "--fail-on", "wrong")[0] == 0
    assert run(capsys, "findings", folder, "--fail-on", "decision")[0] == 1
    decided = [row for row in found.values() if row["severity"] == "decision"]
    decisions = [
        Decision(code=row["code"], tags=tuple(row["tags"]), state="dismissed", reason="known") for row in decided
    ]
    save_decisions(decisions, tmp_path / "decisions.json")
    arguments = ("findings", folder, "--decisions", str(tmp_path / "decisions.json"))
    code, out, _ = run(capsys, *arguments, "--fail-on", "decision")
    assert code == 0
    assert "dismissed known" in out
    _, out, _ = run(capsys, *arguments, "--markdown")
    assert found["gap"]["finding"] not in out
    _, out, _ = run(capsys, "findings", folder, "--values-only", "--json")
    assert "gap" not in {row["code"] for row in rows(out)}


def test_findings_of_pixels_are_asked_for(tmp_path: Path, phantom: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "wrong"
    folder.mkdir()
    for path in sorted(phantom.iterdir()):
        dataset = pydicom.dcmread(path)
        dataset.RescaleIntercept = 0
        dataset.save_as(folder / path.name)
    _, out, _ = run(capsys, "findings", str(folder), "--json")
    assert not any(row["code"].startswith("hu-") for row in rows(out))
    code, out, _ = run(capsys, "findings", str(folder), "--pixels", "--json", "--fail-on", "wrong")
    assert code == 1
    (found,) = [row for row in rows(out) if row["code"].startswith("hu-")]
    assert (found["severity"], found["files"]) == ("wrong", 48)


@pytest.mark.slow
def test_a_recipe_runs_and_takes_the_steps_that_were_chosen(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_series(tmp_path / "in", 4, ImagePositionPatient=lambda k: [0, 0, 2.5 * k + (5 if k > 2 else 0)])
    script = tmp_path / "recipe.py"
    code, out, _ = run(capsys, "recipe", str(tmp_path / "in"), "-o", str(script))
    assert code == 0
    assert out.startswith("1 arrays of 1 series in ")
    made = subprocess.run([sys.executable, script, tmp_path / "in"], capture_output=True, text=True, check=True).stdout
    assert "4 × 16 × 12" in made
    _, out, _ = run(capsys, "findings", str(tmp_path / "in"), "--json")
    (gap,) = [row for row in rows(out) if row["code"] == "gap"]
    save_decisions([Decision(code="gap", tags=tuple(gap["tags"]), state="recipe")], tmp_path / "decisions.json")
    arguments = ("recipe", str(tmp_path / "in"), "-o", str(script), "--decisions", str(tmp_path / "decisions.json"))
    code, out, _ = run(capsys, *arguments)
    assert out.startswith("2 arrays of 1 series, 1 steps in ")
    code, _, err = run(capsys, "recipe", str(tmp_path / "in"), "-o", str(tmp_path / "x.json"))
    assert (code, "needs another suffix" in err) == (2, True)
    code, _, err = run(capsys, *arguments[:-1], str(tmp_path / "nowhere.json"))
    assert (code, "nowhere.json" in err) == (2, True)


def test_two_folders_are_compared(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_series(tmp_path / "other", 4, KVP=140, PatientName="SECRET")
    _, out, _ = run(capsys, "compare", str(folder), str(tmp_path / "other"), "--json")
    by_tag = {row["tag"]: row for row in rows(out)}
    assert by_tag["KVP"]["only in the other"] == "140 (4)"
    assert "Rows" not in by_tag  # nothing differs there
    assert "PatientName" not in by_tag
    _, out, _ = run(capsys, "compare", str(folder), str(tmp_path / "other"), "--full", "--json")
    assert "PatientName" in {row["tag"] for row in rows(out)}
    _, out, _ = run(capsys, "compare", str(folder), str(tmp_path / "other"), "--markdown")
    assert "KVP" in out
    assert "SECRET" not in out


def test_what_belongs_to_single_files_is_left_out_of_comparisons(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_series(tmp_path / "other", 4, KVP=140, ImagePositionPatient=lambda k: [0, 0, 7 * k])
    arguments = ("compare", str(folder), str(tmp_path / "other"))
    _, out, err = run(capsys, *arguments, "--json")
    assert "ImagePositionPatient" not in {row["tag"] for row in rows(out)}
    assert "1 place" in err
    assert "--all includes them" in err
    _, out, err = run(capsys, *arguments, "--json", "--all")
    assert "ImagePositionPatient" in {row["tag"] for row in rows(out)}
    assert "left out" not in err
    assert "ImagePositionPatient" not in run(capsys, *arguments, "--markdown")[1]


def test_the_shortcut_of_a_data_set_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = ["patient,label"]
    for i in range(24):
        uid = f"1.2.{i + 1}"
        kvp = 120 if i % 2 else 100
        write_series(tmp_path / "in" / str(i), 1, SeriesInstanceUID=uid, PatientID=f"P{i}", KVP=kvp)
        lines.append(f"P{i},{'cancer' if i % 2 else 'none'}")
    (tmp_path / "labels.csv").write_text("\n".join(lines))
    code, out, err = run(capsys, "audit", str(tmp_path / "in"), str(tmp_path / "labels.csv"), "--json")
    assert code == 0
    assert "24 keys matched by PatientID" in err
    assert [row["tag"] for row in rows(out) if row["shortcut"]] == ["KVP"]
    assert "tags left out: " in err
    _, all_tags, err = run(capsys, "audit", str(tmp_path / "in"), str(tmp_path / "labels.csv"), "--json", "--all")
    assert {row["tag"] for row in rows(all_tags)} - {row["tag"] for row in rows(out)} >= {"SOPInstanceUID"}
    assert "tags left out" not in err
    (tmp_path / "labels.csv").write_text("nothing")
    code, _, err = run(capsys, "audit", str(tmp_path / "in"), str(tmp_path / "labels.csv"))
    assert (code, "labels.csv" in err) == (2, True)


def test_tables_are_written_without_persons_unless_they_are_asked_for(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_series(tmp_path / "in", 4, PatientName="SECRET", PatientID="SECRET")
    folder = str(tmp_path / "in")
    for command in (("tags",), ("values", "KVP"), ("series",)):
        target = tmp_path / f"{command[0]}.csv"
        code, out, _ = run(capsys, command[0], folder, *command[1:], "-o", str(target))
        assert (code, out) == (0, f"wrote {target}\n")
        assert "SECRET" not in target.read_text()
    code, out, _ = run(capsys, "series", folder, "-o", str(tmp_path / "series.parquet"), "--full")
    assert out == f"wrote {tmp_path / 'series-PHI.parquet'}\n"
    assert pq.read_table(tmp_path / "series-PHI.parquet").column("PatientID").to_pylist() == ["SECRET"]
    code, _, err = run(capsys, "values", folder, "PatientName", "-o", str(tmp_path / "names.csv"))
    assert code == 2
    assert "SECRET" not in err
    code, _, err = run(capsys, "tags", folder, "-o", str(tmp_path / "tags.docx"))
    assert (code, ".docx" in err) == (2, True)


def test_every_kind_of_finding_is_listed_without_a_source(capsys: pytest.CaptureFixture[str]) -> None:
    kinds = {kind.code: kind for kind in finding_kinds()}
    code, out, err = run(capsys, "findings", "--list")
    assert (code, err) == (0, "")
    assert len(out.splitlines()) == 1 + len(kinds)
    assert all(any(word in line.split() for line in out.splitlines()) for word in kinds)
    _, out, _ = run(capsys, "findings", "--list", "--json")
    kinds_by_code = {row["code"]: row for row in rows(out)}
    assert {word: row["standard"] for word, row in kinds_by_code.items()} == {
        word: one.standard for word, one in kinds.items()
    }
    assert kinds_by_code["gap"]["severity"] == "decision"
    code, out, err = run(capsys, "findings")
    assert (code, out, "--list" in err) == (2, "", True)


def test_a_bug_report_has_the_versions(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "info")
    assert code == 0
    assert ["napari-dicommeta", __version__] in [line.split() for line in out.splitlines()]
    _, out, _ = run(capsys, "info", "--json")
    assert json.loads(out)["versions"]["napari-dicommeta"] == __version__
    assert json.loads(out)["versions"]["pydicom"] == pydicom.__version__


def test_the_version_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--version"])
    assert (ended.value.code, capsys.readouterr().out) == (0, f"napari-dicommeta {__version__}\n")
    command = [sys.executable, "-m", "napari_dicommeta", "--version"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == f"napari-dicommeta {__version__}\n"


def test_the_sample_is_written_to_an_empty_folder_only(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["sample", str(tmp_path / "a")]) == 0
    assert len(list((tmp_path / "a").iterdir())) == 48
    assert main(["sample", str(tmp_path / "a")]) == 0
    (tmp_path / "a/mine.dcm").write_bytes(b"x")
    assert main(["sample", str(tmp_path / "a")]) != 0
    assert "holds other files, as mine.dcm" in capsys.readouterr().err


def test_each_command_has_a_help(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--help"])
    commands = re.findall(r"^    (\w+) ", capsys.readouterr().out, re.MULTILINE)
    assert len(commands) == 13
    for command in commands:
        with pytest.raises(SystemExit) as ended:
            main([command, "--help"])
        out = capsys.readouterr().out
        assert (ended.value.code, f"napari-dicommeta {command}" in out) == (0, True)
        assert ("--where TAG=VALUE" in out) is (command not in ("info", "sample", "shell"))


def test_a_condition_leaves_out_what_is_said_about_other_files(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    paths = write_series(tmp_path, 3, KVP=lambda k: 100 + 20 * (k % 2))
    paths[0].write_bytes(paths[0].read_bytes()[:-100])
    (tmp_path / "notes.txt").write_text("hello " * 50)
    kvp = {path: pydicom.dcmread(path, stop_before_pixels=True).KVP for path in paths}
    _, _, err = run(capsys, "values", str(tmp_path), "Modality")
    assert (f"{paths[0].name}: partial" in err, "notes.txt: rejected" in err) == (True, True)
    other = next(value for path, value in kvp.items() if value != kvp[paths[0]])
    _, out, err = run(capsys, "values", str(tmp_path), "Modality", "--where", f"KVP={other}")
    assert err == ""
    _, out, _ = run(capsys, "findings", str(tmp_path), "--where", f"KVP={other}", "--json")
    assert not {"damaged", "unreadable"} & {row["code"] for row in rows(out)}


def test_help_imports_nothing_that_only_commands_need() -> None:
    heavy = ["numpy", "pyarrow", "pydicom", "imagecodecs", "importlib.metadata", "platformdirs"]
    heavy += ["importlib.resources", "difflib", "tempfile"]
    script = (
        "import sys, napari_dicommeta.cli.main as cli\n"
        "try:\n    cli.main(['--help'])\nexcept SystemExit:\n    pass\n"
        f"print([name for name in {heavy!r} if name in sys.modules])"
    )
    shown = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
    assert shown.splitlines()[-1] == "[]"


def test_what_varies_between_series_of_a_protocol_is_a_table(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for i in range(3):
        uids = {"SeriesInstanceUID": f"{ROOT}.2.{i}", "SOPInstanceUID": f"{ROOT}.3.{i}", "SeriesNumber": i}
        names = {"ProtocolName": ("Thorax Meier", "thorax  meier", "Abdomen")[i], "KVP": (100, 120, 80)[i]}
        write_series(tmp_path / str(i), 1, **uids, **names)
    code, out, _ = run(capsys, "findings", str(tmp_path), "--protocols", "--full", "--json")
    row = {"protocol": "Thorax Meier", "modality": "CT", "series": 2, "setting": "KVP"}
    assert (code, json.loads(out)["rows"]) == (
        0,
        [{**row, "values (series)": "100 (1), 120 (1)", "outliers (series)": ""}],
    )
    _, out, _ = run(capsys, "findings", str(tmp_path), "--protocols", "--csv")
    assert out.splitlines()[1:] == ['1,CT,2,KVP,"100 (1), 120 (1)",']
    assert run(capsys, "findings", str(tmp_path), "--protocols", "--pixels")[0] == 2


@pytest.mark.parametrize("output", ["x.csv", "x.md", "x.parquet"])
def test_a_file_that_cannot_be_written_is_named_with_what_to_do(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], output: str
) -> None:
    for command in ("tags", "series", "recipe") + ("scan",) * output.endswith("parquet"):
        code, out, err = run(capsys, command, str(folder), "-o", str(tmp_path / "none" / output))
        assert (code, out) == (2, "")
        reason = "No such file or directory: make its folder first, or choose another"
        assert err.splitlines()[-1] == f"napari-dicommeta: {tmp_path / 'none' / output}: {reason}"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_or_closed_output_is_an_error_without_a_traceback(tmp_path: Path) -> None:
    start = f"{sys.executable} -c 'from napari_dicommeta.cli.main import main; raise SystemExit(main())' "
    says = {
        "findings --list > /dev/full": "the output: No space left on device: free some space, or choose another folder",
        "findings --list >&-": "the output is closed: send it to a terminal, a file or another program",
        f"tags {tmp_path}/none 2> /dev/full": "",
        f"tags {tmp_path}/none 2>&-": "",
    }
    for command, reason in says.items():
        ran = subprocess.run(["sh", "-c", start + command], capture_output=True, text=True, check=False)
        assert (ran.returncode, ran.stderr) == (2, f"napari-dicommeta: {reason}\n" if reason else ""), command
