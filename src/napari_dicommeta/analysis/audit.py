"""A catalog and labels -> which single tag predicts the label: the shortcut that a model may learn instead.

The unit is what a label is for, a patient say. A unit's value of a tag is the set of the values of its files, or, for
numbers, the bin of their median. Each unit is predicted from the *other* units with its value: the label that is most
over-represented among them, each label weighing the same however many units have it. The score is the mean, over the
labels, of the share of their units that is predicted right: leave-one-out balanced accuracy. A unit whose value no
other one has, and each tie, counts as a guess: one over the number of labels, or of tied labels. So a tag with another
value for each unit scores what guessing does, and not 100 %. A tag that has nothing to do with the label may score less
than guessing: where a value is as frequent under each label, the unit left out always makes its own the rarer one.

With many tags the best one scores above guessing by chance alone. `p_value` is how often the *best of all* tags does as
well after the labels were dealt out to the units at random.
"""

from __future__ import annotations

import csv
import hashlib
import os
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_dicommeta.analysis.compare import ABSENT, NUMBERS, importance
from napari_dicommeta.catalog.columns import first_tag_of
from napari_dicommeta.catalog.distinct_texts import sort_key
from napari_dicommeta.dicom.privacy import is_identifying
from napari_dicommeta.dicom.tags import TagPath
from napari_dicommeta.dicom.values import number

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from napari_dicommeta.catalog.catalog import Catalog

__all__ = ["AuditResult", "Labels", "TagAudit", "audit", "read_labels"]

KEY_TAGS = ("PatientID", "StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "AccessionNumber")
LABEL_NAMES = frozenset(("label", "labels", "target", "class", "category", "diagnosis", "cancer", "outcome", "y"))
DELIMITERS = ",;\t|"
MAX_LABELS = 20
BINS = 8
"""Numbers with more values than this are also tried in as many bins of the same number of units."""
CHANCE = 0.01
"""A shortcut has at most this p-value …"""
NOTABLE_GAIN = 0.1
"""… and closes at least this part of the way from guessing to always right."""
MAX_ROWS = 20
AT_ONCE = 4_000_000
"""Labels dealt out at once, to bound the memory."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Labels:
    """The labels of a CSV file: `labels`, (key, label) in the order of the file, each key once.

    `key_name` and `label_name` are the heads of the columns; `unlabeled` counts the rows without a key or a label.
    """

    path: str
    key_name: str
    label_name: str
    labels: tuple[tuple[str, str], ...]
    unlabeled: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class TagAudit:
    """How well one tag predicts the label.

    `score`: leave-one-out balanced accuracy, 0 to 1; `gain`: what it has over guessing. `how`: how the tag was read
    where it scored best, "values" or "8 bins", of which component where there are several. `values`: (value,
    ((label, units), …)), most units first; `rest_values`, `rest_units`: those beyond. `identifying`: values may
    identify a person.
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
        """The tag in keywords, levels joined by dots."""
        return self.path.text


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditResult:
    """The tags of a catalog, the best predictor of the label first, and what was matched to what.

    `key`: the tag, or the part of the path, that the keys are. `n_units`: keys with files and a label that counts;
    `n_files`: their files. `keys_without_files` and `files_without_label`: what did not match. `labels`: (label,
    units). `left_out`: (label, units) of labels that one unit alone has, which nothing can predict. `baseline`: the
    score of guessing. `permutations`: how often the labels were dealt out, for the p-values.
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

    @property
    def shortcuts(self) -> tuple[TagAudit, ...]:
        """The tags that predict the label better than chance explains."""
        return tuple(one for one in self.tags if one.is_shortcut)


def read_labels(path: str | os.PathLike[str]) -> Labels:
    """The labels in a CSV file with a head: the key in its first column, the label in one named so, or else the second.

    Columns are parted by a comma, semicolon, tab or bar, whichever parts all rows alike, and into most. Names taken
    for the label are "label", "target", "class", "cancer" and the like.

    Raises
    ------
    ValueError
        If the file is no such table; the text names the file and the line, and says what to do.
    OSError
        If it cannot be read.
    """
    name = os.path.basename(os.fspath(path))
    try:
        with open(path, encoding="utf-8-sig", newline="") as file:
            lines = file.read()
    except UnicodeDecodeError as error:
        raise ValueError(f"{name}: it is no UTF-8 text; save it as CSV, UTF-8") from error
    if "\0" in lines:
        raise ValueError(f"{name}: it is no text; save it as CSV, UTF-8")
    if not lines.strip():
        raise ValueError(f"{name}: it is empty; a line with the names of the columns, then one a key, is expected")
    try:
        delimiter = _delimiter(lines)
    except csv.Error as error:
        raise ValueError(f"{name}: {error}; a key and a label a line are expected") from error
    reader = csv.reader(lines.splitlines(keepends=True), delimiter=delimiter, strict=True)
    rows: list[tuple[int, list[str]]] = []
    try:
        rows += [(reader.line_num, [cell.strip() for cell in row]) for row in reader if any(map(str.strip, row))]
    except csv.Error as error:
        raise ValueError(f"{name}, line {reader.line_num}: {error}; check the quotes there") from error
    head = rows[0][1]
    if len(head) < 2:
        raise ValueError(f"{name}, line {rows[0][0]}: there is one column; a key and a label are expected")
    return _labels(name, os.fspath(path), head, rows[1:])


def _delimiter(lines: str) -> str:
    """The delimiter that parts all of the first rows into equally many columns, or else the first into most."""
    first = lines.lstrip("\r\n").splitlines(keepends=True)[:50]

    def parts(delimiter: str) -> tuple[bool, int]:
        sizes = [len(row) for row in csv.reader(first, delimiter=delimiter) if row]
        return len(set(sizes)) == 1 and sizes[0] > 1, sizes[0]

    return max(DELIMITERS, key=parts)


def _labels(name: str, path: str, head: list[str], rows: list[tuple[int, list[str]]]) -> Labels:
    at = next((i for i, text in enumerate(head[1:], 1) if text.lower() in LABEL_NAMES), 1)
    found: dict[str, tuple[str, int]] = {}
    unlabeled = 0
    for line, row in rows:
        if len(row) != len(head):
            raise ValueError(
                f"{name}, line {line}: {len(row)} columns, but the first line has {len(head)}; "
                "put quotes around cells that hold the delimiter"
            )
        key, label = row[0], row[at]
        if not (key and label):
            unlabeled += 1
        elif found.setdefault(key, (label, line))[0] != label:
            raise ValueError(
                f"{name}, line {line}: another label than in line {found[key][1]} for the same key; keep one"
            )
    if not found:
        raise ValueError(f"{name}: no line has a key and a label below the names of the columns")
    return Labels(
        path=path,
        key_name=head[0],
        label_name=head[at],
        labels=tuple((key, label) for key, (label, _) in found.items()),
        unlabeled=unlabeled,
    )


def audit(catalog: Catalog, labels: Labels, permutations: int = 200, seed: int = 0) -> AuditResult:
    """How well each single tag of `catalog` predicts `labels`, the best first; see the module for the measure.

    The keys are looked for in `KEY_TAGS`, in the files' names with and without their suffix, and in the names of the
    folders above them; what most keys match is taken. A tag is called a shortcut if its p-value is at most `CHANCE` and
    its gain at least `NOTABLE_GAIN` of what is possible; fewer than 99 permutations show no p-value so small.

    Raises
    ------
    ValueError
        If no key matches, or the first line is one, or fewer than two labels have two units each, or there are more
        than `MAX_LABELS`; the text says what to do.
    """
    keys = [key for key, _ in labels.labels]
    key, units = _matched(catalog, keys if labels.key_name in keys else [*keys, labels.key_name])
    if (units == len(keys)).any():
        raise ValueError(
            f"the first line of {os.path.basename(labels.path)} is that of a key, where the names of the columns are "
            "expected: put a line such as 'id,label' above it"
        )
    matched = np.zeros(len(labels.labels), dtype=bool)
    matched[units[units >= 0]] = True
    texts = [label for _, label in labels.labels]
    counts = Counter(text for text, is_matched in zip(texts, matched.tolist(), strict=True) if is_matched)
    kept = sorted((text for text, n in counts.items() if n > 1), key=sort_key)
    if len(counts) > MAX_LABELS:
        raise ValueError(
            f"the column {labels.label_name!r} has {len(counts)} labels; at most {MAX_LABELS} can be told apart: "
            "put measurements into classes first"
        )
    if len(kept) < 2:
        raise ValueError(
            f"{len(kept)} of the labels in {labels.label_name!r} stand for two or more of the "
            f"{int(matched.sum())} keys that have files; two such labels are needed"
        )
    number_of = {text: n for n, text in enumerate(kept)}
    usable = np.array(
        [is_matched and text in number_of for text, is_matched in zip(texts, matched.tolist(), strict=True)]
    )
    renumbered = np.append(np.where(usable, np.cumsum(usable) - 1, -1), -1)
    y = np.array([number_of[text] for text, is_usable in zip(texts, usable.tolist(), strict=True) if is_usable])
    rows = np.flatnonzero(renumbered[units] >= 0)
    of_files = renumbered[units][rows]
    readings = list(_readings(catalog.rows(rows), of_files, len(y)))
    scores, chance = _scored(readings, y, len(kept), permutations, seed)
    baseline = 1 / len(kept)
    best: dict[TagPath, int] = {}
    for i, reading in enumerate(readings):
        if reading.path not in best or scores[i] > scores[best[reading.path]]:
            best[reading.path] = i
    found = [_tag_audit(readings[i], float(scores[i]), chance, y, kept) for i in best.values()]
    found.sort(key=lambda one: (-one.score, *importance(one.path)))
    return AuditResult(
        key=key,
        n_units=len(y),
        n_files=len(rows),
        keys_without_files=int(np.count_nonzero(~matched)),
        files_without_label=int(np.count_nonzero(units < 0)),
        labels=tuple((text, counts[text]) for text in kept),
        left_out=tuple((text, n) for text, n in sorted(counts.items()) if n == 1),
        baseline=baseline,
        permutations=permutations,
        tags=tuple(found),
    )


def _matched(catalog: Catalog, keys: list[str]) -> tuple[str, np.ndarray]:
    """What the keys are, and for each file the number of its key, -1 for none."""
    numbers = {key: n for n, key in enumerate(keys)}
    best, most = ("", np.full(catalog.n_files, -1)), (0, 0)
    for name, texts in _candidates(catalog):
        units = np.array([numbers.get(text, -1) for text in texts], dtype=np.int64)
        found = len(np.unique(units[units >= 0])), int(np.count_nonzero(units >= 0))
        if found > most:
            best, most = (name, units), found
    if not any(most):
        tried = ", ".join(KEY_TAGS)
        raise ValueError(
            f"none of the keys is a value of {tried}, a file's name, or a folder's; "
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
        at_level = {folder: of[level] if level < len(of) else "" for folder, of in parts.items()}
        name = "name of the folder" if level == 0 else f"name of the folder {level} above the file's"
        yield name, [at_level[folder] for folder in folders]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Reading:
    """One way to read a tag: for each unit the number of its value, and the text of the value of a number."""

    path: TagPath
    vr: str
    how: str
    values: np.ndarray
    text: Callable[[int], str]


def _readings(catalog: Catalog, units: np.ndarray, n_units: int) -> Iterator[_Reading]:
    """Each tag by its values, and numbers with many values in bins as well."""
    table, cuts = catalog.to_arrow(), catalog.file_column("cut")
    vrs = {summary.keyword: summary.vr for summary in catalog.tags()}
    for name in table.column_names[1:]:
        path, column = TagPath.parse(name), table.column(name).combine_chunks()
        codes = column.indices.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int64)
        known = (codes >= 0) | (cuts < 0) | (cuts > first_tag_of(path.key))
        texts, vr = column.dictionary.to_pylist(), vrs.get(name, path.vr)
        pairs = np.unique(units[known] * (len(texts) + 1) + codes[known] + 1)
        owner, code = np.divmod(pairs, len(texts) + 1)
        yield _by_values(path, vr, owner, code - 1, texts, n_units)
        if vr in NUMBERS:
            yield from _in_bins(path, vr, units[known], codes[known], texts, n_units)


def _by_values(path: TagPath, vr: str, owner: np.ndarray, code: np.ndarray, texts: list[str], n_units: int) -> _Reading:
    """The reading by the sets of values: `code`, the text of each pair of a unit and a value; -1 where it is absent."""
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
    """The tag's numbers, a component at a time, in bins of the units' medians, if there are more values than bins."""
    used = set(np.unique(codes).tolist())
    rows = [[number(part) for part in text.split("\\")] if i in used else [] for i, text in enumerate(texts)]
    for component in range(min(max(map(len, rows), default=0), 6)):
        of_text = np.array(
            [*(row[component] if component < len(row) else None for row in rows), None], dtype=np.float64
        )
        of_file = of_text[codes]
        held = ~np.isnan(of_file)
        medians = _medians(units[held], of_file[held], n_units)
        has = ~np.isnan(medians)
        distinct, at = np.unique(medians[has], return_inverse=True)
        if len(distinct) <= BINS:
            continue
        sizes = np.bincount(at)
        cells = np.minimum(((np.cumsum(sizes) - sizes / 2) * BINS / sizes.sum()).astype(np.int64), BINS - 1)
        _, cells = np.unique(cells, return_inverse=True)
        n_bins = int(cells.max()) + 1
        values = np.full(n_units, n_bins, dtype=np.int64)
        values[has] = cells[at]
        spans = [distinct[cells == cell] for cell in range(n_bins)]
        names = [f"{span[0]:g} … {span[-1]:g}" if len(span) > 1 else f"{span[0]:g}" for span in spans]
        names.append("no number")
        of = f" of component {component + 1}" if max(map(len, rows)) > 1 else ""
        yield _Reading(path=path, vr=vr, how=f"{n_bins} bins{of}", values=values, text=names.__getitem__)


def _medians(units: np.ndarray, values: np.ndarray, n_units: int) -> np.ndarray:
    """The median of the values of each unit, the lower one of two; NaN where it has none."""
    order = np.lexsort((values, units))
    counts = np.bincount(units, minlength=n_units)
    starts = np.cumsum(counts) - counts
    medians = np.full(n_units, np.nan)
    has = counts > 0
    medians[has] = values[order][(starts + (counts - 1) // 2)[has]]
    return medians


@dataclass(frozen=True, slots=True)
class _Groups:
    """Units by their values: `shared`, those whose value another one has too; `first`, their group × labels."""

    shared: np.ndarray
    first: np.ndarray
    n_groups: int

    @classmethod
    def of(cls, values: np.ndarray, n_labels: int) -> _Groups:
        _, at, groups, sizes = np.unique(values, return_index=True, return_inverse=True, return_counts=True)
        order = np.argsort(at)  # numbered as they come, so that equal groups of two tags have equal numbers
        number_of = np.empty(len(order), dtype=np.int64)
        several = sizes[order] > 1
        number_of[order] = np.where(several, np.cumsum(several) - 1, -1)
        groups = number_of[groups]
        shared = np.flatnonzero(groups >= 0)
        return cls(shared, groups[shared] * n_labels, int(several.sum()))

    def count(self, deals: np.ndarray, n_labels: int) -> np.ndarray:
        """The units of each label in each group, int64 of shape (deals, groups, labels)."""
        size = self.n_groups * n_labels
        counts = np.empty((len(deals), size), dtype=np.int64)
        for row, deal in zip(counts, deals, strict=True):
            row[:] = np.bincount(self.first + deal[self.shared], minlength=size)
        return counts.reshape(len(deals), self.n_groups, n_labels)


def _scored(
    readings: list[_Reading], y: np.ndarray, n_labels: int, permutations: int, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """The score of each reading, and, sorted, the best score of all readings under each deal of the labels."""
    distinct: dict[bytes, _Groups] = {}  # many tags part the units alike: each way is scored once
    keys = []
    for reading in readings:
        groups = _Groups.of(reading.values, n_labels)
        keys.append(hashlib.sha256(groups.shared.tobytes() + groups.first.tobytes()).digest())
        distinct.setdefault(keys[-1], groups)
    of_label = np.bincount(y, minlength=n_labels)
    known = {key: float(_scores(groups.count(y[None, :], n_labels), of_label)[0]) for key, groups in distinct.items()}
    rng = np.random.default_rng(seed)
    best = np.zeros(permutations)
    step = max(1, AT_ONCE // len(y))
    for start in range(0, permutations, step):
        deals = rng.permuted(np.tile(y, (min(step, permutations - start), 1)), axis=1)
        part = best[start : start + len(deals)]
        for groups in distinct.values():
            np.maximum(part, _scores(groups.count(deals, n_labels), of_label), out=part)
    return np.array([known[key] for key in keys]), np.sort(best)


def _scores(counts: np.ndarray, of_label: np.ndarray) -> np.ndarray:
    """The leave-one-out balanced accuracy of each deal, float64 of shape (deals,).

    `counts`: as from `_Groups.count`; the units missing there are alone. `of_label`: the units of each label.
    """
    n_labels = len(of_label)
    rates = counts / of_label
    right = (of_label - counts.sum(axis=1)) / n_labels  # a unit with a value of its own is a guess
    for label in range(n_labels):
        own = (counts[..., label] - 1) / (of_label[label] - 1)
        others = np.delete(rates, label, axis=-1)
        # Quotients of whole numbers that are equal are rounded alike: ties are exact.
        ties = 1 + (others == own[..., None]).sum(axis=-1)
        credit = np.where(own >= others.max(axis=-1), 1 / ties, 0.0)
        right[:, label] += (counts[..., label] * credit).sum(axis=-1)
    return np.asarray((right / of_label).mean(axis=1))


def _tag_audit(reading: _Reading, score: float, chance: np.ndarray, y: np.ndarray, labels: list[str]) -> TagAudit:
    reached = len(chance) - int(np.searchsorted(chance, score - 1e-12))
    p_value = (1 + reached) / (1 + len(chance))
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
        is_shortcut=p_value <= CHANCE and gain >= NOTABLE_GAIN * (1 - baseline),
        values=rows,
        rest_values=len(rest),
        rest_units=int(totals[rest].sum()),
        identifying=is_identifying(reading.path, reading.vr),
    )
