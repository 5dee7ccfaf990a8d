"""Counts that few patients stand behind, and how they are merged, so that none follows from what is exported."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import compress
from typing import TYPE_CHECKING

import numpy as np

from napari_dicommeta.catalog.columns import first_tag_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_dicommeta.catalog.catalog import Catalog
    from napari_dicommeta.catalog.columns import Column
    from napari_dicommeta.dicom.tags import TagPath

__all__ = [
    "ABSENT",
    "MIN_PATIENTS",
    "OTHER",
    "UNKNOWN",
    "PatientCounts",
    "count_by_patient",
    "distinct_patients",
    "grouped_rows",
    "merged_cells",
    "withheld_part",
]

MIN_PATIENTS = 11
"""Patients that a value must have to be named."""
OTHER, ABSENT, UNKNOWN = "(other)", "(absent)", "(unknown)"
_DENSE = 1 << 22
"""Numbers up to which counting all is faster than sorting."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PatientCounts:
    """Which files hold which value: bunches of files of one patient that hold the same, and pairs of (cell, bunch).

    A cell is a value, or stands for the files without one; several cells hold the same bunch where the tag is nested.
    """

    names: list[str]
    """Of each cell: `n_values` texts that are in use, then ABSENT and UNKNOWN where there are such files."""
    n_values: int
    cell: np.ndarray
    bunch: np.ndarray
    files: np.ndarray
    """Of each bunch the files, the patient's number, and whether they are in the part."""
    patient: np.ndarray
    inside: np.ndarray
    n_patients: int


def count_by_patient(
    catalog: Catalog, path: TagPath, column: Column | None, part: Catalog | None, by: str
) -> PatientCounts:
    """Return which files hold which value of a tag, bunched by patient and by whether they are in `part`."""
    rows = catalog.file_rows
    patient, n_patients = _patients(catalog)
    inside = np.zeros(catalog.n_files, dtype=bool) if part is None else rows.contains(part.file_rows)
    if column is None:
        texts: tuple[str, ...] = ()
        codes = np.full(catalog.n_files, -1)
    else:
        texts = column.texts(by).texts
        codes = rows.stored_codes(column).astype(np.int64)
    cuts = rows.cuts
    if cuts is not None:
        codes = np.where((codes < 0) & (cuts >= 0) & (cuts <= first_tag_of(path.key)), -2, codes)
    n_codes = 2 + (0 if column is None else len(column.values))
    key, files = _tally(((codes + 2) * n_patients + patient) * 2 + inside, n_codes * n_patients * 2)
    rest, of_part = np.divmod(key, 2)
    code, patient = np.divmod(rest, max(n_patients, 1))
    missing, entry = np.flatnonzero(code < 2), code[code >= 2] - 2
    bunch = np.arange(len(missing), len(code))  # sorted: those without a value come first
    cell = np.empty(0, dtype=np.int64)
    if column is not None:
        distinct = column.texts(by)
        starts = np.searchsorted(distinct.entries, np.arange(len(column.values) + 1))
        lengths = np.diff(starts)[entry]
        offsets = np.arange(lengths.sum()) - np.repeat(np.cumsum(lengths) - lengths, lengths)
        cell = distinct.ids[np.repeat(starts[entry], lengths) + offsets]
        bunch = np.repeat(bunch, lengths)
    cell = np.concatenate([cell, len(texts) + 1 - code[missing]])
    used = np.bincount(cell, minlength=len(texts) + 2) > 0
    names = list(compress([*texts, ABSENT, UNKNOWN], used.tolist()))
    cell = (np.cumsum(used) - 1)[cell]
    n_values = int(np.count_nonzero(used[:-2]))
    return PatientCounts(
        names=names,
        n_values=n_values,
        cell=cell,
        bunch=np.concatenate([bunch, missing]),
        files=files,
        patient=patient,
        inside=of_part > 0,
        n_patients=n_patients,
    )


def _patients(catalog: Catalog) -> tuple[np.ndarray, int]:
    """For each file the number of its patient, int64 of shape (n_files,), and a number above all of them."""
    patient, n = _identities(catalog, "PatientID")
    if (patient < 0).any():
        study, n_studies = _identities(catalog, "StudyInstanceUID")
        patient = np.where(patient >= 0, patient, np.where(study >= 0, n + study, n + n_studies))
        n += n_studies + 1
    return patient, n


def _identities(catalog: Catalog, keyword: str) -> tuple[np.ndarray, int]:
    """For each file the number of its value of `keyword`, -1 where it has none, and a number above all of them."""
    column = catalog.file_rows.find(keyword)
    if column is None:
        return np.full(catalog.n_files, -1), 0
    texts = column.joined_texts("meaning")
    numbers = np.array([i if text else -1 for i, text in enumerate(texts)] + [-1])
    return np.asarray(numbers[catalog.file_rows.joined_ids(column, "meaning")]), len(texts)


def _tally(keys: np.ndarray, size: int) -> tuple[np.ndarray, np.ndarray]:
    """The distinct `keys`, all below `size`, in order, and how often each occurs."""
    if size > _DENSE:
        return np.unique(keys, return_counts=True)
    counts = np.bincount(keys, minlength=size)
    distinct = np.flatnonzero(counts)
    return distinct, counts[distinct]


def distinct_patients(group: np.ndarray, patient: np.ndarray, n_groups: int, n_patients: int) -> np.ndarray:
    """The distinct patients of each group, int64 of shape (n_groups,)."""
    keys, _ = _tally(group * n_patients + patient, n_groups * n_patients)
    return np.bincount(keys // max(n_patients, 1), minlength=n_groups)


def merged_cells(held: PatientCounts, secret: np.ndarray) -> np.ndarray:
    """Which cells are merged into ``(other)``, bool of shape (cells,); those that are `secret` always."""
    patient, n_cells = held.patient[held.bunch], len(held.names)
    patients = distinct_patients(held.cell, patient, n_cells, held.n_patients)
    few = patients < MIN_PATIENTS
    order = np.argsort(patients, kind="stable")
    is_value = np.arange(n_cells) < held.n_values
    if "" in held.names:
        is_value[held.names.index("")] = False

    def enough(hidden: np.ndarray) -> bool:
        return not (hidden & few).any() or _number_of(patient[hidden[held.cell]]) >= MIN_PATIENTS

    hidden = _more(secret | (few & is_value), order[is_value[order]], enough)
    return _more(hidden | few, order, enough)


def _number_of(patient: np.ndarray) -> int:
    return int(np.count_nonzero(np.bincount(patient)))


def _more(hidden: np.ndarray, order: np.ndarray, enough: Callable[[np.ndarray], bool]) -> np.ndarray:
    """`hidden`, and the first others in `order` that it takes to be `enough`; all of them if that never is."""
    hidden = hidden.copy()
    for one in order[~hidden[order]].tolist():
        if enough(hidden):
            break
        hidden[one] = True
    return hidden


def grouped_rows(names: list[str], hidden: np.ndarray) -> tuple[np.ndarray, list[str]]:
    """For each cell the place of its row, and the names of the rows: the cells that are kept, and ``(other)``."""
    kept = list(compress(names, (~hidden).tolist()))
    group = np.where(hidden, len(kept), np.cumsum(~hidden) - 1)
    return group, kept + ([OTHER] if hidden.any() else [])


def withheld_part(
    group: np.ndarray, patient: np.ndarray, inside: np.ndarray, n_groups: int, n_patients: int
) -> np.ndarray:
    """For which groups the files of a part are not told, bool of shape (n_groups,).

    Told or not, what follows for the part and for the rest of the files must have no patient or `MIN_PATIENTS`.
    """
    sides = [(group[side], patient[side]) for side in (inside, ~inside)]
    counts = [distinct_patients(of, who, n_groups, n_patients) for of, who in sides]
    out = np.zeros(n_groups, dtype=bool)
    for one in counts:
        out |= (one > 0) & (one < MIN_PATIENTS)
    for _ in range(3):  # a row for the part, one for the rest, and a last look
        lacking = next(
            (one for one, (of, who) in zip(counts, sides, strict=True) if 0 < _number_of(who[out[of]]) < MIN_PATIENTS),
            None,
        )
        if lacking is None:
            return out
        others = np.flatnonzero(~out & (lacking > 0))
        if not len(others):
            break
        out[others[np.argmin(lacking[others])]] = True
    return np.ones(n_groups, dtype=bool)
