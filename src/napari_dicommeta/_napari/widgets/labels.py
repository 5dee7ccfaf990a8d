"""Helpers shared by widgets: elided lines, paragraphs, tooltips and scroll areas."""

from __future__ import annotations

import html

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QFrame, QScrollArea, QSizePolicy, QWidget
from superqt import QElidingLabel

from napari_dicommeta.support.words import display

__all__ = ["WHAT_TO_DO", "line", "paragraph", "scrolling", "tip"]

WHAT_TO_DO = "Drop a DICOM folder or files here, or click Open…"

LABEL_PADDING = 8
"""Pixels of padding in napari's style, which the label does not account for."""


def line(text: str = "", vertical: QSizePolicy.Policy = QSizePolicy.Policy.Preferred) -> QElidingLabel:
    """Return a label with one line of plain text, elided to the available width."""
    label = QElidingLabel(text)
    label.setEllipsesWidth(LABEL_PADDING)
    label.setTextFormat(Qt.TextFormat.PlainText)
    label.setSizePolicy(QSizePolicy.Policy.Ignored, vertical)
    return label


def paragraph(text: str, limit: int = 600) -> str:
    """Return `text` for a multi-line label. Newlines stay; other control characters are escaped."""
    return display(text, limit).replace("\\n", "\n")


def scrolling(widget: QWidget) -> QScrollArea:
    """Wrap `widget` in an area that scrolls vertically and takes no keyboard focus."""
    area = QScrollArea()
    area.setWidget(widget)
    area.setWidgetResizable(True)
    area.setFrameShape(QFrame.Shape.NoFrame)
    area.setFocusPolicy(Qt.FocusPolicy.NoFocus)
    area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
    return area


def tip(text: str) -> str:
    """Return a tooltip that shows `text` literally: Qt would render HTML in it."""
    return text if not {"<", "&"} & {*text} else f"<qt>{html.escape(text, quote=False).replace(chr(10), '<br>')}</qt>"
