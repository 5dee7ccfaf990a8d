"""Tags whose values belong to single files: UIDs, places of slices, counters, and texts of each file of a series.

Comparisons and audits of data sets leave them out: their values always differ, and say nothing about the whole.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_dicommeta.analysis.compare import NUMBER_VRS, is_instance_uid
from napari_dicommeta.support.sorting import sorted_unique

if TYPE_CHECKING:
    from collections.abc import Mapping

    from napari_dicommeta.catalog.catalog import Catalog
    from napari_dicommeta.catalog.counts import TagSummary

__all__ = ["LENGTH", "PLACE", "SINGLE", "UID", "left_out_text", "per_file_tags"]

UID, PLACE, LENGTH, SINGLE = "UID", "place", "group length", "value of single files"
"""The kinds of tags that belong to single files."""
PLACES = frozenset(
    (
        "ColumnPositionInTotalImagePixelMatrix",
        "ContourData",
        "DimensionIndexValues",
        "GridFrameOffsetVector",
        "ImageIndex",
        "ImagePosition",
        "ImagePositionPatient",
        "ImagePositionVolume",
        "InStackPositionNumber",
        "Location",
        "RowPositionInTotalImagePixelMatrix",
        "SliceLocation",
        "SliceVector",
        "XOffsetInSlideCoordinateSystem",
        "YOffsetInSlideCoordinateSystem",
        "ZOffsetInSlideCoordinateSystem",
    )
)
"""Keywords of elements that say where a slice, a tile or a contour lies."""
MIN_SINGLE_SHARE = 0.9
"""The least share of the files of series that have a value of their own there."""
MIN_COUNTED_SHARE = 0.5
"""The least share of files whose number, of its own in its series, occurs in another series too: that of a counter."""


def per_file_tags(*catalogs: Catalog) -> dict[str, str]:
    """Return the kind of each tag that belongs to single files in one of `catalogs`: `UID`, `PLACE` and so on.

    The keys are keywords, levels joined by dots. A tag is `SINGLE` if nearly each file, of those in series of two files
    or more, holds a value that no other file of its series holds. A number is only if it is a counter, whose values
    occur in other series too: tube currents and window centers of each slice say something about the scanner.
    """
    kinds: dict[str, str] = {}
    for catalog in catalogs:
        sizes = np.zeros(catalog.n_files, dtype=np.int64)
        series_of = np.zeros(catalog.n_files, dtype=np.int64)
        for n, series in enumerate(catalog.series):
            sizes[series.rows], series_of[series.rows] = len(series.rows), n
        rows = np.flatnonzero(sizes > 1)
        most = int(sizes.max(initial=0))
        for summary in catalog.tags():
            kind = _kind(summary)
            if not kind and most > 1 and summary.distinct >= MIN_SINGLE_SHARE * most:
                kind = SINGLE if _is_single(catalog, summary, series_of, rows) else ""
            if kind:
                kinds[summary.keyword] = kind
    return kinds


def _kind(summary: TagSummary) -> str:
    if is_instance_uid(summary.path, summary.vr):
        return UID
    if summary.path.tag & 0xFFFF == 0:  # the length of a group follows from that of its UIDs
        return LENGTH
    return PLACE if summary.path.keyword in PLACES else ""


def _is_single(catalog: Catalog, summary: TagSummary, series_of: np.ndarray, rows: np.ndarray) -> bool:
    texts, codes = catalog.codes(summary.path)
    has_value = np.array([bool(text) for text in texts])
    held = rows[has_value[codes[rows]]]
    pairs, counts = np.unique(series_of[held] * len(texts) + codes[held], return_counts=True)
    if not len(pairs) or (counts == 1).sum() < MIN_SINGLE_SHARE * len(held):
        return False
    if summary.vr not in NUMBER_VRS or len(sorted_unique(series_of[held])) == 1:
        return True
    n_series = np.bincount(pairs % len(texts), minlength=len(texts))
    return bool((n_series[codes[held]] > 1).sum() >= MIN_COUNTED_SHARE * len(held))


def left_out_text(kinds: Mapping[str, str]) -> str:
    """Return how many tags of each kind are left out, such as "3 UIDs, 1 place"; "" for none."""
    counts = {kind: sum(other == kind for other in kinds.values()) for kind in (UID, PLACE, LENGTH, SINGLE)}
    plural = {UID: "UIDs", PLACE: "places", LENGTH: "group lengths", SINGLE: "values of single files"}
    return ", ".join(f"{n:,} {kind if n == 1 else plural[kind]}" for kind, n in counts.items() if n)
