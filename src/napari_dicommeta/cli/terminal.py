"""Helpers of the commands: a source's catalog, progress on a terminal, rows as a table, JSON or CSV."""

from __future__ import annotations

import json
import os
import shutil
import sys
from typing import TYPE_CHECKING, Any

from napari_dicommeta.export.tables import csv_cell
from napari_dicommeta.support.errors import DicomMetaError
from napari_dicommeta.support.generators import result_of
from napari_dicommeta.support.words import display

if TYPE_CHECKING:
    import argparse
    from collections.abc import Generator

    from napari_dicommeta.catalog.catalog import Catalog, ScanFailure
    from napari_dicommeta.scanning.progress import ScanProgress

__all__ = ["CommandError", "ProgressLine", "failure_line", "finished", "need_paths", "print_rows", "read_catalog"]


class CommandError(DicomMetaError):
    """An error that ends a command with exit code 1; its text is shown."""


def read_catalog(source: str, cache: bool = True) -> Catalog:
    """Read the catalog of a folder or file, or a saved catalog; list files that are left out or damaged on stderr.

    `cache`: read only the files that changed since the last scan, and keep the catalog in the user's cache folder.

    Raises
    ------
    CommandError
        If the source cannot be read, or has no DICOM files.
    """
    from napari_dicommeta.catalog.catalog import Catalog
    from napari_dicommeta.catalog.storage import is_saved
    from napari_dicommeta.scanning.scan import scan

    if is_saved(source):
        try:
            return Catalog.load(source)
        except ValueError as error:
            raise CommandError(f"{display(source)}: {error}") from error
        except OSError as error:
            raise CommandError(f"{display(source)}: {error.strerror or type(error).__name__}") from error
    try:
        catalog = scan(source, progress=_show_progress if sys.stderr.isatty() else None, cache=cache)
    except FileNotFoundError as error:
        raise CommandError(f"{display(source)}: {error.strerror}") from error
    if sys.stderr.isatty():
        print("\r\x1b[K", end="", file=sys.stderr)
    for failure in (*catalog.partial, *catalog.failures)[:5]:
        print(failure_line(failure, catalog), file=sys.stderr)
    more = len(catalog.partial) + len(catalog.failures) - 5
    if more > 0:
        print(f"… and {more:,} more entries that are damaged or not DICOM", file=sys.stderr)
    if not catalog.n_files:
        raise CommandError(f"{display(source)}: no DICOM file was found")
    return catalog


def failure_line(failure: ScanFailure, catalog: Catalog) -> str:
    """Return what happened to an entry, with its number and its name without folders; ``-vv`` shows the whole path.

    The number of a damaged file is that of its row in the catalog, that of another entry is its place in
    `Catalog.failures`, both from 1.
    """
    is_row = failure.outcome == "partial"
    number = catalog.paths.index(failure.path) if is_row else catalog.failures.index(failure)
    name = display(os.path.basename(failure.path) or failure.path)
    return f"{'file' if is_row else 'entry'} {number + 1}, {name}: {failure.outcome}: {failure.reason}"


def need_paths(catalog: Catalog, source: str, need: str) -> None:
    """Raise unless the catalog names its files, which `need`, a phrase like "a full catalog", requires.

    Raises
    ------
    CommandError
        If the catalog was saved for others, without paths.
    """
    if not catalog.has_paths:
        raise CommandError(
            f"{display(source)} names neither persons nor files, as `scan` saves it by default: {need} needs the "
            "folder itself, or a catalog saved with `scan FOLDER -o X.parquet --full`"
        )


def _show_progress(progress: ScanProgress) -> None:
    width = 24
    share = progress.done / progress.found if progress.listed and progress.found else 0.0
    bar = "█" * round(width * share) + "░" * (width - round(width * share))
    print(f"\r{bar} {progress.done:,} of {progress.found:,} files", end="", file=sys.stderr, flush=True)


def finished(steps: Generator[Any, None, Any], words: str) -> Any:
    """Run a generator to its end, show its progress on a terminal, and return its result."""
    bar = ProgressLine(words)

    def show(progress: Any) -> None:
        bar.show(*(progress if isinstance(progress, tuple) else (progress.done, progress.total)))

    result = result_of(steps, show)
    bar.clear()
    return result


class ProgressLine:
    """A line that shows progress, on a terminal only."""

    def __init__(self, words: str) -> None:
        self._words, self._is_shown = words, False

    def show(self, done: int, total: int) -> None:
        """Show the progress."""
        if sys.stderr.isatty() and total:
            print(f"\r{done:,} of {total:,} {self._words}", end="", file=sys.stderr, flush=True)
            self._is_shown = True

    def clear(self) -> None:
        """Erase the line."""
        if self._is_shown:
            print("\r" + " " * 60 + "\r", end="", file=sys.stderr, flush=True)


def print_rows(rows: list[dict[str, Any]], options: argparse.Namespace) -> None:
    """Print rows as JSON, as CSV, or as a table that fits the terminal."""
    if options.json:
        print(json.dumps(rows, indent=1, ensure_ascii=False))
    elif options.csv:
        for row in ([dict(zip(rows[0], rows[0], strict=True))] if rows else []) + rows:
            print(",".join(csv_cell(value) for value in row.values()))
    else:
        _print_table(rows)


def _print_table(rows: list[dict[str, Any]]) -> None:
    if not rows:
        print("(no rows)")
        return
    names = [name for name in rows[0] if any(row[name] not in ("", 0) for row in rows)]
    cells = [
        [f"{row[name]:,}" if isinstance(row[name], int) else display(str(row[name])) for name in names] for row in rows
    ]
    widths = [max(len(name), *(len(row[i]) for row in cells)) for i, name in enumerate(names)]
    room = max(shutil.get_terminal_size((100, 24)).columns, 40) if sys.stdout.isatty() else 10_000
    while sum(widths) + 2 * len(widths) > room and max(widths) > 12:
        widths[widths.index(max(widths))] -= 1
    numeric = [all(isinstance(row[name], int) for row in rows) for name in names]
    for line in [names, *cells]:
        parts = []
        for text, width, is_number in zip(line, widths, numeric, strict=True):
            short = text if len(text) <= width else text[: width - 1] + "…"
            parts.append(short.rjust(width) if is_number else short.ljust(width))
        print("  ".join(parts).rstrip())
