"""The dock "DICOM": source, window presets of the active layer, and tabs of series, tags, images and findings."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.utils.notifications import show_info
from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QTabWidget

from napari_dicommeta._napari.reader import volume_of, volumes_in
from napari_dicommeta._napari.settings import is_preferred, prefer, recent_folders, remember_folder
from napari_dicommeta._napari.state.explore import Exploration
from napari_dicommeta._napari.state.export import Exports
from napari_dicommeta._napari.state.layers import LayerQueue
from napari_dicommeta._napari.state.series import SeriesRows
from napari_dicommeta._napari.state.settings import DockSettings
from napari_dicommeta._napari.state.view import View
from napari_dicommeta._napari.state.workers import Workers
from napari_dicommeta._napari.tasks.explore import SCOPES
from napari_dicommeta._napari.tasks.pictures import sheet_rows
from napari_dicommeta._napari.tasks.source import Opened, Partial, SeriesRequest, problems_of
from napari_dicommeta._napari.widgets.colors import theme_colors
from napari_dicommeta._napari.widgets.dock_frame import DockFrame
from napari_dicommeta._napari.widgets.filter_bar import FilterBar
from napari_dicommeta._napari.widgets.findings_tab import FindingsTab
from napari_dicommeta._napari.widgets.images_tab import ContactSheet
from napari_dicommeta._napari.widgets.labels import WHAT_TO_DO
from napari_dicommeta._napari.widgets.series_tree import SeriesTree
from napari_dicommeta._napari.widgets.source_bar import SourceBar
from napari_dicommeta._napari.widgets.tags_tab import TagsTab
from napari_dicommeta._napari.widgets.view_bar import ViewBar
from napari_dicommeta._napari.widgets.window_panel import WindowPanel
from napari_dicommeta.volumes.along_slices import is_of_frames, slice_matching, values_along

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    import napari
    from qtpy.QtWidgets import QWidget

    from napari_dicommeta._napari.tasks.rows import Offer
    from napari_dicommeta.catalog.selection import Selection
    from napari_dicommeta.findings.finding import Finding
    from napari_dicommeta.volumes.volume import Volume

__all__ = ["DicomDock"]

PREPARE_MS = 400
"""Delay from opening the dock to preparing the workers."""
ADD_MS = 20
LOOK_MS = 250
"""Delay from showing a source to checking it."""
TABS = {
    "Series": "Series of the source. Double-click or press Enter to open.",
    "Tags": "All tags and their values. Click a value to filter.",
    "Images": "Thumbnails of the matching images",
    "Findings": "Problems found in the data, and decisions to make before using the images",
}


class DicomDock(DockFrame):
    """The dock widget. It accepts dropped folders and files; `open_paths` does the same from code."""

    def __init__(self, viewer: napari.viewer.Viewer, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("dicommeta-dock")
        self.viewer = viewer
        self.opened: Opened | None = None
        self._sheet_key: object = None
        self.workers = Workers(self)
        self.exploration = Exploration(self.workers, self)
        self.layer_queue, self.view = LayerQueue(viewer, self), View(viewer, self)
        self._is_adding, self._is_tree_old = False, False
        self._kept_selection: Selection | None = None
        """The filters of the previous source, restored when a scan is canceled."""
        # Tags are painted first because adding a layer takes long.
        self._add_timer = QTimer(self, singleShot=True, interval=ADD_MS, timeout=self._show_first)
        self._look_timer = QTimer(self, singleShot=True, interval=LOOK_MS, timeout=self._look_into)
        self._build()
        self._connect()
        QTimer(self, singleShot=True, interval=PREPARE_MS, timeout=self.workers.prepare).start()
        # Later, because napari takes 0.1 s to read the settings of plugins.
        splitters = {"sizes": self.tab.splitter, "findings_sizes": self.findings.splitter}
        self.settings = DockSettings(self, self.tags, self.series, splitters, self)
        QTimer(self, singleShot=True, timeout=self.settings.recall).start()
        self._theme_changed()
        self._active_changed()

    # -- building -----------------------------------------------------------------------------------

    def _build(self) -> None:
        self.source, self.windows, self.series = SourceBar(recent_folders), WindowPanel(self.viewer), SeriesTree()
        self.presets = self.windows.strip
        self.presets.tab_after = self.source.cancel_button
        self.views, self.filters, self.tab = ViewBar(), FilterBar(), TagsTab()
        self.tags, self.values, self.curve = self.tab.table, self.tab.values, self.tab.curve
        self.series_rows = SeriesRows(self.viewer, self.series, self._matches, self)
        self.sheet, self.findings_tab = ContactSheet(), FindingsTab(self.workers)
        self.findings = self.findings_tab.list
        self.exports = Exports(self.exploration, self.workers, self.values.picture, self)
        self.tabs = QTabWidget()
        for title, widget in zip(TABS, (self.series, self.tab, self.sheet, self.findings_tab), strict=True):
            self.tabs.setTabToolTip(self.tabs.addTab(widget, title), TABS[title])
        self.tabs.setDocumentMode(True)
        self.tabs.tabBar().setDrawBase(False)
        self.fill((self.source, self.windows, self.views), (self.filters, self.tabs))

    def _connect(self) -> None:
        self.paths_dropped.connect(self.open_paths)
        self.widened.connect(self.tab.set_direction)
        self.source.paths_chosen.connect(self.open_paths)
        self.source.scan_canceled.connect(self.cancel)
        self.source.comparison_chosen.connect(self.exports.compare)
        self.source.preference_toggled.connect(prefer)
        self.source.set_preference(is_preferred())
        self.tab.export.file_requested.connect(self.exports.export)
        self.tab.export.clipboard_requested.connect(self.exports.copy)
        self.exports.compared.connect(self.source.set_other)
        self.exports.progressed.connect(self._comparing)
        workers = self.workers
        for signal, slot in (
            (workers.begun, self._begun),
            (workers.progressed, self._progressed),
            (workers.opened, self._opened),
            (workers.failed, self._failed),
            (workers.series_opened, self._series_opened),
            (workers.series_failed, self._series_failed),
            (workers.series_noted, self.series_rows.note),
            (workers.pictured, self.sheet.add),
        ):
            signal.connect(slot)
        self.destroyed.connect(workers.stop_all)
        exploration = self.exploration
        exploration.filters_changed.connect(self._filters_changed)
        exploration.picture_changed.connect(self._show_picture)
        exploration.rows_counted.connect(self.tab.set_rows)
        self.tab.query_changed.connect(exploration.set_query)
        self.filters.filter_removed.connect(exploration.remove_filter)
        self.values.value_activated.connect(self.toggle_value)
        self.tab.bins.range_chosen.connect(
            lambda low, high: exploration.set_filter(exploration.query.keyword, slice(low, high))
        )
        self.tab.bins.range_cleared.connect(lambda: exploration.remove_filter(exploration.query.keyword))
        self.tab.joint.pair_activated.connect(self.toggle_pair)
        self.curve.slice_chosen.connect(self.view.go_to_slice)
        self.series.series_activated.connect(
            lambda chosen: self.open_requested(
                [SeriesRequest(number=number, volume=volume) for number, volume in chosen]
            )
        )
        self.series.offer_chosen.connect(self._take_offer)
        self.series.chosen_changed.connect(self._series_chosen)
        self.sheet.image_activated.connect(
            lambda number, path: self.open_requested([SeriesRequest(number=number, path=path)])
        )
        self.tabs.currentChanged.connect(self._tab_changed)
        self.findings_tab.checks.counts_checked.connect(self._note_series)
        self.findings_tab.finding_chosen.connect(self._finding_chosen)
        self.findings_tab.counted.connect(lambda n: self.tabs.setTabText(3, f"Findings {n}" if n else "Findings"))
        self.views.view_chosen.connect(self.view.show_view)
        self.views.patient_space_toggled.connect(self.set_patient_space)
        self.view.view_changed.connect(self.views.set_view)
        self.layer_queue.changed.connect(self._adding_changed)
        viewer = self.viewer
        self._followed = (
            (viewer.dims.events.point, self._mark_slice),
            (viewer.layers.selection.events.active, self._active_changed),
            (viewer.layers.events.removed, self._layer_removed),
            (viewer.events.theme, self._theme_changed),
        )
        for emitter, callback in self._followed:
            emitter.connect(callback)
        self.closed.connect(self._release)

    def _release(self) -> None:
        """Stop work and leave the viewer to the next dock."""
        for emitter, callback in self._followed:
            emitter.disconnect(callback)
        self.layer_queue.release()
        self.windows.release()
        self.view.release()
        self.workers.stop_all()
        self.deleteLater()

    def _theme_changed(self, _event: object = None) -> None:
        colors = theme_colors(self.viewer.theme)
        self.set_colors(colors)
        for widget in (self.windows, self.series, self.tab, self.sheet, self.findings_tab):
            widget.set_colors(colors)

    # -- opening ------------------------------------------------------------------------------------

    def open_paths(self, paths: Sequence[str]) -> None:
        """Open folders and files. Calls in quick succession, as from a drop, form one source."""
        self.workers.open_paths(paths)

    @property
    def is_idle(self) -> bool:
        """Whether no read is running or pending."""
        return self.workers.is_idle and not self._is_adding and not self.layer_queue.is_adding

    def cancel(self) -> None:
        """Stop a running scan and keep the previous source."""
        self.exports.cancel()
        if not self.workers.cancel():
            self.source.set_idle()
            return
        self.source.set_idle()
        self._name_source("Canceled: nothing is open")
        self._set_empty_texts(f"Canceled. {WHAT_TO_DO}")
        opened = self.opened
        selection = self._kept_selection if opened is not None else None
        self.exploration.set_catalog(opened.catalog if opened else None, opened.tags if opened else ())
        if selection is not None and selection.filters:
            self.exploration.choose(selection.filters)
        self._active_changed()

    def _begun(self, paths: list[str]) -> None:
        self.source.set_source(f"Reading {Opened.name_of(paths)}…", "", paths)
        self.source.set_progress(0, 0, False)
        if self.exploration.selection is not None:
            self._kept_selection = self.exploration.selection
        self._set_empty_texts("Reading files…")

    def _set_empty_texts(self, text: str) -> None:
        """Set the text of tabs without content."""
        for widget in (self.series, self.tab, self.sheet, self.findings_tab):
            widget.set_empty_text(text)
        self._sheet_key = None

    def _name_source(self, otherwise: str = "") -> None:
        """Show the name of the open source, or `otherwise` if there is none."""
        opened = self.opened
        self.source.set_source(*((opened.title, opened.size, opened.paths) if opened else (otherwise,)))

    def _progressed(self, so_far: Partial) -> None:
        progress = so_far.progress
        self.source.set_progress(progress.done, progress.found, progress.listed)
        if so_far.catalog is not None:
            self.exploration.set_catalog(so_far.catalog, so_far.tags, is_whole=False)

    def _failed(self, error: Exception) -> None:
        self.source.set_idle()
        why = f"{type(error).__name__}: {error}"
        self._name_source("The source could not be read")
        self.series.set_problems(("The source could not be read.", why), 2)
        self._set_empty_texts(f"{why}\n{WHAT_TO_DO}")

    def _series_failed(self, error: Exception) -> None:
        self.series.set_problems(("The series could not be opened.", f"{type(error).__name__}: {error}"), 2)

    def _opened(self, opened: Opened) -> None:
        self.opened, self._kept_selection = opened, None
        self.layer_queue.begin_source()
        self.series_rows.set_opened(opened)
        self.findings_tab.forget()
        self.exports.end_comparison()
        self.windows.set_folder(opened.windows)
        self.source.set_idle()
        self._name_source()
        self.source.set_comparable(bool(opened.catalog.n_files))
        problems = problems_of(opened)
        self.series.set_problems(problems if opened.catalog.n_files else (), len(problems))
        if not opened.catalog.n_files:
            from napari_dicommeta.volumes.load import nothing_found

            self._set_empty_texts(f"{nothing_found(opened.catalog, opened.refusals)}\n{WHAT_TO_DO}")
        else:
            self._set_empty_texts("No images to show.")
            self.findings_tab.set_empty_text("Checking values…")
        self._is_adding = True
        self.tab.set_source(opened.tags)
        self.tab.export.forget()
        self.exploration.set_catalog(opened.catalog, opened.tags)
        self._add_timer.start()

    def _show_first(self) -> None:
        """Add the layers of the opened source, then check it."""
        self._is_adding = False
        opened = self.opened
        if opened is not None:
            self.layer_queue.add(opened.volumes, lambda _: self._first_shown(opened))

    def _first_shown(self, opened: Opened) -> None:
        self._align_added()
        self._look_timer.start()
        if opened.catalog.n_files:
            remember_folder(opened.paths[0])

    def _look_into(self) -> None:
        """Check the source step by step, after its layers are shown: threads would delay them."""
        if self.opened is not None:
            self.findings_tab.set_opened(self.opened)

    def _note_series(self) -> None:
        """Collect the notes of the series, then check their volumes."""
        if self.opened is not None:
            self.workers.note_series(self.opened, lambda _: self.findings_tab.look_further())

    def _adding_changed(self, is_adding: bool) -> None:
        self.windows.set_waiting(is_adding)
        if not is_adding:
            self._show_series()
            self._active_changed()

    def _align_added(self) -> None:
        if self.views.patient_space.isChecked():
            self.set_patient_space(True)

    def open_series(self, row: int) -> None:
        """Open the series of this row as layers, or show why that fails."""
        self.open_requested([SeriesRequest(number=row)])

    def open_requested(self, requests: Sequence[SeriesRequest]) -> None:
        """Open series as layers, at the first slice that matches the filters."""
        if self.opened is not None:
            valid = [request for request in requests if 0 <= request.number < len(self.opened.series)]
            if len(valid) == 1 and valid[0].path and self._is_shown(valid[0]):
                return
            if valid:
                self.workers.open_series(self.opened, valid)

    def _is_shown(self, request: SeriesRequest) -> bool:
        """Go to the requested slice if a layer has it, and return whether one does."""
        shown = self.view.go_to_file(volumes_in(self.viewer.layers), {request.path})
        if shown is not None:
            self._go_to_frame(shown, {request.path})
        return shown is not None

    def _take_offer(self, number: int, offer: Offer) -> None:
        self.open_requested([SeriesRequest(number=number, split=offer.split, missing_rescale=offer.missing_rescale)])

    def _series_opened(self, loaded: Any) -> None:
        opened, results = loaded
        if self.opened is None or self.opened is not opened:
            return
        selection, problems = self.exploration.selection, []
        matching = set(selection.files().paths) if selection is not None and selection.filters else set()
        for request, volumes, refusals in results:
            if (request.volume, request.split, request.missing_rescale) == (None, "auto", "refuse"):
                self.series_rows.note_opened(request.number, volumes, refusals)
            if volumes:
                paths = {request.path} if request.path else matching
                self.layer_queue.add(volumes, partial(self._series_shown, paths, request.volume is None))
            else:
                problems += [f"{opened.series[request.number].name} cannot be opened.", *map(str, refusals)]
        if problems:
            self.series.set_problems(tuple(problems), len(problems))
        self._show_series()

    def _series_shown(self, paths: Collection[str], is_whole: bool, volumes: Sequence[Volume]) -> None:
        shown = self.view.go_to_file(volumes, paths)
        if shown is not None:
            self._go_to_frame(shown, paths)
        elif volumes:
            self.view.activate(volumes[0])
            if paths and is_whole:
                show_info("No slice here comes from a matching file: it is a duplicate or was left out; see the notes.")
        self._align_added()

    def _go_to_frame(self, volume: Volume, paths: Collection[str]) -> None:
        """Go to the matching frame if the filters use tags of frames. This reads the file."""
        selection = self.exploration.selection
        filters = selection.filters if selection is not None else ()
        if not is_of_frames(volume, [tag for tag, _ in filters]):
            return
        before = self.view.slice_shown()

        def go(n: int | None) -> None:
            if n is not None and self._active_volume() is volume and self.view.slice_shown() == before:
                self.view.go_to_slice(n)

        self.workers.run("frame", lambda: slice_matching(volume, paths, filters), go)

    # -- showing ------------------------------------------------------------------------------------

    def _matches(self) -> list[int]:
        return self.exploration.matches(self.opened.series) if self.opened is not None else []

    def _show_series(self) -> None:
        """Show the matching series, or wait until their tab is visible."""
        self._is_tree_old = (
            self.tabs.currentWidget() is not self.series or self._is_adding or self.layer_queue.is_adding
        )
        if not self._is_tree_old:
            self.series_rows.show()

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

    def _filters_changed(self) -> None:
        """Update chips, series and images for the filters."""
        selection = self.exploration.selection
        filters = selection.filters if selection is not None else ()
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
        volume, opened = self._active_volume(), None if self.workers.is_scanning else self.opened
        series = opened.series_of(volume) if opened is not None and volume is not None else None
        if series is not None and opened is not None and volume is not None:
            self.series.select(opened.series.index(series), volume.name)
        self.exploration.set_active(series)
        self.exploration.change_picture()

    def _series_chosen(self, numbers: tuple[int, ...]) -> None:
        if self.opened is not None and self.exploration.catalog is self.opened.catalog:
            self.exploration.set_chosen([self.opened.series[number] for number in numbers])

    def _mark_slice(self, _event: object = None) -> None:
        number = self.view.slice_shown() if self.curve.values is not None else None
        if number is not None:
            self.curve.set_current(number)

    def set_patient_space(self, is_on: bool) -> None:
        """Place all volumes by their position in the patient, in the axes of the active volume; or undo that."""
        self.view.set_patient_space(is_on)
        self.views.set_patient_space(is_on)

    def _layer_removed(self, event: Any) -> None:
        volume = volume_of(event.value)
        if volume is not None and not any(other is volume for other in volumes_in(self.viewer.layers)):
            volume.array.close()
        self._show_series()
