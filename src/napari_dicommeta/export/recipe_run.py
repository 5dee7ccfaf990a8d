"""What the scripts of recipes call: this module keeps its name and its functions.

A script holds what was found as plain values; `unchanged`, `without` and `arrays` follow it, and refuse where the
folder is another one than the recipe was made of.
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
    """16 hexadecimal digits of (relative path, frame) behind each slice, in order."""
    lines = "".join(f"{path}\0{frame}\n" for path, frame in files)
    return blake2b(lines.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()


def pixels_digest(array: np.ndarray) -> str:
    """32 hexadecimal digits of the values of an array, in this machine's byte order."""
    return blake2b(np.ascontiguousarray(array).data, digest_size=16).hexdigest()


def unchanged(
    folder: str | os.PathLike[str] | None, recipe: Mapping[str, Any], beside: str | os.PathLike[str] = ""
) -> tuple[Catalog, str]:
    """The catalog of the files of a recipe, scanned anew, and the folder that its paths are relative to.

    `recipe`: "digest", "n_files", "sources" and "first", as the script holds them. `beside`: its JSON, which names
    files that have changed; without it only their number can be told.

    Raises
    ------
    RecipeError
        If the folder is not given or not there, or holds something else than when the recipe was made.
    """
    if not folder:
        raise RecipeError("where the files are is not known: name their folder, as in `python recipe.py FOLDER`")
    top = os.path.abspath(folder)
    if not os.path.isdir(top):
        raise RecipeError(f"{display(top)}: there is no such folder")
    catalog = scan([os.path.join(top, one) if one else top for one in recipe["sources"]])
    known = _files_of(beside, recipe["digest"])
    names = set(known or recipe["first"])
    place = max(
        (top, common_folder(catalog.paths)), key=lambda one: len(names & set(relative_paths(catalog.paths, one)))
    )
    if known is None:
        if catalog_digest(catalog) != recipe["digest"]:
            what = f"it holds {catalog.n_files:,} files, then {recipe['n_files']:,}"
            if catalog.n_files == recipe["n_files"]:
                what = "a name, a size or a header is another"
            raise RecipeError(
                f"{display(top)} has changed since the recipe was made: {what}; with the recipe's JSON beside the "
                "script the files would be named"
            )
        return catalog, place
    held = dict(zip(relative_paths(catalog.paths, place), file_digests(catalog).tolist(), strict=True))
    differing = {
        "new": sorted(held.keys() - known.keys()),
        "missing": sorted(known.keys() - held.keys()),
        "changed": sorted(name for name in held.keys() & known.keys() if held[name] != known[name]),
    }
    told = [f"{len(paths):,} {what} (first: {display(paths[0])})" for what, paths in differing.items() if paths]
    if told:
        raise RecipeError(
            f"{display(top)} has changed since the recipe was made: files {', '.join(told)}; make the recipe anew"
        )
    return catalog, place


def _files_of(beside: str | os.PathLike[str], digest: str) -> dict[str, int] | None:
    """Relative path -> digest of the JSON of this recipe; None if it is not there, or belongs to another."""
    try:
        with open(beside, encoding="utf-8") as file:
            content = json.load(file)
        if content["digest"] != digest:
            return None
        return {path: int(number, 16) for path, number in content["files"]}
    except (OSError, ValueError, KeyError, TypeError):
        return None


def without(catalog: Catalog, excluded: Sequence[Mapping[str, Any]]) -> Catalog:
    """The catalog without the files for which the conditions of one of `excluded` hold."""
    mask = np.zeros(catalog.n_files, dtype=bool)
    for one in excluded:
        mask |= catalog.mask(dict(one["where"]))
    return catalog.rows(np.flatnonzero(~mask)) if mask.any() else catalog


def arrays(catalog: Catalog, place: str, every: Sequence[Mapping[str, Any]]) -> Iterator[Array]:
    """Yields what a recipe says of each volume, and its array as the viewer shows it.

    `every`: the series of the recipe, each with "uid", "first", "options" and "volumes". `place`: the folder that paths
    are relative to. Each array is let go of before the next is made, unless the caller keeps it.

    Raises
    ------
    RecipeError
        If a series is not there or makes other arrays than it did, or pixels cannot be read.
    """
    found = {}
    for series in catalog.series:
        names = relative_paths(series.catalog.paths, place)
        found[series.series_instance_uid, min(names)] = series
    for entry in every:
        if (entry["uid"], entry["first"]) not in found:
            raise RecipeError(f"the series of {display(entry['first'])} is not there any more")
        series = found[entry["uid"], entry["first"]]
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
            for what, value in made.items():
                if value != stated[what]:
                    raise RecipeError(
                        f"a volume of the series of {display(entry['first'])} has {what} {value}, not {stated[what]}: "
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
    """Make all volumes, print a line for each, and write them where asked to; 0, or 1 with a sentence on stderr.

    ``[FOLDER] [--out PATH]``: PATH is a folder for .npy files, or one file .npz.
    """
    parser = argparse.ArgumentParser(description="Make the arrays of a recipe.")
    parser.add_argument("folder", metavar="FOLDER", nargs="?", default=folder, help="where the files are")
    parser.add_argument("--out", metavar="PATH", help="write the arrays: a folder for .npy files, or a file .npz")
    options = parser.parse_args(arguments)
    try:
        sys.stdout.write(
            f"{'array':<10}  {'shape':<20}  {'dtype':<8}  {'units':<6}  {'mm':<24}  first file of its series\n"
        )
        for number, (stated, array) in enumerate(volumes(options.folder), 1):
            name = f"volume_{number:04d}"
            shape = " × ".join(map(str, array.shape))
            spacing = " × ".join("?" if one is None else f"{one:g}" for one in stated["spacing"])
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
    """One array into a folder, or into a .npz, which is begun anew with the first."""
    if not out.endswith(".npz"):
        os.makedirs(out, exist_ok=True)
        np.save(os.path.join(out, f"{name}.npy"), array)
        return
    with (
        zipfile.ZipFile(out, "w" if is_first else "a", zipfile.ZIP_DEFLATED, compresslevel=1) as archive,
        archive.open(f"{name}.npy", "w", force_zip64=True) as file,
    ):
        np.lib.format.write_array(file, array, allow_pickle=False)
