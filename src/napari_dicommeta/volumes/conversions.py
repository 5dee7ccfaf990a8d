"""Volumes as images of other libraries: SimpleITK, nibabel, xarray, Dask and MONAI, which are imported when asked for.

Pixels are those of the volume's array, in modality units. Coordinates are exact: a tilted gantry stays a shear where
the library can express it. What has no grid is refused, since these images always claim one.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from napari_dicommeta.support.errors import ConversionError
from napari_dicommeta.support.words import counted

if TYPE_CHECKING:
    from napari_dicommeta.volumes.geometry import VolumeGeometry
    from napari_dicommeta.volumes.lazy_array import LazyArray

__all__ = [
    "GridImage",
    "arranged",
    "axis_names",
    "grid_of",
    "optional",
    "ras_affine",
    "to_dask",
    "to_monai",
    "to_nibabel",
    "to_sitk",
    "to_xarray",
]

LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])
MAX_SHEAR = 1e-6
"""Cosine between two axes from which they are not at right angles."""


class GridImage(Protocol):
    """What is needed of a `Volume`; its docstring describes the attributes."""

    @property
    def array(self) -> LazyArray: ...  # noqa: D102
    @property
    def geometry(self) -> VolumeGeometry: ...  # noqa: D102
    @property
    def axis(self) -> str: ...  # noqa: D102
    @property
    def is_color(self) -> bool: ...  # noqa: D102
    @property
    def units(self) -> str: ...  # noqa: D102
    @property
    def modality(self) -> str: ...  # noqa: D102
    @property
    def name(self) -> str: ...  # noqa: D102


def grid_of(volume: GridImage, allow_uneven: bool = False) -> np.ndarray:
    """Return the affine of a volume, float64 of shape (4, 4): voxel (i, j, k, 1) to patient (x, y, z, 1) in LPS mm.

    A single image has 1 mm between slices. One without a position lies at the origin, with its rows along x.

    Raises
    ------
    ConversionError
        If several slices have no positions, or `allow_uneven` is false and they are unevenly spaced.
    """
    geometry = volume.geometry
    n_slices = _arranged_shape(volume)[1]
    if geometry.affine is None:
        if n_slices > 1:
            raise ConversionError(
                f"{counted(n_slices, 'image')} without positions are no grid: their distances are unknown"
            )
        affine = np.diag([geometry.spacing[2], geometry.spacing[1], 1.0, 1.0])
    else:
        affine = geometry.affine[:, [2, 1, 0, 3]].copy()
    if geometry.uneven and not allow_uneven:
        raise ConversionError(
            f"its slices are unevenly spaced, by up to {geometry.uneven:.3g} mm from the usual step of "
            f"{geometry.usual_step:.4g} mm: resample them first, load them with split='blocks', or allow it"
        )
    return np.asarray(affine)


def ras_affine(volume: GridImage, allow_uneven: bool = False) -> np.ndarray:
    """Return the affine of a volume as NIfTI wants it: voxel (i, j, k, 1) to patient (x, y, z, 1) in RAS mm.

    The arguments and errors are those of `grid_of`.
    """
    return np.asarray(LPS_TO_RAS @ grid_of(volume, allow_uneven))


def to_sitk(volume: GridImage, allow_uneven: bool = False) -> Any:
    """Return a volume as a `SimpleITK.Image` in LPS: size (i, j, k), or (i, j, k, t); color as a vector image.

    Raises
    ------
    ConversionError
        As `grid_of` does; and if the grid is sheared, as by a tilted gantry, which SimpleITK cannot express.
    ImportError
        If SimpleITK is not installed.
    """
    sitk = optional("SimpleITK", "SimpleITK")
    affine = grid_of(volume, allow_uneven)
    spacing, directions = _axes(affine)
    if _is_sheared(directions):
        raise ConversionError(
            f"its slices are sheared by {volume.geometry.tilt:.3g} degrees, which SimpleITK cannot express: "
            "resample it, or use to_nibabel"
        )
    image = sitk.GetImageFromArray(arranged(volume), isVector=volume.is_color)
    n_times = image.GetDimension() - 3
    image.SetSpacing((*spacing.tolist(), *(1.0,) * n_times))
    image.SetOrigin((*affine[:3, 3].tolist(), *(0.0,) * n_times))
    whole = np.eye(3 + n_times)
    whole[:3, :3] = directions
    image.SetDirection(whole.ravel().tolist())
    return image


def to_nibabel(volume: GridImage, allow_uneven: bool = False) -> Any:
    """Return a volume as a `nibabel.Nifti1Image` in RAS, of shape (i, j, k) or (i, j, k, t); color as RGB voxels.

    Raises
    ------
    ConversionError
        As `grid_of` does; and for colors of more than 8 bits, which NIfTI cannot hold.
    ImportError
        If nibabel is not installed.
    """
    nibabel = optional("nibabel", "nibabel")
    affine = ras_affine(volume, allow_uneven)
    data = arranged(volume)
    if volume.is_color:
        if data.dtype != np.uint8:
            raise ConversionError(f"its colors are {data.dtype}: NIfTI holds colors of 8 bits only")
        data = np.ascontiguousarray(data).view([("R", "u1"), ("G", "u1"), ("B", "u1")])[..., 0]
    image = nibabel.Nifti1Image(np.ascontiguousarray(data.T), affine, dtype=data.dtype)  # which allows int64
    image.header.set_xyzt_units("mm")
    image.set_sform(affine, code="scanner")
    if _is_sheared(_axes(affine)[1]):
        image.set_qform(None, code="unknown")  # a quaternion cannot express a shear
    else:
        image.set_qform(affine, code="scanner")
    return image


def to_xarray(volume: GridImage) -> Any:
    """Return a volume as an `xarray.DataArray` with axes named k, j, i, and t, and channel for color.

    Coordinates are distances along each axis from the first voxel, in mm. `attrs` holds "affine" (that of the
    geometry, None without one), "units", "modality" and "name". Pixels are read.

    Raises
    ------
    ImportError
        If xarray is not installed.
    """
    xarray = optional("xarray", "xarray")
    array, geometry = np.asarray(volume.array), volume.geometry
    names = axis_names(volume)
    step = dict(zip("kji", geometry.spacing, strict=True))
    coordinates = {}
    for name, size in zip(names, array.shape, strict=True):
        if name not in step:
            coordinates[name] = np.arange(size)
        elif name == "k" and len(geometry.steps) == size - 1:
            coordinates[name] = np.concatenate([[0.0], np.cumsum(geometry.steps)])
        else:
            coordinates[name] = np.arange(size) * (step[name] if np.isfinite(step[name]) else 1.0)
    attributes = {"affine": geometry.affine, "units": volume.units, "modality": volume.modality, "name": volume.name}
    return xarray.DataArray(array, dims=names, coords=coordinates, name=volume.name, attrs=attributes)


def to_dask(volume: GridImage) -> Any:
    """Return a volume as a lazy `dask.array.Array` of the same shape and dtype, with a chunk for each plane.

    Raises
    ------
    ImportError
        If Dask is not installed.
    """
    dask_array = optional("dask.array", "dask[array]")
    array = volume.array
    plane = 3 if volume.is_color else 2
    chunks = (*(1,) * (len(array.shape) - plane), *array.shape[-plane:])
    return dask_array.from_array(array, chunks=chunks, name=False, meta=np.empty((0,) * len(array.shape), array.dtype))


def to_monai(volume: GridImage, allow_uneven: bool = False) -> Any:
    """Return a volume as a `monai.data.MetaTensor` of shape (channel, i, j, k), with its affine in RAS.

    There is one channel, or one for each time or color. The dtype is float32, which rounds whole numbers above 2^24.

    Raises
    ------
    ConversionError
        As `grid_of` does; and for colors at several times, which have no axis left.
    ImportError
        If MONAI is not installed.
    """
    torch, data = optional("torch", "torch"), optional("monai.data", "monai")
    affine, array = ras_affine(volume, allow_uneven), arranged(volume)
    if volume.is_color and array.ndim == 5:
        raise ConversionError("colors at several times have no axis left: take one time of its array")
    channels = np.moveaxis(array, -1, 0) if volume.is_color else array if array.ndim == 4 else array[None]
    values = np.ascontiguousarray(channels.transpose(0, 3, 2, 1), dtype=np.float32)
    meta = {"original_affine": affine, "spatial_shape": np.array(values.shape[1:]), "space": "RAS"}
    return data.MetaTensor(torch.from_numpy(values), affine=torch.from_numpy(affine), meta=meta)


def _arranged_shape(volume: GridImage) -> tuple[int, int, int, int]:
    """Return the numbers of times, slices, rows and columns."""
    shape = volume.array.shape[: -1 if volume.is_color else None]
    lead = shape[:-2]
    times, slices = lead if len(lead) == 2 else (lead[0], 1) if volume.axis else (1, *lead)
    return times, slices, shape[-2], shape[-1]


def axis_names(volume: GridImage) -> tuple[str, ...]:
    """Return the names of the axes of a volume's array: t, k, j, i, and "channel" for color."""
    lead = len(volume.array.shape) - (3 if volume.is_color else 2)
    first = ("t", "k") if lead == 2 else ("t",) if volume.axis else ("k",)
    return (*first, "j", "i", *(("channel",) if volume.is_color else ()))


def arranged(volume: GridImage) -> np.ndarray:
    """Read the array of shape (k, j, i), or (t, k, j, i) for several times, with a last axis of 3 for color."""
    times, slices, rows, columns = _arranged_shape(volume)
    lead = (times, slices) if times > 1 else (slices,)
    return np.asarray(volume.array).reshape(*lead, rows, columns, *((3,) if volume.is_color else ()))


def _axes(affine: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the lengths of the axes of a grid, mm, and their directions as columns."""
    spacing = np.sqrt((affine[:3, :3] ** 2).sum(axis=0))
    return spacing, affine[:3, :3] / spacing


def _is_sheared(directions: np.ndarray) -> bool:
    cosines = directions.T @ directions - np.eye(3)
    return bool(np.abs(cosines).max() > MAX_SHEAR)


def optional(module: str, package: str) -> Any:
    """Import a library that is not installed with this one.

    Raises
    ------
    ImportError
        If it is missing; the text says how to install it.
    """
    try:
        return import_module(module)
    except ImportError as error:
        raise ImportError(f"{package} is not installed: pip install '{package}'") from error
