"""Columns of all frames of a series: texts and numbers of elements, without an object per frame."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from napari_dicommeta.dicom.frame_places import VECTORS
from napari_dicommeta.dicom.functional_groups import FRAME_TAGS_AT_TOP, FRAMES_TAG_AT_TOP, read_frame_columns
from napari_dicommeta.dicom.mosaic import is_mosaic, read_mosaic
from napari_dicommeta.dicom.values import numbers
from napari_dicommeta.support.cached import cached_property
from napari_dicommeta.support.errors import FunctionalGroupsError
from napari_dicommeta.support.sorting import sorted_unique
from napari_dicommeta.volumes.frame_column import NO_TEXT, FrameColumn, column_of, joined_columns
from napari_dicommeta.volumes.frame_planes import Planes, filled_spacing, planes_of, spacing_column
from napari_dicommeta.volumes.sources import Tiles

if TYPE_CHECKING:
    from napari_dicommeta.catalog.catalog import Catalog
    from napari_dicommeta.dicom.mosaic import Mosaic
    from napari_dicommeta.dicom.pixel_format import PixelFormat

__all__ = ["FrameTable", "PixelFormats", "read_frame_table"]

_KEYWORDS = {name: vector for vector, name in VECTORS.items()}
"""Names of numbers of NM frames -> the keyword of the vector that holds them."""


@dataclass(frozen=True, slots=True)
class PixelFormats:
    """The pixel formats of some files: the distinct ones, and the index of each file's among them (int32)."""

    distinct: tuple[PixelFormat, ...]
    ids: np.ndarray

    def at(self, rows: np.ndarray) -> PixelFormats:
        """Return the formats of the files at `rows`."""
        return PixelFormats(self.distinct, self.ids[rows])


_ABSENT = FrameColumn(NO_TEXT, None)


class FrameTable:
    """All frames of a series.

    `files`: the row of each frame's file in `catalog`, int32. `indices`: the number of each frame in its file, from 0.
    `formats`: the pixel format of each file's frames. `own`: keyword -> column of elements that frames have for
    themselves, which take precedence over their file's. `mosaics`: row of a file -> the tiles that are its frames.
    `untiled`: rows of the mosaics whose tiles are unknown. `endings`: path -> what is missing at the end of its
    encapsulated frames.
    """

    def __init__(
        self,
        catalog: Catalog,
        formats: PixelFormats,
        files: np.ndarray,
        indices: np.ndarray,
        own: dict[str, FrameColumn],
        mosaics: dict[int, tuple[Mosaic, Tiles]],
        untiled: np.ndarray,
        endings: Mapping[str, str],
    ) -> None:
        self.catalog, self.formats, self.files, self.indices, self.own = catalog, formats, files, indices, own
        self.mosaics, self.untiled, self.endings = mosaics, untiled, endings
        self._columns: dict[str, FrameColumn] = {}
        self.is_one_each = len(files) == catalog.n_files
        """Whether each file has one frame."""

    def column(self, keyword: str) -> FrameColumn:
        """Return the texts of an element for all frames."""
        column = self._columns.get(keyword)
        if column is None:
            column = self._columns[keyword] = self._merged(keyword)
        return column

    def _merged(self, keyword: str) -> FrameColumn:
        own = self.own.get(keyword)
        if own is None:
            return self._of_files(keyword)
        return own.over(self._of_files(keyword), len(self.files))

    def _of_files(self, keyword: str) -> FrameColumn:
        rows = self.catalog.file_rows
        column = rows.store.find_tag(keyword)
        if column is None:
            return _ABSENT
        code = rows.constant_code(column)
        if code is not None:  # most elements are the same in a whole series
            return FrameColumn((column.text_of(code),), None)
        stored, ids = np.unique(rows.stored_codes(column), return_inverse=True)
        known: dict[str, int] = {}
        mapped = [known.setdefault(column.text_of(code), len(known)) for code in stored.tolist()]
        of_files = np.array(mapped, dtype=np.int32)[ids]
        return column_of(tuple(known), of_files if self.is_one_each else of_files[self.files])

    @cached_property
    def placed(self) -> Planes:
        """Return the planes and positions of all frames."""
        n = len(self.files)
        positions = self.numbers("ImagePositionPatient", 3)
        states = np.ones(n, dtype=bool)
        if np.isnan(positions).any():
            states = self.column("ImagePositionPatient").where(map(bool, self.column("ImagePositionPatient").texts), n)
        if not self.is_one_each:  # one position for a whole file does not place its frames
            shares = (np.bincount(self.files) > 1)[self.files]
            own = self.own.get("ImagePositionPatient")
            if own is not None:
                shares &= ~own.where(map(bool, own.texts), n)
            positions[shares], states[shares] = np.nan, False
        if len(self.untiled):  # the position of a mosaic is that of no slice, nor of its own pixels
            positions[np.isin(self.files, self.untiled)] = np.nan
            states[np.isin(self.files, self.untiled)] = False
        spacing = spacing_column(self.column("PixelSpacing"), self.column("ImagerPixelSpacing"), n)
        if len({(form.rows, form.columns) for form in self.formats.distinct}) == 1:
            spacing = filled_spacing(spacing, n)
        return planes_of(positions, states, self.column("ImageOrientationPatient"), spacing)

    @cached_property
    def order(self) -> np.ndarray:
        """Return the rank of each frame by Instance Number, then file, then frame, for ties between equal places."""
        numbers = self.numbers("InstanceNumber", 1)[:, 0]
        order = np.lexsort((self.indices, self.files, np.nan_to_num(numbers), np.isnan(numbers)))
        ranks = np.empty(len(order), dtype=np.intp)
        ranks[order] = np.arange(len(order))
        return ranks

    def numbers(self, keyword: str, width: int) -> np.ndarray:
        """Return `width` numbers of an element for all frames, float64 of shape (n, width), NaN where it has others."""
        own = self.own.get(keyword)
        column = self.catalog.file_rows.find(keyword)
        if column is None:
            table = np.full((len(self.files), width), np.nan)
        else:
            codes = self.catalog.file_rows.stored_codes(column)
            table = column.number_table(width)[codes]
            table[codes < 0] = np.nan
            table = table if self.is_one_each else table[self.files]
        if own is not None:
            ids, values = own.ids_of(len(table)), [numbers(text, width) for text in own.texts]
            stated = own.where(map(bool, own.texts), len(table))
            rows = np.array([value if value is not None else (np.nan,) * width for value in values])
            table[stated] = rows[ids[stated]]
        return table


def read_frame_table(
    catalog: Catalog, formats: PixelFormats, endings: Mapping[str, str]
) -> tuple[FrameTable | None, list[tuple[str, str]]]:
    """Return the frames of all files of `catalog`, and (path, reason) of each file that cannot be read.

    `formats` has one entry per file, `endings` is that of `FrameTable`. What multi-frame files say of single frames is
    read from the files, as are the tiles of mosaics; everything else comes from the catalog. The table is None if no
    file can be read.
    """
    columns, failed = _frame_columns(catalog, formats)
    if failed:
        lost = {path for path, _ in failed}
        rest = np.array([row for row, path in enumerate(catalog.paths) if path not in lost], dtype=np.intp)
        if not len(rest):
            return None, failed
        renumbered = {old: new for new, old in enumerate(rest.tolist())}
        columns = {renumbered[old]: of_file for old, of_file in columns.items()}
        catalog, formats = catalog.rows(rest), formats.at(rest)
    mosaics, untiled = _mosaics(catalog, formats)
    counts = _counts(formats)
    if mosaics:
        formats = _of_tiles(formats, mosaics)
        for row, (mosaic, _) in mosaics.items():
            counts[row] = mosaic.count
            columns[row] = _tile_columns(mosaic)
    files = np.repeat(np.arange(len(counts), dtype=np.int32), counts)
    starts = np.cumsum(counts) - counts
    indices = (np.arange(len(files)) - np.repeat(starts, counts)).astype(np.int32)
    of_files = {int(starts[row]): of_file for row, of_file in columns.items()}
    own = joined_columns(of_files, {int(starts[row]): int(counts[row]) for row in columns}, len(files))
    return FrameTable(catalog, formats, files, indices, own, mosaics, untiled, endings), failed


_Columns = Mapping[str, tuple[tuple[str, ...], "np.ndarray | None"]]


def _frame_columns(catalog: Catalog, formats: PixelFormats) -> tuple[dict[int, _Columns], list[tuple[str, str]]]:
    """Return row -> columns of the files that say something about single frames, and the unreadable files."""
    says = np.zeros(catalog.n_files, dtype=bool)
    for tag in (*FRAME_TAGS_AT_TOP, FRAMES_TAG_AT_TOP):
        column = catalog.file_rows.find(tag)
        if column is not None:
            stated = catalog.file_rows.stored_codes(column) >= 0
            says |= stated & (_counts(formats) > 1) if tag == FRAMES_TAG_AT_TOP else stated
    columns: dict[int, _Columns] = {}
    failed: list[tuple[str, str]] = []
    for row in np.flatnonzero(says).tolist():
        try:
            of_file = read_frame_columns(catalog.paths[row], formats.distinct[formats.ids[row]].frames).columns
        except FunctionalGroupsError as error:
            failed.append((catalog.paths[row], str(error)))
        else:
            columns[row] = {_KEYWORDS.get(keyword, keyword): column for keyword, column in of_file.items()}
    return columns, failed


def _counts(formats: PixelFormats) -> np.ndarray:
    """Return the number of frames of each file."""
    counts: np.ndarray = np.array([form.frames for form in formats.distinct], dtype=np.int64)[formats.ids]
    return counts


def _mosaics(catalog: Catalog, formats: PixelFormats) -> tuple[dict[int, tuple[Mosaic, Tiles]], np.ndarray]:
    """Return row -> tiles of the files that are mosaics, and the rows of mosaics whose tiles are unknown."""
    mosaics: dict[int, tuple[Mosaic, Tiles]] = {}
    untiled: list[int] = []
    column = catalog.file_rows.find("ImageType")
    if column is not None:
        codes = catalog.file_rows.stored_codes(column)
        held = [code for code in sorted_unique(codes).tolist() if is_mosaic(column.text_of(code))]
        for row in np.flatnonzero(np.isin(codes, held)).tolist() if held else ():
            form = formats.distinct[formats.ids[row]]
            mosaic = read_mosaic(catalog.paths[row], form.rows, form.columns) if form.frames == 1 else None
            if mosaic is not None and not form.is_color:
                mosaics[row] = mosaic, Tiles(whole=form, origins=mosaic.origins)
            elif form.frames == 1:
                untiled.append(row)
    rows = np.array(untiled, dtype=np.intp)
    if len(rows) and not mosaics and _are_slices(catalog, formats, rows):
        rows = rows[:0]
    return mosaics, rows


def _are_slices(catalog: Catalog, formats: PixelFormats, rows: np.ndarray) -> bool:
    """Return whether images called mosaics are single slices, which some programs make of them.

    They then lie at several positions, or have the size of *Acquisition Matrix* (PS3.3 section C.8.3.1).
    """
    column = catalog.file_rows.find("ImagePositionPatient")
    if column is not None and len(sorted_unique(catalog.file_rows.stored_codes(column)[rows])) > 1:
        return True
    form, matrix = formats.distinct[formats.ids[rows[0]]], catalog.file_rows.find("AcquisitionMatrix")
    code = -1 if matrix is None else int(catalog.file_rows.stored_codes(matrix)[rows[0]])
    sides = numbers(matrix.text_of(code), 4) if matrix is not None and code >= 0 else None
    return sides is not None and (form.rows, form.columns) == (sides[0] or sides[2], sides[1] or sides[3])


def _of_tiles(formats: PixelFormats, mosaics: dict[int, tuple[Mosaic, Tiles]]) -> PixelFormats:
    """Return the formats of the frames: those of mosaics have the size of a tile."""
    known = {form: i for i, form in enumerate(formats.distinct)}
    ids = formats.ids.copy()
    for row, (mosaic, tiles) in mosaics.items():
        form = replace(tiles.whole, rows=mosaic.rows, columns=mosaic.columns)
        ids[row] = known.setdefault(form, len(known))
    return PixelFormats(tuple(known), ids)


def _tile_columns(mosaic: Mosaic) -> _Columns:
    """Return the columns of the frames of a mosaic: their positions, which are not that of the file."""
    if mosaic.positions is None:
        return {}
    texts = tuple("\\".join(map(repr, position)) for position in mosaic.positions.tolist())
    return {"ImagePositionPatient": (texts, np.arange(mosaic.count, dtype=np.int32))}
