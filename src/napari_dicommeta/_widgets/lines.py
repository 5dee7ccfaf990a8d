"""A line of text that ends in an ellipsis where there is no room for it."""

from __future__ import annotations

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QSizePolicy
from superqt import QElidingLabel

__all__ = ["line"]

PADDING = 8
"""Pixels that napari's style leaves around a text, which the label does not know of."""


def line(text: str = "", vertical: QSizePolicy.Policy = QSizePolicy.Policy.Preferred) -> QElidingLabel:
    """A plain text in one line, as wide as there is room."""
    label = QElidingLabel(text)
    label.setEllipsesWidth(PADDING)
    label.setTextFormat(Qt.TextFormat.PlainText)
    label.setSizePolicy(QSizePolicy.Policy.Ignored, vertical)
    return label
