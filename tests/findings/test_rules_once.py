"""A fact is reported once, by the rule that says most about it, and only of the images that it is about."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from dicom_factory import ROOT, write_series
from finding_checks import NO_WINDOW, NOBODY, only
from mosaic_factory import siemens

import napari_dicommeta as dm
from napari_dicommeta.findings.check import check

MR: dict[str, Any] = {"Modality": "MR", **dict.fromkeys(("RescaleSlope", "RescaleIntercept", "RescaleType"))}


def codes(folder: Path) -> set[str]:
    return {finding.code for finding in check(dm.scan(folder))}


def test_a_number_that_is_none_is_not_reported_as_assumed_too(tmp_path: Path) -> None:
    write_series(tmp_path, 2, **NOBODY, NumberOfFrames="1A")
    assert codes(tmp_path) == {"suspect-value"}
    write_series(tmp_path, 2, **NOBODY, NumberOfFrames="1A", PixelRepresentation=None)
    assert codes(tmp_path) == {"suspect-value", "pixels-assumed"}


def test_a_mosaic_of_unknown_places_is_one_fact(tmp_path: Path) -> None:
    siemens(tmp_path / "mosaic.dcm", image_header=None, **NOBODY, **MR, **NO_WINDOW)
    assert codes(tmp_path) == {"mosaic"}
    assert only(dm.scan(tmp_path), "mosaic").severity == "decision"


def test_a_picture_in_a_series_is_not_rescaled_image_by_image(tmp_path: Path) -> None:
    """Two slices of CT have other intercepts, and a color picture in their series has neither of these."""
    palette = {"PhotometricInterpretation": lambda k: "MONOCHROME2" if k < 2 else "PALETTE COLOR"}
    write_series(tmp_path, 3, **NOBODY, **palette, RescaleIntercept=lambda k: (-1024, -1000, 0)[k])
    (finding,) = (one for one in check(dm.scan(tmp_path)) if one.code == "rescale-in-series")
    assert (finding.scope, finding.files) == ("CT", 2)


def test_cubes_are_not_said_to_be_longer_than_wide(tmp_path: Path) -> None:
    for i, length in enumerate((1, 2)):
        uids = {"SeriesInstanceUID": f"{ROOT}.2.{i}", "SOPInstanceUID": lambda k, i=i: f"{ROOT}.3.{i}.{k}"}
        places = {"ImagePositionPatient": lambda k, step=length: [0, 0, step * k], "PixelSpacing": [length] * 2}
        write_series(tmp_path / str(i), 3, **NOBODY, **uids, **places)
    assert only(dm.scan(tmp_path), "steps").title == "CT: volumes have slices 1 to 2 mm apart"
