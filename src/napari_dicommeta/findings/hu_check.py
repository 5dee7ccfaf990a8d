"""Comparison of a sample of CT pixels with the tags that declare them HU (PS3.3 section C.11.1.1.2).

Air lies near -1000 HU and soft tissue near 0 to 60. A body in air therefore has two populations 1000 to 1060 HU
apart, and nothing but padding below -1100. If that does not hold, known faults of files are undone in turn. The
fault whose correction yields the values of a body in air is reported. If none does, for example without air or
tissue in the field of view, nothing is reported.
"""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from napari_dicommeta.dicom.units import unit_words
from napari_dicommeta.findings.finding import Finding
from napari_dicommeta.findings.hu_sample import DEEP, HIGHEST, LOWEST, HUSample, population_of, read_sample
from napari_dicommeta.findings.rule import kind_of, rule
from napari_dicommeta.findings.uses import with_uses
from napari_dicommeta.support.errors import PixelError
from napari_dicommeta.support.words import counted, display
from napari_dicommeta.volumes.load import load_series

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator, Sequence

    from napari_dicommeta.catalog.catalog import Series
    from napari_dicommeta.findings.hu_sample import Population
    from napari_dicommeta.volumes.volume import Volume

__all__ = [
    "Checked",
    "HUCheckProgress",
    "check_sample",
    "hu_findings",
    "iter_hu_check",
    "why_unchecked",
]

MIN_PIXELS = 4096
"""Minimum number of pixels in a sample."""
MIN_SHIFT_HU = 500
"""HU; smaller shifts may be lung mistaken for air, not a wrong intercept."""
USUAL_INTERCEPTS = (-1024, -1000, -2048, -8192, -32768, 0)
NEAR_HU = 60
"""HU; deviation of air from -1000 in a well calibrated image with some noise."""
USUAL_FACTORS = (2.0, 4.0, 0.5)
FACTORS = tuple(1.04**n for n in range(-19, 42))
"""0.47 to 5; smaller factors would turn lung into tissue."""
CONSTANT_SHARE = 0.95
"""Share of a single value above which an image has no populations."""
MAX_PADDINGS = 2
HU_STANDARD = "PS3.3 section C.11.1.1.2"


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """Result for one volume: its sample and findings, or why it was not checked.

    `state`: "checked"; "not-ct", "localizer", "labels", "color" or "no-hu" for a volume whose values need not be HU;
    "too-small" for a sample with too few pixels; "unreadable" if its pixels could not be read; "refused" for files
    that cannot be used in a volume. `reason`: the state in words, "" if checked.
    """

    series_instance_uid: str
    name: str
    state: str = "checked"
    reason: str = ""
    sample: HUSample | None = None
    findings: tuple[Finding, ...] = ()


@dataclass(frozen=True, slots=True)
class HUCheckProgress:
    """Progress of a check: series done, their total, and the results for the volumes of the last series."""

    done: int
    total: int
    checked: tuple[Checked, ...] = ()

    @property
    def findings(self) -> tuple[Finding, ...]:
        """Findings of the last series."""
        return tuple(finding for checked in self.checked for finding in checked.findings)


def iter_hu_check(series: Sequence[Series]) -> Generator[HUCheckProgress, None, tuple[Checked, ...]]:
    """Yield progress before the first and after each of `series`; return the results for all volumes.

    Closing the generator ends the check. Only some slices of CT volumes are read. This takes a few milliseconds per
    volume, more if frames are compressed.
    """
    results: list[Checked] = []
    yield HUCheckProgress(0, len(series))
    for done, of_series in enumerate(series, 1):
        checked = tuple(_check_series(of_series))
        results += checked
        yield HUCheckProgress(done, len(series), checked)
    return tuple(results)


def hu_findings(checked: Sequence[Checked]) -> tuple[Finding, ...]:
    """Return all findings of a check, and a finding on the CT volumes whose pixels could not be read."""
    return (*(finding for volume in checked for finding in volume.findings), *_unread(checked))


@rule(
    "hu-unread",
    severity="decision",
    title="The pixels of CT volumes could not be read: nothing is known about their HU",
    tags=("PixelData",),
    standard=HU_STANDARD,
    advice="Make sure that the files exist and are complete, then run the check again.",
    meaning="Volumes that were not checked are not known to be right.",
    needs="pixels",
)
def _unread(checked: Sequence[Checked]) -> Iterator[Finding]:
    unread = [volume for volume in checked if volume.state == "unreadable"]
    if unread:
        uids = tuple(dict.fromkeys(volume.series_instance_uid for volume in unread if volume.series_instance_uid))
        finding = _finding(
            "hu-unread",
            f"The pixels of {counted(len(unread), 'CT volume')} could not be read: nothing is known about their HU",
        )
        yield replace(
            finding,
            evidence=tuple(Counter(volume.reason for volume in unread).most_common(12)),
            selection=(("SeriesInstanceUID", uids),) if uids else (),
        )


def _check_series(series: Series) -> Iterator[Checked]:
    def unchecked(state: str, reason: str, name: str = series.name) -> Checked:
        return Checked(series_instance_uid=series.series_instance_uid, name=name, state=state, reason=reason)

    if series.modality != "CT" and "CT" not in series.catalog.values("Modality"):
        yield unchecked("not-ct", f"{series.modality or 'no modality'}, not CT")
        return
    volumes, refusals = load_series(series)
    types = dict(zip(series.catalog.paths, series.catalog.column_texts("ImageType"), strict=True))
    for volume in volumes:
        image_types = tuple(dict.fromkeys(types.get(path) or "" for path, _ in volume.files))
        state, reason = why_unchecked(volume, image_types)
        if state:
            yield unchecked(state, reason, volume.name)
            continue
        try:
            sample = read_sample(volume, series.catalog)
        except PixelError as error:
            yield unchecked("unreadable", f"{os.path.basename(error.path)}: {error.reason}", volume.name)
            continue
        findings = check_sample(volume, sample)
        if not series.series_instance_uid and findings:
            uids = tuple(dict.fromkeys(uid for uid in series.catalog.column_texts("SOPInstanceUID") if uid))
            findings = tuple(replace(finding, selection=(("SOPInstanceUID", uids),)) for finding in findings)
        too_small = sample.n < MIN_PIXELS
        yield Checked(
            series_instance_uid=volume.series_instance_uid,
            name=volume.name,
            state="too-small" if too_small else "checked",
            reason=f"a sample of {sample.n:,} pixels is too small" if too_small else "",
            sample=sample,
            findings=findings,
        )
    for refusal in refusals:
        yield unchecked("refused", str(refusal))


def why_unchecked(volume: Volume, image_types: Sequence[str] = ()) -> tuple[str, str]:
    """Return why the values of a volume need not be HU of a body, as (state, reason); ("", "") if they must be.

    `image_types`: *Image Type* (0008,0008) of its files. `Checked` lists the states.
    """
    if volume.modality != "CT":
        return "not-ct", f"{volume.modality or 'no modality'}, not CT"
    if volume.is_labels:
        return "labels", "labels"
    if volume.is_color:
        return "color", "color"
    if any("LOCALIZER" in image_type.split("\\") for image_type in image_types):
        return "localizer", "a localizer: projections do not hold HU"
    missing = any(note.code == "rescale-missing" for note in volume.notes)
    if volume.units != "HU" and not missing:
        words = unit_words(volume.units) or volume.units
        reason = f"its units are {words}, not HU" if words else "its files do not state HU"
        return "no-hu", reason
    return "", ""


def check_sample(volume: Volume, sample: HUSample) -> tuple[Finding, ...]:
    """Return findings on sampled values that contradict the tags of their volume; () if none does."""
    if why_unchecked(volume, sample.image_types)[0] or sample.n < MIN_PIXELS:
        return ()
    body = population_of(sample)
    if body.spike[1] > CONSTANT_SHARE:
        return ()
    paddings: list[tuple[float, float]] = []
    rest, remaining = body, 1.0
    while not (rest.is_in_place and rest.below < 0.01):
        value, share = rest.spike
        if not share or value >= LOWEST or len(paddings) == MAX_PADDINGS:
            break
        paddings.append((value, share * remaining))
        rest, remaining = rest.without_spike(), remaining * (1 - share)
    else:
        wrapped = [_wrong_sign(rest, sample)] if _is_wrapped(rest, sample) else []
        return _about(volume, sample, [*wrapped, *(_padding(sample, *spike) for spike in paddings)])
    if explained := _explained(body, sample):
        return _about(volume, sample, [explained])
    # Neither right nor explained: of several isolated values, only the lowest can be padding.
    rest = body.without_spike() if paddings else body
    below = [_below(rest)] if rest.below >= 0.01 else []
    return _about(volume, sample, [*below, *(_padding(sample, *spike) for spike in paddings[:1])])


def _about(volume: Volume, sample: HUSample, findings: Sequence[Finding]) -> tuple[Finding, ...]:
    """Return `findings` with the series concerned and the number of sampled slices."""
    uid = volume.series_instance_uid
    return tuple(
        replace(
            finding,
            title=f"{display(volume.name, 60)}: {finding.title}",
            selection=(("SeriesInstanceUID", (uid,)),) if uid else (),
            evidence=(("slices sampled", sample.n_slices),),
            files=len({path for path, _ in volume.files}),
            scope=hashlib.blake2b(f"{uid} {volume.name}".encode(), digest_size=6).hexdigest(),
        )
        for finding in findings
    )


def _is_wrapped(body: Population, sample: HUSample) -> bool:
    """Return whether the few pixels far below air are dense bone whose highest bit was read as a sign."""
    change = _other_sign(sample)
    if change is None or not sample.signed:
        return False
    below, deep, other = body.share(-np.inf, LOWEST), body.share(-np.inf, DEEP), body.mapped(change)
    return (
        0.0002 <= deep < 0.05
        and deep >= 0.8 * below
        and other.share(-np.inf, LOWEST) <= 0.1 * below
        and other.share(HIGHEST, np.inf) <= 0.001
    )


def _other_sign(sample: HUSample) -> Callable[[np.ndarray], np.ndarray] | None:
    """Return a function that maps HU to HU with the sign inverted in *Pixel Representation*; None if tags differ."""
    if sample.rescale is None or sample.bits is None or sample.signed is None:
        return None
    (slope, intercept), size, signed = sample.rescale, float(1 << sample.bits), sample.signed

    def change(values: np.ndarray) -> np.ndarray:
        stored = (values - intercept) / slope
        moved = np.where(stored < 0, size, 0.0) if signed else np.where(stored >= size / 2, -size, 0.0)
        return np.asarray((stored + moved) * slope + intercept)

    return change


def _explained(body: Population, sample: HUSample) -> Finding | None:
    """Return the fault whose correction yields the values of a body in air; specific faults first."""
    if (change := _other_sign(sample)) and body.found_by(change):
        return _wrong_sign(body, sample)
    lowest = [body.lowest_population, body.without_spike().lowest_population]
    airs = list(dict.fromkeys(air for air in lowest if air is not None))
    if sample.rescale is not None and sample.rescale != (1.0, 0.0):
        slope, intercept = sample.rescale
        if body.found_by(lambda values: (values - intercept) / slope):
            at = next(
                (air for air in airs if abs((air - intercept) / slope + 1000) <= NEAR_HU), -1000 * slope + intercept
            )
            return _twice(at, slope, intercept)
    shifted = [_shifted(air, sample) for air in airs if abs(air + 1000) > MIN_SHIFT_HU and _is_air(body, air)]
    named = (finding for finding in shifted if finding.code != "hu-intercept")
    return next(named, None) or _scaled(body, sample) or next(iter(shifted), None)


def _is_air(body: Population, air: float) -> bool:
    return body.found_by(lambda values: values - air - 1000) is not None


_intercept_rule = partial(
    rule,
    severity="wrong",
    tags=("RescaleIntercept",),
    standard=HU_STANDARD,
    advice="Look at the histogram, then correct Rescale Intercept, or leave the series out.",
    meaning="The values are not HU: thresholds, windows and averages are off.",
    needs="pixels",
)


@_intercept_rule("hu-intercept", title="Air does not lie near -1000: the intercept is wrong")
@_intercept_rule("hu-intercept-missing", title="Air does not lie near -1000: the intercept is missing")
@_intercept_rule("hu-intercept-doubled", title="Air does not lie near -1000: the intercept is doubled")
@_intercept_rule("hu-intercept-sign", title="Air does not lie near -1000: the intercept has the wrong sign")
def _shifted(air: float, sample: HUSample) -> Finding:
    """Return the finding on air that is not near -1000, with the intercept that would fit."""
    stated = sample.rescale[1] if sample.rescale else None
    fitting = -(air + 1000) + (stated or 0.0)
    usual = min(USUAL_INTERCEPTS, key=lambda intercept: abs(intercept - fitting))
    is_usual = abs(usual - fitting) <= NEAR_HU
    fitting = usual if is_usual else round(fitting)
    where = f"air lies at {air:.0f}, not near -1000"
    if stated is None:
        code, cause = "hu-intercept", f"the intercepts are wrong by {-(air + 1000):.0f}"
    elif stated == 0 and is_usual:
        code, cause = "hu-intercept-missing", f"the intercept of {fitting:g} is probably missing"
    elif is_usual and abs(stated - 2 * fitting) <= NEAR_HU:
        code, cause = "hu-intercept-doubled", f"the intercept of {stated:g} is probably {fitting:g}, doubled"
    elif is_usual and abs(stated + fitting) <= NEAR_HU:
        code, cause = "hu-intercept-sign", f"the intercept of {stated:g} probably has the wrong sign, {fitting:g} fits"
    else:
        code, cause = "hu-intercept", f"an intercept of {fitting:g} would fit, not {stated:g}"
    return _finding(code, f"{where}: {cause}")


@rule(
    "hu-rescale-twice",
    severity="wrong",
    title="Stored values are already HU, and slope and intercept are applied again",
    tags=("RescaleSlope", "RescaleIntercept"),
    standard=HU_STANDARD,
    advice="Use the stored values as HU (slope 1, intercept 0), or leave the series out.",
    meaning="The values are not HU: thresholds, windows and averages are off.",
    needs="pixels",
)
def _twice(air: float, slope: float, intercept: float) -> Finding:
    return _finding(
        "hu-rescale-twice",
        f"air lies at {air:.0f}, not near -1000: stored values are already HU, and slope {slope:g} and "
        f"intercept {intercept:g} are applied again",
    )


@rule(
    "hu-sign",
    severity="wrong",
    title="Values are read with the wrong sign",
    tags=("PixelRepresentation", "BitsStored"),
    standard="PS3.3 section C.7.6.3.1",
    advice="Read the stored values with the other sign, or leave the series out.",
    meaning="Dense bone and air change places: values wrap around at the highest bit.",
    needs="pixels",
)
def _wrong_sign(body: Population, sample: HUSample) -> Finding:
    below = body.share(-np.inf, LOWEST)
    read, meant = ("signed", "unsigned") if sample.signed else ("unsigned", "signed")
    size = 1 << (sample.bits or 16)
    symptom = f"{below:.2%} of the pixels lie below {LOWEST}" if sample.signed else "air lies far above soft tissue"
    return _finding(
        "hu-sign",
        f"{symptom}: {meant} values are read as {read}, which shifts some of them by {size:,}",
        advice=f"Read the stored values as {meant}, or leave the series out.",
    )


@rule(
    "hu-slope",
    severity=("wrong", "decision"),
    title="Air and soft tissue are too far apart or too close: the slope is wrong",
    tags=("RescaleSlope",),
    standard=HU_STANDARD,
    advice="Look at the histogram, then correct Rescale Slope, or leave the series out.",
    meaning="The values are not HU: differences between tissues are too large or too small.",
    needs="pixels",
)
def _scaled(body: Population, sample: HUSample) -> Finding | None:
    """Return the finding on a wrong distance of air and soft tissue, None if no factor corrects it."""
    if sample.rescale is None:
        return None
    slope, intercept = sample.rescale
    named = [
        *USUAL_FACTORS,
        *(factor for factor in (slope, 1 / slope) if factor >= FACTORS[0] and not 0.8 < factor < 1.25),
    ]
    factors = [*named, *(factor for factor in FACTORS if not 0.8 < factor < 1.25)]
    corrected = ((factor, body.found_by(partial(_scaled_by, factor, intercept))) for factor in factors)
    fitting = {factor: float(other.windows(0, 80).max()) for factor, other in corrected if other is not None}
    if not fitting:
        return None
    best = max(fitting, key=lambda factor: fitting[factor])
    # Soft tissue is a broad population, so a known factor close to the best one is preferred.
    best = next((factor for factor in named if factor in fitting and abs(factor / best - 1) < 0.12), best)
    return _finding(
        "hu-slope",
        f"air and soft tissue are about {1040 * best:.0f} HU apart, not 1000 to 1060: a slope of about "
        f"{slope / best:.2g} would fit, not {slope:g}",
        severity="wrong" if best in named else "decision",
    )


def _scaled_by(factor: float, intercept: float, values: np.ndarray) -> np.ndarray:
    return (values - intercept) / factor + intercept


@rule(
    "hu-below",
    severity="decision",
    title="Pixels lie below all values found in a body",
    tags=("RescaleIntercept", "PixelPaddingValue"),
    standard=HU_STANDARD,
    advice="Find out what these pixels are before averaging or scaling values.",
    meaning="These pixels shift averages, ranges and automatic windows, whatever they are.",
    needs="pixels",
)
def _below(body: Population) -> Finding:
    lowest = body.lowest_population
    where = f", most of them near {lowest:.0f}" if lowest is not None and lowest < LOWEST else ""
    return _finding(
        "hu-below",
        f"{body.share(-np.inf, LOWEST):.1%} of the pixels lie below {LOWEST}{where}: no tissue is that low, and the "
        "files do not state padding there",
    )


@rule(
    "hu-padding",
    severity="decision",
    title="One value looks like padding that the files do not state",
    tags=("PixelPaddingValue",),
    standard="PS3.3 section C.7.5.1.1.2",
    advice="Leave the value out of statistics, or set it to -1000, before averaging or scaling values.",
    meaning="Padding shifts averages, ranges and automatic windows.",
    needs="pixels",
)
def _padding(sample: HUSample, value: float, share: float) -> Finding:
    stated = f", while Pixel Padding Value is {' or '.join(sample.stated_padding)}" if sample.stated_padding else ""
    stored = ""
    if sample.rescale is not None:
        slope, intercept = sample.rescale
        stored = f" (stored {(value - intercept) / slope:g})"
    return _finding(
        "hu-padding",
        f"{share:.1%} of the pixels are exactly {value:g}{stored}, which looks like padding{display(stated)}",
        advice=f"Leave {value:g} out of statistics, or set it to -1000, before averaging or scaling values.",
    )


def _finding(code: str, title: str, severity: str = "", advice: str = "") -> Finding:
    """Return a finding; arguments left empty are those registered for `code`."""
    kind = kind_of(code)
    return Finding(
        code=code,
        severity=severity or kind.severities[0],
        title=title,
        tags=kind.tags,
        standard=kind.standard,
        advice=advice or kind.advice,
        meaning=with_uses(code, kind.meaning),
    )
