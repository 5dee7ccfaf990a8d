"""Volumes become layers in steps, so that the window is never blocked for as long as napari needs for one."""

from __future__ import annotations

from collections import deque
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import QObject, QTimer, Signal
from qtpy.QtWidgets import QMainWindow

from napari_dicommeta._napari.display import go_to_slice
from napari_dicommeta._napari.reader import layer_of, volumes_in
from napari_dicommeta.support.words import display

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from napari.layers import Layer

    from napari_dicommeta.volumes.volume import Volume

__all__ = ["LayerQueue"]

_OVER = object()


@dataclass(slots=True)
class _Batch:
    """Volumes that come together, as they are shown, and what follows."""

    then: Callable[[list[Volume]], object]
    shown: list[Volume] = field(default_factory=list)
    is_first: bool = False
    """Whether the viewer had no layer before."""


class LayerQueue(QObject):
    """Adds layers, one step an event: sliders, layer, and the picture, with which all of it is painted.

    All in one event napari takes a sixth of a second and more. `changed` says that layers begin to come, True, or that
    all are there.
    """

    changed = Signal(bool)

    def __init__(self, viewer: Any, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._viewer = viewer
        self._queue: deque[Iterator[None]] = deque()
        self._source: list[Volume] = []
        self._painting = _Painting(self)
        self._timer = QTimer(self, singleShot=True, timeout=self._next)

    def begin_source(self) -> None:
        """What comes from now on is of another source, or of one that has been read anew."""
        self._source = []

    def add(self, volumes: Sequence[Volume], then: Callable[[list[Volume]], object]) -> None:
        """Add volumes as layers, the first on top; the first of all begins at its middle slice.

        One that is in a layer of this source already gets no other. `then` takes the volumes that are in a layer, as
        they are there.
        """
        if not self._queue:
            self.changed.emit(True)
        batch = _Batch(then)
        self._queue += [self._steps(volume, batch) for volume in reversed(volumes)]
        self._queue.append(self._finish(batch))
        self._timer.start()

    @property
    def is_adding(self) -> bool:
        """Whether there are layers still to come."""
        return bool(self._queue)

    def _next(self) -> None:
        is_over = True
        try:
            is_over = next(self._queue[0], _OVER) is _OVER
        finally:  # a layer that napari refuses keeps none of the others out
            if is_over:
                self._painting.resume()
                self._queue.popleft()
            if self._queue:
                self._timer.start()
            else:
                self.changed.emit(False)

    def _steps(self, volume: Volume, batch: _Batch) -> Iterator[None]:
        viewer = self._viewer
        known = self._known(volume)
        if known is not None:
            batch.shown.insert(0, known)
            return
        volume.array.on_error = _Failures()
        layer = layer_of(volume)
        if not viewer.layers:
            batch.is_first = True
            if viewer.dims.ndisplay == 2:  # in 3D napari has no sliders without a layer
                self._painting.pause()
                viewer.dims.ndim = layer.ndim
                yield
                self._set_sliders(layer)
        layer.visible = False  # drawn in a step of its own
        yield
        self._painting.pause()
        try:
            viewer.add_layer(layer)
            batch.shown.insert(0, volume)
            self._source.append(volume)
            yield
        finally:  # none stays hidden, whatever listens to layers
            self._painting.resume()
            if batch.is_first and layer in viewer.layers:
                middle = np.ravel_multi_index(volume.middle, layer.data.shape[: layer.ndim - 2])
                go_to_slice(viewer, layer, int(middle))
            layer.visible = True
        viewer.update_status_from_cursor()  # it has told the value of a picture that was not there yet
        if layer in viewer.layers:  # else it was removed, and its reading stopped
            volume.array.warm()
        yield

    def _finish(self, batch: _Batch) -> Iterator[None]:
        batch.then(batch.shown)
        yield from ()

    def _known(self, volume: Volume) -> Volume | None:
        """The volume of a layer of this source that is the same as `volume`."""
        there = volumes_in(self._viewer.layers)
        self._source = [one for one in self._source if any(one is other for other in there)]
        return next((one for one in self._source if _key(one) == _key(volume)), None)

    def _set_sliders(self, layer: Layer) -> None:
        """Set the sliders of the viewer, which has no layer yet, as napari will for `layer`."""
        dims, extent = self._viewer.dims, layer.extent
        dims.range = tuple(zip(*extent.world, extent.step, strict=True))
        dims.axis_labels = layer.axis_labels
        dims.current_step = tuple(int((steps - 1) / 2) for steps in dims.nsteps)


class _Painting:
    """Whether the window around an object paints; it does so again when the object goes."""

    def __init__(self, within: QObject) -> None:
        self._within = within
        self._paused: list[QMainWindow] = []
        paused = self._paused
        within.destroyed.connect(lambda: _repaint(paused))

    def pause(self) -> None:
        window: QObject | None = self._within
        while window is not None and not isinstance(window, QMainWindow):
            window = window.parent()
        if window is not None and window.updatesEnabled():
            window.setUpdatesEnabled(False)
            self._paused.append(window)

    def resume(self) -> None:
        _repaint(self._paused)


def _repaint(windows: list[QMainWindow]) -> None:
    while windows:
        with suppress(RuntimeError):  # the window goes itself, with the dock in it
            windows.pop().setUpdatesEnabled(True)


def _key(volume: Volume) -> tuple[object, ...]:
    """What two volumes of one source have in common that are the same: name, slices, units, how they were made."""
    return volume.name, volume.files, volume.array.shape, volume.units, volume.notes


class _Failures:
    """Tells of slices of one volume that cannot be read: the first, and then at each ten times as many."""

    def __init__(self) -> None:
        self._n = 0

    def __call__(self, k: int, error: Exception) -> None:
        from napari.utils.notifications import show_error

        self._n += 1
        if self._n == 1:
            show_error(display(f"Slice {k + 1} could not be read, it is shown empty: {error}", 400))
        elif str(self._n).strip("0") == "1":
            show_error(display(f"{self._n:,} slices of this volume could not be read, the last: {error}", 400))
