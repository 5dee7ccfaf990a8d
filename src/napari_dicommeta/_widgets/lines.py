"""Texts of files in the window: a line that ends in an ellipsis where there is no room for it, and tooltips."""

from __future__ import annotations

import html

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QSizePolicy
from superqt import QElidingLabel

__all__ = ["line", "tip"]

PADDING = 8
"""Pixels that napari's style leaves around a text, which the label does not know of."""


def line(text: str = "", vertical: QSizePolicy.Policy = QSizePolicy.Policy.Preferred) -> QElidingLabel:
    """A plain text in one line, as wide as there is room."""
    label = QElidingLabel(text)
    label.setEllipsesWidth(PADDING)
    label.setTextFormat(Qt.TextFormat.PlainText)
    label.setSizePolicy(QSizePolicy.Policy.Ignored, vertical)
    return label


def tip(text: str) -> str:
    """A tooltip that says `text`, whatever is in it: Qt takes what looks like HTML for HTML, and the rest as it is."""
    return text if not {"<", "&"} & {*text} else f"<qt>{html.escape(text, quote=False).replace(chr(10), '<br>')}</qt>"
