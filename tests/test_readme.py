"""Run the README's Python example and command-line session and compare their output with the text."""

from __future__ import annotations

import contextlib
import io
import re
import shlex
import tomllib
from pathlib import Path

import numpy as np
import pytest

from napari_dicommeta.cli.main import main

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text("utf-8")


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
    assert len(commands) == 4  # the pages of docs/ have more, which tests/test_docs.py runs
    for command, expected in commands:
        assert main(shlex.split(command)) == 0
        assert words(capsys.readouterr().out) == words(expected)


def test_its_links_are_absolute_and_lead_to_files_of_this_repository() -> None:
    """PyPI and the hub of napari show the README without the files beside it."""
    repository = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["urls"]["Source"]
    links = re.findall(r"(!?)\[[^]]*\]\(([^)]+)\)", README)
    assert len(links) >= 20
    own = [(picture, link) for picture, link in links if link != "https://napari.org"]
    for picture, link in own:
        place = f"{repository}/raw/main/" if picture else f"{repository}/blob/main/"
        assert link.startswith(place), link
        assert (ROOT / link.removeprefix(place)).is_file(), link
    assert sum(bool(picture) for picture, _ in own) >= 6


def test_it_is_short() -> None:
    assert len(README.split()) <= 900


def test_every_command_is_documented(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--help"])
    shown = re.findall(r"^    (\w+) ", capsys.readouterr().out, re.MULTILINE)
    commands = ["audit", "compare", "convert", "findings", "info", "open", "recipe"]
    commands += ["sample", "scan", "series", "shell", "tags", "values"]
    assert sorted(shown) == commands
    assert [command for command in shown if f"`{command}" not in README] == []
