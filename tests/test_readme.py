"""Run the README's Python example and command-line session and compare their output with the text."""

from __future__ import annotations

import contextlib
import io
import re
import shlex
from pathlib import Path

import numpy as np
import pytest

from napari_dicommeta.cli.main import main

README = (Path(__file__).resolve().parents[1] / "README.md").read_text("utf-8")


@pytest.fixture(autouse=True)
def empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A newcomer has nothing in the folder in which the blocks run."""
    monkeypatch.chdir(tmp_path)


def words(text: str) -> list[str]:
    """Return printed text without the padding of columns."""
    return text.split()


def test_the_python_blocks_run_in_an_empty_folder_as_they_stand() -> None:
    match = re.search(r"```python\n(.*?)```\n\n```\n(.*?)```", README, re.DOTALL)
    assert match
    out = io.StringIO()
    names: dict[str, object] = {}
    with contextlib.redirect_stdout(out):
        exec(match[1], names)
    assert out.getvalue() == match[2]
    assert len([line for line in match[1].splitlines() if line.strip()]) == 6
    exec(re.findall(r"```python\n(.*?)```", README, re.DOTALL)[1], names)
    image = names["image"]
    assert isinstance(image, np.ndarray)
    assert (image.shape, image.dtype) == ((1, 48, 256, 256), np.float32)
    assert image.min() == -1000  # the phantom's padding is air


def test_the_command_line_session_prints_what_it_says(capsys: pytest.CaptureFixture[str]) -> None:
    match = re.search(r"```console\n(.*?)```", README, re.DOTALL)
    assert match
    commands = re.findall(r"^\$ napari-dicommeta (.*)\n((?:(?!\$ ).*\n)*)", match[1], re.MULTILINE)
    assert len(commands) == 6
    for command, expected in commands:
        assert main(shlex.split(command)) == 0
        assert words(capsys.readouterr().out) == words(expected)


def test_its_pictures_and_links_exist() -> None:
    root = Path(__file__).resolve().parents[1]
    links = re.findall(r"\]\(([^)h][^)]*)\)", README)
    assert len(links) >= 4
    assert [link for link in links if not (root / link).exists()] == []


def test_every_command_is_documented(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--help"])
    shown = re.findall(r"^    (\w+) ", capsys.readouterr().out, re.MULTILINE)
    commands = ["audit", "compare", "convert", "findings", "info", "open", "recipe"]
    commands += ["sample", "scan", "series", "shell", "tags", "values"]
    assert sorted(shown) == commands
    assert [command for command in shown if f"`{command}" not in README] == []
