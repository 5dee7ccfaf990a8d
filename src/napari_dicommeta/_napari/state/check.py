"""State of the Findings tab: findings from counts, volumes and pixels, decisions on them, report and recipe."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QObject, Signal

from napari_dicommeta._napari.tasks.check import (
    MAX_UNASKED,
    CheckResult,
    count_findings,
    decisions_of,
    keep_decisions,
    pixel_check,
    sample_bins,
    volume_findings,
    write_recipe_of,
    write_report,
)
from napari_dicommeta.findings.decisions import Decision, undecided, with_decision
from napari_dicommeta.findings.finding import SEVERITIES
from napari_dicommeta.support.atomic import write_failure

if TYPE_CHECKING:
    from napari_dicommeta._napari.state.workers import Workers
    from napari_dicommeta._napari.tasks.source import Opened
    from napari_dicommeta.analysis.bins import Bins
    from napari_dicommeta.findings.finding import Finding
    from napari_dicommeta.findings.hu_check import Checked

__all__ = ["Checks"]

NOT_IN_CATALOG = ("archives", "unreadable")
"""Codes of findings about files that are not in the catalog: no filter leads to them."""


class Checks(QObject):
    """Findings of the open source, as the checks find them.

    Signals: `findings_changed` after a change of `findings` or `decisions`; `counts_checked` after the check of the
    counts; `pixels_checked` the numbers of checked volumes and of findings on their pixels; `progressed` (subject,
    done, total), with subject "" at the end; `written` the path of a report or recipe; `failed` the error in words.
    """

    findings_changed = Signal()
    counts_checked = Signal()
    progressed = Signal(str, int, int)
    pixels_checked = Signal(int, int)
    written = Signal(str)
    failed = Signal(str)

    def __init__(self, sources: Workers, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._workers = sources
        self.opened: Opened | None = None
        self.decisions: tuple[Decision, ...] = ()
        self.checked: tuple[Checked, ...] = ()
        """The result for each volume whose pixels were sampled."""
        self._of_tags: tuple[Finding, ...] = ()
        self._digest = ""

    @property
    def findings(self) -> tuple[Finding, ...]:
        """All findings, most severe first; within a severity, those on the most files first."""
        of_pixels = (finding for checked in self.checked for finding in checked.findings)
        unique = {(finding.code, finding.tags, finding.title): finding for finding in (*self._of_tags, *of_pixels)}
        return tuple(sorted(unique.values(), key=lambda finding: (SEVERITIES.index(finding.severity), -finding.files)))

    def set_opened(self, opened: Opened | None) -> None:
        """Check this source, at first its counts only."""
        self.cancel()
        self.opened, self.decisions, self.checked, self._digest = opened, (), (), ""
        self._of_tags = ()
        self.findings_changed.emit()
        if opened is not None and opened.catalog.n_files:
            self._workers.run(
                "findings", lambda: count_findings(opened.catalog), self._counts_judged, None, self._not_counted
            )

    @property
    def undecided(self) -> int:
        """The number of findings to fix or to decide on."""
        return sum(finding.severity != "info" for finding in undecided(self.findings, self.decisions))

    def files_of(self, finding: Finding) -> tuple[str, ...]:
        """Return the files that `finding` is about, with reasons, if they are not in the catalog; else ()."""
        if self.opened is None or finding.code not in NOT_IN_CATALOG:
            return ()
        failures = self.opened.catalog.failures
        if finding.code == "archives":
            chosen = [failure for failure in failures if failure.code == "archive"]
        else:
            chosen = [failure for failure in failures if failure.is_harmless is (finding.severity == "info")]
        return tuple(f"{failure.path}: {failure.reason}" for failure in chosen)

    def look_at_volumes(self) -> None:
        """Check each series as a volume, and then the pixels if there are at most `MAX_UNASKED` series."""
        if self.opened is None or not self.opened.catalog.n_files:
            return
        catalog = self.opened.catalog
        self._run(lambda: volume_findings(catalog), self._volumes_judged, "series")

    def look_at_pixels(self) -> None:
        """Sample and check the pixels of each series."""
        if self.opened is not None:
            series = self.opened.series
            self._run(lambda: pixel_check(series), self._pixels_judged, "pixels of series")

    def _run(self, work: object, then: object, subject: str) -> None:
        self.progressed.emit(subject, 0, len(self.opened.series) if self.opened is not None else 0)

        def report(progress: object) -> None:
            self.progressed.emit(subject, progress.done, progress.total)  # type: ignore[attr-defined]

        self._workers.run("findings", work, then, report, self._stopped)  # type: ignore[arg-type]

    def _stopped(self, error: Exception) -> None:
        self.progressed.emit("", 0, 0)
        self.failed.emit(f"The check stopped with an error: {type(error).__name__}")

    def cancel(self) -> None:
        """Stop a check; its findings so far stay."""
        if self._workers.stop("findings"):
            self.progressed.emit("", 0, 0)

    def _judged(self, judged: CheckResult) -> None:
        self._of_tags = judged.findings
        if judged.digest != self._digest:
            self._digest, self.decisions = judged.digest, decisions_of(judged.digest)
        self.progressed.emit("", 0, 0)
        self.findings_changed.emit()

    def _counts_judged(self, judged: CheckResult) -> None:
        self._judged(judged)
        self.counts_checked.emit()

    def _not_counted(self, error: Exception) -> None:
        self._stopped(error)
        self.counts_checked.emit()

    def _volumes_judged(self, judged: CheckResult) -> None:
        self._judged(judged)
        if self.opened is not None and len(self.opened.series) <= MAX_UNASKED:
            self.look_at_pixels()

    def _pixels_judged(self, checked: tuple[Checked, ...]) -> None:
        self.checked = checked
        self.progressed.emit("", 0, 0)
        self.pixels_checked.emit(len(checked), len({finding for each in checked for finding in each.findings}))
        self.findings_changed.emit()

    def picture_of(self, finding: Finding) -> Bins | None:
        """Return the histogram of the pixels behind a finding, None if it is not about pixels."""
        sample = next((checked.sample for checked in self.checked if finding in checked.findings), None)
        return sample_bins(sample) if sample is not None and sample.n else None

    def decide(self, finding: Finding, state: str, word: str = "") -> None:
        """Accept or dismiss a finding or put its step into the recipe; state "" withdraws the decision."""
        self.decisions = with_decision(self.decisions, finding, state, word)
        if self._digest:
            try:
                keep_decisions(self._digest, self.decisions)
            except OSError as error:
                self.failed.emit(f"Cannot save the decision: {error.strerror or type(error).__name__}")
        self.findings_changed.emit()

    def write_report(self, path: str) -> None:
        """Write the findings and decisions as Markdown."""
        if self.opened is not None:
            opened, findings, decisions = self.opened, self.findings, self.decisions
            self._write(lambda: write_report(opened, findings, decisions, path))

    def write_recipe(self, path: str) -> None:
        """Write the recipe with the selected steps."""
        if self.opened is not None:
            opened, findings, decisions = self.opened, self.findings, self.decisions
            self._write(lambda: write_recipe_of(opened, findings, decisions, path))

    def _write(self, work: object) -> None:
        def fail(error: Exception) -> None:
            why = write_failure(error, error.filename or "the file") if isinstance(error, OSError) else error
            self.failed.emit(f"Nothing was written: {why}")

        self._workers.run("write", work, self.written.emit, None, fail)  # type: ignore[arg-type]
