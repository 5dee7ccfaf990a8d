"""Notes of a volume, each with its section of the Standard."""

from __future__ import annotations

import os
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from napari_dicommeta.dicom.values import number, numbers
from napari_dicommeta.support.sorting import sorted_unique
from napari_dicommeta.support.words import counted
from napari_dicommeta.volumes.dimensions import SPLIT_TAGS, kind_codes, name_of
from napari_dicommeta.volumes.geometry import even_steps, is_orientation
from napari_dicommeta.volumes.note import SEVERITIES, make_note
from napari_dicommeta.volumes.partition import groups_of
from napari_dicommeta.volumes.pixel_notes import pixel_notes
from napari_dicommeta.volumes.pixel_spacing import SPACINGS, is_spacing, regions_differ, stated_spacing

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from napari_dicommeta.dicom.window import Window
    from napari_dicommeta.volumes.frames import Frames
    from napari_dicommeta.volumes.geometry import VolumeGeometry
    from napari_dicommeta.volumes.note import Note
    from napari_dicommeta.volumes.rescale import Rescale
    from napari_dicommeta.volumes.stacks import Stack

__all__ = ["geometry_notes", "volume_notes"]

ORIENTATION = "ImageOrientationPatient"
ACQUIRED = ("KVP", "EchoTime", "InversionTime", "FlipAngle", "DiffusionBValue", "SequenceName", *SPLIT_TAGS[:4])
"""Elements that are equal in all slices of an acquisition."""
MAX_VALUES = 4
"""Number of values that a note names."""
MIN_TILT = 0.1
"""Degrees; smaller angles are rounding of the positions."""
STRAY_STEPS = 10
"""Number of missing slices from which on a single slice at the end may lie there by mistake."""
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
        *_interleaved(stack),
        *_mosaics(stack),
        *_spacing(stack),
        *geometry_notes(geometry, stack.frames.text("Modality")),
        *rescale.notes,
        *_formats(stack),
        *pixel_notes(stack.frames),
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
        used = set(stack.frames.paths())
        n = len({frame.path for frame in stack.left_out} - used)
        reasons = list(dict.fromkeys(f"{os.path.basename(frame.path)} is {frame.reason}" for frame in stack.left_out))
        named = "; ".join(reasons[:3])
        more = f"; and {len(reasons) - 3} more" if len(reasons) > 3 else ""
        subject = ("file is" if n == 1 else "files are") if n else "frames are"
        yield make_note(
            "left-out",
            f"{n or len(stack.left_out)} {subject} left out: {named}{more}",
            paths=[frame.path for frame in stack.left_out],
        )


def _order(stack: Stack, geometry: VolumeGeometry) -> Iterator[Note]:
    if stack.is_one_place or not stack.is_grid:
        return
    if not stack.is_placed:
        if len(stack.frames) > 1:
            numbered = not np.isnan(stack.frames.numbers("InstanceNumber")).all()
            how = "by Instance Number" if numbered else "by file name"
            how = "as in their file" if (stack.frames.files == stack.frames.files[0]).all() else how
            has_position = any(stack.frames.texts("ImagePositionPatient"))
            oriented = any(is_orientation(numbers(text, 6) or ()) for text in stack.frames.texts(ORIENTATION))
            lacks = "no valid orientation" if has_position and not oriented else "no positions"
            yield make_note("unplaced", f"Images have {lacks}: ordered {how}")
    elif len(geometry.steps) and not geometry.uneven:
        usual = geometry.usual_step
        worst = float(np.abs(np.array(geometry.steps) - usual).max())
        title = f"Slices are ordered by position, {usual:.4g} mm apart"
        yield make_note("order", title + (f", within {worst:.2g} mm" if worst > 1e-4 else ""))


def _interleaved(stack: Stack) -> Iterator[Note]:
    """Yield a note where slices between one another were acquired with other parameters."""
    if not stack.is_placed or stack.is_one_place:
        return
    for keyword in ACQUIRED:
        frames = stack.frames
        if len(frames.texts(keyword)) == 1 or keyword == stack.axis:
            continue
        codes = kind_codes(frames, keyword).reshape(stack.times, -1)[0]
        held = [slices for slices in groups_of(codes) if frames.text(keyword, int(slices[0]))]
        if not 1 < len(held) <= len(codes) // 2:  # a value of each slice is no kind of slices
            continue
        spans = [(int(slices[0]), int(slices[-1])) for slices in held]
        if any(before[1] > after[0] for before, after in pairwise(spans)):
            named = [f"{frames.text(keyword, int(slices[0]))} ({len(slices)})" for slices in held]
            more = f" and {len(named) - MAX_VALUES} more" if len(named) > MAX_VALUES else ""
            title = (
                f"Slices of several acquisitions are interleaved: {name_of(keyword)} {', '.join(named[:MAX_VALUES])}"
            )
            advice = f"Open each as a volume of its own with split='{keyword}'."
            yield make_note("interleaved", title + more, tags=(keyword,), advice=advice)
            return


def _mosaics(stack: Stack) -> Iterator[Note]:
    mosaics = stack.frames.mosaics
    if mosaics:
        sizes = sorted({(mosaic.count, mosaic.rows, mosaic.columns) for mosaic in mosaics})
        title = "Slices are tiles of a mosaic: " + ", ".join(f"{n} of {rows} × {columns}" for n, rows, columns in sizes)
        reasons = sorted({mosaic.reason for mosaic in mosaics if mosaic.reason})
        where = f"; where they lie is unknown: {'; '.join(reasons)}" if reasons else ""
        yield make_note("mosaic", title + where, severity="decision" if reasons else "info")
    elif stack.frames.is_untiled:
        is_color = stack.frames.pixel_format().is_color
        why = "colors are not cut into slices" if is_color else "the size of their slices is not in the file"
        title = f"Images are mosaics of slices, shown as they are: {why}"
        yield make_note("mosaic", f"{title}; the position of the file is not that of its pixels", severity="decision")


def _spacing(stack: Stack) -> Iterator[Note]:
    """Yield a note where no element states the pixel spacing at the patient."""
    frames = stack.frames
    lacking = _without_spacing(frames)
    if 0 < lacking.sum() < len(frames) and (stack.is_placed or not lacking[0]):
        title = f"No Pixel Spacing in {lacking.sum()} of {len(frames)} images: that of the others is used"
        paths = frames.at(lacking).paths()
        yield make_note("spacing-missing", title, paths=paths)
        return
    if is_spacing(frames.text("PixelSpacing")):
        return
    if is_spacing(frames.text("ImagerPixelSpacing")):
        how = "Imager Pixel Spacing, measured at the detector, is used"
    elif not stack.is_placed and stated_spacing(frames.text) is not None:
        if not any(is_spacing(frames.text(keyword)) for keyword in SPACINGS):
            yield make_note(
                "spacing-region", "Pixel spacing is that of an ultrasound region, perhaps not of all pixels"
            )
        return
    else:
        how = "pixels are assumed to be 1 mm apart"
        if regions_differ(frames.text):
            how = "the ultrasound regions differ in theirs, and pixels are assumed to be 1 mm apart"
    stated = frames.text("PixelSpacing")
    yield make_note("spacing-missing", f"{f'{stated} is no Pixel Spacing' if stated else 'No Pixel Spacing'}: {how}")


def _without_spacing(frames: Frames) -> np.ndarray:
    """Return whether each frame lacks a pixel spacing, at the patient and at the detector, bool."""
    lacking = np.ones(len(frames), dtype=bool)
    for keyword in ("PixelSpacing", "ImagerPixelSpacing"):
        lacking &= ~np.array([is_spacing(text) for text in frames.texts(keyword)])[frames.codes(keyword)]
    return lacking


def geometry_notes(geometry: VolumeGeometry, modality: str = "") -> Iterator[Note]:
    """Yield a note for missing, unevenly spaced, sideways shifted or sheared slices.

    A shear is named a gantry tilt in CT only. One that moves no voxel by more than `MIN_SHIFT` is not reported.
    """
    steps, gaps, usual = np.array(geometry.steps), geometry.gaps, geometry.usual_step
    if gaps:
        named = "; ".join(_gap_text(geometry, *gap) for gap in gaps[:4])
        more = f"; and at {len(gaps) - 4} more places" if len(gaps) > 4 else ""
        yield make_note("gap", f"{named}{more}; the usual step is {usual:.4g} mm")
        steps = np.delete(steps, [k for k, _, _ in gaps])
    if geometry.uneven and not even_steps(np.append(steps, usual), geometry.floor):
        others = np.array(geometry.steps)
        others[[k for k, _, _ in gaps]] = usual  # reported above
        at = int(np.argmax(np.abs(others - usual)))
        yield make_note(
            "uneven",
            f"Slices are unevenly spaced, {others.min():.4g} to {others.max():.4g} mm apart; the usual step is "
            f"{usual:.4g} mm, the largest deviation, {abs(others[at] - usual):.4g} mm, is between slices {at + 1} and "
            f"{at + 2}",
        )
    k, shift = geometry.beside
    if shift > max(geometry.floor, MIN_SHIFT * geometry.spacing[2]):
        yield make_note("beside", f"Slice {k + 1} is shifted {shift:.4g} mm sideways from the line of the other slices")
    moved = geometry.shear * len(geometry.steps)
    if geometry.tilt > MIN_TILT and geometry.shear > geometry.floor and moved > MIN_SHIFT * min(geometry.spacing[1:]):
        shear = f"{geometry.tilt:.2f} degrees, {geometry.shear:.4g} mm a slice"
        yield make_note("tilt", f"Slices are sheared by {shear}{' (gantry tilt)' if modality == 'CT' else ''}")


def _gap_text(geometry: VolumeGeometry, k: int, step: float, missing: int) -> str:
    """Return the words for `missing` slices behind slice `k`, whose next one is `step` mm away."""
    around = step / (missing + 1)
    steps = f", among steps of {around:.4g} mm" if abs(around - geometry.usual_step) > 0.1 * geometry.usual_step else ""
    alone = (
        {0: 1, len(geometry.steps) - 1: k + 2}.get(k) if missing >= STRAY_STEPS and len(geometry.steps) > 2 else None
    )
    stray = f", or slice {alone} is a stray" if alone else ""
    return f"{counted(missing, 'slice')} missing between {k + 1} and {k + 2} ({step:.4g} mm{steps}){stray}"


def _formats(stack: Stack) -> Iterator[Note]:
    used = sorted_unique(stack.frames.format_ids).tolist()
    forms = {(stack.frames.formats[i].bits_stored, stack.frames.formats[i].signed) for i in used}
    if len(forms) > 1:
        named = ", ".join(f"{'signed' if signed else 'unsigned'} {bits} bits" for bits, signed in sorted(forms))
        yield make_note("formats", f"Pixels are stored in several formats, and each file is read with its own: {named}")


def _lossy(stack: Stack) -> Iterator[Note]:
    frames = stack.frames
    texts = frames.texts("LossyImageCompression")
    if "01" not in texts:
        return
    lossy = frames.at(frames.codes("LossyImageCompression") == texts.index("01"))
    ratios = sorted(set(lossy.texts("LossyImageCompressionRatio")) - {""}, key=_ratio)
    how = f", ratio {ratios[0]}" if len(ratios) == 1 else f", ratios {ratios[0]} to {ratios[-1]}" if ratios else ""
    of = "All" if len(lossy) == len(frames) else f"{len(lossy)} of {len(frames)}"
    verb = "has" if len(lossy) == 1 < len(frames) else "have"
    yield make_note("lossy", f"{of} images {verb} been lossily compressed{how}")


def _ratio(text: str) -> tuple[float, str]:
    """Return a sort key for compression ratios; of several successive ratios the last counts."""
    return number(text.split("\\")[-1]) or 0.0, text


def _windows(windows: Sequence[tuple[Window, ...]]) -> Iterator[Note]:
    distinct = 1 if len(set(map(id, windows))) == 1 else len(set(windows))
    if distinct > 1:
        yield make_note(
            "windows-vary", f"Window presets differ from slice to slice: {distinct} sets, the middle slice's come first"
        )
