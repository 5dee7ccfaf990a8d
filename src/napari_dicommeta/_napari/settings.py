"""Settings kept between sessions by napari itself: reader preferences, history of opened files, plugin settings."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from napari.settings import get_settings
from napari.utils.history import update_open_history

from napari_dicommeta._napari.reader import PLUGIN
from napari_dicommeta.files.opening import find_inside
from napari_dicommeta.files.urls import is_url
from napari_dicommeta.scanning.pending_calls import BriefCalls
from napari_dicommeta.scanning.sources import source_paths

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = [
    "is_preferred",
    "last_source",
    "prefer",
    "recent_folders",
    "remember",
    "remember_folder",
    "remember_source",
    "remembered",
]

MAX_PATHS = 50
"""Paths of a source that are saved."""
_STORAGE = BriefCalls(0.1)
"""Asks storage of recent sources: the window must not wait for a share that is gone."""
PATTERNS = ("*/", "*.dcm", "*.dicom")
"""Patterns for folders and DICOM files in napari's reader preferences."""


def is_preferred() -> bool:
    """Return whether napari opens folders and DICOM files with this plugin."""
    readers = get_settings().plugins.extension2reader
    return all(readers.get(pattern) == PLUGIN for pattern in PATTERNS)


def prefer(wanted: bool) -> None:
    """Make this plugin napari's reader for folders and DICOM files, or let napari ask again.

    Preferences for other readers stay as they are.
    """
    readers = dict(get_settings().plugins.extension2reader)
    for pattern in PATTERNS:
        if wanted:
            readers[pattern] = PLUGIN
        elif readers.get(pattern) == PLUGIN:
            del readers[pattern]
    get_settings().plugins.extension2reader = readers


def _kept() -> Any:
    """Return the plugin's settings that its manifest declares; None before napari 0.9, which has no plugin settings."""
    try:
        from napari.settings import get_plugin_settings

        return get_plugin_settings(PLUGIN).dock
    except (ImportError, KeyError):
        return None


def remembered(name: str, default: Any) -> Any:
    """Return a setting of the dock, or `default` if napari has no plugin settings."""
    settings = _kept()
    return default if settings is None else getattr(settings, name)


def remember(name: str, value: Any) -> None:
    """Save a setting of the dock, if napari has plugin settings."""
    settings = _kept()
    if settings is not None and getattr(settings, name) != value:
        setattr(settings, name, value)


def recent_folders() -> tuple[str, ...]:
    """Return the folders last opened in napari that still exist; all where storage does not say so at once."""
    folders = tuple(get_settings().application.open_history)
    return _STORAGE.answer(lambda _: tuple(filter(os.path.isdir, folders)), "", folders)


def last_source() -> tuple[str, ...]:
    """Return the paths of the last source, () if one of them does not exist any more."""
    paths = tuple(path for path in remembered("last_source", "").split("\n") if path)
    return paths if _STORAGE.answer(lambda _: all(map(_is_there, paths)), "", True) else ()


def _is_there(path: str) -> bool:
    """Return whether a source is there; a URL is not asked for, and of a place in an archive only the archive is."""
    return is_url(path) or os.path.exists(path) or find_inside(path) is not None


def remember_source(paths: Sequence[str]) -> None:
    """Save the paths of a source for the next session, and add the first to napari's history."""
    remember_folder(paths[0])
    remember("last_source", "\n".join(source_paths(paths[:MAX_PATHS])))


def remember_folder(path: str) -> None:
    """Add a folder, or the folder of a file, to napari's history, which knows no URLs."""
    if not is_url(path):
        is_folder = _STORAGE.answer(os.path.isdir, path, False)
        update_open_history(os.path.join(path, "") if is_folder else path)
