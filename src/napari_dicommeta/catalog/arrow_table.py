"""The files of a catalog as an Arrow table, for other programs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from napari_dicommeta.catalog.arrow_arrays import number_array, text_array
from napari_dicommeta.catalog.typed_columns import typed_values

if TYPE_CHECKING:
    from napari_dicommeta.catalog.columns import Column
    from napari_dicommeta.catalog.file_rows import FileRows

__all__ = ["arrow_table", "typed_column"]


def arrow_table(rows: FileRows, by: str, typed: bool) -> pa.Table:
    """Return the table of `Catalog.to_arrow`: the path and the tags of each file, in tag order."""
    names, columns = ["path"], [pc.replace_substring(rows.file_column("path"), "\0", "\\u")]
    for column in sorted(rows.columns(), key=lambda column: column.path):
        ids = rows.joined_ids(column, by)
        if not (ids >= 0).any():
            continue
        values = typed_column(rows, column) if typed else None
        if values is not None:
            names.append(column.path.text)
            columns.append(values)
        names.append(column.path.text if values is None else f"{column.path.text}_text")
        columns.append(pa.DictionaryArray.from_arrays(_indices(ids), text_array(column.joined_texts(by))))
    return pa.table(columns, names=names)


def typed_column(rows: FileRows, column: Column) -> pa.Array | None:
    """Return the value of each file as a number, a date or a list, null where it is none; None if it stays text."""
    counts = rows.count(column)[0]
    vr = column.main_vr(counts if counts.any() else np.ones_like(counts))  # of no file, the VR is that of the others
    values = typed_values(column.path, vr, column.joined_texts("meaning"))
    return None if values is None else values.take(_indices(rows.joined_ids(column, "meaning")))


def _indices(ids: np.ndarray) -> pa.Array:
    return number_array(ids.astype(np.int32), ids < 0)
