"""The state behind tags, bars and filters: what is asked for, over what, and the pictures and rows that follow."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from qtpy.QtCore import QObject, Qt, QTimer, Signal

from napari_dicommeta._napari.tasks.compare import with_differences
from napari_dicommeta._napari.tasks.explore import Other, Query, Shown, resolve, scope_catalog
from napari_dicommeta._napari.tasks.rows import tag_rows
from napari_dicommeta.catalog.selection import Selection

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_dicommeta._napari.state.workers import Workers
    from napari_dicommeta._napari.tasks.rows import TagRow
    from napari_dicommeta.analysis.compare import TagDifference
    from napari_dicommeta.catalog.catalog import Catalog, Series
    from napari_dicommeta.catalog.conditions import Condition, Tags

__all__ = ["Exploration"]

COUNT_MS = 20
"""After the last filter, until the tags of many files are counted: bars and series come first."""
AT_ONCE = 12_000_000
"""Files times tags up to which they are counted at once, to be painted together with the bars.

12 ms where most tags are one value a series, 40 ms where every file differs in all of them.
"""


class Exploration(QObject):
    """Filters, scope and chosen tag over a catalog.

    `filters_changed` says that other files match; `picture_changed` that `picture` gives another one, once after all
    changes of an event and before anything is painted; `rows_counted` carries the tag rows of the files that are in
    scope and match.
    """

    filters_changed = Signal()
    picture_changed = Signal()
    _picture_due = Signal()
    rows_counted = Signal(tuple)

    def __init__(self, sources: Workers, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._workers = sources
        self.catalog: Catalog | None = None
        self.query = Query()
        self.selection: Selection | None = None
        self.active: Series | None = None
        self.chosen: tuple[Series, ...] = ()
        self.other: Other | None = None
        self.differences: dict[str, TagDifference] = {}
        self._rows: tuple[TagRow, ...] = ()
        self.is_picture_due = False
        self._picture_due.connect(self._tell_picture, Qt.ConnectionType.QueuedConnection)
        self._count_timer = QTimer(self, singleShot=True, interval=COUNT_MS, timeout=self._count_in_thread)
        self._base: tuple[tuple[object, ...], Catalog] | None = None

    def set_catalog(self, catalog: Catalog | None, rows: tuple[TagRow, ...], is_whole: bool = True) -> None:
        """Explore this catalog, of a source or, with ``is_whole=False``, of a scan so far: without any filter."""
        self.catalog, self._rows, self._base = catalog, rows, None
        self.selection = Selection(catalog) if catalog is not None and is_whole else None
        self.active, self.chosen = None, ()
        if self.query.scope != "folder":
            self.query = replace(self.query, scope="folder")
        if is_whole:
            self.filters_changed.emit()
        self.count_rows()
        self.change_picture()

    def set_query(self, query: Query) -> None:
        """Look at another tag, over other files, or as something else."""
        before, self.query = self.query, query
        if query.scope != before.scope:
            self.count_rows()
        if query != before:
            self.change_picture()

    def set_active(self, series: Series | None) -> None:
        """The series of the active layer."""
        if series is not self.active:
            self.active = series
            self._followed(("study", "series"))

    def set_chosen(self, series: Sequence[Series]) -> None:
        """The series that are marked in the tree."""
        self.chosen = tuple(series)
        self._followed(("selection",))

    def _followed(self, scopes: tuple[str, ...]) -> None:
        if self.query.scope in scopes:
            self.count_rows()
        self.change_picture()

    def set_other(self, other: Other | None, differences: dict[str, TagDifference] | None = None) -> None:
        """Compare with another folder, or no longer."""
        self.other, self.differences = other, differences or {}
        self.count_rows()
        self.change_picture()

    def base(self) -> Catalog | None:
        """The files of the scope; all where there is no such scope now."""
        if self.catalog is None:
            return None
        key = (self.query.scope, id(self.catalog), id(self.active), tuple(map(id, self.chosen)))
        if self._base is None or self._base[0] != key:
            found = scope_catalog(self.catalog, self.query.scope, self.active, self.chosen)
            self._base = (key, self.catalog if found is None else found)
        return self._base[1]

    def files(self) -> Catalog | None:
        """Those of the scope that pass the filters."""
        base = self.base()
        return base if base is None or self.selection is None else Selection(base, self.selection.filters).files()

    def is_there(self, scope: str) -> bool:
        """Whether there are files of this scope now."""
        if scope == "folder":
            return True
        return bool(self.chosen) if scope == "selection" else self.active is not None

    def picture(self) -> Shown:
        """What the widgets show now; over the folder where there is no such scope any more."""
        if not self.is_there(self.query.scope):  # nothing else is counted under its name
            self.query = replace(self.query, scope="folder")
            self.count_rows()
        is_counted = self.query.scope != "selection" or self.active in self.chosen
        return resolve(self.query, self.base(), self.selection, self.active if is_counted else None, self.other)

    def change_picture(self) -> None:
        """Something that `picture` shows is another."""
        if not self.is_picture_due:
            self.is_picture_due = True
            self._picture_due.emit()

    def _tell_picture(self) -> None:
        self.is_picture_due = False
        self.picture_changed.emit()

    def matches(self, series: Sequence[Series]) -> list[int]:
        """How many files of each series match; empty without a filter."""
        return self.selection.matches(series) if self.selection is not None and self.selection.filters else []

    # -- filters ------------------------------------------------------------------------------------

    def toggle(self, keyword: str, text: str | None, by: str = "meaning") -> None:
        """Filter by a value of a tag, None for the files without it, or no longer."""
        if self.selection is not None:
            self.select(self.selection.toggled(keyword, text, by))

    def toggle_pair(self, tags: tuple[str, str], pair: tuple[str | None, str | None]) -> None:
        """Filter by two values that stand together, or no longer."""
        if self.selection is not None:
            self.select(self.selection.toggled_pair(tags, pair))

    def set_filter(self, tag: Tags, condition: Condition) -> None:
        """Filter by a condition on a tag, in place of the one it has; the same again: no longer."""
        if self.selection is None:
            return
        is_same = dict(self.selection.filters).get(tag) == condition
        self.select(self.selection.without(tag) if is_same else self.selection.with_filter(tag, condition))

    def remove_filter(self, tag: Tags) -> None:
        """Remove the filter of a tag; "" removes all."""
        if self.selection is not None:
            self.select(self.selection.without(tag) if tag else Selection(self.selection.catalog))

    def choose(self, conditions: Sequence[tuple[Tags, Condition]]) -> None:
        """Filter by these conditions in place of all others."""
        if self.selection is not None:
            self.select(Selection(self.selection.catalog, tuple(conditions)))

    def select(self, selection: Selection) -> None:
        """Let everything follow `selection`."""
        self.selection = selection
        self.filters_changed.emit()
        self.change_picture()
        self.count_rows()

    # -- rows ---------------------------------------------------------------------------------------

    def count_rows(self) -> None:
        """Count the tags of the files in scope that match: at once where that is known, else in a thread."""
        self._workers.stop("rows")
        files = self.files()
        if files is None or files is self.catalog:
            self._count_timer.stop()
            self._counted(self._rows)
        elif files.n_files * len(self._rows) <= AT_ONCE:
            self._count_timer.stop()
            self._counted(tag_rows(files))
        else:
            self._count_timer.start()

    @property
    def is_counting(self) -> bool:
        """Whether the rows of the tags are still to come."""
        return self._count_timer.isActive() or self._workers.is_running("rows")

    def _count_in_thread(self) -> None:
        files = self.files()
        if files is not None:
            self._workers.run("rows", lambda: tag_rows(files), self._counted)

    def _counted(self, rows: tuple[TagRow, ...]) -> None:
        if self.other is not None:
            rows = with_differences(rows, self.differences)
        self.rows_counted.emit(rows)
