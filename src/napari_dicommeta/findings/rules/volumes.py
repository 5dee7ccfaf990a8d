"""Rules about the volumes of a folder: their combined notes, and the distances between their slices."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_dicommeta.dicom.dictionary import uid_name
from napari_dicommeta.dicom.values import number
from napari_dicommeta.findings.evidence import SAME_STEP, by_files, component_numbers, roundings, spell_span, top
from napari_dicommeta.findings.finding import Finding
from napari_dicommeta.findings.rule import looks_at, rule
from napari_dicommeta.findings.survey import SECTIONAL
from napari_dicommeta.findings.uses import with_uses
from napari_dicommeta.support.sorting import medians, sorted_unique
from napari_dicommeta.support.words import counted
from napari_dicommeta.volumes.geometry import is_orientation
from napari_dicommeta.volumes.note import NOTE_KINDS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from napari_dicommeta.findings.survey import Survey, VolumeFacts
    from napari_dicommeta.volumes.note import Note

PLACE = "PS3.3 section C.7.6.2"
OF_SLICES = ("one-place", "rescale-type")
"""Notes that say something about slices only."""
OF_FILES = ("left-out", "pixels-cut", "pixels-longer", "pixels-assumed")
"""Notes that concern the files that they name; others concern all files of their volume."""
STEP_TOLERANCE = 0.02
"""Relative; maximum difference of a step and the slice thickness that are equal."""


def _rows(volumes: Iterable[VolumeFacts]) -> np.ndarray:
    return _united(volume.rows for volume in volumes)


def _united(rows: Iterable[np.ndarray]) -> np.ndarray:
    return sorted_unique(np.concatenate(list(rows)))


def _named_rows(survey: Survey, volume: VolumeFacts, note: Note) -> np.ndarray:
    """Return the rows of the files that a note of a volume names, each once."""
    named = set(note.paths)
    paths = survey.catalog.paths if named else ()
    return np.array([row for row in volume.rows.tolist() if named and paths[row] in named], dtype=np.int64)


def _mask(survey: Survey, rows: np.ndarray) -> np.ndarray:
    mask = np.zeros(survey.n_files, dtype=bool)
    mask[rows] = True
    return mask


def _volumes(survey: Survey) -> Iterator[VolumeFacts]:
    for facts in survey.series_facts:
        yield from facts.volumes


def _volumes_of_slices(survey: Survey) -> Iterator[VolumeFacts]:
    """Yield the volumes that are no localizers."""
    for volume in _volumes(survey):
        if not survey.localizers[volume.rows].all():
            yield volume


@looks_at("volumes")
def notes(survey: Survey) -> Iterator[Finding]:
    """Yield one finding for each code of notes, over all volumes with notes of this code."""
    by_code: dict[str, list[tuple[VolumeFacts, Note]]] = {}
    for volume in _volumes(survey):
        for note in volume.notes:
            if NOTE_KINDS[note.code].is_finding:
                by_code.setdefault(note.code, []).append((volume, note))
    in_blocks, in_mosaics = ({id(volume) for volume, _ in by_code.get(code, ())} for code in ("blocks", "mosaic"))
    unspecified = survey.says("RescaleType", "US")
    for code, noted in by_code.items():
        if code == "rescale-type":  # US has a rule of its own
            noted = [(volume, note) for volume, note in noted if not unspecified[volume.rows].all()]
        if code == "unplaced":  # pictures need no position; the other cases have rules or notes that say more
            noted = [
                (volume, note)
                for volume, note in noted
                if survey.sectional[volume.rows].any()
                and _is_placed(survey)[volume.rows].any()
                and id(volume) not in in_mosaics
            ]
        if code == "pixels-assumed":  # an impossible value has a rule that is more severe
            noted = [(volume, note) for volume, note in noted if not _has_impossible(survey, volume, note)]
        if code == "uneven":  # the blocks say it better
            noted = [(volume, note) for volume, note in noted if id(volume) not in in_blocks]
        if code in OF_SLICES:  # a screenshot stored as CT is no slice; that it is there has a rule of its own
            noted = [
                (volume, note)
                for volume, note in noted
                if volume.modality not in SECTIONAL or survey.sectional[volume.rows].any()
            ]
        if noted:
            yield _noted(survey, code, noted, _severity(survey, code, noted))


def _severity(survey: Survey, code: str, noted: list[tuple[VolumeFacts, Note]]) -> str:
    """Return the severity of the notes of a code, a decision if one of them is and no other rule reports it."""
    if code == "blocks" or (code == "windows-stored" and _is_mixed(survey, noted)):
        return "decision"
    if (
        code == "left-out"
        and _repeats_uid(survey)[_united(_named_rows(survey, volume, note) for volume, note in noted)].all()
    ):
        return "info"  # "image-twice" and "uid-reused"
    return "decision" if any(note.severity == "decision" for _, note in noted) else "info"


def _has_impossible(survey: Survey, volume: VolumeFacts, note: Note) -> bool:
    """Return whether every file that a note concerns has an impossible value of the elements that it names."""
    rows = _named_rows(survey, volume, note) if note.paths else volume.rows
    flagged = np.zeros(survey.n_files, dtype=bool)
    for tag in note.tags:
        values = {value.text for value in survey.catalog.details(tag) if value.flag}
        flagged |= survey.own(tag).where(values.__contains__)
    return bool((flagged & survey.filled("PixelRepresentation"))[rows].all())


def _is_placed(survey: Survey) -> np.ndarray:
    oriented = survey.joint("ImageOrientationPatient").where(
        lambda text: any(map(is_orientation, component_numbers(text, 6)))
    )
    return np.asarray(oriented & survey.filled("ImagePositionPatient"))


def _repeats_uid(survey: Survey) -> np.ndarray:
    uids = survey.own("SOPInstanceUID")
    repeated = np.bincount(uids.ids, minlength=len(uids.texts)) > 1
    return np.asarray(survey.filled("SOPInstanceUID") & repeated[uids.ids])


def _is_mixed(survey: Survey, noted: list[tuple[VolumeFacts, Note]]) -> bool:
    """Return whether volumes of the same modalities have presets and none of these notes."""
    those, modalities = {id(volume) for volume, _ in noted}, {volume.modality for volume, _ in noted}
    return any(
        volume.has_presets and volume.modality in modalities and id(volume) not in those for volume in _volumes(survey)
    )


def _noted(survey: Survey, code: str, noted: list[tuple[VolumeFacts, Note]], severity: str) -> Finding:
    kind = NOTE_KINDS[code]
    lines: dict[str, list[tuple[VolumeFacts, np.ndarray]]] = {}
    for volume, note in noted:
        # A note about some files names them, and file names may contain names of persons.
        rows = _named_rows(survey, volume, note)
        title = f"{counted(len(rows), 'file')} of {len(volume.rows):,}" if note.paths else note.title
        lines.setdefault(title, []).append((volume, rows if code in OF_FILES and note.paths else volume.rows))
    evidence = [
        (f"{parts[0][0].label}: {text}" if len(parts) == 1 else text, len(_united(rows for _, rows in parts)))
        for text, parts in lines.items()
    ]
    mask = _mask(survey, _united(rows for parts in lines.values() for _, rows in parts))
    n_volumes = len({id(volume) for volume, _ in noted})
    title = f"{kind.summary}, in {counted(n_volumes, 'volume')}"
    if code == "split":
        series = sorted_unique(survey.series_ids[mask])
        n_parts = sum(len(survey.series_facts[k].volumes) for k in series.tolist())
        title = f"{counted(len(series), 'series')} {'is' if len(series) == 1 else 'are'} split into {n_parts:,} volumes"
    if code == "left-out":
        title = f"{counted(int(np.count_nonzero(mask)), 'duplicate file')} left out, in {counted(n_volumes, 'volume')}"
    return Finding(
        code=code,
        severity=severity,
        title=title,
        tags=tuple(dict.fromkeys(tag for _, note in noted for tag in note.tags)),
        standard=kind.standard,
        advice=kind.advice,
        evidence=top(sorted(evidence, key=lambda line: -line[1])),
        selection=survey.selection(mask, ("SeriesInstanceUID",)),
        files=int(np.count_nonzero(mask)),
        meaning=with_uses(code, kind.meaning),
    )


@rule(
    "refused",
    severity="decision",
    title="Images cannot be opened as volumes",
    by=("SeriesInstanceUID",),
    standard=PLACE,
    advice="Leave them out, or correct the fault given as the reason.",
    meaning="They cannot be shown without guessing.",
    needs="volumes",
)
@rule(
    "no-pixels",
    severity="info",
    title="Files hold no pixel data",
    tags=("Modality", "SOPClassUID"),
    standard="PS3.3 section A.1.4",
    advice="Leave them out of image counts; reports, plans and presentation states may hold labels.",
    meaning="They are reports, structure sets, directories or waveforms stored with the images.",
    needs="volumes",
)
@rule(
    "series-failed",
    severity="decision",
    title="Series could not be checked",
    by=("SeriesInstanceUID",),
    standard=PLACE,
    advice="Report this bug, with a file of the series if you may share it.",
    meaning="Nothing is known about the volumes of these series.",
    needs="volumes",
)
def refused(survey: Survey) -> Iterator[Finding]:
    """Yield findings on refused files, with a separate finding on files without pixels."""
    partial = {failure.path for failure in survey.catalog.partial}  # these have a rule of their own
    is_partial = np.array([path in partial for path in survey.catalog.paths] if partial else False)
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
        evidence = sorted(((reason, len(rows)) for reason, rows in joined.items()), key=lambda line: -line[1])
        yield survey.finding(
            "refused", _mask(survey, np.concatenate(list(joined.values()))), top(evidence, "other reasons")
        )
    mask = _mask(survey, np.concatenate(without)) & ~is_partial if without else np.zeros(0, dtype=bool)
    if mask.any():
        lines: dict[str, int] = {}
        for (modality, *uids), n in survey.joint("Modality", "SOPClassUID", "MediaStorageSOPClassUID").counted(mask):
            name = modality or next(filter(None, (uid_name(uid or "") for uid in uids)), "no modality")
            lines[name] = lines.get(name, 0) + n
        yield survey.finding("no-pixels", mask, top(by_files(lines.items()), "other kinds"))
    if failed:
        yield survey.finding(
            "series-failed",
            _mask(survey, np.concatenate([rows for _, rows in failed])),
            top([(error, len(rows)) for error, rows in failed]),
            title=f"{len(failed)} series could not be checked",
        )


@rule(
    "steps",
    severity="decision",
    title="Volumes of one modality have different distances between slices",
    tags=("ImagePositionPatient", "PixelSpacing"),
    by=("SeriesInstanceUID",),
    standard=PLACE,
    advice="Resample to one grid.",
    meaning="The step between slices differs from volume to volume; three-dimensional filters and sizes in voxels are "
    "not comparable.",
    needs="volumes",
)
def steps(survey: Survey) -> Iterator[Finding]:
    """Yield findings on distances between slices that differ within a modality, with a grid for resampling."""
    by_modality: dict[str, list[VolumeFacts]] = {}
    for volume in _volumes_of_slices(survey):
        if volume.slices > 1 and np.isfinite(volume.spacing[0]) and volume.modality != "SEG":
            by_modality.setdefault(volume.modality, []).append(volume)
    for modality, volumes in by_modality.items():
        counts: dict[tuple[float, ...], int] = {}
        for volume in volumes:
            counts[volume.spacing[:1]] = counts.get(volume.spacing[:1], 0) + len(volume.rows)
        leader = roundings(counts, SAME_STEP)
        of_step: dict[float, list[VolumeFacts]] = {}
        for volume in volumes:
            of_step.setdefault(leader[volume.spacing[:1]][0], []).append(volume)
        if len(of_step) < 2:
            continue
        lines = [(f"{step:.4g} mm between slices", len(_rows(of_one))) for step, of_one in of_step.items()]
        grid = np.array([volume.spacing for volume in volumes])
        longest = float((grid.max(axis=1) / grid.min(axis=1)).max())
        shape = f"; voxels are up to {longest:.3g} times as long as wide" if longest > 1 + STEP_TOLERANCE else ""
        median = medians(grid)
        yield survey.finding(
            "steps",
            _mask(survey, _rows(volumes)),
            top(by_files(lines), "other steps"),
            title=f"{modality or 'No modality'}: volumes have slices {spell_span(sorted(of_step))} mm apart{shape}",
            advice=f"Resample to one grid: {median[0]:.3g} × {median[1]:.3g} × {median[2]:.3g} mm (slice, row, column) "
            "is the median of the volumes.",
            scope=modality,
        )


@rule(
    "slices-overlap",
    severity="info",
    title="Slices overlap: they are thicker than their spacing",
    tags=("SliceThickness", "ImagePositionPatient"),
    by=("SeriesInstanceUID",),
    standard="PS3.3 section C.7.6.2.1",
    advice="Take the spacing from the positions, never from Slice Thickness.",
    meaning="Neighboring slices share part of the tissue: they are not independent samples.",
    needs="volumes",
)
@rule(
    "slices-apart",
    severity="info",
    title="Slices do not touch: they are thinner than their spacing",
    tags=("SliceThickness", "ImagePositionPatient"),
    by=("SeriesInstanceUID",),
    standard="PS3.3 section C.7.6.2.1",
    advice="Take the spacing from the positions, never from Slice Thickness.",
    meaning="Tissue between the slices is not imaged: interpolation invents it.",
    needs="volumes",
)
def step_and_thickness(survey: Survey) -> Iterator[Finding]:
    """Yield findings on volumes of one thickness all of whose steps are smaller, or larger, than it."""
    thickness = survey.joint("SliceThickness")
    by_code: dict[str, list[tuple[VolumeFacts, str]]] = {}
    for volume in _volumes_of_slices(survey):
        if volume.slices < 2 or not np.isfinite(volume.spacing[0]):
            continue
        texts = {thickness.texts[i][0] for i in sorted_unique(thickness.ids[volume.rows]).tolist()}
        value = number(texts.pop() or "") if len(texts) == 1 else None
        if not value or value <= 0:
            continue
        for code, holds in (
            ("slices-overlap", volume.steps[1] < value * (1 - STEP_TOLERANCE)),
            ("slices-apart", volume.steps[0] > value * (1 + STEP_TOLERANCE)),
        ):
            if holds:
                steps = tuple(dict.fromkeys(f"{step:.4g}" for step in volume.steps))
                by_code.setdefault(code, []).append((volume, f"{value:.4g} mm thick, {' to '.join(steps)} mm apart"))
    for code, volumes in by_code.items():
        of_text: dict[str, list[VolumeFacts]] = {}
        for volume, text in volumes:
            of_text.setdefault(text, []).append(volume)
        lines = [(text, len(_rows(of_one))) for text, of_one in of_text.items()]
        start = (
            "Slices overlap: they are thicker" if code == "slices-overlap" else "Slices do not touch: they are thinner"
        )
        yield survey.finding(
            code,
            _mask(survey, _rows(volume for volume, _ in volumes)),
            top(by_files(lines), "other pairs"),
            title=f"{start} than their spacing, in {counted(len(volumes), 'volume')}",
        )


@rule(
    "step-contradicts",
    severity="info",
    title="Spacing Between Slices is not the distance between the slices",
    tags=("SpacingBetweenSlices", "ImagePositionPatient"),
    by=("SeriesInstanceUID",),
    standard="PS3.3 section C.7.6.2.1",
    advice="Take the spacing from the positions; test whether your reader does.",
    meaning="Some scanners state the gap between slices, or the distance of another reconstruction: programs that use "
    "the tag stretch or compress the volume.",
    needs="volumes",
)
def step_contradicts(survey: Survey) -> Iterator[Finding]:
    """Yield a finding on volumes none of whose steps, along the normal or along the stack, is the one stated."""
    tag = survey.joint("SpacingBetweenSlices")
    held: list[VolumeFacts] = []
    lines: dict[str, int] = {}
    for volume in _volumes_of_slices(survey):
        if volume.slices < 2 or not np.isfinite(volume.spacing[0]):
            continue
        texts = {tag.texts[i][0] for i in sorted_unique(tag.ids[volume.rows]).tolist()}
        stated = abs(number(next(iter(texts)) or "") or 0.0) if len(texts) == 1 else 0.0
        low, high = volume.steps[0], float(np.hypot(volume.steps[1], volume.shear))
        if stated and not low * (1 - STEP_TOLERANCE) <= stated <= high * (1 + STEP_TOLERANCE):
            apart = " to ".join(dict.fromkeys(f"{step:.4g}" for step in volume.steps))
            label = f"{stated:.4g} mm stated, {apart} mm apart"
            lines[label] = lines.get(label, 0) + len(volume.rows)
            held.append(volume)
    if held:
        yield survey.finding(
            "step-contradicts",
            _mask(survey, _rows(held)),
            top(by_files(lines.items()), "other pairs"),
            title=f"Spacing Between Slices is not the distance between the slices, in {counted(len(held), 'volume')}",
        )
