"""Merge counts of few patients, so that none can be derived from an exported table."""

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
"""A value of fewer patients is not named."""
OTHER, ABSENT, UNKNOWN = "(other)", "(absent)", "(unknown)"
_MAX_DENSE = 1 << 22
"""Up to this size, counting all keys is faster than sorting."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PatientCounts:
    """The files that hold each value, as pairs of (cell, bunch).

    A bunch is the files of a patient with the same values, in the part or outside it. A cell is a value, or "absent" or
    "unknown". Where a tag is nested, several cells may hold the same bunch.
    """

    names: list[str]
    """The name of each cell: `n_values` texts in use, then ABSENT and UNKNOWN if there are files of these."""
    n_values: int
    cell: np.ndarray
    bunch: np.ndarray
    files: np.ndarray
    """For each bunch, the number of files; then the patient's number, and whether it is in the part."""
    patient: np.ndarray
    inside: np.ndarray
    n_patients: int


def count_by_patient(
    catalog: Catalog, path: TagPath, column: Column | None, part: Catalog | None, by: str
) -> PatientCounts:
    """Count the files that hold each value of a tag, by patient and by whether they are in `part`."""
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
    bunch = np.arange(len(missing), len(code))  # codes are sorted, so files without a value come first
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
    """Return the number of each file's patient, int64 of shape (n_files,), and an upper bound of these numbers."""
    patient, n = _identities(catalog, "PatientID")
    if (patient < 0).any():
        study, n_studies = _identities(catalog, "StudyInstanceUID")
        patient = np.where(patient >= 0, patient, np.where(study >= 0, n + study, n + n_studies))
        n += n_studies + 1
    return patient, n


def _identities(catalog: Catalog, keyword: str) -> tuple[np.ndarray, int]:
    """Return the number of each file's value of `keyword`, -1 without a value, and an upper bound of these numbers."""
    column = catalog.file_rows.find(keyword)
    if column is None:
        return np.full(catalog.n_files, -1), 0
    texts = column.joined_texts("meaning")
    numbers = np.array([i if text else -1 for i, text in enumerate(texts)] + [-1])
    return np.asarray(numbers[catalog.file_rows.joined_ids(column, "meaning")]), len(texts)


def _tally(keys: np.ndarray, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the distinct `keys`, all below `size`, in order, and the count of each."""
    if size > _MAX_DENSE:
        return np.unique(keys, return_counts=True)
    counts = np.bincount(keys, minlength=size)
    distinct = np.flatnonzero(counts)
    return distinct, counts[distinct]


def distinct_patients(group: np.ndarray, patient: np.ndarray, n_groups: int, n_patients: int) -> np.ndarray:
    """Return the number of distinct patients in each group, int64 of shape (n_groups,)."""
    keys, _ = _tally(group * n_patients + patient, n_groups * n_patients)
    return np.bincount(keys // max(n_patients, 1), minlength=n_groups)


def merged_cells(held: PatientCounts, secret: np.ndarray) -> np.ndarray:
    """Return which cells to merge into ``(other)``, bool of shape (cells,); `secret` cells are always merged."""
    patient, n_cells = held.patient[held.bunch], len(held.names)
    patients = distinct_patients(held.cell, patient, n_cells, held.n_patients)
    few = patients < MIN_PATIENTS
    order = np.argsort(patients, kind="stable")
    is_value = np.arange(n_cells) < held.n_values
    if "" in held.names:
        is_value[held.names.index("")] = False

    def is_safe(hidden: np.ndarray) -> bool:
        return not (hidden & few).any() or _count_patients(patient[hidden[held.cell]]) >= MIN_PATIENTS

    hidden = _hide_more(secret | (few & is_value), order[is_value[order]], is_safe)
    return _hide_more(hidden | few, order, is_safe)


def _count_patients(patient: np.ndarray) -> int:
    return int(np.count_nonzero(np.bincount(patient)))


def _hide_more(hidden: np.ndarray, order: np.ndarray, is_safe: Callable[[np.ndarray], bool]) -> np.ndarray:
    """Return `hidden` with further cells in `order` until it `is_safe`; with all of them if it never is."""
    hidden = hidden.copy()
    for cell in order[~hidden[order]].tolist():
        if is_safe(hidden):
            break
        hidden[cell] = True
    return hidden


def grouped_rows(names: list[str], hidden: np.ndarray) -> tuple[np.ndarray, list[str]]:
    """Return the row of each cell, and the names of the rows: cells that are not hidden, and ``(other)``."""
    shown = list(compress(names, (~hidden).tolist()))
    group = np.where(hidden, len(shown), np.cumsum(~hidden) - 1)
    return group, shown + ([OTHER] if hidden.any() else [])


def withheld_part(
    group: np.ndarray, patient: np.ndarray, inside: np.ndarray, n_groups: int, n_patients: int
) -> np.ndarray:
    """Return for which groups the files of a part are withheld, bool of shape (n_groups,).

    Each count that is shown, or derived from withheld counts, must have no patients or at least `MIN_PATIENTS`. This
    holds in the part and in the rest of the files.
    """
    sides = [(group[side], patient[side]) for side in (inside, ~inside)]
    counts = [distinct_patients(groups, patients, n_groups, n_patients) for groups, patients in sides]
    withheld = np.zeros(n_groups, dtype=bool)
    for count in counts:
        withheld |= (count > 0) & (count < MIN_PATIENTS)
    for _ in range(3):  # withhold a group for the part, another for the rest, then check again
        patients_of_group = next(
            (
                count
                for count, (groups, patients) in zip(counts, sides, strict=True)
                if 0 < _count_patients(patients[withheld[groups]]) < MIN_PATIENTS
            ),
            None,
        )
        if patients_of_group is None:
            return withheld
        others = np.flatnonzero(~withheld & (patients_of_group > 0))
        if not len(others):
            break
        withheld[others[np.argmin(patients_of_group[others])]] = True
    return np.ones(n_groups, dtype=bool)
