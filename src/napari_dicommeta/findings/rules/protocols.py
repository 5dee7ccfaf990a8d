"""Rules about the acquisition: what varies between series of one protocol, and the few series that differ."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_dicommeta.dicom.values import number
from napari_dicommeta.findings.evidence import by_files, file_count, roundings, spell_span, top
from napari_dicommeta.findings.rule import rule
from napari_dicommeta.support.sorting import medians, sorted_unique
from napari_dicommeta.support.words import counted

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from napari_dicommeta.findings.finding import Finding
    from napari_dicommeta.findings.survey import Survey

__all__ = ["ACQUISITION", "Protocol", "Setting", "find_protocols"]

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
ADAPTED = ("CTDIvol",)
"""Settings that scanners adapt to each patient, so that every series has another value."""
DOSE_FACTOR = 3.0
"""Factor by which an adapted setting varies with the size of adults: series beyond it are outliers."""
ELSEWHERE = {"CT": ("ConvolutionKernel", "SliceThickness", "KVP"), "MR": ("MagneticFieldStrength",)}
"""Settings on which other rules report what varies."""
MAX_VALUES = 6
"""Number of values of a setting that are named."""
MIN_SERIES, MAX_OUTLIERS = 20, 0.05
"""Number of series of a protocol from which few can be outliers, and the share of series that are few."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """What varies between the series of one protocol.

    `values`: (value, number of series) in order of size; one range of numbers, such as "4.1 to 23", where scanners
    adapt the setting to the patient. `outliers`: (value, series) of the few series that differ from nearly all others.
    `usual`: the value of most series, or the median. `series`: those that state the setting.
    """

    tag: str
    values: tuple[tuple[str, int], ...]
    usual: str
    series: tuple[int, ...]
    outliers: tuple[tuple[str, tuple[int, ...]], ...]

    def __str__(self) -> str:
        names = [text.replace(", ", " ") for text, _ in self.values]
        more = f" and {len(names) - MAX_VALUES} more" if len(names) > MAX_VALUES else ""
        return f"{self.tag} {', '.join(names[:MAX_VALUES])}{more}"


@dataclass(frozen=True, slots=True)
class Protocol:
    """Series of one modality whose protocols, or else descriptions, have the same name; and what varies among them."""

    modality: str
    name: str
    series: tuple[int, ...]
    settings: tuple[Setting, ...]


@rule(
    "protocols-vary",
    severity="info",
    title="Series of one protocol were acquired with different settings",
    tags=ACQUISITION,
    by=("SeriesInstanceUID",),
    standard="PS3.3 section C.7.3.1",
    advice="Group by these settings, or keep to the usual ones; `findings --protocols` prints a table of them.",
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
    varying: dict[str, list[tuple[str, Setting]]] = {}
    outliers: list[tuple[str, tuple[int, ...]]] = []
    for protocol in find_protocols(survey):
        for setting in protocol.settings:
            if setting.tag not in ELSEWHERE.get(protocol.modality, ()):
                label = f"{setting} in {counted(len(setting.series), 'series')} of a protocol"
                varying.setdefault(protocol.modality, []).append((label, setting))
            usual = "the median is" if setting.tag in ADAPTED else "usually"
            outliers += [
                (f"{setting.tag} {value}, {usual} {setting.usual}", series) for value, series in setting.outliers
            ]
    for modality, settings in varying.items():
        masks = [(label, _mask(survey, setting.series)) for label, setting in settings]
        tags = tuple(dict.fromkeys(setting.tag for _, setting in settings))
        yield survey.finding(
            "protocols-vary",
            np.logical_or.reduce([mask for _, mask in masks]),
            top(by_files((label, file_count(mask)) for label, mask in masks), "others, each in at most", together=max),
            title=f"{modality or 'No modality'}: {counted(len(tags), 'setting')} "
            f"{'varies' if len(tags) == 1 else 'vary'} between series of one protocol",
            tags=tags,
            scope=modality,
        )
    if outliers:
        masks = [(label, _mask(survey, series)) for label, series in outliers]
        n = len({k for _, series in outliers for k in series})
        yield survey.finding(
            "protocol-outliers",
            np.logical_or.reduce([mask for _, mask in masks]),
            top(by_files((label, file_count(mask)) for label, mask in masks), "others, each in at most", together=max),
            title=f"{n} series {'differs' if n == 1 else 'differ'} from nearly all others of their protocol",
        )


def find_protocols(survey: Survey) -> tuple[Protocol, ...]:
    """Return the protocols with two series or more, most series first; localizers and screenshots are left out."""
    rows = np.flatnonzero(survey.sectional & ~survey.localizers)
    if not len(rows):
        return ()
    series, at = np.unique(survey.series_ids[rows], return_index=True)
    kinds = survey.joint("Modality", "ProtocolName", "SeriesDescription")
    of_kind: dict[tuple[str, str], list[int]] = {}
    names: dict[tuple[str, str], str] = {}
    for k, row in zip(series.tolist(), rows[at].tolist(), strict=True):
        modality, protocol, description = kinds.texts[kinds.ids[row]]
        words = (protocol or description or "").split()
        if words:
            kind = (modality or "", " ".join(words).casefold())
            names.setdefault(kind, " ".join(words))
            of_kind.setdefault(kind, []).append(k)
    several = {kind: members for kind, members in of_kind.items() if len(members) > 1}
    if not several:
        return ()
    rows = rows[np.isin(survey.series_ids[rows], [k for members in several.values() for k in members])]
    stated = {tag: values for tag in ACQUISITION if (values := _of_series(survey, tag, rows))}
    found = []
    for kind, members in several.items():
        settings = (_setting(tag, members, [values.get(k, "") for k in members]) for tag, values in stated.items())
        found.append(Protocol(kind[0], names[kind], tuple(members), tuple(filter(None, settings))))
    return tuple(sorted(found, key=lambda protocol: (-len(protocol.series), protocol.modality, protocol.name)))


def _of_series(survey: Survey, tag: str, rows: np.ndarray) -> dict[int, str]:
    """Return what the images of each series state, several values in order of size; "" is left out."""
    column = survey.joint(tag)
    span = len(column.texts)
    if (np.bincount(column.ids[rows], minlength=span) > 0).sum() < 2:  # nothing varies
        return {}
    of_series: dict[int, set[str]] = {}
    for pair in sorted_unique(survey.series_ids[rows] * span + column.ids[rows]).tolist():
        for value in (column.texts[pair % span][0] or "").split(" | "):
            if value:
                of_series.setdefault(pair // span, set()).add(value)
    if tag in ADAPTED:  # also from slice to slice
        return {k: _median(values) for k, values in of_series.items()}
    return {k: " | ".join(sorted(values, key=_in_order)) for k, values in of_series.items()}


def _median(texts: set[str]) -> str:
    numbers = [value for text in texts if (value := number(text)) is not None and value > 0]
    return f"{float(medians(np.array(numbers))):.6g}" if numbers else ""


def _setting(tag: str, members: Sequence[int], texts: Sequence[str]) -> Setting | None:
    """Return what varies in `tag` between the series `members`, None if nothing does."""
    stated = [(k, text) for k, text in zip(members, texts, strict=True) if text]
    values = _alike([text for _, text in stated])
    series = tuple(k for k, _ in stated)
    if tag in ADAPTED:
        return _adapted(tag, series, [float(text) for _, text in stated])
    counts = Counter(values)
    if len(counts) < 2:
        return None
    usual = counts.most_common(1)[0][0]
    few: dict[str, list[int]] = {}
    for k, value in zip(series, values, strict=True):
        if value != usual:
            few.setdefault(value, []).append(k)
    is_few = len(series) >= MIN_SERIES and sum(map(len, few.values())) <= MAX_OUTLIERS * len(series)
    return Setting(
        tag=tag,
        values=tuple(sorted(counts.items(), key=lambda pair: _in_order(pair[0]))),
        usual=usual,
        series=series,
        outliers=tuple((value, tuple(of_value)) for value, of_value in few.items()) if is_few else (),
    )


def _adapted(tag: str, series: tuple[int, ...], numbers: list[float]) -> Setting | None:
    """Return the range of a setting that is adapted to each patient, None if it varies no more than that explains."""
    if not numbers or max(numbers) <= DOSE_FACTOR * min(numbers):
        return None
    median = float(medians(np.array(numbers)))
    few = [
        (f"{value:.4g}", (k,))
        for k, value in zip(series, numbers, strict=True)
        if not median / DOSE_FACTOR <= value <= median * DOSE_FACTOR
    ]
    is_few = len(series) >= MIN_SERIES and len(few) <= MAX_OUTLIERS * len(series)
    return Setting(
        tag=tag,
        values=((spell_span(numbers), len(series)),),
        usual=f"{median:.4g}",
        series=series,
        outliers=tuple(few) if is_few else (),
    )


def _in_order(text: str) -> tuple[float, str]:
    """Return a sort key for values: numbers by size, before texts."""
    value = number(text.split(", ")[0])
    return float("inf") if value is None else value, text


def _alike(texts: list[str]) -> list[str]:
    """Return the values for comparison; roundings of one number are one text."""
    parts = [text.replace(" | ", "\\").split("\\") for text in texts]
    parsed = [tuple(number(part) for part in of_text) for of_text in parts]
    if len({len(value) for value in parsed}) != 1 or any(part is None for value in parsed for part in value):
        return [", ".join(of_text) for of_text in parts]
    numbers = [tuple(part or 0.0 for part in value) for value in parsed]
    leader = roundings(Counter(numbers))
    return [", ".join(f"{part:.6g}" for part in leader[value]) for value in numbers]


def _mask(survey: Survey, series: Sequence[int]) -> np.ndarray:
    return np.asarray(survey.sectional & ~survey.localizers & np.isin(survey.series_ids, series))
