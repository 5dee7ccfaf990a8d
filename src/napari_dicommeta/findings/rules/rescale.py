"""Rules about the rescale from stored values to HU or other units (PS3.3 section C.11.1)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_dicommeta.dicom.values import number
from napari_dicommeta.findings.evidence import file_count, spell_span, top
from napari_dicommeta.findings.rule import rule
from napari_dicommeta.support.sorting import sorted_unique
from napari_dicommeta.support.words import counted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari_dicommeta.findings.finding import Finding
    from napari_dicommeta.findings.survey import Survey

SLOPE_4097 = 4097 / 4096
USUAL_CT_INTERCEPTS = (-1024.0, -1000.0, -2048.0, -8192.0, 0.0)
HIGHEST_AIR = -900
"""HU; air is not above, even with noise and in poor calibration."""
RESCALE_PAIR = ("RescaleSlope", "RescaleIntercept")


@rule(
    "rescale-unspecified",
    severity="decision",
    title="CT images state the Rescale Type US, which means Unspecified, not Hounsfield units",
    tags=("RescaleType",),
    by=("RescaleType", "Modality", "SamplesPerPixel", "SOPClassUID"),
    standard="PS3.3 section C.11.1.1.2",
    advice="Check that air lies near -1000 and water near 0 before using the values as HU.",
    meaning="Slope and intercept give numbers, but the files do not state that they are HU.",
)
def rescale_unspecified(survey: Survey) -> Iterator[Finding]:
    """Yield a finding on CT images only: US is the usual Rescale Type of MR, MG, DX and CR, which hold no HU."""
    mask = survey.ct & survey.says("RescaleType", "US")
    if mask.any():
        yield survey.finding("rescale-unspecified", mask, (("US", file_count(mask)),))


@rule(
    "rescale-type-missing",
    severity="info",
    title="CT images do not state a Rescale Type",
    tags=("RescaleType",),
    by=("RescaleType", "Modality", "RescaleSlope"),
    standard="PS3.3 section C.8.2.1",
    advice="Treat the values as HU: CT images need a Rescale Type only if it is not HU.",
    meaning="Whether a file states HU depends on the software that wrote it; omitting it does not change the values.",
)
def rescale_type_missing(survey: Survey) -> Iterator[Finding]:
    rescaled = survey.ct & survey.filled("RescaleSlope")
    mask = rescaled & ~survey.filled("RescaleType")
    if mask.any():
        kinds = [(f"{kind}", n) for (kind,), n in survey.joint("RescaleType").counted(rescaled) if kind]
        yield survey.finding("rescale-type-missing", mask, (("none", file_count(mask)), *kinds))


@rule(
    "rescale-in-part",
    severity="wrong",
    title="Rescale Slope or Intercept is missing in some images of a series",
    tags=RESCALE_PAIR,
    by=("SOPInstanceUID",),
    standard="PS3.3 section C.11.1",
    advice="Leave the series out; use the rescale of its other images only if you know that it applies to all.",
    meaning="Raw and rescaled values would be mixed in one volume.",
)
@rule(
    "rescale-missing",
    severity="wrong",
    title="CT images have no Rescale Slope and Intercept",
    tags=RESCALE_PAIR,
    by=(*RESCALE_PAIR, "Modality"),
    standard="PS3.3 section C.8.2.1",
    advice="Do not treat the stored values as HU: find out slope and intercept, or leave these files out.",
    meaning="CT requires both; without them it is unknown which stored value is water.",
)
def rescale_missing(survey: Survey) -> Iterator[Finding]:
    held = survey.joint(*RESCALE_PAIR, "ModalityLUTSequence")
    lacking = survey.images & held.where(lambda slope, _intercept, lut: not slope and lut is None)
    some = survey.images & held.where(lambda slope, intercept, _lut: bool(slope or intercept))
    without_intercept = survey.images & held.where(
        lambda slope, intercept, lut: bool(slope) and not intercept and lut is None
    )
    if without_intercept.any():  # a slope alone has an intercept of 0, unless other images of the series state one
        stated = survey.images & held.where(lambda _slope, intercept, _lut: bool(intercept))
        in_series = np.bincount(survey.series_ids[stated], minlength=len(survey.series)) > 0
        lacking |= without_intercept & in_series[survey.series_ids]
    has_some = np.bincount(survey.series_ids[some], minlength=len(survey.series)) > 0
    in_part = lacking & survey.gray & has_some[survey.series_ids] if survey.n_files else lacking
    affected = np.bincount(survey.series_ids[in_part], minlength=len(survey.series)) > 0
    if in_part.any():
        evidence = (
            ("without", file_count(in_part)),
            ("with, in the same series", file_count(some & affected[survey.series_ids])),
        )
        yield survey.finding("rescale-in-part", in_part, evidence)
    missing = lacking & survey.ct & ~in_part
    if missing.any():
        yield survey.finding("rescale-missing", missing, (("without", file_count(missing)),))


@rule(
    "rescale-in-series",
    severity=("decision", "info"),
    title="Series mix several slopes or intercepts",
    tags=RESCALE_PAIR,
    by=("SeriesInstanceUID",),
    standard="PS3.3 section C.11.1",
    advice="Rescale each image with its own slope and intercept, never with those of the first image.",
    meaning="Scanners write one pair per CT series; check whether images of two reconstructions were merged.",
)
@rule(
    "rescales",
    severity="info",
    title="CT images have several pairs of slope and intercept",
    tags=RESCALE_PAIR,
    by=(*RESCALE_PAIR, "Modality", "SamplesPerPixel", "SOPClassUID"),
    standard="PS3.3 section C.11.1",
    advice="Rescale each image with its own pair before comparing anything.",
    meaning="The same stored value means different HU in different files.",
)
def rescales(survey: Survey) -> Iterator[Finding]:
    joint = survey.joint(*RESCALE_PAIR)
    held = survey.images & joint.where(lambda slope, intercept: bool(slope and intercept))
    of_frames = held & joint.where(lambda slope, intercept: " | " in f"{slope}{intercept}")
    ct, others = (
        survey.mixing(joint.ids, survey.series_ids, held & of_kind) | (of_frames & of_kind) if survey.n_files else held
        for of_kind in (survey.ct, ~survey.ct)
    )
    if ct.any():
        yield survey.finding(
            "rescale-in-series",
            ct,
            top([(_pair(pair), n) for pair, n in joint.counted(ct)], "other pairs"),
            title=f"{_series(survey, ct, 'CT', 'mixes', 'mix')} several slopes or intercepts",
            scope="CT",
        )
    if others.any():
        counts = joint.counted(others)
        slopes = {value for (slope, _), _ in counts for value in _numbers(slope)}
        offsets = {value for (_, intercept), _ in counts for value in _numbers(intercept)}
        span = f" from {spell_span(sorted(slopes))}" if len(slopes) > 1 else ""
        evidence = f"{counted(len(slopes), 'slope')}{span}, {counted(len(offsets), 'intercept')}"
        yield survey.finding(
            "rescale-in-series",
            others,
            ((evidence, file_count(others)),),
            title=f"{_series(survey, others, 'other modalities', 'is', 'are')} rescaled image by image",
            severity="info",
            meaning="Usual for PET, where the slope follows the activity in each slice.",
        )
    between = held & survey.ct
    pairs = joint.counted(between)
    if len(pairs) > 1:
        yield survey.finding(
            "rescales",
            between,
            top([(_pair(pair), n) for pair, n in pairs], "other pairs"),
            title=f"CT images have {len(pairs)} pairs of slope and intercept",
        )


def _pair(pair: tuple[str | None, ...]) -> str:
    return f"slope {pair[0] or 'none'}, intercept {pair[1] or 'none'}"


def _numbers(text: str | None) -> list[float]:
    return [value for part in (text or "").split(" | ") if (value := number(part)) is not None]


def _series(survey: Survey, mask: np.ndarray, of: str, one: str, more: str) -> str:
    """Return the number of series in `mask` with the verb that fits it."""
    n = len(sorted_unique(survey.series_ids[mask]))
    return f"{n} series of {of} {one if n == 1 else more}"


@rule(
    "slope-4097",
    severity="info",
    title="A Rescale Slope of 1.000244 is 4097/4096, rounded",
    tags=("RescaleSlope",),
    standard="PS3.3 section C.11.1",
    advice="Rescale in floating point; treat all its roundings as 4097/4096.",
    meaning=f"If it is treated as 1, a value of 3000 HU is off by {3000 * (SLOPE_4097 - 1):.2f} HU (intercept aside); "
    "if it is applied, the values are no longer whole numbers.",
)
def slope_4097(survey: Survey) -> Iterator[Finding]:
    tag = survey.joint("RescaleSlope")

    def is_4097(text: str | None) -> bool:
        return any(value != 1 and abs(value - SLOPE_4097) < 1e-6 for value in _numbers(text))

    mask = survey.images & tag.where(is_4097)
    if mask.any():
        yield survey.finding("slope-4097", mask, [(str(text), n) for (text,), n in tag.counted(mask)])


@rule(
    "slope-zero",
    severity="wrong",
    title="A Rescale Slope of 0 makes all pixels equal",
    tags=("RescaleSlope",),
    standard="PS3.3 section C.11.1",
    advice="Treat the element as absent.",
    meaning="No valid image has this slope.",
)
def slope_zero(survey: Survey) -> Iterator[Finding]:
    mask = survey.images & survey.joint("RescaleSlope").where(lambda slope: 0 in _numbers(slope))
    if mask.any():
        yield survey.finding("slope-zero", mask, (("0", file_count(mask)),))


@rule(
    "intercept-unsigned",
    severity="decision",
    title="CT images with unsigned pixels have an intercept above -900: no pixel can be air",
    tags=("RescaleIntercept", "PixelRepresentation"),
    by=("RescaleIntercept", "PixelRepresentation", "RescaleSlope", "Modality"),
    standard="PS3.3 section C.11.1.1.2",
    advice="Look at the histogram: air must lie near -1000. Find out the true intercept before using the values.",
    meaning="No value lies below the intercept: the values are not HU, or the intercept was lost or applied twice.",
)
@rule(
    "intercept-unusual",
    severity="info",
    title="CT images have an unusual Rescale Intercept",
    tags=("RescaleIntercept",),
    by=("RescaleIntercept", "Modality"),
    standard="PS3.3 section C.11.1",
    advice="Check that air lies near -1000 before using the values as HU.",
    meaning="Usual values are -1024, -1000, -2048, -8192 and, for signed pixels, 0.",
)
def intercepts(survey: Survey) -> Iterator[Finding]:
    tags = ("RescaleIntercept", "PixelRepresentation")
    joint = survey.joint(*tags)
    with_slope = survey.joint("RescaleSlope", *tags)
    high = survey.ct & with_slope.where(
        lambda slope, text, sign: (
            sign == "0"
            and any(value > HIGHEST_AIR for value in _numbers(text))
            and not any(value < 0 for value in _numbers(slope))
        )  # a negative slope gives values below the intercept
    )
    if high.any():
        evidence = [(f"intercept {text}, unsigned", n) for (text, _), n in joint.counted(high)]
        yield survey.finding("intercept-unsigned", high, evidence)
    odd = (
        survey.ct
        & ~high
        & joint.where(lambda text, _: any(value not in USUAL_CT_INTERCEPTS for value in _numbers(text)))
    )
    if odd.any():
        evidence = [(f"intercept {text}", n) for (text,), n in survey.joint("RescaleIntercept").counted(odd)]
        yield survey.finding("intercept-unusual", odd, top(evidence))
