"""The code blocks of the documentation: found, run in an empty folder, and compared with the output that is shown.

``python3 dev.py docs`` calls `main`, which writes the outputs; a test compares them. A block below a comment
``<!-- not run: REASON -->`` is only compiled.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import shlex
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from dicom_factory import ROOT as UID
from dicom_factory import contour, key_objects, presentation_state, structure_set, write_series

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
BLOCK = re.compile(
    r"(?:<!-- not run: (?P<reason>[^\n]+) -->\n+)?"
    r"```(?P<kind>python|console)\n(?P<code>.*?)```\n(?:\n```text\n(?P<output>.*?)```\n)?",
    re.DOTALL,
)
COMMAND = re.compile(r"^\$ (.*)\n((?:(?!\$ ).*\n)*)", re.MULTILINE)


@dataclass(frozen=True)
class Block:
    """A block of a page: `kind` is python or console, `output` what is shown below it, `reason` why it is not run."""

    kind: str
    code: str
    output: str | None
    reason: str | None


def pages() -> list[Path]:
    return sorted(path for path in DOCS.rglob("*.md") if BLOCK.search(path.read_text("utf-8")))


def blocks_of(text: str) -> list[Block]:
    return [Block(match["kind"], match["code"], match["output"], match["reason"]) for match in BLOCK.finditer(text)]


def make_folders(target: Path, phantom: Path) -> None:
    """Write the folders that the pages name: the sample, also as a patient, two deliveries with labels, structures."""
    shutil.copytree(phantom, target / "Chest CT phantom")
    shutil.copytree(phantom, target / "stage1" / "patient-1")
    for n in range(12):
        kernel = "B80f" if n % 2 else "B30f"
        side = "delivery-2" if n % 2 else "delivery-1"
        patient = {"PatientID": f"p{n}", "SeriesInstanceUID": f"1.2.{n}", "StudyInstanceUID": f"1.3.{n}"}
        write_series(target / side / f"p{n}", 4, ConvolutionKernel=kernel, **patient)
    planning = target / "planning"
    write_series(planning / "ct", 5, FrameOfReferenceUID=f"{UID}.5")
    box = [(-8.75, -18.9), (-8.75, -15.1), (-5.75, -15.1), (-5.75, -18.9)]
    contours = [contour(box, z) for z in (2.5, 5.0)]
    structures = structure_set((1, "GTV", [255, 128, 0], contours), (2, "Heart", [0, 0, 255], [contour(box, 2.5)]))
    window = {"WindowCenter": 60, "WindowWidth": 160, "WindowCenterWidthExplanation": "LIVER"}
    for name, content in (
        ("structures", structures),
        ("state", presentation_state([0, 1, 2, 3, 4], [window])),
        ("selection", key_objects([2])),
    ):
        (planning / f"{name}.dcm").write_bytes(content)
    rows = "".join(f"p{n},{('benign', 'malignant')[n % 2]}\n" for n in range(12))
    (target / "labels.csv").write_text("patient,label\n" + rows)


def run_python(code: str, name: str, names: dict[str, object]) -> str:
    """Return what a block prints; `names` are those of the blocks before it on its page."""
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        exec(compile(code, name, "exec"), names)
    return out.getvalue()


def run_command(command: str) -> str:
    """Return what a command prints, run in this process; its exit code must be 0, or 1 with ``--fail-on``."""
    from napari_dicommeta.cli.main import main as run

    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        code = run(shlex.split(command)[1:])
    assert code in ((0, 1) if "--fail-on" in command else (0,)), f"{command}: exit code {code}"
    return aligned(out.getvalue())


def aligned(text: str) -> str:
    """Return a table with columns as a terminal shows them; a pipe gets tabs."""
    rows = [line.split("\t") for line in text.splitlines()]
    if not rows or len({len(row) for row in rows}) > 1 or len(rows[0]) == 1:
        return text
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    return "\n".join(lines) + "\n"


def is_run(command: str) -> bool:
    """Return whether a line of a session is ours; others, such as pip, are only shown."""
    return command.startswith("napari-dicommeta ")


def outputs(page: Path, text: str) -> Iterator[tuple[Block, str]]:
    """Yield the blocks of a page with what they print, run one after the other in the current folder."""
    names: dict[str, object] = {"__name__": "__main__"}
    for block in blocks_of(text):
        if block.reason is not None:
            if block.kind == "python":
                compile(block.code, page.name, "exec")
            continue
        if block.kind == "python":
            yield block, run_python(block.code, page.name, names)
        else:
            lines = [
                f"$ {command}\n{run_command(command) if is_run(command) else shown}"
                for command, shown in COMMAND.findall(block.code)
            ]
            yield block, "".join(lines)


def filled(page: Path) -> str:
    """Return the text of a page with the outputs that its blocks have now."""
    text = page.read_text("utf-8")
    printed = dict(outputs(page, text))

    def with_output(match: re.Match[str]) -> str:
        block = Block(match["kind"], match["code"], match["output"], match["reason"])
        new = printed.get(block)
        if new is None:
            return match[0]
        if block.kind == "console":
            return f"```console\n{new}```\n"
        return f"```python\n{block.code}```\n" + (f"\n```text\n{new}```\n" if new else "")

    return BLOCK.sub(with_output, text)


def main() -> None:
    """Write the outputs of all pages."""
    from napari_dicommeta.phantom import sample

    os.environ["COLUMNS"] = "100"
    with tempfile.TemporaryDirectory() as folder:
        os.environ["XDG_CACHE_HOME"] = os.path.join(folder, "cache")
        phantom = sample(Path(folder) / "phantom" / "Chest CT phantom")
        for page in pages():
            target = Path(folder) / page.stem
            make_folders(target, phantom)
            os.chdir(target)
            page.write_text(filled(page), "utf-8", newline="\n")


if __name__ == "__main__":
    main()
