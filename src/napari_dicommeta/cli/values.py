"""The command ``values``: counts of the values of tags, and the files behind each."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from napari_dicommeta.cli.outputs import check_table_output
from napari_dicommeta.cli.sources import add_source_arguments, catalog_of_options, exists, need_paths
from napari_dicommeta.cli.terminal import CommandError, print_rows
from napari_dicommeta.support.words import counted

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

    from napari_dicommeta.catalog.catalog import Catalog
    from napari_dicommeta.dicom.tags import TagPath

__all__ = ["add_value_arguments", "print_values"]

PLURALS = {"patient": "patients", "study": "studies", "series": "series"}
WINDOW = "window"
"""The word that counts whole window presets."""


def add_value_arguments(sub: argparse.ArgumentParser) -> None:
    """Add what to count, and in which units, to the arguments of the command."""
    more = "; then tags, counted together: keywords (WindowCenter), paths of keywords, (gggg,eeee), or window"
    add_source_arguments(sub, more=more)
    sub.usage = "napari-dicommeta values [options] SRC [SRC ...] [TAG ...]"
    sub.add_argument(
        "--by", choices=("meaning", "spelling"), default="meaning", help="count '1' and '1.0' together, or separately"
    )
    sub.add_argument("--per", choices=tuple(PLURALS), help="also count the patients, studies or series with each value")
    sub.add_argument(
        "--files",
        action="store_true",
        help="list the files behind each value; without a TAG, only their paths; needs --full",
    )


def print_values(options: argparse.Namespace, write: Callable[..., None]) -> None:
    """Print the values of the tags, most files first; or the files behind each. `write` writes a table for ``-o``."""
    from napari_dicommeta.cli.sharing import printable_catalog
    from napari_dicommeta.cli.tag_names import tag_named

    sources, tags = _sources_and_tags(options.source)
    if WINDOW in tags:
        return _print_windows(options, sources, tags)
    paths = list(dict.fromkeys(tag_named(tag) for tag in tags))
    if not paths and not options.files:
        raise CommandError("name a tag to count, such as WindowCenter, or list the files with --files")
    if options.output and (len(paths) != 1 or options.files or options.per):
        raise CommandError("-o writes the files and patients with each value of one tag: leave out --per and --files")
    if options.files and not options.full:
        raise CommandError("paths of files may name persons: add --full to list them")
    check_table_output(options.output, options.full)
    catalog = catalog_of_options(options, sources)
    if options.output:
        from napari_dicommeta.export.tables import value_table

        return write(options, lambda: value_table(catalog, paths[0], by=options.by, full=options.full), options.full)
    _hint_at_groups(catalog, paths)
    if options.files:
        need_paths(catalog, options, "--files")
        return _print_files(catalog, paths, options)
    catalog = printable_catalog(catalog, paths, options.full)
    if len(paths) == 1 and not options.per:
        return _print_counts(catalog, paths[0], options)
    from napari_dicommeta.catalog.value_files import unit_numbers, value_files

    names = [path.text for path in paths]
    held = value_files(catalog, paths, options.by)
    rows: list[dict[str, Any]] = []
    for texts, files in zip(held.texts, held.rows, strict=True):
        rows.append({**_named(names, texts, options.json), "files": len(files)})
    if options.per:
        for row, n in zip(rows, held.counted(unit_numbers(catalog, options.per)), strict=True):
            row[PLURALS[options.per]] = n
        rows.sort(key=lambda row: -row[PLURALS[options.per]])
    print_rows(rows, options, tags=names, by=options.by, files=catalog.n_files)


def _hint_at_groups(catalog: Catalog, paths: list[TagPath]) -> None:
    """Say on stderr where enhanced images keep the tags that are counted here as absent in them."""
    from napari_dicommeta.dicom.functional_groups import GROUP_OF

    for path in paths:
        group = GROUP_OF.get(path.text)
        for outer in ("SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence") if group else ():
            inner = f"{outer}.{group}.{path.text}"
            if held := catalog.values(inner).n_held:
                print(f"{counted(held, 'file')} with functional groups: count {inner}", file=sys.stderr)


def _sources_and_tags(words: list[str]) -> tuple[list[str], list[str]]:
    """Return the sources at the beginning of the arguments, and the tags behind them.

    The first word is a source. A later one is a source if it exists and is not a keyword, before any tag.
    """
    last = 1
    while last < len(words) and exists(words[last]) and words[last] != WINDOW and not _is_keyword(words[last]):
        last += 1
    return words[:last], words[last:]


def _is_keyword(word: str) -> bool:
    from napari_dicommeta.dicom.tags import TagPath

    try:
        return TagPath.parse(word).text == word
    except ValueError:
        return False


def _print_windows(options: argparse.Namespace, sources: list[str], tags: list[str]) -> None:
    """Print the window presets: center, width and explanation, and the files with each."""
    from napari_dicommeta.analysis.window_presets import folder_windows

    if len(tags) > 1 or options.files or options.per:
        raise CommandError("window presets are counted alone and by files: leave out other tags, --per and --files")
    if options.output:
        raise CommandError("window presets are not a tag: print them with --csv or --json, or export WindowCenter")
    catalog = catalog_of_options(options, sources)
    rows = [
        {
            "window": window.explanation,
            "center": window.center,
            "width": window.width,
            "function": window.function,
            "files": files,
            "note": window.fault,
        }
        for window, files in folder_windows(catalog).items()
    ]
    print_rows(rows, options)


def _print_files(catalog: Catalog, paths: list[TagPath], options: argparse.Namespace) -> None:
    """Print the path of each file, with its values; without tags, only the paths, for other programs."""
    if not paths:
        if options.json or options.csv:
            return print_rows([{"file": path} for path in catalog.paths], options, files=catalog.n_files)
        for path in catalog.paths[: options.limit]:
            print(path)
        return None
    from napari_dicommeta.catalog.value_files import value_files

    names = [path.text for path in paths]
    held = value_files(catalog, paths, options.by)
    rows = [
        {**_named(names, texts, options.json), "file": catalog.paths[row]}
        for texts, files in zip(held.texts, held.rows, strict=True)
        for row in files.tolist()
    ]
    return print_rows(rows, options, tags=names, by=options.by, files=catalog.n_files)


def _named(names: list[str], texts: tuple[str | None, ...], is_json: bool) -> dict[str, Any]:
    """Return the columns of the values of some tags; an absent one is null in JSON."""
    shown = [text if is_json or text else "(absent)" if text is None else "(empty)" for text in texts]
    return dict(zip(names if len(names) > 1 else ["value"], shown, strict=True))


def _print_counts(catalog: Catalog, path: TagPath, options: argparse.Namespace) -> None:
    """Print the number of files with each value of one tag."""
    from napari_dicommeta.dicom.dictionary import uid_name

    counts = catalog.values(path, by=options.by)
    is_uid = path.vr == "UI"
    flags = {value.text: value.flag for value in catalog.details(path)} if options.by == "meaning" else {}
    rows: list[dict[str, Any]] = [
        {
            "value": text if options.json else text or "(empty)",
            "files": files,
            "note": flags.get(text) or (uid_name(text) if is_uid else ""),
        }
        for text, files in counts.items()
    ]
    if not options.json:
        for state, files in (("absent", counts.absent), ("unknown", counts.unknown)):
            if files:
                rows.append({"value": f"({state})", "files": files, "note": ""})
    missing: dict[str, Any] = {"absent": counts.absent, "unknown": counts.unknown}
    print_rows(rows, options, tags=[path.text], by=options.by, files=counts.n_files, **missing)
