"""The text of a recipe's script: Python that holds the recipe as plain values and calls `recipe_run`."""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING, Any

from napari_dicommeta.export.recipe_model import OPTIONS
from napari_dicommeta.support.words import counted, display

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from napari_dicommeta.export.recipe_model import Recipe, SeriesRecipe, VolumeRecipe

__all__ = ["check_is_script", "script_text"]

WIDTH = 118
NAMES = {
    True: "This script names files and UIDs, which may identify patients, but no names of patients and no dates.",
    False: "This script names no files, UIDs or texts of files: a file is known by the digest of its header, and by\n"
    "its number in the order of the paths.",
}
"""What a script says about itself, by whether its recipe is full."""
SIGNATURE = "\nWritten by napari-dicommeta "
"""What is in each script."""


def check_is_script(text: str) -> None:
    """Raise ValueError if `text` is no script of a recipe."""
    if SIGNATURE not in text:
        raise ValueError("it is no script of a recipe")


def script_text(recipe: Recipe, beside: str) -> str:
    """Return the Python script of `recipe`; `beside` is the name of its JSON file."""
    entries = [_series(recipe, series) for series in recipe.series]
    volumes = [volume for entry in entries for volume in entry["volumes"]]
    all_series, all_volumes = _common(entries, ("uid", "digest", "first", "volumes")), _common(volumes, ("order",))
    for volume in volumes:
        for name in all_volumes:
            del volume[name]
    for entry in entries:
        for name in all_series:
            del entry[name]
    has_pixels = all(volume.pixels for series in recipe.series for volume in series.volumes)
    counts = Counter(step for _, step in recipe.excluded)
    excluded = [
        {**_left_out_by(recipe, n), "files": counts[n], "reason": display(step.reason)}
        for n, step in enumerate(recipe.steps)
        if step.kind == "exclude"
    ]
    stated = {
        "digest": recipe.digest,
        "n_files": len(recipe.files),
        "sources": recipe.sources,
        "first": tuple(series.first for series in recipe.series[:20]) if recipe.is_full else (),
    }
    decided = [
        f"#   {_comment(f'{step.kind} = {step.value}', step.reason)}" for step in recipe.steps if step.kind in OPTIONS
    ]
    advice = [f"#   {_comment(step.value, step.reason)}" for step in recipe.steps if step.is_advice]
    notes = ["# Decisions, included in the options of the series:", *decided] if decided else []
    notes += ["# Advice for a person to follow; this script does not:", *advice] if advice else []
    return _TEXT.format(
        version=recipe.version,
        digest=recipe.digest,
        n_files=f"{len(recipe.files):,}",
        n_series=f"{len(recipe.series):,}",
        volumes=counted(recipe.n_volumes, "volume"),
        pixels=", or a pixel" if has_pixels else ";\nit does not detect changes of pixels alone",
        folders="[FOLDER]" if recipe.folder else "FOLDER" if recipe.sources else "SOURCE ...",
        names=NAMES[recipe.is_full],
        beside=json.dumps(beside),
        folder=repr(recipe.folder) if recipe.folder else "None  # unknown: give it as an argument",
        recipe=_literal(stated),
        excluded=_literal(excluded),
        all_series=_literal(all_series),
        all_volumes=_literal(all_volumes),
        series=_lines(entries),
        notes="\n".join(["", *notes, ""]) if notes else "",
    )


def _left_out_by(recipe: Recipe, n: int) -> dict[str, Any]:
    """Return the conditions of step `n`, or the digests of its files if the recipe may not state the conditions."""
    if recipe.steps[n].selection:
        return {"where": dict(recipe.steps[n].selection)}
    return {"digests": tuple(recipe.files[file][1] for file, step in recipe.excluded if step == n)}


def _name(recipe: Recipe, file: int) -> str:
    return recipe.files[file][0] or f"file {file + 1}"


def _series(recipe: Recipe, series: SeriesRecipe) -> dict[str, Any]:
    refused = {
        display(reason): f"{counted(len(files), 'file')}, first {_name(recipe, files[0])}"
        for reason, files, _ in series.refusals
    }
    named = {"uid": series.uid, "first": series.first}
    return {
        **(named if recipe.is_full else {"digest": series.digest, "first": series.number}),
        "modality": series.modality,
        "options": dict(series.options),
        **({"among": True} if series.among else {}),
        **({"refused": refused} if refused else {}),
        "volumes": [_volume(recipe, volume) for volume in series.volumes],
    }


def _volume(recipe: Recipe, volume: VolumeRecipe) -> dict[str, Any]:
    left_out: dict[str, str] = {}
    for number, reason in volume.left_out:
        left_out[_name(recipe, number)] = display(reason)
    entry = {
        "shape": volume.shape,
        "dtype": volume.dtype,
        "units": volume.units,
        "spacing": volume.spacing,
        "orientation": volume.orientation,
        **{name: _texts(texts) for name, texts in volume.found},
        "windows": [window[:2] if window[2:] == ("LINEAR", "") else window for window in volume.windows],
        "order": volume.order,
    }
    segments = {value: display(name) for value, name in volume.segments}
    optional: dict[str, Any] = {"axis": volume.axis, "split": volume.split, "left_out": left_out}
    optional |= {"pixels": volume.pixels, "segments": segments}
    return entry | {name: value for name, value in optional.items() if value}


def _texts(texts: tuple[str | None, ...]) -> str | tuple[str | None, ...] | None:
    """Return a single text as it is, up to four as a tuple, and of more the first, their number and the last."""
    if len(texts) == 1:
        return texts[0]
    if len(texts) <= 4:
        return texts
    return (texts[0], f"… {len(texts) - 2} more …", texts[-1])


def _common(entries: Sequence[Mapping[str, Any]], own: Sequence[str]) -> dict[str, Any]:
    """Return the items that all of several entries have in common, except those named in `own`."""
    if len(entries) < 2:
        return {}
    first, *rest = entries
    return {
        name: value
        for name, value in first.items()
        if name not in own and all(name in entry and entry[name] == value for entry in rest)
    }


def _literal(value: Any) -> str:
    """Return a value as Python source, with as many items per line as fit."""
    if isinstance(value, dict):
        items = [f"{key!r}: {_literal(item)}" for key, item in value.items()]
    elif isinstance(value, (list, tuple)) and value:
        items = [_literal(item) for item in value]
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
    """Return entries as the source of a list, each starting on its own line."""
    return "".join(["[\n", *(f"{_literal(entry)},\n" for entry in entries), "]"])


def _comment(*parts: str) -> str:
    return display(": ".join(part for part in parts if part), 500)


_TEXT = '''"""Make {volumes} of {n_series} series in {n_files} DICOM files, as napari-dicommeta shows them.

Written by napari-dicommeta {version} for a catalog with the digest {digest}. Run it as

    python recipe.py {folders} [--out PATH]

{names}
It refuses to run if a name, a size or a header in the folder has changed{pixels}.
The file {beside} beside it holds the same for other programs, with a digest of each file and the
files of each slice.
"""

import os
import sys

from napari_dicommeta.export import recipe_run

FOLDER = {folder}
BESIDE = os.path.join(os.path.dirname(os.path.abspath(__file__)), {beside})
RECIPE = {recipe}

# Files to leave out, selected by their values.
EXCLUDED = {excluded}

# The entries that all series, and all volumes, have in common.
# options: the arguments of napari_dicommeta.load for a series; among: whether other series are looked into for it, as
# RT structures are drawn on images, so that it cannot be made alone; refused: files that make no volume, and why.
# shape: (k, j, i), slices, rows, columns; spacing: mm of each; orientation: Image Orientation (Patient); slope,
# intercept, padding: values in the files; windows: (center, width), or with function and name; split: why the volume
# was split from its series; left_out: duplicate files; axis: the attribute along the fourth axis; order: a digest of
# the file and frame of each slice; pixels: a digest of the values; segments: the names of values of labels.
ALL_SERIES = {all_series}
ALL_VOLUMES = {all_volumes}
{notes}
SERIES = {series}


def volumes(folder=FOLDER):
    """Yield (entry of the recipe, NumPy array) for each volume."""
    catalog, place = recipe_run.unchanged(folder, RECIPE, BESIDE)
    series = [
        {{**ALL_SERIES, **entry, "volumes": [{{**ALL_VOLUMES, **volume}} for volume in entry["volumes"]]}}
        for entry in SERIES
    ]
    yield from recipe_run.arrays(recipe_run.without(catalog, EXCLUDED), place, series)


if __name__ == "__main__":
    sys.exit(recipe_run.main(volumes, FOLDER))
'''
