"""Rules about the orientation and the place of images, as their tags state them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_dicommeta.findings.evidence import by_files, component_numbers, file_count, top
from napari_dicommeta.findings.rule import rule
from napari_dicommeta.support.sorting import sorted_unique
from napari_dicommeta.volumes.geometry import ORIENTATION_TOLERANCE, is_orientation

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari_dicommeta.findings.finding import Finding
    from napari_dicommeta.findings.survey import Survey

__all__ = ["orientation_name"]

PLANES = {0: "sagittal", 1: "coronal", 2: "axial"}
LETTERS = (("R", "L"), ("A", "P"), ("F", "H"))
RADIOGRAPHS = ("CR", "DX", "MG", "IO", "PX")
"""Modalities of projections in which lengths are measured."""
MIN_AXIS_COSINE = 0.99
"""Minimum cosine of a direction along an axis of the patient, 8 degrees."""


def orientation_name(cosines: tuple[float, ...]) -> str:
    """Return the name of an image plane, such as "axial", with unusual directions: "axial, rows to R, columns to A".

    `cosines`: six direction cosines in LPS. A plane is oblique if a direction is along no axis of the patient (PS3.3
    section C.7.6.2.1.1).
    """
    row, column = np.array(cosines[:3]), np.array(cosines[3:])
    ends = []
    for direction in (row, column):
        axis = int(np.argmax(np.abs(direction)))
        ends.append((axis, LETTERS[axis][int(direction[axis] > 0)], abs(float(direction[axis])) >= MIN_AXIS_COSINE))
    normal = int(np.argmax(np.abs(np.cross(row, column))))
    plane = PLANES[normal]
    turn = f"rows to {ends[0][1]}, columns to {ends[1][1]}"
    if not (ends[0][2] and ends[1][2]):
        return f"oblique, nearest {plane}"
    usual = {"axial": ("L", "P"), "coronal": ("L", "F"), "sagittal": ("P", "F")}[plane]
    return plane if (ends[0][1], ends[1][1]) == usual else f"{plane}, {turn}"


@rule(
    "orientation-invalid",
    severity="wrong",
    title="Image Orientation (Patient) is not two perpendicular unit vectors",
    tags=("ImageOrientationPatient",),
    standard="PS3.3 section C.7.6.2.1.1",
    advice="Do not place these images in the patient: treat them as unplaced, or leave them out.",
    meaning="The direction of rows and columns is unknown.",
)
@rule(
    "orientations",
    severity="info",
    title="Images have different orientations, beyond rounding",
    tags=("ImageOrientationPatient",),
    standard="PS3.3 section C.7.6.2.1.1",
    advice="Reorient the volumes with their affines before comparing or stacking them.",
    meaning="The same array axis is a different direction in the patient in different files.",
)
def orientations(survey: Survey) -> Iterator[Finding]:
    """Yield findings on invalid orientations, and on those that differ by more than `ORIENTATION_TOLERANCE`."""
    tag = "ImageOrientationPatient"
    joint = survey.joint(tag)
    cosines = [component_numbers(text, 6) for (text,) in joint.texts]
    sound = [[value for value in of_text if is_orientation(value)] for of_text in cosines]
    is_wrong = [
        text is not None and text != "" and len(good) != len(text.split(" | "))
        for (text,), good in zip(joint.texts, sound, strict=True)
    ]
    wrong = survey.images & np.array(is_wrong, dtype=bool)[joint.ids] if survey.n_files else survey.images
    if wrong.any():
        evidence = [((text or "").replace("\\", " "), n) for (text,), n in joint.counted(wrong)]
        yield survey.finding("orientation-invalid", wrong, top(evidence))
    ids = np.array(_alike([good[0] if good else None for good in sound]), dtype=np.int64)
    named = {i: orientation_name(good[0]) for i, good in zip(ids.tolist(), sound, strict=True) if good}
    held = survey.images & ~wrong & survey.filled(tag)
    if not held.any():
        return
    of_file = ids[joint.ids]
    distinct = sorted_unique(of_file[held])
    if len(distinct) < 2:
        return
    counts: dict[str, int] = {}
    kinds: dict[str, int] = {}
    for i, n in zip(*(column.tolist() for column in np.unique(of_file[held], return_counts=True)), strict=True):
        counts[named[i]] = counts.get(named[i], 0) + n
        kinds[named[i]] = kinds.get(named[i], 0) + 1
    counts = {f"{name} ({kinds[name]} variants)" if kinds[name] > 1 else name: n for name, n in counts.items()}
    mixed = survey.mixing(of_file, survey.series_ids, held)
    n = len(sorted_unique(survey.series_ids[mixed]))
    inside = f"; {n} series {'holds' if n == 1 else 'hold'} several" if n else ""
    yield survey.finding(
        "orientations",
        held,
        top(by_files(counts.items()), "other kinds"),
        title=f"Images have {len(distinct)} different orientations, beyond rounding{inside}",
    )


def _alike(values: list[tuple[float, ...] | None]) -> list[int]:
    """Return a group index for each value; values equal within the tolerance share it, None has -1."""
    distinct = np.empty((0, 6))
    ids = []
    for value in values:
        if value is None:
            ids.append(-1)
            continue
        same = np.flatnonzero((np.abs(distinct - value) <= ORIENTATION_TOLERANCE).all(axis=1))
        if len(same):
            ids.append(int(same[0]))
        else:
            ids.append(len(distinct))
            distinct = np.vstack([distinct, value])
    return ids


@rule(
    "position-missing",
    severity="decision",
    title="Images have no position or orientation in the patient",
    tags=("ImagePositionPatient", "ImageOrientationPatient"),
    by=("SOPInstanceUID",),
    standard="PS3.3 section C.7.6.2",
    advice="Do not stack them by Instance Number or file name without inspecting each; leave them out of volumes.",
    meaning="The order of the slices becomes a guess, and nothing can be measured across them or registered to them.",
)
@rule(
    "spacing-missing",
    severity=("decision", "info"),
    title="Images have no Pixel Spacing",
    tags=("PixelSpacing", "ImagerPixelSpacing"),
    by=("PixelSpacing", "ImagerPixelSpacing", "Modality"),
    standard="PS3.3 section 10.7.1.3",
    advice="Do not measure lengths in them unless the magnification is known.",
    meaning="Imager Pixel Spacing is measured at the detector; in the patient it is smaller by the magnification.",
)
def places_missing(survey: Survey) -> Iterator[Finding]:
    missing = survey.images & ~(survey.filled("ImagePositionPatient") & survey.filled("ImageOrientationPatient"))
    slices = missing & survey.sectional  # projections, screenshots, microscopy and ultrasound have none by definition
    if slices.any():
        yield survey.finding("position-missing", slices, _by_modality(survey, slices))
    lacking = survey.images & ~survey.filled("PixelSpacing")
    at_detector = lacking & survey.filled("ImagerPixelSpacing")
    radiographs = lacking & survey.gray & ~at_detector & survey.says("Modality", *RADIOGRAPHS)
    no_spacing = at_detector | (lacking & survey.sectional)
    if no_spacing.any():
        evidence = (
            ("Imager Pixel Spacing only", file_count(at_detector)),
            ("no spacing at all", file_count(no_spacing & ~at_detector)),
        )
        yield survey.finding("spacing-missing", no_spacing, [(label, n) for label, n in evidence if n])
    if radiographs.any():
        yield survey.finding(
            "spacing-missing",
            radiographs,
            _by_modality(survey, radiographs),
            title="Radiographs have no spacing at all, not even that of the detector",
            severity="info",
            advice="Do not measure lengths in them, and do not resample them to one spacing.",
            meaning="The size of a pixel is unknown; the spacing of a radiograph may be absent.",
            scope="radiographs",
        )


def _by_modality(survey: Survey, mask: np.ndarray) -> tuple[tuple[str, int], ...]:
    counted = survey.joint("Modality").counted(mask)
    return top([(modality or "no modality", n) for (modality,), n in counted], "other modalities")
