"""Every element of every file, counted: an Arrow table with a row a file and a dictionary-encoded column a tag.

A column's codes are counted with one ``bincount`` and selected with one mask; the distinct values behind
them are decoded once, when they are first asked for, and shared by all catalogs made from this one.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import pyarrow as pa

from napari_dicommeta.catalog.columns import FEW, Column, ColumnStore, first_tag_of, table_of
from napari_dicommeta.catalog.conditions import Condition, Spelled, Tags
from napari_dicommeta.catalog.counts import Numbers, Spelling, TagSummary, ValueCount, ValueCounts
from napari_dicommeta.dicom.tags import TagPath
from napari_dicommeta.support.cached import cached_property

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    import pandas as pd

    from napari_dicommeta.catalog.series import Series
    from napari_dicommeta.dicom.values import Meaning
    from napari_dicommeta.findings.check import Finding
    from napari_dicommeta.scanning.recorder import Recording

__all__ = [
    "Catalog",
    "Condition",
    "Numbers",
    "ScanFailure",
    "Spelled",
    "Spelling",
    "TagSummary",
    "Tags",
    "ValueCount",
    "ValueCounts",
]


@dataclass(frozen=True, slots=True)
class ScanFailure:
    """A directory entry that is no row of the catalog, or a row that is incomplete.

    `outcome` is rejected (damaged or no DICOM), skipped (no regular file, a link not followed), vanished
    (gone between listing and opening) or partial (in the catalog up to the damage).
    """

    path: str
    reason: str
    outcome: str = "rejected"

    def __str__(self) -> str:
        return f"{self.path}: {self.reason}"

    @property
    def brief(self) -> str:
        """The file's name and the reason."""
        return f"{os.path.basename(self.path) or self.path}: {self.reason}"


class Catalog:
    """The elements of a set of DICOM files.

    Made by `scan`, by `Catalog.load`, or from another catalog by `where`, indexing of `series`, or ``+``.
    Catalogs are immutable; those made by selection share their data.
    """

    def __init__(
        self, store: ColumnStore, rows: np.ndarray | None = None, failures: tuple[ScanFailure, ...] = ()
    ) -> None:
        self._store, self._rows, self._failures = store, rows, failures

    @classmethod
    def of_recordings(cls, recordings: Sequence[Recording]) -> Catalog:
        """The catalog of what one or several recorders have read, in the order of the files' paths."""
        failures = [failure for recording in recordings for failure in recording.failures]
        return cls.of_tables([table_of(recording) for recording in recordings], failures)

    @classmethod
    def of_tables(cls, tables: Iterable[pa.Table], failures: Sequence[tuple[str, str, str]] = ()) -> Catalog:
        """The catalog of tables as `columns.table_of` makes them, and of (path, outcome, reason) of other entries."""
        found = {ScanFailure(path, reason, outcome) for path, outcome, reason in failures}
        ordered = tuple(sorted(found, key=lambda failure: (failure.path, failure.reason)))
        return cls(ColumnStore.of_tables(tables), None, ordered)

    # -- what is in it ------------------------------------------------------------------------------

    @property
    def n_files(self) -> int:
        """The number of files, partial ones included."""
        return self._store.n_files if self._rows is None else len(self._rows)

    def __len__(self) -> int:
        return self.n_files

    def __repr__(self) -> str:
        return f"<Catalog of {self.n_files:,} files, {len(self._store.keys)} tags, {len(self._failures)} other entries>"

    @cached_property
    def paths(self) -> tuple[str, ...]:
        """The files' paths, in the order of the catalog's rows."""
        return tuple(self._file_column("path").to_pylist())

    @property
    def failures(self) -> tuple[ScanFailure, ...]:
        """The directory entries that are not in the catalog, each with its reason."""
        return self._failures

    @cached_property
    def partial(self) -> tuple[ScanFailure, ...]:
        """The files that are in the catalog only up to their damage."""
        reasons = self._file_column("reason")
        return tuple(
            ScanFailure(self.paths[i], reasons[i].as_py(), "partial")
            for i in np.flatnonzero(np.asarray(reasons.is_valid()))
        )

    @cached_property
    def outcomes(self) -> dict[str, int]:
        """Outcome -> directory entries: ok, partial, rejected, skipped, vanished. They add up to all entries."""
        outcomes = dict.fromkeys(("ok", "partial", "rejected", "skipped", "vanished"), 0)
        outcomes["partial"] = len(self.partial)
        outcomes["ok"] = self.n_files - outcomes["partial"]
        for failure in self._failures:
            outcomes[failure.outcome] += 1
        return outcomes

    @cached_property
    def series(self) -> tuple[Series, ...]:
        """The series of the catalog, each with its own sub-catalog; see `series.group_series`."""
        from napari_dicommeta.catalog.series import group_series

        return group_series(self)

    def findings(self) -> tuple[Finding, ...]:
        """What the counts imply, the most severe first; see `findings`."""
        from napari_dicommeta.findings.check import findings_of

        return findings_of(self)

    # -- counting -----------------------------------------------------------------------------------

    def tags(self) -> tuple[TagSummary, ...]:
        """A summary of every tag that a file of this catalog holds, in the order of the tags."""
        summaries = []
        for key in self._store.keys:
            column = self._store.column(key)
            counts, missing = column.count(self._rows, self._below)
            if counts.any():
                summaries.append(self._summary(column, counts, missing))
        return tuple(sorted(summaries, key=lambda summary: summary.path))

    @cached_property
    def _below(self) -> np.ndarray | None:
        """How many of the files come before each of the store's; None where they are so few that each is looked at."""
        if self._rows is None or len(self._rows) * FEW < self._store.n_files:
            return None
        return np.concatenate([[0], np.cumsum(np.bincount(self._rows, minlength=self._store.n_files))])

    def _summary(self, column: Column, counts: np.ndarray, missing: int) -> TagSummary:
        held = int(counts.sum())
        empty = int(counts[column.empty].sum())
        unknown = self._unknown(column.first_tag, column) if missing else 0
        meanings, spellings = column.texts("meaning"), column.texts("spelling")
        return TagSummary(
            column.path,
            column.main_vr(counts),
            held - empty,
            empty,
            missing - unknown,
            unknown,
            meanings.distinct(counts),
            spellings.distinct(counts),
        )

    def _unknown(self, first_tag: int, column: Column | None) -> int:
        """The files without a tag that are damaged before it would come."""
        cut_rows = self._store.cut_rows
        if not len(cut_rows):
            return 0
        if self._rows is not None:
            cut_rows = np.intersect1d(cut_rows, self._rows, assume_unique=True)
        behind = self._store.cuts[cut_rows] <= first_tag
        return int(np.count_nonzero(behind if column is None else behind & (column.codes[cut_rows] < 0)))

    def values(
        self, tag: str | TagPath | tuple[str | TagPath, ...], by: str = "meaning", most: int | None = None
    ) -> ValueCounts:
        """The values of `tag` and the files that hold each, by "meaning" or by "spelling"; at most `most` of one tag.

        `tag` is a keyword ("RescaleSlope"), a path ("SharedFunctionalGroupsSequence.PixelMeasuresSequence.
        PixelSpacing"), a tag ("(0028,1053)", "00281053"), or a tuple of these, whose joint values are
        counted. A file counts once for each distinct value that it holds in a nested tag.

        Raises
        ------
        ValueError
            If `tag` is neither a keyword nor a tag, or `by` is unknown.
        """
        if by not in ("meaning", "spelling"):
            raise ValueError(f"by must be 'meaning' or 'spelling', not {by!r}")
        if isinstance(tag, tuple):
            return self._joint_values(tuple(_path(one) for one in tag), by)
        path = _path(tag)
        column = self._store.find(path)
        if column is None:
            unknown = self._unknown(first_tag_of(path.key), None)
            return ValueCounts({}, self.n_files, self.n_files - unknown, unknown)
        counts, missing = column.count(self._rows, self._below)
        unknown = self._unknown(column.first_tag, column) if missing else 0
        texts = column.texts(by)
        totals = texts.totals(counts)
        found = texts.counted(totals, most)
        all_values = int(np.count_nonzero(totals)), int(totals.sum())
        return ValueCounts(found, self.n_files, missing - unknown, unknown, all_values)

    def details(self, tag: str | TagPath) -> tuple[ValueCount, ...]:
        """The values of `tag` by meaning, each with its spellings, VRs, bytes and flags; most frequent first."""
        column = self._store.find(_path(tag))
        if column is None:
            return ()
        counts, _ = column.count(self._rows, self._below)
        by_text: dict[str, dict[tuple[str, str], list[Any]]] = {}
        for entry in np.flatnonzero(counts):
            files = int(counts[entry])
            seen: dict[tuple[str, str, str], Meaning] = {}
            for meaning in column.meanings(int(entry)):
                seen[meaning.text, meaning.spelling, meaning.vr] = meaning
            for meaning in seen.values():
                spellings = by_text.setdefault(meaning.text, {})
                spelling = spellings.setdefault((meaning.spelling, meaning.vr), [meaning, 0])
                spelling[1] += files
        texts = column.texts("meaning")
        totals = texts.counted(texts.totals(counts))
        return tuple(
            ValueCount(
                text,
                files,
                tuple(
                    Spelling(meaning.spelling, meaning.vr, meaning.raw, n, meaning.flag)
                    for meaning, n in sorted(by_text[text].values(), key=lambda item: (-item[1], item[0].spelling))
                ),
                next((meaning.flag for meaning, _ in by_text[text].values() if meaning.flag), ""),
            )
            for text, files in totals.items()
        )

    def _joint_values(self, paths: tuple[TagPath, ...], by: str) -> ValueCounts:
        coded = [self.codes(path, by) for path in paths]
        together = np.zeros(self.n_files, dtype=np.int64)
        for texts, ids in coded:
            together = np.unique(together, return_inverse=True)[1] * len(texts) + ids  # so it fits into 64 bits
        _, first, counts = np.unique(together, return_index=True, return_counts=True)
        pairs = [
            (tuple(texts[ids[row]] for texts, ids in coded), n)
            for row, n in zip(first.tolist(), counts.tolist(), strict=True)
        ]
        pairs.sort(key=lambda pair: (-pair[1], [text or "" for text in pair[0]]))
        nothing = tuple(None for _ in paths)
        absent = next((n for key, n in pairs if key == nothing), 0)
        return ValueCounts({key: n for key, n in pairs if key != nothing}, self.n_files, absent, 0)

    def numbers(self, tag: str | TagPath) -> Numbers | None:
        """The numbers among the values of `tag` and the files that hold each; None where no file holds the tag."""
        column = self._store.find(_path(tag))
        if column is None:
            return None
        counts, missing = column.count(self._rows, self._below)
        unknown = self._unknown(column.first_tag, column) if missing else 0
        owners, values, weights, without = column.texts("meaning").counted_numbers(counts)
        return Numbers(owners, values, weights, without, missing - unknown, unknown)

    def codes(self, tag: str | TagPath, by: str = "meaning") -> tuple[list[str | None], np.ndarray]:
        """The distinct texts of `tag`, last of all None, and for each file the index of its text among them.

        int64 of shape (n_files,); a file that holds several values of a nested tag has them joined by " | ".
        """
        column = self._store.find(_path(tag))
        if column is None:
            return [None], np.zeros(self.n_files, dtype=np.int64)
        texts: list[str | None] = [*column.joined_texts(by), None]
        ids = column.joined_ids(by, self._rows)
        return texts, np.where(ids < 0, len(texts) - 1, ids)

    def column_texts(self, tag: str | TagPath, by: str = "meaning") -> list[str | None]:
        """The text of `tag` in each file, in the order of `paths`; None where a file lacks it.

        A file that holds several values of a nested tag has them joined by " | ".
        """
        texts, ids = self.codes(tag, by)
        return [texts[i] for i in ids.tolist()]

    def variation(self, tag: str | TagPath) -> str:
        """How `tag` varies: "constant", "between series", "within series" or "unique" (another value in each file)."""
        column = self._store.find(_path(tag))
        if column is None or self.n_files == 0:
            return "constant"
        ids = column.joined_ids("meaning", self._rows)
        distinct = len(np.unique(ids))
        if distinct == 1:
            return "constant"
        if distinct == self.n_files:
            return "unique"
        uid = self._store.find(TagPath.parse("SeriesInstanceUID"))
        series = np.zeros(self.n_files) if uid is None else uid.joined_ids("meaning", self._rows)
        order = np.argsort(series, kind="stable")
        same_series = np.diff(series[order]) == 0
        return "within series" if (np.diff(ids[order])[same_series] != 0).any() else "between series"

    # -- selecting ----------------------------------------------------------------------------------

    def where(
        self, conditions: Mapping[Any, Condition] | None = None, /, by: str = "meaning", **keywords: Condition
    ) -> Catalog:
        """The catalog of the files for which all conditions hold.

        A condition is a keyword argument, or an item of a mapping where the tag is nested or private::

            catalog.where(Modality="CT", RescaleSlope=("1", "2"))     # one of several values
            catalog.where(SliceThickness=slice(0.5, 1.5))             # a range of numbers, ends included
            catalog.where(PixelPaddingValue=True)                     # present; False: absent or unknown
            catalog.where(RescaleSlope=("1", None))                   # None: absent or unknown too
            catalog.where(RescaleSlope=Spelled(("1.0",)))             # written so
            catalog.where({"(0009,xx01,GEMS_IDEN_01)": "LIGHTSPEED"})
            catalog.where({("WindowCenter", "WindowWidth"): [("40", "400"), ("-600", None)]})  # together; None: absent

        A number is compared by value; a text with the meaning (or, with ``by="spelling"``, the spelling). In
        a nested tag, one of several values suffices.

        Raises
        ------
        ValueError
            If a tag is neither a keyword nor a tag.
        """
        return self.rows(np.flatnonzero(self.mask({**(conditions or {}), **keywords}, by)))

    def mask(self, conditions: Mapping[Any, Condition], by: str = "meaning") -> np.ndarray:
        """For each file whether all `conditions` of `where` hold, bool of shape (n_files,)."""
        mask = np.ones(self.n_files, dtype=bool)
        for tag, condition in conditions.items():
            if isinstance(tag, tuple):
                mask &= self._joint_mask(tag, cast("Sequence[tuple[str | None, ...]]", condition), by)
                continue
            column = self._store.find(_path(tag))
            asked, how = (condition.texts, "spelling") if isinstance(condition, Spelled) else (condition, by)
            if column is None:
                mask &= asked is False or (isinstance(asked, (tuple, list)) and None in asked)
            else:
                mask &= column.matches(asked, how)[column.codes if self._rows is None else column.codes[self._rows]]
        return mask

    def _joint_mask(self, tags: tuple[str, ...], wanted: Sequence[tuple[str | None, ...]], by: str) -> np.ndarray:
        """For each file whether its values of `tags` are together one of `wanted`."""
        of_file = np.zeros(self.n_files, dtype=np.int64)
        of_wanted = np.zeros(len(wanted), dtype=np.int64)
        for i, tag in enumerate(tags):
            column = self._store.find(_path(tag))
            texts = [] if column is None else column.joined_texts(by)
            numbers: dict[str | None, int] = {text: n for n, text in enumerate(texts, 1)}
            numbers[None] = 0
            asked = np.array([numbers.get(one[i], -1) for one in wanted], dtype=np.int64)
            if i > 1:  # of two tags the numbers fit into 64 bits, of more they are counted anew first
                of_file, of_wanted = _renumbered(of_file, of_wanted)
            if column is not None:
                of_file = of_file * len(numbers) + column.joined_ids(by, self._rows) + 1
            of_wanted = np.where((of_wanted < 0) | (asked < 0), -1, of_wanted * len(numbers) + asked)
        return np.isin(of_file, of_wanted)

    def rows(self, indices: np.ndarray) -> Catalog:
        """The catalog of the files at `indices`, integers into `paths`; without failures."""
        return Catalog(self._store, indices if self._rows is None else self._rows[indices])

    def with_failures(self, failures: Sequence[ScanFailure]) -> Catalog:
        """The same files with other failures."""
        ordered = tuple(sorted(set(failures), key=lambda failure: (failure.path, failure.reason)))
        return Catalog(self._store, self._rows, ordered)

    def __add__(self, other: Catalog) -> Catalog:
        """The catalog of the files of both. The order in which catalogs are added does not matter."""
        store = ColumnStore.of_tables([self._store.taken(self._rows).table, other._store.taken(other._rows).table])
        failures = tuple(sorted({*self._failures, *other._failures}, key=lambda f: (f.path, f.reason)))
        return Catalog(store, None, failures)

    # -- exchange -----------------------------------------------------------------------------------

    def to_arrow(self, by: str = "meaning") -> pa.Table:
        """A table with ``path`` and a dictionary-encoded text column for each tag, named by its keywords."""
        names, columns = ["path"], [self._file_column("path")]
        for key in sorted(self._store.keys, key=lambda key: TagPath.of_key(key)):
            column = self._store.column(key)
            ids = column.joined_ids(by, self._rows)
            if (ids >= 0).any():
                names.append(column.path.text)
                indices = pa.array(ids.astype(np.int32), mask=ids < 0)
                columns.append(pa.DictionaryArray.from_arrays(indices, pa.array(column.joined_texts(by), pa.string())))
        return pa.table(columns, names=names)

    def to_pandas(self, by: str = "meaning") -> pd.DataFrame:
        """`to_arrow` as a DataFrame with categorical columns; needs pandas."""
        return self.to_arrow(by).to_pandas()

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the catalog to one Parquet file, beside it first and then renamed, readable by its owner only.

        Other programs read the same columns as from `to_arrow`; `Catalog.load` gives back all of it.
        """
        from napari_dicommeta.catalog.storage import save

        save(self._store.taken(self._rows), [(f.path, f.reason, f.outcome) for f in self._failures], path)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Catalog:
        """The catalog that `save` wrote to `path`, or the parts of one in a folder; columns are read as needed.

        Raises
        ------
        ValueError
            If the file is no catalog, or one of a newer version.
        """
        from napari_dicommeta.catalog.storage import load

        store, failures = load(path)
        return cls(store, None, tuple(ScanFailure(*failure) for failure in failures))

    def file_column(self, name: str) -> np.ndarray:
        """One of the integers known of each file: size, mtime, pixel_offset, pixel_length (bytes), pixel_tag, cut."""
        return np.asarray(self._file_column(name).to_numpy(zero_copy_only=False))

    def _file_column(self, name: str) -> pa.Array:
        array = self._store.file_column(name)
        return array if self._rows is None else array.take(pa.array(self._rows))


def _renumbered(held: np.ndarray, wanted: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The same numbers counted from 0, and those of `wanted`, -1 for what is not held."""
    values, numbers = np.unique(held, return_inverse=True)
    places = np.minimum(np.searchsorted(values, wanted), max(len(values) - 1, 0))
    is_held = values[places] == wanted if len(values) else np.zeros(len(wanted), dtype=bool)
    return numbers.astype(np.int64), np.where(is_held, places, -1)


def _path(tag: str | TagPath) -> TagPath:
    return tag if isinstance(tag, TagPath) else TagPath.parse(tag)
