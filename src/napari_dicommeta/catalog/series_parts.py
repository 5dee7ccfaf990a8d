"""The series of a catalog in parts, each with the columns of its files alone: what workers of a cluster are sent."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from napari_dicommeta.catalog.catalog import Catalog

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari_dicommeta.catalog.catalog import Series

__all__ = ["PARTS_A_WORKER", "series_parts"]

PARTS_A_WORKER = 4
"""Parts for each worker: so few that columns of a saved catalog are read a few times, so many that none waits long."""


def series_parts(catalog: Catalog, n_workers: int) -> Iterator[tuple[Series, ...]]:
    """Yield the series of a catalog, in their order, in parts of about as many files each.

    The `rows` of a series stay those in `catalog`.
    """
    most = -(-catalog.n_files // (n_workers * PARTS_A_WORKER))
    part: list[Series] = []
    n_files = 0
    for series in catalog.series:
        part.append(series)
        n_files += series.n_files
        if n_files >= most:
            yield _alone(catalog, part)
            part, n_files = [], 0
    if part:
        yield _alone(catalog, part)


def _alone(catalog: Catalog, part: list[Series]) -> tuple[Series, ...]:
    """Return series over a table of their files alone, which is pickled once for all of them."""
    files = Catalog(catalog.rows(np.concatenate([series.rows for series in part])).file_rows.taken())
    stops = np.cumsum([series.n_files for series in part]).tolist()
    return tuple(
        replace(series, catalog=files.rows(np.arange(stop - series.n_files, stop)))
        for series, stop in zip(part, stops, strict=True)
    )
