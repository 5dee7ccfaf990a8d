"""Whether what a command is to write can be written, found out before it reads for minutes."""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

from napari_dicommeta.cli.terminal import CommandError
from napari_dicommeta.support.words import display

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["catalog_output", "check_folder_output", "check_recipe_output", "check_table_output", "writing"]


@contextmanager
def writing(path: str) -> Iterator[None]:
    """Turn the errors of writing to `path` into a `CommandError` that says what to do."""
    from napari_dicommeta.support.atomic import write_failure

    try:
        yield
    except OSError as error:
        raise CommandError(display(write_failure(error, path), 400)) from error
    except ValueError as error:
        raise CommandError(display(str(error), 400)) from error


def catalog_output(path: str, full: bool, is_folder: bool) -> str:
    """Return the path to which a catalog is written; raise `CommandError` where it cannot be.

    `is_folder`: whether it is a folder of parts, which is made, and so tried, before anything is read.
    """
    from napari_dicommeta.export.tables import phi_name
    from napari_dicommeta.support.atomic import check_replaceable

    if not path.lower().endswith(".parquet"):
        raise CommandError(f"{display(path)}: the name of a catalog must end in .parquet")
    target = phi_name(path) if full else path
    if not is_folder:
        with writing(target):
            check_replaceable(target)
    return target


def check_table_output(path: str | None, full: bool) -> None:
    """Raise `CommandError` where a table cannot be written to `path`, if there is one."""
    if not path:
        return
    from napari_dicommeta.export.tables import table_path
    from napari_dicommeta.support.atomic import check_replaceable

    with writing(path):
        check_replaceable(table_path(path, full))


def check_recipe_output(path: str, full: bool) -> None:
    """Raise `CommandError` where a recipe and the JSON beside it cannot be written."""
    from napari_dicommeta.export.recipe import recipe_paths
    from napari_dicommeta.support.atomic import check_replaceable

    with writing(path):
        for target in recipe_paths(path, full):
            check_replaceable(target)


def check_folder_output(path: str) -> None:
    """Raise `CommandError` where no file can be written in a folder that need not exist."""
    from napari_dicommeta.support.atomic import check_replaceable

    folder = os.path.abspath(path)
    while not os.path.lexists(folder):
        folder = os.path.dirname(folder)
    with writing(path):
        try:
            check_replaceable(os.path.join(folder, "new"))
        except OSError as error:
            raise OSError(error.errno, error.strerror, path) from error
