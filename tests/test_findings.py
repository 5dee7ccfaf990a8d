from __future__ import annotations

from pathlib import Path

import pytest
from dicom_factory import Raw, write_series

import napari_dicommeta as dm


@pytest.mark.parametrize(
    ("code", "changes"),
    [
        ("spellings", {"RescaleSlope": lambda k: ["1", "1.0"][k % 2]}),
        ("suspect-value", {"PixelPaddingValue": Raw("US", b"0 ")}),
        ("rescale-unspecified", {"RescaleType": "US"}),
        ("window-doubled", {"WindowCenter": [40, 40], "WindowWidth": [400, 400]}),
    ],
)
def test_each_rule_is_triggered_by_its_fault_alone(tmp_path: Path, code: str, changes: dict[str, object]) -> None:
    write_series(tmp_path, 4, **changes)
    catalog = dm.scan(tmp_path)
    findings = catalog.findings()
    assert [finding.code for finding in findings] == [code]
    (finding,) = findings
    assert catalog.where(dict(finding.selection)).n_files == 4
    assert sum(files for _, files in finding.evidence) == 4
    assert finding.standard.startswith("PS3.")
    assert finding.advice


def test_clean_data_have_no_findings(tmp_path: Path) -> None:
    write_series(tmp_path, 4)
    assert dm.scan(tmp_path).findings() == ()
