"""A source's catalog kept between scans: only files whose size or modification time changed are read again.

Beside the catalog lie a mark for each folder (see `folder_marks`) and the status of the files that were no DICOM.
Of folders whose mark is as it was, nothing is listed and no file compared.
"""

from __future__ import annotations

import json
import logging
import os
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import dataclass, field
from hashlib import blake2b
from queue import SimpleQueue
from typing import TYPE_CHECKING

import numpy as np

from napari_dicommeta.catalog.catalog import Catalog
from napari_dicommeta.scanning.folder_marks import Marked, mark_folder
from napari_dicommeta.scanning.listing import files_of, list_files
from napari_dicommeta.scanning.local import scan_paths
from napari_dicommeta.scanning.worker import Worker
from napari_dicommeta.support.log import LOGGER, log_fault

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence
    from concurrent.futures import Future
    from pathlib import Path

    from napari_dicommeta.scanning.progress import Failure, ScanProgress

__all__ = ["cache_file", "folder_marks", "forget", "scan_cached"]

MAX_FILES_ALONE = 4000
"""Up to here, starting processes to mark folders costs more than it saves."""
MAX_FOLDERS = 64
"""How many folders a process is asked for at once, at most."""


def cache_file(paths: Sequence[str]) -> Path:
    """Where the catalog of a source is kept: below the user's cache folder, named by a digest of its paths."""
    from platformdirs import user_cache_path

    digest = blake2b("\0".join(sorted(paths)).encode("utf-8", "surrogateescape"), digest_size=16).hexdigest()
    return user_cache_path("napari-dicommeta") / f"{digest}.parquet"


@dataclass(frozen=True, slots=True)
class _Kept:
    """What lies beside the catalog: the marks of the folders, and (size, mtime) of files that were no DICOM."""

    marks: dict[str, str] = field(default_factory=dict)
    rejected: dict[str, list[int]] = field(default_factory=dict)


def scan_cached(paths: Sequence[str], workers: int | None) -> Generator[ScanProgress, None, Catalog]:
    """The catalog of `paths`, read again only where files have changed since the last scan, and kept for the next."""
    target = cache_file(paths)
    kept, beside = Catalog.of_tables([]), _Kept()
    try:
        kept, beside = Catalog.load(target), _Kept(**json.loads(_beside(target).read_text()))
    except FileNotFoundError:
        LOGGER.info("no cache yet")
    except (OSError, ValueError, TypeError) as error:
        log_fault("reading the cache (all files are read instead)", error, logging.WARNING)
    marks = folder_marks([path for path in paths if os.path.isdir(path)], workers)
    as_before = {folder for folder, mark in marks.items() if mark and mark == beside.marks.get(folder)}
    if len(as_before) == len(marks) == len(beside.marks) and all(path in marks for path in paths):
        return kept
    rows = {path: i for i, path in enumerate(kept.paths)}
    sizes, times = kept.file_column("size").tolist(), kept.file_column("mtime").tolist()
    others: list[Failure] = []
    same: list[int] = []
    changed: list[str] = []
    still_bad: dict[str, list[int]] = {}
    seen: dict[str, list[int]] = {}
    for path in files_of(list_files(paths), others):
        row, bad = rows.get(path), beside.rejected.get(path)
        unchanged = os.path.dirname(path) in as_before
        status = [] if unchanged else _status(path)
        if row is not None and (unchanged or status == [sizes[row], times[row]]):
            same.append(row)
        elif bad is not None and (unchanged or status == bad):
            still_bad[path] = bad
        else:
            changed.append(path)
            seen[path] = status or _status(path)
    fresh = yield from scan_paths(iter([*others, *changed]), workers)
    failures = [*(failure for failure in kept.failures if failure.path in still_bad), *fresh.failures]
    if marks == beside.marks and not changed and len(same) == kept.n_files and set(failures) == set(kept.failures):
        return kept
    if same:
        fresh = kept.rows(np.sort(np.array(same))) + fresh
    catalog = fresh.with_failures(failures)
    still_bad |= {failure.path: seen[failure.path] for failure in failures if failure.path in seen}
    _keep(catalog, target, marks, still_bad)
    return catalog


def folder_marks(tops: Sequence[str], workers: int | None = None) -> dict[str, str]:
    """Folder -> mark, for `tops` and all folders below; links to folders are not followed."""
    marks: dict[str, str] = {}
    pending = list(tops)
    files = 0

    def take(folders: Sequence[str], results: Sequence[Marked]) -> None:
        nonlocal files
        for folder, (mark, count, inside) in zip(folders, results, strict=True):
            marks[folder] = mark
            files += count
            pending.extend(one for one in inside if one not in marks)

    count = workers or os.cpu_count() or 1
    while pending and (count == 1 or files <= MAX_FILES_ALONE):
        folder = pending.pop()
        take([folder], [mark_folder(folder)])
    if not pending:
        return marks
    idle: SimpleQueue[Worker] = SimpleQueue()

    def ask(folders: list[str]) -> list[Marked]:
        worker = idle.get()
        try:
            return worker.marks(folders)
        except (OSError, EOFError) as error:  # the process died: this one does its work
            log_fault("marking folders in a process", error, logging.WARNING)
            return [mark_folder(folder) for folder in folders]
        finally:
            idle.put(worker)

    started = [Worker() for _ in range(count)]
    for worker in started:
        idle.put(worker)
    try:
        with ThreadPoolExecutor(count) as pool:
            asked: dict[Future[list[Marked]], list[str]] = {}
            while pending or asked:
                size = max(1, min(MAX_FOLDERS, len(pending) // (2 * count)))
                while pending and len(asked) < 2 * count:
                    batch, pending[-size:] = pending[-size:], []
                    asked[pool.submit(ask, batch)] = batch
                for future in wait(asked, return_when=FIRST_COMPLETED).done:
                    take(asked.pop(future), future.result())
    finally:
        for worker in started:
            worker.stop()
    return marks


def _status(path: str) -> list[int]:
    """The size and modification time (ns) of a file, -1 where there is none."""
    try:
        status = os.stat(path)
    except (OSError, ValueError):
        return [-1, -1]
    return [status.st_size, status.st_mtime_ns]


def _beside(target: Path) -> Path:
    return target.with_suffix(".json")


def _keep(catalog: Catalog, target: Path, marks: dict[str, str], rejected: dict[str, list[int]]) -> None:
    """Save the catalog; a cache that cannot be written costs time, not the scan."""
    try:
        target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with suppress(FileNotFoundError):
            os.unlink(_beside(target))  # first: a catalog without it is read anew, one with a stale one never
        catalog.save(target)
        descriptor = os.open(_beside(target), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with open(descriptor, "w", encoding="utf-8") as file:
            json.dump({"marks": marks, "rejected": rejected}, file)
    except OSError as error:
        log_fault("writing the cache", error, logging.WARNING)


def forget(paths: Sequence[str]) -> None:
    """Delete the kept catalog of a source."""
    for path in (cache_file(paths), _beside(cache_file(paths))):
        with suppress(FileNotFoundError):
            os.unlink(path)
