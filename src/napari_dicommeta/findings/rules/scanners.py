"""Rules about where images come from: scanners, software, and what follows from them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np

from napari_dicommeta.dicom.values import number
from napari_dicommeta.findings.evidence import by_files, file_count, top
from napari_dicommeta.findings.rule import rule
from napari_dicommeta.support.sorting import sorted_unique
from napari_dicommeta.support.words import counted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari_dicommeta.findings.finding import Finding
    from napari_dicommeta.findings.survey import Survey

SCANNER = ("Manufacturer", "ManufacturerModelName", "SoftwareVersions", "MagneticFieldStrength", "KVP")
DERIVED_MODALITIES = ("SEG", "PR", "SR", "KO", "RTSTRUCT", "RTPLAN", "RTDOSE", "RWV", "ANN", "REG")
"""Modalities of objects made from images: their maker is that of a program."""
FOLLOWING = (
    "ConvolutionKernel",
    "SliceThickness",
    "PixelSpacing",
    "RescaleSlope",
    "RescaleIntercept",
    "RescaleType",
    "PixelRepresentation",
    "BitsStored",
    "PixelPaddingValue",
    "WindowCenter",
    "PhotometricInterpretation",
    "TransferSyntaxUID",
    "LossyImageCompression",
)
"""Tags about pixels by which a model could recognize the maker."""
UNSTATED = frozenset(("", "NONE", "NULL", "UNKNOWN", "ANONYMOUS", "ANONYMIZED", "REMOVED", "NA", "TBD", "XXX"))
"""Texts that stand for no maker and no model, without what is no letter or digit."""
NOUNS = ("maker", "model", "software version", "field strength", "tube voltage")
MEASURES = frozenset(("SliceThickness", "PixelSpacing", "RescaleSlope", "RescaleIntercept", "WindowCenter"))
"""Numbers that may be another in each series, from which nothing follows unless series share them."""
OF_VOLTAGES = (
    "Group by tube voltage, or report results for each.",
    "HU of bone, calcium and contrast agent, and the noise, depend on the voltage.",
)
"""Advice and meaning where only the tube voltage differs."""
MIN_IMAGES = 20
"""Images of a modality from which their scanner matters: fewer are looked at one by one."""
GAUSS = 30
"""T; field strengths above are in gauss, ten thousand to a tesla."""


@rule(
    "scanners",
    severity=("info", "decision"),
    title="Images of one modality come from several scanners",
    tags=SCANNER,
    by=("Modality",),
    standard="PS3.3 section C.7.5.1",
    advice="Split training and test sets by scanner, or hold one out; report results for each.",
    meaning="Noise, contrast and resolution differ between scanners: features and models learn the scanner.",
)
@rule(
    "scanner-unstated",
    severity="info",
    title="No image of a modality states its scanner",
    tags=SCANNER[:2],
    by=("Modality",),
    standard="PS3.3 section C.7.5.1",
    advice="Ask for maker and model, or group by pixel spacing, kernel and bits, which often follow them.",
    meaning="Whether training and test images come from other scanners cannot be checked.",
)
def scanners(survey: Survey) -> Iterator[Finding]:
    """Yield a finding on each modality with several scanners; a decision where tags follow the maker or the model.

    Yield another one on each modality with many images and no scanner.
    """
    modalities = survey.joint("Modality")
    for i, (modality,) in enumerate(modalities.texts):
        if modality in DERIVED_MODALITIES:
            continue
        images = survey.images & ~survey.localizers & (modalities.ids == i)
        held = images & (_states(survey, "Manufacturer") | _states(survey, "ManufacturerModelName"))
        measured = images & survey.gray
        if not held.any() and (n := file_count(measured)) >= MIN_IMAGES:
            title = f"{modality or 'No modality'}: no image states a maker or a model"
            lines = [("no maker or model", n)]
            yield survey.finding("scanner-unstated", measured, lines, title=title, scope=modality or "")
        if modality == "CT":
            held |= images & survey.filled("KVP")
        if held.any():
            yield from _scanners_of(survey, modality or "", held, file_count(images & ~held))


def _states(survey: Survey, tag: str) -> np.ndarray:
    return survey.joint(tag).where(lambda text: bool(_name(text or "")))


def _scanners_of(survey: Survey, modality: str, held: np.ndarray, n_unstated: int) -> Iterator[Finding]:
    joint = survey.joint(*SCANNER)
    labels: dict[tuple[str, ...], int] = {}
    has_voltage = modality == "CT"  # that of radiographs is another in each image
    scanners = [
        _scanner(maker, model, software, field, kvp if has_voltage else None)
        for maker, model, software, field, kvp in joint.texts
    ]
    ids = np.array([labels.setdefault(scanner, len(labels)) for scanner in scanners])[joint.ids]
    used = sorted_unique(ids[held]).tolist()
    of_id = dict(zip(labels.values(), labels, strict=True))
    kinds = [of_id[k] for k in used]
    if len(kinds) < 2:
        return
    lines = []
    for k, kind in zip(used, kinds, strict=True):
        rows = held & (ids == k)
        series = counted(len(sorted_unique(survey.series_ids[rows])), "series")
        lines.append((f"{', '.join(filter(None, kind))} ({series})", int(np.count_nonzero(rows))))
    names = [
        counted(len(values), noun)
        for j, noun in enumerate(NOUNS)
        if len(values := {kind[j] for kind in kinds} - {""}) > 1
    ]
    only_voltages = len({kind[:4] for kind in kinds}) < 2
    n_series = len(sorted_unique(survey.series_ids[held]))
    if not names or (only_voltages and n_series < 2):  # some state less of one scanner; a series of two energies
        return
    following, noun = _followed(survey, held, ids, dict(zip(used, kinds, strict=True)))
    verb = "follows" if len(following) == 1 else "follow"
    follows = f"; {', '.join(following)} {verb} the {noun}" if following else ""
    yield survey.finding(
        "scanners",
        held,
        (*top(by_files(lines), "other scanners"), *([("no maker or model", n_unstated)] if n_unstated else [])),
        title=f"{modality or 'No modality'}: {', '.join(names)} in {counted(n_series, 'series')}{follows}",
        severity="decision" if following else "info",
        advice=OF_VOLTAGES[0] if only_voltages else "",
        meaning=OF_VOLTAGES[1] if only_voltages else "",
        tags=(*SCANNER, *following),
        scope=modality,
    )


def _followed(
    survey: Survey, held: np.ndarray, ids: np.ndarray, kinds: dict[int, tuple[str, ...]]
) -> tuple[list[str], str]:
    """Return the tags that follow the maker, or the model if there is one maker, and which of the two it is."""
    for j, noun in enumerate(NOUNS[:2]):
        names = sorted({kind[j] for kind in kinds.values()} - {""})
        if len(names) > 1:
            numbers = np.full(max(kinds) + 1, -1)
            for k, kind in kinds.items():
                numbers[k] = names.index(kind[j]) if kind[j] else -1
            of_file = np.where(held, numbers[np.where(held, ids, next(iter(kinds)))], -1)
            return _following(survey, held & (of_file >= 0), of_file), noun
    return [], ""


def _scanner(
    maker: str | None, model: str | None, software: str | None, field: str | None, kvp: str | None
) -> tuple[str, ...]:
    """Return maker, model, software, field strength and tube voltage as one spelling of each.

    Of the maker's name only the first word counts: its form and its division are spelled in many ways.
    """
    strength, voltage = number((field or "").split(" | ")[0]), number((kvp or "").split(" | ")[0])
    if strength and strength > GAUSS:
        strength /= 10_000
    return (
        _first_word(_name(maker or "")),
        _name(model or ""),
        (software or "").replace("\\", ", ").strip(),
        f"{round(strength, 1):g} T" if strength else "",
        f"{voltage:g} kV" if voltage else "",
    )


def _name(text: str) -> str:
    """Return the name of a maker or model, "" for one that stands for none."""
    return "" if re.sub(r"[\W_]", "", text).upper() in UNSTATED else text.strip()


def _first_word(maker: str) -> str:
    match = re.search(r"[^\W_]+", maker.upper().replace(".", ""))
    return match[0] if match else ""


def _following(survey: Survey, held: np.ndarray, makers: np.ndarray) -> list[str]:
    """Return the tags each of whose values occurs with one maker, or model, only, and that differ between them.

    Two of them at least must have two series each: of single series, everything differs.
    """
    series, at = np.unique(survey.series_ids[held], return_index=True)
    per_maker = np.bincount(makers[held][at])
    if len(series) < 4 or np.count_nonzero(per_maker >= 2) < 2:
        return []
    found = []
    for tag in FOLLOWING:
        column = survey.joint(tag)
        stated = held & survey.filled(tag)
        has_all = len(sorted_unique(makers[stated])) == len(sorted_unique(makers[held]))
        if not has_all or survey.mixing(makers + 1, column.ids, stated).any():
            continue
        if tag not in MEASURES:
            found.append(tag)
            continue
        _, firsts = np.unique(survey.series_ids[stated], return_index=True)
        rows = np.flatnonzero(stated)[firsts]
        values, counts = np.unique(column.ids[rows], return_counts=True)
        repeated = np.isin(column.ids[rows], values[counts >= 2])
        if len(sorted_unique(makers[rows[repeated]])) >= 2:
            found.append(tag)
    return found


@rule(
    "field-in-gauss",
    severity="info",
    title="Magnetic Field Strength is in gauss, not in tesla",
    tags=("MagneticFieldStrength",),
    by=("MagneticFieldStrength", "Modality"),
    standard="PS3.3 section C.8.3.1",
    advice="Divide these values by 10,000 before grouping by field strength.",
    meaning="Grouped as written, scanners of one field strength fall into two groups.",
)
def field_in_gauss(survey: Survey) -> Iterator[Finding]:
    tag = survey.joint("MagneticFieldStrength")
    mask = survey.images & tag.where(lambda text: (number((text or "").split(" | ")[0]) or 0) > GAUSS)
    if mask.any():
        yield survey.finding("field-in-gauss", mask, top([(str(text), n) for (text,), n in tag.counted(mask)]))
