"""The audit of the open source with labels."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from qtpy.QtCore import QObject, Signal

from napari_dicommeta._napari.tasks.audit import audit_with
from napari_dicommeta._napari.words import plain

if TYPE_CHECKING:
    from napari_dicommeta._napari.state.explore import Exploration
    from napari_dicommeta._napari.state.workers import Workers

__all__ = ["Audits"]


class Audits(QObject):
    """Audits of the files that match. `begun` carries the name of the labels, `audited` what was found or None."""

    begun = Signal(str)
    audited = Signal(object)

    def __init__(self, exploration: Exploration, workers: Workers, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._exploration, self._workers = exploration, workers

    def audit(self, path: str) -> None:
        """Audit the matching files with the labels of the CSV file at `path`."""
        selection = self._exploration.selection
        if selection is None or not selection.catalog.n_files:
            self._show("Open the DICOM folder first, then drop its labels.")
            return
        files = selection.files()
        self.begun.emit(os.path.basename(path))
        self._workers.run(
            "audit", lambda: audit_with(files, path), self.audited.emit, None, lambda error: self._failed(path, error)
        )

    def end(self) -> None:
        """End the audit: it was closed, or other files are open."""
        self._workers.stop("audit")
        self.audited.emit(None)

    def _failed(self, path: str, error: Exception) -> None:
        self.audited.emit(None)
        if isinstance(error, OSError):
            self._show(f"{os.path.basename(path)} cannot be read: {error.strerror or error}")
        elif isinstance(error, ValueError):
            name = os.path.basename(path)
            self._show(str(error) if name in str(error) else f"{name}: {error}")
        else:
            self._show(f"The audit failed: {type(error).__name__}")

    def _show(self, words: str) -> None:
        from napari.utils.notifications import show_warning

        show_warning(plain(words, 400))
