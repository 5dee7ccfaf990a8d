"""Compare the open source with a second folder or saved catalog. No Qt."""

from __future__ import annotations

import os
import time
from dataclasses import replace
from typing import TYPE_CHECKING

from napari_dicommeta._napari.tasks.explore import Other
from napari_dicommeta._napari.tasks.open import REPORT_INTERVAL
from napari_dicommeta._napari.tasks.rows import TagRow

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping

    from napari_dicommeta.analysis.compare import TagDifference
    from napari_dicommeta.catalog.catalog import Catalog
    from napari_dicommeta.scanning.progress import ScanProgress

__all__ = ["compare_with", "with_differences"]


def compare_with(
    catalog: Catalog, path: str
) -> Generator[ScanProgress, None, tuple[Catalog, Other, dict[str, TagDifference]]]:
    """Read the folder or saved catalog at `path` and compare `catalog` with it; yield the progress of the scan.

    Return `catalog`, the other source, and the differences by keyword.

    Raises
    ------
    ValueError
        If `path` holds no DICOM file.
    OSError
        If there is nothing at `path`.
    """
    from napari_dicommeta.analysis.compare import compare
    from napari_dicommeta.catalog.catalog import Catalog
    from napari_dicommeta.catalog.storage import is_saved
    from napari_dicommeta.scanning.scan import iter_scan

    name = os.path.basename(path.rstrip(os.sep)) or path
    if is_saved(path):
        second = Catalog.load(path)
    else:
        steps, reported = iter_scan((path,), cache=True), 0.0
        try:
            while True:
                try:
                    progress = next(steps)
                except StopIteration as stop:
                    second = stop.value
                    break
                if time.monotonic() - reported >= REPORT_INTERVAL:
                    yield progress
                    reported = time.monotonic()
        finally:
            steps.close()
    if not second.n_files:
        raise ValueError(f"{name} holds no DICOM file")
    differences = {difference.keyword: difference for difference in compare(catalog, second)}
    return catalog, Other(name, second), differences


def with_differences(rows: tuple[TagRow, ...], differences: Mapping[str, TagDifference]) -> tuple[TagRow, ...]:
    """Return `rows` with the difference of each tag, and a row for each tag that only the other source has."""
    here = {row.keyword for row in rows}
    only_there = [
        TagRow(
            keyword=difference.keyword,
            name=difference.path.name,
            tag=difference.path.tag_text,
            vr=difference.path.vr,
            distinct=0,
            present=0.0,
            shape=(),
        )
        for keyword, difference in differences.items()
        if keyword not in here and not difference.identifying and difference.kind == "values"
    ]
    compared = []
    for row in (*rows, *only_there):
        match = differences.get(row.keyword)
        differs = match.distance if match is not None and match.kind == "values" else None
        compared.append(replace(row, differs=differs))
    return tuple(compared)
