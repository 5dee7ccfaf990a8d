"""Array-like mosaic of tiles that reads only the tiles that an index touches (PS3.3 section C.7.6.17.3)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_dicommeta.support.cached import cached_property
from napari_dicommeta.support.sorting import sorted_unique
from napari_dicommeta.volumes.lazy_array import LazyArray
from napari_dicommeta.volumes.plane_cache import PlaneCache
from napari_dicommeta.volumes.plane_reader import PlaneReader

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["TILE_CACHE_BYTES", "TiledArray", "Tiles"]

TILE_CACHE_BYTES = 1 << 28
"""Bytes of tiles that each array keeps in memory."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Tiles:
    """Places of tiles of one size in a stack of planes.

    `planes`, `tops`, `lefts`: for each tile its plane, first row and first column, int64 of shape (n,), sorted by
    plane. Tiles may reach beyond the plane; what lies outside is cut off. Where tiles of one plane overlap, later ones
    cover earlier ones. `rows`, `columns`: the size of a tile, in pixels. `background`: the value of pixels in no tile,
    one number or one for each color. `is_clear`: pixels of value 0 do not cover other tiles, as in labels.
    """

    planes: np.ndarray
    tops: np.ndarray
    lefts: np.ndarray
    rows: int
    columns: int
    background: tuple[int, ...] = (0,)
    is_clear: bool = False

    def __len__(self) -> int:
        return len(self.planes)

    @cached_property
    def are_apart(self) -> bool:
        """Return whether tiles lie on one grid and none repeats another, so that none overlaps another."""
        if not len(self):
            return True
        down, across = self.tops - self.tops.min(), self.lefts - self.lefts.min()
        if (down % self.rows).any() or (across % self.columns).any():
            return False
        width = int(across.max()) // self.columns + 1
        height = int(down.max()) // self.rows + 1
        places = (self.planes * height + down // self.rows) * width + across // self.columns
        return len(sorted_unique(places)) == len(self)

    def of_plane(self, plane: int) -> slice:
        """Return the range of the tiles of a plane."""
        first, last = np.searchsorted(self.planes, (plane, plane + 1)).tolist()
        return slice(first, last)


@dataclass(frozen=True, slots=True)
class _Picks:
    """Ascending indices along an axis, int64; `step` is the distance between them, 0 if it varies."""

    indices: np.ndarray
    step: int = 0

    def inside(self, starts: np.ndarray, length: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the range of the picks that lie in each tile of this `length`: the first, and the one after."""
        return np.searchsorted(self.indices, starts), np.searchsorted(self.indices, starts + length)

    def within(self, first: int, last: int, start: int) -> slice | np.ndarray:
        """Return an index of the picks `first` to `last`, `last` excluded, into the tile that begins at `start`."""
        if not self.step:
            return np.asarray(self.indices[first:last] - start)
        return slice(int(self.indices[first]) - start, int(self.indices[last - 1]) - start + 1, self.step)


class _Mosaic:
    """Tiles with their cache; called as the reader of planes, it puts a whole plane together."""

    def __init__(
        self, shape: tuple[int, ...], dtype: np.dtype, tiles: Tiles, read: Callable[[int, np.ndarray], None]
    ) -> None:
        self.shape, self.tiles = shape, tiles
        self.reader = PlaneReader(read)
        self.cache = PlaneCache(len(tiles), (tiles.rows, tiles.columns, *shape[3:]), dtype, self.reader)
        self.cache.cache_bytes = TILE_CACHE_BYTES

    def __call__(self, n: int, out: np.ndarray) -> None:
        self.fill(n, _Picks(np.arange(self.shape[1]), 1), _Picks(np.arange(self.shape[2]), 1), out)

    def fill(self, plane: int, rows: _Picks, columns: _Picks, out: np.ndarray) -> None:
        """Fill `out`, of shape (rows, columns) or (rows, columns, 3), with pixels of a plane."""
        tiles = self.tiles
        out[...] = tiles.background
        held = tiles.of_plane(plane)
        tops, lefts = tiles.tops[held], tiles.lefts[held]
        first_rows, last_rows = rows.inside(tops, tiles.rows)
        near = np.flatnonzero(first_rows < last_rows)
        first_columns, last_columns = columns.inside(lefts[near], tiles.columns)
        touched = first_columns < last_columns
        near, first_columns, last_columns = near[touched], first_columns[touched], last_columns[touched]

        def paint(i: int) -> None:
            n = int(near[i])
            part = slice(int(first_rows[n]), int(last_rows[n])), slice(int(first_columns[i]), int(last_columns[i]))
            down = rows.within(part[0].start, part[0].stop, int(tops[n]))
            across = columns.within(part[1].start, part[1].stop, int(lefts[n]))
            pixels = self.cache.use(held.start + n)[down][:, across]
            if tiles.is_clear:
                np.copyto(out[part], pixels, where=pixels != 0)
            else:
                out[part] = pixels

        if tiles.are_apart:
            self.cache.each(paint, list(range(len(near))))
        else:
            for i in range(len(near)):
                paint(i)


class TiledArray(LazyArray):
    """Lazy array of mosaics, shape (k, j, i) or (k, j, i, 3), that reads only the tiles that an index touches.

    ``read(n, out)`` fills tile `n` of `tiles`. Indexing returns new NumPy arrays and allocates no more than the pixels
    it selects: ``array[0, 1000:1500, ::4]``. Tiles read last stay in memory, up to `cache_bytes`. Operations on the
    whole array, such as ``np.asarray``, allocate it. Assignment keeps whole planes in memory. Nothing is read ahead.

    All else is as in `LazyArray`; `on_error` is called with the plane of an unreadable tile.
    """

    def __init__(
        self, shape: tuple[int, ...], dtype: np.dtype | type, tiles: Tiles, read: Callable[[int, np.ndarray], None]
    ) -> None:
        self.tiles = tiles
        self._mosaic = _Mosaic(shape, np.dtype(dtype), tiles, read)
        self._call: Callable[[int, Exception], object] | None = None
        super().__init__(shape, dtype, self._mosaic, plane_axes=len(shape) - 1)

    @property
    def tiles_loaded(self) -> int:
        """Number of tiles in memory."""
        return int(self._mosaic.cache.loaded.sum())

    @property
    def cache_bytes(self) -> int:
        """Memory limit of the cache of tiles, bytes."""
        return self._mosaic.cache.limit

    @cache_bytes.setter
    def cache_bytes(self, value: int) -> None:
        self._mosaic.cache.cache_bytes = value

    @property
    def source(self) -> Callable[[int, np.ndarray], None]:
        """The function that reads tiles."""
        return self._mosaic.reader.read

    @property
    def on_error(self) -> Callable[[int, Exception], object] | None:
        """Function called with the plane of an unreadable tile and the error; None raises the error."""
        return self._call

    @on_error.setter
    def on_error(self, call: Callable[[int, Exception], object] | None) -> None:
        self._call, planes = call, self.tiles.planes
        self._mosaic.reader.on_error = None if call is None else lambda n, error: call(int(planes[n]), error)

    def __repr__(self) -> str:
        return f"<TiledArray {self.shape} {self.dtype}, {self.tiles_loaded} of {len(self.tiles)} tiles in memory>"

    def read_tile(self, n: int) -> np.ndarray:
        """Return tile `n` from memory or its file, a read-only array of shape (rows, columns) or (rows, columns, 3)."""
        tile = self._mosaic.cache.use(n).view()
        tile.flags.writeable = False
        return tile

    def warm(self, start: int | None = None) -> None:
        """Do nothing: only tiles that are asked for are read."""

    # -- reading ------------------------------------------------------------------------------------

    def __getitem__(self, index: Any) -> Any:
        indices = index if isinstance(index, tuple) else (index,)
        chosen = self._chosen(indices)
        if chosen is None:
            return self.__array__()[index]
        picks, rest = chosen
        return self._crop(picks)[rest]

    def __array__(self, dtype: np.dtype | None = None, copy: bool | None = None) -> np.ndarray:
        if self._cache.loaded.all() or copy is False:
            if not self._cache.loaded.all():
                raise ValueError("the array cannot be given without a copy")
            return super().__array__(dtype, copy)
        full = self._crop([_Picks(np.arange(n), 1) for n in self.shape[:3]])
        return full if dtype is None or np.dtype(dtype) == self.dtype else full.astype(dtype)

    def _crop(self, picks: list[_Picks]) -> np.ndarray:
        """Return the selected planes, rows and columns, with all colors."""
        planes, rows, columns = picks
        sizes = (len(planes.indices), len(rows.indices), len(columns.indices))
        out = np.empty((*sizes, *self.shape[3:]), self.dtype)
        if not out.size:
            return out
        for part, plane in zip(out, planes.indices.tolist(), strict=True):
            if self._cache.loaded[plane]:  # it was assigned to
                part[...] = self._whole()[plane][rows.indices][:, columns.indices]
            else:
                self._mosaic.fill(plane, rows, columns, part)
        return out

    def _chosen(self, indices: tuple[Any, ...]) -> tuple[list[_Picks], tuple[Any, ...]] | None:
        """Return what an index needs of planes, rows and columns, and the index into that.

        The result is None for an index whose parts are not an integer, slice, None, or array of integers or booleans.
        """
        entries: list[Any] = []
        for entry in indices:
            if isinstance(entry, (bool, np.bool_)):
                return None
            known = entry if entry is None or entry is Ellipsis or isinstance(entry, slice) else np.asarray(entry)
            if not isinstance(known, np.ndarray):
                entries.append(known)
            elif known.dtype == bool and known.ndim:
                axis = sum(before is not None for before in entries)
                if any(before is Ellipsis for before in entries):
                    return None
                if known.shape != self.shape[axis : axis + known.ndim]:
                    raise IndexError(f"a mask of shape {known.shape} does not fit an array of shape {self.shape}")
                entries += known.nonzero()
            elif known.dtype.kind in "iu" or not known.size:
                entries.append(known.astype(np.intp) if known.ndim else int(known))
            else:
                return None
        return self._picked(entries)

    def _picked(self, entries: list[Any]) -> tuple[list[_Picks], tuple[Any, ...]]:
        n_axes = sum(entry is not None and entry is not Ellipsis for entry in entries)
        at = [i for i, entry in enumerate(entries) if entry is Ellipsis]
        if n_axes > self.ndim or len(at) > 1:
            raise IndexError(f"too many indices for an array of {self.ndim} axes")
        first = at[0] if at else len(entries)
        fill = (slice(None),) * (self.ndim - n_axes)
        entries = [*entries[:first], *fill, *entries[first:]]  # Ellipsis stays: it makes an array of a single value
        picks: list[_Picks] = []
        rest: list[Any] = []
        axis = 0
        for entry in entries:
            if entry is None or entry is Ellipsis or axis == 3:  # colors are always read together
                rest.append(entry)
                axis += entry is not None and entry is not Ellipsis
                continue
            pick, inside = _along(entry, self.shape[axis], axis)
            picks.append(pick)
            rest.append(inside)
            axis += 1
        return picks, tuple(rest)

    # -- copies -------------------------------------------------------------------------------------

    def __deepcopy__(self, _memo: dict[int, Any]) -> TiledArray:
        copied = TiledArray(self.shape, self.dtype, self.tiles, self.source)
        copied.cache_bytes, copied.on_error = self.cache_bytes, self.on_error
        copied._cache.restore(self._cache.edited)
        return copied

    def __getstate__(self) -> dict[str, Any]:
        state = {"shape": self.shape, "dtype": self.dtype, "tiles": self.tiles, "read": self.source}
        return state | {"cache_bytes": self.cache_bytes, "edited": self._cache.edited}


def _along(entry: Any, size: int, axis: int) -> tuple[_Picks, Any]:
    """Return what an index entry selects along an axis, and the index of its values among these.

    Raises
    ------
    IndexError
        If it lies outside the axis.
    """
    if isinstance(entry, slice):
        span = range(*entry.indices(size))
        span, is_back = (span[::-1], True) if span.step < 0 else (span, False)
        return _Picks(np.arange(span.start, span.stop, span.step), span.step), slice(None, None, -1 if is_back else 1)
    places = np.asarray(entry, dtype=np.intp)
    if places.size and not (-size <= int(places.min()) and int(places.max()) < size):
        raise IndexError(f"an index is out of bounds for axis {axis} with size {size}")
    places = np.where(places < 0, places + size, places)
    if not places.ndim:
        return _Picks(places.reshape(1), 1), 0
    distinct, inverse = np.unique(places, return_inverse=True)
    return _Picks(distinct), inverse.reshape(places.shape)
