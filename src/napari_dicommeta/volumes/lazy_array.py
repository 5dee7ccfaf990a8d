"""Array-like object that reads its planes on first access and behaves like a NumPy array."""

from __future__ import annotations

import math
import weakref
from typing import TYPE_CHECKING, Any, TypeGuard

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin

from napari_dicommeta.support.sorting import sorted_unique
from napari_dicommeta.volumes.plane_cache import PlaneCache
from napari_dicommeta.volumes.plane_reader import PlaneReader
from napari_dicommeta.volumes.read_ahead import ReadAhead

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["LazyArray"]

METHODS = [
    "all",
    "any",
    "argmax",
    "argmin",
    "argpartition",
    "argsort",
    "astype",
    "choose",
    "clip",
    "compress",
    "conj",
    "conjugate",
    "copy",
    "cumprod",
    "cumsum",
    "diagonal",
    "dot",
    "flatten",
    "item",
    "max",
    "mean",
    "min",
    "nonzero",
    "prod",
    "ravel",
    "repeat",
    "reshape",
    "round",
    "searchsorted",
    "squeeze",
    "std",
    "sum",
    "swapaxes",
    "take",
    "tobytes",
    "tolist",
    "trace",
    "transpose",
    "var",
    "view",
]
"""Methods of `numpy.ndarray` that do not modify the array."""


class LazyArray(NDArrayOperatorsMixin):
    """Lazy array of planes, shape (k, j, i) or with more axes before or after; indexing reads the planes it needs.

    ``read(n, out)`` fills plane `n`, counted in C order over all axes before those of a plane. Indexing, operators,
    `numpy.ufunc`, methods such as ``.max()`` or ``.astype(…)`` and ``np.asarray`` behave like those of the full array,
    and return NumPy arrays. All planes stay cached if they fit into `cache_bytes`, otherwise the most recently used
    planes do. Scrolling through 20 GB therefore needs no more than `cache_bytes`, which is 1 GiB or half of the free
    memory if that is more. Operations on the whole array allocate it.

    Assignment to elements changes this array in memory only, never a file. Copies and pickles hold the reader and the
    edited planes, not the cache.

    All methods may be called from any thread. `warm` reads ahead in the background, `close` stops that. A plane that
    cannot be read raises `PixelError`, unless `on_error` is set. Then ``on_error(n, error)`` is called once, and the
    plane reads as NaN, or in an array of integers as the volume's padding or the lowest value of its middle slice.
    Copies keep `on_error`, pickles do not.
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
        self._plane_axes, self._threads = plane_axes, threads
        self._lead, plane = shape[: len(shape) - plane_axes], shape[len(shape) - plane_axes :]
        self._reader = PlaneReader(read)
        self._cache = PlaneCache(math.prod(self._lead), plane, self.dtype, self._reader, threads if threads > 2 else 0)
        self._ahead = ReadAhead(self._cache, threads)

    # -- properties ---------------------------------------------------------------------------------

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """Number of elements."""
        return math.prod(self.shape)

    @property
    def itemsize(self) -> int:
        """Bytes per element."""
        return self.dtype.itemsize

    @property
    def nbytes(self) -> int:
        """Bytes of the full array."""
        return self.size * self.dtype.itemsize

    @property
    def n_planes(self) -> int:
        """Number of planes."""
        return self._cache.n

    @property
    def loaded(self) -> int:
        """Number of planes in memory."""
        return int(self._cache.loaded.sum())

    @property
    def keeps_all(self) -> bool:
        """Whether all planes can stay in memory."""
        return self._cache.keeps_all

    @property
    def cache_bytes(self) -> int:
        """Memory limit of the cache, bytes; an array up to this size is cached completely. Setting it fixes it."""
        return self._cache.limit

    @cache_bytes.setter
    def cache_bytes(self, value: int) -> None:
        self._cache.cache_bytes = value

    @property
    def source(self) -> Callable[[int, np.ndarray], None]:
        """The function that reads planes."""
        return self._reader.read

    @property
    def on_error(self) -> Callable[[int, Exception], object] | None:
        """Function called with the index of an unreadable plane and the error; None raises the error."""
        return self._reader.on_error

    @on_error.setter
    def on_error(self, call: Callable[[int, Exception], object] | None) -> None:
        self._reader.on_error = call

    def __len__(self) -> int:
        return self.shape[0]

    def __bool__(self) -> bool:
        if self.size != 1:
            raise ValueError("the truth value of an array of several elements is ambiguous: use .any() or .all()")
        return bool(np.asarray(self).item())

    def __repr__(self) -> str:
        return f"<LazyArray {self.shape} {self.dtype}, {self.loaded} of {self.n_planes} planes in memory>"

    # -- reading ------------------------------------------------------------------------------------

    def __getitem__(self, index: Any) -> Any:
        indices = index if isinstance(index, tuple) else (index,)
        cache = self._cache
        if _are_basic(indices) and len(indices) <= self.ndim + 1:
            indices = self._expanded(indices)
            lead, rest = indices[: len(self._lead)], indices[len(self._lead) :]
            wanted = self._numbers()[lead]
            if cache.keeps_all:
                cache.load(wanted)
                return self._whole()[index]
            return cache.gather(wanted)[(slice(None),) * wanted.ndim + rest]
        wanted = self._touched(indices)
        if cache.keeps_all:
            cache.load(wanted)
            return self._whole()[index]
        if self._are_points(indices):
            planes, places = np.unique(self._numbers()[indices[: len(self._lead)]], return_inverse=True)
            points = places.reshape(np.shape(self._numbers()[indices[: len(self._lead)]]))
            return cache.gather(planes)[(points, *indices[len(self._lead) :])]
        return self.__array__()[index]

    def __setitem__(self, index: Any, value: Any) -> None:
        indices = index if isinstance(index, tuple) else (index,)
        self._cache.begin_edit(sorted_unique(self._touched(indices)))
        self._whole()[index] = np.asarray(value) if isinstance(value, LazyArray) else value

    def __iter__(self) -> Iterator[np.ndarray]:
        return (self[i] for i in range(len(self)))

    def __contains__(self, value: object) -> bool:
        return bool(value in np.asarray(self))

    def __array__(self, dtype: np.dtype | None = None, copy: bool | None = None) -> np.ndarray:
        cache, is_other = self._cache, dtype is not None and np.dtype(dtype) != self.dtype
        if copy is False and (is_other or not cache.keeps_all):
            raise ValueError("the array cannot be given without a copy")
        if cache.keeps_all:
            cache.load(np.arange(cache.n))
            full = self._whole()
        else:
            full = cache.gather(np.arange(cache.n)).reshape(self.shape)
        if is_other:
            return full.astype(dtype)
        return full.copy() if copy and cache.keeps_all else full

    def editable(self) -> np.ndarray:
        """Return all planes as a NumPy array that shares memory with this one; writing to it changes both."""
        self._cache.begin_edit(np.arange(self.n_planes))
        return self._whole()

    def warm(self, start: int | None = None) -> None:
        """Read ahead in the background, nearest to the last used plane first; `start` sets the first plane."""
        if start is not None and not self._ahead.threads:
            self._cache.at = start
        if self._ahead.start():
            weakref.finalize(self, self._ahead.end)  # without it, idle threads keep the planes of a lost array

    def close(self) -> None:
        """Stop reading in the background; planes can still be read by indexing."""
        self._ahead.stop()

    def keep(self, n: int, plane: np.ndarray) -> None:
        """Put plane `n`, which has already been read, into the cache."""
        self._cache.put(n, plane)

    # -- NumPy --------------------------------------------------------------------------------------

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **options: Any) -> Any:
        target = inputs[0]
        arrays = [_as_numpy(value) for value in inputs]
        options = {name: _as_numpy(value) for name, value in options.items()}
        if method == "at" and isinstance(target, LazyArray):  # in place, on some elements of the first input
            target._cache.begin_edit(np.arange(target.n_planes))
            ufunc.at(target._whole(), *arrays[1:])
            return None
        outs = options.pop("out", ())
        if not any(isinstance(out, LazyArray) for out in outs):
            return getattr(ufunc, method)(*arrays, **options, **({"out": outs} if outs else {}))
        # Computing into an array of the same dtype lets NumPy check the casting before the assignment.
        buffers = tuple(_buffer(out, "where" in options) if isinstance(out, LazyArray) else out for out in outs)
        returned = getattr(ufunc, method)(*arrays, **options, out=buffers)
        results = list(returned) if isinstance(returned, tuple) else [returned]
        for i, out in enumerate(outs):
            if isinstance(out, LazyArray):
                out[...], results[i] = results[i], out
        return results[0] if len(results) == 1 else tuple(results)

    @property
    def T(self) -> np.ndarray:
        """All planes, transposed, as a NumPy array."""
        return np.asarray(self).T

    @property
    def flat(self) -> np.flatiter[np.ndarray]:
        """Iterator over all elements."""
        return np.asarray(self).flat

    @property
    def real(self) -> np.ndarray:
        """All planes as a NumPy array; values are never complex."""
        return np.asarray(self)

    def __float__(self) -> float:
        return float(np.asarray(self))

    def __int__(self) -> int:
        return int(np.asarray(self))

    def __copy__(self) -> LazyArray:
        return self.__deepcopy__({})

    def __deepcopy__(self, _memo: dict[int, Any]) -> LazyArray:
        copied = LazyArray(self.shape, self.dtype, self._reader.read, self._plane_axes, self._threads)
        copied._cache.cache_bytes, copied.on_error = self._cache.cache_bytes, self.on_error
        copied._cache.restore(self._cache.edited)
        return copied

    def __getstate__(self) -> dict[str, Any]:
        return {
            "shape": self.shape,
            "dtype": self.dtype,
            "read": self._reader.read,
            "plane_axes": self._plane_axes,
            "threads": self._threads,
            "cache_bytes": self._cache.cache_bytes,
            "edited": self._cache.edited,
        }

    def __setstate__(self, state: dict[str, Any]) -> None:
        edited, cache_bytes = state.pop("edited"), state.pop("cache_bytes")
        self.__init__(**state)  # type: ignore[misc]
        self._cache.cache_bytes = cache_bytes
        self._cache.restore(edited)

    # -- indices ------------------------------------------------------------------------------------

    def _whole(self) -> np.ndarray:
        return self._cache.whole().reshape(self.shape)

    def _numbers(self) -> np.ndarray:
        """Return the index of each plane, int64 of the shape of the leading axes."""
        return np.arange(self._cache.n).reshape(self._lead)

    def _expanded(self, indices: tuple[Any, ...]) -> tuple[Any, ...]:
        """Return `indices` with one entry per axis."""
        at = next((i for i, entry in enumerate(indices) if entry is Ellipsis), len(indices))
        after = indices[at + 1 :]
        if len(indices[:at]) + len(after) > self.ndim or Ellipsis in after:
            raise IndexError(f"too many indices for an array of {self.ndim} axes")
        return (*indices[:at], *(slice(None),) * (self.ndim - at - len(after)), *after)

    def _touched(self, indices: tuple[Any, ...]) -> np.ndarray:
        """Return the indices of all planes that an index may need, possibly more."""
        numbers, n_lead = self._numbers(), len(self._lead)
        if _are_basic(indices) and len(indices) <= self.ndim + 1:
            return np.asarray(numbers[self._expanded(indices)[:n_lead]])
        first = indices[0] if indices else Ellipsis
        if len(indices) == 1 and isinstance(first, np.ndarray) and first.dtype == bool and first.shape == self.shape:
            return numbers[first.reshape(*self._lead, -1).any(axis=-1)]
        if len(indices) >= n_lead and all(_is_place(entry) for entry in indices[:n_lead]):
            return np.asarray(numbers[indices[:n_lead]])
        return numbers

    def _are_points(self, indices: tuple[Any, ...]) -> bool:
        """Return whether an index has an integer or an array of integers for each leading axis."""
        lead = indices[: len(self._lead)]
        return len(lead) == len(self._lead) and all(_is_place(entry) and not isinstance(entry, slice) for entry in lead)


def _buffer(array: LazyArray, is_partial: bool) -> np.ndarray:
    """Return an array for the result of a ufunc, with the values of `array` if only some are computed."""
    return np.array(array) if is_partial else np.empty(array.shape, array.dtype)


def _as_numpy(value: Any) -> Any:
    return np.asarray(value) if isinstance(value, LazyArray) else value


def _are_basic(indices: tuple[Any, ...]) -> bool:
    return all(entry is Ellipsis or type(entry) in (int, slice) or isinstance(entry, np.integer) for entry in indices)


def _is_place(entry: object) -> TypeGuard[Any]:
    """Return whether an index entry is an integer, a slice, or an array or list of integers."""
    if isinstance(entry, (bool, np.bool_)):
        return False
    if isinstance(entry, (int, np.integer, slice)):
        return True
    if not isinstance(entry, (np.ndarray, list)):
        return False
    places = np.asarray(entry)
    return places.dtype.kind in "iu" or places.size == 0


def _delegated(name: str) -> Callable[..., Any]:
    def method(self: LazyArray, *arguments: Any, **options: Any) -> Any:
        return getattr(np.asarray(self), name)(*arguments, **options)

    method.__name__ = name
    method.__doc__ = f"Return the result of `numpy.ndarray.{name}` on all planes."
    return method


for _name in METHODS:
    setattr(LazyArray, _name, _delegated(_name))
