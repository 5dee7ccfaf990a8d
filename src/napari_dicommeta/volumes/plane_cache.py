"""Cache of planes: all of them if they fit, otherwise the most recently used."""

from __future__ import annotations

import math
import os
import threading
import time
import weakref
from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import numpy as np

from napari_dicommeta.support.memory import free_memory

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from napari_dicommeta.volumes.plane_reader import PlaneReader

__all__ = ["CACHE_BYTES", "PlaneCache"]

CACHE_BYTES = 1 << 30
"""An array up to this size keeps all planes that it has read, whatever memory is free."""
FREE_SHARE = 0.5
"""The part of the free memory that a larger array may take."""
LOOK_SECONDS = 1.0
"""Interval at which an array that does not keep all planes looks for free memory."""
MAX_LOCKS = 64
PROBE_PLANES, QUICK_SECONDS = 3, 2.5e-4
"""The planes read first, and the time of the quickest below which the others are read by one thread."""
_whole_caches: weakref.WeakSet[PlaneCache] = weakref.WeakSet()
"""Caches that have an array of all planes, and so will take memory that still counts as free."""


class PlaneCache:
    """Cache of the `n` planes of an array, all of one shape and dtype.

    All methods may be called from any thread. After an edit, all planes that are read stay in memory. `cache_bytes` is
    a fixed limit; None lets `limit` follow the free memory. `waiting_threads` is the number of planes to read at a
    time where that waits for a server; 0 of planes in files, which are read by as many threads as there are cores.
    """

    def __init__(
        self, n: int, plane: tuple[int, ...], dtype: np.dtype, reader: PlaneReader, waiting_threads: int = 0
    ) -> None:
        self.waiting_threads = waiting_threads
        self.n, self.plane, self.dtype, self.reader = n, plane, dtype, reader
        self.cache_bytes: int | None = None
        self.loaded = np.zeros(n, dtype=bool)
        self.at = n // 2
        """Index of the plane used last."""
        self.moved: threading.Event | None = None
        """Set when a plane is used; None until threads wait for it."""
        self._whole: np.ndarray | None = None
        self._recent: OrderedDict[int, np.ndarray] = OrderedDict()
        self._edited: set[int] = set()
        self._guard = threading.Lock()
        self._locks: dict[int, threading.Lock] = {}
        self._looked, self._automatic = -math.inf, CACHE_BYTES

    def _lock(self, n: int) -> threading.Lock:
        """Return the lock for reading plane `n`, made when it is first needed."""
        key = n % MAX_LOCKS
        return self._locks.get(key) or self._locks.setdefault(key, threading.Lock())

    @property
    def plane_bytes(self) -> int:
        """Bytes of one plane."""
        return math.prod(self.plane) * self.dtype.itemsize

    @property
    def keeps_all(self) -> bool:
        """Whether all planes can stay in memory. Once they are allocated, they do."""
        size = self.n * self.plane_bytes
        is_small = self.cache_bytes is None and size <= CACHE_BYTES
        return self._whole is not None or is_small or size <= self.limit

    @property
    def limit(self) -> int:
        """Bytes that the cache may hold: `cache_bytes`, or a share of the free memory, at least `CACHE_BYTES`."""
        if self.cache_bytes is not None:
            return self.cache_bytes
        now = time.monotonic()
        if now - self._looked >= LOOK_SECONDS:
            free = free_memory()
            own = len(self._recent) * self.plane_bytes
            promised = sum(cache.promised for cache in list(_whole_caches))
            share = 0 if free is None else int((free + own - promised) * FREE_SHARE)
            self._looked, self._automatic = now, max(CACHE_BYTES, share)
        return self._automatic

    @property
    def promised(self) -> int:
        """Bytes of planes that have a place in memory but are not read yet."""
        return 0 if self._whole is None else int(np.count_nonzero(~self.loaded)) * self.plane_bytes

    @property
    def capacity(self) -> int:
        """Number of planes that the cache holds if it does not keep all."""
        return max(2, self.limit // max(1, self.plane_bytes))

    def whole(self) -> np.ndarray:
        """Return the array of all planes, shape (n, *plane); only `loaded` planes are valid."""
        with self._guard:
            if self._whole is None:
                # The system allocates pages as planes are written, so an empty array costs no memory.
                self._whole = np.empty((self.n, *self.plane), self.dtype)
                self.loaded[:] = False
                for n, plane in self._recent.items():  # read under a smaller memory limit
                    self._whole[n], self.loaded[n] = plane, True
                self._recent.clear()
                _whole_caches.add(self)
            return self._whole

    def load(self, numbers: np.ndarray) -> None:
        """Load these planes into `whole`."""
        flat = numbers.reshape(-1)
        if not flat.size:
            return
        self.at = int(flat[len(flat) // 2])
        self.whole()
        self.each(self._load_one, flat[~self.loaded[flat]].tolist())

    def gather(self, numbers: np.ndarray) -> np.ndarray:
        """Return these planes as a new array, shape (*numbers.shape, *plane), using the cache."""
        flat = numbers.reshape(-1).tolist()
        out = np.empty((len(flat), *self.plane), self.dtype)
        if len(flat) > self.capacity // 2:  # more would evict each other, so bypass the cache

            def copy(i: int) -> None:
                recent = self._recent.get(flat[i])
                if recent is None:
                    self.reader.fill(flat[i], out[i])
                else:
                    out[i] = recent

            self.each(copy, list(range(len(flat))))
        else:
            for i, n in enumerate(flat):
                out[i] = self.use(n)
        return out.reshape(*numbers.shape, *self.plane)

    def fetch(self, n: int) -> None:
        """Load plane `n` without marking it as used."""
        if self.keeps_all:
            self._load_one(n)
        else:
            self.use(n, ahead=True)

    def is_being_read(self, n: int) -> bool:
        """Return whether a thread is reading plane `n`, or another plane with the same lock."""
        return self._lock(n).locked()

    def put(self, n: int, plane: np.ndarray) -> None:
        """Store plane `n`, which has already been read."""
        with self._guard:
            if self._whole is not None:
                self._whole[n] = plane
            else:
                self._recent[n] = np.array(plane, self.dtype)
            self.loaded[n] = True

    # -- editing ------------------------------------------------------------------------------------

    def begin_edit(self, numbers: np.ndarray) -> np.ndarray:
        """Load these planes, mark them as edited, and return `whole` for writing."""
        whole = self.whole()
        self.load(numbers)
        with self._guard:
            self._edited.update(numbers.reshape(-1).tolist())
        return whole

    @property
    def edited(self) -> dict[int, np.ndarray]:
        """Copies of the edited planes, by index."""
        with self._guard:
            whole = self._whole
            return {} if whole is None else {n: whole[n].copy() for n in sorted(self._edited)}

    def restore(self, edited: Mapping[int, np.ndarray]) -> None:
        """Store planes that were edited in another array."""
        if edited:
            whole = self.whole()
            for n, plane in edited.items():
                whole[n] = plane
                self.loaded[n] = True
            self._edited.update(edited)

    # -- one plane ----------------------------------------------------------------------------------

    def each(self, task: Callable[[int], object], numbers: list[int]) -> None:
        """Run `task` for each plane, in parallel if there are many and each takes long.

        Reading and decoding release the GIL; where planes take less than that, threads only wait.
        """
        workers = min(self.waiting_threads, len(numbers)) or min(os.cpu_count() or 1, len(numbers) // 4)
        probe, quickest = (numbers[:PROBE_PLANES], math.inf) if workers >= 2 else ([], 0.0)
        for n in probe:
            began = time.perf_counter()
            task(n)
            quickest = min(quickest, time.perf_counter() - began)
        numbers = numbers[len(probe) :]
        if quickest < QUICK_SECONDS:
            for n in numbers:
                task(n)
            return
        with ThreadPoolExecutor(workers) as pool:
            parts = [numbers[i::workers] for i in range(workers)]
            for future in [pool.submit(lambda part: [task(n) for n in part], part) for part in parts]:
                future.result()

    def _load_one(self, n: int) -> None:
        whole = self.whole()
        with self._lock(n):
            if not self.loaded[n]:
                self.reader.fill(n, whole[n])
                self.loaded[n] = True

    def use(self, n: int, ahead: bool = False) -> np.ndarray:
        """Return plane `n` of the most recently used planes, which must not be changed; `ahead` does not mark it."""
        if not ahead:
            self.at = n
            if self.moved is not None:
                self.moved.set()
        with self._lock(n):
            with self._guard:
                recent = self._recent.get(n)
                if recent is not None:
                    self._recent.move_to_end(n)
                    return recent
            plane = np.empty(self.plane, self.dtype)
            self.reader.fill(n, plane)
            with self._guard:
                if self._whole is not None:  # made while the plane was read, by an edit
                    if not self.loaded[n]:
                        self._whole[n], self.loaded[n] = plane, True
                    return np.asarray(self._whole[n])
                self._recent[n] = plane
                self.loaded[n] = True
                while len(self._recent) > self.capacity:
                    oldest, _ = self._recent.popitem(last=False)
                    self.loaded[oldest] = False
            return plane
