"""The command line: ``napari-dicommeta open | scan | tags | values | series | findings | …``."""

from __future__ import annotations

import argparse
import io
import json
import logging
import os
import sys
from typing import TYPE_CHECKING, Any

from napari_dicommeta._version import __version__
from napari_dicommeta.cli.check import audit_labels, compare_folders, print_findings, write_recipes
from napari_dicommeta.cli.convert import add_arguments, convert
from napari_dicommeta.cli.info import print_info
from napari_dicommeta.cli.sample import add_sample
from napari_dicommeta.cli.sharing import printable_catalog, series_rows, tag_rows, volume_rows
from napari_dicommeta.cli.terminal import CommandError, finished, need_paths, print_rows, read_catalog
from napari_dicommeta.dicom.values import registered_name
from napari_dicommeta.support.log import LOGGER, VARIABLE, show_log
from napari_dicommeta.support.words import display
from napari_dicommeta.volumes.note import SEVERITIES

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import pyarrow as pa

    from napari_dicommeta.catalog.catalog import Catalog

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; return 0, 1 after printing an error to stderr, or 130 if interrupted.

    Raises
    ------
    SystemExit
        With code 2 for wrong usage, and with code 0 after ``--help`` or ``--version``.
    """
    options = _parser().parse_args(arguments)
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
        print(f"napari-dicommeta: {error}", file=sys.stderr)
        return 1
    except BrokenPipeError:  # the reader closed our output, as `head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:  # about the output; reading raises CommandError
        print(f"napari-dicommeta: {error.strerror or type(error).__name__}", file=sys.stderr)
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except KeyboardInterrupt:
        print("napari-dicommeta: stopped", file=sys.stderr)
        return 130
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="napari-dicommeta", description="Count every tag's values in folders of DICOM, and open them in napari."
    )
    parser.add_argument("--version", action="version", version=f"napari-dicommeta {__version__}")
    parser.add_argument("-v", dest="verbose", action="count", default=0, help="show the log; -vv shows all of it")
    shared = argparse.ArgumentParser(add_help=False)
    shared.add_argument("-v", dest="verbose", action="count", default=argparse.SUPPRESS, help="show the log (-vv: all)")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def command(
        name: str,
        run: Callable[[argparse.Namespace], int | None],
        text: str,
        tables: bool = True,
        has_report: bool = False,
        nargs: str | None = None,
    ) -> Any:
        sub = commands.add_parser(name, help=text, description=text, parents=[shared])
        sub.set_defaults(run=run)
        sub.add_argument("source", metavar="SRC", nargs=nargs, help="a folder, a file, or a catalog saved as .parquet")
        sub.add_argument(
            "--no-cache", dest="cache", action="store_false", help="read every file, and keep nothing of the scan"
        )
        if tables:
            form = sub.add_mutually_exclusive_group()
            form.add_argument("--json", action="store_true", help="print JSON")
            form.add_argument("--csv", action="store_true", help="print CSV")
            if has_report:
                form.add_argument("--markdown", action="store_true", help="print a report in Markdown")
        return sub

    sub = command("open", _open, "Open a folder or file in napari.", tables=False)
    sub.add_argument("--json", action="store_true", help="print the volumes as JSON instead of opening a window")
    sub.add_argument("--full", action="store_true", help="print names and UIDs in the JSON, too")
    sub = command("scan", _scan, "Scan a folder and save its catalog.", tables=False)
    sub.add_argument("-o", "--output", required=True, help="the .parquet file to write, without identifying values")
    sub.add_argument(
        "--full", action="store_true", help="keep names, dates, UIDs and paths; the file name then contains PHI"
    )
    _exported(command("tags", _tags, "List every tag: values, presence, VR."))
    sub = command("values", _values, "Count the values of a tag, and the files that hold each.")
    sub.add_argument("tag", metavar="TAG", help="a keyword (WindowCenter), a path of keywords, or (gggg,eeee)")
    sub.add_argument(
        "--by", choices=("meaning", "spelling"), default="meaning", help="count '1' and '1.0' together, or separately"
    )
    _exported(sub)
    sub = command("series", _series, "List the series, their sizes and what is unusual about them.")
    _exported(sub)
    sub = command(
        "findings", print_findings, "List what the values imply for preprocessing.", has_report=True, nargs="?"
    )
    sub.add_argument("--list", action="store_true", help="list every kind of finding, without reading files")
    sub.add_argument("--fail-on", choices=SEVERITIES, help="exit code 1 if a finding is at least this severe")
    sub.add_argument("--pixels", action="store_true", help="sample the pixels too, to check whether they are HU")
    sub.add_argument("--values-only", action="store_true", help="check only the values, without opening files again")
    sub.add_argument("--decisions", metavar="FILE", help="decisions on findings, as saved by the dock")
    sub.add_argument("--full", action="store_true", help="print names, UIDs and values that may identify persons, too")
    sub = command("recipe", write_recipes, "Write a script that makes the same arrays again.", tables=False)
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
        compare_folders,
        "List how the values of two folders differ, largest difference first.",
        has_report=True,
    )
    sub.add_argument("other", metavar="OTHER", help="a second folder, file, or saved catalog")
    sub.add_argument("--full", action="store_true", help="include tags that may identify persons")
    sub = command(
        "audit", audit_labels, "Score how well each single tag predicts a label: the shortcuts of a data set."
    )
    sub.add_argument("--full", action="store_true", help="print unknown private creators, too")
    sub.add_argument(
        "labels", metavar="LABELS.csv", help="a table of keys (patient, study, series, file or folder) and labels"
    )
    add_sample(commands, shared)
    text = "Print versions, codecs and paths of files, for a bug report."
    sub = commands.add_parser("info", help=text, description=text, parents=[shared])
    sub.set_defaults(run=print_info)
    sub.add_argument("--json", action="store_true", help="print JSON")
    return parser


def _exported(sub: Any) -> None:
    sub.add_argument("-o", "--output", help="write to a .csv, .parquet, .md or .json file, without identifying values")
    sub.add_argument("--full", action="store_true", help="print or write everything; the name of a file then has PHI")


def _open(options: argparse.Namespace) -> None:
    from napari_dicommeta.support.errors import LoadError
    from napari_dicommeta.volumes.load import load

    if options.json:
        try:
            volumes = load(read_catalog(options.source, options.cache))
        except LoadError as error:
            raise CommandError(str(error)) from error
        rows = volume_rows(volumes, options.full)
        print(json.dumps(rows, indent=1, ensure_ascii=False))
        return
    if not os.path.lexists(options.source):
        raise CommandError(f"{display(options.source)}: the file or folder does not exist")
    try:
        import napari
    except ImportError as error:
        raise CommandError('napari is not installed: pip install "napari-dicommeta[all]"') from error
    viewer = napari.Viewer()
    _, dock = viewer.window.add_plugin_dock_widget("napari-dicommeta", "DICOM")
    dock.open_paths([os.path.abspath(options.source)])
    napari.run()


def _scan(options: argparse.Namespace) -> None:
    from napari_dicommeta.export.tables import phi_name

    if not options.output.lower().endswith(".parquet"):
        raise CommandError(f"{display(options.output)}: the name of a catalog must end in .parquet")
    catalog = read_catalog(options.source, options.cache)
    target = options.output
    if options.full:
        need_paths(catalog, options.source, "a full catalog")
        target = phi_name(target)
    try:
        (catalog if options.full else catalog.shareable()).save(target)
    except OSError as error:
        raise CommandError(f"{display(target)}: {error.strerror or error}") from error
    print(
        f"{catalog.n_files:,} files, {len(catalog.series):,} series, {len(catalog.tags()):,} tags in {display(target)}"
    )


def _write(options: argparse.Namespace, table: Callable[[], pa.Table], full: bool) -> None:
    """Write a table to the output file."""
    from napari_dicommeta.export.tables import write

    try:
        print(f"wrote {display(write(table(), options.output, full=full))}")
    except OSError as error:
        raise CommandError(f"{display(options.output)}: {error.strerror or error}") from error
    except ValueError as error:
        raise CommandError(display(str(error), 400)) from error


def _tags(options: argparse.Namespace) -> None:
    from napari_dicommeta.export.tables import tag_table

    catalog = read_catalog(options.source, options.cache)
    if options.output:
        return _write(options, lambda: tag_table(catalog, full=options.full), options.full)
    print_rows(tag_rows(catalog, options), options)


def _windows(options: argparse.Namespace) -> None:
    """Print the window presets of the source: center, width and explanation, and the files with each."""
    from napari_dicommeta.analysis.window_presets import folder_windows

    rows = [
        {
            "window": window.explanation,
            "center": window.center,
            "width": window.width,
            "function": window.function,
            "files": files,
            "note": window.fault,
        }
        for window, files in folder_windows(read_catalog(options.source, options.cache)).items()
    ]
    print_rows(rows, options)


def _values(options: argparse.Namespace) -> None:
    from napari_dicommeta.dicom.tags import TagPath

    if options.tag.lower() == "window":
        if options.output:
            raise CommandError("window presets are not a tag: print them with --csv or --json, or export WindowCenter")
        return _windows(options)
    try:
        path = TagPath.parse(options.tag)
    except ValueError as error:
        raise CommandError(str(error)) from error
    catalog = read_catalog(options.source, options.cache)
    if options.output:
        from napari_dicommeta.export.tables import value_table

        return _write(options, lambda: value_table(catalog, path, by=options.by, full=options.full), options.full)
    catalog = printable_catalog(catalog, [path], options.full)
    counts = catalog.values(path, by=options.by)
    if options.json:
        result = {
            "tag": path.text,
            "by": options.by,
            "files": counts.n_files,
            "absent": counts.absent,
            "unknown": counts.unknown,
            "values": dict(counts),
        }
        print(json.dumps(result, indent=1, ensure_ascii=False))
        return
    is_uid = path.vr == "UI"
    flags = {value.text: value.flag for value in catalog.details(path)} if options.by == "meaning" else {}
    rows = [
        {
            "value": text or "(empty)",
            "files": files,
            "note": flags.get(text) or (registered_name(text) if is_uid else ""),
        }
        for text, files in counts.items()
    ]
    for state, files in (("absent", counts.absent), ("unknown", counts.unknown)):
        if files:
            rows.append({"value": f"({state})", "files": files, "note": ""})
    print_rows(rows, options)


def _series(options: argparse.Namespace) -> None:
    catalog = read_catalog(options.source, options.cache)
    if options.output:
        return _write_series(options, catalog)
    print_rows(series_rows(catalog, options), options)


def _write_series(options: argparse.Namespace, catalog: Catalog) -> None:
    """Write a row per series for pandas, polars and DuckDB; identifying values only with ``--full``."""
    from napari_dicommeta.export.series_table import iter_series_table, without_identity

    table = finished(iter_series_table(catalog), "series")
    _write(options, lambda: table if options.full else without_identity(table), options.full)
