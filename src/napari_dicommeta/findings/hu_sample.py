"""A sample of a volume's values in HU, and what populations are in it.

Air lies near -1000 HU and soft tissue near 0 to 60: a body in air has two populations 1000 to 1060 HU apart, and
nothing but padding below -1100.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_dicommeta.dicom.values import number
from napari_dicommeta.support.errors import PixelError

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_dicommeta.catalog.catalog import Catalog
    from napari_dicommeta.volumes.volume import Volume

__all__ = ["DEEP", "HIGHEST", "LOWEST", "HUSample", "Population", "population_of", "read_sample"]

MAX_SLICES = 9
"""Slices of a volume that are read."""
SLICE_PIXELS = 1 << 16
"""Of one slice, about."""
FARTHEST = 1 << 17
"""HU; values beyond are counted there."""
AIR_HU = (-1060, -940)
"""HU; of the most of air, noise included."""
LOWEST = -1100
"""HU; nothing but padding, and the noise of air, lies below."""
DEEP = -1400
"""HU; nor does noise reach this far."""
TISSUE_HU = (-150, 180)
VALLEYS_HU = ((-700, -200), (250, 700))
"""HU; between lung and fat, and above contrast medium: a body has fewer pixels there than of soft tissue."""
ABOVE_TISSUE_HU, BELOW_BONE_HU = (940, 1180), (300, 800)
"""HU; bone has no population there that stands out of what is below it."""
HIGHEST = 3200
"""HU; little but metal lies above."""
BAND_HU = 40
"""HU; the width over which pixels are added up for a population."""
_RESCALE = ("RescaleSlope", "RescaleIntercept")
_PLACES = (
    "",
    "SharedFunctionalGroupsSequence.PixelValueTransformationSequence.",
    "PerFrameFunctionalGroupsSequence.PixelValueTransformationSequence.",
)


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class HUSample:
    """The modality values of some pixels of a volume, counted, without the padding that its files state.

    `counts`: int64, pixels of `low`, `low` + 1 … HU, rounded. `n`: all of them. `n_padding`: pixels of stated padding,
    left out. `n_slices`: slices they are from. `rescale`: slope and intercept of these slices, (1, 0) where the files
    state none, None where they differ. `bits`, `signed`: *Bits Stored* and *Pixel Representation*, None where they
    differ. `stated_padding`: *Pixel Padding Value* as the files state it. `image_types`: *Image Type* of the slices.
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
        """The edges of the bins of `counts`, HU, float64 of shape (len(counts) + 1,)."""
        return self.low - 0.5 + np.arange(len(self.counts) + 1)

    @property
    def spike(self) -> tuple[int, float]:
        """The lowest value that stands alone, HU, and its share of the pixels; a share of 0.0 where none does."""
        value, share = population_of(self).spike if self.n else (0.0, 0.0)
        return int(value), share

    def histogram(self, bins: int = 128) -> tuple[tuple[float, float, int], ...]:
        """(from, to, pixels) of at most `bins` bins of equal width, whole HU; to show."""
        width = max(1, -(-len(self.counts) // bins))
        starts = np.arange(0, len(self.counts), width)
        totals = np.add.reduceat(self.counts, starts) if len(self.counts) else self.counts
        return tuple(
            (self.low + start - 0.5, self.low + start + width - 0.5, total)
            for start, total in zip(starts.tolist(), totals.tolist(), strict=True)
        )


def read_sample(volume: Volume, catalog: Catalog) -> HUSample:
    """Read up to `MAX_SLICES` slices spread over a grayscale volume, of each about `SLICE_PIXELS` pixels.

    `catalog` holds the volume's files, as that of its series does: what their tags state is taken from there.

    Raises
    ------
    PixelError
        If none of the slices can be read.
    """
    array = volume.array
    lead = array.shape[:-2]
    n_planes = int(np.prod(lead))
    step = max(1, int(np.ceil(np.sqrt(array.shape[-1] * array.shape[-2] / SLICE_PIXELS))))
    chosen = np.unique(np.linspace(0, n_planes - 1, min(MAX_SLICES, n_planes)).round().astype(int)).tolist()
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
        parts.append(np.clip(np.rint(values[inside]), -FARTHEST, FARTHEST).astype(np.int64))
        used.append(volume.files[plane][0])
    if failed is not None and not parts:
        raise failed
    whole = np.concatenate(parts)
    low = int(whole.min()) if len(whole) else 0
    paths = frozenset(used)
    rows = np.flatnonzero([path in paths for path in catalog.paths])
    return HUSample(
        low=low,
        counts=np.bincount(whole - low),
        n=len(whole),
        n_padding=n_padding,
        n_slices=len(used),
        **_stated(catalog.rows(rows)),
    )


def _stated(catalog: Catalog) -> dict[str, Any]:
    """Return what all files of `catalog` state, as fields of an `HUSample`."""

    def only(*tags: str) -> str | None:
        texts = {text for tag in tags for text in catalog.values(tag) if text}
        return next(iter(texts)) if len(texts) == 1 else None if texts else ""

    pair = [only(*(place + tag for place in _PLACES)) for tag in _RESCALE]
    slope, intercept = (None if text is None else number(text) if text else 0.0 for text in pair)
    # One of the two alone is no rescale; what the volume then shows are stored values.
    rescale = (1.0, 0.0) if "" in pair else None if slope is None or intercept is None else (slope, intercept)
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
    """Values in HU, ascending, with the share of the pixels that have each."""

    values: np.ndarray
    shares: np.ndarray

    def mapped(self, change: Callable[[np.ndarray], np.ndarray]) -> Population:
        """The same pixels with other values."""
        values = change(self.values)
        order = np.argsort(values, kind="stable")
        return Population(values[order], self.shares[order])

    def share(self, low: float, high: float) -> float:
        """The share of the pixels from `low` to `high`, ends included."""
        first, last = np.searchsorted(self.values, low), np.searchsorted(self.values, high, "right")
        return float(self.shares[first:last].sum())

    def windows(self, low: float, high: float) -> np.ndarray:
        """The share of the pixels within half a `BAND_HU` of low, low + 10, … high."""
        centers = np.arange(low, high + 1, 10.0)
        summed = np.concatenate([[0.0], np.cumsum(self.shares)])
        ends = np.searchsorted(self.values, centers + BAND_HU / 2, "right")
        return np.asarray(summed[ends] - summed[np.searchsorted(self.values, centers - BAND_HU / 2)])

    def tissue(self, prominence: float) -> float:
        """The share of the tallest `BAND_HU` of soft tissue, 0.0 where it does not stand out of both its valleys."""
        tallest = float(self.windows(*TISSUE_HU).max(initial=0.0))
        valley = max(float(self.windows(*valley).min(initial=1.0)) for valley in VALLEYS_HU)
        return tallest if tallest >= prominence * valley else 0.0

    @property
    def spike(self) -> tuple[float, float]:
        """The lowest value that stands alone and its share: next to nothing below, few pixels beside it.

        (the lowest value, 0.0) where none does.
        """
        for index in np.flatnonzero(self.shares >= 0.005)[:1].tolist():
            value, share = float(self.values[index]), float(self.shares[index])
            if self.shares[:index].sum() <= 0.001 and share >= 0.8 * self.share(value - 25, value + 25):
                return value, share
        return float(self.values[0]), 0.0

    def without_spike(self) -> Population:
        """The body without the value that stands alone below it: padding, or air without noise."""
        value, share = self.spike
        kept = self.values != value
        return Population(self.values[kept], self.shares[kept] / (1 - share)) if 0 < share < 1 else self

    @property
    def below(self) -> float:
        """The share of the pixels below `LOWEST` that are not the noise of air."""
        lowest = self.lowest_population
        is_noise = lowest is not None and AIR_HU[0] <= lowest <= AIR_HU[1]
        return self.share(-np.inf, DEEP if is_noise else LOWEST)

    @property
    def is_in_place(self) -> bool:
        """Whether there is some air, and some tissue that stands out, where they shall be."""
        return self.share(*AIR_HU) >= 0.02 and self.tissue(1.5) >= 0.005 and not self.is_padding_for_air

    @property
    def is_in_air(self) -> bool:
        """Whether these are the values of a body in air: air, prominent soft tissue, nothing where nothing can be."""
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
        """Whether what looks like air is padding, and what looks like tissue is air: there is one population more.

        Air has noise; where it has none, as in a drawing, nothing tells the two apart.
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
        """The values changed, without what may be padding, if they then are those of a body in air."""
        other = self.mapped(change)
        bodies = (other, other.without_spike()) if other.spike[1] else (other,)
        return next((one for one in bodies if one.is_in_air), None)

    @property
    def lowest_population(self) -> float | None:
        """Where the pixels of the lowest population are most, HU; None where there is no population."""
        summed = np.concatenate([[0.0], np.cumsum(self.shares)])
        ends = np.searchsorted(self.values, self.values + BAND_HU, "right")
        starts = np.flatnonzero(summed[ends] - summed[:-1] >= 0.04)
        if not len(starts):
            return None
        start = float(self.values[starts[0]])
        within = int(np.searchsorted(self.values, start + 2.5 * BAND_HU, "right"))
        return start + 10.0 * int(np.argmax(self.windows(start, float(self.values[within - 1]))))


def population_of(sample: HUSample) -> Population:
    """The values of a sample that has pixels."""
    held = np.flatnonzero(sample.counts)
    return Population(held + float(sample.low), sample.counts[held] / sample.n)
