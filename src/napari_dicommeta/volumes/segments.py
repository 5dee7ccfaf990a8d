"""Segments of a volume of labels: numbers with names and colors, the mask of each, and groups that do not overlap."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TypeGuard

import numpy as np

from napari_dicommeta.support.words import display

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["MaskPlanes", "Segment", "SegmentSource", "groups_without_overlap", "is_segment_source", "segments_text"]

MAX_NAMED = 12
"""Segments that a text names."""


@dataclass(frozen=True, slots=True)
class Segment:
    """A segment or a region of interest.

    `number` is its value in the array. `name` is what the file calls it. `color`: red, green and blue from 0 to 255,
    None if the file recommends none.
    """

    number: int
    name: str = ""
    color: tuple[int, int, int] | None = None


class SegmentSource(Protocol):
    """A source of planes of segment numbers, which can leave segments out."""

    def __call__(self, n: int, out: np.ndarray) -> None: ...  # noqa: D102
    def segments(self, n: int) -> tuple[int, ...]: ...  # noqa: D102
    def only(self, numbers: frozenset[int]) -> SegmentSource: ...  # noqa: D102


def is_segment_source(source: object) -> TypeGuard[SegmentSource]:
    """Return whether a source of planes can leave segments out; the tiles of a slide cannot."""
    return hasattr(source, "only")


@dataclass(frozen=True, slots=True)
class MaskPlanes:
    """Where the planes of `source` have the value `number`; `dtype` is that of the numbers."""

    source: Callable[[int, np.ndarray], None]
    number: int
    dtype: np.dtype

    def __call__(self, n: int, out: np.ndarray) -> None:
        """Fill `out`, bool, with the mask of plane `n`."""
        numbers = np.empty(out.shape, self.dtype)
        self.source(n, numbers)
        np.equal(numbers, self.number, out=out)


def groups_without_overlap(
    source: SegmentSource, shape: tuple[int, ...], dtype: np.dtype
) -> tuple[frozenset[int], ...]:
    """Return groups of segment numbers, as few as a greedy search finds, that share no pixel within a group.

    `shape`: (planes, rows, columns). `dtype` is that of the array.

    All planes with several segments are read. Segments that overlap few others come first.
    """
    numbers: set[int] = set()
    meeting: dict[int, set[int]] = {}
    plane = np.empty(shape[1:], dtype)
    for n in range(shape[0]):
        here = source.segments(n)
        numbers.update(here)
        if len(here) < 2:
            continue
        masks = np.empty((len(here), *plane.shape), dtype=bool)
        for mask, number in zip(masks, here, strict=True):
            source.only(frozenset((number,)))(n, plane)
            np.equal(plane, number, out=mask)
        shared = masks.sum(axis=0, dtype=np.uint16) > 1
        if not shared.any():
            continue
        inside = masks[:, shared].astype(np.float32)
        for first, second in np.argwhere(inside @ inside.T > 0).tolist():
            if first != second:
                meeting.setdefault(here[first], set()).add(here[second])
    groups: list[set[int]] = []
    for number in sorted(numbers, key=lambda number: (len(meeting.get(number, ())), number)):
        others = meeting.get(number, set())
        fitting = next((group for group in groups if not group & others), None)
        fitting.add(number) if fitting is not None else groups.append({number})
    return tuple(map(frozenset, groups))


def segments_text(segments: Sequence[Segment]) -> str:
    """Return numbers with names, "1 Liver, 2 Spleen", at most `MAX_NAMED` of them."""
    texts = [display(f"{segment.number} {segment.name}".strip(), 60) for segment in segments[:MAX_NAMED]]
    more = f" and {len(segments) - MAX_NAMED} more" if len(segments) > MAX_NAMED else ""
    return ", ".join(texts) + more
