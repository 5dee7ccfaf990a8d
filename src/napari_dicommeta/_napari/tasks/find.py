"""Find tags, values and series by what a person types: exact names first, misspellings forgiven. No Qt."""

from __future__ import annotations

import re
from dataclasses import dataclass
from difflib import SequenceMatcher
from functools import lru_cache
from typing import TYPE_CHECKING

from napari_dicommeta.dicom.privacy import is_identifying
from napari_dicommeta.dicom.tags import TagPath
from napari_dicommeta.dicom.values import number

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np

    from napari_dicommeta._napari.tasks.rows import SeriesRow, TagRow
    from napari_dicommeta.catalog.catalog import Catalog
    from napari_dicommeta.catalog.conditions import Condition

__all__ = [
    "FoundValue",
    "condition_of",
    "find_tags",
    "find_values",
    "is_condition",
    "series_matching",
    "without_condition",
]

MIN_LIKENESS = 0.8
"""Least likeness of a misspelled word to a word of a tag, 0 to 1."""
MIN_MISSPELLED = 4
"""Letters of the shortest word that may be misspelled: shorter ones resemble too much."""
MAX_VALUES = 20
"""Values that a search returns."""
MAX_SEARCHED = 20_000
"""Distinct values of a tag up to which they are searched: more are UIDs, times and positions."""
_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
_CONDITION = re.compile(r"([^=\s]+)\s*=\s*(\"[^\"]*\"|\S+)")


@dataclass(frozen=True, slots=True)
class FoundValue:
    """A value that a search found: the keyword of its tag, its text, and the number of files."""

    keyword: str
    text: str
    files: int


@lru_cache(maxsize=8192)
def _words(keyword: str, name: str) -> frozenset[str]:
    return frozenset(word.lower() for word in (*_WORDS.findall(keyword.rpartition(".")[2]), *name.split()))


def _digits(text: str) -> str:
    return "".join(text.split()).strip("()").replace(",", "").lower()


def find_tags(rows: Sequence[TagRow], text: str) -> list[TagRow]:
    """Return the tags that `text` names, best first.

    First the tag with exactly this keyword, then keywords that begin with it, then tags with every word of it in
    keyword, name or number. If there are none: the number without punctuation, then misspelled words.
    """
    words = text.lower().split()
    joined = "".join(words)
    if not words:
        return []
    ranked = []
    for place, row in enumerate(rows):
        keyword = row.keyword.lower()
        own = keyword.rpartition(".")[2]
        if not all(word in f"{keyword} {row.name} {row.tag}".lower() for word in words):
            continue
        is_exact, starts = joined in (keyword, own), own.startswith(joined)
        ranked.append((not is_exact, not starts, row.keyword.count(".") if is_exact else 0, place))
    if ranked:
        return [rows[place] for *_, place in sorted(ranked)]
    by_number = [row for row in rows if _digits(row.tag) == _digits(text)]
    return by_number or _misspelled(rows, words)


def _misspelled(rows: Sequence[TagRow], words: Sequence[str]) -> list[TagRow]:
    """Return the tags each of whose searched words resembles a word of theirs or their whole keyword, best first."""
    likeness: dict[tuple[str, str], float] = {}

    def like(word: str, other: str) -> float:
        if word in other:
            return 1.0
        if len(word) < MIN_MISSPELLED:
            return 0.0
        if (word, other) not in likeness:
            matcher = SequenceMatcher(None, word, other, autojunk=False)
            likeness[word, other] = matcher.ratio() if matcher.quick_ratio() >= MIN_LIKENESS else 0.0
        return likeness[word, other]

    found = []
    for place, row in enumerate(rows):
        own = _words(row.keyword, row.name) | {row.keyword.rpartition(".")[2].lower()}
        least = min(max((like(word, other) for other in own), default=0.0) for word in words)
        if least >= MIN_LIKENESS:
            found.append((-least, place))
    return [rows[place] for _, place in sorted(found)]


def find_values(catalog: Catalog, rows: Sequence[TagRow], text: str, most: int = MAX_VALUES) -> list[FoundValue]:
    """Return the values that are or hold `text`, ignoring case: equal ones first, then those in most files.

    Values of identifying tags and of tags with more than `MAX_SEARCHED` values are left out.
    """
    wanted = text.strip().lower()
    if len(wanted) < 2:
        return []
    found: list[tuple[int, int, FoundValue]] = []
    for row in rows:
        if not 0 < row.distinct <= MAX_SEARCHED or is_identifying(TagPath.parse(row.keyword), row.vr):
            continue
        for value, files in catalog.values(row.keyword).items():
            lowered = value.lower()
            if wanted in lowered:
                rank = 0 if lowered == wanted else 1 if wanted in lowered.split("\\") else 2
                found.append((rank, -files, FoundValue(row.keyword, value, files)))
    return [value for *_, value in sorted(found, key=lambda entry: entry[:2])[:most]]


def without_condition(text: str) -> str:
    """Return `text` without its condition."""
    return " ".join(_CONDITION.sub(" ", text).split())


def is_condition(text: str) -> bool:
    """Return whether `text` holds a condition like ``kernel=B31f``."""
    return _CONDITION.search(text) is not None


def condition_of(catalog: Catalog, rows: Sequence[TagRow], text: str) -> tuple[str, Condition] | None:
    """Return the tag and the values that ``kernel=B31f`` in `text` means, None if there is none or no file has any.

    The value is compared as a number or without case; if no value equals it, those that hold it count.
    """
    match = _CONDITION.search(text)
    if match is None:
        return None
    wanted = match[2].strip('"').lower()
    as_number = number(wanted)
    tags = find_tags(rows, match[1])
    for is_equal in (True, False):
        for row in tags:
            texts = [value for value in catalog.values(row.keyword) if value]
            if is_equal:
                same = [t for t in texts if t.lower() == wanted or (as_number is not None and number(t) == as_number)]
            else:
                same = [t for t in texts if wanted in t.lower()]
            if same:
                return row.keyword, tuple(same)
    return None


def series_matching(
    catalog: Catalog,
    series_rows: Sequence[SeriesRow],
    file_rows: Sequence[np.ndarray],
    tags: Sequence[TagRow],
    text: str,
) -> frozenset[int]:
    """Return the numbers of the series that `text` finds: every word in name, modality, patient, study or size.

    ``kernel=B31f`` keeps the series with at least one file of that value. `file_rows`: int64, the rows of `catalog`
    of each series.
    """
    condition = condition_of(catalog, tags, text)
    if condition is None and is_condition(text):
        return frozenset()
    words = _CONDITION.sub(" ", text).lower().split()
    numbers = [
        row.number
        for row in series_rows
        if all(word in f"{row.name} {row.line} {row.patient} {row.study}".lower() for word in words)
    ]
    if condition is not None:
        mask = catalog.mask(dict([condition]))
        numbers = [n for n in numbers if mask[file_rows[n]].any()]
    return frozenset(numbers)
