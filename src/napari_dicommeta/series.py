"""Files -> series -> the stacks of images that can be one volume, and why the others cannot.

A series is what *Series Instance UID* (0020,000E) says. A stack is what one grid can hold: a series that
mixes image sizes, orientations or kinds is split, and each split has its reason.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_dicommeta.geometry import ImagePlane
from napari_dicommeta.header import DEFLATED
from napari_dicommeta.meaning import number, numbers

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_dicommeta.catalog import Catalog

__all__ = ["Image", "Refusal", "Series", "Stack", "group_series", "split_series"]

DIRECTORY = "1.2.840.10008.1.3.10"

# What one grid must have in common, and how a split because of it is told.
_SAME = (
    ("Rows", "the number of rows differs"),
    ("Columns", "the number of columns differs"),
    ("SamplesPerPixel", "grey and colour images are mixed"),
    ("PhotometricInterpretation", "the photometric interpretation differs"),
)


@dataclass(frozen=True, slots=True)
class Series:
    """The files of one series. `name` is for people; `catalog` counts the series' own values."""

    series_instance_uid: str
    modality: str
    description: str
    number: str
    name: str
    catalog: Catalog
    n_images: int
    """Files with pixel data."""

    @property
    def n_files(self) -> int:
        """All files of the series."""
        return self.catalog.n_files

    @property
    def size(self) -> str:
        """Slices × rows × columns, or what the files are instead of images."""
        if not self.n_images:
            return "no images"
        sizes = self.catalog.values(("Rows", "Columns"))
        rows, columns = next(iter(sizes), (None, None))
        return f"{self.n_images} × {rows or '?'} × {columns or '?'}" + (" …" if len(sizes) > 1 else "")


@dataclass(frozen=True, slots=True)
class Image:
    """One file of a stack: its row in the series' catalog, path, place, and the values that decoding needs."""

    path: str
    plane: ImagePlane | None
    instance_number: float | None
    slope: str | None
    intercept: str | None
    pixel_offset: int
    pixel_length: int


@dataclass(frozen=True, slots=True)
class Stack:
    """Images of one size, kind and orientation, in the order of their files, and why they were parted from others."""

    series: Series
    catalog: Catalog
    images: tuple[Image, ...]
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Refusal:
    """Files that make no volume: what they are, how many, and why not."""

    series: Series
    paths: tuple[str, ...]
    reason: str

    def __str__(self) -> str:
        first = os.path.basename(self.paths[0])
        more = f" and {len(self.paths) - 1} more" if len(self.paths) > 1 else ""
        return f"{first}{more}: {self.reason}"


def group_series(catalog: Catalog) -> tuple[Series, ...]:
    """The series of a catalog, those with most images first.

    Files without a *Series Instance UID* are grouped by study, series number, modality and folder instead.
    """
    names = ("SeriesInstanceUID", "StudyInstanceUID", "SeriesNumber", "Modality")
    columns = [catalog.column_texts(name) for name in names]
    groups: dict[tuple[str, ...], list[int]] = {}
    for i, (uid, study, series_number, modality) in enumerate(zip(*columns, strict=True)):
        if uid:
            key: tuple[str, ...] = (uid,)
        else:
            key = ("", study or "", series_number or "", modality or "", os.path.dirname(catalog.paths[i]))
        groups.setdefault(key, []).append(i)
    series = [_series(key[0], catalog.rows(np.array(rows))) for key, rows in groups.items()]
    return tuple(sorted(series, key=lambda one: (-one.n_images, number(one.number) or 0.0, one.series_instance_uid)))


def _series(uid: str, catalog: Catalog) -> Series:
    def most(tag: str) -> str:
        return next((text for text in catalog.values(tag) if text), "")

    modality, description, series_number = most("Modality"), most("SeriesDescription"), most("SeriesNumber")
    if most("MediaStorageSOPClassUID") == DIRECTORY:
        modality, description = "", "DICOMDIR"
    name = " ".join(part for part in (series_number, description or modality or "series without a name") if part)
    images = int(np.count_nonzero(catalog.file_column("pixel_offset") >= 0))
    return Series(uid, modality, description, series_number, name, catalog, images)


def split_series(series: Series) -> tuple[tuple[Stack, ...], tuple[Refusal, ...]]:
    """The stacks of a series, the largest first, and the files that belong to none with the reason."""
    catalog = series.catalog
    offsets = catalog.file_column("pixel_offset")
    without = np.flatnonzero(offsets < 0)
    reasons_of = {failure.path: failure.reason for failure in catalog.partial}
    refusals = []
    if len(without):
        by_reason: dict[str, list[str]] = {}
        for i in without.tolist():
            path = catalog.paths[i]
            by_reason.setdefault(reasons_of.get(path, "the file has no pixel data"), []).append(path)
        refusals = [Refusal(series, tuple(paths), reason) for reason, paths in by_reason.items()]
    cut = catalog.file_column("pixel_length") + offsets > catalog.file_column("size")
    cut &= (offsets >= 0) & np.array([text != DEFLATED for text in catalog.column_texts("TransferSyntaxUID")])
    refusals += [
        Refusal(series, (catalog.paths[i],), reasons_of.get(catalog.paths[i], "the pixel data is cut"))
        for i in np.flatnonzero(cut).tolist()
    ]
    rows = np.flatnonzero((offsets >= 0) & ~cut)
    if not len(rows):
        return (), tuple(refusals)
    images_catalog = catalog.rows(rows)
    images = _images(images_catalog)
    same = [images_catalog.column_texts(tag) for tag, _ in _SAME]
    groups: dict[tuple[str | None, ...], list[int]] = {}
    for i in range(len(images)):
        groups.setdefault(tuple(column[i] for column in same), []).append(i)
    kinds = list(groups)
    reasons = [reason for axis, (_, reason) in enumerate(_SAME) if len({kind[axis] for kind in kinds}) > 1]
    stacks = []
    for group in groups.values():
        oriented = _by_orientation(images, group)
        why = [*reasons, "the orientation differs"] if len(oriented) > 1 else reasons
        for part in oriented:
            chosen = tuple(images[i] for i in part)
            stacks.append(Stack(series, images_catalog.rows(np.array(part)), chosen, ", ".join(why)))
    return tuple(sorted(stacks, key=lambda stack: -len(stack.images))), tuple(refusals)


def _by_orientation(images: Sequence[Image], group: Sequence[int]) -> list[list[int]]:
    """`group` parted by orientation, images without a place apart from those with one."""
    parts: list[tuple[ImagePlane | None, list[int]]] = []
    for i in group:
        plane = images[i].plane
        for other, members in parts:
            if (plane is None and other is None) or (plane and other and plane.same_orientation(other)):
                members.append(i)
                break
        else:
            parts.append((plane, [i]))
    return [members for _, members in parts]


def _images(catalog: Catalog) -> list[Image]:
    tags = ("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "InstanceNumber")
    positions, orientations, spacings, instance_numbers = (catalog.column_texts(tag) for tag in tags)
    slopes, intercepts = catalog.column_texts("RescaleSlope"), catalog.column_texts("RescaleIntercept")
    offsets, lengths = catalog.file_column("pixel_offset"), catalog.file_column("pixel_length")
    planes: dict[tuple[str | None, str | None, str | None], ImagePlane | None] = {}
    images = []
    for i, path in enumerate(catalog.paths):
        place = (positions[i], orientations[i], spacings[i])
        if place not in planes:
            planes[place] = ImagePlane.of(
                numbers(place[0] or "", 3), numbers(place[1] or "", 6), numbers(place[2] or "", 2)
            )
        images.append(
            Image(
                path,
                planes[place],
                number(instance_numbers[i] or ""),
                slopes[i],
                intercepts[i],
                int(offsets[i]),
                int(lengths[i]),
            )
        )
    return images
