"""Window presets of each frame: center/width pairs and VOI LUTs, in stored or rescaled values."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from napari_dicommeta.dicom.luts import read_voi_luts
from napari_dicommeta.dicom.pixels import read_frame
from napari_dicommeta.dicom.values import has_items
from napari_dicommeta.dicom.window import WINDOW_TAGS, Window, in_stored_values, windows_of
from napari_dicommeta.support.errors import PixelError
from napari_dicommeta.volumes.note import make_note

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_dicommeta.volumes.frames import Frame
    from napari_dicommeta.volumes.note import Note
    from napari_dicommeta.volumes.rescale import Transform

__all__ = ["read_slice_windows"]

TABLE_TAGS = ("VOILUTSequence.LUTDescriptor", "VOILUTSequence.LUTExplanation", "VOILUTSequence.LUTData")
STORED_VALUE_MODALITIES = frozenset(("MR", "PT", "NM"))
"""Modalities whose windows often refer to stored values even if there is a rescale."""


def read_slice_windows(
    frames: Sequence[Frame], transforms: Sequence[Transform]
) -> tuple[tuple[tuple[Window, ...], ...], tuple[Note, ...]]:
    """Return the windows of each frame, pairs before tables (PS3.3 section C.11.2), and notes.

    A note reports windows that refer to stored values. The middle frame decides this for all frames.
    """
    known: dict[tuple[str, ...], tuple[Window, ...]] = {}
    windows = []
    for frame in frames:
        texts = tuple(frame.text(keyword) for keyword in WINDOW_TAGS)
        has_tables = has_items(frame.text("VOILUTSequence"))
        key = (*texts, *(frame.text(keyword) for keyword in TABLE_TAGS)) if has_tables else texts
        if key not in known:
            known[key] = windows_of(*texts)
            if has_tables:
                known[key] += tuple(map(Window.of_table, read_voi_luts(frame.path)))
        windows.append(known[key])
    middle = len(frames) // 2
    if not _means_stored(frames[middle], transforms[middle], windows[middle]):
        return tuple(windows), ()
    note = make_note(
        "windows-stored",
        "Window presets fit the stored values, not the rescaled values: they are applied before the rescale",
    )
    converted = (
        tuple(replace(window, rescale=(transform.slope, transform.intercept)) for window in of_frame)
        for of_frame, transform in zip(windows, transforms, strict=True)
    )
    return tuple(converted), (note,)


def _means_stored(frame: Frame, transform: Transform, windows: Sequence[Window]) -> bool:
    first = next((window for window in windows if not window.fault and window.lut is None), None)
    if first is None or frame.text("Modality") not in STORED_VALUE_MODALITIES or frame.pixel_format.is_color:
        return False
    if transform.table is not None or (transform.slope, transform.intercept) == (1, 0):
        return False
    try:
        stored = read_frame(frame.path, frame.pixel_offset, frame.index, frame.pixel_format)
    except PixelError:  # raised again when the slice is read
        return False
    mask = transform.is_padding(stored)
    stored = stored[~mask] if mask is not None and not mask.all() else stored
    ends = (float(stored.min()) * transform.slope, float(stored.max()) * transform.slope)
    values = (min(ends) + transform.intercept, max(ends) + transform.intercept)
    return in_stored_values(first, values, transform.slope, transform.intercept)
