"""Controls of existing layers: the slice shown, anatomical views, patient space."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, Signal

from napari_dicommeta._napari.display import go_to_slice, slice_number
from napari_dicommeta._napari.reader import volume_of
from napari_dicommeta._napari.views import align, anatomical_axes, plane_shown, show_plane, show_space, unalign
from napari_dicommeta.support.words import counted
from napari_dicommeta.volumes.along_slices import slice_matching

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from napari.layers import Layer

    from napari_dicommeta.volumes.volume import Volume

__all__ = ["View"]


class View(QObject):
    """Controller of the viewer.

    Signal: `view_changed` (plane shown, whether the volume has anatomical axes, whether there is a volume).
    """

    view_changed = Signal(str, bool, bool)

    def __init__(self, viewer: Any, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._viewer = viewer
        for emitter in (viewer.dims.events.order, viewer.dims.events.ndisplay):
            emitter.connect(self.tell_view)

    def release(self) -> None:
        """Leave the viewer alone from now on."""
        for emitter in (self._viewer.dims.events.order, self._viewer.dims.events.ndisplay):
            emitter.disconnect(self.tell_view)

    @property
    def _active(self) -> Any:
        return self._viewer.layers.selection.active

    def go_to_slice(self, number: int) -> None:
        """Show the slice with this number of the active volume, counted over times and slices."""
        volume = volume_of(self._active)
        if volume is not None and 0 <= number < len(volume.files):
            go_to_slice(self._viewer, self._active, number)

    def slice_shown(self) -> int | None:
        """Return the number of the slice shown of the active volume, over times and slices; None without a volume."""
        layer = self._active
        return slice_number(layer, self._viewer.dims.point) if volume_of(layer) is not None else None

    def activate(self, volume: Volume) -> None:
        """Make the layer of `volume` active and visible."""
        layer = self._layer_of(volume)
        if layer is not None:
            self._viewer.layers.selection.active = layer
            layer.visible = True

    def _layer_of(self, volume: Volume) -> Layer | None:
        return next((layer for layer in self._viewer.layers if volume_of(layer) is volume), None)

    def go_to_file(self, volumes: Sequence[Volume], paths: Collection[str]) -> Volume | None:
        """Show the first slice of `volumes` that comes from one of `paths`; return its volume, None without a match."""
        for volume in volumes:
            n = slice_matching(volume, paths)
            if n is not None and self._layer_of(volume) is not None:
                self.activate(volume)
                self.go_to_slice(n)
                return volume
        return None

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
        """Place all volumes in patient space, along the axes of the active volume, or move them back."""
        from napari.utils.notifications import show_info

        layer, viewer = self._active, self._viewer
        reference = volume_of(layer)
        at = layer.world_to_data(viewer.dims.point) if reference is not None else ()
        unalign(viewer.layers)
        if is_on and reference is not None:
            _, unplaced = align(viewer, reference)
            if unplaced:
                volumes = counted(unplaced, "volume")
                show_info(f"{volumes} not moved: another frame of reference, or no position in the patient")
        if reference is not None:  # keep showing the same slice
            viewer.dims.point = (*viewer.dims.point[: -layer.ndim], *layer.data_to_world(at))
        viewer.reset_view()

    def tell_view(self, _event: object = None) -> None:
        """Emit `view_changed` with the view shown now."""
        volume = volume_of(self._active)
        view = plane_shown(self._viewer, volume) if volume is not None else ""
        placed = volume is not None and anatomical_axes(volume) is not None
        self.view_changed.emit(view, placed, volume is not None)
