"""Volume of a stack of frames: a lazy array in modality units with geometry, windows, files and notes."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_dicommeta.support.errors import PixelError
from napari_dicommeta.support.html import escape_html, html_image, html_table, html_terms
from napari_dicommeta.support.png import png_of
from napari_dicommeta.volumes import conversions
from napari_dicommeta.volumes.details import Details, StackDetails
from napari_dicommeta.volumes.geometry import VolumeGeometry
from napari_dicommeta.volumes.lazy_array import LazyArray
from napari_dicommeta.volumes.note import make_note
from napari_dicommeta.volumes.pixel_spacing import stated_spacing
from napari_dicommeta.volumes.planes import ColorPlanes, RescaledPlanes
from napari_dicommeta.volumes.rescale import read_rescale
from napari_dicommeta.volumes.segments import MaskPlanes, groups_without_overlap, is_segment_source, segments_text
from napari_dicommeta.volumes.thumbnail import SIDE, color_picture, gray_picture, thinned
from napari_dicommeta.volumes.transforms import AIR, INT16
from napari_dicommeta.volumes.value_dtypes import value_dtype

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_dicommeta.catalog.catalog import Series
    from napari_dicommeta.dicom.window import Window
    from napari_dicommeta.volumes.note import Note
    from napari_dicommeta.volumes.rescale import Rescale
    from napari_dicommeta.volumes.segments import Segment
    from napari_dicommeta.volumes.sources import FrameSources
    from napari_dicommeta.volumes.stacks import Stack
    from napari_dicommeta.volumes.transforms import Transforms

__all__ = ["Volume", "VolumeParts", "gray_planes", "padding_ranges", "read_parts", "volume_of", "without_levels"]

MAX_RANGE_BYTES = 1 << 28
"""Bytes of the largest plane that is read as a whole for its range."""
RANGE_SIDE = 1024
"""Of a larger plane, so many rows and columns on each side of its middle are read."""
STRIP = 6
"""The pictures of slices that a notebook shows."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Volume:
    """One volume of a series.

    `array`: lazy, shape (k, j, i), (t, k, j, i) where positions repeat, or (t, j, i) where all images lie at one
    position, with a last axis of 3 for color; focal planes are the axis k of a slide. The dtype is int16 if every slope
    and intercept is whole and the range fits, otherwise one that holds each whole number exactly (float32, int32,
    uint32, float64), float32 for fractions; uint8 or uint16 for color and labels. `units`: "HU",
    another *Rescale Type*, or "" where the files do not establish a unit. `details`: the windows of its slices and its
    notes, made when first asked for. `sources`: where the pixels of each slice are. `axis`: the keyword of axis t, ""
    without one; `axis_texts`: the text of that element at each t, "" where it has none. `name` begins with the
    description of the series, `label` with its number and modality, which name no person.

    Examples
    --------
    >>> volume = dm.load("Chest CT phantom")[0]
    >>> int(volume.array[24].max()), volume.geometry.spacing
    (700, (2.5, 1.5, 1.5))
    >>> [window.label for window in volume.windows]
    ['MEDIASTINUM', 'LUNG']
    >>> [note.code for note in volume.notes]
    ['order', 'padding', 'units']
    """

    name: str
    modality: str
    series_instance_uid: str
    array: LazyArray
    units: str
    geometry: VolumeGeometry
    details: Details
    sources: FrameSources = field(repr=False)
    inverted: bool = False
    """MONOCHROME1: low values are shown bright; the array itself is not inverted."""
    is_color: bool = False
    axis: str = ""
    axis_texts: tuple[str, ...] = ()
    is_labels: bool = False
    """Whether values are segment numbers, 0 for background."""
    segments: tuple[Segment, ...] = ()
    """Of labels: the segments or regions by their numbers in the array, with names and colors."""
    frame_of_reference: str = ""
    """(0020,0052): volumes that share it lie in one patient space."""
    padding: tuple[tuple[float, float], ...] = ()
    """Ranges of modality values that mark padding in at least one slice."""
    label: str = ""
    saved_windows: tuple[Window, ...] = ()
    """Those of `windows` that presentation states hold for slices of this volume."""
    levels: tuple[LazyArray, ...] = field(default=(), repr=False)
    """Smaller images of the same field of a slide, the largest first, each with as many planes as the array."""
    _kept: dict[str, Any] = field(default_factory=dict, repr=False, compare=False)

    def __array__(self, dtype: np.dtype | None = None, copy: bool | None = None) -> np.ndarray:
        return self.array.__array__(dtype, copy)

    @property
    def files(self) -> tuple[tuple[str, int], ...]:
        """(path, frame) of each slice, one time after the other; a slice of labels that no frame shows has frame -1."""
        if "files" not in self._kept:
            self._kept["files"] = self.sources.places()
        return self._kept["files"]  # type: ignore[no-any-return]

    @property
    def windows(self) -> tuple[Window, ...]:
        """The files' window presets, the middle slice's first; () for color and labels."""
        return () if self.is_color or self.is_labels else self.details.windows

    @property
    def slice_windows(self) -> tuple[tuple[Window, ...], ...]:
        """The window presets of each slice, in the order of `files`."""
        return self.details.slice_windows

    @property
    def notes(self) -> tuple[Note, ...]:
        """How the volume was built and what is unusual about it, the most severe first."""
        return self.details.notes

    @property
    def problems(self) -> tuple[Note, ...]:
        """Notes that are wrong or need a decision."""
        return tuple(note for note in self.notes if note.severity != "info")

    @property
    def saturated(self) -> dict[int, int]:
        """Index in `files` -> pixels below -32768 that int16 cannot hold and that are set to it, of slices read so far.

        Only volumes in HU of signed 16-bit images with a negative intercept have any; values that low are padding.
        """
        return dict(getattr(self.array.source, "saturated", {}))

    def mask(self, segment: int | str) -> LazyArray:
        """Return where a segment is, whole also where others overlap it: bool, lazy, of the shape of the array.

        `segment` is its number or its name.

        Raises
        ------
        ValueError
            If no segment or several have this name, or the volume is a slide, whose tiles hold one number.
        """
        found = [known for known in self.segments if segment in (known.number, known.name)]
        source = getattr(self.array, "source", None)
        if len(found) != 1:
            raise ValueError(f"{len(found) or 'no'} segments are {segment!r}: there are {segments_text(self.segments)}")
        if not is_segment_source(source):
            raise ValueError("the segments of a slide have no masks: compare its array with the number")
        number, dtype = found[0].number, self.array.dtype
        return LazyArray(self.array.shape, bool, MaskPlanes(source.only(frozenset((number,))), number, dtype))

    def without_overlaps(self) -> tuple[Volume, ...]:
        """Return volumes that hold its segments without loss: itself, or several where segments overlap. Reads them."""
        source, shape = getattr(self.array, "source", None), self.array.shape
        if len(self.segments) < 2 or not is_segment_source(source):
            return (self,)
        notes = tuple(note for note in self.notes if note.code not in ("segments-overlap", "structures-overlap"))
        if notes == self.notes:
            return (self,)
        groups = groups_without_overlap(source, (self.array.n_planes, *shape[-2:]), self.array.dtype)
        if len(groups) < 2:
            return (replace(self, details=Details(self.slice_windows, notes), _kept={}),)
        title = f"Segments overlap: they are in {len(groups)} arrays, in each of which none hides another"
        notes = (*notes, make_note("segments-apart", title))
        return tuple(
            replace(
                self,
                name=f"{self.name} [{n}]",
                label=f"{self.label} [{n}]",
                array=LazyArray(shape, self.array.dtype, source.only(group)),
                segments=tuple(known for known in self.segments if known.number in group),
                details=Details(self.slice_windows, notes),
                _kept={},
            )
            for n, group in enumerate(groups, 1)
        )

    @property
    def middle(self) -> tuple[int, ...]:
        """Index of the middle slice, over all axes before those of an image."""
        lead = self.array.shape[: -3 if self.is_color else -2]
        return (0, lead[1] // 2) if len(lead) == 2 else (lead[0] // 2,)

    def to_sitk(self, allow_uneven: bool = False) -> Any:
        """Return it as a `SimpleITK.Image`; see `conversions.to_sitk`."""
        return conversions.to_sitk(self, allow_uneven)

    def to_nibabel(self, allow_uneven: bool = False) -> Any:
        """Return it as a `nibabel.Nifti1Image`; see `conversions.to_nibabel`."""
        return conversions.to_nibabel(self, allow_uneven)

    def to_xarray(self) -> Any:
        """Return it as an `xarray.DataArray`; see `conversions.to_xarray`."""
        return conversions.to_xarray(self)

    def to_dask(self) -> Any:
        """Return it as a lazy `dask.array.Array`; see `conversions.to_dask`."""
        return conversions.to_dask(self)

    def to_monai(self, allow_uneven: bool = False) -> Any:
        """Return it as a `monai.data.MetaTensor`; see `conversions.to_monai`."""
        return conversions.to_monai(self, allow_uneven)

    def display_range(self) -> tuple[float, float]:
        """Return the smallest and largest value of the middle slice without padding, for the full-range window.

        Of a slide with several levels, the smallest level is read; of a plane larger than 256 MiB only the middle.
        """
        if "range" not in self._kept:
            self._kept["range"] = self._display_range()
        return self._kept["range"]  # type: ignore[no-any-return]

    def thumbnail(self, index: tuple[int, ...] | None = None, side: int = SIDE) -> np.ndarray:
        """Return a small picture of a slice, through the files' first window that can be applied.

        uint8 of shape (rows, columns), or (rows, columns, 3) for color; the longer side has `side` pixels. `index` is
        over all axes before those of an image, the middle slice by default. Without a window the range of
        `display_range` is shown. What is read of slides and of planes above 256 MiB is what `display_range` reads.

        Raises
        ------
        PixelError
            If the slice cannot be decoded.
        """
        plane = self._shown_plane(self.middle if index is None else index)
        rows, columns = self.geometry.spacing[1:]
        small = thinned(plane, rows / columns if rows > 0 and columns > 0 else 1.0, side)
        if self.is_color:
            return color_picture(small)
        window = next((preset for preset in self.windows if not preset.fault), None)
        return gray_picture(small, window or self.display_range(), self.inverted)

    def _repr_html_(self) -> str:
        terms = [(name, str(text)) for name, text in self.html_row().items() if name != "volume"]
        notes = html_table([note.html_row() for note in self.problems]) if self.problems else ""
        return html_terms(self.name, terms) + self._strip() + notes

    def html_row(self) -> dict[str, str | int | float]:
        """Return what a table of volumes shows of this one."""
        step = [f"{length:.4g}" for length in self.geometry.spacing if not np.isnan(length)]
        return {
            "volume": self.name,
            "modality": self.modality,
            "shape": " × ".join(map(str, self.array.shape)),
            "dtype": str(self.array.dtype),
            "units": self.units,
            "spacing in mm": " × ".join(step),
            "windows": ", ".join(dict.fromkeys(window.label for window in self.windows)),
            "axis": self.axis,
            "decide": str(len(self.problems) or ""),
        }

    def _strip(self) -> str:
        """Return pictures of slices, evenly spread, and the reason in place of one that cannot be read."""
        *first, _ = self.middle
        n = self.array.shape[len(first)]
        shown = []
        for k in sorted({int((i + 0.5) * n / STRIP) for i in range(STRIP)}):
            try:
                shown.append(html_image(png_of(self.thumbnail((*first, k))), f"slice {k}"))
            except PixelError as error:
                shown.append(f"<span>slice {k}: {escape_html(error.reason)}</span>")
        return f"<div>{''.join(shown)}</div>"

    def _shown_plane(self, index: tuple[int | slice, ...]) -> np.ndarray:
        """Return the slice at `index`: of a slide with several levels the smallest, of a large plane the middle."""
        array = self.levels[-1] if self.levels else self.array
        if array.nbytes // max(array.n_planes, 1) > MAX_RANGE_BYTES:
            first = len(index)
            index += tuple(
                slice(max(0, n // 2 - RANGE_SIDE), n // 2 + RANGE_SIDE) for n in array.shape[first : first + 2]
            )
        return np.asarray(array[index])

    def _display_range(self) -> tuple[float, float]:
        plane = self._shown_plane(self.middle)
        for low, high in self.padding:
            inside = plane[(plane < low) | (plane > high)]
            plane = inside if inside.size else plane
        finite = plane[np.isfinite(plane)] if plane.dtype.kind == "f" else plane
        if not finite.size:
            return 0.0, 1.0
        smallest, largest = float(finite.min()), float(finite.max())
        return (smallest, largest) if largest > smallest else (smallest, smallest + 1)


def without_levels(volumes: Sequence[Volume]) -> list[Volume]:
    """Return the volumes that are not shown with another of them, as a smaller level of its slide."""
    shown = {id(level) for volume in volumes for level in volume.levels}
    return [volume for volume in volumes if id(volume.array) not in shown]


@dataclass(frozen=True, slots=True, kw_only=True)
class VolumeParts:
    """What the volumes of one stack share: where its pixels are, transforms, grid, windows and notes."""

    sources: FrameSources
    rescale: Rescale
    geometry: VolumeGeometry
    details: Details


def read_parts(stack: Stack, padding: str = "keep", missing_rescale: str = "refuse") -> VolumeParts:
    """Return the parts of a stack's volume; the options are those of `load`.

    Modality lookup tables are read from the files.

    Raises
    ------
    RefusedError
        If the frames cannot be used in a volume; the text is the reason.
    """
    frames = stack.frames
    sources = frames.sources()
    rescale = read_rescale(frames, missing_rescale, padding)
    geometry = stack.geometry() or VolumeGeometry.unplaced(stated_spacing(frames.text))
    details = StackDetails(stack, geometry, rescale, sources)
    return VolumeParts(sources=sources, rescale=rescale, geometry=geometry, details=details)


def volume_of(series: Series, stack: Stack, parts: VolumeParts, suffix: str = "", padding: str = "keep") -> Volume:
    """Return the volume of a stack of `series`; `suffix` is added to its name, `padding` is that of `load`.

    Raises
    ------
    PixelError
        If no frame of those that are tried can be decoded.
    """
    frames, sources, rescale = stack.frames, parts.sources, parts.rescale
    form = sources.pixel_format(0)
    lead = (stack.times,) if stack.is_one_place else (stack.times, len(frames) // stack.times)
    lead = lead if stack.times > 1 else (len(frames),)
    if form.is_color:
        array = _color_array(sources, lead)
    else:
        array = _gray_array(sources, lead, rescale.transforms, padding, rescale.units)
    keeps_padding = not form.is_color and padding == "keep"
    return Volume(
        name=series.name + suffix,
        label=series.label + suffix,
        modality=frames.text("Modality") or series.modality,
        series_instance_uid=series.series_instance_uid,
        array=array,
        units="" if form.is_color else rescale.units,
        geometry=parts.geometry,
        details=parts.details,
        sources=sources,
        inverted=form.photometric == "MONOCHROME1",
        is_color=form.is_color,
        axis=stack.axis if stack.times > 1 else "",
        axis_texts=_axis_texts(stack),
        frame_of_reference=frames.text("FrameOfReferenceUID") or frames.text("VolumeFrameOfReferenceUID"),
        padding=padding_ranges(rescale.transforms, array.dtype) if keeps_padding else (),
    )


def _axis_texts(stack: Stack) -> tuple[str, ...]:
    """Return the text of the fourth axis at each time, of its first frame; () without that axis."""
    if stack.times == 1 or not stack.axis:
        return ()
    per_time = len(stack.frames) // stack.times
    return tuple(stack.frames.text(stack.axis, per_time * n) for n in range(stack.times))


def padding_ranges(transforms: Transforms, dtype: np.dtype) -> tuple[tuple[float, float], ...]:
    """Return the ranges of values that mark padding, within the range of `dtype`."""
    ranges = set()
    for transform in transforms.distinct:
        if transform.padding is not None and (transform.table is None or transform.padding[0] == transform.padding[1]):
            ends = [float(end) for end in transform.apply(np.array(transform.padding))]
            if dtype == np.int16:
                ends = [max(end, float(INT16.min)) for end in ends]
            ranges.add((min(ends), max(ends)))
    return tuple(sorted(ranges))


def _gray_array(
    sources: FrameSources, lead: tuple[int, ...], transforms: Transforms, padding: str, units: str
) -> LazyArray:
    planes, dtype = gray_planes(sources, transforms, padding, units)
    used = sources.used_formats
    is_coded = not all(form.is_native for form in used)
    threads = sources.waiting_threads or (2 if is_coded else 1)
    array = LazyArray((*lead, used[0].rows, used[0].columns), dtype, planes, threads=threads)
    if is_coded:
        _decode_one(array)
    return array


def gray_planes(
    sources: FrameSources, transforms: Transforms, padding: str, units: str
) -> tuple[RescaledPlanes, np.dtype]:
    """Return the source of gray frames in modality units, and the dtype that holds them, see `value_dtype`."""
    fill = {"nan": np.nan, "air": AIR if units == "HU" else None, "keep": None}[padding]
    dtype = value_dtype(sources.formats, sources.format_ids[sources.files], transforms, padding, units)
    return RescaledPlanes(sources, transforms, fill), dtype


def _decode_one(array: LazyArray) -> None:
    """Decode the first plane, or if that fails one of two others, which shows that the volume can be read.

    Raises
    ------
    PixelError
        If none can be decoded; it is that of the first plane.
    """
    first: PixelError | None = None
    for n in dict.fromkeys((0, array.n_planes // 2, array.n_planes - 1)):
        try:
            array[np.unravel_index(n, array.shape[:-2])]
        except PixelError as error:
            first = first or error
        else:
            return
    if first is not None:
        raise first


def _color_array(sources: FrameSources, lead: tuple[int, ...]) -> LazyArray:
    first, form = sources.read_color(0), sources.pixel_format(0)
    planes = ColorPlanes(sources, (form.rows, form.columns, 3))
    is_8_bit = any(other.photometric != "PALETTE COLOR" and other.bits_stored <= 8 for other in sources.used_formats)
    dtype = np.dtype(np.uint8) if is_8_bit else first.dtype  # tables of 16 bits are shown with 8 beside other images
    array = LazyArray((*lead, *planes.shape), dtype, planes, plane_axes=3, threads=sources.waiting_threads or 1)
    if first.shape == planes.shape and first.dtype == dtype:  # otherwise reading the plane converts it, or raises
        array.keep(0, first)
    return array
