"""The functions that scripts of recipes call: their names, and that of this module, must not change.

A script holds the recipe as plain values. `unchanged`, `without` and `arrays` run it, and refuse a folder that has
changed since the recipe was made.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import zipfile
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_dicommeta.catalog.digest import catalog_digest, common_folder, file_digests, relative_paths
from napari_dicommeta.scanning.scan import scan
from napari_dicommeta.support.errors import PixelError, RecipeError
from napari_dicommeta.support.words import display
from napari_dicommeta.volumes.load import load_series

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from napari_dicommeta.catalog.catalog import Catalog

__all__ = ["arrays", "main", "order_digest", "pixels_digest", "unchanged", "without"]

Array = tuple[dict[str, Any], np.ndarray]


def order_digest(files: Iterable[tuple[str, int]]) -> str:
    """Return a digest of the (relative path, frame) of each slice, in order: 16 hexadecimal digits."""
    lines = "".join(f"{path}\0{frame}\n" for path, frame in files)
    return blake2b(lines.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()


def pixels_digest(array: np.ndarray) -> str:
    """Return a digest of the values of an array, in this machine's byte order: 32 hexadecimal digits."""
    return blake2b(np.ascontiguousarray(array).data, digest_size=16).hexdigest()


def unchanged(
    folder: str | os.PathLike[str] | None, recipe: Mapping[str, Any], beside: str | os.PathLike[str] = ""
) -> tuple[Catalog, str]:
    """Scan the files of a recipe again; return their catalog and the folder that its paths are relative to.

    `recipe`: "digest", "n_files", "sources" and "first", as in the script. `beside`: the path of the recipe's
    JSON, needed to name changed files in the error.

    Raises
    ------
    RecipeError
        If the folder is not given, does not exist, or has changed since the recipe was made.
    """
    if not folder:
        raise RecipeError("the folder of the files is unknown: give it as an argument, as in `python recipe.py FOLDER`")
    top = os.path.abspath(folder)
    if not os.path.isdir(top):
        raise RecipeError(f"{display(top)}: the folder does not exist")
    catalog = scan([os.path.join(top, source) if source else top for source in recipe["sources"]])
    known = _files_of(beside, recipe["digest"])
    names = set(known or recipe["first"])
    place = max(
        (top, common_folder(catalog.paths)),
        key=lambda folder: len(names & set(relative_paths(catalog.paths, folder))),
    )
    if known is None:
        if catalog_digest(catalog) != recipe["digest"]:
            change = f"it holds {catalog.n_files:,} files instead of {recipe['n_files']:,}"
            if catalog.n_files == recipe["n_files"]:
                change = "a name, a size or a header differs"
            raise RecipeError(
                f"{display(top)} has changed since the recipe was made: {change}; put the recipe's JSON beside the "
                "script to see which files"
            )
        return catalog, place
    held = dict(zip(relative_paths(catalog.paths, place), file_digests(catalog).tolist(), strict=True))
    differing = {
        "new": sorted(held.keys() - known.keys()),
        "missing": sorted(known.keys() - held.keys()),
        "changed": sorted(name for name in held.keys() & known.keys() if held[name] != known[name]),
    }
    changes = [f"{len(paths):,} {kind} (first: {display(paths[0])})" for kind, paths in differing.items() if paths]
    if changes:
        raise RecipeError(
            f"{display(top)} has changed since the recipe was made: files {', '.join(changes)}; make the recipe again"
        )
    return catalog, place


def _files_of(beside: str | os.PathLike[str], digest: str) -> dict[str, int] | None:
    """Return the digest of each relative path in the JSON; None if it is missing or of another recipe."""
    try:
        with open(beside, encoding="utf-8") as file:
            content = json.load(file)
        if content["digest"] != digest:
            return None
        return {path: int(number, 16) for path, number in content["files"]}
    except (OSError, ValueError, KeyError, TypeError):
        return None


def without(catalog: Catalog, excluded: Sequence[Mapping[str, Any]]) -> Catalog:
    """Return the catalog without the files that meet the conditions of any of `excluded`."""
    mask = np.zeros(catalog.n_files, dtype=bool)
    for step in excluded:
        mask |= catalog.mask(dict(step["where"]))
    return catalog.rows(np.flatnonzero(~mask)) if mask.any() else catalog


def arrays(catalog: Catalog, place: str, every: Sequence[Mapping[str, Any]]) -> Iterator[Array]:
    """Yield the entry of each volume in a recipe, and its array as the viewer shows it.

    `every`: the series of the recipe, each with "uid", "first", "options" and "volumes". `place`: the folder that paths
    are relative to. Each array is freed before the next is made, unless the caller keeps it.

    Raises
    ------
    RecipeError
        If a series is missing or makes other arrays than it did, or if pixels cannot be read or have changed.
    """
    series_of = {}
    for series in catalog.series:
        names = relative_paths(series.catalog.paths, place)
        series_of[series.series_instance_uid, min(names)] = series
    for entry in every:
        if (entry["uid"], entry["first"]) not in series_of:
            raise RecipeError(f"the series of {display(entry['first'])} is missing")
        series = series_of[entry["uid"], entry["first"]]
        volumes, _ = load_series(series, **entry["options"])
        if len(volumes) != len(entry["volumes"]):
            raise RecipeError(
                f"the series of {display(entry['first'])} makes {len(volumes)} volumes, not {len(entry['volumes'])}: "
                "use the version of napari-dicommeta that the recipe was made with"
            )
        for volume, stated in zip(volumes, entry["volumes"], strict=True):
            names = relative_paths([path for path, _ in volume.files], place)
            order = order_digest(zip(names, (frame for _, frame in volume.files), strict=True))
            made = {"shape": tuple(volume.array.shape), "dtype": str(volume.array.dtype), "order": order}
            for name, value in made.items():
                if value != stated[name]:
                    raise RecipeError(
                        f"a volume of the series of {display(entry['first'])} has {name} {value}, not {stated[name]}: "
                        "use the version of napari-dicommeta that the recipe was made with"
                    )
            try:
                array = np.asarray(volume.array)
            except PixelError as error:
                raise RecipeError(display(str(error))) from error
            if stated.get("pixels", "") not in ("", pixels_digest(array)):
                raise RecipeError(f"the pixels of the series of {display(entry['first'])} have changed")
            yield {"first": entry["first"], **stated}, array


def main(volumes: Callable[[Any], Iterator[Array]], folder: str | None, arguments: Sequence[str] | None = None) -> int:
    """Make all volumes and print a line for each; return 0, or 1 after printing an error to stderr.

    The arguments are ``[FOLDER] [--out PATH]``: arrays are written to PATH, a folder for .npy files or a .npz file.
    """
    parser = argparse.ArgumentParser(description="Make the arrays of a recipe.")
    parser.add_argument("folder", metavar="FOLDER", nargs="?", default=folder, help="the folder of the files")
    parser.add_argument(
        "--out", metavar="PATH", help="where to write the arrays: a folder for .npy files, or a .npz file"
    )
    options = parser.parse_args(arguments)
    try:
        sys.stdout.write(
            f"{'array':<10}  {'shape':<20}  {'dtype':<8}  {'units':<6}  {'mm':<24}  first file of its series\n"
        )
        for number, (stated, array) in enumerate(volumes(options.folder), 1):
            name = f"volume_{number:04d}"
            shape = " × ".join(map(str, array.shape))
            spacing = " × ".join("?" if length is None else f"{length:g}" for length in stated["spacing"])
            line = f"{number:<10}  {shape:<20}  {array.dtype!s:<8}  {stated['units']:<6}  {spacing:<24}"
            sys.stdout.write(f"{line}  {display(stated['first'])}\n")
            if options.out:
                _save(array, name, options.out, number == 1)
    except RecipeError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    except OSError as error:
        sys.stderr.write(f"{display(str(error.filename or options.out))}: {error.strerror or error}\n")
        return 1
    return 0


def _save(array: np.ndarray, name: str, out: str, is_first: bool) -> None:
    """Write an array to a folder, or into a .npz file, which the first array overwrites."""
    if not out.endswith(".npz"):
        os.makedirs(out, exist_ok=True)
        np.save(os.path.join(out, f"{name}.npy"), array)
        return
    with (
        zipfile.ZipFile(out, "w" if is_first else "a", zipfile.ZIP_DEFLATED, compresslevel=1) as archive,
        archive.open(f"{name}.npy", "w", force_zip64=True) as file,
    ):
        np.lib.format.write_array(file, array, allow_pickle=False)
