"""Texts laid over the canvas while slices play. napari's own texts take half as long as a slice to draw."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QPoint, QRectF, QSize, Qt
from qtpy.QtGui import QColor, QFont, QFontMetricsF, QPainter
from qtpy.QtWidgets import QMainWindow, QWidget

if TYPE_CHECKING:
    from collections.abc import Mapping

    from qtpy.QtGui import QPaintEvent

__all__ = ["CanvasLabels"]

FONT_PIXELS = 10 * (96 / 72) ** 2
"""Height of napari's texts: of 10 points, which it takes for 1/54 inch on a screen of 96 dots an inch."""


@dataclass(frozen=True, slots=True)
class _Look:
    """How a text is painted: its colors, and `margin` pixels of ground around it, if it has one."""

    ink: QColor
    ground: QColor | None = None
    margin: float = 0.0


class _Label(QWidget):
    """A text over the canvas that leaves mouse and drops to it. `QLabel` would have the ground of napari's style."""

    def __init__(self, canvas: QWidget) -> None:
        super().__init__(canvas)
        self.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        self.setAttribute(Qt.WidgetAttribute.WA_NoSystemBackground)
        font = QFont(canvas.font().family())
        font.setPointSizeF(FONT_PIXELS * 72 / max(canvas.logicalDpiY(), 1))
        self.setFont(font)
        self.text, self.look = "", _Look(QColor("white"))

    def extent(self) -> QSize:
        """Return the size of the text with its margin."""
        metrics = QFontMetricsF(self.font())
        size = metrics.boundingRect(QRectF(0, 0, 2000, 2000), Qt.AlignmentFlag.AlignLeft, self.text).size()
        margin = 2 * self.look.margin
        return QSize(int(size.width() + margin) + 1, int(size.height() + margin) + 1)

    def paintEvent(self, _event: QPaintEvent) -> None:
        """Paint the text on its ground."""
        painter = QPainter(self)
        if self.look.ground is not None:
            painter.fillRect(self.rect(), self.look.ground)
        painter.setPen(self.look.ink)
        margin = self.look.margin
        inside = QRectF(self.rect()).adjusted(margin, margin, -margin, -margin)
        painter.drawText(inside, Qt.AlignmentFlag.AlignLeft, self.text)
        painter.end()


class CanvasLabels:
    """Labels over the canvas of the window that `anchor` is in, at the places where napari puts its texts."""

    def __init__(self, anchor: QWidget) -> None:
        self._anchor = anchor
        self._canvas: QWidget | None = None
        self.labels: dict[str, _Label] = {}
        self._padding = (0.0, 0.0)

    def begin(self, viewer_canvas: Any, grounds: Mapping[str, bool]) -> bool:
        """Get ready to show texts; return whether there is a canvas to show them on.

        `viewer_canvas` is the viewer's, with its color and the padding of its texts. `grounds` says of each position,
        such as "bottom_left", whether the text there has a ground.
        """
        canvas = self._find_canvas()
        if canvas is None:
            return False
        self._padding = tuple(viewer_canvas.overlay_tiling.padding)
        color = [float(part) for part in viewer_canvas.background_color]
        ink = QColor.fromRgbF(*(min(max(0.5 + (0.5 - part) * 1.2, 0), 1) for part in color[:3]))
        ground = QColor.fromRgbF(*color[:3], 0.8)
        for position, has_ground in grounds.items():
            if position not in self.labels:
                self.labels[position] = _Label(canvas)
            margin = 0.4 * min(self._padding)
            self.labels[position].look = _Look(ink, ground, margin) if has_ground else _Look(ink)
        return True

    def set_text(self, position: str, text: str) -> None:
        """Show `text` at a position; nothing is painted where it is the text that is there."""
        label = self.labels.get(position)
        if label is None:  # the window is being closed
            return
        if text and (text != label.text or label.isHidden()):
            label.text = text
            self._place(label, position)
            label.update()
        label.setVisible(bool(text))

    def text_of(self, position: str) -> str:
        """Return the text that is shown at a position, "" if none is."""
        label = self.labels.get(position)
        return label.text if label is not None and not label.isHidden() else ""

    def end(self) -> None:
        """Hide all texts."""
        for label in self.labels.values():
            label.hide()

    def release(self) -> None:
        """Take the labels off the canvas."""
        for label in self.labels.values():
            label.deleteLater()
        self._forget()

    def _place(self, label: _Label, position: str) -> None:
        size, margin = label.extent(), label.look.margin
        label.resize(size)
        assert self._canvas is not None
        room = self._canvas.size() - size
        (left, top), vertical, horizontal = self._padding, *position.split("_")
        places = {"left": left - margin, "right": room.width() - left + margin, "center": room.width() / 2}
        heights = {"top": top - margin, "bottom": room.height() - top + margin, "middle": room.height() / 2}
        label.move(QPoint(round(places[horizontal]), round(heights[vertical])))

    def _find_canvas(self) -> QWidget | None:
        """Return napari's canvas: the first OpenGL widget in the middle of the window."""
        window = self._anchor.window()
        while window is not None and not isinstance(window, QMainWindow):
            window = window.parentWidget()
        middle = window.centralWidget() if window is not None else None
        found = middle.findChildren(QWidget) if middle is not None else ()
        canvas = next((widget for widget in found if widget.inherits("QOpenGLWidget")), None)
        if canvas is not self._canvas:
            self.release()
            self._canvas = canvas
            if canvas is not None:
                canvas.destroyed.connect(self._forget)
        return canvas

    def _forget(self) -> None:
        self.labels, self._canvas = {}, None
