"""Files chosen by the values of several tags: what a click on a bar makes, and what all counts then follow."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_dicommeta.catalog import Catalog
    from napari_dicommeta.series import Series

__all__ = ["Selection"]


@dataclass(frozen=True, slots=True)
class Selection:
    """The files of `catalog` that hold one of the chosen values of each tag in `filters`.

    `filters`: (keyword, texts by meaning) in the order in which they were made; no filter chooses all files.
    """

    catalog: Catalog
    filters: tuple[tuple[str, tuple[str, ...]], ...] = ()

    def toggled(self, keyword: str, text: str) -> Selection:
        """With this value added to the tag's, or taken away if it is among them."""
        chosen = dict(self.filters)
        texts = chosen.get(keyword, ())
        chosen[keyword] = tuple(one for one in texts if one != text) if text in texts else (*texts, text)
        return Selection(self.catalog, tuple((tag, texts) for tag, texts in chosen.items() if texts))

    def without(self, keyword: str) -> Selection:
        """Without the filter of this tag."""
        return Selection(self.catalog, tuple(one for one in self.filters if one[0] != keyword))

    def texts(self, keyword: str) -> tuple[str, ...]:
        """The chosen values of a tag."""
        return dict(self.filters).get(keyword, ())

    def mask(self) -> np.ndarray:
        """For each file of `catalog` whether it is chosen, bool of shape (n_files,)."""
        return self.catalog.mask(dict(self.filters))

    def files(self) -> Catalog:
        """The catalog of the chosen files."""
        return self.catalog.rows(np.flatnonzero(self.mask())) if self.filters else self.catalog

    def counted_for(self, keyword: str) -> Catalog:
        """The files over which the values of a tag are counted: its own filter does not hide its other values."""
        return self.without(keyword).files()

    def matches(self, series: Sequence[Series]) -> list[int]:
        """For each series of `catalog` how many of its files are chosen."""
        if not series:
            return []
        chosen = self.mask()[np.concatenate([one.rows for one in series])].astype(np.int64)
        starts = np.cumsum([0, *(len(one.rows) for one in series[:-1])])
        matches: list[int] = np.add.reduceat(chosen, starts).tolist()  # no series is without files
        return matches
