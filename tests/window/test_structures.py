"""RT structures, their contours and a dose over their images, in the window."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from dicom_factory import ROOT, contour, dose, structure_set, write_series
from window_driver import open_series, read, wait_until_read

from napari_dicommeta._napari.widgets.dock import DicomDock

pytestmark = pytest.mark.gui
FRAME = f"{ROOT}.5"


def box(low: float, high: float, z: float = 5.0) -> dict[str, Any]:
    return contour([(low, low - 10), (high, low - 10), (high, high - 10), (low, high - 10)], z)


def numbers_of(dock: DicomDock) -> dict[str, int]:
    return {row.modality: row.number for row in dock.series_rows.rows}


def test_structures_lie_as_outlines_over_their_image_with_contours_and_dose(
    viewer: Any, dock: DicomDock, qtbot: Any, tmp_path: Path
) -> None:
    write_series(tmp_path / "ct", 5, FrameOfReferenceUID=FRAME)
    regions = [(1, "BODY", [0, 0, 255], [box(-9.6, -4.6)]), (2, "<b>GTV</b>", [255, 0, 0], [box(-8, -6)])]
    (tmp_path / "plan").mkdir()
    (tmp_path / "plan" / "rs.dcm").write_bytes(structure_set(*regions))
    planes = [np.full((4, 3), 100 * n, "<u2") for n in range(3)]
    of_dose = {"SeriesInstanceUID": f"{ROOT}.9", "SOPInstanceUID": f"{ROOT}.9.1", "FrameOfReferenceUID": FRAME}
    (tmp_path / "plan" / "dose.dcm").write_bytes(dose(planes, [0, 5, 10], PixelSpacing=[3, 2], **of_dose))
    read(qtbot, dock, tmp_path)
    assert [layer.name for layer in viewer.layers] == ["3 CT"]
    numbers = numbers_of(dock)
    open_series(qtbot, dock, numbers["RTSTRUCT"])
    body, gtv = viewer.layers[1:]
    assert [layer.name for layer in viewer.layers] == ["3 CT", "7 RTSTRUCT [2]", "7 RTSTRUCT [1]"]
    assert all(layer.visible for layer in viewer.layers)
    assert (body.contour, gtv.contour) == (1, 1)
    assert {layer.features["name"].iloc[1] for layer in (body, gtv)} == {"BODY", "‹b›GTV‹/b›"}
    for layer in (body, gtv):
        shown = np.ravel(layer.colormap.map(int(layer.features["index"].iloc[1])))[:3]
        expected = (0, 0, 1) if layer.features["name"].iloc[1] == "BODY" else (1, 0, 0)
        np.testing.assert_allclose(shown, expected, atol=0.01)

    (offer,) = dock.series_rows.rows[numbers["RTSTRUCT"]].offers
    dock.series.offer_chosen.emit(numbers["RTSTRUCT"], offer)
    wait_until_read(qtbot, dock)
    shapes = [layer for layer in viewer.layers if layer.name.endswith("contours")]
    assert sorted(name for layer in shapes for name in layer.features["name"]) == ["BODY", "‹b›GTV‹/b›"]
    first = shapes[0].data[0]
    np.testing.assert_allclose(first[:, 0], 2)  # 5 mm: the third slice
    assert viewer.layers.selection.active not in shapes

    open_series(qtbot, dock, numbers["RTDOSE"])
    assert viewer.layers["3 RTDOSE"].colormap.name == "isodose"
    assert all(layer.visible for layer in viewer.layers)
    moved = [tuple(layer.translate) for layer in (*shapes, viewer.layers["3 CT"])]
    assert len(set(moved)) == 1  # the contours go with their image into the patient's space
