"""The dock "DICOM": source, window presets of the active layer, and tabs of series, tags, images and findings."""

from __future__ import annotations

import os
from functools import partial
from typing import TYPE_CHECKING, Any

from napari.utils.notifications import show_info, show_warning
from qtpy.QtCore import QTimer

from napari_dicommeta._napari.arrange import layers_of
from napari_dicommeta._napari.contours import contour_layers
from napari_dicommeta._napari.reader import PLUGIN, volumes_in
from napari_dicommeta._napari.report_places import place_layers
from napari_dicommeta._napari.settings import last_source, remember_source
from napari_dicommeta._napari.state.sources import DockState, keep_state, take_state
from napari_dicommeta._napari.tasks.audit import is_labels
from napari_dicommeta._napari.tasks.source import Opened, Partial, SeriesRequest, not_dicom, problems_of
from napari_dicommeta._napari.widgets.dock_panel import DockPanel
from napari_dicommeta._napari.widgets.labels import WHAT_TO_DO
from napari_dicommeta._napari.words import plain
from napari_dicommeta.export.reports import Reports, reports
from napari_dicommeta.volumes.along_slices import is_of_frames, slice_matching

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    import napari
    from qtpy.QtWidgets import QWidget

    from napari_dicommeta._napari.tasks.rows import Offer
    from napari_dicommeta.volumes.volume import Volume

__all__ = ["DicomDock"]

SAMPLE = "chest"
"""The key of the sample in the manifest."""
PREPARE_MS = 400
"""Delay from opening the dock to preparing the workers."""
ADD_MS = 20
LOOK_MS = 250
"""Delay from showing a source to checking it."""


class DicomDock(DockPanel):
    """The dock widget. It accepts dropped folders and files; `open_paths` does the same from code."""

    def __init__(self, viewer: napari.viewer.Viewer, parent: QWidget | None = None) -> None:
        super().__init__(viewer, parent)
        # Tags are painted first because adding a layer takes long.
        self._add_timer = QTimer(self, singleShot=True, interval=ADD_MS, timeout=self._show_first)
        self._look_timer = QTimer(self, singleShot=True, interval=LOOK_MS, timeout=self._look_into)
        self._read_meanwhile: Opened | None = None
        """A source that was read to its end while its first picture was being added."""
        self._connect()
        QTimer(self, singleShot=True, interval=PREPARE_MS, timeout=self.workers.prepare).start()
        QTimer(self, singleShot=True, timeout=self._restore).start()

    def _connect(self) -> None:
        self.paths_dropped.connect(self._dropped)
        self.source.back_requested.connect(self.go_back)
        self.source.paths_chosen.connect(self.open_paths)
        self.source.scan_canceled.connect(self.cancel)
        self.series.start.folder_requested.connect(self.source.choose_folder)
        self.series.start.paths_chosen.connect(self.open_paths)
        self.series.start.sample_requested.connect(self._open_sample)
        self.series.set_start(True)
        workers = self.workers
        for signal, slot in (
            (workers.begun, self._begun),
            (workers.progressed, self._progressed),
            (workers.opened, self._opened),
            (workers.failed, self._failed),
            (self.growth.pictured, self._show_early),
            (self.growth.grown, self._grown),
            (workers.series_opened, self._series_opened),
            (workers.series_failed, self._series_failed),
            (workers.series_noted, self.series_rows.note),
            (workers.pictured, self.sheet.add),
        ):
            signal.connect(slot)
        self.destroyed.connect(workers.stop_all)
        self.series.series_activated.connect(
            lambda chosen, is_added: self.open_requested(
                [SeriesRequest(number=number, volume=volume) for number, volume in chosen], is_added
            )
        )
        self.series.series_clicked.connect(self._show_again)
        self.series.offer_chosen.connect(self._take_offer)
        self.sheet.image_activated.connect(
            lambda number, path: self.open_requested([SeriesRequest(number=number, path=path)])
        )
        self.findings_tab.checks.counts_checked.connect(self._note_series)
        self.layer_queue.changed.connect(self._adding_changed)
        self.closed.connect(self._release)

    def _release(self) -> None:
        """Stop work and leave the viewer to the next dock, which finds this state."""
        keep_state(self.viewer, self._state())
        for emitter, callback in self._followed:
            emitter.disconnect(callback)
        self.layer_queue.release()
        self.windows.release()
        self.view.release()
        self.workers.stop_all()
        self.deleteLater()

    # -- opening ------------------------------------------------------------------------------------

    def open_paths(self, paths: Sequence[str], is_added: bool = False, volumes: Sequence[Volume] = ()) -> None:
        """Open folders and files. Calls in quick succession, as from a drop, form one source.

        It takes the place of what is visible, unless it `is_added` to that. `volumes` of it are in layers already.
        """
        self.sources.request(is_added, volumes)
        self.workers.open_paths(paths)

    def _dropped(self, paths: Sequence[str], is_added: bool) -> None:
        """Open what was dropped; a CSV file alone holds labels of what is open."""
        if len(paths) == 1 and is_labels(paths[0]):
            self.audits.audit(paths[0])
        else:
            self.open_paths(paths, is_added)

    def _open_sample(self) -> None:
        self.viewer.open_sample(PLUGIN, SAMPLE)

    def go_back(self) -> None:
        """Return to the previous source: at once while layers of it are open, else from the cache."""
        past = self.sources.back()
        if past is None:
            return
        if not self.workers.is_scanning:
            self.sources.begin(self.exploration.selection)
        self.workers.cancel()
        opened = past.opened()
        if opened is not None:
            self._opened(opened)
        else:
            self.workers.open_paths(past.paths)

    def _state(self) -> DockState:
        selection = None if self.workers.is_scanning else self.exploration.selection
        return DockState(
            opened=self.opened,
            past=tuple(self.sources.past),
            filters=self.sources.filters if selection is None else selection.filters,
            query=self.exploration.query,
            tab=self.tabs.currentIndex(),
            reading=self.workers.scanned_paths,
        )

    def _restore(self) -> None:
        """Show what the last dock of this viewer showed when it was closed."""
        state = take_state(self.viewer)
        if self.opened is not None or self.workers.scanned_paths:
            return
        if state is None or not (state.opened or state.reading):
            self.source.set_last(last_source())
            return
        self.sources.past = list(state.past)
        if state.opened is not None:
            self.sources.wanted = state.filters
            self._opened(state.opened, is_shown=True)
            self.tab.show_tag(state.query.keyword) if state.query.keyword else None
            self.tabs.setCurrentIndex(state.tab)
        if state.reading:
            self.open_paths(state.reading)

    @property
    def is_idle(self) -> bool:
        """Whether no read is running or pending."""
        is_adding = self._is_adding or self.layer_queue.is_adding or self.windows.canvas.is_making
        return self.workers.is_idle and not is_adding

    def cancel(self) -> None:
        """Stop a running scan and open what it has read; if it has read nothing, keep the open source."""
        self.exports.cancel()
        self.source.set_idle()
        early = self.growth.early
        if self.workers.is_scanning and not self.workers.stop_scan():
            if early is not None:
                self._opened(early)
            else:
                self._keep_open("Stopped: nothing is open", f"Stopped. {WHAT_TO_DO}")

    def _keep_open(self, otherwise: str, empty_text: str) -> None:
        """Go on with the open source and its filters; `otherwise` names that there is none."""
        self._name_source(otherwise)
        self._set_empty_texts(empty_text)
        opened, filters = self.opened, self.sources.filters
        self.series.set_start(opened is None)
        self.exploration.set_catalog(opened.catalog if opened else None, opened.tags if opened else ())
        if opened is not None and filters:
            self.exploration.choose(filters)
        self._active_changed()

    def _begun(self, paths: list[str]) -> None:
        self.source.set_source(f"Reading {Opened.name_of(paths)}…", "", paths)
        self._read_meanwhile = None
        self.source.set_progress(0, 0, False)
        self.series.set_start(False)
        self.source.set_last(())
        self.sources.begin(self.exploration.selection)
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
        if so_far.opened is not None:
            self.growth.grow(so_far.opened)

    def _grown(self, opened: Opened) -> None:
        """List a source that is being read as far as it is read."""
        self.exploration.set_catalog(opened.catalog, opened.tags, is_whole=False)
        self._list_series(opened)
        self._show_series()
        self._active_changed()

    def _show_early(self, early: Opened) -> None:
        """Show the first complete series of a source that is being read."""
        self.view.begin_opening()
        self.layer_queue.begin_source(early, self.sources.volumes)
        self.layer_queue.add(early.volumes, partial(self.view.show_opened, is_added=self.sources.is_added))

    def _failed(self, error: Exception) -> None:
        self.source.set_idle()
        why, early = f"{type(error).__name__}: {error}", self.growth.early
        if isinstance(error, OSError) and error.filename:
            named = os.path.basename(error.filename.rstrip("/")) or error.filename  # a URL may end in /
            why = f"{named}: {error.strerror}"
        if early is not None:
            self._opened(early)
        else:
            self._keep_open("The source could not be read", f"{why}\n{WHAT_TO_DO}")
        self._tell(("The source could not be read.", why))

    def _tell(self, problems: tuple[str, ...]) -> None:
        """Show problems below the series; as a notification too if a source stays open above them."""
        self.series.set_problems(problems, len(problems))
        if self.opened is not None and self.opened.catalog.n_files:
            show_warning("\n".join(plain(problem) for problem in problems[:4]))

    def _series_failed(self, error: Exception) -> None:
        self.series.set_problems(("The series could not be opened.", f"{type(error).__name__}: {error}"), 2)

    def _opened(self, opened: Opened, is_shown: bool = False) -> None:
        """Show a source; `is_shown` if its layers stay as they are."""
        from napari_dicommeta.volumes.load import nothing_found

        if self.growth.early is not None and self.layer_queue.is_adding:
            self._read_meanwhile = opened  # when the first picture is there
            return
        sources = self.sources
        if not sources.is_usable(opened):
            self.source.set_idle()
            self._keep_open("", "No images to show.")
            reasons = nothing_found(opened.catalog, opened.refusals).split("\n")
            self._tell((f"{opened.title}: nothing was opened.", *reasons))
            return
        wanted = sources.wanted
        is_early, incomplete = self.growth.adopt(opened)
        is_shown = is_shown or is_early
        sources.replace(opened)
        self.series.set_start(False)
        self.layer_queue.begin_source(opened, sources.volumes)
        self._list_series(opened)
        self.findings_tab.forget()
        self.exports.end_comparison()
        self.audits.end()
        self.windows.set_folder(opened.windows)
        self.source.set_idle()
        self._name_source()
        self.source.set_comparable(bool(opened.catalog.n_files))
        self._show_problems()
        if not opened.catalog.n_files:
            self._set_empty_texts(f"{nothing_found(opened.catalog, opened.refusals)}\n{WHAT_TO_DO}")
        else:
            self._set_empty_texts("No images to show.")
            self.findings_tab.set_empty_text("Checking values…")
        self._is_adding = not is_shown
        self.tab.set_source(opened.tags)
        self.tab.export.forget()
        self.exploration.set_catalog(opened.catalog, opened.tags)
        if wanted:
            self.exploration.choose(wanted)
        if is_shown:
            self._look_timer.start()
            self._active_changed()
            self._remember(opened)
            self.open_requested([SeriesRequest(number=number) for number in incomplete])
        else:
            self._add_timer.start()

    def _show_first(self) -> None:
        """Add the layers of the opened source, then check it."""
        self._is_adding = False
        opened = self.opened
        if opened is not None:
            self.view.begin_opening()
            self.layer_queue.add(opened.volumes, partial(self._first_shown, opened, self.sources.is_added))

    def _first_shown(self, opened: Opened, is_added: bool, volumes: Sequence[Volume]) -> None:
        self.view.show_opened(volumes, is_added=is_added)
        self._look_timer.start()
        self._remember(opened)

    def _remember(self, opened: Opened) -> None:
        if opened.catalog.n_files:
            remember_source(opened.paths)

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
            opened, self._read_meanwhile = self._read_meanwhile, None
            if opened is not None:
                self._opened(opened)
            self._show_series()
            self._active_changed()

    def open_series(self, row: int, is_added: bool = False) -> None:
        """Open the series of this row as layers, or show why that fails."""
        self.open_requested([SeriesRequest(number=row)], is_added)

    def open_requested(self, requests: Sequence[SeriesRequest], is_added: bool = False) -> None:
        """Show series as layers, at the first slice that matches the filters; `is_added` keeps what is visible."""
        listed = self.listed
        if listed is not None:
            valid = [request for request in requests if 0 <= request.number < len(listed.series)]
            if len(valid) == 1 and valid[0].path and self._is_shown(valid[0]):
                return
            if valid:
                self.view.begin_opening()
                self.workers.open_series(listed, valid, is_added)

    def _is_shown(self, request: SeriesRequest) -> bool:
        """Go to the requested slice if a layer has it, and return whether one does."""
        holding = [volume for volume in volumes_in(self.viewer.layers) if request.path in dict(volume.files)]
        if holding:
            self.view.begin_opening()
        shown = self.view.show_opened(holding, {request.path})
        if shown is not None:
            self._show_problems()
            self._go_to_frame(shown, {request.path})
        return shown is not None

    def _take_offer(self, number: int, offer: Offer) -> None:
        listed = self.listed
        if offer.with_places and listed is not None:
            catalog = listed.series[number].catalog
            self.workers.run("places", lambda: reports(catalog), self._add_places)
            return
        request = SeriesRequest(
            number=number,
            split=offer.split,
            missing_rescale=offer.missing_rescale,
            with_contours=offer.with_contours,
        )
        self.open_requested([request])

    def _series_opened(self, loaded: Any) -> None:
        (opened, results), is_added = loaded
        if opened is not self.opened and not self.growth.holds(opened):
            return
        selection, problems = self.exploration.selection, []
        matching = set(selection.files().paths) if selection is not None and selection.filters else set()
        for request, volumes, refusals in results:
            is_usual = (request.volume, request.split, request.missing_rescale) == (None, "auto", "refuse")
            if is_usual and opened is self.listed:
                self.series_rows.note_opened(request.number, volumes, refusals)
            if volumes:
                paths = {request.path} if request.path else matching
                is_reported = request.path or request.volume is None
                self.layer_queue.add(volumes, partial(self._series_shown, paths, is_added, bool(is_reported)))
                is_added = True  # what is opened together is shown together
                if request.with_contours:
                    self.layer_queue.add(volumes, self._add_contours)
            else:
                problems += [f"{opened.series[request.number].name} cannot be opened.", *map(str, refusals)]
        if problems:
            self.series.set_problems(tuple(problems), len(problems))
        else:
            self._show_problems()
        self._show_series()

    def _show_problems(self) -> None:
        """Show the problems of the source, in place of those of a series that was refused before."""
        opened = self.opened
        problems = problems_of(opened) if opened is not None and opened.catalog.n_files else ()
        self.series.set_problems(problems, len(problems), not_dicom(opened) if opened is not None else ())

    def _series_shown(self, paths: Collection[str], is_added: bool, is_whole: bool, volumes: Sequence[Volume]) -> None:
        shown = self.view.show_opened(volumes, paths, is_added)
        if shown is not None:
            self._go_to_frame(shown, paths)
        elif volumes and paths and is_whole:
            show_info("No slice here comes from a matching file: it is a duplicate or was left out; see the notes.")

    def _add_places(self, found: Reports) -> None:
        """Add the places of the measurements of reports to the volumes that show them."""
        added = list(place_layers(found, list(self.viewer.layers)))
        active = self.viewer.layers.selection.active
        for layer in added:
            self.viewer.add_layer(layer)
        self.viewer.layers.selection.active = active
        if not added:
            show_info("No place of the report lies in the images that are open: open those that it was made on.")

    def _add_contours(self, volumes: Sequence[Volume]) -> None:
        """Add the contours of structures above their labels."""
        active = self.viewer.layers.selection.active
        for layer in contour_layers(layers_of(self.viewer, volumes)):
            self.viewer.add_layer(layer)
        self.viewer.layers.selection.active = active

    def _show_again(self, number: int, place: int | None) -> None:
        """Show a series that is open but hidden."""
        listed = self.listed
        if listed is None:
            return
        row, series = self.series_rows.rows[number], listed.series[number]
        volumes = [volume for volume in volumes_in(self.viewer.layers) if listed.series_of(volume) is series]
        if place is not None:
            volumes = [volume for volume in volumes if volume.name == row.volumes[place]]
        if volumes:
            self._show_problems()
        if volumes and not any(layer.visible for layer in layers_of(self.viewer, volumes)):
            self.view.begin_opening()
            self.view.show_opened(volumes)

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
