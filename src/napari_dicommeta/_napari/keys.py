"""All keys of the dock, in one table.

Plain digits are napari's layer modes, Alt with a drag is its zoom into a rectangle; manifests cannot bind keys.
"""

from __future__ import annotations

__all__ = ["CHOOSE", "DRAG_MODIFIERS", "PRESET_KEYS", "REMOVE", "STEP_KEYS", "preset_key"]

PRESET_KEYS = {f"Alt+{digit}": digit - 1 for digit in range(10)}
"""Key -> the number of the preset that it chooses; -1, on Alt+0, is the full range."""
STEP_KEYS = {"Alt+[": -1, "Alt+]": 1}
"""Key -> by how many presets it steps."""
DRAG_MODIFIERS = frozenset(("Control", "Alt"))
"""With one of these a drag on the canvas changes center and width."""
CHOOSE = ("Return", "Enter", "Space")
"""Choose what is current in a list or table, as a click does."""
REMOVE = ("Return", "Enter", "Delete", "Backspace")
"""Remove a filter."""


def preset_key(number: int) -> str:
    """Return the key of a preset by its number, "" for one that has none."""
    return next((key for key, of_key in PRESET_KEYS.items() if of_key == number), "")
