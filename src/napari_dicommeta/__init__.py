"""Read folders of DICOM as volumes in Hounsfield units, with window presets and counts of every tag's values.

Names are loaded on first use, so importing the package does not import napari, Qt or pydicom.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from napari_dicommeta._version import __version__

if TYPE_CHECKING:
    from napari_dicommeta._napari.reader import catalog_of as catalog_of
    from napari_dicommeta._napari.reader import open_in as open_in
    from napari_dicommeta._napari.reader import volume_of as volume_of
    from napari_dicommeta.analysis.audit import audit as audit
    from napari_dicommeta.analysis.compare import compare as compare
    from napari_dicommeta.analysis.labels import read_labels as read_labels
    from napari_dicommeta.catalog.catalog import Catalog as Catalog
    from napari_dicommeta.catalog.catalog import ScanFailure as ScanFailure
    from napari_dicommeta.catalog.catalog import Series as Series
    from napari_dicommeta.catalog.counts import TagSummary as TagSummary
    from napari_dicommeta.catalog.counts import ValueCount as ValueCount
    from napari_dicommeta.dicom.tags import TagPath as TagPath
    from napari_dicommeta.dicom.window import Window as Window
    from napari_dicommeta.export.recipe import make_recipe as make_recipe
    from napari_dicommeta.export.recipe import write_recipe as write_recipe
    from napari_dicommeta.export.reports import reports as reports
    from napari_dicommeta.export.series_table import series_table as series_table
    from napari_dicommeta.findings.check import check as check
    from napari_dicommeta.findings.check import iter_check as iter_check
    from napari_dicommeta.findings.finding import Finding as Finding
    from napari_dicommeta.phantom import sample as sample
    from napari_dicommeta.scanning.progress import ScanProgress as ScanProgress
    from napari_dicommeta.scanning.scan import iter_scan as iter_scan
    from napari_dicommeta.scanning.scan import scan as scan
    from napari_dicommeta.support.errors import CatalogError as CatalogError
    from napari_dicommeta.support.errors import ConversionError as ConversionError
    from napari_dicommeta.support.errors import DicomMetaError as DicomMetaError
    from napari_dicommeta.support.errors import HeaderError as HeaderError
    from napari_dicommeta.support.errors import LoadError as LoadError
    from napari_dicommeta.support.errors import PixelError as PixelError
    from napari_dicommeta.support.errors import PrivacyError as PrivacyError
    from napari_dicommeta.support.errors import RecipeError as RecipeError
    from napari_dicommeta.volumes.geometry import ImagePlane as ImagePlane
    from napari_dicommeta.volumes.geometry import VolumeGeometry as VolumeGeometry
    from napari_dicommeta.volumes.load import load as load
    from napari_dicommeta.volumes.note import Note as Note
    from napari_dicommeta.volumes.volume import Volume as Volume

_NAMES_OF = {
    "_napari.reader": ("catalog_of", "open_in", "volume_of"),
    "analysis.audit": ("audit",),
    "analysis.labels": ("read_labels",),
    "analysis.compare": ("compare",),
    "catalog.catalog": ("Catalog", "ScanFailure", "Series"),
    "catalog.counts": ("TagSummary", "ValueCount"),
    "dicom.tags": ("TagPath",),
    "dicom.window": ("Window",),
    "export.recipe": ("make_recipe", "write_recipe"),
    "export.reports": ("reports",),
    "export.series_table": ("series_table",),
    "findings.check": ("check", "iter_check"),
    "findings.finding": ("Finding",),
    "phantom": ("sample",),
    "scanning.progress": ("ScanProgress",),
    "scanning.scan": ("iter_scan", "scan"),
    "support.errors": (
        "CatalogError",
        "ConversionError",
        "DicomMetaError",
        "HeaderError",
        "LoadError",
        "PixelError",
        "PrivacyError",
        "RecipeError",
    ),
    "volumes.geometry": ("ImagePlane", "VolumeGeometry"),
    "volumes.load": ("load",),
    "volumes.note": ("Note",),
    "volumes.volume": ("Volume",),
}
_MODULE_OF = {name: module for module, names in _NAMES_OF.items() for name in names}

__all__ = [
    "Catalog",
    "CatalogError",
    "ConversionError",
    "DicomMetaError",
    "Finding",
    "HeaderError",
    "ImagePlane",
    "LoadError",
    "Note",
    "PixelError",
    "PrivacyError",
    "RecipeError",
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
    "audit",
    "catalog_of",
    "check",
    "compare",
    "iter_check",
    "iter_scan",
    "load",
    "make_recipe",
    "open_in",
    "read_labels",
    "reports",
    "sample",
    "scan",
    "series_table",
    "volume_of",
    "write_recipe",
]


def __getattr__(name: str) -> Any:
    module = _MODULE_OF.get(name)
    if module is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{module}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
