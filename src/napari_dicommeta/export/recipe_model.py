"""The records of a recipe (which arrays a folder makes and how), and their JSON."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any

from napari_dicommeta.catalog.conditions import as_json, of_json

__all__ = ["OPTIONS", "Recipe", "SeriesRecipe", "Step", "VolumeRecipe", "recipe_of_json"]

RECIPE_VERSION = 2
OPTIONS = {"split": "auto", "padding": "keep", "missing_rescale": "refuse"}
"""The options of `load` for a series without a step."""


@dataclass(frozen=True, slots=True)
class Step:
    """A decision about a folder.

    `kind`: "exclude" leaves out the files of `selection`. "split", "padding" and "missing_rescale" set this option of
    `load` to `value` for each series that has a file of `selection`. Any other kind is advice for a person, such as to
    resample. `selection`: conditions of `Catalog.where`, () for all files. `reason`: why.
    """

    kind: str
    value: str = ""
    selection: tuple[tuple[Any, Any], ...] = ()
    reason: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "selection", of_json(as_json(self.selection)))

    @property
    def is_advice(self) -> bool:
        """Return whether a person must follow the step, as the recipe cannot run it."""
        return self.kind not in ("exclude", *OPTIONS)


@dataclass(frozen=True, slots=True, kw_only=True)
class VolumeRecipe:
    """An array: its shape, dtype and sources.

    `files`: for each slice the index of its file in `Recipe.files`. `frames`: for each slice its frame in that file,
    -1 where contours are drawn, () if all are the first. `order`: a digest of both. `spacing`: mm of (k, j, i), None if
    unknown. `orientation`: *Image Orientation (Patient)* of the grid, () if unknown. `found`: (name, texts) of values
    in the files, None for files without the value. `windows`: (center, width, function, explanation). `split`: why it
    was split from its series. `left_out`: (index of a file, reason). `pixels`: a digest of the values, "" if they were
    not read. `segments`: (value, name) of labels.
    """

    shape: tuple[int, ...]
    dtype: str
    units: str
    axis: str
    spacing: tuple[float | None, ...]
    orientation: tuple[float, ...]
    found: tuple[tuple[str, tuple[str | None, ...]], ...]
    windows: tuple[tuple[float, float, str, str], ...]
    split: tuple[str, ...]
    order: str
    files: tuple[int, ...]
    frames: tuple[int, ...] = ()
    left_out: tuple[tuple[int, str], ...] = ()
    pixels: str = ""
    segments: tuple[tuple[int, str], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SeriesRecipe:
    """A series: the options to open it, its arrays, and the files that make no array.

    `uid` and `first`, the path of its first file, identify a series; both are "" unless the recipe is full. Then
    `digest`, of the headers of its files, does, and `number`, that of its first file from 1. `refusals`: (reason,
    indices of the files, reason without values and names of files). `among`: whether the other series are looked into
    for it: RT structures are drawn on their images, and overlays, shutters and presentation states count.
    """

    uid: str
    first: str
    modality: str
    n_files: int
    options: tuple[tuple[str, str], ...]
    volumes: tuple[VolumeRecipe, ...] = ()
    refusals: tuple[tuple[str, tuple[int, ...], str], ...] = ()
    digest: str = ""
    number: int = 0
    among: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """The instructions to make arrays of a folder.

    `is_full`: whether it names files and UIDs. `version` of the library that made the recipe. `digest` of the catalog.
    `folder`: its path, "" if unknown or not full. `sources`: the paths in the folder that were scanned, "" for all of
    it; () if not named. `files`: (path relative to the folder, "" if not full; digest) of all files, sorted by path.
    `steps`: the decisions to follow. `excluded`: (index of a file, index of the step that left it out).
    """

    version: str
    digest: str
    folder: str
    sources: tuple[str, ...]
    files: tuple[tuple[str, str], ...]
    steps: tuple[Step, ...]
    excluded: tuple[tuple[int, int], ...]
    series: tuple[SeriesRecipe, ...]
    is_full: bool = True

    @property
    def n_volumes(self) -> int:
        """Return the number of arrays."""
        return sum(len(series.volumes) for series in self.series)

    def to_json(self) -> str:
        """Return the recipe as JSON, which `recipe_of_json` reads."""
        content = {"format": RECIPE_VERSION, **asdict(self)}
        content["steps"] = [{**step, "selection": as_json(step["selection"])} for step in content["steps"]]
        return json.dumps(content, ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def recipe_of_json(text: str) -> Recipe:
    """Read a recipe that `Recipe.to_json` wrote.

    Raises
    ------
    ValueError
        If `text` is not a recipe, or a recipe of a newer version.
    """
    try:
        content = json.loads(text)
        if content.pop("format") > RECIPE_VERSION:
            raise ValueError("the recipe was written by a newer version of napari-dicommeta")
        for step in content["steps"]:
            step["selection"] = of_json(step["selection"])
        parts = {name: _tuples(content[name]) for name in ("sources", "files", "excluded")}
        steps = tuple(Step(**step) for step in content["steps"])
        series = tuple(
            SeriesRecipe(
                **{
                    **{name: _tuples(value) for name, value in entry.items()},
                    "volumes": tuple(
                        VolumeRecipe(**{name: _tuples(value) for name, value in volume.items()})
                        for volume in entry["volumes"]
                    ),
                }
            )
            for entry in content["series"]
        )
        return Recipe(
            version=content["version"],
            digest=content["digest"],
            folder=content["folder"],
            **parts,
            steps=steps,
            series=series,
            is_full=content.get("is_full", True),
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError("this is not a recipe of napari-dicommeta") from error


def _tuples(value: Any) -> Any:
    return tuple(map(_tuples, value)) if isinstance(value, list) else value
