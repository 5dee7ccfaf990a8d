"""Reading ahead: threads that fetch the planes next to the one used last."""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING

import numpy as np

from napari_dicommeta.support.log import log_fault

if TYPE_CHECKING:
    from napari_dicommeta.volumes.plane_cache import PlaneCache

__all__ = ["ReadAhead"]

POLL_SECONDS = 0.5
"""After which a thread that has read all around it looks again where it is."""


class ReadAhead:
    """Fetches planes of a cache in `n_threads` threads, nearest first; where not all can be kept, those around."""

    def __init__(self, cache: PlaneCache, n_threads: int) -> None:
        self._cache, self._n_threads = cache, n_threads
        self._unreadable = np.zeros(cache.n, dtype=bool)
        self._stopped = threading.Event()
        self.threads: list[threading.Thread] = []

    def start(self) -> None:
        """Begin, unless it has begun or was stopped."""
        if self.threads or self._stopped.is_set():
            return
        for number in range(self._n_threads):
            thread = threading.Thread(target=self._run, name=f"dicommeta-read-ahead-{number}", daemon=True)
            self.threads.append(thread)
            thread.start()

    def stop(self) -> None:
        """Stop, and wait for the planes that are being read."""
        self._stopped.set()
        self._cache.moved.set()
        for thread in self.threads:
            if thread is not threading.current_thread():
                thread.join()

    def _run(self) -> None:
        cache = self._cache
        reach = cache.n if cache.keeps_all else max(1, cache.capacity // 2)
        while not self._stopped.is_set():
            n = self._next(reach)
            if n is not None:
                self._fetch(n)
            elif cache.keeps_all:
                return
            else:
                cache.moved.clear()
                if not self._stopped.is_set() and self._next(reach) is None:
                    cache.moved.wait(POLL_SECONDS)

    def _next(self, reach: int) -> int | None:
        """Return the missing plane nearest to the one used last, of the `reach` ones around it; None for none."""
        cache, at = self._cache, self._cache.at
        missing = np.flatnonzero(~(cache.loaded | self._unreadable))
        if len(missing) == 0:
            return None
        distances = np.abs(missing - at) * 2 - (missing > at)  # of two at one distance the one behind first
        nearest = int(missing[np.argmin(distances)])
        if self._n_threads > 1 and cache.is_being_read(nearest):
            distances[missing == nearest] += 2 * cache.n
            nearest = int(missing[np.argmin(distances)])
        return nearest if abs(nearest - at) <= reach // 2 or reach >= cache.n else None

    def _fetch(self, n: int) -> None:
        try:
            self._cache.fetch(n)
        except Exception as error:  # noqa: BLE001  it is raised, with its reason, where the plane is asked for
            log_fault("reading a plane ahead", error, logging.DEBUG)
            self._unreadable[n] = True
