"""The export menu: CSV, Parquet, Markdown, JSON, a picture, or the clipboard."""

from __future__ import annotations

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QFileDialog, QMenu, QPushButton, QSizePolicy, QWidget

__all__ = ["ExportMenu"]

TABLE_FILTER = "CSV (*.csv);;Parquet (*.parquet);;Markdown (*.md);;JSON (*.json)"


class ExportMenu(QPushButton):
    """The button Export with its menu.

    `file_requested` carries the subject ("tags", "values" or "picture"), the path, and whether to include PHI.
    `clipboard_requested` carries the subject and whether to include PHI; the clipboard gets a Markdown table.
    """

    file_requested = Signal(str, str, bool)
    clipboard_requested = Signal(str, bool)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__("Export", parent)
        self.setObjectName("dicommeta-export")
        self.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Fixed)
        self.setMinimumWidth(self.fontMetrics().horizontalAdvance("Export") + 44)
        self.setToolTip("Export this view. Identifying values are withheld unless you include them.")
        menu = QMenu(self)
        self.tags = menu.addAction("All tags…", lambda: self._ask("tags"))
        self.values = menu.addAction("Values of this tag…", lambda: self._ask("values"))
        self.picture = menu.addAction("Bar chart as picture…", lambda: self._ask("picture"))
        menu.addSeparator()
        self.copy_tags = menu.addAction("Copy tags as Markdown", lambda: self._copy("tags"))
        self.copy_values = menu.addAction("Copy values as Markdown", lambda: self._copy("values"))
        menu.addSeparator()
        self.full = menu.addAction("Include identifying values (PHI)")
        self.full.setCheckable(True)
        self.full.setToolTip("Names, dates, UIDs and rare values. The file name is then marked PHI.")
        menu.setToolTipsVisible(True)
        self.setMenu(menu)
        self.set_tag("")

    def set_tag(self, keyword: str) -> None:
        """Set the tag that is shown; "" disables the export."""
        for action in (self.tags, self.values, self.picture, self.copy_tags, self.copy_values):
            action.setEnabled(bool(keyword))

    def forget(self) -> None:
        """Reset the choice to include PHI, for another source."""
        self.full.setChecked(False)

    def _ask(self, subject: str) -> None:
        kinds = "Picture (*.png)" if subject == "picture" else TABLE_FILTER
        path, chosen = QFileDialog.getSaveFileName(self, f"Export {subject}", "", kinds)
        if path:
            suffix = chosen.partition("*")[2].rstrip(")")
            suffixes = (".png",) if subject == "picture" else (".csv", ".parquet", ".md", ".json")
            has_suffix = path.lower().endswith(suffixes)
            self.file_requested.emit(subject, path if has_suffix else path + suffix, self.full.isChecked())

    def _copy(self, subject: str) -> None:
        self.clipboard_requested.emit(subject, self.full.isChecked())
