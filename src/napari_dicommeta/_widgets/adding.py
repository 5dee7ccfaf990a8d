"""Volumes become layers in steps, so that the window is never blocked for as long as napari needs for one."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import QObject, QTimer, Signal
from qtpy.QtWidgets import QMainWindow

from napari_dicommeta._display import go_to_slice
from napari_dicommeta._reader import layer_of, volume_of
from napari_dicommeta.meaning import display

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from napari.layers import Layer

    from napari_dicommeta.volume import Volume

    Then = Callable[[list[Volume]], object]

__all__ = ["Adding"]

_OVER = object()


class Adding(QObject):
    """Adds layers, one step an event: sliders, layer, picture, and after each what is to be painted.

    All in one event napari takes a sixth of a second and more. `changed` says that layers begin to come, True, or that
    all are there.
    """

    changed = Signal(bool)

    def __init__(self, viewer: Any, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._viewer = viewer
        self._queue: deque[tuple[Iterator[None], list[Volume], Then]] = deque()
        self._painting = _Painting(self)
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.timeout.connect(self._next)

    def add(self, volumes: Sequence[Volume], then: Then) -> None:
        """Add volumes as layers, the first on top; the first of all begins at its middle slice.

        One that is in a layer already gets no other. `then` takes the volumes as they are shown.
        """
        if not self._queue:
            self.changed.emit(True)
        shown: list[Volume] = []
        self._queue.append((self._steps(tuple(volumes), shown), shown, then))
        self._timer.start()

    @property
    def is_adding(self) -> bool:
        """Whether there are layers still to come."""
        return bool(self._queue)

    def _next(self) -> None:
        if self._painting.is_paused:  # what the last step has changed is painted in an event of its own
            self._painting.resume()
            self._go_on()
            return
        steps, shown, then = self._queue[0]
        is_over = True
        try:
            is_over = next(steps, _OVER) is _OVER
        finally:  # a layer that napari refuses keeps none of the others out
            if is_over:
                self._painting.resume()
                self._queue.popleft()
                then(shown)
            self._go_on()

    def _go_on(self) -> None:
        if self._queue:
            self._timer.start()
        else:
            self.changed.emit(False)

    def _steps(self, volumes: tuple[Volume, ...], shown: list[Volume]) -> Iterator[None]:
        layers, is_first = self._viewer.layers, False
        there = {_key(volume): volume for layer in layers if (volume := volume_of(layer)) is not None}
        shown += [there.get(_key(volume), volume) for volume in volumes]
        for volume in reversed([one for one, volume in zip(shown, volumes, strict=True) if one is volume]):
            volume.array.on_error = _slice_failed
            layer = layer_of(volume)
            if not layers:
                is_first = True
                self._painting.pause()
                self._viewer.dims.ndim = layer.ndim
                yield
                self._set_sliders(layer)
            layer.visible = False  # drawn in a step of its own
            yield
            self._painting.pause()
            self._viewer.add_layer(layer)
            yield
            if is_first and volume is volumes[0]:
                middle = np.ravel_multi_index(volume.middle, layer.data.shape[: layer.ndim - 2])
                go_to_slice(self._viewer, layer, int(middle))
            layer.visible = True
            volume.array.warm()
            yield

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
        within.destroyed.connect(lambda: [window.setUpdatesEnabled(True) for window in paused])

    @property
    def is_paused(self) -> bool:
        return bool(self._paused)

    def pause(self) -> None:
        window: QObject | None = self._within
        while window is not None and not isinstance(window, QMainWindow):
            window = window.parent()
        if window is not None and window.updatesEnabled():
            window.setUpdatesEnabled(False)
            self._paused.append(window)

    def resume(self) -> None:
        while self._paused:
            self._paused.pop().setUpdatesEnabled(True)


def _key(volume: Volume) -> tuple[object, ...]:
    """What two volumes have in common that are the same: their slices, and what their values are."""
    return volume.files, volume.array.shape, volume.units


def _slice_failed(k: int, error: Exception) -> None:
    from napari.utils.notifications import show_error

    show_error(display(f"Slice {k + 1} could not be read: {error}", 400))
