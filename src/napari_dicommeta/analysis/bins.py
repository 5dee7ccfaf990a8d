"""Count the numbers of a tag in bins: lengths, dates, times and ages, each in steps that people count in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_dicommeta.catalog.moments import DAY_SECONDS, FIRST_DAY, MOMENT_VRS, TICK, YOUNG, moment_range, moment_text
from napari_dicommeta.dicom.tags import TagPath

if TYPE_CHECKING:
    from napari_dicommeta.catalog.catalog import Catalog

__all__ = ["Bins", "Spread", "bins_of", "spread_of"]

MAX_BINS = 48
MAX_MOMENT_BINS = 36
"""The most bins of dates and times: three years in months, a day in hours."""
MAX_SPREAD = 100_000
"""The most distinct numbers that are sorted for their median."""
TAIL_SHARE = 0.005
"""The share of the numbers at each end that may go to an open bin."""
CALENDAR_STEPS = (
    ("day", 1),
    ("day", 7),
    ("month", 1),
    ("month", 3),
    *(("year", n) for n in (1, 2, 5, 10, 20, 50, 100, 500)),
)
"""Steps of bins of dates: the unit, and how many of it."""
CLOCK_STEPS = (1, 5, 10, 30, 60, 300, 600, 1800, 3600)
"""Steps of bins of times, in seconds."""
MONDAY = 4
"""Days from 1970-01-01 to a Monday."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bins:
    """The numbers of a tag in bins of equal width; of dates, in days, weeks, months or years.

    `edges`: bins + 1 numbers in the tag's unit. A bin includes its lower edge, the last bin both edges. Where a few
    numbers lie far outside, the first edge is -inf or the last edge inf. A file counts once in each bin that holds one
    of its components. `not_numbers`, `absent`, `unknown`: files in no bin. `vr`: DA, TM, DT or AS where the numbers are
    those of `catalog.moments`, else "". `unit`: the unit of `moments.UNITS` to which the edges of a DA, TM or DT are
    whole.
    """

    path: TagPath
    edges: tuple[float, ...]
    files: tuple[int, ...]
    part: tuple[int, ...]
    not_numbers: int = 0
    absent: int = 0
    unknown: int = 0
    binned: int = 0
    """The files in any bin: fewer than the sum of `files` if files hold several numbers."""
    vr: str = ""
    unit: str = ""

    def condition(self, first: int, last: int) -> slice:
        """Return the range of the bins from `first` to `last`, both included, as `Catalog.where` takes it.

        Of dates and times, its ends are texts in the unit of the bins, such as "2010" and "2012"; None is an open end.
        """
        low, high = self.edges[first], self.edges[last + 1]
        if self.unit:
            texts = (moment_text(self.vr, end, self.unit) if np.isfinite(end) else None for end in (low, high - TICK))
            return slice(*texts)
        is_last = last == len(self.files) - 1
        return slice(low, high if is_last else float(np.nextafter(high, -np.inf)))

    def ends(self, first: int, last: int) -> tuple[float, float]:
        """Return the smallest and the largest number that `condition` selects."""
        chosen = self.condition(first, last)
        return moment_range(self.vr, chosen.start, chosen.stop) if self.unit else (chosen.start, chosen.stop)


def bins_of(catalog: Catalog, tag: str | TagPath, part: Catalog | None = None, most: int = MAX_BINS) -> Bins | None:
    """Count the files of `catalog` and `part` by the numbers of `tag`, in about `most` bins; None if no two differ."""
    path = tag if isinstance(tag, TagPath) else TagPath.parse(tag)
    counted = catalog.numbers(path)
    if counted is None:
        return None
    vr, unit = counted.vr if counted.vr in MOMENT_VRS else "", ""
    if vr and vr != "AS":
        edges, unit = _moment_edges(vr, counted.values, counted.weights, min(most, MAX_MOMENT_BINS))
    else:
        edges = _edges(counted.values, counted.weights, most, is_age=vr == "AS")
    if not edges:
        return None
    part_numbers = part.numbers(path) if part is not None else None
    return Bins(
        path=path,
        edges=edges,
        files=counted.binned(edges),
        part=part_numbers.binned(edges) if part_numbers is not None else (0,) * (len(edges) - 1),
        not_numbers=counted.not_numbers,
        absent=counted.absent,
        unknown=counted.unknown,
        binned=catalog.n_files - counted.not_numbers - counted.absent - counted.unknown,
        vr=vr,
        unit=unit,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """The smallest number of a tag, its median over files, and its largest number."""

    low: float
    median: float
    high: float
    vr: str = ""
    """DA, TM, DT or AS where the numbers are those of `catalog.moments`."""
    components: int = 1
    """The most numbers that a value has; they are counted together."""


def spread_of(catalog: Catalog, tag: str | TagPath) -> Spread | None:
    """Return the spread of the numbers of `tag`; None if no two differ, or if there are more than `MAX_SPREAD`."""
    counted = catalog.numbers(tag)
    if counted is None or not 1 < len(counted.values) <= MAX_SPREAD:
        return None
    order = np.argsort(counted.values, kind="stable")
    ordered, cumulated = counted.values[order], np.cumsum(counted.weights[order])
    if ordered[0] == ordered[-1]:
        return None
    median = ordered[int(np.searchsorted(cumulated, cumulated[-1] / 2))]
    return Spread(
        low=float(ordered[0]),
        median=float(median),
        high=float(ordered[-1]),
        vr=counted.vr if counted.vr in MOMENT_VRS else "",
        components=int(np.unique(counted.owners, return_counts=True)[1].max()),
    )


@dataclass(frozen=True, slots=True)
class _Ends:
    """The range of numbers: `low` and `high` of all, `first` and `last` without the few that lie far outside."""

    low: float
    high: float
    first: float
    last: float

    def opened(self, edges: list[float]) -> tuple[float, ...]:
        """Return the edges, with open bins for numbers outside."""
        below, above = self.low < edges[0], self.high > edges[-1]
        return (*([-np.inf] if below else []), *map(float, edges), *([np.inf] if above else []))


def _ends(values: np.ndarray, weights: np.ndarray) -> _Ends | None:
    """Return the range of the numbers, None if there are no two different ones."""
    order = np.argsort(values)
    ordered, cumulated = values[order], np.cumsum(weights[order])
    if not len(ordered) or ordered[0] == ordered[-1]:
        return None
    ends = np.searchsorted(cumulated, np.array([TAIL_SHARE, 1 - TAIL_SHARE]) * cumulated[-1])
    low, high = float(ordered[0]), float(ordered[-1])
    inner_low, inner_high = (float(ordered[min(end, len(ordered) - 1)]) for end in ends)
    has_tails = inner_high > inner_low and (high - low) > 4 * (inner_high - inner_low)
    return _Ends(low, high, *((inner_low, inner_high) if has_tails else (low, high)))


def _edges(values: np.ndarray, weights: np.ndarray, most: int, is_age: bool) -> tuple[float, ...]:
    """Return edges at round numbers, 1, 2 or 5 × 10ⁿ apart; () if there are no two different numbers."""
    ends = _ends(values, weights)
    if ends is None:
        return ()
    if is_age and ends.last < YOUNG:
        return tuple(edge / 12 for edge in _edges(values * 12, weights, most, is_age=False))
    whole = is_age or bool((values == np.round(values)).all())
    least = (ends.last - ends.first) / most
    magnitude = 10.0 ** np.floor(np.log10(least))
    step = next(float(magnitude * factor) for factor in (1, 2, 5, 10) if magnitude * factor >= least * (1 - 1e-9))
    step = max(step, 1.0) if whole else step
    start = np.floor(ends.first / step)
    n = int(np.floor(ends.last / step) - start) + 1
    return ends.opened([round(float((start + i) * step), 12) for i in range(n + 1)])


def _moment_edges(vr: str, values: np.ndarray, weights: np.ndarray, most: int) -> tuple[tuple[float, ...], str]:
    """Return edges in the shortest step that needs at most `most` bins, and their unit; () if no two values differ."""
    ends = _ends(values, weights)
    if ends is None:
        return (), ""
    if vr == "TM" or (vr == "DT" and ends.last - ends.first <= most * CLOCK_STEPS[-1]):
        for step in CLOCK_STEPS:
            first, n = ends.first // step, int(ends.last // step - ends.first // step) + 1
            if n <= most or step == CLOCK_STEPS[-1]:
                unit = "second" if step < 60 else "minute" if step < 3600 else "hour"
                return ends.opened([(first + i) * step for i in range(n + 1)]), unit
    length = DAY_SECONDS if vr == "DT" else 1
    first_day, last_day = (np.datetime64(int(end // length), "D") for end in (ends.first, ends.last))
    for unit, count in CALENDAR_STEPS:
        begin, n, code = _calendar_bins(first_day, last_day, unit, count)
        if n <= most or (unit, count) == CALENDAR_STEPS[-1]:
            break
    starts = (begin + np.arange(n + 1) * count).astype(f"datetime64[{code}]")
    days = starts.astype("datetime64[D]").astype(np.int64)
    edges = [float(day * length) if day >= FIRST_DAY else -np.inf for day in days.tolist()]
    return ends.opened(edges), unit


def _calendar_bins(first: np.datetime64, last: np.datetime64, unit: str, count: int) -> tuple[int, int, str]:
    """Return where bins of `count` units begin, how many reach the last day, and NumPy's code of the unit.

    Where they begin is a number of units since 1970. Weeks begin on Mondays.
    """
    code = "D" if unit == "day" else "M" if unit == "month" else "Y"
    low, high = (int(day.astype(f"datetime64[{code}]").astype(np.int64)) for day in (first, last))
    origin = MONDAY if (unit, count) == ("day", 7) else 0 if unit != "year" else -1970  # years count from 0
    begin = (low - origin) // count * count + origin
    return begin, (high - begin) // count + 1, code
