"""The command line: ``napari-dicommeta open | scan | tags | values | series | findings``."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
from typing import TYPE_CHECKING, Any

from napari_dicommeta.meaning import display, registered_name

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from napari_dicommeta.catalog import Catalog
    from napari_dicommeta.scanner import ScanProgress

__all__ = ["main"]


class _CommandError(Exception):
    """What ends a command with exit code 1 and one sentence."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; 0, or 1 with a sentence on stderr that names what was wrong, or 2 for wrong usage."""
    options = _parser().parse_args(arguments)
    try:
        run: Callable[[argparse.Namespace], None] = options.run
        run(options)
        sys.stdout.flush()
    except _CommandError as error:
        print(f"napari-dicommeta: {error}", file=sys.stderr)
        return 1
    except BrokenPipeError:  # the reader of our output has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        print("napari-dicommeta: stopped", file=sys.stderr)
        return 130
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="napari-dicommeta", description="Count every tag's values in folders of DICOM, and open them in napari."
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def command(name: str, run: Callable[[argparse.Namespace], None], text: str, tables: bool = True) -> Any:
        sub = commands.add_parser(name, help=text, description=text)
        sub.set_defaults(run=run)
        sub.add_argument("source", metavar="SRC", help="a folder, a file, or a catalog saved as .parquet")
        if tables:
            form = sub.add_mutually_exclusive_group()
            form.add_argument("--json", action="store_true", help="print JSON")
            form.add_argument("--csv", action="store_true", help="print CSV")
        return sub

    sub = command("open", _open, "Open a folder or file in napari.", tables=False)
    sub.add_argument("--json", action="store_true", help="print the volumes as JSON instead of opening a window")
    sub = command("scan", _scan, "Scan a folder and save its catalog.", tables=False)
    sub.add_argument("-o", "--output", required=True, help="the .parquet file to write")
    command("tags", _tags, "Every tag: values, presence, VR.")
    sub = command("values", _values, "The values of a tag and the files that hold each.")
    sub.add_argument("tag", metavar="TAG", help="a keyword (WindowCenter), a path of keywords, or (gggg,eeee)")
    sub.add_argument("--by", choices=("meaning", "spelling"), default="meaning", help="'1' and '1.0' as one, or apart")
    command("series", _series, "The series, their sizes and what is unusual about them.")
    command("findings", _findings, "What the values imply for preprocessing.")
    return parser


def _catalog(source: str) -> Catalog:
    from napari_dicommeta.catalog import Catalog
    from napari_dicommeta.scanner import scan

    if source.endswith(".parquet") and os.path.isfile(source):
        try:
            return Catalog.load(source)
        except ValueError as error:
            raise _CommandError(f"{display(source)}: {error}") from error
    catalog = scan(source, progress=_progress if sys.stderr.isatty() else None)
    if sys.stderr.isatty():
        print("\r\x1b[K", end="", file=sys.stderr)
    for failure in (*catalog.partial, *catalog.failures)[:5]:
        print(f"{display(failure.path)}: {failure.outcome}: {failure.reason}", file=sys.stderr)
    more = len(catalog.partial) + len(catalog.failures) - 5
    if more > 0:
        print(f"… and {more:,} more entries that are partial or no DICOM", file=sys.stderr)
    if not catalog.n_files:
        raise _CommandError(f"{display(source)}: no DICOM file was found")
    return catalog


def _progress(progress: ScanProgress) -> None:
    width = 24
    share = progress.done / progress.found if progress.listed and progress.found else 0.0
    bar = "█" * round(width * share) + "░" * (width - round(width * share))
    print(f"\r{bar} {progress.done:,} of {progress.found:,} files", end="", file=sys.stderr, flush=True)


def _open(options: argparse.Namespace) -> None:
    from napari_dicommeta.loader import LoadError, load

    if options.json:
        try:
            volumes = load(options.source)
        except LoadError as error:
            raise _CommandError(str(error)) from error
        rows = [
            {
                "name": volume.name,
                "series_instance_uid": volume.series_instance_uid,
                "modality": volume.modality,
                "shape": list(volume.array.shape),
                "dtype": str(volume.array.dtype),
                "units": volume.units,
                "spacing_mm": [None if one != one else one for one in volume.geometry.spacing],
                "windows": [[window.center, window.width, window.explanation] for window in volume.windows],
                "notes": [str(note) for note in volume.notes],
            }
            for volume in volumes
        ]
        print(json.dumps(rows, indent=1, ensure_ascii=False))
        return
    if not os.path.lexists(options.source):
        raise _CommandError(f"{display(options.source)}: there is no such file or folder")
    try:
        import napari
    except ImportError as error:
        raise _CommandError('napari is not installed: pip install "napari-dicommeta[all]"') from error
    viewer = napari.Viewer()
    _, dock = viewer.window.add_plugin_dock_widget("napari-dicommeta", "DICOM")
    dock.open_paths([os.path.abspath(options.source)])
    napari.run()


def _scan(options: argparse.Namespace) -> None:
    catalog = _catalog(options.source)
    try:
        catalog.save(options.output)
    except OSError as error:
        raise _CommandError(f"{display(options.output)}: {error.strerror or error}") from error
    print(
        f"{catalog.n_files:,} files, {len(catalog.series):,} series, {len(catalog.tags()):,} tags in {options.output}"
    )


def _tags(options: argparse.Namespace) -> None:
    rows = [
        {
            "tag": summary.path.display.split(" ")[0],
            "keyword": summary.keyword,
            "vr": summary.vr,
            "distinct": summary.distinct,
            "spellings": summary.spellings,
            "present": summary.present,
            "empty": summary.empty,
            "absent": summary.absent,
            "unknown": summary.unknown,
        }
        for summary in _catalog(options.source).tags()
    ]
    _print(rows, options)


def _windows(options: argparse.Namespace) -> None:
    """The folder's presets: center, width and explanation together, and the files that state each."""
    from napari_dicommeta.presets import folder_windows

    rows = [
        {
            "window": window.explanation,
            "center": window.center,
            "width": window.width,
            "function": window.function,
            "files": files,
            "note": window.fault,
        }
        for window, files in folder_windows(_catalog(options.source)).items()
    ]
    _print(rows, options)


def _values(options: argparse.Namespace) -> None:
    from napari_dicommeta.tags import TagPath

    if options.tag.lower() == "window":
        return _windows(options)
    try:
        path = TagPath.parse(options.tag)
    except ValueError as error:
        raise _CommandError(str(error)) from error
    catalog = _catalog(options.source)
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
    _print(rows, options)


def _series(options: argparse.Namespace) -> None:
    from napari_dicommeta.loader import load_series

    rows = []
    for series in _catalog(options.source).series:
        volumes, refusals = load_series(series)
        refused = [str(refusal) for refusal in refusals]
        notes = [str(note) for volume in volumes for note in volume.notes] + refused
        problems = [str(note) for volume in volumes for note in volume.problems] + refused
        rows.append(
            {
                "series": series.name,
                "modality": series.modality,
                "files": series.n_files,
                "size": series.size,
                "units": volumes[0].units if volumes else "",
                "notes": notes if options.json else "; ".join(dict.fromkeys(problems)),
                **({"series_instance_uid": series.series_instance_uid} if options.json else {}),
            }
        )
    _print(rows, options)


def _findings(options: argparse.Namespace) -> None:
    rows = [
        {
            "severity": finding.severity,
            "finding": finding.title,
            "files": sum(files for _, files in finding.evidence),
            "advice": finding.advice,
            "standard": finding.standard,
        }
        for finding in _catalog(options.source).findings()
    ]
    _print(rows, options)


def _print(rows: list[dict[str, Any]], options: argparse.Namespace) -> None:
    """Print rows as JSON, as CSV, or as a table that fits the terminal."""
    if options.json:
        print(json.dumps(rows, indent=1, ensure_ascii=False))
    elif options.csv:
        for row in ([dict(zip(rows[0], rows[0], strict=True))] if rows else []) + rows:
            print(",".join(_csv_cell(value) for value in row.values()))
    else:
        _print_table(rows)


def _csv_cell(value: Any) -> str:
    """A cell by RFC 4180; text that a spreadsheet would run as a formula is quoted with an apostrophe."""
    if isinstance(value, (int, float)):
        return str(value)
    text = display(str(value), 2000)
    if text[:1] in ("=", "+", "-", "@", "|") and not text[1:].replace(".", "").replace("\\", "").isdigit():
        text = "'" + text
    return '"' + text.replace('"', '""') + '"' if any(c in text for c in ',"\n') else text


def _print_table(rows: list[dict[str, Any]]) -> None:
    if not rows:
        print("nothing")
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


if __name__ == "__main__":
    sys.exit(main())
