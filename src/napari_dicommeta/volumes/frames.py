"""Frames of a series: some of them, in order, with their texts, numbers, planes, positions and pixels."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_dicommeta.catalog.columns import first_tag_of
from napari_dicommeta.dicom.pixel_format import length_excess
from napari_dicommeta.support.cached import cached_property
from napari_dicommeta.support.sorting import sorted_unique
from napari_dicommeta.volumes.frame_table import read_frame_table
from napari_dicommeta.volumes.geometry import ImagePlane, near_tolerance, place_ids, place_tolerance
from napari_dicommeta.volumes.sources import FrameSources

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from napari_dicommeta.catalog.catalog import Catalog
    from napari_dicommeta.dicom.mosaic import Mosaic
    from napari_dicommeta.dicom.pixel_format import PixelFormat
    from napari_dicommeta.volumes.frame_table import FrameTable, PixelFormats

__all__ = ["Frames", "read_frames"]


class Frames:
    """Some frames of a series, in order.

    Texts are those of the catalog, "" where a frame has none; those of a frame's functional groups take precedence over
    its file's. All arrays have one entry per frame.
    """

    def __init__(self, table: FrameTable, rows: np.ndarray, tolerance: float = 0.0) -> None:
        self._table, self._rows = table, rows
        self.tolerance = tolerance
        """mm along the normal; images that lie nearer together are at one place. 0: rounding only."""

    def __len__(self) -> int:
        return len(self._rows)

    def at(self, rows: np.ndarray) -> Frames:
        """Return the frames at `rows`, indices or a mask, in their order; these frames themselves if that is all."""
        if len(rows) == len(self) and (rows.all() if rows.dtype == bool else (rows == np.arange(len(rows))).all()):
            return self
        return Frames(self._table, self._rows[rows], self.tolerance)

    def near(self) -> Frames:
        """Return the frames with one place for images of one slice that follows a movement."""
        assert self.main_plane is not None
        thickness = float(self.numbers("SliceThickness").min())
        return Frames(self._table, self._rows, near_tolerance(self.distances, self.main_plane, thickness))

    def _take(self, of_all: np.ndarray) -> np.ndarray:
        return np.asarray(of_all[self._rows])

    # -- elements -----------------------------------------------------------------------------------

    def texts(self, keyword: str) -> tuple[str, ...]:
        """Return the distinct texts of an element that occur, in the order of their codes."""
        column = self._table.column(keyword)
        if column.ids is None:
            return column.texts
        return tuple(column.texts[i] for i in sorted_unique(column.ids[self._rows]).tolist())

    def codes(self, keyword: str) -> np.ndarray:
        """Return for each frame the index of its text among `texts`, intp."""
        column = self._table.column(keyword)
        if column.ids is None:
            return np.zeros(len(self), dtype=np.intp)
        return np.asarray(np.unique(column.ids[self._rows], return_inverse=True)[1])

    def text(self, keyword: str, n: int = 0) -> str:
        """Return the text of an element of frame `n`."""
        column = self._table.column(keyword)
        return column.texts[0 if column.ids is None else column.ids[self._rows[n]]]

    def column(self, keyword: str) -> list[str]:
        """Return the text of an element of each frame."""
        column = self._table.column(keyword)
        if column.ids is None:
            return [column.texts[0]] * len(self)
        return [column.texts[i] for i in column.ids[self._rows].tolist()]

    def numbers(self, keyword: str, width: int = 1) -> np.ndarray:
        """Return `width` numbers of an element, float64 of shape (n, width); NaN where it has others or none."""
        return self._take(self._table.numbers(keyword, width))

    def varying_keywords(self) -> Iterator[str]:
        """Yield the path of every element that differs between frames, those of functional groups first."""
        for keyword in self._table.own:
            if len(self.texts(keyword)) > 1:
                yield keyword
        rows = self._table.catalog.file_rows
        for column in rows.columns(sorted(rows.store.keys, key=first_tag_of)):
            if rows.constant_code(column) is None:
                yield column.path.text

    # -- places -------------------------------------------------------------------------------------

    @cached_property
    def is_placed(self) -> np.ndarray:
        """Return whether each frame says where it lies in the patient, bool."""
        return self.plane_ids >= 0

    @property
    def is_impossible(self) -> np.ndarray:
        """Whether each frame states a position or orientation that is none, bool."""
        return self._take(self._table.placed.impossible)

    @cached_property
    def plane_ids(self) -> np.ndarray:
        """Return the index of each frame's plane in `planes`, -1 without a plane."""
        return self._take(self._table.placed.plane_ids)

    @property
    def planes(self) -> tuple[ImagePlane, ...]:
        """The distinct planes of all frames of the series."""
        return self._table.placed.planes

    @cached_property
    def positions(self) -> np.ndarray:
        """Return Image Position (Patient), float64 of shape (n, 3), mm; NaN without one."""
        return self._take(self._table.placed.positions)

    @cached_property
    def main_plane(self) -> ImagePlane | None:
        """Return the most frequent plane, whatever the order of the frames; None if no frame is placed."""
        ids = self.plane_ids
        if (ids == ids[0]).all():
            return self.planes[int(ids[0])] if ids[0] >= 0 else None
        held, counts = np.unique(ids[ids >= 0], return_counts=True)
        leading: list[ImagePlane] = [self.planes[i] for i in held[counts == counts.max()].tolist()]
        leading.sort(key=lambda plane: (plane.cosines, plane.spacing))
        return leading[0]

    @cached_property
    def distances(self) -> np.ndarray:
        """Return the distance of each frame along the normal of the main plane, mm; all frames must be placed."""
        assert self.main_plane is not None
        return np.asarray(self.positions @ self.main_plane.normal)

    @cached_property
    def places(self) -> np.ndarray:
        """Return the rank of each frame's distance, from 0, intp; frames at one position share a rank."""
        assert self.main_plane is not None
        return place_ids(self.distances, max(place_tolerance(self.main_plane), self.tolerance))

    @property
    def order(self) -> np.ndarray:
        """Rank by Instance Number, then file, then frame."""
        return self._take(self._table.order)

    @property
    def is_tile(self) -> np.ndarray:
        """Whether each frame is a tile of a mosaic, bool."""
        return (
            np.isin(self.files, list(self._table.mosaics)) if self._table.mosaics else np.zeros(len(self), dtype=bool)
        )

    @property
    def is_untiled(self) -> bool:
        """Whether some frames are mosaics whose tiles are unknown."""
        return len(self._table.untiled) > 0 and bool(np.isin(self.files, self._table.untiled).any())

    @property
    def mosaics(self) -> tuple[Mosaic, ...]:
        """The mosaics that hold the frames, one for each file."""
        rows = sorted_unique(self.files).tolist() if self._table.mosaics else ()
        return tuple(self._table.mosaics[row][0] for row in rows if row in self._table.mosaics)

    # -- pixels -------------------------------------------------------------------------------------

    @property
    def format_ids(self) -> np.ndarray:
        """The index of each frame's format in `formats`."""
        return np.asarray(self._table.formats.ids[self.files])

    @property
    def formats(self) -> tuple[PixelFormat, ...]:
        """The distinct pixel formats of the series."""
        return self._table.formats.distinct

    def pixel_format(self, n: int = 0) -> PixelFormat:
        """Return the pixel format of frame `n`."""
        return self.formats[int(self._table.formats.ids[self._table.files[self._rows[n]]])]

    @property
    def files(self) -> np.ndarray:
        """The number of each frame's file in the series, int32."""
        return self._take(self._table.files)

    @property
    def indices(self) -> np.ndarray:
        """The number of each frame in its file, from 0, int32."""
        return self._take(self._table.indices)

    @property
    def file_sizes(self) -> np.ndarray:
        """Bytes of each frame's file, int64."""
        sizes = self._table.catalog.file_column("size")
        return np.asarray(sizes[self.files])

    def path(self, n: int = 0) -> str:
        """Return the path of the file of frame `n`."""
        return self._table.catalog.paths[int(self._table.files[self._rows[n]])]

    def paths(self) -> tuple[str, ...]:
        """Return the distinct paths of the frames' files, in frame order."""
        paths = self._table.catalog.paths
        return tuple(paths[i] for i in dict.fromkeys(self.files.tolist()))

    @property
    def endings(self) -> dict[str, str]:
        """What is missing at the end of the frames of files: path -> reason."""
        endings = self._table.endings
        return {path: endings[path] for path in self.paths() if path in endings} if endings else {}

    def excesses(self) -> dict[str, tuple[str, ...]]:
        """Return what is longer than its frames: reason -> the paths of files with native pixel data of that length."""
        files = self.files if self._table.is_one_each else sorted_unique(self.files)
        paths, ids = self._table.catalog.paths, self._table.formats.ids[files].astype(np.int64)
        lengths = self._table.catalog.file_column("pixel_length")[files]
        if len(self.formats) == 1 and not self._table.mosaics and (lengths == lengths[0]).all():
            reason = length_excess(self.formats[0], int(lengths[0]))
            return {reason: tuple(paths[row] for row in files.tolist())} if reason else {}
        wholes = {row: tiles.whole for row, (_, tiles) in self._table.mosaics.items()}
        found: dict[str, list[str]] = {}
        first, kinds = np.unique(ids * (int(lengths.max()) + 2) + lengths, return_index=True, return_inverse=True)[1:]
        for n, of_kind in enumerate(first.tolist()):
            form = wholes.get(int(files[of_kind]), self.formats[int(ids[of_kind])])
            if reason := length_excess(form, int(lengths[of_kind])):
                found.setdefault(reason, []).extend(paths[row] for row in files[kinds == n].tolist())
        return {reason: tuple(paths) for reason, paths in found.items()}

    def sources(self) -> FrameSources:
        """Return where the pixels of the frames are."""
        paths, catalog, files = self._table.catalog.paths, self._table.catalog, self.files
        mosaics = self._table.mosaics
        if self._table.is_one_each and len(files) == len(paths):  # all files: their columns serve as they are
            return FrameSources(
                paths=paths,
                files=files,
                indices=self.indices,
                offsets=catalog.file_column("pixel_offset"),
                formats=self.formats,
                format_ids=self._table.formats.ids,
                tiles={row: tiles for row, (_, tiles) in mosaics.items()},
            )
        if self._table.is_one_each:
            used, numbers = files, np.arange(len(files), dtype=np.int32)
        else:
            used, inverse = np.unique(files, return_inverse=True)
            numbers = inverse.astype(np.int32)
        return FrameSources(
            paths=tuple(map(paths.__getitem__, used.tolist())),
            files=numbers,
            indices=self.indices,
            offsets=catalog.file_column("pixel_offset")[used],
            formats=self.formats,
            format_ids=self._table.formats.ids[used],
            tiles={n: mosaics[row][1] for n, row in enumerate(used.tolist()) if row in mosaics} if mosaics else {},
        )


def read_frames(
    catalog: Catalog, formats: PixelFormats, endings: Mapping[str, str]
) -> tuple[Frames | None, list[tuple[str, str]]]:
    """Return the frames of all files of `catalog`, and (path, reason) of each file that cannot be read.

    `formats` has one entry per file; `endings`: path -> what is missing at the end of its frames. The frames are None
    if no file can be read.
    """
    table, failed = read_frame_table(catalog, formats, endings)
    return None if table is None else Frames(table, np.arange(len(table.files))), failed
