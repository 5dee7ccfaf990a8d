"""Sample of a volume's values in HU, and the populations in it.

Air lies near -1000 HU and soft tissue near 0 to 60: a body in air has two populations 1000 to 1060 HU apart, and
nothing but padding below -1100.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_dicommeta.dicom.values import number
from napari_dicommeta.support.errors import PixelError
from napari_dicommeta.support.sorting import sorted_unique

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_dicommeta.catalog.catalog import Catalog
    from napari_dicommeta.volumes.volume import Volume

__all__ = ["DEEP", "HIGHEST", "LOWEST", "HUSample", "Population", "population_of", "read_sample"]

MAX_SLICES = 9
"""Number of slices that are read per volume."""
SLICE_PIXELS = 1 << 16
"""Approximate number of sampled pixels per slice."""
MAX_HU = 1 << 17
"""HU; values are clipped to this magnitude."""
AIR_HU = (-1060, -940)
"""HU; range of most air pixels, including noise."""
LOWEST = -1100
"""HU; only padding and the noise of air lie below."""
DEEP = -1400
"""HU; only padding lies below, noise does not reach this far."""
TISSUE_HU = (-150, 180)
VALLEYS_HU = ((-700, -200), (250, 700))
"""HU; between lung and fat, and above contrast medium: a body has fewer pixels there than in soft tissue."""
ABOVE_TISSUE_HU, BELOW_BONE_HU = (940, 1180), (300, 800)
"""HU; no population of bone there stands out above lower values."""
HIGHEST = 3200
"""HU; little but metal lies above."""
BAND_HU = 40
"""HU; width over which pixels are summed for a population."""
_RESCALE_TAGS = ("RescaleSlope", "RescaleIntercept")
_PLACES = (
    "",
    "SharedFunctionalGroupsSequence.PixelValueTransformationSequence.",
    "PerFrameFunctionalGroupsSequence.PixelValueTransformationSequence.",
)


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class HUSample:
    """Histogram of modality values of some pixels of a volume, without the padding stated by its files.

    `counts`: int64, number of pixels at `low`, `low` + 1 … HU, rounded. `n`: their sum. `n_padding`: excluded pixels
    of stated padding. `n_slices`: number of sampled slices. `rescale`: slope and intercept of these slices, (1, 0) if
    the files state none, None if they differ. `bits`, `signed`: *Bits Stored* and *Pixel Representation*, None if they
    differ. `stated_padding`: *Pixel Padding Value* as stated by the files. `image_types`: *Image Type* of the slices.
    """

    low: int
    counts: np.ndarray = field(repr=False)
    n: int
    n_padding: int
    n_slices: int
    rescale: tuple[float, float] | None
    bits: int | None
    signed: bool | None
    stated_padding: tuple[str, ...] = ()
    image_types: tuple[str, ...] = ()

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, HUSample):
            return NotImplemented
        names = [name for name in self.__slots__ if name != "counts"]
        same = all(getattr(self, name) == getattr(other, name) for name in names)
        return same and np.array_equal(self.counts, other.counts)

    def __hash__(self) -> int:
        return hash((self.low, self.n, self.n_padding, self.n_slices, self.rescale))

    @property
    def edges(self) -> np.ndarray:
        """Edges of the bins of `counts`, HU, float64 of shape (len(counts) + 1,)."""
        return self.low - 0.5 + np.arange(len(self.counts) + 1)

    @property
    def spike(self) -> tuple[int, float]:
        """Lowest isolated value, HU, and its share of the pixels; the share is 0.0 if there is none."""
        value, share = population_of(self).spike if self.n else (0.0, 0.0)
        return int(value), share

    def histogram(self, bins: int = 128) -> tuple[tuple[float, float, int], ...]:
        """Return (from, to, pixels) of at most `bins` bins of equal width, a whole number of HU, for display."""
        width = max(1, -(-len(self.counts) // bins))
        starts = np.arange(0, len(self.counts), width)
        totals = np.add.reduceat(self.counts, starts) if len(self.counts) else self.counts
        return tuple(
            (self.low + start - 0.5, self.low + start + width - 0.5, total)
            for start, total in zip(starts.tolist(), totals.tolist(), strict=True)
        )


def read_sample(volume: Volume, catalog: Catalog) -> HUSample:
    """Return a sample of up to `MAX_SLICES` slices spread over a grayscale volume, about `SLICE_PIXELS` pixels each.

    `catalog` must hold the volume's files, as that of its series does; their tags are read from it.

    Raises
    ------
    PixelError
        If none of the slices can be read.
    """
    array = volume.array
    lead = array.shape[:-2]
    n_planes = int(np.prod(lead))
    step = max(1, int(np.ceil(np.sqrt(array.shape[-1] * array.shape[-2] / SLICE_PIXELS))))
    chosen = sorted_unique(np.linspace(0, n_planes - 1, min(MAX_SLICES, n_planes)).round().astype(int)).tolist()
    parts, used, n_padding = [], [], 0
    failed: PixelError | None = None
    for plane in chosen:
        try:
            values = array[np.unravel_index(plane, lead)][::step, ::step].ravel()
        except PixelError as error:
            failed = error
            continue
        inside = np.isfinite(values) if values.dtype.kind == "f" else np.ones(len(values), dtype=bool)
        for low, high in volume.padding:
            inside &= (values < low) | (values > high)
        n_padding += len(values) - int(inside.sum())
        parts.append(np.clip(np.rint(values[inside]), -MAX_HU, MAX_HU).astype(np.int64))
        used.append(volume.files[plane][0])
    if failed is not None and not parts:
        raise failed
    values = np.concatenate(parts)
    low = int(values.min()) if len(values) else 0
    paths = frozenset(used)
    rows = np.flatnonzero([path in paths for path in catalog.paths])
    return HUSample(
        low=low,
        counts=np.bincount(values - low),
        n=len(values),
        n_padding=n_padding,
        n_slices=len(used),
        **_stated(catalog.rows(rows)),
    )


def _stated(catalog: Catalog) -> dict[str, Any]:
    """Return the values on which all files of `catalog` agree, as fields of an `HUSample`."""

    def only(*tags: str) -> str | None:
        texts = {text for tag in tags for text in catalog.values(tag) if text}
        return next(iter(texts)) if len(texts) == 1 else None if texts else ""

    pair = [only(*(place + tag for place in _PLACES)) for tag in _RESCALE_TAGS]
    slope, intercept = (None if text is None else number(text) if text else 0.0 for text in pair)
    # An intercept alone is no rescale: the volume then holds stored values. A slope alone has an intercept of 0.
    rescale = (1.0, 0.0) if pair[0] == "" else None if slope is None or intercept is None else (slope, intercept)
    bits, sign = number(only("BitsStored") or ""), only("PixelRepresentation")
    return {
        "rescale": rescale,
        "bits": None if bits is None else int(bits),
        "signed": None if sign is None else sign == "1",
        "stated_padding": tuple(text for text in catalog.values("PixelPaddingValue") if text),
        "image_types": tuple(text for text in catalog.values("ImageType") if text),
    }


@dataclass(frozen=True, slots=True)
class Population:
    """Values in HU, ascending, and the share of pixels with each value."""

    values: np.ndarray
    shares: np.ndarray

    def mapped(self, change: Callable[[np.ndarray], np.ndarray]) -> Population:
        """Return the same pixels with their values mapped by `change`."""
        values = change(self.values)
        order = np.argsort(values, kind="stable")
        return Population(values[order], self.shares[order])

    def share(self, low: float, high: float) -> float:
        """Return the share of pixels from `low` to `high`, both included."""
        first, last = np.searchsorted(self.values, low), np.searchsorted(self.values, high, "right")
        return float(self.shares[first:last].sum())

    def windows(self, low: float, high: float) -> np.ndarray:
        """Return the share of pixels within half a `BAND_HU` of each of low, low + 10, … high."""
        centers = np.arange(low, high + 1, 10.0)
        summed = np.concatenate([[0.0], np.cumsum(self.shares)])
        ends = np.searchsorted(self.values, centers + BAND_HU / 2, "right")
        return np.asarray(summed[ends] - summed[np.searchsorted(self.values, centers - BAND_HU / 2)])

    def tissue(self, prominence: float) -> float:
        """Return the largest share of a `BAND_HU` in soft tissue, 0.0 if it does not exceed both valleys enough."""
        tallest = float(self.windows(*TISSUE_HU).max(initial=0.0))
        valley = max(float(self.windows(*valley).min(initial=1.0)) for valley in VALLEYS_HU)
        return tallest if tallest >= prominence * valley else 0.0

    @property
    def spike(self) -> tuple[float, float]:
        """Lowest isolated value and its share: almost no pixels lie below it, and few close to it.

        It is (the lowest value, 0.0) if no value is isolated.
        """
        for index in np.flatnonzero(self.shares >= 0.005)[:1].tolist():
            value, share = float(self.values[index]), float(self.shares[index])
            if self.shares[:index].sum() <= 0.001 and share >= 0.8 * self.share(value - 25, value + 25):
                return value, share
        return float(self.values[0]), 0.0

    def without_spike(self) -> Population:
        """Return the population without its `spike`, which is padding, or air without noise."""
        value, share = self.spike
        others = self.values != value
        return Population(self.values[others], self.shares[others] / (1 - share)) if 0 < share < 1 else self

    @property
    def below(self) -> float:
        """Share of pixels below `LOWEST` that are not the noise of air."""
        lowest = self.lowest_population
        is_noise = lowest is not None and AIR_HU[0] <= lowest <= AIR_HU[1]
        return self.share(-np.inf, DEEP if is_noise else LOWEST)

    @property
    def is_in_place(self) -> bool:
        """Whether air and a distinct population of tissue are where they belong."""
        return self.share(*AIR_HU) >= 0.02 and self.tissue(1.5) >= 0.005 and not self.is_padding_for_air

    @property
    def is_in_air(self) -> bool:
        """Whether these are the values of a body in air: air, distinct soft tissue, and almost no impossible values."""
        air = self.share(*AIR_HU)
        return (
            air >= 0.05
            and self.share(*TISSUE_HU) >= max(0.01, 0.1 * (1 - air))
            and self.tissue(2.0) >= 0.005
            and self.share(-np.inf, LOWEST) < 0.005
            and self.share(HIGHEST, np.inf) < 0.01
            and not self.is_padding_for_air
        )

    @property
    def is_padding_for_air(self) -> bool:
        """Whether padding looks like air and air looks like tissue: there is a further population above.

        Air has noise. Without noise, as in a drawing, air and padding cannot be distinguished.
        """
        value, share = self.spike
        if not share or not AIR_HU[0] <= value <= AIR_HU[1] or self.share(*AIR_HU) > 1.1 * share:
            return False
        first, last = np.searchsorted(self.values, TISSUE_HU[0]), np.searchsorted(self.values, TISSUE_HU[1], "right")
        if self.shares[first:last].max(initial=0.0) > 0.3 * self.shares[first:last].sum():
            return False
        tallest, valley = self.windows(*ABOVE_TISSUE_HU).max(initial=0.0), self.windows(*BELOW_BONE_HU).min(initial=1.0)
        return bool(tallest >= max(0.005, 2 * valley))

    def found_by(self, change: Callable[[np.ndarray], np.ndarray]) -> Population | None:
        """Return the mapped values, with or without their spike, if they are those of a body in air; otherwise None."""
        other = self.mapped(change)
        bodies = (other, other.without_spike()) if other.spike[1] else (other,)
        return next((body for body in bodies if body.is_in_air), None)

    @property
    def lowest_population(self) -> float | None:
        """Peak of the lowest population, HU; None if there is no population."""
        summed = np.concatenate([[0.0], np.cumsum(self.shares)])
        ends = np.searchsorted(self.values, self.values + BAND_HU, "right")
        starts = np.flatnonzero(summed[ends] - summed[:-1] >= 0.04)
        if not len(starts):
            return None
        start = float(self.values[starts[0]])
        within = int(np.searchsorted(self.values, start + 2.5 * BAND_HU, "right"))
        return start + 10.0 * int(np.argmax(self.windows(start, float(self.values[within - 1]))))


def population_of(sample: HUSample) -> Population:
    """Return the population of a sample that has pixels."""
    bins = np.flatnonzero(sample.counts)
    return Population(bins + float(sample.low), sample.counts[bins] / sample.n)
