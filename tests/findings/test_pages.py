"""The pages about kinds of findings: all of them, as the document has them, with examples that are true."""

from __future__ import annotations

import json
import re
import runpy
from pathlib import Path

import pytest
from dicom_factory import write_series
from finding_checks import NOBODY

import napari_dicommeta as dm
from napari_dicommeta.cli.main import main
from napari_dicommeta.findings.check import check, finding_kinds
from napari_dicommeta.findings.examples import EXAMPLES
from napari_dicommeta.findings.pages import finding_page, findings_pages

ROOT = Path(__file__).resolve().parents[2]
FAULTS = runpy.run_path(str(Path(__file__).with_name("test_rules.py")))["FAULTS"]


def test_the_document_is_the_one_that_the_rules_give() -> None:
    assert (ROOT / "docs" / "findings.md").read_text("utf-8") == findings_pages(), "run python3 dev.py docs"


def test_every_kind_has_a_page_that_says_what_it_is() -> None:
    pages = findings_pages()
    assert set(EXAMPLES) == {kind.code for kind in finding_kinds()}
    for kind in finding_kinds():
        page = finding_page(kind.code)
        assert page.startswith(f"# {kind.code}\n\n**")
        assert "*What to do:* " in page
        assert "*Example:* " in page
        assert f"](#{kind.code})" in pages
    headings = re.findall(r"^### (.+)$", pages, re.MULTILINE)
    assert sorted(headings) == sorted(EXAMPLES)
    with pytest.raises(KeyError):
        finding_page("gaps")


@pytest.mark.parametrize("code", sorted({fault[0] for fault in FAULTS}))
def test_an_example_says_what_the_finding_says(tmp_path: Path, code: str) -> None:
    said: set[str] = set()
    for n, (_, changes, *_) in enumerate(fault for fault in FAULTS if fault[0] == code):
        write_series(tmp_path / str(n), 4, **{**NOBODY, **changes})
        for finding in check(dm.scan(tmp_path / str(n))):
            if finding.code == code:
                said |= {finding.title, *(text for text, _ in finding.evidence)}
    assert EXAMPLES[code][1] in said


def test_a_page_is_printed_by_its_code(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["findings", "--explain", "gap"]) == 0
    assert capsys.readouterr().out == finding_page("gap")
    assert main(["findings", "--explain", "all"]) == 0
    assert capsys.readouterr().out == findings_pages()
    assert main(["findings", "--explain", "gaps"]) == 2
    out, err = capsys.readouterr()
    assert (out, "did you mean gap?" in err) == ("", True)
    assert main(["findings", "--list", "--json"]) == 0
    assert {row["code"] for row in json.loads(capsys.readouterr().out)["rows"]} == set(EXAMPLES)
