"""Rules about geometry in tags: orientations, spacings, positions, slice thicknesses, reconstructions."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_dicommeta.findings.evidence import by_files, component_numbers, file_count, spell_span, top
from napari_dicommeta.findings.rule import rule
from napari_dicommeta.volumes.geometry import ORIENTATION_TOLERANCE, is_orientation

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari_dicommeta.findings.finding import Finding
    from napari_dicommeta.findings.survey import Survey

__all__ = ["orientation_name"]

PLANES = {0: "sagittal", 1: "coronal", 2: "axial"}
LETTERS = (("R", "L"), ("A", "P"), ("F", "H"))
MIN_AXIS_COSINE = 0.99
"""Minimum cosine of a direction along an axis of the patient, 8 degrees."""
ROUNDING_TOLERANCE = 0.01
"""Relative, or mm; smaller differences of spacings are rounding."""
SQUARE_TOLERANCE = 0.01
"""Relative; maximum difference of row and column spacing in square pixels."""


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
    distinct = np.unique(of_file[held])
    if len(distinct) < 2:
        return
    counts: dict[str, int] = {}
    kinds: dict[str, int] = {}
    for i, n in zip(*(column.tolist() for column in np.unique(of_file[held], return_counts=True)), strict=True):
        counts[named[i]] = counts.get(named[i], 0) + n
        kinds[named[i]] = kinds.get(named[i], 0) + 1
    counts = {f"{name} ({kinds[name]} variants)" if kinds[name] > 1 else name: n for name, n in counts.items()}
    mixed = survey.mixing(of_file, survey.series_ids, held)
    inside = f"; {len(np.unique(survey.series_ids[mixed]))} series hold several" if mixed.any() else ""
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
    "spacing-invalid",
    severity="wrong",
    title="Pixel Spacing is not two lengths above 0",
    tags=("PixelSpacing",),
    standard="PS3.3 section 10.7.1.3",
    advice="Do not measure in these images; derive the spacing from the field of view, or leave them out.",
    meaning="Lengths, areas and volumes computed with it are nonsense.",
)
@rule(
    "spacings",
    severity=("decision", "info"),
    title="Images of one modality have several pixel spacings",
    tags=("PixelSpacing",),
    by=("PixelSpacing", "Modality"),
    standard="PS3.3 section 10.7.1.3",
    advice="Resample to one grid.",
    meaning="Pixel size differs from series to series: sizes in pixels are not comparable, and a filter of fixed size "
    "covers different structures.",
)
def spacings(survey: Survey) -> Iterator[Finding]:
    tag = "PixelSpacing"
    joint = survey.joint(tag)
    parsed = [component_numbers(text, 2) for (text,) in joint.texts]
    is_wrong = [
        bool(text) and not (pairs and all(min(pair) > 0 for pair in pairs))
        for (text,), pairs in zip(joint.texts, parsed, strict=True)
    ]
    if not survey.n_files:
        return
    wrong = survey.images & np.array(is_wrong, dtype=bool)[joint.ids]
    if wrong.any():
        evidence = [((text or "").replace("\\", " by "), n) for (text,), n in joint.counted(wrong)]
        yield survey.finding("spacing-invalid", wrong, top(evidence))
    kinds = survey.joint("Modality")
    for i, (modality,) in enumerate(kinds.texts):
        if modality == "SEG":  # uses the grid of the segmented images
            continue
        held = survey.images & ~wrong & survey.filled(tag) & (kinds.ids == i)
        counted = [(texts, n) for texts, n in joint.counted(held)]
        pairs = sorted({pair for (text,), _ in counted for pair in component_numbers(text, 2)})
        if len(pairs) < 2:
            continue
        first = {number: pair[0] for number, pair in enumerate(parsed) if pair}
        # Each series counts once: otherwise series with many slices would dominate the median.
        rows = np.flatnonzero(held)
        _, at = np.unique(survey.series_ids[rows], return_index=True)
        median = np.median(np.array([first[k] for k in joint.ids[rows[at]].tolist()]), axis=0)
        ends = np.array(pairs)
        spread = ends.max(axis=0) - ends.min(axis=0)
        is_rounding = bool((spread <= np.maximum(ROUNDING_TOLERANCE * ends.min(axis=0), ROUNDING_TOLERANCE)).all())
        square = all(abs(a - b) <= SQUARE_TOLERANCE * a for a, b in pairs)
        evidence = [((text or "").replace("\\", " by ") + " mm", n) for (text,), n in counted]
        title = (
            f"{modality or 'No modality'}: {len(pairs)} pixel spacings, "
            f"{spell_span([length for pair in pairs for length in pair])} mm"
            + ("" if square else "; not all pixels are square")
        )
        if is_rounding:
            yield survey.finding(
                "spacings",
                held,
                top(evidence, "other spacings"),
                title=title,
                severity="info",
                advice="Compare spacings as numbers, with a tolerance.",
                meaning="They agree within 1 % or 0.01 mm: one spacing, rounded in several ways.",
                scope=modality or "",
            )
        else:
            yield survey.finding(
                "spacings",
                held,
                top(evidence, "other spacings"),
                title=title,
                advice=f"Resample to one grid: {median[0]:.3g} by {median[1]:.3g} mm is the series' median.",
                scope=modality or "",
            )


@rule(
    "position-missing",
    severity=("decision", "info"),
    title="Images have no position or orientation in the patient",
    tags=("ImagePositionPatient", "ImageOrientationPatient"),
    by=("SOPInstanceUID",),
    standard="PS3.3 section C.7.6.2",
    advice="Do not stack them by Instance Number or file name without inspecting each; leave them out of volumes.",
    meaning="The order of the slices becomes a guess, and nothing can be measured across them or registered to them.",
)
@rule(
    "spacing-missing",
    severity="decision",
    title="Images have no Pixel Spacing",
    tags=("PixelSpacing", "ImagerPixelSpacing"),
    by=("PixelSpacing", "ImagerPixelSpacing", "Modality"),
    standard="PS3.3 section 10.7.1.3",
    advice="Do not measure lengths in them unless the magnification is known.",
    meaning="Imager Pixel Spacing is measured at the detector; in the patient it is smaller by the magnification.",
)
def places_missing(survey: Survey) -> Iterator[Finding]:
    missing = survey.images & ~(survey.filled("ImagePositionPatient") & survey.filled("ImageOrientationPatient"))
    slices, pictures = missing & survey.sectional, missing & ~survey.sectional
    if slices.any():
        yield survey.finding("position-missing", slices, _by_modality(survey, slices))
    if pictures.any():
        yield survey.finding(
            "position-missing",
            pictures,
            _by_modality(survey, pictures),
            title="Images of other kinds than slices have no position or orientation in the patient",
            severity="info",
            advice="Leave them out of volumes.",
            meaning="Usual for projections, screenshots, microscopy and ultrasound: these are pictures, not slices.",
            scope="pictures",
        )
    lacking = survey.images & ~survey.filled("PixelSpacing")
    at_detector = lacking & survey.filled("ImagerPixelSpacing")
    no_spacing = at_detector | (lacking & survey.sectional)
    if no_spacing.any():
        evidence = (
            ("Imager Pixel Spacing only", file_count(at_detector)),
            ("no spacing at all", file_count(no_spacing & ~at_detector)),
        )
        yield survey.finding("spacing-missing", no_spacing, [(label, n) for label, n in evidence if n])


def _by_modality(survey: Survey, mask: np.ndarray) -> tuple[tuple[str, int], ...]:
    counted = survey.joint("Modality").counted(mask)
    return top([(modality or "no modality", n) for (modality,), n in counted], "other modalities")


@rule(
    "lengths-odd",
    severity="info",
    title="Slice Thickness or Spacing Between Slices is 0 or negative",
    standard="PS3.3 section C.7.6.2.1",
    advice="Take the distance between slices from their positions.",
    meaning="Neither tag gives the distance between slices: one is the slab thickness, the other may be signed or "
    "meaningless.",
)
def lengths_odd(survey: Survey) -> Iterator[Finding]:
    lines, masks, tags = [], [], []
    for tag in ("SliceThickness", "SpacingBetweenSlices"):
        mask = survey.images & survey.joint(tag).where(
            lambda text: any(value[0] <= 0 for value in component_numbers(text, 1))
        )
        if mask.any():
            lines += [(f"{tag} {text}", n) for (text,), n in survey.joint(tag).counted(mask)]
            masks.append(mask)
            tags.append(tag)
    if masks:
        yield survey.finding(
            "lengths-odd",
            np.logical_or.reduce(masks),
            top(lines, "other values"),
            title=f"{' and '.join(tags)}: 0 or negative",
            tags=tuple(tags),
        )


@rule(
    "kernels",
    severity="decision",
    title="CT images have several convolution kernels",
    tags=("ConvolutionKernel",),
    by=("ConvolutionKernel", "Modality", "SamplesPerPixel", "SOPClassUID"),
    standard="PS3.3 section C.8.2.1",
    advice="Group by kernel, or keep to one; do not let it correlate with the label to be learned.",
    meaning="Sharp kernels add noise and edges: texture and small densities differ although the tissue does not.",
)
@rule(
    "thicknesses",
    severity="decision",
    title="CT images have several slice thicknesses",
    tags=("SliceThickness",),
    by=("SliceThickness", "Modality", "SamplesPerPixel", "SOPClassUID"),
    standard="PS3.3 section C.7.6.2.1",
    advice="Keep to a range, or resample thin slices by averaging; interpolating thick ones adds no detail.",
    meaning="Thick slices average over small structures and are less noisy than thin ones.",
)
def reconstructions(survey: Survey) -> Iterator[Finding]:
    """Yield findings on mixed kernels and slice thicknesses in CT."""
    for code, tag, noun, unit in (
        ("kernels", "ConvolutionKernel", "convolution kernels", ""),
        ("thicknesses", "SliceThickness", "slice thicknesses", " mm"),
    ):
        joint = survey.joint(tag)
        held = survey.ct & survey.filled(tag)
        counted = joint.counted(held)
        if len(counted) > 1:
            mixed = survey.mixing(joint.ids, survey.series_ids, held)
            inside = f"; {len(np.unique(survey.series_ids[mixed]))} series mix them" if mixed.any() else ""
            yield survey.finding(
                code,
                held,
                top([((text or "").replace("\\", ", ") + unit, n) for (text,), n in counted], "others"),
                title=f"CT images have {len(counted)} {noun}{inside}",
            )


@rule(
    "one-acquisition",
    severity="decision",
    title="Acquisitions were reconstructed several times",
    tags=("StudyInstanceUID", "FrameOfReferenceUID", "AcquisitionNumber", "ConvolutionKernel", "SliceThickness"),
    by=("SeriesInstanceUID",),
    standard="PS3.3 section C.7.6.1",
    advice="Choose one reconstruction of each acquisition; never split those of one into training and test sets.",
    meaning="They show the same patient at the same moment: they are not independent cases.",
)
def one_acquisition(survey: Survey) -> Iterator[Finding]:
    """Yield a finding on series that are reconstructions of the same scan."""
    names = ("StudyInstanceUID", "FrameOfReferenceUID", "AcquisitionNumber", "AcquisitionDate", "AcquisitionTime")
    rows = np.flatnonzero(survey.ct)
    if len(survey.series) < 2 or not len(rows):
        return
    ids, at = np.unique(survey.series_ids[rows], return_index=True)
    joint = survey.joint(*names, "ConvolutionKernel", "SliceThickness")
    groups: dict[tuple[str | None, ...], list[tuple[int, tuple[str | None, ...]]]] = {}
    for series, row in zip(ids.tolist(), rows[at].tolist(), strict=True):
        texts = joint.texts[joint.ids[row]]
        if texts[0] and texts[1] and (texts[2] or texts[4]):
            groups.setdefault(texts[:5], []).append((series, texts[5:]))
    several = [group for group in groups.values() if len({how for _, how in group}) > 1]
    if several:
        mask = survey.ct & np.isin(survey.series_ids, [series for group in several for series, _ in group])
        counts: dict[str, int] = {}
        sizes = np.bincount(survey.series_ids[survey.ct], minlength=len(survey.series))
        for group in several:
            for series, (kernel, thickness) in group:
                label = f"kernel {(kernel or 'not stated').replace(chr(92), ', ')}, {thickness or '?'} mm"
                counts[label] = counts.get(label, 0) + int(sizes[series])
        yield survey.finding(
            "one-acquisition",
            mask,
            top(by_files(counts.items()), "other reconstructions"),
            title=f"{len(several)} acquisition{'s were' if len(several) > 1 else ' was'} reconstructed several times, "
            f"into {sum(map(len, several))} series",
        )
