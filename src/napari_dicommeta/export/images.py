"""Volumes as files of NIfTI or NRRD, each with a JSON of what is known about it: `write_image`, `write_images`."""

from __future__ import annotations

import errno
import gzip
import json
import os
import re
import string
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_dicommeta.export.printable import modality_text, volume_facts, without_creators
from napari_dicommeta.export.tables import phi_name
from napari_dicommeta.support.atomic import put_text, replacing
from napari_dicommeta.support.errors import ConversionError, PixelError
from napari_dicommeta.volumes.conversions import arranged, axis_names, grid_of, optional, to_nibabel

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from napari_dicommeta.volumes.volume import Volume

__all__ = ["ENDINGS", "TEMPLATE", "Written", "write_image", "write_images"]

ENDINGS = (".nii.gz", ".nii", ".nrrd")
TEMPLATE = "{number:03}-{modality}"
"""The names of files by default, which identify nobody."""
COMPRESSION = 4
"""Level of gzip: higher ones take several times longer for a few percent."""
FIELDS = ("number", "modality", "name", "series", "axis")
_UNSAFE, _WIDE = re.compile(r"[^\w.+-]+"), re.compile(r"[{}]|\d{4}")
_RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\.|$)", re.IGNORECASE)
"""Names that Windows keeps for devices."""
DESCRIBED = frozenset(("axes", "axis", "affine_lps", "inverted", "notes"))
"""What each JSON beside an image holds."""


@dataclass(frozen=True, slots=True)
class Written:
    """A file that was written for a volume, or why none was."""

    volume: str
    """Its label, or with `full` its name."""
    path: str
    """"" if it was refused."""
    reason: str = ""
    is_replaced: bool = False
    """Whether an earlier file had that path."""


def write_image(volume: Volume, path: str | os.PathLike[str], allow_uneven: bool = False, full: bool = False) -> None:
    """Write a volume to a file that ends in one of `ENDINGS`, and what is known about it to a JSON beside it.

    Pixels are in modality units, the grid in mm. The JSON holds shape, dtype, units, spacing, axis and the codes of the
    notes; with `full` also their texts and UIDs, which may identify persons.

    Raises
    ------
    ValueError
        If the path has another ending.
    ConversionError
        If the volume has no grid, or colors that the format cannot hold.
    ImportError
        If nibabel, for NIfTI, or pynrrd, for NRRD, is not installed.
    PixelError
        If a slice cannot be read.
    OSError
        If a file cannot be written, or a JSON of something else has the name of that of the volume.
    """
    name = os.fspath(path)
    ending = next((ending for ending in ENDINGS if name.lower().endswith(ending)), None)
    if ending is None:
        raise ValueError(f"{os.path.basename(name)}: the name must end in {', '.join(ENDINGS[:-1])} or {ENDINGS[-1]}")
    write = _write_nrrd if ending == ".nrrd" else _write_nifti
    beside = f"{name[: -len(ending)]}.json"
    _check_is_description(beside)
    with replacing(name) as temporary, replacing(beside) as described:
        write(volume, temporary, allow_uneven, ending)
        put_text(described, json.dumps(_described(volume, full), indent=1, ensure_ascii=False) + "\n")


def _check_is_description(path: str) -> None:
    """Raise FileExistsError if a file at `path` is no JSON that `write_image` has written."""
    if not os.path.isfile(path):
        return
    try:
        with open(path, encoding="utf-8") as file:
            is_ours = set(json.load(file)) >= DESCRIBED
    except (ValueError, TypeError, RecursionError):
        is_ours = False
    if not is_ours:
        raise FileExistsError(
            errno.EEXIST, "it is no description of an image, and stays as it is: choose another name", path
        )


def write_images(
    volumes: Iterable[Volume],
    folder: str | os.PathLike[str],
    ending: str = ENDINGS[0],
    template: str = TEMPLATE,
    allow_uneven: bool = False,
    full: bool = False,
) -> Iterator[Written]:
    """Write volumes to files in `folder`, one after the other; yield what became of each.

    `template` names the files: {number} counts the volumes from 1; {modality}, {name}, {series} (its UID) and {axis}
    are those of the volume. With `full`, names are those of `tables.phi_name`. A name that is taken gets a number. The
    other arguments are those of `write_image`.

    Raises
    ------
    ValueError
        If the template has other fields, or the ending is unknown.
    ImportError, OSError
        As `write_image` does.
    """
    if ending not in ENDINGS:
        raise ValueError(f"{ending}: the ending must be one of {', '.join(ENDINGS)}")
    taken: set[str] = set()
    for number, volume in enumerate(volumes, 1):
        base = wanted = _file_name(volume, number, template, full)
        again = 1
        while base.lower() in taken:
            again += 1
            base = f"{wanted}-{again}"
        taken.add(base.lower())
        path = os.path.join(folder, base + ending)
        was_there = os.path.lexists(path)
        try:
            write_image(volume, path, allow_uneven, full)
        except (ConversionError, PixelError) as error:
            yield Written(volume.name if full else volume.label, "", str(error))
        else:
            yield Written(volume.name if full else volume.label, path, is_replaced=was_there)


def _file_name(volume: Volume, number: int, template: str, full: bool) -> str:
    """Return the name of a volume's files without an ending; with `full` it has PHI as a word."""
    fields = {
        "modality": volume.modality if full else modality_text(volume.modality),
        "name": volume.name,
        "series": volume.series_instance_uid,
    }
    try:
        parsed = [(field, form or "") for _, field, form, _ in string.Formatter().parse(template) if field is not None]
        if any(field not in FIELDS or _WIDE.search(form) for field, form in parsed):
            raise ValueError(template)
        text = template.format(
            number=number, axis=without_creators(volume.axis), **{k: v or "none" for k, v in fields.items()}
        )
    except (KeyError, IndexError, ValueError, AttributeError) as error:
        raise ValueError(
            f"{template!r} is no template of names: it holds {{number}}, {{modality}}, {{name}}, {{series}} or {{axis}}"
        ) from error
    name = _UNSAFE.sub("_", text).strip("._")[:180] or str(number)
    name = f"_{name}" if _RESERVED.match(name) else name
    return phi_name(f"{name}.json").removesuffix(".json") if full else name


def _write_nifti(volume: Volume, path: str, allow_uneven: bool, ending: str) -> None:
    raw = to_nibabel(volume, allow_uneven).to_bytes()
    with open(path, "wb") as file:
        file.write(gzip.compress(raw, COMPRESSION, mtime=0) if ending == ".nii.gz" else raw)


def _write_nrrd(volume: Volume, path: str, allow_uneven: bool, _ending: str) -> None:
    nrrd = optional("nrrd", "pynrrd")
    affine, data = grid_of(volume, allow_uneven), arranged(volume)
    directions = [list(affine[:3, axis]) for axis in range(3)]
    kinds = ["space"] * 3
    nowhere = [np.nan] * 3
    if data.ndim - volume.is_color == 4:
        directions, kinds = [*directions, nowhere], [*kinds, "list"]
    if volume.is_color:  # the first axis of NRRD is the last of NumPy
        directions, kinds = [nowhere, *directions], ["RGB-color", *kinds]
    header = {
        "space": "left-posterior-superior",
        "space directions": np.array(directions),
        "space origin": affine[:3, 3],
        "kinds": kinds,
        "encoding": "gzip",
    }
    with open(path, "wb") as file:
        nrrd.write(file, data, header, index_order="C", compression_level=COMPRESSION)


def _described(volume: Volume, full: bool) -> dict[str, Any]:
    """Return what the JSON says."""
    geometry = volume.geometry
    notes = [{"code": note.code, "severity": note.severity, "standard": note.standard} for note in volume.notes]
    said = volume_facts(volume, full) | {
        "axes": axis_names(volume),
        "axis": volume.axis if full else without_creators(volume.axis),
        "affine_lps": None if geometry.affine is None else geometry.affine.tolist(),
        "inverted": volume.inverted,
        "notes": notes,
    }
    if full:
        for said_note, note in zip(notes, volume.notes, strict=True):
            said_note["title"] = note.title
        said |= {"name": volume.name, "series_instance_uid": volume.series_instance_uid}
    return said
