"""The command line: ``napari-dicommeta open | scan | tags | values | series | findings | …``."""

from __future__ import annotations

import argparse
import io
import logging
import os
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from napari_dicommeta._version import __version__
from napari_dicommeta.cli.convert import add_arguments, convert
from napari_dicommeta.cli.info import print_info
from napari_dicommeta.cli.outputs import check_table_output, writing
from napari_dicommeta.cli.sample import add_sample
from napari_dicommeta.cli.shell import FORMS, print_for_shell
from napari_dicommeta.cli.sources import (
    LIST,
    add_source_arguments,
    catalog_of_options,
    exists,
    source_paths_of,
)
from napari_dicommeta.cli.terminal import CommandError, finished, print_json, print_rows
from napari_dicommeta.cli.values import add_value_arguments, print_values
from napari_dicommeta.support.errors import CatalogError
from napari_dicommeta.support.log import LOGGER, VARIABLE, show_log
from napari_dicommeta.support.words import display
from napari_dicommeta.volumes.severities import SEVERITIES

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import pyarrow as pa

    from napari_dicommeta.catalog.catalog import Catalog

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; return 0, 1 if ``--fail-on`` applies, 2 after printing an error to stderr, or 130 if interrupted.

    Raises
    ------
    SystemExit
        With code 2 for wrong usage, and with code 0 after ``--help`` or ``--version``.
    """
    options = _parsed(arguments)
    if sys.stderr is None:  # closed by the caller
        sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115  it stays open as long as the process
    if sys.stdout is None and options.command != "open":
        return _failed("the output is closed: send it to a terminal, a file or another program")
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # do not fail on a console that lacks a character
    level = (logging.WARNING, logging.INFO, logging.DEBUG)[min(options.verbose, 2)]
    is_set = bool(os.environ.get(VARIABLE))
    if options.verbose or not is_set:
        show_log(min(level, LOGGER.level) if is_set else level)  # -v never hides what the variable shows
    code = 0
    try:
        run: Callable[[argparse.Namespace], int | None] = options.run
        code = run(options) or 0
        sys.stdout.flush()
    except CommandError as error:
        return _failed(str(error))
    except CatalogError as error:  # a column that is read late may be damaged
        return _failed(f"a saved catalog cannot be read: {error}")
    except BrokenPipeError:  # the reader closed our output, as `head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:  # about the output; reading raises CommandError
        from napari_dicommeta.support.atomic import write_failure

        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return _failed(display(write_failure(error, "the output"), 400))
    except KeyboardInterrupt:
        print("napari-dicommeta: stopped", file=sys.stderr)
        return 130
    return code


def _failed(reason: str) -> int:
    """Print why a command ends, unless stderr cannot be written either; return its exit code."""
    with suppress(OSError):
        print(f"napari-dicommeta: {reason}", file=sys.stderr)
    return 2


def _parsed(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Return the options of a command, whose sources and tags may stand before and behind its flags."""
    parser = _parser()
    options, rest = parser.parse_known_args(arguments)
    sources = getattr(options, "source", None)
    if rest and (not isinstance(sources, list) or any(word.startswith("-") and word != LIST for word in rest)):
        parser.error(f"unrecognized arguments: {' '.join(rest)}")
    if isinstance(sources, list):
        sources += rest
    return options


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="napari-dicommeta", description="Count every tag's values in folders of DICOM, and open them in napari."
    )
    parser.add_argument("--version", action="version", version=f"napari-dicommeta {__version__}")
    parser.add_argument("-v", dest="verbose", action="count", default=0, help="show the log; -vv shows all of it")
    shared = argparse.ArgumentParser(add_help=False)
    shared.add_argument("-v", dest="verbose", action="count", default=argparse.SUPPRESS, help="show the log (-vv: all)")
    commands = parser.add_subparsers(required=True, metavar="COMMAND", dest="command")

    def command(
        name: str,
        run: Callable[[argparse.Namespace], int | None],
        text: str,
        tables: bool = True,
        has_report: bool = False,
        add_arguments: Callable[[argparse.ArgumentParser], None] = add_source_arguments,
    ) -> Any:
        sub = commands.add_parser(name, help=text, description=text, parents=[shared])
        sub.set_defaults(run=run)
        add_arguments(sub)
        if tables:
            form = sub.add_mutually_exclusive_group()
            form.add_argument("--json", action="store_true", help="print JSON")
            form.add_argument("--csv", action="store_true", help="print CSV")
            sub.add_argument("--limit", type=_count, metavar="N", help="print at most N rows")
            if has_report:
                form.add_argument("--markdown", action="store_true", help="print a report in Markdown")
        return sub

    sub = command("open", _open, "Open a folder or file in napari.", tables=False)
    sub.add_argument("--json", action="store_true", help="print the volumes as JSON instead of opening a window")
    sub.add_argument("--full", action="store_true", help="print names and UIDs in the JSON, too")
    sub = command("scan", _scan, "Scan a folder and save its catalog.", tables=False)
    sub.add_argument("-o", "--output", required=True, help="the .parquet file to write, without identifying values")
    text = "write a folder of parts of N files each, scanned one after the other: for what is too large for memory"
    sub.add_argument("--part-files", type=_count, metavar="N", help=text)
    sub.add_argument(
        "--full", action="store_true", help="keep names, dates, UIDs and paths; the file name then contains PHI"
    )
    _exported(command("tags", _tags, "List every tag: values, presence, VR."))
    text = "Count the values of tags and their combinations, or list the files that hold each."
    _exported(command("values", _values, text, add_arguments=add_value_arguments))
    sub = command("series", _series, "List the series, their sizes and what is unusual about them.")
    _exported(sub)
    sub = command(
        "findings",
        _findings,
        "List what the values imply for preprocessing.",
        has_report=True,
        add_arguments=lambda sub: add_source_arguments(sub, "*"),
    )
    sub.add_argument("--list", action="store_true", help="list every kind of finding, without reading files")
    sub.add_argument("--explain", metavar="CODE", help="explain a kind of finding, or all, without reading files")
    sub.add_argument("--fail-on", choices=SEVERITIES, help="exit code 1 if a finding is at least this severe")
    sub.add_argument("--pixels", action="store_true", help="sample the pixels too, to check whether they are HU")
    sub.add_argument("--values-only", action="store_true", help="check only the values, without opening files again")
    text = "print which settings vary between the series of each protocol, instead of findings"
    sub.add_argument("--protocols", action="store_true", help=text)
    sub.add_argument("--decisions", metavar="FILE", help="decisions on findings, as saved by the dock")
    sub.add_argument("--full", action="store_true", help="print names, UIDs and values that may identify persons, too")
    sub = command("recipe", _recipe, "Write a script that makes the same arrays again.", tables=False)
    sub.add_argument("-o", "--output", required=True, help="the .py file to write; a .json file is written beside it")
    sub.add_argument(
        "--full", action="store_true", help="name folders, files and UIDs; the names of both files then contain PHI"
    )
    sub.add_argument(
        "--pixels", action="store_true", help="read all pixels, so that the script detects changes of them"
    )
    sub.add_argument(
        "--decisions", metavar="FILE", help="include the steps of findings put into the recipe, as saved by the dock"
    )
    add_arguments(command("convert", convert, "Write all series as NIfTI or NRRD.", tables=False))
    sub = command(
        "compare",
        _compare,
        "List how the values of two folders differ, largest difference first.",
        has_report=True,
        add_arguments=lambda sub: add_source_arguments(sub, None),
    )
    sub.add_argument("other", metavar="OTHER", help="a second folder, file, or saved catalog")
    sub.add_argument("--full", action="store_true", help="include tags that may identify persons")
    _all_tags(sub)
    sub = command("audit", _audit, "Score how well each single tag predicts a label: the shortcuts of a data set.")
    sub.add_argument("--full", action="store_true", help="print unknown private creators, too")
    sub.add_argument(
        "labels", metavar="LABELS.csv", help="a table of keys (patient, study, series, file or folder) and labels"
    )
    _all_tags(sub)
    add_sample(commands, shared)
    text = "Print versions, codecs and paths of files, for a bug report."
    sub = commands.add_parser("info", help=text, description=text, parents=[shared])
    sub.set_defaults(run=print_info)
    sub.add_argument("--json", action="store_true", help="print JSON")
    text = "Print what completes commands in a shell, or the manual page."
    sub = commands.add_parser("shell", help=text, description=text, parents=[shared])
    sub.set_defaults(run=print_for_shell, parser=parser)
    sub.add_argument("form", choices=FORMS, help="the shell, or man for the manual page")
    return parser


def _findings(options: argparse.Namespace) -> int:
    from napari_dicommeta.cli.check import print_findings

    return print_findings(options)


def _recipe(options: argparse.Namespace) -> None:
    from napari_dicommeta.cli.check import write_recipes

    write_recipes(options)


def _compare(options: argparse.Namespace) -> None:
    from napari_dicommeta.cli.check import compare_folders

    compare_folders(options)


def _audit(options: argparse.Namespace) -> None:
    from napari_dicommeta.cli.check import audit_labels

    audit_labels(options)


def _count(text: str) -> int:
    """Return the number of ``--limit`` or ``--part-files``; argparse turns a ValueError into a sentence."""
    number = int(text)
    if number < 1:
        raise ValueError(text)
    return number


def _all_tags(sub: Any) -> None:
    sub.add_argument(
        "--all", action="store_true", help="include UIDs, places, and tags with another value in each file of a series"
    )


def _exported(sub: Any) -> None:
    sub.add_argument("-o", "--output", help="write to a .csv, .parquet, .md or .json file, without identifying values")
    sub.add_argument("--full", action="store_true", help="print or write everything; the name of a file then has PHI")


def _open(options: argparse.Namespace) -> None:
    from napari_dicommeta.cli.sharing import list_refused, volume_rows
    from napari_dicommeta.scanning.sources import source_paths
    from napari_dicommeta.support.errors import LoadError
    from napari_dicommeta.volumes.load import load

    if options.json:
        try:
            volumes = load(catalog_of_options(options))
        except LoadError as error:
            raise CommandError(str(error)) from error
        print_json(options, {"rows": volume_rows(volumes, options.full)})
        list_refused(volumes, options.full)
        return
    paths = catalog_of_options(options).paths if options.where else source_paths_of(options.source)
    for path in paths:
        if not exists(path):
            raise CommandError(f"{display(path)}: the file or folder does not exist")
    try:
        import napari
    except ImportError as error:
        raise CommandError('napari is not installed: pip install "napari-dicommeta[all]"') from error
    viewer = napari.Viewer()
    _, dock = viewer.window.add_plugin_dock_widget("napari-dicommeta", "DICOM")
    dock.open_paths(source_paths(paths))
    napari.run()


def _scan(options: argparse.Namespace) -> None:
    from napari_dicommeta.cli.scan import save_scan

    save_scan(options)


def _write(options: argparse.Namespace, table: Callable[[], pa.Table], full: bool) -> None:
    """Write a table to the output file."""
    from napari_dicommeta.export.tables import write

    with writing(options.output):
        print(f"wrote {display(write(table(), options.output, full=full))}")


def _tags(options: argparse.Namespace) -> None:
    from napari_dicommeta.cli.sharing import tag_rows
    from napari_dicommeta.export.tables import tag_table

    check_table_output(options.output, options.full)
    catalog = catalog_of_options(options)
    if options.output:
        return _write(options, lambda: tag_table(catalog, full=options.full), options.full)
    print_rows(tag_rows(catalog, options), options)


def _values(options: argparse.Namespace) -> None:
    print_values(options, _write)


def _series(options: argparse.Namespace) -> None:
    from napari_dicommeta.cli.sharing import series_rows

    check_table_output(options.output, options.full)
    catalog = catalog_of_options(options)
    if options.output:
        return _write_series(options, catalog)
    print_rows(series_rows(catalog, options), options)


def _write_series(options: argparse.Namespace, catalog: Catalog) -> None:
    """Write a row per series for pandas, polars and DuckDB; identifying values only with ``--full``."""
    from napari_dicommeta.export.series_table import iter_series_table, without_identity

    table = finished(iter_series_table(catalog), "series")
    _write(options, lambda: table if options.full else without_identity(table), options.full)
