"""What cannot be written is said before anything is read, and a file that exists stays."""

from __future__ import annotations

import errno
import os
import tempfile
from pathlib import Path
from typing import Any

import pytest
from dicom_factory import write_series

from napari_dicommeta.cli import check, convert, main, scan, values

COMMANDS = {
    "scan": (["scan", "IN", "-o", "OUT"], ".parquet"),
    "scan --full": (["scan", "IN", "-o", "OUT", "--full"], "-PHI.parquet"),
    "tags": (["tags", "IN", "-o", "OUT"], ".csv"),
    "values": (["values", "IN", "Rows", "-o", "OUT"], ".md"),
    "series": (["series", "IN", "-o", "OUT"], ".json"),
    "series --full": (["series", "IN", "-o", "OUT", "--full"], "-PHI.parquet"),
    "recipe": (["recipe", "IN", "-o", "OUT"], ".py"),
    "convert": (["convert", "IN", "OUT"], ""),
}


@pytest.fixture
def no_reading(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any) -> Any:
        raise AssertionError("the source was read")

    for module in (main, scan, values, check, convert):
        monkeypatch.setattr(module, "catalog_of_options", fail)


def run(capsys: pytest.CaptureFixture[str], command: str, output: Path) -> str:
    """Return the sentence with which a command ends."""
    words, _ = COMMANDS[command]
    source = str(output.parent / "in")
    code = main.main([{"IN": source, "OUT": str(output)}.get(word, word) for word in words])
    out, err = capsys.readouterr()
    assert (code, out, err.count("\n")) == (2, "", 1)
    return err


@pytest.mark.parametrize("command", [name for name in COMMANDS if name != "convert"])
def test_a_folder_that_is_not_there_is_named_before_anything_is_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], no_reading: None, command: str
) -> None:
    reason = run(capsys, command, tmp_path / "none" / f"x{COMMANDS[command][1]}")
    assert "No such file or directory: make its folder first" in reason


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("number", [errno.EROFS, errno.EACCES, errno.ENOSPC])
def test_a_folder_that_takes_no_file_is_named_before_anything_is_read(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    no_reading: None,
    command: str,
    number: int,
) -> None:
    def fail(**_: Any) -> Any:
        raise OSError(number, os.strerror(number), "/secret/.new-1")

    monkeypatch.setattr(tempfile, "mkstemp", fail)
    reason = run(capsys, command, tmp_path / f"x{COMMANDS[command][1]}")
    assert f"x{COMMANDS[command][1]}: {os.strerror(number)}: " in reason
    assert "secret" not in reason


@pytest.mark.parametrize("command", COMMANDS)
def test_a_name_that_something_else_has_is_said_before_anything_is_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], no_reading: None, command: str
) -> None:
    target = tmp_path / f"x{COMMANDS[command][1]}"
    if command == "convert":
        target.write_text("kept")
        assert "Not a directory: choose another folder" in run(capsys, command, target)
        assert target.read_text() == "kept"
        return
    target.mkdir()
    assert "choose a name that no folder has" in run(capsys, command, target)
    assert list(tmp_path.iterdir()) == [target]
    assert list(target.iterdir()) == []


@pytest.mark.parametrize("command", ["tags", "values", "series", "scan"])
def test_a_suffix_of_no_table_is_said_before_anything_is_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], no_reading: None, command: str
) -> None:
    assert ".parquet" in run(capsys, command, tmp_path / "x.txt")


def test_a_script_that_is_no_recipe_is_said_before_anything_is_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], no_reading: None
) -> None:
    (tmp_path / "x.py").write_text("print(1)")
    assert "is not a recipe" in run(capsys, "recipe", tmp_path / "x.py")
    assert (tmp_path / "x.py").read_text() == "print(1)"


@pytest.mark.parametrize("command", COMMANDS)
def test_nothing_of_the_try_stays_and_a_file_that_exists_stays_until_it_is_replaced(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    # The source is not there: so the command ends after the try.
    target = tmp_path / f"x{COMMANDS[command][1]}"
    if command not in ("recipe", "convert"):
        target.write_text("kept")
    before = sorted(tmp_path.iterdir())
    assert "in" in run(capsys, command, target)
    assert sorted(tmp_path.iterdir()) == before
    assert all(path.read_text() == "kept" for path in before)


def test_a_command_writes_where_the_try_succeeds(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_series(tmp_path / "in", 2)
    assert main.main(["convert", str(tmp_path / "in"), str(tmp_path / "a" / "b"), "--to", "nii"]) == 0
    assert main.main(["scan", str(tmp_path / "in"), "-o", str(tmp_path / "x.parquet")]) == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "in", "x.parquet"]
