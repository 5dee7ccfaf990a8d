"""A duck array over planes that are read when they are first asked for."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["LazyArray"]


class LazyArray:
    """An array of planes, shape (k, …), that reads plane k by ``read(k, out)`` when it is first indexed.

    Indexing and ``np.asarray`` behave as those of the full array; a plane is read once and kept. All methods
    may be called from any thread. `warm` reads the rest in the background, `close` stops that.

    A plane that cannot be read raises on access, unless `on_error` is set: then ``on_error(k, error)`` is
    called once and the plane reads as the smallest value of the dtype's useful range, -1024 or 0.
    """

    def __init__(self, shape: tuple[int, ...], dtype: np.dtype | type, read: Callable[[int, np.ndarray], None]) -> None:
        self.shape, self.dtype = shape, np.dtype(dtype)
        self.on_error: Callable[[int, Exception], object] | None = None
        self._read = read
        self._planes: np.ndarray | None = None
        self._loaded = np.zeros(shape[0], dtype=bool)
        self._allocation = threading.Lock()
        self._locks = [threading.Lock() for _ in range(min(shape[0], 64))]
        self._stopped = threading.Event()
        self._warmer: threading.Thread | None = None

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """The number of elements."""
        return int(np.prod(self.shape))

    @property
    def nbytes(self) -> int:
        """The bytes of the full array."""
        return self.size * self.dtype.itemsize

    @property
    def loaded(self) -> int:
        """How many planes have been read."""
        return int(self._loaded.sum())

    def __len__(self) -> int:
        return self.shape[0]

    def __repr__(self) -> str:
        return f"<LazyArray {self.shape} {self.dtype}, {self.loaded} of {len(self)} planes read>"

    def __getitem__(self, index: Any) -> np.ndarray:
        first = index[0] if isinstance(index, tuple) and index else index
        if first is Ellipsis or first is None or (isinstance(index, tuple) and not index):
            wanted: Any = slice(None)
        else:
            wanted = first
        planes = self._allocated()
        chosen = np.arange(len(self))[wanted]
        for k in np.atleast_1d(chosen).reshape(-1).tolist():
            self._ensure(k)
        return np.asarray(planes[index])

    def __array__(self, dtype: np.dtype | None = None, copy: bool | None = None) -> np.ndarray:
        planes = self._allocated()
        for k in range(len(self)):
            self._ensure(k)
        if dtype is not None and np.dtype(dtype) != self.dtype:
            return planes.astype(dtype)
        return planes.copy() if copy else planes

    def warm(self, start: int | None = None) -> None:
        """Read all planes in a background thread, from plane `start` (None: the middle) outwards."""
        if self._warmer is not None or self._stopped.is_set():
            return
        middle = len(self) // 2 if start is None else start
        self._warmer = threading.Thread(target=self._warm, args=(middle,), name="dicommeta-warm", daemon=True)
        self._warmer.start()

    def close(self) -> None:
        """Stop reading in the background; planes can still be read by indexing."""
        self._stopped.set()
        if self._warmer is not None and self._warmer is not threading.current_thread():
            self._warmer.join()

    def _warm(self, start: int) -> None:
        for k in _outwards(start, len(self)):
            if self._stopped.is_set():
                return
            try:
                self._ensure(k)
            except Exception:  # noqa: BLE001  it will be raised, with its reason, to whoever asks for the plane
                continue

    def _allocated(self) -> np.ndarray:
        with self._allocation:
            if self._planes is None:
                self._planes = np.empty(self.shape, self.dtype)  # memory is taken page by page, as planes are read
            return self._planes

    def _ensure(self, k: int) -> None:
        if self._loaded[k]:
            return
        planes = self._allocated()
        with self._locks[k % len(self._locks)]:
            if self._loaded[k]:
                return
            try:
                self._read(k, planes[k])
            except Exception as error:
                if self.on_error is None:
                    raise
                planes[k] = -1024 if self.dtype.kind in "if" else 0
                self._loaded[k] = True
                self.on_error(k, error)
            self._loaded[k] = True


def _outwards(start: int, count: int) -> Iterator[int]:
    yield start
    for step in range(1, count):
        if start + step < count:
            yield start + step
        if start - step >= 0:
            yield start - step
