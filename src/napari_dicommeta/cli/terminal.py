"""Helpers of the commands: progress on a terminal, and rows as a table, as CSV or as JSON with a version."""

from __future__ import annotations

import json
import os
import shutil
import sys
import unicodedata
from typing import TYPE_CHECKING, Any, TypeVar

from napari_dicommeta.support.errors import DicomMetaError
from napari_dicommeta.support.generators import result_of
from napari_dicommeta.support.words import counted, display

if TYPE_CHECKING:
    import argparse
    from collections.abc import Generator, Sequence

    from napari_dicommeta.catalog.catalog import Catalog, ScanFailure
    from napari_dicommeta.scanning.progress import ScanProgress

__all__ = [
    "JSON_VERSION",
    "CommandError",
    "ProgressLine",
    "failure_line",
    "finished",
    "print_json",
    "print_rows",
    "show_scan",
]

JSON_VERSION = 1
"""Version of the JSON of all commands; it rises when a name or a meaning changes, not when a name is added."""
COLORS = {"wrong": "31;1", "decision": "33", "info": "36"}
"""Severity -> color, as the numbers of a terminal."""
NARROW = 120
"""Characters; a narrower terminal has no room for columns that can be spared."""
MIN_WIDTH = 4
"""Characters; the least width of a column that is cut to fit the terminal."""


Result = TypeVar("Result")


class CommandError(DicomMetaError):
    """An error that ends a command with exit code 2; its text is shown."""


def show_scan(steps: Generator[ScanProgress, None, Result]) -> Result:
    """Run a scan, show its progress on a terminal, and return its result.

    Raises
    ------
    CommandError
        If a source does not exist, cannot be reached, or needs a package that is not installed.
    """
    is_shown = sys.stderr.isatty()
    try:
        return result_of(steps, _show_progress if is_shown else None)
    except OSError as error:
        where = f"{display(error.filename)}: " if error.filename else ""
        raise CommandError(f"{where}{error.strerror or type(error).__name__}") from error
    except ImportError as error:
        raise CommandError(display(str(error), 400)) from error
    finally:
        if is_shown:
            print("\r\x1b[K", end="", file=sys.stderr)


def failure_line(failure: ScanFailure, catalog: Catalog) -> str:
    """Return what happened to an entry, with its number and its name without folders; ``-vv`` shows the whole path.

    The number of a damaged file is that of its row in the catalog, that of another entry is its place in
    `Catalog.failures`, both from 1.
    """
    is_row = failure.outcome == "partial"
    number = catalog.paths.index(failure.path) if is_row else catalog.failures.index(failure)
    name = display(os.path.basename(failure.path) or failure.path)
    return f"{'file' if is_row else 'entry'} {number + 1}, {name}: {failure.outcome}: {failure.reason}"


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


def print_json(options: argparse.Namespace, content: dict[str, Any]) -> None:
    """Print the result of a command as JSON: an object with "version", "command" and `content`."""
    result = {"version": JSON_VERSION, "command": options.command, **content}
    print(json.dumps(result, indent=1, ensure_ascii=False))


def print_rows(
    rows: Sequence[dict[str, Any]], options: argparse.Namespace, spare: Sequence[str] = (), **more: Any
) -> None:
    """Print rows as JSON, as CSV, as a table that fits the terminal, or to a pipe separated by tabs.

    Only the first ``--limit`` rows are printed, and the number of the others on stderr. `spare`: columns that a narrow
    terminal does without. `more`: what the JSON says beside its "rows".
    """
    limit = getattr(options, "limit", None)
    shown = rows[:limit]
    if options.json:
        print_json(options, {**more, "n_rows": len(rows), "rows": shown})
    elif options.csv:
        from napari_dicommeta.export.tables import csv_cell

        for row in ([dict(zip(rows[0], rows[0], strict=True))] if rows else []) + list(shown):
            print(",".join(csv_cell(value) for value in row.values()))
    else:
        _print_table(shown, spare)
    if len(shown) < len(rows) and not options.json:
        print(f"… and {counted(len(rows) - len(shown), 'more row')}", file=sys.stderr)


def _print_table(rows: Sequence[dict[str, Any]], spare: Sequence[str]) -> None:
    if not rows:
        print("(no rows)")
        return
    names = [name for name in rows[0] if any(row[name] not in ("", 0) for row in rows)]
    is_terminal = sys.stdout.isatty()
    room = max(shutil.get_terminal_size((100, 24)).columns, 20)
    if is_terminal and room < NARROW:
        names = [name for name in names if name not in spare]
    cells = [[_cell(row[name], is_terminal) for name in names] for row in rows]
    if not is_terminal:
        for line in [names, *cells]:
            print("\t".join(line).rstrip("\t"))
        return
    widths = _fitted([max(map(_width, column)) for column in zip(names, *cells, strict=True)], room)
    is_number = [all(_is_count(row[name]) for row in rows) for name in names]
    has_color = not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
    for number, line in enumerate([names, *cells]):
        parts = [_aligned(text, width, right) for text, width, right in zip(line, widths, is_number, strict=True)]
        if has_color and number and "severity" in names:
            at = names.index("severity")
            color = COLORS.get(str(rows[number - 1]["severity"]).split(" ")[0], "0")
            parts[at] = f"\x1b[{color}m{parts[at]}\x1b[0m"
        print("  ".join(parts).rstrip())


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _cell(value: Any, is_terminal: bool) -> str:
    """Return the text of a cell: for people with separated thousands, for other programs in full."""
    if _is_count(value):
        return f"{value:,}" if is_terminal else str(value)
    return display(str(value)) if is_terminal else display(str(value), 10_000)


def _fitted(widths: list[int], room: int) -> list[int]:
    """Return widths of columns, two spaces apart, that fit into `room` characters; the widest are cut first."""
    widths = list(widths)
    while sum(widths) + 2 * (len(widths) - 1) > room and max(widths) > MIN_WIDTH:
        widths[widths.index(max(widths))] -= 1
    return widths


def _width(text: str) -> int:
    """Return the columns of a terminal that a text takes: two for a wide letter, none for a combining one."""
    return sum(0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


def _aligned(text: str, width: int, right: bool) -> str:
    """Return a text cut and padded to `width` columns of the terminal."""
    if _width(text) > width:
        while text and _width(text) > width - 1:
            text = text[:-1]
        text += "…"
    padding = " " * (width - _width(text))
    return padding + text if right else text + padding
