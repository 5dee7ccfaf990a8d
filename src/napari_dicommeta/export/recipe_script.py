"""The text of a recipe's script, and what that script calls when it runs.

A script holds what was found as plain values; `unchanged`, `without` and `arrays` follow it, and refuse where the
folder is another one than the recipe was made of.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import zipfile
from collections import Counter
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_dicommeta.catalog.digest import common_folder, digest_of, file_digests, relative_paths
from napari_dicommeta.support.errors import PixelError, RecipeError
from napari_dicommeta.support.words import counted, display
from napari_dicommeta.volumes.load import load_series

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from napari_dicommeta.catalog.catalog import Catalog
    from napari_dicommeta.export.recipe import Recipe, SeriesRecipe, VolumeRecipe

__all__ = ["arrays", "main", "order_of", "pixels_of", "script_text", "unchanged", "without"]

WIDTH = 118
OPTIONS = {"split": "auto", "padding": "keep", "missing_rescale": "refuse"}
"""How `load` opens a series where no step says otherwise."""
Array = tuple[dict[str, Any], np.ndarray]


# -- running ------------------------------------------------------------------------------------------


def order_of(files: Iterable[tuple[str, int]]) -> str:
    """16 hexadecimal digits of (relative path, frame) behind each slice, in order."""
    lines = "".join(f"{path}\0{frame}\n" for path, frame in files)
    return blake2b(lines.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()


def pixels_of(array: np.ndarray) -> str:
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
    from napari_dicommeta.scanning.scan import scan

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
        if digest_of(catalog) != recipe["digest"]:
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
            order = order_of(zip(names, (frame for _, frame in volume.files), strict=True))
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
            if stated.get("pixels", "") not in ("", pixels_of(array)):
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


# -- the text -----------------------------------------------------------------------------------------


def script_text(recipe: Recipe, beside: str) -> str:
    """The script of `recipe`, Python; `beside` is the name of its JSON."""
    series = [_series(recipe, one) for one in recipe.series]
    volumes = [volume for one in series for volume in one["volumes"]]
    of_all_series, of_all_volumes = _common(series, ("uid", "first", "volumes")), _common(volumes, ("order",))
    for volume in volumes:
        for what in of_all_volumes:
            del volume[what]
    for one in series:
        for what in of_all_series:
            del one[what]
    has_pixels = all(volume.pixels for one in recipe.series for volume in one.volumes)
    counts = Counter(step for _, step in recipe.excluded)
    excluded = [
        {"where": dict(step.selection), "files": counts[n], "reason": display(step.reason)}
        for n, step in enumerate(recipe.steps)
        if step.kind == "exclude"
    ]
    stated = {
        "digest": recipe.digest,
        "n_files": len(recipe.files),
        "sources": recipe.sources,
        "first": tuple(one.first for one in recipe.series[:20]),
    }
    decided = [
        f"#   {_comment(f'{step.kind} = {step.value}', step.reason)}" for step in recipe.steps if step.kind in OPTIONS
    ]
    advice = [f"#   {_comment(step.value, step.reason)}" for step in recipe.steps if step.is_advice]
    told = ["# Decided, as the options of the series say:", *decided] if decided else []
    told += ["# Advice that a person follows; nothing of it is done here:", *advice] if advice else []
    return _TEXT.format(
        version=recipe.version,
        digest=recipe.digest,
        n_files=f"{len(recipe.files):,}",
        n_series=f"{len(recipe.series):,}",
        volumes=counted(recipe.n_volumes, "volume"),
        pixels=", or a pixel" if has_pixels else "; pixels that changed alone it does not see",
        beside=json.dumps(beside),
        folder=repr(recipe.folder) if recipe.folder else "None  # not known: name it as the argument",
        recipe=_literal(stated),
        excluded=_literal(excluded),
        of_all_series=_literal(of_all_series),
        of_all_volumes=_literal(of_all_volumes),
        series=_lines(series),
        told="\n".join(["", *told, ""]) if told else "",
    )


def _series(recipe: Recipe, one: SeriesRecipe) -> dict[str, Any]:
    refused = {
        display(reason): f"{len(files)} file{'s' if len(files) > 1 else ''}, first {recipe.files[files[0]][0]}"
        for reason, files in one.refusals
    }
    return {
        "uid": one.uid,
        "first": one.first,
        "modality": one.modality,
        "options": dict(one.options),
        **({"refused": refused} if refused else {}),
        "volumes": [_volume(recipe, volume) for volume in one.volumes],
    }


def _volume(recipe: Recipe, one: VolumeRecipe) -> dict[str, Any]:
    left_out: dict[str, str] = {}
    for number, reason in one.left_out:
        left_out[recipe.files[number][0]] = display(reason)
    found = {
        "shape": one.shape,
        "dtype": one.dtype,
        "units": one.units,
        "spacing": one.spacing,
        "orientation": one.orientation,
        **{what: _texts(texts) for what, texts in one.found},
        "windows": [window[:2] if window[2:] == ("LINEAR", "") else window for window in one.windows],
        "order": one.order,
    }
    seldom = {"axis": one.axis, "split": one.split, "left_out": left_out, "pixels": one.pixels}
    return found | {what: value for what, value in seldom.items() if value}


def _texts(texts: tuple[str | None, ...]) -> str | tuple[str | None, ...] | None:
    """What files state: one text, a few, or of many the first and the last by number."""
    if len(texts) == 1:
        return texts[0]
    if len(texts) <= 4:
        return texts
    return (texts[0], f"… {len(texts) - 2} more …", texts[-1])


def _common(entries: Sequence[Mapping[str, Any]], own: Sequence[str]) -> dict[str, Any]:
    """What all of several entries say alike, without what is each one's `own`."""
    if len(entries) < 2:
        return {}
    first, *rest = entries
    return {
        what: value
        for what, value in first.items()
        if what not in own and all(what in one and one[what] == value for one in rest)
    }


def _literal(value: Any) -> str:
    """A value as Python, its items side by side as far as they go into a line."""
    if isinstance(value, dict):
        items = [f"{key!r}: {_literal(one)}" for key, one in value.items()]
    elif isinstance(value, (list, tuple)) and value:
        items = [_literal(one) for one in value]
    else:
        return repr(value)
    opening, closing = ("{", "}") if isinstance(value, dict) else ("[", "]") if isinstance(value, list) else ("(", ")")
    last = "," if isinstance(value, tuple) and len(value) == 1 else ""
    lines, line = [], opening
    for n, item in enumerate(items, 1):
        text = item + ("," if n < len(items) else last)
        if line != opening and len(line) + len(text) >= WIDTH:
            lines.append(line)
            line = ""
        line += text if line == opening else f" {text}"
    return "\n".join([*lines, line + closing])


def _lines(entries: Sequence[Mapping[str, Any]]) -> str:
    """Entries as a list, each beginning on a line of its own."""
    return "".join(["[\n", *(f"{_literal(entry)},\n" for entry in entries), "]"])


def _comment(*parts: str) -> str:
    return display(": ".join(part for part in parts if part), 500)


_TEXT = '''"""Makes {volumes} of {n_series} series in {n_files} DICOM files, as napari-dicommeta shows them.

Made by napari-dicommeta {version} of a catalog with the digest {digest}. Run it as

    python recipe.py [FOLDER] [--out PATH]

It names files and UIDs, which may tell whose images they are, but neither patients nor dates. It refuses to run where
a name, a size or a header in the folder has changed{pixels}.
The file {beside} beside it holds a digest of each file, the files behind each slice, and all of
this for other programs.
"""

import os
import sys

import napari_dicommeta.export.recipe_script as steps

FOLDER = {folder}
BESIDE = os.path.join(os.path.dirname(os.path.abspath(__file__)), {beside})
RECIPE = {recipe}

# Files that are left out as was asked for, by the values that they hold.
EXCLUDED = {excluded}

# What all series, and all volumes, have in common.
# options: how a series is opened, see napari_dicommeta.load; refused: files that make no volume, and why.
# shape: (k, j, i), slices, rows, columns; spacing: mm of each; orientation: Image Orientation (Patient); slope,
# intercept, padding: as the files state them; windows: (center, width) or with function and name; split: why it was
# parted from its series; left_out: files that are copies; axis: what tells the volumes of a fourth axis apart;
# order: a digest of the file and frame behind each slice; pixels: a digest of the values.
OF_ALL_SERIES = {of_all_series}
OF_ALL_VOLUMES = {of_all_volumes}
{told}
SERIES = {series}


def volumes(folder=FOLDER):
    """Yields (what is said of it above, numpy array) for each volume."""
    catalog, place = steps.unchanged(folder, RECIPE, BESIDE)
    series = [
        {{**OF_ALL_SERIES, **one, "volumes": [{{**OF_ALL_VOLUMES, **volume}} for volume in one["volumes"]]}}
        for one in SERIES
    ]
    yield from steps.arrays(steps.without(catalog, EXCLUDED), place, series)


if __name__ == "__main__":
    sys.exit(steps.main(volumes, FOLDER))
'''
