"""The curve of a tag along the slices of the active volume, with the shown slice marked."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from qtpy.QtCore import QPointF, QRectF, QSize, Qt, Signal
from qtpy.QtGui import QPainter, QPen, QPolygonF
from qtpy.QtWidgets import QSizePolicy, QWidget

from napari_dicommeta.catalog.moments import DAY_SECONDS, MOMENT_VRS, moment_words

if TYPE_CHECKING:
    from qtpy.QtGui import QMouseEvent, QPaintEvent

    from napari_dicommeta._napari.widgets.colors import Colors

__all__ = ["SliceCurve"]

HEIGHT, MARGIN = 70, 4


class SliceCurve(QWidget):
    """One line per component of the tag. `slice_chosen` carries the number of the clicked slice."""

    slice_chosen = Signal(int)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("dicommeta-curve")
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setToolTip("This tag along the slices of the active volume. Click or drag to go to a slice.")
        self.values: np.ndarray | None = None
        self.current = 0
        self._colors: Colors | None = None
        self.set_curve(None)

    def sizeHint(self) -> QSize:
        """Return the preferred size."""
        return QSize(100, HEIGHT)

    def set_colors(self, colors: Colors) -> None:
        """Take the theme's colors."""
        self._colors = colors
        self.update()

    def set_curve(self, values: np.ndarray | None, vr: str = "") -> None:
        """Show values of shape (components, slices); None hides the curve. `vr` is that of the tag."""
        self.values, self._vr = values, vr if vr in MOMENT_VRS else ""
        self.setVisible(values is not None)
        self.update()

    def set_current(self, number: int) -> None:
        """Mark the slice with this number."""
        self.current = number
        self.update()

    def slice_at(self, x: float) -> int:
        """Return the number of the slice at `x`, in pixels from the left."""
        assert self.values is not None
        n = self.values.shape[1]
        area = self._area()
        return min(max(round((x - area.left()) / max(area.width(), 1) * (n - 1)), 0), n - 1)

    def paintEvent(self, _event: QPaintEvent) -> None:
        """Paint the smallest and largest value, the lines, the mark and its value."""
        if self.values is None or self._colors is None:
            return
        painter, colors = QPainter(self), self._colors
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        metrics, area = self.fontMetrics(), self._area()
        painter.fillRect(self.rect(), colors.foreground)
        low, high = float(np.nanmin(self.values)), float(np.nanmax(self.values))
        painter.setPen(colors.faint)
        painter.drawText(QPointF(MARGIN, metrics.ascent() + 1), self._end_words(high))
        painter.drawText(QPointF(MARGIN, self.height() - metrics.descent() - 1), self._end_words(low))
        n = self.values.shape[1]
        xs = area.left() + np.arange(n) / max(n - 1, 1) * area.width()
        for line in self.values:
            ys = area.bottom() - (line - low) / (high - low) * area.height()
            painter.setPen(QPen(colors.accent, 1.5))
            for part in _unbroken(ys):
                points = [QPointF(float(xs[k]), float(ys[k])) for k in part]
                if len(points) == 1:
                    painter.drawPoint(points[0])
                else:
                    painter.drawPolyline(QPolygonF(points))
        if 0 <= self.current < n:
            x = float(xs[self.current])
            painter.setPen(QPen(colors.text, 1))
            painter.drawLine(QPointF(x, area.top()), QPointF(x, area.bottom()))
            here = [self._words(value) for value in self.values[:, self.current] if np.isfinite(value)]
            text = f"slice {self.current + 1}: " + (" \\ ".join(here) or "no value")
            width = metrics.horizontalAdvance(text)
            left = min(max(x + 4, area.left()), self.width() - width - MARGIN)
            painter.drawText(QPointF(left, metrics.ascent() + 1), text)
        painter.end()

    def _end_words(self, value: float) -> str:
        """Return what stands at an end of the axis: of a date and time, its time."""
        return moment_words("TM", value % DAY_SECONDS) if self._vr == "DT" else self._words(value)

    def _words(self, value: float) -> str:
        return moment_words(self._vr, value) if self._vr else f"{value:g}"

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Go to the slice under the mouse."""
        self.mouseMoveEvent(event)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Go to the slice under the mouse while a button is down."""
        if self.values is not None and event.buttons() & Qt.MouseButton.LeftButton:
            self.slice_chosen.emit(self.slice_at(event.position().x()))

    def _area(self) -> QRectF:
        """Return the area of the lines, right of the numbers and below the text."""
        metrics = self.fontMetrics()
        ends = () if self.values is None else (float(np.nanmin(self.values)), float(np.nanmax(self.values)))
        numbers = tuple(map(self._end_words, ends)) or ("-00000",)
        left = max(map(metrics.horizontalAdvance, numbers)) + 3 * MARGIN
        top = metrics.height() + 2
        return QRectF(left, top, max(self.width() - left - 2 * MARGIN, 1), max(self.height() - top - 2 * MARGIN, 1))


def _unbroken(ys: np.ndarray) -> list[np.ndarray]:
    """Split the indices into runs without NaN."""
    finite = np.flatnonzero(np.isfinite(ys))
    return np.split(finite, np.flatnonzero(np.diff(finite) > 1) + 1) if len(finite) else []
