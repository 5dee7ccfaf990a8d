from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from dicom_factory import enhanced, write_series

import napari_dicommeta as dm
from napari_dicommeta.catalog.conditions import Spelled
from napari_dicommeta.volumes.along_slices import is_of_frames, slice_matching, values_along


def along(folder: Path, keyword: str, **changes: Any) -> np.ndarray | None:
    write_series(folder, 4, **changes)
    catalog = dm.scan(folder)
    return values_along(dm.load(catalog)[0], catalog, keyword)


def test_values_are_in_the_order_of_the_slices(tmp_path: Path) -> None:
    current = along(tmp_path, "XRayTubeCurrent", XRayTubeCurrent=lambda k: [300, 250, 200, 260][k])
    assert current is not None
    np.testing.assert_array_equal(current, [[300, 250, 200, 260]])


def test_only_components_that_vary_are_lines(tmp_path: Path) -> None:
    centers = along(tmp_path, "WindowCenter", WindowCenter=lambda k: [40 + k, -600], WindowWidth=[400, 1200])
    np.testing.assert_array_equal(centers, [[40, 41, 42, 43]])


def test_what_is_missing_or_no_number_is_a_hole(tmp_path: Path) -> None:
    values = along(tmp_path, "KVP", KVP=lambda k: [100, None, "x", 120][k])
    np.testing.assert_array_equal(values, [[100, np.nan, np.nan, 120]])


def test_constants_and_texts_make_no_curve(tmp_path: Path) -> None:
    assert along(tmp_path / "a", "KVP", KVP=120) is None
    assert along(tmp_path / "b", "PatientID", PatientID=lambda k: "ABCD"[k]) is None
    assert along(tmp_path / "c", "SliceThickness") is None


def echoes(folder: Path) -> dm.Catalog:
    """One enhanced file of six frames, its window differing in each, its slope in pairs."""
    planes = [np.full((4, 4), k, np.int16) for k in range(6)]
    frames = [
        {
            "ImagePositionPatient": [0, 0, 5 * k],
            "WindowCenter": 40 + k,
            "WindowWidth": 400,
            "RescaleSlope": [1, 2, 1, 2, 2, 1][k],
            "RescaleIntercept": 0,
        }
        for k in range(6)
    ]
    shared = {"ImageOrientationPatient": [1, 0, 0, 0, 1, 0], "PixelSpacing": [1, 1], "SliceThickness": 5}
    folder.mkdir()
    (folder / "enhanced.dcm").write_bytes(enhanced(planes, frames, shared))
    return dm.scan(folder)


IN_FRAMES = "PerFrameFunctionalGroupsSequence."


def test_frames_of_one_file_have_values_of_their_own(tmp_path: Path) -> None:
    catalog = echoes(tmp_path / "e")
    (volume,) = dm.load(catalog)
    assert len(volume.files) == 6
    centers = f"{IN_FRAMES}FrameVOILUTSequence.WindowCenter"
    np.testing.assert_array_equal(values_along(volume, catalog, centers), [[40, 41, 42, 43, 44, 45]])
    assert values_along(volume, catalog, f"{IN_FRAMES}FrameVOILUTSequence.WindowWidth") is None
    assert is_of_frames(volume, ("KVP", centers))
    assert not is_of_frames(volume, ("KVP", ("KVP", centers)))


@pytest.mark.parametrize(
    ("condition", "number"),
    [(("2",), 1), (("9",), 0), (slice(1.5, 3.0), 1), (True, 0), (False, 0), (Spelled(("2.0",)), 0)],
)
def test_the_frame_that_matches_is_found(tmp_path: Path, condition: Any, number: int) -> None:
    catalog = echoes(tmp_path / "e")
    (volume,) = dm.load(catalog)
    slopes = f"{IN_FRAMES}PixelValueTransformationSequence.RescaleSlope"
    path = catalog.paths[0]
    assert slice_matching(volume, {path}, ((slopes, condition),)) == number
    centers = (f"{IN_FRAMES}FrameVOILUTSequence.WindowCenter", slice(42.5, 99.0))
    both = {1: 3, 0: 3}[number] if condition not in (("9",), False) else 0  # none holds all: the first is shown
    assert slice_matching(volume, {path}, ((slopes, condition), centers)) == both
    assert slice_matching(volume, {"elsewhere"}, ((slopes, condition),)) is None
    assert slice_matching(volume, {path}) == 0


def test_a_file_that_was_written_anew_is_read_anew(tmp_path: Path) -> None:
    centers = f"{IN_FRAMES}FrameVOILUTSequence.WindowCenter"
    (volume,) = dm.load(echoes(tmp_path / "e"))
    values_along(volume, dm.scan(tmp_path / "e"), centers)
    path = tmp_path / "e" / "enhanced.dcm"
    old = path.stat()
    path.write_bytes(path.read_bytes().replace(b"40", b"90"))
    os.utime(path, ns=(old.st_atime_ns, old.st_mtime_ns + 1_000_000))
    np.testing.assert_array_equal(values_along(volume, dm.scan(tmp_path / "e"), centers), [[90, 41, 42, 43, 44, 45]])
    path.unlink()
    assert values_along(volume, dm.scan(tmp_path / "e"), centers) is None
