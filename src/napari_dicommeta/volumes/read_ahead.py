"""Background threads that read the planes nearest to the plane used last."""

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
"""Interval at which an idle thread checks which plane was used last."""


class ReadAhead:
    """Threads that load planes into a cache, nearest first; only nearby planes if not all fit."""

    def __init__(self, cache: PlaneCache, n_threads: int) -> None:
        self._cache, self._n_threads = cache, n_threads
        self._unreadable = np.zeros(cache.n, dtype=bool)
        self._is_stopped = False
        self.threads: list[threading.Thread] = []

    def start(self) -> bool:
        """Start the threads and return True, or False if they were started or stopped before."""
        if self.threads or self._is_stopped:
            return False
        self._cache.moved = threading.Event()
        for number in range(self._n_threads):
            thread = threading.Thread(target=self._run, name=f"dicommeta-read-ahead-{number}", daemon=True)
            self.threads.append(thread)
            thread.start()
        return True

    def end(self) -> None:
        """Make the threads end with the planes they are reading; do not wait for them."""
        self._is_stopped = True
        if self._cache.moved is not None:
            self._cache.moved.set()

    def stop(self) -> None:
        """Stop the threads, waiting for the planes they are reading."""
        self.end()
        for thread in self.threads:
            if thread is not threading.current_thread():
                thread.join()

    def _run(self) -> None:
        cache, moved = self._cache, self._cache.moved
        assert moved is not None
        while not self._is_stopped:
            reach = cache.n if cache.keeps_all else max(1, cache.capacity // 2)  # memory may have become free
            n = self._next(reach)
            if n is not None:
                self._fetch(n)
            elif cache.keeps_all:
                return
            else:
                moved.clear()
                if not self._is_stopped and self._next(reach) is None:
                    moved.wait(POLL_SECONDS)

    def _next(self, reach: int) -> int | None:
        """Return the missing plane nearest to the plane used last, None if none of the `reach` planes around it is."""
        cache, at = self._cache, self._cache.at
        missing = np.flatnonzero(~(cache.loaded | self._unreadable))
        if len(missing) == 0:
            return None
        distances = np.abs(missing - at) * 2 - (missing > at)  # at equal distance, the following plane comes first
        nearest = int(missing[np.argmin(distances)])
        if self._n_threads > 1 and cache.is_being_read(nearest):
            distances[missing == nearest] += 2 * cache.n
            nearest = int(missing[np.argmin(distances)])
        return nearest if abs(nearest - at) <= reach // 2 or reach >= cache.n else None

    def _fetch(self, n: int) -> None:
        try:
            self._cache.fetch(n)
        except Exception as error:  # noqa: BLE001  raised again when the plane is requested
            log_fault("reading a plane ahead", error, logging.DEBUG)
            self._unreadable[n] = True
