"""Read the labels of patients, studies, series or images from a CSV file."""

from __future__ import annotations

import csv
import os
from dataclasses import dataclass

__all__ = ["Labels", "read_labels"]

LABEL_NAMES = frozenset(("label", "labels", "target", "class", "category", "diagnosis", "cancer", "outcome", "y"))
DELIMITERS = ",;\t|"


@dataclass(frozen=True, slots=True, kw_only=True)
class Labels:
    """The labels of a CSV file: `labels`, (key, label) in the order of the file, each key once.

    `key_name` and `label_name` are the column names. `unlabeled` counts the rows without a key or a label.
    """

    path: str
    key_name: str
    label_name: str
    labels: tuple[tuple[str, str], ...]
    unlabeled: int = 0


def read_labels(path: str | os.PathLike[str]) -> Labels:
    """Read the labels of a CSV file with column names: keys from its first column, labels from a second one.

    The label column is the first one named as in `LABEL_NAMES` ("label", "target", "class", …), or else the second
    column. The delimiter is a comma, semicolon, tab or bar: the one that splits all rows alike, into most columns.

    Raises
    ------
    ValueError
        If the file is not a table of keys and labels; the text names the file and the line, and says what to do.
    OSError
        If the file cannot be read.
    """
    name = os.path.basename(os.fspath(path))
    try:
        with open(path, encoding="utf-8-sig", newline="") as file:
            lines = file.read()
    except UnicodeDecodeError as error:
        raise ValueError(f"{name}: the file is not UTF-8 text; save it as CSV, UTF-8") from error
    if "\0" in lines:
        raise ValueError(f"{name}: the file is not text; save it as CSV, UTF-8")
    if not lines.strip():
        raise ValueError(f"{name}: the file is empty; it needs a line with the column names, then a line for each key")
    try:
        delimiter = _delimiter(lines)
    except csv.Error as error:
        raise ValueError(f"{name}: {error}; each line needs a key and a label") from error
    reader = csv.reader(lines.splitlines(keepends=True), delimiter=delimiter, strict=True)
    rows: list[tuple[int, list[str]]] = []
    try:
        rows += [(reader.line_num, [cell.strip() for cell in row]) for row in reader if any(map(str.strip, row))]
    except csv.Error as error:
        raise ValueError(f"{name}, line {reader.line_num}: {error}; check the quotes there") from error
    head = rows[0][1]
    if len(head) < 2:
        raise ValueError(f"{name}, line {rows[0][0]}: there is only one column; a key and a label are needed")
    return _labels(name, os.fspath(path), head, rows[1:])


def _delimiter(lines: str) -> str:
    """Return the delimiter that splits all of the first rows into equally many columns, or else the first into most."""
    first = lines.lstrip("\r\n").splitlines(keepends=True)[:50]

    def quality(delimiter: str) -> tuple[bool, int]:
        sizes = [len(row) for row in csv.reader(first, delimiter=delimiter) if row]
        return len(set(sizes)) == 1 and sizes[0] > 1, sizes[0]

    return max(DELIMITERS, key=quality)


def _labels(name: str, path: str, head: list[str], rows: list[tuple[int, list[str]]]) -> Labels:
    column = next((i for i, text in enumerate(head[1:], 1) if text.lower() in LABEL_NAMES), 1)
    labels: dict[str, tuple[str, int]] = {}
    unlabeled = 0
    for line, row in rows:
        if len(row) != len(head):
            raise ValueError(
                f"{name}, line {line}: {len(row)} columns, but the first line has {len(head)}; "
                "put quotes around cells that hold the delimiter"
            )
        key, label = row[0], row[column]
        if not (key and label):
            unlabeled += 1
        elif labels.setdefault(key, (label, line))[0] != label:
            raise ValueError(
                f"{name}, line {line}: the same key has another label in line {labels[key][1]}; keep one of these lines"
            )
    if not labels:
        raise ValueError(f"{name}: no line below the column names has a key and a label")
    return Labels(
        path=path,
        key_name=head[0],
        label_name=head[column],
        labels=tuple((key, label) for key, (label, _) in labels.items()),
        unlabeled=unlabeled,
    )
