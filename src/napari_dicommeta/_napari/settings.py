"""What is kept between sessions, in napari's own settings: its readers, its history, and those it has for plugins."""

from __future__ import annotations

import os
from typing import Any

from napari.settings import get_settings
from napari.utils.history import get_open_history, update_open_history

from napari_dicommeta._napari.reader import PLUGIN

__all__ = ["is_preferred", "prefer", "recent_folders", "remember", "remember_folder", "remembered"]

PATTERNS = ("*/", "*.dcm", "*.dicom")
"""What napari's reader preferences call folders and DICOM files."""


def is_preferred() -> bool:
    """Whether napari takes this plugin for folders and DICOM files."""
    readers = get_settings().plugins.extension2reader
    return all(readers.get(pattern) == PLUGIN for pattern in PATTERNS)


def prefer(wanted: bool) -> None:
    """Let napari take this plugin for them, or ask again; preferences for other readers stay as they are."""
    readers = dict(get_settings().plugins.extension2reader)
    for pattern in PATTERNS:
        if wanted:
            readers[pattern] = PLUGIN
        elif readers.get(pattern) == PLUGIN:
            del readers[pattern]
    get_settings().plugins.extension2reader = readers


def _kept() -> Any:
    """The plugin's own settings, as its manifest declares them; None before napari 0.9, which has none for plugins."""
    try:
        from napari.settings import get_plugin_settings

        return get_plugin_settings(PLUGIN).dock
    except (ImportError, KeyError):
        return None


def remembered(name: str, default: Any) -> Any:
    """A setting of the dock, `default` where it is not kept."""
    kept = _kept()
    return default if kept is None else getattr(kept, name)


def remember(name: str, value: Any) -> None:
    """Keep a setting of the dock, where napari keeps such."""
    kept = _kept()
    if kept is not None and getattr(kept, name) != value:
        setattr(kept, name, value)


def recent_folders() -> tuple[str, ...]:
    """The folders last opened in napari that are still there."""
    return tuple(folder for folder in get_open_history() if os.path.isdir(folder))


def remember_folder(path: str) -> None:
    """Add a folder, or that of a file, to napari's history."""
    update_open_history(os.path.join(path, "") if os.path.isdir(path) else path)
