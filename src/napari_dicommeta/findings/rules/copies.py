"""Rule about series with the same pixels under different UIDs."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import numpy as np

from napari_dicommeta.dicom.header import open_regular
from napari_dicommeta.dicom.uids import DEFLATED
from napari_dicommeta.dicom.values import number
from napari_dicommeta.findings.evidence import by_files, file_count, top
from napari_dicommeta.findings.rule import rule
from napari_dicommeta.support.errors import HeaderError
from napari_dicommeta.support.sorting import sorted_unique
from napari_dicommeta.support.words import counted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari_dicommeta.findings.finding import Finding
    from napari_dicommeta.findings.survey import Survey

ALIKE = ("TransferSyntaxUID", "Rows", "Columns", "SamplesPerPixel", "BitsAllocated", "NumberOfFrames")
"""Tags that agree in two files with the same bytes of pixels."""
MAX_SERIES = 1000
"""Number of series above which pixels are compared on request only, since a file of each may be read."""
SAMPLE_BYTES, MAX_BYTES = 1 << 16, 1 << 26
"""Bytes in the middle of an image that are compared first, and those compared of images that are equal there."""
UNDEFINED = 0xFFFFFFFF
"""Length of compressed pixels, which end where the file does."""
Candidate = tuple[int, int, int]
"""A series, and the rows of its first and its last file."""
MIN_PIXELS, MIN_LEVELS = 1024, 16
"""Pixels, and different bytes, of an image that is not equal to another by chance, as an empty one may be."""


@rule(
    "same-pixels",
    severity="decision",
    title="Series hold the same pixels under different UIDs",
    tags=("SeriesInstanceUID",),
    by=("SeriesInstanceUID",),
    standard="PS3.3 section C.7.3.1",
    advice="Keep one series of each; make sure that copies are never split into training and test sets.",
    meaning="Copies were sent or de-identified twice: cases count twice, and models are tested on what they learned.",
    needs="volumes",
)
def same_pixels(survey: Survey) -> Iterator[Finding]:
    """Yield a finding on series of equal size whose first and last images have the same bytes of pixels.

    First and last are those by *Instance Number* (0020,0013). Files are read only of series that agree in the number
    of images and in the tags of `ALIKE`; of more than `MAX_SERIES` series, only where pixels are to be checked.
    """
    if len(survey.series) < 2 or (len(survey.series) > MAX_SERIES and not survey.reads_pixels):
        return
    rows = np.flatnonzero(survey.images & ~survey.says("TransferSyntaxUID", DEFLATED))
    instance = survey.own("InstanceNumber")
    numbers = np.array([number(text or "") or 0.0 for (text,) in instance.texts])[instance.ids[rows]]
    rows = rows[np.argsort(numbers, kind="stable")]
    alike = survey.joint(*ALIKE)
    of_size: dict[tuple[int, int, int], list[Candidate]] = {}
    for series in sorted_unique(survey.series_ids[rows]).tolist():
        members = rows[survey.series_ids[rows] == series]
        first, last = int(members[0]), int(members[-1])
        key = (len(members), int(alike.ids[first]), int(alike.ids[last]))
        of_size.setdefault(key, []).append((series, first, last))
    same = []
    for candidates in of_size.values():
        for maybe in _equal(survey, candidates, SAMPLE_BYTES):
            same += [[series for series, *_ in group] for group in _equal(survey, maybe, MAX_BYTES)]
    if not same:
        return
    masks = [survey.images & np.isin(survey.series_ids, group) for group in same]
    every = np.logical_or.reduce(masks)
    patients = survey.joint("PatientID")
    several = any(len(sorted_unique(patients.ids[mask])) > 1 for mask in masks)
    lines = [(f"{counted(len(group), 'series')} alike", file_count(m)) for group, m in zip(same, masks, strict=True)]
    yield survey.finding(
        "same-pixels",
        every,
        top(by_files(lines), "other groups"),
        title=f"{sum(map(len, same))} series hold the same pixels under different UIDs"
        + (", and under different Patient IDs" if several else ""),
    )


def _equal(survey: Survey, candidates: list[Candidate], most: int) -> list[list[Candidate]]:
    """Return the groups of candidates whose files are equal in the `most` middle bytes of pixels.

    The bytes are compared with those of the first candidate, and only where they differ by digests.
    """
    if len(candidates) < 2:
        return []
    known = _pixels(survey, candidates[0], most)
    groups: dict[tuple[bytes, ...], list[Candidate]] = {(): [candidates[0]] if known else []}
    for candidate in candidates[1:]:
        if pixels := _pixels(survey, candidate, most):
            key = () if pixels == known else tuple(hashlib.sha256(raw).digest() for raw in pixels)
            groups.setdefault(key, []).append(candidate)
    return [group for group in groups.values() if len(group) > 1]


def _pixels(survey: Survey, candidate: Candidate, most: int) -> tuple[bytes, ...]:
    """Return the `most` middle bytes of the pixels of the first and the last file.

    It is () if they cannot be read or are too few, or are all bytes that may be equal by chance.
    """
    raws = tuple(_middle(survey, row, most) for row in dict.fromkeys(candidate[1:]))
    if min(map(len, raws)) < MIN_PIXELS or (most == MAX_BYTES and not all(map(_is_telling, raws))):
        return ()
    return raws


def _is_telling(raw: bytes) -> bool:
    """Return whether pixels have so many different bytes that others are not equal to them by chance."""
    return any(len(set(raw[:: max(1, len(raw) // count)])) >= MIN_LEVELS for count in (1 << 12, 1 << 16))


def _middle(survey: Survey, row: int, most: int) -> bytes:
    """Return the `most` middle bytes of a file's pixels, b"" if they cannot be read."""
    path = survey.catalog.paths[row]
    offset, length = (int(survey.catalog.file_column(name)[row]) for name in ("pixel_offset", "pixel_length"))
    try:
        file = open_regular(path)
    except (OSError, ValueError, HeaderError):
        return b""
    try:
        size = file.size - offset
        size = min(size, length) if 0 < length < UNDEFINED else size
        span = min(size, most)
        return file.read(offset + (size - span) // 2, span) if size > 0 else b""
    except OSError:
        return b""
    finally:
        file.close()
