from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from dicom_factory import write_series

import napari_dicommeta as dm
from napari_dicommeta.volumes.conversions import grid_of, ras_affine

OBLIQUE = [0.8, 0.6, 0, 0, 0, -1]


def oblique(k: int) -> list[float]:
    normal = np.cross(OBLIQUE[:3], OBLIQUE[3:])
    return (np.array([10.0, 20.0, 30.0]) + 2.5 * k * normal).round(6).tolist()


def loaded(folder: Path, count: int = 5, **changes: Any) -> dm.Volume:
    write_series(folder, count, **changes)
    (volume,) = dm.load(folder)
    return volume


def placed(folder: Path) -> dm.Volume:
    return loaded(folder, ImageOrientationPatient=OBLIQUE, ImagePositionPatient=oblique, PixelSpacing=[0.5, 0.75])


def world(volume: dm.Volume, k: int, j: int, i: int) -> np.ndarray:
    """Return the place of a voxel by the Image Plane equation (PS3.3 section C.7.6.2.1.1), LPS mm."""
    row, column = np.array(OBLIQUE[:3]), np.array(OBLIQUE[3:])
    first = np.array(oblique(k))
    return np.asarray(first + row * 0.75 * i + column * 0.5 * j)


def test_a_simpleitk_image_has_the_places_of_the_standard(tmp_path: Path) -> None:
    sitk = pytest.importorskip("SimpleITK")
    volume = placed(tmp_path)
    image = volume.to_sitk()
    n, j, i = volume.array.shape
    assert image.GetSize() == (i, j, n)
    assert np.array_equal(sitk.GetArrayFromImage(image), np.asarray(volume))
    for k in (0, n - 1):
        position = dm.scan(volume.files[k][0]).values("ImagePositionPatient")
        (text,) = dict(position)
        assert np.allclose(image.TransformIndexToPhysicalPoint((0, 0, k)), [float(x) for x in text.split("\\")])
    first, last = (np.array(image.TransformIndexToPhysicalPoint(index)) for index in ((0, 0, 0), (i - 1, j - 1, 0)))
    assert np.allclose(last - first, world(volume, 0, j - 1, i - 1) - world(volume, 0, 0, 0))


def test_a_nifti_image_has_the_same_places_in_ras(tmp_path: Path) -> None:
    nibabel = pytest.importorskip("nibabel")
    volume = placed(tmp_path / "a")
    image = volume.to_nibabel()
    nibabel.save(image, tmp_path / "a.nii.gz")
    read = nibabel.load(tmp_path / "a.nii.gz")
    assert read.get_data_dtype() == volume.array.dtype
    assert np.array_equal(np.asanyarray(read.dataobj).T, np.asarray(volume))
    assert np.allclose(read.affine, ras_affine(volume), atol=1e-4)
    assert read.header["sform_code"] == read.header["qform_code"] == 1
    assert volume.geometry.affine is not None
    for k, j, i in ((0, 0, 0), (4, 3, 7)):
        lps = (volume.geometry.affine @ [k, j, i, 1])[:3]
        assert np.allclose((read.affine @ [i, j, k, 1])[:3], lps * [-1, -1, 1], atol=1e-3)


def test_a_tilted_gantry_stays_a_shear_or_is_refused(tmp_path: Path) -> None:
    pytest.importorskip("nibabel")
    volume = loaded(tmp_path, ImagePositionPatient=lambda k: [0, 0.5 * k, 2.5 * k])
    image = volume.to_nibabel()
    assert image.header["sform_code"] == 1
    assert image.header["qform_code"] == 0
    assert np.allclose(image.affine[:3, 2], [0, -0.5, 2.5])
    pytest.importorskip("SimpleITK")
    with pytest.raises(dm.ConversionError, match=r"sheared by 11\.3 degrees"):
        volume.to_sitk()


def test_what_has_no_grid_is_refused_with_its_reason(tmp_path: Path) -> None:
    uneven = loaded(tmp_path / "a", 6, ImagePositionPatient=lambda k: [0, 0, k * 2.5 + (k == 3)])
    with pytest.raises(dm.ConversionError, match="unevenly spaced, by up to 1 mm"):
        grid_of(uneven)
    assert grid_of(uneven, allow_uneven=True)[2, 2] == 2.5
    unplaced = loaded(tmp_path / "b", 3, ImagePositionPatient=None, ImageOrientationPatient=None)
    with pytest.raises(dm.ConversionError, match="3 images without positions are no grid"):
        grid_of(unplaced)
    single = loaded(tmp_path / "c", 1, ImagePositionPatient=None, PixelSpacing=[0.5, 0.75], Modality="DX")
    assert np.array_equal(grid_of(single), np.diag([0.75, 0.5, 1, 1]))


def test_times_are_the_last_axis(tmp_path: Path) -> None:
    def changes(k: int) -> dict[str, Any]:
        return {"ImagePositionPatient": [0, 0, 2.5 * (k % 3)], "TemporalPositionIdentifier": str(k // 3 + 1)}

    volume = loaded(
        tmp_path,
        6,
        **{name: lambda k, name=name: changes(k)[name] for name in changes(0)},
        Modality="MR",
    )
    assert volume.array.shape[:2] == (2, 3)
    nibabel = pytest.importorskip("nibabel")
    assert isinstance(volume.to_nibabel(), nibabel.Nifti1Image)
    data = np.asanyarray(volume.to_nibabel().dataobj)
    assert np.array_equal(data[..., 1].T, np.asarray(volume)[1])
    sitk = pytest.importorskip("SimpleITK")
    image = volume.to_sitk()
    assert image.GetSize()[2:] == (3, 2)
    assert np.array_equal(sitk.GetArrayFromImage(image), np.asarray(volume))


def test_axes_of_an_xarray_are_in_mm(tmp_path: Path) -> None:
    pytest.importorskip("xarray")
    volume = placed(tmp_path)
    array = volume.to_xarray()
    assert array.dims == ("k", "j", "i")
    assert array.sel(k=5.0, method="nearest").values.tolist() == np.asarray(volume)[2].tolist()
    assert np.allclose(array["j"][1], 0.5)
    assert np.allclose(array["i"][1], 0.75)
    assert array.attrs["units"] == "HU"


def test_a_dask_array_reads_a_plane_at_a_time(tmp_path: Path) -> None:
    pytest.importorskip("dask.array")
    volume = placed(tmp_path)
    array = volume.to_dask()
    assert array.shape == volume.array.shape
    assert array.dtype == volume.array.dtype
    assert array.chunks[0] == (1,) * 5
    assert np.array_equal(array[3].compute(scheduler="threads"), np.asarray(volume)[3])


def test_a_metatensor_has_channels_first_and_the_affine_in_ras(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class MetaTensor:
        def __init__(self, values: np.ndarray, affine: np.ndarray, meta: dict[str, Any]) -> None:
            self.values, self.affine, self.meta = values, affine, meta

    torch, monai, data = ModuleType("torch"), ModuleType("monai"), ModuleType("monai.data")
    torch.from_numpy, data.MetaTensor = np.asarray, MetaTensor  # type: ignore[attr-defined]
    for name, module in (("torch", torch), ("monai", monai), ("monai.data", data)):
        monkeypatch.setitem(sys.modules, name, module)
    volume = placed(tmp_path)
    tensor = volume.to_monai()
    assert tensor.values.dtype == np.float32
    assert np.array_equal(tensor.values[0].T, np.asarray(volume))
    assert np.array_equal(tensor.affine, ras_affine(volume))
    assert tensor.meta["space"] == "RAS"


def test_a_library_that_is_missing_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    volume = placed(tmp_path)
    monkeypatch.setitem(sys.modules, "SimpleITK", None)
    with pytest.raises(ImportError, match="pip install 'SimpleITK'"):
        volume.to_sitk()
