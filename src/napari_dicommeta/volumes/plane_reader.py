"""Reading of single planes, with fill values for planes that cannot be read."""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING

import numpy as np

from napari_dicommeta.support.log import log_fault

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["PlaneReader"]


class PlaneReader:
    """Reader of planes; ``read(n, out)`` fills `out` with plane `n`.

    A plane that cannot be read raises an error, unless `on_error` is set. Then ``on_error(n, error)`` is called once
    for it. The plane reads as NaN in an array of floats, and as ``read.blank(n)`` in an array of integers, or the
    lowest integer if that is higher; as 0 if `read` has no `blank`.
    """

    def __init__(self, read: Callable[[int, np.ndarray], None]) -> None:
        self.read = read
        self.on_error: Callable[[int, Exception], object] | None = None
        self._reported: set[int] = set()
        self._guard = threading.Lock()

    def fill(self, n: int, out: np.ndarray) -> None:
        """Fill `out` with plane `n`."""
        try:
            self.read(n, out)
        except Exception as error:
            if self.on_error is None:
                raise
            log_fault("reading a plane", error, logging.DEBUG)
            out[...] = self._blank(n, out.dtype)
            with self._guard:
                is_new = n not in self._reported
                self._reported.add(n)
            if is_new:
                self.on_error(n, error)

    def _blank(self, n: int, dtype: np.dtype) -> float:
        if dtype.kind == "f":
            return float("nan")
        blank = getattr(self.read, "blank", None)
        return 0 if blank is None else max(float(blank(n)), float(np.iinfo(dtype).min))
