"""Numbers of a tag along the slices of a volume (tube current, echo time, window), and search for a slice."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_dicommeta.catalog.conditions import Spelled, ends_of, texts_of
from napari_dicommeta.catalog.moments import MOMENT_VRS, moments
from napari_dicommeta.dicom.functional_groups import GROUPS, frame_keyword, read_frame_texts
from napari_dicommeta.dicom.tags import TagPath
from napari_dicommeta.dicom.values import number
from napari_dicommeta.support.errors import FunctionalGroupsError
from napari_dicommeta.support.sorting import sorted_unique

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from napari_dicommeta.catalog.catalog import Catalog
    from napari_dicommeta.catalog.conditions import Condition, Tags
    from napari_dicommeta.volumes.volume import Volume

__all__ = ["MAX_CURVES", "is_of_frames", "slice_matching", "values_along"]

MAX_CURVES = 6
_reading = threading.Lock()


def is_of_frames(volume: Volume, tags: Sequence[Tags]) -> bool:
    """Return whether one of `tags` is a per-frame tag of multi-frame files, which must be read for it (slow)."""
    if not any(isinstance(tag, str) and tag.startswith(GROUPS) for tag in tags):
        return False
    return len({path for path, _ in volume.files}) < len(volume.files)


def values_along(volume: Volume, catalog: Catalog, keyword: str) -> np.ndarray | None:
    """Return the numbers of `keyword` for each slice, in the order of `Volume.files`.

    The result is float64 of shape (components, slices), with at most `MAX_CURVES` components. It is NaN where a
    slice has no number, and None if all slices have equal numbers or none. Dates, times and ages are numbers as
    `catalog.moments` has them. `catalog` holds the files. A tag of the functional groups (PS3.3 section C.7.6.16) is
    read from the file for each frame. All other tags are shared by the frames of a file.

    Raises
    ------
    ValueError
        If `keyword` is neither a keyword nor a tag.
    """
    if is_of_frames(volume, (keyword,)):
        name = frame_keyword(keyword)
        texts = [frame.get(name) for frame in _frames(volume)]
    else:
        text_of = dict(zip(catalog.paths, catalog.column_texts(keyword), strict=True))
        texts = [text_of.get(path) for path, _ in volume.files]
    distinct = {text: text.split("\\")[:MAX_CURVES] if text else [] for text in texts}
    values = iter(_numbers(TagPath.parse(keyword).vr, [part for parts in distinct.values() for part in parts]))
    known = {text: tuple(next(values) for _ in parts) for text, parts in distinct.items()}
    rows = [known[text] for text in texts]
    components = max(map(len, rows), default=0)
    if not components:
        return None
    padded = np.array([(*row, *(np.nan,) * (components - len(row))) for row in rows]).T
    varying = [line for line in padded if len(sorted_unique(line[np.isfinite(line)])) > 1]
    return np.array(varying) if varying else None


def _numbers(vr: str, texts: Sequence[str]) -> list[float]:
    """Return the number of each component as its VR reads it, NaN for one that is none."""
    if vr in MOMENT_VRS:
        return [float(value) for value in moments(vr, texts)]
    return [np.nan if value is None else value for value in map(number, texts)]


def slice_matching(
    volume: Volume, paths: Collection[str], filters: Sequence[tuple[Tags, Condition]] = ()
) -> int | None:
    """Return the index in `Volume.files` of the first slice that comes from one of `paths`, None if none does.

    `filters` are those of a `Selection`. Filters on the functional groups select among the frames of a file.
    """
    numbers = [n for n, (path, _) in enumerate(volume.files) if path in paths]
    of_frames = [(tag, condition) for tag, condition in filters if is_of_frames(volume, (tag,))]
    if numbers and of_frames:
        frames = _frames(volume)
        wanted = [(frame_keyword(str(tag)), TagPath.parse(str(tag)).vr, condition) for tag, condition in of_frames]
        fitting = (n for n in numbers if all(_holds(vr, frames[n].get(name), holds) for name, vr, holds in wanted))
        return next(fitting, numbers[0])
    return next(iter(numbers), None)


def _frames(volume: Volume) -> list[dict[str, str]]:
    """Return keyword -> text of the frame behind each slice, empty where its file cannot be read."""
    counts: dict[str, int] = {}
    for path, frame in volume.files:
        counts[path] = max(counts.get(path, 0), frame + 1)
    of_file = {path: _of_file(path, count) for path, count in counts.items()}
    return [of_file[path][frame] for path, frame in volume.files]


def _of_file(path: str, count: int) -> list[dict[str, str]]:
    try:
        with _reading:  # a second caller waits and then finds the file cached
            return read_frame_texts(path, count)
    except FunctionalGroupsError:  # removed since the volume was opened; reading its slices reports it
        return [{} for _ in range(count)]


def _holds(vr: str, text: str | None, condition: Any) -> bool:
    """Return whether `Catalog.where` would select a frame with this text."""
    if isinstance(condition, bool):
        return condition == (text is not None)
    if isinstance(condition, slice):
        low, high = ends_of(condition, vr)
        return any(low <= value <= high for value in _numbers(vr, (text or "").split("\\")))
    if isinstance(condition, Spelled):  # the spelling in a frame is not known
        return True
    return text in texts_of(condition)
