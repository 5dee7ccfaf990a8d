"""All keyboard shortcuts of the dock, in one table.

napari uses plain digits for its layer modes, and Alt with a drag to zoom into a rectangle. Manifests cannot bind keys.
"""

from __future__ import annotations

__all__ = [
    "CHOOSE",
    "DRAG_MODIFIER",
    "PRESET_KEYS",
    "RADIOLOGY_MOUSE",
    "REMOVE",
    "STEP_KEYS",
    "ZOOM_MODIFIER",
    "preset_key",
]

PRESET_KEYS = {f"Alt+{digit}": digit - 1 for digit in range(10)}
"""Key -> number of the preset that it selects; -1 (Alt+0) is the full range."""
STEP_KEYS = {"Alt+[": -1, "Alt+]": 1}
"""Key -> number of presets to step by."""
DRAG_MODIFIER = "Control"
"""With this key held, a drag on the canvas changes center and width."""
ZOOM_MODIFIER = "Shift"
"""With the radiology mouse and this key held, the wheel zooms."""
RADIOLOGY_MOUSE = "The wheel changes the slice, a right drag the window, Shift with the wheel zooms"
CHOOSE = ("Return", "Enter", "Space")
"""Keys that activate the current item of a list or table, as a click does."""
REMOVE = ("Return", "Enter", "Delete", "Backspace")
"""Keys that remove a filter."""


def preset_key(number: int) -> str:
    """Return the key of the preset with this number, "" if it has none."""
    return next((key for key, of_key in PRESET_KEYS.items() if of_key == number), "")
