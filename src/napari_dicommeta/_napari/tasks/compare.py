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
    from napari_dicommeta.dicom.tags import TagPath
    from napari_dicommeta.scanning.progress import ScanProgress

__all__ = ["compare_with", "with_differences"]


def compare_with(
    catalog: Catalog, path: str
) -> Generator[ScanProgress, None, tuple[Catalog, Other, dict[str, TagDifference]]]:
    """Read the folder or saved catalog at `path` and compare `catalog` with it; yield the progress of the scan.

    Return `catalog`, the other source, and the differences by keyword, the most telling first. Tags that belong to
    single files (UIDs, places, counters) and lengths of groups are left out.

    Raises
    ------
    ValueError
        If `path` holds no DICOM file.
    OSError
        If there is nothing at `path`.
    """
    from napari_dicommeta.analysis.compare import compare
    from napari_dicommeta.analysis.per_file import left_out_text, per_file_tags
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
    left_out = per_file_tags(catalog, second)
    compared = compare(catalog, second)
    differences = {tag.keyword: tag for tag in compared if tag.keyword not in left_out and not _is_length(tag.path)}
    return catalog, Other(name, second, left_out_text(left_out)), differences


def _is_length(path: TagPath) -> bool:
    """Return whether the tag is the length of a group, which depends on how a file was written."""
    return path.tag & 0xFFFF == 0 and not path.is_private


def with_differences(rows: tuple[TagRow, ...], differences: Mapping[str, TagDifference]) -> tuple[TagRow, ...]:
    """Return `rows` with the difference of each tag, and a row for each tag that only the other source has.

    The order is that of the differences, the most telling first; then come the tags without one, in their order.
    """
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
    rank = {keyword: place for place, keyword in enumerate(differences)}
    return tuple(sorted(compared, key=lambda row: rank.get(row.keyword, len(rank))))
