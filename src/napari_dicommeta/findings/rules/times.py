"""Rules about dates, times and ages: those that are none, and those that contradict each other."""

from __future__ import annotations

import re
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from napari_dicommeta.catalog.moments import YEARS
from napari_dicommeta.findings.evidence import by_files, date_of, file_count, top
from napari_dicommeta.findings.rule import rule
from napari_dicommeta.support.words import counted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import date

    from napari_dicommeta.findings.finding import Finding
    from napari_dicommeta.findings.survey import Survey

DATE_ORDER = (
    ("StudyDate", "SeriesDate"),
    ("StudyDate", "AcquisitionDate"),
    ("StudyDate", "ContentDate"),
    ("AcquisitionDate", "ContentDate"),
)
"""Pairs of dates; the second is never more than a day before the first."""
_TIME = re.compile(r"([01]\d|2[0-3])(:?[0-5]\d(:?([0-5]\d|60)(\.\d{1,6})?)?)?")
_DATE_TIME = re.compile(
    r"\d{4}((0[1-9]|1[0-2])((0[1-9]|[12]\d|3[01])(([01]\d|2[0-3])([0-5]\d(([0-5]\d|60)(\.\d{1,6})?)?)?)?)?)?"
    r"([+-](0\d|1[0-4])[0-5]\d)?"
)
_AGE = re.compile(r"\d{3}[DWMY]")
MAX_AGE = 120
"""Years; no patient is older."""
BIRTH_TOLERANCE = 1.0
"""Years; dates of a phantom or of a newborn child that were shifted one by one."""
AGE_TOLERANCE = 1.1
"""Years; ages are rounded down to years, and a study may end after a birthday."""


@rule(
    "date-order",
    severity="decision",
    title="Dates contradict each other: an image is older than its study, or acquired after its content was created",
    standard="PS3.3 section C.7.6.1",
    advice="Do not compute ages or intervals from them; ask how the dates were shifted.",
    meaning="Dates that were shifted individually, or kept from an older examination, do not give intervals.",
)
def date_order(survey: Survey) -> Iterator[Finding]:
    lines, masks, tags = [], [], []
    for first, second in DATE_ORDER:
        joint = survey.joint(first, second)

        def is_before(earlier: str | None, later: str | None) -> bool:
            a, b = date_of(earlier or ""), date_of(later or "")
            return a is not None and b is not None and (a - b).days > 1

        mask = joint.where(is_before)
        if mask.any():
            lines.append((f"{second} before {first}", file_count(mask)))
            masks.append(mask)
            tags += [first, second]
    if masks:
        yield survey.finding("date-order", np.logical_or.reduce(masks), lines, tags=tuple(dict.fromkeys(tags)))


@rule(
    "dates-invalid",
    severity="info",
    title="Tags hold dates, times or ages that are none",
    standard="PS3.5 section 6.2",
    advice="Treat them as absent; ask for the format that the source of the data used.",
    meaning="Programs fail on them or read another date: ages, intervals and splits by time are wrong.",
)
def dates_invalid(survey: Survey) -> Iterator[Finding]:
    """Yield a finding with the names of tags, never their values."""
    lines, masks = [], []
    if not survey.catalog.has_paths:  # a catalog for others holds pseudonyms in place of dates
        return
    for summary in survey.summaries:
        is_valid = _VALID.get(summary.vr)
        if is_valid is None or len(summary.path.elements) != 1 or summary.path.is_private or not summary.present:
            continue
        mask = survey.holding(summary.keyword, partial(_has_invalid, is_valid))
        if mask.any():
            lines.append((summary.keyword, file_count(mask)))
            masks.append(mask)
    if masks:
        n = len(lines)
        yield survey.finding(
            "dates-invalid",
            np.logical_or.reduce(masks),
            top(by_files(lines), "other tags, each in at most", together=max),
            title=f"{counted(n, 'tag')} {'holds' if n == 1 else 'hold'} dates, times or ages that are none",
            tags=tuple(tag for tag, _ in by_files(lines)[:20]),
            by=("SOPInstanceUID",),
        )


def _has_invalid(is_valid: Callable[[str], bool], text: str) -> bool:
    return not all(map(is_valid, text.split("\\")))


def _is_date(text: str) -> bool:
    return not text.strip() or date_of(text.strip()) is not None


def _is_time(text: str) -> bool:
    return not text.strip() or _TIME.fullmatch(text.strip()) is not None


def _is_age(text: str) -> bool:
    return not text.strip() or _AGE.fullmatch(text.strip()) is not None


def _is_date_time(text: str) -> bool:
    return not text.strip() or _DATE_TIME.fullmatch(text.strip()) is not None


_VALID = {"DA": _is_date, "TM": _is_time, "DT": _is_date_time, "AS": _is_age}


@rule(
    "ages",
    severity="decision",
    title="The age or the date of birth of a patient contradicts the date of the study",
    tags=("PatientAge", "PatientBirthDate", "StudyDate"),
    by=("SOPInstanceUID",),
    standard="PS3.3 section C.7.2.2",
    advice="Ask which of the three was changed; use the age if the dates were shifted.",
    meaning="One of them was changed in de-identification: models and statistics by age use a wrong age.",
)
def ages(survey: Survey) -> Iterator[Finding]:
    joint = survey.joint("PatientAge", "PatientBirthDate", "StudyDate")
    reasons = [
        _contradiction(age or "", date_of(birth or ""), date_of(study or "")) for age, birth, study in joint.texts
    ]
    lines = []
    for reason in dict.fromkeys(filter(None, reasons)):
        lines.append((reason, file_count(np.array([other == reason for other in reasons])[joint.ids])))
    if lines:
        mask = np.array([bool(reason) for reason in reasons])[joint.ids]
        yield survey.finding("ages", mask, by_files(lines))


def _contradiction(age: str, birth: date | None, study: date | None) -> str:
    """Return how an age above 0 and the dates contradict each other, "" if they do not.

    Phantoms have their day of birth on the day of the study, or nearly so.
    """
    if birth is None or study is None:
        return ""
    computed = (study - birth).days / 365.25
    if computed < -BIRTH_TOLERANCE:
        return "born after the study"
    if computed > MAX_AGE:
        return f"born more than {MAX_AGE} years before the study"
    if not _AGE.fullmatch(age) or not int(age[:3]):
        return ""
    stated = int(age[:3]) * YEARS[age[3]]
    return "more than a year apart" if abs(stated - computed) > AGE_TOLERANCE else ""
