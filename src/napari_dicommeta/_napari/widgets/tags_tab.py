"""The Tags tab: the table of tags, and the values of the selected tag as bars, histogram, pairs or a curve."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QComboBox, QHBoxLayout, QLabel, QSplitter, QStackedWidget, QVBoxLayout, QWidget

from napari_dicommeta._napari.tasks.explore import SCOPES, Query
from napari_dicommeta._napari.tasks.rows import FOLDED
from napari_dicommeta._napari.widgets.audit_panel import AuditPanel
from napari_dicommeta._napari.widgets.export_menu import ExportMenu
from napari_dicommeta._napari.widgets.file_panel import FilePanel
from napari_dicommeta._napari.widgets.joint_table import JointTable
from napari_dicommeta._napari.widgets.range_bins import RangeBins
from napari_dicommeta._napari.widgets.slice_curve import SliceCurve
from napari_dicommeta._napari.widgets.tag_table import TagTable
from napari_dicommeta._napari.widgets.value_bars import ValueBars
from napari_dicommeta.dicom.explain import EXPLAINED
from napari_dicommeta.dicom.tags import TagPath

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np

    from napari_dicommeta._napari.tasks.audit import Audited
    from napari_dicommeta._napari.tasks.explore import Shown
    from napari_dicommeta._napari.tasks.rows import TagRow
    from napari_dicommeta._napari.widgets.colors import Colors

__all__ = ["TagsTab"]

SCOPE_WORDS = {
    "folder": "Folder",
    "study": "Active study",
    "series": "Active series",
    "selection": "Selected series",
}
FILE = "file"
"""The choice beside the scopes that lists the tags of the slice shown."""
FIRST_TAGS = ("WindowCenter", "PixelPaddingValue", "RescaleIntercept", "PixelSpacing")
"""Tags to select first, if they vary."""
MAX_TELLING = 50
"""Values of a tag up to which a table with it can be read."""
MAX_COMPANIONS = 200
"""Tags offered for the cross-tabulation."""


def _companion_rank(row: TagRow) -> tuple[int, bool, bool, bool, float]:
    """Return a key that sorts the most informative tags first: of few values, explained, in many files.

    The elements of the file format, and the lengths of groups, come last: they say nothing about images.
    """
    own = row.keyword.rpartition(".")[2]
    is_format = row.tag.startswith("(0002") or row.tag.endswith(",0000)")
    kind = ("", *FOLDED).index(row.kind)
    return kind, is_format, not 2 <= row.distinct <= MAX_TELLING, own not in EXPLAINED, -row.present


class TagsTab(QWidget):
    """The widgets that show and change a `Query`. `query_changed` carries the new query.

    `file_shown` follows the choice of "This file", the tags of the slice that is shown instead of counts.
    """

    query_changed = Signal(object)
    file_shown = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.query = Query()
        self._makeshift = ""
        """The tag that was selected because no wanted one varied so far: more files may be read yet."""
        self.table, self.values, self.curve = TagTable(), ValueBars(), SliceCurve()
        self.bins, self.joint, self.export, self.audit = RangeBins(), JointTable(), ExportMenu(), AuditPanel()
        self.values.stack.addWidget(self.bins)
        self.values.stack.addWidget(self.joint)
        self.scope_box = QComboBox()
        for scope in SCOPES:
            self.scope_box.addItem(SCOPE_WORDS[scope], scope)
        self.scope_box.addItem("This file: the slice shown", FILE)
        self.scope_box.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.scope_box.setMinimumContentsLength(8)
        self.scope_box.setToolTip("Files to count. Filters narrow them further.")
        line = QHBoxLayout()
        line.setContentsMargins(0, 4, 0, 0)
        line.addWidget(QLabel("Scope"))
        line.addWidget(self.scope_box, 1)
        line.addWidget(self.export)
        above = QWidget()
        above_layout = QVBoxLayout(above)
        above_layout.setContentsMargins(0, 0, 0, 0)
        above_layout.setSpacing(2)
        above_layout.addWidget(self.table, 1)
        above_layout.addWidget(self.audit, 1)
        below = QWidget()
        below_layout = QVBoxLayout(below)
        below_layout.setContentsMargins(0, 0, 0, 0)
        below_layout.addWidget(self.values, 1)
        below_layout.addWidget(self.curve)
        self.splitter = QSplitter(Qt.Orientation.Vertical)
        self.splitter.addWidget(above)
        self.splitter.addWidget(below)
        self.splitter.setChildrenCollapsible(False)
        self.splitter.setStretchFactor(0, 1)
        self.splitter.setStretchFactor(1, 1)
        self.splitter.setSizes([360, 340])
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(2)
        layout.addLayout(line)
        self.file = FilePanel()
        self.front = QStackedWidget()
        self.front.addWidget(self.splitter)
        self.front.addWidget(self.file)
        layout.addWidget(self.front, 1)
        self.scope_box.activated.connect(lambda _: self._choose_scope(self.scope_box.currentData()))
        self.file.tag_activated.connect(self.show_tag)
        self.audit.tag_selected.connect(self.show_tag)
        self.table.tag_selected.connect(lambda keyword: self._ask_for(keyword=keyword))
        self.table.tag_activated.connect(lambda _keyword: self.values.enter())
        self.values.view_chosen.connect(lambda view: self._ask_for(view=view, beside=""))
        self.values.beside_chosen.connect(lambda keyword: self._ask_for(beside=keyword))

    @property
    def is_file_shown(self) -> bool:
        """Whether the tags of the slice that is shown are listed, instead of counts."""
        return self.front.currentWidget() is self.file

    def _choose_scope(self, scope: str) -> None:
        if scope == FILE:
            self.front.setCurrentWidget(self.file)
            self.file_shown.emit()
        else:
            self.front.setCurrentWidget(self.splitter)
            self._ask_for(scope=scope)

    def _ask_for(self, **changes: str) -> None:
        self.query = replace(self.query, **changes)
        self.query_changed.emit(self.query)

    def set_query(self, query: Query) -> None:
        """Show the query without a signal."""
        self.query = query
        self.scope_box.setCurrentIndex(self.scope_box.findData(FILE if self.is_file_shown else query.scope))
        self.values.set_choice(query.view, query.beside)

    def set_scopes(self, there: dict[str, bool]) -> None:
        """Enable the available scopes and disable the others."""
        for i in range(self.scope_box.count()):
            item = self.scope_box.model().item(i)
            item.setEnabled(there.get(self.scope_box.itemData(i), there["series"]))  # the file is of the series

    def set_source(self, rows: tuple[TagRow, ...]) -> None:
        """Clear the query if the tags of another source do not include its tag."""
        if self.query.keyword not in {row.keyword for row in rows}:
            self.query = replace(self.query, keyword="", beside="")
            self.table.forget()

    def set_rows(self, rows: tuple[TagRow, ...]) -> None:
        """Show these tags. If none is selected, select one and emit `query_changed`."""
        self.table.set_rows(rows)
        ordered = sorted(rows, key=_companion_rank)
        offered = [row.keyword for row in ordered][:MAX_COMPANIONS]
        beside = [self.query.beside] if self.query.beside and self.query.beside not in offered else []
        self.values.set_companions([*beside, *offered])
        self.values.set_choice(self.query.view, self.query.beside)
        if self.query.keyword in ("", self._makeshift) and self.table.model.rows:
            self._select_first(ordered)

    def _select_first(self, ordered: Sequence[TagRow]) -> None:
        """Select a tag that most want to see, or for the time being the most informative one that varies so far."""
        shown = {row.keyword for row in self.table.model.rows}
        wanted = next((keyword for keyword in (*FIRST_TAGS, *EXPLAINED) if keyword in shown), "")
        choice = wanted or next(row.keyword for row in ordered if row.keyword in shown)
        self._makeshift = "" if wanted else choice
        if choice != self.query.keyword:
            self.table.select(choice)
            self._ask_for(keyword=self.table.selected())

    def begin_audit(self, name: str) -> None:
        """Show in place of the tags that labels are being read."""
        self.audit.set_waiting(name)
        self.table.hide()
        self.front.setCurrentWidget(self.splitter)
        self.set_query(self.query)

    def set_audit(self, audited: Audited | None) -> None:
        """Show in place of the tags how well they predict labels; None shows the tags."""
        self.audit.set_audit(audited)
        self.table.setVisible(audited is None)

    def set_empty_text(self, text: str) -> None:
        """Set the text for a tab without tags."""
        self.values.set_empty_text(text)

    def show_tag(self, keyword: str) -> None:
        """Select a tag, listing its kind if hidden, and emit `query_changed`."""
        self.front.setCurrentWidget(self.splitter)
        if self.table.reveal(keyword):
            self._ask_for(keyword=keyword)

    def show_picture(self, shown: Shown) -> None:
        """Show the values of the selected tag."""
        self.values.show_picture(shown)
        self.bins.set_bins(shown.bins, shown.range)
        self.joint.set_joint(shown.joint, shown.pairs)
        front = (
            self.joint if shown.joint is not None else self.bins if shown.query.view == "ranges" else self.values.view
        )
        self.values.stack.setCurrentWidget(front)
        self.export.set_tag(shown.query.keyword if shown.histogram is not None else "")

    def set_curve(self, values: np.ndarray | None) -> None:
        """Show the selected tag along the slices of the active volume; None hides the curve."""
        self.curve.set_curve(values, TagPath.parse(self.query.keyword).vr if values is not None else "")

    def set_colors(self, colors: Colors) -> None:
        """Take the theme's colors."""
        for widget in (self.table, self.audit, self.values, self.curve, self.bins, self.joint, self.file):
            widget.set_colors(colors)

    def set_direction(self, is_wide: bool) -> None:
        """Put the values beside the tags if the dock is wide, else below them."""
        self.splitter.setOrientation(Qt.Orientation.Horizontal if is_wide else Qt.Orientation.Vertical)
