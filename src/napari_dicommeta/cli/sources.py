"""Sources of the commands: folders, files, saved catalogs and lists of them, and the files that ``--where`` selects."""

from __future__ import annotations

import os
import sys
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_dicommeta.analysis.compare import NUMBER_VRS
from napari_dicommeta.cli.tag_names import meant, tag_named
from napari_dicommeta.cli.terminal import CommandError, failure_line, show_scan
from napari_dicommeta.dicom.privacy import is_identifying
from napari_dicommeta.dicom.tags import TagPath
from napari_dicommeta.dicom.values import numbers, shortest
from napari_dicommeta.support.errors import DicomMetaError
from napari_dicommeta.support.words import counted, display

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable, Sequence

    from napari_dicommeta.catalog.catalog import Catalog

__all__ = [
    "LIST",
    "add_source_arguments",
    "catalog_of_options",
    "exists",
    "need_paths",
    "rescanned_sources",
    "source_paths_of",
]

LIST = "-"
"""A source that stands for the paths on standard input."""
MAX_NAMED = 5
"""Number of values named where none of them matches a condition."""


def add_source_arguments(sub: argparse.ArgumentParser, nargs: str | None = "+", more: str = "") -> None:
    """Add the sources, the conditions on their files, and the use of the cache to the arguments of a command.

    `more`: further words in the help of the sources.
    """
    some = "a folder, a file, or a catalog" if nargs is None else "folders, files, or catalogs"
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
        help="only files with this value: a text with * for any characters, a number, LOW..HIGH, or nothing for none; "
        "values of one tag add up, several tags narrow",
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
    """Return whether an argument is a source: a path that exists, a URL or a list."""
    return source == LIST or "://" in source or os.path.lexists(source)


def catalog_of_options(options: argparse.Namespace, sources: str | Sequence[str] | None = None) -> Catalog:
    """Read the catalog of a command's sources, or of `sources`, and keep the files that ``--where`` selects.

    Raises
    ------
    CommandError
        If a source cannot be read, has no DICOM files, or none that fulfills the conditions.
    """
    from napari_dicommeta.catalog.storage import is_saved

    options.paths = source_paths_of(options.source if sources is None else sources)
    catalog = _read(options.paths, options.cache)
    selected = _selected(catalog, options.where)
    if not all(is_saved(path) for path in options.paths):  # what a scan says is said once
        _list_left_out(selected)
    return selected


def rescanned_sources(options: argparse.Namespace, catalog: Catalog) -> tuple[str, ...] | None:
    """Return the paths that give the files of `catalog` again when scanned; None for a saved catalog."""
    from napari_dicommeta.catalog.storage import is_saved

    if not options.where and not any(is_saved(path) for path in options.paths):
        return tuple(os.path.abspath(path) for path in options.paths)
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
    from napari_dicommeta.scanning.remote import is_remote
    from napari_dicommeta.scanning.scan import iter_scan

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
            _list_left_out(catalog)
        raise CommandError(f"{names}{more}: no DICOM file was found")
    whole = catalogs[0]
    for catalog in catalogs[1:]:
        whole = whole + catalog
    if len(catalogs) > 1 and all(catalog.has_paths for catalog in catalogs):
        _, first = np.unique(np.array(whole.paths), return_index=True)
        if len(first) < whole.n_files:
            whole = whole.rows(np.sort(first)).with_failures(whole.failures)
    return whole


def _list_left_out(catalog: Catalog) -> None:
    """List files that are damaged, and entries that are not read, on stderr."""
    for failure in (*catalog.partial, *catalog.failures)[:MAX_NAMED]:
        print(failure_line(failure, catalog), file=sys.stderr)
    more = len(catalog.partial) + len(catalog.failures) - MAX_NAMED
    if more > 0:
        print(f"… and {more:,} more entries that are damaged or not DICOM", file=sys.stderr)


# -- conditions -------------------------------------------------------------------------------------


def _selected(catalog: Catalog, conditions: Iterable[str]) -> Catalog:
    """Return the files that fulfill all conditions, each "TAG=VALUE"; those on one tag are alternatives."""
    chosen: dict[str, list[str | None]] = {}
    for condition in conditions:
        name, equals, value = condition.partition("=")
        if not equals:
            raise CommandError(f"--where {display(condition)}: write TAG=VALUE, such as Modality=CT")
        path = tag_named(name)
        texts = _matching(catalog, path.text, path.vr in NUMBER_VRS, value)
        if not texts:
            raise CommandError(_no_match(catalog, path.text, value))
        chosen.setdefault(path.text, []).extend(texts)
    if not chosen:
        return catalog
    selected = catalog.where({tag: tuple(texts) for tag, texts in chosen.items()})
    if not selected.n_files:
        each = ", ".join(
            f"{tag} in {counted(catalog.where({tag: tuple(t)}).n_files, 'file')}" for tag, t in chosen.items()
        )
        raise CommandError(f"no file fulfills all conditions together: {each}")
    return selected


def _matching(catalog: Catalog, tag: str, is_number: bool, value: str) -> list[str | None]:
    """Return the values of `tag` that `value` stands for, None for its absence."""
    counts: Any = catalog.values(tag)
    if not value:
        return [*([""] if "" in counts else []), *([None] if counts.absent or counts.unknown else [])]
    low, dots, high = value.partition("..")
    if is_number and dots:
        ends = [_end(low, "-inf"), _end(high, "inf")]
        return [text for text in counts if any(ends[0] <= part <= ends[1] for part in numbers(text) or ())]
    if is_number:
        parts = [shortest(part.strip()) or part for part in value.split("\\")]
        return [text for text in counts if text in (value, "\\".join(parts))]
    if value in counts:
        return [value]
    pattern = value.casefold().replace("[", "[[]").replace("?", "[?]")
    return [text for text in counts if text and fnmatchcase(text.casefold(), pattern)]


def _end(text: str, open_end: str) -> float:
    try:
        return float(text or open_end)
    except ValueError as error:
        raise CommandError(f"{display(text)}: the end of a range must be a number, as in 0.5..1.5") from error


def _no_match(catalog: Catalog, tag: str, value: str) -> str:
    """Return a sentence that no file has this value, and which values there are."""
    counts = catalog.values(tag)
    if not value:
        return f"every file has a value of {tag}"
    if not counts:
        return f"no file has {tag}"
    path = TagPath.parse(tag)
    if is_identifying(path, path.vr):  # its values are nobody's business in a log of errors
        return f"no file has this value of {tag}; `values SRC... {tag}` lists {counts.n_values:,}"
    named = ", ".join(
        f"{display(text, 40) or '(empty)'} ({files:,})" for text, files in list(counts.items())[:MAX_NAMED]
    )
    more = f" and {counts.n_values - MAX_NAMED:,} more" if counts.n_values > MAX_NAMED else ""
    return f"no file has {tag}={display(value)}; there are {named}{more}{meant(value, counts)}"
