"""Rules about window presets: doubled, impossible or implausible ones, and those that differ from image to image."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_dicommeta.dicom.values import number
from napari_dicommeta.dicom.window import windows_of
from napari_dicommeta.findings.survey import top

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari_dicommeta.findings.check import Finding
    from napari_dicommeta.findings.survey import Survey

__all__ = ["WINDOW_RULES"]

PAIR = ("WindowCenter", "WindowWidth")


def _count(mask: np.ndarray) -> int:
    return int(np.count_nonzero(mask))


def window_doubled(survey: Survey) -> Iterator[Finding]:
    joint = survey.joint(*PAIR)

    def is_doubled(center: str | None, width: str | None) -> bool:
        pairs = list(zip((center or "").split("\\"), (width or "").split("\\"), strict=False))
        return " | " not in f"{center}{width}" and len(pairs) > len(set(pairs))

    mask = joint.where(is_doubled)
    if mask.any():
        yield survey.finding(
            "window-doubled",
            "info",
            "Files give the same window preset twice",
            mask,
            top([(_window(texts), n) for texts, n in joint.counted(mask)], "other pairs"),
            PAIR,
            "PS3.3 section C.11.2.1.2",
            "Count such a preset once.",
            "Presets counted file by file would show these twice as often as they are.",
        )


def _window(texts: tuple[str | None, ...]) -> str:
    return f"{texts[0] if texts[0] is not None else 'none'} / {texts[1] if texts[1] is not None else 'none'}"


def window_implausible(survey: Survey) -> Iterator[Finding]:
    tags = (
        *PAIR,
        "VOILUTFunction",
        "Modality",
        "RescaleSlope",
        "RescaleIntercept",
        "BitsStored",
        "PixelRepresentation",
    )
    joint = survey.joint(*tags)
    gray = survey.gray
    reasons = [_doubt(*texts) for texts in joint.texts]
    mask = gray & np.array([bool(one) for one in reasons], dtype=bool)[joint.ids] if reasons else gray
    if not mask.any():
        return
    counts: dict[str, int] = {}
    for i, n in enumerate(np.bincount(joint.ids[mask], minlength=len(reasons)).tolist()):
        if n:
            for reason in reasons[i]:
                counts[reason] = counts.get(reason, 0) + n
    yield survey.finding(
        "window-implausible",
        "decision",
        "Window presets cannot be meant as they stand",
        mask,
        top(sorted(counts.items(), key=lambda one: (-one[1], one[0])), "other windows"),
        PAIR,
        "PS3.3 section C.11.2.1.2",
        "Take another preset, or one of your own for the modality; never scale pixels by such a window.",
        "Images scaled by these are black, white, or of two gray levels; they are no guide to what matters in them.",
        by=(*tags, "SamplesPerPixel", "SOPClassUID", "PhotometricInterpretation"),
    )


def _doubt(
    center: str | None, width: str | None, function: str | None, modality: str | None, *rest: str | None
) -> tuple[str, ...]:
    """Why the windows of a file cannot be meant, each as the evidence names it."""
    found = []
    allowed = _allowed(*rest)
    centers, widths = (center or "").split(" | "), (width or "").split(" | ")
    if len(centers) > 1 or len(widths) > 1:  # of several frames: which belong together is not known here
        centers = centers[:1] * len(widths)
        allowed = None
    for one, other in zip(centers, widths, strict=True):
        if bool(one) != bool(other):
            found.append(f"{one or 'none'} / {other or 'none'}: one of the pair is missing")
        elif one.count("\\") != other.count("\\") and len(widths) == 1:
            found.append(f"{one} / {other}: not as many centers as widths")
        for window in windows_of(one, other, "", function or ""):
            why = window.fault or window.doubt("HU" if modality == "CT" else "")
            if not why and allowed and modality == "CT":
                low, high = window.limits
                if not (low <= allowed[1] and high >= allowed[0] and allowed[0] <= window.center <= allowed[1]):
                    why = f"the pixels can only be {allowed[0]:g} to {allowed[1]:g}"
            if why:
                found.append(f"{window.numbers}: {why}")
    return tuple(dict.fromkeys(found))


def _allowed(
    slope: str | None, intercept: str | None, bits: str | None, sign: str | None
) -> tuple[float, float] | None:
    """The smallest and largest value that the bits allow, rescaled; None where the files do not say."""
    factor, offset, stored = number(slope or ""), number(intercept or ""), number(bits or "")
    if factor is None or offset is None or stored is None or not 1 <= stored <= 64:
        return None
    ends = (-(2 ** (stored - 1)), 2 ** (stored - 1) - 1) if sign == "1" else (0, 2**stored - 1)
    low, high = sorted(end * factor + offset for end in ends)
    return low, high


def windows_vary(survey: Survey) -> Iterator[Finding]:
    joint = survey.joint(*PAIR)
    held = survey.images & joint.where(lambda center, width: bool(center and width))
    of_frames = held & joint.where(lambda center, width: " | " in f"{center}{width}")
    mask = survey.mixing(joint.ids, survey.series_ids, held) | of_frames if survey.n_files else held
    if mask.any():
        series = len(np.unique(survey.series_ids[mask]))
        sets = len(joint.counted(mask))
        yield survey.finding(
            "windows-vary",
            "info",
            f"Window presets differ from image to image in {series} series",
            mask,
            ((f"{sets} sets of presets", _count(mask)),),
            PAIR,
            "PS3.3 section C.11.2",
            "Choose one window for a series; scaling each image by its own makes slices incomparable.",
            "Usual for MR and PET, whose images are brightened one by one; in CT, kinds of images may be mixed.",
            by=("SeriesInstanceUID",),
        )


WINDOW_RULES = (window_implausible, window_doubled, windows_vary)
