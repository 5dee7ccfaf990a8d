"""What all notes of one code share."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["NoteKind"]


@dataclass(frozen=True, slots=True, kw_only=True)
class NoteKind:
    """Properties shared by all notes of one code.

    `severity`: the usual severity. `other_severity`: that of some volumes or of the finding, "" if it never differs.
    `summary`: a sentence without full stop. `meaning`: the consequence for preprocessing. `is_finding`: whether the
    notes of all volumes in a folder are combined into a finding; for other codes, a rule on values reports more.
    """

    severity: str
    summary: str
    standard: str
    other_severity: str = ""
    tags: tuple[str, ...] = ()
    advice: str = ""
    meaning: str = ""
    is_finding: bool = False
