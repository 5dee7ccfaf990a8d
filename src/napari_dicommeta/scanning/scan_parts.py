"""Scan what is too much for memory, a part after the other: `iter_scan_parts`."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from napari_dicommeta.scanning.listing import list_steps
from napari_dicommeta.scanning.local import scan_paths
from napari_dicommeta.scanning.scan import reached_sources
from napari_dicommeta.scanning.sources import Source, is_remote, sources_of
from napari_dicommeta.support.generators import changed

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator

    from napari_dicommeta.catalog.catalog import Catalog
    from napari_dicommeta.scanning.progress import Failure, ScanProgress

__all__ = ["iter_scan_parts"]


def iter_scan_parts(
    source: Source | Iterable[Source], part_files: int, take: Callable[[Catalog], object], workers: int | None = None
) -> Generator[ScanProgress, None, None]:
    """Scan as `scan` does, and call `take` with the catalog of each `part_files` files listed; yield progress.

    Files are listed while they are read, and no catalog is kept. What `take` raises ends the scan.

    Raises
    ------
    OSError, ValueError, ImportError
        As `scan` does.
    """
    paths, lost = yield from reached_sources(sources_of(source))
    entries = list_steps(paths)
    before, is_last = 0, False
    while not is_last:
        listed = _Listed(entries, part_files)
        catalog = yield from _counted(scan_paths(listed, 1 if is_remote(paths) else workers), before)
        is_last = listed.n_left > 0
        if is_last and lost:
            catalog = catalog.with_failures([*catalog.failures, *lost])
        take(catalog)
        before += catalog.n_files + len(catalog.failures)
        del catalog


class _Listed:
    """The next entries of a listing, up to a number of files."""

    def __init__(self, entries: Iterator[str | Failure | None], count: int) -> None:
        self._entries, self.n_left = entries, count

    def __iter__(self) -> _Listed:
        return self

    def __next__(self) -> str | Failure | None:
        if not self.n_left:
            raise StopIteration
        entry = next(self._entries)
        if isinstance(entry, str):
            self.n_left -= 1
        return entry


def _counted(steps: Generator[ScanProgress, None, Catalog], before: int) -> Generator[ScanProgress, None, Catalog]:
    """Return the result of a scan; yield its progress with the entries of earlier parts, without its tables."""

    def counted(progress: ScanProgress) -> ScanProgress:
        return replace(progress, done=before + progress.done, found=before + progress.found, tables=(), failures=())

    return changed(steps, counted)
