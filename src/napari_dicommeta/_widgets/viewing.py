"""What the dock does to the viewer: layers of volumes, the slice shown, anatomical views, patient space."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import QObject, QTimer, Signal

from napari_dicommeta._display import go_to_slice
from napari_dicommeta._reader import layer_of, volume_of
from napari_dicommeta._views import align, anatomical_axes, plane_shown, show_plane, show_space, unalign
from napari_dicommeta.meaning import display

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Sequence

    from napari.layers import Layer

    from napari_dicommeta.volume import Volume

__all__ = ["Viewing"]

_OVER = object()


class Viewing(QObject):
    """`view_changed` carries the plane shown, whether the volume has anatomical axes, and whether there is a volume.

    `adding_changed` says that layers begin to come, True, or that all are there.
    """

    view_changed = Signal(str, bool, bool)
    adding_changed = Signal(bool)

    def __init__(self, viewer: Any, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._viewer = viewer
        self._being_added: deque[tuple[Iterator[None], Callable[[], object]]] = deque()
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.timeout.connect(self._step)
        for event in (viewer.dims.events.order, viewer.dims.events.ndisplay):
            event.connect(self.tell_view)

    @property
    def _active(self) -> Any:
        return self._viewer.layers.selection.active

    def add(self, volumes: Sequence[Volume], then: Callable[[], object]) -> None:
        """Add volumes as layers, the first on top, `then` do something else; the first of all begins at its middle.

        A layer takes napari a tenth of a second and more. So the work is done in steps, between which the window lives.
        """
        if not self._being_added:
            self.adding_changed.emit(True)
        self._being_added.append((self._adding(tuple(volumes)), then))
        self._timer.start()

    def split(self, volumes: Sequence[Volume]) -> tuple[list[Volume], list[Volume]]:
        """(`volumes`, those that are in a layer already as they are there; those that are not)."""
        there = {_key(volume): volume for layer in self._viewer.layers if (volume := volume_of(layer)) is not None}
        shown = [there.get(_key(volume), volume) for volume in volumes]
        return shown, [one for one, volume in zip(shown, volumes, strict=True) if one is volume]

    @property
    def is_adding(self) -> bool:
        """Whether there are layers still to come."""
        return bool(self._being_added)

    def _step(self) -> None:
        steps, then = self._being_added[0]
        is_over = True
        try:
            is_over = next(steps, _OVER) is _OVER
        finally:  # a layer that napari refuses keeps none of the others out
            if is_over:
                self._being_added.popleft()
                then()
            if self._being_added:
                self._timer.start()
            else:
                self.adding_changed.emit(False)

    def _adding(self, volumes: tuple[Volume, ...]) -> Iterator[None]:
        layers, is_first = self._viewer.layers, False
        for volume in reversed(volumes):
            volume.array.on_error = self._slice_failed
            layer = layer_of(volume)
            if not layers:
                is_first = True
                yield
                self._viewer.dims.ndim = layer.ndim
                yield
                self._set_sliders(layer)
            layer.visible = False  # drawn in a step of its own
            yield
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

    def _slice_failed(self, k: int, error: Exception) -> None:
        from napari.utils.notifications import show_error

        show_error(display(f"Slice {k + 1} could not be read: {error}", 400))

    def go_to_slice(self, number: int) -> None:
        """Show a slice of the active volume, counted over times and slices."""
        volume = volume_of(self._active)
        if volume is not None and 0 <= number < len(volume.files):
            go_to_slice(self._viewer, self._active, number)

    def activate(self, volume: Volume) -> None:
        """Make the layer of `volume` the active one."""
        layer = self._layer_of(volume)
        if layer is not None:
            self._viewer.layers.selection.active = layer

    def _layer_of(self, volume: Volume) -> Layer | None:
        return next((layer for layer in self._viewer.layers if volume_of(layer) is volume), None)

    def go_to_file(self, volumes: Sequence[Volume], paths: Collection[str]) -> bool:
        """Show the first slice of `volumes` that is of one of `paths`, and activate its layer; whether there is one."""
        for volume in volumes:
            n = next((n for n, (path, _) in enumerate(volume.files) if path in paths), None)
            layer = self._layer_of(volume)
            if n is not None and layer is not None:
                self._viewer.layers.selection.active = layer
                self.go_to_slice(n)
                return True
        return False

    def show_view(self, view: str) -> None:
        """Show the active volume in an anatomical plane, "axial", "coronal" or "sagittal", or in "3D"."""
        volume = volume_of(self._active)
        if volume is None:
            return
        if view == "3D":
            show_space(self._viewer, volume)
        else:
            show_plane(self._viewer, volume, view)
        self.tell_view()

    def set_patient_space(self, is_on: bool) -> None:
        """Put all volumes where they lie in the patient, in the axes of the active one; or back."""
        from napari.utils.notifications import show_info

        layer, viewer = self._active, self._viewer
        reference = volume_of(layer)
        at = layer.world_to_data(viewer.dims.point) if reference is not None else ()
        unalign(viewer.layers)
        if is_on and reference is not None:
            _, left = align(viewer, reference)
            if left:
                be = "volumes lie" if left > 1 else "volume lies"
                show_info(f"{left} {be} in another frame of reference, or nowhere: not moved")
        if reference is not None:  # the same slice as before
            viewer.dims.point = (*viewer.dims.point[: -layer.ndim], *layer.data_to_world(at))
        viewer.reset_view()

    def tell_view(self, _event: object = None) -> None:
        """Tell which view is shown."""
        volume = volume_of(self._active)
        view = plane_shown(self._viewer, volume) if volume is not None else ""
        placed = volume is not None and anatomical_axes(volume) is not None
        self.view_changed.emit(view, placed, volume is not None)


def _key(volume: Volume) -> tuple[object, ...]:
    """What two volumes have in common that are the same: their slices, and what their values are."""
    return volume.files, volume.array.shape, volume.units
