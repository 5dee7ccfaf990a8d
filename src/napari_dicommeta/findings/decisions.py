"""What was decided about findings: accepted, dismissed with a reason, or made a step of the recipe; kept as JSON."""

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
"""Keep the data as they are; not a problem in this data set, with the reason; its step goes into the recipe."""
VERSION = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """A decision on the findings of a rule on certain tags, whatever files they then concern.

    `state` is one of `STATES`; `reason` says why; `scope` is the finding's.
    """

    code: str
    tags: tuple[str, ...]
    state: str
    reason: str = ""
    scope: str = ""

    def is_on(self, finding: Finding) -> bool:
        """Whether it is a decision on `finding`."""
        return (self.code, self.tags, self.scope) == (finding.code, finding.tags, finding.scope)


def decision_on(finding: Finding, decisions: Iterable[Decision]) -> Decision | None:
    """The decision on `finding`, None where there is none."""
    return next((one for one in decisions if one.is_on(finding)), None)


def with_decision(
    decisions: Sequence[Decision], finding: Finding, state: str, reason: str = ""
) -> tuple[Decision, ...]:
    """`decisions` with this one on `finding` in place of an earlier one; without any where `state` is "".

    Raises
    ------
    ValueError
        If `state` is neither "" nor one of `STATES`.
    """
    if state and state not in STATES:
        raise ValueError(f"a finding is {', '.join(STATES)}, not {state!r}")
    others = tuple(decision for decision in decisions if not decision.is_on(finding))
    if not state:
        return others
    made = Decision(code=finding.code, tags=finding.tags, state=state, reason=reason, scope=finding.scope)
    return (*others, made)


def undecided(findings: Iterable[Finding], decisions: Sequence[Decision]) -> tuple[Finding, ...]:
    """The findings on which nothing has been decided."""
    return tuple(finding for finding in findings if decision_on(finding, decisions) is None)


def save_decisions(decisions: Iterable[Decision], path: str | os.PathLike[str]) -> None:
    """Write decisions as JSON: beside `path` first, then renamed; mode 0600.

    Raises
    ------
    OSError
        If it cannot be written.
    """
    rows = [asdict(one) for one in decisions]
    write_text(path, json.dumps({"version": VERSION, "decisions": rows}, indent=1, ensure_ascii=False))


def load_decisions(path: str | os.PathLike[str]) -> tuple[Decision, ...]:
    """The decisions that `save_decisions` wrote.

    Raises
    ------
    OSError
        If the file cannot be read.
    ValueError
        If it holds no decisions; the text says what was found.
    """
    name = os.path.basename(os.fspath(path))
    try:
        with open(path, encoding="utf-8") as file:
            content = json.load(file)
        if content["version"] > VERSION:
            raise ValueError(f"{name} was written by a newer version of napari-dicommeta")
        rows = [
            (row["code"], tuple(row["tags"]), row["state"], row.get("reason") or "", row.get("scope") or "")
            for row in content["decisions"]
        ]
        if any(isinstance(row["tags"], str) for row in content["decisions"]):
            raise TypeError("tags")
    except (json.JSONDecodeError, UnicodeDecodeError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ValueError(f"{name} holds no decisions on findings: {type(error).__name__}") from error
    for code, tags, state, *words in rows:
        if not all(isinstance(text, str) for text in (code, *tags, *words)):
            raise ValueError(f"{name} holds no decisions on findings: code, tags, reason and scope are texts")
        if state not in STATES:
            raise ValueError(f"{name}: a finding is {', '.join(STATES)}, not {state!r}")
    names = ("code", "tags", "state", "reason", "scope")
    return tuple(Decision(**dict(zip(names, row, strict=True))) for row in rows)
