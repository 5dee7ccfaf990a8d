"""The colours of the viewer's theme that painted widgets need."""

from __future__ import annotations

from dataclasses import dataclass

from napari.utils.theme import get_theme
from qtpy.QtGui import QColor

__all__ = ["Colours", "colours_of"]


@dataclass(frozen=True, slots=True)
class Colours:
    """Qt colours by role: `muted` for the folder's bars, `accent` for the active series, `warning` for flags, `error`
    for what is wrong, `current` for what is chosen.
    """

    foreground: QColor
    muted: QColor
    accent: QColor
    text: QColor
    faint: QColor
    warning: QColor
    current: QColor
    error: QColor


def colours_of(theme_name: str) -> Colours:
    """The colours of a napari theme."""
    theme = get_theme(theme_name)

    def colour(name: str) -> QColor:
        return QColor(getattr(theme, name).as_hex())

    text = colour("text")
    faint = QColor(text)
    faint.setAlpha(150)
    dark = colour("background").lightness() < 128
    muted = QColor("#6d7888") if dark else QColor("#aab2bd")
    accent = QColor("#4fb0ff") if dark else QColor("#0b6bcb")
    return Colours(
        colour("foreground"), muted, accent, text, faint, colour("warning"), colour("current"), colour("error")
    )
