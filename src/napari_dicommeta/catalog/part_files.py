"""Write a catalog as a folder of parts, one after the other: `writing_parts`. `storage.load` opens the folder."""

from __future__ import annotations

import errno
import os
import re
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from napari_dicommeta.catalog.catalog import Catalog
from napari_dicommeta.catalog.columns import ColumnStore
from napari_dicommeta.catalog.shareable import Numbering, numbered_paths, shareable_table
from napari_dicommeta.catalog.storage import load
from napari_dicommeta.support.atomic import replacing_folder
from napari_dicommeta.support.errors import CatalogError

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Parts", "part_name", "writing_parts"]

_NAME = re.compile(r"part-\d{6,}\.parquet")
FOREIGN = "the folder holds {}: it stays as it is; choose another name"


def part_name(number: int) -> str:
    """Return the name of a part, numbered from 0."""
    return f"part-{number:06d}.parquet"


class Parts:
    """The parts of a catalog that are being written to a folder; unless they are `full`, they name no person.

    Equal values have equal pseudonyms in all parts, and no number of a file, folder or private creator comes twice.
    """

    def __init__(self, folder: str, full: bool) -> None:
        self.n_files = self.n_parts = 0
        self._folder, self._is_full = folder, full
        self._salt, self._given = os.urandom(32), Numbering()

    def add(self, catalog: Catalog) -> None:
        """Write the next part; one without files and failures is left out.

        Raises
        ------
        OSError
            If it cannot be written.
        """
        if not catalog.n_files and not catalog.failures:
            return
        part = catalog if self._is_full else self._shareable(catalog)
        part.save(os.path.join(self._folder, part_name(self.n_parts)))
        self.n_parts += 1
        self.n_files += catalog.n_files

    def _shareable(self, catalog: Catalog) -> Catalog:
        table = shareable_table(catalog.file_rows.taken(), self._salt, given=self._given)
        paths = numbered_paths([failure.path for failure in catalog.failures], self._salt)
        failures = (replace(failure, path=path) for failure, path in zip(catalog.failures, paths, strict=True))
        return Catalog(ColumnStore(table), None, tuple(failures))


@contextmanager
def writing_parts(path: str | os.PathLike[str], full: bool) -> Iterator[Parts]:
    """Yield `Parts` to add to; the folder `path` holds them once the block succeeds, else it stays as it was.

    Raises
    ------
    OSError
        If the folder cannot be written, or `path` is something else than a folder of parts of a catalog.
    """
    with replacing_folder(path, _check_is_parts) as folder:
        yield Parts(folder, full)


def _check_is_parts(folder: str) -> None:
    """Raise FileExistsError if a folder holds anything but parts of a catalog."""
    foreign = next((name for name in sorted(os.listdir(folder)) if not _NAME.fullmatch(name)), "")
    if foreign:
        raise FileExistsError(errno.EEXIST, FOREIGN.format("files that are no parts of a catalog"), folder)
    try:
        load(folder)
    except CatalogError as error:
        raise FileExistsError(errno.EEXIST, FOREIGN.format("a file that is no catalog"), folder) from error
