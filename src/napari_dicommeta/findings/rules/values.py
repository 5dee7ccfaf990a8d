"""Rules about values: spellings, signs, and tags that some files lack."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_dicommeta.catalog.file_rows import tag_path
from napari_dicommeta.dicom.uids import IMPLICIT
from napari_dicommeta.dicom.values import number
from napari_dicommeta.findings.evidence import file_count, top
from napari_dicommeta.findings.rule import rule
from napari_dicommeta.findings.rules.suspect import NUMBERS
from napari_dicommeta.support.words import counted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari_dicommeta.catalog.counts import Spelling
    from napari_dicommeta.findings.finding import Finding
    from napari_dicommeta.findings.survey import Survey

REPORTED_TAGS = (
    "ImagePositionPatient",
    "ImageOrientationPatient",
    "PixelSpacing",
    "FrameOfReferenceUID",
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
"""Tags whose absence is reported one by one."""
MAX_DISTINCT = 2000
"""Number of distinct values above which numbers without other spellings are not examined one by one."""


@rule(
    "spellings",
    severity="info",
    title="Values are spelled in several ways",
    standard="PS3.5 section 6.2",
    advice="Compare by value, never as text.",
    meaning="Different texts stand for the same value; counted or grouped as text, they look like several values.",
)
def spellings(survey: Survey) -> Iterator[Finding]:
    for tag in NUMBERS:
        if len(survey.own(tag).texts) > MAX_DISTINCT and not _is_respelled(survey, tag):
            continue
        values = [value for value in survey.catalog.details(tag) if len({s.text for s in value.spellings}) > 1]
        if values:
            written = [(_as_written(s), s.files) for value in values for s in value.spellings]
            texts = frozenset(value.text for value in values)
            ways = ""
            if len(values) == 1:
                ways = f", {len(values[0].spellings)} for {values[0].text.replace(chr(92), ' ')}"
            yield survey.finding(
                "spellings",
                survey.own(tag).where(lambda text, texts=texts: text in texts),
                top(written, "other spellings"),
                title=f"{tag}: {counted(len(values), 'value')} spelled in several ways{ways}",
                tags=(tag,),
            )


def _is_respelled(survey: Survey, tag: str) -> bool:
    summary = next((summary for summary in survey.summaries if summary.keyword == tag), None)
    return summary is not None and summary.spellings > summary.distinct


def _as_written(spelling: Spelling) -> str:
    """Return a spelling with its VR or bytes where the text alone is ambiguous."""
    if spelling.vr == "implicit":
        return f"bytes {spelling.raw.hex(' ').upper()} without a VR"
    return f"{spelling.text} as {spelling.vr}" if spelling.vr in ("US", "SS") else spelling.text


@rule(
    "sign-mismatch",
    severity="info",
    title="Values are written in a VR whose sign differs from that of the pixels",
    standard="PS3.3 section C.7.6.3.1",
    advice="Read the two bytes with the sign of the pixels, whatever VR they were written with.",
    meaning="Compared as written, the value matches no pixel: padding would be mistaken for tissue.",
)
def sign_mismatch(survey: Survey) -> Iterator[Finding]:
    """Yield findings on values of US or SS attributes that were written with the other of the two VRs."""
    for tag in ("PixelPaddingValue", "PixelPaddingRangeLimit", "SmallestImagePixelValue", "LargestImagePixelValue"):
        written: dict[str, int] = {}
        for value in survey.catalog.details(tag):
            for spelling in value.spellings:
                if spelling.vr in ("US", "SS") and spelling.text != value.text and not value.flag:
                    written[f"{value.text} as {spelling.vr} {spelling.text}"] = spelling.files
        if written:
            spelled = frozenset(line.rpartition(" ")[2] for line in written)
            texts, ids = survey.catalog.codes(tag, by="spelling")
            mask = np.array([text in spelled for text in texts])[ids]
            mask &= survey.catalog.file_rows.differ(tag_path(tag), tag_path(tag), by="spelling")
            mask &= ~survey.says("TransferSyntaxUID", IMPLICIT)
            yield survey.finding(
                "sign-mismatch",
                mask,
                top(sorted(written.items(), key=lambda line: -line[1]), "other values"),
                title=f"{tag}: values are written in a VR whose sign differs from that of the pixels",
                tags=(tag,),
            )


@rule(
    "kvp-zero",
    severity="info",
    title="CT images state a tube voltage of 0",
    tags=("KVP",),
    by=("KVP", "Modality"),
    standard="PS3.3 section C.8.2.1",
    advice="Treat KVP as unknown.",
    meaning="HU of bone and contrast agent depend on the voltage, which is unknown.",
)
def kvp_zero(survey: Survey) -> Iterator[Finding]:
    mask = survey.ct & survey.joint("KVP").where(lambda text: number(text or "") == 0)
    if mask.any():
        yield survey.finding("kvp-zero", mask, (("KVP 0", file_count(mask)),))


@rule(
    "absent-in-part",
    severity=("decision", "info"),
    title="Tags about pixels or positions are absent or empty in some images of a modality",
    standard="PS3.5 section 7.4",
    advice="Decide for each tag what a missing value means; never fill it from another series.",
    meaning="Code that expects the tag in every file fails, or silently uses a default for some images.",
)
def absent_in_part(survey: Survey) -> Iterator[Finding]:
    """Yield a finding on tags that have a value in only some images of a modality."""
    modalities = survey.joint("Modality").ids.astype(np.int64)
    kinds = 2 * modalities + survey.gray  # what screenshots lack is not missing in the images beside them
    lines: list[tuple[str, int]] = []
    masks, tags = [], []
    for tag in REPORTED_TAGS:
        filled, lacking = survey.filled(tag) & survey.images, survey.images & ~survey.filled(tag)
        lacking &= np.isin(kinds, kinds[filled])
        if lacking.any():
            lines.append((f"{tag} absent", file_count(lacking)))
            masks.append(lacking)
            tags.append(tag)
    if not masks:
        return
    several = len(tags) > 1
    placed = survey.sectional & survey.filled("ImagePositionPatient") & ~survey.filled("FrameOfReferenceUID")
    is_unplaced = bool(placed.any()) and "FrameOfReferenceUID" in tags  # "position-missing" tells the others
    yield survey.finding(
        "absent-in-part",
        np.logical_or.reduce(masks),
        sorted(lines, key=lambda line: -line[1]),
        title=f"{len(tags)} tag{'s' if several else ''} about pixels or positions {'are' if several else 'is'} absent "
        "or empty in some images of a modality",
        severity="decision" if is_unplaced else "info",
        tags=tuple(tags),
        by=(*tags, "Modality") if len(tags) < 4 else ("SeriesInstanceUID",),
    )
