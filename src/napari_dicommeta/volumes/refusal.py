"""Files that make no volume, each with its reason."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_dicommeta.dicom.uids import DEFLATED

if TYPE_CHECKING:
    from napari_dicommeta.catalog.catalog import Catalog, Series

__all__ = ["Refusal", "with_pixels"]


@dataclass(frozen=True, slots=True)
class Refusal:
    """Files that make no volume: what they are, how many, and why not."""

    series: Series
    paths: tuple[str, ...]
    reason: str

    def __str__(self) -> str:
        first = os.path.basename(self.paths[0])
        more = f" and {len(self.paths) - 1} more" if len(self.paths) > 1 else ""
        return f"{first}{more}: {self.reason}"


def with_pixels(series: Series) -> tuple[Catalog, list[Refusal]]:
    """The catalog of a series' files that hold whole pixel data, and the others with the reason."""
    catalog = series.catalog
    offsets = catalog.file_column("pixel_offset")
    without = np.flatnonzero(offsets < 0)
    reasons_of = {failure.path: failure.reason for failure in catalog.partial}
    refusals: list[Refusal] = []
    if len(without):
        by_reason: dict[str, list[str]] = {}
        for i in without.tolist():
            path = catalog.paths[i]
            by_reason.setdefault(reasons_of.get(path, "the file has no pixel data"), []).append(path)
        refusals = [Refusal(series, tuple(paths), reason) for reason, paths in by_reason.items()]
    cut = catalog.file_column("pixel_length") + offsets > catalog.file_column("size")
    cut &= (offsets >= 0) & np.array([text != DEFLATED for text in catalog.column_texts("TransferSyntaxUID")])
    refusals += [
        Refusal(series, (catalog.paths[i],), reasons_of.get(catalog.paths[i], "the pixel data is cut"))
        for i in np.flatnonzero(cut).tolist()
    ]
    return catalog.rows(np.flatnonzero((offsets >= 0) & ~cut)), refusals
