"""Folders, files and URLs -> a catalog: `scan`, and `iter_scan`, a generator of progress that returns it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari_dicommeta.scanning.listing import Source, list_files, source_paths
from napari_dicommeta.scanning.local import scan_paths
from napari_dicommeta.support.generators import result_of

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence

    from napari_dicommeta.catalog.catalog import Catalog
    from napari_dicommeta.scanning.progress import ScanProgress

__all__ = ["iter_scan", "scan"]


def scan(
    source: Source | Sequence[Source],
    workers: int | None = None,
    progress: Callable[[ScanProgress], object] | None = None,
    client: Any = None,
    cache: bool = False,
    output: Source | None = None,
) -> Catalog:
    """The catalog of every DICOM file in `source`: folders (in depth) and files.

    Parameters
    ----------
    source
        One path or several; or fsspec URLs such as ``s3://bucket/folder`` (needs the extra ``remote``).
    workers
        Processes that read headers; None: one a core where there are enough files, 1: this process alone.
    progress
        Called with a `ScanProgress` at most ten times a second.
    client
        A ``dask.distributed.Client``: its workers read the files, which they must be able to open by the same
        paths or URLs (needs the extra ``distributed``).
    cache
        Keep the catalog in the user's cache folder, and read only those files again whose size or modification
        time has changed.
    output
        With a client: a folder into which its workers write the catalog as a Parquet data set, part by part, for
        one that is too large for memory; the columns of the catalog that is returned are read from there as needed.

    What cannot be read is in ``catalog.failures`` with its reason; nothing is raised for it.
    """
    return result_of(iter_scan(source, workers, client, cache, output), progress)


def iter_scan(
    source: Source | Sequence[Source],
    workers: int | None = None,
    client: Any = None,
    cache: bool = False,
    output: Source | None = None,
) -> Generator[ScanProgress, None, Catalog]:
    """`scan` step by step: yields progress, returns the catalog; closing the generator ends the scan at once."""
    from napari_dicommeta.scanning.remote import is_remote, scan_distributed, scan_remote

    if client is not None:
        return (yield from scan_distributed(source, client, output))
    if output is not None:
        raise ValueError("output needs a client: without one, scan and then call Catalog.save")
    if is_remote(source):
        return (yield from scan_remote(source))
    paths = source_paths(source)
    if cache:
        from napari_dicommeta.scanning.cache import scan_cached

        return (yield from scan_cached(paths, workers))
    return (yield from scan_paths(list_files(paths), workers))
