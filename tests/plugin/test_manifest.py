from __future__ import annotations

import tomllib
from fnmatch import fnmatch
from pathlib import Path

import pytest
from npe2 import PluginManifest

import napari_dicommeta

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def manifest() -> PluginManifest:
    manifest = PluginManifest.from_file(Path(napari_dicommeta.__file__).parent / "napari.yaml")
    manifest.validate_imports()
    return manifest


def test_the_manifest_is_valid_and_names_the_distribution(manifest: PluginManifest) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert manifest.name == project["name"]
    assert project["entry-points"]["napari.manifest"][project["name"]] == "napari_dicommeta:napari.yaml"
    assert (ROOT / "napari.yaml").read_text() == (ROOT / "src" / "napari_dicommeta" / "napari.yaml").read_text()


@pytest.mark.parametrize(
    "name",
    [
        "a.dcm",
        "A.DCM",
        "x.ima",
        "IM0001",
        "i",
        "1.2.840.113619.2.55.3",
        "MR.1.3.12.2.1107.5.2",
        "I" * 64,
    ],
)
def test_dicom_names_are_offered_to_the_reader(manifest: PluginManifest, name: str) -> None:
    (reader,) = manifest.contributions.readers or ()
    # napari lower-cases the patterns, and of names the ending only
    stem, dot, ending = name.rpartition(".")
    seen = f"{stem}{dot}{ending.lower()}" if dot else name
    assert any(fnmatch(seen, pattern.lower()) for pattern in reader.filename_patterns)
    assert reader.accepts_directories


@pytest.mark.parametrize("name", ["photo.png", "scan.nii.gz", "data.csv", "notes.txt", "volume.tif"])
def test_other_names_are_not(manifest: PluginManifest, name: str) -> None:
    (reader,) = manifest.contributions.readers or ()
    assert not any(fnmatch(name, pattern) for pattern in reader.filename_patterns)
