"""Whether napari opens folders and DICOM files with this plugin without asking: napari's own setting, on request."""

from __future__ import annotations

from napari.settings import get_settings

from napari_dicommeta._reader import PLUGIN

__all__ = ["is_preferred", "prefer"]

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
