"""The values of the selected tag: its explanation, bars for the folder and a part of it, and the remaining files."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QAbstractItemModel, QEvent, QModelIndex, QObject, QRect, QSize, Qt, Signal
from qtpy.QtWidgets import (
    QComboBox,
    QCompleter,
    QHBoxLayout,
    QHeaderView,
    QLabel,
    QSizePolicy,
    QStackedWidget,
    QStyle,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QTreeView,
    QVBoxLayout,
    QWidget,
)

from napari_dicommeta._napari.keys import CHOOSE
from napari_dicommeta._napari.tasks.rows import tag_label
from napari_dicommeta._napari.widgets.labels import line, paragraph, tip
from napari_dicommeta._napari.words import spread_words
from napari_dicommeta.analysis.histogram import Bar
from napari_dicommeta.dicom.explain import explanation
from napari_dicommeta.support.words import counted, display

if TYPE_CHECKING:
    from collections.abc import Sequence

    from qtpy.QtGui import QPainter, QPixmap, QResizeEvent

    from napari_dicommeta._napari.tasks.explore import Shown
    from napari_dicommeta._napari.widgets.colors import Colors
    from napari_dicommeta.analysis.histogram import Histogram

__all__ = ["ValueBars"]

MIN_TEXT_WIDTH, MIN_BAR_WIDTH = 60, 60
"""Pixels: minimum widths of the texts and of the longest bar. Short texts leave their space to the bars."""
MAX_MEASURED = 40
"""Texts measured for the width of the texts."""
EMPTY = "No tags yet. Drop a DICOM folder or files here, or click Open…"
PICTURE_WIDTH, PICTURE_BARS = 720, 200
"""Width in pixels and maximum number of bars of an exported picture."""
_CHOOSING = tuple(getattr(Qt.Key, f"Key_{name}") for name in CHOOSE)


def shown_text(bar: Bar) -> str:
    """Return the text of a bar, in parentheses if it is no value."""
    return f"({bar.state})" if bar.state else bar.label or bar.text or "(empty)"


class _Model(QAbstractItemModel):
    """Bars at the top, their spellings below them."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.bars: tuple[Bar, ...] = ()
        self.part_name = ""

    def set_bars(self, bars: tuple[Bar, ...], part_name: str = "") -> None:
        self.beginResetModel()
        self.bars, self.part_name = bars, part_name
        self.endResetModel()

    @staticmethod
    def files_of(bar: Bar) -> str:
        return "without this tag, including damaged files" if bar.state == "absent" else "with this value"

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
            part = f", {bar.part:,} of {self.part_name}" if self.part_name else ""
            is_filter = not index.internalId() and bar.state != "unknown"
            hint = f" · click to filter to files {self.files_of(bar)}" if is_filter else ""
            text = f"{shown_text(bar)} {bar.label} · {counted(bar.files, 'file')}{part}{flag} {bar.note}"
            return tip(display(text, 400) + hint)
        if role == Qt.ItemDataRole.UserRole:
            return bar
        return None


class _Delegate(QStyledItemDelegate):
    """Text on the left, bar in the middle, counts on the right."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.colors: Colors | None = None
        self.most = 1.0
        self.scales = (1.0, 1.0)
        """The factors for the files of the whole and of the part."""
        self.has_part = False
        self.elide_mode = Qt.TextElideMode.ElideRight
        self.widest = ("", "")
        """The longest counts of the whole and of the part."""
        self.text_width = 0
        """Width of the widest of the first texts, in pixels."""
        self.chosen: frozenset[str | None] = frozenset()
        """The texts of the bars in the filter, None for the files without the tag."""

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: QModelIndex) -> None:
        bar, colors = index.data(Qt.ItemDataRole.UserRole), self.colors
        if bar is None or colors is None:
            return
        painter.save()
        if option.state & (QStyle.StateFlag.State_Selected | QStyle.StateFlag.State_HasFocus):
            painter.fillRect(option.rect, colors.selection)
        if (None if bar.state else bar.text) in self.chosen and index.internalId() == 0:
            painter.fillRect(QRect(option.rect.x(), option.rect.y(), 3, option.rect.height()), colors.accent)
        metrics = option.fontMetrics
        rect = option.rect.adjusted(6, 1, -4, -1)
        part_width = metrics.horizontalAdvance("  " + self.widest[1]) if self.has_part else 0
        count_width = metrics.horizontalAdvance(self.widest[0]) + part_width + 8
        room = rect.width() - count_width
        text_width = max(MIN_TEXT_WIDTH, min(self.text_width, room - MIN_BAR_WIDTH))
        text = display(shown_text(bar))
        if bar.note:
            text = f"{text}   {bar.note}"
            text_width = room  # no bar: it could not be compared with those above
        is_value = bar.text and not bar.note and not bar.state
        painter.setPen(colors.warning if bar.flag else colors.text if is_value else colors.faint)
        elided = metrics.elidedText(text, self.elide_mode, text_width - 6)
        painter.drawText(QRect(rect.x(), rect.y(), text_width, rect.height()), Qt.AlignmentFlag.AlignVCenter, elided)
        left, width = rect.x() + text_width, rect.width() - text_width - count_width
        if width > 0:
            height = max(4, rect.height() - 6)
            top = rect.y() + (rect.height() - height) // 2
            scale, part_scale = (width * scale / self.most for scale in self.scales)
            if bar.files:
                painter.fillRect(QRect(left, top, max(1, round(bar.files * scale)), height), colors.muted)
            if bar.part:
                inner = max(2, height // 2)
                painter.fillRect(
                    QRect(left, top + (height - inner) // 2, max(1, round(bar.part * part_scale)), inner),
                    colors.accent,
                )
        painter.setPen(colors.text)
        numbers = QRect(rect.right() - count_width, rect.y(), count_width, rect.height())
        if self.has_part:
            painter.setPen(colors.accent if bar.part else colors.faint)
            painter.drawText(numbers, Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignRight, f"{bar.part:,}")
            numbers.setRight(numbers.right() - part_width)
            painter.setPen(colors.text)
        painter.drawText(numbers, Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignRight, f"{bar.files:,}")
        painter.restore()

    def sizeHint(self, option: QStyleOptionViewItem, _index: QModelIndex) -> QSize:
        return QSize(50, option.fontMetrics.height() + 6)


class ValueBars(QWidget):
    """A heading with the tag's explanation, its values as bars or another widget of `stack`, and the remaining files.

    `value_activated` carries the text of a clicked bar, or None for the files without the tag; Enter does the same.
    `view_chosen` carries how to show values, `beside_chosen` the keyword of a second tag, or "".
    """

    value_activated = Signal(object)
    view_chosen = Signal(str)
    beside_chosen = Signal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("dicommeta-values")
        self.heading, self.legend, self.rest = (line(vertical=QSizePolicy.Policy.Fixed) for _ in range(3))
        self.explanation = QLabel("")
        self._is_low = False
        self.explanation.setTextFormat(Qt.TextFormat.PlainText)
        self.explanation.setWordWrap(True)
        self.explanation.setAlignment(Qt.AlignmentFlag.AlignTop)
        font = self.heading.font()
        font.setBold(True)
        self.heading.setFont(font)
        self.view_box, self.beside_box = self._view_box(), self._beside_box()
        self.controls = QWidget()
        controls = QHBoxLayout(self.controls)
        controls.setContentsMargins(0, 0, 0, 0)
        controls.addWidget(self.view_box, 2)
        controls.addWidget(self.beside_box, 3)
        self._empty = EMPTY
        self.model = _Model(self)
        self.view = self._tree()
        self.stack = QStackedWidget()
        self.stack.addWidget(self.view)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(2)
        layout.addWidget(self.heading)
        layout.addWidget(self.explanation)
        layout.addWidget(self.controls)
        layout.addWidget(self.legend)
        layout.addWidget(self.stack, 1)
        layout.addWidget(self.rest)
        self.show_picture(None)

    def _tree(self) -> QTreeView:
        view = QTreeView()
        view.setHeaderHidden(True)
        view.setUniformRowHeights(True)
        view.setIndentation(14)
        view.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        view.setMinimumHeight(60)
        self.delegate = _Delegate(view)
        view.setModel(self.model)
        view.setItemDelegate(self.delegate)
        view.header().setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
        view.header().setMinimumSectionSize(20)
        view.setEditTriggers(QTreeView.EditTrigger.NoEditTriggers)
        view.setExpandsOnDoubleClick(False)
        view.clicked.connect(self._activated)
        view.installEventFilter(self)
        return view

    def _view_box(self) -> QComboBox:
        box = QComboBox()
        for text, view in (("By meaning", "meaning"), ("By spelling", "spelling"), ("Histogram", "ranges")):
            box.addItem(text, view)
        box.setToolTip(
            "By meaning: 1, 1.0 and 1.000000 are one value.\n"
            "By spelling: values as written in the files.\n"
            "Histogram: numbers in bins."
        )
        box.setMinimumContentsLength(8)
        box.activated.connect(lambda _: self.view_chosen.emit(box.currentData()))
        return box

    def _beside_box(self) -> QComboBox:
        box = QComboBox()
        box.setToolTip("Cross-tabulate with a second tag: type a part of its name, or choose one")
        box.setEditable(True)
        box.setInsertPolicy(QComboBox.InsertPolicy.NoInsert)
        completer = box.completer()
        completer.setFilterMode(Qt.MatchFlag.MatchContains)
        completer.setCompletionMode(QCompleter.CompletionMode.PopupCompletion)
        box.lineEdit().editingFinished.connect(self._restore_beside)
        box.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        box.setMinimumContentsLength(8)
        box.activated.connect(lambda _: self.beside_chosen.emit(box.currentData()))
        return box

    def set_colors(self, colors: Colors) -> None:
        """Repaint in the colors of a theme."""
        self.delegate.colors = colors
        self.view.viewport().update()

    def set_companions(self, keywords: Sequence[str]) -> None:
        """Set the tags offered for the cross-tabulation, without a signal."""
        chosen = self.beside_box.currentData() or ""
        self.beside_box.clear()
        self.beside_box.addItem("No second tag", "")
        for keyword in keywords:
            self.beside_box.addItem(display(f"× {tag_label(keyword)}", 80), keyword)
        self.beside_box.setCurrentIndex(max(self.beside_box.findData(chosen), 0))

    def set_choice(self, view: str, beside: str) -> None:
        """Show the chosen view and second tag without a signal."""
        self.view_box.setCurrentIndex(max(self.view_box.findData(view), 0))
        self.beside_box.setCurrentIndex(max(self.beside_box.findData(beside), 0))

    def _restore_beside(self) -> None:
        """Show the chosen second tag again, after a text that names none."""
        self.beside_box.setEditText(self.beside_box.itemText(self.beside_box.currentIndex()))

    def _fit_explanation(self) -> None:
        """Make the explanation of a tag as high as its lines: a tight layout would cut them."""
        is_tag = self.controls.isVisibleTo(self)
        height = self.explanation.heightForWidth(max(self.width(), 100)) if is_tag and not self._is_low else 0
        self.explanation.setMinimumHeight(height)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Wrap the explanation again."""
        super().resizeEvent(event)
        self._fit_explanation()

    def set_empty_text(self, text: str) -> None:
        """Set the text for no tag."""
        self._empty = paragraph(text)
        if not self.controls.isVisibleTo(self):
            self.explanation.setText(self._empty)

    def set_low(self, is_low: bool) -> None:
        """Leave the explanation of a tag to the tooltip of its heading if there is little height."""
        if is_low != self._is_low:
            self._is_low = is_low
            self._show_explanation()

    def _show_explanation(self) -> None:
        is_tag = self.controls.isVisibleTo(self)
        self.explanation.setVisible(not is_tag or (bool(self.explanation.text()) and not self._is_low))
        self._fit_explanation()

    def enter(self) -> None:
        """Move the keyboard focus to the bars, or to the other widget shown, and make the first bar current."""
        front = self.stack.currentWidget()
        if front is self.view and not self.view.selectionModel().hasSelection():
            self.view.setCurrentIndex(self.model.index(0, 0))
        front.setFocus()

    def show_picture(self, shown: Shown | None) -> None:
        """Show the bars of a tag with heading and legend; None, or no histogram, means that no tag is selected."""
        histogram = shown.histogram if shown is not None else None
        for widget in (self.stack, self.controls, self.legend, self.rest):
            widget.setVisible(histogram is not None)
        if shown is None or histogram is None:
            self.heading.setText("Select a tag to see its values.")
            self.explanation.setText(self._empty)
            self.explanation.show()
            self.model.set_bars(())
            return
        path, part_name = histogram.path, display(shown.part_name)
        vm = f"  VM {path.vm}" if path.vm else ""
        self.heading.setText(display(f"{path.name}  {path.tag_text}  {path.vr}{vm}"))
        words = explanation(path)
        self.heading.setToolTip(tip("\n".join(filter(None, (display(path.display), words)))))
        self.explanation.setText(words)
        self._show_explanation()
        part = f" · {part_name} ({histogram.part_files:,})" if part_name else ""
        shares = " · bars by share" if shown.by_share else ""
        self.legend.setText(f"{shown.scope} ({counted(histogram.files, 'file')}){part}{shares}")
        self.legend.setToolTip(tip(self.legend.text()))
        self._show_bars(shown, histogram, part_name)

    def _show_bars(self, shown: Shown, histogram: Histogram, part_name: str) -> None:
        states = (
            ("absent", histogram.absent, histogram.part_absent),
            ("unknown", histogram.unknown, histogram.part_unknown),
        )
        others = [Bar(text="", files=files, part=part, state=state) for state, files, part in states if files or part]
        bars = (*histogram.bars, *others)
        delegate = self.delegate
        delegate.has_part = bool(part_name)
        delegate.scales = (1.0, 1.0)
        if shown.by_share:
            delegate.scales = (1 / max(histogram.files, 1), 1 / max(histogram.part_files, 1))
        whole, of_part = delegate.scales
        delegate.most = max((max(bar.files * whole, bar.part * of_part) for bar in bars), default=1) or 1
        delegate.chosen = frozenset(shown.chosen)
        widths = (self.view.fontMetrics().horizontalAdvance(display(shown_text(bar))) for bar in bars[:MAX_MEASURED])
        delegate.text_width = max(widths, default=0) + 12
        modes = Qt.TextElideMode  # UIDs differ at their ends
        delegate.elide_mode = modes.ElideMiddle if histogram.path.vr == "UI" else modes.ElideRight
        delegate.widest = (
            f"{max((bar.files for bar in bars), default=0):,}",
            f"{max((bar.part for bar in bars), default=0):,}",
        )
        at = self.view.currentIndex()
        current = (self.model.bar(at).text, self.model.bar(at).state) if at.isValid() and not at.internalId() else None
        self.model.set_bars(bars, part_name)
        self.view.doItemsLayout()  # now: later it would paint the window twice
        again = next((i for i, bar in enumerate(bars) if (bar.text, bar.state) == current), None)
        if again is not None:
            self.view.setCurrentIndex(self.model.index(again, 0))
        self._show_rest(shown, histogram, part_name)

    def _show_rest(self, shown: Shown, histogram: Histogram, part_name: str) -> None:
        """Show the files without a bar, bin or pair, so that the numbers add up to the total."""
        words = []
        if shown.spread is not None and shown.joint is None:
            words += spread_words(shown.spread)
        if shown.joint is not None:
            if shown.joint.rest:
                words.append(f"{counted(shown.joint.rest, 'more file')} with other pairs")
        else:
            if shown.query.view == "ranges":
                if shown.bins is not None and shown.bins.not_numbers:
                    noun = {"": "number", "AS": "age", "TM": "time"}.get(shown.bins.vr, "date")
                    words.append(f"no {noun} in {counted(shown.bins.not_numbers, 'file')}")
            elif histogram.rest_values or histogram.part_rest_files:
                of_part = f", {histogram.part_rest_files:,} of {part_name}" if histogram.part_rest_files else ""
                words.append(
                    f"{counted(histogram.rest_values, 'more value')}"
                    f" in {counted(histogram.rest_files, 'file')}{of_part}"
                )
            if histogram.absent:
                words.append(f"absent in {counted(histogram.absent, 'file')}")
            if histogram.unknown:
                words.append(f"unknown in {counted(histogram.unknown, 'file')}")
        if histogram.is_several and shown.joint is None:
            words.append("a file counts once for each of its values")
        text = " · ".join(words) or ("" if shown.joint is not None else "present in every file")
        self.rest.setText(text[:1].upper() + text[1:])
        self.rest.setToolTip(tip(self.rest.text()))

    def picture(self, shown: Shown, words: str) -> QPixmap:
        """Return a picture of all bars of `shown`, in the colors of the window, with `words` below them."""
        other = ValueBars()
        other.delegate.colors = self.delegate.colors
        other.setStyleSheet(self.window().styleSheet())
        other.show_picture(shown)
        other.controls.hide()
        other.rest.setText(words)
        bars = shown.histogram.bars if shown.histogram is not None else ()
        rows = min(max(len(bars), 1), PICTURE_BARS)
        height = other.view.sizeHintForRow(0) if bars else 20
        other.resize(PICTURE_WIDTH, rows * height + 140)
        picture = other.grab()
        other.deleteLater()
        return picture

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Activate the current bar with Enter and Space too."""
        if watched is self.view and event.type() == QEvent.Type.KeyPress and event.key() in _CHOOSING:
            self._activated(self.view.currentIndex())
            return True
        return bool(super().eventFilter(watched, event))

    def _activated(self, index: QModelIndex) -> None:
        if not index.isValid() or index.internalId():
            return
        bar = self.model.bar(index)
        if bar.state != "unknown":
            self.value_activated.emit(None if bar.state else bar.text)
