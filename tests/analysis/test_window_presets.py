from __future__ import annotations

from pathlib import Path

import pytest
from dicom_factory import write_series

import napari_dicommeta as dm
from napari_dicommeta._napari.kept_windows import keep_window, load_kept_windows
from napari_dicommeta.analysis.window_presets import STANDARD_CT, folder_windows


def test_the_folders_windows_are_whole_triples(tmp_path: Path) -> None:
    write_series(tmp_path / "a", 3)  # 40/400 SOFT and -600/1200 LUNG
    write_series(tmp_path / "b", 2, WindowCenter=[40, 40], WindowWidth=[400, 400], WindowCenterWidthExplanation=None)
    write_series(tmp_path / "c", 1, WindowCenter=-600, WindowWidth=1200, WindowCenterWidthExplanation="LUNG")
    write_series(tmp_path / "d", 1, WindowCenter="x", WindowWidth=1)
    counts = folder_windows(dm.scan(tmp_path))
    assert counts == {
        dm.Window(center=-600, width=1200, explanation="LUNG"): 4,
        dm.Window(center=40, width=400, explanation="SOFT"): 3,
        dm.Window(center=40, width=400): 2,
    }
    assert next(iter(counts)).label == "LUNG"


def test_usual_windows_can_all_be_shown() -> None:
    assert [window for window in STANDARD_CT if window.fault or window.doubt("HU")] == []


def test_kept_windows_last_and_can_be_replaced_and_forgotten(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import platformdirs

    monkeypatch.setattr(platformdirs, "user_config_path", lambda _name: tmp_path / "config")
    assert load_kept_windows() == ()
    mine, other = (
        dm.Window(center=55, width=110, explanation="mine"),
        dm.Window(center=1, width=2, function="LINEAR_EXACT", explanation="other"),
    )
    keep_window(mine)
    keep_window(other)
    assert load_kept_windows() == (mine, other)
    keep_window(dm.Window(center=56, width=110, explanation="mine"))
    assert load_kept_windows() == (other, dm.Window(center=56, width=110, explanation="mine"))
    keep_window(dm.Window(center=0, width=0, explanation="other"))
    assert [window.label for window in load_kept_windows()] == ["mine"]
    (tmp_path / "config" / "presets.json").write_text("nonsense")
    assert load_kept_windows() == ()
