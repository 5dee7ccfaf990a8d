"""Recipes: which arrays a folder makes and how, as a record, as JSON, and as a script that makes them again.

A recipe is made from headers; pixels are read only on request. `recipe_script` writes the text of the script.
"""

from __future__ import annotations

import math
import os
from typing import TYPE_CHECKING

import numpy as np

from napari_dicommeta._version import __version__
from napari_dicommeta.catalog.digest import catalog_digest, common_folder, file_digests, relative_paths
from napari_dicommeta.catalog.shareable import odd_texts
from napari_dicommeta.dicom.functional_groups import GROUPS
from napari_dicommeta.export.printable import kind_title, refusal_reason
from napari_dicommeta.export.recipe_model import OPTIONS, Recipe, SeriesRecipe, Step, VolumeRecipe, recipe_of_json
from napari_dicommeta.export.recipe_run import order_digest, pixels_digest, series_digest
from napari_dicommeta.export.recipe_script import check_is_script, script_text
from napari_dicommeta.export.recipe_sharing import without_persons
from napari_dicommeta.export.tables import phi_name
from napari_dicommeta.scanning.sources import source_paths
from napari_dicommeta.support.atomic import write_texts
from napari_dicommeta.volumes.load import load_series
from napari_dicommeta.volumes.rescale import PADDINGS
from napari_dicommeta.volumes.stacks import split_keyword

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from napari_dicommeta.catalog.catalog import Catalog, Series
    from napari_dicommeta.findings.finding import Finding
    from napari_dicommeta.scanning.sources import Source
    from napari_dicommeta.volumes.volume import Volume

__all__ = ["make_recipe", "recipe_paths", "step_of", "steps_of", "write_recipe"]

VALUE_TAGS = {
    "slope": "RescaleSlope",
    "intercept": "RescaleIntercept",
    "rescale_type": "RescaleType",
    "padding": "PixelPaddingValue",
    "padding_limit": "PixelPaddingRangeLimit",
}
_STEP_OF_CODE = {
    "gap": ("split", "gaps"),
    "padding": ("padding", "air"),
    "rescale-in-part": ("missing_rescale", "series"),
    "hu-intercept": ("exclude", ""),
    "hu-intercept-missing": ("exclude", ""),
    "hu-intercept-doubled": ("exclude", ""),
    "hu-intercept-sign": ("exclude", ""),
    "hu-rescale-twice": ("exclude", ""),
    "hu-sign": ("exclude", ""),
    "hu-slope": ("exclude", ""),
    "hu-below": ("exclude", ""),
}


def make_recipe(
    catalog: Catalog,
    source: Source | Sequence[Source] | None = None,
    *,
    steps: Sequence[Step] = (),
    pixels: bool = False,
    full: bool = False,
    progress: Callable[[int, int], object] | None = None,
) -> Recipe:
    """Return the recipe of all volumes that `load` makes of `catalog` after `steps`, those of RT structures too.

    `source` is the source that was scanned, all of it in `catalog`, or None if unknown, as for a saved catalog. With
    `pixels`, all pixels are read, and the script refuses changed pixels; else it checks only names, sizes and headers.
    Unless `full`, the recipe names no folder, file, UID or text of a file, so its script needs the folder as an
    argument; files are known by digests. Reasons of `steps` are kept as they are, unless they quote an odd value.
    `progress` is called with the number of series done and the number of all series, as each is loaded.

    Raises
    ------
    ValueError
        If a step has a value that `load` does not know, or a selection with an unknown tag.
    PixelError
        If pixels cannot be read, with `pixels`.

    Examples
    --------
    >>> recipe = dm.make_recipe(dm.scan("Chest CT phantom"), "Chest CT phantom")
    >>> recipe.n_volumes
    1
    """
    for step in steps:
        if step.kind in OPTIONS:
            _check_option(step)
        elif step.kind == "exclude" and not step.selection:
            raise ValueError("a step that leaves files out needs a selection: without it, all files would be left out")
    folder, sources = _place(catalog, source)
    names = relative_paths(catalog.paths, folder)
    digests = [f"{digest:016x}" for digest in file_digests(catalog).tolist()]
    numbers = {path: n for n, path in enumerate(catalog.paths)}
    excluded = _excluded(catalog, steps)
    rows = np.setdiff1d(np.arange(catalog.n_files), np.fromiter(excluded, np.intp, len(excluded)))
    all_series = (catalog.rows(rows) if excluded else catalog).series
    stated = _stated(catalog)
    chosen = [(step, catalog.mask(dict(step.selection))) for step in steps if step.kind in OPTIONS]
    recipes = []
    for done, series in enumerate(all_series, 1):
        recipes.append(_series(series, all_series, rows[series.rows], numbers, names, digests, stated, chosen, pixels))
        if progress is not None:
            progress(done, len(all_series))
    recipe = Recipe(
        version=__version__,
        digest=catalog_digest(catalog),
        folder=folder if source is not None else "",
        sources=sources,
        files=tuple(zip(names, digests, strict=True)),
        steps=tuple(steps),
        excluded=tuple(sorted(excluded.items())),
        series=tuple(recipes),
    )
    return recipe if full else without_persons(recipe, odd_texts(catalog.file_rows.store))


def step_of(finding: Finding) -> Step | None:
    """Return the step that a recipe can run for a finding; None if there is none, so that a person must act."""
    if finding.code not in _STEP_OF_CODE:
        return None
    kind, value = _STEP_OF_CODE[finding.code]
    if kind == "exclude" and not finding.selection:
        return None
    return Step(kind, value, finding.selection, _title(finding))


def steps_of(findings: Iterable[Finding]) -> tuple[Step, ...]:
    """Return a step for each finding: one that the recipe can run, or else its advice, for a person to follow."""
    return tuple(
        step_of(finding) or Step("advice", "", finding.selection, f"{_title(finding)}: {finding.advice}")
        for finding in findings
    )


def _title(finding: Finding) -> str:
    """Return the title of a finding; of one about pixels, which names its series, the title of its kind."""
    return kind_title(finding.code) if finding.code.startswith("hu-") else finding.title


def write_recipe(recipe: Recipe, path: str | os.PathLike[str]) -> tuple[str, str]:
    """Write the script to `path` and the JSON beside it, with the suffix .json; return both paths.

    Both are written to temporary files first, then renamed, and only their owner can read them. The names of a full
    recipe are made with `tables.phi_name`, since it names files and UIDs.

    Raises
    ------
    OSError
        If a file cannot be written.
    ValueError
        If `path` ends in .json, or if one of the files exists and is not a recipe.
    """
    script, json_path = recipe_paths(path, recipe.is_full)
    write_texts({json_path: recipe.to_json(), script: script_text(recipe, os.path.basename(json_path))})
    return script, json_path


def recipe_paths(path: str | os.PathLike[str], full: bool) -> tuple[str, str]:
    """Return the paths of the script and the JSON that `write_recipe` writes.

    Raises
    ------
    ValueError
        If `path` ends in .json, or if one of the files exists and is not a recipe.
    OSError
        If a file that exists cannot be read.
    """
    script = os.path.abspath(phi_name(path) if full else os.fspath(path))
    stem, suffix = os.path.splitext(script)
    if suffix.lower() == ".json":
        raise ValueError(f"{os.path.basename(script)}: the script needs another suffix than .json; use .py")
    json_path = f"{stem}.json"
    for target, check in ((json_path, recipe_of_json), (script, check_is_script)):
        if os.path.isfile(target):
            _check_is_recipe(target, check)
    return script, json_path


def _check_is_recipe(path: str, check: Callable[[str], object]) -> None:
    try:
        with open(path, encoding="utf-8") as file:
            check(file.read())
    except ValueError as error:
        name = os.path.basename(path)
        raise ValueError(f"{name} exists and is not a recipe: it would be overwritten; choose another name") from error


def _check_option(step: Step) -> None:
    allowed = {"padding": PADDINGS, "missing_rescale": ("refuse", "series")}
    if step.kind == "split":
        split_keyword(step.value)
    elif step.value not in allowed[step.kind]:
        raise ValueError(f"{step.kind} must be one of {', '.join(allowed[step.kind])}, not {step.value!r}")


def _place(catalog: Catalog, source: Source | Sequence[Source] | None) -> tuple[str, tuple[str, ...]]:
    """Return the folder that paths are relative to, and the paths in it that are scanned."""
    if source is not None:
        paths = list(source_paths(source))
        folder = paths[0] if len(paths) == 1 and os.path.isdir(paths[0]) else common_folder(paths)
        if folder and all(path.startswith(os.path.join(folder, "")) for path in catalog.paths):
            return folder, tuple(
                "" if path == folder else name for path, name in zip(paths, relative_paths(paths, folder), strict=True)
            )
    return common_folder(catalog.paths), ("",)


def _excluded(catalog: Catalog, steps: Sequence[Step]) -> dict[int, int]:
    step_numbers: dict[int, int] = {}
    for n, step in enumerate(steps):
        if step.kind == "exclude":
            for row in np.flatnonzero(catalog.mask(dict(step.selection))).tolist():
                step_numbers.setdefault(row, n)
    return step_numbers


def _stated(catalog: Catalog) -> dict[str, dict[str, str | None]]:
    """Return the text of each of `VALUE_TAGS` by path, from the top level or else from functional groups."""
    stated: dict[str, dict[str, str | None]] = {}
    for name, keyword in VALUE_TAGS.items():
        nested = [f"{group}.PixelValueTransformationSequence.{keyword}" for group in GROUPS]
        places = [keyword, *nested] if keyword.startswith("Rescale") else [keyword]
        columns = [catalog.column_texts(place) for place in places]
        texts = [next((text for text in row if text is not None), None) for row in zip(*columns, strict=True)]
        if any(text is not None for text in texts):
            stated[name] = dict(zip(catalog.paths, texts, strict=True))
    return stated


def _series(
    series: Series,
    among: Sequence[Series],
    rows: np.ndarray,
    numbers: dict[str, int],
    names: list[str],
    digests: list[str],
    stated: dict[str, dict[str, str | None]],
    chosen: list[tuple[Step, np.ndarray]],
    pixels: bool,
) -> SeriesRecipe:
    """Return the recipe of a series of the files numbered `rows`; `chosen`: (step, mask of its files)."""
    options = dict(OPTIONS)
    for step, mask in chosen:
        if mask[rows].any():
            options[step.kind] = step.value
    volumes, refusals = load_series(series, options["split"], options["padding"], options["missing_rescale"], among)
    return SeriesRecipe(
        uid=series.series_instance_uid,
        first=min(names[row] for row in rows.tolist()),
        modality=series.modality,
        n_files=series.n_files,
        options=tuple(options.items()),
        volumes=tuple(_volume(volume, numbers, names, stated, pixels) for volume in volumes),
        refusals=tuple(
            (refusal.reason, tuple(numbers[path] for path in refusal.paths), refusal_reason(refusal))
            for refusal in refusals
        ),
        digest=series_digest(digests[row] for row in rows.tolist()),
        number=int(rows.min()) + 1,
        among=True,
    )


def _volume(
    volume: Volume, numbers: dict[str, int], names: list[str], stated: dict[str, dict[str, str | None]], pixels: bool
) -> VolumeRecipe:
    files = tuple(numbers[path] for path, _ in volume.files)
    frames = tuple(frame for _, frame in volume.files)
    affine, spacing = volume.geometry.affine, volume.geometry.spacing
    orientation: tuple[float, ...] = ()
    if affine is not None:
        axes = [affine[:3, 2] / spacing[2], affine[:3, 1] / spacing[1]]
        orientation = tuple(round(float(cosine), 6) + 0.0 for cosine in np.concatenate(axes))
    paths = dict.fromkeys(path for path, _ in volume.files)
    values = {name: tuple(dict.fromkeys(texts[path] for path in paths)) for name, texts in stated.items()}
    left_out = [note for note in volume.notes if note.code == "left-out"]
    return VolumeRecipe(
        shape=tuple(volume.array.shape),
        dtype=str(volume.array.dtype),
        units=volume.units,
        axis=volume.axis,
        spacing=tuple(round(length, 6) if math.isfinite(length) else None for length in spacing),
        orientation=orientation,
        found=tuple((name, texts) for name, texts in values.items() if texts != (None,)),
        windows=tuple(
            (window.center, window.width, window.function, window.explanation)
            for window in volume.windows
            if not window.fault
        ),
        split=tuple(note.title for note in volume.notes if note.code == "split"),
        order=order_digest([(names[path], frame) for path, frame in zip(files, frames, strict=True)]),
        files=files,
        frames=frames if any(frames) else (),
        left_out=tuple((numbers[path], note.title) for note in left_out for path in note.paths if path in numbers),
        pixels=pixels_digest(np.asarray(volume.array)) if pixels else "",
        segments=tuple((segment.number, segment.name) for segment in volume.segments),
    )
