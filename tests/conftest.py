from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest

# napari's own test fixtures reset and save the settings: they must not be the developer's.
os.environ.setdefault("NAPARI_CONFIG", str(Path(tempfile.mkdtemp(prefix="napari-config-")) / "settings.yaml"))

SHARED = Path(os.environ.get("SHARED_DATA", Path(__file__).resolve().parents[2] / "shared"))


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real files and generators; tests that need it are skipped where it is absent."""
    if not (SHARED / "data" / "TRUTH.json").exists():
        pytest.skip("the folder of real files is not here (set SHARED_DATA)")
    return SHARED


@pytest.fixture(scope="session")
def phantom(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from napari_dicommeta.phantom import write_chest

    return write_chest(tmp_path_factory.mktemp("phantom") / "Chest CT phantom")
