"""Compare the tags of two catalogs: training and test data, two sites, or a delivery and the previous one.

The *distance* of a tag is the Jensen-Shannon divergence, base 2, between the values in the files of both sides. It is 0
where every value has the same share of the files on both sides, and 1 where no value is on both. Values are compared by
meaning, and a file without the tag holds the value "(absent)". Files damaged before the tag are left out.

The data decide which of three kinds a tag is:

* *values*: every value is a cell. A value that only one side holds is new there.
* *values* in bins: numbers with more than `MAX_UNBINNED` values on both sides together. Two samples of one source
  need not share any of so many values. Adjacent values are put into bins of about equally many files, counting both
  sides; there are at most `MAX_COMPARED_BINS`, fewer if there are few series. Components are binned separately, and
  the largest distance counts. Only numbers outside the range of the other side are new.
* *unique*: UIDs, names, dates, times, and texts with at least half as many values as series. Their values are expected
  to differ, so the distance only measures whether the tag is present. `shared` counts the values on both sides, such as
  a patient in both training and test data.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from napari_dicommeta.catalog.arrow_arrays import number_array, numpy_of
from napari_dicommeta.catalog.columns import first_tag_of
from napari_dicommeta.catalog.distinct_texts import sort_key
from napari_dicommeta.catalog.moments import moment_of
from napari_dicommeta.dicom.explain import EXPLAINED
from napari_dicommeta.dicom.privacy import is_identifying
from napari_dicommeta.dicom.tags import TagPath
from napari_dicommeta.dicom.values import numbers
from napari_dicommeta.support.html import MAX_ROWS, Records, html_table, html_terms
from napari_dicommeta.support.markdown import escape_markdown, markdown_table
from napari_dicommeta.support.sorting import sorted_unique

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_dicommeta.catalog.catalog import Catalog

__all__ = ["ABSENT", "TagDifference", "compare", "comparison_report", "importance", "is_instance_uid", "jensen_shannon"]

ABSENT = "(absent)"
"""The value of a file without the tag."""
MAX_COMPARED_VALUES = 50
MAX_UNBINNED = 32
"""Numbers with more distinct values than this are binned."""
MAX_COMPARED_BINS = 32
MAX_COMPARED_COMPONENTS = 16
"""The most components of binned numbers; further ones (as in a dose grid's offsets) are ignored."""
MIN_NEW_SHARE = 0.01
"""The least share of files with new values for a tag to be sorted first; fewer may be chance."""
MIN_UNIQUE_TEXTS = 20
"""Texts with fewer distinct values are compared, even where each series has its own."""
NUMBER_VRS = frozenset(("AS", "DS", "IS", "US", "SS", "UL", "SL", "FL", "FD", "SV", "UV", "US or SS"))
"""VRs whose values are compared as numbers, ages as years."""
FUNCTIONAL_GROUPS = (0x52009229, 0x52009230)
"""The Shared and the Per-Frame Functional Groups Sequence."""
_ORDER = {keyword: n for n, keyword in enumerate((*EXPLAINED, ""))}
_OF_ONE = frozenset(("PN", "DA", "DT", "TM"))
_IDENTIFIERS = frozenset(("PatientID", "OtherPatientIDs", "AccessionNumber", "StudyID"))


@dataclass(frozen=True, slots=True, kw_only=True)
class TagDifference:
    """How the values of one tag differ between catalogs a and b.

    `distance`: the Jensen-Shannon divergence, 0 to 1, see the module. `kind`: "values" or "unique". `bins`: the number
    of bins of a component, 0 if values are not binned. `only_a`, `only_b`: (value, files) new on one side, most files
    first, at most `limit`. `n_only_a`, `n_only_b`: their number without that limit. `files_only_a`, `files_only_b`:
    the share of the side's files that hold a new value, 0 to 1. `values`: (value, files in a, files in b), most files
    first. `rest_values`, `rest_a`, `rest_b`: the number of further values, and their files. `present_a`, `present_b`:
    files with a value that is not empty. `unknown_a`, `unknown_b`: files left out. `shared`: the number of values on
    both sides, except the empty value. `identifying`: values may identify a person.
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
        """Return the keywords of the tag, levels joined by dots."""
        return self.path.text

    @property
    def is_new(self) -> bool:
        """Return whether a notable share of the files of a side hold values new there."""
        return max(self.files_only_a, self.files_only_b) >= MIN_NEW_SHARE

    def html_row(self) -> dict[str, str | int | float]:
        """Return what a table of differences shows of this one."""
        row: dict[str, str | int | float] = {"tag": self.keyword, "distance": round(self.distance, 4)}
        row |= {"kind": self.kind, "only in a": self.n_only_a, "files of a": f"{self.files_only_a:.1%}"}
        return {**row, "only in b": self.n_only_b, "files of b": f"{self.files_only_b:.1%}"}

    def _repr_html_(self) -> str:
        title = f"{self.keyword}: distance {self.distance:.4f}"
        counts: list[dict[str, str | int | float]] = [
            {"value": text or "(empty)", "files in a": a, "files in b": b} for text, a, b in self.values[:MAX_ROWS]
        ]
        return html_terms(title, []) + html_table(counts, len(self.values) + self.rest_values)


@dataclass(frozen=True, slots=True)
class _Side:
    """A catalog: a dictionary-encoded column per tag, the series of files, and the tags at which damaged files end."""

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
        return cls(columns, catalog.file_column("cut"), series, len(sorted_unique(series)))

    @property
    def n_files(self) -> int:
        return len(self.cuts)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Tag:
    """A tag on both sides: its texts, and for each file where it is known the code of its text (-1: absent)."""

    path: TagPath
    vr: str
    texts: Any
    codes: tuple[np.ndarray, np.ndarray]
    counts: np.ndarray
    """The files of each text, the last entry those without the tag: int64 of shape (2, texts + 1)."""
    unknown: tuple[int, int]
    series: tuple[np.ndarray, np.ndarray]

    @property
    def n_values(self) -> int:
        return int(np.count_nonzero(self.counts[:, :-1].any(axis=0)))

    def text(self, cell: int) -> str:
        return ABSENT if cell == len(self.texts) else str(self.texts[cell].as_py())


def compare(a: Catalog, b: Catalog, limit: int = MAX_COMPARED_VALUES) -> Records[TagDifference]:
    """Return the difference of each tag in a file of `a` or `b`, largest first, with at most `limit` values each.

    The order is by relevance to a model trained on one side and tested on the other:

    1. tags with new values in at least 1 % of a side's files, by that share, the larger of both sides: a model cannot
       have learned about these files;
    2. other tags by distance;
    3. group lengths, which say nothing about the images;
    4. *unique* tags, whose values cannot be compared, by the distance of their presence.

    Tags that differ equally, as many do between two sites, are sorted by `importance`. ``compare(b, a)`` gives the same
    order with the sides exchanged.

    Examples
    --------
    >>> first, second = dm.scan("delivery-1"), dm.scan("delivery-2")
    >>> next(tag.distance for tag in dm.compare(first, second) if tag.keyword == "ConvolutionKernel")
    1.0
    """
    sides = _Side.of(a), _Side.of(b)
    vrs: dict[str, str] = {}
    for summary in (*a.tags(), *b.tags()):
        vrs[summary.keyword] = min(vrs.get(summary.keyword, summary.vr), summary.vr)  # for either order of the sides
    differences = [_difference(_tag(name, vr, *sides), sides, limit) for name, vr in vrs.items()]
    return Records(sorted(differences, key=_rank))


def importance(path: TagPath) -> tuple[int, int, TagPath]:
    """Return a key that sorts tags by their importance for images.

    First come the tags of `explain` in its order, at the top level or in functional groups. Then come other public
    tags, top level before nested, then private tags, then group lengths.
    """
    if path.tag & 0xFFFF == 0:
        return _ORDER[""] + 2, 0, path
    if path.is_private:
        return _ORDER[""] + 1, len(path.elements), path
    of_image = len(path.elements) == 1 or path.elements[0][0] in FUNCTIONAL_GROUPS
    return _ORDER.get(path.keyword if of_image else "", _ORDER[""]), len(path.elements), path


def is_instance_uid(path: TagPath, vr: str) -> bool:
    """Return whether the values of a tag are UIDs of objects, not of classes and transfer syntaxes."""
    keyword = path.keyword
    return vr == "UI" and not keyword.endswith("ClassUID") and keyword != "TransferSyntaxUID"


def _rank(difference: TagDifference) -> tuple[Any, ...]:
    shares = difference.files_only_a, difference.files_only_b
    is_length = difference.path.tag & 0xFFFF == 0
    group = 3 if difference.kind == "unique" else 2 if is_length else 0 if difference.is_new else 1
    first = (max(shares), difference.distance) if group == 0 else (difference.distance, max(shares))
    return group, -first[0], -first[1], -min(shares), *importance(difference.path)


def _codes(array: Any) -> np.ndarray:
    indices = array.indices
    return numpy_of(indices, absent=-1)


def _tag(name: str, vr: str, a: _Side, b: _Side) -> _Tag:
    path = TagPath.parse(name)
    kind = pa.dictionary(pa.int32(), pa.string())
    arrays = [side.columns.get(name, pa.nulls(side.n_files, kind)) for side in (a, b)]
    joined = pa.chunked_array(arrays, kind).unify_dictionaries()
    texts = joined.chunk(0).dictionary
    codes, known, counts, unknown = [], [], [], []
    first_tag = first_tag_of(path.key)
    for chunk, side in zip(joined.chunks, (a, b), strict=True):
        file_codes = _codes(chunk)
        is_known = (file_codes >= 0) | (side.cuts < 0) | (side.cuts > first_tag)
        file_codes, series = file_codes[is_known], side.series[is_known]
        text_counts = np.bincount(file_codes + 1, minlength=len(texts) + 1)
        counts.append(np.append(text_counts[1:], text_counts[0]))
        unknown.append(int(np.count_nonzero(~is_known)))
        codes.append(file_codes)
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
    """Return whether each value of `tag` identifies an object, so that values are expected to differ."""
    if tag.n_values < 2:
        return False
    if tag.vr == "UI":
        return is_instance_uid(tag.path, tag.vr)
    if tag.vr in _OF_ONE or tag.path.keyword in _IDENTIFIERS:
        return True
    if tag.vr in NUMBER_VRS or tag.n_values < MIN_UNIQUE_TEXTS:
        return False
    n_objects = min(sum(side.n_series for side in sides), int(tag.counts[:, :-1].sum()))
    return tag.n_values >= n_objects / 2


def _difference(tag: _Tag, sides: tuple[_Side, _Side], limit: int) -> TagDifference:
    counts, n_texts = tag.counts, len(tag.texts)
    bins = 0
    held = counts > 0
    if _is_unique(tag, sides):
        kind = "unique"
        is_empty = np.append(numpy_of(pc.equal(tag.texts, "")), False)
        cells = np.where(is_empty, 1, 0)
        cells[-1] = 2  # a value, empty, absent
        joint = np.stack([np.bincount(cells, weights=side, minlength=3) for side in counts])
        distance = jensen_shannon(*joint)
        only = np.stack([held[i] & (joint[1 - i] == 0)[cells] & (cells > 0) for i in (0, 1)])
    else:
        kind = "values"
        only = np.stack([held[0] & ~held[1], held[1] & ~held[0]])
        values = _numbers(tag) if tag.vr in NUMBER_VRS and tag.n_values > MAX_UNBINNED else None
        if values is None:
            distance = jensen_shannon(*counts)
        else:
            bins = _bin_count(tag)
            distance = max(jensen_shannon(*_binned(counts, values, i, bins)) for i in range(values.shape[1]))
            only = np.stack([only[i] & ~_within(values, held[1 - i]) for i in (0, 1)])
    if not counts.any(axis=1).all():
        only[:] = False  # the tag is unknown in all files of a side, so nothing can be called new
    files = np.maximum(counts.sum(axis=1), 1)
    shares = (counts * only).sum(axis=1) / files
    bars = _largest(tag, counts.sum(axis=0), limit)
    empty = pc.index(tag.texts, "").as_py()
    present = counts[:, :-1].sum(axis=1) - (counts[:, empty] if empty >= 0 else 0)
    both = held[0, :n_texts] & held[1, :n_texts]
    if empty >= 0:
        both[empty] = False
    new_values = [
        tuple((tag.text(cell), int(counts[i, cell])) for cell in _largest(tag, counts[i] * only[i], limit))
        for i in (0, 1)
    ]
    return TagDifference(
        path=tag.path,
        distance=distance,
        kind=kind,
        only_a=new_values[0],
        only_b=new_values[1],
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
    """Return the Jensen-Shannon divergence, base 2, of two arrays of counts of the same cells: 0 to 1.

    It is 0 if a side has no counts, as there is nothing to compare.
    """
    if not (a.any() and b.any()):
        return 0.0
    p, q = a / a.sum(), b / b.sum()
    cells = (p > 0) | (q > 0)
    p, q = p[cells], q[cells]
    middle = (p + q) / 2

    def divergence(side: np.ndarray) -> np.ndarray:
        return np.asarray(side * np.log2(np.where(side > 0, side, middle) / middle))

    # Summed in order of size, so that the order of cells, and of a and b, does not change the result.
    total = float(np.sort(divergence(p) + divergence(q)).sum()) / 2
    return min(max(total, 0.0), 1.0)


def _numbers(tag: _Tag) -> np.ndarray | None:
    """Return the components of each text, float64 of shape (texts, components); None if there are none.

    There are at most `MAX_COMPARED_COMPONENTS`. Missing components are NaN, as are all of a text without numbers.
    """
    used = np.asarray(tag.counts[:, :-1].any(axis=0))
    texts = zip(tag.texts.to_pylist(), used.tolist(), strict=True)
    of_text = _age if tag.vr == "AS" else numbers
    rows = [of_text(text) if is_used else None for text, is_used in texts]
    cut = [row[:MAX_COMPARED_COMPONENTS] if row else () for row in rows]
    width = max(map(len, cut), default=0)
    if not width:
        return None
    return np.array([[*row, *[np.nan] * (width - len(row))] for row in cut], dtype=np.float64)


def _age(text: str) -> tuple[float, ...] | None:
    """Return an age such as 018M in years (PS3.5 section 6.2)."""
    value = moment_of("AS", text)
    return None if value is None else (value,)


def _bin_count(tag: _Tag) -> int:
    """Return the number of bins: the square root of the number of pairs of series and value, on the smaller side."""
    n_pairs = []
    for codes, series in zip(tag.codes, tag.series, strict=True):
        n_pairs.append(len(sorted_unique(series * (len(tag.texts) + 1) + codes)))
    return int(np.clip(np.sqrt(min(n_pairs)), 2, MAX_COMPARED_BINS))


def _binned(counts: np.ndarray, values: np.ndarray, i: int, bins: int) -> np.ndarray:
    """Return `counts` by bins of component `i` of the numbers, int64 of shape (2, cells).

    Further cells are the numbers without this component, each text that is not made of numbers, and absent.
    """
    component = values[:, i]
    is_number = ~np.isnan(component)
    is_text = np.append(np.isnan(values[:, 0]), True)
    distinct, positions = np.unique(component[is_number], return_inverse=True)
    files = np.stack([np.bincount(positions, weights=side[:-1][is_number], minlength=len(distinct)) for side in counts])
    # Both sides have equal weight, so that a large catalog does not squeeze a small one into a single bin.
    weights = (files / np.maximum(files.sum(axis=1, keepdims=True), 1)).sum(axis=0)
    middles = (np.cumsum(weights) - weights / 2) / max(weights.sum(), 1e-300)
    cells = np.minimum((middles * bins).astype(np.int64), bins - 1)
    joint = np.stack([np.bincount(cells, weights=side, minlength=bins) for side in files]).astype(np.int64)
    shorter = counts[:, np.append(~is_number, False) & ~is_text].sum(axis=1, keepdims=True)
    return np.concatenate([joint, shorter, counts[:, is_text]], axis=1)


def _within(values: np.ndarray, held: np.ndarray) -> np.ndarray:
    """Return for each text whether its numbers lie in the range of those that are `held`; last, for absent, False.

    Numbers of more or fewer components than any of these do not.
    """
    length = (~np.isnan(values)).sum(axis=1)
    others = values[held[:-1] & (length > 0)]
    if not len(others):
        return np.zeros(len(values) + 1, dtype=bool)
    low, high = np.fmin.reduce(others), np.fmax.reduce(others)
    inside = (np.isnan(values) | ((values >= low) & (values <= high))).all(axis=1)
    return np.append(inside & (length > 0) & np.isin(length, length[held[:-1]]), False)


def _largest(tag: _Tag, totals: np.ndarray, limit: int) -> list[int]:
    """Return the cells with most files, at most `limit`; ties are sorted by number or text."""
    cells = np.flatnonzero(totals)
    if len(cells) > limit:
        least = np.partition(totals[cells], -limit)[-limit]
        above, equal = cells[totals[cells] > least], cells[totals[cells] == least]
        if len(equal) > 20 * MAX_COMPARED_VALUES:  # one value per file: the choice hardly matters, but must be stable
            texts = pa.table({"text": tag.texts.take(number_array(equal[equal < len(tag.texts)]))})
            first = pc.select_k_unstable(texts, limit - len(above), [("text", "ascending")])
            equal = equal[numpy_of(first)]
        cells = np.concatenate([above, equal])
    ordered = sorted(cells.tolist(), key=lambda cell: (-totals[cell], *sort_key(tag.text(cell))))
    return ordered[:limit]


def comparison_report(
    differences: Sequence[TagDifference], name_a: str, name_b: str, limit: int = 30, *, identifying: bool = False
) -> str:
    """Return the first `limit` of `differences` as a Markdown table, and a line that counts the others.

    Tags that may identify a person are left out unless `identifying` is set. Equal tags are always left out.
    """
    shown = [difference for difference in differences if identifying or not difference.identifying]
    hidden = len(differences) - len(shown)
    differing = [
        difference
        for difference in shown
        if difference.kind == "unique" or difference.distance > 0 or difference.n_only_a or difference.n_only_b
    ]
    equal = len(shown) - len(differing)
    a, b = escape_markdown(name_a), escape_markdown(name_b)
    rows = [
        (
            escape_markdown(difference.keyword),
            f"{difference.distance:.3f}",
            _new_text(difference.only_a, difference.n_only_a, difference.files_only_a),
            _new_text(difference.only_b, difference.n_only_b, difference.files_only_b),
            _values_text(difference),
        )
        for difference in differing[:limit]
    ]
    table = markdown_table(("tag", "distance", f"only in {a}", f"only in {b}", f"{a} → {b}"), rows)
    counted = [
        (len(differing) - limit, "more that differ"),
        (equal, "equal on both sides"),
        (hidden, "that may identify a person, not shown"),
    ]
    rest = "; ".join(f"{n} {group}" for n, group in counted if n > 0)
    note = "Distance: Jensen-Shannon divergence of the values over the files, 0 (alike) to 1 (nothing in common)."
    return table + "\n" + note + (f" Tags: {rest}." if rest else "") + "\n"


def _new_text(values: tuple[tuple[str, int], ...], n: int, share: float) -> str:
    if not n:
        return ""
    named = ", ".join(escape_markdown(text or "(empty)", 40) for text, _ in values[:3])
    return f"{named}{f' and {n - 3} more' if n > 3 else ''}: {share:.1%} of files"


def _values_text(difference: TagDifference) -> str:
    if difference.kind == "unique":
        return f"unique values; {difference.shared} on both sides"
    if difference.bins:
        return f"in {difference.bins} bins"
    named = ", ".join(f"{escape_markdown(text or '(empty)', 40)}: {a} → {b}" for text, a, b in difference.values[:3])
    more = len(difference.values) - 3 + difference.rest_values
    return named + (f", and {more} more" if more > 0 else "")
