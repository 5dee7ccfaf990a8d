"""The Findings tab: the list of findings, the histogram of pixels, and the dialogs for report and recipe."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QFileDialog, QVBoxLayout, QWidget

from napari_dicommeta._napari.state.check import Checks
from napari_dicommeta._napari.widgets.finding_page import FindingPage
from napari_dicommeta._napari.widgets.findings_list import FindingsList
from napari_dicommeta._napari.widgets.range_bins import RangeBins
from napari_dicommeta._napari.words import plain
from napari_dicommeta.support.words import counted

if TYPE_CHECKING:
    from napari_dicommeta._napari.state.workers import Workers
    from napari_dicommeta._napari.tasks.source import Opened
    from napari_dicommeta._napari.widgets.colors import Colors
    from napari_dicommeta.findings.finding import Finding

__all__ = ["FindingsTab"]


class FindingsTab(QWidget):
    """The tab. `finding_chosen` carries the selected finding, `counted` the number of those to fix or decide on."""

    finding_chosen = Signal(object)
    counted = Signal(int)

    def __init__(self, sources: Workers, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.checks = Checks(sources, self)
        self.list, self.picture = FindingsList(self.checks.files_of), RangeBins("pixel")
        self.page = FindingPage(self)
        self.picture.setMaximumHeight(90)
        self.picture.hide()
        self.list.picture_place.addWidget(self.picture)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.list)
        self.checks.findings_changed.connect(self._show)
        self.checks.progressed.connect(self.list.set_progress)
        self.checks.pixels_checked.connect(self._pixels_checked)
        self.checks.written.connect(self._written)
        self.checks.failed.connect(self._failed)
        self.list.finding_selected.connect(self._chosen)
        self.list.page_requested.connect(self.page.show_code)
        self.list.decision_made.connect(self.checks.decide)
        self.list.pixels_requested.connect(self.checks.look_at_pixels)
        self.list.cancel_requested.connect(self.checks.cancel)
        self.list.report_requested.connect(
            lambda: self._ask("findings.md", "Markdown (*.md)", self.checks.write_report)
        )
        self.list.recipe_requested.connect(lambda: self._ask("recipe.py", "Python (*.py)", self.checks.write_recipe))
        self.list.set_source(False)

    def set_opened(self, opened: Opened) -> None:
        """Check this source."""
        self.list.set_source(bool(opened.catalog.n_files))
        self.checks.set_opened(opened)

    def set_empty_text(self, text: str) -> None:
        """Set the text for an empty list."""
        self.list.set_empty_text(text)

    def forget(self) -> None:
        """Clear the findings, for another source."""
        self.list.set_source(False)
        self.picture.hide()
        self.list.set_result("")
        self.checks.set_opened(None)

    def look_further(self) -> None:
        """Check the volumes, then the pixels."""
        self.checks.look_at_volumes()

    def set_colors(self, colors: Colors) -> None:
        """Take the theme's colors."""
        self.list.set_colors(colors)
        self.picture.set_colors(colors)

    def _show(self) -> None:
        findings = self.checks.findings
        is_open = self.checks.opened is not None and self.checks.opened.catalog.n_files
        self.list.set_findings(findings, self.checks.decisions, "No problems found in the values." if is_open else "")
        self.counted.emit(self.checks.undecided)

    def _chosen(self, finding: Finding) -> None:
        bins = self.checks.picture_of(finding)
        self.picture.setVisible(bins is not None)
        self.picture.set_bins(bins)
        if not self.checks.files_of(finding):
            self.finding_chosen.emit(finding)

    def _pixels_checked(self, volumes: int, findings: int) -> None:
        found = counted(findings, "finding") if findings else "nothing odd"
        self.list.set_result(f"Pixels of {counted(volumes, 'volume')} checked: {found}")

    def _ask(self, name: str, kind: str, write: object) -> None:
        path, _ = QFileDialog.getSaveFileName(self, f"Save {name}", name, kind)
        if path:
            write(path)  # type: ignore[operator]

    def _written(self, path: str) -> None:
        from napari.utils.notifications import show_info

        show_info(plain(f"Wrote {path}", 400))

    def _failed(self, words: str) -> None:
        from napari.utils.notifications import show_error

        show_error(plain(words, 400))
