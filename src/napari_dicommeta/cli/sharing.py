"""What commands print by default: nothing that names a person. ``--full`` prints everything."""

from __future__ import annotations

import math
import os
import sys
from typing import TYPE_CHECKING, Any

from napari_dicommeta.cli.terminal import CommandError
from napari_dicommeta.dicom.privacy import is_identifying
from napari_dicommeta.dicom.tags import TagPath
from napari_dicommeta.support.words import counted, display

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable

    from napari_dicommeta.catalog.catalog import Catalog
    from napari_dicommeta.findings.finding import Finding
    from napari_dicommeta.volumes.load import Volumes
    from napari_dicommeta.volumes.volume import Volume

__all__ = [
    "findings_to_print",
    "list_refused",
    "printable_catalog",
    "protocol_rows",
    "series_rows",
    "tag_rows",
    "technical_catalogs",
    "volume_rows",
]

UNITS = ("PatientID", "StudyInstanceUID", "SeriesInstanceUID", "Modality", "SeriesNumber")
"""Tags by which files are grouped; their values become pseudonyms."""


def printable_catalog(catalog: Catalog, paths: Iterable[TagPath], full: bool) -> Catalog:
    """Return a catalog whose values of `paths` may be printed; in it, other tags group files, and nothing is named.

    A catalog that was saved for others may be printed as it is.

    Raises
    ------
    CommandError
        If a tag may identify a person and not `full`.
    """
    from napari_dicommeta.export.tables import why_withheld

    if full or not catalog.has_paths:
        return catalog
    paths = tuple(paths)
    for path in paths:
        if reason := why_withheld(catalog, path):
            raise CommandError(f"{reason}; --full prints its values")
    keys = {path.key for path in (*paths, *map(TagPath.parse, UNITS))}
    return catalog.shareable(keys=keys & {*catalog.file_rows.store.keys})


def technical_catalogs(*catalogs: Catalog) -> list[Catalog]:
    """Return catalogs of the tags that identify nobody, with the same pseudonyms for odd values in all of them."""
    salt = os.urandom(32)
    technical = []
    for catalog in catalogs:
        paths = (column.path for column in catalog.file_rows.columns())
        keys = [path.key for path in paths if not is_identifying(path, path.vr)]
        technical.append(catalog.shareable(salt, keys))
    return technical


def tag_rows(catalog: Catalog, options: argparse.Namespace) -> list[dict[str, Any]]:
    """Return a row of counts for each tag.

    Without ``--full``, JSON and CSV have the rows that ``-o`` writes, of technical tags; a table has all tags, without
    private creators that no dictionary names.
    """
    from napari_dicommeta.export.printable import without_creators
    from napari_dicommeta.export.tables import tag_table

    rows: list[dict[str, Any]] = tag_table(catalog, full=True).drop_columns("name").to_pylist()
    if options.full or not catalog.has_paths:
        return rows
    if not (options.json or options.csv):
        names: dict[str, str] = {}
        return [{**row, **{name: without_creators(row[name], names) for name in ("tag", "keyword")}} for row in rows]
    technical: list[dict[str, Any]] = tag_table(catalog).drop_columns("name").to_pylist()
    if more := len(rows) - len(technical):
        words = f"{counted(more, 'tag')} that may identify persons {'is' if more == 1 else 'are'} left out"
        print(f"{words}: --full prints all", file=sys.stderr)
    return technical


def series_rows(catalog: Catalog, options: argparse.Namespace) -> list[dict[str, Any]]:
    """Return a row for each series: name, modality, files, size, units, notes and, in full JSON, its UID."""
    from napari_dicommeta.dicom.units import unit_words
    from napari_dicommeta.export.printable import modality_text, note_text, refusal_text, units_text
    from napari_dicommeta.volumes.load import NO_PATHS, load_series
    from napari_dicommeta.volumes.structures import holds_structures

    if not catalog.has_paths:
        print(f"sizes as volumes, units and notes are unknown: {NO_PATHS}", file=sys.stderr)
    rows = []
    for series in catalog.series:
        among = catalog.series if holds_structures(series) else None  # they are drawn on images of another series
        volumes, refusals = load_series(series, among=among) if catalog.has_paths else ((), ())
        name_note, name_refusal = (str, str) if options.full else (note_text, refusal_text)
        refused = [name_refusal(refusal) for refusal in refusals]
        notes = [name_note(note) for volume in volumes for note in volume.notes] + refused
        problems = [name_note(note) for volume in volumes for note in volume.problems] + refused
        units = volumes[0].units if volumes else ""
        units = units if options.full else units_text(units)
        rows.append(
            {
                "series": series.name if options.full else series.label,
                "modality": series.modality if options.full else modality_text(series.modality),
                "files": series.n_files,
                "size": series.size,
                "spacing": _spacing_text(volumes[0]) if volumes else "",
                "units": units if options.json else unit_words(units),
                "notes": notes if options.json else "; ".join(dict.fromkeys(problems)),
                **({"series_instance_uid": series.series_instance_uid} if options.json and options.full else {}),
            }
        )
    return rows


def _spacing_text(volume: Volume) -> str:
    """Return the spacing between slices, rows and columns in mm, without lengths that are unknown."""
    lengths = [f"{length:.4g}" for length in volume.geometry.spacing if math.isfinite(length)]
    return " × ".join(lengths) + " mm" if lengths else ""


def list_refused(volumes: Volumes, full: bool) -> None:
    """Say on stderr what of a source is in no volume, and why, apart from files that have no pixels anyway."""
    from napari_dicommeta.export.printable import refusal_text

    for refusal in volumes.refusals:
        if refusal.code != "no-pixels":
            reason = str(refusal) if full else f"{refusal.series.label}: {refusal_text(refusal)}"
            print(f"not opened: {display(reason, 400)}", file=sys.stderr)


def volume_rows(volumes: Volumes, full: bool) -> list[dict[str, Any]]:
    """Return a row for each volume of a source: name, modality, array, units, spacing, windows and notes."""
    from napari_dicommeta.export.printable import note_text, volume_facts

    return [
        {
            "name": volume.name if full else volume.label,
            **({"series_instance_uid": volume.series_instance_uid} if full else {}),
            **volume_facts(volume, full),
            "windows": [[window.center, window.width, window.explanation] for window in volume.windows],
            "notes": [str(note) if full else note_text(note) for note in volume.notes],
        }
        for volume in volumes
    ]


def findings_to_print(findings: tuple[Finding, ...], catalog: Catalog, full: bool) -> tuple[Finding, ...]:
    """Return `findings` in the same order, without text that may name a person unless `full`."""
    from napari_dicommeta.export.printable import printable_findings

    return findings if full else printable_findings(findings, catalog)


def protocol_rows(catalog: Catalog, full: bool) -> list[dict[str, Any]]:
    """Return a row for each setting that varies between series of one protocol; protocols have numbers unless `full`.

    A protocol whose series all agree has one row.
    """
    from napari_dicommeta.dicom.stored_values import WITHHELD
    from napari_dicommeta.export.printable import modality_text, quotes_odd_text
    from napari_dicommeta.findings.rules.protocols import find_protocols
    from napari_dicommeta.findings.survey import Survey

    is_odd = (lambda text: False) if full or not catalog.has_paths else quotes_odd_text(catalog)
    rows: list[dict[str, Any]] = []

    def add(protocol: dict[str, Any], setting: str, values: str, outliers: str) -> None:
        shown = [WITHHELD if is_odd(text) else text for text in (values, outliers)]
        rows.append({**protocol, "setting": setting, "values (series)": shown[0], "outliers (series)": shown[1]})

    for n, protocol in enumerate(find_protocols(Survey(catalog)), 1):
        modality = protocol.modality if full else modality_text(protocol.modality)
        row = {"protocol": protocol.name if full else str(n), "modality": modality, "series": len(protocol.series)}
        for setting in protocol.settings:
            values = ", ".join(f"{text} ({series:,})" for text, series in setting.values)
            add(row, setting.tag, values, ", ".join(f"{text} ({len(few):,})" for text, few in setting.outliers))
        if not protocol.settings:
            add(row, "", "nothing varies", "")
    return rows
