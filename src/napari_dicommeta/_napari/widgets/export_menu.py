"""The menu that hands over what is seen: as CSV, Parquet, Markdown, a picture, or to the clipboard."""

from __future__ import annotations

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QFileDialog, QMenu, QPushButton, QSizePolicy, QWidget

__all__ = ["ExportMenu"]

KINDS = "CSV (*.csv);;Parquet (*.parquet);;Markdown (*.md);;JSON (*.json)"


class ExportMenu(QPushButton):
    """Export ▾. `file_requested` carries what ("tags", "values" or "picture"), the path, and whether with PHI.

    `clipboard_requested` carries what, and the same; it is put there as a Markdown table.
    """

    file_requested = Signal(str, str, bool)
    clipboard_requested = Signal(str, bool)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__("Export", parent)
        self.setObjectName("dicommeta-export")
        self.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Fixed)
        self.setMinimumWidth(self.fontMetrics().horizontalAdvance("Export") + 44)
        self.setToolTip("Hand over what is seen; what may identify a person stays here unless it is asked for")
        menu = QMenu(self)
        self.tags = menu.addAction("All tags…", lambda: self._ask("tags"))
        self.values = menu.addAction("Values of this tag…", lambda: self._ask("values"))
        self.picture = menu.addAction("Picture of the bars…", lambda: self._ask("picture"))
        menu.addSeparator()
        self.copy_tags = menu.addAction("Copy tags as Markdown", lambda: self._copy("tags"))
        self.copy_values = menu.addAction("Copy values as Markdown", lambda: self._copy("values"))
        menu.addSeparator()
        self.full = menu.addAction("With what may identify persons (PHI)")
        self.full.setCheckable(True)
        self.full.setToolTip("Names, dates, UIDs, rare values; the file's name then says PHI")
        menu.setToolTipsVisible(True)
        self.setMenu(menu)
        self.set_tag("")

    def set_tag(self, keyword: str) -> None:
        """The tag that is shown, "" for none: then nothing is open that could be handed over."""
        for action in (self.tags, self.values, self.picture, self.copy_tags, self.copy_values):
            action.setEnabled(bool(keyword))

    def forget(self) -> None:
        """Another source: what may identify persons has to be asked for anew."""
        self.full.setChecked(False)

    def _ask(self, what: str) -> None:
        kinds = "Picture (*.png)" if what == "picture" else KINDS
        path, chosen = QFileDialog.getSaveFileName(self, f"Export {what}", "", kinds)
        if path:
            suffix = chosen.partition("*")[2].rstrip(")")
            kinds_of = (".png",) if what == "picture" else (".csv", ".parquet", ".md", ".json")
            has_suffix = path.lower().endswith(kinds_of)
            self.file_requested.emit(what, path if has_suffix else path + suffix, self.full.isChecked())

    def _copy(self, what: str) -> None:
        self.clipboard_requested.emit(what, self.full.isChecked())
