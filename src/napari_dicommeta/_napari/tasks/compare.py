"""A second folder or saved catalog beside the one that is open. No Qt."""

from __future__ import annotations

import os
import time
from dataclasses import replace
from typing import TYPE_CHECKING

from napari_dicommeta._napari.tasks.explore import Other
from napari_dicommeta._napari.tasks.rows import TagRow

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping

    from napari_dicommeta.analysis.compare import TagDifference
    from napari_dicommeta.catalog.catalog import Catalog
    from napari_dicommeta.scanning.progress import ScanProgress

__all__ = ["compare_with", "with_differences"]

REPORT = 0.25
"""Seconds between two reports of progress."""


def compare_with(
    catalog: Catalog, path: str
) -> Generator[ScanProgress, None, tuple[Catalog, Other, dict[str, TagDifference]]]:
    """Read the folder or saved catalog at `path` and compare `catalog` with it; yields the progress of the scan.

    Returns `catalog`, the other, and what differs by keyword.
    """
    from napari_dicommeta.analysis.compare import compare
    from napari_dicommeta.catalog.catalog import Catalog
    from napari_dicommeta.catalog.storage import is_saved
    from napari_dicommeta.scanning.scan import iter_scan

    name = os.path.basename(path.rstrip(os.sep)) or path
    if is_saved(path):
        second = Catalog.load(path)
    else:
        steps, shown = iter_scan((path,)), 0.0
        try:
            while True:
                try:
                    progress = next(steps)
                except StopIteration as stop:
                    second = stop.value
                    break
                if time.monotonic() - shown >= REPORT:
                    yield progress
                    shown = time.monotonic()
        finally:
            steps.close()
    if not second.n_files:
        raise ValueError(f"{name} holds no DICOM file")
    return catalog, Other(name, second), {one.keyword: one for one in compare(catalog, second)}


def with_differences(rows: tuple[TagRow, ...], differences: Mapping[str, TagDifference]) -> tuple[TagRow, ...]:
    """`rows` with how much each tag differs, and a row for each tag that only the other folder has."""
    here = {row.keyword for row in rows}
    only_there = [
        TagRow(
            keyword=one.keyword,
            name=one.path.name,
            tag=one.path.tag_text,
            vr=one.path.vr,
            distinct=0,
            present=0.0,
            shape=(),
        )
        for keyword, one in differences.items()
        if keyword not in here and not one.identifying and one.kind == "values"
    ]
    found = []
    for row in (*rows, *only_there):
        one = differences.get(row.keyword)
        is_told = one is not None and one.kind == "values"
        found.append(replace(row, differs=one.distance if one is not None and is_told else None))
    return tuple(found)
