"""Rules about the rescale from stored values to HU or other units (PS3.3 section C.11.1)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_dicommeta.dicom.values import number
from napari_dicommeta.findings.survey import spell_span, top

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari_dicommeta.findings.check import Finding
    from napari_dicommeta.findings.survey import Survey

__all__ = ["RESCALE_RULES"]

SLOPE_4097 = 4097 / 4096
USUAL_INTERCEPTS = (-1024.0, -1000.0, -2048.0, -8192.0, 0.0)


def rescale_unspecified(survey: Survey) -> Iterator[Finding]:
    mask = survey.says("RescaleType", "US")
    if mask.any():
        yield survey.finding(
            "rescale-unspecified",
            "decision",
            "Rescale Type is US, which means Unspecified, not Hounsfield units",
            mask,
            (("US", int(np.count_nonzero(mask))),),
            ("RescaleType",),
            "PS3.3 section C.11.1.1.2",
            "Check that air lies near -1000 and water near 0 before the values are used as HU.",
            "Slope and intercept give numbers, but the files do not say that these are HU.",
        )


def rescale_type_missing(survey: Survey) -> Iterator[Finding]:
    rescaled = survey.ct & survey.filled("RescaleSlope")
    mask = rescaled & ~survey.filled("RescaleType")
    if mask.any():
        kinds = [(f"{kind or 'none'}", n) for (kind,), n in survey.joint("RescaleType").counted(rescaled) if kind]
        yield survey.finding(
            "rescale-type-missing",
            "info",
            "CT images do not state a Rescale Type",
            mask,
            (("none", int(np.count_nonzero(mask))), *kinds),
            ("RescaleType",),
            "PS3.3 section C.8.2.1",
            "Take the values as HU: CT images need a Rescale Type only where it is another.",
            "Whether a file says HU depends on who wrote it; that it says nothing makes no other values.",
            by=("RescaleType", "Modality", "RescaleSlope"),
        )


def rescale_missing(survey: Survey) -> Iterator[Finding]:
    held = survey.joint("RescaleSlope", "RescaleIntercept", "ModalityLUTSequence")
    lacking = survey.images & held.where(lambda slope, intercept, lut: not (slope and intercept) and lut is None)
    some = survey.images & held.where(lambda slope, intercept, _lut: bool(slope or intercept))
    has_some = np.bincount(survey.series_ids[some], minlength=len(survey.series)) > 0
    in_part = lacking & survey.gray & has_some[survey.series_ids] if survey.n_files else lacking
    affected = np.bincount(survey.series_ids[in_part], minlength=len(survey.series)) > 0
    tags = ("RescaleSlope", "RescaleIntercept")
    if in_part.any():
        yield survey.finding(
            "rescale-in-part",
            "wrong",
            "Rescale Slope or Intercept is missing in some images of a series",
            in_part,
            (
                ("without", int(np.count_nonzero(in_part))),
                ("with, in the same series", int(np.count_nonzero(some & affected[survey.series_ids]))),
            ),
            tags,
            "PS3.3 section C.11.1",
            "Leave such a series out, or take its other images' rescale only if you know that it holds for all.",
            "Raw and rescaled values would stand side by side in one volume.",
            by=("SOPInstanceUID",),
        )
    missing = lacking & survey.ct & ~in_part
    if missing.any():
        yield survey.finding(
            "rescale-missing",
            "wrong",
            "CT images have no Rescale Slope and Intercept",
            missing,
            (("without", int(np.count_nonzero(missing))),),
            tags,
            "PS3.3 section C.8.2.1",
            "Do not take the stored values for HU: find out slope and intercept, or leave these files out.",
            "CT requires both; without them nothing says which stored value is water.",
            by=(*tags, "Modality"),
        )


def rescales(survey: Survey) -> Iterator[Finding]:
    joint = survey.joint("RescaleSlope", "RescaleIntercept")
    tags = ("RescaleSlope", "RescaleIntercept")
    held = survey.images & joint.where(lambda slope, intercept: bool(slope and intercept))
    of_frames = held & joint.where(lambda slope, intercept: " | " in f"{slope}{intercept}")
    mixed = survey.mixing(joint.ids, survey.series_ids, held) | of_frames if survey.n_files else held
    ct, others = mixed & survey.ct, mixed & ~survey.ct
    if ct.any():
        yield survey.finding(
            "rescale-in-series",
            "decision",
            f"{_series(survey, ct)} of CT mix several slopes or intercepts",
            ct,
            top([(_pair(pair), n) for pair, n in joint.counted(ct)], "other pairs"),
            tags,
            "PS3.3 section C.11.1",
            "Rescale each image by its own slope and intercept, never by those of the first.",
            "Scanners write one pair for a series; look whether images of two reconstructions were put together.",
            by=("SeriesInstanceUID",),
            scope="CT",
        )
    if others.any():
        counted = joint.counted(others)
        slopes = [value for (slope, _), _ in counted for value in _numbers(slope)]
        yield survey.finding(
            "rescale-in-series",
            "info",
            f"{_series(survey, others)} of other modalities are rescaled image by image",
            others,
            ((f"{len(counted)} pairs, slopes {spell_span(slopes) if slopes else '?'}", int(np.count_nonzero(others))),),
            tags,
            "PS3.3 section C.11.1",
            "Rescale each image by its own slope and intercept, never by those of the first.",
            "Usual for PET, where the slope follows the activity in each slice.",
            by=("SeriesInstanceUID",),
        )
    between = held & survey.ct
    pairs = joint.counted(between)
    if len(pairs) > 1:
        yield survey.finding(
            "rescales",
            "info",
            f"CT images have {len(pairs)} pairs of slope and intercept",
            between,
            top([(_pair(pair), n) for pair, n in pairs], "other pairs"),
            tags,
            "PS3.3 section C.11.1",
            "Rescale before anything is compared, each image by its own pair.",
            "The same stored value is another HU from file to file.",
            by=(*tags, "Modality", "SamplesPerPixel", "SOPClassUID"),
        )


def _pair(pair: tuple[str | None, ...]) -> str:
    return f"slope {pair[0] or 'none'}, intercept {pair[1] or 'none'}"


def _numbers(text: str | None) -> list[float]:
    return [value for one in (text or "").split(" | ") if (value := number(one)) is not None]


def _series(survey: Survey, mask: np.ndarray) -> str:
    count = len(np.unique(survey.series_ids[mask]))
    return f"{count} series"


def slope_4097(survey: Survey) -> Iterator[Finding]:
    tag = survey.joint("RescaleSlope")

    def is_it(text: str | None) -> bool:
        return any(value != 1 and abs(value - SLOPE_4097) < 1e-6 for value in _numbers(text))

    mask = survey.images & tag.where(is_it)
    if mask.any():
        yield survey.finding(
            "slope-4097",
            "info",
            "A Rescale Slope of 1.000244 is 4097/4096, rounded in its text",
            mask,
            [(str(text), n) for (text,), n in tag.counted(mask)],
            ("RescaleSlope",),
            "PS3.3 section C.11.1",
            "Rescale in floating point; take all its roundings for the one number 4097/4096.",
            f"Taken for 1, a value of 3000 HU is off by {3000 * (SLOPE_4097 - 1):.2f} HU (intercept aside); "
            "kept, the values are no whole numbers any more.",
        )


def rescale_impossible(survey: Survey) -> Iterator[Finding]:
    def is_zero(slope: str | None) -> bool:
        return 0 in _numbers(slope)

    mask = survey.images & survey.joint("RescaleSlope").where(is_zero)
    if mask.any():
        yield survey.finding(
            "slope-zero",
            "wrong",
            "A Rescale Slope of 0 makes all pixels equal",
            mask,
            (("0", int(np.count_nonzero(mask))),),
            ("RescaleSlope",),
            "PS3.3 section C.11.1",
            "Treat the element as absent.",
            "No image can be meant by it.",
        )
    tags = ("RescaleIntercept", "PixelRepresentation")
    joint = survey.joint(*tags)
    with_slope = survey.joint("RescaleSlope", *tags)
    high = survey.ct & with_slope.where(
        lambda slope, text, sign: (
            sign == "0" and any(v >= 0 for v in _numbers(text)) and not any(v < 0 for v in _numbers(slope))
        )  # a falling slope goes below the intercept
    )
    if high.any():
        yield survey.finding(
            "intercept-unsigned",
            "decision",
            "CT images of unsigned pixels have an intercept of 0 or more, so that none can be air",
            high,
            [(f"intercept {text}, unsigned", n) for (text, _), n in joint.counted(high)],
            tags,
            "PS3.3 section C.11.1.1.2",
            "Look at the histogram: air must lie near -1000. Find out the true intercept before use.",
            "No value lies below the intercept; either they are no HU, or the intercept was lost or applied twice.",
            by=(*tags, "RescaleSlope", "Modality"),
        )
    odd = survey.ct & ~high & joint.where(lambda text, _: any(v not in USUAL_INTERCEPTS for v in _numbers(text)))
    if odd.any():
        yield survey.finding(
            "intercept-unusual",
            "info",
            "CT images have an unusual Rescale Intercept",
            odd,
            top([(f"intercept {text}", n) for (text,), n in survey.joint("RescaleIntercept").counted(odd)]),
            ("RescaleIntercept",),
            "PS3.3 section C.11.1",
            "Check that air lies near -1000 before the values are used as HU.",
            "Usual are -1024, -1000, -2048, -8192 and, for signed pixels, 0.",
            by=("RescaleIntercept", "Modality"),
        )


RESCALE_RULES = (
    rescale_missing,
    rescale_impossible,
    rescales,
    rescale_unspecified,
    rescale_type_missing,
    slope_4097,
)
