"""Window presets of files: center and width with a VOI LUT function, or a lookup table (PS3.3 section C.11.2).

Limits and curves follow the Standard, not the common ``center ± width / 2``: a LINEAR window with center 40 and width
400 runs from -160 to 239.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from napari_dicommeta.dicom.values import number

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from napari_dicommeta.dicom.luts import LookupTable

__all__ = [
    "SIGMOID_SPAN",
    "WINDOW_TAGS",
    "Window",
    "alternatives",
    "distinct_windows",
    "in_stored_values",
    "is_nearly",
    "middle_windows",
    "windows_of",
]

WINDOW_TAGS = ("WindowCenter", "WindowWidth", "WindowCenterWidthExplanation", "VOILUTFunction")
"""The attributes of a file's windows, in the order of the arguments of `windows_of`."""
FUNCTIONS = ("LINEAR", "LINEAR_EXACT", "SIGMOID")
MIN_WIDTH_HU, LOWEST_HU, HIGHEST_HU = 10, -1100, 4000
"""HU; a CT window that is narrower, or entirely outside this range, is implausible."""
MIN_OVERLAP_GAIN = 0.15
"""How much larger the overlap must be before a window is read in stored values, contrary to the Standard."""
NEARLY = 0.02
"""Windows whose limits differ by less than this part of their width are offered once."""
SIGMOID_SPAN = 2.0
"""A SIGMOID is shown over center ± this many widths, where it is within 0.04 % of black and white."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """One window preset, in the units of the modality transform's output (HU for CT; PS3.3 section C.11.2).

    `center` (0028,1050) and `width` (0028,1051) are as in the file. `function` is *VOI LUT Function* (0028,1056),
    LINEAR if absent. `explanation` is (0028,1055), "" if absent. `lut` is an item of *VOI LUT Sequence* (0028,3010)
    instead; center and width then describe its inputs. `rescale` is None if the file's numbers are modality values, as
    the Standard says, and (slope, intercept) if they are stored values. `limits`, `apply` and `curve` always use
    modality values. `times` is how often the file states the same window.

    Examples
    --------
    >>> window = dm.Window(center=40, width=400)
    >>> window.limits
    (-160.0, 239.0)
    >>> window.apply(np.array([-160, 40, 239])).round(3).tolist()
    [0.0, 0.501, 1.0]
    """

    center: float
    width: float
    function: str = "LINEAR"
    explanation: str = ""
    lut: LookupTable | None = None
    rescale: tuple[float, float] | None = None
    times: int = field(default=1, compare=False)

    @classmethod
    def of_table(cls, lut: LookupTable) -> Window:
        """Return the window of an item of *VOI LUT Sequence*."""
        n = len(lut.values)
        return cls(center=lut.first + (n - 1) / 2, width=float(n), function="LUT", explanation=lut.explanation, lut=lut)

    @property
    def fault(self) -> str:
        """Why this window cannot be applied; "" if it can (PS3.3 section C.11.2.1.2)."""
        if self.lut is not None:
            return "" if len(self.lut.values) > 1 else "the lookup table has one entry"
        if not (math.isfinite(self.center) and math.isfinite(self.width)):
            return "center or width is not a number"
        if self.function not in FUNCTIONS:
            return f"unknown VOI LUT function {self.function}"
        if self.width <= 0 or (self.function == "LINEAR" and self.width < 1):
            return f"a width of {self.width:g} is not allowed for {self.function}"
        return ""

    @property
    def limits(self) -> tuple[float, float]:
        """The modality values shown as black and white, smaller first (PS3.3 section C.11.2.1.2).

        * LINEAR: center - 0.5 ± (width - 1) / 2; both are equal for a width of 1, which is a threshold.
        * LINEAR_EXACT: center ± width / 2.
        * SIGMOID, which has no ends: center ± 2 widths.
        * Lookup table: its first and last input.
        """
        low, high = self._own_limits
        if self.rescale is None:
            return low, high
        slope, intercept = self.rescale
        ends = low * slope + intercept, high * slope + intercept
        return min(ends), max(ends)

    @property
    def _own_limits(self) -> tuple[float, float]:
        """`limits` in the units of center and width."""
        if self.lut is not None:
            return float(self.lut.first), float(self.lut.first + len(self.lut.values) - 1)
        if self.function == "LINEAR":
            return self.center - 0.5 - (self.width - 1) / 2, self.center - 0.5 + (self.width - 1) / 2
        half = self.width / 2 if self.function == "LINEAR_EXACT" else self.width * SIGMOID_SPAN
        return self.center - half, self.center + half

    @property
    def is_straight(self) -> bool:
        """Whether brightness rises linearly between the limits, so that they define the whole curve."""
        return self.lut is None and self.function != "SIGMOID" and (self.rescale is None or self.rescale[0] > 0)

    @property
    def label(self) -> str:
        """The name to show: the explanation, or else center and width."""
        return self.explanation or self.numbers

    @property
    def numbers(self) -> str:
        """Center and width as text, or the number of entries of the table."""
        if self.lut is not None:
            return f"LUT of {len(self.lut.values)}"
        return f"{self.center:g} / {self.width:g}"

    def doubt(self, units: str = "") -> str:
        """Return why a valid window is implausible for an image in these units, "" if it is plausible."""
        if self.fault or self.lut is not None or units != "HU":
            return ""
        if self.width < MIN_WIDTH_HU:
            return f"a width of {self.width:g} HU shows hardly any gray levels"
        low, high = self.limits
        if high < LOWEST_HU or low > HIGHEST_HU:
            return f"no tissue lies between {low:g} and {high:g} HU"
        return ""

    def apply(self, values: np.ndarray) -> np.ndarray:
        """Return `values` (modality units) as brightness from 0 to 1, float64 of the same shape.

        See PS3.3 sections C.11.2.1.2 and C.11.2.1.3.

        Raises
        ------
        ValueError
            If the window has a `fault`.
        """
        if self.fault:
            raise ValueError(f"Window {self.center:g}/{self.width:g}: {self.fault}")
        values = np.asarray(values, dtype=np.float64)
        if self.rescale is not None:
            values = (values - self.rescale[1]) / self.rescale[0]
        if self.lut is not None:
            return np.asarray(self.lut.apply(values) / (2.0**self.lut.bits - 1))
        if self.function == "SIGMOID":
            exponent = np.clip(-4 * (values - self.center) / self.width, -700, 700)
            return np.asarray(1 / (1 + np.exp(exponent)))
        low, high = self._own_limits
        if high <= low:
            return np.asarray(values > low, dtype=np.float64)
        return np.clip((values - low) / (high - low), 0, 1)

    def curve(self, samples: int = 1024) -> np.ndarray:
        """Return brightness (0 to 1, float64, shape (samples,)) at equal steps over `limits`, ends included.

        Raises
        ------
        ValueError
            If the window has a `fault`.
        """
        low, high = self.limits
        return self.apply(np.linspace(low, high, samples))


def windows_of(center: str, width: str, explanation: str = "", function: str = "") -> tuple[Window, ...]:
    """Return the alternative windows of one file from the texts of its elements, components joined by backslashes.

    Centers, widths and explanations are paired by position, and centers or widths without a partner are dropped (PS3.3
    section C.11.2.1.2). A component that is not a number becomes NaN, so the window is listed with its fault.
    """
    if not center or not width:
        return ()
    explanations = explanation.split("\\") if explanation else []
    windows = []
    for i, (c, w) in enumerate(zip(center.split("\\"), width.split("\\"), strict=False)):
        c_value, w_value = number(c), number(w)
        windows.append(
            Window(
                center=math.nan if c_value is None else c_value,
                width=math.nan if w_value is None else w_value,
                function=function or "LINEAR",
                explanation=explanations[i] if i < len(explanations) else "",
            )
        )
    return _folded(windows)


def distinct_windows(windows: Iterable[Window]) -> tuple[Window, ...]:
    """Return `windows` in order without duplicates; an unnamed window gives way to an equal one with an explanation."""
    windows = tuple(windows)
    distinct: dict[Window, None] = {}
    named = {replace(window, explanation="") for window in windows if window.explanation}
    for window in windows:
        if window.explanation or window not in named:
            distinct.setdefault(window)
    return tuple(distinct)


def is_nearly(first: Window, second: Window) -> bool:
    """Return whether two windows show nearly the same: limits within 2 % of the width, about five of 256 gray levels.

    Lookup tables, and windows with a `fault`, are nearly equal only to themselves.
    """
    if first.lut is not None or second.lut is not None or first.fault or second.fault:
        return first == second
    if first.is_straight != second.is_straight or (first.function == "SIGMOID") != (second.function == "SIGMOID"):
        return False
    (low, high), (other_low, other_high) = first.limits, second.limits
    tolerance = NEARLY * max(high - low, other_high - other_low)
    return abs(low - other_low) <= tolerance and abs(high - other_high) <= tolerance


def _folded(windows: Iterable[Window]) -> tuple[Window, ...]:
    """Merge equal windows of one file, counting them in `times`."""
    counts = Counter(windows)
    return tuple(replace(window, times=times) for window, times in counts.items())


def in_stored_values(
    window: Window, values: tuple[float, float], slope: float, intercept: float, gain: float = MIN_OVERLAP_GAIN
) -> bool:
    """Return whether `window` fits an image's stored values better than its modality `values`, (smallest, largest).

    The Standard defines windows in modality values (PS3.3 section C.11.2.1.2), but MR and PET files often use stored
    values. The better fit is the overlap of the window with the values that is larger by more than `gain`.
    """
    if slope == 0 or (slope, intercept) == (1, 0) or window.fault:
        return False
    stored = sorted((value - intercept) / slope for value in values)
    return _overlap(window.limits, (stored[0], stored[1])) > _overlap(window.limits, values) + gain


def _overlap(first: tuple[float, float], second: tuple[float, float]) -> float:
    """Return the intersection of two spans as a fraction of their union, 0 to 1."""
    intersection = min(first[1], second[1]) - max(first[0], second[0])
    union = max(first[1], second[1]) - min(first[0], second[0])
    return max(intersection, 0.0) / union if union > 0 else 0.0


def middle_windows(per_slice: Sequence[tuple[Window, ...]]) -> tuple[Window, ...]:
    """Return the windows of a volume: the middle slice's first, then those of other slices, most frequent first."""
    if not per_slice:
        return ()
    times = Counter(map(id, per_slice))  # most slices share one object
    if len(times) == 1:
        return distinct_windows(per_slice[0])
    lists = {id(windows): windows for windows in per_slice}
    counts: Counter[Window] = Counter()
    for key, windows in lists.items():
        for window in windows:
            counts[window] += times[key]
    others = [window for window, _ in counts.most_common()]
    return distinct_windows([*per_slice[len(per_slice) // 2], *others])


def alternatives(per_slice: Sequence[tuple[Window, ...]], most: int = 12) -> tuple[Window, ...]:
    """Return the windows of a volume to offer as buttons: all distinct ones if there are at most `most`.

    More than that differ from slice to slice. Then each position in the slices' lists gives one window: the middle
    slice's, or else the most frequent.
    """
    windows = middle_windows(per_slice)
    if len(windows) <= most:
        return windows
    longest = max(map(len, per_slice))
    middle = per_slice[len(per_slice) // 2]
    windows_by_place = list(middle)
    for place in range(len(middle), longest):
        counts = Counter(of_slice[place] for of_slice in per_slice if len(of_slice) > place)
        windows_by_place.append(counts.most_common(1)[0][0])
    return distinct_windows(windows_by_place)
