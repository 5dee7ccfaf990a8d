from __future__ import annotations

import tomllib
from importlib import resources
from pathlib import Path
from xml.etree import ElementTree

import pytest
from npe2 import PluginManager, PluginManifest
from reader_patterns import MANIFEST, patterns, with_patterns

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


def offered(manifest: PluginManifest, path: str) -> bool:
    """Return whether npe2 offers a path to the reader, as napari asks it."""
    manager = PluginManager()
    manager.register(manifest)
    return bool(list(manager.iter_compatible_readers([path])))


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
        "i1234567.MRDC.12",
        "i1234567.CTDC.1",
        "head.MR",
        "0001.ct",
        "scan.dc3",
        "img.0001",
        "brain.7",
        "Image.100234",
        "portal.zip",
        "CD.ZIP",
        "x.tar",
        "x.tar.gz",
        "x.tgz",
        "a.dcm.gz",
    ],
)
def test_dicom_names_are_offered_to_the_reader(manifest: PluginManifest, name: str) -> None:
    assert offered(manifest, name)


@pytest.mark.parametrize(
    "name",
    [
        "photo.png",
        "scan.nii.gz",
        "notes.7z",
        "data.csv",
        "notes.txt",
        "volume.tif",
        "v1.2.tif",
        "log.1.txt",
        "a.0000001",
    ],
)
def test_other_names_are_not(manifest: PluginManifest, name: str) -> None:
    assert not offered(manifest, name)


def test_folders_are_offered_to_the_reader(manifest: PluginManifest, tmp_path: Path) -> None:
    assert offered(manifest, str(tmp_path))


def test_the_patterns_are_those_of_their_script(manifest: PluginManifest) -> None:
    assert MANIFEST.read_text() == with_patterns(MANIFEST.read_text())
    (reader,) = manifest.contributions.readers or ()
    assert reader.filename_patterns == patterns()


def test_the_script_replaces_the_patterns_and_nothing_else() -> None:
    text = MANIFEST.read_text()
    other = text.replace('        - "*.dcm"\n', '        - "*.old"\n')
    assert other != text
    assert with_patterns(other) == text


def test_the_icon_is_a_small_picture_in_the_package(manifest: PluginManifest) -> None:
    package, _, name = str(manifest.icon).partition(":")
    icon = resources.files(package) / name
    root = ElementTree.fromstring(icon.read_text())
    assert (root.tag, root.get("viewBox")) == ("{http://www.w3.org/2000/svg}svg", "0 0 64 64")


def test_the_categories_are_what_the_plugin_contributes(manifest: PluginManifest) -> None:
    contributions = manifest.contributions
    assert {category.value for category in manifest.categories} == {"IO", "Visualization", "Dataset"}
    assert contributions.readers
    assert contributions.widgets
    assert contributions.sample_data
    assert manifest.display_name == "DICOM Meta"
