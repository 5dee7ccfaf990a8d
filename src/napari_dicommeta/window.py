"""Window presets as files state them: center and width under one of three functions (PS3.3 section C.11.2).

Limits and curves are those of the Standard, not the common ``center ± width / 2``: a LINEAR window of
center 40 and width 400 runs from -160 to 239.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_dicommeta.meaning import number

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

__all__ = ["Window", "distinct_windows", "windows_of"]

FUNCTIONS = ("LINEAR", "LINEAR_EXACT", "SIGMOID")
SIGMOID_SPAN = 2.0
"""A SIGMOID is shown over center ± this many widths, where it has come within 0.04 % of its ends."""


@dataclass(frozen=True, slots=True)
class Window:
    """One window preset, in the units of the modality transform's output (HU for CT).

    `center` (0028,1050) and `width` (0028,1051) as stored; `function` (0028,1056) *VOI LUT Function*, LINEAR
    where it is absent; `explanation` (0028,1055), "" where the file gives none. `fault` is "" for a window
    that can be shown, or the reason why it cannot.
    """

    center: float
    width: float
    function: str = "LINEAR"
    explanation: str = ""

    @property
    def fault(self) -> str:
        """Why this window cannot be shown; "" if it can (PS3.3 section C.11.2.1.2)."""
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
        is a threshold. LINEAR_EXACT: center ± width / 2. SIGMOID has no ends: center ± 2 widths.
        """
        if self.function == "LINEAR":
            return self.center - 0.5 - (self.width - 1) / 2, self.center - 0.5 + (self.width - 1) / 2
        half = self.width / 2 if self.function == "LINEAR_EXACT" else self.width * SIGMOID_SPAN
        return self.center - half, self.center + half

    @property
    def label(self) -> str:
        """The name to show: the explanation, or center and width where there is none."""
        return self.explanation or f"{self.center:g} / {self.width:g}"

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
        if self.function == "SIGMOID":
            exponent = np.clip(-4 * (values - self.center) / self.width, -700, 700)
            return np.asarray(1 / (1 + np.exp(exponent)))
        low, high = self.limits
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
                math.nan if c_value is None else c_value,
                math.nan if w_value is None else w_value,
                function or "LINEAR",
                explanations[i] if i < len(explanations) else "",
            )
        )
    return tuple(windows)


def distinct_windows(windows: Iterable[Window]) -> tuple[Window, ...]:
    """`windows` in their order without repetitions; of two that differ in the explanation only, the named one."""
    kept: dict[tuple[float, float, str, str], Window] = {}
    windows = tuple(windows)
    named = {(window.center, window.width, window.function) for window in windows if window.explanation}
    for window in windows:
        if not window.explanation and (window.center, window.width, window.function) in named:
            continue
        kept.setdefault((window.center, window.width, window.function, window.explanation), window)
    return tuple(kept.values())


def middle_windows(per_slice: Sequence[tuple[Window, ...]]) -> tuple[Window, ...]:
    """The windows of a volume: the middle slice's first, then those of other slices, most frequent first."""
    if not per_slice:
        return ()
    counts = Counter(window for windows in per_slice for window in windows)
    others = [window for window, _ in counts.most_common()]
    return distinct_windows([*per_slice[len(per_slice) // 2], *others])
