"""Rules about who and when: identifying tags, UIDs and dates that contradict, copies, files that cannot be read."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

import numpy as np

from napari_dicommeta.dicom.privacy import is_identifying
from napari_dicommeta.findings.survey import top

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari_dicommeta.findings.check import Finding
    from napari_dicommeta.findings.survey import Survey

__all__ = ["IDENTITY_RULES"]

DIRECT = frozenset(("PN", "DA", "DT", "TM", "AS", "AE"))
DESCRIBING = frozenset(("SeriesDescription", "StudyDescription", "ProtocolName", "ImageComments"))
OUTER = (  # (outer, inner, code, severity, what is wrong, what it means)
    (
        "SeriesInstanceUID",
        "StudyInstanceUID",
        "series-studies",
        "wrong",
        "A Series Instance UID occurs in several studies",
        "Files of several examinations would be put into one series.",
    ),
    (
        "SeriesInstanceUID",
        "Modality",
        "series-modalities",
        "wrong",
        "A Series Instance UID occurs with several modalities",
        "A series is of one modality; values of several kinds would be put into one volume.",
    ),
    (
        "SeriesInstanceUID",
        "FrameOfReferenceUID",
        "series-frames",
        "decision",
        "A series holds several frames of reference",
        "Positions of images with other frames of reference do not compare: they are no one volume.",
    ),
    (
        "StudyInstanceUID",
        "PatientID",
        "study-patients",
        "wrong",
        "A Study Instance UID occurs with several Patient IDs",
        "Images of several patients would count as one, or one patient as several.",
    ),
    (
        "StudyInstanceUID",
        "StudyDate",
        "study-dates",
        "decision",
        "The Study Date differs within a study",
        "Dates were changed file by file, or two examinations share a UID: time between examinations is unsure.",
    ),
)
ORDER = (("StudyDate", "SeriesDate"), ("StudyDate", "AcquisitionDate"), ("AcquisitionDate", "ContentDate"))
"""Pairs of dates of which the second is never more than a day before the first."""
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
"""What two files of one image have in common."""
META = (("MediaStorageSOPInstanceUID", "SOPInstanceUID"), ("MediaStorageSOPClassUID", "SOPClassUID"))


def _count(mask: np.ndarray) -> int:
    return int(np.count_nonzero(mask))


def unreadable(survey: Survey) -> Iterator[Finding]:
    reasons: dict[str, int] = {}
    for failure in survey.catalog.failures:
        what = f"{failure.outcome}: {failure.reason}"
        reasons[what] = reasons.get(what, 0) + 1
    if reasons:
        harmless = all(what.startswith(("rejected: not DICOM", "skipped")) for what in reasons)
        yield survey.finding(
            "unreadable",
            "info" if harmless else "decision",
            f"{sum(reasons.values()):,} directory entries are not in the catalog",
            np.zeros(survey.n_files, dtype=bool),
            top(sorted(reasons.items(), key=lambda one: (-one[1], one[0])), "other reasons"),
            (),
            "PS3.10 section 7",
            "Look at the reasons: delivered files that are damaged must be asked for again.",
            "Rejected entries are damaged or no DICOM; skipped ones are no regular files; vanished ones were removed.",
        )
    partial = frozenset(failure.path for failure in survey.catalog.partial)
    if partial:
        mask = np.array([path in partial for path in survey.catalog.paths], dtype=bool)
        reasons = {}
        for failure in survey.catalog.partial:
            reasons[failure.reason] = reasons.get(failure.reason, 0) + 1
        yield survey.finding(
            "damaged",
            "wrong",
            "Files can be read only up to their damage",
            mask,
            top(sorted(reasons.items(), key=lambda one: (-one[1], one[0])), "other reasons"),
            (),
            "PS3.10 section 7",
            "Ask for these files again, or leave them out.",
            "What stands behind the damage is unknown, pixels included.",
            by=("SOPInstanceUID",),
        )


def identifying(survey: Survey) -> Iterator[Finding]:
    """Names of tags only: their values are nobody's business here."""
    filled, others, private = [], 0, 0
    for one in survey.summaries:
        if not one.present or not is_identifying(one.path, one.vr) or one.vr in ("UI", "SQ"):
            continue
        if one.path.is_private:
            private += 1
        elif len(one.path.elements) == 1 and (one.vr in DIRECT or one.keyword not in DESCRIBING):
            filled.append(one)
        else:
            others += 1
    if not filled:
        return
    filled.sort(key=lambda one: (-one.present, one.path))
    if filled[0].present == survey.n_files:
        mask = np.ones(survey.n_files, dtype=bool)
    else:
        mask = np.logical_or.reduce([survey.filled(one.keyword) for one in filled])
    removed = survey.says("PatientIdentityRemoved", "YES")
    said = f"; {_count(removed & mask):,} of the files say that the identity was removed" if removed.any() else ""
    texts = f", {others} more inside sequences or descriptions" if others else ""
    yield survey.finding(
        "identifying",
        "decision",
        f"{len(filled)} identifying tags are filled{texts}"
        + (f", {private} private elements" if private else "")
        + said,
        mask,
        top([(one.keyword, one.present) for one in filled], "other tags"),
        tuple(one.keyword for one in filled[:20]),
        "PS3.15 Table E.1-1",
        "Have the data de-identified before they are shared; keep exports to technical tags.",
        "Pseudonyms fill the same tags as names do: only whoever delivered the data can say which these are.",
        by=tuple(one.keyword for one in filled[:3]),
    )


def contradictions(survey: Survey) -> Iterator[Finding]:
    """An outer UID that occurs with several values of what it can have only one of."""
    for outer, inner, code, severity, title, meaning in OUTER:
        outside, inside = survey.joint(outer), survey.joint(inner)
        held = survey.filled(outer) & survey.filled(inner)
        if not held.any():
            continue
        mask = survey.mixing(inside.ids, outside.ids, held)
        if code == "series-frames":
            mask &= survey.images
            mask = survey.mixing(inside.ids, outside.ids, mask)
        if mask.any():
            groups = np.bincount(outside.ids[mask])
            n = int(np.count_nonzero(groups))
            yield survey.finding(
                code,
                severity,
                title,
                mask,
                (
                    (
                        f"in {n} {'series' if outer.startswith('Series') else 'stud' + ('y' if n == 1 else 'ies')}",
                        _count(mask),
                    ),
                ),
                (outer, inner),
                "PS3.3 section C.7.3.1" if outer.startswith("Series") else "PS3.3 section C.7.2.1",
                "Part these files by both tags, and ask whoever delivered them which is right.",
                meaning,
                by=(outer,),
            )


def date_order(survey: Survey) -> Iterator[Finding]:
    lines, masks, tags = [], [], []
    for first, second in ORDER:
        joint = survey.joint(first, second)

        def is_before(one: str | None, other: str | None) -> bool:
            a, b = _date(one), _date(other)
            return a is not None and b is not None and (a - b).days > 1

        mask = joint.where(is_before)
        if mask.any():
            lines.append((f"{second} before {first}", _count(mask)))
            masks.append(mask)
            tags += [first, second]
    if masks:
        yield survey.finding(
            "date-order",
            "decision",
            "Dates contradict: an image is older than its study, or made after its content",
            np.logical_or.reduce(masks),
            lines,
            tuple(dict.fromkeys(tags)),
            "PS3.3 section C.7.6.1",
            "Do not compute ages or intervals from them; ask how the dates were shifted.",
            "Dates that were shifted one by one, or kept from an older examination, say nothing about time.",
        )


def _date(text: str | None) -> date | None:
    digits = (text or "").replace(".", "")
    if len(digits) != 8 or not digits.isascii() or not digits.isdigit():
        return None
    try:
        return date(int(digits[:4]), int(digits[4:6]), int(digits[6:]))
    except ValueError:
        return None


def same_image(survey: Survey) -> Iterator[Finding]:
    """One SOP Instance UID in several files: the same image twice, or other contents under one name."""
    uids = survey.own("SOPInstanceUID")
    held = survey.filled("SOPInstanceUID")
    counts = np.bincount(uids.ids[held], minlength=len(uids.texts))
    repeated = held & survey.images & (counts > 1)[uids.ids] if survey.n_files else held
    if not repeated.any():
        return
    rows = np.flatnonzero(repeated)
    other = survey.mixing(survey.joint(*SAME_IMAGE).ids, uids.ids, repeated)
    copies = repeated & ~other
    pixel_pass = "The same pixels under different UIDs are not found by this: that needs a pass over the pixels."
    for code, severity, title, mask, advice, meaning in (
        (
            "image-twice",
            "decision",
            "Images of one SOP Instance UID are in several files, and their headers agree",
            copies,
            "Compare their pixels; where these agree too, keep one file of each SOP Instance UID.",
            f"Copies count double, and land in training and test alike. {pixel_pass}",
        ),
        (
            "uid-reused",
            "wrong",
            "Files of different contents have one SOP Instance UID",
            other,
            "Tell them apart by their files; give the images UIDs of their own before they are stored in an archive.",
            "Programs that go by the UID keep one of them and lose the others.",
        ),
    ):
        if mask.any():
            n = len(np.unique(uids.ids[rows[mask[rows]]]))
            yield survey.finding(
                code,
                severity,
                title,
                mask,
                ((f"{n} SOP Instance UID{'s' if n > 1 else ''} in several files", _count(mask)),),
                ("SOPInstanceUID",),
                "PS3.3 section C.12.1",
                advice,
                meaning,
            )


def meta_contradicts(survey: Survey) -> Iterator[Finding]:
    lines, masks, tags = [], [], []
    for in_meta, in_set in META:
        texts = zip(survey.catalog.column_texts(in_meta), survey.catalog.column_texts(in_set), strict=True)
        mask = np.array([bool(one and other and one != other) for one, other in texts], dtype=bool)
        if mask.any():
            lines.append((f"{in_meta} is not {in_set}", _count(mask)))
            masks.append(mask)
            tags += [in_meta, in_set]
    if masks:
        yield survey.finding(
            "meta-contradicts",
            "decision",
            "The file meta information names another object than the data set",
            np.logical_or.reduce(masks),
            lines,
            tuple(tags),
            "PS3.10 section 7.1",
            "Go by the data set; write the file meta information anew before the files are sent to an archive.",
            "Somebody changed UIDs in one place only, as a de-identification often does.",
            by=("SOPInstanceUID",),
        )


def uids_missing(survey: Survey) -> Iterator[Finding]:
    lines, masks, tags = [], [], []
    for tag in ("SeriesInstanceUID", "SOPInstanceUID", "StudyInstanceUID"):
        mask = survey.images & ~survey.filled(tag)
        if mask.any():
            lines.append((f"{tag} absent or empty", _count(mask)))
            masks.append(mask)
            tags.append(tag)
    if masks:
        yield survey.finding(
            "uids-missing",
            "decision",
            "Images have no UID of their own, of their series or of their study",
            np.logical_or.reduce(masks),
            lines,
            tuple(tags),
            "PS3.3 section C.7.3.1",
            "Check the grouping: such files are parted by study, series number, modality and folder instead.",
            "Which images belong together is then a guess.",
        )


IDENTITY_RULES = (
    unreadable,
    contradictions,
    same_image,
    uids_missing,
    date_order,
    meta_contradicts,
    identifying,
)
