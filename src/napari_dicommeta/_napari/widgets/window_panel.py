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
from napari_dicommeta._napari.keys import PRESET_KEYS, STEP_KEYS, preset_key, preset_keys, step_keys
from napari_dicommeta._napari.mouse import CanvasMouse
from napari_dicommeta._napari.reader import volumes_in
from napari_dicommeta._napari.settings import remember, remembered
from napari_dicommeta._napari.state.canvas import Canvas
from napari_dicommeta._napari.tasks.pictures import counts_within
from napari_dicommeta._napari.widgets.canvas_labels import CanvasLabels
from napari_dicommeta._napari.widgets.preset_strip import PICTURE, Preset, PresetStrip
from napari_dicommeta._napari.widgets.window_fields import WindowFields
from napari_dicommeta._napari.widgets.window_histogram import WindowHistogram
from napari_dicommeta._napari.windowing import Windowing
from napari_dicommeta._napari.words import plain
from napari_dicommeta.analysis.window_presets import STANDARD_CT
from napari_dicommeta.support.log import log_fault
from napari_dicommeta.volumes.thumbnail import thinned

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from napari_dicommeta._napari.widgets.colors import Colors
    from napari_dicommeta.dicom.window import Window

__all__ = ["WindowPanel"]

PICTURE_MS = 180
"""Delay from the last change of slice to the update of thumbnails and histogram, longer than a step of playing."""
BINS = 128


class WindowPanel(QWidget):
    """Strip and fields over a `Windowing`. They follow every change of the active layer's limits."""

    def __init__(self, viewer: Any, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.windowing = Windowing(viewer)
        self.strip, self.histogram, self.fields = PresetStrip(), WindowHistogram(), WindowFields()
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        for box in (self.fields.follow, self.fields.all_layers):
            self.strip.head.addWidget(box)
        layout.addWidget(self.strip)
        layout.addWidget(self.histogram)
        layout.addWidget(self.fields)
        self._viewer = viewer
        self._layer: Any = None
        self._kept_windows = load_kept_windows()
        self._folder: dict[Window, int] = {}
        self._updating, self._is_waiting = False, False
        self._picture_timer = QTimer(self, singleShot=True, interval=PICTURE_MS, timeout=self._show_pictures)
        self.strip.window_chosen.connect(self.choose)
        self.fields.window_entered.connect(lambda window: self._change(lambda: self.windowing.show(window, True)))
        self.fields.window_picked.connect(lambda window: self._change(lambda: self.windowing.show(window)))
        self.histogram.limits_dragged.connect(
            lambda low, high: self._change(lambda: self.windowing.show_limits(low, high))
        )
        self.fields.window_kept.connect(self._kept)
        self.fields.follow_toggled.connect(self._follow)
        self.fields.all_layers_toggled.connect(self._all_layers)
        self.mouse = CanvasMouse(viewer, self.windowing)
        self.labels = CanvasLabels(self)
        self.canvas = Canvas(viewer, self.windowing, self.labels, self)
        self.fields.texts.setChecked(True)
        self.fields.mouse_toggled.connect(self._set_mouse)
        self.fields.texts_toggled.connect(self._set_texts)
        self._followed = (
            (viewer.layers.selection.events.active, self.update_layer),
            (viewer.layers.events.inserted, self._inserted),
            (viewer.layers.events.removed, self._layers_changed),
            (viewer.layers.events.reordered, self._layers_changed),
            (viewer.dims.events.point, self._stepped),
            (viewer.dims.events.ndisplay, self._fit_display),
        )
        for emitter, callback in self._followed:
            emitter.connect(callback)
        for layer in viewer.layers:
            layer.events.visible.connect(self._layers_changed)
        self._shortcuts: list[QShortcut] = []
        self._bind(PRESET_KEYS, STEP_KEYS)
        self._menus()
        self.update_layer(is_gradual=True)
        # Later, because napari takes 0.1 s to read the settings of plugins.
        QTimer(self, singleShot=True, timeout=self._recall).start()

    def release(self) -> None:
        """Leave the viewer and its layers alone from now on."""
        for emitter, callback in self._followed:
            emitter.disconnect(callback)
        for layer in self._viewer.layers:
            layer.events.visible.disconnect(self._layers_changed)
        self.mouse.release()
        self.canvas.release()
        self._follow_layer(None)

    def _bind(self, presets: Mapping[str, int], steps: Mapping[str, int]) -> None:
        """Bind these keys in place of those before."""
        for shortcut in self._shortcuts:
            shortcut.setEnabled(False)
            shortcut.deleteLater()
        self._shortcuts = []
        for keys, action in ((presets, WindowPanel.choose), (steps, WindowPanel.step)):
            for key, value in keys.items():
                self._key(key, action, value)
        self.strip.keys = presets

    def _key(self, keys: str, action: Callable[[WindowPanel, int], None], value: int) -> None:
        """Bind a key of the application, which also works while the dock floats."""
        shortcut = QShortcut(QKeySequence(keys), self)
        shortcut.setContext(Qt.ShortcutContext.ApplicationShortcut)
        shortcut.activated.connect(lambda: action(self, value))
        shortcut.activatedAmbiguously.connect(lambda: action(_active_panel(self), value))
        self._shortcuts.append(shortcut)

    def set_colors(self, colors: Colors) -> None:
        """Take the theme's colors."""
        self.strip.set_colors(colors)
        self.histogram.set_colors(colors)

    def _recall(self) -> None:
        """Restore the ticks of earlier sessions, and bind the keys of the settings."""
        of_presets = " ".join(preset_key(number) for number in range(len(PRESET_KEYS) - 1))
        presets = preset_keys(remembered("preset_keys", of_presets), remembered("full_range_key", preset_key(-1)))
        steps = step_keys(remembered("step_keys", " ".join(STEP_KEYS)))
        if (presets, steps) != (PRESET_KEYS, STEP_KEYS):
            self._rebind(presets, steps)
        self.fields.mouse.setChecked(remembered("radiology_mouse", False))
        self.fields.texts.setChecked(remembered("canvas_texts", True))

    def _rebind(self, presets: dict[str, int], steps: dict[str, int]) -> None:
        """Bind other keys, and say which of them are none."""
        from napari.utils.notifications import show_warning

        wrong = [key for key in (*presets, *steps) if not _is_key(key)]
        if wrong:
            names = ", ".join(wrong)
            show_warning(
                plain(f"The settings of the DICOM dock name no key with {names}: write it like Alt+1 or F9", 400)
            )
        self._bind(*({key: number for key, number in keys.items() if _is_key(key)} for keys in (presets, steps)))
        self._show_strip()

    def _set_mouse(self, is_on: bool) -> None:
        self.mouse.is_radiological = is_on
        remember("radiology_mouse", is_on)

    def _set_texts(self, is_on: bool) -> None:
        self.canvas.set_shown(is_on)
        remember("canvas_texts", is_on)

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
        self.update_layer(is_gradual=True)

    def update_layer(self, _event: object = None, is_gradual: bool = False) -> None:
        """Show the presets of the layer that windows apply to: the active one, or else the topmost visible image."""
        if self._is_waiting:
            return
        if is_gradual:
            self.canvas.make_gradually()
        self._follow_layer(self.windowing.layer)
        self._menus()
        self._fit_display()
        self._show_strip()
        self.canvas.show()

    def _inserted(self, event: Any) -> None:
        event.value.events.visible.connect(self._layers_changed)
        self._layers_changed()

    def _layers_changed(self, _event: object = None) -> None:
        """Follow another layer if windows apply to another one now."""
        if self.windowing.layer != self._layer:  # each is a proxy of its own
            self.update_layer()
        else:
            self._fit_display()
            self._limits_changed()

    def _fit_display(self, _event: object = None) -> None:
        if not self._is_waiting:
            self._change(self.windowing.fit_display)

    def _follow_layer(self, layer: Any) -> None:
        """Follow the limits and the colormap of `layer` in place of the layer before; None: of no layer."""
        if self._layer is not None:
            for events in self._looks(self._layer):
                events.disconnect(self._limits_changed)
            self._layer.events.data.disconnect(self.update_layer)
            self._layer.events.name.disconnect(self._renamed)
        self._layer = layer
        if layer is not None:
            volume = self.windowing.volume
            if volume is not None:  # napari limits the slider of a layer that it makes of a sample to its window
                set_limits(layer, tuple(layer.contrast_limits), _widest(layer, volume.display_range()))
            for events in self._looks(layer):
                events.connect(self._limits_changed)
            layer.events.data.connect(self.update_layer)
            layer.events.name.connect(self._renamed)

    @staticmethod
    def _looks(layer: Any) -> tuple[Any, ...]:
        """Return the events of how a layer shows its values."""
        return layer.events.contrast_limits, layer.events.colormap, layer.events.gamma

    def _renamed(self, _event: object = None) -> None:
        if self._layer is not None and self.windowing.layer is not None:
            self.strip.set_name(self._layer.name)

    def _show_strip(self) -> None:
        volume = self.windowing.volume
        if self._layer is None or volume is None:
            self.strip.set_presets("", ())
            self.fields.set_shown(None)
            self.histogram.hide()
            return
        self.histogram.show()
        self._show_presets(self.windowing.presets(), volume.units)
        self._show_pictures()

    def _show_presets(self, presets: tuple[Window, ...], units: str) -> None:
        windowing = self.windowing
        shown = [
            Preset(
                window=window,
                spread=windowing.spread(i),
                folded=windowing.folded(i),
                is_usual=windowing.is_usual(i),
            )
            for i, window in enumerate(presets)
        ]
        self.strip.set_presets(self._layer.name, shown, units)
        self._limits_changed()

    def _limits_changed(self, _event: object = None) -> None:
        if self._layer is None or self.windowing.layer is None or self._updating or self._is_waiting:
            return
        self.strip.set_current(self.windowing.current())
        volume = self.windowing.volume
        assert volume is not None
        several = len(volumes_in(self._viewer.layers)) > 1
        self.fields.set_shown(
            self.windowing.shown(), self.windowing.varies(), several, units=volume.units, gamma=self._layer.gamma
        )
        low, high = self._layer.contrast_limits
        self.histogram.set_limits((low, high))
        if low < self.histogram.range[0] or high > self.histogram.range[1]:
            self._picture_timer.start()
        self.canvas.show_state()

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
            plane = np.asarray(data[slice_index(self._viewer, self._layer)])
        except Exception as error:  # noqa: BLE001  the canvas reports it for the same slice
            log_fault("reading a slice for the thumbnails of presets", error, logging.DEBUG)
            return
        rows, columns = volume.geometry.spacing[1:]
        side = round(PICTURE * self.devicePixelRatioF())
        full, limits = volume.display_range(), tuple(self._layer.contrast_limits)
        self.strip.set_pictures(thinned(plane, rows / columns, side), full, volume.inverted)
        if not self.histogram.is_dragged:
            value_range = (min(full[0], limits[0]), max(full[1], limits[1]))
            self.histogram.set_counts(counts_within(plane, value_range, BINS), value_range)

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


def _is_key(text: str) -> bool:
    return bool(QKeySequence(text).toString())


def _widest(layer: Any, limits: tuple[float, float]) -> tuple[float, float]:
    low, high = layer.contrast_limits_range
    return min(low, limits[0]), max(high, limits[1])


def _active_panel(panel: WindowPanel) -> WindowPanel:
    """Return the panel in the active window, or `panel`."""
    from qtpy.QtWidgets import QApplication

    panels = [widget for widget in QApplication.allWidgets() if isinstance(widget, WindowPanel)]
    return next((other for other in panels if other.window().isActiveWindow()), panel)
