"""Helpers of the tests of findings: changes of series of four slices, and one finding of many."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from dicom_factory import ROOT

from napari_dicommeta.catalog.catalog import Catalog
from napari_dicommeta.findings.check import check
from napari_dicommeta.findings.finding import Finding

NOBODY = {"PatientName": None, "PatientID": None}
CORONAL, SAGITTAL = [1, 0, 0, 0, 0, -1], [0, 1, 0, 0, 0, -1]
SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"
ONE_WINDOW = {"WindowCenter": 40, "WindowWidth": 400, "WindowCenterWidthExplanation": None}
NO_WINDOW: dict[str, Any] = {"WindowCenter": None, "WindowWidth": None, "WindowCenterWidthExplanation": None}


def either(one: object, other: object) -> Callable[[int], object]:
    """`one` in the slices 0 and 1, `other` in 2 and 3."""
    return lambda k: one if k < 2 else other


def at(*heights: float) -> Callable[[int], object]:
    return lambda k: [-10, -20, heights[k]]


TWO_SERIES = {"SeriesInstanceUID": either(f"{ROOT}.21", f"{ROOT}.22"), "SeriesNumber": either(3, 4)}


def chosen(catalog: Catalog, finding: Finding) -> int:
    """How many files the finding's selection gives."""
    return catalog.where(dict(finding.selection)).n_files


def only(catalog: Catalog, code: str) -> Finding:
    """The one finding with this code."""
    (finding,) = (one for one in check(catalog) if one.code == code)
    return finding
