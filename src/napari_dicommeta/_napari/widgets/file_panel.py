"""All tags of the file that is shown, with their values; odd ones are marked and can be listed alone."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QModelIndex, Qt, Signal
from qtpy.QtWidgets import (
    QCheckBox,
    QHBoxLayout,
    QHeaderView,
    QLineEdit,
    QVBoxLayout,
    QWidget,
)

from napari_dicommeta._napari.widgets.labels import line, tip
from napari_dicommeta._napari.widgets.row_model import RowModel, row_table
from napari_dicommeta.support.words import display

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_dicommeta._napari.tasks.file_tags import FileTag
    from napari_dicommeta._napari.widgets.colors import Colors

__all__ = ["FilePanel"]


class _Model(RowModel):
    heads = ("Tag", "Value in this file")

    def data(self, index: QModelIndex, role: int = 0) -> Any:
        row: FileTag = self.rows[index.row()]
        if role == Qt.ItemDataRole.DisplayRole:
            mark = "▲ " if row.odd else ""
            return display((f"{mark}{row.keyword.replace('Sequence.', ' › ')}", row.text or "(empty)")[index.column()])
        if role == Qt.ItemDataRole.ForegroundRole and self.colors is not None:
            return self.colors.warning if row.odd else self.colors.text if index.column() else self.colors.faint
        if role == Qt.ItemDataRole.ToolTipRole:
            odd = f"\n{row.odd[:1].upper()}{row.odd[1:]}." if row.odd else ""
            return tip(display(f"{row.tag} {row.keyword} · {row.vr} · {row.text}", 600) + display(odd, 300)[:300])
        return None


class FilePanel(QWidget):
    """The tags of a file. `tag_activated` carries the keyword of a tag that is double-clicked or entered."""

    tag_activated = Signal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("dicommeta-file")
        self.title = line()
        self.filter = QLineEdit()
        self.filter.setPlaceholderText("Find in this file…")
        self.filter.setClearButtonEnabled(True)
        self.only_odd = QCheckBox("Only odd")
        self.only_odd.setToolTip("Only values that differ from both slices beside it, or from most files of the folder")
        self.model = _Model(self)
        self.table = row_table(self.model, self)
        self.table.setTextElideMode(Qt.TextElideMode.ElideMiddle)
        self.table.horizontalHeader().setSectionResizeMode(QHeaderView.ResizeMode.Stretch)
        self.table.activated.connect(lambda index: self.tag_activated.emit(self.model.rows[index.row()].keyword))
        above = QHBoxLayout()
        above.setContentsMargins(0, 0, 0, 0)
        above.addWidget(self.filter, 1)
        above.addWidget(self.only_odd)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        layout.addWidget(self.title)
        layout.addLayout(above)
        layout.addWidget(self.table, 1)
        self._rows: tuple[FileTag, ...] = ()
        self.filter.textChanged.connect(self._refresh)
        self.only_odd.toggled.connect(self._refresh)

    def set_file(self, path: str, rows: Sequence[FileTag]) -> None:
        """Show the tags of the file at `path`; "" for none."""
        self._rows = tuple(rows)
        odd = sum(bool(row.odd) for row in rows)
        words = f"{display(os.path.basename(path))} · {odd} odd of {len(rows):,} tags" if path else "No slice is shown"
        self.title.setText(words)
        self.title.setToolTip(tip(display(path, 400)))
        self._refresh()

    def set_colors(self, colors: Colors) -> None:
        """Take the theme's colors."""
        self.model.colors = colors
        self.filter.setStyleSheet(f"QLineEdit {{ placeholder-text-color: {colors.faint.name()} }}")
        self.table.viewport().update()

    def _refresh(self) -> None:
        words = self.filter.text().lower().split()
        place = self.table.verticalScrollBar().value()
        self.model.set_rows(
            tuple(
                row
                for row in self._rows
                if (row.odd or not self.only_odd.isChecked())
                and all(word in f"{row.keyword} {row.tag} {row.text}".lower() for word in words)
            )
        )
        self.table.verticalScrollBar().setValue(place)
