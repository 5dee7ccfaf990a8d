"""State of the series tree: which series are open, which are found, how many of their files match, and their notes."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, QTimer

from napari_dicommeta._napari.reader import volumes_in
from napari_dicommeta._napari.tasks.find import series_matching
from napari_dicommeta._napari.tasks.rows import SeriesRow, noted

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from napari_dicommeta._napari.tasks.source import Opened
    from napari_dicommeta.volumes.refusal import Refusal
    from napari_dicommeta.volumes.volume import Volume

__all__ = ["SeriesRows"]

NOTES_MS = 200
"""Delay that collects the notes of many series, to show them together."""


class SeriesRows(QObject):
    """Rows of the series tree. `matches` returns the number of matching files of each series, [] without a filter."""

    def __init__(self, viewer: Any, tree: Any, matches: Callable[[], list[int]], parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._viewer, self._tree, self._matches = viewer, tree, matches
        self._opened: Opened | None = None
        self.rows: list[SeriesRow] = []
        self._noted: list[int] = []
        self.shown: Opened | None = None
        """The source whose rows are in the tree; another one comes with the next `show`."""
        self._search = ""
        self._found: frozenset[int] | None = None
        """The numbers of the series that the search finds; None without a search."""
        self._timer = QTimer(self, singleShot=True, interval=NOTES_MS, timeout=self._show_notes)

    def set_opened(self, opened: Opened) -> None:
        """Take the series of this source, none of them selected."""
        self._opened, self.rows, self._noted = opened, list(opened.rows), []
        self._tree.forget()
        self._tree.forget_pictures()
        self.shown = None
        self._found = self._find()

    def set_search(self, text: str) -> None:
        """Show only the series that `text` finds."""
        self._search = text.strip()
        self._found = self._find()
        self.show()

    def _find(self) -> frozenset[int] | None:
        opened = self._opened
        if opened is None or not self._search:
            return None
        file_rows = [series.rows for series in opened.series]
        return series_matching(opened.catalog, self.rows, file_rows, opened.tags, self._search)

    def show(self) -> None:
        """Show the series that match."""
        if self._opened is None:
            return
        self.shown = self._opened
        names, matches = self._open_names(), self._matches()
        rows = (row for row in self.rows if not matches or matches[row.number])
        if self._found is not None:
            rows = (row for row in rows if row.number in self._found)
        self._tree.set_rows(tuple(self._as_shown(row, names, matches) for row in rows), self.rows)

    def note(self, result: tuple[Opened, int, SeriesRow]) -> None:
        """Take the notes of one series, (source, number, row), and show them soon."""
        opened, number, row = result
        if self._opened is opened:
            self.rows[number] = row
            self._noted.append(number)
            if not self._timer.isActive():
                self._timer.start()

    def note_opened(self, number: int, volumes: Sequence[Volume], refusals: Sequence[Refusal]) -> None:
        """Take the notes of a series that was opened."""
        self.rows[number] = noted(self.rows[number], volumes, refusals)

    def _show_notes(self) -> None:
        numbers, self._noted = self._noted, []
        names, matches = self._open_names(), self._matches()
        for number in numbers:
            self._tree.set_row(self._as_shown(self.rows[number], names, matches))
        self._tree.sort_again()

    def _open_names(self) -> dict[str, set[str]]:
        """Return the UIDs of the open series -> names of their open volumes."""
        names: dict[str, set[str]] = {}
        for volume in volumes_in(self._viewer.layers):
            names.setdefault(volume.series_instance_uid, set()).add(volume.name)
        return names

    def _as_shown(self, row: SeriesRow, open_names: dict[str, set[str]], all_matches: list[int]) -> SeriesRow:
        """Return `row` with its open volumes and its number of matching files."""
        assert self._opened is not None
        names = open_names.get(self._opened.series[row.number].series_instance_uid)
        matches = all_matches[row.number] if all_matches else None
        if names is None and matches is None:
            return row
        open_volumes = tuple(name for name in row.volumes if name in (names or ()))
        return replace(row, is_open=names is not None, matches=matches, open_volumes=open_volumes)
