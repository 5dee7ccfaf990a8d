"""Overlay planes and shutters of images as volumes of labels (PS3.3 sections C.9.2 and C.7.6.11)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from napari_dicommeta.dicom.overlays import GROUPS, read_overlays, read_shutter
from napari_dicommeta.dicom.values import number
from napari_dicommeta.support.words import display
from napari_dicommeta.volumes.details import Details
from napari_dicommeta.volumes.lazy_array import LazyArray
from napari_dicommeta.volumes.note import make_note
from napari_dicommeta.volumes.segments import Segment, segments_text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from napari_dicommeta.catalog.catalog import Catalog, Series
    from napari_dicommeta.dicom.overlays import Shutter
    from napari_dicommeta.dicom.presentation_state import PresentationState
    from napari_dicommeta.volumes.note import Note
    from napari_dicommeta.volumes.sources import FrameSources
    from napari_dicommeta.volumes.volume import Volume

__all__ = ["OverlayPlanes", "ShutterPlanes", "may_hold_overlays", "overlay_volumes"]

_TELLING = ("ShutterShape", *(f"({group:04x},0010)" for group in GROUPS))
"""A file with a shutter or an overlay has one of these."""

OF_STATE = 16
"""Added to the numbers of overlays that a presentation state holds."""
BLACK = (0, 0, 0)
COLORS = ((255, 255, 0), (0, 255, 255), (255, 128, 0), (0, 255, 0), (255, 0, 255), (255, 255, 255))
"""Of overlays, which have none in their file."""


@dataclass(frozen=True, slots=True)
class OverlayPlanes:
    """Overlay planes over frames, as numbers.

    `drawn`: plane index -> (number, path, group) of each overlay on it; the highest number is on top.
    """

    frames: FrameSources
    drawn: Mapping[int, tuple[tuple[int, str, int], ...]]

    def __call__(self, n: int, out: np.ndarray) -> None:
        """Fill `out` with the numbers of the overlays of plane `n`, 0 elsewhere."""
        out[...] = 0
        for value, path, group in self.drawn.get(n, ()):
            with self.frames.errors(n):
                for overlay in read_overlays(path):
                    if overlay.group != group:
                        continue
                    if overlay.bits is not None:
                        overlay.draw(int(self.frames.indices[n]), out, value)
                    elif path == self.frames.path(n) and self._is_unused(n, overlay.bit):
                        out[self._unused_bit(n, overlay.bit)] = value

    def _is_unused(self, n: int, bit: int) -> bool:
        """Return whether a bit is allocated in the pixels of plane `n`, and no part of their values."""
        form = self.frames.pixel_format(n)
        return form.samples == 1 and 0 <= bit < form.bits_allocated and not 0 <= form.high_bit - bit < form.bits_stored

    def _unused_bit(self, n: int, bit: int) -> np.ndarray:
        """Return where a bit of the stored pixels of plane `n` is 1."""
        form = self.frames.pixel_format(n)
        whole = replace(form, bits_stored=form.bits_allocated, high_bit=form.bits_allocated - 1, signed=False)
        everything = replace(self.frames, formats=(whole,), format_ids=np.zeros_like(self.frames.format_ids))
        return np.asarray(everything.read(n) >> bit & 1).astype(bool)

    def segments(self, n: int) -> tuple[int, ...]:
        """Return the numbers on plane `n`."""
        return tuple(value for value, _, _ in self.drawn.get(n, ()))

    def only(self, numbers: frozenset[int]) -> OverlayPlanes:
        """Return the planes of some overlays, without what lies over them."""
        kept = {n: tuple(overlay for overlay in drawn if overlay[0] in numbers) for n, drawn in self.drawn.items()}
        return replace(self, drawn={n: drawn for n, drawn in kept.items() if drawn})


@dataclass(frozen=True, slots=True)
class ShutterPlanes:
    """1 where a shutter hides a pixel; `shutters`: plane index -> the shutters of that plane."""

    shutters: Mapping[int, tuple[Shutter, ...]]

    def __call__(self, n: int, out: np.ndarray) -> None:
        """Fill `out` with 1 outside of the shutters of plane `n`, 0 inside."""
        out[...] = 0
        for shutter in self.shutters.get(n, ()):
            out[~shutter.inside((out.shape[0], out.shape[1]))] = 1

    def segments(self, n: int) -> tuple[int, ...]:
        """Return the numbers on plane `n`: 1 with a shutter."""
        return (1,) if n in self.shutters else ()

    def only(self, numbers: frozenset[int]) -> ShutterPlanes:
        """Return the planes, or none without number 1."""
        return self if 1 in numbers else ShutterPlanes({})


def may_hold_overlays(catalog: Catalog) -> bool:
    """Return whether files read together with those of `catalog` have overlays or shutters; this is quick."""
    store = catalog.file_rows.store
    if "overlays" not in store.kept:
        store.kept["overlays"] = any(store.find_tag(tag) is not None for tag in _TELLING)
    return bool(store.kept["overlays"])


def overlay_volumes(
    series: Series, volume: Volume, states: Sequence[PresentationState], uids: Sequence[str]
) -> list[Volume]:
    """Return the overlays of a volume as labels, and its shutter; none where its files have none.

    `states`: presentation states, whose overlays and shutters come too. `uids`: the SOP Instance UID of each slice.
    """
    made = []
    overlays = _overlays(series.catalog, volume, states, uids)
    if overlays is not None:
        drawn, segments = overlays
        note = make_note("overlays", f"Values are overlay numbers: {segments_text(segments)}")
        maybe = make_note("segments-overlap", "Overlays may overlap: where they do, the highest number is shown")
        notes = (note, maybe) if len(segments) > 1 else (note,)
        made.append(_labels(volume, "overlays", OverlayPlanes(volume.sources, drawn), segments, notes))
    shutters = _shutters(series.catalog, volume, states, uids)
    if shutters:
        note = make_note("shutter", "Pixels outside of the display shutter are 1: the image itself is whole")
        hidden = (Segment(1, "shutter", BLACK),)
        made.append(_labels(volume, "shutter", ShutterPlanes(shutters), hidden, (note,)))
    return made


def _labels(
    volume: Volume,
    what: str,
    planes: OverlayPlanes | ShutterPlanes,
    segments: tuple[Segment, ...],
    notes: tuple[Note, ...],
) -> Volume:
    """Return a volume of labels over another one, in its grid."""
    shape = volume.array.shape[: -1 if volume.is_color else None]
    return replace(
        volume,
        name=f"{volume.name} {what}",
        label=f"{volume.label} {what}",
        array=LazyArray(shape, np.uint8, planes),
        units="",
        details=Details(((),) * len(volume.files), notes),
        saved_windows=(),
        inverted=False,
        is_color=False,
        is_labels=True,
        segments=segments,
        padding=(),
        levels=(),
        _kept={},
    )


def _overlays(
    catalog: Catalog, volume: Volume, states: Sequence[PresentationState], uids: Sequence[str]
) -> tuple[dict[int, tuple[tuple[int, str, int], ...]], tuple[Segment, ...]] | None:
    """Return the overlays of each plane, and the overlays as segments; None without any."""
    drawn: dict[int, list[tuple[int, str, int]]] = {}
    names: dict[int, str] = {}
    row_of = {path: row for row, path in enumerate(catalog.paths)}
    rows = [row_of[path] for path, _ in volume.files]
    for place, group in enumerate(GROUPS, 1):
        if f"({group:04x},0010)" not in catalog:
            continue
        held = _has_bits(catalog, group)
        for n, row in enumerate(rows):
            if held[row]:
                drawn.setdefault(n, []).append((place, catalog.paths[row], group))
                names.setdefault(place, _name(catalog, group))
    for state in states:
        concerned = [n for n, uid in enumerate(uids) if uid in state.images]
        for overlay in read_overlays(state.path) if concerned else ():
            if overlay.bits is not None:
                place = OF_STATE + 1 + GROUPS.index(overlay.group)
                names[place] = f"saved by {state.label}"
                for n in concerned:
                    drawn.setdefault(n, []).append((place, state.path, overlay.group))
    segments = tuple(
        Segment(place, display(names[place], 60), COLORS[n % len(COLORS)]) for n, place in enumerate(sorted(names))
    )
    return ({n: tuple(sorted(planes)) for n, planes in drawn.items()}, segments) if segments else None


def _has_bits(catalog: Catalog, group: int) -> list[bool]:
    """Return for each file whether an overlay group has *Overlay Data*, or says that its bits are in the pixels."""
    data, allocated = (catalog.column_texts(f"({group:04x},{element})") for element in ("3000", "0100"))
    return [bits is not None or (number(text or "") or 0) > 1 for bits, text in zip(data, allocated, strict=True)]


def _name(catalog: Catalog, group: int) -> str:
    """Return *Overlay Label*, else *Overlay Description*, of the first file that has one."""
    for element in ("1500", "0022"):
        tag = f"({group:04x},{element})"
        if tag in catalog and (name := next((text for text in catalog.values(tag) if text), "")):
            return name
    return "overlay"


def _shutters(
    catalog: Catalog, volume: Volume, states: Sequence[PresentationState], uids: Sequence[str]
) -> dict[int, tuple[Shutter, ...]]:
    """Return the shutters of each plane that has some."""
    shutters: dict[int, list[Shutter]] = {}
    if "ShutterShape" in catalog:
        stated = dict(zip(catalog.paths, catalog.column_texts("ShutterShape"), strict=True))
        for n, (path, _) in enumerate(volume.files):
            if stated[path] and (own := read_shutter(path)) is not None:
                shutters.setdefault(n, []).append(own)
    for state in states:
        if state.shutter is not None:
            for n, uid in enumerate(uids):
                if uid in state.images:
                    shutters.setdefault(n, []).append(state.shutter)
    return {n: tuple(of_plane) for n, of_plane in shutters.items()}
