"""The results of counting: a tag's summary, its values, their spellings and its numbers."""

from __future__ import annotations

from collections.abc import ItemsView, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_dicommeta.support.html import MAX_ROWS, escape_html, html_table, html_terms
from napari_dicommeta.support.words import counted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_dicommeta.dicom.tags import TagPath

__all__ = ["Numbers", "Spelling", "TagSummary", "ValueCount", "ValueCounts"]


@dataclass(frozen=True, slots=True, kw_only=True)
class TagSummary:
    """The numbers of files in which a tag is `present` with a value, `empty`, `absent` or `unknown`.

    The four add up to the files counted. `unknown` counts files damaged before the place of the tag. `distinct` counts
    values by meaning and `spellings` by spelling, both without the empty value. `vr` is the VR in most files.
    """

    path: TagPath
    vr: str
    present: int
    empty: int
    absent: int
    unknown: int
    distinct: int
    spellings: int

    @property
    def keyword(self) -> str:
        """The tag in keywords, levels joined by dots, as `Catalog.values` takes it."""
        return self.path.text

    @property
    def tag(self) -> int:
        """The innermost tag as a number, 0x00281050."""
        return self.path.tag

    def html_row(self) -> dict[str, str | int | float]:
        """Return what a table of tags shows of this one."""
        row: dict[str, str | int | float] = {"tag": self.keyword, "VR": self.vr, "values": self.distinct}
        row |= {"spellings": self.spellings, "present": self.present, "empty": self.empty}
        return {**row, "absent": self.absent, "unknown": self.unknown}

    def _repr_html_(self) -> str:
        return html_terms(self.keyword, [(name, str(value)) for name, value in list(self.html_row().items())[1:]])


@dataclass(frozen=True, slots=True, kw_only=True)
class Spelling:
    """One spelling of a value: its text, its VR as stored, its bytes (at most 32) and the number of files."""

    text: str
    vr: str
    raw: bytes
    files: int
    flag: str = ""


@dataclass(frozen=True, slots=True)
class ValueCount:
    """One value by meaning, the number of files that hold it, and its spellings, most frequent first.

    `flag` is the fault of the value, a constant of `dicom.values`, or "".
    """

    text: str
    files: int
    spellings: tuple[Spelling, ...]
    flag: str = ""


class ValueCounts(Mapping[Any, int]):
    """The values of a tag and the number of files that hold each, most frequent first.

    A mapping of text to number of files. For several tags the key is a tuple of texts, with None if a file lacks the
    tag. An empty element counts under "". `absent` and `unknown` are the files without the element. `n_values` is the
    number of values and `n_held` the sum of their files, even if only the most frequent values were requested.
    """

    def __init__(
        self,
        counts: dict[Any, int],
        n_files: int,
        absent: int,
        unknown: int,
        all_values: tuple[int, int] | None = None,
    ) -> None:
        self._counts = counts
        self.n_values, self.n_held = all_values or (len(counts), sum(counts.values()))
        self.n_files, self.absent, self.unknown = n_files, absent, unknown

    def __getitem__(self, text: Any) -> int:
        return self._counts[text]

    def __iter__(self) -> Iterator[Any]:
        return iter(self._counts)

    def __len__(self) -> int:
        return len(self._counts)

    def items(self) -> ItemsView[Any, int]:
        """Return the (text, files) pairs, as a dictionary does."""
        return self._counts.items()

    def most_common(self, n: int | None = None) -> list[tuple[Any, int]]:
        """Return the `n` most frequent (text, files), all by default, as `collections.Counter` does."""
        return list(self._counts.items())[: None if n is None else max(n, 0)]

    def _repr_html_(self) -> str:
        rows: list[dict[str, str | int | float]] = [
            {"value": _shown(text), "files": files, "share": f"{files / max(self.n_files, 1):.1%}"}
            for text, files in self.most_common(MAX_ROWS)
        ]
        states = f"absent: {self.absent:,} · unknown: {self.unknown:,}"
        title = f"{counted(self.n_values, 'value')} in {counted(self.n_files, 'file')} · {states}"
        return f"<p>{escape_html(title)}</p>" + (html_table(rows, self.n_values) if rows else "")

    def __repr__(self) -> str:
        return f"{self._counts!r} (absent: {self.absent}, unknown: {self.unknown})"


def _shown(text: str | tuple[str | None, ...]) -> str:
    """Return a value, or the values of several tags, with words for those that are empty or absent."""
    texts = text if isinstance(text, tuple) else (text,)
    return " · ".join("(absent)" if part is None else part or "(empty)" for part in texts)


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Numbers:
    """The numbers of a tag: each component of each distinct value, weighted by the files that hold the value.

    `owners` identifies the value that a component belongs to. `not_numbers` counts the files whose value has no number.
    Dates, times and ages count as numbers, as `moments.moments` has them: `vr` is DA, TM, DT or AS then.
    """

    owners: np.ndarray
    values: np.ndarray
    """float64."""
    weights: np.ndarray
    vr: str
    not_numbers: int
    absent: int
    unknown: int

    def binned(self, edges: Sequence[float]) -> tuple[int, ...]:
        """Count the files in each bin between `edges`; a file with several components in a bin counts once there."""
        places = np.searchsorted(np.asarray(edges)[1:-1], self.values, side="right")
        weights = self.weights
        if len(self.owners) and (np.diff(self.owners) == 0).any():
            _, first = np.unique(self.owners * len(edges) + places, return_index=True)
            places, weights = places[first], weights[first]
        counts = np.bincount(places, weights=weights, minlength=len(edges) - 1)
        return tuple(int(count) for count in counts)
