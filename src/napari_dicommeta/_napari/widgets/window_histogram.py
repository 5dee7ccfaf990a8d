"""The histogram of the slice shown, with the limits of the window as edges to drag."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from qtpy.QtCore import QLineF, QPointF, QRectF, QSize, Qt, Signal
from qtpy.QtGui import QPainter, QPen
from qtpy.QtWidgets import QSizePolicy, QWidget

if TYPE_CHECKING:
    from qtpy.QtGui import QMouseEvent, QPaintEvent

    from napari_dicommeta._napari.widgets.colors import Colors

__all__ = ["WindowHistogram"]

HEIGHT, MARGIN, GRIP = 40, 6, 7
"""Pixels: height, room beside the ends for half a grip, and how near to an edge the mouse takes it."""
NARROWEST = 1e-3
"""The part of the range to which the edges can come together."""


class WindowHistogram(QWidget):
    """Bars of the values of a slice. `limits_dragged` carries the lower and the upper limit while one is dragged.

    Between the edges, a drag moves both.
    """

    limits_dragged = Signal(float, float)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("dicommeta-window-histogram")
        self.setAccessibleName("Histogram of the slice, with the limits of the window")
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setToolTip("Values of this slice. Drag an edge of the window, or between the edges to move it.")
        self.setMouseTracking(True)
        self.counts = np.zeros(0)
        self.range = (0.0, 1.0)
        self.limits = (0.0, 1.0)
        self._colors: Colors | None = None
        self._held: tuple[str, float, tuple[float, float]] | None = None
        """What is dragged ("low", "high" or "both"), the value under the mouse then, and the limits then."""

    def sizeHint(self) -> QSize:
        """Return the preferred size."""
        return QSize(120, HEIGHT)

    def minimumSizeHint(self) -> QSize:
        """Return the smallest size in which edges can be dragged."""
        return QSize(80, HEIGHT)

    def set_colors(self, colors: Colors) -> None:
        """Take the theme's colors."""
        self._colors = colors
        self.update()

    def set_counts(self, counts: np.ndarray, value_range: tuple[float, float]) -> None:
        """Show counts of equal bins over `value_range`, shape (bins,). The range stays while an edge is dragged."""
        if self._held is None:
            self.counts, self.range = counts, value_range
            self.update()

    def set_limits(self, limits: tuple[float, float]) -> None:
        """Show the lower and the upper limit of the window, without a signal."""
        self.limits = limits
        self.update()

    @property
    def is_dragged(self) -> bool:
        """Whether an edge is being dragged."""
        return self._held is not None

    def value_at(self, x: float) -> float:
        """Return the value at `x`, in pixels from the left."""
        low, high = self.range
        return low + (x - MARGIN) / max(self.width() - 2 * MARGIN, 1) * (high - low)

    def x_of(self, value: float) -> float:
        """Return the place of a value, in pixels from the left, within the bars."""
        low, high = self.range
        part = (value - low) / (high - low) if high > low else 0.0
        return MARGIN + min(max(part, 0.0), 1.0) * max(self.width() - 2 * MARGIN, 1)

    def paintEvent(self, _event: QPaintEvent) -> None:
        """Paint bars, brighter within the limits, and the edges with their grips."""
        if self._colors is None or not self.isEnabled():
            return
        painter, colors = QPainter(self), self._colors
        painter.fillRect(self.rect(), colors.foreground)
        left, right = self.x_of(self.limits[0]), self.x_of(self.limits[1])
        painter.fillRect(QRectF(left, 0, right - left, self.height()), colors.current)
        n = len(self.counts)
        if n:
            heights = np.sqrt(self.counts)  # small parts of the values stay visible beside air
            common = heights[heights > 0]
            most = float(np.quantile(common, 0.98)) if len(common) else 1.0
            heights = np.minimum(heights / most, 1) * (self.height() - 3)
            bin_width = (self.width() - 2 * MARGIN) / n
            for i in np.flatnonzero(heights):
                x, height = MARGIN + float(i) * bin_width, max(float(heights[i]), 1.0)
                is_inside = left <= x + bin_width / 2 <= right
                bar = QRectF(x, self.height() - height, max(bin_width, 1.0), height)
                painter.fillRect(bar, colors.accent if is_inside else colors.muted)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(QPen(colors.text, 1.5))
        painter.setBrush(colors.text)
        for x in (left, right):
            painter.drawLine(QLineF(x, 0, x, self.height()))
            painter.drawEllipse(QPointF(x, self.height() / 2), 3, 3)
        painter.end()

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Take the edge under the mouse, both between them, the nearer one beside them."""
        if event.button() == Qt.MouseButton.LeftButton and self.isEnabled():
            x = event.position().x()
            self._held = (self._edge_at(x), self.value_at(x), self.limits)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Drag what was taken."""
        x = event.position().x()
        if self._held is None:
            is_edge = self._edge_at(x) != "both"
            self.setCursor(Qt.CursorShape.SizeHorCursor if is_edge else Qt.CursorShape.OpenHandCursor)
            return
        edge, start, (low, high) = self._held
        moved = self.value_at(x) - start
        least = NARROWEST * (self.range[1] - self.range[0])
        if edge != "high":
            low += moved
        if edge != "low":
            high += moved
        if edge == "low":
            low = min(low, high - least)
        elif edge == "high":
            high = max(high, low + least)
        self.limits_dragged.emit(low, high)

    def mouseReleaseEvent(self, _event: QMouseEvent) -> None:
        """Let go."""
        self._held = None

    def _edge_at(self, x: float) -> str:
        left, right = self.x_of(self.limits[0]), self.x_of(self.limits[1])
        if left + GRIP < x < right - GRIP:
            return "both"
        return "low" if abs(x - left) < abs(x - right) or (x < left and left == right) else "high"
