"""The window presets of each frame: center/width pairs and VOI LUTs, and in whose units they are meant."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from napari_dicommeta.dicom.luts import read_voi_luts
from napari_dicommeta.dicom.pixels import read_frame
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
"""Modalities whose windows often mean stored values although a rescale is there."""


def read_slice_windows(
    frames: Sequence[Frame], transforms: Sequence[Transform]
) -> tuple[tuple[tuple[Window, ...], ...], tuple[Note, ...]]:
    """The windows of each frame, pairs before tables (PS3.3 section C.11.2), and a note where they mean stored values.

    That is decided once for all frames, by the values of the one in the middle.
    """
    made: dict[tuple[str, ...], tuple[Window, ...]] = {}
    windows = []
    for frame in frames:
        texts = tuple(frame.text(keyword) for keyword in WINDOW_TAGS)
        has_tables = frame.text("VOILUTSequence") not in ("", "0 items")
        key = (*texts, *(frame.text(keyword) for keyword in TABLE_TAGS)) if has_tables else texts
        if key not in made:
            made[key] = windows_of(*texts)
            if has_tables:
                made[key] += tuple(map(Window.of_table, read_voi_luts(frame.path)))
        windows.append(made[key])
    middle = len(frames) // 2
    if not _means_stored(frames[middle], transforms[middle], windows[middle]):
        return tuple(windows), ()
    note = make_note(
        "windows-stored", "Window presets fit the stored values, not the rescaled ones: they are shown in stored values"
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
    except PixelError:  # it will be raised, with its reason, to whoever asks for the slice
        return False
    mask = transform.is_padding(stored)
    stored = stored[~mask] if mask is not None and not mask.all() else stored
    ends = (float(stored.min()) * transform.slope, float(stored.max()) * transform.slope)
    values = (min(ends) + transform.intercept, max(ends) + transform.intercept)
    return in_stored_values(first, values, transform.slope, transform.intercept)
