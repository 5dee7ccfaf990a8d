"""The first series of a source that is still being read, and the source as far as it is read. No Qt."""

from __future__ import annotations

import os
from contextlib import closing
from itertools import groupby, islice
from typing import TYPE_CHECKING

import numpy as np

from napari_dicommeta._napari.tasks.open import first_volumes
from napari_dicommeta._napari.tasks.rows import series_rows, tag_rows
from napari_dicommeta._napari.tasks.source import Opened
from napari_dicommeta.analysis.window_presets import folder_windows
from napari_dicommeta.files.opening import find_inside, is_archive, is_archive_name
from napari_dicommeta.files.urls import is_url
from napari_dicommeta.scanning.listing import list_files
from napari_dicommeta.scanning.local import scan_paths
from napari_dicommeta.scanning.pending_calls import PendingCalls
from napari_dicommeta.scanning.sources import source_paths
from napari_dicommeta.support.generators import result_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from napari_dicommeta.catalog.catalog import Catalog, Series

__all__ = ["early_source"]

MAX_FOLDERS, MAX_FILES = 20, 1500
"""Folders and files that are read for a first picture, before that is left to the scan."""
OVER_IMAGES = ("SEG", "RTDOSE")
"""Modalities of what is shown over another image only."""
MIN_PASSED = 20
"""Files read after the last one of a series, by which it is taken for complete in a folder that is not read to its
end."""


def early_source(paths: Sequence[str]) -> Opened | None:
    """Read the first folder of images, and return a source of it with the volumes of its largest complete series.

    A segmentation or a dose is passed over: it is shown with its image, which may lie in another folder. The files are
    read apart from the scan, which may take minutes. None if no series is complete within `MAX_FOLDERS` and
    `MAX_FILES`.
    """
    left = MAX_FILES
    for files in islice(_folders(paths), MAX_FOLDERS):
        read = files[:left]
        left -= len(read)
        catalog = result_of(scan_paths(iter(read), workers=1))
        images = [series for series in catalog.series if series.modality not in OVER_IMAGES]
        complete = [series for series in images if len(read) == len(files) or _is_passed(catalog, series)]
        volumes, _ = first_volumes(complete)
        if volumes:
            return Opened(
                paths=tuple(paths),
                catalog=catalog,
                series=catalog.series,
                rows=series_rows(catalog, ()),
                volumes=volumes,
                refusals=(),
                tags=tag_rows(catalog),
                windows=folder_windows(catalog),
            )
        if left <= 0:
            break
    return None


def _is_passed(catalog: Catalog, series: Series) -> bool:
    """Return whether the reading has come well past the last file of a series."""
    return int(np.max(series.rows)) < catalog.n_files - MIN_PASSED


def _folders(paths: Sequence[str]) -> Iterator[list[str]]:
    """Yield the files of each folder in and below `paths`, sorted, archives among them.

    What cannot be read is left to the scan.
    """
    for path in source_paths(paths):
        if is_url(path):  # its files are waited for: the scan shows the first
            continue
        if not os.path.isdir(path):
            yield from _in_archive(path) if is_archive(path) or find_inside(path) else ([path],)
            continue
        for folder, files in _walk(path):
            archives = [name for name in files if is_archive_name(name)]
            if len(files) > len(archives):
                yield [os.path.join(folder, name) for name in sorted(set(files).difference(archives))]
            for name in sorted(archives):
                yield from _in_archive(os.path.join(folder, name))


def _walk(top: str) -> Iterator[tuple[str, list[str]]]:
    """Yield the folders in and below `top` with the names of their files, without those that do not answer."""
    folders = [top]
    with closing(PendingCalls()) as calls:
        while folders:
            folder = folders.pop()
            try:
                step = result_of(calls.answer(lambda folder: next(os.walk(folder), None), folder))
            except TimeoutError:
                continue
            if step is not None:
                folders += (os.path.join(folder, name) for name in sorted(step[1], reverse=True))
                yield folder, step[2]


def _in_archive(path: str) -> Iterator[list[str]]:
    """Yield the files of each folder of an archive; those that cannot be read are left to the scan."""
    members = (entry for entry in list_files([path]) if isinstance(entry, str))
    for _, files in groupby(members, os.path.dirname):
        yield list(files)
