"""The command ``info``: the properties of an installation that a bug report needs."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any

from napari_dicommeta._version import __version__
from napari_dicommeta.cli.terminal import print_json

if TYPE_CHECKING:
    import argparse

__all__ = ["installation", "print_info"]

PACKAGES = (
    "pydicom",
    "imagecodecs",
    "numpy",
    "pyarrow",
    "napari",
    "qtpy",
    "PyQt6",
    "PySide6",
    "magicgui",
    "superqt",
    "fsspec",
    "dask",
    "python-gdcm",
    "pylibjpeg",
)
CODECS = {
    "JPEG": "jpeg8",
    "JPEG lossless": "ljpeg",
    "JPEG-LS": "jpegls",
    "JPEG 2000": "jpeg2k",
    "HTJ2K": "htj2k",
    "RLE": "packbits",
}
"""The compression methods of pixel data, and the codec of imagecodecs for each."""


def installation() -> dict[str, dict[str, Any]]:
    """Return versions, codecs and paths of files; nothing about any data set."""
    import platform

    return {
        "versions": {
            "napari-dicommeta": __version__,
            "Python": platform.python_version(),
            "system": platform.platform(),
            **{name: _version(name) for name in PACKAGES},
        },
        "machine": {"processors": os.cpu_count() or 1, "executable": sys.executable},
        "codecs": _codecs(),
        "places": _places(),
    }


def _version(name: str) -> str:
    from importlib import metadata

    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return "not installed"


def _codecs() -> dict[str, str]:
    """Return the version of each codec, or "not available"."""
    try:
        import imagecodecs
    except ImportError as error:
        return dict.fromkeys(CODECS, f"not available: {error}")
    versions = {}
    for name, codec in CODECS.items():
        is_available = getattr(getattr(imagecodecs, codec.upper(), None), "available", False)
        versions[name] = str(getattr(imagecodecs, f"{codec}_version")()) if is_available else "not available"
    return versions


def _places() -> dict[str, str]:
    """Return the paths of cached scans, decisions and windows, and whether each exists."""
    from platformdirs import user_cache_path, user_config_path, user_data_path

    application = "napari-dicommeta"
    paths = {
        "cache": user_cache_path(application),
        "decisions": user_data_path(application) / "decisions",
        "windows": user_config_path(application),
    }
    return {name: f"{path}{'' if path.exists() else ' (does not exist yet)'}" for name, path in paths.items()}


def print_info(options: argparse.Namespace) -> None:
    """Print `installation` as text or JSON."""
    sections = installation()
    if options.json:
        print_json(options, sections)
        return
    for section, lines in sections.items():
        print(section)
        for name, value in lines.items():
            print(f"  {name:<18} {value}")
