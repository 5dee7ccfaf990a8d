"""Window presets that the user saved, in a file in the user's configuration folder."""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING

from napari_dicommeta.dicom.window import Window
from napari_dicommeta.support.atomic import write_text
from napari_dicommeta.support.log import log_fault

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["keep_window", "load_kept_windows"]


def _file() -> Path:
    from platformdirs import user_config_path

    return user_config_path("napari-dicommeta") / "presets.json"


def load_kept_windows() -> tuple[Window, ...]:
    """Read the windows that `keep_window` saved, in order; return () if the file is missing or damaged."""
    try:
        rows = json.loads(_file().read_text("utf-8"))
        return tuple(
            Window(
                center=float(row["center"]),
                width=float(row["width"]),
                function=str(row["function"]),
                explanation=str(row["name"]),
            )
            for row in rows
        )
    except FileNotFoundError:
        return ()
    except (OSError, ValueError, TypeError, KeyError) as error:
        log_fault("reading the windows that were kept", error, logging.WARNING)
        return ()


def keep_window(window: Window) -> tuple[Window, ...]:
    """Save `window` under its explanation and return all saved windows.

    It replaces a saved window of the same name. A window with a `fault` only removes that name.

    Raises
    ------
    OSError
        If the file in the user's configuration folder cannot be written.
    """
    others = [saved for saved in load_kept_windows() if saved.explanation != window.explanation]
    windows = (*others, *(() if window.fault else (window,)))
    rows = [
        {"name": saved.explanation, "center": saved.center, "width": saved.width, "function": saved.function}
        for saved in windows
    ]
    target = _file()
    target.parent.mkdir(parents=True, exist_ok=True)
    write_text(target, json.dumps(rows, indent=1))
    return windows
