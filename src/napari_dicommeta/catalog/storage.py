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
import pyarrow.compute as pc
import pyarrow.parquet as pq

from napari_dicommeta.catalog.arrow_arrays import bool_array, number_array, numpy_of, scalar_of, text_array
from napari_dicommeta.catalog.arrow_table import typed_column
from napari_dicommeta.catalog.columns import Column, ColumnStore
from napari_dicommeta.catalog.file_rows import FileRows
from napari_dicommeta.catalog.joined_tables import FILE_COLUMNS, VALUES
from napari_dicommeta.dicom.tags import TagPath
from napari_dicommeta.support.atomic import replacing
from napari_dicommeta.support.errors import CatalogError

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["is_saved", "load", "save"]

CATALOG_VERSION = 2
METADATA = b"napari_dicommeta"
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
        names.append(_text_name(key, values is not None))
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
        pq.write_table(table, temporary, compression="zstd", write_statistics=False)


def load(path: str | os.PathLike[str]) -> tuple[ColumnStore, list[tuple[str, str, str, str]]]:
    """Return the store and failures that `save` wrote to `path`, a file or a folder of saved files.

    Columns are read from the files on first use.

    Raises
    ------
    CatalogError
        If a file is not a catalog, was saved by a newer version, or the folder holds none.
    OSError
        If a file is missing or cannot be read.
    """
    target = os.fspath(path)
    names = [target]
    if os.path.isdir(target):
        names = [os.path.join(target, name) for name in sorted(os.listdir(target)) if name.endswith(".parquet")]
        if not names:
            raise CatalogError("the folder holds no .parquet file")
    parts = [_Part(name, len(names) <= MAX_OPEN) for name in names]
    failures = [tuple(failure) for part in parts for failure in part.metadata["failures"]]
    store = ColumnStore(SavedTable(parts))
    store.mark = parts[0].metadata.get("mark", "")
    return store, failures


class _Part:
    """One saved file. It stays open if `stays`, else it is open only while it is read.

    A data set may have thousands. But opening costs as much as its columns are many, so it is not done for each.
    """

    def __init__(self, path: str, stays: bool = True) -> None:
        self._path = path
        try:
            file = pq.ParquetFile(path)
        except pa.ArrowInvalid as error:
            raise CatalogError("it is not a Parquet file") from error
        self._footer, schema = file.metadata, file.schema_arrow
        self._file = file if stays else None
        if not stays:
            file.close()
        self.n_rows: int = self._footer.num_rows
        raw = (schema.metadata or {}).get(METADATA)
        if raw is None:
            raise CatalogError("it is a Parquet file, but not a napari-dicommeta catalog")
        try:
            self.metadata = json.loads(raw)
            is_newer = self.metadata["version"] > CATALOG_VERSION
            self.keys = frozenset(self.metadata["keys"])
            self.typed = frozenset(self.metadata.get("typed", ()))  # version 1 has no typed columns
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
            raise CatalogError("what it says about itself is damaged: scan the files again") from error
        if is_newer:
            raise CatalogError(
                f"it was written by a newer version of napari-dicommeta (format {self.metadata['version']})"
            )

    def column(self, name: str) -> pa.Array:
        """Return a file column, or the dictionary-encoded column of a tag's key, all null if this part lacks it."""
        if name in FILE_COLUMNS:
            return self._read(name).cast(FILE_COLUMNS[name]).combine_chunks()
        if name not in self.keys:
            return pa.nulls(self.n_rows, VALUES)
        vr = self.metadata["plain"].get(name)
        if vr is None:
            return _encoded(self._read(f"raw:{name}"))
        texts = _encoded(self._read(_text_name(name, name in self.typed)))
        return pa.DictionaryArray.from_arrays(texts.indices, _plain_values(vr, texts.dictionary))

    def _read(self, name: str) -> pa.ChunkedArray:
        # Select by name: Parquet also reads the columns of a sequence's items, whose names start with the sequence's.
        if self._file is not None:
            return self._file.read(columns=[name]).column(name)
        with pq.ParquetFile(self._path, metadata=self._footer) as file:
            return file.read(columns=[name]).column(name)


class SavedTable:
    """The table interface that `ColumnStore` uses, read from saved files column by column."""

    def __init__(self, parts: Sequence[_Part]) -> None:
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


def _text_name(key: str, has_typed: bool) -> str:
    """Return the name of the column that holds a tag's meanings as text, beside a typed one or alone."""
    text = TagPath.of_key(key).text
    return f"{text}_text" if has_typed else text


def _encoded(column: pa.ChunkedArray) -> pa.DictionaryArray:
    if not pa.types.is_dictionary(column.type):
        column = column.dictionary_encode()
    return column.unify_dictionaries().combine_chunks() if column.num_chunks != 1 else column.chunk(0)


def _dictionary(codes: np.ndarray, values: pa.Array) -> pa.DictionaryArray:
    return pa.DictionaryArray.from_arrays(number_array(codes.astype(np.int32, copy=False), codes < 0), values)


def _plain_values(vr: str, texts: pa.Array) -> pa.Array:
    """Return the stored values that plain texts have under a VR: the text, padded to an even length."""
    prefix, pad, nothing = (
        scalar_of(value, pa.binary()) for value in (vr.encode() + b".", b"\0" if vr == "UI" else b" ", b"")
    )
    padding = pc.if_else(bool_array(numpy_of(pc.binary_length(texts)) % 2 == 1), pad, nothing)
    return pc.binary_join_element_wise(prefix, texts.cast(pa.binary()), padding, nothing)


def _plain_vr(column: Column) -> str | None:
    """Return the VR under which all stored values of a column follow from their meanings; None if any does not."""
    texts = column.meaning_texts
    vr = column.values[0].as_py()[:2].decode("latin-1") if texts else "UN"
    if vr not in ("UI", "CS", "LO", "SH", "DA", "TM", "DS", "IS", "AE", "PN", "DT"):
        return None
    plain = [text for text in texts if isinstance(text, str) and text.isascii()]
    if len(plain) < len(texts):
        return None
    return vr if _plain_values(vr, text_array(plain)).equals(column.values) else None
