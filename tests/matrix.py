"""Run a part of the tests on each Python and Qt binding that can be had here: ``python3 dev.py test --matrix``.

Each cell has an environment of its own in ``.matrix``, which uv makes. An interpreter is one of this machine, of pyenv,
or one that uv fetches. A cell whose interpreter or packages cannot be had is skipped, and named with the reason.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]
PLACE = ROOT / ".matrix"
TOOLS = ("hypothesis", "npe2", "pytest", "pytest-qt", "pytest-xdist", "pyyaml")
"""What the tests of the part import beside the project; the newest versions, also where its own are the oldest."""
LIBRARY = ("test_readme.py", "test_phantom.py", "catalog", "cli/test_main.py", "scanning/test_scan.py", "volumes")
WINDOW = ("test_readme.py", "plugin", "window/test_opening.py", "window/test_series_list.py", "window/test_sources.py")


class Cell(NamedTuple):
    """A Python version, a Qt binding ("" without napari), and whether each dependency has its oldest version."""

    python: str
    binding: str = ""
    is_oldest: bool = False

    @property
    def name(self) -> str:
        """Return what names the cell and its folder."""
        return f"{self.python}-{self.binding or 'library'}{'-oldest' if self.is_oldest else ''}"


class Result(NamedTuple):
    """What became of a cell: "passed", "failed" or "skipped", and seconds and size, or why."""

    outcome: str
    text: str


CELLS = (
    Cell("3.11", is_oldest=True),
    Cell("3.11", "PyQt6", is_oldest=True),
    Cell("3.11", "PyQt6"),
    Cell("3.11", "PySide6"),
    Cell("3.12", "PyQt6"),
    Cell("3.12", "PySide6"),
    Cell("3.13"),
    Cell("3.13", "PyQt6"),
    Cell("3.13", "PySide6"),
    Cell("3.14"),
    Cell("3.14", "PyQt6"),
    Cell("3.14", "PySide6"),
    Cell("3.15"),
    Cell("3.15", "PyQt6"),
    Cell("3.15", "PySide6"),
)
OLDEST_BINDING = {"PyQt6": "PyQt6>=6.5", "PySide6": "PySide6>=6.5"}
"""The project requires no binding, so nothing else says which one is too old: qtpy 2.4 says so of Qt before 6.2."""


def interpreter(version: str) -> str:
    """Return a Python of pyenv with this version, or the version itself: uv then looks for one, or fetches one."""
    root = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    found = sorted(root.glob(f"{version}.*/bin/python"), key=lambda path: int(path.parts[-3].rpartition(".")[2]))
    return str(found[-1]) if found else version


def run_cell(cell: Cell, uv: str, arguments: list[str]) -> Result:
    """Make the environment of a cell, and run its part of the tests, or those that `arguments` name."""
    folder = PLACE / cell.name
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    began = time.monotonic()
    binding = OLDEST_BINDING[cell.binding] if cell.is_oldest and cell.binding else cell.binding
    project = [f"{ROOT}[napari]", binding] if cell.binding else [str(ROOT)]
    install = [uv, "pip", "install", "--quiet", "--compile-bytecode", "--only-binary", ":all:", "--python", str(python)]
    lowest = ["--resolution", "lowest-direct"] if cell.is_oldest else []
    steps = [
        [uv, "venv", "--quiet", "--clear", "--no-project", "--python", interpreter(cell.python), str(folder)],
        [*install, "--no-binary", "napari-dicommeta", *lowest, "--editable", *project],
        [*install, *TOOLS],
    ]
    for step in steps:
        print("+", *step, flush=True)
        done = subprocess.run(step, cwd=ROOT, capture_output=True, text=True, check=False)
        if done.returncode:
            return Result("skipped", reason(done.stderr))
    installed = time.monotonic()
    part = [f"tests/{name}" for name in (WINDOW if cell.binding else LIBRARY)]
    command = [str(python), "-m", "pytest", "-q", "-m", "not slow and not real", *(arguments or part)]
    if not cell.binding:
        command += ["-p", "no:pytest-qt"]
    elif sys.platform.startswith("linux") and shutil.which("xvfb-run"):
        command = ["xvfb-run", "-a", "-s", "-screen 0 1600x1000x24", *command]
    print("+", *command, flush=True)
    kept = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "PYTHONDONTWRITEBYTECODE")}
    code = subprocess.run(command, cwd=ROOT, check=False, env={**kept, "QT_API": cell.binding.lower()}).returncode
    size = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file() and not file.is_symlink())
    took = f"installed in {installed - began:.0f} s, {size / 1e6:,.0f} MB; tests {time.monotonic() - installed:.0f} s"
    return Result("failed" if code else "passed", took)


def reason(text: str) -> str:
    """Return what uv's message says first, and the last of its causes."""
    lines = [re.sub(r"^[^\w`]*(?:error|cause|Caused by)?:? *", "", line) for line in text.splitlines() if line.strip()]
    lines = [line for line in lines if not line.startswith(("hint:", "warning:"))] or ["uv said nothing"]
    return " … ".join(dict.fromkeys((lines[0], lines[-1])))


def main(arguments: list[str]) -> int:
    """Run all cells, or those with a word of ``--only=WORD`` in their names; return 1 if one failed or none ran."""
    words = [word.removeprefix("--only=") for word in arguments if word.startswith("--only=")]
    arguments = [word for word in arguments if not word.startswith("--only=")]
    chosen = [cell for cell in CELLS if not words or any(word in cell.name for word in words)]
    uv = shutil.which("uv", path=str(Path(sys.executable).parent)) or shutil.which("uv")
    if uv is None:
        sys.exit("uv is not installed: pip install uv")
    results = {cell.name: run_cell(cell, uv, arguments) for cell in chosen}
    for name, (outcome, text) in results.items():
        print(f"{name:22} {outcome:8} {text}")
    outcomes = {result.outcome for result in results.values()}
    return int("failed" in outcomes or "passed" not in outcomes)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
