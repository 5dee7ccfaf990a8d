from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from napari_dicommeta.cli.main import main
from napari_dicommeta.cli.shell import manual_page


def test_the_manual_page_has_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["shell", "man"]) == 0
    page = capsys.readouterr().out
    assert page.startswith('.TH NAPARI\\-DICOMMETA 1 "" "napari\\-dicommeta ')
    for command in ("open", "scan", "values", "findings", "recipe", "info", "shell"):
        assert f'.SS "{command}"\n' in page
    assert "\\fB\\-\\-fail\\-on wrong|decision|info\\fR\nexit code 1" in page
    assert "\\fBSRC\\fR\nfolders, archives, files, or catalogs" in page


@pytest.mark.skipif(shutil.which("groff") is None, reason="groff is not installed")
def test_groff_has_nothing_to_warn_about(capsys: pytest.CaptureFixture[str]) -> None:
    main(["shell", "man"])
    page = capsys.readouterr().out
    shown = subprocess.run(
        ["groff", "-man", "-Tascii", "-ww", "-P-c"], input=page, capture_output=True, text=True, check=True
    )
    assert shown.stderr == ""
    assert "exit code 1 if a finding is at least this severe" in " ".join(shown.stdout.split())


def test_roff_shows_what_the_help_says() -> None:
    parser = argparse.ArgumentParser(prog="x", description=".TH is \\a request")
    parser.add_argument("--share", default=7, help="in %%, %(default)s by default")
    parser.add_argument("--hidden", help=argparse.SUPPRESS)
    lines = manual_page(parser).splitlines()
    assert "x \\- \\&.TH is \\ea request" in [line.replace("\\- .", "\\- \\&.") for line in lines]
    assert "in %, 7 by default" in lines
    assert not any("hidden" in line for line in lines)


@pytest.mark.parametrize("shell", ["bash", "zsh", "tcsh"])
def test_commands_are_completed(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("shtab")
    assert main(["shell", shell]) == 0
    script = capsys.readouterr().out
    assert "napari-dicommeta" in script
    assert "findings" in script
    assert "--fail-on" in script or "fail-on" in script


@pytest.mark.skipif(sys.platform == "win32" or shutil.which("bash") is None, reason="bash is not installed")
def test_bash_completes_commands_options_and_files(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    pytest.importorskip("shtab")
    main(["shell", "bash"])
    script = tmp_path / "completion"
    script.write_text(capsys.readouterr().out)
    (tmp_path / "Chest").mkdir()

    def completed(*words: str) -> set[str]:
        ask = (
            f"source {script}; COMP_WORDS=({' '.join(repr(word) for word in words)}); COMP_CWORD={len(words) - 1}; "
            "function=$(complete -p napari-dicommeta | sed -E 's/.*-F ([^ ]+).*/\\1/'); "
            f"$function napari-dicommeta {words[-1]!r} {words[-2]!r}; printf '%s\\n' \"${{COMPREPLY[@]}}\""
        )
        shown = subprocess.run(["bash", "-c", ask], cwd=tmp_path, capture_output=True, text=True, check=True)
        return set(shown.stdout.split())

    assert {"findings", "series", "shell"} <= completed("napari-dicommeta", "")
    assert completed("napari-dicommeta", "findings", "--fail-on", "w") == {"wrong"}
    assert "Chest" in completed("napari-dicommeta", "series", "Ch")


def test_without_shtab_it_is_named(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "shtab", None)
    assert main(["shell", "zsh"]) == 2
    assert "napari-dicommeta[completion]" in capsys.readouterr().err


def test_the_package_runs_as_a_module() -> None:
    command = [sys.executable, "-m", "napari_dicommeta", "--version"]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout.startswith("napari-dicommeta ")
