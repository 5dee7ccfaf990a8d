"""A source as the dock has it: what was read of it so far, all of it, what is wanted of it. Frozen records, no Qt."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from napari_dicommeta.support.words import counted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_dicommeta._napari.tasks.rows import SeriesRow, TagRow
    from napari_dicommeta.catalog.catalog import Catalog, Series
    from napari_dicommeta.dicom.window import Window
    from napari_dicommeta.scanning.progress import ScanProgress
    from napari_dicommeta.volumes.refusal import Refusal
    from napari_dicommeta.volumes.volume import Volume

__all__ = ["Opened", "Partial", "SeriesRequest", "problems_of"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """A source that has been scanned: what the dock shows of it."""

    paths: tuple[str, ...]
    catalog: Catalog
    series: tuple[Series, ...]
    rows: tuple[SeriesRow, ...]
    """A row for each series."""
    volumes: tuple[Volume, ...]
    refusals: tuple[Refusal, ...]
    tags: tuple[TagRow, ...]
    windows: dict[Window, int]
    """The presets that its files state, and how many files do."""

    @staticmethod
    def name_of(paths: Sequence[str]) -> str:
        """The name of the first folder or file, and how many more there are."""
        name = os.path.basename(paths[0].rstrip(os.sep)) or paths[0]
        return f"{name} and {len(paths) - 1} more" if len(paths) > 1 else name

    @property
    def title(self) -> str:
        """The folder's or file's name."""
        return self.name_of(self.paths)

    @property
    def size(self) -> str:
        """How much it holds, in words."""
        return f"{counted(self.catalog.n_files, 'file')} · {len(self.series):,} series"


@dataclass(frozen=True, slots=True)
class Partial:
    """A scan that is running: how far it is and, from time to time, the catalog of what has been read and its tags."""

    progress: ScanProgress
    catalog: Catalog | None = None
    tags: tuple[TagRow, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SeriesRequest:
    """A series to be opened: one of its volumes, or with None all of them, with other options of `load_series`."""

    number: int
    volume: int | None = None
    split: str = "auto"
    missing_rescale: str = "refuse"
    path: str = ""
    """The file whose slice is to be shown, "" for none."""


def problems_of(opened: Opened) -> tuple[str, ...]:
    """What could not be used of a source, a sentence each: refused series, damaged files, other entries."""
    refused = {path for refusal in opened.refusals for path in refusal.paths}
    partial = (one for one in opened.catalog.partial if one.path not in refused)
    roots = {source.rstrip(os.sep) for source in opened.paths}
    others = [f"{_below(one.path, roots)}: {one.reason}" for one in (*partial, *opened.catalog.failures)]
    nothing = ["No image could be opened."] if not opened.volumes else []
    return (*nothing, *map(str, opened.refusals), *others)


def _below(path: str, roots: set[str]) -> str:
    """`path` as it stands below the source it is of: one name may be in many folders. There may be very many paths."""
    head, separator, name = path.rpartition(os.sep)
    while separator:
        if head in roots:
            return path[len(head) + 1 :]
        head, separator, _ = head.rpartition(os.sep)
    return name or path
