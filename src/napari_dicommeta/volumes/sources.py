"""Where the pixels of frames are: files, frame numbers, offsets and pixel formats, as compact, picklable records."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from napari_dicommeta.dicom.pixels import read_color, read_frame, stored_digest

if TYPE_CHECKING:
    import numpy as np

    from napari_dicommeta.dicom.pixels import PixelFormat

__all__ = ["FrameSources"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FrameSources:
    """The files and places of frames' pixels, in order.

    `files`, `indices`: for each frame the index of its file in `paths`, and its number in the file. `offsets`: for each
    file where its pixel data begin. `format_ids`: for each file the index of its pixel format in `formats`.
    """

    paths: tuple[str, ...]
    files: np.ndarray
    indices: np.ndarray
    offsets: np.ndarray
    formats: tuple[PixelFormat, ...]
    format_ids: np.ndarray

    def __len__(self) -> int:
        return len(self.files)

    def path(self, n: int) -> str:
        """Return the path of the file of frame `n`."""
        return self.paths[int(self.files[n])]

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
        file = self.files[n]
        form = self.formats[self.format_ids[file]]
        return read_frame(self.paths[file], int(self.offsets[file]), int(self.indices[n]), form, out)

    def read_color(self, n: int) -> np.ndarray:
        """Return color frame `n` as RGB; see `dicom.pixels.read_color`."""
        return read_color(self.path(n), int(self.indices[n]))

    def digest(self, n: int) -> bytes:
        """Return a digest of the stored values of frame `n`; see `dicom.pixels.stored_digest`."""
        file = self.files[n]
        form = self.formats[self.format_ids[file]]
        return stored_digest(self.paths[file], int(self.offsets[file]), int(self.indices[n]), form)
