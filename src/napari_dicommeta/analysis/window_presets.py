"""Window presets from outside an image: common ones for CT, and those of a whole folder."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from napari_dicommeta.dicom.window import WINDOW_TAGS, Window, windows_of

if TYPE_CHECKING:
    from napari_dicommeta.catalog.catalog import Catalog

__all__ = ["STANDARD_CT", "USUAL_CT", "folder_windows"]

STANDARD_CT = (
    Window(center=-600, width=1500, explanation="lung"),
    Window(center=40, width=400, explanation="mediastinum"),
    Window(center=40, width=400, explanation="abdomen"),
    Window(center=60, width=160, explanation="liver"),
    Window(center=480, width=2500, explanation="bone"),
    Window(center=40, width=80, explanation="brain"),
    Window(center=75, width=215, explanation="subdural"),
    Window(center=40, width=40, explanation="stroke"),
    Window(center=300, width=600, explanation="angiography"),
    Window(center=-60, width=400, explanation="soft tissue and fat"),
)
"""Common radiological windows in HU. They are neither standardized nor taken from files."""
USUAL_CT = (
    Window(center=-600, width=1500, explanation="lung"),
    Window(center=480, width=2500, explanation="bone"),
    Window(center=40, width=80, explanation="brain"),
    Window(center=40, width=400, explanation="soft tissue"),
)
"""The windows in HU that are offered beside those of a CT with few of its own."""


def folder_windows(catalog: Catalog) -> dict[Window, int]:
    """Return each window preset (center, width, explanation) in the files of `catalog`, and its number of files.

    Presets are sorted by frequency, and a file counts once for each of its presets. Windows in functional groups and
    lookup tables are not included. See PS3.3 section C.11.2.
    """
    counts: dict[Window, int] = {}
    for texts, files in catalog.values(WINDOW_TAGS).items():
        for window in windows_of(*(text or "" for text in texts)):
            if not math.isnan(window.center) and not math.isnan(window.width):
                counts[window] = counts.get(window, 0) + files
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0].center, item[0].width)))
