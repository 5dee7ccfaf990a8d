"""Where the pixels of frames are: files, frame numbers, offsets and pixel formats, as compact, picklable records."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from hashlib import blake2b
from typing import TYPE_CHECKING

from napari_dicommeta.dicom.pixels import PixelErrors, read_color, read_frame, stored_digest
from napari_dicommeta.files.bounded_cache import BoundedCache
from napari_dicommeta.files.opening import file_key
from napari_dicommeta.files.urls import is_url
from napari_dicommeta.support.errors import PixelError
from napari_dicommeta.support.sorting import sorted_unique

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np

    from napari_dicommeta.dicom.pixel_format import PixelFormat

__all__ = ["FrameSources", "Tiles"]


URL_THREADS = 8
MOSAIC_BYTES = 64 << 20
"""Bytes of the mosaics whose stored values stay in memory, as their tiles are read one after the other."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tiles:
    """Frames that are tiles of one image: the format of the `whole` image, and (row, column) where each tile begins."""

    whole: PixelFormat
    origins: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FrameSources:
    """The files and places of frames' pixels, in order.

    `files`, `indices`: for each frame the index of its file in `paths`, and its number in the file. `offsets`: for each
    file where its pixel data begin. `format_ids`: for each file the index of its frames' format in `formats`. `tiles`:
    index of a file -> the tiles that are its frames.
    """

    paths: tuple[str, ...]
    files: np.ndarray
    indices: np.ndarray
    offsets: np.ndarray
    formats: tuple[PixelFormat, ...]
    format_ids: np.ndarray
    tiles: Mapping[int, Tiles] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.files)

    @property
    def waiting_threads(self) -> int:
        """The number of frames to read at a time where that waits for a server; 0 of files on this computer."""
        return URL_THREADS if self.paths and is_url(self.paths[0]) else 0

    @property
    def used_formats(self) -> list[PixelFormat]:
        """The distinct formats of the frames."""
        if len(self.formats) == 1:
            return list(self.formats)
        return [self.formats[i] for i in sorted_unique(self.format_ids[self.files]).tolist()]

    def path(self, n: int) -> str:
        """Return the path of the file of frame `n`."""
        return self.paths[int(self.files[n])]

    def errors(self, n: int) -> PixelErrors:
        """Return a context in which whatever is raised becomes a `PixelError` that names frame `n`."""
        return PixelErrors(self.path(n), int(self.indices[n]))

    def pixel_format(self, n: int) -> PixelFormat:
        """Return the pixel format of frame `n`."""
        return self.formats[int(self.format_ids[self.files[n]])]

    def places(self) -> tuple[tuple[str, int], ...]:
        """Return (path, frame) of each frame."""
        return tuple(
            (self.paths[i], index) for i, index in zip(self.files.tolist(), self.indices.tolist(), strict=True)
        )

    def shown(self, frames: np.ndarray) -> FrameSources:
        """Return the sources of `frames`, indices; -1 stands for no frame, which has the first file and number -1."""
        missing = frames < 0
        files, indices = self.files[frames], self.indices[frames]
        files[missing], indices[missing] = 0, -1
        return replace(self, files=files, indices=indices)

    def read(self, n: int, out: np.ndarray | None = None) -> np.ndarray:
        """Return the stored values of gray frame `n`; see `dicom.pixels.read_frame`."""
        file, index = int(self.files[n]), int(self.indices[n])
        form = self.formats[int(self.format_ids[file])]
        if file not in self.tiles:
            return read_frame(self.paths[file], int(self.offsets[file]), index, form, out)
        tiles = self.tiles[file]
        row, column = tiles.origins[index]
        whole = _read_mosaic(self.paths[file], int(self.offsets[file]), tiles.whole)
        tile = whole[row : row + form.rows, column : column + form.columns]
        if out is None:
            return tile.copy()
        out.view(tile.dtype)[...] = tile
        return out

    def read_color(self, n: int, out: np.ndarray | None = None) -> np.ndarray:
        """Return color frame `n` as RGB; see `dicom.pixels.read_color`."""
        file = int(self.files[n])
        form = self.formats[int(self.format_ids[file])]
        return read_color(self.paths[file], int(self.offsets[file]), int(self.indices[n]), form, out)

    def digest(self, n: int) -> bytes:
        """Return a digest of the stored values of frame `n`; see `dicom.pixels.stored_digest`."""
        file, index = int(self.files[n]), int(self.indices[n])
        if file in self.tiles:
            return blake2b(self.read(n).tobytes(), digest_size=16).digest()
        form = self.formats[int(self.format_ids[file])]
        return stored_digest(self.paths[file], int(self.offsets[file]), index, form)


_MOSAICS: BoundedCache[np.ndarray] = BoundedCache(MOSAIC_BYTES, lambda whole: whole.nbytes)


def _read_mosaic(path: str, offset: int, form: PixelFormat) -> np.ndarray:
    """Return the stored values of a mosaic, from memory if it was read last."""
    try:
        key = (*file_key(path), offset, form)
    except OSError as error:
        raise PixelError(path, error.strerror or type(error).__name__) from error
    return _MOSAICS.get(key, lambda: _whole(path, offset, form))


def _whole(path: str, offset: int, form: PixelFormat) -> np.ndarray:
    whole = read_frame(path, offset, 0, form)
    whole.flags.writeable = False
    return whole
