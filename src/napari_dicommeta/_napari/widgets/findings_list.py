"""The list of findings by severity and size, with the evidence and the decision of each."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QAbstractListModel, QModelIndex, QRect, QSize, Qt, Signal
from qtpy.QtGui import QTextLayout
from qtpy.QtWidgets import (
    QHBoxLayout,
    QInputDialog,
    QLabel,
    QListView,
    QProgressBar,
    QPushButton,
    QScrollArea,
    QSizePolicy,
    QSplitter,
    QStyle,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QVBoxLayout,
    QWidget,
)

from napari_dicommeta._napari.widgets.labels import WHAT_TO_DO, line, paragraph, tip
from napari_dicommeta.findings.decisions import Decision, decision_on, undecided
from napari_dicommeta.support.words import counted, display

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from qtpy.QtGui import QColor, QPainter

    from napari_dicommeta._napari.widgets.colors import Colors
    from napari_dicommeta.findings.finding import Finding

__all__ = ["FindingsList"]

WORDS = {"wrong": "to fix", "decision": "to decide", "info": "to know"}
MARKS = {"wrong": "●", "decision": "▲", "info": "○"}
DECIDED = "✓"
MAX_EVIDENCE = 12
"""Lines of evidence and of files that are shown."""
MARK_WIDTH = 20
MAX_TITLE_LINES = 3
STATE_WORDS = {"accepted": "accepted", "dismissed": "dismissed", "recipe": "in the recipe"}


class _Model(QAbstractListModel):
    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.findings: tuple[Finding, ...] = ()
        self.decisions: tuple[Decision, ...] = ()

    def set_findings(self, findings: tuple[Finding, ...], decisions: tuple[Decision, ...]) -> None:
        self.beginResetModel()
        self.findings, self.decisions = findings, decisions
        self.endResetModel()

    def rowCount(self, parent: QModelIndex | None = None) -> int:
        return 0 if parent is not None and parent.isValid() else len(self.findings)

    def second_line(self, finding: Finding) -> str:
        decision = decision_on(finding, self.decisions)
        state = f"{STATE_WORDS[decision.state]}{': ' + decision.reason if decision.reason else ''}" if decision else ""
        files = counted(finding.files, "file") if finding.files else ""
        return display(" · ".join(part for part in (WORDS[finding.severity], files, state) if part), 200)

    def data(self, index: QModelIndex, role: int = 0) -> Any:
        finding = self.findings[index.row()]
        if role == Qt.ItemDataRole.DisplayRole:
            return display(finding.title, 400)
        if role == Qt.ItemDataRole.UserRole:
            return finding
        if role == Qt.ItemDataRole.ToolTipRole:
            return tip(display(f"{finding.title} · {self.second_line(finding)} · {finding.code}", 500))
        return None


class _Delegate(QStyledItemDelegate):
    """A mark in the color of the severity, up to three lines of title, then files and state.

    A longer title ends with an ellipsis; the pane below shows the whole title of the selected finding.
    """

    colors: Colors | None = None

    def title_lines(self, option: QStyleOptionViewItem, width: int, text: str) -> list[str]:
        """Return the lines of a title in a row of this width; the last ends with "…" if more follow."""
        room, lines = max(width - MARK_WIDTH - 6, 40), []
        layout = QTextLayout(text, option.font)
        layout.beginLayout()
        while (part := layout.createLine()).isValid():
            part.setLineWidth(room)
            lines.append((part.textStart(), part.textLength()))
        layout.endLayout()
        shown = [text[start : start + length].rstrip() for start, length in lines[:MAX_TITLE_LINES]]
        if len(lines) > MAX_TITLE_LINES:
            rest = text[lines[MAX_TITLE_LINES - 1][0] :]
            shown[-1] = option.fontMetrics.elidedText(rest, Qt.TextElideMode.ElideRight, room)
        return shown

    def is_elided(self, view: QListView, text: str) -> bool:
        """Return whether a title is too long for its row in `view`."""
        option = QStyleOptionViewItem()
        option.initFrom(view)
        return text != " ".join(self.title_lines(option, view.viewport().width(), text))

    def sizeHint(self, option: QStyleOptionViewItem, index: QModelIndex) -> QSize:
        view = self.parent()
        width = view.viewport().width() if isinstance(view, QListView) else 300
        n_lines = len(self.title_lines(option, width, index.data())) + 1
        return QSize(60, n_lines * option.fontMetrics.lineSpacing() + 8)

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: QModelIndex) -> None:
        if self.colors is None:
            return
        finding, model, colors = index.data(Qt.ItemDataRole.UserRole), index.model(), self.colors
        painter.save()
        if option.state & QStyle.StateFlag.State_Selected:
            painter.fillRect(option.rect, colors.selection)
        is_decided = decision_on(finding, model.decisions) is not None
        title = self.title_lines(option, option.rect.width(), index.data())
        room, spacing = option.rect.width() - MARK_WIDTH - 4, option.fontMetrics.lineSpacing()
        place = QRect(option.rect.x() + MARK_WIDTH, option.rect.y() + 3, room, len(title) * spacing)
        mark = QRect(option.rect.x(), place.y(), MARK_WIDTH, option.fontMetrics.height())
        painter.setPen(colors.faint if is_decided else _severity_color(colors, finding.severity))
        center = int((Qt.AlignmentFlag.AlignHCenter | Qt.AlignmentFlag.AlignTop).value)
        painter.drawText(mark, center, DECIDED if is_decided else MARKS[finding.severity])
        painter.setPen(colors.faint if is_decided else colors.text)
        painter.setClipRect(option.rect)
        for n, text in enumerate(title):
            painter.drawText(place.x(), place.y() + n * spacing + option.fontMetrics.ascent(), text)
        painter.setPen(colors.faint)
        below = QRect(place.x(), place.bottom() + 1, place.width(), spacing)
        words = option.fontMetrics.elidedText(model.second_line(finding), Qt.TextElideMode.ElideRight, below.width())
        painter.drawText(below, Qt.AlignmentFlag.AlignVCenter, words)
        painter.restore()


def _severity_color(colors: Colors, severity: str) -> QColor:
    return {"wrong": colors.error, "decision": colors.warning, "info": colors.faint}[severity]


class FindingsList(QWidget):
    """A list of findings, with the evidence of the selected finding below it.

    `finding_selected` carries the selected `Finding`. `decision_made` carries the finding, the state ("accepted",
    "dismissed", "recipe", or "" to undo), and the reason. `pixels_requested` and `cancel_requested` start and stop the
    check of pixels; `recipe_requested` and `report_requested` ask for the files, `page_requested` for the page of a
    code. `files_of` returns the files of a finding that no filter leads to.
    """

    finding_selected = Signal(object)
    decision_made = Signal(object, str, str)
    pixels_requested = Signal()
    cancel_requested = Signal()
    recipe_requested = Signal()
    report_requested = Signal()
    page_requested = Signal(str)

    def __init__(
        self, files_of: Callable[[Finding], Sequence[str]] = lambda _: (), parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self.setObjectName("dicommeta-findings")
        self._files_of = files_of
        self.summary = QLabel("")
        self._empty = WHAT_TO_DO
        self.summary.setTextFormat(Qt.TextFormat.PlainText)
        self.summary.setWordWrap(True)
        self.model = _Model(self)
        self.list = QListView()
        self.list.setModel(self.model)
        self.list.setWordWrap(True)
        self.list.setMinimumHeight(60)
        self.list.setResizeMode(QListView.ResizeMode.Adjust)
        self.list.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.list.setStyleSheet("QListView { background: transparent; }")
        self.list.setEditTriggers(QListView.EditTrigger.NoEditTriggers)
        self.delegate = _Delegate(self.list)
        self.list.setItemDelegate(self.delegate)
        self.detail = QLabel("")
        self.detail.setTextFormat(Qt.TextFormat.PlainText)
        self.detail.setWordWrap(True)
        self.detail.setAlignment(Qt.AlignmentFlag.AlignTop)
        self.detail.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.detail.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        scroll = QScrollArea()
        scroll.setWidgetResizable(True)
        scroll.setMinimumHeight(40)
        scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        scroll.setWidget(self.detail)
        self.buttons = {
            "accepted": self._button("Accept", "Keep the data as they are"),
            "dismissed": self._button("Dismiss…", "Not a problem in this data set: give a reason"),
            "recipe": self._button("To recipe", "Add the step for this finding to the recipe"),
        }
        for state, button in self.buttons.items():
            button.setCheckable(True)
            button.clicked.connect(lambda checked, state=state: self._decide(state, checked))
        self.decide_line = QWidget()
        decide = QHBoxLayout(self.decide_line)
        decide.setContentsMargins(0, 0, 0, 0)
        for button in self.buttons.values():
            decide.addWidget(button)
        self.page_button = self._button("Explain…", "Show what findings of this kind mean, with an example")
        self.page_button.clicked.connect(self._ask_for_page)
        decide.addWidget(self.page_button)
        self.below = QWidget()
        below_layout = QVBoxLayout(self.below)
        below_layout.setContentsMargins(0, 0, 0, 0)
        below_layout.addWidget(scroll, 1)
        self.picture_place = QVBoxLayout()
        below_layout.addLayout(self.picture_place)
        below_layout.addWidget(self.decide_line)
        self.splitter = QSplitter(Qt.Orientation.Vertical)
        self.splitter.addWidget(self.list)
        self.splitter.addWidget(self.below)
        self.splitter.setChildrenCollapsible(False)
        self.splitter.setSizes([360, 280])
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 4, 0, 0)
        layout.addWidget(self.summary)
        layout.addWidget(self.splitter, 1)
        self.hint = line()
        self.hint.setText("Select a finding to see its evidence and its files.")
        layout.addWidget(self.hint)
        self.result = line()
        self.result.hide()
        layout.addWidget(self.result)
        layout.addWidget(self._progress_line())
        layout.addWidget(self._actions_line())
        self.list.selectionModel().currentChanged.connect(lambda index, _: self._row_changed(index))
        self.list.clicked.connect(self._clicked)
        self.list.activated.connect(self._clicked)
        self._last_clicked: Finding | None = None
        """The first click on a finding already emits a change."""
        self.set_findings(())

    def _button(self, text: str, tooltip: str) -> QPushButton:
        button = QPushButton(text)
        button.setToolTip(tip(tooltip))
        return button

    def _progress_line(self) -> QWidget:
        self.progress = QWidget()
        self.bar = QProgressBar()
        self.bar.setTextVisible(False)
        self.bar.setFixedHeight(6)
        self.progress_words = QLabel("")
        self.progress_words.setTextFormat(Qt.TextFormat.PlainText)
        self.cancel_button = self._button("Cancel", "Stop the check and keep its findings so far")
        self.cancel_button.clicked.connect(self.cancel_requested)
        progress = QHBoxLayout(self.progress)
        progress.setContentsMargins(0, 0, 0, 0)
        progress.addWidget(self.bar, 1)
        progress.addWidget(self.progress_words)
        progress.addWidget(self.cancel_button)
        self.progress.hide()
        return self.progress

    def _actions_line(self) -> QWidget:
        self.actions_line = QWidget()
        self.pixels_button = self._button("Check pixels", "Check samples of the pixels against the tags: are they HU?")
        self.report_button = self._button("Report…", "Save the findings as Markdown")
        self.recipe_button = self._button("Recipe…", "Save a script that makes the same arrays, with the chosen steps")
        actions = QHBoxLayout(self.actions_line)
        actions.setContentsMargins(0, 0, 0, 0)
        self._is_checking = False
        self.pixels_button.clicked.connect(lambda: None if self._is_checking else self.pixels_requested.emit())
        self.report_button.clicked.connect(self.report_requested)
        self.recipe_button.clicked.connect(self.recipe_requested)
        for button in (self.pixels_button, self.report_button, self.recipe_button):
            actions.addWidget(button)
        return self.actions_line

    def set_colors(self, colors: Colors) -> None:
        """Take the theme's colors."""
        self.delegate.colors = colors
        self.list.viewport().update()

    def set_findings(self, findings: tuple[Finding, ...], decisions: Sequence[Decision] = (), empty: str = "") -> None:
        """Show findings and decisions without a signal, and keep the selection. Decided findings come last."""
        selected = self.selected()
        findings = tuple(sorted(findings, key=lambda finding: decision_on(finding, decisions) is not None))
        model = self.list.selectionModel()
        blocked = model.blockSignals(True)
        self.model.set_findings(findings, tuple(decisions))
        at = next(
            (i for i, finding in enumerate(findings) if selected is not None and _key(finding) == _key(selected)), None
        )
        if at is not None:
            self.list.setCurrentIndex(self.model.index(at, 0))
        model.blockSignals(blocked)
        counts = Counter(finding.severity for finding in undecided(findings, decisions))
        words = [f"{counts[severity]} {text}" for severity, text in WORDS.items() if counts[severity]]
        n_decided = len(findings) - counts.total()
        self.summary.setText(
            " · ".join([*words, *([f"{n_decided} decided {DECIDED}"] if n_decided else [])]) or empty or self._empty
        )
        self.summary.setAlignment(Qt.AlignmentFlag.AlignLeft if findings else Qt.AlignmentFlag.AlignCenter)
        self.splitter.setVisible(bool(findings))
        self._show(findings[at] if at is not None else None)

    def set_empty_text(self, text: str) -> None:
        """Set the text for an empty list."""
        self._empty = paragraph(text)
        if not self.model.findings:
            self.summary.setText(self._empty)

    def set_progress(self, words: str, done: int = 0, total: int = 0) -> None:
        """Show the progress of a check; empty words hide it."""
        self.progress.setVisible(bool(words))
        self.bar.setRange(0, max(total, 1))
        self.bar.setValue(done)
        self.progress_words.setText(f"{words} {done:,} of {total:,}" if words else "")
        self._is_checking = bool(words)
        self.pixels_button.setText("Checking…" if words else "Check pixels")  # disabled, it would lose the focus
        if words:
            self.set_result("")

    def set_result(self, words: str) -> None:
        """Show what the check of pixels found; "" hides the line."""
        self.result.setText(words)
        self.result.setVisible(bool(words))

    def set_source(self, is_there: bool) -> None:
        """Show or hide the buttons that need a source."""
        self.actions_line.setVisible(is_there)

    def selected(self) -> Finding | None:
        """Return the selected finding."""
        index = self.list.currentIndex()
        return self.model.findings[index.row()] if 0 <= index.row() < len(self.model.findings) else None

    def _clicked(self, index: QModelIndex) -> None:
        """Emit the finding again on a second click, for example after its filter was removed."""
        finding = self.selected()
        if index.isValid() and finding is not None and finding is self._last_clicked:
            self.finding_selected.emit(finding)
        self._last_clicked = finding

    def _row_changed(self, index: QModelIndex) -> None:
        finding = self.selected() if index.isValid() else None
        self._show(finding)
        if finding is not None:
            self.finding_selected.emit(finding)

    def _show(self, finding: Finding | None) -> None:
        if self.below.isHidden() == (finding is not None):
            self.below.setVisible(finding is not None)
            self.splitter.refresh()  # at once: a click may follow
        self.hint.setVisible(finding is None and bool(self.model.findings))
        if finding is None:
            self.detail.setText("")
            return
        lines = [display(finding.title, 2000)] if self.delegate.is_elided(self.list, finding.title) else []
        lines += [finding.meaning] if finding.meaning else []
        if finding.evidence:
            evidence = [f"  {files:>9,}  {display(text, 80)}" for text, files in finding.evidence[:MAX_EVIDENCE]]
            more = len(finding.evidence) - MAX_EVIDENCE
            lines.append("\n".join([*evidence, *([f"  … and {more} more"] if more > 0 else [])]))
        files = self._files_of(finding)
        if files:
            others = [f"… and {len(files) - MAX_EVIDENCE:,} more"] if len(files) > MAX_EVIDENCE else []
            lines.append("\n".join([*(display(text, 200) for text in files[:MAX_EVIDENCE]), *others]))
        if finding.advice:
            lines.append(f"→ {finding.advice}")
        lines.append(" · ".join(part for part in (", ".join(finding.tags), finding.standard) if part))
        self.detail.setText("\n\n".join(paragraph(line, 2000) for line in lines if line))
        decision = decision_on(finding, self.model.decisions)
        for state, button in self.buttons.items():
            button.setChecked(decision is not None and decision.state == state)

    def _ask_for_page(self) -> None:
        if (finding := self.selected()) is not None:
            self.page_requested.emit(finding.code)

    def _decide(self, state: str, checked: bool) -> None:
        finding = self.selected()
        if finding is None:
            return
        reason = ""
        if checked and state == "dismissed":
            reason, is_given = QInputDialog.getText(self, "Dismiss", "Why is this not a problem here?")
            if not is_given:
                self._show(finding)
                return
        self.decision_made.emit(finding, state if checked else "", reason.strip())


def _key(finding: Finding) -> tuple[str, tuple[str, ...], str]:
    return finding.code, finding.tags, finding.title
