"""Rules about the volumes of a folder's series: what their notes say together, and the steps between their slices."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_dicommeta.dicom.values import number
from napari_dicommeta.findings.survey import spell_span, top

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from napari_dicommeta.findings.check import Finding
    from napari_dicommeta.findings.survey import Survey, VolumeFacts

__all__ = ["VOLUME_RULES"]

PLACE = "PS3.3 section C.7.6.2"
SEVERAL = "PS3.3 section C.7.6.17"
NOTED = {  # code of a note -> (what is so in n volumes, section, advice, meaning)
    "gap": (
        "Slices are missing in",
        PLACE,
        "Leave them out, ask for the slices, or open them parted at the gaps (split='gaps'); never stack over a gap.",
        "Stacked as if nothing were missing, everything behind the gap lies too near.",
    ),
    "uneven": (
        "Slices lie at uneven distances in",
        PLACE,
        "Resample along the positions, not by slice number.",
        "One spacing for the whole volume is wrong somewhere: lengths and volumes along the slices are off.",
    ),
    "beside": (
        "Slices lie beside the line of the others in",
        PLACE,
        "Look at these slices: move them to their place by resampling, or leave the volume out.",
        "Stacked without regard to it, anatomy jumps sideways from slice to slice.",
    ),
    "tilt": (
        "Slices are sheared by a gantry tilt in",
        "PS3.3 section C.8.15.3.3",
        "Shear or resample them to a right-angled grid by their affine.",
        "An array taken as a box shows the patient slanted.",
    ),
    "left-out": (
        "Slices are doubled, and the copies left out, in",
        SEVERAL,
        "Remove the copies that the notes name.",
        "A slice that stands twice makes the stack too long and moves all behind it.",
    ),
    "volumes": (
        "Each place is imaged several times (times, echoes, b-values) in",
        SEVERAL,
        "Open them as a fourth axis; choose one value for a 3D step.",
        "Sorted by position alone, the images of several volumes would be shuffled into one.",
    ),
    "one-place": (
        "All images are of one place in",
        SEVERAL,
        "Do not take their order for depth.",
        "They are times, copies or encodings of one slice, no stack.",
    ),
    "split": (
        "Series of several parts make up",
        SEVERAL,
        "Choose the part you need; one series is not one volume.",
        "Stacked together they make no grid: sizes, orientations, kinds or places differ.",
    ),
    "blocks": (
        "Steps differ from block to block of slices in",
        PLACE,
        "Resample along the positions, or open the blocks apart.",
        "Each block is evenly spaced, the whole is not.",
    ),
    "no-grid": (
        "Images make no grid in",
        PLACE,
        "Open their parts apart.",
        "Their images have several orientations or spacings.",
    ),
    "unplaced": (
        "Images are in order without positions in",
        PLACE,
        "Check the order of the slices by eye before it is used.",
        "Instance numbers and file names are no places; distances between slices are unknown.",
    ),
    "windows-stored": (
        "Window presets fit the stored values, not the rescaled ones, in",
        "PS3.3 section C.11.2.1.2",
        "Apply these presets before the rescale.",
        "By the Standard windows mean rescaled values; MR and PET files often mean the stored ones.",
    ),
    "modality-lut": (
        "Values go through a Modality LUT in",
        "PS3.3 section C.11.1",
        "Apply the table; do not use Rescale Slope and Intercept beside it.",
        "A table may be any curve: slope and intercept cannot stand for it.",
    ),
    "rescale-type": (
        "The unit of the values is unsure in",
        "PS3.3 section C.11.1.1.2",
        "Do not take the values for HU until the unit is known.",
        "The files state another Rescale Type, several, or none where one is needed.",
    ),
}
CLEARLY = 0.02
"""Relative; a step that differs by less from the thickness is as long as the slab."""


def _rows(volumes: Iterable[VolumeFacts]) -> np.ndarray:
    return np.unique(np.concatenate([volume.rows for volume in volumes]))


def _mask(survey: Survey, rows: np.ndarray) -> np.ndarray:
    mask = np.zeros(survey.n_files, dtype=bool)
    mask[rows] = True
    return mask


def _volumes(survey: Survey) -> Iterator[VolumeFacts]:
    for facts in survey.series_facts:
        yield from facts.volumes


def notes(survey: Survey) -> Iterator[Finding]:
    """What the volumes' notes say, all volumes of a kind in one finding."""
    found: dict[str, list[tuple[VolumeFacts, Finding]]] = {}
    for volume in _volumes(survey):
        for note in volume.notes:
            if note.code in NOTED:
                found.setdefault(note.code, []).append((volume, note))
    unspecified = survey.says("RescaleType", "US")
    for code, noted in found.items():
        if code == "rescale-type":  # that it is US is a finding of its own
            noted = [one for one in noted if not unspecified[one[0].rows].all()]
        if noted:
            yield _noted(survey, code, noted)


def _noted(survey: Survey, code: str, noted: list[tuple[VolumeFacts, Finding]]) -> Finding:
    what, standard, advice, meaning = NOTED[code]
    lines: dict[str, list[VolumeFacts]] = {}
    for volume, note in noted:
        lines.setdefault(note.title, []).append(volume)
    evidence = [
        (f"{volumes[0].label}: {title}" if len(volumes) == 1 else title, len(_rows(volumes)))
        for title, volumes in lines.items()
    ]
    if code == "left-out":  # its notes name files, and names of files may name persons
        evidence = [(volume.label, len(volume.rows)) for volume, _ in noted]
    severities = {note.severity for _, note in noted}
    count = len({id(volume) for volume, _ in noted})
    tags = dict.fromkeys(tag for _, note in noted for tag in note.tags)
    return survey.finding(
        code,
        "decision" if "decision" in severities else "info",
        f"{what} {count:,} volume{'s' if count > 1 else ''}",
        _mask(survey, _rows(volume for volume, _ in noted)),
        top(sorted(evidence, key=lambda one: -one[1])),
        tuple(tags),
        standard,
        advice,
        meaning,
        by=("SeriesInstanceUID",),
    )


def refused(survey: Survey) -> Iterator[Finding]:
    """Files that make no volume, those without pixels apart."""
    reasons: dict[str, list[np.ndarray]] = {}
    without: list[np.ndarray] = []
    failed: list[tuple[str, np.ndarray]] = []
    for series, facts in zip(survey.series, survey.series_facts, strict=False):
        if facts.error:
            failed.append((facts.error, series.rows))
        for reason, rows in facts.refused:
            if survey.images[rows].any():
                reasons.setdefault(reason, []).append(rows)
            else:
                without.append(rows)
    if reasons:
        joined = {reason: np.concatenate(rows) for reason, rows in reasons.items()}
        yield survey.finding(
            "refused",
            "decision",
            "Images make no volume",
            _mask(survey, np.concatenate(list(joined.values()))),
            top(sorted(((why, len(rows)) for why, rows in joined.items()), key=lambda one: -one[1]), "other reasons"),
            (),
            PLACE,
            "Leave them out, or mend what the reason names.",
            "Nothing can be shown of them without guessing.",
            by=("SeriesInstanceUID",),
        )
    if without:
        mask = _mask(survey, np.concatenate(without))
        kinds = survey.joint("Modality").counted(mask)
        yield survey.finding(
            "no-pixels",
            "info",
            "Files hold no pixel data",
            mask,
            top([(modality or "no modality", n) for (modality,), n in kinds], "other modalities"),
            ("Modality", "SOPClassUID"),
            "PS3.3 section A.1.4",
            "Leave them out of image counts; reports, plans and presentation states may hold labels.",
            "They are reports, structure sets, directories or waveforms beside the images.",
        )
    if failed:
        yield survey.finding(
            "series-failed",
            "decision",
            f"{len(failed)} series could not be looked at",
            _mask(survey, np.concatenate([rows for _, rows in failed])),
            top([(error, len(rows)) for error, rows in failed]),
            (),
            PLACE,
            "Report it, with a file of the series if you may: this is a fault of the program.",
            "Nothing is said about volumes of these series.",
            by=("SeriesInstanceUID",),
        )


def steps(survey: Survey) -> Iterator[Finding]:
    """The distances between slices over the folder, and what they ask of resampling."""
    by_modality: dict[str, list[VolumeFacts]] = {}
    for volume in _volumes(survey):
        if volume.slices > 1 and np.isfinite(volume.spacing[0]) and volume.modality != "SEG":
            by_modality.setdefault(volume.modality, []).append(volume)
    for modality, volumes in by_modality.items():
        counts: dict[str, int] = {}
        for volume in volumes:
            what = f"{volume.spacing[0]:.3g} mm between slices"
            counts[what] = counts.get(what, 0) + len(volume.rows)
        if len(counts) < 2:
            continue
        grid = np.array([volume.spacing for volume in volumes])
        flat = grid.max(axis=1) / grid.min(axis=1)
        median = np.median(grid, axis=0)
        yield survey.finding(
            "steps",
            "decision",
            f"{modality or 'No modality'}: volumes have slices {spell_span(grid[:, 0].tolist())} mm apart; "
            f"voxels are up to {flat.max():.3g} times as long as wide",
            _mask(survey, _rows(volumes)),
            top(sorted(counts.items(), key=lambda one: -one[1]), "other steps"),
            ("ImagePositionPatient", "PixelSpacing"),
            PLACE,
            f"Resample to one grid: {median[0]:.3g} × {median[1]:.3g} × {median[2]:.3g} mm (slice, row, column) is "
            "the median of the volumes.",
            "A step along the slices is another length from volume to volume; three-dimensional filters and sizes "
            "in voxels do not compare.",
            by=("SeriesInstanceUID",),
            scope=modality,
        )


def step_and_thickness(survey: Survey) -> Iterator[Finding]:
    thickness = survey.joint("SliceThickness")
    found: dict[str, list[tuple[VolumeFacts, str]]] = {}
    for volume in _volumes(survey):
        step = abs(volume.spacing[0])
        if volume.slices < 2 or not np.isfinite(step):
            continue
        texts = {thickness.texts[i][0] for i in np.unique(thickness.ids[volume.rows]).tolist()}
        value = number(texts.pop() or "") if len(texts) == 1 else None
        if value and value > 0 and abs(step - value) > CLEARLY * value:
            said = f"{value:.4g} mm thick, {step:.4g} mm apart"
            found.setdefault("slices-overlap" if step < value else "slices-apart", []).append((volume, said))
    for code, volumes in found.items():
        overlap = code == "slices-overlap"
        lines: dict[str, int] = {}
        for volume, said in volumes:
            lines[said] = lines.get(said, 0) + len(volume.rows)
        yield survey.finding(
            code,
            "info",
            (
                "Slices overlap, thicker than their distance"
                if overlap
                else "Slices do not touch, thinner than their distance"
            )
            + f", in {len(volumes):,} volume{'s' if len(volumes) > 1 else ''}",
            _mask(survey, _rows(volume for volume, _ in volumes)),
            top(sorted(lines.items(), key=lambda one: -one[1]), "other pairs"),
            ("SliceThickness", "ImagePositionPatient"),
            "PS3.3 section C.7.6.2.1",
            "Take the spacing from the positions, never from Slice Thickness.",
            "Neighboring slices share part of the tissue: they are no independent samples."
            if overlap
            else "Between the slices is tissue that no slice shows: interpolating there invents it.",
            by=("SeriesInstanceUID",),
        )


VOLUME_RULES = (notes, refused, steps, step_and_thickness)
