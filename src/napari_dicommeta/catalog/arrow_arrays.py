"""Arrow arrays of NumPy arrays and texts.

`pyarrow.array`, `pyarrow.scalar`, `to_numpy` and `fill_null` would import pandas where it is installed, as it is beside
napari: 0.2 s and 30 MB for nothing.
"""

from __future__ import annotations

from array import array
from itertools import accumulate
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["bool_array", "number_array", "numpy_of", "scalar_of", "text_array"]


def number_array(values: np.ndarray, absent: np.ndarray | None = None) -> pa.Array:
    """Return numbers, int or float of shape (n,), null where `absent` (bool, shape (n,)); they are not copied."""
    values = np.ascontiguousarray(values, dtype=values.dtype.newbyteorder("="))
    validity = pa.py_buffer(_bits(~absent)) if absent is not None and absent.any() else None
    return pa.Array.from_buffers(pa.from_numpy_dtype(values.dtype), len(values), [validity, pa.py_buffer(values)])


def bool_array(values: np.ndarray) -> pa.Array:
    """Return truth values, bool of shape (n,)."""
    return pa.Array.from_buffers(pa.bool_(), len(values), [None, pa.py_buffer(_bits(values))])


def text_array(texts: Iterable[str | bytes | None], kind: pa.DataType | None = None) -> pa.Array:
    """Return texts as UTF-8, null for None; `kind` is that of the array, a string by default.

    Raises
    ------
    UnicodeEncodeError
        If a text has bytes that are no text (surrogates).
    TypeError
        If there are bytes, and `kind` is a string.
    """
    kind = kind or pa.string()
    given = list(texts)
    if kind == pa.string() and any(isinstance(text, bytes) for text in given):
        raise TypeError("bytes are no text: they need a binary type")
    raw = [text if text is None or isinstance(text, bytes) else text.encode() for text in given]
    data = b"".join(filter(None, raw))
    present = np.fromiter((value is not None for value in raw), dtype=bool, count=len(raw))
    if len(data) > np.iinfo(np.int32).max:
        return pa.array(raw, pa.large_binary()).cast(kind)
    bounds = array("i", accumulate((len(value or b"") for value in raw), initial=0))
    validity = None if present.all() else pa.py_buffer(_bits(present))
    return pa.Array.from_buffers(kind, len(raw), [validity, pa.py_buffer(bounds), pa.py_buffer(data)])


def scalar_of(value: bytes | int, kind: pa.DataType) -> pa.Scalar:
    """Return one value, of int32 or binary type."""
    return (text_array([value], kind) if isinstance(value, bytes) else number_array(np.array([value], str(kind))))[0]


def numpy_of(values: pa.Array, absent: int | None = None) -> np.ndarray:
    """Return numbers, which stay read-only in Arrow's memory, or truth values; `absent` stands for null.

    Raises
    ------
    ValueError
        If some are null, and `absent` is None.
    """
    if not values.null_count:
        return _known(values)
    if absent is None:
        raise ValueError(f"{values.null_count} of {len(values)} values are null")
    validity = np.unpackbits(
        np.frombuffer(values.buffers()[0], np.uint8), count=values.offset + len(values), bitorder="little"
    )
    return np.where(validity[values.offset :], _known(values), np.array(absent, _dtype(values)))


def _known(values: pa.Array) -> np.ndarray:
    """Return the numbers or truth values where none is null."""
    buffer, start = values.buffers()[1], values.offset
    if pa.types.is_boolean(values.type):
        bits = np.frombuffer(buffer or b"", np.uint8)
        return np.unpackbits(bits, count=start + len(values), bitorder="little")[start:].astype(bool)
    dtype = _dtype(values)
    return np.frombuffer(buffer or b"", dtype, len(values), start * dtype.itemsize)


def _dtype(values: pa.Array) -> np.dtype:
    name = str(values.type)
    return np.dtype({"double": "float64", "float": "float32", "halffloat": "float16"}.get(name, name))


def _bits(values: np.ndarray) -> np.ndarray:
    """Return truth values as Arrow keeps them, 8 in a byte."""
    return np.packbits(values, bitorder="little")
