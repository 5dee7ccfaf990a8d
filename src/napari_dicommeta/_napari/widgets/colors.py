"""Colors of the viewer's theme for painted widgets, with enough contrast to be read."""

from __future__ import annotations

from dataclasses import dataclass

from napari.utils.theme import get_theme
from qtpy.QtGui import QColor

__all__ = ["Colors", "contrast", "heat", "readable_on", "theme_colors"]

TEXT, GRAPHIC = 4.5, 3.0
"""Minimum contrast by WCAG 2: of text, and of graphics that carry information."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Colors:
    """Qt colors by role.

    `muted` is for the folder's bars, `accent` for the active series, `warning` for flags, `error` for errors,
    `current` for napari's own selection, `selection` for the background of selected rows, and `foreground` for that of
    lists. `faint` is for what is said beside the point: it can be read, and is far from `text`.
    """

    foreground: QColor
    muted: QColor
    accent: QColor
    text: QColor
    faint: QColor
    warning: QColor
    current: QColor
    error: QColor
    selection: QColor


def theme_colors(theme_name: str) -> Colors:
    """Return the colors of a napari theme, mixed with its text color where their contrast is too low."""
    theme = get_theme(theme_name)

    def color(name: str) -> QColor:
        return QColor(getattr(theme, name).as_hex())

    text, background, foreground, current = map(color, ("text", "background", "foreground", "current"))
    dark = background.lightness() < 128
    selection = _mixed(background, current, 0.4)
    backgrounds = (background, foreground, selection)

    def readable(base: QColor, minimum: float, on: tuple[QColor, ...] = backgrounds) -> QColor:
        """Return `base` with as little of the text color as the contrast needs."""
        steps = (_mixed(base, text, i / 20) for i in range(20))
        return next((step for step in steps if min(contrast(step, ground) for ground in on) >= minimum), text)

    return Colors(
        foreground=foreground,
        muted=readable(QColor("#6d7888") if dark else QColor("#aab2bd"), GRAPHIC),
        accent=readable(QColor("#4fb0ff") if dark else QColor("#0b6bcb"), TEXT),
        text=text,
        faint=readable(_mixed(background, text, 0.55), TEXT),
        warning=readable(color("warning"), TEXT),
        current=current,
        error=readable(color("error"), TEXT),
        selection=selection,
    )


def heat(colors: Colors, share: float) -> QColor:
    """Return the background of a cell of a table of counts, for its share of the largest count, 0 to 1."""
    return _mixed(colors.foreground, colors.accent, 0.1 + 0.7 * share**0.5)


def readable_on(ground: QColor) -> QColor:
    """Return black or white, whichever is easier to read on `ground`: at least 4.5 : 1."""
    black, white = QColor("black"), QColor("white")
    return white if contrast(white, ground) >= contrast(black, ground) else black


def contrast(first: QColor, second: QColor) -> float:
    """Return the contrast ratio of two colors, 1 to 21, as WCAG 2 defines it."""
    low, high = sorted((_luminance(first), _luminance(second)))
    return (high + 0.05) / (low + 0.05)


def _luminance(color: QColor) -> float:
    parts = (color.redF(), color.greenF(), color.blueF())
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _mixed(first: QColor, second: QColor, share: float) -> QColor:
    """Mix a `share` of `second` into `first`."""
    pairs = zip(
        (first.redF(), first.greenF(), first.blueF()), (second.redF(), second.greenF(), second.blueF()), strict=True
    )
    return QColor.fromRgbF(*(a + (b - a) * share for a, b in pairs))
