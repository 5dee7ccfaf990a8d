"""Controls of existing layers: the slice shown, anatomical views, patient space."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import QObject, Signal

from napari_dicommeta._napari.arrange import (
    base_of,
    center_planes,
    fuse,
    fused_overlay,
    hide_others,
    layers_of,
    limit_sliders,
    overlays_of,
    resume_slice,
    show_layers,
    slice_at,
)
from napari_dicommeta._napari.display import go_to_slice, slice_number
from napari_dicommeta._napari.reader import volume_of
from napari_dicommeta._napari.views import (
    PLANES,
    align,
    anatomical_axes,
    fit,
    move_camera,
    plane_shown,
    reset_direction,
    show_as_stored,
    show_plane,
    show_space,
    unalign,
)
from napari_dicommeta._napari.words import plain
from napari_dicommeta._napari.world import index_at, world_of
from napari_dicommeta.support.words import counted
from napari_dicommeta.volumes.along_slices import slice_matching

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from napari.layers import Layer

    from napari_dicommeta.volumes.volume import Volume

__all__ = ["View"]


@dataclass(frozen=True, slots=True)
class _Before:
    """What was shown before volumes were opened: a volume, the index shown, and the plane if it is not as stored."""

    volume: Volume
    index: tuple[float, ...]
    plane: str


class View(QObject):
    """Controller of the viewer.

    Signals: `view_changed` (plane shown, whether the volume has anatomical axes, whether there is a volume);
    `layer_changed` when another layer is active, or the active one has other data; `space_changed` whether volumes are
    in patient space; `fade_changed` the opacity of the volume that is fused with another, None without one.
    """

    view_changed = Signal(str, bool, bool)
    layer_changed = Signal()
    space_changed = Signal(bool)
    fade_changed = Signal(object)

    def __init__(self, viewer: Any, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._viewer = viewer
        self._followed: Any = None
        self._faded: Any = None
        self._before: _Before | None = None
        self._is_in_space = self._is_turned = self._is_placed_for_fusion = False
        self._events = (
            (viewer.dims.events.order, self.tell_view),
            (viewer.dims.events.ndisplay, self.tell_view),
            (viewer.scene.camera.events.orientation if hasattr(viewer, "scene") else None, self.tell_view),
            (viewer.layers.selection.events.active, self._active_changed),
            (viewer.layers.events.inserted, self._inserted),
            (viewer.layers.events.removed, self._removed),
        )
        for emitter, callback in self._events:
            if emitter is not None:
                emitter.connect(callback)
        for layer in viewer.layers:
            layer.events.visible.connect(self._eye_changed)
        self._active_changed()

    def release(self) -> None:
        """Leave the viewer and its layers alone from now on."""
        for emitter, callback in self._events:
            if emitter is not None:
                emitter.disconnect(callback)
        for layer in self._viewer.layers:
            layer.events.visible.disconnect(self._eye_changed)
        self._follow(None)
        self._follow_overlay(None)

    def _active_changed(self, _event: object = None) -> None:
        self._follow(self._active)
        self.layer_changed.emit()

    def _follow(self, layer: Any) -> None:
        """Follow the data of the active layer: with other data it does not show its volume any more."""
        if self._followed is not None:
            self._followed.events.data.disconnect(self._data_changed)
        self._followed = layer
        if layer is not None:
            layer.events.data.connect(self._data_changed)

    def _data_changed(self, _event: object = None) -> None:
        self.layer_changed.emit()

    def _inserted(self, event: Any) -> None:
        event.value.events.visible.connect(self._eye_changed)

    def _eye_changed(self, _event: object = None) -> None:
        limit_sliders(self._viewer)
        self.tell_fade()

    def _removed(self, _event: object = None) -> None:
        """Undo the turned view of a volume once no layer is left, for whatever comes next."""
        if not self._viewer.layers and self._is_turned:
            self._is_turned = False
            reset_direction(self._viewer)
        self.tell_fade()

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
        return slice_number(self._viewer, layer) if volume_of(layer) is not None else None

    def begin_opening(self) -> None:
        """Keep what is shown now, before volumes are added: the next `show_opened` starts from it."""
        layer, viewer = self._active, self._viewer
        volume = volume_of(layer)
        self._before = None
        if volume is not None and layer.visible:
            is_stored = tuple(viewer.dims.order) == tuple(range(viewer.dims.ndim)) and not self._is_turned
            plane = "" if is_stored else plane_shown(viewer, volume)
            self._before = _Before(volume, tuple(index_at(viewer, layer)), plane)

    def show_opened(
        self, volumes: Sequence[Volume], paths: Collection[str] = (), is_added: bool = False
    ) -> Volume | None:
        """Show volumes that were opened, and close the eye of others unless they are `is_added` to what is shown.

        The volume with a slice from `paths` is shown at it, else the first at the slice where the previous volume was
        in the patient, or at its middle; so is a volume all of whose slices are from them. A volume that joins an image
        of its frame of reference is laid over it, and the view stays. Return the volume with a matching slice, None
        without a match.
        """
        before, self._before = self._before, None
        matches = {id(volume): slice_matching(volume, paths) for volume in volumes} if paths else {}
        matching = next((volume for volume in volumes if matches.get(id(volume)) is not None), None)
        shown = matching if matching is not None else volumes[0] if volumes else None
        layer = self._layer_of(shown) if shown is not None else None
        if shown is None or layer is None:
            return None
        viewer = self._viewer
        base = base_of(viewer, layer)
        is_joining = base is not None and base.visible
        ground = base if base is not None and (is_joining or not is_added) else layer
        show_layers(layer)
        above = [other for other in overlays_of(viewer, ground) if self._stays(other, layer, ground)]
        if not is_added:
            together = [other for other in layers_of(viewer, volumes) if _are_labels(shown, volume_of(other))]
            hide_others(viewer, [ground, layer, *above, *together])
        for overlay in above:
            fuse(viewer, ground, overlay)
        viewer.layers.selection.active = layer
        is_apart = any(not _is_same_grid(volume_of(ground), volume_of(overlay)) for overlay in above)
        if is_apart and not self._is_in_space:
            self._is_placed_for_fusion = True
        if is_apart or (self._is_in_space and not self._is_placed_for_fusion):
            self._place(True, ground)
        elif self._is_in_space and not is_added:  # it was needed for what is not shown any more
            self._place(False, ground)
        limit_sliders(viewer)
        if not is_joining and not (is_added and before is not None):
            self._turn(volume_of(ground), before)
            center_planes(viewer, ground)
        number = None if _come_all_from(shown, paths) else matches.get(id(shown))
        if number is None and before is not None and not is_joining:
            number = slice_at(shown, before.volume, before.index)
        if number is not None:
            self.go_to_slice(number)
        elif not is_joining and not (is_added and before is not None):
            resume_slice(viewer, layer)
        self.tell_view()
        self.tell_fade()
        return matching

    def _stays(self, overlay: Layer, opened: Layer, ground: Layer) -> bool:
        """Return whether `overlay` stays visible over `ground`.

        It goes with another image that it was over, and another PET or dose makes way for the opened one.
        """
        if overlay == opened:
            return True
        base = base_of(self._viewer, overlay, besides=(ground, opened))
        if base is not None and base.visible:
            return False
        volume = volume_of(overlay)
        return opened == ground or (volume is not None and volume.is_labels)

    def _turn(self, volume: Volume | None, before: _Before | None) -> None:
        """Show `volume` in the plane that was chosen in its frame of reference before, else as stored."""
        if volume is None:
            return
        frame = before.volume.frame_of_reference if before is not None else ""
        is_common = bool(frame) and frame == volume.frame_of_reference
        if before is not None and is_common and before.plane in PLANES and anatomical_axes(volume) is not None:
            show_plane(self._viewer, volume, before.plane)
        else:
            show_as_stored(self._viewer, volume)
            self._is_turned = False

    def activate(self, volume: Volume) -> None:
        """Make the layer of `volume` active and visible."""
        layer = self._layer_of(volume)
        if layer is not None:
            self._viewer.layers.selection.active = layer
            show_layers(layer)

    def _layer_of(self, volume: Volume) -> Layer | None:
        return next(iter(layers_of(self._viewer, [volume])), None)

    def show_view(self, view: str) -> None:
        """Show the active volume in an anatomical plane, "axial", "coronal" or "sagittal", or in "3D"."""
        volume = volume_of(self._active)
        if volume is None:
            return
        if view == "3D":
            show_space(self._viewer, volume)
        else:
            show_plane(self._viewer, volume, view)
        self._is_turned = True
        self.tell_view()

    def set_patient_space(self, is_on: bool) -> None:
        """Place all volumes in patient space, along the axes of the active volume, or move them back."""
        from napari.utils.notifications import show_info

        self._is_placed_for_fusion = False
        unplaced = self._place(is_on, self._active)
        if is_on and unplaced:
            volumes = counted(unplaced, "volume")
            show_info(plain(f"{volumes} not moved: another frame of reference, or no position in the patient"))
        fit(self._viewer)

    def _place(self, is_on: bool, layer: Layer | None) -> int:
        """Place volumes along the axes of `layer`, and go on showing the same place of it; return how many stay."""
        viewer, reference = self._viewer, volume_of(layer)
        unplaced = 0
        at = index_at(viewer, layer) if layer is not None and reference is not None else ()
        corner = world_of(viewer, layer, (0,) * layer.ndim) if layer is not None else ()
        unalign(viewer.layers)
        if is_on and reference is not None:
            _, unplaced = align(viewer, reference)
        if layer is not None and reference is not None:
            viewer.dims.point = (*viewer.dims.point[: -layer.ndim], *world_of(viewer, layer, at))
            move_camera(viewer, layer.ndim, world_of(viewer, layer, (0,) * layer.ndim) - corner)
        self._is_in_space = is_on
        self.space_changed.emit(is_on)
        return unplaced

    def set_fade(self, opacity: float) -> None:
        """Set the opacity of the volume that is fused with the one below it."""
        overlay = fused_overlay(self._viewer)
        if overlay is not None:
            overlay.opacity = opacity

    def tell_fade(self, _event: object = None) -> None:
        """Emit `fade_changed` with the opacity of the fused volume now."""
        overlay = fused_overlay(self._viewer)
        self._follow_overlay(overlay)
        self.fade_changed.emit(None if overlay is None else float(overlay.opacity))

    def _follow_overlay(self, layer: Any) -> None:
        if layer is self._faded:
            return
        if self._faded is not None:
            self._faded.events.opacity.disconnect(self.tell_fade)
        self._faded = layer
        if layer is not None:
            layer.events.opacity.connect(self.tell_fade)

    def tell_view(self, _event: object = None) -> None:
        """Emit `view_changed` with the view shown now."""
        volume = volume_of(self._active)
        view = plane_shown(self._viewer, volume) if volume is not None else ""
        placed = volume is not None and anatomical_axes(volume) is not None
        self.view_changed.emit(view, placed, volume is not None)


def _are_labels(first: Volume, second: Volume | None) -> bool:
    return second is not None and first.is_labels and second.is_labels


def _come_all_from(volume: Volume, paths: Collection[str]) -> bool:
    """Return whether all slices of `volume` come from `paths`, so that none is meant more than others."""
    return len(volume.files) > 1 and all(path in paths for path, _ in volume.files)


def _is_same_grid(first: Volume | None, second: Volume | None) -> bool:
    affines = [volume.geometry.affine if volume is not None else None for volume in (first, second)]
    return any(affine is None for affine in affines) or bool(np.allclose(affines[0], affines[1], atol=1e-3))  # type: ignore[arg-type]
