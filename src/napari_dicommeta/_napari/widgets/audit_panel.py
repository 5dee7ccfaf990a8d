"""The tags that predict the labels of a CSV file, best first; shortcuts are marked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QEvent, QModelIndex, QObject, Qt, Signal
from qtpy.QtWidgets import QHBoxLayout, QHeaderView, QToolButton, QVBoxLayout, QWidget

from napari_dicommeta._napari.keys import CHOOSE
from napari_dicommeta._napari.widgets.labels import line, tip
from napari_dicommeta._napari.widgets.row_model import RowModel, row_table
from napari_dicommeta._napari.words import keyword_of
from napari_dicommeta.support.words import display

if TYPE_CHECKING:
    from napari_dicommeta._napari.tasks.audit import Audited
    from napari_dicommeta._napari.widgets.colors import Colors
    from napari_dicommeta.analysis.audit import TagAudit

__all__ = ["AuditPanel"]

_CHOOSING = tuple(getattr(Qt.Key, f"Key_{name}") for name in CHOOSE)


class _Model(RowModel):
    heads = ("Tag", "Score", "")

    def data(self, index: QModelIndex, role: int = 0) -> Any:
        row: TagAudit = self.rows[index.row()]
        column = index.column()
        if role == Qt.ItemDataRole.DisplayRole:
            return (display(keyword_of(row.keyword)), f"{row.score:.0%}", "▲ shortcut" if row.is_shortcut else "")[
                column
            ]
        if role == Qt.ItemDataRole.TextAlignmentRole and column == 1:
            return int(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        if role == Qt.ItemDataRole.ForegroundRole and self.colors is not None:
            if row.is_shortcut:
                return self.colors.warning if column == 2 else self.colors.text
            return self.colors.faint
        if role == Qt.ItemDataRole.ToolTipRole:
            chance = f"the best of all tags scores as well by chance in {row.p_value:.1%} of permutations"
            return tip(display(f"{row.keyword}: read as {row.how}, {row.gain:+.0%} against guessing; {chance}", 400))
        return None


class AuditPanel(QWidget):
    """The result of an audit. `tag_selected` carries the keyword of a tag, `closed` follows its button."""

    tag_selected = Signal(str)
    closed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("dicommeta-audit")
        self.title, self.close_button = line(), QToolButton()
        self.close_button.setText("✕")
        self.close_button.setAutoRaise(True)
        self.close_button.setToolTip("Back to the table of all tags")
        self.close_button.setAccessibleName("Close the audit")
        self.close_button.clicked.connect(self.closed)
        self.model = _Model(self)
        self.table = row_table(self.model, self)
        self.table.setTextElideMode(Qt.TextElideMode.ElideMiddle)
        self.table.setMinimumHeight(60)
        header = self.table.horizontalHeader()
        header.setDefaultAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
        header.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        header.setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
        self.table.clicked.connect(self._choose)
        self.table.installEventFilter(self)
        head = QHBoxLayout()
        head.setContentsMargins(0, 0, 0, 0)
        head.addWidget(self.title, 1)
        head.addWidget(self.close_button)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(2)
        layout.addLayout(head)
        layout.addWidget(self.table, 1)
        self.hide()

    def set_waiting(self, name: str) -> None:
        """Show that the labels of the file with this name are being read."""
        self.model.set_rows(())
        self.title.setText(display(f"Scoring all tags by {name}…"))
        self.title.setToolTip("")
        self.show()

    def set_audit(self, audited: Audited | None) -> None:
        """Show the result of an audit; None hides the panel."""
        self.model.set_rows(audited.result.tags if audited is not None else ())
        self.title.setText(display(audited.words) if audited is not None else "")
        self.title.setToolTip(tip(f"{audited.words}\n{audited.details}") if audited is not None else "")
        self.setVisible(audited is not None)

    def set_colors(self, colors: Colors) -> None:
        """Take the theme's colors."""
        self.model.colors = colors
        self.table.viewport().update()

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Choose the current tag with Enter and Space too."""
        if watched is self.table and event.type() == QEvent.Type.KeyPress and event.key() in _CHOOSING:
            self._choose(self.table.currentIndex())
            return True
        return bool(super().eventFilter(watched, event))

    def _choose(self, index: QModelIndex) -> None:
        if index.isValid():
            self.tag_selected.emit(self.model.rows[index.row()].keyword)
