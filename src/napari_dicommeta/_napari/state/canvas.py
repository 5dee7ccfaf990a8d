"""Texts over the canvas, and the name of the slider of a fourth axis: they follow layer, slice, camera and mouse."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import QObject, QTimer

from napari_dicommeta._napari.canvas_texts import (
    PLACES,
    axis_text,
    edge_letters,
    slice_text,
    values_text,
    window_text,
)
from napari_dicommeta._napari.display import slice_index
from napari_dicommeta._napari.reader import volume_of

if TYPE_CHECKING:
    from napari_dicommeta._napari.windowing import Windowing

__all__ = ["Canvas"]

MOUSE_MS = 30
"""Delay from a move of the mouse to the value under it; moves in between are left out."""
POSITIONS = {
    "left": "middle_left",
    "right": "middle_right",
    "top": "top_center",
    "bottom": "bottom_center",
    "state": "bottom_left",
    "value": "bottom_right",
}
"""Name of a text -> its position in napari."""


class Canvas(QObject):
    """Texts of the layer that `windowing` acts on; `follow` names it after it changed.

    Before napari 0.9 a canvas takes no texts of plugins, and only the slider is named.
    """

    def __init__(self, viewer: Any, windowing: Windowing, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._viewer, self._windowing = viewer, windowing
        self._is_on = True
        self._texts: dict[str, Any] = {}
        self._window = ""
        self._named_axis: tuple[int, str] | None = None
        self._mouse_timer = QTimer(self, singleShot=True, interval=MOUSE_MS, timeout=self._show_value)
        self._events = (
            (viewer.dims.events.point, self._moved),
            (viewer.dims.events.order, self.show),
            (viewer.dims.events.ndisplay, self.show),
            (viewer.scene.camera.events.orientation if hasattr(viewer, "scene") else None, self.show),
            (viewer.events.theme, self.show),
            (viewer.cursor.events.position, self._mouse_moved),
            (viewer.events.mouse_over_canvas, self._mouse_moved),
        )
        for emitter, callback in self._events:
            if emitter is not None:
                emitter.connect(callback)

    def release(self) -> None:
        """Take the texts away, and leave the viewer alone from now on."""
        for emitter, callback in self._events:
            if emitter is not None:
                emitter.disconnect(callback)
        self._mouse_timer.stop()
        self._name_axis(None)
        for name in self._texts:
            del self._viewer.canvas.overlays[self._key(name)]
        self._texts = {}

    def set_shown(self, is_on: bool) -> None:
        """Show the texts or hide them; the slider stays named."""
        self._is_on = is_on
        self.show()

    def show(self, _event: object = None) -> None:
        """Show what is true now."""
        layer, volume = self._windowing.layer, self._windowing.volume
        edges = edge_letters(self._viewer, layer, volume) if volume is not None and self._is_on else {}
        for place in PLACES:
            self._write(place, edges.get(place, ""))
        self._set_boxes()
        self.show_state()
        self._show_value()

    def show_state(self) -> None:
        """Show the window and the slice, and name the slider of the fourth axis."""
        layer = self._windowing.layer
        volume = volume_of(layer)
        self._window = ""
        if volume is not None and self._is_on:
            self._window = window_text(self._windowing.named(), layer.gamma, volume.units)
        self._moved()

    def _moved(self, _event: object = None) -> None:
        """Show the slice; the window stays, since this is done at each step of playing."""
        layer = self._windowing.layer
        volume = volume_of(layer)
        if volume is None:
            self._write("state", "")
            self._name_axis(None)
            return
        place = slice_text(self._viewer, layer, volume) if self._is_on else ""
        self._write("state", "\n".join(filter(None, (self._window, place))))
        if volume.axis:
            axis = self._viewer.dims.ndim - layer.ndim
            t = slice_index(layer, self._viewer.dims.point)[0]
            self._name_axis((axis, axis_text(volume, t)))
        else:
            self._name_axis(None)
        self._mouse_moved()

    def _mouse_moved(self, _event: object = None) -> None:
        if not self._mouse_timer.isActive():
            self._mouse_timer.start()

    def _show_value(self) -> None:
        viewer = self._viewer
        is_there = self._is_on and viewer.mouse_over_canvas and viewer.dims.ndisplay == 2
        self._write("value", values_text(viewer.layers, viewer.cursor.position) if is_there else "")

    def _name_axis(self, named: tuple[int, str] | None) -> None:
        """Name the slider of an axis; None gives it its own name back."""
        dims = self._viewer.dims
        before = self._named_axis
        is_left = before is not None and (named is None or before[0] != named[0]) and before[0] < dims.ndim
        if before is not None and is_left and dims.axis_labels[before[0]] == before[1]:
            dims.set_axis_label(before[0], "t")
        self._named_axis = named
        if named is not None and dims.axis_labels[named[0]] != named[1]:
            dims.set_axis_label(*named)

    def _set_boxes(self) -> None:
        """Draw letters without a ground where the canvas is dark, as images are: each ground costs time per frame."""
        is_light = float(np.mean(self._viewer.canvas.background_color[:3])) > 0.5 if self._texts else False
        for place in PLACES:
            if place in self._texts and self._texts[place].box != is_light:
                self._texts[place].box = is_light

    def _key(self, name: str) -> str:
        """Return the key of a text on the canvas: the next dock writes there before a closed one has let go."""
        return f"_dicommeta_{name}_{id(self):x}"

    def _write(self, name: str, text: str) -> None:
        """Set one of the texts. It is made when there is something to show."""
        overlay = self._texts.get(name)
        if overlay is None:
            if not text or not hasattr(self._viewer, "canvas"):
                return
            from napari.components.overlays import TextOverlay

            overlay = TextOverlay(position=POSITIONS[name], text=text, visible=True)
            self._texts[name] = self._viewer.canvas.overlays[self._key(name)] = overlay
            return
        if text and text != overlay.text:
            overlay.text = text
        if bool(text) != overlay.visible:
            overlay.visible = bool(text)
