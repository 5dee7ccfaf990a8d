"""Frames of a series as columns: texts and numbers of elements, planes and positions, without an object per frame."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_dicommeta.dicom.functional_groups import read_frame_texts
from napari_dicommeta.dicom.values import numbers
from napari_dicommeta.support.cached import cached_property
from napari_dicommeta.support.errors import FunctionalGroupsError
from napari_dicommeta.volumes.geometry import MAX_COORDINATE, ImagePlane, place_ids, place_tolerance
from napari_dicommeta.volumes.pixel_spacing import is_spacing
from napari_dicommeta.volumes.sources import FrameSources

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari_dicommeta.catalog.catalog import Catalog
    from napari_dicommeta.dicom.pixels import PixelFormat

__all__ = ["Frames", "PixelFormats", "read_frames"]

GROUP_TAGS = ("SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence", "GridFrameOffsetVector")
"""Elements that hold values of individual frames."""
NO_TEXT = ("",)


@dataclass(frozen=True, slots=True)
class PixelFormats:
    """The pixel formats of some files: the distinct ones, and the index of each file's among them (int32)."""

    distinct: tuple[PixelFormat, ...]
    ids: np.ndarray

    def at(self, rows: np.ndarray) -> PixelFormats:
        """Return the formats of the files at `rows`."""
        return PixelFormats(self.distinct, self.ids[rows])

    @property
    def used(self) -> tuple[PixelFormat, ...]:
        """The distinct formats that occur."""
        return tuple(self.distinct[i] for i in np.unique(self.ids).tolist())


@dataclass(frozen=True, slots=True)
class _Column:
    """Distinct texts of an element, "" for none, and the index of each frame's text; None if all frames share one."""

    texts: tuple[str, ...]
    ids: np.ndarray | None


class _Table:
    """All frames of a series.

    `files`: the row of each frame's file in `catalog`, int32. `indices`: the number of each frame in its file, from 0.
    `own`: keyword -> column of elements that frames have for themselves, which take precedence over their file's.
    """

    def __init__(
        self,
        catalog: Catalog,
        formats: PixelFormats,
        files: np.ndarray,
        indices: np.ndarray,
        own: dict[str, _Column],
    ) -> None:
        self.catalog, self.formats, self.files, self.indices, self.own = catalog, formats, files, indices, own
        self._columns: dict[str, _Column] = {}
        self.is_one_each = len(files) == catalog.n_files
        """Whether each file has one frame."""

    def column(self, keyword: str) -> _Column:
        """Return the texts of an element for all frames."""
        column = self._columns.get(keyword)
        if column is None:
            column = self._columns[keyword] = self._merged(keyword)
        return column

    def _merged(self, keyword: str) -> _Column:
        of_files, own = self._of_files(keyword), self.own.get(keyword)
        if own is None:
            return of_files
        if of_files.texts == NO_TEXT:
            return own
        texts = list(of_files.texts)
        known = {text: i for i, text in enumerate(texts)}
        mapped = np.array([known.setdefault(text, len(known)) if text else -1 for text in own.texts], dtype=np.int32)
        own_ids = mapped[own.ids] if own.ids is not None else np.full(len(self.files), mapped[0], np.int32)
        file_ids = of_files.ids if of_files.ids is not None else 0
        return _column(tuple(known), np.where(own_ids < 0, file_ids, own_ids).astype(np.int32))

    def _of_files(self, keyword: str) -> _Column:
        rows = self.catalog.file_rows
        column = rows.find(keyword)
        if column is None:
            return _Column(NO_TEXT, None)
        codes = rows.stored_codes(column)
        if (codes == codes[0]).all():  # most elements are the same in a whole series
            return _Column((column.text_of(int(codes[0])),), None)
        stored, ids = np.unique(codes, return_inverse=True)
        known: dict[str, int] = {}
        mapped = [known.setdefault(column.text_of(code), len(known)) for code in stored.tolist()]
        of_files = np.array(mapped, dtype=np.int32)[ids]
        return _column(tuple(known), of_files if self.is_one_each else of_files[self.files])

    @cached_property
    def placed(self) -> _Planes:
        """Return the planes and positions of all frames."""
        return _planes(self)

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
            ids = own.ids if own.ids is not None else np.zeros(len(table), dtype=np.int32)
            values = [numbers(text, width) for text in own.texts]
            stated = np.array([bool(text) for text in own.texts])[ids]
            rows = np.array([value if value is not None else (np.nan,) * width for value in values])
            table[stated] = rows[ids[stated]]
        return table


def _column(texts: tuple[str, ...], ids: np.ndarray) -> _Column:
    return _Column((texts[ids[0]],), None) if (ids == ids[0]).all() else _Column(texts, ids)


class Frames:
    """Some frames of a series, in order.

    Texts are those of the catalog, "" where a frame has none; those of a frame's functional groups take precedence over
    its file's. All arrays have one entry per frame.
    """

    def __init__(self, table: _Table, rows: np.ndarray) -> None:
        self._table, self._rows = table, rows

    def __len__(self) -> int:
        return len(self._rows)

    def at(self, rows: np.ndarray) -> Frames:
        """Return the frames at `rows`, indices or a mask, in their order."""
        return Frames(self._table, self._rows[rows])

    def _take(self, of_all: np.ndarray) -> np.ndarray:
        return np.asarray(of_all[self._rows])

    # -- elements -----------------------------------------------------------------------------------

    def texts(self, keyword: str) -> tuple[str, ...]:
        """Return the distinct texts of an element that occur, in the order of their codes."""
        column = self._table.column(keyword)
        if column.ids is None:
            return column.texts
        return tuple(column.texts[i] for i in np.unique(column.ids[self._rows]).tolist())

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
        for column in sorted(rows.columns(), key=lambda column: column.first_tag):
            codes = rows.stored_codes(column)
            if (codes != codes[0]).any():
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
        """Return the most frequent plane, None if no frame is placed."""
        ids = self.plane_ids
        if (ids == ids[0]).all():
            return self.planes[int(ids[0])] if ids[0] >= 0 else None
        ids = ids[ids >= 0]
        return self.planes[int(np.argmax(np.bincount(ids)))]

    @cached_property
    def distances(self) -> np.ndarray:
        """Return the distance of each frame along the normal of the main plane, mm; all frames must be placed."""
        assert self.main_plane is not None
        return np.asarray(self.positions @ self.main_plane.normal)

    @cached_property
    def places(self) -> np.ndarray:
        """Return the rank of each frame's distance, from 0, intp; frames at one position share a rank."""
        assert self.main_plane is not None
        return place_ids(self.distances, place_tolerance(self.main_plane))

    @property
    def order(self) -> np.ndarray:
        """Rank by Instance Number, then file, then frame."""
        return self._take(self._table.order)

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

    def path(self, n: int = 0) -> str:
        """Return the path of the file of frame `n`."""
        return self._table.catalog.paths[int(self._table.files[self._rows[n]])]

    def paths(self) -> tuple[str, ...]:
        """Return the distinct paths of the frames' files, in frame order."""
        paths = self._table.catalog.paths
        return tuple(paths[i] for i in dict.fromkeys(self.files.tolist()))

    def sources(self) -> FrameSources:
        """Return where the pixels of the frames are."""
        paths, catalog, files = self._table.catalog.paths, self._table.catalog, self.files
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
        )


def read_frames(catalog: Catalog, formats: PixelFormats) -> tuple[Frames | None, list[tuple[str, str]]]:
    """Return the frames of all files of `catalog`, and (path, reason) of each file that cannot be read.

    `formats` has one entry per file. The functional groups of multi-frame files are read from the files, everything
    else comes from the catalog. The frames are None if no file can be read.
    """
    counts = np.array([form.frames for form in formats.distinct], dtype=np.int64)[formats.ids]
    with_groups = np.zeros(catalog.n_files, dtype=bool)
    for tag in GROUP_TAGS:
        column = catalog.file_rows.find(tag)
        if column is not None:
            with_groups |= catalog.file_rows.stored_codes(column) >= 0
    groups: dict[int, list[dict[str, str]]] = {}
    failed: list[tuple[str, str]] = []
    unreadable = []
    for row in np.flatnonzero(with_groups).tolist():
        try:
            groups[row] = read_frame_texts(catalog.paths[row], int(counts[row]))
        except FunctionalGroupsError as error:
            failed.append((catalog.paths[row], str(error)))
            unreadable.append(row)
    if unreadable:
        rest = np.setdiff1d(np.arange(catalog.n_files), unreadable)
        if not len(rest):
            return None, failed
        catalog, formats, counts = catalog.rows(rest), formats.at(rest), counts[rest]
        groups = {new: groups[old] for new, old in enumerate(rest.tolist()) if old in groups}
    files = np.repeat(np.arange(len(counts), dtype=np.int32), counts)
    starts = np.cumsum(counts) - counts
    indices = (np.arange(len(files)) - np.repeat(starts, counts)).astype(np.int32)
    own = _own_columns({int(starts[row]): texts for row, texts in groups.items()}, len(files))
    table = _Table(catalog, formats, files, indices, own)
    return Frames(table, np.arange(len(files))), failed


def _own_columns(groups: dict[int, list[dict[str, str]]], n: int) -> dict[str, _Column]:
    """Return keyword -> column of the elements in functional groups; `groups`: first frame of a file -> its texts."""
    known: dict[str, dict[str, int]] = {}
    ids: dict[str, np.ndarray] = {}
    for start, frames in groups.items():
        for i, texts in enumerate(frames, start):
            for keyword, text in texts.items():
                if keyword not in known:
                    known[keyword], ids[keyword] = {"": 0}, np.zeros(n, dtype=np.int32)
                ids[keyword][i] = known[keyword].setdefault(text, len(known[keyword]))
    return {keyword: _column(tuple(texts), ids[keyword]) for keyword, texts in known.items()}


@dataclass(frozen=True, slots=True)
class _Planes:
    """Planes and positions: `impossible` marks frames that state a place which is none."""

    planes: tuple[ImagePlane, ...]
    plane_ids: np.ndarray
    positions: np.ndarray
    impossible: np.ndarray


def _planes(table: _Table) -> _Planes:
    positions = table.numbers("ImagePositionPatient", 3)
    orientation, spacing = table.column("ImageOrientationPatient"), _spacing_column(table)
    n = len(positions)
    whole_file = np.zeros(n, dtype=bool)  # one position for a whole file does not place its frames
    if not table.is_one_each:
        whole_file = np.array([form.frames > 1 for form in table.formats.distinct])[table.formats.ids[table.files]]
        own = table.own.get("ImagePositionPatient")
        if own is not None:
            whole_file &= ~np.array([bool(text) for text in own.texts])[own.ids if own.ids is not None else 0]
        positions[whole_file] = np.nan
    plane_ids, planes = _plane_ids(orientation, spacing, n)
    with np.errstate(invalid="ignore"):
        is_far = ~(np.abs(positions) <= MAX_COORDINATE).all(axis=1)  # True for NaN too
    impossible = np.zeros(n, dtype=bool)
    if is_far.any():
        column = table.column("ImagePositionPatient")
        states = np.array([bool(text) for text in column.texts])
        impossible = is_far & ~whole_file & states[column.ids if column.ids is not None else 0]
        plane_ids[is_far] = -1
    positions[plane_ids < 0] = np.nan
    return _Planes(planes, plane_ids, positions, impossible)


def _plane_ids(orientation: _Column, spacing: _Column, n: int) -> tuple[np.ndarray, tuple[ImagePlane, ...]]:
    """Return the index of each frame's plane among the distinct planes, -1 for an invalid one; and the planes."""
    known: dict[ImagePlane, int] = {}

    def index_of(cosines: str, lengths: str) -> int:
        plane = ImagePlane.of(numbers(cosines, 6), _spacing(lengths))
        return -1 if plane is None else known.setdefault(plane, len(known))

    if orientation.ids is None and spacing.ids is None:
        return np.full(n, index_of(orientation.texts[0], spacing.texts[0]), dtype=np.int32), tuple(known)
    width = len(spacing.texts)
    o_ids = orientation.ids if orientation.ids is not None else np.zeros(n, dtype=np.int32)
    s_ids = spacing.ids if spacing.ids is not None else np.zeros(n, dtype=np.int32)
    pairs, ids = np.unique(o_ids.astype(np.int64) * width + s_ids, return_inverse=True)
    of_pair = [index_of(orientation.texts[pair // width], spacing.texts[pair % width]) for pair in pairs.tolist()]
    return np.array(of_pair, dtype=np.int32)[ids], tuple(known)


def _spacing_column(table: _Table) -> _Column:
    """Return Pixel Spacing, or else Imager Pixel Spacing where it is missing or no spacing."""
    column = table.column("PixelSpacing")
    if all(is_spacing(text) for text in column.texts):
        return column
    other = table.column("ImagerPixelSpacing")
    if other.texts == NO_TEXT:
        return column
    n = len(table.files)
    ids = column.ids if column.ids is not None else np.zeros(n, dtype=np.int32)
    other_ids = other.ids if other.ids is not None else np.zeros(n, dtype=np.int32)
    is_stated = np.array([is_spacing(text) for text in column.texts])[ids]
    return _Column((*column.texts, *other.texts), np.where(is_stated, ids, len(column.texts) + other_ids))


def _spacing(text: str) -> tuple[float, ...]:
    """Return the spacing in a text; 1 mm, which a note reports, if it states none."""
    return (numbers(text, 2) or (1.0, 1.0)) if is_spacing(text) else (1.0, 1.0)
