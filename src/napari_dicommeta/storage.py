"""Catalogs in Parquet files: columns that any program can read, and what is needed to give back every byte.

A tag's column holds its meaning as text, under the tag's keywords. Where meaning and stored value differ (a
spelling, a VR, a character set), a second column ``raw:`` + key holds the stored values.
"""

from __future__ import annotations

import json
import os
import tempfile
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from napari_dicommeta.columns import FILE_COLUMNS, Column, ColumnStore
from napari_dicommeta.tags import TagPath

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["load", "save"]

VERSION = 1
METADATA = b"napari_dicommeta"


def save(store: ColumnStore, failures: Sequence[tuple[str, str, str]], path: str | os.PathLike[str]) -> None:
    """Write `store` and `failures` to `path`: beside it first, then renamed; mode 0600.

    Raises
    ------
    OSError
        If it cannot be written.
    """
    names, columns, plain = list(FILE_COLUMNS), [store.file_column(name) for name in FILE_COLUMNS], {}
    keys = sorted(store.keys, key=lambda key: TagPath.of_key(key))
    for key in keys:
        column = store.column(key)
        ids = column.joined_ids("meaning", None).astype(np.int32)
        names.append(column.path.text)
        columns.append(_dictionary(ids, pa.array(column.joined_texts("meaning"), pa.string())))
        vr = _plain_vr(column)
        if vr is None:
            names.append(f"raw:{key}")
            columns.append(_dictionary(column.codes, column.values))
        else:
            plain[key] = vr
    metadata = {"version": VERSION, "keys": keys, "plain": plain, "failures": list(failures)}
    table = pa.table(columns, names=names).replace_schema_metadata({METADATA: json.dumps(metadata).encode()})
    target = os.path.abspath(os.fspath(path))
    descriptor, beside = tempfile.mkstemp(dir=os.path.dirname(target), prefix=".catalog-")
    os.close(descriptor)
    try:
        pq.write_table(table, beside, compression="zstd", write_statistics=False)
        os.replace(beside, target)
    except BaseException:
        os.unlink(beside)
        raise


def load(path: str | os.PathLike[str]) -> tuple[ColumnStore, list[tuple[str, str, str]]]:
    """The store and failures that `save` wrote.

    Raises
    ------
    ValueError
        If the file is no catalog, or one of a newer version.
    """
    try:
        table = pq.read_table(os.fspath(path), memory_map=False)
    except pa.ArrowInvalid as error:
        raise ValueError("it is no Parquet file") from error
    raw = (table.schema.metadata or {}).get(METADATA)
    if raw is None:
        raise ValueError("it is a Parquet file, but no catalog of napari-dicommeta")
    metadata = json.loads(raw)
    if metadata["version"] > VERSION:
        raise ValueError(f"it was written by a newer version of napari-dicommeta (format {metadata['version']})")
    columns = {name: table.column(name).cast(kind) for name, kind in FILE_COLUMNS.items()}
    for key in metadata["keys"]:
        if key in metadata["plain"]:
            texts = _encoded(table.column(TagPath.of_key(key).text))
            values = [_plain_value(metadata["plain"][key], text) for text in texts.dictionary.to_pylist()]
            columns[key] = pa.DictionaryArray.from_arrays(texts.indices, pa.array(values, pa.binary()))
        else:
            columns[key] = _encoded(table.column(f"raw:{key}"))
    return ColumnStore(pa.table(columns)), [tuple(failure) for failure in metadata["failures"]]


def _encoded(column: pa.ChunkedArray) -> pa.DictionaryArray:
    if not pa.types.is_dictionary(column.type):
        column = column.dictionary_encode()
    return column.unify_dictionaries().combine_chunks() if column.num_chunks != 1 else column.chunk(0)


def _dictionary(codes: np.ndarray, values: pa.Array) -> pa.DictionaryArray:
    return pa.DictionaryArray.from_arrays(pa.array(codes, pa.int32(), mask=codes < 0), values)


def _plain_value(vr: str, text: str) -> bytes:
    raw = text.encode("ascii")
    if len(raw) % 2:
        raw += b"\0" if vr == "UI" else b" "
    return vr.encode() + b"." + raw


def _plain_vr(column: Column) -> str | None:
    """The VR with which every stored value of a column follows from its meaning; None where one does not."""
    values = column.values.to_pylist()
    vr = values[0][:2].decode("latin-1") if values else "UN"
    if vr not in ("UI", "CS", "LO", "SH", "DA", "TM", "DS", "IS", "AE", "PN", "DT"):
        return None
    for entry, value in enumerate(values):
        meanings = column.meanings(entry)
        text = meanings[0].text
        if len(meanings) > 1 or not text.isascii() or _plain_value(vr, text) != value:
            return None
    return vr
