"""Rules about PET: units, decay correction, and what standardized uptake values need."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_dicommeta.dicom.stored_values import WITHHELD
from napari_dicommeta.dicom.values import number
from napari_dicommeta.findings.evidence import file_count, top
from napari_dicommeta.findings.rule import rule
from napari_dicommeta.support.words import counted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari_dicommeta.findings.finding import Finding
    from napari_dicommeta.findings.survey import Survey

DOSE = "RadiopharmaceuticalInformationSequence"
NEEDED = (
    (("PatientWeight",), "PatientWeight"),
    ((f"{DOSE}.RadionuclideTotalDose",), "RadionuclideTotalDose"),
    ((f"{DOSE}.RadionuclideHalfLife",), "RadionuclideHalfLife"),
    ((f"{DOSE}.RadiopharmaceuticalStartTime", f"{DOSE}.RadiopharmaceuticalStartDateTime"), "time of injection"),
    (("DecayCorrection",), "DecayCorrection"),
    (("SeriesTime", "AcquisitionTime", "AcquisitionDateTime"), "time of acquisition"),
)
"""(tags of which one is needed, name) of what the formula of the uptake per body weight contains."""
NUMBERS = ("PatientWeight", "RadionuclideTotalDose", "RadionuclideHalfLife")


def _pet(survey: Survey) -> np.ndarray:
    return np.asarray(survey.gray & survey.says("Modality", "PT"))


@rule(
    "pet-units",
    severity="decision",
    title="PET images have several units, or none",
    tags=("Units",),
    by=("Units", "Modality"),
    standard="PS3.3 section C.8.9.1",
    advice="Convert all images to one unit, usually g/ml (SUV), before comparing or mixing them.",
    meaning="Values differ by orders of magnitude: thresholds, radiomics and trained models fail on the other unit.",
)
@rule(
    "pet-counts",
    severity="decision",
    title="PET images are in counts, not in an activity",
    tags=("Units",),
    by=("Units", "Modality"),
    standard="PS3.3 section C.8.9.1",
    advice="Ask for images in BQML, or use the maker's private scale factor to SUV if the files hold it.",
    meaning="Counts depend on the scanner and the time: uptake cannot be measured or compared.",
)
def pet_units(survey: Survey) -> Iterator[Finding]:
    held = _pet(survey)
    if not held.any():
        return
    lines = [(text or "none", n) for (text,), n in survey.joint("Units").counted(held)]
    if len(lines) > 1 or lines[0][0] == "none":
        names = ", ".join(text for text, _ in lines if text != "none")
        title = f"PET images have {len(lines)} units: {names}" if len(lines) > 1 else "PET images state no unit"
        if len(lines) == 2 and "none" in dict(lines):
            title = f"Some PET images state no unit, others {names}"
        yield survey.finding("pet-units", held, top(lines, "other units"), title=title)
    counts = held & survey.says("Units", "CNTS", "NONE", "CPS", "PROPCNTS", "PROPCPS")
    if counts.any():
        yield survey.finding(
            "pet-counts", counts, [(str(text), n) for (text,), n in survey.joint("Units").counted(counts)]
        )


@rule(
    "pet-decay",
    severity="decision",
    title="PET images are corrected for decay to different times, or not at all",
    tags=("DecayCorrection",),
    by=("DecayCorrection", "Modality"),
    standard="PS3.3 section C.8.9.1",
    advice="Compute SUV with the dose at the time that each image is corrected to.",
    meaning="With the dose at another time, uptake values are wrong by the decay between the two, for F-18 about a "
    "third in an hour.",
)
def pet_decay(survey: Survey) -> Iterator[Finding]:
    held = _pet(survey) & survey.filled("DecayCorrection")
    stated = survey.joint("DecayCorrection").counted(held)
    if len(stated) > 1 or (stated and stated[0][0] == ("NONE",)):
        yield survey.finding("pet-decay", held, [(str(text), n) for (text,), n in stated])


@rule(
    "pet-attenuation",
    severity="decision",
    title="PET images are not corrected for attenuation",
    tags=("CorrectedImage",),
    by=("CorrectedImage", "Modality"),
    standard="PS3.3 section C.8.9.1",
    advice="Leave these images out, unless attenuation itself is studied.",
    meaning="The middle of the body appears too weak and its surface too bright: uptake cannot be measured.",
)
def pet_attenuation(survey: Survey) -> Iterator[Finding]:
    """Yield a finding on PET images that state corrections, but none for attenuation."""
    held = _pet(survey) & survey.filled("CorrectedImage")
    lacking = held & survey.joint("CorrectedImage").where(lambda text: "ATTN" not in (text or "").split("\\"))
    if lacking.any():
        corrected = file_count(held & ~lacking)
        n = file_count(lacking)
        yield survey.finding(
            "pet-attenuation",
            lacking,
            [line for line in (("not corrected", n), ("corrected", corrected)) if line[1]],
            title=f"{counted(n, 'PET image')} {'is' if n == 1 else 'are'} not corrected for attenuation"
            + (f", {corrected:,} {'is' if corrected == 1 else 'are'}" if corrected else ""),
        )


@rule(
    "suv-missing",
    severity="decision",
    title="PET images in activity lack what SUV needs",
    tags=("Units", "PatientWeight", DOSE),
    by=("SeriesInstanceUID",),
    standard="PS3.3 section C.8.9.4",
    advice="Ask for weight, injected dose and times, or leave these images out of measurements of uptake.",
    meaning="Activity per volume depends on dose and body: without SUV, patients and examinations cannot be compared.",
)
def suv_missing(survey: Survey) -> Iterator[Finding]:
    held = _pet(survey) & survey.says("Units", "BQML")
    if not held.any():
        return
    lines, masks = [], []
    for tags, name in NEEDED:
        lacking = held.copy()
        for tag in tags:
            lacking &= ~survey.own(tag).where(_is_above_zero if name in NUMBERS else bool)
        if lacking.any():
            lines.append((f"{name} absent" + (" or 0" if name in NUMBERS else ""), file_count(lacking)))
            masks.append(lacking)
    if masks:
        yield survey.finding("suv-missing", np.logical_or.reduce(masks), lines)


def _is_above_zero(text: str | None) -> bool:
    first = (text or "").split(" | ")[0]
    return first.startswith(WITHHELD) or (number(first) or 0) > 0
