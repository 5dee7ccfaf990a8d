"""Files chosen by the values of several tags: what a click on a bar makes, and what all counts then follow."""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_dicommeta.catalog import Catalog, Condition, Tags
    from napari_dicommeta.series import Series

__all__ = ["Selection", "described", "keyword_of"]


@dataclass(frozen=True, slots=True)
class Selection:
    """The files of `catalog` for which all filters hold.

    `filters`: (tag, condition) in the order in which they were made, as `Catalog.where` takes them: a keyword with a
    tuple of texts by meaning, a slice (a range of numbers, ends included) or a bool (present or not), or a tuple of
    keywords with texts that stand together. No filter chooses all files.
    """

    catalog: Catalog
    filters: tuple[tuple[Tags, Condition], ...] = ()

    def toggled(self, keyword: str, text: str) -> Selection:
        """With this value added to the tag's, or taken away if it is among them; instead of a range of the tag."""
        texts = self.texts(keyword)
        chosen = tuple(one for one in texts if one != text) if text in texts else (*texts, text)
        return self.with_filter(keyword, chosen) if chosen else self.without(keyword)

    def with_filter(self, tag: Tags, condition: Condition) -> Selection:
        """With this condition in place of the tag's, or as a further one."""
        chosen = {**dict(self.filters), tag: condition}
        return Selection(self.catalog, tuple(chosen.items()))

    def without(self, tag: Tags) -> Selection:
        """Without the filter of this tag; of a keyword, without those of pairs that it is part of too."""
        kept = (one for one in self.filters if one[0] != tag and (isinstance(one[0], str) or tag not in one[0]))
        return Selection(self.catalog, tuple(kept))

    def texts(self, tag: Tags) -> tuple[str, ...]:
        """The chosen values of a tag; of a pair of tags none."""
        condition = dict(self.filters).get(tag, ())
        return tuple(str(text) for text in condition) if isinstance(tag, str) and isinstance(condition, tuple) else ()

    def range_of(self, keyword: str) -> tuple[float, float] | None:
        """The chosen range of a tag's numbers."""
        condition = dict(self.filters).get(keyword)
        return (float(condition.start), float(condition.stop)) if isinstance(condition, slice) else None

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


def keyword_of(tag: Tags) -> str:
    """The tag's innermost keyword, those of a pair joined."""
    tags = (tag,) if isinstance(tag, str) else tag
    return " × ".join(one.rpartition(".")[2] or one for one in tags)


def described(tag: Tags, condition: Condition) -> str:
    """A filter in words: ``RescaleSlope = 1 or 2``, ``SliceThickness 0.5 … 1.5``, ``KVP absent or unknown``."""
    name = keyword_of(tag)
    if isinstance(condition, bool):
        return f"{name} {'present' if condition else 'absent or unknown'}"
    if isinstance(condition, slice):
        low, high = (round(float(end), 12) for end in (condition.start, condition.stop))
        if not (isfinite(low) and isfinite(high)):
            return f"{name} ≥ {low:g}" if isfinite(low) else f"{name} ≤ {high:g}"
        return f"{name} {low:g} … {high:g}"
    texts = condition if isinstance(condition, (tuple, list)) else (condition,)
    shown = [" × ".join(_shown(part) for part in one) if isinstance(one, tuple) else _shown(one) for one in texts[:20]]
    more = f" or {len(texts) - 20} more" if len(texts) > 20 else ""
    return f"{name} = {' or '.join(shown)}{more}"


def _shown(text: object) -> str:
    return "(absent)" if text is None else str(text) or "(empty)"
