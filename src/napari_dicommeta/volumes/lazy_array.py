"""A duck array over planes that are read when they are first asked for."""

from __future__ import annotations

import math
import os
import threading
from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["CACHE_BYTES", "LazyArray"]

CACHE_BYTES = 1 << 30
"""Up to here an array keeps all planes that it has read; a larger one keeps the last of them, in so much memory."""


PATIENCE = 0.5
"""Seconds after which a thread that reads ahead looks again where it is."""


class LazyArray:
    """An array of planes, shape (k, j, i), or with more axes before or behind, that reads a plane when it is indexed.

    ``read(n, out)`` fills plane `n`, counted over all axes before those of a plane (C order). Indexing and
    ``np.asarray`` behave as those of the full array. Planes that were read are kept, all of them where they fit
    into `cache_bytes`, else the last ones used: scrolling through 20 GB takes no more memory than that, and only
    ``np.asarray`` allocates the whole. All methods may be called from any thread. `warm` reads ahead in the
    background, `close` stops that.

    A plane that cannot be read raises on access, unless `on_error` is set: then ``on_error(n, error)`` is called
    once and the plane reads as the smallest value of the dtype's useful range, -1024 or 0.
    """

    def __init__(
        self,
        shape: tuple[int, ...],
        dtype: np.dtype | type,
        read: Callable[[int, np.ndarray], None],
        plane_axes: int = 2,
        threads: int = 1,
    ) -> None:
        self.shape, self.dtype = shape, np.dtype(dtype)
        self.on_error: Callable[[int, Exception], object] | None = None
        self.cache_bytes = CACHE_BYTES
        self._lead, self._plane = shape[: len(shape) - plane_axes], shape[len(shape) - plane_axes :]
        self._n = math.prod(self._lead)
        self._read, self._threads = read, threads
        self._planes: np.ndarray | None = None
        self._recent: OrderedDict[int, np.ndarray] = OrderedDict()
        self._loaded = np.zeros(self._n, dtype=bool)
        self._told: set[int] = set()
        self._tried = np.zeros(self._n, dtype=bool)
        self._guard = threading.Lock()
        self._locks = [threading.Lock() for _ in range(min(self._n, 64))]
        self._at = self._n // 2
        self._moved = threading.Event()
        self._stopped = threading.Event()
        self._warmers: list[threading.Thread] = []

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """The number of elements."""
        return math.prod(self.shape)

    @property
    def nbytes(self) -> int:
        """The bytes of the full array."""
        return self.size * self.dtype.itemsize

    @property
    def n_planes(self) -> int:
        """The number of planes."""
        return self._n

    @property
    def loaded(self) -> int:
        """How many planes are in memory."""
        return int(self._loaded.sum())

    @property
    def keeps_all(self) -> bool:
        """Whether all planes may stay in memory."""
        return self._planes is not None or self.nbytes <= self.cache_bytes

    def __len__(self) -> int:
        return self.shape[0]

    def __repr__(self) -> str:
        return f"<LazyArray {self.shape} {self.dtype}, {self.loaded} of {self._n} planes in memory>"

    def __getitem__(self, index: Any) -> np.ndarray:
        indices = index if isinstance(index, tuple) else (index,)
        numbers = np.arange(self._n).reshape(self._lead)
        plain = all(one is Ellipsis or type(one) in (int, slice) or isinstance(one, np.integer) for one in indices)
        if plain and len(indices) <= self.ndim + 1:
            indices = self._expanded(indices)
            lead, rest = indices[: len(self._lead)], indices[len(self._lead) :]
            wanted = numbers[lead]
            if self.keeps_all:
                self._ensure(wanted)
                return np.asarray(self._all()[index])
            return np.asarray(self._gathered(wanted)[(slice(None),) * wanted.ndim + rest])
        if not self.keeps_all:
            return np.asarray(self.__array__()[index])
        first = indices[0] if indices else Ellipsis
        simple = first is not Ellipsis and first is not None and not (isinstance(first, np.ndarray) and first.ndim > 1)
        self._ensure(numbers[first] if simple else numbers)
        return np.asarray(self._all()[index])

    def __array__(self, dtype: np.dtype | None = None, copy: bool | None = None) -> np.ndarray:
        if self.keeps_all:
            self._ensure(np.arange(self._n))
            full = self._all()
        else:
            full = self._gathered(np.arange(self._n)).reshape(self.shape)
        if dtype is not None and np.dtype(dtype) != self.dtype:
            return full.astype(dtype)
        return full.copy() if copy and self.keeps_all else full

    def warm(self, start: int | None = None) -> None:
        """Read ahead in the background, the planes next to the one used last first; to begin with, next to `start`."""
        if self._warmers or self._stopped.is_set():
            return
        if start is not None:
            self._at = start
        for number in range(self._threads):
            thread = threading.Thread(target=self._warm, name=f"dicommeta-warm-{number}", daemon=True)
            self._warmers.append(thread)
            thread.start()

    def close(self) -> None:
        """Stop reading in the background; planes can still be read by indexing."""
        self._stopped.set()
        self._moved.set()
        for thread in self._warmers:
            if thread is not threading.current_thread():
                thread.join()

    def _expanded(self, indices: tuple[Any, ...]) -> tuple[Any, ...]:
        """`indices` with an entry for each axis."""
        at = next((i for i, one in enumerate(indices) if one is Ellipsis), len(indices))
        behind = indices[at + 1 :]
        if len(indices[:at]) + len(behind) > self.ndim or Ellipsis in behind:
            raise IndexError(f"too many indices for an array of {self.ndim} axes")
        return (*indices[:at], *(slice(None),) * (self.ndim - at - len(behind)), *behind)

    def _warm(self) -> None:
        capacity = self._n if self.keeps_all else max(1, self._capacity() // 2)
        while not self._stopped.is_set():
            n = self._next(capacity)
            if n is not None:
                self._fetch(n)
            elif self.keeps_all:
                return
            else:
                self._moved.clear()
                if not self._stopped.is_set() and self._next(capacity) is None:
                    self._moved.wait(PATIENCE)

    def _next(self, capacity: int) -> int | None:
        """The plane nearest to the one used last that is not there, of the `capacity` ones around it."""
        at = self._at
        missing = np.flatnonzero(~(self._loaded | self._tried))
        if len(missing) == 0:
            return None
        distances = np.abs(missing - at) * 2 - (missing > at)  # of two at one distance the one behind first
        nearest = int(missing[np.argmin(distances)])
        if self._threads > 1 and self._locks[nearest % len(self._locks)].locked():  # another thread is at it
            distances[missing == nearest] += 2 * self._n
            nearest = int(missing[np.argmin(distances)])
        return nearest if abs(nearest - at) <= capacity // 2 or capacity >= self._n else None

    def _fetch(self, n: int) -> None:
        try:
            if self.keeps_all:
                self._ensure_one(n)
            else:
                self._plane_of(n, ahead=True)
        except Exception:  # noqa: BLE001  it will be raised, with its reason, to whoever asks for the plane
            self._tried[n] = True

    def _capacity(self) -> int:
        """How many planes the cache holds."""
        return max(2, self.cache_bytes // max(1, math.prod(self._plane) * self.dtype.itemsize))

    def _all(self) -> np.ndarray:
        return self._allocated().reshape(self.shape)

    def _allocated(self) -> np.ndarray:
        with self._guard:
            if self._planes is None:
                # Memory is taken page by page, as planes are read.
                self._planes = np.empty((self._n, *self._plane), self.dtype)
                self._loaded[:] = False
                for n, plane in self._recent.items():  # read while there was less room
                    self._planes[n], self._loaded[n] = plane, True
                self._recent.clear()
            return self._planes

    def _ensure(self, numbers: np.ndarray) -> None:
        """Have these planes in the full array."""
        flat = numbers.reshape(-1)
        if not flat.size:
            return
        self._at = int(flat[len(flat) // 2])
        self._allocated()
        self._each(self._ensure_one, flat[~self._loaded[flat]].tolist())

    def _each(self, task: Callable[[int], object], numbers: list[int]) -> None:
        """Run `task` for each plane, many of them in parallel: reading and decoding wait for no lock of Python's."""
        workers = min(os.cpu_count() or 1, len(numbers) // 4)
        if workers < 2:
            for n in numbers:
                task(n)
            return
        with ThreadPoolExecutor(workers) as pool:
            parts = [numbers[i::workers] for i in range(workers)]
            for future in [pool.submit(lambda part: [task(n) for n in part], part) for part in parts]:
                future.result()

    def _ensure_one(self, n: int) -> None:
        planes = self._allocated()
        with self._locks[n % len(self._locks)]:
            if not self._loaded[n]:
                self._fill(n, planes[n])
                self._loaded[n] = True

    def _fill(self, n: int, out: np.ndarray) -> None:
        try:
            self._read(n, out)
        except Exception as error:
            if self.on_error is None:
                raise
            out[...] = -1024 if self.dtype.kind in "if" else 0
            if n not in self._told:
                self._told.add(n)
                self.on_error(n, error)

    def _gathered(self, numbers: np.ndarray) -> np.ndarray:
        """These planes in an array of their own, shape of `numbers` and of a plane, by way of the bounded cache."""
        flat = numbers.reshape(-1).tolist()
        out = np.empty((len(flat), *self._plane), self.dtype)
        if len(flat) > self._capacity() // 2:  # so many would only push one another out: they go past the cache

            def copy(i: int) -> None:
                kept = self._recent.get(flat[i])
                if kept is None:
                    self._fill(flat[i], out[i])
                else:
                    out[i] = kept

            self._each(copy, list(range(len(flat))))
        else:
            for i, n in enumerate(flat):
                out[i] = self._plane_of(n)
        return out.reshape(*numbers.shape, *self._plane)

    def _plane_of(self, n: int, ahead: bool = False) -> np.ndarray:
        if not ahead:
            self._at = n
            self._moved.set()
        with self._locks[n % len(self._locks)]:
            with self._guard:
                kept = self._recent.get(n)
                if kept is not None:
                    self._recent.move_to_end(n)
                    return kept
            plane = np.empty(self._plane, self.dtype)
            self._fill(n, plane)
            with self._guard:
                self._recent[n] = plane
                self._loaded[n] = True
                while len(self._recent) > self._capacity():
                    gone, _ = self._recent.popitem(last=False)
                    self._loaded[gone] = False
            return plane
