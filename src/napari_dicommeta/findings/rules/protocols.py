"""Rules about the acquisition: what varies between series of one protocol, and the few series that differ."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import numpy as np

from napari_dicommeta.dicom.values import number
from napari_dicommeta.findings.evidence import by_files, file_count, roundings, top
from napari_dicommeta.findings.rule import rule
from napari_dicommeta.support.sorted_unique import sorted_unique
from napari_dicommeta.support.words import counted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari_dicommeta.findings.finding import Finding
    from napari_dicommeta.findings.survey import Survey

ACQUISITION = (
    "KVP",
    "ConvolutionKernel",
    "SliceThickness",
    "EchoTime",
    "RepetitionTime",
    "InversionTime",
    "FlipAngle",
    "MagneticFieldStrength",
    "ReconstructionMethod",
    "DiffusionBValue",
    "CTDIvol",
)
ELSEWHERE = {"CT": ("ConvolutionKernel", "SliceThickness", "KVP"), "MR": ("MagneticFieldStrength",)}
"""Settings on which other rules report what varies."""
MAX_VALUES = 6
"""Number of values of a setting that a line of evidence names."""
MIN_SERIES, MAX_OUTLIERS = 20, 0.05
"""Number of series of a protocol from which few can be outliers, and the share of series that are few."""


@rule(
    "protocols-vary",
    severity="info",
    title="Series of one protocol were acquired with different settings",
    tags=ACQUISITION,
    by=("SeriesInstanceUID",),
    standard="PS3.3 section C.7.3.1",
    advice="Group by these settings, or keep to the usual ones; the name of a protocol is no guarantee.",
    meaning="Contrast, noise and resolution differ although the protocol has the same name.",
)
@rule(
    "protocol-outliers",
    severity="decision",
    title="A few series differ from all others of their protocol",
    tags=ACQUISITION,
    by=("SeriesInstanceUID",),
    standard="PS3.3 section C.7.3.1",
    advice="Look at these series: leave them out, or report results with and without them.",
    meaning="Rare settings are outliers that a model has hardly seen, and often repeated or failed scans.",
)
def protocols(survey: Survey) -> Iterator[Finding]:
    """Yield findings on settings that vary between series of one modality and protocol; names are not repeated."""
    rows = np.flatnonzero(survey.sectional)
    if not len(rows):
        return
    series, at = np.unique(survey.series_ids[rows], return_index=True)
    firsts = rows[at]
    kinds = survey.joint("Modality", "ProtocolName", "SeriesDescription")
    of_kind: dict[tuple[str, str], list[int]] = {}
    for k, row in enumerate(firsts.tolist()):
        modality, protocol, description = kinds.texts[kinds.ids[row]]
        name = " ".join((protocol or description or "").casefold().split())
        if name:
            of_kind.setdefault((modality or "", name), []).append(k)
    varying: dict[str, dict[str, list[tuple[str, list[int]]]]] = {}
    outliers: list[tuple[str, list[int]]] = []
    for (modality, _), members in of_kind.items():
        if len(members) < 2:
            continue
        for tag in ACQUISITION:
            values = _values(survey, tag, firsts[members])
            stated = [k for k, value in zip(members, values, strict=True) if value]
            counts = Counter(filter(None, values))
            if len(counts) < 2:
                continue
            if tag not in ELSEWHERE.get(modality, ()):
                named = ", ".join(text.replace(", ", " ") for text in sorted(counts, key=_in_order)[:MAX_VALUES])
                more = f" and {len(counts) - MAX_VALUES} more" if len(counts) > MAX_VALUES else ""
                varying.setdefault(modality, {}).setdefault(tag, []).append((f"{tag} {named}{more}", stated))
            usual, n = counts.most_common(1)[0]
            few = [(k, value) for k, value in zip(members, values, strict=True) if value and value != usual]
            if len(stated) >= MIN_SERIES and len(few) <= MAX_OUTLIERS * len(stated):
                for value in dict.fromkeys(value for _, value in few):
                    outliers.append((f"{tag} {value}, usually {usual}", [k for k, other in few if other == value]))
    for modality, of_tag in varying.items():
        lines, every = [], np.zeros(survey.n_files, dtype=bool)
        for groups in of_tag.values():
            for label, members in groups:
                mask = _mask(survey, [series[k] for k in members])
                lines.append((f"{label} in {counted(len(members), 'series')} of a protocol", file_count(mask)))
                every |= mask
        yield survey.finding(
            "protocols-vary",
            every,
            top(by_files(lines), "others, each in at most", together=max),
            title=f"{modality or 'No modality'}: {counted(len(of_tag), 'setting')} "
            f"{'varies' if len(of_tag) == 1 else 'vary'} between series of one protocol",
            tags=tuple(of_tag),
            scope=modality,
        )
    if outliers:
        masks = [(label, _mask(survey, [series[k] for k in members])) for label, members in outliers]
        every = np.logical_or.reduce([mask for _, mask in masks])
        n = len(sorted_unique(survey.series_ids[every]))
        yield survey.finding(
            "protocol-outliers",
            every,
            top(by_files((label, file_count(mask)) for label, mask in masks), "others, each in at most", together=max),
            title=f"{n} series {'differs' if n == 1 else 'differ'} from nearly all others of their protocol",
        )


def _in_order(text: str) -> tuple[float, str]:
    """Return a sort key for values: numbers by size, before texts."""
    value = number(text.split(" by ")[0])
    return float("inf") if value is None else value, text


def _values(survey: Survey, tag: str, rows: np.ndarray) -> list[str]:
    """Return the value of each row for comparison, "" if absent; roundings of one number are one text."""
    column = survey.joint(tag)
    texts = [(column.texts[k][0] or "").split(" | ")[0] for k in column.ids[rows].tolist()]
    parsed = [tuple(number(part) for part in text.split("\\")) for text in texts]
    lengths = {len(value) for value, text in zip(parsed, texts, strict=True) if text}
    if len(lengths) != 1 or any(
        part is None for value, text in zip(parsed, texts, strict=True) if text for part in value
    ):
        return [text.replace("\\", " ") for text in texts]
    numbers = [tuple(part or 0.0 for part in value) for value in parsed]
    leader = roundings(Counter(value for value, text in zip(numbers, texts, strict=True) if text))
    return [
        " by ".join(f"{part:.6g}" for part in leader[value]) if text else ""
        for value, text in zip(numbers, texts, strict=True)
    ]


def _mask(survey: Survey, series: list[int]) -> np.ndarray:
    return np.asarray(survey.sectional & np.isin(survey.series_ids, series))
