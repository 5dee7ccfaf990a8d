"""A source's catalog kept between scans: only files whose size or modification time changed are read again.

Beside the catalog lie a mark for each folder (see `marks`) and the status of the files that were no DICOM.
Of folders whose mark is as it was, nothing is listed and no file compared.
"""

from __future__ import annotations

import json
import os
from contextlib import suppress
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import TYPE_CHECKING

import numpy as np

from napari_dicommeta.scanning.folder_marks import folder_marks
from napari_dicommeta.scanning.listing import files_of, list_files

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence
    from pathlib import Path

    from napari_dicommeta.catalog.catalog import Catalog
    from napari_dicommeta.scanning.scan import Failure, ScanProgress

__all__ = ["cache_file", "forget", "scan_cached"]


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
    from napari_dicommeta.catalog.catalog import Catalog
    from napari_dicommeta.scanning.scan import scan_paths

    target = cache_file(paths)
    kept, beside = Catalog.of_tables([]), _Kept()
    with suppress(OSError, ValueError, TypeError):  # no cache yet, or one that cannot be used: all is read
        kept, beside = Catalog.load(target), _Kept(**json.loads(_beside(target).read_text()))
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
    with suppress(OSError):
        target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with suppress(FileNotFoundError):
            os.unlink(_beside(target))  # first: a catalog without it is read anew, one with a stale one never
        catalog.save(target)
        descriptor = os.open(_beside(target), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with open(descriptor, "w", encoding="utf-8") as file:
            json.dump({"marks": marks, "rejected": rejected}, file)


def forget(paths: Sequence[str]) -> None:
    """Delete the kept catalog of a source."""
    for path in (cache_file(paths), _beside(cache_file(paths))):
        with suppress(FileNotFoundError):
            os.unlink(path)
