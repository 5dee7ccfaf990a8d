from __future__ import annotations

import copy
import pickle
import sys
import threading
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import basic_indices

from napari_dicommeta.volumes import plane_cache
from napari_dicommeta.volumes.lazy_array import LazyArray

PLANE = (3, 4)
PLANE_BYTES = 24  # of 3 × 4 int16
BOUNDED = 3 * PLANE_BYTES
UNBOUNDED = 1 << 20
EVERY_MODE = pytest.mark.parametrize("cache_bytes", [UNBOUNDED, BOUNDED], ids=["keeps all", "keeps three planes"])


def full(lead: tuple[int, ...] = (8,)) -> np.ndarray:
    """Every plane another, every pixel of a plane another."""
    return np.arange(np.prod(lead) * 12, dtype=np.int16).reshape(*lead, *PLANE)


def lazy(lead: tuple[int, ...] = (8,), cache_bytes: int = UNBOUNDED, threads: int = 1) -> tuple[LazyArray, list[int]]:
    """The lazy twin of `full`, and the planes in the order in which they are read."""
    read: list[int] = []
    planes = full(lead).reshape(-1, *PLANE)

    def fill(n: int, out: np.ndarray) -> None:
        read.append(n)
        out[...] = planes[n]

    array = LazyArray((*lead, *PLANE), np.int16, fill, threads=threads)
    array.cache_bytes = cache_bytes
    return array, read


def joined(array: LazyArray) -> None:
    for thread in array._ahead.threads:
        thread.join(60)
        assert not thread.is_alive()


@contextmanager
def often_switching() -> Iterator[None]:
    """Threads interrupt one another as often as Python can, so that races show."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        yield
    finally:
        sys.setswitchinterval(interval)


INDICES = [
    3,
    -1,
    slice(2, 5),
    slice(None, None, -2),
    slice(5, 5),
    (2, 1),
    (2, 1, 3),
    (slice(3, 4), slice(None), slice(1, 3)),
    (np.int64(4),),
    [1, 5],
    [],
    ([0, 2, 2], slice(None), [1, 0, 3]),
    np.array([True] * 4 + [False] * 4),
    np.array([[1, 2], [3, 0]]),
    full() % 5 == 0,
    (Ellipsis, 2),
    (1, Ellipsis),
    (1, Ellipsis, slice(None, None, -1)),
    Ellipsis,
    (slice(None), 1),
    (slice(None), slice(None), [0, 2]),
    (),
    None,
    (None, 2),
    (2, None, 1),
    True,
]


@EVERY_MODE
@pytest.mark.parametrize("index", INDICES, ids=lambda index: "".join(str(index).split())[:24])
def test_indexing_is_that_of_the_full_array(index: object, cache_bytes: int) -> None:
    array, _ = lazy(cache_bytes=cache_bytes)
    expected = full()[index]  # type: ignore[index]
    found = array[index]
    assert found.dtype == expected.dtype
    assert found.shape == expected.shape
    np.testing.assert_array_equal(found, expected)


@pytest.mark.slow
@pytest.mark.parametrize("lead", [(8,), (2, 4)])
@EVERY_MODE
@given(data=st.data())
@settings(deadline=None)
def test_every_basic_index_is_that_of_the_full_array(
    lead: tuple[int, ...], cache_bytes: int, data: st.DataObject
) -> None:
    array, _ = lazy(lead, cache_bytes)
    whole = full(lead)
    for _ in range(3):  # from what an index has left in the cache too
        index = data.draw(basic_indices(whole.shape, allow_newaxis=True))
        expected = np.asarray(whole[index])
        found = array[index]
        assert found.shape == expected.shape
        np.testing.assert_array_equal(found, expected)


@pytest.mark.slow
@given(data=st.data())
@settings(deadline=None)
def test_no_sequence_of_basic_indices_keeps_more_planes_than_the_cache_holds(data: st.DataObject) -> None:
    array, _ = lazy((2, 4), BOUNDED)
    for _ in range(5):
        array[data.draw(basic_indices(array.shape))]
        assert array.loaded <= 3
        assert not array.keeps_all


@EVERY_MODE
@pytest.mark.parametrize(
    "index", [8, -9, (0, 3), (0, 0, 0, 0), (0, 0, 0, 0, 0), (Ellipsis, Ellipsis), (Ellipsis, 0, 0, 0, 0)]
)
def test_an_index_that_numpy_refuses_is_refused(index: object, cache_bytes: int) -> None:
    array, _ = lazy(cache_bytes=cache_bytes)
    with pytest.raises(IndexError):
        full()[index]  # type: ignore[index]
    with pytest.raises(IndexError):
        array[index]


@pytest.mark.parametrize("lead", [(2, 4), (2, 2, 2), (1, 8), (8, 1)])
@EVERY_MODE
def test_planes_are_counted_over_all_leading_axes(lead: tuple[int, ...], cache_bytes: int) -> None:
    array, read = lazy(lead, cache_bytes)
    last = tuple(n - 1 for n in lead)
    np.testing.assert_array_equal(array[last], full(lead)[last])
    assert read == [7]
    assert (array.n_planes, array.ndim, len(array)) == (8, len(lead) + 2, lead[0])
    np.testing.assert_array_equal(np.asarray(array), full(lead))


@EVERY_MODE
def test_a_plane_may_have_three_axes(cache_bytes: int) -> None:
    whole = np.arange(2 * 3 * 4 * 5 * 3, dtype=np.uint8).reshape(2, 3, 4, 5, 3)
    read = []

    def fill(n: int, out: np.ndarray) -> None:
        read.append(n)
        out[...] = whole.reshape(6, 4, 5, 3)[n]

    array = LazyArray(whole.shape, np.uint8, fill, plane_axes=3)
    array.cache_bytes = cache_bytes
    np.testing.assert_array_equal(array[1, 0, 2, 3, 1], whole[1, 0, 2, 3, 1])
    assert read == [3]
    np.testing.assert_array_equal(array[..., 2], whole[..., 2])


def test_only_what_is_asked_for_is_read_and_once() -> None:
    array, read = lazy()
    array[3]
    array[(slice(3, 5), slice(None), slice(None))]
    assert read == [3, 4]
    assert array.loaded == 2
    np.asarray(array)
    assert sorted(read) == list(range(8))


def test_an_empty_selection_reads_nothing() -> None:
    array, read = lazy()
    assert array[5:5].shape == (0, 3, 4)
    assert LazyArray((0, 3, 4), np.int16, lambda n, out: None)[:].shape == (0, 3, 4)
    assert read == []


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
    assert repr(array) == "<LazyArray (8, 3, 4) int16, 8 of 8 planes in memory>"


@EVERY_MODE
def test_a_copy_is_a_copy(cache_bytes: int) -> None:
    array, _ = lazy(cache_bytes=cache_bytes)
    np.array(array)[...] = -1
    np.testing.assert_array_equal(np.asarray(array), full())


def test_a_bounded_cache_keeps_the_planes_used_last() -> None:
    array, read = lazy(cache_bytes=BOUNDED)
    for n in (0, 1, 2, 0, 3, 0, 1):
        np.testing.assert_array_equal(array[n], full()[n])
        assert array.loaded <= 3
    # 3 pushes out 1, which was used longest ago, and 1 then pushes out 2; 0 stays all the time
    assert read == [0, 1, 2, 3, 1]
    assert array.loaded == 3


@pytest.mark.parametrize("planes", [2, 3, 5, 7])
def test_never_more_planes_are_kept_than_fit(planes: int) -> None:
    array, _ = lazy((4, 5), planes * PLANE_BYTES + PLANE_BYTES // 2)
    for index in (slice(None), 0, (slice(None), 2), (3, slice(1, 4)), Ellipsis, (1, 1, 1, 1)):
        array[index]
        assert array.loaded <= planes
    assert np.asarray(array).sum() == full((4, 5)).sum()
    assert array.loaded <= planes


def test_an_array_that_just_fits_is_kept_and_one_byte_more_is_not() -> None:
    just, _ = lazy(cache_bytes=8 * PLANE_BYTES)
    assert just.keeps_all
    above, _ = lazy(cache_bytes=8 * PLANE_BYTES - 1)
    assert not above.keeps_all


def test_asking_a_bounded_array_for_everything_does_not_keep_it() -> None:
    array, read = lazy(cache_bytes=BOUNDED)
    np.testing.assert_array_equal(np.asarray(array), full())
    assert not array.keeps_all
    assert array._cache._whole is None
    assert array.loaded <= 3
    np.asarray(array)
    assert len(read) >= 2 * 8 - 3  # all over again, but what was kept


@pytest.mark.parametrize(
    "index", [[1, 5], None, (2, None), np.array([True] * 4 + [False] * 4)], ids=["list", "new axis", "inner", "mask"]
)
def test_indices_that_are_not_basic_do_not_keep_a_bounded_array(index: object) -> None:
    array, _ = lazy(cache_bytes=BOUNDED)
    array[index]
    assert not array.keeps_all
    assert array.loaded <= 3


def test_a_limit_raised_later_does_not_invent_planes() -> None:
    array, _ = lazy(cache_bytes=BOUNDED)
    array[3]
    array.cache_bytes = UNBOUNDED
    np.testing.assert_array_equal(array[3], full()[3])


@EVERY_MODE
def test_many_threads_see_the_values_of_the_full_array(cache_bytes: int) -> None:
    array, _ = lazy((4, 16), cache_bytes, threads=2)
    whole, wrong = full((4, 16)), []
    generators = [np.random.default_rng(seed) for seed in range(8)]

    def use(generator: np.random.Generator) -> None:
        for t, k in generator.integers((4, 16), size=(100, 2)):
            if not np.array_equal(array[t, k], whole[t, k]):
                wrong.append((t, k))
            if not np.array_equal(array[t, k : k + 3, 1], whole[t, k : k + 3, 1]):
                wrong.append((t, k))
            with array._cache._guard:
                kept = len(array._cache._recent)
            if kept > 3:
                wrong.append(kept)

    threads = [threading.Thread(target=use, args=(one,)) for one in generators]
    with often_switching():
        array.warm()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        array.close()
    assert wrong == []


def test_many_threads_read_each_plane_once() -> None:
    array, read = lazy((64,))
    threads = [threading.Thread(target=lambda: np.asarray(array)) for _ in range(8)]
    with often_switching():
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert sorted(read) == list(range(64))


def test_warming_reads_neighbors_first() -> None:
    array, read = lazy()
    array.warm(3)
    joined(array)
    assert read == [3, 4, 2, 5, 1, 6, 0, 7]
    assert array.loaded == 8


def test_warming_begins_in_the_middle() -> None:
    array, read = lazy((2, 4))
    array.warm()
    joined(array)
    assert read == [4, 5, 3, 6, 2, 7, 1, 0]


def test_several_warming_threads_read_each_plane_once() -> None:
    array, read = lazy((64,), threads=2)
    array.warm(10)
    assert len(array._ahead.threads) == 2
    joined(array)
    assert sorted(read) == list(range(64))


class Gate:
    """A read that waits, plane by plane, until the test lets it go on."""

    def __init__(self, shape: tuple[int, ...], cache_bytes: int = UNBOUNDED, threads: int = 1) -> None:
        self.begun: list[int] = []
        self.changed = threading.Condition()
        self.allowed = 0
        self.array = LazyArray(shape, np.int16, self._fill, threads=threads)
        self.array.cache_bytes = cache_bytes

    def _fill(self, n: int, out: np.ndarray) -> None:
        with self.changed:
            self.begun.append(n)
            own = len(self.begun)
            self.changed.notify_all()
            assert self.changed.wait_for(lambda: self.allowed >= own, 60)
        out[...] = n

    def allow(self, count: int) -> None:
        with self.changed:
            self.allowed = count
            self.changed.notify_all()

    def wait(self, count: int) -> list[int]:
        with self.changed:
            assert self.changed.wait_for(lambda: len(self.begun) >= count, 60)
            return self.begun[:count]


def test_warming_follows_the_plane_used_last() -> None:
    gate = Gate((40, 2, 2))
    gate.array.warm(0)
    assert gate.wait(1) == [0]
    user = threading.Thread(target=lambda: gate.array[30])
    user.start()
    assert gate.wait(2) == [0, 30]
    gate.allow(6)
    # one thread reads on around 30: to 0 it does not go back
    assert gate.wait(6) == [0, 30, 31, 29, 32, 28]
    gate.allow(1000)
    user.join(60)
    gate.array.close()


def test_warming_a_bounded_array_reads_around_the_plane_used_last_only() -> None:
    array, read = lazy((100,), 8 * PLANE_BYTES)
    done = threading.Event()
    whole = array._reader.read

    def counted(n: int, out: np.ndarray) -> None:
        whole(n, out)
        if len(read) >= 5:
            done.set()

    array._reader.read = counted
    array.warm(50)
    assert done.wait(60)
    # half of the eight that fit: two on either side
    assert read[:5] == [50, 51, 49, 52, 48]
    array.close()
    assert read == [50, 51, 49, 52, 48]
    assert array.loaded == 5


def test_warming_a_bounded_array_moves_with_its_user() -> None:
    gate = Gate((100, *PLANE), 8 * PLANE_BYTES)
    gate.allow(1000)
    gate.array.warm(50)
    gate.wait(5)
    assert int(gate.array[90][0, 0]) == 90
    assert gate.wait(10)[5:] == [90, 91, 89, 92, 88]
    assert gate.array.loaded <= 8
    gate.array.close()
    assert len(gate.begun) == 10


def test_warming_twice_starts_no_more_threads() -> None:
    array, _ = lazy()
    array.warm()
    array.warm()
    assert len(array._ahead.threads) == 1
    array.close()


def test_close_stops_warming_and_leaves_the_array_readable() -> None:
    gate = Gate((50, 2, 2))
    gate.array.warm(0)
    gate.wait(1)
    gate.array._ahead._is_stopped = True  # as close does, which then waits for the plane that is being read
    gate.allow(1)
    gate.array.close()
    assert gate.begun == [0]
    assert not any(thread.is_alive() for thread in gate.array._ahead.threads)
    gate.allow(1000)
    assert int(gate.array[7][0, 0]) == 7


def test_nothing_is_warmed_after_close() -> None:
    array, read = lazy()
    array.close()
    array.close()
    array.warm()
    assert array._ahead.threads == []
    assert read == []


def test_close_from_a_warming_thread_does_not_wait_for_itself() -> None:
    array = LazyArray((8, 2, 2), np.int16, lambda n, out: array.close())
    array.warm()
    joined(array)
    assert array.loaded == 1


def broken(lead: tuple[int, ...], bad: set[int], cache_bytes: int, dtype: type = np.int16) -> LazyArray:
    planes = full(lead).reshape(-1, *PLANE)

    def fill(n: int, out: np.ndarray) -> None:
        if n in bad:
            raise OSError(f"plane {n}")
        out[...] = planes[n]

    array = LazyArray((*lead, *PLANE), dtype, fill)
    array.cache_bytes = cache_bytes
    return array


@EVERY_MODE
def test_a_plane_that_cannot_be_read_raises_each_time_it_is_asked_for(cache_bytes: int) -> None:
    array = broken((2, 4), {5}, cache_bytes)
    for _ in range(2):
        with pytest.raises(OSError, match="plane 5"):
            array[1, 1]
    with pytest.raises(OSError, match="plane 5"):
        np.asarray(array)
    np.testing.assert_array_equal(array[1, 2], full((2, 4))[1, 2])


@EVERY_MODE
@pytest.mark.parametrize(("dtype", "shown"), [(np.int16, 0), (np.float32, np.nan), (np.uint8, 0), (np.uint16, 0)])
def test_with_on_error_a_plane_that_cannot_be_read_is_reported_and_blank(
    dtype: type, shown: float, cache_bytes: int
) -> None:
    array, reported = broken((2, 4), {5}, cache_bytes, dtype), []
    array.on_error = lambda n, error: reported.append((n, str(error)))
    np.testing.assert_array_equal(array[1, 1], np.full(PLANE, shown, dtype))
    assert reported == [(5, "plane 5")]
    np.testing.assert_array_equal(array[1, 2], full((2, 4))[1, 2].astype(dtype))


class Blanked:
    """A source of planes that says what a broken one reads as."""

    def __call__(self, n: int, out: np.ndarray) -> None:
        if n == 1:
            raise OSError("plane 1")
        out[...] = 7

    def blank(self, n: int) -> float:
        return -n


@EVERY_MODE
def test_in_an_array_of_integers_the_source_says_what_a_broken_plane_reads_as(cache_bytes: int) -> None:
    array = LazyArray((3, *PLANE), np.int16, Blanked())
    array.cache_bytes, array.on_error = cache_bytes, lambda n, error: None
    assert np.unique(array[1]).tolist() == [-1]
    assert np.unique(array[2]).tolist() == [7]


def test_on_error_is_called_once_a_plane() -> None:
    array, told = broken((8,), {5}, UNBOUNDED), []
    array.on_error = lambda n, error: told.append(n)
    for _ in range(3):
        np.asarray(array)
    assert told == [5]


def test_on_error_is_called_once_a_plane_of_a_bounded_array_too() -> None:
    array, told = broken((8,), {5}, BOUNDED), []
    array.on_error = lambda n, error: told.append(n)
    for n in (5, 0, 1, 2, 5):
        array[n]
    assert told == [5]


@EVERY_MODE
def test_an_error_while_warming_is_kept_for_whoever_asks(cache_bytes: int) -> None:
    array = broken((3,), {1}, cache_bytes)
    array.warm(1)
    if array.keeps_all:
        joined(array)
    array.close()
    with pytest.raises(OSError, match="plane 1"):
        array[1]
    assert np.array_equal(array[2], full((3,))[2])


def test_an_error_while_warming_is_told_of_once() -> None:
    array, told = broken((8,), {1, 6}, UNBOUNDED), []
    array.on_error = lambda n, error: told.append(n)
    array.warm(3)
    joined(array)
    assert sorted(told) == [1, 6]
    np.asarray(array)
    assert sorted(told) == [1, 6]


def test_close_ends_all_warming_threads_whenever_it_is_called() -> None:
    array, _ = lazy((100,), 8 * PLANE_BYTES, threads=2)
    inner, arrived, go_on = array._ahead._next, threading.Event(), threading.Event()
    late: list[threading.Thread] = []

    def slowly(capacity: int) -> int | None:
        found = inner(capacity)
        if found is None and not late:
            late.append(threading.current_thread())
            arrived.set()
            go_on.wait(60)  # one thread is held between looking for work and waiting for it
        return found

    array._ahead._next = slowly
    array.warm(50)
    assert arrived.wait(60)
    closing = threading.Thread(target=array.close)
    closing.start()
    for thread in array._ahead.threads:
        if thread not in late:
            thread.join(60)
    go_on.set()
    closing.join(2)
    alive = closing.is_alive()
    array._cache.moved.set()
    closing.join(60)
    assert not alive


# -- as an array of NumPy ---------------------------------------------------------------------------


class Ramp:
    """Planes of `full`, at the top of the module: to be pickled."""

    def __call__(self, n: int, out: np.ndarray) -> None:
        out[...] = full((8,))[n]


def ramp(cache_bytes: int = UNBOUNDED) -> LazyArray:
    array = LazyArray((8, *PLANE), np.int16, Ramp())
    array.cache_bytes = cache_bytes
    return array


OPERATIONS = [
    lambda a: a > 40,
    lambda a: a == 12,
    lambda a: a != 12,
    lambda a: 3 - a,
    lambda a: -a,
    lambda a: abs(a - 50),
    lambda a: a * 2.5,
    lambda a: a // 7,
    lambda a: divmod(a, 7),
    lambda a: a % 5,
    lambda a: a**2,
    lambda a: a & 3,
    lambda a: ~a,
    lambda a: np.sqrt(a),
    lambda a: np.add.reduce(a, axis=1),
    lambda a: np.add.outer(a[0, 0], a[1, 0]),
    lambda a: np.where(a > 40, a, 0),
    lambda a: np.percentile(a, [5, 50]),
    lambda a: np.concatenate([a, a]),
    lambda a: np.mean(a, axis=0),
    lambda a: a.max(),
    lambda a: a.min(axis=0),
    lambda a: a.mean(),
    lambda a: a.sum(axis=(1, 2), dtype=float),
    lambda a: a.std(),
    lambda a: a.astype(np.float64),
    lambda a: a.T,
    lambda a: a.copy(),
    lambda a: a.reshape(-1),
    lambda a: a.reshape(4, 2, 12),
    lambda a: a.ravel(),
    lambda a: a.flatten(),
    lambda a: a.transpose(2, 0, 1),
    lambda a: a.argmax(),
    lambda a: a.any(),
    lambda a: a.clip(5, 9),
    lambda a: a.tolist(),
    lambda a: list(a),
    lambda a: a[a > 40],
    lambda a: a[np.array([1, 3]), :, 2],
    lambda a: 17 in a,
    lambda a: len(a),
]


@EVERY_MODE
@pytest.mark.parametrize("number", range(len(OPERATIONS)))
def test_it_computes_as_numpys_arrays_do(number: int, cache_bytes: int) -> None:
    found, expected = OPERATIONS[number](ramp(cache_bytes)), OPERATIONS[number](full())
    assert not isinstance(found, LazyArray)
    np.testing.assert_array_equal(np.asarray(found), np.asarray(expected))
    assert np.asarray(found).dtype == np.asarray(expected).dtype


def test_two_of_them_compute_together() -> None:
    np.testing.assert_array_equal(ramp() + ramp(), full() * 2)


def test_of_several_elements_there_is_no_truth() -> None:
    with pytest.raises(ValueError, match="ambiguous"):
        bool(ramp())


WRITES = [
    (0, 5),
    ((0, 0, 0), 5),
    (slice(2, 4), -1),
    ((Ellipsis, 2), 9),
    ((slice(None), 1), np.arange(4)),
    ([1, 5], 3),
    ((np.array([0, 7, 7]), np.array([1, 2, 2]), np.array([3, 0, 1])), [1, 2, 3]),
    (full() % 5 == 0, 0),
    (np.array([True] * 4 + [False] * 4), 8),
    (Ellipsis, 4),
    ((), 6),
]


@EVERY_MODE
@pytest.mark.parametrize("number", range(len(WRITES)))
def test_elements_are_assigned_as_in_numpys_arrays(number: int, cache_bytes: int) -> None:
    index, value = WRITES[number]
    array, expected = ramp(cache_bytes), full()
    array[index] = value
    expected[index] = value
    np.testing.assert_array_equal(np.asarray(array), expected)
    np.testing.assert_array_equal(array[3], expected[3])


def test_assigning_reads_only_the_planes_that_are_touched() -> None:
    array, read = lazy()
    array[np.array([2, 2]), np.array([0, 1]), np.array([0, 0])] = 1
    array[6, 1] = 2
    assert read == [2, 6]


def test_in_place_operators_change_the_array_and_check_the_casting() -> None:
    array, expected = ramp(), full()
    array += 1
    expected += 1
    np.multiply.at(array, (0, 1), 3)
    np.multiply.at(expected, (0, 1), 3)
    assert isinstance(array, LazyArray)
    np.testing.assert_array_equal(np.asarray(array), expected)
    with pytest.raises(TypeError, match="same_kind"):
        array += 0.5


@EVERY_MODE
@pytest.mark.parametrize(
    "copied", [copy.copy, copy.deepcopy, lambda a: pickle.loads(pickle.dumps(a))], ids=["copy", "deepcopy", "pickle"]
)
def test_copies_have_the_changes_and_none_of_each_others(
    copied: Callable[[LazyArray], LazyArray], cache_bytes: int
) -> None:
    array, expected = ramp(cache_bytes), full()
    array[2, 1] = -1
    expected[2, 1] = -1
    other = copied(array)
    assert other.loaded <= 1  # the changed plane, not what was read
    np.testing.assert_array_equal(np.asarray(other), expected)
    other[0] = 100
    array[1] = 50
    assert int(np.asarray(array)[0, 0, 0]) == 0
    assert int(np.asarray(other)[1, 0, 0]) == 12


def test_a_pickle_does_not_hold_the_planes_that_were_read() -> None:
    array = LazyArray((64, 256, 256), np.int16, Zeros())
    np.asarray(array)
    assert len(pickle.dumps(array)) < 2000


class Zeros:
    def __call__(self, n: int, out: np.ndarray) -> None:
        out[...] = 0


@EVERY_MODE
def test_a_result_that_is_computed_in_part_leaves_the_rest(cache_bytes: int) -> None:
    array, _ = lazy(cache_bytes=cache_bytes)
    expected = full()
    where = expected % 3 == 0
    assert np.multiply(array, 2, out=array, where=where) is array
    np.multiply(expected, 2, out=expected, where=where)
    assert np.array_equal(array, expected)
    rest = np.divmod(array, 5, out=(array, None))
    assert rest[0] is array
    assert np.array_equal(rest[1], expected % 5)
    assert np.array_equal(array, expected // 5)


@EVERY_MODE
def test_an_element_is_a_scalar(cache_bytes: int) -> None:
    array, _ = lazy(cache_bytes=cache_bytes)
    assert type(array[1, 2, 3]) is np.int16
    assert {array[1, 2, 3]} == {full()[1, 2, 3]}
    assert float(array[:1, :1, :1].reshape(-1)[0]) == 0


def test_a_copy_that_is_needed_is_not_made_where_it_is_forbidden() -> None:
    array, _ = lazy()
    with pytest.raises(ValueError, match="without a copy"):
        np.asarray(array, dtype=float, copy=False)
    assert np.asarray(array, copy=False).shape == array.shape


def test_a_plane_that_is_read_while_an_edit_begins_is_in_the_array() -> None:
    begun, go_on = threading.Event(), threading.Event()

    def read(n: int, out: np.ndarray) -> None:
        if n == 3:
            begun.set()
            go_on.wait(10)
        out[...] = full()[n]

    array = LazyArray((8, *PLANE), np.int16, read)
    array.cache_bytes = BOUNDED
    thread = threading.Thread(target=lambda: array[3])
    thread.start()
    begun.wait(10)
    array[5] = -1
    go_on.set()
    thread.join()
    expected = full()
    expected[5] = -1
    assert np.array_equal(array, expected)


def test_reading_ahead_ends_with_its_array() -> None:
    array, _ = lazy(cache_bytes=BOUNDED)
    array.warm()
    (thread,) = array._ahead.threads
    del array
    thread.join(10)
    assert not thread.is_alive()


@pytest.fixture
def free(monkeypatch: Any) -> list[int | None]:
    """The free memory in planes, to be changed; arrays of more than three planes look at it, each time."""
    planes: list[int | None] = [0]
    monkeypatch.setattr(plane_cache, "CACHE_BYTES", 3 * PLANE_BYTES)
    monkeypatch.setattr(plane_cache, "LOOK_SECONDS", 0)
    monkeypatch.setattr(plane_cache, "_whole_caches", weakref.WeakSet())
    monkeypatch.setattr(plane_cache, "free_memory", lambda: None if planes[0] is None else planes[0] * PLANE_BYTES)
    return planes


def automatic() -> tuple[LazyArray, list[int]]:
    array, read = lazy()
    array._cache.cache_bytes = None
    return array, read


def across(array: LazyArray) -> None:
    for row in range(PLANE[0]):
        np.testing.assert_array_equal(array[:, row], full()[:, row])


def test_an_array_keeps_all_planes_where_half_of_the_free_memory_holds_them(free: list[int | None]) -> None:
    array, read = automatic()
    free[0] = 16
    across(array)
    assert sorted(read) == list(range(8))  # the second row reads nothing
    free[0] = 0
    across(array)
    assert sorted(read) == list(range(8))


@pytest.mark.parametrize("planes", [15, 0, None])
def test_an_array_that_is_larger_keeps_the_most_recent_planes(free: list[int | None], planes: int | None) -> None:
    array, read = automatic()
    free[0] = planes
    across(array)
    assert len(read) > 8
    assert array.loaded <= 7
    np.testing.assert_array_equal(array[2], full()[2])


def test_memory_that_becomes_free_is_used(free: list[int | None]) -> None:
    array, read = automatic()
    array[1]
    assert not array.keeps_all
    free[0] = 40
    across(array)
    assert array.keeps_all
    assert read.count(1) == 1  # what was in memory stays


def test_memory_that_another_array_will_take_is_not_free(free: list[int | None]) -> None:
    first, _ = automatic()
    second, _ = automatic()
    free[0] = 20
    first[0]
    assert first.keeps_all
    assert not second.keeps_all  # seven planes of the first are still to come
    first[:]
    assert second.keeps_all


def test_copies_and_pickles_follow_the_free_memory_too(free: list[int | None]) -> None:
    array, _ = automatic()
    assert copy.deepcopy(array)._cache.cache_bytes is None
    array.cache_bytes = 7
    assert copy.deepcopy(array)._cache.cache_bytes == 7


@pytest.mark.parametrize("is_quick", [True, False])
def test_threads_read_planes_only_where_one_takes_long(is_quick: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plane_cache, "QUICK_SECONDS", 1e3 if is_quick else 0.0)
    monkeypatch.setattr(plane_cache.os, "cpu_count", lambda: 4)
    threads = set()

    def read(n: int, out: np.ndarray) -> None:
        threads.add(threading.get_ident())
        out[...] = n

    array = LazyArray((64, 2, 3), np.dtype(np.int16), read)
    np.testing.assert_array_equal(np.asarray(array)[:, 0, 0], np.arange(64))
    assert (threads == {threading.get_ident()}) is is_quick
