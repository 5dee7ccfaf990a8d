"""The histogram of a numeric tag. Drag over a range, or use the keys, to filter by it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from qtpy.QtCore import QPointF, QRectF, QSize, Qt, Signal
from qtpy.QtGui import QColor, QPainter, QPen
from qtpy.QtWidgets import QSizePolicy, QWidget

from napari_dicommeta._napari.words import number_words, range_text
from napari_dicommeta.catalog.moments import moment_words, spoken
from napari_dicommeta.support.words import counted

if TYPE_CHECKING:
    from qtpy.QtGui import QKeyEvent, QMouseEvent, QPaintEvent

    from napari_dicommeta._napari.widgets.colors import Colors
    from napari_dicommeta.analysis.bins import Bins

__all__ = ["RangeBins"]

MARGIN = 4


class RangeBins(QWidget):
    """Bars side by side: all files muted, and the part highlighted over them.

    `range_chosen` carries the range of the selected bins as `Catalog.where` takes it. `range_cleared` follows Esc, or a
    click on the selected bin.
    """

    range_chosen = Signal(object)
    range_cleared = Signal()

    def __init__(self, noun: str = "file", parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("dicommeta-bins")
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setMinimumHeight(70)
        self.setMouseTracking(True)
        self._noun = noun
        self._chooses = noun == "file"
        """Other histograms have no selection."""
        if self._chooses:
            self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
            self.setToolTip(
                "Drag to filter to a range. Esc clears it.\nKeys: arrows move, Shift+arrows extend, Enter filters."
            )
        self.bins: Bins | None = None
        self.span: tuple[int, int] | None = None
        """The first and the last selected bin."""
        self.chosen: tuple[float, float] | None = None
        """The range of the filter, whether it fits these bins or not."""
        self._colors: Colors | None = None
        self._anchor: int | None = None
        self._was_chosen = False
        self._hovered: int | None = None

    def sizeHint(self) -> QSize:
        """Return the preferred size."""
        return QSize(200, 160)

    def set_colors(self, colors: Colors) -> None:
        """Take the theme's colors."""
        self._colors = colors
        self.update()

    def set_bins(self, bins: Bins | None, chosen: tuple[float, float] | None = None) -> None:
        """Show bins without a signal, and mark the range `chosen`."""
        self.bins, self._anchor, self._hovered = bins, None, None
        self.span, self.chosen = None, chosen
        if bins is not None and chosen is not None:
            inner = np.asarray(bins.edges[1:-1])
            first, last = np.searchsorted(inner, chosen, side="right").tolist()
            if bins.ends(first, last) == chosen:  # else it was selected in other bins
                self.span = (first, last)
        self.update()

    def bin_at(self, x: float) -> int:
        """Return the bin at `x`, in pixels from the left."""
        assert self.bins is not None
        area, n = self._area(), len(self.bins.files)
        return min(max(int((x - area.left()) / area.width() * n), 0), n - 1)

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Start a selection."""
        if self._chooses and self.bins is not None and event.button() == Qt.MouseButton.LeftButton:
            self._anchor = self.bin_at(event.position().x())
            self._was_chosen = self.span == (self._anchor, self._anchor)
            self.span = (self._anchor, self._anchor)
            self.update()

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Extend the selection; without a button, show the bin under the mouse."""
        if self.bins is None:
            return
        at = self.bin_at(event.position().x())
        if self._anchor is not None and event.buttons() & Qt.MouseButton.LeftButton:
            self.span = (min(self._anchor, at), max(self._anchor, at))
        self._hovered = at
        self.update()

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        """Filter by the range; a click on the only selected bin clears it."""
        if self.bins is None or self._anchor is None or event.button() != Qt.MouseButton.LeftButton:
            return
        self._anchor = None
        self._emit(clear=self._was_chosen and self.span is not None and self.span[0] == self.span[1])

    def leaveEvent(self, _event: object) -> None:
        """Forget the bin under the mouse."""
        self._hovered = None
        self.update()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Move with Left and Right, extend with Shift, filter with Enter, clear with Esc."""
        key = event.key()
        if self.bins is None or key not in (
            Qt.Key.Key_Left,
            Qt.Key.Key_Right,
            Qt.Key.Key_Return,
            Qt.Key.Key_Enter,
            Qt.Key.Key_Space,
            Qt.Key.Key_Escape,
        ):
            super().keyPressEvent(event)
            return
        n = len(self.bins.files)
        if key in (Qt.Key.Key_Left, Qt.Key.Key_Right):
            step = 1 if key == Qt.Key.Key_Right else -1
            if self.span is None:
                self.span = (0, 0) if step > 0 else (n - 1, n - 1)
            elif event.modifiers() & Qt.KeyboardModifier.ShiftModifier:
                first, last = self.span
                self.span = (first, min(last + 1, n - 1)) if step > 0 else (max(first - 1, 0), last)
            else:
                at = min(max((self.span[1] if step > 0 else self.span[0]) + step, 0), n - 1)
                self.span = (at, at)
            self.update()
        else:
            self._emit(clear=key == Qt.Key.Key_Escape)

    def _emit(self, clear: bool) -> None:
        if clear:
            self.span = None
            self.update()
            self.range_cleared.emit()
        elif self.span is not None and self.bins is not None:
            self.range_chosen.emit(self.bins.condition(*self.span))

    def paintEvent(self, _event: QPaintEvent) -> None:
        """Paint the bars, the selection, the ends of the axis and the text."""
        if self._colors is None:
            return
        painter, colors, metrics = QPainter(self), self._colors, self.fontMetrics()
        painter.fillRect(self.rect(), colors.foreground)
        if self.bins is None:
            painter.setPen(colors.faint)
            painter.drawText(
                self.rect(),
                Qt.AlignmentFlag.AlignCenter | Qt.TextFlag.TextWordWrap,
                "Fewer than two distinct numbers, dates or ages: no histogram",
            )
            painter.end()
            return
        bins, area, n = self.bins, self._area(), len(self.bins.files)
        width, most = area.width() / n, max(max(bins.files), max(bins.part), 1)
        for i, (files, part) in enumerate(zip(bins.files, bins.part, strict=True)):
            left = area.left() + i * width
            is_open = not (math.isfinite(bins.edges[i]) and math.isfinite(bins.edges[i + 1]))
            for count, color, inset in ((files, colors.muted, 0.5), (part, colors.accent, width / 4)):
                if count:
                    height = max(area.height() * count / most, 1.5)
                    bar = QRectF(left + inset, area.bottom() - height, max(width - 2 * inset, 1), height)
                    painter.fillRect(bar, QColor(colors.faint) if is_open and color == colors.muted else color)
        self._paint_brush(painter, colors, area, width)
        painter.setPen(colors.faint)
        base = self.height() - metrics.descent() - 1
        low, high = _end_words(bins)
        painter.drawText(QPointF(area.left(), base), low)
        painter.drawText(QPointF(area.right() - metrics.horizontalAdvance(high), base), high)
        painter.setPen(colors.text)
        painter.drawText(QPointF(area.left(), metrics.ascent() + 1), self._words())
        painter.end()

    def _paint_brush(self, painter: QPainter, colors: Colors, area: QRectF, width: float) -> None:
        if self.span is not None:
            left, right = float(self.span[0]), float(self.span[1] + 1)
        elif self.chosen is not None:
            left, right = (self._place_of(end) for end in self.chosen)
        else:
            return
        brush = QColor(colors.accent)
        brush.setAlpha(45)
        rect = QRectF(area.left() + left * width, area.top(), max((right - left) * width, 1), area.height())
        painter.fillRect(rect, brush)
        painter.setPen(QPen(colors.accent, 1))
        painter.drawRect(rect)

    def _words(self) -> str:
        """Describe the selected bins, or the bin under the mouse, and its files."""
        assert self.bins is not None
        at = (self._hovered, self._hovered) if self._hovered is not None and self._anchor is None else self.span
        if at is None and self.chosen is not None:
            return f"{_chosen_words(self.bins, self.chosen)} selected"
        if at is None:
            return "Drag to select a range" if self._chooses else ""
        files, part = sum(self.bins.files[at[0] : at[1] + 1]), sum(self.bins.part[at[0] : at[1] + 1])
        # Each component counts in its own bin: a file may be in two of the selected bins.
        limit = "up to " if at[0] != at[1] and 0 < self.bins.binned < sum(self.bins.files) else ""
        of_part = f", {limit}{part:,} highlighted" if part else ""
        files = min(files, self.bins.binned or files)
        return f"{range_text(self.bins.vr, self.bins.condition(*at))}: {limit}{counted(files, self._noun)}{of_part}"

    def _place_of(self, value: float) -> float:
        """Return the position of a number, in bins from the left."""
        assert self.bins is not None
        edges = np.asarray(self.bins.edges)
        i = int(np.clip(np.searchsorted(edges, value, side="right") - 1, 0, len(edges) - 2))
        width = edges[i + 1] - edges[i]
        return i + (float(np.clip((value - edges[i]) / width, 0, 1)) if np.isfinite(width) else 0.5)

    def _area(self) -> QRectF:
        line = self.fontMetrics().height() + 2
        return QRectF(MARGIN, line, max(self.width() - 2 * MARGIN, 1), max(self.height() - 2 * line, 1))


def _end_words(bins: Bins) -> tuple[str, str]:
    """Return what stands at the left and at the right end of the axis."""
    n = len(bins.files)
    if bins.unit:
        first, last = bins.condition(0, 0), bins.condition(n - 1, n - 1)
        low = spoken(bins.vr, first.start) if first.start else range_text(bins.vr, first)
        return low, spoken(bins.vr, last.stop) if last.stop else range_text(bins.vr, last)
    words = moment_words if bins.vr else lambda _vr, value: number_words(value)
    first_edge, second, last_but_one, last_edge = (bins.edges[i] for i in (0, 1, -2, -1))
    low = words(bins.vr, first_edge) if math.isfinite(first_edge) else f"< {words(bins.vr, second)}"
    high = words(bins.vr, last_edge) if math.isfinite(last_edge) else f"≥ {words(bins.vr, last_but_one)}"
    return low, high


def _chosen_words(bins: Bins, chosen: tuple[float, float]) -> str:
    """Describe a range that was chosen in other bins."""
    if not bins.unit:
        return range_text(bins.vr, slice(*chosen))
    return " … ".join(moment_words(bins.vr, end) if math.isfinite(end) else "" for end in chosen).strip()
