"""The call of napari that a reader runs in: its viewer, its keywords, and whether the window or a script made it.

napari tells a reader nothing but the path. Its current viewer is the one focused last, which is not always the one
whose ``open`` was called, and keywords of ``viewer.open`` do not reach layers that a reader returns.
"""

from __future__ import annotations

import inspect
import os
import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from types import FrameType

    from napari.layers import Layer

__all__ = ["OpeningCall", "opening_call", "set_keywords"]

WINDOW_FOLDER = os.path.join("napari", "_qt", "")
"""Where drops, menus, dialogs and napari's command line call ``viewer.open``. A console or a script calls it itself."""
FIXED = {"data", "rgb", "multiscale", "cache", "metadata"}
"""Arguments of layers that the files decide."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OpeningCall:
    """What is known of the call. `is_by_window`: by a drop, a menu, a dialog or the command line, not by a script."""

    viewer: Any = None
    keywords: Mapping[str, Any] = field(default_factory=dict)
    is_by_window: bool = False
    is_stacked: bool = False
    """Whether Shift was held."""


def opening_call() -> OpeningCall:
    """Return the call of ``viewer.open`` or ``open_sample`` that runs now; outside one, the current viewer."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        viewer = frame.f_locals.get("self") if frame.f_code.co_name in ("open", "open_sample") else None
        if hasattr(viewer, "add_layer"):
            caller = frame.f_back
            return OpeningCall(
                viewer=viewer,
                keywords=dict(frame.f_locals.get("kwargs") or {}),
                is_by_window=caller is not None and WINDOW_FOLDER in caller.f_code.co_filename,
                is_stacked=frame.f_locals.get("stack") is True,
            )
        frame = frame.f_back
    import napari

    return OpeningCall(viewer=napari.current_viewer())


def set_keywords(layers: Sequence[Layer], keywords: Mapping[str, Any]) -> None:
    """Set what the caller of ``viewer.open`` asked for: name, colormap, contrast limits and so on.

    Raises
    ------
    ValueError
        If no layer takes a keyword.
    """
    for name, value in keywords.items():
        taking = [layer for layer in layers if name in _settable(layer)]
        if not taking:
            known = ", ".join(sorted({known for layer in layers for known in _settable(layer)}))
            raise ValueError(f"{name!r} cannot be set when DICOM is opened. What can be set: {known}.")
        for layer in taking:
            if name == "contrast_limits":
                low, high = layer.contrast_limits_range
                layer.contrast_limits_range = (min(low, value[0]), max(high, value[1]))
            setattr(layer, name, value)


def _settable(layer: Layer) -> list[str]:
    """Return the arguments of the layer's class that are properties which can be set, and not what the files decide."""
    arguments = inspect.signature(type(layer)).parameters
    properties = {name: getattr(type(layer), name, None) for name in arguments if name not in FIXED}
    return [name for name, value in properties.items() if isinstance(value, property) and value.fset is not None]
