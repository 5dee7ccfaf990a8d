"""The tables of a scan joined to the table of a catalog, in little more memory than the result."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from napari_dicommeta.catalog.arrow_arrays import numpy_of, scalar_of
from napari_dicommeta.catalog.hashes import hashes

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["FILE_COLUMNS", "MANY_VALUES", "VALUES", "joined_tables", "one_chunk"]

VALUES = pa.dictionary(pa.int32(), pa.binary())
MANY_VALUES = 20_000
"""The number of values of a column from which it is worth finding out whether all are different."""
RELEASE_BYTES = 4 << 20
"""The size of joined columns after which the memory of their parts is given back."""
FILE_COLUMNS = {
    "path": pa.string(),
    "size": pa.int64(),
    "mtime": pa.int64(),
    "pixel_offset": pa.int64(),
    "pixel_length": pa.int64(),
    "pixel_tag": pa.int64(),
    "cut": pa.int64(),
    "reason": pa.string(),
    "damage_offset": pa.int64(),
}


def joined_tables(tables: Iterable[pa.Table]) -> pa.Table:
    """Join all rows of `tables`, ordered by file path; codes may be integers of any width.

    Each column is joined, sorted and then released, so that memory never holds two complete copies. Columns with the
    same many values, as *SOP Instance UID* and *Media Storage SOP Instance UID* are, share them.
    """
    parts = [dict(zip(table.column_names, table.columns, strict=True)) for table in tables]
    rows = [len(part["path"]) for part in parts]
    paths = _joined("path", parts, rows)
    order = pc.array_sort_indices(paths)
    if np.array_equal(numpy_of(order), np.arange(len(order))):
        order = None
    joined: dict[str, pa.Array] = {"path": paths if order is None else paths.take(order)}
    del paths
    shared: list[pa.Array] = []
    unreleased = joined["path"].nbytes
    for name in dict.fromkeys([*FILE_COLUMNS, *(name for part in parts for name in part)]):
        if name not in joined:
            column = _sharing(_joined(name, parts, rows), shared)
            joined[name] = column if order is None else column.take(order)
            del column
            unreleased += joined[name].nbytes
        if unreleased > RELEASE_BYTES:  # Arrow's allocator keeps what is freed, for a while
            pa.default_memory_pool().release_unused()
            unreleased = 0
    return pa.table(joined)


def _joined(name: str, parts: list[dict[str, pa.ChunkedArray]], rows: list[int]) -> pa.Array:
    """Take a column out of all `parts`, of which each has its number of `rows`, and return it as one array."""
    kind = FILE_COLUMNS.get(name, VALUES)
    chunks: list[pa.Array] = []
    for part, n in zip(parts, rows, strict=True):
        column = part.pop(name, None)
        chunks += [pa.nulls(n, kind)] if column is None else map(_widened, column.chunks)
        del column
    whole = pa.chunked_array(chunks, kind)
    del chunks
    return one_chunk(whole) if name in FILE_COLUMNS else _with_one_dictionary(whole)


def _sharing(column: pa.Array, shared: list[pa.Array]) -> pa.Array:
    """Return a column with values from `shared` that equal its own; if there are none but many, add them there."""
    if len(column) < MANY_VALUES or column.type != VALUES or len(column.dictionary) < MANY_VALUES:
        return column
    for values in shared:
        if values.equals(column.dictionary):
            return pa.DictionaryArray.from_arrays(column.indices, values)
    shared.append(column.dictionary)
    return column


def _with_one_dictionary(column: pa.ChunkedArray) -> pa.DictionaryArray:
    """Return a column as one array, whose values are in the order in which they first come.

    Finding equal values takes several times their memory. Where their hashes show that many are all different, as UIDs
    are, they are only put one after the other.
    """
    if len(column) < MANY_VALUES or column.num_chunks < 2:
        return one_chunk(column.unify_dictionaries())
    starts = np.cumsum([0, *(len(chunk.dictionary) for chunk in column.chunks)])
    if starts[-1] < MANY_VALUES:
        return one_chunk(column.unify_dictionaries())
    found = np.sort(np.concatenate([hashes(chunk.dictionary) for chunk in column.chunks]))
    if (found[1:] == found[:-1]).any():
        return one_chunk(column.unify_dictionaries())
    codes = [
        pc.add(chunk.indices, scalar_of(start, VALUES.index_type))
        for chunk, start in zip(column.chunks, starts[:-1].tolist(), strict=True)
    ]
    values = pa.concat_arrays([chunk.dictionary for chunk in column.chunks])
    return pa.DictionaryArray.from_arrays(pa.concat_arrays(codes), values)


def _widened(column: pa.Array) -> pa.Array:
    """Return a column with 32-bit codes, if it has codes."""
    kind = column.type
    if not isinstance(kind, pa.DictionaryType) or kind.bit_width == VALUES.bit_width:
        return column
    return pa.DictionaryArray.from_arrays(column.indices.cast(VALUES.index_type), column.dictionary)


def one_chunk(column: pa.ChunkedArray) -> pa.Array:
    """Return a column as one array."""
    if column.num_chunks == 1:
        return column.chunk(0)
    return column.combine_chunks() if column.num_chunks else pa.nulls(0, column.type)
