"""Two catalogs -> in which tags they differ: train against test, one site against another, a delivery against the last.

The *distance* of a tag is the Jensen-Shannon divergence, base 2, between the values of the files of both sides: 0
where every value has the same share of the files on both, 1 where no value is on both. Values count by meaning; a file
without the tag holds the value "(absent)"; files of which the tag is unknown, because they are damaged before it would
come, are left out.

Three kinds of tags are told apart, by their data:

* *values*: every value is one cell. A value that only one side holds is new there.
* *values* in bins: numbers with more than `MANY` values on both sides together, of which two draws from one source need
  not share a single one. Values that follow each other are put into bins of about the same number of files of both
  sides together, at most `MAX_BINS`, and fewer where few series stand behind them. Numbers of several components are
  binned component by component, and the largest distance counts. Only numbers outside the range of the other side are
  new.
* *unique*: UIDs, names, dates, times, and texts with half as many values as there are series, or more. Their values
  are expected to differ; what is measured is only whether the tag is there. `shared` tells how many values both sides
  hold all the same: a patient who is in train and in test.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from napari_dicommeta.catalog.columns import first_tag_of
from napari_dicommeta.catalog.distinct_texts import sort_key
from napari_dicommeta.dicom.explain import EXPLAINED
from napari_dicommeta.dicom.privacy import is_identifying
from napari_dicommeta.dicom.tags import TagPath
from napari_dicommeta.dicom.values import number, numbers
from napari_dicommeta.support.markdown import escape_markdown, markdown_table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_dicommeta.catalog.catalog import Catalog

__all__ = ["ABSENT", "TagDifference", "compare", "comparison_report", "importance", "jensen_shannon"]

ABSENT = "(absent)"
"""The value of a file without the tag."""
MAX_BARS = 50
MANY = 32
"""Numbers with more values are binned."""
MAX_BINS = 32
MAX_COMPONENTS = 16
"""Of numbers that are binned; further ones (of a dose grid's offsets, say) are not looked at."""
NOTABLE = 0.01
"""Of the files of a side; a new value that fewer hold may be chance, and does not go before larger differences."""
MANY_TEXTS = 20
"""Texts with fewer values are compared, even where each series has its own."""
NUMBERS = frozenset(("AS", "DS", "IS", "US", "SS", "UL", "SL", "FL", "FD", "SV", "UV", "US or SS"))
YEARS = {"Y": 1.0, "M": 1 / 12, "W": 7 / 365.25, "D": 1 / 365.25}
"""The units of an age string."""
FUNCTIONAL_GROUPS = (0x52009229, 0x52009230)
"""Shared and per-frame."""
_ORDER = {keyword: n for n, keyword in enumerate((*EXPLAINED, ""))}
_OF_ONE = frozenset(("PN", "DA", "DT", "TM"))
_IDENTIFIERS = frozenset(("PatientID", "OtherPatientIDs", "AccessionNumber", "StudyID"))


@dataclass(frozen=True, slots=True, kw_only=True)
class TagDifference:
    """How the values of one tag differ between catalogs a and b.

    `distance`: the Jensen-Shannon divergence, 0 to 1, see the module. `kind`: "values" or "unique". `bins`: the number
    of bins of a component, 0 where values were compared one by one. `only_a`, `only_b`: (value, files) new on one side,
    most files first, at most as many as bars; `n_only_a`, `n_only_b`: how many there are in all; `files_only_a`,
    `files_only_b`: the share of the side's files that hold one, 0 to 1. `values`: (value, files in a, files in b),
    most files first; `rest_values`, `rest_a`, `rest_b`: the values beyond these, and their files. `present_a`,
    `present_b`: files with a value that is not empty. `unknown_a`, `unknown_b`: files that are left out. `shared`: how
    many values, the empty one apart, are on both sides. `identifying`: values may identify a person.
    """

    path: TagPath
    distance: float
    kind: str
    only_a: tuple[tuple[str, int], ...]
    only_b: tuple[tuple[str, int], ...]
    n_only_a: int
    n_only_b: int
    files_only_a: float
    files_only_b: float
    values: tuple[tuple[str, int, int], ...]
    rest_values: int
    rest_a: int
    rest_b: int
    present_a: int
    present_b: int
    unknown_a: int
    unknown_b: int
    shared: int
    bins: int
    identifying: bool

    @property
    def keyword(self) -> str:
        """The tag in keywords, levels joined by dots."""
        return self.path.text

    @property
    def is_new(self) -> bool:
        """Whether values new on one side are held by a notable share of its files."""
        return max(self.files_only_a, self.files_only_b) >= NOTABLE


@dataclass(frozen=True, slots=True)
class _Side:
    """One catalog: a dictionary-encoded column a tag, the files' series and the tags at which damaged files end."""

    columns: dict[str, Any]
    cuts: np.ndarray
    series: np.ndarray
    n_series: int

    @classmethod
    def of(cls, catalog: Catalog) -> _Side:
        table = catalog.to_arrow()
        columns = {name: table.column(name).combine_chunks() for name in table.column_names[1:]}
        uid = columns.get("SeriesInstanceUID")
        series = np.zeros(catalog.n_files, dtype=np.int64) if uid is None else _codes(uid).astype(np.int64)
        return cls(columns, catalog.file_column("cut"), series, len(np.unique(series)))

    @property
    def n_files(self) -> int:
        return len(self.cuts)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Tag:
    """One tag on both sides: its texts, each file's text as a number (-1: absent), and which files are known."""

    path: TagPath
    vr: str
    texts: Any
    codes: tuple[np.ndarray, np.ndarray]
    counts: np.ndarray
    """Files of each text, and last without one: int64 of shape (2, texts + 1)."""
    unknown: tuple[int, int]
    series: tuple[np.ndarray, np.ndarray]

    @property
    def n_values(self) -> int:
        return int(np.count_nonzero(self.counts[:, :-1].any(axis=0)))

    def text(self, cell: int) -> str:
        return ABSENT if cell == len(self.texts) else str(self.texts[cell].as_py())


def compare(a: Catalog, b: Catalog, limit: int = MAX_BARS) -> tuple[TagDifference, ...]:
    """The tags that a file of `a` or `b` holds, those first that differ most; at most `limit` bars each.

    The order is that in which a person who trains on one and tests on the other needs to know:

    1. tags with values that are new on one side and held by at least 1 % of its files, by that share, the larger of
       both sides: nothing can have been learnt about such files;
    2. the others by their distance;
    3. group lengths, which say nothing of the images;
    4. last the *unique* ones, whose values cannot be compared, by the distance of their presence.

    Tags that differ equally, as all do between two sites, follow in the order of `importance`. ``compare(b, a)`` gives
    the same order with the sides exchanged.
    """
    sides = _Side.of(a), _Side.of(b)
    vrs: dict[str, str] = {}
    for summary in (*a.tags(), *b.tags()):
        vrs[summary.keyword] = min(vrs.get(summary.keyword, summary.vr), summary.vr)  # the same whichever comes first
    found = [_difference(_tag(name, vr, *sides), sides, limit) for name, vr in vrs.items()]
    return tuple(sorted(found, key=_rank))


def importance(path: TagPath) -> tuple[int, int, TagPath]:
    """A key that sorts tags: those of `explain` in its order, what pixels mean first; other public ones, the outer
    before the nested; private ones; group lengths. Nested tags are of the first only in functional groups.
    """
    if path.tag & 0xFFFF == 0:
        return _ORDER[""] + 2, 0, path
    if path.is_private:
        return _ORDER[""] + 1, len(path.elements), path
    of_image = len(path.elements) == 1 or path.elements[0][0] in FUNCTIONAL_GROUPS
    return _ORDER.get(path.keyword if of_image else "", _ORDER[""]), len(path.elements), path


def _rank(difference: TagDifference) -> tuple[Any, ...]:
    shares = difference.files_only_a, difference.files_only_b
    is_length = difference.path.tag & 0xFFFF == 0
    group = 3 if difference.kind == "unique" else 2 if is_length else 0 if difference.is_new else 1
    first = (max(shares), difference.distance) if group == 0 else (difference.distance, max(shares))
    return group, -first[0], -first[1], -min(shares), *importance(difference.path)


def _codes(array: Any) -> np.ndarray:
    indices = array.indices
    return np.asarray((indices.fill_null(-1) if indices.null_count else indices).to_numpy(zero_copy_only=False))


def _tag(name: str, vr: str, a: _Side, b: _Side) -> _Tag:
    path = TagPath.parse(name)
    kind = pa.dictionary(pa.int32(), pa.string())
    arrays = [side.columns.get(name, pa.nulls(side.n_files, kind)) for side in (a, b)]
    joined = pa.chunked_array(arrays, kind).unify_dictionaries()
    texts = joined.chunk(0).dictionary
    codes, known, counts, unknown = [], [], [], []
    first_tag = first_tag_of(path.key)
    for chunk, side in zip(joined.chunks, (a, b), strict=True):
        of_files = _codes(chunk)
        is_known = (of_files >= 0) | (side.cuts < 0) | (side.cuts > first_tag)
        of_files, series = of_files[is_known], side.series[is_known]
        of_texts = np.bincount(of_files + 1, minlength=len(texts) + 1)
        counts.append(np.append(of_texts[1:], of_texts[0]))
        unknown.append(int(np.count_nonzero(~is_known)))
        codes.append(of_files)
        known.append(series)
    return _Tag(
        path=path,
        vr=vr,
        texts=texts,
        codes=(codes[0], codes[1]),
        counts=np.stack(counts),
        unknown=(unknown[0], unknown[1]),
        series=(known[0], known[1]),
    )


def _is_unique(tag: _Tag, sides: tuple[_Side, _Side]) -> bool:
    """Whether the values of `tag` stand each for one thing, so that they are expected to differ."""
    if tag.n_values < 2:
        return False
    keyword = tag.path.keyword
    if tag.vr == "UI":
        return not keyword.endswith("ClassUID") and keyword != "TransferSyntaxUID"
    if tag.vr in _OF_ONE or keyword in _IDENTIFIERS:
        return True
    if tag.vr in NUMBERS or tag.n_values < MANY_TEXTS:
        return False
    things = min(sum(side.n_series for side in sides), int(tag.counts[:, :-1].sum()))
    return tag.n_values >= things / 2


def _difference(tag: _Tag, sides: tuple[_Side, _Side], limit: int) -> TagDifference:
    counts, n_texts = tag.counts, len(tag.texts)
    bins = 0
    held = counts > 0
    if _is_unique(tag, sides):
        kind = "unique"
        is_empty = np.append(np.asarray(pc.equal(tag.texts, "")), False)
        cells = np.where(is_empty, 1, 0)
        cells[-1] = 2  # a value, empty, absent
        joint = np.stack([np.bincount(cells, weights=side, minlength=3) for side in counts])
        distance = jensen_shannon(*joint)
        only = np.stack([held[i] & (joint[1 - i] == 0)[cells] & (cells > 0) for i in (0, 1)])
    else:
        kind = "values"
        only = np.stack([held[0] & ~held[1], held[1] & ~held[0]])
        values = _numbers(tag) if tag.vr in NUMBERS and tag.n_values > MANY else None
        if values is None:
            distance = jensen_shannon(*counts)
        else:
            bins = _bin_count(tag)
            distance = max(jensen_shannon(*_binned(counts, values, i, bins)) for i in range(values.shape[1]))
            only = np.stack([only[i] & ~_within(values, held[1 - i]) for i in (0, 1)])
    if not counts.any(axis=1).all():
        only[:] = False  # beside a side of which nothing is known nothing is new
    files = np.maximum(counts.sum(axis=1), 1)
    shares = (counts * only).sum(axis=1) / files
    bars = _largest(tag, counts.sum(axis=0), limit)
    empty = pc.index(tag.texts, "").as_py()
    present = counts[:, :-1].sum(axis=1) - (counts[:, empty] if empty >= 0 else 0)
    both = held[0, :n_texts] & held[1, :n_texts]
    if empty >= 0:
        both[empty] = False
    news = [
        tuple((tag.text(cell), int(counts[i, cell])) for cell in _largest(tag, counts[i] * only[i], limit))
        for i in (0, 1)
    ]
    return TagDifference(
        path=tag.path,
        distance=distance,
        kind=kind,
        only_a=news[0],
        only_b=news[1],
        n_only_a=int(only[0].sum()),
        n_only_b=int(only[1].sum()),
        files_only_a=float(shares[0]),
        files_only_b=float(shares[1]),
        values=tuple((tag.text(cell), int(counts[0, cell]), int(counts[1, cell])) for cell in bars),
        rest_values=int(held.any(axis=0).sum()) - len(bars),
        rest_a=int(counts[0].sum() - counts[0, bars].sum()),
        rest_b=int(counts[1].sum() - counts[1, bars].sum()),
        present_a=int(present[0]),
        present_b=int(present[1]),
        unknown_a=tag.unknown[0],
        unknown_b=tag.unknown[1],
        shared=int(both.sum()),
        bins=bins,
        identifying=is_identifying(tag.path, tag.vr),
    )


def jensen_shannon(a: np.ndarray, b: np.ndarray) -> float:
    """The Jensen-Shannon divergence, base 2, of two tables of counts of the same cells: 0 to 1.

    0 where one side has no counts at all: of nothing nothing can be said.
    """
    if not (a.any() and b.any()):
        return 0.0
    p, q = a / a.sum(), b / b.sum()
    cells = (p > 0) | (q > 0)
    p, q = p[cells], q[cells]
    middle = (p + q) / 2

    def part(side: np.ndarray) -> np.ndarray:
        return np.asarray(side * np.log2(np.where(side > 0, side, middle) / middle))

    # Summed in the order of their size, so that the order of cells, and of a and b, changes no digit.
    total = float(np.sort(part(p) + part(q)).sum()) / 2
    return min(max(total, 0.0), 1.0)


def _numbers(tag: _Tag) -> np.ndarray | None:
    """The components of each text, float64 of shape (texts, components), NaN behind the last; None without any.

    At most `MAX_COMPONENTS`. All components of a text that is not made of numbers are NaN.
    """
    used = np.asarray(tag.counts[:, :-1].any(axis=0))
    texts = zip(tag.texts.to_pylist(), used.tolist(), strict=True)
    rows = [(_age(text) if tag.vr == "AS" else numbers(text)) if is_used else None for text, is_used in texts]
    cut = [row[:MAX_COMPONENTS] if row else () for row in rows]
    width = max(map(len, cut), default=0)
    if not width:
        return None
    return np.array([[*row, *[np.nan] * (width - len(row))] for row in cut], dtype=np.float64)


def _age(text: str) -> tuple[float, ...] | None:
    """An age such as 018M in years (PS3.5 section 6.2)."""
    value = number(text[:-1])
    return None if value is None or text[-1] not in YEARS else (value * YEARS[text[-1]],)


def _bin_count(tag: _Tag) -> int:
    """How many bins the data bears: the root of how often a series brings another value, on the smaller side."""
    draws = []
    for codes, series in zip(tag.codes, tag.series, strict=True):
        draws.append(len(np.unique(series * (len(tag.texts) + 1) + codes)))
    return int(np.clip(np.sqrt(min(draws)), 2, MAX_BINS))


def _binned(counts: np.ndarray, values: np.ndarray, i: int, bins: int) -> np.ndarray:
    """`counts` by the bins of component `i` of the numbers, int64 of shape (2, cells).

    Further cells are the numbers that have no such component, each text that is not made of numbers, and absent.
    """
    component = values[:, i]
    is_number = ~np.isnan(component)
    is_text = np.append(np.isnan(values[:, 0]), True)
    distinct, at = np.unique(component[is_number], return_inverse=True)
    files = np.stack([np.bincount(at, weights=side[:-1][is_number], minlength=len(distinct)) for side in counts])
    # Each side weighs the same, so that a large catalog does not squeeze a small one into one bin.
    weights = (files / np.maximum(files.sum(axis=1, keepdims=True), 1)).sum(axis=0)
    middles = (np.cumsum(weights) - weights / 2) / max(weights.sum(), 1e-300)
    cells = np.minimum((middles * bins).astype(np.int64), bins - 1)
    joint = np.stack([np.bincount(cells, weights=side, minlength=bins) for side in files]).astype(np.int64)
    shorter = counts[:, np.append(~is_number, False) & ~is_text].sum(axis=1, keepdims=True)
    return np.concatenate([joint, shorter, counts[:, is_text]], axis=1)


def _within(values: np.ndarray, held: np.ndarray) -> np.ndarray:
    """For each text, and last for none, whether its numbers lie in the range of those that are `held`.

    Numbers of more or fewer components than any of those do not.
    """
    length = (~np.isnan(values)).sum(axis=1)
    others = values[held[:-1] & (length > 0)]
    if not len(others):
        return np.zeros(len(values) + 1, dtype=bool)
    low, high = np.fmin.reduce(others), np.fmax.reduce(others)
    inside = (np.isnan(values) | ((values >= low) & (values <= high))).all(axis=1)
    return np.append(inside & (length > 0) & np.isin(length, length[held[:-1]]), False)


def _largest(tag: _Tag, totals: np.ndarray, limit: int) -> list[int]:
    """The cells with most files, at most `limit`; equals in the order of their numbers or texts."""
    cells = np.flatnonzero(totals)
    if len(cells) > limit:
        least = np.partition(totals[cells], -limit)[-limit]
        above, equal = cells[totals[cells] > least], cells[totals[cells] == least]
        if len(equal) > 20 * MAX_BARS:  # one value a file: which of them are shown hardly matters, but always the same
            texts = pa.table({"text": tag.texts.take(pa.array(equal[equal < len(tag.texts)]))})
            first = pc.select_k_unstable(texts, limit - len(above), [("text", "ascending")])
            equal = equal[first.to_numpy()]
        cells = np.concatenate([above, equal])
    ordered = sorted(cells.tolist(), key=lambda cell: (-totals[cell], *sort_key(tag.text(cell))))
    return ordered[:limit]


def comparison_report(
    differences: Sequence[TagDifference], name_a: str, name_b: str, limit: int = 30, *, identifying: bool = False
) -> str:
    """The first `limit` of `differences` as a Markdown table, and a line that counts those that are not in it.

    Tags that may identify a person are left out unless `identifying`; tags that do not differ at all always.
    """
    shown = [one for one in differences if identifying or not one.identifying]
    hidden = len(differences) - len(shown)
    differing = [one for one in shown if one.kind == "unique" or one.distance > 0 or one.n_only_a or one.n_only_b]
    equal = len(shown) - len(differing)
    a, b = escape_markdown(name_a), escape_markdown(name_b)
    rows = [
        (
            escape_markdown(difference.keyword),
            f"{difference.distance:.3f}",
            _news(difference.only_a, difference.n_only_a, difference.files_only_a),
            _news(difference.only_b, difference.n_only_b, difference.files_only_b),
            _bars(difference),
        )
        for difference in differing[:limit]
    ]
    table = markdown_table(("tag", "distance", f"only in {a}", f"only in {b}", f"{a} → {b}"), rows)
    counted = [
        (len(differing) - limit, "more that differ"),
        (equal, "equal on both sides"),
        (hidden, "that may identify a person, not shown"),
    ]
    rest = "; ".join(f"{n} {what}" for n, what in counted if n > 0)
    note = "Distance: Jensen-Shannon divergence of the values over the files, 0 (alike) to 1 (nothing in common)."
    return table + "\n" + note + (f" Tags: {rest}." if rest else "") + "\n"


def _news(values: tuple[tuple[str, int], ...], n: int, share: float) -> str:
    if not n:
        return ""
    named = ", ".join(escape_markdown(text or "(empty)", 40) for text, _ in values[:3])
    return f"{named}{f' and {n - 3} more' if n > 3 else ''}: {share:.1%} of files"


def _bars(one: TagDifference) -> str:
    if one.kind == "unique":
        return f"another value for each; {one.shared} on both sides"
    if one.bins:
        return f"in {one.bins} bins"
    named = ", ".join(f"{escape_markdown(text or '(empty)', 40)}: {a} → {b}" for text, a, b in one.values[:3])
    more = len(one.values) - 3 + one.rest_values
    return named + (f", and {more} more" if more > 0 else "")
