"""Sources of the commands: several, lists on standard input, conditions on files, and how tags may be spelled."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
from dicom_factory import ROOT, contour, enhanced, structure_set, write_series

from napari_dicommeta.cli.main import main


def result(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, Any]:
    """The JSON of a command."""
    assert main([*arguments, "--json"]) == 0
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def counts(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, int]:
    """The values of a tag, and the files with each."""
    return {row["value"]: row["files"] for row in result(capsys, "values", *arguments)["rows"]}


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """The sentence with which a command ends."""
    assert main(arguments) == 2
    out, err = capsys.readouterr()
    assert (out, "Traceback" in err) == ("", False)
    return err


@pytest.fixture
def folders(tmp_path: Path) -> tuple[str, str]:
    """A folder of 3 CT slices at 120 kV, and one of 2 at 100 kV."""
    dates = {"StudyDate": "20120331", "PatientAge": "040Y"}
    write_series(tmp_path / "a", 3, KVP=120, Manufacturer="Philips Medical", SliceThickness=2.5, **dates)
    other = {"SeriesInstanceUID": f"{ROOT}.9", "SOPInstanceUID": lambda k: f"{ROOT}.9.{k}"}
    write_series(
        tmp_path / "b", 2, KVP=100, Manufacturer="SIEMENS", SliceThickness=1, PatientID="P2", **other, PatientAge="041Y"
    )
    return str(tmp_path / "a"), str(tmp_path / "b")


def test_several_sources_are_one(folders: tuple[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert counts(capsys, *folders, "KVP") == {"120": 3, "100": 2}
    assert len(result(capsys, "series", *folders)["rows"]) == 2
    assert main(["scan", folders[0], "-o", str(tmp_path / "a.parquet")]) == 0
    assert main(["scan", folders[0], "-o", str(tmp_path / "a.parquet"), "--full"]) == 0
    capsys.readouterr()
    assert counts(capsys, str(tmp_path / "a.parquet"), folders[1], "KVP") == {"120": 3, "100": 2}
    assert counts(capsys, str(tmp_path / "a-PHI.parquet"), *folders, "KVP") == {"120": 3, "100": 2}  # each file once
    assert main(["recipe", *folders, "-o", str(tmp_path / "recipe.py")]) == 0
    assert "2 arrays of 2 series" in capsys.readouterr().out


def test_sources_and_tags_stand_before_and_behind_flags(
    folders: tuple[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert counts(capsys, folders[0], "--by", "meaning", folders[1], "KVP") == {"120": 3, "100": 2}
    with pytest.raises(SystemExit) as ended:
        main(["info", "more"])
    assert ended.value.code == 2


def test_a_folder_that_looks_like_a_tag_is_a_source_and_one_named_like_a_keyword_is_not(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for n, name in enumerate(("20200101", "20200102", "KVP")):
        write_series(tmp_path / name, n + 1, SOPInstanceUID=lambda k, n=n: f"{ROOT}.{n}.{k}", KVP=100 + n)
    monkeypatch.chdir(tmp_path)
    assert counts(capsys, "20200101", "20200102", "KVP") == {"101": 2, "100": 1}
    assert counts(capsys, "20200101", "./KVP", "KVP") == {"102": 3, "100": 1}


@pytest.mark.parametrize("separator", ["\n", "\0"])
def test_a_list_on_standard_input_is_a_source(
    folders: tuple[str, str],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    separator: str,
) -> None:
    listed = [*sorted(str(path) for path in Path(folders[0]).iterdir())[:2], folders[1]]
    monkeypatch.setattr("sys.stdin", io.StringIO(separator.join(listed) + separator))
    assert counts(capsys, "-", "KVP") == {"100": 2, "120": 2}
    monkeypatch.setattr("sys.stdin", io.StringIO("\n"))
    assert "no path" in refused(capsys, "values", "-", "KVP")


@pytest.mark.parametrize(
    ("conditions", "files"),
    [
        (["KVP=120"], 3),
        (["KVP=120.0"], 3),  # as a number
        (["kvp=120"], 3),
        (["KVP=120", "KVP=100"], 5),  # values of one tag add up
        (["KVP=110.."], 3),
        (["KVP=..110"], 2),
        (["SliceThickness=0.5..1.5", "KVP=100..120"], 2),  # several tags narrow
        (["Manufacturer=philips*"], 3),
        (["Manufacturer=siemens"], 2),
        (["(0018,0060)=100"], 2),
        (["ImagePositionPatient=-10\\-20\\0"], 2),
        (["EchoTime="], 5),  # absent in all
        (["StudyDate=2010..201203"], 3),
        (["PatientAge=40..40.5"], 3),
        (["PatientAge=..040Y"], 3),
    ],
)
def test_conditions_select_files(
    folders: tuple[str, str], capsys: pytest.CaptureFixture[str], conditions: list[str], files: int
) -> None:
    where = [word for condition in conditions for word in ("--where", condition)]
    assert result(capsys, "values", *folders, "Modality", *where)["files"] == files


def test_a_condition_holds_for_every_command(
    folders: tuple[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    where = ("--where", "KVP=100")
    assert [row["files"] for row in result(capsys, "series", *folders, *where)["rows"]] == [2]
    assert {row["present"] for row in result(capsys, "tags", *folders, *where)["rows"]} == {2}
    assert {row["files"] for row in result(capsys, "findings", *folders, *where)["rows"]} == {2}
    assert [row["shape"] for row in result(capsys, "open", *folders, *where)["rows"]] == [[2, 16, 12]]
    assert main(["recipe", *folders, *where, "-o", str(tmp_path / "recipe.py")]) == 0
    assert "1 arrays of 1 series" in capsys.readouterr().out
    assert len(json.loads((tmp_path / "recipe.json").read_text())["files"]) == 2
    assert main(["scan", *folders, *where, "-o", str(tmp_path / "x.parquet")]) == 0
    assert capsys.readouterr().out.startswith("2 files, 1 series")
    differing = {row["tag"] for row in result(capsys, "compare", *folders, "--where", "Modality=CT")["rows"]}
    assert {"KVP", "Manufacturer"} <= differing
    (tmp_path / "labels.csv").write_text("series,label\n" + f"{ROOT}.2,a\n{ROOT}.9,b\n")
    err = refused(capsys, "audit", *folders, str(tmp_path / "labels.csv"), *where)
    assert "1 keys have files" in err


def test_a_condition_in_a_sequence_holds_for_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    frames = [{"ImagePositionPatient": [0, 0, 2.5 * k]} for k in range(2)]
    import numpy as np

    data = enhanced([np.zeros((16, 12), "<u2")] * 2, frames, {"PixelSpacing": [0.5, 0.5]})
    (tmp_path / "e.dcm").write_bytes(data)
    tag = "perframefunctionalgroupssequence.planepositionsequence.imagepositionpatient"
    found = result(capsys, "values", str(tmp_path), "Modality", "--where", f"{tag}=0\\0\\2.5")
    assert found["files"] == 1


@pytest.mark.parametrize(
    ("condition", "parts"),
    [
        ("KVP", ["write TAG=VALUE"]),
        ("KVP=80", ["no file has KVP=80; there are 120 (3), 100 (2)"]),
        ("Manufacturer=SIEMENZ", ["did you mean SIEMENS?"]),
        ("EchoTime=3", ["no file has EchoTime"]),
        ("PatientID=P3", ["no file has this value of PatientID"]),
        ("KVP=", ["every file has a value of KVP"]),
        ("KVP=a..b", ["the end of a range must be a number"]),
        ("Kilovolts=3", ["'Kilovolts' is not a DICOM keyword"]),
    ],
)
def test_a_condition_without_files_says_which_values_there_are(
    folders: tuple[str, str], capsys: pytest.CaptureFixture[str], condition: str, parts: list[str]
) -> None:
    err = refused(capsys, "values", *folders, "Modality", "--where", condition)
    assert [part for part in parts if part not in err] == []
    assert "P2" not in err


def test_conditions_that_no_file_fulfills_together_are_counted(
    folders: tuple[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    err = refused(capsys, "series", *folders, "--where", "KVP=120", "--where", "SliceThickness=1")
    assert "KVP in 3 files, SliceThickness in 2 files" in err


@pytest.mark.parametrize(
    ("word", "hint"),
    [
        ("WindowCentre", "did you mean WindowCenter"),
        ("PixelSpaceing", "did you mean PixelSpacing"),
        ("SharedFunctionalGroupsSequence.PixelMesuresSequence", "did you mean PixelMeasuresSequence"),
        ("qqqq", "is not a DICOM keyword or tag"),
    ],
)
def test_what_was_meant_is_asked(
    folders: tuple[str, str], capsys: pytest.CaptureFixture[str], word: str, hint: str
) -> None:
    assert hint in refused(capsys, "values", folders[0], word)


@pytest.mark.parametrize("word", ["kvp", "Slice Thickness", "slice-thickness", "SLICETHICKNESS", "(0018,0050)"])
def test_keywords_in_any_case_are_tags(folders: tuple[str, str], capsys: pytest.CaptureFixture[str], word: str) -> None:
    assert result(capsys, "values", folders[0], word)["tags"] == ["KVP" if word == "kvp" else "SliceThickness"]


def test_a_maker_that_has_longer_names_too_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    names = ("Acme", "Acme Medical", "Other")
    write_series(tmp_path, 3, Manufacturer=lambda k: names[k])
    assert main(["values", str(tmp_path), "Manufacturer", "--where", "Manufacturer=Acme"]) == 0
    printed = capsys.readouterr()
    assert "Acme Medical" not in printed.out
    assert "1 other value contains this word; 'Manufacturer=*Acme*' takes them too" in printed.err
    for condition in ("Manufacturer=Acme Medical", "Manufacturer=acme*", "Modality=CT"):
        assert main(["values", str(tmp_path), "Manufacturer", "--where", condition]) == 0
        assert "contains this word" not in capsys.readouterr().err


@pytest.mark.parametrize(
    ("height", "images", "says"),
    [
        (0.0, {}, ""),
        (90.0, {}, "no contour lies on a slice of the images: open it with those that it was drawn on"),
        (0.0, {"SeriesInstanceUID": f"{ROOT}.55", "FrameOfReferenceUID": "1.2.3"}, "absent, or form no grid: open it"),
    ],
)
def test_structures_that_cannot_be_drawn_are_named_and_the_images_open(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], height: float, images: dict[str, Any], says: str
) -> None:
    box = contour([(-8, -18), (-8, -14), (-5, -14), (-5, -18)], height)
    write_series(tmp_path / "ct", 5, **{"FrameOfReferenceUID": f"{ROOT}.5", **images})
    (tmp_path / "rs.dcm").write_bytes(structure_set((1, "ROI", None, [box])))
    notes = {row["modality"]: row["notes"] for row in result(capsys, "series", str(tmp_path))["rows"]}
    assert "no pixel data" not in " ".join(notes["RTSTRUCT"])
    assert says in " ".join(notes["RTSTRUCT"])
    assert main(["open", str(tmp_path), "--json"]) == 0
    out, err = capsys.readouterr()
    assert json.loads(out)["rows"][0]["shape"] == [5, 16, 12]
    assert says in err
    assert bool(err) == bool(says)
