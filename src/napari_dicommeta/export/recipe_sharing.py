"""Recipes that name no person: files and series by digests of their headers, texts without names and values."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from napari_dicommeta.dicom.privacy import is_plain
from napari_dicommeta.dicom.stored_values import WITHHELD
from napari_dicommeta.dicom.tags import TagPath
from napari_dicommeta.export.printable import (
    SHOWN_CHARACTERS,
    modality_text,
    plain_selection,
    units_text,
    without_creators,
)
from napari_dicommeta.export.recipe_run import order_digest
from napari_dicommeta.volumes.note import NOTE_KINDS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from napari_dicommeta.export.recipe_model import Recipe, SeriesRecipe, Step, VolumeRecipe

__all__ = ["without_persons"]

VR_OF = {"slope": "DS", "intercept": "DS", "padding": "IS", "padding_limit": "IS"}
"""The VR whose form the values of a recipe must have; a number may be stored in another one."""


def without_persons(recipe: Recipe, odd_texts: Iterable[str]) -> Recipe:
    """Return a recipe without paths, UIDs, texts of files, and reasons that quote one of `odd_texts`.

    A file is known by the digest of its header, a series by that of its files. Files that a step leaves out by values
    that may identify a person are named by their digests.
    """
    odd = tuple(text[:SHOWN_CHARACTERS].casefold() for text in odd_texts)
    return replace(
        recipe,
        is_full=False,
        folder="",
        sources=recipe.sources if recipe.sources == ("",) else (),
        files=tuple(("", digest) for _, digest in recipe.files),
        steps=tuple(_step(step, odd) for step in recipe.steps),
        series=tuple(_series(series, recipe) for series in recipe.series),
    )


def _step(step: Step, odd: tuple[str, ...]) -> Step:
    is_quoting = any(part in f"{step.value} {step.reason}".casefold() for part in odd)
    return replace(
        step,
        selection=step.selection if plain_selection(step.selection, odd) else (),
        reason="" if is_quoting else without_creators(step.reason),
        value=WITHHELD if is_quoting and step.is_advice else without_creators(step.value),
    )


def _series(series: SeriesRecipe, recipe: Recipe) -> SeriesRecipe:
    return replace(
        series,
        uid="",
        first="",
        modality=modality_text(series.modality),
        volumes=tuple(_volume(volume, recipe) for volume in series.volumes),
        refusals=tuple((plain, files, plain) for _, files, plain in series.refusals),
    )


def _volume(volume: VolumeRecipe, recipe: Recipe) -> VolumeRecipe:
    frames = volume.frames or (0,) * len(volume.files)
    digests = [recipe.files[n][1] for n in volume.files]
    found = tuple((name, tuple(text and _value(name, text) for text in texts)) for name, texts in volume.found)
    return replace(
        volume,
        units=units_text(volume.units),
        axis=without_creators(volume.axis),
        found=found,
        windows=tuple((center, width, function, "") for center, width, function, _ in volume.windows),
        split=tuple(map(without_creators, volume.split)),
        order=order_digest(zip(digests, frames, strict=True)),
        left_out=tuple((n, NOTE_KINDS["left-out"].summary) for n, _ in volume.left_out),
        segments=tuple((value, WITHHELD if name else "") for value, name in volume.segments),
    )


def _value(name: str, text: str) -> str:
    if name == "rescale_type":
        return units_text(text)
    return text if is_plain(TagPath.parse("RescaleSlope"), VR_OF[name], text) else WITHHELD
