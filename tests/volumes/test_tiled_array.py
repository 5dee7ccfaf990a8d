"""A mosaic of tiles behaves like the full array and reads only what an index touches."""

from __future__ import annotations

import copy
import pickle
import threading
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_dicommeta.volumes.tiled_array import TiledArray, Tiles


class Reader:
    """Reads tiles from memory, and notes which."""

    def __init__(self, tiles: np.ndarray, broken: int = -1) -> None:
        self.tiles, self.broken = tiles, broken
        self.read: list[int] = []

    def __call__(self, n: int, out: np.ndarray) -> None:
        self.read.append(n)
        if n == self.broken:
            raise OSError("gone")
        out[...] = self.tiles[n]


def mosaic(
    color: bool = False, overlap: bool = False, clear: bool = False, broken: int = -1
) -> tuple[TiledArray, np.ndarray, Reader]:
    """Return an array of two planes of 11 × 14, the full array, and the reader of its tiles of 4 × 5."""
    rest = (3,) if color else ()
    rng = np.random.default_rng(3)
    places = [(k, top, left) for k in range(2) for top in (0, 4, 8) for left in (0, 5, 10) if (k, top) != (1, 4)]
    if overlap:
        places = [(0, -2, 3), (0, 1, 1), (0, 3, 4), (0, 9, 12), (1, 0, 0), (1, 0, 0)]
    tiles = rng.integers(0, 3 if clear else 99, (len(places), 4, 5, *rest)).astype(np.uint8)
    full = np.full((2, 11, 14, *rest), 7, np.uint8)
    for (k, top, left), tile in zip(places, tiles, strict=True):
        rows, columns = slice(max(top, 0), top + 4), slice(max(left, 0), left + 5)
        part = full[k, rows, columns]
        tile = tile[max(-top, 0) :][: part.shape[0], : part.shape[1]]
        part[...] = np.where(tile == 0, part, tile) if clear else tile
    at = np.array(places)
    described = Tiles(
        planes=at[:, 0], tops=at[:, 1], lefts=at[:, 2], rows=4, columns=5, background=(7,), is_clear=clear
    )
    assert described.are_apart != overlap
    reader = Reader(tiles, broken)
    return TiledArray(full.shape, np.uint8, described, reader), full, reader


VARIANTS = [{}, {"color": True}, {"overlap": True}, {"overlap": True, "clear": True}]


def entries(size: int) -> st.SearchStrategy[Any]:
    place = st.integers(-size, size - 1)
    bound = st.none() | st.integers(-size - 2, size + 2)
    step = st.none() | st.integers(-4, 4).filter(bool)
    return place | st.builds(slice, bound, bound, step) | st.builds(lambda one: np.array([one, one]), place)


@pytest.mark.parametrize("variant", VARIANTS)
@given(data=st.data())
def test_indices_give_what_they_give_of_the_full_array(variant: dict[str, bool], data: st.DataObject) -> None:
    array, full, _ = mosaic(**variant)
    index = tuple(data.draw(entries(size)) for size in full.shape[: data.draw(st.integers(0, full.ndim))])
    if data.draw(st.booleans()):
        at = data.draw(st.integers(0, len(index)))
        index = (*index[:at], *data.draw(st.sampled_from([(None,), (Ellipsis,), (None, Ellipsis)])), *index[at:])
    try:
        expected = full[index]
    except IndexError:
        with pytest.raises(IndexError):
            array[index]
        return
    found = array[index]
    assert np.shape(found) == expected.shape
    np.testing.assert_array_equal(found, expected)
    assert type(found) is type(expected)


INDICES: list[Any] = [
    1,
    np.int64(-1),
    [1, 0],
    (0, [3, 1, 3]),
    (slice(None), [[0, 10], [5, 5]], [[1], [13]]),
    np.array([True, False]),
    (0, np.arange(11) % 2 == 0),
    (0, slice(None), np.arange(14) > 8),
    [],
    (np.array(1), ...),
    True,
]


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("index", INDICES, ids=str)
def test_arrays_as_indices(variant: dict[str, bool], index: Any) -> None:
    array, full, _ = mosaic(**variant)
    np.testing.assert_array_equal(array[index], full[index])


@pytest.mark.parametrize("index", [2, (0, 11), (0, 0, -15), (0, 0, 0, 0), (..., ...), (0, [11]), np.array([True] * 3)])
def test_impossible_indices_raise(index: Any) -> None:
    with pytest.raises(IndexError):
        mosaic()[0][index]


def test_masks_and_operators_are_those_of_the_full_array() -> None:
    array, full, _ = mosaic(color=True)
    np.testing.assert_array_equal(array[full > 50], full[full > 50])
    np.testing.assert_array_equal(array[full[..., 0] > 50], full[full[..., 0] > 50])
    np.testing.assert_array_equal(np.asarray(array), full)
    np.testing.assert_array_equal(np.asarray(array, float), full.astype(float))
    np.testing.assert_array_equal(array + 1, full + 1)
    assert array.max() == full.max()
    assert (len(array), array.ndim, array.shape, array.dtype) == (2, 4, full.shape, np.uint8)
    with pytest.raises(ValueError, match="without a copy"):
        array.__array__(copy=False)


def test_only_touched_tiles_are_read_once() -> None:
    array, full, reader = mosaic()
    np.testing.assert_array_equal(array[0, 2:6, 6:9], full[0, 2:6, 6:9])
    assert sorted(reader.read) == [1, 4]
    np.testing.assert_array_equal(array[1, 5:8], full[1, 5:8])  # no tile is there
    np.testing.assert_array_equal(array[:, 8:8], full[:, 8:8])
    array.warm()
    assert sorted(reader.read) == [1, 4]
    np.testing.assert_array_equal(array[0, ::8, ::10], full[0, ::8, ::10])
    assert sorted(reader.read) == [0, 1, 2, 4, 6, 8]
    np.testing.assert_array_equal(array[0, [0, 10], 0], full[0, [0, 10], 0])
    assert len(reader.read) == 6
    assert array.tiles_loaded == 6
    assert "6 of 15 tiles" in repr(array)


def test_the_cache_is_bounded() -> None:
    array, full, reader = mosaic()
    array.cache_bytes = 4 * 20
    for _ in range(2):
        np.testing.assert_array_equal(np.asarray(array), full)
    assert array.tiles_loaded <= 4
    assert len(reader.read) > len(array.tiles)


def test_a_huge_array_opens_and_reads_a_corner() -> None:
    reader = Reader(np.full((1, 4, 5), 9, np.uint8))
    at = np.zeros(1, np.int64)
    tiles = Tiles(planes=at, tops=at + (1 << 30), lefts=at + (1 << 30), rows=4, columns=5)
    array = TiledArray((1, 1 << 31, 1 << 31), np.uint8, tiles, reader)
    assert array[0, 1 << 30, 1 << 30] == 9
    assert array[0, (1 << 30) - 1 : (1 << 30) + 1, 1 << 30].tolist() == [0, 9]
    assert array.nbytes == 1 << 62


def test_assignment_changes_the_array_and_its_copies_keep_it() -> None:
    array, full, reader = mosaic()
    array[1, 2:4] = full[1, 2:4] = 200
    np.testing.assert_array_equal(array[1, ::2], full[1, ::2])
    assert all(n >= 9 for n in reader.read)
    np.testing.assert_array_equal(array[0, 1], full[0, 1])
    np.testing.assert_array_equal(np.asarray(array), full)
    for copied in (copy.copy(array), copy.deepcopy(array), pickle.loads(pickle.dumps(array))):
        assert type(copied) is TiledArray
        np.testing.assert_array_equal(np.asarray(copied), full)
        copied[0, 0, 0] = 201
    assert array[0, 0, 0] == full[0, 0, 0]
    editable = array.editable()
    editable[0] = full[0] = 3
    np.testing.assert_array_equal(array[:, 3:, 4], full[:, 3:, 4])
    assert np.asarray(array) is not editable
    assert np.shares_memory(np.asarray(array), editable)


def test_an_unreadable_tile_is_empty_and_told_with_its_plane() -> None:
    array, full, _ = mosaic(broken=10)
    with pytest.raises(OSError, match="gone"):
        array[1, 0, 6]
    told: list[tuple[int, str]] = []
    array.on_error = lambda plane, error: told.append((plane, str(error)))
    assert array[1, 0, 6] == 0
    array[1]
    assert told == [(1, "gone")]
    np.testing.assert_array_equal(array[0], full[0])
    assert copy.copy(array).on_error is array.on_error


def test_threads_read_each_tile_once() -> None:
    array, full, reader = mosaic()
    failed: list[bool] = []

    def look() -> None:
        for _ in range(20):
            failed.append(not np.array_equal(np.asarray(array), full))

    threads = [threading.Thread(target=look) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not any(failed)
    assert sorted(reader.read) == list(range(15))
