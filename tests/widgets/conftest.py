from __future__ import annotations

from typing import Any

import pytest

DEFAULTS = {
    "by_patient": True,
    "unfolded": "",
    "columns": "Values,Present,Shape",
    "sizes": "300,400",
    "findings_sizes": "360,280",
    "width": 0,
}


@pytest.fixture
def viewer(make_napari_viewer: Any) -> Any:
    viewer = make_napari_viewer(show=True)
    viewer.window.resize(1400, 900)
    return viewer


@pytest.fixture(autouse=True)
def _habits_of_nobody() -> None:
    """What a test sets up is not remembered in the next one."""
    from napari_dicommeta._preference import remember

    for name, value in DEFAULTS.items():
        remember(name, value)
