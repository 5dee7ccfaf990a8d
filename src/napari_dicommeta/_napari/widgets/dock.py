"""The dock "DICOM": source, presets of the active layer, and the series, tags, images and findings of what is open."""

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
    from napari_dicommeta.catalog.catalog import Series
    from napari_dicommeta.catalog.selection import Selection
    from napari_dicommeta.findings.finding import Finding
    from napari_dicommeta.volumes.volume import Volume

__all__ = ["DicomDock"]

PREPARE_MS = 400
"""After the dock has been opened."""
ADD_MS = 20
LOOK_MS = 250
"""After a source was opened, until it is looked into."""
TABS = {
    "Series": "The series: double-click or Enter opens them",
    "Tags": "All tags and the values they have; a click on a value filters",
    "Images": "Pictures of the images that match",
    "Findings": "What the values imply, and what is to be decided before the images are used",
}


class DicomDock(DockFrame):
    """The dock widget. Folders and files may be dropped on it; `open_paths` does the same from code."""

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
        """The filters of the source that stays where a scan is canceled."""
        # Tags are painted first: a layer takes napari its time.
        self._add_timer = QTimer(self, singleShot=True, interval=ADD_MS, timeout=self._show_first)
        self._look_timer = QTimer(self, singleShot=True, interval=LOOK_MS, timeout=self._look_into)
        self._build()
        self._connect()
        QTimer(self, singleShot=True, interval=PREPARE_MS, timeout=self.workers.prepare).start()
        # After it: napari looks for plugins' settings for a tenth of a second.
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
        for words, widget in zip(TABS, (self.series, self.tab, self.sheet, self.findings_tab), strict=True):
            self.tabs.setTabToolTip(self.tabs.addTab(widget, words), TABS[words])
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
        self.viewer.dims.events.point.connect(self._mark_slice)
        self.viewer.layers.selection.events.active.connect(self._active_changed)
        self.viewer.layers.events.removed.connect(self._layer_removed)
        self.viewer.events.theme.connect(self._theme_changed)

    def _theme_changed(self, _event: object = None) -> None:
        colors = theme_colors(self.viewer.theme)
        self.set_colors(colors)
        for widget in (self.windows, self.series, self.tab, self.sheet, self.findings_tab):
            widget.set_colors(colors)

    # -- opening ------------------------------------------------------------------------------------

    def open_paths(self, paths: Sequence[str]) -> None:
        """Open folders and files; calls that follow at once, as those of a drop do, join into one source."""
        self.workers.open_paths(paths)

    @property
    def is_idle(self) -> bool:
        """Whether nothing is being read, nor about to be."""
        return self.workers.is_idle and not self._is_adding and not self.layer_queue.is_adding

    def cancel(self) -> None:
        """Stop a scan that is running; what was open before stays."""
        self.exports.cancel()
        if not self.workers.cancel():
            self.source.set_idle()
            return
        self.source.set_idle()
        self._name_source("Canceled: nothing is open")
        self._say(f"Canceled. {WHAT_TO_DO}")
        opened = self.opened
        kept = self._kept_selection if opened is not None else None
        self.exploration.set_catalog(opened.catalog if opened else None, opened.tags if opened else ())
        if kept is not None and kept.filters:
            self.exploration.choose(kept.filters)
        self._active_changed()

    def _begun(self, paths: list[str]) -> None:
        self.source.set_source(f"Reading {Opened.name_of(paths)} …", "", paths)
        self.source.set_progress(0, 0, False)
        if self.exploration.selection is not None:
            self._kept_selection = self.exploration.selection
        self._say("Reading the files …")

    def _say(self, words: str) -> None:
        """What the tabs say while they have nothing to show."""
        for widget in (self.series, self.tab, self.sheet, self.findings_tab):
            widget.set_empty_text(words)
        self._sheet_key = None

    def _name_source(self, otherwise: str = "") -> None:
        """Name the source that is open, or say why there is none."""
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
        self._name_source("This source could not be read")
        self.series.set_problems(("The last source could not be read.", why), 2)
        self._say(f"{why}\n{WHAT_TO_DO}")

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

            self._say(f"{nothing_found(opened.catalog, opened.refusals)}\n{WHAT_TO_DO}")
        else:
            self._say("No image to show.")
            self.findings_tab.set_empty_text("Checking the values …")
        self._is_adding = True
        self.tab.set_source(opened.tags)
        self.tab.export.forget()
        self.exploration.set_catalog(opened.catalog, opened.tags)
        self._add_timer.start()

    def _show_first(self) -> None:
        """Add the layers of the source that was opened, and look further into it."""
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
        """Judge the source, one thing after the other and not before its picture is there: threads take time."""
        if self.opened is not None:
            self.findings_tab.set_opened(self.opened)

    def _note_series(self) -> None:
        """Look through the series, then through their volumes for findings."""
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
        """Open the series of this row as layers, or say why it cannot be."""
        self.open_requested([SeriesRequest(number=row)])

    def open_requested(self, wanted: Sequence[SeriesRequest]) -> None:
        """Open series as layers, at the first slice that matches the filters."""
        if self.opened is not None:
            there = [one for one in wanted if 0 <= one.number < len(self.opened.series)]
            if len(there) == 1 and there[0].path and self._is_shown(there[0]):
                return
            if there:
                self.workers.open_series(self.opened, there)

    def _is_shown(self, wanted: SeriesRequest) -> bool:
        """Whether a slice that is wanted is in a layer, which is then shown."""
        shown = self.view.go_to_file(volumes_in(self.viewer.layers), {wanted.path})
        if shown is not None:
            self._go_to_frame(shown, {wanted.path})
        return shown is not None

    def _take_offer(self, number: int, offer: Offer) -> None:
        self.open_requested([SeriesRequest(number=number, split=offer.split, missing_rescale=offer.missing_rescale)])

    def _series_opened(self, loaded: Any) -> None:
        opened, found = loaded
        if self.opened is None or self.opened is not opened:
            return
        selection, problems = self.exploration.selection, []
        matching = set(selection.files().paths) if selection is not None and selection.filters else set()
        for wanted, volumes, refusals in found:
            if (wanted.volume, wanted.split, wanted.missing_rescale) == (None, "auto", "refuse"):
                self.series_rows.note_opened(wanted.number, volumes, refusals)
            if volumes:
                paths = {wanted.path} if wanted.path else matching
                self.layer_queue.add(volumes, partial(self._series_shown, paths, wanted.volume is None))
            else:
                problems += [f"{opened.series[wanted.number].name} cannot be opened.", *map(str, refusals)]
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
                show_info("No slice here is of a file that matches: it is a copy, or was left out as the notes say.")
        self._align_added()

    def _go_to_frame(self, volume: Volume, paths: Collection[str]) -> None:
        """Show the frame that matches, where the filters speak of frames: its file has to be read for that."""
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
        """Show the series that match, once their tab is looked at."""
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
        """Filter by a value of the chosen tag, None for the files without it, or no longer."""
        query = self.exploration.query
        if query.keyword:
            self.exploration.toggle(query.keyword, text, query.by)

    def toggle_pair(self, first: str | None, second: str | None) -> None:
        """Filter by a pair of values of the two tags that are shown together, or no longer."""
        query = self.exploration.query
        self.exploration.toggle_pair((query.keyword, query.beside), (first, second))

    def _filters_changed(self) -> None:
        """Let chips, series and images follow the filters."""
        selection = self.exploration.selection
        filters = selection.filters if selection is not None else ()
        self.workers.stop("frame")
        if selection is not None:
            files = selection.files().n_files if filters else selection.catalog.n_files
            self.filters.set_filters(filters, files, selection.catalog.n_files)
            if filters:
                self.series.set_empty_text("No file holds all that is chosen: remove a filter above")
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
        """The contact sheet of what matches, made when it is looked at."""
        if self.opened is None or not self.opened.catalog.n_files or self.tabs.currentWidget() is not self.sheet:
            return
        selection = self.exploration.selection
        if selection is None or selection == self._sheet_key:
            return
        self._sheet_key = selection
        mask = selection.mask()
        rows = sheet_rows(self.opened.series, mask)
        matching = [np.count_nonzero(mask[one.rows]) for one in self.opened.series if one.n_images]
        self.sheet.begin(len(rows), int(sum(matching)), int(np.count_nonzero(matching)))
        self.workers.picture(self.opened.series, rows)

    def _finding_chosen(self, finding: Finding) -> None:
        """Choose the tag a finding rests on, and filter to its files."""
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

    def _active_series(self) -> Series | None:
        volume = self._active_volume()
        if volume is None or self.opened is None or self.workers.is_scanning:
            return None
        uid = volume.series_instance_uid
        path = volume.files[0][0]  # copies in other folders are other series
        of_uid = [series for series in self.opened.series if series.series_instance_uid == uid]
        return next((series for series in of_uid if path in series.catalog.paths), None)

    def _active_changed(self, _event: object = None) -> None:
        if self.layer_queue.is_adding:
            return
        self.view.tell_view()
        series = self._active_series()
        volume = self._active_volume()
        if series is not None and self.opened is not None and volume is not None:
            self.series.select(self.opened.series.index(series), volume.name)
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
        """Put all volumes where they lie in the patient, in the axes of the active one; or back."""
        self.view.set_patient_space(is_on)
        self.views.set_patient_space(is_on)

    def _layer_removed(self, event: Any) -> None:
        volume = volume_of(event.value)
        if volume is not None and not any(one is volume for one in volumes_in(self.viewer.layers)):
            volume.array.close()
        self._show_series()
