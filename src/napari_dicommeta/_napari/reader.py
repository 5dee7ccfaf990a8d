"""The napari reader: paths -> layers. Uses napari's layers, not Qt; heavy imports wait until something is read."""

from __future__ import annotations

import os
import threading
from contextlib import nullcontext
from functools import cache
from typing import TYPE_CHECKING, Any

from napari_dicommeta._napari.opening_call import opening_call, set_keywords
from napari_dicommeta._napari.words import plain
from napari_dicommeta.dicom.header import is_dicom

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from napari.layers import Image, Labels

    from napari_dicommeta.catalog.catalog import Catalog
    from napari_dicommeta.volumes.volume import Volume

__all__ = [
    "DRAWN_ON",
    "catalog_of",
    "dock_of",
    "get_reader",
    "layer_of",
    "load_layers",
    "open_in",
    "sample_layers",
    "source_of",
    "space_of",
    "volume_of",
    "volumes_in",
    "warm_up",
]

PLUGIN, DOCK = "napari-dicommeta", "DICOM"
DRAWN_ON = "dicommeta-drawn-on"
"""Key of the metadata of shapes and points: the volume in whose voxels they are."""
LayerData = list[Any]
OUTLINE = 1
"""Width of the outlines, in pixels, as which RT structures are shown: filled, they would hide the image."""
_MAX_PROBES = 64
"""Files of a folder or an archive that are tested for DICOM before it is left to the scan."""
_PROBE_SECONDS = 2.0
"""How long storage may take for that: napari's window waits meanwhile."""
UNREADABLE = "unreadable"
"""The code of a folder, or of a part of an archive, that cannot be read: the scan says why."""


def get_reader(path: str | Sequence[str] | None = None) -> Callable[[Any], LayerData] | None:
    """Return the function that reads `path` (a file, a folder or a list of them), or None if it holds no DICOM.

    The test for DICOM is the same as in a scan, so that a folder of other images is left to other readers.
    """
    if not path:
        return None
    paths = [path] if isinstance(path, (str, os.PathLike)) else list(path)
    return read if any(_may_hold_dicom(os.fspath(entry)) for entry in paths) else None


def _may_hold_dicom(path: str) -> bool:
    """Return whether a folder, an archive, a file or a URL may hold DICOM, by its first files.

    So may what the storage does not answer for: the scan waits longer, and says so.
    """
    from napari_dicommeta.scanning.pending_calls import BriefCalls

    return BriefCalls(_PROBE_SECONDS).answer(_holds_dicom, path, True)


def _holds_dicom(path: str) -> bool:
    from napari_dicommeta.scanning.listing import list_files

    tested = 0
    try:
        for entry in list_files([path]):
            if is_dicom(entry) if isinstance(entry, str) else entry.code == UNREADABLE:
                return True
            tested += 1
            if tested >= _MAX_PROBES:
                return True  # too many to test all of them here: the scan decides
    except (OSError, ImportError):  # nothing at a URL, or nothing that reads it
        return False
    return tested == 0


def read(path: str | Sequence[str]) -> LayerData:
    """Return the layers of `path`, or open it in the dock if napari's window asked for it.

    After a drop or File › Open, the dock shows the catalog, opens the largest volume and lists the others; the result
    is then one empty layer tuple. For a script, ``viewer.open`` among them, all volumes are returned as layers, smaller
    levels of slides excepted.

    Raises
    ------
    ValueError
        If a keyword of ``viewer.open`` is none that a layer of DICOM takes.
    """
    paths = [path] if isinstance(path, (str, os.PathLike)) else list(path)
    paths = [os.fspath(entry) for entry in paths]
    call = opening_call()
    if call.is_by_window and (dock := dock_of(call.viewer)) is not None:
        dock.open_paths(paths, call.is_stacked)
        return [(None,)]
    layers = load_layers(paths)
    set_keywords(layers, call.keywords)
    return layers


def load_layers(paths: Sequence[str], path: str = "") -> list[Image | Labels]:
    """Return a layer for each volume in `paths`, the largest first, without smaller levels of slides.

    `path` is that of `layer_of`.

    Raises
    ------
    LoadError
        If there is no volume; the text gives the reasons.
    """
    from napari_dicommeta.volumes.load import load
    from napari_dicommeta.volumes.volume import without_levels

    volumes = load(paths)
    shown = [part for volume in without_levels(volumes) for part in volume.without_overlaps()]
    return [layer_of(volume, volumes.catalog, path) for volume in shown]


def dock_of(viewer: Any) -> Any:
    """Return the DICOM dock in the window of `viewer`, opening it if needed; None if there is no window."""
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


def layer_of(volume: Volume, catalog: Catalog | None = None, path: str = "") -> Image | Labels:
    """Return a napari layer of `volume`, in mm: an image with its first usable window preset, or labels.

    The data of an image stay lazy; those of labels are a NumPy array that can be edited. The scale is the spacing of
    slices, rows and columns in mm, the name is the label of the volume, which names no person. The volume, its patient
    affine and the `catalog` that it is from are in ``layer.metadata["dicommeta"]``. With a `path`, ``layer.source``
    names it and this plugin; a reader leaves that to napari. An image with smaller levels is a multiscale layer, of
    which napari reads what is visible.
    """
    from napari.layers._source import layer_source

    warm_up()
    with layer_source(path=path, reader_plugin=PLUGIN) if path else nullcontext():
        layer = _new_layer(volume)
    layer.metadata["dicommeta"]["catalog"] = catalog
    return layer


def _new_layer(volume: Volume) -> Image | Labels:
    from napari.layers import Image, Labels

    from napari_dicommeta._napari.display import set_limits, show_window
    from napari_dicommeta._napari.segment_looks import segment_looks

    axes = _axes(volume)
    # napari paints into NumPy arrays only; labels too large to cache stay lazy.
    is_paintable = volume.is_labels and volume.array.keeps_all
    data = volume.array.editable() if is_paintable else volume.array
    metadata = {"dicommeta": {"volume": volume, "affine": volume.geometry.affine, "data": data}}
    if volume.is_labels:
        layer = Labels(data, name=plain(volume.label), metadata=metadata, **segment_looks(volume.segments), **axes)
        layer.contour = OUTLINE if volume.modality == "RTSTRUCT" else 0
        return layer
    pixels: Any = [volume.array, *volume.levels] if volume.levels else volume.array
    axes["multiscale"] = bool(volume.levels)
    if volume.is_color:
        return Image(pixels, name=plain(volume.label), rgb=True, metadata=metadata, **axes)
    low, high = volume.display_range()
    layer = Image(
        pixels,
        name=plain(volume.label),
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


_loading_units = threading.Lock()


def warm_up() -> None:
    """Make an empty layer once: the first layer in mm takes napari a quarter of a second to load its units.

    napari also imports SciPy's rotations when a view is first set, which would block the window as long.

    Units must not be loaded by two threads at once: one of them would not know mm.
    """
    with _loading_units:
        _load_units()


@cache
def _load_units() -> None:
    import numpy as np
    import scipy.spatial.transform  # noqa: F401  napari does so when a view is first set
    from napari.layers import Image

    Image(np.zeros((1, 1, 1)), units=("mm",) * 3)


def _axes(volume: Volume) -> dict[str, Any]:
    """Return scale, units and names of the axes: mm, with scale 1 for times and for an unknown spacing."""
    k, j, i = (1.0 if spacing != spacing else spacing for spacing in volume.geometry.spacing)
    lead = len(volume.array.shape) - (3 if volume.is_color else 2)
    if not volume.axis:
        return {"scale": (k, j, i), "units": ("mm",) * 3, "axis_labels": ("z", "y", "x")}
    scale = (1.0, k, j, i) if lead == 2 else (1.0, j, i)
    names = ("t", "z", "y", "x") if lead == 2 else ("t", "y", "x")
    return {"scale": scale, "units": ("pixel", *("mm",) * (len(scale) - 1)), "axis_labels": names}


def volume_of(layer: Any) -> Volume | None:
    """Return the volume that a layer of this plugin shows, None for any other layer.

    Layers that napari derives from it (duplicates, projections, conversions, crops) copy its metadata, but have other
    data or another type. They are not the volume, nor is a layer whose data were replaced.
    """
    state = getattr(layer, "metadata", {}).get("dicommeta") if layer is not None else None
    if not isinstance(state, dict):
        return None
    volume: Volume = state["volume"]
    if _kind(layer) != ("labels" if volume.is_labels else "image"):
        return None
    data = _unwrapped(layer.data)
    if getattr(layer, "multiscale", False):
        data = _unwrapped(data[0])
    return volume if data is state.get("data") else None


def space_of(layer: Any) -> Volume | None:
    """Return the volume whose voxels the coordinates of a layer count: its own, or the one it is drawn on."""
    volume = volume_of(layer)
    return volume if volume is not None else getattr(layer, "metadata", {}).get(DRAWN_ON)


def source_of(layer: Any) -> Any:
    """Return the source of the dock, an `Opened`, that a layer of this plugin was opened from; else None."""
    return layer.metadata["dicommeta"].get("source") if volume_of(layer) is not None else None


def catalog_of(layer: Any) -> Catalog | None:
    """Return the catalog of the source that a layer of this plugin was opened from, None for any other layer."""
    return layer.metadata["dicommeta"].get("catalog") if volume_of(layer) is not None else None


def _kind(layer: Any) -> str:
    from napari.layers import Image, Labels

    return "labels" if isinstance(layer, Labels) else "image" if isinstance(layer, Image) else ""


def _unwrapped(data: Any) -> Any:
    """Return what napari's proxy of a plugin's viewer holds."""
    return getattr(data, "__wrapped__", data)


def volumes_in(layers: Iterable[Any]) -> list[Volume]:
    """Return the volumes of those `layers` that this plugin made, in order."""
    return [volume for layer in layers if (volume := volume_of(layer)) is not None]


def sample_layers() -> LayerData:
    """Write the sample "Chest CT phantom" to a temporary folder; return its layer, and show its catalog in the dock."""
    import tempfile

    from napari_dicommeta.phantom import sample

    folder = str(sample(os.path.join(tempfile.mkdtemp(prefix="dicom-"), "Chest CT phantom")))
    layers = load_layers([folder])
    dock = dock_of(opening_call().viewer)
    if dock is not None:
        dock.open_paths([folder], volumes=volumes_in(layers))
    return [layer.as_layer_data_tuple() for layer in layers]


def open_in(viewer: Any, source: str | os.PathLike[str] | Sequence[str | os.PathLike[str]]) -> Any:
    """Open a folder, an archive, a file, a URL or several in `viewer` as a drop on its window does; return the dock.

    The dock reads in the background: ``dock.is_idle`` says when it is done. A ``ViewerModel`` without a window gets all
    volumes as layers at once, and the result is None.

    Raises
    ------
    LoadError
        If there is no window and the source holds no volume.
    """
    from napari_dicommeta.scanning.sources import source_paths

    paths = source_paths(source)
    dock = dock_of(viewer)
    if dock is not None:
        dock.open_paths(paths)
        return dock
    for layer in reversed(load_layers(paths, paths[0])):
        viewer.add_layer(layer)
    return None
