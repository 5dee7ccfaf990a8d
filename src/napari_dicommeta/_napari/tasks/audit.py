"""Audit the open source with the labels of a CSV file: which tags predict them. No Qt."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from napari_dicommeta.support.words import counted

if TYPE_CHECKING:
    from napari_dicommeta.analysis.audit import AuditResult
    from napari_dicommeta.catalog.catalog import Catalog

__all__ = ["Audited", "audit_with", "is_labels"]


@dataclass(frozen=True, slots=True)
class Audited:
    """The result of an audit, and the names of the file and of the column that its labels are from."""

    name: str
    label_name: str
    result: AuditResult

    @property
    def words(self) -> str:
        """Say what was found, in a line."""
        found = counted(len(self.result.shortcuts), "shortcut") if self.result.shortcuts else "No shortcut"
        return f"{found} · guessing: {self.result.baseline:.0%} · {self.label_name} in {self.name}"

    @property
    def details(self) -> str:
        """Say how the labels were matched with files, and what that leaves out."""
        result = self.result
        left_out = [
            f"{counted(result.keys_without_files, 'key')} without files" if result.keys_without_files else "",
            f"{counted(result.files_without_label, 'file')} without a label" if result.files_without_label else "",
            f"left out, since only one key has them: {', '.join(text for text, _ in result.left_out)}"
            if result.left_out
            else "",
        ]
        matched = f"{counted(result.n_units, 'key')} matched by {result.key}, {counted(result.n_files, 'file')}"
        return "\n".join((matched, *filter(None, left_out)))


def is_labels(path: str) -> bool:
    """Return whether a path that was dropped names a file of labels."""
    return path.lower().endswith(".csv") and not os.path.isdir(path)


def audit_with(catalog: Catalog, path: str) -> Audited:
    """Return how well each tag of `catalog` predicts the labels of the CSV file at `path`.

    Raises
    ------
    ValueError
        If that is no table of labels, or if they do not go with the files; the text says what to do.
    OSError
        If the file cannot be read.
    """
    from napari_dicommeta.analysis.audit import audit
    from napari_dicommeta.analysis.labels import read_labels

    labels = read_labels(path)
    return Audited(os.path.basename(path), labels.label_name, audit(catalog, labels))
