"""Rules about pixels: bits and sign, padding, compression, encoding, color."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_dicommeta.dicom.dictionary import uid_name
from napari_dicommeta.dicom.pixel_format import stored_range
from napari_dicommeta.dicom.uids import LOSSY_SYNTAXES, SECONDARY_CAPTURE
from napari_dicommeta.dicom.values import number
from napari_dicommeta.findings.evidence import file_count, spell_span, top
from napari_dicommeta.findings.rule import rule
from napari_dicommeta.findings.rules.suspect import texts_in_numbers
from napari_dicommeta.support.words import counted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari_dicommeta.findings.finding import Finding
    from napari_dicommeta.findings.survey import Survey

FORMAT_TAGS = ("BitsStored", "HighBit", "PixelRepresentation")
BITS = ("BitsAllocated", "BitsStored", "HighBit")
PADDING_TAGS = ("PixelPaddingValue", "PixelPaddingRangeLimit", "BitsStored", "PixelRepresentation")
ROWS_OF_OVERLAY = 0x0010
IMPOSSIBLE = "with a ratio below 1, which cannot be"
LOSSY = ("LossyImageCompression", "LossyImageCompressionRatio", "TransferSyntaxUID")
CT_KIND = ("Modality", "SOPClassUID", "SamplesPerPixel", "PhotometricInterpretation")


@rule(
    "pixel-format",
    severity="info",
    title="Pixels are stored in several formats",
    tags=FORMAT_TAGS,
    by=(*FORMAT_TAGS, "SamplesPerPixel", "SOPClassUID", "PhotometricInterpretation"),
    standard="PS3.3 section C.7.6.3.1",
    advice="Read each file with its own bits and sign; do not set one data type for the folder.",
    meaning="The same stored bits mean different values in different files.",
)
def pixel_formats(survey: Survey) -> Iterator[Finding]:
    joint = survey.joint(*FORMAT_TAGS)
    mask = survey.gray & joint.where(lambda *texts: all(texts))
    formats = joint.counted(mask)
    if len(formats) < 2:
        return
    evidence = [(_format(texts), n) for texts, n in formats]
    title, meaning = f"Pixels are stored in {len(formats)} formats", ""
    if [len({texts[i] for texts, _ in formats}) for i in range(3)] == [len(formats)] * 3:
        named = ", ".join(f"{label} in {counted(n, 'file')}" for label, n in evidence)
        title = f"Bits Stored, High Bit and Pixel Representation vary together: {named}"
        meaning = "Each of the three determines the other two, so count and split by one of them."
    yield survey.finding("pixel-format", mask, top(evidence, "other formats"), title=title, meaning=meaning)


def _format(texts: tuple[str | None, ...]) -> str:
    bits, high, sign = texts
    odd = "" if number(high or "") == (number(bits or "") or 0) - 1 else f", high bit {high}"
    return f"{bits}-bit {'signed' if sign == '1' else 'unsigned'}{odd}"


@rule(
    "high-bit",
    severity="wrong",
    title="High Bit is not Bits Stored - 1, or more bits are stored than allocated",
    tags=BITS,
    standard="PS3.5 section 8.1.1",
    advice="Inspect the pixels: shift them by the difference, or correct the element if they are not shifted.",
    meaning="The values are off by a power of two if the element is right, and corrupted by a shift if it is wrong.",
)
def high_bit(survey: Survey) -> Iterator[Finding]:
    joint = survey.joint(*BITS)

    def is_off(allocated: str | None, stored: str | None, high: str | None) -> bool:
        bits, top_bit, space = number(stored or ""), number(high or ""), number(allocated or "")
        return bits is not None and (
            (top_bit is not None and top_bit != bits - 1) or (space is not None and bits > space) or bits < 1
        )

    mask = survey.images & joint.where(is_off)
    if mask.any():
        evidence = [
            (f"{stored} of {allocated} bits, high bit {high}", n)
            for (allocated, stored, high), n in joint.counted(mask)
        ]
        yield survey.finding("high-bit", mask, evidence)


@rule(
    "padding",
    severity="info",
    title="Files state a Pixel Padding Value",
    tags=PADDING_TAGS[:2],
    standard="PS3.3 section C.7.5.1.1.2",
    advice="Mask the value of each file in stored values, before the rescale; then fill the mask, with air in CT.",
    meaning="Pixels with this value are not tissue: left in, they shift means, ranges and automatic windows. Headers "
    "do not state whether any pixel has it.",
)
@rule(
    "padding-impossible",
    severity="decision",
    title="A Pixel Padding Value cannot be stored in the bits of its image",
    tags=(PADDING_TAGS[0], *PADDING_TAGS[2:]),
    standard="PS3.3 section C.7.5.1.1.2",
    advice="Do not use it as is; try its bits with the other sign, or look for the true value in the corners.",
    meaning="No pixel can have this value: comparing with it finds no padding, even if there is some.",
)
def padding(survey: Survey) -> Iterator[Finding]:
    joint = survey.joint(*PADDING_TAGS)

    def span(value: str | None, limit: str | None) -> tuple[float, float] | None:
        low = number(value or "")
        if low is None:
            return None
        high = number(limit or "")
        return min(low, low if high is None else high), max(low, low if high is None else high)

    def can_be(value: str | None, limit: str | None, bits: str | None, sign: str | None) -> bool | None:
        stated, stored = span(value, limit), number(bits or "")
        if stated is None or stored is None or not 1 <= stored <= 64:
            return None if stated is None else True
        lowest, highest = stored_range(int(stored), sign == "1")
        return stated[0] <= highest and stated[1] >= lowest

    numbers = survey.images & ~texts_in_numbers(survey, PADDING_TAGS[0])
    usable = numbers & joint.where(lambda *texts: can_be(*texts) is True)
    impossible = numbers & joint.where(lambda *texts: can_be(*texts) is False)
    pairs = survey.joint(*PADDING_TAGS[:2])
    if usable.any():
        evidence = [(_padding(*texts), n) for texts, n in pairs.counted(usable)]
        none = file_count(survey.images & ~usable & ~impossible & ~survey.filled(PADDING_TAGS[0]))
        yield survey.finding(
            "padding",
            usable,
            (*top(evidence, "other values"), *([("images that state none", none)] if none else [])),
            title=f"Files state a Pixel Padding Value: {', '.join(label for label, _ in evidence[:4])}"
            + (" …" if len(evidence) > 4 else ""),
        )
    if impossible.any():
        evidence = [
            (f"{_padding(*texts[:2])} in {_format((texts[2], None, texts[3])).partition(',')[0]}", n)
            for texts, n in joint.counted(impossible)
        ]
        yield survey.finding("padding-impossible", impossible, top(evidence))


def _padding(value: str | None, limit: str | None) -> str:
    return f"{value}" if not limit else f"{value} to {limit}"


@rule(
    "lossy",
    severity="decision",
    title="Images have been lossily compressed",
    tags=LOSSY,
    standard="PS3.3 section C.7.6.1.1.5",
    advice="Decide whether to use them for measuring and training; keep the flag when converting them.",
    meaning="Decompression does not restore what was lost: noise and texture are not those of the scanner.",
)
def lossy(survey: Survey) -> Iterator[Finding]:
    joint = survey.joint(*LOSSY)

    def is_lossy(state: str | None, _ratio: str | None, syntax: str | None) -> bool:
        return state == "01" or syntax in LOSSY_SYNTAXES

    mask = survey.images & joint.where(is_lossy)
    if not mask.any():
        return
    ratios: list[float] = []
    counts = {
        "with a ratio": 0,
        IMPOSSIBLE: 0,
        "without a ratio": 0,
        "in a lossy transfer syntax": 0,
        "in a lossy transfer syntax, but marked as lossless": 0,
    }
    for (state, ratio, syntax), n in joint.counted(mask):
        value = number((ratio or "").split("\\")[-1])
        counts["without a ratio" if value is None else "with a ratio" if value >= 1 else IMPOSSIBLE] += n
        if value is not None and value >= 1:
            ratios.append(value)
        if syntax in LOSSY_SYNTAXES:
            counts["in a lossy transfer syntax"] += n
            counts["in a lossy transfer syntax, but marked as lossless"] += n if state == "00" else 0
    distinct, n_lossy = len(set(ratios)), file_count(mask)
    span = f", ratio {spell_span(ratios)}" + (f" ({distinct} values)" if distinct > 1 else "") if ratios else ""
    yield survey.finding(
        "lossy",
        mask,
        [(label, n) for label, n in counts.items() if n],
        title=f"{counted(n_lossy, 'image')} {'has' if n_lossy == 1 else 'have'} been lossily compressed{span}",
    )


@rule(
    "transfer-syntaxes",
    severity="info",
    title="Images are encoded in several transfer syntaxes",
    tags=("TransferSyntaxUID",),
    standard="PS3.5 section 10",
    advice="Read each file with its own; test your reader on one file of each.",
    meaning="They differ in byte order, in whether VRs are written, and in the codec that the pixels need.",
)
def transfer_syntaxes(survey: Survey) -> Iterator[Finding]:
    mask = survey.images & survey.filled("TransferSyntaxUID")
    syntaxes = survey.joint("TransferSyntaxUID").counted(mask)
    if len(syntaxes) > 1:
        evidence = [(uid_name(text or "") or str(text), n) for (text,), n in syntaxes]
        yield survey.finding(
            "transfer-syntaxes",
            mask,
            top(evidence, "other syntaxes"),
            title=f"Images are encoded in {len(syntaxes)} transfer syntaxes",
        )


@rule(
    "monochrome1",
    severity="info",
    title="Images are MONOCHROME1: low values are shown bright",
    tags=("PhotometricInterpretation",),
    by=("PhotometricInterpretation", "Modality"),
    standard="PS3.3 section C.7.6.3.1.2",
    advice="Invert the display only, or invert all of these images once before mixing them with MONOCHROME2.",
    meaning="The values themselves are not inverted; mixed with MONOCHROME2, they look like negatives to a model.",
)
@rule(
    "monochrome-mixed",
    severity="decision",
    title="Images of one modality are in part MONOCHROME1, in part MONOCHROME2",
    tags=("PhotometricInterpretation",),
    by=("PhotometricInterpretation", "Modality"),
    standard="PS3.3 section C.7.6.3.1.2",
    advice="Invert the values of all MONOCHROME1 images once: largest possible value minus value.",
    meaning="Bone is bright in one and dark in the other: a model trained on both learns the maker, radiomics fail.",
)
def monochrome1(survey: Survey) -> Iterator[Finding]:
    """Yield a finding on each modality with both kinds, and one on MONOCHROME1 in the other modalities."""
    kinds = survey.joint("Modality")
    inverse = survey.gray & survey.says("PhotometricInterpretation", "MONOCHROME1")
    others = survey.gray & survey.says("PhotometricInterpretation", "MONOCHROME2")
    alone = inverse.copy()
    for i, (modality,) in enumerate(kinds.texts):
        of_kind = kinds.ids == i
        if (inverse & of_kind).any() and (others & of_kind).any():
            alone &= ~of_kind
            yield survey.finding(
                "monochrome-mixed",
                inverse & of_kind,
                (("MONOCHROME1", file_count(inverse & of_kind)), ("MONOCHROME2", file_count(others & of_kind))),
                title=f"{modality or 'No modality'}: images are in part MONOCHROME1, in part MONOCHROME2",
                scope=modality or "",
            )
    if alone.any():
        yield survey.finding("monochrome1", alone, (("MONOCHROME1", file_count(alone)),))


@rule(
    "no-ct-values",
    severity="decision",
    title="Images of modality CT are color images or secondary captures: they hold no HU",
    tags=CT_KIND,
    standard="PS3.3 section C.7.6.3.1.2",
    advice="Leave them out of volumes and of statistics over CT values.",
    meaning="They are dose sheets, screenshots or fused pictures stored with the CT images.",
)
def no_ct_values(survey: Survey) -> Iterator[Finding]:
    mask = survey.images & ~survey.gray & survey.says("Modality", "CT")
    if mask.any():
        kinds: dict[str, int] = {}
        for (_, sop_class, _, photometric), n in survey.joint(*CT_KIND).counted(mask):
            image = "secondary capture" if (sop_class or "").startswith(SECONDARY_CAPTURE) else "image"
            kind = f"{photometric or 'unknown'} {image}"
            kinds[kind] = kinds.get(kind, 0) + n
        yield survey.finding("no-ct-values", mask, top(list(kinds.items())))


@rule(
    "color",
    severity="info",
    title="Images are in color",
    tags=("PhotometricInterpretation",),
    by=("PhotometricInterpretation", "Modality"),
    standard="PS3.3 section C.7.6.3.1.2",
    advice="Keep them separate from grayscale images; do not rescale or window them.",
    meaning="Their samples are display colors, not measured values.",
)
def color(survey: Survey) -> Iterator[Finding]:
    tag = survey.joint("PhotometricInterpretation")
    mask = survey.images & ~survey.says("Modality", "CT")
    mask &= tag.where(lambda text: bool(text) and not (text or "").startswith("MONOCHROME"))
    if mask.any():
        yield survey.finding("color", mask, top([(str(text), n) for (text,), n in tag.counted(mask)], "other kinds"))


@rule(
    "overlays",
    severity="info",
    title="Images have overlays",
    by=("SOPInstanceUID",),
    standard="PS3.3 section C.9.2",
    advice="Look at the overlays before sharing: they may hold names; mask the upper bits of the pixels.",
    meaning="Drawings and texts lie over the image, or in bits of its pixels that are not stored values.",
)
def overlays(survey: Survey) -> Iterator[Finding]:
    lines, masks = [], []
    for summary in survey.summaries:
        group, element = divmod(summary.path.tag, 1 << 16)
        if group & 0xFF01 == 0x6000 and element == ROWS_OF_OVERLAY and len(summary.path.elements) == 1:
            masks.append(survey.images & survey.filled(summary.keyword))
            lines.append((f"overlay {(group & 0xFF) // 2 + 1}", file_count(masks[-1])))
    if masks:
        mask = np.logical_or.reduce(masks)
        if mask.any():
            n = file_count(mask)
            title = f"{counted(n, 'image')} {'has' if n == 1 else 'have'} overlays"
            yield survey.finding("overlays", mask, [(label, n) for label, n in lines if n], title=title)
