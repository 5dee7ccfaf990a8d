"""Files chosen by the values of several tags: what a click on a bar makes, and what all counts then follow."""

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

    `filters`: (tag, condition) in the order in which they were made, as `Catalog.where` takes them: a keyword with a
    tuple of texts by meaning (None: absent or unknown), `Spelled` texts, a slice (a range of numbers, ends included) or
    a bool (present or not), or a tuple of keywords with texts that stand together. No filter chooses all files.
    """

    catalog: Catalog
    filters: tuple[tuple[Tags, Condition], ...] = ()

    def toggled(self, keyword: str, text: str | None, by: str = "meaning") -> Selection:
        """With this value added to the tag's, or taken away if it is among them; instead of a range of the tag.

        None stands for the files without the tag. Values by spelling take the place of values by meaning.
        """
        texts = self.texts(keyword, by)
        chosen = tuple(one for one in texts if one != text) if text in texts else (*texts, text)
        if not chosen:
            return self.without(keyword)
        condition: Condition = Spelled(chosen) if by == "spelling" else chosen
        return self.with_filter(keyword, False if chosen == (None,) else condition)

    def toggled_pair(self, tags: tuple[str, str], pair: tuple[str | None, str | None]) -> Selection:
        """With these two values that stand together added to those chosen, or taken away if they are among them."""
        pairs = self.pairs(tags)
        pairs = tuple(one for one in pairs if one != pair) if pair in pairs else (*pairs, pair)
        if tags[::-1] in dict(self.filters):
            tags, pairs = tags[::-1], tuple((second, first) for first, second in pairs)
        return self.with_filter(tags, pairs) if pairs else self.without(tags)

    def pairs(self, tags: tuple[str, str]) -> tuple[tuple[str | None, str | None], ...]:
        """The chosen values of two tags that stand together, in whichever order of the two they were chosen."""
        chosen = cast("dict[Tags, tuple[tuple[str | None, str | None], ...]]", dict(self.filters))
        if tags in chosen:
            return chosen[tags]
        return tuple((first, second) for second, first in chosen.get(tags[::-1], ()))

    def with_filter(self, tag: Tags, condition: Condition) -> Selection:
        """With this condition in place of the tag's, or as a further one."""
        chosen = {**dict(self.filters), tag: condition}
        return Selection(self.catalog, tuple(chosen.items()))

    def without(self, tag: Tags) -> Selection:
        """Without the filter of this tag, or of these tags together."""
        return Selection(self.catalog, tuple(one for one in self.filters if one[0] != tag))

    def aside_from(self, *keywords: str) -> Selection:
        """Without all filters that speak of these tags, those of pairs too."""
        kept = (one for one in self.filters if not {*([one[0]] if isinstance(one[0], str) else one[0])} & {*keywords})
        return Selection(self.catalog, tuple(kept))

    def texts(self, tag: Tags, by: str = "meaning") -> tuple[str | None, ...]:
        """The chosen values of a tag, by meaning or by spelling, None for its absence; of a pair of tags none."""
        condition = dict(self.filters).get(tag, ())
        if condition is False:
            return (None,)
        if isinstance(condition, Spelled):
            return condition.texts if by == "spelling" else ()
        if not isinstance(tag, str) or not isinstance(condition, tuple) or by == "spelling":
            return ()
        return tuple(text if text is None else str(text) for text in condition)

    def range_of(self, keyword: str) -> tuple[float, float] | None:
        """The chosen range of a tag's numbers."""
        condition = dict(self.filters).get(keyword)
        return ends_of(condition) if isinstance(condition, slice) else None

    def mask(self) -> np.ndarray:
        """For each file of `catalog` whether it is chosen, bool of shape (n_files,)."""
        return self.catalog.mask(dict(self.filters))

    def files(self) -> Catalog:
        """The catalog of the chosen files."""
        return self.catalog.rows(np.flatnonzero(self.mask())) if self.filters else self.catalog

    def counted_for(self, keyword: str) -> Catalog:
        """The files over which the values of a tag are counted: its own filter does not hide its other values."""
        return self.aside_from(keyword).files()

    def matches(self, series: Sequence[Series]) -> list[int]:
        """For each series of `catalog` how many of its files are chosen."""
        if not series:
            return []
        chosen = self.mask()[np.concatenate([one.rows for one in series])].astype(np.int64)
        starts = np.cumsum([0, *(len(one.rows) for one in series[:-1])])
        matches: list[int] = np.add.reduceat(chosen, starts).tolist()  # no series is without files
        return matches
