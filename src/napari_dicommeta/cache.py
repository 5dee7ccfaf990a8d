"""A source's catalog kept between scans: only files whose size or modification time changed are read again."""

from __future__ import annotations

import json
import os
import queue
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from hashlib import blake2b
from typing import TYPE_CHECKING

import numpy as np

from napari_dicommeta.listing import files_of, list_files
from napari_dicommeta.worker import Worker, statuses

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator, Sequence
    from pathlib import Path

    from napari_dicommeta.catalog import Catalog
    from napari_dicommeta.scanner import Failure, ScanProgress

__all__ = ["cache_file", "forget", "scan_cached"]

BATCH = 8192


def cache_file(paths: Sequence[str]) -> Path:
    """Where the catalog of a source is kept: below the user's cache folder, named by a digest of its paths."""
    from platformdirs import user_cache_path

    digest = blake2b("\0".join(sorted(paths)).encode("utf-8", "surrogateescape"), digest_size=16).hexdigest()
    return user_cache_path("napari-dicommeta") / f"{digest}.parquet"


def scan_cached(paths: Sequence[str], workers: int | None) -> Generator[ScanProgress, None, Catalog]:
    """The catalog of `paths`, read again only where files have changed since the last scan, and kept for the next."""
    from napari_dicommeta.catalog import Catalog
    from napari_dicommeta.scanner import scan_paths

    target = cache_file(paths)
    kept, rejected = Catalog.of_tables([]), {}
    with suppress(OSError, ValueError):  # no cache yet, or one that cannot be used: all is read
        rejected = json.loads(_beside(target).read_text())
        kept = Catalog.load(target)
    as_kept = zip(kept.file_column("size").tolist(), kept.file_column("mtime").tolist(), strict=True)
    known: dict[str, Sequence[int]] = dict(zip(kept.paths, as_kept, strict=True))
    changed: list[str] = []
    others: list[Failure] = []
    seen: dict[str, list[int]] = {}
    same, as_bad = set(), set()
    for path, size, mtime in _with_status(list_files(paths), others, workers):
        if known.get(path) == (size, mtime):
            same.add(path)
        elif rejected.get(path) == [size, mtime]:
            as_bad.add(path)
        else:
            changed.append(path)
            seen[path] = [size, mtime]
    fresh = yield from scan_paths(iter([*others, *changed]), workers)
    failures = [*(failure for failure in kept.failures if failure.path in as_bad), *fresh.failures]
    if not fresh.n_files and len(same) == len(known) and set(failures) == set(kept.failures):
        return kept
    if same:
        fresh = kept.rows(np.flatnonzero([path in same for path in kept.paths])) + fresh
    catalog = fresh.with_failures(failures)
    statuses_of_bad = {path: rejected[path] for path in as_bad}
    statuses_of_bad |= {failure.path: seen[failure.path] for failure in failures if failure.path in seen}
    _keep(catalog, target, statuses_of_bad)
    return catalog


def _with_status(
    entries: Iterable[str | Failure], others: list[Failure], count: int | None
) -> Iterator[tuple[str, int, int]]:
    """Path, size and modification time of each file of a listing; what is no file goes to `others`.

    Many files are asked for by processes: the system calls take longer than all that is done with them.
    """
    workers: queue.Queue[Worker] = queue.Queue()
    count = count or os.cpu_count() or 1
    batches: list[tuple[list[str], Future[tuple[bytes, bytes]]]] = []

    def ask(batch: list[str]) -> tuple[bytes, bytes]:
        worker = workers.get()
        try:
            return worker.statuses(batch)
        except (OSError, EOFError):
            return statuses(batch)
        finally:
            workers.put(worker)

    batch: list[str] = []
    with ThreadPoolExecutor(count) as pool:
        try:
            for path in files_of(entries, others):
                batch.append(path)
                if count > 1 and len(batch) == BATCH:
                    if not batches:
                        for _ in range(count):
                            workers.put(Worker())
                    batches.append((batch, pool.submit(ask, batch)))
                    batch = []
            results = [(part, future.result()) for part, future in batches]
        finally:
            while not workers.empty():
                workers.get().stop()
    results.append((batch, statuses(batch)))
    for part, (sizes, mtimes) in results:
        yield from zip(part, memoryview(sizes).cast("q"), memoryview(mtimes).cast("q"), strict=True)


def _beside(target: Path) -> Path:
    """The size and time of the files that were no DICOM."""
    return target.with_suffix(".json")


def _keep(catalog: Catalog, target: Path, rejected: dict[str, list[int]]) -> None:
    """Save the catalog; a cache that cannot be written costs time, not the scan."""
    with suppress(OSError):
        target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with suppress(FileNotFoundError):
            os.unlink(_beside(target))  # first: a catalog without it is read anew, one with a stale one never
        catalog.save(target)
        descriptor = os.open(_beside(target), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with open(descriptor, "w", encoding="utf-8") as file:
            json.dump(rejected, file)


def forget(paths: Sequence[str]) -> None:
    """Delete the kept catalog of a source."""
    for path in (cache_file(paths), _beside(cache_file(paths))):
        with suppress(FileNotFoundError):
            os.unlink(path)
