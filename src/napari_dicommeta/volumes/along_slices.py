"""A tag along the slices of a volume, its numbers (tube current, echo time, window), and the slice looked for."""

from __future__ import annotations

import os
import threading
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_dicommeta.catalog.conditions import Spelled, ends_of, texts_of
from napari_dicommeta.dicom.functional_groups import GROUPS, frame_keyword, read_frame_texts
from napari_dicommeta.dicom.values import number
from napari_dicommeta.support.errors import FunctionalGroupsError

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from napari_dicommeta.catalog.catalog import Catalog
    from napari_dicommeta.catalog.conditions import Condition, Tags
    from napari_dicommeta.volumes.volume import Volume

__all__ = ["MAX_COMPONENTS", "is_of_frames", "slice_matching", "values_along"]

MAX_COMPONENTS = 6
FILES_KEPT = 16
"""Multi-frame files whose functional groups are kept once they have been read."""
_reading = threading.Lock()


def is_of_frames(volume: Volume, tags: Sequence[Tags]) -> bool:
    """Whether one of `tags` is said by each frame of the volume's files: they are read to know it, which takes time."""
    if not any(isinstance(tag, str) and tag.startswith(GROUPS) for tag in tags):
        return False
    return len({path for path, _ in volume.files}) < len(volume.files)


def values_along(volume: Volume, catalog: Catalog, keyword: str) -> np.ndarray | None:
    """The numbers that `keyword` has in the file behind each slice, in the order of `Volume.files`.

    float64 of shape (components, slices), at most `MAX_COMPONENTS`, NaN where a slice has none; None where all slices
    have the same, or no numbers. `catalog` holds the files. A tag of the functional groups (PS3.3 section C.7.6.16) is
    that of the slice's frame, for which its file is read; all others a file's frames share.

    Raises
    ------
    ValueError
        If `keyword` is neither a keyword nor a tag.
    """
    if is_of_frames(volume, (keyword,)):
        name = frame_keyword(keyword)
        texts = [frame.get(name) for frame in _frames(volume)]
    else:
        of_file = dict(zip(catalog.paths, catalog.column_texts(keyword), strict=True))
        texts = [of_file.get(path) for path, _ in volume.files]
    known: dict[str | None, tuple[float, ...]] = {}
    for text in texts:
        if text not in known:
            parts = text.split("\\")[:MAX_COMPONENTS] if text else []
            values = [number(part) for part in parts]
            known[text] = tuple(np.nan if value is None else value for value in values)
    rows = [known[text] for text in texts]
    components = max(map(len, rows), default=0)
    if not components:
        return None
    padded = np.array([(*row, *(np.nan,) * (components - len(row))) for row in rows]).T
    varying = [line for line in padded if len(np.unique(line[np.isfinite(line)])) > 1]
    return np.array(varying) if varying else None


def slice_matching(
    volume: Volume, paths: Collection[str], filters: Sequence[tuple[Tags, Condition]] = ()
) -> int | None:
    """The first slice of `volume`, counted as in `Volume.files`, that is of one of `paths`; None if there is none.

    Those of `filters`, as a `Selection` holds them, that speak of the functional groups choose among a file's frames.
    """
    numbers = [n for n, (path, _) in enumerate(volume.files) if path in paths]
    of_frames = [(tag, condition) for tag, condition in filters if is_of_frames(volume, (tag,))]
    if numbers and of_frames:
        frames = _frames(volume)
        asked = [(frame_keyword(str(tag)), condition) for tag, condition in of_frames]
        fitting = (n for n in numbers if all(_holds(frames[n].get(name), condition) for name, condition in asked))
        return next(fitting, numbers[0])
    return next(iter(numbers), None)


def _frames(volume: Volume) -> list[dict[str, str]]:
    """Keyword -> text of the frame behind each slice; nothing where its file cannot be read."""
    counts: dict[str, int] = {}
    for path, frame in volume.files:
        counts[path] = max(counts.get(path, 0), frame + 1)
    of_file = {path: _of_file(path, count) for path, count in counts.items()}
    return [of_file[path][frame] for path, frame in volume.files]


def _of_file(path: str, count: int) -> list[dict[str, str]]:
    try:
        there = os.stat(path)
        with _reading:  # who asks for the same meanwhile finds it read
            return _read(path, count, there.st_mtime_ns, there.st_size)
    except (OSError, FunctionalGroupsError):  # its volume was made of it: it is gone meanwhile, and its slices say so
        return [{} for _ in range(count)]


@lru_cache(maxsize=FILES_KEPT)
def _read(path: str, count: int, _mtime: int, _size: int) -> list[dict[str, str]]:
    return read_frame_texts(path, count)


def _holds(text: str | None, condition: Any) -> bool:
    """Whether a frame's text is one that `Catalog.where` would choose."""
    if isinstance(condition, bool):
        return condition == (text is not None)
    if isinstance(condition, slice):
        low, high = ends_of(condition)
        values = [number(part) for part in (text or "").split("\\")]
        return any(value is not None and low <= value <= high for value in values)
    if isinstance(condition, Spelled):  # how a frame writes it is not kept
        return True
    return text in texts_of(condition)
