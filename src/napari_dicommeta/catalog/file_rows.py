"""Rows of a column store and the counts over them, used by `Catalog`, exports and digests."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from napari_dicommeta.catalog.arrow_arrays import number_array
from napari_dicommeta.catalog.columns import RUN_FILES, Column, ColumnStore, first_tag_of
from napari_dicommeta.catalog.conditions import Condition, Spelled
from napari_dicommeta.catalog.counts import Numbers, Spelling, TagSummary, ValueCount, ValueCounts
from napari_dicommeta.dicom.tags import TagPath
from napari_dicommeta.support.cached import cached_property
from napari_dicommeta.support.html import Records
from napari_dicommeta.support.sorting import sorted_unique

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    import pyarrow as pa

    from napari_dicommeta.dicom.values import Meaning

__all__ = ["FileRows", "tag_path"]


def tag_path(tag: str | TagPath) -> TagPath:
    """Return the path that `tag` names; a path stays as it is.

    Raises
    ------
    ValueError
        If a text is neither a keyword nor a tag.
    """
    return tag if isinstance(tag, TagPath) else _parsed(tag)


@lru_cache(maxsize=4096)
def _parsed(tag: str) -> TagPath:
    return TagPath.parse(tag)


class FileRows:
    """The files at `rows` of `store`; None stands for all rows. The argument `by` is "meaning" or "spelling"."""

    def __init__(self, store: ColumnStore, rows: np.ndarray | None = None) -> None:
        self.store, self.rows = store, rows

    @property
    def n_files(self) -> int:
        """The number of files."""
        return self.store.n_files if self.rows is None else len(self.rows)

    def at(self, indices: np.ndarray) -> FileRows:
        """Return the files at `indices` into these files; the store is shared."""
        return FileRows(self.store, indices if self.rows is None else self.rows[indices])

    def taken(self) -> ColumnStore:
        """Return a store of these files only."""
        return self.store.taken(self.rows)

    def contains(self, part: FileRows) -> np.ndarray:
        """Return for each file whether `part`, rows of the same store, contains it: bool, shape (n_files,)."""
        is_in_part = np.zeros(self.store.n_files, dtype=bool)
        is_in_part[slice(None) if part.rows is None else part.rows] = True
        return is_in_part if self.rows is None else is_in_part[self.rows]

    # -- columns ------------------------------------------------------------------------------------

    def columns(self, keys: Iterable[str] | None = None) -> Iterator[Column]:
        """Yield the columns of `keys`, or all of the store, including those without a value in these files."""
        return self.store.columns(keys)

    def find(self, tag: str | TagPath) -> Column | None:
        """Return the column of a tag, None if no file in the store holds it."""
        return self.store.find_tag(tag) if isinstance(tag, str) else self.store.find(tag)

    def holds(self, tag: str, texts: tuple[str, ...]) -> bool:
        """Return whether a value of `tag` in these files has one of `texts` as its meaning; quick for each series."""
        column = self.find(tag)
        if column is None:
            return False
        key = ("holds", tag, texts)
        if key not in self.store.kept:
            is_match = column.matches(texts, "meaning")
            self.store.kept[key] = is_match if is_match.any() else None
        is_match = self.store.kept[key]
        return is_match is not None and bool(is_match[self.stored_codes(column)].any())

    def file_column(self, name: str) -> pa.Array:
        """Return one of `columns.FILE_COLUMNS`."""
        array = self.store.file_column(name)
        if self._ends is not None:
            return array.slice(self._ends[0], self.n_files)
        return array if self.rows is None else array.take(number_array(self.rows))

    def file_numbers(self, name: str) -> np.ndarray:
        """Return one of the integer columns of `columns.FILE_COLUMNS`, int64 of shape (n_files,)."""
        return self._part(self.store.file_numbers(name))

    def stored_codes(self, column: Column) -> np.ndarray:
        """Return for each file the code of its stored value in `column`, -1 if it lacks the tag: int32."""
        return self._part(column.codes)

    def _part(self, values: np.ndarray) -> np.ndarray:
        """Return the values of these files, of those of all files in the store."""
        if self._ends is not None:
            return values[self._ends[0] : self._ends[1] + 1]
        return values if self.rows is None else np.asarray(values[self.rows])

    @cached_property
    def _ends(self) -> tuple[int, int] | None:
        """Return the first and the last row if these files follow one another in the store, as a folder's do."""
        if self.rows is None or not len(self.rows):
            return (0, self.store.n_files - 1) if self.rows is None and self.store.n_files else None
        first, last = int(self.rows[0]), int(self.rows[-1])
        follows = last - first == len(self.rows) - 1 and bool((np.diff(self.rows) == 1).all())
        return (first, last) if follows else None

    def constant_code(self, column: Column) -> int | None:
        """Return the code that all files have in `column`, -1 if all lack the tag; None if their codes differ."""
        if self._ends is not None:
            first, last = self._ends
            return int(column.codes[first]) if column.changes[first] == column.changes[last] else None
        codes = self.stored_codes(column)
        return int(codes[0]) if len(codes) and (codes == codes[0]).all() else None

    def joined_ids(self, column: Column, by: str) -> np.ndarray:
        """Return for each file the index into ``column.joined_texts(by)``, -1 if it lacks the tag."""
        return column.joined_ids(by, self.rows)

    def count(self, column: Column) -> tuple[np.ndarray, int]:
        """Count (files with each stored value, files without a value)."""
        return column.count(self.rows, self._below)

    @cached_property
    def _below(self) -> np.ndarray | None:
        """Return how many of these files precede each file of the store; None if counting by runs would not pay off."""
        if self.rows is None or len(self.rows) * RUN_FILES < self.store.n_files:
            return None
        return np.concatenate([[0], np.cumsum(np.bincount(self.rows, minlength=self.store.n_files))])

    @property
    def cuts(self) -> np.ndarray | None:
        """For each file the first tag whose presence is unknown, -1 if none; None if no file has unknown tags."""
        if not len(self.store.cut_rows):
            return None
        return self.store.cuts if self.rows is None else self.store.cuts[self.rows]

    def unknown(self, first_tag: int, column: Column | None) -> int:
        """Count the files without a tag that are damaged before its place."""
        cut_rows = self.store.cut_rows
        if not len(cut_rows):
            return 0
        if self.rows is not None:
            cut_rows = np.intersect1d(cut_rows, self.rows, assume_unique=True)
        is_unknown = self.store.cuts[cut_rows] <= first_tag
        return int(np.count_nonzero(is_unknown if column is None else is_unknown & (column.codes[cut_rows] < 0)))

    # -- counting -----------------------------------------------------------------------------------

    def summaries(self) -> Records[TagSummary]:
        """Return a summary of every tag that a file holds, in tag order; that of all files is made once."""
        if self.rows is None and "summaries" in self.store.kept:
            return cast("Records[TagSummary]", self.store.kept["summaries"])
        counted = ((column, *self.count(column)) for column in self.columns())
        summaries = [self._summary(column, counts, missing) for column, counts, missing in counted if counts.any()]
        records = Records(sorted(summaries, key=lambda summary: summary.path))
        if self.rows is None:
            self.store.kept["summaries"] = records
        return records

    def _summary(self, column: Column, counts: np.ndarray, missing: int) -> TagSummary:
        with_tag = int(counts.sum())
        empty = int(counts[column.empty].sum())
        unknown = self.unknown(column.first_tag, column) if missing else 0
        return TagSummary(
            path=column.path,
            vr=column.main_vr(counts),
            present=with_tag - empty,
            empty=empty,
            absent=missing - unknown,
            unknown=unknown,
            distinct=column.texts("meaning").distinct(counts),
            spellings=column.texts("spelling").distinct(counts),
        )

    def values(self, path: TagPath, by: str, most: int | None) -> ValueCounts:
        """Count the files that hold each value of a tag, for at most `most` values."""
        column = self.find(path)
        if column is None:
            unknown = self.unknown(first_tag_of(path.key), None)
            return ValueCounts({}, self.n_files, self.n_files - unknown, unknown)
        counts, missing = self.count(column)
        unknown = self.unknown(column.first_tag, column) if missing else 0
        texts = column.texts(by)
        totals = texts.totals(counts)
        all_values = int(np.count_nonzero(totals)), int(totals.sum())
        return ValueCounts(texts.counted(totals, most), self.n_files, missing - unknown, unknown, all_values)

    def joint_values(self, paths: Sequence[TagPath], by: str) -> ValueCounts:
        """Count the combinations of values as tuples of texts, None for an absent tag."""
        coded = [self.codes(path, by) for path in paths]
        together = np.zeros(self.n_files, dtype=np.int64)
        for texts, ids in coded:
            # Renumbered at each step, the products fit into 64 bits.
            together = np.unique(together, return_inverse=True)[1] * len(texts) + ids
        _, first, counts = np.unique(together, return_index=True, return_counts=True)
        pairs = [
            (tuple(texts[ids[row]] for texts, ids in coded), n)
            for row, n in zip(first.tolist(), counts.tolist(), strict=True)
        ]
        pairs.sort(key=lambda pair: (-pair[1], [text or "" for text in pair[0]]))
        nothing = tuple(None for _ in paths)
        absent = next((n for key, n in pairs if key == nothing), 0)
        return ValueCounts({key: n for key, n in pairs if key != nothing}, self.n_files, absent, 0)

    def details(self, path: TagPath) -> tuple[ValueCount, ...]:
        """Return the values of a tag by meaning, with spellings, VRs, bytes and flags, most frequent first."""
        column = self.find(path)
        if column is None:
            return ()
        counts, _ = self.count(column)
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
                    Spelling(text=meaning.spelling, vr=meaning.vr, raw=meaning.raw, files=n_files, flag=meaning.flag)
                    for meaning, n_files in sorted(
                        by_text[text].values(), key=lambda item: (-item[1], item[0].spelling)
                    )
                ),
                next((meaning.flag for meaning, _ in by_text[text].values() if meaning.flag), ""),
            )
            for text, files in totals.items()
        )

    def numbers(self, path: TagPath) -> Numbers | None:
        """Return the numbers among the values of a tag and their file counts; None if no file holds the tag."""
        column = self.find(path)
        if column is None:
            return None
        counts, missing = self.count(column)
        unknown = self.unknown(column.first_tag, column) if missing else 0
        owners, values, weights, without = column.texts("meaning").counted_numbers(counts, column.number_vr)
        return Numbers(
            owners=owners,
            values=values,
            weights=weights,
            vr=column.number_vr,
            not_numbers=without,
            absent=missing - unknown,
            unknown=unknown,
        )

    def codes(self, path: TagPath, by: str) -> tuple[list[str | None], np.ndarray]:
        """Return the distinct texts of a tag, None last, and each file's index among them as int64."""
        column = self.find(path)
        if column is None:
            return [None], np.zeros(self.n_files, dtype=np.int64)
        texts: list[str | None] = [*column.joined_texts(by), None]
        ids = self.joined_ids(column, by)
        return texts, np.where(ids < 0, len(texts) - 1, ids)

    def differ(self, path: TagPath, other: TagPath, by: str = "meaning", other_by: str = "meaning") -> np.ndarray:
        """Return for each file whether the texts of two tags differ, bool; an absent tag equals another absent one.

        With one tag twice, `by` and `other_by` compare its spelling with its meaning.
        """
        (texts, ids), (others, other_ids) = self.codes(path, by), self.codes(other, other_by)
        if texts == others:
            return np.asarray(ids != other_ids)
        places = {text: i for i, text in enumerate(others)}
        same = np.array([places.get(text, -1) for text in texts])
        return np.asarray(same[ids] != other_ids)

    def variation(self, path: TagPath) -> str:
        """Return how a tag varies: "constant", "between series", "within series" or "unique"."""
        column = self.find(path)
        if column is None or self.n_files == 0:
            return "constant"
        ids = self.joined_ids(column, "meaning")
        distinct = len(sorted_unique(ids))
        if distinct == 1:
            return "constant"
        if distinct == self.n_files:
            return "unique"
        uid = self.find("SeriesInstanceUID")
        series = np.zeros(self.n_files) if uid is None else self.joined_ids(uid, "meaning")
        order = np.argsort(series, kind="stable")
        same_series = np.diff(series[order]) == 0
        return "within series" if (np.diff(ids[order])[same_series] != 0).any() else "between series"

    # -- selecting ----------------------------------------------------------------------------------

    def mask(self, conditions: Mapping[Any, Condition], by: str) -> np.ndarray:
        """Return for each file whether all `conditions` of `Catalog.where` hold, bool of shape (n_files,)."""
        mask = np.ones(self.n_files, dtype=bool)
        for tag, condition in conditions.items():
            if isinstance(tag, tuple):
                mask &= self._joint_mask(tag, cast("Sequence[tuple[str | None, ...]]", condition), by)
                continue
            column = self.find(tag)
            values, compared_by = (condition.texts, "spelling") if isinstance(condition, Spelled) else (condition, by)
            if column is None:
                mask &= values is False or (isinstance(values, (tuple, list)) and None in values)
            else:
                mask &= column.matches(values, compared_by)[self.stored_codes(column)]
        return mask

    def _joint_mask(self, tags: tuple[str, ...], wanted: Sequence[tuple[str | None, ...]], by: str) -> np.ndarray:
        """Return for each file whether the combination of its values of `tags` is in `wanted`."""
        of_file = np.zeros(self.n_files, dtype=np.int64)
        of_wanted = np.zeros(len(wanted), dtype=np.int64)
        for i, tag in enumerate(tags):
            column = self.find(tag)
            texts = [] if column is None else column.joined_texts(by)
            numbers: dict[str | None, int] = {text: n for n, text in enumerate(texts, 1)}
            numbers[None] = 0
            wanted_numbers = np.array([numbers.get(texts_of_row[i], -1) for texts_of_row in wanted], dtype=np.int64)
            if i > 1:  # the products of more than two tags may exceed 64 bits
                of_file, of_wanted = _renumbered(of_file, of_wanted)
            if column is not None:
                of_file = of_file * len(numbers) + self.joined_ids(column, by) + 1
            is_missing = (of_wanted < 0) | (wanted_numbers < 0)
            of_wanted = np.where(is_missing, -1, of_wanted * len(numbers) + wanted_numbers)
        return np.isin(of_file, of_wanted)


def _renumbered(held: np.ndarray, wanted: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Renumber `held` from 0, and `wanted` alike, with -1 for numbers that are not in `held`."""
    values, numbers = np.unique(held, return_inverse=True)
    places = np.minimum(np.searchsorted(values, wanted), max(len(values) - 1, 0))
    is_held = values[places] == wanted if len(values) else np.zeros(len(wanted), dtype=bool)
    return numbers.astype(np.int64), np.where(is_held, places, -1)
