"""Arrow tables of recordings, and the catalog of several recordings.

A table waits for the end of the scan, beside all others. So its codes have the smallest integer type, and all its
memory is Arrow's, a buffer for each column: what is joined later can then be released column by column.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from napari_dicommeta.catalog.arrow_arrays import number_array, text_array
from napari_dicommeta.catalog.catalog import Catalog
from napari_dicommeta.catalog.joined_tables import FILE_COLUMNS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_dicommeta.scanning.recorder import Recording, Strings

__all__ = ["catalog_of_recordings", "table_of"]

MIN_SMALL = 1024
"""The number of files of a table from which its codes are made small; a few files may have 100,000 columns."""


def catalog_of_recordings(recordings: Sequence[Recording]) -> Catalog:
    """Return the catalog of one or several recordings, in the order of the files' paths."""
    failures = [failure for recording in recordings for failure in recording.failures]
    return Catalog.of_tables([table_of(recording) for recording in recordings], failures)


def table_of(recording: Recording) -> pa.Table:
    """Return a recording as a table: the file columns, and a dictionary-encoded column for each tag's key.

    `ColumnStore.of_tables` widens the codes, which are int8, int16 or int32.
    """
    files, n = recording.files, recording.n_files
    columns: dict[str, pa.Array] = {
        "path": _texts(recording.paths, pa.string()),
        "size": _numbers(files.sizes),
        "mtime": _numbers(files.mtimes),
        "pixel_offset": _numbers(files.pixel_offsets),
        "pixel_length": _numbers(files.pixel_lengths),
        "pixel_tag": _numbers(files.pixel_tags),
        "cut": _numbers(files.cuts),
    }
    if files.reasons:
        reasons = [files.reasons.get(i, (None, None)) for i in range(n)]
        columns["reason"] = text_array(reason for reason, _ in reasons)
        columns["damage_offset"] = number_array(
            np.array([-1 if offset is None else offset for _, offset in reasons], dtype=np.int64),
            np.array([offset is None for _, offset in reasons]),
        )
    else:
        for name in ("reason", "damage_offset"):
            columns[name] = pa.nulls(n, FILE_COLUMNS[name])
    codes = np.full((len(recording.columns), n), -1, dtype=np.int32)
    for numbers, file_bytes, code_bytes in recording.blocks:
        rows = np.frombuffer(file_bytes, np.int32)
        block = np.frombuffer(code_bytes, np.int32).reshape(len(rows), len(numbers))
        codes[np.array(numbers, dtype=np.intp)[:, None], rows[None, :]] = block.T
    for (key, values), column in zip(recording.columns, codes, strict=True):
        dictionary = _texts(values, pa.binary())
        columns[key] = pa.DictionaryArray.from_arrays(_indices(column, len(dictionary)), dictionary)
    return pa.table(columns)


def _indices(codes: np.ndarray, n_values: int) -> pa.Array:
    """Return codes, null where they are negative: as the smallest integers, or int32 where that would save little."""
    absent = codes < 0
    if len(codes) < MIN_SMALL:
        return number_array(codes.copy(), absent)
    small = codes.astype(np.min_scalar_type(-max(n_values, 1)))
    validity = _owned(np.packbits(~absent, bitorder="little")) if absent.any() else None
    return pa.Array.from_buffers(pa.from_numpy_dtype(small.dtype), len(small), [validity, _owned(small)])


def _numbers(numbers: Any) -> pa.Array:
    return pa.Array.from_buffers(pa.int64(), len(numbers), [None, _owned(numbers)])


def _texts(strings: Strings, kind: pa.DataType) -> pa.Array:
    data, bounds = strings
    return pa.Array.from_buffers(kind, len(bounds) - 1, [None, _owned(bounds), _owned(data)])


def _owned(data: Any) -> pa.Buffer:
    """Return a copy of a flat buffer in Arrow's memory."""
    view = memoryview(data).cast("B")
    buffer = pa.allocate_buffer(len(view))
    memoryview(buffer).cast("B")[:] = view
    return buffer
