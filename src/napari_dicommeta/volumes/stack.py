"""A stack: frames in array order that fit one grid, or slices and times."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from napari_dicommeta.volumes.geometry import VolumeGeometry

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_dicommeta.volumes.duplicates import LeftOut
    from napari_dicommeta.volumes.frames import Frames
    from napari_dicommeta.volumes.note import Note

__all__ = ["Result", "Stack", "in_order", "joined", "sorted_stack"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Stack:
    """Frames in array order: `times` volumes in sequence, each with its slices along their normal.

    `axis`: the keyword of the fourth axis, "" for a stack of slices. `is_one_place`: whether all frames lie at one
    position, or have none and a value of the axis each; the array then has no slice axis. `reasons`: why the stack was
    split from its series. `left_out`: duplicate frames, each with the reason. `is_grid`: whether the frames share
    orientation and pixel spacing.
    """

    frames: Frames
    times: int = 1
    axis: str = ""
    reasons: tuple[str, ...] = ()
    notes: tuple[Note, ...] = ()
    left_out: tuple[LeftOut, ...] = ()
    is_one_place: bool = False
    is_grid: bool = True

    @property
    def is_placed(self) -> bool:
        """Whether the frames say where they lie and share one grid."""
        return self.is_grid and bool(self.frames.is_placed.all())

    def geometry(self) -> VolumeGeometry | None:
        """Return the grid of the first volume, None if frames have no position or form no grid."""
        plane = self.frames.main_plane
        if plane is None or not self.is_placed:
            return None
        return VolumeGeometry.of_positions(plane, self.frames.positions[: len(self.frames) // self.times])

    def because(self, *reasons: str) -> Stack:
        """Return the stack with further reasons, placed before its own."""
        return replace(self, reasons=(*reasons, *self.reasons)) if reasons else self


@dataclass(frozen=True, slots=True)
class Result:
    """Stacks of some frames, and the number of faults in their geometry."""

    stacks: list[Stack]
    faults: int = 0

    def because(self, *reasons: str) -> Result:
        """Return the result with further reasons for each stack."""
        return Result([stack.because(*reasons) for stack in self.stacks], self.faults)

    def noted(self, *notes: Note) -> Result:
        """Return the result with further notes on each stack."""
        return Result([replace(stack, notes=(*stack.notes, *notes)) for stack in self.stacks], self.faults)


def joined(parts: Sequence[Result]) -> Result:
    """Return the stacks of all parts; a single image split from others is a fault."""
    stacks = [stack for part in parts for stack in part.stacks]
    singles = sum(len(stack.frames) == 1 for stack in stacks) if len(stacks) > 1 else 0
    return Result(stacks, sum(part.faults for part in parts) + singles)


def in_order(frames: Frames) -> np.ndarray:
    """Return the rows of `frames` by position; at equal or unknown positions by Instance Number, file and frame."""
    if not frames.is_placed.all():
        return np.argsort(frames.order, kind="stable")
    places = frames.places
    if int(places.max()) == len(places) - 1:  # each frame has a place of its own
        return np.argsort(places)
    return np.lexsort((frames.order, places))


def sorted_stack(frames: Frames) -> Stack:
    """Return a stack of slices in order."""
    return Stack(frames=frames.at(in_order(frames)))
