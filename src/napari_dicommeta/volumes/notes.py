"""A volume's passport: how it was made from its files, and what in them is unusual, each with its section."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from napari_dicommeta.dicom.values import number
from napari_dicommeta.findings.check import SEVERITIES, Finding
from napari_dicommeta.volumes.geometry import SPACING_FLOOR

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from napari_dicommeta.dicom.window import Window
    from napari_dicommeta.volumes.geometry import VolumeGeometry
    from napari_dicommeta.volumes.rescale import Modality
    from napari_dicommeta.volumes.stacks import Stack

__all__ = ["geometry_notes", "passport"]

TILT = 0.1
"""Degrees; less is rounding of the positions."""
BESIDE = 0.1
"""Of a pixel; less is rounding of the positions."""
PLACE = "PS3.3 C.7.6.2"


def passport(
    stack: Stack,
    geometry: VolumeGeometry,
    modality: Modality,
    windows: Sequence[tuple[Window, ...]],
    window_notes: Sequence[Finding] = (),
) -> tuple[Finding, ...]:
    """The notes of the volume that `stack` makes, those that need a decision first."""
    notes = [
        *_parted(stack),
        *stack.notes,
        *_left_out(stack),
        *_order(stack, geometry),
        *_spacing(stack),
        *geometry_notes(geometry),
        *modality.notes,
        *_formats(stack),
        *_lossy(stack),
        *_windows(windows),
        *window_notes,
    ]
    return tuple(sorted(notes, key=lambda note: SEVERITIES.index(note.severity)))


def _parted(stack: Stack) -> Iterator[Finding]:
    if stack.reasons:
        yield Finding("split", "info", f"parted from its series: {', '.join(stack.reasons)}")


def _left_out(stack: Stack) -> Iterator[Finding]:
    if stack.left_out:
        kept = {frame.path for frame in stack.frames}
        n = len({frame.path for frame, _ in stack.left_out} - kept)
        reasons = list(dict.fromkeys(f"{os.path.basename(frame.path)} is {reason}" for frame, reason in stack.left_out))
        named = "; ".join(reasons[:3])
        more = f"; and {len(reasons) - 3} more" if len(reasons) > 3 else ""
        what = ("file is" if n == 1 else "files are") if n else "frames are"
        yield Finding(
            "left-out",
            "decision",
            f"{n or len(stack.left_out)} {what} left out: {named}{more}",
            tuple((frame.path, 1) for frame, _ in stack.left_out),
            ("SOPInstanceUID", "ImagePositionPatient"),
        )


def _order(stack: Stack, geometry: VolumeGeometry) -> Iterator[Finding]:
    if stack.is_one_place:
        return
    if not stack.is_grid:
        return
    if not stack.planes:
        if len(stack.frames) > 1:
            numbered = any(frame.instance_number is not None for frame in stack.frames)
            how = "by Instance Number" if numbered else "of their files' names"
            how = "as in their file" if len({frame.path for frame in stack.frames}) == 1 else how
            yield Finding(
                "unplaced", "decision", f"the images do not say where they lie: in order {how}", standard=PLACE
            )
    elif len(stack.planes) > 1 and not geometry.uneven:
        mean = sum(geometry.steps) / len(geometry.steps)
        worst = max(abs(step - mean) for step in geometry.steps)
        title = f"slices in order of their positions, {mean:.4g} mm apart"
        yield Finding("order", "info", title + (f", within {worst:.2g} mm" if worst > 1e-4 else ""), standard=PLACE)


def _spacing(stack: Stack) -> Iterator[Finding]:
    first = stack.frames[0]
    if stack.planes and not first.text("PixelSpacing"):
        stated = first.text("ImagerPixelSpacing")
        how = "that at the detector is taken" if stated else "pixels are taken to be 1 mm apart"
        yield Finding(
            "spacing-missing", "decision", f"no Pixel Spacing: {how}", (), ("PixelSpacing",), "PS3.3 10.7.1.3"
        )


def geometry_notes(geometry: VolumeGeometry) -> Iterator[Finding]:
    """What is unusual about a grid: slices missing, uneven, beside one another, sheared."""
    steps, tags = geometry.steps, ("ImagePositionPatient",)
    gaps = geometry.gaps
    if gaps:
        usual = sorted(steps)[len(steps) // 2]
        named = "; ".join(
            f"{missing} slice{'s' if missing > 1 else ''} missing between {k + 1} and {k + 2} ({step:.4g} mm)"
            for k, step, missing in gaps[:4]
        )
        more = f"; and at {len(gaps) - 4} more places" if len(gaps) > 4 else ""
        advice = "open it as it is, or with split='gaps'"
        title = f"{named}{more}; {usual:.4g} mm is the usual step"
        yield Finding("gap", "decision", title, tags=tags, standard=PLACE, advice=advice)
    elif geometry.uneven:
        title = f"slices are {min(steps):.4g} to {max(steps):.4g} mm apart, not at one distance"
        at = max(range(len(steps)), key=lambda k: abs(steps[k] - sum(steps) / len(steps)))
        title += f"; the largest deviation, {geometry.uneven:.4g} mm, is between slices {at + 1} and {at + 2}"
        yield Finding("uneven", "decision", title, tags=tags, standard=PLACE, advice="resample along the positions")
    k, beside = geometry.beside
    if beside > max(SPACING_FLOOR, BESIDE * geometry.spacing[2]):
        title = f"slice {k + 1} lies {beside:.4g} mm beside the line of the others"
        yield Finding("beside", "decision", title, tags=tags, standard=PLACE)
    if geometry.tilt > TILT and geometry.shear > SPACING_FLOOR:
        title = f"slices are sheared by {geometry.tilt:.2f} degrees, {geometry.shear:.4g} mm a slice (gantry tilt)"
        yield Finding("tilt", "decision", title, tags=tags, standard="PS3.3 C.8.15.3.3", advice="shear or resample it")


def _formats(stack: Stack) -> Iterator[Finding]:
    forms = {(frame.pixel_format.bits_stored, frame.pixel_format.signed) for frame in stack.frames}
    if len(forms) > 1:
        named = ", ".join(f"{'signed' if signed else 'unsigned'} {bits} bits" for bits, signed in sorted(forms))
        title = f"pixels are stored in several ways, each read as its file says: {named}"
        tags = ("BitsStored", "PixelRepresentation")
        yield Finding("formats", "decision", title, tags=tags, standard="PS3.3 C.7.6.3.1")


def _lossy(stack: Stack) -> Iterator[Finding]:
    lossy = [frame for frame in stack.frames if frame.text("LossyImageCompression") == "01"]
    if lossy:
        ratios = sorted({frame.text("LossyImageCompressionRatio") for frame in lossy} - {""}, key=_ratio)
        how = f", ratio {ratios[0]}" if len(ratios) == 1 else f", ratios {ratios[0]} to {ratios[-1]}" if ratios else ""
        of = "all" if len(lossy) == len(stack.frames) else f"{len(lossy)} of {len(stack.frames)}"
        title = f"{of} images have once been lossily compressed{how}"
        yield Finding("lossy", "decision", title, tags=("LossyImageCompression",), standard="PS3.3 C.7.6.1.1.5")


def _ratio(text: str) -> tuple[float, str]:
    """A key that sorts compression ratios by their last, which counts, of several one after another."""
    return number(text.split("\\")[-1]) or 0.0, text


def _windows(windows: Sequence[tuple[Window, ...]]) -> Iterator[Finding]:
    distinct = len(set(windows))
    if distinct > 1:
        title = f"window presets differ from slice to slice: {distinct} sets, the middle slice's come first"
        yield Finding("windows-vary", "info", title, tags=("WindowCenter", "WindowWidth"), standard="PS3.3 C.11.2")
