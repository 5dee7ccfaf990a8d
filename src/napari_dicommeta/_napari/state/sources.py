"""State of the open source: its filters, the sources before it, and what a dock that is opened again finds."""

from __future__ import annotations

import weakref
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, Signal

from napari_dicommeta._napari.tasks.source import Opened

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_dicommeta._napari.tasks.explore import Query
    from napari_dicommeta.catalog.conditions import Condition, Tags
    from napari_dicommeta.catalog.selection import Selection
    from napari_dicommeta.volumes.volume import Volume

__all__ = ["DockState", "Past", "Sources", "keep_state", "take_state"]

MAX_PAST = 20
"""The number of sources that Back returns to."""


@dataclass(frozen=True, slots=True)
class Past:
    """A source that was open before: kept while its layers are, else read again from the cache."""

    paths: tuple[str, ...]
    opened: weakref.ref[Opened]
    filters: tuple[tuple[Tags, Condition], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class DockState:
    """What a dock showed when it was closed. `reading`: paths of a scan that it stopped."""

    opened: Opened | None
    past: tuple[Past, ...]
    filters: tuple[tuple[Tags, Condition], ...]
    query: Query
    tab: int
    reading: tuple[str, ...]


_states: dict[int, DockState] = {}


def _viewer_of(viewer: Any) -> Any:
    return getattr(viewer, "__wrapped__", viewer)  # plugins get a new proxy each time


def keep_state(viewer: Any, state: DockState) -> None:
    """Keep the state of a closed dock for the next one of `viewer`."""
    real = _viewer_of(viewer)
    if id(real) not in _states:
        weakref.finalize(real, _states.pop, id(real), None)
    _states[id(real)] = state


def take_state(viewer: Any) -> DockState | None:
    """Return the state of the last dock of `viewer`, once."""
    return _states.pop(id(_viewer_of(viewer)), None)


class Sources(QObject):
    """The open source and those before it. `past_changed` carries the title of the source that Back returns to."""

    past_changed = Signal(str)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.opened: Opened | None = None
        self.past: list[Past] = []
        self.filters: tuple[tuple[Tags, Condition], ...] = ()
        """The filters of the open source while another one is read."""
        self.wanted: tuple[tuple[Tags, Condition], ...] = ()
        """The filters to set when the source that is being read is open."""
        self.is_added = self.is_back = False
        self.volumes: tuple[Volume, ...] = ()
        """Volumes of the source being read that are in layers already."""

    def request(self, is_added: bool = False, volumes: Sequence[Volume] = ()) -> None:
        """Say how the source that is read next is shown: over what is visible if `is_added`."""
        self.is_added, self.volumes = is_added, tuple(volumes)
        self.is_back, self.wanted = False, ()

    def begin(self, selection: Selection | None) -> None:
        """Keep the filters of the open source while another one is read."""
        if selection is not None:
            self.filters = selection.filters

    def is_usable(self, opened: Opened) -> bool:
        """Return whether `opened` takes the place of the open source: without any DICOM file, that one stays."""
        return bool(opened.catalog.n_files) or self.opened is None or not self.opened.catalog.n_files

    def replace(self, opened: Opened) -> None:
        """Take the place of the open source, which Back returns to."""
        before = self.opened
        if before is not None and before.catalog.n_files and not self.is_back and before.paths != opened.paths:
            self.past = [*self.past, Past(before.paths, weakref.ref(before), self.filters)][-MAX_PAST:]
        self.opened, self.filters, self.is_back = opened, (), False
        self.tell_past()

    def back(self) -> Past | None:
        """Take the last of the sources before the open one."""
        if not self.past:
            return None
        past = self.past.pop()
        self.request()
        self.is_back, self.wanted = True, past.filters
        return past

    def tell_past(self) -> None:
        """Emit `past_changed`."""
        self.past_changed.emit(Opened.name_of(self.past[-1].paths) if self.past else "")
