"""Rules: functions that examine a survey and yield findings, registered with their constant texts.

To add a rule, decorate a function in a module of `rules`::

    @rule(
        "kvp-zero",
        severity="info",
        title="CT images state a tube voltage of 0",
        tags=("KVP",),
        standard="PS3.3 section C.8.2.1",
        advice="Treat KVP as unknown.",
        meaning="HU of bone and contrast agent depend on the voltage, which is unknown.",
    )
    def kvp_zero(survey: Survey) -> Iterator[Finding]:
        mask = survey.ct & survey.joint("KVP").where(lambda text: number(text or "") == 0)
        if mask.any():
            yield survey.finding("kvp-zero", mask, [("KVP 0", file_count(mask))])

A function that yields findings of several codes is decorated once per code.
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
"""Inputs of rules: counts of values, series as volumes, or a sample of the pixels."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FindingKind:
    """Properties shared by all findings of one code.

    `severities`: possible severities, the usual one first. `title`: the general sentence; a finding may add numbers.
    `tags`: the keywords it is based on. `by`: the keywords that select its files, () for `tags`. `needs`: one of
    `NEEDS`.
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
    """Return a decorator for a rule whose findings are of kinds registered elsewhere, such as those of notes."""

    def register(function: Function) -> Function:
        _FUNCTIONS[function] = needs
        return function

    return register


def kind_of(code: str) -> FindingKind:
    """Return the kind of finding registered for `code`."""
    return _KINDS[code]


def registered_kinds() -> tuple[FindingKind, ...]:
    """Return all kinds registered by the modules imported so far."""
    return tuple(_KINDS.values())


def rules_that_need(needs: str) -> tuple[Callable[[Any], Iterator[Finding]], ...]:
    """Return the rules that need "counts" or "volumes", in order of registration."""
    return tuple(function for function, needed in _FUNCTIONS.items() if needed == needs)
