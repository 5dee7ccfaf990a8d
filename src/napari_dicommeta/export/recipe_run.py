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
from contextlib import contextmanager
from functools import partial
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_dicommeta.catalog.digest import catalog_digest, common_folder, file_digests, relative_paths
from napari_dicommeta.scanning.scan import scan
from napari_dicommeta.scanning.sources import check_sources, source_paths
from napari_dicommeta.support.atomic import replacing, write_failure
from napari_dicommeta.support.errors import PixelError, RecipeError
from napari_dicommeta.support.words import display
from napari_dicommeta.volumes.load import load_series

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from napari_dicommeta.catalog.catalog import Catalog

__all__ = ["arrays", "main", "order_digest", "pixels_digest", "series_digest", "unchanged", "without"]

Array = tuple[dict[str, Any], np.ndarray]


def order_digest(files: Iterable[tuple[str, int]]) -> str:
    """Return a digest of the (relative path, frame) of each slice, in order: 16 hexadecimal digits.

    A recipe that names no files has the digest of each file in place of its path.
    """
    lines = "".join(f"{path}\0{frame}\n" for path, frame in files)
    return blake2b(lines.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()


def series_digest(digests: Iterable[str]) -> str:
    """Return a digest of the digests of a series' files, in any order: 16 hexadecimal digits."""
    return blake2b("".join(sorted(digests)).encode(), digest_size=8).hexdigest()


def pixels_digest(array: np.ndarray) -> str:
    """Return a digest of the values of an array, in this machine's byte order: 32 hexadecimal digits."""
    return blake2b(np.ascontiguousarray(array).data, digest_size=16).hexdigest()


def unchanged(
    folder: str | os.PathLike[str] | Sequence[str | os.PathLike[str]] | None,
    recipe: Mapping[str, Any],
    beside: str | os.PathLike[str] = "",
) -> tuple[Catalog, str]:
    """Scan the files of a recipe again; return their catalog and the folder that its paths are relative to.

    `recipe`: "digest", "n_files", "sources" and "first", as in the script. Without "sources", the recipe is of several
    sources that it does not name: `folder` is all of them. `beside`: the path of the recipe's JSON, needed to name
    changed files in the error.

    Raises
    ------
    RecipeError
        If the folder is not given, does not exist, or has changed since the recipe was made.
    """
    given = (folder,) if isinstance(folder, (str, os.PathLike)) else folder or ()
    if not given or not all(given):
        raise RecipeError("the folder of the files is unknown: give it as an argument, as in `python recipe.py FOLDER`")
    tops = source_paths(given)
    for top in tops:
        try:
            check_sources([top])
        except FileNotFoundError as error:
            raise RecipeError(f"{display(top)}: the folder does not exist") from error
    sources = recipe["sources"] or ("",)
    catalog = scan([os.path.join(top, source) if source else top for top in tops for source in sources])
    known = _files_of(beside, recipe["digest"])
    names = {name for name, _ in known or ()} or {*recipe["first"]}
    place = max(
        (tops[0], common_folder(catalog.paths)),
        key=lambda folder: len(names & set(relative_paths(catalog.paths, folder))),
    )
    if catalog_digest(catalog) != recipe["digest"] and (changes := _changes(catalog, place, known, recipe["n_files"])):
        raise RecipeError(f"{display(', '.join(tops))} has changed since the recipe was made: {changes}")
    return catalog, place


def _changes(catalog: Catalog, place: str, known: Sequence[tuple[str, int]] | None, n_files: int) -> str:
    """Return what differs from the (path, digest) of the `known` files; without paths, files are known by digest."""
    if known is None:
        change = f"it holds {catalog.n_files:,} files instead of {n_files:,}"
        if catalog.n_files == n_files:
            change = "a name, a size or a header differs"
        return f"{change}; put the recipe's JSON beside the script to see which files"
    digests = file_digests(catalog).tolist()
    if any(name for name, _ in known):
        held, before = dict(zip(relative_paths(catalog.paths, place), digests, strict=True)), dict(known)
        differing = {
            "new": sorted(held.keys() - before.keys()),
            "missing": sorted(before.keys() - held.keys()),
            "changed": sorted(name for name in held.keys() & before.keys() if held[name] != before[name]),
        }
    else:
        stated, held_digests = {digest for _, digest in known}, {*digests}
        names = [os.path.basename(path) for path in catalog.paths]
        differing = {
            "new or changed": [name for name, digest in zip(names, digests, strict=True) if digest not in stated],
            "missing or changed": [
                f"number {n}" for n, (_, digest) in enumerate(known, 1) if digest not in held_digests
            ],
        }
        if not any(differing.values()):
            differing["renamed, moved or copied"] = ["unknown, as the recipe names no files"]
    changes = [f"{len(paths):,} {kind} (first: {display(paths[0])})" for kind, paths in differing.items() if paths]
    return f"files {', '.join(changes)}; make the recipe again" if changes else ""


def _files_of(beside: str | os.PathLike[str], digest: str) -> list[tuple[str, int]] | None:
    """Return the relative path and digest of each file in the JSON; None if it is missing or of another recipe."""
    try:
        with open(beside, encoding="utf-8") as file:
            content = json.load(file)
        if content["digest"] != digest:
            return None
        return [(path, int(number, 16)) for path, number in content["files"]]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None


def without(catalog: Catalog, excluded: Sequence[Mapping[str, Any]]) -> Catalog:
    """Return the catalog without the files of any of `excluded`: by conditions, "where", or by "digests" of files."""
    mask = np.zeros(catalog.n_files, dtype=bool)
    for step in excluded:
        if "where" in step:
            mask |= catalog.mask(dict(step["where"]))
        else:
            mask |= np.isin(file_digests(catalog), np.array([int(digest, 16) for digest in step["digests"]], np.uint64))
    return catalog.rows(np.flatnonzero(~mask)) if mask.any() else catalog


def arrays(catalog: Catalog, place: str, every: Sequence[Mapping[str, Any]]) -> Iterator[Array]:
    """Yield the entry of each volume in a recipe, and its array as the viewer shows it.

    `every`: the series of the recipe, each with "options", "volumes", "first", and "uid" or "digest". "among", which
    older scripts lack: whether other series of `catalog` are looked into for it, as for RT structures. In a recipe that
    names no files, "digest" is that of the series, and "first" is the number of its first file. `place`: the folder
    that paths are relative to. Each array is freed before the next is made, unless the caller keeps it.

    Raises
    ------
    RecipeError
        If a series is missing or makes other arrays than it did, or if pixels cannot be read or have changed.
    """
    is_named = not any("digest" in entry for entry in every)
    names = relative_paths(catalog.paths, place)
    if not is_named:
        names = [f"{digest:016x}" for digest in file_digests(catalog).tolist()]
    name_of = dict(zip(catalog.paths, names, strict=True))
    series_of = {}
    for series in catalog.series:
        own = [name_of[path] for path in series.catalog.paths]
        key = (series.series_instance_uid, min(own)) if is_named else series_digest(own)
        series_of[key] = series
    for entry in every:
        label = display(entry["first"]) if is_named else f"file {entry['first']}"
        key = (entry["uid"], entry["first"]) if is_named else entry["digest"]
        if key not in series_of:
            raise RecipeError(f"the series of {label} is missing")
        among = catalog.series if entry.get("among") else None
        volumes, _ = load_series(series_of[key], **entry["options"], among=among)
        if len(volumes) != len(entry["volumes"]):
            raise RecipeError(
                f"the series of {label} makes {len(volumes)} volumes, not {len(entry['volumes'])}: "
                "use the version of napari-dicommeta that the recipe was made with"
            )
        for volume, stated in zip(volumes, entry["volumes"], strict=True):
            order = order_digest((name_of[path], frame) for path, frame in volume.files)
            made = {"shape": tuple(volume.array.shape), "dtype": str(volume.array.dtype), "order": order}
            for name, value in made.items():
                if value != stated[name]:
                    raise RecipeError(
                        f"a volume of the series of {label} has {name} {value}, not {stated[name]}: "
                        "use the version of napari-dicommeta that the recipe was made with"
                    )
            try:
                array = np.asarray(volume.array)
            except PixelError as error:
                raise RecipeError(display(str(error))) from error
            if stated.get("pixels", "") not in ("", pixels_digest(array)):
                raise RecipeError(f"the pixels of the series of {label} have changed")
            yield {"first": entry["first"] if is_named else label, **stated}, array


def main(volumes: Callable[[Any], Iterator[Array]], folder: str | None, arguments: Sequence[str] | None = None) -> int:
    """Make all volumes and print a line for each; return 0, or 1 after printing an error to stderr.

    The arguments are ``[FOLDER …] [--out PATH]``: arrays are written to PATH, a folder for .npy files or a .npz file.
    """
    parser = argparse.ArgumentParser(description="Make the arrays of a recipe.")
    parser.add_argument("folders", metavar="FOLDER", nargs="*", help="the folder of the files, or all their sources")
    parser.add_argument(
        "--out", metavar="PATH", help="where to write the arrays: a folder for .npy files, or a .npz file"
    )
    options = parser.parse_args(arguments)
    try:
        sys.stdout.write(
            f"{'array':<10}  {'shape':<20}  {'dtype':<8}  {'units':<6}  {'mm':<24}  first file of its series\n"
        )
        with _saving(options.out) as save:
            for number, (stated, array) in enumerate(volumes(options.folders or folder), 1):
                shape = " × ".join(map(str, array.shape))
                spacing = " × ".join("?" if length is None else f"{length:g}" for length in stated["spacing"])
                line = f"{number:<10}  {shape:<20}  {array.dtype!s:<8}  {stated['units']:<6}  {spacing:<24}"
                sys.stdout.write(f"{line}  {display(stated['first'])}\n")
                save(f"volume_{number:04d}.npy", array)
    except RecipeError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    except OSError as error:
        sys.stderr.write(f"{display(write_failure(error, options.out or 'the output'), 400)}\n")
        return 1
    return 0


@contextmanager
def _saving(out: str | None) -> Iterator[Callable[[str, np.ndarray], None]]:
    """Yield a function that saves an array under a name: in the folder `out`, or in a .npz file once all are made."""
    if not out:
        yield lambda name, array: None
    elif out.endswith(".npz"):
        with (
            replacing(out) as temporary,
            zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as file,
        ):
            yield partial(_add, file)
    else:
        os.makedirs(out, exist_ok=True)
        yield partial(_save, out)


def _save(folder: str, name: str, array: np.ndarray) -> None:
    with replacing(os.path.join(folder, name)) as temporary, open(temporary, "wb") as file:
        np.lib.format.write_array(file, array, allow_pickle=False)


def _add(archive: zipfile.ZipFile, name: str, array: np.ndarray) -> None:
    with archive.open(name, "w", force_zip64=True) as file:
        np.lib.format.write_array(file, array, allow_pickle=False)
