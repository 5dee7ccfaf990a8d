"""A DICOMDIR as a source: the folder that it describes, and the files that it lists but that are not there."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from napari_dicommeta.dicom.header import read_header
from napari_dicommeta.dicom.uids import MEDIA_DIRECTORY
from napari_dicommeta.support.errors import HeaderError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from napari_dicommeta.catalog.catalog import ScanFailure
    from napari_dicommeta.dicom.header import Header

__all__ = ["described_folders"]

SOP_CLASS, FILE_ID = "00020002", "00041220/00041500"
NAME = "DICOMDIR"


def described_folders(paths: Sequence[str]) -> tuple[tuple[str, ...], list[ScanFailure]]:
    """Return `paths` with the folder of each DICOMDIR in its place, and a failure for each record that leads nowhere.

    A DICOMDIR describes the files in and below its folder (PS3.10 section 8.6): a record names one by the components
    of its path, *Referenced File ID* (0004,1500). Case does not matter, since copies of discs change it. A DICOMDIR
    among other files or folders of its folder is only a file: these were chosen.
    """
    sources: list[str] = []
    lost: list[ScanFailure] = []
    for path in paths:
        names = _file_ids(path, paths)
        if names is None:
            sources.append(path)
            continue
        folder = os.path.dirname(path)
        sources.append(folder)
        lost += _lost(folder, names)
    return tuple(dict.fromkeys(sources)), lost


def _file_ids(path: str, paths: Sequence[str]) -> list[str] | None:
    """Return the *Referenced File IDs* of a DICOMDIR, None of any other file or folder."""
    if not os.path.basename(path).upper().startswith(NAME) or not os.path.isfile(path):
        return None
    folder = os.path.join(os.path.dirname(path), "")
    if any(other.startswith(folder) for other in paths if other != path):
        return None
    try:
        header = read_header(path)
    except (HeaderError, OSError):  # the scan says why
        return None
    if _texts(header, SOP_CLASS) != [MEDIA_DIRECTORY]:
        return None
    return _texts(header, FILE_ID)


def _texts(header: Header, key: str) -> list[str]:
    """Return the texts of an element that are not empty."""
    texts = (element.value[3:].decode("latin-1").strip(" \0") for element in header.elements if element.key == key)
    return list(filter(None, texts))


def _lost(folder: str, names: list[str]) -> Iterator[ScanFailure]:
    from napari_dicommeta.catalog.catalog import ScanFailure  # Arrow, which no scan should wait for

    known: dict[str, dict[str, str]] = {}
    for name in dict.fromkeys(names):
        parts = [part.strip() for part in name.split("\\")]
        place = os.path.join(folder, *parts)
        if any(part in ("", ".", "..") or os.path.basename(part) != part for part in parts):
            yield ScanFailure(place, "the DICOMDIR lists it, but it is no name of a file below its folder", "skipped")
        elif not _exists(folder, parts, known):
            reason = "the DICOMDIR lists it, but it is not there: the copy may be incomplete"
            yield ScanFailure(place, reason, "vanished")


def _exists(folder: str, parts: list[str], known: dict[str, dict[str, str]]) -> bool:
    """Return whether a file is there, in any case and with the version that discs add, as in IM001;1."""
    for part in parts:
        if folder not in known:
            try:
                known[folder] = {name.upper().partition(";")[0].rstrip("."): name for name in os.listdir(folder)}
            except OSError:
                known[folder] = {}
        name = known[folder].get(part.upper().rstrip("."))
        if name is None:
            return False
        folder = os.path.join(folder, name)
    return os.path.isfile(folder)
