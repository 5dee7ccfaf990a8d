"""Rules about files: archives, files that cannot be read, damage, and file meta information."""

from __future__ import annotations

import os
from collections import Counter
from typing import TYPE_CHECKING

import numpy as np

from napari_dicommeta.catalog.file_rows import tag_path
from napari_dicommeta.dicom.values import number
from napari_dicommeta.findings.evidence import by_files, file_count, top
from napari_dicommeta.findings.rule import rule
from napari_dicommeta.support.sorting import sorted_unique
from napari_dicommeta.support.words import counted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari_dicommeta.catalog.catalog import ScanFailure
    from napari_dicommeta.findings.finding import Finding
    from napari_dicommeta.findings.survey import Survey

PACKED = (".zip", ".gz", ".tgz", ".bz2", ".tbz", ".tbz2", ".xz", ".txz", ".7z", ".rar", ".dcm")
PACKED_OTHERWISE = (".nii.gz", ".nrrd.gz", ".json.gz", ".csv.gz", ".txt.gz")
"""Names of compressed files that are no DICOM. Spreadsheets and arrays of NumPy are archives by their bytes, too."""
NOT_IMAGES = {"rejected": "not DICOM", "skipped": "not a regular file, or a link that was not followed"}
MIN_NUMBERED = 10
"""Images of a series from which numbers that are left out say something."""
META = (("MediaStorageSOPInstanceUID", "SOPInstanceUID"), ("MediaStorageSOPClassUID", "SOPClassUID"))


def _is_archive(failure: ScanFailure) -> bool:
    """Return whether an entry is an archive that may hold DICOM files: by its bytes, and by its name if it has one."""
    name = os.path.basename(failure.path).lower()
    is_packed = "." not in name or (name.endswith(PACKED) and not name.endswith(PACKED_OTHERWISE))
    return failure.code == "archive" and is_packed


@rule(
    "archives",
    severity="decision",
    title="Archives were not opened",
    standard="PS3.10 section 7",
    advice="Open a ZIP or tar archive by itself, whatever its name is; unpack others and scan again. Delete archives "
    "that hold copies of the files beside them.",
    meaning="Images inside them are in no count, no volume and no check.",
)
@rule(
    "unreadable",
    severity=("decision", "info"),
    title="Directory entries are not in the catalog",
    standard="PS3.10 section 7",
    advice="Check the reasons, and request damaged files again.",
    meaning="Empty, unreadable and vanished files may have been images: their series may lack slices.",
)
def unreadable(survey: Survey) -> Iterator[Finding]:
    """Yield findings on entries that may be images, on archives, and one line on files of other kinds."""
    none = np.zeros(survey.n_files, dtype=bool)
    failures = survey.catalog.failures
    archives = Counter(failure.reason for failure in failures if _is_archive(failure))
    others = Counter(
        failure.outcome
        for failure in failures
        if failure.is_harmless or (failure.code == "archive" and not _is_archive(failure))
    )
    lost = Counter(
        f"{failure.outcome}: {failure.reason}"
        for failure in failures
        if not failure.is_harmless and failure.code != "archive"
    )
    if archives:
        n = archives.total()
        title = f"{counted(n, 'archive')} {'was' if n == 1 else 'were'} not opened"
        yield survey.finding("archives", none, by_files(archives.items()), title=title)
    if lost:
        n = lost.total()
        title = f"{counted(n, 'file')} {'is' if n == 1 else 'are'} not in the catalog"
        yield survey.finding("unreadable", none, top(by_files(lost.items()), "other reasons"), title=title)
    if others:
        n = others.total()
        yield survey.finding(
            "unreadable",
            none,
            [(NOT_IMAGES[outcome], n) for outcome, n in by_files(others.items())],
            title=f"{counted(n, 'other file')} in the folder {'is' if n == 1 else 'are'} not DICOM",
            severity="info",
            advice="Nothing needs to be done; saved folders are smaller without them.",
            meaning="Text files, pictures and links beside the images are not DICOM files and affect no count.",
            scope="other kinds",
            is_harmless=True,
        )


@rule(
    "damaged",
    severity="wrong",
    title="Files are damaged, cut off, or lack the pixel data of their class",
    by=("SOPInstanceUID",),
    standard="PS3.10 section 7",
    advice="Request these files again, or leave them out.",
    meaning="What is behind the damage is unknown; images without pixel data are headers only.",
)
def damaged(survey: Survey) -> Iterator[Finding]:
    partial = frozenset(failure.path for failure in survey.catalog.partial)
    if partial:
        mask = np.array([path in partial for path in survey.catalog.paths], dtype=bool)
        reasons = Counter(failure.reason for failure in survey.catalog.partial)
        yield survey.finding("damaged", mask, top(by_files(reasons.items()), "other reasons"))


@rule(
    "syntax-missing",
    severity="decision",
    title="Files state no transfer syntax",
    tags=("TransferSyntaxUID",),
    standard="PS3.10 section 7.1",
    advice="Check a picture of each, then write the file meta information with the syntax that fits.",
    meaning="Byte order and compression are guessed: other programs refuse these files or show noise.",
)
def syntax_missing(survey: Survey) -> Iterator[Finding]:
    mask = ~survey.filled("TransferSyntaxUID")
    if mask.any():
        n = file_count(mask)
        title = f"{counted(n, 'file')} {'states' if n == 1 else 'state'} no transfer syntax"
        yield survey.finding("syntax-missing", mask, [("no transfer syntax", n)], title=title)


@rule(
    "meta-contradicts",
    severity=("info", "decision"),
    title="The file meta information names another object than the data set",
    by=("SOPInstanceUID",),
    standard="PS3.10 section 7.1",
    advice="Trust the data set; rewrite the file meta information before sending the files to an archive.",
    meaning="UIDs were changed in one place only, which is common in de-identification.",
)
def meta_contradicts(survey: Survey) -> Iterator[Finding]:
    """Yield a finding on other UIDs in the file meta information; a decision where the identity is said to be removed.

    There, the UID before the data set may be the one that leads back to the patient.
    """
    lines, masks, tags = [], [], []
    for in_meta, in_set in META:
        mask = survey.catalog.file_rows.differ(tag_path(in_meta), tag_path(in_set))
        for tag in (in_meta, in_set) if mask.any() else ():
            mask &= survey.own(tag).where(bool)
        if mask.any():
            lines.append((f"{in_meta} is not {in_set}", file_count(mask)))
            masks.append(mask)
            tags += [in_meta, in_set]
    if masks:
        mask = np.logical_or.reduce(masks)
        may_lead_back = bool((mask & survey.says("PatientIdentityRemoved", "YES")).any())
        yield survey.finding(
            "meta-contradicts",
            mask,
            lines,
            severity="decision" if may_lead_back else "info",
            advice="Rewrite the file meta information before sharing the files." if may_lead_back else "",
            meaning="The identity is said to be removed, and the UID before the data set may still be the original one."
            if may_lead_back
            else "",
            tags=tuple(tags),
        )


@rule(
    "numbers-left-out",
    severity="info",
    title="Instance Numbers of series begin above 1 or leave some out",
    tags=("InstanceNumber",),
    by=("SeriesInstanceUID",),
    standard="PS3.3 section C.7.6.1",
    advice="Compare with the source: these series may be parts of longer ones.",
    meaning="Images at the ends of a series can be missing without a gap between the others: organs are cut off.",
)
def numbers_left_out(survey: Survey) -> Iterator[Finding]:
    """Yield a finding on series of slices whose numbers, each of one image, are not those from 0 or 1 on."""
    numbers = survey.own("InstanceNumber")
    parsed = np.array([-1.0 if (value := number(text or "")) is None else value for (text,) in numbers.texts])
    rows = np.flatnonzero(survey.sectional & ~survey.localizers)
    rows = rows[np.bincount(survey.series_ids[rows], minlength=1)[survey.series_ids[rows]] >= MIN_NUMBERED]
    if not len(rows):
        return
    order = rows[np.argsort(survey.series_ids[rows], kind="stable")]
    _, starts = np.unique(survey.series_ids[order], return_index=True)
    lacking: list[np.ndarray] = []
    for members in np.split(order, starts[1:]):
        values = sorted_unique(parsed[numbers.ids[members]])
        whole = len(values) == len(members) and values[0] >= 0 and bool((values % 1 == 0).all())
        if whole and (values[0] > 1 or values[-1] - values[0] >= len(values)):
            lacking.append(members)
    if lacking:
        mask = np.zeros(survey.n_files, dtype=bool)
        mask[np.concatenate(lacking)] = True
        n = len(lacking)
        above = [int(parsed[numbers.ids[members]].min()) for members in lacking]
        later = sum(len(members) for members, first in zip(lacking, above, strict=True) if first > 1)
        lines = (("the first number is above 1", later), ("numbers between are left out", file_count(mask) - later))
        yield survey.finding(
            "numbers-left-out",
            mask,
            [line for line in lines if line[1]],
            title=f"{n} series {'begins' if n == 1 else 'begin'} with an Instance Number above 1, or "
            f"{'leaves' if n == 1 else 'leave'} some out",
        )
