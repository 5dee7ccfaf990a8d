"""Pages about the kinds of findings: what each says, why it matters, what to do and an example, from the registry."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_dicommeta.findings.check import finding_kinds
from napari_dicommeta.findings.examples import EXAMPLES
from napari_dicommeta.findings.finding import HEADINGS, SEVERITIES
from napari_dicommeta.findings.uses import with_uses
from napari_dicommeta.support.markdown import escape_markdown, markdown_table

if TYPE_CHECKING:
    from napari_dicommeta.findings.rule import FindingKind

__all__ = ["finding_page", "findings_pages"]

NEEDS = {
    "counts": "from the values of the files",
    "volumes": "from the series as volumes",
    "pixels": "from a sample of the pixels (`--pixels`)",
}
INTRODUCTION = """\
# Findings

What each finding of `napari-dicommeta findings` and of the dock says, why it matters, and what to do about it.
`napari-dicommeta findings --explain CODE` prints one of these sections, and `--list` prints a line for each.
This page is made from the rules: `python3 dev.py docs` writes it.
"""


def finding_page(code: str, level: int = 1) -> str:
    """Return the page about the findings with `code`, in Markdown, under a heading of `level`.

    Raises
    ------
    KeyError
        If there is no kind of finding with this code.
    """
    return _page({kind.code: kind for kind in finding_kinds()}[code], level)


def findings_pages() -> str:
    """Return one document with the page of every kind of finding, in Markdown: the most severe first, then by code."""
    kinds = finding_kinds()
    rows = [
        (f"[{kind.code}](#{kind.code})", " or ".join(kind.severities), escape_markdown(kind.title)) for kind in kinds
    ]
    parts = [INTRODUCTION, markdown_table(("code", "severity", "finding"), rows)]
    for severity in SEVERITIES:
        parts.append(f"## {HEADINGS[severity]}\n")
        parts += [_page(kind, 3) for kind in kinds if kind.severities[0] == severity]
    return "\n".join(parts)


def _page(kind: FindingKind, level: int) -> str:
    holds, says = EXAMPLES[kind.code]
    severities = " or ".join(HEADINGS[severity].lower() for severity in kind.severities)
    tags = ", ".join(f"`{tag}`" for tag in kind.tags)
    based = NEEDS[kind.needs] + (f": {tags}" if tags else "")
    meaning = with_uses(kind.code, kind.meaning)
    parts = [
        f"{'#' * level} {kind.code}",
        f"**{escape_markdown(kind.title)}.** {severities.capitalize()}, {based}.",
        escape_markdown(meaning, 1000),
        f"*What to do:* {escape_markdown(kind.advice, 1000)}",
        f"*Example:* {escape_markdown(holds)}. → “{escape_markdown(says)}”",
        f"*Standard:* {escape_markdown(kind.standard)}" if kind.standard else "",
    ]
    return "\n\n".join(part for part in parts if part) + "\n"
