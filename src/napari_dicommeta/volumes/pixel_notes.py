"""Notes on pixel data that contradicts its elements or does not reach its end, while its images open."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import numpy as np

from napari_dicommeta.support.sorting import sorted_unique
from napari_dicommeta.support.words import counted
from napari_dicommeta.volumes.note import make_note

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from napari_dicommeta.volumes.frames import Frames
    from napari_dicommeta.volumes.note import Note

__all__ = ["pixel_notes"]

MAX_REASONS = 3
"""Number of reasons that one note names."""


def pixel_notes(frames: Frames) -> Iterator[Note]:
    """Yield a note for pixel data that is cut, for pixel data that is too long, and for what is assumed."""
    if endings := frames.endings:
        by_reason: dict[str, list[str]] = {}
        for path, reason in endings.items():
            by_reason.setdefault(reason, []).append(path)
        yield make_note("pixels-cut", _title(by_reason), paths=tuple(endings))
    if excesses := frames.excesses():
        paths = [path for of_reason in excesses.values() for path in of_reason]
        yield make_note("pixels-longer", _title(excesses), paths=paths)
    unclear = [i for i in sorted_unique(frames.format_ids).tolist() if frames.formats[i].unclear]
    if unclear:
        rows = np.isin(frames.format_ids, unclear)
        reasons = dict.fromkeys(reason for i in unclear for reason in frames.formats[i].unclear)
        yield make_note("pixels-assumed", "; ".join(reasons), paths=() if rows.all() else frames.at(rows).paths())


def _title(files: Mapping[str, Sequence[str]]) -> str:
    """Return reasons with the files that they concern, the first ones by name."""
    named = [
        f"{os.path.basename(paths[0]) if len(paths) == 1 else counted(len(paths), 'file')}: {reason}"
        for reason, paths in list(files.items())[:MAX_REASONS]
    ]
    more = f"; and {len(files) - MAX_REASONS} more" if len(files) > MAX_REASONS else ""
    return "; ".join(named) + more
