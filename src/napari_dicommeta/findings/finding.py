"""A finding: one thing that the values, volumes or pixels of a folder imply for preprocessing."""

from __future__ import annotations

from dataclasses import dataclass

from napari_dicommeta.volumes.note import SEVERITIES, Note

__all__ = ["HEADINGS", "SEVERITIES", "Conditions", "Finding", "finding_order"]

HEADINGS = {"wrong": "Wrong", "decision": "Needs a decision", "info": "Good to know"}
Conditions = tuple[tuple[str | tuple[str, ...], bool | tuple[str, ...] | tuple[tuple[str | None, ...], ...]], ...]
"""What `Catalog.where` takes, as a tuple of (tag, condition) or ((tag, tag …), ((text, text …), …))."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding(Note):
    """A note about the files of a catalog, with the counts behind it.

    `evidence`: the counts as (what, files), which may overlap. `selection`: the conditions under which
    ``Catalog.where(dict(selection))`` gives its files, () for all; where no element distinguishes files, those that are
    alike are selected too. `files`: how many distinct files of the catalog it concerns. `meaning`: what it means for
    preprocessing. `scope` distinguishes findings of one code on the same tags: a modality, or a digest of a series.
    """

    evidence: tuple[tuple[str, int], ...] = ()
    selection: Conditions = ()
    files: int = 0
    meaning: str = ""
    scope: str = ""

    def __str__(self) -> str:
        return self.title


def finding_order(finding: Finding) -> tuple[int, int, str, str]:
    """Return a key that sorts findings: the most severe first, within a severity those about most files."""
    return SEVERITIES.index(finding.severity), -finding.files, finding.code, finding.title
