"""DICOM folders as volumes in Hounsfield units, their window presets, and every tag's values counted.

Names are loaded when they are first used: importing the package imports neither napari, Qt nor pydicom.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from napari_dicommeta.catalog import Catalog as Catalog
    from napari_dicommeta.catalog import ScanFailure as ScanFailure
    from napari_dicommeta.counts import TagSummary as TagSummary
    from napari_dicommeta.counts import ValueCount as ValueCount
    from napari_dicommeta.findings import Finding as Finding
    from napari_dicommeta.geometry import ImagePlane as ImagePlane
    from napari_dicommeta.geometry import VolumeGeometry as VolumeGeometry
    from napari_dicommeta.loader import LoadError as LoadError
    from napari_dicommeta.loader import load as load
    from napari_dicommeta.scanner import ScanProgress as ScanProgress
    from napari_dicommeta.scanner import iter_scan as iter_scan
    from napari_dicommeta.scanner import scan as scan
    from napari_dicommeta.series import Series as Series
    from napari_dicommeta.tags import TagPath as TagPath
    from napari_dicommeta.volume import Volume as Volume
    from napari_dicommeta.window import Window as Window

__version__ = "0.1.0"

_HOMES = {
    "catalog": ("Catalog", "ScanFailure"),
    "counts": ("TagSummary", "ValueCount"),
    "findings": ("Finding",),
    "geometry": ("ImagePlane", "VolumeGeometry"),
    "loader": ("LoadError", "load"),
    "scanner": ("ScanProgress", "iter_scan", "scan"),
    "series": ("Series",),
    "tags": ("TagPath",),
    "volume": ("Volume",),
    "window": ("Window",),
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
