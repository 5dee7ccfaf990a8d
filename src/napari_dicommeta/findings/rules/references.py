"""Rules about objects made from images: structure sets, plans, doses, segmentations and what they refer to."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_dicommeta.findings.evidence import by_files
from napari_dicommeta.findings.rule import rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari_dicommeta.findings.finding import Finding
    from napari_dicommeta.findings.survey import Survey

REFERRING = ("RTSTRUCT", "RTPLAN", "RTDOSE", "RTRECORD", "SEG", "PR", "KO", "SR", "RWV", "REG", "ANN")
OF_INSTANCES = frozenset(
    (
        "ContourImageSequence",
        "ReferencedImageSequence",
        "ReferencedInstanceSequence",
        "ReferencedRTPlanSequence",
        "ReferencedSOPSequence",
        "ReferencedStructureSetSequence",
        "SourceImageSequence",
    )
)
"""Sequences whose *Referenced SOP Instance UID* (0008,1155) is that of a file, not of a study or a procedure."""
FRAMES = (
    "ReferencedFrameOfReferenceSequence.FrameOfReferenceUID",
    "StructureSetROISequence.ReferencedFrameOfReferenceUID",
)


@rule(
    "references-missing",
    severity="decision",
    title="Plans, structures, segmentations or reports refer to files that are not in the folder",
    tags=("ReferencedSOPInstanceUID",),
    by=("SOPInstanceUID",),
    standard="PS3.3 section 10.8",
    advice="Ask for the missing files; without them, place contours and labels by their frame of reference only.",
    meaning="Labels without their images are lost for training, and contours drawn on other images are misplaced.",
)
@rule(
    "frames-missing",
    severity="decision",
    title="Structure sets or doses lie in a frame of reference that no image has",
    tags=("FrameOfReferenceUID",),
    by=("SOPInstanceUID",),
    standard="PS3.3 section C.8.8.5",
    advice="Ask for the images, or for the registration between the two frames of reference.",
    meaning="Contours and doses cannot be placed in any image of the folder: overlaid by coordinates, they may be off.",
)
def references(survey: Survey) -> Iterator[Finding]:
    kinds = survey.joint("Modality")
    referring = kinds.where(lambda modality: modality in REFERRING)
    if not referring.any():
        return
    known = {text for (text,) in survey.own("SOPInstanceUID").texts if text}
    stated: dict[int, set[str]] = {}
    for summary in survey.summaries:
        names = summary.keyword.split(".")
        if names[-1] == "ReferencedSOPInstanceUID" and len(names) > 1 and names[-2] in OF_INSTANCES:
            for row, uids in _texts(survey, summary.keyword, referring):
                stated.setdefault(row, set()).update(uids)
    lost: dict[str, list[int]] = {}
    for row, uids in stated.items():
        found = len(uids & known)
        if found < len(uids):
            modality = kinds.texts[kinds.ids[row]][0]
            lost.setdefault(f"{modality}: {'some' if found else 'all'} of the files are missing", []).append(row)
    if lost:
        lines = by_files((label, len(rows)) for label, rows in lost.items())
        yield survey.finding(
            "references-missing", _mask(survey, [row for rows in lost.values() for row in rows]), lines
        )
    frames = survey.joint("FrameOfReferenceUID")
    made = survey.says("Modality", "RTDOSE", "SEG")
    of_images = {uid for (text,), _ in frames.counted(survey.images & ~made) for uid in (text or "").split(" | ")}
    structures, doses = survey.says("Modality", "RTSTRUCT"), survey.says("Modality", "RTDOSE")
    used: dict[int, set[str]] = {}
    for path in FRAMES:
        for row, uids in _texts(survey, path, structures):
            used.setdefault(row, set()).update(uids)
    for row, uids in _texts(survey, "FrameOfReferenceUID", doses):
        used.setdefault(row, set()).update(uids)
    mask = _mask(survey, [row for row, uids in used.items() if uids and not uids & of_images])
    if mask.any():
        lines = [(str(modality), n) for (modality,), n in kinds.counted(mask)]
        yield survey.finding("frames-missing", mask, lines)


def _texts(survey: Survey, path: str, mask: np.ndarray) -> Iterator[tuple[int, set[str]]]:
    """Yield (row, UIDs) of the files in `mask` that hold the element at `path`."""
    column = survey.own(path)
    for row in np.flatnonzero(mask).tolist():
        text = column.texts[column.ids[row]][0]
        if text:
            yield row, {uid for uid in text.split(" | ") if uid}


def _mask(survey: Survey, rows: list[int]) -> np.ndarray:
    mask = np.zeros(survey.n_files, dtype=bool)
    mask[rows] = True
    return mask
