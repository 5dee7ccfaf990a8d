"""Loading of a source, series or catalog as volumes, with a reason for each file that cannot be used."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_dicommeta.catalog.catalog import Catalog, Series
from napari_dicommeta.dicom.pixels import PixelFormat, pixels_fault
from napari_dicommeta.dicom.values import number
from napari_dicommeta.support.errors import LoadError, PixelError, RefusedError
from napari_dicommeta.volumes.frames import read_frames
from napari_dicommeta.volumes.refusal import Refusal, with_pixels
from napari_dicommeta.volumes.rescale import PADDINGS
from napari_dicommeta.volumes.segmentation import is_segmentation, segmentations
from napari_dicommeta.volumes.stacks import read_stacks, split_keyword
from napari_dicommeta.volumes.volume import Volume, load_stack

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_dicommeta.scanning.listing import Source
    from napari_dicommeta.volumes.frames import Frame

__all__ = ["Volumes", "load", "load_series", "nothing_found"]


class Volumes(tuple[Volume, ...]):
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
    grayscale, in `Volume.units`, and uint8 or uint16 for color and labels. `Volume` gives the details.
    ``np.asarray(load(path)[0].array)`` reads the pixels.

    Parameters
    ----------
    source
        A path or several, fsspec URLs excepted; a series; or a catalog.
    split
        How a series is split into volumes: "auto", into regular grids; "gaps", also where slices are missing;
        "none", only where sizes or colors differ; or the keyword of an element, by whose values it is split
        first. The volume's `notes` name the reason of each split.
    padding
        What to do with pixels outside the image, marked by *Pixel Padding Value* (PS3.3 section C.7.5.1.1.2):
        "keep" leaves them unchanged, "air" sets them to -1000 in volumes in HU, "nan" sets them to NaN and makes the
        array float32.
    missing_rescale
        What to do where only some images of a volume have *Rescale Slope* and *Intercept*: "refuse", or "series"
        to use those of the other images, if these agree.

    Raises
    ------
    LoadError
        If the source holds no volume; the text gives the reasons.
    ValueError
        If an option is invalid.
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
        loaded, refused = load_series(member, split, padding, missing_rescale)
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
    reasons += [failure.brief for failure in catalog.failures]
    if not reasons:
        return "There are no files here."
    more = f"\n… and {len(reasons) - 5} more" if len(reasons) > 5 else ""
    return "No image could be opened.\n" + "\n".join(reasons[:5]) + more


def load_series(
    series: Series, split: str = "auto", padding: str = "keep", missing_rescale: str = "refuse"
) -> tuple[tuple[Volume, ...], tuple[Refusal, ...]]:
    """Return the volumes of one series, the largest first, and its refused files; see `load`."""
    catalog, refusals = with_pixels(series)
    formats = _pixel_formats(catalog)
    faults: dict[str, list[str]] = {}
    usable = []
    lengths, sizes = catalog.file_column("pixel_length").tolist(), catalog.file_column("size").tolist()
    for row, (path, pixel_format) in enumerate(zip(catalog.paths, formats, strict=True)):
        if fault := pixels_fault(pixel_format, lengths[row], sizes[row]):
            faults.setdefault(f"its pixels cannot be read: {fault}", []).append(path)
        else:
            usable.append(row)
    refusals += [Refusal(series, tuple(paths), reason, "pixels-impossible") for reason, paths in faults.items()]
    if not usable:
        return (), tuple(refusals)
    if faults:
        catalog, formats = catalog.rows(np.array(usable, dtype=np.intp)), [formats[row] for row in usable]
    keyword = split_keyword(split)
    frames, failed = read_frames(catalog, formats, (keyword,) if keyword else ())
    refusals += [Refusal(series, (path,), reason, "frames-unreadable") for path, reason in failed]
    segments: dict[str, list[Frame]] = {}
    images: list[Frame] = []
    for frame in frames:
        (segments.setdefault(frame.path, []) if is_segmentation(frame) else images).append(frame)
    volumes: list[Volume] = []
    for path, of_file in segments.items():
        try:
            volumes += segmentations(series, of_file, split)
        except RefusedError as error:
            refusals.append(Refusal(series, (path,), error.reason, error.code))
    stacks = read_stacks(images, split) if images else []
    for i, stack in enumerate(stacks, 1):
        suffix = f" [{i}]" if len(stacks) > 1 else ""
        try:
            volumes.append(load_stack(series, stack, suffix, padding, missing_rescale))
        except (RefusedError, PixelError) as error:
            paths = tuple(dict.fromkeys(frame.path for frame in stack.frames))
            code = error.code if isinstance(error, RefusedError) else "pixels-unreadable"
            refusals.append(Refusal(series, paths, str(error), code))
    return tuple(sorted(volumes, key=lambda volume: -volume.array.size)), tuple(refusals)


def _pixel_formats(catalog: Catalog) -> list[PixelFormat]:
    """Return the pixel format of each file; bits, sign and transfer syntax may differ from file to file."""
    tags = [
        "Rows",
        "Columns",
        "SamplesPerPixel",
        "NumberOfFrames",
        "BitsAllocated",
        "BitsStored",
        "HighBit",
        "PixelRepresentation",
    ]
    columns = [catalog.column_texts(tag) for tag in (*tags, "PhotometricInterpretation", "TransferSyntaxUID")]
    known: dict[tuple[str | int | None, ...], PixelFormat] = {}
    formats = []
    for *texts, pixel_tag in zip(*columns, catalog.file_column("pixel_tag").tolist(), strict=True):
        key = (*texts, pixel_tag)
        if key not in known:
            known[key] = _pixel_format(dict(zip(tags, texts[:8], strict=True)), texts[8], texts[9], pixel_tag)
        formats.append(known[key])
    return formats


def _pixel_format(
    texts: dict[str, str | None], photometric: str | None, transfer_syntax: str | None, pixel_tag: int
) -> PixelFormat:
    def whole(tag: str, default: int) -> int:
        value = number(texts[tag] or "")
        return default if value is None else int(value)

    bits = whole("BitsAllocated", 16)
    stored = whole("BitsStored", bits)
    return PixelFormat(
        rows=whole("Rows", 0),
        columns=whole("Columns", 0),
        samples=whole("SamplesPerPixel", 1),
        frames=max(whole("NumberOfFrames", 1), 1),
        bits_allocated=bits,
        bits_stored=stored,
        high_bit=whole("HighBit", stored - 1),
        signed=whole("PixelRepresentation", 0) == 1,
        photometric=photometric or "MONOCHROME2",
        transfer_syntax=transfer_syntax or "",
        pixel_tag=pixel_tag,
    )
