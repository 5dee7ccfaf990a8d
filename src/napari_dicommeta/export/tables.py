"""What is shown, as tables that may leave the machine: CSV, Parquet, Markdown, JSON.

By default a table holds technical tags only (`privacy`), and no value that fewer than `FEWEST` patients hold:

* such values are merged into one row, ``(other)``. If that row would have fewer than `FEWEST` patients, the
  smallest of the values that are left is merged too, so that neither a value nor the row follows from the others
  and the number of files. If all patients together are fewer, ``(other)`` is the only row.
* the values by themselves, without the files that lack the tag or hold it empty, are merged by the same rule:
  how many files lack a tag is no secret, `tag_table` tells it.
* the files of a part are left out of a row where the part, or the rest of the files, has 1 to ``FEWEST - 1``
  patients with it. Rows are then left out until all left out together have none or enough of them, in the part
  and in the rest. So a single series, which has one patient, shows no counts of its own.

Each table is safe by itself and beside the tags' table. Tables of overlapping files, or of the same files by
meaning and by spelling, can still be subtracted from each other: that they are not is for their owner to see to.
"""

from __future__ import annotations

import json
import os
import re
from dataclasses import dataclass
from itertools import compress
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from napari_dicommeta.catalog.columns import first_tag_of
from napari_dicommeta.catalog.distinct_texts import sort_key
from napari_dicommeta.dicom.elements import MULTIPLE
from napari_dicommeta.dicom.privacy import is_binary, is_identifying, is_protected, is_registered, read_as
from napari_dicommeta.dicom.tags import TagPath
from napari_dicommeta.dicom.values import number
from napari_dicommeta.support.atomic import replacing, write_text
from napari_dicommeta.support.errors import PrivacyError
from napari_dicommeta.support.words import display

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_dicommeta.catalog.catalog import Catalog
    from napari_dicommeta.catalog.columns import Column

__all__ = [
    "ABSENT",
    "FEWEST",
    "OTHER",
    "UNKNOWN",
    "csv_cell",
    "markdown",
    "phi_name",
    "stamped",
    "tag_table",
    "value_table",
    "write",
]

FEWEST = 11
"""Patients that a value must have to be named."""
OTHER, ABSENT, UNKNOWN = "(other)", "(absent)", "(unknown)"
_CONTENTS = b"napari_dicommeta:contents"
_DENSE = 1 << 22
"""Numbers up to which counting all is faster than sorting."""
_CELL = 32_767
"""Characters that a cell of a spreadsheet holds."""
_FORMULA = tuple("=+-@|\t\r\n＝＋－＠")
_MARKUP = re.compile(r"[`*_\[\]<>|~]|\\(?=[!-/:-@\[-`{-~]|$)")
_PHI = re.compile(r"(?<![A-Za-z])PHI(?![A-Za-z])")


def tag_table(catalog: Catalog, *, full: bool = False) -> pa.Table:
    """A row a tag: tag, keyword, name, vr, and the counts of `TagSummary`; technical tags only unless `full`.

    Columns: ``tag`` "(0028,1050)", ``keyword``, ``name``, ``vr`` (text), ``distinct``, ``spellings`` (values),
    ``present``, ``empty``, ``absent``, ``unknown`` (files; int64).
    """
    rows = []
    for summary in catalog.tags():
        column = catalog.file_rows.find(summary.path)
        if not full and (_has_bytes(summary.path, column) or _refusal(catalog, summary.path, column)):
            continue
        rows.append(
            {
                "tag": summary.path.tag_text,
                "keyword": summary.keyword,
                "name": summary.path.name,
                "vr": summary.vr,
                "distinct": summary.distinct,
                "spellings": summary.spellings,
                "present": summary.present,
                "empty": summary.empty,
                "absent": summary.absent,
                "unknown": summary.unknown,
            }
        )
    texts = [(name, pa.string()) for name in ("tag", "keyword", "name", "vr")]
    counts = [(name, pa.int64()) for name in ("distinct", "spellings", "present", "empty", "absent", "unknown")]
    return stamped(pa.Table.from_pylist(rows, pa.schema([*texts, *counts])), full)


def value_table(
    catalog: Catalog, tag: str | TagPath, part: Catalog | None = None, *, by: str = "meaning", full: bool = False
) -> pa.Table:
    """A row a value of `tag`, most frequent first: ``value`` (text), ``files``, ``patients``, ``part_files`` (int64).

    ``part_files`` is there if `part`, a selection of the same catalog, is given: those of its files that are in
    `catalog`. An empty element has the value ""; the last rows are ``(other)``, ``(absent)`` and ``(unknown)``,
    where there are such files. A file counts for each value that it holds in a nested tag.

    Unless `full`, values of few patients are merged, and counts of the part left out (null), as the module says; so
    are UIDs that are not registered, whoever holds them. Patients are told apart by *Patient ID* (0010,0020); files
    without one count as one patient a study, and those without *Study Instance UID* (0020,000D) as one together.

    Raises
    ------
    PrivacyError
        If the tag may identify a person and the export is not `full`, or its values are binary.
    ValueError
        If `tag` is neither a keyword nor a tag, `by` is unknown, or `part` is not of the same catalog.
    """
    if by not in ("meaning", "spelling"):
        raise ValueError(f"by must be 'meaning' or 'spelling', not {by!r}")
    if part is not None and part.file_rows.store is not catalog.file_rows.store:
        raise ValueError("the part must be a selection of the same catalog: made by where, rows or series")
    path = tag if isinstance(tag, TagPath) else TagPath.parse(tag)
    column = catalog.file_rows.find(path)
    if _has_bytes(path, column):
        raise PrivacyError(f"{_named(path)}: its values are bytes, which are never exported")
    if not full and (reason := _refusal(catalog, path, column)):
        raise PrivacyError(
            f"{_named(path)} may identify a person ({reason}): choose a technical tag, or ask for a full export"
        )
    held = _held(catalog, path, column, part, by)
    hidden = np.zeros(len(held.names), dtype=bool)
    if not full:
        secret = np.zeros(len(held.names), dtype=bool)
        if "UI" in _vrs(path, column):
            secret[: held.n_values] = [not is_registered(text) for text in held.names[: held.n_values]]
        hidden = _merged(held, secret)
    group, names = _grouped(held.names, hidden)
    of, bunch = group[held.cell], held.bunch
    if len(bunch) > len(held.files):  # a file counts once in (other) too
        of, bunch = np.divmod(np.unique(of * len(held.files) + bunch), len(held.files))
    files, patient, inside = held.files[bunch], held.patient[bunch], held.inside[bunch]
    n_files = np.bincount(of, files, len(names)).astype(np.int64)
    patients = _distinct(of, patient, len(names), held.n_patients)
    columns: dict[str, Any] = {
        "value": pa.array(names, pa.string()),
        "files": pa.array(n_files),
        "patients": pa.array(patients, pa.int64(), mask=(patients < FEWEST) & (not full)),
    }
    if part is not None:
        counts = np.bincount(of, files * inside, len(names)).astype(np.int64)
        out = np.zeros(len(names), dtype=bool) if full else _left_out(of, patient, inside, len(names), held.n_patients)
        columns["part_files"] = pa.array(counts, mask=out)
    n_values, last = int(np.count_nonzero(~hidden[: held.n_values])), (OTHER, ABSENT, UNKNOWN)
    order = sorted(range(n_values), key=lambda i: (-n_files[i], *sort_key(names[i])))
    order += sorted(range(n_values, len(names)), key=lambda i: last.index(names[i]))
    return stamped(pa.table(columns).take(pa.array(order, pa.int64())), full)


def _named(path: TagPath) -> str:
    return "a private element" if path.is_private else path.display


def _has_bytes(path: TagPath, column: Column | None) -> bool:
    return any(is_binary(path, vr) for vr in _vrs(path, column))


def _refusal(catalog: Catalog, path: TagPath, column: Column | None) -> str:
    """Why the values of a tag stay out of a default export, "" if they need not."""
    if path.is_private:
        return "it is private"
    if is_protected(path):
        return "PS3.15 Table E.1-1"
    vrs = _vrs(path, column)
    for vr in sorted(vrs - {"UI"}):
        if is_identifying(path, vr):
            return f"VR {vr}"
    if "UI" not in vrs:
        return ""
    registered = []
    if column is not None:
        texts = column.texts("meaning")
        totals = texts.totals(catalog.file_rows.count(column)[0])
        registered = [is_registered(texts.texts[i]) for i in np.flatnonzero(totals) if texts.texts[i]]
    if any(registered) and (all(registered) or not is_identifying(path, "UI")):
        return ""
    return "a UID that is not registered" if registered or is_identifying(path, "UI") else ""


def _vrs(path: TagPath, column: Column | None) -> set[str]:
    """All VRs with which the tag's values are read; the dictionary's if no file holds it."""
    if column is None:
        return {read_as(path, "UN")}
    prefixes = set(pc.unique(pc.binary_slice(column.values, 0, 2)).to_pylist())
    if MULTIPLE[:2] in prefixes:
        prefixes.remove(MULTIPLE[:2])
        for value in column.values.filter(pc.starts_with(column.values, MULTIPLE)).to_pylist():
            prefixes |= _prefixes_of_set(value)
    return {read_as(path, prefix.decode("latin-1")) for prefix in prefixes}


def _prefixes_of_set(value: bytes) -> set[bytes]:
    prefixes, position = set(), len(MULTIPLE)
    while position < len(value):
        prefixes.add(value[position + 4 : position + 6])
        position += 4 + int.from_bytes(value[position : position + 4], "little")
    return prefixes


@dataclass(frozen=True, slots=True)
class _Held:
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


def _held(catalog: Catalog, path: TagPath, column: Column | None, part: Catalog | None, by: str) -> _Held:
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
    return _Held(names, n_values, cell, np.concatenate([bunch, missing]), files, patient, of_part > 0, n_patients)


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


def _distinct(group: np.ndarray, patient: np.ndarray, n_groups: int, n_patients: int) -> np.ndarray:
    """The distinct patients of each group, int64 of shape (n_groups,)."""
    keys, _ = _tally(group * n_patients + patient, n_groups * n_patients)
    return np.bincount(keys // max(n_patients, 1), minlength=n_groups)


def _merged(held: _Held, secret: np.ndarray) -> np.ndarray:
    """Which cells are merged into ``(other)``, bool of shape (cells,); those that are `secret` always."""
    patient, n_cells = held.patient[held.bunch], len(held.names)
    patients = _distinct(held.cell, patient, n_cells, held.n_patients)
    few = patients < FEWEST
    order = np.argsort(patients, kind="stable")
    is_value = np.arange(n_cells) < held.n_values
    if "" in held.names:
        is_value[held.names.index("")] = False

    def enough(hidden: np.ndarray) -> bool:
        return not (hidden & few).any() or _number_of(patient[hidden[held.cell]]) >= FEWEST

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


def _grouped(names: list[str], hidden: np.ndarray) -> tuple[np.ndarray, list[str]]:
    """For each cell the place of its row, and the names of the rows: the cells that are kept, and ``(other)``."""
    kept = list(compress(names, (~hidden).tolist()))
    group = np.where(hidden, len(kept), np.cumsum(~hidden) - 1)
    return group, kept + ([OTHER] if hidden.any() else [])


def _left_out(group: np.ndarray, patient: np.ndarray, inside: np.ndarray, n_groups: int, n_patients: int) -> np.ndarray:
    """For which groups the files of a part are not told, bool of shape (n_groups,).

    Told or not, what follows for the part and for the rest of the files must have no patient or `FEWEST`.
    """
    sides = [(group[side], patient[side]) for side in (inside, ~inside)]
    counts = [_distinct(of, who, n_groups, n_patients) for of, who in sides]
    out = np.zeros(n_groups, dtype=bool)
    for one in counts:
        out |= (one > 0) & (one < FEWEST)
    for _ in range(3):  # a row for the part, one for the rest, and a last look
        lacking = next(
            (one for one, (of, who) in zip(counts, sides, strict=True) if 0 < _number_of(who[out[of]]) < FEWEST),
            None,
        )
        if lacking is None:
            return out
        others = np.flatnonzero(~out & (lacking > 0))
        if not len(others):
            break
        out[others[np.argmin(lacking[others])]] = True
    return np.ones(n_groups, dtype=bool)


def write(table: pa.Table, path: str | os.PathLike[str], *, full: bool = False) -> str:
    """Write a table as its suffix says (.csv, .parquet, .md, .json) and return the path written; mode 0600.

    It is written beside and renamed. With `full` the file is named by `phi_name`.

    Raises
    ------
    PrivacyError
        If the table was made with ``full=True`` and `full` is not set.
    ValueError
        If the suffix is none of these.
    OSError
        If the file cannot be written.
    """
    if not full and (table.schema.metadata or {}).get(_CONTENTS) == b"PHI":
        raise PrivacyError("the table holds what may identify a person: write it with full=True, or make it without")
    target = os.path.abspath(phi_name(path) if full else os.fspath(path))
    suffix = os.path.splitext(target)[1].lower()
    if suffix not in (".csv", ".parquet", ".md", ".json"):
        raise ValueError(f"the file's name must have the suffix .csv, .parquet, .md or .json, not {suffix or 'none'}")
    if suffix == ".parquet":
        import pyarrow.parquet as pq

        with replacing(target) as beside:
            pq.write_table(table, beside, compression="zstd")
    else:
        write_text(target, {".csv": _csv, ".md": markdown, ".json": _json}[suffix](table))
    return target


def phi_name(path: str | os.PathLike[str]) -> str:
    """`path` with "-PHI" before its suffix, unless the file's name already has PHI as a word."""
    folder, name = os.path.split(os.fspath(path))
    stem, suffix = os.path.splitext(name)
    return os.path.join(folder, name if _PHI.search(stem) else f"{stem}-PHI{suffix}")


def markdown(table: pa.Table) -> str:
    """The table in Markdown, numbers to the right; what would be markup, and controls, are escaped."""
    aligns = ["---:" if _is_number(field.type) else "---" for field in table.schema]
    lines = [[_markdown_cell(name) for name in table.column_names], aligns]
    lines += [[_markdown_cell(value) for value in row.values()] for row in table.to_pylist()]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def csv_cell(value: Any) -> str:
    """A cell by RFC 4180; text that a spreadsheet would run as a formula gets an apostrophe before it.

    Numbers, and texts that are numbers joined by backslashes, stay as they are; None is an empty cell.
    """
    if value is None:
        return ""
    if isinstance(value, (int, float)):
        return str(value)
    raw = _raw(value)
    text = display(raw, _CELL)
    is_formula = raw.startswith(_FORMULA) or raw.lstrip().startswith(_FORMULA)
    if is_formula and any(part and number(part) is None for part in raw.split("\\")):
        text = "'" + text
    return '"' + text.replace('"', '""') + '"' if any(c in text for c in ',"\r\n') else text


def _csv(table: pa.Table) -> str:
    rows = [table.column_names, *([*row.values()] for row in table.to_pylist())]
    return "".join(",".join(map(csv_cell, row)) + "\r\n" for row in rows)


def _json(table: pa.Table) -> str:
    return json.dumps(table.to_pylist(), indent=1) + "\n"


def _raw(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False) if isinstance(value, (list, dict)) else str(value)


def _markdown_cell(value: Any) -> str:
    if value is None:
        return ""
    text = display(_raw(value), _CELL).replace("&", "&amp;")
    return _MARKUP.sub(lambda match: "\\" + match[0], text)


def _is_number(kind: Any) -> bool:
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind))


def stamped(table: pa.Table, full: bool) -> pa.Table:
    """`table` marked as one that `write` hands out with ``full=True`` only, or as one that it may."""
    return table.replace_schema_metadata({_CONTENTS: b"PHI" if full else b"technical"})
