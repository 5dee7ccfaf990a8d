"""One Parquet file of a saved catalog, which is checked before and while it is read: it may be damaged, or not ours."""

from __future__ import annotations

import json
import os
import stat
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from napari_dicommeta.catalog.arrow_arrays import bool_array, numpy_of, scalar_of
from napari_dicommeta.catalog.joined_tables import FILE_COLUMNS, VALUES
from napari_dicommeta.dicom.tags import TagPath
from napari_dicommeta.support.errors import CatalogError

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["CATALOG_VERSION", "METADATA", "PLAIN_VRS", "SavedPart", "plain_values", "text_name"]

CATALOG_VERSION = 2
METADATA = b"napari_dicommeta"
PLAIN_VRS = ("UI", "CS", "LO", "SH", "DA", "TM", "DS", "IS", "AE", "PN", "DT")
"""VRs whose stored values may follow from their meanings."""
OUTCOMES = ("rejected", "skipped", "vanished", "timed out")
MAY_BE_NULL = ("reason", "damage_offset")
MAX_FILES_PER_BYTE = 64
"""The most files that a byte of a saved catalog may stand for: each has a path of its own."""
MIN_VALUE = 3
"""Bytes of an empty stored value: its VR, and whether it is of a little endian file."""
DAMAGED = "what it says about itself is damaged: scan the files again"


@contextmanager
def _naming_damage() -> Iterator[None]:
    """Turn what Arrow raises about the content of a file into a `CatalogError`; errors of the system pass."""
    try:
        yield
    except (CatalogError, MemoryError):
        raise
    except OSError as error:
        if error.errno:
            raise
        raise CatalogError("it is damaged: scan the files again") from error
    except (pa.ArrowException, ValueError, KeyError) as error:
        raise CatalogError("it is damaged: scan the files again") from error


class SavedPart:
    """One saved file. It stays open if `stays`, else it is open only while it is read.

    A data set may have thousands. But opening costs as much as its columns are many, so it is not done for each.
    """

    def __init__(self, path: str, stays: bool = True) -> None:
        """Open the file and check what it says about itself.

        Raises
        ------
        CatalogError
            If it is no catalog, is damaged, or was saved by a newer version.
        OSError
            If it cannot be read.
        """
        self._path = path
        if not stat.S_ISREG(os.stat(path).st_mode):  # opening a pipe would wait for a writer
            raise CatalogError("it is not a regular file")
        with _naming_damage():
            try:
                file = pq.ParquetFile(path, page_checksum_verification=True)
            except pa.ArrowInvalid as error:
                raise CatalogError("it is not a Parquet file") from error
            self._footer, schema = file.metadata, file.schema_arrow
            if not stays:
                file.close()
        self._file = file if stays else None
        self.n_rows: int = self._footer.num_rows
        raw = (schema.metadata or {}).get(METADATA)
        if raw is None:
            raise CatalogError("it is a Parquet file, but not a napari-dicommeta catalog")
        try:
            about = json.loads(raw)
            is_newer = about["version"] > CATALOG_VERSION
        except (ValueError, TypeError, KeyError, RecursionError) as error:
            raise CatalogError(DAMAGED) from error
        if is_newer:
            raise CatalogError(f"it was written by a newer version of napari-dicommeta (format {about['version']})")
        about = {"keys": None, "plain": None, "failures": None, "typed": [], "mark": "", **about}
        if not _is_about_catalog(about) or not _has_columns(schema, about):
            raise CatalogError(DAMAGED)
        if self.n_rows > MAX_FILES_PER_BYTE * os.path.getsize(path):
            raise CatalogError(f"it cannot hold the {self.n_rows:,} files that it declares: scan the files again")
        self.keys, self.mark, self.failures = frozenset(about["keys"]), about["mark"], about["failures"]
        self._typed, self._plain = frozenset(about["typed"]), about["plain"]

    def column(self, name: str) -> pa.Array:
        """Return a file column, or the dictionary-encoded column of a tag's key, all null if this part lacks it.

        Raises
        ------
        CatalogError
            If the column is damaged.
        """
        with _naming_damage():
            if name in FILE_COLUMNS:
                column = self._read(name).cast(FILE_COLUMNS[name]).combine_chunks()
                column.validate(full=True)
                if column.null_count and name not in MAY_BE_NULL:
                    raise CatalogError(f"{column.null_count:,} of its files have no {name}: scan the files again")
                return column
            if name not in self.keys:
                return pa.nulls(self.n_rows, VALUES)
            vr = self._plain.get(name)
            column = _encoded(self._read(f"raw:{name}" if vr is None else text_name(name, name in self._typed)))
            column.dictionary.validate(full=True)
            if vr is not None:
                return pa.DictionaryArray.from_arrays(column.indices, plain_values(vr, column.dictionary))
            lengths = numpy_of(pc.binary_length(column.dictionary), absent=0)
            if len(lengths) and lengths.min() < MIN_VALUE:
                raise CatalogError("a stored value has no VR: scan the files again")
            return column

    def _read(self, name: str) -> pa.ChunkedArray:
        # Select by name: Parquet also reads the columns of a sequence's items, whose names start with the sequence's.
        if self._file is not None:
            return self._file.read(columns=[name]).column(name)
        with pq.ParquetFile(self._path, metadata=self._footer, page_checksum_verification=True) as file:
            return file.read(columns=[name]).column(name)


def _is_about_catalog(about: dict[str, Any]) -> bool:
    """Return whether what a file says about itself has the shape that `storage.save` gives it."""
    keys, plain, typed, failures = (about[name] for name in ("keys", "plain", "typed", "failures"))
    if not (_are_texts(keys) and _are_texts(typed) and isinstance(about["mark"], str)):
        return False
    if not isinstance(plain, dict) or not isinstance(failures, list):
        return False
    if len(set(keys)) < len(keys) or not all(vr in PLAIN_VRS for vr in plain.values()):
        return False
    if not all(_are_texts(row) and len(row) == 4 and row[2] in OUTCOMES for row in failures):
        return False
    try:
        return all(TagPath.of_key(key) is not None for key in keys)
    except ValueError:
        return False


def _are_texts(texts: Any) -> bool:
    return isinstance(texts, list) and all(isinstance(text, str) for text in texts)


def _has_columns(schema: pa.Schema, about: dict[str, Any]) -> bool:
    """Return whether a file has all its columns, each once and of its kind."""
    kinds: dict[str, tuple[pa.DataType, ...]] = {name: (kind,) for name, kind in FILE_COLUMNS.items()}
    for key in about["keys"]:
        is_plain = key in about["plain"]
        name = text_name(key, key in about["typed"]) if is_plain else f"raw:{key}"
        kinds[name] = (pa.string(),) if is_plain else (pa.binary(),)
    names = schema.names
    places = {name: place for place, name in enumerate(names)}
    if len(places) < len(names) or not kinds.keys() <= places.keys():
        return False
    for name, allowed in kinds.items():
        kind = schema.field(places[name]).type
        if (kind.value_type if isinstance(kind, pa.DictionaryType) else kind) not in allowed:
            return False
    return True


def text_name(key: str, has_typed: bool) -> str:
    """Return the name of the column that holds a tag's meanings as text, beside a typed one or alone."""
    text = TagPath.of_key(key).text
    return f"{text}_text" if has_typed else text


def _encoded(column: pa.ChunkedArray) -> pa.DictionaryArray:
    if not pa.types.is_dictionary(column.type):
        column = column.dictionary_encode()
    return column.unify_dictionaries().combine_chunks() if column.num_chunks != 1 else column.chunk(0)


def plain_values(vr: str, texts: pa.Array) -> pa.Array:
    """Return the stored values that plain texts have under a VR: the text, padded to an even length."""
    prefix, pad, nothing = (
        scalar_of(value, pa.binary()) for value in (vr.encode() + b".", b"\0" if vr == "UI" else b" ", b"")
    )
    padding = pc.if_else(bool_array(numpy_of(pc.binary_length(texts)) % 2 == 1), pad, nothing)
    return pc.binary_join_element_wise(prefix, texts.cast(pa.binary()), padding, nothing)
