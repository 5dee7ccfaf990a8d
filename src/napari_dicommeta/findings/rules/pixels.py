"""Rules about pixels: bits and sign, padding, compression, encoding, colors."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_dicommeta.dicom.uids import LOSSY_SYNTAXES, SECONDARY_CAPTURE
from napari_dicommeta.dicom.values import is_text_in_number, number, registered_name
from napari_dicommeta.findings.survey import spell_span, top

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari_dicommeta.findings.check import Finding
    from napari_dicommeta.findings.survey import Survey

__all__ = ["PIXEL_RULES"]

BITS = ("BitsStored", "HighBit", "PixelRepresentation")
LOSSY_TAGS = ("LossyImageCompression", "LossyImageCompressionRatio", "TransferSyntaxUID")


def _count(mask: np.ndarray) -> int:
    return int(np.count_nonzero(mask))


def pixel_formats(survey: Survey) -> Iterator[Finding]:
    joint = survey.joint(*BITS)
    mask = survey.gray & joint.where(lambda *texts: all(texts))
    counted = joint.counted(mask)
    if len(counted) < 2:
        return
    evidence = [(_format(texts), n) for texts, n in counted]
    each = [len({texts[i] for texts, _ in counted}) for i in range(3)]
    if each == [len(counted)] * 3:
        named = ", ".join(f"{what} in {n:,} files" for what, n in evidence)
        title = f"Bits Stored, High Bit and Pixel Representation are one fact: {named}"
        meaning = "Each of the three tells the other two: they vary together, so count and split by one of them."
    else:
        title = f"Pixels are stored in {len(counted)} ways"
        meaning = "The same stored bits are another value from file to file."
    yield survey.finding(
        "pixel-format",
        "info",
        title,
        mask,
        top(evidence, "other formats"),
        BITS,
        "PS3.3 section C.7.6.3.1",
        "Read each file by its own bits and sign; do not set one data type for the folder.",
        meaning,
        by=(*BITS, "SamplesPerPixel", "SOPClassUID", "PhotometricInterpretation"),
    )


def _format(texts: tuple[str | None, ...]) -> str:
    bits, high, sign = texts
    odd = "" if number(high or "") == (number(bits or "") or 0) - 1 else f", high bit {high}"
    return f"{bits}-bit {'signed' if sign == '1' else 'unsigned'}{odd}"


def high_bit(survey: Survey) -> Iterator[Finding]:
    tags = ("BitsAllocated", "BitsStored", "HighBit")
    joint = survey.joint(*tags)

    def is_off(allocated: str | None, stored: str | None, high: str | None) -> bool:
        bits, top_bit, space = number(stored or ""), number(high or ""), number(allocated or "")
        return bits is not None and (
            (top_bit is not None and top_bit != bits - 1) or (space is not None and bits > space) or bits < 1
        )

    mask = survey.images & joint.where(is_off)
    if mask.any():
        yield survey.finding(
            "high-bit",
            "wrong",
            "High Bit is not Bits Stored - 1, or more bits are stored than allocated",
            mask,
            [
                (f"{stored} of {allocated} bits, high bit {high}", n)
                for (allocated, stored, high), n in joint.counted(mask)
            ],
            tags,
            "PS3.5 section 8.1.1",
            "Look at the pixels: shift them by the difference, or correct the element if they are not shifted.",
            "The values are off by a power of two if the element is right, and spoiled by a shift if it is wrong.",
        )


def padding(survey: Survey) -> Iterator[Finding]:
    tags = ("PixelPaddingValue", "PixelPaddingRangeLimit", "BitsStored", "PixelRepresentation")
    joint = survey.joint(*tags)

    def span(value: str | None, limit: str | None) -> tuple[float, float] | None:
        low = number(value or "")
        if low is None or is_text_in_number(low):
            return None
        high = number(limit or "")
        return min(low, low if high is None else high), max(low, low if high is None else high)

    def can_be(value: str | None, limit: str | None, bits: str | None, sign: str | None) -> bool | None:
        stated, stored = span(value, limit), number(bits or "")
        if stated is None or stored is None or not 1 <= stored <= 64:
            return None if stated is None else True
        lowest, highest = (-(2 ** (stored - 1)), 2 ** (stored - 1) - 1) if sign == "1" else (0, 2**stored - 1)
        return stated[0] <= highest and stated[1] >= lowest

    usable = survey.images & joint.where(lambda *texts: can_be(*texts) is True)
    impossible = survey.images & joint.where(lambda *texts: can_be(*texts) is False)
    pairs = survey.joint(*tags[:2])
    if usable.any():
        evidence = [(_padding(*texts), n) for texts, n in pairs.counted(usable)]
        none = _count(survey.images & ~usable & ~impossible & ~survey.filled(tags[0]))
        yield survey.finding(
            "padding",
            "info",
            f"Files state a Pixel Padding Value: {', '.join(what for what, _ in evidence[:4])}"
            + (" …" if len(evidence) > 4 else ""),
            usable,
            (*top(evidence, "other values"), *([("images that state none", none)] if none else [])),
            tags[:2],
            "PS3.3 section C.7.5.1.1.2",
            "Mask it by each file's own value, on stored values before the rescale; then fill it, with air in CT.",
            "Pixels that hold it are no tissue: kept, they shift means, ranges and automatic windows. Whether any do "
            "is not in the headers.",
        )
    if impossible.any():
        yield survey.finding(
            "padding-impossible",
            "decision",
            "A Pixel Padding Value cannot be stored in the bits of its image",
            impossible,
            top(
                [
                    (f"{_padding(*texts[:2])} in {_format((texts[2], None, texts[3])).partition(',')[0]}", n)
                    for texts, n in joint.counted(impossible)
                ]
            ),
            (tags[0], *tags[2:]),
            "PS3.3 section C.7.5.1.1.2",
            "Do not use it as it is; look for the same bits in the other sign, or for the true value in the corners.",
            "No pixel can have this value: comparing with it finds no padding although there may be some.",
        )


def _padding(value: str | None, limit: str | None) -> str:
    return f"{value}" if not limit else f"{value} to {limit}"


def lossy(survey: Survey) -> Iterator[Finding]:
    joint = survey.joint(*LOSSY_TAGS)

    def is_lossy(state: str | None, _ratio: str | None, syntax: str | None) -> bool:
        return state == "01" or syntax in LOSSY_SYNTAXES

    mask = survey.images & joint.where(is_lossy)
    if not mask.any():
        return
    ratios: list[float] = []
    counts = {
        "with a ratio": 0,
        "without a ratio": 0,
        "in a lossy transfer syntax": 0,
        "in one, but said to be lossless": 0,
    }
    for (state, ratio, syntax), n in joint.counted(mask):
        value = number((ratio or "").split("\\")[-1])
        counts["without a ratio" if value is None else "with a ratio"] += n
        if value is not None:
            ratios.append(value)
        if syntax in LOSSY_SYNTAXES:
            counts["in a lossy transfer syntax"] += n
            counts["in one, but said to be lossless"] += n if state == "00" else 0
    distinct = len(set(ratios))
    span = f", ratio {spell_span(ratios)}" + (f" ({distinct} values)" if distinct > 1 else "") if ratios else ""
    yield survey.finding(
        "lossy",
        "decision",
        f"{_count(mask):,} images have once been lossily compressed{span}",
        mask,
        [(what, n) for what, n in counts.items() if n],
        LOSSY_TAGS,
        "PS3.3 section C.7.6.1.1.5",
        "Decide whether they may be used for measuring and training; keep the mark when they are converted.",
        "What was lost does not come back by decompressing: noise and texture are not those of the scanner.",
    )


def transfer_syntaxes(survey: Survey) -> Iterator[Finding]:
    joint = survey.joint("TransferSyntaxUID")
    mask = survey.images & survey.filled("TransferSyntaxUID")
    counted = joint.counted(mask)
    if len(counted) > 1:
        yield survey.finding(
            "transfer-syntaxes",
            "info",
            f"Images are encoded in {len(counted)} transfer syntaxes",
            mask,
            top([(registered_name(text or "") or str(text), n) for (text,), n in counted], "other syntaxes"),
            ("TransferSyntaxUID",),
            "PS3.5 section 10",
            "Read each file by its own; test your reader on one file of each.",
            "They differ in byte order, in whether VRs are written, and in the codec that the pixels need.",
            by=("TransferSyntaxUID",),
        )


def monochrome1(survey: Survey) -> Iterator[Finding]:
    mask = survey.images & survey.says("PhotometricInterpretation", "MONOCHROME1")
    if mask.any():
        yield survey.finding(
            "monochrome1",
            "info",
            "Images are MONOCHROME1: low values are shown bright",
            mask,
            (("MONOCHROME1", _count(mask)),),
            ("PhotometricInterpretation",),
            "PS3.3 section C.7.6.3.1.2",
            "Invert the display only, or all such images once before they are mixed with MONOCHROME2.",
            "The values themselves are not inverted; a model that sees both kinds sees negatives.",
        )


def no_ct_values(survey: Survey) -> Iterator[Finding]:
    tags = ("Modality", "SOPClassUID", "SamplesPerPixel", "PhotometricInterpretation")
    mask = survey.images & ~survey.gray & survey.says("Modality", "CT")
    if mask.any():
        joint = survey.joint(*tags)
        kinds: dict[str, int] = {}
        for (_, sop_class, _, photometric), n in joint.counted(mask):
            what = "secondary capture" if (sop_class or "").startswith(SECONDARY_CAPTURE) else "image"
            kinds[f"{photometric or 'unknown'} {what}"] = kinds.get(f"{photometric or 'unknown'} {what}", 0) + n
        yield survey.finding(
            "no-ct-values",
            "decision",
            "Images of modality CT are in color or secondary captures: they hold no HU",
            mask,
            top(list(kinds.items())),
            tags,
            "PS3.3 section C.7.6.3.1.2",
            "Leave them out of volumes and of statistics over CT values.",
            "They are dose sheets, screenshots or fused pictures beside the CT images.",
        )


def color(survey: Survey) -> Iterator[Finding]:
    tag = survey.joint("PhotometricInterpretation")
    mask = survey.images & ~survey.says("Modality", "CT")
    mask &= tag.where(lambda text: bool(text) and not (text or "").startswith("MONOCHROME"))
    if mask.any():
        yield survey.finding(
            "color",
            "info",
            "Images are in color",
            mask,
            top([(str(text), n) for (text,), n in tag.counted(mask)], "other kinds"),
            ("PhotometricInterpretation",),
            "PS3.3 section C.7.6.3.1.2",
            "Keep them apart from gray images; do not rescale or window them.",
            "Their samples are shades for a screen, no measured values.",
            by=("PhotometricInterpretation", "Modality"),
        )


PIXEL_RULES = (
    high_bit,
    no_ct_values,
    color,
    lossy,
    padding,
    pixel_formats,
    monochrome1,
    transfer_syntaxes,
)
