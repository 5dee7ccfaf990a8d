"""Rules about values that cannot be: text in numbers, invalid numbers, and text of another character set."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_dicommeta.dicom.pixel_format import stored_range
from napari_dicommeta.dicom.values import (
    FRACTION,
    NOT_A_NUMBER,
    TEXT_IN_NUMBER,
    UNDECODABLE,
    WRONG_LENGTH,
    is_text_in_number,
    number,
)
from napari_dicommeta.findings.evidence import file_count, top
from napari_dicommeta.findings.rule import rule
from napari_dicommeta.findings.rules.charsets import files_without, fitting_charset
from napari_dicommeta.support.sorting import sorted_unique

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari_dicommeta.catalog.counts import TagSummary
    from napari_dicommeta.findings.finding import Finding
    from napari_dicommeta.findings.survey import Survey

__all__ = ["NUMBERS", "texts_in_numbers"]

NUMBERS = (
    "ImageOrientationPatient",
    "PixelSpacing",
    "SliceThickness",
    "RescaleSlope",
    "RescaleIntercept",
    "PixelPaddingValue",
    "PixelPaddingRangeLimit",
    "WindowCenter",
    "WindowWidth",
)
"""Numbers as text that determine pixel values or positions."""
DECISIVE = frozenset(
    (
        *NUMBERS,
        "ImagePositionPatient",
        "BitsAllocated",
        "BitsStored",
        "HighBit",
        "PixelRepresentation",
        "SamplesPerPixel",
        "Rows",
        "Columns",
        "NumberOfFrames",
        "DoseGridScaling",
    )
)
"""Tags that determine pixel values or positions."""
ADVICE = {
    TEXT_IN_NUMBER: "Do not use this value; treat the element as absent.",
    NOT_A_NUMBER: "Do not use this value; correct it manually or treat the element as absent.",
    FRACTION: "Decide whether to round it; programs that read integers fail on it.",
    WRONG_LENGTH: "Do not use this value; treat the element as absent.",
    UNDECODABLE: "Correct the Specific Character Set (0008,0005) before using the text.",
}
PADDINGS = ("PixelPaddingValue", "PixelPaddingRangeLimit")
NO_TISSUE_HU = 3200
"""HU; padding of CT lies below all tissue, or is the largest value that the bits allow."""
MIN_SAME = 10
"""Number of files of a maker with the same text from which it is no coincidence."""


def texts_in_numbers(survey: Survey, tag: str) -> np.ndarray:
    """Return for each file whether its value of `tag` is proven to be text in a number field, bool (n_files,).

    Two ASCII characters are also honest numbers of 16 bits. Proof is a value that the bits of the image do not allow,
    padding that no pixel can have, or the same extreme value in all images of a maker. What is proven for one file
    holds for all files of its maker with the same value.
    """
    none = np.zeros(survey.n_files, dtype=bool)
    if not any(_is_text(text) for (text,) in survey.own(tag).texts):
        return none
    looks = survey.own(tag).where(_is_text)
    context = ("BitsStored", "PixelRepresentation", "Modality", "RescaleSlope", "RescaleIntercept")
    joint = survey.joint(tag, *context, *(() if tag == "LargestImagePixelValue" else ("LargestImagePixelValue",)))
    proven = looks & joint.where(
        lambda text, bits, sign, *rest: _is_outside(text, bits, sign) or (tag in PADDINGS and _is_no_pixel(text, *rest))
    )
    makers, values = survey.joint("Manufacturer", tag), survey.joint("Manufacturer")
    if tag not in PADDINGS:
        filled = survey.filled(tag)
        mixed = survey.mixing(makers.ids, values.ids, filled)
        many = np.bincount(values.ids[filled], minlength=len(values.texts)) >= MIN_SAME
        proven |= looks & ~mixed & many[values.ids]
    return np.asarray(looks & np.isin(makers.ids, sorted_unique(makers.ids[proven])))


def _is_text(text: str | None) -> bool:
    value = number(text or "")
    return value is not None and is_text_in_number(value)


def _is_outside(text: str | None, bits: str | None, sign: str | None) -> bool:
    value, stored = number(text or ""), number(bits or "")
    if value is None or stored is None or not 1 <= stored <= 64:
        return False
    low, high = stored_range(int(stored), sign == "1")
    return not low <= value <= high


def _is_no_pixel(
    text: str | None, modality: str | None, slope: str | None, intercept: str | None, largest: str | None
) -> bool:
    """Return whether padding lies above the largest pixel, or in CT above all tissue."""
    value, highest = number(text or "") or 0.0, number(largest or "")
    if highest is not None and value > highest:
        return True
    factor, offset = number(slope or "1"), number(intercept or "0")
    return modality == "CT" and value * (factor or 1.0) + (offset or 0.0) > NO_TISSUE_HU


@rule(
    "suspect-value",
    severity="wrong",
    title="An element that determines pixel values or positions has an impossible value",
    standard="PS3.5 section 6.2",
    advice="Do not use this value.",
    meaning="The element determines what pixels mean or where they lie, and its value cannot be correct.",
)
@rule(
    "suspect-text",
    severity="info",
    title="Elements that do not affect pixels have impossible values",
    standard="PS3.5 section 6.2",
    advice="Do not use these values.",
    meaning="Pixels and positions do not depend on these tags; programs that read them may fail on these values.",
)
def suspect_values(survey: Survey) -> Iterator[Finding]:
    lesser: dict[str, list[tuple[str, int, np.ndarray]]] = {}
    for summary in survey.summaries:
        by_flag: dict[str, list[tuple[str, int]]] = {}
        for text, files, flag in _flagged(survey, summary):
            by_flag.setdefault(flag, []).append((text, files))
        for flag, values in by_flag.items():
            texts = frozenset(text for text, _ in values)
            mask = survey.own(summary.keyword).where(
                lambda text, texts=texts: text is not None and not texts.isdisjoint(text.split(" | "))
            )
            if flag == UNDECODABLE:  # reported with the character set that fits, where one does
                mask &= ~_reported(survey, summary)
                values = [(str(text), n) for (text,), n in survey.own(summary.keyword).counted(mask)]
                if not values:
                    continue
            if flag == TEXT_IN_NUMBER:
                mask = texts_in_numbers(survey, summary.keyword)
                values = [(str(text), n) for (text,), n in survey.own(summary.keyword).counted(mask)]
                if not values:
                    continue
            if summary.path.keyword in DECISIVE:
                yield survey.finding(
                    "suspect-value",
                    mask,
                    top(values, "other values"),
                    title=f"{summary.keyword}: {flag}",
                    tags=(summary.keyword,),
                    advice=ADVICE[flag],
                )
            else:
                lesser.setdefault(flag, []).append((summary.keyword, file_count(mask), mask))
    for flag, tags in lesser.items():
        yield survey.finding(
            "suspect-text",
            np.logical_or.reduce([mask for _, _, mask in tags]),
            top(
                sorted(((tag, files) for tag, files, _ in tags), key=lambda line: -line[1]),
                "other tags, each in at most",
                together=max,
            ),
            title=f"{len(tags)} tag{'s have' if len(tags) > 1 else ' has'} impossible values: {flag}",
            tags=tuple(tag for tag, _, _ in tags[:20]),
            standard="PS3.5 section 6.1" if flag == UNDECODABLE else "PS3.5 section 6.2",
            advice=ADVICE[flag],
        )


def _reported(survey: Survey, summary: TagSummary) -> np.ndarray:
    """Return the files whose text of a tag "charset-contradicts" reports, bool of shape (n_files,)."""
    mask = np.zeros(survey.n_files, dtype=bool)
    if len(summary.path.elements) == 1 and not summary.path.is_private:
        for value in survey.catalog.details(summary.path):
            if value.flag == UNDECODABLE and (name := fitting_charset(value)):
                same = survey.own(summary.keyword).where(lambda text, value=value: text == value.text)
                mask |= same & files_without(survey, name)
    return mask


def _flagged(survey: Survey, summary: TagSummary) -> Iterator[tuple[str, int, str]]:
    """Yield (text, files, flag) of a tag's flagged values."""
    column = survey.catalog.file_rows.find(summary.path)
    if column is None or not column.is_flagged:
        return
    for value in survey.catalog.details(summary.path):
        if value.flag:
            yield value.text, value.files, value.flag
