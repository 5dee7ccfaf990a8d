"""The window panel: preset strip and fields, connected to the viewer's layers, slider, keys and mouse."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import Qt, QTimer
from qtpy.QtGui import QKeySequence, QShortcut
from qtpy.QtWidgets import QVBoxLayout, QWidget

from napari_dicommeta._napari.display import set_limits, slice_index
from napari_dicommeta._napari.kept_windows import keep_window, load_kept_windows
from napari_dicommeta._napari.keys import DRAG_MODIFIERS, PRESET_KEYS, STEP_KEYS
from napari_dicommeta._napari.reader import volumes_in
from napari_dicommeta._napari.tasks.pictures import thinned
from napari_dicommeta._napari.widgets.preset_strip import PICTURE, PresetStrip
from napari_dicommeta._napari.widgets.window_fields import WindowFields
from napari_dicommeta._napari.windowing import Windowing
from napari_dicommeta._napari.words import plain
from napari_dicommeta.analysis.window_presets import STANDARD_CT
from napari_dicommeta.support.log import log_fault

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from napari_dicommeta._napari.widgets.colors import Colors
    from napari_dicommeta.dicom.window import Window

__all__ = ["WindowPanel"]

PICTURE_MS = 60
"""Delay from the last change of slice to the update of the thumbnails."""


class WindowPanel(QWidget):
    """Strip and fields over a `Windowing`. They follow every change of the active layer's limits."""

    def __init__(self, viewer: Any, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.windowing = Windowing(viewer)
        self.strip, self.fields = PresetStrip(), WindowFields()
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        layout.addWidget(self.strip)
        layout.addWidget(self.fields)
        self._viewer = viewer
        self._layer: Any = None
        self._kept_windows = load_kept_windows()
        self._folder: dict[Window, int] = {}
        self._updating, self._is_waiting = False, False
        self._picture_timer = QTimer(self, singleShot=True, interval=PICTURE_MS, timeout=self._show_pictures)
        self.strip.window_chosen.connect(self.choose)
        self.fields.window_entered.connect(self._entered)
        self.fields.window_kept.connect(self._kept)
        self.fields.follow_toggled.connect(self._follow)
        self.fields.all_layers_toggled.connect(self._all_layers)
        self._followed = (
            (viewer.layers.selection.events.active, self.update_layer),
            (viewer.layers.events.inserted, self._limits_changed),
            (viewer.layers.events.removed, self._limits_changed),
            (viewer.dims.events.point, self._stepped),
        )
        for emitter, callback in self._followed:
            emitter.connect(callback)
        viewer.mouse_drag_callbacks.append(self._drag)
        for keys, action in ((PRESET_KEYS, WindowPanel.choose), (STEP_KEYS, WindowPanel.step)):
            for key, value in keys.items():
                self._key(key, action, value)
        self._menus()
        self.update_layer()

    def release(self) -> None:
        """Leave the viewer and its layers alone from now on."""
        for emitter, callback in self._followed:
            emitter.disconnect(callback)
        self._viewer.mouse_drag_callbacks.remove(self._drag)
        self._follow_layer(None)

    def _key(self, keys: str, action: Callable[[WindowPanel, int], None], value: int) -> None:
        """Bind a key of the application, which also works while the dock floats."""
        shortcut = QShortcut(QKeySequence(keys), self)
        shortcut.setContext(Qt.ShortcutContext.ApplicationShortcut)
        shortcut.activated.connect(lambda: action(self, value))
        shortcut.activatedAmbiguously.connect(lambda: action(_active_panel(self), value))

    def set_colors(self, colors: Colors) -> None:
        """Take the theme's colors."""
        self.strip.set_colors(colors)

    def set_folder(self, windows: dict[Window, int]) -> None:
        """Offer the folder's presets in the menu, with the number of files of each."""
        self._folder = windows
        self._menus()

    def choose(self, index: int) -> None:
        """Apply the preset with this number to the active layer; -1 is the full range."""
        self._change(lambda: self.windowing.choose(index))

    def step(self, by: int) -> None:
        """Apply the next or the previous preset."""
        self._change(lambda: self.windowing.step(by))

    def _change(self, action: Callable[[], object]) -> None:
        """Run `action` with one update for all its events."""
        self._updating = True
        try:
            action()
        finally:
            self._updating = False
        self._limits_changed()

    def set_waiting(self, is_waiting: bool) -> None:
        """Pause updates while layers are added, which is slow; then show the active layer."""
        self._is_waiting = is_waiting
        self.update_layer()

    def update_layer(self, _event: object = None) -> None:
        """Show the presets of the active layer."""
        if self._is_waiting:
            return
        self._follow_layer(self.windowing.layer)
        self._menus()
        self._show_strip()

    def _follow_layer(self, layer: Any) -> None:
        """Follow the limits and the colormap of `layer` in place of the layer before; None: of no layer."""
        if self._layer is not None:
            self._layer.events.contrast_limits.disconnect(self._limits_changed)
            self._layer.events.colormap.disconnect(self._limits_changed)
            self._layer.events.data.disconnect(self.update_layer)
        self._layer = layer
        if layer is not None:
            volume = self.windowing.volume
            if volume is not None:  # napari limits the slider of a layer that it makes of a sample to its window
                set_limits(layer, tuple(layer.contrast_limits), _widest(layer, volume.display_range()))
            layer.events.contrast_limits.connect(self._limits_changed)
            layer.events.colormap.connect(self._limits_changed)
            layer.events.data.connect(self.update_layer)

    def _show_strip(self) -> None:
        volume = self.windowing.volume
        if self._layer is None or volume is None:
            self.strip.set_windows("", ())
            self.fields.set_shown(None)
            return
        self._show_presets(self.windowing.presets(), volume.units)
        self._show_pictures()

    def _show_presets(self, presets: tuple[Window, ...], units: str) -> None:
        spreads = [self.windowing.spread(i) for i in range(len(presets))]
        self.strip.set_windows(self._layer.name, presets, units, spreads)
        self._limits_changed()

    def _limits_changed(self, _event: object = None) -> None:
        if self._layer is None or self.windowing.layer is None or self._updating or self._is_waiting:
            return
        self.strip.set_current(self.windowing.current())
        several = len(volumes_in(self._viewer.layers)) > 1
        self.fields.set_shown(self.windowing.shown(), self.windowing.varies(), several)

    def _stepped(self, _event: object = None) -> None:
        if self._layer is None or self.windowing.layer is None or self._is_waiting:
            return
        if self.windowing.follow:
            self._change(self.windowing.moved)
        self._picture_timer.start()

    def _show_pictures(self) -> None:
        """Show thumbnails of the current slice; in 3D they stay unchanged."""
        volume = self.windowing.volume
        if self._layer is None or volume is None:
            return
        if self.windowing.follow:
            presets = self.windowing.presets()
            if presets != self.strip.windows:
                self._show_presets(presets, volume.units)
        try:
            data = self._layer.data[-1] if self._layer.multiscale else self._layer.data  # levels have the same slices
            plane = np.asarray(data[slice_index(self._layer, self._viewer.dims.point)])
        except Exception as error:  # noqa: BLE001  the canvas reports it for the same slice
            log_fault("reading a slice for the thumbnails of presets", error, logging.DEBUG)
            return
        rows, columns = volume.geometry.spacing[1:]
        self.strip.set_pictures(thinned(plane, rows / columns, PICTURE), volume.display_range(), volume.inverted)

    def _entered(self, window: Window) -> None:
        if window.fault:
            self._limits_changed()
            return
        self._change(lambda: self.windowing.show(window))

    def _kept(self, window: Window) -> None:
        from napari.utils.notifications import show_error

        try:
            self._kept_windows = keep_window(window)
        except OSError as error:
            show_error(plain(f"The window could not be saved: {error.strerror or type(error).__name__}"))
        self._menus()

    def _follow(self, is_on: bool) -> None:
        self.windowing.follow = is_on
        current = self.windowing.current()
        if is_on and current is not None:
            self.windowing.choose(current)
        self._show_strip()

    def _all_layers(self, is_on: bool) -> None:
        self.windowing.set_all_layers(is_on)
        self._limits_changed()

    def _menus(self) -> None:
        volume = self.windowing.volume
        is_hu = volume is not None and volume.units == "HU"
        self.fields.set_menus(is_hu, STANDARD_CT, self._folder, self._kept_windows)

    def _drag(self, _viewer: Any, event: Any) -> Iterator[None]:
        """Change the width by dragging left or right with Ctrl or Alt, the level by dragging up or down."""
        names = {getattr(modifier, "name", str(modifier)) for modifier in event.modifiers}
        if self.windowing.layer is None or not names & DRAG_MODIFIERS or event.button != 1:
            return
        camera = getattr(self._viewer, "scene", self._viewer).camera
        panning, camera.mouse_pan = camera.mouse_pan, False
        try:
            before = np.asarray(event.pos)
            yield
            while event.type == "mouse_move":
                now = np.asarray(event.pos)
                self.windowing.dragged(float(now[0] - before[0]), float(before[1] - now[1]))
                before = now
                yield
        finally:
            camera.mouse_pan = panning


def _widest(layer: Any, limits: tuple[float, float]) -> tuple[float, float]:
    low, high = layer.contrast_limits_range
    return min(low, limits[0]), max(high, limits[1])


def _active_panel(panel: WindowPanel) -> WindowPanel:
    """Return the panel in the active window, or `panel`."""
    from qtpy.QtWidgets import QApplication

    panels = [widget for widget in QApplication.allWidgets() if isinstance(widget, WindowPanel)]
    return next((other for other in panels if other.window().isActiveWindow()), panel)
