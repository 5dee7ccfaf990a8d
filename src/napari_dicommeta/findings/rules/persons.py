"""Rules about persons in the data: identifying tags, and names that are part of the picture."""

from __future__ import annotations

import re
from datetime import date
from typing import TYPE_CHECKING

import numpy as np

from napari_dicommeta.dicom.privacy import is_identifying
from napari_dicommeta.findings.evidence import by_files, date_of, file_count, top
from napari_dicommeta.findings.rule import rule
from napari_dicommeta.support.words import counted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari_dicommeta.catalog.counts import TagSummary
    from napari_dicommeta.findings.finding import Finding
    from napari_dicommeta.findings.survey import Survey

DIRECT = frozenset(("PN", "DA", "DT", "TM", "AS", "AE"))
DESCRIBING = frozenset(("SeriesDescription", "StudyDescription", "ProtocolName", "ImageComments"))
OF_NOBODY = frozenset(
    (
        "DateOfLastCalibration",
        "DateOfLastDetectorCalibration",
        "DeidentificationMethod",
        "TimeOfLastCalibration",
        "TimeOfLastDetectorCalibration",
        "TimezoneOffsetFromUTC",
    )
)
"""Tags of PS3.15 Table E.1-1, or dates, that say nothing about a person."""
CONTACTS = ("PatientAddress", "PatientTelephoneNumbers", "PersonAddress", "PersonTelephoneNumbers", "MilitaryRank")
FREE_TEXT = (
    "PatientComments",
    "ImageComments",
    "AdditionalPatientHistory",
    "StudyComments",
    "RequestedProcedureComments",
)
PLACEHOLDERS = frozenset(
    re.findall(
        r"\w+",
        "anon anonym anonymized anonymised anonymous case deidentified doctor doe dr dummy test testing tester first "
        "last given family id identity middle name no nobody none null of operator patient phantom person physician "
        "pseudonym qa redacted referring removed subject unknown unnamed withheld",
    )
)
"""Words of names that stand for nobody."""
SEEN = {
    "BurnedInAnnotation": "text about the patient is part of the picture",
    "RecognizableVisualFeatures": "the face can be recognized",
}
_WORD = re.compile(r"[^\W\d_]{2,}")
_IN_TEXT = re.compile(r"\b(?:Mr|Mrs|Ms|Dr|Prof|Herr|Frau|Mme)\.? [^\W\d_]{3,}|[\w.]+@\w+\.\w+|\+\d[\d /()-]{7,}")


@rule(
    "identifying",
    severity=("decision", "info"),
    title="Identifying tags are filled",
    standard="PS3.15 Table E.1-1",
    advice="De-identify the data before sharing; limit exports to technical tags.",
    meaning="Pseudonyms are stored in the same tags as real names: only the source of the data knows which these are.",
)
def identifying(survey: Survey) -> Iterator[Finding]:
    """Yield a finding with the names of identifying tags, never their values.

    It is a decision unless all files state that the identity was removed, and nothing contradicts that.
    """
    filled, others, private = [], 0, 0
    if not survey.catalog.has_paths:  # a catalog for others holds pseudonyms
        return
    for summary in survey.summaries:
        if not summary.present or not is_identifying(summary.path, summary.vr) or summary.vr in ("UI", "SQ"):
            continue
        if summary.path.is_private:
            private += 1
        elif len(summary.path.elements) == 1 and (summary.vr in DIRECT or summary.keyword not in DESCRIBING):
            if summary.keyword not in OF_NOBODY:
                filled.append(summary)
        else:
            others += 1
    if not filled:
        return
    filled.sort(key=lambda summary: (-summary.present, summary.path))
    if filled[0].present == survey.n_files:
        mask = np.ones(survey.n_files, dtype=bool)
    else:
        mask = np.logical_or.reduce([survey.filled(summary.keyword) for summary in filled])
    removed = survey.says("PatientIdentityRemoved", "YES")
    persons = _persons(survey, filled, removed)
    if persons:
        yield survey.finding(
            "identifying",
            np.logical_or.reduce([of_tag for _, of_tag in persons]),
            by_files((tag, file_count(of_tag)) for tag, of_tag in persons),
            title=f"{counted(len(persons), 'tag')} {'holds' if len(persons) == 1 else 'hold'} values like those of a "
            "person, in files that state that the identity was removed",
            tags=tuple(tag for tag, _ in persons),
            advice="Look at these values; remove them before sharing.",
            meaning="The statement is not reliable: names, dates of birth or contacts were left behind.",
            by=("PatientIdentityRemoved",),
            scope="removed",
        )
    n = len(filled)
    said = f"; {file_count(removed & mask):,} of the files state that the identity was removed" if removed.any() else ""
    all_say = not (mask & ~removed).any()
    yield survey.finding(
        "identifying",
        mask,
        top([(summary.keyword, summary.present) for summary in filled], "other tags, each in at most", together=max),
        title=f"{counted(n, 'identifying tag')} {'is' if n == 1 else 'are'} filled"
        + (f", {others} more inside sequences or descriptions" if others else "")
        + (f", {counted(private, 'private element')}" if private else "")
        + said,
        tags=tuple(summary.keyword for summary in filled[:20]),
        by=tuple(summary.keyword for summary in filled[:3]),
        severity="info" if all_say else "decision",
        advice="Limit exports to technical tags." if all_say else "",
        is_harmless=all_say,
    )


def _persons(survey: Survey, filled: list[TagSummary], removed: np.ndarray) -> list[tuple[str, np.ndarray]]:
    """Return (tag, files) of the files in `removed` whose values are like those of a person.

    Dates are that where the files state that they were not changed (0028,0303).
    """
    if not removed.any():
        return []
    found = []
    for summary in filled:
        is_like = _is_name if summary.vr == "PN" else _LIKE_A_PERSON.get(summary.keyword)
        if is_like is not None:
            mask = removed & survey.holding(summary.keyword, is_like)
            if mask.any():
                found.append((summary.keyword, mask))
    real = removed & survey.says("LongitudinalTemporalInformationModified", "UNMODIFIED")
    for summary in filled:
        if real.any() and summary.vr in ("DA", "DT") and summary.keyword != "PatientBirthDate":
            mask = real & survey.filled(summary.keyword)
            if mask.any():
                found.append((summary.keyword, mask))
    for tag in FREE_TEXT:
        mask = removed & survey.holding(tag, lambda text: bool(_IN_TEXT.search(text)))
        if mask.any():
            found.append((tag, mask))
    return found


def _is_name(text: str) -> bool:
    """Return whether a name consists of two words of letters, neither of which stands for nobody."""
    parts = [part for part in re.split(r"[\^=, .]+", text) if part]
    words = [part for part in parts if _WORD.fullmatch(part)]
    return len(words) >= 2 and len(words) == len(parts) and not any(word.lower() in PLACEHOLDERS for word in words)


def _is_birth_date(text: str) -> bool:
    """Return whether a date is one of a person: the first of January is what is left of a year."""
    day = date_of(text)
    return day is not None and day <= date.today() and (day.month, day.day) != (1, 1)


_LIKE_A_PERSON = {
    "PatientBirthDate": _is_birth_date,
    **dict.fromkeys(CONTACTS, lambda text: any(map(str.isdigit, text))),
}


@rule(
    "burned-in",
    severity="decision",
    title="Images state that text about the patient is part of the picture, or that the face can be recognized",
    standard="PS3.3 section C.7.6.1.1",
    advice="Look at these images; black out the text or remove the face before sharing.",
    meaning="De-identified headers do not help: the person can be read or recognized in the pixels, and a model may "
    "learn from the text.",
)
def burned_in(survey: Survey) -> Iterator[Finding]:
    masks = {tag: survey.images & survey.says(tag, "YES") for tag in SEEN}
    stated = {tag: mask for tag, mask in masks.items() if mask.any()}
    if stated:
        mask = np.logical_or.reduce(list(stated.values()))
        n = file_count(mask)
        yield survey.finding(
            "burned-in",
            mask,
            [(f"{tag} YES", file_count(of_tag)) for tag, of_tag in stated.items()],
            title=f"{counted(n, 'image')} {'states' if n == 1 else 'state'} that "
            + " or ".join(SEEN[tag] for tag in stated),
            tags=tuple(stated),
            by=(*stated, "Modality"),
        )
