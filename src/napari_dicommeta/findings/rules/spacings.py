"""Rules about lengths: pixel spacings, slice thicknesses, and spacings that are none."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_dicommeta.dicom.uids import SECONDARY_CAPTURE
from napari_dicommeta.findings.evidence import by_files, component_numbers, roundings, spell_span, top
from napari_dicommeta.findings.rule import rule
from napari_dicommeta.support.sorting import medians

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari_dicommeta.findings.finding import Finding
    from napari_dicommeta.findings.survey import Survey

ROUNDING_TOLERANCE = 0.01
"""Relative, or mm; spacings whose differences are all smaller are taken as one."""
MAX_SLABS = 10
"""Number of slice thicknesses beyond which no slices of one stack are apart."""
SQUARE_TOLERANCE = 0.01
"""Relative; maximum difference of row and column spacing in square pixels."""


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
    captured = survey.holding("SOPClassUID", lambda uid: uid.startswith(SECONDARY_CAPTURE))
    for i, (modality,) in enumerate(kinds.texts):
        if modality != "SEG":  # uses the grid of the segmented images
            held = survey.images & ~survey.localizers & ~captured & ~wrong & survey.filled(tag) & (kinds.ids == i)
            yield from _spacings_of(survey, modality or "", held)


def _spacings_of(survey: Survey, modality: str, held: np.ndarray) -> Iterator[Finding]:
    """Yield a finding if the files in `held` have several pixel spacings, or several roundings of one."""
    joint = survey.joint("PixelSpacing")
    counted = [(component_numbers(text, 2), n) for (text,), n in joint.counted(held)]
    weights: dict[tuple[float, ...], int] = {}
    for pairs, n in counted:
        for pair in pairs:
            weights[pair] = weights.get(pair, 0) + n
    if len(weights) < 2:
        return
    leader = roundings(weights)
    distinct = sorted(set(leader.values()))
    lines: dict[str, int] = {}
    for pairs, n in counted:
        spelled = dict.fromkeys(" by ".join(f"{length:.7g}" for length in leader[pair]) for pair in pairs)
        label = f"{' | '.join(spelled)} mm"
        lines[label] = lines.get(label, 0) + n
    # Each series counts once: otherwise series with many slices would dominate the median.
    rows = np.flatnonzero(held)
    _, at = np.unique(survey.series_ids[rows], return_index=True)
    first = [component_numbers(joint.texts[k][0], 2)[0] for k in joint.ids[rows[at]].tolist()]
    median = medians(np.array(first))
    ends = np.array(distinct)
    spread = ends.max(axis=0) - ends.min(axis=0)
    is_rounding = bool((spread <= np.maximum(ROUNDING_TOLERANCE * ends.min(axis=0), ROUNDING_TOLERANCE)).all())
    square = all(abs(a - b) <= SQUARE_TOLERANCE * a for a, b in distinct)
    what = f"{len(distinct)} pixel spacings, {spell_span([length for pair in distinct for length in pair])} mm"
    if len(distinct) == 1:
        what = f"1 pixel spacing, {' by '.join(f'{length:.4g}' for length in distinct[0])} mm, in several roundings"
    yield survey.finding(
        "spacings",
        held,
        top(by_files(lines.items()), "other spacings"),
        title=f"{modality or 'No modality'}: {what}" + ("" if square else "; not all pixels are square"),
        severity="info" if is_rounding else "decision",
        advice="Compare spacings as numbers, with a tolerance."
        if is_rounding
        else f"Resample to one grid: {median[0]:.3g} by {median[1]:.3g} mm is the series' median.",
        meaning="They agree within 1 % or 0.01 mm: one spacing, rounded in several ways." if is_rounding else "",
        scope=modality,
        is_harmless=is_rounding,
    )


@rule(
    "sizes",
    severity="info",
    title="Images of one modality have several sizes",
    tags=("Rows", "Columns"),
    by=("Rows", "Columns", "Modality"),
    standard="PS3.3 section C.7.6.3.1",
    advice="Resample to one spacing first, then crop or pad to one size.",
    meaning="A batch needs images of one size; scaled to one without regard to their spacing, anatomy is distorted.",
)
def sizes(survey: Survey) -> Iterator[Finding]:
    """Yield a finding on each modality of slices or radiographs in several sizes."""
    joint, kinds = survey.joint("Rows", "Columns"), survey.joint("Modality")
    for i, (modality,) in enumerate(kinds.texts):
        held = survey.gray & ~survey.localizers & (kinds.ids == i)
        lines = [(f"{rows} × {columns}", n) for (rows, columns), n in joint.counted(held) if rows and columns]
        if len(lines) > 1 and modality != "SEG":  # as large as the segmented images
            yield survey.finding(
                "sizes",
                held,
                top(lines, "other sizes"),
                title=f"{modality or 'No modality'}: images have {len(lines)} sizes, rows × columns",
                scope=modality or "",
            )


@rule(
    "lengths-odd",
    severity="info",
    title="Slice Thickness or Spacing Between Slices is 0, negative, or far too long",
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
        if tag == "SpacingBetweenSlices":
            far = survey.sectional & survey.joint(tag, "SliceThickness").where(_is_far)
            is_odd, mask = bool(mask.any()), mask | far
            reasons = ["0 or negative"] * (is_odd or "SliceThickness" in tags) + ["far too long"] * bool(far.any())
        if mask.any():
            lines += [(f"{tag} {text}", n) for (text,), n in survey.joint(tag).counted(mask)]
            masks.append(mask)
            tags.append(tag)
    if masks:
        yield survey.finding(
            "lengths-odd",
            np.logical_or.reduce(masks),
            top(lines, "other values"),
            title=f"{' and '.join(tags)}: {' or '.join(reasons)}",
            tags=tuple(tags),
        )


def _is_far(spacing: str | None, thickness: str | None) -> bool:
    """Return whether a slice is so much thinner than the stated spacing that this cannot be the distance."""
    steps, slabs = component_numbers(spacing, 1), component_numbers(thickness, 1)
    return any(step[0] > MAX_SLABS * slab[0] > 0 for step in steps[:1] for slab in slabs[:1])
