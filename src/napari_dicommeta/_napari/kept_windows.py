"""Window presets that the user saved, in a file in the user's configuration folder."""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING

from napari_dicommeta.dicom.window import Window
from napari_dicommeta.support.atomic import set_aside, write_text
from napari_dicommeta.support.log import log_fault

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["keep_window", "load_kept_windows"]


def _file() -> Path:
    from platformdirs import user_config_path

    return user_config_path("napari-dicommeta") / "presets.json"


def load_kept_windows() -> tuple[Window, ...]:
    """Read the windows that `keep_window` saved, in order, without what is none; return () if the file is damaged."""
    windows = map(_window_of, _rows() or ())
    return tuple(window for window in windows if window is not None and not window.fault)


def _rows() -> list[object] | None:
    """Return what the file lists, [] if there is no file, None if it is damaged."""
    try:
        rows = json.loads(_file().read_text("utf-8"))
        if isinstance(rows, list):
            return rows
        raise TypeError("no list")
    except FileNotFoundError:
        return []
    except (OSError, ValueError, TypeError, RecursionError) as error:
        log_fault("reading the windows that were kept", error, logging.WARNING)
        return None


def _window_of(row: object) -> Window | None:
    """Return the window of a row; None if it is none, or one of a later version."""
    try:
        texts = (row["function"], row["name"])  # type: ignore[index]
        if not all(isinstance(text, str) for text in texts):
            raise TypeError("no texts")
        center, width = (float(row[name]) for name in ("center", "width"))  # type: ignore[index]
    except (ValueError, TypeError, KeyError, OverflowError) as error:
        log_fault("reading a window that was kept", error, logging.WARNING)
        return None
    return Window(center=center, width=width, function=texts[0], explanation=texts[1])


def keep_window(window: Window) -> tuple[Window, ...]:
    """Save `window` under its explanation and return all saved windows.

    It replaces a saved window of the same name. A window with a `fault` only removes that name. What the file holds
    beside windows stays in it; a file that is damaged stays under another name.

    Raises
    ------
    OSError
        If the file in the user's configuration folder cannot be read or written.
    """
    target, rows = _file(), _rows()
    target.parent.mkdir(parents=True, exist_ok=True)
    if rows is None:
        set_aside(target)
        rows = []
    rows = [row for row in rows if not (isinstance(row, dict) and row.get("name") == window.explanation)]
    if not window.fault:
        row = {"name": window.explanation, "center": window.center, "width": window.width, "function": window.function}
        rows.append(row)
    write_text(target, json.dumps(rows, indent=1))
    return load_kept_windows()
