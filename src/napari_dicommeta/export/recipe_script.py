"""The text of a recipe's script: Python that holds what was found as plain values, and calls `recipe_run`."""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING, Any

from napari_dicommeta.export.recipe_model import OPTIONS
from napari_dicommeta.support.words import counted, display

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from napari_dicommeta.export.recipe_model import Recipe, SeriesRecipe, VolumeRecipe

__all__ = ["script_text"]

WIDTH = 118


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

from napari_dicommeta.export import recipe_run

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
    catalog, place = recipe_run.unchanged(folder, RECIPE, BESIDE)
    series = [
        {{**OF_ALL_SERIES, **one, "volumes": [{{**OF_ALL_VOLUMES, **volume}} for volume in one["volumes"]]}}
        for one in SERIES
    ]
    yield from recipe_run.arrays(recipe_run.without(catalog, EXCLUDED), place, series)


if __name__ == "__main__":
    sys.exit(recipe_run.main(volumes, FOLDER))
'''
