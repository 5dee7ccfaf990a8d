"""DICOM folders as volumes in Hounsfield units, their window presets, and every tag's values counted.

Names are loaded when they are first used: importing the package imports neither napari, Qt nor pydicom.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from napari_dicommeta.catalog.catalog import Catalog as Catalog
    from napari_dicommeta.catalog.catalog import ScanFailure as ScanFailure
    from napari_dicommeta.catalog.catalog import Series
    from napari_dicommeta.catalog.counts import TagSummary as TagSummary
    from napari_dicommeta.catalog.counts import ValueCount as ValueCount
    from napari_dicommeta.dicom.tags import TagPath as TagPath
    from napari_dicommeta.dicom.window import Window as Window
    from napari_dicommeta.findings.check import Finding as Finding
    from napari_dicommeta.scanning.progress import ScanProgress
    from napari_dicommeta.scanning.scan import iter_scan as iter_scan
    from napari_dicommeta.scanning.scan import scan as scan
    from napari_dicommeta.support.errors import LoadError
    from napari_dicommeta.volumes.geometry import ImagePlane as ImagePlane
    from napari_dicommeta.volumes.geometry import VolumeGeometry as VolumeGeometry
    from napari_dicommeta.volumes.load import load as load
    from napari_dicommeta.volumes.volume import Volume as Volume

__version__ = "0.1.0"

_HOMES = {
    "catalog.catalog": ("Catalog", "ScanFailure", "Series"),
    "catalog.counts": ("TagSummary", "ValueCount"),
    "findings.check": ("Finding",),
    "volumes.geometry": ("ImagePlane", "VolumeGeometry"),
    "volumes.load": ("LoadError", "load"),
    "scanning.progress": ("ScanProgress",),
    "scanning.scan": ("iter_scan", "scan"),
    "dicom.tags": ("TagPath",),
    "volumes.volume": ("Volume",),
    "dicom.window": ("Window",),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}

__all__ = [
    "Catalog",
    "Finding",
    "ImagePlane",
    "LoadError",
    "ScanFailure",
    "ScanProgress",
    "Series",
    "TagPath",
    "TagSummary",
    "ValueCount",
    "Volume",
    "VolumeGeometry",
    "Window",
    "__version__",
    "iter_scan",
    "load",
    "scan",
]


def __getattr__(name: str) -> Any:
    home = _HOME_OF.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{home}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
