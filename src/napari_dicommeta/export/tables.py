"""Tables for export as CSV, Parquet, Markdown or JSON.

By default, a table holds only technical tags (`privacy`), and no value of fewer than `MIN_PATIENTS` patients:

* Values of fewer patients are merged into a row, ``(other)``. If that row has fewer than `MIN_PATIENTS` patients, the
  smallest of the remaining values is merged too. So no value can be derived from the other rows and the number of
  files. If all patients together are fewer, ``(other)`` is the only row.
* This rule also holds for the values alone, without the files that lack the tag or hold it empty. The number of those
  files is no secret, as `tag_table` shows it.
* The count of a part is left out of a row if the part, or the rest of the files, has 1 to ``MIN_PATIENTS - 1``
  patients with the value. More counts are left out until those left out together have none or at least `MIN_PATIENTS`
  patients, in the part and in the rest. So the counts of a single series, which has a single patient, are not shown.

Each table is safe by itself and together with the table of tags. But tables of overlapping files, or of the same files
by meaning and by spelling, can be subtracted from each other: do not publish them together.
"""

from __future__ import annotations

import json
import os
import re
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from napari_dicommeta.catalog.distinct_texts import sort_key
from napari_dicommeta.dicom.privacy import is_binary, is_identifying, is_plain, is_protected, is_registered, read_as
from napari_dicommeta.dicom.stored_values import MULTIPLE
from napari_dicommeta.dicom.tags import TagPath
from napari_dicommeta.dicom.values import number
from napari_dicommeta.export.small_counts import (
    ABSENT,
    MIN_PATIENTS,
    OTHER,
    UNKNOWN,
    count_by_patient,
    distinct_patients,
    grouped_rows,
    merged_cells,
    withheld_part,
)
from napari_dicommeta.support.atomic import replacing, write_text
from napari_dicommeta.support.errors import PrivacyError
from napari_dicommeta.support.markdown import escape_markdown, markdown_table
from napari_dicommeta.support.sorting import sorted_unique
from napari_dicommeta.support.words import display

if TYPE_CHECKING:
    from napari_dicommeta.catalog.catalog import Catalog
    from napari_dicommeta.catalog.columns import Column

__all__ = [
    "csv_cell",
    "phi_name",
    "stamped",
    "table_markdown",
    "table_path",
    "tag_table",
    "value_table",
    "why_withheld",
    "write",
]

_CONTENTS = b"napari_dicommeta:contents"
_CELL = 32_767
"""The most characters in a cell of a spreadsheet."""
_FORMULA = tuple("=+-@|\t\r\n＝＋－＠")
_PHI = re.compile(r"(?<![A-Za-z])PHI(?![A-Za-z])")


def tag_table(catalog: Catalog, *, full: bool = False) -> pa.Table:
    """Return a table with a row per tag and the counts of `TagSummary`; only technical tags unless `full`.

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
    """Return a table with a row per value of `tag`, most frequent first.

    Columns: ``value`` (text), ``files``, ``patients`` and, if `part` is given, ``part_files`` (int64). `part` is a
    selection of the same catalog; ``part_files`` counts its files that are in `catalog`. An empty element has the value
    "". The last rows are ``(other)``, ``(absent)`` and ``(unknown)``, if there are any. A file counts for each
    value that it holds in a nested tag.

    Unless `full`, values of few patients are merged, and some counts are null, as described in the module. UIDs that
    are not registered, and values that have not the form of their VR, are always merged. Patients are distinguished by
    *Patient ID* (0010,0020). Files without it count as a patient per study, and files without *Study Instance UID*
    (0020,000D) as a single patient.

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
        raise ValueError("the part must be a selection of the same catalog, made with where, rows or series")
    path = tag if isinstance(tag, TagPath) else TagPath.parse(tag)
    column = catalog.file_rows.find(path)
    if _has_bytes(path, column):
        raise PrivacyError(f"{_named(path)}: its values are bytes, which are never exported")
    if not full and (reason := why_withheld(catalog, path)):
        raise PrivacyError(f"{reason}: choose a technical tag, or ask for a full export")
    held = count_by_patient(catalog, path, column, part, by)
    hidden = np.zeros(len(held.names), dtype=bool)
    if not full:
        secret = np.zeros(len(held.names), dtype=bool)
        vrs = _vrs(path, column)
        secret[: held.n_values] = [_is_odd(path, vrs, text) for text in held.names[: held.n_values]]
        hidden = merged_cells(held, secret)
    group, names = grouped_rows(held.names, hidden)
    row, bunch = group[held.cell], held.bunch
    if len(bunch) > len(held.files):  # a file counts only once in (other)
        row, bunch = np.divmod(sorted_unique(row * len(held.files) + bunch), len(held.files))
    files, patient, inside = held.files[bunch], held.patient[bunch], held.inside[bunch]
    n_files = np.bincount(row, files, len(names)).astype(np.int64)
    patients = distinct_patients(row, patient, len(names), held.n_patients)
    columns: dict[str, Any] = {
        "value": pa.array(names, pa.string()),
        "files": pa.array(n_files),
        "patients": pa.array(patients, pa.int64(), mask=(patients < MIN_PATIENTS) & (not full)),
    }
    if part is not None:
        counts = np.bincount(row, files * inside, len(names)).astype(np.int64)
        withheld = (
            np.zeros(len(names), dtype=bool)
            if full
            else withheld_part(row, patient, inside, len(names), held.n_patients)
        )
        columns["part_files"] = pa.array(counts, mask=withheld)
    n_values, last = int(np.count_nonzero(~hidden[: held.n_values])), (OTHER, ABSENT, UNKNOWN)
    order = sorted(range(n_values), key=lambda i: (-n_files[i], *sort_key(names[i])))
    order += sorted(range(n_values, len(names)), key=lambda i: last.index(names[i]))
    return stamped(pa.table(columns).take(pa.array(order, pa.int64())), full)


def why_withheld(catalog: Catalog, path: TagPath) -> str:
    """Return in words why the values of a tag are neither exported nor printed by default, "" if they are."""
    column = catalog.file_rows.find(path)
    if reason := _refusal(catalog, path, column):
        return f"{_named(path)} may identify a person ({reason})"
    return f"{_named(path)} holds bytes, which may hold anything" if _has_bytes(path, column) else ""


def _named(path: TagPath) -> str:
    return "a private element" if path.is_private else path.display


def _has_bytes(path: TagPath, column: Column | None) -> bool:
    return any(is_binary(path, vr) for vr in _vrs(path, column))


def _refusal(catalog: Catalog, path: TagPath, column: Column | None) -> str:
    """Return why the values of a tag are left out of a default export, "" if they are not."""
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


def _is_odd(path: TagPath, vrs: set[str], text: str) -> bool:
    """Return whether a value has not the form of a technical one, or is a UID that is not registered."""
    return any(not (is_registered(text) if vr == "UI" else is_plain(path, vr, text)) for vr in vrs)


def _vrs(path: TagPath, column: Column | None) -> set[str]:
    """Return all VRs with which the tag's values are read; the dictionary's VR if no file holds the tag."""
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


def write(table: pa.Table, path: str | os.PathLike[str], *, full: bool = False) -> str:
    """Write a table in the format of the suffix (.csv, .parquet, .md, .json), with mode 0600; return the path written.

    The file is written under a temporary name, then renamed. With `full`, its name is that of `phi_name`.

    Raises
    ------
    PrivacyError
        If the table was made with ``full=True`` and `full` is not set.
    ValueError
        If the suffix is another one.
    OSError
        If the file cannot be written.
    """
    if not full and (table.schema.metadata or {}).get(_CONTENTS) == b"PHI":
        raise PrivacyError("the table may identify a person: write it with full=True, or make it without full=True")
    target = table_path(path, full)
    suffix = os.path.splitext(target)[1].lower()
    if suffix == ".parquet":
        import pyarrow.parquet as pq

        with replacing(target) as temporary:
            pq.write_table(table, temporary, compression="zstd")
    else:
        write_text(target, {".csv": _csv, ".md": table_markdown, ".json": _json}[suffix](table))
    return target


def table_path(path: str | os.PathLike[str], full: bool) -> str:
    """Return the path to which `write` writes a table.

    Raises
    ------
    ValueError
        If it has another suffix than .csv, .parquet, .md or .json.
    """
    target = os.path.abspath(phi_name(path) if full else os.fspath(path))
    suffix = os.path.splitext(target)[1].lower()
    if suffix not in (".csv", ".parquet", ".md", ".json"):
        raise ValueError(f"the file's name must have the suffix .csv, .parquet, .md or .json, not {suffix or 'none'}")
    return target


def phi_name(path: str | os.PathLike[str]) -> str:
    """Return `path` with "-PHI" before its suffix, unless the file's name already has PHI as a word."""
    folder, name = os.path.split(os.fspath(path))
    stem, suffix = os.path.splitext(name)
    return os.path.join(folder, name if _PHI.search(stem) else f"{stem}-PHI{suffix}")


def table_markdown(table: pa.Table) -> str:
    """Return the table in Markdown, numbers aligned right; markup and control characters are escaped."""
    rows = ([_markdown_cell(value) for value in row.values()] for row in table.to_pylist())
    names = [escape_markdown(name) for name in table.column_names]
    return markdown_table(names, rows, [_is_number(field.type) for field in table.schema])


def csv_cell(value: Any) -> str:
    """Return a cell by RFC 4180; text that a spreadsheet would run as a formula is prefixed with an apostrophe.

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
    return "" if value is None else escape_markdown(_raw(value), _CELL)


def _is_number(kind: Any) -> bool:
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind))


def stamped(table: pa.Table, full: bool) -> pa.Table:
    """Return `table`, marked so that `write` needs ``full=True`` for it if `full`, and not otherwise."""
    return table.replace_schema_metadata({_CONTENTS: b"PHI" if full else b"technical"})
