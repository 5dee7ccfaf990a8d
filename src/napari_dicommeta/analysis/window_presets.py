"""Windows that are not the image's own: usual ones for CT, those of a whole folder, and those a user keeps."""

from __future__ import annotations

import json
import math
from contextlib import suppress
from typing import TYPE_CHECKING

from napari_dicommeta.dicom.window import WINDOW_TAGS, Window, windows_of
from napari_dicommeta.support.atomic import write_text

if TYPE_CHECKING:
    from pathlib import Path

    from napari_dicommeta.catalog.catalog import Catalog

__all__ = ["STANDARD_CT", "folder_windows", "keep_window", "kept_windows"]

STANDARD_CT = (
    Window(-600, 1500, explanation="lung"),
    Window(40, 400, explanation="mediastinum"),
    Window(40, 400, explanation="abdomen"),
    Window(60, 160, explanation="liver"),
    Window(480, 2500, explanation="bone"),
    Window(40, 80, explanation="brain"),
    Window(75, 215, explanation="subdural"),
    Window(40, 40, explanation="stroke"),
    Window(300, 600, explanation="angiography"),
    Window(-60, 400, explanation="soft tissue and fat"),
)
"""Common radiological windows in HU: nobody's standard, and not the file's."""


def folder_windows(catalog: Catalog) -> dict[Window, int]:
    """Each preset that the files of `catalog` state, center, width and explanation together, and the files that do.

    Most frequent first; a file counts once for each of its presets. Windows of functional groups and lookup tables
    are not among them.
    """
    counts: dict[Window, int] = {}
    for texts, files in catalog.values(WINDOW_TAGS).items():
        for window in windows_of(*(text or "" for text in texts)):
            if not math.isnan(window.center) and not math.isnan(window.width):
                counts[window] = counts.get(window, 0) + files
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0].center, item[0].width)))


def _file() -> Path:
    from platformdirs import user_config_path

    return user_config_path("napari-dicommeta") / "presets.json"


def kept_windows() -> tuple[Window, ...]:
    """The windows that `keep_window` has kept, in their order."""
    with suppress(OSError, ValueError, TypeError, KeyError):
        rows = json.loads(_file().read_text("utf-8"))
        return tuple(
            Window(float(row["center"]), float(row["width"]), str(row["function"]), str(row["name"])) for row in rows
        )
    return ()


def keep_window(window: Window) -> tuple[Window, ...]:
    """Keep `window` under its explanation, in place of one of that name, or forget that name if it has a `fault`.

    Raises
    ------
    OSError
        If the file in the user's configuration folder cannot be written.
    """
    others = [one for one in kept_windows() if one.explanation != window.explanation]
    windows = (*others, *(() if window.fault else (window,)))
    rows = [
        {"name": one.explanation, "center": one.center, "width": one.width, "function": one.function} for one in windows
    ]
    target = _file()
    target.parent.mkdir(parents=True, exist_ok=True)
    write_text(target, json.dumps(rows, indent=1))
    return windows
