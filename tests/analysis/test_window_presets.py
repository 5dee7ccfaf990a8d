from __future__ import annotations

import json
from pathlib import Path

import pytest
from dicom_factory import write_series

import napari_dicommeta as dm
from napari_dicommeta._napari.kept_windows import keep_window, load_kept_windows
from napari_dicommeta._napari.tasks.check import decisions_of, keep_decisions
from napari_dicommeta.analysis.window_presets import STANDARD_CT, folder_windows
from napari_dicommeta.findings.decisions import Decision


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


OWN = {"name": "own", "center": 1, "width": 2, "function": "LINEAR"}


@pytest.fixture
def presets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the file of kept windows, which is not there yet."""
    import platformdirs

    monkeypatch.setattr(platformdirs, "user_config_path", lambda _name: tmp_path)
    return tmp_path / "presets.json"


@pytest.mark.parametrize(
    "text",
    ["", "[", "{}", "null", "1", '"abc"', "[" * 100_000, "\xff", '{"version": 2, "windows": []}'],
    ids=lambda text: text[:9],
)
def test_a_damaged_file_of_windows_is_not_lost_when_one_is_kept(presets: Path, text: str) -> None:
    presets.write_bytes(text.encode("latin-1"))
    assert load_kept_windows() == ()
    window = dm.Window(center=1, width=2, explanation="<b>mine</b>")
    for number in (1, 2):
        assert keep_window(window) == load_kept_windows() == (window,)
        aside = presets.with_name("presets.json.damaged" + f"-{number}" * (number > 1))
        assert aside.read_bytes() == text.encode("latin-1")
        presets.write_bytes(text.encode("latin-1"))


@pytest.mark.parametrize(
    "row",
    [
        1,
        None,
        {"name": "later"},
        OWN | {"center": 10**400},
        OWN | {"center": float("nan")},
        OWN | {"width": float("inf")},
        OWN | {"width": 0},
        OWN | {"function": "<b>"},
        OWN | {"name": ["own"]},
    ],
    ids=lambda row: str(row)[:60],
)
def test_what_is_no_window_stays_in_the_file_and_hides_no_other(presets: Path, row: object) -> None:
    good = dm.Window(center=1, width=2, explanation="good")
    presets.write_text(json.dumps([row, OWN | {"name": "good"}]))
    assert load_kept_windows() == (good,)
    other = dm.Window(center=3, width=4, explanation="other")
    assert keep_window(other) == (good, other)
    assert json.dumps(json.loads(presets.read_text())[0]) == json.dumps(row)


def test_two_windows_that_share_the_file_see_what_the_other_has_kept(presets: Path) -> None:
    first, second = (dm.Window(center=n, width=2, explanation=f"{n}") for n in (1, 2))
    keep_window(first)
    presets.write_text(json.dumps([*json.loads(presets.read_text()), OWN]))  # by the other
    assert [window.explanation for window in keep_window(second)] == ["1", "own", "2"]


def test_decisions_that_cannot_be_read_are_not_lost(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import platformdirs

    monkeypatch.setattr(platformdirs, "user_data_path", lambda _name: tmp_path)
    target = tmp_path / "decisions" / "a.json"
    assert decisions_of("a") == ()
    decision = Decision(code="kvp-zero", tags=("KVP",), state="accepted")
    keep_decisions("a", [decision])
    assert decisions_of("a") == (decision,)
    for text in ("{", '{"version": 99, "decisions": []}', "[" * 100_000):
        target.write_text(text)
        assert decisions_of("a") == ()
        keep_decisions("a", [decision])
        assert decisions_of("a") == (decision,)
    kept = {path.name: path.read_text()[:12] for path in target.parent.iterdir() if path != target}
    assert kept == {"a.json.damaged": "{", "a.json.damaged-2": '{"version": ', "a.json.damaged-3": "[" * 12}
