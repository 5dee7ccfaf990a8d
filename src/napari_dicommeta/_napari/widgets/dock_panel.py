"""The parts of the dock "DICOM", and what they show of the open source and of the active layer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import Qt, QTimer
from qtpy.QtWidgets import QSplitter, QTabWidget

from napari_dicommeta._napari.reader import catalog_of, volume_of, volumes_in
from napari_dicommeta._napari.settings import is_preferred, prefer, recent_folders
from napari_dicommeta._napari.state.audit import Audits
from napari_dicommeta._napari.state.explore import Exploration
from napari_dicommeta._napari.state.export import Exports
from napari_dicommeta._napari.state.growth import Growth
from napari_dicommeta._napari.state.layers import LayerQueue
from napari_dicommeta._napari.state.saved_filters import SavedFilters
from napari_dicommeta._napari.state.series import SeriesRows
from napari_dicommeta._napari.state.settings import DockSettings
from napari_dicommeta._napari.state.sources import Sources
from napari_dicommeta._napari.state.view import View
from napari_dicommeta._napari.state.workers import Workers
from napari_dicommeta._napari.tasks.explore import SCOPES
from napari_dicommeta._napari.tasks.file_tags import file_tags
from napari_dicommeta._napari.tasks.find import condition_of, find_values, without_condition
from napari_dicommeta._napari.tasks.pictures import sheet_rows
from napari_dicommeta._napari.tasks.source import Opened, series_of
from napari_dicommeta._napari.widgets.colors import theme_colors
from napari_dicommeta._napari.widgets.dock_frame import DockFrame
from napari_dicommeta._napari.widgets.filter_bar import FilterBar
from napari_dicommeta._napari.widgets.findings_tab import FindingsTab
from napari_dicommeta._napari.widgets.images_tab import ContactSheet
from napari_dicommeta._napari.widgets.series_tab import SeriesTab
from napari_dicommeta._napari.widgets.source_bar import SourceBar
from napari_dicommeta._napari.widgets.tags_tab import TagsTab
from napari_dicommeta._napari.widgets.view_bar import ViewBar
from napari_dicommeta._napari.widgets.window_panel import WindowPanel
from napari_dicommeta.volumes.along_slices import is_of_frames, values_along

if TYPE_CHECKING:
    import napari
    from qtpy.QtWidgets import QWidget

    from napari_dicommeta.catalog.conditions import Condition, Tags
    from napari_dicommeta.findings.finding import Finding
    from napari_dicommeta.volumes.volume import Volume

__all__ = ["DockPanel"]

FILE_MS = 60
"""Delay after a change of slice before the tags of its file are listed."""
SIDE_BY_SIDE = 1250
"""Pixels of the dock's width from which the series are beside the tabs."""
SERIES_WIDTH = 360
"""Pixels of the series beside the tabs."""
TABS = {
    "Series": (
        "Series of the source. Double-click or press Enter to open, with Shift to add to what is shown. "
        "A click on an open series shows it again."
    ),
    "Tags": "All tags and their values. Click a value to filter.",
    "Images": "Thumbnails of the matching images",
    "Findings": "Problems found in the data, and decisions to make before using the images",
}


class DockPanel(DockFrame):
    """The parts of the dock, and what they show of the open source: matches, tags, values, images, the active layer."""

    def __init__(self, viewer: napari.viewer.Viewer, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("dicommeta-dock")
        self.viewer = viewer
        self.sources = Sources(self)
        self._sheet_key: object = None
        self.workers = Workers(self)
        self.growth = Growth(viewer, self.workers, self)
        self.exploration, self.saved = Exploration(self.workers, self), SavedFilters(self)
        self.layer_queue, self.view = LayerQueue(viewer, self), View(viewer, self)
        self._is_adding, self._is_tree_old = False, False
        self._series_timer = QTimer(self, singleShot=True, timeout=self._show_series)
        """Shows the series once after many changes of one event."""
        self._build()
        self._connect_parts()
        # Later, because napari takes 0.1 s to read the settings of plugins.
        splitters = {"sizes": self.tab.splitter, "findings_sizes": self.findings.splitter}
        self.settings = DockSettings(self, self.tags, self.series, splitters, self)
        QTimer(self, singleShot=True, timeout=self._recall).start()
        self._theme_changed()
        self._active_changed()

    # -- building -----------------------------------------------------------------------------------

    def _build(self) -> None:
        self.source, self.windows, self.series = (
            SourceBar(recent_folders),
            WindowPanel(self.viewer),
            SeriesTab(recent_folders),
        )
        self.presets = self.windows.strip
        self.presets.tab_after = self.source.cancel_button
        self.views, self.filters, self.tab = ViewBar(), FilterBar(), TagsTab()
        self.tags, self.values, self.curve = self.tab.table, self.tab.values, self.tab.curve
        self.series_rows = SeriesRows(self.viewer, self.series, self._matches, self)
        self.sheet, self.findings_tab = ContactSheet(), FindingsTab(self.workers)
        self.findings = self.findings_tab.list
        self.exports = Exports(self.exploration, self.workers, self.values.picture, self)
        self.audits = Audits(self.exploration, self.workers, self)
        self.tabs = QTabWidget()
        for title, widget in zip(TABS, (self.series, self.tab, self.sheet, self.findings_tab), strict=True):
            self.tabs.setTabToolTip(self.tabs.addTab(widget, title), TABS[title])
        self.tabs.setDocumentMode(True)
        self.tabs.tabBar().setDrawBase(False)
        self.columns = QSplitter(Qt.Orientation.Horizontal)
        self.columns.addWidget(self.tabs)
        self.columns.setChildrenCollapsible(False)
        self.fill((self.source, self.windows, self.views), (self.filters, self.columns))

    def _connect_parts(self) -> None:
        self.sources.past_changed.connect(self.source.set_past)
        self.widened.connect(self.tab.set_direction)
        self.widened.connect(self._place_series)
        self.lowered.connect(self.values.set_low)
        self.source.move_requested.connect(self._move)
        self.source.comparison_chosen.connect(self.exports.compare)
        self.source.preference_toggled.connect(prefer)
        self.source.set_preference(is_preferred())
        self.tab.export.file_requested.connect(self.exports.export)
        self.tab.export.clipboard_requested.connect(self.exports.copy)
        self.exports.compared.connect(self.source.set_other)
        self.exports.progressed.connect(self._comparing)
        self.source.labels_chosen.connect(self.audits.audit)
        self.audits.begun.connect(self._begin_audit)
        self.audits.audited.connect(self.tab.set_audit)
        self.tab.audit.closed.connect(self.audits.end)
        exploration = self.exploration
        exploration.filters_changed.connect(self._filters_changed)
        exploration.picture_changed.connect(self._show_picture)
        exploration.rows_counted.connect(self.tab.set_rows)
        self.tab.query_changed.connect(exploration.set_query)
        self._file_timer = QTimer(self, singleShot=True, interval=FILE_MS, timeout=self._show_file)
        self.tab.file_shown.connect(self._file_timer.start)
        self.tags.searched.connect(self._find_values)
        self.tags.value_chosen.connect(self._choose_value)
        self.filters.filter_removed.connect(exploration.remove_filter)
        self.filters.save_requested.connect(lambda name: self.saved.save(name, self._filters()))
        self.filters.recall_requested.connect(lambda name: exploration.choose(self.saved.filters(name)))
        self.filters.delete_requested.connect(self.saved.delete)
        self.saved.names_changed.connect(self.filters.set_saved)
        self.values.value_activated.connect(self.toggle_value)
        self.tab.bins.range_chosen.connect(lambda chosen: exploration.set_filter(exploration.query.keyword, chosen))
        self.tab.bins.range_cleared.connect(lambda: exploration.remove_filter(exploration.query.keyword))
        self.tab.joint.pair_activated.connect(self.toggle_pair)
        self.curve.slice_chosen.connect(self.view.go_to_slice)
        self.series.chosen_changed.connect(self._series_chosen)
        self.series.search.searched.connect(self.series_rows.set_search)
        self.series.search.accepted.connect(self._accept_search)
        self.series.pictures_wanted.connect(self._picture_series)
        self.workers.series_pictured.connect(lambda made: self.series.set_picture(made.series, made.picture))
        self.tabs.currentChanged.connect(self._tab_changed)
        self.findings_tab.finding_chosen.connect(self._finding_chosen)
        self.findings_tab.counted.connect(self._name_findings)
        self.views.view_chosen.connect(self.view.show_view)
        self.views.patient_space_toggled.connect(self.set_patient_space)
        self.views.fade_chosen.connect(self.view.set_fade)
        self.view.view_changed.connect(self.views.set_view)
        self.view.space_changed.connect(self.views.set_patient_space)
        self.view.fade_changed.connect(self.views.set_fade)
        self.view.layer_changed.connect(self._active_changed)
        viewer = self.viewer
        self._followed = (
            (viewer.dims.events.point, self._mark_slice),
            (viewer.layers.events.removed, self._layer_removed),
            (viewer.events.theme, self._theme_changed),
        )
        for emitter, callback in self._followed:
            emitter.connect(callback)

    def _recall(self) -> None:
        self.settings.recall()
        self.saved.recall()
        self._show_place()

    def _move(self) -> None:
        self.settings.toggle_below()
        self._show_place()

    def _show_place(self) -> None:
        self.source.set_place(self.settings.is_below, theme_colors(self.viewer.theme).text)

    def _place_series(self, is_wide: bool) -> None:
        """Put the series beside the tabs where there is room for all, else into the first tab."""
        is_beside, wanted = self.columns.count() > 1, is_wide and self.width() >= SIDE_BY_SIDE
        if wanted == is_beside:
            return
        if wanted:
            self.tabs.removeTab(self.tabs.indexOf(self.series))
            self.columns.insertWidget(0, self.series)
            self.columns.setStretchFactor(1, 1)
            self.columns.setSizes([SERIES_WIDTH, max(self.width() - SERIES_WIDTH, SERIES_WIDTH)])
            self.series.show()  # as the page of a tab it may have been hidden
        else:
            current = self.tabs.currentWidget()
            self.tabs.insertTab(0, self.series, "Series")
            self.tabs.setTabToolTip(0, TABS["Series"])
            self.tabs.setCurrentWidget(current)
        self._show_series()

    def _name_findings(self, n: int) -> None:
        self.tabs.setTabText(self.tabs.indexOf(self.findings_tab), f"Findings {n}" if n else "Findings")

    def _theme_changed(self, _event: object = None) -> None:
        colors = theme_colors(self.viewer.theme)
        self.set_colors(colors)
        for widget in (self.windows, self.series, self.tab, self.sheet, self.findings_tab):
            widget.set_colors(colors)
        self._show_place()

    @property
    def opened(self) -> Opened | None:
        """The open source."""
        return self.sources.opened

    @property
    def listed(self) -> Opened | None:
        """The source whose series are listed: the one that is being read, as far as it is, else the open one."""
        return self.growth.listed or self.opened

    # -- showing ------------------------------------------------------------------------------------

    def _matches(self) -> list[int]:
        is_growing = self.growth.listed is not None
        return self.exploration.matches(self.opened.series) if self.opened is not None and not is_growing else []

    def _show_series(self) -> None:
        """Show the matching series, or wait until their tab is visible."""
        self._is_tree_old = not self.series.isVisibleTo(self) or self._is_adding or self.layer_queue.is_adding
        if not self._is_tree_old:
            self.series_rows.show()

    def _list_series(self, opened: Opened) -> None:
        """Take the series of another source, and no picture of those before."""
        self.workers.stop("series pictures")
        self.series_rows.set_opened(opened)

    def _accept_search(self, text: str) -> None:
        """Make a filter of ``tag=value`` in the search field; words stay in it."""
        opened = self.listed
        condition = condition_of(opened.catalog, opened.tags, text) if opened is not None else None
        if condition is not None:
            self.series.search.field.setText(without_condition(text))
            self.exploration.set_filter(*condition)

    def _picture_series(self, numbers: tuple[int, ...]) -> None:
        """Make the pictures of these series, unless something more urgent is being read."""
        opened = self.opened
        is_busy = self.workers.is_scanning or self.layer_queue.is_adding
        if opened is not None and self.series_rows.shown is opened and not is_busy:
            self.workers.picture_series(opened.series, numbers)

    def _tab_changed(self, _index: int) -> None:
        if self._is_tree_old:
            self._show_series()
        self._show_sheet()

    def toggle_value(self, text: str | None) -> None:
        """Add or remove a filter by a value of the chosen tag; None is for files without the tag."""
        query = self.exploration.query
        if query.keyword:
            self.exploration.toggle(query.keyword, text, query.by)

    def toggle_pair(self, first: str | None, second: str | None) -> None:
        """Add or remove a filter by a pair of values of the two cross-tabulated tags."""
        query = self.exploration.query
        self.exploration.toggle_pair((query.keyword, query.beside), (first, second))

    def _find_values(self, text: str) -> None:
        """Search the values of the files in scope for `text`."""
        files, rows = self.exploration.files(), self.exploration.rows
        self.workers.stop("find")
        if files is not None and text:
            self.workers.run("find", lambda: find_values(files, rows, text), self.tags.set_found)

    def _choose_value(self, keyword: str, text: str) -> None:
        """Filter to the files with a value that was found, and show its tag."""
        if text not in (self.exploration.selection.texts(keyword) if self.exploration.selection is not None else ()):
            self.exploration.toggle(keyword, text)
        self.tab.show_tag(keyword)

    def _filters(self) -> tuple[tuple[Tags, Condition], ...]:
        return self.exploration.selection.filters if self.exploration.selection is not None else ()

    def _filters_changed(self) -> None:
        """Update chips, series and images for the filters."""
        selection, filters = self.exploration.selection, self._filters()
        self.workers.stop("frame")
        if selection is not None:
            files = selection.files().n_files if filters else selection.catalog.n_files
            self.filters.set_filters(filters, files, selection.catalog.n_files)
            if filters:
                self.series.set_empty_text("No file matches all filters. Remove a filter above.")
        self._show_series()
        self._show_sheet()

    def _show_picture(self) -> None:
        shown = self.exploration.picture()
        self.tab.set_query(shown.query)
        self.tab.set_scopes({scope: self.exploration.is_there(scope) for scope in SCOPES})
        self.tab.show_picture(shown)
        volume, series, keyword = self._active_volume(), self.exploration.active, shown.query.keyword
        self.workers.stop("curve")
        if series is None or volume is None or shown.histogram is None:
            self._show_curve(None)
        elif is_of_frames(volume, (keyword,)):
            self._show_curve(None)
            self.workers.run("curve", lambda: values_along(volume, series.catalog, keyword), self._show_curve)
        else:
            self._show_curve(values_along(volume, series.catalog, keyword))

    def _show_curve(self, values: np.ndarray | None) -> None:
        self.tab.set_curve(values)
        self._mark_slice()

    def _show_sheet(self) -> None:
        """Fill the contact sheet with the matching images if it is visible."""
        if self.opened is None or not self.opened.catalog.n_files or self.tabs.currentWidget() is not self.sheet:
            return
        selection = self.exploration.selection
        if selection is None or selection == self._sheet_key:
            return
        self._sheet_key = selection
        mask = selection.mask()
        rows = sheet_rows(self.opened.series, mask)
        matching = [np.count_nonzero(mask[series.rows]) for series in self.opened.series if series.n_images]
        self.sheet.begin(len(rows), int(sum(matching)), int(np.count_nonzero(matching)))
        self.workers.picture(self.opened.series, rows)

    def _finding_chosen(self, finding: Finding) -> None:
        """Select the tag of a finding and filter to its files."""
        self.exploration.choose(finding.selection)
        if finding.tags:
            self.tab.show_tag(finding.tags[0])

    def _begin_audit(self, name: str) -> None:
        self.tab.begin_audit(name)
        self.tabs.setCurrentWidget(self.tab)

    def _comparing(self, done: int, found: int, listed: bool) -> None:
        if found:
            self.source.set_progress(done, found, listed)
        else:
            self.source.set_idle()

    # -- the active layer ---------------------------------------------------------------------------

    def _active_volume(self) -> Volume | None:
        return volume_of(self.viewer.layers.selection.active)

    def _active_changed(self, _event: object = None) -> None:
        if self.layer_queue.is_adding:
            return
        self.view.tell_view()
        volume, opened = self._active_volume(), self.growth.listed if self.workers.is_scanning else self.opened
        series = opened.series_of(volume) if opened is not None and volume is not None else None
        if series is not None and opened is not None and volume is not None:
            self.series.select(opened.series.index(series), volume.name)
        elif opened is not None and volume is not None:
            catalog = catalog_of(self.viewer.layers.selection.active)  # of an earlier source
            series = series_of(catalog.series, volume) if catalog is not None else None
        self.exploration.set_active(series)
        self._file_timer.start()
        self.exploration.change_picture()

    def _series_chosen(self, numbers: tuple[int, ...]) -> None:
        listed = self.listed
        if listed is not None and self.exploration.catalog is listed.catalog:
            self.exploration.set_chosen([listed.series[number] for number in numbers])

    def _show_file(self) -> None:
        """List the tags of the slice that is shown, if they are to be seen."""
        series, volume, number = self.exploration.active, self._active_volume(), self.view.slice_shown()
        folder = catalog_of(self.viewer.layers.selection.active)
        if not self.tab.is_file_shown:
            return
        if series is None or volume is None or folder is None or number is None:
            self.tab.file.set_file("", ())
            return
        files = [path for path, _ in volume.files]
        path, beside = files[number], files[max(number - 1, 0) : number + 2]
        self.workers.run(
            "file tags",
            lambda: file_tags(series.catalog, folder, path, beside),
            lambda rows: self.tab.file.set_file(path, rows),
        )

    def _mark_slice(self, _event: object = None) -> None:
        if self.tab.is_file_shown:
            self._file_timer.start()
        number = self.view.slice_shown() if self.curve.values is not None else None
        if number is not None:
            self.curve.set_current(number)

    def set_patient_space(self, is_on: bool) -> None:
        """Place all volumes by their position in the patient, in the axes of the active volume; or undo that."""
        self.view.set_patient_space(is_on)

    def _layer_removed(self, event: Any) -> None:
        volume = volume_of(event.value)
        if volume is not None and not any(other is volume for other in volumes_in(self.viewer.layers)):
            volume.array.close()
        self._series_timer.start()
