"""The records of a recipe: which arrays a folder makes and how; and their JSON."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any

__all__ = ["OPTIONS", "Recipe", "SeriesRecipe", "Step", "VolumeRecipe", "recipe_of_json"]

FORMAT = 1
OPTIONS = {"split": "auto", "padding": "keep", "missing_rescale": "refuse"}
"""How `load` opens a series where no step says otherwise."""


@dataclass(frozen=True, slots=True)
class Step:
    """One decision about a folder.

    `kind`: "exclude" leaves the files of `selection` out; "split", "padding" and "missing_rescale" open the series that
    hold a file of it with that option of `load` at `value`; any other kind is advice, which a person follows: nothing
    is resampled here. `selection`: conditions of `Catalog.where`, () for all files. `reason`: why.
    """

    kind: str
    value: str = ""
    selection: tuple[tuple[Any, Any], ...] = ()
    reason: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "selection", _unplain(_plain(self.selection)))

    @property
    def is_advice(self) -> bool:
        """Whether the recipe cannot run it."""
        return self.kind not in ("exclude", *OPTIONS)


@dataclass(frozen=True, slots=True, kw_only=True)
class VolumeRecipe:
    """One array: its shape, dtype and what it is made of.

    `files`: for each slice the number of its file in `Recipe.files`; `frames`: for each slice the frame in that file,
    () where all are the first. `order`: a digest of both. `spacing`: mm of (k, j, i), None where the files give none.
    `orientation`: *Image Orientation (Patient)* of the grid, () where the files do not place it. `found`: what the
    files state, (what, texts) with None for files that state nothing. `windows`: (center, width, function,
    explanation). `split`: why it was parted from its series. `left_out`: (number of a file, why).
    `pixels`: a digest of the values, "" where they were not read.
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


@dataclass(frozen=True, slots=True, kw_only=True)
class SeriesRecipe:
    """One series: the options with which it is opened, the arrays that come of it, the files that make none.

    `first` is the path of its first file: with `uid` it tells series apart. `refusals`: (why, numbers of the files).
    """

    uid: str
    first: str
    modality: str
    n_files: int
    options: tuple[tuple[str, str], ...]
    volumes: tuple[VolumeRecipe, ...] = ()
    refusals: tuple[tuple[str, tuple[int, ...]], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """How to make arrays of a folder.

    `version` of the library that made it. `digest` of the catalog. `folder`: where it was, "" where that is not known.
    `sources`: what of it was scanned, "" for all. `files`: (path relative to the folder, digest) of all files, in the
    order of their paths. `steps`: decisions that were asked for. `excluded`: (number of a file, number of the step that
    left it out).
    """

    version: str
    digest: str
    folder: str
    sources: tuple[str, ...]
    files: tuple[tuple[str, str], ...]
    steps: tuple[Step, ...]
    excluded: tuple[tuple[int, int], ...]
    series: tuple[SeriesRecipe, ...]

    @property
    def n_volumes(self) -> int:
        """The number of arrays."""
        return sum(len(one.volumes) for one in self.series)

    def to_json(self) -> str:
        """The recipe as JSON; `recipe_of_json` gives it back."""
        content = {"format": FORMAT, **asdict(self)}
        content["steps"] = [{**step, "selection": _plain(step["selection"])} for step in content["steps"]]
        return json.dumps(content, ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def recipe_of_json(text: str) -> Recipe:
    """The recipe that `Recipe.to_json` wrote.

    Raises
    ------
    ValueError
        If it is none, or one of a newer version.
    """
    try:
        content = json.loads(text)
        if content.pop("format") > FORMAT:
            raise ValueError("the recipe was written by a newer version of napari-dicommeta")
        for step in content["steps"]:
            step["selection"] = _unplain(step["selection"])
        parts = {name: _tuples(content[name]) for name in ("sources", "files", "excluded")}
        steps = tuple(Step(**step) for step in content["steps"])
        series = tuple(
            SeriesRecipe(
                **{
                    **{name: _tuples(value) for name, value in one.items()},
                    "volumes": tuple(
                        VolumeRecipe(**{name: _tuples(value) for name, value in volume.items()})
                        for volume in one["volumes"]
                    ),
                }
            )
            for one in content["series"]
        )
        return Recipe(
            version=content["version"],
            digest=content["digest"],
            folder=content["folder"],
            **parts,
            steps=steps,
            series=series,
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError("it is no recipe of napari-dicommeta") from error


def _tuples(value: Any) -> Any:
    return tuple(map(_tuples, value)) if isinstance(value, list) else value


def _plain(value: Any) -> Any:
    """A selection as JSON: tuples as lists, a range as an object."""
    if isinstance(value, slice):
        return {"from": value.start, "to": value.stop}
    return list(map(_plain, value)) if isinstance(value, (tuple, list)) else value


def _unplain(value: Any) -> Any:
    if isinstance(value, dict):
        return slice(value["from"], value["to"])
    return tuple(map(_unplain, value)) if isinstance(value, list) else value
