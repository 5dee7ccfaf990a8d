"""The sign of a series without a picture, painted in its place: outlines, a page, a curve, or its modality."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QPointF, QRectF, Qt
from qtpy.QtGui import QPainter, QPainterPath, QPen

from napari_dicommeta.support.words import display

if TYPE_CHECKING:
    from collections.abc import Callable

    from qtpy.QtCore import QRect
    from qtpy.QtGui import QColor

__all__ = ["paint_sign"]

MAX_LETTERS = 4
"""Letters of a modality that fit into the place of a picture."""


def paint_sign(painter: QPainter, square: QRect, modality: str, color: QColor) -> None:
    """Paint the sign of a kind of object into `square`: its modality in letters where there is no other."""
    painter.save()
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.setPen(QPen(color, 1.5))
    painter.setBrush(Qt.BrushStyle.NoBrush)
    paint = _SIGNS.get(modality)
    if paint is not None:
        inset = square.width() / 5
        painter.drawPath(paint(QRectF(square).adjusted(inset, inset, -inset, -inset)))
    elif modality:
        font = painter.font()
        font.setPixelSize(round(square.width() / 3))
        painter.setFont(font)
        painter.drawText(square, Qt.AlignmentFlag.AlignCenter, display(modality[:MAX_LETTERS]))
    painter.restore()


def _outlines(place: QRectF) -> QPainterPath:
    """Return two closed outlines, one inside the other."""
    path = QPainterPath()
    path.addEllipse(place)
    third = place.width() / 3
    path.addEllipse(place.adjusted(third, third / 2, -third / 3, -third))
    return path


def _page(place: QRectF) -> QPainterPath:
    """Return a page with lines."""
    path, page = QPainterPath(), place.adjusted(place.width() / 8, 0, -place.width() / 8, 0)
    path.addRect(page)
    for n, share in enumerate((0.75, 0.75, 0.45)):
        y = page.top() + page.height() * (n + 1) / 4
        path.moveTo(page.left() + page.width() / 8, y)
        path.lineTo(page.left() + page.width() * (0.125 + share), y)
    return path


def _target(place: QRectF) -> QPainterPath:
    """Return a circle with a cross: where beams meet."""
    path, center = QPainterPath(), place.center()
    inset = place.width() / 5
    path.addEllipse(place.adjusted(inset, inset, -inset, -inset))
    path.moveTo(QPointF(place.left(), center.y()))
    path.lineTo(QPointF(place.right(), center.y()))
    path.moveTo(QPointF(center.x(), place.top()))
    path.lineTo(QPointF(center.x(), place.bottom()))
    return path


def _wave(place: QRectF) -> QPainterPath:
    """Return a curve over time."""
    path, middle = QPainterPath(), place.center().y()
    shares = ((0, 0), (0.3, 0), (0.42, -1), (0.56, 0.8), (0.66, 0), (1, 0))
    points = [QPointF(place.left() + x * place.width(), middle + y * place.height() / 2) for x, y in shares]
    path.moveTo(points[0])
    for point in points[1:]:
        path.lineTo(point)
    return path


_SIGNS: dict[str, Callable[[QRectF], QPainterPath]] = {
    "RTSTRUCT": _outlines,
    "RTPLAN": _target,
    "RTRECORD": _target,
    "SR": _page,
    "DOC": _page,
    "ECG": _wave,
    "EPS": _wave,
    "HD": _wave,
    "RESP": _wave,
    "AU": _wave,
}
