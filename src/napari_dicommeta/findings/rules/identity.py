"""Rules about identity: UIDs and patients that contradict each other, copies."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np

from napari_dicommeta.findings.evidence import file_count
from napari_dicommeta.findings.rule import kind_of, rule
from napari_dicommeta.support.sorting import sorted_unique
from napari_dicommeta.support.words import counted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari_dicommeta.findings.finding import Finding
    from napari_dicommeta.findings.survey import Survey

OUTER_CODES = (
    "series-studies",
    "series-modalities",
    "series-numbers",
    "series-frames",
    "study-patients",
    "study-dates",
)
"""Findings on two tags, where each value of the first allows only one value of the second."""
SPLIT_BOTH = "Split these files by both tags, and ask the source of the data which value is right."
OWN_FRAMES = (
    "Give each series one Frame of Reference UID; its slices are one volume if their positions are those of one grid.",
    "De-identification has probably replaced the UID file by file: nothing can be registered to these series by it.",
)
"""Advice and meaning where each file of a series has a frame of reference of its own."""
PERSONAL = {"PatientBirthDate": "dates of birth", "PatientSex": "sexes", "PatientName": "names"}
_WORDS = re.compile(r"[^\W_]+")
SAME_IMAGE = (
    "SeriesInstanceUID",
    "SOPClassUID",
    "InstanceNumber",
    "ImagePositionPatient",
    "AcquisitionTime",
    "NumberOfFrames",
    "SamplesPerPixel",
    "Rows",
    "Columns",
    "BitsAllocated",
    "BitsStored",
    "PixelRepresentation",
)
"""Tags that agree in two files of the same image."""


@rule(
    "series-studies",
    severity="wrong",
    title="A Series Instance UID occurs in several studies",
    tags=("SeriesInstanceUID", "StudyInstanceUID"),
    by=("SeriesInstanceUID",),
    standard="PS3.3 section C.7.3.1",
    advice=SPLIT_BOTH,
    meaning="Files of several examinations would be put into one series.",
)
@rule(
    "series-modalities",
    severity="wrong",
    title="A Series Instance UID occurs with several modalities",
    tags=("SeriesInstanceUID", "Modality"),
    by=("SeriesInstanceUID",),
    standard="PS3.3 section C.7.3.1",
    advice=SPLIT_BOTH,
    meaning="A series has one modality; values of different kinds would be put into one volume.",
)
@rule(
    "series-numbers",
    severity="decision",
    title="A Series Instance UID occurs with several Series Numbers",
    tags=("SeriesInstanceUID", "SeriesNumber"),
    by=("SeriesInstanceUID", "SeriesNumber"),
    standard="PS3.3 section C.7.3.1",
    advice=SPLIT_BOTH,
    meaning="A series has one number: several series were given one UID, or one image was stored several times.",
)
@rule(
    "series-frames",
    severity="decision",
    title="A series holds several frames of reference",
    tags=("SeriesInstanceUID", "FrameOfReferenceUID"),
    by=("SeriesInstanceUID",),
    standard="PS3.3 section C.7.3.1",
    advice=SPLIT_BOTH,
    meaning="Positions in different frames of reference are not comparable: the images are not one volume.",
)
@rule(
    "study-patients",
    severity="wrong",
    title="A Study Instance UID occurs with several Patient IDs",
    tags=("StudyInstanceUID", "PatientID"),
    by=("StudyInstanceUID",),
    standard="PS3.3 section C.7.2.1",
    advice=SPLIT_BOTH,
    meaning="Several patients would count as one, or one patient as several.",
)
@rule(
    "study-dates",
    severity="decision",
    title="The Study Date differs within a study",
    tags=("StudyInstanceUID", "StudyDate"),
    by=("StudyInstanceUID",),
    standard="PS3.3 section C.7.2.1",
    advice=SPLIT_BOTH,
    meaning="Dates were changed file by file, or two examinations share a UID: intervals between examinations are "
    "unreliable.",
)
def contradictions(survey: Survey) -> Iterator[Finding]:
    """Yield findings on UIDs that occur with several values of a tag that must be unique for them."""
    for code in OUTER_CODES:
        outer, inner = kind_of(code).tags
        outside, inside = survey.joint(outer), survey.joint(inner)
        held = survey.filled(outer) & survey.filled(inner)
        if not held.any():
            continue
        mask = survey.mixing(inside.ids, outside.ids, held)
        if code == "series-frames":
            mask &= survey.images
            mask = survey.mixing(inside.ids, outside.ids, mask)
        if mask.any():
            n = int(np.count_nonzero(np.bincount(outside.ids[mask])))
            groups = "series" if outer == "SeriesInstanceUID" else "study" if n == 1 else "studies"
            own_frames = code == "series-frames" and len(sorted_unique(inside.ids[mask])) == file_count(mask) > 2
            yield survey.finding(
                code,
                mask,
                ((f"in {n} {groups}" + (", another in each file" if own_frames else ""), file_count(mask)),),
                advice=OWN_FRAMES[0] if own_frames else "",
                meaning=OWN_FRAMES[1] if own_frames else "",
            )


@rule(
    "patient-contradicts",
    severity="decision",
    title="A Patient ID occurs with several dates of birth, sexes or names",
    tags=("PatientID",),
    by=("PatientID",),
    standard="PS3.3 section C.7.1.1",
    advice="Ask the source which patients these are; until then, keep all files of one ID in one set.",
    meaning="One ID stands for several persons, or a value is wrong: splits and statistics by patient are off.",
)
def patient_contradicts(survey: Survey) -> Iterator[Finding]:
    """Yield a finding with the number of these IDs, never their values."""
    patients = survey.joint("PatientID")
    lines, masks, tags = [], [], []
    for tag, noun in PERSONAL.items():
        if tag == "PatientName" and not survey.catalog.has_paths:  # spellings of a name have several pseudonyms
            continue
        column = survey.joint(tag)
        numbers: dict[tuple[str, ...], int] = {}
        alike = [
            numbers.setdefault(tuple(_WORDS.findall((text or "").casefold())), len(numbers)) for (text,) in column.texts
        ]
        held = survey.filled("PatientID") & survey.filled(tag)
        mask = survey.mixing(np.array(alike, dtype=np.int64)[column.ids], patients.ids, held) if held.any() else held
        if mask.any():
            n = len(sorted_unique(patients.ids[mask]))
            lines.append((f"{counted(n, 'Patient ID')} with several {noun}", file_count(mask)))
            masks.append(mask)
            tags.append(tag)
    if masks:
        yield survey.finding(
            "patient-contradicts", np.logical_or.reduce(masks), lines, tags=("PatientID", *tags), by=("PatientID",)
        )


@rule(
    "image-twice",
    severity="decision",
    title="Several files share a SOP Instance UID, and their headers agree",
    tags=("SOPInstanceUID",),
    standard="PS3.3 section C.12.1",
    advice="Compare their pixels; where these agree too, keep one file of each SOP Instance UID.",
    meaning="Duplicates count twice, and may end up in both training and test sets.",
)
@rule(
    "uid-reused",
    severity="wrong",
    title="Files with different contents share a SOP Instance UID",
    tags=("SOPInstanceUID",),
    standard="PS3.3 section C.12.1",
    advice="Identify the images by file; give each its own UID before storing them in an archive.",
    meaning="Programs that rely on the UID keep one image and lose the others.",
)
def same_image(survey: Survey) -> Iterator[Finding]:
    """Yield findings on SOP Instance UIDs in several files, with equal or with different contents."""
    uids = survey.own("SOPInstanceUID")
    held = survey.filled("SOPInstanceUID")
    counts = np.bincount(uids.ids[held], minlength=len(uids.texts))
    repeated = held & (counts > 1)[uids.ids] if survey.n_files else held
    if not repeated.any():
        return
    pictures = repeated & survey.images
    other = survey.mixing(survey.joint(*SAME_IMAGE).ids, uids.ids, pictures)
    other |= _differing(survey, uids.ids, repeated & ~survey.images)
    for code, mask in (("image-twice", repeated & ~other), ("uid-reused", other)):
        if mask.any():
            n = len(sorted_unique(uids.ids[mask]))
            evidence = f"{counted(n, 'SOP Instance UID')} in several files"
            yield survey.finding(code, mask, ((evidence, file_count(mask)),))


def _differing(survey: Survey, groups: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Return the files of `mask` in groups whose files differ in an element, file meta information aside.

    What is behind the damage of a file is unknown, not different.
    """
    rows = np.flatnonzero(mask)
    differs = np.zeros(survey.n_files, dtype=bool)
    if not len(rows):
        return differs
    files, cuts = survey.catalog.file_rows.at(rows), survey.catalog.file_column("cut")[rows]
    of_group = np.unique(groups[rows], return_inverse=True)[1]
    mixed = np.zeros(int(of_group.max()) + 1, dtype=bool)
    for column in files.columns():
        if column.first_tag >> 16 != 2 and column.path.tag & 0xFFFF:  # neither meta information nor a length
            ids = files.joined_ids(column, "meaning").astype(np.int64) + 1
            span = int(ids.max()) + 1
            pairs = sorted_unique((of_group * span + ids)[(cuts < 0) | (cuts > column.first_tag)])
            mixed |= np.bincount(pairs // span, minlength=len(mixed)) > 1
    differs[rows] = mixed[of_group]
    return differs


@rule(
    "uids-missing",
    severity="decision",
    title="Images have no instance, series or study UID",
    standard="PS3.3 section C.7.3.1",
    advice="Check the grouping: these files are split by study, series number, modality and folder instead.",
    meaning="The grouping of these images is a guess.",
)
def uids_missing(survey: Survey) -> Iterator[Finding]:
    lines, masks, tags = [], [], []
    for tag in ("SeriesInstanceUID", "SOPInstanceUID", "StudyInstanceUID"):
        mask = survey.images & ~survey.filled(tag)
        if mask.any():
            lines.append((f"{tag} absent or empty", file_count(mask)))
            masks.append(mask)
            tags.append(tag)
    if masks:
        yield survey.finding("uids-missing", np.logical_or.reduce(masks), lines, tags=tuple(tags))
