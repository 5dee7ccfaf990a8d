"""The dock "DICOM": source, presets of the active layer, and the series, tags and findings of what is open."""

from __future__ import annotations

import os
import threading
import time
from dataclasses import dataclass, replace
from importlib import import_module
from typing import TYPE_CHECKING, Any

from napari.qt.threading import thread_worker
from qtpy.QtCore import Qt, QTimer
from qtpy.QtGui import QDragEnterEvent, QDropEvent, QKeySequence, QShortcut
from qtpy.QtWidgets import QApplication, QSizePolicy, QSplitter, QTabWidget, QVBoxLayout, QWidget

from napari_dicommeta._reader import layer_of, set_limits, slider_limits, volume_of
from napari_dicommeta._widgets.colours import colours_of
from napari_dicommeta._widgets.findings_list import FindingsList
from napari_dicommeta._widgets.presets import PresetStrip
from napari_dicommeta._widgets.series_table import SeriesRow, SeriesTable
from napari_dicommeta._widgets.source_bar import SourceBar
from napari_dicommeta._widgets.tag_table import SHAPE_BARS, TagRow, TagTable
from napari_dicommeta._widgets.value_bars import ValueBars
from napari_dicommeta.histogram import histogram_of
from napari_dicommeta.loader import load_series, nothing_found
from napari_dicommeta.meaning import display
from napari_dicommeta.privacy import is_identifying
from napari_dicommeta.scanner import ScanProgress, iter_scan

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    import napari

    from napari_dicommeta.catalog import Catalog
    from napari_dicommeta.findings import Finding
    from napari_dicommeta.series import Refusal, Series
    from napari_dicommeta.volume import Volume

__all__ = ["DicomDock", "Opened", "Partial", "open_source", "tag_rows"]

FIRST_TAG = "WindowCenter"
REPORT = 0.25
"""Seconds between two updates of the progress: each repaints the window."""
FIRST_PARTIAL = 0.5
"""Seconds after which a scan that is still running shows its first bars."""
COLLECT_MS = 30
"""napari calls a reader once for each dropped file: paths that come within this time are one source."""


@dataclass(frozen=True, slots=True)
class Opened:
    """A source that has been scanned: what the dock shows of it."""

    paths: tuple[str, ...]
    catalog: Catalog
    series: tuple[Series, ...]
    rows: tuple[SeriesRow, ...]
    """A row for each series."""
    volumes: tuple[Volume, ...]
    refusals: tuple[Refusal, ...]
    tags: tuple[TagRow, ...]
    findings: tuple[Finding, ...]

    @property
    def title(self) -> str:
        """The folder's or file's name and how much it holds."""
        name = os.path.basename(self.paths[0].rstrip(os.sep)) or self.paths[0]
        if len(self.paths) > 1:
            name = f"{name} and {len(self.paths) - 1} more"
        n = self.catalog.n_files
        return f"{name} · {n:,} file{'s' if n != 1 else ''} · {len(self.series):,} series"


@dataclass(frozen=True, slots=True)
class Partial:
    """A scan that is running: how far it is and, from time to time, the catalog of what has been read and its tags."""

    progress: ScanProgress
    catalog: Catalog | None = None
    tags: tuple[TagRow, ...] = ()


def tag_rows(catalog: Catalog) -> tuple[TagRow, ...]:
    """A row for each tag of `catalog`, in the order of the tags."""
    rows = []
    n = catalog.n_files
    for summary in catalog.tags():
        shape: tuple[float, ...] = ()
        if 1 < summary.distinct <= 1000:
            most = list(catalog.values(summary.path).values())[:SHAPE_BARS]
            shape = tuple(count / most[0] for count in most)
        constant = summary.distinct <= 1 and (summary.present == n or summary.empty == n)
        rows.append(
            TagRow(
                summary.keyword,
                summary.path.name,
                summary.path.display.split(" ")[0],
                summary.vr,
                summary.distinct,
                summary.present / n,
                shape,
                is_identifying(summary.path, summary.vr),
                n == 1 or summary.spellings > summary.distinct or not (constant or summary.distinct == n),
            )
        )
    return tuple(rows)


def open_source(paths: Sequence[str]) -> Generator[Partial, None, Opened]:
    """Scan `paths` and prepare the first series that can be shown; yields progress, knows nothing of Qt.

    About once a second, less often as the catalog grows, a step holds the catalog so far.
    """
    steps = iter_scan(paths)
    # Naming tags needs the dictionary, whose import takes a second: it must not hold up the listing.
    dictionary = threading.Thread(target=import_module, args=("pydicom.datadict",), daemon=True)
    dictionary.start()
    due, shown = time.monotonic() + FIRST_PARTIAL, 0.0
    try:
        while True:
            try:
                progress = next(steps)
            except StopIteration as stop:
                catalog: Catalog = stop.value
                break
            began = time.monotonic()
            if began - shown >= REPORT:
                yield Partial(progress)
                shown = began
            if began < due or not progress.tables or dictionary.is_alive():
                continue
            so_far = progress.catalog()
            yield Partial(progress, so_far, tag_rows(so_far) if so_far.n_files else ())
            due = time.monotonic() + max(1.0, 10 * (time.monotonic() - began))
    finally:
        steps.close()
    refusals: list[Refusal] = []
    volumes: tuple[Volume, ...] = ()
    for series in catalog.series:
        volumes, refused = load_series(series)
        refusals += refused
        if volumes:
            for volume in volumes:
                volume.display_range()  # reads the middle slice here, not in the main thread
            break
    reasons = {refusal.series.series_instance_uid: refusal.reason for refusal in refusals}
    rows = tuple(
        SeriesRow(series.name, series.modality, series.size, reasons.get(series.series_instance_uid, ""))
        for series in catalog.series
    )
    tags, findings = tag_rows(catalog), catalog.findings()
    return Opened(tuple(paths), catalog, catalog.series, rows, volumes, tuple(refusals), tags, findings)


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
        self._pending: list[str] = []
        self._worker: Any = None
        self._layer: Any = None
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
        self.source, self.presets, self.series = SourceBar(), PresetStrip(), SeriesTable()
        self.tags, self.values, self.findings = TagTable(), ValueBars(), FindingsList()
        splitter = QSplitter(Qt.Orientation.Vertical)
        splitter.addWidget(self.tags)
        splitter.addWidget(self.values)
        splitter.setChildrenCollapsible(False)
        splitter.setStretchFactor(0, 3)
        splitter.setStretchFactor(1, 4)
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
        layout.addWidget(self.presets)
        layout.addWidget(self.tabs, 1)

    def _connect(self) -> None:
        self.source.paths_chosen.connect(self.open_paths)
        self.source.scan_cancelled.connect(self.cancel)
        self.presets.window_chosen.connect(self.choose_window)
        self.series.series_activated.connect(self.open_series)
        self.tags.tag_selected.connect(lambda _keyword: self._show_values())
        self.values.spelling_toggled.connect(lambda _by: self._show_values())
        self.findings.finding_selected.connect(self._show_tag)
        for digit in range(10):
            # Of the application, so that the keys work while the dock floats in a window of its own.
            shortcut = QShortcut(QKeySequence(f"Alt+{digit}"), self)
            shortcut.setContext(Qt.ShortcutContext.ApplicationShortcut)
            shortcut.activated.connect(lambda digit=digit: self.choose_window(digit - 1))
            shortcut.activatedAmbiguously.connect(lambda digit=digit: _active_dock(self).choose_window(digit - 1))
        self.viewer.layers.selection.events.active.connect(self._active_changed)
        self.viewer.layers.events.removed.connect(self._layer_removed)
        self.viewer.events.theme.connect(self._theme_changed)

    def _theme_changed(self, _event: object = None) -> None:
        colours = colours_of(self.viewer.theme)
        self.tags.set_colours(colours)
        self.values.set_colours(colours)

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
        self.opened, self._catalog = opened, opened.catalog
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

    def _add_layers(self, volumes: Sequence[Volume]) -> None:
        for volume in reversed(volumes):
            volume.array.on_error = self._slice_failed
            self.viewer.add_layer(layer_of(volume))
        if volumes and len(self.viewer.layers) == len(volumes):
            k = len(volumes[0].array) // 2
            self.viewer.dims.set_point(0, k * self.viewer.layers[-1].scale[0])
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
        if volumes:
            self._add_layers(volumes)
        else:
            reasons = [str(refusal) for refusal in refusals]
            self.series.set_problems((f"{series.name} cannot be opened.", *reasons), len(reasons) + 1)
        self._show_series()

    # -- showing ------------------------------------------------------------------------------------

    def _show_series(self) -> None:
        if self.opened is None:
            return
        open_uids = {volume.series_instance_uid for layer in self.viewer.layers if (volume := volume_of(layer))}
        pairs = zip(self.opened.rows, self.opened.series, strict=True)
        self.series.set_rows(
            tuple(replace(row, is_open=series.series_instance_uid in open_uids) for row, series in pairs)
        )

    def _active_series(self) -> Series | None:
        volume = volume_of(self._layer)
        if volume is None or self.opened is None:
            return None
        uid = volume.series_instance_uid
        return next((series for series in self.opened.series if series.series_instance_uid == uid), None)

    def _show_values(self) -> None:
        keyword = self.tags.selected()
        if self._catalog is None or not keyword:
            self.values.set_histogram(None)
            return
        by = "spelling" if self.values.by_spelling.isChecked() else "meaning"
        series = self._active_series() if self._worker is None else None
        part = series.catalog if series is not None else None
        histogram = histogram_of(self._catalog, keyword, part, by)
        self.values.set_histogram(histogram, series.name if series is not None else "")

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
        if self._layer is not None:
            self._layer.events.contrast_limits.disconnect(self._limits_changed)
        active = self.viewer.layers.selection.active
        volume = volume_of(active)
        self._layer = active if volume is not None and not volume.is_colour else None
        if self._layer is None:
            self.presets.set_windows("", ())
        else:
            assert volume is not None
            self._layer.events.contrast_limits.connect(self._limits_changed)
            self.presets.set_windows(self._layer.name, volume.windows, volume.units)
            self._limits_changed()
        self._show_values()

    def _limits_changed(self, _event: object = None) -> None:
        volume = volume_of(self._layer)
        if volume is None:
            return
        limits = tuple(self._layer.contrast_limits)
        current: int | None = None
        for i, window in enumerate(volume.windows):
            if not window.fault and _close(slider_limits(window), limits):
                current = i
                break
        if current is None and _close(volume.display_range(), limits):
            current = -1
        self.presets.set_current(current)

    def choose_window(self, index: int) -> None:
        """Show the active layer with its window of this index; -1: the full range."""
        volume = volume_of(self._layer)
        if volume is None or index >= len(volume.windows):
            return
        if index < 0:
            set_limits(self._layer, volume.display_range())
        elif not volume.windows[index].fault:
            set_limits(self._layer, slider_limits(volume.windows[index]))
        self._limits_changed()

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


def _active_dock(dock: DicomDock) -> DicomDock:
    """Of several viewers' docks the one whose window is active."""
    docks = [widget for widget in QApplication.allWidgets() if isinstance(widget, DicomDock)]
    return next((one for one in docks if one.window().isActiveWindow()), dock)


def _close(one: Sequence[float], other: Sequence[float]) -> bool:
    """Whether two limits are the same to a thousandth of their width."""
    tolerance = 1e-3 * max(abs(one[1] - one[0]), 1e-6)
    return abs(one[0] - other[0]) <= tolerance and abs(one[1] - other[1]) <= tolerance
