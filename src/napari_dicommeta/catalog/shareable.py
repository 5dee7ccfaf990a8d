"""A copy of a catalog that names no person, for others who may not see the files.

Values that identify a person (`dicom.privacy`), and those that have not the form of a technical value, are replaced by
pseudonyms: salted hashes, so that equal values stay equal. Patients, studies and series still group, and references
still lead to their instances. The salt is random and kept nowhere, unless the caller gives one.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from napari_dicommeta.catalog.arrow_arrays import number_array, numpy_of, text_array
from napari_dicommeta.catalog.columns import DECIMALS, MAX_DECIMALS, UID
from napari_dicommeta.catalog.joined_tables import FILE_COLUMNS, one_chunk
from napari_dicommeta.dicom.privacy import TERM_TAGS, is_binary, is_identifying, is_plain, is_registered, read_as
from napari_dicommeta.dicom.stored_values import MULTIPLE, PSEUDONYM, WITHHELD, joined
from napari_dicommeta.dicom.tags import TagPath
from napari_dicommeta.dicom.values import WRONG_LENGTH, decode

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from napari_dicommeta.catalog.columns import Column, ColumnStore

__all__ = ["Numbering", "numbered_paths", "odd_texts", "shareable_key", "shareable_table"]

UID_ROOT = "2.25."
"""The root of UIDs made from a number of 128 bits (PS3.5 section B.2)."""
TEXT_VRS = frozenset((b"&&", b"CS", b"DS", b"IS", b"UI", b"UN"))
"""The first bytes of stored values whose form is checked; "&&" stands for several values."""
NUMBER_SIZES = {b"FD": 8, b"FL": 4, b"SL": 4, b"SS": 2, b"SV": 8, b"UL": 4, b"US": 2, b"UV": 8, b"xs": 2}
"""VR -> the bytes of a number."""


@dataclass(slots=True, kw_only=True)
class Numbering:
    """Numbers that stand for names; the parts of one catalog share them, with the salt."""

    top: str = ""
    """The folder above all numbers, named by the first paths; "" before them."""
    folders: dict[str, int] = field(default_factory=dict)
    n_files: int = 0
    creators: dict[str, str] = field(default_factory=dict)
    """Private creators that no dictionary names, with what stands for them."""


def shareable_table(
    store: ColumnStore, salt: bytes, keys: Iterable[str] | None = None, given: Numbering | None = None
) -> pa.Table:
    """Return the table of `store` with pseudonyms, numbered files and folders, and no times of files.

    `keys`: the columns to include, None for all. Private elements keep their values as pseudonyms and their creator if
    it is in the dictionary of private elements. `given`: the numbers that earlier parts got, to which new ones are
    added.
    """
    given = given or Numbering()
    columns: dict[str, pa.Array] = {name: store.file_column(name) for name in FILE_COLUMNS}
    columns["path"] = text_array(numbered_paths(columns["path"].to_pylist(), salt, given))
    columns["mtime"] = number_array(np.zeros(store.n_files, np.int64))
    secret = blake2b(salt, digest_size=32).digest()
    uids: dict[bytes, bytes] = {}
    for key in sorted(store.keys if keys is None else keys):
        column = store.column(key)
        columns[shareable_key(column.path, given.creators)] = _shareable_column(column, secret, uids)
    table = pa.table(columns)
    return table.take(pc.array_sort_indices(columns["path"])).combine_chunks()


def _shareable_column(column: Column, secret: bytes, uids: dict[bytes, bytes]) -> pa.DictionaryArray:
    """Return a column with pseudonyms; `uids` are those given so far, to which new ones are added."""
    codes = number_array(column.codes.astype(np.int32, copy=False), column.codes < 0)
    rest = np.flatnonzero(~_is_number(column))
    values = column.values.to_pylist() if len(rest) else []
    replace = _replacing(column.path, secret)
    for entry in rest.tolist():
        value = values[entry]
        if not value.startswith(UID):
            values[entry] = replace(value)
            continue
        if value not in uids:
            uids[value] = replace(value)
        values[entry] = uids[value]
    whole = pa.DictionaryArray.from_arrays(codes, text_array(values, pa.binary()) if len(rest) else column.values)
    if len(set(values)) == len(values):
        return whole
    return one_chunk(pa.chunked_array([whole.cast(pa.binary())]).dictionary_encode())


def _is_number(column: Column) -> np.ndarray:
    """Return for each stored value whether it is empty or certainly a technical number, bool of shape (values,)."""
    values, path = column.values, column.path
    lengths = numpy_of(pc.binary_length(values)).astype(np.int64)
    numbers = lengths <= 3
    if is_identifying(path, path.vr) or is_identifying(path, "DS"):
        return numbers
    vrs = np.array(pc.binary_slice(values, 0, 2).to_pylist(), dtype="S2")
    is_decimal = np.isin(vrs, (b"DS", b"IS")) & (lengths < MAX_DECIMALS)
    if is_decimal.any():
        numbers |= is_decimal & numpy_of(pc.match_substring_regex(values, DECIMALS))
    for vr, size in NUMBER_SIZES.items():
        numbers |= (vrs == vr) & ((lengths - 3) % size == 0)
    return numbers


def shareable_key(path: TagPath, names: dict[str, str]) -> str:
    """Return the key of a path with a number in place of each private creator that no dictionary names.

    `names`: the numbers given so far, to which new ones are added.
    """
    levels = []
    for tag, creator in path.elements:
        if not TagPath(((tag, creator),)).has_known_creators:
            creator = names.setdefault(creator, f"{WITHHELD} {len(names) + 1}")
        levels.append((tag, creator))
    return TagPath(tuple(levels)).key


def odd_texts(store: ColumnStore) -> frozenset[str]:
    """Return the texts in technical columns that `shareable_table` replaces: no numbers, codes, terms or known UIDs."""
    texts: set[str] = set()
    for key in store.keys:
        column = store.column(key)
        if is_identifying(column.path, column.path.vr):
            continue
        rest = np.flatnonzero(~_is_number(column)).tolist()
        texts_of = [tuple(meaning.text for meaning in column.meanings(entry)) for entry in rest]
        vrs = set(pc.unique(pc.binary_slice(column.values, 0, 2)).to_pylist())
        if any(is_identifying(column.path, vr.decode("latin-1")) for vr in vrs - {MULTIPLE[:2]}):
            texts.update(text for of_value in texts_of for text in of_value if text)
        elif vrs & TEXT_VRS or column.path.keyword in TERM_TAGS:
            texts.update(part for of_value in texts_of for part in _odd_parts(column.path, of_value))
    return frozenset(texts)


def _odd_parts(path: TagPath, texts: Iterable[str]) -> Iterator[str]:
    for text in texts:
        if path.vr == "UI" and text and not is_registered(text):
            yield text
        elif path.vr != "UI" and not is_plain(path, path.vr, text):
            yield from (part for part in text.split("\\") if not is_plain(path, path.vr, part))


def _replacing(path: TagPath, secret: bytes) -> Callable[[bytes], bytes]:
    """Return a function from a stored value of the element at `path` to its stored value in the copy."""

    def one(value: bytes) -> bytes:
        if value[2:3] in (b"q", PSEUDONYM) or not (meaning := decode(value, path)).text:
            return value
        vr, text = read_as(path, meaning.vr), meaning.text
        if vr == "UI":
            uid = _pseudonym_uid(text, secret)
            return value if uid == text else b"UI." + uid.encode("utf-8", "replace")
        if is_identifying(path, meaning.vr) or is_binary(path, vr) or meaning.flag == WRONG_LENGTH:
            return value[:2] + PSEUDONYM + _pseudonym(path, text, secret).encode()
        if is_plain(path, vr, text):
            is_kept = value[2:3] != b"c"  # it begins with the name of its character set, which may be any text
            return value if is_kept else value[:2] + b"cISO_IR 192\n" + text.encode("utf-8", "replace")
        parts = (part if is_plain(path, vr, part) else _pseudonym(path, part, secret) for part in text.split("\\"))
        return value[:2] + PSEUDONYM + "\\".join(parts).encode()

    def all_of(value: bytes) -> bytes:
        if not value.startswith(MULTIPLE):
            return one(value)
        parts, position = [], len(MULTIPLE)
        while position < len(value):
            length = int.from_bytes(value[position : position + 4], "little")
            parts.append(one(value[position + 4 : position + 4 + length]))
            position += 4 + length
        return joined(parts)

    return all_of


def _pseudonym_uid(text: str, secret: bytes) -> str:
    """Return UIDs with those replaced that the Standard does not register, each by a UID of its own."""
    return "\\".join(uid if is_registered(uid) else UID_ROOT + str(_hash(uid, secret, 16)) for uid in text.split("\\"))


def _pseudonym(path: TagPath, text: str, secret: bytes) -> str:
    return f"{WITHHELD} {_hash(path.text + chr(0) + text, secret, 8):016x}"


def _hash(text: str, secret: bytes, size: int) -> int:
    digest = blake2b(text.encode("utf-8", "surrogatepass"), key=secret, digest_size=size).digest()
    return int.from_bytes(digest, "big")


def numbered_paths(paths: Sequence[str], salt: bytes, given: Numbering | None = None) -> list[str]:
    """Return paths with numbers in place of folders and names; those of another catalog differ from all of them.

    `given`: the numbers that earlier parts of the catalog got; those of these paths go on from them.
    """
    given = given or Numbering()
    for folder in dict.fromkeys(map(os.path.dirname, paths)):
        given.folders.setdefault(folder, len(given.folders) + 1)
    if not given.top:
        secret = blake2b(salt, digest_size=32).digest()
        given.top = f"({WITHHELD} {_hash(chr(0).join(paths), secret, 4):08x})"
    first, given.n_files = given.n_files + 1, given.n_files + len(paths)
    folders, top = given.folders, given.top
    return [f"{top}/{folders[os.path.dirname(path)]:06d}/{n:09d}" for n, path in enumerate(paths, first)]
