"""Sources of the commands: folders, files, saved catalogs and lists of them, and what a scan leaves out."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from napari_dicommeta.cli.terminal import CommandError, failure_line, show_scan
from napari_dicommeta.support.errors import DicomMetaError
from napari_dicommeta.support.words import display

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from napari_dicommeta.catalog.catalog import Catalog

__all__ = [
    "LIST",
    "add_source_arguments",
    "catalog_of_options",
    "exists",
    "list_left_out",
    "need_paths",
    "rescanned_sources",
    "source_paths_of",
]

LIST = "-"
"""A source that stands for the paths on standard input."""
MAX_NAMED = 5
"""Number of sources, or of files left out, that are named."""


def add_source_arguments(sub: argparse.ArgumentParser, nargs: str | None = "+", more: str = "") -> None:
    """Add the sources, the conditions on their files, and the use of the cache to the arguments of a command.

    `more`: further words in the help of the sources.
    """
    some = "a folder, an archive, a file, or a catalog" if nargs is None else "folders, archives, files, or catalogs"
    sub.add_argument(
        "source",
        metavar="SRC",
        nargs=nargs,
        help=f"{some} saved as .parquet; - reads paths from standard input, one a line{more}",
    )
    sub.add_argument(
        "--where",
        metavar="TAG=VALUE",
        action="append",
        default=[],
        help="only files with this value: a text with * for any characters, a number, LOW..HIGH, also of dates, as in "
        "2010..201203, or nothing for none; values of one tag add up, several tags narrow",
    )
    sub.add_argument(
        "--no-cache", dest="cache", action="store_false", help="read every file, and keep nothing of the scan"
    )


def source_paths_of(sources: str | Sequence[str]) -> tuple[str, ...]:
    """Return the sources, with those on standard input in place of ``-``.

    The paths there are one a line, or separated by NUL characters, as ``find -print0`` writes them.

    Raises
    ------
    CommandError
        If there is no path on standard input.
    """
    paths: list[str] = []
    for source in (sources,) if isinstance(sources, str) else sources:
        if source != LIST:
            paths.append(source)
            continue
        text = sys.stdin.read()
        listed = [path for path in (text.split("\0") if "\0" in text else text.splitlines()) if path.strip()]
        if not listed:
            raise CommandError("standard input: there is no path; write one a line")
        paths += listed
    return tuple(paths)


def exists(source: str) -> bool:
    """Return whether an argument is a source: a path that exists, also inside an archive, a URL or a list."""
    from napari_dicommeta.files.urls import is_url
    from napari_dicommeta.scanning.archives import is_inside

    if source == LIST or is_url(source) or os.path.lexists(source):
        return True
    try:
        return is_inside(source)
    except OSError:
        return True  # an archive that cannot be read: the scan says why


def catalog_of_options(options: argparse.Namespace, sources: str | Sequence[str] | None = None) -> Catalog:
    """Read the catalog of a command's sources, or of `sources`, and keep the files that ``--where`` selects.

    Raises
    ------
    CommandError
        If a source cannot be read, has no DICOM files, or none that fulfills the conditions.
    """
    from napari_dicommeta.catalog.storage import is_saved
    from napari_dicommeta.cli.conditions import selected_files

    options.paths = source_paths_of(options.source if sources is None else sources)
    catalog = _read(options.paths, options.cache)
    selected = selected_files(catalog, options.where)
    if not all(is_saved(path) for path in options.paths):  # what a scan says is said once
        list_left_out(selected)
    return selected


def rescanned_sources(options: argparse.Namespace, catalog: Catalog) -> tuple[str, ...] | None:
    """Return the paths that give the files of `catalog` again when scanned; None for a saved catalog."""
    from napari_dicommeta.catalog.storage import is_saved
    from napari_dicommeta.scanning.sources import source_paths

    if not options.where and not any(is_saved(path) for path in options.paths):
        return source_paths(options.paths)
    return catalog.paths if options.where or len(options.paths) > 1 else None


def need_paths(catalog: Catalog, options: argparse.Namespace, need: str) -> None:
    """Raise unless the catalog names its files, which `need`, a phrase like "a full catalog", requires.

    Raises
    ------
    CommandError
        If the catalog was saved for others, without paths.
    """
    from napari_dicommeta.catalog.storage import is_saved

    if not catalog.has_paths:
        raise CommandError(
            f"{display(next(filter(is_saved, options.paths)))} names neither persons nor files, as `scan` saves it by "
            f"default: {need} needs the folder itself, or a catalog saved with `scan FOLDER -o X.parquet --full`"
        )


def _read(sources: Sequence[str], cache: bool) -> Catalog:
    """Read the catalogs of all sources, a file that is in several of them once; list what is left out on stderr."""
    from napari_dicommeta.catalog.catalog import Catalog
    from napari_dicommeta.catalog.storage import is_saved
    from napari_dicommeta.scanning.scan import iter_scan
    from napari_dicommeta.scanning.sources import is_remote

    saved = [source for source in sources if is_saved(source)]
    remote = [source for source in sources if source not in saved and is_remote(source)]
    local = [source for source in sources if source not in saved and source not in remote]
    catalogs = []
    for source in saved:
        try:
            catalogs.append(Catalog.load(source))
        except DicomMetaError as error:
            raise CommandError(f"{display(source)}: {error}") from error
        except OSError as error:
            raise CommandError(f"{display(source)}: {error.strerror or type(error).__name__}") from error
    for paths in (local, remote):
        if not paths:
            continue
        catalogs.append(show_scan(iter_scan(paths, cache=cache)))
    if not any(catalog.n_files for catalog in catalogs):
        names = ", ".join(display(source) for source in sources[:MAX_NAMED])
        more = f" and {len(sources) - MAX_NAMED:,} more" if len(sources) > MAX_NAMED else ""
        for catalog in catalogs:
            list_left_out(catalog)
        raise CommandError(f"{names}{more}: no DICOM file was found")
    whole = catalogs[0]
    for catalog in catalogs[1:]:
        whole = whole + catalog
    if len(catalogs) > 1 and all(catalog.has_paths for catalog in catalogs):
        import numpy as np

        _, first = np.unique(np.array(whole.paths), return_index=True)
        if len(first) < whole.n_files:
            whole = whole.rows(np.sort(first)).with_failures(whole.failures)
    return whole


def list_left_out(catalog: Catalog) -> None:
    """List files that are damaged, and entries that are not read, on stderr."""
    for failure in (*catalog.partial, *catalog.failures)[:MAX_NAMED]:
        print(failure_line(failure, catalog), file=sys.stderr)
    more = len(catalog.partial) + len(catalog.failures) - MAX_NAMED
    if more > 0:
        print(f"… and {more:,} more entries that are damaged or not DICOM", file=sys.stderr)
