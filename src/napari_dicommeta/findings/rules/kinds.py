"""Rules about mixed kinds of images: derived ones, localizers, contrast agent, enhanced ones."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np

from napari_dicommeta.dicom.uids import SECONDARY_CAPTURE, STORAGE
from napari_dicommeta.findings.evidence import by_files, file_count, top
from napari_dicommeta.findings.rule import rule
from napari_dicommeta.support.sorting import sorted_unique
from napari_dicommeta.support.words import counted

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from napari_dicommeta.findings.finding import Finding
    from napari_dicommeta.findings.survey import Survey

IMAGE_KINDS = ("CT", "MR", "PT", "NM", "CR", "DX", "MG", "XA", "RF", "US")
ENHANCED = frozenset(f"{STORAGE}{end}" for end in ("2.1", "2.2", "4.1", "4.4", "128.1", "130"))
"""Enhanced and legacy converted CT, MR and PET images."""
CONTRAST = ("ContrastBolusAgent", "ContrastBolusAgentSequence")
_MODALITIES = (
    "ANN AR ASMT AU BDUS BI BMD CFM CR CT CTPROTOCOL DG DMS DOC DX ECG EEG EMG EOG EPS ES FID GM HC HD IO IOL IVOCT "
    "IVUS KER KO LEN LS M3D MG MR NM OAM OCT OP OPM OPT OPTBSV OPTENF OPV OSS OT PA PLAN POS PR PT PX REG RESP RF RG "
    "RTDOSE RTIMAGE RTINTENT RTPLAN RTRAD RTRECORD RTSEGANN RTSTRUCT RWV SEG SM SMR SR SRF STAIN TEXTUREMAP TG US VA "
    "XA XAPROTOCOL XC AS CD CF CP CS DD DF DM DS EC FA FS LP MA MS OPR ST VF"
)
MODALITIES = frozenset(_MODALITIES.split())
"""The defined terms of Modality, retired ones included (PS3.3 section C.7.3.1.1.1)."""
WRITERS = ("Manufacturer", "ManufacturerModelName", "SoftwareVersions")
PROGRAMS = re.compile(
    r"\b(3D ?Slicer|AFNI|Amide|Elastix|Fiji|FreeSurfer|FSL|GDCM|Horos|ImageJ|InVesalius|ITK(?:-SNAP)?|LIFEx|"
    r"MATLAB|MeVisLab|MIM Software|MIPAV|MITK|MONAI|MRtrix\d*|NiBabel|OsiriX|Plastimatch|PMOD|pydicom|SimpleITK|SPM\d*|"
    r"dcm2niix?|highdicom|nifti2dicom)\b",
    re.IGNORECASE,
)
"""Programs that process, convert or resample images, in place of a scanner that makes them."""
_NO_CONTRAST = re.compile(r"(none|no|n|0|nil|-+|n/?a|without\b.*|w/o\b.*|no .*|non.?contrast.*)?", re.IGNORECASE)


def _program(texts: Sequence[str | None]) -> str:
    """Return the name of a program in the texts of `WRITERS`, "" if they name none."""
    return next((match[0] for text in texts if (match := PROGRAMS.search(text or ""))), "")


def _values(text: str | None) -> list[str]:
    return [value.strip() for value in (text or "").split("\\")]


@rule(
    "modality-unknown",
    severity="decision",
    title="Images state no modality, or one that is no defined term",
    tags=("Modality",),
    standard="PS3.3 section C.7.3.1.1.1",
    advice="Find out what these images are, and leave them out where only one modality is wanted.",
    meaning="Groups by modality miss these images, and rules about CT, MR and others do not apply to them.",
)
def modality_unknown(survey: Survey) -> Iterator[Finding]:
    joint = survey.joint("Modality")
    mask = survey.images & joint.where(lambda modality: (modality or "") not in MODALITIES)
    if mask.any():
        evidence = [(modality or "no modality", n) for (modality,), n in joint.counted(mask)]
        yield survey.finding("modality-unknown", mask, top(by_files(evidence), "other terms"))


@rule(
    "derived",
    severity=("decision", "info"),
    title="Derived or converted images are mixed with original ones",
    tags=("ImageType", "ConversionType"),
    by=("ImageType", "ConversionType", *WRITERS, "Modality"),
    standard="PS3.3 section C.7.6.1.1.2",
    advice="Choose one kind; leave derived images out, or use them instead of their originals.",
    meaning="Reformats, projections and maps repeat the pixels of their originals or hold other quantities: they are "
    "no independent samples, and their values may not be comparable.",
)
def derived(survey: Survey) -> Iterator[Finding]:
    """Yield a finding on each modality with both original and derived images.

    These are grayscale images, and pictures of ultrasound; screenshots are derived, and in CT have a rule of their own.
    """
    joint = survey.joint("ImageType", "ConversionType", *WRITERS)
    kinds = survey.joint("Modality")
    is_derived = joint.where(
        lambda image_type, conversion, *writer: (
            _values(image_type)[0] == "DERIVED" or bool(conversion) or bool(_program(writer))
        )
    )
    is_original = joint.where(lambda image_type, *_: _values(image_type)[0] == "ORIGINAL") & ~is_derived
    captured = survey.images & survey.holding("SOPClassUID", lambda uid: uid.startswith(SECONDARY_CAPTURE))
    shown = survey.gray | (survey.images & survey.says("Modality", "US")) | (captured & ~survey.says("Modality", "CT"))
    for i, (modality,) in enumerate(kinds.texts):
        held = shown & (kinds.ids == i)
        copies, originals = held & (is_derived | captured), held & is_original & ~captured
        if modality in IMAGE_KINDS and copies.any() and (originals.any() or (copies & survey.sectional).any()):
            lines: dict[str, int] = {}
            for (image_type, conversion, *writer), n in joint.counted(copies):
                label = " ".join(filter(None, _values(image_type)[:4])) or "no Image Type"
                label += f", converted ({conversion})" if conversion else ""
                label += f", written by {_program(writer)}" if _program(writer) else ""
                lines[label] = lines.get(label, 0) + n
            if not originals.any():
                yield survey.finding(
                    "derived",
                    copies,
                    top(by_files(lines.items()), "other kinds"),
                    title=f"{modality}: no image is original, {file_count(copies):,} are derived or converted",
                    severity="info",
                    advice="Find out what they were made from, and by which program.",
                    meaning="Resampling, filters and conversions change noise and texture, and may change the values.",
                    scope=modality or "",
                )
                continue
            yield survey.finding(
                "derived",
                copies,
                (*top(by_files(lines.items()), "other kinds"), ("original images beside them", file_count(originals))),
                title=f"{modality}: {counted(file_count(copies), 'derived or converted image')} among "
                f"{counted(file_count(originals), 'original image')}",
                scope=modality or "",
            )


@rule(
    "localizers",
    severity="info",
    title="Localizers are among the images",
    tags=("ImageType",),
    by=("ImageType", "Modality"),
    standard="PS3.3 section C.8.2.1.1.1",
    advice="Leave them out of volumes and of statistics.",
    meaning="Localizers of CT are projections: they hold no HU, and their few slices lie across the volume.",
)
def localizers(survey: Survey) -> Iterator[Finding]:
    mask = survey.localizers
    if mask.any() and (survey.sectional & ~mask).any():
        counts, n = survey.joint("Modality").counted(mask), file_count(mask)
        yield survey.finding(
            "localizers",
            mask,
            [(f"{modality}", files) for (modality,), files in counts],
            title=f"{counted(n, 'localizer')} {'is' if n == 1 else 'are'} among the images",
        )


@rule(
    "contrast-in-part",
    severity="decision",
    title="Some series of a modality state a contrast agent, others do not",
    tags=CONTRAST[:1],
    by=("SeriesInstanceUID",),
    standard="PS3.3 section C.7.6.4",
    advice="Separate images with and without contrast agent; check series that state none by eye.",
    meaning="Contrast agent changes the values of vessels and organs: radiomics and models learn it in place of the "
    "disease, and HU thresholds fail.",
)
def contrast_in_part(survey: Survey) -> Iterator[Finding]:
    kinds = survey.joint("Modality")
    has = survey.joint(*CONTRAST).where(
        lambda agent, sequence: (
            not _NO_CONTRAST.fullmatch((agent or "").strip()) or sequence not in (None, "", "0 items")
        )
    )
    for i, (modality,) in enumerate(kinds.texts):
        held = survey.sectional & (kinds.ids == i)
        if modality not in ("CT", "MR") or not (held & has).any():
            continue
        n_series = len(survey.series)
        enhanced = np.bincount(survey.series_ids[held & has], minlength=n_series) > 0
        contrasted = held & enhanced[survey.series_ids]
        plain, inside = held & ~contrasted, contrasted & ~has
        if plain.any() or inside.any():
            n, m, k = (len(sorted_unique(survey.series_ids[mask])) for mask in (contrasted, plain, inside))
            lines = (
                ("with contrast agent", file_count(contrasted & has)),
                ("without a statement", file_count(plain)),
                ("without a statement, in the same series", file_count(inside)),
            )
            yield survey.finding(
                "contrast-in-part",
                contrasted,
                [line for line in lines if line[1]],
                title=f"{modality}: {n} series {'states' if n == 1 else 'state'} a contrast agent"
                + (f", {m} {'does' if m == 1 else 'do'} not" if m else "")
                + (f", {k} only in a part of {'its' if k == 1 else 'their'} images" if k else ""),
                scope=modality,
            )


@rule(
    "enhanced-mixed",
    severity="info",
    title="Enhanced multi-frame and single-frame images of one modality are mixed",
    tags=("SOPClassUID",),
    by=("SOPClassUID",),
    standard="PS3.3 section C.7.6.16",
    advice="Read both through one library, or convert one kind to the other.",
    meaning="Enhanced images keep positions, spacing and rescale in functional groups: code that reads them outside "
    "finds none, and a file is a whole series.",
)
def enhanced_mixed(survey: Survey) -> Iterator[Finding]:
    kinds = survey.joint("Modality")
    is_enhanced = survey.own("PerFrameFunctionalGroupsSequence").where(bool)
    is_enhanced |= survey.own("SOPClassUID").where(lambda uid: uid in ENHANCED)
    for i, (modality,) in enumerate(kinds.texts):
        held = survey.sectional & (kinds.ids == i)
        enhanced, single = held & is_enhanced, held & ~is_enhanced
        if enhanced.any() and single.any():
            yield survey.finding(
                "enhanced-mixed",
                enhanced,
                (("enhanced", file_count(enhanced)), ("single-frame", file_count(single))),
                title=f"{modality}: {counted(file_count(enhanced), 'enhanced file')} among "
                f"{counted(file_count(single), 'single-frame image')}",
                scope=modality or "",
            )


@rule(
    "image-type",
    severity="info",
    title="Image Type does not begin with ORIGINAL or DERIVED",
    tags=("ImageType",),
    standard="PS3.3 section C.7.6.1.1.2",
    advice="Decide by eye what these images are; take a blank between values for a backslash.",
    meaning="Filters by Image Type miss these images: derived ones and localizers are taken for originals.",
)
def image_type(survey: Survey) -> Iterator[Finding]:
    tag = survey.joint("ImageType")
    mask = survey.images & tag.where(lambda text: bool(text) and _values(text)[0] not in ("ORIGINAL", "DERIVED"))
    if mask.any():
        lines = [(" ".join(_values(text)), n) for (text,), n in tag.counted(mask)]
        yield survey.finding("image-type", mask, top(lines, "other values"))
