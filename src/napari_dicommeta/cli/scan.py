"""The command ``scan``: a catalog as a file, or as a folder of parts that are scanned one after the other."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_dicommeta.cli.outputs import catalog_output, writing
from napari_dicommeta.cli.sources import catalog_of_options, list_left_out, need_paths, source_paths_of
from napari_dicommeta.cli.terminal import CommandError, show_scan
from napari_dicommeta.support.words import counted, display

if TYPE_CHECKING:
    import argparse

    from napari_dicommeta.catalog.catalog import Catalog
    from napari_dicommeta.catalog.part_files import Parts

__all__ = ["save_scan"]

NO_FILE = "{}: no DICOM file was found"


def save_scan(options: argparse.Namespace) -> None:
    """Write the catalog of the sources, and print what it holds.

    Raises
    ------
    CommandError
        If a source cannot be read, or the catalog cannot be written.
    """
    target = catalog_output(options.output, options.full, is_folder=bool(options.part_files))
    with writing(target):
        text = _save_parts(options, target) if options.part_files else _save(options, target)
    print(f"{text} in {display(target)}")


def _save(options: argparse.Namespace, target: str) -> str:
    catalog = _whole(options)
    (catalog if options.full else catalog.shareable()).save(target)
    tags = counted(len(catalog.tags()), "tag")
    return f"{counted(catalog.n_files, 'file')}, {len(catalog.series):,} series, {tags}"


def _whole(options: argparse.Namespace) -> Catalog:
    catalog = catalog_of_options(options)
    if options.full:
        need_paths(catalog, options, "a full catalog")
    return catalog


def _save_parts(options: argparse.Namespace, target: str) -> str:
    """Write parts: of a scan that keeps none, or of a whole catalog where conditions or saved catalogs need one."""
    from napari_dicommeta.catalog.part_files import writing_parts
    from napari_dicommeta.catalog.storage import is_saved

    with writing_parts(target, options.full) as parts:
        sources = source_paths_of(options.source)
        if options.where or any(map(is_saved, sources)):
            _split(_whole(options), parts, options.part_files)
        else:
            _scan_parts(sources, parts, options.part_files, target)
            if not parts.n_files:
                raise CommandError(NO_FILE.format(", ".join(map(display, sources))))
    return f"{counted(parts.n_files, 'file')} in {counted(parts.n_parts, 'part')}"


def _split(catalog: Catalog, parts: Parts, part_files: int) -> None:
    import numpy as np

    for start in range(0, catalog.n_files, part_files):
        part = catalog.rows(np.arange(start, min(start + part_files, catalog.n_files)))
        parts.add(part if start else part.with_failures(catalog.failures))


def _scan_parts(sources: tuple[str, ...], parts: Parts, part_files: int, target: str) -> None:
    from napari_dicommeta.scanning.scan_parts import iter_scan_parts
    from napari_dicommeta.support.atomic import write_failure

    def take(catalog: Catalog) -> None:
        list_left_out(catalog)
        try:
            parts.add(catalog)
        except OSError as error:  # others are about the sources
            about = OSError(error.errno, error.strerror)
            raise CommandError(display(write_failure(about, target), 400)) from error

    show_scan(iter_scan_parts(sources, part_files, take))
