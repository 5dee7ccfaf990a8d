"""The dock "DICOM": source, presets of the active layer, and the series, tags and findings of what is open."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.qt.threading import thread_worker
from qtpy.QtCore import Qt, QTimer
from qtpy.QtWidgets import QSizePolicy, QSplitter, QTabWidget, QVBoxLayout, QWidget

from napari_dicommeta._display import go_to_slice, slice_number
from napari_dicommeta._opening import (
    Opened,
    Partial,
    SeriesRow,
    TagRow,
    noted,
    open_source,
    selection_rows,
    series_notes,
)
from napari_dicommeta._preference import is_preferred, prefer
from napari_dicommeta._reader import layer_of, volume_of
from napari_dicommeta._views import align, anatomical_axes, plane_shown, show_plane, show_space, unalign
from napari_dicommeta._widgets.colours import colours_of
from napari_dicommeta._widgets.filter_bar import FilterBar
from napari_dicommeta._widgets.findings_list import FindingsList
from napari_dicommeta._widgets.series_table import SeriesTable
from napari_dicommeta._widgets.slice_curve import SliceCurve
from napari_dicommeta._widgets.source_bar import SourceBar
from napari_dicommeta._widgets.tag_table import TagTable
from napari_dicommeta._widgets.value_bars import ValueBars
from napari_dicommeta._widgets.view_bar import ViewBar
from napari_dicommeta._widgets.window_panel import WindowPanel
from napari_dicommeta.along import values_along
from napari_dicommeta.histogram import histogram_of
from napari_dicommeta.loader import load_series, nothing_found
from napari_dicommeta.meaning import display
from napari_dicommeta.selection import Selection

if TYPE_CHECKING:
    from collections.abc import Sequence

    import napari
    from qtpy.QtGui import QDragEnterEvent, QDropEvent

    from napari_dicommeta.catalog import Catalog
    from napari_dicommeta.series import Series
    from napari_dicommeta.volume import Volume

__all__ = ["DicomDock"]

FIRST_TAG = "WindowCenter"
COLLECT_MS = 30
"""napari calls a reader once for each dropped file: paths that come within this time are one source."""


class DicomDock(QWidget):
    """The dock widget. Folders and files may be dropped on it; `open_paths` does the same from code."""

    def __init__(self, viewer: napari.viewer.Viewer, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("dicommeta-dock")
        self.setAcceptDrops(True)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.viewer = viewer
        self.opened: Opened | None = None
        self._catalog: Catalog | None = None
        """What the tags and bars show: the opened source, or a scan so far."""
        self._rows: list[SeriesRow] = []
        self._selection: Selection | None = None
        self._pending: list[str] = []
        self._matches: list[int] = []
        self._worker: Any = None
        self._noter: Any = None
        self._collector = QTimer(self)
        self._collector.setSingleShot(True)
        self._collector.setInterval(COLLECT_MS)
        self._collector.timeout.connect(self._open_pending)
        self._build()
        self._connect()
        self._theme_changed()
        self._active_changed()

    # -- building -----------------------------------------------------------------------------------

    def _build(self) -> None:
        self.source, self.windows, self.series = SourceBar(), WindowPanel(self.viewer), SeriesTable()
        self.presets = self.windows.strip
        self.views, self.filters = ViewBar(), FilterBar()
        self.tags, self.values, self.findings = TagTable(), ValueBars(), FindingsList()
        self.curve = SliceCurve()
        splitter = QSplitter(Qt.Orientation.Vertical)
        splitter.addWidget(self.tags)
        below = QWidget()
        below_layout = QVBoxLayout(below)
        below_layout.setContentsMargins(0, 0, 0, 0)
        below_layout.addWidget(self.values, 1)
        below_layout.addWidget(self.curve)
        splitter.addWidget(below)
        splitter.setChildrenCollapsible(False)
        splitter.setStretchFactor(0, 3)
        splitter.setStretchFactor(1, 4)
        splitter.setSizes([300, 400])
        self.tabs = QTabWidget()
        self.tabs.addTab(self.series, "Series")
        self.tabs.addTab(splitter, "Tags")
        self.tabs.addTab(self.findings, "Findings")
        self.tabs.setDocumentMode(True)
        self.tabs.tabBar().setDrawBase(False)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(6, 6, 6, 6)
        layout.setSpacing(8)
        layout.addWidget(self.source)
        layout.addWidget(self.windows)
        layout.addWidget(self.views)
        layout.addWidget(self.filters)
        layout.addWidget(self.tabs, 1)

    def _connect(self) -> None:
        self.source.paths_chosen.connect(self.open_paths)
        self.source.scan_cancelled.connect(self.cancel)
        self.source.preference_toggled.connect(prefer)
        self.source.set_preference(is_preferred())
        self.views.view_chosen.connect(self.show_view)
        self.views.patient_space_toggled.connect(self.set_patient_space)
        for event in (self.viewer.dims.events.order, self.viewer.dims.events.ndisplay):
            event.connect(self._view_changed)
        self.series.series_activated.connect(self.open_series)
        self.tags.tag_selected.connect(lambda _keyword: self._show_values())
        self.values.value_activated.connect(self.toggle_value)
        self.curve.slice_chosen.connect(self.go_to_slice)
        self.viewer.dims.events.point.connect(self._mark_slice)
        self.filters.filter_removed.connect(self.remove_filter)
        self.values.spelling_toggled.connect(lambda _by: self._show_values())
        self.findings.finding_selected.connect(self._show_tag)
        self.viewer.layers.selection.events.active.connect(self._active_changed)
        self.viewer.layers.events.removed.connect(self._layer_removed)
        self.viewer.events.theme.connect(self._theme_changed)

    def _theme_changed(self, _event: object = None) -> None:
        colours = colours_of(self.viewer.theme)
        self.windows.set_colours(colours)
        self.series.set_colours(colours)
        self.tags.set_colours(colours)
        self.values.set_colours(colours)
        self.curve.set_colours(colours)

    # -- opening ------------------------------------------------------------------------------------

    def open_paths(self, paths: Sequence[str]) -> None:
        """Open folders and files; calls that follow at once, as those of a drop do, join into one source."""
        self._pending += [path for path in paths if path not in self._pending]
        self._collector.start()

    def _open_pending(self) -> None:
        paths, self._pending = self._pending, []
        self.cancel()
        self.source.set_source(f"Reading {os.path.basename(paths[0].rstrip(os.sep)) or paths[0]} …", paths[0])
        self.source.set_progress(0, 0, False)
        self.series.set_empty_text("Reading the files …")
        worker = thread_worker(open_source)(tuple(paths))
        worker.yielded.connect(self._progressed)
        worker.returned.connect(self._opened)
        worker.errored.connect(self._failed)
        self._worker = worker
        worker.start()

    @property
    def is_idle(self) -> bool:
        """Whether nothing is being read, nor about to be."""
        return self._worker is None and not self._pending

    def cancel(self) -> None:
        """Stop a scan that is running; what was open before stays."""
        worker, self._worker = self._worker, None
        if worker is None:
            return
        for signal, slot in ((worker.yielded, self._progressed), (worker.returned, self._opened)):
            signal.disconnect(slot)
        worker.quit()
        self.source.set_idle()
        self.source.set_source(self.opened.title if self.opened else "Cancelled: nothing is open")
        self._catalog = self.opened.catalog if self.opened else None
        self.tags.set_rows(self.opened.tags if self.opened else ())
        self._show_values()

    def _progressed(self, partial: Partial) -> None:
        progress = partial.progress
        self.source.set_progress(progress.done, progress.found, progress.listed)
        if partial.catalog is not None:
            self._catalog = partial.catalog
            self.tags.set_rows(partial.tags)
            self._choose_tag()

    def _failed(self, error: Exception) -> None:
        self._worker = None
        self.source.set_idle()
        self.source.set_source("This source could not be read")
        self.series.set_empty_text(f"{type(error).__name__}: {error}")

    def _opened(self, opened: Opened) -> None:
        self._worker = None
        self.opened, self._catalog, self._rows = opened, opened.catalog, list(opened.rows)
        self._selection, self._matches = Selection(opened.catalog), []
        self.filters.set_filters((), 0, 0)
        self.windows.set_catalog(opened.catalog)
        self.source.set_idle()
        self.source.set_source(display(opened.title), display("\n".join(opened.paths[:10]), 1000))
        problems = [str(refusal) for refusal in opened.refusals]
        refused = {path for refusal in opened.refusals for path in refusal.paths}
        partial = [one for one in opened.catalog.partial if one.path not in refused]
        problems += [one.brief for one in (*partial, *opened.catalog.failures)]
        if opened.volumes:
            self.series.set_problems(tuple(problems), len(problems))
        elif opened.catalog.n_files:
            self.series.set_problems(("No image could be opened.", *problems), len(problems) + 1)
        else:
            self.series.set_problems((), 0)
            self.series.set_empty_text(nothing_found(opened.catalog, opened.refusals))
        self.tags.set_rows(opened.tags)
        self.findings.set_findings(opened.findings)
        self.tabs.setTabText(2, f"Findings {len(opened.findings)}" if opened.findings else "Findings")
        self._add_layers(opened.volumes)
        self._show_series()
        self._choose_tag()
        self._note_series(opened)

    def _note_series(self, opened: Opened) -> None:
        """Look through the series for what their volumes' passports say, in the background."""
        if self._noter is not None:
            self._noter.quit()
        worker = thread_worker(series_notes)(opened)
        worker.yielded.connect(self._series_noted)
        self.destroyed.connect(worker.quit)
        self._noter = worker
        worker.start()

    def _series_noted(self, found: tuple[Opened, int, SeriesRow]) -> None:
        opened, number, row = found
        if self.opened is opened:
            self._rows[number] = row
            self.series.set_row(self._as_shown(row, self._open_uids()))

    def _add_layers(self, volumes: Sequence[Volume]) -> None:
        for volume in reversed(volumes):
            volume.array.on_error = self._slice_failed
            self.viewer.add_layer(layer_of(volume))
        if volumes and len(self.viewer.layers) == len(volumes):
            layer = self.viewer.layers[-1]
            go_to_slice(
                self.viewer, layer, int(np.ravel_multi_index(volumes[0].middle, layer.data.shape[: layer.ndim - 2]))
            )
        if self.views.patient_space.isChecked():
            self.set_patient_space(True)
        for volume in volumes:
            volume.array.warm()

    def _slice_failed(self, k: int, error: Exception) -> None:
        from napari.utils.notifications import show_error

        show_error(display(f"Slice {k + 1} could not be read: {error}", 400))

    def open_series(self, row: int) -> None:
        """Open the series of this row as layers, or say why it cannot be."""
        if self.opened is None or not 0 <= row < len(self.opened.series):
            return
        series = self.opened.series[row]
        volumes, refusals = load_series(series)
        self._rows[row] = noted(self._rows[row], volumes, refusals)
        if volumes:
            self._add_layers(volumes)
            self._go_to_match(volumes)
        else:
            reasons = [str(refusal) for refusal in refusals]
            self.series.set_problems((f"{series.name} cannot be opened.", *reasons), len(reasons) + 1)
        self._show_series()

    def go_to_slice(self, number: int) -> None:
        """Show a slice of the active volume, counted over times and slices."""
        layer = self.viewer.layers.selection.active
        volume = volume_of(layer)
        if volume is None or not 0 <= number < len(volume.files):
            return
        go_to_slice(self.viewer, layer, number)

    def _mark_slice(self, _event: object = None) -> None:
        layer = self.viewer.layers.selection.active
        if volume_of(layer) is not None and self.curve.values is not None:
            self.curve.set_current(slice_number(layer, self.viewer.dims.point))

    def _go_to_match(self, volumes: Sequence[Volume]) -> None:
        """Show the first slice whose file matches the filters, and activate its layer."""
        if self._selection is None or not self._selection.filters:
            return
        paths = set(self._selection.files().paths)
        for volume in volumes:
            n = next((n for n, (path, _) in enumerate(volume.files) if path in paths), None)
            layer = next((layer for layer in self.viewer.layers if volume_of(layer) is volume), None)
            if n is not None and layer is not None:
                self.viewer.layers.selection.active = layer
                self.go_to_slice(n)
                return

    # -- showing ------------------------------------------------------------------------------------

    def _open_uids(self) -> set[str]:
        return {volume.series_instance_uid for layer in self.viewer.layers if (volume := volume_of(layer))}

    def _as_shown(self, row: SeriesRow, open_uids: set[str]) -> SeriesRow:
        """`row` with whether it is open, and how many of its files match."""
        assert self.opened is not None
        is_open = self.opened.series[row.number].series_instance_uid in open_uids
        matches = self._matches[row.number] if self._matches else None
        return row if (is_open, matches) == (False, None) else replace(row, is_open=is_open, matches=matches)

    def _show_series(self) -> None:
        if self.opened is None:
            return
        uids = self._open_uids()
        rows = (row for row in self._rows if not self._matches or self._matches[row.number])
        self.series.set_rows(tuple(self._as_shown(row, uids) for row in rows))

    def toggle_value(self, text: str) -> None:
        """Filter by a value of the chosen tag, or no longer."""
        keyword = self.tags.selected()
        if self._selection is not None and keyword and not self.values.by_spelling.isChecked():
            self._filter(self._selection.toggled(keyword, text))

    def remove_filter(self, keyword: str) -> None:
        """Remove the filter of a tag; "" removes all."""
        if self._selection is not None:
            self._filter(self._selection.without(keyword) if keyword else Selection(self._selection.catalog))

    def _filter(self, selection: Selection) -> None:
        """Let every table, bar and count follow `selection`."""
        assert self.opened is not None
        self._selection = selection
        chosen = selection.files()
        self._matches = selection.matches(self.opened.series) if selection.filters else []
        self.filters.set_filters(selection.filters, chosen.n_files, selection.catalog.n_files)
        self.series.set_empty_text("No file holds all that is chosen: remove a filter above")
        self._show_series()
        self._show_values()
        worker = thread_worker(selection_rows)(selection)
        worker.returned.connect(self._tags_counted)
        worker.start()

    def _tags_counted(self, counted: tuple[Selection, tuple[TagRow, ...]]) -> None:
        selection, rows = counted
        if selection is self._selection:  # else of an earlier filter
            self.tags.set_rows(rows)

    def _active_series(self) -> Series | None:
        volume = volume_of(self.viewer.layers.selection.active)
        if volume is None or self.opened is None:
            return None
        uid = volume.series_instance_uid
        return next((series for series in self.opened.series if series.series_instance_uid == uid), None)

    def _show_values(self) -> None:
        keyword = self.tags.selected()
        if self._catalog is None or not keyword:
            self.values.set_histogram(None)
            self.curve.set_curve(None)
            return
        by = "spelling" if self.values.by_spelling.isChecked() else "meaning"
        series = self._active_series() if self._worker is None else None
        part = series.catalog if series is not None else None
        selection = self._selection if self._worker is None else None
        whole, scope = self._catalog, "folder"
        chosen: tuple[str, ...] = ()
        if selection is not None and selection.filters:
            whole, chosen = selection.counted_for(keyword), selection.texts(keyword)
            scope = "matching" if selection.without(keyword).filters else "folder"
            part = Selection(part, selection.without(keyword).filters).files() if part is not None else None
        histogram = histogram_of(whole, keyword, part, by)
        self.values.set_histogram(histogram, series.name if series is not None else "", chosen, scope)
        volume = volume_of(self.viewer.layers.selection.active)
        curve = None
        if series is not None and volume is not None:
            curve = values_along(volume, series.catalog, keyword)
        self.curve.set_curve(curve)
        self._mark_slice()

    def _choose_tag(self) -> None:
        """Choose a tag to begin with, where none is, and show its values."""
        if not self.tags.selected() and not self.tags.select(FIRST_TAG) and self.tags.model.rows:
            self.tags.select(self.tags.model.rows[0].keyword)
        self._show_values()

    def _show_tag(self, keyword: str) -> None:
        if not self.tags.select(keyword):
            self.tags.everything.setChecked(True)
            self.tags.select(keyword)
        self._show_values()

    # -- the active layer ---------------------------------------------------------------------------

    def _active_changed(self, _event: object = None) -> None:
        self._view_changed()
        series = self._active_series()
        if series is not None and self.opened is not None:
            self.series.select(self.opened.series.index(series))
        self._show_values()

    def show_view(self, view: str) -> None:
        """Show the active volume in an anatomical plane, "axial", "coronal" or "sagittal", or in "3D"."""
        volume = volume_of(self.viewer.layers.selection.active)
        if volume is None:
            return
        if view == "3D":
            show_space(self.viewer, volume)
        else:
            show_plane(self.viewer, volume, view)
        self._view_changed()

    def set_patient_space(self, is_on: bool) -> None:
        """Put all volumes where they lie in the patient, in the axes of the active one; or back."""
        from napari.utils.notifications import show_info

        layer = self.viewer.layers.selection.active
        reference = volume_of(layer)
        at = layer.world_to_data(self.viewer.dims.point) if reference is not None else ()
        unalign(self.viewer.layers)
        if is_on and reference is not None:
            _, left = align(self.viewer, reference)
            if left:
                be = "volumes lie" if left > 1 else "volume lies"
                show_info(f"{left} {be} in another frame of reference, or nowhere: not moved")
        self.views.set_patient_space(is_on)
        if reference is not None:  # the same slice as before
            self.viewer.dims.point = (*self.viewer.dims.point[: -layer.ndim], *layer.data_to_world(at))
        self.viewer.reset_view()

    def _view_changed(self, _event: object = None) -> None:
        volume = volume_of(self.viewer.layers.selection.active)
        view = plane_shown(self.viewer, volume) if volume is not None else ""
        placed = volume is not None and anatomical_axes(volume) is not None
        self.views.set_view(view, placed, volume is not None)

    def choose_window(self, index: int) -> None:
        """Show the active layer with its preset of this number; -1: the full range."""
        self.windows.choose(index)

    def _layer_removed(self, event: Any) -> None:
        volume = volume_of(event.value)
        if volume is not None and not any(volume_of(layer) is volume for layer in self.viewer.layers):
            volume.array.close()
        self._show_series()

    # -- drops --------------------------------------------------------------------------------------

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        """Take files and folders."""
        if event.mimeData().hasUrls():
            event.acceptProposedAction()

    def dropEvent(self, event: QDropEvent) -> None:
        """Open what was dropped."""
        paths = [url.toLocalFile() for url in event.mimeData().urls() if url.isLocalFile()]
        if paths:
            event.acceptProposedAction()
            self.open_paths(paths)
