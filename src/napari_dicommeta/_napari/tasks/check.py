"""What the Findings tab does in threads: judge volumes and pixels, keep decisions, write report and recipe. No Qt."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from napari_dicommeta.analysis.histogram import Bins
from napari_dicommeta.dicom.tags import TagPath
from napari_dicommeta.findings.decisions import decision_on, load_decisions, save_decisions
from napari_dicommeta.support.atomic import write_text

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
"""Series whose pixels are sampled without being asked to."""


@dataclass(frozen=True, slots=True)
class CheckResult:
    """The findings of a catalog, and its digest, under which decisions are kept."""

    findings: tuple[Finding, ...]
    digest: str


def count_findings(catalog: Catalog) -> CheckResult:
    """The findings of what is counted alone, and the digest."""
    from napari_dicommeta.catalog.digest import catalog_digest
    from napari_dicommeta.findings.check import check

    return CheckResult(check(catalog, volumes=False), catalog_digest(catalog))


def volume_findings(catalog: Catalog) -> Generator[CheckProgress, None, CheckResult]:
    """The findings of counts and volumes; yields progress."""
    from napari_dicommeta.catalog.digest import catalog_digest
    from napari_dicommeta.findings.check import iter_check

    findings = yield from iter_check(catalog)
    return CheckResult(findings, catalog_digest(catalog))


def pixel_check(series: Sequence[Series]) -> Generator[HUCheckProgress, None, tuple[Checked, ...]]:
    """What a sample of the pixels says against the tags; yields progress."""
    from napari_dicommeta.findings.hu_check import iter_hu_check

    return iter_hu_check(series)


def sample_bins(sample: HUSample) -> Bins:
    """The histogram of a sample of HU as bins, pixels in place of files."""
    bars = sample.histogram()
    edges = (*(low for low, _, _ in bars), bars[-1][1])
    pixels = tuple(n for _, _, n in bars)
    return Bins(path=TagPath.parse("PixelData"), edges=edges, files=pixels, part=(0,) * len(pixels))


def _kept(digest: str) -> Path:
    from platformdirs import user_data_path

    return user_data_path("napari-dicommeta") / "decisions" / f"{digest[:32]}.json"


def decisions_of(digest: str) -> tuple[Decision, ...]:
    """The decisions that were kept for the catalog of this digest."""
    with contextlib.suppress(OSError, ValueError):
        return load_decisions(_kept(digest))
    return ()


def keep_decisions(digest: str, decisions: Sequence[Decision]) -> None:
    """Keep decisions for the catalog of this digest, in the user's data folder; they hold no values of files."""
    target = _kept(digest)
    target.parent.mkdir(parents=True, exist_ok=True)
    save_decisions(decisions, target)


def write_report(opened: Opened, findings: Sequence[Finding], decisions: Sequence[Decision], path: str) -> str:
    """Write the findings as Markdown, those that were dismissed with the word for it; the path."""
    from napari_dicommeta.findings.report import findings_report

    decided = [(finding, decision_on(finding, decisions)) for finding in findings]
    left = tuple(finding for finding, decision in decided if decision is None or decision.state != "dismissed")
    text = findings_report(left, f"{opened.catalog.n_files:,} files, {len(opened.series):,} series")
    dismissed = [(finding, one) for finding, one in decided if one is not None and one.state == "dismissed"]
    if dismissed:
        lines = [f"* {finding.title}{': ' + one.reason if one.reason else ''}" for finding, one in dismissed]
        text += "\n## Dismissed\n\n" + "\n".join(lines) + "\n"
    write_text(path, text)
    return path


def write_recipe_of(opened: Opened, findings: Sequence[Finding], decisions: Sequence[Decision], path: str) -> str:
    """Write the recipe of the source with the steps of the findings that were put into it; the path."""
    from napari_dicommeta.export.recipe import make_recipe, steps_of, write_recipe

    chosen = [finding for finding in findings if (one := decision_on(finding, decisions)) and one.state == "recipe"]
    source = opened.paths[0] if len(opened.paths) == 1 else opened.paths
    write_recipe(make_recipe(opened.catalog, source, steps=steps_of(chosen)), path)
    return path
