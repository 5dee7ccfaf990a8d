"""The command ``convert``: all series of a folder as files of NIfTI or NRRD."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from napari_dicommeta.cli.outputs import check_folder_output
from napari_dicommeta.cli.sources import catalog_of_options, need_paths
from napari_dicommeta.cli.terminal import CommandError, ProgressLine
from napari_dicommeta.support.errors import DicomMetaError
from napari_dicommeta.support.words import counted, display

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

    from napari_dicommeta.catalog.catalog import Catalog
    from napari_dicommeta.volumes.volume import Volume

__all__ = ["add_arguments", "convert"]


def add_arguments(command: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    command.add_argument("output", metavar="OUT", help="the folder to write to; it is made if it does not exist")
    command.add_argument("--to", choices=("nii.gz", "nii", "nrrd"), default="nii.gz", help="the format of the files")
    command.add_argument(
        "--names",
        metavar="TEMPLATE",
        help="names of the files: {number}, {modality} and {axis} stand for those of the volume, and with --full also "
        "{name} and {series}",
    )
    command.add_argument(
        "--allow-uneven", action="store_true", help="write unevenly spaced slices as if they were even"
    )
    command.add_argument(
        "--full",
        action="store_true",
        help="add names, UIDs and texts of notes to the JSON beside each file; the names of files then contain PHI",
    )


def convert(options: argparse.Namespace) -> int:
    """Write a file for each volume of the source, and list on stderr what was not written; return the exit code."""
    from napari_dicommeta.export.images import TEMPLATE, write_images
    from napari_dicommeta.support.atomic import write_failure

    template = options.names or TEMPLATE
    if not options.full and any(field in template for field in ("{name", "{series")):
        raise CommandError("{name} and {series} may identify a person: leave them out of --names, or add --full")
    check_folder_output(options.output)
    catalog = catalog_of_options(options)
    need_paths(catalog, options, "convert")
    reasons: list[str] = []
    written, replaced, bar, total = 0, 0, ProgressLine("series"), len(catalog.series)

    def volumes() -> Iterator[Volume]:
        for done, volume in _volumes(catalog, reasons, options.full):
            bar.show(done, total)
            yield volume

    try:
        os.makedirs(options.output, exist_ok=True)
        for item in write_images(
            volumes(),
            options.output,
            f".{options.to}",
            template,
            allow_uneven=options.allow_uneven,
            full=options.full,
        ):
            written += bool(item.path)
            replaced += item.is_replaced
            if item.reason:
                reasons.append(f"{display(item.volume)}: {item.reason}")
    except OSError as error:
        raise CommandError(display(write_failure(error, options.output), 400)) from error
    except (ValueError, ImportError, DicomMetaError) as error:
        raise CommandError(str(error)) from error
    bar.clear()
    for reason in reasons:
        print(f"not written: {reason}", file=sys.stderr)
    earlier = f", {replaced:,} in place of earlier ones" if replaced else ""
    print(f"{counted(written, 'file')} of {counted(total, 'series')} in {display(options.output)}{earlier}")
    return 0 if written else 2


def _volumes(catalog: Catalog, reasons: list[str], full: bool) -> Iterator[tuple[int, Volume]]:
    """Yield the number of series begun and each volume; keep why a series has none."""
    from napari_dicommeta.export.printable import refusal_text
    from napari_dicommeta.volumes.load import load_series

    for done, series in enumerate(catalog.series, 1):
        volumes, refusals = load_series(series, among=catalog.series)
        reasons += [str(refusal) if full else refusal_text(refusal) for refusal in refusals]
        for volume in volumes:
            yield done, volume
