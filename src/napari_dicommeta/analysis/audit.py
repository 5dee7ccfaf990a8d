"""Audit a catalog with labels: find single tags that predict the label, shortcuts that a model may learn.

A unit is what a label belongs to, such as a patient. The value of a tag for a unit is the set of the values in its
files or, for numbers, the bin of their median. Each unit's label is predicted from the *other* units with its value, as
the label most over-represented among them; all labels have the same weight, however many units have them.

The score is the leave-one-out balanced accuracy: the mean, over the labels, of the share of their units predicted
correctly. A unit whose value no other unit has counts as a guess, 1 / number of labels; a tie as 1 / tied labels.
So a tag with a different value for each unit scores as guessing does, not 100 %. A tag unrelated to the label may score
below guessing: where a value is equally frequent under each label, leaving a unit out makes its own label the rarer.

Among many tags, the best scores above guessing by chance alone. So `p_value` is the frequency with which the *best of
all* tags scores as well after the labels are permuted at random.
"""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_dicommeta.analysis.compare import ABSENT, NUMBER_VRS, importance
from napari_dicommeta.analysis.per_file import per_file_tags
from napari_dicommeta.catalog.arrow_arrays import numpy_of
from napari_dicommeta.catalog.columns import first_tag_of
from napari_dicommeta.catalog.distinct_texts import sort_key
from napari_dicommeta.dicom.privacy import is_identifying
from napari_dicommeta.dicom.tags import TagPath
from napari_dicommeta.dicom.values import number
from napari_dicommeta.support.sorting import sorted_unique

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from napari_dicommeta.analysis.labels import Labels
    from napari_dicommeta.catalog.catalog import Catalog

__all__ = ["AuditResult", "TagAudit", "audit"]

KEY_TAGS = ("PatientID", "StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "AccessionNumber")
MAX_LABELS = 20
BINS = 8
"""Numbers with more values than this are also scored in this many bins, with equal numbers of units."""
MAX_P_VALUE = 0.01
"""The largest p-value of a shortcut."""
MIN_GAIN = 0.1
"""The least gain of a shortcut, as a share of the gain that is possible."""
MAX_ROWS = 20
MAX_PERMUTED_LABELS = 4_000_000
"""The number of labels permuted at once, to bound the memory."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TagAudit:
    """How well one tag predicts the label.

    `score`: leave-one-out balanced accuracy, 0 to 1. `gain`: the score minus that of guessing. `how`: the reading of
    the tag that scored best: "values" or "8 bins", with the component if there are several. `values`: (value,
    ((label, units), …)), most units first. `rest_values`, `rest_units`: the number of further values, and their units.
    `identifying`: values may identify a person.
    """

    path: TagPath
    how: str
    score: float
    gain: float
    p_value: float
    is_shortcut: bool
    values: tuple[tuple[str, tuple[tuple[str, int], ...]], ...]
    rest_values: int
    rest_units: int
    identifying: bool

    @property
    def keyword(self) -> str:
        """Return the keywords of the tag, levels joined by dots."""
        return self.path.text


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditResult:
    """The tags of a catalog, best predictor of the label first, and how keys were matched to files.

    `key`: the tag, or the part of the path, that the keys match. `n_units`: keys with files and a label in `labels`.
    `n_files`: their files. `keys_without_files`, `files_without_label`: the numbers not matched. `labels`: (label,
    units). `left_out`: (label, units) of labels with a single unit, which nothing can predict. `baseline`: the score
    of guessing. `permutations`: the number of permutations behind the p-values. `tags_left_out`: (tag, its kind).
    """

    key: str
    n_units: int
    n_files: int
    keys_without_files: int
    files_without_label: int
    labels: tuple[tuple[str, int], ...]
    left_out: tuple[tuple[str, int], ...]
    baseline: float
    permutations: int
    tags: tuple[TagAudit, ...]
    tags_left_out: tuple[tuple[str, str], ...] = ()

    @property
    def shortcuts(self) -> tuple[TagAudit, ...]:
        """Return the tags that predict the label better than chance explains."""
        return tuple(tag for tag in self.tags if tag.is_shortcut)


def audit(
    catalog: Catalog, labels: Labels, permutations: int = 200, seed: int = 0, *, all_tags: bool = False
) -> AuditResult:
    """Return how well each single tag of `catalog` predicts `labels`, best first; the module describes the score.

    Tags that belong to single files (`per_file_tags`) are left out unless `all_tags`: they only name files.

    Keys are looked up in `KEY_TAGS`, in file names with and without suffix, and in the names of the folders above.
    The one of these that matches most keys is used. A tag is a shortcut if its p-value is at most `MAX_P_VALUE` and
    its gain at least the share `MIN_GAIN` of what is possible. Fewer than 99 permutations cannot reach that p-value.

    Raises
    ------
    ValueError
        If no key matches, if the first line holds a key, if fewer than two labels have two units each, or if there are
        more than `MAX_LABELS`; the text says what to do.
    """
    keys = [key for key, _ in labels.labels]
    key, units = _matched(catalog, keys if labels.key_name in keys else [*keys, labels.key_name])
    if (units == len(keys)).any():
        raise ValueError(
            f"the first line of {os.path.basename(labels.path)} holds a key instead of the column names: "
            "put a line such as 'id,label' above it"
        )
    matched = np.zeros(len(labels.labels), dtype=bool)
    matched[units[units >= 0]] = True
    texts = [label for _, label in labels.labels]
    counts = Counter(text for text, is_matched in zip(texts, matched.tolist(), strict=True) if is_matched)
    usable_labels = sorted((text for text, n in counts.items() if n > 1), key=sort_key)
    if len(counts) > MAX_LABELS:
        raise ValueError(
            f"the column {labels.label_name!r} has {len(counts)} labels; at most {MAX_LABELS} are allowed: "
            "put measurements into classes first"
        )
    if len(usable_labels) < 2:
        raise ValueError(
            f"at least two labels in {labels.label_name!r} need two or more keys with files; "
            f"{len(usable_labels)} of the labels have them ({int(matched.sum())} keys have files)"
        )
    number_of = {text: n for n, text in enumerate(usable_labels)}
    usable = np.array(
        [is_matched and text in number_of for text, is_matched in zip(texts, matched.tolist(), strict=True)]
    )
    renumbered = np.append(np.where(usable, np.cumsum(usable) - 1, -1), -1)
    y = np.array([number_of[text] for text, is_usable in zip(texts, usable.tolist(), strict=True) if is_usable])
    rows = np.flatnonzero(renumbered[units] >= 0)
    file_units = renumbered[units][rows]
    labeled = catalog.rows(rows)
    left_out = {} if all_tags else per_file_tags(labeled)
    readings = [reading for reading in _readings(labeled, file_units, len(y)) if reading.path.text not in left_out]
    scores, best_by_chance = _scored(readings, y, len(usable_labels), permutations, seed)
    baseline = 1 / len(usable_labels)
    best: dict[TagPath, int] = {}
    for i, reading in enumerate(readings):
        if reading.path not in best or scores[i] > scores[best[reading.path]]:
            best[reading.path] = i
    tags = [_tag_audit(readings[i], float(scores[i]), best_by_chance, y, usable_labels) for i in best.values()]
    tags.sort(key=lambda tag: (-tag.score, *importance(tag.path)))
    return AuditResult(
        key=key,
        n_units=len(y),
        n_files=len(rows),
        keys_without_files=int(np.count_nonzero(~matched)),
        files_without_label=int(np.count_nonzero(units < 0)),
        labels=tuple((text, counts[text]) for text in usable_labels),
        left_out=tuple((text, n) for text, n in sorted(counts.items()) if n == 1),
        baseline=baseline,
        permutations=permutations,
        tags=tuple(tags),
        tags_left_out=tuple(left_out.items()),
    )


def _matched(catalog: Catalog, keys: list[str]) -> tuple[str, np.ndarray]:
    """Return what the keys match, and for each file the number of its key, -1 for none."""
    numbers = {key: n for n, key in enumerate(keys)}
    best, most = ("", np.full(catalog.n_files, -1)), (0, 0)
    for name, texts in _candidates(catalog):
        units = np.array([numbers.get(text, -1) for text in texts], dtype=np.int64)
        matches = len(sorted_unique(units[units >= 0])), int(np.count_nonzero(units >= 0))
        if matches > most:
            best, most = (name, units), matches
    if not any(most):
        tried = ", ".join(KEY_TAGS)
        raise ValueError(
            f"none of the keys is a value of {tried}, or the name of a file or folder; "
            "check that the first column holds one of these, spelled alike"
        )
    return best


def _candidates(catalog: Catalog) -> Iterator[tuple[str, Sequence[str]]]:
    for tag in KEY_TAGS:
        yield tag, [text or "" for text in catalog.column_texts(tag)]
    names = [os.path.basename(path) for path in catalog.paths]
    yield "file name", names
    yield "file name without suffix", [os.path.splitext(name)[0] for name in names]
    yield "file name up to its first dot", [name.partition(".")[0] for name in names]
    folders = [os.path.dirname(path) for path in catalog.paths]
    parts = {folder: [part for part in folder.replace("\\", "/").split("/") if part][::-1] for folder in set(folders)}
    for level in range(max(map(len, parts.values()), default=0)):
        at_level = {folder: names[level] if level < len(names) else "" for folder, names in parts.items()}
        name = "name of the folder" if level == 0 else f"name of the folder {level} above the file's"
        yield name, [at_level[folder] for folder in folders]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Reading:
    """A way to read a tag: the number of the value of each unit, and a function from that number to its text."""

    path: TagPath
    vr: str
    how: str
    values: np.ndarray
    text: Callable[[int], str]


def _readings(catalog: Catalog, units: np.ndarray, n_units: int) -> Iterator[_Reading]:
    """Yield each tag read by its values, and numbers with many values read in bins as well."""
    table, cuts = catalog.to_arrow(), catalog.file_column("cut")
    vrs = {summary.keyword: summary.vr for summary in catalog.tags()}
    for name in table.column_names[1:]:
        path, column = TagPath.parse(name), table.column(name).combine_chunks()
        codes = numpy_of(column.indices, absent=-1).astype(np.int64)
        known = (codes >= 0) | (cuts < 0) | (cuts > first_tag_of(path.key))
        texts, vr = column.dictionary.to_pylist(), vrs.get(name, path.vr)
        pairs = sorted_unique(units[known] * (len(texts) + 1) + codes[known] + 1)
        owner, code = np.divmod(pairs, len(texts) + 1)
        yield _by_values(path, vr, owner, code - 1, texts, n_units)
        if vr in NUMBER_VRS:
            yield from _in_bins(path, vr, units[known], codes[known], texts, n_units)


def _by_values(path: TagPath, vr: str, owner: np.ndarray, code: np.ndarray, texts: list[str], n_units: int) -> _Reading:
    """Read a tag by sets of values; `owner` and `code` are pairs of a unit and the code of a text, -1 if absent."""
    bounds = np.searchsorted(owner, np.arange(n_units + 1)).tolist()
    numbers: dict[bytes, int] = {}
    sets: list[np.ndarray] = []
    values = np.empty(n_units, dtype=np.int64)
    for unit in range(n_units):
        held = code[bounds[unit] : bounds[unit + 1]]
        values[unit] = numbers.setdefault(held.tobytes(), len(sets))
        if values[unit] == len(sets):
            sets.append(held)
    return _Reading(
        path=path, vr=vr, how="values", values=values, text=lambda number: _set_text(sets[number].tolist(), texts)
    )


def _set_text(codes: list[int], texts: list[str]) -> str:
    if not codes:
        return "(unknown)"
    ordered = sorted((ABSENT if code < 0 else texts[code] or "(empty)" for code in codes), key=sort_key)
    return " | ".join(ordered) if len(ordered) <= 4 else f"{len(ordered)} values: {ordered[0]} … {ordered[-1]}"


def _in_bins(
    path: TagPath, vr: str, units: np.ndarray, codes: np.ndarray, texts: list[str], n_units: int
) -> Iterator[_Reading]:
    """Read each component of a tag's numbers in bins of the units' medians, if there are more values than bins."""
    used = set(sorted_unique(codes).tolist())
    rows = [[number(part) for part in text.split("\\")] if i in used else [] for i, text in enumerate(texts)]
    for component in range(min(max(map(len, rows), default=0), 6)):
        text_numbers = np.array(
            [*(row[component] if component < len(row) else None for row in rows), None], dtype=np.float64
        )
        file_numbers = text_numbers[codes]
        held = ~np.isnan(file_numbers)
        medians = _medians(units[held], file_numbers[held], n_units)
        has_number = ~np.isnan(medians)
        distinct, positions = np.unique(medians[has_number], return_inverse=True)
        if len(distinct) <= BINS:
            continue
        sizes = np.bincount(positions)
        cells = np.minimum(((np.cumsum(sizes) - sizes / 2) * BINS / sizes.sum()).astype(np.int64), BINS - 1)
        _, cells = np.unique(cells, return_inverse=True)
        n_bins = int(cells.max()) + 1
        values = np.full(n_units, n_bins, dtype=np.int64)
        values[has_number] = cells[positions]
        spans = [distinct[cells == cell] for cell in range(n_bins)]
        names = [f"{span[0]:g} … {span[-1]:g}" if len(span) > 1 else f"{span[0]:g}" for span in spans]
        names.append("no number")
        suffix = f" of component {component + 1}" if max(map(len, rows)) > 1 else ""
        yield _Reading(path=path, vr=vr, how=f"{n_bins} bins{suffix}", values=values, text=names.__getitem__)


def _medians(units: np.ndarray, values: np.ndarray, n_units: int) -> np.ndarray:
    """Return the median of the values of each unit, the lower of two, NaN where it has none; float64 of (n_units,)."""
    order = np.lexsort((values, units))
    counts = np.bincount(units, minlength=n_units)
    starts = np.cumsum(counts) - counts
    medians = np.full(n_units, np.nan)
    has_values = counts > 0
    medians[has_values] = values[order][(starts + (counts - 1) // 2)[has_values]]
    return medians


@dataclass(frozen=True, slots=True)
class _Groups:
    """Units grouped by value. `shared`: the units that share a value; `first`: their group numbers × labels."""

    shared: np.ndarray
    first: np.ndarray
    n_groups: int

    @classmethod
    def of(cls, values: np.ndarray, n_labels: int) -> _Groups:
        _, at, groups, sizes = np.unique(values, return_index=True, return_inverse=True, return_counts=True)
        order = np.argsort(at)  # by first occurrence, so that equal groupings of two tags have equal numbers
        number_of = np.empty(len(order), dtype=np.int64)
        several = sizes[order] > 1
        number_of[order] = np.where(several, np.cumsum(several) - 1, -1)
        groups = number_of[groups]
        shared = np.flatnonzero(groups >= 0)
        return cls(shared, groups[shared] * n_labels, int(several.sum()))

    def count(self, permuted: np.ndarray, n_labels: int) -> np.ndarray:
        """Return the units of each label in each group, int64 of shape (permutations, groups, labels)."""
        size = self.n_groups * n_labels
        counts = np.empty((len(permuted), size), dtype=np.int64)
        for row, row_labels in zip(counts, permuted, strict=True):
            row[:] = np.bincount(self.first + row_labels[self.shared], minlength=size)
        return counts.reshape(len(permuted), self.n_groups, n_labels)


def _scored(
    readings: list[_Reading], y: np.ndarray, n_labels: int, permutations: int, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return the score of each reading, and, sorted, the best score of all readings for each permutation."""
    distinct: dict[bytes, _Groups] = {}  # many tags group the units alike: each grouping is scored once
    keys = []
    for reading in readings:
        groups = _Groups.of(reading.values, n_labels)
        keys.append(hashlib.sha256(groups.shared.tobytes() + groups.first.tobytes()).digest())
        distinct.setdefault(keys[-1], groups)
    label_totals = np.bincount(y, minlength=n_labels)
    scores = {
        key: float(_scores(groups.count(y[None, :], n_labels), label_totals)[0]) for key, groups in distinct.items()
    }
    rng = np.random.default_rng(seed)
    best = np.zeros(permutations)
    block_size = max(1, MAX_PERMUTED_LABELS // len(y))
    for start in range(0, permutations, block_size):
        permuted = rng.permuted(np.tile(y, (min(block_size, permutations - start), 1)), axis=1)
        block = best[start : start + len(permuted)]
        for groups in distinct.values():
            np.maximum(block, _scores(groups.count(permuted, n_labels), label_totals), out=block)
    return np.array([scores[key] for key in keys]), np.sort(best)


def _scores(counts: np.ndarray, label_totals: np.ndarray) -> np.ndarray:
    """Return the leave-one-out balanced accuracy of each permutation, float64 of shape (permutations,).

    `counts`: as from `_Groups.count`, without units that share no value. `label_totals`: the units of each label.
    """
    n_labels = len(label_totals)
    rates = counts / label_totals
    right = (label_totals - counts.sum(axis=1)) / n_labels  # a unit that shares no value counts as a guess
    for label in range(n_labels):
        own = (counts[..., label] - 1) / (label_totals[label] - 1)
        others = np.delete(rates, label, axis=-1)
        # Equal quotients of whole numbers are rounded alike, so ties are exact.
        ties = 1 + (others == own[..., None]).sum(axis=-1)
        credit = np.where(own >= others.max(axis=-1), 1 / ties, 0.0)
        right[:, label] += (counts[..., label] * credit).sum(axis=-1)
    return np.asarray((right / label_totals).mean(axis=1))


def _tag_audit(
    reading: _Reading, score: float, best_by_chance: np.ndarray, y: np.ndarray, labels: list[str]
) -> TagAudit:
    as_good = len(best_by_chance) - int(np.searchsorted(best_by_chance, score - 1e-12))
    p_value = (1 + as_good) / (1 + len(best_by_chance))
    baseline = 1 / len(labels)
    gain = score - baseline
    counts = np.bincount(reading.values * len(labels) + y, minlength=(int(reading.values.max()) + 1) * len(labels))
    counts = counts.reshape(-1, len(labels))
    totals = counts.sum(axis=1)
    cells = [cell for cell in np.argsort(-totals, kind="stable").tolist() if totals[cell]]
    rows = tuple(
        (reading.text(cell), tuple((labels[i], int(n)) for i, n in enumerate(counts[cell]) if n))
        for cell in cells[:MAX_ROWS]
    )
    rest = cells[MAX_ROWS:]
    return TagAudit(
        path=reading.path,
        how=reading.how,
        score=score,
        gain=gain,
        p_value=p_value,
        is_shortcut=p_value <= MAX_P_VALUE and gain >= MIN_GAIN * (1 - baseline),
        values=rows,
        rest_values=len(rest),
        rest_units=int(totals[rest].sum()),
        identifying=is_identifying(reading.path, reading.vr),
    )
