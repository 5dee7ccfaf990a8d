"""Commands of the dock for napari's command palette: the manifest names these functions, which take no arguments.

Each one acts on the dock of the current viewer, and opens it if needed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import napari

from napari_dicommeta._napari.reader import dock_of

if TYPE_CHECKING:
    from napari_dicommeta._napari.widgets.dock import DicomDock

__all__ = [
    "choose_folder",
    "find",
    "go_back",
    "move_dock",
    "next_preset",
    "previous_preset",
    "show_3d",
    "show_axial",
    "show_coronal",
    "show_full_range",
    "show_sagittal",
]


def _dock() -> DicomDock | None:
    dock: DicomDock | None = dock_of(napari.current_viewer())
    return dock


def choose_folder() -> None:
    """Ask for a folder, and open it."""
    if (dock := _dock()) is not None:
        dock.source.choose_folder()


def go_back() -> None:
    """Return to the previous source, if there is one."""
    if (dock := _dock()) is not None:
        dock.go_back()


def move_dock() -> None:
    """Move the dock below the canvas, or back beside it."""
    if (dock := _dock()) is not None:
        dock.source.move_requested.emit()


def find() -> None:
    """Show the series, with the keyboard focus in their search field."""
    if (dock := _dock()) is not None:
        if dock.tabs.indexOf(dock.series) >= 0:  # else they are beside the tabs
            dock.tabs.setCurrentWidget(dock.series)
        dock.series.search.field.setFocus()


def next_preset() -> None:
    """Apply the next window preset to the active volume."""
    if (dock := _dock()) is not None:
        dock.windows.step(1)


def previous_preset() -> None:
    """Apply the previous window preset to the active volume."""
    if (dock := _dock()) is not None:
        dock.windows.step(-1)


def show_full_range() -> None:
    """Show the full range of values of the active volume."""
    if (dock := _dock()) is not None:
        dock.windows.choose(-1)


def show_axial() -> None:
    """Show the active volume in axial slices."""
    _show("axial")


def show_coronal() -> None:
    """Show the active volume in coronal slices."""
    _show("coronal")


def show_sagittal() -> None:
    """Show the active volume in sagittal slices."""
    _show("sagittal")


def show_3d() -> None:
    """Show the active volume in 3D."""
    _show("3D")


def _show(view: str) -> None:
    dock = _dock()
    if dock is not None and dock.views.buttons[view].isEnabled():
        dock.view.show_view(view)
