"""Rules about what of the patient is seen, and how: position, side, view and part of the body."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from napari_dicommeta.findings.evidence import by_files, file_count, top
from napari_dicommeta.findings.rule import rule
from napari_dicommeta.support.words import counted

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np

    from napari_dicommeta.findings.finding import Finding
    from napari_dicommeta.findings.survey import Survey

PRONE = {"HFS": "supine", "FFS": "supine", "HFP": "prone", "FFP": "prone"}
SIDES = ("ImageLaterality", "Laterality")
OF_BREASTS = (
    "Keep all views of a breast in one set, and the view as an input.",
    "Each breast is imaged in two views: they are not independent samples.",
)
"""Advice and meaning of several views in mammography."""
RADIOGRAPHS = ("CR", "DX", "MG", "IO", "PX")


def _by_modality(
    survey: Survey, keyword: str, among: np.ndarray
) -> Iterator[tuple[str | None, np.ndarray, list[tuple[str, int]]]]:
    """Yield each modality, its files of `among` that state a tag, and how many files have each value."""
    kinds, tag = survey.joint("Modality"), survey.joint(keyword)
    for i, (modality,) in enumerate(kinds.texts):
        held = among & (kinds.ids == i) & survey.filled(keyword)
        yield modality, held, [(str(text), n) for (text,), n in tag.counted(held)]


@rule(
    "patient-positions",
    severity=("decision", "info"),
    title="Patients lie in several positions",
    tags=("PatientPosition",),
    by=("PatientPosition", "Modality"),
    standard="PS3.3 section C.7.3.1.1.2",
    advice="Separate prone from supine before comparing lungs, breasts or organs that move.",
    meaning="Organs and fluid shift between prone and supine: registration fails, and models learn the position.",
)
def patient_positions(survey: Survey) -> Iterator[Finding]:
    for modality, held, lines in _by_modality(survey, "PatientPosition", survey.sectional):
        if len(lines) < 2:
            continue
        turned = len({PRONE.get(text, text) for text, _ in lines}) > 1
        yield survey.finding(
            "patient-positions",
            held,
            top(lines, "other positions"),
            title=f"{modality}: patients lie in {len(lines)} positions, {', '.join(text for text, _ in lines[:4])}",
            severity="decision" if turned else "info",
            advice="" if turned else "Take directions from the affine, never from the order of rows or slices.",
            meaning=""
            if turned
            else "Head first and feet first turn the table's direction: stacks sorted by table position are reversed.",
            scope=modality or "",
        )


@rule(
    "sides",
    severity="decision",
    title="Images of both sides of the body are mixed",
    tags=SIDES,
    by=(*SIDES, "Modality"),
    standard="PS3.3 section C.7.3.1",
    advice="Mirror one side, or keep the side as an input; never mirror at random where the side matters.",
    meaning="Left and right are mirror images: a model trained on one side fails on the other, and flips as "
    "augmentation contradict the side.",
)
def sides(survey: Survey) -> Iterator[Finding]:
    joint, kinds = survey.joint(*SIDES), survey.joint("Modality")
    side = (
        joint.where(lambda image, series: (image or series) == "L"),
        joint.where(lambda image, series: (image or series) == "R"),
    )
    for i, (modality,) in enumerate(kinds.texts):
        left, right = (survey.images & (kinds.ids == i) & of_side for of_side in side)
        if modality != "SEG" and left.any() and right.any():
            yield survey.finding(
                "sides",
                left | right,
                (("L", file_count(left)), ("R", file_count(right))),
                title=f"{modality or 'No modality'}: images of both sides of the body are mixed",
                scope=modality or "",
            )


@rule(
    "views",
    severity=("decision", "info"),
    title="Radiographs of several views are mixed",
    tags=("ViewPosition",),
    by=("ViewPosition", "Modality"),
    standard="PS3.3 section C.8.1.2",
    advice="Separate the views, or keep the view as an input.",
    meaning="Organs differ in size and shape between views, and the sick are imaged lying: models learn the view.",
)
def views(survey: Survey) -> Iterator[Finding]:
    """Yield a finding on each modality of radiographs with several views, of which each mammography has two."""
    for modality, held, lines in _by_modality(survey, "ViewPosition", survey.gray):
        if modality in RADIOGRAPHS and len(lines) > 1:
            yield survey.finding(
                "views",
                held,
                top(lines, "other views"),
                title=f"{modality}: images of {len(lines)} views are mixed, {', '.join(text for text, _ in lines[:4])}",
                severity="info" if modality == "MG" else "decision",
                advice=OF_BREASTS[0] if modality == "MG" else "",
                meaning=OF_BREASTS[1] if modality == "MG" else "",
                scope=modality,
            )


@rule(
    "body-parts",
    severity="info",
    title="Images of several parts of the body are mixed",
    tags=("BodyPartExamined",),
    by=("BodyPartExamined", "Modality"),
    standard="PS3.3 section C.7.3.1",
    advice="Choose the parts that you need; check by eye, since this tag is often that of the protocol.",
    meaning="Statistics and models of one organ take in images that do not show it.",
)
def body_parts(survey: Survey) -> Iterator[Finding]:
    """Yield a finding on each modality with several body parts; upper and lower case are one."""
    for modality, held, stated in _by_modality(survey, "BodyPartExamined", survey.gray):
        lines: Counter[str] = Counter()
        for text, n in stated:
            lines[" ".join(text.upper().split())] += n
        if len(lines) > 1 and modality != "SEG":  # those of the segmented images
            yield survey.finding(
                "body-parts",
                held,
                top(by_files(lines.items()), "other parts"),
                title=f"{modality or 'No modality'}: images of {counted(len(lines), 'body part')} are mixed",
                scope=modality or "",
            )
