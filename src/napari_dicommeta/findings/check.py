"""Check of a catalog: its findings from tags, volumes and, on request, pixels."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from napari_dicommeta.findings import hu_check
from napari_dicommeta.findings.finding import Finding, finding_order
from napari_dicommeta.findings.rule import FindingKind, kind_of, registered_kinds, rule, rules_that_need
from napari_dicommeta.findings.rules import (
    anatomy,
    charsets,
    copies,
    files,
    identity,
    kinds,
    persons,
    pet,
    pixels,
    positions,
    protocols,
    reconstructions,
    references,
    rescale,
    scanners,
    spacings,
    suspect,
    terms,
    times,
    values,
    volumes,
    windows,
)
from napari_dicommeta.findings.survey import Survey
from napari_dicommeta.support.generators import changed, result_of
from napari_dicommeta.support.html import Records
from napari_dicommeta.support.log import log_fault
from napari_dicommeta.volumes.note import NOTE_KINDS, SEVERITIES

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator, Sequence

    from napari_dicommeta.catalog.catalog import Catalog, Series

__all__ = ["CheckProgress", "check", "finding_kinds", "iter_check"]

RULE_MODULES = (
    values,
    suspect,
    terms,
    rescale,
    pixels,
    windows,
    positions,
    spacings,
    reconstructions,
    scanners,
    protocols,
    kinds,
    anatomy,
    pet,
    identity,
    persons,
    times,
    charsets,
    references,
    files,
    volumes,
    copies,
    hu_check,
)
"""Importing these modules registers their rules."""


@dataclass(frozen=True, slots=True)
class CheckProgress:
    """Progress of a check: `done` of `total` series; `step` is "series", or "pixels" while pixels are sampled."""

    done: int
    total: int
    step: str = "series"


def check(
    catalog: Catalog,
    volumes: bool = True,
    pixels: bool = False,
    progress: Callable[[CheckProgress], object] | None = None,
    client: Any = None,
) -> Records[Finding]:
    """Return the findings of all rules, the most severe first, within a severity those about most files first.

    With `volumes`, each series is laid out as it would be opened, in a few milliseconds. This finds missing, duplicate,
    unevenly spaced and tilted slices, and, in up to 1,000 series, those that hold the pixels of another: two files are
    read of series of equal size. Without it, only values are counted and no file is opened. With `pixels`, a
    sample of slices of each CT volume is also read and compared with its tags about HU, and copies are found among any
    number of series. A catalog without paths, as
    `Catalog.shareable` returns, has no files to open: only its values are checked.

    `progress` is called before the first and after each series, and after each rule. An error that it raises ends the
    check; `iter_check` does the same as a generator, which can be closed.

    `client`: a ``dask.distributed.Client`` whose workers lay the series out, each a part of the catalog (needs the
    extra ``distributed``). They must be able to open its files by the same paths or URLs. Values are counted, and
    pixels read, in this process.

    A rule that fails does not stop the others: a finding with the code "rule-failed" names it, and the log has the
    error.

    Examples
    --------
    >>> findings = dm.check(dm.scan("Chest CT phantom"))
    >>> [(finding.code, finding.severity) for finding in findings]
    [('identifying', 'info'), ('padding', 'info'), ('spellings', 'info')]
    """
    return result_of(iter_check(catalog, volumes, pixels, client=client), progress)


def iter_check(
    catalog: Catalog, volumes: bool = True, pixels: bool = False, all_copies: bool = False, client: Any = None
) -> Generator[CheckProgress, None, Records[Finding]]:
    """Yield progress after each series and each rule, and return the findings of `check`; close it to cancel.

    The first progress is yielded immediately, with 0 series done. `all_copies`: find copies among any number of series,
    as with `pixels`.
    """
    survey = Survey(catalog, pixels or all_copies)
    volumes = volumes and catalog.has_paths
    total = len(survey.series) if volumes else 0
    yield CheckProgress(0, total)
    findings: list[Finding] = []
    for function in rules_that_need("counts"):
        findings += _findings_of(function, survey)
        yield CheckProgress(0, total)
    if volumes:
        for done in survey.look(client):
            yield CheckProgress(done, total)
        for function in rules_that_need("volumes"):
            findings += _findings_of(function, survey)
            yield CheckProgress(total, total)
    if pixels and catalog.has_paths:
        checked = yield from _sampled(survey.series)

        def pixel_values(_survey: Survey) -> Iterator[Finding]:
            yield from hu_check.hu_findings(checked)

        findings += _findings_of(pixel_values, survey)
    return Records(sorted(findings, key=finding_order))


def _sampled(series: Sequence[Series]) -> Generator[CheckProgress, None, tuple[hu_check.Checked, ...]]:
    """Compare samples of pixels with the tags; yield progress and return the results."""
    with closing(hu_check.iter_hu_check(series)) as steps:
        return (yield from changed(steps, lambda step: CheckProgress(step.done, step.total, "pixels")))


@rule(
    "rule-failed",
    severity="decision",
    title="A rule failed",
    standard="",
    advice="Report this bug, with the values of the tags if you may share them.",
    meaning="The result of this rule is unknown; all other rules were applied.",
    needs="pixels",
)
def _findings_of(function: Callable[[Any], Iterator[Finding]], survey: Survey) -> Iterator[Finding]:
    """Yield the findings of a rule, or a finding that it failed."""
    try:
        yield from function(survey)
    except Exception as error:  # noqa: BLE001  a failing rule must not stop the others
        name, kind = getattr(function, "__name__", str(function)), kind_of("rule-failed")
        log_fault(f"the rule {name}", error)
        yield Finding(
            code=kind.code,
            severity=kind.severities[0],
            title=f"The rule {name} failed: {type(error).__name__}",
            advice=kind.advice,
            selection=(("SOPInstanceUID", ()),),
            meaning=kind.meaning,
        )


def finding_kinds() -> tuple[FindingKind, ...]:
    """Return every kind of finding, the most severe first, then by code."""
    registered = {kind.code: kind for kind in registered_kinds()}
    from_notes = {
        code: FindingKind(
            code=code,
            severities=tuple(filter(None, (kind.severity, kind.other_severity))),
            title=kind.summary,
            standard=kind.standard,
            advice=kind.advice,
            meaning=kind.meaning,
            tags=kind.tags,
            needs="volumes",
        )
        for code, kind in NOTE_KINDS.items()
        if kind.is_finding and code not in registered
    }
    kinds = (*registered.values(), *from_notes.values())
    return tuple(sorted(kinds, key=lambda kind: (SEVERITIES.index(kind.severities[0]), kind.code)))
