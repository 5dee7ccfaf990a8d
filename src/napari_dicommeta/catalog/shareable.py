"""A copy of a catalog that names no person, for others who may not see the files.

Values that identify a person (`dicom.privacy`), and those that have not the form of a technical value, are replaced by
pseudonyms: salted hashes, so that equal values stay equal. Patients, studies and series still group, and references
still lead to their instances. The salt is random and kept nowhere, unless the caller gives one.
"""

from __future__ import annotations

import os
from hashlib import blake2b
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from napari_dicommeta.catalog.joined_tables import FILE_COLUMNS, one_chunk
from napari_dicommeta.dicom.privacy import TERM_TAGS, is_binary, is_identifying, is_plain, is_registered, read_as
from napari_dicommeta.dicom.stored_values import MULTIPLE, PSEUDONYM, WITHHELD, joined
from napari_dicommeta.dicom.tags import TagPath
from napari_dicommeta.dicom.values import WRONG_LENGTH, decode

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from napari_dicommeta.catalog.columns import ColumnStore

__all__ = ["numbered_paths", "odd_texts", "shareable_key", "shareable_table"]

UID_ROOT = "2.25."
"""The root of UIDs made from a number of 128 bits (PS3.5 section B.2)."""
TEXT_VRS = frozenset((b"&&", b"CS", b"DS", b"IS", b"UI", b"UN"))
"""The first bytes of stored values whose form is checked; "&&" stands for several values."""


def shareable_table(store: ColumnStore, salt: bytes, keys: Iterable[str] | None = None) -> pa.Table:
    """Return the table of `store` with pseudonyms, numbered files and folders, and no times of files.

    `keys`: the columns to include, None for all. Private elements keep their values as pseudonyms and their creator if
    it is in the dictionary of private elements.
    """
    columns: dict[str, pa.Array] = {name: store.file_column(name) for name in FILE_COLUMNS}
    columns["path"] = pa.array(numbered_paths(columns["path"].to_pylist(), salt), pa.string())
    columns["mtime"] = pa.array(np.zeros(store.n_files, np.int64))
    names: dict[str, str] = {}
    for key in sorted(store.keys if keys is None else keys):
        column = store.column(key)
        replace = _replacing(column.path, salt)
        values = pa.array([replace(value.as_py()) for value in column.values], pa.binary())
        codes = pa.array(column.codes, pa.int32(), mask=column.codes < 0)
        columns[shareable_key(column.path, names)] = _distinct(pa.DictionaryArray.from_arrays(codes, values))
    table = pa.table(columns)
    return table.take(pc.array_sort_indices(columns["path"])).combine_chunks()


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
        vrs = set(pc.unique(pc.binary_slice(column.values, 0, 2)).to_pylist())
        if any(is_identifying(column.path, vr.decode("latin-1")) for vr in vrs - {MULTIPLE[:2]}):
            texts.update(text for value in column.meaning_texts for text in _each(value) if text)
        elif vrs & TEXT_VRS or column.path.keyword in TERM_TAGS:
            texts.update(part for value in column.meaning_texts for part in _odd_parts(column.path, value))
    return frozenset(texts)


def _each(value: str | tuple[str, ...]) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else value


def _odd_parts(path: TagPath, value: str | tuple[str, ...]) -> Iterator[str]:
    for text in _each(value):
        if path.vr == "UI" and text and not is_registered(text):
            yield text
        elif path.vr != "UI" and not is_plain(path, path.vr, text):
            yield from (part for part in text.split("\\") if not is_plain(path, path.vr, part))


def _replacing(path: TagPath, salt: bytes) -> Callable[[bytes], bytes]:
    """Return a function from a stored value of the element at `path` to its stored value in the copy."""

    def one(value: bytes) -> bytes:
        if value[2:3] in (b"q", PSEUDONYM) or not (meaning := decode(value, path)).text:
            return value
        vr, text = read_as(path, meaning.vr), meaning.text
        if vr == "UI":
            return b"UI." + _pseudonym_uid(text, salt).encode("utf-8", "replace")
        if is_identifying(path, meaning.vr) or is_binary(path, vr) or meaning.flag == WRONG_LENGTH:
            return value[:2] + PSEUDONYM + _pseudonym(path, text, salt).encode()
        if is_plain(path, vr, text):
            return value
        parts = (part if is_plain(path, vr, part) else _pseudonym(path, part, salt) for part in text.split("\\"))
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


def _pseudonym_uid(text: str, salt: bytes) -> str:
    """Return UIDs with those replaced that the Standard does not register, each by a UID of its own."""
    return "\\".join(uid if is_registered(uid) else UID_ROOT + str(_hash(uid, salt, 16)) for uid in text.split("\\"))


def _pseudonym(path: TagPath, text: str, salt: bytes) -> str:
    return f"{WITHHELD} {_hash(path.text + chr(0) + text, salt, 8):016x}"


def _hash(text: str, salt: bytes, size: int) -> int:
    whole = blake2b(salt, digest_size=32).digest()
    digest = blake2b(text.encode("utf-8", "surrogatepass"), key=whole, digest_size=size).digest()
    return int.from_bytes(digest, "big")


def _distinct(column: pa.DictionaryArray) -> pa.DictionaryArray:
    """Return a column in which no value occurs twice."""
    return one_chunk(pa.chunked_array([column.cast(pa.binary())]).dictionary_encode())


def numbered_paths(paths: Sequence[str], salt: bytes) -> list[str]:
    """Return paths with numbers in place of folders and names; those of another catalog differ from all of them."""
    folders = {folder: n for n, folder in enumerate(dict.fromkeys(map(os.path.dirname, paths)), 1)}
    top = f"({WITHHELD} {_hash(chr(0).join(paths), salt, 4):08x})"
    return [f"{top}/{folders[os.path.dirname(path)]:06d}/{n:09d}" for n, path in enumerate(paths, 1)]
