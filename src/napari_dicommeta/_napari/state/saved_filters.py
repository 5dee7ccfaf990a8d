"""Filters with names, kept in napari's settings between sessions."""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING

from qtpy.QtCore import QObject, Signal

from napari_dicommeta._napari.settings import remember, remembered
from napari_dicommeta.catalog.conditions import as_json, of_json
from napari_dicommeta.dicom.tags import TagPath
from napari_dicommeta.support.log import log_fault

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_dicommeta.catalog.conditions import Condition, Tags

__all__ = ["SavedFilters"]

SETTING = "saved_filters"


class SavedFilters(QObject):
    """Saves filters under names. `names_changed` carries the names, in the order in which they were saved."""

    names_changed = Signal(tuple)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._saved: dict[str, tuple[tuple[Tags, Condition], ...]] = {}
        self._unread: dict[str, object] = {}
        """What was saved under other names, which this version cannot read: it is saved again as it is."""

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the saved filters."""
        return tuple(self._saved)

    def filters(self, name: str) -> tuple[tuple[Tags, Condition], ...]:
        """Return the filters with this name, () if there are none."""
        return self._saved.get(name, ())

    def recall(self) -> None:
        """Read the filters of earlier sessions; text that holds none is logged, and replaced when filters are saved."""
        try:
            entries = json.loads(remembered(SETTING, "") or "{}").items()
        except (ValueError, AttributeError, RecursionError) as error:
            log_fault("reading saved filters", error, logging.WARNING)
            entries = ()
        self._saved, self._unread = {}, {}
        for name, filters in entries:
            try:
                self._saved[name] = _checked(of_json(filters))
            except (ValueError, TypeError, KeyError, RecursionError) as error:
                log_fault("reading a saved filter", error, logging.WARNING)
                self._unread[name] = filters
        self.names_changed.emit(self.names)

    def save(self, name: str, filters: Sequence[tuple[Tags, Condition]]) -> None:
        """Save filters under a name, in place of those that had it."""
        self._saved.pop(name, None)
        self._saved[name] = tuple(filters)
        self._keep()

    def delete(self, name: str) -> None:
        """Forget the filters with this name."""
        self._saved.pop(name, None)
        self._keep()

    def _keep(self) -> None:
        saved = {**self._unread, **as_json(self._saved)}
        remember(SETTING, json.dumps(saved) if saved else "")
        self.names_changed.emit(self.names)


def _checked(filters: object) -> tuple[tuple[Tags, Condition], ...]:
    """Return filters whose tags exist.

    Raises
    ------
    ValueError
        If a tag is none.
    TypeError
        If these are no filters.
    """
    if not isinstance(filters, tuple):
        raise TypeError(f"{filters!r} are no filters")
    for tags, _condition in filters:
        for tag in (tags,) if isinstance(tags, str) else tags:
            TagPath.parse(tag)
    return filters
