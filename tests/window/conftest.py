from __future__ import annotations

from typing import Any

import pytest


@pytest.fixture
def viewer(make_napari_viewer: Any) -> Any:
    viewer = make_napari_viewer(show=True)
    viewer.window.resize(1400, 900)
    return viewer


@pytest.fixture(autouse=True)
def _habits_of_nobody() -> None:
    """What a test sets up is not remembered in the next one."""
    from napari_dicommeta._napari.settings import _kept

    kept = _kept()
    for name, field in type(kept).model_fields.items() if kept is not None else ():
        if getattr(kept, name) != field.default:
            setattr(kept, name, field.default)
