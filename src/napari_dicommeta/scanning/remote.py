"""Scan fsspec URLs, and scan with the workers of a Dask cluster.

Both are optional: fsspec is imported when a source is a URL, dask when a client is given.
"""

from __future__ import annotations

import errno
import gc
import logging
import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import islice
from typing import TYPE_CHECKING, Any

from napari_dicommeta.catalog.catalog import Catalog
from napari_dicommeta.catalog.columns import ColumnStore
from napari_dicommeta.scanning.first_reads import is_compressed, tail_place
from napari_dicommeta.scanning.listing import Source, check_sources, files_of, list_files, source_paths, sources_of
from napari_dicommeta.scanning.progress import REPORT_SECONDS, ScanProgress
from napari_dicommeta.scanning.reading import record
from napari_dicommeta.scanning.recorder import Recorder, Recording
from napari_dicommeta.scanning.tables import table_of
from napari_dicommeta.support.errors import HeaderError
from napari_dicommeta.support.log import log_fault

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Sequence

    from napari_dicommeta.scanning.progress import Failure

__all__ = ["is_remote", "read_urls", "scan_distributed", "scan_remote"]

TASK_FILES = 512
"""Files per task at URLs: few enough to report progress, many enough to hide the overhead of a task."""
CLUSTER_FILES, MOST_CLUSTER_FILES, FILES_A_STEP = 2048, 8192, 16
"""Files of the first tasks of a cluster, of the last ones, and the files after which a task takes one more: a short
listing is spread, and a long one has few tables to send and to join."""
FETCH_THREADS = 32


def is_remote(source: Source | Sequence[Source]) -> bool:
    """Return whether a source is given by URLs (``s3://…``, ``memory://…``, ``zip://::archive.zip``), not by paths."""
    return any("://" in path for path in sources_of(source))


def _file_system(url: str) -> tuple[Any, str]:
    try:
        from fsspec.core import url_to_fs
    except ImportError as error:
        raise ImportError(f'{url} needs fsspec: pip install "napari-dicommeta[remote]"') from error
    system, path = url_to_fs(url)
    return system, str(path)


def _urls(source: Source | Sequence[Source], failures: list[Failure]) -> list[tuple[str, str]]:
    """Return (URL of the source, path in its file system) of every file in it."""
    files = []
    for url in sources_of(source):
        system, path = _file_system(url)
        try:
            names = sorted(system.find(path))
            is_there = bool(names) or system.exists(path)
        except FileNotFoundError:
            names, is_there = [], False
        except (OSError, ValueError) as error:
            failures.append((url, "rejected", f"cannot be listed: {type(error).__name__}", "unreadable"))
            continue
        if not is_there:
            raise FileNotFoundError(errno.ENOENT, "there is nothing at this URL", url)
        files += [(url, name) for name in names]
    return files


def read_urls(files: Sequence[tuple[str, str]]) -> Recording:
    """Read the headers of `files`: (URL of the source, path in its file system), fetched a window at a time.

    File systems with asynchronous access, such as object stores, are read by several threads, others by a single one.
    """
    recorder = Recorder()
    systems: dict[str, Any] = {}
    for url in {url for url, _ in files}:
        systems[url] = _file_system(url)[0]

    def ends(file: tuple[str, str]) -> tuple[int, bytes, bytes] | Exception:
        system, name = systems[file[0]], file[1]
        try:
            size = int(system.size(name) or 0)
            first = bytes(system.cat_file(name, start=0, end=recorder.reads.count(name, size)))
            tail = _Fetch(system, name)(*tail_place(size)) if is_compressed(first) else b""
            return size, first, tail
        except Exception as error:  # noqa: BLE001  file systems raise their own types of errors
            log_fault("fetching the first and last bytes of a remote file", error, logging.DEBUG)
            return error

    parallel = all(getattr(system, "async_impl", False) for system in systems.values())
    with ThreadPoolExecutor(FETCH_THREADS if parallel else 1) as pool:
        for (url, name), window in zip(files, pool.map(ends, files), strict=True):
            system = systems[url]
            shown = str(system.unstrip_protocol(name))
            if isinstance(window, Exception):
                recorder.fail(shown, "rejected", f"cannot be read: {type(window).__name__}")
                continue
            try:
                fetch = _Fetch(system, name)
                recorder.add(shown, window[0], 0, window[1], fetch)
                recorder.check_end(window[0], window[1], fetch, window[2])
            except HeaderError as error:
                recorder.fail(shown, "rejected", str(error), error.code)
            except Exception as error:  # noqa: BLE001  a fault in one file must not end the scan
                log_fault("reading a remote header", error)
                recorder.fail(shown, "rejected", f"unexpected {type(error).__name__} while reading the header")
    return recorder.take()


class _Fetch:
    """A function that reads `count` bytes at `offset` of a file in a file system."""

    def __init__(self, system: Any, name: str) -> None:
        self._system, self._name = system, name

    def __call__(self, offset: int, count: int) -> bytes:
        return bytes(self._system.cat_file(self._name, start=offset, end=offset + count))


def scan_remote(source: Source | Sequence[Source]) -> Generator[ScanProgress, None, Catalog]:
    """Return the catalog of the files at URLs, read by this process."""
    failures: list[Failure] = []
    files = _urls(source, failures)
    tables: list[Any] = []
    for start in range(0, len(files), TASK_FILES):
        yield ScanProgress(done=start, found=len(files), listed=True, tables=tuple(tables), failures=tuple(failures))
        recording = read_urls(files[start : start + TASK_FILES])
        tables.append(table_of(recording))
        failures += recording.failures
    return Catalog.of_tables(tables, failures)


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


def _read_batch(files: list[Any], number: int, output: str | None) -> tuple[Any, int, list[Failure]]:
    """Return, on a worker, the table of a batch (None if written to `output`), its number of rows, and failures."""
    if files and isinstance(files[0], tuple):
        recording = read_urls(files)
    else:
        _here.recorder = getattr(_here, "recorder", None) or Recorder()
        with _uncollected():
            recording = record(files, recorder=_here.recorder)
    table = table_of(recording)
    if output is None:
        return table, table.num_rows, recording.failures
    from napari_dicommeta.catalog.storage import save

    failed = [(path, reason, outcome, code) for path, outcome, reason, code in recording.failures]
    save(ColumnStore.of_tables([table]), failed, os.path.join(output, f"part-{number:06d}.parquet"))
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
    files: Iterator[Any]
    if is_remote(source):
        files = iter(_urls(source, failures))
    else:
        paths = source_paths(source)
        check_sources(paths)
        files = files_of(list_files(paths), failures)
    target = None
    if output is not None:
        target = os.path.abspath(os.fsdecode(output))
        os.makedirs(target, exist_ok=True)
    is_url = is_remote(source)
    tables: list[Any] = []
    done = found = 0
    futures: list[Any] = []
    yield ScanProgress(done=0, found=0, listed=False)
    reported = time.monotonic()
    try:
        while batch := list(islice(files, TASK_FILES if is_url else _task_files(found))):
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
