"""The napari writer: layers of this plugin as NIfTI or NRRD in their place in the patient, each with a JSON. No Qt."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari_dicommeta._napari.words import plain

if TYPE_CHECKING:
    from napari_dicommeta.volumes.volume import Volume

__all__ = ["write_volume"]


def write_volume(path: str, data: Any, attributes: dict[str, Any]) -> list[str]:
    """Write a layer to `path`, which ends in .nii.gz, .nii or .nrrd, and a JSON beside it; return both paths.

    What was painted into labels is written. `attributes` are those of napari's layer data.

    Raises
    ------
    RefusedError
        If the layer is none of this plugin, its data were replaced, the volume has no grid, or colors that the format
        cannot hold, or if a file cannot be written. It is no `ValueError`: napari takes these for a format that nobody
        writes.
    ImportError
        If nibabel, for NIfTI, or pynrrd, for NRRD, is not installed.
    """
    from napari_dicommeta.export.images import ENDINGS, write_image
    from napari_dicommeta.support.atomic import write_failure
    from napari_dicommeta.support.errors import ConversionError, RefusedError

    name = plain(str(attributes.get("name") or "this layer"))
    volume = _volume_of(data, attributes)
    if volume is None:
        raise RefusedError(
            "layer-foreign",
            f"{name} is no volume of DICOM files, so its place in the patient is unknown: "
            "save it in another format, such as TIFF",
        )
    try:
        write_image(volume, path)
    except ConversionError as error:
        raise RefusedError("layer-no-grid", f"{name} cannot be written: {error}") from error
    except OSError as error:
        why = plain(write_failure(error, path), 400)
        raise RefusedError("layer-not-written", f"{name} was not saved: {why}") from error
    ending = next(ending for ending in ENDINGS if path.lower().endswith(ending))
    return [path, f"{path[: -len(ending)]}.json"]


def _volume_of(data: Any, attributes: dict[str, Any]) -> Volume | None:
    """Return the volume of a layer from its data and attributes, None if they are not those of one."""
    state = attributes.get("metadata", {}).get("dicommeta")
    if not isinstance(state, dict):
        return None
    first = data[0] if attributes.get("multiscale") else data
    volume: Volume = state["volume"]
    return volume if getattr(first, "__wrapped__", first) is state.get("data") else None
