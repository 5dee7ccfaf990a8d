"""Rules about what values mean: spellings, numbers that are none, and tags that part of the files lack."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np

from napari_dicommeta.dicom.privacy import is_identifying
from napari_dicommeta.dicom.uids import IMPLICIT
from napari_dicommeta.dicom.values import FRACTION, NOT_A_NUMBER, TEXT_IN_NUMBER, UNDECODABLE, WRONG_LENGTH, number
from napari_dicommeta.findings.survey import top

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari_dicommeta.catalog.counts import Spelling, TagSummary
    from napari_dicommeta.findings.check import Finding
    from napari_dicommeta.findings.survey import Survey

__all__ = ["VALUE_RULES"]

# Numbers that decide what pixels mean or where they lie: their spellings are worth a word.
SPELLED = (
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
DECISIVE = frozenset(
    (
        *SPELLED,
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
"""Tags that decide values or places: a fault in one spoils them."""
PLACING = ("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "FrameOfReferenceUID")
TELLING = (
    *PLACING,
    "RescaleSlope",
    "RescaleIntercept",
    "RescaleType",
    "PixelPaddingValue",
    "WindowCenter",
    "WindowWidth",
    "SliceThickness",
    "ConvolutionKernel",
    "KVP",
    "ImageType",
    "PatientPosition",
    "LossyImageCompression",
)
"""Tags whose absence is worth a line of its own."""
ADVICE = {
    TEXT_IN_NUMBER: "Do not use this value; treat the element as absent.",
    NOT_A_NUMBER: "Do not use this value; correct it by hand or treat the element as absent.",
    FRACTION: "Decide whether to round it; programs that read integers fail on it.",
    WRONG_LENGTH: "Do not use this value; treat the element as absent.",
    UNDECODABLE: "Correct the Specific Character Set (0008,0005) before the text is used.",
}
_ONE = r"(?:[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]{1,2})?)?"
_NUMBERS = re.compile(rf"{_ONE}(?:\\{_ONE})*")
_WHOLE = re.compile(r"(?:[+-]?[0-9]+)?(?:\\(?:[+-]?[0-9]+)?)*")
MANY = 2000
"""Distinct numbers of a tag beyond which those that are plainly numbers are not looked at one by one."""
_UNFLAGGED = frozenset(("UI", "SQ", "DA", "TM", "DT", "CS", "AS", "AE", "UR", "OB", "OW", "OF", "OD", "OL", "OV", "UN"))


def spellings(survey: Survey) -> Iterator[Finding]:
    for tag in SPELLED:
        if len(survey.own(tag).texts) > MANY and not _is_respelled(survey, tag):
            continue
        found = [one for one in survey.catalog.details(tag) if len({s.text for s in one.spellings}) > 1]
        if found:
            written = [(_as_written(s), s.files) for one in found for s in one.spellings]
            texts = frozenset(one.text for one in found)
            ways = f", {len(found[0].spellings)} for {found[0].text.replace(chr(92), ' ')}" if len(found) == 1 else ""
            yield survey.finding(
                "spellings",
                "info",
                f"{tag}: {len(found)} of its values are spelled in several ways{ways}",
                survey.own(tag).where(lambda text, texts=texts: text in texts),
                top(written, "other spellings"),
                (tag,),
                "PS3.5 section 6.2",
                "Compare by value, never as text.",
                "Texts that differ are one value here; counted or grouped as text they would seem to be several.",
            )


def _is_respelled(survey: Survey, tag: str) -> bool:
    summary = next((one for one in survey.summaries if one.keyword == tag), None)
    return summary is not None and summary.spellings > summary.distinct


def _as_written(spelling: Spelling) -> str:
    """A spelling with what tells it from an equal one: its VR, or the bytes of an implicit VR file."""
    if spelling.vr == "implicit":
        return f"bytes {spelling.raw.hex(' ').upper()} without a VR"
    return f"{spelling.text} as {spelling.vr}" if spelling.vr in ("US", "SS") else spelling.text


def sign_mismatch(survey: Survey) -> Iterator[Finding]:
    """Values of US or SS attributes that were written with the VR of the other sign."""
    for tag in ("PixelPaddingValue", "PixelPaddingRangeLimit", "SmallestImagePixelValue", "LargestImagePixelValue"):
        written: dict[str, int] = {}
        for value in survey.catalog.details(tag):
            for one in value.spellings:
                if one.vr in ("US", "SS") and one.text != value.text and not value.flag:
                    written[f"{value.text} as {one.vr} {one.text}"] = one.files
        if written:
            spelled = frozenset(what.rpartition(" ")[2] for what in written)
            texts = survey.catalog.column_texts(tag, by="spelling")
            meant = survey.catalog.column_texts(tag)
            mask = np.array([a in spelled and a != b for a, b in zip(texts, meant, strict=True)], dtype=bool)
            mask &= ~survey.says("TransferSyntaxUID", IMPLICIT)
            yield survey.finding(
                "sign-mismatch",
                "info",
                f"{tag}: values are written in the VR of the other sign than the pixels",
                mask,
                top(sorted(written.items(), key=lambda one: -one[1]), "other values"),
                (tag,),
                "PS3.3 section C.7.6.3.1",
                "Read the two bytes with the sign of the pixels, whatever VR they were written with.",
                "Compared as it is written, such a value is in no pixel: padding would be taken for tissue.",
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
            if summary.path.keyword in DECISIVE:
                yield survey.finding(
                    "suspect-value",
                    "wrong",
                    f"{summary.keyword}: {flag}",
                    mask,
                    top(values, "other values"),
                    (summary.keyword,),
                    "PS3.5 section 6.2",
                    ADVICE[flag],
                    "The element decides what pixels mean or where they lie, and its value cannot be what was meant.",
                )
            else:
                lesser.setdefault(flag, []).append((summary.keyword, int(np.count_nonzero(mask)), mask))
    for flag, found in lesser.items():
        yield survey.finding(
            "suspect-text",
            "info",
            f"{len(found)} tag{'s hold' if len(found) > 1 else ' holds'} values of which "
            + ("the text is " if flag == UNDECODABLE else "" if flag in (TEXT_IN_NUMBER, WRONG_LENGTH) else "each is ")
            + flag,
            np.logical_or.reduce([mask for _, _, mask in found]),
            top(sorted(((tag, files) for tag, files, _ in found), key=lambda one: -one[1]), "other tags"),
            tuple(tag for tag, _, _ in found[:20]),
            "PS3.5 section 6.1" if flag == UNDECODABLE else "PS3.5 section 6.2",
            ADVICE[flag],
            "Pixels and places do not depend on these tags; programs that read them may stop at such a value.",
        )


def _flagged(survey: Survey, summary: TagSummary) -> Iterator[tuple[str, int, str]]:
    """(text, files, flag) of a tag's values that are odd."""
    if summary.vr in _UNFLAGGED or not summary.present:
        return
    if summary.distinct > MANY and summary.vr in ("DS", "IS"):
        plain = _WHOLE if summary.vr == "IS" else _NUMBERS
        if all(not text or plain.fullmatch(text) for (text,) in survey.own(summary.keyword).texts):
            return
    for value in survey.catalog.details(summary.path):
        if value.flag:
            yield value.text, value.files, value.flag


def kvp_zero(survey: Survey) -> Iterator[Finding]:
    mask = survey.ct & survey.joint("KVP").where(lambda text: number(text or "") == 0)
    if mask.any():
        yield survey.finding(
            "kvp-zero",
            "info",
            "CT images state a tube voltage of 0",
            mask,
            (("KVP 0", int(np.count_nonzero(mask))),),
            ("KVP",),
            "PS3.3 section C.8.2.1",
            "Treat KVP as unknown.",
            "HU of bone and contrast agent depend on the voltage, and nothing says what it was.",
            by=("KVP", "Modality"),
        )


def absent_in_part(survey: Survey) -> Iterator[Finding]:
    """Tags that only part of the images of a modality hold with a value."""
    kinds = survey.joint("Modality")
    lines: list[tuple[str, int]] = []
    masks, tags = [], []
    for tag in TELLING:
        filled, lacking = survey.filled(tag) & survey.images, survey.images & ~survey.filled(tag)
        has = np.bincount(kinds.ids[filled], minlength=len(kinds.texts)) > 0
        lacking &= has[kinds.ids]
        if lacking.any():
            lines.append((tag, int(np.count_nonzero(lacking))))
            masks.append(lacking)
            tags.append(tag)
    others = sum(
        0 < one.present < survey.n_files and not one.path.is_private and one.keyword not in TELLING
        for one in survey.summaries
        if not is_identifying(one.path, one.vr)
    )
    if not masks:
        return
    more = f"; {others} other technical tags are in part of the files only" if others else ""
    yield survey.finding(
        "absent-in-part",
        "decision" if any(tag in PLACING for tag in tags) else "info",
        f"{len(tags)} tag{'s' if len(tags) > 1 else ''} that tell{'' if len(tags) > 1 else 's'} about pixels or "
        f"places {'are' if len(tags) > 1 else 'is'} absent or empty in part of the images of a modality{more}",
        np.logical_or.reduce(masks),
        sorted(((f"{tag} absent", n) for tag, n in lines), key=lambda one: -one[1]),
        tuple(tags),
        "PS3.5 section 7.4",
        "Decide for each what a missing value stands for; never fill it from another series.",
        "Code that asks every file for such a tag fails, or silently takes a default for part of the images.",
        by=(*tags, "Modality") if len(tags) < 4 else ("SeriesInstanceUID",),
    )


VALUE_RULES = (
    suspect_values,
    spellings,
    sign_mismatch,
    absent_in_part,
    kvp_zero,
)
