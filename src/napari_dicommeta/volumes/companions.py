"""What other files say of images: windows of presentation states, overlays, shutters and selections of key images."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from napari_dicommeta.dicom.presentation_state import read_presentation_state
from napari_dicommeta.dicom.uids import KEY_OBJECTS, PRESENTATION_STATES
from napari_dicommeta.dicom.window import distinct_windows
from napari_dicommeta.support.words import display
from napari_dicommeta.volumes.details import MoreDetails
from napari_dicommeta.volumes.note import make_note
from napari_dicommeta.volumes.overlays import may_hold_overlays, overlay_volumes
from napari_dicommeta.volumes.planes import RescaledPlanes

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from napari_dicommeta.catalog.catalog import Catalog, Series
    from napari_dicommeta.dicom.presentation_state import PresentationState
    from napari_dicommeta.dicom.window import Window
    from napari_dicommeta.volumes.note import Note
    from napari_dicommeta.volumes.volume import Volume

__all__ = ["with_companions"]

_OF_STATES = "ReferencedSeriesSequence.ReferencedImageSequence.ReferencedSOPInstanceUID"
_OF_KEYS = (
    "CurrentRequestedProcedureEvidenceSequence.ReferencedSeriesSequence.ReferencedSOPSequence.ReferencedSOPInstanceUID"
)
_KEY_TITLE = "ConceptNameCodeSequence.CodeMeaning"
MAX_NAMED = 8
"""Slices that a note names."""


def with_companions(series: Series, volumes: Sequence[Volume], among: Sequence[Series]) -> list[Volume]:
    """Return the volumes of `series` with what other files of `among` say of them, and their overlays as labels.

    Windows of presentation states come after those of the files. A note names the slices that a Key Object Selection
    marks. Labels and slides are left as they are.
    """
    images = [volume for volume in volumes if not volume.is_labels and not volume.levels]
    referring = _referring_series(among) if images else ()
    if not images or not (referring or may_hold_overlays(series.catalog)):
        return list(volumes)
    uids = set(series.catalog.values("SOPInstanceUID")) if referring else set()
    states = list(_states(referring, uids)) if uids else []
    keys = list(_selections(referring, uids)) if uids else []
    made: list[Volume] = []
    for volume in volumes:
        if not any(volume is image for image in images):
            made.append(volume)
            continue
        of_slices = _uids_of(series.catalog, volume)
        notes = (*_state_notes(states, of_slices), *_key_notes(keys, of_slices))
        saved = distinct_windows(_saved(volume, states, of_slices))
        changed = volume
        if notes or saved:
            changed = replace(volume, details=MoreDetails(volume.details, saved, notes), saved_windows=saved)
        made += [changed, *overlay_volumes(series, changed, states, of_slices)]
    return made


def _referring_series(among: Sequence[Series]) -> tuple[Series, ...]:
    """Return the series with presentation states or Key Object Selections; a source is looked through once."""
    if not among:
        return ()
    kept = among[0].catalog.kept
    known = kept.get("referring")
    if known is None or known[0] is not among:
        classes = (*PRESENTATION_STATES, KEY_OBJECTS)
        found = tuple(series for series in among if series.catalog.file_rows.holds("SOPClassUID", classes))
        known = kept["referring"] = (among, found)
    return known[1]


def _uids_of(catalog: Catalog, volume: Volume) -> list[str]:
    stated = dict(zip(catalog.paths, catalog.column_texts("SOPInstanceUID"), strict=True))
    return [stated.get(path) or "" for path, _ in volume.files]


def _states(among: Sequence[Series], uids: set[str]) -> Iterator[PresentationState]:
    """Yield the presentation states that refer to images, each file read once for its series."""
    for series in among:
        for path, of_file in _referring(series.catalog, PRESENTATION_STATES, _OF_STATES, uids):
            known = series.catalog.kept.setdefault("presentation states", {})
            if path not in known:
                known[path] = read_presentation_state(path)
            if known[path] is not None and of_file:
                yield known[path]


def _selections(among: Sequence[Series], uids: set[str]) -> Iterator[tuple[str, set[str]]]:
    """Yield (title, SOP Instance UIDs) of the Key Object Selections that refer to images."""
    for series in among:
        for path, images in _referring(series.catalog, (KEY_OBJECTS,), _OF_KEYS, uids):
            titles = dict(zip(series.catalog.paths, series.catalog.column_texts(_KEY_TITLE), strict=True))
            yield (titles[path] or "").partition(" | ")[0], images


def _referring(catalog: Catalog, classes: Sequence[str], tag: str, uids: set[str]) -> Iterator[tuple[str, set[str]]]:
    """Yield the path of each file of one of `classes` that refers to some of `uids`, and which."""
    present = [text for text in catalog.values("SOPClassUID") if text in classes]
    if not present or uids.isdisjoint(catalog.values(tag)):
        return
    referring = catalog.where(SOPClassUID=tuple(present))
    for path, text in zip(referring.paths, referring.column_texts(tag), strict=True):
        if images := uids & set((text or "").split(" | ")):
            yield path, images


def _saved(volume: Volume, states: Sequence[PresentationState], uids: Sequence[str]) -> Iterator[Window]:
    """Yield the windows of presentation states for the slices of a volume."""
    planes = volume.array.source
    if not isinstance(planes, RescaledPlanes):
        return
    for state in states:
        for n, uid in enumerate(uids):
            transform = planes.transforms[n]
            rescale = None if transform.table is not None else (transform.slope, transform.intercept)
            yield from state.windows_for(uid, rescale)


def _state_notes(states: Sequence[PresentationState], uids: Sequence[str]) -> Iterator[Note]:
    for state in states:
        if state.rescale is None and state.windows and not state.images.isdisjoint(uids):
            title = f"The windows of {display(state.label, 40)} are for values of its own table: they are left out"
            yield make_note("saved-table", title)


def _key_notes(keys: Sequence[tuple[str, set[str]]], uids: Sequence[str]) -> Iterator[Note]:
    for title, images in keys:
        slices = [n + 1 for n, uid in enumerate(uids) if uid in images]
        if slices:
            more = f" and {len(slices) - MAX_NAMED} more" if len(slices) > MAX_NAMED else ""
            verb = "Slice" if len(slices) == 1 else "Slices"
            named = f"{verb} {', '.join(map(str, slices[:MAX_NAMED]))}{more}"
            yield make_note("key-images", f"{named}: marked as key images ({display(title, 60) or 'no title'})")
