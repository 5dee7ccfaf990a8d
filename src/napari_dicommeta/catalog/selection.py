"""Selections of files by the values of several tags, as made by clicks on bars and followed by all counts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import numpy as np

from napari_dicommeta.catalog.conditions import Spelled, ends_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_dicommeta.catalog.catalog import Catalog, Series
    from napari_dicommeta.catalog.conditions import Condition, Tags

__all__ = ["Selection"]


@dataclass(frozen=True, slots=True)
class Selection:
    """The files of `catalog` for which all filters hold.

    `filters` holds (tag, condition) pairs in the order they were added, as `Catalog.where` takes them. A keyword has a
    tuple of texts by meaning (None: absent or unknown), `Spelled` texts, a slice (a range of numbers, ends included) or
    a bool (present or not). A tuple of keywords has joint texts. Without filters, all files are selected.
    """

    catalog: Catalog
    filters: tuple[tuple[Tags, Condition], ...] = ()

    def toggled(self, keyword: str, text: str | None, by: str = "meaning") -> Selection:
        """Return a selection with this value of the tag added, or removed if it is selected.

        None stands for files without the tag. The value replaces a range of the tag, and values by spelling replace
        values by meaning.
        """
        texts = self.texts(keyword, by)
        chosen = tuple(other for other in texts if other != text) if text in texts else (*texts, text)
        if not chosen:
            return self.without(keyword)
        condition: Condition = Spelled(chosen) if by == "spelling" else chosen
        return self.with_filter(keyword, False if chosen == (None,) else condition)

    def toggled_pair(self, tags: tuple[str, str], pair: tuple[str | None, str | None]) -> Selection:
        """Return a selection with this pair of joint values added, or removed if it is selected."""
        pairs = self.pairs(tags)
        pairs = tuple(other for other in pairs if other != pair) if pair in pairs else (*pairs, pair)
        if tags[::-1] in dict(self.filters):
            tags, pairs = tags[::-1], tuple((second, first) for first, second in pairs)
        return self.with_filter(tags, pairs) if pairs else self.without(tags)

    def pairs(self, tags: tuple[str, str]) -> tuple[tuple[str | None, str | None], ...]:
        """Return the selected joint values of two tags, also if they were selected in the other order of tags."""
        chosen = cast("dict[Tags, tuple[tuple[str | None, str | None], ...]]", dict(self.filters))
        if tags in chosen:
            return chosen[tags]
        return tuple((first, second) for second, first in chosen.get(tags[::-1], ()))

    def with_filter(self, tag: Tags, condition: Condition) -> Selection:
        """Return a selection with this filter, in place of the tag's previous filter if there is one."""
        chosen = {**dict(self.filters), tag: condition}
        return Selection(self.catalog, tuple(chosen.items()))

    def without(self, tag: Tags) -> Selection:
        """Return a selection without the filter of this tag or tuple of tags."""
        return Selection(self.catalog, tuple((key, condition) for key, condition in self.filters if key != tag))

    def aside_from(self, *keywords: str) -> Selection:
        """Return a selection without any filter that involves these tags, including joint filters."""
        others = (
            (tag, condition)
            for tag, condition in self.filters
            if not {*([tag] if isinstance(tag, str) else tag)} & {*keywords}
        )
        return Selection(self.catalog, tuple(others))

    def texts(self, tag: Tags, by: str = "meaning") -> tuple[str | None, ...]:
        """Return the selected values of a tag, by meaning or by spelling, None for absence; () for a pair of tags."""
        condition = dict(self.filters).get(tag, ())
        if condition is False:
            return (None,)
        if isinstance(condition, Spelled):
            return condition.texts if by == "spelling" else ()
        if not isinstance(tag, str) or not isinstance(condition, tuple) or by == "spelling":
            return ()
        return tuple(text if text is None else str(text) for text in condition)

    def range_of(self, keyword: str) -> tuple[float, float] | None:
        """Return the selected range of a tag's numbers, those of `moments` for dates and ages; None without one."""
        condition = dict(self.filters).get(keyword)
        column = self.catalog.file_rows.find(keyword)
        return ends_of(condition, column.number_vr if column else "") if isinstance(condition, slice) else None

    def mask(self) -> np.ndarray:
        """Return for each file of `catalog` whether it is selected: bool, shape (n_files,)."""
        return self.catalog.mask(dict(self.filters))

    def files(self) -> Catalog:
        """Return the catalog of the selected files."""
        return self.catalog.rows(np.flatnonzero(self.mask())) if self.filters else self.catalog

    def counted_for(self, keyword: str) -> Catalog:
        """Return the files over which a tag's values are counted: its own filter does not apply, so all values show."""
        return self.aside_from(keyword).files()

    def matches(self, series: Sequence[Series]) -> list[int]:
        """Count the selected files of each series of `catalog`."""
        if not series:
            return []
        chosen = self.mask()[np.concatenate([each.rows for each in series])].astype(np.int64)
        starts = np.cumsum([0, *(len(each.rows) for each in series[:-1])])
        matches: list[int] = np.add.reduceat(chosen, starts).tolist()  # every series has files
        return matches
