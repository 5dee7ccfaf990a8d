"""The napari reader: paths -> layers. Knows napari's layers, not Qt; heavy imports happen when something is read."""

from __future__ import annotations

import os
from functools import cache
from typing import TYPE_CHECKING, Any

from napari_dicommeta.dicom.header import is_dicom

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from napari.layers import Image, Labels

    from napari_dicommeta.volumes.volume import Volume

__all__ = ["get_reader", "layer_of", "sample_layers", "volume_of", "volumes_in", "warm_up"]

PLUGIN, DOCK = "napari-dicommeta", "DICOM"
LayerData = list[Any]
_PROBES = 64


def get_reader(path: str | Sequence[str] | None = None) -> Callable[[Any], LayerData] | None:
    """The function that reads `path`, a file, a folder or several, or None where it holds no DICOM.

    What is DICOM is decided as a scan decides it, so that another reader gets a folder of other images.
    """
    if not path:
        return None
    paths = [path] if isinstance(path, (str, os.PathLike)) else list(path)
    return read if any(_may_hold_dicom(os.fspath(one)) for one in paths) else None


def _may_hold_dicom(path: str) -> bool:
    if not os.path.isdir(path):
        return is_dicom(path)
    seen = 0
    for folder, _, names in os.walk(path):
        for name in names:
            if is_dicom(os.path.join(folder, name)):
                return True
            seen += 1
            if seen >= _PROBES:
                return True  # too many to try them all here: the scan will tell
    return seen == 0


def read(path: str | Sequence[str]) -> LayerData:
    """The layers of `path`; in a napari window through the dock, which opens by itself.

    The dock shows the catalog, opens the largest volume and lists the others. Without a window (a script, a
    test) all volumes are returned.
    """
    paths = [path] if isinstance(path, (str, os.PathLike)) else list(path)
    paths = [os.fspath(one) for one in paths]
    dock = _dock()
    if dock is not None:
        dock.open_paths(paths)
        return [(None,)]
    from napari_dicommeta.volumes.load import load

    return [layer_of(volume) for volume in load(paths)]


def _dock() -> Any:
    """The DICOM dock of the current window, opened if need be; None where there is no window."""
    import napari

    viewer = napari.current_viewer()
    try:
        window = viewer.window if viewer is not None else None
    except (AttributeError, RuntimeError):  # a model without a window, or one whose window is gone
        window = None
    if window is None:
        return None
    for widget in window.dock_widgets.values():
        if type(widget).__name__ == "DicomDock":
            return widget
    return window.add_plugin_dock_widget(PLUGIN, DOCK)[1]


def layer_of(volume: Volume) -> Image | Labels:
    """A napari layer of `volume`, in mm: an image, shown with its first usable window preset, or labels.

    The data of images stay lazy, those of labels are a NumPy array, to be edited. Scale and translate are those of the
    acquisition: mm between slices, rows, columns. The patient affine and everything else is in
    ``layer.metadata["dicommeta"]``.
    """
    from napari.layers import Image, Labels

    from napari_dicommeta._napari.display import set_limits, show_window

    axes = _axes(volume)
    metadata = {"dicommeta": {"volume": volume, "affine": volume.geometry.affine}}
    if volume.is_labels:
        # napari paints into NumPy arrays only; one too large to be kept stays lazy.
        data = volume.array.editable() if volume.array.keeps_all else volume.array
        return Labels(data, name=volume.name, metadata=metadata, **axes)
    if volume.is_color:
        return Image(volume.array, name=volume.name, rgb=True, metadata=metadata, **axes)
    low, high = volume.display_range()
    layer = Image(
        volume.array,
        name=volume.name,
        contrast_limits=(low, high),
        colormap="gray_r" if volume.inverted else "gray",
        metadata=metadata,
        **axes,
    )
    set_limits(layer, (low, high), (low, high))
    first = next((window for window in volume.windows if not window.fault), None)
    if first is not None:
        show_window(layer, first, volume.inverted)
    return layer


@cache
def warm_up() -> None:
    """Make a layer of nothing, once: the first one in mm takes napari a quarter of a second (its registry of units)."""
    import numpy as np
    from napari.layers import Image

    Image(np.zeros((1, 1, 1)), units=("mm",) * 3)


def _axes(volume: Volume) -> dict[str, Any]:
    """Scale in mm (1 for times, and where the files give no distance), units and names of the axes."""
    k, j, i = (1.0 if one != one else one for one in volume.geometry.spacing)
    lead = len(volume.array.shape) - (3 if volume.is_color else 2)
    if not volume.axis:
        return {"scale": (k, j, i), "units": ("mm",) * 3, "axis_labels": ("z", "y", "x")}
    scale = (1.0, k, j, i) if lead == 2 else (1.0, j, i)
    names = ("t", "z", "y", "x") if lead == 2 else ("t", "y", "x")
    return {"scale": scale, "units": ("pixel", *("mm",) * (len(scale) - 1)), "axis_labels": names}


def volume_of(layer: Any) -> Volume | None:
    """The volume behind a layer of ours, None for any other layer."""
    state = getattr(layer, "metadata", {}).get("dicommeta") if layer is not None else None
    return state["volume"] if isinstance(state, dict) else None


def volumes_in(layers: Iterable[Any]) -> list[Volume]:
    """The volumes behind those of `layers` that are ours, in their order."""
    return [volume for layer in layers if (volume := volume_of(layer)) is not None]


def sample_layers() -> LayerData:
    """File › Open Sample › Chest CT phantom: written to a folder of its own, opened like any other folder."""
    import tempfile

    from napari_dicommeta.phantom import write_chest

    folder = write_chest(os.path.join(tempfile.mkdtemp(prefix="dicom-"), "Chest CT phantom"))
    return read(str(folder))
