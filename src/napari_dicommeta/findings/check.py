"""What the counts imply: findings with their evidence, the section of the Standard and the preprocessing step.

The rules are in the modules `rules_…`: each is one small function that takes a `Survey` and yields findings. To add
one, write the function and put it into the tuple at the end of its module.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from napari_dicommeta.support.generators import result_of

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator

    from napari_dicommeta.catalog.catalog import Catalog
    from napari_dicommeta.findings.survey import Survey

    Rule = Callable[[Survey], Iterator["Finding"]]

__all__ = ["SEVERITIES", "Finding", "FindingsProgress", "findings_of", "iter_findings", "markdown"]

SEVERITIES = ("wrong", "decision", "info")
"""Wrong: the data contradict themselves or the Standard; needs a decision; good to know."""
HEADINGS = {"wrong": "Wrong", "decision": "Needs a decision", "info": "Good to know"}
Conditions = tuple[tuple[str | tuple[str, ...], bool | tuple[str, ...] | tuple[tuple[str | None, ...], ...]], ...]
"""What `Catalog.where` takes, as a tuple of (tag, condition) or ((tag, tag …), ((text, text …), …))."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that the values of a folder, or of a volume, imply.

    `code` names the rule; `severity` is "wrong", "decision" or "info"; `title` one sentence; `evidence` the
    counts behind it as (what, files), which may overlap; `tags` the keywords it rests on; `standard` the section;
    `advice` the preprocessing step; `selection` the conditions under which ``Catalog.where(dict(selection))``
    gives its files, () for all; `files` how many distinct files of the catalog it concerns; `meaning` what it means
    for preprocessing; `scope` tells findings of one rule on the same tags apart: a modality, or a digest of a series.
    Where no element tells files apart, the selection gives those that are alike too.
    """

    code: str
    severity: str
    title: str
    evidence: tuple[tuple[str, int], ...] = ()
    tags: tuple[str, ...] = ()
    standard: str = ""
    advice: str = ""
    selection: Conditions = ()
    files: int = 0
    meaning: str = ""
    scope: str = ""

    def __str__(self) -> str:
        return self.title


@dataclass(frozen=True, slots=True)
class FindingsProgress:
    """How far the findings are: `done` of the `total` series looked at."""

    done: int
    total: int


def findings_of(catalog: Catalog, volumes: bool = True) -> tuple[Finding, ...]:
    """The findings of all rules, the most severe first, within a severity those about most files.

    With `volumes` each series is looked at as it would be opened, a few milliseconds each: only so missing, doubled,
    uneven and tilted slices are found. Without, only values are counted, and no file is opened.

    A rule that fails loses none of the others' findings: it is named by one with the code "rule-failed".
    """
    return result_of(iter_findings(catalog, volumes))


def iter_findings(catalog: Catalog, volumes: bool = True) -> Generator[FindingsProgress, None, tuple[Finding, ...]]:
    """Yields progress after each series, and returns what `findings_of` does; close it to cancel.

    The first progress comes at once, with 0 series done.
    """
    from napari_dicommeta.findings.rules.identity import IDENTITY_RULES
    from napari_dicommeta.findings.rules.pixels import PIXEL_RULES
    from napari_dicommeta.findings.rules.places import PLACE_RULES
    from napari_dicommeta.findings.rules.rescale import RESCALE_RULES
    from napari_dicommeta.findings.rules.values import VALUE_RULES
    from napari_dicommeta.findings.rules.volumes import VOLUME_RULES
    from napari_dicommeta.findings.rules.windows import WINDOW_RULES
    from napari_dicommeta.findings.survey import Survey

    survey = Survey(catalog)
    total = len(survey.series) if volumes else 0
    yield FindingsProgress(0, total)
    found: list[Finding] = []
    counted = (*VALUE_RULES, *RESCALE_RULES, *PIXEL_RULES, *WINDOW_RULES, *PLACE_RULES, *IDENTITY_RULES)
    for rule in counted:
        found += _findings_of_rule(rule, survey)
    if volumes:
        for done in survey.look():
            yield FindingsProgress(done, total)
        for rule in VOLUME_RULES:
            found += _findings_of_rule(rule, survey)
    return tuple(sorted(found, key=lambda one: (SEVERITIES.index(one.severity), -one.files, one.code, one.title)))


def _findings_of_rule(rule: Rule, survey: Survey) -> Iterator[Finding]:
    try:
        yield from rule(survey)
    except Exception as error:  # noqa: BLE001  one rule that fails loses none of the others' findings
        name = getattr(rule, "__name__", str(rule))
        yield Finding(
            "rule-failed",
            "decision",
            f"The rule {name} failed: {type(error).__name__}",
            advice="Report it, with the values of the tags if you may: this is a fault of the program.",
            selection=(("SOPInstanceUID", ()),),
            meaning="What this rule looks for may be there or not; all other rules were applied.",
        )


def markdown(findings: Iterable[Finding], title: str = "") -> str:
    """A report of `findings` in Markdown: a section for each severity, a table of evidence for each finding."""
    findings = tuple(findings)
    counts = ", ".join(
        f"{sum(one.severity == severity for one in findings)} {HEADINGS[severity].lower()}" for severity in SEVERITIES
    )
    lines = [f"# {_escaped(title or 'Findings')}", "", f"{counts}.", ""]
    for severity in SEVERITIES:
        of_kind = [one for one in findings if one.severity == severity]
        if not of_kind:
            continue
        lines += [f"## {HEADINGS[severity]}", ""]
        for one in of_kind:
            lines += _section(one)
    return "\n".join(lines).rstrip("\n") + "\n"


def _section(finding: Finding) -> list[str]:
    from napari_dicommeta.support.words import counted

    lines = [f"### {_escaped(finding.title)}", ""]
    about = [counted(finding.files, "file")] if finding.files else []
    about += [f"`{finding.code}`", *(f"{_escaped(tag)}" for tag in finding.tags)]
    lines += [" · ".join(about), ""]
    if finding.meaning:
        lines += [_escaped(finding.meaning), ""]
    if finding.evidence:
        lines += ["| what | files |", "|---|---:|"]
        lines += [f"| {_escaped(what)} | {files:,} |" for what, files in finding.evidence]
        lines.append("")
    if finding.advice:
        section = f" ({_escaped(finding.standard)})" if finding.standard else ""
        lines += [f"**{_escaped(finding.advice)}**{section}", ""]
    return lines


def _escaped(text: str) -> str:
    """`text` as Markdown shows it, on one line: what would be markup or HTML is escaped."""
    from napari_dicommeta.support.words import display

    for mark in "\\`*_[]<>|#":
        text = text.replace(mark, f"\\{mark}")
    return display(text.replace("&", "&amp;"), 400)
