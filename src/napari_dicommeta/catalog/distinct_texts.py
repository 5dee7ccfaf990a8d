"""The distinct texts of a column and their counts: totals, most frequent texts and numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from napari_dicommeta.catalog.arrow_arrays import bool_array, numpy_of, text_array
from napari_dicommeta.catalog.moments import MOMENT_VRS, moments
from napari_dicommeta.dicom.values import number

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Texts", "joined", "most_frequent", "sort_key"]

NUMBER = r"^[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]{1,4})?$"
"""The pattern of `values.number`, for Arrow's compute functions."""
_ONLY = np.zeros(1, dtype=np.int64)
"""The number of the only text, and that of the only stored value."""


class Texts:
    """The distinct texts of a column, by meaning or by spelling, and the stored values that have each text.

    `values` holds the text of each stored value, or the texts of a set. Texts and numbers are stored in tuples and
    arrays: objects for a million values would cost more than counting them, and Python's garbage collector does not
    track a tuple of texts, but traverses every list.
    """

    def __init__(self, values: Sequence[str | tuple[str, ...]]) -> None:
        ids: dict[str, int] = {}
        self._numbers: dict[str, tuple[np.ndarray, np.ndarray]] = {}
        if len(values) == 1 and isinstance(values[0], str):  # as most tags of a folder have
            self.is_plain, self.ids, self.entries = True, _ONLY, _ONLY
            self.texts: tuple[str, ...] = (values[0],)
            self.empty = 0 if values[0] == "" else -1
            """The number of the empty text, -1 if there is none."""
            return
        self.is_plain = not values or set(map(type, values)) == {str}
        if self.is_plain and len(distinct := dict.fromkeys(values)) == len(values):  # as UIDs of images are
            self.ids = self.entries = np.arange(len(values))
            self.texts = tuple(values)  # type: ignore[arg-type]
            self.empty = self.texts.index("") if "" in distinct else -1
            return
        if self.is_plain:
            numbered = (ids.setdefault(text, len(ids)) for text in values)  # type: ignore[arg-type]
            self.ids = np.fromiter(numbered, np.int64, len(values))
            self.entries = np.arange(len(values))
        else:
            entries, numbers = [], []
            for entry, value in enumerate(values):
                for text in (value,) if isinstance(value, str) else sorted(set(value)):
                    entries.append(entry)
                    numbers.append(ids.setdefault(text, len(ids)))
            self.entries = np.array(entries, dtype=np.int64)
            self.ids = np.array(numbers, dtype=np.int64)
        self.texts = tuple(ids)
        self.empty = ids.get("", -1)

    def numbers(self, vr: str = "") -> tuple[np.ndarray, np.ndarray]:
        """Return (index of the text, float64 value) of each component that is a finite number, in text order.

        Of a `vr` of `MOMENT_VRS`, these are the numbers of its dates, times or ages.
        """
        vr = vr if vr in MOMENT_VRS else ""
        if vr not in self._numbers:
            components = pc.split_pattern(text_array(self.texts), "\\")
            flat = pc.list_flatten(components)
            owners = numpy_of(pc.list_parent_indices(components))
            if vr:
                values = moments(vr, flat)
            else:
                is_number = numpy_of(pc.match_substring_regex(flat, NUMBER))
                owners, values = owners[is_number], numpy_of(flat.filter(bool_array(is_number)).cast(pa.float64()))
            finite = np.isfinite(values)
            self._numbers[vr] = owners[finite], values[finite]
        return self._numbers[vr]

    def counted_numbers(self, counts: np.ndarray, vr: str) -> tuple[np.ndarray, np.ndarray, np.ndarray, int]:
        """Return (stored value, number, files) of each numeric component, and the number of files without a number.

        `counts` is the number of files with each stored value; values that do not occur are left out. A file with
        several texts counts once with all their numbers. `vr` as in `numbers`.
        """
        texts, values = self.numbers(vr)
        starts, ends = np.searchsorted(texts, self.ids, "left"), np.searchsorted(texts, self.ids, "right")
        lengths = ends - starts
        owners = np.repeat(self.entries, lengths)
        within = np.arange(len(owners)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
        numbers = values[np.repeat(starts, lengths) + within]
        occurs = counts[owners] > 0
        without = counts.copy()
        without[owners] = 0
        return owners[occurs], numbers[occurs], counts[owners][occurs], int(without.sum())

    def totals(self, counts: np.ndarray) -> np.ndarray:
        """Return the number of files with each text from the number with each stored value."""
        if self.is_plain and len(self.texts) == len(self.ids):
            return counts
        weights = counts if self.is_plain else counts[self.entries]
        return np.bincount(self.ids, weights=weights, minlength=len(self.texts)).astype(np.int64)

    def distinct(self, counts: np.ndarray) -> int:
        """Count the texts that occur, except the empty text."""
        totals = self.totals(counts)
        return int(np.count_nonzero(totals)) - int(self.empty >= 0 and totals[self.empty] > 0)

    def counted(self, totals: np.ndarray, most: int | None = None) -> dict[str, int]:
        """Return text -> files for the texts that occur, most frequent first, equal counts sorted by `sort_key`.

        At most `most` texts are returned; among texts as frequent as the last, those first in the column are.
        """
        present = most_frequent(totals, most)
        pairs = [(self.texts[i], n) for i, n in zip(present.tolist(), totals[present].tolist(), strict=True)]
        pairs.sort(key=lambda pair: (-pair[1], *sort_key(pair[0])))
        return dict(pairs)


def most_frequent(counts: np.ndarray, most: int | None = None) -> np.ndarray:
    """Return the indices of nonzero counts, only the `most` largest if there are more; the first of equal counts."""
    present = np.flatnonzero(counts)
    if most is None or len(present) <= most:
        return present
    files = counts[present]
    least = np.partition(files, len(files) - most)[len(files) - most]
    above = present[files > least]
    return np.concatenate([above, present[files == least][: most - len(above)]])


def sort_key(text: str) -> tuple[bool, float, str]:
    """Return a key that sorts numbers first, by value, then texts."""
    value = number(text.partition("\\")[0])
    return (value is None, value or 0.0, text)


def joined(value: str | tuple[str, ...]) -> str:
    """Return a text unchanged, or the texts of a set joined by " | "."""
    return value if isinstance(value, str) else " | ".join(sorted(set(value), key=sort_key))
