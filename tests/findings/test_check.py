"""Selections, order, progress and failures of a check, and its report."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from dicom_factory import ROOT, ct_slice, write_series
from finding_checks import NOBODY, TWO_SERIES, at, chosen, either, only

import napari_dicommeta as dm
from napari_dicommeta.catalog.catalog import Catalog
from napari_dicommeta.findings import check as checking
from napari_dicommeta.findings import survey
from napari_dicommeta.findings.check import CheckProgress, check, iter_check
from napari_dicommeta.findings.finding import SEVERITIES, Finding
from napari_dicommeta.findings.report import findings_report
from napari_dicommeta.findings.rule import rules_that_need


def test_files_of_several_findings_are_selected_apart(tmp_path: Path) -> None:
    write_series(tmp_path / "a", 4, RescaleType=either("HU", "US"))
    write_series(
        tmp_path / "b", 4, SeriesInstanceUID=f"{ROOT}.5", SOPInstanceUID=lambda k: f"{ROOT}.6.{k}", KVP=either(0, 120)
    )
    catalog = dm.scan(tmp_path)
    unspecified = catalog.where(dict(only(catalog, "rescale-unspecified").selection))
    assert {Path(path).name for path in unspecified.paths} == {"im002.dcm", "im001.dcm"}  # slices 2 and 3
    assert unspecified.values("RescaleType") == {"US": 2}
    zero = catalog.where(dict(only(catalog, "kvp-zero").selection))
    assert zero.values(("KVP", "SeriesInstanceUID")) == {("0", f"{ROOT}.5"): 2}
    absent = only(catalog, "absent-in-part")
    assert absent.evidence == (("KVP absent", 4),)
    assert catalog.where(dict(absent.selection)).values("SeriesInstanceUID") == {f"{ROOT}.2": 4}


def test_files_with_the_same_uids_are_told_apart_by_other_tags(tmp_path: Path) -> None:
    """Only the study's name of the device differs between the damaged file and an equal one."""
    same = {"SOPInstanceUID": "1.2.3", "InstanceNumber": 1, "ImagePositionPatient": [0, 0, 0]}
    (tmp_path / "whole.dcm").write_bytes(ct_slice(0, **same, Manufacturer="A"))
    (tmp_path / "cut.dcm").write_bytes(ct_slice(0, **same, Manufacturer="B")[:-100])
    catalog = dm.scan(tmp_path)
    damaged = only(catalog, "damaged")
    assert (damaged.severity, damaged.files) == ("wrong", 1)
    assert [Path(path).name for path in catalog.where(dict(damaged.selection)).paths] == ["cut.dcm"]


def test_the_most_severe_and_the_largest_come_first(tmp_path: Path) -> None:
    write_series(tmp_path, 4, RescaleType=either("HU", "US"), HighBit=13, KVP=0, RescaleSlope=either("1", "1.0"))
    findings = check(dm.scan(tmp_path))
    keys = [(SEVERITIES.index(one.severity), -one.files) for one in findings]
    assert keys == sorted(keys)
    assert [one.code for one in findings][:4] == ["high-bit", "identifying", "rescale-type", "rescale-unspecified"]


def test_rules_work_on_part_of_a_catalog_and_on_none(tmp_path: Path) -> None:
    write_series(tmp_path, 4, **NOBODY, RescaleType=either("HU", "US"), KVP=either(0, 120))
    catalog = dm.scan(tmp_path)
    part = catalog.where(RescaleType="HU")
    assert {(one.code, one.files) for one in check(part)} == {("kvp-zero", 2)}
    assert check(catalog.rows(np.array([], dtype=np.intp))) == ()
    assert check(Catalog.of_tables([])) == ()


def run(steps: Generator[CheckProgress, None, tuple[Finding, ...]]) -> tuple[list[CheckProgress], object]:
    """What a generator yields, and what it returns."""
    yielded = []
    while True:
        try:
            yielded.append(next(steps))
        except StopIteration as end:
            return yielded, end.value


def test_progress_is_told_series_by_series_and_it_can_be_canceled(tmp_path: Path) -> None:
    write_series(tmp_path, 4, **NOBODY, **TWO_SERIES, ImagePositionPatient=at(0, 2.5, 0, 5))
    catalog = dm.scan(tmp_path)
    progress, found = run(iter_check(catalog))
    assert found == check(catalog)
    assert list(dict.fromkeys((one.done, one.total) for one in progress)) == [(0, 2), (1, 2), (2, 2)]
    n_rules = len(rules_that_need("counts")) + len(rules_that_need("volumes"))
    assert len(progress) == 1 + 2 + n_rules  # it can be canceled between rules, too
    canceled = iter_check(catalog)
    next(canceled)
    canceled.close()
    assert list(canceled) == []


def test_a_check_says_how_far_it_is_and_ends_with_the_error_of_its_listener(tmp_path: Path) -> None:
    write_series(tmp_path, 4, **NOBODY, **TWO_SERIES)
    catalog = dm.scan(tmp_path)
    progress: list[CheckProgress] = []
    assert dm.check(catalog, pixels=True, progress=progress.append) == dm.check(catalog, pixels=True)
    steps = list(dict.fromkeys((one.step, one.done, one.total) for one in progress))
    assert steps == [(step, done, 2) for step in ("series", "pixels") for done in range(3)]

    class Enough(Exception):
        pass

    def cancel(progress: CheckProgress) -> None:
        if progress.done:
            raise Enough

    with pytest.raises(Enough):
        dm.check(catalog, progress=cancel)


def test_without_volumes_no_file_is_opened(tmp_path: Path) -> None:
    paths = write_series(tmp_path, 4, **NOBODY, ImagePositionPatient=at(0, 2.5, 7.5, 10), KVP=0)
    catalog = dm.scan(tmp_path)
    for path in paths:
        path.unlink()
    assert [one.code for one in check(catalog, volumes=False)] == ["kvp-zero"]


def test_a_rule_that_fails_loses_no_other_finding(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken_rule(_survey: object) -> None:
        raise ZeroDivisionError("Doe^Jane")

    write_series(tmp_path, 2, **NOBODY, KVP=0)
    catalog = dm.scan(tmp_path)
    rules = {needs: rules_that_need(needs) for needs in ("counts", "volumes")}
    rules["counts"] = (broken_rule, *rules["counts"])
    monkeypatch.setattr(checking, "rules_that_need", rules.__getitem__)
    failed, kvp = check(catalog)
    assert (failed.code, failed.files, kvp.code) == ("rule-failed", 0, "kvp-zero")
    assert failed.title == "The rule broken_rule failed: ZeroDivisionError"
    logged = [record for record in caplog.records if "the rule broken_rule" in record.getMessage()]
    assert logged
    assert "Doe" not in "".join(record.getMessage() for record in logged)
    assert chosen(catalog, failed) == 0


def test_a_check_of_pixels_that_fails_loses_no_other_finding(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_checked: object) -> None:
        raise ZeroDivisionError

    write_series(tmp_path, 2, **NOBODY, KVP=0)
    monkeypatch.setattr(checking.hu_check, "hu_findings", broken)
    failed, kvp = check(dm.scan(tmp_path), pixels=True)
    assert (failed.title, kvp.code) == ("The rule pixel_values failed: ZeroDivisionError", "kvp-zero")


def test_a_series_that_fails_loses_no_other_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_series(tmp_path, 4, **NOBODY, **TWO_SERIES, SliceThickness=5)
    load_series = survey.load_series

    def broken(series: Any) -> Any:
        if series.number == "3":
            raise ZeroDivisionError
        return load_series(series)

    monkeypatch.setattr(survey, "load_series", broken)
    catalog = dm.scan(tmp_path)
    failed = only(catalog, "series-failed")
    assert failed.evidence == (("ZeroDivisionError", 2),)
    assert catalog.where(dict(failed.selection)).values("SeriesNumber") == {"3": 2}
    assert only(catalog, "slices-overlap").files == 2


def test_a_report_in_markdown_escapes_what_files_say() -> None:
    findings = (
        Finding(
            code="a",
            severity="wrong",
            title="A | b <i>",
            evidence=(("x|y\n*z*", 1234),),
            tags=("KVP",),
            standard="PS3.5",
            advice="Do_it.",
            files=1234,
            meaning="Why & how",
        ),
        Finding(code="b", severity="info", title="Second"),
    )
    assert findings_report(findings, "My #1") == (
        "# My \\#1\n\n1 wrong, 0 needs a decision, 1 good to know.\n\n"
        "## Wrong\n\n### A \\| b \\<i\\>\n\n1,234 files · `a` · KVP\n\nWhy &amp; how\n\n"
        "| what | files |\n| --- | ---: |\n| x\\|y\\n\\*z\\* | 1,234 |\n\n**Do\\_it.** (PS3.5)\n\n"
        "## Good to know\n\n### Second\n\n`b`\n"
    )
    assert findings_report(()) == "# Findings\n\n0 wrong, 0 needs a decision, 0 good to know.\n"
