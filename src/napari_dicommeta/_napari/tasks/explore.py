"""A query (tag, scope, filters, view) and the data -> one frozen record that the widgets show. No Qt."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from napari_dicommeta.analysis.bins import Bins, Spread, bins_of, spread_of
from napari_dicommeta.analysis.histogram import Histogram, Joint, histogram_of, joint_of
from napari_dicommeta.catalog.moments import MOMENT_VRS
from napari_dicommeta.catalog.selection import Selection

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_dicommeta.catalog.catalog import Catalog, Series

__all__ = ["SCOPES", "Other", "Query", "Shown", "resolve", "scope_catalog"]

SCOPES = ("folder", "study", "series", "selection")
"""All files; those of the active layer's study; of its series; of the series selected in the tree."""


NUMERIC = MOMENT_VRS | {"DS", "IS", "FL", "FD", "US", "SS", "UL", "SL", "UV", "SV", "US or SS"}
"""Value representations of numbers, dates, times and ages."""


@dataclass(frozen=True, slots=True)
class Query:
    """The tag to show, the scope of files and the kind of view; `beside` is a second tag to cross-tabulate with.

    `scope` is one of `SCOPES`, `view` "meaning", "spelling" or "ranges".
    """

    keyword: str = ""
    scope: str = "folder"
    view: str = "meaning"
    beside: str = ""

    @property
    def by(self) -> str:
        """How values are distinguished: by "spelling" in that view, else by "meaning"."""
        return "spelling" if self.view == "spelling" else "meaning"


@dataclass(frozen=True, slots=True)
class Other:
    """A second folder, compared with the first; `left_out` says which kinds of tags are not compared."""

    name: str
    catalog: Catalog
    left_out: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """Bars, bins or pairs of `query.keyword` over `scope`, with those of the part called `part_name`.

    `chosen` and `range` are the tag's own filter, which does not hide its other values. None in `chosen` means the
    files without the tag. `by_share`: the part is another folder, so bars compare shares of files.
    """

    query: Query
    histogram: Histogram | None = None
    bins: Bins | None = None
    joint: Joint | None = None
    spread: Spread | None = None
    scope: str = "folder"
    part_name: str = ""
    by_share: bool = False
    chosen: tuple[str | None, ...] = ()
    range: tuple[float, float] | None = None
    pairs: frozenset[tuple[str | None, str | None]] = field(default_factory=frozenset)
    whole: Catalog | None = None
    """The files that are counted."""
    part: Catalog | None = None
    """The files of the part."""


def scope_catalog(catalog: Catalog, scope: str, active: Series | None, chosen: Sequence[Series] = ()) -> Catalog | None:
    """Return the files of a scope, None if the scope does not exist now."""
    if scope == "folder":
        return catalog
    if scope == "selection":
        return catalog.rows(np.sort(np.concatenate([series.rows for series in chosen]))) if chosen else None
    if active is None:
        return None
    if scope == "series":
        return active.catalog
    studies = [text for text in active.catalog.values("StudyInstanceUID") if text]
    of_study = catalog.where(StudyInstanceUID=studies) if studies else active.catalog
    return of_study if of_study.n_files else active.catalog  # an active series may be of an earlier source


def resolve(
    query: Query, base: Catalog | None, filters: Selection | None, active: Series | None, other: Other | None = None
) -> Shown:
    """Count `query` over those files of `base`, the catalog of its scope, that pass `filters`.

    The part is `other` if given, else the active series, unless that is the scope.
    """
    if base is None or not query.keyword:
        return Shown(query=query)
    chosen = filters if filters is not None and filters.filters else None
    whole, scope = base, query.scope
    part = active.catalog if active is not None and query.scope != "series" else None
    part_name = active.name if active is not None and part is not None else ""
    shown = Shown(query=query)
    if chosen is not None:
        without = chosen.aside_from(query.keyword).filters
        whole = Selection(base, without).files()
        scope = f"matching in {scope}" if without and scope != "folder" else "matching" if without else scope
        part = Selection(part, without).files() if part is not None else None
        shown = replace(shown, chosen=chosen.texts(query.keyword, query.by), range=chosen.range_of(query.keyword))
    if other is not None:
        part, part_name = other.catalog, other.name
        if chosen is not None:
            part = Selection(part, chosen.aside_from(query.keyword).filters).files()
    histogram = histogram_of(whole, query.keyword, part, query.by, union=other is not None)
    spread = spread_of(whole, query.keyword) if histogram.path.vr in NUMERIC else None
    bins = bins_of(whole, query.keyword, part) if query.view == "ranges" else None
    joint = None
    if query.beside and query.beside != query.keyword:
        pair = (query.keyword, query.beside)
        joint = joint_of(whole, *pair)
        if chosen is not None:
            shown = replace(shown, pairs=frozenset(chosen.pairs(pair)))
    return replace(
        shown,
        histogram=histogram,
        bins=bins,
        joint=joint,
        spread=spread,
        scope=scope,
        part_name=part_name,
        by_share=other is not None,
        whole=whole,
        part=part,
    )
