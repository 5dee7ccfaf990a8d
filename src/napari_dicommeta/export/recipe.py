"""A recipe: which arrays a folder makes and how, as a record, as JSON, and as a script that makes them again.

What is in it was found in the headers; pixels are read only where that is asked for. The script is the text of
`recipe_script`.
"""

from __future__ import annotations

import math
import os
from typing import TYPE_CHECKING

import numpy as np

from napari_dicommeta._version import __version__
from napari_dicommeta.catalog.digest import catalog_digest, common_folder, file_digests, relative_paths
from napari_dicommeta.dicom.functional_groups import GROUPS
from napari_dicommeta.export.recipe_model import OPTIONS, Recipe, SeriesRecipe, Step, VolumeRecipe, recipe_of_json
from napari_dicommeta.export.recipe_run import order_digest, pixels_digest
from napari_dicommeta.export.recipe_script import script_text
from napari_dicommeta.scanning.listing import sources_of
from napari_dicommeta.support.atomic import write_text
from napari_dicommeta.volumes.load import load_series
from napari_dicommeta.volumes.rescale import PADDINGS
from napari_dicommeta.volumes.stacks import split_keyword

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from napari_dicommeta.catalog.catalog import Catalog, Series
    from napari_dicommeta.findings.finding import Finding
    from napari_dicommeta.scanning.listing import Source
    from napari_dicommeta.volumes.volume import Volume

__all__ = ["make_recipe", "step_of", "steps_of", "write_recipe"]

FOUND = {
    "slope": "RescaleSlope",
    "intercept": "RescaleIntercept",
    "rescale_type": "RescaleType",
    "padding": "PixelPaddingValue",
    "padding_limit": "PixelPaddingRangeLimit",
}
_OF_FINDINGS = {
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
    progress: Callable[[int, int], object] | None = None,
) -> Recipe:
    """The recipe of all volumes that `load` makes of `catalog` with `steps` followed.

    `source` is what was scanned, None where that is not known, as for a saved catalog; `catalog` holds all of it.
    With `pixels` all pixels are read, and the recipe refuses where one has changed; else only headers and sizes count.
    `progress` is called with the series done and all of them: each is looked at as it would be opened.

    Raises
    ------
    ValueError
        If a step has a value that `load` does not know, or a selection with a tag that is none.
    PixelError
        With `pixels`, if some cannot be read.
    """
    for step in steps:
        if step.kind in OPTIONS:
            _check_option(step)
        elif step.kind == "exclude" and not step.selection:
            raise ValueError("a step that leaves files out needs a selection: without one all would be")
    folder, sources = _place(catalog, source)
    names = relative_paths(catalog.paths, folder)
    digests = [f"{one:016x}" for one in file_digests(catalog).tolist()]
    numbers = {path: n for n, path in enumerate(catalog.paths)}
    excluded = _excluded(catalog, steps)
    rows = np.setdiff1d(np.arange(catalog.n_files), np.fromiter(excluded, np.intp, len(excluded)))
    every = (catalog.rows(rows) if excluded else catalog).series
    stated = _stated(catalog)
    chosen = [(step, catalog.mask(dict(step.selection))) for step in steps if step.kind in OPTIONS]
    series = []
    for done, one in enumerate(every, 1):
        series.append(_series(one, rows[one.rows], numbers, names, stated, chosen, pixels))
        if progress is not None:
            progress(done, len(every))
    return Recipe(
        version=__version__,
        digest=catalog_digest(catalog),
        folder=folder if source is not None else "",
        sources=sources,
        files=tuple(zip(names, digests, strict=True)),
        steps=tuple(steps),
        excluded=tuple(sorted(excluded.items())),
        series=tuple(series),
    )


def step_of(finding: Finding) -> Step | None:
    """The step that a recipe can run for a finding; None where there is none, and its advice is for a person."""
    if finding.code not in _OF_FINDINGS:
        return None
    kind, value = _OF_FINDINGS[finding.code]
    if kind == "exclude" and not finding.selection:
        return None
    return Step(kind, value, finding.selection, finding.title)


def steps_of(findings: Iterable[Finding]) -> tuple[Step, ...]:
    """A step for each finding: what the recipe can run, or else its advice, for a person to follow."""
    return tuple(
        step_of(finding) or Step("advice", "", finding.selection, f"{finding.title}: {finding.advice}")
        for finding in findings
    )


def write_recipe(recipe: Recipe, path: str | os.PathLike[str]) -> tuple[str, str]:
    """Write the script to `path` and the JSON beside it, with the suffix .json: each beside it first and then renamed.

    Both name files and UIDs, and are readable by their owner only. Returns the paths written.

    Raises
    ------
    OSError
        If one cannot be written.
    ValueError
        If `path` ends in .json, which is the name of the other, or that one is there and no recipe.
    """
    script = os.path.abspath(os.fspath(path))
    stem, suffix = os.path.splitext(script)
    if suffix.lower() == ".json":
        raise ValueError(f"{os.path.basename(script)}: the script needs another suffix than the JSON beside it, .py")
    beside = f"{stem}.json"
    if os.path.exists(beside):
        _check_is_recipe(beside)
    write_text(beside, recipe.to_json())
    write_text(script, script_text(recipe, os.path.basename(beside)))
    return script, beside


def _check_is_recipe(path: str) -> None:
    try:
        with open(path, encoding="utf-8") as file:
            recipe_of_json(file.read())
    except ValueError as error:
        name = os.path.basename(path)
        raise ValueError(f"{name} is there and no recipe: it would be lost. Choose another name") from error


def _check_option(step: Step) -> None:
    allowed = {"padding": PADDINGS, "missing_rescale": ("refuse", "series")}
    if step.kind == "split":
        split_keyword(step.value)
    elif step.value not in allowed[step.kind]:
        raise ValueError(f"{step.kind} must be one of {', '.join(allowed[step.kind])}, not {step.value!r}")


def _place(catalog: Catalog, source: Source | Sequence[Source] | None) -> tuple[str, tuple[str, ...]]:
    """The folder that paths are relative to, and what of it is scanned."""
    if source is not None:
        paths = [os.path.abspath(one) for one in sources_of(source)]
        folder = paths[0] if len(paths) == 1 and os.path.isdir(paths[0]) else common_folder(paths)
        if folder and all(path.startswith(os.path.join(folder, "")) for path in catalog.paths):
            return folder, tuple(
                "" if path == folder else one for path, one in zip(paths, relative_paths(paths, folder), strict=True)
            )
    return common_folder(catalog.paths), ("",)


def _excluded(catalog: Catalog, steps: Sequence[Step]) -> dict[int, int]:
    found: dict[int, int] = {}
    for n, step in enumerate(steps):
        if step.kind == "exclude":
            for row in np.flatnonzero(catalog.mask(dict(step.selection))).tolist():
                found.setdefault(row, n)
    return found


def _stated(catalog: Catalog) -> dict[str, dict[str, str | None]]:
    """What `FOUND` of each file says, by path: at its top, or else in its functional groups."""
    found: dict[str, dict[str, str | None]] = {}
    for what, keyword in FOUND.items():
        nested = [f"{group}.PixelValueTransformationSequence.{keyword}" for group in GROUPS]
        places = [keyword, *nested] if keyword.startswith("Rescale") else [keyword]
        columns = [catalog.column_texts(place) for place in places]
        texts = [next((text for text in one if text is not None), None) for one in zip(*columns, strict=True)]
        if any(text is not None for text in texts):
            found[what] = dict(zip(catalog.paths, texts, strict=True))
    return found


def _series(
    series: Series,
    rows: np.ndarray,
    numbers: dict[str, int],
    names: list[str],
    stated: dict[str, dict[str, str | None]],
    chosen: list[tuple[Step, np.ndarray]],
    pixels: bool,
) -> SeriesRecipe:
    """The recipe of one series, whose files have the numbers `rows`; `chosen`: steps and the files they are about."""
    options = dict(OPTIONS)
    for step, mask in chosen:
        if mask[rows].any():
            options[step.kind] = step.value
    volumes, refusals = load_series(series, options["split"], options["padding"], options["missing_rescale"])
    return SeriesRecipe(
        uid=series.series_instance_uid,
        first=min(names[row] for row in rows.tolist()),
        modality=series.modality,
        n_files=series.n_files,
        options=tuple(options.items()),
        volumes=tuple(_volume(volume, numbers, names, stated, pixels) for volume in volumes),
        refusals=tuple((refusal.reason, tuple(numbers[path] for path in refusal.paths)) for refusal in refusals),
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
        orientation = tuple(round(float(one), 6) + 0.0 for one in np.concatenate(axes))
    paths = dict.fromkeys(path for path, _ in volume.files)
    found = {what: tuple(dict.fromkeys(texts[path] for path in paths)) for what, texts in stated.items()}
    left_out = [note for note in volume.notes if note.code == "left-out"]
    return VolumeRecipe(
        shape=tuple(volume.array.shape),
        dtype=str(volume.array.dtype),
        units=volume.units,
        axis=volume.axis,
        spacing=tuple(round(length, 6) if math.isfinite(length) else None for length in spacing),
        orientation=orientation,
        found=tuple((what, texts) for what, texts in found.items() if texts != (None,)),
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
    )
