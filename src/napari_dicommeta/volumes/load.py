"""Loading of a source, series or catalog as volumes, with a reason for each file that cannot be used."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from napari_dicommeta.catalog.catalog import Catalog, Series
from napari_dicommeta.support.errors import LoadError, PixelError, RefusedError
from napari_dicommeta.support.html import Records
from napari_dicommeta.volumes.companions import with_companions
from napari_dicommeta.volumes.layout import layout_of
from napari_dicommeta.volumes.refusal import Refusal, refusal_of
from napari_dicommeta.volumes.rescale import PADDINGS
from napari_dicommeta.volumes.segmentation import segmentations
from napari_dicommeta.volumes.slide_volumes import slide_volumes
from napari_dicommeta.volumes.stacks import split_keyword
from napari_dicommeta.volumes.structures import holds_structures, structure_volumes
from napari_dicommeta.volumes.volume import Volume, read_parts, volume_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_dicommeta.scanning.sources import Source

__all__ = ["Volumes", "images_of", "load", "load_series", "nothing_found", "sizes_text"]

NO_PATHS = "the catalog names no files: read the folder, or a catalog saved in full"
MAX_SIZES = 3
"""Number of volumes of a series whose sizes are named."""


class Volumes(Records[Volume]):
    """Volumes of a source, the largest first, with what could not be opened.

    `refusals`: files that do not form a volume, each with its reason. `catalog`: the catalog of the scanned files.
    """

    refusals: tuple[Refusal, ...] = ()
    catalog: Catalog


def load(
    source: Source | Sequence[Source] | Series | Catalog,
    *,
    split: str = "auto",
    padding: str = "keep",
    missing_rescale: str = "refuse",
) -> Volumes:
    """Return the volumes in `source`, largest first, as lazy arrays.

    Arrays have the axes (k, j, i), with a time axis in front where positions repeat. They are int16 or float32 for
    grayscale, in `Volume.units`, and uint8 or uint16 for color and labels. Larger whole numbers are int32, uint32 or
    float64, and 64-bit floats float64, so that nothing is rounded. `Volume` gives the details.
    ``np.asarray(load(path)[0].array)`` reads the pixels.

    Parameters
    ----------
    source
        A path or several, or fsspec URLs, as `scan` takes them; a series; or a catalog.
    split
        How a series is split into volumes: "auto", into regular grids; "gaps", also where slices are missing;
        "blocks", also where the distance between slices changes; "none", only where sizes or colors differ; or
        the keyword of an element, by whose values it is split first. The volume's notes name the reason of each split.
    padding
        What to do with pixels outside the image, marked by *Pixel Padding Value* (PS3.3 section C.7.5.1.1.2):
        "keep" leaves them unchanged, "air" sets them to -1000 in volumes in HU, "nan" sets them to NaN and makes the
        array float32, or float64 where that would round whole numbers.
    missing_rescale
        What to do where only some images of a volume have *Rescale Slope* and *Intercept*: "refuse", or "series"
        to use those of the other images, if these agree.

    Raises
    ------
    FileNotFoundError
        If there is nothing at a path or URL of `source`.
    LoadError
        If the source holds no volume; the text gives the reasons.
    ValueError
        If an option is invalid.

    Examples
    --------
    >>> volumes = dm.load("Chest CT phantom", padding="air")
    >>> volume = volumes[0]
    >>> volume.array.shape, volume.array.dtype, volume.units
    ((48, 256, 256), dtype('int16'), 'HU')
    >>> volumes.refusals
    ()
    """
    split_keyword(split)
    if padding not in PADDINGS:
        raise ValueError(f"padding must be one of {', '.join(PADDINGS)}, not {padding!r}")
    if missing_rescale not in ("refuse", "series"):
        raise ValueError(f"missing_rescale must be 'refuse' or 'series', not {missing_rescale!r}")
    if isinstance(source, Catalog):
        catalog = source
    elif isinstance(source, Series):
        catalog = source.catalog
    else:
        from napari_dicommeta.scanning.scan import scan

        catalog = scan(source)
    series = (source,) if isinstance(source, Series) else catalog.series
    volumes: list[Volume] = []
    refusals: list[Refusal] = []
    for member in series:
        loaded, refused = load_series(member, split, padding, missing_rescale, catalog.series)
        volumes += loaded
        refusals += refused
    if not volumes:
        raise LoadError(nothing_found(catalog, refusals))
    result = Volumes(sorted(volumes, key=lambda volume: -volume.array.size))
    result.refusals, result.catalog = tuple(refusals), catalog
    return result


def nothing_found(catalog: Catalog, refusals: Sequence[Refusal]) -> str:
    """Return why nothing can be shown, with at most five reasons."""
    reasons = [str(refusal) for refusal in refusals]
    reasons += [str(failure) for failure in catalog.failures]
    if not reasons:
        return "There are no files here."
    more = f"\n… and {len(reasons) - 5} more" if len(reasons) > 5 else ""
    return "No image could be opened.\n" + "\n".join(reasons[:5]) + more


def load_series(
    series: Series,
    split: str = "auto",
    padding: str = "keep",
    missing_rescale: str = "refuse",
    among: Sequence[Series] | None = None,
) -> tuple[tuple[Volume, ...], tuple[Refusal, ...]]:
    """Return the volumes of one series, the largest first, and its refused files; see `load`.

    `among`: the series of the source, in which the images of RT structures are looked for, and what presentation states
    and selections of key images say. With None, there are images and segmentations only.
    """
    split_keyword(split)
    if not series.catalog.has_paths:
        return (), (Refusal(series, series.catalog.paths, NO_PATHS, "no-files"),)
    layout = layout_of(series, split)
    volumes: list[Volume] = []
    refusals = list(layout.refusals)
    if among is not None and holds_structures(series):
        volumes, refused_files = structure_volumes(series, among, split)
        refusals = [*_of_others(refusals, volumes, refused_files), *refused_files]
    if layout.slides:
        mosaics, refused = slide_volumes(series, layout.slides, padding, missing_rescale)
        volumes += mosaics
        refusals += refused
    for frames in layout.segmentations:
        try:
            volumes += segmentations(series, frames, split)
        except RefusedError as error:
            refusals.append(Refusal(series, frames.paths(), error.reason, error.code))
    for i, stack in enumerate(layout.stacks, 1):
        suffix = f" [{i}]" if len(layout.stacks) > 1 else ""
        try:
            key = (i, padding, missing_rescale)
            if key not in layout.parts:
                layout.parts[key] = read_parts(stack, padding, missing_rescale)
            volumes.append(volume_of(series, stack, layout.parts[key], suffix, padding))
        except (RefusedError, PixelError) as error:
            refusals.append(refusal_of(error, series, stack.frames.paths()))
    if among is not None:
        volumes = with_companions(series, volumes, among)
    ordered = tuple(sorted(volumes, key=lambda volume: -volume.array.size))
    if (split, padding, missing_rescale) == ("auto", "keep", "refuse") and ordered:
        series.catalog.kept["size"] = sizes_text(images_of(ordered))
    return ordered, tuple(refusals)


def _of_others(refusals: Sequence[Refusal], drawn: Sequence[Volume], refused_files: Sequence[Refusal]) -> list[Refusal]:
    """Return refusals without those for having no pixels of files that are `drawn` or have another reason."""
    of_drawn = {path for volume in drawn for path, _ in volume.files}
    known = {path for refusal in refused_files for path in refusal.paths} | of_drawn
    leave_out = {"no-pixels": known, "damaged": of_drawn}  # a damage is a note on what is drawn
    kept = []
    for refusal in refusals:
        paths = tuple(path for path in refusal.paths if path not in leave_out.get(refusal.code, ()))
        if paths:
            kept.append(replace(refusal, paths=paths))
    return kept


def images_of(volumes: Sequence[Volume]) -> Sequence[Volume]:
    """Return the volumes that are no labels, without overlays and shutters that is; all if there are only labels."""
    return [volume for volume in volumes if not volume.is_labels] or volumes


def sizes_text(volumes: Sequence[Volume]) -> str:
    """Return the shapes of `volumes` as text, the first three: "3 × 5 × 64 × 64, 16 × 64 × 64"."""
    shapes = [
        " × ".join(map(str, volume.array.shape[: -1 if volume.is_color else None])) for volume in volumes[:MAX_SIZES]
    ]
    more = f" and {len(volumes) - MAX_SIZES} more" if len(volumes) > MAX_SIZES else ""
    return ", ".join(shapes) + more
