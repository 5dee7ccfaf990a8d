"""Rules about where pixels lie, by what files say: orientations, spacings, positions, thicknesses, reconstructions."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_dicommeta.findings.survey import component_numbers, spell_span, top
from napari_dicommeta.volumes.geometry import ORIENTATION_TOLERANCE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari_dicommeta.findings.check import Finding
    from napari_dicommeta.findings.survey import Survey

__all__ = ["PLACE_RULES", "orientation_name"]

SECTIONAL = ("CT", "MR", "PT", "NM")
"""Modalities whose images lie in the patient, so that place and spacing are required."""
PLANES = {0: "sagittal", 1: "coronal", 2: "axial"}
LETTERS = (("R", "L"), ("A", "P"), ("F", "H"))
STRAIGHT = 0.99
"""The cosine from which a direction counts as along an axis of the patient: 8 degrees."""
LENGTHS = (
    "A pixel is another length from series to series: sizes in pixels do not compare, and a filter of fixed size sees "
    "other structures."
)
SAME_SPACING = 0.01
"""Relative, or mm; less is rounding."""
ISOTROPIC = 0.01
"""Relative; spacings between rows and columns closer than this are square pixels."""


def _count(mask: np.ndarray) -> int:
    return int(np.count_nonzero(mask))


def orientation_name(cosines: tuple[float, ...]) -> str:
    """The plane that an image lies in: "axial", or with how it is turned: "axial, rows to R, columns to A".

    `cosines`: six, in LPS. Oblique where a direction lies along no axis of the patient (PS3.3 section C.7.6.2.1.1).
    """
    row, column = np.array(cosines[:3]), np.array(cosines[3:])
    ends = []
    for direction in (row, column):
        axis = int(np.argmax(np.abs(direction)))
        ends.append((axis, LETTERS[axis][int(direction[axis] > 0)], abs(float(direction[axis])) >= STRAIGHT))
    normal = int(np.argmax(np.abs(np.cross(row, column))))
    plane = PLANES[normal]
    turn = f"rows to {ends[0][1]}, columns to {ends[1][1]}"
    if not (ends[0][2] and ends[1][2]):
        return f"oblique, nearest {plane}"
    usual = {"axial": ("L", "P"), "coronal": ("L", "F"), "sagittal": ("P", "F")}[plane]
    return plane if (ends[0][1], ends[1][1]) == usual else f"{plane}, {turn}"


def _is_orientation(cosines: tuple[float, ...]) -> bool:
    row, column = np.array(cosines[:3]), np.array(cosines[3:])
    lengths = abs(np.linalg.norm(row) - 1), abs(np.linalg.norm(column) - 1)
    return bool(max(lengths) <= 1e-2 and abs(row @ column) <= 1e-2)


def orientations(survey: Survey) -> Iterator[Finding]:
    """Orientations that are none, and those that differ by more than `ORIENTATION_TOLERANCE`."""
    tag = "ImageOrientationPatient"
    joint = survey.joint(tag)
    cosines = [component_numbers(text, 6) for (text,) in joint.texts]
    sound = [[one for one in of_text if _is_orientation(one)] for of_text in cosines]
    is_wrong = [
        text is not None and text != "" and len(good) != len(text.split(" | "))
        for (text,), good in zip(joint.texts, sound, strict=True)
    ]
    wrong = survey.images & np.array(is_wrong, dtype=bool)[joint.ids] if survey.n_files else survey.images
    if wrong.any():
        yield survey.finding(
            "orientation-invalid",
            "wrong",
            "Image Orientation (Patient) is not two directions of length 1 at right angles",
            wrong,
            top([((text or "").replace("\\", " "), n) for (text,), n in joint.counted(wrong)]),
            (tag,),
            "PS3.3 section C.7.6.2.1.1",
            "Do not place these images in the patient: take them as unplaced, or leave them out.",
            "Nothing says which way the pixels run.",
            by=(tag,),
        )
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
    for i, n in zip(*(one.tolist() for one in np.unique(of_file[held], return_counts=True)), strict=True):
        counts[named[i]] = counts.get(named[i], 0) + n
        kinds[named[i]] = kinds.get(named[i], 0) + 1
    counts = {f"{name} ({kinds[name]} of them)" if kinds[name] > 1 else name: n for name, n in counts.items()}
    mixed = survey.mixing(of_file, survey.series_ids, held)
    inside = f"; {len(np.unique(survey.series_ids[mixed]))} series hold several" if mixed.any() else ""
    yield survey.finding(
        "orientations",
        "info",
        f"Images lie in {len(distinct)} truly different orientations{inside}",
        held,
        top(sorted(counts.items(), key=lambda one: (-one[1], one[0])), "other kinds"),
        (tag,),
        "PS3.3 section C.7.6.2.1.1",
        "Turn the volumes to one orientation by their affines before they are compared or stacked.",
        "The same array axis is another direction in the patient from file to file.",
        by=(tag,),
    )


def _alike(values: list[tuple[float, ...] | None]) -> list[int]:
    """For each of `values` the number of the first one that is equal within the tolerance; -1 for None."""
    kept = np.empty((0, 6))
    ids = []
    for value in values:
        if value is None:
            ids.append(-1)
            continue
        same = np.flatnonzero((np.abs(kept - value) <= ORIENTATION_TOLERANCE).all(axis=1))
        if len(same):
            ids.append(int(same[0]))
        else:
            ids.append(len(kept))
            kept = np.vstack([kept, value])
    return ids


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
        yield survey.finding(
            "spacing-invalid",
            "wrong",
            "Pixel Spacing is not two lengths above 0",
            wrong,
            top([((text or "").replace("\\", " by "), n) for (text,), n in joint.counted(wrong)]),
            (tag,),
            "PS3.3 section 10.7.1.3",
            "Do not measure in these images; find out the spacing from the field of view, or leave them out.",
            "Lengths, areas and volumes computed with it are nonsense.",
            by=(tag,),
        )
    kinds = survey.joint("Modality")
    for i, (modality,) in enumerate(kinds.texts):
        if modality == "SEG":  # on the grid of the images that it parts
            continue
        held = survey.images & ~wrong & survey.filled(tag) & (kinds.ids == i)
        counted = [(texts, n) for texts, n in joint.counted(held)]
        pairs = sorted({pair for (text,), _ in counted for pair in component_numbers(text, 2)})
        if len(pairs) < 2:
            continue
        first = {one: pair[0] for one, pair in enumerate(parsed) if pair}
        # A series counts once, however many slices it has: otherwise the median follows the thickest stacks.
        rows = np.flatnonzero(held)
        _, at = np.unique(survey.series_ids[rows], return_index=True)
        of_series = np.array([first[k] for k in joint.ids[rows[at]].tolist()])
        median = np.median(of_series, axis=0)
        ends = np.array(pairs)
        spread = ends.max(axis=0) - ends.min(axis=0)
        is_rounding = bool((spread <= np.maximum(SAME_SPACING * ends.min(axis=0), SAME_SPACING)).all())
        resample = f"Resample to one grid: {median[0]:.3g} by {median[1]:.3g} mm in the plane is the series' median."
        square = all(abs(a - b) <= ISOTROPIC * a for a, b in pairs)
        shape = "" if square else "; not all pixels are square"
        yield survey.finding(
            "spacings",
            "info" if is_rounding else "decision",
            f"{modality or 'No modality'}: {len(pairs)} pixel spacings, "
            f"{spell_span([length for pair in pairs for length in pair])} mm{shape}",
            held,
            top([((text or "").replace("\\", " by ") + " mm", n) for (text,), n in counted], "other spacings"),
            (tag,),
            "PS3.3 section 10.7.1.3",
            "Compare spacings as numbers, with a tolerance." if is_rounding else resample,
            "They agree within 1 % or 0.01 mm: one spacing, rounded in several ways." if is_rounding else LENGTHS,
            by=(tag, "Modality"),
            scope=modality or "",
        )


def places_missing(survey: Survey) -> Iterator[Finding]:
    sectional = survey.gray & survey.joint("Modality").where(lambda text: text in SECTIONAL)
    place = survey.filled("ImagePositionPatient") & survey.filled("ImageOrientationPatient")
    missing = survey.images & ~place
    if missing.any():
        counted = survey.joint("Modality").counted(missing)
        needs = (missing & sectional).any()
        yield survey.finding(
            "position-missing",
            "decision" if needs else "info",
            "Images do not say where they lie in the patient",
            missing,
            top([(f"{modality or 'no modality'}", n) for (modality,), n in counted], "other modalities"),
            ("ImagePositionPatient", "ImageOrientationPatient"),
            "PS3.3 section C.7.6.2",
            "Do not stack them by Instance Number or file name without a look at each; leave them out of volumes.",
            "Usual for projections, screenshots and ultrasound; in CT, MR and PET the order of slices is then a guess."
            if needs
            else "Usual for projections, screenshots, microscopy and ultrasound: these are pictures, no slices.",
            by=("SOPInstanceUID",),
        )
    lacking = survey.images & ~survey.filled("PixelSpacing")
    at_detector = lacking & survey.filled("ImagerPixelSpacing")
    no_spacing = at_detector | (lacking & sectional)
    if no_spacing.any():
        yield survey.finding(
            "spacing-missing",
            "decision",
            "Images have no Pixel Spacing",
            no_spacing,
            [
                (what, n)
                for what, n in (
                    ("Imager Pixel Spacing only", _count(at_detector)),
                    ("no spacing at all", _count(no_spacing & ~at_detector)),
                )
                if n
            ],
            ("PixelSpacing", "ImagerPixelSpacing"),
            "PS3.3 section 10.7.1.3",
            "Do not measure lengths in them unless the magnification is known.",
            "Imager Pixel Spacing is a length at the detector; in the patient it is smaller by the magnification.",
            by=("PixelSpacing", "ImagerPixelSpacing", "Modality"),
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
            "info",
            f"{' and '.join(tags)}: 0 or negative",
            np.logical_or.reduce(masks),
            top(lines, "other values"),
            tuple(tags),
            "PS3.3 section C.7.6.2.1",
            "Take the distance between slices from their positions.",
            "Neither tag gives the step of a volume: one is the slab, the other may be signed or empty of sense.",
        )


def reconstructions(survey: Survey) -> Iterator[Finding]:
    """Kernels and slice thicknesses mixed within CT."""
    for code, tag, what, advice, meaning in (
        (
            "kernels",
            "ConvolutionKernel",
            "convolution kernels",
            "Group by kernel, or keep to one; do not let it follow the label that is to be learned.",
            "Sharp kernels add noise and edges: texture and small densities differ where tissue does not.",
        ),
        (
            "thicknesses",
            "SliceThickness",
            "slice thicknesses",
            "Keep to a range, or resample thin slices by averaging; interpolating thick ones adds no detail.",
            "Thick slices average over small structures and are less noisy than thin ones.",
        ),
    ):
        joint = survey.joint(tag)
        held = survey.ct & survey.filled(tag)
        counted = joint.counted(held)
        if len(counted) > 1:
            mixed = survey.mixing(joint.ids, survey.series_ids, held)
            inside = f"; {len(np.unique(survey.series_ids[mixed]))} series mix them" if mixed.any() else ""
            unit = " mm" if tag == "SliceThickness" else ""
            yield survey.finding(
                code,
                "decision",
                f"CT images have {len(counted)} {what}{inside}",
                held,
                top([((text or "").replace("\\", ", ") + unit, n) for (text,), n in counted], "others"),
                (tag,),
                "PS3.3 section C.8.2.1" if tag == "ConvolutionKernel" else "PS3.3 section C.7.6.2.1",
                advice,
                meaning,
                by=(tag, "Modality", "SamplesPerPixel", "SOPClassUID"),
            )


def one_acquisition(survey: Survey) -> Iterator[Finding]:
    """Series that are several reconstructions of the same scan."""
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
                what = f"kernel {(kernel or 'not stated').replace(chr(92), ', ')}, {thickness or '?'} mm"
                counts[what] = counts.get(what, 0) + int(sizes[series])
        yield survey.finding(
            "one-acquisition",
            "decision",
            f"{len(several)} acquisition{'s were' if len(several) > 1 else ' was'} reconstructed several times, "
            f"into {sum(map(len, several))} series",
            mask,
            top(sorted(counts.items(), key=lambda one: (-one[1], one[0])), "other reconstructions"),
            (*names[:3], "ConvolutionKernel", "SliceThickness"),
            "PS3.3 section C.7.6.1",
            "Choose one reconstruction of each acquisition, and never put two of one into training and test.",
            "They show the same patient at the same moment: counted apart they are no independent cases.",
            by=("SeriesInstanceUID",),
        )


PLACE_RULES = (
    orientations,
    spacings,
    places_missing,
    one_acquisition,
    reconstructions,
    lengths_odd,
)
