from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from dicom_factory import write_series

import napari_dicommeta as dm
from napari_dicommeta.along import values_along


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
