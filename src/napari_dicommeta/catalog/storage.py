"""Save catalogs to Parquet files that any program can read, and load them again without loss.

A tag's column is named by its keywords. It holds numbers, dates and lists where VR and VM say so, with the meanings as
text beside it in a column that ends in ``_text``; else it holds the text itself. If the stored values do not follow
from the meanings (because of a spelling, a VR or a character set), a further column, ``raw:`` + key, holds the stored
values.
"""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from napari_dicommeta.catalog.arrow_arrays import number_array, text_array
from napari_dicommeta.catalog.arrow_table import typed_column
from napari_dicommeta.catalog.columns import Column, ColumnStore
from napari_dicommeta.catalog.file_rows import FileRows
from napari_dicommeta.catalog.joined_tables import FILE_COLUMNS
from napari_dicommeta.catalog.saved_part import CATALOG_VERSION, METADATA, PLAIN_VRS, SavedPart, plain_values, text_name
from napari_dicommeta.dicom.tags import TagPath
from napari_dicommeta.support.atomic import replacing
from napari_dicommeta.support.errors import CatalogError

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["is_saved", "load", "save"]

MAX_OPEN = 64
"""The most parts of a saved catalog that stay open."""


def is_saved(source: str) -> bool:
    """Return whether a source is a saved catalog: a file, or a folder of parts, whose name ends in .parquet."""
    return source.rstrip(os.sep).lower().endswith(".parquet") and (os.path.isfile(source) or os.path.isdir(source))


def save(
    store: ColumnStore,
    failures: Sequence[tuple[str, str, str, str]],
    path: str | os.PathLike[str],
    mark: str = "",
    typed: bool = True,
) -> None:
    """Write `store` and `failures` to `path` atomically, with mode 0600; `load` gives the store `mark` again.

    Without `typed`, a file that only `load` reads has no columns of numbers, dates and lists.

    Raises
    ------
    OSError
        If the file cannot be written.
    """
    names, columns, plain = list(FILE_COLUMNS), [store.file_column(name) for name in FILE_COLUMNS], {}
    rows, with_text = FileRows(store, None), []
    keys = sorted(store.keys, key=lambda key: TagPath.of_key(key))
    for key in keys:
        column = store.column(key)
        ids = column.joined_ids("meaning", None).astype(np.int32)
        values = typed_column(rows, column) if typed else None
        if values is not None:
            with_text.append(key)
            names.append(column.path.text)
            columns.append(values)
        names.append(text_name(key, values is not None))
        columns.append(_dictionary(ids, text_array(column.joined_texts("meaning"))))
        vr = _plain_vr(column)
        if vr is None:
            names.append(f"raw:{key}")
            columns.append(_dictionary(column.codes, column.values))
        else:
            plain[key] = vr
    metadata = {"version": CATALOG_VERSION, "keys": keys, "plain": plain, "failures": list(failures), "mark": mark}
    metadata["typed"] = with_text
    table = pa.table(columns, names=names).replace_schema_metadata({METADATA: json.dumps(metadata).encode()})
    with replacing(path) as temporary:
        pq.write_table(table, temporary, compression="zstd", write_statistics=False, write_page_checksum=True)


def load(path: str | os.PathLike[str]) -> tuple[ColumnStore, list[tuple[str, str, str, str]]]:
    """Return the store and failures that `save` wrote to `path`, a file or a folder of saved files.

    Columns are read from the files on first use, which raises `CatalogError` too if they are damaged.

    Raises
    ------
    CatalogError
        If a file is not a catalog, is damaged, was saved by a newer version, or the folder holds none.
    OSError
        If a file is missing or cannot be read.
    """
    target = os.fspath(path)
    names = [target]
    if os.path.isdir(target):
        names = [os.path.join(target, name) for name in sorted(os.listdir(target)) if name.endswith(".parquet")]
        if not names:
            raise CatalogError("the folder holds no .parquet file")
    parts = [SavedPart(name, len(names) <= MAX_OPEN) for name in names]
    failures = [tuple(failure) for part in parts for failure in part.failures]
    store = ColumnStore(SavedTable(parts))
    store.mark = parts[0].mark
    return store, failures


class SavedTable:
    """The table interface that `ColumnStore` uses, read from saved files column by column."""

    def __init__(self, parts: Sequence[SavedPart]) -> None:
        self._parts = parts
        self.num_rows = sum(part.n_rows for part in parts)
        keys = sorted({key for part in parts for key in part.keys}, key=lambda key: TagPath.of_key(key))
        self.column_names = [*FILE_COLUMNS, *keys]

    def column(self, name: str) -> pa.ChunkedArray:
        """Return one column of all parts, with one dictionary."""
        chunks = [part.column(name) for part in self._parts]
        column = pa.chunked_array(chunks)
        return column.unify_dictionaries() if len(chunks) > 1 and name not in FILE_COLUMNS else column

    def in_memory(self) -> pa.Table:
        """Read all columns into an Arrow table."""
        return pa.table([self.column(name) for name in self.column_names], names=self.column_names)


def _dictionary(codes: np.ndarray, values: pa.Array) -> pa.DictionaryArray:
    return pa.DictionaryArray.from_arrays(number_array(codes.astype(np.int32, copy=False), codes < 0), values)


def _plain_vr(column: Column) -> str | None:
    """Return the VR under which all stored values of a column follow from their meanings; None if any does not."""
    texts = column.meaning_texts
    vr = column.values[0].as_py()[:2].decode("latin-1") if texts else "UN"
    if vr not in PLAIN_VRS:
        return None
    plain = [text for text in texts if isinstance(text, str) and text.isascii()]
    if len(plain) < len(texts):
        return None
    return vr if plain_values(vr, text_array(plain)).equals(column.values) else None
