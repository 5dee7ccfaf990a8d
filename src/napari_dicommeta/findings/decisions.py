"""Decisions on findings: accepted, dismissed with a reason, or made a step of the recipe; stored as JSON."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from napari_dicommeta.support.atomic import write_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from napari_dicommeta.findings.finding import Finding

__all__ = ["STATES", "Decision", "decision_on", "load_decisions", "save_decisions", "undecided", "with_decision"]

STATES = ("accepted", "dismissed", "recipe")
"""Accepted: the data stay as they are; dismissed: not a problem in this data set; recipe: a step of the recipe."""
DECISIONS_VERSION = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """Decision on findings of one code on certain tags, whichever files they concern.

    `state`: one of `STATES`. `reason`: why. `scope`: that of the finding.
    """

    code: str
    tags: tuple[str, ...]
    state: str
    reason: str = ""
    scope: str = ""

    def is_on(self, finding: Finding) -> bool:
        """Return whether this decision applies to `finding`."""
        return (self.code, self.tags, self.scope) == (finding.code, finding.tags, finding.scope)


def decision_on(finding: Finding, decisions: Iterable[Decision]) -> Decision | None:
    """Return the decision on `finding`, None if there is none."""
    return next((decision for decision in decisions if decision.is_on(finding)), None)


def with_decision(
    decisions: Sequence[Decision], finding: Finding, state: str, reason: str = ""
) -> tuple[Decision, ...]:
    """Return `decisions` with a new decision on `finding` that replaces an earlier one; `state` "" removes it.

    Raises
    ------
    ValueError
        If `state` is neither "" nor one of `STATES`.
    """
    if state and state not in STATES:
        raise ValueError(f"state must be one of {', '.join(STATES)}, not {state!r}")
    others = tuple(decision for decision in decisions if not decision.is_on(finding))
    if not state:
        return others
    decision = Decision(code=finding.code, tags=finding.tags, state=state, reason=reason, scope=finding.scope)
    return (*others, decision)


def undecided(findings: Iterable[Finding], decisions: Sequence[Decision]) -> tuple[Finding, ...]:
    """Return the findings without a decision."""
    return tuple(finding for finding in findings if decision_on(finding, decisions) is None)


def save_decisions(decisions: Iterable[Decision], path: str | os.PathLike[str]) -> None:
    """Write decisions as JSON with mode 0600; the file is replaced atomically.

    Raises
    ------
    OSError
        If the file cannot be written.
    """
    rows = [asdict(decision) for decision in decisions]
    write_text(path, json.dumps({"version": DECISIONS_VERSION, "decisions": rows}, indent=1, ensure_ascii=False))


def load_decisions(path: str | os.PathLike[str]) -> tuple[Decision, ...]:
    """Return the decisions that `save_decisions` wrote.

    Raises
    ------
    OSError
        If the file cannot be read.
    ValueError
        If the file holds no valid decisions; the text gives the reason.
    """
    name = os.path.basename(os.fspath(path))
    try:
        with open(path, encoding="utf-8") as file:
            content = json.load(file)
        if content["version"] > DECISIONS_VERSION:
            raise ValueError(f"{name} was written by a newer version of napari-dicommeta")
        rows = [
            (row["code"], tuple(row["tags"]), row["state"], row.get("reason") or "", row.get("scope") or "")
            for row in content["decisions"]
        ]
        if not all(
            isinstance(listed, list)
            for listed in (content["decisions"], *(row["tags"] for row in content["decisions"]))
        ):
            raise TypeError("tags")
    except (json.JSONDecodeError, UnicodeDecodeError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ValueError(f"{name} holds no decisions on findings: {type(error).__name__}") from error
    for code, tags, state, *words in rows:
        if not all(isinstance(text, str) for text in (code, *tags, *words)):
            raise ValueError(f"{name} holds no decisions on findings: code, tags, reason and scope must be texts")
        if state not in STATES:
            raise ValueError(f"{name}: state must be one of {', '.join(STATES)}, not {state!r}")
    names = ("code", "tags", "state", "reason", "scope")
    return tuple(Decision(**dict(zip(names, row, strict=True))) for row in rows)
