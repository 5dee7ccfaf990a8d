"""Rules about CT reconstructions: kernels, slice thicknesses, and several of one acquisition."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_dicommeta.findings.evidence import by_files, component_numbers, roundings, top
from napari_dicommeta.findings.rule import rule
from napari_dicommeta.support.sorting import sorted_unique

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari_dicommeta.findings.finding import Finding
    from napari_dicommeta.findings.survey import Survey


@rule(
    "kernels",
    severity="decision",
    title="CT images have several convolution kernels",
    tags=("ConvolutionKernel",),
    by=("ConvolutionKernel", "Modality", "SamplesPerPixel", "SOPClassUID"),
    standard="PS3.3 section C.8.2.1",
    advice="Group by kernel, or keep to one; do not let it correlate with the label to be learned.",
    meaning="Sharp kernels add noise and edges: texture and small densities differ although the tissue does not.",
)
@rule(
    "thicknesses",
    severity="decision",
    title="CT images have several slice thicknesses",
    tags=("SliceThickness",),
    by=("SliceThickness", "Modality", "SamplesPerPixel", "SOPClassUID"),
    standard="PS3.3 section C.7.6.2.1",
    advice="Keep to a range, or resample thin slices by averaging; interpolating thick ones adds no detail.",
    meaning="Thick slices average over small structures and are less noisy than thin ones.",
)
def reconstructions(survey: Survey) -> Iterator[Finding]:
    """Yield findings on mixed kernels and slice thicknesses in CT; roundings of one thickness are one."""
    for code, tag, noun, unit in (
        ("kernels", "ConvolutionKernel", "convolution kernels", ""),
        ("thicknesses", "SliceThickness", "slice thicknesses", " mm"),
    ):
        joint = survey.joint(tag)
        held = survey.ct & ~survey.localizers & survey.filled(tag)
        weights = {text or "": n for (text,), n in joint.counted(held)}
        parsed = {text: component_numbers(text, 1) for text in weights} if unit else {}
        lengths = roundings({value[0]: weights[text] for text, value in parsed.items() if len(value) == 1})
        named = {
            text: f"{lengths[parsed[text][0]][0]:.7g}" if len(parsed.get(text, ())) == 1 else text for text in weights
        }
        lines: dict[str, int] = {}
        for text, n in weights.items():
            lines[named[text]] = lines.get(named[text], 0) + n
        if len(lines) > 1:
            numbers = {name: i for i, name in enumerate(lines)}
            ids = np.array([numbers.get(named.get(text or "", ""), -1) for (text,) in joint.texts])[joint.ids]
            n = len(sorted_unique(survey.series_ids[survey.mixing(ids, survey.series_ids, held)]))
            inside = f"; {n} series {'mixes' if n == 1 else 'mix'} them" if n else ""
            yield survey.finding(
                code,
                held,
                top([(name.replace("\\", ", ") + unit, n) for name, n in by_files(lines.items())], "others"),
                title=f"CT images have {len(lines)} {noun}{inside}",
            )


@rule(
    "one-acquisition",
    severity="decision",
    title="Acquisitions were reconstructed several times",
    tags=("StudyInstanceUID", "FrameOfReferenceUID", "AcquisitionNumber", "ConvolutionKernel", "SliceThickness"),
    by=("SeriesInstanceUID",),
    standard="PS3.3 section C.7.6.1",
    advice="Choose one reconstruction of each acquisition; never split those of one into training and test sets.",
    meaning="They show the same patient at the same moment: they are not independent cases.",
)
def one_acquisition(survey: Survey) -> Iterator[Finding]:
    """Yield a finding on series that are reconstructions of the same scan."""
    names = ("StudyInstanceUID", "FrameOfReferenceUID", "AcquisitionNumber", "AcquisitionDate", "AcquisitionTime")
    rows = np.flatnonzero(survey.ct)
    if len(survey.series) < 2 or not len(rows):
        return
    ids, at = np.unique(survey.series_ids[rows], return_index=True)
    joint = survey.joint(*names, "ConvolutionKernel", "SliceThickness")
    groups: dict[tuple[str | None, ...], list[tuple[int, tuple[str | None, ...]]]] = {}
    for series, row in zip(ids.tolist(), rows[at].tolist(), strict=True):
        texts = joint.texts[joint.ids[row]]
        if texts[0] and texts[1] and (texts[2] or texts[4]):
            groups.setdefault(texts[:5], []).append((series, texts[5:]))
    several = [group for group in groups.values() if len({how for _, how in group}) > 1]
    if several:
        mask = survey.ct & np.isin(survey.series_ids, [series for group in several for series, _ in group])
        counts: dict[str, int] = {}
        sizes = np.bincount(survey.series_ids[survey.ct], minlength=len(survey.series))
        for group in several:
            for series, (kernel, thickness) in group:
                label = f"kernel {(kernel or 'not stated').replace(chr(92), ', ')}, {thickness or '?'} mm"
                counts[label] = counts.get(label, 0) + int(sizes[series])
        yield survey.finding(
            "one-acquisition",
            mask,
            top(by_files(counts.items()), "other reconstructions"),
            title=f"{len(several)} acquisition{'s were' if len(several) > 1 else ' was'} reconstructed several times, "
            f"into {sum(map(len, several))} series",
        )
