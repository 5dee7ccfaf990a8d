"""Window presets of each frame: center/width pairs and VOI LUTs, in stored or rescaled values."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from napari_dicommeta.dicom.luts import read_voi_luts
from napari_dicommeta.dicom.values import has_items
from napari_dicommeta.dicom.window import WINDOW_TAGS, Window, in_stored_values, windows_of
from napari_dicommeta.support.errors import PixelError
from napari_dicommeta.support.sorting import percentiles
from napari_dicommeta.volumes.note import make_note
from napari_dicommeta.volumes.partition import distinct, joint

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_dicommeta.volumes.frames import Frames
    from napari_dicommeta.volumes.note import Note
    from napari_dicommeta.volumes.sources import FrameSources
    from napari_dicommeta.volumes.transforms import Transform, Transforms

__all__ = ["read_slice_windows"]

TABLE_TAGS = ("VOILUTSequence.LUTDescriptor", "VOILUTSequence.LUTExplanation", "VOILUTSequence.LUTData")
MOST = (0.1, 99.9)
"""Percentiles between which most pixels are."""
STORED_VALUE_MODALITIES = frozenset(("MR", "PT", "NM"))
"""Modalities whose windows often refer to stored values even if there is a rescale."""


def read_slice_windows(
    frames: Frames, sources: FrameSources, transforms: Transforms
) -> tuple[tuple[tuple[Window, ...], ...], tuple[Note, ...]]:
    """Return the windows of each frame, pairs before tables (PS3.3 section C.11.2), and notes.

    A note reports windows that refer to stored values. The middle frame decides this for all frames.
    """
    keywords = (*WINDOW_TAGS, *TABLE_TAGS) if any(frames.texts("VOILUTSequence")) else WINDOW_TAGS
    first, ids = distinct(joint([frames.codes(keyword) for keyword in keywords]))
    known: dict[tuple[str, ...], tuple[Window, ...]] = {}
    of_first = []
    for n in first.tolist():
        texts = tuple(frames.text(keyword, n) for keyword in keywords)
        if texts not in known:
            known[texts] = windows_of(*texts[: len(WINDOW_TAGS)])
            if has_items(frames.text("VOILUTSequence", n)):
                known[texts] += tuple(map(Window.of_table, read_voi_luts(frames.path(n))))
        of_first.append(known[texts])
    middle = len(frames) // 2
    if not _means_stored(frames, sources, middle, transforms[middle], of_first[ids[middle]]):
        return tuple(map(of_first.__getitem__, ids.tolist())), ()
    note = make_note(
        "windows-stored",
        "Window presets fit the stored values, not the rescaled values: they are applied before the rescale",
    )
    converted: dict[tuple[int, int], tuple[Window, ...]] = {}
    windows = []
    for key in zip(ids.tolist(), transforms.ids.tolist(), strict=True):
        if key not in converted:
            transform = transforms.distinct[key[1]]
            rescale = (transform.slope, transform.intercept)
            converted[key] = tuple(replace(window, rescale=rescale) for window in of_first[key[0]])
        windows.append(converted[key])
    return tuple(windows), (note,)


def _means_stored(
    frames: Frames, sources: FrameSources, n: int, transform: Transform, windows: Sequence[Window]
) -> bool:
    first = next((window for window in windows if not window.fault and window.lut is None), None)
    if first is None or frames.text("Modality", n) not in STORED_VALUE_MODALITIES or frames.pixel_format(n).is_color:
        return False
    if transform.table is not None or (transform.slope, transform.intercept) == (1, 0):
        return False
    try:
        stored = sources.read(n)
    except PixelError:  # raised again when the slice is read
        return False
    mask = transform.is_padding(stored)
    stored = stored[~mask] if mask is not None and not mask.all() else stored
    spans = [(float(stored.min()), float(stored.max())), percentiles(stored, MOST)]
    values = [_rescaled(span, transform) for span in spans]
    # Makers clip the brightest pixels: a window may end within the rescaled values, and still beyond the stored ones.
    return in_stored_values(first, values[0], transform.slope, transform.intercept) and in_stored_values(
        first, values[1], transform.slope, transform.intercept, gain=0.0
    )


def _rescaled(span: tuple[float, ...], transform: Transform) -> tuple[float, float]:
    low, high = sorted(value * transform.slope + transform.intercept for value in span)
    return low, high
