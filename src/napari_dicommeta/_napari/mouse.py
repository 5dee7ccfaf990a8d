"""The mouse on the canvas: a drag with Ctrl changes the window; the radiology mouse. Does not use Qt."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_dicommeta._napari.keys import DRAG_MODIFIER, ZOOM_MODIFIER

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari_dicommeta._napari.windowing import Windowing

__all__ = ["CanvasMouse"]

LEFT, RIGHT = 1, 2
ZOOM = 1.1
"""Zoom of one step of the wheel."""


class CanvasMouse:
    """Callbacks of a viewer's mouse, until `release`.

    `is_radiological`: the wheel changes the slice, and a drag with the right button the window; zooming is left to
    Shift with the wheel. A drag with Ctrl changes the window in any case.
    """

    def __init__(self, viewer: Any, windowing: Windowing) -> None:
        self._viewer, self._windowing = viewer, windowing
        self.is_radiological = False
        self._turned = 0.0
        viewer.mouse_drag_callbacks.append(self._drag)
        viewer.mouse_wheel_callbacks.append(self._wheel)

    def release(self) -> None:
        """Leave the viewer's mouse alone from now on."""
        self._viewer.mouse_drag_callbacks.remove(self._drag)
        self._viewer.mouse_wheel_callbacks.remove(self._wheel)

    def _drag(self, _viewer: Any, event: Any) -> Iterator[None]:
        """Change the width by dragging left or right, the center by dragging up or down."""
        names = _modifiers(event)
        is_window = event.button == LEFT and DRAG_MODIFIER in names
        is_window |= self.is_radiological and event.button == RIGHT and not names
        if self._windowing.layer is None or not is_window:
            return
        camera = _camera(self._viewer)
        panning, camera.mouse_pan = camera.mouse_pan, False
        try:
            before = np.asarray(event.pos)
            yield
            while event.type == "mouse_move":
                event.handled = True  # a right drag would zoom
                now = np.asarray(event.pos)
                self._windowing.dragged(float(now[0] - before[0]), float(before[1] - now[1]))
                before = now
                yield
        finally:
            camera.mouse_pan = panning

    def _wheel(self, viewer: Any, event: Any) -> None:
        """Change the slice by the wheel, as Ctrl with the wheel does, or zoom at the mouse with Shift."""
        names = _modifiers(event)
        if not self.is_radiological or viewer.dims.ndisplay == 3 or names - {ZOOM_MODIFIER}:
            return
        event.handled = True
        turned = float(np.clip(event.delta[1] or event.delta[0], -1, 1))
        if names:
            self._zoom(event.position, ZOOM**turned)
            return
        self._turned += turned if event.native.inverted() else -turned  # as napari does for Ctrl with the wheel
        steps = int(self._turned)
        self._turned -= steps
        axis = _sliced_axis(viewer)
        if axis is not None and steps:
            viewer.dims.set_current_step(axis, viewer.dims.current_step[axis] + steps)

    def _zoom(self, position: Any, factor: float) -> None:
        camera, axes = _camera(self._viewer), list(self._viewer.dims.displayed)
        camera.zoom *= factor
        center, at = np.asarray(camera.center, float), np.asarray(position, float)[axes]
        center[-2:] += (at - center[-2:]) * (1 - 1 / factor)
        camera.center = tuple(center)


def _modifiers(event: Any) -> set[str]:
    return {str(getattr(modifier, "name", modifier)) for modifier in event.modifiers}


def _camera(viewer: Any) -> Any:
    return getattr(viewer, "scene", viewer).camera  # before napari 0.9 the camera belongs to the viewer


def _sliced_axis(viewer: Any) -> int | None:
    """Return the axis that the wheel steps through: the last one that is not displayed and has several steps."""
    dims = viewer.dims
    return next((axis for axis in reversed(dims.not_displayed) if dims.nsteps[axis] > 1), None)
