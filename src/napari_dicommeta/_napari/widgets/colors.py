"""The colors of the viewer's theme that painted widgets need, as far from their ground as reading needs."""

from __future__ import annotations

from dataclasses import dataclass

from napari.utils.theme import get_theme
from qtpy.QtGui import QColor

__all__ = ["Colors", "contrast", "theme_colors"]

TEXT, GRAPHIC = 4.5, 3.0
"""The contrast that WCAG 2 asks of texts, and of graphics that tell something."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Colors:
    """Qt colors by role: `muted` for the folder's bars, `accent` for the active series, `warning` for flags, `error`
    for what is wrong, `current` for what is chosen, `foreground` the ground of lists.
    """

    foreground: QColor
    muted: QColor
    accent: QColor
    text: QColor
    faint: QColor
    warning: QColor
    current: QColor
    error: QColor


def theme_colors(theme_name: str) -> Colors:
    """The colors of a napari theme, moved towards its text where they could not be read on its grounds."""
    theme = get_theme(theme_name)

    def color(name: str) -> QColor:
        return QColor(getattr(theme, name).as_hex())

    text, background, foreground, current = map(color, ("text", "background", "foreground", "current"))
    dark = background.lightness() < 128
    grounds = (background, foreground)

    def clear(found: QColor, least: float, on: tuple[QColor, ...] = grounds) -> QColor:
        """`found`, or as little of the text's color in it as is needed."""
        steps = (_mixed(found, text, i / 20) for i in range(20))
        return next((one for one in steps if min(contrast(one, ground) for ground in on) >= least), text)

    return Colors(
        foreground=foreground,
        muted=clear(QColor("#6d7888") if dark else QColor("#aab2bd"), GRAPHIC),
        accent=clear(QColor("#4fb0ff") if dark else QColor("#0b6bcb"), TEXT),
        text=text,
        faint=clear(_mixed(background, text, 0.6), TEXT, (*grounds, current)),
        warning=clear(color("warning"), TEXT),
        current=current,
        error=clear(color("error"), TEXT),
    )


def contrast(one: QColor, other: QColor) -> float:
    """How far two colors are apart, 1 to 21, as WCAG 2 counts it."""
    low, high = sorted((_luminance(one), _luminance(other)))
    return (high + 0.05) / (low + 0.05)


def _luminance(color: QColor) -> float:
    parts = (color.redF(), color.greenF(), color.blueF())
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _mixed(one: QColor, other: QColor, share: float) -> QColor:
    """`one` with a `share` of `other` in it."""
    pairs = zip((one.redF(), one.greenF(), one.blueF()), (other.redF(), other.greenF(), other.blueF()), strict=True)
    return QColor.fromRgbF(*(a + (b - a) * share for a, b in pairs))
