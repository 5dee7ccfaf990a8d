"""Texts over the canvas, and the name of the slider of a fourth axis: they follow layer, slice, camera and mouse."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import QObject, QTimer

from napari_dicommeta._napari.canvas_texts import (
    PLACES,
    above_letter,
    axis_text,
    edge_letters,
    slice_text,
    values_text,
    window_text,
)
from napari_dicommeta._napari.display import slice_index
from napari_dicommeta._napari.reader import volume_of

if TYPE_CHECKING:
    from collections.abc import Collection

    from napari_dicommeta._napari.windowing import Windowing

__all__ = ["Canvas"]

MAKE_MS = 20
"""Delay between two texts that are made one by one: napari compiles shaders for each when it is drawn first."""
MOUSE_MS = 30
"""Delay from a move of the mouse to the value under it; moves in between are left out."""
REST_MS = 400
"""Delay from the last step to the end of playing."""
POSITIONS = {
    "left": "middle_left",
    "right": "middle_right",
    "top": "top_center",
    "bottom": "bottom_center",
    "state": "bottom_left",
    "value": "bottom_right",
}
"""Name of a text -> its position in napari."""
CORNERS = ("state", "value")
"""Texts that could reach the letter of the lower edge."""


class Canvas(QObject):
    """Texts of the layer that `windowing` acts on: napari's own, which pictures of the canvas contain too.

    napari draws all of them with each slice. So while slices play, `labels` show them, which cost next to
    nothing. A script that steps and takes pictures without returning to Qt has napari's in all of them. Before napari
    0.9 a canvas takes no texts of plugins, and only the slider is named.
    """

    def __init__(self, viewer: Any, windowing: Windowing, labels: Any, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._viewer, self._windowing, self._labels = viewer, windowing, labels
        self._is_on = True
        self._is_playing, self._has_returned = False, False
        self._texts: dict[str, Any] = {}
        self._is_gradual = False
        self._wanted: dict[str, str] = {}
        """The texts that are still to be made, in this order."""
        self._window, self._letter = "", ""
        self._named_axis: tuple[int, str] | None = None
        self._mouse_timer = QTimer(self, singleShot=True, interval=MOUSE_MS, timeout=self._show_value)
        self._rest_timer = QTimer(self, singleShot=True, interval=REST_MS, timeout=self._stop_playing)
        self._return_timer = QTimer(self, singleShot=True, timeout=self._returned)
        self._make_timer = QTimer(self, singleShot=True, interval=MAKE_MS, timeout=self._make_next)
        size = getattr(getattr(viewer, "canvas", None), "events", None)
        self._events = (
            (viewer.dims.events.point, self._stepped),
            (size.size if size is not None else None, self._resized),
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
        for timer in (self._mouse_timer, self._rest_timer, self._return_timer, self._make_timer):
            timer.stop()
        self._wanted, self._is_gradual = {}, False
        self._labels.release()
        self._name_axis(None)
        for name in self._texts:
            del self._viewer.canvas.overlays[self._key(name)]
        self._texts = {}

    def set_shown(self, is_on: bool) -> None:
        """Show the texts or hide them; the slider stays named."""
        self._is_on = is_on
        self.show()

    @property
    def is_making(self) -> bool:
        """Whether texts are still being made."""
        return self._is_gradual

    def make_gradually(self) -> None:
        """Make the texts that are not there yet one by one from now on, so that the window answers in between."""
        self._is_gradual = True
        self._make_timer.start()

    def _make_next(self) -> None:
        """Make the next text that is wanted."""
        name = next(iter(self._wanted), None)
        self._is_gradual = name is not None
        if name is not None:
            self._make(name, self._wanted.pop(name))
            self._set_boxes()
            self._make_timer.start()

    def show(self, _event: object = None) -> None:
        """Show what is true now."""
        self._stop_playing()
        layer, volume = self._windowing.layer, self._windowing.volume
        edges = edge_letters(self._viewer, layer, volume) if volume is not None and self._is_on else {}
        self._letter = edges.get("bottom", "")
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

    def _stepped(self, _event: object = None) -> None:
        """Show the slice of the next step; from the second in quick succession on, slices play."""
        if self._rest_timer.isActive() and self._has_returned:
            self._play()
        self._has_returned = False
        self._return_timer.start()
        self._rest_timer.start()
        self._moved()

    def _resized(self, _event: object = None) -> None:
        self._stop_playing()
        for name in CORNERS:
            if name in self._texts and self._texts[name].visible:
                self._write(name, self._texts[name].text)

    def _returned(self) -> None:
        self._has_returned = True

    def _play(self) -> None:
        """Have labels show the texts, if they are alone at their places: napari moves texts aside for others."""
        if self._is_playing or not self._texts or self._is_shared({POSITIONS[name] for name in self._texts}):
            return
        boxes = {POSITIONS[name]: self._texts[name].box if name in self._texts else True for name in POSITIONS}
        if self._labels.begin(self._viewer.canvas, boxes):
            self._is_playing = True
            for name, overlay in self._texts.items():
                self._labels.set_text(POSITIONS[name], overlay.text if overlay.visible else "")
                overlay.visible = False

    def _is_shared(self, positions: Collection[str]) -> bool:
        """Return whether a text or scale bar of others is at one of these positions."""
        overlays = self._viewer.canvas.overlays
        own = {self._key(name) for name in self._texts}
        others = [overlay for key, overlay in overlays.items() if key not in own and overlay.visible]
        return any(str(getattr(overlay, "position", "")) in positions for overlay in others)

    def _stop_playing(self, _event: object = None) -> None:
        """Have napari show the texts again."""
        if self._is_playing:
            self._is_playing = False
            for name in self._texts:
                self._write(name, self._labels.text_of(POSITIONS[name]))
            self._labels.end()

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
            t = slice_index(self._viewer, layer)[0]
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
        self._write("value", values_text(viewer, viewer.cursor.position) if is_there else "")

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
        if not hasattr(self._viewer, "canvas"):
            return
        if name in CORNERS:
            text = above_letter(text, self._letter, self._viewer.canvas.size[1])
        overlay = self._texts.get(name)
        if overlay is None and self._is_gradual:
            self._wanted.pop(name, None)
            if text:
                self._wanted[name] = text
        elif overlay is None and text:
            self._make(name, text)
        if self._is_playing:
            self._labels.set_text(POSITIONS[name], text)
            return
        if overlay is None:
            return
        if text and text != overlay.text:
            overlay.text = text
        if bool(text) != overlay.visible:
            overlay.visible = bool(text)

    def _make(self, name: str, text: str) -> None:
        """Make one of the texts."""
        from napari.components.overlays import TextOverlay

        overlay = TextOverlay(position=POSITIONS[name], text=text, visible=not self._is_playing)
        self._texts[name] = self._viewer.canvas.overlays[self._key(name)] = overlay
