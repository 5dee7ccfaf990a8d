"""Rules: functions that look at a survey and yield findings, each with the texts that are always the same.

To add one, decorate a function in a module of `rules`::

    @rule(
        "kvp-zero",
        severity="info",
        title="CT images state a tube voltage of 0",
        tags=("KVP",),
        standard="PS3.3 section C.8.2.1",
        advice="Treat KVP as unknown.",
        meaning="HU of bone and contrast agent depend on the voltage, and nothing says what it was.",
    )
    def kvp_zero(survey: Survey) -> Iterator[Finding]:
        mask = survey.ct & survey.joint("KVP").where(lambda text: number(text or "") == 0)
        if mask.any():
            yield survey.finding("kvp-zero", mask, [("KVP 0", file_count(mask))])

A function that yields findings of several codes is decorated once for each.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari_dicommeta.findings.finding import Finding

__all__ = ["FindingKind", "kind_of", "looks_at", "registered_kinds", "rule", "rules_that_need"]

Function = TypeVar("Function", bound=Callable[..., Any])
NEEDS = ("counts", "volumes", "pixels")
"""What a rule looks at: the counts of values; the series as volumes; a sample of the pixels."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FindingKind:
    """What all findings of one code have in common.

    `severities`: the usual one first. `title`: the sentence, in general; a finding may say it with its numbers. `tags`:
    the keywords that it rests on; `by`: those that select its files, () for the same. `needs`: one of `NEEDS`.
    """

    code: str
    severities: tuple[str, ...]
    title: str
    standard: str
    advice: str
    meaning: str = ""
    tags: tuple[str, ...] = ()
    by: tuple[str, ...] = ()
    needs: str = "counts"


_KINDS: dict[str, FindingKind] = {}
_FUNCTIONS: dict[Callable[..., Any], str] = {}


def rule(
    code: str,
    *,
    severity: str | tuple[str, ...],
    title: str,
    standard: str,
    advice: str,
    meaning: str = "",
    tags: Sequence[str] = (),
    by: Sequence[str] = (),
    needs: str = "counts",
) -> Callable[[Function], Function]:
    """Return a decorator that registers a function which yields findings of `code`; see `FindingKind`.

    Raises
    ------
    ValueError
        If another function has registered `code`, or `needs` is unknown.
    """
    if needs not in NEEDS:
        raise ValueError(f"needs must be one of {', '.join(NEEDS)}, not {needs!r}")
    severities = (severity,) if isinstance(severity, str) else severity
    kind = FindingKind(
        code=code,
        severities=severities,
        title=title,
        standard=standard,
        advice=advice,
        meaning=meaning,
        tags=tuple(tags),
        by=tuple(by),
        needs=needs,
    )

    def register(function: Function) -> Function:
        if _KINDS.setdefault(code, kind) is not kind:
            raise ValueError(f"there are two rules with the code {code}")
        _FUNCTIONS[function] = needs
        return function

    return register


def looks_at(needs: str) -> Callable[[Function], Function]:
    """Return a decorator for a rule whose findings are of kinds that are not its own, such as those of notes."""

    def register(function: Function) -> Function:
        _FUNCTIONS[function] = needs
        return function

    return register


def kind_of(code: str) -> FindingKind:
    """Return what is registered for `code`."""
    return _KINDS[code]


def registered_kinds() -> tuple[FindingKind, ...]:
    """Return all that is registered by the modules imported so far."""
    return tuple(_KINDS.values())


def rules_that_need(needs: str) -> tuple[Callable[[Any], Iterator[Finding]], ...]:
    """Return the functions that look at "counts" or at "volumes", in the order in which they were registered."""
    return tuple(function for function, needed in _FUNCTIONS.items() if needed == needs)
