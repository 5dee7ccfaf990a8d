"""What the documentation takes from the code: the reference of the commands, tables of columns, and the import graph.

``python3 dev.py docs`` calls `main`, which writes them; a test compares them.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator
from pathlib import Path

import import_graph
from import_graph import FLOORS, floor_of, package_of

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"

# -- the commands ---------------------------------------------------------------------------------------


def command_page() -> str:
    """Return the reference of all commands, from the help of the parser.

    It is made from the parser's arguments, since the layout of ``--help`` differs between versions of Python.
    """
    from napari_dicommeta.cli.main import _parser

    parser = _parser()
    (commands,) = (action for action in parser._actions if isinstance(action, argparse._SubParsersAction))
    lines = ["# Commands", "", parser.description or "", "", "```", f"{parser.prog} [-v] COMMAND …", "```", ""]
    lines += [
        "This page has what `--help` of each command prints. [Script it](howto/script.md) shows them at work.",
        "",
    ]
    lines += [*_arguments(parser), ""]
    for name, sub in commands.choices.items():
        words = [_value(action, action.metavar or action.dest) for action in _positionals(sub)]
        lines += [f"## {name}", "", sub.description or "", "", "```"]
        lines += [" ".join([sub.prog, "[options]", *words]), "```", "", *_arguments(sub), ""]
    return "\n".join(lines).rstrip() + "\n"


def _positionals(parser: argparse.ArgumentParser) -> list[argparse.Action]:
    actions = [action for action in parser._actions if not action.option_strings and action.help != argparse.SUPPRESS]
    return [action for action in actions if not isinstance(action, argparse._SubParsersAction)]


def _value(action: argparse.Action, name: object) -> str:
    """Return how often a positional argument may be given: SRC, SRC …, or [SRC …]."""
    name = "{" + ",".join(map(str, action.choices)) + "}" if action.choices else str(name)
    return {"+": f"{name} …", "*": f"[{name} …]"}.get(str(action.nargs), name)


def _arguments(parser: argparse.ArgumentParser) -> Iterator[str]:
    yield from ("| | |", "|---|---|")
    for action in [*_positionals(parser), *(action for action in parser._actions if action.option_strings)]:
        if action.help == argparse.SUPPRESS or isinstance(action, argparse._HelpAction):
            continue
        value = "" if action.nargs == 0 else str(action.metavar or action.dest.upper())
        if action.choices is not None:
            value = ", ".join(map(str, action.choices))
        names = ", ".join(action.option_strings)
        text = parser._get_formatter()._expand_help(action) if action.help else ""
        yield f"| `{f'{names} {value}'.strip()}` | {' '.join(text.split()).replace('|', '&#124;')} |"


# -- tables of columns ----------------------------------------------------------------------------------

MEANINGS = {
    "SeriesInstanceUID": "the series; null where files have none",
    "…": "the value that all images of the series share, else null",
    "…_values": "the number of distinct values",
    "lossy": "*Lossy Image Compression* is 01 in an image",
    "n_files": "files of the series",
    "n_images": "files with pixel data",
    "n_volumes": "volumes that `load` makes of it",
    "n_refused": "files that are in no volume",
    "refusal_reason": "why",
    "notes": "codes of notes that need a decision",
    "n_times": "of the largest volume: the length of its fourth axis, 1 without one",
    "n_slices": "its slices",
    "n_rows": "its rows",
    "n_columns": "its columns",
    "spacing_k": "mm between slices",
    "spacing_j": "mm between rows; null where files state none",
    "spacing_i": "mm between columns; null where files state none",
    "units": "HU, another unit, or null",
    "windows": "its presets, those of the middle slice first",
    "is_color": "whether it is a color image",
    "is_placed": "whether its place in the patient is known",
    "tilt_degrees": "the angle between the step from slice to slice and the normal",
    "missing_slices": "slices that the gaps have room for",
    "uneven_mm": "how far steps differ",
    "volume_is_regular": "two or more slices, evenly spaced along their normal, without gaps",
    "single_orientation": "IDC: all instances have one *Image Orientation (Patient)*",
    "orthogonal_orientation": "IDC: its rows and columns are perpendicular",
    "unique_slice_positions": "IDC: no two instances lie at one position",
    "consistent_in_plane_row": "IDC: positions differ along rows by less than 0.1 mm",
    "consistent_in_plane_col": "IDC: positions differ along columns by less than 0.1 mm",
    "consistent_pixel_spacing": "IDC: one *Pixel Spacing*",
    "consistent_image_dimensions": "IDC: one *Rows* and *Columns*",
    "uniform_slice_spacing": "IDC: each step is within 1 % of the mean",
    "obliquity_degrees": "IDC: the angle between the normal and the nearest axis of the patient",
    "regularly_spaced_3d_volume": "IDC: all of the above hold",
}
"""Column of the series table -> what it holds; … stands for the columns named by a keyword."""


def series_columns() -> str:
    """Return the table of the columns of `series_table`, from its schema."""
    import pyarrow as pa

    from napari_dicommeta.export.series_table import NUMBER_COLUMNS, SCHEMA, TEXTS

    keywords = (*TEXTS, *NUMBER_COLUMNS)
    rows: dict[str, tuple[str, str]] = {}
    for field in SCHEMA:
        keyword = field.name.partition("_values")[0]
        kind = "list of center, width, function, explanation" if field.name == "windows" else str(field.type)
        kind = "list of text" if pa.types.is_list(field.type) and field.name != "windows" else kind
        if keyword in keywords:
            counts = field.name != keyword
            number = "number" if keyword in NUMBER_COLUMNS else "text"
            key = f"{'counts' if counts else number}"
            shown = (
                "`…_values` of each"
                if counts
                else ", ".join(f"`{name}`" for name in (NUMBER_COLUMNS if number == "number" else TEXTS))
            )
            kind = kind if counts else "double; int32 for `Rows` and `Columns`" if number == "number" else "text"
            rows[key] = (shown, f"{kind} | {MEANINGS['…_values' if counts else '…']}")
        else:
            rows[field.name] = (f"`{field.name}`", f"{kind.replace('string', 'text')} | {MEANINGS[field.name]}")
    lines = ["| column | type | what it holds |", "|---|---|---|"]
    return "\n".join([*lines, *(f"| {columns} | {text} |" for columns, text in rows.values())])


# -- the import graph -----------------------------------------------------------------------------------

WHAT = {
    "cli": "the commands",
    "_napari": "the plugin",
    "export": "what leaves: tables and texts without persons, recipes, images",
    "findings": "what counts, volumes and pixels imply: the rules",
    "volumes": "series → volumes: layout, geometry, rescale, lazy arrays",
    "files": "the bytes of files: in folders, in archives, at URLs, from DICOMweb servers",
    "scanning": "folder → catalog: listing, reading, cache, clusters",
    "analysis": "histograms, comparison, audit: counts alone",
    "catalog": "many files: columns, counts, selection, storage",
    "dicom": "one file: header, values, windows, codecs, pixels",
    "support": "knows no DICOM: errors, log, files, processes",
}
BOX, GAP, STEP, LEFT = (170, 46), 60, 84, 40
"""Sizes of the picture in its units."""


def _edges() -> dict[str, set[str]]:
    """Return package -> packages that its modules import."""
    graph = import_graph.import_graph()
    edges: dict[str, set[str]] = {package: set() for floor in FLOORS for package in floor}
    for module, imported in graph.items():
        package = package_of(module)
        if package in edges:
            edges[package] |= {package_of(other) for other in imported} - {package, ""}
    return edges


def package_table() -> str:
    """Return the table of packages: what is in each and what it imports."""
    edges = _edges()
    lines = ["| package | what is in it | imports |", "|---|---|---|"]
    for floor in reversed(FLOORS):
        for package in floor:
            below = sorted(edges[package], key=lambda name: (-floor_of(name), name))
            lines.append(f"| `{package}` | {WHAT[package]} | {', '.join(f'`{name}`' for name in below)} |")
    return "\n".join(lines)


def graph_picture() -> str:
    """Return the packages as an SVG: a row a floor, an arrow an import.

    An arrow that another way through the packages implies is thin.
    """
    edges = _edges()
    width, height = 2 * BOX[0] + GAP + 2 * LEFT + 200, len(FLOORS) * STEP
    center = (width - 200) / 2
    places = {}
    for n, floor in enumerate(reversed(FLOORS)):
        for i, package in enumerate(floor):
            x = center + (i - (len(floor) - 1) / 2) * (BOX[0] + GAP)
            places[package] = (x, n * STEP + STEP / 2)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif">',
        '<defs><marker id="head" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
        '<path d="M0 0 8 4 0 8z" fill="#456"/></marker></defs>',
        f'<rect width="{width}" height="{height}" rx="8" fill="#f4f6f8"/>',
    ]
    for package, below in edges.items():
        for other in sorted(below):
            parts.append(_arrow(places[package], places[other], _is_implied(edges, package, other)))
    for package, (x, y) in places.items():
        parts.append(
            f'<rect x="{x - BOX[0] / 2:g}" y="{y - BOX[1] / 2:g}" width="{BOX[0]}" height="{BOX[1]}" rx="6" '
            f'fill="#fff" stroke="#456"/><text x="{x:g}" y="{y + 6:g}" font-size="17" text-anchor="middle" '
            f'fill="#123">{package}</text>'
        )
    return "\n".join([*parts, "</svg>", ""])


def _is_implied(edges: dict[str, set[str]], package: str, other: str) -> bool:
    """Return whether a package imports another through a third, too."""
    seen, waiting = set(), list(edges[package] - {other})
    while waiting:
        name = waiting.pop()
        if name not in seen:
            seen.add(name)
            waiting += edges[name]
    return other in seen


def _arrow(start: tuple[float, float], end: tuple[float, float], is_implied: bool) -> str:
    """Return an arrow: straight to the next floor, else as a bow on the right that grows with its length."""
    (x1, y1), (x2, y2) = start, end
    floors = round((y2 - y1) / STEP)
    style = 'stroke="#9ab" stroke-width="0.8"' if is_implied else 'stroke="#456" stroke-width="1.6"'
    if floors == 1:
        path = f"M{x1:g} {y1 + BOX[1] / 2:g} L{x2:g} {y2 - BOX[1] / 2:g}"
    else:
        x1, x2 = x1 + BOX[0] / 2, x2 + BOX[0] / 2
        bow = max(x1, x2) + 26 + 24 * floors
        path = f"M{x1:g} {y1:g} C{bow:g} {y1:g} {bow:g} {y2:g} {x2:g} {y2:g}"
    return f'<path d="{path}" fill="none" {style} marker-end="url(#head)"/>'


# -- writing --------------------------------------------------------------------------------------------

FILLED = {"parquet.md": ("series columns", series_columns), "architecture.md": ("packages", package_table)}
"""Page -> the comment above a table in it, and the function that makes the table."""


def filled(name: str) -> str:
    """Return the text of a page with its table as the code has it now."""
    comment, make = FILLED[name]
    text = (DOCS / name).read_text("utf-8")
    mark = f"<!-- {comment} -->\n"
    assert text.count(mark) == 1, f"{name}: there is no comment {mark!r}"
    return re.sub(rf"{re.escape(mark)}\n(?:\|[^\n]*\n)*\n?", lambda _: f"{mark}\n{make()}\n\n", text)


def finding_page() -> str:
    from napari_dicommeta.findings.pages import findings_pages

    return findings_pages()


WHOLE = {"cli.md": command_page, "findings.md": finding_page, "images/imports.svg": graph_picture}
"""Page -> the function that makes all of it."""


def generated() -> Iterator[tuple[Path, str]]:
    """Yield each generated file with the text that it should have."""
    for name, make in WHOLE.items():
        yield DOCS / name, make()
    for name in FILLED:
        yield DOCS / name, filled(name)


def main() -> None:
    """Write all generated pages."""
    for path, text in generated():
        path.write_text(text, "utf-8", newline="\n")


if __name__ == "__main__":
    main()
