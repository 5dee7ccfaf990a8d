"""Long work is a generator that yields its progress and returns its result: run it to the end here."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

__all__ = ["result_of"]

Progress = TypeVar("Progress")
Result = TypeVar("Result")


def result_of(steps: Generator[Progress, None, Result], progress: Callable[[Progress], object] | None = None) -> Result:
    """What `steps` returns; `progress` is called with each step."""
    while True:
        try:
            step = next(steps)
        except StopIteration as stop:
            result: Result = stop.value
            return result
        if progress is not None:
            progress(step)
