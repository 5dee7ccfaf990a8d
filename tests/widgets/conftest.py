from __future__ import annotations

from typing import Any

import pytest


@pytest.fixture
def viewer(make_napari_viewer: Any) -> Any:
    viewer = make_napari_viewer(show=True)
    viewer.window.resize(1400, 900)
    return viewer
