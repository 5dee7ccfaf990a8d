"""Notes of a volume, each with its section of the Standard."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from napari_dicommeta.dicom.values import number
from napari_dicommeta.support.words import counted
from napari_dicommeta.volumes.geometry import SPACING_FLOOR
from napari_dicommeta.volumes.note import SEVERITIES, make_note

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from napari_dicommeta.dicom.window import Window
    from napari_dicommeta.volumes.geometry import VolumeGeometry
    from napari_dicommeta.volumes.note import Note
    from napari_dicommeta.volumes.rescale import Rescale
    from napari_dicommeta.volumes.stacks import Stack

__all__ = ["geometry_notes", "volume_notes"]

MIN_TILT = 0.1
"""Degrees; smaller angles are rounding of the positions."""
MIN_SHIFT = 0.1
"""Fraction of a pixel; smaller shifts are rounding of the positions."""


def volume_notes(
    stack: Stack,
    geometry: VolumeGeometry,
    rescale: Rescale,
    windows: Sequence[tuple[Window, ...]],
    window_notes: Sequence[Note] = (),
) -> tuple[Note, ...]:
    """Return the notes of the volume built from `stack`, the most severe first."""
    notes = [
        *_split(stack),
        *stack.notes,
        *_left_out(stack),
        *_order(stack, geometry),
        *_spacing(stack),
        *geometry_notes(geometry),
        *rescale.notes,
        *_formats(stack),
        *_lossy(stack),
        *_windows(windows),
        *window_notes,
    ]
    return tuple(sorted(notes, key=lambda note: SEVERITIES.index(note.severity)))


def _split(stack: Stack) -> Iterator[Note]:
    if stack.reasons:
        yield make_note("split", f"Split from its series: {', '.join(stack.reasons)}")


def _left_out(stack: Stack) -> Iterator[Note]:
    if stack.left_out:
        used = {frame.path for frame in stack.frames}
        n = len({frame.path for frame, _ in stack.left_out} - used)
        reasons = list(dict.fromkeys(f"{os.path.basename(frame.path)} is {reason}" for frame, reason in stack.left_out))
        named = "; ".join(reasons[:3])
        more = f"; and {len(reasons) - 3} more" if len(reasons) > 3 else ""
        subject = ("file is" if n == 1 else "files are") if n else "frames are"
        yield make_note(
            "left-out",
            f"{n or len(stack.left_out)} {subject} left out: {named}{more}",
            paths=[frame.path for frame, _ in stack.left_out],
        )


def _order(stack: Stack, geometry: VolumeGeometry) -> Iterator[Note]:
    if stack.is_one_place:
        return
    if not stack.is_grid:
        return
    if not stack.planes:
        if len(stack.frames) > 1:
            numbered = any(frame.instance_number is not None for frame in stack.frames)
            how = "by Instance Number" if numbered else "by file name"
            how = "as in their file" if len({frame.path for frame in stack.frames}) == 1 else how
            yield make_note("unplaced", f"Images have no positions: ordered {how}")
    elif len(stack.planes) > 1 and not geometry.uneven:
        mean = sum(geometry.steps) / len(geometry.steps)
        worst = max(abs(step - mean) for step in geometry.steps)
        title = f"Slices are ordered by position, {mean:.4g} mm apart"
        yield make_note("order", title + (f", within {worst:.2g} mm" if worst > 1e-4 else ""))


def _spacing(stack: Stack) -> Iterator[Note]:
    first = stack.frames[0]
    if stack.planes and not first.text("PixelSpacing"):
        stated = first.text("ImagerPixelSpacing")
        how = (
            "Imager Pixel Spacing, measured at the detector, is used"
            if stated
            else "pixels are assumed to be 1 mm apart"
        )
        yield make_note("spacing-missing", f"No Pixel Spacing: {how}")


def geometry_notes(geometry: VolumeGeometry) -> Iterator[Note]:
    """Yield a note for missing, unevenly spaced, sideways shifted or sheared slices."""
    steps, gaps = geometry.steps, geometry.gaps
    if gaps:
        usual = sorted(steps)[len(steps) // 2]
        named = "; ".join(
            f"{counted(missing, 'slice')} missing between {k + 1} and {k + 2} ({step:.4g} mm)"
            for k, step, missing in gaps[:4]
        )
        more = f"; and at {len(gaps) - 4} more places" if len(gaps) > 4 else ""
        yield make_note("gap", f"{named}{more}; the usual step is {usual:.4g} mm")
    elif geometry.uneven:
        at = max(range(len(steps)), key=lambda k: abs(steps[k] - sum(steps) / len(steps)))
        yield make_note(
            "uneven",
            f"Slices are unevenly spaced, {min(steps):.4g} to {max(steps):.4g} mm apart; the largest deviation, "
            f"{geometry.uneven:.4g} mm, is between slices {at + 1} and {at + 2}",
        )
    k, shift = geometry.beside
    if shift > max(SPACING_FLOOR, MIN_SHIFT * geometry.spacing[2]):
        yield make_note("beside", f"Slice {k + 1} is shifted {shift:.4g} mm sideways from the line of the other slices")
    if geometry.tilt > MIN_TILT and geometry.shear > SPACING_FLOOR:
        shear = f"{geometry.tilt:.2f} degrees, {geometry.shear:.4g} mm a slice"
        yield make_note("tilt", f"Slices are sheared by {shear} (gantry tilt)")


def _formats(stack: Stack) -> Iterator[Note]:
    forms = {(frame.pixel_format.bits_stored, frame.pixel_format.signed) for frame in stack.frames}
    if len(forms) > 1:
        named = ", ".join(f"{'signed' if signed else 'unsigned'} {bits} bits" for bits, signed in sorted(forms))
        yield make_note("formats", f"Pixels are stored in several formats, and each file is read with its own: {named}")


def _lossy(stack: Stack) -> Iterator[Note]:
    lossy = [frame for frame in stack.frames if frame.text("LossyImageCompression") == "01"]
    if lossy:
        ratios = sorted({frame.text("LossyImageCompressionRatio") for frame in lossy} - {""}, key=_ratio)
        how = f", ratio {ratios[0]}" if len(ratios) == 1 else f", ratios {ratios[0]} to {ratios[-1]}" if ratios else ""
        of = "All" if len(lossy) == len(stack.frames) else f"{len(lossy)} of {len(stack.frames)}"
        yield make_note("lossy", f"{of} images have been lossily compressed{how}")


def _ratio(text: str) -> tuple[float, str]:
    """Return a sort key for compression ratios; of several successive ratios the last counts."""
    return number(text.split("\\")[-1]) or 0.0, text


def _windows(windows: Sequence[tuple[Window, ...]]) -> Iterator[Note]:
    distinct = len(set(windows))
    if distinct > 1:
        yield make_note(
            "windows-vary", f"Window presets differ from slice to slice: {distinct} sets, the middle slice's come first"
        )
