"""Window presets as files state them: center and width under one of three functions, or a lookup table (PS3.3 C.11.2).

Limits and curves are those of the Standard, not the common ``center ± width / 2``: a LINEAR window of
center 40 and width 400 runs from -160 to 239.
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
    "WINDOW_TAGS",
    "Window",
    "alternatives",
    "distinct_windows",
    "in_stored_values",
    "middle_windows",
    "windows_of",
]

WINDOW_TAGS = ("WindowCenter", "WindowWidth", "WindowCenterWidthExplanation", "VOILUTFunction")
"""What a file states of its windows, in the order in which `windows_of` takes their texts."""
FUNCTIONS = ("LINEAR", "LINEAR_EXACT", "SIGMOID")
NARROW, LOWEST_HU, HIGHEST_HU = 10, -1100, 4000
"""HU; what lies outside is no sensible window of a CT."""
CLEARLY = 0.15
"""By how much the overlap must be larger for a window to be taken in stored values against the Standard."""
SIGMOID_SPAN = 2.0
"""A SIGMOID is shown over center ± this many widths, where it has come within 0.04 % of its ends."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """One window preset, in the units of the modality transform's output (HU for CT).

    `center` (0028,1050) and `width` (0028,1051) as the file has them; `function` (0028,1056) *VOI LUT Function*,
    LINEAR where it is absent; `explanation` (0028,1055), "" where the file gives none. `lut`: an item of (0028,3010)
    *VOI LUT Sequence* instead; center and width are then those of its inputs. `rescale`: (slope, intercept) where the
    file's numbers mean stored values, None where they mean modality values, as the Standard says; `limits`, `apply` and
    `curve` always take and give modality values. `times`: how often the file states the same window.
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
        """The window of an item of *VOI LUT Sequence*."""
        n = len(lut.values)
        return cls(center=lut.first + (n - 1) / 2, width=float(n), function="LUT", explanation=lut.explanation, lut=lut)

    @property
    def fault(self) -> str:
        """Why this window cannot be shown; "" if it can (PS3.3 section C.11.2.1.2)."""
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
        """The values shown as black and as white.

        LINEAR: center - 0.5 - (width - 1) / 2 and center - 0.5 + (width - 1) / 2, equal for a width of 1, which
        is a threshold. LINEAR_EXACT: center ± width / 2. SIGMOID has no ends: center ± 2 widths. A lookup table: its
        first and last input. Modality values, the smaller one first.
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
        """Whether brightness grows in a straight line between the limits, so that these say all."""
        return self.lut is None and self.function != "SIGMOID" and (self.rescale is None or self.rescale[0] > 0)

    @property
    def label(self) -> str:
        """The name to show: the explanation, or center and width where there is none."""
        return self.explanation or self.numbers

    @property
    def numbers(self) -> str:
        """Center and width as text, or the entries of the table."""
        if self.lut is not None:
            return f"LUT of {len(self.lut.values)}"
        return f"{self.center:g} / {self.width:g}"

    def doubt(self, units: str = "") -> str:
        """What is implausible about a window that can be shown, in an image of these units; "" if nothing."""
        if self.fault or self.lut is not None or units != "HU":
            return ""
        if self.width < NARROW:
            return f"a width of {self.width:g} HU shows hardly a gray level"
        low, high = self.limits
        if high < LOWEST_HU or low > HIGHEST_HU:
            return f"no tissue lies between {low:g} and {high:g} HU"
        return ""

    def apply(self, values: np.ndarray) -> np.ndarray:
        """`values` (any shape, modality units) as brightness from 0 to 1, float64 (PS3.3 section C.11.2.1.2 and .3).

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
        """Brightness (0 to 1, float64, shape (samples,)) at equal steps over `limits`, ends included."""
        low, high = self.limits
        return self.apply(np.linspace(low, high, samples))


def windows_of(center: str, width: str, explanation: str = "", function: str = "") -> tuple[Window, ...]:
    """The alternatives of one file, from its elements' texts, components joined by backslashes.

    Centers, widths and explanations are paired by position; where the numbers of centers and widths differ,
    what has a partner is kept (PS3.3 section C.11.2.1.2). A component that is no number becomes NaN, so
    that the window is listed with its fault rather than dropped.
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
    """`windows` in their order without repetitions; of two that differ in the explanation only, the named one."""
    windows = tuple(windows)
    kept: dict[Window, None] = {}
    named = {replace(window, explanation="") for window in windows if window.explanation}
    for window in windows:
        if window.explanation or window not in named:
            kept.setdefault(window)
    return tuple(kept)


def _folded(windows: Iterable[Window]) -> tuple[Window, ...]:
    """`windows` of one file, what it states more than once with the number of `times`."""
    counts = Counter(windows)
    return tuple(replace(window, times=times) for window, times in counts.items())


def in_stored_values(window: Window, values: tuple[float, float], slope: float, intercept: float) -> bool:
    """Whether `window` fits the stored rather than the modality `values`, (smallest, largest), of an image.

    By the Standard it means modality values (PS3.3 section C.11.2.1.2); MR and PET files often mean stored ones. The
    better fit is the one with which the window and the values cover more of one another.
    """
    if slope == 0 or (slope, intercept) == (1, 0) or window.fault:
        return False
    stored = sorted((value - intercept) / slope for value in values)
    return _overlap(window.limits, (stored[0], stored[1])) > _overlap(window.limits, values) + CLEARLY


def _overlap(one: tuple[float, float], other: tuple[float, float]) -> float:
    """What two spans have in common over what both cover, 0 to 1."""
    both = min(one[1], other[1]) - max(one[0], other[0])
    all_of_it = max(one[1], other[1]) - min(one[0], other[0])
    return max(both, 0.0) / all_of_it if all_of_it > 0 else 0.0


def middle_windows(per_slice: Sequence[tuple[Window, ...]]) -> tuple[Window, ...]:
    """The windows of a volume: the middle slice's first, then those of other slices, most frequent first."""
    if not per_slice:
        return ()
    counts = Counter(window for windows in per_slice for window in windows)
    others = [window for window, _ in counts.most_common()]
    return distinct_windows([*per_slice[len(per_slice) // 2], *others])


def alternatives(per_slice: Sequence[tuple[Window, ...]], most: int = 12) -> tuple[Window, ...]:
    """The windows of a volume that are worth a button: all distinct ones, or where those are more than `most`, because
    they differ from slice to slice, one for each place in the slices' lists: the middle slice's, or the most frequent.
    """
    windows = middle_windows(per_slice)
    if len(windows) <= most:
        return windows
    longest = max(map(len, per_slice))
    middle = per_slice[len(per_slice) // 2]
    kept = list(middle)
    for place in range(len(middle), longest):
        counts = Counter(of_slice[place] for of_slice in per_slice if len(of_slice) > place)
        kept.append(counts.most_common(1)[0][0])
    return distinct_windows(kept)
