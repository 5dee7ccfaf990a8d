"""Arrow tables of recordings, and the catalog of several recordings."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from napari_dicommeta.catalog.catalog import Catalog

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_dicommeta.scanning.recorder import Recording

__all__ = ["catalog_of_recordings", "table_of"]


def catalog_of_recordings(recordings: Sequence[Recording]) -> Catalog:
    """Return the catalog of one or several recordings, in the order of the files' paths."""
    failures = [failure for recording in recordings for failure in recording.failures]
    return Catalog.of_tables([table_of(recording) for recording in recordings], failures)


def table_of(recording: Recording) -> pa.Table:
    """Return a recording as a table: the file columns, and a dictionary-encoded column for each tag's key."""
    files, n = recording.files, len(recording.files.paths)
    reasons = [files.reasons.get(i, (None, None)) for i in range(n)]
    paths = [_storable(path) for path in files.paths]
    columns: dict[str, pa.Array] = {
        "path": pa.array(paths, pa.string()),
        "size": pa.array(np.frombuffer(files.sizes, np.int64)),
        "mtime": pa.array(np.frombuffer(files.mtimes, np.int64)),
        "pixel_offset": pa.array(np.frombuffer(files.pixel_offsets, np.int64)),
        "pixel_length": pa.array(np.frombuffer(files.pixel_lengths, np.int64)),
        "pixel_tag": pa.array(np.frombuffer(files.pixel_tags, np.int64)),
        "cut": pa.array(np.frombuffer(files.cuts, np.int64)),
        "reason": pa.array([reason for reason, _ in reasons], pa.string()),
        "damage_offset": pa.array([offset for _, offset in reasons], pa.int64()),
    }
    codes = np.full((len(recording.columns), n), -1, dtype=np.int32)
    for numbers, file_bytes, code_bytes in recording.blocks:
        rows = np.frombuffer(file_bytes, np.int32)
        block = np.frombuffer(code_bytes, np.int32).reshape(len(rows), len(numbers))
        codes[np.array(numbers, dtype=np.intp)[:, None], rows[None, :]] = block.T
    for (key, values), column in zip(recording.columns, codes, strict=True):
        indices = pa.array(column, mask=column < 0)
        columns[key] = pa.DictionaryArray.from_arrays(indices, pa.array(values, pa.binary()))
    return pa.table(columns)


def _storable(path: str) -> str:
    r"""Return a path as valid Unicode: bytes that are not (surrogate escapes) are written as \\xNN."""
    try:
        path.encode()
    except UnicodeEncodeError:
        return path.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    return path
