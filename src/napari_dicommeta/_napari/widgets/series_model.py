"""The Qt model of the series tree: studies, their series, and the volumes of a series, each a `Branch`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QAbstractItemModel, QModelIndex, Qt

from napari_dicommeta._napari.tasks.rows import Branch, series_branch
from napari_dicommeta._napari.widgets.labels import tip
from napari_dicommeta.support.words import display

if TYPE_CHECKING:
    from collections.abc import Iterator

    from qtpy.QtGui import QPixmap
    from qtpy.QtWidgets import QWidget

    from napari_dicommeta._napari.tasks.rows import SeriesRow

__all__ = ["SeriesModel"]


@dataclass(slots=True)
class _Node:
    """A branch with the number of its parent node, -1 at the top, its row there, and the numbers of its children."""

    branch: Branch
    parent: int
    place: int
    below: list[int] = field(default_factory=list)


class SeriesModel(QAbstractItemModel):
    """The branches. The `UserRole` of an index is its `Branch`, and its decoration the picture of a series."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.nodes: list[_Node] = []
        self.top: list[int] = []
        self.of_series: dict[int, int] = {}
        self.pictures: dict[int, QPixmap] = {}

    @property
    def rows(self) -> tuple[SeriesRow, ...]:
        """The series shown, in their order."""
        return tuple(self.nodes[n].branch.row for n in self.of_series.values())  # type: ignore[misc]

    def branch_of(self, index: QModelIndex) -> Branch | None:
        """Return the branch of an index, None if it is not valid."""
        return self.nodes[index.internalId()].branch if index.isValid() else None

    def set_branches(self, branches: tuple[Branch, ...]) -> None:
        """Show these branches instead of all others."""
        self.beginResetModel()
        self.nodes, self.of_series = [], {}
        self.top = [self._add(branch, -1, place) for place, branch in enumerate(branches)]
        self.endResetModel()

    def _add(self, branch: Branch, parent: int, place: int) -> int:
        number = len(self.nodes)
        self.nodes.append(_Node(branch, parent, place))
        if branch.kind == "series" and branch.row is not None:
            self.of_series[branch.row.number] = number
        self.nodes[number].below = [self._add(child, number, i) for i, child in enumerate(branch.below)]
        return number

    def set_row(self, row: SeriesRow) -> bool:
        """Update a series and its volumes; return whether rows came or went."""
        number = self.of_series.get(row.number)
        if number is None:
            return False
        node, branch = self.nodes[number], series_branch(row)
        index = self.createIndex(node.place, 0, number)
        is_other = len(branch.below) != len(node.below)
        if is_other:
            if node.below:
                self.beginRemoveRows(index, 0, len(node.below) - 1)
                node.below = []
                self.endRemoveRows()
            if branch.below:
                self.beginInsertRows(index, 0, len(branch.below) - 1)
                node.below = [self._add(child, number, i) for i, child in enumerate(branch.below)]
                self.endInsertRows()
        node.branch = branch
        for below, child in zip(node.below, branch.below, strict=True):
            self.nodes[below].branch = child
        self.dataChanged.emit(index, index)
        return is_other

    def set_picture(self, number: int, picture: QPixmap) -> None:
        """Show the picture of a series."""
        self.pictures[number] = picture
        index = self.index_of(number)
        if index.isValid():
            self.dataChanged.emit(index, index)

    def with_branches_below(self) -> Iterator[tuple[QModelIndex, Branch]]:
        """Yield the branches with children."""
        for number, node in enumerate(self.nodes):
            if node.below:
                yield self.createIndex(node.place, 0, number), node.branch

    def index_of(self, series: int) -> QModelIndex:
        """Return the index of the series with this number, an invalid one if it is not shown."""
        number = self.of_series.get(series)
        return QModelIndex() if number is None else self.createIndex(self.nodes[number].place, 0, number)

    def series_below(self, node: int) -> Iterator[int]:
        """Yield the numbers of the series of a node: its own, or all below it."""
        branch = self.nodes[node].branch
        if branch.row is not None:
            yield branch.row.number
            return
        for below in self.nodes[node].below:
            yield from self.series_below(below)

    def index(self, row: int, column: int, parent: QModelIndex | None = None) -> QModelIndex:
        below = self.top if parent is None or not parent.isValid() else self.nodes[parent.internalId()].below
        return self.createIndex(row, column, below[row]) if 0 <= row < len(below) else QModelIndex()

    def parent(self, index: QModelIndex | None = None) -> QModelIndex:
        if index is None or not index.isValid():
            return QModelIndex()
        above = self.nodes[index.internalId()].parent
        return QModelIndex() if above < 0 else self.createIndex(self.nodes[above].place, 0, above)

    def rowCount(self, parent: QModelIndex | None = None) -> int:
        if parent is None or not parent.isValid():
            return len(self.top)
        return 0 if parent.column() else len(self.nodes[parent.internalId()].below)

    def columnCount(self, _parent: QModelIndex | None = None) -> int:
        return 1

    def data(self, index: QModelIndex, role: int = 0) -> Any:
        branch = self.nodes[index.internalId()].branch
        row = branch.row
        if role == Qt.ItemDataRole.DisplayRole:
            is_open = row is not None and (row.is_open if branch.kind == "series" else branch.text in row.open_volumes)
            return ("● " if is_open else "") + display(branch.text)
        if role == Qt.ItemDataRole.UserRole:
            return branch
        if role == Qt.ItemDataRole.DecorationRole and row is not None and branch.kind == "series":
            return self.pictures.get(row.number)
        if role == Qt.ItemDataRole.ToolTipRole:
            return tip(_words_of(branch))
        if role == Qt.ItemDataRole.AccessibleDescriptionRole and row is not None:
            return display(" · ".join(filter(None, (row.line, row.extent, row.badge))))
        return None


def _words_of(branch: Branch) -> str:
    row = branch.row
    if row is None:
        return display(branch.text if branch.kind == "rest" else f"Study {branch.text}")
    if branch.kind == "volume":
        return display(f"{branch.text} · double-click or press Enter to open only this volume")
    state = "open" if row.is_open else row.reason or "double-click or press Enter to open"
    reason = [f"– {row.reason}"] if row.is_open and row.reason else []
    lines = [f"{row.name} · {row.line} · {state}", f"{row.patient} · {row.study}", *reason]
    lines += [f"– {note}" for note in row.notes or () if note != row.reason]
    return "\n".join(display(line, 300) for line in lines)
