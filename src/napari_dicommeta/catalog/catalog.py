"""The catalog: an Arrow table with one row per file and one dictionary-encoded column per tag.

One ``bincount`` counts a column's codes and one mask selects files. The distinct values are decoded once, on first use,
and shared by all catalogs selected from this one.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from napari_dicommeta.catalog.arrow_arrays import numpy_of
from napari_dicommeta.catalog.arrow_table import arrow_table
from napari_dicommeta.catalog.columns import ColumnStore
from napari_dicommeta.catalog.file_rows import FileRows, tag_path
from napari_dicommeta.catalog.series_rows import series_rows
from napari_dicommeta.dicom.stored_values import WITHHELD
from napari_dicommeta.dicom.tags import TagPath
from napari_dicommeta.dicom.uids import MEDIA_DIRECTORY
from napari_dicommeta.dicom.values import number
from napari_dicommeta.support.cached import cached_property
from napari_dicommeta.support.file_names import path_of_text
from napari_dicommeta.support.html import MAX_ROWS, Records, html_table, html_terms
from napari_dicommeta.support.words import counted, display

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    import pandas as pd
    import polars as pl
    import pyarrow as pa

    from napari_dicommeta.catalog.conditions import Condition
    from napari_dicommeta.catalog.counts import Numbers, TagSummary, ValueCount, ValueCounts

__all__ = ["Catalog", "ScanFailure", "Series"]

_CODE = re.compile("[A-Z0-9_ ]{1,16}")


@dataclass(frozen=True, slots=True)
class ScanFailure:
    """A directory entry that is not in the catalog, or only in part.

    `outcome` is rejected (damaged or not DICOM), skipped (not a regular file, or a link not followed), vanished (gone
    between listing and opening), timed out (its storage did not answer) or partial (in the catalog up to the damage).
    `code` is the kind of a rejected file: "not-dicom", "archive", "empty", "not-regular", "unreadable", or "" if
    unknown; and "link" of a skipped link that leads out of the scanned folder.
    """

    path: str
    reason: str
    outcome: str = "rejected"
    code: str = ""

    def __str__(self) -> str:
        """Return the file name and the reason; folders often have the names of patients."""
        return f"{display(os.path.basename(self.path) or self.path)}: {self.reason}"

    @property
    def is_harmless(self) -> bool:
        """Whether no data is missing, because the entry is not a DICOM file or not a file."""
        return (self.outcome == "skipped" and self.code != "link") or self.code == "not-dicom"


class Catalog:
    """The elements of a set of DICOM files.

    A catalog comes from `scan`, from `Catalog.load`, or from another catalog by `where`, `series` or ``+``. Catalogs
    are immutable, and selections share the data of the catalog they come from.
    """

    def __init__(
        self, store: ColumnStore, rows: np.ndarray | None = None, failures: tuple[ScanFailure, ...] = ()
    ) -> None:
        self.file_rows = FileRows(store, rows)
        """The rows of the catalog, for modules that count over rows and do not depend on catalogs."""
        self._failures = failures
        self.kept: dict[Any, Any] = {}
        """Results of other modules about these files, such as a layout; they last as long as the catalog."""

    @classmethod
    def of_tables(cls, tables: Iterable[pa.Table], failures: Iterable[tuple[str, str, str, str]] = ()) -> Catalog:
        """Return the catalog of a scan's tables and of the (path, outcome, reason, code) of other entries."""
        distinct = {ScanFailure(path, reason, outcome, code) for path, outcome, reason, code in failures}
        ordered = tuple(sorted(distinct, key=lambda failure: (failure.path, failure.reason)))
        return cls(ColumnStore.of_tables(tables), None, ordered)

    # -- contents -----------------------------------------------------------------------------------

    @property
    def n_files(self) -> int:
        """The number of files, including partial files."""
        return self.file_rows.n_files

    def __len__(self) -> int:
        return self.n_files

    def __iter__(self) -> Iterator[str]:
        """Iterate over the tags that a file holds, in tag order, by keyword; `len` is files, as of a DataFrame."""
        return (summary.keyword for summary in self.tags())

    def __contains__(self, tag: object) -> bool:
        """Return whether a file holds `tag`, given as `values` takes it; False for a text that names no tag."""
        if not isinstance(tag, str | TagPath):
            return False
        try:
            column = self.file_rows.find(tag)
        except ValueError:
            return False
        return column is not None and bool(self.file_rows.count(column)[0].any())

    def __getitem__(self, tag: str | TagPath | tuple[str | TagPath, ...]) -> ValueCounts:
        """Count the values of a tag by meaning: ``catalog["RescaleSlope"]``, ``catalog["Rows", "Columns"]``.

        Raises
        ------
        TypeError
            If `tag` is a number or a slice; `rows` selects files.
        ValueError
            If `tag` is neither a keyword nor a tag.
        """
        if not isinstance(tag, str | TagPath | tuple):
            raise TypeError(f"a catalog is indexed by a tag, not by {tag!r}; catalog.rows selects files")
        return self.values(tag)

    def _repr_html_(self) -> str:
        outcomes = ", ".join(f"{n:,} {outcome}" for outcome, n in self.outcomes.items() if n)
        tags = counted(len(self.file_rows.store.keys), "tag")
        title = f"Catalog of {counted(self.n_files, 'file')}, {counted(len(self.series), 'series')}, {tags}"
        table = html_table([series.html_row() for series in self.series[:MAX_ROWS]], len(self.series))
        return html_terms(title, [("entries", outcomes)]) + (table if self.series else "")

    def __repr__(self) -> str:
        n_tags = len(self.file_rows.store.keys)
        return f"<Catalog of {self.n_files:,} files, {n_tags} tags, {len(self._failures)} other entries>"

    @cached_property
    def paths(self) -> tuple[str, ...]:
        """Return the files' paths, in the order of the catalog's rows.

        Bytes of names that are no text are surrogates, as in the results of `os.listdir` (PEP 383).
        """
        texts = self.file_rows.file_column("path").to_pylist()
        return tuple(map(path_of_text, texts) if self.file_rows.store.has_foreign_names else texts)

    @property
    def failures(self) -> tuple[ScanFailure, ...]:
        """The directory entries that are not in the catalog, with reasons."""
        return self._failures

    @cached_property
    def partial(self) -> tuple[ScanFailure, ...]:
        """Return the files that are in the catalog only up to their damage, with reasons."""
        paths, reasons = self.file_rows.file_column("path"), self.file_rows.file_column("reason")
        return tuple(
            ScanFailure(path_of_text(paths[i].as_py()), reasons[i].as_py(), "partial")
            for i in np.flatnonzero(numpy_of(reasons.is_valid()))
        )

    @cached_property
    def outcomes(self) -> dict[str, int]:
        """Count the directory entries by outcome; the sum is all entries.

        The outcomes are ok, partial, rejected, skipped, vanished and timed out, as `ScanFailure` describes them.
        """
        outcomes = dict.fromkeys(("ok", "partial", "rejected", "skipped", "vanished", "timed out"), 0)
        outcomes["partial"] = len(self.partial)
        outcomes["ok"] = self.n_files - outcomes["partial"]
        for failure in self._failures:
            outcomes[failure.outcome] += 1
        return outcomes

    @cached_property
    def series(self) -> Records[Series]:
        """Return the series of the catalog, each with its own catalog, ordered by number of images, largest first.

        Files without a *Series Instance UID* are grouped by study, series number, modality and folder. A UID used in
        several studies, with more than one file in each, is split by study.
        """
        return _group_series(self)

    # -- counting -----------------------------------------------------------------------------------

    def tags(self) -> Records[TagSummary]:
        """Return a summary of every tag that a file in this catalog holds, in tag order."""
        return self.file_rows.summaries()

    def values(
        self, tag: str | TagPath | tuple[str | TagPath, ...], by: str = "meaning", most: int | None = None
    ) -> ValueCounts:
        """Count the files that hold each value of `tag`, by "meaning" or by "spelling".

        `tag` is a keyword ("RescaleSlope"), a path ("SharedFunctionalGroupsSequence.PixelMeasuresSequence.
        PixelSpacing"), a tag ("(0028,1053)", "00281053"), or a tuple of these, whose joint values are counted. `most`
        limits a single tag to its most frequent values. A file counts once for each distinct value in a nested tag.

        Raises
        ------
        ValueError
            If `tag` is neither a keyword nor a tag, or `by` is unknown.

        Examples
        --------
        >>> catalog = dm.scan("Chest CT phantom")
        >>> dict(catalog.values("RescaleSlope")), dict(catalog.values("RescaleSlope", by="spelling"))
        ({'1': 48}, {'1': 16, '1.0': 16, '1.000000': 16})
        """
        if by not in ("meaning", "spelling"):
            raise ValueError(f"by must be 'meaning' or 'spelling', not {by!r}")
        if isinstance(tag, tuple):
            return self.file_rows.joint_values([tag_path(part) for part in tag], by)
        return self.file_rows.values(tag_path(tag), by, most)

    def details(self, tag: str | TagPath) -> tuple[ValueCount, ...]:
        """Return the values of `tag` by meaning, with spellings, VRs, bytes and flags, most frequent first.

        Raises
        ------
        ValueError
            If `tag` is neither a keyword nor a tag.
        """
        return self.file_rows.details(tag_path(tag))

    def numbers(self, tag: str | TagPath) -> Numbers | None:
        """Return the numbers among the values of `tag` and their file counts; None if no file holds the tag."""
        return self.file_rows.numbers(tag_path(tag))

    def codes(self, tag: str | TagPath, by: str = "meaning") -> tuple[list[str | None], np.ndarray]:
        """Return the distinct texts of `tag`, None last, and for each file the index of its text among them.

        The indices are int64, shape (n_files,). Several values of a nested tag in one file are joined by " | ".
        """
        return self.file_rows.codes(tag_path(tag), by)

    def column_texts(self, tag: str | TagPath, by: str = "meaning") -> list[str | None]:
        """Return the text of `tag` in each file, in the order of `paths`; None if a file lacks it.

        Several values of a nested tag in one file are joined by " | ".
        """
        texts, ids = self.codes(tag, by)
        return [texts[i] for i in ids.tolist()]

    def variation(self, tag: str | TagPath) -> str:
        """Return how `tag` varies: "constant", "between series", "within series" or "unique" to each file."""
        return self.file_rows.variation(tag_path(tag))

    # -- selecting ----------------------------------------------------------------------------------

    def where(
        self, conditions: Mapping[Any, Condition] | None = None, /, by: str = "meaning", **keywords: Condition
    ) -> Catalog:
        """Return the catalog of the files for which all conditions hold.

        A condition is a keyword argument, or an item of a mapping if the tag is nested or private::

            catalog.where(Modality="CT", RescaleSlope=("1", "2"))     # any of several values
            catalog.where(SliceThickness=slice(0.5, 1.5))             # a range of numbers, ends included
            catalog.where(StudyDate=slice("2010", "201203"))          # of dates, times or ages, ends included
            catalog.where(PixelPaddingValue=True)                     # present; False: absent or unknown
            catalog.where(RescaleSlope=("1", None))                   # None: absent or unknown too
            catalog.where(RescaleSlope=Spelled(("1.0",)))             # this spelling
            catalog.where({"(0009,xx01,GEMS_IDEN_01)": "LIGHTSPEED"})
            catalog.where({("WindowCenter", "WindowWidth"): [("40", "400"), ("-600", None)]})  # jointly; None: absent

        A number is compared by value, a text with the meaning (or with the spelling, if ``by="spelling"``). In a nested
        tag, one matching value suffices. The ends of a range of dates (DA, DT) or times (TM) are texts with any number
        of units, "2010" for a year, "1148" for a minute; those of ages (AS) are "040Y", or years as numbers.

        Raises
        ------
        ValueError
            If a tag is neither a keyword nor a tag, or the end of a range is no number, date, time or age.

        Examples
        --------
        >>> catalog = dm.scan("Chest CT phantom")
        >>> catalog.where(Modality="CT", InstanceNumber=slice(1, 10)).n_files
        10
        """
        return self.rows(np.flatnonzero(self.mask({**(conditions or {}), **keywords}, by)))

    def mask(self, conditions: Mapping[Any, Condition], by: str = "meaning") -> np.ndarray:
        """Return for each file whether all `conditions`, as in `where`, hold: bool, shape (n_files,)."""
        return self.file_rows.mask(conditions, by)

    def rows(self, indices: np.ndarray) -> Catalog:
        """Return the catalog of the files at `indices`, integers into `paths`, without failures."""
        rows = self.file_rows.at(indices)
        return Catalog(rows.store, rows.rows)

    def with_failures(self, failures: Sequence[ScanFailure]) -> Catalog:
        """Return a catalog of the same files with these failures."""
        ordered = tuple(sorted(set(failures), key=lambda failure: (failure.path, failure.reason)))
        return Catalog(self.file_rows.store, self.file_rows.rows, ordered)

    def __add__(self, other: Catalog) -> Catalog:
        """Return the catalog of the files of both; the order of the operands does not matter."""
        store = ColumnStore.of_tables([self.file_rows.taken().table, other.file_rows.taken().table])
        failures = tuple(sorted({*self._failures, *other._failures}, key=lambda f: (f.path, f.reason)))
        return Catalog(store, None, failures)

    # -- exchange -----------------------------------------------------------------------------------

    def to_arrow(self, by: str = "meaning", typed: bool = False) -> pa.Table:
        """Return a table with ``path`` and, for each tag, a dictionary-encoded text column named by its keywords.

        In ``path``, bytes of names that are no text are escaped.
        With `typed`, a number, a date, a time, an age (in years) and a tag of several values is int64, double, date32,
        time64, timestamp or a list of these or of texts, as VR and VM say. Its text is beside it, in a column whose
        name ends in ``_text``. Null stands for an absent or empty value, and for a text that is not of the type.
        """
        return arrow_table(self.file_rows, by, typed)

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        """Return `to_arrow`, typed, to programs that take Arrow tables, such as DuckDB and polars."""
        return self.to_arrow(typed=True).__arrow_c_stream__(requested_schema)

    def to_polars(self, by: str = "meaning", typed: bool = True) -> pl.DataFrame:
        """Return `to_arrow` as a DataFrame of polars, with text as categories.

        Raises
        ------
        ImportError
            If polars is not installed.
        """
        import polars as pl

        return cast("pl.DataFrame", pl.from_arrow(self.to_arrow(by, typed)))

    def to_pandas(self, by: str = "meaning") -> pd.DataFrame:
        """Return `to_arrow` as a DataFrame with categorical columns.

        Raises
        ------
        ImportError
            If pandas is not installed.
        """
        return self.to_arrow(by).to_pandas()

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the catalog to one Parquet file, atomically and readable by its owner only.

        Nothing is left out: the file holds names, dates, UIDs and paths. ``catalog.shareable().save(path)`` writes a
        file for others, as the command ``scan`` does by default. Other programs see the typed columns of `to_arrow`;
        `Catalog.load` restores the whole catalog.

        Raises
        ------
        OSError
            If the file cannot be written.
        """
        from napari_dicommeta.catalog.storage import save

        failures = [(failure.path, failure.reason, failure.outcome, failure.code) for failure in self._failures]
        save(self.file_rows.taken(), failures, path)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Catalog:
        """Return the catalog that `save` wrote to `path`, a file or a folder of parts; columns are read when needed.

        Raises
        ------
        CatalogError
            If the file is not a catalog, or was saved by a newer version.
        OSError
            If the file cannot be read.
        """
        from napari_dicommeta.catalog.storage import load

        store, failures = load(path)
        return cls(store, None, tuple(ScanFailure(*failure) for failure in failures))

    def shareable(self, salt: bytes | None = None, keys: Iterable[str] | None = None) -> Catalog:
        """Return a catalog of the same files that names no person: technical values, pseudonyms, no paths.

        A value that may identify a person (PS3.15 Table E.1-1, private and binary elements, names, dates, free text;
        see `dicom.privacy`) is replaced by a salted hash. So patients, studies and series still group, and everything
        that needs no pixels works. Paths and modification times are replaced too. `salt`: bytes to keep secret, with
        which several catalogs get the same pseudonyms; None for random ones. `keys`: the columns to include, by
        `TagPath.key`; None for all.
        """
        from napari_dicommeta.catalog.shareable import numbered_paths, shareable_table

        salt = os.urandom(32) if salt is None else salt
        store = ColumnStore(shareable_table(self.file_rows.taken(), salt, keys))
        paths = numbered_paths([failure.path for failure in self._failures], salt)
        failures = [replace(failure, path=path) for failure, path in zip(self._failures, paths, strict=True)]
        return Catalog(store, None, tuple(failures))

    @property
    def has_paths(self) -> bool:
        """Whether the catalog names its files; a `shareable` one does not, so their pixels cannot be read."""
        return not self.n_files or self.file_rows.store.has_paths

    def file_column(self, name: str) -> np.ndarray:
        """Return an integer column: size, mtime, pixel_offset, pixel_length (bytes), pixel_tag or cut of each file."""
        return self.file_rows.file_numbers(name)


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """The files of one series; `name` is for display and `catalog` holds only these files."""

    series_instance_uid: str
    modality: str
    description: str
    number: str
    name: str
    catalog: Catalog
    n_images: int
    """Files with pixel data."""
    rows: np.ndarray = field(repr=False, compare=False)
    """The indices of the files in the catalog that the series comes from."""

    @property
    def n_files(self) -> int:
        """The number of files of the series."""
        return self.catalog.n_files

    @property
    def label(self) -> str:
        """The series number and modality, such as "3 CT": a name without text that may identify a person."""
        number_text = self.number if number(self.number) is not None else ""
        kind = self.modality if _CODE.fullmatch(self.modality) else ""
        return " ".join(filter(None, (number_text, kind))) or "series without a number"

    @property
    def size(self) -> str:
        """Sizes of its volumes as text, such as "3 × 5 × 64 × 64", or "no images".

        Until the series has been laid out, by `load` or a check of volumes, it is files × rows × columns.
        """
        if not self.n_images:
            return "no images"
        if "size" in self.catalog.kept:
            return str(self.catalog.kept["size"])
        sizes = self.catalog.values(("Rows", "Columns"))
        rows, columns = next(iter(sizes), (None, None))
        return f"{self.n_images} × {rows or '?'} × {columns or '?'}" + (" …" if len(sizes) > 1 else "")

    def html_row(self) -> dict[str, str | int | float]:
        """Return what a table of series shows of this one."""
        return {"series": self.name, "modality": self.modality, "files": self.n_files, "size": self.size}

    def _repr_html_(self) -> str:
        windows = self.catalog.values(("WindowCenter", "WindowWidth"))
        terms = [(name, str(value)) for name, value in list(self.html_row().items())[1:]]
        shown = [f"{center or '?'} / {width or '?'}" for (center, width), _ in windows.most_common(3)]
        more = f" and {len(windows) - 3:,} more" if len(windows) > 3 else ""
        terms += [("center / width", ", ".join(shown) + more), ("Series Instance UID", self.series_instance_uid)]
        return html_terms(self.name, terms)


def _group_series(catalog: Catalog) -> Records[Series]:
    series = [_series(uid, catalog, rows) for uid, rows in series_rows(catalog.file_rows)]
    return Records(sorted(series, key=_series_order))


def _series(uid: str, whole: Catalog, rows: np.ndarray) -> Series:
    catalog = whole.rows(rows)

    def most(tag: str) -> str:
        column = catalog.file_rows.find(tag)
        if column is None:
            return ""
        code = catalog.file_rows.constant_code(column)
        if code is not None:
            return column.text_of(code)
        return next((text for text in catalog.values(tag) if text), "")

    modality, description, series_number = most("Modality"), most("SeriesDescription"), most("SeriesNumber")
    if description.startswith(WITHHELD):
        description = ""
    if most("MediaStorageSOPClassUID") == MEDIA_DIRECTORY:
        modality, description = "", "DICOMDIR"
    name = " ".join(part for part in (series_number, description or modality or "series without a name") if part)
    images = int(np.count_nonzero(catalog.file_column("pixel_offset") >= 0))
    return Series(
        series_instance_uid=uid,
        modality=modality,
        description=description,
        number=series_number,
        name=name,
        catalog=catalog,
        n_images=images,
        rows=rows,
    )


def _series_order(series: Series) -> tuple[int, float, str]:
    return -series.n_images, number(series.number) or 0.0, series.series_instance_uid
