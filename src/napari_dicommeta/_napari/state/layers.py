"""Add volumes as layers in small steps, so that the window stays responsive."""

from __future__ import annotations

from collections import deque
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import QObject, QTimer, Signal
from qtpy.QtWidgets import QMainWindow

from napari_dicommeta._napari.display import go_to_slice
from napari_dicommeta._napari.reader import layer_of, source_of, volumes_in
from napari_dicommeta._napari.words import plain
from napari_dicommeta.volumes.volume import without_levels

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence

    from napari.layers import Layer

    from napari_dicommeta._napari.tasks.source import Opened
    from napari_dicommeta.volumes.volume import Volume

__all__ = ["LayerQueue"]

_DONE = object()


@dataclass(slots=True)
class _Batch:
    """Volumes that are added together, those shown so far, and the callback at the end."""

    then: Callable[[list[Volume]], object]
    shown: list[Volume] = field(default_factory=list)
    is_first: bool = False
    """Whether the viewer had no layer before."""


class LayerQueue(QObject):
    """Queue that adds layers, one step per event: sliders, layer, and the picture, painted together.

    In a single event napari needs a sixth of a second or more. The signal `changed` carries True when layers begin to
    be added, False when all are added.
    """

    changed = Signal(bool)

    def __init__(self, viewer: Any, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._viewer = viewer
        self._queue: deque[Generator[None, None, None]] = deque()
        self._source: list[Volume] = []
        self._opened: Opened | None = None
        self._painting = _Painting(self)
        self._timer = QTimer(self, singleShot=True, timeout=self._next)

    def begin_source(self, opened: Opened | None = None, volumes: Sequence[Volume] = ()) -> None:
        """Begin another source, or the same source after it was re-read; `volumes` of it are in layers already.

        Layers keep `opened` alive, so that Back finds it again.
        """
        of_source = [layer for layer in self._viewer.layers if source_of(layer) is opened is not None]
        self._opened, self._source = opened, [*volumes, *volumes_in(of_source)]

    def add(self, volumes: Sequence[Volume], then: Callable[[list[Volume]], object]) -> None:
        """Add volumes as layers, the first on top; in an empty viewer show the middle slice.

        A volume of this source that is already in a layer gets no second layer, nor does a smaller level of a slide
        that is added with a larger one. `then` is called with the volumes of
        the layers.
        """
        if not self._queue:
            self.changed.emit(True)
        batch = _Batch(then)
        self._queue += [self._steps(volume, batch) for volume in reversed(without_levels(volumes))]
        self._queue.append(self._finish(batch))
        self._timer.start()

    def release(self) -> None:
        """Stop adding; a layer that is half added is shown."""
        self._timer.stop()
        while self._queue:
            self._queue.popleft().close()
        self._painting.resume()

    @property
    def is_adding(self) -> bool:
        """Whether layers are still being added."""
        return bool(self._queue)

    def _next(self) -> None:
        is_done = True
        try:
            is_done = next(self._queue[0], _DONE) is _DONE
        finally:  # after an error in one layer, the others are still added
            if is_done:
                self._painting.resume()
                self._queue.popleft()
            if self._queue:
                self._timer.start()
            else:
                self.changed.emit(False)

    def _steps(self, volume: Volume, batch: _Batch) -> Generator[None, None, None]:
        viewer = self._viewer
        existing = self._existing(volume)
        if existing is not None:
            batch.shown.insert(0, existing)
            return
        failures = _Failures()
        for array in (volume.array, *volume.levels):
            array.on_error = failures
        layer = self._new_layer(volume)
        if not viewer.layers:
            batch.is_first = True
            if viewer.dims.ndisplay == 2:  # in 3D napari has no sliders without a layer
                self._painting.pause()
                viewer.dims.ndim = layer.ndim
                yield
                self._set_sliders(layer)
        layer.visible = False  # drawn in a separate step
        yield
        self._painting.pause()
        try:
            viewer.add_layer(layer)
            batch.shown.insert(0, volume)
            self._source.append(volume)
            yield
        finally:  # no layer stays hidden, even if a listener raises
            self._painting.resume()
            if batch.is_first and layer in viewer.layers:
                middle = np.ravel_multi_index(volume.middle, layer.data.shape[: layer.ndim - 2])
                go_to_slice(viewer, layer, int(middle))
            layer.visible = True
        viewer.update_status_from_cursor()  # the status bar still shows a value from before the picture
        if layer in viewer.layers:  # it may have been removed, which stops its reading
            volume.array.warm()
        yield

    def _new_layer(self, volume: Volume) -> Layer:
        opened = self._opened
        layer = layer_of(volume, opened.catalog, opened.root_of(volume)) if opened is not None else layer_of(volume)
        layer.metadata["dicommeta"]["source"] = opened
        return layer

    def _finish(self, batch: _Batch) -> Generator[None, None, None]:
        batch.then(batch.shown)
        yield  # what follows the last layer has a turn of its own

    def _existing(self, volume: Volume) -> Volume | None:
        """Return the volume in a layer of this source that equals `volume`, None if there is none."""
        in_layers = volumes_in(self._viewer.layers)
        self._source = [added for added in self._source if any(added is other for other in in_layers)]
        return next((added for added in self._source if _key(added) == _key(volume)), None)

    def _set_sliders(self, layer: Layer) -> None:
        """Set the sliders of the empty viewer to the values that napari will choose for `layer`."""
        dims, extent = self._viewer.dims, layer.extent
        dims.range = tuple(zip(*extent.world, extent.step, strict=True))
        dims.axis_labels = layer.axis_labels
        dims.current_step = tuple(int((steps - 1) / 2) for steps in dims.nsteps)


class _Painting:
    """Pauses painting of the window around an object, and resumes it when the object is destroyed."""

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
        with suppress(RuntimeError):  # the window is being destroyed together with the dock
            windows.pop().setUpdatesEnabled(True)


def _key(volume: Volume) -> tuple[object, ...]:
    """Return a key that equal volumes of one source share: name, slices, shape, units and notes."""
    return volume.name, volume.files, volume.array.shape, volume.units, volume.notes


class _Failures:
    """Reports unreadable slices of one volume: the 1st, the 10th, the 100th and so on."""

    def __init__(self) -> None:
        self._n = 0

    def __call__(self, k: int, error: Exception) -> None:
        from napari.utils.notifications import show_error

        self._n += 1
        if self._n == 1:
            show_error(plain(f"Slice {k + 1} cannot be read and is shown empty: {error}", 400))
        elif str(self._n).strip("0") == "1":
            show_error(plain(f"{self._n:,} slices of this volume cannot be read. The last error: {error}", 400))
