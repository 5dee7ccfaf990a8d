"""Layers saved by napari as NIfTI and NRRD."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from dicom_factory import contour, structure_set, write_series
from napari.layers import Image, Layer
from npe2 import PluginManager, PluginManifest

import napari_dicommeta as dm
from napari_dicommeta._napari.reader import load_layers
from napari_dicommeta._napari.writer import write_volume
from napari_dicommeta.support.errors import RefusedError
from napari_dicommeta.volumes.conversions import grid_of, ras_affine

PLACES = {"ImagePositionPatient": lambda k: [-10, -20, 2.5 * k], "FrameOfReferenceUID": "1.2.3"}


@pytest.fixture
def layers(tmp_path: Path) -> list[Layer]:
    write_series(tmp_path / "in", 4, **PLACES)
    square = [(-8, -16), (-6, -16), (-6, -12), (-8, -12)]
    (tmp_path / "in" / "rs.dcm").write_bytes(structure_set((3, "GTV", [255, 0, 0], [contour(square, 2.5)])))
    return load_layers([str(tmp_path / "in")])


def save(path: Path, layer: Layer) -> list[str]:
    return write_volume(str(path), *layer.as_layer_data_tuple()[:2])


def test_images_and_painted_labels_keep_their_place(layers: list[Layer], tmp_path: Path) -> None:
    nibabel, nrrd = pytest.importorskip("nibabel"), pytest.importorskip("nrrd")
    image, labels = layers
    labels.data[0, 0, 0] = 7  # painted by the user
    volume = dm.volume_of(image)
    assert volume is not None
    assert save(tmp_path / "x.nii.gz", image) == [str(tmp_path / "x.nii.gz"), str(tmp_path / "x.json")]
    read = nibabel.load(tmp_path / "x.nii.gz")
    np.testing.assert_array_equal(np.asanyarray(read.dataobj).T, np.asarray(volume.array))
    np.testing.assert_allclose(read.affine, ras_affine(volume))
    assert json.loads((tmp_path / "x.json").read_text())["units"] == "HU"
    save(tmp_path / "y.nrrd", labels)
    data, header = nrrd.read(str(tmp_path / "y.nrrd"), index_order="C")
    assert (data[0, 0, 0], int((data == 3).sum())) == (7, int((labels.data == 3).sum()))
    np.testing.assert_array_equal(header["space origin"], grid_of(volume)[:3, 3])


def test_the_manifest_offers_both_formats_for_both_kinds() -> None:
    manager = PluginManager()
    manager.register(PluginManifest.from_file(Path(dm.__file__).parent / "napari.yaml"))
    for kind, ending in (("image", ".nii.gz"), ("image", ".nrrd"), ("labels", ".nii"), ("labels", ".nrrd")):
        writer, path = manager.get_writer(f"x{ending}", [kind])
        assert writer is not None
        assert (writer.command, path) == ("napari-dicommeta.write", f"x{ending}")


@pytest.mark.parametrize("what", ["foreign", "changed", "flat"])
def test_a_layer_without_a_place_is_refused_by_a_sentence(what: str, layers: list[Layer], tmp_path: Path) -> None:
    layer: Any = layers[0]
    if what == "foreign":
        layer = Image(np.zeros((3, 4)), name="<b>mine</b>")
    elif what == "changed":
        layer.data = np.zeros((4, 16, 12))
    else:
        write_series(tmp_path / "flat", 3, ImagePositionPatient=None, ImageOrientationPatient=None)
        (layer,) = load_layers([str(tmp_path / "flat")])
    sentence = "its place in the patient is unknown" if what != "flat" else "without positions are no grid"
    with pytest.raises(RefusedError, match=sentence) as raised:
        save(tmp_path / "x.nrrd", layer)
    assert not isinstance(raised.value, ValueError)  # napari would say that no plugin writes this format
    assert not (tmp_path / "x.nrrd").exists()


def test_a_file_that_cannot_be_written_is_named_with_what_to_do(layers: list[Layer], tmp_path: Path) -> None:
    pytest.importorskip("nrrd")
    with pytest.raises(
        RefusedError, match=r"was not saved: .*x\.nrrd: No such file or directory: make its folder first"
    ):
        save(tmp_path / "none" / "x.nrrd", layers[0])
    (tmp_path / "x.json").write_text("{}")
    with pytest.raises(RefusedError, match=r"x\.json: it is no description of an image, and stays as it is"):
        save(tmp_path / "x.nrrd", layers[0])
    assert not (tmp_path / "x.nrrd").exists()
