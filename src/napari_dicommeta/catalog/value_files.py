"""The files that hold each value of one or several tags, and how many patients, studies or series they belong to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_dicommeta.catalog.distinct_texts import sort_key
from napari_dicommeta.support.sorting import sorted_unique

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_dicommeta.catalog.catalog import Catalog
    from napari_dicommeta.dicom.tags import TagPath

__all__ = ["UNITS", "ValueFiles", "unit_numbers", "value_files"]

UNITS = ("patient", "study", "series")


@dataclass(frozen=True, slots=True)
class ValueFiles:
    """The values of some tags, most files first, and the files that hold each.

    `texts`: a tuple of texts for each value, None for an absent tag. `rows`: for each value the sorted indices of its
    files into the paths of the catalog, int64.
    """

    texts: tuple[tuple[str | None, ...], ...]
    rows: tuple[np.ndarray, ...]

    def counted(self, units: np.ndarray) -> list[int]:
        """Return for each value the number of distinct `units`, integers of shape (n_files,), of its files."""
        return [len(sorted_unique(units[rows])) for rows in self.rows]


def value_files(catalog: Catalog, tags: Sequence[TagPath], by: str = "meaning") -> ValueFiles:
    """Return the files that hold each value of a tag, or each combination of values of several tags.

    A file counts for each value that it holds in a single nested tag; several tags are combined file by file, with the
    values of a nested tag joined by " | ".
    """
    texts, owners, rows = _of_one(catalog, tags[0], by) if len(tags) == 1 else _of_several(catalog, tags, by)
    order = np.lexsort((rows, owners))
    groups = np.split(rows[order], np.cumsum(np.bincount(owners, minlength=len(texts)))[:-1]) if texts else []
    held = [(text, group) for text, group in zip(texts, groups, strict=True) if len(group)]
    held.sort(key=lambda pair: (-len(pair[1]), *(_key(text) for text in pair[0])))
    return ValueFiles(tuple(text for text, _ in held), tuple(group for _, group in held))


def _key(text: str | None) -> tuple[bool, tuple[bool, float, str]]:
    """Return a key that sorts texts as counts do, and absence last."""
    return text is None, sort_key(text or "")


Pairs = tuple[list[tuple[str | None, ...]], np.ndarray, np.ndarray]
"""The texts, and for each pair of value and file the index of the text and of the file."""


def _of_one(catalog: Catalog, tag: TagPath, by: str) -> Pairs:
    files = catalog.file_rows
    column = files.find(tag)
    everything = np.arange(catalog.n_files)
    if column is None:
        return [(None,)], np.zeros(catalog.n_files, dtype=np.int64), everything
    distinct, codes = column.texts(by), files.stored_codes(column)
    starts = np.searchsorted(distinct.entries, np.arange(len(column.values) + 1))  # entries are sorted
    has_value = codes >= 0
    lengths = np.where(has_value, np.diff(starts)[np.maximum(codes, 0)], 0) if len(column.values) else 0 * codes
    offsets = np.arange(lengths.sum()) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    owners = distinct.ids[np.repeat(starts[np.maximum(codes, 0)], lengths) + offsets]
    absent = everything[~has_value]
    owners = np.concatenate([owners, np.full(len(absent), len(distinct.texts))])
    rows = np.concatenate([np.repeat(everything, lengths), absent])
    return [*((text,) for text in distinct.texts), (None,)], owners.astype(np.int64), rows


def _of_several(catalog: Catalog, tags: Sequence[TagPath], by: str) -> Pairs:
    coded = [catalog.codes(tag, by) for tag in tags]
    together = np.zeros(catalog.n_files, dtype=np.int64)
    for texts, ids in coded:
        # Renumbered at each step, the products fit into 64 bits.
        together = np.unique(together, return_inverse=True)[1] * len(texts) + ids
    _, first, owners = np.unique(together, return_index=True, return_inverse=True)
    combined = [tuple(texts[ids[row]] for texts, ids in coded) for row in first.tolist()]
    return combined, owners.astype(np.int64), np.arange(catalog.n_files)


def unit_numbers(catalog: Catalog, unit: str) -> np.ndarray:
    """Return the number of the patient, study or series, a unit of `UNITS`, of each file: int64, shape (n_files,).

    Files without a *Patient ID* (0010,0020) count as a patient for each study, files without a *Study Instance UID*
    (0020,000D) as one study for each series.

    Raises
    ------
    ValueError
        If `unit` is not one of `UNITS`.
    """
    if unit not in UNITS:
        raise ValueError(f"unit must be one of {', '.join(UNITS)}, not {unit!r}")
    numbers = np.zeros(catalog.n_files, dtype=np.int64)
    for n, series in enumerate(catalog.series):
        numbers[series.rows] = n
    for keyword in {"series": (), "study": ("StudyInstanceUID",), "patient": ("StudyInstanceUID", "PatientID")}[unit]:
        texts, ids = catalog.codes(keyword)
        has_value = np.array([bool(text) for text in texts])[ids]
        numbers = np.where(has_value, ids, len(texts) + numbers)
    return numbers
