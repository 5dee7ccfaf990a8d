"""What several faces are made of: lines that end in an ellipsis, texts of several lines, tooltips, what scrolls."""

from __future__ import annotations

import html

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QFrame, QScrollArea, QSizePolicy, QWidget
from superqt import QElidingLabel

from napari_dicommeta.support.words import display

__all__ = ["WHAT_TO_DO", "line", "paragraph", "scrolling", "tip"]

WHAT_TO_DO = "Drop a folder or files of DICOM here, or use Open…"

PADDING = 8
"""Pixels that napari's style leaves around a text, which the label does not know of."""


def line(text: str = "", vertical: QSizePolicy.Policy = QSizePolicy.Policy.Preferred) -> QElidingLabel:
    """A plain text in one line, as wide as there is room."""
    label = QElidingLabel(text)
    label.setEllipsesWidth(PADDING)
    label.setTextFormat(Qt.TextFormat.PlainText)
    label.setSizePolicy(QSizePolicy.Policy.Ignored, vertical)
    return label


def paragraph(text: str, limit: int = 600) -> str:
    """`text` for a label of several lines: its newlines stay, other controls are escaped."""
    return display(text, limit).replace("\\n", "\n")


def scrolling(widget: QWidget) -> QScrollArea:
    """`widget` in an area that scrolls it up and down where there is no room; it takes no keyboard itself."""
    area = QScrollArea()
    area.setWidget(widget)
    area.setWidgetResizable(True)
    area.setFrameShape(QFrame.Shape.NoFrame)
    area.setFocusPolicy(Qt.FocusPolicy.NoFocus)
    area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
    return area


def tip(text: str) -> str:
    """A tooltip that says `text`, whatever is in it: Qt takes what looks like HTML for HTML, and the rest as it is."""
    return text if not {"<", "&"} & {*text} else f"<qt>{html.escape(text, quote=False).replace(chr(10), '<br>')}</qt>"
