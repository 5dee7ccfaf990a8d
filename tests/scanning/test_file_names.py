"""Files whose names are no text: they are counted, opened, saved and named like all others."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from dicom_factory import ct_slice

import napari_dicommeta as dm
from napari_dicommeta.cli.main import main
from napari_dicommeta.scanning import local
from napari_dicommeta.support.file_names import path_of_text, path_text

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux has names of any bytes")


@pytest.fixture
def folder(tmp_path: Path) -> str:
    place = os.fsencode(tmp_path) + b"/Sch\xe4del \xff"
    os.mkdir(place)
    for k in range(4):
        Path(os.fsdecode(place + b"/Aufnahme\xe4%d.dcm" % k)).write_bytes(ct_slice(k))
    Path(os.fsdecode(place + b"/gek\xfcrzt.dcm")).write_bytes(ct_slice(9)[:-20])
    Path(os.fsdecode(place + b"/f\xfcr uns.txt")).write_bytes(b"no DICOM " * 40)
    return os.fsdecode(place)


@pytest.mark.parametrize("path", ["/a/b", "/a/\udce4\udcff", "/a/ä€", "\ud800x", "/\\xe4/\\u00e4"])
def test_a_path_is_kept_whole(path: str) -> None:
    assert path_of_text(path_text(path).encode().decode()) == path


def test_they_are_scanned_and_opened(folder: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    names = {name for name in os.listdir(folder) if name.endswith(".dcm")}
    for cache, seconds in ((False, 1.0), (True, 1.0), (True, 1.0), (False, 1e-9)):
        monkeypatch.setattr(local, "WORTH_SECONDS", local.WORTH_SECONDS if seconds == 1.0 else -1e9)
        monkeypatch.setattr(local, "MOST_FIRST_SECONDS", seconds)
        catalog = dm.scan(folder, cache=cache, workers=2)
        assert {os.path.basename(path) for path in catalog.paths} == names
        assert all(map(os.path.exists, [*catalog.paths, *(failure.path for failure in catalog.failures)]))
        assert [os.path.basename(failure.path) for failure in catalog.partial] == ["gek\udcfcrzt.dcm"]
        assert [os.path.basename(failure.path) for failure in catalog.failures] == ["f\udcfcr uns.txt"]
    (volume,) = dm.load(folder)
    assert np.asarray(volume.array).shape == (4, 16, 12)
    catalog.save(tmp_path / "kept.parquet")
    again = dm.Catalog.load(tmp_path / "kept.parquet")
    assert (again.paths, again.failures, again.partial) == (catalog.paths, catalog.failures, catalog.partial)


def test_they_are_escaped_where_they_are_shown(folder: str, capfd: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    catalog = dm.scan(folder)
    assert {os.path.basename(path) for path in catalog.to_arrow().column("path").to_pylist()} == {
        *(f"Aufnahme\\udce4{k}.dcm" for k in range(4)),
        "gek\\udcfcrzt.dcm",
    }
    commands = [["tags"], ["series"], ["series", "--json"], ["findings"], ["findings", "--json"], ["open", "--json"]]
    for command in commands:
        assert main([*command, folder]) == 0
        shown, errors = capfd.readouterr()
        shown.encode(), errors.encode()
        assert "Traceback" not in errors
        if "--json" in command:
            json.loads(shown)
    assert main(["recipe", "-o", str(tmp_path / "recipe.py"), folder]) == 0
    done = subprocess.run([sys.executable, tmp_path / "recipe.py", folder], capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (0, b"")
