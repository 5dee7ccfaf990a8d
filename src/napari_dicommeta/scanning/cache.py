"""The cache of catalogs between scans: only files whose size or modification time changed are read again.

A JSON file beside the catalog holds a mark for each folder (see `folder_marks`) and the status of files that are not
DICOM. The files of a folder whose mark is unchanged are not compared. Both files hold the same random mark, as another
process may write them at the same time. The JSON file has a digest of the catalog, whose columns are read much later:
damage is seen before any is, and costs time only.
"""

from __future__ import annotations

import errno
import json
import logging
import os
import secrets
import stat
import time
from contextlib import closing, suppress
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_dicommeta.catalog.catalog import Catalog
from napari_dicommeta.catalog.storage import save
from napari_dicommeta.files.opening import open_file
from napari_dicommeta.scanning.folder_marks import mark_folder
from napari_dicommeta.scanning.listing import list_steps
from napari_dicommeta.scanning.local import scan_paths
from napari_dicommeta.scanning.pending_calls import PendingCalls
from napari_dicommeta.scanning.progress import REPORT_SECONDS, ScanProgress, waited_for
from napari_dicommeta.scanning.recorder import UNKNOWN_TIME
from napari_dicommeta.support.atomic import write_text
from napari_dicommeta.support.errors import CatalogError
from napari_dicommeta.support.log import LOGGER, log_fault
from napari_dicommeta.support.side_by_side import SideBySide

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator, Sequence
    from pathlib import Path

    from napari_dicommeta.catalog.catalog import ScanFailure
    from napari_dicommeta.scanning.progress import Failure

__all__ = ["cache_file", "cached_catalog", "forget", "scan_cached"]

READING = 3
"""Changes with how headers are read: what was read otherwise is read again."""
MAX_CACHE_BYTES, MAX_CATALOGS = 2 << 30, 200
"""The size of the cache; catalogs that were used longest ago are deleted."""
MAX_ASKED = 256
"""The most files whose status is asked for at once."""


def cache_file(paths: Sequence[str]) -> Path:
    """Return the path of the cached catalog of a source: in the user's cache folder, named by a digest of its paths."""
    from platformdirs import user_cache_path

    digest = blake2b("\0".join(sorted(paths)).encode("utf-8", "surrogateescape"), digest_size=16).hexdigest()
    return user_cache_path("napari-dicommeta") / f"{digest}.parquet"


@dataclass(frozen=True, slots=True)
class _Status:
    """The status of a source at its last scan: folder marks, and (size, mtime) of files that are not DICOM."""

    marks: dict[str, str] = field(default_factory=dict)
    rejected: dict[str, list[int]] = field(default_factory=dict)


def scan_cached(
    paths: Sequence[str], workers: int | None, marking: Generator[None, None, dict[str, str]]
) -> Generator[ScanProgress, None, Catalog]:
    """Scan `paths`, reading only the files that have changed since the last scan, and cache the catalog.

    `marking` is that of the folders of `paths`, which may have begun. A scan that is cancelled or fails caches what it
    has read.
    """
    target = cache_file(paths)
    cached, before = _read(target)
    waiting = ScanProgress(done=0, found=0, listed=False)
    marks = yield from waited_for(marking, lambda: waiting)
    unchanged_folders = {folder for folder, mark in marks.items() if mark and mark == before.marks.get(folder)}
    if len(unchanged_folders) == len(marks) == len(before.marks) and all(path in marks for path in paths):
        return cached
    if not cached.n_files and not before.marks:
        catalog = yield from _scanned(scan_paths(list_steps(paths), workers), cached, target)
        _save(catalog, target, _settled(marks, catalog), _rejected(catalog.failures, marks))
        return catalog
    rows = {path: i for i, path in enumerate(cached.paths)}
    sizes, times = cached.file_column("size").tolist(), cached.file_column("mtime").tolist()
    others: list[Failure] = []
    unchanged_rows: list[int] = []
    changed: list[str] = []
    still_rejected: dict[str, list[int]] = {}
    statuses: dict[str, list[int]] = {}
    reported = time.monotonic()
    known = rows.keys() | before.rejected.keys()
    for step in _with_status(list_steps(paths), unchanged_folders, known, others):
        if step is not None:
            path, status = step
            row, rejected = rows.get(path), before.rejected.get(path)
            if row is not None and status in ([], [sizes[row], times[row]]):
                unchanged_rows.append(row)
            elif rejected is not None and status in ([], rejected):
                still_rejected[path] = rejected
            else:
                changed.append(path)
                statuses[path] = status
        if step is None or time.monotonic() - reported > REPORT_SECONDS:
            yield waiting
            reported = time.monotonic()
    kept = cached.rows(np.sort(np.array(unchanged_rows, dtype=np.int64)))
    fresh = yield from _scanned(scan_paths(iter([*others, *changed]), workers), kept, target)
    failures = [*(failure for failure in cached.failures if failure.path in still_rejected), *fresh.failures]
    if (
        marks == before.marks
        and not changed
        and len(unchanged_rows) == cached.n_files
        and set(failures) == set(cached.failures)
    ):
        return cached
    catalog = ((kept + fresh) if unchanged_rows else fresh).with_failures(failures)
    still_rejected |= {
        failure.path: statuses[failure.path]
        for failure in failures
        if failure.path in statuses and _is_settled(failure)
    }
    _save(catalog, target, _settled(marks, catalog), still_rejected)
    return catalog


def _with_status(
    entries: Iterator[str | Failure | None], unchanged_folders: set[str], known: set[str], others: list[Failure]
) -> Iterator[tuple[str, list[int]] | None]:
    """Yield the files of a listing with their status, and None while storage does not answer.

    Files that are `known` in `unchanged_folders` have the status []. Other entries are appended to `others`.
    """
    asked: list[str] = []
    with closing(PendingCalls()) as calls:
        for entry in entries:
            if entry is None:
                yield None
            elif not isinstance(entry, str):
                others.append(entry)
            elif os.path.dirname(entry) in unchanged_folders and entry in known:
                yield entry, []
            else:
                asked.append(entry)
                if len(asked) >= MAX_ASKED:
                    yield from _ask_statuses(calls, asked)
                    asked = []
        if asked:
            yield from _ask_statuses(calls, asked)


def _ask_statuses(calls: PendingCalls, paths: list[str]) -> Iterator[tuple[str, list[int]] | None]:
    """Yield `paths` with their status, which no file has if the storage does not answer; then it is read."""
    try:
        statuses = yield from calls.answers(_status, paths)
    except TimeoutError:
        statuses = [[-1, -1] for _ in paths]
    yield from zip(paths, statuses, strict=True)


def _scanned(
    steps: Generator[ScanProgress, None, Catalog], kept: Catalog, target: Path
) -> Generator[ScanProgress, None, Catalog]:
    """Return the result of a scan; if it is cancelled or fails, save `kept` and what it has read."""
    progress = None
    try:
        while True:
            progress = next(steps)
            yield progress
    except StopIteration as stop:
        catalog: Catalog = stop.value
        return catalog
    except BaseException:
        steps.close()
        if progress is not None and progress.tables:
            LOGGER.info("keeping the %d files read so far", progress.done)
            _save(kept + progress.catalog().with_failures([]), target, {}, {})
        raise


def _is_settled(failure: ScanFailure) -> bool:
    """Return whether a file will not be read as long as it is the same: it does not depend on storage and on rights."""
    return failure.outcome == "rejected" and failure.code != "unreadable"


def _settled(marks: dict[str, str], catalog: Catalog) -> dict[str, str]:
    """Return the marks without those of folders whose files have to be read again, though they may not have changed."""
    times = catalog.file_column("mtime")
    failures = (
        failure for failure in catalog.failures if failure.outcome == "timed out" or failure.code == "unreadable"
    )
    paths = [failure.path for failure in failures]
    paths += [catalog.paths[row] for row in np.flatnonzero(times == UNKNOWN_TIME)]
    unsettled = set(map(os.path.dirname, paths))
    return {folder: mark for folder, mark in marks.items() if folder not in unsettled}


def _rejected(failures: Iterable[ScanFailure], marks: dict[str, str]) -> dict[str, list[int]]:
    """Return the status of files that are not DICOM, in folders that are still as `marks`, from before reading, say."""
    paths = [failure.path for failure in failures if _is_settled(failure)]
    statuses = dict(zip(paths, SideBySide(_status)(paths), strict=True))
    folders = set(map(os.path.dirname, paths))
    same = {folder for folder in folders if marks.get(folder) and mark_folder(folder)[0] == marks[folder]}
    return {path: status for path, status in statuses.items() if os.path.dirname(path) in same and status[0] >= 0}


def cached_catalog(paths: Sequence[str]) -> Catalog:
    """Return the cached catalog of a source as it is, empty if there is none or it is damaged."""
    return _read(cache_file(paths))[0]


def _read(target: Path) -> tuple[Catalog, _Status]:
    """Return the cached catalog and its status, both empty where they cannot be used.

    The status of another catalog is ignored: two scans of one source may write at the same time. So is a catalog whose
    headers an earlier version of this program read, perhaps in another way.
    """
    none = Catalog.of_tables([])
    try:
        status, digest = _read_status(target), _digest(target)
        cached = Catalog.load(target)
        mark = cached.file_rows.store.mark
        if status.get("mark") != mark:
            cached.file_rows.store.table  # noqa: B018  reads all columns, which raises where one is damaged
        elif status["digest"] != digest:
            raise CatalogError("it is not as it was saved")
    except FileNotFoundError:
        LOGGER.info("no cache yet")
        return none, _Status()
    except (OSError, ValueError, TypeError, MemoryError) as error:
        log_fault("reading the cache (all files are read instead)", error, logging.WARNING)
        return none, _Status()
    if not mark.startswith(f"{READING} "):
        LOGGER.info("the cache is of another version")
        return none, _Status()
    if status.get("mark") != mark:
        LOGGER.info("the status of the cache is missing, or belongs to another catalog")
        return cached, _Status()
    return cached, _Status(status["marks"], status["rejected"])


def _read_status(target: Path) -> dict[str, Any]:
    """Return what the JSON file beside a catalog holds, {} where it cannot be used."""
    try:
        status = json.loads(_bytes_of(_status_file(target)))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, RecursionError, MemoryError) as error:
        log_fault("reading the status of the cache (all files are compared instead)", error, logging.WARNING)
        return {}
    return status if _is_status(status) else {}


def _digest(target: Path) -> str:
    return blake2b(_bytes_of(target), digest_size=16).hexdigest()


def _bytes_of(path: Path) -> bytes:
    """Return the bytes of a file of the cache.

    Raises
    ------
    OSError
        If it cannot be read, is a pipe or device, which might never end, or is larger than the whole cache may be.
    """
    status = path.stat()
    if not stat.S_ISREG(status.st_mode):
        raise OSError(errno.EINVAL, "no regular file")
    if status.st_size > MAX_CACHE_BYTES:
        raise OSError(errno.EFBIG, "larger than the cache may be")
    return path.read_bytes()


def _is_status(status: object) -> bool:
    """Return whether JSON has the shape of a status: mark and digest, marks by folder, and (size, time) by file."""
    if not isinstance(status, dict) or set(status) != {"mark", "digest", "marks", "rejected"}:
        return False
    marks, rejected = status["marks"], status["rejected"]
    if not isinstance(marks, dict) or not isinstance(rejected, dict):
        return False
    if not all(isinstance(mark, str) for mark in (status["mark"], status["digest"], *marks.values())):
        return False
    pairs = rejected.values()
    return all(isinstance(pair, list) and len(pair) == 2 and all(type(n) is int for n in pair) for pair in pairs)


def _status(path: str) -> list[int]:
    """Return the size and modification time (ns) of a file, [-1, -1] if it cannot be accessed."""
    try:
        status = os.stat(path)
    except (FileNotFoundError, NotADirectoryError):
        return _status_inside(path)
    except (OSError, ValueError):
        return [-1, -1]
    return [status.st_size, status.st_mtime_ns]


def _status_inside(path: str) -> list[int]:
    """Return the size of a file in an archive, and the modification time of the archive."""
    try:
        with open_file(path) as file:
            return [file.size, file.mtime]
    except (OSError, ValueError):
        return [-1, -1]


def _status_file(target: Path) -> Path:
    return target.with_suffix(".json")


def _save(catalog: Catalog, target: Path, marks: dict[str, str], rejected: dict[str, list[int]]) -> None:
    """Save the catalog and its status, with one mark; a failure is logged, as the scan does not depend on the cache."""
    mark = f"{READING} {secrets.token_hex(12)}"
    failures = [(failure.path, failure.reason, failure.outcome, failure.code) for failure in catalog.failures]
    try:
        target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        save(catalog.file_rows.taken(), failures, target, mark, typed=False)
        status = {"mark": mark, "digest": _digest(target), "marks": marks, "rejected": rejected}
        write_text(_status_file(target), json.dumps(status))
        _prune(target)
    except OSError as error:
        log_fault("writing the cache", error, logging.WARNING)


def _prune(target: Path) -> None:
    """Delete the catalogs that were used longest ago until the cache has its size; `target` stays."""
    kept = []
    for path in target.parent.glob("*.parquet"):
        with suppress(FileNotFoundError):
            status = path.stat()
            kept.append((max(status.st_mtime, status.st_atime), status.st_size, path))
    total = sum(size for _, size, _ in kept)
    for number, (_, size, path) in enumerate(sorted(kept)):
        if (total <= MAX_CACHE_BYTES and len(kept) - number <= MAX_CATALOGS) or path == target:
            continue
        for part in (_status_file(path), path):
            with suppress(FileNotFoundError):
                part.unlink()
        total -= size


def forget(paths: Sequence[str]) -> None:
    """Delete the cached catalog of a source."""
    for path in (cache_file(paths), _status_file(cache_file(paths))):
        with suppress(FileNotFoundError):
            os.unlink(path)
