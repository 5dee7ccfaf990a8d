"""Thumbnails: the contact sheet of the matching images. No Qt."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from napari_dicommeta.support.errors import PixelError
from napari_dicommeta.support.file_names import in_natural_order
from napari_dicommeta.support.log import log_fault

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from napari_dicommeta.catalog.catalog import Series

__all__ = ["SHEET", "Thumbnail", "counts_within", "series_thumbnails", "sheet_rows", "thumbnails"]

SHEET = 120
"""Largest number of pictures on a contact sheet."""
MAX_COUNTED = 1 << 16


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Thumbnail:
    """One image of a series: `picture` is uint8 of shape (rows, columns) or (rows, columns, 3), None if unreadable."""

    series: int
    path: str
    caption: str
    picture: np.ndarray | None
    reason: str = ""


def counts_within(plane: np.ndarray, value_range: tuple[float, float], bins: int) -> np.ndarray:
    """Return how many values of `plane` lie in each of equal bins over (smallest, largest), int64 of shape (bins,).

    Planes of more than `MAX_COUNTED` pixels are subsampled.
    """
    step = max(1, round((plane.size / MAX_COUNTED) ** 0.5))
    values = plane[::step, ::step]
    low, high = value_range
    if values.dtype.kind == "f":
        values = values[np.isfinite(values)]
    return np.histogram(values, bins=bins, range=(low, max(high, low + 1e-9)))[0]


def sheet_rows(series: Sequence[Series], mask: np.ndarray, most: int = SHEET) -> tuple[tuple[int, int], ...]:
    """Return (series number, file number within it) of at most `most` images for a contact sheet.

    `mask`: the matching files, bool of shape (n_files,) over the whole catalog. Each series with matches gives the same
    number of images, evenly spread and in the natural order of their names. With more series than pictures, the first
    series give their middle image each.
    """
    matching = [(number, np.flatnonzero(mask[entry.rows])) for number, entry in enumerate(series) if entry.n_images]
    matching = [(number, rows) for number, rows in matching if len(rows)][:most]
    if not matching:
        return ()
    quota = max(1, most // len(matching))
    picked = []
    for number, rows in matching:
        n = min(quota, len(rows))
        spread = [int(rows[int((i + 0.5) * len(rows) / n)]) for i in range(n)]
        if n > 1:
            paths = series[number].catalog.paths
            keys = {row: in_natural_order(paths[row]) for row in spread}
            spread.sort(key=keys.__getitem__)
        picked += [(number, row) for row in spread]
    return tuple(picked)


def thumbnails(series: Sequence[Series], rows: Sequence[tuple[int, int]]) -> Iterator[Thumbnail]:
    """Yield the pictures of these images in order, each shown through the first usable window of its file."""
    from napari_dicommeta.volumes.load import load_series

    for number, row in rows:
        whole = series[number]
        catalog = whole.catalog.rows(np.array([row]))
        path = catalog.paths[0]
        caption = f"{whole.name} · {os.path.basename(path)}"
        try:
            volumes, refusals = load_series(replace(whole, catalog=catalog, rows=whole.rows[[row]]))
            if volumes:
                yield Thumbnail(series=number, path=path, caption=caption, picture=volumes[0].thumbnail())
            else:
                yield Thumbnail(
                    series=number,
                    path=path,
                    caption=caption,
                    picture=None,
                    reason="; ".join(refusal.reason for refusal in refusals),
                )
        except PixelError as error:
            yield Thumbnail(series=number, path=path, caption=caption, picture=None, reason=error.reason)
        except Exception as error:  # noqa: BLE001  a codec may raise anything; the other pictures go on
            log_fault("making a thumbnail", error)
            yield Thumbnail(series=number, path=path, caption=caption, picture=None, reason=type(error).__name__)


def series_thumbnails(series: Sequence[Series], numbers: Sequence[int]) -> Iterator[Thumbnail]:
    """Yield a picture of the middle image, by path, of each of these series that has images."""
    for number in numbers:
        images = np.flatnonzero(series[number].catalog.file_column("pixel_offset") >= 0)
        if len(images):
            yield from thumbnails(series, [(number, int(images[len(images) // 2]))])
