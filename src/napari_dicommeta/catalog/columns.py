"""The columns of a catalog: codes of distinct stored values, which are decoded on first use."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from napari_dicommeta.catalog.arrow_arrays import bool_array, number_array, numpy_of
from napari_dicommeta.catalog.conditions import ends_of, texts_of
from napari_dicommeta.catalog.distinct_texts import Texts, joined, most_frequent
from napari_dicommeta.catalog.joined_tables import FILE_COLUMNS, MANY_VALUES, joined_tables, one_chunk
from napari_dicommeta.dicom.stored_values import WITHHELD
from napari_dicommeta.dicom.tags import TagPath
from napari_dicommeta.dicom.values import Meaning, decode_all, numbers
from napari_dicommeta.support.cached import cached_property

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


__all__ = ["Column", "ColumnStore", "first_tag_of"]

UID = b"UI."
PLAIN_UIDS = r"^UI\.[0-9.]*[\x00 ]*$"
DECIMALS = r"^(?:DS|IS).(?: *[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]{1,3})?[ \x00]*(?:\\|$))+$"
"""Stored decimal strings that need no further decoding: all components are numbers."""
MAX_DECIMALS = 400
"""Bytes; longer values are decoded one by one."""
SLICE_VALUES = 4096
"""The number of values that are Python objects at a time while they are decoded."""
MEANINGS_KEPT = 100
"""The most stored values of a column whose meanings are kept as objects when all are decoded."""
KEPT_BYTES = 256 << 20
"""About the bytes of columns, read from files by a pass over all of them, that stay in memory."""
TEXT_FACTOR = 4
"""The bytes of a value as text, in multiples of its stored bytes."""
RUN_FILES = 20
"""The mean number of files per run of equal codes from which counting by runs is faster."""


def first_tag_of(key: str) -> int:
    """Return the outermost tag of a path key; for an unknown private block, the highest possible tag."""
    low = 0xFFFF if key[4:6] == "xx" else int(key[4:8], 16)
    return int(key[:4], 16) << 16 | low


class Column:
    """One tag's codes, a 32-bit integer per file (-1: the file lacks the tag), and its distinct stored values."""

    def __init__(self, key: str, array: pa.DictionaryArray, twin: Column | None = None) -> None:
        self.path = TagPath.of_key(key)
        self._twin = twin
        """A column with the same values, all UIDs, from which they are taken decoded."""
        self.values: pa.BinaryArray = array.dictionary
        self._indices: pa.Int32Array = array.indices
        self.first_tag = first_tag_of(key)
        self._texts: dict[str, Texts] = {}
        self._meanings: dict[int, tuple[Meaning, ...]] = {}
        self._joined: dict[str, tuple[tuple[str, ...], np.ndarray]] = {}
        self._entry_texts: dict[int, str] = {}
        self._number_tables: dict[int, np.ndarray] = {}

    @property
    def n_bytes(self) -> int:
        """About the bytes that the column takes, with its values as texts."""
        return int(self._indices.nbytes + TEXT_FACTOR * self.values.nbytes)

    @cached_property
    def codes(self) -> np.ndarray:
        """Return the number of each file's stored value, -1 if the file lacks the tag: int32, shape (n_files,)."""
        return numpy_of(self._indices, absent=-1)

    @cached_property
    def _decoded(self) -> tuple[tuple[str | tuple[str, ...], ...], tuple[str | tuple[str, ...], ...], bool]:
        """Decode the stored values to (meanings, spellings), sets as tuples, and whether a value has a flag.

        Meanings and spellings are one object if they are equal.
        """
        if self._twin is not None:
            return self._twin._decoded
        if (uids := _plain_uids(self.values)) is not None:
            return uids, uids, False
        texts: list[str | tuple[str, ...]] = []
        spellings: list[str | tuple[str, ...]] = []
        is_flagged, keeps = False, len(self.values) <= MEANINGS_KEPT
        for entry, value in enumerate(_each(self.values)):
            if value.startswith(UID):
                text = value[3:].rstrip(b"\0 ").decode("latin-1").strip()
                texts.append(text)
                spellings.append(text)
                continue
            meanings = decode_all(value, self.path)
            is_flagged = is_flagged or any(meaning.flag for meaning in meanings)
            if keeps:
                self._meanings[entry] = meanings
            if len(meanings) == 1:
                texts.append(meanings[0].text)
                spellings.append(meanings[0].spelling)
            else:
                texts.append(tuple(meaning.text for meaning in meanings))
                spellings.append(tuple(meaning.spelling for meaning in meanings))
        all_texts = tuple(texts)
        return all_texts, all_texts if spellings == texts else tuple(spellings), is_flagged

    @property
    def meaning_texts(self) -> tuple[str | tuple[str, ...], ...]:
        """The meaning of each stored value, sets as tuples."""
        return self._decoded[0]

    @property
    def is_flagged(self) -> bool:
        """Return whether the meaning of a stored value has a flag."""
        return self._decoded[2]

    def meanings(self, entry: int) -> tuple[Meaning, ...]:
        """Return the meanings of one stored value, several for a nested tag."""
        if entry not in self._meanings:
            self._meanings[entry] = decode_all(self.values[entry].as_py(), self.path)
        return self._meanings[entry]

    @cached_property
    def changes(self) -> np.ndarray:
        """Return for each file how many files up to it differ from the one before: int32, shape (n_files,)."""
        differs = self.codes[1:] != self.codes[:-1]
        return np.concatenate([np.zeros(min(len(self.codes), 1), np.int32), np.cumsum(differs, dtype=np.int32)])

    def text_of(self, code: int) -> str:
        """Return the text of one stored value by meaning, without decoding the others; "" for code -1.

        Several values of a nested tag are joined by " | ".
        """
        if code < 0:
            return ""
        if "meaning" in self._joined:
            texts, ids = self._joined["meaning"]
            return texts[int(ids[code])]
        text = self._entry_texts.get(code)
        if text is None:
            meanings = decode_all(self.values[code].as_py(), self.path)
            text = joined(meanings[0].text if len(meanings) == 1 else tuple(meaning.text for meaning in meanings))
            self._entry_texts[code] = text
        return text

    @cached_property
    def empty(self) -> np.ndarray:
        """Return for each stored value whether it is empty."""
        texts = self.texts("meaning")
        if texts.is_plain:
            return np.asarray(texts.ids == texts.empty)
        return np.array([not text or not any(text) for text in self._decoded[0]], dtype=bool)

    def texts(self, by: str) -> Texts:
        """Return the distinct texts by "meaning" or by "spelling"."""
        if self._twin is not None:
            return self._twin.texts(by)
        if by not in self._texts:
            meanings, spellings, _ = self._decoded
            if meanings is spellings:
                self._texts["meaning"] = self._texts["spelling"] = Texts(meanings)
            else:
                self._texts[by] = Texts(spellings if by == "spelling" else meanings)
        return self._texts[by]

    def number_table(self, width: int) -> np.ndarray:
        """Return the `width` numbers of each stored value, float64 of shape (values, width).

        A value that is not `width` finite numbers is a row of NaN. Decimal strings are converted all at once.
        """
        if width not in self._number_tables:
            self._number_tables[width] = _number_table(self, width)
        return self._number_tables[width]

    @cached_property
    def _runs(self) -> tuple[np.ndarray, np.ndarray] | None:
        """Return (bounds, codes) of the runs of equal codes; None if there are too many.

        Most tags have one value in a whole series, whose files are adjacent.
        """
        changes = np.flatnonzero(self.codes[1:] != self.codes[:-1]) + 1
        if len(changes) * RUN_FILES > len(self.codes) or not len(self.codes):
            return None
        bounds = np.concatenate([[0], changes, [len(self.codes)]])
        return bounds, self.codes[bounds[:-1]]

    def count(self, rows: np.ndarray | None, below: np.ndarray | None = None) -> tuple[np.ndarray, int]:
        """Count (files with each stored value, files without a value) among `rows`.

        `below`: the number of `rows` before each file and in total; counting by runs needs it.
        """
        if rows is None and len(self.values) == 1:  # as most tags of a folder have
            absent = self._indices.null_count
            return np.array([len(self._indices) - absent]), absent
        runs = self._runs if rows is None or below is not None else None
        if runs is None:
            codes = self.codes if rows is None else self.codes[rows]
            counts = np.bincount(codes + 1, minlength=len(self.values) + 1)
        else:
            bounds, codes = runs
            lengths = np.diff(bounds if below is None else below[bounds])
            counts = np.bincount(codes + 1, weights=lengths, minlength=len(self.values) + 1).astype(np.int64)
        return counts[1:], int(counts[0])

    def main_vr(self, counts: np.ndarray) -> str:
        """Return the VR with which most files store the tag, "UN" if none does."""
        votes: dict[str, int] = {}
        entries = [0] if len(counts) == 1 else most_frequent(counts, 100).tolist()
        for entry in entries:  # a column of unique values has one VR
            vr = self.meanings(entry)[0].vr
            votes[vr] = votes.get(vr, 0) + int(counts[entry])
        best = max(votes, key=lambda vr: votes[vr], default="UN")
        return "US or SS" if best == "implicit" else best

    @cached_property
    def number_vr(self) -> str:
        """Return the VR that says what the numbers of the tag are: the dictionary's, else that of most files."""
        return self.main_vr(self.count(None)[0]) if self.path.vr == "UN" else self.path.vr

    def _joined_texts(self, by: str) -> tuple[tuple[str, ...], np.ndarray]:
        if by not in self._joined:
            texts = self.texts(by)
            if texts.is_plain:
                self._joined[by] = (texts.texts, texts.ids)
            else:
                ids: dict[str, int] = {}
                meanings, spellings, _ = self._decoded
                of_entry = [
                    ids.setdefault(joined(value), len(ids)) for value in (spellings if by == "spelling" else meanings)
                ]
                self._joined[by] = (tuple(ids), np.array(of_entry, dtype=np.int64))
        return self._joined[by]

    def joined_texts(self, by: str) -> tuple[str, ...]:
        """Return the distinct texts, several values of one file joined by " | "."""
        return self._joined_texts(by)[0]

    def joined_ids(self, by: str, rows: np.ndarray | None) -> np.ndarray:
        """Return for each of `rows` the index into `joined_texts`, -1 if the file lacks the tag."""
        of_entry = self._joined_texts(by)[1]
        codes = self.codes if rows is None else self.codes[rows]
        return np.asarray(np.append(of_entry, -1)[codes])

    def matches(self, condition: Any, by: str) -> np.ndarray:
        """Return whether `condition` holds for each stored value and, last, for a missing one: index it by code."""
        is_match = np.zeros(len(self.values) + 1, dtype=bool)
        if isinstance(condition, bool):
            is_match[:-1] = condition
            is_match[-1] = not condition
            return is_match
        texts = self.texts(by)
        if isinstance(condition, slice):
            low, high = ends_of(condition, self.number_vr)
            owners, values = texts.numbers(self.number_vr)
            chosen = np.zeros(len(texts.texts), dtype=bool)
            chosen[owners[(values >= low) & (values <= high)]] = True
        else:
            wanted = {*texts_of(condition)}
            is_match[-1] = None in wanted
            chosen = np.array([text in wanted for text in texts.texts], dtype=bool)
        if len(texts.ids):
            is_match[texts.entries[chosen[texts.ids]]] = True
        return is_match


def _plain_uids(values: pa.BinaryArray) -> tuple[str, ...] | None:
    """Return the texts of many values, decoded all at once as no other tag has as many; None if some are no UIDs."""
    if len(values) < MANY_VALUES or not pc.all(pc.match_substring_regex(values, PLAIN_UIDS)).as_py():
        return None
    return tuple(pc.utf8_rtrim(pc.utf8_slice_codeunits(values.cast(pa.string()), 3), "\0 ").to_pylist())


def _number_table(column: Column, width: int) -> np.ndarray:
    table = np.full((len(column.values), width), np.nan)
    is_plain = numpy_of(pc.binary_length(column.values)) < MAX_DECIMALS
    is_plain &= numpy_of(pc.match_substring_regex(column.values, DECIMALS))
    rows = np.flatnonzero(is_plain)
    if len(rows):
        texts = pc.utf8_slice_codeunits(column.values.take(number_array(rows)).cast(pa.string()), 3)
        parts = pc.split_pattern(texts, "\\")
        has_width = numpy_of(pc.list_value_length(parts)) == width
        flat = pc.utf8_trim(pc.list_flatten(parts.filter(bool_array(has_width))), " \0")
        if len(flat):
            flat = pc.replace_substring_regex(flat, r"^\+", "")
            table[rows[has_width]] = numpy_of(flat.cast(pa.float64())).reshape(-1, width)
    for entry in np.flatnonzero(~is_plain).tolist():
        values = numbers(column.text_of(entry), width)
        if values is not None:
            table[entry] = values
    table[~np.isfinite(table).all(axis=1)] = np.nan
    return table


class ColumnStore:
    """The Arrow table of a catalog: the file columns and one dictionary-encoded column per tag, named by its key."""

    def __init__(self, table: Any) -> None:
        self._table = table
        self.n_files: int = table.num_rows
        self.keys: tuple[str, ...] = tuple(name for name in table.column_names if name not in FILE_COLUMNS)
        self._columns: dict[str, Column] = {}
        self._kept_bytes = 0
        self._file_columns: dict[str, pa.Array] = {}
        self._file_numbers: dict[str, np.ndarray] = {}
        self._found: dict[str, str | None] = {}
        self.kept: dict[Any, Any] = {}
        """What other modules found out about all of its files; it lasts as long as the store."""
        self.mark = ""
        """What `storage.save` was given to recognize this store by, "" if it was given nothing or does not come from a
        file."""

    @classmethod
    def of_tables(cls, tables: Iterable[pa.Table]) -> ColumnStore:
        """Join all rows of `tables`, ordered by file path; codes may be integers of any width."""
        return cls(joined_tables(tables))

    @property
    def table(self) -> pa.Table:
        """All columns as an Arrow table, in memory."""
        if not isinstance(self._table, pa.Table):
            self._table = self._table.in_memory()
        return self._table

    def taken(self, rows: np.ndarray | None) -> ColumnStore:
        """Return a store of some rows only; None stands for all rows."""
        if rows is None:
            return self
        indices = number_array(rows)
        if isinstance(self._table, pa.Table):
            return ColumnStore(self._table.take(indices).combine_chunks())
        names = self._table.column_names  # column by column: the whole may be too large for memory
        return ColumnStore(pa.table({name: one_chunk(self._table.column(name)).take(indices) for name in names}))

    def find(self, path: TagPath) -> Column | None:
        """Return the column of a tag, None if no file holds it."""
        return self.column(path.key) if path.key in self._key_set else None

    def find_tag(self, tag: str) -> Column | None:
        """Return the column of a keyword or tag, None if no file holds it; the answer is remembered."""
        if tag not in self._found:
            path = TagPath.parse(tag)
            self._found[tag] = path.key if path.key in self._key_set else None
        key = self._found[tag]
        return None if key is None else self.column(key)

    def file_numbers(self, name: str) -> np.ndarray:
        """Return an integer column of `FILE_COLUMNS`, int64 of shape (n_files,)."""
        if name not in self._file_numbers:
            self._file_numbers[name] = numpy_of(self.file_column(name))
        return self._file_numbers[name]

    @cached_property
    def has_paths(self) -> bool:
        """Return whether the files are named: a store of no files, or that of a shareable catalog, names none."""
        return self.n_files > 0 and not self.file_column("path")[0].as_py().startswith(f"({WITHHELD}")

    @cached_property
    def has_foreign_names(self) -> bool:
        """Return whether some names are no text, so that `path_of_text` changes their paths."""
        return bool(pc.any(pc.match_substring(self.file_column("path"), "\0")).as_py())

    @cached_property
    def _key_set(self) -> frozenset[str]:
        return frozenset(self.keys)

    def column(self, key: str) -> Column:
        """Return the column with this key."""
        column = self._columns.get(key)
        if column is None:
            column = self._columns[key] = self._read(key)
            if not isinstance(self._table, pa.Table):
                self._kept_bytes += column.n_bytes
        return column

    def columns(self, keys: Iterable[str] | None = None) -> Iterator[Column]:
        """Yield all columns, in the order of `keys`, or those of the keys given.

        Those that have to be read from files are kept up to `KEPT_BYTES`, and are read again by the next call beyond.
        """
        is_here = isinstance(self._table, pa.Table)
        for key in self.keys if keys is None else keys:
            if is_here or key in self._columns or self._kept_bytes < KEPT_BYTES:
                yield self.column(key)
            else:
                yield self._read(key)

    def _read(self, key: str) -> Column:
        array = one_chunk(self._table.column(key))
        return Column(key, array, self._twin(array.dictionary))

    def _twin(self, values: pa.BinaryArray) -> Column | None:
        """Return a column with the same `values` if these are many UIDs: decoding them depends on nothing else."""
        if len(values) < MANY_VALUES:
            return None
        for column in list(self._columns.values()):
            if len(column.values) == len(values) and column.values.equals(values):
                return column if pc.all(pc.starts_with(values, UID.decode())).as_py() else None
        return None

    def file_column(self, name: str) -> pa.Array:
        """Return a column of `FILE_COLUMNS`."""
        if name not in self._file_columns:
            self._file_columns[name] = one_chunk(self._table.column(name))
        return self._file_columns[name]

    @cached_property
    def cuts(self) -> np.ndarray:
        """Return for each file the first tag whose presence is unknown, -1 if there is none."""
        return numpy_of(self.file_column("cut"))

    @cached_property
    def cut_rows(self) -> np.ndarray:
        """Return the rows of the files with unknown tags."""
        return np.flatnonzero(self.cuts >= 0)


def _each(values: pa.BinaryArray) -> Iterator[bytes]:
    """Yield each stored value, with Python objects for a few at a time."""
    for start in range(0, len(values), SLICE_VALUES):
        yield from values.slice(start, SLICE_VALUES).to_pylist()
