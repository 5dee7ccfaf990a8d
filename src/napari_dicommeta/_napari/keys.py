"""All keyboard shortcuts of the dock, in one table.

napari uses plain digits for its layer modes, and Alt with a drag to zoom into a rectangle. It binds no keys to commands
of plugins, so those of presets can be changed in the settings of this plugin.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "CHOOSE",
    "DRAG_MODIFIER",
    "PRESET_KEYS",
    "RADIOLOGY_MOUSE",
    "REMOVE",
    "STEP_KEYS",
    "ZOOM_MODIFIER",
    "preset_key",
    "preset_keys",
    "step_keys",
]

PRESET_KEYS = {f"Alt+{digit}": digit - 1 for digit in range(10)}
"""Key -> number of the preset that it selects; -1 (Alt+0) is the full range."""
STEP_KEYS = {"Alt+[": -1, "Alt+]": 1}
"""Key -> number of presets to step by."""
_NO_KEY = "none"
"""In the settings, the place of a key where there is to be none."""
DRAG_MODIFIER = "Control"
"""With this key held, a drag on the canvas changes center and width."""
ZOOM_MODIFIER = "Shift"
"""With the radiology mouse and this key held, the wheel zooms."""
RADIOLOGY_MOUSE = "The wheel changes the slice, a right drag the window, Shift with the wheel zooms"
CHOOSE = ("Return", "Enter", "Space")
"""Keys that activate the current item of a list or table, as a click does."""
REMOVE = ("Return", "Enter", "Delete", "Backspace")
"""Keys that remove a filter."""


def preset_key(number: int, keys: Mapping[str, int] = PRESET_KEYS) -> str:
    """Return the key of the preset with this number, "" if it has none."""
    return next((key for key, of_key in keys.items() if of_key == number), "")


def preset_keys(presets: str, full_range: str) -> dict[str, int]:
    """Return the keys of presets, as `PRESET_KEYS`: those that settings name in order, and that of the full range."""
    named = {key: number for number, key in enumerate(presets.split())} | {full_range.strip(): -1}
    return {key: number for key, number in named.items() if key not in ("", _NO_KEY)}


def step_keys(steps: str) -> dict[str, int]:
    """Return the keys, as `STEP_KEYS`, that settings name: that of the preset before and of the next, with a space."""
    named = zip(steps.split(), (-1, 1), strict=False)
    return {key: by for key, by in named if key != _NO_KEY}
