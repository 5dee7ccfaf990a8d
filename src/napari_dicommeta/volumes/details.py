"""Details of a volume: the windows of its slices and its notes, made when they are first asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_dicommeta.dicom.window import distinct_windows, middle_windows
from napari_dicommeta.support.cached import cached_property
from napari_dicommeta.volumes.note import SEVERITIES
from napari_dicommeta.volumes.slice_windows import read_slice_windows
from napari_dicommeta.volumes.volume_notes import volume_notes

if TYPE_CHECKING:
    from napari_dicommeta.dicom.window import Window
    from napari_dicommeta.volumes.geometry import VolumeGeometry
    from napari_dicommeta.volumes.note import Note
    from napari_dicommeta.volumes.rescale import Rescale
    from napari_dicommeta.volumes.sources import FrameSources
    from napari_dicommeta.volumes.stack import Stack

__all__ = ["Details", "MoreDetails", "StackDetails"]


class Details:
    """The window presets of each slice of a volume, and its notes, the most severe first."""

    def __init__(self, slice_windows: tuple[tuple[Window, ...], ...], notes: tuple[Note, ...]) -> None:
        self.slice_windows, self.notes = slice_windows, notes

    def read(self) -> None:
        """Make all of them now, as in a thread that is not the window's."""
        _ = self.windows, self.notes

    def __repr__(self) -> str:
        return f"Details(windows={self.windows!r}, notes={self.notes!r})"

    @cached_property
    def windows(self) -> tuple[Window, ...]:
        """Return the windows of the middle slice, then those of other slices, the most frequent first."""
        return middle_windows(self.slice_windows)


class StackDetails(Details):
    """The details of a stack's volume, read from its frames when first asked for; a pickle holds what was read.

    Lookup tables are read from the files, and one frame where windows may refer to stored values.
    """

    def __init__(self, stack: Stack, geometry: VolumeGeometry, rescale: Rescale, sources: FrameSources) -> None:
        self._stack, self._geometry, self._rescale, self._sources = stack, geometry, rescale, sources

    @cached_property
    def _windows(self) -> tuple[tuple[tuple[Window, ...], ...], tuple[Note, ...]]:
        return read_slice_windows(self._stack.frames, self._sources, self._rescale.transforms)

    @cached_property
    def slice_windows(self) -> tuple[tuple[Window, ...], ...]:
        """Return the window presets of each slice."""
        return self._windows[0]

    @cached_property
    def notes(self) -> tuple[Note, ...]:
        """Return the notes on the volume, the most severe first."""
        windows, found = self._windows
        return volume_notes(self._stack, self._geometry, self._rescale, windows, found)

    def __reduce__(self) -> tuple[type[Details], tuple[object, ...]]:
        return Details, (self.slice_windows, self.notes)


class MoreDetails(Details):
    """Other details with windows and notes of other files after them, which are read as late as before."""

    def __init__(self, details: Details, windows: tuple[Window, ...], notes: tuple[Note, ...]) -> None:
        self._details, self._more_windows, self._more_notes = details, windows, notes

    @cached_property
    def slice_windows(self) -> tuple[tuple[Window, ...], ...]:
        """Return the window presets of each slice."""
        return self._details.slice_windows

    @cached_property
    def windows(self) -> tuple[Window, ...]:
        """Return the windows of the slices, then those of other files."""
        return distinct_windows((*self._details.windows, *self._more_windows))

    @cached_property
    def notes(self) -> tuple[Note, ...]:
        """Return the notes on the volume, the most severe first."""
        notes = (*self._details.notes, *self._more_notes)
        return tuple(sorted(notes, key=lambda note: SEVERITIES.index(note.severity)))
