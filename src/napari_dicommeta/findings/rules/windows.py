"""Rules about window presets: duplicate, implausible and varying presets."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_dicommeta.dicom.pixel_format import stored_range
from napari_dicommeta.dicom.values import number
from napari_dicommeta.dicom.window import windows_of
from napari_dicommeta.findings.evidence import by_files, file_count, top
from napari_dicommeta.findings.rule import rule
from napari_dicommeta.support.sorting import sorted_unique
from napari_dicommeta.support.words import counted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari_dicommeta.findings.finding import Finding
    from napari_dicommeta.findings.survey import Survey

WINDOW_PAIR = ("WindowCenter", "WindowWidth")
WINDOW_CONTEXT = (
    *WINDOW_PAIR,
    "VOILUTFunction",
    "Modality",
    "RescaleSlope",
    "RescaleIntercept",
    "BitsStored",
    "PixelRepresentation",
)
"""Tags that decide whether a window is plausible."""


@rule(
    "window-doubled",
    severity="info",
    title="Files give the same window preset twice",
    tags=WINDOW_PAIR,
    standard="PS3.3 section C.11.2.1.2",
    advice="Count the preset once.",
    meaning="Counted file by file, these presets appear twice as often as they are.",
)
def window_doubled(survey: Survey) -> Iterator[Finding]:
    joint = survey.joint(*WINDOW_PAIR)

    def is_doubled(center: str | None, width: str | None) -> bool:
        pairs = list(zip((center or "").split("\\"), (width or "").split("\\"), strict=False))
        return " | " not in f"{center}{width}" and len(pairs) > len(set(pairs))

    mask = joint.where(is_doubled)
    if mask.any():
        evidence = [(_window(texts), n) for texts, n in joint.counted(mask)]
        yield survey.finding("window-doubled", mask, top(evidence, "other pairs"))


def _window(texts: tuple[str | None, ...]) -> str:
    return f"{texts[0] if texts[0] is not None else 'none'} / {texts[1] if texts[1] is not None else 'none'}"


@rule(
    "window-implausible",
    severity="decision",
    title="Window presets are implausible",
    tags=WINDOW_PAIR,
    by=(*WINDOW_CONTEXT, "SamplesPerPixel", "SOPClassUID", "PhotometricInterpretation"),
    standard="PS3.3 section C.11.2.1.2",
    advice="Use another preset, or your own for the modality; never scale pixels by these windows.",
    meaning="Images scaled by them are black, white or have two gray levels, and hide what matters.",
)
def window_implausible(survey: Survey) -> Iterator[Finding]:
    joint = survey.joint(*WINDOW_CONTEXT)
    gray = survey.gray
    reasons = [_doubt(*texts) for texts in joint.texts]
    mask = gray & np.array([bool(of_text) for of_text in reasons], dtype=bool)[joint.ids] if reasons else gray
    if not mask.any():
        return
    counts: dict[str, int] = {}
    for i, n in enumerate(np.bincount(joint.ids[mask], minlength=len(reasons)).tolist()):
        if n:
            for reason in reasons[i]:
                counts[reason] = counts.get(reason, 0) + n
    yield survey.finding(
        "window-implausible", mask, top(by_files(counts.items()), "other windows, each in at most", together=max)
    )


def _doubt(
    center: str | None, width: str | None, function: str | None, modality: str | None, *rest: str | None
) -> tuple[str, ...]:
    """Return why the windows of a file are implausible, one line of evidence each."""
    reasons = []
    allowed = _allowed(*rest)
    centers, widths = (center or "").split(" | "), (width or "").split(" | ")
    if len(centers) > 1 or len(widths) > 1:  # of several frames: the pairing is unknown here
        centers = centers[:1] * len(widths)
        allowed = None
    for of_center, of_width in zip(centers, widths, strict=True):
        if bool(of_center) != bool(of_width):
            reasons.append(f"{of_center or 'none'} / {of_width or 'none'}: one of the pair is missing")
        elif of_center.count("\\") != of_width.count("\\") and len(widths) == 1:
            reasons.append(f"{of_center} / {of_width}: the numbers of centers and widths differ")
        for window in windows_of(of_center, of_width, "", function or ""):
            why = window.fault or window.doubt("HU" if modality == "CT" else "")
            if not why and allowed and modality == "CT":
                low, high = window.limits
                if not (low <= allowed[1] and high >= allowed[0] and allowed[0] <= window.center <= allowed[1]):
                    why = f"the pixels can only be {allowed[0]:g} to {allowed[1]:g}"
            if why:
                reasons.append(f"{window.numbers}: {why}")
    return tuple(dict.fromkeys(reasons))


def _allowed(
    slope: str | None, intercept: str | None, bits: str | None, sign: str | None
) -> tuple[float, float] | None:
    """Return the smallest and largest rescaled value that the bits allow; None if tags are missing."""
    factor, offset, stored = number(slope or ""), number(intercept or ""), number(bits or "")
    if factor is None or offset is None or stored is None or not 1 <= stored <= 64:
        return None
    low, high = sorted(end * factor + offset for end in stored_range(int(stored), sign == "1"))
    return low, high


@rule(
    "windows-vary",
    severity="info",
    title="Window presets differ from image to image",
    tags=WINDOW_PAIR,
    by=("SeriesInstanceUID",),
    standard="PS3.3 section C.11.2",
    advice="Choose one window per series; scaling each image by its own window makes slices incomparable.",
    meaning="Usual for MR and PET, where each image has its own window; in CT, kinds of images may be mixed.",
)
def windows_vary(survey: Survey) -> Iterator[Finding]:
    joint = survey.joint(*WINDOW_PAIR)
    held = survey.images & joint.where(lambda center, width: bool(center and width))
    of_frames = held & joint.where(lambda center, width: " | " in f"{center}{width}")
    mask = survey.mixing(joint.ids, survey.series_ids, held) | of_frames if survey.n_files else held
    if mask.any():
        series = len(sorted_unique(survey.series_ids[mask]))
        pairs = [pair for pair, _ in joint.counted(mask)]
        centers, widths = ({text for pair in pairs for text in (pair[i] or "").split(" | ")} for i in range(2))
        # Which of the centers belongs to which of the widths is unknown for the frames of a file.
        what = f"{counted(len(centers), 'center')}, {counted(len(widths), 'width')}"
        what = what if of_frames.any() else f"{len(pairs)} different presets"
        yield survey.finding(
            "windows-vary",
            mask,
            ((what, file_count(mask)),),
            title=f"Window presets differ from image to image in {series} series",
        )


@rule(
    "sigmoid",
    severity=("decision", "info"),
    title="Window presets are meant for a sigmoid curve",
    tags=("VOILUTFunction",),
    by=("VOILUTFunction", "Modality"),
    standard="PS3.3 section C.11.2.1.3",
    advice="Scale these images by the sigmoid, or all images by one rule of your own.",
    meaning="Scaled as if linear, they are too hard; mixed with linear ones, equal tissue gets different gray levels.",
)
def sigmoid(survey: Survey) -> Iterator[Finding]:
    """Yield a finding on sigmoid presets; a decision in modalities that also have linear presets."""
    kinds = survey.joint("Modality")
    windowed = survey.gray & survey.filled("WindowWidth")
    curved = windowed & survey.says("VOILUTFunction", "SIGMOID")
    if curved.any():
        beside = windowed & ~curved & np.isin(kinds.ids, kinds.ids[curved])
        lines = (("SIGMOID", file_count(curved)), ("linear, in the same modality", file_count(beside)))
        yield survey.finding(
            "sigmoid", curved, lines if beside.any() else lines[:1], severity="decision" if beside.any() else "info"
        )
