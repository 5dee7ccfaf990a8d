"""The findings: what the counts imply, the most severe first."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QLabel, QListWidget, QListWidgetItem, QVBoxLayout, QWidget

from napari_dicommeta.meaning import display

if TYPE_CHECKING:
    from napari_dicommeta.findings import Finding

__all__ = ["FindingsList"]

WORDS = {"wrong": "Wrong", "decision": "Decide", "info": "Note"}


class FindingsList(QWidget):
    """A list of findings; choosing one says what it rests on. `finding_selected` carries its first tag's keyword."""

    finding_selected = Signal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("dicommeta-findings")
        self.list = QListWidget()
        self.list.setWordWrap(True)
        self.list.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.detail = QLabel("")
        self.detail.setTextFormat(Qt.TextFormat.PlainText)
        self.detail.setWordWrap(True)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 4, 0, 0)
        layout.addWidget(self.list, 1)
        layout.addWidget(self.detail)
        self._findings: tuple[Finding, ...] = ()
        self.list.currentRowChanged.connect(self._row_changed)
        self.set_findings(())

    def set_findings(self, findings: tuple[Finding, ...]) -> None:
        """Show these findings."""
        blocked = self.list.blockSignals(True)
        self._findings = findings
        self.list.clear()
        for finding in findings:
            self.list.addItem(QListWidgetItem(display(f"{WORDS[finding.severity]} · {finding.title}")))
        self.list.blockSignals(blocked)
        self.list.setVisible(bool(findings))
        self.detail.setText("" if findings else "Nothing found. Open a folder to have its values checked.")

    def _row_changed(self, row: int) -> None:
        if not 0 <= row < len(self._findings):
            return
        finding = self._findings[row]
        counts = "; ".join(f"{what}: {files:,} files" for what, files in finding.evidence[:6])
        self.detail.setText(display(f"{counts}. {finding.advice} ({finding.standard})", 600))
        if finding.tags:
            self.finding_selected.emit(finding.tags[0])
