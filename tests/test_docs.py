"""The documentation is what the code is: generated pages are fresh, blocks print what is shown, examples run."""

from __future__ import annotations

import doctest
import inspect
import re
from pathlib import Path

import docs_blocks
import docs_pages
import numpy as np
import pytest

import napari_dicommeta as dm
from napari_dicommeta._napari.keys import PRESET_KEYS, STEP_KEYS

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
OPTIONAL = {"to_pandas": "pandas", "polars": "polars", "to_sitk": "SimpleITK", "to_nibabel": "nibabel"}
"""What code names -> the package of an extra that it needs."""


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory, phantom: Path) -> Path:
    target = tmp_path_factory.mktemp("docs")
    docs_blocks.make_folders(target, phantom)
    return target


@pytest.mark.parametrize("page", docs_blocks.pages(), ids=lambda path: path.stem)
def test_blocks_print_what_is_shown(page: Path, folders: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    code = "".join(block.code for block in docs_blocks.blocks_of(page.read_text("utf-8")) if block.reason is None)
    for name, module in OPTIONAL.items():
        if name in code:
            pytest.importorskip(module)
    monkeypatch.chdir(folders)
    monkeypatch.setenv("COLUMNS", "100")
    for block, printed in docs_blocks.outputs(page, page.read_text("utf-8")):
        if block.kind == "console":
            assert printed.split() == block.code.split(), "run python3 dev.py docs"
        else:
            assert printed == (block.output or ""), f"{block.code}\nrun python3 dev.py docs"


def test_generated_pages_are_fresh() -> None:
    stale = [path.name for path, text in docs_pages.generated() if path.read_text("utf-8") != text]
    assert stale == [], "run python3 dev.py docs"


def test_examples_in_docstrings_run(folders: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folders)
    finder, runner = doctest.DocTestFinder(), doctest.DocTestRunner(optionflags=doctest.ELLIPSIS)
    n_examples = {}
    for name in dm.__all__:
        thing = getattr(dm, name)
        if not inspect.isclass(thing) and not inspect.isfunction(thing):
            continue
        for test in finder.find(thing, name, module=False, globs={"dm": dm, "np": np}):
            runner.run(test)
            n_examples[test.name] = len(test.examples)
    assert runner.summarize(verbose=False).failed == 0
    shown = {"scan", "load", "check", "compare", "series_table", "make_recipe", "Volume", "Window", "TagPath"}
    assert shown | {"Catalog.values", "Catalog.where"} <= {name for name, n in n_examples.items() if n}


def test_the_reference_names_all_that_is_public() -> None:
    documented = set(re.findall(r"auto\w+:: ([\w.]+)", (DOCS / "api.md").read_text("utf-8")))
    assert set(dm.__all__) - {"__version__"} <= documented


def test_every_page_is_in_the_index() -> None:
    listed = re.findall(r"^([\w/-]+)$", (DOCS / "index.md").read_text("utf-8"), re.MULTILINE)
    names = {path.relative_to(DOCS).with_suffix("").as_posix() for path in DOCS.rglob("*.md")} - {"index"}
    assert names == set(listed)


def test_every_key_is_documented() -> None:
    text = (DOCS / "window.md").read_text("utf-8")
    listed = set(re.findall(r"`(Alt\+.)`", text))
    listed |= {f"Alt+{n}" for n in range(1, 10)} if "`Alt+1` … `Alt+9`" in text else set()
    assert listed == {*PRESET_KEYS, *STEP_KEYS}


def test_every_code_that_is_named_is_a_kind_of_finding() -> None:
    kinds = set(re.findall(r"^### (\S+)$", (DOCS / "findings.md").read_text("utf-8"), re.MULTILINE))
    for page in DOCS.rglob("*.md"):
        named = set(re.findall(r"findings\.md#([\w-]+)\)", page.read_text("utf-8")))
        assert named <= kinds, page.name


def test_pictures_are_shown() -> None:
    text = "".join(path.read_text("utf-8") for path in (*DOCS.rglob("*.md"), ROOT / "README.md"))
    pictures = [path for path in DOCS.rglob("*") if path.suffix in (".png", ".svg")]
    assert len(pictures) >= 4
    assert [path.name for path in pictures if path.name not in text] == []
