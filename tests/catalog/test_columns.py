"""Counting by runs gives the same result as counting file by file."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

import napari_dicommeta.catalog.columns as columns
import napari_dicommeta.catalog.joined_tables as joined_tables
from napari_dicommeta.catalog.catalog import Catalog
from napari_dicommeta.catalog.columns import Column, ColumnStore
from napari_dicommeta.catalog.distinct_texts import most_frequent
from napari_dicommeta.catalog.joined_tables import FILE_COLUMNS, VALUES
from napari_dicommeta.dicom.tags import TagPath

KEY = "00281053"


def column(codes: list[int]) -> Column:
    indices = pa.array(np.array(codes, dtype=np.int32), mask=np.array(codes) < 0)
    return Column(KEY, pa.DictionaryArray.from_arrays(indices, pa.array([b"DS.1", b"DS.2 ", b"DS.3"], pa.binary())))


@pytest.mark.slow
@given(
    st.lists(st.tuples(st.integers(-1, 2), st.integers(1, 90)), min_size=1, max_size=8),
    st.randoms(use_true_random=False),
)
def test_runs_count_the_same_as_single_files(parts: list[tuple[int, int]], random: object) -> None:
    codes = [code for code, n in parts for _ in range(n)]
    rows = np.array([i for i in range(len(codes)) if random.random() < 0.7], dtype=np.int64)  # type: ignore[attr-defined]
    random.shuffle(rows)  # type: ignore[attr-defined]
    below = np.concatenate([[0], np.cumsum(np.bincount(rows, minlength=len(codes)))])
    for chosen, of_runs in ((None, None), (rows, below)):
        held = [codes[i] for i in (range(len(codes)) if chosen is None else chosen)]
        counts, missing = column(codes).count(chosen, of_runs)
        assert counts.dtype == np.int64
        assert (counts.tolist(), missing) == ([held.count(code) for code in range(3)], held.count(-1))


@pytest.mark.parametrize(("codes", "has_runs"), [([0] * 30 + [1] * 30, True), ([0, 1] * 30, False), ([-1] * 40, True)])
def test_runs_are_used_where_they_are_long(codes: list[int], has_runs: bool) -> None:
    assert (column(codes)._runs is not None) == has_runs


def test_a_catalog_of_many_files_counts_by_runs_and_one_of_few_without(monkeypatch: pytest.MonkeyPatch) -> None:
    values = pa.array([b"DS.1"] * 50 + [b"DS.2 "] * 50, pa.binary()).dictionary_encode().cast(VALUES)
    table = pa.table({"path": [f"{i:03}" for i in range(100)], "cut": pa.array([-1] * 100, pa.int64()), KEY: values})
    whole = Catalog(ColumnStore(table))
    many, few = whole.rows(np.arange(10, 80)), whole.rows(np.array([3, 99]))
    assert (many.file_rows._below is not None, few.file_rows._below is not None) == (True, False)
    assert many.values("RescaleSlope") == {"1": 40, "2": 30}
    assert few.values("RescaleSlope") == {"1": 1, "2": 1}
    monkeypatch.setattr(columns, "RUN_FILES", 10**6)  # never count by runs
    other = Catalog(ColumnStore(table)).rows(np.arange(10, 80))
    assert other.values("RescaleSlope") == many.values("RescaleSlope")


def test_of_equally_frequent_ones_the_first_are_kept() -> None:
    counts = np.array([0, 2, 1, 2, 1, 1, 3])
    assert sorted(most_frequent(counts, 4).tolist()) == [1, 2, 3, 6]
    assert most_frequent(counts).tolist() == [1, 2, 3, 4, 5, 6]
    assert sorted(most_frequent(counts, 6).tolist()) == [1, 2, 3, 4, 5, 6]


def part(paths: str, values: list[bytes | None] | None, kind: pa.DataType) -> pa.Table:
    """A scan's table of one-letter paths, with codes of this integer type."""
    data = {"path": pa.array(list(paths)), "cut": pa.array([-1] * len(paths), pa.int64())}
    if values is not None:
        data[KEY] = pa.array(values, pa.binary()).dictionary_encode().cast(pa.dictionary(kind, pa.binary()))
    return pa.table({name: data.get(name, pa.nulls(len(paths), of)) for name, of in FILE_COLUMNS.items()} | data)


@pytest.mark.parametrize("many", [0, 10**6])
@pytest.mark.parametrize("again", [b"DS.2", b"DS.9"])
def test_tables_are_joined_in_the_order_of_paths(many: int, again: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(joined_tables, "MANY_VALUES", many)
    tables = [
        part("bd", [b"DS.1", b"DS.2"], pa.int8()),
        part("ce", None, pa.int8()),
        part("fa", [again, None], pa.int32()),
    ]
    store = ColumnStore.of_tables(tables)
    assert store.file_column("path").to_pylist() == list("abcdef")
    assert store.table.column(KEY).to_pylist() == [None, b"DS.1", None, b"DS.2", None, again]
    assert store.table.column(KEY).type == VALUES
    assert store.column(KEY).values.to_pylist() == [b"DS.1", b"DS.2", *([again] if again != b"DS.2" else [])]
    assert store.column(KEY).codes.tolist() == [-1, 0, -1, 1, -1, 1 if again == b"DS.2" else 2]


@pytest.mark.parametrize(("vr", "is_shared"), [(b"UI.", True), (b"LO.", False)])
def test_equal_uids_of_two_tags_are_decoded_once(vr: bytes, is_shared: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (columns, joined_tables):
        monkeypatch.setattr(module, "MANY_VALUES", 2)
    values = pa.array([vr + b"1.2\0", vr + b"1.3\0"], pa.binary()).dictionary_encode().cast(VALUES)
    table = part("ab", None, pa.int8()).append_column("00020003", values).append_column("00080018", values)
    catalog = Catalog.of_tables([table])
    first, second = map(catalog.file_rows.store.column, ("00020003", "00080018"))
    assert (first.texts("meaning") is second.texts("meaning")) == is_shared
    for by in ("meaning", "spelling"):
        assert catalog.values("MediaStorageSOPInstanceUID", by) == catalog.values("SOPInstanceUID", by)
    assert catalog.column_texts("MediaStorageSOPInstanceUID") == catalog.column_texts("SOPInstanceUID")


@pytest.mark.parametrize(
    "odd", [[], [b"UI.1.2.x"], [b"UI. 1.2 "], [b"UI.1.2\n"], ["UI.1.2é".encode("latin-1")], [b"LO.1.2 "]]
)
def test_many_uids_are_decoded_at_once_as_each_alone(odd: list[bytes], monkeypatch: pytest.MonkeyPatch) -> None:
    values = [b"UI.1.2.3\0", b"UI.", b"UI.1.2.4 ", b"UI.\0\0", b"UI.1.2.3", *odd]
    uids = Column(
        "00080018", pa.DictionaryArray.from_arrays(pa.array(range(len(values)), pa.int32()), pa.array(values))
    )
    one_by_one = uids.meaning_texts
    monkeypatch.setattr(columns, "MANY_VALUES", 2)
    at_once = Column(uids.path.key, pa.DictionaryArray.from_arrays(uids._indices, uids.values))
    assert (columns._plain_uids(uids.values) is not None) == (not odd)
    assert at_once.meaning_texts == one_by_one
    assert at_once.empty.tolist() == [not text for text in one_by_one]


def test_files_differ_in_two_tags_or_in_two_spellings_of_one() -> None:
    def coded(values: list[bytes | None]) -> pa.Array:
        return pa.array(values, pa.binary()).dictionary_encode().cast(VALUES)

    meta, uid = (
        coded([b"UI.1.2", b"UI.1.3", None, None, b"UI.1.5\0"]),
        coded([b"UI.1.3", b"UI.1.3", b"UI.1.4", None, b"UI.1.5"]),
    )
    slope = coded([b"DS.1", b"DS.1.0", b"DS.2", None, b"DS.1"])
    paths = {"path": [f"{i}" for i in range(5)], "cut": pa.array([-1] * 5, pa.int64())}
    rows = Catalog(ColumnStore(pa.table({**paths, "00020003": meta, "00080018": uid, KEY: slope}))).file_rows
    of_meta, of_set, of_slope = (TagPath.of_key(key) for key in ("00020003", "00080018", KEY))
    assert rows.differ(of_meta, of_set).tolist() == [True, False, True, False, False]
    assert not rows.differ(of_set, of_set).any()
    assert rows.differ(of_slope, of_slope, by="spelling").tolist() == [False, True, False, False, False]
