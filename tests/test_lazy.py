from __future__ import annotations

import threading

import numpy as np
import pytest

from napari_dicommeta.lazy import LazyArray


def lazy(count: int = 8) -> tuple[LazyArray, list[int]]:
    read: list[int] = []

    def fill(k: int, out: np.ndarray) -> None:
        read.append(k)
        out[...] = k * 100 + np.arange(12).reshape(3, 4)

    return LazyArray((count, 3, 4), np.int16, fill), read


def full(count: int = 8) -> np.ndarray:
    return (np.arange(count)[:, None, None] * 100 + np.arange(12).reshape(3, 4)).astype(np.int16)


@pytest.mark.parametrize(
    "index",
    [
        3,
        -1,
        slice(2, 5),
        slice(None, None, -2),
        (2, 1),
        (slice(3, 4), slice(None), slice(1, 3)),
        (np.int64(4),),
        [1, 5],
        np.array([True] * 4 + [False] * 4),
        (Ellipsis, 2),
        (slice(None), 1),
        (),
        None,
    ],
)
def test_indexing_is_that_of_the_full_array(index: object) -> None:
    array, _ = lazy()
    np.testing.assert_array_equal(array[index], full()[index])  # type: ignore[index]


def test_only_what_is_asked_for_is_read_and_once() -> None:
    array, read = lazy()
    array[3]
    array[(slice(3, 5), slice(None), slice(None))]
    assert read == [3, 4]
    assert array.loaded == 2
    np.asarray(array)
    assert sorted(read) == list(range(8))


def test_it_has_what_napari_asks_of_an_array() -> None:
    array, _ = lazy()
    assert (array.shape, array.dtype, array.ndim, array.size, array.nbytes, len(array)) == (
        (8, 3, 4),
        np.dtype(np.int16),
        3,
        96,
        192,
        8,
    )
    assert np.asarray(array, dtype=np.float64).dtype == np.float64


def test_many_threads_read_each_plane_once() -> None:
    array, read = lazy(64)
    threads = [threading.Thread(target=lambda: np.asarray(array)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(read) == list(range(64))


def test_warming_reads_neighbours_first_and_stops_when_closed() -> None:
    array, read = lazy()
    array.warm(3)
    assert array._warmer is not None
    array._warmer.join()
    assert read == [3, 4, 2, 5, 1, 6, 0, 7]
    gate, started, other_read = threading.Event(), threading.Event(), []

    def slow(k: int, out: np.ndarray) -> None:
        started.set()
        gate.wait(10)
        other_read.append(k)

    other = LazyArray((50, 2, 2), np.int16, slow)
    other.warm(0)
    started.wait(10)
    other._stopped.set()
    gate.set()
    other.close()
    assert other_read == [0]
