"""Rules about lengths, positions and orientations."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from dicom_factory import AXIAL, ROOT, ct_pixels, enhanced, write_series
from finding_checks import CORONAL, NOBODY, SAGITTAL, SECONDARY_CAPTURE, chosen, only

import napari_dicommeta as dm
from napari_dicommeta.findings.check import check
from napari_dicommeta.findings.rules.positions import orientation_name


def test_the_spacing_to_resample_to_counts_each_series_once(tmp_path: Path) -> None:
    for i, (spacing, count) in enumerate([(0.5, 9), (0.6, 2), (0.7, 2)]):
        uids = {"SeriesInstanceUID": f"{ROOT}.2.{i}", "SOPInstanceUID": lambda k, i=i: f"{ROOT}.3.{i}.{k}"}
        write_series(tmp_path / str(i), count, PixelSpacing=[spacing, spacing], **uids)
    finding = only(dm.scan(tmp_path), "spacings")
    assert finding.title == "CT: 3 pixel spacings, 0.5 to 0.7 mm"
    assert "0.6 by 0.6 mm" in finding.advice


def test_roundings_of_a_length_are_one_length(tmp_path: Path) -> None:
    spacings, thicknesses = ["0.976562", "0.9765625", "0.97699999809265", "0.5"], ["5", "5.0000001", "4.99999", "5"]
    for i in range(4):
        uids = {"SeriesInstanceUID": f"{ROOT}.2.{i}", "SOPInstanceUID": lambda k, i=i: f"{ROOT}.3.{i}.{k}"}
        places = {"ImagePositionPatient": lambda k, i=i: [0, 0, (5, 5.0004, 4.9998, 5)[i] * k]}
        lengths = {"PixelSpacing": [spacings[i]] * 2, "SliceThickness": thicknesses[i]}
        write_series(tmp_path / str(i), 3, **NOBODY, **uids, **places, **lengths)
    (finding,) = check(dm.scan(tmp_path))
    assert (finding.code, finding.severity) == ("spacings", "decision")
    assert finding.title == "CT: 2 pixel spacings, 0.5 to 0.9766 mm"
    assert set(finding.evidence) == {("0.976562 by 0.976562 mm", 9), ("0.5 by 0.5 mm", 3)}
    rounded = check(dm.scan(tmp_path).where(PixelSpacing=["0.976562\\0.976562", "0.9765625\\0.9765625"]))
    assert [(one.code, one.severity) for one in rounded] == [("spacings", "info")]
    assert rounded[0].title == "CT: 1 pixel spacing, 0.9766 by 0.9766 mm, in several roundings"


def test_missing_slices_change_no_distance(tmp_path: Path) -> None:
    """Both series are 2.5 mm thick and 2.5 mm apart; one lacks two slices."""
    for name, heights in (("whole", range(8)), ("gap", (0, 1, 2, 3, 6, 7, 8, 9))):
        uids = {"SeriesInstanceUID": f"{ROOT}.{len(name)}", "SOPInstanceUID": lambda k, n=name: f"{ROOT}.{len(n)}.{k}"}
        places = {"ImagePositionPatient": lambda k, at=tuple(heights): [0, 0, 2.5 * at[k]], "SliceThickness": 2.5}
        write_series(tmp_path / name, 8, **NOBODY, **uids, **places)
    assert [one.code for one in check(dm.scan(tmp_path))] == ["gap"]


def test_sheared_slices_are_as_far_apart_as_along_their_normal(tmp_path: Path) -> None:
    """The table moves 5 mm a slice, and the gantry leans by 20 degrees: 5 mm · cos 20° = 4.698 mm."""
    lean = np.radians(20)
    orientation = [1, 0, 0, 0, round(float(np.cos(lean)), 9), round(float(-np.sin(lean)), 9)]
    write_series(
        tmp_path,
        4,
        **NOBODY,
        ImageOrientationPatient=orientation,
        ImagePositionPatient=lambda k: [0, 0, 5 * k],
        SliceThickness=4.7,
    )
    assert {one.code for one in check(dm.scan(tmp_path))} == {"tilt"}


def test_screenshots_beside_slices_lack_nothing(tmp_path: Path) -> None:
    """Screenshots of modality CT have no place, no thickness and no HU; the slices beside them have all."""
    write_series(tmp_path / "ct", 4, **NOBODY, KVP=120, SliceThickness=2.5)
    places = dict.fromkeys(("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "RescaleType"))
    uids = {"SeriesInstanceUID": f"{ROOT}.5", "SOPInstanceUID": lambda k: f"{ROOT}.6.{k}"}
    write_series(tmp_path / "sc", 2, **NOBODY, **uids, **places, SOPClassUID=SECONDARY_CAPTURE)
    found = {(finding.code, finding.severity) for finding in check(dm.scan(tmp_path))}
    assert found == {("no-ct-values", "decision")}


def test_what_enhanced_images_keep_in_functional_groups_is_not_missing(tmp_path: Path) -> None:
    frames = [{"ImagePositionPatient": [0, 0, 2.5 * k]} for k in range(3)]
    shared = {
        "ImageOrientationPatient": AXIAL,
        "PixelSpacing": [0.75, 0.5],
        "RescaleSlope": 1,
        "RescaleIntercept": -1024,
        "RescaleType": "HU",
    }
    file = enhanced([ct_pixels(k) for k in range(3)], frames, shared, **NOBODY)
    (tmp_path / "enhanced.dcm").write_bytes(file)
    assert check(dm.scan(tmp_path)) == ()
    write_series(
        tmp_path, 2, **NOBODY, SeriesInstanceUID="1.2.5", PixelSpacing=[0.5, 0.5], ImageOrientationPatient=AXIAL
    )
    catalog = dm.scan(tmp_path)
    spacings = only(catalog, "spacings")
    assert set(spacings.evidence) == {("0.75 by 0.5 mm", 1), ("0.5 by 0.5 mm", 2)}
    assert chosen(catalog, spacings) == 3


@pytest.mark.parametrize(
    ("cosines", "name"),
    [
        (AXIAL, "axial"),
        (CORONAL, "coronal"),
        (SAGITTAL, "sagittal"),
        ([-1, 0, 0, 0, -1, 0], "axial, rows to R, columns to A"),
        ([1, 0, 0, 0, 0.9483, -0.3173], "oblique, nearest axial"),
    ],
)
def test_orientations_have_names(cosines: list[float], name: str) -> None:
    assert orientation_name(tuple(cosines)) == name


def test_spacings_of_screenshots_are_no_grid_to_decide_on(tmp_path: Path) -> None:
    write_series(tmp_path / "ct", 4, **NOBODY)
    uids = {"SeriesInstanceUID": f"{ROOT}.5", "SOPInstanceUID": lambda k: f"{ROOT}.6.{k}"}
    write_series(tmp_path / "sc", 2, **NOBODY, **uids, PixelSpacing=[1, 1], SOPClassUID=SECONDARY_CAPTURE)
    assert "spacings" not in {finding.code for finding in check(dm.scan(tmp_path))}
