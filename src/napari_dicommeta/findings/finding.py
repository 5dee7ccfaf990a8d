"""Findings: consequences of the values, volumes or pixels of a folder for preprocessing."""

from __future__ import annotations

from dataclasses import dataclass

from napari_dicommeta.support.html import MAX_ROWS, html_table, html_terms
from napari_dicommeta.volumes.note import SEVERITIES, Note

__all__ = ["HEADINGS", "SEVERITIES", "Conditions", "Finding", "finding_order"]

HEADINGS = {"wrong": "Wrong", "decision": "Needs a decision", "info": "Good to know"}
Conditions = tuple[tuple[str | tuple[str, ...], bool | tuple[str, ...] | tuple[tuple[str | None, ...], ...]], ...]
"""Conditions of `Catalog.where`, as a tuple of (tag, condition) or ((tag, tag …), ((text, text …), …))."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding(Note):
    """Note about files of a catalog, with the counts behind it.

    `evidence`: counts as (label, files), which may overlap. `selection`: the conditions for
    ``Catalog.where(dict(selection))`` to return its files, () for all. Files that no element distinguishes from these
    are selected too. `files`: the number of distinct files concerned. `meaning`: the consequence for preprocessing.
    `scope`: a modality, or a digest of a series; it distinguishes findings of one code on the same tags.
    """

    evidence: tuple[tuple[str, int], ...] = ()
    selection: Conditions = ()
    files: int = 0
    meaning: str = ""
    scope: str = ""

    def __str__(self) -> str:
        return self.title

    def html_row(self) -> dict[str, str | int | float]:
        """Return what a table of findings shows of this one."""
        row: dict[str, str | int | float] = {"severity": self.severity, "finding": self.title, "files": self.files}
        return {**row, "advice": self.advice, "standard": self.standard}

    def _repr_html_(self) -> str:
        terms = [("severity", HEADINGS[self.severity]), ("files", f"{self.files:,}"), ("code", self.code)]
        terms += [("tags", ", ".join(self.tags)), ("meaning", self.meaning), ("advice", self.advice)]
        counts: list[dict[str, str | int | float]] = [{"evidence": text, "files": n} for text, n in self.evidence]
        shown = html_table(counts[:MAX_ROWS], len(counts)) if counts else ""
        return html_terms(self.title, (*terms, ("standard", self.standard))) + shown


def finding_order(finding: Finding) -> tuple[int, int, str, str]:
    """Return a sort key for findings: the most severe first, then those about most files."""
    return SEVERITIES.index(finding.severity), -finding.files, finding.code, finding.title
