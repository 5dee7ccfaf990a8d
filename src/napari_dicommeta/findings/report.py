"""Markdown report of findings."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_dicommeta.findings.finding import HEADINGS, SEVERITIES
from napari_dicommeta.support.markdown import escape_markdown, markdown_table
from napari_dicommeta.support.words import counted

if TYPE_CHECKING:
    from collections.abc import Iterable

    from napari_dicommeta.findings.finding import Finding

__all__ = ["findings_report"]


def findings_report(findings: Iterable[Finding], title: str = "") -> str:
    """Return a report in Markdown: a section for each severity, a table of evidence for each finding."""
    findings = tuple(findings)
    counts = ", ".join(
        f"{sum(finding.severity == severity for finding in findings)} {HEADINGS[severity].lower()}"
        for severity in SEVERITIES
    )
    lines = [f"# {escape_markdown(title or 'Findings')}", "", f"{counts}.", ""]
    for severity in SEVERITIES:
        of_severity = [finding for finding in findings if finding.severity == severity]
        if of_severity:
            lines += [f"## {HEADINGS[severity]}", ""]
        for finding in of_severity:
            lines += _section(finding)
    return "\n".join(lines).rstrip("\n") + "\n"


def _section(finding: Finding) -> list[str]:
    lines = [f"### {escape_markdown(finding.title)}", ""]
    details = [counted(finding.files, "file")] if finding.files else []
    details += [f"`{finding.code}`", *map(escape_markdown, finding.tags)]
    lines += [" · ".join(details), ""]
    if finding.meaning:
        lines += [escape_markdown(finding.meaning), ""]
    if finding.evidence:
        cells = [(escape_markdown(label), f"{files:,}") for label, files in finding.evidence]
        lines += [markdown_table(("what", "files"), cells, (False, True))]
    if finding.advice:
        section = f" ({escape_markdown(finding.standard)})" if finding.standard else ""
        lines += [f"**{escape_markdown(finding.advice)}**{section}", ""]
    return lines
