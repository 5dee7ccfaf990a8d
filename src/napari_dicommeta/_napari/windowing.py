"""The controller of windows: select, step through and drag presets of a viewer's layers. Does not use Qt."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from napari_dicommeta._napari.display import (
    has_window,
    is_full_range,
    is_shown,
    set_colormap,
    set_limits,
    show_full_range,
    show_window,
    slice_number,
)
from napari_dicommeta._napari.reader import volume_of
from napari_dicommeta.analysis.window_presets import USUAL_CT
from napari_dicommeta.dicom.window import SIGMOID_SPAN, Window, alternatives, is_nearly

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_dicommeta.volumes.volume import Volume

__all__ = ["FULL_RANGE", "Windowing"]

FULL_RANGE = -1
"""Number of the preset that shows the full range of values."""
LINKED = ("contrast_limits", "colormap", "gamma")
FEW_PRESETS = 2
"""A CT whose files offer fewer windows gets usual ones beside them."""
BONE_3D = Window(center=650, width=1100, function="LINEAR_EXACT")
"""HU: the window in which the brightest values along a ray show bone and vessels with contrast agent."""
DRAG = 0.005
"""Change of center and width for each pixel of a drag, as a fraction of the window's width."""


@dataclass(slots=True)
class _Choice:
    """The preset selected for a layer: its index in each slice's list of windows, and the window shown last."""

    index: int | None
    window: Window


@dataclass(frozen=True, slots=True)
class _Look:
    """How a layer shows its values."""

    limits: tuple[float, float]
    colormap: Any
    gamma: float


@dataclass(frozen=True, slots=True)
class _Offered:
    """The windows offered for a volume: those of its files, without nearly equal ones, then usual ones.

    `of_files` counts the first, and `folded` holds the windows that each of them stands for, itself excepted.
    """

    windows: tuple[Window, ...]
    of_files: int
    folded: tuple[tuple[Window, ...], ...]


def _state(layer: Any) -> dict[str, Any]:
    """Return the state stored in the layer's metadata; the layer is no key, since plugins get a new proxy each time."""
    state: dict[str, Any] = layer.metadata["dicommeta"]
    return state


class Windowing:
    """Controller of the windows of a viewer's DICOM layers.

    `follow`: show each slice through its own version of the selected preset. `all_layers`: apply a selection to all
    visible volumes with the same units.
    """

    def __init__(self, viewer: Any) -> None:
        self.viewer = viewer
        self.follow = False
        self.all_layers = False
        self._linked: list[Any] = []
        self._cached: tuple[Any, _Offered] = (None, _Offered((), 0, ()))

    @property
    def layer(self) -> Any:
        """The layer to window: the active one if it is a grayscale volume, else the topmost visible one, else None.

        None too while an image that is no volume is active, such as a projection or a duplicate of one: a window has
        to change the image that is active, or none.
        """
        active = self.viewer.layers.selection.active
        if _is_gray(active):
            return active
        if _is_image_of_others(active):
            return None
        return next((layer for layer in reversed(self.viewer.layers) if layer.visible and _is_gray(layer)), None)

    @property
    def volume(self) -> Volume | None:
        """The volume of `layer`."""
        return volume_of(self.layer)

    def presets(self) -> tuple[Window, ...]:
        """Return the windows that the volume's files offer, with `follow` those of the slice shown, and usual ones.

        Usual windows come where a CT in HU has fewer than two of its own.
        """
        volume = self.volume
        if volume is None:
            return ()
        windows = self._offered(volume).windows
        if not self.follow or not volume.slice_windows:
            return windows
        own = volume.slice_windows[self.slice_number()]
        middle = volume.slice_windows[len(volume.slice_windows) // 2]
        indices = {window: i for i, window in enumerate(middle)}
        return tuple(own[i] if (i := indices.get(window, len(own))) < len(own) else window for window in windows)

    def is_usual(self, index: int) -> bool:
        """Return whether a preset is a usual one, not one of the files."""
        volume = self.volume
        return volume is not None and index >= self._offered(volume).of_files

    def folded(self, index: int) -> tuple[Window, ...]:
        """Return the windows of the files that a preset stands for, since they are nearly equal to it."""
        volume = self.volume
        return self._offered(volume).folded[index] if volume is not None and not self.is_usual(index) else ()

    def slice_number(self) -> int:
        """Return the number of the slice shown of the active volume, counted over times and slices."""
        return slice_number(self.viewer, self.layer)

    def varies(self) -> bool:
        """Return whether the windows of the active volume differ between slices."""
        volume = self.volume
        return volume is not None and len(set(volume.slice_windows)) > 1

    def spread(self, index: int) -> str:
        """Describe how the center and width of a preset vary over the slices, "" if they do not."""
        volume = self.volume
        slice_index = self._slice_index(index)
        if volume is None or slice_index is None:
            return ""
        own = [windows[slice_index] for windows in volume.slice_windows if len(windows) > slice_index]
        centers, widths = {window.center for window in own}, {window.width for window in own}
        if len(centers) == len(widths) == 1:
            return ""
        return f"{min(centers):g} to {max(centers):g} / {min(widths):g} to {max(widths):g} over the slices"

    def current(self) -> int | None:
        """Return the number of the preset that the active layer shows, `FULL_RANGE`, or None for another window."""
        layer, volume = self.layer, self.volume
        if layer is None or volume is None:
            return None
        for i, window in enumerate(self.presets()):
            if any(is_shown(layer, same, volume.inverted) for same in (window, *self.folded(i))):
                return i
        return FULL_RANGE if is_full_range(layer, volume) else None

    def choose(self, index: int) -> None:
        """Show the active layer, or all layers, through the preset with this number, or `FULL_RANGE`."""
        volume, presets = self.volume, self.presets()
        if volume is None or index >= len(presets):
            return
        if index == FULL_RANGE:
            _state(self.layer).pop("choice", None)
            for layer in self._targets():
                other = volume_of(layer)
                assert other is not None
                show_full_range(layer, other)
        elif not presets[index].fault:
            _state(self.layer)["choice"] = _Choice(self._slice_index(index), presets[index])
            self.show(presets[index])

    def show(self, window: Window, keeps_gamma: bool = False) -> None:
        """Show the layer, or all layers, through `window`; its gamma becomes 1 unless it is kept."""
        for layer in self._targets():
            volume = volume_of(layer)
            assert volume is not None
            show_window(layer, window, volume.inverted)
            if not keeps_gamma:
                layer.gamma = 1
            _state(layer)["window"] = window

    def step(self, by: int) -> None:
        """Select the next or previous usable preset; the full range counts as a preset."""
        usable = [i for i, window in enumerate(self.presets()) if not window.fault] + [FULL_RANGE]
        current = self.current()
        at = usable.index(current) if current in usable else (-1 if by > 0 else 0)
        self.choose(usable[(at + by) % len(usable)])

    def moved(self) -> bool:
        """Apply the window of the slice shown now; return whether it changed. A window set by hand stays."""
        layer, volume = self.layer, self.volume
        choice: _Choice | None = _state(layer).get("choice") if layer is not None else None
        if not self.follow or volume is None or choice is None or choice.index is None:
            return False
        if not is_shown(layer, choice.window, volume.inverted):
            return False
        own = volume.slice_windows[self.slice_number()]
        if choice.index >= len(own) or own[choice.index].fault or own[choice.index] == choice.window:
            return False
        choice.window = own[choice.index]
        show_window(layer, choice.window, volume.inverted)
        return True

    def shown(self) -> Window:
        """Return the window of the active layer: its preset, the one shown last, or a LINEAR window of its limits."""
        layer, volume = self.layer, self.volume
        assert volume is not None
        last: Window | None = _state(layer).get("window")
        for window in (*filter(None, [last]), *self.presets()):
            if has_window(layer, window, volume.inverted) and window.lut is None and window.rescale is None:
                return window
        low, high = layer.contrast_limits
        return Window(center=(low + high) / 2 + 0.5, width=high - low + 1)

    def named(self) -> Window:
        """Return the window of the layer as `shown` does, but a lookup table as itself."""
        layer, volume = self.layer, self.volume
        assert volume is not None
        last: Window | None = _state(layer).get("window")
        for window in (*filter(None, [last]), *self.presets()):
            if window.lut is not None and has_window(layer, window, volume.inverted):
                return window
        return self.shown()

    def show_limits(self, low: float, high: float) -> None:
        """Show the layer, or all layers, from `low` to `high` with the VOI LUT function that it has; gamma stays."""
        function = self.shown().function
        center, width = (low + high) / 2, high - low
        if function == "LINEAR":
            center, width = center + 0.5, width + 1
        elif function == "SIGMOID":
            width /= 2 * SIGMOID_SPAN
        self.show(Window(center=center, width=width, function=function), keeps_gamma=True)

    def fit_display(self) -> None:
        """Give each CT in HU limits of its own in 3D, those of bone at first, and its window back in 2D."""
        is_3d = self.viewer.dims.ndisplay == 3
        for layer in self.viewer.layers:
            volume = volume_of(layer)
            if volume is None or not _is_ct(volume):
                continue
            state = _state(layer)
            if is_3d == ("flat" in state):
                continue
            look = _Look(tuple(layer.contrast_limits), layer.colormap, layer.gamma)
            before: _Look | None = state.get("space") if is_3d else state.pop("flat")
            state["flat" if is_3d else "space"] = look
            if before is None:
                show_window(layer, BONE_3D, volume.inverted)
                state["window"] = BONE_3D
                layer.gamma = 1
            else:
                set_limits(layer, before.limits)
                set_colormap(layer, before.colormap)
                layer.gamma = before.gamma

    def dragged(self, right: float, up: float) -> None:
        """Change the width by pixels dragged right and the center by pixels dragged up, as on a workstation."""
        window = self.shown()
        each = max(window.width, 20.0) * DRAG
        self.show(
            Window(
                center=window.center + up * each, width=max(window.width + right * each, 1.0), function=window.function
            ),
            keeps_gamma=True,
        )

    def set_all_layers(self, is_on: bool) -> None:
        """Link the limits of all visible volumes that have the active layer's units, or unlink them."""
        self.all_layers = is_on
        if self._linked:
            remaining = [layer for layer in self._linked if layer in self.viewer.layers]
            if remaining:
                self.viewer.layers.unlink_layers(remaining, LINKED)
            self._linked = []
        if is_on and self.layer is not None:
            targets = self._targets()
            low = min(layer.contrast_limits_range[0] for layer in targets)
            high = max(layer.contrast_limits_range[1] for layer in targets)
            limits, colormap = tuple(self.layer.contrast_limits), self.layer.colormap
            for layer in targets:
                layer.contrast_limits_range = (low, high)
                layer.contrast_limits = limits
                set_colormap(layer, colormap)
            if len(targets) > 1:
                self.viewer.layers.link_layers(targets, LINKED)
                self._linked = targets

    def _targets(self) -> list[Any]:
        active, volume = self.layer, self.volume
        if active is None or volume is None:
            return []
        if not self.all_layers:
            return [active]
        targets = [active]
        for layer in self.viewer.layers:
            other = volume_of(layer)
            if layer is active or other is None or not layer.visible or other.is_color or other.is_labels:
                continue
            if other.units == volume.units and other.inverted == volume.inverted:
                targets.append(layer)
        return targets

    def _offered(self, volume: Volume) -> _Offered:
        """Return the windows offered for `volume`, cached because every move of the slider needs them."""
        if self._cached[0] is not volume:
            self._cached = volume, _offered(volume)
        return self._cached[1]

    def _slice_index(self, index: int) -> int | None:
        """Return the index of a preset in the middle slice's list of windows, None if it is not there."""
        volume = self.volume
        if volume is None or not volume.slice_windows:
            return None
        windows = self._offered(volume).windows
        middle: Sequence[Window] = volume.slice_windows[len(volume.slice_windows) // 2]
        return middle.index(windows[index]) if 0 <= index < len(windows) and windows[index] in middle else None


def _is_gray(layer: Any) -> bool:
    volume = volume_of(layer)
    return volume is not None and not (volume.is_color or volume.is_labels)


def _is_image_of_others(layer: Any) -> bool:
    from napari.layers import Image, Labels

    return isinstance(layer, Image) and not isinstance(layer, Labels) and volume_of(layer) is None


def _is_ct(volume: Volume) -> bool:
    return volume.modality == "CT" and volume.units == "HU"


def _offered(volume: Volume) -> _Offered:
    groups: list[list[Window]] = []
    for window in (*alternatives(volume.slice_windows), *volume.saved_windows):
        group = next((group for group in groups if is_nearly(group[0], window)), None)
        if group is None:
            groups.append([window])
        else:
            group.append(window)
    own = tuple(group[0] for group in groups)
    usual: tuple[Window, ...] = ()
    if _is_ct(volume) and sum(not window.fault for window in own) < FEW_PRESETS:
        usual = tuple(window for window in USUAL_CT if not any(is_nearly(window, other) for other in own))
    return _Offered((*own, *usual), len(own), tuple(tuple(group[1:]) for group in groups))
