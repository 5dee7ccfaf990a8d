"""State of tags, bars and filters: the query, its scope, and the resulting picture and rows."""

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
"""Delay after the last filter before the tags of many files are counted, so that bars and series come first."""
AT_ONCE = 12_000_000
"""Largest number of files times tags counted at once, to be painted together with the bars.

This takes 12 ms if most tags have one value per series, 40 ms if every file differs in every tag.
"""


class Exploration(QObject):
    """Filters, scope and selected tag over a catalog.

    Signals: `filters_changed` when other files match; `picture_changed` when `picture` changes, once after all changes
    of an event and before painting; `rows_counted` the tag rows of the matching files in scope.
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
        self._picture_due.connect(self._emit_picture, Qt.ConnectionType.QueuedConnection)
        self._count_timer = QTimer(self, singleShot=True, interval=COUNT_MS, timeout=self._count_in_thread)
        self._base: tuple[tuple[object, ...], Catalog] | None = None

    def set_catalog(self, catalog: Catalog | None, rows: tuple[TagRow, ...], is_whole: bool = True) -> None:
        """Explore this catalog without any filter; ``is_whole=False``: the catalog of a running scan."""
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
        """Change the tag, the scope or the view."""
        before, self.query = self.query, query
        if query.scope != before.scope:
            self.count_rows()
        if query != before:
            self.change_picture()

    def set_active(self, series: Series | None) -> None:
        """Set the series of the active layer, None without one; it may be of an earlier source."""
        if series is not self.active:
            self.active = series
            self._update_scopes(("study", "series"))

    def set_chosen(self, series: Sequence[Series]) -> None:
        """Set the series that are selected in the tree."""
        self.chosen = tuple(series)
        self._update_scopes(("selection",))

    def _update_scopes(self, scopes: tuple[str, ...]) -> None:
        if self.query.scope in scopes:
            self.count_rows()
        self.change_picture()

    def set_other(self, other: Other | None, differences: dict[str, TagDifference] | None = None) -> None:
        """Compare with another folder; None ends the comparison."""
        self.other, self.differences = other, differences or {}
        self.count_rows()
        self.change_picture()

    def base(self) -> Catalog | None:
        """Return the files of the scope; all files if the scope does not exist now."""
        if self.catalog is None:
            return None
        key = (self.query.scope, id(self.catalog), id(self.active), tuple(map(id, self.chosen)))
        if self._base is None or self._base[0] != key:
            scope = scope_catalog(self.catalog, self.query.scope, self.active, self.chosen)
            self._base = (key, self.catalog if scope is None else scope)
        return self._base[1]

    def files(self) -> Catalog | None:
        """Return the files of the scope that pass the filters."""
        base = self.base()
        return base if base is None or self.selection is None else Selection(base, self.selection.filters).files()

    def is_there(self, scope: str) -> bool:
        """Return whether this scope exists now."""
        if scope == "folder":
            return True
        return bool(self.chosen) if scope == "selection" else self.active is not None

    def picture(self) -> Shown:
        """Return what the widgets show; switch to the folder if the scope no longer exists."""
        if not self.is_there(self.query.scope):  # counts of other files must not carry the scope's name
            self.query = replace(self.query, scope="folder")
            self.count_rows()
        is_counted = self.query.scope != "selection" or self.active in self.chosen
        is_counted = is_counted and not self.is_active_elsewhere()
        return resolve(self.query, self.base(), self.selection, self.active if is_counted else None, self.other)

    def is_active_elsewhere(self) -> bool:
        """Return whether the active layer is of a source that is not open now: its files are no part of this one."""
        if self.catalog is None or self.active is None:
            return False
        return not any(self.active is series for series in self.catalog.series)

    def change_picture(self) -> None:
        """Schedule `picture_changed`, once for all changes of an event."""
        if not self.is_picture_due:
            self.is_picture_due = True
            self._picture_due.emit()

    def _emit_picture(self) -> None:
        self.is_picture_due = False
        self.picture_changed.emit()

    def matches(self, series: Sequence[Series]) -> list[int]:
        """Return the number of matching files of each series; [] without a filter."""
        return self.selection.matches(series) if self.selection is not None and self.selection.filters else []

    # -- filters ------------------------------------------------------------------------------------

    def toggle(self, keyword: str, text: str | None, by: str = "meaning") -> None:
        """Add or remove a value of a tag as a filter; None stands for the files without the tag."""
        if self.selection is not None:
            self.select(self.selection.toggled(keyword, text, by))

    def toggle_pair(self, tags: tuple[str, str], pair: tuple[str | None, str | None]) -> None:
        """Add or remove a pair of values that occur together as a filter."""
        if self.selection is not None:
            self.select(self.selection.toggled_pair(tags, pair))

    def set_filter(self, tag: Tags, condition: Condition) -> None:
        """Set the condition on a tag, replacing its filter; the same condition again removes it."""
        if self.selection is None:
            return
        is_same = dict(self.selection.filters).get(tag) == condition
        self.select(self.selection.without(tag) if is_same else self.selection.with_filter(tag, condition))

    def remove_filter(self, tag: Tags) -> None:
        """Remove the filter of a tag; "" removes all."""
        if self.selection is not None:
            self.select(self.selection.without(tag) if tag else Selection(self.selection.catalog))

    def choose(self, conditions: Sequence[tuple[Tags, Condition]]) -> None:
        """Replace all filters by these conditions."""
        if self.selection is not None:
            self.select(Selection(self.selection.catalog, tuple(conditions)))

    def select(self, selection: Selection) -> None:
        """Use `selection` and update everything that depends on it."""
        self.selection = selection
        self.filters_changed.emit()
        self.change_picture()
        self.count_rows()

    # -- rows ---------------------------------------------------------------------------------------

    def count_rows(self) -> None:
        """Count the tags of the matching files in scope: at once if that is fast, else in a thread."""
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
        """Whether the rows of the tags are still being counted."""
        return self._count_timer.isActive() or self._workers.is_running("rows")

    def _count_in_thread(self) -> None:
        files = self.files()
        if files is not None:
            self._workers.run("rows", lambda: tag_rows(files), self._counted)

    @property
    def rows(self) -> tuple[TagRow, ...]:
        """The tags of all files."""
        return self._rows

    def _counted(self, rows: tuple[TagRow, ...]) -> None:
        if self.other is not None:
            rows = with_differences(rows, self.differences)
        self.rows_counted.emit(rows)
