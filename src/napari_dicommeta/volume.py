"""A stack of images -> a volume: a lazy array in modality units, its geometry, windows and files."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from napari_dicommeta.catalog import Catalog
from napari_dicommeta.findings import Finding
from napari_dicommeta.geometry import VolumeGeometry, slice_order
from napari_dicommeta.lazy import LazyArray
from napari_dicommeta.meaning import number, numbers
from napari_dicommeta.pixels import PixelError, PixelFormat, pixels_fault, read_colour, read_frame
from napari_dicommeta.series import Refusal, Series, Stack, split_series
from napari_dicommeta.window import Window, middle_windows, windows_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_dicommeta.listing import Source

__all__ = ["LoadError", "Volume", "Volumes", "load", "load_series"]

SHARED = "SharedFunctionalGroupsSequence."
PER_FRAME = "PerFrameFunctionalGroupsSequence."
_GROUPS = {
    "PixelSpacing": "PixelMeasuresSequence.PixelSpacing",
    "RescaleSlope": "PixelValueTransformationSequence.RescaleSlope",
    "RescaleIntercept": "PixelValueTransformationSequence.RescaleIntercept",
    "RescaleType": "PixelValueTransformationSequence.RescaleType",
    "WindowCenter": "FrameVOILUTSequence.WindowCenter",
    "WindowWidth": "FrameVOILUTSequence.WindowWidth",
    "WindowCenterWidthExplanation": "FrameVOILUTSequence.WindowCenterWidthExplanation",
    "VOILUTFunction": "FrameVOILUTSequence.VOILUTFunction",
}


class LoadError(Exception):
    """Nothing in a source can be opened as a volume; the text says why, file by file."""


@dataclass(frozen=True, slots=True)
class Volume:
    """One volume of a series.

    `array`: lazy, shape (k, j, i), or (k, j, i, 3) for colour; int16 where every slope and intercept is whole
    and the range fits, else float32; uint8 or uint16 for colour. `units`: "HU", another *Rescale Type*, or ""
    where the files give no right to say. `windows`: the files' presets, the middle slice's first.
    `slice_windows`: the presets of each slice. `files`: (path, frame) behind each slice. `notes`: what is
    unusual about it.
    """

    name: str
    modality: str
    series_instance_uid: str
    array: LazyArray
    units: str
    geometry: VolumeGeometry
    windows: tuple[Window, ...]
    slice_windows: tuple[tuple[Window, ...], ...] = field(repr=False)
    files: tuple[tuple[str, int], ...] = field(repr=False)
    inverted: bool = False
    """MONOCHROME1: low values are shown bright; the array itself is not inverted."""
    is_colour: bool = False
    notes: tuple[Finding, ...] = ()

    def display_range(self) -> tuple[float, float]:
        """The smallest and largest value of the middle slice, for the full-range window."""
        plane = self.array[len(self.array) // 2]
        finite = plane[np.isfinite(plane)] if plane.dtype.kind == "f" else plane
        if not finite.size:
            return 0.0, 1.0
        low, high = float(finite.min()), float(finite.max())
        return (low, high) if high > low else (low, low + 1)


class Volumes(tuple[Volume, ...]):
    """The volumes of a source, the largest first, with what could not be opened.

    `refusals` are files that make no volume, each with its reason; `catalog` is what was scanned.
    """

    refusals: tuple[Refusal, ...] = ()
    catalog: Catalog


def load(source: Source | Sequence[Source] | Series | Catalog) -> Volumes:
    """The volumes in `source`: a path or several, a series, or a catalog.

    Pixels are read when the arrays are indexed or converted: ``np.asarray(load(path)[0].array)``.

    Raises
    ------
    LoadError
        If there is not one volume in it; the text gives the reasons.
    """
    if isinstance(source, Catalog):
        catalog = source
    elif isinstance(source, Series):
        catalog = source.catalog
    else:
        from napari_dicommeta.scanner import scan

        catalog = scan(source)
    series = (source,) if isinstance(source, Series) else catalog.series
    found: list[Volume] = []
    refusals: list[Refusal] = []
    for one in series:
        volumes, refused = load_series(one)
        found += volumes
        refusals += refused
    if not found:
        raise LoadError(nothing_found(catalog, refusals))
    volumes_found = Volumes(sorted(found, key=lambda volume: -volume.array.size))
    volumes_found.refusals, volumes_found.catalog = tuple(refusals), catalog
    return volumes_found


def nothing_found(catalog: Catalog, refusals: Sequence[Refusal]) -> str:
    """Why nothing can be shown, as one to six sentences."""
    reasons = [str(refusal) for refusal in refusals]
    reasons += [failure.brief for failure in catalog.failures]
    if not reasons:
        return "There are no files here."
    more = f"\n… and {len(reasons) - 5} more" if len(reasons) > 5 else ""
    return "No image could be opened.\n" + "\n".join(reasons[:5]) + more


def load_series(series: Series) -> tuple[tuple[Volume, ...], tuple[Refusal, ...]]:
    """The volumes of one series, the largest first, and the files that make none with the reason."""
    stacks, refused = split_series(series)
    refusals = list(refused)
    volumes: list[Volume] = []
    for stack in stacks:
        try:
            volumes += _of_stack(stack, f" [{len(volumes) + 1}]" if len(stacks) > 1 else "")
        except (_RefusedError, PixelError) as error:
            refusals.append(Refusal(series, tuple(image.path for image in stack.images), str(error)))
    return tuple(volumes), tuple(refusals)


class _RefusedError(Exception):
    """A stack that makes no volume; the text is the reason."""


def _of_stack(stack: Stack, suffix: str) -> list[Volume]:
    formats = _pixel_formats(stack.catalog)
    sizes = stack.catalog.file_column("size").tolist()
    for image, one, size in zip(stack.images, formats, sizes, strict=True):
        if fault := pixels_fault(one, image.pixel_length, size):
            raise _RefusedError(f"its pixels cannot be read: {fault}")
    if max(one.frames for one in formats) == 1 or len(stack.images) == 1:
        return [_volume(stack, formats, suffix)]
    volumes = []
    for i, image in enumerate(stack.images):
        part = Stack(stack.series, stack.catalog.rows(np.array([i])), (image,), "each file holds several frames")
        volumes.append(_volume(part, formats[i : i + 1], f"{suffix} [file {i + 1}]"))
    return volumes


def _volume(stack: Stack, formats: Sequence[PixelFormat], suffix: str) -> Volume:
    images, catalog, pixel_format = stack.images, stack.catalog, formats[0]
    notes: list[Finding] = []
    if stack.reason:
        notes.append(Finding("split", "info", f"parted from its series: {stack.reason}"))
    if pixel_format.frames > 1:
        order = [0]
        frames = [(0, frame) for frame in range(pixel_format.frames)]
        geometry = VolumeGeometry.unplaced(_unplaced_spacing(catalog))
    elif all(image.plane for image in images):
        planes = [image.plane for image in images if image.plane]
        order = slice_order(planes, [image.instance_number for image in images])
        frames = [(i, 0) for i in order]
        geometry = VolumeGeometry.of_planes([planes[i] for i in order])
        notes += _geometry_notes(geometry)
    else:
        order = sorted(range(len(images)), key=lambda i: (images[i].instance_number or 0.0, images[i].path))
        frames = [(i, 0) for i in order]
        geometry = VolumeGeometry.unplaced(_unplaced_spacing(catalog))
        if len(images) > 1:
            notes.append(
                Finding("unplaced", "decision", "the images do not say where they lie: ordered by Instance Number")
            )
    rescales, units, why = _rescale(catalog, len(images))
    if why:
        notes.append(why)
    files = tuple((images[i].path, frame) for i, frame in frames)
    per_image = _windows(catalog, len(images))
    slice_windows = tuple(per_image[i] for i, _ in frames)
    if pixel_format.is_colour:
        array = _colour_array(pixel_format, files)
        units = ""
    else:
        sources = [
            _Source(images[i].path, images[i].pixel_offset, frame, formats[i], *rescales[i]) for i, frame in frames
        ]
        array = _grey_array(sources)
    return Volume(
        stack.series.name + suffix,
        stack.series.modality,
        stack.series.series_instance_uid,
        array,
        units,
        geometry,
        () if pixel_format.is_colour else middle_windows(slice_windows),
        slice_windows,
        files,
        pixel_format.photometric == "MONOCHROME1",
        pixel_format.is_colour,
        tuple(notes),
    )


def _pixel_formats(catalog: Catalog) -> list[PixelFormat]:
    """The format of each file of a stack; bits, sign and transfer syntax may differ from file to file."""
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
    made: dict[tuple[str | int | None, ...], PixelFormat] = {}
    formats = []
    for *texts, pixel_tag in zip(*columns, catalog.file_column("pixel_tag").tolist(), strict=True):
        key = (*texts, pixel_tag)
        if key not in made:
            made[key] = _pixel_format(dict(zip(tags, texts[:8], strict=True)), texts[8], texts[9], pixel_tag)
        formats.append(made[key])
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
        whole("Rows", 0),
        whole("Columns", 0),
        whole("SamplesPerPixel", 1),
        max(whole("NumberOfFrames", 1), 1),
        bits,
        stored,
        whole("HighBit", stored - 1),
        whole("PixelRepresentation", 0) == 1,
        photometric or "MONOCHROME2",
        transfer_syntax or "",
        pixel_tag,
    )


def _texts(catalog: Catalog, tag: str) -> list[str | None]:
    """The text of an element in each file: at the top, or where enhanced images keep it."""
    texts = catalog.column_texts(tag)
    if any(text is not None for text in texts) or tag not in _GROUPS:
        return texts
    shared = catalog.column_texts(SHARED + _GROUPS[tag])
    return shared if any(text is not None for text in shared) else catalog.column_texts(PER_FRAME + _GROUPS[tag])


def _one(catalog: Catalog, tag: str) -> str:
    return next((text for text in _texts(catalog, tag) if text), "")


def _unplaced_spacing(catalog: Catalog) -> tuple[float, float] | None:
    """The pixel spacing of images without a place: at the patient, or else at the detector (PS3.3 section 10.7.1.3)."""
    return _pair(_one(catalog, "PixelSpacing")) or _pair(_one(catalog, "ImagerPixelSpacing"))


def _pair(text: str) -> tuple[float, float] | None:
    pair = numbers(text, 2)
    return (pair[0], pair[1]) if pair and min(pair) > 0 else None


def _rescale(catalog: Catalog, n: int) -> tuple[list[tuple[float, float]], str, Finding | None]:
    """(slope, intercept) of each file, the units they give, and a note (PS3.3 sections C.11.1 and C.8.2.1)."""
    slopes, intercepts = _texts(catalog, "RescaleSlope"), _texts(catalog, "RescaleIntercept")
    held = [bool(slope) and bool(intercept) for slope, intercept in zip(slopes, intercepts, strict=True)]
    modality = _one(catalog, "Modality")
    if not any(held):
        note = None
        if modality == "CT":
            note = Finding(
                "rescale-missing", "wrong", "no Rescale Slope and Intercept, which CT requires: stored values are shown"
            )
        return [(1.0, 0.0)] * n, "", note
    if not all(held):
        raise _RefusedError(
            f"Rescale Slope or Intercept is missing in {held.count(False)} of its {n} files: raw and rescaled values "
            "would be mixed"
        )
    pairs = []
    for slope, intercept in zip(slopes, intercepts, strict=True):
        slope_value, intercept_value = number(slope or ""), number(intercept or "")
        if slope_value is None or intercept_value is None or slope_value == 0:
            raise _RefusedError(f"a Rescale Slope of {slope!r} with an Intercept of {intercept!r} is no rescale")
        pairs.append((slope_value, intercept_value))
    kind = _one(catalog, "RescaleType")
    if modality == "PT":
        return pairs, _one(catalog, "Units"), None
    if modality != "CT":
        return pairs, "" if kind == "US" else kind, None
    original = _one(catalog, "ImageType").startswith("ORIGINAL")
    if kind in ("", "HU"):
        return pairs, "HU", None
    if kind == "US" and original:
        note = Finding("rescale-unspecified", "info", "Rescale Type is US, Unspecified; original CT images are in HU")
        return pairs, "HU", note
    return pairs, kind, Finding("rescale-type", "decision", f"Rescale Type is {kind}: the values may not be HU")


def _windows(catalog: Catalog, n: int) -> list[tuple[Window, ...]]:
    tags = ("WindowCenter", "WindowWidth", "WindowCenterWidthExplanation", "VOILUTFunction")
    columns = [_texts(catalog, tag) for tag in tags]
    windows: list[tuple[Window, ...]] = []
    for center, width, explanation, function in zip(*columns, strict=True):
        if " | " in (center or "") + (width or ""):  # different per frame: only their values are known here
            windows.append(())
        else:
            windows.append(windows_of(center or "", width or "", explanation or "", function or ""))
    return windows


def _geometry_notes(geometry: VolumeGeometry) -> list[Finding]:
    notes = []
    steps = geometry.steps
    if steps and (math.isnan(geometry.spacing[0]) or min(steps) < 1e-3):
        same = sum(step < 1e-3 for step in steps)
        notes.append(Finding("repeated-positions", "decision", f"{same} images lie at the position of another one"))
    if geometry.uneven:
        notes.append(
            Finding(
                "uneven", "decision", f"slices are {min(steps):.3f} to {max(steps):.3f} mm apart, not at one distance"
            )
        )
    if geometry.tilt > 0.1:
        notes.append(Finding("tilt", "decision", f"slices are sheared by {geometry.tilt:.2f} degrees (gantry tilt)"))
    return notes


@dataclass(frozen=True, slots=True)
class _Source:
    """Where one grey slice comes from, and its rescale."""

    path: str
    offset: int
    frame: int
    pixel_format: PixelFormat
    slope: float
    intercept: float

    def read(self, out: np.ndarray) -> None:
        """Fill `out`, int16 or float32 of shape (rows, columns), with modality values."""
        pixel_format, slope, intercept = self.pixel_format, self.slope, self.intercept
        if out.dtype == np.int16 and pixel_format.dtype.itemsize == 2:
            read_frame(self.path, self.offset, self.frame, pixel_format, out)
            if slope != 1:
                np.multiply(out, np.int16(slope), out=out)
            if intercept:
                np.add(out, np.int16(intercept), out=out)
            return
        stored = read_frame(self.path, self.offset, self.frame, pixel_format)
        out[...] = stored if (slope, intercept) == (1, 0) else stored * np.float64(slope) + intercept


def _grey_array(sources: Sequence[_Source]) -> LazyArray:
    first = sources[0].pixel_format
    kinds = {_exact_dtype(source) for source in sources}
    dtype = np.dtype(np.int16 if kinds == {np.dtype(np.int16)} else np.float32)
    return LazyArray((len(sources), first.rows, first.columns), dtype, lambda k, out: sources[k].read(out))


def _exact_dtype(source: _Source) -> np.dtype:
    """int16 if every value that the bits allow stays whole and in range under the rescale, else float32."""
    slope, intercept = source.slope, source.intercept
    if source.pixel_format.dtype.kind == "f" or not (slope.is_integer() and intercept.is_integer()):
        return np.dtype(np.float32)
    low, high = (value * slope + intercept for value in source.pixel_format.stored_range)
    fits = min(low, high) >= -32768 and max(low, high) <= 32767 and abs(intercept) <= 32767 and abs(slope) <= 32767
    return np.dtype(np.int16 if fits else np.float32)


def _colour_array(pixel_format: PixelFormat, files: Sequence[tuple[str, int]]) -> LazyArray:
    first = read_colour(*files[0])
    shape = (pixel_format.rows, pixel_format.columns, 3)

    def read(k: int, out: np.ndarray) -> None:
        path, frame = files[k]
        colours = first if k == 0 else read_colour(path, frame)
        if colours.shape != shape:
            raise PixelError(f"{path}: colour pixels of shape {colours.shape}, {shape} expected")
        out[...] = colours if colours.dtype == out.dtype else colours >> 8

    return LazyArray((len(files), *shape), first.dtype, read)
