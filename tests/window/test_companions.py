"""Presentation states and overlays in the window."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from dicom_factory import key_objects, presentation_state, write_series
from window_driver import read

pytestmark = pytest.mark.gui


def test_a_saved_window_is_a_preset_and_a_shutter_a_layer(viewer: Any, dock: Any, qtbot: Any, tmp_path: Path) -> None:
    write_series(tmp_path, 3)
    circle = {"ShutterShape": "CIRCULAR", "CenterOfCircularShutter": [8, 6], "RadiusOfCircularShutter": 4}
    state = presentation_state([1], [{"WindowCenter": 70, "WindowWidth": 150}], **circle)
    (tmp_path / "pr.dcm").write_bytes(state)
    (tmp_path / "ko.dcm").write_bytes(key_objects([2]))
    read(qtbot, dock, tmp_path)
    assert [layer.name for layer in viewer.layers] == ["3 CT", "3 CT shutter"]
    viewer.layers.selection.active = viewer.layers[0]
    windowing = dock.windows.windowing
    assert [window.label for window in windowing.presets()] == ["SOFT", "LUNG", "as saved by LIVER"]
    windowing.choose(2)
    assert tuple(viewer.layers[0].contrast_limits) == (-5, 144)
    row = next(row for row in dock.series_rows.rows if row.modality == "CT")
    qtbot.waitUntil(lambda: dock.series_rows.rows[row.number].notes is not None, timeout=10_000)
    row = dock.series_rows.rows[row.number]
    assert row.size == "3 × 16 × 12"
    assert row.offers == ()
    assert "Slice 3: marked as key images (Of Interest)" in row.notes
