"""Work of the Findings tab in threads: check volumes and pixels, save decisions, write report and recipe. No Qt."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

from napari_dicommeta.analysis.bins import Bins
from napari_dicommeta.dicom.tags import TagPath
from napari_dicommeta.findings.decisions import decision_on, load_decisions, save_decisions
from napari_dicommeta.support.atomic import set_aside, write_text
from napari_dicommeta.support.log import LOGGER, log_fault
from napari_dicommeta.support.markdown import escape_markdown
from napari_dicommeta.support.words import counted

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence
    from pathlib import Path

    from napari_dicommeta._napari.tasks.source import Opened
    from napari_dicommeta.catalog.catalog import Catalog, Series
    from napari_dicommeta.findings.check import CheckProgress
    from napari_dicommeta.findings.decisions import Decision
    from napari_dicommeta.findings.finding import Finding
    from napari_dicommeta.findings.hu_check import Checked, HUCheckProgress
    from napari_dicommeta.findings.hu_sample import HUSample

__all__ = [
    "MAX_UNASKED",
    "CheckResult",
    "count_findings",
    "decisions_of",
    "keep_decisions",
    "pixel_check",
    "sample_bins",
    "volume_findings",
    "write_recipe_of",
    "write_report",
]

MAX_UNASKED = 1000
"""Largest number of series whose pixels are sampled automatically."""


@dataclass(frozen=True, slots=True)
class CheckResult:
    """The findings of a catalog, and the digest under which its decisions are saved."""

    findings: tuple[Finding, ...]
    digest: str


def count_findings(catalog: Catalog) -> CheckResult:
    """Return the findings that follow from counts alone, and the digest."""
    from napari_dicommeta.catalog.digest import catalog_digest
    from napari_dicommeta.findings.check import check

    return CheckResult(check(catalog, volumes=False), catalog_digest(catalog))


def volume_findings(catalog: Catalog) -> Generator[CheckProgress, None, CheckResult]:
    """Yield progress and return the findings from counts and volumes, with the digest."""
    from napari_dicommeta.catalog.digest import catalog_digest
    from napari_dicommeta.findings.check import iter_check

    findings = yield from iter_check(catalog)
    return CheckResult(findings, catalog_digest(catalog))


def pixel_check(series: Sequence[Series]) -> Generator[HUCheckProgress, None, tuple[Checked, ...]]:
    """Yield progress and return the results of comparing a sample of pixels with the tags."""
    from napari_dicommeta.findings.hu_check import iter_hu_check

    return iter_hu_check(series)


def sample_bins(sample: HUSample) -> Bins:
    """Return the histogram of a sample of HU as bins that count pixels instead of files."""
    bars = sample.histogram()
    edges = (*(low for low, _, _ in bars), bars[-1][1])
    pixels = tuple(n for _, _, n in bars)
    return Bins(path=TagPath.parse("PixelData"), edges=edges, files=pixels, part=(0,) * len(pixels))


def _decisions_file(digest: str) -> Path:
    from platformdirs import user_data_path

    return user_data_path("napari-dicommeta") / "decisions" / f"{digest[:32]}.json"


def decisions_of(digest: str) -> tuple[Decision, ...]:
    """Return the decisions saved for the catalog with this digest, () if there are none."""
    try:
        return load_decisions(_decisions_file(digest))
    except FileNotFoundError:
        return ()
    except (OSError, ValueError) as error:
        log_fault("reading decisions on findings", error, logging.WARNING)
        return ()


def keep_decisions(digest: str, decisions: Sequence[Decision]) -> None:
    """Save decisions for the catalog with this digest in the user's data folder; they hold no values of files.

    A file of decisions that cannot be understood stays under another name.
    """
    target = _decisions_file(digest)
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        load_decisions(target)
    except FileNotFoundError:
        LOGGER.debug("no decisions yet")
    except ValueError:
        set_aside(target)
    save_decisions(decisions, target)


def write_report(opened: Opened, findings: Sequence[Finding], decisions: Sequence[Decision], path: str) -> str:
    """Write the findings as Markdown, the dismissed ones with their reasons; return the path.

    It names no person and no file, as what ``napari-dicommeta findings`` prints. Reasons are what the user has typed.
    """
    from napari_dicommeta.export.printable import printable_findings
    from napari_dicommeta.findings.report import findings_report

    printable = printable_findings(findings, opened.catalog)
    decided = [(shown, decision_on(finding, decisions)) for shown, finding in zip(printable, findings, strict=True)]
    remaining = tuple(shown for shown, decision in decided if decision is None or decision.state != "dismissed")
    text = findings_report(remaining, f"{counted(opened.catalog.n_files, 'file')}, {len(opened.series):,} series")
    dismissed = [
        (shown.title, decision.reason)
        for shown, decision in decided
        if decision is not None and decision.state == "dismissed"
    ]
    if dismissed:
        texts = [f"{title}{': ' + reason if reason else ''}" for title, reason in dismissed]
        text += "\n## Dismissed\n\n" + "\n".join(f"* {escape_markdown(line)}" for line in texts) + "\n"
    write_text(path, text)
    return path


def write_recipe_of(opened: Opened, findings: Sequence[Finding], decisions: Sequence[Decision], path: str) -> str:
    """Write the recipe of the source with the steps of the findings added to it; return the path."""
    from napari_dicommeta.export.recipe import make_recipe, steps_of, write_recipe

    chosen = [
        finding for finding in findings if (decision := decision_on(finding, decisions)) and decision.state == "recipe"
    ]
    source = opened.paths[0] if len(opened.paths) == 1 else opened.paths
    write_recipe(make_recipe(opened.catalog, source, steps=steps_of(chosen)), path)
    return path
