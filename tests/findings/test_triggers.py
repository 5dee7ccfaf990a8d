"""Every kind of finding has files made for it, which trigger it, and nothing else but what follows from them."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest
from dicom_factory import write_series
from finding_checks import NOBODY
from finding_triggers import FAILURES, PIXELS, TRIGGERS, write_phantom

import napari_dicommeta as dm
from napari_dicommeta.catalog.catalog import Catalog
from napari_dicommeta.findings.check import check, finding_kinds

HERE = Path(__file__).parent
TRIED = {fault[0] for fault in runpy.run_path(str(HERE / "test_rules.py"))["FAULTS"]}
TRIED |= {noted[0] for noted in runpy.run_path(str(HERE / "test_rules_notes.py"))["NOTED"]}
"""Codes of the findings that test_rules.py and test_rules_notes.py trigger, each alone."""
CODES = sorted(kind.code for kind in finding_kinds())


def of_pixels(catalog: Catalog) -> set[str]:
    """The codes of the findings that only a check of pixels has."""
    names = [finding.code for finding in check(catalog, volumes=False, pixels=True)]
    return {name for name in names if name.startswith("hu-")}


@pytest.mark.parametrize("code", CODES)
def test_every_kind_is_triggered_by_files_made_for_it(
    code: str, tmp_path: Path, phantom: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if code in TRIED:
        return
    if code in PIXELS:
        assert of_pixels(write_phantom(phantom, tmp_path, code)) == {code}
        return
    if code in FAILURES:
        write_series(tmp_path, 4, **NOBODY)
        FAILURES[code](monkeypatch)
        assert {finding.code for finding in check(dm.scan(tmp_path))} == {code}
        return
    write, others = TRIGGERS[code]  # a kind without an example fails here
    write(tmp_path)
    assert {finding.code for finding in check(dm.scan(tmp_path))} == {code, *others}


def test_no_example_is_left_of_a_kind_that_is_gone() -> None:
    assert TRIED | set(TRIGGERS) | set(PIXELS) | set(FAILURES) == set(CODES)
