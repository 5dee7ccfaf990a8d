"""The values of the chosen tag as bars: the folder muted, the active series over it."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QAbstractItemModel, QEvent, QModelIndex, QObject, QRect, QSize, Qt, Signal
from qtpy.QtWidgets import (
    QCheckBox,
    QHBoxLayout,
    QHeaderView,
    QLabel,
    QSizePolicy,
    QStyle,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QTreeView,
    QVBoxLayout,
    QWidget,
)

from napari_dicommeta.explain import explanation
from napari_dicommeta.meaning import display

if TYPE_CHECKING:
    from qtpy.QtGui import QPainter

    from napari_dicommeta._widgets.colours import Colours
    from napari_dicommeta.histogram import Bar, Histogram

__all__ = ["ValueBars"]

_CHOOSING = (Qt.Key.Key_Return, Qt.Key.Key_Enter, Qt.Key.Key_Space)


class _Model(QAbstractItemModel):
    """Bars at the top, their spellings below them."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.bars: tuple[Bar, ...] = ()

    def set_bars(self, bars: tuple[Bar, ...]) -> None:
        self.beginResetModel()
        self.bars = bars
        self.endResetModel()

    def bar(self, index: QModelIndex) -> Bar:
        parent: int = index.internalId()
        return self.bars[index.row()] if parent == 0 else self.bars[parent - 1].spellings[index.row()]

    def index(self, row: int, column: int, parent: QModelIndex | None = None) -> QModelIndex:
        if parent is None or not parent.isValid():
            return self.createIndex(row, column, 0) if row < len(self.bars) else QModelIndex()
        return self.createIndex(row, column, parent.row() + 1)

    def parent(self, index: QModelIndex | None = None) -> QModelIndex:
        if index is None or not index.isValid() or index.internalId() == 0:
            return QModelIndex()
        return self.createIndex(index.internalId() - 1, 0, 0)

    def rowCount(self, parent: QModelIndex | None = None) -> int:
        if parent is None or not parent.isValid():
            return len(self.bars)
        if parent.internalId() or parent.column():
            return 0
        spellings = self.bars[parent.row()].spellings
        return len(spellings) if len(spellings) > 1 or (spellings and spellings[0].note) else 0

    def columnCount(self, _parent: QModelIndex | None = None) -> int:
        return 1

    def data(self, index: QModelIndex, role: int = 0) -> Any:
        bar = self.bar(index)
        if role == Qt.ItemDataRole.DisplayRole:
            return bar.text
        if role == Qt.ItemDataRole.ToolTipRole:
            flag = f" · {bar.flag}" if bar.flag else ""
            counts = f"{bar.files:,} files, {bar.part:,} of the active series"
            how = "" if index.internalId() else " · click: only files with this value"
            return html.escape(display(f"{bar.text or '(empty)'} {bar.label} · {counts}{flag} {bar.note}", 400)) + how
        if role == Qt.ItemDataRole.UserRole:
            return bar
        return None


class _Delegate(QStyledItemDelegate):
    """Text on the left, bar in the middle, counts on the right."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.colours: Colours | None = None
        self.most = 1
        self.has_part = False
        self.chosen: frozenset[str] = frozenset()

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: QModelIndex) -> None:
        bar, colours = index.data(Qt.ItemDataRole.UserRole), self.colours
        if bar is None or colours is None:
            return
        painter.save()
        if option.state & QStyle.StateFlag.State_Selected:
            painter.fillRect(option.rect, colours.foreground)
        if bar.text in self.chosen and index.internalId() == 0:
            painter.fillRect(QRect(option.rect.x(), option.rect.y(), 3, option.rect.height()), colours.accent)
        metrics = option.fontMetrics
        rect = option.rect.adjusted(6, 1, -4, -1)
        counts = f"{bar.files:,}" + (f"  {bar.part:,}" if self.has_part else "")
        count_width = metrics.horizontalAdvance("000,000" + ("  000,000" if self.has_part else "")) + 4
        text_width = max(60, round((rect.width() - count_width) * 0.45))
        text = display(bar.label or bar.text) or "(empty)"
        if bar.note:
            text = f"{text}   {bar.note}"
            text_width = rect.width() - count_width - 40
        painter.setPen(colours.warning if bar.flag else colours.text if bar.text and not bar.note else colours.faint)
        elided = metrics.elidedText(text, Qt.TextElideMode.ElideRight, text_width - 6)
        painter.drawText(QRect(rect.x(), rect.y(), text_width, rect.height()), Qt.AlignmentFlag.AlignVCenter, elided)
        left, width = rect.x() + text_width, rect.width() - text_width - count_width
        if width > 0:
            height = max(4, rect.height() - 6)
            top = rect.y() + (rect.height() - height) // 2
            painter.fillRect(QRect(left, top, max(1, round(width * bar.files / self.most)), height), colours.muted)
            if bar.part:
                inner = max(2, height // 2)
                painter.fillRect(
                    QRect(left, top + (height - inner) // 2, max(1, round(width * bar.part / self.most)), inner),
                    colours.accent,
                )
        painter.setPen(colours.text)
        numbers = QRect(rect.right() - count_width, rect.y(), count_width, rect.height())
        if self.has_part:
            painter.setPen(colours.accent if bar.part else colours.faint)
            painter.drawText(numbers, Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignRight, f"{bar.part:,}")
            numbers.setRight(numbers.right() - metrics.horizontalAdvance("  000,000"))
            counts = f"{bar.files:,}"
            painter.setPen(colours.text)
        painter.drawText(numbers, Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignRight, counts)
        painter.restore()

    def sizeHint(self, option: QStyleOptionViewItem, _index: QModelIndex) -> QSize:
        return QSize(50, option.fontMetrics.height() + 6)


class ValueBars(QWidget):
    """A heading that explains the tag, its bars, and a line for what is no bar.

    `spelling_toggled` carries the wish to count by spelling (True) or by meaning; `value_activated` the text of a value
    that was clicked, or chosen with Enter, to filter by it.
    """

    spelling_toggled = Signal(bool)
    value_activated = Signal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("dicommeta-values")
        self.heading, self.legend, self.rest = (self._label() for _ in range(3))
        self.explanation = QLabel("")
        self.explanation.setTextFormat(Qt.TextFormat.PlainText)
        self.explanation.setWordWrap(True)
        font = self.heading.font()
        font.setBold(True)
        self.heading.setFont(font)
        self.by_spelling = QCheckBox("by spelling")
        self.by_spelling.setToolTip("Count '1', '1.0' and '1.000000' apart, as the files write them")
        self.by_spelling.toggled.connect(self.spelling_toggled)
        self.view = QTreeView()
        self.view.setHeaderHidden(True)
        self.view.setUniformRowHeights(True)
        self.view.setIndentation(14)
        self.view.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.view.setMinimumHeight(80)
        self.model = _Model(self)
        self.delegate = _Delegate(self.view)
        self.view.setModel(self.model)
        self.view.setItemDelegate(self.delegate)
        self.view.header().setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
        self.view.header().setMinimumSectionSize(20)
        self.view.setEditTriggers(QTreeView.EditTrigger.NoEditTriggers)
        self.view.setExpandsOnDoubleClick(False)
        self.view.clicked.connect(self._activated)
        self.view.installEventFilter(self)
        line = QHBoxLayout()
        line.addWidget(self.rest, 1)
        line.addWidget(self.by_spelling)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(2)
        layout.addWidget(self.heading)
        layout.addWidget(self.explanation)
        layout.addWidget(self.legend)
        layout.addWidget(self.view, 1)
        layout.addLayout(line)
        self.set_histogram(None)

    def set_colours(self, colours: Colours) -> None:
        """Repaint in the colours of a theme."""
        self.delegate.colours = colours
        self.view.viewport().update()

    def set_histogram(
        self, histogram: Histogram | None, part_name: str = "", chosen: tuple[str, ...] = (), scope: str = "folder"
    ) -> None:
        """Show the bars of a tag, those of `chosen` values marked; None: no tag is chosen."""
        self.delegate.chosen = frozenset(chosen)
        self.view.setVisible(histogram is not None)
        self.by_spelling.setVisible(histogram is not None)
        if histogram is None:
            self.heading.setText("Choose a tag to see its values.")
            self.explanation.hide()
            self.legend.setText("")
            self.rest.setText("")
            self.model.set_bars(())
            return
        path = histogram.path
        self.heading.setText(display(f"{path.name}  {path.display.split(' ')[0]}  {path.vr}"))
        self.heading.setToolTip(html.escape(display(path.display)))
        words = explanation(path)
        self.explanation.setText(words)
        self.explanation.setVisible(bool(words))
        part = f" · {display(part_name)} ({histogram.part_files:,})" if part_name else ""
        self.legend.setText(f"{scope} ({histogram.files:,} files){part}")
        self.legend.setToolTip(self.legend.text())
        self.delegate.most = max((bar.files for bar in histogram.bars), default=1)
        self.delegate.has_part = bool(part_name)
        self.model.set_bars(histogram.bars)
        others = []
        if histogram.rest_values:
            others.append(f"{histogram.rest_values:,} more values in {histogram.rest_files:,} files")
        if histogram.absent:
            others.append(f"absent in {histogram.absent:,} files")
        if histogram.unknown:
            others.append(f"unknown in {histogram.unknown:,} damaged files")
        self.rest.setText(" · ".join(others) or "present in every file")
        self.rest.setToolTip(self.rest.text())

    def _label(self) -> QLabel:
        label = QLabel("")
        label.setTextFormat(Qt.TextFormat.PlainText)
        label.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        return label

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Enter and Space choose the current bar, as a click does."""
        if watched is self.view and event.type() == QEvent.Type.KeyPress and event.key() in _CHOOSING:
            self._activated(self.view.currentIndex())
            return True
        return bool(super().eventFilter(watched, event))

    def _activated(self, index: QModelIndex) -> None:
        if index.isValid() and index.internalId() == 0:
            self.value_activated.emit(self.model.bar(index).text)
