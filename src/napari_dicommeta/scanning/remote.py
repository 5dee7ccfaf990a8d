"""Scan with the workers of a Dask cluster, which is imported when a client is given."""

from __future__ import annotations

import gc
import os
import threading
import time
from contextlib import contextmanager
from itertools import islice
from typing import TYPE_CHECKING, Any

from napari_dicommeta.catalog.catalog import Catalog
from napari_dicommeta.catalog.columns import ColumnStore
from napari_dicommeta.scanning.listing import files_of, list_files
from napari_dicommeta.scanning.progress import REPORT_SECONDS, ScanProgress
from napari_dicommeta.scanning.reading import record
from napari_dicommeta.scanning.recorder import Recorder
from napari_dicommeta.scanning.sources import Source, check_sources, is_remote, source_paths
from napari_dicommeta.scanning.tables import table_of

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Sequence

    from napari_dicommeta.scanning.progress import Failure

__all__ = ["scan_distributed"]

TASK_FILES = 512
"""Files per task at URLs: few enough to report progress, many enough to hide the overhead of a task."""
CLUSTER_FILES, MOST_CLUSTER_FILES, FILES_A_STEP = 2048, 8192, 16
"""Files of the first tasks of a cluster, of the last ones, and the files after which a task takes one more: a short
listing is spread, and a long one has few tables to send and to join."""


_here = threading.local()
"""The recorder of a thread of a worker: it knows the layouts of the batches before."""


@contextmanager
def _uncollected() -> Iterator[None]:
    """Search for no cycles meanwhile: headers make none, and searching takes a fifth of the time."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def _read_batch(files: list[str], number: int, output: str | None) -> tuple[Any, int, list[Failure]]:
    """Return, on a worker, the table of a batch (None if written to `output`), its number of rows, and failures."""
    _here.recorder = getattr(_here, "recorder", None) or Recorder()
    with _uncollected():
        recording = record(files, recorder=_here.recorder)
    table = table_of(recording)
    if output is None:
        return table, table.num_rows, recording.failures
    from napari_dicommeta.catalog.part_files import part_name
    from napari_dicommeta.catalog.storage import save

    failed = [(path, reason, outcome, code) for path, outcome, reason, code in recording.failures]
    save(ColumnStore.of_tables([table]), failed, os.path.join(output, part_name(number)))
    return None, table.num_rows, recording.failures


def _task_files(found: int) -> int:
    """Return the number of files of the next task, after `found` files."""
    return min(CLUSTER_FILES + found // FILES_A_STEP, MOST_CLUSTER_FILES)


def scan_distributed(
    source: Source | Sequence[Source], client: Any, output: Source | None = None
) -> Generator[ScanProgress, None, Catalog]:
    """Return the catalog of files that the workers of a ``dask.distributed.Client`` read, a batch per task.

    `output` is a folder that all workers can write to. Each batch becomes a part of a Parquet data set there, and
    workers send back only counts and failures. The catalog then reads its columns from the data set when needed.
    """
    from dask.distributed import as_completed

    failures: list[Failure] = []
    paths = source_paths(source)
    failures += check_sources(paths)
    unreached = {path for path, *_ in failures}
    files = files_of(list_files([path for path in paths if path not in unreached]), failures)
    target = None
    if output is not None:
        target = os.path.abspath(os.fsdecode(output))
        os.makedirs(target, exist_ok=True)
    is_at_url = is_remote(paths)
    tables: list[Any] = []
    done = found = 0
    futures: list[Any] = []
    yield ScanProgress(done=0, found=0, listed=False)
    reported = time.monotonic()
    try:
        while batch := list(islice(files, TASK_FILES if is_at_url else _task_files(found))):
            # Workers read the first files while the others are listed.
            futures.append(client.submit(_read_batch, batch, len(futures), target, pure=False))
            found += len(batch)
            if time.monotonic() - reported > REPORT_SECONDS:
                yield ScanProgress(done=0, found=found, listed=False)
                reported = time.monotonic()
        for _, result in as_completed(futures, with_results=True):
            table, rows, failed = result
            if table is not None:
                tables.append(table)
            failures += failed
            done += rows + len(failed)
            if time.monotonic() - reported > REPORT_SECONDS:
                yield ScanProgress(done=done, found=found, listed=True, tables=tuple(tables), failures=tuple(failures))
                reported = time.monotonic()
    finally:
        client.cancel(futures)
    if target is not None:
        return Catalog.load(target)
    return Catalog.of_tables(tables, failures)
