"""Volume of a stack of frames: a lazy array in modality units with geometry, windows, files and notes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from napari_dicommeta.dicom.pixels import read_color
from napari_dicommeta.dicom.values import numbers
from napari_dicommeta.dicom.window import Window, middle_windows
from napari_dicommeta.volumes.geometry import VolumeGeometry
from napari_dicommeta.volumes.lazy_array import LazyArray
from napari_dicommeta.volumes.planes import ColorPlanes, RescaledPlanes
from napari_dicommeta.volumes.rescale import AIR, read_rescale
from napari_dicommeta.volumes.slice_windows import read_slice_windows
from napari_dicommeta.volumes.volume_notes import volume_notes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_dicommeta.catalog.catalog import Series
    from napari_dicommeta.volumes.frames import Frame
    from napari_dicommeta.volumes.note import Note
    from napari_dicommeta.volumes.rescale import Transform
    from napari_dicommeta.volumes.stacks import Stack

__all__ = ["Volume", "load_stack"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Volume:
    """One volume of a series.

    `array`: lazy, shape (k, j, i), (t, k, j, i) where positions repeat, or (t, j, i) where all images lie at one
    position, with a last axis of 3 for color. The dtype is int16 if every slope and intercept is whole and the range
    fits, otherwise float32; uint8 or uint16 for color and labels. `units`: "HU", another *Rescale Type*, or "" where
    the files do not establish a unit. `windows`: the files' presets, the middle slice's first. `slice_windows`: the
    presets of each slice. `files`: (path, frame) of each slice, one time after the other. `notes`: how the volume was
    built and what is unusual about it. `axis`: the keyword of axis t, "" without one.
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
    is_color: bool = False
    notes: tuple[Note, ...] = ()
    axis: str = ""
    is_labels: bool = False
    """Whether values are segment numbers, 0 for background."""
    frame_of_reference: str = ""
    """(0020,0052): volumes that share it lie in one patient space."""
    padding: tuple[tuple[float, float], ...] = ()
    """Ranges of modality values that mark padding in at least one slice."""
    _range: list[tuple[float, float]] = field(default_factory=list, repr=False, compare=False)

    def __array__(self, dtype: np.dtype | None = None, copy: bool | None = None) -> np.ndarray:
        return self.array.__array__(dtype, copy)

    @property
    def problems(self) -> tuple[Note, ...]:
        """Notes that are wrong or need a decision."""
        return tuple(note for note in self.notes if note.severity != "info")

    @property
    def middle(self) -> tuple[int, ...]:
        """Index of the middle slice, over all axes before those of an image."""
        lead = self.array.shape[: -3 if self.is_color else -2]
        return (0, lead[1] // 2) if len(lead) == 2 else (lead[0] // 2,)

    def display_range(self) -> tuple[float, float]:
        """Return the smallest and largest value of the middle slice without padding, for the full-range window."""
        if not self._range:
            self._range.append(self._display_range())
        return self._range[0]

    def _display_range(self) -> tuple[float, float]:
        plane = self.array[self.middle]
        for low, high in self.padding:
            inside = plane[(plane < low) | (plane > high)]
            plane = inside if inside.size else plane
        finite = plane[np.isfinite(plane)] if plane.dtype.kind == "f" else plane
        if not finite.size:
            return 0.0, 1.0
        smallest, largest = float(finite.min()), float(finite.max())
        return (smallest, largest) if largest > smallest else (smallest, smallest + 1)


def load_stack(
    series: Series, stack: Stack, suffix: str = "", padding: str = "keep", missing_rescale: str = "refuse"
) -> Volume:
    """Return the volume of a stack of `series`; `padding` and `missing_rescale` are those of `load`.

    Raises
    ------
    RefusedError, PixelError
        If the frames cannot be used in a volume; the text is the reason.
    """
    frames = stack.frames
    first = frames[0]
    rescale = read_rescale(frames, missing_rescale, padding)
    planes = stack.planes
    geometry = VolumeGeometry.of_planes(planes) if planes else VolumeGeometry.unplaced(_unplaced_spacing(first))
    windows, window_notes = read_slice_windows(frames, rescale.transforms)
    is_color = first.pixel_format.is_color
    lead = (stack.times,) if stack.is_one_place else (stack.times, len(frames) // stack.times)
    lead = lead if stack.times > 1 else (len(frames),)
    if is_color:
        array = _color_array(frames, lead)
    else:
        array = _gray_array(frames, lead, rescale.transforms, padding, rescale.units)
    paddings = () if is_color or padding != "keep" else _padding_ranges(rescale.transforms)
    return Volume(
        name=series.name + suffix,
        modality=first.text("Modality") or series.modality,
        series_instance_uid=series.series_instance_uid,
        array=array,
        units="" if is_color else rescale.units,
        geometry=geometry,
        windows=() if is_color else middle_windows(windows),
        slice_windows=windows,
        files=tuple((frame.path, frame.index) for frame in frames),
        inverted=first.pixel_format.photometric == "MONOCHROME1",
        is_color=is_color,
        notes=volume_notes(stack, geometry, rescale, windows, window_notes),
        axis=stack.axis if stack.times > 1 else "",
        frame_of_reference=first.text("FrameOfReferenceUID"),
        padding=paddings,
    )


def _unplaced_spacing(frame: Frame) -> tuple[float, float] | None:
    """Return the pixel spacing of unplaced images: at the patient, or else at the detector (PS3.3 section 10.7.1.3)."""
    for keyword in ("PixelSpacing", "ImagerPixelSpacing"):
        pair = numbers(frame.text(keyword), 2)
        if pair and min(pair) > 0:
            return pair[0], pair[1]
    return None


def _padding_ranges(transforms: Sequence[Transform]) -> tuple[tuple[float, float], ...]:
    ranges = set()
    for transform in set(transforms):
        if transform.padding is not None and (transform.table is None or transform.padding[0] == transform.padding[1]):
            ends = [float(end) for end in transform.apply(np.array(transform.padding))]
            ranges.add((min(ends), max(ends)))
    return tuple(sorted(ranges))


def _gray_array(
    frames: tuple[Frame, ...], lead: tuple[int, ...], transforms: tuple[Transform, ...], padding: str, units: str
) -> LazyArray:
    form = frames[0].pixel_format
    fill = {"nan": np.nan, "air": AIR if units == "HU" else None, "keep": None}[padding]
    pairs = {(transform, frame.pixel_format) for transform, frame in zip(transforms, frames, strict=True)}
    dtypes = {transform.exact_dtype(pixel_format) for transform, pixel_format in pairs}
    dtype = np.dtype(np.int16 if dtypes == {np.dtype(np.int16)} and padding != "nan" else np.float32)
    threads = 1 if all(frame.pixel_format.is_native for frame in frames) else 2
    planes = RescaledPlanes(frames, transforms, fill)
    return LazyArray((*lead, form.rows, form.columns), dtype, planes, threads=threads)


def _color_array(frames: tuple[Frame, ...], lead: tuple[int, ...]) -> LazyArray:
    form = frames[0].pixel_format
    first = read_color(frames[0].path, frames[0].pixel_offset, frames[0].index, form)
    planes = ColorPlanes(frames, (form.rows, form.columns, 3))
    array = LazyArray((*lead, *planes.shape), first.dtype, planes, plane_axes=3)
    if first.shape == planes.shape:  # otherwise reading the plane raises the error
        array.keep(0, first)
    return array
